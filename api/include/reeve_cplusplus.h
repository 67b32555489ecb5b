/* reeve_cplusplus.h - what C++ needs in place of what only C has. Included by reeve_typed.h.
 *
 * The whole of <reeve.h> can be used from C++14 and later, and means the same there. What to know:
 *
 *  - The struct of REEVE_OPTIONS (REEVE_TASK_OPTIONS, REEVE_CANCEL_OPTIONS) lives until the end of
 *    the expression that they stand in: write them where the call is, do not keep the pointer.
 *    They may stand inside functions only, and their fields in any order; a value with a comma of
 *    its own wants parentheses.
 *  - A remote function must be noexcept in effect: an exception that leaves it finds C frames, and
 *    ends the worker (its caller gets REEVE_EWORKERDIED). Catch it, and say reeve_fail.
 *  - Remote functions are known by their bare names: two in different namespaces may not have the
 *    same, nor may one be overloaded.
 *  - The struct of an actor is zeroed memory, which no constructor of C++ has seen, nor will a
 *    destructor: what needs them is a pointer, made in REEVE_CONSTRUCTOR and deleted in
 *    REEVE_DESTRUCTOR.
 *  - Objects made by constructors before main exist in every worker, too.
 */
#ifndef REEVE_CPLUSPLUS_H
#define REEVE_CPLUSPLUS_H

/* ---- from here on: machinery ----------------------------------------------------------------- */

/* Whether two types are one. */
template <typename A, typename B> struct reeve_same {
    static constexpr bool value = false;
};
template <typename A> struct reeve_same<A, A> {
    static constexpr bool value = true;
};

/* Fills a struct of options in, and is a pointer to it. */
template <typename T> class reeve_filled
{
    T options;

  public:
    template <typename Fill> explicit reeve_filled(Fill fill) : options()
    {
        options.size = sizeof(T);
        fill(options);
    }
    operator const T *() const
    {
        return &options;
    }
};

#define REEVE_FILL_(c, n, assignment) (void)(reeve_set assignment);
#define REEVE_FILLED_(T, ...) \
    reeve_filled<T>([&](T &reeve_set) { REEVE_EACH(REEVE_FILL_, ~, __VA_ARGS__) })

#undef REEVE_OPTIONS
#undef REEVE_TASK_OPTIONS
#undef REEVE_CANCEL_OPTIONS
#define REEVE_OPTIONS(...)        REEVE_FILLED_(reeve_options, __VA_ARGS__)
#define REEVE_TASK_OPTIONS(...)   REEVE_FILLED_(reeve_task_options, __VA_ARGS__)
#define REEVE_CANCEL_OPTIONS(...) REEVE_FILLED_(reeve_cancel_options, __VA_ARGS__)
#define REEVE_ACTOR_OPTIONS(...)  REEVE_FILLED_(reeve_actor_options, __VA_ARGS__)

#undef reeve_future_as
#define reeve_future_as(T, future) (REEVE_JOIN(reeve_future_, T){(future).id})

/* reeve_call: an argument is a value or a future, as overloading has it. */
#define REEVE_PICKER_(fn, n)                                                 \
    struct fn##_reeve_pick##n {                                              \
        static struct fn##_reeve_arg##n of(fn##_arg##n##_value reeve_given)  \
        {                                                                    \
            return fn##_reeve_value##n(reeve_given);                         \
        }                                                                    \
        static struct fn##_reeve_arg##n of(fn##_arg##n##_future reeve_given) \
        {                                                                    \
            return fn##_reeve_future##n(reeve_given);                        \
        }                                                                    \
    };
#define REEVE_PICK(fn, n, a) fn##_reeve_pick##n::of(a)

/* Known when compiling, so that it is there before any constructor runs. */
static constexpr reeve_function reeve_function_of(const char *name, const reeve_type *result,
    const reeve_member *parameters, size_t parameter_count, size_t arguments_size,
    void (*call)(const void *, void *), const reeve_type *item)
{
    reeve_function function{};
    function.size = sizeof(reeve_function);
    function.name = name;
    function.result = result;
    function.parameters = parameters;
    function.parameter_count = parameter_count;
    function.arguments_size = arguments_size;
    function.call = call;
    function.item = item;
    return function;
}
#define REEVE_FUNCTION_(R, fn, count, yields)                                         \
    reeve_function_of(#fn, &REEVE_JOIN(reeve_type_, R), fn##_reeve_parameters, count, \
        sizeof(struct fn##_reeve_arguments), fn##_reeve_call, yields)

#endif
