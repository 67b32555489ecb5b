/* reeve_stream.h - functions that give many values, one after the other. Included by reeve_typed.h.
 *
 *     REEVE_STREAM(int64_t, count_to, (int64_t, n))
 *     {
 *         for (int64_t i = 0; i < n; i++)
 *             if (count_to_yield(i) != REEVE_OK)
 *                 return;
 *     }
 *
 *     count_to_stream s = count_to_remote(10);
 *     int64_t i;
 *     int rc;
 *     while ((rc = count_to_next(s, &i)) == REEVE_OK)
 *         printf("%" PRId64 "\n", i);
 *     if (rc != REEVE_EEND)
 *         reeve_perror("count_to");
 *
 *  - Items come in order, each as soon as it has been yielded; the function runs on meanwhile.
 *  - The function may be ahead of its reader: by 512 items, or 256 KiB and one item, whichever is
 *    less; or by stream_items (1: each is made when the one before has been read) and stream_bytes,
 *    options of the call. Then it waits in fn_yield (and lends its cpu) until the reader has caught
 *    up. So a stream without end takes no more memory than a short one. Its time limit goes on
 *    meanwhile.
 *  - When the function has returned, and all items have been read, fn_next returns REEVE_EEND. When
 *    it has failed (reeve_fail, a worker that died, a limit), fn_next gives first the items that
 *    came before, then the error. Either way the stream has been released then, as a future is by
 *    a get, and the next fn_next returns REEVE_EHANDLE.
 *  - Who does not want the rest releases the stream: reeve_release(s). The function then sees
 *    reeve_cancelled(), and fn_yield returns REEVE_ECANCELLED; what it has called itself is
 *    cancelled, too. It is not ended by force; reeve_cancel does that.
 *  - If its worker or node is lost the function is run again, from the start, as max_retries says,
 *    and what the reader has had already is skipped by number: it sees every item once, in order,
 *    if the function yields the same items each time. For one that does not: REEVE_NO_RETRIES.
 *  - An item is any value but one with futures in it. It is copied on its way.
 *  - It can be waited for, watched and cancelled, as a future: it is ready when the function has
 *    ended. To wait for the next item of any of several streams: reeve_as_yielded, below.
 *  - A stream can be given to a call, where the parameter is a stream: reeve_stream_T, of items of
 *    type T.
 *
 *        REEVE_REMOTE(int64_t, total, (reeve_stream_int64_t, numbers))
 *        {
 *            int64_t sum = 0, i;
 *            int rc;
 *            while ((rc = reeve_next(int64_t, numbers, &i)) == REEVE_OK)
 *                sum += i;
 *            if (rc != REEVE_EEND)
 *                reeve_fail(1, "%s", reeve_last_error()->message);
 *            return sum;
 *        }
 *
 *        total_future f = total_remote(count_to_remote(10));
 *
 *    The call starts at once, on whatever node, and it alone takes the items from then on, those
 *    that have come and not been taken first. For the giver the stream is gone, as after a release
 *    (REEVE_EHANDLE), also where the call could not be submitted (by reeve_submit: then it is still
 *    the caller's). It takes as has been said; to release it is to want no more of it. When the
 *    call ends, so does the stream: what has not been taken is dropped, and its function stops.
 *    In a method the same. A constructor takes none (REEVE_ETYPE): it runs again when its actor is
 *    restarted, long after the stream has been read; give it to a method, called right behind. A
 *    function that takes a stream may itself be one, and it may give on what is left. A stream is
 *    not retained, nor (part of) a result or any value.
 *    The function is ahead of the taker, as it would be of the caller, by the window of its call.
 *    Items go through the process that has called the function; while that is busy elsewhere its
 *    library passes them on. If that process ends, so does the call, like all of its; a method of
 *    an actor that another process owns goes on: it can take what has come, and gets
 *    REEVE_EOWNERDIED then. If the taker is lost and run again (max_retries), it begins with the
 *    first item that is not known to have been taken. Where that is not the first it was given, its
 *    first fn_next returns REEVE_ELOST, and says how many are missing; the next one goes on behind
 *    them. Where its function can only wait for the taker, or all processes that there may be are
 *    takers that wait for functions that none is left to run, fn_next without a time limit returns
 *    REEVE_EDEADLK after some seconds (see reeve_wait), and the function is asked to stop.
 */
#ifndef REEVE_STREAM_H
#define REEVE_STREAM_H

/* REEVE_STREAM(T, fn, (T1, a), (T2, b)) { body }: defines a function without a result that yields
 * values of type T. Besides what REEVE_REMOTE makes of parameters (fn_remote, fn_remote_opts,
 * reeve_call), it has
 *
 *     fn_stream                         what fn_remote gives, in place of a future
 *     int fn_yield(T value)             in fn, in the thread that runs it: gives one item, and may
 *                                       wait for its reader. REEVE_ECANCELLED: nobody wants the
 *                                       rest, or its time is up: return; REEVE_EINVAL: called
 *                                       elsewhere, or the value cannot be packed; REEVE_EFUNCTION:
 *                                       after reeve_fail; REEVE_ETYPE: it has futures in it;
 *                                       REEVE_ETOOLARGE: it has 4 GiB; REEVE_ENOMEM.
 *     int fn_next(fn_stream, T *value)  waits for the next item. What its value points to is the
 *                                       caller's, as with a get. REEVE_EEND; the error of the
 *                                       function; REEVE_EHANDLE; REEVE_ETYPE: an item of another
 *                                       type, which is gone; of a stream that came as an argument
 *                                       also REEVE_ELOST and REEVE_EOWNERDIED, see above. Any
 *                                       thread may call it; each item goes to one.
 *     int fn_next_timeout(fn_stream, int64_t timeout_ms, T *value)
 *                                       likewise; REEVE_ETIMEDOUT: the stream lives on
 *
 * fn itself cannot be called as an ordinary function: there is nobody to yield to. In inline mode
 * it runs in a thread of its own, in turns with its reader: from the first fn_next on, to one item
 * after the other. */
#define REEVE_STREAM(T, ...)             \
    REEVE_STREAM_DECLARE(T, __VA_ARGS__) \
    REEVE_STREAM_DEFINE(T, __VA_ARGS__)

/* Like REEVE_REMOTE_DECLARE and REEVE_REMOTE_DEFINE. */
#define REEVE_STREAM_DECLARE(T, ...) \
    REEVE_STREAM_DECLARE_(T, REEVE_FIRST(__VA_ARGS__, ), __VA_ARGS__)
#define REEVE_STREAM_DEFINE(T, ...) REEVE_STREAM_DEFINE_(T, REEVE_FIRST(__VA_ARGS__, ), __VA_ARGS__)

#ifdef __cplusplus
extern "C" {
#endif

/* ---- several streams ------------------------------------------------------------------------- */

/* reeve_as_yielded(i, streams, count) { … }: runs the block whenever one of the streams has an item
 * to take, or its end, with `i` (a size_t variable of yours) as its index in the array: the next
 * fn_next of that one does not wait. Until all have ended:
 *
 *     count_to_stream streams[10];
 *     for (int k = 0; k < 10; k++)
 *         streams[k] = count_to_remote(100);
 *     size_t i;
 *     reeve_as_yielded (i, streams, 10) {
 *         int rc = count_to_next(streams[i], &x);
 *         if (rc == REEVE_OK)
 *             sum += x;
 *         else if (rc != REEVE_EEND)
 *             reeve_perror("count_to");
 *     }
 *
 * Those that have items take turns, so that one that is fast does not hold up the others.
 * Streams of any function, or that came as arguments; of items of one type, as they are in an
 * array. One that the block releases, or gives to a call, is left out from then on; one of which
 * it takes nothing comes again. What is no live stream comes once (its fn_next says why). The
 * array stays unchanged meanwhile. `break` is fine: the streams live on. Each step waits as long
 * as it takes. Ends early only when the library has been shut down meanwhile, or without memory.
 * With a limit of time: the three functions below. */
#define reeve_as_yielded(index, streams, count)                                            \
    for (__attribute__((cleanup(reeve_merge_end))) reeve_merge REEVE_JOIN(reeve_merge_,    \
             __LINE__) = reeve_merge_begin((const reeve_future *)&(streams)->id, count);   \
         reeve_merge_next(&REEVE_JOIN(reeve_merge_, __LINE__), REEVE_FOREVER, &(index)) == \
         REEVE_OK;)

/* An iteration over what several streams yield. For one thread at a time. */
typedef struct reeve_merge {
    const reeve_future *streams; /* those it is about */
    size_t count;                /* how many */
    size_t left;                 /* so many of them have not ended */
    size_t given;                /* the library's */
    struct reeve_ready *queue;   /* the library's */
} reeve_merge;

/* `streams` must stay as they are until the end. Does not block. What is wrong, reeve_merge_next
 * says. */
REEVE_API reeve_merge reeve_merge_begin(const reeve_future *streams, size_t count);

/* The index of a stream whose next item, or end, can be taken without a wait. REEVE_EEND: all have
 * ended. REEVE_ETIMEDOUT; REEVE_ENOMEM; REEVE_ESHUTDOWN. Blocks. */
REEVE_API int reeve_merge_next(reeve_merge *merge, int64_t timeout_ms, size_t *ret_index);

/* Frees what belongs to it; the streams live on. Twice is fine. Does not block. */
REEVE_API void reeve_merge_end(reeve_merge *merge);

/* As reeve_watch: when the next fn_next of the stream does not wait (perhaps now), reeve_next_ready
 * gives `tag`, once; then it may be watched anew. So streams and futures go together in one event
 * loop. Whatever becomes of the stream, the tag comes. Does not block. REEVE_EHANDLE: not a live
 * stream; REEVE_ETYPE: it is a future, not a stream; REEVE_ENOMEM. */
REEVE_API int reeve_watch_next(reeve_future stream, uint64_t tag);
#define reeve_watch_next(stream, tag) reeve_watch_next(reeve_untyped(stream), tag)

/* As reeve_on_ready, likewise: calls the function once. It may take items, and call this again. */
REEVE_API int reeve_on_next(reeve_future stream, reeve_callback *function, void *arg);
#define reeve_on_next(stream, function, arg) reeve_on_next(reeve_untyped(stream), function, arg)

/* The dynamic forms. The stream of a function made by REEVE_STREAM, or registered, that
 * reeve_submit has given: as fn_next. ret->bytes is the caller's, for reeve_free. REEVE_ETYPE: it
 * is a future, not a stream. */
REEVE_API int reeve_next_packed(reeve_future stream, int64_t timeout_ms, reeve_packed *ret);

/* In a handler of reeve_register_stream: as fn_yield. One well-formed msgpack value
 * (REEVE_EPROTOCOL, REEVE_EDEPTH), without futures (REEVE_ETYPE); copied. */
REEVE_API int reeve_yield_packed(const void *bytes, size_t size);

/* As reeve_register, of a function that yields items. Its handler's result is not used. */
REEVE_API int reeve_register_stream(const char *name, reeve_handler *handler, void *context);

/* What the macros' code calls. */
struct reeve_function;
struct reeve_type;
REEVE_API int reeve_typed_yield(const struct reeve_function *function, const void *value);
REEVE_API int reeve_typed_next(
    uint64_t stream, int64_t timeout_ms, const struct reeve_type *type, void *value);

#ifdef __cplusplus
}
#endif

/* The next item of any stream of Ts, of fn or one that came as an argument: as fn_next and
 * fn_next_timeout. */
#define reeve_next(T, stream, value) REEVE_JOIN(reeve_next_, T)(stream, value)
#define reeve_next_timeout(T, stream, timeout_ms, value) \
    REEVE_JOIN(reeve_next_timeout_, T)(stream, timeout_ms, value)

/* ---- from here on: machinery ----------------------------------------------------------------- */

/* What a stream of Ts is. (No future of one is ever made; parameters have to have one.) */
#define REEVE_STREAM_TYPE_(T)                                                                  \
    typedef struct reeve_stream_##T {                                                          \
        uint64_t id;                                                                           \
    } reeve_stream_##T;                                                                        \
    typedef struct reeve_future_reeve_stream_##T {                                             \
        uint64_t id;                                                                           \
    } reeve_future_reeve_stream_##T;                                                           \
    __attribute__((unused)) static const struct reeve_type reeve_type_reeve_stream_##T = {     \
        "stream of " #T, REEVE_KIND_STREAM, 0, 0, sizeof(reeve_stream_##T), NULL};             \
    __attribute__((unused)) static inline int reeve_next_timeout_##T(                          \
        reeve_stream_##T reeve_one, int64_t reeve_timeout_ms, T *reeve_value)                  \
    {                                                                                          \
        return reeve_typed_next(reeve_one.id, reeve_timeout_ms, &reeve_type_##T, reeve_value); \
    }                                                                                          \
    __attribute__((unused)) static inline int reeve_next_##T(                                  \
        reeve_stream_##T reeve_one, T *reeve_value)                                            \
    {                                                                                          \
        return reeve_typed_next(reeve_one.id, REEVE_FOREVER, &reeve_type_##T, reeve_value);    \
    }

#define REEVE_STREAM_DECLARE_(T, fn, ...) REEVE_STREAM_DECLARE__(T, fn, __VA_ARGS__)
#define REEVE_STREAM_DECLARE__(T, fn, ...)                                                     \
    REEVE_EACH(REEVE_CHECK_, __VA_ARGS__)                                                      \
    typedef REEVE_JOIN(reeve_stream_, T) fn##_stream;                                          \
    void fn(REEVE_PARAMETERS_(__VA_ARGS__));                                                   \
    REEVE_SUBMIT_(REEVE_SUBMIT_ONE_, fn, fn##_stream, __VA_ARGS__)                             \
    __attribute__((unused)) static inline int fn##_yield(T reeve_value)                        \
    {                                                                                          \
        return reeve_typed_yield(&fn##_reeve_function, &reeve_value);                          \
    }                                                                                          \
    __attribute__((unused)) static inline int fn##_next_timeout(                               \
        fn##_stream reeve_one, int64_t reeve_timeout_ms, T *reeve_value)                       \
    {                                                                                          \
        return reeve_typed_next(                                                               \
            reeve_one.id, reeve_timeout_ms, &REEVE_JOIN(reeve_type_, T), reeve_value);         \
    }                                                                                          \
    __attribute__((unused)) static inline int fn##_next(fn##_stream reeve_one, T *reeve_value) \
    {                                                                                          \
        return reeve_typed_next(                                                               \
            reeve_one.id, REEVE_FOREVER, &REEVE_JOIN(reeve_type_, T), reeve_value);            \
    }

#define REEVE_STREAM_DEFINE_(T, fn, ...) REEVE_STREAM_DEFINE__(T, fn, __VA_ARGS__)
#define REEVE_STREAM_DEFINE__(T, fn, ...) \
    REEVE_BODY_(void, fn, &REEVE_JOIN(reeve_type_, T), __VA_ARGS__)

#endif
