/* What a task knows of itself and tells of it, in inline mode, and how it is stopped: members of
 * the backend. */
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

/* Whatever there is has ended. */
int inline_cancel(struct reeve_backend *backend, uint64_t future,
    const struct reeve_owner_cancel *how, struct reeve_error_info *error)
{
    (void)backend;
    (void)how;
    pthread_mutex_lock(&inline_self.lock);
    bool live = inline_self.running && reeve_map64_get(&inline_self.futures, future);
    int rc = live ? REEVE_OK : inline_not_live(error);
    pthread_mutex_unlock(&inline_self.lock);
    return rc;
}

/* Nobody asks while it runs. */
int inline_get_progress(struct reeve_backend *backend, uint64_t future, uint64_t *done,
    uint64_t *total, struct reeve_error_info *error)
{
    *done = *total = 0;
    return inline_cancel(backend, future, NULL, error);
}
