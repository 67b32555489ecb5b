/* How messages travel over a connection: nng's own format (SP over TCP, and over unix sockets), so
 * that both ends may also be nng's push and pull sockets.
 *
 *     greeting, both ways:  | 00 'S' 'P' 00 | protocol be16 | 0 be16 |
 *     tcp:                  | length be64 | message … | length be64 | message …
 *     unix sockets:         | 01 | length be64 | message … | 01 | …
 *
 * A reader takes the bytes as they come: small messages, often several, in one read, into a buffer;
 * what does not fit there goes straight into the message that it belongs to.
 *
 *     one read:   | rest of the message begun | buffer |
 *
 * Pure: bytes in, messages out. */
#ifndef REEVE_WIRE_SP_H
#define REEVE_WIRE_SP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEVE_SP_GREETING_SIZE 8u
#define REEVE_SP_HEAD_SIZE_MAX 9u
#define REEVE_SP_BUFFER_SIZE   2048u

enum reeve_sp_protocol { REEVE_SP_PUSH = 0x50, REEVE_SP_PULL = 0x51 };

void reeve_sp_greeting_write(
    uint8_t out[REEVE_SP_GREETING_SIZE], enum reeve_sp_protocol our_protocol);
/* Whether this is what the other side's protocol says. */
bool reeve_sp_greeting_is(
    const uint8_t bytes[REEVE_SP_GREETING_SIZE], enum reeve_sp_protocol their_protocol);

/* What stands before a message of `size` bytes; returns the number of bytes. `local`: on a unix
 * socket. */
size_t reeve_sp_head_write(uint8_t out[REEVE_SP_HEAD_SIZE_MAX], bool local, size_t size);

/* From malloc; whoever gets it frees it. */
struct reeve_sp_message {
    size_t size;
    uint8_t bytes[];
};

struct reeve_sp_place {
    uint8_t *bytes;
    size_t size;
};

struct reeve_sp_reader {
    bool local;
    bool greeted;
    size_t size_max;                  /* of a message */
    size_t size_now;                  /* at first the same; a larger one waits: REEVE_EBUSY */
    struct reeve_sp_message *message; /* the one that has begun; NULL: none */
    size_t filled;
    size_t begin, end; /* of what has been read and not yet looked at */
    uint8_t buffer[REEVE_SP_BUFFER_SIZE];
};

void reeve_sp_reader_init(struct reeve_sp_reader *reader, bool local, size_t size_max);
void reeve_sp_reader_fini(struct reeve_sp_reader *reader);

/* Where the next bytes are to be put, in this order; returns how many places there are, none of
 * which is empty. Only after next has said REEVE_EAGAIN, or at first. */
unsigned reeve_sp_reader_places(struct reeve_sp_reader *reader, struct reeve_sp_place places[2]);
/* So many bytes have been put there. */
void reeve_sp_reader_take(struct reeve_sp_reader *reader, size_t size);

/* REEVE_OK: the next message, which is the caller's. REEVE_EAGAIN: more bytes are needed.
 * REEVE_EPROTOCOL: no pusher speaks like that, or a message is too large; it is known from its
 * head. REEVE_EBUSY: it is too large for now; nothing has been made for it, and it is asked for
 * again when size_now has been set to more. REEVE_ENOMEM. */
int reeve_sp_reader_next(struct reeve_sp_reader *reader, struct reeve_sp_message **ret);

#endif
