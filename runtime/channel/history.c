/* history.c: writing and reading the slices of history.h. Their words are copied one by one, as
 * atomics: a reader may be reading what is being written over, and finds that out only then. */
#include "runtime/channel/history.h"

#include <stddef.h>

#define WORDS (sizeof(struct reeve_slice) / sizeof(uint64_t))

typedef uint64_t __attribute__((may_alias)) word;

void reeve_history_add(struct reeve_history *history, const struct reeve_slice *slice)
{
    uint64_t written = atomic_load_explicit(&history->written, memory_order_relaxed);
    word *to = (word *)&history->slices[written % REEVE_HISTORY_SLICES];
    const word *from = (const word *)slice;
    /* With the fence of who reads: if that has seen a word of this slice, it sees that all before
     * it have been written. */
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < WORDS; i++)
        __atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
    atomic_store_explicit(&history->written, written + 1, memory_order_release);
}

bool reeve_history_read(const struct reeve_history *history, uint64_t *next,
    struct reeve_slice *ret, uint64_t *ret_lost)
{
    for (;;) {
        uint64_t written = atomic_load_explicit(&history->written, memory_order_acquire);
        if (*next >= written)
            return false;
        /* the one that comes next may be being written already, over the oldest */
        if (written - *next >= REEVE_HISTORY_SLICES) {
            uint64_t oldest = written - REEVE_HISTORY_SLICES + 1;
            *ret_lost += oldest - *next;
            *next = oldest;
        }
        const word *from = (const word *)&history->slices[*next % REEVE_HISTORY_SLICES];
        word *to = (word *)ret;
        for (size_t i = 0; i < WORDS; i++)
            to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
        atomic_thread_fence(memory_order_acquire);
        written = atomic_load_explicit(&history->written, memory_order_relaxed);
        if (written - *next < REEVE_HISTORY_SLICES) {
            (*next)++;
            return true;
        }
    }
}
