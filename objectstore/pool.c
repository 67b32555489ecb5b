/* Records of one size in aligned chunks; see pool.h for the layout. */
#include "objectstore/pool.h"

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

void reeve_pool_init(struct reeve_pool *pool, size_t item_size)
{
    REEVE_ASSERT(item_size >= 8 && item_size % 8 == 0 && item_size < 1024);
    memset(pool, 0, sizeof(*pool));
    pool->item_size = (uint32_t)item_size;
    pool->first = (uint32_t)((sizeof(struct reeve_pool_chunk) + item_size - 1) / item_size);
    pool->chunk_size = 64;
    while (pool->chunk_size < CHUNK_SIZE || pool->chunk_size < (pool->first + 1) * pool->item_size)
        pool->chunk_size *= 2;
    pool->end = pool->chunk_size / pool->item_size;
    while (1u << pool->shift < pool->end)
        pool->shift++;
    pool->reciprocal = (uint32_t)((1ull << 32) / item_size) + 1;
}

static bool is_chunk(const void *chunk)
{
    return ((uintptr_t)chunk & 1) == 0;
}

void reeve_pool_fini(struct reeve_pool *pool)
{
    for (uint32_t i = 0; i < pool->chunk_count; i++)
        if (is_chunk(pool->chunks[i]))
            free(pool->chunks[i]);
    free(pool->chunks);
    memset(pool, 0, sizeof(*pool));
}

/* --- chunks ----------------------------------------------------------------------------------- */

static void room_add(struct reeve_pool *pool, struct reeve_pool_chunk *chunk)
{
    chunk->prev = NULL;
    chunk->next = pool->with_room;
    if (chunk->next != NULL)
        chunk->next->prev = chunk;
    pool->with_room = chunk;
}

static void room_remove(struct reeve_pool *pool, struct reeve_pool_chunk *chunk)
{
    if (chunk->next != NULL)
        chunk->next->prev = chunk->prev;
    if (chunk->prev != NULL)
        chunk->prev->next = chunk->next;
    else
        pool->with_room = chunk->next;
}

/* A vacant number's slot holds the next one, marked by its lowest bit. */
static uint32_t number_take(struct reeve_pool *pool)
{
    if (pool->vacant != 0) {
        uint32_t number = pool->vacant - 1;
        pool->vacant = (uint32_t)((uintptr_t)pool->chunks[number] >> 1);
        return number;
    }
    if (pool->chunk_count == pool->chunk_capacity) {
        pool->chunk_capacity = REEVE_MAX(pool->chunk_capacity * 2, 16u);
        pool->chunks = realloc(pool->chunks, pool->chunk_capacity * sizeof(*pool->chunks));
        REEVE_ASSERT(pool->chunks != NULL);
    }
    return pool->chunk_count++;
}

static struct reeve_pool_chunk *chunk_add(struct reeve_pool *pool)
{
    struct reeve_pool_chunk *chunk = aligned_alloc(pool->chunk_size, pool->chunk_size);
    REEVE_ASSERT(chunk != NULL);
    *chunk = (struct reeve_pool_chunk){.number = number_take(pool), .fresh = pool->first};
    pool->chunks[chunk->number] = chunk;
    room_add(pool, chunk);
    return chunk;
}

static void chunk_remove(struct reeve_pool *pool, struct reeve_pool_chunk *chunk)
{
    room_remove(pool, chunk);
    pool->chunks[chunk->number] = (void *)((uintptr_t)pool->vacant << 1 | 1);
    pool->vacant = chunk->number + 1;
    free(chunk);
}

static bool is_full(const struct reeve_pool *pool, const struct reeve_pool_chunk *chunk)
{
    return chunk->free_first == 0 && chunk->fresh == pool->end;
}

/* --- records ---------------------------------------------------------------------------------- */

void *reeve_pool_take(struct reeve_pool *pool)
{
    struct reeve_pool_chunk *chunk = pool->with_room != NULL ? pool->with_room : chunk_add(pool);
    uint32_t place = chunk->free_first;
    if (place == 0)
        place = chunk->fresh++;
    char *item = (char *)chunk + (size_t)place * pool->item_size;
    if (place == chunk->free_first)
        memcpy(&chunk->free_first, item, sizeof(chunk->free_first));
    chunk->used_count++;
    pool->used_count++;
    if (is_full(pool, chunk))
        room_remove(pool, chunk);
    return memset(item, 0, pool->item_size);
}

void reeve_pool_give(struct reeve_pool *pool, void *item)
{
    uintptr_t at = (uintptr_t)item & (pool->chunk_size - 1);
    struct reeve_pool_chunk *chunk = (void *)((char *)item - at);
    REEVE_ASSERT(chunk->used_count > 0);
    if (is_full(pool, chunk))
        room_add(pool, chunk);
    memcpy(item, &chunk->free_first, sizeof(chunk->free_first));
    chunk->free_first = (uint32_t)((uint64_t)at * pool->reciprocal >> 32);
    chunk->used_count--;
    pool->used_count--;
    if (chunk->used_count == 0 && (chunk->next != NULL || chunk->prev != NULL))
        chunk_remove(pool, chunk);
}

uint32_t reeve_pool_next(const struct reeve_pool *pool, uint32_t number)
{
    uint32_t chunk = number >> pool->shift, place = number & ((1u << pool->shift) - 1);
    for (place = REEVE_MAX(place + 1, pool->first); chunk < pool->chunk_count; chunk++) {
        const struct reeve_pool_chunk *at = pool->chunks[chunk];
        if (is_chunk(at) && place < at->fresh)
            return chunk << pool->shift | place;
        place = pool->first;
    }
    return 0;
}
