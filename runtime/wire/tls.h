/* TLS 1.3 between holders of the cluster key, for addresses that begin with tls+tcp://. There is no
 * certificate and nothing to set up: both sides prove by a pre-shared key that they hold the
 * cluster's.
 *
 *     cluster key ── keyed BLAKE2b, label of its own ──▶ pre-shared key
 *     client hello   X25519 share, identity, binder = HMAC under that key   ──▶   verified first
 *                    ◀──  server hello, its share; from here on all is encrypted: finished
 *     finished                                                              ──▶
 *
 * Why that is sound: the pre-shared key tells nothing of the cluster key, which stays the key of
 * our own handshake (handshake.h) and frames; that one goes on inside. Only psk_dhe_ke is spoken:
 * the traffic's keys need a fresh Diffie-Hellman secret as well, which both forget, so that who
 * has recorded traffic and gets the cluster key later still cannot read it; who has it at the time
 * may do anything anyway. Nothing is sent before the handshake is over (no early data), no session
 * is kept or resumed, no certificate accepted. Traffic keys are renewed long before the limit of
 * their cipher, TLS_AES_128_GCM_SHA256.
 *
 * The protocol is OpenSSL's, which is loaded when first needed: it costs each process that has it
 * 1.4 ms at its start and some 0.5 MiB, and those without TLS, a program's own cluster above all,
 * are spared. Its ciphers are ten times as fast as those of mbedTLS 2.28, which nng would use.
 *
 * A context is made for a key and may be used by many connections, of any threads; a connection
 * by one thread at a time. Where its bytes come from and go to is its carrier's affair. */
#ifndef REEVE_WIRE_TLS_H
#define REEVE_WIRE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/key.h"

struct reeve_tls;
struct reeve_tls_connection;

/* REEVE_ESYSTEM: OpenSSL is missing or refuses; `text` (REEVE_TEXT_SIZE) says what to do.
 * REEVE_ENOMEM. */
int reeve_tls_make(const uint8_t key[REEVE_KEY_SIZE], struct reeve_tls **ret, char *text);
/* Contexts are counted: who made or holds it drops it. Takes NULL. */
struct reeve_tls *reeve_tls_hold(struct reeve_tls *tls);
void reeve_tls_drop(struct reeve_tls *tls);

/* For listeners whose connections nobody else hears of: who failed to prove itself, in words. It is
 * called by any thread, never after it has been set to NULL. */
void reeve_tls_on_failure(
    struct reeve_tls *tls, void (*failed)(void *arg, int code, const char *text), void *arg);
void reeve_tls_report(struct reeve_tls *tls, int code, const char *text);

enum reeve_tls_result {
    REEVE_TLS_DONE,
    REEVE_TLS_AGAIN,  /* when the carrier has moved something */
    REEVE_TLS_ENDED,  /* the carrier's connection, or the peer has said goodbye */
    REEVE_TLS_FAILED, /* reeve_tls_fault says why */
};

/* What the peer is, when it is not one of ours. */
enum reeve_tls_fault {
    REEVE_TLS_FAULT_NONE,
    REEVE_TLS_FAULT_KEY,   /* another cluster's */
    REEVE_TLS_FAULT_PLAIN, /* a daemon that does not encrypt */
    REEVE_TLS_FAULT_OTHER, /* no daemon, or what was sent has been changed on the way */
};

/* Moves some bytes: DONE, and how many in *size; or AGAIN (never, where it waits), or ENDED. */
typedef enum reeve_tls_result reeve_tls_read_bytes(void *arg, uint8_t *bytes, size_t *size);
typedef enum reeve_tls_result reeve_tls_write_bytes(void *arg, const uint8_t *bytes, size_t *size);

struct reeve_tls_carrier {
    reeve_tls_read_bytes *read;
    reeve_tls_write_bytes *write;
    void *arg;
    size_t read_size; /* as much as is worth reading at once; 0: a record, 16 KiB */
};

/* NULL: out of memory. Holds the context. */
struct reeve_tls_connection *reeve_tls_open(
    struct reeve_tls *tls, bool listener, const struct reeve_tls_carrier *carrier);
void reeve_tls_close(struct reeve_tls_connection *connection); /* takes NULL; says nothing */

enum reeve_tls_result reeve_tls_handshake(struct reeve_tls_connection *connection);
/* After the handshake. Some of *size bytes; how many, in *size. After AGAIN, a write is to be
 * called with the same bytes. */
enum reeve_tls_result reeve_tls_read(
    struct reeve_tls_connection *connection, uint8_t *bytes, size_t *size);
enum reeve_tls_result reeve_tls_write(
    struct reeve_tls_connection *connection, const uint8_t *bytes, size_t *size);
/* Says that no more is to come. */
void reeve_tls_goodbye(struct reeve_tls_connection *connection);

enum reeve_tls_fault reeve_tls_fault(const struct reeve_tls_connection *connection);
/* What the fault means and, where one is known, the remedy: of a listener's peer. */
int reeve_tls_fault_error(const struct reeve_tls_connection *connection, char *text);

/* For tests: the traffic keys are renewed after so many bytes have been written with them. */
void reeve_tls_renew_after(struct reeve_tls *tls, uint64_t bytes);

#endif
