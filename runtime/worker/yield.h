/* Items of the stream that this worker runs: written to the return ring, no further ahead of their
 * reader than channel/credit.h says.
 *
 * Only the main thread yields, and only in the entry that it has claimed: a stream is never run on
 * the spot. While it runs, the background thread may have an answer to publish in its place (its
 * time is up), so both publish under the same flag. */
#ifndef REEVE_WORKER_YIELD_H
#define REEVE_WORKER_YIELD_H

#include "api/client/cluster.h"

/* The main thread: gives one item of `size` bytes, which `pack` writes; false: the value has
 * changed meanwhile. Waits for its reader. */
int reeve_worker_yield(struct reeve_cluster *cluster, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, size_t size, reeve_pack_item *pack, const void *item,
    struct reeve_error_info *error);
/* The function that has yielded has ended. */
void reeve_worker_yield_end(void);

/* Around what the background thread publishes on the return ring while a function runs. */
void reeve_worker_publish_begin(void);
void reeve_worker_publish_end(void);

/* With the lock. How much the reader has taken, as a daemon says. */
void reeve_worker_credit(const struct reeve_local_message *message);
/* A yield that waits looks again at whether it is to go on. */
void reeve_worker_yield_wake(void);

#endif
