/* The core's tables as they were, for people: copied some at a time, so that a table of any size
 * does not keep the head from granting.
 *
 *      reeve_snapshot_init ──▶ reeve_snapshot_some … ──▶ false: it is whole ──▶ read anywhere
 *                               between two of them, the core goes on
 *
 * What fits into one slice is of one moment; else each row is, and began_ns to ended_ns says
 * within which time they all are. What was there all that time is in it, once. The totals are of
 * the first moment. A snapshot knows nothing of the core once it is whole: any thread may read it.
 */
#ifndef REEVE_SCHEDULER_SNAPSHOT_H
#define REEVE_SCHEDULER_SNAPSHOT_H

#include "scheduler/sched.h"

enum reeve_snapshot_table {
    REEVE_SNAPSHOT_NODES,
    REEVE_SNAPSHOT_JOBS,
    REEVE_SNAPSHOT_DEMANDS,
    REEVE_SNAPSHOT_LEASES,
    REEVE_SNAPSHOT_TABLES
};

#define REEVE_SNAPSHOT_BIT(table) (1u << (table))

struct reeve_snapshot_demand {
    struct reeve_sched_demand_info info;
    char why[REEVE_TEXT_SIZE]; /* reeve_sched_why */
};

struct reeve_snapshot {
    unsigned wanted; /* bits */
    uint64_t began_ns, ended_ns;
    struct reeve_sched_totals totals;
    /* struct reeve_sched_node_info, …_job_info, reeve_snapshot_demand, reeve_sched_lease_info */
    struct reeve_fifo rows[REEVE_SNAPSHOT_TABLES];
    uint64_t left_out[REEVE_SNAPSHOT_TABLES]; /* rows that were too many, or had no memory */
    unsigned at;                              /* the table being copied */
    bool begun;
    uint64_t cursor, rows_left;
};

void reeve_snapshot_init(struct reeve_snapshot *snapshot, unsigned wanted);
void reeve_snapshot_fini(struct reeve_snapshot *snapshot);

/* Copies `budget` rows at most. Returns whether more are left. */
bool reeve_snapshot_some(struct reeve_snapshot *snapshot, const struct reeve_sched *sched,
    uint64_t now_ns, uint32_t budget);

#endif
