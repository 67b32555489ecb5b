/* Running one call, and answering it: what the main thread's calls (call.c), those that run
 * beside it (jobs.c) and children that are run on the spot (children.c) share. Internal to this
 * folder. */
#ifndef REEVE_WORKER_EXECUTION_H
#define REEVE_WORKER_EXECUTION_H

#include "api/client/cluster.h"
#include "api/client/invoke.h"
#include "runtime/worker/handover.h"
#include "runtime/worker/history.h"

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
    /* whom it answers, in the main thread; of a job it is written there. Of a child that is run on
     * the spot the view has nothing but its stamp */
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

/* Runs the function. `pace`: of those whose time is noted alike (history.h). */
void execution_run(struct execution *execution, uint32_t function_index, struct reeve_pace *pace);
/* What it was stopped for is its outcome, whatever it has returned. Returns that. */
int execution_stopped(struct execution *execution, int reason, uint32_t timeout_ms);
/* Settles what becomes of its result. Returns the task's status; on failure the result is the
 * error's map, in the scratch memory. */
int execution_settle(struct execution *execution, uint32_t function_index, uint8_t *scratch);
/* The result's futures go to who called, before the answer. */
void execution_futures_settle(struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, struct execution *execution);
/* What an answer names: the object that is the result, or one among the arguments that is lost; or
 * NULL. */
const struct reeve_reference *execution_object(const struct execution *execution, int status);
/* It is settled. */
void execution_answer(struct execution *execution, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, int status, const uint8_t *scratch);
void execution_fini(struct execution *execution);
/* All of these: settles what becomes of its result, answers, and ends it. */
void execution_finish(struct execution *execution, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, uint8_t *scratch);
/* Its result is not wanted. */
void execution_drop(struct execution *execution);

/* Before its answer there is something to be settled with others: futures, or actors of theirs. */
static inline bool execution_concerns_others(const struct execution *execution)
{
    return reeve_handover_concerns(&execution->invocation) ||
           reeve_handover_holds(execution->cluster);
}

#endif
