/* The inbox, from the side of those who connect to it: with plain sockets, and without a loop. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <reeve_errors.h>

#include "runtime/base/macros.h"
#include "runtime/wire/transport.h"
#include "tests/unit/test.h"
#include "tests/unit/wire/strangers.h"

#define MESSAGE_MAX   (1u << 20)
#define PATIENCE_MS   20000
#define STRANGERS_MAX 256
#define UNPROVEN_MAX  1024

static struct reeve_transport *transport;
static uint16_t port;
static int woken;

static void wake(void *arg)
{
    uint64_t one = 1;
    (void)arg;
    (void)!write(woken, &one, sizeof one);
}

static int setup(void **state)
{
    struct reeve_address listen, bound;
    char text[REEVE_TEXT_SIZE];
    (void)state;
    woken = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(woken >= 0);
    assert_int_equal(reeve_address_parse("127.0.0.1:0", &listen, text), REEVE_OK);
    assert_int_equal(reeve_transport_open(&listen, NULL, MESSAGE_MAX, UNPROVEN_MAX, STRANGERS_MAX,
                         wake, NULL, &transport, &bound, text),
        REEVE_OK);
    port = bound.port;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    reeve_transport_close(transport);
    close(woken);
    return 0;
}

/* The next event, which must come. */
static struct reeve_transport_event *await(void)
{
    struct reeve_transport_event *event;
    while ((event = reeve_transport_next(transport)) == NULL) {
        struct pollfd poll_fd = {.fd = woken, .events = POLLIN};
        uint64_t count;
        assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
        (void)!read(woken, &count, sizeof count);
    }
    return event;
}

static struct reeve_transport_event *expect(enum reeve_transport_event_kind kind)
{
    struct reeve_transport_event *event = await();
    assert_int_equal(event->kind, kind);
    return event;
}

static uint32_t expect_pipe(enum reeve_transport_event_kind kind)
{
    struct reeve_transport_event *event = expect(kind);
    uint32_t pipe = event->pipe;
    reeve_transport_event_free(event);
    return pipe;
}

static int connect_greeted(uint32_t *ret_pipe)
{
    uint8_t greeting[REEVE_SP_GREETING_SIZE];
    int fd = stranger_connect(port);
    assert_int_equal(recv(fd, greeting, sizeof greeting, MSG_WAITALL), sizeof greeting);
    assert_true(reeve_sp_greeting_is(greeting, REEVE_SP_PULL));
    reeve_sp_greeting_write(greeting, REEVE_SP_PUSH);
    for (size_t i = 0; i < sizeof greeting; i++)
        stranger_say(fd, greeting + i, 1); /* in pieces */
    *ret_pipe = expect_pipe(REEVE_TRANSPORT_PIPE_ADDED);
    return fd;
}

/* ---- strangers ------------------------------------------------------------------------------- */

/* A message of so many bytes, all of them `value`. */
static void say_message(int fd, uint8_t value, size_t size)
{
    static uint8_t bytes[MESSAGE_MAX];
    memset(bytes, value, size);
    stranger_say_message(fd, bytes, size);
}

static void expect_message(uint32_t pipe, uint8_t value, size_t size)
{
    struct reeve_transport_event *event = expect(REEVE_TRANSPORT_RECEIVED);
    assert_int_equal(event->pipe, pipe);
    assert_int_equal(event->message->size, size);
    assert_int_equal(event->message->bytes[size - 1], value);
    reeve_transport_event_free(event);
}

/* What is larger than strangers may send waits until the pipe is proven, and is not lost: it may
 * have been sent right behind the proof. Here `early`: before we know that it is proven. */
static void test_large_ones_wait_for_the_proof(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        uint32_t pipe, other;
        int fd = connect_greeted(&pipe);
        say_message(fd, 1, UNPROVEN_MAX);
        expect_message(pipe, 1, UNPROVEN_MAX);
        if (early)
            reeve_transport_prove_pipe(transport, pipe);
        say_message(fd, 2, UNPROVEN_MAX + 1);
        say_message(fd, 3, 10);
        if (!early) {
            /* others go on, and so it has had its time */
            int second = connect_greeted(&other);
            say_message(second, 4, 10);
            expect_message(other, 4, 10);
            close(second);
            assert_int_equal(expect_pipe(REEVE_TRANSPORT_PIPE_REMOVED), other);
            assert_null(reeve_transport_next(transport));
            reeve_transport_prove_pipe(transport, pipe);
        }
        expect_message(pipe, 2, UNPROVEN_MAX + 1);
        expect_message(pipe, 3, 10);
        say_message(fd, 5, MESSAGE_MAX / 2);
        expect_message(pipe, 5, MESSAGE_MAX / 2);
        close(fd);
        assert_int_equal(expect_pipe(REEVE_TRANSPORT_PIPE_REMOVED), pipe);
        reeve_transport_prove_pipe(transport, pipe); /* too late */
    }
}

static void test_large_ones_with_the_greeting(void **state)
{
    (void)state;
    uint8_t bytes[REEVE_SP_GREETING_SIZE + REEVE_SP_HEAD_SIZE_MAX];
    int fd = stranger_connect(port);
    reeve_sp_greeting_write(bytes, REEVE_SP_PUSH);
    stranger_say(fd, bytes,
        REEVE_SP_GREETING_SIZE +
            reeve_sp_head_write(bytes + REEVE_SP_GREETING_SIZE, false, MESSAGE_MAX));
    uint32_t pipe = expect_pipe(REEVE_TRANSPORT_PIPE_ADDED);
    reeve_transport_drop_pipe(transport, pipe);
    assert_int_equal(expect_pipe(REEVE_TRANSPORT_PIPE_REMOVED), pipe);
    stranger_until_closed(fd);
    assert_null(reeve_transport_next(transport)); /* once */
}

/* ---- one that sends much --------------------------------------------------------------------- */

#define MUCH_MESSAGES 100u
#define MUCH_SIZE     200000u
#define STALLED_MS    300

struct much {
    int fd;
    size_t sent; /* bytes of all of it */
    uint8_t bytes[REEVE_SP_HEAD_SIZE_MAX + MUCH_SIZE];
};

/* Whether it is writable; what is not for so long is taken to have stalled, but not before so much
 * has been sent as has to be taken. */
static bool is_writable(int fd, size_t sent)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, sent < REEVE_TRANSPORT_QUEUE_MAX ? PATIENCE_MS : STALLED_MS) == 1;
}

/* Sends until all has been sent, or nothing more is taken. */
static void send_much(struct much *much)
{
    const size_t one = reeve_sp_head_write(much->bytes, false, MUCH_SIZE) + MUCH_SIZE;
    while (much->sent < MUCH_MESSAGES * one && is_writable(much->fd, much->sent)) {
        size_t at = much->sent % one;
        memset(much->bytes + one - MUCH_SIZE, (int)(much->sent / one), MUCH_SIZE);
        ssize_t count = send(much->fd, much->bytes + at, one - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0)
            assert_int_equal(errno, EAGAIN);
        else
            much->sent += (size_t)count;
    }
}

static void test_pauses_and_goes_on(void **state)
{
    (void)state;
    uint32_t pipe;
    static struct much much;
    much = (struct much){.fd = connect_greeted(&pipe)};
    reeve_transport_prove_pipe(transport, pipe);
    send_much(&much);
    assert_in_range(much.sent, REEVE_TRANSPORT_QUEUE_MAX, MUCH_MESSAGES * MUCH_SIZE - 1);
    for (uint32_t i = 0; i < MUCH_MESSAGES; i++) {
        struct reeve_transport_event *event = reeve_transport_next(transport);
        if (event == NULL)
            send_much(&much);
        if (event == NULL)
            event = await();
        assert_int_equal(event->kind, REEVE_TRANSPORT_RECEIVED);
        assert_int_equal(event->pipe, pipe);
        assert_int_equal(event->message->size, MUCH_SIZE);
        assert_int_equal(event->message->bytes[0], i);
        assert_int_equal(event->message->bytes[MUCH_SIZE - 1], i);
        reeve_transport_event_free(event);
    }
    close(much.fd);
    assert_int_equal(expect_pipe(REEVE_TRANSPORT_PIPE_REMOVED), pipe);
}

/* One that pauses has no operation under way that could tell that it has been dropped. */
static void test_dropped_while_it_pauses(void **state)
{
    (void)state;
    uint32_t pipe, removed = 0, received = 0;
    static struct much much;
    much = (struct much){.fd = connect_greeted(&pipe)};
    reeve_transport_prove_pipe(transport, pipe);
    send_much(&much);
    reeve_transport_drop_pipe(transport, pipe);
    reeve_transport_drop_pipe(transport, pipe);
    while (removed == 0) {
        struct reeve_transport_event *event = await();
        received += event->kind == REEVE_TRANSPORT_RECEIVED;
        removed += event->kind == REEVE_TRANSPORT_PIPE_REMOVED;
        reeve_transport_event_free(event);
    }
    assert_in_range(received, 1, MUCH_MESSAGES - 1);
    stranger_until_closed(much.fd);
    assert_null(reeve_transport_next(transport)); /* once */
    reeve_transport_drop_pipe(transport, pipe);
}

/* Messages of no bytes take memory, too: whoever sends nothing else is held up all the same. */
static void test_many_empty_ones(void **state)
{
    (void)state;
    static const uint8_t heads[1 << 16]; /* of 8 bytes, each a length: 0 */
    const size_t most = 16u << 20;
    uint32_t pipe, received = 0;
    size_t sent = 0;
    int fd = connect_greeted(&pipe);
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    while (sent < most && poll(&poll_fd, 1, STALLED_MS) == 1) {
        ssize_t count = send(fd, heads, sizeof heads, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += count > 0 ? (size_t)count : 0;
    }
    assert_in_range(sent, 1, most - 1);
    while (received < sent / 8) {
        struct reeve_transport_event *event = await();
        assert_int_equal(event->kind, REEVE_TRANSPORT_RECEIVED);
        assert_int_equal(event->message->size, 0);
        reeve_transport_event_free(event);
        received++;
    }
    close(fd);
    assert_int_equal(expect_pipe(REEVE_TRANSPORT_PIPE_REMOVED), pipe);
}

/* ---- those that say nothing ------------------------------------------------------------------ */

static void test_silent_ones_make_room(void **state)
{
    (void)state;
    int silent[STRANGERS_MAX + 1];
    uint8_t greeting[REEVE_SP_GREETING_SIZE];
    for (int i = 0; i <= STRANGERS_MAX; i++) {
        silent[i] = stranger_connect(port);
        /* it has been seen, so it is in their order */
        assert_int_equal(recv(silent[i], greeting, sizeof greeting, MSG_WAITALL), sizeof greeting);
    }
    stranger_until_closed(silent[0]);
    expect_pipe(REEVE_TRANSPORT_PIPE_REMOVED); /* of which nobody has heard */
    assert_int_equal(recv(silent[STRANGERS_MAX], greeting, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    /* one that has gone leaves its place */
    close(silent[1]);
    expect_pipe(REEVE_TRANSPORT_PIPE_REMOVED);
    uint32_t pipe;
    int fd = connect_greeted(&pipe);
    for (int i = 2; i <= STRANGERS_MAX; i++)
        close(silent[i]);
    close(fd);
}

static void test_closed_with_all_there_is(void **state)
{
    (void)state;
    uint32_t pipe;
    int silent = stranger_connect(port), fd = connect_greeted(&pipe),
        other = connect_greeted(&pipe);
    uint8_t head[REEVE_SP_HEAD_SIZE_MAX];
    stranger_say(other, head, reeve_sp_head_write(head, false, 1000)); /* and never the rest */
    assert_int_equal(teardown(state), 0);
    stranger_until_closed(silent);
    stranger_until_closed(fd);
    stranger_until_closed(other);
    assert_int_equal(setup(state), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_large_ones_wait_for_the_proof, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_ones_with_the_greeting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pauses_and_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dropped_while_it_pauses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_empty_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_ones_make_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_with_all_there_is, setup, teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nng_fini(); /* its reaper frees what was closed last, before the leak checker looks */
    return failed;
}
