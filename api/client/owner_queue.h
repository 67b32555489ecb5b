/* Queues of tasks, linked by index: those of a class that wait to be sent, and what is in flight on
 * a lease. A task is in one of them at most. */
#ifndef REEVE_CLIENT_OWNER_QUEUE_H
#define REEVE_CLIENT_OWNER_QUEUE_H

#include "api/client/owner_internal.h"

/* At the end. */
static inline void owner_queue_push(
    struct reeve_owner *owner, struct owner_queue *queue, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    task->next = OWNER_NONE;
    task->previous = queue->last;
    if (queue->last != OWNER_NONE)
        owner_task_at(owner, queue->last)->next = index;
    else
        queue->first = index;
    queue->last = index;
    queue->count++;
}

/* Before that one; OWNER_NONE: at the end. */
static inline void owner_queue_insert(
    struct reeve_owner *owner, struct owner_queue *queue, uint32_t index, uint32_t before)
{
    struct owner_task *task = owner_task_at(owner, index);
    task->next = before;
    task->previous = before != OWNER_NONE ? owner_task_at(owner, before)->previous : queue->last;
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

static inline void owner_queue_remove(
    struct reeve_owner *owner, struct owner_queue *queue, uint32_t index)
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

/* A task leaves the queue of its class. */
static inline void owner_task_unlink(
    struct reeve_owner *owner, struct owner_class *class, uint32_t index)
{
    owner_queue_remove(owner, &class->queued, index);
    if (class->returned == index)
        class->returned = OWNER_NONE;
}

#endif
