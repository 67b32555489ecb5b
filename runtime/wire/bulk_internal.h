/* What bulk.c and bulk_stream.c share. The mutex guards all that a stream's thread and the loop
 * both touch: lists of events and streams, the table of peers, a stream's queues and whether it
 * is to stop. */
#ifndef REEVE_WIRE_BULK_INTERNAL_H
#define REEVE_WIRE_BULK_INTERNAL_H

#include <nng/nng.h>
#include <pthread.h>

#include "runtime/base/fifo.h"
#include "runtime/base/list.h"
#include "runtime/base/map64.h"
#include "runtime/wire/bulk.h"

enum bulk_event_kind { BULK_LANDED, BULK_SENT, BULK_ENDED, BULK_ACCEPT_AGAIN };

struct bulk_event {
    struct reeve_list node;
    enum bulk_event_kind kind;
    uint32_t peer;
    bool good;
    struct reeve_bulk_header header; /* LANDED */
    uint64_t serial;                 /* SENT */
    struct bulk_stream *stream;      /* ENDED */
};

struct bulk_peer {
    uint32_t node;
    uint64_t uid;
    uint8_t send_key[REEVE_BULK_KEY_SIZE], receive_key[REEVE_BULK_KEY_SIZE];
    struct bulk_stream *outgoing; /* NULL: none */
};

struct bulk_stream {
    struct reeve_bulk *bulk;
    struct reeve_list node; /* in bulk->streams, the oldest first */
    pthread_t thread;
    nng_aio *aio; /* all operations of the thread use it */
    /* These two are changed by the thread, with the bulk's mutex, and closed by whoever wants it to
     * end. */
    nng_stream *stream;
    nng_stream_dialer *dialer;
    pthread_mutex_t mutex; /* of operations' beginnings, and of closed; taken last */
    bool closed;
    struct reeve_tls_connection *tls; /* of the thread; NULL: not encrypted */
    int timeout_ms;                   /* of what is being moved by TLS */
    uint8_t *gathered;                /* records that go out together */
    size_t gathered_size;
    bool incoming;
    bool proven;
    bool stopping;
    bool ended;    /* ENDED has been posted */
    uint32_t peer; /* 0: not known yet */
    uint64_t uid;  /* outgoing: ours */
    char address[REEVE_ADDRESS_SIZE];
    uint8_t key[REEVE_BULK_KEY_SIZE]; /* of the session's direction, then of the stream */
    struct reeve_bulk_mac mac;
    uint64_t sequence;
    pthread_cond_t wake;
    struct reeve_fifo queues[2]; /* struct reeve_bulk_piece */
    uint8_t turn;
    int code; /* why it has ended; 0: nothing was amiss */
    const char *text;
};

struct reeve_bulk {
    struct reeve_bulk_callbacks callbacks;
    void *arg;
    uint64_t uid;
    uint32_t handshake_timeout_ms, stall_timeout_ms, idle_timeout_ms;
    struct reeve_tls *tls;
    nng_stream_listener *listener;
    nng_aio *accept;
    uint16_t port;
    uv_async_t wake;
    uv_timer_t again;
    unsigned handles_open;
    bool closed;
    pthread_mutex_t mutex;
    struct reeve_list events, streams;
    unsigned stranger_count;
    struct reeve_map64 peers; /* struct bulk_peer, by node */
};

/* With the mutex. */
void bulk_post(struct reeve_bulk *bulk, const struct bulk_event *event);
/* The thread of a stream, of either kind. */
void *bulk_incoming(void *arg);
void *bulk_outgoing(void *arg);

#endif
