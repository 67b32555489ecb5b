/* Binary heap with stable ties; see heap.h. */
#include "runtime/base/heap.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/errors.h"

void reeve_heap_init(struct reeve_heap *heap)
{
    memset(heap, 0, sizeof(*heap));
}

void reeve_heap_fini(struct reeve_heap *heap)
{
    free(heap->nodes);
    reeve_heap_init(heap);
}

static bool is_before(const struct reeve_heap_node *a, const struct reeve_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->sequence < b->sequence;
}

static void set(struct reeve_heap *heap, size_t index, struct reeve_heap_node *node)
{
    heap->nodes[index] = node;
    node->place = index + 1;
}

static void sift_up(struct reeve_heap *heap, size_t index)
{
    struct reeve_heap_node *node = heap->nodes[index];
    while (index > 0 && is_before(node, heap->nodes[(index - 1) / 2])) {
        set(heap, index, heap->nodes[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    set(heap, index, node);
}

static void sift_down(struct reeve_heap *heap, size_t index)
{
    struct reeve_heap_node *node = heap->nodes[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && is_before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!is_before(heap->nodes[child], node))
            break;
        set(heap, index, heap->nodes[child]);
        index = child;
    }
    set(heap, index, node);
}

int reeve_heap_insert(struct reeve_heap *heap, struct reeve_heap_node *node, uint64_t key)
{
    REEVE_ASSERT(node->place == 0);
    if (heap->count == heap->capacity) {
        size_t capacity = heap->capacity == 0 ? 16 : heap->capacity * 2;
        struct reeve_heap_node **nodes =
            realloc(heap->nodes, capacity * sizeof(struct reeve_heap_node *));
        if (nodes == NULL)
            return REEVE_ENOMEM;
        heap->nodes = nodes;
        heap->capacity = capacity;
    }
    node->key = key;
    node->sequence = heap->sequence++;
    set(heap, heap->count++, node);
    sift_up(heap, node->place - 1);
    return REEVE_OK;
}

void reeve_heap_update(struct reeve_heap *heap, struct reeve_heap_node *node, uint64_t key)
{
    REEVE_ASSERT(node->place != 0 && heap->nodes[node->place - 1] == node);
    node->key = key;
    node->sequence = heap->sequence++;
    sift_up(heap, node->place - 1);
    sift_down(heap, node->place - 1);
}

void reeve_heap_remove(struct reeve_heap *heap, struct reeve_heap_node *node)
{
    if (node->place == 0)
        return;
    size_t index = node->place - 1;
    REEVE_ASSERT(index < heap->count && heap->nodes[index] == node);
    struct reeve_heap_node *last = heap->nodes[--heap->count];
    node->place = 0;
    if (last == node)
        return;
    set(heap, index, last);
    sift_up(heap, index);
    sift_down(heap, last->place - 1);
}

struct reeve_heap_node *reeve_heap_peek(const struct reeve_heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[0];
}

struct reeve_heap_node *reeve_heap_pop(struct reeve_heap *heap)
{
    struct reeve_heap_node *node = reeve_heap_peek(heap);
    if (node != NULL)
        reeve_heap_remove(heap, node);
    return node;
}
