/* The owner core: what attempts that were lost may have left in the stores of their nodes is freed
 * there, too, once nobody can be given it in place of the task's object. */
#include <reeve_errors.h>
#include <string.h>

#include "tests/unit/client/owner_world.h"

#define PROCESS reeve_process_id_make(1, 5)

struct strays {
    struct world world;
    reeve_task_id task;
};

static uint32_t sent(struct world *world, reeve_task_id task)
{
    struct reeve_owner_send send;
    assert_true(reeve_owner_next_send(world->owner, &send));
    assert_true(send.task == task);
    reeve_owner_sent(world->owner, world->now_ns, task, 0);
    struct reeve_owner_entry entry;
    reeve_owner_entry(world->owner, task, &entry);
    return entry.attempt;
}

/* A call that is under way on that node. */
static struct strays sent_to(uint32_t node)
{
    struct strays strays = {.world = world_make()};
    struct world *world = &strays.world;
    reeve_owner_set_process(world->owner, PROCESS);
    world_lease(world, 100, node);
    strays.task = world_submit(world, 0);
    assert_int_equal(sent(world, strays.task), 1);
    return strays;
}

/* The same, and its lease is lost. */
static struct strays lost_on(uint32_t node, int code)
{
    struct strays strays = sent_to(node);
    struct world *world = &strays.world;
    reeve_owner_lease_lost(world->owner, world->now_ns, world->lease, code, "lost");
    reeve_owner_check(world->owner);
    return strays;
}

static void answered(struct strays *strays, uint32_t node, bool is_object)
{
    struct world *world = &strays->world;
    struct reeve_reference object = {
        .id = {PROCESS, strays->task}, .size_bytes = 1 << 20, .node = node};
    world_lease(world, 200, node);
    uint32_t attempt = sent(world, strays->task);
    assert_true(reeve_owner_answer(world->owner, world->now_ns, world->lease, strays->task, attempt,
        0, "\xc0", 1, is_object ? &object : NULL));
    reeve_owner_check(world->owner);
}

/* The nodes on which the task's object is freed now, as bits; each of them once. */
static uint32_t freed_on(struct strays *strays)
{
    struct reeve_owner_command command;
    uint32_t nodes = 0;
    while (reeve_owner_next_command(strays->world.owner, &command)) {
        if (command.kind != REEVE_OWNER_FREE_OBJECT && command.kind != REEVE_OWNER_FREE_STRAY)
            continue;
        assert_true(command.object.id.owner == PROCESS);
        assert_true(command.object.id.sequence == strays->task);
        assert_false(nodes & 1u << command.object.node);
        nodes |= 1u << command.object.node;
    }
    return nodes;
}

static void release(struct strays *strays)
{
    assert_int_equal(reeve_owner_release(strays->world.owner, strays->task), 0);
}

static void what_a_lost_attempt_has_left_is_freed_with_the_object(void **state)
{
    (void)state;
    struct strays strays = lost_on(2, REEVE_ENODEDIED); /* or only the link to it */
    answered(&strays, 3, true);
    assert_int_equal(freed_on(&strays), 0); /* it may be read on node 2 */
    release(&strays);
    assert_int_equal(freed_on(&strays), 1 << 2 | 1 << 3);
    world_end(&strays.world);
}

static void the_same_node_is_told_once(void **state)
{
    (void)state;
    struct strays strays = lost_on(2, REEVE_EWORKERDIED);
    answered(&strays, 2, true);
    release(&strays);
    assert_int_equal(freed_on(&strays), 1 << 2);
    world_end(&strays.world);
}

static void a_small_result_frees_it_at_once(void **state)
{
    (void)state;
    struct strays strays = lost_on(2, REEVE_EWORKERDIED);
    answered(&strays, 3, false);
    assert_int_equal(freed_on(&strays), 1 << 2);
    release(&strays);
    assert_int_equal(freed_on(&strays), 0);
    world_end(&strays.world);
}

static void the_last_attempt_frees_it_at_once(void **state)
{
    (void)state;
    struct strays strays = lost_on(2, REEVE_EWORKERDIED);
    for (uint64_t i = 0; i < 3; i++) {
        world_lease(&strays.world, 300 + i, 2 + (uint32_t)i);
        (void)sent(&strays.world, strays.task);
        assert_int_equal(freed_on(&strays), 0);
        reeve_owner_lease_lost(
            strays.world.owner, strays.world.now_ns, strays.world.lease, REEVE_EWORKERDIED, "lost");
    }
    assert_int_equal(reeve_owner_state(strays.world.owner, strays.task), REEVE_TASK_FAILED);
    assert_int_equal(freed_on(&strays), 1 << 2 | 1 << 3 | 1 << 4);
    world_end(&strays.world);
}

static void a_bridge_says_that_its_worker_died(void **state)
{
    (void)state;
    struct strays strays = sent_to(2);
    struct world *world = &strays.world;
    assert_true(reeve_owner_answer(world->owner, world->now_ns, world->lease, strays.task, 1,
        REEVE_EWORKERDIED, "died", 4, NULL));
    reeve_owner_lease_lost(world->owner, world->now_ns, world->lease, REEVE_EWORKERDIED, "lost");
    answered(&strays, 3, true);
    release(&strays);
    assert_int_equal(freed_on(&strays), 1 << 2 | 1 << 3);
    world_end(world);
}

static void a_call_that_is_cancelled_as_it_is_lost_frees_it(void **state)
{
    (void)state;
    struct strays strays = sent_to(2);
    struct world *world = &strays.world;
    struct reeve_owner_cancel how = {.grace_ms = 1000};
    assert_int_equal(reeve_owner_cancel(world->owner, world->now_ns, strays.task, &how), 0);
    reeve_owner_lease_lost(world->owner, world->now_ns, world->lease, REEVE_EWORKERDIED, "lost");
    assert_int_equal(reeve_owner_state(world->owner, strays.task), REEVE_TASK_FAILED);
    assert_int_equal(freed_on(&strays), 1 << 2);
    world_end(world);
}

static void what_is_not_claimed_has_left_nothing(void **state)
{
    (void)state;
    struct strays strays = sent_to(2);
    struct world *world = &strays.world;
    reeve_owner_taken_back(world->owner, world->now_ns, world->lease, strays.task, 1);
    reeve_owner_lease_lost(world->owner, world->now_ns, world->lease, REEVE_EWORKERDIED, "lost");
    answered(&strays, 3, false);
    assert_int_equal(freed_on(&strays), 0);
    world_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_lost_attempt_has_left_is_freed_with_the_object),
        cmocka_unit_test(the_same_node_is_told_once),
        cmocka_unit_test(a_small_result_frees_it_at_once),
        cmocka_unit_test(the_last_attempt_frees_it_at_once),
        cmocka_unit_test(a_bridge_says_that_its_worker_died),
        cmocka_unit_test(a_call_that_is_cancelled_as_it_is_lost_frees_it),
        cmocka_unit_test(what_is_not_claimed_has_left_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
