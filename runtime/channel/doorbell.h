/* doorbell.h: how a process that waits on rings is woken.
 *
 * Each process has one doorbell, a shared page that it and all who produce for it have mapped. Its
 * `waiting` word says how the process waits; who publishes looks at it, and pays for a system call
 * only when somebody sleeps:
 *
 *   waiting   AWAKE 0   nobody sleeps: someone polls the rings, or will look at them without being
 *                       called
 *             FUTEX 1   a thread sleeps on the word itself (futex)
 *             EVENT 2   a background thread, or a daemon's loop, sleeps on an eventfd
 *
 *   sleeper                                   ringer
 *     arm: waiting = mode     (A)               publish entries       (C)
 *     fence                                     fence
 *     look at the rings       (B)               read waiting          (D)
 *     nothing there: sleep                      not 0: exchange it with 0, and wake by what the
 *                                               exchange gave
 *     disarm: waiting = 0
 *
 * The two fences are sequentially consistent: it cannot be that B misses C and D misses A. So
 * either the sleeper sees the entry, or the ringer sees that it must wake. The exchange lets one of
 * several ringers wake, and none twice. The futex is the waiting word itself: the kernel sleeps
 * only while it still holds FUTEX, so a ring between B and the sleep is not lost.
 *
 * At most one thread of a process is armed at a time (the client library's drain lock sees to it).
 * Wake-ups may be spurious: a sleeper looks at its rings again and again.
 */
#ifndef REEVE_CHANNEL_DOORBELL_H
#define REEVE_CHANNEL_DOORBELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/errors.h"
#include "runtime/channel/progress.h"

#define REEVE_DOORBELL_BYTES     4096u
#define REEVE_DOORBELL_FUNCTIONS 236u

enum reeve_doorbell_mode {
    REEVE_DOORBELL_AWAKE = 0,
    REEVE_DOORBELL_FUTEX = 1,
    REEVE_DOORBELL_EVENT = 2,
};

/* How many executions of a function have ended, and how. */
struct reeve_function_counts {
    _Atomic uint64_t finished, failed;
};

struct reeve_doorbell {
    /* line 0: read by every ringer after every publish */
    _Alignas(64) _Atomic uint32_t waiting;
    uint32_t magic;
    uint32_t version;
    /* line 1: facts that the process publishes for its daemon; read for display and post-mortem,
     * never trusted */
    _Alignas(64) _Atomic uint32_t
        current_function; /* function id + 1 of the task on top of the stack; 0: none */
    _Atomic uint32_t
        inline_depth; /* children being run on the spot by the tasks that wait for them */
    _Atomic uint64_t current_task; /* the outermost task, by the number that its owner has for it */
    _Atomic uint32_t current_attempt;
    _Atomic uint32_t blocked; /* 1 while the process waits inside a task: its CPU may be lent */
    /* Outermost tasks: one is running while there are more begun than ended. No clock is read for
     * them: who looks now and then sees for how long it has been the same. */
    _Atomic uint64_t tasks_begun, tasks_ended;
    _Atomic uint64_t unfinished; /* calls of the process's own that have no result yet */
    /* lines 2 to 4: what tasks say by reeve_progress */
    _Alignas(64) struct reeve_progress_table progress;
    /* the rest of the page: by the function's index; the last one is of all further functions */
    _Alignas(64) struct reeve_function_counts functions[REEVE_DOORBELL_FUNCTIONS];
};
_Static_assert(sizeof(struct reeve_doorbell) == REEVE_DOORBELL_BYTES, "a doorbell is one page");

/* Counts one execution. One thread of the process does this. */
static inline void reeve_doorbell_count(struct reeve_doorbell *bell, uint32_t function, bool failed)
{
    const uint32_t last = REEVE_DOORBELL_FUNCTIONS - 1;
    struct reeve_function_counts *counts = &bell->functions[function < last ? function : last];
    _Atomic uint64_t *count = failed ? &counts->failed : &counts->finished;
    atomic_store_explicit(
        count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* The same, in any thread: one that is counted by both may be missed. */
static inline void reeve_doorbell_count_shared(
    struct reeve_doorbell *bell, uint32_t function, bool failed)
{
    const uint32_t last = REEVE_DOORBELL_FUNCTIONS - 1;
    struct reeve_function_counts *counts = &bell->functions[function < last ? function : last];
    atomic_fetch_add_explicit(
        failed ? &counts->failed : &counts->finished, 1, memory_order_relaxed);
}

/* Formats zeroed memory of REEVE_DOORBELL_BYTES bytes, aligned to 64. The daemon calls it, once. */
void reeve_doorbell_format(void *memory);

/* The doorbell in this memory, or NULL when there is none. */
struct reeve_doorbell *reeve_doorbell_attach(void *memory, size_t size_bytes);

/* Wakes the process of `bell` if it sleeps; call after publishing. `event_fd` is the eventfd of
 * that process, or -1 where it never uses mode EVENT. Contains the sequentially consistent fence
 * that publishing needs. True if a wake-up was sent. */
static inline bool reeve_doorbell_ring(struct reeve_doorbell *bell, int event_fd);

/* Says that the caller is about to sleep in `mode` (FUTEX or EVENT). Look at all the rings after
 * it and before sleeping. */
static inline void reeve_doorbell_arm(struct reeve_doorbell *bell, enum reeve_doorbell_mode mode);

/* Sleeps while armed with FUTEX, `timeout_ns` at most (negative: no limit). Returns 0 when woken
 * (perhaps for nothing) or REEVE_ETIMEDOUT. It blocks. Disarm afterwards, whatever it returned.
 * For mode EVENT, poll the eventfd instead. */
int reeve_doorbell_sleep(struct reeve_doorbell *bell, int64_t timeout_ns);

/* Says that the caller is awake and looks at the rings itself. */
static inline void reeve_doorbell_disarm(struct reeve_doorbell *bell)
{
    /* relaxed: a ringer that still sees the old mode sends a wake-up too many, no more */
    atomic_store_explicit(&bell->waiting, REEVE_DOORBELL_AWAKE, memory_order_relaxed);
}

bool reeve_doorbell_wake(struct reeve_doorbell *bell, int event_fd);

static inline bool reeve_doorbell_ring(struct reeve_doorbell *bell, int event_fd)
{
    /* Orders the publishing stores before this load: a release store alone could still sit in
     * the store buffer while we read the word of a sleeper that has just looked at the ring. */
    atomic_thread_fence(memory_order_seq_cst);
    if (__builtin_expect(
            atomic_load_explicit(&bell->waiting, memory_order_relaxed) == REEVE_DOORBELL_AWAKE, 1))
        return false;
    return reeve_doorbell_wake(bell, event_fd);
}

static inline void reeve_doorbell_arm(struct reeve_doorbell *bell, enum reeve_doorbell_mode mode)
{
    atomic_store_explicit(&bell->waiting, (uint32_t)mode, memory_order_relaxed);
    /* The other half of the pair: the store is seen by all before the rings are looked at. */
    atomic_thread_fence(memory_order_seq_cst);
}

#endif
