/*
 * Binary heap, intrusive: the smallest key comes first; equal keys come in the order in which they
 * were put in. A node knows its place, so it can be moved or removed wherever it is. The nodes are
 * the caller's memory.
 */
#ifndef REEVE_BASE_HEAP_H
#define REEVE_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reeve_heap_node {
    uint64_t key;
    uint64_t sequence; /* breaks ties */
    size_t place;      /* 1 + index in the heap; 0 when in none */
};

struct reeve_heap {
    struct reeve_heap_node **nodes;
    size_t count, capacity;
    uint64_t sequence;
};

void reeve_heap_init(struct reeve_heap *heap);
void reeve_heap_fini(struct reeve_heap *heap);

/* The node must be zeroed before its first use and in no heap. REEVE_OK or REEVE_ENOMEM. */
int reeve_heap_insert(struct reeve_heap *heap, struct reeve_heap_node *node, uint64_t key);

/* Gives a node that is in the heap a new key; among equals it is now the latest. Cannot fail. */
void reeve_heap_update(struct reeve_heap *heap, struct reeve_heap_node *node, uint64_t key);

/* No effect on a node that is in no heap. */
void reeve_heap_remove(struct reeve_heap *heap, struct reeve_heap_node *node);

/* The first node; NULL when empty. pop also removes it. */
struct reeve_heap_node *reeve_heap_peek(const struct reeve_heap *heap);
struct reeve_heap_node *reeve_heap_pop(struct reeve_heap *heap);

static inline bool reeve_heap_contains(const struct reeve_heap_node *node)
{
    return node->place != 0;
}

#endif
