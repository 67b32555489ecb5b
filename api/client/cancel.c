/* Cancelling, and being cancelled: the interface. */
#include <reeve.h>

#include "api/client/client.h"
#include "api/client/error.h"
#include "api/client/owner.h"
#include "api/client/running.h"
#include "runtime/base/macros.h"

#define GRACE_MS_DEFAULT 1000

_Atomic uint64_t reeve_running_control;
_Atomic uint32_t reeve_running_asked_depth = UINT32_MAX;
_Atomic uint32_t *reeve_running_depth;
__thread const _Atomic bool *reeve_running_beside;

/* Options as the struct grows: what the caller's does not have is 0. */
static int resolve(const reeve_cancel_options *options, struct reeve_owner_cancel *ret,
    struct reeve_error_info *error)
{
    *ret = (struct reeve_owner_cancel){.grace_ms = GRACE_MS_DEFAULT};
    if (options == NULL)
        return REEVE_OK;
    if (options->size != sizeof(*options))
        return reeve_error_set(error, REEVE_EINVAL,
            "reeve_cancel: the options' size is not set: use REEVE_CANCEL_OPTIONS");
    if (options->grace_ms < REEVE_FOREVER || options->grace_ms >= UINT32_MAX)
        return reeve_error_set(error, REEVE_EINVAL,
            "reeve_cancel: grace_ms is %lld: 1 or more, 0 for the default, or REEVE_FOREVER",
            (long long)options->grace_ms);
    if (options->grace_ms == REEVE_FOREVER)
        ret->grace_ms = REEVE_OWNER_NEVER;
    else if (options->grace_ms != 0)
        ret->grace_ms = (uint32_t)options->grace_ms;
    ret->keep_children = options->keep_children != 0;
    return REEVE_OK;
}

REEVE_API int(reeve_cancel)(reeve_future future, const reeve_cancel_options *options)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_owner_cancel how;
    struct reeve_backend *backend = reeve_client_enter(error);
    if (backend == NULL)
        return error->code;
    int code = resolve(options, &how, error);
    if (code != 0)
        return code;
    if (reeve_is_failed_future(future.id))
        return future.id == UINT64_MAX ? reeve_failed_future_get(future.id, error) : REEVE_OK;
    code = backend->cancel(backend, future.id, &how, error);
    return code != 0 ? reeve_error_complete(error, code) : REEVE_OK;
}

REEVE_API bool reeve_cancelled(void)
{
    if (REEVE_UNLIKELY(reeve_running_beside != NULL))
        return atomic_load_explicit(reeve_running_beside, memory_order_relaxed);
    uint64_t control = atomic_load_explicit(&reeve_running_control, memory_order_relaxed);
    if ((control & REEVE_RUNNING_STATE) > REEVE_RUNNING)
        return true;
    uint32_t depth = atomic_load_explicit(&reeve_running_asked_depth, memory_order_relaxed);
    return depth != UINT32_MAX &&
           depth <= atomic_load_explicit(reeve_running_depth, memory_order_relaxed);
}
