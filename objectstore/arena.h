/* Extents of segments: which bytes are taken and which are free. Knows nothing of objects or
 * clients, touches no shared memory.
 *
 *     arena (what one writer may write in)
 *       segment 7   | used 3 | free 2 | used 1 | free .............. | extents, by address
 *       segment 9   | free ......... | used 4 |
 *       bins        [2..] [..]  [9]      [24]                           free ones, by size
 *
 * Sizes and offsets are in units of 64 bytes. A bin holds the free extents of one range of sizes,
 * sixteen ranges to each power of two; a bitmap tells which bins are not empty. Taking looks at the
 * first few of the bin where the size itself belongs (so that what was freed last, and is warm, is
 * found again by an equal size), else takes the first of the next bin that has any: constant time.
 * A free extent is merged with its neighbours at once, and taken from its low end.
 *
 * Memory is real only where it has been touched, which a segment records in grains of 64 KiB:
 *
 *     extents   |  used  |      free      | used |          free           |
 *     grains    | 1  1  1  1 | 0  0 | 1  1 | 1  0  0  0  0  0  0  0  0  0  0 |
 *
 * `cold` is how much of an extent would be touched for the first time; `touch` records it;
 * `find_warm` finds runs of touched grains that lie wholly in a free extent, whose pages can be
 * given back; `punch` records that. */
#ifndef REEVE_OBJECTSTORE_ARENA_H
#define REEVE_OBJECTSTORE_ARENA_H

#include <stdbool.h>
#include <stdint.h>

#include "objectstore/slab.h"
#include "runtime/base/heap.h"
#include "runtime/base/list.h"

#define REEVE_ARENA_UNIT_SHIFT   6u
#define REEVE_ARENA_GRAIN_SHIFT  10u /* in units: 64 KiB */
#define REEVE_ARENA_BLOCK_GRAINS 32u /* what a large page maps: 2 MiB */
#define REEVE_ARENA_UNITS_MAX    ((1ull << 31) - (1u << REEVE_ARENA_GRAIN_SHIFT)) /* of a segment */
#define REEVE_ARENA_BIN_SHIFT    4u
#define REEVE_ARENA_BIN_COUNT    (32u << REEVE_ARENA_BIN_SHIFT)

/* 32 bytes, because there is one for each object: neighbours and bins are named by numbers in the
 * segment's slab of extents. */
struct reeve_extent {
    struct reeve_segment *segment;
    uint32_t offset : 31, is_free : 1;
    uint32_t units : 31, is_binned : 1;
    uint32_t before : 29, tag : 3; /* before: neighbour in the segment, 0 at its end; tag: used */
    uint32_t after;
    union {
        struct {
            uint32_t next, prev;
        } bin;        /* free */
        void *holder; /* used: the caller's, as is the tag */
    };
};

_Static_assert(sizeof(struct reeve_extent) == 32, "one for each object");

struct reeve_segment {
    uint32_t id;
    uint32_t serial; /* ids come back, serials do not */
    uint32_t units;
    uint32_t used_units;
    uint32_t extent_count;
    uint32_t touched_count; /* grains */
    bool whole;             /* one object only: its free extent is in no bin */
    bool is_made;           /* for the owner of the segments: it exists */
    bool is_reserve;        /* likewise: made and prepared before anybody needed it */
    struct reeve_arena *arena;
    struct reeve_slab *extents;
    struct reeve_extent *first;
    struct reeve_list link;          /* in its arena */
    struct reeve_heap_node deadline; /* the owner of the segments uses it for empty ones */
    struct reeve_list idle_link;     /* likewise */
    uint32_t grain_count;
    uint64_t touched[]; /* one bit a grain */
};

struct reeve_arena {
    struct reeve_list segments;
    struct reeve_slab *extents; /* of all its segments */
    uint64_t used_units;
    uint32_t bitmap_high; /* one bit for each word of bitmap that is not 0 */
    uint32_t bitmap[REEVE_ARENA_BIN_COUNT / 32];
    uint32_t bins[REEVE_ARENA_BIN_COUNT]; /* numbers of extents */
};

static inline uint32_t reeve_arena_units(uint64_t size_bytes)
{
    return (uint32_t)((size_bytes + 63) >> REEVE_ARENA_UNIT_SHIFT);
}

static inline uint64_t reeve_arena_bytes(uint64_t units)
{
    return units << REEVE_ARENA_UNIT_SHIFT;
}

static inline struct reeve_extent *reeve_extent_after(const struct reeve_extent *extent)
{
    return reeve_slab_at(extent->segment->extents, extent->after);
}

static inline struct reeve_extent *reeve_extent_before(const struct reeve_extent *extent)
{
    return reeve_slab_at(extent->segment->extents, extent->before);
}

/* `extents`, a slab of struct reeve_extent, is shared by all arenas between which segments move. */
void reeve_arena_init(struct reeve_arena *arena, struct reeve_slab *extents);
/* All its segments must have been removed. */
void reeve_arena_fini(struct reeve_arena *arena);

/* A segment is made empty and belongs to an arena until it is removed; only an empty one may be
 * freed. `whole`: it is for one object at a time, found by the caller and taken with
 * reeve_segment_take. */
struct reeve_segment *reeve_segment_create(
    struct reeve_slab *extents, uint32_t id, uint32_t units, bool whole);
void reeve_segment_free(struct reeve_segment *segment);
void reeve_arena_add(struct reeve_arena *arena, struct reeve_segment *segment);
void reeve_arena_remove(struct reeve_segment *segment);

/* NULL: there is no free extent of that size in the arena. The units are more than 0. */
struct reeve_extent *reeve_arena_take(struct reeve_arena *arena, uint32_t units);
/* Of an empty `whole` segment: its first units. */
struct reeve_extent *reeve_segment_take(struct reeve_segment *segment, uint32_t units);
void reeve_arena_release(struct reeve_extent *extent);
/* Gives back all but the first `units` of a used extent. */
void reeve_arena_shrink(struct reeve_extent *extent, uint32_t units);
/* Cuts a used extent in two; gives the second one, used as well. */
struct reeve_extent *reeve_arena_split(struct reeve_extent *extent, uint32_t units);

/* Bytes of the extent in grains not touched yet. */
uint64_t reeve_segment_cold(const struct reeve_extent *extent);
/* Records them as touched; gives how many bytes that were. */
uint64_t reeve_segment_touch(const struct reeve_extent *extent);
/* Takes what is cold of the first free extent that has any such grains, at most so many units, and
 * up to the end of a block if there is one among them; NULL: there is none. Not of a `whole`
 * segment. */
struct reeve_extent *reeve_segment_take_cold(struct reeve_segment *segment, uint32_t units_max);
/* Finds the first run of touched grains that lies wholly in the free extent, at or after
 * `grain_from`, of at most grain_max grains; false: there is none. */
bool reeve_segment_find_warm(const struct reeve_extent *extent, uint32_t grain_from,
    uint32_t grain_max, uint32_t *ret_grain, uint32_t *ret_count);
/* Takes these grains out of the free extent that they lie in. */
struct reeve_extent *reeve_segment_take_grains(
    struct reeve_extent *extent, uint32_t grain, uint32_t count);
/* Records them as not touched: their pages have been, or are being, given back. */
void reeve_segment_punch(struct reeve_segment *segment, uint32_t grain, uint32_t count);

/* The largest free extent that is in a bin at or below `bin`, then the others downwards: start with
 * REEVE_ARENA_BIN_COUNT - 1 and NULL; NULL at the end, or when what is left is too small to hold a
 * grain. */
struct reeve_extent *reeve_arena_next_free(
    const struct reeve_arena *arena, uint32_t *bin, struct reeve_extent *after);

/* Units of the largest free extent, to within a sixteenth. */
uint32_t reeve_arena_largest_free(const struct reeve_arena *arena);

/* NULL, or what is wrong. */
const char *reeve_arena_check(const struct reeve_arena *arena);

#endif
