/* Objects that were lost with their node, or damaged on a disk: an owner core, and nodes that run
 * what it sends, keep the results, and die. Scenarios, then random programs whose every value is
 * known beforehand. */
#include "api/client/owner.h"

#include <reeve_errors.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/prng.h"

#define MS          UINT64_C(1000000)
#define OWN_NODE    1u
#define PROCESS     UINT64_C(0x100000001)
#define NODES       4u /* 2 to 5 run tasks; or (near) 1 to 4 */
#define OBJECTS_MAX 65536u
#define OBJECT_SIZE 100000u

/* What the nodes have, by order of making. */
struct kept {
    struct reeve_object_id id;
    uint32_t node, made_on; /* node: 0: lost with it */
    bool freed;
    uint64_t value;
};

struct world {
    struct reeve_owner *owner;
    uint64_t now_ns;
    uint32_t class_index;
    struct kept *objects;
    uint32_t object_count;
    reeve_lease_index leases[NODES];
    struct reeve_prng prng;
    uint32_t sent_count;
    bool near; /* what only serves to make again what lies on our own node may be gone */
};

static struct world world_make_from(uint64_t lineage_bytes_max, uint32_t first_node)
{
    struct reeve_owner_settings settings = reeve_owner_settings_default;
    settings.lineage_bytes_max = lineage_bytes_max;
    settings.lease_idle_ns = UINT64_MAX / 4;
    struct world world = {
        .owner = reeve_owner_create(&settings), .now_ns = MS, .near = first_node == OWN_NODE};
    world.objects = calloc(OBJECTS_MAX, sizeof(*world.objects));
    assert_non_null(world.objects);
    reeve_owner_set_process(world.owner, reeve_process_id_make(OWN_NODE, 5));
    assert_int_equal(reeve_owner_class(world.owner, 1000, 0, &world.class_index), 0);
    for (uint32_t i = 0; i < NODES; i++)
        assert_int_equal(reeve_owner_lease_gained(world.owner, world.now_ns, world.class_index,
                             i + 1, first_node + i, &world.leases[i]),
            0);
    return world;
}

static struct world world_make(uint64_t lineage_bytes_max)
{
    return world_make_from(lineage_bytes_max, OWN_NODE + 1);
}

static void world_free(struct world *world)
{
    reeve_owner_free(world->owner);
    free(world->objects);
}

static struct kept *kept_find(struct world *world, struct reeve_object_id id)
{
    for (uint32_t i = 0; i < world->object_count; i++)
        if (world->objects[i].id.owner == id.owner && world->objects[i].id.sequence == id.sequence)
            return &world->objects[i];
    return NULL;
}

static struct reeve_reference keep(
    struct world *world, uint64_t sequence, uint32_t node, uint64_t value)
{
    struct reeve_object_id id = {PROCESS, sequence};
    assert_null(kept_find(world, id)); /* no id comes twice */
    assert_true(world->object_count < OBJECTS_MAX);
    world->objects[world->object_count++] = (struct kept){id, node, node, false, value};
    return (struct reeve_reference){id, OBJECT_SIZE, node, 0};
}

static void commands_run(struct world *world)
{
    struct reeve_owner_command command;
    while (reeve_owner_next_command(world->owner, &command)) {
        if (command.kind != REEVE_OWNER_FREE_OBJECT)
            continue;
        struct kept *object = kept_find(world, command.object.id);
        if (object == NULL || object->made_on != command.object.node)
            continue; /* what an attempt that was lost may have left */
        assert_false(object->freed);
        object->freed = true;
    }
    reeve_owner_check(world->owner);
}

static void node_dies(struct world *world, uint32_t node)
{
    for (uint32_t i = 0; i < world->object_count; i++)
        if (world->objects[i].node == node)
            world->objects[i].node = 0;
}

static uint32_t alive_count(const struct world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->object_count; i++)
        count += world->objects[i].node != 0 && !world->objects[i].freed;
    return count;
}

static reeve_task_id submit(
    struct world *world, uint64_t number, const reeve_task_id *on, uint32_t count, uint32_t losses)
{
    struct reeve_owner_splice splices[4];
    uint8_t arguments[16] = {0};
    reeve_task_id task;
    memcpy(arguments, &number, sizeof(number));
    for (uint32_t i = 0; i < count; i++)
        splices[i] = (struct reeve_owner_splice){8 + i, on[i]};
    struct reeve_owner_task from = {.class_index = world->class_index,
        .function = 7,
        .losses_max = losses,
        .arguments = arguments,
        .arguments_size = sizeof(arguments),
        .splice_count = count,
        .splices = splices};
    assert_int_equal(reeve_owner_submit(world->owner, world->now_ns, &from, &task), 0);
    reeve_owner_check(world->owner);
    return task;
}

static reeve_task_id put(struct world *world, uint64_t value)
{
    reeve_task_id task;
    assert_int_equal(reeve_owner_put(world->owner, NULL, 0, &task), 0);
    struct reeve_reference object = keep(world, task, OWN_NODE, value);
    reeve_owner_filled(world->owner, world->now_ns, task, 0, &object);
    return task;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    return (a ^ b) * 0x9e3779b97f4a7c15u + 1;
}

/* Runs one entry: its value, from those of its arguments; or says which of these is lost. */
static void run(struct world *world, const struct reeve_owner_send *send, bool large)
{
    struct reeve_owner_entry entry;
    reeve_owner_entry(world->owner, send->task, &entry);
    uint64_t value;
    uint32_t attempt = entry.attempt;
    memcpy(&value, entry.arguments, sizeof(value));
    for (uint32_t i = 0; i < entry.splice_count; i++) {
        struct reeve_owner_result result;
        uint64_t argument = 0;
        assert_int_equal(
            reeve_owner_result(world->owner, entry.splices[i].task, &result), REEVE_OK);
        assert_int_equal(result.status, 0);
        if (!result.is_object) {
            memcpy(&argument, result.bytes, sizeof(argument));
        } else {
            const struct kept *object = kept_find(world, result.object.id);
            assert_non_null(object);
            if (object->node == 0 || (object->freed && world->near)) {
                assert_true(reeve_owner_answer(world->owner, world->now_ns, send->lease_index,
                    send->task, attempt, REEVE_ELOST, "", 0, &result.object));
                return;
            }
            assert_false(object->freed); /* nothing is freed that a task under way needs */
            argument = object->value;
        }
        value = mix(value, argument);
    }
    uint32_t node = reeve_owner_node_of(world->owner, send->lease_index);
    struct reeve_reference object;
    if (large)
        object = keep(world, send->task, node, value);
    assert_true(reeve_owner_answer(world->owner, world->now_ns, send->lease_index, send->task,
        attempt, 0, &value, sizeof(value), large ? &object : NULL));
}

/* Runs all there is, one after the other. */
static uint32_t run_all(struct world *world)
{
    struct reeve_owner_send send;
    uint32_t count = 0;
    while (reeve_owner_next_send(world->owner, &send)) {
        reeve_owner_sent(world->owner, ++world->now_ns, send.task, world->sent_count++);
        run(world, &send, true);
        commands_run(world);
        count++;
    }
    commands_run(world);
    return count;
}

/* As a program would: what is lost, or (code) damaged, is asked for again. */
static int get_after(
    struct world *world, reeve_task_id task, int how, uint64_t *ret, char *why, size_t size)
{
    for (int i = 0; i < 1000; i++) {
        struct reeve_owner_result result;
        run_all(world);
        assert_int_equal(reeve_owner_result(world->owner, task, &result), 0);
        if (result.status != 0) {
            snprintf(why, size, "%.*s", (int)result.size, (const char *)result.bytes);
            return result.status;
        }
        if (!result.is_object) {
            memcpy(ret, result.bytes, sizeof(*ret));
            return 0;
        }
        const struct kept *object = kept_find(world, result.object.id);
        assert_non_null(object);
        if (object->node != 0) {
            assert_false(object->freed);
            *ret = object->value;
            return 0;
        }
        int code =
            reeve_owner_lost(world->owner, world->now_ns, task, &result.object.id, how, why, size);
        commands_run(world);
        if (code != 0)
            return code;
    }
    fail_msg("it is made again for ever");
    return REEVE_EINTERNAL;
}

static int get(struct world *world, reeve_task_id task, uint64_t *ret, char *why, size_t size)
{
    return get_after(world, task, REEVE_ELOST, ret, why, size);
}

static void release(struct world *world, reeve_task_id task)
{
    assert_int_equal(reeve_owner_release(world->owner, task), 0);
    commands_run(world);
}

static void all_die(struct world *world)
{
    for (uint32_t node = 2; node < 2 + NODES; node++)
        node_dies(world, node);
}

/* ---- scenarios ------------------------------------------------------------------------------- */

static void a_lost_result_is_made_again(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    struct reeve_owner_result result;
    uint64_t value = 0;
    char why[256] = "";
    reeve_task_id task = submit(&world, 5, NULL, 0, 2);
    assert_int_equal(run_all(&world), 1);
    assert_int_equal(reeve_owner_result(world.owner, task, &result), 0);
    struct reeve_object_id first = result.object.id;
    for (int i = 0; i < 2; i++) {
        all_die(&world);
        assert_int_equal(get(&world, task, &value, why, sizeof(why)), 0);
        assert_int_equal(value, 5);
        assert_int_equal(reeve_owner_result(world.owner, task, &result), 0);
        assert_int_equal(result.attempt, i + 2);
        /* who still asks for an object of before is told to look again, and nothing happens */
        assert_int_equal(
            reeve_owner_lost(world.owner, 0, task, &first, REEVE_ELOST, why, sizeof(why)), 0);
        assert_int_equal(reeve_owner_unfinished(world.owner), 0);
    }
    all_die(&world);
    assert_int_equal(get(&world, task, &value, why, sizeof(why)), REEVE_ELOST);
    assert_non_null(strstr(why, "max_retries: 2"));
    release(&world, task);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    assert_int_equal(reeve_owner_memory(world.owner), 0);
    assert_int_equal(alive_count(&world), 0);
    world_free(&world);
}

static void what_cannot_be_made_again_says_why(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    char why[256] = "";
    uint64_t value;
    reeve_task_id task = put(&world, 3), never = submit(&world, 1, NULL, 0, 0);
    run_all(&world);
    node_dies(&world, OWN_NODE);
    all_die(&world);
    assert_int_equal(get(&world, task, &value, why, sizeof(why)), REEVE_ELOST);
    assert_non_null(strstr(why, "node 1"));
    assert_non_null(strstr(why, "put it again"));
    assert_int_equal(get(&world, never, &value, why, sizeof(why)), REEVE_ELOST);
    assert_non_null(strstr(why, "max_retries: 0"));
    /* as an argument, too */
    reeve_task_id user = submit(&world, 2, &task, 1, 3);
    why[0] = '\0';
    assert_int_equal(get(&world, user, &value, why, sizeof(why)), REEVE_ELOST);
    assert_non_null(strstr(why, "put it again"));
    release(&world, task);
    release(&world, never);
    release(&world, user);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_free(&world);
}

/* Of a chain only the end is held: the others' objects are freed, and made again if it is lost. */
static void a_chain_is_made_again_from_its_beginning(void **state)
{
    (void)state;
    for (int held = 0; held < 2; held++) {
        struct world world = world_make(1u << 20);
        char why[256] = "";
        uint64_t value, expected = 1;
        reeve_task_id chain[3];
        for (uint32_t i = 0; i < 3; i++) {
            chain[i] = submit(&world, i + 1, i > 0 ? &chain[i - 1] : NULL, i > 0, 1);
            expected = i > 0 ? mix(i + 1, expected) : expected;
        }
        assert_int_equal(run_all(&world), 3);
        for (uint32_t i = 0; i < 2 && !held; i++)
            release(&world, chain[i]);
        assert_int_equal(alive_count(&world), held ? 3 : 1);
        all_die(&world);
        assert_int_equal(get(&world, chain[2], &value, why, sizeof(why)), 0);
        assert_int_equal(value, expected);
        assert_int_equal(alive_count(&world), held ? 3 : 1);
        for (uint32_t i = held ? 0 : 2; i < 3; i++)
            release(&world, chain[i]);
        assert_int_equal(alive_count(&world), 0);
        assert_int_equal(reeve_owner_task_count(world.owner), 0);
        assert_int_equal(reeve_owner_memory(world.owner), 0);
        world_free(&world);
    }
}

/* What two tasks need is made again once; what was queued meanwhile waits for it. */
static void tasks_wait_for_an_argument_that_is_made_again(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    struct reeve_owner_send sends[3];
    char why[256] = "";
    uint64_t value;
    reeve_task_id shared = submit(&world, 9, NULL, 0, 5), users[3];
    run_all(&world);
    all_die(&world);
    for (int i = 0; i < 3; i++)
        users[i] = submit(&world, (uint64_t)i, &shared, 1, 0); /* they need no retries for that */
    for (int i = 0; i < 2; i++) {
        assert_true(reeve_owner_next_send(world.owner, &sends[i]));
        reeve_owner_sent(world.owner, world.now_ns, sends[i].task, world.sent_count++);
    }
    struct reeve_owner_result lost;
    assert_int_equal(reeve_owner_result(world.owner, shared, &lost), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(reeve_owner_answer(world.owner, world.now_ns, sends[i].lease_index,
            sends[i].task, 1, REEVE_ELOST, "", 0, &lost.object));
        reeve_owner_check(world.owner);
        assert_int_equal(reeve_owner_state(world.owner, sends[i].task), REEVE_TASK_WAITING);
    }
    assert_true(reeve_owner_state(world.owner, shared) == REEVE_TASK_REMADE);
    assert_true(reeve_owner_next_send(world.owner, &sends[2])); /* not users[2], but it again */
    assert_true(sends[2].task != users[2]);
    assert_int_equal(reeve_owner_state(world.owner, users[2]), REEVE_TASK_WAITING);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get(&world, users[i], &value, why, sizeof(why)), 0);
        assert_int_equal(value, mix((uint64_t)i, 9));
        release(&world, users[i]);
    }
    release(&world, shared);
    assert_int_equal(world.sent_count, 2 + 1 + 1 + 3);
    assert_int_equal(alive_count(&world), 0);
    world_free(&world);
}

static void an_answer_late_by_a_remake_is_no_failure(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    struct reeve_owner_send send;
    char why[256] = "";
    uint64_t value;
    reeve_task_id shared = submit(&world, 9, NULL, 0, 5);
    run_all(&world);
    all_die(&world);
    reeve_task_id user = submit(&world, 4, &shared, 1, 0);
    assert_true(reeve_owner_next_send(world.owner, &send));
    reeve_owner_sent(world.owner, world.now_ns, send.task, world.sent_count++);
    struct reeve_owner_result lost;
    assert_int_equal(reeve_owner_result(world.owner, shared, &lost), 0);
    struct reeve_reference object = lost.object;
    assert_int_equal(get(&world, shared, &value, why, sizeof(why)), 0);
    assert_true(reeve_owner_answer(
        world.owner, world.now_ns, send.lease_index, user, 1, REEVE_ELOST, "", 0, &object));
    assert_int_equal(get(&world, user, &value, why, sizeof(why)), 0);
    assert_int_equal(value, mix(4, 9));
    release(&world, user);
    release(&world, shared);
    world_free(&world);
}

/* Fails the second time: so does whoever needs it, what is queued already included. */
static void what_fails_the_second_time_fails(void **state)
{
    (void)state;
    struct world world = world_make(1u << 20);
    struct reeve_owner_send send;
    char why[256] = "";
    uint64_t value;
    reeve_task_id first = submit(&world, 9, NULL, 0, 5);
    run_all(&world);
    struct reeve_owner_result result;
    assert_int_equal(reeve_owner_result(world.owner, first, &result), 0);
    all_die(&world);
    reeve_task_id users[2] = {submit(&world, 1, &first, 1, 1), 0};
    assert_int_equal(reeve_owner_lost(world.owner, world.now_ns, first, &result.object.id,
                         REEVE_ELOST, why, sizeof(why)),
        0);
    users[1] = submit(&world, 2, &first, 1, 1);
    assert_true(reeve_owner_next_send(world.owner, &send));
    reeve_owner_sent(world.owner, world.now_ns, send.task, world.sent_count++);
    assert_true(reeve_owner_answer(
        world.owner, world.now_ns, send.lease_index, send.task, 2, REEVE_EFUNCTION, "no", 2, NULL));
    for (int i = 0; i < 2; i++)
        assert_int_equal(get(&world, users[i], &value, why, sizeof(why)), REEVE_EFUNCTION);
    assert_int_equal(get(&world, first, &value, why, sizeof(why)), REEVE_EFUNCTION);
    release(&world, users[0]);
    release(&world, users[1]);
    release(&world, first);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_free(&world);
}

/* Its puts are kept for it; beyond the bound the oldest call is given up, and they go. */
static void lineage_is_bounded(void **state)
{
    (void)state;
    struct world world = world_make(5 * OBJECT_SIZE);
    char why[256] = "";
    uint64_t value;
    reeve_task_id made[10];
    for (uint64_t i = 0; i < 10; i++) {
        reeve_task_id argument = put(&world, i);
        made[i] = submit(&world, i, &argument, 1, 1);
        run_all(&world);
        release(&world, argument);
    }
    assert_in_range(alive_count(&world), 10 + 4, 10 + 5);
    all_die(&world);
    assert_int_equal(get(&world, made[0], &value, why, sizeof(why)), REEVE_ELOST);
    assert_non_null(strstr(why, "REEVE_PENDING_SIZE"));
    assert_int_equal(get(&world, made[9], &value, why, sizeof(why)), 0);
    assert_int_equal(value, mix(9, 9));
    reeve_owner_lineage_trim(world.owner, 0);
    reeve_owner_check(world.owner);
    commands_run(&world);
    assert_int_equal(alive_count(&world), 1); /* what was made again */
    for (int i = 0; i < 10; i++)
        release(&world, made[i]);
    assert_int_equal(alive_count(&world), 0);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    assert_int_equal(reeve_owner_memory(world.owner), 0);
    world_free(&world);
}

/* The result of a call with that argument, on our own node: in memory (flags LOCATED), or not. */
static reeve_task_id make_here(struct world *world, reeve_task_id argument, uint32_t flags)
{
    struct reeve_owner_send send;
    reeve_task_id task = submit(world, 1, &argument, 1, 3);
    assert_true(reeve_owner_next_send(world->owner, &send));
    reeve_owner_sent(world->owner, world->now_ns, send.task, world->sent_count++);
    struct reeve_reference object = keep(world, task, OWN_NODE, mix(1, 7));
    object.flags = flags;
    assert_true(reeve_owner_answer(
        world->owner, world->now_ns, send.lease_index, task, 1, 0, "", 0, &object));
    commands_run(world);
    return task;
}

/* What has been damaged on a disk of our own node is made again, while what that needs is there;
 * nothing is kept in the store for it. */
static void what_is_damaged_here_is_made_again(void **state)
{
    (void)state;
    struct world world = world_make_from(1u << 20, OWN_NODE);
    char why[256] = "";
    uint64_t value;
    reeve_task_id argument = put(&world, 7), task = make_here(&world, argument, 0);
    node_dies(&world, OWN_NODE);
    world.objects[0].node = OWN_NODE; /* the argument is still there */
    assert_int_equal(get_after(&world, task, REEVE_ECORRUPT, &value, why, sizeof(why)), 0);
    assert_int_equal(value, mix(1, 7));
    release(&world, task);
    release(&world, argument);
    argument = put(&world, 7);
    task = make_here(&world, argument, 0);
    release(&world, argument);
    assert_int_equal(alive_count(&world), 1);
    node_dies(&world, OWN_NODE);
    int code = get_after(&world, task, REEVE_ECORRUPT, &value, why, sizeof(why));
    assert_int_equal(code, REEVE_ECORRUPT);
    assert_non_null(strstr(why, "has been released"));
    release(&world, task);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    assert_int_equal(reeve_owner_memory(world.owner), 0);
    world_free(&world);
}

/* A chain of results here: those that were released are made again as well. */
static void a_damaged_chain_is_made_again(void **state)
{
    (void)state;
    struct world world = world_make_from(1u << 20, OWN_NODE);
    char why[256] = "";
    uint64_t value;
    reeve_task_id first = submit(&world, 7, NULL, 0, 3);
    run_all(&world);
    reeve_task_id task = make_here(&world, first, 0);
    release(&world, first);
    assert_int_equal(alive_count(&world), 1);
    node_dies(&world, OWN_NODE);
    assert_int_equal(get_after(&world, task, REEVE_ECORRUPT, &value, why, sizeof(why)), 0);
    assert_int_equal(value, mix(1, 7));
    release(&world, task);
    assert_int_equal(alive_count(&world), 0);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_free(&world);
}

/* It keeps its call when it is anchored, and afterwards; what is read in place is not damaged. */
static void what_was_anchored_is_made_again(void **state)
{
    (void)state;
    struct world world = world_make_from(1u << 20, OWN_NODE);
    char why[256] = "";
    uint64_t value;
    reeve_task_id argument = put(&world, 7);
    reeve_task_id task = make_here(&world, argument, REEVE_REFERENCE_LOCATED);
    struct reeve_object_id id = {PROCESS, task};
    assert_true(reeve_owner_read_begin(world.owner, task));
    reeve_owner_relax(world.owner, UINT64_MAX / 2);
    commands_run(&world);
    int code = reeve_owner_lost(world.owner, 0, task, &id, REEVE_ECORRUPT, why, sizeof(why));
    assert_int_equal(code, REEVE_ECORRUPT);
    assert_non_null(strstr(why, "read in place"));
    reeve_owner_read_end(world.owner, task);
    commands_run(&world);
    kept_find(&world, id)->node = 0;
    assert_int_equal(get_after(&world, task, REEVE_ECORRUPT, &value, why, sizeof(why)), 0);
    assert_int_equal(value, mix(1, 7));
    release(&world, task);
    release(&world, argument);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    world_free(&world);
}

/* ---- random programs ------------------------------------------------------------------------- */

#define TASKS 40u

/* Where results lie on our own node, one of those there. */
static void damage(struct world *world)
{
    if (!world->near || world->object_count == 0 || !reeve_prng_chance(&world->prng, 1, 3))
        return;
    struct kept *object = &world->objects[reeve_prng_below(&world->prng, world->object_count)];
    object->node = object->node == OWN_NODE ? 0 : object->node;
}

/* Of each future: its value, and whether the program still has it. */
static void random_program(
    uint64_t seed, uint64_t lineage_bytes_max, uint32_t first_node, bool must_succeed)
{
    struct world world = world_make_from(lineage_bytes_max, first_node);
    reeve_task_id tasks[TASKS];
    uint64_t values[TASKS];
    bool held[TASKS] = {false};
    char why[256] = "";
    reeve_prng_init(&world.prng, seed);
    for (uint32_t i = 0; i < TASKS; i++) {
        reeve_task_id on[3];
        uint32_t count = 0;
        values[i] = i;
        for (uint32_t k = 0; k < i && count < 3; k++) {
            if (!held[k] || !reeve_prng_chance(&world.prng, 1, 4))
                continue;
            on[count++] = tasks[k];
            values[i] = mix(values[i], values[k]);
        }
        if (count == 0 && reeve_prng_chance(&world.prng, 1, 3))
            tasks[i] = put(&world, values[i]);
        else
            tasks[i] = submit(&world, i, on, count, 1000);
        held[i] = true;
        for (uint64_t steps = reeve_prng_below(&world.prng, 4); steps > 0; steps--) {
            struct reeve_owner_send send;
            if (reeve_prng_chance(&world.prng, 1, 3))
                node_dies(&world, 2 + (uint32_t)reeve_prng_below(&world.prng, NODES));
            damage(&world);
            if (!reeve_owner_next_send(world.owner, &send))
                continue;
            reeve_owner_sent(world.owner, ++world.now_ns, send.task, world.sent_count++);
            run(&world, &send, reeve_prng_chance(&world.prng, 3, 4));
            commands_run(&world);
        }
        uint32_t gone = (uint32_t)reeve_prng_below(&world.prng, i + 1);
        if (held[gone] && reeve_prng_chance(&world.prng, 1, 2)) {
            release(&world, tasks[gone]);
            held[gone] = false;
        }
    }
    for (uint32_t i = 0; i < TASKS; i++) {
        uint64_t value = 0;
        if (reeve_prng_chance(&world.prng, 1, 5))
            node_dies(&world, 2 + (uint32_t)reeve_prng_below(&world.prng, NODES));
        if (!held[i])
            continue;
        int code = get(&world, tasks[i], &value, why, sizeof(why));
        if (must_succeed || code != REEVE_ELOST) {
            assert_int_equal(code, 0);
            assert_int_equal(value, values[i]);
        }
        release(&world, tasks[i]);
    }
    run_all(&world);
    assert_int_equal(alive_count(&world), 0);
    assert_int_equal(reeve_owner_task_count(world.owner), 0);
    assert_int_equal(reeve_owner_memory(world.owner), 0);
    world_free(&world);
}

static void random_programs_get_every_value(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        random_program(seed, 1u << 30, OWN_NODE + 1, true);
        random_program(seed, seed * 4096, OWN_NODE + 1, false);
        random_program(seed, 1u << 30, OWN_NODE, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_result_is_made_again),
        cmocka_unit_test(what_cannot_be_made_again_says_why),
        cmocka_unit_test(a_chain_is_made_again_from_its_beginning),
        cmocka_unit_test(tasks_wait_for_an_argument_that_is_made_again),
        cmocka_unit_test(an_answer_late_by_a_remake_is_no_failure),
        cmocka_unit_test(what_fails_the_second_time_fails),
        cmocka_unit_test(lineage_is_bounded),
        cmocka_unit_test(what_is_damaged_here_is_made_again),
        cmocka_unit_test(a_damaged_chain_is_made_again),
        cmocka_unit_test(what_was_anchored_is_made_again),
        cmocka_unit_test(random_programs_get_every_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
