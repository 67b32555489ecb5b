/* Objects that were lost with their node, or damaged on a disk: scenarios, then random programs
 * whose every value is known beforehand. Of calls with several results: results_lost_test.c. */
#include "tests/unit/client/lineage_world.h"

/* ---- scenarios ------------------------------------------------------------------------------- */

static void a_lost_result_is_made_again(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    struct reeve_owner_result result;
    uint64_t value = 0;
    char why[256] = "";
    reeve_task_id task = submit(&world, 5, NULL, 0, 2);
    assert_int_equal(run_all(&world), 1);
    assert_int_equal(reeve_owner_result(world.owner, task, &result), 0);
    struct reeve_object_id first = result.object.id;
    for (int i = 0; i < 2; i++) {
        all_die(&world);
        assert_int_equal(get(&world, task, &value, why, sizeof(why)), 0);
        assert_int_equal(value, 5);
        assert_int_equal(reeve_owner_result(world.owner, task, &result), 0);
        assert_int_equal(result.attempt, i + 2);
        /* who still asks for an object of before is told to look again, and nothing happens */
        assert_int_equal(
            reeve_owner_lost(world.owner, 0, task, &first, REEVE_ELOST, why, sizeof(why)), 0);
        assert_int_equal(reeve_owner_unfinished(world.owner), 0);
    }
    all_die(&world);
    assert_int_equal(get(&world, task, &value, why, sizeof(why)), REEVE_ELOST);
    assert_non_null(strstr(why, "max_retries: 2"));
    release(&world, task);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    assert_int_equal(reeve_owner_memory(world.owner), 0);
    assert_int_equal(alive_count(&world), 0);
    world_free(&world);
}

static void what_cannot_be_made_again_says_why(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    char why[256] = "";
    uint64_t value;
    reeve_task_id task = put(&world, 3), never = submit(&world, 1, NULL, 0, 0);
    run_all(&world);
    node_dies(&world, OWN_NODE);
    all_die(&world);
    assert_int_equal(get(&world, task, &value, why, sizeof(why)), REEVE_ELOST);
    assert_non_null(strstr(why, "node 1"));
    assert_non_null(strstr(why, "put it again"));
    assert_int_equal(get(&world, never, &value, why, sizeof(why)), REEVE_ELOST);
    assert_non_null(strstr(why, "max_retries: 0"));
    /* as an argument, too */
    reeve_task_id user = submit(&world, 2, &task, 1, 3);
    why[0] = '\0';
    assert_int_equal(get(&world, user, &value, why, sizeof(why)), REEVE_ELOST);
    assert_non_null(strstr(why, "put it again"));
    release(&world, task);
    release(&world, never);
    release(&world, user);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_free(&world);
}

/* Of a chain only the end is held: the others' objects are freed, and made again if it is lost. */
static void a_chain_is_made_again_from_its_beginning(void **state)
{
    (void)state;
    for (int held = 0; held < 2; held++) {
        struct world world = world_make(1u << 20);
        char why[256] = "";
        uint64_t value, expected = 1;
        reeve_task_id chain[3];
        for (uint32_t i = 0; i < 3; i++) {
            chain[i] = submit(&world, i + 1, i > 0 ? &chain[i - 1] : NULL, i > 0, 1);
            expected = i > 0 ? mix(i + 1, expected) : expected;
        }
        assert_int_equal(run_all(&world), 3);
        for (uint32_t i = 0; i < 2 && !held; i++)
            release(&world, chain[i]);
        assert_int_equal(alive_count(&world), held ? 3 : 1);
        all_die(&world);
        assert_int_equal(get(&world, chain[2], &value, why, sizeof(why)), 0);
        assert_int_equal(value, expected);
        assert_int_equal(alive_count(&world), held ? 3 : 1);
        for (uint32_t i = held ? 0 : 2; i < 3; i++)
            release(&world, chain[i]);
        assert_int_equal(alive_count(&world), 0);
        assert_int_equal(reeve_owner_task_count(world.owner), 0);
        assert_int_equal(reeve_owner_memory(world.owner), 0);
        world_free(&world);
    }
}

/* What two tasks need is made again once; what was queued meanwhile waits for it. */
static void tasks_wait_for_an_argument_that_is_made_again(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    struct reeve_owner_send sends[3];
    char why[256] = "";
    uint64_t value;
    reeve_task_id shared = submit(&world, 9, NULL, 0, 5), users[3];
    run_all(&world);
    all_die(&world);
    for (int i = 0; i < 3; i++)
        users[i] = submit(&world, (uint64_t)i, &shared, 1, 0); /* they need no retries for that */
    for (int i = 0; i < 2; i++) {
        assert_true(reeve_owner_next_send(world.owner, &sends[i]));
        reeve_owner_sent(world.owner, world.now_ns, sends[i].task, world.sent_count++);
    }
    struct reeve_owner_result lost;
    assert_int_equal(reeve_owner_result(world.owner, shared, &lost), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(reeve_owner_answer(world.owner, world.now_ns, sends[i].lease_index,
            sends[i].task, 1, REEVE_ELOST, "", 0, &lost.object));
        reeve_owner_check(world.owner);
        assert_int_equal(reeve_owner_state(world.owner, sends[i].task), REEVE_TASK_WAITING);
    }
    assert_true(reeve_owner_state(world.owner, shared) == REEVE_TASK_REMADE);
    assert_true(reeve_owner_next_send(world.owner, &sends[2])); /* not users[2], but it again */
    assert_true(sends[2].task != users[2]);
    assert_int_equal(reeve_owner_state(world.owner, users[2]), REEVE_TASK_WAITING);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get(&world, users[i], &value, why, sizeof(why)), 0);
        assert_int_equal(value, mix((uint64_t)i, 9));
        release(&world, users[i]);
    }
    release(&world, shared);
    assert_int_equal(world.sent_count, 2 + 1 + 1 + 3);
    assert_int_equal(alive_count(&world), 0);
    world_free(&world);
}

static void an_answer_late_by_a_remake_is_no_failure(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    struct reeve_owner_send send;
    char why[256] = "";
    uint64_t value;
    reeve_task_id shared = submit(&world, 9, NULL, 0, 5);
    run_all(&world);
    all_die(&world);
    reeve_task_id user = submit(&world, 4, &shared, 1, 0);
    assert_true(reeve_owner_next_send(world.owner, &send));
    reeve_owner_sent(world.owner, world.now_ns, send.task, world.sent_count++);
    struct reeve_owner_result lost;
    assert_int_equal(reeve_owner_result(world.owner, shared, &lost), 0);
    struct reeve_reference object = lost.object;
    assert_int_equal(get(&world, shared, &value, why, sizeof(why)), 0);
    assert_true(reeve_owner_answer(
        world.owner, world.now_ns, send.lease_index, user, 1, REEVE_ELOST, "", 0, &object));
    assert_int_equal(get(&world, user, &value, why, sizeof(why)), 0);
    assert_int_equal(value, mix(4, 9));
    release(&world, user);
    release(&world, shared);
    world_free(&world);
}

/* Fails the second time: so does whoever needs it, what is queued already included. */
static void what_fails_the_second_time_fails(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    struct reeve_owner_send send;
    char why[256] = "";
    uint64_t value;
    reeve_task_id first = submit(&world, 9, NULL, 0, 5);
    run_all(&world);
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(world.owner, first, &result), 0);
    all_die(&world);
    reeve_task_id users[2] = {submit(&world, 1, &first, 1, 1), 0};
    assert_int_equal(reeve_owner_lost(world.owner, world.now_ns, first, &result.object.id,
                         REEVE_ELOST, why, sizeof(why)),
        0);
    users[1] = submit(&world, 2, &first, 1, 1);
    assert_true(reeve_owner_next_send(world.owner, &send));
    reeve_owner_sent(world.owner, world.now_ns, send.task, world.sent_count++);
    assert_true(reeve_owner_answer(
        world.owner, world.now_ns, send.lease_index, send.task, 2, REEVE_EFUNCTION, "no", 2, NULL));
    for (int i = 0; i < 2; i++)
        assert_int_equal(get(&world, users[i], &value, why, sizeof(why)), REEVE_EFUNCTION);
    assert_int_equal(get(&world, first, &value, why, sizeof(why)), REEVE_EFUNCTION);
    release(&world, users[0]);
    release(&world, users[1]);
    release(&world, first);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_free(&world);
}

/* Its puts are kept for it; beyond the bound the oldest call is given up, and they go. */
static void lineage_is_bounded(void **state)
{
    (void)state;
    struct world world = world_make(5 * OBJECT_SIZE);
    char why[256] = "";
    uint64_t value;
    reeve_task_id made[10];
    for (uint64_t i = 0; i < 10; i++) {
        reeve_task_id argument = put(&world, i);
        made[i] = submit(&world, i, &argument, 1, 1);
        run_all(&world);
        release(&world, argument);
    }
    assert_in_range(alive_count(&world), 10 + 4, 10 + 5);
    all_die(&world);
    assert_int_equal(get(&world, made[0], &value, why, sizeof(why)), REEVE_ELOST);
    assert_non_null(strstr(why, "REEVE_PENDING_SIZE"));
    assert_int_equal(get(&world, made[9], &value, why, sizeof(why)), 0);
    assert_int_equal(value, mix(9, 9));
    reeve_owner_lineage_trim(world.owner, 0);
    reeve_owner_check(world.owner);
    commands_run(&world);
    assert_int_equal(alive_count(&world), 1); /* what was made again */
    for (int i = 0; i < 10; i++)
        release(&world, made[i]);
    assert_int_equal(alive_count(&world), 0);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    assert_int_equal(reeve_owner_memory(world.owner), 0);
    world_free(&world);
}

/* The result of a call with that argument, on our own node: in memory (flags LOCATED), or not. */
static reeve_task_id make_here(struct world *world, reeve_task_id argument, uint32_t flags)
{
    struct reeve_owner_send send;
    reeve_task_id task = submit(world, 1, &argument, 1, 3);
    assert_true(reeve_owner_next_send(world->owner, &send));
    reeve_owner_sent(world->owner, world->now_ns, send.task, world->sent_count++);
    struct reeve_reference object = keep(world, task, OWN_NODE, mix(1, 7));
    object.flags = flags;
    assert_true(reeve_owner_answer(
        world->owner, world->now_ns, send.lease_index, task, 1, 0, "", 0, &object));
    commands_run(world);
    return task;
}

/* What has been damaged on a disk of our own node is made again, while what that needs is there;
 * nothing is kept in the store for it. */
static void what_is_damaged_here_is_made_again(void **state)
{
    (void)state;
    struct world world = world_make_from(1u << 20, OWN_NODE);
    char why[256] = "";
    uint64_t value;
    reeve_task_id argument = put(&world, 7), task = make_here(&world, argument, 0);
    node_dies(&world, OWN_NODE);
    world.objects[0].node = OWN_NODE; /* the argument is still there */
    assert_int_equal(get_after(&world, task, REEVE_ECORRUPT, &value, why, sizeof(why)), 0);
    assert_int_equal(value, mix(1, 7));
    release(&world, task);
    release(&world, argument);
    argument = put(&world, 7);
    task = make_here(&world, argument, 0);
    release(&world, argument);
    assert_int_equal(alive_count(&world), 1);
    node_dies(&world, OWN_NODE);
    int code = get_after(&world, task, REEVE_ECORRUPT, &value, why, sizeof(why));
    assert_int_equal(code, REEVE_ECORRUPT);
    assert_non_null(strstr(why, "has been released"));
    release(&world, task);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    assert_int_equal(reeve_owner_memory(world.owner), 0);
    world_free(&world);
}

/* A chain of results here: those that were released are made again as well. */
static void a_damaged_chain_is_made_again(void **state)
{
    (void)state;
    struct world world = world_make_from(1u << 20, OWN_NODE);
    char why[256] = "";
    uint64_t value;
    reeve_task_id first = submit(&world, 7, NULL, 0, 3);
    run_all(&world);
    reeve_task_id task = make_here(&world, first, 0);
    release(&world, first);
    assert_int_equal(alive_count(&world), 1);
    node_dies(&world, OWN_NODE);
    assert_int_equal(get_after(&world, task, REEVE_ECORRUPT, &value, why, sizeof(why)), 0);
    assert_int_equal(value, mix(1, 7));
    release(&world, task);
    assert_int_equal(alive_count(&world), 0);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_free(&world);
}

/* It keeps its call when it is anchored, and afterwards; what is read in place is not damaged. */
static void what_was_anchored_is_made_again(void **state)
{
    (void)state;
    struct world world = world_make_from(1u << 20, OWN_NODE);
    char why[256] = "";
    uint64_t value;
    reeve_task_id argument = put(&world, 7);
    reeve_task_id task = make_here(&world, argument, REEVE_REFERENCE_LOCATED);
    struct reeve_object_id id = {PROCESS, task};
    assert_true(reeve_owner_read_begin(world.owner, task));
    reeve_owner_relax(world.owner, UINT64_MAX / 2);
    commands_run(&world);
    int code = reeve_owner_lost(world.owner, 0, task, &id, REEVE_ECORRUPT, why, sizeof(why));
    assert_int_equal(code, REEVE_ECORRUPT);
    assert_non_null(strstr(why, "read in place"));
    reeve_owner_read_end(world.owner, task);
    commands_run(&world);
    kept_find(&world, id)->node = 0;
    assert_int_equal(get_after(&world, task, REEVE_ECORRUPT, &value, why, sizeof(why)), 0);
    assert_int_equal(value, mix(1, 7));
    release(&world, task);
    release(&world, argument);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_free(&world);
}

/* ---- random programs ------------------------------------------------------------------------- */

#define TASKS 40u
#define PARTS 4u

/* Where results lie on our own node, one of those there. */
static void damage(struct world *world)
{
    if (!world->near || world->object_count == 0 || !reeve_prng_chance(&world->prng, 1, 3))
        return;
    struct kept *object = &world->objects[reeve_prng_below(&world->prng, world->object_count)];
    object->node = object->node == OWN_NODE ? 0 : object->node;
}

/* In place of task `first` a call with several results; the last of these. */
static uint32_t several(struct world *world, uint32_t first, const reeve_task_id *on,
    uint32_t count, reeve_task_id *tasks, uint64_t *values, bool *held)
{
    uint64_t value = values[first];
    submit_parts(world, first, on, count, 1000, &tasks[first], PARTS);
    for (uint32_t i = 0; i < PARTS; i++) {
        values[first + i] = part_value(value, i);
        held[first + i] = true;
    }
    return first + PARTS - 1;
}

/* Of each future: its value, and whether the program still has it. */
static void random_program(
    uint64_t seed, uint64_t lineage_bytes_max, uint32_t first_node, bool must_succeed)
{
    struct world world = world_make_from(lineage_bytes_max, first_node);
    reeve_task_id tasks[TASKS];
    uint64_t values[TASKS];
    bool held[TASKS] = {false};
    char why[256] = "";
    reeve_prng_init(&world.prng, seed);
    for (uint32_t i = 0; i < TASKS; i++) {
        reeve_task_id on[3];
        uint32_t count = 0;
        values[i] = i;
        for (uint32_t k = 0; k < i && count < 3; k++) {
            if (!held[k] || !reeve_prng_chance(&world.prng, 1, 4))
                continue;
            on[count++] = tasks[k];
            values[i] = mix(values[i], values[k]);
        }
        if (count == 0 && reeve_prng_chance(&world.prng, 1, 3))
            tasks[i] = put(&world, values[i]);
        else if (i + PARTS <= TASKS && reeve_prng_chance(&world.prng, 1, 4))
            i = several(&world, i, on, count, tasks, values, held);
        else
            tasks[i] = submit(&world, i, on, count, 1000);
        held[i] = true;
        for (uint64_t steps = reeve_prng_below(&world.prng, 4); steps > 0; steps--) {
            struct reeve_owner_send send;
            if (reeve_prng_chance(&world.prng, 1, 3))
                node_dies(&world, 2 + (uint32_t)reeve_prng_below(&world.prng, NODES));
            damage(&world);
            if (!reeve_owner_next_send(world.owner, &send))
                continue;
            reeve_owner_sent(world.owner, ++world.now_ns, send.task, world.sent_count++);
            run(&world, &send, reeve_prng_chance(&world.prng, 3, 4));
            commands_run(&world);
        }
        uint32_t gone = (uint32_t)reeve_prng_below(&world.prng, i + 1);
        if (held[gone] && reeve_prng_chance(&world.prng, 1, 2)) {
            release(&world, tasks[gone]);
            held[gone] = false;
        }
    }
    for (uint32_t i = 0; i < TASKS; i++) {
        uint64_t value = 0;
        if (reeve_prng_chance(&world.prng, 1, 5))
            node_dies(&world, 2 + (uint32_t)reeve_prng_below(&world.prng, NODES));
        if (!held[i])
            continue;
        int code = get(&world, tasks[i], &value, why, sizeof(why));
        if (must_succeed || code != REEVE_ELOST) {
            assert_int_equal(code, 0);
            assert_int_equal(value, values[i]);
        }
        release(&world, tasks[i]);
    }
    run_all(&world);
    assert_int_equal(alive_count(&world), 0);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    assert_int_equal(reeve_owner_memory(world.owner), 0);
    world_free(&world);
}

static void random_programs_get_every_value(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        random_program(seed, 1u << 30, OWN_NODE + 1, true);
        random_program(seed, seed * 4096, OWN_NODE + 1, false);
        random_program(seed, 1u << 30, OWN_NODE, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_result_is_made_again),
        cmocka_unit_test(what_cannot_be_made_again_says_why),
        cmocka_unit_test(a_chain_is_made_again_from_its_beginning),
        cmocka_unit_test(tasks_wait_for_an_argument_that_is_made_again),
        cmocka_unit_test(an_answer_late_by_a_remake_is_no_failure),
        cmocka_unit_test(what_fails_the_second_time_fails),
        cmocka_unit_test(lineage_is_bounded),
        cmocka_unit_test(what_is_damaged_here_is_made_again),
        cmocka_unit_test(a_damaged_chain_is_made_again),
        cmocka_unit_test(what_was_anchored_is_made_again),
        cmocka_unit_test(random_programs_get_every_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
