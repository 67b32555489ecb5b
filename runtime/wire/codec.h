/* Between the plain structs of message.h and the protobuf messages of reeve.proto, and the walk
 * over a frame's bytes.
 *
 * A frame's payload is what protobuf makes of `message Frame { repeated Message messages = 1; }`:
 *
 *     | 0x0a | varint length | Message bytes … | 0x0a | varint length | Message bytes … |
 *
 * so that messages can be appended one by one as they are queued, and decoded one by one as time
 * allows, without ever holding the whole frame in two shapes. */
#ifndef REEVE_WIRE_CODEC_H
#define REEVE_WIRE_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/message.h"
#include "runtime/wire/plain.h"
#include "runtime/wire/reeve.pb-c.h"

/* A control message in protobuf's shape without any allocation: the strings and bytes point into
 * the struct it was made from. */
struct reeve_control_view {
    Reeve__Message message;
    Reeve__Control control;
    Reeve__Class class;
};

/* `message` and `view` must outlive the use of the result, which is &view->message. */
const Reeve__Message *reeve_control_view(
    const struct reeve_message *message, struct reeve_control_view *view);

/* The Control alone (not the Message around it). Returns its size; nothing is written when that
 * is more than `capacity`. */
size_t reeve_control_pack(const struct reeve_message *message, uint8_t *out, size_t capacity);

/* Checks every field: kind, lengths, presence of the class where the kind needs one.
 * REEVE_EPROTOCOL with nothing written. */
int reeve_control_decode(const Reeve__Control *control, struct reeve_message *ret);

/* What one message takes in a frame; never fails. */
size_t reeve_frame_message_size(const Reeve__Message *message);

/* Writes one message with its tag and length; `out` has room for reeve_frame_message_size bytes.
 * Returns that size. */
size_t reeve_frame_message_pack(const Reeve__Message *message, uint8_t *out);

/* Takes the next message off a payload: *data and *size advance over it, and `message` (bytes,
 * unparsed) and `message_size` say where it lies. REEVE_OK, or REEVE_EPROTOCOL when what follows
 * is no message. The end is *size == 0. */
int reeve_frame_next(
    const uint8_t **data, size_t *size, const uint8_t **message, size_t *message_size);

/* Memory for decoding one message after another: a block that is used from its start again and
 * again, overflowing to malloc. Decoding through it costs no malloc for ordinary messages and no
 * walk to free them. */
struct reeve_decoder {
    ProtobufCAllocator allocator;
    uint8_t *block;
    size_t used;
    void *overflow; /* singly linked, freed at reset */
    size_t overflow_size;
    struct reeve_plain plain;
};

#define REEVE_DECODER_BLOCK_SIZE   (16u * 1024u)
#define REEVE_DECODER_OVERFLOW_MAX (64u * 1024u * 1024u) /* one message may not blow up to more */

void reeve_decoder_init(struct reeve_decoder *decoder);
void reeve_decoder_fini(struct reeve_decoder *decoder);

/* A message with a body, valid until the next decode or reset and as long as `bytes` (plain.h);
 * NULL when the bytes are not one (or memory ran out). */
const Reeve__Message *reeve_decoder_decode(
    struct reeve_decoder *decoder, const uint8_t *bytes, size_t size);

/* Frees what the last message took beyond the block. */
void reeve_decoder_reset(struct reeve_decoder *decoder);

#endif
