/* The owner core: scenarios, event by event, and random programs of tasks under random losses,
 * audited after every event. */
#include <malloc.h>
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/unit/client/owner_world.h"

static reeve_task_id submit_with(struct world *world, const reeve_task_id *on, uint32_t count,
    uint32_t losses_max, struct reeve_owner_retries retries)
{
    struct reeve_owner_splice splices[4];
    reeve_task_id task;
    for (uint32_t i = 0; i < count; i++)
        splices[i] = (struct reeve_owner_splice){i + 1, on[i]};
    struct reeve_owner_task from = {.class_index = world->class_index,
        .function = 7,
        .losses_max = losses_max,
        .retries = retries,
        .arguments = "\x94\xc0\xc0\xc0\xc0",
        .arguments_size = 5,
        .splice_count = count,
        .splices = splices};
    assert_int_equal(reeve_owner_submit(world->owner, world->now_ns, &from, &task), 0);
    reeve_owner_check(world->owner);
    return task;
}

static reeve_task_id submit_on(
    struct world *world, const reeve_task_id *on, uint32_t count, uint32_t losses_max)
{
    return submit_with(world, on, count, losses_max, (struct reeve_owner_retries){0, 0});
}

static reeve_task_id submit(struct world *world)
{
    return submit_on(world, NULL, 0, 3);
}

static struct reeve_owner_command command(struct world *world, enum reeve_owner_command_kind kind)
{
    struct reeve_owner_command got;
    assert_true(reeve_owner_next_command(world->owner, &got));
    assert_int_equal(got.kind, kind);
    return got;
}

static void no_command(struct world *world)
{
    struct reeve_owner_command got;
    assert_false(reeve_owner_next_command(world->owner, &got));
}

/* Sends all that can be sent; returns how many, the last one's lease and task in `last`. */
static uint32_t send_all(struct world *world, struct reeve_owner_send *last)
{
    uint32_t count = 0;
    while (reeve_owner_next_send(world->owner, last)) {
        reeve_owner_sent(world->owner, world->now_ns, last->task, count++);
        reeve_owner_check(world->owner);
    }
    return count;
}

static void answer(struct world *world, reeve_lease_index index, reeve_task_id task,
    uint32_t attempt, int status, const char *value)
{
    assert_true(reeve_owner_answer(world->owner, world->now_ns, index, task, attempt, status, value,
        (uint32_t)strlen(value), NULL));
    reeve_owner_check(world->owner);
}

static void a_task_asks_for_a_lease_and_runs(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    struct reeve_owner_result result;
    reeve_task_id task = submit(&world);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).count, 1);
    assert_int_equal(send_all(&world, &sent), 0);
    reeve_lease_index index = world_lease(&world, 100, 1);
    assert_int_equal(send_all(&world, &sent), 1);
    assert_true(sent.task == task && sent.lease_index == index);
    assert_int_equal(reeve_owner_result(world.owner, task, &result), REEVE_EAGAIN);
    answer(&world, index, task, 1, 0, "forty");
    assert_int_equal(reeve_owner_result(world.owner, task, &result), 0);
    assert_memory_equal(result.bytes, "forty", 5);
    assert_int_equal(result.attempt, 1);
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    assert_int_equal(reeve_owner_release(world.owner, task), REEVE_EHANDLE);
    /* unused for long enough, the lease goes back, and before, nothing is asked for any more */
    world.now_ns += 600 * MS;
    reeve_owner_tick(world.owner, world.now_ns);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).count, 0);
    assert_int_equal(command(&world, REEVE_OWNER_RETURN_LEASE).lease, 100);
    no_command(&world);
    reeve_owner_check(world.owner);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    reeve_owner_free(world.owner);
}

static void dependencies_hold_a_task_back_and_pass_errors_on(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    struct reeve_owner_result result;
    reeve_task_id first = submit(&world);
    reeve_task_id second = submit_on(&world, &first, 1, 3);
    reeve_task_id third = submit_on(&world, (reeve_task_id[]){first, second}, 2, 3);
    assert_int_equal(reeve_owner_release(world.owner, first), 0); /* its dependents still hold it */
    assert_int_equal(reeve_owner_release(world.owner, first), REEVE_EHANDLE); /* not the caller */
    reeve_lease_index index = world_lease(&world, 1, 1);
    assert_int_equal(send_all(&world, &sent), 1);
    answer(&world, index, first, 1, 0, "1");
    assert_true(send_all(&world, &sent) == 1 && sent.task == second);
    answer(&world, index, second, 1, REEVE_EFUNCTION, "why");
    assert_int_equal(send_all(&world, &sent), 0);
    assert_int_equal(reeve_owner_state(world.owner, third), REEVE_TASK_FAILED);
    assert_int_equal(reeve_owner_result(world.owner, third, &result), 0);
    assert_int_equal(result.status, REEVE_EFUNCTION);
    assert_memory_equal(result.bytes, "why", 3);
    assert_int_equal(result.attempt, 1); /* of the task that failed */
    reeve_task_id late = submit_on(&world, &second, 1, 3);
    assert_int_equal(reeve_owner_result(world.owner, late, &result), 0);
    assert_true(result.status == REEVE_EFUNCTION && result.attempt == 1);
    assert_int_equal(reeve_owner_release(world.owner, late), 0);
    assert_int_equal(reeve_owner_state(world.owner, first), REEVE_TASK_FREE);
    assert_int_equal(reeve_owner_task_count(world.owner), 2);
    reeve_owner_free(world.owner);
}

/* A program that releases twice must not take a reference that is the core's, a dependent's or a
 * value's. */
static void what_is_released_twice_is_refused(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    reeve_task_id task = submit(&world), value, other;
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    assert_int_equal(reeve_owner_release(world.owner, task), REEVE_EHANDLE); /* under way */
    reeve_lease_index index = world_lease(&world, 1, 1);
    if (send_all(&world, &sent) == 1)
        answer(&world, index, task, 1, 0, "1");
    assert_int_equal(reeve_owner_put(world.owner, "a", 1, &value), 0);
    assert_int_equal(reeve_owner_put(world.owner, "b", 1, &other), 0);
    assert_int_equal(reeve_owner_hold(world.owner, value), 0);
    assert_int_equal(reeve_owner_attach(world.owner, other, &value, 1), 0);
    assert_int_equal(reeve_owner_release(world.owner, value), 0);
    assert_int_equal(reeve_owner_release(world.owner, value), REEVE_EHANDLE); /* in a value */
    assert_int_equal(reeve_owner_state(world.owner, value), REEVE_TASK_DONE);
    assert_int_equal(reeve_owner_release(world.owner, other), 0);
    assert_int_equal(reeve_owner_state(world.owner, value), REEVE_TASK_FREE);
    reeve_owner_check(world.owner);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    reeve_owner_free(world.owner);
}

static void a_stale_future_cannot_be_an_argument(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id task, stale = 12345;
    struct reeve_owner_splice splice = {1, stale};
    struct reeve_owner_task from = {.class_index = world.class_index,
        .arguments = "\x91\xc0",
        .arguments_size = 2,
        .splice_count = 1,
        .splices = &splice};
    assert_int_equal(reeve_owner_submit(world.owner, world.now_ns, &from, &task), REEVE_EHANDLE);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    reeve_owner_free(world.owner);
}

static void what_was_running_counts_as_lost_and_what_was_not_does_not(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    struct reeve_owner_result result;
    reeve_lease_index index = world_lease(&world, 1, 1);
    /* make the class fast, so that the lease gets several at once */
    reeve_task_id warm = submit(&world);
    send_all(&world, &sent);
    world.now_ns += 1000;
    answer(&world, index, warm, 1, 0, "");
    reeve_task_id running = submit_on(&world, NULL, 0, 1), waiting = submit_on(&world, NULL, 0, 0);
    assert_int_equal(send_all(&world, &sent), 2);
    reeve_owner_taken_back(world.owner, world.now_ns, index, waiting, 1);
    reeve_owner_lease_lost(world.owner, world.now_ns, index, REEVE_EWORKERDIED, "signal 11");
    reeve_owner_check(world.owner);
    index = world_lease(&world, 2, 1);
    assert_int_equal(send_all(&world, &sent), 2);
    /* an answer of the dead worker comes late */
    assert_false(reeve_owner_answer(world.owner, world.now_ns, index, running, 1, 0, "", 0, NULL));
    assert_int_equal(reeve_owner_stale_count(world.owner), 1);
    answer(&world, index, waiting, 1, 0, "ok");
    reeve_owner_lease_lost(world.owner, world.now_ns, index, REEVE_EWORKERDIED, "signal 11");
    reeve_owner_check(world.owner);
    assert_int_equal(reeve_owner_result(world.owner, running, &result), 0);
    assert_int_equal(result.status, REEVE_EWORKERDIED);
    assert_memory_equal(result.bytes, "signal 11", 9);
    assert_int_equal(result.attempt, 2);
    reeve_owner_free(world.owner);
}

static void workers_that_die_before_they_take_anything_are_not_started_for_ever(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    struct reeve_owner_result result;
    reeve_task_id task = submit(&world);
    reeve_lease_index index;
    uint64_t number = 1;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < REEVE_OWNER_BARREN_MAX - 1; i++) {
            index = world_lease(&world, number++, 1);
            assert_int_equal(send_all(&world, &sent), 1);
            reeve_owner_taken_back(world.owner, world.now_ns, index, task, 1);
            reeve_owner_lease_lost(world.owner, world.now_ns, index, REEVE_EWORKERDIED, "status 7");
            reeve_owner_check(world.owner);
            assert_int_not_equal(reeve_owner_result(world.owner, task, &result), 0);
        }
        if (round == 0) { /* an answer makes good for all of them */
            index = world_lease(&world, number++, 1);
            assert_int_equal(send_all(&world, &sent), 1);
            answer(&world, index, task, 1, 0, "");
            task = submit(&world);
            assert_int_equal(send_all(&world, &sent), 1);
            reeve_owner_taken_back(world.owner, world.now_ns, index, task, 1);
            reeve_owner_lease_lost(world.owner, world.now_ns, index, REEVE_ENODEDIED, "");
        }
    }
    index = world_lease(&world, number, 1);
    assert_int_equal(send_all(&world, &sent), 1);
    reeve_owner_taken_back(world.owner, world.now_ns, index, task, 1);
    reeve_owner_lease_lost(world.owner, world.now_ns, index, REEVE_EWORKERDIED, "status 7");
    reeve_owner_check(world.owner);
    assert_int_equal(reeve_owner_result(world.owner, task, &result), 0);
    assert_int_equal(result.status, REEVE_EWORKERDIED);
    assert_non_null(memmem(result.bytes, result.size, "status 7", 8));
    reeve_owner_free(world.owner);
}

static void a_recalled_lease_drains_and_goes_back(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    reeve_lease_index index = world_lease(&world, 1, 1);
    reeve_task_id warm = submit(&world);
    send_all(&world, &sent);
    world.now_ns += 1000;
    answer(&world, index, warm, 1, 0, "");
    reeve_task_id first = submit(&world), second = submit(&world);
    assert_int_equal(send_all(&world, &sent), 2);
    while (reeve_owner_next_command(world.owner, &(struct reeve_owner_command){0}))
        ;
    reeve_owner_lease_recalled(world.owner, world.now_ns, index);
    assert_true(command(&world, REEVE_OWNER_TAKE_BACK).task == second);
    assert_true(command(&world, REEVE_OWNER_TAKE_BACK).task == first);
    reeve_owner_taken_back(world.owner, world.now_ns, index, second, 1);
    assert_int_equal(send_all(&world, &sent), 0); /* the lease gets nothing more */
    answer(&world, index, first, 1, 0, "");
    assert_int_equal(command(&world, REEVE_OWNER_RETURN_LEASE).lease, 1);
    reeve_owner_check(world.owner);
    assert_int_equal(reeve_owner_state(world.owner, second), REEVE_TASK_QUEUED);
    reeve_owner_free(world.owner);
}

static void what_is_stuck_behind_a_long_task_is_taken_back(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    reeve_lease_index index = world_lease(&world, 1, 1);
    reeve_task_id warm = submit(&world);
    send_all(&world, &sent);
    world.now_ns += 1000;
    answer(&world, index, warm, 1, 0, "");
    for (int i = 0; i < 10; i++)
        submit(&world);
    assert_int_equal(send_all(&world, &sent), 10);
    while (reeve_owner_next_command(world.owner, &(struct reeve_owner_command){0}))
        ;
    world_lease(&world, 2, 1);
    world.now_ns += 10 * MS; /* nothing has come from the first */
    assert_true(reeve_owner_deadline(world.owner) <= world.now_ns);
    reeve_owner_tick(world.owner, world.now_ns);
    for (int i = 0; i < 5; i++)
        assert_int_equal(command(&world, REEVE_OWNER_TAKE_BACK).lease, 1);
    no_command(&world);
    reeve_owner_free(world.owner);
}

/* The count goes with what is alive; which of it is unfinished tells whether waiting helps. */
static void what_futures_take_is_counted(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    char large[1000] = {0};
    assert_int_equal(reeve_owner_memory(world.owner), 0);
    assert_false(reeve_owner_is_ahead(world.owner));
    reeve_task_id first = submit(&world);
    uint64_t each = reeve_owner_memory(world.owner);
    assert_in_range(each, 64, 256);
    reeve_task_id second = submit_on(&world, &first, 1, 3);
    assert_int_equal(reeve_owner_memory(world.owner), 2 * each); /* the future rides along */
    assert_true(reeve_owner_is_ahead(world.owner));
    assert_true(reeve_owner_unclaimed(world.owner, world.class_index) == first);
    reeve_lease_index index = world_lease(&world, 1, 1);
    assert_int_equal(send_all(&world, &sent), 1);
    assert_true(reeve_owner_unclaimed(world.owner, world.class_index) == 0);
    memset(large, 'x', sizeof(large) - 1);
    answer(&world, index, first, 1, 0, large);
    assert_true(reeve_owner_memory(world.owner) >= 2 * each + sizeof(large) - 1);
    assert_false(reeve_owner_is_ahead(world.owner)); /* one of two */
    assert_int_equal(send_all(&world, &sent), 1);
    answer(&world, index, second, 1, 0, "");
    assert_int_equal(reeve_owner_memory(world.owner), 2 * each + sizeof(large) - 1);
    assert_int_equal(reeve_owner_release(world.owner, first), 0);
    assert_int_equal(reeve_owner_release(world.owner, second), 0);
    assert_int_equal(reeve_owner_memory(world.owner), 0);
    reeve_owner_check(world.owner);
    reeve_owner_free(world.owner);
}

/* Answers of another node come in uneven batches; one that comes late and alone does not make all
 * tasks look long, or the worker would never again be given enough to do. */
static void depth_follows_the_rate_whatever_the_batches(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    for (int i = 0; i < 200; i++)
        submit(&world);
    reeve_lease_index index = world_lease(&world, 1, 1);
    for (int round = 0; round < 60; round++) {
        for (uint32_t batch = 1; batch <= 200; batch += 199) {
            world.now_ns += batch == 1 ? 3 * MS : 10000;
            uint64_t position;
            uint32_t attempt, count = 0;
            reeve_task_id task;
            while (count++ < batch && (task = reeve_owner_each_in_flight(
                                           world.owner, index, 0, &position, &attempt)) != 0) {
                assert_true(reeve_owner_answer(
                    world.owner, world.now_ns, index, task, attempt, 0, "", 0, NULL));
                assert_int_equal(reeve_owner_release(world.owner, task), 0);
                submit(&world);
            }
            send_all(&world, &sent);
        }
    }
    /* some 15 us each: more than 200 in what is given ahead */
    assert_int_equal(reeve_owner_in_flight(world.owner, index), 200);
    reeve_owner_free(world.owner);
}

/* A future whose value is an object on that node. */
static reeve_task_id object_on(struct world *world, uint32_t node, uint64_t size)
{
    reeve_task_id task;
    assert_int_equal(reeve_owner_put(world->owner, NULL, 0, &task), 0);
    struct reeve_reference object = {.id = {5, task}, .size_bytes = size, .node = node};
    reeve_owner_filled(world->owner, world->now_ns, task, 0, &object);
    return task;
}

static void tasks_go_where_their_large_arguments_are(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    struct reeve_owner_command told;
    reeve_task_id small = object_on(&world, 3, 1000), large = object_on(&world, 4, 64u << 20),
                  other = object_on(&world, 3, 2u << 20);
    submit(&world);
    told = command(&world, REEVE_OWNER_DEMAND);
    assert_true(told.count == 1 && told.near == 0);
    reeve_lease_index index[5] = {0};
    for (uint32_t node = 2; node <= 4; node++)
        assert_int_equal(reeve_owner_lease_gained(world.owner, world.now_ns, world.class_index,
                             node, node, &index[node]),
            0);
    assert_int_equal(send_all(&world, &sent), 1);
    answer(&world, sent.lease_index, sent.task, 1, 0, "");
    reeve_task_id all[] = {small, large, other};
    for (int i = 0; i < 3; i++) { /* to the idle lease on that node */
        submit_on(&world, all, 3, 3);
        assert_int_equal(send_all(&world, &sent), 1);
        assert_int_equal(sent.lease_index, index[4]);
        answer(&world, sent.lease_index, sent.task, 1, 0, "");
        submit_on(&world, &other, 1, 3);
        assert_int_equal(send_all(&world, &sent), 1);
        assert_int_equal(sent.lease_index, index[3]);
        answer(&world, sent.lease_index, sent.task, 1, 0, "");
    }
    /* one that is busy is not waited for */
    submit_on(&world, &large, 1, 3);
    submit_on(&world, &large, 1, 3);
    struct reeve_owner_send second;
    assert_true(reeve_owner_next_send(world.owner, &sent));
    reeve_owner_sent(world.owner, world.now_ns, sent.task, 0);
    assert_true(reeve_owner_next_send(world.owner, &second));
    reeve_owner_sent(world.owner, world.now_ns, second.task, 0);
    assert_int_equal(sent.lease_index, index[4]);
    assert_int_not_equal(second.lease_index, index[4]);
    reeve_owner_check(world.owner);
    reeve_owner_free(world.owner);
}

static void demand_names_the_node_of_large_arguments(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_command told;
    struct reeve_owner_send sent;
    reeve_task_id large = object_on(&world, 4, 64u << 20), small = object_on(&world, 3, 1000);
    submit_on(&world, &small, 1, 3);
    told = command(&world, REEVE_OWNER_DEMAND);
    assert_true(told.count == 1 && told.near == 0); /* what is small is soon brought anywhere */
    submit_on(&world, &large, 1, 3);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).near, 0); /* it is second */
    world_lease(&world, 1, 1);
    assert_int_equal(send_all(&world, &sent), 1);
    submit(&world); /* that one is first now, and a lease is still to come */
    told = command(&world, REEVE_OWNER_DEMAND);
    assert_true(told.count == 3 && told.near == 4);
    no_command(&world);
    reeve_owner_free(world.owner);
}

static void a_class_that_cannot_run_fails_unless_some_lease_has_it(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id task = submit(&world);
    reeve_lease_index index = world_lease(&world, 1, 1);
    reeve_owner_class_failed(
        world.owner, world.now_ns, world.class_index, REEVE_EPROGRAM, "no library");
    assert_int_equal(reeve_owner_state(world.owner, task), REEVE_TASK_QUEUED);
    reeve_owner_lease_lost(world.owner, world.now_ns, index, REEVE_ENODEDIED, "");
    reeve_owner_class_failed(
        world.owner, world.now_ns, world.class_index, REEVE_EPROGRAM, "no library");
    assert_int_equal(reeve_owner_state(world.owner, task), REEVE_TASK_FAILED);
    reeve_owner_check(world.owner);
    reeve_owner_free(world.owner);
}

/* The head answers a demand once: what it said while there were leases is asked again when the last
 * has gone, or the tasks would wait for ever. */
static void a_class_that_was_refused_asks_anew_when_its_last_lease_is_gone(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    reeve_task_id task = submit(&world);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).count, 1);
    reeve_lease_index index = world_lease(&world, 1, 1);
    assert_int_equal(send_all(&world, &sent), 1);
    reeve_owner_class_failed(world.owner, world.now_ns, world.class_index, REEVE_EINFEASIBLE, "no");
    no_command(&world);
    reeve_owner_lease_lost(world.owner, world.now_ns, index, REEVE_ENODEDIED, "");
    assert_int_equal(reeve_owner_state(world.owner, task), REEVE_TASK_QUEUED);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).count, 0);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).count, 1);
    reeve_owner_check(world.owner);
    reeve_owner_class_failed(world.owner, world.now_ns, world.class_index, REEVE_EINFEASIBLE, "no");
    assert_int_equal(reeve_owner_state(world.owner, task), REEVE_TASK_FAILED);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).count, 0);
    /* the next task asks by itself */
    submit(&world);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).count, 1);
    reeve_owner_free(world.owner);
}

/* The same when the last lease was called back, with a task taken back from it. */
static void a_refused_class_whose_lease_is_called_back_asks_anew(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    reeve_task_id task = submit(&world);
    reeve_lease_index index = world_lease(&world, 1, 1);
    assert_int_equal(send_all(&world, &sent), 1);
    reeve_owner_class_failed(world.owner, world.now_ns, world.class_index, REEVE_EINFEASIBLE, "no");
    reeve_owner_lease_recalled(world.owner, world.now_ns, index);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).count, 1);
    assert_int_equal(command(&world, REEVE_OWNER_TAKE_BACK).task, task);
    reeve_owner_taken_back(world.owner, world.now_ns, index, task, 1);
    assert_int_equal(command(&world, REEVE_OWNER_RETURN_LEASE).lease, 1);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).count, 0);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).count, 1);
    reeve_owner_check(world.owner);
    reeve_owner_free(world.owner);
}

/* A ring that has no room though nothing is under way gives no sign when it has some. */
static void a_full_ring_with_nothing_in_flight_is_tried_again(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    world_lease(&world, 1, 1);
    submit(&world);
    assert_true(reeve_owner_next_send(world.owner, &sent));
    reeve_owner_unsent(world.owner, sent.task);
    reeve_owner_check(world.owner);
    assert_false(reeve_owner_next_send(world.owner, &sent));
    for (int i = 0; i < 10 && !reeve_owner_next_send(world.owner, &sent); i++) {
        assert_true(reeve_owner_deadline(world.owner) < world.now_ns + 1000 * MS);
        world.now_ns = reeve_owner_deadline(world.owner);
        reeve_owner_tick(world.owner, world.now_ns);
        reeve_owner_check(world.owner);
    }
    assert_true(reeve_owner_next_send(world.owner, &sent));
    reeve_owner_free(world.owner);
}

/* What a task that waits costs, arguments included; and that the memory of many goes back. */
static void pending_tasks_cost_little_and_their_memory_goes_back(void **state)
{
    enum { TASKS = 200000 };
    (void)state;
    struct world world = world_make();
    struct reeve_owner_task from = {
        .class_index = world.class_index, .arguments = "\x93\x01\x02\x03", .arguments_size = 4};
    reeve_task_id *tasks = malloc(TASKS * sizeof(*tasks)), gate;
    assert_non_null(tasks);
    struct mallinfo2 before = mallinfo2();
    assert_int_equal(reeve_owner_put(world.owner, NULL, 0, &gate), 0);
    struct reeve_owner_splice splice = {1, gate};
    for (int i = 0; i < TASKS; i++) { /* half of them wait for a future, half for a lease */
        from.splice_count = i % 2;
        from.splices = &splice;
        assert_int_equal(reeve_owner_submit(world.owner, 1, &from, &tasks[i]), 0);
    }
    struct mallinfo2 full = mallinfo2();
    size_t cost = full.uordblks + full.hblkhd - before.uordblks - before.hblkhd;
    bool is_counted = full.uordblks != 0; /* a sanitizer's allocator does not say */
    if (is_counted)
        assert_in_range(cost / TASKS, 1, 256);
    reeve_owner_class_failed(world.owner, world.now_ns, world.class_index, REEVE_EINFEASIBLE, "");
    reeve_owner_filled(world.owner, world.now_ns, gate, REEVE_EFULL, NULL);
    for (int i = 0; i < TASKS; i++)
        assert_int_equal(reeve_owner_release(world.owner, tasks[i]), 0);
    assert_int_equal(reeve_owner_release(world.owner, gate), 0);
    struct mallinfo2 after = mallinfo2();
    cost = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    if (is_counted)
        assert_in_range(cost, 0, 4u << 20);
    for (int i = 0; i < TASKS; i++) /* not a single one is forgotten with its page */
        assert_int_equal(reeve_owner_state(world.owner, tasks[i]), REEVE_TASK_FREE);
    reeve_owner_check(world.owner);
    /* new ones in the same places have other names, and those of a later owner, too */
    reeve_task_id again;
    from.splice_count = 0;
    uint32_t generation = reeve_owner_generation(world.owner);
    for (int i = 0; i < TASKS; i++) {
        assert_int_equal(reeve_owner_submit(world.owner, 1, &from, &again), 0);
        assert_true(again >> 32 < generation + 2);
        assert_int_equal(reeve_owner_state(world.owner, tasks[i]), REEVE_TASK_FREE);
    }
    assert_true(reeve_owner_generation(world.owner) > again >> 32);
    reeve_owner_free(world.owner);
    free(tasks);
}

/* A class of other cpus, or of another priority, has something to send and no lease: one that has
 * nothing to do is not kept for what may come. */
static void an_idle_lease_goes_back_soon_when_another_class_wants_one(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    uint32_t usual = world.class_index, urgent;
    assert_int_equal(reeve_owner_class(world.owner, 1000, 5, &urgent), 0);
    reeve_lease_index index = world_lease(&world, 100, 1);
    reeve_task_id first = submit(&world);
    world.class_index = urgent;
    reeve_task_id second = submit(&world);
    assert_int_equal(send_all(&world, &sent), 1);
    assert_true(sent.task == first);
    world.now_ns += 100 * MS; /* nothing goes back while it has something to do */
    reeve_owner_tick(world.owner, world.now_ns);
    answer(&world, index, first, 1, 0, "");
    assert_true(reeve_owner_deadline(world.owner) <= world.now_ns + 25 * MS);
    while (reeve_owner_next_command(world.owner, &(struct reeve_owner_command){0}))
        ;
    world.now_ns += 25 * MS;
    reeve_owner_tick(world.owner, world.now_ns);
    assert_int_equal(command(&world, REEVE_OWNER_DEMAND).class_index, usual);
    assert_int_equal(command(&world, REEVE_OWNER_RETURN_LEASE).lease, 100);
    index = world_lease(&world, 101, 1);
    assert_int_equal(send_all(&world, &sent), 1);
    assert_true(sent.task == second);
    answer(&world, index, second, 1, 0, "");
    /* now nobody wants it: it is kept for a while */
    world.now_ns += 100 * MS;
    reeve_owner_tick(world.owner, world.now_ns);
    world.now_ns += 100 * MS;
    reeve_owner_tick(world.owner, world.now_ns);
    struct reeve_owner_command got;
    while (reeve_owner_next_command(world.owner, &got))
        assert_int_not_equal(got.kind, REEVE_OWNER_RETURN_LEASE);
    world.class_index = usual; /* until somebody does again */
    submit(&world);
    world.now_ns = reeve_owner_deadline(world.owner);
    reeve_owner_tick(world.owner, world.now_ns);
    while (got.kind != REEVE_OWNER_RETURN_LEASE)
        assert_true(reeve_owner_next_command(world.owner, &got));
    reeve_owner_free(world.owner);
}

static void an_object_is_freed_with_its_last_holder(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    struct reeve_reference object = {.id = {5, 0}, .size_bytes = 1 << 20, .node = 1};
    reeve_task_id put;
    assert_int_equal(reeve_owner_put(world.owner, NULL, 0, &put), 0);
    reeve_task_id user = submit_on(&world, &put, 1, 3);
    reeve_lease_index index = world_lease(&world, 1, 1);
    assert_int_equal(send_all(&world, &sent), 0);
    object.id.sequence = put;
    reeve_owner_filled(world.owner, world.now_ns, put, 0, &object);
    assert_int_equal(send_all(&world, &sent), 1);
    while (reeve_owner_next_command(world.owner, &(struct reeve_owner_command){0}))
        ;
    assert_int_equal(reeve_owner_release(world.owner, put), 0);
    no_command(&world);
    answer(&world, index, user, 1, 0, "");
    assert_true(command(&world, REEVE_OWNER_FREE_OBJECT).object.id.sequence == put);
    reeve_owner_check(world.owner);
    reeve_owner_free(world.owner);
}

static void a_chain_of_a_hundred_thousand_resolves_without_recursion(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_send sent;
    struct reeve_owner_task from = {
        .class_index = world.class_index, .arguments = "", .splice_count = 0};
    reeve_task_id first, task, before;
    assert_int_equal(reeve_owner_submit(world.owner, 1, &from, &first), 0);
    before = first;
    for (int i = 0; i < 100000; i++) {
        struct reeve_owner_splice splice = {0, before};
        from.splice_count = 1;
        from.splices = &splice;
        assert_int_equal(reeve_owner_submit(world.owner, 1, &from, &task), 0);
        assert_int_equal(reeve_owner_release(world.owner, before), 0);
        before = task;
    }
    reeve_lease_index index = world_lease(&world, 1, 1);
    assert_int_equal(send_all(&world, &sent), 1);
    answer(&world, index, first, 1, REEVE_EFUNCTION, "no");
    assert_int_equal(reeve_owner_state(world.owner, task), REEVE_TASK_FAILED);
    assert_int_equal(reeve_owner_task_count(world.owner), 1);
    reeve_owner_free(world.owner);
}

/* ---- random programs ------------------------------------------------------------------------- */

#define LIVE_MAX 200

static void random_program(uint64_t seed)
{
    struct world world = world_make();
    struct reeve_prng prng;
    reeve_task_id live[LIVE_MAX];
    uint32_t live_count = 0;
    uint64_t next_lease = 1;
    reeve_prng_init(&prng, seed);
    for (int step = 0; step < 3000; step++) {
        uint32_t dice = (uint32_t)(reeve_prng_next(&prng) % 100);
        world.now_ns += reeve_prng_next(&prng) % MS;
        if (dice < 35 && live_count < LIVE_MAX) {
            reeve_task_id on[4];
            uint32_t count = live_count == 0 ? 0 : (uint32_t)(reeve_prng_next(&prng) % 5);
            for (uint32_t i = 0; i < count; i++)
                on[i] = live[reeve_prng_next(&prng) % live_count];
            uint64_t more = reeve_prng_next(&prng);
            struct reeve_owner_retries retries = {more / 4 % 3, more / 16 % 4};
            live[live_count++] = submit_with(&world, on, count, (uint32_t)(more % 3), retries);
        } else if (dice < 45 && live_count > 0) {
            uint32_t i = (uint32_t)(reeve_prng_next(&prng) % live_count);
            assert_int_equal(reeve_owner_release(world.owner, live[i]), 0);
            live[i] = live[--live_count];
        } else if (dice < 50) {
            world_lease(&world, next_lease++, 1);
        } else if (dice < 60) {
            struct reeve_owner_send sent;
            send_all(&world, &sent);
        } else if (dice < 62) {
            reeve_owner_tick(world.owner, world.now_ns);
        } else {
            reeve_lease_index index;
            uint64_t position, lease_id = 1 + reeve_prng_next(&prng) % next_lease;
            uint32_t attempt;
            if (!reeve_owner_find_lease(world.owner, lease_id, &index))
                continue;
            reeve_task_id task =
                reeve_owner_each_in_flight(world.owner, index, 0, &position, &attempt);
            if (dice < 64)
                reeve_owner_lease_recalled(world.owner, world.now_ns, index);
            else if (dice < 68)
                reeve_owner_lease_lost(world.owner, world.now_ns, index, REEVE_EWORKERDIED, "gone");
            else if (task != 0 && dice < 75)
                reeve_owner_taken_back(world.owner, world.now_ns, index, task, attempt);
            else if (task != 0)
                answer(&world, index, task, attempt, dice < 95 ? 0 : REEVE_EFUNCTION, "value");
        }
        reeve_owner_check(world.owner);
        struct reeve_owner_command got;
        while (reeve_owner_next_command(world.owner, &got))
            ;
    }
    /* rest: with a lease and patience everything becomes final */
    uint64_t guard = 0;
    world_lease(&world, next_lease++, 1);
    while (reeve_owner_unfinished(world.owner) != 0) {
        struct reeve_owner_send sent;
        assert_true(++guard < 100000);
        world.now_ns += MS;
        reeve_owner_tick(world.owner, world.now_ns); /* the pauses of those that have failed */
        send_all(&world, &sent);
        for (uint64_t id = 1; id < next_lease; id++) {
            reeve_lease_index index;
            uint64_t position;
            uint32_t attempt;
            reeve_task_id task;
            while (reeve_owner_find_lease(world.owner, id, &index) &&
                   (task = reeve_owner_each_in_flight(
                        world.owner, index, 0, &position, &attempt)) != 0)
                answer(&world, index, task, attempt, 0, "v");
        }
        bool any = false;
        reeve_lease_index index;
        for (uint64_t id = 1; id < next_lease; id++)
            any |= reeve_owner_find_lease(world.owner, id, &index);
        if (!any)
            world_lease(&world, next_lease++, 1);
    }
    while (live_count != 0)
        assert_int_equal(reeve_owner_release(world.owner, live[--live_count]), 0);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world.now_ns += 2000 * MS;
    reeve_owner_tick(world.owner, world.now_ns);
    reeve_owner_check(world.owner);
    reeve_owner_free(world.owner);
}

static void random_programs_end_with_every_task_final_and_nothing_held(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        random_program(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_asks_for_a_lease_and_runs),
        cmocka_unit_test(dependencies_hold_a_task_back_and_pass_errors_on),
        cmocka_unit_test(what_is_released_twice_is_refused),
        cmocka_unit_test(a_stale_future_cannot_be_an_argument),
        cmocka_unit_test(what_was_running_counts_as_lost_and_what_was_not_does_not),
        cmocka_unit_test(workers_that_die_before_they_take_anything_are_not_started_for_ever),
        cmocka_unit_test(a_recalled_lease_drains_and_goes_back),
        cmocka_unit_test(what_is_stuck_behind_a_long_task_is_taken_back),
        cmocka_unit_test(what_futures_take_is_counted),
        cmocka_unit_test(depth_follows_the_rate_whatever_the_batches),
        cmocka_unit_test(tasks_go_where_their_large_arguments_are),
        cmocka_unit_test(demand_names_the_node_of_large_arguments),
        cmocka_unit_test(a_class_that_cannot_run_fails_unless_some_lease_has_it),
        cmocka_unit_test(a_class_that_was_refused_asks_anew_when_its_last_lease_is_gone),
        cmocka_unit_test(a_refused_class_whose_lease_is_called_back_asks_anew),
        cmocka_unit_test(a_full_ring_with_nothing_in_flight_is_tried_again),
        cmocka_unit_test(pending_tasks_cost_little_and_their_memory_goes_back),
        cmocka_unit_test(an_idle_lease_goes_back_soon_when_another_class_wants_one),
        cmocka_unit_test(an_object_is_freed_with_its_last_holder),
        cmocka_unit_test(a_chain_of_a_hundred_thousand_resolves_without_recursion),
        cmocka_unit_test(random_programs_end_with_every_task_final_and_nothing_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
