/* Streams of pieces between node daemons: what is large goes over connections of its own, straight
 * from memory to memory, beside the sessions that it belongs to (bulk_frame.h has the bytes).
 *
 *     source                                                    puller
 *     reeve_bulk_send ─▶ queue ─▶ thread: mac, send ──tcp──▶ thread: place(), receive, mac
 *       ◀─ sent ──────── uv_async ─┘                            └─ uv_async ──── landed ─▶
 *
 * A stream is made by the source when it has something to send, to the address that the puller has
 * named, and ends when it has been idle for a while. Each has a thread, which waits for nng's
 * stream operations: to make macs and to copy takes long, and none of it is done on the loop's
 * thread or on nng's. What becomes of a session becomes of its streams. Everything is reported
 * on the loop's thread, but for `place`. All functions are for the loop's thread. */
#ifndef REEVE_WIRE_BULK_H
#define REEVE_WIRE_BULK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "runtime/wire/address.h"
#include "runtime/wire/bulk_frame.h"
#include "runtime/wire/tls.h"

struct reeve_bulk;

struct reeve_bulk_callbacks {
    /* On the stream's thread: where a piece from that node is to be written; NULL: nowhere. With a
     * place, `landed` follows, good or not, and until then the place is written to. */
    uint8_t *(*place)(void *arg, uint32_t node, uint64_t number, uint32_t length);
    void (*landed)(void *arg, uint32_t node, const struct reeve_bulk_header *header, bool good);
    /* Its bytes are not needed any more; not good: they may not have arrived. */
    void (*sent)(void *arg, uint64_t serial, bool good);
    /* A stream from that node has ended in the middle: what was to come may not. */
    void (*lost)(void *arg, uint32_t node, int code, const char *text);
    /* For the log: somebody was turned away. */
    void (*rejected)(void *arg, int code, const char *text);
};

struct reeve_bulk_options {
    uv_loop_t *loop;
    const struct reeve_address *listen; /* the first free port of its range */
    struct reeve_tls *tls;              /* NULL: not encrypted; else all are, in both directions */
    uint64_t uid;
    struct reeve_bulk_callbacks callbacks;
    void *arg;
    uint32_t handshake_timeout_ms, stall_timeout_ms, idle_timeout_ms; /* 0: 5 s, 3 s, 10 s */
};

/* REEVE_EADDRINUSE, REEVE_EADDRESS, REEVE_ENOMEM, REEVE_ESYSTEM. */
int reeve_bulk_open(const struct reeve_bulk_options *options, struct reeve_bulk **ret);
/* Takes NULL. Waits for all threads; nothing is reported any more. The loop must be run once more
 * before it can be closed. */
void reeve_bulk_close(struct reeve_bulk *bulk);
uint16_t reeve_bulk_port(const struct reeve_bulk *bulk);

/* A session with that node; keys from reeve_link_bulk_keys. It takes the place of an earlier
 * one. */
void reeve_bulk_peer_up(struct reeve_bulk *bulk, uint32_t node, uint64_t uid,
    const uint8_t send_key[REEVE_BULK_KEY_SIZE], const uint8_t receive_key[REEVE_BULK_KEY_SIZE]);
void reeve_bulk_peer_down(struct reeve_bulk *bulk, uint32_t node);

struct reeve_bulk_piece {
    uint64_t serial;
    struct reeve_bulk_header header;
    const uint8_t *bytes; /* good until `sent` */
    bool large;           /* of a large object: small ones go first, mostly */
};

/* REEVE_OK: `sent` will be called. REEVE_EHANDLE: there is no session. REEVE_ENOMEM. */
int reeve_bulk_send(struct reeve_bulk *bulk, uint32_t node, const char *address,
    const struct reeve_bulk_piece *piece);

/* For tests and tools: streams that exist now. */
unsigned reeve_bulk_stream_count(struct reeve_bulk *bulk);

#endif
