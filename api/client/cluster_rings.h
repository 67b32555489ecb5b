/* The way of a call through the cluster backend, and of its answer: what the files share that have
 * to do with rings.
 *
 *   owner core ──▶ cluster_send.c ──▶ call ring ──▶ worker
 *       ▲            └ cluster_entry.c: what is not plain
 *       └───────── cluster_answers.c ◀── return ring ◀──┘
 *
 * cluster_channel.c maps the rings, cluster_messages.c hears from the daemon which there are. All
 * with the lock; with the role where cluster.h says so. */
#ifndef REEVE_CLIENT_CLUSTER_RINGS_H
#define REEVE_CLIENT_CLUSTER_RINGS_H

#include "api/client/cluster.h"
#include "runtime/channel/stamp.h"

/* The holder's end is not needed any more. The poller may be peeking at its ring without the lock,
 * so it is the poller who closes it, with the other function. */
void reeve_cluster_channel_give_up(
    struct reeve_cluster *cluster, struct reeve_cluster_channel *channel);
void reeve_cluster_channels_close(struct reeve_cluster *cluster);

/* Writes what can be written, of all classes that have room, and does what the core commands. */
void reeve_cluster_send_ready(struct reeve_cluster *cluster, uint64_t now_ns);
/* Tells the daemon. */
void reeve_cluster_command_send(struct reeve_cluster *cluster, enum reeve_local_kind kind,
    const struct reeve_owner_command *command);
/* A lease whose worker writes nonsense is a lease lost. */
void reeve_cluster_lease_spoilt(struct reeve_cluster *cluster, uint64_t now_ns, uint32_t index);

/* Reserves and fills an entry that has more than plain arguments; REEVE_EAGAIN when the ring has no
 * room now. */
int reeve_cluster_entry_compose(struct reeve_cluster *cluster, struct reeve_ring *ring,
    const struct reeve_owner_send *send, uint64_t now_ns, uint64_t *ret_position);
static inline void reeve_cluster_entry_fill(struct reeve_slot *slot,
    const struct reeve_owner_send *send, uint64_t now_ns, uint16_t references, bool lends)
{
    const struct reeve_owner_entry *entry = &send->entry;
    uint32_t stamp = reeve_stamp_make(entry->ready, now_ns);
    slot->task = send->task;
    slot->attempt = entry->attempt;
    slot->function = entry->function;
    slot->references = references;
    slot->kind = REEVE_ENTRY_CALL;
    slot->flags = entry->flags | (entry->timeout_ms != 0 ? REEVE_ENTRY_TIMED : 0) |
                  (lends ? REEVE_ENTRY_LENT : 0) |
                  (entry->window.units != 0 ? REEVE_ENTRY_WINDOW : 0) |
                  (entry->parent_size != 0 ? REEVE_ENTRY_PARENT : 0) | reeve_stamp_flags(stamp);
    slot->status = reeve_stamp_status(stamp);
}

/* Takes what has come on one return ring. */
void reeve_cluster_answers_take(struct reeve_cluster *cluster, uint64_t now_ns, uint32_t index);

#endif
