/* The thread of a stream. All its operations wait; whoever wants it to end closes the connection
 * under it, upon which the one under way fails. Operations begin, and connections are closed, with
 * the stream's mutex (nng_stream.h); one of an aio that has been stopped would wait without end,
 * too (nng tells nobody that it refuses it). */
#include <errno.h>
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/base/macros.h"
#include "runtime/wire/bulk_internal.h"
#include "runtime/wire/nng_stream.h"

#define SMALL_TURNS   3
#define GATHERED_SIZE (256u << 10) /* of records of TLS, to go out in one operation */

static bool fail(struct bulk_stream *stream, int code, const char *text)
{
    if (stream->code == 0) {
        stream->code = code;
        stream->text = text;
    }
    return false;
}

static bool wait_for(struct bulk_stream *stream)
{
    nng_aio_wait(stream->aio);
    switch (nng_aio_result(stream->aio)) {
    case 0: return true;
    case NNG_ETIMEDOUT: return fail(stream, REEVE_ETIMEDOUT, "nothing has moved for too long");
    case NNG_ECONNREFUSED: return fail(stream, REEVE_EREFUSED, "nothing listens there");
    default: return fail(stream, REEVE_ELINK, "the connection was lost");
    }
}

/* Bytes that it has moved; 0: the end, or a failure. */
static size_t move(struct bulk_stream *stream, void (*operation)(nng_stream *, nng_aio *),
    nng_iov *iov, unsigned iov_count, int timeout_ms)
{
    nng_aio_set_iov(stream->aio, iov_count, iov);
    nng_aio_set_timeout(stream->aio, timeout_ms);
    if (!reeve_nng_stream_begin(
            &stream->mutex, &stream->closed, operation, stream->stream, stream->aio))
        return fail(stream, REEVE_ELINK, "the connection was closed");
    return wait_for(stream) ? nng_aio_count(stream->aio) : 0;
}

/* --- TLS -------------------------------------------------------------------------------------
 *
 * It is above nng's stream, not nng's own: that one moves 16 KiB at a time, each with a way through
 * three threads. Here ciphers are made by this thread, and a piece is one operation or two. */

static bool tls_flush(struct bulk_stream *stream)
{
    uint8_t *bytes = stream->gathered;
    while (stream->gathered_size > 0) {
        nng_iov iov = {.iov_buf = bytes, .iov_len = stream->gathered_size};
        size_t sent = move(stream, nng_stream_send, &iov, 1, stream->timeout_ms);
        if (sent == 0)
            return false;
        bytes += sent;
        stream->gathered_size -= sent;
    }
    return true;
}

static enum reeve_tls_result tls_receive(void *arg, uint8_t *bytes, size_t *size)
{
    struct bulk_stream *stream = arg;
    nng_iov iov = {.iov_buf = bytes, .iov_len = *size};
    if (!tls_flush(stream)) /* what is to be answered */
        return REEVE_TLS_ENDED;
    *size = move(stream, nng_stream_recv, &iov, 1, stream->timeout_ms);
    if (stream->timeout_ms == NNG_DURATION_INFINITE) /* a record, once begun, is to come whole */
        stream->timeout_ms = (int)stream->bulk->stall_timeout_ms;
    return *size > 0 ? REEVE_TLS_DONE : REEVE_TLS_ENDED;
}

static enum reeve_tls_result tls_send(void *arg, const uint8_t *bytes, size_t *size)
{
    struct bulk_stream *stream = arg;
    if (stream->gathered_size == GATHERED_SIZE && !tls_flush(stream))
        return REEVE_TLS_ENDED;
    *size = REEVE_MIN(*size, GATHERED_SIZE - stream->gathered_size);
    memcpy(stream->gathered + stream->gathered_size, bytes, *size);
    stream->gathered_size += *size;
    return REEVE_TLS_DONE;
}

/* Nothing but the reason of the carrier's, if that is what has failed. */
static bool tls_fail(struct bulk_stream *stream)
{
    switch (reeve_tls_fault(stream->tls)) {
    case REEVE_TLS_FAULT_KEY: return fail(stream, REEVE_EKEY, "its cluster key is not ours (TLS)");
    case REEVE_TLS_FAULT_NONE: return fail(stream, REEVE_ELINK, "the connection was lost");
    default: return fail(stream, REEVE_EPROTOCOL, "what came is not of our TLS");
    }
}

static bool tls_begin(struct bulk_stream *stream)
{
    struct reeve_bulk *bulk = stream->bulk;
    if (bulk->tls == NULL)
        return true;
    struct reeve_tls_carrier carrier = {
        .read = tls_receive, .write = tls_send, .arg = stream, .read_size = GATHERED_SIZE};
    stream->gathered = malloc(GATHERED_SIZE);
    stream->tls = reeve_tls_open(bulk->tls, stream->incoming, &carrier);
    if (stream->tls == NULL || stream->gathered == NULL)
        return fail(stream, REEVE_ENOMEM, "out of memory");
    stream->timeout_ms = (int)bulk->handshake_timeout_ms;
    if (reeve_tls_handshake(stream->tls) == REEVE_TLS_DONE)
        return tls_flush(stream);
    (void)tls_flush(stream); /* why not, for the other side */
    return tls_fail(stream);
}

static size_t receive_some(struct bulk_stream *stream, uint8_t *bytes, size_t size, int timeout_ms)
{
    stream->timeout_ms = timeout_ms;
    if (stream->tls != NULL) {
        if (reeve_tls_read(stream->tls, bytes, &size) == REEVE_TLS_DONE)
            return size;
        return tls_fail(stream);
    }
    nng_iov iov = {.iov_buf = bytes, .iov_len = size};
    return move(stream, nng_stream_recv, &iov, 1, timeout_ms);
}

static bool receive_all(struct bulk_stream *stream, uint8_t *bytes, size_t size, int timeout_ms)
{
    while (size > 0) {
        size_t got = receive_some(stream, bytes, size, timeout_ms);
        if (got == 0)
            return false;
        bytes += got;
        size -= got;
    }
    return true;
}

static bool tls_send_all(struct bulk_stream *stream, const nng_iov iov[2])
{
    for (int i = 0; i < 2; i++) {
        const uint8_t *bytes = iov[i].iov_buf;
        size_t size, left = iov[i].iov_len;
        for (; left > 0; bytes += size, left -= size) {
            size = left;
            if (reeve_tls_write(stream->tls, bytes, &size) != REEVE_TLS_DONE)
                return tls_fail(stream);
        }
    }
    return tls_flush(stream);
}

static bool send_all(struct bulk_stream *stream, nng_iov iov[2], int timeout_ms)
{
    stream->timeout_ms = timeout_ms;
    if (stream->tls != NULL)
        return tls_send_all(stream, iov);
    while (iov[0].iov_len + iov[1].iov_len > 0) {
        bool first = iov[0].iov_len > 0;
        size_t sent = move(stream, nng_stream_send, first ? iov : iov + 1,
            first && iov[1].iov_len > 0 ? 2 : 1, timeout_ms);
        if (sent == 0)
            return false;
        for (int i = 0; i < 2; i++) {
            size_t part = REEVE_MIN(sent, iov[i].iov_len);
            iov[i].iov_buf = (uint8_t *)iov[i].iov_buf + part;
            iov[i].iov_len -= part;
            sent -= part;
        }
    }
    return true;
}

static bool send_bytes(struct bulk_stream *stream, uint8_t *bytes, size_t size, int timeout_ms)
{
    nng_iov iov[2] = {{.iov_buf = bytes, .iov_len = size}, {.iov_buf = NULL, .iov_len = 0}};
    return send_all(stream, iov, timeout_ms);
}

static void end(struct bulk_stream *stream)
{
    pthread_mutex_lock(&stream->bulk->mutex);
    nng_stream *connection = stream->stream;
    stream->stream = NULL;
    pthread_mutex_unlock(&stream->bulk->mutex);
    if (connection != NULL) {
        nng_stream_close(connection);
        nng_stream_free(connection);
    }
    reeve_tls_close(stream->tls);
    stream->tls = NULL;
    free(stream->gathered);
    stream->gathered = NULL;
    sodium_memzero(stream->key, sizeof stream->key);
    sodium_memzero(&stream->mac, sizeof stream->mac);
    pthread_mutex_lock(&stream->bulk->mutex);
    stream->ended = true;
    bulk_post(stream->bulk, &(struct bulk_event){.kind = BULK_ENDED, .stream = stream});
    pthread_mutex_unlock(&stream->bulk->mutex);
}

/* --- what comes ------------------------------------------------------------------------------- */

/* Who has a session with us under that name. */
static bool find_peer(struct bulk_stream *stream, uint64_t uid)
{
    struct reeve_bulk *bulk = stream->bulk;
    size_t at = 0;
    void *value;
    bool found = false;
    pthread_mutex_lock(&bulk->mutex);
    while (!found && reeve_map64_next(&bulk->peers, &at, NULL, &value)) {
        const struct bulk_peer *peer = value;
        found = peer->uid == uid;
        if (found)
            memcpy(stream->key, peer->receive_key, sizeof stream->key);
        if (found)
            stream->peer = peer->node;
    }
    pthread_mutex_unlock(&bulk->mutex);
    return found;
}

static bool welcome(struct bulk_stream *stream)
{
    struct reeve_bulk *bulk = stream->bulk;
    struct reeve_bulk_terms terms = {.best = reeve_bulk_mac_best()};
    uint8_t greeting[REEVE_BULK_GREETING_SIZE], hello[REEVE_BULK_HELLO_SIZE];
    uint8_t mac[REEVE_BULK_MAC_SIZE];
    int timeout_ms = (int)bulk->handshake_timeout_ms;
    uint64_t uid;
    randombytes_buf(terms.listener_nonce, sizeof terms.listener_nonce);
    reeve_bulk_greeting_write(greeting, &terms);
    if (!send_bytes(stream, greeting, sizeof greeting, timeout_ms) ||
        !receive_all(stream, hello, sizeof hello, timeout_ms))
        return fail(stream, REEVE_EPROTOCOL, "no hello came");
    if (!reeve_bulk_hello_read(hello, &uid))
        return fail(stream, REEVE_EPROTOCOL, "what came is no hello of ours");
    if (!find_peer(stream, uid) || !reeve_bulk_hello_verify(hello, &terms, stream->key))
        return fail(stream, REEVE_EKEY, "it has no session with us");
    reeve_bulk_welcome_write(mac, &terms, stream->key);
    reeve_bulk_stream_key(&terms, stream->key, stream->key);
    reeve_bulk_mac_init(&stream->mac, terms.kind, stream->key);
    if (!send_bytes(stream, mac, sizeof mac, timeout_ms))
        return false;
    pthread_mutex_lock(&bulk->mutex);
    bool known = reeve_map64_get(&bulk->peers, stream->peer) != NULL;
    stream->proven = known;
    bulk->stranger_count -= known;
    pthread_mutex_unlock(&bulk->mutex);
    return known || fail(stream, REEVE_ELINK, "its session has ended");
}

static bool take_piece(struct bulk_stream *stream, uint8_t **scratch)
{
    struct reeve_bulk *bulk = stream->bulk;
    uint8_t bytes[REEVE_BULK_HEADER_SIZE];
    struct reeve_bulk_header header;
    if (receive_some(stream, bytes, 1, NNG_DURATION_INFINITE) == 0) {
        if (stream->code == REEVE_ELINK)
            stream->code = 0; /* between two pieces it may */
        return false;
    }
    if (!receive_all(stream, bytes + 1, sizeof bytes - 1, (int)bulk->stall_timeout_ms))
        return false;
    if (!reeve_bulk_header_read(bytes, &header))
        return fail(stream, REEVE_EPROTOCOL, "a piece of no possible size");
    uint8_t *place = bulk->callbacks.place(bulk->arg, stream->peer, header.number, header.length);
    if (place == NULL && *scratch == NULL && (*scratch = malloc(REEVE_BULK_LENGTH_MAX)) == NULL)
        return fail(stream, REEVE_ENOMEM, "out of memory");
    uint8_t *piece = place != NULL ? place : *scratch;
    bool good = receive_all(stream, piece, header.length, (int)bulk->stall_timeout_ms);
    if (good &&
        !reeve_bulk_header_verify(bytes, &stream->mac, stream->sequence++, piece, header.length))
        good = fail(stream, REEVE_EPROTOCOL, "a piece with a wrong mac");
    if (place == NULL)
        return good;
    pthread_mutex_lock(&bulk->mutex);
    bulk_post(bulk, &(struct bulk_event){
                        .kind = BULK_LANDED, .peer = stream->peer, .header = header, .good = good});
    pthread_mutex_unlock(&bulk->mutex);
    return good;
}

void *bulk_incoming(void *arg)
{
    struct bulk_stream *stream = arg;
    uint8_t *scratch = NULL;
    if (tls_begin(stream) && welcome(stream))
        while (take_piece(stream, &scratch))
            continue;
    free(scratch);
    end(stream);
    return NULL;
}

/* --- what goes -------------------------------------------------------------------------------- */

static bool dial(struct bulk_stream *stream)
{
    nng_stream_dialer *dialer;
    struct reeve_address address;
    char why[REEVE_TEXT_SIZE], url[REEVE_ADDRESS_SIZE];
    if (reeve_address_parse_peer(stream->address, &address, why) != REEVE_OK)
        return fail(stream, REEVE_EADDRESS, "its address is malformed");
    if ((address.scheme == REEVE_ADDRESS_TLS) != (stream->bulk->tls != NULL))
        return fail(stream, REEVE_EADDRESS, "it is encrypted and we are not, or the reverse");
    address.scheme = REEVE_ADDRESS_TCP;
    if (nng_stream_dialer_alloc(&dialer, reeve_address_format(&address, url)) != 0)
        return fail(stream, REEVE_ENOMEM, "out of memory");
    pthread_mutex_lock(&stream->bulk->mutex);
    bool good = !stream->stopping;
    stream->dialer = dialer;
    pthread_mutex_unlock(&stream->bulk->mutex);
    if (good) {
        nng_aio_set_timeout(stream->aio, (int)stream->bulk->handshake_timeout_ms);
        nng_stream_dialer_dial(dialer, stream->aio);
        good = wait_for(stream);
    }
    pthread_mutex_lock(&stream->bulk->mutex);
    stream->dialer = NULL;
    if (good)
        stream->stream = nng_aio_get_output(stream->aio, 0);
    good = good && !stream->stopping;
    pthread_mutex_unlock(&stream->bulk->mutex);
    nng_stream_dialer_close(dialer);
    nng_stream_dialer_free(dialer);
    return good;
}

static bool greet(struct bulk_stream *stream)
{
    struct reeve_bulk_terms terms;
    uint8_t greeting[REEVE_BULK_GREETING_SIZE], hello[REEVE_BULK_HELLO_SIZE];
    uint8_t mac[REEVE_BULK_MAC_SIZE];
    int timeout_ms = (int)stream->bulk->handshake_timeout_ms;
    if (!receive_all(stream, greeting, sizeof greeting, timeout_ms))
        return false;
    if (!reeve_bulk_greeting_read(greeting, &terms))
        return fail(stream, REEVE_EPROTOCOL, "no daemon of ours listens there");
    randombytes_buf(terms.dialler_nonce, sizeof terms.dialler_nonce);
    terms.kind = REEVE_MIN(terms.best, reeve_bulk_mac_best());
    reeve_bulk_hello_write(hello, stream->uid, &terms, stream->key);
    if (!send_bytes(stream, hello, sizeof hello, timeout_ms) ||
        !receive_all(stream, mac, sizeof mac, timeout_ms))
        return false;
    if (!reeve_bulk_welcome_verify(mac, &terms, stream->key))
        return fail(stream, REEVE_EKEY, "another daemon listens there");
    reeve_bulk_stream_key(&terms, stream->key, stream->key);
    reeve_bulk_mac_init(&stream->mac, terms.kind, stream->key);
    return true;
}

/* The next piece; false: nothing has come for a while, or it is to stop. */
static bool next_piece(struct bulk_stream *stream, struct reeve_bulk_piece *ret)
{
    struct reeve_bulk *bulk = stream->bulk;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t until_ns = (uint64_t)until.tv_sec * REEVE_NS_PER_S + (uint64_t)until.tv_nsec +
                        bulk->idle_timeout_ms * REEVE_NS_PER_MS;
    until = (struct timespec){.tv_sec = (time_t)(until_ns / REEVE_NS_PER_S),
        .tv_nsec = (long)(until_ns % REEVE_NS_PER_S)};
    int error = 0;
    pthread_mutex_lock(&bulk->mutex);
    while (
        !stream->stopping && error == 0 && stream->queues[0].count + stream->queues[1].count == 0)
        error = pthread_cond_timedwait(&stream->wake, &bulk->mutex, &until);
    bool large = stream->queues[0].count == 0 || stream->turn == SMALL_TURNS;
    stream->turn = large ? 0 : stream->turn + 1;
    bool got = !stream->stopping && (reeve_fifo_pop(&stream->queues[large], ret) ||
                                        reeve_fifo_pop(&stream->queues[!large], ret));
    if (!got)
        stream->stopping = true; /* from now on nothing is queued here */
    pthread_mutex_unlock(&bulk->mutex);
    return got;
}

static bool send_piece(struct bulk_stream *stream, const struct reeve_bulk_piece *piece)
{
    uint8_t header[REEVE_BULK_HEADER_SIZE];
    reeve_bulk_header_write(header, &piece->header);
    reeve_bulk_header_seal(
        header, &stream->mac, stream->sequence++, piece->bytes, piece->header.length);
    nng_iov iov[2] = {{.iov_buf = header, .iov_len = sizeof header},
        {.iov_buf = (void *)(uintptr_t)piece->bytes, .iov_len = piece->header.length}};
    return send_all(stream, iov, (int)stream->bulk->handshake_timeout_ms);
}

void *bulk_outgoing(void *arg)
{
    struct bulk_stream *stream = arg;
    struct reeve_bulk_piece piece;
    bool good = dial(stream) && tls_begin(stream) && greet(stream);
    while (good && next_piece(stream, &piece)) {
        good = send_piece(stream, &piece);
        pthread_mutex_lock(&stream->bulk->mutex);
        bulk_post(stream->bulk,
            &(struct bulk_event){.kind = BULK_SENT, .serial = piece.serial, .good = good});
        pthread_mutex_unlock(&stream->bulk->mutex);
    }
    end(stream);
    return NULL;
}
