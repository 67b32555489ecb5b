/*
 * Hash map from a 64-bit key to a pointer.
 *
 *     entries:  | k7 v | k2 v | (removed) | k9 v |    in order of insertion
 *     index:    | 0 | 4 | 0 | 1 | 0 | 2 | 0 | 0 |     entry number + 1; linear probing; 0 is free
 *
 * Walking goes through the entries, so its order is the order of insertion (a put over a present
 * key keeps its place): it depends neither on hashes nor on addresses, and decisions may rest on
 * it.
 */
#ifndef REEVE_BASE_MAP64_H
#define REEVE_BASE_MAP64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reeve_map64_entry {
    uint64_t key;
    void *value;
    uint64_t order : 63; /* later ones have more; kept when tables are rebuilt */
    uint64_t live : 1;
};

struct reeve_map64 {
    struct reeve_map64_entry *entries;
    uint32_t *index;
    uint32_t index_size; /* power of two, or 0 */
    uint32_t first;      /* entries before it are removed ones */
    uint32_t used;       /* entries in use, removed ones included */
    uint32_t count;      /* live entries */
};

void reeve_map64_init(struct reeve_map64 *map);

/* Frees the map's own memory; what the values point to is the caller's. */
void reeve_map64_fini(struct reeve_map64 *map);

/* The same, and the values, which are all from malloc. */
void reeve_map64_fini_values(struct reeve_map64 *map);

/* NULL when absent. */
void *reeve_map64_get(const struct reeve_map64 *map, uint64_t key);

/* value is not NULL. Replaces what was there, which goes to *old when old is not NULL (NULL when
 * new). REEVE_OK or REEVE_ENOMEM (then nothing has changed). */
int reeve_map64_put(struct reeve_map64 *map, uint64_t key, void *value, void **old);

/* The value that was removed; NULL when absent. Never allocates. */
void *reeve_map64_remove(struct reeve_map64 *map, uint64_t key);

/* Makes room, so that puts up to `count` live entries cannot fail while nothing is removed in
 * between. */
int reeve_map64_reserve(struct reeve_map64 *map, size_t count);

/*
 * Walks in order of insertion: `size_t at = 0; while (reeve_map64_next(&map, &at, &key, &value))`.
 * Removing any entry meanwhile is allowed; putting a new key is not. key and value may be NULL.
 */
bool reeve_map64_next(const struct reeve_map64 *map, size_t *at, uint64_t *key, void **value);

/* The same for a walk with pauses, in which anything may be put and removed: `*cursor` begins as 0.
 * What is there all the time is seen once; what comes or goes meanwhile may be seen or not. Costs a
 * binary search. */
bool reeve_map64_resume(const struct reeve_map64 *map, uint64_t *cursor, void **value);

static inline size_t reeve_map64_count(const struct reeve_map64 *map)
{
    return map->count;
}

#endif
