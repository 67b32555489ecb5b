/* Records of one size in aligned chunks; see slab.h for the layout. */
#include "objectstore/slab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

#ifdef __SANITIZE_ADDRESS__
#define CHUNK_SIZE 1u /* so that every record is known to the sanitizer */
#else
#define CHUNK_SIZE (16u << 10)
#endif
/* malloc puts so much before what it gives: with that at its end a chunk lies close to the next
 * one, else the next multiple of its size is the one after that. */
#define MALLOC_SIZE 16u

void reeve_slab_init(struct reeve_slab *slab, size_t item_size)
{
    REEVE_ASSERT(item_size >= 8 && item_size % 8 == 0 && item_size < 1024);
    memset(slab, 0, sizeof(*slab));
    slab->item_size = (uint32_t)item_size;
    slab->first = (uint32_t)((sizeof(struct reeve_slab_chunk) + item_size - 1) / item_size);
    slab->chunk_size = 64;
    while (slab->chunk_size < CHUNK_SIZE ||
           slab->chunk_size - MALLOC_SIZE < (slab->first + 1) * slab->item_size)
        slab->chunk_size *= 2;
    slab->end = (slab->chunk_size - MALLOC_SIZE) / slab->item_size;
    while (1u << slab->shift < slab->end)
        slab->shift++;
    slab->reciprocal = (uint32_t)((1ull << 32) / item_size) + 1;
}

static bool is_chunk(const void *chunk)
{
    return ((uintptr_t)chunk & 1) == 0;
}

void reeve_slab_fini(struct reeve_slab *slab)
{
    for (uint32_t i = 0; i < slab->chunk_count; i++)
        if (is_chunk(slab->chunks[i]))
            free(slab->chunks[i]);
    free(slab->chunks);
    memset(slab, 0, sizeof(*slab));
}

/* --- chunks ----------------------------------------------------------------------------------- */

static void room_add(struct reeve_slab *slab, struct reeve_slab_chunk *chunk)
{
    chunk->prev = NULL;
    chunk->next = slab->with_room;
    if (chunk->next != NULL)
        chunk->next->prev = chunk;
    slab->with_room = chunk;
}

static void room_remove(struct reeve_slab *slab, struct reeve_slab_chunk *chunk)
{
    if (chunk->next != NULL)
        chunk->next->prev = chunk->prev;
    if (chunk->prev != NULL)
        chunk->prev->next = chunk->next;
    else
        slab->with_room = chunk->next;
}

/* A vacant number's slot holds the next one, marked by its lowest bit. */
static uint32_t number_take(struct reeve_slab *slab)
{
    if (slab->vacant != 0) {
        uint32_t number = slab->vacant - 1;
        slab->vacant = (uint32_t)((uintptr_t)slab->chunks[number] >> 1);
        return number;
    }
    if (slab->chunk_count == slab->chunk_capacity) {
        slab->chunk_capacity = REEVE_MAX(slab->chunk_capacity * 2, 16u);
        slab->chunks = realloc(slab->chunks, slab->chunk_capacity * sizeof(*slab->chunks));
        REEVE_ASSERT(slab->chunks != NULL);
    }
    return slab->chunk_count++;
}

static struct reeve_slab_chunk *chunk_add(struct reeve_slab *slab)
{
    void *memory = NULL; /* aligned_alloc would have the size be a multiple */
    int error = posix_memalign(&memory, slab->chunk_size, slab->chunk_size - MALLOC_SIZE);
    REEVE_ASSERT(error == 0);
    struct reeve_slab_chunk *chunk = memory;
    *chunk = (struct reeve_slab_chunk){.number = number_take(slab), .fresh = slab->first};
    slab->chunks[chunk->number] = chunk;
    room_add(slab, chunk);
    return chunk;
}

static void chunk_remove(struct reeve_slab *slab, struct reeve_slab_chunk *chunk)
{
    room_remove(slab, chunk);
    slab->chunks[chunk->number] = (void *)((uintptr_t)slab->vacant << 1 | 1);
    slab->vacant = chunk->number + 1;
    free(chunk);
}

static bool is_full(const struct reeve_slab *slab, const struct reeve_slab_chunk *chunk)
{
    return chunk->free_first == 0 && chunk->fresh == slab->end;
}

/* --- records ---------------------------------------------------------------------------------- */

void *reeve_slab_take(struct reeve_slab *slab)
{
    struct reeve_slab_chunk *chunk = slab->with_room != NULL ? slab->with_room : chunk_add(slab);
    uint32_t place = chunk->free_first;
    if (place == 0)
        place = chunk->fresh++;
    char *item = (char *)chunk + (size_t)place * slab->item_size;
    if (place == chunk->free_first)
        memcpy(&chunk->free_first, item, sizeof(chunk->free_first));
    chunk->used_count++;
    slab->used_count++;
    if (is_full(slab, chunk))
        room_remove(slab, chunk);
    return memset(item, 0, slab->item_size);
}

void reeve_slab_give(struct reeve_slab *slab, void *item)
{
    uintptr_t at = (uintptr_t)item & (slab->chunk_size - 1);
    struct reeve_slab_chunk *chunk = (void *)((char *)item - at);
    REEVE_ASSERT(chunk->used_count > 0);
    if (is_full(slab, chunk))
        room_add(slab, chunk);
    memcpy(item, &chunk->free_first, sizeof(chunk->free_first));
    chunk->free_first = (uint32_t)((uint64_t)at * slab->reciprocal >> 32);
    chunk->used_count--;
    slab->used_count--;
    if (chunk->used_count == 0 && (chunk->next != NULL || chunk->prev != NULL))
        chunk_remove(slab, chunk);
}

uint32_t reeve_slab_next(const struct reeve_slab *slab, uint32_t number)
{
    uint32_t chunk = number >> slab->shift, place = number & ((1u << slab->shift) - 1);
    for (place = REEVE_MAX(place + 1, slab->first); chunk < slab->chunk_count; chunk++) {
        const struct reeve_slab_chunk *at = slab->chunks[chunk];
        if (is_chunk(at) && place < at->fresh)
            return chunk << slab->shift | place;
        place = slab->first;
    }
    return 0;
}
