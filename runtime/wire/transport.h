/* nng, seen from the loop: one inbox, which listens, and whose connections only receive; any number
 * of outboxes, which are dialled, and only send; and a queue of what happened.
 *
 *     nng's threads ── callback ──▶ queue ── wake() ──▶ loop: reeve_transport_next
 *
 * Both are made of nng's streams, and speak as its push and pull sockets do (sp.h). Those
 * themselves hand a message over between four of nng's threads, where a stream needs two: a round
 * trip between two loops takes 85 us instead of 150, and one of request and reply 120.
 *
 * Callbacks put an event on the queue and wake the loop; nothing else happens on nng's threads.
 * Events name outboxes by the number their opener gave them, never by address, so that an event may
 * outlive its outbox. All functions are for the loop's thread.
 *
 * Each connection has one receive under way at a time, so that its messages stay in order. It is
 * begun again on nng's thread at once, unless more than REEVE_TRANSPORT_QUEUE_MAX bytes wait for
 * the loop: then TCP holds the senders up until the loop has caught up.
 *
 * Connecting runs on a thread of its own, made for it, as finding out why it failed may have to
 * wait. Closing an outbox ends it. */
#ifndef REEVE_WIRE_TRANSPORT_H
#define REEVE_WIRE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nng/nng.h>

#include "runtime/base/list.h"
#include "runtime/wire/address.h"
#include "runtime/wire/sp.h"
#include "runtime/wire/tls.h"

#define REEVE_TRANSPORT_QUEUE_MAX   (4u * 1024u * 1024u)
#define REEVE_TRANSPORT_REMOTE_SIZE 64

enum reeve_transport_event_kind {
    REEVE_TRANSPORT_PIPE_ADDED,    /* pipe remote */
    REEVE_TRANSPORT_PIPE_REMOVED,  /* pipe; also of one that has never been added */
    REEVE_TRANSPORT_PIPE_FOREIGN,  /* remote: a local process of another user, turned away */
    REEVE_TRANSPORT_UNPROVEN,      /* result (ours) text: a connection whose TLS came to nothing */
    REEVE_TRANSPORT_RECEIVED,      /* pipe message (it is freed with the event) */
    REEVE_TRANSPORT_CONNECTED,     /* outbox */
    REEVE_TRANSPORT_NOT_CONNECTED, /* outbox result */
    REEVE_TRANSPORT_OUTBOX_LOST,   /* outbox */
    REEVE_TRANSPORT_SENT,          /* outbox: the message has been sent, and somebody had asked */
};

struct reeve_transport_event {
    struct reeve_list node;
    enum reeve_transport_event_kind kind;
    int result; /* nng's, if not said otherwise */
    uint32_t pipe;
    uint64_t outbox;
    struct reeve_sp_message *message; /* sp.h */
    char remote[REEVE_TRANSPORT_REMOTE_SIZE];
    char *text;
};

struct reeve_transport;
struct reeve_outbox;

/* Listens on the first free port of `listen`; `bound` says which. Messages may be of `receive_max`
 * bytes; what is larger than `unproven_max` waits, unread, until the pipe is proven. `tls` is
 * for addresses of that kind, and NULL where there are none: it must outlive the transport. Of
 * connections that have not said what they are, `strangers_max` are kept. `wake` is called from
 * any thread. Errors as reeve_link_open. */
int reeve_transport_open(const struct reeve_address *listen, struct reeve_tls *tls,
    size_t receive_max, size_t unproven_max, uint32_t strangers_max, void (*wake)(void *arg),
    void *arg, struct reeve_transport **ret, struct reeve_address *bound, char *text);

/* All outboxes must have been closed. No wake comes afterwards. */
void reeve_transport_close(struct reeve_transport *transport);

/* NULL when there is none. The caller frees it with reeve_transport_event_free. */
struct reeve_transport_event *reeve_transport_next(struct reeve_transport *transport);
void reeve_transport_event_free(struct reeve_transport_event *event);

/* Who sends through it is known: it may send all that there is. */
void reeve_transport_prove_pipe(struct reeve_transport *transport, uint32_t pipe);
void reeve_transport_drop_pipe(struct reeve_transport *transport, uint32_t pipe);

/* Begins to connect; ends in CONNECTED or NOT_CONNECTED. NULL when there is no memory or no
 * thread. */
struct reeve_outbox *reeve_outbox_open(
    struct reeve_transport *transport, uint64_t number, const char *address);

/* CONNECTED or NOT_CONNECTED has come: what the dial needed is given back. */
void reeve_outbox_dialled(struct reeve_outbox *outbox);

/* One at a time; only when connected and free. Takes the message. What the connection has room for
 * is sent at once, by no other thread, and the outbox is mostly free again when this returns. Where
 * it is not, and `tell`, SENT follows when it is; else nobody's loop is woken for that. */
void reeve_outbox_send(struct reeve_outbox *outbox, nng_msg *message, bool tell);

/* Nothing is being sent. */
bool reeve_outbox_is_free(const struct reeve_outbox *outbox);
/* The same; but when something is, SENT will come. */
bool reeve_outbox_free_or_tell(struct reeve_outbox *outbox);

/* Drops what has not been sent, frees the outbox. */
void reeve_outbox_close(struct reeve_outbox *outbox);

/* The error code of ours, and words, for a result of a dial. */
int reeve_transport_dial_error(int result, const char *address, char *text);
/* An address of tcp, for people: "10.0.0.1:6380". */
void reeve_transport_address_text(
    const nng_sockaddr *address, char text[REEVE_TRANSPORT_REMOTE_SIZE]);
/* nng's words for an error of its own, and the resolver's for one that it passes on. */
const char *reeve_transport_error_text(int result);

#endif
