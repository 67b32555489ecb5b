/* reeve_nested.h - futures in values. Included by reeve_typed.h.
 *
 * A future can itself be (part of) an argument, a result or a value that is put:
 *
 *     REEVE_STRUCT(halves, (reeve_future_int64_t, left), (reeve_future_int64_t, right))
 *     REEVE_REMOTE(halves, split, (int64_t, n)) { return (halves){work_remote(n / 2), ...}; }
 *
 *  - As a result: the function gives its futures away, their tasks finished or not, and whoever
 *    gets the value has them as futures of its own, each to be got or released. (reeve_clear frees
 *    the memory of a value, and leaves its futures alone.) What nobody has begun is not waited for:
 *    the caller runs it. What another worker is running at that moment is.
 *  - As an argument, where the parameter's type is a future: the function gets the future, not its
 *    value. The task starts when the futures in its arguments are ready, and it gets them ready; if
 *    one has failed, the function sees that when it gets it. They are the library's and end with
 *    the call, like all arguments, unless the function returns them; it may get them, and pass them
 *    on. The caller keeps its own.
 *    Passed on, they are good for the tasks that they are passed on to, however long these take. A
 *    function that wants one beyond the call retains it: reeve_retain(future) gives one of its
 *    process's own, for a static variable or another thread, good until it is got or released
 *    there, whatever the caller does with its own meanwhile. Small values are copied with the call;
 *    large ones stay where they are, and exist for as long as their owner lives: when the process
 *    that made the future dies, or its job ends, a get of what was retained says
 *    REEVE_EOWNERDIED. What was retained can be passed on as an argument, and given as (part of) a
 *    result, by the call it came with and by later ones.
 *    What they are travels with the call: together with the other arguments less than 256 KiB, so
 *    some thousands of small ones. Results and puts have no such limit.
 *  - In a value that is put: the put future keeps them; the caller keeps its own.
 *  - A stream is given to a call, not lent: reeve_stream.h.
 *
 */
#ifndef REEVE_NESTED_H
#define REEVE_NESTED_H

/* REEVE_FUTURE_TYPE(T): makes reeve_future_T and reeve_futures_T value types. Done for all value
 * types of reeve_typed.h and for structs; what is left to programs is futures of futures of
 * futures: REEVE_FUTURE_TYPE(reeve_future_int64_t). */
#define REEVE_FUTURE_TYPE(T) REEVE_FUTURE_TYPE_(T)
#define REEVE_FUTURE_TYPE_(T)          \
    typedef struct reeve_futures_##T { \
        const reeve_future_##T *items; \
        size_t count;                  \
    } reeve_futures_##T;               \
    REEVE_FUTURE_VALUES_(reeve_future_##T, reeve_futures_##T, "future of " #T)

#define REEVE_FUTURE_VALUES_(F, A, spoken)                                    \
    __attribute__((unused)) static const struct reeve_type reeve_type_##F = { \
        spoken, REEVE_KIND_FUTURE, 0, 0, sizeof(F), NULL};                    \
    __attribute__((unused)) static const struct reeve_type reeve_type_##A = { \
        spoken "[]", REEVE_KIND_FUTURES, 0, 0, sizeof(A), NULL};              \
    REEVE_VALUE_TYPE_(F)                                                      \
    REEVE_VALUE_TYPE_(A)

/* Any future as one of T: reeve_get(point, reeve_future_as(point, f), &p). Getting it fails with
 * REEVE_ETYPE if it is of another type. The same future, not another reference. */
#define reeve_future_as(T, future) ((REEVE_JOIN(reeve_future_, T)){(future).id})

#endif
