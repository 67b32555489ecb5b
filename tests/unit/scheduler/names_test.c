/* Names of actors: one holder each, over lost links and heads; free when the holder is gone. And
 * calls from other jobs, which come by names. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/scheduler/scenario.h"

#define HOST 0x10000u

static struct reeve_message of_name(
    enum reeve_message_kind kind, reeve_process_id process, uint64_t number, const char *name)
{
    struct reeve_message m = {.kind = kind,
        .process = process,
        .count = number,
        .actor_number = number,
        .actor_host = HOST,
        .host = "space"};
    m.class.job = P(1, 1);
    m.class.table = 7;
    snprintf(m.address, sizeof m.address, "%s", name);
    if (kind == REEVE_MESSAGE_NAME_CLAIM)
        snprintf(m.text, sizeof m.text, "counter");
    return m;
}

/* The answer to the latest question. */
static struct reeve_message answer(struct scenario *x)
{
    struct reeve_sched_command command;
    struct reeve_message named = {.kind = REEVE_MESSAGE_NONE};
    while (reeve_fifo_pop(&x->out, &command))
        if (command.kind == REEVE_SCHED_COMMAND_SEND && command.message.kind == REEVE_MESSAGE_NAMED)
            named = command.message;
    assert_int_equal(named.kind, REEVE_MESSAGE_NAMED);
    return named;
}

static int32_t claim(struct scenario *x, uint64_t session, reeve_process_id process,
    uint64_t number, const char *name)
{
    struct reeve_message m = of_name(REEVE_MESSAGE_NAME_CLAIM, process, number, name);
    say(x, session, &m);
    return answer(x).code;
}

static struct reeve_message find(struct scenario *x, uint64_t session, reeve_process_id process,
    const char *name, const char *type)
{
    struct reeve_message m = of_name(REEVE_MESSAGE_NAME_FIND, process, 0, name);
    snprintf(m.text, sizeof m.text, "%s", type);
    say(x, session, &m);
    return answer(x);
}

static void a_name_has_one_holder(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    struct reeve_message m = of_name(REEVE_MESSAGE_NAME_CLAIM, P(1, 1), 1, "hits");
    say(&x, 1, &m);
    expect(&x, "journal name 1; send 1 NAMED"); /* before anybody is told of it */
    assert_int_equal(claim(&x, 2, P(2, 5), 1, "hits"), REEVE_EEXIST);
    assert_int_equal(claim(&x, 1, P(1, 1), 2, "hits"), REEVE_EEXIST); /* its own other actor */
    assert_int_equal(claim(&x, 2, P(2, 5), 1, "misses"), REEVE_OK);
    m = of_name(REEVE_MESSAGE_NAME_CLAIM, P(2, 5), 3, "hits");
    snprintf(m.host, sizeof m.host, "elsewhere"); /* another namespace */
    say(&x, 2, &m);
    assert_int_equal(answer(&x).code, REEVE_OK);
    assert_int_equal(totals(&x).name_count, 3);
    struct reeve_message found = find(&x, 2, P(2, 5), "hits", "counter");
    assert_int_equal(found.code, REEVE_OK);
    assert_int_equal(found.worker, P(1, 1));
    assert_int_equal(found.actor_number, 1);
    assert_int_equal(found.actor_host, HOST);
    assert_int_equal(find(&x, 2, P(2, 5), "hits", "").code, REEVE_OK);
    found = find(&x, 2, P(2, 5), "hits", "queue");
    assert_int_equal(found.code, REEVE_ETYPE);
    assert_non_null(strstr(found.text, "hits in the namespace space is a counter, no queue"));
    assert_int_equal(find(&x, 2, P(2, 5), "nobody", "").code, REEVE_EHANDLE);
    m = of_name(REEVE_MESSAGE_NAME_FIND, P(2, 5), 0, "hits");
    m.class.table = 8;
    say(&x, 2, &m);
    assert_int_equal(answer(&x).code, REEVE_EMISMATCH);
    finish(&x);
}

static void it_is_free_when_its_holder_gives_it_back(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    assert_int_equal(claim(&x, 1, P(1, 1), 1, "hits"), REEVE_OK);
    struct reeve_message m = of_name(REEVE_MESSAGE_NAME_DROP, P(1, 1), 2, "hits");
    say(&x, 1, &m); /* not its holder */
    assert_int_equal(totals(&x).name_count, 1);
    m.actor_number = 1;
    say(&x, 1, &m);
    expect(&x, "journal no-name 1");
    say(&x, 1, &m); /* twice */
    expect(&x, "");
    assert_int_equal(claim(&x, 2, P(2, 5), 1, "hits"), REEVE_OK);
    finish(&x);
}

static void a_lost_node_keeps_its_names_until_the_verdict(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    assert_int_equal(claim(&x, 1, P(1, 1), 1, "hits"), REEVE_OK);
    down(&x, 1);
    forget(&x);
    assert_int_equal(claim(&x, 2, P(2, 5), 1, "hits"), REEVE_EEXIST);
    assert_int_equal(find(&x, 2, P(2, 5), "hits", "").code, REEVE_OK);
    dial_failed(&x, 1, true);
    assert_int_equal(claim(&x, 2, P(2, 5), 1, "hits"), REEVE_OK);
    assert_int_equal(find(&x, 2, P(2, 5), "hits", "").worker, P(2, 5));
    run(&x);
    forget(&x);
    assert_int_equal(totals(&x).name_count, 1);
    finish(&x);
}

static void what_is_not_said_again_is_free(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    assert_int_equal(claim(&x, 1, P(1, 1), 1, "hits"), REEVE_OK);
    assert_int_equal(claim(&x, 1, P(1, 1), 2, "misses"), REEVE_OK);
    down(&x, 1);
    rejoin(&x, 3, 1, 2000);
    struct reeve_message m = of_name(REEVE_MESSAGE_NAME_CLAIM, P(1, 1), 2, "misses");
    say(&x, 3, &m);
    assert_int_equal(totals(&x).name_count, 2);
    forget(&x);
    heartbeat(&x, 3);
    expect(&x, "journal no-name 1");
    assert_int_equal(claim(&x, 2, P(2, 5), 1, "hits"), REEVE_OK);
    assert_int_equal(claim(&x, 2, P(2, 5), 2, "misses"), REEVE_EEXIST);
    finish(&x);
}

/* Whoever says it first has it; the other is told. (It takes a journal that was lost.) */
static void of_two_that_say_they_have_it_one_loses_it(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    assert_int_equal(claim(&x, 1, P(1, 1), 1, "hits"), REEVE_OK);
    down(&x, 2);
    rejoin(&x, 3, 2, 2000);
    struct reeve_message m = of_name(REEVE_MESSAGE_NAME_CLAIM, P(2, 5), 9, "hits");
    say(&x, 3, &m);
    assert_int_equal(answer(&x).code, REEVE_EEXIST);
    finish(&x);
}

static void a_new_head_knows_who_has_what(void **state)
{
    (void)state;
    struct scenario x;
    struct reeve_sched_settings second = {.head_incarnation = 2, .node_next = 65, .seed = 1};
    begin(&x, &second);
    struct reeve_message join = {.kind = REEVE_MESSAGE_JOIN,
        .node = 1,
        .uid = 101,
        .incarnation = 1,
        .cpu_milli = 2000,
        .host = "h1",
        .address = "a1"};
    reeve_sched_expect(x.sched, x.now_ns, &join);
    struct reeve_message m = of_name(REEVE_MESSAGE_NAME_CLAIM, P(1, 1), 1, "hits");
    assert_true(reeve_sched_expect_name(x.sched, &m));
    m.process = P(7, 1); /* of a node that nobody expects */
    snprintf(m.address, sizeof m.address, "other");
    assert_false(reeve_sched_expect_name(x.sched, &m));
    join.uid = 102;
    up(&x, 2);
    join.node = 0;
    snprintf(join.address, sizeof join.address, "a2");
    say(&x, 2, &join);
    forget(&x);
    assert_int_equal(claim(&x, 2, P(65, 5), 1, "hits"), REEVE_EEXIST);
    assert_int_equal(find(&x, 2, P(65, 5), "hits", "").worker, P(1, 1));
    wait_ms(&x, 1);
    dial_failed(&x, 1, true);
    assert_int_equal(claim(&x, 2, P(65, 5), 1, "hits"), REEVE_OK);
    run(&x);
    forget(&x);
    finish(&x);
}

static void nonsense_is_dropped_and_the_past_ignored(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    struct reeve_message m = of_name(REEVE_MESSAGE_NAME_CLAIM, P(9, 1), 1, "hits");
    say(&x, 1, &m); /* of a node that it is not: it may have been */
    expect(&x, "");
    assert_int_equal(totals(&x).name_count, 0);
    m = of_name(REEVE_MESSAGE_NAME_CLAIM, P(1, 1), 1, "");
    say(&x, 1, &m);
    assert_int_equal(count_commands(&x, "drop"), 1);
    finish(&x);
}

/* ---- who has found one calls it from another job ---- */

static struct reeve_class attaching(reeve_process_id job, uint32_t table)
{
    struct reeve_class class = class_of(job, 0, 0);
    class.owner = P(1, 1);
    class.host = HOST | REEVE_HOST_ATTACH;
    class.table = table;
    return class;
}

static void other_jobs_attach_by_the_same_functions(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    job(&x, 2, P(2, 2));
    job(&x, 2, P(2, 3));
    demand(&x, 2, P(2, 2), attaching(P(2, 2), 7), 1);
    demand(&x, 2, P(2, 3), attaching(P(2, 3), 7), 1);
    forget(&x);
    struct reeve_class residence = attaching(P(1, 1), 7);
    residence.host = HOST;
    demand(&x, 1, P(1, 1), residence, 1);
    assert_int_equal(count_commands(&x, "send 1 GRANT"), 3); /* both had waited for it */
    demand(&x, 2, P(2, 9), attaching(P(2, 2), 8), 1);
    wait_ms(&x, 1100);
    assert_int_equal(count_commands(&x, "send 2 INFEASIBLE"), 1);
    /* the owner is done: both are told */
    demand(&x, 1, P(1, 1), residence, 0);
    ended(&x, 1, L(2));
    ended(&x, 1, L(3));
    ended(&x, 1, L(1));
    wait_ms(&x, 1);
    assert_int_equal(count_commands(&x, "send 2 INFEASIBLE"), 2);
    finish(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_one_holder),
        cmocka_unit_test(it_is_free_when_its_holder_gives_it_back),
        cmocka_unit_test(a_lost_node_keeps_its_names_until_the_verdict),
        cmocka_unit_test(what_is_not_said_again_is_free),
        cmocka_unit_test(of_two_that_say_they_have_it_one_loses_it),
        cmocka_unit_test(a_new_head_knows_who_has_what),
        cmocka_unit_test(nonsense_is_dropped_and_the_past_ignored),
        cmocka_unit_test(other_jobs_attach_by_the_same_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
