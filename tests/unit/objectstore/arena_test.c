/* Extents: a random run against a map of bytes, reuse of what is warm, grains, and the time that a
 * take and a release need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "objectstore/arena.h"
#include "runtime/base/macros.h"
#include "runtime/base/prng.h"

#define MIB_UNITS ((1u << 20) >> REEVE_ARENA_UNIT_SHIFT)

static void assert_sound(const struct reeve_arena *arena)
{
    const char *wrong = reeve_arena_check(arena);
    if (wrong != NULL)
        fail_msg("%s", wrong);
}

static struct reeve_slab extents_slab;

static void arena_init(struct reeve_arena *arena)
{
    if (extents_slab.item_size == 0)
        reeve_slab_init(&extents_slab, sizeof(struct reeve_extent));
    reeve_arena_init(arena, &extents_slab);
}

static struct reeve_segment *add_segment(
    struct reeve_arena *arena, uint32_t id, uint32_t units, bool whole)
{
    struct reeve_segment *segment = reeve_segment_create(arena->extents, id, units, whole);
    reeve_arena_add(arena, segment);
    return segment;
}

static void drop_segment(struct reeve_segment *segment)
{
    reeve_arena_remove(segment);
    reeve_segment_free(segment);
}

static void test_latest_freed_is_taken_first(void **state)
{
    (void)state;
    struct reeve_arena arena;
    arena_init(&arena);
    struct reeve_segment *segment = add_segment(&arena, 1, 16 * MIB_UNITS, false);
    struct reeve_extent *extents[8];
    for (int i = 0; i < 8; i++)
        extents[i] = reeve_arena_take(&arena, 15627); /* a size in the middle of its bin */
    uint32_t second = extents[2]->offset, third = extents[5]->offset;
    reeve_arena_release(extents[2]);
    reeve_arena_release(extents[5]);
    extents[5] = reeve_arena_take(&arena, 15627);
    extents[2] = reeve_arena_take(&arena, 15627);
    assert_int_equal(extents[5]->offset, third);
    assert_int_equal(extents[2]->offset, second);
    assert_sound(&arena);
    for (int i = 0; i < 8; i++)
        reeve_arena_release(extents[i]);
    assert_int_equal(segment->extent_count, 1);
    assert_null(reeve_arena_take(&arena, 16 * MIB_UNITS + 1));
    struct reeve_extent *all = reeve_arena_take(&arena, 16 * MIB_UNITS);
    assert_non_null(all);
    reeve_arena_release(all);
    drop_segment(segment);
    reeve_arena_fini(&arena);
}

static void test_grains(void **state)
{
    (void)state;
    struct reeve_arena arena;
    arena_init(&arena);
    struct reeve_segment *segment = add_segment(&arena, 1, 10 * MIB_UNITS, false);
    struct reeve_extent *small = reeve_arena_take(&arena, 1);
    assert_int_equal(reeve_segment_cold(small), 65536);
    assert_int_equal(reeve_segment_touch(small), 65536);
    struct reeve_extent *large = reeve_arena_take(&arena, 1024 * 80); /* 80 grains, one unit off */
    assert_int_equal(reeve_segment_cold(large), 80 * 65536);
    assert_int_equal(reeve_segment_touch(large), 80 * 65536);
    assert_int_equal(reeve_segment_touch(large), 0);
    struct reeve_extent *next = reeve_arena_take(&arena, 1);
    assert_int_equal(reeve_segment_cold(next), 0); /* in the last grain of the large one */
    reeve_segment_touch(next);
    assert_sound(&arena);
    uint32_t bin = REEVE_ARENA_BIN_COUNT - 1, grain = 0, count = 0;
    reeve_arena_release(large);
    struct reeve_extent *free_extent = NULL;
    uint32_t punched = 0;
    while ((free_extent = reeve_arena_next_free(&arena, &bin, free_extent)) != NULL) {
        uint32_t from = 0;
        while (reeve_segment_find_warm(free_extent, from, 7, &grain, &count)) {
            reeve_segment_punch(segment, grain, count);
            assert_true(grain >= 1 && grain + count <= 80 && count <= 7);
            punched += count;
            from = grain + count;
        }
    }
    assert_int_equal(punched, 79); /* the first and the last are shared with what is still used */
    assert_int_equal(segment->touched_count, 2);
    assert_sound(&arena);
    reeve_arena_release(small);
    reeve_arena_release(next);
    drop_segment(segment);
    reeve_arena_fini(&arena);
}

static void test_split_and_shrink(void **state)
{
    (void)state;
    struct reeve_arena arena;
    arena_init(&arena);
    struct reeve_segment *segment = add_segment(&arena, 1, MIB_UNITS, false);
    struct reeve_extent *first = reeve_arena_take(&arena, 100);
    struct reeve_extent *second = reeve_arena_split(first, 30);
    assert_int_equal(first->units, 30);
    assert_int_equal(second->units, 70);
    reeve_arena_shrink(second, 10);
    assert_int_equal(segment->used_units, 40);
    assert_sound(&arena);
    reeve_arena_release(first);
    reeve_arena_release(second);
    struct reeve_segment *whole = add_segment(&arena, 2, MIB_UNITS, true);
    assert_int_equal(reeve_segment_take(whole, 500)->units, 500);
    struct reeve_extent *other = reeve_arena_take(&arena, MIB_UNITS);
    assert_ptr_equal(other->segment, segment); /* never what is behind the one object of another */
    assert_null(reeve_arena_take(&arena, 1));
    assert_sound(&arena);
    reeve_arena_release(other);
    reeve_arena_release(whole->first);
    drop_segment(whole);
    drop_segment(segment);
    reeve_arena_fini(&arena);
}

/* Every unit of every segment is marked with who has it: no two overlap, and what is free is
 * found. */
static void test_random(void **state)
{
    (void)state;
    enum { SEGMENTS = 3, HELD = 400 };
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct reeve_prng prng;
        reeve_prng_init(&prng, seed);
        struct reeve_arena arena;
        arena_init(&arena);
        struct reeve_segment *segments[SEGMENTS];
        uint16_t *marks[SEGMENTS];
        for (uint32_t i = 0; i < SEGMENTS; i++) {
            segments[i] = add_segment(&arena, i, MIB_UNITS, false);
            marks[i] = calloc(MIB_UNITS, sizeof(uint16_t));
        }
        struct reeve_extent *held[HELD] = {NULL};
        for (int step = 0; step < 4000; step++) {
            uint16_t at = (uint16_t)reeve_prng_below(&prng, HELD);
            if (held[at] == NULL) {
                uint32_t units = (uint32_t)reeve_prng_between(
                    &prng, 1, reeve_prng_chance(&prng, 1, 8) ? 4000 : 60);
                held[at] = reeve_arena_take(&arena, units);
                if (held[at] == NULL)
                    continue;
                assert_int_equal(held[at]->units, units);
                uint16_t *mark = marks[held[at]->segment->id] + held[at]->offset;
                for (uint32_t i = 0; i < units; i++) {
                    assert_int_equal(mark[i], 0);
                    mark[i] = (uint16_t)(at + 1);
                }
                reeve_segment_touch(held[at]);
            } else {
                uint16_t *mark = marks[held[at]->segment->id] + held[at]->offset;
                for (uint32_t i = 0; i < held[at]->units; i++) {
                    assert_int_equal(mark[i], at + 1);
                    mark[i] = 0;
                }
                reeve_arena_release(held[at]);
                held[at] = NULL;
            }
            if (step % 100 == 0)
                assert_sound(&arena);
        }
        for (int i = 0; i < HELD; i++)
            if (held[i] != NULL)
                reeve_arena_release(held[i]);
        assert_int_equal(arena.used_units, 0);
        assert_sound(&arena);
        for (int i = 0; i < SEGMENTS; i++) {
            assert_int_equal(segments[i]->extent_count, 1);
            drop_segment(segments[i]);
            free(marks[i]);
        }
        reeve_arena_fini(&arena);
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Prints the figure; the limit is generous, so that a busy machine or a sanitizer does not fail
 * it. */
static void test_speed(void **state)
{
    (void)state;
    enum { HELD = 20000, ROUNDS = 400000 };
    struct reeve_prng prng;
    reeve_prng_init(&prng, 7);
    struct reeve_arena arena;
    arena_init(&arena);
    struct reeve_segment *segment = add_segment(&arena, 1, 256 * MIB_UNITS, false);
    struct reeve_extent **held = calloc(HELD, sizeof(struct reeve_extent *));
    uint32_t *order = calloc(ROUNDS, sizeof(*order));
    for (uint32_t i = 0; i < ROUNDS; i++)
        order[i] = (uint32_t)reeve_prng_next(&prng);
    uint64_t start = now_ns(), operations = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct reeve_extent **slot = &held[order[i] % HELD];
        if (*slot != NULL) {
            reeve_arena_release(*slot);
            operations++;
        }
        *slot = reeve_arena_take(&arena, 1 + order[i] / HELD % 200);
        assert_non_null(*slot);
        operations++;
    }
    uint64_t each = (now_ns() - start) / operations;
    print_message(
        "           %lu ns for a take or release, %d extents alive\n", (unsigned long)each, HELD);
    assert_true(each < 5000);
    for (int i = 0; i < HELD; i++)
        if (held[i] != NULL)
            reeve_arena_release(held[i]);
    drop_segment(segment);
    reeve_arena_fini(&arena);
    free(held);
    free(order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latest_freed_is_taken_first),
        cmocka_unit_test(test_grains),
        cmocka_unit_test(test_split_and_shrink),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
