/* Stopping the task that a worker runs: because it was cancelled, or its time is up.
 *
 *   asked    reeve_cancelled() is true from now on, and what the task has called is cancelled, too
 *     │ grace
 *   SIGTERM  to this process, if the program has a handler for it
 *     │ grace
 *   end      of the process; its daemon then kills what is left of its process group
 *
 * The background thread climbs that ladder; at each step the task may end by itself, and which of
 * the two comes first is decided by one word:
 *
 *   control  | number of the run | state |     state: IDLE ─▶ RUNNING ─▶ STOPPING ─▶ ENDING
 *              main thread: begin ───────────────▲            │             │
 *              background: asked ─────────────────────────────┴──▶          │
 *              background: end ─────────────────────────────────────────────┴──▶
 *              main thread: end (an exchange with IDLE) from RUNNING: its own result counts; from
 *                           STOPPING: the answer is that it was stopped; from ENDING: never
 *                           returns
 *
 * A task that was cancelled is answered for by its owner, who learns from the daemon that the
 * process has ended: so that is known only when it is so. One whose time is up is answered for
 * here, just before the end.
 *
 * A child that is run on the spot shares its process with the task that waits for it: it is only
 * asked. */
#ifndef REEVE_WORKER_STOP_H
#define REEVE_WORKER_STOP_H

#include "api/client/cluster.h"

/* `answer` publishes an answer to the claimed entry. */
void reeve_stop_init(struct reeve_cluster *cluster,
    void (*answer)(int status, const char *format, const char *function, uint32_t timeout_ms));

/* The background thread looks at what is due, then at the latest. Without the lock. */
void reeve_stop_wake_by(struct reeve_cluster *cluster, uint64_t deadline_ns);

/* Around the function of a claimed entry, by the main thread. end: REEVE_OK, or what it was stopped
 * for (REEVE_ECANCELLED, REEVE_ETASKTIMEOUT), which is then its outcome. */
void reeve_stop_begin(
    uint64_t lease, uint64_t task, uint32_t attempt, uint32_t function, uint32_t timeout_ms);
int reeve_stop_end(void);

/* Until the time limit of what runs; 0: it is over; REEVE_FOREVER: there is none. Main thread. */
int64_t reeve_stop_time_left_ms(void);

/* Around the function of a child run on the spot; with the cluster's lock. */
struct reeve_stop_child {
    reeve_task_id task;
    uint64_t sequence; /* the owner's when it began: its own children come later */
    uint32_t depth;
    _Atomic bool asked;
    struct reeve_stop_child *below;
};
void reeve_stop_child_begin(struct reeve_stop_child *child, reeve_task_id task, uint32_t depth);
void reeve_stop_child_end(struct reeve_stop_child *child);

#endif
