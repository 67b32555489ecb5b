/* The owner core: actors, event by event, audited after each. */
#include "api/client/owner.h"

#include <reeve_errors.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS       UINT64_C(1000000)
#define MAKE     1u /* functions */
#define END      2u
#define CALL     3u
#define CALL_MAX 64

struct world {
    struct reeve_owner *owner;
    uint64_t now_ns;
    uint32_t tasks; /* the class of tasks */
    uint64_t leases;
    /* what has been sent and not answered, in order */
    struct {
        reeve_task_id task;
        uint32_t function, attempt, timeout_ms;
        reeve_lease_index lease;
    } sent[CALL_MAX];
    uint32_t sent_count;
};

static struct world world_make(void)
{
    struct world world = {.owner = reeve_owner_create(&reeve_owner_settings_default), .now_ns = MS};
    assert_non_null(world.owner);
    assert_int_equal(reeve_owner_class(world.owner, 1000, 0, &world.tasks), 0);
    return world;
}

static void world_end(struct world *world)
{
    reeve_owner_check(world->owner);
    reeve_owner_free(world->owner);
}

static reeve_task_id submit(
    struct world *world, uint32_t actor, uint8_t life, reeve_task_id on, uint32_t losses_max)
{
    struct reeve_owner_splice splice = {1, on};
    reeve_task_id task;
    struct reeve_owner_task from = {.class_index = world->tasks,
        .function = life == REEVE_OWNER_MAKE ? MAKE : CALL,
        .losses_max = losses_max,
        .actor = actor,
        .life = life,
        .arguments = "\x91\xc0",
        .arguments_size = 2,
        .splice_count = on != 0,
        .splices = &splice};
    assert_int_equal(reeve_owner_submit(world->owner, world->now_ns, &from, &task), 0);
    reeve_owner_check(world->owner);
    return task;
}

static reeve_task_id call(struct world *world, uint32_t actor)
{
    return submit(world, actor, REEVE_OWNER_CALL, 0, 0);
}

static uint32_t create(struct world *world, uint32_t shared, uint32_t restarts_max)
{
    struct reeve_owner_actor actor = {
        .shared = shared, .restarts_max = restarts_max, .end_function = END};
    uint32_t number, host;
    assert_int_equal(reeve_owner_actor_make(world->owner, &actor, &number, &host), 0);
    if (shared != 0)
        assert_int_equal(host, shared);
    reeve_task_id made = submit(world, number, REEVE_OWNER_MAKE, 0, 0);
    assert_int_equal(reeve_owner_release(world->owner, made), 0);
    return number;
}

static void release(struct world *world, uint32_t actor)
{
    assert_int_equal(reeve_owner_actor_release(world->owner, world->now_ns, actor, "\x90", 1), 0);
    reeve_owner_check(world->owner);
}

/* The newest demand for a host; no other command comes. */
static struct reeve_owner_command demand(struct world *world)
{
    struct reeve_owner_command got, last = {0};
    while (reeve_owner_next_command(world->owner, &got)) {
        assert_int_equal(got.kind, REEVE_OWNER_DEMAND);
        last = got;
    }
    assert_int_equal(last.kind, REEVE_OWNER_DEMAND);
    return last;
}

static reeve_lease_index gain(struct world *world, uint32_t class_index)
{
    reeve_lease_index index;
    assert_int_equal(reeve_owner_lease_gained(
                         world->owner, world->now_ns, class_index, ++world->leases, 1, &index),
        0);
    reeve_owner_check(world->owner);
    return index;
}

/* Sends all that can be sent. */
static uint32_t send_all(struct world *world)
{
    struct reeve_owner_send send;
    uint32_t count = 0;
    while (reeve_owner_next_send(world->owner, &send)) {
        struct reeve_owner_entry entry;
        reeve_owner_entry(world->owner, send.task, &entry);
        assert_true(world->sent_count < CALL_MAX);
        world->sent[world->sent_count].task = send.task;
        world->sent[world->sent_count].function = entry.function;
        world->sent[world->sent_count].attempt = entry.attempt;
        world->sent[world->sent_count].timeout_ms = entry.timeout_ms;
        world->sent[world->sent_count++].lease = send.lease_index;
        reeve_owner_sent(world->owner, world->now_ns, send.task, count++);
        reeve_owner_check(world->owner);
    }
    return count;
}

/* The oldest of what was sent is answered. */
static void answer(struct world *world, uint32_t function, int status, const char *value)
{
    assert_true(world->sent_count > 0);
    assert_int_equal(world->sent[0].function, function);
    assert_true(reeve_owner_answer(world->owner, world->now_ns, world->sent[0].lease,
        world->sent[0].task, world->sent[0].attempt, status, value, (uint32_t)strlen(value), NULL));
    memmove(&world->sent[0], &world->sent[1], --world->sent_count * sizeof(world->sent[0]));
    reeve_owner_check(world->owner);
}

/* The host dies with all that it was sent. */
static void lose(struct world *world, reeve_lease_index lease, int code)
{
    reeve_owner_lease_lost(world->owner, world->now_ns, lease, code, "killed by signal 9");
    world->sent_count = 0;
    (void)send_all(world); /* what has become known takes effect */
    reeve_owner_check(world->owner);
}

static int result_of(struct world *world, reeve_task_id task, struct reeve_owner_result *result)
{
    assert_int_equal(reeve_owner_result(world->owner, task, result), 0);
    return result->status;
}

/* Releases it, too. */
static void expect_failed(struct world *world, reeve_task_id task, int status, const char *why)
{
    struct reeve_owner_result result;
    assert_int_equal(result_of(world, task, &result), status);
    assert_int_equal(result.size, strlen(why));
    assert_memory_equal(result.bytes, why, strlen(why));
    assert_int_equal(reeve_owner_release(world->owner, task), 0);
}

static void expect_done(struct world *world, reeve_task_id task)
{
    assert_int_equal(reeve_owner_state(world->owner, task), REEVE_TASK_DONE);
    assert_int_equal(reeve_owner_release(world->owner, task), 0);
}

/* An actor that is there, and may be restarted; the lease of its host. */
static reeve_lease_index live(struct world *world, uint32_t *ret_actor, uint32_t *ret_class_index)
{
    *ret_actor = create(world, 0, 3);
    *ret_class_index = demand(world).class_index;
    reeve_lease_index host = gain(world, *ret_class_index);
    (void)send_all(world);
    answer(world, MAKE, 0, "");
    return host;
}

static void an_actor_is_made_called_and_ended(void **state)
{
    (void)state;
    struct world world = world_make();
    uint32_t actor = create(&world, 0, 0);
    struct reeve_owner_command wanted = demand(&world);
    assert_true(wanted.host > REEVE_OWNER_SHARED_MAX && wanted.process == 0);
    assert_int_equal(wanted.count, 1);
    reeve_task_id first = call(&world, actor), second = call(&world, actor);
    gain(&world, wanted.class_index);
    assert_int_equal(send_all(&world), 3);
    answer(&world, MAKE, 0, "");
    answer(&world, CALL, 0, "a");
    answer(&world, CALL, 0, "b");
    expect_done(&world, first);
    expect_done(&world, second);
    /* it keeps its lease, however long nothing is called */
    for (int i = 0; i < 5; i++) {
        world.now_ns += 600 * MS;
        reeve_owner_tick(world.owner, world.now_ns);
    }
    struct reeve_owner_command got;
    assert_false(reeve_owner_next_command(world.owner, &got));
    release(&world, actor);
    assert_int_equal(
        reeve_owner_actor_release(world.owner, world.now_ns, actor, "", 0), REEVE_EHANDLE);
    assert_int_equal(send_all(&world), 1);
    answer(&world, END, 0, "");
    (void)send_all(&world);
    assert_int_equal(reeve_owner_actor_count(world.owner), 0);
    world.now_ns += 600 * MS;
    reeve_owner_tick(world.owner, world.now_ns);
    assert_true(reeve_owner_next_command(world.owner, &got));
    assert_int_equal(got.kind, REEVE_OWNER_DEMAND);
    assert_int_equal(got.count, 0);
    assert_true(reeve_owner_next_command(world.owner, &got));
    assert_int_equal(got.kind, REEVE_OWNER_RETURN_LEASE);
    assert_int_equal(got.count, 0); /* its process may serve others */
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    /* its host serves the next one */
    uint32_t next = create(&world, 0, 0);
    assert_true(next != actor);
    assert_int_equal(demand(&world).host, wanted.host);
    world_end(&world);
}

static void calls_are_sent_in_order_whatever_they_wait_for(void **state)
{
    (void)state;
    struct world world = world_make();
    uint32_t actor = create(&world, 0, 0);
    reeve_lease_index host = gain(&world, demand(&world).class_index);
    (void)send_all(&world);
    answer(&world, MAKE, 0, "");
    reeve_task_id slow, failing, calls[4];
    assert_int_equal(reeve_owner_put(world.owner, NULL, 0, &slow), 0);
    assert_int_equal(reeve_owner_put(world.owner, NULL, 0, &failing), 0);
    calls[0] = call(&world, actor);
    calls[1] = submit(&world, actor, REEVE_OWNER_CALL, slow, 0);
    calls[2] = submit(&world, actor, REEVE_OWNER_CALL, failing, 0);
    calls[3] = call(&world, actor);
    assert_int_equal(send_all(&world), 1);
    assert_true(world.sent[0].task == calls[0]);
    answer(&world, CALL, 0, "");
    assert_int_equal(send_all(&world), 0);
    struct reeve_reference object = {.id = {1, slow}, .size_bytes = 5};
    reeve_owner_filled(world.owner, world.now_ns, failing, REEVE_ELOST, NULL);
    reeve_owner_check(world.owner);
    assert_int_equal(reeve_owner_state(world.owner, calls[2]), REEVE_TASK_FAILED);
    assert_int_equal(send_all(&world), 0);
    reeve_owner_filled(world.owner, world.now_ns, slow, 0, &object);
    reeve_owner_check(world.owner);
    assert_int_equal(send_all(&world), 2);
    assert_true(world.sent[0].task == calls[1] && world.sent[1].task == calls[3]);
    assert_int_equal(reeve_owner_node_of(world.owner, host), 1);
    world_end(&world);
}

static void the_calls_of_a_dead_actor_say_why(void **state)
{
    (void)state;
    struct world world = world_make();
    uint32_t actor = create(&world, 0, 0);
    gain(&world, demand(&world).class_index);
    reeve_task_id sent = call(&world, actor);
    (void)send_all(&world);
    reeve_task_id slow, waits, dependent;
    assert_int_equal(reeve_owner_put(world.owner, NULL, 0, &slow), 0);
    waits = submit(&world, actor, REEVE_OWNER_CALL, slow, 0);
    dependent = submit(&world, actor, REEVE_OWNER_CALL, waits, 0); /* fails with that one */
    reeve_task_id last = call(&world, actor);
    answer(&world, MAKE, REEVE_EFUNCTION, "no");
    /* what was under way comes back with less than we know */
    answer(&world, CALL, REEVE_EACTORDIED, "it is not here");
    (void)send_all(&world);
    reeve_owner_check(world.owner);
    expect_failed(&world, sent, REEVE_EACTORDIED, "no");
    expect_failed(&world, waits, REEVE_EACTORDIED, "no");
    expect_failed(&world, dependent, REEVE_EACTORDIED, "no");
    expect_failed(&world, last, REEVE_EACTORDIED, "no");
    expect_failed(&world, call(&world, actor), REEVE_EACTORDIED, "no");
    release(&world, actor);
    assert_int_equal(reeve_owner_actor_count(world.owner), 0);
    world_end(&world);
}

static void a_host_that_is_lost_takes_its_actor_with_it(void **state)
{
    (void)state;
    struct world world = world_make();
    uint32_t actor = create(&world, 0, 0);
    reeve_lease_index host = gain(&world, demand(&world).class_index);
    reeve_task_id running = call(&world, actor);
    (void)send_all(&world);
    answer(&world, MAKE, 0, "");
    lose(&world, host, REEVE_EWORKERDIED);
    expect_failed(&world, running, REEVE_EACTORDIED, "killed by signal 9");
    expect_failed(&world, call(&world, actor), REEVE_EACTORDIED, "killed by signal 9");
    assert_int_equal(demand(&world).count, 0);
    release(&world, actor);
    /* where nobody knows what has become of it, that is another matter */
    uint32_t other = create(&world, 0, 0);
    host = gain(&world, demand(&world).class_index);
    running = call(&world, other);
    (void)send_all(&world);
    lose(&world, host, REEVE_EUNREACHABLE);
    expect_failed(&world, running, REEVE_EUNREACHABLE, "killed by signal 9");
    expect_failed(&world, call(&world, other), REEVE_EACTORDIED, "killed by signal 9");
    world_end(&world);
}

static void a_restart_makes_it_first_and_keeps_the_order(void **state)
{
    (void)state;
    struct world world = world_make();
    uint32_t actor = create(&world, 0, 1);
    struct reeve_owner_command wanted = demand(&world);
    reeve_lease_index host = gain(&world, wanted.class_index);
    reeve_task_id calls[4];
    calls[0] = call(&world, actor);                           /* at most once */
    calls[1] = submit(&world, actor, REEVE_OWNER_CALL, 0, 1); /* again, if need be */
    (void)send_all(&world);
    answer(&world, MAKE, 0, "");
    calls[2] = call(&world, actor);
    calls[3] = call(&world, actor);
    (void)send_all(&world);
    /* the latter two had not been claimed */
    for (uint32_t i = 3; i >= 2; i--)
        reeve_owner_taken_back(world.owner, world.now_ns, host, calls[i], 1);
    reeve_owner_check(world.owner);
    lose(&world, host, REEVE_EWORKERDIED);
    expect_failed(&world, calls[0], REEVE_EACTORDIED, "killed by signal 9");
    host = gain(&world, wanted.class_index);
    assert_int_equal(send_all(&world), 4);
    assert_int_equal(world.sent[0].attempt, 2);        /* so its worker knows */
    assert_int_equal(world.sent[0].timeout_ms, actor); /* and that all up to it are not to come */
    answer(&world, MAKE, 0, "");
    for (int i = 1; i < 4; i++) {
        assert_true(world.sent[0].task == calls[i]);
        answer(&world, CALL, 0, "");
        expect_done(&world, calls[i]);
    }
    /* idle, it dies again: that was one time too often */
    lose(&world, host, REEVE_EWORKERDIED);
    expect_failed(&world, call(&world, actor), REEVE_EACTORDIED, "killed by signal 9");
    world_end(&world);
}

static void expect_constructor(struct world *world, const char *bytes, uint32_t size)
{
    struct reeve_owner_entry entry;
    assert_int_equal(send_all(world), 1);
    reeve_owner_entry(world->owner, world->sent[0].task, &entry);
    assert_int_equal(entry.arguments_size, size);
    assert_memory_equal(entry.arguments, bytes, size);
    answer(world, MAKE, 0, "");
}

static void a_restart_brings_the_saved_state(void **state)
{
    (void)state;
    struct world world = world_make();
    uint32_t actor = create(&world, 0, 3);
    struct reeve_owner_command wanted = demand(&world);
    reeve_lease_index host = gain(&world, wanted.class_index);
    expect_constructor(&world, "\x91\xc0", 2);
    /* nothing yet; then the latest; and it stays when nothing is saved in between */
    lose(&world, host, REEVE_EWORKERDIED);
    host = gain(&world, wanted.class_index);
    expect_constructor(&world, "\x91\xc0", 2);
    assert_int_equal(reeve_owner_actor_saved(world.owner, host, actor, "old", 3), 0);
    assert_int_equal(reeve_owner_actor_saved(world.owner, host, actor, "state", 5), 0);
    reeve_owner_check(world.owner);
    for (int i = 0; i < 2; i++) {
        lose(&world, host, REEVE_EWORKERDIED);
        host = gain(&world, wanted.class_index);
        expect_constructor(&world, "\x91\xc0state", 7);
    }
    /* what cannot be, and what nobody will ask for */
    static const char large[REEVE_OWNER_SAVED_MAX + 1];
    assert_int_equal(
        reeve_owner_actor_saved(world.owner, host, actor, large, sizeof(large)), REEVE_EPROTOCOL);
    assert_int_equal(reeve_owner_actor_saved(world.owner, 77, actor, "x", 1), REEVE_EPROTOCOL);
    assert_int_equal(reeve_owner_actor_saved(world.owner, host, 99, "x", 1), 0);
    assert_int_equal(reeve_owner_actor_saved(world.owner, host, UINT64_MAX, large, 1), 0);
    lose(&world, host, REEVE_EWORKERDIED);
    expect_failed(&world, call(&world, actor), REEVE_EACTORDIED, "killed by signal 9");
    world_end(&world);
}

static void a_host_that_dies_before_the_constructor_has_begun_costs_no_restart(void **state)
{
    (void)state;
    struct world world = world_make();
    uint32_t actor = create(&world, 0, 0);
    struct reeve_owner_command wanted = demand(&world);
    reeve_lease_index host = gain(&world, wanted.class_index);
    lose(&world, host, REEVE_EWORKERDIED);
    host = gain(&world, wanted.class_index);
    assert_int_equal(send_all(&world), 1);
    assert_int_equal(world.sent[0].attempt, 1);
    lose(&world, host, REEVE_EWORKERDIED); /* in the midst of it */
    expect_failed(&world, call(&world, actor), REEVE_EACTORDIED, "killed by signal 9");
    world_end(&world);
}

static void those_that_share_a_host_are_made_again_in_their_order(void **state)
{
    (void)state;
    struct world world = world_make();
    uint32_t a = create(&world, 7, UINT32_MAX), b = create(&world, 7, 0), c = create(&world, 7, 3);
    struct reeve_owner_command wanted = demand(&world);
    assert_int_equal(wanted.host, 7);
    reeve_lease_index host = gain(&world, wanted.class_index);
    assert_int_equal(send_all(&world), 3);
    for (int i = 0; i < 3; i++)
        answer(&world, MAKE, 0, "");
    reeve_task_id of_b = call(&world, b), of_c = call(&world, c), of_a = call(&world, a);
    lose(&world, host, REEVE_EWORKERDIED);
    expect_failed(&world, of_b, REEVE_EACTORDIED, "killed by signal 9");
    gain(&world, wanted.class_index);
    assert_int_equal(send_all(&world), 4);
    answer(&world, MAKE, 0, "");
    answer(&world, MAKE, REEVE_EFUNCTION, "c cannot");
    assert_true(world.sent[0].task == of_c);
    answer(&world, CALL, REEVE_EACTORDIED, "");
    answer(&world, CALL, 0, "");
    expect_failed(&world, of_c, REEVE_EACTORDIED, "c cannot");
    expect_done(&world, of_a);
    assert_int_equal(reeve_owner_actor_kill(world.owner, world.now_ns, a), REEVE_EINVAL);
    release(&world, a);
    release(&world, b);
    release(&world, c);
    assert_int_equal(send_all(&world), 1);
    answer(&world, END, 0, "");
    (void)send_all(&world);
    assert_int_equal(reeve_owner_actor_count(world.owner), 0);
    world_end(&world);
}

static void a_killed_actor_takes_its_host_with_it(void **state)
{
    (void)state;
    struct world world = world_make();
    uint32_t actor = create(&world, 0, 5);
    gain(&world, demand(&world).class_index);
    reeve_task_id under_way = submit(&world, actor, REEVE_OWNER_CALL, 0, 3);
    (void)send_all(&world);
    answer(&world, MAKE, 0, "");
    reeve_task_id queued = call(&world, actor);
    assert_int_equal(reeve_owner_actor_kill(world.owner, world.now_ns, actor), 0);
    reeve_owner_check(world.owner);
    expect_failed(&world, under_way, REEVE_EACTORDIED, "it was killed");
    expect_failed(&world, queued, REEVE_EACTORDIED, "it was killed");
    struct reeve_owner_command got;
    bool returned = false;
    while (reeve_owner_next_command(world.owner, &got))
        returned |= got.kind == REEVE_OWNER_RETURN_LEASE && got.count != 0;
    assert_true(returned);
    release(&world, actor);
    assert_int_equal(reeve_owner_actor_kill(world.owner, world.now_ns, actor), REEVE_EHANDLE);
    world_end(&world);
}

/* A new head may not have known of the first, or word that it is lost is late. */
static void a_second_lease_is_not_sent_to_before_the_first_is_lost(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_command got;
    uint32_t actor, class_index;
    reeve_lease_index first = live(&world, &actor, &class_index);
    reeve_lease_index second = gain(&world, class_index);
    reeve_task_id task = call(&world, actor);
    assert_int_equal(send_all(&world), 1);
    assert_int_equal(world.sent[0].lease, first);
    answer(&world, CALL, 0, "");
    expect_done(&world, task);
    world.now_ns += 600 * MS; /* it is not needed after all */
    reeve_owner_tick(world.owner, world.now_ns);
    assert_true(reeve_owner_next_command(world.owner, &got));
    assert_int_equal(got.kind, REEVE_OWNER_RETURN_LEASE);
    assert_true(got.lease_index == second && got.count == 0);
    second = gain(&world, class_index);
    lose(&world, first, REEVE_EWORKERDIED); /* now it is */
    assert_int_equal(world.sent_count, 1);
    assert_true(world.sent[0].function == MAKE && world.sent[0].lease == second);
    world_end(&world);
}

/* The second could not have it; and it would come back from the end, and be sent behind what is to
 * follow it. */
static void what_waits_for_a_long_call_is_not_taken_back_for_a_second_lease(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner_command got;
    uint32_t actor, class_index;
    reeve_lease_index first = live(&world, &actor, &class_index);
    for (int i = 0; i < 5; i++)
        (void)call(&world, actor);
    assert_int_equal(send_all(&world), 5);
    while (reeve_owner_next_command(world.owner, &got))
        assert_int_equal(got.kind, REEVE_OWNER_DEMAND);
    (void)gain(&world, class_index);
    for (int i = 0; i < 50; i++) {
        world.now_ns += 10 * MS; /* nothing has come from the first */
        if (i == 5)              /* something waits behind them */
            (void)submit(
                &world, actor, REEVE_OWNER_CALL, submit(&world, 0, REEVE_OWNER_CALL, 0, 0), 0);
        reeve_owner_tick(world.owner, world.now_ns);
        reeve_owner_check(world.owner);
        while (reeve_owner_next_command(world.owner, &got))
            assert_int_not_equal(got.kind, REEVE_OWNER_TAKE_BACK);
        (void)send_all(&world);
    }
    assert_int_equal(world.sent_count, 5);
    assert_int_equal(world.sent[4].lease, first);
    world_end(&world);
}

/* Its node is to be shut down: what is under way is finished, then it is as if its host had
 * died. */
static void a_host_that_is_called_back_finishes_what_it_has(void **state)
{
    (void)state;
    struct world world = world_make();
    uint32_t actor = create(&world, 0, 1);
    struct reeve_owner_command wanted = demand(&world), got;
    reeve_lease_index host = gain(&world, wanted.class_index);
    reeve_task_id running = call(&world, actor);
    (void)send_all(&world);
    answer(&world, MAKE, 0, "");
    reeve_owner_lease_recalled(world.owner, world.now_ns, host);
    while (reeve_owner_next_command(world.owner, &got))
        assert_int_equal(got.kind, REEVE_OWNER_TAKE_BACK); /* too late */
    reeve_task_id next = call(&world, actor);
    assert_int_equal(send_all(&world), 0);
    answer(&world, CALL, 0, "");
    expect_done(&world, running);
    assert_true(reeve_owner_next_command(world.owner, &got));
    assert_int_equal(got.kind, REEVE_OWNER_RETURN_LEASE);
    assert_int_equal(got.count, 1);
    gain(&world, wanted.class_index);
    assert_int_equal(send_all(&world), 2);
    answer(&world, MAKE, 0, "");
    answer(&world, CALL, 0, "");
    expect_done(&world, next);
    world_end(&world);
}

static void actors_of_others_are_called_in_order(void **state)
{
    (void)state;
    struct world world = world_make();
    uint32_t tasks = world.tasks, again;
    assert_int_equal(reeve_owner_host_class(world.owner, 77, 0x80000003u, &world.tasks), 0);
    assert_int_equal(reeve_owner_host_class(world.owner, 77, 0x80000003u, &again), 0);
    assert_true(again == world.tasks && again != tasks);
    assert_int_equal(reeve_owner_host_class(world.owner, 78, 0x80000003u, &again), 0);
    assert_true(again != world.tasks);
    reeve_task_id a = call(&world, 0), b = call(&world, 0);
    struct reeve_owner_command wanted = demand(&world);
    assert_true(wanted.process == 77 && wanted.host == 0x80000003u && wanted.count == 1);
    reeve_lease_index lease = gain(&world, wanted.class_index);
    assert_int_equal(send_all(&world), 2);
    reeve_owner_taken_back(world.owner, world.now_ns, lease, b, 1);
    lose(&world, lease, REEVE_EWORKERDIED);
    expect_failed(&world, a, REEVE_EACTORDIED, "killed by signal 9");
    reeve_owner_class_failed(
        world.owner, world.now_ns, wanted.class_index, REEVE_EACTORDIED, "it is gone");
    expect_failed(&world, b, REEVE_EACTORDIED, "it is gone");
    world_end(&world);
}

static void nothing_is_left_when_the_owner_goes_in_the_midst_of_it(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id value;
    assert_int_equal(reeve_owner_put(world.owner, "x", 1, &value), 0);
    struct reeve_owner_actor actor = {.restarts_max = 3, .end_function = END};
    uint32_t number, host;
    assert_int_equal(reeve_owner_actor_make(world.owner, &actor, &number, &host), 0);
    (void)submit(&world, number, REEVE_OWNER_MAKE, value, 0); /* kept for restarts */
    (void)call(&world, number);
    (void)create(&world, 5, 2);
    reeve_owner_fail_all(world.owner, REEVE_ENOCLUSTER, "gone");
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_actor_is_made_called_and_ended),
        cmocka_unit_test(calls_are_sent_in_order_whatever_they_wait_for),
        cmocka_unit_test(the_calls_of_a_dead_actor_say_why),
        cmocka_unit_test(a_host_that_is_lost_takes_its_actor_with_it),
        cmocka_unit_test(a_restart_makes_it_first_and_keeps_the_order),
        cmocka_unit_test(a_restart_brings_the_saved_state),
        cmocka_unit_test(a_host_that_dies_before_the_constructor_has_begun_costs_no_restart),
        cmocka_unit_test(those_that_share_a_host_are_made_again_in_their_order),
        cmocka_unit_test(a_killed_actor_takes_its_host_with_it),
        cmocka_unit_test(a_second_lease_is_not_sent_to_before_the_first_is_lost),
        cmocka_unit_test(what_waits_for_a_long_call_is_not_taken_back_for_a_second_lease),
        cmocka_unit_test(a_host_that_is_called_back_finishes_what_it_has),
        cmocka_unit_test(actors_of_others_are_called_in_order),
        cmocka_unit_test(nothing_is_left_when_the_owner_goes_in_the_midst_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
