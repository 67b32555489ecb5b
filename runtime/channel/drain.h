/* drain.h: who of a process looks at its rings, the user's thread or the background thread.
 *
 * A user thread drains while it waits in get; the background thread does when no user thread is there. The hand-over costs no system
 * call on the user's way in or out. Everything hangs on one word, so that neither side can go to rest on an outdated view of the
 * other (tests/model/drain.pml searches all orders, and shows what goes wrong without each part):
 *
 *   | TURN: 30 bits | PARKED | HELD |
 *
 *   HELD    a thread drains, or sleeps as the drainer (doorbell armed FUTEX)
 *   PARKED  the background thread sleeps on the eventfd without a time-out; else it runs, or it is TIMED: it sleeps for about a
 *           millisecond, because a user was here lately, and will then look by itself; the doorbell stays AWAKE meanwhile
 *   TURN    counts how often the background thread has parked under a user's hand
 *
 *   user thread                                   background thread, in a loop
 *     reeve_drain_enter: false: somebody else       rest = reeve_drain_background(...)
 *       drains, wait for him to resolve it          PARKED: poll(eventfd, socket; no time-out)
 *     look at the rings, spin, arm FUTEX,           TIMED:  poll(eventfd, socket; 1 ms)
 *       look again, sleep, disarm, ...              read the eventfd
 *     reeve_drain_leave
 *     wake the next of those who wait             wake the users who wait for what it took, and
 *                                                 those to whom enter said false: they enter again
 */
#ifndef REEVE_CHANNEL_DRAIN_H
#define REEVE_CHANNEL_DRAIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/channel/doorbell.h"

struct reeve_drain {
    _Atomic uint32_t word;
    _Atomic uint32_t user_was_here; /* since the background thread looked last */
};

enum reeve_drain_rest { REEVE_DRAIN_PARKED, REEVE_DRAIN_TIMED };

/* Takes all that is in the rings; true if there was anything. Called by the drainer only. */
typedef bool (*reeve_drain_look)(void *data);

/* A background thread is about to start, or there is one: nobody holds, nobody is parked. */
void reeve_drain_init(struct reeve_drain *drain);

/* Makes the caller, a user thread, the drainer, unless somebody is. Does not block. */
bool reeve_drain_enter(struct reeve_drain *drain, struct reeve_doorbell *own_bell);

/* The drainer goes; whatever comes from now on is the background thread's. May call `look`. Does not block. */
void reeve_drain_leave(
    struct reeve_drain *drain, struct reeve_doorbell *own_bell, reeve_drain_look look, void *data);

/* The background thread's turn, after each sleep and at its start. May call `look`. Returns how it has to sleep now. */
enum reeve_drain_rest reeve_drain_background(
    struct reeve_drain *drain, struct reeve_doorbell *own_bell, reeve_drain_look look, void *data);

#endif
