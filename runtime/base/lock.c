/* lock.c: spinning, sleeping and waking. */
#include "runtime/base/lock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"

/* A look takes the lock's line away from who has it, and who gets the lock takes away all that it
 * guards: a call of the program's costs twice as much then. So looks become rarer, from 30 ns to a
 * microsecond or two apart, in which others make a dozen calls in a row. Each offer of the core to
 * others is followed by a few more. */
#define SPINS       400
#define SPINS_APART 64
#define YIELDS      4
#define SPINS_AFTER 20

/* Whoever calls runs in the middle of user code: errno stays as it was. False: timed out. */
static bool word_sleep(_Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
    int saved_errno = errno;
    struct timespec until = {
        (time_t)(deadline_ns / REEVE_NS_PER_S), (long)(deadline_ns % REEVE_NS_PER_S)};
    long result = syscall(SYS_futex, (uint32_t *)word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
        value, deadline_ns == UINT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
    bool timed_out = result < 0 && errno == ETIMEDOUT;
    errno = saved_errno;
    return !timed_out;
}

/* Cannot fail: errno is not touched. */
static void word_wake(_Atomic uint32_t *word, int count)
{
    (void)syscall(
        SYS_futex, (uint32_t *)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0);
}

static bool word_take(struct reeve_lock *lock, uint32_t value)
{
    uint32_t free = 0;
    return atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
           atomic_compare_exchange_strong_explicit(
               &lock->word, &free, value, memory_order_acquire, memory_order_relaxed);
}

static bool spin(struct reeve_lock *lock, int spins)
{
    for (int apart = 1; spins > 0; spins -= apart) {
        if (word_take(lock, 1))
            return true;
        for (int i = 0; i < apart; i++)
            reeve_cpu_relax();
        if (apart < SPINS_APART)
            apart *= 2;
    }
    return false;
}

void reeve_lock_wait(struct reeve_lock *lock)
{
    if (spin(lock, SPINS))
        return;
    for (int i = 0; i < YIELDS; i++) {
        sched_yield();
        if (spin(lock, SPINS_AFTER))
            return;
    }
    /* From here on others may sleep, too: who takes it says so, though there may be none left. */
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        (void)word_sleep(&lock->word, 2, UINT64_MAX);
}

void reeve_lock_wake(struct reeve_lock *lock)
{
    word_wake(&lock->word, 1);
}

bool reeve_condition_wait(
    struct reeve_condition *condition, struct reeve_lock *lock, uint64_t deadline_ns)
{
    uint32_t seen = atomic_load_explicit(&condition->changes, memory_order_relaxed);
    condition->waiters++;
    reeve_unlock(lock);
    bool in_time = word_sleep(&condition->changes, seen, deadline_ns);
    reeve_lock(lock);
    condition->waiters--;
    return in_time;
}

void reeve_condition_tell(struct reeve_condition *condition)
{
    atomic_fetch_add_explicit(&condition->changes, 1, memory_order_relaxed);
    if (condition->waiters != 0)
        word_wake(&condition->changes, INT_MAX);
}
