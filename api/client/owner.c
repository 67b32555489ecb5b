/* The owner core: futures and tasks. Leases, depth and demand are in owner_lease.c, memory in
 * owner_table.c. */
#include "api/client/owner.h"

#include <reeve_errors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_internal.h"

/* How many answers ahead (dependents_fetch). */
#define FETCHED_EDGES      4u
#define FETCHED_DEPENDENTS 2u
#include "runtime/base/assert.h"
#include "runtime/base/errors.h"
#include "runtime/base/macros.h"

const struct reeve_owner_settings reeve_owner_settings_default = {
    .depth_max = 1024,
    .demand_max = 256,
    .lease_idle_ns = 500u * 1000 * 1000,
    .lease_wanted_ns = 20u * 1000 * 1000,
    .work_ahead_ns = 4u * 1000 * 1000,
    .generation_first = 1,
    .stuck_ns = 500u * 1000,
    .lineage_bytes_max = 64u << 20,
};

struct reeve_owner *reeve_owner_create(const struct reeve_owner_settings *settings)
{
    struct reeve_owner *owner = calloc(1, sizeof(*owner));
    if (owner == NULL)
        return NULL;
    owner->settings = *settings;
    owner->edge_free = OWNER_NONE;
    owner->watch_free = OWNER_NONE;
    reeve_fifo_init(&owner->watched, sizeof(struct reeve_owner_watch));
    reeve_list_init(&owner->pages_room);
    owner->tick_at_ns = UINT64_MAX;
    reeve_list_init(&owner->ready);
    reeve_fifo_init(&owner->commands, sizeof(struct reeve_owner_command));
    reeve_fifo_init(&owner->anchored, sizeof(reeve_task_id));
    reeve_map64_init(&owner->handed);
    reeve_map64_init(&owner->streams);
    reeve_map64_init(&owner->retries);
    reeve_heap_init(&owner->pauses);
    reeve_map64_init(&owner->strays);
    reeve_map64_init(&owner->actors);
    reeve_map64_init(&owner->hosts);
    reeve_list_init(&owner->hosts_free);
    reeve_list_init(&owner->judged);
    reeve_map64_init(&owner->cancelling);
    reeve_list_init(&owner->lineages);
    return owner;
}

void reeve_owner_free(struct reeve_owner *owner)
{
    if (owner == NULL)
        return;
    uint32_t index = OWNER_NONE;
    while ((index = owner_task_each(owner, index)) != OWNER_NONE)
        owner_task_clear(owner, owner_task_at(owner, index));
    while (!reeve_list_is_empty(&owner->lineages))
        owner_lineage_forget(owner);
    owner_handed_fini(owner);
    owner_streams_fini(owner);
    owner_retries_fini(owner);
    owner_strays_fini(owner);
    owner_actors_fini(owner);
    owner_cancel_fini(owner);
    for (uint32_t i = 0; i < owner->page_count; i++) {
        free(owner->pages[i]->tasks);
        free(owner->pages[i]);
    }
    for (uint32_t i = 1; i < owner->class_count; i++) /* the first are not from malloc */
        free(owner->classes[i]);
    for (uint32_t i = 1; i < owner->lease_capacity; i++)
        free(owner->leases[i]);
    free(owner->pages);
    free(owner->lent);
    free(owner->edges);
    free(owner->watches);
    reeve_fifo_fini(&owner->watched);
    free(owner->leases);
    reeve_fifo_fini(&owner->commands);
    reeve_fifo_fini(&owner->anchored);
    free(owner);
}

/* ---- final states ---------------------------------------------------------------------------- */

/* Drops what the arguments held on to. */
static void arguments_drop(struct reeve_owner *owner, struct owner_task *task)
{
    for (uint32_t i = 0; i < task->splice_count; i++)
        owner_task_unref(owner, owner_task_index(task->splices[i].task));
    task->splice_count = 0;
    owner_task_clear(owner, task);
}

/* A WAITING task of an ordered class is in its queue. */
static void ordered_leave(struct reeve_owner *owner, struct owner_task *task, uint32_t index)
{
    struct owner_class *class = owner->classes[task->class_index];
    owner_task_unlink(owner, class, index);
    class->unfinished--;
    owner_ready_update(owner, class);
}

/* The task becomes final; its dependents are told, and theirs in turn: a list instead of
 * recursion, because chains are long. */
void owner_task_finish(struct reeve_owner *owner, uint32_t index, int status, bool error_is_map,
    const void *bytes, uint32_t size, const struct reeve_reference *object)
{
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_lineage *lineage = NULL;
    bool is_stream = task->flags & OWNER_NEVER_INLINE, takes = false;
    REEVE_ASSERT(!reeve_task_state_is_final(task->state) && task->state > REEVE_TASK_LINEAGE);
    if (REEVE_UNLIKELY(task->state == REEVE_TASK_WAITING) &&
        owner_task_is_placed(owner, task, index))
        ordered_leave(owner, task, index);
    if (REEVE_UNLIKELY(task->flags & OWNER_LIFE))
        owner_actor_task_finish(owner, task, index, status, error_is_map, bytes, size);
    if (REEVE_UNLIKELY(task->splice_count != 0)) {
        owner_reading_end(owner, task);
        takes = owner_streams_leave(owner, task, index);
    }
    if (REEVE_UNLIKELY(object != NULL && !takes)) /* a stream is not given twice */
        lineage = owner_lineage_take(owner, task, object);
    if (REEVE_UNLIKELY(task->may_retry)) {
        if (lineage != NULL)
            lineage->retries = owner_retries_left(owner, index);
        owner_retry_forget(owner, task, index);
    }
    if (REEVE_UNLIKELY((task->losses != 0 || task->flags & OWNER_ALONE) && object == NULL))
        owner_strays_free(owner, owner_task_id(task, index), 0);
    if (REEVE_LIKELY(lineage == NULL))
        arguments_drop(owner, task);
    owner->inline_count -= task->state == REEVE_TASK_INLINE;
    task->status = status;
    if (REEVE_LIKELY(task->state != REEVE_TASK_REMADE)) {
        task->flags = 0;
        task->lineage_references = 0;
    } else {
        task->flags &= OWNER_NEEDED;
        owner->remade_count--;
    }
    task->state = status == 0 ? REEVE_TASK_DONE : REEVE_TASK_FAILED;
    if (object != NULL) {
        task->flags |= OWNER_RESULT_OBJECT;
        task->bytes.object = *object;
        owner_lineage_set(owner, task, lineage);
        if (status == 0 && object->flags & REEVE_REFERENCE_LOCATED)
            owner_anchor_add(owner, index);
    } else if (owner_task_store(owner, task, bytes, size) != 0) {
        task->status = REEVE_ENOMEM;
        task->state = REEVE_TASK_FAILED;
    } else if (status != 0 && error_is_map) {
        task->flags |= OWNER_ERROR_MAP;
    }
    owner->unfinished--;
    owner->final_count++;
    if (REEVE_UNLIKELY(reeve_map64_count(&owner->cancelling) != 0))
        owner_cancel_forget(owner, owner_task_id(task, index));
    if (REEVE_UNLIKELY(is_stream))
        owner_stream_ended(owner, owner_task_id(task, index));
}

/* Whether its value is needed for the task's arguments, and not just the future. */
static bool is_spliced(const struct owner_task *task, uint32_t on)
{
    for (uint32_t i = 0; i < task->splice_count; i++)
        if (owner_task_index(task->splices[i].task) == on &&
            !(task->splices[i].offset & REEVE_OWNER_NESTED))
            return true;
    return false;
}

/* An error that a task has from another tells where it arose. */
static void error_origin(struct owner_task *task, const struct owner_task *from)
{
    task->function = from->function;
    task->attempt = from->attempt;
    task->node = from->node;
}

/* A final task's dependents: those that wait for nothing else are queued, or fail with it. */
void owner_dependents_tell(struct reeve_owner *owner, uint64_t now_ns, uint32_t first)
{
    uint32_t pending = first; /* tasks whose dependents are to be told, linked by `next` */
    owner_task_at(owner, first)->next = OWNER_NONE;
    while (pending != OWNER_NONE) {
        uint32_t index = pending;
        struct owner_task *task = owner_task_at(owner, index);
        pending = task->next;
        task->next = OWNER_NONE;
        for (uint32_t d; (d = owner_edge_pop(owner, task)) != OWNER_NONE;) {
            if (REEVE_UNLIKELY(d & OWNER_WATCH)) {
                owner_watch_tell(owner, d);
                owner_task_unref(owner, index); /* the watch's; our own is still there */
                continue;
            }
            struct owner_task *dependent = owner_task_at(owner, d);
            dependent->unresolved--;
            bool waits = dependent->state == REEVE_TASK_WAITING;
            if (REEVE_UNLIKELY(task->splice_count != 0) && waits)
                dependent->flags |= OWNER_DEEP;
            if (REEVE_UNLIKELY(dependent->state == REEVE_TASK_REMADE)) {
                owner_remade_take(owner, d, index);
                dependent->next = pending;
                pending = d;
            } else if (REEVE_UNLIKELY(dependent->state == REEVE_TASK_PART)) {
                if (owner_part_take(owner, d, index)) {
                    dependent->next = pending;
                    pending = d;
                }
            } else if (waits && task->state == REEVE_TASK_FAILED && is_spliced(dependent, index)) {
                owner_task_finish(owner, d, task->status, task->flags & OWNER_ERROR_MAP,
                    owner_task_bytes(task), task->size, NULL);
                error_origin(dependent, task);
                dependent->next = pending;
                pending = d;
            } else if (waits && dependent->unresolved == 0) {
                int error = owner_task_is_deep(owner, dependent) ? owner_task_deepen(owner, d) : 0;
                if (error != 0) {
                    owner_task_finish(owner, d, error, false, "", 0, NULL);
                    dependent->next = pending;
                    pending = d;
                } else if (dependent->unresolved == 0) {
                    owner_task_queue(owner, now_ns, d);
                }
            }
            owner_task_unref(owner, d); /* the edge's reference */
        }
        owner_task_unref(owner, index); /* the reference of a task that is not final */
    }
}

/* The futures in the value of a final task; the list and its references become the task's. */
void owner_task_list_set(struct reeve_owner *owner, struct owner_task *task,
    struct reeve_owner_splice *list, uint32_t count)
{
    REEVE_ASSERT(task->splice_count == 0 && task->splices == NULL);
    task->splices = list;
    task->splice_count = count;
    task->splices_size = count * (uint32_t)sizeof(*list);
    owner->memory_bytes += task->splices_size;
}

/* References of the caller's become the list's. */
static void list_take(struct reeve_owner *owner, struct reeve_owner_splice *list,
    const reeve_task_id *futures, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        list[i].task = futures[i];
        owner_task_at(owner, owner_task_index(futures[i]))->held--;
    }
}

static void list_drop(struct reeve_owner *owner, struct reeve_owner_splice *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        owner_task_unref(owner, owner_task_index(list[i].task));
    free(list);
}

/* Not all of it has ended: it ends otherwise. */
static bool cancelled_end(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    char text[120];
    int code = owner_cancel_lost(
        owner, owner_task_id(owner_task_at(owner, index), index), text, sizeof(text));
    if (code != 0)
        owner_task_fail(owner, now_ns, index, code, text);
    return code != 0;
}

/* The list is of references that are passed on; whether or not the task becomes DONE. */
static void task_end_with(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int status,
    bool error_is_map, const void *bytes, uint32_t size, const struct reeve_reference *object,
    struct reeve_owner_splice *list, uint32_t count)
{
    if (REEVE_UNLIKELY(status == REEVE_ECANCELLED) && cancelled_end(owner, now_ns, index)) {
        list_drop(owner, list, count);
        return;
    }
    owner_task_finish(owner, index, status, error_is_map, bytes, size, object);
    if (REEVE_UNLIKELY(list != NULL)) {
        if (owner_task_at(owner, index)->state == REEVE_TASK_DONE)
            owner_task_list_set(owner, owner_task_at(owner, index), list, count);
        else
            list_drop(owner, list, count);
    }
    owner_dependents_tell(owner, now_ns, index);
}

static void task_end(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int status,
    bool error_is_map, const void *bytes, uint32_t size, const struct reeve_reference *object)
{
    task_end_with(owner, now_ns, index, status, error_is_map, bytes, size, object, NULL, 0);
}

void owner_task_end(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int status,
    bool error_is_map, const void *bytes, uint32_t size, const struct reeve_reference *object)
{
    task_end(owner, now_ns, index, status, error_is_map, bytes, size, object);
}

void owner_task_fail(
    struct reeve_owner *owner, uint64_t now_ns, uint32_t index, int code, const char *text)
{
    task_end(owner, now_ns, index, code, false, text, (uint32_t)strlen(text), NULL);
}

static void task_queued(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, uint32_t before)
{
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_class *class = owner->classes[task->class_index];
    if (REEVE_UNLIKELY(task->splice_count != 0))
        owner_reading_end(owner, task);
    if (REEVE_UNLIKELY(task->flags & OWNER_KEPT)) {
        task->state = REEVE_TASK_WAITING;
        owner_class_work_changed(owner, now_ns, class);
        return;
    }
    task->state = REEVE_TASK_QUEUED;
    owner_queue_insert(owner, &class->queued, index, before);
    class->unfinished++;
    owner_class_work_changed(owner, now_ns, class);
}

/* Into the queue of its ordered class, in its turn, whether or not it waits for something. */
static void ordered_queue(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    bool waits = task->unresolved != 0;
    task->sequence = ++owner->sequence;
    task_queued(owner, now_ns, index, OWNER_NONE);
    if (!waits)
        return;
    task->state = REEVE_TASK_WAITING;
    owner_ready_update(owner, owner->classes[task->class_index]);
}

void owner_task_queue(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    struct owner_class *class = owner->classes[task->class_index];
    if (REEVE_UNLIKELY(owner_class_is_ordered(class))) { /* it has its place */
        task->state = REEVE_TASK_QUEUED;
        owner_class_work_changed(owner, now_ns, class);
        return;
    }
    task->sequence = ++owner->sequence;
    task_queued(owner, now_ns, index, OWNER_NONE);
}

/* Those taken back from one lease come one after the other, the latest first, so the place is found
 * in a few steps from that of the one before. */
void owner_task_requeue(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    const struct owner_task *task = owner_task_at(owner, index);
    struct owner_class *class = owner->classes[task->class_index];
    uint32_t before = class->returned != OWNER_NONE ? class->returned : class->queued.first;
    while (before != OWNER_NONE && owner_task_at(owner, before)->sequence < task->sequence)
        before = owner_task_at(owner, before)->next;
    for (;;) {
        uint32_t previous =
            before != OWNER_NONE ? owner_task_at(owner, before)->previous : class->queued.last;
        if (previous == OWNER_NONE || owner_task_at(owner, previous)->sequence < task->sequence)
            break;
        before = previous;
    }
    task_queued(owner, now_ns, index, before);
    if (task->state == REEVE_TASK_QUEUED) /* and not kept */
        class->returned = index;
}

void owner_task_unlink(struct reeve_owner *owner, struct owner_class *class, uint32_t index)
{
    owner_queue_remove(owner, &class->queued, index);
    if (class->returned == index)
        class->returned = OWNER_NONE;
}

/* A QUEUED task leaves its queue. */
void owner_task_unqueue(struct reeve_owner *owner, uint64_t now_ns, uint32_t index)
{
    struct owner_class *class = owner->classes[owner_task_at(owner, index)->class_index];
    owner_task_unlink(owner, class, index);
    class->unfinished--;
    owner_class_work_changed(owner, now_ns, class);
}

/* ---- the program ----------------------------------------------------------------------------- */

int reeve_owner_submit(struct reeve_owner *owner, uint64_t now_ns,
    const struct reeve_owner_task *from, reeve_task_id *ret_task)
{
    REEVE_ASSERT(from->actor != 0 || from->class_index < owner->class_count);
    uint32_t index;
    for (uint32_t i = 0; i < from->splice_count; i++) {
        const struct owner_task *on = owner_task_find(owner, from->splices[i].task);
        if (on == NULL || (from->splices[i].offset & ~REEVE_OWNER_NESTED) > from->arguments_size)
            return on == NULL ? REEVE_EHANDLE : REEVE_EINVAL;
    }
    bool streams = from->splice_count != 0 && reeve_map64_count(&owner->streams) != 0;
    int refused = REEVE_UNLIKELY(streams) ? owner_streams_may_be_given(owner, from) : 0;
    if (REEVE_UNLIKELY(refused != 0))
        return refused;
    struct owner_actor *actor = NULL;
    if (REEVE_UNLIKELY(from->actor != 0) &&
        ((actor = owner_actor_find(owner, from->actor)) == NULL || actor->released))
        return REEVE_EHANDLE;
    if (owner_task_make(owner, &index) != 0)
        return REEVE_ENOMEM;
    struct owner_task *task = owner_task_at(owner, index);
    task->class_index = (uint16_t)(actor != NULL ? actor->class_index : from->class_index);
    task->function = from->function;
    task->timeout_ms = from->timeout_ms;
    task->losses_max = from->losses_max;
    task->flags = from->never_inline ? OWNER_NEVER_INLINE : 0;
    task->state = REEVE_TASK_WAITING;
    task->references = 2; /* the program's, and its own until it is final */
    task->held = 1;
    task->sequence = ++owner->sequence;
    owner->unfinished++;
    int error = 0;
    if (REEVE_UNLIKELY(actor != NULL))
        error = owner_actor_task_begin(owner, actor, index, from);
    if (error == 0)
        error = owner_task_store(owner, task, from->arguments, from->arguments_size);
    if (error == 0 && REEVE_UNLIKELY(from->splice_count != 0))
        error = owner_task_store_splices(owner, task, from->splices, from->splice_count);
    const struct owner_task *failed = NULL;
    for (uint32_t i = 0; i < from->splice_count && error == 0; i++) {
        struct owner_task *on = owner_task_find(owner, from->splices[i].task);
        if (REEVE_UNLIKELY(streams) && reeve_owner_is_stream(owner, from->splices[i].task)) {
            on->references++;
            task->splice_count++;
            task->flags |= OWNER_NEVER_INLINE;
            owner_stream_give(owner, from->splices[i].task, owner_task_id(task, index));
            continue;
        }
        if (!reeve_task_state_is_final(on->state)) {
            error = owner_edge_add(owner, on, index);
            if (error != 0)
                break;
            task->unresolved++;
            task->references++;
        } else if (on->state == REEVE_TASK_FAILED && failed == NULL &&
                   !(from->splices[i].offset & REEVE_OWNER_NESTED)) {
            failed = on;
        } else if (REEVE_UNLIKELY(on->splice_count != 0)) {
            task->flags |= OWNER_DEEP;
        }
        on->references++;
        task->splice_count++;
    }
    *ret_task = owner_task_id(task, index);
    if (REEVE_UNLIKELY(from->is_stream) && error == 0)
        error = owner_stream_make(owner, *ret_task, from->window);
    if (REEVE_UNLIKELY(from->retries.count != 0) && error == 0)
        error = owner_retry_make(owner, index, &from->retries);
    if (error == 0 && failed == NULL && task->unresolved == 0 && task->splice_count != 0 &&
        owner_task_is_deep(owner, task))
        error = owner_task_deepen(owner, index);
    if (error != 0) {
        owner_task_fail(owner, now_ns, index, error, "no memory for its arguments");
    } else if (failed != NULL) {
        task_end(owner, now_ns, index, failed->status, failed->flags & OWNER_ERROR_MAP,
            owner_task_bytes(failed), failed->size, NULL);
        error_origin(task, failed);
    } else if (REEVE_UNLIKELY(owner_class_is_ordered(owner->classes[task->class_index]))) {
        if (actor == NULL || !owner_actor_refuses(owner, now_ns, actor, index))
            ordered_queue(owner, now_ns, index);
    } else if (task->unresolved == 0) {
        owner_task_queue(owner, now_ns, index);
    }
    return 0;
}

int reeve_owner_put(
    struct reeve_owner *owner, const void *bytes, uint32_t size, reeve_task_id *ret_task)
{
    uint32_t index;
    if (owner_task_make(owner, &index) != 0)
        return REEVE_ENOMEM;
    struct owner_task *task = owner_task_at(owner, index);
    *ret_task = owner_task_id(task, index);
    task->state = REEVE_TASK_PENDING;
    task->references = 2;
    task->held = 1;
    owner->unfinished++;
    if (bytes != NULL) {
        owner_task_finish(owner, index, 0, false, bytes, size, NULL);
        owner_task_unref(owner, index);
        if (task->state != REEVE_TASK_DONE) {
            owner_task_unref(owner, index);
            return REEVE_ENOMEM;
        }
    }
    return 0;
}

void reeve_owner_filled(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id, int status,
    const struct reeve_reference *object)
{
    struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL || task->state != REEVE_TASK_PENDING)
        return;
    task_end(
        owner, now_ns, owner_task_index(id), status, false, "", 0, status == 0 ? object : NULL);
}

enum reeve_task_state reeve_owner_state(const struct reeve_owner *owner, reeve_task_id id)
{
    const struct owner_task *task = owner_task_find(owner, id);
    return task != NULL ? (enum reeve_task_state)task->state : REEVE_TASK_FREE;
}

int reeve_owner_result(
    const struct reeve_owner *owner, reeve_task_id id, struct reeve_owner_result *ret)
{
    const struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL)
        return REEVE_EHANDLE;
    if (!reeve_task_state_is_final(task->state))
        return REEVE_EAGAIN;
    *ret = (struct reeve_owner_result){
        .status = task->status,
        .is_held = task->held != 0,
        .is_object = task->flags & OWNER_RESULT_OBJECT,
        .error_is_map = task->flags & OWNER_ERROR_MAP,
        .function = task->function,
        .attempt = task->attempt,
        .node = task->node,
    };
    if (ret->is_object) {
        ret->object = task->bytes.object;
    } else {
        ret->bytes = owner_task_bytes(task);
        ret->size = task->size;
    }
    if (task->state == REEVE_TASK_DONE) {
        ret->futures = task->splices;
        ret->future_count = task->splice_count;
    }
    return 0;
}

int reeve_owner_attach(
    struct reeve_owner *owner, reeve_task_id id, const reeve_task_id *futures, uint32_t count)
{
    struct owner_task *task = owner_task_find(owner, id);
    struct reeve_owner_splice *list = calloc(count, sizeof(*list));
    REEVE_ASSERT(task != NULL && task->state == REEVE_TASK_DONE && count != 0);
    if (list == NULL)
        return REEVE_ENOMEM;
    list_take(owner, list, futures, count);
    owner_task_list_set(owner, task, list, count);
    return 0;
}

bool reeve_owner_may_inline(const struct reeve_owner *owner, reeve_task_id id, uint32_t class_index)
{
    const struct owner_task *task = owner_task_find(owner, id);
    return task != NULL && (task->state == REEVE_TASK_QUEUED || task->state == REEVE_TASK_SENT) &&
           task->class_index == class_index && task->timeout_ms == 0 && task->losses == 0 &&
           !(task->flags & (OWNER_NEVER_INLINE | OWNER_ALONE)) && !owner_is_cancelling(owner, id) &&
           !owner_class_is_ordered(owner->classes[class_index]);
}

bool reeve_owner_take_inline(struct reeve_owner *owner, reeve_task_id id, uint32_t class_index)
{
    struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL || task->state != REEVE_TASK_QUEUED ||
        !reeve_owner_may_inline(owner, id, class_index))
        return false;
    if (REEVE_UNLIKELY(owner->remade_count != 0 || owner->remade_failed) &&
        owner_task_rewait(owner, 0, owner_task_index(id)))
        return false;
    struct owner_class *class = owner->classes[task->class_index];
    owner_task_unlink(owner, class, owner_task_index(id));
    class->unfinished--;
    owner_ready_update(owner, class);
    task->state = REEVE_TASK_INLINE;
    task->attempt++;
    owner->inline_count++;
    if (task->splice_count != 0)
        owner_reading_begin(owner, task, 0);
    return true;
}

void reeve_owner_finished(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id, int status,
    bool error_is_map, const void *bytes, uint32_t size, const struct reeve_reference *object,
    const reeve_task_id *futures, uint32_t future_count)
{
    struct owner_task *task = owner_task_find(owner, id);
    REEVE_ASSERT(task != NULL && task->state == REEVE_TASK_INLINE);
    if (REEVE_UNLIKELY(status != 0 && object != NULL)) {
        if (reeve_error_is_loss(status) &&
            owner_lost_argument(owner, now_ns, owner_task_index(id), status, object))
            return;
        object = NULL;
    }
    struct reeve_owner_splice *list = NULL;
    if (REEVE_UNLIKELY(future_count != 0)) {
        list = calloc(future_count, sizeof(*list));
        REEVE_ASSERT(list != NULL); /* the references were taken for it */
        list_take(owner, list, futures, future_count);
    }
    if (REEVE_UNLIKELY(status == REEVE_EFUNCTION) &&
        owner_task_retried(owner, now_ns, owner_task_index(id))) {
        list_drop(owner, list, future_count);
        return;
    }
    task_end_with(owner, now_ns, owner_task_index(id), status, error_is_map, bytes, size, object,
        list, future_count);
    owner_lineage_bound(owner);
}

bool reeve_owner_where(const struct reeve_owner *owner, reeve_task_id id,
    reeve_lease_index *ret_lease_index, uint64_t *ret_position, uint32_t *ret_attempt)
{
    const struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL || task->state != REEVE_TASK_SENT)
        return false;
    *ret_lease_index = task->lease_index;
    *ret_position = task->position;
    *ret_attempt = task->attempt;
    return true;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* The task has been lost with its worker: whether it is run again. */
bool owner_loss_forgiven(struct reeve_owner *owner, struct owner_task *task, reeve_task_id id)
{
    bool child = owner->child_died == id;
    owner->child_died = 0;
    if (child && !(task->flags & OWNER_ALONE) && task->losses_max != 0) {
        task->flags |= OWNER_ALONE;
        return true;
    }
    if (task->losses == task->losses_max)
        return false;
    task->losses++;
    return true;
}

struct owner_task *owner_task_answered(
    struct reeve_owner *owner, reeve_lease_index lease_index, reeve_task_id id, uint32_t attempt)
{
    struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL || task->state != REEVE_TASK_SENT || task->attempt != attempt ||
        task->lease_index != lease_index) {
        owner->stale_count++;
        return NULL;
    }
    return task;
}

/* A worker answers in the order in which it was sent to. What waits for the answers to come is
 * fetched into the caches meanwhile: of many tasks, those that wait have long left them, while
 * those in flight, of which `task` is the oldest, were sent a short while ago. */
static void dependents_fetch(const struct reeve_owner *owner, const struct owner_task *task)
{
    for (unsigned ahead = 1; ahead <= FETCHED_EDGES && task->next != OWNER_NONE; ahead++) {
        task = owner_task_at(owner, task->next);
        if (task->edges == OWNER_NONE)
            continue;
        if (ahead == FETCHED_EDGES)
            __builtin_prefetch(&owner->edges[task->edges]);
        if (ahead != FETCHED_DEPENDENTS)
            continue;
        uint32_t edge = task->edges;
        for (unsigned i = 0; i < 2 && edge != OWNER_NONE; i++, edge = owner->edges[edge].next) {
            uint32_t dependent = owner->edges[edge].dependent;
            if (dependent & OWNER_WATCH)
                continue;
            const char *at = (const char *)owner_task_at(owner, dependent);
            __builtin_prefetch(at, 1);
            __builtin_prefetch(at + 64, 1);
            __builtin_prefetch(at + 128, 1);
        }
    }
}

bool reeve_owner_answer(struct reeve_owner *owner, uint64_t now_ns, reeve_lease_index lease_index,
    reeve_task_id id, uint32_t attempt, int status, const void *bytes, uint32_t size,
    const struct reeve_reference *object)
{
    struct owner_task *task = owner_task_answered(owner, lease_index, id, attempt);
    if (task == NULL)
        return false;
    uint32_t index = owner_task_index(id);
    struct reeve_owner_splice *list = NULL;
    uint32_t count = 0;
    int handed = 0;
    if (owner->edge_count != 0)
        dependents_fetch(owner, task);
    owner_lease_left(owner, now_ns, owner_lease_at(owner, lease_index), index, true);
    if (REEVE_UNLIKELY(reeve_map64_count(&owner->handed) != 0)) {
        if (status == 0)
            handed = owner_handed_adopt(owner, now_ns, id, &list, &count);
        else
            owner_handed_drop(owner, id);
    }
    if (REEVE_UNLIKELY(status == REEVE_EACTORDIED) &&
        owner_actor_refuses(owner, now_ns, owner_actor_find(owner, task->actor), index))
        return true; /* its host does not know why */
    if (REEVE_UNLIKELY(status == REEVE_EWORKERDIED) && owner_is_cancelling(owner, id)) {
        owner_cancel_stopped(owner, now_ns, index, true);
        return true;
    }
    if (status == REEVE_EWORKERDIED) { /* a bridge says so before the lease is lost */
        if (owner_actor_was_being_made(owner, task, id) || owner_loss_forgiven(owner, task, id)) {
            owner_stray_note(owner, id, task->node);
            owner_task_requeue(owner, now_ns, index);
            return true;
        }
        owner_stray_free(owner, id, task->node);
        if (owner_class_is_ordered(owner->classes[task->class_index]))
            status = REEVE_EACTORDIED;
    }
    if (REEVE_UNLIKELY(reeve_error_is_loss(status) && object != NULL) &&
        owner_lost_argument(owner, now_ns, index, status, object))
        return true;
    if (REEVE_UNLIKELY(status == REEVE_EFUNCTION) && owner_task_retried(owner, now_ns, index))
        return true;
    if (REEVE_UNLIKELY(handed != 0)) {
        if (object != NULL)
            owner_command(owner, REEVE_OWNER_FREE_OBJECT)->object = *object;
        owner_task_fail(
            owner, now_ns, index, handed, "the futures in its result could not be taken over");
        return true;
    }
    task_end_with(owner, now_ns, index, status, status != 0, bytes, size,
        status == 0 ? object : NULL, list, count);
    owner_lineage_bound(owner);
    return true;
}

void reeve_owner_child_died(
    struct reeve_owner *owner, reeve_lease_index lease_index, reeve_task_id id, uint32_t attempt)
{
    if (owner_task_answered(owner, lease_index, id, attempt) != NULL)
        owner->child_died = id;
}

void reeve_owner_taken_back(struct reeve_owner *owner, uint64_t now_ns,
    reeve_lease_index lease_index, reeve_task_id id, uint32_t attempt)
{
    struct owner_task *task = owner_task_answered(owner, lease_index, id, attempt);
    if (task == NULL)
        return;
    uint32_t index = owner_task_index(id);
    /* it was not an attempt: nobody ran it. The entry is gone from its ring, so the number may
     * serve again */
    task->attempt--;
    task->flags &= (uint8_t)~OWNER_TAKING_BACK;
    owner_handed_drop(owner, id);
    owner_lease_left(owner, now_ns, owner_lease_at(owner, lease_index), index, false);
    if (owner_is_cancelling(owner, id))
        owner_cancel_stopped(owner, now_ns, index, false);
    else
        owner_task_requeue(owner, now_ns, index);
}

/* ---- small readers --------------------------------------------------------------------------- */

void reeve_owner_entry(
    const struct reeve_owner *owner, reeve_task_id id, struct reeve_owner_entry *ret)
{
    const struct owner_task *task = owner_task_find(owner, id);
    REEVE_ASSERT(task != NULL);
    *ret = (struct reeve_owner_entry){
        .function = task->function,
        .attempt = task->attempt +
                   (task->state == REEVE_TASK_QUEUED ? 1 : 0), /* the one about to be made */
        .timeout_ms = task->timeout_ms,
        .class_index = task->class_index,
        .alone = task->flags & OWNER_ALONE,
        .window = task->flags & OWNER_NEVER_INLINE ? owner_stream_window(owner, id)
                                                   : (struct reeve_stream_window){0, 0},
        .arguments = owner_task_bytes(task),
        .arguments_size = task->size,
        .splice_count = task->splice_count,
        .splices = task->splices,
    };
}

bool reeve_owner_next_command(struct reeve_owner *owner, struct reeve_owner_command *ret)
{
    return reeve_fifo_pop(&owner->commands, ret);
}
