/* The owner core: objects that were lost with their node, or damaged on a disk, are made again by
 * the calls that were kept (owner_lineage.c). The picture is in owner.h.
 *
 *   task, REMADE   waits, as a dependent would, for the new task of the same call
 *   part, REMADE   one of several results: waits for the call, REMADE, and takes its own of the new
 *                  list
 *
 * The new task has an id of its own, and so has its object: what is still on its way about the lost
 * one can do no harm. To be made again counts as a loss of the task. */
#include <inttypes.h>
#include <reeve_errors.h>
#include <stdio.h>
#include <string.h>

#include "api/client/owner_lineages.h"
#include "runtime/base/assert.h"

/* Why a DONE or LINEAGE task's object cannot be made again; NULL: it can be. */
static const char *final_reason(
    const struct reeve_owner *owner, const struct owner_task *task, char spent[80])
{
    const char *reason = NULL;
    if (owner_is_anchored(task))
        return "it lies in memory, where it is read in place";
    task = owner_maker_of(owner, task);
    if (task->state == REEVE_TASK_REMADE)
        return NULL;
    const struct reeve_reference *object = &task->bytes.object;
    if (task->flags & OWNER_LENT ||
        object->flags & (REEVE_REFERENCE_GIVEN | REEVE_REFERENCE_HELD)) {
        reason = "another process had made it, and only that one could make it again";
    } else if (task->attempt == 0) {
        reason = "it was put, not made by a task: put it again, or have a task make it";
    } else if (owner_class_is_ordered(owner->classes[task->class_index])) {
        reason = "a method of an actor had made it, and the actor has gone on since";
    } else if (task->losses >= task->losses_max) {
        reason = spent;
        snprintf(spent, 80, "its task may not be run again (max_retries: %" PRIu32 ")",
            task->losses_max);
    } else if (task->status != 0) {
        reason = "its task failed when it was run again";
    } else if (owner_lineage_of(task) == NULL) {
        reason = "its call was not kept to make it again: more large results are alive than there "
                 "is room to remember the calls of (REEVE_PENDING_SIZE)";
    }
    return reason;
}

/* A value among its arguments has been freed, as nobody else needed it, and is not to be had. */
static bool lacks_argument(const struct reeve_owner *owner, const struct owner_task *task)
{
    const struct owner_lineage *lineage = owner_lineage_of(owner_maker_of(owner, task));
    char spent[80];
    if (owner_maker_of(owner, task)->state == REEVE_TASK_REMADE)
        return false;
    for (uint32_t i = 0; i < lineage->splice_count; i++) {
        const struct owner_task *need =
            owner_task_at(owner, owner_task_index(lineage->splices[i].task));
        if (need->state == REEVE_TASK_LINEAGE && need->flags & OWNER_GIVEN &&
            final_reason(owner, need, spent) != NULL)
            return true;
    }
    return false;
}

/* `code` is how the loss has shown. */
static bool is_final_loss(const struct reeve_owner *owner, const struct owner_task *task, int code,
    char *why, size_t size)
{
    char spent[80], node[OWNER_NODE_SIZE];
    const char *reason = final_reason(owner, task, spent);
    if (reason == NULL && lacks_argument(owner, task))
        reason = "a value that its task would need has been released";
    if (reason != NULL && code == REEVE_ECORRUPT) {
        snprintf(why, size, "it cannot be made again: %s", reason);
    } else if (reason != NULL) {
        owner_node_name(owner, task->bytes.object.node, node, sizeof(node));
        snprintf(why, size, "the value lay on node %s, and is lost: %s", node, reason);
    }
    return reason != NULL;
}

/* `work` are REMADE tasks, linked by next, for whom no new task has been made yet: `task` becomes
 * one. Its lineage stays with it. */
static uint32_t remake_begin(struct reeve_owner *owner, uint32_t index, uint32_t work)
{
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_lineage *lineage = owner_lineage_unset(owner, task);
    if ((task->flags & (OWNER_GIVEN | OWNER_RESULT_OBJECT)) == OWNER_RESULT_OBJECT)
        owner_lineage_object_free(owner, task, index);
    task->position = task->bytes.object.id.sequence; /* whoever still asks for that one… */
    task->references++;                              /* its own, as it is not final */
    for (uint32_t i = 0; i < task->splice_count; i++)
        owner_task_unref(owner, owner_task_index(task->splices[i].task));
    task->splice_count = 0;
    owner_task_clear(owner, task);
    task->flags &= OWNER_NEEDED;
    task->state = REEVE_TASK_REMADE;
    task->bytes.made.lineage = lineage;
    task->losses++;
    task->next = work;
    owner->unfinished++;
    owner->remade_count++;
    owner->remade_ever = true;
    return index;
}

/* The same, begun with one that has turned out to be lost. With one of several results those that
 * lay on the same node are lost, too: so their call is run once more, and not once for each. */
static uint32_t lost_begin(struct reeve_owner *owner, uint32_t index, int code)
{
    struct owner_task *task = owner_task_at(owner, index);
    const struct owner_task *call = owner_maker_of(owner, task);
    uint32_t node = task->bytes.object.node, found = OWNER_NONE;
    bool is_first = call != task && call->state == REEVE_TASK_LINEAGE && code == REEVE_ELOST;
    uint32_t work = remake_begin(owner, index, OWNER_NONE);
    if (!is_first)
        return work;
    REEVE_LIST_EACH(at, &owner->lineages)
    {
        const struct owner_lineage *lineage = REEVE_LIST_ENTRY(at, struct owner_lineage, node);
        task = lineage->task;
        if (!lineage->is_part || owner_maker_of(owner, task) != call ||
            task->state != REEVE_TASK_DONE || task->bytes.object.node != node ||
            owner_is_anchored(task))
            continue;
        task->references++; /* with the first to begin others may go, which only its value needed */
        task->next = found;
        found = lineage->index;
    }
    while (found != OWNER_NONE) {
        index = found;
        found = owner_task_at(owner, index)->next;
        work = remake_begin(owner, index, work);
        owner_task_unref(owner, index);
    }
    return work;
}

/* A future that the call needs: there again, or being made again. One reference more. */
static uint32_t need_revive(struct reeve_owner *owner, uint32_t index, uint32_t work)
{
    char why[256];
    struct owner_task *need = owner_task_at(owner, index);
    if (need->state == REEVE_TASK_LINEAGE) {
        owner->lineage_bytes -= owner_kept_bytes(need);
        bool gone = need->flags & OWNER_GIVEN;
        need->state = need->status == 0 ? REEVE_TASK_DONE : REEVE_TASK_FAILED;
        need->references++;
        if (gone && !is_final_loss(owner, need, REEVE_ELOST, why, sizeof(why)))
            return remake_begin(owner, index, work);
        return work; /* what is gone for good says so when it is asked for */
    }
    need->references++;
    return work;
}

/* The same call once more; `task` waits for it. */
static int remake_submit(struct reeve_owner *owner, uint64_t now_ns, uint32_t index,
    const struct owner_lineage *lineage, uint32_t *ret_by)
{
    struct owner_task *task = owner_task_at(owner, index);
    reeve_task_id id;
    struct reeve_owner_task from = {.class_index = task->class_index,
        .function = task->function,
        .timeout_ms = task->timeout_ms,
        .losses_max = task->losses_max,
        .never_inline = lineage->never_inline,
        .retries = lineage->retries,
        .arguments = lineage->arguments,
        .arguments_size = lineage->arguments_size,
        .parent = lineage->has_parent ? lineage->arguments + lineage->arguments_size : NULL,
        .splice_count = lineage->splice_count,
        .splices = lineage->splices};
    int error = reeve_owner_submit(owner, now_ns, &from, &id);
    if (error != 0)
        return error;
    *ret_by = owner_task_index(id);
    struct owner_task *by = owner_task_at(owner, *ret_by);
    by->losses = task->losses;
    by->attempt = task->attempt;
    if (reeve_task_state_is_final(by->state)) /* something that it needs has failed */
        return 0;
    by->flags |= lineage->has_parts ? OWNER_PARTS : 0;
    error = owner_edge_add(owner, by, index);
    if (error != 0) {
        owner_task_unref(owner, *ret_by);
        return error;
    }
    task->unresolved++;
    task->references++;
    return 0;
}

/* One of several results waits for its call, which is being made again. */
static int part_rewait(
    struct reeve_owner *owner, uint32_t index, const struct owner_lineage *lineage)
{
    struct owner_task *task = owner_task_at(owner, index);
    reeve_task_id id = lineage->splices[0].task;
    struct owner_task *call = owner_task_at(owner, owner_task_index(id));
    if (reeve_task_state_is_final(call->state))
        return REEVE_ELOST;
    int error = owner_edge_add(owner, call, index);
    if (error != 0)
        return error;
    task->bytes.part = (struct owner_part){id, lineage->number, lineage->count};
    task->flags |= OWNER_PARTS;
    task->unresolved++;
    task->references++;
    return 0;
}

static void remake(struct reeve_owner *owner, uint64_t now_ns, uint32_t work)
{
    while (work != OWNER_NONE) {
        uint32_t index = work, by = OWNER_NONE;
        struct owner_task *task = owner_task_at(owner, index);
        struct owner_lineage *lineage = task->bytes.made.lineage;
        work = task->next;
        task->next = OWNER_NONE;
        for (uint32_t i = 0; i < lineage->splice_count; i++)
            work = need_revive(owner, owner_task_index(lineage->splices[i].task), work);
        bool is_part = lineage->is_part;
        int error = is_part ? part_rewait(owner, index, lineage)
                            : remake_submit(owner, now_ns, index, lineage, &by);
        for (uint32_t i = 0; i < lineage->splice_count; i++)
            owner_task_unref(owner, owner_task_index(lineage->splices[i].task));
        owner_tasks_dispose(owner, owner_lineage_free(owner, lineage, OWNER_NONE));
        if (error != 0) {
            owner_task_end(owner, now_ns, index, error, false, "", 0, NULL);
        } else if (!is_part && reeve_task_state_is_final(owner_task_at(owner, by)->state)) {
            (void)owner_remade_take(owner, index, by);
            owner_dependents_tell(owner, now_ns, index);
        }
    }
}

void owner_value_move(struct reeve_owner *owner, uint32_t index, uint32_t by_index)
{
    struct owner_task *task = owner_task_at(owner, index), *by = owner_task_at(owner, by_index);
    bool is_object = by->flags & OWNER_RESULT_OBJECT;
    struct owner_lineage *lineage = owner_lineage_unset(owner, by);
    struct reeve_owner_splice *list = by->splices;
    uint32_t count = by->splice_count;
    struct reeve_reference object = by->bytes.object;
    if (owner_is_anchored(by))
        owner_anchor_forget(owner, by);
    owner_task_finish(owner, index, by->status, by->flags & OWNER_ERROR_MAP, owner_task_bytes(by),
        by->size, is_object ? &object : NULL);
    by->flags &= (uint8_t)~OWNER_RESULT_OBJECT; /* its object has gone over */
    if (is_object && lineage != NULL) {
        lineage->index = index;
        owner_lineage_set(owner, task, lineage);
    }
    owner->memory_bytes -= by->splices_size;
    by->splices = NULL;
    by->splices_size = by->splice_count = 0;
    if (count != 0)
        owner_task_list_set(owner, task, list, count);
    task->function = by->function;
    task->attempt = by->attempt;
    task->losses = by->losses;
    task->node = by->node;
}

bool owner_remade_take(struct reeve_owner *owner, uint32_t index, uint32_t by)
{
    struct owner_task *task = owner_task_at(owner, index);
    if (task->flags & OWNER_PARTS) {
        if (!owner_part_take(owner, index, by))
            return false; /* it goes on in another call */
    } else {
        owner_value_move(owner, index, by);
        owner_task_unref(owner, by);
    }
    owner->remade_failed |= task->state == REEVE_TASK_FAILED;
    return true;
}

static bool is_object(const struct owner_task *task, const struct reeve_object_id *id)
{
    return task->state == REEVE_TASK_DONE && task->flags & OWNER_RESULT_OBJECT &&
           task->bytes.object.id.owner == id->owner &&
           task->bytes.object.id.sequence == id->sequence;
}

int reeve_owner_lost(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id,
    const struct reeve_object_id *object, int code, char *why, size_t why_size)
{
    const struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL)
        return REEVE_EHANDLE;
    if (!is_object(task, object))
        return 0;
    if (is_final_loss(owner, task, code, why, why_size))
        return code;
    remake(owner, now_ns, lost_begin(owner, owner_task_index(id), code));
    return 0;
}

/* ---- tasks that need what is lost ------------------------------------------------------------ */

/* Which of the futures that the task needs, at any depth, has that object, or had it before that
 * was lost. OWNER_NONE: none. */
static uint32_t need_find(
    struct reeve_owner *owner, const struct owner_task *task, const struct reeve_object_id *object)
{
    uint32_t mark = owner_mark_next(owner), stack = OWNER_NONE, found = OWNER_NONE;
    for (;;) { /* the stack is linked by `previous`, as in owner_task_deepen */
        for (uint32_t i = 0; i < task->splice_count; i++) {
            uint32_t index = owner_task_index(task->splices[i].task);
            struct owner_task *need = owner_task_at(owner, index);
            if (need->mark == mark)
                continue;
            need->mark = mark;
            bool before = need->losses != 0 && !(need->flags & OWNER_LENT) &&
                          need->position == object->sequence;
            if (is_object(need, object) || (before && found == OWNER_NONE))
                found = index;
            if (reeve_task_state_is_final(need->state) && need->splice_count != 0) {
                need->previous = stack;
                stack = index;
            }
        }
        if (stack == OWNER_NONE)
            return found;
        struct owner_task *next = owner_task_at(owner, stack);
        stack = next->previous;
        next->previous = OWNER_NONE;
        task = next;
    }
}

/* For the error of another, which is final. */
static void fail_with(
    struct reeve_owner *owner, uint64_t now_ns, uint32_t index, const struct owner_task *from)
{
    struct owner_task *task = owner_task_at(owner, index);
    task->references++; /* so that it is there when it has ended */
    owner_task_end(owner, now_ns, index, from->status, from->flags & OWNER_ERROR_MAP,
        owner_task_bytes(from), from->size, NULL);
    task->function = from->function;
    task->attempt = from->attempt;
    task->node = from->node;
    owner_task_unref(owner, index);
}

/* It has a value in its arguments that will never be there. */
static bool fails_with_argument(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    const struct owner_task *task = owner_task_at(owner, index);
    for (uint32_t i = 0; i < task->splice_count; i++) {
        const struct owner_task *on = owner_task_at(owner, owner_task_index(task->splices[i].task));
        if (on->state != REEVE_TASK_FAILED || task->splices[i].offset & REEVE_OWNER_NESTED)
            continue;
        fail_with(owner, now_ns, index, on);
        return true;
    }
    return false;
}

/* It has been made again meanwhile. */
static void argument_is_there(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    if (owner_class_is_ordered(owner->classes[owner_task_at(owner, index)->class_index]))
        owner_task_queue(owner, now_ns, index);
    else
        owner_task_requeue(owner, now_ns, index);
}

bool owner_lost_argument(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int code,
    const struct reeve_reference *object)
{
    char why[256];
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_class *class = owner->classes[task->class_index];
    uint32_t lost = need_find(owner, task, &object->id), work = OWNER_NONE;
    if (lost == OWNER_NONE)
        return false;
    if (owner_is_cancelling(owner, owner_task_id(task, index))) {
        owner_cancel_stopped(owner, now_ns, index, false);
        return true;
    }
    bool is_lost = is_object(owner_task_at(owner, lost), &object->id);
    if (is_lost && is_final_loss(owner, owner_task_at(owner, lost), code, why, sizeof(why))) {
        if (code == REEVE_ECORRUPT)
            return false; /* the text that came says where */
        owner_task_end(owner, now_ns, index, REEVE_ELOST, false, why, (uint32_t)strlen(why), NULL);
        return true;
    }
    owner->inline_count -= task->state == REEVE_TASK_INLINE;
    task->state = REEVE_TASK_WAITING;
    task->flags &= (uint8_t)~OWNER_TAKING_BACK;
    owner_reading_end(owner, task);
    task->attempt--;                     /* nobody has run it */
    if (owner_class_is_ordered(class)) { /* it waits in its place, and those behind it with it */
        owner_task_requeue(owner, now_ns, index);
        task->state = REEVE_TASK_WAITING;
    }
    if (is_lost)
        work = lost_begin(owner, lost, code);
    int error = owner_task_deepen(owner, index);
    if (error != 0)
        owner_task_end(owner, now_ns, index, error, false, "", 0, NULL);
    else if (task->unresolved == 0 && !fails_with_argument(owner, now_ns, index))
        argument_is_there(owner, now_ns, index);
    owner_ready_update(owner, class);
    remake(owner, now_ns, work);
    return true;
}

bool owner_task_rewait(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    if (task->splice_count == 0)
        return false;
    int error = owner_task_deepen(owner, index);
    bool failed = false;
    for (uint32_t i = 0; i < task->splice_count && task->unresolved == 0; i++)
        failed |= owner_task_at(owner, owner_task_index(task->splices[i].task))->state ==
                      REEVE_TASK_FAILED &&
                  !(task->splices[i].offset & REEVE_OWNER_NESTED);
    if (error == 0 && task->unresolved == 0 && !failed)
        return false;
    struct owner_class *class = owner->classes[task->class_index];
    if (!owner_class_is_ordered(class)) /* else it keeps its place */
        owner_task_unqueue(owner, now_ns, index);
    task->state = REEVE_TASK_WAITING;
    owner_ready_update(owner, class);
    if (error != 0)
        owner_task_end(owner, now_ns, index, error, false, "", 0, NULL);
    else if (failed)
        (void)fails_with_argument(owner, now_ns, index);
    return true;
}
