/* credit.c: the system calls. Why no wake-up is lost is explained in credit.h. */
#include "runtime/channel/credit.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Shared between processes, so not PRIVATE; errno stays as the caller had it. */
static void futex(
    _Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
    int saved_errno = errno;
    (void)syscall(SYS_futex, (uint32_t *)word, operation, value, timeout, NULL, 0);
    errno = saved_errno;
}

void reeve_credit_wake(struct reeve_credit *credit)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&credit->waiting, memory_order_relaxed) != 0 &&
        atomic_exchange_explicit(&credit->waiting, 0, memory_order_relaxed) != 0)
        futex(&credit->waiting, FUTEX_WAKE, INT_MAX, NULL);
}

void reeve_credit_give(struct reeve_credit *credit, uint32_t tag, uint32_t taken)
{
    atomic_store_explicit(&credit->word, (uint64_t)tag << 32 | taken, memory_order_relaxed);
    reeve_credit_wake(credit);
}

void reeve_credit_arm(struct reeve_credit *credit)
{
    atomic_store_explicit(&credit->waiting, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

void reeve_credit_sleep(struct reeve_credit *credit, int64_t timeout_ns)
{
    struct timespec limit = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    futex(&credit->waiting, FUTEX_WAIT, 1, timeout_ns < 0 ? NULL : &limit);
}

void reeve_credit_disarm(struct reeve_credit *credit)
{
    atomic_store_explicit(&credit->waiting, 0, memory_order_relaxed);
}
