/* The owner core: the calls that are kept, so that objects that were lost with their node, or
 * damaged on a disk, can be made again (owner_remake.c). The picture is in owner.h.
 *
 *   task, DONE     ── lineage: function, arguments, futures among these ──▶ lineage_references
 *   task, LINEAGE  nobody else refers to it: its object is freed (flag GIVEN) if it has lineage
 *                  of its own, or is needed only for what lies on our own node; else kept
 *   part, DONE     ── lineage: the call, and which of its results ──▶ call, LINEAGE ── lineage */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_lineages.h"
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
        .arguments_size = task->size - (task->has_parent ? OWNER_PARENT_SIZE : 0),
        .has_parent = task->has_parent,
        .never_inline = task->flags & OWNER_NEVER_INLINE,
        .has_parts = task->flags & OWNER_PARTS,
        .splices = (struct reeve_owner_splice *)(lineage + 1)};
    lineage->arguments = (uint8_t *)(lineage->splices + task->splice_count);
    reeve_list_init(&lineage->node);
    uint32_t count = 0;
    for (uint32_t i = 0; i < task->splice_count; i++) /* an actor is not kept alive by it */
        if (!reeve_owner_is_handle(owner, task->splices[i].task))
            lineage->splices[count++] = task->splices[i];
    lineage->splice_count = count;
    if (task->size != 0)
        memcpy(lineage->arguments, owner_task_bytes(task), task->size);
    for (uint32_t i = 0; i < lineage->splice_count; i++) {
        struct owner_task *need = owner_task_at(owner, owner_task_index(lineage->splices[i].task));
        need->lineage_references++;
        need->flags |= far ? OWNER_NEEDED : 0;
    }
    for (uint32_t i = 0; i < task->splice_count; i++)
        owner_task_unref(owner, owner_task_index(task->splices[i].task));
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

void owner_lineage_share(
    struct reeve_owner *owner, uint32_t index, uint32_t call_index, const struct owner_part *part)
{
    struct owner_task *task = owner_task_at(owner, index), *call = owner_task_at(owner, call_index);
    if (task->state != REEVE_TASK_DONE || !(task->flags & OWNER_RESULT_OBJECT) ||
        task->attempt != 0 || task->bytes.object.flags & REEVE_REFERENCE_HELD)
        return; /* not put by the call, but made by another one, or another's */
    size_t size = sizeof(struct owner_lineage) + sizeof(struct reeve_owner_splice);
    struct owner_lineage *lineage = malloc(size);
    if (lineage == NULL)
        return;
    *lineage = (struct owner_lineage){.size = (uint32_t)size,
        .splice_count = 1,
        .is_part = true,
        .index = index,
        .number = part->number,
        .count = part->count,
        .splices = (struct reeve_owner_splice *)(lineage + 1)};
    lineage->splices[0] = (struct reeve_owner_splice){0, owner_task_id(call, call_index)};
    reeve_list_init(&lineage->node);
    call->lineage_references++;
    task->attempt = call->attempt;
    task->losses = call->losses;
    task->losses_max = call->losses_max;
    task->node = call->node;
    owner_lineage_set(owner, task, lineage);
}

struct owner_lineage *owner_lineage_unset(struct reeve_owner *owner, struct owner_task *task)
{
    struct owner_lineage *lineage = owner_lineage_of(task);
    if (lineage == NULL)
        return NULL;
    task->bytes.made.lineage = NULL;
    reeve_list_remove(&lineage->node);
    owner->lineage_bytes -= lineage->size;
    owner->memory_bytes -= lineage->size;
    return lineage;
}

uint32_t owner_lineage_free(
    struct reeve_owner *owner, struct owner_lineage *lineage, uint32_t pending)
{
    for (uint32_t i = 0; lineage != NULL && i < lineage->splice_count; i++) {
        uint32_t index = owner_task_index(lineage->splices[i].task);
        struct owner_task *task = owner_task_at(owner, index);
        REEVE_ASSERT(task->lineage_references > 0);
        if (--task->lineage_references != 0 || task->state != REEVE_TASK_LINEAGE)
            continue;
        owner->lineage_bytes -= owner_kept_bytes(task);
        task->next = pending;
        pending = index;
    }
    free(lineage);
    return pending;
}

uint32_t owner_lineage_drop(struct reeve_owner *owner, struct owner_task *task, uint32_t pending)
{
    return owner_lineage_free(owner, owner_lineage_unset(owner, task), pending);
}

void owner_lineage_object_free(struct reeve_owner *owner, struct owner_task *task, uint32_t index)
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
    const struct owner_task *maker = owner_maker_of(owner, task);
    bool again = owner_lineage_of(maker) != NULL && maker->losses < maker->losses_max;
    bool free = task->flags & OWNER_RESULT_OBJECT && (again || !(task->flags & OWNER_NEEDED));
    if (free && task->splice_count == 0 && !(task->flags & OWNER_GIVEN)) {
        owner_lineage_object_free(owner, task, index);
        task->flags |= OWNER_GIVEN;
    }
    task->state = REEVE_TASK_LINEAGE;
    owner->lineage_bytes += owner_kept_bytes(task);
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

/* ---- audit ----------------------------------------------------------------------------------- */

void owner_lineage_check(const struct reeve_owner *owner)
{
    uint64_t needed = 0, references = 0, bytes = 0;
    uint32_t remade = 0, index = OWNER_NONE;
    REEVE_LIST_EACH(node, &owner->lineages)
    {
        const struct owner_lineage *lineage = REEVE_LIST_ENTRY(node, struct owner_lineage, node);
        REEVE_ASSERT(owner_lineage_of(lineage->task) == lineage);
        needed += lineage->splice_count;
        bytes += lineage->size;
    }
    while ((index = owner_task_each(owner, index)) != OWNER_NONE) {
        const struct owner_task *task = owner_task_at(owner, index);
        bool counts = reeve_task_state_is_final(task->state) || task->state == REEVE_TASK_REMADE ||
                      task->state == REEVE_TASK_LINEAGE;
        references += counts ? task->lineage_references : 0;
        bytes += owner_kept_bytes(task);
        remade += task->state == REEVE_TASK_REMADE;
        REEVE_ASSERT((task->references == 0) == (task->state == REEVE_TASK_LINEAGE));
        REEVE_ASSERT(task->state != REEVE_TASK_LINEAGE || task->lineage_references != 0);
        REEVE_ASSERT(task->state != REEVE_TASK_REMADE || task->unresolved == 1);
    }
    REEVE_ASSERT(needed == references && remade == owner->remade_count);
    REEVE_ASSERT(bytes == owner->lineage_bytes);
}
