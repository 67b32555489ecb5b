/* The owner core: which of its tasks a worker may run itself while it waits for them, and whose
 * loss it is when the worker dies of that. */
#include "api/client/owner.h"

#include <reeve_errors.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct world {
    struct reeve_owner *owner;
    uint32_t class_index, other_class;
};

static void world_make(struct world *world)
{
    world->owner = reeve_owner_create(&reeve_owner_settings_default);
    assert_non_null(world->owner);
    assert_int_equal(reeve_owner_class(world->owner, 1000, 0, &world->class_index), 0);
    assert_int_equal(reeve_owner_class(world->owner, 500, 0, &world->other_class), 0);
}

static reeve_task_id submit(struct world *world, const struct reeve_owner_task *of)
{
    struct reeve_owner_task from = *of;
    reeve_task_id task;
    from.class_index = world->class_index;
    from.arguments = "\x90";
    from.arguments_size = 1;
    assert_int_equal(reeve_owner_submit(world->owner, 1, &from, &task), 0);
    return task;
}

static reeve_lease_index lease(struct world *world, uint64_t id)
{
    reeve_lease_index index;
    assert_int_equal(
        reeve_owner_lease_gained(world->owner, 1, world->class_index, id, 1, &index), 0);
    return index;
}

/* Sends the one task that is queued; its entry, as it was written. */
static struct reeve_owner_entry send_one(struct world *world, reeve_task_id task)
{
    struct reeve_owner_send send;
    struct reeve_owner_entry entry;
    assert_true(reeve_owner_next_send(world->owner, &send));
    assert_true(send.task == task);
    reeve_owner_entry(world->owner, task, &entry);
    reeve_owner_sent(world->owner, 1, task, 0);
    reeve_owner_check(world->owner);
    return entry;
}

static bool may(struct world *world, reeve_task_id task)
{
    return reeve_owner_may_inline(world->owner, task, world->class_index);
}

static void one_of_an_equal_class_without_limit_that_does_not_refuse(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    reeve_task_id plain = submit(&world, &(struct reeve_owner_task){0});
    reeve_task_id timed = submit(&world, &(struct reeve_owner_task){.timeout_ms = 10});
    reeve_task_id refuses = submit(&world, &(struct reeve_owner_task){.never_inline = true});
    assert_true(may(&world, plain));
    assert_false(may(&world, timed));
    assert_false(may(&world, refuses));
    assert_false(reeve_owner_may_inline(world.owner, plain, world.other_class));
    assert_false(reeve_owner_take_inline(world.owner, plain, world.other_class));
    assert_false(reeve_owner_take_inline(world.owner, timed, world.class_index));
    assert_false(may(&world, 12345)); /* no task at all */
    assert_true(reeve_owner_take_inline(world.owner, plain, world.class_index));
    assert_false(reeve_owner_take_inline(world.owner, plain, world.class_index));
    reeve_owner_finished(world.owner, 1, plain, 0, false, "\x01", 1, NULL, NULL, 0);
    assert_false(may(&world, plain));
    reeve_owner_check(world.owner);
    reeve_owner_free(world.owner);
}

static void one_that_was_sent_after_it_has_been_taken_back(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    reeve_task_id task = submit(&world, &(struct reeve_owner_task){0});
    reeve_lease_index index = lease(&world, 1);
    send_one(&world, task);
    assert_true(may(&world, task));
    assert_false(reeve_owner_take_inline(world.owner, task, world.class_index));
    reeve_owner_taken_back(world.owner, 1, index, task, 1);
    assert_true(reeve_owner_take_inline(world.owner, task, world.class_index));
    reeve_owner_check(world.owner);
    reeve_owner_free(world.owner);
}

static void none_that_has_brought_down_a_worker(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    reeve_task_id task = submit(&world, &(struct reeve_owner_task){.losses_max = 3});
    reeve_lease_index index = lease(&world, 1);
    send_one(&world, task);
    reeve_owner_lease_lost(world.owner, 1, index, REEVE_EWORKERDIED, "signal 11");
    assert_int_equal(reeve_owner_state(world.owner, task), REEVE_TASK_QUEUED);
    assert_false(may(&world, task));
    reeve_owner_free(world.owner);
}

/* The worker dies with the task's child. By lease_lost, and, from another node, by an answer. */
static void a_loss_by_a_child_is_forgiven_once(bool by_answer)
{
    struct world world;
    struct reeve_owner_result result;
    world_make(&world);
    reeve_task_id task = submit(&world, &(struct reeve_owner_task){.losses_max = 1});
    for (uint32_t round = 0; round < 3; round++) {
        reeve_lease_index index = lease(&world, 1 + round);
        struct reeve_owner_entry entry = send_one(&world, task);
        assert_int_equal(entry.attempt, 1 + round);
        assert_int_equal(entry.flags, round > 0 ? REEVE_ENTRY_ALONE : 0);
        reeve_owner_child_died(world.owner, index, task, entry.attempt);
        if (by_answer)
            assert_true(reeve_owner_answer(
                world.owner, 1, index, task, entry.attempt, REEVE_EWORKERDIED, "\x80", 1, NULL));
        reeve_owner_lease_lost(world.owner, 1, index, REEVE_EWORKERDIED, "signal 11");
        reeve_owner_check(world.owner);
        /* the second one counts, whatever the worker says that it was running: it was told not
         * to */
        assert_int_equal(reeve_owner_state(world.owner, task),
            round < 2 ? REEVE_TASK_QUEUED : REEVE_TASK_FAILED);
        assert_false(may(&world, task)); /* its children would bring us down, too */
    }
    assert_int_equal(reeve_owner_result(world.owner, task, &result), 0);
    assert_int_equal(result.status, REEVE_EWORKERDIED);
    reeve_owner_free(world.owner);
}

static void the_parent_is_run_again_uncounted(void **state)
{
    (void)state;
    a_loss_by_a_child_is_forgiven_once(false);
    a_loss_by_a_child_is_forgiven_once(true);
}

static void but_not_where_it_must_not_be_run_twice(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    reeve_task_id task = submit(&world, &(struct reeve_owner_task){.losses_max = 0});
    reeve_lease_index index = lease(&world, 1);
    send_one(&world, task);
    reeve_owner_child_died(world.owner, index, task, 1);
    reeve_owner_lease_lost(world.owner, 1, index, REEVE_EWORKERDIED, "signal 11");
    assert_int_equal(reeve_owner_state(world.owner, task), REEVE_TASK_FAILED);
    reeve_owner_free(world.owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_an_equal_class_without_limit_that_does_not_refuse),
        cmocka_unit_test(one_that_was_sent_after_it_has_been_taken_back),
        cmocka_unit_test(none_that_has_brought_down_a_worker),
        cmocka_unit_test(the_parent_is_run_again_uncounted),
        cmocka_unit_test(but_not_where_it_must_not_be_run_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
