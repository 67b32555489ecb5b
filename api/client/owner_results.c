/* The owner core: calls with several results. What they are is told in owner.h.
 *
 *   program   ──▶ PART 0, PART 1, …        each a future like any other
 *                   │      │   edges
 *   call      ──────┴──────┴──             nobody refers to it but itself, until it has ended
 *                │
 *                ├─FAILED─▶ so are all its parts
 *                └─DONE───▶ [f0, f1, …], the futures in its value: part i takes the value of f_i,
 *                           now or, where f_i is a call that has not ended, when it has
 *
 * A large value that is lost is made again with its call, and with it all of them that are lost
 * (owner_remake.c).
 *
 * To take a value is to have it in place of the future that had it, which was nobody else's; where
 * somebody else has that future, too, a small value is copied. */
#include <inttypes.h>
#include <reeve_errors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

static int part_make(
    struct reeve_owner *owner, const struct owner_part *from, uint32_t function, reeve_task_id *ret)
{
    uint32_t index;
    if (owner_task_make(owner, &index) != 0)
        return REEVE_ENOMEM;
    struct owner_task *task = owner_task_at(owner, index);
    task->state = REEVE_TASK_PART;
    task->references = 2; /* the program's, and its own until it is final */
    task->held = 1;
    task->function = function;
    task->bytes.part = *from;
    owner->unfinished++;
    *ret = owner_task_id(task, index);
    return 0;
}

/* It is final when `on` is, and has its value or its error. */
static int part_await(struct reeve_owner *owner, uint32_t index, uint32_t on_index)
{
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_task *on = owner_task_at(owner, on_index);
    int error = owner_edge_add(owner, on, index);
    if (error != 0)
        return error;
    task->bytes.part.call = owner_task_id(on, on_index);
    task->unresolved++;
    task->references++;
    return 0;
}

int reeve_owner_submit_results(struct reeve_owner *owner, uint64_t now_ns,
    const struct reeve_owner_task *from, uint32_t count, reeve_task_id *ret)
{
    REEVE_ASSERT(count != 0 && !from->is_stream);
    struct owner_part part = {.count = count};
    reeve_task_id call = 0;
    int error = 0;
    for (; part.number < count && error == 0; part.number += error == 0)
        error = part_make(owner, &part, from->function, &ret[part.number]);
    if (error == 0)
        error = reeve_owner_submit(owner, now_ns, from, &call);
    if (error != 0) {
        for (uint32_t i = 0; i < part.number; i++) {
            owner_task_fail(owner, now_ns, owner_task_index(ret[i]), error, "");
            (void)reeve_owner_release(owner, ret[i]);
        }
        return error;
    }
    uint32_t call_index = owner_task_index(call);
    bool final = reeve_task_state_is_final(owner_task_at(owner, call_index)->state);
    if (!final)
        owner_task_at(owner, call_index)->flags |= OWNER_PARTS;
    for (uint32_t i = count; i-- > 0;) { /* those that wait are told in the opposite order */
        uint32_t index = owner_task_index(ret[i]);
        if (final)
            (void)owner_part_take(owner, index, call_index);
        else if ((error = part_await(owner, index, call_index)) != 0)
            owner_task_finish(owner, index, error, false, "", 0, NULL);
        if (reeve_task_state_is_final(owner_task_at(owner, index)->state))
            owner_dependents_tell(owner, now_ns, index);
    }
    (void)reeve_owner_release(owner, call);
    return 0;
}

/* ---- taking ---------------------------------------------------------------------------------- */

static void part_fail(struct reeve_owner *owner, uint32_t index, int code, const char *text)
{
    owner_task_finish(owner, index, code, false, text, (uint32_t)strlen(text), NULL);
}

/* From a future that others have, too. */
static void value_copy(struct reeve_owner *owner, uint32_t index, const struct owner_task *from)
{
    struct owner_task *task = owner_task_at(owner, index);
    size_t size = from->splice_count * sizeof(*from->splices);
    struct reeve_owner_splice *list = NULL;
    if (from->state == REEVE_TASK_DONE && from->flags & OWNER_RESULT_OBJECT) {
        part_fail(owner, index, REEVE_EINVAL,
            "one of the call's several results is a large value that another future has, too: let "
            "the function give a copy of it");
        return;
    }
    if (from->state == REEVE_TASK_DONE && size != 0 && (list = malloc(size)) == NULL) {
        part_fail(owner, index, REEVE_ENOMEM, "");
        return;
    }
    owner_task_finish(owner, index, from->status, from->flags & OWNER_ERROR_MAP,
        owner_task_bytes(from), from->size, NULL);
    task->function = from->function;
    task->attempt = from->attempt;
    task->node = from->node;
    if (list == NULL)
        return;
    if (task->state != REEVE_TASK_DONE) {
        free(list);
        return;
    }
    memcpy(list, from->splices, size);
    for (uint32_t i = 0; i < from->splice_count; i++)
        owner_task_at(owner, owner_task_index(list[i].task))->references++;
    owner_task_list_set(owner, task, list, from->splice_count);
}

/* From a future that is final. `sole`: nobody else has it. */
static void value_take(struct reeve_owner *owner, uint32_t index, uint32_t from_index, bool sole)
{
    const struct owner_task *from = owner_task_at(owner, from_index);
    if (sole && from->state == REEVE_TASK_DONE)
        owner_value_move(owner, index, from_index);
    else
        value_copy(owner, index, from);
}

bool owner_part_take(struct reeve_owner *owner, uint32_t index, uint32_t from_index)
{
    struct owner_task *task = owner_task_at(owner, index);
    const struct owner_task *from = owner_task_at(owner, from_index);
    const struct owner_part part = task->bytes.part;
    char why[128];
    REEVE_ASSERT(task->state == REEVE_TASK_PART ||
                 (task->state == REEVE_TASK_REMADE && task->flags & OWNER_PARTS));
    REEVE_ASSERT(reeve_task_state_is_final(from->state));
    if (part.number == OWNER_NONE) { /* the value itself: ours, and its own until it is told of */
        value_take(owner, index, from_index, from->references == 2);
        owner_task_unref(owner, from_index);
        return true;
    }
    if (from->state == REEVE_TASK_FAILED) {
        value_take(owner, index, from_index, false);
        return true;
    }
    if (from->splice_count != part.count) {
        snprintf(why, sizeof(why),
            "%" PRIu32 " results were asked for, and the function has given %" PRIu32
            " futures in place of them",
            part.count, from->splice_count);
        part_fail(owner, index, REEVE_ETYPE, why);
        task->attempt = from->attempt;
        task->node = from->node;
        return true;
    }
    uint32_t value_index = owner_task_index(from->splices[part.number].task);
    struct owner_task *value = owner_task_at(owner, value_index);
    if (reeve_task_state_is_final(value->state)) {
        value_take(owner, index, value_index, value->references == 1);
        owner_lineage_share(owner, index, from_index, &part);
        return true;
    }
    int error = part_await(owner, index, value_index);
    if (error != 0) {
        part_fail(owner, index, error, "");
        return true;
    }
    task->bytes.part.number = OWNER_NONE;
    value->references++; /* the list that it stands in goes with the call */
    return false;
}

/* ---- what is waited for --------------------------------------------------------------------- */

reeve_task_id reeve_owner_dependency(const struct reeve_owner *owner, reeve_task_id id)
{
    const struct owner_task *task = owner_task_find(owner, id);
    if (task != NULL && task->state == REEVE_TASK_PART)
        return task->bytes.part.call;
    for (uint32_t i = 0; task != NULL && i < task->splice_count; i++) {
        const struct owner_task *on = owner_task_at(owner, owner_task_index(task->splices[i].task));
        if (!reeve_task_state_is_final(on->state) &&
            !reeve_owner_is_stream(owner, task->splices[i].task))
            return task->splices[i].task;
    }
    return 0;
}
