/* Unpacking inside a message, with a path for errors. */
#ifndef REEVE_CLIENT_UNPACK_H
#define REEVE_CLIENT_UNPACK_H

#include "api/client/codec.h"

/* Where in a message we are: "argument 2 (p), member x". Lives on the stack of the recursion. */
struct reeve_path {
    const struct reeve_path *up;
    const char *name; /* of the member or parameter; or of the whole, where there is no `up` */
    unsigned number;  /* of an argument, from 1; or 0 */
    size_t item;      /* which of an array's, where there is no name */
};

struct reeve_unpack {
    const uint8_t *at;
    const uint8_t *end;
    struct reeve_arena *arena; /* NULL: malloc */
    struct reeve_error_info *error;
    const uint64_t *futures; /* the next of those beside the value… */
    size_t future_count;     /* …and how many are left */
    bool strict;             /* what is large is to be aligned to 64 */
};

/* Reads one value at unpack->at, and moves past it. */
int reeve_unpack_value(struct reeve_unpack *unpack, const struct reeve_type *type, void *value,
    const struct reeve_path *path);

/* The value did not fit: REEVE_EDEPTH or REEVE_EPROTOCOL if the whole message is to blame, else
 * `code` unchanged. */
int reeve_unpack_blame(const void *bytes, size_t size, int code, struct reeve_error_info *error);

#endif
