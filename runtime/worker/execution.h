/* Running one call, and answering it: what the main thread's loop (worker.c) and the calls that run
 * beside it (jobs.c) share. Internal to this folder. */
#ifndef REEVE_WORKER_EXECUTION_H
#define REEVE_WORKER_EXECUTION_H

#include "api/client/cluster.h"
#include "api/client/invoke.h"
#include "runtime/worker/handover.h"

#define EXECUTION_PINS_FEW 8

struct job; /* jobs.h */

/* What is being run: one a task, on the stack, because tasks nest when a waiting one runs
 * another. */
struct execution {
    struct reeve_invocation invocation;
    struct reeve_cluster *cluster;
    const struct reeve_reference *references; /* may be unaligned */
    uint16_t reference_count;
    bool beside;           /* the main thread: in one of an actor's own, or answered by any */
    reeve_process_id heir; /* who called, over a channel; or none: we did */
    /* whom it answers, in the main thread; of a job it is written there */
    struct reeve_cluster_channel *channel;
    const struct reeve_entry_view *view;
    struct job *job; /* it is beside, or its answer comes later; or NULL */
    uint32_t timeout_ms;
    struct reeve_handover handover;
    int code;                    /* not 0: it has failed before it began */
    struct reeve_reference lost; /* an object among the arguments that is; size 0: none */
    /* the result's place in the store, if it has one; and what it is known by when it is sealed */
    bool is_object;
    struct reeve_cluster_place place;
    struct reeve_reference object;
    /* objects pinned for the arguments */
    struct reeve_object_id few[EXECUTION_PINS_FEW];
    struct reeve_object_id *pins;
    size_t pin_count, pin_capacity;
};

void execution_init(struct execution *execution, struct reeve_cluster *cluster, uint32_t function,
    const void *args, size_t args_size, uint8_t *scratch);

/* Settles what becomes of its result, answers, and ends it. */
void execution_finish(struct execution *execution, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, uint8_t *scratch);
/* Its result is not wanted. */
void execution_drop(struct execution *execution);

#endif
