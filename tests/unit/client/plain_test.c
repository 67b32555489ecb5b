/* The owner core: what a get takes on its shortest way. */
#include <reeve_errors.h>
#include <string.h>

#include "api/client/owner.h"
#include "tests/unit/client/owner_world.h"

static bool is_plain(const struct world *world, reeve_task_id task)
{
    const uint8_t *bytes;
    uint32_t size;
    if (!reeve_owner_plain_result(world->owner, task, &bytes, &size))
        return false;
    assert_int_equal(size, 3);
    assert_memory_equal(bytes, "one", 3);
    return true;
}

static void run(
    struct world *world, reeve_task_id task, int status, const struct reeve_reference *object)
{
    struct reeve_owner_send send;
    assert_true(reeve_owner_next_send(world->owner, &send));
    assert_true(send.task == task && send.entry.attempt == 1);
    assert_int_equal(send.entry.arguments_size, 2);
    reeve_owner_sent(world->owner, world->now_ns, task, 0);
    assert_false(is_plain(world, task));
    assert_true(reeve_owner_answer(
        world->owner, world->now_ns, world->lease, task, 1, status, "one", 3, object));
    reeve_owner_check(world->owner);
}

static void a_plain_result_is_bytes_that_are_there(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct reeve_reference object = {.id = {7, 8}, .size_bytes = 1000};
    reeve_task_id good = world_submit(&world, 0), bad = world_submit(&world, 0),
                  large = world_submit(&world, 0), stream;
    run(&world, good, 0, NULL);
    run(&world, bad, REEVE_EFUNCTION, NULL);
    run(&world, large, 0, &object);
    assert_true(is_plain(&world, good));
    assert_false(is_plain(&world, bad) || is_plain(&world, large));
    assert_int_equal(reeve_owner_take(world.owner, good), 0); /* somebody else gets it */
    assert_false(is_plain(&world, good));
    reeve_owner_untake(world.owner, good);
    struct reeve_owner_task from = {.class_index = world.class_index,
        .never_inline = true,
        .is_stream = true,
        .arguments = "\x91\xc0",
        .arguments_size = 2};
    assert_int_equal(reeve_owner_submit(world.owner, world.now_ns, &from, &stream), 0);
    run(&world, stream, 0, NULL);
    assert_false(is_plain(&world, stream));
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_result_is_bytes_that_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
