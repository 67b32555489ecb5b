/* What transport.c and outbox.c share. */
#ifndef REEVE_WIRE_TRANSPORT_INTERNAL_H
#define REEVE_WIRE_TRANSPORT_INTERNAL_H

#include <pthread.h>

#include "runtime/base/macros.h"
#include "runtime/wire/transport.h"

struct reeve_transport {
    nng_socket inbox;
    nng_aio *receive;
    struct reeve_tls *tls; /* NULL: none */
    bool local;            /* the inbox is a unix socket */
    void (*wake)(void *arg);
    void *arg;
    pthread_mutex_t mutex;   /* for what follows */
    struct reeve_list queue; /* of events */
    size_t queued_bytes;     /* of messages in it */
    bool paused;             /* no receive is under way; the loop restarts it */
};

struct reeve_transport_event *reeve_transport_event_make(enum reeve_transport_event_kind kind);
bool reeve_transport_post(struct reeve_transport *transport, struct reeve_transport_event *event);

/* For unix sockets: is the peer's effective user ours? */
bool reeve_transport_same_user(nng_pipe pipe);

#endif
