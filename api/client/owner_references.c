/* The owner core: references to futures. Those that the program has are counted apart (`held`), so
 * that it cannot release more than it has, whatever the library keeps for itself meanwhile:
 *
 *     references  = held by the program + kept for gets, views + needed by tasks, values, watches
 *                      └──take──▶ kept: a get begins ──drop──▶ gone; or ──untake──▶ held again   */
#include <reeve_errors.h>

#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

/* Whether the task counts in `losses` what the program has released of its references. */
static bool is_lent(const struct owner_task *task)
{
    return task->flags & OWNER_LENT && reeve_task_state_is_final(task->state);
}

int reeve_owner_take(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL || task->held == 0)
        return REEVE_EHANDLE;
    task->held--;
    if (REEVE_UNLIKELY(is_lent(task)))
        task->losses++; /* so that borrow_end does not give it back once more */
    return 0;
}

void reeve_owner_untake(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_task *task = owner_task_find(owner, id);
    REEVE_ASSERT(task != NULL);
    task->held++;
    if (REEVE_UNLIKELY(is_lent(task)))
        task->losses--;
}

int reeve_owner_release(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL || task->held == 0)
        return REEVE_EHANDLE;
    if (REEVE_UNLIKELY(reeve_map64_count(&owner->streams) != 0))
        owner_stream_drop(owner, 0, id);
    task->held--;
    if (REEVE_UNLIKELY(is_lent(task)))
        task->losses++;
    owner_task_unref(owner, owner_task_index(id));
    owner_lineage_bound(owner);
    return 0;
}

int reeve_owner_keep(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL)
        return REEVE_EHANDLE;
    task->references++;
    return 0;
}

void reeve_owner_drop(struct reeve_owner *owner, reeve_task_id id)
{
    REEVE_ASSERT(owner_task_find(owner, id) != NULL);
    owner_task_unref(owner, owner_task_index(id));
    owner_lineage_bound(owner);
}

int reeve_owner_hold(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL)
        return REEVE_EHANDLE;
    task->references++;
    task->held++;
    return 0;
}
