/* The owner core: functions that have failed, and are to be run again.
 *
 *   SENT, INLINE ──REEVE_EFUNCTION, some left──▶ WAITING, for nothing but the time ──due──▶ QUEUED
 *                └─none left, or cancelled─────▶ FAILED
 *
 * What it has failed with is forgotten, and so is what that attempt has handed over; its place
 * among the others is the one that it had. The pauses double from the first on, up to
 * PAUSE_NS_MAX, and each is shortened by up to half of it, by what only looks like chance (the
 * core has none): of many that fail together not all are to come back together. Losses are
 * counted apart. */
#include <reeve_errors.h>
#include <stdlib.h>

#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"

#define PAUSE_NS_MAX (UINT64_C(60) * 1000 * 1000 * 1000)
#define NS_PER_MS    UINT64_C(1000000)

struct owner_retry {
    struct reeve_heap_node due; /* in owner.pauses, while it pauses */
    reeve_task_id task;
    struct reeve_owner_retries rule; /* count: those that are left */
    uint32_t failures;
};

int owner_retry_make(
    struct reeve_owner *owner, uint32_t index, const struct reeve_owner_retries *rule)
{
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_retry *retry = calloc(1, sizeof(*retry));
    reeve_task_id id = owner_task_id(task, index);
    if (retry == NULL || reeve_map64_put(&owner->retries, id, retry, NULL) != 0) {
        free(retry);
        return REEVE_ENOMEM;
    }
    retry->task = id;
    retry->rule = *rule;
    task->may_retry = true;
    owner->memory_bytes += sizeof(*retry);
    return 0;
}

static struct owner_retry *retry_of(
    const struct reeve_owner *owner, const struct owner_task *task, uint32_t index)
{
    return task->may_retry ? reeve_map64_get(&owner->retries, owner_task_id(task, index)) : NULL;
}

struct reeve_owner_retries owner_retries_left(const struct reeve_owner *owner, uint32_t index)
{
    const struct owner_retry *retry = retry_of(owner, owner_task_at(owner, index), index);
    return retry != NULL ? retry->rule : (struct reeve_owner_retries){0, 0};
}

void owner_retry_forget(struct reeve_owner *owner, struct owner_task *task, uint32_t index)
{
    struct owner_retry *retry = reeve_map64_remove(&owner->retries, owner_task_id(task, index));
    REEVE_ASSERT(retry != NULL);
    reeve_heap_remove(&owner->pauses, &retry->due);
    owner->memory_bytes -= sizeof(*retry);
    task->may_retry = false;
    free(retry);
}

static uint64_t pause_ns(const struct owner_retry *retry)
{
    uint64_t whole = retry->rule.pause_ms * NS_PER_MS;
    for (uint32_t i = 1; i < retry->failures && whole < PAUSE_NS_MAX; i++)
        whole *= 2;
    whole = REEVE_MIN(whole, PAUSE_NS_MAX);
    uint64_t mixed = (retry->task + retry->failures) * 0x9e3779b97f4a7c15ull;
    mixed = (mixed ^ (mixed >> 32)) * 0xbf58476d1ce4e5b9ull;
    return whole - (mixed >> 32) % (whole / 2 + 1);
}

bool owner_task_retried(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_retry *retry = retry_of(owner, task, index);
    REEVE_ASSERT(task->state == REEVE_TASK_SENT || task->state == REEVE_TASK_INLINE);
    if (retry == NULL || retry->rule.count == 0 ||
        owner_is_cancelling(owner, owner_task_id(task, index)))
        return false;
    retry->failures++;
    reeve_heap_remove(&owner->pauses, &retry->due); /* it was queued before its pause was over */
    uint64_t due_ns = now_ns + pause_ns(retry);
    if (due_ns > now_ns && reeve_heap_insert(&owner->pauses, &retry->due, due_ns) != 0)
        return false;
    retry->rule.count--;
    owner->inline_count -= task->state == REEVE_TASK_INLINE;
    task->flags &= (uint8_t)~OWNER_TAKING_BACK;
    task->state = REEVE_TASK_WAITING;
    owner_reading_end(owner, task);
    owner_task_is_ready(task, due_ns);
    if (due_ns == now_ns)
        owner_task_requeue(owner, now_ns, index);
    else
        owner_tick_by(owner, due_ns);
    return true;
}

bool owner_retry_pauses(const struct reeve_owner *owner, uint32_t index)
{
    const struct owner_retry *retry = retry_of(owner, owner_task_at(owner, index), index);
    return retry != NULL && reeve_heap_contains(&retry->due);
}

void owner_retry_tick(struct reeve_owner *owner, uint64_t now_ns)
{
    struct reeve_heap_node *node;
    while ((node = reeve_heap_peek(&owner->pauses)) != NULL && node->key <= now_ns) {
        const struct owner_retry *retry = REEVE_CONTAINER_OF(node, struct owner_retry, due);
        const struct owner_task *task = owner_task_find(owner, retry->task);
        reeve_heap_pop(&owner->pauses);
        /* else it has been queued since, or is kept to be handed over */
        if (task->state == REEVE_TASK_WAITING && task->unresolved == 0 &&
            !(task->flags & OWNER_KEPT))
            owner_task_requeue(owner, now_ns, owner_task_index(retry->task));
    }
    if (node != NULL)
        owner_tick_by(owner, node->key);
}

void owner_retries_fini(struct reeve_owner *owner)
{
    reeve_map64_fini_values(&owner->retries);
    reeve_heap_fini(&owner->pauses);
}

uint64_t owner_retries_check(const struct reeve_owner *owner)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&owner->retries, &at, NULL, &value)) {
        const struct owner_retry *retry = value;
        const struct owner_task *task = owner_task_find(owner, retry->task);
        REEVE_ASSERT(task != NULL && task->may_retry && !reeve_task_state_is_final(task->state));
        REEVE_ASSERT(!reeve_heap_contains(&retry->due) || owner->tick_at_ns <= retry->due.key);
    }
    return reeve_map64_count(&owner->retries) * sizeof(struct owner_retry);
}
