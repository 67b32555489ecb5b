/* Outboxes: connections that we have made, through which we send; see transport.h.
 *
 * The dial thread connects, and exchanges greetings. It is joined when its last word has come: an
 * ended thread keeps its stack until then, and there are as many outboxes as peers. Whoever closes
 * the outbox before that closes the connection under it. Operations begin with
 * the mutex (nng_stream.h).
 *
 * What is sent is first given to an operation without a callback, and taken back at once: what the
 * connection has had room for has then been sent on the loop's own thread, and nobody is woken to
 * hear of it. Only what is left goes with a callback.
 *
 * Nothing ever comes through an outbox: what is being received ends when the connection does. */
#include "runtime/wire/transport_internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <reeve_errors.h>

#include "runtime/base/assert.h"
#include "runtime/wire/address.h"
#include "runtime/wire/nng_stream.h"
#include "runtime/wire/tls_engine.h"

#define DIAL_THREAD_STACK_SIZE (256u * 1024u)
#define LOOK_AGAIN_S           5
#define FIRST_WORD_S           3

/* What goes on with the one message: FREE again when all of it has been sent. */
enum { FREE, BUSY, BUSY_TELL };

struct reeve_outbox {
    struct reeve_transport *transport;
    uint64_t number;
    pthread_t thread;
    bool joined, local, tls;
    nng_aio *quick; /* without a callback: of the dial thread, then of the loop's */
    nng_aio *send;
    nng_aio *watch;
    _Atomic uint32_t sending;
    nng_msg *message; /* that is being sent, with its head */
    nng_iov iov[2];   /* what is left of it */
    uint8_t head[REEVE_SP_HEAD_SIZE_MAX];
    uint8_t unwanted[1];
    pthread_mutex_t mutex; /* of operations' beginnings, and for what follows */
    nng_stream_dialer *dialer;
    nng_stream *stream;
    bool closing;
    int looking; /* a plain socket that is connecting; -1: none */
    char address[REEVE_ADDRESS_SIZE];
};

static void post(struct reeve_outbox *outbox, enum reeve_transport_event_kind kind, int result)
{
    struct reeve_transport_event *event = reeve_transport_event_make(kind);
    if (event == NULL)
        return; /* the handshake's timeout, or the heartbeat's, will notice */
    event->outbox = outbox->number;
    event->result = result;
    reeve_transport_post(outbox->transport, event);
}

/* False: the connection has been closed. */
static bool begin(struct reeve_outbox *outbox, void (*operation)(nng_stream *, nng_aio *),
    nng_aio *aio, const nng_iov *iov, unsigned count)
{
    nng_aio_set_iov(aio, count, iov);
    return reeve_nng_stream_begin(&outbox->mutex, &outbox->closing, operation, outbox->stream, aio);
}

/* With the mutex. Whatever is under way ends. */
static void close_all(struct reeve_outbox *outbox)
{
    outbox->closing = true;
    if (outbox->dialer != NULL)
        nng_stream_dialer_close(outbox->dialer);
    if (outbox->stream != NULL)
        nng_stream_close(outbox->stream);
    if (outbox->looking >= 0)
        shutdown(outbox->looking, SHUT_RDWR); /* its connect returns */
}

/* --- sending --------------------------------------------------------------------------------- */

/* So much of the message has been sent; true: all of it. */
static bool has_sent(struct reeve_outbox *outbox, size_t size)
{
    for (unsigned i = 0; i < 2; i++) {
        size_t part = REEVE_MIN(size, outbox->iov[i].iov_len);
        outbox->iov[i].iov_buf = (uint8_t *)outbox->iov[i].iov_buf + part;
        outbox->iov[i].iov_len -= part;
        size -= part;
    }
    return outbox->iov[0].iov_len + outbox->iov[1].iov_len == 0;
}

static bool send_rest(struct reeve_outbox *outbox, nng_aio *aio)
{
    unsigned first = outbox->iov[0].iov_len == 0;
    unsigned count = outbox->iov[1].iov_len == 0 ? 1 : 2 - first;
    return begin(outbox, nng_stream_send, aio, outbox->iov + first, count);
}

static void is_sent(struct reeve_outbox *outbox)
{
    nng_msg_free(outbox->message);
    outbox->message = NULL;
    if (atomic_exchange(&outbox->sending, FREE) == BUSY_TELL)
        post(outbox, REEVE_TRANSPORT_SENT, 0);
}

/* Where it cannot go on the connection is lost, as `watch` notices. */
static void on_sent(void *arg)
{
    struct reeve_outbox *outbox = arg;
    if (nng_aio_result(outbox->send) != 0)
        return;
    if (has_sent(outbox, nng_aio_count(outbox->send)))
        is_sent(outbox);
    else
        (void)send_rest(outbox, outbox->send);
}

void reeve_outbox_send(struct reeve_outbox *outbox, nng_msg *message, bool tell)
{
    outbox->message = message;
    outbox->iov[0] = (nng_iov){.iov_buf = outbox->head,
        .iov_len = reeve_sp_head_write(outbox->head, outbox->local, nng_msg_len(message))};
    outbox->iov[1] = (nng_iov){.iov_buf = nng_msg_body(message), .iov_len = nng_msg_len(message)};
    atomic_store(&outbox->sending, tell ? BUSY_TELL : BUSY);
    if (!send_rest(outbox, outbox->quick))
        return;
    nng_aio_abort(outbox->quick, NNG_EAGAIN);
    nng_aio_wait(outbox->quick);
    int result = nng_aio_result(outbox->quick);
    if (result == 0 && has_sent(outbox, nng_aio_count(outbox->quick)))
        is_sent(outbox);
    else if (result == 0 || result == NNG_EAGAIN)
        (void)send_rest(outbox, outbox->send);
}

bool reeve_outbox_is_free(const struct reeve_outbox *outbox)
{
    return atomic_load(&outbox->sending) == FREE;
}

bool reeve_outbox_free_or_tell(struct reeve_outbox *outbox)
{
    uint32_t busy = BUSY;
    return !atomic_compare_exchange_strong(&outbox->sending, &busy, BUSY_TELL) && busy == FREE;
}

/* The connection is gone; or something has come, which has no business here. */
static void on_watched(void *arg)
{
    struct reeve_outbox *outbox = arg;
    pthread_mutex_lock(&outbox->mutex);
    bool lost = !outbox->closing;
    if (lost)
        close_all(outbox);
    pthread_mutex_unlock(&outbox->mutex);
    if (lost)
        post(outbox, REEVE_TRANSPORT_OUTBOX_LOST, 0);
}

/* --- connecting ------------------------------------------------------------------------------ */

/* Makes the socket known to who closes the outbox; false: it is being closed. */
static bool look_with(struct reeve_outbox *outbox, int fd)
{
    pthread_mutex_lock(&outbox->mutex);
    bool going_on = !outbox->closing;
    outbox->looking = going_on ? fd : -1;
    pthread_mutex_unlock(&outbox->mutex);
    return going_on;
}

/* What a listener that hangs up says first: nng without TLS greets at once, one with TLS answers a
 * greeting without by an alert. */
static int first_word(int fd, bool tls)
{
    static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x50, 0, 0};
    uint8_t word[4];
    struct timeval limit = {.tv_sec = FIRST_WORD_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (!tls && send(fd, greeting, sizeof greeting, MSG_NOSIGNAL) != sizeof greeting)
        return NNG_ECONNSHUT;
    if (recv(fd, word, sizeof word, MSG_WAITALL) != sizeof word)
        return NNG_ECONNSHUT;
    if (tls)
        return memcmp(word, greeting, sizeof word) == 0 ? REEVE_DIAL_SPEAKS_PLAIN : NNG_ECONNSHUT;
    return word[0] == 0x15 && word[1] == 3 ? REEVE_DIAL_SPEAKS_TLS : NNG_ECONNSHUT;
}

/* "Connection shutdown" is what nng 1.5 says of every connect that fails after it has begun: of all
 * but those within a machine. What the system says of another one tells a port where nobody
 * listens from a host that is not there, and both from a listener that hangs up. */
static int look_again(struct reeve_outbox *outbox)
{
    struct reeve_address peer;
    char why[REEVE_TEXT_SIZE], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int word = NNG_ECONNSHUT;
    if (!look_with(outbox, -1))
        return NNG_ECLOSED;
    if (reeve_address_parse_peer(outbox->address, &peer, why) != REEVE_OK)
        return NNG_ECONNSHUT;
    snprintf(port, sizeof port, "%u", peer.port);
    if (getaddrinfo(peer.host, port, &hints, &found) != 0)
        return NNG_ECONNSHUT;
    int error = 0, fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        struct timeval limit = {.tv_sec = LOOK_AGAIN_S};
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (look_with(outbox, fd)) {
            if (connect(fd, found->ai_addr, found->ai_addrlen) != 0)
                error = errno;
            else
                word = first_word(fd, peer.scheme == REEVE_ADDRESS_TLS);
        }
        look_with(outbox, -1);
        close(fd);
    }
    freeaddrinfo(found);
    switch (error) {
    case ECONNREFUSED: return NNG_ECONNREFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH: return NNG_EUNREACHABLE;
    case ETIMEDOUT:
    case EINPROGRESS: return NNG_ETIMEDOUT;
    default: return word;
    }
}

static int use_tls(struct reeve_outbox *outbox, nng_stream_dialer *dialer)
{
    nng_tls_config *config;
    if (outbox->transport->tls == NULL)
        return NNG_ENOTSUP;
    int result = reeve_tls_engine_config(outbox->transport->tls, NNG_TLS_MODE_CLIENT, &config);
    if (result == 0) {
        result = nng_stream_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
        nng_tls_config_free(config);
    }
    return result;
}

/* All of these bytes; nng's result. */
static int move(struct reeve_outbox *outbox, void (*operation)(nng_stream *, nng_aio *),
    uint8_t *bytes, size_t size)
{
    while (size > 0) {
        nng_iov iov = {.iov_buf = bytes, .iov_len = size};
        if (!begin(outbox, operation, outbox->quick, &iov, 1))
            return NNG_ECLOSED;
        nng_aio_wait(outbox->quick);
        int result = nng_aio_result(outbox->quick);
        if (result != 0)
            return result;
        bytes += nng_aio_count(outbox->quick);
        size -= nng_aio_count(outbox->quick);
    }
    return 0;
}

static int connect_stream(struct reeve_outbox *outbox)
{
    nng_stream_dialer *dialer;
    int result = nng_stream_dialer_alloc(&dialer, outbox->address);
    if (result != 0)
        return result;
    if (!outbox->local)
        result = nng_stream_dialer_set_bool(dialer, NNG_OPT_TCP_KEEPALIVE, true);
    if (result == 0 && outbox->tls)
        result = use_tls(outbox, dialer);
    pthread_mutex_lock(&outbox->mutex);
    if (result == 0 && outbox->closing)
        result = NNG_ECLOSED;
    outbox->dialer = dialer;
    pthread_mutex_unlock(&outbox->mutex);
    if (result == 0) {
        nng_stream_dialer_dial(dialer, outbox->quick);
        nng_aio_wait(outbox->quick);
        result = nng_aio_result(outbox->quick);
    }
    pthread_mutex_lock(&outbox->mutex);
    outbox->dialer = NULL;
    if (result == 0)
        outbox->stream = nng_aio_get_output(outbox->quick, 0);
    if (result == 0 && outbox->closing)
        result = NNG_ECLOSED;
    pthread_mutex_unlock(&outbox->mutex);
    nng_stream_dialer_close(dialer);
    nng_stream_dialer_free(dialer);
    return result;
}

static int dial(struct reeve_outbox *outbox)
{
    uint8_t greeting[REEVE_SP_GREETING_SIZE];
    int result = connect_stream(outbox);
    if (result == 0) {
        reeve_sp_greeting_write(greeting, REEVE_SP_PUSH);
        nng_aio_set_timeout(outbox->quick, REEVE_TRANSPORT_GREETING_MS);
        result = move(outbox, nng_stream_send, greeting, sizeof greeting);
        if (result == 0)
            result = move(outbox, nng_stream_recv, greeting, sizeof greeting);
        nng_aio_set_timeout(outbox->quick, NNG_DURATION_INFINITE);
        if (result != 0 && result != NNG_ETIMEDOUT && result != NNG_EPEERAUTH)
            result = NNG_ECONNSHUT;
        else if (result == 0 && (!reeve_sp_greeting_is(greeting, REEVE_SP_PULL) ||
                                    (outbox->local && !reeve_transport_same_user(outbox->stream))))
            result = NNG_EPROTO;
    }
    /* by TLS it may say so, too, that the other side has hung up */
    bool unclear = result == NNG_ECONNSHUT ||
                   (outbox->tls && (result == NNG_ECONNRESET || result == NNG_ECLOSED));
    return unclear && !outbox->local ? look_again(outbox) : result;
}

static void *dial_thread(void *arg)
{
    struct reeve_outbox *outbox = arg;
    nng_iov iov = {.iov_buf = outbox->unwanted, .iov_len = sizeof outbox->unwanted};
    int result = dial(outbox);
    post(outbox, result == 0 ? REEVE_TRANSPORT_CONNECTED : REEVE_TRANSPORT_NOT_CONNECTED, result);
    if (result == 0)
        (void)begin(outbox, nng_stream_recv, outbox->watch, &iov, 1);
    return NULL;
}

static void outbox_free(struct reeve_outbox *outbox)
{
    if (outbox->watch != NULL)
        nng_aio_free(outbox->watch);
    if (outbox->send != NULL)
        nng_aio_free(outbox->send);
    if (outbox->quick != NULL)
        nng_aio_free(outbox->quick);
    if (outbox->stream != NULL)
        nng_stream_free(outbox->stream);
    if (outbox->message != NULL)
        nng_msg_free(outbox->message);
    pthread_mutex_destroy(&outbox->mutex);
    free(outbox);
}

struct reeve_outbox *reeve_outbox_open(
    struct reeve_transport *transport, uint64_t number, const char *address)
{
    struct reeve_outbox *outbox = calloc(1, sizeof *outbox);
    if (outbox == NULL)
        return NULL;
    outbox->transport = transport;
    outbox->number = number;
    outbox->looking = -1;
    outbox->local = strncmp(address, "abstract:", 9) == 0;
    outbox->tls = reeve_address_is_tls(address);
    REEVE_ASSERT(strlen(address) < sizeof outbox->address);
    snprintf(outbox->address, sizeof outbox->address, "%s", address);
    pthread_mutex_init(&outbox->mutex, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, DIAL_THREAD_STACK_SIZE);
    bool good = nng_aio_alloc(&outbox->quick, NULL, NULL) == 0 &&
                nng_aio_alloc(&outbox->send, on_sent, outbox) == 0 &&
                nng_aio_alloc(&outbox->watch, on_watched, outbox) == 0 &&
                pthread_create(&outbox->thread, &attributes, dial_thread, outbox) == 0;
    pthread_attr_destroy(&attributes);
    if (good)
        return outbox;
    outbox_free(outbox);
    return NULL;
}

void reeve_outbox_dialled(struct reeve_outbox *outbox)
{
    if (!outbox->joined)
        pthread_join(outbox->thread, NULL);
    outbox->joined = true;
}

void reeve_outbox_close(struct reeve_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mutex);
    close_all(outbox);
    pthread_mutex_unlock(&outbox->mutex);
    reeve_outbox_dialled(outbox);
    nng_aio_stop(outbox->watch);
    nng_aio_stop(outbox->send);
    outbox_free(outbox);
}

int reeve_transport_dial_error(int result, const char *address, char *text)
{
    switch (result) {
    case NNG_ECONNREFUSED:
        snprintf(text, REEVE_TEXT_SIZE, "nothing listens at %s", address);
        return REEVE_EREFUSED;
    case NNG_EADDRINVAL:
        snprintf(
            text, REEVE_TEXT_SIZE, "%s: no such host, or its name cannot be resolved", address);
        return REEVE_EADDRESS;
    case NNG_EPEERAUTH:
        snprintf(text, REEVE_TEXT_SIZE, "%s refused our cluster key", address);
        return REEVE_EKEY;
    case REEVE_DIAL_SPEAKS_TLS:
        snprintf(
            text, REEVE_TEXT_SIZE, "what listens at %s speaks TLS: write tls+%s", address, address);
        return REEVE_EPROTOCOL;
    case REEVE_DIAL_SPEAKS_PLAIN:
        snprintf(text, REEVE_TEXT_SIZE,
            "what listens at %s does not speak TLS: write tcp:// if that cluster need not be "
            "encrypted, or start it with --listen tls+tcp://",
            address);
        return REEVE_EPROTOCOL;
    case NNG_EPROTO:
    case NNG_ECONNSHUT:
    case NNG_ECONNRESET:
        snprintf(text, REEVE_TEXT_SIZE, "what listens at %s is no daemon of a cluster", address);
        return REEVE_EPROTOCOL;
    case NNG_ETIMEDOUT:
        snprintf(text, REEVE_TEXT_SIZE, "no answer from %s", address);
        return REEVE_ETIMEDOUT;
    case NNG_EUNREACHABLE:
        snprintf(text, REEVE_TEXT_SIZE, "there is no route to %s", address);
        return REEVE_ETIMEDOUT;
    case NNG_ENOENT: /* abstract */
        snprintf(text, REEVE_TEXT_SIZE, "nothing listens at %s", address);
        return REEVE_EREFUSED;
    default:
        snprintf(text, REEVE_TEXT_SIZE, "cannot connect to %s: %s", address,
            reeve_transport_error_text(result));
        return result == NNG_ENOMEM ? REEVE_ENOMEM : REEVE_ESYSTEM;
    }
}
