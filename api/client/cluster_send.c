/* From the owner core to the workers: entries into their rings, and commands for the daemon. */
#include "api/client/cluster_rings.h"
#include "runtime/base/macros.h"

#define BELLS_AT_ONCE 64

static void bells_ring(struct reeve_cluster *cluster, const uint32_t *rung, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct reeve_cluster_channel *channel = &cluster->holders[rung[i]];
        if (channel->open && channel->rung) {
            channel->rung = false;
            (void)reeve_doorbell_ring(channel->bell, channel->bell_fd);
        }
    }
}

/* A lease whose worker writes nonsense is a lease lost. */
void reeve_cluster_lease_spoilt(struct reeve_cluster *cluster, uint64_t now_ns, uint32_t index)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_LEASE_RETURN,
        .lease = cluster->holders[index].lease,
        .code = REEVE_EPROTOCOL};
    reeve_owner_lease_lost(cluster->owner, now_ns, index, REEVE_EPROTOCOL,
        "the worker wrote a malformed answer: something in the program overwrites memory that is "
        "not its own");
    reeve_cluster_channel_give_up(cluster, &cluster->holders[index]);
    (void)reeve_cluster_send(cluster, &message);
}

static const char *unsendable_text(int error)
{
    return error == REEVE_ETOOLARGE
               ? "with the values of the futures among and in them, its arguments have more than "
                 "256 KiB or more than 1,024 large values; pass them as fewer, or put some "
                 "together "
                 "first"
               : "its arguments could not be written for the worker";
}

/* Reserves and fills the entry; REEVE_EAGAIN when the ring has no room now. */
static int entry_write(struct reeve_cluster *cluster, struct reeve_ring *ring,
    const struct reeve_owner_send *send, uint64_t now_ns, uint64_t *ret_position)
{
    const struct reeve_owner_entry *entry = &send->entry;
    struct reeve_slot_fill fill;
    if (REEVE_UNLIKELY((entry->splice_count | entry->timeout_ms | entry->window.units) != 0))
        return reeve_cluster_entry_compose(cluster, ring, send, now_ns, ret_position);
    uint32_t size = entry->arguments_size + entry->parent_size;
    int error = reeve_ring_reserve(ring, size, &fill);
    if (error != 0)
        return error;
    reeve_cluster_entry_fill(fill.slot, send, now_ns, 0, false);
    reeve_copy(fill.payload, entry->arguments, size);
    *ret_position = fill.position;
    return 0;
}

/* Writes what can be written, of all classes that have room. Bells are rung once for a batch. */
static void entries_send(struct reeve_cluster *cluster, uint64_t now_ns)
{
    struct reeve_owner_send send;
    uint32_t rung[BELLS_AT_ONCE], rung_count = 0;
    while (reeve_owner_next_send(cluster->owner, &send)) {
        struct reeve_cluster_channel *channel = &cluster->holders[send.lease_index];
        uint64_t position = 0;
        int error = entry_write(cluster, &channel->channel.calls, &send, now_ns, &position);
        if (REEVE_UNLIKELY(error == REEVE_EAGAIN || error == REEVE_EPROTOCOL)) {
            reeve_owner_unsent(cluster->owner, send.task);
            if (error == REEVE_EPROTOCOL)
                reeve_cluster_lease_spoilt(cluster, now_ns, send.lease_index);
            continue;
        }
        if (REEVE_UNLIKELY(error != 0)) {
            reeve_owner_unsendable(
                cluster->owner, now_ns, send.task, error, unsendable_text(error));
            continue;
        }
        reeve_ring_publish(&channel->channel.calls);
        reeve_owner_sent(cluster->owner, now_ns, send.task, position);
        if (!channel->rung) {
            channel->rung = true;
            rung[rung_count++] = send.lease_index;
            if (rung_count == BELLS_AT_ONCE) {
                bells_ring(cluster, rung, rung_count);
                rung_count = 0;
            }
        }
    }
    bells_ring(cluster, rung, rung_count);
}

/* ---- commands -------------------------------------------------------------------------------- */

void reeve_cluster_command_send(struct reeve_cluster *cluster, enum reeve_local_kind kind,
    const struct reeve_owner_command *command)
{
    struct reeve_local_message message = {
        .kind = (uint16_t)kind,
        .class_index = command->class_index,
        .cpu_milli = command->cpu_milli,
        .priority = command->priority,
        .count = command->count,
        .lease = command->lease,
        .task = command->task,
        .object = command->object.id,
        .node = command->kind == REEVE_OWNER_DEMAND ? command->near : command->object.node,
        .flags = reeve_cluster_object_flags(&command->object) |
                 (command->kind == REEVE_OWNER_LET_GO ? REEVE_LOCAL_OBJECT_ANCHOR : 0) |
                 (command->kind == REEVE_OWNER_FREE_STRAY ? REEVE_LOCAL_OBJECT_STRAY : 0),
    };
    if (command->kind == REEVE_OWNER_DEMAND) {
        message.flags = command->host;
        message.process = command->process;
    } else if (command->kind == REEVE_OWNER_RETURN_LEASE && command->count != 0) {
        message.code = REEVE_ECANCELLED;
    }
    /* a dead daemon shows at the socket's other end, too */
    (void)reeve_cluster_send(cluster, &message);
}

static void command_run(
    struct reeve_cluster *cluster, uint64_t now_ns, const struct reeve_owner_command *command)
{
    struct reeve_cluster_channel *channel = NULL;
    reeve_lease_index lease_index;
    uint64_t position;
    uint32_t attempt;
    if (command->lease_index < cluster->holder_capacity)
        channel = &cluster->holders[command->lease_index];
    switch (command->kind) {
    case REEVE_OWNER_DEMAND:
        reeve_cluster_command_send(cluster, REEVE_LOCAL_DEMAND, command);
        break;
    case REEVE_OWNER_FREE_OBJECT:
    case REEVE_OWNER_FREE_STRAY:
        reeve_cluster_command_send(cluster, REEVE_LOCAL_FREE, command);
        break;
    case REEVE_OWNER_LET_GO:
    case REEVE_OWNER_UNPIN: reeve_cluster_command_send(cluster, REEVE_LOCAL_UNPIN, command); break;
    case REEVE_OWNER_RETURN_LEASE:
        if (channel != NULL && channel->lease == command->lease)
            reeve_cluster_channel_give_up(cluster, channel);
        reeve_cluster_command_send(cluster, REEVE_LOCAL_LEASE_RETURN, command);
        break;
    case REEVE_OWNER_UNNAME:
        (void)reeve_cluster_send(cluster,
            &(struct reeve_local_message){
                .kind = REEVE_LOCAL_NAME, .flags = REEVE_LOCAL_NAME_DROP, .task = command->task});
        if (cluster->is_keeper) {
            cluster->kept_ended = true;
            reeve_condition_tell(&cluster->replied);
        }
        break;
    case REEVE_OWNER_CREDIT: reeve_cluster_credit_run(cluster, command); break;
    case REEVE_OWNER_FEED: reeve_cluster_feed_run(cluster, command); break;
    case REEVE_OWNER_ASK: reeve_cluster_ask_run(cluster, command); break;
    case REEVE_OWNER_CANCEL: reeve_cluster_cancel_run(cluster, now_ns, command); break;
    case REEVE_OWNER_TAKE_BACK:
        if (!reeve_owner_where(cluster->owner, command->task, &lease_index, &position, &attempt) ||
            lease_index != command->lease_index || position != command->position)
            break; /* answered or lost meanwhile */
        if (reeve_ring_recall(&channel->channel.calls, position)) {
            reeve_owner_taken_back(cluster->owner, now_ns, lease_index, command->task, attempt);
        } else if (channel->node != cluster->node) {
            reeve_cluster_command_send(cluster, REEVE_LOCAL_TAKE_BACK, command);
        }
        break;
    }
}

void reeve_cluster_send_ready(struct reeve_cluster *cluster, uint64_t now_ns)
{
    struct reeve_owner_command command;
    bool more;
    do {
        entries_send(cluster, now_ns);
        if (REEVE_UNLIKELY(cluster->makers_asked))
            reeve_cluster_makers_look(cluster);
        more = false;
        while (reeve_owner_next_command(cluster->owner, &command)) {
            command_run(cluster, now_ns, &command);
            more = true;
        }
    } while (more && !cluster->dead);
}

void reeve_cluster_pump(struct reeve_cluster *cluster, uint64_t now_ns)
{
    reeve_cluster_send_ready(cluster, now_ns);
    atomic_store_explicit(
        &cluster->bell->unfinished, reeve_owner_unfinished(cluster->owner), memory_order_relaxed);
    reeve_cluster_tell(cluster); /* some may have failed for good */
}
