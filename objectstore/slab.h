/* Records of one size, named by 32-bit numbers: half as large as pointers, and without what malloc
 * adds to each. A record does not move; it can be had by its number, and its number from it.
 *
 *     chunks   | 0 | 1 | - | 3 | ...        of a size that is a power of two, and aligned to it
 *                    │
 *                    ▼
 *     chunk    | head | record | record | (free) | ... | never used |
 *     number   chunk << shift | place in the chunk; the head is place 0, so 0 is nobody's number
 *
 * Chunks with room form a list; one that becomes empty is given back, unless it is the only one
 * with room. With the address sanitizer each record has a chunk of its own. */
#ifndef REEVE_OBJECTSTORE_SLAB_H
#define REEVE_OBJECTSTORE_SLAB_H

#include <stddef.h>
#include <stdint.h>

struct reeve_slab_chunk {
    uint32_t number;
    uint32_t used_count;
    uint32_t free_first;                  /* place; 0: none */
    uint32_t fresh;                       /* the first place that has never been used */
    struct reeve_slab_chunk *next, *prev; /* among those with room */
};

struct reeve_slab {
    void **chunks; /* struct reeve_slab_chunk *, or one more than the next vacant number */
    uint32_t chunk_count, chunk_capacity;
    uint32_t vacant;                /* 1 + a number without chunk; 0: none */
    uint32_t item_size, first, end; /* places of records: first … end - 1 */
    uint32_t shift, chunk_size;
    uint32_t reciprocal; /* 2^32 / item_size, rounded up: division by multiplication */
    uint32_t used_count;
    struct reeve_slab_chunk *with_room;
};

/* item_size is a multiple of 8. */
void reeve_slab_init(struct reeve_slab *slab, size_t item_size);
/* All records go with it. */
void reeve_slab_fini(struct reeve_slab *slab);

/* Zeroed. */
void *reeve_slab_take(struct reeve_slab *slab);
/* Its first four bytes are overwritten, the others stay as the caller has left them. */
void reeve_slab_give(struct reeve_slab *slab, void *item);
/* The number after this one (0: the first) that has ever been taken; 0 at the end. Its record may
 * have been given back: the caller must have marked it. Whoever walks by numbers meets each record
 * that lives meanwhile once, whatever else comes and goes. */
uint32_t reeve_slab_next(const struct reeve_slab *slab, uint32_t number);

/* NULL for 0. */
static inline void *reeve_slab_at(const struct reeve_slab *slab, uint32_t number)
{
    if (number == 0)
        return NULL;
    uint32_t place = number & ((1u << slab->shift) - 1);
    return (char *)slab->chunks[number >> slab->shift] + (size_t)place * slab->item_size;
}

/* 0 for NULL. */
static inline uint32_t reeve_slab_number(const struct reeve_slab *slab, const void *item)
{
    if (item == NULL)
        return 0;
    uintptr_t at = (uintptr_t)item & (slab->chunk_size - 1);
    const struct reeve_slab_chunk *chunk = (const void *)((const char *)item - at);
    return chunk->number << slab->shift | (uint32_t)((uint64_t)at * slab->reciprocal >> 32);
}

#endif
