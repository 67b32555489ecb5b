/* The handshake's messages: the good way, and every way in which somebody without the key, or
 * between two who have it, could try to pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include <reeve_errors.h>

#include "runtime/wire/handshake.h"

#define NOW_MS 1700000000000ull
#define MAX    REEVE_HANDSHAKE_SIZE_MAX

struct message {
    uint8_t bytes[MAX];
    size_t size;
};

static const uint8_t nonce_1[REEVE_NONCE_SIZE] = {1}, nonce_2[REEVE_NONCE_SIZE] = {2},
                     nonce_3[REEVE_NONCE_SIZE] = {3};
static char text[REEVE_TEXT_SIZE];

static struct reeve_handshake_self self_of(uint64_t uid, uint8_t key)
{
    struct reeve_handshake_self self = {
        .version = REEVE_WIRE_VERSION,
        .identity = {.uid = uid, .incarnation = uid + 1, .role = 2, .release = "0.1.0"},
        .listen_port = (uint16_t)(6000 + uid),
        .key = {key},
    };
    snprintf(self.identity.address, sizeof self.identity.address, "tcp://10.0.0.%u:%u",
        (unsigned)uid, self.listen_port);
    return self;
}

static void hello(struct reeve_handshake *handshake, const struct reeve_handshake_self *from,
    const char *dialled, struct message *out)
{
    out->size = reeve_handshake_hello(handshake, from, dialled, NOW_MS, nonce_1, out->bytes);
}

static int read_hello(struct reeve_handshake *handshake, const struct reeve_handshake_self *self,
    const struct message *in)
{
    return reeve_handshake_read_hello(handshake, self, in->bytes, in->size, NOW_MS, text);
}

static int read_challenge(struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const struct message *in)
{
    return reeve_handshake_read_challenge(handshake, self, in->bytes, in->size, text);
}

static int read_proof(const struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const struct message *in)
{
    return reeve_handshake_read_proof(handshake, self, in->bytes, in->size, text);
}

/* Two who hold the key, up to the proof. */
struct pair {
    struct reeve_handshake_self a, b;
    struct reeve_handshake in_a, in_b;
    struct message hello, challenge, proof;
};

static void run_pair(struct pair *pair)
{
    pair->a = self_of(1, 7);
    pair->b = self_of(2, 7);
    hello(&pair->in_a, &pair->a, "tcp://head:6002", &pair->hello);
    assert_int_equal(read_hello(&pair->in_b, &pair->b, &pair->hello), REEVE_OK);
    pair->challenge.size =
        reeve_handshake_challenge(&pair->in_b, &pair->b, nonce_2, pair->challenge.bytes);
    assert_int_equal(read_challenge(&pair->in_a, &pair->a, &pair->challenge), REEVE_OK);
    pair->proof.size = reeve_handshake_proof(&pair->in_a, &pair->a, pair->proof.bytes);
    assert_int_equal(read_proof(&pair->in_b, &pair->b, &pair->proof), REEVE_OK);
}

static void test_good(void **state)
{
    (void)state;
    struct pair pair;
    run_pair(&pair);
    assert_int_equal(pair.in_a.answerer.uid, 2);
    assert_string_equal(pair.in_a.answerer.address, "tcp://10.0.0.2:6002");
    assert_int_equal(pair.in_b.dialler.uid, 1);
    assert_string_equal(pair.in_b.dialler.release, "0.1.0");
    struct reeve_handshake_keys a, b;
    reeve_handshake_keys(&pair.in_a, &pair.a, &a);
    reeve_handshake_keys(&pair.in_b, &pair.b, &b);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(a.dialler_to_answerer, a.answerer_to_dialler, REEVE_FRAME_KEY_SIZE);
    /* another answerer's nonce makes other keys */
    struct reeve_handshake again = pair.in_b;
    uint8_t frame[MAX];
    reeve_handshake_challenge(&again, &pair.b, nonce_3, frame);
    reeve_handshake_keys(&again, &pair.b, &b);
    assert_memory_not_equal(&a, &b, sizeof a);
}

static void test_wrong_key(void **state)
{
    (void)state;
    struct reeve_handshake_self a = self_of(1, 7), stranger = self_of(2, 8);
    struct reeve_handshake in_a, in_b;
    struct message message;
    hello(&in_a, &a, "tcp://head:6002", &message);
    assert_int_equal(read_hello(&in_b, &stranger, &message), REEVE_EKEY);
    /* one without the key who answers all the same */
    struct reeve_handshake_self b = self_of(2, 7);
    assert_int_equal(read_hello(&in_b, &b, &message), REEVE_OK);
    message.size = reeve_handshake_challenge(&in_b, &stranger, nonce_2, message.bytes);
    assert_int_equal(read_challenge(&in_a, &a, &message), REEVE_EKEY);
    /* and one who tries to prove itself */
    message.size = reeve_handshake_challenge(&in_b, &b, nonce_2, message.bytes);
    assert_int_equal(read_challenge(&in_a, &a, &message), REEVE_OK);
    struct reeve_handshake_self thief = self_of(1, 8);
    message.size = reeve_handshake_proof(&in_a, &thief, message.bytes);
    assert_int_equal(read_proof(&in_b, &b, &message), REEVE_EKEY);
}

/* Any single changed bit, any cut: refused, and the reader's state untouched. */
static void test_changed_and_cut(void **state)
{
    (void)state;
    struct pair pair;
    run_pair(&pair);
    struct reeve_handshake fresh, dialler;
    struct message sent;
    hello(&dialler, &pair.a, "tcp://head:6002", &sent);
    struct reeve_handshake before = dialler;
    for (size_t bit = 0; bit < pair.hello.size * 8; bit++) {
        struct message changed = pair.hello;
        changed.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (bit / 8 != 2) /* the header's version is not what a hello is judged by */
            assert_int_not_equal(read_hello(&fresh, &pair.b, &changed), REEVE_OK);
    }
    for (size_t bit = 0; bit < pair.challenge.size * 8; bit++) {
        struct message changed = pair.challenge;
        changed.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (bit / 8 != 2)
            assert_int_not_equal(read_challenge(&dialler, &pair.a, &changed), REEVE_OK);
        assert_memory_equal(&dialler, &before, sizeof before);
    }
    for (size_t bit = 0; bit < pair.proof.size * 8; bit++) {
        struct message changed = pair.proof;
        changed.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (bit / 8 != 2)
            assert_int_not_equal(read_proof(&pair.in_b, &pair.b, &changed), REEVE_OK);
    }
    for (size_t size = 0; size < pair.hello.size; size++) {
        struct message cut = pair.hello;
        cut.size = size;
        assert_int_not_equal(read_hello(&fresh, &pair.b, &cut), REEVE_OK);
    }
    for (size_t size = 0; size < pair.challenge.size; size++) {
        struct message cut = pair.challenge;
        cut.size = size;
        assert_int_not_equal(read_challenge(&dialler, &pair.a, &cut), REEVE_OK);
    }
    for (size_t size = 0; size < pair.proof.size; size++) {
        struct message cut = pair.proof;
        cut.size = size;
        assert_int_not_equal(read_proof(&pair.in_b, &pair.b, &cut), REEVE_OK);
    }
}

static void test_replayed(void **state)
{
    (void)state;
    struct pair pair;
    run_pair(&pair);
    /* the challenge of one handshake for the next, whose nonce is another */
    struct reeve_handshake next;
    struct message message;
    message.size =
        reeve_handshake_hello(&next, &pair.a, "tcp://head:6002", NOW_MS, nonce_3, message.bytes);
    assert_int_equal(read_challenge(&next, &pair.a, &pair.challenge), REEVE_EPROTOCOL);
    /* the proof of one handshake for the next, whose challenge is another */
    struct reeve_handshake in_b;
    assert_int_equal(read_hello(&in_b, &pair.b, &pair.hello), REEVE_OK);
    reeve_handshake_challenge(&in_b, &pair.b, nonce_3, message.bytes);
    assert_int_equal(read_proof(&in_b, &pair.b, &pair.proof), REEVE_EKEY);
    /* a hello from another time */
    for (int64_t skew_ms = -310000; skew_ms <= 310000; skew_ms += 10000) {
        int error = reeve_handshake_read_hello(
            &in_b, &pair.b, pair.hello.bytes, pair.hello.size, NOW_MS + (uint64_t)skew_ms, text);
        bool fine = skew_ms >= -300000 && skew_ms <= 300000;
        assert_int_equal(error == REEVE_OK, fine);
        if (!fine)
            assert_non_null(strstr(text, "clocks"));
    }
}

static void test_reflected(void **state)
{
    (void)state;
    struct pair pair;
    run_pair(&pair);
    struct reeve_handshake other;
    /* our own hello comes back to us */
    assert_int_equal(read_hello(&other, &pair.a, &pair.hello), REEVE_EADDRESS);
    assert_non_null(strstr(text, "our own address"));
    /* the challenge is no proof, the proof no challenge, whatever the header says */
    struct message message = pair.challenge;
    message.bytes[3] = REEVE_FRAME_PROOF;
    assert_int_equal(read_proof(&pair.in_b, &pair.b, &message), REEVE_EPROTOCOL);
    message = pair.proof;
    message.bytes[3] = REEVE_FRAME_CHALLENGE;
    struct reeve_handshake dialler;
    struct message sent;
    hello(&dialler, &pair.a, "tcp://head:6002", &sent);
    assert_int_equal(read_challenge(&dialler, &pair.a, &message), REEVE_EPROTOCOL);
    /* a challenge that b made, given back to b, who has said hello itself */
    struct reeve_handshake by_b;
    hello(&by_b, &pair.b, "tcp://10.0.0.1:6001", &sent);
    assert_int_equal(read_challenge(&by_b, &pair.b, &pair.challenge), REEVE_EPROTOCOL);
}

/* A third party hands what a says to b on to c, and the other way round. */
static void test_relayed(void **state)
{
    (void)state;
    struct pair pair;
    run_pair(&pair);
    struct reeve_handshake_self c = self_of(3, 7);
    struct reeve_handshake in_c, dialler;
    struct message message;
    /* c sees that it was not the one dialled */
    assert_int_equal(read_hello(&in_c, &c, &pair.hello), REEVE_EADDRESS);
    assert_non_null(strstr(text, "tcp://head:6002"));
    assert_non_null(strstr(text, "--advertise"));
    /* even were the ports alike: the proof for b is none for c */
    c.listen_port = 6002;
    assert_int_equal(read_hello(&in_c, &c, &pair.hello), REEVE_OK);
    reeve_handshake_challenge(&in_c, &c, nonce_2, message.bytes);
    assert_int_equal(read_proof(&in_c, &c, &pair.proof), REEVE_EKEY);
    /* a's hello under another address of a, made by somebody between */
    hello(&dialler, &pair.a, "tcp://head:6002", &message);
    struct reeve_handshake_self a_elsewhere = pair.a;
    snprintf(a_elsewhere.identity.address, sizeof a_elsewhere.identity.address, "%s",
        "tcp://10.6.6.6:666");
    struct reeve_handshake in_b;
    assert_int_equal(read_hello(&in_b, &pair.b, &message), REEVE_OK);
    in_b.dialler = a_elsewhere.identity;
    message.size = reeve_handshake_challenge(&in_b, &pair.b, nonce_2, message.bytes);
    assert_int_equal(read_challenge(&dialler, &pair.a, &message), REEVE_EKEY);
}

static void test_dialled(void **state)
{
    (void)state;
    struct reeve_handshake_self a = self_of(1, 7), b = self_of(2, 7);
    struct reeve_handshake in_a, in_b;
    struct message message;
    /* reached through a gateway */
    snprintf(b.identity.address, sizeof b.identity.address, "%s", "tcp://gate.example.com:9000");
    static const struct {
        const char *dialled;
        bool ours;
    } cases[] = {{"tcp://gate:9000", true}, {"tcp://10.0.0.2:6002", true},
        {"tcp://gate:9001", false}, {"abstract://x", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hello(&in_a, &a, cases[i].dialled, &message);
        assert_int_equal(
            read_hello(&in_b, &b, &message), cases[i].ours ? REEVE_OK : REEVE_EADDRESS);
    }
    snprintf(b.identity.address, sizeof b.identity.address, "%s", "abstract://x");
    hello(&in_a, &a, "abstract://x", &message);
    assert_int_equal(read_hello(&in_b, &b, &message), REEVE_OK);
    hello(&in_a, &a, "abstract://y", &message);
    assert_int_equal(read_hello(&in_b, &b, &message), REEVE_EADDRESS);
}

/* Who is reached by TLS has nothing to do with who is not, even if it has the key: nobody is talked
 * into plain. */
static void test_encrypted_or_not(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct reeve_handshake_self a = self_of(1, 7), b = self_of(2, 7);
        struct reeve_handshake in_a, in_b;
        struct message message;
        bool a_is = i % 2 != 0, b_is = i / 2 != 0;
        if (a_is)
            snprintf(a.identity.address, sizeof a.identity.address, "tls+tcp://h:1");
        if (b_is)
            snprintf(b.identity.address, sizeof b.identity.address, "tls+tcp://g:6002");
        hello(&in_a, &a, b.identity.address, &message);
        assert_int_equal(read_hello(&in_b, &b, &message), a_is == b_is ? REEVE_OK : REEVE_EADDRESS);
        if (a_is != b_is)
            assert_non_null(strstr(text, "tls+tcp:// addresses, too"));
        hello(&in_a, &a, a_is ? "tcp://g:6002" : "tls+tcp://g:6002", &message);
        if (a_is == b_is)
            assert_int_equal(read_hello(&in_b, &b, &message), REEVE_EADDRESS);
    }
}

/* Another version: its hello is understood and refused with both versions named; the refusal is
 * believed only with its mac. */
static void test_version_and_refused(void **state)
{
    (void)state;
    struct reeve_handshake_self a = self_of(1, 7), b = self_of(2, 7);
    struct reeve_handshake in_a, in_b;
    struct message message;
    a.version = 9;
    hello(&in_a, &a, "tcp://head:6002", &message);
    message.bytes[2] = 9;
    assert_int_equal(read_hello(&in_b, &b, &message), REEVE_EVERSION);
    assert_non_null(strstr(text, "version 9"));
    assert_non_null(strstr(text, "version 7"));
    char said[REEVE_TEXT_SIZE];
    snprintf(said, sizeof said, "%s", text);
    message.size = reeve_handshake_refused(&in_b, &b, REEVE_EVERSION, said, message.bytes);
    uint8_t nonce[REEVE_NONCE_SIZE];
    assert_int_equal(reeve_handshake_echoed_nonce(message.bytes, message.size, nonce), REEVE_OK);
    assert_memory_equal(nonce, nonce_1, sizeof nonce);
    int code = 0;
    assert_int_equal(
        reeve_handshake_read_refused(&in_a, &a, message.bytes, message.size, &code, text),
        REEVE_OK);
    assert_int_equal(code, REEVE_EVERSION);
    assert_string_equal(text, said);
    for (size_t at = REEVE_FRAME_HEADER_SIZE; at < message.size; at++) {
        struct message changed = message;
        changed.bytes[at] ^= 1;
        assert_int_equal(
            reeve_handshake_read_refused(&in_a, &a, changed.bytes, changed.size, &code, text),
            REEVE_EPROTOCOL);
    }
}

static void test_peer_text(void **state)
{
    (void)state;
    char out[8];
    reeve_copy_peer_text(out, sizeof out, "a\033[31mb\n123");
    assert_string_equal(out, "a?[31mb");
    reeve_copy_peer_text(out, sizeof out, "a\xff\xc3\xa4 \xe2\x82\xac");
    assert_string_equal(out, "a?\xc3\xa4 "); /* nothing is cut in two */
    reeve_copy_peer_text(out, sizeof out, NULL);
    assert_string_equal(out, "");
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_changed_and_cut),
        cmocka_unit_test(test_replayed),
        cmocka_unit_test(test_reflected),
        cmocka_unit_test(test_relayed),
        cmocka_unit_test(test_dialled),
        cmocka_unit_test(test_encrypted_or_not),
        cmocka_unit_test(test_version_and_refused),
        cmocka_unit_test(test_peer_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
