/* What the codec knows of the numbers that arrays hold. */
#ifndef REEVE_CLIENT_TYPES_H
#define REEVE_CLIENT_TYPES_H

#include <reeve.h>

/* Of enum reeve_kind. 0 and NULL: not a number. */
size_t reeve_element_size(unsigned kind);
const char *reeve_element_name(unsigned kind);

/* All spans and all arrays look the same in memory, whatever they are of. */
struct reeve_span {
    const void *data;
    size_t count;
};
_Static_assert(sizeof(struct reeve_span) == sizeof(reeve_bytes), "spans are alike");
_Static_assert(sizeof(struct reeve_span) == sizeof(reeve_double_array), "spans are alike");
_Static_assert(sizeof(struct reeve_span) == sizeof(reeve_futures), "spans are alike");
_Static_assert(sizeof(struct reeve_span) == sizeof(reeve_string_array), "spans are alike");

/* All matrices do. */
struct reeve_grid {
    const void *data;
    size_t rows, columns;
};
_Static_assert(sizeof(struct reeve_grid) == sizeof(reeve_double_matrix), "matrices are alike");
/* All futures look like this one. */
_Static_assert(sizeof(reeve_future) == sizeof(uint64_t), "a future is its id");
_Static_assert(sizeof(reeve_future) == sizeof(reeve_future_int64_t), "futures are alike");

#endif
