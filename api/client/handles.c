/* Handles of actors: in values, plain numbers; beside these, references that keep the actors.
 *
 *     argument   kept for as long as the call is under way
 *     put value  kept for as long as the value
 *     result     kept until it is got; then each is the getter's own
 *
 * A function gives away what it returns. But a handle is a value, which may stand in a struct for
 * years: what is given away are those that this very call has made, retained or got itself, and
 * they are noted with it. One that it was lent, or that its process has had before, is shared. */
#include "api/client/handles.h"

#include <stdlib.h>
#include <string.h>

#include "api/client/client.h"
#include "api/client/error.h"
#include "api/client/invoke.h"
#include "runtime/base/macros.h"

struct reeve_own_handles {
    size_t count, capacity;
    reeve_actor actors[];
};

/* ---- in values ------------------------------------------------------------------------------- */

int reeve_handles_refer(
    struct reeve_backend *backend, struct reeve_future_ids *ids, struct reeve_error_info *error)
{
    size_t count = ids->count;
    int code = REEVE_OK;
    for (size_t i = 0; i < ids->actor_count && code == REEVE_OK; i++) {
        uint64_t id = 0;
        code = backend->actor_refer(backend, &ids->actors[i], &id, error);
        if (code != REEVE_OK || id == 0) /* it has ended */
            continue;
        if (reeve_future_ids_add(ids, id) == REEVE_OK)
            continue;
        (void)backend->release(backend, id, NULL);
        code = reeve_error_set(error, REEVE_ENOMEM, "no memory for the actors in a value");
    }
    if (code != REEVE_OK)
        reeve_handles_release(backend, ids, count);
    return code;
}

void reeve_handles_release(
    struct reeve_backend *backend, const struct reeve_future_ids *ids, size_t count)
{
    for (size_t i = count; i < ids->count; i++)
        (void)backend->release(backend, ids->ids[i], NULL);
}

/* ---- those of the call that runs ------------------------------------------------------------- */

static bool is_same(const reeve_actor *a, const reeve_actor *b)
{
    return a->owner == b->owner && (uint32_t)a->number == (uint32_t)b->number;
}

void reeve_handles_note(const reeve_actor *actor)
{
    struct reeve_invocation *invocation = reeve_invocation_current();
    if (invocation == NULL || actor->number == 0)
        return;
    struct reeve_own_handles *own = invocation->own_handles;
    if (own == NULL || own->count == own->capacity) {
        size_t capacity = own != NULL ? own->capacity * 2 : 8;
        size_t count = own != NULL ? own->count : 0;
        struct reeve_own_handles *larger =
            realloc(own, sizeof(*larger) + capacity * sizeof(larger->actors[0]));
        if (larger == NULL)
            return; /* it stays the process's, until that ends */
        larger->count = count;
        larger->capacity = capacity;
        invocation->own_handles = own = larger;
    }
    own->actors[own->count++] = *actor;
}

static bool take(struct reeve_own_handles *own, const reeve_actor *actor)
{
    for (size_t i = own != NULL ? own->count : 0; i > 0; i--) {
        if (!is_same(&own->actors[i - 1], actor))
            continue;
        own->actors[i - 1] = own->actors[--own->count];
        return true;
    }
    return false;
}

void reeve_handles_forget(const reeve_actor *actor)
{
    struct reeve_invocation *invocation = reeve_invocation_current();
    if (invocation != NULL)
        (void)take(invocation->own_handles, actor);
}

void reeve_handles_note_all(const struct reeve_type *type, const void *value)
{
    struct reeve_future_ids ids = {0};
    struct reeve_error_info unused;
    struct reeve_backend *backend = reeve_client_enter(&unused);
    bool told = backend != NULL && backend->actor_got != NULL;
    if (reeve_invocation_current() == NULL && !told)
        return;
    (void)reeve_codec_futures(type, value, &ids, &unused);
    for (size_t i = 0; i < ids.actor_count; i++) {
        reeve_handles_note(&ids.actors[i]);
        if (told && ids.actors[i].number != 0)
            backend->actor_got(backend, &ids.actors[i]);
    }
    reeve_future_ids_fini(&ids);
}

void reeve_handles_give(struct reeve_backend *backend, struct reeve_invocation *invocation)
{
    const struct reeve_future_ids *result = &invocation->result_futures;
    for (size_t i = 0; i < result->actor_count && invocation->own_handles != NULL; i++)
        if (take(invocation->own_handles, &result->actors[i]))
            (void)backend->actor_end(backend, &result->actors[i], REEVE_ACTOR_RELEASE, NULL);
}

void reeve_handles_given(
    struct reeve_backend *backend, const struct reeve_type *type, const void *value)
{
    struct reeve_invocation *invocation = reeve_invocation_current();
    struct reeve_future_ids ids = {0};
    struct reeve_error_info unused;
    if (invocation == NULL || invocation->own_handles == NULL)
        return;
    (void)reeve_codec_futures(type, value, &ids, &unused);
    for (size_t i = 0; i < ids.actor_count; i++)
        if (take(invocation->own_handles, &ids.actors[i]))
            (void)backend->actor_end(backend, &ids.actors[i], REEVE_ACTOR_RELEASE, NULL);
    reeve_future_ids_fini(&ids);
}

void reeve_handles_fini(struct reeve_invocation *invocation)
{
    free(invocation->own_handles);
    invocation->own_handles = NULL;
}
