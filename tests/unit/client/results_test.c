/* Several results of one call: a caller's owner core and a worker's, and the futures between
 * them. */
#include "api/client/owner.h"

#include <reeve_errors.h>
#include <string.h>

#include "tests/unit/client/owner_world.h"

#define COUNT_MAX 8u

/* A call with `count` results, sent: `call` is what has been sent. */
struct call {
    reeve_task_id parts[COUNT_MAX];
    reeve_task_id id;
    uint32_t attempt;
};

static int submit(struct world *world, uint32_t count, reeve_task_id on, reeve_task_id *ret)
{
    struct reeve_owner_splice splice = {1, on};
    struct reeve_owner_task from = {.class_index = world->class_index,
        .function = 7,
        .losses_max = 3,
        .arguments = "\x91\xc0",
        .arguments_size = 2,
        .splice_count = on != 0,
        .splices = &splice};
    int code = reeve_owner_submit_results(world->owner, world->now_ns, &from, count, ret);
    reeve_owner_check(world->owner);
    return code;
}

static void send(struct world *world, struct call *call)
{
    struct reeve_owner_send send;
    reeve_lease_index lease;
    uint64_t position;
    assert_true(reeve_owner_next_send(world->owner, &send));
    call->id = send.task;
    reeve_owner_sent(world->owner, world->now_ns, send.task, 5);
    assert_true(reeve_owner_where(world->owner, call->id, &lease, &position, &call->attempt));
    reeve_owner_check(world->owner);
}

static struct call call_make(struct world *world, uint32_t count)
{
    struct call call;
    assert_int_equal(submit(world, count, 0, call.parts), 0);
    send(world, &call);
    return call;
}

static enum reeve_task_state state_of(const struct world *world, reeve_task_id task)
{
    return reeve_owner_state(world->owner, task);
}

/* What the worker's core hands over. */
static void hand_over(struct world *world, struct call *call, struct reeve_owner *worker,
    const reeve_task_id *roots, uint32_t count)
{
    struct reeve_buffer bytes, objects;
    reeve_buffer_init(&bytes);
    reeve_buffer_init(&objects);
    assert_true(reeve_owner_handover_ready(worker, world->now_ns, roots, count));
    assert_int_equal(reeve_owner_handover_write(worker, roots, count, &bytes, &objects), 0);
    assert_int_equal(reeve_owner_handed(world->owner, world->lease, call->id, call->attempt,
                         bytes.data, (uint32_t)bytes.size),
        0);
    reeve_owner_handover_end(worker, world->now_ns, roots, count, true);
    for (uint32_t i = 0; i < count; i++)
        (void)reeve_owner_release(worker, roots[i]);
    reeve_owner_check(worker);
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
}

static void answer(struct world *world, const struct call *call, int status, const char *text)
{
    assert_true(reeve_owner_answer(world->owner, world->now_ns, world->lease, call->id,
        call->attempt, status, text, (uint32_t)strlen(text), NULL));
    reeve_owner_check(world->owner);
}

static reeve_task_id put(struct reeve_owner *owner, const char *value)
{
    reeve_task_id task;
    assert_int_equal(reeve_owner_put(owner, value, (uint32_t)strlen(value), &task), 0);
    return task;
}

static reeve_task_id put_object(struct reeve_owner *owner, uint64_t sequence)
{
    reeve_task_id task;
    struct reeve_reference object = {.id = {9, sequence}, .size_bytes = 1 << 20, .node = 2};
    assert_int_equal(reeve_owner_put(owner, NULL, 0, &task), 0);
    reeve_owner_filled(owner, MS, task, 0, &object);
    return task;
}

static void has_value(const struct world *world, reeve_task_id task, const char *value)
{
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(world->owner, task, &result), 0);
    assert_int_equal(result.status, 0);
    assert_false(result.is_object);
    assert_int_equal(result.size, strlen(value));
    assert_memory_equal(result.bytes, value, result.size);
}

static void has_error(const struct world *world, reeve_task_id task, int code)
{
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(world->owner, task, &result), 0);
    assert_int_equal(result.status, code);
    assert_int_equal(result.function, 7);
}

static void release(struct world *world, reeve_task_id task)
{
    assert_int_equal(reeve_owner_release(world->owner, task), 0);
    reeve_owner_check(world->owner);
}

static uint32_t freed(struct reeve_owner *owner)
{
    struct reeve_owner_command got;
    uint32_t count = 0;
    while (reeve_owner_next_command(owner, &got))
        count += got.kind == REEVE_OWNER_FREE_OBJECT;
    return count;
}

static struct reeve_owner *worker_make(void)
{
    struct reeve_owner *worker = reeve_owner_create(&reeve_owner_settings_default);
    uint32_t class_index;
    assert_non_null(worker);
    assert_int_equal(reeve_owner_class(worker, 1000, 0, &class_index), 0);
    return worker;
}

/* Small and large, each with its own future; and nothing is left when these are released. */
static void each_result_is_a_future_of_its_own(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct reeve_owner *worker = worker_make();
    struct call call = call_make(&world, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(state_of(&world, call.parts[i]), REEVE_TASK_PART);
    release(&world, call.parts[1]); /* nobody wants it */
    reeve_task_id roots[] = {put(worker, "one"), put_object(worker, 2), put_object(worker, 3)};
    hand_over(&world, &call, worker, roots, 3);
    answer(&world, &call, 0, "list");
    has_value(&world, call.parts[0], "one");
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(world.owner, call.parts[2], &result), 0);
    assert_true(result.is_object && result.object.id.sequence == 3);
    assert_int_equal(freed(world.owner), 1);
    release(&world, call.parts[2]);
    assert_int_equal(freed(world.owner), 1);
    release(&world, call.parts[0]);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    reeve_owner_free(worker);
    world_end(&world);
}

/* What waits for one of them gets that one. */
static void they_are_arguments(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct reeve_owner *worker = worker_make();
    struct call call = call_make(&world, 2);
    struct call other = {.parts = {world_submit(&world, call.parts[1])}};
    struct reeve_owner_entry entry;
    assert_int_equal(state_of(&world, other.parts[0]), REEVE_TASK_WAITING);
    assert_true(reeve_owner_dependency(world.owner, other.parts[0]) == call.parts[1]);
    assert_true(reeve_owner_dependency(world.owner, call.parts[1]) == call.id);
    release(&world, call.parts[1]);
    reeve_task_id roots[] = {put(worker, "one"), put(worker, "two")};
    hand_over(&world, &call, worker, roots, 2);
    answer(&world, &call, 0, "list");
    send(&world, &other);
    assert_true(other.id == other.parts[0]);
    reeve_owner_entry(world.owner, other.id, &entry);
    has_value(&world, entry.splices[0].task, "two");
    answer(&world, &other, 0, "done");
    release(&world, other.parts[0]);
    release(&world, call.parts[0]);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    reeve_owner_free(worker);
    world_end(&world);
}

/* Also where it had failed before it was submitted. */
static void a_failed_call_fails_all(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct call call = call_make(&world, 2), late;
    answer(&world, &call, REEVE_EFUNCTION, "\x80");
    assert_int_equal(submit(&world, 2, call.parts[0], late.parts), 0);
    for (uint32_t i = 0; i < 2; i++) {
        has_error(&world, call.parts[i], REEVE_EFUNCTION);
        has_error(&world, late.parts[i], REEVE_EFUNCTION);
        release(&world, call.parts[i]);
        release(&world, late.parts[i]);
    }
    assert_int_equal(submit(&world, 2, call.parts[0], late.parts), REEVE_EHANDLE);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_end(&world);
}

static void the_wrong_number_fails_all(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct reeve_owner *worker = worker_make();
    struct call call = call_make(&world, 2);
    reeve_task_id roots[] = {put(worker, "one"), put_object(worker, 2), put(worker, "three")};
    hand_over(&world, &call, worker, roots, 3);
    answer(&world, &call, 0, "list");
    struct call none = call_make(&world, 2);
    answer(&world, &none, 0, "a number");
    for (uint32_t i = 0; i < 2; i++) {
        has_error(&world, call.parts[i], REEVE_ETYPE);
        has_error(&world, none.parts[i], REEVE_ETYPE);
        release(&world, call.parts[i]);
        release(&world, none.parts[i]);
    }
    assert_int_equal(freed(world.owner), 1);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    reeve_owner_free(worker);
    world_end(&world);
}

/* Its worker dies with half of the hand-over sent: the second attempt counts, and that alone. */
static void another_attempt_gives_them(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct reeve_owner *worker = worker_make(), *second = worker_make();
    struct call call = call_make(&world, 2);
    reeve_task_id lost[] = {put_object(worker, 1), put(worker, "lost")};
    hand_over(&world, &call, worker, lost, 2);
    reeve_owner_lease_lost(world.owner, MS, world.lease, REEVE_EWORKERDIED, "it died");
    reeve_owner_check(world.owner);
    world_lease(&world, 101, 1);
    send(&world, &call);
    assert_int_equal(call.attempt, 2);
    reeve_task_id roots[] = {put(second, "one"), put(second, "two")};
    hand_over(&world, &call, second, roots, 2);
    answer(&world, &call, 0, "list");
    has_value(&world, call.parts[0], "one");
    has_value(&world, call.parts[1], "two");
    release(&world, call.parts[0]);
    release(&world, call.parts[1]);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    reeve_owner_free(worker);
    reeve_owner_free(second);
    world_end(&world);
}

/* The array of their futures is large, and lies in the store itself; so may that of the attempt
 * that was lost, elsewhere or in the same store. Nobody reads it: it is freed wherever it may
 * be, once. */
static void an_array_that_was_stored_is_freed_with_what_was_lost(void **state)
{
    (void)state;
    for (uint32_t node = 1; node <= 2; node++) {
        struct world world = world_make();
        struct reeve_owner *worker = worker_make();
        struct reeve_owner_command got;
        reeve_owner_set_process(world.owner, reeve_process_id_make(1, 5));
        world_lease(&world, 100, 1);
        struct call call = call_make(&world, 2);
        reeve_owner_lease_lost(world.owner, MS, world.lease, REEVE_EWORKERDIED, "it died");
        reeve_owner_check(world.owner);
        world_lease(&world, 101, node);
        send(&world, &call);
        reeve_task_id roots[] = {put(worker, "one"), put(worker, "two")};
        hand_over(&world, &call, worker, roots, 2);
        struct reeve_reference list = {
            .id = {reeve_process_id_make(1, 5), call.id}, .size_bytes = 1 << 20, .node = node};
        assert_true(reeve_owner_answer(
            world.owner, world.now_ns, world.lease, call.id, call.attempt, 0, "", 0, &list));
        uint32_t nodes = 0;
        while (reeve_owner_next_command(world.owner, &got)) {
            if (got.kind != REEVE_OWNER_FREE_OBJECT && got.kind != REEVE_OWNER_FREE_STRAY)
                continue;
            assert_true(reeve_object_id_equal(got.object.id, list.id));
            assert_false(nodes & 1u << got.object.node);
            nodes |= 1u << got.object.node;
        }
        assert_int_equal(nodes, 1u << 1 | 1u << node);
        release(&world, call.parts[0]);
        release(&world, call.parts[1]);
        assert_int_equal(reeve_owner_task_count(world.owner), 0);
        reeve_owner_free(worker);
        world_end(&world);
    }
}

static void to_cancel_one_is_to_cancel_the_call(void **state)
{
    (void)state;
    static const struct reeve_owner_cancel how = {.grace_ms = 100};
    struct world world = world_make();
    struct reeve_owner_command command;
    reeve_task_id parts[2];
    assert_int_equal(submit(&world, 2, 0, parts), 0); /* not begun */
    assert_int_equal(reeve_owner_cancel(world.owner, MS, parts[1], &how), 0);
    has_error(&world, parts[0], REEVE_ECANCELLED);
    has_error(&world, parts[1], REEVE_ECANCELLED);
    release(&world, parts[0]);
    release(&world, parts[1]);
    world_lease(&world, 100, 1);
    struct call call = call_make(&world, 2);
    assert_int_equal(reeve_owner_cancel(world.owner, MS, call.parts[0], &how), 0);
    do
        assert_true(reeve_owner_next_command(world.owner, &command));
    while (command.kind != REEVE_OWNER_CANCEL);
    assert_true(command.task == call.id);
    answer(&world, &call, REEVE_ECANCELLED, "\x80");
    has_error(&world, call.parts[0], REEVE_ECANCELLED);
    has_error(&world, call.parts[1], REEVE_ECANCELLED);
    release(&world, call.parts[0]);
    release(&world, call.parts[1]);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_end(&world);
}

/* A result may be a call that goes on; here the same one is two of them. */
static void a_result_may_be_under_way(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct reeve_owner *worker = worker_make();
    struct call call = call_make(&world, 3), inner;
    struct reeve_owner_task from = {
        .class_index = 0, .function = 7, .losses_max = 3, .arguments = "\x90", .arguments_size = 1};
    reeve_task_id child;
    assert_int_equal(reeve_owner_submit(worker, MS, &from, &child), 0);
    reeve_task_id roots[] = {child, put(worker, "one"), child};
    hand_over(&world, &call, worker, roots, 3);
    answer(&world, &call, 0, "list");
    has_value(&world, call.parts[1], "one");
    assert_int_equal(state_of(&world, call.parts[0]), REEVE_TASK_PART);
    send(&world, &inner);
    assert_true(reeve_owner_dependency(world.owner, call.parts[2]) == inner.id);
    answer(&world, &inner, 0, "two");
    has_value(&world, call.parts[0], "two");
    has_value(&world, call.parts[2], "two");
    for (uint32_t i = 0; i < 3; i++)
        release(&world, call.parts[i]);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    reeve_owner_free(worker);
    world_end(&world);
}

/* The function gives back what came with its arguments: a small value is copied, a large one stays
 * with whom it was. */
static void a_result_may_be_an_argument(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    reeve_task_id mine[] = {put(world.owner, "mine"), put_object(world.owner, 4)};
    struct call call = call_make(&world, 2);
    /* as the hand-over's record OWN says */
    const struct {
        uint64_t origin;
        uint32_t count, size;
        uint8_t kind, flags;
        uint16_t zero;
        uint32_t zero_too;
    } records[] = {{mine[0], 0, 0, 5, 0, 0, 0}, {mine[1], 0, 0, 5, 0, 0, 0}, {0, 2, 0, 6, 0, 0, 0}};
    const uint32_t needs[] = {0, 1};
    assert_int_equal(reeve_owner_handed(
                         world.owner, world.lease, call.id, call.attempt, records, sizeof(records)),
        0);
    assert_int_equal(
        reeve_owner_handed(world.owner, world.lease, call.id, call.attempt, needs, sizeof(needs)),
        0);
    answer(&world, &call, 0, "list");
    has_value(&world, call.parts[0], "mine");
    has_error(&world, call.parts[1], REEVE_EINVAL);
    has_value(&world, mine[0], "mine");
    assert_int_equal(freed(world.owner), 0);
    release(&world, call.parts[0]);
    release(&world, call.parts[1]);
    release(&world, mine[0]);
    release(&world, mine[1]);
    assert_int_equal(freed(world.owner), 1);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_end(&world);
}

/* Run on the spot by the worker that waits for one of them. */
static void run_inline(void **state)
{
    (void)state;
    struct world world = world_make();
    reeve_task_id parts[2];
    assert_int_equal(submit(&world, 2, 0, parts), 0);
    reeve_task_id call = reeve_owner_dependency(world.owner, parts[0]);
    assert_false(reeve_owner_take_inline(world.owner, parts[0], world.class_index));
    assert_true(reeve_owner_take_inline(world.owner, call, world.class_index));
    reeve_owner_check(world.owner);
    reeve_task_id values[] = {put_object(world.owner, 1), put(world.owner, "two")};
    reeve_owner_finished(world.owner, MS, call, 0, false, "list", 4, NULL, values, 2);
    reeve_owner_check(world.owner);
    has_value(&world, parts[1], "two");
    release(&world, parts[0]);
    assert_int_equal(freed(world.owner), 1);
    release(&world, parts[1]);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_end(&world);
}

/* They are watched as others are, and told in their order. */
static void they_become_ready_in_order(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct reeve_owner *worker = worker_make();
    struct call call = call_make(&world, 4);
    reeve_task_id roots[4];
    for (uint32_t i = 0; i < 4; i++) {
        roots[i] = put(worker, "x");
        struct reeve_owner_watch watch = {1, i};
        assert_int_equal(reeve_owner_watch(world.owner, call.parts[i], &watch), 0);
    }
    hand_over(&world, &call, worker, roots, 4);
    answer(&world, &call, 0, "list");
    bool told[4] = {false};
    for (uint32_t i = 0; i < 4; i++) {
        struct reeve_owner_watch watch;
        assert_true(reeve_owner_next_watched(world.owner, &watch));
        assert_false(told[watch.tag]);
        told[watch.tag] = true;
    }
    for (uint32_t i = 0; i < 4; i++)
        release(&world, call.parts[i]);
    reeve_owner_free(worker);
    world_end(&world);
}

static void the_daemon_is_gone(void **state)
{
    (void)state;
    struct world world = world_with_lease();
    struct call sent = call_make(&world, 2), queued;
    assert_int_equal(submit(&world, 2, sent.parts[0], queued.parts), 0);
    reeve_owner_fail_all(world.owner, REEVE_ENOCLUSTER, "it is gone");
    for (uint32_t i = 0; i < 2; i++) {
        has_error(&world, sent.parts[i], REEVE_ENOCLUSTER);
        has_error(&world, queued.parts[i], REEVE_ENOCLUSTER);
    }
    reeve_owner_free(world.owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_result_is_a_future_of_its_own),
        cmocka_unit_test(they_are_arguments),
        cmocka_unit_test(a_failed_call_fails_all),
        cmocka_unit_test(the_wrong_number_fails_all),
        cmocka_unit_test(another_attempt_gives_them),
        cmocka_unit_test(an_array_that_was_stored_is_freed_with_what_was_lost),
        cmocka_unit_test(to_cancel_one_is_to_cancel_the_call),
        cmocka_unit_test(a_result_may_be_under_way),
        cmocka_unit_test(a_result_may_be_an_argument),
        cmocka_unit_test(run_inline),
        cmocka_unit_test(they_become_ready_in_order),
        cmocka_unit_test(the_daemon_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
