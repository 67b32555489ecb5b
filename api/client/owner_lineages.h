/* What owner_lineage.c (calls that are kept) and owner_remake.c (running them again) share. */
#ifndef REEVE_CLIENT_OWNER_LINEAGES_H
#define REEVE_CLIENT_OWNER_LINEAGES_H

#include "api/client/owner_internal.h"

/* Bytes in the store that only lineage keeps there. */
static inline uint64_t owner_kept_bytes(const struct owner_task *task)
{
    bool kept = task->state == REEVE_TASK_LINEAGE &&
                (task->flags & (OWNER_RESULT_OBJECT | OWNER_GIVEN)) == OWNER_RESULT_OBJECT;
    return kept ? task->bytes.object.size_bytes : 0;
}

static inline struct owner_lineage *owner_lineage_of(const struct owner_task *task)
{
    return task->flags & OWNER_RESULT_OBJECT ? task->bytes.made.lineage : NULL;
}

/* Whose call makes the task's object: its own, or that of which it is one of several results. */
static inline const struct owner_task *owner_maker_of(
    const struct reeve_owner *owner, const struct owner_task *task)
{
    const struct owner_lineage *lineage = owner_lineage_of(task);
    return lineage != NULL && lineage->is_part
               ? owner_task_at(owner, owner_task_index(lineage->splices[0].task))
               : task;
}

/* Takes it from its task, which has lost it or hands it on; or NULL. */
struct owner_lineage *owner_lineage_unset(struct reeve_owner *owner, struct owner_task *task);
/* What it needed is not needed by it any more: `pending` (linked by next) gets what is left of
 * that. NULL: nothing. */
uint32_t owner_lineage_free(
    struct reeve_owner *owner, struct owner_lineage *lineage, uint32_t pending);
/* Of a DONE task; it is anchored no more. */
void owner_lineage_object_free(struct reeve_owner *owner, struct owner_task *task, uint32_t index);

#endif
