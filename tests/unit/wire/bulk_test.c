/* Streams of pieces: two ends in one loop, over loopback; and strangers with plain sockets, who say
 * what they like. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/errors.h"
#include "runtime/base/macros.h"
#include "runtime/wire/bulk.h"

#define PIECES    40u
#define PIECE_MAX REEVE_BULK_LENGTH_MAX
#define SOURCE    7u /* nodes */
#define PULLER    8u
#define SOURCE_ID 70u
#define PULLER_ID 80u

static const uint8_t forth[REEVE_BULK_KEY_SIZE] = {1}, back[REEVE_BULK_KEY_SIZE] = {2},
                     other_key[REEVE_BULK_KEY_SIZE] = {3};

struct end {
    struct reeve_bulk *bulk;
    uint8_t *places[PIECES]; /* by number; NULL: not wanted */
    uint32_t landed, landed_bad, sent, sent_bad, lost, rejected;
    int code; /* of the last lost or rejected */
    struct reeve_bulk_header last;
    uint64_t order[PIECES]; /* numbers as they landed */
};

static uv_loop_t loop;
static struct end source, puller;
static uint8_t *bytes;

static uint8_t *place(void *arg, uint32_t node, uint64_t number, uint32_t length)
{
    struct end *end = arg;
    return node == SOURCE && number < PIECES && length <= PIECE_MAX ? end->places[number] : NULL;
}

static void landed(void *arg, uint32_t node, const struct reeve_bulk_header *header, bool good)
{
    struct end *end = arg;
    assert_int_equal(node, SOURCE);
    end->last = *header;
    if (good && end->landed < PIECES)
        end->order[end->landed] = header->number;
    end->landed += good;
    end->landed_bad += !good;
}

static void sent(void *arg, uint64_t serial, bool good)
{
    struct end *end = arg;
    assert_true(serial >= 1000);
    end->sent += good;
    end->sent_bad += !good;
}

static void lost(void *arg, uint32_t node, int code, const char *text)
{
    struct end *end = arg;
    assert_int_equal(node, SOURCE);
    assert_non_null(text);
    end->lost++;
    end->code = code;
}

static void rejected(void *arg, int code, const char *text)
{
    struct end *end = arg;
    assert_non_null(text);
    end->rejected++;
    end->code = code;
}

static struct reeve_tls *tls; /* NULL: this test is in plain */

static void open_end(struct end *end, uint64_t uid)
{
    struct reeve_address address = {.scheme = REEVE_ADDRESS_TCP, .host = "127.0.0.1"};
    struct reeve_bulk_options options = {.loop = &loop,
        .listen = &address,
        .tls = tls,
        .uid = uid,
        .callbacks = {place, landed, sent, lost, rejected},
        .arg = end,
        .handshake_timeout_ms = 2000,
        .stall_timeout_ms = 200,
        .idle_timeout_ms = 300};
    memset(end, 0, sizeof *end);
    assert_int_equal(reeve_bulk_open(&options, &end->bulk), REEVE_OK);
}

static int set_up(void **state)
{
    (void)state;
    assert_true(sodium_init() >= 0);
    assert_int_equal(uv_loop_init(&loop), 0);
    open_end(&source, SOURCE_ID);
    open_end(&puller, PULLER_ID);
    reeve_bulk_peer_up(source.bulk, PULLER, PULLER_ID, forth, back);
    reeve_bulk_peer_up(puller.bulk, SOURCE, SOURCE_ID, back, forth);
    bytes = malloc(PIECE_MAX + PIECES);
    for (size_t i = 0; i < PIECE_MAX + PIECES; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    for (uint32_t i = 0; i < PIECES; i++)
        puller.places[i] = calloc(1, PIECE_MAX);
    return 0;
}

static int set_up_tls(void **state)
{
    char text[REEVE_TEXT_SIZE];
    assert_int_equal(reeve_tls_make(forth, &tls, text), REEVE_OK);
    return set_up(state);
}

static int tear_down(void **state)
{
    (void)state;
    reeve_tls_drop(tls);
    tls = NULL;
    reeve_bulk_close(source.bulk);
    reeve_bulk_close(puller.bulk);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    for (uint32_t i = 0; i < PIECES; i++)
        free(puller.places[i]);
    free(bytes);
    return 0;
}

/* Runs the loop until the count is that; a test that hangs is killed by its runner. */
static void until(const uint32_t *count, uint32_t value)
{
    while (*count < value)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(*count, value);
}

static void until_no_streams(struct reeve_bulk *bulk)
{
    while (reeve_bulk_stream_count(bulk) > 0)
        uv_run(&loop, UV_RUN_ONCE);
}

static const char *address_of(const struct end *end)
{
    static char text[64];
    snprintf(text, sizeof text, "%stcp://127.0.0.1:%u", tls != NULL ? "tls+" : "",
        reeve_bulk_port(end->bulk));
    return text;
}

static uint32_t length_of(uint32_t number)
{
    return number == 0 ? 1 : number % 3 == 0 ? 1000 + number : PIECE_MAX;
}

static int give(uint32_t number, bool large)
{
    return reeve_bulk_send(source.bulk, PULLER, address_of(&puller),
        &(struct reeve_bulk_piece){.serial = 1000 + number,
            .header = {.number = number,
                .size = 9 * PIECE_MAX,
                .length = length_of(number),
                .other = number},
            .bytes = bytes + number,
            .large = large});
}

static void assert_landed(uint32_t number)
{
    assert_memory_equal(puller.places[number], bytes + number, length_of(number));
}

static void test_pieces(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PIECES; i++)
        assert_int_equal(give(i, i < PIECES / 2), REEVE_OK);
    until(&puller.landed, PIECES);
    until(&source.sent, PIECES);
    for (uint32_t i = 0; i < PIECES; i++)
        assert_landed(i);
    assert_int_equal(puller.last.size, 9 * PIECE_MAX);
    assert_int_equal(puller.last.other, puller.last.number);
    /* Those of small objects did not wait for the others, which were first. */
    uint32_t small_first = 0;
    for (uint32_t i = 0; i < PIECES / 2; i++)
        small_first += puller.order[i] >= PIECES / 2;
    assert_in_range(small_first, PIECES / 4, PIECES / 2);
    /* What is idle ends, and it is nothing amiss; the next piece begins anew. */
    until_no_streams(source.bulk);
    until_no_streams(puller.bulk);
    assert_int_equal(give(3, false), REEVE_OK);
    until(&puller.landed, PIECES + 1);
    assert_int_equal(puller.lost + puller.rejected + source.rejected, 0);
}

static void test_not_wanted(void **state)
{
    (void)state;
    free(puller.places[1]);
    puller.places[1] = NULL;
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(give(i, true), REEVE_OK);
    until(&source.sent, 4);
    until(&puller.landed, 3);
    assert_landed(2);
    assert_landed(3);
    assert_int_equal(puller.landed_bad, 0);
}

static void test_no_way(void **state)
{
    (void)state;
    reeve_bulk_peer_up(puller.bulk, SOURCE, SOURCE_ID, back, other_key);
    assert_int_equal(give(1, true), REEVE_OK);
    assert_int_equal(give(2, true), REEVE_OK);
    until(&source.sent_bad, 2);
    while (puller.rejected == 0) /* twice, if the second came when the first had failed */
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(puller.code, REEVE_EKEY);
    reeve_bulk_peer_down(puller.bulk, SOURCE); /* it knows no such node any more */
    assert_int_equal(give(1, true), REEVE_OK);
    until(&source.sent_bad, 3);
    reeve_bulk_peer_down(source.bulk, PULLER);
    assert_int_equal(give(1, true), REEVE_EHANDLE);
    reeve_bulk_peer_up(source.bulk, PULLER, PULLER_ID, forth, back);
    assert_int_equal(
        reeve_bulk_send(source.bulk, PULLER, "tcp://127.0.0.1:1",
            &(struct reeve_bulk_piece){
                .serial = 2000, .header = {.number = 1, .size = 10, .length = 10}, .bytes = bytes}),
        REEVE_OK);
    until(&source.sent_bad, 4);
    assert_int_equal(puller.landed + puller.landed_bad + source.sent, 0);
}

/* --- others ----------------------------------------------------------------------------------- */

static int connect_to(const struct end *end)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(reeve_bulk_port(end->bulk))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void say(int fd, const void *what, size_t size)
{
    while (size > 0) {
        ssize_t written = send(fd, what, size, MSG_NOSIGNAL);
        if (written <= 0)
            return; /* turned away already */
        what = (const uint8_t *)what + written;
        size -= (size_t)written;
    }
}

static void hear(int fd, void *what, size_t size)
{
    assert_int_equal(recv(fd, what, size, MSG_WAITALL), (ssize_t)size);
}

/* One that holds the key, can make macs of that kind, and then says what it likes. */
static int prove_as(enum reeve_bulk_kind kind, struct reeve_bulk_mac *mac)
{
    uint8_t key[REEVE_BULK_KEY_SIZE];
    uint8_t greeting[REEVE_BULK_GREETING_SIZE], hello[REEVE_BULK_HELLO_SIZE];
    uint8_t welcome[REEVE_BULK_MAC_SIZE];
    struct reeve_bulk_terms terms;
    int fd = connect_to(&puller);
    hear(fd, greeting, sizeof greeting);
    assert_true(reeve_bulk_greeting_read(greeting, &terms));
    memset(terms.dialler_nonce, 5, sizeof terms.dialler_nonce);
    terms.kind = kind;
    reeve_bulk_hello_write(hello, SOURCE_ID, &terms, forth);
    say(fd, hello, sizeof hello);
    hear(fd, welcome, sizeof welcome);
    assert_true(reeve_bulk_welcome_verify(welcome, &terms, forth));
    assert_false(reeve_bulk_welcome_verify(welcome, &terms, back));
    reeve_bulk_stream_key(&terms, forth, key);
    reeve_bulk_mac_init(mac, kind, key);
    return fd;
}

static int prove(struct reeve_bulk_mac *mac)
{
    return prove_as(reeve_bulk_mac_best(), mac);
}

static void header_of(
    uint32_t number, uint64_t sequence, const struct reeve_bulk_mac *mac, uint8_t *header)
{
    reeve_bulk_header_write(
        header, &(struct reeve_bulk_header){.number = number, .size = 1000, .length = 1000});
    reeve_bulk_header_seal(header, mac, sequence, bytes, 1000);
}

static void test_strangers(void **state)
{
    (void)state;
    struct {
        const char *what;
        size_t size;
    } garbage[] = {{"", 0}, {"GET / HTTP/1.1\r\n\r\n", 18}, {"RVB\1", 4},
        {(const char *)bytes, REEVE_BULK_HELLO_SIZE}, {(const char *)bytes, 100000}};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(garbage); i++) {
        int fd = connect_to(&puller);
        say(fd, garbage[i].what, garbage[i].size);
        close(fd);
        until(&puller.rejected, (uint32_t)i + 1);
        assert_true(puller.code == REEVE_EPROTOCOL || puller.code == REEVE_ELINK);
    }
    int silent[40];
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(silent); i++)
        silent[i] = connect_to(&puller);
    assert_int_equal(give(1, true), REEVE_OK); /* the oldest of them make room */
    until(&puller.landed, 1);
    while (reeve_bulk_stream_count(puller.bulk) > 17)
        uv_run(&loop, UV_RUN_ONCE);
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(silent); i++)
        close(silent[i]);
    until_no_streams(puller.bulk);
}

/* A hello that was good once is good for nothing else: each greeting is new. */
static void test_replayed_hello(void **state)
{
    (void)state;
    uint8_t greeting[REEVE_BULK_GREETING_SIZE], hello[REEVE_BULK_HELLO_SIZE];
    struct reeve_bulk_terms terms;
    int fd = connect_to(&puller);
    hear(fd, greeting, sizeof greeting);
    reeve_bulk_greeting_read(greeting, &terms);
    memset(terms.dialler_nonce, 5, sizeof terms.dialler_nonce);
    terms.kind = REEVE_BULK_POLY1305;
    reeve_bulk_hello_write(hello, SOURCE_ID, &terms, forth);
    close(fd);
    until(&puller.rejected, 1);
    fd = connect_to(&puller);
    say(fd, hello, sizeof hello);
    until(&puller.rejected, 2);
    assert_int_equal(puller.code, REEVE_EKEY);
    close(fd);
}

static void test_bad_pieces(void **state)
{
    (void)state;
    struct reeve_bulk_mac mac;
    uint8_t header[REEVE_BULK_HEADER_SIZE];
    uint32_t lost_count = 0, bad = 0;
    /* cut off: in its header, in its bytes */
    for (size_t size = 10; size <= 500; size += 490) {
        int fd = prove(&mac);
        header_of(1, 0, &mac, header);
        say(fd, header, REEVE_MIN(size, sizeof header));
        if (size > sizeof header)
            say(fd, bytes, size);
        close(fd);
        until(&puller.lost, ++lost_count);
    }
    assert_int_equal(puller.landed_bad, ++bad);
    /* stopped in the middle */
    int fd = prove(&mac);
    header_of(1, 0, &mac, header);
    say(fd, header, sizeof header);
    say(fd, bytes, 999);
    until(&puller.lost, ++lost_count);
    assert_int_equal(puller.code, REEVE_ETIMEDOUT);
    assert_int_equal(puller.landed_bad, ++bad);
    close(fd);
    /* one bit is wrong; said twice; of a size that no piece has */
    for (int i = 0; i < 4; i++) {
        fd = prove(&mac);
        header_of(1, i == 1 ? 1 : 0, &mac, header);
        if (i == 0)
            header[8] ^= 1;
        if (i == 2)
            memset(header + 16, 0xff, 4);
        if (i == 3)
            memset(header + 16, 0, 4);
        say(fd, header, sizeof header);
        say(fd, bytes, 1000);
        until(&puller.lost, ++lost_count);
        assert_int_equal(puller.code, REEVE_EPROTOCOL);
        bad += i < 2;
        assert_int_equal(puller.landed_bad, bad);
        close(fd);
    }
    assert_int_equal(puller.landed, 0);
    fd = prove(&mac); /* and one that is good */
    header_of(1, 0, &mac, header);
    say(fd, header, sizeof header);
    say(fd, bytes, 1000);
    until(&puller.landed, 1);
    assert_memory_equal(puller.places[1], bytes, 1000);
    close(fd);
    until_no_streams(puller.bulk);
    assert_int_equal(puller.lost, lost_count); /* the end after a piece is no loss */
}

/* A peer that can do less; one that wants what nobody has offered; one in between that would have
 * them do less than both can. */
static void test_kinds_of_macs(void **state)
{
    (void)state;
    struct reeve_bulk_mac mac;
    uint8_t header[REEVE_BULK_HEADER_SIZE];
    int fd = prove_as(REEVE_BULK_POLY1305, &mac);
    for (uint32_t i = 0; i < 3; i++) {
        header_of(i, i, &mac, header);
        say(fd, header, sizeof header);
        say(fd, bytes, 1000);
    }
    until(&puller.landed, 3);
    assert_memory_equal(puller.places[2], bytes, 1000);
    close(fd);
    until_no_streams(puller.bulk);
    for (int i = 0; i < 2; i++) {
        uint8_t greeting[REEVE_BULK_GREETING_SIZE], hello[REEVE_BULK_HELLO_SIZE];
        struct reeve_bulk_terms terms;
        fd = connect_to(&puller);
        hear(fd, greeting, sizeof greeting);
        assert_true(reeve_bulk_greeting_read(greeting, &terms));
        memset(terms.dialler_nonce, 5, sizeof terms.dialler_nonce);
        terms.kind = i == 0 ? reeve_bulk_mac_best() + 1 : REEVE_BULK_POLY1305;
        terms.best -= i == 1;
        reeve_bulk_hello_write(hello, SOURCE_ID, &terms, forth);
        say(fd, hello, sizeof hello);
        until(&puller.rejected, (uint32_t)i + 1);
        assert_int_equal(puller.code, REEVE_EKEY);
        close(fd);
    }
}

static void test_session_ends(void **state)
{
    (void)state;
    struct reeve_bulk_mac mac;
    uint8_t header[REEVE_BULK_HEADER_SIZE];
    int fd = prove(&mac);
    header_of(1, 0, &mac, header);
    say(fd, header, sizeof header);
    say(fd, bytes, 1000);
    until(&puller.landed, 1);
    reeve_bulk_peer_down(puller.bulk, SOURCE);
    until_no_streams(puller.bulk);
    close(fd);
    /* what is queued when the other end goes comes back */
    for (uint32_t i = 0; i < PIECES; i++)
        assert_int_equal(give(i, true), REEVE_OK);
    while (source.sent + source.sent_bad < PIECES)
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(source.sent_bad > 0);
    /* tear_down closes with streams under way */
    reeve_bulk_peer_up(puller.bulk, SOURCE, SOURCE_ID, back, forth);
    for (uint32_t i = 0; i < PIECES; i++)
        assert_int_equal(give(i, true), REEVE_OK);
    for (uint32_t before = source.sent; source.sent == before;)
        uv_run(&loop, UV_RUN_ONCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_wanted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strangers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replayed_hello, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kinds_of_macs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_session_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pieces, set_up_tls, tear_down),
        cmocka_unit_test_setup_teardown(test_not_wanted, set_up_tls, tear_down),
        cmocka_unit_test_setup_teardown(test_no_way, set_up_tls, tear_down),
        cmocka_unit_test_setup_teardown(test_strangers, set_up_tls, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
