/* The bytes of a stream of pieces, from the node that has them (the dialler) to the one that wants
 * them. Bytes in, bytes out, as handshake.h.
 *
 *     listener                                     dialler
 *       greeting | RVB | version | nonce 32     |  →
 *              ←  hello  | RVB | version | uid le64 | nonce 32 | mac 16 |
 *       welcome  | mac 16 |                        →
 *              ←  piece  | number le64 | size le64 | length le32 | other le32 | mac 16 | bytes … |
 *              ←  piece …
 *
 * The two have a session (session.h); its key of the direction from dialler to listener gives, by
 * keyed BLAKE2b, the key of all their streams that way, and that, with both nonces, the macs of
 * hello and welcome and the key of this stream. So a stream belongs to one session, and nothing of
 * it is good in another. Before a good hello a stranger gets 36 bytes out of us and 60 into us.
 *
 * The mac of a piece is Poly1305 over its first 24 bytes and its bytes, with a key that is used
 * once: the first 32 bytes of the ChaCha20 stream (IETF) under the stream's key, the nonce being
 * the number of pieces before. It is the construction of frame.h, over bytes that need not lie
 * together. */
#ifndef REEVE_WIRE_BULK_FRAME_H
#define REEVE_WIRE_BULK_FRAME_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEVE_BULK_KEY_SIZE      32u
#define REEVE_BULK_NONCE_SIZE    32u
#define REEVE_BULK_MAC_SIZE      16u
#define REEVE_BULK_GREETING_SIZE (4u + REEVE_BULK_NONCE_SIZE)
#define REEVE_BULK_HELLO_SIZE    (4u + 8u + REEVE_BULK_NONCE_SIZE + REEVE_BULK_MAC_SIZE)
#define REEVE_BULK_HEADER_SIZE   (24u + REEVE_BULK_MAC_SIZE)
#define REEVE_BULK_LENGTH_MAX    (512u << 10) /* of a piece */

/* Of all streams in one direction of a session, from the session's key of that direction. */
void reeve_bulk_session_key(
    const uint8_t key[REEVE_BULK_KEY_SIZE], uint8_t ret[REEVE_BULK_KEY_SIZE]);

/* Both nonces, once both are known. */
struct reeve_bulk_nonces {
    uint8_t listener[REEVE_BULK_NONCE_SIZE], dialler[REEVE_BULK_NONCE_SIZE];
};

void reeve_bulk_greeting_write(
    uint8_t out[REEVE_BULK_GREETING_SIZE], const uint8_t nonce[REEVE_BULK_NONCE_SIZE]);
/* False: it is none, or of another version. */
bool reeve_bulk_greeting_read(
    const uint8_t in[REEVE_BULK_GREETING_SIZE], struct reeve_bulk_nonces *nonces);
void reeve_bulk_hello_write(uint8_t out[REEVE_BULK_HELLO_SIZE], uint64_t uid,
    const struct reeve_bulk_nonces *nonces, const uint8_t key[REEVE_BULK_KEY_SIZE]);
/* Who it says it is, so that its key can be found; nothing has been proven. */
bool reeve_bulk_hello_read(const uint8_t in[REEVE_BULK_HELLO_SIZE], uint64_t *ret_uid);
/* Whether it is; with the dialler's nonce. */
bool reeve_bulk_hello_verify(const uint8_t in[REEVE_BULK_HELLO_SIZE],
    struct reeve_bulk_nonces *nonces, const uint8_t key[REEVE_BULK_KEY_SIZE]);
void reeve_bulk_welcome_write(uint8_t out[REEVE_BULK_MAC_SIZE],
    const struct reeve_bulk_nonces *nonces, const uint8_t key[REEVE_BULK_KEY_SIZE]);
bool reeve_bulk_welcome_verify(const uint8_t in[REEVE_BULK_MAC_SIZE],
    const struct reeve_bulk_nonces *nonces, const uint8_t key[REEVE_BULK_KEY_SIZE]);
void reeve_bulk_stream_key(const struct reeve_bulk_nonces *nonces,
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

/* The mac of the piece `sequence`, counted from 0: begun with the header, updated with the
 * bytes. */
struct reeve_bulk_mac {
    crypto_onetimeauth_state state;
};
void reeve_bulk_mac_begin(struct reeve_bulk_mac *mac, uint64_t sequence,
    const uint8_t key[REEVE_BULK_KEY_SIZE], const uint8_t header[REEVE_BULK_HEADER_SIZE]);
void reeve_bulk_mac_update(struct reeve_bulk_mac *mac, const uint8_t *bytes, size_t size);
void reeve_bulk_mac_seal(struct reeve_bulk_mac *mac, uint8_t header[REEVE_BULK_HEADER_SIZE]);
bool reeve_bulk_mac_verify(
    struct reeve_bulk_mac *mac, const uint8_t header[REEVE_BULK_HEADER_SIZE]);

#endif
