/* The inbox and the queue of events; see transport.h. Outboxes are in outbox.c. */
#include "runtime/wire/transport_internal.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nng/protocol/pipeline0/pull.h>

#include <reeve_errors.h>

#include "runtime/wire/nng_stream.h"
#include "runtime/wire/tls_engine.h"

/* --- the queue ----------------------------------------------------------------------------- */

struct reeve_transport_event *reeve_transport_event_make(enum reeve_transport_event_kind kind)
{
    struct reeve_transport_event *event = calloc(1, sizeof *event);
    if (event != NULL) {
        event->kind = kind;
        reeve_list_init(&event->node);
    }
    return event;
}

void reeve_transport_event_free(struct reeve_transport_event *event)
{
    if (event->message != NULL)
        nng_msg_free(event->message);
    free(event->text);
    free(event);
}

/* Returns whether the inbox should go on receiving. */
bool reeve_transport_post(struct reeve_transport *transport, struct reeve_transport_event *event)
{
    size_t size = event->message != NULL ? nng_msg_len(event->message) : 0;
    pthread_mutex_lock(&transport->mutex);
    bool was_empty = reeve_list_is_empty(&transport->queue);
    reeve_list_push_back(&transport->queue, &event->node);
    transport->queued_bytes += size;
    bool go_on = transport->queued_bytes <= REEVE_TRANSPORT_QUEUE_MAX;
    if (event->message != NULL && !go_on)
        transport->paused = true;
    pthread_mutex_unlock(&transport->mutex);
    if (was_empty)
        transport->wake(transport->arg);
    return go_on;
}

struct reeve_transport_event *reeve_transport_next(struct reeve_transport *transport)
{
    pthread_mutex_lock(&transport->mutex);
    struct reeve_list *node = reeve_list_pop_front(&transport->queue);
    struct reeve_transport_event *event =
        node != NULL ? REEVE_LIST_ENTRY(node, struct reeve_transport_event, node) : NULL;
    if (event != NULL && event->message != NULL)
        transport->queued_bytes -= nng_msg_len(event->message);
    bool resume = transport->paused && transport->queued_bytes <= REEVE_TRANSPORT_QUEUE_MAX / 2;
    if (resume)
        transport->paused = false;
    pthread_mutex_unlock(&transport->mutex);
    if (resume)
        nng_recv_aio(transport->inbox, transport->receive);
    return event;
}

/* --- nng's callbacks ------------------------------------------------------------------------ */

static void on_receive(void *arg)
{
    struct reeve_transport *transport = arg;
    if (nng_aio_result(transport->receive) != 0)
        return; /* closing */
    nng_msg *message = nng_aio_get_msg(transport->receive);
    nng_aio_set_msg(transport->receive, NULL);
    nng_pipe pipe = nng_msg_get_pipe(message);
    struct reeve_transport_event *event = reeve_transport_event_make(REEVE_TRANSPORT_RECEIVED);
    if (event == NULL) { /* the session cannot go on with a hole in it */
        nng_msg_free(message);
        nng_pipe_close(pipe);
        nng_recv_aio(transport->inbox, transport->receive);
        return;
    }
    event->pipe = (uint32_t)nng_pipe_id(pipe);
    event->message = message;
    if (reeve_transport_post(transport, event))
        nng_recv_aio(transport->inbox, transport->receive);
}

bool reeve_transport_same_user(nng_pipe pipe)
{
    uint64_t uid;
    return nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) == 0 && uid == geteuid();
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

static void describe_remote(nng_pipe pipe, char text[REEVE_TRANSPORT_REMOTE_SIZE])
{
    nng_sockaddr remote;
    uint64_t pid = 0;
    if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &remote) == 0 &&
        (remote.s_family == NNG_AF_INET || remote.s_family == NNG_AF_INET6)) {
        reeve_transport_address_text(&remote, text);
    } else if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0) {
        snprintf(text, REEVE_TRANSPORT_REMOTE_SIZE, "local process %llu", (unsigned long long)pid);
    } else {
        snprintf(text, REEVE_TRANSPORT_REMOTE_SIZE, "unknown peer");
    }
}

/* Before the pipe can deliver anything, and after it can deliver no more. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev what, void *arg)
{
    struct reeve_transport *transport = arg;
    struct reeve_transport_event *event = reeve_transport_event_make(
        what == NNG_PIPE_EV_ADD_PRE ? REEVE_TRANSPORT_PIPE_ADDED : REEVE_TRANSPORT_PIPE_REMOVED);
    if (event == NULL) {
        nng_pipe_close(pipe);
        return;
    }
    event->pipe = (uint32_t)nng_pipe_id(pipe);
    if (what == NNG_PIPE_EV_ADD_PRE) {
        describe_remote(pipe, event->remote);
        if (transport->local && !reeve_transport_same_user(pipe)) {
            nng_pipe_close(pipe);
            event->kind = REEVE_TRANSPORT_PIPE_FOREIGN;
        }
    }
    reeve_transport_post(transport, event);
}

static void on_unproven(void *arg, int code, const char *text)
{
    struct reeve_transport_event *event = reeve_transport_event_make(REEVE_TRANSPORT_UNPROVEN);
    if (event == NULL || (event->text = strdup(text)) == NULL) {
        free(event);
        return;
    }
    event->result = code;
    reeve_transport_post(arg, event);
}

/* --- opening and closing -------------------------------------------------------------------- */

const char *reeve_transport_error_text(int result)
{
    /* nng adds the resolver's number, which is negative */
    return result < NNG_ESYSERR && result > NNG_ESYSERR / 2 ? gai_strerror(result - NNG_ESYSERR)
                                                            : nng_strerror(result);
}

static int listen_error(int result, const struct reeve_address *address, char *text)
{
    char url[REEVE_ADDRESS_SIZE];
    reeve_address_format(address, url);
    switch (result) {
    case NNG_EADDRINUSE:
        if (address->scheme == REEVE_ADDRESS_ABSTRACT)
            snprintf(text, REEVE_TEXT_SIZE, "%s is in use by another process", url);
        else if (address->port_last != address->port)
            snprintf(text, REEVE_TEXT_SIZE,
                "all ports from %u to %u of %s are in use: give another range with --listen",
                address->port, address->port_last, address->host);
        else
            snprintf(text, REEVE_TEXT_SIZE,
                "port %u of %s is in use by another process: stop that one, or give another port, "
                "or a "
                "range such as %u-%u, with --listen",
                address->port, address->host, address->port,
                REEVE_MIN(address->port + 20u, 65535u));
        return REEVE_EADDRINUSE;
    case NNG_EADDRINVAL:
        snprintf(text, REEVE_TEXT_SIZE,
            "cannot listen on %s: it is no address of this machine (use 127.0.0.1, one of its own, "
            "or "
            "0.0.0.0 for all)",
            url);
        return REEVE_EADDRESS;
    case NNG_EPERM:
        snprintf(text, REEVE_TEXT_SIZE,
            "no permission to listen on %s: ports below 1024 belong to root", url);
        return REEVE_ESYSTEM;
    case NNG_ENOMEM: snprintf(text, REEVE_TEXT_SIZE, "out of memory"); return REEVE_ENOMEM;
    default:
        snprintf(text, REEVE_TEXT_SIZE, "cannot listen on %s: %s", url,
            reeve_transport_error_text(result));
        return REEVE_ESYSTEM;
    }
}

static int use_tls(struct reeve_transport *transport, nng_listener listener)
{
    nng_tls_config *config;
    if (transport->tls == NULL)
        return NNG_ENOTSUP;
    int result = reeve_tls_engine_config(transport->tls, NNG_TLS_MODE_SERVER, &config);
    if (result == 0) {
        result = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
        nng_tls_config_free(config);
    }
    return result;
}

static int try_listen(
    struct reeve_transport *transport, struct reeve_address *address, size_t receive_max)
{
    char url[REEVE_ADDRESS_SIZE];
    nng_listener listener;
    int result =
        nng_listener_create(&listener, transport->inbox, reeve_address_format(address, url));
    if (result != 0)
        return result;
    result = nng_listener_set_size(listener, NNG_OPT_RECVMAXSZ, receive_max);
    if (result == 0 && address->scheme != REEVE_ADDRESS_ABSTRACT)
        result = nng_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true);
    if (result == 0 && address->scheme == REEVE_ADDRESS_TLS)
        result = use_tls(transport, listener);
    if (result == 0)
        result = nng_listener_start(listener, 0);
    int port = address->port;
    if (result == 0 && address->scheme != REEVE_ADDRESS_ABSTRACT)
        result = nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port);
    if (result != 0) {
        nng_listener_close(listener);
        return result;
    }
    address->port = address->port_last = (uint16_t)port;
    return 0;
}

static int listen_on(struct reeve_transport *transport, const struct reeve_address *listen,
    size_t receive_max, struct reeve_address *bound)
{
    int result = NNG_EADDRINVAL;
    for (unsigned port = listen->port; port <= listen->port_last; port++) {
        *bound = *listen;
        bound->port = bound->port_last = (uint16_t)port;
        result = try_listen(transport, bound, receive_max);
        if (result != NNG_EADDRINUSE)
            break;
    }
    return result;
}

int reeve_transport_open(const struct reeve_address *listen, struct reeve_tls *tls,
    size_t receive_max, void (*wake)(void *arg), void *arg, struct reeve_transport **ret,
    struct reeve_address *bound, char *text)
{
    struct reeve_transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL) {
        snprintf(text, REEVE_TEXT_SIZE, "out of memory");
        return REEVE_ENOMEM;
    }
    reeve_nng_stream_init();
    reeve_list_init(&transport->queue);
    pthread_mutex_init(&transport->mutex, NULL);
    transport->wake = wake;
    transport->local = listen->scheme == REEVE_ADDRESS_ABSTRACT;
    transport->arg = arg;
    transport->tls = tls;
    if (tls != NULL)
        reeve_tls_on_failure(tls, on_unproven, transport);
    int result = nng_pull0_open(&transport->inbox);
    if (result != 0)
        goto fail_socket;
    if ((result = nng_aio_alloc(&transport->receive, on_receive, transport)) != 0)
        goto fail_aio;
    if ((result = nng_pipe_notify(transport->inbox, NNG_PIPE_EV_ADD_PRE, on_pipe, transport)) !=
            0 ||
        (result = nng_pipe_notify(transport->inbox, NNG_PIPE_EV_REM_POST, on_pipe, transport)) != 0)
        goto fail_listen;
    nng_recv_aio(transport->inbox, transport->receive);
    if ((result = listen_on(transport, listen, receive_max, bound)) != 0)
        goto fail_listen;
    *ret = transport;
    return REEVE_OK;

fail_listen:
    nng_aio_stop(transport->receive);
    nng_aio_free(transport->receive);
fail_aio:
    nng_close(transport->inbox);
fail_socket:
    if (tls != NULL)
        reeve_tls_on_failure(tls, NULL, NULL);
    pthread_mutex_destroy(&transport->mutex);
    free(transport);
    return listen_error(result, listen, text);
}

void reeve_transport_close(struct reeve_transport *transport)
{
    if (transport->tls != NULL)
        reeve_tls_on_failure(transport->tls, NULL, NULL);
    nng_aio_stop(transport->receive);
    nng_close(transport->inbox); /* returns when the last callback has */
    nng_aio_free(transport->receive);
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(&transport->queue)) != NULL)
        reeve_transport_event_free(REEVE_LIST_ENTRY(node, struct reeve_transport_event, node));
    pthread_mutex_destroy(&transport->mutex);
    free(transport);
}

void reeve_transport_drop_pipe(struct reeve_transport *transport, uint32_t pipe)
{
    (void)transport;
    nng_pipe_close((nng_pipe){.id = pipe});
}
