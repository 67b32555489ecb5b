/* The owner core: where a task's large arguments lie.
 *
 * To bring them to a node takes longer than most tasks. So the daemon, and through it the head, is
 * told with each demand which node holds the most of what the first task in the queue wants to
 * read; and of several leases that are equally busy the task goes to the one on that node. */
#include "api/client/owner_internal.h"

#define NODES_MAX  8u  /* where arguments of one task lie; more are not told apart */
#define LEASES_MAX 16u /* leases looked at for one task */

static bool has_large(const struct reeve_owner *owner, const struct owner_task *task)
{
    for (uint32_t i = 0; i < task->splice_count; i++)
        if (owner_task_at(owner, owner_task_index(task->splices[i].task))->flags &
            OWNER_RESULT_OBJECT)
            return true;
    return false;
}

uint32_t owner_near_node(const struct reeve_owner *owner, const struct owner_task *task)
{
    if (REEVE_LIKELY(!has_large(owner, task)))
        return 0;
    struct {
        uint32_t node;
        uint64_t bytes;
    } found[NODES_MAX];
    uint32_t count = 0, best = 0;
    for (uint32_t i = 0; i < task->splice_count; i++) {
        const struct owner_task *argument = owner_task_find(owner, task->splices[i].task);
        if (argument == NULL || argument->state != REEVE_TASK_DONE ||
            !(argument->flags & OWNER_RESULT_OBJECT))
            continue;
        const struct reeve_reference *object = &argument->bytes.object;
        uint32_t at = 0;
        while (at < count && found[at].node != object->node)
            at++;
        if (at == NODES_MAX)
            continue;
        if (at == count) {
            found[count].node = object->node;
            found[count++].bytes = 0;
        }
        found[at].bytes += object->size_bytes;
        if (found[at].bytes > found[best].bytes)
            best = at;
    }
    return count != 0 && found[best].bytes >= OWNER_NEAR_BYTES ? found[best].node : 0;
}

struct owner_lease *owner_near_lease(
    const struct reeve_owner *owner, const struct owner_class *class, const struct owner_task *task)
{
    struct owner_lease *first =
        REEVE_LIST_ENTRY(reeve_list_first(&class->room), struct owner_lease, room_node);
    uint32_t left = LEASES_MAX;
    if (REEVE_LIKELY(task->splice_count == 0 || first->room_node.next == &class->room))
        return first; /* there is no choice */
    uint32_t node = owner_near_node(owner, task);
    if (node == 0)
        return first;
    REEVE_LIST_EACH(link, &class->room)
    {
        struct owner_lease *lease = REEVE_LIST_ENTRY(link, struct owner_lease, room_node);
        if (left-- == 0)
            break;
        if (lease->node == node && lease->in_flight.count <= first->in_flight.count)
            return lease;
    }
    return first;
}
