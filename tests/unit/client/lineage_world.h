/* Objects that were lost with their node, or damaged on a disk: an owner core, and nodes that run
 * what it sends, keep the results, and die. A call's value follows from its number and those of its
 * arguments, so that it is known beforehand. */
#ifndef REEVE_TESTS_UNIT_CLIENT_LINEAGE_WORLD_H
#define REEVE_TESTS_UNIT_CLIENT_LINEAGE_WORLD_H

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
    uint64_t given_count; /* objects that calls with several results have put */
    bool near;            /* what only serves to make again what lies on our own node may be gone */
};

static inline struct world world_make_from(uint64_t lineage_bytes_max, uint32_t first_node)
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

static inline struct world world_make(uint64_t lineage_bytes_max)
{
    return world_make_from(lineage_bytes_max, OWN_NODE + 1);
}

static inline void world_free(struct world *world)
{
    reeve_owner_free(world->owner);
    free(world->objects);
}

static inline struct kept *kept_find(struct world *world, struct reeve_object_id id)
{
    for (uint32_t i = 0; i < world->object_count; i++)
        if (world->objects[i].id.owner == id.owner && world->objects[i].id.sequence == id.sequence)
            return &world->objects[i];
    return NULL;
}

static inline struct reeve_reference keep(
    struct world *world, uint64_t sequence, uint32_t node, uint64_t value)
{
    struct reeve_object_id id = {PROCESS, sequence};
    assert_null(kept_find(world, id)); /* no id comes twice */
    assert_true(world->object_count < OBJECTS_MAX);
    world->objects[world->object_count++] = (struct kept){id, node, node, false, value};
    return (struct reeve_reference){id, OBJECT_SIZE, node, 0};
}

static inline void commands_run(struct world *world)
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

static inline void node_dies(struct world *world, uint32_t node)
{
    for (uint32_t i = 0; i < world->object_count; i++)
        if (world->objects[i].node == node)
            world->objects[i].node = 0;
}

static inline uint32_t alive_count(const struct world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->object_count; i++)
        count += world->objects[i].node != 0 && !world->objects[i].freed;
    return count;
}

static inline reeve_task_id submit(
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

static inline reeve_task_id put(struct world *world, uint64_t value)
{
    reeve_task_id task;
    assert_int_equal(reeve_owner_put(world->owner, NULL, 0, &task), 0);
    struct reeve_reference object = keep(world, task, OWN_NODE, value);
    reeve_owner_filled(world->owner, world->now_ns, task, 0, &object);
    return task;
}

/* A call with several results: parts[i] is that one. Its arguments are as submit's, their number
 * last. */
#define PARTS_FUNCTION 8u
static inline void submit_parts(struct world *world, uint64_t number, const reeve_task_id *on,
    uint32_t count, uint32_t losses, reeve_task_id *parts, uint8_t part_count)
{
    struct reeve_owner_splice splices[4];
    uint8_t arguments[16] = {[15] = part_count};
    memcpy(arguments, &number, sizeof(number));
    for (uint32_t i = 0; i < count; i++)
        splices[i] = (struct reeve_owner_splice){8 + i, on[i]};
    struct reeve_owner_task from = {.class_index = world->class_index,
        .function = PARTS_FUNCTION,
        .losses_max = losses,
        .arguments = arguments,
        .arguments_size = sizeof(arguments),
        .splice_count = count,
        .splices = splices};
    assert_int_equal(
        reeve_owner_submit_results(world->owner, world->now_ns, &from, part_count, parts), 0);
    reeve_owner_check(world->owner);
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    return (a ^ b) * 0x9e3779b97f4a7c15u + 1;
}

static inline uint64_t part_value(uint64_t value, uint32_t number)
{
    return mix(value, 1000 + number);
}

/* What the worker of such a call hands over: every third is small. */
static inline void hand_over(struct world *world, const struct reeve_owner_send *send,
    uint32_t attempt, uint64_t value, uint32_t count)
{
    struct reeve_owner *worker = reeve_owner_create(&reeve_owner_settings_default);
    uint32_t node = reeve_owner_node_of(world->owner, send->lease_index), class_index;
    struct reeve_buffer bytes, objects;
    reeve_task_id roots[16];
    assert_int_equal(reeve_owner_class(worker, 1000, 0, &class_index), 0);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t part = part_value(value, i);
        struct reeve_reference object = {
            {PROCESS + 1, world->given_count + 1}, OBJECT_SIZE, node, 0};
        if (i % 3 == 2) {
            assert_int_equal(reeve_owner_put(worker, &part, sizeof(part), &roots[i]), 0);
            continue;
        }
        world->given_count++;
        assert_true(world->object_count < OBJECTS_MAX);
        world->objects[world->object_count++] = (struct kept){object.id, node, node, false, part};
        assert_int_equal(reeve_owner_put(worker, NULL, 0, &roots[i]), 0);
        reeve_owner_filled(worker, MS, roots[i], 0, &object);
    }
    reeve_buffer_init(&bytes);
    reeve_buffer_init(&objects);
    assert_true(reeve_owner_handover_ready(worker, MS, roots, count));
    assert_int_equal(reeve_owner_handover_write(worker, roots, count, &bytes, &objects), 0);
    assert_int_equal(reeve_owner_handed(world->owner, send->lease_index, send->task, attempt,
                         bytes.data, (uint32_t)bytes.size),
        0);
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
    reeve_owner_free(worker);
}

/* Runs one entry: its value, from those of its arguments; or says which of these is lost. */
static inline void run(struct world *world, const struct reeve_owner_send *send, bool large)
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
    if (entry.function == PARTS_FUNCTION) {
        hand_over(world, send, attempt, value, entry.arguments[15]);
        large = false;
    }
    uint32_t node = reeve_owner_node_of(world->owner, send->lease_index);
    struct reeve_reference object;
    if (large)
        object = keep(world, send->task, node, value);
    assert_true(reeve_owner_answer(world->owner, world->now_ns, send->lease_index, send->task,
        attempt, 0, &value, sizeof(value), large ? &object : NULL));
}

/* Runs all there is, one after the other. */
static inline uint32_t run_all(struct world *world)
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
static inline int get_after(
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

static inline int get(
    struct world *world, reeve_task_id task, uint64_t *ret, char *why, size_t size)
{
    return get_after(world, task, REEVE_ELOST, ret, why, size);
}

static inline void release(struct world *world, reeve_task_id task)
{
    assert_int_equal(reeve_owner_release(world->owner, task), 0);
    commands_run(world);
}

static inline void all_die(struct world *world)
{
    for (uint32_t node = 2; node < 2 + NODES; node++)
        node_dies(world, node);
}

#endif
