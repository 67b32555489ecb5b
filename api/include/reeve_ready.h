/* reeve_ready.h - being told that futures are ready: a file descriptor, callbacks, and iteration in
 * the order in which they become ready. Included by reeve.h; its rules hold here, too.
 *
 * A future that failed is ready, too. To be told of a future changes nothing about it: it is still
 * to be got or released, before or after. Telling costs the same however many are watched.
 */
#ifndef REEVE_READY_H
#define REEVE_READY_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a file descriptor, for event loops ------------------------------------------------------ */

/* A descriptor for poll, epoll, select or an event loop: readable exactly while reeve_next_ready
 * has something to give. The program has one; it stays the same, also over reeve_shutdown, and is
 * the library's: neither read nor close it. It is closed on exec. A task that sleeps on it keeps
 * its cpus, unlike one that waits by the calls of this library. Does not block. Returns the
 * descriptor, or a negative code. REEVE_ESYSTEM: the process may not have another. */
REEVE_API int reeve_fd(void);

/* When the future is ready (perhaps it is already), reeve_next_ready gives `tag`, once. Twice
 * watched, twice given. Whatever becomes of the future, the tag comes, at the latest with
 * reeve_shutdown. Does not block. REEVE_EHANDLE: not a live future. REEVE_ENOMEM. */
REEVE_API int reeve_watch(reeve_future future, uint64_t tag);
#define reeve_watch(future, tag) reeve_watch(reeve_untyped(future), tag)

/* The tag of the watched future that has become ready first, of those not given yet. Several
 * threads may call it: each tag is given to one. After reeve_shutdown it gives what is left. Does
 * not block. REEVE_EAGAIN: none is ready now; wait until reeve_fd is readable. */
REEVE_API int reeve_next_ready(uint64_t *tag);

/* ---- callbacks ------------------------------------------------------------------------------- */

/* A function of the program's, to be called when `future` is ready. */
typedef void reeve_callback(reeve_future future, void *arg);

/* Calls the function when the future is ready (perhaps it is already): once, with the future and
 * `arg`, in a thread of the library's own that is for callbacks only. They are called one after
 * the other, in the order in which their futures became ready; with the program's signals blocked.
 *
 * A callback may do all that another thread may: get the future, which is ready, submit, watch
 * others. It may also wait, and may take long; the library goes on meanwhile, but the other
 * callbacks have to wait for it. So it should not wait for what another callback does.
 *
 * reeve_shutdown calls those that are left (to get a future there returns REEVE_ESHUTDOWN), and
 * waits for them. Called inside a callback it does not wait: those that are left come afterwards,
 * in the same thread. In a task they are called as long as its worker process lives, also after the
 * task's end. Does not block. When it fails the function is never called. REEVE_EHANDLE: not a live
 * future. REEVE_EINVAL: no function. REEVE_ENOMEM; REEVE_ESYSTEM: no thread could be started. */
REEVE_API int reeve_on_ready(reeve_future future, reeve_callback *function, void *arg);
#define reeve_on_ready(future, function, arg) reeve_on_ready(reeve_untyped(future), function, arg)

/* ---- as they become ready -------------------------------------------------------------------- */

/* reeve_as_completed(i, futures, count) { … }: runs the block once for each of the futures, in the
 * order in which they become ready, with `i` (a size_t variable of yours) as its index in the
 * array:
 *
 *     size_t i;
 *     reeve_as_completed (i, futures, count)
 *         if (square_get(futures[i], &y) == REEVE_OK) ...
 *
 * The array stays unchanged meanwhile. What is in it that is no live future comes at once. `break`
 * is fine. Each step waits as long as it takes; inside a task it runs some of the futures' tasks
 * itself, as a get does (see reeve_wait). Ends early only when the library has been shut down
 * meanwhile. With a limit of time: the three functions below. */
#define reeve_as_completed(index, futures, count)                                 \
    for (__attribute__((cleanup(reeve_completion_end)))                           \
         reeve_completion REEVE_JOIN(reeve_completion_, __LINE__) =               \
             reeve_completion_begin((const reeve_future *)&(futures)->id, count); \
         reeve_completion_next(                                                   \
             &REEVE_JOIN(reeve_completion_, __LINE__), REEVE_FOREVER, &(index)) == REEVE_OK;)

/* An iteration over futures as they become ready. For one thread at a time. */
typedef struct reeve_completion {
    const reeve_future *futures; /* those it is about */
    size_t count;                /* how many */
    size_t given;                /* so many of them have been given */
    size_t tried;                /* the library's */
    struct reeve_ready *queue;   /* the library's */
} reeve_completion;

/* `futures` must stay as they are until the end. Never fails: without memory they come in the order
 * of the array, whether ready or not. Does not block. */
REEVE_API reeve_completion reeve_completion_begin(const reeve_future *futures, size_t count);

/* The index of the next one that is ready. REEVE_EEND: all have been given. REEVE_ETIMEDOUT.
 * REEVE_ESHUTDOWN. Blocks. */
REEVE_API int reeve_completion_next(
    reeve_completion *completion, int64_t timeout_ms, size_t *ret_index);

/* Frees what belongs to it; the futures live on. Twice is fine. Does not block. */
REEVE_API void reeve_completion_end(reeve_completion *completion);

#ifdef __cplusplus
}
#endif

#endif
