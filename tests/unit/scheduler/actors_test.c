/* Hosts of actors: those that attach go where the residence is, when it is there, and are told when
 * it will never be. */
#include <string.h>

#include "tests/unit/scheduler/scenario.h"

#define HOST 0x10000u

static struct reeve_class residence(reeve_process_id job, reeve_process_id owner, uint32_t cpu)
{
    struct reeve_class class = class_of(job, cpu, 0);
    class.owner = owner;
    class.host = HOST;
    return class;
}

static struct reeve_class attaching(reeve_process_id job, reeve_process_id owner)
{
    struct reeve_class class = residence(job, owner, 0);
    class.host |= REEVE_HOST_ATTACH;
    return class;
}

static void who_attaches_goes_to_the_residence(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    demand(&x, 2, P(2, 9), attaching(P(1, 1), P(1, 1)), 1);
    expect(&x, ""); /* it is nowhere yet */
    demand(&x, 1, P(1, 1), residence(P(1, 1), P(1, 1), 1000), 1);
    expect(&x, "send 1 GRANT 1 to 1.1; send 1 PEER_UP 2; send 2 PEER_UP 1; "
               "send 1 GRANT 2 to 2.9");
    /* where there is no room for any task */
    demand(&x, 1, P(1, 1), class_of(P(1, 1), 1000, 0), 3);
    forget(&x);
    demand(&x, 1, P(1, 5), attaching(P(1, 1), P(1, 1)), 1);
    assert_int_equal(count_commands(&x, "send 1 GRANT"), 1);
    assert_int_equal(totals(&x).cpu_used_milli, 4000);
    wait_ms(&x, 5000);
    assert_int_equal(count_commands(&x, "send 2 INFEASIBLE"), 0);
    finish(&x);
}

static void it_follows_when_the_residence_moves(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    demand(&x, 1, P(1, 1), residence(P(1, 1), P(1, 1), 0), 1);
    expect(&x, "send 1 GRANT 1 to 1.1");
    demand(&x, 2, P(2, 9), attaching(P(1, 1), P(1, 1)), 1);
    expect(&x, "send 1 PEER_UP 2; send 2 PEER_UP 1; send 1 GRANT 2 to 2.9");
    refused(&x, 1, L(2), REEVE_EBUSY); /* the host has just died */
    ended(&x, 1, L(1));
    forget(&x);
    wait_ms(&x, 1000);
    assert_int_equal(totals(&x).lease_count, 2);
    forget(&x);
    finish(&x);
}

static void it_is_told_when_the_owner_wants_it_no_more(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    demand(&x, 1, P(1, 1), residence(P(1, 1), P(1, 1), 0), 1);
    demand(&x, 2, P(2, 9), attaching(P(1, 1), P(1, 1)), 1);
    forget(&x);
    demand(&x, 1, P(1, 1), residence(P(1, 1), P(1, 1), 0), 0);
    ended(&x, 1, L(2)); /* first the attached, then the residence */
    expect(&x, "");
    ended(&x, 1, L(1));
    wait_ms(&x, 1);
    assert_int_equal(count_commands(&x, "send 2 INFEASIBLE"), 1);
    demand(&x, 2, P(2, 9), attaching(P(1, 1), P(1, 1)), 0);
    assert_int_equal(totals(&x).class_count, 0);
    finish(&x);
}

static void nobody_attaches_to_what_never_was_or_is_anothers(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    job(&x, 2, P(2, 2));
    forget(&x);
    demand(&x, 1, P(1, 1), residence(P(1, 1), P(1, 1), 0), 1);
    forget(&x);
    struct reeve_class others = attaching(P(2, 2), P(1, 1));
    others.table = 1;
    demand(&x, 2, P(2, 2), others, 1);                      /* of a program with other functions */
    demand(&x, 2, P(2, 9), attaching(P(1, 1), P(7, 7)), 1); /* of nobody */
    wait_ms(&x, 900);
    assert_int_equal(count_commands(&x, "send 2 INFEASIBLE"), 0); /* it may yet be heard of */
    wait_ms(&x, 200);
    assert_int_equal(count_commands(&x, "send 2 INFEASIBLE"), 2);
    finish(&x);
}

/* Others may lack what they want for as long as the actor lives. */
static void a_residence_is_not_called_back(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    join(&x, 1, 1000);
    job(&x, 1, P(1, 1));
    job(&x, 1, P(1, 2));
    forget(&x);
    demand(&x, 1, P(1, 1), residence(P(1, 1), P(1, 1), 1000), 1);
    forget(&x);
    demand(&x, 1, P(1, 2), class_of(P(1, 2), 1000, 0), 1);
    wait_ms(&x, 20000);
    assert_int_equal(count_commands(&x, "send 1 RECALL"), 0);
    finish(&x);
}

static void a_new_head_knows_hosts_again(void **state)
{
    (void)state;
    struct scenario x;
    begin(&x, NULL);
    up(&x, 1);
    struct reeve_message m = {.kind = REEVE_MESSAGE_JOIN,
        .uid = 101,
        .incarnation = 1,
        .host = "h1",
        .address = "a1",
        .cpu_milli = 2000};
    say(&x, 1, &m);
    job(&x, 1, P(1, 1));
    demand(&x, 1, P(1, 5), attaching(P(1, 1), P(1, 1)), 1);
    demand(&x, 1, P(1, 1), residence(P(1, 1), P(1, 1), 0), 1);
    assert_int_equal(totals(&x).lease_count, 2);
    down(&x, 1);
    rejoin(&x, 2, 1, 2000);
    holding(&x, 2, L(2), P(1, 5), attaching(P(1, 1), P(1, 1)));
    holding(&x, 2, L(1), P(1, 1), residence(P(1, 1), P(1, 1), 0));
    heartbeat(&x, 2);
    job(&x, 2, P(1, 1));
    demand(&x, 2, P(1, 5), attaching(P(1, 1), P(1, 1)), 1);
    demand(&x, 2, P(1, 1), residence(P(1, 1), P(1, 1), 0), 1);
    forget(&x);
    demand(&x, 2, P(1, 6), attaching(P(1, 1), P(1, 1)), 1);
    assert_int_equal(totals(&x).lease_count, 3);
    assert_int_equal(count_commands(&x, "send 2 GRANT"), 1);
    finish(&x);
}

/* It has yet to say what its processes want. */
static void nobody_is_told_before_the_owners_node_has_spoken(void **state)
{
    (void)state;
    struct scenario x;
    two_nodes(&x);
    down(&x, 1);
    demand(&x, 2, P(2, 9), attaching(P(1, 1), P(1, 1)), 1);
    forget(&x);
    wait_ms(&x, 3000);
    assert_int_equal(count_commands(&x, "send 2 INFEASIBLE"), 0);
    rejoin(&x, 3, 1, 2000);
    job(&x, 3, P(1, 1));
    wait_ms(&x, 3000);
    assert_int_equal(count_commands(&x, "send 2 INFEASIBLE"), 0);
    said_all(&x, 3, 1);
    wait_ms(&x, 1100);
    assert_int_equal(count_commands(&x, "send 2 INFEASIBLE"), 1);
    finish(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_attaches_goes_to_the_residence),
        cmocka_unit_test(it_follows_when_the_residence_moves),
        cmocka_unit_test(it_is_told_when_the_owner_wants_it_no_more),
        cmocka_unit_test(nobody_attaches_to_what_never_was_or_is_anothers),
        cmocka_unit_test(a_residence_is_not_called_back),
        cmocka_unit_test(a_new_head_knows_hosts_again),
        cmocka_unit_test(nobody_is_told_before_the_owners_node_has_spoken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
