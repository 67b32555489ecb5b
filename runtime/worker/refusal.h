/* Calls of actors that are refused because an object among their arguments is lost or damaged, and
 * those that were sent behind them (drawn in runtime/channel/entry.h). Main thread; internal to
 * this folder. */
#ifndef REEVE_WORKER_REFUSAL_H
#define REEVE_WORKER_REFUSAL_H

#include "api/client/cluster.h"
#include "runtime/channel/entry.h"
#include "runtime/worker/execution.h"

/* The call has been run, or not: if it is to be refused, so are those behind it. True: it is. */
static inline bool reeve_refusal_begins(
    struct reeve_cluster_channel *channel, const struct execution *execution, int status)
{
    bool begins = REEVE_UNLIKELY(status != 0) && channel->owner != 0 &&
                  execution_object(execution, status) == &execution->lost;
    if (begins)
        channel->refuses = true;
    return begins;
}

/* A claimed call of a channel that refuses. True: it was refused, and answered; else it is the one
 * with which the channel goes on. */
bool reeve_refusal_goes_on(
    struct reeve_cluster_channel *channel, const struct reeve_entry_view *view);

/* A claimed call is for a thread of the actor's own. True: an object that it reads is not to be
 * had, and it has been refused. Until that is known nothing behind it is begun. */
bool reeve_refusal_of_job(struct reeve_cluster *cluster, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, const struct reeve_entry_parts *parts);

#endif
