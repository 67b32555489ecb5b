/* Several results of one call that were lost with their node: the call is run again, once for all
 * that are lost. (Random programs with such calls: lineage_test.c.) */
#include "tests/unit/client/lineage_world.h"

#define COUNT 4u /* of which the third is small */

static void need(struct world *world, reeve_task_id task, uint64_t expected)
{
    uint64_t value = 0;
    char why[256] = "";
    assert_int_equal(get(world, task, &value, why, sizeof(why)), 0);
    assert_int_equal(value, expected);
}

static void fails(struct world *world, reeve_task_id task, int code, const char *text)
{
    uint64_t value;
    char why[256] = "";
    assert_int_equal(get(world, task, &value, why, sizeof(why)), code);
    assert_non_null(strstr(why, text));
}

/* Nothing is left of it. */
static void end(struct world *world)
{
    commands_run(world);
    assert_int_equal(alive_count(world), 0);
    assert_int_equal(reeve_owner_task_count(world->owner), 0);
    assert_int_equal(reeve_owner_memory(world->owner), 0);
    world_free(world);
}

static void ask(struct world *world, reeve_task_id task)
{
    struct reeve_owner_result result;
    char why[256];
    assert_int_equal(reeve_owner_result(world->owner, task, &result), 0);
    assert_int_equal(reeve_owner_lost(world->owner, world->now_ns, task, &result.object.id,
                         REEVE_ELOST, why, sizeof(why)),
        0);
    commands_run(world);
}

static void all_that_are_lost_are_made_again_at_once(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    reeve_task_id parts[COUNT];
    submit_parts(&world, 5, NULL, 0, 3, parts, COUNT);
    assert_int_equal(run_all(&world), 1);
    assert_int_equal(alive_count(&world), 3);
    all_die(&world);
    ask(&world, parts[0]);
    assert_int_equal(reeve_owner_state(world.owner, parts[3]), REEVE_TASK_REMADE);
    assert_int_equal(run_all(&world), 1);
    for (uint32_t i = 0; i < COUNT; i++)
        need(&world, parts[i], part_value(5, i));
    assert_int_equal(run_all(&world), 0);
    all_die(&world);
    need(&world, parts[1], part_value(5, 1)); /* and with it what lay beside it */
    assert_int_equal(alive_count(&world), 3);
    release(&world, parts[0]);
    all_die(&world);
    need(&world, parts[3], part_value(5, 3)); /* what nobody wants any more is not kept */
    assert_int_equal(alive_count(&world), 2);
    all_die(&world);
    fails(&world, parts[1], REEVE_ELOST, "max_retries: 3");
    for (uint32_t i = 1; i < COUNT; i++)
        release(&world, parts[i]);
    end(&world);
}

/* What is damaged on a disk is so by itself. */
static void what_is_damaged_is_made_again_alone(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    reeve_task_id parts[COUNT];
    uint64_t value = 0;
    char why[256];
    submit_parts(&world, 5, NULL, 0, 3, parts, COUNT);
    run_all(&world);
    world.objects[0].node = 0;
    assert_int_equal(get_after(&world, parts[0], REEVE_ECORRUPT, &value, why, sizeof(why)), 0);
    assert_int_equal(value, part_value(5, 0));
    assert_int_equal(alive_count(&world), 3);
    for (uint32_t i = 1; i < 3; i++) /* those of before */
        assert_false(world.objects[i].freed);
    for (uint32_t i = 0; i < COUNT; i++)
        release(&world, parts[i]);
    end(&world);
}

/* The others have gone: by the one the call is kept, and nothing else is. */
static void one_keeps_its_call(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    reeve_task_id parts[COUNT], argument = put(&world, 7);
    submit_parts(&world, 5, &argument, 1, 3, parts, COUNT);
    release(&world, argument);
    assert_int_equal(run_all(&world), 1);
    for (uint32_t i = 1; i < COUNT; i++)
        release(&world, parts[i]);
    assert_int_equal(alive_count(&world), 2); /* with the argument, which was put */
    all_die(&world);
    need(&world, parts[0], part_value(mix(5, 7), 0));
    release(&world, parts[0]);
    end(&world);
}

/* Of a row only the end is held; what it was made from is made again, through the parts. */
static void a_row_is_made_again_from_its_beginning(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    reeve_task_id first[COUNT], second[COUNT], last, argument = submit(&world, 3, NULL, 0, 3);
    submit_parts(&world, 5, &argument, 1, 3, first, COUNT);
    submit_parts(&world, 6, &first[1], 1, 3, second, COUNT);
    last = submit(&world, 9, &second[3], 1, 3);
    assert_int_equal(run_all(&world), 4);
    release(&world, argument);
    for (uint32_t i = 0; i < COUNT; i++) {
        release(&world, first[i]);
        release(&world, second[i]);
    }
    uint64_t value = mix(9, part_value(mix(6, part_value(mix(5, 3), 1)), 3));
    need(&world, last, value);
    assert_int_equal(alive_count(&world), 1);
    all_die(&world);
    need(&world, last, value);
    assert_int_equal(alive_count(&world), 1);
    release(&world, last);
    end(&world);
}

/* A task that waits for one of them when it turns out to be lost. */
static void what_needs_one_waits_for_it(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    reeve_task_id parts[COUNT], user;
    submit_parts(&world, 5, NULL, 0, 3, parts, COUNT);
    run_all(&world);
    all_die(&world);
    user = submit(&world, 2, &parts[3], 1, 3);
    need(&world, user, mix(2, part_value(5, 3)));
    for (uint32_t i = 0; i < COUNT; i++)
        release(&world, parts[i]);
    release(&world, user);
    end(&world);
}

static void what_cannot_be_made_again_says_why(void **state)
{
    (void)state;
    struct world world = world_make(sizeof(void *));
    reeve_task_id parts[COUNT], never[COUNT];
    submit_parts(&world, 5, NULL, 0, 0, never, COUNT);
    submit_parts(&world, 6, NULL, 0, 3, parts, COUNT); /* there is no room to keep its call */
    run_all(&world);
    all_die(&world);
    fails(&world, never[0], REEVE_ELOST, "another process had made it");
    fails(&world, parts[0], REEVE_ELOST, "another process had made it");
    for (uint32_t i = 0; i < COUNT; i++) {
        release(&world, never[i]);
        release(&world, parts[i]);
    }
    end(&world);
    world = world_make(1u << 20);
    submit_parts(&world, 5, NULL, 0, 0, never, COUNT);
    run_all(&world);
    all_die(&world);
    fails(&world, never[1], REEVE_ELOST, "max_retries: 0");
    for (uint32_t i = 0; i < COUNT; i++)
        release(&world, never[i]);
    end(&world);
}

/* The function is not what it was: what was lost has its error, and what was not lost stays. */
static void what_fails_the_second_time_fails(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    reeve_task_id parts[COUNT];
    struct reeve_owner_send send;
    struct reeve_owner_entry entry;
    submit_parts(&world, 5, NULL, 0, 3, parts, COUNT);
    run_all(&world);
    world.objects[0].node = 0;
    ask(&world, parts[0]); /* the one beside it is thought to be lost, too */
    assert_true(reeve_owner_next_send(world.owner, &send));
    reeve_owner_sent(world.owner, world.now_ns, send.task, 1);
    reeve_owner_entry(world.owner, send.task, &entry);
    assert_true(reeve_owner_answer(world.owner, world.now_ns, send.lease_index, send.task,
        entry.attempt, REEVE_EFUNCTION, "\x80", 1, NULL));
    commands_run(&world);
    fails(&world, parts[0], REEVE_EFUNCTION, "");
    fails(&world, parts[1], REEVE_EFUNCTION, "");
    need(&world, parts[2], part_value(5, 2));
    fails(&world, parts[3], REEVE_EFUNCTION, "");
    for (uint32_t i = 0; i < COUNT; i++)
        release(&world, parts[i]);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_are_lost_are_made_again_at_once),
        cmocka_unit_test(what_is_damaged_is_made_again_alone),
        cmocka_unit_test(one_keeps_its_call),
        cmocka_unit_test(a_row_is_made_again_from_its_beginning),
        cmocka_unit_test(what_needs_one_waits_for_it),
        cmocka_unit_test(what_cannot_be_made_again_says_why),
        cmocka_unit_test(what_fails_the_second_time_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
