/* The owner core: classes, leases, how deep to fill them, what to take back, and how many to ask
 * for. */
#include <reeve_errors.h>
#include <stdlib.h>

#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

#define MEASURE_FADES 8u  /* a batch weighs this much less with each that comes after it */
#define MEASURE_UNIT  16u /* measured_tasks counts in parts of a task */
#define LONG_TASK_NS  (50u * 1000 * 1000) /* tasks this long are given one at a time */
/* up to here demand is told to the task, beyond it by powers of two */
#define DEMAND_EXACT      16u
#define LOOK_NS           (500u * 1000 * 1000) /* between ticks while nothing happens */
#define TAKE_BACK_AT_ONCE 64u

int reeve_owner_class(
    struct reeve_owner *owner, uint32_t cpu_milli, int32_t priority, uint32_t *ret_class_index)
{
    for (uint32_t i = 0; i < owner->class_count; i++) {
        if (owner->classes[i]->cpu_milli == cpu_milli && owner->classes[i]->priority == priority &&
            owner->classes[i]->host == 0) {
            *ret_class_index = i;
            return 0;
        }
    }
    struct owner_class *class;
    return owner_class_make(owner, cpu_milli, priority, &class, ret_class_index);
}

int owner_class_make(struct reeve_owner *owner, uint32_t cpu_milli, int32_t priority,
    struct owner_class **ret, uint32_t *ret_class_index)
{
    if (owner->class_count == REEVE_OWNER_CLASSES_MAX)
        return REEVE_ETOOLARGE;
    struct owner_class *class =
        owner->class_count == 0 ? &owner->first_class : calloc(1, sizeof(*class));
    if (class == NULL)
        return REEVE_ENOMEM;
    class->cpu_milli = cpu_milli;
    class->priority = priority;
    class->depth = 1;
    class->queued.first = class->queued.last = class->returned = OWNER_NONE;
    reeve_list_init(&class->room);
    class->serving = OWNER_NONE;
    reeve_list_init(&class->ready_node);
    reeve_list_init(&class->actors);
    reeve_list_init(&class->free_node);
    *ret = class;
    *ret_class_index = owner->class_count;
    owner->classes[owner->class_count++] = class;
    return 0;
}

bool reeve_owner_class_is_busy(const struct reeve_owner *owner, uint32_t class_index)
{
    struct owner_class *class = owner->classes[class_index];
    struct reeve_list *node = reeve_list_first(&class->room); /* idle ones are in front */
    return class->lease_count != 0 &&
           (node == NULL ||
               REEVE_LIST_ENTRY(node, struct owner_lease, room_node)->in_flight.count != 0);
}

struct owner_lease *owner_lease_at(const struct reeve_owner *owner, reeve_lease_index index)
{
    if (index >= owner->lease_capacity || owner->leases[index] == NULL ||
        owner->leases[index]->state == OWNER_LEASE_FREE)
        return NULL;
    return owner->leases[index];
}

void owner_tick_by(struct reeve_owner *owner, uint64_t at_ns)
{
    if (at_ns < owner->tick_at_ns)
        owner->tick_at_ns = at_ns;
}

/* ---- demand ---------------------------------------------------------------------------------- */

static uint32_t power_of_two_up(uint32_t value)
{
    return value <= 1 ? 1 : 1u << (32 - __builtin_clz(value - 1));
}

/* The node that the first task in the queue is best run on. */
static uint32_t near_of(const struct reeve_owner *owner, const struct owner_class *class)
{
    if (class->queued.count == 0)
        return class->near_told; /* as good as any, and no reason for a message */
    const struct owner_task *first = owner_task_at(owner, class->queued.first);
    if (owner_class_is_ordered(class)) /* there is no choice */
        return 0;
    return first->splice_count != 0 ? owner_near_node(owner, first) : 0;
}

static void demand_tell(struct reeve_owner *owner, struct owner_class *class, uint32_t count)
{
    uint32_t near = near_of(owner, class);
    if (count == class->demand_told && near == class->near_told)
        return;
    class->demand_told = count;
    class->near_told = near;
    struct reeve_owner_command *command = owner_command(owner, REEVE_OWNER_DEMAND);
    for (uint32_t i = 0; i < owner->class_count; i++)
        if (owner->classes[i] == class)
            command->class_index = i;
    command->cpu_milli = class->cpu_milli;
    command->priority = class->priority;
    command->process = class->process;
    command->host = class->host;
    command->count = count;
    command->near = near;
}

/* As many leases as the class could use; its actors need one, even if nothing is called. */
static uint32_t demand_of(const struct reeve_owner *owner, const struct owner_class *class)
{
    if (REEVE_UNLIKELY(owner_class_is_ordered(class)))
        return class->unfinished != 0 || !reeve_list_is_empty(&class->actors);
    return REEVE_MIN(class->unfinished, owner->settings.demand_max);
}

/* Telling costs a message, so the number only grows here; ticks let it shrink. */
static void demand_raise(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class)
{
    uint32_t need = demand_of(owner, class);
    if (need <= class->demand_told) {
        if (class->lease_count < need) /* one is still to come: where to? */
            demand_tell(owner, class, class->demand_told);
        return;
    }
    if (need > DEMAND_EXACT)
        need = REEVE_MIN(power_of_two_up(need), owner->settings.demand_max);
    demand_tell(owner, class, need);
    if (owner->class_count > 1) { /* others may hold what it could have */
        owner->wants = true;
        owner_tick_by(owner, now_ns + owner->settings.lease_wanted_ns);
    }
}

void owner_demand_lower(struct reeve_owner *owner, struct owner_class *class)
{
    uint32_t need = demand_of(owner, class);
    need = REEVE_MAX(need, class->lease_count);
    if (need < class->demand_told)
        demand_tell(owner, class, need);
}

void owner_demand_withdraw(struct reeve_owner *owner, struct owner_class *class)
{
    demand_tell(owner, class, 0);
}

/* ---- who may get an entry -------------------------------------------------------------------- */

void owner_ready_update(struct reeve_owner *owner, struct owner_class *class)
{
    bool ready = owner_class_is_sendable(owner, class) && !reeve_list_is_empty(&class->room);
    if (ready && !reeve_list_is_linked(&class->ready_node))
        reeve_list_push_back(&owner->ready, &class->ready_node);
    else if (!ready && reeve_list_is_linked(&class->ready_node))
        reeve_list_remove(&class->ready_node);
}

/* We were told that no more leases can come, and the last one has gone: is it still so? */
static void demand_anew(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class)
{
    if (REEVE_LIKELY(!class->refused) || class->lease_count != 0)
        return;
    class->refused = false;
    demand_tell(owner, class, 0);
    demand_raise(owner, now_ns, class);
}

void owner_class_work_changed(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class)
{
    demand_raise(owner, now_ns, class);
    demand_anew(owner, now_ns, class);
    owner_ready_update(owner, class);
    if (class->demand_told != 0)
        owner_tick_by(owner, now_ns + owner->settings.lease_idle_ns);
}

/* Whether the lease may get one more, and its place among those that may: idle ones in front, so
 * that work spreads first. */
static void room_update(
    struct reeve_owner *owner, struct owner_class *class, struct owner_lease *lease)
{
    bool room = lease->state == OWNER_LEASE_ACTIVE && !lease->full && !lease->stuck &&
                lease->in_flight.count < class->depth &&
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
static void batch_measure(struct owner_class *class, struct owner_lease *lease)
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
        batch_measure(class, lease);
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
        room_update(owner, class, next);
    }
    return true;
}

static void lease_return(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class,
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
    demand_anew(owner, now_ns, class);
    owner_ready_update(owner, class);
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
    if (lease->in_flight.count == 0) {
        lease->stuck = false;
        lease->idle_since_ns = now_ns;
        if (lease->state == OWNER_LEASE_DRAINING) {
            lease_return(owner, now_ns, class, lease);
            return;
        }
        if (class->queued.count == 0 && class->unfinished != 0)
            owner_tick_by(owner, now_ns + owner->settings.stuck_ns);
        if (REEVE_UNLIKELY(owner->wants))
            owner_tick_by(owner, now_ns + owner->settings.lease_wanted_ns);
    }
    room_update(owner, class, lease);
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
    lease->full = lease->stuck = false;
    lease->batch_count = 0;
    lease->latency_ns = UINT64_MAX;
    lease->last_answer_ns = lease->idle_since_ns = now_ns;
    class->lease_count++;
    owner->lease_count++;
    lease->gained = ++owner->gained;
    if (owner_class_is_ordered(class) && class->serving == OWNER_NONE)
        class->serving = lease->index;
    *ret_lease_index = lease->index;
    room_update(owner, class, lease);
    owner_tick_by(owner, now_ns + owner->settings.lease_idle_ns);
    if (class->queued.count == 0 && class->unfinished != 0)
        owner_tick_by(owner, now_ns);
    return 0;
}

/* Asks for up to `count` of the lease's entries back, the latest first. */
static void take_back(struct reeve_owner *owner, struct owner_lease *lease, uint32_t count)
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
        lease_return(owner, now_ns, class, lease);
        return;
    }
    class->lease_count--;
    lease->state = OWNER_LEASE_DRAINING;
    room_update(owner, class, lease);
    take_back(owner, lease, lease->in_flight.count);
}

/* How long a lease may go without an answer before what it has not begun is given to others that
 * are busy, too: it should have done all of it by then. */
static uint64_t patience_ns(const struct reeve_owner *owner, const struct owner_class *class)
{
    return 2 * REEVE_MAX(owner->settings.work_ahead_ns, class->service_ns);
}

/* A lease of the class has nothing to do while another's worker has not answered for long: half
 * of what it has not begun comes back, to be sent to whoever has room. Or all have something to do,
 * with more waiting behind, and one has not answered for much longer: all that it has not begun
 * comes back, to its place among what waits. It gets nothing more until it answers. */
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
    uint64_t silence_ns = idle ? owner->settings.stuck_ns : patience_ns(owner, class);
    struct owner_lease *fullest = NULL;
    for (uint32_t i = 0; i < owner->lease_capacity; i++) {
        struct owner_lease *lease = owner->leases[i];
        if (lease->state != OWNER_LEASE_ACTIVE || owner->classes[lease->class_index] != class ||
            lease->in_flight.count < 2 || (!idle && lease->stuck))
            continue;
        if (now_ns - lease->last_answer_ns < silence_ns) {
            owner_tick_by(owner, lease->last_answer_ns + silence_ns);
            continue;
        }
        if (!idle) {
            lease->stuck = true;
            room_update(owner, class, lease);
            take_back(owner, lease, lease->in_flight.count - 1);
        } else if (fullest == NULL || lease->in_flight.count > fullest->in_flight.count) {
            fullest = lease;
        }
    }
    if (fullest != NULL) {
        fullest->stuck = true;
        room_update(owner, class, fullest);
        take_back(owner, fullest, REEVE_MIN(fullest->in_flight.count / 2, TAKE_BACK_AT_ONCE));
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
    uint64_t idle_ns =
        owner->wants ? owner->settings.lease_wanted_ns : owner->settings.lease_idle_ns;
    for (uint32_t i = 0; i < owner->lease_capacity; i++) {
        struct owner_lease *lease = owner->leases[i];
        if (lease->state != OWNER_LEASE_ACTIVE || lease->in_flight.count != 0)
            continue;
        struct owner_class *class = owner->classes[lease->class_index];
        if (REEVE_UNLIKELY(lease->full)) { /* nothing is to come by which it would hear of room */
            lease->full = false;
            room_update(owner, class, lease);
        }
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
        lease_return(owner, now_ns, class, lease);
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

/* ---- sending --------------------------------------------------------------------------------- */

bool reeve_owner_next_send(struct reeve_owner *owner, struct reeve_owner_send *ret)
{
    if (REEVE_UNLIKELY(!reeve_list_is_empty(&owner->judged)))
        owner_actors_judge(owner, 0);
    struct owner_class *class;
    uint32_t index;
    do {
        struct reeve_list *node = reeve_list_first(&owner->ready);
        if (node == NULL)
            return false;
        class = REEVE_LIST_ENTRY(node, struct owner_class, ready_node);
        index = class->queued.first;
    } while (REEVE_UNLIKELY(owner->remade_count != 0 || owner->remade_failed) &&
             owner_task_rewait(owner, 0, index));
    struct owner_lease *lease = owner_near_lease(owner, class, owner_task_at(owner, index));
    owner->send_lease = lease->index;
    ret->task = owner_task_id(owner_task_at(owner, index), index);
    ret->lease_index = lease->index;
    return true;
}

void reeve_owner_sent(
    struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id, uint64_t position)
{
    uint32_t index = owner_task_index(id);
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_class *class = owner->classes[task->class_index];
    struct owner_lease *lease = owner->leases[owner->send_lease];
    REEVE_ASSERT(task->state == REEVE_TASK_QUEUED && lease->state == OWNER_LEASE_ACTIVE);
    owner_task_unlink(owner, class, index);
    owner_queue_insert(owner, &lease->in_flight, index, OWNER_NONE);
    task->state = REEVE_TASK_SENT;
    if (REEVE_UNLIKELY(task->splice_count != 0))
        owner_reading_begin(owner, task, lease->node);
    task->lease_index = lease->index;
    task->position = position;
    task->node = lease->node;
    task->attempt++;
    if (lease->in_flight.count == 1) {
        if (lease->batch_count != 0)
            batch_measure(class, lease);
        lease->last_answer_ns = now_ns;
    }
    if (lease->in_flight.count == 2 && class->lease_count > 1)
        owner_tick_by(owner, now_ns + patience_ns(owner, class));
    if (lease->in_flight.count >= class->depth) {
        reeve_list_remove(&lease->room_node);
    } else if (class->lease_count > 1) { /* the next one's turn */
        reeve_list_remove(&lease->room_node);
        reeve_list_push_back(&class->room, &lease->room_node);
    }
    owner_ready_update(owner, class);
}

void reeve_owner_unsent(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_class *class =
        owner->classes[owner_task_at(owner, owner_task_index(id))->class_index];
    struct owner_lease *lease = owner->leases[owner->send_lease];
    lease->full = true;
    room_update(owner, class, lease);
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

/* ---- audit ----------------------------------------------------------------------------------- */

void reeve_owner_check(const struct reeve_owner *owner)
{
    uint64_t alive = 0, unfinished = 0, memory_bytes = owner_actors_check(owner), inline_count = 0;
    uint32_t edge_count = 0, watch_count = 0, cancelling = 0;
    uint32_t *queued = calloc(owner->class_count + 1, sizeof(uint32_t));
    uint32_t *in_flight = calloc(owner->lease_capacity + 1, sizeof(uint32_t));
    uint32_t *leases = calloc(owner->class_count + 1, sizeof(uint32_t));
    REEVE_ASSERT(queued != NULL && in_flight != NULL && leases != NULL);
    uint32_t index = OWNER_NONE;
    while ((index = owner_task_each(owner, index)) != OWNER_NONE) {
        const struct owner_task *task = owner_task_at(owner, index);
        alive++;
        inline_count += task->state == REEVE_TASK_INLINE;
        memory_bytes += sizeof(*task) + task->splices_size;
        if (!(task->flags & OWNER_RESULT_OBJECT) && task->size > OWNER_SMALL_SIZE)
            memory_bytes += task->size;
        bool final = reeve_task_state_is_final(task->state);
        unfinished += !final && task->state != REEVE_TASK_LINEAGE;
        REEVE_ASSERT((task->unresolved != 0) <= (reeve_task_state_waits(task->state) ||
                                                    task->state == REEVE_TASK_REMADE || final));
        REEVE_ASSERT(task->state != REEVE_TASK_PART || task->unresolved == 1);
        for (uint32_t edge = task->edges; edge != OWNER_NONE; edge = owner->edges[edge].next) {
            edge_count++;
            watch_count += owner->edges[edge].dependent >= OWNER_WATCH;
        }
        cancelling += reeve_map64_get(&owner->cancelling, owner_task_id(task, index)) != NULL;
        REEVE_ASSERT(!owner_is_cancelling(owner, owner_task_id(task, index)) ||
                     task->state == REEVE_TASK_SENT || task->state == REEVE_TASK_INLINE);
        REEVE_ASSERT(task->edges == OWNER_NONE || !final);
        if (task->state == REEVE_TASK_QUEUED)
            queued[task->class_index]++;
        queued[task->class_index] +=
            task->state == REEVE_TASK_WAITING && owner_task_is_placed(owner, task, index);
        REEVE_ASSERT(final || task->state == REEVE_TASK_LINEAGE ||
                     task->state == REEVE_TASK_REMADE ||
                     (task->state == REEVE_TASK_SENT) == (task->lease_index != OWNER_NONE));
        if (task->state == REEVE_TASK_SENT) {
            REEVE_ASSERT(owner_lease_at(owner, task->lease_index) != NULL);
            REEVE_ASSERT(task->attempt >= 1);
            in_flight[task->lease_index]++;
        }
    }
    owner_anchor_check(owner);
    REEVE_ASSERT(cancelling == reeve_map64_count(&owner->cancelling));
    REEVE_LIST_EACH(node, &owner->lineages)
    memory_bytes += REEVE_LIST_ENTRY(node, struct owner_lineage, node)->size;
    uint32_t item_watches = 0;
    memory_bytes += owner_streams_check(owner, &item_watches) + owner_retries_check(owner);
    owner_lineage_check(owner);
    REEVE_ASSERT(edge_count == owner->edge_count);
    REEVE_ASSERT(watch_count + item_watches == owner->watch_count);
    REEVE_ASSERT(alive == owner->task_count && unfinished == owner->unfinished);
    REEVE_ASSERT(memory_bytes == owner->memory_bytes && inline_count == owner->inline_count);
    uint32_t lease_count = 0;
    for (uint32_t i = 0; i < owner->lease_capacity; i++) {
        const struct owner_lease *lease = owner->leases[i];
        REEVE_ASSERT(lease->index == i);
        if (lease->state == OWNER_LEASE_FREE) {
            REEVE_ASSERT(in_flight[i] == 0 && !reeve_list_is_linked(&lease->room_node));
            continue;
        }
        lease_count++;
        REEVE_ASSERT(lease->in_flight.count == in_flight[i]);
        if (lease->state == OWNER_LEASE_ACTIVE)
            leases[lease->class_index]++;
        else
            REEVE_ASSERT(lease->in_flight.count > 0 && !reeve_list_is_linked(&lease->room_node));
    }
    REEVE_ASSERT(lease_count == owner->lease_count);
    for (uint32_t i = 0; i < owner->class_count; i++) {
        const struct owner_class *class = owner->classes[i];
        uint32_t sent = 0;
        for (uint32_t l = 0; l < owner->lease_capacity; l++)
            if (owner->leases[l]->class_index == i && owner->leases[l]->state != OWNER_LEASE_FREE)
                sent += owner->leases[l]->in_flight.count;
        REEVE_ASSERT(class->queued.count == queued[i]);
        uint64_t sequence = 0;
        for (uint32_t t = class->queued.first; t != OWNER_NONE; t = owner_task_at(owner, t)->next) {
            REEVE_ASSERT(owner_task_at(owner, t)->sequence > sequence);
            sequence = owner_task_at(owner, t)->sequence;
        }
        REEVE_ASSERT(class->unfinished == queued[i] + sent);
        REEVE_ASSERT(class->lease_count == leases[i]);
        REEVE_ASSERT(class->demand_told != 0 || class->unfinished == 0);
        REEVE_ASSERT(reeve_list_is_linked(&class->ready_node) ==
                     (owner_class_is_sendable(owner, class) && !reeve_list_is_empty(&class->room)));
        if (owner_class_is_ordered(class)) {
            const struct owner_lease *serving =
                class->serving != OWNER_NONE ? owner_lease_at(owner, class->serving) : NULL;
            REEVE_ASSERT((class->serving == OWNER_NONE) == (serving == NULL));
            REEVE_ASSERT(serving == NULL || owner->classes[serving->class_index] == class);
            REEVE_ASSERT(serving != NULL || class->lease_count == 0);
        }
    }
    free(queued);
    free(in_flight);
    free(leases);
}
