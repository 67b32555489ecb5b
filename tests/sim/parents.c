/* Which task has called which: what a task is told of it is what was so, wherever it runs, in
 * whatever attempt, and after its future has gone to another owner. */
#include <string.h>

#include "tests/sim/sim.h"

static uint64_t key_of(uint32_t function, uint64_t argument, struct reeve_object_id parent)
{
    return sim_mix(sim_mix(argument ^ (uint64_t)function << 32) ^ reeve_object_id_key(parent));
}

/* Twice: by itself, and as one that some task has called. */
void sim_parent_say(
    struct sim *sim, const struct sim_call_frame *frame, struct reeve_owner_task *task)
{
    static const char is_child;
    static struct reeve_object_id parent; /* copied by the core */
    uint64_t argument;
    memcpy(&argument, task->arguments, sizeof argument);
    parent = (struct reeve_object_id){frame->process, frame->task};
    task->parent = &parent;
    for (int i = 0; i < 2; i++)
        reeve_map64_put(&sim->children,
            key_of(task->function, argument, i == 0 ? parent : (struct reeve_object_id){0, 0}),
            (void *)(uintptr_t)&is_child, NULL);
}

struct reeve_object_id sim_parent_of(const struct reeve_owner_entry *entry)
{
    struct reeve_object_id parent = {0, 0};
    const uint8_t *bytes = reeve_owner_entry_parent(entry);
    if (bytes != NULL)
        memcpy(&parent, bytes, sizeof parent);
    return parent;
}

void sim_parent_check(
    struct sim *sim, uint32_t function, uint64_t argument, struct reeve_object_id parent)
{
    bool is_child = reeve_map64_get(&sim->children, key_of(function, argument, parent)) != NULL;
    sim->children_run += parent.sequence != 0;
    if (parent.sequence != 0 && !is_child)
        sim_violation(sim, "a task is told of a parent that has not called it");
    if (parent.sequence == 0 && is_child &&
        !(function & (SIM_FUNCTION_ACTOR | SIM_FUNCTION_HANDLES | SIM_FUNCTION_TAKES)))
        sim_violation(sim, "a task is not told of its parent");
}
