/* What the files of the worker's main thread share (drawn in worker.c). */
#ifndef REEVE_WORKER_WORKER_INTERNAL_H
#define REEVE_WORKER_WORKER_INTERNAL_H

#include <limits.h>
#include <pthread.h>

#include "api/client/cluster.h"

/* What the process has one of; and the one claimed entry, for the watch. */
struct worker {
    struct reeve_cluster *cluster;
    uint8_t *scratch;              /* inline_size bytes: results are packed here */
    char host[HOST_NAME_MAX + 16]; /* number and name of the node, for people */
    const uint8_t *stack_low;      /* of the main thread */
    pthread_t main;
    struct reeve_cluster_channel *channel;
    struct reeve_entry_view view;
    bool alone;  /* the claimed entry's children are not to be run here */
    bool yields; /* the claimed entry's function has yielded */
};
extern struct worker worker_self;

bool worker_is_main(void);

/* call.c */
/* A claimed entry of a channel that is for actors: it may be that it is not to be run yet. */
bool worker_call_is_early(
    const struct reeve_cluster_channel *channel, const struct reeve_entry_view *view);
/* Runs a claimed entry, and answers it. */
void worker_call_run(struct reeve_cluster *cluster, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view);
/* The background thread's answer to the claimed entry, while that does not go on. */
void worker_answer_stopped(
    int status, const char *format, const char *function, uint32_t timeout_ms);
/* Members of cluster and backend: the claimed entry's function gives an item, or asks what it
 * is. */
int worker_yield(struct reeve_cluster *cluster, size_t size, reeve_pack_item *pack,
    const void *item, struct reeve_error_info *error);
void worker_context(
    struct reeve_backend *backend, const struct reeve_invocation *invocation, reeve_context *ret);

/* children.c: members of the cluster. */
bool worker_may_run_inline(const struct reeve_cluster *cluster, uint32_t *ret_class_index);
void worker_run_inline(struct reeve_cluster *cluster, reeve_task_id task);

#endif
