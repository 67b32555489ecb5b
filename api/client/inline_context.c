/* What a task knows of itself and tells of it, in inline mode: members of the backend. */
#include "api/client/inline_internal.h"

#include <unistd.h>

#include "api/client/invoke.h"

/* What this thread's task has said last. */
static __thread uint64_t progress_of, progress_done, progress_total;

void inline_context(
    struct reeve_backend *backend, const struct reeve_invocation *invocation, reeve_context *ret)
{
    (void)backend;
    ret->cpus = 1;
    ret->pid = (int32_t)getpid();
    if (progress_of == invocation->id.sequence) {
        ret->progress_done = progress_done;
        ret->progress_total = progress_total;
    }
}

void inline_progress(struct reeve_backend *backend, const struct reeve_invocation *invocation,
    uint64_t done, uint64_t total)
{
    (void)backend;
    progress_of = invocation->id.sequence;
    progress_done = done;
    progress_total = total;
}

/* Nobody asks while it runs. */
int inline_get_progress(struct reeve_backend *backend, uint64_t future, uint64_t *done,
    uint64_t *total, struct reeve_error_info *error)
{
    *done = *total = 0;
    return inline_cancel(backend, future, NULL, error);
}
