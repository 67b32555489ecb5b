/* progress.h: how far the tasks of a worker say that they have come.
 *
 * The records lie in the worker's page, beside its doorbell, where who called the task and the
 * daemon read them when somebody asks. The worker alone writes, one thread at a time; readers never
 * make it wait.
 *
 *   record    | sequence 4 | attempt 4 | owner 8 | task 8 | done 8 | total 8 |
 *
 * `sequence` is odd while the record is written. A reader that has seen it odd, or another one
 * after than before, has read a mixture and looks again. A record says whose it is, so nothing has
 * to be cleared: that of a task that has ended is asked for by nobody, and is the first to be used
 * again. */
#ifndef REEVE_CHANNEL_PROGRESS_H
#define REEVE_CHANNEL_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define REEVE_PROGRESS_RECORDS 4u

struct reeve_progress {
    _Atomic uint32_t sequence;
    _Atomic uint32_t attempt;
    _Atomic uint64_t owner, task; /* whose it is: the process that called, and its number for it */
    _Atomic uint64_t done, total;
};

struct reeve_progress_table {
    struct reeve_progress records[REEVE_PROGRESS_RECORDS];
};

/* Which task, and of it which attempt. */
struct reeve_progress_key {
    uint64_t owner, task;
    uint32_t attempt;
};

/* The worker. `*last` is the writer's own: the record that was begun last. */
void reeve_progress_write(struct reeve_progress_table *table, uint32_t *last,
    const struct reeve_progress_key *key, uint64_t done, uint64_t total);

/* Anybody. False, and both 0: it has said nothing. */
bool reeve_progress_read(const struct reeve_progress_table *table,
    const struct reeve_progress_key *key, uint64_t *ret_done, uint64_t *ret_total);

#endif
