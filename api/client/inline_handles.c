/* REEVE_MODE=inline: handles of actors. There is one process, and so an actor has one count, of the
 * program's and of those in values; while a call has one among its arguments, its caller has it,
 * and waits. What is dropped is often dropped with the lock, and destructors are the program's
 * code: so actors whose last handle has gone are put in a list, and ended when nothing is locked.
 */
#include "api/client/actor.h"
#include "api/client/error.h"
#include "api/client/inline_internal.h"

#include <stdlib.h>

/* What a handle refers to, as an id beside those of futures. */
#define HANDLE (UINT64_C(1) << 62)

static struct inline_actor *find_locked(uint64_t number)
{
    return reeve_map64_get(&inline_self.actors, number);
}

/* One handle more of a living one, with the lock. */
static struct inline_actor *hold_locked(const reeve_actor *handle)
{
    bool known = inline_self.running && handle->owner == INLINE_OWNER;
    struct inline_actor *actor = known ? find_locked(handle->number) : NULL;
    if (!actor || actor->handles == 0)
        return NULL;
    actor->handles++;
    return actor;
}

int inline_handles_hold(
    struct value *value, const reeve_actor *actors, size_t count, struct reeve_error_info *error)
{
    if (count == 0)
        return REEVE_OK;
    value->actors = calloc(count, sizeof *value->actors);
    if (!value->actors)
        return inline_no_memory(error);
    pthread_mutex_lock(&inline_self.lock);
    for (size_t i = 0; i < count; i++)
        if (hold_locked(&actors[i]))
            value->actors[value->actor_count++] = actors[i].number;
    pthread_mutex_unlock(&inline_self.lock);
    return REEVE_OK;
}

int inline_actor_refer(struct reeve_backend *backend, const reeve_actor *actor, uint64_t *ret,
    struct reeve_error_info *error)
{
    (void)backend;
    (void)error;
    pthread_mutex_lock(&inline_self.lock);
    const struct inline_actor *known = hold_locked(actor);
    *ret = known ? HANDLE | known->number : 0;
    pthread_mutex_unlock(&inline_self.lock);
    return REEVE_OK;
}

int inline_handles_put(
    struct value *value, const uint64_t *futures, size_t *count, struct reeve_error_info *error)
{
    size_t first = *count;
    while (first > 0 && futures[first - 1] & HANDLE)
        first--;
    if (first == *count)
        return REEVE_OK;
    value->actors = calloc(*count - first, sizeof *value->actors);
    if (!value->actors)
        return inline_no_memory(error);
    pthread_mutex_lock(&inline_self.lock);
    for (size_t i = first; i < *count; i++) {
        struct inline_actor *actor = find_locked(futures[i] & ~HANDLE);
        if (!actor)
            continue; /* the program has been shut down meanwhile */
        actor->handles++;
        value->actors[value->actor_count++] = actor->number;
    }
    pthread_mutex_unlock(&inline_self.lock);
    *count = first;
    return REEVE_OK;
}

bool inline_handle_release_locked(uint64_t id)
{
    struct inline_actor *actor = id & HANDLE ? find_locked(id & ~HANDLE) : NULL;
    if (actor)
        inline_handle_drop_locked(actor);
    return actor;
}

void inline_handles_take(const struct value *value)
{
    pthread_mutex_lock(&inline_self.lock);
    for (size_t i = 0; i < value->actor_count; i++) {
        struct inline_actor *actor = find_locked(value->actors[i]);
        if (actor)
            actor->handles++;
    }
    pthread_mutex_unlock(&inline_self.lock);
}

void inline_handle_drop_locked(struct inline_actor *actor)
{
    if (--actor->handles != 0)
        return;
    actor->next_over = inline_self.over;
    inline_self.over = actor;
}

void inline_handles_drop_locked(const struct value *value)
{
    for (size_t i = 0; i < value->actor_count; i++) {
        struct inline_actor *actor = find_locked(value->actors[i]);
        if (actor)
            inline_handle_drop_locked(actor);
    }
}

int inline_actor_retain(
    struct reeve_backend *backend, const reeve_actor *actor, struct reeve_error_info *error)
{
    (void)backend;
    pthread_mutex_lock(&inline_self.lock);
    int rc = inline_self.running ? REEVE_OK : inline_not_live(error);
    if (!rc && !hold_locked(actor))
        rc = reeve_error_set(error, REEVE_EHANDLE, "the actor has ended");
    pthread_mutex_unlock(&inline_self.lock);
    return rc;
}

void inline_actors_settle(void)
{
    for (;;) {
        pthread_mutex_lock(&inline_self.lock);
        struct inline_actor *actor = inline_self.over;
        if (actor)
            inline_self.over = actor->next_over;
        pthread_mutex_unlock(&inline_self.lock);
        if (!actor)
            return;
        inline_actor_over(actor, true);
    }
}
