/* An owner core with one class of tasks, for its tests: the clock, and an audit at the end. */
#ifndef REEVE_TESTS_UNIT_CLIENT_OWNER_WORLD_H
#define REEVE_TESTS_UNIT_CLIENT_OWNER_WORLD_H

#include "api/client/owner.h"
#include "tests/unit/test.h"

#define MS UINT64_C(1000000)

struct world {
    struct reeve_owner *owner;
    uint64_t now_ns;
    uint32_t class_index;
    reeve_lease_index lease; /* the last that world_lease gained */
};

static inline struct world world_make(void)
{
    struct world world = {.owner = reeve_owner_create(&reeve_owner_settings_default), .now_ns = MS};
    assert_non_null(world.owner);
    assert_int_equal(reeve_owner_class(world.owner, 1000, 0, &world.class_index), 0);
    return world;
}

static inline reeve_lease_index world_lease(struct world *world, uint64_t id, uint32_t node)
{
    assert_int_equal(reeve_owner_lease_gained(
                         world->owner, world->now_ns, world->class_index, id, node, &world->lease),
        0);
    reeve_owner_check(world->owner);
    return world->lease;
}

static inline struct world world_with_lease(void)
{
    struct world world = world_make();
    world_lease(&world, 100, 1);
    return world;
}

/* A call that may be lost three times, on the value of `on`; 0: of none. */
static inline reeve_task_id world_submit(struct world *world, reeve_task_id on)
{
    struct reeve_owner_splice splice = {1, on};
    struct reeve_owner_task from = {.class_index = world->class_index,
        .losses_max = 3,
        .arguments = "\x91\xc0",
        .arguments_size = 2,
        .splice_count = on != 0,
        .splices = &splice};
    reeve_task_id task;
    assert_int_equal(reeve_owner_submit(world->owner, world->now_ns, &from, &task), 0);
    reeve_owner_check(world->owner);
    return task;
}

static inline void world_end(struct world *world)
{
    reeve_owner_check(world->owner);
    reeve_owner_free(world->owner);
}

#endif
