/* The owner core's memory: pages of tasks, edges between them, queues linked by index. No
 * decisions here. */
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

struct owner_task *owner_task_at(const struct reeve_owner *owner, uint32_t index)
{
    return &owner->pages[index >> OWNER_PAGE_SHIFT][index & (OWNER_PAGE_TASKS - 1)];
}

uint32_t owner_task_index(reeve_task_id id)
{
    return (uint32_t)id;
}

reeve_task_id owner_task_id(const struct owner_task *task, uint32_t index)
{
    return (uint64_t)task->generation << 32 | index;
}

struct owner_task *owner_task_find(const struct reeve_owner *owner, reeve_task_id id)
{
    uint32_t index = owner_task_index(id);
    if (index >= owner->task_end)
        return NULL;
    struct owner_task *task = owner_task_at(owner, index);
    if (task->generation != (uint32_t)(id >> 32) || task->state == REEVE_TASK_FREE)
        return NULL;
    return task;
}

static int page_add(struct reeve_owner *owner)
{
    struct owner_task **pages =
        realloc(owner->pages, (owner->page_count + 1) * sizeof(struct owner_task *));
    if (pages == NULL)
        return REEVE_ENOMEM;
    owner->pages = pages;
    struct owner_task *page = calloc(OWNER_PAGE_TASKS, sizeof(struct owner_task));
    if (page == NULL)
        return REEVE_ENOMEM;
    pages[owner->page_count++] = page;
    return 0;
}

int owner_task_make(struct reeve_owner *owner, uint32_t *ret_index)
{
    uint32_t index = owner->task_free;
    if (index != OWNER_NONE) {
        owner->task_free = owner_task_at(owner, index)->next;
    } else {
        if (owner->task_end == OWNER_NONE)
            return REEVE_ENOMEM;
        if (owner->task_end >> OWNER_PAGE_SHIFT >= owner->page_count && page_add(owner) != 0)
            return REEVE_ENOMEM;
        index = owner->task_end++;
    }
    struct owner_task *task = owner_task_at(owner, index);
    uint32_t generation =
        task->generation != 0 ? task->generation + 1 : owner->settings.generation_first;
    generation &= INT32_MAX; /* the id's highest bit marks futures that were born failed */
    memset(task, 0, offsetof(struct owner_task, bytes));
    task->generation = generation != 0 ? generation : 1; /* so that no id is 0 */
    task->next = task->previous = OWNER_NONE;
    task->lease_index = OWNER_NONE;
    task->edges = OWNER_NONE;
    owner->task_count++;
    *ret_index = index;
    return 0;
}

const uint8_t *owner_task_bytes(const struct owner_task *task)
{
    return task->size > OWNER_SMALL_SIZE ? task->bytes.large : task->bytes.small;
}

int owner_task_store(struct owner_task *task, const void *bytes, uint32_t size)
{
    if (size > OWNER_SMALL_SIZE) {
        uint8_t *large = malloc(size);
        if (large == NULL)
            return REEVE_ENOMEM;
        memcpy(large, bytes, size);
        task->bytes.large = large;
    } else if (size != 0) {
        memcpy(task->bytes.small, bytes, size);
    }
    task->size = size;
    return 0;
}

void owner_task_clear(struct owner_task *task)
{
    if (task->size > OWNER_SMALL_SIZE)
        free(task->bytes.large);
    task->size = 0;
    if (REEVE_UNLIKELY(task->splices != NULL)) {
        free(task->splices);
        task->splices = NULL;
    }
}

void owner_task_unref(struct reeve_owner *owner, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    REEVE_ASSERT(task->references > 0);
    if (--task->references != 0)
        return;
    REEVE_ASSERT(reeve_task_state_is_final(task->state) && task->edges == OWNER_NONE);
    if (task->flags & OWNER_RESULT_OBJECT)
        owner_command(owner, REEVE_OWNER_FREE_OBJECT)->object = task->bytes.object;
    else
        owner_task_clear(task);
    task->state = REEVE_TASK_FREE;
    task->next = owner->task_free;
    owner->task_free = index;
    owner->task_count--;
}

int owner_edge_add(struct reeve_owner *owner, struct owner_task *from, uint32_t dependent)
{
    if (owner->edge_free == OWNER_NONE) {
        uint32_t capacity = owner->edge_capacity ? owner->edge_capacity * 2 : 64;
        struct owner_edge *edges = realloc(owner->edges, capacity * sizeof(struct owner_edge));
        if (edges == NULL)
            return REEVE_ENOMEM;
        for (uint32_t i = owner->edge_capacity; i < capacity; i++)
            edges[i].next = i + 1 < capacity ? i + 1 : OWNER_NONE;
        owner->edge_free = owner->edge_capacity;
        owner->edge_capacity = capacity;
        owner->edges = edges;
    }
    uint32_t edge = owner->edge_free;
    owner->edge_free = owner->edges[edge].next;
    owner->edges[edge] = (struct owner_edge){.dependent = dependent, .next = from->edges};
    from->edges = edge;
    return 0;
}

uint32_t owner_edge_pop(struct reeve_owner *owner, struct owner_task *from)
{
    uint32_t edge = from->edges;
    if (edge == OWNER_NONE)
        return OWNER_NONE;
    from->edges = owner->edges[edge].next;
    owner->edges[edge].next = owner->edge_free;
    owner->edge_free = edge;
    return owner->edges[edge].dependent;
}

void owner_queue_push(
    struct reeve_owner *owner, struct owner_queue *queue, uint32_t index, bool front)
{
    struct owner_task *task = owner_task_at(owner, index);
    task->next = front ? queue->first : OWNER_NONE;
    task->previous = front ? OWNER_NONE : queue->last;
    if (task->next != OWNER_NONE)
        owner_task_at(owner, task->next)->previous = index;
    else
        queue->last = index;
    if (task->previous != OWNER_NONE)
        owner_task_at(owner, task->previous)->next = index;
    else
        queue->first = index;
    queue->count++;
}

void owner_queue_remove(struct reeve_owner *owner, struct owner_queue *queue, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    if (task->next != OWNER_NONE)
        owner_task_at(owner, task->next)->previous = task->previous;
    else
        queue->last = task->previous;
    if (task->previous != OWNER_NONE)
        owner_task_at(owner, task->previous)->next = task->next;
    else
        queue->first = task->next;
    task->next = task->previous = OWNER_NONE;
    queue->count--;
}

struct reeve_owner_command *owner_command(
    struct reeve_owner *owner, enum reeve_owner_command_kind kind)
{
    struct reeve_owner_command *command = reeve_fifo_push(&owner->commands);
    REEVE_ASSERT(
        command !=
        NULL); /* a command is a promise already made: without memory for it there is no going on */
    command->kind = kind;
    return command;
}
