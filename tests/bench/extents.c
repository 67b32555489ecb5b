/* Rows of the object store's core alone: what it costs to find an extent, and to give it back, when
 * 90 % of a GiB is taken by extents of random sizes and ages. No memory is touched. The floor is
 * malloc, and free, of blocks of the same sizes in the same order, which are not touched either. */
#include <stdlib.h>

#include "objectstore/arena.h"
#include "runtime/base/prng.h"
#include "tests/bench/bench.h"

#define SEGMENTS      16u
#define SEGMENT_UNITS (64u << 20 >> REEVE_ARENA_UNIT_SHIFT)
#define FULL_UNITS    (SEGMENTS * SEGMENT_UNITS / 10 * 9)
#define EXTENTS_MAX   200000u
#define BATCH         1000u
#define BATCHES       300

struct world {
    struct reeve_arena arena;
    struct reeve_slab slab;
    struct reeve_segment *segments[SEGMENTS];
    struct reeve_prng prng;
    struct reeve_extent *extents[EXTENTS_MAX];
    void *blocks[EXTENTS_MAX]; /* as large as these */
    uint32_t count;
};

/* 128 bytes to a MiB, small ones as often as large ones. */
static uint32_t size_of_next(struct world *world)
{
    uint32_t least = 2u << reeve_prng_below(&world->prng, 13);
    return least + (uint32_t)reeve_prng_below(&world->prng, least);
}

/* Until the store is as full as it is to be; adds up the time of both. False: out of room. */
static bool take_all(struct world *world, double *ours, double *floor, uint64_t *count)
{
    while (world->arena.used_units < FULL_UNITS && world->count < EXTENTS_MAX) {
        static uint32_t sizes[BATCH];
        uint32_t first = world->count, size = 0, batch = 0;
        for (; batch < BATCH && world->arena.used_units + size < FULL_UNITS &&
               world->count + batch < EXTENTS_MAX;
             batch++)
            size += sizes[batch] = size_of_next(world);
        double begin = bench_now_s();
        for (uint32_t i = 0; i < batch; i++)
            world->extents[first + i] = reeve_arena_take(&world->arena, sizes[i]);
        double middle = bench_now_s();
        for (uint32_t i = 0; i < batch; i++)
            world->blocks[first + i] = malloc((size_t)sizes[i] << REEVE_ARENA_UNIT_SHIFT);
        *floor += bench_now_s() - middle;
        *ours += middle - begin;
        *count += batch;
        world->count += batch;
        for (uint32_t i = 0; i < batch; i++)
            if (world->extents[first + i] == NULL)
                return false;
    }
    return true;
}

/* A batch of random ones. */
static void release_some(struct world *world, double *ours, double *floor)
{
    for (uint32_t i = 0; i < BATCH; i++) { /* to the end, so that only what is measured is timed */
        uint32_t last = world->count - 1 - i;
        uint32_t index = (uint32_t)reeve_prng_below(&world->prng, last + 1);
        struct reeve_extent *extent = world->extents[index];
        void *block = world->blocks[index];
        world->extents[index] = world->extents[last];
        world->blocks[index] = world->blocks[last];
        world->extents[last] = extent;
        world->blocks[last] = block;
    }
    world->count -= BATCH;
    double begin = bench_now_s();
    for (uint32_t i = 0; i < BATCH; i++)
        reeve_arena_release(world->extents[world->count + i]);
    double middle = bench_now_s();
    for (uint32_t i = 0; i < BATCH; i++)
        free(world->blocks[world->count + i]);
    *floor += bench_now_s() - middle;
    *ours += middle - begin;
}

static void world_free(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++) {
        if (world->extents[i] != NULL)
            reeve_arena_release(world->extents[i]);
        free(world->blocks[i]);
    }
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        reeve_arena_remove(world->segments[i]);
        reeve_segment_free(world->segments[i]);
    }
    reeve_arena_fini(&world->arena);
    reeve_slab_fini(&world->slab);
    free(world);
}

void bench_extents(struct bench *bench)
{
    double take = 0, release = 0, malloc_floor = 0, free_floor = 0;
    uint64_t taken = 0, released = 0;
    if (!bench_wanted(bench, "store_extent_take") && !bench_wanted(bench, "store_extent_release"))
        return;
    struct world *world = calloc(1, sizeof(*world));
    if (world == NULL)
        return;
    reeve_prng_init(&world->prng, 1);
    reeve_slab_init(&world->slab, sizeof(struct reeve_extent));
    reeve_arena_init(&world->arena, &world->slab);
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        world->segments[i] = reeve_segment_create(&world->slab, i + 1, SEGMENT_UNITS, false);
        reeve_arena_add(&world->arena, world->segments[i]);
    }
    bool good = take_all(world, &take, &malloc_floor, &taken);
    take = malloc_floor = 0; /* until now it was not full */
    taken = 0;
    for (int i = 0; i < BATCHES && good; i++) {
        release_some(world, &release, &free_floor);
        released += BATCH;
        good = take_all(world, &take, &malloc_floor, &taken);
    }
    if (good) {
        bench_say(bench, "store_extent_take", take / (double)taken * 1e9, "ns",
            malloc_floor / (double)taken * 1e9);
        bench_say(bench, "store_extent_release", release / (double)released * 1e9, "ns",
            free_floor / (double)released * 1e9);
    } else {
        bench_wrong(
            bench, "store_extent_take", "a tenth of the store is free, but not in one piece");
    }
    world_free(world);
}
