/* Streams of pieces: the loop's side. See bulk.h, and bulk_stream.c for the threads.
 *
 *     nng ── accept ──▶ stream ─▶ thread ── event ──▶ queue ── uv_async ──▶ on_wake ─▶ callbacks
 *     reeve_bulk_send ─▶ stream's queue ─▶ thread ── event ──▶ …
 *
 * A stream is in the list from when it is made until its thread has been joined, which the loop
 * does when it hears that the thread is ending. Strangers, who have not said a good hello, are
 * limited in number: the oldest makes room. */
#include "runtime/wire/bulk.h"

#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/clock.h"
#include "runtime/base/macros.h"
#include "runtime/wire/bulk_internal.h"
#include "runtime/wire/nng_stream.h"

#define STRANGERS_MAX   16u
#define STACK_SIZE      (128u << 10)
#define ACCEPT_AGAIN_MS 100
#define HANDSHAKE_MS    5000u
#define STALL_MS        3000u
#define IDLE_MS         10000u

void bulk_post(struct reeve_bulk *bulk, const struct bulk_event *event)
{
    struct bulk_event *copy = malloc(sizeof *copy);
    REEVE_ASSERT(copy != NULL);
    *copy = *event;
    bool was_empty = reeve_list_is_empty(&bulk->events);
    reeve_list_push_back(&bulk->events, &copy->node);
    if (was_empty)
        uv_async_send(&bulk->wake);
}

/* --- streams ---------------------------------------------------------------------------------- */

static void stream_free(struct bulk_stream *stream)
{
    nng_aio_free(stream->aio);
    reeve_fifo_fini(&stream->queues[0]);
    reeve_fifo_fini(&stream->queues[1]);
    pthread_cond_destroy(&stream->wake);
    pthread_mutex_destroy(&stream->mutex);
    free(stream);
}

static struct bulk_stream *stream_make(struct reeve_bulk *bulk)
{
    struct bulk_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    pthread_mutex_init(&stream->mutex, NULL);
    reeve_clock_condition_init(&stream->wake);
    reeve_fifo_init(&stream->queues[0], sizeof(struct reeve_bulk_piece));
    reeve_fifo_init(&stream->queues[1], sizeof(struct reeve_bulk_piece));
    reeve_list_init(&stream->node);
    stream->bulk = bulk;
    stream->uid = bulk->uid;
    if (nng_aio_alloc(&stream->aio, NULL, NULL) != 0) {
        stream->aio = NULL;
        stream_free(stream);
        return NULL;
    }
    return stream;
}

static bool stream_start(struct bulk_stream *stream, void *(*run)(void *arg))
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    int error = pthread_create(&stream->thread, &attributes, run, stream);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

/* With the mutex. The operation under way fails, and every later one; its end follows, as an
 * event. */
static void stream_stop(struct bulk_stream *stream)
{
    stream->stopping = true;
    pthread_cond_signal(&stream->wake);
    if (stream->dialer != NULL)
        nng_stream_dialer_close(stream->dialer);
    pthread_mutex_lock(&stream->mutex);
    stream->closed = true;
    if (stream->stream != NULL)
        nng_stream_close(stream->stream);
    pthread_mutex_unlock(&stream->mutex);
}

/* --- nng's thread: somebody has connected ----------------------------------------------------- */

static void make_room(struct reeve_bulk *bulk)
{
    REEVE_LIST_EACH(node, &bulk->streams)
    {
        struct bulk_stream *stream = REEVE_LIST_ENTRY(node, struct bulk_stream, node);
        if (stream->incoming && !stream->proven && !stream->stopping) {
            stream_stop(stream);
            return;
        }
    }
}

static void accepted(struct reeve_bulk *bulk, nng_stream *connection)
{
    struct bulk_stream *stream = stream_make(bulk);
    pthread_mutex_lock(&bulk->mutex);
    if (stream != NULL && bulk->stranger_count >= STRANGERS_MAX)
        make_room(bulk);
    if (stream != NULL) {
        stream->incoming = true;
        stream->stream = connection;
        bulk->stranger_count++;
        reeve_list_push_back(&bulk->streams, &stream->node);
        if (stream_start(stream, bulk_incoming)) {
            pthread_mutex_unlock(&bulk->mutex);
            return;
        }
        bulk->stranger_count--;
        reeve_list_remove(&stream->node);
        stream_free(stream);
    }
    pthread_mutex_unlock(&bulk->mutex);
    nng_stream_close(connection);
    nng_stream_free(connection);
}

static void on_accept(void *arg)
{
    struct reeve_bulk *bulk = arg;
    int result = nng_aio_result(bulk->accept);
    if (result == NNG_ECLOSED || result == NNG_ECANCELED)
        return;
    if (result == 0) {
        accepted(bulk, nng_aio_get_output(bulk->accept, 0));
        nng_stream_listener_accept(bulk->listener, bulk->accept);
        return;
    }
    pthread_mutex_lock(&bulk->mutex); /* no descriptors are left, say: a little later */
    bulk_post(bulk, &(struct bulk_event){.kind = BULK_ACCEPT_AGAIN});
    pthread_mutex_unlock(&bulk->mutex);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void on_again(uv_timer_t *timer)
{
    struct reeve_bulk *bulk = timer->data;
    nng_stream_listener_accept(bulk->listener, bulk->accept);
}

/* Its thread has nothing more to do; what it has not sent it never will. */
static void stream_ended(struct reeve_bulk *bulk, struct bulk_stream *stream)
{
    pthread_join(stream->thread, NULL);
    pthread_mutex_lock(&bulk->mutex);
    reeve_list_remove(&stream->node);
    if (stream->incoming && !stream->proven)
        bulk->stranger_count--;
    struct bulk_peer *peer = reeve_map64_get(&bulk->peers, stream->peer);
    if (peer != NULL && peer->outgoing == stream)
        peer->outgoing = NULL;
    bool wanted = !stream->stopping;
    pthread_mutex_unlock(&bulk->mutex);
    struct reeve_bulk_piece piece;
    for (int i = 0; i < 2; i++)
        while (reeve_fifo_pop(&stream->queues[i], &piece))
            bulk->callbacks.sent(bulk->arg, piece.serial, false);
    if (stream->incoming && stream->proven && stream->code != 0)
        bulk->callbacks.lost(bulk->arg, stream->peer, stream->code, stream->text);
    else if (stream->code != 0 && wanted)
        bulk->callbacks.rejected(bulk->arg, stream->code, stream->text);
    stream_free(stream);
}

static void on_wake(uv_async_t *wake)
{
    struct reeve_bulk *bulk = wake->data;
    struct reeve_list *node;
    for (;;) {
        pthread_mutex_lock(&bulk->mutex);
        node = reeve_list_pop_front(&bulk->events);
        pthread_mutex_unlock(&bulk->mutex);
        if (node == NULL)
            return;
        struct bulk_event event = *REEVE_LIST_ENTRY(node, struct bulk_event, node);
        free(REEVE_LIST_ENTRY(node, struct bulk_event, node));
        switch (event.kind) {
        case BULK_LANDED:
            bulk->callbacks.landed(bulk->arg, event.peer, &event.header, event.good);
            break;
        case BULK_SENT: bulk->callbacks.sent(bulk->arg, event.serial, event.good); break;
        case BULK_ENDED: stream_ended(bulk, event.stream); break;
        case BULK_ACCEPT_AGAIN: uv_timer_start(&bulk->again, on_again, ACCEPT_AGAIN_MS, 0); break;
        }
    }
}

/* --- peers ------------------------------------------------------------------------------------ */

void reeve_bulk_peer_down(struct reeve_bulk *bulk, uint32_t node)
{
    pthread_mutex_lock(&bulk->mutex);
    struct bulk_peer *peer = reeve_map64_remove(&bulk->peers, node);
    if (peer != NULL) {
        REEVE_LIST_EACH(at, &bulk->streams)
        {
            struct bulk_stream *stream = REEVE_LIST_ENTRY(at, struct bulk_stream, node);
            if (stream->peer == node)
                stream_stop(stream);
        }
        sodium_memzero(peer, sizeof *peer);
        free(peer);
    }
    pthread_mutex_unlock(&bulk->mutex);
}

void reeve_bulk_peer_up(struct reeve_bulk *bulk, uint32_t node, uint64_t uid,
    const uint8_t send_key[REEVE_BULK_KEY_SIZE], const uint8_t receive_key[REEVE_BULK_KEY_SIZE])
{
    reeve_bulk_peer_down(bulk, node);
    struct bulk_peer *peer = calloc(1, sizeof *peer);
    REEVE_ASSERT(peer != NULL);
    peer->node = node;
    peer->uid = uid;
    memcpy(peer->send_key, send_key, sizeof peer->send_key);
    memcpy(peer->receive_key, receive_key, sizeof peer->receive_key);
    pthread_mutex_lock(&bulk->mutex);
    int error = reeve_map64_put(&bulk->peers, node, peer, NULL);
    pthread_mutex_unlock(&bulk->mutex);
    REEVE_ASSERT(error == REEVE_OK);
}

/* With the mutex. */
static struct bulk_stream *outgoing(
    struct reeve_bulk *bulk, struct bulk_peer *peer, const char *address)
{
    if (peer->outgoing != NULL && !peer->outgoing->stopping && !peer->outgoing->ended)
        return peer->outgoing;
    struct bulk_stream *stream = stream_make(bulk);
    if (stream == NULL)
        return NULL;
    stream->peer = peer->node;
    memcpy(stream->key, peer->send_key, sizeof stream->key);
    memcpy(stream->address, address, strnlen(address, sizeof stream->address - 1));
    reeve_list_push_back(&bulk->streams, &stream->node);
    if (!stream_start(stream, bulk_outgoing)) {
        reeve_list_remove(&stream->node);
        stream_free(stream);
        return NULL;
    }
    return peer->outgoing = stream;
}

int reeve_bulk_send(struct reeve_bulk *bulk, uint32_t node, const char *address,
    const struct reeve_bulk_piece *piece)
{
    int error = REEVE_EHANDLE;
    pthread_mutex_lock(&bulk->mutex);
    struct bulk_peer *peer = reeve_map64_get(&bulk->peers, node);
    if (peer != NULL && !bulk->closed) {
        struct bulk_stream *stream = outgoing(bulk, peer, address);
        struct reeve_bulk_piece *queued =
            stream != NULL ? reeve_fifo_push(&stream->queues[piece->large]) : NULL;
        error = queued != NULL ? REEVE_OK : REEVE_ENOMEM;
        if (queued != NULL) {
            *queued = *piece;
            pthread_cond_signal(&stream->wake);
        }
    }
    pthread_mutex_unlock(&bulk->mutex);
    return error;
}

unsigned reeve_bulk_stream_count(struct reeve_bulk *bulk)
{
    pthread_mutex_lock(&bulk->mutex);
    size_t count = reeve_list_count(&bulk->streams);
    pthread_mutex_unlock(&bulk->mutex);
    return (unsigned)count;
}

/* --- opening and closing ---------------------------------------------------------------------- */

static int listen_on(struct reeve_bulk *bulk, const struct reeve_address *listen)
{
    int result = NNG_EADDRINVAL, port;
    for (unsigned at = listen->port; at <= listen->port_last; at++) {
        struct reeve_address address = *listen;
        char url[REEVE_ADDRESS_SIZE];
        address.port = address.port_last = (uint16_t)at;
        address.scheme = REEVE_ADDRESS_TCP; /* TLS is above nng's streams: see bulk_stream.c */
        if (nng_stream_listener_alloc(&bulk->listener, reeve_address_format(&address, url)) != 0)
            return REEVE_ENOMEM;
        result = nng_stream_listener_listen(bulk->listener);
        if (result == 0)
            result = nng_stream_listener_get_int(bulk->listener, NNG_OPT_TCP_BOUND_PORT, &port);
        if (result == 0) {
            bulk->port = (uint16_t)port;
            return REEVE_OK;
        }
        nng_stream_listener_free(bulk->listener);
        bulk->listener = NULL;
        if (result != NNG_EADDRINUSE)
            break;
    }
    switch (result) {
    case NNG_EADDRINUSE: return REEVE_EADDRINUSE;
    case NNG_EADDRINVAL: return REEVE_EADDRESS;
    default: return REEVE_ESYSTEM;
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct reeve_bulk *bulk = handle->data;
    if (--bulk->handles_open > 0)
        return;
    reeve_tls_drop(bulk->tls);
    pthread_mutex_destroy(&bulk->mutex);
    free(bulk);
}

int reeve_bulk_open(const struct reeve_bulk_options *options, struct reeve_bulk **ret)
{
    struct reeve_bulk *bulk = calloc(1, sizeof *bulk);
    if (bulk == NULL)
        return REEVE_ENOMEM;
    reeve_nng_stream_init();
    bulk->callbacks = options->callbacks;
    bulk->arg = options->arg;
    bulk->uid = options->uid;
    bulk->tls = options->tls != NULL ? reeve_tls_hold(options->tls) : NULL;
    bulk->handshake_timeout_ms =
        options->handshake_timeout_ms != 0 ? options->handshake_timeout_ms : HANDSHAKE_MS;
    bulk->stall_timeout_ms = options->stall_timeout_ms != 0 ? options->stall_timeout_ms : STALL_MS;
    bulk->idle_timeout_ms = options->idle_timeout_ms != 0 ? options->idle_timeout_ms : IDLE_MS;
    reeve_list_init(&bulk->events);
    reeve_list_init(&bulk->streams);
    reeve_map64_init(&bulk->peers);
    pthread_mutex_init(&bulk->mutex, NULL);
    int error = listen_on(bulk, options->listen);
    if (error == REEVE_OK && nng_aio_alloc(&bulk->accept, on_accept, bulk) != 0)
        error = REEVE_ENOMEM;
    if (error == REEVE_OK && uv_async_init(options->loop, &bulk->wake, on_wake) != 0)
        error = REEVE_ESYSTEM;
    if (error != REEVE_OK) {
        if (bulk->accept != NULL)
            nng_aio_free(bulk->accept);
        if (bulk->listener != NULL)
            nng_stream_listener_free(bulk->listener);
        reeve_tls_drop(bulk->tls);
        pthread_mutex_destroy(&bulk->mutex);
        free(bulk);
        return error;
    }
    uv_timer_init(options->loop, &bulk->again);
    bulk->wake.data = bulk->again.data = bulk;
    bulk->handles_open = 2;
    nng_stream_listener_accept(bulk->listener, bulk->accept);
    *ret = bulk;
    return REEVE_OK;
}

void reeve_bulk_close(struct reeve_bulk *bulk)
{
    if (bulk == NULL)
        return;
    uv_timer_stop(&bulk->again);
    nng_stream_listener_close(bulk->listener);
    nng_aio_stop(bulk->accept); /* from here on nobody comes */
    nng_aio_free(bulk->accept);
    nng_stream_listener_free(bulk->listener);
    pthread_mutex_lock(&bulk->mutex);
    bulk->closed = true;
    REEVE_LIST_EACH(node, &bulk->streams)
    stream_stop(REEVE_LIST_ENTRY(node, struct bulk_stream, node));
    pthread_mutex_unlock(&bulk->mutex);
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(&bulk->streams)) != NULL) {
        struct bulk_stream *stream = REEVE_LIST_ENTRY(node, struct bulk_stream, node);
        pthread_join(stream->thread, NULL);
        stream_free(stream);
    }
    while ((node = reeve_list_pop_front(&bulk->events)) != NULL)
        free(REEVE_LIST_ENTRY(node, struct bulk_event, node));
    size_t at = 0;
    void *peer;
    while (reeve_map64_next(&bulk->peers, &at, NULL, &peer)) {
        sodium_memzero(peer, sizeof(struct bulk_peer));
        free(peer);
    }
    reeve_map64_fini(&bulk->peers);
    uv_close((uv_handle_t *)&bulk->wake, on_handle_closed);
    uv_close((uv_handle_t *)&bulk->again, on_handle_closed);
}

uint16_t reeve_bulk_port(const struct reeve_bulk *bulk)
{
    return bulk->port;
}
