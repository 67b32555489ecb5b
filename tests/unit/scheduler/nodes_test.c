/* Nodes: joining, being lost, coming back, the verdict, and a head that starts anew. */
#include <string.h>

#include "tests/unit/scheduler/scenario.h"

static void a_node_joins_and_is_kept_by_heartbeats(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    up(&x, 1);
    expect(&x, "");
    join(&x, 1, 4000);
    expect(&x, "journal numbers 65; journal up 1; send 1 WELCOME 1; notice NODE-JOINED 1");
    join(&x, 2, 0);
    expect(&x, "journal up 2; send 2 WELCOME 2; notice NODE-JOINED 2");
    assert_int_equal(totals(&x).cpu_milli, 4000);
    wait_ms(&x, 1000);
    expect(&x, "send 1 HEARTBEAT; send 2 HEARTBEAT");
    heartbeat(&x, 1);
    heartbeat(&x, 2);
    expect(&x, "");
    finish(&x);
}

static void silence_is_death_after_ten_seconds(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    join(&x, 2, 1000);
    forget(&x);
    for (int i = 0; i < 9; i++) {
        wait_ms(&x, 1000);
        heartbeat(&x, 2);
    }
    assert_int_equal(count_commands(&x, "notice"), 0);
    wait_ms(&x, 1000);
    expect(&x, "drop 1; journal down 1; notice NODE-DEAD 1; send 2 HEARTBEAT; send 2 PEER_DOWN 1");
    assert_int_equal(totals(&x).node_count, 1);
    finish(&x);
}

static void a_lost_link_is_redialled_and_a_refusal_is_death(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    join(&x, 2, 1000);
    forget(&x);
    down(&x, 1);
    expect(&x, "notice NODE-LOST 1; dial 1 a1");
    dial_failed(&x, 1, false);
    wait_ms(&x, 999);
    expect(&x, "");
    wait_ms(&x, 1);
    expect(&x, "send 2 HEARTBEAT; dial 1 a1");
    dial_failed(&x, 1, true);
    expect(&x, "journal down 1; notice NODE-DEAD 1; send 2 PEER_DOWN 1");
    dial_failed(&x, 1, true);
    finish(&x);
}

static void unreachable_is_death_ten_seconds_after_the_last_word(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    wait_ms(&x, 2000);
    forget(&x);
    down(&x, 1);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(count_commands(&x, "dial"), 1);
        dial_failed(&x, 1, false);
        wait_ms(&x, 1000);
    }
    expect(&x, "journal down 1; notice NODE-DEAD 1");
    finish(&x);
}

static void one_that_has_been_stopped_is_no_loss(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    join(&x, 2, 1000);
    forget(&x);
    stopped(&x, 1);
    expect(&x, "journal down 1; notice NODE-ENDED 1; send 2 PEER_DOWN 1 stopped");
    assert_int_equal(totals(&x).node_count, 1);
    finish(&x);
}

static void the_same_life_comes_back_with_its_leases(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 2000);
    join(&x, 2, 2000);
    job(&x, 1, P(1, 1));
    struct reeve_class c = class_of(P(1, 1), 1000, 0);
    demand(&x, 1, P(1, 1), c, 4);
    assert_int_equal(totals(&x).lease_count, 4);
    forget(&x);
    down(&x, 2); /* executes leases 3 and 4 */
    expect(&x, "notice NODE-LOST 2; dial 2 a2");
    rejoin(&x, 12, 2, 2000);
    expect(&x, "journal up 2; send 12 WELCOME 2; notice NODE-BACK 2");
    holding(&x, 12, L(3), P(1, 1), c);
    expect(&x, "send 12 PEER_UP 1");
    assert_int_equal(totals(&x).lease_count, 4);
    heartbeat(&x, 12); /* the list is over: lease 4 did not outlive the link, and is granted anew */
    expect(&x, "send 12 GRANT 5 to 1.1");
    assert_int_equal(totals(&x).lease_count, 4);
    finish(&x);
}

static void a_new_life_gets_a_new_number_and_the_old_one_is_dead(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    forget(&x);
    struct reeve_message m = {.kind = REEVE_MESSAGE_JOIN,
        .node = 1,
        .uid = 101,
        .incarnation = 2,
        .cpu_milli = 1000,
        .address = "a1"};
    up(&x, 9);
    say(&x, 9, &m);
    expect(&x, "drop 1; journal down 1; notice NODE-DEAD 1; journal up 2; send 9 WELCOME 2; notice "
               "NODE-JOINED 2");
    down(&x, 1);
    finish(&x);
}

static void who_takes_a_lost_nodes_address_shows_that_it_is_dead(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    down(&x, 1);
    forget(&x);
    up(&x, 9);
    say(&x, 9,
        &(struct reeve_message){.kind = REEVE_MESSAGE_JOIN,
            .uid = 777,
            .incarnation = 1,
            .cpu_milli = 1000,
            .address = "a1"});
    expect(&x,
        "journal down 1; notice NODE-DEAD 1; journal up 2; send 9 WELCOME 2; notice NODE-JOINED 2");
    finish(&x);
}

static void a_lost_welcome_does_not_cost_a_number(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    down(&x, 1);
    forget(&x);
    struct reeve_message m = {.kind = REEVE_MESSAGE_JOIN,
        .uid = 101,
        .incarnation = 1,
        .cpu_milli = 1000,
        .address = "a1"};
    up(&x, 2);
    say(&x, 2, &m);
    expect(&x, "journal up 1; send 2 WELCOME 1; notice NODE-BACK 1");
    finish(&x);
}

static void the_dead_do_not_come_back(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    down(&x, 1);
    dial_failed(&x, 1, true);
    forget(&x);
    rejoin(&x, 2, 1, 1000);
    expect(&x, "journal up 2; send 2 WELCOME 2; notice NODE-JOINED 2");
    finish(&x);
}

static void a_second_session_replaces_the_first(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    forget(&x);
    rejoin(&x, 2, 1, 1000);
    expect(&x, "drop 1; journal up 1; send 2 WELCOME 1; notice NODE-BACK 1");
    down(&x, 1);
    heartbeat(&x, 1);
    expect(&x, "");
    assert_int_equal(totals(&x).node_up_count, 1);
    finish(&x);
}

static void who_breaks_the_rules_is_dropped(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    up(&x, 5);
    heartbeat(&x, 5);
    expect(&x, "drop 5; notice PEER-DROPPED 0");
    up(&x, 6);
    wait_ms(&x, 10000);
    expect(&x, "drop 6; notice PEER-DROPPED 0");
    join(&x, 1, 1000);
    forget(&x);
    demand(&x, 1, P(2, 1), class_of(P(2, 1), 1000, 0), 1);
    expect(&x, "drop 1; notice PEER-DROPPED 1; notice NODE-LOST 1; dial 1 a1");
    rejoin(&x, 2, 1, 1000);
    forget(&x);
    say(&x, 2, &(struct reeve_message){.kind = REEVE_MESSAGE_GRANT});
    assert_int_equal(count_commands(&x, "drop 2"), 1);
    say(&x, 77, &(struct reeve_message){.kind = REEVE_MESSAGE_HEARTBEAT});
    assert_int_equal(totals(&x).stale_count, 1);
    finish(&x);
}

static void heartbeats_say_how_full_the_store_is(void **state)
{
    (void)state;
    struct scenario x;
    struct reeve_sched_node_info info;
    uint64_t cursor = 0;
    begin(&x, NULL);
    join(&x, 1, 1000);
    forget(&x);
    say(&x, 1,
        &(struct reeve_message){
            .kind = REEVE_MESSAGE_HEARTBEAT, .memory_bytes = 5000, .count = 70});
    assert_true(reeve_sched_next_node(x.sched, &cursor, &info));
    assert_int_equal(info.store_bytes, 5000);
    assert_int_equal(info.store_used_bytes, 70);
    finish(&x);
}

static void a_head_that_slept_blames_nobody(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    forget(&x);
    x.now_ns += 60000 * MS;
    step(&x, &(struct reeve_sched_event){.kind = REEVE_SCHED_EVENT_TICK});
    expect(&x, "notice HEAD-STALLED 0; send 1 HEARTBEAT");
    wait_ms(&x, 9000);
    assert_int_equal(count_commands(&x, "notice"), 0);
    wait_ms(&x, 1000);
    expect(&x, "drop 1; journal down 1; notice NODE-DEAD 1");
    finish(&x);
}

static void a_new_head_rebuilds_from_journal_and_nodes(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, &(struct reeve_sched_settings){.head_incarnation = 2, .node_next = 65, .seed = 1});
    struct reeve_message known = {.kind = REEVE_MESSAGE_JOIN, .cpu_milli = 2000, .incarnation = 1};
    for (uint32_t i = 1; i <= 3; i++) {
        known.node = i;
        known.uid = 100 + i;
        known.address[0] = 'a';
        known.address[1] = (char)('0' + i);
        reeve_sched_expect(x.sched, x.now_ns, &known);
    }
    struct reeve_class c = class_of(P(1, 1), 1000, 0);
    /* Node 2 is back first, with a lease of the last head for a driver of node 1, which is not
     * back yet. */
    rejoin(&x, 2, 2, 2000);
    holding(&x, 2, L(7), P(1, 1), c);
    heartbeat(&x, 2);
    assert_int_equal(totals(&x).lease_count, 1);
    forget(&x);
    rejoin(&x, 1, 1, 2000);
    job(&x, 1, P(1, 1));
    forget(&x);
    demand(&x, 1, P(1, 1), c, 3);
    expect(&x, "send 1 GRANT 1 to 1.1; send 1 GRANT 2 to 1.1");
    /* Node 3 never comes: everybody learns in the end. */
    wait_ms(&x, 2000);
    assert_int_equal(count_commands(&x, "dial 3"), 1);
    for (int i = 0; i < 57; i++) {
        wait_ms(&x, 1000);
        heartbeat(&x, 1);
        heartbeat(&x, 2);
    }
    assert_int_equal(count_commands(&x, "notice NODE-DEAD"), 0);
    wait_ms(&x, 1000);
    assert_int_equal(count_commands(&x, "send 1 PEER_DOWN 3"), 1);
    assert_int_equal(totals(&x).lease_count, 3);
    finish(&x);
}

static void a_job_whose_driver_went_with_the_last_head_ends(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, &(struct reeve_sched_settings){.head_incarnation = 2, .node_next = 65, .seed = 1});
    struct reeve_message known = {
        .kind = REEVE_MESSAGE_JOIN, .cpu_milli = 2000, .incarnation = 1, .node = 1, .uid = 101};
    reeve_sched_expect(x.sched, x.now_ns, &known);
    rejoin(&x, 1, 1, 2000);
    holding(&x, 1, L(7), P(1, 1), class_of(P(1, 1), 1000, 0));
    heartbeat(&x, 1);
    forget(&x);
    wait_ms(&x, 1999);
    heartbeat(&x, 1);
    forget(&x);
    wait_ms(&x, 1);
    assert_int_equal(count_commands(&x, "send 1 JOB_END 1.1"), 1);
    ended(&x, 1, L(7));
    assert_int_equal(totals(&x).job_count, 0);
    finish(&x);
}

static void a_node_may_ask_for_anothers_address(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    join(&x, 2, 1000);
    forget(&x);
    say(&x, 1, &(struct reeve_message){.kind = REEVE_MESSAGE_PEER_UP, .node = 2});
    expect(&x, "send 1 PEER_UP 2");
    say(&x, 1, &(struct reeve_message){.kind = REEVE_MESSAGE_PEER_UP, .node = 3});
    expect(&x, "send 1 PEER_DOWN 3");
    finish(&x);
}

/* It was no member yet when that one died, so it has not heard the news. */
static void who_asks_for_a_dead_node_hears_that_it_is(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    down(&x, 1);
    dial_failed(&x, 1, true);
    join(&x, 2, 1000);
    forget(&x);
    say(&x, 2, &(struct reeve_message){.kind = REEVE_MESSAGE_PEER_UP, .node = 1});
    expect(&x, "send 2 PEER_DOWN 1");
    finish(&x);
}

static void who_comes_back_hears_the_news_it_may_have_missed(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    join(&x, 2, 1000);
    job(&x, 1, P(1, 1));
    down(&x, 2);
    forget(&x);
    end_job(&x, 1, P(1, 1));
    expect(&x, "notice JOB-END 1; send 1 JOB_END 1.1");
    rejoin(&x, 12, 2, 1000);
    expect(&x, "journal up 2; send 12 WELCOME 2; notice NODE-BACK 2; send 12 JOB_END 1.1");
    finish(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_joins_and_is_kept_by_heartbeats),
        cmocka_unit_test(silence_is_death_after_ten_seconds),
        cmocka_unit_test(a_lost_link_is_redialled_and_a_refusal_is_death),
        cmocka_unit_test(one_that_has_been_stopped_is_no_loss),
        cmocka_unit_test(unreachable_is_death_ten_seconds_after_the_last_word),
        cmocka_unit_test(the_same_life_comes_back_with_its_leases),
        cmocka_unit_test(a_new_life_gets_a_new_number_and_the_old_one_is_dead),
        cmocka_unit_test(who_takes_a_lost_nodes_address_shows_that_it_is_dead),
        cmocka_unit_test(a_lost_welcome_does_not_cost_a_number),
        cmocka_unit_test(the_dead_do_not_come_back),
        cmocka_unit_test(a_second_session_replaces_the_first),
        cmocka_unit_test(who_breaks_the_rules_is_dropped),
        cmocka_unit_test(heartbeats_say_how_full_the_store_is),
        cmocka_unit_test(a_head_that_slept_blames_nobody),
        cmocka_unit_test(a_new_head_rebuilds_from_journal_and_nodes),
        cmocka_unit_test(a_job_whose_driver_went_with_the_last_head_ends),
        cmocka_unit_test(a_node_may_ask_for_anothers_address),
        cmocka_unit_test(who_asks_for_a_dead_node_hears_that_it_is),
        cmocka_unit_test(who_comes_back_hears_the_news_it_may_have_missed),
    };
    return cmocka_run_group_tests_name("scheduler/nodes", tests, NULL, NULL);
}
