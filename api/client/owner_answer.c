/* The owner core: what workers answer. The answer of an attempt that is not the present one is
 * counted and left out. */
#include <reeve_errors.h>

#include "api/client/owner_gifts.h"
#include "api/client/owner_internal.h"
#include "runtime/base/errors.h"
#include "runtime/base/macros.h"

/* How many answers ahead (dependents_fetch). */
#define FETCHED_EDGES      4u
#define FETCHED_DEPENDENTS 2u

/* The task has been lost with its worker: whether it is run again. */
bool owner_loss_forgiven(struct reeve_owner *owner, struct owner_task *task, reeve_task_id id)
{
    bool child = owner->child_died == id;
    owner->child_died = 0;
    if (child && !(task->flags & OWNER_ALONE) && task->losses_max != 0) {
        task->flags |= OWNER_ALONE;
        return true;
    }
    if (task->losses == task->losses_max)
        return false;
    task->losses++;
    return true;
}

/* A worker answers in the order in which it was sent to. What waits for the answers to come is
 * fetched into the caches meanwhile: of many tasks, those that wait have long left them, while
 * those in flight, of which `task` is the oldest, were sent a short while ago. */
static void dependents_fetch(const struct reeve_owner *owner, const struct owner_task *task)
{
    for (unsigned ahead = 1; ahead <= FETCHED_EDGES && task->next != OWNER_NONE; ahead++) {
        task = owner_task_at(owner, task->next);
        if (task->edges == OWNER_NONE)
            continue;
        if (ahead == FETCHED_EDGES)
            __builtin_prefetch(&owner->edges[task->edges]);
        if (ahead != FETCHED_DEPENDENTS)
            continue;
        uint32_t edge = task->edges;
        for (unsigned i = 0; i < 2 && edge != OWNER_NONE; i++, edge = owner->edges[edge].next) {
            uint32_t dependent = owner->edges[edge].dependent;
            if (dependent & OWNER_WATCH)
                continue;
            const char *at = (const char *)owner_task_at(owner, dependent);
            __builtin_prefetch(at, 1);
            __builtin_prefetch(at + 64, 1);
            __builtin_prefetch(at + 128, 1);
        }
    }
}

/* What is no plain value. The task has left its lease. */
static void answer_other(struct reeve_owner *owner, uint64_t now_ns, struct owner_task *task,
    reeve_task_id id, int status, const void *bytes, uint32_t size,
    const struct reeve_reference *object)
{
    uint32_t index = owner_task_index(id), count = 0;
    struct reeve_owner_splice *list = NULL;
    int handed = 0;
    if (status == 0)
        handed = owner_handed_adopt(owner, now_ns, id, &list, &count);
    else
        owner_handed_drop(owner, id);
    if (status == REEVE_EACTORDIED &&
        owner_actor_refuses(
            owner, now_ns, owner_actor_find(owner, owner_task_actor(owner, task)), index))
        return; /* its host does not know why */
    if (status == REEVE_EWORKERDIED && owner_is_cancelling(owner, id)) {
        owner_cancel_stopped(owner, now_ns, index, true);
        return;
    }
    if (status == REEVE_EWORKERDIED) { /* a bridge says so before the lease is lost */
        if (owner_actor_was_being_made(owner, task, id) || owner_loss_forgiven(owner, task, id)) {
            owner_stray_note(owner, id, task->node);
            owner_task_is_ready(task, now_ns);
            owner_task_requeue(owner, now_ns, index);
            return;
        }
        owner_stray_free(owner, id, task->node);
        if (owner_class_is_ordered(owner->classes[task->class_index]))
            status = REEVE_EACTORDIED;
    }
    if (reeve_error_is_loss(status) && object != NULL &&
        owner_lost_argument(owner, now_ns, index, status, object))
        return;
    if (status == REEVE_EFUNCTION && owner_task_retried(owner, now_ns, index))
        return;
    if (handed != 0) {
        if (object != NULL)
            owner_command(owner, REEVE_OWNER_FREE_OBJECT)->object = *object;
        owner_task_fail(
            owner, now_ns, index, handed, "the futures in its result could not be taken over");
        return;
    }
    owner_task_end_with(owner, now_ns, index, status, status != 0, bytes, size,
        status == 0 ? object : NULL, list, count);
    owner_lineage_bound(owner);
}

bool reeve_owner_answer(struct reeve_owner *owner, uint64_t now_ns, reeve_lease_index lease_index,
    reeve_task_id id, uint32_t attempt, int status, const void *bytes, uint32_t size,
    const struct reeve_reference *object)
{
    struct owner_task *task = owner_task_answered(owner, lease_index, id, attempt);
    if (task == NULL)
        return false;
    uint32_t index = owner_task_index(id);
    if (owner->edge_count != 0)
        dependents_fetch(owner, task);
    struct owner_lease *lease = owner_lease_at(owner, lease_index);
    owner_lease_left(owner, now_ns, lease, index, true);
    if (REEVE_UNLIKELY(status != 0 || reeve_map64_count(&owner->handed) != 0)) {
        if (reeve_error_is_loss(status) && object != NULL)
            owner_lease_refused(owner, lease, task);
        answer_other(owner, now_ns, task, id, status, bytes, size, object);
        return true;
    }
    owner_task_finish(owner, index, 0, false, bytes, size, object);
    owner_dependents_tell(owner, now_ns, index);
    owner_lineage_bound(owner);
    return true;
}

void reeve_owner_child_died(
    struct reeve_owner *owner, reeve_lease_index lease_index, reeve_task_id id, uint32_t attempt)
{
    if (owner_task_answered(owner, lease_index, id, attempt) != NULL)
        owner->child_died = id;
}

void reeve_owner_taken_back(struct reeve_owner *owner, uint64_t now_ns,
    reeve_lease_index lease_index, reeve_task_id id, uint32_t attempt)
{
    struct owner_task *task = owner_task_answered(owner, lease_index, id, attempt);
    if (task == NULL)
        return;
    uint32_t index = owner_task_index(id);
    /* it was not an attempt: nobody ran it. The entry is gone from its ring, so the number may
     * serve again */
    task->attempt--;
    task->flags &= (uint8_t)~OWNER_TAKING_BACK;
    owner_handed_drop(owner, id);
    owner_lease_left(owner, now_ns, owner_lease_at(owner, lease_index), index, false);
    if (owner_is_cancelling(owner, id))
        owner_cancel_stopped(owner, now_ns, index, false);
    else
        owner_task_requeue(owner, now_ns, index);
}
