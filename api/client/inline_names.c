/* Inline mode: names of actors. There is one program, so they are kept with its actors, and looked
 * for one by one. */
#include <stdlib.h>
#include <string.h>

#include "api/client/error.h"
#include "api/client/inline_internal.h"

static const struct inline_actor *named_locked(
    const char *name_space, const char *name, uint64_t *ret_number)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&inline_self.actors, &at, ret_number, &value)) {
        const struct inline_actor *actor = value;
        if (actor->name != NULL && actor->why == NULL && strcmp(actor->name, name) == 0 &&
            strcmp(actor->name_space, name_space) == 0)
            return actor;
    }
    return NULL;
}

int inline_name_give_locked(struct inline_actor *actor, const struct reeve_actor_settings *settings,
    struct reeve_error_info *error)
{
    uint64_t number;
    if (settings->name == NULL)
        return REEVE_OK;
    if (named_locked(settings->name_space, settings->name, &number) != NULL)
        return reeve_error_set(error, REEVE_EEXIST, "the name %s is taken in the namespace %s",
            settings->name, settings->name_space);
    actor->name = strdup(settings->name);
    actor->name_space = strdup(settings->name_space);
    actor->type = strdup(settings->type);
    return actor->name != NULL && actor->name_space != NULL && actor->type != NULL
               ? REEVE_OK
               : inline_no_memory(error);
}

void inline_name_free(struct inline_actor *actor)
{
    free(actor->name);
    free(actor->name_space);
    free(actor->type);
}

int inline_actor_find(struct reeve_backend *backend, const struct reeve_actor_wanted *wanted,
    reeve_actor *ret, struct reeve_error_info *error)
{
    (void)backend;
    uint64_t number = 0;
    pthread_mutex_lock(&inline_self.lock);
    int rc = inline_self.running ? REEVE_OK : inline_not_live(error);
    const struct inline_actor *actor =
        rc == REEVE_OK ? named_locked(wanted->name_space, wanted->name, &number) : NULL;
    if (rc == REEVE_OK && actor == NULL)
        rc = reeve_error_set(error, REEVE_EHANDLE, "no actor has the name %s in the namespace %s",
            wanted->name, wanted->name_space);
    else if (rc == REEVE_OK && wanted->type[0] != 0 && strcmp(wanted->type, actor->type) != 0)
        rc = reeve_error_set(error, REEVE_ETYPE, "%s in the namespace %s is a %s, no %s",
            wanted->name, wanted->name_space, actor->type, wanted->type);
    if (rc == REEVE_OK)
        *ret = (reeve_actor){INLINE_OWNER, number, 1};
    pthread_mutex_unlock(&inline_self.lock);
    return rc;
}
