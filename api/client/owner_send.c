/* The owner core: which task is sent next, and to whom. The shell asks with next_send, writes the
 * entry, and says sent, or unsent when the ring had no room. */
#include "api/client/owner_queue.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

bool reeve_owner_next_send(struct reeve_owner *owner, struct reeve_owner_send *ret)
{
    if (REEVE_UNLIKELY(!reeve_list_is_empty(&owner->judged)))
        owner_actors_judge(owner, 0);
    struct owner_class *class;
    uint32_t index;
    do {
        struct reeve_list *node = reeve_list_first(&owner->ready);
        if (node == NULL)
            return false;
        class = REEVE_LIST_ENTRY(node, struct owner_class, ready_node);
        index = class->queued.first;
    } while (REEVE_UNLIKELY(owner->remade_count != 0 || owner->remade_failed) &&
             owner_task_rewait(owner, 0, index));
    const struct owner_task *task = owner_task_at(owner, index);
    struct owner_lease *lease = owner_near_lease(owner, class, task);
    owner->send_lease = lease->index;
    ret->task = owner_task_id(task, index);
    ret->lease_index = lease->index;
    owner_entry_fill(owner, task, index, &ret->entry);
    if (REEVE_UNLIKELY(lease->resumes))
        ret->entry.flags |= REEVE_ENTRY_RESUMES;
    return true;
}

void reeve_owner_sent(
    struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id, uint64_t position)
{
    uint32_t index = owner_task_index(id);
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_class *class = owner->classes[task->class_index];
    struct owner_lease *lease = owner->leases[owner->send_lease];
    REEVE_ASSERT(task->state == REEVE_TASK_QUEUED && lease->state == OWNER_LEASE_ACTIVE);
    owner_task_unlink(owner, class, index);
    owner_queue_push(owner, &lease->in_flight, index);
    task->state = REEVE_TASK_SENT;
    if (REEVE_UNLIKELY(task->splice_count != 0))
        owner_reading_begin(owner, task, lease->node);
    task->lease_index = lease->index;
    task->position = position;
    task->node = lease->node;
    task->attempt++;
    lease->resumes = false;
    if (lease->in_flight.count == 1) {
        if (lease->batch_count != 0)
            owner_batch_measure(class, lease);
        lease->last_answer_ns = now_ns;
        if (REEVE_UNLIKELY(lease->wanted))
            owner_idle_over(owner, class, lease, now_ns);
    }
    if (lease->in_flight.count == 2 && class->lease_count > 1)
        owner_tick_by(owner, now_ns + owner_patience_ns(owner, class));
    if (lease->in_flight.count >= class->depth) {
        reeve_list_remove(&lease->room_node);
    } else if (class->lease_count > 1) { /* the next one's turn */
        reeve_list_remove(&lease->room_node);
        reeve_list_push_back(&class->room, &lease->room_node);
    }
    owner_ready_update(owner, class);
}

void reeve_owner_unsent(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_class *class =
        owner->classes[owner_task_at(owner, owner_task_index(id))->class_index];
    struct owner_lease *lease = owner->leases[owner->send_lease];
    lease->full = true;
    owner_room_update(owner, class, lease);
}
