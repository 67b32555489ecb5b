/* The owner core: objects that were lost with their node, or damaged on a disk, and the calls kept
 * to make them again. The picture is in owner.h.
 *
 *   task, DONE     ── lineage: function, arguments, futures among these ──▶ lineage_references
 *   task, LINEAGE  nobody else refers to it: its object is freed (flag GIVEN) if it has lineage
 *                  of its own, or is needed only for what lies on our own node; else kept
 *   task, REMADE   waits, as a dependent would, for the new task of the same call
 *
 * The new task has an id of its own, and so has its object: what is still on its way about the lost
 * one can do no harm. To be made again counts as a loss of the task. */
#include <inttypes.h>
#include <reeve_errors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

void reeve_owner_set_process(struct reeve_owner *owner, reeve_process_id process)
{
    owner->process = process;
    owner->node = reeve_process_node(process);
}

void reeve_owner_set_hosts(struct reeve_owner *owner, const struct reeve_map64 *hosts)
{
    owner->host_names = hosts;
}

void owner_node_name(const struct reeve_owner *owner, uint32_t node, char *ret, size_t size)
{
    const char *host = owner->host_names != NULL ? reeve_map64_get(owner->host_names, node) : NULL;
    snprintf(ret, size, host != NULL ? "%" PRIu32 " (%.63s)" : "%" PRIu32, node, host);
}

/* ---- keeping calls --------------------------------------------------------------------------- */

/* Bytes in the store that only lineage keeps there. */
static uint64_t kept_bytes(const struct owner_task *task)
{
    bool kept = task->state == REEVE_TASK_LINEAGE &&
                (task->flags & (OWNER_RESULT_OBJECT | OWNER_GIVEN)) == OWNER_RESULT_OBJECT;
    return kept ? task->bytes.object.size_bytes : 0;
}

static struct owner_lineage *lineage_of(const struct owner_task *task)
{
    return task->flags & OWNER_RESULT_OBJECT ? task->bytes.made.lineage : NULL;
}

struct owner_lineage *owner_lineage_take(
    struct reeve_owner *owner, struct owner_task *task, const struct reeve_reference *object)
{
    bool far = object->node != owner->node;
    if ((task->state != REEVE_TASK_SENT && task->state != REEVE_TASK_INLINE) || owner->node == 0 ||
        task->losses >= task->losses_max ||
        owner_class_is_ordered(owner->classes[task->class_index])) /* an actor has gone on since */
        return NULL;
    size_t list = task->splice_count * sizeof(*task->splices);
    size_t size = sizeof(struct owner_lineage) + list + task->size;
    struct owner_lineage *lineage = size <= owner->settings.lineage_bytes_max ? malloc(size) : NULL;
    if (lineage == NULL)
        return NULL;
    *lineage = (struct owner_lineage){.size = (uint32_t)size,
        .splice_count = task->splice_count,
        .arguments_size = task->size,
        .never_inline = task->flags & OWNER_NEVER_INLINE,
        .splices = (struct reeve_owner_splice *)(lineage + 1)};
    lineage->arguments = (uint8_t *)(lineage->splices + task->splice_count);
    reeve_list_init(&lineage->node);
    if (list != 0)
        memcpy(lineage->splices, task->splices, list);
    if (task->size != 0)
        memcpy(lineage->arguments, owner_task_bytes(task), task->size);
    for (uint32_t i = 0; i < lineage->splice_count; i++) {
        struct owner_task *need = owner_task_at(owner, owner_task_index(lineage->splices[i].task));
        need->lineage_references++;
        need->flags |= far ? OWNER_NEEDED : 0;
    }
    for (uint32_t i = 0; i < lineage->splice_count; i++)
        owner_task_unref(owner, owner_task_index(lineage->splices[i].task));
    task->splice_count = 0;
    owner_task_clear(owner, task);
    return lineage;
}

void owner_lineage_set(
    struct reeve_owner *owner, struct owner_task *task, struct owner_lineage *lineage)
{
    task->bytes.made.lineage = lineage;
    if (lineage == NULL)
        return;
    lineage->task = task;
    reeve_list_push_back(&owner->lineages, &lineage->node);
    owner->lineage_bytes += lineage->size;
    owner->memory_bytes += lineage->size;
}

/* Takes it from its task, which has lost it or hands it on. */
static struct owner_lineage *lineage_unset(struct reeve_owner *owner, struct owner_task *task)
{
    struct owner_lineage *lineage = lineage_of(task);
    if (lineage == NULL)
        return NULL;
    task->bytes.made.lineage = NULL;
    reeve_list_remove(&lineage->node);
    owner->lineage_bytes -= lineage->size;
    owner->memory_bytes -= lineage->size;
    return lineage;
}

/* What it needed is not needed by it any more. */
static uint32_t lineage_free(
    struct reeve_owner *owner, struct owner_lineage *lineage, uint32_t pending)
{
    for (uint32_t i = 0; lineage != NULL && i < lineage->splice_count; i++) {
        uint32_t index = owner_task_index(lineage->splices[i].task);
        struct owner_task *task = owner_task_at(owner, index);
        REEVE_ASSERT(task->lineage_references > 0);
        if (--task->lineage_references != 0 || task->state != REEVE_TASK_LINEAGE)
            continue;
        owner->lineage_bytes -= kept_bytes(task);
        task->next = pending;
        pending = index;
    }
    free(lineage);
    return pending;
}

uint32_t owner_lineage_drop(struct reeve_owner *owner, struct owner_task *task, uint32_t pending)
{
    return lineage_free(owner, lineage_unset(owner, task), pending);
}

static void object_free(struct reeve_owner *owner, struct owner_task *task, uint32_t index)
{
    owner_object_free(owner, task, index);
    if (owner_is_anchored(task)) {
        REEVE_ASSERT(task->readers == 0);
        owner_anchor_forget(owner, task);
    }
}

void owner_lineage_linger(struct reeve_owner *owner, struct owner_task *task, uint32_t index)
{
    REEVE_ASSERT(reeve_task_state_is_final(task->state) && task->references == 0);
    bool again = lineage_of(task) != NULL && task->losses < task->losses_max;
    bool free = task->flags & OWNER_RESULT_OBJECT && (again || !(task->flags & OWNER_NEEDED));
    if (free && task->splice_count == 0 && !(task->flags & OWNER_GIVEN)) {
        object_free(owner, task, index);
        task->flags |= OWNER_GIVEN;
    }
    task->state = REEVE_TASK_LINEAGE;
    owner->lineage_bytes += kept_bytes(task);
}

static void give_up_oldest(struct reeve_owner *owner)
{
    struct owner_lineage *oldest =
        REEVE_LIST_ENTRY(reeve_list_first(&owner->lineages), struct owner_lineage, node);
    owner_tasks_dispose(owner, owner_lineage_drop(owner, oldest->task, OWNER_NONE));
}

void owner_lineage_forget(struct reeve_owner *owner)
{
    struct owner_lineage *oldest =
        REEVE_LIST_ENTRY(reeve_list_first(&owner->lineages), struct owner_lineage, node);
    reeve_list_remove(&oldest->node);
    free(oldest);
}

void owner_lineage_give_up(struct reeve_owner *owner)
{
    while (owner->lineage_bytes > owner->settings.lineage_bytes_max &&
           !reeve_list_is_empty(&owner->lineages))
        give_up_oldest(owner);
}

void reeve_owner_lineage_trim(struct reeve_owner *owner, uint64_t memory_bytes)
{
    while (reeve_owner_memory(owner) >= memory_bytes && !reeve_list_is_empty(&owner->lineages))
        give_up_oldest(owner);
}

/* ---- making objects again -------------------------------------------------------------------- */

/* Why a DONE or LINEAGE task's object cannot be made again; NULL: it can be. */
static const char *final_reason(const struct owner_task *task, char spent[80])
{
    const struct reeve_reference *object = &task->bytes.object;
    const char *reason = NULL;
    if (owner_is_anchored(task)) {
        reason = "it lies in memory, where it is read in place";
    } else if (task->flags & OWNER_LENT ||
               object->flags & (REEVE_REFERENCE_GIVEN | REEVE_REFERENCE_HELD)) {
        reason = "another process had made it, and only that one could make it again";
    } else if (task->attempt == 0) {
        reason = "it was put, not made by a task: put it again, or have a task make it";
    } else if (task->losses >= task->losses_max) {
        reason = spent;
        snprintf(spent, 80, "its task may not be run again (max_retries: %" PRIu32 ")",
            task->losses_max);
    } else if (lineage_of(task) == NULL) {
        reason = "its call was not kept to make it again: more large results are alive than there "
                 "is room to remember the calls of (REEVE_PENDING_SIZE)";
    }
    return reason;
}

/* A value among its arguments has been freed, as nobody else needed it, and is not to be had. */
static bool lacks_argument(const struct reeve_owner *owner, const struct owner_task *task)
{
    const struct owner_lineage *lineage = lineage_of(task);
    char spent[80];
    for (uint32_t i = 0; i < lineage->splice_count; i++) {
        const struct owner_task *need =
            owner_task_at(owner, owner_task_index(lineage->splices[i].task));
        if (need->state == REEVE_TASK_LINEAGE && need->flags & OWNER_GIVEN &&
            final_reason(need, spent) != NULL)
            return true;
    }
    return false;
}

/* `code` is how the loss has shown. */
static bool is_final_loss(const struct reeve_owner *owner, const struct owner_task *task, int code,
    char *why, size_t size)
{
    char spent[80], node[OWNER_NODE_SIZE];
    const char *reason = final_reason(task, spent);
    if (reason == NULL && lacks_argument(owner, task))
        reason = "a value that its task would need has been released";
    if (reason != NULL && code == REEVE_ECORRUPT)
        snprintf(why, size, "it cannot be made again: %s", reason);
    else if (reason != NULL) {
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
    struct owner_lineage *lineage = lineage_unset(owner, task);
    if ((task->flags & (OWNER_GIVEN | OWNER_RESULT_OBJECT)) == OWNER_RESULT_OBJECT)
        object_free(owner, task, index);
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

/* A future that the call needs: there again, or being made again. One reference more. */
static uint32_t need_revive(struct reeve_owner *owner, uint32_t index, uint32_t work)
{
    char why[256];
    struct owner_task *need = owner_task_at(owner, index);
    if (need->state == REEVE_TASK_LINEAGE) {
        owner->lineage_bytes -= kept_bytes(need);
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
    error = owner_edge_add(owner, by, index);
    if (error != 0) {
        owner_task_unref(owner, *ret_by);
        return error;
    }
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
        int error = remake_submit(owner, now_ns, index, lineage, &by);
        for (uint32_t i = 0; i < lineage->splice_count; i++)
            owner_task_unref(owner, owner_task_index(lineage->splices[i].task));
        owner_tasks_dispose(owner, lineage_free(owner, lineage, OWNER_NONE));
        if (error != 0) {
            owner_task_end(owner, now_ns, index, error, false, "", 0, NULL);
        } else if (reeve_task_state_is_final(owner_task_at(owner, by)->state)) {
            owner_remade_take(owner, index, by);
            owner_dependents_tell(owner, now_ns, index);
        }
    }
}

void owner_value_move(struct reeve_owner *owner, uint32_t index, uint32_t by_index)
{
    struct owner_task *task = owner_task_at(owner, index), *by = owner_task_at(owner, by_index);
    bool is_object = by->flags & OWNER_RESULT_OBJECT;
    struct owner_lineage *lineage = lineage_unset(owner, by);
    struct reeve_owner_splice *list = by->splices;
    uint32_t count = by->splice_count;
    struct reeve_reference object = by->bytes.object;
    if (owner_is_anchored(by))
        owner_anchor_forget(owner, by);
    owner_task_finish(owner, index, by->status, by->flags & OWNER_ERROR_MAP, owner_task_bytes(by),
        by->size, is_object ? &object : NULL);
    by->flags &= (uint8_t)~OWNER_RESULT_OBJECT; /* its object has gone over */
    if (is_object && lineage != NULL)
        owner_lineage_set(owner, task, lineage);
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

void owner_remade_take(struct reeve_owner *owner, uint32_t index, uint32_t by)
{
    owner_value_move(owner, index, by);
    owner->remade_failed |= owner_task_at(owner, index)->state == REEVE_TASK_FAILED;
    owner_task_unref(owner, by);
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
    remake(owner, now_ns, remake_begin(owner, owner_task_index(id), OWNER_NONE));
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

bool owner_lost_argument(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int code,
    const struct reeve_reference *object)
{
    char why[256];
    struct owner_task *task = owner_task_at(owner, index);
    if (owner_class_is_ordered(owner->classes[task->class_index]))
        return false; /* those behind it have been run: its turn is over */
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
    task->attempt--; /* nobody has run it */
    if (is_lost)
        work = remake_begin(owner, lost, work);
    int error = owner_task_deepen(owner, index);
    if (error != 0)
        owner_task_end(owner, now_ns, index, error, false, "", 0, NULL);
    else if (task->unresolved == 0 && !fails_with_argument(owner, now_ns, index))
        owner_task_requeue(owner, now_ns, index);
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

/* ---- audit ----------------------------------------------------------------------------------- */

void owner_lineage_check(const struct reeve_owner *owner)
{
    uint64_t needed = 0, references = 0, bytes = 0;
    uint32_t remade = 0, index = OWNER_NONE;
    REEVE_LIST_EACH(node, &owner->lineages)
    {
        const struct owner_lineage *lineage = REEVE_LIST_ENTRY(node, struct owner_lineage, node);
        REEVE_ASSERT(lineage_of(lineage->task) == lineage);
        needed += lineage->splice_count;
        bytes += lineage->size;
    }
    while ((index = owner_task_each(owner, index)) != OWNER_NONE) {
        const struct owner_task *task = owner_task_at(owner, index);
        bool counts = reeve_task_state_is_final(task->state) || task->state == REEVE_TASK_REMADE ||
                      task->state == REEVE_TASK_LINEAGE;
        references += counts ? task->lineage_references : 0;
        bytes += kept_bytes(task);
        remade += task->state == REEVE_TASK_REMADE;
        REEVE_ASSERT((task->references == 0) == (task->state == REEVE_TASK_LINEAGE));
        REEVE_ASSERT(task->state != REEVE_TASK_LINEAGE || task->lineage_references != 0);
        REEVE_ASSERT(task->state != REEVE_TASK_REMADE || task->unresolved == 1);
    }
    REEVE_ASSERT(needed == references && remade == owner->remade_count);
    REEVE_ASSERT(bytes == owner->lineage_bytes);
}
