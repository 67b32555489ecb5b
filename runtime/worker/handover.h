/* Futures that come with a call, and those in its result: see "futures in values" in
 * api/client/owner.h. Internal to this folder. */
#ifndef REEVE_WORKER_HANDOVER_H
#define REEVE_WORKER_HANDOVER_H

#include "api/client/cluster.h"
#include "api/client/invoke.h"

/* What a result gives away, from when it is packed until it has been published. */
struct reeve_handover {
    struct reeve_buffer bytes;
    struct reeve_buffer objects; /* struct reeve_reference */
};

/* Takes what came with a call, over that lease, as futures of this process, for the invocation, of
 * which id and attempt are set. */
int reeve_handover_borrow(struct reeve_cluster *cluster, const struct reeve_entry_parts *parts,
    uint64_t lease, struct reeve_invocation *invocation);

/* The result has handles of actors: what keeps these is handed over as futures are. Before the
 * next two, which are for results with futures. */
int reeve_handover_refer(struct reeve_cluster *cluster, struct reeve_invocation *invocation);

/* The result has futures, and its call came over a channel: waits until all of them can be given,
 * and writes down what they are. Fails with a code, described in the invocation. */
int reeve_handover_prepare(
    struct reeve_cluster *cluster, struct reeve_invocation *invocation, struct reeve_handover *ret);

/* The pieces have been published, the answer has not: the objects change their owner. */
void reeve_handover_give(struct reeve_cluster *cluster, const struct reeve_handover *handover,
    const struct reeve_cluster_heir *heir);

/* The result has futures, and was made here for a task of our own: a reference to each for it. */
int reeve_handover_keep(struct reeve_cluster *cluster, struct reeve_invocation *invocation);
/* It came to nothing. */
void reeve_handover_unkeep(
    struct reeve_cluster *cluster, const struct reeve_invocation *invocation);

/* At the end of every invocation that had to do with futures: those of the result are not the
 * function's any more, and those of the arguments neither. */
enum reeve_handover_fate {
    REEVE_HANDOVER_GIVEN,
    REEVE_HANDOVER_CALLED_OFF, /* the call failed */
    REEVE_HANDOVER_KEPT,       /* caller and callee are this process */
};
void reeve_handover_end(struct reeve_cluster *cluster, struct reeve_invocation *invocation,
    enum reeve_handover_fate fate);

static inline bool reeve_handover_concerns(const struct reeve_invocation *invocation)
{
    return invocation->future_count != 0 || invocation->result_futures.count != 0 ||
           invocation->own_handles != NULL;
}

/* Whether the end of a call may have to hold actors of others. */
static inline bool reeve_handover_holds(const struct reeve_cluster *cluster)
{
    return atomic_load_explicit(&cluster->handles_open, memory_order_relaxed);
}

#endif
