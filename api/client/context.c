/* What a function asks about the task that it runs, and how far that has come: the interface. */
#include <reeve.h>

#include <string.h>

#include "api/client/client.h"
#include "api/client/error.h"
#include "api/client/invoke.h"
#include "runtime/base/macros.h"

/* What the invocations of this thread say. */
static void describe(const struct reeve_invocation *invocation, reeve_context *ret)
{
    reeve_actor actor;
    ret->owner = invocation->id.owner;
    ret->task = invocation->id.sequence;
    ret->attempt = invocation->attempt;
    ret->function = invocation->function->name;
    ret->time_left_ms = REEVE_FOREVER;
    if (invocation->function->role != REEVE_ROLE_NONE &&
        reeve_actor_read(invocation->args, invocation->args_size, &actor)) {
        ret->actor_owner = actor.owner;
        ret->actor_number = REEVE_ACTOR_NUMBER(&actor);
    }
    if (invocation->parent != NULL) {
        struct reeve_object_id parent;
        memcpy(&parent, invocation->parent, sizeof(parent));
        ret->parent_owner = parent.owner;
        ret->parent_task = parent.sequence;
    }
    if (invocation->below != NULL) {
        ret->inside_owner = invocation->below->id.owner;
        ret->inside_task = invocation->below->id.sequence;
    }
    for (const struct reeve_invocation *at = invocation->below; at != NULL; at = at->below)
        ret->depth++;
}

REEVE_API int(reeve_get_context)(reeve_context *ret, size_t size)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    const struct reeve_invocation *invocation = reeve_invocation_current();
    reeve_context context = {0};
    if (backend == NULL)
        return error->code;
    if (invocation == NULL)
        return reeve_invocation_none("reeve_get_context", error);
    describe(invocation, &context);
    backend->context(backend, invocation, &context);
    memset(ret, 0, size); /* a program of a later version knows more fields */
    memcpy(ret, &context, REEVE_MIN(size, sizeof(context)));
    return REEVE_OK;
}

REEVE_API int reeve_progress(uint64_t done, uint64_t total)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    const struct reeve_invocation *invocation = reeve_invocation_current();
    if (REEVE_UNLIKELY(backend == NULL))
        return error->code;
    if (REEVE_UNLIKELY(invocation == NULL))
        return reeve_invocation_none("reeve_progress", error);
    backend->progress(backend, invocation, done, total);
    return REEVE_OK;
}

REEVE_API int(reeve_get_progress)(reeve_future future, uint64_t *done, uint64_t *total)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    uint64_t found[2] = {0, 0};
    int rc = REEVE_OK;
    if (backend == NULL)
        return error->code;
    if (!reeve_is_failed_future(future.id))
        rc = backend->get_progress(backend, future.id, &found[0], &found[1], error);
    if (rc != REEVE_OK)
        return reeve_error_complete(error, rc);
    *done = found[0];
    *total = found[1];
    return REEVE_OK;
}
