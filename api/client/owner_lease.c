/* The owner core: leases, as they come, are served and go, and how deep to fill them. */
#include <reeve_errors.h>
#include <stdlib.h>

#include "api/client/owner_queue.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

#define MEASURE_FADES 8u  /* a batch weighs this much less with each that comes after it */
#define MEASURE_UNIT  16u /* measured_tasks counts in parts of a task */
#define LONG_TASK_NS  (50u * 1000 * 1000) /* tasks this long are given one at a time */

/* Whether the lease may get one more, and its place among those that may: idle ones in front, so
 * that work spreads first. */
void owner_room_update(
    struct reeve_owner *owner, struct owner_class *class, struct owner_lease *lease)
{
    bool room = lease->state == OWNER_LEASE_ACTIVE && !lease->full && !lease->stuck &&
                lease->refused == 0 && lease->in_flight.count < class->depth &&
                (!owner_class_is_ordered(class) || class->serving == lease->index);
    if (!room) {
        reeve_list_remove(&lease->room_node);
    } else if (lease->in_flight.count == 0) {
        reeve_list_remove(&lease->room_node);
        reeve_list_push_front(&class->room, &lease->room_node);
    } else if (!reeve_list_is_linked(&lease->room_node)) {
        reeve_list_push_back(&class->room, &lease->room_node);
    }
    owner_ready_update(owner, class);
}

/* What the latest batch of answers took, the time before it included, is known when it is complete:
 * when the next one comes, or the lease is given something after it had nothing. Times and counts
 * are summed up apart: batches are uneven, above all those that come from another node, and one
 * late answer that comes alone must not weigh as much as a hundred that come together. */
void owner_batch_measure(struct owner_class *class, struct owner_lease *lease)
{
    class->measured_ns += lease->interval_ns - class->measured_ns / MEASURE_FADES;
    class->measured_tasks +=
        (uint64_t)lease->batch_count * MEASURE_UNIT - class->measured_tasks / MEASURE_FADES;
    lease->batch_count = 0;
}

static void service_measure(struct reeve_owner *owner, struct owner_class *class,
    struct owner_lease *lease, uint64_t now_ns)
{
    if (now_ns == lease->last_answer_ns) {
        lease->batch_count++;
        return;
    }
    uint64_t sample = now_ns - lease->last_answer_ns;
    if (lease->batch_count != 0)
        owner_batch_measure(class, lease);
    else /* the first since it had nothing */
        lease->latency_ns = REEVE_MIN(lease->latency_ns, sample);
    class->service_ns = class->measured_tasks != 0
                            ? class->measured_ns * MEASURE_UNIT / class->measured_tasks
                            : sample;
    lease->interval_ns = sample;
    lease->batch_count = 1;
    if (REEVE_UNLIKELY(owner_class_is_ordered(class))) /* no other could do it */
        return;
    uint64_t service_ns = REEVE_MAX(class->service_ns, (uint64_t)1);
    uint64_t ahead_ns = owner->settings.work_ahead_ns;
    if (lease->latency_ns != UINT64_MAX) /* what is on its way is no work for the worker yet */
        ahead_ns += lease->latency_ns;
    uint64_t depth = ahead_ns / service_ns;
    if (service_ns > LONG_TASK_NS)
        depth = 1;
    else
        depth = REEVE_MAX(depth, (uint64_t)2);
    class->depth = (uint32_t)REEVE_MIN(depth, (uint64_t)owner->settings.depth_max);
}

/* Whether something is under way that was sent behind that sequence, to a host. */
static bool has_behind(
    const struct reeve_owner *owner, const struct owner_lease *lease, uint64_t sequence)
{
    return lease->in_flight.count != 0 &&
           owner_task_at(owner, lease->in_flight.last)->sequence > sequence;
}

/* What was sent before it may run for long, and wait for what is sent next: only what is behind it
 * is waited for, which nobody runs. */
void owner_lease_refused(
    struct reeve_owner *owner, struct owner_lease *lease, const struct owner_task *task)
{
    struct owner_class *class = owner->classes[lease->class_index];
    if (lease->state != OWNER_LEASE_ACTIVE || !owner_class_is_ordered(class))
        return;
    lease->resumes = true;
    lease->refused = has_behind(owner, lease, task->sequence) ? task->sequence : 0;
    owner_room_update(owner, class, lease);
}

void owner_lease_left(struct reeve_owner *owner, uint64_t now_ns, struct owner_lease *lease,
    uint32_t index, bool answered)
{
    REEVE_ASSERT(lease != NULL);
    struct owner_class *class = owner->classes[lease->class_index];
    owner_queue_remove(owner, &lease->in_flight, index);
    owner_task_at(owner, index)->lease_index = OWNER_NONE;
    class->unfinished--;
    if (answered) {
        class->barren = 0;
        service_measure(owner, class, lease, now_ns);
        lease->last_answer_ns = now_ns;
        lease->stuck = false;
    }
    lease->full = false;
    if (REEVE_LIKELY(reeve_list_is_linked(&lease->room_node) && lease->in_flight.count != 0 &&
                     lease->in_flight.count < class->depth))
        return; /* it had room, and has */
    if (REEVE_UNLIKELY(lease->refused != 0) && !has_behind(owner, lease, lease->refused))
        lease->refused = 0;
    if (lease->in_flight.count == 0) {
        lease->stuck = false;
        lease->idle_since_ns = now_ns;
        if (lease->state == OWNER_LEASE_DRAINING) {
            owner_lease_return(owner, now_ns, class, lease);
            return;
        }
        if (class->queued.count == 0 && class->unfinished != 0)
            owner_tick_by(owner, now_ns + owner->settings.stuck_ns);
        if (REEVE_UNLIKELY(owner->wants || lease->wanted))
            owner_tick_by(owner, now_ns + owner_idle_ns(owner, class, lease));
    }
    owner_room_update(owner, class, lease);
}

/* ---- leases come and go ---------------------------------------------------------------------- */

static struct owner_lease *lease_make(struct reeve_owner *owner)
{
    for (uint32_t i = 0; i < owner->lease_capacity; i++)
        if (owner->leases[i]->state == OWNER_LEASE_FREE)
            return owner->leases[i];
    struct owner_lease **leases =
        realloc(owner->leases, (owner->lease_capacity + 1) * sizeof(struct owner_lease *));
    if (leases == NULL)
        return NULL;
    owner->leases = leases;
    struct owner_lease *lease =
        owner->lease_capacity == 0 ? &owner->first_lease : calloc(1, sizeof(*lease));
    if (lease == NULL)
        return NULL;
    lease->index = owner->lease_capacity;
    reeve_list_init(&lease->room_node);
    leases[owner->lease_capacity++] = lease;
    return lease;
}

int reeve_owner_lease_gained(struct reeve_owner *owner, uint64_t now_ns, uint32_t class_index,
    uint64_t id, uint32_t node, reeve_lease_index *ret_lease_index)
{
    REEVE_ASSERT(class_index < owner->class_count);
    struct owner_lease *lease = lease_make(owner);
    if (lease == NULL)
        return REEVE_ENOMEM;
    struct owner_class *class = owner->classes[class_index];
    lease->state = OWNER_LEASE_ACTIVE;
    lease->class_index = class_index;
    lease->node = node;
    lease->id = id;
    lease->in_flight = (struct owner_queue){OWNER_NONE, OWNER_NONE, 0};
    lease->full = lease->stuck = lease->wanted = lease->resumes = false;
    lease->refused = 0;
    lease->batch_count = 0;
    lease->latency_ns = UINT64_MAX;
    lease->last_answer_ns = lease->idle_since_ns = now_ns;
    class->lease_count++;
    owner->lease_count++;
    lease->gained = ++owner->gained;
    if (owner_class_is_ordered(class) && class->serving == OWNER_NONE)
        class->serving = lease->index;
    *ret_lease_index = lease->index;
    owner_room_update(owner, class, lease);
    owner_tick_by(owner, now_ns + owner->settings.lease_idle_ns);
    if (class->queued.count == 0 && class->unfinished != 0)
        owner_tick_by(owner, now_ns);
    return 0;
}

bool owner_lease_freed(
    struct reeve_owner *owner, struct owner_class *class, struct owner_lease *lease)
{
    lease->state = OWNER_LEASE_FREE;
    owner->lease_count--;
    if (REEVE_LIKELY(!owner_class_is_ordered(class)) || class->serving != lease->index)
        return false;
    class->serving = OWNER_NONE;
    struct owner_lease *next = NULL;
    for (uint32_t i = 0; i < owner->lease_capacity; i++) {
        struct owner_lease *other = owner->leases[i];
        if (other->state != OWNER_LEASE_FREE && owner->classes[other->class_index] == class &&
            (next == NULL || other->gained < next->gained))
            next = other;
    }
    if (next != NULL) {
        class->serving = next->index;
        owner_room_update(owner, class, next);
    }
    return true;
}

void owner_lease_return(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class,
    struct owner_lease *lease)
{
    if (lease->state == OWNER_LEASE_ACTIVE)
        class->lease_count--;
    reeve_list_remove(&lease->room_node);
    bool served = owner_lease_freed(owner, class, lease);
    struct reeve_owner_command *command = owner_command(owner, REEVE_OWNER_RETURN_LEASE);
    command->lease = lease->id;
    command->lease_index = lease->index;
    if (REEVE_UNLIKELY(served) && class->process == 0 && !reeve_list_is_empty(&class->actors)) {
        command->count = 1;
        owner_host_lost(owner, now_ns, class, "the node of the actor is shutting down");
    }
    owner_demand_anew(owner, now_ns, class);
    owner_ready_update(owner, class);
}

/* Asks for up to `count` of the lease's entries back, the latest first. */
void owner_take_back(struct reeve_owner *owner, struct owner_lease *lease, uint32_t count)
{
    for (uint32_t index = lease->in_flight.last; index != OWNER_NONE && count != 0; count--) {
        struct owner_task *task = owner_task_at(owner, index);
        if (!(task->flags & OWNER_TAKING_BACK)) {
            task->flags |= OWNER_TAKING_BACK;
            struct reeve_owner_command *command = owner_command(owner, REEVE_OWNER_TAKE_BACK);
            command->task = owner_task_id(task, index);
            command->lease = lease->id;
            command->lease_index = lease->index;
            command->position = task->position;
        }
        index = task->previous;
    }
}

void reeve_owner_lease_recalled(
    struct reeve_owner *owner, uint64_t now_ns, reeve_lease_index lease_index)
{
    struct owner_lease *lease = owner_lease_at(owner, lease_index);
    if (lease == NULL || lease->state != OWNER_LEASE_ACTIVE)
        return;
    struct owner_class *class = owner->classes[lease->class_index];
    if (lease->in_flight.count == 0) {
        owner_lease_return(owner, now_ns, class, lease);
        return;
    }
    class->lease_count--;
    lease->state = OWNER_LEASE_DRAINING;
    owner_room_update(owner, class, lease);
    owner_take_back(owner, lease, lease->in_flight.count);
}

/* ---- small readers --------------------------------------------------------------------------- */

uint32_t reeve_owner_in_flight(const struct reeve_owner *owner, reeve_lease_index lease_index)
{
    const struct owner_lease *lease = owner_lease_at(owner, lease_index);
    return lease != NULL ? lease->in_flight.count : 0;
}

uint32_t reeve_owner_node_of(const struct reeve_owner *owner, reeve_lease_index lease_index)
{
    const struct owner_lease *lease = owner_lease_at(owner, lease_index);
    return lease != NULL ? lease->node : 0;
}

uint64_t reeve_owner_lease_id(const struct reeve_owner *owner, reeve_lease_index lease_index)
{
    const struct owner_lease *lease = owner_lease_at(owner, lease_index);
    return lease != NULL ? lease->id : 0;
}

bool reeve_owner_find_lease(
    const struct reeve_owner *owner, uint64_t id, reeve_lease_index *ret_lease_index)
{
    for (uint32_t i = 0; i < owner->lease_capacity; i++) {
        if (owner->leases[i]->state != OWNER_LEASE_FREE && owner->leases[i]->id == id) {
            *ret_lease_index = i;
            return true;
        }
    }
    return false;
}

reeve_task_id reeve_owner_unclaimed(const struct reeve_owner *owner, uint32_t class_index)
{
    uint32_t index = owner->classes[class_index]->queued.last;
    for (uint32_t i = 0; i < owner->lease_capacity && index == OWNER_NONE; i++)
        if (owner->leases[i]->state != OWNER_LEASE_FREE &&
            owner->leases[i]->class_index == class_index && owner->leases[i]->in_flight.count > 1)
            index = owner->leases[i]->in_flight.last;
    return index != OWNER_NONE ? owner_task_id(owner_task_at(owner, index), index) : 0;
}

reeve_task_id reeve_owner_each_in_flight(const struct reeve_owner *owner,
    reeve_lease_index lease_index, reeve_task_id after, uint64_t *ret_position,
    uint32_t *ret_attempt)
{
    const struct owner_lease *lease = owner_lease_at(owner, lease_index);
    if (lease == NULL)
        return 0;
    uint32_t index =
        after == 0 ? lease->in_flight.first : owner_task_at(owner, owner_task_index(after))->next;
    if (index == OWNER_NONE)
        return 0;
    const struct owner_task *task = owner_task_at(owner, index);
    *ret_position = task->position;
    *ret_attempt = task->attempt;
    return owner_task_id(task, index);
}
