/* Messages that carry much (Calls, Returns, ObjectChunk), decoded where they lie.
 *
 * protobuf-c copies every field of bytes. These kinds are nearly all of the traffic between nodes,
 * so they are read by hand, and their bytes point into the frame. Only what protobuf would read in
 * the same way is taken; the rest is left to it. */
#ifndef REEVE_WIRE_PLAIN_H
#define REEVE_WIRE_PLAIN_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/reeve.pb-c.h"

struct reeve_plain {
    Reeve__Message message;
    union {
        Reeve__Calls calls;
        Reeve__Returns returns;
        Reeve__ObjectChunk chunk;
    };
    Reeve__ObjectId id;
};

/* The message, in *plain, with bytes that are good as long as `bytes`; NULL: ask protobuf. */
const Reeve__Message *reeve_plain_decode(
    struct reeve_plain *plain, const uint8_t *bytes, size_t size);

#endif
