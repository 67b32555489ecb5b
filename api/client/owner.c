/* The owner core: futures and tasks, as the program sees them: submitting, putting, looking at what
 * has become of one. How a call goes on from here:
 *
 *   submit ─▶ owner_queue.c ─▶ owner_send.c ─▶ ring, worker, ring
 *                                                       └─▶ owner_answer.c ─▶ owner_final.c
 *
 * Classes and demand are in owner_class.c, leases in owner_lease.c, memory in owner_table.c. */
#include "api/client/owner.h"

#include <reeve_errors.h>
#include <stdlib.h>

#include "api/client/owner_gifts.h"
#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

const struct reeve_owner_settings reeve_owner_settings_default = {
    .depth_max = 1024,
    .demand_max = 256,
    .lease_idle_ns = 500u * 1000 * 1000,
    .lease_wanted_ns = 20u * 1000 * 1000,
    .lease_hold_ns = 200u * 1000,
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
    reeve_map64_init(&owner->gifts);
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
    owner_handles_fini(owner);
    owner_gifts_fini(owner);
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

/* ---- the program ----------------------------------------------------------------------------- */

/* With the fields that every task has. REEVE_ENOMEM. */
static inline struct owner_task *task_begin(struct reeve_owner *owner,
    const struct reeve_owner_task *from, uint32_t class_index, uint32_t *ret_index)
{
    if (owner_task_make(owner, ret_index) != 0)
        return NULL;
    struct owner_task *task = owner_task_at(owner, *ret_index);
    task->class_index = (uint16_t)class_index;
    task->function = from->function;
    task->timeout_ms = from->timeout_ms;
    task->losses_max = from->losses_max;
    task->flags = from->never_inline ? OWNER_NEVER_INLINE : 0;
    task->state = REEVE_TASK_WAITING;
    task->references = 2; /* the program's, and its own until it is final */
    task->held = 1;
    task->sequence = ++owner->sequence;
    owner->unfinished++;
    return task;
}

/* A call with futures among its arguments, of an actor, of a stream, or to be retried. */
static int submit_other(struct reeve_owner *owner, uint64_t now_ns,
    const struct reeve_owner_task *from, reeve_task_id *ret_task)
{
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
        ((actor = owner_actor_find(owner, from->actor)) == NULL || actor->ending))
        return REEVE_EHANDLE;
    struct owner_task *task =
        task_begin(owner, from, actor != NULL ? actor->class_index : from->class_index, &index);
    if (task == NULL)
        return REEVE_ENOMEM;
    task->actor = from->called;
    int error = 0;
    if (REEVE_UNLIKELY(actor != NULL))
        error = owner_actor_task_begin(owner, actor, index, from);
    if (error == 0)
        error = owner_task_store_call(owner, task, from);
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
        owner_task_end(owner, now_ns, index, failed->status, failed->flags & OWNER_ERROR_MAP,
            owner_task_bytes(failed), failed->size, NULL);
        owner_error_origin(task, failed);
    } else if (REEVE_UNLIKELY(owner_class_is_ordered(owner->classes[task->class_index]))) {
        if (actor == NULL || !owner_actor_refuses(owner, now_ns, actor, index))
            owner_task_queue_ordered(owner, now_ns, index);
    } else if (task->unresolved == 0) {
        owner_task_queue(owner, now_ns, index);
    }
    return 0;
}

int reeve_owner_submit(struct reeve_owner *owner, uint64_t now_ns,
    const struct reeve_owner_task *from, reeve_task_id *ret_task)
{
    REEVE_ASSERT(from->actor != 0 || from->class_index < owner->class_count);
    if (REEVE_UNLIKELY(
            (from->splice_count | from->actor | from->retries.count | from->is_stream) != 0) ||
        owner_class_is_ordered(owner->classes[from->class_index]))
        return submit_other(owner, now_ns, from, ret_task);
    uint32_t index;
    struct owner_task *task = task_begin(owner, from, from->class_index, &index);
    if (REEVE_UNLIKELY(task == NULL))
        return REEVE_ENOMEM;
    *ret_task = owner_task_id(task, index);
    if (REEVE_LIKELY(owner_task_store_call(owner, task, from) == 0))
        owner_task_queue(owner, now_ns, index);
    else
        owner_task_fail(owner, now_ns, index, REEVE_ENOMEM, "no memory for its arguments");
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
    owner_task_end(
        owner, now_ns, owner_task_index(id), status, false, "", 0, status == 0 ? object : NULL);
}

int reeve_owner_attach(
    struct reeve_owner *owner, reeve_task_id id, const reeve_task_id *futures, uint32_t count)
{
    struct owner_task *task = owner_task_find(owner, id);
    struct reeve_owner_splice *list = calloc(count, sizeof(*list));
    REEVE_ASSERT(task != NULL && task->state == REEVE_TASK_DONE && count != 0);
    if (list == NULL)
        return REEVE_ENOMEM;
    owner_list_take(owner, list, futures, count);
    owner_task_list_set(owner, task, list, count);
    return 0;
}

/* ---- small readers --------------------------------------------------------------------------- */

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
    bool is_done = task->state == REEVE_TASK_DONE;
    ret->status = task->status;
    ret->is_held = task->held != 0;
    ret->is_object = task->flags & OWNER_RESULT_OBJECT;
    ret->error_is_map = task->flags & OWNER_ERROR_MAP;
    ret->bytes = ret->is_object ? NULL : owner_task_bytes(task);
    ret->size = ret->is_object ? 0 : task->size;
    if (ret->is_object)
        ret->object = task->bytes.object;
    ret->function = task->function;
    ret->attempt = task->attempt;
    ret->node = task->node;
    ret->futures = is_done ? task->splices : NULL;
    uint32_t beside = is_done ? task->splice_count : 0;
    ret->handle_count = REEVE_UNLIKELY(beside != 0) ? owner_handles_behind(owner, task) : 0;
    ret->future_count = beside - ret->handle_count;
    return 0;
}

/* Bytes, no object and no futures. */
static inline bool is_plain(const struct owner_task *task)
{
    return task->state == REEVE_TASK_DONE && task->splice_count == 0 &&
           !(task->flags & OWNER_RESULT_OBJECT);
}

bool reeve_owner_plain_result(const struct reeve_owner *owner, reeve_task_id id,
    const uint8_t **ret_bytes, uint32_t *ret_size)
{
    const struct owner_task *task = owner_task_find(owner, id);
    if (task == NULL || !is_plain(task) || task->held == 0 ||
        reeve_map64_count(&owner->streams) != 0) /* it may be one */
        return false;
    *ret_bytes = owner_task_bytes(task);
    *ret_size = task->size;
    return true;
}

bool reeve_owner_plain_argument(const struct reeve_owner *owner,
    const struct reeve_owner_splice *splice, const void **ret_bytes, size_t *ret_size)
{
    const struct owner_task *task = owner_task_at(owner, owner_task_index(splice->task));
    if (splice->offset & REEVE_OWNER_NESTED || !is_plain(task))
        return false;
    *ret_bytes = owner_task_bytes(task);
    *ret_size = task->size;
    return true;
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

void reeve_owner_entry(
    const struct reeve_owner *owner, reeve_task_id id, struct reeve_owner_entry *ret)
{
    const struct owner_task *task = owner_task_find(owner, id);
    REEVE_ASSERT(task != NULL);
    owner_entry_fill(owner, task, owner_task_index(id), ret);
}

bool reeve_owner_next_command(struct reeve_owner *owner, struct reeve_owner_command *ret)
{
    if (REEVE_UNLIKELY(owner->parting_count != 0))
        owner_handles_part(owner);
    return reeve_fifo_pop(&owner->commands, ret);
}
