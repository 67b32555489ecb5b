/* The owner core: what becomes due with time: leases that are idle, workers that have not answered
 * for long, demand that has shrunk. */
#include "api/client/owner_internal.h"
#include "runtime/base/macros.h"

#define LOOK_NS           (500u * 1000 * 1000) /* between ticks while nothing happens */
#define TAKE_BACK_AT_ONCE 64u

/* How long a lease may go without an answer before what it has not begun is given to others that
 * are busy, too: it should have done all of it by then. */
uint64_t owner_patience_ns(const struct reeve_owner *owner, const struct owner_class *class)
{
    return 2 * REEVE_MAX(owner->settings.work_ahead_ns, class->service_ns);
}

/* A lease of the class has nothing to do while another's worker has not answered for long: half
 * of what it has not begun comes back, to be sent to whoever has room. Or all have something to do,
 * with more waiting behind, and one has not answered for much longer: all that it has not begun
 * comes back, to its place among what waits. It gets nothing more until it answers.
 *
 * What was sent first is taken to be what it does. But a call whose arguments travel lets those
 * behind it pass, and one of these may wait for it (it takes the items that the other yields): so
 * after as long again all is asked for, whatever its place. */
static void stuck_relieve(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class)
{
    bool idle = false;
    if (class->lease_count < 2 || owner_class_is_ordered(class)) /* that is served by one alone */
        return;
    if (class->queued.count == 0) {
        if (reeve_list_is_empty(&class->room) ||
            REEVE_LIST_ENTRY(reeve_list_first(&class->room), struct owner_lease, room_node)
                    ->in_flight.count != 0)
            return;
        idle = true;
    }
    uint64_t silence_ns = idle ? owner->settings.stuck_ns : owner_patience_ns(owner, class);
    uint64_t overdue_ns = silence_ns + owner_patience_ns(owner, class);
    struct owner_lease *fullest = NULL;
    for (uint32_t i = 0; i < owner->lease_capacity; i++) {
        struct owner_lease *lease = owner->leases[i];
        if (lease->state != OWNER_LEASE_ACTIVE || owner->classes[lease->class_index] != class ||
            lease->in_flight.count < 2)
            continue;
        uint64_t since_ns = now_ns - lease->last_answer_ns;
        if (since_ns < overdue_ns)
            owner_tick_by(
                owner, lease->last_answer_ns + (since_ns < silence_ns ? silence_ns : overdue_ns));
        if (since_ns < silence_ns || (!idle && lease->stuck && since_ns < overdue_ns))
            continue;
        if (since_ns >= overdue_ns && lease->stuck) {
            owner_take_back(owner, lease, lease->in_flight.count);
        } else if (!idle) {
            lease->stuck = true;
            owner_room_update(owner, class, lease);
            owner_take_back(owner, lease, lease->in_flight.count - 1);
        } else if (fullest == NULL || lease->in_flight.count > fullest->in_flight.count) {
            fullest = lease;
        }
    }
    if (fullest != NULL) {
        fullest->stuck = true;
        owner_room_update(owner, class, fullest);
        owner_take_back(owner, fullest, REEVE_MIN(fullest->in_flight.count / 2, TAKE_BACK_AT_ONCE));
        owner_tick_by(owner, now_ns + owner->settings.stuck_ns);
    }
}

/* It has something to send, and no lease that could take it. */
static bool class_wants(const struct owner_class *class)
{
    if (owner_class_is_ordered(class))
        return class->unfinished != 0 && class->lease_count == 0;
    return class->queued.count != 0 && reeve_list_is_empty(&class->room);
}

/* Only where one does is it looked for again when a lease has nothing to do. */
static void wants_look(struct reeve_owner *owner)
{
    bool wants = false;
    for (uint32_t i = 0; owner->wants && i < owner->class_count && !wants; i++)
        wants = class_wants(owner->classes[i]);
    owner->wants = wants;
}

void reeve_owner_tick(struct reeve_owner *owner, uint64_t now_ns)
{
    if (now_ns < owner->tick_at_ns)
        return;
    owner->tick_at_ns = UINT64_MAX;
    owner_cancel_tick(owner, now_ns);
    owner_retry_tick(owner, now_ns);
    for (uint32_t i = 0; i < owner->class_count; i++)
        stuck_relieve(owner, now_ns, owner->classes[i]);
    wants_look(owner);
    owner->wanted = false;
    for (uint32_t i = 0; i < owner->lease_capacity; i++) {
        struct owner_lease *lease = owner->leases[i];
        owner->wanted |= lease->state == OWNER_LEASE_ACTIVE && lease->wanted;
        if (lease->state != OWNER_LEASE_ACTIVE || lease->in_flight.count != 0)
            continue;
        struct owner_class *class = owner->classes[lease->class_index];
        if (REEVE_UNLIKELY(lease->full)) { /* nothing is to come by which it would hear of room */
            lease->full = false;
            owner_room_update(owner, class, lease);
        }
        uint64_t idle_ns = owner_idle_ns(owner, class, lease);
        uint64_t due_ns = lease->idle_since_ns + idle_ns;
        /* A second one of a host is given back, too: it may be that the first is not lost at
         * all. */
        bool is_second = owner_class_is_ordered(class) && class->serving != lease->index;
        bool is_needed = class->queued.count != 0 || !reeve_list_is_empty(&class->actors);
        if (due_ns > now_ns || (is_needed && !is_second)) {
            owner_tick_by(owner, REEVE_MAX(due_ns, now_ns + idle_ns / 8));
            continue;
        }
        class
            /* before it is told that fewer are needed, or it would be given again */
            ->lease_count--;
        lease->state = OWNER_LEASE_DRAINING;
        owner_demand_lower(owner, class);
        owner_idle_given(owner, class, lease);
        owner_lease_return(owner, now_ns, class, lease);
    }
    for (uint32_t i = 0; i < owner->class_count; i++) {
        struct owner_class *class = owner->classes[i];
        owner_demand_lower(owner, class);
        if (class->demand_told != 0)
            owner_tick_by(owner, now_ns + REEVE_MAX(owner->settings.lease_idle_ns, LOOK_NS));
    }
}

uint64_t reeve_owner_deadline(const struct reeve_owner *owner)
{
    return owner->tick_at_ns;
}
