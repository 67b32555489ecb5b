/* Listening, and the queue of events; see transport.h. Who has connected is in inbox.c, what we
 * have dialled in outbox.c. */
#include "runtime/wire/transport_internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <reeve_errors.h>

#include "runtime/base/limits.h"
#include "runtime/wire/nng_stream.h"
#include "runtime/wire/sp.h"
#include "runtime/wire/tls_engine.h"

#define ACCEPT_AGAIN_MS 100

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
    free(event->message);
    free(event->text);
    free(event);
}

/* What it takes of memory: a message of no bytes, too. */
static size_t size_of(const struct reeve_transport_event *event)
{
    return sizeof *event +
           (event->message != NULL ? sizeof *event->message + event->message->size : 0);
}

void reeve_transport_post(struct reeve_transport *transport, struct reeve_transport_event *event)
{
    pthread_mutex_lock(&transport->queue_mutex);
    bool was_empty = reeve_list_is_empty(&transport->queue);
    reeve_list_push_back(&transport->queue, &event->node);
    transport->queued_bytes += size_of(event);
    pthread_mutex_unlock(&transport->queue_mutex);
    if (was_empty)
        transport->wake(transport->arg);
}

struct reeve_transport_event *reeve_transport_next(struct reeve_transport *transport)
{
    pthread_mutex_lock(&transport->queue_mutex);
    struct reeve_list *node = reeve_list_pop_front(&transport->queue);
    struct reeve_transport_event *event =
        node != NULL ? REEVE_LIST_ENTRY(node, struct reeve_transport_event, node) : NULL;
    if (event != NULL)
        transport->queued_bytes -= size_of(event);
    bool resume = !reeve_list_is_empty(&transport->paused) &&
                  transport->queued_bytes <= REEVE_TRANSPORT_QUEUE_MAX / 2;
    pthread_mutex_unlock(&transport->queue_mutex);
    if (resume)
        reeve_inbox_resume(transport);
    if (event != NULL && event->kind == REEVE_TRANSPORT_PIPE_REMOVED)
        reeve_inbox_free_pipe(transport, event->pipe);
    return event;
}

/* --- nng's callbacks ------------------------------------------------------------------------ */

static void on_accept(void *arg)
{
    struct reeve_transport *transport = arg;
    int result = nng_aio_result(transport->accept);
    if (result == NNG_ECLOSED || result == NNG_ECANCELED)
        return;
    if (result == 0) {
        reeve_inbox_accepted(transport, nng_aio_get_output(transport->accept, 0));
        nng_stream_listener_accept(transport->listener, transport->accept);
    } else { /* no descriptors are left, say: a little later */
        nng_sleep_aio(ACCEPT_AGAIN_MS, transport->accept_pause);
    }
}

static void on_accept_pause(void *arg)
{
    struct reeve_transport *transport = arg;
    if (nng_aio_result(transport->accept_pause) == 0)
        nng_stream_listener_accept(transport->listener, transport->accept);
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

static int use_tls(struct reeve_transport *transport, nng_stream_listener *listener)
{
    nng_tls_config *config;
    if (transport->tls == NULL)
        return NNG_ENOTSUP;
    int result = reeve_tls_engine_config(transport->tls, NNG_TLS_MODE_SERVER, &config);
    if (result == 0) {
        result = nng_stream_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
        nng_tls_config_free(config);
    }
    return result;
}

static int try_listen(struct reeve_transport *transport, struct reeve_address *address)
{
    char url[REEVE_ADDRESS_SIZE];
    nng_stream_listener *listener;
    int result = nng_stream_listener_alloc(&listener, reeve_address_format(address, url));
    if (result != 0)
        return result;
    if (address->scheme != REEVE_ADDRESS_ABSTRACT)
        result = nng_stream_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true);
    if (result == 0 && address->scheme == REEVE_ADDRESS_TLS)
        result = use_tls(transport, listener);
    if (result == 0)
        result = nng_stream_listener_listen(listener);
    int port = address->port;
    if (result == 0 && address->scheme != REEVE_ADDRESS_ABSTRACT)
        result = nng_stream_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port);
    if (result != 0) {
        nng_stream_listener_free(listener);
        return result;
    }
    address->port = address->port_last = (uint16_t)port;
    transport->listener = listener;
    return 0;
}

static int listen_on(struct reeve_transport *transport, const struct reeve_address *listen,
    struct reeve_address *bound)
{
    int result = NNG_EADDRINVAL;
    for (unsigned port = listen->port; port <= listen->port_last; port++) {
        *bound = *listen;
        bound->port = bound->port_last = (uint16_t)port;
        result = try_listen(transport, bound);
        if (result != NNG_EADDRINUSE)
            break;
    }
    return result;
}

/* What nng 1.5 starts at its first use: it crashes or hangs where it cannot. One thread polls, four
 * resolve names, one frees, one keeps time; two for each core carry out, 16 at most, and one for
 * each core ends what takes too long, 8 at most. Then one of ours that dials, and libuv's pool,
 * without which it aborts. */
static unsigned threads_wanted(void)
{
    long cores = REEVE_MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
    const char *pool = getenv("UV_THREADPOOL_SIZE");
    long pool_size = pool != NULL ? strtol(pool, NULL, 10) : 4;
    return (unsigned)(8 + REEVE_MIN(2 * cores, 16) + REEVE_MIN(cores, 8) +
                      REEVE_MIN(REEVE_MAX(pool_size, 1), 1024));
}

/* Once in the life of a process. */
static int threads_check(char *text)
{
    static atomic_bool good;
    char why[REEVE_LIMITS_TEXT_SIZE];
    unsigned count = threads_wanted();
    int error = atomic_load(&good) ? 0 : reeve_limits_threads(count);
    if (error == 0) {
        atomic_store(&good, true);
        return REEVE_OK;
    }
    snprintf(text, REEVE_TEXT_SIZE, "%u threads cannot be started here: %s; raise that%s", count,
        reeve_limits_text(error, why),
        error == ENOMEM ? ", or make their stacks smaller (ulimit -s)" : "");
    return error == ENOMEM ? REEVE_ENOMEM : REEVE_ESYSTEM;
}

int reeve_transport_open(const struct reeve_address *listen, struct reeve_tls *tls,
    size_t receive_max, size_t unproven_max, uint32_t strangers_max, void (*wake)(void *arg),
    void *arg, struct reeve_transport **ret, struct reeve_address *bound, char *text)
{
    int error = threads_check(text);
    if (error != REEVE_OK)
        return error;
    struct reeve_transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL) {
        snprintf(text, REEVE_TEXT_SIZE, "out of memory");
        return REEVE_ENOMEM;
    }
    reeve_nng_stream_init();
    reeve_list_init(&transport->queue);
    reeve_list_init(&transport->greeting);
    reeve_list_init(&transport->paused);
    reeve_map64_init(&transport->pipes);
    pthread_mutex_init(&transport->mutex, NULL);
    pthread_mutex_init(&transport->queue_mutex, NULL);
    transport->wake = wake;
    transport->local = listen->scheme == REEVE_ADDRESS_ABSTRACT;
    transport->receive_max = receive_max;
    transport->unproven_max = unproven_max;
    transport->strangers_max = strangers_max;
    transport->arg = arg;
    transport->tls = tls;
    if (tls != NULL)
        reeve_tls_on_failure(tls, on_unproven, transport);
    int result = nng_aio_alloc(&transport->accept, on_accept, transport);
    if (result != 0)
        goto fail_accept;
    if ((result = nng_aio_alloc(&transport->accept_pause, on_accept_pause, transport)) != 0)
        goto fail_pause;
    if ((result = listen_on(transport, listen, bound)) != 0)
        goto fail_listen;
    nng_stream_listener_accept(transport->listener, transport->accept);
    *ret = transport;
    return REEVE_OK;

fail_listen:
    nng_aio_free(transport->accept_pause);
fail_pause:
    nng_aio_free(transport->accept);
fail_accept:
    if (tls != NULL)
        reeve_tls_on_failure(tls, NULL, NULL);
    pthread_mutex_destroy(&transport->queue_mutex);
    pthread_mutex_destroy(&transport->mutex);
    free(transport);
    return listen_error(result, listen, text);
}

void reeve_transport_close(struct reeve_transport *transport)
{
    if (transport->tls != NULL)
        reeve_tls_on_failure(transport->tls, NULL, NULL);
    nng_stream_listener_close(transport->listener);
    nng_aio_stop(transport->accept_pause);
    nng_aio_stop(transport->accept); /* from here on nobody comes */
    nng_aio_free(transport->accept_pause);
    nng_aio_free(transport->accept);
    nng_stream_listener_free(transport->listener);
    reeve_inbox_close(transport);
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(&transport->queue)) != NULL)
        reeve_transport_event_free(REEVE_LIST_ENTRY(node, struct reeve_transport_event, node));
    pthread_mutex_destroy(&transport->queue_mutex);
    pthread_mutex_destroy(&transport->mutex);
    free(transport);
}
