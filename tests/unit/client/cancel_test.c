/* The owner core: tasks that are cancelled, in each state. */
#include <reeve_errors.h>
#include <string.h>

#include "tests/unit/client/owner_world.h"

static const struct reeve_owner_cancel how = {.grace_ms = 100};

static reeve_task_id sent(struct world *world)
{
    struct reeve_owner_send send;
    reeve_task_id task = world_submit(world, 0);
    assert_true(reeve_owner_next_send(world->owner, &send));
    assert_int_equal(send.task, task);
    reeve_owner_sent(world->owner, world->now_ns, task, 5);
    return task;
}

static void cancel(struct world *world, reeve_task_id task)
{
    assert_int_equal(reeve_owner_cancel(world->owner, world->now_ns, task, &how), 0);
    reeve_owner_check(world->owner);
}

/* The next command that tells somebody to stop; false: there is none. */
static bool commanded(struct world *world, struct reeve_owner_command *ret)
{
    while (reeve_owner_next_command(world->owner, ret))
        if (ret->kind == REEVE_OWNER_CANCEL)
            return true;
    return false;
}

static void ends_with(struct world *world, reeve_task_id task, int status, const char *text)
{
    struct reeve_owner_result result;
    struct reeve_owner_command command;
    reeve_owner_check(world->owner);
    assert_int_equal(reeve_owner_result(world->owner, task, &result), 0);
    assert_int_equal(result.status, status);
    if (text != NULL) {
        assert_int_equal(result.size, strlen(text));
        assert_memory_equal(result.bytes, text, result.size);
    }
    while (commanded(world, &command))
        ;
    world->now_ns += 1000 * MS; /* nobody is told any more */
    reeve_owner_tick(world->owner, world->now_ns);
    assert_false(commanded(world, &command));
    reeve_owner_free(world->owner);
}

static void one_that_waits_ends_at_once(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id queued = world_submit(&world, 0), waiting = world_submit(&world, queued);
    reeve_task_id dependent = world_submit(&world, waiting);
    cancel(&world, waiting);
    assert_int_equal(reeve_owner_state(world.owner, queued), REEVE_TASK_QUEUED);
    assert_int_equal(reeve_owner_state(world.owner, dependent), REEVE_TASK_FAILED);
    cancel(&world, waiting); /* nothing happens */
    cancel(&world, queued);
    assert_int_equal(reeve_owner_unfinished(world.owner), 0);
    ends_with(&world, queued, REEVE_ECANCELLED, "cancelled before it began");
}

static void one_that_was_sent_is_taken_back(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct reeve_owner_command command;
    reeve_task_id task = sent(&world);
    cancel(&world, task);
    assert_true(commanded(&world, &command));
    assert_true(command.task == task && command.lease == 100 && command.position == 5);
    assert_int_equal(command.cancel.grace_ms, 100);
    assert_int_equal(reeve_owner_state(world.owner, task), REEVE_TASK_SENT);
    assert_false(reeve_owner_may_inline(world.owner, task, world.class_index));
    reeve_owner_taken_back(world.owner, world.now_ns, world.lease, task, 1);
    ends_with(&world, task, REEVE_ECANCELLED, "cancelled before it began");
}

/* Until it has ended its worker is told again and again, of the shorter grace. */
static void one_that_runs_ends_as_its_worker_says(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct reeve_owner_command command;
    struct reeve_owner_cancel hurry = {.grace_ms = 7, .keep_children = true};
    reeve_task_id task = sent(&world);
    cancel(&world, task);
    assert_true(commanded(&world, &command));
    assert_int_equal(reeve_owner_cancel(world.owner, world.now_ns, task, &hurry), 0);
    assert_true(commanded(&world, &command));
    assert_int_equal(command.cancel.grace_ms, 7);
    assert_false(command.cancel.keep_children);
    for (int i = 0; i < 5; i++) {
        uint64_t due_ns = reeve_owner_deadline(world.owner);
        assert_true(due_ns > world.now_ns && due_ns <= world.now_ns + 100 * MS);
        world.now_ns += 100 * MS;
        reeve_owner_tick(world.owner, world.now_ns);
        assert_true(commanded(&world, &command));
        assert_int_equal(command.cancel.grace_ms, 7);
    }
    assert_true(
        reeve_owner_answer(world.owner, world.now_ns, world.lease, task, 1, 0, "quicker", 7, NULL));
    ends_with(&world, task, 0, "quicker");
}

static void one_whose_worker_dies_is_not_run_again(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_task_id task = sent(&world);
    cancel(&world, task);
    reeve_owner_child_died(world.owner, world.lease, task, 1);
    reeve_owner_lease_lost(world.owner, world.now_ns, world.lease, REEVE_EWORKERDIED, "ended");
    ends_with(&world, task, REEVE_ECANCELLED, "cancelled while it ran");
    world = world_with_lease();
    task = sent(&world);
    cancel(&world, task);
    assert_true(reeve_owner_answer(world.owner, world.now_ns, world.lease, task, 1,
        REEVE_EWORKERDIED, "x", 1, NULL)); /* over a bridge */
    ends_with(&world, task, REEVE_ECANCELLED, "cancelled while it ran");
}

/* A node that is out of reach may run it still. */
static void one_whose_node_is_lost_does_not_say_that_it_has_stopped(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_task_id task = sent(&world);
    cancel(&world, task);
    reeve_owner_lease_lost(world.owner, world.now_ns, world.lease, REEVE_ENODEDIED, "silent");
    ends_with(&world, task, REEVE_ENODEDIED, "silent");
}

/* Nor does one that was to be run again for that, whatever has become of it since; one whose worker
 * has died may. */
static void one_that_was_given_up_with_its_node_does_not_either(void **state)
{
    (void)state;
    static const char text[] =
        "cancelled, but an attempt of it was given up with node 1, and may still run there";
    for (int how_far = 0; how_far < 4; how_far++) {
        struct world world = world_with_lease();
        reeve_task_id task = sent(&world);
        int lost = how_far == 3 ? REEVE_EWORKERDIED : REEVE_EUNREACHABLE;
        reeve_owner_lease_lost(world.owner, world.now_ns, world.lease, lost, "lost");
        reeve_owner_check(world.owner);
        assert_int_equal(reeve_owner_state(world.owner, task), REEVE_TASK_QUEUED);
        if (how_far != 0) {
            struct reeve_owner_send send;
            world_lease(&world, 200, 2);
            assert_true(reeve_owner_next_send(world.owner, &send));
            reeve_owner_sent(world.owner, world.now_ns, task, 5);
        }
        cancel(&world, task);
        if (how_far == 1)
            assert_true(reeve_owner_answer(
                world.owner, world.now_ns, world.lease, task, 2, REEVE_ECANCELLED, "x", 1, NULL));
        else if (how_far >= 2)
            reeve_owner_lease_lost(
                world.owner, world.now_ns, world.lease, REEVE_EWORKERDIED, "ended");
        if (how_far == 3)
            ends_with(&world, task, REEVE_ECANCELLED, "cancelled while it ran");
        else
            ends_with(&world, task, REEVE_EUNREACHABLE, text);
    }
}

static void children_are_what_came_later(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id before = world_submit(&world, 0);
    uint64_t sequence = reeve_owner_sequence(world.owner);
    reeve_task_id child = world_submit(&world, 0), grandchild = world_submit(&world, child);
    reeve_task_id inlined = world_submit(&world, 0);
    struct reeve_owner_command command;
    assert_true(reeve_owner_take_inline(world.owner, inlined, world.class_index));
    reeve_owner_cancel_since(world.owner, world.now_ns, sequence, &how);
    assert_int_equal(reeve_owner_state(world.owner, before), REEVE_TASK_QUEUED);
    assert_int_equal(reeve_owner_state(world.owner, child), REEVE_TASK_FAILED);
    assert_int_equal(reeve_owner_state(world.owner, grandchild), REEVE_TASK_FAILED);
    assert_true(commanded(&world, &command)); /* who runs it is told */
    assert_int_equal(command.task, inlined);
    reeve_owner_finished(
        world.owner, world.now_ns, inlined, REEVE_ECANCELLED, false, "", 0, NULL, NULL, 0);
    ends_with(&world, inlined, REEVE_ECANCELLED, NULL);
}

static void stale_ones_are_refused(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id task = world_submit(&world, 0);
    cancel(&world, task);
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    assert_int_equal(reeve_owner_cancel(world.owner, MS, task, &how), REEVE_EHANDLE);
    assert_int_equal(reeve_owner_cancel(world.owner, MS, 0, &how), REEVE_EHANDLE);
    reeve_owner_free(world.owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_waits_ends_at_once),
        cmocka_unit_test(one_that_was_sent_is_taken_back),
        cmocka_unit_test(one_that_runs_ends_as_its_worker_says),
        cmocka_unit_test(one_whose_worker_dies_is_not_run_again),
        cmocka_unit_test(one_whose_node_is_lost_does_not_say_that_it_has_stopped),
        cmocka_unit_test(one_that_was_given_up_with_its_node_does_not_either),
        cmocka_unit_test(children_are_what_came_later),
        cmocka_unit_test(stale_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
