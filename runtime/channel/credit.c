/* credit.c: the system calls. Why no wake-up is lost is explained in credit.h. */
#include "runtime/channel/credit.h"

#include "runtime/channel/futex.h"

void reeve_credit_wake(struct reeve_credit *credit)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&credit->waiting, memory_order_relaxed) != 0 &&
        atomic_exchange_explicit(&credit->waiting, 0, memory_order_relaxed) != 0)
        reeve_futex_wake(&credit->waiting);
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
    (void)reeve_futex_sleep(&credit->waiting, 1, timeout_ns);
}

void reeve_credit_disarm(struct reeve_credit *credit)
{
    atomic_store_explicit(&credit->waiting, 0, memory_order_relaxed);
}
