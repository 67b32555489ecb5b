/* Batches of calls and of gets. See many.h. */
#include "api/client/many.h"

#include "api/client/client.h"
#include "api/client/error.h"
#include "runtime/base/macros.h"

#define GETS_AT_ONCE 256 /* before other threads get their turn */

/* ---- submit ---------------------------------------------------------------------------------- */

void reeve_batch_init(struct reeve_batch *batch, struct reeve_backend *backend, uint64_t *futures,
    struct reeve_error_info *error)
{
    batch->backend = backend;
    batch->futures = futures;
    batch->done = batch->count = batch->bytes_used = 0;
    batch->error = error;
    batch->first.code = REEVE_OK;
}

uint8_t *reeve_batch_room(struct reeve_batch *batch, size_t size)
{
    if (size > REEVE_BATCH_BYTES - batch->bytes_used)
        reeve_batch_flush(batch);
    uint8_t *room = batch->bytes + batch->bytes_used;
    batch->bytes_used += size;
    return room;
}

void reeve_batch_add(struct reeve_batch *batch, const struct reeve_submit *submit)
{
    batch->calls[batch->count++] = *submit;
    if (batch->count == REEVE_BATCH_CALLS)
        reeve_batch_flush(batch);
}

/* What is in the thread's error happened to the call of futures[done]. */
static void fail_next(struct reeve_batch *batch)
{
    if (batch->first.code == REEVE_OK)
        batch->first = *batch->error;
    batch->futures[batch->done++] = reeve_failed_future(batch->error);
}

void reeve_batch_flush(struct reeve_batch *batch)
{
    size_t at = 0;
    while (at < batch->count) {
        size_t before = at;
        int rc = batch->backend->submit_many(batch->backend, batch->calls, batch->count,
            batch->futures + batch->done - at, &at, batch->error);
        batch->done += at - before;
        if (REEVE_LIKELY(!rc))
            break;
        reeve_error_complete(batch->error, rc);
        if (!batch->error->function[0])
            reeve_error_function(batch->error, batch->calls[at].function->name);
        fail_next(batch);
        at++;
    }
    batch->count = batch->bytes_used = 0;
}

void reeve_batch_fail(struct reeve_batch *batch)
{
    if (batch->count != 0) { /* which may fail, too, and come first */
        struct reeve_error_info error = *batch->error;
        reeve_batch_flush(batch);
        *batch->error = error;
    }
    fail_next(batch);
}

void reeve_batch_taken(struct reeve_batch *batch, uint64_t future)
{
    batch->futures[batch->done++] = future;
}

int reeve_batch_fail_all(struct reeve_batch *batch, size_t count)
{
    uint64_t failed = reeve_failed_future(batch->error);
    for (size_t i = 0; i < count; i++)
        batch->futures[i] = failed;
    return batch->error->code;
}

int reeve_batch_end(struct reeve_batch *batch)
{
    reeve_batch_flush(batch);
    if (REEVE_LIKELY(batch->first.code == REEVE_OK))
        return REEVE_OK;
    *batch->error = batch->first;
    return batch->first.code;
}

/* ---- get, view ------------------------------------------------------------------------------- */

/* Gets, or views, from futures[*at] on; stops behind a slice, or at one that fails. */
static int slice_take(const uint64_t *futures, size_t *at, size_t count, reeve_consume *consume,
    void *arg, struct reeve_client_views *views, struct reeve_error_info *error)
{
    if (REEVE_UNLIKELY(reeve_is_failed_future(futures[*at])))
        return reeve_failed_future_get(futures[*at], error);
    struct reeve_backend *backend = reeve_client_enter(error);
    if (REEVE_UNLIKELY(!backend))
        return error->code;
    size_t end = *at + 1;
    count = REEVE_MIN(count, *at + GETS_AT_ONCE);
    while (end < count && !reeve_is_failed_future(futures[end]))
        end++;
    int rc;
    if (views) {
        if (!views->backend)
            views->backend = backend; /* which knows them: another one does not */
        backend = views->backend;
        rc = backend->view(
            backend, futures, at, end, REEVE_FOREVER, consume, arg, &views->handle, error);
    } else {
        rc = backend->get_many(backend, futures, at, end, consume, arg, error);
    }
    return REEVE_LIKELY(!rc) ? REEVE_OK : reeve_error_complete(error, rc);
}

static int take_many(const uint64_t *futures, size_t count, reeve_consume *consume, void *arg,
    struct reeve_client_views *views, int *codes)
{
    struct reeve_error_info *error = reeve_error_thread(), first;
    size_t at = 0;
    first.code = REEVE_OK;
    while (at < count) {
        size_t begin = at;
        int rc = slice_take(futures, &at, count, consume, arg, views, error);
        for (size_t i = begin; codes && i < at; i++)
            codes[i] = REEVE_OK;
        if (REEVE_LIKELY(!rc))
            continue;
        if (first.code == REEVE_OK)
            first = *error;
        if (codes)
            codes[at] = rc;
        at++;
    }
    if (REEVE_LIKELY(first.code == REEVE_OK))
        return REEVE_OK;
    *error = first;
    return first.code;
}

int reeve_client_get_many(
    const uint64_t *futures, size_t count, reeve_consume *consume, void *arg, int *codes)
{
    return take_many(futures, count, consume, arg, NULL, codes);
}

int reeve_client_view_many(const uint64_t *futures, size_t count, reeve_consume *consume, void *arg,
    struct reeve_client_views *views, int *codes)
{
    return take_many(futures, count, consume, arg, views, codes);
}
