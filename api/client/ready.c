/* Queues of tags (ready.h), and what of the interface is made of them alone: the file descriptor,
 * and iteration over futures as they become ready. */
#include "api/client/ready.h"

#include <errno.h>
#include <reeve.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/client/client.h"
#include "api/client/error.h"
#include "runtime/base/assert.h"
#include "runtime/base/clock.h"

/* ---- queues ---------------------------------------------------------------------------------- */

struct reeve_ready *reeve_ready_create(void)
{
    struct reeve_ready *ready = calloc(1, sizeof(*ready));
    if (ready == NULL)
        return NULL;
    pthread_mutex_init(&ready->lock, NULL);
    pthread_cond_init(&ready->filled, NULL);
    reeve_fifo_init(&ready->tags, sizeof(uint64_t));
    ready->fd = -1;
    return ready;
}

/* With the lock, which is gone afterwards if the queue is. */
static void unlock_or_free(struct reeve_ready *ready)
{
    bool over = ready->abandoned && ready->expected == 0;
    pthread_mutex_unlock(&ready->lock);
    if (!over)
        return;
    pthread_mutex_destroy(&ready->lock);
    pthread_cond_destroy(&ready->filled);
    reeve_fifo_fini(&ready->tags);
    free(ready);
}

void reeve_ready_abandon(struct reeve_ready *ready)
{
    pthread_mutex_lock(&ready->lock);
    ready->abandoned = true;
    unlock_or_free(ready);
}

int reeve_ready_expect(struct reeve_ready *ready, size_t count)
{
    pthread_mutex_lock(&ready->lock);
    int code = reeve_fifo_reserve(&ready->tags, ready->expected + count);
    if (code == 0)
        ready->expected += count;
    pthread_mutex_unlock(&ready->lock);
    return code;
}

void reeve_ready_unexpect(struct reeve_ready *ready)
{
    pthread_mutex_lock(&ready->lock);
    ready->expected--;
    unlock_or_free(ready);
}

/* The eventfd follows the queue: written when the first tag comes, read when the last one goes. */
static void fd_set_readable(const struct reeve_ready *ready, bool readable)
{
    uint64_t number = 1;
    if (ready->fd < 0)
        return;
    ssize_t ignored = readable ? write(ready->fd, &number, sizeof(number))
                               : read(ready->fd, &number, sizeof(number));
    (void)ignored;
}

void reeve_ready_push(struct reeve_ready *ready, uint64_t tag)
{
    pthread_mutex_lock(&ready->lock);
    ready->expected--;
    if (!ready->abandoned) {
        uint64_t *item = reeve_fifo_push(&ready->tags);
        REEVE_ASSERT(item != NULL); /* there is room for what is expected */
        *item = tag;
        if (atomic_fetch_add(&ready->count, 1) == 0)
            fd_set_readable(ready, true);
        pthread_cond_signal(&ready->filled);
    }
    unlock_or_free(ready);
}

static bool take_locked(struct reeve_ready *ready, uint64_t *ret_tag)
{
    if (!reeve_fifo_pop(&ready->tags, ret_tag))
        return false;
    if (atomic_fetch_sub(&ready->count, 1) == 1)
        fd_set_readable(ready, false);
    return true;
}

bool reeve_ready_take(struct reeve_ready *ready, uint64_t *ret_tag)
{
    pthread_mutex_lock(&ready->lock);
    bool found = take_locked(ready, ret_tag);
    pthread_mutex_unlock(&ready->lock);
    return found;
}

bool reeve_ready_await(struct reeve_ready *ready, uint64_t *ret_tag)
{
    bool found;
    pthread_mutex_lock(&ready->lock);
    while (!(found = take_locked(ready, ret_tag)) && !ready->stopped)
        pthread_cond_wait(&ready->filled, &ready->lock);
    pthread_mutex_unlock(&ready->lock);
    return found;
}

void reeve_ready_stop(struct reeve_ready *ready, bool stopped)
{
    pthread_mutex_lock(&ready->lock);
    ready->stopped = stopped;
    pthread_cond_broadcast(&ready->filled);
    pthread_mutex_unlock(&ready->lock);
}

int reeve_ready_fd(struct reeve_ready *ready)
{
    pthread_mutex_lock(&ready->lock);
    if (ready->fd < 0) {
        ready->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (reeve_ready_any(ready))
            fd_set_readable(ready, true);
    }
    int fd = ready->fd;
    pthread_mutex_unlock(&ready->lock);
    return fd < 0 ? REEVE_ESYSTEM : fd;
}

/* ---- a file descriptor ----------------------------------------------------------------------- */

/* The program has one. It stays as it is over shutdown and another start. */
static struct reeve_ready watched = REEVE_READY_INITIAL;

int reeve_ready_watch(struct reeve_backend *backend, reeve_watch_member *how,
    struct reeve_ready *ready, uint64_t future, uint64_t tag, struct reeve_error_info *error)
{
    int code = reeve_ready_expect(ready, 1);
    if (code != 0)
        return reeve_error_set(error, code, "no memory to watch a future");
    if (reeve_is_failed_future(future))
        reeve_ready_push(ready, tag);
    else if ((code = how(backend, future, ready, tag, error)) != 0)
        reeve_ready_unexpect(ready);
    return code != 0 ? reeve_error_complete(error, code) : REEVE_OK;
}

REEVE_API int reeve_fd(void)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (reeve_client_enter(error) == NULL)
        return error->code;
    int fd = reeve_ready_fd(&watched);
    if (fd < 0)
        return reeve_error_set(error, fd, "no file descriptor: %s", strerror(errno));
    return fd;
}

REEVE_API int(reeve_watch)(reeve_future future, uint64_t tag)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    if (backend == NULL)
        return error->code;
    return reeve_ready_watch(backend, backend->watch, &watched, future.id, tag, error);
}

REEVE_API int(reeve_watch_next)(reeve_future stream, uint64_t tag)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    if (backend == NULL)
        return error->code;
    return reeve_ready_watch(backend, backend->watch_next, &watched, stream.id, tag, error);
}

REEVE_API int reeve_next_ready(uint64_t *tag)
{
    struct reeve_error_info *error = reeve_error_thread();
    bool enters = reeve_client_enter(error) != NULL;
    if (!enters && error->code == REEVE_EFORKED)
        return error->code;
    if (reeve_ready_take(&watched, tag))
        return REEVE_OK;
    return enters ? reeve_error_set(error, REEVE_EAGAIN, "no watched future is ready")
                  : error->code;
}

/* ---- as they become ready -------------------------------------------------------------------- */

/* Without memory, or without a library that works, they come in their order: whoever gets them
 * waits, or is told why not. */
REEVE_API reeve_completion reeve_completion_begin(const reeve_future *futures, size_t count)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    reeve_completion completion = {.futures = futures, .count = count};
    struct reeve_ready *ready = backend != NULL && count != 0 ? reeve_ready_create() : NULL;
    if (ready != NULL && reeve_ready_expect(ready, count) != 0) {
        reeve_ready_abandon(ready);
        ready = NULL;
    }
    completion.queue = ready;
    for (size_t i = 0; i < count && ready != NULL; i++)
        if (reeve_is_failed_future(futures[i].id) ||
            backend->watch(backend, futures[i].id, ready, i, NULL) != 0)
            reeve_ready_push(ready, i); /* to get it tells why */
    return completion;
}

REEVE_API int reeve_completion_next(
    reeve_completion *completion, int64_t timeout_ms, size_t *ret_index)
{
    struct reeve_error_info *error = reeve_error_thread();
    uint64_t tag = completion->given;
    if (completion->given == completion->count)
        return reeve_error_set(error, REEVE_EEND, "all futures have been given");
    struct reeve_ready *ready = completion->queue;
    uint64_t deadline_ns = reeve_clock_deadline_ns(timeout_ms);
    while (ready != NULL && !reeve_ready_take(ready, &tag)) {
        struct reeve_backend *backend = reeve_client_enter(error);
        if (backend == NULL)
            return error->code;
        int code = backend->watch_wait(backend, ready, (const uint64_t *)completion->futures,
            completion->count, &completion->tried, deadline_ns, error);
        if (code != 0 && !reeve_ready_any(ready))
            return reeve_error_complete(error, code);
    }
    completion->given++;
    *ret_index = (size_t)tag;
    return REEVE_OK;
}

REEVE_API void reeve_completion_end(reeve_completion *completion)
{
    if (completion->queue != NULL)
        reeve_ready_abandon(completion->queue);
    completion->queue = NULL;
}
