/* The owner core: tasks that nobody has begun, taken by a thread of this process that waits for
 * them, and run on the spot. */
#include <reeve_errors.h>
#include <stdlib.h>

#include "api/client/owner_queue.h"
#include "runtime/base/assert.h"
#include "runtime/base/errors.h"
#include "runtime/base/macros.h"

bool reeve_owner_may_inline(const struct reeve_owner *owner, reeve_task_id id, uint32_t class_index)
{
    const struct owner_task *task = owner_task_find(owner, id);
    return task != NULL && (task->state == REEVE_TASK_QUEUED || task->state == REEVE_TASK_SENT) &&
           task->class_index == class_index && task->timeout_ms == 0 && task->losses == 0 &&
           !(task->flags & (OWNER_NEVER_INLINE | OWNER_ALONE)) && !owner_is_cancelling(owner, id) &&
           !owner_class_is_ordered(owner->classes[class_index]);
}

bool reeve_owner_take_inline(struct reeve_owner *owner, reeve_task_id id, uint32_t class_index)
{
    struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL || task->state != REEVE_TASK_QUEUED ||
        !reeve_owner_may_inline(owner, id, class_index))
        return false;
    if (REEVE_UNLIKELY(owner->remade_count != 0 || owner->remade_failed) &&
        owner_task_rewait(owner, 0, owner_task_index(id)))
        return false;
    struct owner_class *class = owner->classes[task->class_index];
    owner_task_unlink(owner, class, owner_task_index(id));
    class->unfinished--;
    owner_ready_update(owner, class);
    task->state = REEVE_TASK_INLINE;
    task->attempt++;
    owner->inline_count++;
    if (task->splice_count != 0)
        owner_reading_begin(owner, task, 0);
    return true;
}

void reeve_owner_finished(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id, int status,
    bool error_is_map, const void *bytes, uint32_t size, const struct reeve_reference *object,
    const reeve_task_id *futures, uint32_t future_count)
{
    struct owner_task *task = owner_task_find(owner, id);
    REEVE_ASSERT(task != NULL && task->state == REEVE_TASK_INLINE);
    if (REEVE_UNLIKELY(status != 0 && object != NULL)) {
        if (reeve_error_is_loss(status) &&
            owner_lost_argument(owner, now_ns, owner_task_index(id), status, object))
            return;
        object = NULL;
    }
    struct reeve_owner_splice *list = NULL;
    if (REEVE_UNLIKELY(future_count != 0)) {
        list = calloc(future_count, sizeof(*list));
        REEVE_ASSERT(list != NULL); /* the references were taken for it */
        owner_list_take(owner, list, futures, future_count);
    }
    if (REEVE_UNLIKELY(status == REEVE_EFUNCTION) &&
        owner_task_retried(owner, now_ns, owner_task_index(id))) {
        owner_list_drop(owner, list, future_count);
        return;
    }
    owner_task_end_with(owner, now_ns, owner_task_index(id), status, error_is_map, bytes, size,
        object, list, future_count);
    owner_lineage_bound(owner);
}
