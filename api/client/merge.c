/* Several streams at once: the indexes of those of which something can be taken come from a queue
 * of tags (ready.h).
 *
 *   watched ──has an item, or its end──▶ queued ──merge_next──▶ given ──merge_next──▶ watched …
 *                                                                 └──no live stream──▶ left out
 *
 * The one that was given last is watched again when the next one is asked for, behind the others:
 * so they take turns. */
#include "api/client/client.h"
#include "api/client/error.h"
#include "api/client/ready.h"
#include "runtime/base/clock.h"

#define NO_STREAM (UINT64_C(1) << 63) /* with an index as its tag: it was none from the beginning */

REEVE_API reeve_merge reeve_merge_begin(const reeve_future *streams, size_t count)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    struct reeve_ready *ready = backend != NULL ? reeve_ready_create() : NULL;
    if (ready != NULL && reeve_ready_expect(ready, count) != 0) {
        reeve_ready_abandon(ready);
        ready = NULL;
    }
    for (size_t i = 0; i < count && ready != NULL; i++)
        if (reeve_is_failed_future(streams[i].id) ||
            backend->watch_next(backend, streams[i].id, ready, i, NULL) != 0)
            reeve_ready_push(ready, i | NO_STREAM);
    return (reeve_merge){streams, count, count, count, ready};
}

/* It has been given, and what could be taken of it may have been. */
static int watch_again(
    reeve_merge *merge, struct reeve_backend *backend, struct reeve_error_info *error)
{
    size_t index = merge->given;
    uint64_t stream = merge->streams[index].id;
    int code = REEVE_EHANDLE;
    if (!reeve_is_failed_future(stream))
        code = reeve_ready_watch(
            backend, backend->watch_next, merge->queue, stream, (uint64_t)index, error);
    if (code == REEVE_ENOMEM || code == REEVE_ESHUTDOWN)
        return code;
    merge->left -= code != 0;
    merge->given = merge->count;
    return 0;
}

static int tag_await(reeve_merge *merge, struct reeve_backend *backend, uint64_t deadline_ns,
    uint64_t *ret, struct reeve_error_info *error)
{
    while (!reeve_ready_take(merge->queue, ret)) {
        size_t tried = merge->count; /* no stream is run in the midst of its reader */
        int code = backend->watch_wait(backend, merge->queue, (const uint64_t *)merge->streams,
            merge->count, &tried, deadline_ns, error);
        if (code != 0 && !reeve_ready_any(merge->queue))
            return reeve_error_complete(error, code);
    }
    return 0;
}

/* What has been told of it does not hold any more: it has been released or given to a call, or
 * another thread has taken from it. */
static bool is_past(struct reeve_backend *backend, uint64_t stream)
{
    int code = backend->watch_next(backend, stream, NULL, 0, NULL);
    return code == REEVE_EAGAIN || code == REEVE_EHANDLE;
}

REEVE_API int reeve_merge_next(reeve_merge *merge, int64_t timeout_ms, size_t *ret_index)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    uint64_t tag = 0, deadline_ns = reeve_clock_deadline_ns(timeout_ms);
    int code = 0;
    if (backend == NULL)
        return error->code;
    if (merge->queue == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory to wait for several streams");
    do {
        if (merge->given != merge->count && (code = watch_again(merge, backend, error)) != 0)
            return code;
        if (merge->left == 0)
            return reeve_error_set(error, REEVE_EEND, "all streams have ended");
        if ((code = tag_await(merge, backend, deadline_ns, &tag, error)) != 0)
            return code;
        merge->given = (size_t)(tag & ~NO_STREAM);
    } while (!(tag & NO_STREAM) && is_past(backend, merge->streams[merge->given].id));
    *ret_index = merge->given;
    return REEVE_OK;
}

REEVE_API void reeve_merge_end(reeve_merge *merge)
{
    if (merge->queue != NULL)
        reeve_ready_abandon(merge->queue);
    merge->queue = NULL;
}
