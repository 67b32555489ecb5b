/* What waits to be sent to one peer: frames in order, the last of them open for more messages.
 *
 *     | frame (full) | frame (full) | frame (open): header room | message | message | room… |
 *
 * A frame is closed at FRAME_TARGET bytes, so that neither making its mac nor decoding it holds
 * a loop up, unless a single message needs more. Nothing is held while there is nothing to send. */
#ifndef REEVE_WIRE_OUTGOING_H
#define REEVE_WIRE_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>

#include <nng/nng.h>

#include "runtime/base/fifo.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/frame.h"
#include "runtime/wire/run.h"

struct reeve_outgoing_frame {
    nng_msg *message;
    enum reeve_frame_type type;
};

struct reeve_outgoing {
    struct reeve_fifo frames; /* struct reeve_outgoing_frame */
    nng_msg *open;            /* the last one, of messages; NULL: none */
    size_t bytes;
    size_t message_max;
    size_t run_at; /* where in it the run starts that is its end; 0: its end is another message */
    uint64_t run_lease;
    enum reeve_run_kind run_kind;
};

void reeve_outgoing_init(struct reeve_outgoing *outgoing, size_t message_max);
void reeve_outgoing_fini(struct reeve_outgoing *outgoing);

/* REEVE_OK, REEVE_ETOOLARGE or REEVE_ENOMEM (then nothing has changed). */
int reeve_outgoing_add(struct reeve_outgoing *outgoing, const Reeve__Message *message);

/* Room for an entry of so many bytes, head included (run.h), behind those of the same kind and
 * lease that are the last in the open frame, or in a message of its own. To be written at once.
 * NULL: too large, or no memory. */
uint8_t *reeve_outgoing_add_entry(
    struct reeve_outgoing *outgoing, enum reeve_run_kind kind, uint64_t lease, size_t size);

/* A whole frame, header included. */
int reeve_outgoing_add_raw(
    struct reeve_outgoing *outgoing, enum reeve_frame_type type, const uint8_t *frame, size_t size);
int reeve_outgoing_add_goodbye(struct reeve_outgoing *outgoing, int code, const char *text);

/* The first frame, which is the caller's then; its header is yet to be sealed. False when there
 * is none. */
bool reeve_outgoing_take(struct reeve_outgoing *outgoing, struct reeve_outgoing_frame *ret);

#endif
