/* Hash map from a 64-bit key to a pointer; see map64.h for the layout. */
#include "runtime/base/map64.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/errors.h"

#define INDEX_SIZE_MIN 16u
#define INDEX_SIZE_MAX (1u << 31)

/* At most 3/4 of the index is in use, counting removed entries, so probes stay short and always
 * end. */
static uint32_t entries_capacity(uint32_t index_size)
{
    return index_size / 4 * 3;
}

static uint32_t hash(uint64_t key) /* the finalizer of splitmix64 */
{
    key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9ull;
    key = (key ^ (key >> 27)) * 0x94d049bb133111ebull;
    return (uint32_t)(key ^ (key >> 31));
}

void reeve_map64_init(struct reeve_map64 *map)
{
    memset(map, 0, sizeof(*map));
}

void reeve_map64_fini(struct reeve_map64 *map)
{
    free(map->entries);
    free(map->index);
    reeve_map64_init(map);
}

void reeve_map64_fini_values(struct reeve_map64 *map)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(map, &at, NULL, &value))
        free(value);
    reeve_map64_fini(map);
}

/* The slot of the key, or the free slot where its probing ends. */
static uint32_t find_slot(const struct reeve_map64 *map, uint64_t key)
{
    uint32_t mask = map->index_size - 1;
    uint32_t slot = hash(key) & mask;
    while (map->index[slot] != 0 && map->entries[map->index[slot] - 1].key != key)
        slot = (slot + 1) & mask;
    return slot;
}

/* Moves the live entries, in order, into tables of the new size. */
static int rebuild(struct reeve_map64 *map, uint32_t index_size)
{
    struct reeve_map64 next = {.index_size = index_size};
    next.entries = malloc(entries_capacity(index_size) * sizeof(*next.entries));
    next.index = calloc(index_size, sizeof(*next.index));
    if (next.entries == NULL || next.index == NULL) {
        free(next.entries);
        free(next.index);
        return REEVE_ENOMEM;
    }
    for (uint32_t i = map->first; i < map->used; i++) {
        if (!map->entries[i].live)
            continue;
        uint32_t slot = find_slot(&next, map->entries[i].key);
        next.entries[next.used++] = map->entries[i];
        next.index[slot] = next.used;
    }
    next.count = next.used;
    struct reeve_map64 old = *map;
    *map = next;
    reeve_map64_fini(&old);
    return REEVE_OK;
}

int reeve_map64_reserve(struct reeve_map64 *map, size_t count)
{
    size_t wanted = count > map->count ? count - map->count : 0;
    if (map->index_size != 0 && wanted <= entries_capacity(map->index_size) - map->used)
        return REEVE_OK;
    uint64_t index_size = INDEX_SIZE_MIN;
    while (entries_capacity((uint32_t)index_size) < count) {
        index_size *= 2;
        if (index_size > INDEX_SIZE_MAX)
            return REEVE_ENOMEM;
    }
    return rebuild(map, (uint32_t)index_size);
}

void *reeve_map64_get(const struct reeve_map64 *map, uint64_t key)
{
    if (map->count == 0)
        return NULL;
    uint32_t entry = map->index[find_slot(map, key)];
    return entry == 0 ? NULL : map->entries[entry - 1].value;
}

int reeve_map64_put(struct reeve_map64 *map, uint64_t key, void *value, void **old)
{
    REEVE_ASSERT(value != NULL);
    if (map->index_size != 0) {
        uint32_t entry = map->index[find_slot(map, key)];
        if (entry != 0) {
            if (old != NULL)
                *old = map->entries[entry - 1].value;
            map->entries[entry - 1].value = value;
            return REEVE_OK;
        }
    }
    if (map->index_size == 0 || map->used == entries_capacity(map->index_size)) {
        /* Twice the live ones: when many have been removed this compacts, or even shrinks,
         * instead of growing. */
        int error = reeve_map64_reserve(map, (size_t)map->count * 2 + 1);
        if (error != REEVE_OK)
            return error;
    }
    uint32_t slot = find_slot(map, key);
    uint64_t order = map->used > map->first ? map->entries[map->used - 1].order + 1 : 0;
    map->entries[map->used] =
        (struct reeve_map64_entry){.key = key, .value = value, .order = order, .live = 1};
    map->index[slot] = ++map->used;
    map->count++;
    if (old != NULL)
        *old = NULL;
    return REEVE_OK;
}

/* Frees a slot by moving later ones of the same run back, so that no marks for deleted slots are
 * needed. */
static void free_slot(struct reeve_map64 *map, uint32_t hole)
{
    uint32_t mask = map->index_size - 1;
    for (uint32_t slot = (hole + 1) & mask; map->index[slot] != 0; slot = (slot + 1) & mask) {
        uint32_t home = hash(map->entries[map->index[slot] - 1].key) & mask;
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            map->index[hole] = map->index[slot];
            hole = slot;
        }
    }
    map->index[hole] = 0;
}

void *reeve_map64_remove(struct reeve_map64 *map, uint64_t key)
{
    if (map->count == 0)
        return NULL;
    uint32_t slot = find_slot(map, key);
    uint32_t entry = map->index[slot];
    if (entry == 0)
        return NULL;
    free_slot(map, slot);
    map->entries[entry - 1].live = 0;
    map->count--;
    while (map->first < map->used && !map->entries[map->first].live)
        map->first++;
    while (map->used > map->first && !map->entries[map->used - 1].live)
        map->used--;
    if (map->count == 0)
        map->first = map->used = 0;
    return map->entries[entry - 1].value;
}

bool reeve_map64_next(const struct reeve_map64 *map, size_t *at, uint64_t *key, void **value)
{
    size_t i = *at < map->first ? map->first : *at;
    for (; i < map->used; i++) {
        if (!map->entries[i].live)
            continue;
        if (key != NULL)
            *key = map->entries[i].key;
        if (value != NULL)
            *value = map->entries[i].value;
        *at = i + 1;
        return true;
    }
    *at = i;
    return false;
}

bool reeve_map64_resume(const struct reeve_map64 *map, uint64_t *cursor, void **value)
{
    size_t low = map->first, high = map->used;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->entries[middle].order < *cursor)
            low = middle + 1;
        else
            high = middle;
    }
    if (!reeve_map64_next(map, &low, NULL, value))
        return false;
    *cursor = map->entries[low - 1].order + 1;
    return true;
}
