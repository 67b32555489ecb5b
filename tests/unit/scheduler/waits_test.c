/* Who waits for whom: when a wait is ended, which, and what is said of it. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/scheduler/scenario.h"

/* `process` waits for what `target` has, or (0) for a worker. */
static void blocked(struct scenario *x, reeve_process_id process, reeve_process_id target,
    uint32_t cpu_milli, const char *text)
{
    struct reeve_message m = {.kind = REEVE_MESSAGE_BLOCKED,
        .process = process,
        .worker = target,
        .count = 1,
        .class = {.cpu_milli = cpu_milli}};
    snprintf(m.text, sizeof m.text, "%s", text);
    say(x, reeve_process_node(process), &m);
}

static void goes_on(struct scenario *x, reeve_process_id process)
{
    say(x, reeve_process_node(process),
        &(struct reeve_message){.kind = REEVE_MESSAGE_BLOCKED, .process = process});
}

static void stuck(struct scenario *x, uint32_t node, bool is_stuck)
{
    say(x, node, &(struct reeve_message){.kind = REEVE_MESSAGE_STUCK, .count = is_stuck});
}

static void nodes(struct scenario *x, uint32_t first_cpu_milli, uint32_t second_cpu_milli)
{
    begin(x, NULL);
    join(x, 1, first_cpu_milli);
    join(x, 2, second_cpu_milli);
    forget(x);
}

/* Once or more often: the head repeats itself until it hears that the wait has ended. */
static void expect_verdict(struct scenario *x, reeve_process_id process, const char *text)
{
    const struct reeve_sched_command *c;
    bool found = false;
    while ((c = reeve_fifo_peek(&x->out)) != NULL) {
        if (c->kind == REEVE_SCHED_COMMAND_SEND && c->message.kind == REEVE_MESSAGE_DEADLOCK) {
            assert_int_equal(c->message.process, process);
            assert_int_equal(c->message.count, 1);
            assert_string_equal(c->message.text, text);
            found = true;
        }
        reeve_fifo_pop(&x->out, NULL);
    }
    assert_true(found);
}

static void expect_none(struct scenario *x)
{
    assert_int_equal(
        count_commands(x, "send 1 DEADLOCK") + count_commands(x, "send 2 DEADLOCK"), 0);
}

/* Time passes, and the nodes live. */
static void wait_alive(struct scenario *x, int ms)
{
    for (; ms > 0; ms -= 500) {
        heartbeat(x, 1);
        heartbeat(x, 2);
        wait_ms(x, 500);
    }
}

static void a_chain_that_needs_one_more_process(void **state)
{
    (void)state;
    struct scenario x;
    nodes(&x, 1000, 0); /* the second one runs nothing */
    blocked(&x, P(1, 2), P(1, 3), 0, "a waits for b");
    blocked(&x, P(1, 3), P(1, 4), 0, "b waits for c");
    blocked(&x, P(1, 4), 0, 1000, "c waits for d");
    wait_alive(&x, 3000);
    expect_none(&x); /* the node may start another */
    stuck(&x, 1, true);
    wait_alive(&x, 1500);
    expect_verdict(&x, P(1, 4),
        "c waits for d, and no process is left to run that (reeve worker --processes); b waits for "
        "c; a waits for b");
    wait_alive(&x, 1000); /* it may have been out of date: once more */
    expect_verdict(&x, P(1, 4),
        "c waits for d, and no process is left to run that (reeve worker --processes); b waits for "
        "c; a waits for b");
    goes_on(&x, P(1, 4));
    stuck(&x, 1, false);
    wait_alive(&x, 3000);
    expect_none(&x);
    finish(&x);
}

static void somebody_can_move(void **state)
{
    (void)state;
    struct scenario x;
    nodes(&x, 1000, 1000);
    blocked(&x, P(1, 2), 0, 1000, "a waits for b");
    stuck(&x, 1, true);
    wait_alive(&x, 3000);
    expect_none(&x); /* the other node is not stuck */
    blocked(&x, P(2, 7), P(2, 8), 0, "c waits for d");
    stuck(&x, 2, true);
    wait_alive(&x, 3000);
    expect_none(&x); /* 2.8 is at work, so 2.7 ends some day, and leaves its process to others */
    blocked(&x, P(2, 8), 0, 500, "d waits for e");
    wait_alive(&x, 2500);
    expect_verdict(&x, P(2, 8), /* the newest of those that wait for a worker */
        "d waits for e, and no process is left to run that (reeve worker --processes); c waits for "
        "d");
    finish(&x);
}

static void a_node_that_is_too_small_does_not_help(void **state)
{
    (void)state;
    struct scenario x;
    nodes(&x, 4000, 1000);
    blocked(&x, P(1, 2), 0, 2000, "a waits for b");
    stuck(&x, 1, true);
    wait_alive(&x, 2500);
    expect_verdict(&x, P(1, 2),
        "a waits for b, and no process is left to run that (reeve worker --processes)");
    finish(&x);
}

static void a_cycle_is_named(void **state)
{
    (void)state;
    struct scenario x;
    nodes(&x, 1000, 1000);
    blocked(&x, P(1, 2), P(2, 3), 0, "a waits for b");
    blocked(&x, P(2, 3), P(1, 4), 0, "b waits for c");
    blocked(&x, P(2, 9), P(1, 2), 0, "x waits for a"); /* beside it */
    wait_alive(&x, 3000);
    expect_none(&x);
    blocked(&x, P(1, 4), P(1, 2), 0, "c waits for a");
    wait_alive(&x, 2500);
    expect_verdict(&x, P(1, 4), "c waits for a; a waits for b; b waits for c");
    /* it does not end, for it cannot: it is another's turn */
    wait_alive(&x, 1000);
    expect_verdict(&x, P(1, 4), "c waits for a; a waits for b; b waits for c");
    wait_alive(&x, 1000);
    expect_verdict(
        &x, P(2, 9), "x waits for a; a waits for b; b waits for c; c waits for a; a waits for b");
    finish(&x);
}

static void what_a_lost_node_has_said_is_forgotten(void **state)
{
    (void)state;
    struct scenario x;
    nodes(&x, 1000, 0);
    blocked(&x, P(1, 2), 0, 1000, "a waits for b");
    stuck(&x, 1, true);
    down(&x, 1);
    wait_ms(&x, 3000);
    expect_none(&x);
    forget(&x);
    finish(&x);
}

static void nobody_speaks_for_others(void **state)
{
    (void)state;
    struct scenario x;
    nodes(&x, 1000, 1000);
    say(&x, 2,
        &(struct reeve_message){.kind = REEVE_MESSAGE_BLOCKED, .process = P(1, 2), .count = 1});
    assert_int_equal(count_commands(&x, "drop 2"), 1);
    finish(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_that_needs_one_more_process),
        cmocka_unit_test(somebody_can_move),
        cmocka_unit_test(a_node_that_is_too_small_does_not_help),
        cmocka_unit_test(a_cycle_is_named),
        cmocka_unit_test(what_a_lost_node_has_said_is_forgotten),
        cmocka_unit_test(nobody_speaks_for_others),
    };
    return cmocka_run_group_tests_name("scheduler/waits", tests, NULL, NULL);
}
