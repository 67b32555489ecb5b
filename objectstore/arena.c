/* Extents of segments; see arena.h for the layout. */
#include "objectstore/arena.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

#define LOOKS_MAX   8u   /* in the bin where a size itself belongs */
#define LOOKS_LAST  256u /* and when no larger one has anything */
#define GRAIN_UNITS (1u << REEVE_ARENA_GRAIN_SHIFT)

/* --- bins ------------------------------------------------------------------------------------- */

static uint32_t bin_of(uint32_t units)
{
    if (units < 1u << REEVE_ARENA_BIN_SHIFT)
        return units;
    uint32_t top = 31u - (uint32_t)__builtin_clz(units);
    uint32_t range = top - REEVE_ARENA_BIN_SHIFT;
    return ((range + 1) << REEVE_ARENA_BIN_SHIFT) +
           ((units >> range) & ((1u << REEVE_ARENA_BIN_SHIFT) - 1));
}

static struct reeve_extent *extent_at(const struct reeve_arena *arena, uint32_t number)
{
    return reeve_slab_at(arena->extents, number);
}

static uint32_t number_of(const struct reeve_extent *extent)
{
    return reeve_slab_number(extent->segment->extents, extent);
}

static void bin_insert(struct reeve_arena *arena, struct reeve_extent *extent)
{
    if (extent->segment->whole)
        return;
    uint32_t bin = bin_of(extent->units), number = number_of(extent);
    extent->bin.prev = 0;
    extent->bin.next = arena->bins[bin];
    if (extent->bin.next != 0)
        extent_at(arena, extent->bin.next)->bin.prev = number;
    arena->bins[bin] = number;
    arena->bitmap[bin / 32] |= 1u << bin % 32;
    arena->bitmap_high |= 1u << bin / 32;
    extent->is_binned = true;
}

static void bin_remove(struct reeve_arena *arena, struct reeve_extent *extent)
{
    if (!extent->is_binned)
        return;
    uint32_t bin = bin_of(extent->units);
    if (extent->bin.next != 0)
        extent_at(arena, extent->bin.next)->bin.prev = extent->bin.prev;
    if (extent->bin.prev != 0) {
        extent_at(arena, extent->bin.prev)->bin.next = extent->bin.next;
    } else {
        arena->bins[bin] = extent->bin.next;
        if (arena->bins[bin] == 0) {
            arena->bitmap[bin / 32] &= ~(1u << bin % 32);
            if (arena->bitmap[bin / 32] == 0)
                arena->bitmap_high &= ~(1u << bin / 32);
        }
    }
    extent->is_binned = false;
}

/* The first bin at or above `bin` that has something; REEVE_ARENA_BIN_COUNT: none. */
static uint32_t bin_at_least(const struct reeve_arena *arena, uint32_t bin)
{
    if (bin >= REEVE_ARENA_BIN_COUNT)
        return REEVE_ARENA_BIN_COUNT;
    uint32_t word = bin / 32;
    uint32_t bits = arena->bitmap[word] & (~0u << bin % 32);
    if (bits == 0) {
        uint32_t words = word + 1 < 32 ? arena->bitmap_high & (~0u << (word + 1)) : 0;
        if (words == 0)
            return REEVE_ARENA_BIN_COUNT;
        word = (uint32_t)__builtin_ctz(words);
        bits = arena->bitmap[word];
    }
    return word * 32 + (uint32_t)__builtin_ctz(bits);
}

struct reeve_extent *reeve_arena_next_free(
    const struct reeve_arena *arena, uint32_t *bin, struct reeve_extent *after)
{
    if (after != NULL && after->bin.next != 0)
        return extent_at(arena, after->bin.next);
    uint32_t at = after != NULL ? *bin : *bin + 1;
    while (at > bin_of(GRAIN_UNITS)) {
        at--;
        uint32_t bits = arena->bitmap[at / 32] & (~0u >> (31 - at % 32));
        if (bits == 0) {
            at = at / 32 * 32;
            continue;
        }
        at = at / 32 * 32 + 31u - (uint32_t)__builtin_clz(bits);
        if (at < bin_of(GRAIN_UNITS))
            return NULL;
        *bin = at;
        return extent_at(arena, arena->bins[at]);
    }
    return NULL;
}

uint32_t reeve_arena_largest_free(const struct reeve_arena *arena)
{
    if (arena->bitmap_high == 0)
        return 0;
    uint32_t word = 31u - (uint32_t)__builtin_clz(arena->bitmap_high);
    uint32_t bin = word * 32 + 31u - (uint32_t)__builtin_clz(arena->bitmap[word]);
    return extent_at(arena, arena->bins[bin])->units;
}

/* --- segments --------------------------------------------------------------------------------- */

static struct reeve_extent *extent_create(
    struct reeve_segment *segment, uint32_t offset, uint32_t units)
{
    struct reeve_extent *extent = reeve_slab_take(segment->extents);
    extent->segment = segment;
    extent->offset = offset;
    extent->units = units;
    segment->extent_count++;
    return extent;
}

static void extent_free(struct reeve_extent *extent)
{
    extent->segment->extent_count--;
    reeve_slab_give(extent->segment->extents, extent);
}

struct reeve_segment *reeve_segment_create(
    struct reeve_slab *extents, uint32_t id, uint32_t units, bool whole)
{
    REEVE_ASSERT(units > 0 && units % GRAIN_UNITS == 0 && units <= REEVE_ARENA_UNITS_MAX);
    uint32_t grain_count = units >> REEVE_ARENA_GRAIN_SHIFT;
    struct reeve_segment *segment =
        calloc(1, sizeof(*segment) + (grain_count + 63) / 64 * sizeof(segment->touched[0]));
    REEVE_ASSERT(segment != NULL);
    segment->id = id;
    segment->units = units;
    segment->whole = whole;
    segment->extents = extents;
    segment->grain_count = grain_count;
    segment->first = extent_create(segment, 0, units);
    segment->first->is_free = true;
    reeve_list_init(&segment->link);
    reeve_list_init(&segment->idle_link);
    return segment;
}

void reeve_segment_free(struct reeve_segment *segment)
{
    REEVE_ASSERT(segment->used_units == 0 && segment->arena == NULL);
    extent_free(segment->first);
    free(segment);
}

void reeve_arena_init(struct reeve_arena *arena, struct reeve_slab *extents)
{
    memset(arena, 0, sizeof(*arena));
    arena->extents = extents;
    reeve_list_init(&arena->segments);
}

void reeve_arena_fini(struct reeve_arena *arena)
{
    REEVE_ASSERT(reeve_list_is_empty(&arena->segments));
}

void reeve_arena_add(struct reeve_arena *arena, struct reeve_segment *segment)
{
    REEVE_ASSERT(segment->arena == NULL && segment->extents == arena->extents);
    segment->arena = arena;
    arena->used_units += segment->used_units;
    reeve_list_push_back(&arena->segments, &segment->link);
    for (struct reeve_extent *extent = segment->first; extent != NULL;
         extent = reeve_extent_after(extent))
        if (extent->is_free)
            bin_insert(arena, extent);
}

void reeve_arena_remove(struct reeve_segment *segment)
{
    struct reeve_arena *arena = segment->arena;
    for (struct reeve_extent *extent = segment->first; extent != NULL;
         extent = reeve_extent_after(extent))
        if (extent->is_free)
            bin_remove(arena, extent);
    arena->used_units -= segment->used_units;
    segment->arena = NULL;
    reeve_list_remove(&segment->link);
}

/* --- taking and giving back ------------------------------------------------------------------- */

/* Cuts an extent in two; the second part is given, in no bin, of no kind yet. */
static struct reeve_extent *cut(struct reeve_extent *extent, uint32_t units)
{
    REEVE_ASSERT(units > 0 && units < extent->units);
    struct reeve_extent *rest =
        extent_create(extent->segment, extent->offset + units, extent->units - units);
    uint32_t number = number_of(rest);
    rest->before = number_of(extent);
    rest->after = extent->after;
    if (rest->after != 0)
        reeve_extent_after(rest)->before = number;
    extent->after = number;
    extent->units = units;
    return rest;
}

/* Makes one of two neighbours, neither in a bin. */
static void join(struct reeve_extent *extent, struct reeve_extent *next)
{
    extent->units += next->units;
    extent->after = next->after;
    if (next->after != 0)
        reeve_extent_after(next)->before = number_of(extent);
    extent_free(next);
}

static void count_used(struct reeve_segment *segment, uint32_t units)
{
    segment->used_units += units;
    segment->arena->used_units += units;
}

static void count_free(struct reeve_segment *segment, uint32_t units)
{
    segment->used_units -= units;
    segment->arena->used_units -= units;
}

static struct reeve_extent *take_from(struct reeve_extent *extent, uint32_t units)
{
    struct reeve_arena *arena = extent->segment->arena;
    bin_remove(arena, extent);
    if (extent->units > units) {
        struct reeve_extent *rest = cut(extent, units);
        rest->is_free = true;
        bin_insert(arena, rest);
    }
    extent->is_free = false;
    extent->holder = NULL;
    extent->tag = 0;
    count_used(extent->segment, units);
    return extent;
}

struct reeve_extent *reeve_arena_take(struct reeve_arena *arena, uint32_t units)
{
    REEVE_ASSERT(units > 0);
    uint32_t bin = bin_of(units);
    uint32_t number = arena->bins[bin], looks = 0;
    for (; number != 0 && looks < LOOKS_MAX; looks++) {
        struct reeve_extent *extent = extent_at(arena, number);
        if (extent->units >= units)
            return take_from(extent, units);
        number = extent->bin.next;
    }
    uint32_t larger = bin_at_least(arena, bin + 1);
    if (larger < REEVE_ARENA_BIN_COUNT)
        return take_from(extent_at(arena, arena->bins[larger]), units);
    for (; number != 0 && looks < LOOKS_LAST; looks++) { /* better slow than a new segment */
        struct reeve_extent *extent = extent_at(arena, number);
        if (extent->units >= units)
            return take_from(extent, units);
        number = extent->bin.next;
    }
    return NULL;
}

struct reeve_extent *reeve_segment_take(struct reeve_segment *segment, uint32_t units)
{
    REEVE_ASSERT(segment->whole && segment->used_units == 0 && units <= segment->units);
    return take_from(segment->first, units);
}

void reeve_arena_release(struct reeve_extent *extent)
{
    REEVE_ASSERT(!extent->is_free);
    struct reeve_arena *arena = extent->segment->arena;
    count_free(extent->segment, extent->units);
    extent->is_free = true;
    struct reeve_extent *next = reeve_extent_after(extent), *before = reeve_extent_before(extent);
    if (next != NULL && next->is_free) {
        bin_remove(arena, next);
        join(extent, next);
    }
    if (before != NULL && before->is_free) {
        bin_remove(arena, before);
        join(before, extent);
        extent = before;
    }
    bin_insert(arena, extent);
}

struct reeve_extent *reeve_arena_split(struct reeve_extent *extent, uint32_t units)
{
    REEVE_ASSERT(!extent->is_free);
    return cut(extent, units); /* zeroed: used, without a holder */
}

void reeve_arena_shrink(struct reeve_extent *extent, uint32_t units)
{
    if (units < extent->units)
        reeve_arena_release(reeve_arena_split(extent, units));
}

/* --- grains ----------------------------------------------------------------------------------- */

static bool is_touched(const struct reeve_segment *segment, uint32_t grain)
{
    return segment->touched[grain / 64] >> grain % 64 & 1;
}

/* The bits of word `word` that belong to grains first … last. */
static uint64_t word_mask(uint32_t word, uint32_t first, uint32_t last)
{
    uint64_t mask = ~0ull;
    if (word == first / 64)
        mask &= ~0ull << first % 64;
    if (word == last / 64)
        mask &= ~0ull >> (63 - last % 64);
    return mask;
}

/* Ours, because the compiler's becomes a call into its library on plain x86-64. */
static uint32_t count_bits(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555ull;
    bits = (bits & 0x3333333333333333ull) + (bits >> 2 & 0x3333333333333333ull);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0full;
    return (uint32_t)(bits * 0x0101010101010101ull >> 56);
}

static uint64_t count_cold(const struct reeve_extent *extent, bool touch)
{
    struct reeve_segment *segment = extent->segment;
    uint32_t first = extent->offset >> REEVE_ARENA_GRAIN_SHIFT;
    uint32_t last = (extent->offset + extent->units - 1) >> REEVE_ARENA_GRAIN_SHIFT;
    uint32_t count = 0;
    for (uint32_t word = first / 64; word <= last / 64; word++) {
        uint64_t cold = word_mask(word, first, last) & ~segment->touched[word];
        count += count_bits(cold);
        if (touch)
            segment->touched[word] |= cold;
    }
    if (touch)
        segment->touched_count += count;
    return (uint64_t)count * GRAIN_UNITS << REEVE_ARENA_UNIT_SHIFT;
}

uint64_t reeve_segment_cold(const struct reeve_extent *extent)
{
    return count_cold(extent, false);
}

uint64_t reeve_segment_touch(const struct reeve_extent *extent)
{
    return count_cold(extent, true);
}

bool reeve_segment_find_warm(const struct reeve_extent *extent, uint32_t grain_from,
    uint32_t grain_max, uint32_t *ret_grain, uint32_t *ret_count)
{
    REEVE_ASSERT(extent->is_free);
    const struct reeve_segment *segment = extent->segment;
    uint32_t grain = (extent->offset + GRAIN_UNITS - 1) >> REEVE_ARENA_GRAIN_SHIFT;
    uint32_t end =
        (uint32_t)(((uint64_t)extent->offset + extent->units) >> REEVE_ARENA_GRAIN_SHIFT);
    if (grain < grain_from)
        grain = grain_from;
    while (grain < end && !is_touched(segment, grain)) {
        uint64_t bits = segment->touched[grain / 64] >> grain % 64; /* skips a word at a time */
        grain += bits != 0 ? (uint32_t)__builtin_ctzll(bits) : 64 - grain % 64;
    }
    uint32_t count = 0;
    while (grain + count < end && count < grain_max && is_touched(segment, grain + count))
        count++;
    *ret_grain = grain;
    *ret_count = count;
    return grain < end && count > 0;
}

void reeve_segment_punch(struct reeve_segment *segment, uint32_t grain, uint32_t count)
{
    for (uint32_t at = grain; at < grain + count; at++) {
        REEVE_ASSERT(is_touched(segment, at));
        segment->touched[at / 64] &= ~(1ull << at % 64);
    }
    segment->touched_count -= count;
}

/* The first run of cold grains that lies wholly in the extent. */
static bool find_cold(
    const struct reeve_extent *extent, uint32_t count_max, uint32_t *ret_grain, uint32_t *ret_count)
{
    const struct reeve_segment *segment = extent->segment;
    uint32_t grain = (extent->offset + GRAIN_UNITS - 1) >> REEVE_ARENA_GRAIN_SHIFT;
    uint32_t end = (extent->offset + extent->units) >> REEVE_ARENA_GRAIN_SHIFT, count = 0;
    while (grain < end && is_touched(segment, grain)) {
        uint64_t bits = ~segment->touched[grain / 64] >> grain % 64; /* skips a word at a time */
        grain += bits != 0 ? (uint32_t)__builtin_ctzll(bits) : 64 - grain % 64;
    }
    while (grain + count < end && count < count_max && !is_touched(segment, grain + count))
        count++;
    *ret_grain = grain;
    *ret_count = count;
    return grain < end && count > 0;
}

struct reeve_extent *reeve_segment_take_grains(
    struct reeve_extent *extent, uint32_t grain, uint32_t count)
{
    struct reeve_arena *arena = extent->segment->arena;
    uint32_t offset = grain << REEVE_ARENA_GRAIN_SHIFT;
    REEVE_ASSERT(extent->is_free && offset >= extent->offset);
    bin_remove(arena, extent);
    if (offset > extent->offset) {
        struct reeve_extent *rest = cut(extent, offset - extent->offset);
        bin_insert(arena, extent);
        extent = rest;
    }
    return take_from(extent, count << REEVE_ARENA_GRAIN_SHIFT);
}

struct reeve_extent *reeve_segment_take_cold(struct reeve_segment *segment, uint32_t units_max)
{
    uint32_t grain, count, count_max = REEVE_MAX(units_max >> REEVE_ARENA_GRAIN_SHIFT, 1u);
    REEVE_ASSERT(!segment->whole);
    struct reeve_extent *extent = segment->first;
    while (extent != NULL && (!extent->is_free || !find_cold(extent, count_max, &grain, &count)))
        extent = reeve_extent_after(extent);
    if (extent == NULL)
        return NULL;
    uint32_t beyond = (grain + count) % REEVE_ARENA_BLOCK_GRAINS;
    return reeve_segment_take_grains(extent, grain, beyond < count ? count - beyond : count);
}

/* --- audit ------------------------------------------------------------------------------------ */

#define CHECK(condition)       \
    do {                       \
        if (!(condition))      \
            return #condition; \
    } while (0)

static const char *check_segment(const struct reeve_segment *segment)
{
    uint32_t offset = 0, used = 0, count = 0, touched = 0;
    const struct reeve_extent *before = NULL;
    for (const struct reeve_extent *extent = segment->first; extent != NULL;
         extent = reeve_extent_after(extent)) {
        CHECK(extent->segment == segment);
        CHECK(extent->offset == offset && extent->units > 0);
        CHECK(reeve_extent_before(extent) == before);
        CHECK(before == NULL || !before->is_free || !extent->is_free);
        CHECK(extent->is_binned == (extent->is_free && !segment->whole));
        if (!extent->is_free) {
            used += extent->units;
            CHECK(reeve_segment_cold(extent) == 0 || extent->holder == NULL);
        }
        offset += extent->units;
        count++;
        before = extent;
    }
    for (uint32_t grain = 0; grain < segment->grain_count; grain++)
        touched += is_touched(segment, grain);
    CHECK(offset == segment->units && used == segment->used_units);
    CHECK(count == segment->extent_count && touched == segment->touched_count);
    return NULL;
}

const char *reeve_arena_check(const struct reeve_arena *arena)
{
    uint64_t used = 0, free_count = 0, binned_count = 0;
    REEVE_LIST_EACH(node, &arena->segments)
    {
        const struct reeve_segment *segment = REEVE_LIST_ENTRY(node, struct reeve_segment, link);
        CHECK(segment->arena == arena);
        const char *wrong = check_segment(segment);
        if (wrong != NULL)
            return wrong;
        used += segment->used_units;
        for (const struct reeve_extent *extent = segment->first; extent != NULL;
             extent = reeve_extent_after(extent))
            free_count += extent->is_binned;
    }
    CHECK(used == arena->used_units);
    for (uint32_t bin = 0; bin < REEVE_ARENA_BIN_COUNT; bin++) {
        CHECK((arena->bitmap[bin / 32] >> bin % 32 & 1) == (arena->bins[bin] != 0));
        for (uint32_t number = arena->bins[bin], before = 0; number != 0;) {
            const struct reeve_extent *extent = extent_at(arena, number);
            CHECK(extent->is_binned && bin_of(extent->units) == bin);
            CHECK(extent->bin.prev == before);
            binned_count++;
            before = number;
            number = extent->bin.next;
        }
    }
    CHECK(free_count == binned_count);
    return NULL;
}
