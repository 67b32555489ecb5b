/* TLS between two ends in memory: who gets in, what can be read on the way, and what a peer that
 * is none of ours is told to be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reeve_errors.h>

#include "runtime/wire/message.h"
#include "runtime/wire/tls.h"
#include "tests/unit/test.h"

static const uint8_t key[REEVE_KEY_SIZE] = {1}, other_key[REEVE_KEY_SIZE] = {2};
static const char secret[] = "nobody else is to read this";

/* What is on its way from one end to the other; all of it, for as long as nobody takes it. */
struct wire {
    uint8_t bytes[1 << 16];
    size_t size;
    bool cut;
};

struct end {
    struct reeve_tls *tls;
    struct reeve_tls_connection *connection;
    struct wire *in, *out;
};

struct pair {
    struct end dialler, listener;
    struct wire to_listener, to_dialler;
};

static enum reeve_tls_result take(void *arg, uint8_t *bytes, size_t *size)
{
    struct wire *wire = ((struct end *)arg)->in;
    if (wire->size == 0)
        return wire->cut ? REEVE_TLS_ENDED : REEVE_TLS_AGAIN;
    if (*size > wire->size)
        *size = wire->size;
    memcpy(bytes, wire->bytes, *size);
    wire->size -= *size;
    memmove(wire->bytes, wire->bytes + *size, wire->size);
    return REEVE_TLS_DONE;
}

static enum reeve_tls_result put(void *arg, const uint8_t *bytes, size_t *size)
{
    struct wire *wire = ((struct end *)arg)->out;
    if (*size > sizeof wire->bytes - wire->size)
        *size = sizeof wire->bytes - wire->size;
    if (*size == 0)
        return REEVE_TLS_AGAIN;
    memcpy(wire->bytes + wire->size, bytes, *size);
    wire->size += *size;
    return REEVE_TLS_DONE;
}

static void end_open(struct end *end, const uint8_t *with_key, bool listener)
{
    char text[REEVE_TEXT_SIZE];
    assert_int_equal(reeve_tls_make(with_key, &end->tls, text), REEVE_OK);
    struct reeve_tls_carrier carrier = {.read = take, .write = put, .arg = end};
    end->connection = reeve_tls_open(end->tls, listener, &carrier);
    assert_non_null(end->connection);
}

static void pair_open(struct pair *pair, const uint8_t *key_of_dialler)
{
    memset(pair, 0, sizeof *pair);
    pair->dialler.in = pair->listener.out = &pair->to_dialler;
    pair->dialler.out = pair->listener.in = &pair->to_listener;
    end_open(&pair->dialler, key_of_dialler, false);
    end_open(&pair->listener, key, true);
}

static void pair_close(struct pair *pair)
{
    reeve_tls_close(pair->dialler.connection);
    reeve_tls_close(pair->listener.connection);
    reeve_tls_drop(pair->dialler.tls);
    reeve_tls_drop(pair->listener.tls);
}

static void shake(
    struct pair *pair, enum reeve_tls_result *of_dialler, enum reeve_tls_result *of_listener)
{
    *of_dialler = *of_listener = REEVE_TLS_AGAIN;
    for (int i = 0; i < 10; i++) {
        if (*of_dialler == REEVE_TLS_AGAIN)
            *of_dialler = reeve_tls_handshake(pair->dialler.connection);
        if (*of_listener == REEVE_TLS_AGAIN)
            *of_listener = reeve_tls_handshake(pair->listener.connection);
    }
}

static void shake_well(struct pair *pair)
{
    enum reeve_tls_result dialler, listener;
    pair_open(pair, key);
    shake(pair, &dialler, &listener);
    assert_int_equal(dialler, REEVE_TLS_DONE);
    assert_int_equal(listener, REEVE_TLS_DONE);
}

static void say(struct end *end, const char *text)
{
    size_t size = strlen(text), left = size;
    assert_int_equal(
        reeve_tls_write(end->connection, (const uint8_t *)text, &left), REEVE_TLS_DONE);
    assert_int_equal(left, size);
}

static void hear(struct end *end, const char *text)
{
    uint8_t bytes[256];
    size_t size = sizeof bytes;
    assert_int_equal(reeve_tls_read(end->connection, bytes, &size), REEVE_TLS_DONE);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(bytes, text, size);
}

static void test_both_ways(void **state)
{
    (void)state;
    struct pair pair;
    shake_well(&pair);
    for (int i = 0; i < 3; i++) {
        say(&pair.dialler, secret);
        assert_null(memmem(pair.to_listener.bytes, pair.to_listener.size, secret, 8));
        hear(&pair.listener, secret);
        say(&pair.listener, "yes");
        hear(&pair.dialler, "yes");
    }
    uint8_t byte;
    size_t size = 1;
    assert_int_equal(reeve_tls_read(pair.dialler.connection, &byte, &size), REEVE_TLS_AGAIN);
    reeve_tls_goodbye(pair.listener.connection);
    size = 1;
    assert_int_equal(reeve_tls_read(pair.dialler.connection, &byte, &size), REEVE_TLS_ENDED);
    pair_close(&pair);
}

/* Two connections of one key have nothing in common that could be read, or said again. */
static void test_fresh_keys(void **state)
{
    (void)state;
    struct pair one, two;
    shake_well(&one);
    shake_well(&two);
    say(&one.dialler, secret);
    say(&two.dialler, secret);
    assert_int_equal(one.to_listener.size, two.to_listener.size);
    assert_memory_not_equal(one.to_listener.bytes + 5, two.to_listener.bytes + 5, 16);
    two.to_listener = one.to_listener;
    uint8_t bytes[64];
    size_t size = sizeof bytes;
    assert_int_equal(reeve_tls_read(two.listener.connection, bytes, &size), REEVE_TLS_FAILED);
    pair_close(&one);
    pair_close(&two);
}

/* The traffic keys are renewed; the other side notices nothing. */
static void test_renewal(void **state)
{
    (void)state;
    struct pair pair;
    shake_well(&pair);
    reeve_tls_renew_after(pair.dialler.tls, 2 * strlen(secret));
    say(&pair.dialler, secret);
    size_t usual = pair.to_listener.size;
    hear(&pair.listener, secret);
    say(&pair.dialler, secret);
    hear(&pair.listener, secret);
    say(&pair.dialler, secret);
    assert_true(pair.to_listener.size > usual); /* says so first */
    hear(&pair.listener, secret);
    say(&pair.dialler, secret);
    assert_int_equal(pair.to_listener.size, usual);
    hear(&pair.listener, secret);
    pair_close(&pair);
}

static void test_other_key(void **state)
{
    (void)state;
    struct pair pair;
    enum reeve_tls_result dialler, listener;
    char text[REEVE_TEXT_SIZE];
    pair_open(&pair, other_key);
    shake(&pair, &dialler, &listener);
    assert_int_equal(dialler, REEVE_TLS_FAILED);
    assert_int_equal(listener, REEVE_TLS_FAILED);
    assert_int_equal(reeve_tls_fault(pair.dialler.connection), REEVE_TLS_FAULT_KEY);
    assert_int_equal(reeve_tls_fault_error(pair.listener.connection, text), REEVE_EKEY);
    pair_close(&pair);
}

static void test_no_tls(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        size_t size;
        enum reeve_tls_fault fault;
    } cases[] = {
        {"\0SP\0\0\x50\0", 8, REEVE_TLS_FAULT_PLAIN},
        {"GET / HTTP/1.1\r\n\r\n", 18, REEVE_TLS_FAULT_OTHER},
        {"\x16\x03\x01\x00\x10 what is this, then", 24, REEVE_TLS_FAULT_OTHER},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct pair pair;
        char text[REEVE_TEXT_SIZE];
        pair_open(&pair, key);
        struct end *end = i % 2 == 0 ? &pair.listener : &pair.dialler;
        memcpy(end->in->bytes, cases[i / 2].said, cases[i / 2].size);
        end->in->size = cases[i / 2].size;
        assert_int_equal(reeve_tls_handshake(end->connection), REEVE_TLS_FAILED);
        assert_int_equal(reeve_tls_fault(end->connection), cases[i / 2].fault);
        assert_int_equal(reeve_tls_fault_error(end->connection, text), REEVE_EPROTOCOL);
        if (i == 0) /* a daemon that does not encrypt is answered: it can say what is wrong */
            assert_memory_equal(end->out->bytes, "\x15\x03", 2);
        /* and it stays so */
        assert_int_equal(reeve_tls_handshake(end->connection), REEVE_TLS_FAILED);
        pair_close(&pair);
    }
}

/* Whatever byte is changed, in the handshake or after it, nothing else than what was said is
 * heard. */
static void test_changed_on_the_way(void **state)
{
    (void)state;
    for (size_t at = 0;; at++) {
        struct pair pair;
        enum reeve_tls_result dialler, listener = REEVE_TLS_AGAIN;
        pair_open(&pair, key);
        dialler = reeve_tls_handshake(pair.dialler.connection);
        assert_int_equal(dialler, REEVE_TLS_AGAIN);
        bool inside = at < pair.to_listener.size;
        if (inside)
            pair.to_listener.bytes[at] ^= 0x40;
        pair.to_dialler.cut = pair.to_listener.cut = inside;
        shake(&pair, &dialler, &listener);
        if (inside)
            assert_int_not_equal(listener, REEVE_TLS_DONE);
        pair_close(&pair);
        if (!inside)
            break;
    }
    struct pair pair;
    shake_well(&pair);
    say(&pair.dialler, secret);
    pair.to_listener.bytes[pair.to_listener.size / 2] ^= 1;
    uint8_t bytes[64];
    size_t size = sizeof bytes;
    assert_int_equal(reeve_tls_read(pair.listener.connection, bytes, &size), REEVE_TLS_FAILED);
    assert_int_equal(size, 0);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_fresh_keys),
        cmocka_unit_test(test_renewal),
        cmocka_unit_test(test_other_key),
        cmocka_unit_test(test_no_tls),
        cmocka_unit_test(test_changed_on_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
