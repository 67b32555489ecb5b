/* TLS of ours as an engine of nng's; see tls_engine.h.
 *
 *     nng's transport ─ send, recv ─▶ here ─▶ tls.c ─▶ nng_tls_engine_send, _recv ─▶ nng's tcp
 *
 * nng calls a connection's functions with that connection's lock, by any of its threads; EAGAIN
 * means: again when the tcp below has moved something.
 *
 * What nng 1.5.2 does with strangers, and what is done about it here:
 *   - A connection's first bytes wait until the handshake is over, and nng cannot take back what
 *     waits to be sent: one that says nothing would stay for good. So these few bytes are kept
 *     here, as if sent; then nng waits for the peer's, and that ends after 10 s.
 *   - It sets no limit to how many are shaking hands: from HANDSHAKES_MAX on the oldest makes room.
 *     What it waits for is aborted, which is seen in passing (nng_stream.h), as nng shows it to
 *     nobody.
 *   - Whatever it does not know as a failure of the other side makes it stop listening, for 100 ms
 *     or for good: so each failure of a handshake is told as one that it does know.
 *   - Nobody hears of such a failure: whoever listens is told through the context. */
#include "runtime/wire/tls_engine.h"

#include <nng/supplemental/tls/engine.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/list.h"
#include "runtime/wire/message.h"
#include "runtime/wire/nng_stream.h"
#include "runtime/wire/transport.h"

#define HANDSHAKES_MAX 256u
#define EARLY_SIZE     16u /* nng's own greeting is of 8 bytes */

struct nng_tls_engine_config {
    struct reeve_tls *tls;
    bool listener;
};

struct nng_tls_engine_conn {
    struct reeve_tls *tls;
    struct reeve_tls_connection *connection;
    void *nng;
    bool listener;
    struct reeve_list shaking; /* in the list of those who shake hands */
    nng_aio *receiving;        /* what they wait for; NULL: nothing yet */
    bool done;
    int failure;                              /* of the handshake; 0: none */
    char remote[REEVE_TRANSPORT_REMOTE_SIZE]; /* of a listener's */
    size_t early_size;
    uint8_t early[EARLY_SIZE];
};

/* Connections of listeners that are shaking hands, the oldest first. */
static pthread_mutex_t shaking_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct reeve_list shaking = {.next = &shaking, .prev = &shaking};
static uint32_t shaking_count;

/* --- connections ------------------------------------------------------------------------------ */

static enum reeve_tls_result of_nng(int error)
{
    return error == 0 ? REEVE_TLS_DONE : error == NNG_EAGAIN ? REEVE_TLS_AGAIN : REEVE_TLS_ENDED;
}

static enum reeve_tls_result carrier_read(void *arg, uint8_t *bytes, size_t *size)
{
    nng_tls_engine_conn *conn = arg;
    reeve_nng_stream_receiving = NULL;
    enum reeve_tls_result result = of_nng(nng_tls_engine_recv(conn->nng, bytes, size));
    if (conn->receiving == NULL && reeve_nng_stream_receiving != NULL) {
        pthread_mutex_lock(&shaking_mutex);
        conn->receiving = reeve_nng_stream_receiving; /* it has one for as long as it lives */
        pthread_mutex_unlock(&shaking_mutex);
    }
    return result;
}

static enum reeve_tls_result carrier_write(void *arg, const uint8_t *bytes, size_t *size)
{
    const nng_tls_engine_conn *conn = arg;
    return of_nng(nng_tls_engine_send(conn->nng, bytes, size));
}

/* With the mutex. */
static void stop_shaking(nng_tls_engine_conn *conn)
{
    if (!reeve_list_is_linked(&conn->shaking))
        return;
    reeve_list_remove(&conn->shaking);
    shaking_count--;
}

static bool make_room(void)
{
    REEVE_LIST_EACH(node, &shaking)
    {
        nng_tls_engine_conn *oldest = REEVE_LIST_ENTRY(node, nng_tls_engine_conn, shaking);
        if (oldest->receiving == NULL)
            continue;
        stop_shaking(oldest);
        nng_aio_abort(oldest->receiving, NNG_ETIMEDOUT);
        return true;
    }
    return false;
}

static bool start_shaking(nng_tls_engine_conn *conn)
{
    pthread_mutex_lock(&shaking_mutex);
    bool room = shaking_count < HANDSHAKES_MAX || make_room();
    if (room) {
        reeve_list_push_back(&shaking, &conn->shaking);
        shaking_count++;
    }
    pthread_mutex_unlock(&shaking_mutex);
    return room;
}

static void shaken(nng_tls_engine_conn *conn)
{
    pthread_mutex_lock(&shaking_mutex);
    stop_shaking(conn);
    pthread_mutex_unlock(&shaking_mutex);
}

/* While it is there to be asked. nng's connection begins with the stream that it is to others. */
static void describe_remote(nng_tls_engine_conn *conn)
{
    nng_sockaddr remote;
    snprintf(conn->remote, sizeof conn->remote, "unknown peer");
    if (nng_stream_get_addr(conn->nng, NNG_OPT_REMADDR, &remote) == 0)
        reeve_transport_address_text(&remote, conn->remote);
}

static int conn_init(nng_tls_engine_conn *conn, void *nng, nng_tls_engine_config *config)
{
    if (config->tls == NULL)
        return NNG_EINVAL;
    conn->listener = config->listener;
    conn->nng = nng;
    reeve_list_init(&conn->shaking);
    if (conn->listener)
        describe_remote(conn);
    if (conn->listener && !start_shaking(conn))
        return NNG_ECONNABORTED;
    struct reeve_tls_carrier carrier = {.read = carrier_read, .write = carrier_write, .arg = conn};
    conn->connection = reeve_tls_open(config->tls, conn->listener, &carrier);
    if (conn->connection == NULL) {
        shaken(conn);
        return NNG_ENOMEM;
    }
    conn->tls = reeve_tls_hold(config->tls);
    return 0;
}

static void conn_fini(nng_tls_engine_conn *conn)
{
    if (conn->tls == NULL)
        return; /* it has not begun */
    shaken(conn);
    reeve_tls_close(conn->connection);
    reeve_tls_drop(conn->tls);
}

static void conn_close(nng_tls_engine_conn *conn)
{
    if (conn->done)
        reeve_tls_goodbye(conn->connection);
}

static void report(nng_tls_engine_conn *conn)
{
    char why[REEVE_TEXT_SIZE], text[REEVE_TEXT_SIZE + sizeof conn->remote + 2];
    int code = reeve_tls_fault_error(conn->connection, why);
    snprintf(text, sizeof text, "%s: %s", conn->remote, why);
    reeve_tls_report(conn->tls, code, text);
}

static int failed(nng_tls_engine_conn *conn)
{
    if (conn->listener) {
        report(conn);
        return NNG_EPEERAUTH; /* of the other side, says this to nng */
    }
    switch (reeve_tls_fault(conn->connection)) {
    case REEVE_TLS_FAULT_KEY: return NNG_EPEERAUTH;
    case REEVE_TLS_FAULT_PLAIN: return REEVE_DIAL_SPEAKS_PLAIN;
    default: return NNG_EPROTO;
    }
}

/* Also sends what has been kept. */
static int conn_handshake(nng_tls_engine_conn *conn)
{
    if (conn->done || conn->failure != 0)
        return conn->failure;
    enum reeve_tls_result result = reeve_tls_handshake(conn->connection);
    if (result == REEVE_TLS_DONE && conn->early_size > 0) {
        size_t size = conn->early_size;
        result = reeve_tls_write(conn->connection, conn->early, &size);
        REEVE_ASSERT(result != REEVE_TLS_DONE || size == conn->early_size); /* one record */
    }
    switch (result) {
    case REEVE_TLS_DONE: conn->done = true; break;
    case REEVE_TLS_AGAIN: return NNG_EAGAIN;
    case REEVE_TLS_ENDED: conn->failure = NNG_ECONNRESET; break;
    case REEVE_TLS_FAILED: conn->failure = failed(conn); break;
    }
    shaken(conn);
    return conn->failure;
}

static int to_nng(enum reeve_tls_result result)
{
    switch (result) {
    case REEVE_TLS_DONE: return 0;
    case REEVE_TLS_AGAIN: return NNG_EAGAIN;
    case REEVE_TLS_ENDED: return NNG_ECONNSHUT;
    default: return NNG_ECRYPTO;
    }
}

static int conn_recv(nng_tls_engine_conn *conn, uint8_t *bytes, size_t *size)
{
    int error = conn_handshake(conn);
    return error != 0 ? error : to_nng(reeve_tls_read(conn->connection, bytes, size));
}

static int conn_send(nng_tls_engine_conn *conn, const uint8_t *bytes, size_t *size)
{
    int error = conn_handshake(conn);
    if (error == NNG_EAGAIN && *size <= EARLY_SIZE - conn->early_size) {
        memcpy(conn->early + conn->early_size, bytes, *size);
        conn->early_size += *size;
        return 0;
    }
    return error != 0 ? error : to_nng(reeve_tls_write(conn->connection, bytes, size));
}

static bool conn_verified(nng_tls_engine_conn *conn)
{
    return conn->done;
}

/* --- configurations --------------------------------------------------------------------------- */

static int config_init(nng_tls_engine_config *config, nng_tls_mode mode)
{
    config->listener = mode == NNG_TLS_MODE_SERVER;
    return 0;
}

static void config_fini(nng_tls_engine_config *config)
{
    reeve_tls_drop(config->tls);
}

/* nng hands the "certificate" through as it is: ours is the context. */
static int config_own_cert(
    nng_tls_engine_config *config, const char *certificate, const char *key, const char *password)
{
    (void)key, (void)password;
    reeve_tls_drop(config->tls);
    config->tls = reeve_tls_hold((struct reeve_tls *)(uintptr_t)certificate);
    return 0;
}

/* These nng calls by itself; there is nothing to choose. */
static int config_server(nng_tls_engine_config *config, const char *name)
{
    (void)config, (void)name;
    return 0;
}

static int config_auth(nng_tls_engine_config *config, nng_tls_auth_mode mode)
{
    (void)config, (void)mode;
    return 0;
}

static int config_ca_chain(nng_tls_engine_config *config, const char *chain, const char *revoked)
{
    (void)config, (void)chain, (void)revoked;
    return NNG_ENOTSUP;
}

static int config_version(
    nng_tls_engine_config *config, nng_tls_version oldest, nng_tls_version newest)
{
    (void)config, (void)oldest, (void)newest;
    return NNG_ENOTSUP;
}

static nng_tls_engine_config_ops config_ops = {
    .size = sizeof(nng_tls_engine_config),
    .init = config_init,
    .fini = config_fini,
    .server = config_server,
    .auth = config_auth,
    .ca_chain = config_ca_chain,
    .own_cert = config_own_cert,
    .version = config_version,
};

static nng_tls_engine_conn_ops conn_ops = {
    .size = sizeof(nng_tls_engine_conn),
    .init = conn_init,
    .fini = conn_fini,
    .close = conn_close,
    .handshake = conn_handshake,
    .recv = conn_recv,
    .send = conn_send,
    .verified = conn_verified,
};

static const nng_tls_engine engine = {
    .version = NNG_TLS_ENGINE_VERSION,
    .config_ops = &config_ops,
    .conn_ops = &conn_ops,
    .name = "reeve",
    .description = "TLS 1.3 by a pre-shared key",
};

static void engine_register(void)
{
    (void)nng_tls_engine_name(); /* nng is initialised by this, and then registers its own */
    (void)nng_tls_engine_register(&engine);
}

int reeve_tls_engine_config(struct reeve_tls *tls, nng_tls_mode mode, nng_tls_config **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, engine_register);
    if (strcmp(nng_tls_engine_name(), engine.name) != 0)
        return NNG_ENOTSUP; /* another release of nng */
    int error = nng_tls_config_alloc(ret, mode);
    if (error == 0 && (error = nng_tls_config_own_cert(*ret, (const char *)tls, NULL, NULL)) != 0)
        nng_tls_config_free(*ret);
    return error;
}
