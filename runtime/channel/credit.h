/* credit.h: how far a stream's function may be ahead of who reads it.
 *
 * The two words lie in the header of the channel. The holder writes how much has been taken of what
 * the function has yielded; the worker compares that with what it has sent, and waits where it is
 * REEVE_STREAM_WINDOW ahead. So on one machine room is made known by a store, and by a system call
 * only where the worker sleeps. (From another node it comes as a message, and is stored by the
 * worker's own background thread.)
 *
 *   word      | tag 32 | taken 32 |     tag: low half of the call's position in its ring. What is
 *                                       said late, of a call that has ended, has another one
 *   waiting   0, or 1: the worker sleeps on it (futex)
 *
 *   worker                                holder
 *     waiting = 1            (A)            word                 (C)
 *     fence                                 fence
 *     look at the word       (B)            waiting is 1?        (D)
 *     sleep while it is 1                   exchange it with 0, wake
 *
 * As with the doorbell it cannot be that B misses C and D misses A.
 *
 * What is counted is units, so that a window bounds both how many items are ahead and how many
 * bytes: an item costs one, and one more for each unit_bytes of it. The numbers wrap around. */
#ifndef REEVE_CHANNEL_CREDIT_H
#define REEVE_CHANNEL_CREDIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* At most, and where the call does not say: half the slots of a return ring, so that items never
 * fill it. */
#define REEVE_STREAM_WINDOW     512u
#define REEVE_STREAM_UNIT_BYTES 512u

/* More than any window: what one item may cost, so that the numbers stay in order. */
#define REEVE_STREAM_UNITS_MAX 0x40000000u

/* How far a stream may be ahead: as long as fewer than so many units are, it goes on. */
struct reeve_stream_window {
    uint32_t units; /* so many items at most */
    uint32_t unit_bytes;
};
#define REEVE_STREAM_WINDOW_DEFAULT \
    ((struct reeve_stream_window){REEVE_STREAM_WINDOW, REEVE_STREAM_UNIT_BYTES})

/* What a call says, which is 0 where it says nothing: so that the rings can keep it. */
static inline struct reeve_stream_window reeve_stream_window_of(struct reeve_stream_window said)
{
    bool all = said.units == 0 || said.units > REEVE_STREAM_WINDOW;
    return (struct reeve_stream_window){all ? REEVE_STREAM_WINDOW : said.units,
        said.unit_bytes != 0 ? said.unit_bytes : REEVE_STREAM_UNIT_BYTES};
}

struct reeve_credit {
    _Atomic uint64_t word;
    _Atomic uint32_t waiting;
};

static inline uint32_t reeve_stream_units(
    const struct reeve_stream_window *window, uint32_t size_bytes)
{
    uint32_t more = size_bytes / window->unit_bytes;
    return 1 + (more < REEVE_STREAM_UNITS_MAX ? more : REEVE_STREAM_UNITS_MAX);
}

/* The holder, or the worker's background thread. */
void reeve_credit_give(struct reeve_credit *credit, uint32_t tag, uint32_t taken);
/* Wakes the worker's thread, which looks again. */
void reeve_credit_wake(struct reeve_credit *credit);

/* The worker: what has been taken of the call with this tag. */
static inline uint32_t reeve_credit_taken(const struct reeve_credit *credit, uint32_t tag)
{
    /* relaxed: it is a number, nothing is read by it */
    uint64_t word = atomic_load_explicit(&credit->word, memory_order_relaxed);
    return (uint32_t)(word >> 32) == tag ? (uint32_t)word : 0;
}

/* Says that the caller is about to sleep; look again after it. Then sleep, `timeout_ns` at most
 * (negative: no limit); perhaps it returns for nothing. Disarm afterwards. */
void reeve_credit_arm(struct reeve_credit *credit);
void reeve_credit_sleep(struct reeve_credit *credit, int64_t timeout_ns);
void reeve_credit_disarm(struct reeve_credit *credit);

#endif
