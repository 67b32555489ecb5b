/* The owner core: its audit, after each step in tests: everything that is counted or linked is
 * counted again. */
#include <stdlib.h>

#include "api/client/owner_gifts.h"
#include "api/client/owner_lineages.h"
#include "runtime/base/assert.h"

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
    owner_handles_check(owner);
    owner_gifts_check(owner);
    owner_strays_check(owner);
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
        REEVE_ASSERT(lease->refused == 0 || lease->state != OWNER_LEASE_ACTIVE ||
                     (!reeve_list_is_linked(&lease->room_node) &&
                         owner_task_at(owner, lease->in_flight.last)->sequence > lease->refused));
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
