/* Links and those who are none of ours: they say anything, nothing, or in plain what is to be said
 * by TLS. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nng/nng.h>

#include <reeve_errors.h>

#include "runtime/wire/frame.h"
#include "tests/unit/wire/link_ends.h"
#include "tests/unit/wire/strangers.h"

static const uint8_t sp_push[8] = {0, 'S', 'P', 0, 0, 0x50, 0, 0};

static void test_strangers(void **state)
{
    (void)state;
    struct end a, b;
    end_open(&a, 1);
    end_open(&b, 2);
    ends_connect(&a, &b);

    /* no SP at all: nng hangs up; nobody is told */
    int fd = stranger_connect(end_port(&a));
    stranger_say(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    stranger_until_closed(fd);
    assert_int_equal(a.rejections, 0);

    /* SP, then junk */
    fd = stranger_connect(end_port(&a));
    stranger_say(fd, sp_push, 8);
    stranger_say_message(fd, "what is this, it is no frame at all", 35);
    RUN_UNTIL(a.rejections == 1);
    assert_int_equal(a.code, REEVE_EPROTOCOL);
    stranger_until_closed(fd);

    /* an empty message */
    fd = stranger_connect(end_port(&a));
    stranger_say(fd, sp_push, 8);
    stranger_say_message(fd, "", 0);
    RUN_UNTIL(a.rejections == 2);
    close(fd);

    /* a hello that is junk, a proof out of the blue, a frame before the handshake, another
     * version */
    for (uint8_t type = 1; type <= 6; type++) {
        uint8_t frame[64] = {'R', 'V', REEVE_WIRE_VERSION, type};
        fd = stranger_connect(end_port(&a));
        stranger_say(fd, sp_push, 8);
        stranger_say_message(fd, frame, sizeof frame);
        RUN_UNTIL(a.rejections == 2u + type);
        assert_int_equal(a.code, REEVE_EPROTOCOL);
        close(fd);
    }
    uint8_t frame[64] = {'R', 'V', REEVE_WIRE_VERSION + 1, REEVE_FRAME_PROOF};
    fd = stranger_connect(end_port(&a));
    stranger_say(fd, sp_push, 8);
    stranger_say_message(fd, frame, sizeof frame);
    RUN_UNTIL(a.rejections == 9);
    assert_int_equal(a.code, REEVE_EVERSION);
    assert_non_null(strstr(a.text, "version 7"));
    close(fd);

    /* more than the limit: nng hangs up as soon as it has read the length */
    fd = stranger_connect(end_port(&a));
    stranger_say(fd, sp_push, 8);
    stranger_say_message(fd, NULL, REEVE_FRAME_SIZE_MAX + REEVE_FRAME_HEADER_SIZE + 1);
    RUN_UNTIL(a.rejections == 10);
    close(fd);

    /* gone without a word */
    uint8_t greeting[8];
    fd = stranger_connect(end_port(&a));
    stranger_say(fd, sp_push, 8);
    assert_int_equal(recv(fd, greeting, 8, MSG_WAITALL), 8);
    uv_run(&ends_loop, UV_RUN_NOWAIT);
    close(fd);
    RUN_UNTIL(a.rejections == 11);

    /* the session of those who behave has not noticed */
    assert_int_equal(end_send(&b, 0), REEVE_OK);
    RUN_UNTIL(a.messages == 1);
    assert_int_equal(a.downs + b.downs, 0);
    end_close(&a);
    end_close(&b);
}

static void test_silent_stranger(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE];
    struct end a;
    assert_int_equal(end_try_open(&a, 1, "127.0.0.1:0", NULL, ends_key, 200, text), REEVE_OK);
    int fd = stranger_connect(end_port(&a));
    stranger_say(fd, sp_push, 8);
    RUN_UNTIL(a.rejections == 1);
    assert_int_equal(a.code, REEVE_ETIMEDOUT);
    stranger_until_closed(fd);
    end_close(&a);
}

/* More strangers than are let in at a time; a proper peer still gets through. */
static void test_many_strangers(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static int fds[COUNT];
    struct end a, b;
    end_open(&a, 1);
    end_open(&b, 2);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = stranger_connect(end_port(&a));
        stranger_say(fds[i], sp_push, 8);
        uv_run(&ends_loop, UV_RUN_NOWAIT);
    }
    RUN_UNTIL(a.rejections >= 20); /* the rest goes unsaid: limited */
    assert_int_equal(a.code, REEVE_EBUSY);
    ends_connect(&b, &a);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    end_close(&a);
    end_close(&b);
}

/* --- TLS ----------------------------------------------------------------------------------- */

/* Each side is told which address to write. */
static void test_plain_and_tls(void **state)
{
    (void)state;
    char address[128];
    struct end encrypted, plain;
    end_open(&encrypted, 1);
    ends_any_port = "tcp://127.0.0.1:0";
    end_open(&plain, 2);
    /* not by a slip of one's own, either */
    assert_int_equal(
        reeve_link_dial(plain.link, reeve_link_address(encrypted.link)), REEVE_EADDRESS);
    assert_int_equal(
        reeve_link_dial(encrypted.link, reeve_link_address(plain.link)), REEVE_EADDRESS);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%u", end_port(&encrypted));
    reeve_link_dial(plain.link, address);
    RUN_UNTIL(plain.dials_failed == 1 && encrypted.rejections >= 1);
    assert_int_equal(plain.code, REEVE_EPROTOCOL);
    assert_non_null(strstr(plain.text, "speaks TLS: write tls+tcp://127.0.0.1:"));
    assert_int_equal(encrypted.code, REEVE_EPROTOCOL);
    assert_non_null(strstr(encrypted.text, "127.0.0.1:"));
    assert_non_null(strstr(encrypted.text, "it has to dial tls+tcp://"));
    snprintf(address, sizeof address, "tls+tcp://127.0.0.1:%u", end_port(&plain));
    reeve_link_dial(encrypted.link, address);
    RUN_UNTIL(encrypted.dials_failed == 1);
    assert_non_null(strstr(encrypted.text, "does not speak TLS: write tcp://"));
    end_close(&encrypted);
    end_close(&plain);
}

/* Whatever they say or do not say, proper peers get through; those that are silent make room. */
static void test_tls_strangers(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static int fds[COUNT];
    struct end a, b;
    end_open(&a, 1);
    end_open(&b, 2);
    ends_connect(&b, &a);
    int fd = stranger_connect(end_port(&a));
    stranger_say(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    RUN_UNTIL(a.rejections == 1);
    assert_non_null(strstr(a.text, "no daemon of a cluster"));
    stranger_until_closed(fd);
    for (int i = 0; i < 2 * COUNT; i++) { /* gone in the middle of the handshake; and silent */
        fds[i % COUNT] = stranger_connect(end_port(&a));
        stranger_say(fds[i % COUNT], "\x16\x03\x01\x01\x00\x01", i % 7);
        if (i < COUNT)
            close(fds[i]);
    }
    stranger_until_closed(fds[0]);
    end_close(&b);
    RUN_UNTIL(a.downs == 1);
    end_open(&b, 2);
    a.ups = 0;
    ends_connect(&b, &a);
    for (int i = 1; i < COUNT; i++)
        close(fds[i]);
    end_close(&a);
    end_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_strangers, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_silent_stranger, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_many_strangers, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_plain_and_tls, ends_setup_tls, ends_teardown),
        cmocka_unit_test_setup_teardown(test_tls_strangers, ends_setup_tls, ends_teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nng_fini(); /* its reaper frees what was closed last, before the leak checker looks */
    return failed;
}
