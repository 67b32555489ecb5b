/* The owner core: functions that fail, and are run again. */
#include <reeve_errors.h>
#include <string.h>

#include "tests/unit/client/owner_world.h"

static reeve_task_id submit_with(
    struct world *world, uint32_t retries, uint32_t pause_ms, bool is_stream)
{
    struct reeve_owner_task from = {.class_index = world->class_index,
        .losses_max = 3,
        .retries = {retries, pause_ms},
        .is_stream = is_stream,
        .never_inline = is_stream,
        .arguments = "\x90",
        .arguments_size = 1};
    reeve_task_id task;
    assert_int_equal(reeve_owner_submit(world->owner, world->now_ns, &from, &task), 0);
    reeve_owner_check(world->owner);
    return task;
}

/* It is the next to be sent, and it is. Its attempt. */
static uint32_t send(struct world *world, reeve_task_id task)
{
    struct reeve_owner_send send;
    struct reeve_owner_entry entry;
    assert_true(reeve_owner_next_send(world->owner, &send));
    assert_true(send.task == task);
    reeve_owner_entry(world->owner, task, &entry);
    reeve_owner_sent(world->owner, world->now_ns, task, 5);
    reeve_owner_check(world->owner);
    return entry.attempt;
}

static void answer(struct world *world, reeve_task_id task, uint32_t attempt, int status)
{
    assert_true(reeve_owner_answer(
        world->owner, world->now_ns, world->lease, task, attempt, status, "\x80", 1, NULL));
    reeve_owner_check(world->owner);
}

/* What it waits for is the time; until then nothing is sent. How long that is. */
static uint64_t pause_over(struct world *world, reeve_task_id task)
{
    struct reeve_owner_send send;
    uint64_t begin_ns = world->now_ns;
    assert_int_equal(reeve_owner_state(world->owner, task), REEVE_TASK_WAITING);
    while (reeve_owner_state(world->owner, task) == REEVE_TASK_WAITING) {
        assert_false(reeve_owner_next_send(world->owner, &send));
        uint64_t due_ns = reeve_owner_deadline(world->owner);
        assert_true(due_ns > world->now_ns && due_ns != UINT64_MAX);
        world->now_ns = due_ns;
        reeve_owner_tick(world->owner, world->now_ns);
        reeve_owner_check(world->owner);
    }
    assert_int_equal(reeve_owner_state(world->owner, task), REEVE_TASK_QUEUED);
    return world->now_ns - begin_ns;
}

/* The lease is given back when there is nothing to do for so long. */
static void lease_again(struct world *world)
{
    struct reeve_owner_command command;
    while (reeve_owner_next_command(world->owner, &command))
        if (command.kind == REEVE_OWNER_RETURN_LEASE)
            world_lease(world, command.lease + 1, 1);
}

static void ends_with(struct world *world, reeve_task_id task, int status, uint32_t attempt)
{
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(world->owner, task, &result), 0);
    assert_int_equal(result.status, status);
    assert_int_equal(result.attempt, attempt);
    assert_int_equal(reeve_owner_release(world->owner, task), 0);
    assert_int_equal(reeve_owner_unfinished(world->owner), 0);
    world_end(world);
}

static void pauses_double_up_to_a_minute(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_task_id task = submit_with(&world, 10, 1000, false);
    uint64_t whole_ns = 1000 * MS;
    for (uint32_t attempt = 1; attempt <= 10; attempt++) {
        assert_int_equal(send(&world, task), attempt);
        answer(&world, task, attempt, REEVE_EFUNCTION);
        uint64_t pause_ns = pause_over(&world, task);
        assert_in_range(pause_ns, whole_ns / 2, whole_ns);
        whole_ns = REEVE_MIN(whole_ns * 2, 60000 * MS);
        lease_again(&world);
    }
    assert_int_equal(send(&world, task), 11);
    answer(&world, task, 11, REEVE_EFUNCTION);
    ends_with(&world, task, REEVE_EFUNCTION, 11);
}

static void one_that_succeeds_is_done(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_task_id task = submit_with(&world, 5, 0, false), dependent = world_submit(&world, task);
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        assert_int_equal(send(&world, task), attempt);
        assert_int_equal(reeve_owner_state(world.owner, dependent), REEVE_TASK_WAITING);
        answer(&world, task, attempt, attempt < 3 ? REEVE_EFUNCTION : 0);
    }
    assert_false(
        reeve_owner_answer(world.owner, world.now_ns, world.lease, task, 1, 0, "", 0, NULL));
    assert_int_equal(send(&world, dependent), 1);
    answer(&world, dependent, 1, 0);
    assert_int_equal(reeve_owner_release(world.owner, dependent), 0);
    ends_with(&world, task, 0, 3);
}

/* Nor is what nobody has asked for. */
static void nothing_else_is_retried(void **state)
{
    (void)state;
    static const int codes[] = {
        REEVE_ETYPE, REEVE_ETASKTIMEOUT, REEVE_ECANCELLED, REEVE_EOWNERDIED, REEVE_ENOMEM};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(codes); i++) {
        struct world world = world_with_lease();
        reeve_task_id task = submit_with(&world, 5, 0, false);
        send(&world, task);
        answer(&world, task, 1, codes[i]);
        ends_with(&world, task, codes[i], 1);
    }
    struct world world = world_with_lease();
    reeve_task_id task = world_submit(&world, 0);
    send(&world, task);
    answer(&world, task, 1, REEVE_EFUNCTION);
    ends_with(&world, task, REEVE_EFUNCTION, 1);
}

static void losses_are_counted_apart(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_task_id task = submit_with(&world, 2, 0, false);
    uint32_t attempt = 1;
    for (int i = 0; i < 3; i++, attempt++) { /* as often as it may be lost */
        assert_int_equal(send(&world, task), attempt);
        reeve_owner_lease_lost(world.owner, world.now_ns, world.lease, REEVE_EWORKERDIED, "killed");
        world_lease(&world, 200 + attempt, 1);
    }
    for (int i = 0; i < 3; i++, attempt++) {
        assert_int_equal(send(&world, task), attempt);
        answer(&world, task, attempt, REEVE_EFUNCTION);
    }
    ends_with(&world, task, REEVE_EFUNCTION, 6);
}

/* Its operator has stopped the node: a task that may be run again at all is, however often. */
static void stops_of_nodes_are_not_counted(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    struct reeve_owner_task from = {
        .class_index = world.class_index, .arguments = "\x90", .arguments_size = 1};
    reeve_task_id task = submit_with(&world, 0, 0, false), never;
    for (unsigned i = 0; i < 8; i++) {
        world_lease(&world, 1 + i, 1);
        assert_int_equal(send(&world, task), i + 1);
        reeve_owner_lease_lost(world.owner, world.now_ns, world.lease,
            i % 2 == 0 ? REEVE_ESHUTDOWN : REEVE_EWORKERDIED, "gone");
        reeve_owner_check(world.owner);
    }
    ends_with(&world, task, REEVE_EWORKERDIED, 8); /* the fourth death */
    world = world_make();
    assert_int_equal(reeve_owner_submit(world.owner, world.now_ns, &from, &never), 0);
    world_lease(&world, 9, 1);
    assert_true(reeve_owner_next_send(world.owner, &sent));
    reeve_owner_sent(world.owner, world.now_ns, never, 5);
    reeve_owner_lease_lost(world.owner, world.now_ns, world.lease, REEVE_ESHUTDOWN, "stopped");
    ends_with(&world, never, REEVE_ENODEDIED, 1); /* no retries allowed */
}

static void a_pause_ends_with_a_cancel(void **state)
{
    (void)state;
    static const struct reeve_owner_cancel how = {.grace_ms = 100};
    struct world world = world_with_lease();
    reeve_task_id task = submit_with(&world, 5, 1000, false);
    send(&world, task);
    answer(&world, task, 1, REEVE_EFUNCTION);
    assert_int_equal(reeve_owner_cancel(world.owner, world.now_ns, task, &how), 0);
    reeve_owner_check(world.owner);
    world.now_ns += 10000 * MS;
    reeve_owner_tick(world.owner, world.now_ns);
    reeve_owner_check(world.owner);
    ends_with(&world, task, REEVE_ECANCELLED, 1);
    world = world_with_lease(); /* nor is one that fails because it has been cancelled run again */
    task = submit_with(&world, 5, 0, false);
    send(&world, task);
    assert_int_equal(reeve_owner_cancel(world.owner, world.now_ns, task, &how), 0);
    answer(&world, task, 1, REEVE_EFUNCTION);
    ends_with(&world, task, REEVE_EFUNCTION, 1);
    world = world_with_lease();
    task = submit_with(&world, 5, 1000, false);
    send(&world, task);
    answer(&world, task, 1, REEVE_EFUNCTION);
    reeve_owner_fail_all(world.owner, REEVE_ELINK, "gone");
    ends_with(&world, task, REEVE_ELINK, 1);
}

/* By the worker that waits for it, both times. */
static void run_on_the_spot(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id task = submit_with(&world, 1, 0, false);
    for (int i = 0; i < 2; i++) {
        assert_true(reeve_owner_take_inline(world.owner, task, world.class_index));
        reeve_owner_check(world.owner);
        reeve_owner_finished(
            world.owner, world.now_ns, task, REEVE_EFUNCTION, true, "\x80", 1, NULL, NULL, 0);
        reeve_owner_check(world.owner);
    }
    ends_with(&world, task, REEVE_EFUNCTION, 2);
}

static void a_stream_goes_on_where_its_reader_is(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    const uint8_t *bytes;
    uint32_t size;
    reeve_task_id task = submit_with(&world, 1, 0, true);
    send(&world, task);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            reeve_owner_item(world.owner, world.lease, task, 1, false, i ? "b" : "a", 1), 0);
    answer(&world, task, 1, REEVE_EFUNCTION);
    assert_int_equal(send(&world, task), 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            reeve_owner_item(world.owner, world.lease, task, 2, false, &"abc"[i], 1), 0);
    answer(&world, task, 2, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(reeve_owner_next_item(world.owner, task, &bytes, &size), 0);
        assert_int_equal(bytes[0], "abc"[i]);
        reeve_owner_item_taken(world.owner, task);
    }
    assert_int_equal(reeve_owner_next_item(world.owner, task, &bytes, &size), REEVE_EEND);
    ends_with(&world, task, 0, 2);
}

/* Nor is its pause cut short where it is part of a result: when others need it, too, and it has to
 * end here, or when it is kept back and then not given after all. */
static void a_pause_is_not_cut_short_by_a_result(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct world world = world_with_lease();
        reeve_task_id task = submit_with(&world, 2, 1000, false), other = 0;
        send(&world, task);
        if (shared)
            other = world_submit(&world, task);
        answer(&world, task, 1, REEVE_EFUNCTION);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(
                reeve_owner_handover_ready(world.owner, world.now_ns, &task, 1), !shared);
            reeve_owner_check(world.owner);
            assert_int_equal(reeve_owner_state(world.owner, task), REEVE_TASK_WAITING);
        }
        reeve_owner_handover_end(world.owner, world.now_ns, &task, 1, false);
        assert_in_range(pause_over(&world, task), 500 * MS, 1000 * MS);
        lease_again(&world);
        send(&world, task);
        answer(&world, task, 2, 0);
        if (shared) {
            send(&world, other);
            answer(&world, other, 1, 0);
            assert_int_equal(reeve_owner_release(world.owner, other), 0);
        }
        ends_with(&world, task, 0, 2);
    }
}

/* One that pauses is given with a result; its heir has what is left of its retries. */
static void one_that_is_handed_over_keeps_them(void **state)
{
    (void)state;
    struct world world = world_with_lease(), heir = world_with_lease();
    reeve_task_id task = submit_with(&world, 2, 1000, false), call = world_submit(&heir, 0);
    send(&world, task);
    answer(&world, task, 1, REEVE_EFUNCTION);
    struct reeve_buffer record, objects;
    reeve_buffer_init(&record);
    reeve_buffer_init(&objects);
    assert_true(reeve_owner_handover_ready(world.owner, world.now_ns, &task, 1));
    reeve_owner_check(world.owner);
    assert_int_equal(reeve_owner_handover_write(world.owner, &task, 1, &record, &objects), 0);
    reeve_owner_handover_end(world.owner, world.now_ns, &task, 1, true);
    reeve_owner_check(world.owner);
    send(&heir, call);
    assert_int_equal(
        reeve_owner_handed(heir.owner, heir.lease, call, 1, record.data, (uint32_t)record.size), 0);
    answer(&heir, call, 1, 0);
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(heir.owner, call, &result), 0);
    assert_int_equal(result.future_count, 1);
    reeve_task_id given = result.futures[0].task;
    assert_int_equal(reeve_owner_hold(heir.owner, given), 0);
    assert_int_equal(reeve_owner_release(heir.owner, call), 0);
    send(&heir, given);
    answer(&heir, given, 1, REEVE_EFUNCTION);
    assert_in_range(pause_over(&heir, given), 500 * MS, 1000 * MS);
    lease_again(&heir);
    send(&heir, given);
    answer(&heir, given, 2, REEVE_EFUNCTION);
    ends_with(&heir, given, REEVE_EFUNCTION, 2);
    ends_with(&world, task, REEVE_EHANDLE, 1);
    reeve_buffer_fini(&record);
    reeve_buffer_fini(&objects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_up_to_a_minute),
        cmocka_unit_test(one_that_succeeds_is_done),
        cmocka_unit_test(nothing_else_is_retried),
        cmocka_unit_test(losses_are_counted_apart),
        cmocka_unit_test(stops_of_nodes_are_not_counted),
        cmocka_unit_test(a_pause_ends_with_a_cancel),
        cmocka_unit_test(run_on_the_spot),
        cmocka_unit_test(a_stream_goes_on_where_its_reader_is),
        cmocka_unit_test(a_pause_is_not_cut_short_by_a_result),
        cmocka_unit_test(one_that_is_handed_over_keeps_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
