/* Grants: whose turn, where, and what a refusal or a loan changes. */
#include <string.h>

#include "tests/unit/scheduler/scenario.h"

static struct reeve_class one(reeve_process_id id)
{
    return class_of(id, 1000, 0);
}

static void the_holders_own_node_comes_first(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 3);
    expect(&x, "send 1 GRANT 1 to 1.1; send 1 GRANT 2 to 1.1; send 2 PEER_UP 1; send 1 PEER_UP 2; "
               "send 2 GRANT 3 to 1.1");
    demand(&x, 1, P(1, 1), one(P(1, 1)), 4); /* told already */
    expect(&x, "send 2 GRANT 4 to 1.1");
    demand(&x, 1, P(1, 1), one(P(1, 1)), 9);
    expect(&x, "");
    assert_int_equal(totals(&x).cpu_used_milli, 4000);
    finish(&x);
}

static void large_arguments_are_gone_to(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    struct reeve_message m = {.kind = REEVE_MESSAGE_DEMAND,
        .process = P(1, 1),
        .class = one(P(1, 1)),
        .count = 3,
        .node = 2};
    say(&x, 1, &m); /* as long as there is room */
    expect(&x, "send 2 PEER_UP 1; send 1 PEER_UP 2; send 2 GRANT 1 to 1.1; send 2 GRANT 2 to 1.1; "
               "send 1 GRANT 3 to 1.1");
    ended(&x, 2, L(2));
    m.node = 77; /* nobody knows it, or it is dead */
    say(&x, 1, &m);
    forget(&x);
    assert_int_equal(totals(&x).lease_count, 3);
    finish(&x);
}

/* A node that says that it is ending gets nothing more, and people see it; a heartbeat without that
 * is another daemon's, or it has thought better of it. */
static void nothing_for_a_node_that_is_ending(void **state)
{
    (void)state;
    struct scenario x;
    struct reeve_sched_node_info info;
    uint64_t cursor = 0;
    two_nodes(&x);
    say(&x, 1, &(struct reeve_message){.kind = REEVE_MESSAGE_HEARTBEAT, .code = REEVE_ESHUTDOWN});
    assert_true(reeve_sched_next_node(x.sched, &cursor, &info));
    assert_true(info.node == 1 && info.ending && info.state == REEVE_SCHED_NODE_UP);
    forget(&x);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 9);
    expect(&x, "send 2 PEER_UP 1; send 1 PEER_UP 2; send 2 GRANT 1 to 1.1; send 2 GRANT 2 to 1.1");
    heartbeat(&x, 1);
    expect(&x, "send 1 GRANT 3 to 1.1; send 1 GRANT 4 to 1.1");
    finish(&x);
}

static void never_more_leases_than_the_newest_demand(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    struct reeve_class c = one(P(1, 1));
    demand(&x, 1, P(1, 1), c, 2);
    expect(&x, "send 1 GRANT 1 to 1.1; send 1 GRANT 2 to 1.1");
    demand(&x, 1, P(1, 1), c, 2);
    demand(&x, 1, P(1, 1), c, 1); /* nothing is recalled: holders return by themselves */
    expect(&x, "");
    ended(&x, 1, L(1));
    expect(&x, "");
    ended(&x, 1, L(2));
    expect(&x, "send 1 GRANT 3 to 1.1");
    demand(&x, 1, P(1, 1), c, 0);
    ended(&x, 1, L(3));
    ended(&x, 1, L(3));
    ended(&x, 2, L(3));
    struct reeve_sched_totals t = totals(&x);
    assert_int_equal(t.stale_count, 2);
    assert_int_equal(t.lease_count, 0);
    assert_int_equal(t.demand_count, 0);
    assert_int_equal(t.class_count, 0);
    assert_int_equal(t.job_count, 1);
    finish(&x);
}

static void the_freest_node_comes_next_ties_by_number(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 0); /* a driver's machine without slots */
    join(&x, 2, 1000);
    join(&x, 3, 3000);
    join(&x, 4, 3000);
    job(&x, 1, P(1, 1));
    forget(&x);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 3);
    assert_int_equal(
        count_commands(&x, "send 3 GRANT"), 2); /* 3:3 4:3, then 3:2 4:3, then 3:2 4:2 */
    demand(&x, 1, P(1, 1), one(P(1, 1)), 7);
    assert_int_equal(count_commands(&x, "send 2 GRANT"), 1);
    assert_int_equal(totals(&x).lease_count, 7);
    finish(&x);
}

static void cpu_is_counted_in_thousandths(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    demand(&x, 1, P(1, 1), class_of(P(1, 1), 500, 0), 5);
    expect(&x, "send 1 GRANT 1 to 1.1; send 1 GRANT 2 to 1.1; send 1 GRANT 3 to 1.1; send 1 GRANT "
               "4 to 1.1; "
               "send 2 PEER_UP 1; send 1 PEER_UP 2; send 2 GRANT 5 to 1.1");
    demand(
        &x, 1, P(1, 1), class_of(P(1, 1), 2000, 0), 1); /* one cpu and a half are free, on node 2 */
    expect(&x, "");
    demand(&x, 1, P(1, 1), class_of(P(1, 1), 1500, 0), 1);
    expect(&x, "send 2 GRANT 6 to 1.1");
    demand(&x, 1, P(1, 1), class_of(P(1, 1), 0, 0), 1);
    expect(&x, "send 1 GRANT 7 to 1.1");
    finish(&x);
}

static void the_job_that_holds_least_goes_first(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 0);
    job(&x, 1, P(1, 1));
    job(&x, 1, P(1, 2));
    job(&x, 1, P(1, 3));
    demand(&x, 1, P(1, 1), one(P(1, 1)), 9);
    demand(&x, 1, P(1, 2), one(P(1, 2)), 9);
    demand(&x, 1, P(1, 3), one(P(1, 3)), 1);
    forget(&x);
    join(&x, 2, 5000);
    expect(&x, "journal up 2; send 2 WELCOME 2; notice NODE-JOINED 2; "
               "send 2 PEER_UP 1; send 1 PEER_UP 2; send 2 GRANT 1 to 1.1; send 2 GRANT 2 to 1.2; "
               "send 2 GRANT 3 to 1.3; "
               "send 2 GRANT 4 to 1.1; send 2 GRANT 5 to 1.2");
    finish(&x);
}

/* Of workers the latest, of drivers the oldest. */
static void in_a_job_priority_then_workers_then_age(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 0);
    job(&x, 1, P(1, 1));
    demand(&x, 1, P(1, 1), class_of(P(1, 1), 1000, 0), 1);
    demand(&x, 1, P(1, 1), class_of(P(1, 1), 1000, 5), 1);
    demand(&x, 1, P(1, 8), class_of(P(1, 1), 1000, 5), 2);
    demand(&x, 1, P(1, 9), class_of(P(1, 1), 1000, 5), 1);
    demand(&x, 1, P(1, 9), class_of(P(1, 1), 1000, -5), 1);
    forget(&x);
    join(&x, 2, 8000);
    expect(&x,
        "journal up 2; send 2 WELCOME 2; notice NODE-JOINED 2; send 2 PEER_UP 1; send 1 PEER_UP 2; "
        "send 2 GRANT 1 to 1.9; send 2 GRANT 2 to 1.8; send 2 GRANT 3 to 1.8; send 2 GRANT 4 to "
        "1.1; "
        "send 2 GRANT 5 to 1.1; send 2 GRANT 6 to 1.9");
    finish(&x);
}

static void a_refusal_is_tried_elsewhere_and_again_later(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 1);
    expect(&x, "send 1 GRANT 1 to 1.1");
    refused(&x, 1, L(1), REEVE_EAGAIN);
    expect(&x, "notice LEASE-REFUSED 1; send 2 PEER_UP 1; send 1 PEER_UP 2; send 2 GRANT 2 to 1.1");
    refused(&x, 2, L(2), REEVE_EAGAIN);
    expect(&x, "notice LEASE-REFUSED 2");
    char text[REEVE_TEXT_SIZE];
    struct reeve_class c = one(P(1, 1));
    reeve_sched_why(x.sched, x.now_ns, P(1, 1), &c, text);
    assert_non_null(strstr(text, "node 2 ("));
    assert_non_null(strstr(text, ") refused it"));
    wait_ms(&x, 49);
    expect(&x, "");
    wait_ms(&x, 14); /* 50 ms and up to a quarter more */
    assert_int_equal(count_commands(&x, "send"), 1);
    finish(&x);
}

static void what_cannot_run_somewhere_is_not_asked_there_again(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 3);
    forget(&x);
    refused(&x, 1, L(1), REEVE_EPROGRAM);
    expect(&x, "notice LEASE-REFUSED 1; send 2 GRANT 4 to 1.1");
    refused(&x, 1, L(2), REEVE_EPROGRAM);
    expect(&x, "notice LEASE-REFUSED 1");
    for (int i = 0; i < 20; i++) {
        wait_ms(&x, 1000);
        heartbeat(&x, 1);
        heartbeat(&x, 2);
    }
    assert_int_equal(count_commands(&x, "send 1 GRANT"), 0);
    /* The other node neither: then nobody can, and the driver is told, with the reason. */
    refused(&x, 2, L(3), REEVE_EPROGRAM);
    refused(&x, 2, L(4), REEVE_EPROGRAM);
    forget(&x);
    wait_ms(&x, 1000);
    heartbeat(&x, 1);
    heartbeat(&x, 2);
    assert_int_equal(count_commands(&x, "send 1 INFEASIBLE 1.1"), 1);
    wait_ms(&x, 3000);
    assert_int_equal(count_commands(&x, "send 1 INFEASIBLE"), 0); /* once */
    join(&x, 3, 1000);
    assert_int_equal(count_commands(&x, "send 3 GRANT"), 1);
    finish(&x);
}

static void too_large_for_all_is_infeasible_after_a_second(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    demand(&x, 1, P(1, 1), class_of(P(1, 1), 3000, 0), 1);
    wait_ms(&x, 999);
    expect(&x, "");
    wait_ms(&x, 1);
    expect(&x, "send 1 HEARTBEAT; send 2 HEARTBEAT; notice INFEASIBLE 1; send 1 INFEASIBLE 1.1");
    finish(&x);
}

static void without_slots_it_waits(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 0);
    job(&x, 1, P(1, 1));
    struct reeve_class c = class_of(P(1, 1), 3000, 0);
    demand(&x, 1, P(1, 1), c, 1);
    wait_ms(&x, 3000);
    assert_int_equal(count_commands(&x, "send 1 INFEASIBLE"), 0);
    char text[REEVE_TEXT_SIZE];
    reeve_sched_why(x.sched, x.now_ns, P(1, 1), &c, text);
    assert_string_equal(
        text, "no node with slots has joined the cluster (those that have joined have none)");
    heartbeat(&x, 1);
    join(&x, 2, 2000); /* too small: now it can be said */
    wait_ms(&x, 1000);
    assert_int_equal(count_commands(&x, "send 1 INFEASIBLE"), 1);
    join(&x, 3, 3000);
    assert_int_equal(count_commands(&x, "send 3 GRANT"), 1);
    reeve_sched_why(x.sched, x.now_ns, P(1, 1), &c, text);
    assert_string_equal(text, "");
    finish(&x);
}

static void a_loan_makes_room_and_its_return_stops_new_grants(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    job(&x, 1, P(1, 1));
    forget(&x);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 1);
    demand(&x, 1, P(1, 2), one(P(1, 1)), 2); /* its worker wants to run children */
    expect(&x, "send 1 GRANT 1 to 1.1");
    lent(&x, 1, L(1), true);
    expect(&x, "send 1 GRANT 2 to 1.2");
    lent(&x, 1, L(1), false);
    ended(&x, 1, L(2));
    expect(&x, ""); /* the balance is only just restored */
    lent(&x, 1, L(1), true);
    lent(&x, 1, L(1), true);
    expect(&x, "send 1 GRANT 3 to 1.2");
    ended(&x, 1, L(1));
    ended(&x, 1, L(3));
    assert_int_equal(totals(&x).cpu_used_milli, 1000);
    forget(&x);
    finish(&x);
}

static void the_end_of_a_job_withdraws_all_it_wanted(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 9);
    demand(&x, 1, P(1, 2), class_of(P(1, 1), 5000, 0), 9);
    forget(&x);
    end_job(&x, 1, P(1, 1));
    expect(&x, "notice JOB-END 1; send 1 JOB_END 1.1; send 2 JOB_END 1.1");
    assert_int_equal(totals(&x).demand_count, 1); /* until its leases are back */
    for (uint64_t i = 1; i <= 4; i++)
        ended(&x, i <= 2 ? 1 : 2, L(i));
    struct reeve_sched_totals t = totals(&x);
    assert_int_equal(t.demand_count + t.lease_count + t.class_count + t.job_count, 0);
    demand(&x, 2, P(2, 5), one(P(1, 1)), 1); /* a worker that has not heard yet */
    expect(&x, "");
    wait_ms(&x, 2000);
    heartbeat(&x, 1);
    assert_int_equal(totals(&x).demand_count, 0);
    forget(&x);
    finish(&x);
}

static void an_executors_death_frees_its_leases_for_others(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 4);
    forget(&x);
    down(&x, 2);
    dial_failed(&x, 2, true);
    assert_int_equal(totals(&x).lease_count, 2);
    forget(&x);
    join(&x, 3, 1000);
    assert_int_equal(count_commands(&x, "send 3 GRANT 5 to 1.1"), 1);
    finish(&x);
}

static void a_holders_death_leaves_its_leases_to_their_executors(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    demand(&x, 1, P(1, 1), one(P(1, 1)), 4);
    forget(&x);
    down(&x, 1);
    dial_failed(&x, 1, true);
    expect(&x, "notice NODE-LOST 1; dial 1 a1; journal down 1; notice NODE-DEAD 1; notice JOB-END "
               "1; send 2 PEER_DOWN 1; send 2 JOB_END 1.1");
    assert_int_equal(totals(&x).lease_count, 2);
    ended(&x, 2, L(3));
    ended(&x, 2, L(4));
    assert_int_equal(totals(&x).job_count, 0);
    finish(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_holders_own_node_comes_first),
        cmocka_unit_test(large_arguments_are_gone_to),
        cmocka_unit_test(nothing_for_a_node_that_is_ending),
        cmocka_unit_test(never_more_leases_than_the_newest_demand),
        cmocka_unit_test(the_freest_node_comes_next_ties_by_number),
        cmocka_unit_test(cpu_is_counted_in_thousandths),
        cmocka_unit_test(the_job_that_holds_least_goes_first),
        cmocka_unit_test(in_a_job_priority_then_workers_then_age),
        cmocka_unit_test(a_refusal_is_tried_elsewhere_and_again_later),
        cmocka_unit_test(what_cannot_run_somewhere_is_not_asked_there_again),
        cmocka_unit_test(too_large_for_all_is_infeasible_after_a_second),
        cmocka_unit_test(without_slots_it_waits),
        cmocka_unit_test(a_loan_makes_room_and_its_return_stops_new_grants),
        cmocka_unit_test(the_end_of_a_job_withdraws_all_it_wanted),
        cmocka_unit_test(an_executors_death_frees_its_leases_for_others),
        cmocka_unit_test(a_holders_death_leaves_its_leases_to_their_executors),
    };
    return cmocka_run_group_tests_name("scheduler/grant", tests, NULL, NULL);
}
