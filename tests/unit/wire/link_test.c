/* Links over real sockets on loopback, in plain and by TLS: two or three in one process, on one
 * loop, and strangers that speak raw TCP. A guard fails each wait after ten seconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <nng/nng.h>

#include <reeve_errors.h>

#include "runtime/wire/link.h"
#include "runtime/wire/transport.h"

#define GUARD_MS 10000

struct end {
    struct reeve_link *link;
    uint64_t uid;
    unsigned ups, downs, dials_failed, rejections, drains;
    reeve_peer peer; /* the latest that came up */
    struct reeve_peer_info info;
    int code; /* of the latest failure */
    char text[REEVE_TEXT_SIZE + 64];
    uint64_t messages, bytes, next_count;
    bool in_order;
    bool close_on_message, close_link_on_message;
    bool closed;
};

static uv_loop_t loop;
static uint8_t key[REEVE_KEY_SIZE] = {7};
static const uint8_t other_key[REEVE_KEY_SIZE] = {8};
static const char *any_port; /* the tests are run for each kind of address */

static void on_up(void *arg, reeve_peer peer, const struct reeve_peer_info *info)
{
    struct end *end = arg;
    end->ups++;
    end->peer = peer;
    end->info = *info;
}

static void on_down(void *arg, reeve_peer peer, int code, const char *text)
{
    struct end *end = arg;
    end->downs++;
    if (end->peer == peer)
        end->peer = 0;
    end->code = code;
    snprintf(end->text, sizeof end->text, "%s", text);
}

static void on_dial_failed(void *arg, const char *address, int code, const char *text)
{
    struct end *end = arg;
    (void)address;
    end->dials_failed++;
    end->code = code;
    snprintf(end->text, sizeof end->text, "%s", text);
}

static void on_closed(void *arg)
{
    ((struct end *)arg)->closed = true;
}

static void on_message(void *arg, reeve_peer peer, const Reeve__Message *message)
{
    struct end *end = arg;
    end->messages++;
    if (message->body_case == REEVE__MESSAGE__BODY_CONTROL) {
        if (message->control->count != end->next_count++)
            end->in_order = false;
    } else if (message->body_case == REEVE__MESSAGE__BODY_OBJECT_CHUNK) {
        if (message->object_chunk->offset != end->bytes)
            end->in_order = false;
        end->bytes += message->object_chunk->data.len;
    }
    if (end->close_link_on_message)
        reeve_link_close(end->link, on_closed, end);
    if (end->close_on_message)
        reeve_link_close_peer(end->link, peer, REEVE_ESHUTDOWN, "enough");
}

static void on_drained(void *arg, reeve_peer peer)
{
    struct end *end = arg;
    (void)peer;
    end->drains++;
}

static void on_rejected(void *arg, int code, const char *text)
{
    struct end *end = arg;
    end->rejections++;
    if (getenv("REEVE_TEST_VERBOSE") != NULL)
        print_message("%lu rejected %d %s\n", end->uid, code, text);
    end->code = code;
    snprintf(end->text, sizeof end->text, "%s", text);
}

static int try_open(struct end *end, uint64_t uid, const char *listen, const char *advertise,
    const uint8_t *with_key, uint32_t timeout_ms, char *text)
{
    memset(end, 0, sizeof *end);
    end->uid = uid;
    end->in_order = true;
    struct reeve_link_options options = {
        .loop = &loop,
        .role = REEVE_ROLE_NODE,
        .uid = uid,
        .incarnation = uid * 10,
        .key = with_key,
        .listen = listen,
        .advertise = advertise,
        .handshake_timeout_ms = timeout_ms,
        .callbacks = {on_up, on_down, on_dial_failed, on_message, on_drained, on_rejected},
        .arg = end,
    };
    return reeve_link_open(&options, &end->link, text);
}

static void open_end(struct end *end, uint64_t uid)
{
    char text[REEVE_TEXT_SIZE];
    assert_int_equal(try_open(end, uid, any_port, NULL, key, 0, text), REEVE_OK);
}

static unsigned port_of(const struct end *end)
{
    return (unsigned)strtoul(strrchr(reeve_link_address(end->link), ':') + 1, NULL, 10);
}

static void on_guard(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Runs the loop until the condition holds. */
#define RUN_UNTIL(condition)                                 \
    do {                                                     \
        bool late = false;                                   \
        uv_timer_t guard;                                    \
        uv_timer_init(&loop, &guard);                        \
        guard.data = &late;                                  \
        uv_timer_start(&guard, on_guard, GUARD_MS, 0);       \
        while (!(condition) && !late)                        \
            uv_run(&loop, UV_RUN_ONCE);                      \
        uv_close((uv_handle_t *)&guard, NULL);               \
        while (uv_is_active((uv_handle_t *)&guard))          \
            uv_run(&loop, UV_RUN_NOWAIT);                    \
        uv_run(&loop, UV_RUN_NOWAIT);                        \
        if (late)                                            \
            fail_msg("this did not come true: " #condition); \
    } while (0)

static void close_end(struct end *end)
{
    reeve_link_close(end->link, on_closed, end);
    RUN_UNTIL(end->closed);
}

static void connect_ends(struct end *from, struct end *to)
{
    assert_int_equal(reeve_link_dial(from->link, reeve_link_address(to->link)), REEVE_OK);
    RUN_UNTIL(from->ups == 1 && to->ups == 1);
}

static int setup(void **state)
{
    (void)state;
    any_port = "tcp://127.0.0.1:0";
    return uv_loop_init(&loop);
}

static int setup_tls(void **state)
{
    int error = setup(state);
    any_port = "tls+tcp://127.0.0.1:0";
    return error;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    return uv_loop_close(&loop); /* fails when anything was left open */
}

static int send_count(struct end *end, uint64_t count)
{
    struct reeve_message message = {.kind = REEVE_MESSAGE_HEARTBEAT, .count = count};
    return reeve_link_send_control(end->link, end->peer, &message);
}

/* --- sessions ------------------------------------------------------------------------------ */

static void test_up_and_both_ways(void **state)
{
    (void)state;
    struct end a, b;
    open_end(&a, 1);
    open_end(&b, 2);
    connect_ends(&a, &b);
    assert_int_equal(a.info.uid, 2);
    assert_int_equal(a.info.incarnation, 20);
    assert_int_equal(a.info.role, REEVE_ROLE_NODE);
    assert_string_equal(a.info.address, reeve_link_address(b.link));
    assert_string_equal(a.info.release, REEVE_VERSION);
    assert_int_equal(b.info.uid, 1);
    assert_string_equal(b.info.address, reeve_link_address(a.link));
    assert_int_equal(send_count(&a, 0), REEVE_OK);
    assert_int_equal(send_count(&b, 0), REEVE_OK);
    RUN_UNTIL(a.messages == 1 && b.messages == 1);
    /* dialling a peer that is up is no event */
    assert_int_equal(reeve_link_dial(b.link, reeve_link_address(a.link)), REEVE_OK);
    assert_int_equal(send_count(&a, 1), REEVE_OK);
    RUN_UNTIL(b.messages == 2);
    assert_int_equal(a.ups + b.ups, 2);
    assert_int_equal(a.downs + b.downs + a.rejections + b.rejections, 0);
    close_end(&a);
    RUN_UNTIL(b.downs == 1);
    assert_int_equal(b.code, REEVE_ELINK);
    assert_int_equal(send_count(&b, 1), REEVE_EHANDLE);
    close_end(&b);
}

static void test_both_dial_at_once(void **state)
{
    (void)state;
    struct end a, b;
    open_end(&a, 1);
    open_end(&b, 2);
    for (int round = 0; round < 20; round++) {
        a.ups = b.ups = a.downs = b.downs = 0;
        a.text[0] = b.text[0] = 0;
        reeve_link_dial(a.link, reeve_link_address(b.link));
        reeve_link_dial(b.link, reeve_link_address(a.link));
        RUN_UNTIL(a.ups - a.downs == 1 && b.ups - b.downs == 1);
        if (a.dials_failed + b.dials_failed + a.rejections + b.rejections != 0)
            fail_msg("round %d: %s / %s", round, a.text, b.text);
        a.next_count = b.next_count = 0;
        uint64_t a_had = a.messages, b_had = b.messages;
        while (a.messages == a_had || b.messages == b_had) {
            /* should the session still change, what was said in the old one is said again */
            a.next_count = b.next_count = 0;
            if (a.peer != 0)
                send_count(&a, 0);
            if (b.peer != 0)
                send_count(&b, 0);
            uv_run(&loop, UV_RUN_ONCE);
        }
        assert_int_equal(a.ups - a.downs, 1);
        assert_int_equal(b.ups - b.downs, 1);
        reeve_link_close_peer(a.link, a.peer, REEVE_ESHUTDOWN, "next round");
        RUN_UNTIL(a.ups == a.downs && b.ups == b.downs);
    }
    close_end(&a);
    close_end(&b);
}

static void test_three(void **state)
{
    (void)state;
    struct end end[3];
    for (int i = 0; i < 3; i++)
        open_end(&end[i], (uint64_t)i + 1);
    for (int i = 0; i < 3; i++)
        reeve_link_dial(end[i].link, reeve_link_address(end[(i + 1) % 3].link));
    RUN_UNTIL(end[0].ups == 2 && end[1].ups == 2 && end[2].ups == 2);
    close_end(&end[1]);
    RUN_UNTIL(end[0].downs == 1 && end[2].downs == 1);
    end[0].peer = end[0].peer != 0 ? end[0].peer : 0;
    close_end(&end[0]);
    RUN_UNTIL(end[2].downs == 2);
    close_end(&end[2]);
}

static void test_abstract_and_ipv6(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE], name[64];
    struct end a, b, c;
    snprintf(name, sizeof name, "abstract://reeve-link-test-%ld", (long)getpid());
    assert_int_equal(try_open(&a, 1, name, NULL, key, 0, text), REEVE_OK);
    assert_string_equal(reeve_link_address(a.link), name);
    assert_int_equal(try_open(&b, 2, "[::1]:0", NULL, key, 0, text), REEVE_OK);
    assert_ptr_equal(
        strstr(reeve_link_address(b.link), "tcp://[::1]:"), reeve_link_address(b.link));
    open_end(&c, 3);
    connect_ends(&b, &a);
    reeve_link_dial(c.link, reeve_link_address(b.link));
    RUN_UNTIL(c.ups == 1 && b.ups == 2);
    /* the name is taken */
    struct end d;
    assert_int_equal(try_open(&d, 4, name, NULL, key, 0, text), REEVE_EADDRINUSE);
    close_end(&a);
    close_end(&b);
    close_end(&c);
}

static void test_goodbye(void **state)
{
    (void)state;
    struct end a, b;
    open_end(&a, 1);
    open_end(&b, 2);
    connect_ends(&a, &b);
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(send_count(&a, i), REEVE_OK);
    reeve_link_close_peer(a.link, a.peer, REEVE_ESHUTDOWN, "the node is drained");
    assert_int_equal(send_count(&a, 1000), REEVE_EHANDLE);
    RUN_UNTIL(a.downs == 1 && b.downs == 1);
    assert_int_equal(b.messages, 1000); /* what was queued before came through */
    assert_int_equal(b.code, REEVE_ESHUTDOWN);
    assert_string_equal(b.text, "the node is drained");
    assert_int_equal(a.code, REEVE_ESHUTDOWN);
    /* and a new session is possible */
    reeve_link_dial(b.link, reeve_link_address(a.link));
    RUN_UNTIL(a.ups == 2 && b.ups == 2);
    /* closing in the middle of a frame: the rest of it is not delivered */
    b.close_on_message = true;
    uint64_t had = b.messages;
    for (uint64_t i = 0; i < 10; i++)
        send_count(&a, i);
    RUN_UNTIL(a.downs == 2 && b.downs == 2);
    assert_int_equal(b.messages, had + 1);
    close_end(&a);
    close_end(&b);
}

static void test_close_in_a_callback(void **state)
{
    (void)state;
    struct end a, b;
    open_end(&a, 1);
    open_end(&b, 2);
    connect_ends(&a, &b);
    b.close_link_on_message = true;
    for (uint64_t i = 0; i < 100; i++)
        send_count(&a, i);
    RUN_UNTIL(b.closed && a.downs == 1);
    assert_int_equal(b.messages, 1);
    assert_int_equal(b.downs, 0);
    close_end(&a);
}

/* --- volume -------------------------------------------------------------------------------- */

static void test_many_small_messages(void **state)
{
    (void)state;
    const uint64_t total = 100000;
    struct end a, b;
    open_end(&a, 1);
    open_end(&b, 2);
    connect_ends(&a, &b);
    for (uint64_t i = 0; i < total; i++)
        assert_int_equal(send_count(&a, i), REEVE_OK);
    assert_true(reeve_link_queued_bytes(a.link, a.peer) > total * 5);
    RUN_UNTIL(b.messages == total);
    assert_true(b.in_order);
    RUN_UNTIL(reeve_link_queued_bytes(a.link, a.peer) == 0);
    assert_int_equal(a.drains, 1);
    close_end(&a);
    close_end(&b);
}

static void test_chunks_with_back_pressure(void **state)
{
    (void)state;
    const uint64_t total = 64u << 20;
    struct end a, b;
    open_end(&a, 1);
    open_end(&b, 2);
    connect_ends(&a, &b);
    uint8_t *data = calloc(1, REEVE_CHUNK_SIZE_BYTES);
    size_t highest = 0;
    for (uint64_t sent = 0; sent < total;) {
        if (reeve_link_queued_bytes(a.link, a.peer) > 2 * REEVE_CHUNK_SIZE_BYTES) {
            unsigned drains = a.drains;
            RUN_UNTIL(a.drains > drains);
        }
        Reeve__ObjectId id = REEVE__OBJECT_ID__INIT;
        Reeve__ObjectChunk chunk = REEVE__OBJECT_CHUNK__INIT;
        chunk.id = &id;
        chunk.offset = sent;
        chunk.size = total;
        chunk.has_data = 1;
        chunk.data.data = data;
        chunk.data.len = REEVE_CHUNK_SIZE_BYTES;
        Reeve__Message message = REEVE__MESSAGE__INIT;
        message.body_case = REEVE__MESSAGE__BODY_OBJECT_CHUNK;
        message.object_chunk = &chunk;
        assert_int_equal(reeve_link_send(a.link, a.peer, &message), REEVE_OK);
        sent += REEVE_CHUNK_SIZE_BYTES;
        if (reeve_link_queued_bytes(a.link, a.peer) > highest)
            highest = reeve_link_queued_bytes(a.link, a.peer);
        /* one that can never fit */
        chunk.data.len = REEVE_FRAME_SIZE_MAX;
        if (sent == total) {
            chunk.data.data = data = realloc(data, REEVE_FRAME_SIZE_MAX);
            assert_int_equal(reeve_link_send(a.link, a.peer, &message), REEVE_ETOOLARGE);
        }
    }
    RUN_UNTIL(b.bytes == total);
    assert_true(b.in_order);
    assert_true(highest < 4 * REEVE_CHUNK_SIZE_BYTES);
    free(data);
    close_end(&a);
    close_end(&b);
}

/* --- dials that fail ----------------------------------------------------------------------- */

static void test_wrong_key(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE];
    struct end a, b;
    open_end(&a, 1);
    assert_int_equal(try_open(&b, 2, any_port, NULL, other_key, 0, text), REEVE_OK);
    reeve_link_dial(b.link, reeve_link_address(a.link));
    RUN_UNTIL(b.dials_failed == 1 && a.rejections == 1);
    assert_int_equal(b.code, REEVE_EKEY);
    assert_non_null(strstr(b.text, reeve_link_address(a.link)));
    assert_non_null(strstr(b.text, "refused our cluster key"));
    assert_int_equal(a.code, REEVE_EKEY);
    assert_non_null(strstr(a.text, "127.0.0.1:"));
    assert_int_equal(a.ups + b.ups, 0);
    close_end(&a);
    close_end(&b);
}

static void test_refused_silent_and_self(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE], address[64];
    struct end a;
    assert_int_equal(try_open(&a, 1, "127.0.0.1:0", NULL, key, 300, text), REEVE_OK);
    /* a port with nobody behind it: bound, not listening */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%u", ntohs(in.sin_port));
    uint64_t before_ns = uv_hrtime();
    assert_int_equal(reeve_link_dial(a.link, address), REEVE_OK);
    assert_int_equal(reeve_link_dial(a.link, address), REEVE_OK); /* the same dial */
    RUN_UNTIL(a.dials_failed == 1);
    assert_int_equal(a.code, REEVE_EREFUSED);
    assert_true(uv_hrtime() - before_ns < 200 * 1000000ull);
    /* somebody who accepts and says nothing */
    assert_int_equal(listen(fd, 4), 0);
    reeve_link_dial(a.link, address);
    RUN_UNTIL(a.dials_failed == 2);
    assert_int_equal(a.code, REEVE_ETIMEDOUT);
    assert_non_null(strstr(a.text, address));
    close(fd);
    /* ourselves */
    reeve_link_dial(a.link, reeve_link_address(a.link));
    RUN_UNTIL(a.dials_failed == 3);
    assert_int_equal(a.code, REEVE_EADDRESS);
    assert_non_null(strstr(a.text, "our own address"));
    /* what is no address */
    assert_int_equal(reeve_link_dial(a.link, "tcp://*:1"), REEVE_EADDRESS);
    assert_int_equal(reeve_link_dial(a.link, "http://x"), REEVE_EADDRESS);
    reeve_link_dial(a.link, "no-such-host.invalid:6380");
    RUN_UNTIL(a.dials_failed == 4);
    assert_true(a.code == REEVE_EADDRESS || a.code == REEVE_ETIMEDOUT);
    close_end(&a);
}

/* The dialler says it is reached where it is not: the other side cannot answer. */
static void test_unreachable_dialler(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE];
    struct end a, b;
    open_end(&a, 1);
    assert_int_equal(try_open(&b, 2, "127.0.0.1:0", "127.0.0.1:1", key, 300, text), REEVE_OK);
    reeve_link_dial(b.link, reeve_link_address(a.link));
    RUN_UNTIL(b.dials_failed == 1 && a.rejections == 1);
    assert_int_equal(b.code, REEVE_ETIMEDOUT);
    assert_non_null(strstr(b.text, "tcp://127.0.0.1:1"));
    assert_non_null(strstr(b.text, "--advertise"));
    assert_int_equal(a.code, REEVE_EREFUSED);
    close_end(&a);
    close_end(&b);
}

/* --- listening ----------------------------------------------------------------------------- */

static void test_listening(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE], address[128];
    struct end a, b;
    open_end(&a, 1);
    unsigned port = port_of(&a);
    assert_int_not_equal(port, 0);
    assert_int_equal(
        try_open(&b, 2, reeve_link_address(a.link), NULL, key, 0, text), REEVE_EADDRINUSE);
    snprintf(address, sizeof address, "port %u", port);
    assert_non_null(strstr(text, address));
    snprintf(address, sizeof address, "127.0.0.1:%u-%u", port, port + 20);
    assert_int_equal(try_open(&b, 2, address, NULL, key, 0, text), REEVE_OK);
    unsigned second = port_of(&b);
    assert_in_range(second, port + 1, port + 20);
    connect_ends(&a, &b);
    close_end(&b);
    assert_int_equal(try_open(&b, 2, "0.0.0.0:0", NULL, key, 0, text), REEVE_EADDRESS);
    assert_non_null(strstr(text, "--advertise"));
    assert_int_equal(try_open(&b, 2, "0.0.0.0:0", "127.0.0.1", key, 0, text), REEVE_OK);
    assert_int_equal(strncmp(reeve_link_address(b.link), "tcp://127.0.0.1:", 16), 0);
    a.ups = 0;
    connect_ends(&a, &b);
    close_end(&b);
    assert_int_equal(try_open(&b, 2, "192.0.2.1:0", NULL, key, 0, text), REEVE_EADDRESS);
    assert_int_equal(try_open(&b, 2, "tcp://x:y", NULL, key, 0, text), REEVE_EADDRESS);
    close_end(&a);
}

/* --- strangers ----------------------------------------------------------------------------- */

static const uint8_t sp_push[8] = {0, 'S', 'P', 0, 0, 0x50, 0, 0};

static int stranger(const struct end *end)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    in.sin_port = htons((uint16_t)port_of(end));
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

static void say(int fd, const void *data, size_t size)
{
    assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

static void say_message(int fd, const void *data, size_t size)
{
    uint8_t length[8] = {0};
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)size >> (8 * (7 - i)));
    say(fd, length, 8);
    if (data != NULL)
        say(fd, data, size);
}

/* The other side (nng's threads) closes the stranger's connection. */
static void expect_hang_up(int fd)
{
    struct timeval limit = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char bytes[16];
    ssize_t count;
    while ((count = recv(fd, bytes, sizeof bytes, 0)) > 0)
        ;
    assert_true(count == 0 || errno == ECONNRESET);
    close(fd);
}

static void test_strangers(void **state)
{
    (void)state;
    struct end a, b;
    open_end(&a, 1);
    open_end(&b, 2);
    connect_ends(&a, &b);

    /* no SP at all: nng hangs up; nobody is told */
    int fd = stranger(&a);
    say(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    expect_hang_up(fd);
    assert_int_equal(a.rejections, 0);

    /* SP, then junk */
    fd = stranger(&a);
    say(fd, sp_push, 8);
    say_message(fd, "what is this, it is no frame at all", 35);
    RUN_UNTIL(a.rejections == 1);
    assert_int_equal(a.code, REEVE_EPROTOCOL);
    expect_hang_up(fd);

    /* an empty message */
    fd = stranger(&a);
    say(fd, sp_push, 8);
    say_message(fd, "", 0);
    RUN_UNTIL(a.rejections == 2);
    close(fd);

    /* a hello that is junk, a proof out of the blue, a frame before the handshake, another
     * version */
    for (uint8_t type = 1; type <= 6; type++) {
        uint8_t frame[64] = {'R', 'V', REEVE_WIRE_VERSION, type};
        fd = stranger(&a);
        say(fd, sp_push, 8);
        say_message(fd, frame, sizeof frame);
        RUN_UNTIL(a.rejections == 2u + type);
        assert_int_equal(a.code, REEVE_EPROTOCOL);
        close(fd);
    }
    uint8_t frame[64] = {'R', 'V', REEVE_WIRE_VERSION + 1, REEVE_FRAME_PROOF};
    fd = stranger(&a);
    say(fd, sp_push, 8);
    say_message(fd, frame, sizeof frame);
    RUN_UNTIL(a.rejections == 9);
    assert_int_equal(a.code, REEVE_EVERSION);
    assert_non_null(strstr(a.text, "version 7"));
    close(fd);

    /* more than the limit: nng hangs up as soon as it has read the length */
    fd = stranger(&a);
    say(fd, sp_push, 8);
    say_message(fd, NULL, REEVE_FRAME_SIZE_MAX + REEVE_FRAME_HEADER_SIZE + 1);
    RUN_UNTIL(a.rejections == 10);
    close(fd);

    /* gone without a word */
    uint8_t greeting[8];
    fd = stranger(&a);
    say(fd, sp_push, 8);
    assert_int_equal(recv(fd, greeting, 8, MSG_WAITALL), 8);
    uv_run(&loop, UV_RUN_NOWAIT);
    close(fd);
    RUN_UNTIL(a.rejections == 11);

    /* the session of those who behave has not noticed */
    assert_int_equal(send_count(&b, 0), REEVE_OK);
    RUN_UNTIL(a.messages == 1);
    assert_int_equal(a.downs + b.downs, 0);
    close_end(&a);
    close_end(&b);
}

static void test_silent_stranger(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE];
    struct end a;
    assert_int_equal(try_open(&a, 1, "127.0.0.1:0", NULL, key, 200, text), REEVE_OK);
    int fd = stranger(&a);
    say(fd, sp_push, 8);
    RUN_UNTIL(a.rejections == 1);
    assert_int_equal(a.code, REEVE_ETIMEDOUT);
    expect_hang_up(fd);
    close_end(&a);
}

/* More strangers than are let in at a time; a proper peer still gets through. */
static void test_many_strangers(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static int fds[COUNT];
    struct end a, b;
    open_end(&a, 1);
    open_end(&b, 2);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = stranger(&a);
        say(fds[i], sp_push, 8);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    RUN_UNTIL(a.rejections >= 20); /* the rest goes unsaid: limited */
    assert_int_equal(a.code, REEVE_EBUSY);
    connect_ends(&b, &a);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    close_end(&a);
    close_end(&b);
}

/* --- TLS ----------------------------------------------------------------------------------- */

/* Each side is told which address to write. */
static void test_plain_and_tls(void **state)
{
    (void)state;
    char address[128];
    struct end encrypted, plain;
    open_end(&encrypted, 1);
    any_port = "tcp://127.0.0.1:0";
    open_end(&plain, 2);
    /* not by a slip of one's own, either */
    assert_int_equal(
        reeve_link_dial(plain.link, reeve_link_address(encrypted.link)), REEVE_EADDRESS);
    assert_int_equal(
        reeve_link_dial(encrypted.link, reeve_link_address(plain.link)), REEVE_EADDRESS);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%u", port_of(&encrypted));
    reeve_link_dial(plain.link, address);
    RUN_UNTIL(plain.dials_failed == 1 && encrypted.rejections >= 1);
    assert_int_equal(plain.code, REEVE_EPROTOCOL);
    assert_non_null(strstr(plain.text, "speaks TLS: write tls+tcp://127.0.0.1:"));
    assert_int_equal(encrypted.code, REEVE_EPROTOCOL);
    assert_non_null(strstr(encrypted.text, "127.0.0.1:"));
    assert_non_null(strstr(encrypted.text, "it has to dial tls+tcp://"));
    snprintf(address, sizeof address, "tls+tcp://127.0.0.1:%u", port_of(&plain));
    reeve_link_dial(encrypted.link, address);
    RUN_UNTIL(encrypted.dials_failed == 1);
    assert_non_null(strstr(encrypted.text, "does not speak TLS: write tcp://"));
    close_end(&encrypted);
    close_end(&plain);
}

/* Whatever they say or do not say, proper peers get through; those that are silent make room. */
static void test_tls_strangers(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static int fds[COUNT];
    struct end a, b;
    open_end(&a, 1);
    open_end(&b, 2);
    connect_ends(&b, &a);
    int fd = stranger(&a);
    say(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    RUN_UNTIL(a.rejections == 1);
    assert_non_null(strstr(a.text, "no daemon of a cluster"));
    expect_hang_up(fd);
    for (int i = 0; i < 2 * COUNT; i++) { /* gone in the middle of the handshake; and silent */
        fds[i % COUNT] = stranger(&a);
        say(fds[i % COUNT], "\x16\x03\x01\x01\x00\x01", i % 7);
        if (i < COUNT)
            close(fds[i]);
    }
    expect_hang_up(fds[0]);
    close_end(&b);
    RUN_UNTIL(a.downs == 1);
    open_end(&b, 2);
    a.ups = 0;
    connect_ends(&b, &a);
    for (int i = 1; i < COUNT; i++)
        close(fds[i]);
    close_end(&a);
    close_end(&b);
}

/* A number that nng has no words for. */
static void test_words_of_the_resolver(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE];
    assert_int_equal(
        reeve_transport_dial_error(NNG_ESYSERR + EAI_AGAIN, "tcp://here:1", text), REEVE_ESYSTEM);
    assert_non_null(strstr(text, gai_strerror(EAI_AGAIN)));
    assert_non_null(strstr(text, "tcp://here:1"));
    (void)reeve_transport_dial_error(NNG_ECLOSED, "tcp://here:1", text);
    assert_non_null(strstr(text, nng_strerror(NNG_ECLOSED)));
    (void)reeve_transport_dial_error(NNG_ESYSERR + EMFILE, "tcp://here:1", text);
    assert_non_null(strstr(text, strerror(EMFILE)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_of_the_resolver),
        cmocka_unit_test_setup_teardown(test_up_and_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_dial_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_three, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abstract_and_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goodbye, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_in_a_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_small_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chunks_with_back_pressure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_silent_and_self, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unreachable_dialler, setup, teardown),
        cmocka_unit_test_setup_teardown(test_listening, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strangers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_stranger, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_strangers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_up_and_both_ways, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_both_dial_at_once, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_three, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_goodbye, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_close_in_a_callback, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_many_small_messages, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_chunks_with_back_pressure, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_key, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_plain_and_tls, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_tls_strangers, setup_tls, teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nng_fini(); /* its reaper frees what was closed last, before the leak checker looks */
    return failed;
}
