/* history.h: what a worker has run lately, and when, for `reeve timeline`.
 *
 * The worker writes, its daemon reads now and then, and once more when the worker has died: the
 * memory is shared, and the daemon's. It lies behind the page of the doorbell, in one memfd:
 *
 *   | doorbell, 4 KiB | written 8, current 40, … 64 B | slice 0 | slice 1 | … | slice N-1 |
 *
 * Slice number n lies at n % N, so the latest N are there. A reader copies, and then looks at how
 * many there are by now: what may have been written over meanwhile it drops.
 *
 * A clock costs as much as a tenth of a short call. So calls are timed one by one only while they
 * are longer than some microseconds; of many short ones that follow each other one in 256 is
 * timed, and the others become one slice that says how many they are (runtime/worker/history.c). */
#ifndef REEVE_CHANNEL_HISTORY_H
#define REEVE_CHANNEL_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define REEVE_HISTORY_SLICES 1024u

enum reeve_slice_kind {
    REEVE_SLICE_TASK,  /* one call */
    REEVE_SLICE_TASKS, /* so many calls, one after the other; task, owner, attempt are 0 */
    REEVE_SLICE_WAIT,  /* the task waits, and has lent its cpu */
    /* a node's, not a worker's: a piece of the object owner, task comes from node `attempt`, count
     * bytes; lane: how many others are on their way */
    REEVE_SLICE_TRANSFER,
    REEVE_SLICE_STAGE, /* a node's: the arguments of a call were brought there */
};

struct reeve_slice {
    uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC of its machine */
    uint64_t owner, task;      /* whose: the process that called, and its number for it */
    uint64_t parent;           /* the key of the call that made it; 0: none did, or it is no call */
    uint32_t attempt;
    uint32_t function; /* index */
    int32_t code;      /* how it ended: REEVE_OK, or an error */
    uint32_t count;
    uint16_t lane; /* which thread of the worker: 0 is the main one */
    uint16_t kind;
    uint32_t waited_ms; /* for a worker, before it began (stamp.h); or it is not known */
};
_Static_assert(sizeof(struct reeve_slice) == 64, "a slice is one line");

/* Stands for a call in less room: one-to-one but for chances of 1 in 2^64. Never 0. */
static inline uint64_t reeve_slice_key(uint64_t owner, uint64_t task)
{
    uint64_t key = (owner + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ task;
    key = (key ^ (key >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    key = (key ^ (key >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return (key ^ (key >> 32)) | (key == 0);
}

struct reeve_history {
    _Alignas(64) _Atomic uint64_t written;
    /* The outermost call that runs, if it is being timed: the number that the doorbell's page has
     * in tasks_begun for it, since when, what it has waited for a worker, whose it is, and the key
     * of the call that made it. */
    _Atomic uint64_t current, current_begin_ns, current_waited_ms, current_owner, current_parent;
    _Alignas(64) struct reeve_slice slices[REEVE_HISTORY_SLICES];
};

/* The worker, one thread at a time. */
void reeve_history_add(struct reeve_history *history, const struct reeve_slice *slice);

/* The daemon. Copies slice number `*next`, and counts it up; false: there is none yet. What was
 * written over before it could be read is skipped, and added to *ret_lost. */
bool reeve_history_read(const struct reeve_history *history, uint64_t *next,
    struct reeve_slice *ret, uint64_t *ret_lost);

#endif
