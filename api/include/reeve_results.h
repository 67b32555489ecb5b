/* reeve_results.h - functions and methods with several results, each a future of its own. Included
 * by reeve_typed.h.
 *
 *     REEVE_REMOTE_RESULTS(divide, ((int64_t, quotient), (int64_t, remainder)),
 *         (int64_t, a), (int64_t, b))
 *     {
 *         if (b == 0)
 *             reeve_fail(1, "by zero");
 *         else
 *             *results = (divide_results){a / b, a % b};
 *     }
 *
 *     divide_futures f = divide_remote(17, 5);
 *     square_future s = reeve_call(square, f.quotient);           passed on by itself
 *     reeve_get(int64_t, f.remainder, &remainder);                got by itself
 *     reeve_release(f.quotient);                                  released by itself
 *
 *  - All results of a call are ready at once. When it fails, each of its futures has the error.
 *  - Each is a future like any other, and lives and ends apart from the others: what nobody wants
 *    is freed when its future is released, large values by themselves. The call itself goes on when
 *    all have been released, as it would with one result.
 *  - To cancel one of them is to cancel the call (reeve_cancel), and so all of them.
 *  - Options, retries, time limits, inline mode: as with any call.
 *  - A method's are no different (REEVE_METHOD_RESULTS): its calls run in the order in which they
 *    were made, among those of the actor's other methods.
 *  - Large results that are lost with their node, or damaged on a disk, are made again by
 *    another run of the call, as often as max_retries allows: one for all that lay on that node.
 *    Those of a method are not: its actor has gone on since (REEVE_ELOST). */
#ifndef REEVE_RESULTS_H
#define REEVE_RESULTS_H

/* REEVE_REMOTE_RESULTS(fn, ((R1, x), (R2, y)), (T1, a), (T2, b)) { body }: defines a remote
 * function with 1 to 32 results of any value types, and up to 16 parameters. In the body `results`
 * points to the results, which are zero at first; what they point to must live until the function
 * has returned, as with any result. When it fails they are not looked at; without that, a string
 * that is still NULL fails the call with REEVE_EINVAL. It has
 *
 *     fn_results                        struct { R1 x; R2 y; }
 *     fn_futures                        struct { reeve_future_R1 x; reeve_future_R2 y; }
 *     void fn(fn_results *results, T1 a, T2 b)
 *                                       itself: an ordinary function, called like one
 *     fn_futures fn_remote(T1 a, T2 b)  submits a call; does not wait
 *     fn_futures fn_remote_opts(const reeve_task_options *, T1 a, T2 b)
 *     reeve_call(fn, a, b)              of values or futures: gives fn_futures
 *     int fn_get(fn_futures, fn_results *results)
 *                                       waits; gives all results; releases all futures, whatever
 *                                       the outcome. When it fails, *results is zero
 *     void fn_clear(fn_results *results)
 *                                       frees every pointer in what fn_get has given
 *     int fn_release(fn_futures)        releases all; REEVE_EHANDLE: one of them was not live
 *
 * Any thread. If the call could not be submitted, getting any of the futures returns the reason. To
 * wait for it, wait for any of them. */
#define REEVE_REMOTE_RESULTS(fn, ...)             \
    REEVE_REMOTE_RESULTS_DECLARE(fn, __VA_ARGS__) \
    REEVE_REMOTE_RESULTS_DEFINE(fn, __VA_ARGS__)

/* REEVE_METHOD_RESULTS(counter, add_both, ((int64_t, before), (int64_t, after)), (int64_t, by))
 * { body }: defines counter_add_both, a remote function of several results whose first parameter is
 * the actor, and up to 15 more. In the body `self` is the actor, as in REEVE_METHOD, and `results`
 * points to the results; what they point to may be a part of the actor. It has all that
 * REEVE_REMOTE_RESULTS makes, and for an answer that comes later (reeve_concurrency.h)
 *
 *     int counter_add_both_reply(reeve_reply_token, const counter_add_both_results *)
 *
 *     REEVE_METHOD_RESULTS(counter, add_both, ((int64_t, before), (int64_t, after)), (int64_t, by))
 *     {
 *         results->before = self->value;
 *         results->after = self->value += by;
 *     }
 *
 *     counter_add_both_futures f = counter_add_both_remote(c, 1);
 *     counter_add_both_results both;
 *     counter_add_both_get(f, &both);                             both.after == both.before + 1
 */
#define REEVE_METHOD_RESULTS(A, m, ...)                                            \
    REEVE_METHOD_RESULTS_(A, REEVE_METHOD_NAME_(A, m), REEVE_FIRST(__VA_ARGS__, ), \
        REEVE_RESULTS_REST_(A, __VA_ARGS__))

/* REEVE_GROUP_METHOD_RESULTS(disk, server, load, ((reeve_bytes, a), (int64_t, b))) { body }: such a
 * method that runs in that group of the actor's (reeve_concurrency.h). */
#define REEVE_GROUP_METHOD_RESULTS(group, A, m, ...)       \
    REEVE_GROUP_PLACE_(group, A, REEVE_METHOD_NAME_(A, m)) \
    REEVE_METHOD_RESULTS(A, m, __VA_ARGS__)

/* Like REEVE_REMOTE_DECLARE and REEVE_REMOTE_DEFINE. */
#define REEVE_REMOTE_RESULTS_DECLARE(fn, ...) \
    REEVE_RESULTS_DECLARE_(fn, REEVE_FIRST(__VA_ARGS__, ), REEVE_RESULTS_REST_(fn, __VA_ARGS__))
#define REEVE_REMOTE_RESULTS_DEFINE(fn, ...) \
    REEVE_RESULTS_DEFINE_(fn, REEVE_FIRST(__VA_ARGS__, ), REEVE_RESULTS_REST_(fn, __VA_ARGS__))

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the dynamic forms ----------------------------------------------------------------------- */

#define REEVE_RESULTS_MAX 10000 /* of one call */

/* As reeve_submit, of a call with `count` results, 1 to REEVE_RESULTS_MAX: futures[i] is that of
 * result i. The function is one of several results, or any that gives an array of `count` futures
 * (or a value in which so many stand): each of them becomes one of these, of a value that it has
 * put, or of a call that goes on. If there are not as many, all are REEVE_ETYPE. A large value that
 * another future of the caller's has, too (because it came with the arguments, or stands there
 * twice) cannot be one of them: REEVE_EINVAL. What cannot be submitted gives no futures. Does not
 * wait. Any thread. Also REEVE_EINVAL: `count`; REEVE_ETYPE: the function gives a stream.
 *
 *     reeve_future parts[3000];
 *     rc = reeve_submit_results(&(reeve_submission){.size = sizeof(reeve_submission),
 *         .function = "split", .args = args, .args_size = size}, parts, 3000);
 */
REEVE_API int reeve_submit_results(
    const reeve_submission *submission, reeve_future *futures, size_t count);

/* In a handler of reeve_register: puts `count` values, and makes *ret the result of the handler
 * that gives them, for a call of so many results. The values are copied, their futures remain the
 * caller's (reeve_put_value says what may be wrong with them; then nothing has been put).
 *
 *     static int split(void *context, const void *args, size_t size, reeve_packed *result)
 *     {
 *         reeve_packed parts[] = {{"\x01", 1}, {"\xa3two", 4}};
 *         return reeve_give_results(parts, 2, result);
 *     }
 */
REEVE_API int reeve_give_results(const reeve_packed *values, size_t count, reeve_packed *ret);

/* What the macros' code calls. */
struct reeve_function;
struct reeve_member;
struct reeve_futures;
REEVE_API void reeve_typed_submit_results(const struct reeve_function *function,
    const reeve_task_options *options, const void *arguments, const uint64_t *splices,
    uint64_t *futures, size_t count);
REEVE_API void reeve_typed_give_results(const struct reeve_member *members, size_t count,
    const void *results, struct reeve_futures *ret);
REEVE_API int reeve_typed_get_results(const uint64_t *futures, const struct reeve_member *members,
    size_t count, void *results, size_t size);
REEVE_API void reeve_typed_clear_results(
    const struct reeve_member *members, size_t count, void *results, size_t size);
REEVE_API int reeve_typed_release_results(const uint64_t *futures, size_t count);
REEVE_API int reeve_typed_reply_results(uint64_t token, const struct reeve_function *function,
    const struct reeve_member *members, size_t count, const void *results);

#ifdef __cplusplus
}
#endif

/* ---- from here on: machinery ----------------------------------------------------------------- */

/* `fn` and the parameters, without the results that stand before them. */
#define REEVE_RESULTS_REST_(fn, ...) \
    REEVE_JOIN(REEVE_RESULTS_REST_, REEVE_ONE_OR_MORE_(__VA_ARGS__))(fn, __VA_ARGS__)
#define REEVE_RESULTS_REST_ONE(fn, results)       fn
#define REEVE_RESULTS_REST_MORE(fn, results, ...) fn, __VA_ARGS__

#define REEVE_RESULTS_NEXT_(...) , __VA_ARGS__
#define REEVE_FUTURE_FIELD_(s, n, pair) \
    REEVE_JOIN(reeve_future_, REEVE_TYPE_OF_ pair) REEVE_NAME_OF_ pair;
#define REEVE_NEXT_LOAD_(fn, n, pair) , reeve_arguments->REEVE_NAME_OF_ pair
#define REEVE_RESULTS_COUNT_(fn)      (sizeof(fn##_futures) / sizeof(uint64_t))

#define REEVE_SUBMIT_RESULTS_(F, fn, ids)                                              \
    F reeve_made;                                                                      \
    reeve_typed_submit_results(&fn##_reeve_function, reeve_how, &reeve_arguments, ids, \
        (uint64_t *)&reeve_made, REEVE_RESULTS_COUNT_(fn))

#define REEVE_RESULTS_DECLARE_(fn, results, ...) REEVE_RESULTS_DECLARE__(fn, results, __VA_ARGS__)
#define REEVE_RESULTS_DECLARE__(fn, outcome, ...)                                              \
    REEVE_EACH(REEVE_CHECK_, fn REEVE_RESULTS_NEXT_ outcome)                                   \
    REEVE_EACH(REEVE_CHECK_, __VA_ARGS__)                                                      \
    typedef struct fn##_results {                                                              \
        REEVE_EACH(REEVE_FIELD_, fn REEVE_RESULTS_NEXT_ outcome)                               \
    } fn##_results;                                                                            \
    typedef struct fn##_futures {                                                              \
        REEVE_EACH(REEVE_FUTURE_FIELD_, fn REEVE_RESULTS_NEXT_ outcome)                        \
    } fn##_futures;                                                                            \
    __attribute__((unused)) static const struct reeve_member fn##_reeve_results[] = {          \
        REEVE_LIST(REEVE_MEMBER_, fn##_results REEVE_RESULTS_NEXT_ outcome)};                  \
    void fn(fn##_results *results REEVE_EACH(REEVE_NEXT_PARAMETER_, __VA_ARGS__));             \
    REEVE_SUBMIT_(REEVE_SUBMIT_RESULTS_, fn, fn##_futures, __VA_ARGS__)                        \
    __attribute__((unused)) static inline int fn##_get(                                        \
        fn##_futures reeve_all, fn##_results *reeve_values)                                    \
    {                                                                                          \
        return reeve_typed_get_results((const uint64_t *)&reeve_all, fn##_reeve_results,       \
            REEVE_RESULTS_COUNT_(fn), reeve_values, sizeof *reeve_values);                     \
    }                                                                                          \
    __attribute__((unused)) static inline void fn##_clear(fn##_results *reeve_values)          \
    {                                                                                          \
        reeve_typed_clear_results(                                                             \
            fn##_reeve_results, REEVE_RESULTS_COUNT_(fn), reeve_values, sizeof *reeve_values); \
    }                                                                                          \
    __attribute__((unused)) static inline int fn##_release(fn##_futures reeve_all)             \
    {                                                                                          \
        return reeve_typed_release_results(                                                    \
            (const uint64_t *)&reeve_all, REEVE_RESULTS_COUNT_(fn));                           \
    }

#define REEVE_RESULTS_DEFINE_(fn, results, ...) REEVE_RESULTS_DEFINE__(fn, results, __VA_ARGS__)
#define REEVE_RESULTS_DEFINE__(fn, outcome, ...)                                               \
    static void fn##_reeve_call(const void *reeve_from, void *reeve_result)                    \
    {                                                                                          \
        const struct fn##_reeve_arguments *reeve_arguments =                                   \
            (const struct fn##_reeve_arguments *)reeve_from;                                   \
        fn##_results reeve_results;                                                            \
        __builtin_memset(&reeve_results, 0, sizeof reeve_results);                             \
        (void)reeve_arguments;                                                                 \
        fn(&reeve_results REEVE_EACH(REEVE_NEXT_LOAD_, __VA_ARGS__));                          \
        reeve_typed_give_results(fn##_reeve_results, REEVE_RESULTS_COUNT_(fn), &reeve_results, \
            (struct reeve_futures *)reeve_result);                                             \
    }                                                                                          \
    REEVE_TABLE_(reeve_futures, fn, NULL, __VA_ARGS__)                                         \
    void fn(__attribute__((unused))                                                            \
        fn##_results *results REEVE_EACH(REEVE_NEXT_PARAMETER_, __VA_ARGS__))

#define REEVE_METHOD_RESULTS_(A, name, outcome, ...) \
    REEVE_METHOD_RESULTS__(A, name, outcome, __VA_ARGS__)
#define REEVE_METHOD_RESULTS__(A, name, outcome, ...)                                   \
    REEVE_RESULTS_DECLARE_(                                                             \
        name, outcome, name, (A##_ref, reeve_self)REEVE_EACH(REEVE_PAIR_, __VA_ARGS__)) \
    static void name##_reeve_method(__attribute__((unused)) A *self,                    \
        name##_results *results REEVE_EACH(REEVE_NEXT_PARAMETER_, __VA_ARGS__));        \
    __attribute__((unused)) static inline int name##_reply(                             \
        reeve_reply_token reeve_which, const name##_results *reeve_values)              \
    {                                                                                   \
        return reeve_typed_reply_results(reeve_which.id, &name##_reeve_function,        \
            name##_reeve_results, REEVE_RESULTS_COUNT_(name), reeve_values);            \
    }                                                                                   \
    REEVE_RESULTS_DEFINE_(                                                              \
        name, outcome, name, (A##_ref, reeve_self)REEVE_EACH(REEVE_PAIR_, __VA_ARGS__)) \
    {                                                                                   \
        A *self = (A *)reeve_typed_actor_self(reeve_untyped_actor(reeve_self));         \
        if (self != NULL)                                                               \
            name##_reeve_method(self, results REEVE_EACH(REEVE_PASS_, __VA_ARGS__));    \
    }                                                                                   \
    static void name##_reeve_method(__attribute__((unused)) A *self,                    \
        __attribute__((unused))                                                         \
        name##_results *results REEVE_EACH(REEVE_NEXT_PARAMETER_, __VA_ARGS__))

#endif
