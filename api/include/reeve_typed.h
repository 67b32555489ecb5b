/* reeve_typed.h - remote functions and value types checked by the compiler. Included by reeve.h.
 *
 * A value type T has a descriptor `reeve_type_T` (what the library packs and checks by), a future
 * type `reeve_future_T`, and the functions reeve_put_T, reeve_get_T, reeve_get_timeout_T,
 * reeve_get_many_T, reeve_view_T and reeve_view_many_T. T is one of
 *
 *     int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t int size_t float double
 *     bool reeve_string reeve_bytes reeve_int8_array ... reeve_uint64_array reeve_float_array
 *     reeve_double_array, reeve_int32_matrix reeve_int64_matrix reeve_float_matrix
 *     reeve_double_matrix (reeve_view.h)
 *     reeve_string_array reeve_bytes_array, and reeve_array_U for a struct U (see REEVE_STRUCT)
 *     reeve_future_U, reeve_futures_U, for any U of the others (or a struct, or void);
 *     reeve_future, reeve_futures: futures of any type; and, as a parameter only,
 *     reeve_stream_U: a stream of such (reeve_stream.h)
 *
 * or a struct of these (and of such structs) made by REEVE_STRUCT. A string, a span, or an array of
 * numbers has less than 4 GiB; one of strings, spans or structs less than 2^32 items. See
 * reeve_nested.h for what passing a future on means. A remote function fn of result type R and
 * parameters (T1, a) (T2, b) has
 *
 *     R fn(T1 a, T2 b)                                        itself: an ordinary function, called
 *                                                             like one
 *     fn_future                                               = reeve_future_R
 *     fn_future fn_remote(T1 a, T2 b)                         submits a call; does not wait
 *     fn_future fn_remote_opts(const reeve_task_options *, T1 a, T2 b)
 *     int fn_get(fn_future, R *value)                         waits; gives the value; releases the
 *                                                             future
 *     int fn_get_timeout(fn_future, int64_t timeout_ms, R *value)
 *     int fn_remote_many(size_t count, const T1 *a, const T2 *b, fn_future *futures)
 *                                                             as many calls: fn(a[i], b[i])
 *     int fn_remote_many_opts(const reeve_task_options *, size_t count, …)
 *     int fn_get_many(const fn_future *futures, size_t count, R *values, int *codes)
 *
 * Everything the macros make besides is named fn_reeve_... or T_reeve_..., and is not for direct
 * use.
 */
#ifndef REEVE_TYPED_H
#define REEVE_TYPED_H

#include "reeve_nested.h"
#include "reeve_results.h"
#include "reeve_stream.h"
#include "reeve_view.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- types of values ------------------------------------------------------------------------- */

/* A string that ends with a zero byte; never NULL as an argument, a member or a result (empty is
 * ""). */
typedef const char *reeve_string;

/* A span of bytes. As an argument, or a member of one, it begins at any address: who is to read
 * numbers or structs takes an array, or copies the bytes to where such may lie. */
typedef struct reeve_bytes {
    const void *data; /* may be NULL when size is 0 */
    size_t size;      /* in bytes */
} reeve_bytes;

/* Arrays of numbers. They travel as raw little-endian elements. */
#define REEVE_ARRAY_(name, element) \
    typedef struct name {           \
        const element *items;       \
        size_t count;               \
    } name;
REEVE_ARRAY_(reeve_int8_array, int8_t)
REEVE_ARRAY_(reeve_int16_array, int16_t)
REEVE_ARRAY_(reeve_int32_array, int32_t)
REEVE_ARRAY_(reeve_int64_array, int64_t)
REEVE_ARRAY_(reeve_uint8_array, uint8_t)
REEVE_ARRAY_(reeve_uint16_array, uint16_t)
REEVE_ARRAY_(reeve_uint32_array, uint32_t)
REEVE_ARRAY_(reeve_uint64_array, uint64_t)
REEVE_ARRAY_(reeve_float_array, float)
REEVE_ARRAY_(reeve_double_array, double)
#undef REEVE_ARRAY_

/* ---- machinery: what the library knows of types and functions -------------------------------- */

enum reeve_kind {
    REEVE_KIND_VOID,
    REEVE_KIND_BOOL,
    REEVE_KIND_INT8,
    REEVE_KIND_INT16,
    REEVE_KIND_INT32,
    REEVE_KIND_INT64,
    REEVE_KIND_UINT8,
    REEVE_KIND_UINT16,
    REEVE_KIND_UINT32,
    REEVE_KIND_UINT64,
    REEVE_KIND_FLOAT,
    REEVE_KIND_DOUBLE,
    REEVE_KIND_STRING,
    REEVE_KIND_BYTES,
    REEVE_KIND_ARRAY,  /* of numbers; element_kind says which */
    REEVE_KIND_STRUCT, /* members say what */
    REEVE_KIND_FUTURE,
    REEVE_KIND_FUTURES, /* an array of futures */
    REEVE_KIND_MATRIX,  /* of numbers; element_kind says which */
    REEVE_KIND_LIST,    /* an array of values of any one type: that of the one member */
    REEVE_KIND_STREAM,  /* of a parameter only */
};

struct reeve_type;

/* A member of a struct, or a parameter of a function (functions keep their arguments in a
 * struct). */
struct reeve_member {
    const char *name;
    const struct reeve_type *type;
    size_t offset;
};

/* What the library knows of a type. */
struct reeve_type {
    const char *name;
    uint16_t kind;         /* enum reeve_kind */
    uint16_t element_kind; /* of an array; of a struct REEVE_IS_HANDLE_: of an actor, else 0 */
    uint32_t member_count; /* of a struct; 1 of a list */
    size_t size;           /* sizeof the C type */
    const struct reeve_member *members;
};

/* What the library knows of a function. Made by REEVE_REMOTE, statically. */
struct reeve_invocation;
struct reeve_function {
    size_t size; /* sizeof(struct reeve_function) */
    const char *name;
    const struct reeve_type *result;
    const struct reeve_member *parameters;
    size_t parameter_count;
    size_t arguments_size; /* sizeof the struct of arguments */
    void (*call)(const void *arguments, void *result);
    /* From here on filled in by the registry. */
    int (*invoke)(const struct reeve_function *, struct reeve_invocation *);
    const char *signature; /* "process_data(int64) -> int64" */
    size_t index;          /* place in the table sorted by name */
    struct reeve_function *next;
    reeve_handler *handler; /* of a function made by reeve_register */
    void *context;
    /* Made by the macros again. */
    int role;                      /* in the life of actors: REEVE_ROLE_... */
    const struct reeve_type *item; /* of a stream; NULL: it is none */
    uint32_t group;                /* of an actor's methods; 0: none */
};

/* What the macros' code calls. */
REEVE_API void reeve_typed_register(struct reeve_function *function);
REEVE_API uint64_t reeve_typed_submit(const struct reeve_function *function,
    const reeve_task_options *options, const void *arguments,
    const uint64_t *futures); /* futures[i] != 0: stands for argument i; or NULL */
REEVE_API int reeve_typed_get(
    uint64_t future, int64_t timeout_ms, const struct reeve_type *type, void *value);
REEVE_API int reeve_typed_submit_many(const struct reeve_function *function,
    const reeve_task_options *options, size_t count,
    const void *const *columns, /* of argument i, count values */
    uint64_t *futures);
REEVE_API int reeve_typed_get_many(
    const uint64_t *futures, size_t count, const struct reeve_type *type, void *values, int *codes);
REEVE_API uint64_t reeve_typed_put(const struct reeve_type *type, const void *value);
REEVE_API void reeve_typed_clear(const struct reeve_type *type, void *value);

extern REEVE_API const struct reeve_type reeve_type_void;

/* ---- futures of values ----------------------------------------------------------------------- */

/* Of a function that may be called by nobody, and whose future is not to be forgotten. */
#define REEVE_WANTED_ __attribute__((unused, warn_unused_result))

/* The future type and the functions of a value type.
 *
 * reeve_put_T(value): makes a future of a value, as a task's result would be. A value that is
 * passed to many tasks, or is large, is stored once. A future always comes back; if there was an
 * error, getting it returns that error. reeve_get_T, reeve_get_many_T: like fn_get, fn_get_many.
 * reeve_view_T, reeve_view_many_T: see reeve_view.h. */
#define REEVE_VALUE_TYPE_(T)                                                                       \
    typedef struct reeve_future_##T {                                                              \
        uint64_t id;                                                                               \
    } reeve_future_##T;                                                                            \
    REEVE_WANTED_ static inline reeve_future_##T reeve_put_##T(T reeve_value)                      \
    {                                                                                              \
        reeve_future_##T reeve_one = {reeve_typed_put(&reeve_type_##T, &reeve_value)};             \
        return reeve_one;                                                                          \
    }                                                                                              \
    __attribute__((unused)) static inline int reeve_get_timeout_##T(                               \
        reeve_future_##T reeve_one, int64_t reeve_timeout_ms, T *reeve_value)                      \
    {                                                                                              \
        return reeve_typed_get(reeve_one.id, reeve_timeout_ms, &reeve_type_##T, reeve_value);      \
    }                                                                                              \
    __attribute__((unused)) static inline int reeve_get_##T(                                       \
        reeve_future_##T reeve_one, T *reeve_value)                                                \
    {                                                                                              \
        return reeve_typed_get(reeve_one.id, REEVE_FOREVER, &reeve_type_##T, reeve_value);         \
    }                                                                                              \
    __attribute__((unused)) static inline int reeve_get_many_##T(                                  \
        const reeve_future_##T *reeve_ids, size_t reeve_count, T *reeve_values, int *reeve_codes)  \
    {                                                                                              \
        return reeve_typed_get_many(                                                               \
            (const uint64_t *)reeve_ids, reeve_count, &reeve_type_##T, reeve_values, reeve_codes); \
    }                                                                                              \
    __attribute__((unused)) static inline int reeve_view_##T(reeve_future_##T reeve_one,           \
        int64_t reeve_timeout_ms, T *reeve_value, reeve_view *reeve_seen)                          \
    {                                                                                              \
        return reeve_typed_view(                                                                   \
            reeve_one.id, reeve_timeout_ms, &reeve_type_##T, reeve_value, reeve_seen);             \
    }                                                                                              \
    __attribute__((unused)) static inline int reeve_view_many_##T(                                 \
        const reeve_future_##T *reeve_ids, size_t reeve_count, T *reeve_values, int *reeve_codes,  \
        reeve_view *reeve_seen)                                                                    \
    {                                                                                              \
        return reeve_typed_view_many((const uint64_t *)reeve_ids, reeve_count, &reeve_type_##T,    \
            reeve_values, reeve_codes, reeve_seen);                                                \
    }                                                                                              \
    __attribute__((unused)) static inline void reeve_clear_##T(T *reeve_value)                     \
    {                                                                                              \
        reeve_typed_clear(&reeve_type_##T, reeve_value);                                           \
    }

/* One step between, because `bool` is a macro in C: its names end in _Bool. */
#define REEVE_BASIC_TYPE_(T)                                 \
    extern REEVE_API const struct reeve_type reeve_type_##T; \
    REEVE_VALUE_TYPE_(T)                                     \
    REEVE_FUTURE_TYPE_(T)                                    \
    REEVE_STREAM_TYPE_(T)
REEVE_BASIC_TYPE_(int8_t)
REEVE_BASIC_TYPE_(int16_t)
REEVE_BASIC_TYPE_(int32_t)
REEVE_BASIC_TYPE_(int64_t)
REEVE_BASIC_TYPE_(uint8_t)
REEVE_BASIC_TYPE_(uint16_t)
REEVE_BASIC_TYPE_(uint32_t)
REEVE_BASIC_TYPE_(uint64_t)
REEVE_BASIC_TYPE_(float)
REEVE_BASIC_TYPE_(double)
#ifndef __cplusplus
REEVE_BASIC_TYPE_(_Bool)
#define reeve_type_bool         reeve_type__Bool
#define reeve_future_bool       reeve_future__Bool
#define reeve_put_bool          reeve_put__Bool
#define reeve_get_bool          reeve_get__Bool
#define reeve_get_timeout_bool  reeve_get_timeout__Bool
#define reeve_get_many_bool     reeve_get_many__Bool
#define reeve_view_bool         reeve_view__Bool
#define reeve_view_many_bool    reeve_view_many__Bool
#define reeve_clear_bool        reeve_clear__Bool
#define reeve_futures_bool      reeve_futures__Bool
#define reeve_stream_bool       reeve_stream__Bool
#define reeve_next_bool         reeve_next__Bool
#define reeve_next_timeout_bool reeve_next_timeout__Bool
#else
#define reeve_type_bool reeve_type__Bool
REEVE_BASIC_TYPE_(bool)
#endif
REEVE_BASIC_TYPE_(reeve_string)
REEVE_BASIC_TYPE_(reeve_bytes)
REEVE_BASIC_TYPE_(reeve_int8_array)
REEVE_BASIC_TYPE_(reeve_int16_array)
REEVE_BASIC_TYPE_(reeve_int32_array)
REEVE_BASIC_TYPE_(reeve_int64_array)
REEVE_BASIC_TYPE_(reeve_uint8_array)
REEVE_BASIC_TYPE_(reeve_uint16_array)
REEVE_BASIC_TYPE_(reeve_uint32_array)
REEVE_BASIC_TYPE_(reeve_uint64_array)
REEVE_BASIC_TYPE_(reeve_float_array)
REEVE_BASIC_TYPE_(reeve_double_array)
REEVE_BASIC_TYPE_(reeve_int32_matrix)
REEVE_BASIC_TYPE_(reeve_int64_matrix)
REEVE_BASIC_TYPE_(reeve_float_matrix)
REEVE_BASIC_TYPE_(reeve_double_matrix)

REEVE_CREATE_TYPE_(reeve_bytes, void)
REEVE_CREATE_TYPE_(reeve_int8_array, int8_t)
REEVE_CREATE_TYPE_(reeve_int16_array, int16_t)
REEVE_CREATE_TYPE_(reeve_int32_array, int32_t)
REEVE_CREATE_TYPE_(reeve_int64_array, int64_t)
REEVE_CREATE_TYPE_(reeve_uint8_array, uint8_t)
REEVE_CREATE_TYPE_(reeve_uint16_array, uint16_t)
REEVE_CREATE_TYPE_(reeve_uint32_array, uint32_t)
REEVE_CREATE_TYPE_(reeve_uint64_array, uint64_t)
REEVE_CREATE_TYPE_(reeve_float_array, float)
REEVE_CREATE_TYPE_(reeve_double_array, double)
REEVE_CREATE_MATRIX_(reeve_int32_matrix, int32_t)
REEVE_CREATE_MATRIX_(reeve_int64_matrix, int64_t)
REEVE_CREATE_MATRIX_(reeve_float_matrix, float)
REEVE_CREATE_MATRIX_(reeve_double_matrix, double)

/* Other names of the same types: int is int32_t, size_t is uint64_t. Their futures are
 * interchangeable. */
#define reeve_type_int            reeve_type_int32_t
#define reeve_future_int          reeve_future_int32_t
#define reeve_put_int             reeve_put_int32_t
#define reeve_get_int             reeve_get_int32_t
#define reeve_get_timeout_int     reeve_get_timeout_int32_t
#define reeve_get_many_int        reeve_get_many_int32_t
#define reeve_view_int            reeve_view_int32_t
#define reeve_view_many_int       reeve_view_many_int32_t
#define reeve_clear_int           reeve_clear_int32_t
#define reeve_futures_int         reeve_futures_int32_t
#define reeve_stream_int          reeve_stream_int32_t
#define reeve_next_int            reeve_next_int32_t
#define reeve_next_timeout_int    reeve_next_timeout_int32_t
#define reeve_type_size_t         reeve_type_uint64_t
#define reeve_future_size_t       reeve_future_uint64_t
#define reeve_put_size_t          reeve_put_uint64_t
#define reeve_get_size_t          reeve_get_uint64_t
#define reeve_get_timeout_size_t  reeve_get_timeout_uint64_t
#define reeve_get_many_size_t     reeve_get_many_uint64_t
#define reeve_view_size_t         reeve_view_uint64_t
#define reeve_view_many_size_t    reeve_view_many_uint64_t
#define reeve_clear_size_t        reeve_clear_uint64_t
#define reeve_futures_size_t      reeve_futures_uint64_t
#define reeve_stream_size_t       reeve_stream_uint64_t
#define reeve_next_size_t         reeve_next_uint64_t
#define reeve_next_timeout_size_t reeve_next_timeout_uint64_t

/* The future of a function without a result. */
typedef struct reeve_future_void {
    uint64_t id; /* 0: none */
} reeve_future_void;
REEVE_FUTURE_TYPE_(void)

/* Futures of any type. */
typedef struct reeve_futures {
    const reeve_future *items; /* `count` of them */
    size_t count;              /* 0: then items may be NULL */
} reeve_futures;
REEVE_FUTURE_VALUES_(reeve_future, reeve_futures, "future")

/* ---- arrays of what is not a number ---------------------------------------------------------- */

/* REEVE_ARRAY_TYPE(T): makes reeve_array_T a value type, with its futures:
 *
 *     typedef struct reeve_array_T { const T *items; size_t count; } reeve_array_T;
 *
 * Done for every struct made by REEVE_STRUCT; for strings and spans of bytes the library has
 * reeve_string_array and reeve_bytes_array. What is left to programs is arrays of arrays and the
 * like, as deep as they need: REEVE_ARRAY_TYPE(reeve_double_array), for rows that are not equally
 * long. (For numbers there are the arrays above, which are read in place; these are not: each item
 * is unpacked.) The memory is as that of any value: as an argument it is the library's and ends
 * with the call; a result may point to anything that lives until the function has returned, such as
 * blocks of reeve_alloc; what a get gives is the caller's, and one reeve_clear frees it all, the
 * items and what they point to. (A view, reeve_view_T, has them in few blocks.)
 *
 *     REEVE_STRUCT(word, (reeve_string, text), (int64_t, count))
 *     REEVE_REMOTE(reeve_array_word, count_words, (reeve_string_array, files)) { ... }
 *
 *     const char *files[] = {"a.txt", "b.txt"};
 *     reeve_array_word words;
 *     if (count_words_get(count_words_remote((reeve_string_array){files, 2}), &words) == REEVE_OK)
 *     {
 *         for (size_t i = 0; i < words.count; i++)
 *             printf("%s %" PRId64 "\n", words.items[i].text, words.items[i].count);
 *         reeve_clear(reeve_array_word, &words);
 *     }
 */
#define REEVE_ARRAY_TYPE(T) REEVE_ARRAY_TYPE_(T)
#define REEVE_ARRAY_TYPE_(T)                                                                     \
    typedef struct reeve_array_##T {                                                             \
        const T *items; /* may be NULL when count is 0 */                                        \
        size_t count;                                                                            \
    } reeve_array_##T;                                                                           \
    __attribute__((unused)) static const struct reeve_member reeve_array_##T##_reeve_items[] = { \
        {"items", &reeve_type_##T, 0}};                                                          \
    __attribute__((unused)) static const struct reeve_type reeve_type_reeve_array_##T = {        \
        #T "[]", REEVE_KIND_LIST, 0, 1, sizeof(reeve_array_##T), reeve_array_##T##_reeve_items}; \
    REEVE_VALUE_TYPE_(reeve_array_##T)                                                           \
    REEVE_FUTURE_TYPE_(reeve_array_##T)                                                          \
    REEVE_STREAM_TYPE_(reeve_array_##T)

/* An array of strings. */
typedef struct reeve_string_array {
    const reeve_string *items; /* none of them NULL; may be NULL itself when count is 0 */
    size_t count;              /* how many */
} reeve_string_array;

/* An array of spans of bytes. */
typedef struct reeve_bytes_array {
    const reeve_bytes *items; /* may be NULL when count is 0 */
    size_t count;             /* how many */
} reeve_bytes_array;

REEVE_BASIC_TYPE_(reeve_string_array)
REEVE_BASIC_TYPE_(reeve_bytes_array)

/* Bytes without making a span first. The bytes are copied into the store, once. */
static inline reeve_future_reeve_bytes reeve_put_bytes(const void *data, size_t size)
{
    reeve_bytes bytes = {data, size};
    return reeve_put_reeve_bytes(bytes);
}

/* The functions of a value type T, by its name: reeve_put(T, value) -> reeve_future_T,
 * reeve_get(T, future, &value), reeve_get_timeout(T, future, timeout_ms, &value),
 * reeve_get_many(T, futures, count, values, codes), and reeve_clear(T, &value), which frees every
 * pointer in a value that a get gave, and zeroes it. */
#define reeve_put(T, value)         REEVE_JOIN(reeve_put_, T)(value)
#define reeve_get(T, future, value) REEVE_JOIN(reeve_get_, T)(future, value)
#define reeve_clear(T, value)       REEVE_JOIN(reeve_clear_, T)(value)
#define reeve_get_timeout(T, future, timeout_ms, value) \
    REEVE_JOIN(reeve_get_timeout_, T)(future, timeout_ms, value)
#define reeve_get_many(T, futures, count, values, codes) \
    REEVE_JOIN(reeve_get_many_, T)(futures, count, values, codes)

#ifdef __cplusplus
}
#endif

/* REEVE_JOIN(a, b) is ab, of what a and b are when they are macros. */
#define REEVE_JOIN(a, b)  REEVE_JOIN_(a, b)
#define REEVE_JOIN_(a, b) a##b

/* ---- structs --------------------------------------------------------------------------------- */

/* REEVE_STRUCT(point, (double, x), (double, y)): defines `struct point`, also called `point`,
 * and makes it and `reeve_array_point`, an array of them, value types. Up to 32 members of any
 * value type. In a header, or in one file; a struct travels as a msgpack array of its members.
 * Its name is not as, bytes, context, from_id, many, packed, packed_many, progress, ready, release,
 * timeout or value: those of its functions would be the library's own. */
#define REEVE_STRUCT(T, ...) REEVE_STRUCT_(T, 0, __VA_ARGS__)
#define REEVE_IS_HANDLE_     1
#define REEVE_STRUCT_(T, is_handle, ...)                                                        \
    REEVE_NAME_IS_FREE_(T)                                                                      \
    REEVE_EACH(REEVE_CHECK_, T, __VA_ARGS__)                                                    \
    typedef struct T {                                                                          \
        REEVE_EACH(REEVE_FIELD_, T, __VA_ARGS__)                                                \
    } T;                                                                                        \
    __attribute__((unused)) static const struct reeve_member T##_reeve_members[] = {            \
        REEVE_LIST(REEVE_MEMBER_, T, __VA_ARGS__)};                                             \
    __attribute__((unused)) static const struct reeve_type reeve_type_##T = {#T,                \
        REEVE_KIND_STRUCT, is_handle, sizeof(T##_reeve_members) / sizeof(T##_reeve_members[0]), \
        sizeof(T), T##_reeve_members};                                                          \
    REEVE_VALUE_TYPE_(T)                                                                        \
    REEVE_FUTURE_TYPE_(T)                                                                       \
    REEVE_STREAM_TYPE_(T)                                                                       \
    REEVE_ARRAY_TYPE_(T)

/* ---- remote functions ------------------------------------------------------------------------ */

/* REEVE_REMOTE(R, fn, (T1, a), (T2, b)) { body }: defines a remote function with up to 16
 * parameters. R is a value type, or void (then fn_get takes no value pointer).
 *
 * Where the compiler does not know reeve_future_thing, `thing` is no value type: not in the list at
 * the head of this header, nor made by REEVE_STRUCT (typedefs are not seen through).
 *
 * The arguments are the library's and end with the call, whatever they point to included. What the
 * result points to must live until the function has returned: arguments, static data, or memory
 * from reeve_alloc. A function fails with reeve_fail. It may call remote functions itself. It runs
 * in a worker process that keeps nothing between calls but its global variables, and may run more
 * than once if a machine is lost.
 *
 * fn_remote always gives a future, which is to be got or released (the compiler warns where it is
 * dropped: reeve_release(fn_remote(a)) says that nobody wants it). If the call could not be
 * submitted, getting the future returns the reason. fn_get returns REEVE_OK, the task's error, or
 * REEVE_EHANDLE, and releases the future whatever the outcome; fn_get_timeout may also return
 * REEVE_ETIMEDOUT, and then the future lives on.
 *
 * fn_remote_many is a loop of fn_remote over arrays of arguments, and fn_get_many a loop of fn_get,
 * for a fraction of the cost. What fails, fails alone, as it would in the loop:
 *  - fn_remote_many sets every future; the call of one that could not be submitted has not been,
 *    and getting it returns the reason. Returns REEVE_OK, or the code of the first of these, which
 *    reeve_last_error() describes. The calls start in order, the first while the last are still
 *    being packed.
 *  - fn_get_many waits for all, in order, and releases all, whatever the outcome. codes[i] is what
 *    fn_get of futures[i] would return, values[i] the value where that is REEVE_OK, and zero where
 *    it is not (so that all may be given to reeve_clear). codes may be NULL. Returns REEVE_OK, or
 *    the first code that is not, which reeve_last_error() describes; for the words of the others,
 *    get them one by one. With a limit of time: reeve_wait first. For a void fn there are no
 *    values: fn_get_many(futures, count, codes).
 *  - Values of 64 KiB and more, which fn_get_many copies at the speed of new memory (1 to 2 GB/s),
 *    reeve_view_many_R gives in place, in a microsecond or less each: see reeve_view.h. */
#define REEVE_REMOTE(R, ...)             \
    REEVE_REMOTE_DECLARE(R, __VA_ARGS__) \
    REEVE_REMOTE_DEFINE(R, __VA_ARGS__)

/* Declares a remote function that another file defines; for headers. The file that defines it
 * may include that header, and then says REEVE_REMOTE_DEFINE in place of REEVE_REMOTE. */
#define REEVE_REMOTE_DECLARE(R, ...) REEVE_DECLARE_(R, REEVE_FIRST(__VA_ARGS__, ), __VA_ARGS__)
#define REEVE_REMOTE_DEFINE(R, ...)  REEVE_DEFINE_(R, REEVE_FIRST(__VA_ARGS__, ), __VA_ARGS__)

/* reeve_call(fn, a, b) -> fn_future: like fn_remote, but each argument is either a value or a
 * future of the parameter's type. The task starts when the futures are ready, and fails with the
 * error of one that failed. The futures remain the caller's, to get or release (at any time,
 * also before the task has started). reeve_call_opts(options, fn, a, b): with options. */
#define reeve_call(...)               REEVE_CALL_(NULL, __VA_ARGS__)
#define reeve_call_opts(options, ...) REEVE_CALL_(options, __VA_ARGS__)

/* ---- from here on: machinery ----------------------------------------------------------------- */

#define REEVE_FIRST(first, ...)  first
#define REEVE_TYPE_OF_(T, name)  T
#define REEVE_NAME_OF_(T, name)  name
#define REEVE_STRING_(text)      REEVE_STRING__(text)
#define REEVE_STRING__(text)     #text
#define REEVE_SECOND_(a, b, ...) b

/* REEVE_IF_VOID_(R, a, b) is a for void, and b for any other type. */
#define REEVE_IF_VOID_(R, a, b) REEVE_JOIN(REEVE_IF_VOID_, REEVE_IS_VOID_(R))(a, b)
#define REEVE_IF_VOID_1(a, b)   a
#define REEVE_IF_VOID_0(a, b)   b
#define REEVE_IS_VOID_(R)       REEVE_IS_VOID__(REEVE_JOIN(REEVE_VOID_PROBE_, R), 0, )
#define REEVE_IS_VOID__(...)    REEVE_SECOND_(__VA_ARGS__)
#define REEVE_VOID_PROBE_void   ~, 1

#define REEVE_FIELD_(s, n, pair) REEVE_TYPE_OF_ pair REEVE_NAME_OF_ pair;
#define REEVE_MEMBER_(s, n, pair)                                                          \
    {                                                                                      \
        REEVE_STRING_(REEVE_NAME_OF_ pair), &REEVE_JOIN(reeve_type_, REEVE_TYPE_OF_ pair), \
            offsetof(struct s, REEVE_NAME_OF_ pair)                                        \
    }
#define REEVE_PARAMETER_(fn, n, pair)      REEVE_TYPE_OF_ pair REEVE_NAME_OF_ pair
#define REEVE_NEXT_PARAMETER_(fn, n, pair) , REEVE_TYPE_OF_ pair REEVE_NAME_OF_ pair
#define REEVE_PASS_(fn, n, pair)           , REEVE_NAME_OF_ pair
#define REEVE_INITIAL_(fn, n, pair)        REEVE_NAME_OF_ pair,
#define REEVE_LOAD_(fn, n, pair)           reeve_arguments->REEVE_NAME_OF_ pair
#define REEVE_COLUMN_(fn, n, pair)         , const REEVE_TYPE_OF_ pair *REEVE_NAME_OF_ pair

/* `int64_t x, double y`, or `void`. */
#define REEVE_PARAMETERS_(...) \
    REEVE_JOIN(REEVE_PARAMETERS_, REEVE_ONE_OR_MORE_(__VA_ARGS__))(__VA_ARGS__)
#define REEVE_PARAMETERS_ONE(fn)   void
#define REEVE_PARAMETERS_MORE(...) REEVE_LIST(REEVE_PARAMETER_, __VA_ARGS__)
#define REEVE_PARAMETERS_MANY(...)                                                                 \
    REEVE_SAY_(GCC error                                                                           \
        "a remote function has at most 16 parameters: put several into a struct, by REEVE_STRUCT") \
    void

/* For parameter n: what an argument of reeve_call becomes, from a value or from a future. */
#define REEVE_ARGUMENT_(fn, n, pair)                                                      \
    typedef REEVE_TYPE_OF_ pair fn##_arg##n##_value;                                      \
    typedef REEVE_JOIN(reeve_future_, REEVE_TYPE_OF_ pair) fn##_arg##n##_future;          \
    REEVE_CHECK_FUTURE_(fn##_arg##n##_future)                                             \
    struct fn##_reeve_arg##n {                                                            \
        uint64_t future;                                                                  \
        fn##_arg##n##_value value;                                                        \
    };                                                                                    \
    __attribute__((unused)) static inline struct fn##_reeve_arg##n fn##_reeve_value##n(   \
        fn##_arg##n##_value reeve_value)                                                  \
    {                                                                                     \
        struct fn##_reeve_arg##n reeve_argument = {0, reeve_value};                       \
        return reeve_argument;                                                            \
    }                                                                                     \
    __attribute__((unused)) static inline struct fn##_reeve_arg##n fn##_reeve_future##n(  \
        fn##_arg##n##_future reeve_one)                                                   \
    {                                                                                     \
        struct fn##_reeve_arg##n reeve_argument;                                          \
        __builtin_memset(&reeve_argument, 0, sizeof reeve_argument);                      \
        reeve_argument.future =                                                           \
            reeve_one.id ? reeve_one.id : UINT64_MAX; /* 0 is never a future: an error */ \
        return reeve_argument;                                                            \
    }                                                                                     \
    REEVE_PICKER_(fn, n)
#ifndef __cplusplus
#define REEVE_PICKER_(fn, n)
#define REEVE_PICK(fn, n, a) \
    _Generic((a), fn##_arg##n##_future : fn##_reeve_future##n, default : fn##_reeve_value##n)(a)
#endif
#define REEVE_CALL_(options, ...) \
    REEVE_JOIN(REEVE_CALL_, REEVE_COUNT(__VA_ARGS__))(options, __VA_ARGS__)
#define REEVE_CALL_PARAMETER_(fn, n, pair) , struct fn##_reeve_arg##n reeve_arg##n
#define REEVE_CALL_VALUE_(fn, n, pair)     reeve_arg##n.value,
#define REEVE_CALL_FUTURE_(fn, n, pair)    reeve_arg##n.future,

#define REEVE_DECLARE_(R, fn, ...) REEVE_DECLARE__(R, fn, __VA_ARGS__)
/* What a call gives is an F; `submit` makes it. */
#define REEVE_SUBMIT_(submit, fn, F, ...)                                                          \
    extern struct reeve_function fn##_reeve_function;                                              \
    struct fn##_reeve_arguments {                                                                  \
        REEVE_EACH(REEVE_FIELD_, __VA_ARGS__)                                                      \
        char reeve_end;                                                                            \
    };                                                                                             \
    REEVE_WANTED_ static inline F fn##_remote_opts(                                                \
        const reeve_task_options *reeve_how REEVE_EACH(REEVE_NEXT_PARAMETER_, __VA_ARGS__))        \
    {                                                                                              \
        struct fn##_reeve_arguments reeve_arguments = {REEVE_EACH(REEVE_INITIAL_, __VA_ARGS__) 0}; \
        submit(F, fn, NULL);                                                                       \
        return reeve_made;                                                                         \
    }                                                                                              \
    REEVE_WANTED_ static inline F fn##_remote(REEVE_PARAMETERS_(__VA_ARGS__))                      \
    {                                                                                              \
        return fn##_remote_opts(NULL REEVE_EACH(REEVE_PASS_, __VA_ARGS__));                        \
    }                                                                                              \
    REEVE_EACH(REEVE_ARGUMENT_, __VA_ARGS__)                                                       \
    REEVE_WANTED_ static inline F fn##_call(                                                       \
        const reeve_task_options *reeve_how REEVE_EACH(REEVE_CALL_PARAMETER_, __VA_ARGS__))        \
    {                                                                                              \
        struct fn##_reeve_arguments reeve_arguments = {                                            \
            REEVE_EACH(REEVE_CALL_VALUE_, __VA_ARGS__) 0};                                         \
        uint64_t reeve_ids[] = {REEVE_EACH(REEVE_CALL_FUTURE_, __VA_ARGS__) 0};                    \
        submit(F, fn, reeve_ids);                                                                  \
        return reeve_made;                                                                         \
    }

#define REEVE_SUBMIT_ONE_(F, fn, ids) \
    F reeve_made = {reeve_typed_submit(&fn##_reeve_function, reeve_how, &reeve_arguments, ids)}

#define REEVE_DECLARE__(R, fn, ...)                                                              \
    REEVE_EACH(REEVE_CHECK_, __VA_ARGS__)                                                        \
    typedef REEVE_JOIN(reeve_future_, R) fn##_future;                                            \
    REEVE_CHECK_FUTURE_(fn##_future)                                                             \
    R fn(REEVE_PARAMETERS_(__VA_ARGS__));                                                        \
    REEVE_SUBMIT_(REEVE_SUBMIT_ONE_, fn, fn##_future, __VA_ARGS__)                               \
    __attribute__((unused)) static inline int fn##_remote_many_opts(                             \
        const reeve_task_options *reeve_how,                                                     \
        size_t reeve_count REEVE_EACH(REEVE_COLUMN_, __VA_ARGS__), fn##_future *reeve_ids)       \
    {                                                                                            \
        const void *reeve_columns[] = {REEVE_EACH(REEVE_INITIAL_, __VA_ARGS__) NULL};            \
        return reeve_typed_submit_many(                                                          \
            &fn##_reeve_function, reeve_how, reeve_count, reeve_columns, (uint64_t *)reeve_ids); \
    }                                                                                            \
    __attribute__((unused)) static inline int fn##_remote_many(                                  \
        size_t reeve_count REEVE_EACH(REEVE_COLUMN_, __VA_ARGS__), fn##_future *reeve_ids)       \
    {                                                                                            \
        return fn##_remote_many_opts(                                                            \
            NULL, reeve_count REEVE_EACH(REEVE_PASS_, __VA_ARGS__), reeve_ids);                  \
    }                                                                                            \
    REEVE_IF_VOID_(R, REEVE_GET_VOID_, REEVE_GET_VALUE_)(R, fn)

#define REEVE_GET_VALUE_(R, fn)                                                               \
    __attribute__((unused)) static inline int fn##_get_timeout(                               \
        fn##_future reeve_one, int64_t reeve_timeout_ms, R *reeve_value)                      \
    {                                                                                         \
        return reeve_typed_get(                                                               \
            reeve_one.id, reeve_timeout_ms, &REEVE_JOIN(reeve_type_, R), reeve_value);        \
    }                                                                                         \
    __attribute__((unused)) static inline int fn##_get(fn##_future reeve_one, R *reeve_value) \
    {                                                                                         \
        return reeve_typed_get(                                                               \
            reeve_one.id, REEVE_FOREVER, &REEVE_JOIN(reeve_type_, R), reeve_value);           \
    }                                                                                         \
    __attribute__((unused)) static inline int fn##_get_many(                                  \
        const fn##_future *reeve_ids, size_t reeve_count, R *reeve_values, int *reeve_codes)  \
    {                                                                                         \
        return reeve_typed_get_many((const uint64_t *)reeve_ids, reeve_count,                 \
            &REEVE_JOIN(reeve_type_, R), reeve_values, reeve_codes);                          \
    }
#define REEVE_GET_VOID_(R, fn)                                                              \
    __attribute__((unused)) static inline int fn##_get_timeout(                             \
        fn##_future reeve_one, int64_t reeve_timeout_ms)                                    \
    {                                                                                       \
        return reeve_typed_get(reeve_one.id, reeve_timeout_ms, &reeve_type_void, NULL);     \
    }                                                                                       \
    __attribute__((unused)) static inline int fn##_get(fn##_future reeve_one)               \
    {                                                                                       \
        return reeve_typed_get(reeve_one.id, REEVE_FOREVER, &reeve_type_void, NULL);        \
    }                                                                                       \
    __attribute__((unused)) static inline int fn##_get_many(                                \
        const fn##_future *reeve_ids, size_t reeve_count, int *reeve_codes)                 \
    {                                                                                       \
        return reeve_typed_get_many(                                                        \
            (const uint64_t *)reeve_ids, reeve_count, &reeve_type_void, NULL, reeve_codes); \
    }

#define REEVE_DEFINE_(R, fn, ...)  REEVE_DEFINE__(R, fn, __VA_ARGS__)
#define REEVE_DEFINE__(R, fn, ...) REEVE_BODY_(R, fn, NULL, __VA_ARGS__)
#define REEVE_BODY_(R, fn, yields, ...)                                     \
    static void fn##_reeve_call(const void *reeve_from, void *reeve_result) \
    {                                                                       \
        const struct fn##_reeve_arguments *reeve_arguments =                \
            (const struct fn##_reeve_arguments *)reeve_from;                \
        (void)reeve_arguments;                                              \
        (void)reeve_result;                                                 \
        REEVE_IF_VOID_(R, , *(R *)reeve_result =)                           \
        fn(REEVE_LIST(REEVE_LOAD_, __VA_ARGS__));                           \
    }                                                                       \
    REEVE_TABLE_(R, fn, yields, __VA_ARGS__)                                \
    R fn(REEVE_PARAMETERS_(__VA_ARGS__))
#define REEVE_TABLE_(R, fn, yields, ...)                                \
    static const struct reeve_member fn##_reeve_parameters[] = {        \
        REEVE_EACH(REEVE_PARAMETER_MEMBER_, __VA_ARGS__){"", NULL, 0}}; \
    struct reeve_function fn##_reeve_function =                         \
        REEVE_FUNCTION_(R, fn, REEVE_COUNT(__VA_ARGS__) - 1, yields);   \
    __attribute__((constructor)) static void fn##_reeve_register(void)  \
    {                                                                   \
        reeve_typed_register(&fn##_reeve_function);                     \
    }
#ifndef __cplusplus
#define REEVE_FUNCTION_(R, fn, count, yields)                                                      \
    {                                                                                              \
        .size = sizeof(struct reeve_function), .name = #fn, .result = &REEVE_JOIN(reeve_type_, R), \
        .parameters = fn##_reeve_parameters, .parameter_count = count,                             \
        .arguments_size = sizeof(struct fn##_reeve_arguments), .call = fn##_reeve_call,            \
        .item = yields,                                                                            \
    }
#endif
#define REEVE_PARAMETER_MEMBER_(fn, n, pair) REEVE_MEMBER_(fn##_reeve_arguments, n, pair),

#include "reeve_checks.h"
#include "reeve_macros.h"

#ifdef __cplusplus
#include "reeve_cplusplus.h"
#endif

#endif
