/* The owner core: tasks that wait to be sent, in the queue of their class. */
#include "api/client/owner_queue.h"
#include "runtime/base/macros.h"

static inline void task_queued(
    struct reeve_owner *owner, uint64_t now_ns, uint32_t index, uint32_t before)
{
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_class *class = owner->classes[task->class_index];
    if (REEVE_UNLIKELY(task->splice_count != 0))
        owner_reading_end(owner, task);
    if (REEVE_UNLIKELY(task->flags & OWNER_KEPT)) {
        task->state = REEVE_TASK_WAITING;
        owner_class_work_changed(owner, now_ns, class);
        return;
    }
    task->state = REEVE_TASK_QUEUED;
    if (before == OWNER_NONE)
        owner_queue_push(owner, &class->queued, index);
    else
        owner_queue_insert(owner, &class->queued, index, before);
    class->unfinished++;
    owner_class_work_changed(owner, now_ns, class);
}

/* Into the queue of its ordered class, in its turn, whether or not it waits for something. */
void owner_task_queue_ordered(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    bool waits = task->unresolved != 0;
    owner_task_is_ready(task, now_ns);
    task->sequence = ++owner->sequence;
    task_queued(owner, now_ns, index, OWNER_NONE);
    if (!waits)
        return;
    task->state = REEVE_TASK_WAITING;
    owner_ready_update(owner, owner->classes[task->class_index]);
}

void owner_task_queue(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_class *class = owner->classes[task->class_index];
    owner_task_is_ready(task, now_ns);
    if (REEVE_UNLIKELY(owner_class_is_ordered(class))) { /* it has its place */
        task->state = REEVE_TASK_QUEUED;
        owner_class_work_changed(owner, now_ns, class);
        return;
    }
    task->sequence = ++owner->sequence;
    task_queued(owner, now_ns, index, OWNER_NONE);
}

/* Those taken back from one lease come one after the other, the latest first, so the place is found
 * in a few steps from that of the one before. */
void owner_task_requeue(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    const struct owner_task *task = owner_task_at(owner, index);
    struct owner_class *class = owner->classes[task->class_index];
    uint32_t before = class->returned != OWNER_NONE ? class->returned : class->queued.first;
    while (before != OWNER_NONE && owner_task_at(owner, before)->sequence < task->sequence)
        before = owner_task_at(owner, before)->next;
    for (;;) {
        uint32_t previous =
            before != OWNER_NONE ? owner_task_at(owner, before)->previous : class->queued.last;
        if (previous == OWNER_NONE || owner_task_at(owner, previous)->sequence < task->sequence)
            break;
        before = previous;
    }
    task_queued(owner, now_ns, index, before);
    if (task->state == REEVE_TASK_QUEUED) /* and not kept */
        class->returned = index;
}

/* A QUEUED task leaves its queue. */
void owner_task_unqueue(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    struct owner_class *class = owner->classes[owner_task_at(owner, index)->class_index];
    owner_task_unlink(owner, class, index);
    class->unfinished--;
    owner_class_work_changed(owner, now_ns, class);
}
