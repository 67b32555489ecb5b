/* Closing an inbox while messages arrive, again and again: without nng_stream.c it hangs for
 * good within some hundred rounds. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

#include "runtime/wire/nng_stream.h"
#include "tests/unit/test.h"

#define ROUNDS  1500
#define PUSHERS 3

static void on_sent(void *arg)
{
    nng_aio **aio = arg;
    (void)nng_aio_result(*aio);
}

static void close_while_receiving(const char *url)
{
    nng_socket pull, push[PUSHERS];
    nng_aio *sends[PUSHERS];
    assert_int_equal(nng_pull0_open(&pull), 0);
    assert_int_equal(nng_listen(pull, url, NULL, 0), 0);
    for (int i = 0; i < PUSHERS; i++) {
        assert_int_equal(nng_push0_open(&push[i]), 0);
        assert_int_equal(nng_dial(push[i], url, NULL, 0), 0);
        assert_int_equal(nng_aio_alloc(&sends[i], on_sent, &sends[i]), 0);
    }
    for (int i = 0; i < PUSHERS; i++) {
        nng_msg *message;
        assert_int_equal(nng_msg_alloc(&message, 100), 0);
        memset(nng_msg_body(message), i, 100);
        nng_aio_set_msg(sends[i], message);
        nng_send_aio(push[i], sends[i]);
    }
    nng_close(pull);
    for (int i = 0; i < PUSHERS; i++) {
        nng_aio_stop(sends[i]);
        if (nng_aio_result(sends[i]) != 0)
            nng_msg_free(nng_aio_get_msg(sends[i]));
        nng_aio_free(sends[i]);
        nng_close(push[i]);
    }
}

static void test_close_while_receiving(void **state)
{
    (void)state;
    char url[64];
    reeve_nng_stream_init();
    alarm(50); /* what it is about is that this is not needed */
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(url, sizeof(url), "abstract://reeve-nng-stream-test-%d-%d", (int)getpid(), round);
        close_while_receiving(url);
    }
    nng_fini(); /* its reaper frees what was closed last, before the leak checker looks */
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_while_receiving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
