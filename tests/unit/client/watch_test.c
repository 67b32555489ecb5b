/* The owner core: futures that are watched. */
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/unit/client/owner_world.h"

static void send_all(struct world *world)
{
    struct reeve_owner_send send;
    for (uint64_t position = 0; reeve_owner_next_send(world->owner, &send); position++)
        reeve_owner_sent(world->owner, MS, send.task, position);
}

static void answer(struct world *world, reeve_task_id task, int status)
{
    reeve_lease_index index;
    uint64_t position;
    uint32_t attempt;
    send_all(world);
    for (uint64_t id = 1000; !reeve_owner_where(world->owner, task, &index, &position, &attempt);
         id++) { /* those before it take all the room */
        assert_int_equal(
            reeve_owner_lease_gained(world->owner, MS, world->class_index, id, 1, &index), 0);
        send_all(world);
    }
    assert_true(
        reeve_owner_answer(world->owner, MS, index, task, attempt, status, "\x01", 1, NULL));
    reeve_owner_check(world->owner);
}

static void watch(struct world *world, reeve_task_id task, uint64_t queue, uint64_t tag)
{
    struct reeve_owner_watch pair = {queue, tag};
    assert_int_equal(reeve_owner_watch(world->owner, task, &pair), 0);
    reeve_owner_check(world->owner);
}

static void told(struct world *world, uint64_t queue, uint64_t tag)
{
    struct reeve_owner_watch pair;
    assert_true(reeve_owner_next_watched(world->owner, &pair));
    assert_int_equal(pair.queue, queue);
    assert_int_equal(pair.tag, tag);
}

static void nobody_told(struct world *world)
{
    struct reeve_owner_watch pair;
    assert_false(reeve_owner_next_watched(world->owner, &pair));
}

static void is_told_once_when_it_ends(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_task_id first = world_submit(&world, 0), second = world_submit(&world, 0);
    watch(&world, first, 7, 1);
    watch(&world, second, 8, 2);
    nobody_told(&world);
    answer(&world, second, 0);
    told(&world, 8, 2);
    nobody_told(&world);
    answer(&world, first, REEVE_EFUNCTION); /* one that failed is ready, too */
    told(&world, 7, 1);
    nobody_told(&world);
    assert_int_equal(reeve_owner_watch_count(world.owner), 0);
    watch(&world, first, 9, 3); /* it is ready already */
    told(&world, 9, 3);
    nobody_told(&world);
    reeve_owner_free(world.owner);
}

static void may_be_watched_more_than_once(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_task_id task = world_submit(&world, 0), dependent = world_submit(&world, task);
    uint64_t sum = 0;
    struct reeve_owner_watch pair;
    for (uint64_t tag = 1; tag <= 1000; tag++)
        watch(&world, task, 1, tag);
    watch(&world, dependent, 1, 1000000);
    answer(&world, task, 0);
    while (reeve_owner_next_watched(world.owner, &pair))
        sum += pair.tag;
    assert_int_equal(sum, 1000 * 1001 / 2);
    answer(&world, dependent, 0);
    told(&world, 1, 1000000);
    reeve_owner_free(world.owner);
}

static void is_told_though_it_was_released(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_task_id task = world_submit(&world, 0);
    watch(&world, task, 1, 5);
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    answer(&world, task, 0);
    told(&world, 1, 5);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    struct reeve_owner_watch pair = {1, 6};
    assert_int_equal(reeve_owner_watch(world.owner, task, &pair), REEVE_EHANDLE);
    nobody_told(&world);
    reeve_owner_free(world.owner);
}

static void is_told_of_failures_that_spread(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_task_id last = world_submit(&world, 0), first = last;
    for (uint64_t i = 0; i < 50; i++) {
        last = world_submit(&world, last);
        watch(&world, last, 1, i);
    }
    answer(&world, first, REEVE_EFUNCTION);
    for (uint64_t i = 0; i < 50; i++)
        told(&world, 1, i);
    nobody_told(&world);
    reeve_task_id queued = world_submit(&world, 0), waiting = world_submit(&world, queued);
    watch(&world, waiting, 2, 1);
    watch(&world, queued, 2, 0);
    reeve_owner_fail_all(world.owner, REEVE_ENODEDIED, "gone");
    told(&world, 2, 0);
    told(&world, 2, 1);
    reeve_owner_free(world.owner);
}

/* Whatever happens, each is told exactly once. */
static void storm(void **state)
{
    (void)state;
    enum { TASKS = 400, WATCHES = 2000 };
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct reeve_prng prng;
        struct world world = world_with_lease();
        reeve_task_id tasks[TASKS];
        uint8_t count[WATCHES] = {0};
        bool released[TASKS] = {false};
        struct reeve_owner_watch pair;
        uint32_t made = 0, watched = 0;
        reeve_prng_init(&prng, seed);
        while (made < TASKS) {
            uint64_t what = reeve_prng_below(&prng, 10);
            uint64_t which = made != 0 ? reeve_prng_below(&prng, made) : 0;
            reeve_task_id one = made != 0 ? tasks[which] : 0;
            reeve_lease_index index;
            uint64_t position;
            uint32_t attempt;
            if (what < 3) {
                tasks[made++] = world_submit(
                    &world, reeve_owner_state(world.owner, one) != REEVE_TASK_FREE ? one : 0);
            } else if (what < 6 && watched < WATCHES) {
                pair = (struct reeve_owner_watch){seed, watched};
                if (reeve_owner_watch(world.owner, one, &pair) == 0)
                    watched++;
            } else if (what < 7) {
                if (made == 0 || released[which])
                    continue;
                released[which] = true;
                (void)reeve_owner_release(world.owner, one);
            } else if (what < 9) {
                send_all(&world);
                if (reeve_owner_where(world.owner, one, &index, &position, &attempt))
                    answer(&world, one, what == 7 ? 0 : REEVE_EFUNCTION);
            } else {
                reeve_owner_lease_lost(world.owner, MS, world.lease, REEVE_EWORKERDIED, "");
                assert_int_equal(reeve_owner_lease_gained(world.owner, MS, world.class_index,
                                     100 + made, 1, &world.lease),
                    0);
            }
            reeve_owner_check(world.owner);
            while (reeve_prng_below(&prng, 2) && reeve_owner_next_watched(world.owner, &pair))
                count[pair.tag]++;
        }
        reeve_owner_fail_all(world.owner, REEVE_ESHUTDOWN, "");
        while (reeve_owner_next_watched(world.owner, &pair))
            count[pair.tag]++;
        assert_int_equal(reeve_owner_watch_count(world.owner), 0);
        for (uint32_t i = 0; i < watched; i++)
            assert_int_equal(count[i], 1);
        reeve_owner_free(world.owner);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_told_once_when_it_ends),
        cmocka_unit_test(may_be_watched_more_than_once),
        cmocka_unit_test(is_told_though_it_was_released),
        cmocka_unit_test(is_told_of_failures_that_spread),
        cmocka_unit_test(storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
