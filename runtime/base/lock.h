/* lock.h: a lock for what is held for a moment by many threads, and sleeping until something has
 * changed under it. For shells only.
 *
 *   word   0  free ──take──▶ 1  held ──somebody sleeps──▶ 2  held, and whoever gives it up wakes
 *
 * What it guards takes some hundred nanoseconds, and a sleep and its wake-up take a hundred times
 * as long, of which the wake-up is the holder's to pay. So who finds it held spins for a while,
 * then lets other threads run, and sleeps only when all that was for nothing. Nobody is handed the
 * lock: it is free for whoever comes first, so that a thread that calls again and again keeps the
 * core and its caches.
 *
 * Taken and given up without a call when it is free: neither touches a page of libc. Not recursive;
 * not between processes; zeroes are a free lock. */
#ifndef REEVE_BASE_LOCK_H
#define REEVE_BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/macros.h"

/* Of a thread that spins: its core has other things to do than to guess what it does next. */
static inline void reeve_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

struct reeve_lock {
    _Atomic uint32_t word;
};

/* What they do when it is not free, or when somebody sleeps. */
REEVE_COLD void reeve_lock_wait(struct reeve_lock *lock);
REEVE_COLD void reeve_lock_wake(struct reeve_lock *lock);

static inline void reeve_lock(struct reeve_lock *lock)
{
    uint32_t free = 0;
    if (REEVE_UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &lock->word, &free, 1, memory_order_acquire, memory_order_relaxed)))
        reeve_lock_wait(lock);
}

static inline void reeve_unlock(struct reeve_lock *lock)
{
    if (REEVE_UNLIKELY(atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2))
        reeve_lock_wake(lock);
}

/* Something that changes under a lock. Whoever waits looks again after every wake-up: there may be
 * more of them than changes. Zeroes are one that nobody waits for. */
struct reeve_condition {
    _Atomic uint32_t changes;
    uint32_t waiters; /* under the lock */
};

/* With the lock, which it gives up meanwhile. Until it is told, or the deadline (of the monotonic
 * clock; UINT64_MAX: none). False: that has passed. */
bool reeve_condition_wait(
    struct reeve_condition *condition, struct reeve_lock *lock, uint64_t deadline_ns);
/* With the lock. Wakes all who wait. */
void reeve_condition_tell(struct reeve_condition *condition);

#endif
