/* Futures in values: two owner cores, a caller and a worker, that hand futures to each other; and
 * hand-overs that somebody has scribbled over. */
#include "api/client/owner.h"

#include <reeve_errors.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/prng.h"

#define MS UINT64_C(1000000)

/* The caller has one task under way, which `worker` runs. */
struct world {
    struct reeve_owner *caller, *worker;
    uint32_t caller_class, worker_class;
    reeve_lease_index lease; /* the caller's, to the worker */
    reeve_task_id parent;
    uint64_t now_ns;
};

static void drain(struct reeve_owner *owner)
{
    struct reeve_owner_command got;
    while (reeve_owner_next_command(owner, &got))
        ;
}

static uint32_t freed(struct reeve_owner *owner)
{
    struct reeve_owner_command got;
    uint32_t count = 0;
    while (reeve_owner_next_command(owner, &got))
        count += got.kind == REEVE_OWNER_FREE_OBJECT;
    return count;
}

static reeve_task_id submit(struct reeve_owner *owner, uint32_t class_index,
    const struct reeve_owner_splice *splices, uint32_t count)
{
    struct reeve_owner_task from = {.class_index = class_index,
        .function = 7,
        .losses_max = 3,
        .arguments = "\x94\xc0\xc0\xc0\xc0",
        .arguments_size = 5,
        .splice_count = count,
        .splices = splices};
    reeve_task_id task;
    assert_int_equal(reeve_owner_submit(owner, MS, &from, &task), 0);
    reeve_owner_check(owner);
    return task;
}

static uint32_t send_all(struct world *world, struct reeve_owner *owner)
{
    struct reeve_owner_send send;
    uint32_t count = 0;
    while (reeve_owner_next_send(owner, &send)) {
        reeve_owner_sent(owner, world->now_ns, send.task, count++);
        reeve_owner_check(owner);
    }
    return count;
}

static struct world world_make(void)
{
    struct world world = {.caller = reeve_owner_create(&reeve_owner_settings_default),
        .worker = reeve_owner_create(&reeve_owner_settings_default),
        .now_ns = MS};
    /* so that the two know different numbers for the same class */
    uint32_t other;
    assert_int_equal(reeve_owner_class(world.caller, 2000, 0, &other), 0);
    assert_int_equal(reeve_owner_class(world.caller, 1000, 0, &world.caller_class), 0);
    assert_int_equal(reeve_owner_class(world.worker, 1000, 0, &world.worker_class), 0);
    world.parent = submit(world.caller, world.caller_class, NULL, 0);
    assert_int_equal(
        reeve_owner_lease_gained(world.caller, MS, world.caller_class, 100, 1, &world.lease), 0);
    assert_int_equal(send_all(&world, world.caller), 1);
    drain(world.caller);
    return world;
}

static void world_free(struct world *world)
{
    reeve_owner_check(world->caller);
    reeve_owner_check(world->worker);
    reeve_owner_free(world->caller);
    reeve_owner_free(world->worker);
}

/* The worker's half: writes the hand-over, in pieces of `piece` bytes, and gives its futures
 * away. */
static void give(struct world *world, const reeve_task_id *roots, uint32_t count, size_t piece)
{
    struct reeve_buffer bytes, objects;
    reeve_buffer_init(&bytes);
    reeve_buffer_init(&objects);
    assert_true(reeve_owner_handover_ready(world->worker, world->now_ns, roots, count));
    assert_int_equal(reeve_owner_handover_write(world->worker, roots, count, &bytes, &objects), 0);
    for (size_t at = 0; at < bytes.size; at += piece) {
        uint32_t size = (uint32_t)(bytes.size - at < piece ? bytes.size - at : piece);
        assert_int_equal(reeve_owner_handed(
                             world->caller, world->lease, world->parent, 1, bytes.data + at, size),
            0);
    }
    reeve_owner_handover_end(world->worker, world->now_ns, roots, count, true);
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || roots[i] != roots[i - 1])
            assert_int_equal(reeve_owner_release(world->worker, roots[i]), 0);
    reeve_owner_check(world->worker);
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
}

/* The caller accepts the answer, and gets what stands in it: a reference to each of `ret`. */
static void take_answer(struct world *world, reeve_task_id *ret, uint32_t count)
{
    struct reeve_owner_result result;
    assert_true(reeve_owner_answer(
        world->caller, world->now_ns, world->lease, world->parent, 1, 0, "list", 4, NULL));
    reeve_owner_check(world->caller);
    assert_int_equal(reeve_owner_result(world->caller, world->parent, &result), 0);
    assert_int_equal(result.status, 0);
    assert_int_equal(result.future_count, count);
    for (uint32_t i = 0; i < count; i++) {
        ret[i] = result.futures[i].task;
        assert_int_equal(reeve_owner_hold(world->caller, ret[i]), 0);
    }
    assert_int_equal(reeve_owner_release(world->caller, world->parent), 0);
    reeve_owner_check(world->caller);
}

static void has_value(struct reeve_owner *owner, reeve_task_id task, const char *value)
{
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(owner, task, &result), 0);
    assert_int_equal(result.status, 0);
    assert_int_equal(result.size, strlen(value));
    assert_memory_equal(result.bytes, value, result.size);
}

static void what_nobody_has_begun_becomes_the_callers_task(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id roots[2], got[2];
    roots[0] = submit(world.worker, world.worker_class, NULL, 0);
    struct reeve_owner_splice on = {1, roots[0]};
    roots[1] = submit(world.worker, world.worker_class, &on, 1);
    give(&world, roots, 2, 10);
    assert_int_equal(reeve_owner_task_count(world.worker), 0);
    assert_int_equal(reeve_owner_unfinished(world.worker), 0);
    take_answer(&world, got, 2);
    assert_int_equal(reeve_owner_state(world.caller, got[0]), REEVE_TASK_QUEUED);
    assert_int_equal(reeve_owner_state(world.caller, got[1]), REEVE_TASK_WAITING);
    assert_int_equal(send_all(&world, world.caller), 1);
    struct reeve_owner_entry entry;
    reeve_owner_entry(world.caller, got[0], &entry);
    assert_int_equal(entry.function, 7);
    assert_int_equal(entry.attempt, 1);
    assert_memory_equal(entry.arguments, "\x94\xc0\xc0\xc0\xc0", 5);
    assert_true(
        reeve_owner_answer(world.caller, world.now_ns, world.lease, got[0], 1, 0, "one", 3, NULL));
    assert_int_equal(send_all(&world, world.caller), 1);
    reeve_owner_entry(world.caller, got[1], &entry);
    assert_int_equal(entry.splices[0].offset, 1);
    assert_true(entry.splices[0].task == got[0]);
    assert_int_equal(reeve_owner_release(world.caller, got[0]), 0);
    assert_int_equal(reeve_owner_release(world.caller, got[1]), 0);
    world_free(&world);
}

/* An actor's process, say: it knows no class. */
static void who_has_called_nothing_gives_what_it_has_put(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id roots[2], got[2];
    struct reeve_reference object = {.id = {5, 0}, .size_bytes = 1 << 20, .node = 3};
    reeve_owner_free(world.worker);
    world.worker = reeve_owner_create(&reeve_owner_settings_default);
    assert_int_equal(reeve_owner_put(world.worker, "small", 5, &roots[0]), 0);
    assert_int_equal(reeve_owner_put(world.worker, NULL, 0, &roots[1]), 0);
    assert_false(reeve_owner_handover_ready(world.worker, world.now_ns, roots, 2));
    object.id.sequence = roots[1];
    reeve_owner_filled(world.worker, MS, roots[1], 0, &object);
    give(&world, roots, 2, 1000);
    take_answer(&world, got, 2);
    has_value(world.caller, got[0], "small");
    for (int i = 0; i < 2; i++)
        assert_int_equal(reeve_owner_release(world.caller, got[i]), 0);
    world_free(&world);
}

static void what_has_ended_is_handed_over_as_it_is(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id roots[5], got[5];
    struct reeve_reference object = {.id = {5, 0}, .size_bytes = 1 << 20, .node = 3};
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_put(world.worker, "small", 5, &roots[0]), 0);
    assert_int_equal(reeve_owner_put(world.worker, NULL, 0, &roots[1]), 0);
    object.id.sequence = roots[1];
    reeve_owner_filled(world.worker, MS, roots[1], 0, &object);
    assert_int_equal(reeve_owner_put(world.worker, NULL, 0, &roots[2]), 0);
    reeve_owner_filled(world.worker, MS, roots[2], REEVE_EFULL, NULL);
    /* one that holds another, and the same one twice */
    assert_int_equal(reeve_owner_put(world.worker, "outer", 5, &roots[3]), 0);
    assert_int_equal(reeve_owner_hold(world.worker, roots[0]), 0);
    assert_int_equal(reeve_owner_attach(world.worker, roots[3], &roots[0], 1), 0);
    roots[4] = roots[3];
    give(&world, roots, 5, 1000);
    assert_int_equal(reeve_owner_task_count(world.worker), 0);
    assert_int_equal(freed(world.worker), 0); /* the object is the caller's to free */
    take_answer(&world, got, 5);
    has_value(world.caller, got[0], "small");
    assert_int_equal(reeve_owner_result(world.caller, got[1], &result), 0);
    assert_true(result.is_object && reeve_object_id_equal(result.object.id, object.id));
    assert_true(result.object.flags & REEVE_REFERENCE_GIVEN);
    assert_int_equal(reeve_owner_result(world.caller, got[2], &result), 0);
    assert_int_equal(result.status, REEVE_EFULL);
    assert_int_equal(reeve_owner_result(world.caller, got[3], &result), 0);
    assert_int_equal(result.future_count, 1);
    assert_true(result.futures[0].task == got[0] && got[3] == got[4]);
    for (int i = 0; i < 5; i++)
        assert_int_equal(reeve_owner_release(world.caller, got[i]), 0);
    assert_int_equal(freed(world.caller), 1);
    assert_int_equal(reeve_owner_task_count(world.caller), 0);
    world_free(&world);
}

/* The next command that frees an object. */
static struct reeve_owner_command free_command(struct reeve_owner *owner)
{
    struct reeve_owner_command got = {0};
    while (reeve_owner_next_command(owner, &got) && got.kind != REEVE_OWNER_FREE_OBJECT)
        continue;
    assert_int_equal(got.kind, REEVE_OWNER_FREE_OBJECT);
    return got;
}

/* What is only held is handed on as a hold of the heir's own, and not given away: each ends what is
 * its own. Twice, and the two are told apart. */
static void what_is_held_is_handed_on(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id root, got, tokens[2];
    struct reeve_owner_result result;
    struct reeve_reference object = {.id = {9, 4},
        .size_bytes = 1 << 20,
        .node = 3,
        .flags = REEVE_REFERENCE_HELD,
        .offset = 77};
    reeve_owner_set_process(world.worker, reeve_process_id_make(3, 5));
    assert_int_equal(reeve_owner_put(world.worker, NULL, 0, &root), 0);
    reeve_owner_filled(world.worker, MS, root, 0, &object);
    /* something under way needs it, too: never mind */
    struct reeve_owner_splice on = {1, root};
    reeve_task_id other = submit(world.worker, world.worker_class, &on, 1);
    for (int i = 0; i < 2; i++) {
        if (i == 1) {
            world.parent = submit(world.caller, world.caller_class, NULL, 0);
            assert_int_equal(send_all(&world, world.caller), 1);
        }
        assert_int_equal(reeve_owner_hold(world.worker, root), 0); /* retained */
        give(&world, &root, 1, 100);
        assert_int_equal(freed(world.worker), 0);
        take_answer(&world, &got, 1);
        assert_int_equal(reeve_owner_result(world.caller, got, &result), 0);
        assert_int_equal(result.object.flags, REEVE_REFERENCE_HELD | REEVE_REFERENCE_GIVEN);
        assert_true(reeve_object_id_equal(result.object.id, object.id));
        tokens[i] = result.object.offset;
        assert_int_equal(reeve_owner_release(world.caller, got), 0);
        struct reeve_owner_command end = free_command(world.caller);
        assert_true(end.object.flags == (REEVE_REFERENCE_HELD | REEVE_REFERENCE_GIVEN) &&
                    end.task == tokens[i]);
    }
    assert_true(tokens[0] != tokens[1] && tokens[0] >> 63 && tokens[1] >> 63);
    reeve_owner_fail_all(world.worker, REEVE_ECANCELLED, "");
    reeve_owner_release(world.worker, other);
    assert_int_equal(reeve_owner_release(world.worker, root), 0);
    struct reeve_owner_command end = free_command(world.worker);
    assert_true(end.object.flags == REEVE_REFERENCE_HELD && end.task == 77);
    world_free(&world);
}

static void what_somebody_runs_is_waited_for(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id roots[2], got[2];
    reeve_lease_index index;
    roots[0] = submit(world.worker, world.worker_class, NULL, 0);
    roots[1] = submit(world.worker, world.worker_class, NULL, 0);
    assert_int_equal(
        reeve_owner_lease_gained(world.worker, MS, world.worker_class, 200, 1, &index), 0);
    struct reeve_owner_send send;
    assert_true(reeve_owner_next_send(world.worker, &send));
    reeve_owner_sent(world.worker, MS, send.task, 0);
    drain(world.worker);
    assert_false(reeve_owner_handover_ready(world.worker, MS, roots, 2));
    /* it is asked for; the other one is not sent any more */
    struct reeve_owner_command got_command;
    assert_true(reeve_owner_next_command(world.worker, &got_command));
    assert_int_equal(got_command.kind, REEVE_OWNER_TAKE_BACK);
    assert_true(got_command.task == roots[0]);
    assert_false(reeve_owner_next_send(world.worker, &send));
    assert_false(reeve_owner_handover_ready(world.worker, MS, roots, 2));
    assert_true(reeve_owner_answer(world.worker, MS, index, roots[0], 1, 0, "ran", 3, NULL));
    assert_false(reeve_owner_next_send(world.worker, &send));
    give(&world, roots, 2, 7);
    take_answer(&world, got, 2);
    has_value(world.caller, got[0], "ran");
    assert_int_equal(reeve_owner_state(world.caller, got[1]), REEVE_TASK_QUEUED);
    reeve_owner_release(world.caller, got[0]);
    reeve_owner_release(world.caller, got[1]);
    world_free(&world);
}

/* Taken back, or lost with its worker, it is given as the task; called off, it goes on here. */
static void what_comes_back_is_kept_back(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct world world = world_make();
        reeve_lease_index index;
        struct reeve_owner_send send;
        reeve_task_id root = submit(world.worker, world.worker_class, NULL, 0), got;
        assert_int_equal(
            reeve_owner_lease_gained(world.worker, MS, world.worker_class, 200, 1, &index), 0);
        assert_int_equal(send_all(&world, world.worker), 1);
        assert_false(reeve_owner_handover_ready(world.worker, MS, &root, 1));
        if (way == 1)
            reeve_owner_lease_lost(world.worker, MS, index, REEVE_EWORKERDIED, "gone");
        else
            reeve_owner_taken_back(world.worker, MS, index, root, 1);
        reeve_owner_check(world.worker);
        assert_false(reeve_owner_next_send(world.worker, &send));
        if (way == 2) {
            reeve_owner_handover_end(world.worker, MS, &root, 1, false);
            assert_int_equal(send_all(&world, world.worker), 1);
            assert_int_equal(reeve_owner_release(world.worker, root), 0);
        } else {
            give(&world, &root, 1, 100);
            take_answer(&world, &got, 1);
            assert_int_equal(send_all(&world, world.caller), 1);
            /* a loss counts wherever it happened: of three, two or three are left */
            for (int i = 0; i < (way == 1 ? 2 : 3); i++) {
                reeve_owner_lease_lost(world.caller, MS, world.lease, REEVE_EWORKERDIED, "gone");
                assert_int_equal(reeve_owner_state(world.caller, got), REEVE_TASK_QUEUED);
                assert_int_equal(reeve_owner_lease_gained(world.caller, MS, world.caller_class,
                                     101 + (uint64_t)i, 1, &world.lease),
                    0);
                assert_int_equal(send_all(&world, world.caller), 1);
            }
            reeve_owner_lease_lost(world.caller, MS, world.lease, REEVE_EWORKERDIED, "gone");
            assert_int_equal(reeve_owner_state(world.caller, got), REEVE_TASK_FAILED);
            reeve_owner_release(world.caller, got);
        }
        world_free(&world);
    }
}

/* Something else of the worker's needs it: it has to end there. What only the program still holds
 * is gone for it. */
static void what_others_need_has_to_end_first(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id root = submit(world.worker, world.worker_class, NULL, 0), got;
    struct reeve_owner_splice on = {1, root};
    reeve_task_id other = submit(world.worker, world.worker_class, &on, 1);
    assert_false(reeve_owner_handover_ready(world.worker, MS, &root, 1));
    reeve_lease_index index;
    assert_int_equal(
        reeve_owner_lease_gained(world.worker, MS, world.worker_class, 200, 1, &index), 0);
    assert_int_equal(send_all(&world, world.worker), 1);
    assert_true(reeve_owner_answer(world.worker, MS, index, root, 1, 0, "for both", 8, NULL));
    assert_int_equal(send_all(&world, world.worker), 1);
    give(&world, &root, 1, 100);
    take_answer(&world, &got, 1);
    has_value(world.caller, got, "for both");
    assert_int_equal(reeve_owner_state(world.worker, other), REEVE_TASK_SENT);
    assert_true(reeve_owner_answer(world.worker, MS, index, other, 1, 0, "done", 4, NULL));
    reeve_owner_release(world.worker, other);
    assert_int_equal(reeve_owner_task_count(world.worker), 0);

    world.parent = submit(world.caller, world.caller_class, NULL, 0);
    assert_int_equal(send_all(&world, world.caller), 1);
    root = submit(world.worker, world.worker_class, NULL, 0);
    assert_int_equal(reeve_owner_hold(world.worker, root), 0);
    assert_true(reeve_owner_handover_ready(world.worker, MS, &root, 1));
    give(&world, &root, 1, 100);
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(world.worker, root, &result), 0);
    assert_int_equal(result.status, REEVE_EHANDLE);
    reeve_owner_release(world.worker, root);
    world_free(&world);
}

static void what_a_lost_attempt_handed_over_is_dropped(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id roots[2];
    struct reeve_reference object = {.id = {5, 9}, .size_bytes = 1 << 20, .node = 3};
    roots[0] = submit(world.worker, world.worker_class, NULL, 0);
    assert_int_equal(reeve_owner_put(world.worker, NULL, 0, &roots[1]), 0);
    reeve_owner_filled(world.worker, MS, roots[1], 0, &object);
    give(&world, roots, 2, 20);
    uint64_t before = reeve_owner_task_count(world.caller);
    reeve_owner_lease_lost(world.caller, MS, world.lease, REEVE_EWORKERDIED, "gone");
    assert_int_equal(freed(world.caller), 0); /* it may not have been given: we are told if so */
    assert_int_equal(reeve_owner_task_count(world.caller), before);
    assert_int_equal(reeve_owner_state(world.caller, world.parent), REEVE_TASK_QUEUED);
    /* its next attempt hands over nothing of that; late pieces are stale */
    assert_int_equal(
        reeve_owner_lease_gained(world.caller, MS, world.caller_class, 101, 1, &world.lease), 0);
    assert_int_equal(send_all(&world, world.caller), 1);
    uint64_t stale = reeve_owner_stale_count(world.caller);
    assert_int_equal(reeve_owner_handed(world.caller, world.lease, world.parent, 1, "x", 1), 0);
    assert_int_equal(reeve_owner_stale_count(world.caller), stale + 1);
    assert_true(
        reeve_owner_answer(world.caller, MS, world.lease, world.parent, 2, 0, "plain", 5, NULL));
    has_value(world.caller, world.parent, "plain");
    reeve_owner_release(world.caller, world.parent);
    world_free(&world);
}

static const struct reeve_reference gift = {.id = {5, 9}, .size_bytes = 1 << 20, .node = 3};

/* The worker gives `gift`, which the caller's store may tell it of. */
static void give_gift(struct world *world)
{
    reeve_task_id root;
    assert_int_equal(reeve_owner_put(world->worker, NULL, 0, &root), 0);
    reeve_owner_filled(world->worker, MS, root, 0, &gift);
    give(world, &root, 1, 20);
}

static void tell(struct world *world, reeve_task_id call, uint32_t attempt)
{
    struct reeve_reference object = gift;
    object.flags = REEVE_REFERENCE_GIVEN;
    reeve_owner_given(world->caller, call, attempt, &object);
    reeve_owner_check(world->caller);
}

static void call_again(struct world *world)
{
    static uint64_t lease = 500;
    reeve_lease_index index;
    if (!reeve_owner_find_lease(world->caller, lease, &index)) {
        assert_int_equal(reeve_owner_lease_gained(
                             world->caller, MS, world->caller_class, ++lease, 1, &world->lease),
            0);
    }
    assert_int_equal(send_all(world, world->caller), 1);
}

static void freed_is_the_gift(struct world *world)
{
    struct reeve_owner_command got = free_command(world->caller);
    assert_true(reeve_object_id_equal(got.object.id, gift.id) && got.object.node == 3 &&
                got.object.flags == REEVE_REFERENCE_GIVEN);
    assert_int_equal(freed(world->caller), 0);
}

/* A gift is heard of twice, and is the caller's then, whichever comes first. */
static void a_gift_that_is_told_of_and_adopted_is_kept(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        struct world world = world_make();
        reeve_task_id call = world.parent, got;
        if (early)
            tell(&world, call, 1);
        give_gift(&world);
        take_answer(&world, &got, 1);
        if (!early)
            tell(&world, call, 1); /* the call is of the past */
        assert_int_equal(freed(world.caller), 0);
        /* given on, and given back, and told of both only now */
        if (!early) {
            struct world back = {.caller = world.worker,
                .worker = world.caller,
                .caller_class = world.worker_class,
                .now_ns = MS};
            back.parent = submit(back.caller, back.caller_class, NULL, 0);
            call_again(&back);
            give(&back, &got, 1, 100);
            take_answer(&back, &got, 1);
            assert_int_equal(freed(world.caller) + freed(world.worker), 0);
            world.parent = submit(world.caller, world.caller_class, NULL, 0);
            assert_int_equal(send_all(&world, world.caller), 1);
            call = world.parent;
            give(&world, &got, 1, 100);
            take_answer(&world, &got, 1);
            tell(&world, call, 1);
            assert_int_equal(freed(world.caller) + freed(world.worker), 0);
        }
        assert_int_equal(reeve_owner_release(world.caller, got), 0);
        freed_is_the_gift(&world);
        assert_int_equal(reeve_owner_task_count(world.caller), 0);
        world_free(&world);
    }
}

/* It is told of twice only when it was adopted twice, however late. */
static void a_gift_that_comes_back_is_told_of_late(void **state)
{
    (void)state;
    struct world world = world_make();
    struct world back = {.caller = world.worker,
        .worker = world.caller,
        .caller_class = world.worker_class,
        .now_ns = MS};
    reeve_task_id first = world.parent, second, got;
    give_gift(&world);
    take_answer(&world, &got, 1);
    back.parent = submit(back.caller, back.caller_class, NULL, 0);
    call_again(&back);
    give(&back, &got, 1, 100);
    take_answer(&back, &got, 1);
    second = world.parent = submit(world.caller, world.caller_class, NULL, 0);
    assert_int_equal(send_all(&world, world.caller), 1);
    tell(&world, first, 1);
    give(&world, &got, 1, 100);
    take_answer(&world, &got, 1);
    tell(&world, second, 1);
    assert_int_equal(freed(world.caller), 0);
    assert_int_equal(reeve_owner_release(world.caller, got), 0);
    freed_is_the_gift(&world);
    world_free(&world);
}

/* Its answer is lost, with all that came before it, or not: when nothing can bring it any more, it
 * is let go of. Once, and not before. */
static void a_gift_whose_answer_is_lost_is_let_go_of(void **state)
{
    (void)state;
    for (int way = 0; way < 6; way++) {
        struct world world = world_make();
        bool early = way & 1, handed = way & 2;
        if (handed)
            give_gift(&world);
        if (early)
            tell(&world, world.parent, 1);
        assert_int_equal(freed(world.caller), 0);
        if (way < 4) {
            reeve_owner_lease_lost(world.caller, MS, world.lease, REEVE_EUNREACHABLE, "cut");
            assert_int_equal(freed(world.caller), early);
            call_again(&world);
        } else { /* it fails: a function that gives something does not, but may have been told to */
            assert_true(reeve_owner_answer(
                world.caller, MS, world.lease, world.parent, 1, REEVE_EFUNCTION, "\xc0", 1, NULL));
            assert_int_equal(freed(world.caller), early);
        }
        if (!early) {
            tell(&world, world.parent, 1);
            freed_is_the_gift(&world);
        }
        if (way < 4)
            assert_true(reeve_owner_answer(
                world.caller, MS, world.lease, world.parent, 2, 0, "plain", 5, NULL));
        reeve_owner_check(world.caller);
        assert_int_equal(reeve_owner_release(world.caller, world.parent), 0);
        tell(&world, world.parent, 1);
        freed_is_the_gift(&world); /* of a call that nobody knows any more */
        world_free(&world);
    }
}

/* An answer whose hand-over makes no sense: what it would have given is let go of. */
static void a_gift_in_a_spoilt_handover_is_let_go_of(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        struct world world = world_make();
        reeve_task_id call = world.parent;
        struct reeve_owner_result result;
        give_gift(&world);
        if (early)
            tell(&world, call, 1);
        assert_int_equal(reeve_owner_handed(world.caller, world.lease, call, 1, "x", 1), 0);
        assert_true(
            reeve_owner_answer(world.caller, MS, world.lease, call, 1, 0, "value", 5, NULL));
        reeve_owner_check(world.caller);
        assert_int_equal(reeve_owner_result(world.caller, call, &result), 0);
        assert_int_equal(result.status, REEVE_EPROTOCOL);
        freed_is_the_gift(&world);
        if (!early) {
            tell(&world, call, 1); /* it came before that: in vain */
            freed_is_the_gift(&world);
        }
        assert_int_equal(reeve_owner_release(world.caller, call), 0);
        world_free(&world);
    }
}

/* An argument that is a future, or has some inside, holds the task back until all have ended; only
 * what is spliced passes its error on. */
static void a_task_waits_for_futures_at_any_depth(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_owner *owner = world.caller;
    assert_true(reeve_owner_answer(owner, MS, world.lease, world.parent, 1, 0, "", 0, NULL));
    reeve_task_id deep = submit(owner, world.caller_class, NULL, 0), middle, outer;
    assert_int_equal(send_all(&world, owner), 1);
    assert_int_equal(reeve_owner_put(owner, "middle", 6, &middle), 0);
    assert_int_equal(reeve_owner_attach(owner, middle, &deep, 1), 0);
    assert_int_equal(reeve_owner_put(owner, "outer", 5, &outer), 0);
    assert_int_equal(reeve_owner_attach(owner, outer, &middle, 1), 0);
    struct reeve_owner_splice spliced = {1, outer}, nested = {1 | REEVE_OWNER_NESTED, outer};
    reeve_task_id first = submit(owner, world.caller_class, &spliced, 1);
    reeve_task_id second = submit(owner, world.caller_class, &nested, 1);
    reeve_owner_release(owner, outer);
    assert_int_equal(reeve_owner_state(owner, first), REEVE_TASK_WAITING);
    assert_int_equal(reeve_owner_state(owner, second), REEVE_TASK_WAITING);
    assert_true(reeve_owner_answer(owner, MS, world.lease, deep, 1, REEVE_EFUNCTION, "", 0, NULL));
    reeve_owner_check(owner);
    assert_int_equal(reeve_owner_state(owner, first), REEVE_TASK_QUEUED);
    assert_int_equal(reeve_owner_state(owner, second), REEVE_TASK_QUEUED);
    world_free(&world);
}

static void what_is_lent_with_a_call_comes_back_as_the_callers_own(void **state)
{
    (void)state;
    struct world world = world_make();
    struct reeve_reference object = {.id = {4, 1}, .size_bytes = 1 << 20, .node = 1};
    struct reeve_buffer bytes, objects;
    reeve_task_id value, large, *lent, got[3];
    uint32_t count;
    reeve_buffer_init(&bytes);
    reeve_buffer_init(&objects);
    assert_int_equal(reeve_owner_put(world.caller, "value", 5, &value), 0);
    assert_int_equal(reeve_owner_put(world.caller, NULL, 0, &large), 0);
    reeve_owner_filled(world.caller, MS, large, 0, &object);
    struct reeve_owner_splice on[2] = {
        {1 | REEVE_OWNER_NESTED, value}, {2 | REEVE_OWNER_NESTED, large}};
    reeve_task_id other = submit(world.caller, world.caller_class, on, 2);
    assert_int_equal(reeve_owner_lend_write(world.caller, other, &bytes, &objects), 0);
    assert_int_equal(objects.size, sizeof(object));
    assert_int_equal(
        reeve_owner_borrow(world.worker, MS, bytes.data, bytes.size, &lent, &count), 0);
    assert_int_equal(count, 2);
    has_value(world.worker, lent[0], "value");
    reeve_task_id own = submit(world.worker, world.worker_class, NULL, 0);
    /* the worker returns one of them, a task of its own, and the other */
    struct reeve_buffer back, back_objects;
    reeve_task_id roots[3] = {lent[1], own, lent[0]};
    reeve_buffer_init(&back);
    reeve_buffer_init(&back_objects);
    assert_true(reeve_owner_handover_ready(world.worker, MS, roots, 3));
    assert_int_equal(reeve_owner_handover_write(world.worker, roots, 3, &back, &back_objects), 0);
    assert_int_equal(back_objects.size, 0); /* nothing changes hands */
    reeve_owner_handover_end(world.worker, MS, roots, 3, true);
    reeve_owner_release(world.worker, own);
    reeve_owner_borrow_end(world.worker, lent, count);
    free(lent);
    assert_int_equal(reeve_owner_task_count(world.worker), 0);
    assert_int_equal(freed(world.worker), 0);
    assert_int_equal(reeve_owner_handed(world.caller, world.lease, world.parent, 1, back.data,
                         (uint32_t)back.size),
        0);
    take_answer(&world, got, 3);
    assert_true(got[0] == large && got[2] == value);
    for (int i = 0; i < 3; i++)
        reeve_owner_release(world.caller, got[i]);
    reeve_owner_release(world.caller, value);
    reeve_owner_release(world.caller, large);
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
    reeve_buffer_fini(&back);
    reeve_buffer_fini(&back_objects);
    world_free(&world);
}

/* Long chains of tasks, and of values in values, are no recursion on either side. */
static void long_chains_are_handed_over_without_recursion(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id roots[2], got[2], next;
    roots[0] = submit(world.worker, world.worker_class, NULL, 0);
    assert_int_equal(reeve_owner_put(world.worker, "0", 1, &roots[1]), 0);
    for (int i = 0; i < 100000; i++) {
        struct reeve_owner_splice on = {1, roots[0]};
        struct reeve_owner_task from = {.class_index = world.worker_class,
            .arguments = "\x91\xc0",
            .arguments_size = 2,
            .splice_count = 1,
            .splices = &on};
        assert_int_equal(reeve_owner_submit(world.worker, MS, &from, &next), 0);
        reeve_owner_release(world.worker, roots[0]);
        roots[0] = next;
        assert_int_equal(reeve_owner_put(world.worker, "1", 1, &next), 0);
        assert_int_equal(reeve_owner_attach(world.worker, next, &roots[1], 1), 0);
        roots[1] = next;
    }
    give(&world, roots, 2, 65536);
    assert_int_equal(reeve_owner_task_count(world.worker), 0);
    take_answer(&world, got, 2);
    assert_int_equal(reeve_owner_task_count(world.caller), 200002);
    reeve_owner_release(world.caller, got[1]);
    assert_int_equal(reeve_owner_task_count(world.caller), 100001);
    reeve_owner_release(world.caller, got[0]);
    world_free(&world);
}

/* Whatever a worker writes, the caller's tables stay whole. */
static void scribbled_handovers_are_refused(void **state)
{
    (void)state;
    struct reeve_prng prng;
    reeve_prng_init(&prng, 11);
    for (int round = 0; round < 2000; round++) {
        struct world world = world_make();
        struct reeve_buffer bytes, objects;
        struct reeve_reference object = {.id = {5, 9}, .size_bytes = 1 << 20, .node = 3};
        reeve_task_id roots[4];
        reeve_buffer_init(&bytes);
        reeve_buffer_init(&objects);
        assert_int_equal(reeve_owner_put(world.worker, "small", 5, &roots[0]), 0);
        assert_int_equal(reeve_owner_put(world.worker, NULL, 0, &roots[1]), 0);
        reeve_owner_filled(world.worker, MS, roots[1], 0, &object);
        struct reeve_owner_splice on[2] = {{1, roots[0]}, {2 | REEVE_OWNER_NESTED, roots[1]}};
        roots[2] = submit(world.worker, world.worker_class, on, 2);
        assert_int_equal(reeve_owner_put(world.worker, "outer", 5, &roots[3]), 0);
        assert_int_equal(reeve_owner_hold(world.worker, roots[0]), 0);
        assert_int_equal(reeve_owner_attach(world.worker, roots[3], &roots[0], 1), 0);
        assert_true(reeve_owner_handover_ready(world.worker, MS, roots, 4));
        assert_int_equal(reeve_owner_handover_write(world.worker, roots, 4, &bytes, &objects), 0);
        for (uint64_t n = 1 + reeve_prng_next(&prng) % 4; n > 0; n--)
            bytes.data[reeve_prng_next(&prng) % bytes.size] = (uint8_t)reeve_prng_next(&prng);
        uint32_t size = (uint32_t)bytes.size;
        if (round % 4 == 0)
            size = (uint32_t)(reeve_prng_next(&prng) % size);
        assert_int_equal(
            reeve_owner_handed(world.caller, world.lease, world.parent, 1, bytes.data, size), 0);
        (void)reeve_owner_answer(
            world.caller, MS, world.lease, world.parent, 1, 0, "list", 4, NULL);
        assert_true(reeve_task_state_is_final(reeve_owner_state(world.caller, world.parent)));
        reeve_owner_check(world.caller);
        reeve_task_id *lent;
        uint32_t count;
        if (reeve_owner_borrow(world.caller, MS, bytes.data, size, &lent, &count) == 0) {
            reeve_owner_borrow_end(world.caller, lent, count);
            free(lent);
        }
        reeve_owner_release(world.caller, world.parent);
        reeve_buffer_fini(&bytes);
        reeve_buffer_fini(&objects);
        world_free(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_has_begun_becomes_the_callers_task),
        cmocka_unit_test(who_has_called_nothing_gives_what_it_has_put),
        cmocka_unit_test(what_has_ended_is_handed_over_as_it_is),
        cmocka_unit_test(what_is_held_is_handed_on),
        cmocka_unit_test(what_somebody_runs_is_waited_for),
        cmocka_unit_test(what_comes_back_is_kept_back),
        cmocka_unit_test(what_others_need_has_to_end_first),
        cmocka_unit_test(what_a_lost_attempt_handed_over_is_dropped),
        cmocka_unit_test(a_gift_that_is_told_of_and_adopted_is_kept),
        cmocka_unit_test(a_gift_that_comes_back_is_told_of_late),
        cmocka_unit_test(a_gift_whose_answer_is_lost_is_let_go_of),
        cmocka_unit_test(a_gift_in_a_spoilt_handover_is_let_go_of),
        cmocka_unit_test(a_task_waits_for_futures_at_any_depth),
        cmocka_unit_test(what_is_lent_with_a_call_comes_back_as_the_callers_own),
        cmocka_unit_test(long_chains_are_handed_over_without_recursion),
        cmocka_unit_test(scribbled_handovers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
