/* Outboxes: PUSH sockets that are dialled once; see transport.h.
 *
 * The dial thread opens the socket, as that takes some 100 µs, and dials. It is joined when its
 * last word has come: an ended thread keeps its stack until then, and there are as many outboxes as
 * peers. Whoever closes the outbox before that closes the socket under the dial, which makes it
 * return. */
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

#include <nng/protocol/pipeline0/push.h>

#include <reeve_errors.h>

#include "runtime/base/assert.h"
#include "runtime/wire/address.h"
#include "runtime/wire/tls_engine.h"

#define DIAL_THREAD_STACK_SIZE (256u * 1024u)
#define LOOK_AGAIN_S           5
#define FIRST_WORD_S           3
#define NEVER_MS               (24 * 3600 * 1000)

/* What goes on with the one message: nng's thread makes it FREE. */
enum { FREE, BUSY, BUSY_TELL };

struct reeve_outbox {
    struct reeve_transport *transport;
    uint64_t number;
    pthread_t thread;
    bool joined;
    nng_aio *send;
    _Atomic uint32_t sending;
    pthread_mutex_t mutex; /* for what follows */
    nng_socket socket;
    bool opened;
    bool closing;
    bool had_pipe;
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

static void on_pipe(nng_pipe pipe, nng_pipe_ev what, void *arg)
{
    struct reeve_outbox *outbox = arg;
    if (what == NNG_PIPE_EV_REM_POST) {
        /* Now, not when the loop gets to it: nng redials right after this, and whatever the
         * redial times are set to, half of the time at once (it takes a random number modulo
         * them, as a signed one). */
        nng_dialer_close(nng_pipe_dialer(pipe));
        post(outbox, REEVE_TRANSPORT_OUTBOX_LOST, 0);
        return;
    }
    pthread_mutex_lock(&outbox->mutex);
    bool refuse = outbox->had_pipe;
    outbox->had_pipe = true;
    pthread_mutex_unlock(&outbox->mutex);
    bool local = strncmp(outbox->address, "abstract:", 9) == 0;
    if (refuse || (local && !reeve_transport_same_user(pipe)))
        nng_pipe_close(pipe);
}

static void on_sent(void *arg)
{
    struct reeve_outbox *outbox = arg;
    if (nng_aio_result(outbox->send) == 0) {
        if (atomic_exchange(&outbox->sending, FREE) == BUSY_TELL)
            post(outbox, REEVE_TRANSPORT_SENT, 0);
        return;
    }
    nng_msg *message = nng_aio_get_msg(outbox->send);
    nng_aio_set_msg(outbox->send, NULL);
    if (message != NULL)
        nng_msg_free(message);
}

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

static int use_tls(struct reeve_outbox *outbox, nng_dialer dialer)
{
    nng_tls_config *config;
    if (outbox->transport->tls == NULL)
        return NNG_ENOTSUP;
    int result = reeve_tls_engine_config(outbox->transport->tls, NNG_TLS_MODE_CLIENT, &config);
    if (result == 0) {
        result = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
        nng_tls_config_free(config);
    }
    return result;
}

static int dial(struct reeve_outbox *outbox)
{
    nng_socket socket;
    nng_dialer dialer;
    int result = nng_push0_open(&socket);
    if (result != 0)
        return result;
    pthread_mutex_lock(&outbox->mutex);
    outbox->socket = socket;
    outbox->opened = !outbox->closing;
    bool opened = outbox->opened;
    pthread_mutex_unlock(&outbox->mutex);
    if (!opened) {
        nng_close(socket);
        return NNG_ECLOSED;
    }
    if ((result = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, on_pipe, outbox)) != 0 ||
        (result = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe, outbox)) != 0 ||
        (result = nng_dialer_create(&dialer, socket, outbox->address)) != 0 ||
        (result = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, NEVER_MS)) != 0 ||
        (result = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, NEVER_MS)) != 0)
        return result;
    bool tls = reeve_address_is_tls(outbox->address);
    bool tcp = tls || strncmp(outbox->address, "tcp:", 4) == 0;
    if ((tcp && (result = nng_dialer_set_bool(dialer, NNG_OPT_TCP_KEEPALIVE, true)) != 0) ||
        (tls && (result = use_tls(outbox, dialer)) != 0))
        return result;
    result = nng_dialer_start(dialer, 0);
    /* by TLS it may say so, too, that the other side has hung up */
    bool unclear =
        result == NNG_ECONNSHUT || (tls && (result == NNG_ECONNRESET || result == NNG_ECLOSED));
    return tcp && unclear ? look_again(outbox) : result;
}

static void *dial_thread(void *arg)
{
    struct reeve_outbox *outbox = arg;
    int result = dial(outbox);
    post(outbox, result == 0 ? REEVE_TRANSPORT_CONNECTED : REEVE_TRANSPORT_NOT_CONNECTED, result);
    return NULL;
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
    REEVE_ASSERT(strlen(address) < sizeof outbox->address);
    snprintf(outbox->address, sizeof outbox->address, "%s", address);
    pthread_mutex_init(&outbox->mutex, NULL);
    if (nng_aio_alloc(&outbox->send, on_sent, outbox) != 0)
        goto fail_aio;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, DIAL_THREAD_STACK_SIZE);
    int error = pthread_create(&outbox->thread, &attributes, dial_thread, outbox);
    pthread_attr_destroy(&attributes);
    if (error == 0)
        return outbox;
    nng_aio_free(outbox->send);
fail_aio:
    pthread_mutex_destroy(&outbox->mutex);
    free(outbox);
    return NULL;
}

void reeve_outbox_dialled(struct reeve_outbox *outbox)
{
    if (!outbox->joined)
        pthread_join(outbox->thread, NULL);
    outbox->joined = true;
}

void reeve_outbox_send(struct reeve_outbox *outbox, nng_msg *message, bool tell)
{
    atomic_store(&outbox->sending, tell ? BUSY_TELL : BUSY);
    nng_aio_set_msg(outbox->send, message);
    nng_send_aio(outbox->socket, outbox->send);
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

void reeve_outbox_close(struct reeve_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mutex);
    outbox->closing = true;
    if (outbox->looking >= 0)
        shutdown(outbox->looking, SHUT_RDWR); /* its connect returns */
    bool opened = outbox->opened;
    pthread_mutex_unlock(&outbox->mutex);
    nng_aio_stop(outbox->send);
    if (opened)
        nng_close(outbox->socket);
    reeve_outbox_dialled(outbox);
    nng_aio_free(outbox->send);
    pthread_mutex_destroy(&outbox->mutex);
    free(outbox);
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
        snprintf(text, REEVE_TEXT_SIZE,
            "%s refused our cluster key: give the key of that cluster with --key-file or REEVE_KEY",
            address);
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
