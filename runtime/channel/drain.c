/* drain.c: the hand-over that tests/model/drain.pml describes, step by step. All orders are sequentially consistent: these are a few
 * steps a get, not a call. */
#include "runtime/channel/drain.h"

#define HELD   1u
#define PARKED 2u
#define TURN   4u

void reeve_drain_init(struct reeve_drain *drain)
{
    atomic_init(&drain->word, 0);
    atomic_init(&drain->user_was_here, 0);
}

bool reeve_drain_enter(struct reeve_drain *drain, struct reeve_doorbell *own_bell)
{
    if (atomic_fetch_or(&drain->word, HELD) & HELD)
        return false;
    atomic_store_explicit(&drain->user_was_here, 1, memory_order_relaxed);
    reeve_doorbell_disarm(own_bell);
    return true;
}

void reeve_drain_leave(
    struct reeve_drain *drain, struct reeve_doorbell *own_bell, reeve_drain_look look, void *data)
{
    for (;;) {
        uint32_t seen = atomic_load(&drain->word);
        if (seen & PARKED) { /* it will not look by itself: have it called */
            reeve_doorbell_arm(own_bell, REEVE_DOORBELL_EVENT);
            if (look(data)) {
                reeve_doorbell_disarm(own_bell);
                continue;
            }
        }
        if (atomic_compare_exchange_strong(&drain->word, &seen, seen & ~HELD))
            return;
        /* The background thread has parked, or parked again (TURN): it may have taken the wake-up that we armed for. */
        reeve_doorbell_disarm(own_bell);
    }
}

enum reeve_drain_rest reeve_drain_background(
    struct reeve_drain *drain, struct reeve_doorbell *own_bell, reeve_drain_look look, void *data)
{
    uint32_t seen = atomic_load(&drain->word);
    for (;;) {
        if (seen & HELD) { /* a user drains, and arms for us when it leaves */
            if (atomic_compare_exchange_weak(&drain->word, &seen, (seen | PARKED) + TURN))
                return REEVE_DRAIN_PARKED;
        } else if (atomic_compare_exchange_weak(&drain->word, &seen, (seen | HELD) & ~PARKED)) {
            break;
        }
    }
    for (;;) {
        reeve_doorbell_disarm(own_bell);
        (void)look(data);
        if (atomic_exchange(&drain->user_was_here, 0)) {
            atomic_fetch_and(&drain->word, ~HELD);
            return REEVE_DRAIN_TIMED;
        }
        reeve_doorbell_arm(own_bell, REEVE_DOORBELL_EVENT);
        if (look(data))
            continue;
        /* One step: let go, and be parked. Nobody else changes the word while it is held and we run. */
        atomic_fetch_xor(&drain->word, HELD | PARKED);
        return REEVE_DRAIN_PARKED;
    }
}
