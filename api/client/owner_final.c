/* The owner core: a task becomes final, and whoever waits for it is told. */
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_lineages.h"
#include "api/client/owner_queue.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

/* A WAITING task of an ordered class is in its queue. */
static void ordered_leave(struct reeve_owner *owner, struct owner_task *task, uint32_t index)
{
    struct owner_class *class = owner->classes[task->class_index];
    owner_task_unlink(owner, class, index);
    class->unfinished--;
    owner_ready_update(owner, class);
}

/* What a call with several results has given is read by nobody: its futures are all there is to
 * it. What lost attempts have left is freed where that is not. */
static struct reeve_reference list_object(struct reeve_owner *owner, const struct owner_task *task,
    uint32_t index, const struct reeve_reference *object)
{
    if (object != NULL) {
        owner_command(owner, REEVE_OWNER_FREE_OBJECT)->object = *object;
        owner_strays_free(owner, owner_task_id(task, index), object->node);
    }
    return (struct reeve_reference){
        .node = task->state == REEVE_TASK_INLINE ? owner->node : task->node};
}

/* A task whose end concerns others than who waits for its value, gives up what it has of them. Its
 * call, if that is to be kept. */
static struct owner_lineage *others_leave(struct reeve_owner *owner, struct owner_task *task,
    uint32_t index, int status, bool error_is_map, const void *bytes, uint32_t size,
    const struct reeve_reference *object)
{
    struct owner_lineage *lineage = NULL;
    bool takes = false;
    if (task->state == REEVE_TASK_WAITING && owner_task_is_placed(owner, task, index))
        ordered_leave(owner, task, index);
    if (task->flags & OWNER_LIFE)
        owner_actor_task_finish(owner, task, index, status, error_is_map, bytes, size);
    if (task->splice_count != 0) {
        owner_reading_end(owner, task);
        takes = owner_streams_leave(owner, task, index);
    }
    bool is_kept = object != NULL && object->id.sequence != 0; /* and no list */
    if (!is_kept && (task->losses != 0 || task->flags & OWNER_ALONE))
        owner_strays_free(owner, owner_task_id(task, index), 0);
    if (object != NULL && !takes) /* a stream is not given twice */
        lineage = owner_lineage_take(owner, task, object);
    if (task->may_retry) {
        if (lineage != NULL)
            lineage->retries = owner_retries_left(owner, index);
        owner_retry_forget(owner, task, index);
    }
    if (lineage != NULL)
        return lineage;
    for (uint32_t i = 0; i < task->splice_count; i++)
        owner_task_unref(owner, owner_task_index(task->splices[i].task));
    task->splice_count = 0;
    return NULL;
}

/* The task becomes final, with its value in the place of its arguments. */
void owner_task_finish(struct reeve_owner *owner, uint32_t index, int status, bool error_is_map,
    const void *bytes, uint32_t size, const struct reeve_reference *object)
{
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_lineage *lineage = NULL;
    bool is_stream = task->flags & OWNER_NEVER_INLINE;
    struct reeve_reference list;
    REEVE_ASSERT(!reeve_task_state_is_final(task->state) && task->state > REEVE_TASK_LINEAGE);
    if (REEVE_UNLIKELY(task->flags != 0 || task->splice_count != 0 || task->may_retry ||
                       task->losses != 0 || object != NULL || task->state == REEVE_TASK_WAITING)) {
        if (task->flags & OWNER_PARTS && status == 0 && task->state != REEVE_TASK_REMADE) {
            list = list_object(owner, task, index, object);
            object = &list;
        }
        lineage = others_leave(owner, task, index, status, error_is_map, bytes, size, object);
    }
    if (REEVE_LIKELY(lineage == NULL))
        owner_task_clear(owner, task);
    owner->inline_count -= task->state == REEVE_TASK_INLINE;
    task->status = status;
    if (REEVE_LIKELY(task->state != REEVE_TASK_REMADE)) {
        task->flags = 0;
        task->lineage_references = 0;
    } else {
        task->flags &= OWNER_NEEDED;
        owner->remade_count--;
    }
    task->state = status == 0 ? REEVE_TASK_DONE : REEVE_TASK_FAILED;
    if (object != NULL) {
        task->flags |= OWNER_RESULT_OBJECT;
        task->bytes.object = *object;
        task->flags |= owner_is_list(task) ? OWNER_GIVEN : 0;
        owner_lineage_set(owner, task, lineage);
        if (status == 0 && object->flags & REEVE_REFERENCE_LOCATED)
            owner_anchor_add(owner, index);
    } else if (owner_task_store(owner, task, bytes, size) != 0) {
        task->status = REEVE_ENOMEM;
        task->state = REEVE_TASK_FAILED;
    } else if (status != 0 && error_is_map) {
        task->flags |= OWNER_ERROR_MAP;
    }
    owner->unfinished--;
    owner->final_count++;
    if (REEVE_UNLIKELY(reeve_map64_count(&owner->cancelling) != 0))
        owner_cancel_forget(owner, owner_task_id(task, index));
    if (REEVE_UNLIKELY(is_stream))
        owner_stream_ended(owner, owner_task_id(task, index));
}

/* Whether its value is needed for the task's arguments, and not just the future. */
static bool is_spliced(const struct owner_task *task, uint32_t on)
{
    for (uint32_t i = 0; i < task->splice_count; i++)
        if (owner_task_index(task->splices[i].task) == on &&
            !(task->splices[i].offset & REEVE_OWNER_NESTED))
            return true;
    return false;
}

/* An error that a task has from another tells where it arose. */
void owner_error_origin(struct owner_task *task, const struct owner_task *from)
{
    task->function = from->function;
    task->attempt = from->attempt;
    task->node = from->node;
}

/* Theirs are told in turn: a list instead of recursion, because chains are long. */
void owner_dependents_walk(struct reeve_owner *owner, uint64_t now_ns, uint32_t first)
{
    uint32_t pending = first; /* tasks whose dependents are to be told, linked by `next` */
    owner_task_at(owner, first)->next = OWNER_NONE;
    while (pending != OWNER_NONE) {
        uint32_t index = pending;
        struct owner_task *task = owner_task_at(owner, index);
        pending = task->next;
        task->next = OWNER_NONE;
        for (uint32_t d; (d = owner_edge_pop(owner, task)) != OWNER_NONE;) {
            if (REEVE_UNLIKELY(d & OWNER_WATCH)) {
                owner_watch_tell(owner, d);
                owner_task_unref(owner, index); /* the watch's; our own is still there */
                continue;
            }
            struct owner_task *dependent = owner_task_at(owner, d);
            dependent->unresolved--;
            bool waits = dependent->state == REEVE_TASK_WAITING;
            if (REEVE_UNLIKELY(task->splice_count != 0) && waits)
                dependent->flags |= OWNER_DEEP;
            if (REEVE_UNLIKELY(dependent->state == REEVE_TASK_REMADE)) {
                if (owner_remade_take(owner, d, index)) {
                    dependent->next = pending;
                    pending = d;
                }
            } else if (REEVE_UNLIKELY(dependent->state == REEVE_TASK_PART)) {
                if (owner_part_take(owner, d, index)) {
                    dependent->next = pending;
                    pending = d;
                }
            } else if (waits && task->state == REEVE_TASK_FAILED && is_spliced(dependent, index)) {
                owner_task_finish(owner, d, task->status, task->flags & OWNER_ERROR_MAP,
                    owner_task_bytes(task), task->size, NULL);
                owner_error_origin(dependent, task);
                dependent->next = pending;
                pending = d;
            } else if (waits && dependent->unresolved == 0) {
                int error = owner_task_is_deep(owner, dependent) ? owner_task_deepen(owner, d) : 0;
                if (error != 0) {
                    owner_task_finish(owner, d, error, false, "", 0, NULL);
                    dependent->next = pending;
                    pending = d;
                } else if (dependent->unresolved == 0) {
                    owner_task_queue(owner, now_ns, d);
                }
            }
            owner_task_unref(owner, d); /* the edge's reference */
        }
        owner_task_unref(owner, index); /* the reference of a task that is not final */
    }
}

/* The futures in the value of a final task; the list and its references become the task's. */
void owner_task_list_set(struct reeve_owner *owner, struct owner_task *task,
    struct reeve_owner_splice *list, uint32_t count)
{
    REEVE_ASSERT(task->splice_count == 0 && task->splices == NULL);
    task->splices = list;
    task->splice_count = count;
    task->splices_size = count * (uint32_t)sizeof(*list);
    owner->memory_bytes += task->splices_size;
}

/* References of the caller's become the list's. */
void owner_list_take(struct reeve_owner *owner, struct reeve_owner_splice *list,
    const reeve_task_id *futures, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        list[i].task = futures[i];
        owner_task_at(owner, owner_task_index(futures[i]))->held--;
    }
}

void owner_list_drop(struct reeve_owner *owner, struct reeve_owner_splice *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        owner_task_unref(owner, owner_task_index(list[i].task));
    free(list);
}

/* Not all of it has ended: it ends otherwise. */
static bool cancelled_end(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    char text[120];
    int code = owner_cancel_lost(
        owner, owner_task_id(owner_task_at(owner, index), index), text, sizeof(text));
    if (code != 0)
        owner_task_fail(owner, now_ns, index, code, text);
    return code != 0;
}

/* The list is of references that are passed on; whether or not the task becomes DONE. */
void owner_task_end_with(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int status,
    bool error_is_map, const void *bytes, uint32_t size, const struct reeve_reference *object,
    struct reeve_owner_splice *list, uint32_t count)
{
    if (REEVE_UNLIKELY(status == REEVE_ECANCELLED) && cancelled_end(owner, now_ns, index)) {
        owner_list_drop(owner, list, count);
        return;
    }
    owner_task_finish(owner, index, status, error_is_map, bytes, size, object);
    if (REEVE_UNLIKELY(list != NULL)) {
        if (owner_task_at(owner, index)->state == REEVE_TASK_DONE)
            owner_task_list_set(owner, owner_task_at(owner, index), list, count);
        else
            owner_list_drop(owner, list, count);
    }
    owner_dependents_tell(owner, now_ns, index);
}

void owner_task_end(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int status,
    bool error_is_map, const void *bytes, uint32_t size, const struct reeve_reference *object)
{
    owner_task_end_with(owner, now_ns, index, status, error_is_map, bytes, size, object, NULL, 0);
}

void owner_task_fail(
    struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int code, const char *text)
{
    owner_task_end(owner, now_ns, index, code, false, text, (uint32_t)strlen(text), NULL);
}
