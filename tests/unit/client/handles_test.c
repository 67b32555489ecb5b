/* The owner core: handles of actors, on the side of who makes the actor, and of who is given it. */
#include "api/client/owner.h"

#include <reeve_errors.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS     UINT64_C(1000000)
#define MAKER  reeve_process_id_make(3, 5) /* processes */
#define USER   reeve_process_id_make(4, 1)
#define MAKE   1u /* functions */
#define END    2u
#define CALL   3u
#define ATTACH REEVE_HOST_ATTACH

struct world {
    struct reeve_owner *owner;
    uint32_t tasks; /* the class of tasks */
    uint32_t actor, host;
    struct reeve_owner_command freed; /* found while others were run; its kind 0: none */
};

static struct reeve_owner *owner_make(reeve_process_id process)
{
    struct reeve_owner *owner = reeve_owner_create(&reeve_owner_settings_default);
    assert_non_null(owner);
    reeve_owner_set_process(owner, process);
    return owner;
}

/* An actor has been made, and nothing sent yet. */
static struct world maker_make(void)
{
    struct world world = {.owner = owner_make(MAKER)};
    struct reeve_owner_actor actor = {.end_function = END};
    assert_int_equal(reeve_owner_class(world.owner, 1000, 0, &world.tasks), 0);
    assert_int_equal(reeve_owner_actor_make(world.owner, &actor, &world.actor, &world.host), 0);
    struct reeve_owner_task from = {
        .function = MAKE, .actor = world.actor, .life = REEVE_OWNER_MAKE};
    reeve_task_id made;
    assert_int_equal(reeve_owner_submit(world.owner, MS, &from, &made), 0);
    assert_int_equal(reeve_owner_release(world.owner, made), 0);
    return world;
}

static void world_end(struct world *world)
{
    reeve_owner_check(world->owner);
    reeve_owner_free(world->owner);
}

/* A process that is given handles of the maker's actors, and has called none yet. */
static struct world user_make(void)
{
    struct world world = {.owner = owner_make(USER), .actor = 1, .host = 70000};
    assert_int_equal(reeve_owner_class(world.owner, 1000, 0, &world.tasks), 0);
    return world;
}

static struct reeve_owner_handle of(const struct world *world)
{
    return (struct reeve_owner_handle){MAKER, world->actor, world->host | ATTACH};
}

static reeve_task_id refer(struct world *world)
{
    struct reeve_owner_handle handle = of(world);
    reeve_task_id id = 0;
    assert_int_equal(reeve_owner_handle(world->owner, &handle, &id), 0);
    assert_true(reeve_owner_is_handle(world->owner, id));
    reeve_owner_check(world->owner);
    return id;
}

static int release(struct world *world)
{
    struct reeve_owner_handle handle = of(world);
    int code = reeve_owner_handle_release(world->owner, MS, &handle, "\x90", 1);
    reeve_owner_check(world->owner);
    return code;
}

/* A task with the handle among its arguments. */
static reeve_task_id pass(struct world *world)
{
    struct reeve_owner_splice splice = {1 | REEVE_OWNER_NESTED, refer(world)};
    struct reeve_owner_task from = {.class_index = world->tasks,
        .function = CALL,
        .arguments = "\x91\xc0",
        .arguments_size = 2,
        .splice_count = 1,
        .splices = &splice};
    reeve_task_id task;
    assert_int_equal(reeve_owner_submit(world->owner, MS, &from, &task), 0);
    assert_int_equal(reeve_owner_release(world->owner, splice.task), 0);
    reeve_owner_check(world->owner);
    return task;
}

/* The next command that is no demand: what is said of the actor. False: there is none. */
static bool said(struct world *world, struct reeve_owner_command *ret)
{
    *ret = world->freed;
    world->freed = (struct reeve_owner_command){0};
    while (ret->kind != REEVE_OWNER_FREE_OBJECT)
        if (!reeve_owner_next_command(world->owner, ret))
            return false;
    assert_true(
        reeve_object_id_equal(ret->object.id, reeve_object_id_of_actor(MAKER, world->actor)));
    assert_int_equal(ret->object.node, reeve_process_node(MAKER));
    return true;
}

/* Sends all that can be sent, and answers it. Returns the functions as digits, in order. */
static unsigned run_all(struct world *world)
{
    struct reeve_owner_command command;
    struct reeve_owner_send send;
    struct reeve_owner_entry entry;
    reeve_lease_index index;
    unsigned functions = 0;
    static uint64_t lease;
    while (reeve_owner_next_command(world->owner, &command))
        if (command.kind == REEVE_OWNER_FREE_OBJECT)
            world->freed = command;
        else if (command.kind == REEVE_OWNER_DEMAND && command.count != 0)
            assert_int_equal(
                reeve_owner_lease_gained(world->owner, MS, command.class_index, ++lease, 1, &index),
                0);
    while (reeve_owner_next_send(world->owner, &send)) {
        reeve_owner_entry(world->owner, send.task, &entry);
        functions = functions * 10 + entry.function;
        reeve_owner_sent(world->owner, MS, send.task, 0);
        assert_true(reeve_owner_answer(
            world->owner, MS, send.lease_index, send.task, entry.attempt, 0, "\xc0", 1, NULL));
        reeve_owner_check(world->owner);
    }
    return functions;
}

/* ---- who makes it ---------------------------------------------------------------------------- */

static void what_nobody_else_can_have_ends_at_once(void **state)
{
    (void)state;
    struct world world = maker_make();
    struct reeve_owner_command command;
    assert_int_equal(run_all(&world), MAKE);
    assert_int_equal(release(&world), 0);
    assert_int_equal(release(&world), REEVE_EHANDLE);
    assert_int_equal(run_all(&world), END);
    assert_false(said(&world, &command));
    assert_int_equal(reeve_owner_actor_count(world.owner), 0);
    world_end(&world);
}

static void what_was_passed_ends_when_nobody_holds_it(void **state)
{
    (void)state;
    struct world world = maker_make();
    struct reeve_owner_command command;
    reeve_task_id task = pass(&world);
    assert_int_equal(release(&world), 0);
    assert_int_equal(release(&world), REEVE_EHANDLE); /* the task's is not the program's */
    unsigned functions = run_all(&world);
    assert_true(functions == MAKE * 10 + CALL || functions == CALL * 10 + MAKE);
    assert_int_equal(reeve_owner_state(world.owner, task), REEVE_TASK_DONE);
    assert_true(said(&world, &command));
    assert_int_equal(command.object.flags, 0);
    assert_int_equal(reeve_owner_actor_count(world.owner), 1); /* others may hold it */
    uint32_t class_index;
    assert_true(reeve_owner_actor_class(world.owner, world.actor, &class_index));
    reeve_owner_actor_over(world.owner, MS, world.actor + 1, "\x90", 1);
    reeve_owner_actor_over(world.owner, MS, world.actor, "\x90", 1);
    reeve_owner_actor_over(world.owner, MS, world.actor, "\x90", 1); /* once more */
    assert_false(reeve_owner_actor_class(world.owner, world.actor, &class_index));
    assert_int_equal(run_all(&world), END);
    assert_int_equal(reeve_owner_actor_count(world.owner), 0);
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    world_end(&world);
}

static void the_maker_may_have_several(void **state)
{
    (void)state;
    struct world world = maker_make();
    struct reeve_owner_command command;
    (void)run_all(&world);
    (void)refer(&world); /* retained, twice */
    (void)refer(&world);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(release(&world), 0);
        assert_false(said(&world, &command));
    }
    /* while it has not been released, a word that is early does nothing */
    reeve_owner_actor_over(world.owner, MS, world.actor, "\x90", 1);
    assert_int_equal(run_all(&world), 0);
    assert_int_equal(release(&world), 0);
    assert_true(said(&world, &command));
    assert_int_equal(release(&world), REEVE_EHANDLE);
    reeve_owner_actor_over(world.owner, MS, world.actor, "\x90", 1);
    assert_int_equal(run_all(&world), END);
    struct reeve_owner_handle handle = of(&world);
    reeve_task_id id;
    assert_int_equal(reeve_owner_handle(world.owner, &handle, &id), REEVE_EHANDLE);
    world_end(&world);
}

static void one_that_is_killed_is_still_released(void **state)
{
    (void)state;
    struct world world = maker_make();
    struct reeve_owner_command command;
    (void)run_all(&world);
    assert_int_equal(reeve_owner_release(world.owner, pass(&world)), 0);
    assert_int_equal(reeve_owner_actor_kill(world.owner, MS, world.actor), 0);
    (void)run_all(&world);
    assert_int_equal(release(&world), 0);
    assert_true(said(&world, &command));
    assert_int_equal(reeve_owner_actor_count(world.owner), 1);
    reeve_owner_actor_over(world.owner, MS, world.actor, "\x90", 1);
    assert_int_equal(reeve_owner_actor_count(world.owner), 0);
    world_end(&world);
}

/* ---- who is given it ------------------------------------------------------------------------- */

/* What is to be held at the end of a call: how many; each is, unless `fails`. */
static size_t hold(struct world *world, bool fails)
{
    struct reeve_buffer holds;
    reeve_buffer_init(&holds);
    assert_int_equal(reeve_owner_handles_kept(world->owner, &holds), 0);
    const struct reeve_owner_hold *all = (const struct reeve_owner_hold *)(const void *)holds.data;
    size_t count = holds.size / sizeof(*all);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(all[i].object.node, reeve_process_node(MAKER));
        reeve_owner_handle_held(world->owner, all[i].token, !fails);
        reeve_owner_check(world->owner);
    }
    reeve_buffer_fini(&holds);
    return count;
}

static void what_is_retained_is_held(void **state)
{
    (void)state;
    struct world world = user_make();
    struct reeve_owner_command command;
    assert_int_equal(release(&world), REEVE_EHANDLE);
    reeve_task_id handle = refer(&world);
    assert_true(reeve_owner_handle_is_open(world.owner, handle));
    assert_int_equal(hold(&world, false), 1);
    assert_false(reeve_owner_handle_is_open(world.owner, handle));
    assert_int_equal(hold(&world, false), 0); /* once */
    assert_int_equal(refer(&world), handle);
    assert_int_equal(release(&world), 0);
    assert_false(said(&world, &command));
    assert_int_equal(release(&world), 0);
    assert_true(said(&world, &command));
    assert_true(command.object.flags & REEVE_REFERENCE_HELD && command.task == handle);
    assert_int_equal(release(&world), REEVE_EHANDLE);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_end(&world);
}

static void what_was_only_lent_says_nothing(void **state)
{
    (void)state;
    struct world world = user_make();
    struct reeve_owner_command command;
    reeve_task_id task = pass(&world);
    assert_int_equal(run_all(&world), CALL);
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    assert_int_equal(hold(&world, false), 0); /* it was over before the call was */
    assert_false(said(&world, &command));
    task = pass(&world); /* this one is not; but there is no way to hold it any more */
    assert_int_equal(hold(&world, true), 1);
    assert_int_equal(run_all(&world), CALL);
    assert_false(said(&world, &command));
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    task = pass(&world);
    assert_int_equal(hold(&world, false), 1);
    assert_int_equal(run_all(&world), CALL);
    assert_true(said(&world, &command)); /* with the task that needed it */
    assert_int_equal(reeve_owner_release(world.owner, task), 0);
    world_end(&world);
}

static reeve_task_id call(struct world *world)
{
    struct reeve_owner_task from = {
        .function = CALL, .called = world->actor, .arguments = "\x91\xc0", .arguments_size = 2};
    reeve_task_id task;
    assert_int_equal(
        reeve_owner_host_class(world->owner, MAKER, world->host | ATTACH, &from.class_index), 0);
    assert_int_equal(reeve_owner_submit(world->owner, MS, &from, &task), 0);
    reeve_owner_check(world->owner);
    return task;
}

/* The hold goes when the calls have been answered that were made before it was given up. */
static void calls_under_way_keep_it(void **state)
{
    (void)state;
    struct world world = user_make();
    struct reeve_owner_command command;
    reeve_task_id handle = refer(&world);
    assert_int_equal(hold(&world, false), 1);
    reeve_task_id tasks[3] = {call(&world), call(&world)};
    assert_int_equal(release(&world), 0);
    bool freed = said(&world, &command);
    assert_false(freed);
    tasks[2] = call(&world); /* of whatever right: this one is not waited for */
    struct reeve_owner_send send;
    reeve_lease_index index;
    uint32_t class_index;
    assert_int_equal(
        reeve_owner_host_class(world.owner, MAKER, world.host | ATTACH, &class_index), 0);
    assert_int_equal(reeve_owner_lease_gained(world.owner, MS, class_index, 9, 1, &index), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(reeve_owner_next_send(world.owner, &send));
        reeve_owner_sent(world.owner, MS, send.task, (uint64_t)i);
    }
    assert_true(reeve_owner_answer(world.owner, MS, index, tasks[1], 1, 0, "", 0, NULL));
    assert_false(said(&world, &command)); /* the first is under way */
    assert_true(reeve_owner_answer(world.owner, MS, index, tasks[0], 1, 0, "", 0, NULL));
    assert_true(said(&world, &command) && command.task == handle);
    assert_false(said(&world, &command));
    reeve_owner_check(world.owner);
    world_end(&world);
}

/* Nobody waits for the call, and nobody has the handle; another call, before the hold has gone,
 * makes it last longer. */
static void calls_that_nobody_waits_for_keep_it(void **state)
{
    (void)state;
    struct world world = user_make();
    struct reeve_owner_command command;
    assert_int_equal(reeve_owner_release(world.owner, call(&world)), 0);
    assert_int_equal(hold(&world, false), 1);
    assert_false(said(&world, &command));
    assert_int_equal(reeve_owner_release(world.owner, call(&world)), 0);
    assert_int_equal(hold(&world, false), 0);
    assert_int_equal(run_all(&world), 0);
    struct reeve_owner_send send;
    reeve_lease_index index;
    uint32_t class_index;
    assert_int_equal(
        reeve_owner_host_class(world.owner, MAKER, world.host | ATTACH, &class_index), 0);
    assert_int_equal(reeve_owner_lease_gained(world.owner, MS, class_index, 9, 1, &index), 0);
    for (int i = 0; i < 2; i++) {
        assert_false(said(&world, &command));
        assert_true(reeve_owner_next_send(world.owner, &send));
        reeve_owner_sent(world.owner, MS, send.task, (uint64_t)i);
        assert_true(reeve_owner_answer(world.owner, MS, index, send.task, 1, 0, "", 0, NULL));
    }
    assert_true(said(&world, &command));
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_end(&world);
}

/* ---- in results ------------------------------------------------------------------------------ */

/* What the worker's function returns: to the caller, whose task is `task`. */
static void give(struct world *from, struct world *to, reeve_task_id task, reeve_task_id handle,
    reeve_lease_index lease)
{
    struct reeve_buffer bytes, objects;
    struct reeve_reference object;
    reeve_buffer_init(&bytes);
    reeve_buffer_init(&objects);
    assert_true(reeve_owner_handover_ready(from->owner, MS, &handle, 1));
    assert_int_equal(reeve_owner_handover_write(from->owner, &handle, 1, &bytes, &objects), 0);
    assert_int_equal(objects.size, sizeof(object)); /* for a hold that is the heir's */
    memcpy(&object, objects.data, sizeof(object));
    assert_true(object.flags & REEVE_REFERENCE_HELD && object.offset >> 63);
    assert_int_equal(
        reeve_owner_handed(to->owner, lease, task, 1, bytes.data, (uint32_t)bytes.size), 0);
    reeve_owner_handover_end(from->owner, MS, &handle, 1, true);
    reeve_owner_check(from->owner);
    assert_true(reeve_owner_answer(to->owner, MS, lease, task, 1, 0, "v", 1, NULL));
    reeve_owner_check(to->owner);
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
}

static reeve_task_id task_sent(struct world *world, reeve_lease_index *ret_lease)
{
    struct reeve_owner_task from = {
        .class_index = world->tasks, .function = CALL, .arguments = "\x90", .arguments_size = 1};
    static uint64_t lease = 1000;
    struct reeve_owner_send send;
    reeve_task_id task;
    assert_int_equal(reeve_owner_submit(world->owner, MS, &from, &task), 0);
    assert_int_equal(
        reeve_owner_lease_gained(world->owner, MS, world->tasks, ++lease, 1, ret_lease), 0);
    assert_true(reeve_owner_next_send(world->owner, &send) && send.task == task);
    *ret_lease = send.lease_index;
    reeve_owner_sent(world->owner, MS, task, 0);
    return task;
}

static void a_result_brings_a_hold(void **state)
{
    (void)state;
    struct world maker = maker_make(), user = user_make();
    struct reeve_owner_command command;
    struct reeve_owner_result result;
    reeve_lease_index lease;
    reeve_task_id mine, kept[2];
    user.actor = maker.actor;
    user.host = maker.host;
    for (int i = 0; i < 2; i++) { /* the second time it has one already */
        reeve_task_id task = task_sent(&user, &lease), handle = refer(&maker);
        give(&maker, &user, task, handle, lease);
        assert_int_equal(reeve_owner_release(maker.owner, handle), 0);
        assert_int_equal(reeve_owner_result(user.owner, task, &result), 0);
        assert_true(result.future_count == 0 && result.handle_count == 1);
        assert_int_equal(reeve_owner_handle_take(user.owner, result.futures[0].task, &mine), 0);
        kept[i] = mine;
        assert_int_equal(reeve_owner_release(user.owner, task), 0);
        reeve_owner_check(user.owner);
        assert_true(said(&user, &command) == (i == 1)); /* one hold is enough */
    }
    assert_int_equal(kept[0], kept[1]);
    assert_int_equal(release(&maker), 0); /* its own */
    assert_true(said(&maker, &command) && command.object.flags == 0);
    assert_int_equal(release(&user), 0);
    assert_false(said(&user, &command));
    assert_int_equal(release(&user), 0);
    assert_true(said(&user, &command) && command.object.flags & REEVE_REFERENCE_HELD);
    assert_true(command.task == command.object.offset && command.task >> 63);
    /* a result that nobody gets */
    reeve_task_id task = task_sent(&user, &lease), handle = refer(&maker);
    give(&maker, &user, task, handle, lease);
    assert_int_equal(reeve_owner_release(user.owner, task), 0);
    assert_true(said(&user, &command) && command.object.flags & REEVE_REFERENCE_HELD);
    assert_int_equal(reeve_owner_release(maker.owner, handle), 0);
    world_end(&user);
    world_end(&maker);
}

/* Its maker gets it back, when it has released it. */
static void the_maker_may_hold_it_as_others_do(void **state)
{
    (void)state;
    struct world maker = maker_make(), user = user_make();
    struct reeve_owner_command command;
    struct reeve_owner_result result;
    reeve_lease_index lease;
    reeve_task_id mine, task, handle;
    (void)run_all(&maker);
    handle = refer(&user);
    assert_int_equal(hold(&user, false), 1);
    assert_int_equal(reeve_owner_release(maker.owner, refer(&maker)), 0); /* it was passed once */
    assert_int_equal(release(&maker), 0);
    assert_true(said(&maker, &command) && command.object.flags == 0);
    task = task_sent(&maker, &lease);
    give(&user, &maker, task, handle, lease);
    assert_int_equal(reeve_owner_result(maker.owner, task, &result), 0);
    assert_int_equal(reeve_owner_handle_take(maker.owner, result.futures[0].task, &mine), 0);
    assert_int_equal(reeve_owner_release(maker.owner, task), 0);
    assert_false(said(&maker, &command));
    assert_int_equal(release(&maker), 0);
    assert_true(said(&maker, &command) && command.object.flags & REEVE_REFERENCE_HELD);
    assert_int_equal(release(&maker), REEVE_EHANDLE);
    assert_int_equal(release(&user), 0);
    assert_true(said(&user, &command));
    reeve_owner_actor_over(maker.owner, MS, maker.actor, "\x90", 1);
    assert_int_equal(run_all(&maker), END);
    world_end(&user);
    world_end(&maker);
}

/* Behind the futures of a value that is put, for as long as that is there. */
static void a_value_keeps_it(void **state)
{
    (void)state;
    struct world world = maker_make();
    struct reeve_owner_command command;
    struct reeve_owner_result result;
    reeve_task_id put, other;
    assert_int_equal(reeve_owner_put(world.owner, "x", 1, &put), 0);
    assert_int_equal(reeve_owner_put(world.owner, "y", 1, &other), 0);
    reeve_task_id all[2] = {other, refer(&world)};
    assert_int_equal(reeve_owner_attach(world.owner, put, all, 2), 0);
    assert_int_equal(release(&world), 0);
    assert_int_equal(reeve_owner_result(world.owner, put, &result), 0);
    assert_true(result.future_count == 1 && result.handle_count == 1);
    assert_int_equal(run_all(&world), MAKE);
    assert_false(said(&world, &command));
    assert_int_equal(reeve_owner_release(world.owner, put), 0);
    assert_true(said(&world, &command));
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_else_can_have_ends_at_once),
        cmocka_unit_test(what_was_passed_ends_when_nobody_holds_it),
        cmocka_unit_test(the_maker_may_have_several),
        cmocka_unit_test(one_that_is_killed_is_still_released),
        cmocka_unit_test(what_is_retained_is_held),
        cmocka_unit_test(what_was_only_lent_says_nothing),
        cmocka_unit_test(calls_under_way_keep_it),
        cmocka_unit_test(calls_that_nobody_waits_for_keep_it),
        cmocka_unit_test(a_result_brings_a_hold),
        cmocka_unit_test(the_maker_may_hold_it_as_others_do),
        cmocka_unit_test(a_value_keeps_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
