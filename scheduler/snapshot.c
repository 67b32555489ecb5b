/* Copying the core's tables; see snapshot.h. */
#include "scheduler/snapshot.h"

#include <string.h>

#include "runtime/base/macros.h"

#define ROWS_MAX 100000u /* of one table */

static const size_t row_sizes[REEVE_SNAPSHOT_TABLES] = {
    [REEVE_SNAPSHOT_NODES] = sizeof(struct reeve_sched_node_info),
    [REEVE_SNAPSHOT_JOBS] = sizeof(struct reeve_sched_job_info),
    [REEVE_SNAPSHOT_DEMANDS] = sizeof(struct reeve_snapshot_demand),
    [REEVE_SNAPSHOT_LEASES] = sizeof(struct reeve_sched_lease_info),
};

void reeve_snapshot_init(struct reeve_snapshot *snapshot, unsigned wanted)
{
    memset(snapshot, 0, sizeof *snapshot);
    snapshot->wanted = wanted;
    for (unsigned i = 0; i < REEVE_SNAPSHOT_TABLES; i++)
        reeve_fifo_init(&snapshot->rows[i], row_sizes[i]);
}

void reeve_snapshot_fini(struct reeve_snapshot *snapshot)
{
    for (unsigned i = 0; i < REEVE_SNAPSHOT_TABLES; i++)
        reeve_fifo_fini(&snapshot->rows[i]);
}

/* As many rows as there are now, at most: older ones come first, so that they hold all that is
 * there until they have been copied; what comes meanwhile, perhaps faster than this, is let be.
 *
 * Room for all of them at once: to move them while they grow would cost more than to copy them.
 * Without memory for that they grow one by one. */
static void begin_table(struct reeve_snapshot *snapshot, const struct reeve_sched *sched)
{
    struct reeve_sched_totals totals;
    reeve_sched_totals(sched, &totals);
    const uint64_t counts[REEVE_SNAPSHOT_TABLES] = {
        totals.node_count, totals.job_count, totals.demand_count, totals.lease_count};
    snapshot->cursor = 0;
    snapshot->rows_left = counts[snapshot->at];
    snapshot->begun = true;
    (void)reeve_fifo_reserve(
        &snapshot->rows[snapshot->at], (size_t)REEVE_MIN(snapshot->rows_left, ROWS_MAX));
}

/* The next row of the table that is being copied; false: it was the last. */
static bool next(struct reeve_snapshot *snapshot, const struct reeve_sched *sched, uint64_t now_ns)
{
    union {
        struct reeve_sched_node_info node;
        struct reeve_sched_job_info job;
        struct reeve_snapshot_demand demand;
        struct reeve_sched_lease_info lease;
    } row;
    bool more = false;
    switch ((enum reeve_snapshot_table)snapshot->at) {
    case REEVE_SNAPSHOT_NODES:
        more = reeve_sched_next_node(sched, &snapshot->cursor, &row.node);
        break;
    case REEVE_SNAPSHOT_JOBS:
        more = reeve_sched_next_job(sched, &snapshot->cursor, &row.job);
        break;
    case REEVE_SNAPSHOT_DEMANDS:
        more = reeve_sched_next_demand(sched, &snapshot->cursor, &row.demand.info);
        if (more)
            reeve_sched_why(
                sched, now_ns, row.demand.info.process, &row.demand.info.class, row.demand.why);
        break;
    case REEVE_SNAPSHOT_LEASES:
        more = reeve_sched_next_lease(sched, &snapshot->cursor, &row.lease);
        break;
    case REEVE_SNAPSHOT_TABLES: break;
    }
    if (!more)
        return false;
    struct reeve_fifo *rows = &snapshot->rows[snapshot->at];
    void *copy = rows->count < ROWS_MAX ? reeve_fifo_push(rows) : NULL;
    if (copy != NULL)
        memcpy(copy, &row, rows->item_size);
    else
        snapshot->left_out[snapshot->at]++;
    return true;
}

bool reeve_snapshot_some(struct reeve_snapshot *snapshot, const struct reeve_sched *sched,
    uint64_t now_ns, uint32_t budget)
{
    if (snapshot->began_ns == 0) {
        snapshot->began_ns = now_ns;
        reeve_sched_totals(sched, &snapshot->totals);
    }
    snapshot->ended_ns = now_ns;
    for (; snapshot->at < REEVE_SNAPSHOT_TABLES; snapshot->at++, snapshot->begun = false) {
        if (!(snapshot->wanted & REEVE_SNAPSHOT_BIT(snapshot->at)))
            continue;
        if (!snapshot->begun)
            begin_table(snapshot, sched);
        while (snapshot->rows_left > 0 && budget > 0 && next(snapshot, sched, now_ns)) {
            snapshot->rows_left--;
            budget--;
        }
        if (snapshot->rows_left > 0 && budget == 0)
            return true;
    }
    return false;
}
