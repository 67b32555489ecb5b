/* The owner core: leases that lie idle while others wait for them.
 *
 * The head says once of a lease that it is wanted. From then on it goes back soon after it has had
 * nothing to do, instead of being kept for what may come: after TURN_NS while whoever makes
 * the calls still runs. A driver, or a task that has not ended, may call at any moment, and may
 * just not have been given a core; and what has gone comes back after somebody else's task at the
 * earliest. When the task has ended the process *rests*, and the lease is held for a moment only:
 *
 *      ── calls ── end ── rest ─┬─ task, calls ── end ── rest ──┐
 *                               │                 └──── hold ───┴─ given up ─── the next call:
 *                               └─ owner_idle_over: measured                    owner_idle_missed:
 *                                                                               measured
 *
 *      hold = lease_hold_ns at least; 4 pauses if these are short; lease_hold_ns again where they
 *             are so long (HOLD_MAX_NS) that waiting for their end costs others more than
 *             asking anew, some tenths of a millisecond, costs us
 *
 * So tasks that come one after the other and make a call each keep the lease between them, and
 * those that come in bursts give it up after each.
 *
 * A lease counts as needed as long as its class has as much under way as there are leases: that is
 * spread over them again where one worker does not come forward (owner_tick.c).
 */
#include "api/client/owner_internal.h"
#include "runtime/base/macros.h"

/* A driver's: turns between jobs are as long, too (turn_ms in scheduler/sched.h). */
#define TURN_NS      (100u * 1000 * 1000)
#define HOLD_MAX_NS  (2u * 1000 * 1000)
#define HOLD_PAUSES  4
#define PAUSE_MAX_NS (20u * 1000 * 1000) /* one long rest is no habit */
#define PAUSE_FADES  4

uint64_t owner_idle_ns(const struct reeve_owner *owner, const struct owner_class *class,
    const struct owner_lease *lease)
{
    const struct reeve_owner_settings *settings = &owner->settings;
    uint64_t idle_ns = owner->wants ? settings->lease_wanted_ns : settings->lease_idle_ns;
    if (!lease->wanted || class->unfinished >= class->lease_count)
        return idle_ns;
    uint64_t hold_ns = TURN_NS;
    if (owner->rests) {
        hold_ns = settings->lease_hold_ns;
        if (class->pause_ns <= HOLD_MAX_NS)
            hold_ns = REEVE_MAX(hold_ns, REEVE_MIN(class->pause_ns * HOLD_PAUSES, HOLD_MAX_NS));
    }
    return REEVE_MIN(idle_ns, hold_ns);
}

static void pause_measure(struct owner_class *class, uint64_t pause_ns)
{
    class->pause_ns -= class->pause_ns / PAUSE_FADES;
    class->pause_ns += REEVE_MIN(pause_ns, PAUSE_MAX_NS) / PAUSE_FADES;
}

void owner_idle_over(const struct reeve_owner *owner, struct owner_class *class,
    const struct owner_lease *lease, uint64_t now_ns)
{
    bool is_new = lease->latency_ns == UINT64_MAX; /* that it came is no end of a pause */
    if (!is_new && lease->idle_since_ns <= owner->rest_since_ns)
        pause_measure(class, now_ns - lease->idle_since_ns);
}

void owner_idle_given(
    const struct reeve_owner *owner, struct owner_class *class, const struct owner_lease *lease)
{
    if (owner->rests && lease->wanted && lease->latency_ns != UINT64_MAX)
        class->given_since_ns = lease->idle_since_ns;
}

void owner_idle_missed(struct owner_class *class, uint64_t now_ns)
{
    if (class->given_since_ns == 0)
        return;
    pause_measure(class, now_ns - REEVE_MIN(now_ns, class->given_since_ns));
    class->given_since_ns = 0;
}

void reeve_owner_lease_wanted(
    struct reeve_owner *owner, uint64_t now_ns, reeve_lease_index lease_index)
{
    struct owner_lease *lease = owner_lease_at(owner, lease_index);
    if (lease == NULL || lease->state != OWNER_LEASE_ACTIVE)
        return;
    const struct owner_class *class = owner->classes[lease->class_index];
    lease->wanted = owner->wanted = true;
    if (lease->in_flight.count == 0)
        owner_tick_by(
            owner, REEVE_MAX(now_ns, lease->idle_since_ns + owner_idle_ns(owner, class, lease)));
}

void reeve_owner_rests(struct reeve_owner *owner, uint64_t now_ns, bool rests)
{
    if (rests && !owner->rests)
        owner->rest_since_ns = now_ns;
    owner->rests = rests;
    if (rests && owner->wanted)
        owner_tick_by(owner, now_ns + owner->settings.lease_hold_ns);
}
