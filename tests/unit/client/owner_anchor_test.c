/* The owner core: objects that are anchored, who reads them, and when they are let go of. */
#include <reeve_errors.h>
#include <string.h>

#include "tests/unit/client/owner_world.h"

#define HERE 1u

static struct reeve_reference located(reeve_task_id task, uint64_t size)
{
    return (struct reeve_reference){.id = {5, task},
        .size_bytes = size,
        .node = HERE,
        .flags = REEVE_REFERENCE_LOCATED,
        .segment = 1,
        .serial = 1};
}

/* A future whose value is an object that is anchored. */
static reeve_task_id anchored(struct world *world, uint64_t size)
{
    reeve_task_id task;
    assert_int_equal(reeve_owner_put(world->owner, NULL, 0, &task), 0);
    struct reeve_reference object = located(task, size);
    reeve_owner_filled(world->owner, world->now_ns, task, 0, &object);
    reeve_owner_check(world->owner);
    return task;
}

static bool is_anchored(const struct world *world, reeve_task_id task)
{
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(world->owner, task, &result), 0);
    return result.object.flags & REEVE_REFERENCE_LOCATED;
}

static void send_one(struct world *world, reeve_task_id task)
{
    struct reeve_owner_send sent;
    assert_true(reeve_owner_next_send(world->owner, &sent));
    assert_true(sent.task == task);
    reeve_owner_sent(world->owner, world->now_ns, task, 0);
    reeve_owner_check(world->owner);
}

/* How many commands of the kind there are; all others are dropped. */
static uint32_t count_of(struct world *world, enum reeve_owner_command_kind kind)
{
    struct reeve_owner_command got;
    uint32_t count = 0;
    while (reeve_owner_next_command(world->owner, &got))
        count += got.kind == kind;
    return count;
}

static void relax(struct world *world, uint64_t bytes)
{
    reeve_owner_relax(world->owner, bytes);
    reeve_owner_check(world->owner);
}

static void what_nobody_reads_is_let_go_of_oldest_first(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id first = anchored(&world, 100), second = anchored(&world, 100),
                  third = anchored(&world, 100);
    assert_true(reeve_owner_read_begin(world.owner, first));
    relax(&world, 100);
    assert_int_equal(count_of(&world, REEVE_OWNER_LET_GO), 1);
    assert_true(is_anchored(&world, first)); /* it is being read */
    assert_false(is_anchored(&world, second));
    assert_true(is_anchored(&world, third)); /* that was enough */
    assert_false(reeve_owner_read_begin(world.owner, second));
    reeve_owner_read_end(world.owner, first);
    assert_true(is_anchored(&world, first));
    assert_int_equal(reeve_owner_release(world.owner, first), 0);
    assert_int_equal(reeve_owner_release(world.owner, second), 0);
    assert_int_equal(reeve_owner_release(world.owner, third), 0);
    assert_int_equal(count_of(&world, REEVE_OWNER_FREE_OBJECT), 3);
    world_end(&world);
}

/* A value that was released, and is kept for those that were made from it. */
static void what_only_lineage_keeps_is_let_go_of(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_owner_set_process(world.owner, reeve_process_id_make(HERE, 5));
    reeve_lease_index far = world_lease(&world, 101, HERE + 1);
    reeve_task_id put = anchored(&world, 100), task = world_submit(&world, put);
    struct reeve_owner_send sent;
    assert_true(reeve_owner_next_send(world.owner, &sent));
    if (sent.lease_index != far) { /* the other is as good */
        reeve_owner_unsent(world.owner, task);
        assert_true(reeve_owner_next_send(world.owner, &sent));
    }
    assert_true(sent.lease_index == far);
    reeve_owner_sent(world.owner, world.now_ns, task, 0);
    struct reeve_reference made = {
        .id = {reeve_process_id_make(HERE, 5), task}, .size_bytes = 100, .node = HERE + 1};
    assert_true(reeve_owner_answer(world.owner, world.now_ns, far, task, 1, 0, NULL, 0, &made));
    assert_int_equal(reeve_owner_release(world.owner, put), 0);
    assert_int_equal(count_of(&world, REEVE_OWNER_FREE_OBJECT), 0);
    for (int i = 0; i < 200; i++) /* many come and go meanwhile */
        assert_int_equal(reeve_owner_release(world.owner, anchored(&world, 1)), 0);
    (void)count_of(&world, REEVE_OWNER_FREE_OBJECT);
    relax(&world, 100);
    assert_int_equal(count_of(&world, REEVE_OWNER_LET_GO), 1);
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    assert_int_equal(count_of(&world, REEVE_OWNER_FREE_OBJECT), 2);
    world_end(&world);
}

static void what_is_owed_is_let_go_of_when_its_last_reader_has_gone(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id task = anchored(&world, 100);
    assert_true(reeve_owner_read_begin(world.owner, task));
    assert_true(reeve_owner_read_begin(world.owner, task));
    relax(&world, 1);
    assert_int_equal(count_of(&world, REEVE_OWNER_LET_GO), 0);
    reeve_owner_read_end(world.owner, task);
    assert_int_equal(count_of(&world, REEVE_OWNER_LET_GO), 0);
    reeve_owner_read_end(world.owner, task);
    assert_int_equal(count_of(&world, REEVE_OWNER_LET_GO), 1);
    assert_false(is_anchored(&world, task));
    reeve_task_id next = anchored(&world, 100); /* nothing is owed any more */
    assert_true(reeve_owner_read_begin(world.owner, next));
    reeve_owner_read_end(world.owner, next);
    assert_true(is_anchored(&world, next));
    world_end(&world);
}

static void what_is_owed_is_let_go_of_as_soon_as_it_is_there(void **state)
{
    (void)state;
    struct world world = world_make();
    relax(&world, 150); /* the store knew of it first */
    reeve_task_id first = anchored(&world, 100), second = anchored(&world, 100),
                  third = anchored(&world, 100);
    assert_int_equal(count_of(&world, REEVE_OWNER_LET_GO), 2);
    assert_false(is_anchored(&world, first));
    assert_false(is_anchored(&world, second));
    assert_true(is_anchored(&world, third));
    world_end(&world);
}

static void what_is_kept_the_program_cannot_release(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_result result;
    reeve_task_id task = anchored(&world, 100);
    assert_int_equal(reeve_owner_keep(world.owner, task), 0); /* a view */
    assert_true(reeve_owner_read_begin(world.owner, task));
    assert_int_equal(reeve_owner_take(world.owner, task), 0);             /* a get */
    assert_int_equal(reeve_owner_take(world.owner, task), REEVE_EHANDLE); /* another */
    assert_int_equal(reeve_owner_release(world.owner, task), REEVE_EHANDLE);
    assert_int_equal(reeve_owner_result(world.owner, task, &result), 0);
    assert_false(result.is_held);
    reeve_owner_untake(world.owner, task); /* it has to wait once more */
    assert_int_equal(reeve_owner_result(world.owner, task, &result), 0);
    assert_true(result.is_held);
    assert_int_equal(reeve_owner_take(world.owner, task), 0);
    reeve_owner_drop(world.owner, task);
    reeve_owner_check(world.owner);
    assert_int_equal(count_of(&world, REEVE_OWNER_FREE_OBJECT), 0);
    assert_int_equal(reeve_owner_release(world.owner, task), REEVE_EHANDLE);
    reeve_owner_read_end(world.owner, task);
    reeve_owner_drop(world.owner, task); /* the view's */
    assert_int_equal(count_of(&world, REEVE_OWNER_FREE_OBJECT), 1);
    assert_int_equal(reeve_owner_keep(world.owner, task), REEVE_EHANDLE);
    world_end(&world);
}

static void a_task_on_this_node_reads_its_arguments(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id object = anchored(&world, 100);
    reeve_lease_index index = world_lease(&world, 1, HERE);
    reeve_task_id task = world_submit(&world, object);
    send_one(&world, task);
    relax(&world, 1);
    assert_true(is_anchored(&world, object));
    /* lost with its worker, and sent again: it reads once, and not twice */
    reeve_owner_lease_lost(world.owner, world.now_ns, index, REEVE_EWORKERDIED, "");
    assert_false(is_anchored(&world, object));
    assert_int_equal(count_of(&world, REEVE_OWNER_LET_GO), 1);
    index = world_lease(&world, 2, HERE);
    send_one(&world, task);
    assert_true(reeve_owner_answer(world.owner, world.now_ns, index, task, 2, 0, "v", 1, NULL));
    world_end(&world);
}

static void a_task_that_is_taken_back_reads_no_more(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id object = anchored(&world, 100);
    reeve_lease_index index = world_lease(&world, 1, HERE);
    reeve_task_id task = world_submit(&world, object);
    send_one(&world, task);
    reeve_owner_taken_back(world.owner, world.now_ns, index, task, 1);
    assert_true(reeve_owner_take_inline(world.owner, task, world.class_index));
    relax(&world, 1);
    assert_true(is_anchored(&world, object)); /* run here, it reads again */
    reeve_owner_finished(world.owner, world.now_ns, task, 0, false, "v", 1, NULL, NULL, 0);
    assert_false(is_anchored(&world, object));
    world_end(&world);
}

static void a_task_elsewhere_does_not(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id object = anchored(&world, 100);
    world_lease(&world, 1, HERE + 1);
    send_one(&world, world_submit(&world, object));
    relax(&world, 1);
    assert_false(is_anchored(&world, object));
    world_end(&world);
}

static void what_is_given_away_stays_pinned_while_it_is_read(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_buffer bytes, objects;
    reeve_task_id object = anchored(&world, 100);
    reeve_buffer_init(&bytes);
    reeve_buffer_init(&objects);
    assert_int_equal(reeve_owner_hold(world.owner, object), 0); /* a view */
    assert_true(reeve_owner_read_begin(world.owner, object));
    assert_true(reeve_owner_handover_ready(world.owner, world.now_ns, &object, 1));
    assert_int_equal(reeve_owner_handover_write(world.owner, &object, 1, &bytes, &objects), 0);
    struct reeve_reference reference;
    memcpy(&reference, objects.data, sizeof(reference));
    assert_true(reference.flags & REEVE_REFERENCE_LOCATED); /* for the word to the store */
    reeve_owner_handover_end(world.owner, world.now_ns, &object, 1, true);
    assert_int_equal(reeve_owner_release(world.owner, object), 0);
    relax(&world, 1); /* it is not ours to let go of */
    assert_int_equal(count_of(&world, REEVE_OWNER_LET_GO), 0);
    reeve_owner_read_end(world.owner, object);
    assert_int_equal(reeve_owner_release(world.owner, object), 0);
    struct reeve_owner_command got;
    assert_true(reeve_owner_next_command(world.owner, &got));
    assert_int_equal(got.kind, REEVE_OWNER_UNPIN);
    assert_false(reeve_owner_next_command(world.owner, &got));
    /* on the other side it is not anchored */
    struct world other = world_make();
    world_lease(&other, 1, HERE);
    reeve_task_id call;
    struct reeve_owner_task from = {
        .class_index = other.class_index, .arguments = "\x90", .arguments_size = 1};
    assert_int_equal(reeve_owner_submit(other.owner, other.now_ns, &from, &call), 0);
    send_one(&other, call);
    assert_int_equal(
        reeve_owner_handed(other.owner, 0, call, 1, bytes.data, (uint32_t)bytes.size), 0);
    assert_true(reeve_owner_answer(other.owner, other.now_ns, 0, call, 1, 0, "\xd4\x21", 3, NULL));
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(other.owner, call, &result), 0);
    assert_int_equal(result.future_count, 1);
    assert_false(is_anchored(&other, result.futures[0].task));
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
    world_end(&other);
    world_end(&world);
}

static void thousands_that_come_and_go_leave_nothing(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id stays = anchored(&world, 1);
    for (int i = 0; i < 20000; i++) {
        reeve_task_id task;
        assert_int_equal(reeve_owner_put(world.owner, NULL, 0, &task), 0);
        struct reeve_reference object = located(task, 1);
        reeve_owner_filled(world.owner, world.now_ns, task, 0, &object);
        assert_int_equal(reeve_owner_release(world.owner, task), 0);
    }
    reeve_owner_check(world.owner);
    relax(&world, UINT64_MAX);
    assert_false(is_anchored(&world, stays));
    assert_int_equal(count_of(&world, REEVE_OWNER_LET_GO), 1);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_reads_is_let_go_of_oldest_first),
        cmocka_unit_test(what_only_lineage_keeps_is_let_go_of),
        cmocka_unit_test(what_is_owed_is_let_go_of_when_its_last_reader_has_gone),
        cmocka_unit_test(what_is_owed_is_let_go_of_as_soon_as_it_is_there),
        cmocka_unit_test(what_is_kept_the_program_cannot_release),
        cmocka_unit_test(a_task_on_this_node_reads_its_arguments),
        cmocka_unit_test(a_task_that_is_taken_back_reads_no_more),
        cmocka_unit_test(a_task_elsewhere_does_not),
        cmocka_unit_test(what_is_given_away_stays_pinned_while_it_is_read),
        cmocka_unit_test(thousands_that_come_and_go_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
