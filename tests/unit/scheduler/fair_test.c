/* Recalls: fair shares, turns, priorities, room for what is large. */
#include <string.h>

#include "tests/unit/scheduler/scenario.h"

static struct reeve_class one(reeve_process_id id)
{
    return class_of(id, 1000, 0);
}

static void begin_with(struct scenario *x, uint32_t cpu_milli, int jobs)
{
    begin(x, NULL);
    join(x, 1, cpu_milli);
    for (int i = 1; i <= jobs; i++)
        job(x, 1, P(1, (uint32_t)i));
    forget(x);
}

static void shares_are_levelled(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 4000, 3);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 100);
    forget(&x);
    demand(&x, 1, P(1, 2), one(P(1, 2)), 100);
    expect(&x, "send 1 RECALL 4; send 1 RECALL 3"); /* the newest; then 2 and 2 */
    ended(&x, 1, L(4));
    expect(&x, "send 1 GRANT 5 to 1.2");
    ended(&x, 1, L(3));
    expect(&x, "send 1 GRANT 6 to 1.2");
    demand(&x, 1, P(1, 3), one(P(1, 3)), 1);
    assert_int_equal(count_commands(&x, "send 1 RECALL"), 1); /* 2, 1 and 1: one of the two gives */
    finish(&x);
}

static void a_recall_that_takes_long_is_not_waited_for(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 4000, 2);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 100);
    forget(&x);
    demand(&x, 1, P(1, 2), one(P(1, 2)), 1);
    expect(&x, "send 1 RECALL 4");
    wait_ms(&x, 999);
    expect(&x, "");
    wait_ms(&x, 1); /* a long task: another may be sooner */
    expect(&x, "send 1 HEARTBEAT; send 1 RECALL 3");
    ended(&x, 1, L(3));
    expect(&x, "send 1 GRANT 5 to 1.2");
    finish(&x);
}

static void an_only_lease_takes_turns(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 1000, 2);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 9);
    forget(&x);
    demand(&x, 1, P(1, 2), one(P(1, 2)), 9);
    expect(&x, "");
    wait_ms(&x, 100); /* a turn behind */
    expect(&x, "send 1 RECALL 1");
    ended(&x, 1, L(1));
    expect(&x, "send 1 GRANT 2 to 1.2");
    wait_ms(&x, 199); /* until it is a turn ahead */
    expect(&x, "");
    wait_ms(&x, 26);
    expect(&x, "send 1 RECALL 2");
    ended(&x, 1, L(2));
    expect(&x, "send 1 GRANT 3 to 1.1");
    finish(&x);
}

static void higher_priority_takes_within_its_job_only(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 2000, 2);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 1);
    demand(&x, 1, P(1, 2), one(P(1, 2)), 9);
    forget(&x);
    demand(&x, 1, P(1, 2), class_of(P(1, 2), 1000, 9), 1);
    expect(&x, "send 1 RECALL 2");
    ended(&x, 1, L(2));
    expect(&x, "send 1 GRANT 3 to 1.2");
    finish(&x);
}

static void workers_of_a_job_take_turns_with_its_driver(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 2000, 1);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 9);
    forget(&x);
    demand(&x, 1, P(1, 2), one(P(1, 1)), 1);
    expect(&x, "");
    wait_ms(&x, 2000);
    assert_int_equal(count_commands(&x, "send 1 RECALL 1"), 1);
    ended(&x, 1, L(1));
    expect(&x, "send 1 GRANT 3 to 1.2");
    finish(&x);
}

/* Each is told once; who wants does not tell itself. */
static void who_holds_what_others_wait_for_is_told_once(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 1000, 1);
    x.shows_idle = true;
    demand(&x, 1, P(1, 2), one(P(1, 1)), 9);
    expect(&x, "send 1 GRANT 1 to 1.2"); /* it lacks eight, and nobody else has any */
    demand(&x, 1, P(1, 3), one(P(1, 1)), 9);
    expect(&x, "send 1 RECALL 1 when idle");
    demand(&x, 1, P(1, 4), one(P(1, 1)), 1);
    wait_ms(&x, 500);
    expect(&x, "");
    demand(&x, 1, P(1, 2), one(P(1, 1)), 0);
    ended(&x, 1, L(1)); /* the latest first; its lease is waited for, too */
    expect(&x, "send 1 GRANT 2 to 1.4; send 1 RECALL 2 when idle");
    demand(&x, 1, P(1, 4), one(P(1, 1)), 0);
    ended(&x, 1, L(2));
    expect(&x, "send 1 GRANT 3 to 1.3"); /* for which nobody else waits */
    finish(&x);
}

/* It lacks more, and of those that lack something it is the first; but it is not the only one. */
static void who_wants_more_than_it_has_is_told_too(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 1000, 1);
    x.shows_idle = true;
    demand(&x, 1, P(1, 2), one(P(1, 1)), 9);
    demand(&x, 1, P(1, 3), one(P(1, 1)), 9);
    demand(&x, 1, P(1, 4), one(P(1, 1)), 9);
    forget(&x);
    demand(&x, 1, P(1, 2), one(P(1, 1)), 0);
    ended(&x, 1, L(1));
    expect(&x, "send 1 GRANT 2 to 1.4; send 1 RECALL 2 when idle");
    demand(&x, 1, P(1, 4), one(P(1, 1)), 0);
    ended(&x, 1, L(2));
    expect(&x, "send 1 GRANT 3 to 1.3"); /* now it is */
    finish(&x);
}

/* Between jobs likewise; what can never be granted is no reason. */
static void what_cannot_be_had_is_not_waited_for(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 2000, 2);
    x.shows_idle = true;
    demand(&x, 1, P(1, 1), one(P(1, 1)), 2);
    forget(&x);
    demand(&x, 1, P(1, 2), class_of(P(1, 2), 4000, 0), 1);
    wait_ms(&x, 900);
    expect(&x, "");
    demand(&x, 1, P(1, 2), class_of(P(1, 2), 0, 0), 1); /* needs no cpu */
    expect(&x, "send 1 GRANT 3 to 1.2");
    demand(&x, 1, P(1, 2), one(P(1, 2)), 1);
    expect(&x, "send 1 RECALL 2; send 1 RECALL 1 when idle");
    finish(&x);
}

/* The word may have been lost with the link. */
static void a_node_that_comes_back_is_told_again(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 1000, 1);
    x.shows_idle = true;
    demand(&x, 1, P(1, 2), one(P(1, 1)), 1);
    demand(&x, 1, P(1, 3), one(P(1, 1)), 1);
    expect(&x, "send 1 GRANT 1 to 1.2; send 1 RECALL 1 when idle");
    down(&x, 1);
    rejoin(&x, 2, 1, 1000);
    forget(&x);
    holding(&x, 2, L(1), P(1, 2), one(P(1, 1)));
    expect(&x, "send 2 RECALL 1 when idle");
    finish(&x);
}

static void a_node_is_drained_for_what_is_large(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 4000, 2);
    join(&x, 2, 4000);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 100);
    assert_int_equal(totals(&x).lease_count, 8);
    forget(&x);
    struct reeve_class large = class_of(P(1, 2), 3000, 0);
    demand(&x, 1, P(1, 2), large, 1);
    expect(&x, "send 2 RECALL 5; send 2 RECALL 6; send 2 RECALL 7");
    ended(&x, 2, L(5));
    expect(&x, ""); /* kept, though the other job wants it */
    char text[REEVE_TEXT_SIZE];
    reeve_sched_why(x.sched, x.now_ns, P(1, 2), &large, text);
    assert_string_equal(text,
        "node 2 (h2) is being emptied for it: 1.000 cpu are free there of the 3.000 it needs");
    ended(&x, 2, L(6));
    ended(&x, 2, L(7));
    expect(&x, "send 2 GRANT 9 to 1.2");
    finish(&x);
}

static void a_drain_ends_with_its_reason(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 2000, 2);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 100);
    join(&x, 2, 2000);
    forget(&x);
    demand(&x, 1, P(1, 2), class_of(P(1, 2), 2000, 0), 1);
    assert_int_equal(count_commands(&x, "send 2 RECALL"), 2);
    ended(&x, 2, L(3));
    expect(&x, "");
    demand(&x, 1, P(1, 2), class_of(P(1, 2), 2000, 0), 0);
    expect(&x, "send 2 GRANT 5 to 1.1");
    finish(&x);
}

static void a_drain_that_does_not_succeed_is_given_up_for_a_while(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 2000, 2);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 100);
    join(&x, 2, 2000);
    forget(&x);
    demand(&x, 1, P(1, 2), class_of(P(1, 2), 2000, 0), 1);
    assert_int_equal(count_commands(&x, "send 2 RECALL"), 2);
    ended(&x, 2, L(3)); /* lease 4 waits for somebody who needs this cpu */
    expect(&x, "");
    for (int i = 0; i < 2; i++) {
        wait_ms(&x, 999);
        heartbeat(&x, 1);
        heartbeat(&x, 2);
    }
    assert_int_equal(count_commands(&x, "send 2 GRANT"), 0);
    wait_ms(&x, 2);
    assert_int_equal(count_commands(&x, "send 2 GRANT 5"), 1);
    for (int i = 0; i < 19; i++) {
        wait_ms(&x, 100);
        heartbeat(&x, 1);
        heartbeat(&x, 2);
    }
    size_t recalls = count_commands(&x, "send 2 RECALL");
    assert_int_equal(recalls, 0);
    wait_ms(&x, 101);
    assert_true(count_commands(&x, "send") > 2); /* heartbeats, and it is tried again */
    forget(&x);
    finish(&x);
}

static void nothing_is_recalled_for_what_cannot_be(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 2000, 2);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 100);
    forget(&x);
    demand(&x, 1, P(1, 2), class_of(P(1, 2), 3000, 0), 1);
    wait_ms(&x, 5000);
    assert_int_equal(count_commands(&x, "send 1 RECALL"), 0);
    finish(&x);
}

static void levelling_comes_to_rest(void **state)
{
    (void)state;
    struct scenario x;
    begin_with(&x, 16000, 5);
    uint64_t count = 0;
    for (uint32_t i = 1; i <= 5; i++)
        demand(&x, 1, P(1, i), class_of(P(1, i), i == 5 ? 2000 : 1000, 0), 100);
    /* Every recall is answered at once. It must end. */
    for (int turn = 0; turn < 200; turn++) {
        const struct reeve_sched_command *c = reeve_fifo_peek(&x.out);
        if (c == NULL)
            break;
        bool recall = c->kind == REEVE_SCHED_COMMAND_SEND &&
                      c->message.kind == REEVE_MESSAGE_RECALL && c->message.count == 0;
        uint64_t lease = c->message.lease;
        reeve_fifo_pop(&x.out, NULL);
        if (recall) {
            ended(&x, 1, lease);
            count++;
        }
    }
    forget(&x);
    assert_in_range(count, 12, 20);
    uint64_t cursor = 0;
    struct reeve_sched_job_info info;
    while (reeve_sched_next_job(x.sched, &cursor, &info))
        assert_in_range(info.held_milli, 2000, 4000);
    finish(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_levelled),
        cmocka_unit_test(a_recall_that_takes_long_is_not_waited_for),
        cmocka_unit_test(an_only_lease_takes_turns),
        cmocka_unit_test(higher_priority_takes_within_its_job_only),
        cmocka_unit_test(workers_of_a_job_take_turns_with_its_driver),
        cmocka_unit_test(who_holds_what_others_wait_for_is_told_once),
        cmocka_unit_test(who_wants_more_than_it_has_is_told_too),
        cmocka_unit_test(what_cannot_be_had_is_not_waited_for),
        cmocka_unit_test(a_node_that_comes_back_is_told_again),
        cmocka_unit_test(a_node_is_drained_for_what_is_large),
        cmocka_unit_test(a_drain_ends_with_its_reason),
        cmocka_unit_test(a_drain_that_does_not_succeed_is_given_up_for_a_while),
        cmocka_unit_test(nothing_is_recalled_for_what_cannot_be),
        cmocka_unit_test(levelling_comes_to_rest),
    };
    return cmocka_run_group_tests_name("scheduler/fair", tests, NULL, NULL);
}
