/* Links: sessions, much that is sent, dials that fail, listening. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>

#include <reeve_errors.h>

#include "runtime/wire/transport.h"
#include "tests/unit/wire/link_ends.h"

/* --- sessions ------------------------------------------------------------------------------ */

static void test_up_and_both_ways(void **state)
{
    (void)state;
    struct end a, b;
    end_open(&a, 1);
    end_open(&b, 2);
    ends_connect(&a, &b);
    assert_int_equal(a.info.uid, 2);
    assert_int_equal(a.info.incarnation, 20);
    assert_int_equal(a.info.role, REEVE_ROLE_NODE);
    assert_string_equal(a.info.address, reeve_link_address(b.link));
    assert_string_equal(a.info.release, REEVE_VERSION);
    assert_int_equal(b.info.uid, 1);
    assert_string_equal(b.info.address, reeve_link_address(a.link));
    assert_int_equal(end_send(&a, 0), REEVE_OK);
    assert_int_equal(end_send(&b, 0), REEVE_OK);
    RUN_UNTIL(a.messages == 1 && b.messages == 1);
    /* dialling a peer that is up is no event */
    assert_int_equal(reeve_link_dial(b.link, reeve_link_address(a.link)), REEVE_OK);
    assert_int_equal(end_send(&a, 1), REEVE_OK);
    RUN_UNTIL(b.messages == 2);
    assert_int_equal(a.ups + b.ups, 2);
    assert_int_equal(a.downs + b.downs + a.rejections + b.rejections, 0);
    end_close(&a);
    RUN_UNTIL(b.downs == 1);
    assert_int_equal(b.code, REEVE_ELINK);
    assert_int_equal(end_send(&b, 1), REEVE_EHANDLE);
    end_close(&b);
}

static void test_both_dial_at_once(void **state)
{
    (void)state;
    struct end a, b;
    end_open(&a, 1);
    end_open(&b, 2);
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
                end_send(&a, 0);
            if (b.peer != 0)
                end_send(&b, 0);
            uv_run(&ends_loop, UV_RUN_ONCE);
        }
        assert_int_equal(a.ups - a.downs, 1);
        assert_int_equal(b.ups - b.downs, 1);
        reeve_link_close_peer(a.link, a.peer, REEVE_ESHUTDOWN, "next round");
        RUN_UNTIL(a.ups == a.downs && b.ups == b.downs);
    }
    end_close(&a);
    end_close(&b);
}

static void test_three(void **state)
{
    (void)state;
    struct end end[3];
    for (int i = 0; i < 3; i++)
        end_open(&end[i], (uint64_t)i + 1);
    for (int i = 0; i < 3; i++)
        reeve_link_dial(end[i].link, reeve_link_address(end[(i + 1) % 3].link));
    RUN_UNTIL(end[0].ups == 2 && end[1].ups == 2 && end[2].ups == 2);
    end_close(&end[1]);
    RUN_UNTIL(end[0].downs == 1 && end[2].downs == 1);
    end[0].peer = end[0].peer != 0 ? end[0].peer : 0;
    end_close(&end[0]);
    RUN_UNTIL(end[2].downs == 2);
    end_close(&end[2]);
}

static void test_abstract_and_ipv6(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE], name[64];
    struct end a, b, c;
    snprintf(name, sizeof name, "abstract://reeve-link-test-%ld", (long)getpid());
    assert_int_equal(end_try_open(&a, 1, name, NULL, ends_key, 0, text), REEVE_OK);
    assert_string_equal(reeve_link_address(a.link), name);
    assert_int_equal(end_try_open(&b, 2, "[::1]:0", NULL, ends_key, 0, text), REEVE_OK);
    assert_ptr_equal(
        strstr(reeve_link_address(b.link), "tcp://[::1]:"), reeve_link_address(b.link));
    end_open(&c, 3);
    ends_connect(&b, &a);
    reeve_link_dial(c.link, reeve_link_address(b.link));
    RUN_UNTIL(c.ups == 1 && b.ups == 2);
    /* the name is taken */
    struct end d;
    assert_int_equal(end_try_open(&d, 4, name, NULL, ends_key, 0, text), REEVE_EADDRINUSE);
    end_close(&a);
    end_close(&b);
    end_close(&c);
}

static void test_goodbye(void **state)
{
    (void)state;
    struct end a, b;
    end_open(&a, 1);
    end_open(&b, 2);
    ends_connect(&a, &b);
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(end_send(&a, i), REEVE_OK);
    reeve_link_close_peer(a.link, a.peer, REEVE_ESHUTDOWN, "the node is drained");
    assert_int_equal(end_send(&a, 1000), REEVE_EHANDLE);
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
        end_send(&a, i);
    RUN_UNTIL(a.downs == 2 && b.downs == 2);
    assert_int_equal(b.messages, had + 1);
    end_close(&a);
    end_close(&b);
}

static void test_close_in_a_callback(void **state)
{
    (void)state;
    struct end a, b;
    end_open(&a, 1);
    end_open(&b, 2);
    ends_connect(&a, &b);
    b.close_link_on_message = true;
    for (uint64_t i = 0; i < 100; i++)
        end_send(&a, i);
    RUN_UNTIL(b.closed && a.downs == 1);
    assert_int_equal(b.messages, 1);
    assert_int_equal(b.downs, 0);
    end_close(&a);
}

/* --- volume -------------------------------------------------------------------------------- */

static void test_many_small_messages(void **state)
{
    (void)state;
    const uint64_t total = 100000;
    struct end a, b;
    end_open(&a, 1);
    end_open(&b, 2);
    ends_connect(&a, &b);
    for (uint64_t i = 0; i < total; i++)
        assert_int_equal(end_send(&a, i), REEVE_OK);
    assert_true(reeve_link_queued_bytes(a.link, a.peer) > total * 5);
    RUN_UNTIL(b.messages == total);
    assert_true(b.in_order);
    RUN_UNTIL(reeve_link_queued_bytes(a.link, a.peer) == 0);
    assert_int_equal(a.drains, 1);
    end_close(&a);
    end_close(&b);
}

static void test_chunks_with_back_pressure(void **state)
{
    (void)state;
    const uint64_t total = 64u << 20;
    struct end a, b;
    end_open(&a, 1);
    end_open(&b, 2);
    ends_connect(&a, &b);
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
    end_close(&a);
    end_close(&b);
}

/* --- dials that fail ----------------------------------------------------------------------- */

static void test_wrong_key(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE];
    struct end a, b;
    end_open(&a, 1);
    assert_int_equal(end_try_open(&b, 2, ends_any_port, NULL, ends_other_key, 0, text), REEVE_OK);
    reeve_link_dial(b.link, reeve_link_address(a.link));
    RUN_UNTIL(b.dials_failed == 1 && a.rejections == 1);
    assert_int_equal(b.code, REEVE_EKEY);
    assert_non_null(strstr(b.text, reeve_link_address(a.link)));
    assert_non_null(strstr(b.text, "refused our cluster key"));
    assert_int_equal(a.code, REEVE_EKEY);
    assert_non_null(strstr(a.text, "127.0.0.1:"));
    assert_int_equal(a.ups + b.ups, 0);
    end_close(&a);
    end_close(&b);
}

static void test_refused_silent_and_self(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE], address[64];
    struct end a;
    assert_int_equal(end_try_open(&a, 1, "127.0.0.1:0", NULL, ends_key, 1000, text), REEVE_OK);
    /* a port with nobody behind it: bound, not listening; it is told before the time is over */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%u", ntohs(in.sin_port));
    assert_int_equal(reeve_link_dial(a.link, address), REEVE_OK);
    assert_int_equal(reeve_link_dial(a.link, address), REEVE_OK); /* the same dial */
    RUN_UNTIL(a.dials_failed == 1);
    assert_int_equal(a.code, REEVE_EREFUSED);
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
    end_close(&a);
}

/* The dialler says it is reached where it is not: the other side cannot answer. */
static void test_unreachable_dialler(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE];
    struct end a, b;
    end_open(&a, 1);
    assert_int_equal(
        end_try_open(&b, 2, "127.0.0.1:0", "127.0.0.1:1", ends_key, 300, text), REEVE_OK);
    reeve_link_dial(b.link, reeve_link_address(a.link));
    RUN_UNTIL(b.dials_failed == 1 && a.rejections == 1);
    assert_int_equal(b.code, REEVE_ETIMEDOUT);
    assert_non_null(strstr(b.text, "tcp://127.0.0.1:1"));
    assert_non_null(strstr(b.text, "--advertise"));
    assert_int_equal(a.code, REEVE_EREFUSED);
    end_close(&a);
    end_close(&b);
}

/* --- listening ----------------------------------------------------------------------------- */

static void test_listening(void **state)
{
    (void)state;
    char text[REEVE_TEXT_SIZE], address[128];
    struct end a, b;
    end_open(&a, 1);
    unsigned port = end_port(&a);
    assert_int_not_equal(port, 0);
    assert_int_equal(
        end_try_open(&b, 2, reeve_link_address(a.link), NULL, ends_key, 0, text), REEVE_EADDRINUSE);
    snprintf(address, sizeof address, "port %u", port);
    assert_non_null(strstr(text, address));
    snprintf(address, sizeof address, "127.0.0.1:%u-%u", port, port + 20);
    assert_int_equal(end_try_open(&b, 2, address, NULL, ends_key, 0, text), REEVE_OK);
    unsigned second = end_port(&b);
    assert_in_range(second, port + 1, port + 20);
    ends_connect(&a, &b);
    end_close(&b);
    assert_int_equal(end_try_open(&b, 2, "0.0.0.0:0", NULL, ends_key, 0, text), REEVE_EADDRESS);
    assert_non_null(strstr(text, "--advertise"));
    assert_int_equal(end_try_open(&b, 2, "0.0.0.0:0", "127.0.0.1", ends_key, 0, text), REEVE_OK);
    assert_int_equal(strncmp(reeve_link_address(b.link), "tcp://127.0.0.1:", 16), 0);
    a.ups = 0;
    ends_connect(&a, &b);
    end_close(&b);
    assert_int_equal(end_try_open(&b, 2, "192.0.2.1:0", NULL, ends_key, 0, text), REEVE_EADDRESS);
    assert_int_equal(end_try_open(&b, 2, "tcp://x:y", NULL, ends_key, 0, text), REEVE_EADDRESS);
    end_close(&a);
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
        cmocka_unit_test_setup_teardown(test_up_and_both_ways, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_both_dial_at_once, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_three, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_abstract_and_ipv6, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_goodbye, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_close_in_a_callback, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_many_small_messages, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_chunks_with_back_pressure, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_wrong_key, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_refused_silent_and_self, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_unreachable_dialler, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_listening, ends_setup, ends_teardown),
        cmocka_unit_test_setup_teardown(test_up_and_both_ways, ends_setup_tls, ends_teardown),
        cmocka_unit_test_setup_teardown(test_both_dial_at_once, ends_setup_tls, ends_teardown),
        cmocka_unit_test_setup_teardown(test_three, ends_setup_tls, ends_teardown),
        cmocka_unit_test_setup_teardown(test_goodbye, ends_setup_tls, ends_teardown),
        cmocka_unit_test_setup_teardown(test_close_in_a_callback, ends_setup_tls, ends_teardown),
        cmocka_unit_test_setup_teardown(test_many_small_messages, ends_setup_tls, ends_teardown),
        cmocka_unit_test_setup_teardown(
            test_chunks_with_back_pressure, ends_setup_tls, ends_teardown),
        cmocka_unit_test_setup_teardown(test_wrong_key, ends_setup_tls, ends_teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nng_fini(); /* its reaper frees what was closed last, before the leak checker looks */
    return failed;
}
