/* The owner core: tasks that are not wanted any more.
 *
 *   WAITING, QUEUED ──cancel──▶ FAILED (ECANCELLED)
 *   SENT            ──cancel──▶ CANCEL commanded: nobody has begun it ─▶ taken back ─▶ FAILED
 *                               it runs: its worker is told, stops it, or is stopped itself
 *                                    ├─ its answer ─▶ what that says; ECANCELLED, or it was quicker
 *                                    ├─ its worker has died ─▶ FAILED (ECANCELLED), not run again
 *                                    └─ its node is lost ─▶ FAILED with that: it may run there yet
 *   INLINE          ──cancel──▶ CANCEL commanded; what it ends with is said by who runs it
 *
 * So a future says ECANCELLED only when nobody runs its task any more. One of which an attempt has
 * been given up with its node, and that was to be run again, ends with that loss, too, whatever
 * becomes of the next attempt: the first may run there yet. The command is given again
 * and again until then, because a worker may not have looked yet, or a node may not have heard. */
#include <reeve_errors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_internal.h"
#include "runtime/base/macros.h"

#define AGAIN_NS (50u * 1000 * 1000)

static const char not_begun[] = "cancelled before it began";

static void command(
    struct reeve_owner *owner, const struct owner_task *task, const struct owner_cancel *cancel)
{
    struct reeve_owner_command *cancelling = owner_command(owner, REEVE_OWNER_CANCEL);
    cancelling->task = cancel->task;
    cancelling->lease_index = task->lease_index;
    cancelling->position = task->position;
    cancelling->attempt = task->attempt;
    cancelling->cancel = cancel->how;
    if (task->state == REEVE_TASK_SENT)
        cancelling->lease = owner_lease_at(owner, task->lease_index)->id;
}

static struct owner_cancel *cancel_get(const struct reeve_owner *owner, reeve_task_id id)
{
    return REEVE_UNLIKELY(reeve_map64_count(&owner->cancelling) != 0)
               ? reeve_map64_get(&owner->cancelling, id)
               : NULL;
}

static struct owner_cancel *cancel_make(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_cancel *cancel = cancel_get(owner, id);
    if (cancel != NULL)
        return cancel;
    cancel = calloc(1, sizeof(*cancel));
    if (cancel != NULL && reeve_map64_put(&owner->cancelling, id, cancel, NULL) != 0) {
        free(cancel);
        return NULL;
    }
    if (cancel != NULL)
        cancel->task = id;
    return cancel;
}

/* What somebody has in hand. */
static int cancel_begun(struct reeve_owner *owner, uint64_t now_ns, const struct owner_task *task,
    reeve_task_id id, const struct reeve_owner_cancel *how)
{
    struct owner_cancel *cancel = cancel_make(owner, id);
    if (cancel == NULL)
        return REEVE_ENOMEM;
    if (!cancel->is_wanted) {
        cancel->is_wanted = true;
        cancel->how = *how;
    } else { /* once more: whatever is sooner, and more */
        cancel->how.grace_ms = REEVE_MIN(cancel->how.grace_ms, how->grace_ms);
        cancel->how.keep_children &= how->keep_children;
    }
    command(owner, task, cancel);
    owner_tick_by(owner, now_ns + AGAIN_NS);
    return 0;
}

int reeve_owner_cancel(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id,
    const struct reeve_owner_cancel *how)
{
    const struct owner_task *task = owner_task_find(owner, id);
    uint32_t index = owner_task_index(id);
    if (task == NULL)
        return REEVE_EHANDLE;
    switch ((enum reeve_task_state)task->state) {
    case REEVE_TASK_QUEUED: owner_task_unqueue(owner, now_ns, index); /* fall through */
    case REEVE_TASK_WAITING: owner_cancel_stopped(owner, now_ns, index, false); return 0;
    case REEVE_TASK_SENT:
    case REEVE_TASK_INLINE: return cancel_begun(owner, now_ns, task, id, how);
    case REEVE_TASK_PART: return reeve_owner_cancel(owner, now_ns, task->bytes.part.call, how);
    default: return 0; /* it has ended once, or is none */
    }
}

uint64_t reeve_owner_sequence(const struct reeve_owner *owner)
{
    return owner->sequence;
}

void reeve_owner_cancel_since(struct reeve_owner *owner, uint64_t now_ns, uint64_t sequence,
    const struct reeve_owner_cancel *how)
{
    uint32_t index = OWNER_NONE;
    while ((index = owner_task_each(owner, index)) != OWNER_NONE) {
        const struct owner_task *task = owner_task_at(owner, index);
        if (task->sequence > sequence && !reeve_task_state_is_final(task->state) &&
            !(task->flags & OWNER_LIFE)) /* actors are made and ended all the same */
            (void)reeve_owner_cancel(owner, now_ns, owner_task_id(task, index), how);
    }
}

bool owner_is_cancelling(const struct reeve_owner *owner, reeve_task_id id)
{
    const struct owner_cancel *cancel = cancel_get(owner, id);
    return cancel != NULL && cancel->is_wanted;
}

void owner_given_up(struct reeve_owner *owner, reeve_task_id id, int code, uint32_t node)
{
    struct owner_cancel *cancel = cancel_make(owner, id);
    if (cancel == NULL)
        return; /* no memory: ECANCELLED will not know of it */
    cancel->lost_code = code;
    cancel->lost_node = node;
}

int owner_cancel_lost(const struct reeve_owner *owner, reeve_task_id id, char *text, size_t size)
{
    const struct owner_cancel *cancel = cancel_get(owner, id);
    if (cancel == NULL || cancel->lost_code == 0)
        return 0;
    char node[OWNER_NODE_SIZE];
    owner_node_name(owner, cancel->lost_node, node, sizeof(node));
    snprintf(text, size,
        "cancelled, but an attempt of it was given up with node %s, and may still run there", node);
    return cancel->lost_code;
}

void owner_cancel_stopped(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, bool begun)
{
    const char *text = begun ? "cancelled while it ran" : not_begun;
    const struct owner_task *task = owner_task_at(owner, index);
    reeve_task_id id = owner_task_id(task, index);
    if (owner->child_died == id)
        owner->child_died = 0;
    if (begun)
        owner_stray_free(owner, id, task->node);
    owner_task_end(
        owner, now_ns, index, REEVE_ECANCELLED, false, text, (uint32_t)strlen(text), NULL);
}

void owner_cancel_forget(struct reeve_owner *owner, reeve_task_id id)
{
    free(reeve_map64_remove(&owner->cancelling, id));
}

void owner_cancel_tick(struct reeve_owner *owner, uint64_t now_ns)
{
    size_t at = 0;
    uint64_t id;
    void *value;
    bool more = false;
    while (reeve_map64_next(&owner->cancelling, &at, &id, &value)) {
        const struct owner_cancel *cancel = value;
        const struct owner_task *task = owner_task_find(owner, id);
        if (task->state != REEVE_TASK_SENT || !cancel->is_wanted)
            continue;
        more = true;
        command(owner, task, value);
    }
    if (more)
        owner_tick_by(owner, now_ns + AGAIN_NS);
}

void owner_cancel_fini(struct reeve_owner *owner)
{
    reeve_map64_fini_values(&owner->cancelling);
}
