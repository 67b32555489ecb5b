/* reeve_view.h - large values where they lie. Included by reeve_typed.h.
 *
 * A get copies a value into memory of the program's own. A *view* does not: it gives the value
 * with its strings, spans and arrays pointing to where they are, in shared memory for a large one.
 *
 *     reeve_double_array a;
 *     reeve_view view;
 *     if (reeve_view_reeve_double_array(f, REEVE_FOREVER, &a, &view) == REEVE_OK) {
 *         use(a.items, a.count);
 *         reeve_view_release(view);
 *     }
 *
 *  - A view takes as long for 1 GB as for 1 KB. Nothing is copied but strings, values that are not
 *    in the store (those of less than 64 KiB), and arrays that another language packed unaligned.
 *  - Items of arrays and matrices are at a multiple of their own size, and of 64 bytes where there
 *    are 1 KiB or more of them; also inside structs. A span of bytes that is a large value of its
 *    own begins at a multiple of 64; one inside a struct begins anywhere.
 *  - What a view gives is read-only, and the memory is mapped so: WRITING THROUGH IT IS A
 *    SEGMENTATION FAULT. It is not to be freed or cleared: it ends, with all that it points to,
 *    with reeve_view_release, or with reeve_shutdown.
 *  - The future stays, to be viewed again, got, passed on or released. A view outlives it: what is
 *    viewed stays where it is until the last of its views is released, also when the future has
 *    been got or released meanwhile. Futures in a viewed value are the view's and end with it.
 *  - A function's large arguments are views already: they point into the store, and end with the
 *    call.
 *
 * Many values are viewed in one call, as one view that one call ends:
 *
 *     if (reeve_view_many(reeve_double_array, futures, 10000, arrays, NULL, &view) == REEVE_OK)
 *         use_all(arrays, 10000);
 *     reeve_view_release(view);
 *
 * Ten thousand of 66 KiB each are there in 5 ms, looked at once and released; as copies, by
 * reeve_get_many_T, in 400 ms, nearly all of it for 660 MB of new memory (rows view_10000_66kib and
 * get_many_10000_66kib of `reeve bench`).
 *
 *     int reeve_view_many_T(const reeve_future_T *futures, size_t count, T *values, int *codes,
 *                           reeve_view *view)
 *                                              a loop of reeve_view_T without a limit of time, for
 *                                              a fraction of the cost; what fails, fails alone.
 *                                              codes[i] is what reeve_view_T of futures[i] would
 *                                              return, values[i] the value where that is REEVE_OK,
 *                                              and zero where it is not. codes may be NULL. Returns
 *                                              REEVE_OK, or the first code that is not, which
 *                                              reeve_last_error() describes. *view IS SET ALSO
 *                                              THEN: it is of all that could be viewed, to be
 *                                              released; {0}, and nothing to be released, where
 *                                              nothing could. The same future may stand there
 *                                              twice. With a limit of time: reeve_wait first.
 *                                              REEVE_EFULL: the store cannot hold all of them in
 *                                              memory at once; once one has found no room, those
 *                                              behind it that are not at hand have none either.
 *                                              Blocks
 *
 * for every value type T; also as reeve_view_many(T, futures, count, values, codes, view).
 *
 * The other way about, a large value can be *filled* where it is to lie, instead of being put,
 * which copies it once:
 *
 *     double *items;
 *     reeve_creation creation;
 *     if (reeve_create_reeve_double_array(1000000, &items, &creation) == REEVE_OK) {
 *         fill(items, 1000000);
 *         reeve_seal_reeve_double_array(creation, &f);
 *     }
 *
 * For every type T of arrays of numbers, of matrices, and reeve_bytes; E is the type of the items:
 *
 *     int reeve_create_T(size_t count, E **items, reeve_creation *creation)
 *     int reeve_create_T(size_t rows, size_t columns, E **items, reeve_creation *creation)
 *                                              for matrices. Room for a value, 64-byte aligned, its
 *                                              contents undefined. May wait for the store to make
 *                                              room. REEVE_EFULL: it cannot, the message says why;
 *                                              REEVE_ETOOLARGE: more than 4 GiB
 *     int reeve_seal_T(reeve_creation creation, reeve_future_T *future)
 *                                              from now on it is a value like any other, and is not
 *                                              to be written to. REEVE_EHANDLE: it has been sealed
 *                                              or given up; REEVE_ETYPE: created as another type.
 *                                              In all other cases the creation is over
 *     int reeve_abort(reeve_creation creation)
 *                                              gives it up. REEVE_EHANDLE
 *
 * also as reeve_create(T, ...) and reeve_seal(T, creation, future).
 *
 * After reeve_shutdown the items of what has not been sealed are no longer there, and seal says
 * REEVE_ESHUTDOWN. */
#ifndef REEVE_VIEW_H
#define REEVE_VIEW_H

#ifdef __cplusplus
extern "C" {
#endif

/* Names what reeve_view_T has given. */
typedef struct reeve_view {
    uint64_t id; /* 0 is never one */
} reeve_view;

/* Names a value that is being filled. */
typedef struct reeve_creation {
    uint64_t id; /* 0 is never one */
} reeve_creation;

/* Ends a view, of one value or of many: what it gave must not be used any more. Any thread. Does
 * not block. REEVE_EHANDLE: it has ended already. */
REEVE_API int reeve_view_release(reeve_view view);

/* The packed value where it lies, with the futures in it: both are the view's. Waits like
 * reeve_get_packed. */
REEVE_API int reeve_view_packed(
    reeve_future future, int64_t timeout_ms, reeve_packed *ret, reeve_view *view);

/* The same of many, as one view: see reeve_view_many_T, above. A value that could not be viewed is
 * {NULL, 0}. */
REEVE_API int reeve_view_packed_many(
    const reeve_future *futures, size_t count, reeve_packed *values, int *codes, reeve_view *view);

/* Gives up a value that is being filled: its items must not be used any more. Any thread. Does not
 * block. REEVE_EHANDLE: it has been sealed or given up already. */
REEVE_API int reeve_abort(reeve_creation creation);

/* ---- matrices -------------------------------------------------------------------------------- */

/* Numbers in rows and columns; item (row, column) is items[row * columns + column]. It travels as
 * the list [rows, columns, array], and a get or view checks that they agree. */
#define REEVE_MATRIX_(name, element) \
    typedef struct name {            \
        const element *items;        \
        size_t rows;                 \
        size_t columns;              \
    } name;
REEVE_MATRIX_(reeve_int32_matrix, int32_t)
REEVE_MATRIX_(reeve_int64_matrix, int64_t)
REEVE_MATRIX_(reeve_float_matrix, float)
REEVE_MATRIX_(reeve_double_matrix, double)
#undef REEVE_MATRIX_

/* reeve_view_many_T, reeve_create_T and reeve_seal_T, by the name of the type:
 *
 *     reeve_view_many(reeve_double_matrix, futures, 100, matrices, codes, &view)
 *     reeve_create(reeve_double_matrix, 1000, 1000, &items, &creation)
 *     reeve_seal(reeve_double_matrix, creation, &future)
 */
#define reeve_view_many(T, futures, count, values, codes, view) \
    REEVE_JOIN(reeve_view_many_, T)(futures, count, values, codes, view)
#define reeve_create(T, ...)            REEVE_JOIN(reeve_create_, T)(__VA_ARGS__)
#define reeve_seal(T, creation, future) REEVE_JOIN(reeve_seal_, T)(creation, future)

/* ---- machinery ------------------------------------------------------------------------------- */

struct reeve_type;
REEVE_API int reeve_typed_view(uint64_t future, int64_t timeout_ms, const struct reeve_type *type,
    void *value, reeve_view *view);
REEVE_API int reeve_typed_view_many(const uint64_t *futures, size_t count,
    const struct reeve_type *type, void *values, int *codes, reeve_view *view);
REEVE_API int reeve_typed_create(const struct reeve_type *type, size_t count, size_t columns,
    void *items, reeve_creation *creation);
REEVE_API int reeve_typed_seal(
    const struct reeve_type *type, reeve_creation creation, uint64_t *future);

#define REEVE_CREATE_TYPE_(T, element)                                         \
    __attribute__((unused)) static inline int reeve_create_##T(                \
        size_t count, element **items, reeve_creation *creation)               \
    {                                                                          \
        return reeve_typed_create(&reeve_type_##T, count, 1, items, creation); \
    }                                                                          \
    REEVE_SEAL_TYPE_(T)
#define REEVE_CREATE_MATRIX_(T, element)                                            \
    __attribute__((unused)) static inline int reeve_create_##T(                     \
        size_t rows, size_t columns, element **items, reeve_creation *creation)     \
    {                                                                               \
        return reeve_typed_create(&reeve_type_##T, rows, columns, items, creation); \
    }                                                                               \
    REEVE_SEAL_TYPE_(T)
#define REEVE_SEAL_TYPE_(T)                                              \
    __attribute__((unused)) static inline int reeve_seal_##T(            \
        reeve_creation creation, reeve_future_##T *future)               \
    {                                                                    \
        return reeve_typed_seal(&reeve_type_##T, creation, &future->id); \
    }

#ifdef __cplusplus
}
#endif
#endif
