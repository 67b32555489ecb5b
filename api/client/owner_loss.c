/* The owner core: leases that are lost, calls that cannot be written, classes that nothing can be
 * got for, and the end of it all. */
#include <reeve_errors.h>
#include <stdio.h>
#include <string.h>

#include "api/client/owner_gifts.h"
#include "api/client/owner_queue.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

static void fail_queued(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class,
    int code, const char *text)
{
    while (class->queued.count != 0) {
        uint32_t index = class->queued.first;
        owner_task_unlink(owner, class, index);
        class->unfinished--;
        owner_task_at(owner, index)->state = REEVE_TASK_QUEUED; /* it has left */
        owner_task_fail(owner, now_ns, index, code, text);
    }
}

/* A worker that has died without taking anything has cost no task an attempt. A program all of
 * whose workers do that would be started for ever. */
static void count_barren(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class,
    bool barren, const char *text)
{
    char why[256];
    class->barren = barren ? class->barren + 1 : 0;
    if (class->barren < REEVE_OWNER_BARREN_MAX)
        return;
    class->barren = 0;
    snprintf(why, sizeof(why), "%u workers in a row ended before they had taken a task: %s",
        REEVE_OWNER_BARREN_MAX, text);
    fail_queued(owner, now_ns, class, REEVE_EWORKERDIED, why);
}

void owner_lease_empty(struct reeve_owner *owner, uint64_t now_ns, struct owner_lease *lease,
    int code, const char *text)
{
    struct owner_class *class = owner->classes[lease->class_index];
    bool node_stopped = code == REEVE_ESHUTDOWN; /* by its operator: nothing of the tasks' own */
    /* whatever was running runs no more */
    bool stopped = code == REEVE_EWORKERDIED || node_stopped;
    bool given_up = code == REEVE_EUNREACHABLE || code == REEVE_ENODEDIED;
    if (node_stopped)
        code = REEVE_ENODEDIED;
    if (owner_class_is_ordered(class) && code != REEVE_EUNREACHABLE)
        code = REEVE_EACTORDIED;
    while (lease->in_flight.count != 0) {
        uint32_t index =
            lease->in_flight.last; /* from the end: each goes to the front of the queue */
        struct owner_task *task = owner_task_at(owner, index);
        owner_queue_remove(owner, &lease->in_flight, index);
        class->unfinished--;
        task->flags &= (uint8_t)~OWNER_TAKING_BACK;
        owner_handed_drop(owner, owner_task_id(task, index));
        task->lease_index = OWNER_NONE;
        reeve_task_id id = owner_task_id(task, index);
        bool is_cancelling = owner_is_cancelling(owner, id);
        if (stopped && is_cancelling) {
            owner_cancel_stopped(owner, now_ns, index, true);
        } else if (!is_cancelling && (owner_actor_was_being_made(owner, task, id) ||
                                         (node_stopped && task->losses_max != 0) ||
                                         owner_loss_forgiven(owner, task, id))) {
            if (given_up)
                owner_given_up(owner, id, code, lease->node);
            owner_stray_note(owner, id, lease->node);
            owner_task_is_ready(task, now_ns);
            owner_task_requeue(owner, now_ns, index);
        } else {
            owner_stray_free(owner, id, lease->node);
            owner_task_fail(owner, now_ns, index, code, text);
        }
    }
}

void reeve_owner_lease_lost(struct reeve_owner *owner, uint64_t now_ns,
    reeve_lease_index lease_index, int code, const char *text)
{
    struct owner_lease *lease = owner_lease_at(owner, lease_index);
    if (lease == NULL)
        return;
    struct owner_class *class = owner->classes[lease->class_index];
    if (lease->state == OWNER_LEASE_ACTIVE)
        class->lease_count--;
    lease->state = OWNER_LEASE_DRAINING; /* gets nothing any more */
    reeve_list_remove(&lease->room_node);
    if (code == REEVE_EWORKERDIED)
        count_barren(owner, now_ns, class, lease->in_flight.count == 0, text);
    owner_lease_empty(owner, now_ns, lease, code, text);
    if (REEVE_UNLIKELY(owner_lease_freed(owner, class, lease)) && class->process == 0)
        owner_host_lost(owner, now_ns, class, text);
    owner_class_work_changed(owner, now_ns, class);
}

void reeve_owner_class_failed(
    struct reeve_owner *owner, uint64_t now_ns, uint32_t class_index, int code, const char *text)
{
    if (class_index >= owner->class_count)
        return;
    struct owner_class *class = owner->classes[class_index];
    if (class->lease_count != 0) { /* they may yet do it all */
        class->refused = true;
        return;
    }
    fail_queued(owner, now_ns, class, code, text);
    class->refused = false;
    owner_demand_withdraw(owner, class); /* so that the next task asks anew, and is answered */
    owner_class_work_changed(owner, now_ns, class);
}

void reeve_owner_unsendable(
    struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id, int code, const char *text)
{
    struct owner_task *task = owner_task_find(owner, id);
    REEVE_ASSERT(task != NULL && task->state == REEVE_TASK_QUEUED);
    owner_task_unqueue(owner, now_ns, owner_task_index(id));
    owner_task_fail(owner, now_ns, owner_task_index(id), code, text);
}

void reeve_owner_fail_all(struct reeve_owner *owner, int code, const char *text)
{
    for (uint32_t i = 0; i < owner->lease_capacity; i++) {
        struct owner_lease *lease = owner->leases[i];
        if (lease == NULL || lease->state == OWNER_LEASE_FREE)
            continue;
        while (lease->in_flight.count != 0) {
            uint32_t index = lease->in_flight.first;
            owner_queue_remove(owner, &lease->in_flight, index);
            owner->classes[lease->class_index]->unfinished--;
            owner_handed_drop(owner, owner_task_id(owner_task_at(owner, index), index));
            owner_task_fail(owner, 0, index, code, text);
        }
        reeve_list_remove(&lease->room_node);
        lease->state = OWNER_LEASE_FREE;
        owner->lease_count--;
    }
    for (uint32_t i = 0; i < owner->class_count; i++) {
        owner->classes[i]->serving = OWNER_NONE;
        owner->classes[i]->lease_count = 0;
        reeve_owner_class_failed(owner, 0, i, code, text);
    }
    /* what waited for something that is none of these: objects being filled, tasks that are kept */
    uint32_t index = OWNER_NONE;
    while ((index = owner_task_each(owner, index)) != OWNER_NONE) {
        const struct owner_task *task = owner_task_at(owner, index);
        if (task->state == REEVE_TASK_PENDING ||
            (task->state == REEVE_TASK_WAITING && task->unresolved == 0))
            owner_task_fail(owner, 0, index, code, text);
    }
}
