/* Messages between client and daemon: what is sent arrives, with its descriptors; what is
 * malformed does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <reeve_errors.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/wire/local.h"

static char name[64];
static int listener, client, server;

static int setup(void **state)
{
    (void)state;
    snprintf(name, sizeof name, "reeve-local-test-%d", (int)getpid());
    assert_int_equal(reeve_local_listen(name, &listener), REEVE_OK);
    assert_int_equal(reeve_local_accept(listener, &server), REEVE_EAGAIN);
    assert_int_equal(reeve_local_connect(name, &client), REEVE_OK);
    assert_int_equal(reeve_local_accept(listener, &server), REEVE_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(listener);
    close(client);
    close(server);
    return 0;
}

static void test_message_arrives(void **state)
{
    (void)state;
    struct reeve_local_message sent = {.kind = REEVE_LOCAL_HELLO, .version = 7, .token = 1u << 31};
    reeve_local_set_text(&sent, "%s", "a program");
    int pipe_fds[2];
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    sent.fds[0] = pipe_fds[1];
    sent.fd_count = 1;
    assert_int_equal(reeve_local_send(client, &sent, 0), REEVE_OK);
    close(pipe_fds[1]);
    struct reeve_local_message got;
    assert_int_equal(reeve_local_receive(server, &got, MSG_DONTWAIT), REEVE_OK);
    assert_int_equal(got.kind, REEVE_LOCAL_HELLO);
    assert_int_equal(got.version, 7);
    assert_int_equal(got.token, 1u << 31);
    assert_string_equal(got.text, "a program");
    assert_int_equal(got.fd_count, 1);
    assert_true(fcntl(got.fds[0], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(got.fds[0], "x", 1), 1);
    char byte;
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    close(got.fds[0]);
    close(pipe_fds[0]);
    assert_int_equal(reeve_local_receive(server, &got, MSG_DONTWAIT), REEVE_EAGAIN);
}

static void test_text_is_cut(void **state)
{
    (void)state;
    struct reeve_local_message sent = {.kind = REEVE_LOCAL_BYE}, got;
    reeve_local_set_text(&sent, "%0600d", 1);
    assert_int_equal(sent.text_size, REEVE_LOCAL_TEXT_SIZE - 1);
    assert_int_equal(reeve_local_send(client, &sent, 0), REEVE_OK);
    assert_int_equal(reeve_local_receive(server, &got, MSG_DONTWAIT), REEVE_OK);
    assert_int_equal(got.text_size, REEVE_LOCAL_TEXT_SIZE - 1);
    assert_int_equal(strlen(got.text), REEVE_LOCAL_TEXT_SIZE - 1);
}

/* Where a process has no descriptor left the message is lost, and that is no fault of the peer. */
static void test_no_room_for_descriptors(void **state)
{
    (void)state;
    struct reeve_local_message sent = {
        .kind = REEVE_LOCAL_HELLO, .fd_count = 2, .fds = {listener, client}};
    struct reeve_local_message got;
    struct rlimit before, none;
    assert_false(reeve_local_brings_descriptors(server));
    assert_int_equal(reeve_local_send(client, &sent, 0), REEVE_OK);
    assert_int_equal(reeve_local_send(client, &sent, 0), REEVE_OK);
    sent.fd_count = 0;
    assert_int_equal(reeve_local_send(client, &sent, 0), REEVE_OK);
    int next = fcntl(0, F_DUPFD_CLOEXEC, 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next + 1; /* one is free */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_true(reeve_local_brings_descriptors(server));
    int error = reeve_local_receive(server, &got, MSG_DONTWAIT), os_error = errno;
    int free_again = fcntl(0, F_DUPFD_CLOEXEC, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(error, REEVE_ESYSTEM);
    assert_int_equal(os_error, EMFILE);
    assert_int_equal(free_again, next); /* the one that had come was closed */
    close(free_again);
    assert_true(reeve_local_brings_descriptors(server));
    assert_int_equal(reeve_local_receive(server, &got, MSG_DONTWAIT), REEVE_OK);
    assert_int_equal(got.fd_count, 2);
    close(got.fds[0]);
    close(got.fds[1]);
    assert_false(reeve_local_brings_descriptors(server));
    assert_int_equal(reeve_local_receive(server, &got, MSG_DONTWAIT), REEVE_OK);
}

static void test_end_of_file(void **state)
{
    (void)state;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_BYE};
    assert_int_equal(reeve_local_send(client, &message, 0), REEVE_OK);
    shutdown(client, SHUT_RDWR);
    assert_int_equal(reeve_local_receive(server, &message, MSG_DONTWAIT), REEVE_OK);
    assert_int_equal(reeve_local_receive(server, &message, MSG_DONTWAIT), REEVE_ESHUTDOWN);
    assert_int_equal(reeve_local_send(server, &message, 0), REEVE_ESHUTDOWN);
}

/* One that ends with messages unread has still said what it said. */
static void test_reset_loses_nothing(void **state)
{
    (void)state;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_LEND};
    assert_int_equal(reeve_local_send(server, &message, 0), REEVE_OK);
    for (uint32_t i = 1; i <= 3; i++) {
        message.count = i;
        assert_int_equal(reeve_local_send(client, &message, 0), REEVE_OK);
    }
    close(client);
    client = -1;
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(reeve_local_receive(server, &message, MSG_DONTWAIT), REEVE_OK);
        assert_int_equal(message.count, i);
    }
    assert_int_equal(reeve_local_receive(server, &message, MSG_DONTWAIT), REEVE_ESHUTDOWN);
}

static void test_socket_full(void **state)
{
    (void)state;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_LEND};
    int error = REEVE_OK, count = 0;
    while (error == REEVE_OK && count++ < 1000000)
        error = reeve_local_send(client, &message, MSG_DONTWAIT);
    assert_int_equal(error, REEVE_EAGAIN);
}

static void test_name_taken(void **state)
{
    (void)state;
    int fd = -7;
    assert_int_equal(reeve_local_listen(name, &fd), REEVE_EADDRINUSE);
    assert_int_equal(reeve_local_listen("", &fd), REEVE_EADDRESS);
    assert_int_equal(fd, -7);
}

static void test_malformed(void **state)
{
    (void)state;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_BYE}, out = {.token = 42};
    size_t head = offsetof(struct reeve_local_message, text);
    for (size_t size = 0; size < head; size++)
        assert_int_equal(reeve_local_decode(&message, size, &out), REEVE_EPROTOCOL);
    assert_int_equal(reeve_local_decode(&message, head + 1, &out), REEVE_EPROTOCOL);
    reeve_local_set_text(&message, "abc");
    assert_int_equal(reeve_local_decode(&message, head + 3, &out), REEVE_OK);
    out.token = 42;
    message.text[1] = 0; /* a text that would be read shorter than it is */
    assert_int_equal(reeve_local_decode(&message, head + 3, &out), REEVE_EPROTOCOL);
    message.text_size = 0xffffffffu;
    assert_int_equal(reeve_local_decode(&message, head + 3, &out), REEVE_EPROTOCOL);
    message.text_size = 0;
    message.kind = REEVE_LOCAL_KIND_COUNT;
    assert_int_equal(reeve_local_decode(&message, head, &out), REEVE_EPROTOCOL);
    assert_int_equal(out.token, 42);
    message.kind = REEVE_LOCAL_BYE;
    assert_int_equal(reeve_local_decode(&message, head, &out), REEVE_OK);

    /* one that is too long for the buffer must be noticed, and descriptors too many must not
     * leak */
    char big[4096] = {0};
    memcpy(big, &message, sizeof message);
    assert_int_equal(send(client, big, sizeof big, 0), sizeof big);
    assert_int_equal(reeve_local_receive(server, &out, MSG_DONTWAIT), REEVE_EPROTOCOL);
}

static void test_lines(void **state)
{
    (void)state;
    const char *text = "space\nname\n\nlast";
    char line[6];
    static const char *const expected[] = {"space", "name", "", "last", ""};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(reeve_local_line_take(&text, line, sizeof line));
        assert_string_equal(line, expected[i]);
    }
    text = "longer\nx";
    assert_false(reeve_local_line_take(&text, line, sizeof line));
    assert_string_equal(text, "longer\nx");
}

static void test_actors(void **state)
{
    (void)state;
    struct {
        struct reeve_local_actor first;
        char why[8];
        struct reeve_local_actor second;
    } listing = {{.number = 1, .state = REEVE_LOCAL_ACTOR_DEAD, .text_size = 8}, "killed!", {2}};
    struct reeve_local_actor actor;
    const char *text;
    const void *at = &listing;
    size_t left = sizeof listing;
    assert_true(reeve_local_actor_next(&at, &left, &actor, &text));
    assert_int_equal(actor.number, 1);
    assert_string_equal(text, "killed!");
    assert_true(reeve_local_actor_next(&at, &left, &actor, &text));
    assert_int_equal(actor.number, 2);
    assert_false(reeve_local_actor_next(&at, &left, &actor, &text));
    assert_int_equal(left, 0);
    /* cut anywhere, the first is either whole or nothing */
    for (size_t size = 0; size < sizeof listing; size++) {
        at = &listing;
        left = size;
        assert_int_equal(reeve_local_actor_next(&at, &left, &actor, &text),
            size >= sizeof listing.first + sizeof listing.why);
    }
    listing.first.state = REEVE_LOCAL_ACTOR_DEAD + 1;
    at = &listing;
    left = sizeof listing;
    assert_false(reeve_local_actor_next(&at, &left, &actor, &text));
}

static void test_kinds_have_names(void **state)
{
    (void)state;
    for (int kind = 0; kind < REEVE_LOCAL_KIND_COUNT; kind++)
        assert_string_not_equal(reeve_local_kind_name((enum reeve_local_kind)kind), "unknown");
    assert_string_equal(reeve_local_kind_name(REEVE_LOCAL_HEAD), "head");
    assert_string_equal(reeve_local_kind_name(REEVE_LOCAL_KIND_COUNT), "unknown");
}

static void test_known_names(void **state)
{
    (void)state;
    static const char *const same[] = {"tcp://localhost:6380", "127.0.0.1", "LOCALHOST",
        "127.0.0.1:6380", "tcp://127.0.0.1", "tls+tcp://localhost"};
    static const char *const other[] = {
        "127.0.0.1:6381", "localhosts", "[::1]:6380", "abstract://x"};
    char first[REEVE_LOCAL_NAME_SIZE], next[REEVE_LOCAL_NAME_SIZE];
    reeve_local_known_name(same[0], first);
    for (size_t i = 1; i < sizeof same / sizeof *same; i++) {
        reeve_local_known_name(same[i], next);
        assert_string_equal(first, next);
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        reeve_local_known_name(other[i], next);
        assert_string_not_equal(first, next);
    }
    char five[REEVE_LOCAL_NAME_SIZE], six[REEVE_LOCAL_NAME_SIZE];
    reeve_local_known_name("[::1]", five);
    reeve_local_known_name("tcp://[::1]:6380", six);
    assert_string_equal(five, six);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_message_arrives, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_for_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_of_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_name_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_actors),
        cmocka_unit_test(test_kinds_have_names),
        cmocka_unit_test(test_known_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
