/* The owner core: classes of tasks, how many leases to ask for, and which classes may send. */
#include <reeve_errors.h>
#include <stdlib.h>

#include "api/client/owner_internal.h"
#include "runtime/base/macros.h"

/* up to here demand is told to the task, beyond it by powers of two */
#define DEMAND_EXACT 16u

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

/* Whether another node may be best now: large arguments come as futures. */
static inline bool near_may_change(const struct reeve_owner *owner, const struct owner_class *class)
{
    return class->near_told != 0 ||
           (class->queued.count != 0 && owner_task_at(owner, class->queued.first)->splice_count);
}

/* Telling costs a message, so the number only grows here; ticks let it shrink. */
static void demand_raise(
    struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class, uint32_t need)
{
    if (need > DEMAND_EXACT)
        need = REEVE_MIN(power_of_two_up(need), owner->settings.demand_max);
    demand_tell(owner, class, need);
    owner_idle_missed(class, now_ns);
    if (owner->class_count > 1) { /* others may hold what it could have */
        owner->wants = true;
        owner_tick_by(owner, now_ns + owner->settings.lease_wanted_ns);
    }
}

static inline void demand_look(
    struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class)
{
    uint32_t need = demand_of(owner, class);
    if (REEVE_UNLIKELY(need > class->demand_told))
        demand_raise(owner, now_ns, class, need);
    else if (class->lease_count < need && REEVE_UNLIKELY(near_may_change(owner, class)))
        demand_tell(owner, class, class->demand_told); /* one is still to come: where to? */
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

/* We were told that no more leases can come, and the last one has gone: is it still so? */
void owner_demand_anew(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class)
{
    if (!class->refused || class->lease_count != 0)
        return;
    class->refused = false;
    demand_tell(owner, class, 0);
    demand_look(owner, now_ns, class);
}

/* ---- who may send ---------------------------------------------------------------------------- */

void owner_class_work_changed(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class)
{
    demand_look(owner, now_ns, class);
    if (REEVE_UNLIKELY(class->refused))
        owner_demand_anew(owner, now_ns, class);
    owner_ready_update(owner, class);
    if (class->demand_told != 0)
        owner_tick_by(owner, now_ns + owner->settings.lease_idle_ns);
}
