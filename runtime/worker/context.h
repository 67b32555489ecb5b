/* What a task asks of its worker about itself, and tells it: context and progress. */
#ifndef REEVE_WORKER_CONTEXT_H
#define REEVE_WORKER_CONTEXT_H

#include "api/client/cluster.h"
#include "api/client/invoke.h"

/* Fills in what the invocation does not say, these included. */
void reeve_worker_context(struct reeve_cluster *cluster, const struct reeve_invocation *invocation,
    uint32_t cpu_milli, int64_t time_left_ms, reeve_context *ret);

/* Member of the backend. */
void reeve_worker_progress(struct reeve_backend *backend, const struct reeve_invocation *invocation,
    uint64_t done, uint64_t total);

#endif
