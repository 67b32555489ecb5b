/* A storm of random events on the node core, with its audit after each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above */
#include <cmocka.h>
#include <reeve_errors.h>

#include "runtime/base/prng.h"
#include "runtime/node/node_core.h"

#define MS 1000000ull
#define S  (1000 * MS)

static reeve_process_id process(uint32_t on, uint32_t serial)
{
    return reeve_process_id_make(on, serial);
}

/* Events that make sense and events that do not, in any order, from anyone: the tables stay
 * sound. */
static void storm(uint64_t seed)
{
    struct reeve_prng prng;
    reeve_prng_init(&prng, seed);
    struct reeve_node_config config = {.uid = 1,
        .incarnation = 2,
        .cpu_milli = 1000 + (uint32_t)reeve_prng_below(&prng, 3) * 1000,
        .process_limit = (uint32_t)reeve_prng_below(&prng, 2) * 5};
    struct reeve_node *node = reeve_node_create(&config);
    struct reeve_fifo out;
    uint64_t now = 0;
    assert_non_null(node);
    reeve_fifo_init(&out, sizeof(struct reeve_node_command));
    uint64_t open[16] = {0};
    for (int i = 0; i < 3000; i++) {
        now += reeve_prng_below(&prng, 10) == 0 ? reeve_prng_below(&prng, 3 * S)
                                                : reeve_prng_below(&prng, 20 * MS);
        struct reeve_node_event event = {
            .kind = (enum reeve_node_event_kind)reeve_prng_below(&prng, REEVE_NODE_EVENT_DRAIN),
            .node = 4 + (uint32_t)reeve_prng_below(&prng, 3),
            .serial = (uint32_t)reeve_prng_below(&prng, 12) + (uint32_t)(i / 100),
            .class_index = (uint32_t)reeve_prng_below(&prng, 3),
            .count = (uint32_t)reeve_prng_below(&prng, 3),
            .connection = (uint64_t)i,
            .lease = reeve_prng_below(&prng, 40),
            .text = "because"};
        event.cpu_milli = 250 * (1 + event.class_index);
        if (reeve_prng_below(&prng, 8) == 0)
            event.code = reeve_prng_below(&prng, 2) ? REEVE_EPROGRAM : REEVE_EWORKERDIED;
        if (event.kind == REEVE_NODE_EVENT_CLOSED)
            event.lease = open[reeve_prng_below(&prng, 16)];
        struct reeve_message *m = &event.message;
        m->kind = (enum reeve_message_kind)reeve_prng_below(&prng, REEVE_MESSAGE_KIND_COUNT);
        if (reeve_prng_below(&prng, 3) == 0)
            m->kind = REEVE_MESSAGE_GRANT;
        m->lease = reeve_prng_below(&prng, 40);
        m->node = 3 + (uint32_t)reeve_prng_below(&prng, 4);
        if (m->kind == REEVE_MESSAGE_WELCOME && reeve_prng_below(&prng, 10) != 0)
            m->node = 3;
        m->incarnation = 1 + reeve_prng_below(&prng, 2);
        m->process = process(3 + (uint32_t)reeve_prng_below(&prng, 3), event.serial);
        m->class.cpu_milli = 250 * (1 + (uint32_t)reeve_prng_below(&prng, 3));
        m->class.job = reeve_node_job_of(node, event.serial);
        if (m->class.job == 0 || reeve_prng_below(&prng, 5) == 0)
            m->class.job = m->process;
        reeve_node_step(node, now, &event, &out);
        reeve_node_check(node);
        struct reeve_node_command command;
        while (reeve_fifo_pop(&out, &command)) {
            if (command.kind == REEVE_NODE_COMMAND_CLOSE)
                open[reeve_prng_below(&prng, 16)] = command.lease;
        }
    }
    /* and then to rest: everyone goes */
    struct reeve_node_event drain = {.kind = REEVE_NODE_EVENT_DRAIN};
    reeve_node_step(node, now, &drain, &out);
    struct reeve_node_command command;
    bool ended = false;
    now += 30 * S;
    struct reeve_node_event tick = {.kind = REEVE_NODE_EVENT_TICK};
    reeve_node_step(node, now, &tick, &out);
    while (reeve_fifo_pop(&out, &command))
        ended = ended || command.kind == REEVE_NODE_COMMAND_END;
    assert_true(ended);
    reeve_node_free(node);
    reeve_fifo_fini(&out);
}

static void test_storm(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        storm(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_storm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
