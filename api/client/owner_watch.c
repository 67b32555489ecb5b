/* The owner core: telling whoever watches a future that it is ready, or a stream that it has an
 * item.
 *
 * A watch is an edge of the task like those to its dependents, so that a task without one costs
 * nothing more: where the dependent's index would stand, there is the number of the watch with
 * OWNER_WATCH set. A watched task is referred to until it is final, so it is not given away
 * meanwhile, and ends here.
 *
 * Those that wait for the next item of a stream are a list of their own, in the stream: they are
 * told when one comes, and when none will, because it has ended, or is another's to take. */
#include <reeve_errors.h>
#include <stdlib.h>

#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

#define WATCHES_KEPT 4096u /* memory for more is given back when there are none */

static int watch_make(struct reeve_owner *owner, uint32_t *ret_number)
{
    if (owner->watch_free == OWNER_NONE) {
        uint32_t capacity = owner->watch_capacity ? owner->watch_capacity * 2 : 64;
        struct owner_watch *watches = realloc(owner->watches, capacity * sizeof(*watches));
        if (watches == NULL)
            return REEVE_ENOMEM;
        for (uint32_t i = owner->watch_capacity; i < capacity; i++)
            watches[i].next = i + 1 < capacity ? i + 1 : OWNER_NONE;
        owner->watch_free = owner->watch_capacity;
        owner->watch_capacity = capacity;
        owner->watches = watches;
    }
    *ret_number = owner->watch_free;
    owner->watch_free = owner->watches[*ret_number].next;
    owner->watch_count++;
    return 0;
}

static struct reeve_owner_watch watch_take(struct reeve_owner *owner, uint32_t number)
{
    struct reeve_owner_watch told = owner->watches[number].told;
    owner->watches[number].next = owner->watch_free;
    owner->watch_free = number;
    if (--owner->watch_count == 0 && owner->watch_capacity > WATCHES_KEPT) {
        free(owner->watches);
        owner->watches = NULL;
        owner->watch_capacity = 0;
        owner->watch_free = OWNER_NONE;
    }
    return told;
}

int owner_watch_list(
    struct reeve_owner *owner, uint32_t *first, const struct reeve_owner_watch *watch)
{
    uint32_t number;
    /* so that telling cannot fail */
    if (reeve_fifo_reserve(&owner->watched, (size_t)owner->watch_count + 1) != 0)
        return REEVE_ENOMEM;
    if (first == NULL) {
        *(struct reeve_owner_watch *)reeve_fifo_push(&owner->watched) = *watch;
        return 0;
    }
    if (watch_make(owner, &number) != 0)
        return REEVE_ENOMEM;
    owner->watches[number] = (struct owner_watch){*watch, *first};
    *first = number;
    return 0;
}

void owner_watches_tell(struct reeve_owner *owner, uint32_t *first)
{
    while (REEVE_UNLIKELY(*first != OWNER_NONE)) {
        uint32_t number = *first;
        *first = owner->watches[number].next;
        owner_watch_tell(owner, number);
        owner->final_count++; /* somebody may be waiting for it */
    }
}

uint32_t owner_watches_count(const struct reeve_owner *owner, uint32_t first)
{
    uint32_t count = 0;
    for (; first != OWNER_NONE; first = owner->watches[first].next)
        count++;
    return count;
}

int reeve_owner_watch(
    struct reeve_owner *owner, reeve_task_id id, const struct reeve_owner_watch *watch)
{
    struct owner_task *task = owner_task_find(owner, id);
    uint32_t number;
    if (task == NULL)
        return REEVE_EHANDLE;
    if (reeve_task_state_is_final(task->state))
        return owner_watch_list(owner, NULL, watch);
    /* so that telling cannot fail */
    if (reeve_fifo_reserve(&owner->watched, (size_t)owner->watch_count + 1) != 0 ||
        watch_make(owner, &number) != 0)
        return REEVE_ENOMEM;
    owner->watches[number].told = *watch;
    if (owner_edge_add(owner, task, number | OWNER_WATCH) != 0) {
        (void)watch_take(owner, number);
        return REEVE_ENOMEM;
    }
    task->references++;
    return 0;
}

void owner_watch_tell(struct reeve_owner *owner, uint32_t dependent)
{
    struct reeve_owner_watch *told = reeve_fifo_push(&owner->watched);
    REEVE_ASSERT(told != NULL); /* there is room for all watches */
    *told = watch_take(owner, dependent & ~OWNER_WATCH);
}

bool reeve_owner_next_watched(struct reeve_owner *owner, struct reeve_owner_watch *ret)
{
    return reeve_fifo_pop(&owner->watched, ret);
}

uint32_t reeve_owner_watch_count(const struct reeve_owner *owner)
{
    return owner->watch_count;
}
