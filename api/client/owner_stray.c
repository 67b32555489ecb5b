/* The owner core: results of attempts that were lost.
 *
 *   attempt 1, on node 5:   large result sealed ── the answer is lost, or its worker dies
 *   attempt 2, on node 8:   large result sealed, and answered: the task's
 *
 * Both objects have the same name, and node 5 keeps the first until its owner frees it. So an owner
 * notes where an attempt may have left one, and frees it there, too: when the task's object is
 * freed or has been given away, or when the task ends without one. Not before, while the task may
 * be run again there. (That the node has died may only seem so, to who has lost the link to it; if
 * it has, nobody is told.)
 *
 * That is a word of its own: a copy of the task's object may lie on node 5 under the same name by
 * now, or be on its way there, for an heir or one who holds it. It stays (objectstore/give.c). */
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"

struct owner_stray {
    uint32_t count;
    uint32_t nodes[];
};

static void tell(struct reeve_owner *owner, reeve_task_id id, uint32_t node)
{
    owner_command(owner, REEVE_OWNER_FREE_STRAY)->object =
        (struct reeve_reference){.id = {.owner = owner->process, .sequence = id}, .node = node};
}

void owner_stray_note(struct reeve_owner *owner, reeve_task_id id, uint32_t node)
{
    const struct owner_stray *former = reeve_map64_get(&owner->strays, id);
    uint32_t count = former != NULL ? former->count : 0;
    void *replaced = NULL;
    if (owner->process == REEVE_PROCESS_NONE || node == 0 ||
        owner_task_at(owner, owner_task_index(id))->flags & OWNER_LIFE) /* makes no value */
        return;
    for (uint32_t i = 0; i < count; i++)
        if (former->nodes[i] == node)
            return;
    struct owner_stray *stray = malloc(sizeof(*stray) + (count + 1) * sizeof(stray->nodes[0]));
    if (stray == NULL)
        return; /* it goes with the process */
    if (count != 0)
        memcpy(stray->nodes, former->nodes, count * sizeof(stray->nodes[0]));
    stray->nodes[count] = node;
    stray->count = count + 1;
    if (reeve_map64_put(&owner->strays, id, stray, &replaced) != 0)
        replaced = stray;
    free(replaced);
}

void owner_stray_free(struct reeve_owner *owner, reeve_task_id id, uint32_t node)
{
    if (owner->process != REEVE_PROCESS_NONE && node != 0)
        tell(owner, id, node);
}

void owner_strays_free(struct reeve_owner *owner, reeve_task_id id, uint32_t object_node)
{
    struct owner_stray *stray = reeve_map64_remove(&owner->strays, id);
    for (uint32_t i = 0; stray != NULL && i < stray->count; i++)
        if (stray->nodes[i] != object_node)
            tell(owner, id, stray->nodes[i]);
    free(stray);
}

void owner_strays_fini(struct reeve_owner *owner)
{
    reeve_map64_fini_values(&owner->strays);
}

/* Each is of a task that has not ended, or of an object that somebody has. */
void owner_strays_check(const struct reeve_owner *owner)
{
    size_t at = 0;
    uint64_t id;
    while (reeve_map64_next(&owner->strays, &at, &id, NULL)) {
        const struct owner_task *task = owner_task_find(owner, id);
        bool known = task != NULL && !reeve_task_state_is_final(task->state);
        uint32_t index = OWNER_NONE;
        while (!known && (index = owner_task_each(owner, index)) != OWNER_NONE) {
            task = owner_task_at(owner, index);
            known = task->flags & OWNER_RESULT_OBJECT && task->bytes.object.id.sequence == id;
        }
        REEVE_ASSERT(known);
    }
}
