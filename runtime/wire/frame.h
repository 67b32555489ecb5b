/* The 28 bytes at the start of every nng message between daemons, and the mac that makes a frame
 * the peer's.
 *
 *     0     2         3      4                12             28
 *     | RV  | version | type | sequence le64  | mac 16 bytes | protobuf …
 *
 * The mac of frames and goodbyes is the tag of ChaCha20-Poly1305 (IETF) with an empty text: the
 * whole frame, its mac field zero, is the associated data; the key is that of the direction, the
 * nonce is the sequence number, which never repeats under one key. It takes less than half the
 * time of keyed BLAKE2b, and is used on every link, loopback too: one way to do it. */
#ifndef REEVE_WIRE_FRAME_H
#define REEVE_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define REEVE_WIRE_VERSION      7u
#define REEVE_FRAME_HEADER_SIZE 28u
#define REEVE_FRAME_KEY_SIZE    32u

enum reeve_frame_type {
    REEVE_FRAME_HELLO = 1,
    REEVE_FRAME_CHALLENGE = 2,
    REEVE_FRAME_PROOF = 3,
    REEVE_FRAME_MESSAGES = 4,
    REEVE_FRAME_REFUSED = 5,
    REEVE_FRAME_GOODBYE = 6,
};

struct reeve_frame_header {
    uint8_t version;
    enum reeve_frame_type type;
    uint64_t sequence;
};

/* For the handshake: sequence and mac are zero. */
void reeve_frame_header_write(uint8_t frame[REEVE_FRAME_HEADER_SIZE], enum reeve_frame_type type);

/* REEVE_OK, or REEVE_EPROTOCOL when this is no frame of ours at all. The version may be any. */
int reeve_frame_header_read(const uint8_t *frame, size_t size, struct reeve_frame_header *ret);

/* Writes the header, mac included; `size` counts header and payload, which is in place. */
void reeve_frame_seal(uint8_t *frame, size_t size, enum reeve_frame_type type, uint64_t sequence,
    const uint8_t key[REEVE_FRAME_KEY_SIZE]);

/* Checks the mac of a frame whose header says `sequence` (the caller has compared it with what
 * it expects). REEVE_OK or REEVE_EPROTOCOL. The mac field is zero afterwards. */
int reeve_frame_verify(
    uint8_t *frame, size_t size, uint64_t sequence, const uint8_t key[REEVE_FRAME_KEY_SIZE]);

#endif
