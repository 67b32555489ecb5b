/*
 * Doubly linked list, intrusive and circular. The head is a node of its own:
 *
 *     head <-> a.node <-> b.node <-> (head)
 *
 * A node outside any list points to itself (reeve_list_init, and after removal), so removing twice
 * is harmless and being linked can be asked. Nothing allocates; order is the order of insertion.
 */
#ifndef REEVE_BASE_LIST_H
#define REEVE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/macros.h"

struct reeve_list {
    struct reeve_list *next, *prev;
};

#define REEVE_LIST_ENTRY(node, type, member) REEVE_CONTAINER_OF(node, type, member)

/* The node being visited must not be removed: use REEVE_LIST_EACH_SAFE for that. */
#define REEVE_LIST_EACH(node, list) \
    for (struct reeve_list *node = (list)->next; node != (list); node = node->next)

/* The node being visited may be removed (no other). */
#define REEVE_LIST_EACH_SAFE(node, list)                                                    \
    for (struct reeve_list *node = (list)->next, *node##_next = node->next; node != (list); \
         node = node##_next, node##_next = node->next)

static inline void reeve_list_init(struct reeve_list *list)
{
    list->next = list->prev = list;
}

static inline bool reeve_list_is_empty(const struct reeve_list *list)
{
    return list->next == list;
}

static inline bool reeve_list_is_linked(const struct reeve_list *node)
{
    return node->next != node;
}

static inline void reeve_list_insert_after(struct reeve_list *position, struct reeve_list *node)
{
    node->prev = position;
    node->next = position->next;
    position->next->prev = node;
    position->next = node;
}

static inline void reeve_list_insert_before(struct reeve_list *position, struct reeve_list *node)
{
    reeve_list_insert_after(position->prev, node);
}

static inline void reeve_list_push_front(struct reeve_list *list, struct reeve_list *node)
{
    reeve_list_insert_after(list, node);
}

static inline void reeve_list_push_back(struct reeve_list *list, struct reeve_list *node)
{
    reeve_list_insert_after(list->prev, node);
}

static inline void reeve_list_remove(struct reeve_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    reeve_list_init(node);
}

/* NULL when empty. */
static inline struct reeve_list *reeve_list_first(const struct reeve_list *list)
{
    return reeve_list_is_empty(list) ? NULL : list->next;
}

static inline struct reeve_list *reeve_list_last(const struct reeve_list *list)
{
    return reeve_list_is_empty(list) ? NULL : list->prev;
}

static inline struct reeve_list *reeve_list_pop_front(struct reeve_list *list)
{
    struct reeve_list *node = reeve_list_first(list);
    if (node != NULL)
        reeve_list_remove(node);
    return node;
}

static inline struct reeve_list *reeve_list_pop_back(struct reeve_list *list)
{
    struct reeve_list *node = reeve_list_last(list);
    if (node != NULL)
        reeve_list_remove(node);
    return node;
}

/* Moves everything in `from` to the end of `list`; `from` is empty afterwards. */
static inline void reeve_list_splice_back(struct reeve_list *list, struct reeve_list *from)
{
    if (reeve_list_is_empty(from))
        return;
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    reeve_list_init(from);
}

/* Walks the list. */
static inline size_t reeve_list_count(const struct reeve_list *list)
{
    size_t count = 0;
    REEVE_LIST_EACH(node, list)
    count++;
    return count;
}

#endif
