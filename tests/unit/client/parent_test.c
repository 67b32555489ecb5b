/* The owner core: which task has called a task goes where that goes. */
#include <reeve_errors.h>
#include <string.h>

#include "api/client/owner.h"
#include "tests/unit/client/owner_world.h"

#define NODE 5u

static const struct reeve_object_id parent = {UINT64_C(0x300000007), UINT64_C(0x500000002)};

/* `size` bytes of arguments; the parent lies where its numbers are not aligned. */
static reeve_task_id submit_child(
    struct world *world, uint32_t size, const struct reeve_owner_splice *splices, uint32_t count)
{
    uint8_t arguments[200], unaligned[sizeof(parent) + 1];
    reeve_task_id task;
    memset(arguments, 0xc0, sizeof(arguments));
    memcpy(unaligned + 1, &parent, sizeof(parent));
    struct reeve_owner_task from = {.class_index = world->class_index,
        .losses_max = 3,
        .arguments = arguments,
        .arguments_size = size,
        .parent = unaligned + 1,
        .splice_count = count,
        .splices = splices};
    assert_int_equal(reeve_owner_submit(world->owner, world->now_ns, &from, &task), 0);
    reeve_owner_check(world->owner);
    return task;
}

static void is_entry_of_child(const struct reeve_owner_entry *entry, uint32_t size)
{
    assert_int_equal(entry->arguments_size, size);
    for (uint32_t i = 0; i < size; i++)
        assert_int_equal(entry->arguments[i], 0xc0);
    assert_int_equal(entry->parent_size, sizeof(parent));
    assert_memory_equal(reeve_owner_entry_parent(entry), &parent, sizeof(parent));
}

static struct reeve_owner_send send_one(struct world *world)
{
    struct reeve_owner_send send;
    assert_true(reeve_owner_next_send(world->owner, &send));
    reeve_owner_sent(world->owner, world->now_ns, send.task, 0);
    reeve_owner_check(world->owner);
    return send;
}

static void answer(
    struct world *world, const struct reeve_owner_send *send, const struct reeve_reference *object)
{
    assert_true(reeve_owner_answer(world->owner, world->now_ns, send->lease_index, send->task,
        send->entry.attempt, 0, "one", 3, object));
    reeve_owner_check(world->owner);
}

static void it_stands_behind_the_arguments_of_each_attempt(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 28, 40, 41, 56, 57, 200};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct world world = world_with_lease();
        reeve_task_id task = submit_child(&world, sizes[i], NULL, 0);
        struct reeve_owner_send send = send_one(&world);
        is_entry_of_child(&send.entry, sizes[i]);
        reeve_owner_lease_lost(world.owner, world.now_ns, world.lease, REEVE_EWORKERDIED, "gone");
        reeve_owner_check(world.owner);
        world_lease(&world, 101, 1);
        send = send_one(&world);
        assert_true(send.task == task && send.entry.attempt == 2);
        is_entry_of_child(&send.entry, sizes[i]);
        answer(&world, &send, NULL);
        assert_int_equal(reeve_owner_release(world.owner, task), 0);
        world_end(&world);
    }
}

static void a_drivers_call_has_none(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    world_submit(&world, 0);
    struct reeve_owner_send send = send_one(&world);
    assert_int_equal(send.entry.parent_size, 0);
    assert_int_equal(send.entry.arguments_size, 2);
    assert_null(reeve_owner_entry_parent(&send.entry));
    world_end(&world);
}

static void it_stands_behind_arguments_with_futures_among_them(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_task_id on = world_submit(&world, 0);
    for (uint32_t size = 2; size < 60; size += 19) {
        struct reeve_owner_splice splices[] = {{0, on}, {1, on}};
        submit_child(&world, size, splices, 2);
    }
    struct reeve_owner_send send = send_one(&world);
    answer(&world, &send, NULL);
    for (uint32_t left = 2 + 21 + 40 + 59; left != 0; left -= send.entry.arguments_size) {
        send = send_one(&world);
        is_entry_of_child(&send.entry, send.entry.arguments_size);
        assert_int_equal(send.entry.splice_count, 2);
        assert_true(send.entry.splices[1].task == on && send.entry.splices[1].offset == 1);
        answer(&world, &send, NULL);
    }
    world_end(&world);
}

static void a_call_that_is_made_again_has_the_same(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_owner_set_process(world.owner, reeve_process_id_make(1, 1));
    world_lease(&world, 100, NODE);
    reeve_task_id task = submit_child(&world, 30, NULL, 0);
    struct reeve_owner_send send = send_one(&world);
    struct reeve_reference object = {
        .id = {reeve_process_id_make(1, 1), task}, .size_bytes = 1000000, .node = NODE};
    answer(&world, &send, &object);
    char why[100];
    assert_int_equal(reeve_owner_lost(world.owner, world.now_ns, task, &object.id, REEVE_ELOST, why,
                         sizeof(why)),
        0);
    send = send_one(&world);
    assert_true(send.task != task);
    is_entry_of_child(&send.entry, 30);
    world_end(&world);
}

/* To whom its future is given, with what a worker hands over. */
static void a_call_that_is_given_away_has_the_same(void **state)
{
    (void)state;
    struct world worker = world_make(), caller = world_with_lease();
    struct reeve_buffer bytes, objects;
    reeve_task_id roots[] = {submit_child(&worker, 30, NULL, 0), world_submit(&worker, 0)};
    reeve_buffer_init(&bytes);
    reeve_buffer_init(&objects);
    reeve_task_id call = world_submit(&caller, 0);
    struct reeve_owner_send send = send_one(&caller);
    assert_true(reeve_owner_handover_ready(worker.owner, worker.now_ns, roots, 2));
    assert_int_equal(reeve_owner_handover_write(worker.owner, roots, 2, &bytes, &objects), 0);
    assert_int_equal(reeve_owner_handed(
                         caller.owner, send.lease_index, call, 1, bytes.data, (uint32_t)bytes.size),
        0);
    answer(&caller, &send, NULL);
    send = send_one(&caller);
    is_entry_of_child(&send.entry, 30);
    answer(&caller, &send, NULL);
    send = send_one(&caller);
    assert_int_equal(send.entry.parent_size, 0);
    reeve_owner_handover_end(worker.owner, worker.now_ns, roots, 2, true);
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
    world_end(&worker);
    world_end(&caller);
}

static void an_actors_constructor_has_the_same_in_each_life(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_actor actor = {.restarts_max = 3, .end_function = 2};
    struct reeve_owner_task from = {.actor = 1,
        .life = REEVE_OWNER_MAKE,
        .arguments = "\xc0\xc0",
        .arguments_size = 2,
        .parent = &parent};
    uint32_t host;
    reeve_task_id made;
    assert_int_equal(reeve_owner_actor_make(world.owner, &actor, &from.actor, &host), 0);
    assert_int_equal(reeve_owner_submit(world.owner, world.now_ns, &from, &made), 0);
    assert_true(reeve_owner_actor_class(world.owner, from.actor, &world.class_index));
    for (uint32_t life = 1; life <= 3; life++) {
        world_lease(&world, 100 + life, 1);
        struct reeve_owner_send send = send_one(&world);
        assert_int_equal(send.entry.parent_size, sizeof(parent));
        assert_memory_equal(reeve_owner_entry_parent(&send.entry), &parent, sizeof(parent));
        assert_int_equal(send.entry.arguments_size, life == 3 ? 7 : 2);
        assert_memory_equal(send.entry.arguments, "\xc0\xc0saved", send.entry.arguments_size);
        answer(&world, &send, NULL);
        if (life == 2)
            assert_int_equal(
                reeve_owner_actor_saved(world.owner, world.lease, from.actor, "saved", 5), 0);
        reeve_owner_lease_lost(world.owner, world.now_ns, world.lease, REEVE_EWORKERDIED, "gone");
        reeve_owner_check(world.owner);
    }
    assert_int_equal(reeve_owner_release(world.owner, made), 0);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stands_behind_the_arguments_of_each_attempt),
        cmocka_unit_test(a_drivers_call_has_none),
        cmocka_unit_test(it_stands_behind_arguments_with_futures_among_them),
        cmocka_unit_test(a_call_that_is_made_again_has_the_same),
        cmocka_unit_test(a_call_that_is_given_away_has_the_same),
        cmocka_unit_test(an_actors_constructor_has_the_same_in_each_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
