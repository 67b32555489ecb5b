/* The owner core: objects that are anchored. See owner.h.
 *
 *   result, LOCATED ──▶ anchored ──freed──▶ (the FREE says it)
 *                        │ ▲──given away──▶ a pin, until nobody here reads it
 *            relax, and nobody reads it
 *                        ▼
 *                   not LOCATED: who reads it asks the daemon
 *
 * Who reads: threads of this process (views, gets), and tasks on the object's node that are SENT or
 * INLINE with it among their arguments; their splices are marked READING, so that each is counted
 * once, and given back once. */
#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"

void owner_anchor_forget(struct reeve_owner *owner, struct owner_task *task)
{
    task->bytes.object.flags &= ~REEVE_REFERENCE_LOCATED;
    owner->anchored_count--;
}

/* NULL: it has gone, or is anchored no more. What only lineage keeps is, too. */
static struct owner_task *anchored_find(const struct reeve_owner *owner, reeve_task_id id)
{
    uint32_t index = owner_task_index(id), number = index >> OWNER_PAGE_SHIFT;
    if (number >= owner->page_count || owner->pages[number]->tasks == NULL)
        return NULL;
    struct owner_task *task = owner_task_at(owner, index);
    return owner_task_id(task, index) == id && owner_is_anchored(task) ? task : NULL;
}

static void let_go(struct reeve_owner *owner, struct owner_task *task)
{
    uint64_t bytes = task->bytes.object.size_bytes;
    owner_anchor_forget(owner, task);
    owner->relax_bytes -= bytes < owner->relax_bytes ? bytes : owner->relax_bytes;
    owner_command(owner, REEVE_OWNER_LET_GO)->object = task->bytes.object;
}

void owner_anchor_add(struct reeve_owner *owner, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    reeve_task_id *id = reeve_fifo_push(&owner->anchored);
    REEVE_ASSERT(id != NULL);
    *id = owner_task_id(task, index);
    task->readers = 0;
    owner->anchored_count++;
    /* those that are anchored no more are not to pile up */
    for (int i = 0; i < 2 && owner->anchored.count > owner->anchored_count * 2 + 64; i++) {
        reeve_task_id first;
        reeve_fifo_pop(&owner->anchored, &first);
        if (anchored_find(owner, first) != NULL) {
            id = reeve_fifo_push(&owner->anchored);
            REEVE_ASSERT(id != NULL);
            *id = first;
        }
    }
    if (owner->relax_bytes != 0) /* the store has asked before we knew of it */
        let_go(owner, task);
}

static void reader_gone(struct reeve_owner *owner, struct owner_task *task)
{
    REEVE_ASSERT(owner_is_anchored(task) && task->readers > 0);
    if (--task->readers == 0 && owner->relax_bytes != 0 && !(task->flags & OWNER_GIVEN))
        let_go(owner, task);
}

bool reeve_owner_read_begin(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL || !owner_is_anchored(task))
        return false;
    task->readers++;
    return true;
}

void reeve_owner_read_end(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_task *task = owner_task_find(owner, id);
    REEVE_ASSERT(task != NULL);
    reader_gone(owner, task);
}

void owner_reading_begin(struct reeve_owner *owner, struct owner_task *task, uint32_t node)
{
    if (owner->anchored_count == 0)
        return;
    for (uint32_t i = 0; i < task->splice_count; i++) {
        struct reeve_owner_splice *splice = &task->splices[i];
        struct owner_task *on = owner_task_at(owner, owner_task_index(splice->task));
        if (splice->offset & REEVE_OWNER_NESTED || !owner_is_anchored(on) ||
            (node != 0 && on->bytes.object.node != node))
            continue;
        splice->offset |= REEVE_OWNER_READING;
        on->readers++;
    }
}

void owner_reading_end(struct reeve_owner *owner, struct owner_task *task)
{
    if (owner->anchored_count == 0) /* what is being read stays anchored */
        return;
    for (uint32_t i = 0; i < task->splice_count; i++) {
        struct reeve_owner_splice *splice = &task->splices[i];
        if (!(splice->offset & REEVE_OWNER_READING) || splice->offset & REEVE_OWNER_NESTED)
            continue;
        splice->offset &= ~REEVE_OWNER_READING;
        reader_gone(owner, owner_task_at(owner, owner_task_index(splice->task)));
    }
}

void reeve_owner_relax(struct reeve_owner *owner, uint64_t bytes)
{
    owner->relax_bytes = bytes;
    for (size_t left = owner->anchored.count; left > 0 && owner->relax_bytes != 0; left--) {
        reeve_task_id id;
        reeve_fifo_pop(&owner->anchored, &id);
        struct owner_task *task = anchored_find(owner, id);
        if (task == NULL)
            continue;
        if (task->readers == 0 && !(task->flags & OWNER_GIVEN)) {
            let_go(owner, task);
            continue;
        }
        reeve_task_id *again = reeve_fifo_push(&owner->anchored);
        REEVE_ASSERT(again != NULL);
        *again = id;
    }
}

void owner_anchor_check(const struct reeve_owner *owner)
{
    uint64_t anchored_count = 0, reading = 0, readers = 0;
    uint32_t index = OWNER_NONE;
    while ((index = owner_task_each(owner, index)) != OWNER_NONE) {
        const struct owner_task *task = owner_task_at(owner, index);
        if (owner_is_anchored(task)) {
            anchored_count++;
            readers += task->readers;
        }
        if (reeve_task_state_is_final(task->state))
            continue;
        for (uint32_t i = 0; i < task->splice_count; i++) {
            if (task->splices[i].offset & REEVE_OWNER_NESTED ||
                !(task->splices[i].offset & REEVE_OWNER_READING))
                continue;
            REEVE_ASSERT(task->state == REEVE_TASK_SENT || task->state == REEVE_TASK_INLINE);
            const struct owner_task *on =
                owner_task_at(owner, owner_task_index(task->splices[i].task));
            REEVE_ASSERT(owner_is_anchored(on) && on->readers > 0);
            reading++;
        }
    }
    REEVE_ASSERT(
        anchored_count == owner->anchored_count && owner->anchored.count >= anchored_count);
    REEVE_ASSERT(reading <= readers); /* the others are threads of this process */
}
