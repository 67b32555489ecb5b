/* Links: proven, authenticated, ordered sessions between daemons over nng, driven by a libuv loop.
 *
 * A link is one process's end of all its sessions: one PULL inbox that listens, and one PUSH outbox
 * for each peer. A session with a peer exists when both directions are proven (handshake.h); it
 * ends when either pipe goes, when a frame is malformed or out of sequence, or when it is closed.
 * What was queued when it ends is dropped: whoever needs it says it again in the next session.
 * Redialling is the caller's decision.
 *
 *      we                                          peer
 *      PUSH outbox ── Hello ─────────────────────▶ PULL inbox      we dial the address of its inbox
 *      PULL inbox ◀─ Challenge (its proof) ─────── PUSH outbox     it dials what hello vouches for
 *      PUSH outbox ── Proof ─────────────────────▶ PULL inbox      up on both sides
 *
 * When both sides say hello at once, the hello of the smaller uid counts (session.h).
 *
 * nng's callbacks run on nng's threads: they put what they got on a queue, wake the loop
 * (uv_async) and do nothing else. All callbacks below run on the loop's thread. Messages given
 * to on_message are valid during the call only. */
#ifndef REEVE_WIRE_LINK_H
#define REEVE_WIRE_LINK_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "runtime/wire/codec.h"
#include "runtime/wire/frame.h"
#include "runtime/wire/key.h"
#include "runtime/wire/message.h"
#include "runtime/wire/run.h"
#include "runtime/wire/tls.h"

#define REEVE_FRAME_SIZE_MAX \
    (1024u * 1024u) /* payload; with the header the receive limit of every listener */
#define REEVE_CHUNK_SIZE_BYTES     (256u * 1024u)
#define REEVE_LINK_LOW_WATER_BYTES (256u * 1024u)

enum reeve_role { REEVE_ROLE_HEAD = 1, REEVE_ROLE_NODE = 2, REEVE_ROLE_TOOL = 3 };

struct reeve_link;
typedef uint64_t reeve_peer; /* a session; never reused; 0 is none */

struct reeve_peer_info {
    uint64_t uid;
    uint64_t incarnation;
    enum reeve_role role;
    char address[REEVE_ADDRESS_SIZE]; /* of its inbox */
    char release[32];
};

struct reeve_link_callbacks {
    void (*peer_up)(void *arg, reeve_peer peer, const struct reeve_peer_info *info);
    /* The session is over (code: why; text: for people). Not called for a peer that was never
     * up. */
    void (*peer_down)(void *arg, reeve_peer peer, int code, const char *text);
    /* A dial came to nothing: unreachable, wrong key, other version, no answer in time. */
    void (*dial_failed)(void *arg, const char *address, int code, const char *text);
    void (*message)(void *arg, reeve_peer peer, const Reeve__Message *message);
    /* May be NULL. What is queued for the peer has fallen below REEVE_LINK_LOW_WATER_BYTES,
     * after having been above it. */
    void (*drained)(void *arg, reeve_peer peer);
    /* For the log: somebody was turned away (one call an event; the link limits how often). */
    void (*rejected)(void *arg, int code, const char *text);
};

struct reeve_link_options {
    uv_loop_t *loop;
    enum reeve_role role;
    uint64_t uid;
    uint64_t incarnation;
    const uint8_t *key; /* REEVE_KEY_SIZE bytes */
    const char *
        /* "tcp://127.0.0.1:0", "tcp://0.0.0.0:6380-6400" (a port range: the first free one),
         * "abstract://name"; with tls+tcp:// the link speaks TLS, to all and with all */
        listen;
    const char *
        /* host, or host:port, that others should dial; NULL: what we listen on (a wildcard needs
         * one) */
        advertise;
    uint32_t handshake_timeout_ms; /* 0: 5,000 */
    /* Connections that may be there before they have said hello; 0: 256. The oldest makes room, and
     * its owner takes that for a wrong key. */
    uint32_t strangers_max;
    struct reeve_link_callbacks callbacks;
    void *arg;
};

/* Listens. On failure nothing is left open (handles on the loop are closing: it must be run once
 * more before it can be closed) and `text` (size REEVE_TEXT_SIZE) says what and what to do:
 * REEVE_EADDRESS malformed or not of this machine, REEVE_EADDRINUSE, REEVE_ENOMEM, REEVE_ESYSTEM.
 */
int reeve_link_open(const struct reeve_link_options *options, struct reeve_link **ret, char *text);

/* Stops all nng operations, drops all sessions without callbacks. Must be called on the loop's
 * thread; may be called in a callback. The link is freed, and `closed` (may be NULL) called, in
 * a later turn of the loop, which must be run until then. */
void reeve_link_close(struct reeve_link *link, void (*closed)(void *arg), void *arg);

/* For streams of a link that speaks TLS; else NULL. Lasts as long as the link, if not held. */
struct reeve_tls *reeve_link_tls(const struct reeve_link *link);

/* The address of our inbox as others should dial it. */
const char *reeve_link_address(const struct reeve_link *link);

/* Starts a handshake; ends in peer_up or dial_failed. A dial to an address with a dial already
 * under way is the same dial. If a session with that very peer is already up, neither callback
 * comes and the existing session stays. REEVE_EADDRESS (malformed; encrypted where we are not, or
 * the reverse) and REEVE_ENOMEM come back at once, without a callback. Codes of dial_failed:
 * REEVE_EREFUSED nothing listens there, REEVE_ETIMEDOUT silence, REEVE_EKEY, REEVE_EVERSION,
 * REEVE_EADDRESS (unknown host; another daemon than the one dialled; ourselves), REEVE_EPROTOCOL
 * no daemon of a cluster, REEVE_ESYSTEM, REEVE_ELINK lost on the way. */
int reeve_link_dial(struct reeve_link *link, const char *address);

/* Queues a message for the peer; it is packed at once (the caller's memory is free again) and
 * sent with everything else of this turn of the loop. REEVE_EHANDLE when the session is over
 * (its peer_down has been or will be called). REEVE_ETOOLARGE when it can never fit a frame. */
int reeve_link_send(struct reeve_link *link, reeve_peer peer, const Reeve__Message *message);
int reeve_link_send_control(
    struct reeve_link *link, reeve_peer peer, const struct reeve_message *message);

/* Queues an entry of a bridged channel, behind others of the same kind and lease in one message:
 * copied at once, once. False: the session is over, or it can never fit a frame. */
bool reeve_link_send_entry(struct reeve_link *link, reeve_peer peer, enum reeve_run_kind kind,
    uint64_t lease, const struct reeve_run_entry *entry);

/* Bytes queued and not yet taken by nng: those who stream (objects, programs, output) wait while
 * it is above their mark. */
size_t reeve_link_queued_bytes(const struct reeve_link *link, reeve_peer peer);

/* Keys of the session's streams (bulk.h), in each direction. REEVE_EHANDLE when it is over. */
int reeve_link_bulk_keys(struct reeve_link *link, reeve_peer peer,
    uint8_t send_key[REEVE_FRAME_KEY_SIZE], uint8_t receive_key[REEVE_FRAME_KEY_SIZE]);

/* Says goodbye after what is queued, with code and text, and ends the session when the peer has
 * closed its side, or after a second. peer_down is called with `code` here, and there. */
void reeve_link_close_peer(struct reeve_link *link, reeve_peer peer, int code, const char *text);

#endif
