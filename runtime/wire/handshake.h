/* One handshake: how two daemons prove to each other that they hold the cluster key. Bytes in,
 * bytes out: no socket, clock or random source of its own.
 *
 *     dialler                                                              answerer
 *     hello      version, D, dialled, time, nonce_d, mac(hello)        →   checks mac and time
 *                                                                          before it dials anyone
 *                ← challenge   version, A, nonce_d, nonce_a, mac(challenge)
 *     proof      D.uid, D.incarnation, mac(proof)                      →
 *
 * D and A are the identities: uid, incarnation, role, advertised address, release. Each mac is
 * keyed BLAKE2b under the cluster key over a label of its own and the transcript: every field above
 * that is known by then, numbers in little endian, strings with their length before them, so that
 * no two transcripts have one encoding. Labels differ by direction (no reflection); identities,
 * addresses and both nonces are in (no replay into another handshake, no relay to another peer).
 * The session keys, one for each direction, are the same function with its own label over the full
 * transcript.
 *
 * A hello whose mac is right but that cannot be served (other version, clocks too far apart,
 * dialled address that is not ours) is answered with refused, whose mac covers the hello's nonce,
 * the code and the text. A hello whose mac is wrong is not answered at all: a stranger must not
 * make us connect to anyone.
 *
 * The bytes are whole frames with their header (frame.h), of REEVE_HANDSHAKE_SIZE_MAX at most. */
#ifndef REEVE_WIRE_HANDSHAKE_H
#define REEVE_WIRE_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/frame.h"
#include "runtime/wire/key.h"
#include "runtime/wire/message.h"

#define REEVE_HANDSHAKE_SIZE_MAX 1024u
#define REEVE_HANDSHAKE_SKEW_MS  (5u * 60u * 1000u)
#define REEVE_NONCE_SIZE         32
#define REEVE_RELEASE_SIZE       32

struct reeve_identity {
    uint64_t uid; /* not 0 */
    uint64_t incarnation;
    uint32_t role;
    char address[REEVE_ADDRESS_SIZE];
    char release[REEVE_RELEASE_SIZE];
};

/* Ourselves, in all handshakes. */
struct reeve_handshake_self {
    uint32_t version; /* REEVE_WIRE_VERSION, save in tests */
    struct reeve_identity identity;
    uint16_t
        /* where tcp really listens; a hello may have dialled this port or the advertised one */
        listen_port;
    uint8_t key[REEVE_KEY_SIZE];
};

struct reeve_handshake {
    uint32_t version;
    struct reeve_identity dialler, answerer;
    char dialled[REEVE_ADDRESS_SIZE];
    uint64_t time_ms;
    uint8_t dialler_nonce[REEVE_NONCE_SIZE], answerer_nonce[REEVE_NONCE_SIZE];
};

struct reeve_handshake_keys {
    uint8_t dialler_to_answerer[REEVE_FRAME_KEY_SIZE];
    uint8_t answerer_to_dialler[REEVE_FRAME_KEY_SIZE];
};

/* The dialler: starts, and writes the hello to `out` (REEVE_HANDSHAKE_SIZE_MAX bytes). Returns
 * its size. */
size_t reeve_handshake_hello(struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const char *dialled, uint64_t time_ms,
    const uint8_t nonce[REEVE_NONCE_SIZE], uint8_t *out);

/* The answerer: reads a hello of any version. REEVE_OK: answer with a challenge. REEVE_EKEY,
 * REEVE_EPROTOCOL: drop it. Any other error: the mac is right, answer with refused; `handshake`
 * is filled. `text` (REEVE_TEXT_SIZE) says why. */
int reeve_handshake_read_hello(struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const uint8_t *frame, size_t size, uint64_t time_ms,
    char *text);

size_t reeve_handshake_challenge(struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const uint8_t nonce[REEVE_NONCE_SIZE], uint8_t *out);

size_t reeve_handshake_refused(const struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, int code, const char *text, uint8_t *out);

/* The nonce that a challenge or refused echoes, so that the handshake it belongs to can be
 * found; nothing has been proven. REEVE_EPROTOCOL when it is neither. */
int reeve_handshake_echoed_nonce(
    const uint8_t *frame, size_t size, uint8_t nonce[REEVE_NONCE_SIZE]);

/* The dialler: checks the answer to its hello. REEVE_OK: the answerer holds the key, `handshake`
 * is complete. Otherwise it is as it was. */
int reeve_handshake_read_challenge(struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const uint8_t *frame, size_t size, char *text);

/* REEVE_OK: *code (never 0) and `text` hold the reason. REEVE_EPROTOCOL: to be ignored. */
int reeve_handshake_read_refused(const struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const uint8_t *frame, size_t size, int *code,
    char *text);

size_t reeve_handshake_proof(
    const struct reeve_handshake *handshake, const struct reeve_handshake_self *self, uint8_t *out);

/* The answerer: REEVE_OK: the dialler holds the key. REEVE_EKEY or REEVE_EPROTOCOL. */
int reeve_handshake_read_proof(const struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const uint8_t *frame, size_t size, char *text);

/* After the challenge (dialler) or the proof (answerer) has been read. */
void reeve_handshake_keys(const struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, struct reeve_handshake_keys *ret);

/* Copies text of a peer, cut to `capacity`, with what a terminal might obey, or is no UTF-8,
 * replaced by '?'. */
void reeve_copy_peer_text(char *out, size_t capacity, const char *text);

#endif
