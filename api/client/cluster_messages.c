/* What the daemon says: leases that come, are called back and are lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/cluster_rings.h"

static void on_channel_as_holder(
    struct reeve_cluster *cluster, uint64_t now_ns, struct reeve_local_message *message)
{
    struct reeve_cluster_channel channel;
    struct reeve_owner_command back = {.lease = message->lease};
    uint32_t class_index = message->class_index, index;
    /* a lease just returned gives its channel up before its index serves again */
    reeve_cluster_send_ready(cluster, now_ns);
    reeve_cluster_channels_close(cluster);
    int error = reeve_cluster_channel_open(cluster, &channel, message, REEVE_CHANNEL_HOLDER);
    if (error == 0)
        error = reeve_owner_lease_gained(
            cluster->owner, now_ns, class_index, message->lease, message->node, &index);
    if (error == 0 && index >= cluster->holder_capacity) {
        uint32_t capacity = index + 1;
        struct reeve_cluster_channel *holders =
            realloc(cluster->holders, capacity * sizeof(*cluster->holders));
        if (holders == NULL) {
            reeve_owner_lease_lost(cluster->owner, now_ns, index, REEVE_ENOMEM, "");
            error = REEVE_ENOMEM;
        } else {
            memset(holders + cluster->holder_capacity, 0,
                (capacity - cluster->holder_capacity) * sizeof(*holders));
            cluster->holders = holders;
            cluster->holder_capacity = capacity;
        }
    }
    if (error != 0) {
        reeve_cluster_channel_close(&channel);
        reeve_cluster_command_send(cluster, REEVE_LOCAL_LEASE_RETURN, &back);
        return;
    }
    cluster->holders[index] = channel;
    reeve_cluster_host_note(cluster, message->node, message->text);
}

static void on_channel_as_worker(struct reeve_cluster *cluster, struct reeve_local_message *message)
{
    uint32_t index = 0;
    while (index < cluster->worker_capacity && cluster->workers[index]->open)
        index++;
    if (index == cluster->worker_capacity) {
        struct reeve_cluster_channel **workers =
            realloc(cluster->workers, (index + 1) * sizeof(*workers));
        if (workers == NULL)
            return; /* the lease lies idle until its holder returns it */
        cluster->workers = workers;
        workers[index] = calloc(1, sizeof(**workers));
        if (workers[index] == NULL)
            return;
        cluster->worker_capacity++;
    }
    uint64_t host = message->task;
    reeve_process_id owner = message->token;
    if (reeve_cluster_channel_open(
            cluster, cluster->workers[index], message, REEVE_CHANNEL_WORKER) != 0)
        return;
    cluster->workers[index]->cpu_milli = message->cpu_milli;
    if (host != 0) {
        cluster->workers[index]->owner = owner;
        cluster->workers[index]->class_index = UINT32_MAX; /* an actor runs none of its children */
    } else if (reeve_owner_class(cluster->owner, message->cpu_milli, message->priority,
                   &cluster->workers[index]->class_index) != 0) {
        cluster->workers[index]->class_index = UINT32_MAX; /* no child's is equal */
    }
}

static void on_lease_lost(struct reeve_cluster *cluster, uint64_t now_ns,
    const struct reeve_local_message *message, const char *text)
{
    uint32_t index;
    /* Lease 0: one node could not run the program. Others may: the head tries them, and says
     * INFEASIBLE when none can. */
    if (!reeve_owner_find_lease(cluster->owner, message->lease, &index))
        return;
    reeve_cluster_answers_take(cluster, now_ns, index); /* what it had finished counts */
    struct reeve_ring *calls = &cluster->holders[index].channel.calls;
    uint64_t position;
    uint32_t attempt;
    reeve_task_id task = reeve_owner_each_in_flight(cluster->owner, index, 0, &position, &attempt);
    while (task != 0) {
        uint64_t next_position = 0;
        uint32_t next_attempt = 0;
        reeve_task_id next =
            reeve_owner_each_in_flight(cluster->owner, index, task, &next_position, &next_attempt);
        if (reeve_ring_recall(calls, position)) /* nobody had claimed it: not an attempt */
            reeve_owner_taken_back(cluster->owner, now_ns, index, task, attempt);
        else if (message->count != 0)
            reeve_owner_child_died(cluster->owner, index, task, attempt);
        task = next;
        position = next_position;
        attempt = next_attempt;
    }
    reeve_owner_lease_lost(cluster->owner, now_ns, index,
        message->code != 0 ? message->code : REEVE_EWORKERDIED, text);
    reeve_cluster_channel_close(&cluster->holders[index]);
}

static void on_given(struct reeve_cluster *cluster, const struct reeve_local_message *message)
{
    const struct reeve_reference object = {.id = message->object,
        .node = message->node,
        .offset = message->task,
        .flags = REEVE_REFERENCE_GIVEN | (message->task != 0 ? REEVE_REFERENCE_HELD : 0)};
    reeve_owner_given(cluster->owner, message->token, message->count, &object);
}

void reeve_cluster_handle(
    struct reeve_cluster *cluster, uint64_t now_ns, struct reeve_local_message *message)
{
    char text[REEVE_LOCAL_TEXT_SIZE + 1];
    uint32_t index;
    snprintf(text, sizeof(text), "%.*s", (int)message->text_size, message->text);
    switch (message->kind) {
    case REEVE_LOCAL_CHANNEL:
        if (message->flags == REEVE_LOCAL_ROLE_HOLDER)
            on_channel_as_holder(cluster, now_ns, message);
        else if (message->flags == REEVE_LOCAL_ROLE_WORKER)
            on_channel_as_worker(cluster, message);
        break;
    case REEVE_LOCAL_LEASE_LOST: on_lease_lost(cluster, now_ns, message, text); break;
    case REEVE_LOCAL_LEASE_RECALL:
        if (!reeve_owner_find_lease(cluster->owner, message->lease, &index))
            break;
        if (message->count == 0)
            reeve_owner_lease_recalled(cluster->owner, now_ns, index);
        else
            reeve_owner_lease_wanted(cluster->owner, now_ns, index);
        break;
    case REEVE_LOCAL_CHANNEL_CLOSE:
        for (index = 0; index < cluster->worker_capacity; index++)
            if (cluster->workers[index]->open && cluster->workers[index]->lease == message->lease)
                /* the loop closes it: its entry may be running */
                cluster->workers[index]->closing = true;
        reeve_owner_loans_lost(cluster->owner, now_ns, message->lease);
        if (cluster->task_wake != NULL)
            cluster->task_wake();
        break;
    case REEVE_LOCAL_FEED: reeve_cluster_fed(cluster, now_ns, message); break;
    case REEVE_LOCAL_ASK: reeve_cluster_asked(cluster, now_ns, message); break;
    case REEVE_LOCAL_INFEASIBLE:
        reeve_owner_class_failed(cluster->owner, now_ns, message->class_index,
            message->code != 0 ? message->code : REEVE_EINFEASIBLE, text);
        break;
    case REEVE_LOCAL_DEADLOCK:
        reeve_cluster_deadlocked(cluster, now_ns, message->count, text);
        break;
    case REEVE_LOCAL_RELAX:
        reeve_cluster_ahead_return(cluster);
        reeve_owner_relax(cluster->owner, message->size);
        break;
    case REEVE_LOCAL_GIVEN: on_given(cluster, message); break;
    case REEVE_LOCAL_OVER: reeve_cluster_actor_over(cluster, now_ns, message); break;
    case REEVE_LOCAL_OUTPUT: reeve_output_start(cluster, message); break;
    case REEVE_LOCAL_REFUSED: reeve_cluster_die(cluster, message->code, text); break;
    default: break; /* a newer daemon may say more than we know */
    }
}
