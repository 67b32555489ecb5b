/* The bytes of a stream of pieces, from the node that has them (the dialler) to the one that wants
 * them. Bytes in, bytes out, as handshake.h.
 *
 *     listener                                     dialler
 *       greeting | RVB | version | best | nonce 32     |  →
 *              ←  hello  | RVB | version | kind | uid le64 | nonce 32 | mac 16 |
 *       welcome  | mac 16 |                               →
 *              ←  piece  | number le64 | size le64 | length le32 | other le32 | mac 16 | bytes … |
 *              ←  piece …
 *
 * The two have a session (session.h); its key of the direction from dialler to listener gives, by
 * keyed BLAKE2b, the key of all their streams that way, and that, with all that both have said, the
 * macs of hello and welcome and the key of this stream. So a stream belongs to one session, and
 * nothing of it is good in another. Before a good hello a stranger gets 37 bytes out of us and 61
 * into us.
 *
 * The mac of a piece (bulk_mac.h) is of the kind that the dialler names, one that the listener has
 * said it can make: as what was said is in the mac of the hello, nobody in between can make them
 * take the lesser one. It is over the piece's first 24 bytes and its bytes. */
#ifndef REEVE_WIRE_BULK_FRAME_H
#define REEVE_WIRE_BULK_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/bulk_mac.h"

#define REEVE_BULK_NONCE_SIZE    32u
#define REEVE_BULK_GREETING_SIZE (5u + REEVE_BULK_NONCE_SIZE)
#define REEVE_BULK_HELLO_SIZE    (5u + 8u + REEVE_BULK_NONCE_SIZE + REEVE_BULK_MAC_SIZE)
#define REEVE_BULK_HEADER_SIZE   (REEVE_BULK_NUMBERS_SIZE + REEVE_BULK_MAC_SIZE)
#define REEVE_BULK_LENGTH_MAX    (512u << 10) /* of a piece */

/* Of all streams in one direction of a session, from the session's key of that direction. */
void reeve_bulk_session_key(
    const uint8_t key[REEVE_BULK_KEY_SIZE], uint8_t ret[REEVE_BULK_KEY_SIZE]);

/* What both have said, once they have. */
struct reeve_bulk_terms {
    uint8_t listener_nonce[REEVE_BULK_NONCE_SIZE], dialler_nonce[REEVE_BULK_NONCE_SIZE];
    uint8_t best; /* enum reeve_bulk_kind: what the listener can */
    uint8_t kind; /* what it is to be */
};

/* The listener's nonce and best. */
void reeve_bulk_greeting_write(
    uint8_t out[REEVE_BULK_GREETING_SIZE], const struct reeve_bulk_terms *terms);
/* False: it is none, or of another version. */
bool reeve_bulk_greeting_read(
    const uint8_t in[REEVE_BULK_GREETING_SIZE], struct reeve_bulk_terms *terms);
void reeve_bulk_hello_write(uint8_t out[REEVE_BULK_HELLO_SIZE], uint64_t uid,
    const struct reeve_bulk_terms *terms, const uint8_t key[REEVE_BULK_KEY_SIZE]);
/* Who it says it is, so that its key can be found; nothing has been proven. */
bool reeve_bulk_hello_read(const uint8_t in[REEVE_BULK_HELLO_SIZE], uint64_t *ret_uid);
/* Whether it is, and of a kind that the listener can; with the dialler's part of the terms. */
bool reeve_bulk_hello_verify(const uint8_t in[REEVE_BULK_HELLO_SIZE],
    struct reeve_bulk_terms *terms, const uint8_t key[REEVE_BULK_KEY_SIZE]);
void reeve_bulk_welcome_write(uint8_t out[REEVE_BULK_MAC_SIZE],
    const struct reeve_bulk_terms *terms, const uint8_t key[REEVE_BULK_KEY_SIZE]);
bool reeve_bulk_welcome_verify(const uint8_t in[REEVE_BULK_MAC_SIZE],
    const struct reeve_bulk_terms *terms, const uint8_t key[REEVE_BULK_KEY_SIZE]);
void reeve_bulk_stream_key(const struct reeve_bulk_terms *terms,
    const uint8_t key[REEVE_BULK_KEY_SIZE], uint8_t ret[REEVE_BULK_KEY_SIZE]);

struct reeve_bulk_header {
    uint64_t number; /* of the pull that it answers */
    uint64_t size;   /* of the whole object */
    uint32_t length; /* of the piece */
    uint32_t other;  /* a node that has the object too; 0: none */
};

void reeve_bulk_header_write(
    uint8_t out[REEVE_BULK_HEADER_SIZE], const struct reeve_bulk_header *header);
/* False: no length that a piece can have. Nothing has been proven. */
bool reeve_bulk_header_read(
    const uint8_t in[REEVE_BULK_HEADER_SIZE], struct reeve_bulk_header *ret);

/* The mac of the piece `sequence` of its stream, in its header. */
void reeve_bulk_header_seal(uint8_t header[REEVE_BULK_HEADER_SIZE],
    const struct reeve_bulk_mac *mac, uint64_t sequence, const uint8_t *bytes, size_t size);
bool reeve_bulk_header_verify(const uint8_t header[REEVE_BULK_HEADER_SIZE],
    const struct reeve_bulk_mac *mac, uint64_t sequence, const uint8_t *bytes, size_t size);

#endif
