/* Leases that lie idle while others wait for them: when they go back, and when they are kept; and
 * what they take over of those that are stuck. */
#include "tests/unit/client/owner_world.h"

#define US   UINT64_C(1000)
#define HOLD (200 * US)

static void run(struct world *world, reeve_task_id task)
{
    struct reeve_owner_send send;
    reeve_owner_rests(world->owner, world->now_ns, false);
    assert_true(reeve_owner_next_send(world->owner, &send));
    reeve_owner_sent(world->owner, world->now_ns, send.task, 0);
    world->now_ns += US;
    reeve_owner_answer(world->owner, world->now_ns, world->lease, task, 1, 0, "\xc0", 1, NULL);
    assert_int_equal(reeve_owner_release(world->owner, task), 0);
    reeve_owner_rests(world->owner, world->now_ns, true);
}

/* A task that makes one call, which takes a microsecond. */
static void call(struct world *world)
{
    run(world, world_submit(world, 0));
}

/* The same where the lease has gone: the call asks for another. */
static void call_anew(struct world *world, uint64_t lease)
{
    reeve_task_id task = world_submit(world, 0);
    world_lease(world, lease, 1);
    run(world, task);
}

/* The clock goes on, with a tick at every deadline. When the lease was given up since then: the
 * demand is withdrawn first, or it would come again. UINT64_MAX: it was not. */
static uint64_t rest(struct world *world, uint64_t ns)
{
    uint64_t begin_ns = world->now_ns, end_ns = begin_ns + ns, given_ns = UINT64_MAX;
    uint32_t demand = UINT32_MAX;
    while (reeve_owner_deadline(world->owner) <= end_ns) {
        uint64_t deadline_ns = reeve_owner_deadline(world->owner);
        world->now_ns = deadline_ns > world->now_ns ? deadline_ns : world->now_ns;
        reeve_owner_tick(world->owner, world->now_ns);
        struct reeve_owner_command command;
        while (reeve_owner_next_command(world->owner, &command)) {
            if (command.kind == REEVE_OWNER_DEMAND)
                demand = command.count;
            if (command.kind != REEVE_OWNER_RETURN_LEASE)
                continue;
            assert_int_equal(demand, 0);
            given_ns = world->now_ns - begin_ns;
        }
        reeve_owner_check(world->owner);
    }
    world->now_ns = end_ns;
    return given_ns;
}

static void wanted(struct world *world)
{
    reeve_owner_lease_wanted(world->owner, world->now_ns, world->lease);
}

static struct world world_called(void)
{
    struct world world = world_with_lease();
    call(&world);
    return world;
}

static void what_nobody_waits_for_is_kept(void **state)
{
    (void)state;
    struct world world = world_called();
    assert_true(rest(&world, 100 * MS) == UINT64_MAX);
    wanted(&world); /* it has lain idle for long: it goes at once */
    assert_int_equal(rest(&world, MS), 0);
    world_end(&world);
}

static void what_others_wait_for_goes_when_it_lies_idle(void **state)
{
    (void)state;
    struct world world = world_called();
    reeve_owner_rests(world.owner, world.now_ns, false);
    reeve_task_id busy = world_submit(&world, 0);
    struct reeve_owner_send send;
    assert_true(reeve_owner_next_send(world.owner, &send));
    reeve_owner_sent(world.owner, world.now_ns, send.task, 0);
    wanted(&world);
    assert_true(rest(&world, 50 * MS) == UINT64_MAX); /* not while something is under way */
    reeve_owner_answer(world.owner, world.now_ns, world.lease, busy, 1, 0, "\xc0", 1, NULL);
    assert_true(rest(&world, 10 * MS) == UINT64_MAX); /* the task may call again */
    reeve_owner_rests(world.owner, world.now_ns, true);
    assert_int_equal(rest(&world, MS), HOLD);
    world_end(&world);
}

/* It never rests: it is waited for a little longer, but not for half a second. */
static void a_driver_keeps_it_for_a_moment(void **state)
{
    (void)state;
    struct world world = world_called();
    reeve_owner_rests(world.owner, world.now_ns, false);
    wanted(&world);
    assert_int_equal(rest(&world, 400 * MS), 100 * MS);
    world_end(&world);
}

/* One of two has nothing to do, and the other several calls: those may come to it. */
static void what_can_be_spread_is_not_given_up(void **state)
{
    (void)state;
    struct world world = world_called();
    (void)world_lease(&world, 101, 1);
    reeve_owner_rests(world.owner, world.now_ns, false);
    struct reeve_owner_send send[3];
    for (int i = 0; i < 3; i++) {
        (void)world_submit(&world, 0);
        assert_true(reeve_owner_next_send(world.owner, &send[i]));
        reeve_owner_sent(world.owner, world.now_ns, send[i].task, (uint64_t)i);
    }
    reeve_lease_index idle = send[0].lease_index; /* the one with the fewer */
    assert_int_not_equal(send[1].lease_index, idle);
    if (send[2].lease_index == idle)
        idle = send[1].lease_index;
    for (int i = 0; i < 2; i++)
        if (send[i].lease_index == idle)
            reeve_owner_answer(
                world.owner, world.now_ns, idle, send[i].task, 1, 0, "\xc0", 1, NULL);
    reeve_owner_rests(world.owner, world.now_ns, true);
    reeve_owner_lease_wanted(world.owner, world.now_ns, idle);
    assert_true(rest(&world, 400 * US) == UINT64_MAX);
    world_end(&world);
}

/* The next one knows nothing of those who waited for the last. */
static void a_new_lease_is_kept_until_somebody_waits(void **state)
{
    (void)state;
    struct world world = world_called();
    wanted(&world);
    assert_int_equal(rest(&world, MS), HOLD);
    world_lease(&world, 101, 1);
    call(&world);
    assert_true(rest(&world, 100 * MS) == UINT64_MAX);
    world_end(&world);
}

static void who_pauses_for_microseconds_keeps_it(void **state)
{
    (void)state;
    struct world world = world_called();
    wanted(&world);
    for (int i = 0; i < 1000; i++) {
        assert_true(rest(&world, 150 * US) == UINT64_MAX);
        call(&world);
    }
    assert_true(rest(&world, 400 * US) == UINT64_MAX); /* one that is a little longer, too */
    call(&world);
    assert_in_range(rest(&world, 10 * MS), 400 * US, 2 * MS); /* then it has come to its end */
    world_end(&world);
}

/* A lease that was given up a little too early is the reason to keep the next one longer. */
static void what_was_missed_is_learnt_from(void **state)
{
    (void)state;
    struct world world = world_called();
    int given = 0;
    for (int i = 0; i < 100; i++) {
        wanted(&world);
        if (rest(&world, 400 * US) != UINT64_MAX) {
            given++;
            call_anew(&world, 200 + (uint64_t)i);
        } else {
            call(&world);
        }
    }
    assert_in_range(given, 1, 3);
    world_end(&world);
}

/* To keep it through pauses that are longer than it takes to get another is in vain. */
static void who_pauses_for_long_keeps_it_no_longer_than_who_is_new(void **state)
{
    (void)state;
    struct world world = world_called();
    for (int i = 0; i < 20; i++) {
        wanted(&world);
        uint64_t given_ns = rest(&world, 10 * MS);
        assert_in_range(given_ns, HOLD, 2 * MS);
        if (i > 3)
            assert_int_equal(given_ns, HOLD);
        call_anew(&world, 200 + (uint64_t)i);
    }
    world_end(&world);
}

static uint32_t send(struct world *world, struct reeve_owner_send *last)
{
    uint32_t count = 0;
    for (; reeve_owner_next_send(world->owner, last); count++)
        reeve_owner_sent(world->owner, world->now_ns, last->task, count);
    return count;
}

static reeve_task_id asked_back(struct world *world)
{
    struct reeve_owner_command command;
    reeve_task_id task = 0;
    while (reeve_owner_next_command(world->owner, &command)) {
        if (command.kind != REEVE_OWNER_TAKE_BACK)
            continue;
        assert_int_equal(task, 0);
        task = command.task;
    }
    return task;
}

/* The first was overtaken by the second while its arguments travelled, and that waits for it. */
static void what_was_overtaken_is_taken_over(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct reeve_owner_send last;
    reeve_lease_index index = world.lease;
    call(&world);
    reeve_task_id first = world_submit(&world, 0), second = world_submit(&world, 0);
    assert_int_equal(send(&world, &last), 2);
    world_lease(&world, 101, 1);
    assert_int_equal(asked_back(&world), 0);
    world.now_ns += 10 * MS;
    reeve_owner_tick(world.owner, world.now_ns);
    assert_int_equal(asked_back(&world), second); /* in vain */
    world.now_ns = reeve_owner_deadline(world.owner);
    reeve_owner_tick(world.owner, world.now_ns);
    assert_int_equal(asked_back(&world), first);
    reeve_owner_taken_back(world.owner, world.now_ns, index, first, 1);
    assert_int_equal(send(&world, &last), 1);
    assert_int_equal(last.task, first);
    assert_int_equal(last.lease_index, world.lease);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_waits_for_is_kept),
        cmocka_unit_test(what_others_wait_for_goes_when_it_lies_idle),
        cmocka_unit_test(a_driver_keeps_it_for_a_moment),
        cmocka_unit_test(what_can_be_spread_is_not_given_up),
        cmocka_unit_test(a_new_lease_is_kept_until_somebody_waits),
        cmocka_unit_test(who_pauses_for_microseconds_keeps_it),
        cmocka_unit_test(what_was_missed_is_learnt_from),
        cmocka_unit_test(who_pauses_for_long_keeps_it_no_longer_than_who_is_new),
        cmocka_unit_test(what_was_overtaken_is_taken_over),
    };
    return cmocka_run_group_tests_name("owner/idle", tests, NULL, NULL);
}
