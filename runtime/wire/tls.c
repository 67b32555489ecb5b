/* TLS by OpenSSL, which is loaded at run time; see tls.h. */
#include "runtime/wire/tls.h"

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reeve_errors.h>

#include "runtime/base/assert.h"
#include "runtime/wire/message.h"

#define LIBRARY  "libssl.so.3"
#define LABEL    "reeve tls 1.3 pre-shared key"
#define IDENTITY "reeve"
/* The standard's limit for AES-GCM is 2^24.5 records of 16 KiB. */
#define RENEW_AFTER_BYTES (UINT64_C(1) << 36)

/* --- OpenSSL ---------------------------------------------------------------------------------- */

#define EACH_FUNCTION(X)                     \
    X(BIO_clear_flags)                       \
    X(BIO_free)                              \
    X(BIO_get_data)                          \
    X(BIO_get_new_index)                     \
    X(BIO_meth_new)                          \
    X(BIO_meth_set_ctrl)                     \
    X(BIO_meth_set_read)                     \
    X(BIO_meth_set_write)                    \
    X(BIO_new)                               \
    X(BIO_set_data)                          \
    X(BIO_set_flags)                         \
    X(BIO_set_init)                          \
    X(ERR_clear_error)                       \
    X(ERR_peek_error)                        \
    X(ERR_reason_error_string)               \
    X(OPENSSL_init_ssl)                      \
    X(SSL_CIPHER_find)                       \
    X(SSL_CTX_ctrl)                          \
    X(SSL_CTX_free)                          \
    X(SSL_CTX_new)                           \
    X(SSL_CTX_set_ciphersuites)              \
    X(SSL_CTX_set_num_tickets)               \
    X(SSL_CTX_set_options)                   \
    X(SSL_CTX_set_psk_find_session_callback) \
    X(SSL_CTX_set_psk_use_session_callback)  \
    X(SSL_SESSION_free)                      \
    X(SSL_SESSION_new)                       \
    X(SSL_SESSION_set1_master_key)           \
    X(SSL_SESSION_set_cipher)                \
    X(SSL_SESSION_set_protocol_version)      \
    X(SSL_ctrl)                              \
    X(SSL_do_handshake)                      \
    X(SSL_free)                              \
    X(SSL_get_error)                         \
    X(SSL_get_ex_data)                       \
    X(SSL_key_update)                        \
    X(SSL_new)                               \
    X(SSL_read)                              \
    X(SSL_session_reused)                    \
    X(SSL_set_accept_state)                  \
    X(SSL_set_bio)                           \
    X(SSL_set_connect_state)                 \
    X(SSL_set_default_read_buffer_len)       \
    X(SSL_set_ex_data)                       \
    X(SSL_set_read_ahead)                    \
    X(SSL_set_verify)                        \
    X(SSL_shutdown)                          \
    X(SSL_write)                             \
    X(TLS_method)

#define DECLARE(name) __typeof__(name) *name;
static struct {
    EACH_FUNCTION(DECLARE)
    BIO_METHOD *carrier;
    char missing[128]; /* why it cannot be used; "": it can */
} openssl;
static pthread_once_t openssl_once = PTHREAD_ONCE_INIT;

static int carrier_read(BIO *bio, char *bytes, int size);
static int carrier_write(BIO *bio, const char *bytes, int size);
static long carrier_control(BIO *bio, int command, long number, void *arg);

static void openssl_load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(openssl.missing, sizeof openssl.missing,
            "tls+tcp:// needs the library " LIBRARY ", which is not on this machine (Debian: "
            "apt-get install libssl3)");
        return;
    }
#define FIND(name)                                                  \
    *(void **)&openssl.name = dlsym(library, #name);                \
    if (openssl.name == NULL)                                       \
        snprintf(openssl.missing, sizeof openssl.missing,           \
            "the library " LIBRARY " of this machine has no " #name \
            ": tls+tcp:// cannot be used");
    EACH_FUNCTION(FIND)
    if (openssl.missing[0] != 0)
        return;
    /* Without the machine's configuration, which could only weaken it; and nothing is freed at the
     * end of the process, while nng's threads still run. */
    if (openssl.OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) == 1)
        openssl.carrier = openssl.BIO_meth_new(
            openssl.BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "reeve carrier");
    if (openssl.carrier == NULL) {
        snprintf(openssl.missing, sizeof openssl.missing, "OpenSSL cannot be initialised");
        return;
    }
    openssl.BIO_meth_set_read(openssl.carrier, carrier_read);
    openssl.BIO_meth_set_write(openssl.carrier, carrier_write);
    openssl.BIO_meth_set_ctrl(openssl.carrier, carrier_control);
}

/* --- contexts --------------------------------------------------------------------------------- */

struct reeve_tls {
    _Atomic uint32_t holders;
    SSL_CTX *context;
    uint8_t psk[32];
    uint64_t renew_after_bytes;
    pthread_mutex_t mutex; /* for what follows */
    void (*failed)(void *arg, int code, const char *text);
    void *failed_arg;
};

struct reeve_tls_connection {
    struct reeve_tls *tls;
    SSL *ssl;
    struct reeve_tls_carrier carrier;
    bool listener;
    bool ended; /* the carrier */
    enum reeve_tls_fault fault;
    uint64_t written_bytes; /* with the present keys */
    uint8_t first[4];       /* of what has come */
    size_t first_size;
    char reason[96];
};

static SSL_SESSION *psk_session(SSL *ssl)
{
    static const uint8_t aes_128_gcm_sha256[2] = {0x13, 0x01};
    const struct reeve_tls_connection *connection = openssl.SSL_get_ex_data(ssl, 0);
    SSL_SESSION *session = openssl.SSL_SESSION_new();
    if (session != NULL &&
        (openssl.SSL_SESSION_set1_master_key(
             session, connection->tls->psk, sizeof connection->tls->psk) != 1 ||
            openssl.SSL_SESSION_set_cipher(
                session, openssl.SSL_CIPHER_find(ssl, aes_128_gcm_sha256)) != 1 ||
            openssl.SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) != 1)) {
        openssl.SSL_SESSION_free(session);
        session = NULL;
    }
    return session;
}

static int psk_of_dialler(
    SSL *ssl, const EVP_MD *digest, const uint8_t **identity, size_t *size, SSL_SESSION **ret)
{
    (void)digest; /* SHA-256, of the one cipher suite */
    *identity = (const uint8_t *)IDENTITY;
    *size = strlen(IDENTITY);
    *ret = psk_session(ssl);
    return *ret != NULL;
}

static int psk_of_listener(SSL *ssl, const uint8_t *identity, size_t size, SSL_SESSION **ret)
{
    bool ours = size == strlen(IDENTITY) && memcmp(identity, IDENTITY, size) == 0;
    *ret = ours ? psk_session(ssl) : NULL;
    return !ours || *ret != NULL;
}

static bool context_set(SSL_CTX *context)
{
    openssl.SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    openssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL);
    openssl.SSL_CTX_ctrl(context, SSL_CTRL_MODE,
        SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
            SSL_MODE_RELEASE_BUFFERS,
        NULL);
    openssl.SSL_CTX_set_psk_use_session_callback(context, psk_of_dialler);
    openssl.SSL_CTX_set_psk_find_session_callback(context, psk_of_listener);
    return openssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION, NULL) ==
               1 &&
           openssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, TLS1_3_VERSION, NULL) ==
               1 &&
           openssl.SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") == 1 &&
           openssl.SSL_CTX_set_num_tickets(context, 0) == 1;
}

int reeve_tls_make(const uint8_t key[REEVE_KEY_SIZE], struct reeve_tls **ret, char *text)
{
    pthread_once(&openssl_once, openssl_load);
    if (openssl.missing[0] != 0) {
        snprintf(text, REEVE_TEXT_SIZE, "%s", openssl.missing);
        return REEVE_ESYSTEM;
    }
    struct reeve_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        snprintf(text, REEVE_TEXT_SIZE, "out of memory");
        return REEVE_ENOMEM;
    }
    atomic_init(&tls->holders, 1);
    pthread_mutex_init(&tls->mutex, NULL);
    tls->renew_after_bytes = RENEW_AFTER_BYTES;
    crypto_generichash(
        tls->psk, sizeof tls->psk, (const uint8_t *)LABEL, strlen(LABEL), key, REEVE_KEY_SIZE);
    tls->context = openssl.SSL_CTX_new(openssl.TLS_method());
    if (tls->context == NULL || !context_set(tls->context)) {
        openssl.ERR_clear_error();
        reeve_tls_drop(tls);
        snprintf(text, REEVE_TEXT_SIZE, "OpenSSL on this machine cannot do TLS 1.3 with AES");
        return REEVE_ESYSTEM;
    }
    *ret = tls;
    return REEVE_OK;
}

struct reeve_tls *reeve_tls_hold(struct reeve_tls *tls)
{
    atomic_fetch_add(&tls->holders, 1);
    return tls;
}

void reeve_tls_drop(struct reeve_tls *tls)
{
    if (tls == NULL || atomic_fetch_sub(&tls->holders, 1) != 1)
        return;
    if (tls->context != NULL)
        openssl.SSL_CTX_free(tls->context);
    pthread_mutex_destroy(&tls->mutex);
    sodium_memzero(tls, sizeof *tls);
    free(tls);
}

void reeve_tls_on_failure(
    struct reeve_tls *tls, void (*failed)(void *arg, int code, const char *text), void *arg)
{
    pthread_mutex_lock(&tls->mutex);
    tls->failed = failed;
    tls->failed_arg = arg;
    pthread_mutex_unlock(&tls->mutex);
}

void reeve_tls_report(struct reeve_tls *tls, int code, const char *text)
{
    pthread_mutex_lock(&tls->mutex);
    if (tls->failed != NULL)
        tls->failed(tls->failed_arg, code, text);
    pthread_mutex_unlock(&tls->mutex);
}

void reeve_tls_renew_after(struct reeve_tls *tls, uint64_t bytes)
{
    tls->renew_after_bytes = bytes;
}

/* --- a connection's bytes --------------------------------------------------------------------- */

static int moved(struct reeve_tls_connection *connection, BIO *bio, enum reeve_tls_result result,
    size_t size, int retry)
{
    if (result == REEVE_TLS_DONE)
        return (int)size;
    if (result == REEVE_TLS_AGAIN)
        openssl.BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    else
        connection->ended = true;
    return -1;
}

static int carrier_read(BIO *bio, char *bytes, int size)
{
    struct reeve_tls_connection *connection = openssl.BIO_get_data(bio);
    size_t count = (size_t)size;
    openssl.BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    enum reeve_tls_result result =
        connection->carrier.read(connection->carrier.arg, (uint8_t *)bytes, &count);
    for (size_t i = 0;
         result == REEVE_TLS_DONE && i < count && connection->first_size < sizeof connection->first;
         i++)
        connection->first[connection->first_size++] = (uint8_t)bytes[i];
    return moved(connection, bio, result, count, BIO_FLAGS_READ);
}

static int carrier_write(BIO *bio, const char *bytes, int size)
{
    struct reeve_tls_connection *connection = openssl.BIO_get_data(bio);
    size_t count = (size_t)size;
    openssl.BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    enum reeve_tls_result result =
        connection->carrier.write(connection->carrier.arg, (const uint8_t *)bytes, &count);
    return moved(connection, bio, result, count, BIO_FLAGS_WRITE);
}

static long carrier_control(BIO *bio, int command, long number, void *arg)
{
    (void)bio, (void)number, (void)arg;
    return command == BIO_CTRL_FLUSH; /* what has been written has gone */
}

struct reeve_tls_connection *reeve_tls_open(
    struct reeve_tls *tls, bool listener, const struct reeve_tls_carrier *carrier)
{
    struct reeve_tls_connection *connection = calloc(1, sizeof *connection);
    SSL *ssl = openssl.SSL_new(tls->context);
    BIO *bio = openssl.BIO_new(openssl.carrier);
    if (connection == NULL || ssl == NULL || bio == NULL)
        goto fail;
    connection->tls = reeve_tls_hold(tls);
    connection->ssl = ssl;
    connection->carrier = *carrier;
    connection->listener = listener;
    openssl.BIO_set_data(bio, connection);
    openssl.BIO_set_init(bio, 1);
    openssl.SSL_set_bio(ssl, bio, bio);
    openssl.SSL_set_read_ahead(ssl, 1);
    if (carrier->read_size != 0)
        openssl.SSL_set_default_read_buffer_len(ssl, carrier->read_size);
    if (listener)
        openssl.SSL_set_accept_state(ssl);
    else {
        openssl.SSL_set_connect_state(ssl);
        /* one that chose to prove itself by a certificate would have to have one: there are none */
        openssl.SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    }
    if (openssl.SSL_set_ex_data(ssl, 0, connection) == 1)
        return connection;
    reeve_tls_close(connection);
    return NULL;
fail:
    free(connection);
    openssl.SSL_free(ssl);
    openssl.BIO_free(bio);
    return NULL;
}

void reeve_tls_close(struct reeve_tls_connection *connection)
{
    if (connection == NULL)
        return;
    openssl.SSL_free(connection->ssl); /* and the carrier */
    reeve_tls_drop(connection->tls);
    free(connection);
}

/* --- what happens on it ----------------------------------------------------------------------- */

static enum reeve_tls_fault fault_of(const struct reeve_tls_connection *connection, int reason)
{
    static const uint8_t scalability_protocols[4] = {0, 'S', 'P', 0};
    if (connection->first_size == 4 && memcmp(connection->first, scalability_protocols, 4) == 0)
        return REEVE_TLS_FAULT_PLAIN;
    switch (reason) {
    case SSL_R_BINDER_DOES_NOT_VERIFY:
    case SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER: /* so says OpenSSL of a binder */
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR: /* and so others */ return REEVE_TLS_FAULT_KEY;
    default: return REEVE_TLS_FAULT_OTHER;
    }
}

static enum reeve_tls_result result_of(struct reeve_tls_connection *connection, int returned)
{
    if (returned > 0)
        return REEVE_TLS_DONE;
    switch (openssl.SSL_get_error(connection->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return REEVE_TLS_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return REEVE_TLS_ENDED;
    default: break;
    }
    unsigned long error = openssl.ERR_peek_error();
    if (error == 0 ||
        (connection->ended && ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING))
        return REEVE_TLS_ENDED;
    connection->fault = fault_of(connection, ERR_GET_REASON(error));
    const char *reason = openssl.ERR_reason_error_string(error);
    snprintf(connection->reason, sizeof connection->reason, "%s", reason != NULL ? reason : "?");
    openssl.ERR_clear_error();
    return REEVE_TLS_FAILED;
}

enum reeve_tls_result reeve_tls_handshake(struct reeve_tls_connection *connection)
{
    if (connection->fault != REEVE_TLS_FAULT_NONE)
        return REEVE_TLS_FAILED;
    openssl.ERR_clear_error();
    enum reeve_tls_result result = result_of(connection, openssl.SSL_do_handshake(connection->ssl));
    if (result == REEVE_TLS_DONE && openssl.SSL_session_reused(connection->ssl) != 1) {
        connection->fault = REEVE_TLS_FAULT_KEY; /* not by the key: it cannot be */
        return REEVE_TLS_FAILED;
    }
    /* OpenSSL says nothing to who speaks no TLS; a daemon is to know what to dial instead. */
    static const uint8_t alert[] = {
        SSL3_RT_ALERT, 3, 3, 0, 2, SSL3_AL_FATAL, SSL_AD_PROTOCOL_VERSION};
    size_t size = sizeof alert;
    if (connection->fault == REEVE_TLS_FAULT_PLAIN && connection->listener)
        (void)connection->carrier.write(connection->carrier.arg, alert, &size);
    return result;
}

enum reeve_tls_result reeve_tls_read(
    struct reeve_tls_connection *connection, uint8_t *bytes, size_t *size)
{
    openssl.ERR_clear_error();
    int got = openssl.SSL_read(connection->ssl, bytes, (int)*size);
    *size = got > 0 ? (size_t)got : 0;
    return result_of(connection, got);
}

enum reeve_tls_result reeve_tls_write(
    struct reeve_tls_connection *connection, const uint8_t *bytes, size_t *size)
{
    openssl.ERR_clear_error();
    if (connection->written_bytes >= connection->tls->renew_after_bytes) {
        if (openssl.SSL_key_update(connection->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1)
            return result_of(connection, -1);
        connection->written_bytes = 0;
    }
    int put = openssl.SSL_write(connection->ssl, bytes, (int)*size);
    *size = put > 0 ? (size_t)put : 0;
    connection->written_bytes += *size;
    return result_of(connection, put);
}

void reeve_tls_goodbye(struct reeve_tls_connection *connection)
{
    if (connection->fault != REEVE_TLS_FAULT_NONE || connection->ended)
        return;
    openssl.ERR_clear_error();
    (void)openssl.SSL_shutdown(connection->ssl);
}

enum reeve_tls_fault reeve_tls_fault(const struct reeve_tls_connection *connection)
{
    return connection->fault;
}

int reeve_tls_fault_error(const struct reeve_tls_connection *connection, char *text)
{
    switch (connection->fault) {
    case REEVE_TLS_FAULT_KEY:
        snprintf(text, REEVE_TEXT_SIZE, "its cluster key is not ours (TLS)");
        return REEVE_EKEY;
    case REEVE_TLS_FAULT_PLAIN:
        snprintf(text, REEVE_TEXT_SIZE,
            "does not encrypt, and we listen by TLS: it has to dial tls+tcp://");
        return REEVE_EPROTOCOL;
    default:
        snprintf(text, REEVE_TEXT_SIZE, "no daemon of a cluster that speaks TLS: %s",
            connection->reason);
        return REEVE_EPROTOCOL;
    }
}
