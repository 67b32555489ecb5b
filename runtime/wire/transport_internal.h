/* What transport.c, inbox.c and outbox.c share. */
#ifndef REEVE_WIRE_TRANSPORT_INTERNAL_H
#define REEVE_WIRE_TRANSPORT_INTERNAL_H

#include <pthread.h>

#include "runtime/base/macros.h"
#include "runtime/base/map64.h"
#include "runtime/wire/transport.h"

/* Who has connected, or has been connected to, and does not say in this time what it is. */
#define REEVE_TRANSPORT_GREETING_MS 5000

struct reeve_transport {
    struct reeve_tls *tls; /* NULL: none */
    bool local;            /* the inbox is a unix socket */
    size_t receive_max, unproven_max;
    uint32_t strangers_max;
    void (*wake)(void *arg);
    void *arg;
    nng_stream_listener *listener;
    nng_aio *accept;
    nng_aio *accept_pause;
    pthread_mutex_t mutex;      /* for what follows; taken before a pipe's */
    struct reeve_map64 pipes;   /* struct inbox_pipe */
    struct reeve_list greeting; /* those that have not said what they are, the oldest first */
    unsigned greeting_count;
    uint32_t last_pipe;
    /* For what follows; taken last: events come with locks of nng's, too, which are taken after a
     * pipe's. */
    pthread_mutex_t queue_mutex;
    struct reeve_list queue;  /* of events */
    size_t queued_bytes;      /* of memory that it takes */
    struct reeve_list paused; /* pipes that wait until the loop has caught up */
    bool closed;
};

struct reeve_transport_event *reeve_transport_event_make(enum reeve_transport_event_kind kind);
void reeve_transport_post(struct reeve_transport *transport, struct reeve_transport_event *event);

/* On nng's thread: somebody has connected. */
void reeve_inbox_accepted(struct reeve_transport *transport, nng_stream *stream);
/* On the loop's. */
void reeve_inbox_resume(struct reeve_transport *transport);
void reeve_inbox_free_pipe(struct reeve_transport *transport, uint32_t pipe);
/* Nobody is accepted any more. */
void reeve_inbox_close(struct reeve_transport *transport);

/* For unix sockets: is the peer's effective user ours? */
bool reeve_transport_same_user(nng_stream *stream);

#endif
