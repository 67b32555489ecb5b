/* Cancelling: the member of the backend, and what the core commands (owner_cancel.c). */
#include "api/client/cluster.h"
#include "api/client/error.h"

int reeve_cluster_cancel(struct reeve_backend *backend, uint64_t future,
    const struct reeve_owner_cancel *how, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    reeve_lock(&cluster->lock);
    int code = cluster->ending ? REEVE_ESHUTDOWN : 0;
    if (code == 0) {
        uint64_t now_ns = reeve_cluster_now_ns();
        reeve_cluster_enter(cluster);
        code = reeve_owner_cancel(cluster->owner, now_ns, future, how);
        reeve_cluster_submitted(cluster, now_ns);
        if (reeve_owner_deadline(cluster->owner) < cluster->background_wake_ns)
            reeve_cluster_background_wake(cluster); /* it may have to be said again */
    }
    reeve_unlock(&cluster->lock);
    if (code == REEVE_EHANDLE)
        return reeve_error_set(error, code, REEVE_NO_FUTURE);
    return code == 0 ? 0 : reeve_error_set(error, code, "%s", "");
}

void reeve_cluster_cancel_run(
    struct reeve_cluster *cluster, uint64_t now_ns, const struct reeve_owner_command *command)
{
    reeve_lease_index lease_index;
    uint64_t position;
    uint32_t attempt;
    if (reeve_owner_state(cluster->owner, command->task) == REEVE_TASK_INLINE) {
        cluster->cancel_inline(cluster, now_ns, command->task, &command->cancel);
        return;
    }
    if (!reeve_owner_where(cluster->owner, command->task, &lease_index, &position, &attempt) ||
        lease_index != command->lease_index || position != command->position)
        return; /* answered or lost meanwhile */
    if (reeve_ring_recall(&cluster->holders[lease_index].channel.calls, position)) {
        reeve_owner_taken_back(cluster->owner, now_ns, lease_index, command->task, attempt);
        return;
    }
    struct reeve_local_message message = {.kind = REEVE_LOCAL_CANCEL,
        .lease = command->lease,
        .task = command->task,
        .count = attempt,
        .size = command->cancel.grace_ms,
        .flags = command->cancel.keep_children ? REEVE_LOCAL_KEEP_CHILDREN : 0};
    (void)reeve_cluster_send(cluster, &message);
}
