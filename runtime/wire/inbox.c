/* Pipes of the inbox: connections that others have made to us, through which they send; see
 * transport.h.
 *
 *     accepted ─▶ our greeting sent ─▶ theirs read: PIPE_ADDED ─▶ RECEIVED … ─▶ PIPE_REMOVED
 *                       │                  │                                        ▲
 *                       └──────────────────┴────────────────────────────────────────┘
 *
 * A pipe has one operation at a time, whose callback begins the next one; so its messages stay in
 * order, and all of this is on nng's threads. The loop only closes a pipe, upon which the operation
 * under way fails, and frees it when it hears of the end. Operations begin with the pipe's mutex
 * (nng_stream.h).
 *
 * Strangers send small messages only: at one that is larger their pipe stops, with no memory for
 * it, until the loop says that it is proven.
 *
 * While more than REEVE_TRANSPORT_QUEUE_MAX bytes wait for the loop, pipes that receive pause, and
 * TCP holds their senders up. */
#include "runtime/wire/transport_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <reeve_errors.h>

#include "runtime/wire/nng_stream.h"
#include "runtime/wire/sp.h"

struct inbox_pipe {
    struct reeve_transport *transport;
    uint32_t id;
    bool said;   /* our greeting has been sent */
    bool paused; /* with the queue's mutex, as the next two */
    bool proven;
    bool held; /* at a message that is too large for a stranger: nothing is under way */
    struct reeve_list node; /* in greeting, or else in paused */
    pthread_mutex_t mutex;  /* of operations' beginnings, and of closed */
    bool closed;
    nng_stream *stream;
    nng_aio *aio;
    struct reeve_sp_reader reader;
    uint8_t greeting[REEVE_SP_GREETING_SIZE];
};

bool reeve_transport_same_user(nng_stream *stream)
{
    uint64_t uid;
    return nng_stream_get_uint64(stream, NNG_OPT_IPC_PEER_UID, &uid) == 0 && uid == geteuid();
}

void reeve_transport_address_text(
    const nng_sockaddr *address, char text[REEVE_TRANSPORT_REMOTE_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->s_family == NNG_AF_INET) {
        inet_ntop(AF_INET, &address->s_in.sa_addr, host, sizeof host);
        snprintf(text, REEVE_TRANSPORT_REMOTE_SIZE, "%s:%u", host, ntohs(address->s_in.sa_port));
    } else {
        inet_ntop(AF_INET6, address->s_in6.sa_addr, host, sizeof host);
        snprintf(text, REEVE_TRANSPORT_REMOTE_SIZE, "[%s]:%u", host, ntohs(address->s_in6.sa_port));
    }
}

static void describe_remote(nng_stream *stream, char text[REEVE_TRANSPORT_REMOTE_SIZE])
{
    nng_sockaddr remote;
    uint64_t pid = 0;
    if (nng_stream_get_addr(stream, NNG_OPT_REMADDR, &remote) == 0 &&
        (remote.s_family == NNG_AF_INET || remote.s_family == NNG_AF_INET6)) {
        reeve_transport_address_text(&remote, text);
    } else if (nng_stream_get_uint64(stream, NNG_OPT_IPC_PEER_PID, &pid) == 0) {
        snprintf(text, REEVE_TRANSPORT_REMOTE_SIZE, "local process %llu", (unsigned long long)pid);
    } else {
        snprintf(text, REEVE_TRANSPORT_REMOTE_SIZE, "unknown peer");
    }
}

/* --- on nng's threads ------------------------------------------------------------------------ */

/* It will deliver no more. The loop frees it. */
static void ended(struct inbox_pipe *pipe)
{
    struct reeve_transport_event *event = reeve_transport_event_make(REEVE_TRANSPORT_PIPE_REMOVED);
    if (event == NULL)
        return; /* it stays until the transport closes, as a dead pipe: the heartbeat will notice */
    event->pipe = pipe->id;
    reeve_transport_post(pipe->transport, event);
}

static void pipe_close(struct inbox_pipe *pipe)
{
    pthread_mutex_lock(&pipe->mutex);
    pipe->closed = true;
    nng_stream_close(pipe->stream);
    pthread_mutex_unlock(&pipe->mutex);
}

/* The next operation; its callback follows, unless it cannot begin any more. */
static void begin(struct inbox_pipe *pipe, void (*operation)(nng_stream *, nng_aio *),
    const nng_iov *iov, unsigned count)
{
    nng_aio_set_iov(pipe->aio, count, iov);
    nng_aio_set_timeout(
        pipe->aio, pipe->reader.greeted ? NNG_DURATION_INFINITE : REEVE_TRANSPORT_GREETING_MS);
    if (!reeve_nng_stream_begin(&pipe->mutex, &pipe->closed, operation, pipe->stream, pipe->aio))
        ended(pipe);
}

static void receive(struct inbox_pipe *pipe)
{
    struct reeve_sp_place places[2];
    unsigned count = reeve_sp_reader_places(&pipe->reader, places);
    nng_iov iov[2];
    for (unsigned i = 0; i < count; i++)
        iov[i] = (nng_iov){.iov_buf = places[i].bytes, .iov_len = places[i].size};
    begin(pipe, nng_stream_recv, iov, count);
}

/* True: it is to wait until the loop has caught up. */
static bool pauses(struct inbox_pipe *pipe)
{
    struct reeve_transport *transport = pipe->transport;
    if (!pipe->reader.greeted)
        return false;
    pthread_mutex_lock(&transport->queue_mutex);
    bool paused = transport->queued_bytes > REEVE_TRANSPORT_QUEUE_MAX && !transport->closed;
    pipe->paused = paused;
    if (paused)
        reeve_list_push_back(&transport->paused, &pipe->node);
    pthread_mutex_unlock(&transport->queue_mutex);
    return paused; /* the loop may have resumed it since, and what it has begun is under way */
}

/* With the mutex. */
static void greeted(struct inbox_pipe *pipe)
{
    pipe->transport->greeting_count -= reeve_list_is_linked(&pipe->node);
    reeve_list_remove(&pipe->node);
}

static bool post(
    struct inbox_pipe *pipe, enum reeve_transport_event_kind kind, struct reeve_sp_message *message)
{
    struct reeve_transport_event *event = reeve_transport_event_make(kind);
    if (event == NULL) { /* the session cannot go on with a hole in it */
        free(message);
        return false;
    }
    event->pipe = pipe->id;
    event->message = message;
    if (kind != REEVE_TRANSPORT_RECEIVED)
        describe_remote(pipe->stream, event->remote);
    reeve_transport_post(pipe->transport, event);
    return true;
}

/* Whether it stays here until the loop proves or drops it; then the loop goes on with it. */
static bool holds(struct inbox_pipe *pipe)
{
    pthread_mutex_lock(&pipe->mutex);
    pthread_mutex_lock(&pipe->transport->queue_mutex);
    bool held = !pipe->proven && !pipe->closed;
    pipe->held = held;
    pthread_mutex_unlock(&pipe->transport->queue_mutex);
    pthread_mutex_unlock(&pipe->mutex);
    return held;
}

static int next(struct inbox_pipe *pipe, struct reeve_sp_message **message)
{
    int error = reeve_sp_reader_next(&pipe->reader, message);
    if (error != REEVE_EBUSY || holds(pipe))
        return error;
    pipe->reader.size_now = pipe->transport->receive_max;
    return reeve_sp_reader_next(&pipe->reader, message);
}

/* What the bytes that have come contain. REEVE_EAGAIN: more are needed. REEVE_EBUSY: it is held,
 * and no longer ours. Else no more is wanted of them. */
static int deliver(struct inbox_pipe *pipe)
{
    bool was_greeted = pipe->reader.greeted;
    struct reeve_sp_message *message;
    int error;
    do {
        error = next(pipe, &message);
        if (!was_greeted && pipe->reader.greeted) { /* the loop has yet to hear of it */
            was_greeted = true;
            pthread_mutex_lock(&pipe->transport->mutex);
            greeted(pipe);
            pthread_mutex_unlock(&pipe->transport->mutex);
            if (!post(pipe, REEVE_TRANSPORT_PIPE_ADDED, NULL)) {
                if (error == REEVE_OK)
                    free(message);
                return REEVE_ENOMEM;
            }
        }
    } while (error == REEVE_OK && post(pipe, REEVE_TRANSPORT_RECEIVED, message));
    return error;
}

static void fails(struct inbox_pipe *pipe)
{
    pipe_close(pipe);
    ended(pipe);
}

static void go_on(struct inbox_pipe *pipe)
{
    int error = deliver(pipe);
    if (error == REEVE_EBUSY)
        return;
    if (error != REEVE_EAGAIN)
        fails(pipe);
    else if (!pauses(pipe))
        receive(pipe);
}

static void on_done(void *arg)
{
    struct inbox_pipe *pipe = arg;
    if (nng_aio_result(pipe->aio) != 0) {
        fails(pipe);
    } else if (pipe->said) {
        reeve_sp_reader_take(&pipe->reader, nng_aio_count(pipe->aio));
        go_on(pipe);
    } else { /* a new connection has room for so little: all of it has been sent */
        pipe->said = true;
        receive(pipe);
    }
}

static void pipe_free(struct inbox_pipe *pipe)
{
    nng_aio_free(pipe->aio); /* returns when the last callback has */
    nng_stream_free(pipe->stream);
    reeve_sp_reader_fini(&pipe->reader);
    pthread_mutex_destroy(&pipe->mutex);
    free(pipe);
}

/* Of connections that have not said what they are the oldest makes room. */
static void make_room(struct reeve_transport *transport)
{
    struct reeve_list *oldest = reeve_list_first(&transport->greeting);
    if (transport->greeting_count < transport->strangers_max || oldest == NULL)
        return;
    struct inbox_pipe *pipe = REEVE_LIST_ENTRY(oldest, struct inbox_pipe, node);
    greeted(pipe);
    pipe_close(pipe);
}

static struct inbox_pipe *pipe_make(struct reeve_transport *transport, nng_stream *stream)
{
    struct inbox_pipe *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL || nng_aio_alloc(&pipe->aio, on_done, pipe) != 0) {
        free(pipe);
        return NULL;
    }
    pipe->transport = transport;
    pipe->stream = stream;
    pthread_mutex_init(&pipe->mutex, NULL);
    reeve_list_init(&pipe->node);
    reeve_sp_reader_init(&pipe->reader, transport->local, transport->receive_max);
    pipe->reader.size_now = transport->unproven_max;
    pthread_mutex_lock(&transport->mutex);
    make_room(transport);
    pipe->id = ++transport->last_pipe; /* never 0: so many connections there are not */
    int error = reeve_map64_put(&transport->pipes, pipe->id, pipe, NULL);
    if (error == REEVE_OK) {
        reeve_list_push_back(&transport->greeting, &pipe->node);
        transport->greeting_count++;
    }
    pthread_mutex_unlock(&transport->mutex);
    if (error == REEVE_OK)
        return pipe;
    nng_aio_free(pipe->aio);
    pthread_mutex_destroy(&pipe->mutex);
    free(pipe);
    return NULL;
}

void reeve_inbox_accepted(struct reeve_transport *transport, nng_stream *stream)
{
    if (transport->local && !reeve_transport_same_user(stream)) {
        struct reeve_transport_event *event =
            reeve_transport_event_make(REEVE_TRANSPORT_PIPE_FOREIGN);
        if (event != NULL) {
            describe_remote(stream, event->remote);
            reeve_transport_post(transport, event);
        }
        nng_stream_free(stream);
        return;
    }
    struct inbox_pipe *pipe = pipe_make(transport, stream);
    if (pipe == NULL) {
        nng_stream_free(stream);
        return;
    }
    reeve_sp_greeting_write(pipe->greeting, REEVE_SP_PULL);
    nng_iov iov = {.iov_buf = pipe->greeting, .iov_len = sizeof pipe->greeting};
    begin(pipe, nng_stream_send, &iov, 1);
}

/* --- on the loop's --------------------------------------------------------------------------- */

void reeve_inbox_resume(struct reeve_transport *transport)
{
    for (;;) {
        pthread_mutex_lock(&transport->queue_mutex);
        struct reeve_list *node = reeve_list_pop_front(&transport->paused);
        struct inbox_pipe *pipe =
            node != NULL ? REEVE_LIST_ENTRY(node, struct inbox_pipe, node) : NULL;
        if (pipe != NULL)
            pipe->paused = false;
        pthread_mutex_unlock(&transport->queue_mutex);
        if (pipe == NULL)
            return;
        receive(pipe);
    }
}

static struct inbox_pipe *find(struct reeve_transport *transport, uint32_t id)
{
    pthread_mutex_lock(&transport->mutex);
    struct inbox_pipe *pipe = reeve_map64_get(&transport->pipes, id);
    pthread_mutex_unlock(&transport->mutex);
    return pipe;
}

void reeve_transport_prove_pipe(struct reeve_transport *transport, uint32_t id)
{
    struct inbox_pipe *pipe = find(transport, id);
    if (pipe == NULL)
        return;
    pthread_mutex_lock(&transport->queue_mutex);
    bool held = pipe->held;
    pipe->held = false;
    pipe->proven = true;
    pthread_mutex_unlock(&transport->queue_mutex);
    if (held) {
        pipe->reader.size_now = transport->receive_max;
        go_on(pipe);
    }
}

void reeve_transport_drop_pipe(struct reeve_transport *transport, uint32_t id)
{
    struct inbox_pipe *pipe = find(transport, id);
    if (pipe == NULL)
        return;
    pipe_close(pipe); /* from here on it is not held any more */
    pthread_mutex_lock(&transport->queue_mutex);
    bool idle = pipe->paused || pipe->held;
    if (pipe->paused)
        reeve_list_remove(&pipe->node);
    pipe->paused = pipe->held = false;
    pthread_mutex_unlock(&transport->queue_mutex);
    if (idle)
        ended(pipe); /* there is no operation that could fail */
}

void reeve_inbox_free_pipe(struct reeve_transport *transport, uint32_t id)
{
    pthread_mutex_lock(&transport->mutex);
    struct inbox_pipe *pipe = reeve_map64_remove(&transport->pipes, id);
    if (pipe != NULL)
        greeted(pipe);
    pthread_mutex_unlock(&transport->mutex);
    if (pipe != NULL)
        pipe_free(pipe);
}

void reeve_inbox_close(struct reeve_transport *transport)
{
    size_t at = 0;
    void *pipe;
    pthread_mutex_lock(&transport->queue_mutex);
    transport->closed = true;
    pthread_mutex_unlock(&transport->queue_mutex);
    while (reeve_map64_next(&transport->pipes, &at, NULL, &pipe)) {
        pipe_close(pipe);
        nng_aio_stop(((struct inbox_pipe *)pipe)->aio);
    }
    at = 0;
    while (reeve_map64_next(&transport->pipes, &at, NULL, &pipe))
        pipe_free(pipe);
    reeve_map64_fini(&transport->pipes);
}
