/* From the workers to the owner core: what has come on the return rings. */
#include <string.h>
#include <unistd.h>

#include "api/client/cluster_rings.h"
#include "runtime/base/errors.h"
#include "runtime/base/macros.h"

#define ANSWERS_AT_ONCE 4096 /* taken from one ring before others get their turn */

bool reeve_cluster_anything_ready(const struct reeve_cluster *cluster)
{
    if (atomic_load_explicit(&cluster->attention, memory_order_relaxed) != 0)
        return true;
    for (uint32_t i = 0; i < cluster->holder_capacity; i++)
        if (cluster->holders[i].open && reeve_ring_peek(&cluster->holders[i].channel.returns))
            return true;
    return false;
}

/* What is no result. */
static int other_take(struct reeve_cluster *cluster, uint64_t now_ns, uint32_t index,
    const struct reeve_entry_view *view, const struct reeve_entry_parts *parts)
{
    switch (view->kind) {
    case REEVE_ENTRY_ITEM:
        return reeve_owner_item(cluster->owner, index, view->task, view->attempt,
            view->flags & REEVE_ENTRY_MORE, parts->value, parts->value_size);
    case REEVE_ENTRY_SAVED:
        return reeve_owner_actor_saved(
            cluster->owner, index, view->task, parts->value, parts->value_size);
    case REEVE_ENTRY_RECALLED:
        reeve_owner_taken_back(cluster->owner, now_ns, index, view->task, view->attempt);
        return 0;
    case REEVE_ENTRY_HANDED:
        return reeve_owner_handed(
            cluster->owner, index, view->task, view->attempt, parts->value, parts->value_size);
    default: return REEVE_EPROTOCOL;
    }
}

static int answer_take(struct reeve_cluster *cluster, uint64_t now_ns, uint32_t index,
    const struct reeve_entry_view *view)
{
    struct reeve_entry_parts parts;
    struct reeve_reference object;
    if (!reeve_entry_split(view->payload, view->length, view->references, view->flags, &parts))
        return REEVE_EPROTOCOL;
    if (REEVE_UNLIKELY(view->kind != REEVE_ENTRY_RESULT))
        return other_take(cluster, now_ns, index, view, &parts);
    bool is_object = view->flags & REEVE_ENTRY_OBJECT;
    if (is_object && view->references == 0)
        return REEVE_EPROTOCOL;
    if (is_object) {
        memcpy(&object, parts.references, sizeof(object));
        if (object.id.owner != cluster->process || object.id.sequence != view->task)
            return REEVE_EPROTOCOL;
        if (object.node != cluster->node)
            object.flags &= ~REEVE_REFERENCE_LOCATED;
    }
    bool names_lost = reeve_error_is_loss(view->status) && view->references != 0;
    if (REEVE_UNLIKELY(names_lost))
        memcpy(&object, parts.references, sizeof(object));
    if (REEVE_UNLIKELY(view->status == REEVE_EWORKERDIED && (view->flags & REEVE_ENTRY_CHILD_DIED)))
        reeve_owner_child_died(cluster->owner, index, view->task, view->attempt);
    bool fresh = reeve_owner_answer(cluster->owner, now_ns, index, view->task, view->attempt,
        view->status, parts.value, parts.value_size, is_object || names_lost ? &object : NULL);
    if (!fresh && is_object && reeve_owner_state(cluster->owner, view->task) == REEVE_TASK_FREE)
        reeve_cluster_command_send(cluster, REEVE_LOCAL_FREE,
            &(struct reeve_owner_command){.kind = REEVE_OWNER_FREE_STRAY, .object = object});
    return 0;
}

/* Takes what has come on one return ring. */
void reeve_cluster_answers_take(struct reeve_cluster *cluster, uint64_t now_ns, uint32_t index)
{
    struct reeve_ring *ring = &cluster->holders[index].channel.returns;
    for (int i = 0; i < ANSWERS_AT_ONCE; i++) {
        struct reeve_entry_view view;
        int error = reeve_ring_claim(ring, &view);
        if (error == REEVE_EAGAIN)
            return;
        if (error == 0)
            error = answer_take(cluster, now_ns, index, &view);
        if (error != 0) {
            reeve_cluster_lease_spoilt(cluster, now_ns, index);
            return;
        }
        reeve_ring_done(ring, view.position);
    }
}

static void inbox_take(struct reeve_cluster *cluster, uint64_t now_ns)
{
    struct reeve_local_message message;
    atomic_store_explicit(
        &cluster->attention, 0, memory_order_relaxed); /* set with the lock only */
    while (reeve_fifo_pop(&cluster->inbox, &message)) {
        reeve_cluster_handle(cluster, now_ns, &message);
        for (uint32_t i = 0; i < message.fd_count; i++)
            close(message.fds[i]);
    }
}

void reeve_cluster_progress(struct reeve_cluster *cluster, uint64_t now_ns)
{
    uint64_t final_before = cluster->final_told;
    cluster->looks++;
    cluster->now_ns = now_ns;
    for (uint32_t i = 0; i < cluster->holder_capacity; i++)
        if (cluster->holders[i].open && reeve_ring_peek(&cluster->holders[i].channel.returns))
            reeve_cluster_answers_take(cluster, now_ns, i);
    if (REEVE_UNLIKELY(atomic_load_explicit(&cluster->attention, memory_order_relaxed) != 0))
        inbox_take(cluster, now_ns);
    if (now_ns >= reeve_owner_deadline(cluster->owner))
        reeve_owner_tick(cluster->owner, now_ns);
    reeve_cluster_send_ready(cluster, now_ns);
    if (REEVE_UNLIKELY(cluster->holders_closing))
        reeve_cluster_channels_close(cluster);
    cluster->final_told = reeve_owner_final_count(cluster->owner);
    if (REEVE_UNLIKELY(cluster->watch_count != 0))
        reeve_cluster_watched(cluster);
    if (cluster->final_told != final_before)
        reeve_cluster_final_wake(cluster);
}
