/* The owner core: futures in values, on the side that has them. Which of them can be given, and how
 * they are written down. The picture and the format are in owner.h, the other side is in
 * owner_adopt.c. */
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_internal.h"
#include "api/client/owner_records.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

/* ---- walks ----------------------------------------------------------------------------------- */

uint32_t owner_mark_next(struct reeve_owner *owner)
{
    if (++owner->mark == 0) /* 0 is that of tasks no walk has seen */
        owner->mark = 1;
    return owner->mark;
}

int owner_task_deepen(struct reeve_owner *owner, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    const struct owner_task *from = task;
    uint32_t mark = owner_mark_next(owner), stack = OWNER_NONE;
    for (;;) { /* the stack is linked by `previous`, which final tasks have no use for */
        for (uint32_t i = 0; i < from->splice_count; i++) {
            uint32_t on_index = owner_task_index(from->splices[i].task);
            struct owner_task *on = owner_task_at(owner, on_index);
            if (on->mark == mark)
                continue;
            on->mark = mark;
            if (!reeve_task_state_is_final(on->state)) {
                if (reeve_owner_is_stream(owner, from->splices[i].task))
                    continue; /* it is taken while it runs */
                int error = owner_edge_add(owner, on, index);
                if (error != 0) {
                    while (stack != OWNER_NONE) {
                        uint32_t next = owner_task_at(owner, stack)->previous;
                        owner_task_at(owner, stack)->previous = OWNER_NONE;
                        stack = next;
                    }
                    return error;
                }
                task->unresolved++;
                task->references++;
            } else if (on->splice_count != 0) {
                on->previous = stack;
                stack = on_index;
            }
        }
        if (stack == OWNER_NONE)
            return 0;
        struct owner_task *next = owner_task_at(owner, stack);
        stack = next->previous;
        next->previous = OWNER_NONE;
        from = next;
    }
}

/* Some futures and all that they need, each after what it needs; `order` of a task is its place. */
struct walk {
    uint32_t mark;
    bool lends; /* not gives */
    uint32_t *tasks;
    uint32_t *held; /* how often each is needed by another of them */
    uint32_t count, capacity;
    struct step {
        uint32_t index, next;
    } * path;
    uint32_t depth, depth_capacity;
};

static void walk_free(struct walk *walk)
{
    free(walk->tasks);
    free(walk->held);
    free(walk->path);
}

/* What came with the call goes back by name: the other side has it, and all that it needs. */
static bool is_own(const struct walk *walk, const struct owner_task *task)
{
    return !walk->lends && task->flags & OWNER_LENT && reeve_task_state_is_final(task->state) &&
           !owner_task_is_handle(task);
}

static bool is_stream(const struct reeve_owner *owner, uint32_t index)
{
    return reeve_owner_is_stream(owner, owner_task_id(owner_task_at(owner, index), index));
}

/* It goes without what it needs. */
static bool is_leaf(const struct reeve_owner *owner, const struct walk *walk, uint32_t index)
{
    return is_own(walk, owner_task_at(owner, index)) || is_stream(owner, index);
}

static int walk_push(struct reeve_owner *owner, struct walk *walk, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    if (task->mark == walk->mark)
        return 0;
    if (walk->depth == walk->depth_capacity) {
        uint32_t capacity = REEVE_MAX(walk->depth_capacity * 2, 64u);
        struct step *path = realloc(walk->path, capacity * sizeof(*path));
        if (path == NULL)
            return REEVE_ENOMEM;
        walk->path = path;
        walk->depth_capacity = capacity;
    }
    task->mark = walk->mark;
    walk->path[walk->depth++] = (struct step){index, 0};
    return 0;
}

static int walk_add(struct reeve_owner *owner, struct walk *walk, uint32_t index)
{
    if (walk->count == walk->capacity) {
        uint32_t capacity = REEVE_MAX(walk->capacity * 2, 64u);
        uint32_t *tasks = realloc(walk->tasks, capacity * sizeof(*tasks));
        if (tasks != NULL)
            walk->tasks = tasks;
        uint32_t *held = realloc(walk->held, capacity * sizeof(*held));
        if (held != NULL)
            walk->held = held;
        if (tasks == NULL || held == NULL)
            return REEVE_ENOMEM;
        walk->capacity = capacity;
    }
    const struct owner_task *task = owner_task_at(owner, index);
    owner_task_at(owner, index)->order = walk->count;
    walk->held[walk->count] = 0;
    walk->tasks[walk->count++] = index;
    for (uint32_t i = 0; i < task->splice_count && !is_leaf(owner, walk, index); i++)
        walk->held[owner_task_at(owner, owner_task_index(task->splices[i].task))->order]++;
    return 0;
}

static int walk_from(struct reeve_owner *owner, struct walk *walk, uint32_t root)
{
    int error = walk_push(owner, walk, root);
    while (walk->depth != 0 && error == 0) {
        struct step *step = &walk->path[walk->depth - 1];
        const struct owner_task *task = owner_task_at(owner, step->index);
        if (step->next < task->splice_count && !is_leaf(owner, walk, step->index)) {
            error = walk_push(owner, walk, owner_task_index(task->splices[step->next++].task));
        } else {
            error = walk_add(owner, walk, step->index);
            walk->depth--;
        }
    }
    return error;
}

static int walk_roots(struct reeve_owner *owner, struct walk *walk, bool lends,
    const reeve_task_id *roots, uint32_t count)
{
    *walk = (struct walk){.mark = owner_mark_next(owner), .lends = lends};
    int error = 0;
    for (uint32_t i = 0; i < count && error == 0; i++)
        error = owner_task_find(owner, roots[i]) == NULL
                    ? REEVE_EHANDLE
                    : walk_from(owner, walk, owner_task_index(roots[i]));
    return error;
}

/* ---- what can be given ----------------------------------------------------------------------- */

/* It is another process's object, or an actor: handed on, it stays ours, too. */
static bool is_held(const struct owner_task *task)
{
    return task->flags & OWNER_RESULT_OBJECT &&
           (task->bytes.object.flags & REEVE_REFERENCE_HELD || owner_task_is_handle(task));
}

/* Of one task: kept back where nobody has begun it. */
static bool is_ready(struct reeve_owner *owner, uint64_t now_ns, uint32_t index, bool shared)
{
    struct owner_task *task = owner_task_at(owner, index);
    if (reeve_task_state_is_final(task->state))
        return !shared || !(task->flags & OWNER_RESULT_OBJECT) ||
               task->flags & (OWNER_GIVEN | OWNER_LENT) || is_held(task);
    /* what is no call has no class */
    bool may_give = !shared && task->state != REEVE_TASK_PENDING &&
                    task->state != REEVE_TASK_PART && !is_stream(owner, index) &&
                    !owner_takes_streams(owner, task) &&
                    !owner_class_is_ordered(owner->classes[task->class_index]);
    if (may_give)
        task->flags |= OWNER_KEPT;
    else
        task->flags &= (uint8_t)~OWNER_KEPT;
    switch ((enum reeve_task_state)task->state) {
    case REEVE_TASK_QUEUED:
        if (!may_give)
            return false;
        owner_task_unqueue(owner, now_ns, index);
        task->state = REEVE_TASK_WAITING;
        return true;
    case REEVE_TASK_WAITING:
        if (!may_give && task->unresolved == 0 && !owner_retry_pauses(owner, index))
            owner_task_requeue(owner, now_ns, index); /* it was kept, and others want it now */
        return may_give;
    case REEVE_TASK_SENT:
        if (may_give && !(task->flags & OWNER_TAKING_BACK)) {
            task->flags |= OWNER_TAKING_BACK;
            struct reeve_owner_command *command = owner_command(owner, REEVE_OWNER_TAKE_BACK);
            command->task = owner_task_id(task, index);
            command->lease = owner_lease_at(owner, task->lease_index)->id;
            command->lease_index = task->lease_index;
            command->position = task->position;
        }
        return false;
    default: return false;
    }
}

bool reeve_owner_handover_ready(
    struct reeve_owner *owner, uint64_t now_ns, const reeve_task_id *roots, uint32_t count)
{
    struct walk walk;
    bool ready = true;
    if (walk_roots(owner, &walk, false, roots, count) == 0) {
        uint64_t unfinished = 0;
        for (uint32_t i = 0; i < walk.count; i++)
            unfinished += !reeve_task_state_is_final(owner_task_at(owner, walk.tasks[i])->state);
        for (uint32_t i = 0; i < count; i++) { /* a reference for each root, once */
            struct owner_task *task = owner_task_at(owner, owner_task_index(roots[i]));
            if (task->mark != walk.mark)
                continue;
            task->mark = 0;
            walk.held[task->order]++;
        }
        /* Something of ours that is still under way may need it, too: then it has to end here. What
         * only the program holds besides is given all the same: it has been returned. */
        bool others = owner->unfinished > unfinished;
        for (uint32_t i = 0; i < walk.count; i++) {
            const struct owner_task *task = owner_task_at(owner, walk.tasks[i]);
            bool final = reeve_task_state_is_final(task->state);
            uint32_t known = walk.held[i] + (final ? 0 : task->unresolved + 1);
            ready &= is_ready(owner, now_ns, walk.tasks[i], others && task->references > known);
        }
    } /* else: writing it tells what is wrong */
    walk_free(&walk);
    return ready;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* For a hold that is to be another's: ours are the ids of tasks, and so is what that one has
 * itself. From several it may get holds on one object: none is to be taken for another. */
static uint64_t token_next(struct reeve_owner *owner)
{
    uint64_t token = owner->process * 0x9e3779b97f4a7c15ull + ++owner->token_last;
    token = (token ^ (token >> 30)) * 0xbf58476d1ce4e5b9ull;
    token = (token ^ (token >> 27)) * 0x94d049bb133111ebull;
    return (token ^ (token >> 31)) | 1ull << 63;
}

/* What the heir gets in place of the value, and why, or NULL: the value can be given. */
static const char *why_not_given(
    const struct walk *walk, const struct owner_task *task, int32_t *ret_status)
{
    if (walk->lends || !(task->flags & OWNER_GIVEN) || owner_task_is_handle(task))
        return NULL;
    *ret_status = REEVE_ELOST;
    return "its large value came with a call that has ended";
}

static int record_write(struct reeve_owner *owner, const struct walk *walk, uint32_t index,
    struct reeve_buffer *ret, struct reeve_buffer *ret_objects)
{
    const struct owner_task *task = owner_task_at(owner, index);
    struct owner_record record = {.origin = owner_task_id(task, index),
        .count = task->splice_count,
        .kind = OWNER_RECORD_VALUE};
    struct owner_record_error failure = {task->status, task->function, task->attempt, task->node};
    struct owner_record_task call = {.function = task->function,
        .timeout_ms = task->timeout_ms,
        .losses = task->losses,
        .losses_max = task->losses_max};
    struct reeve_reference object;
    const void *head = NULL, *body = owner_task_bytes(task);
    uint32_t head_size = 0, body_size = task->size;
    const char *why = NULL; /* the value cannot be given */
    if (reeve_task_state_is_final(task->state) && task->state != REEVE_TASK_FAILED)
        why = why_not_given(walk, task, &failure.status);
    const struct reeve_stream_window window =
        owner_stream_window_of(owner, owner_task_id(task, index));
    if (window.units != 0) {
        if (!walk->lends)
            return REEVE_ETYPE;
        record.kind = OWNER_RECORD_STREAM;
        record.count = 0;
        body = &window;
        body_size = sizeof(window);
    } else if (is_own(walk, task)) {
        record.kind = OWNER_RECORD_OWN;
        record.origin = task->position;
        record.count = body_size = 0;
    } else if (!reeve_task_state_is_final(task->state)) {
        const struct owner_class *class = owner->classes[task->class_index];
        if (task->state != REEVE_TASK_WAITING)
            return REEVE_EINTERNAL;
        struct reeve_owner_retries retries = owner_retries_left(owner, index);
        call.cpu_milli = class->cpu_milli;
        call.retries = retries.count;
        call.pause_ms = retries.pause_ms;
        call.priority = class->priority;
        record.kind = OWNER_RECORD_TASK;
        record.flags = task->has_parent ? OWNER_RECORD_PARENT : 0;
        head = &call;
        head_size = sizeof(call);
    } else if (task->state == REEVE_TASK_FAILED || why != NULL) {
        record.kind = OWNER_RECORD_ERROR;
        record.flags = why == NULL && task->flags & OWNER_ERROR_MAP ? OWNER_RECORD_MAP : 0;
        record.count = 0;
        head = &failure;
        head_size = sizeof(failure);
        if (why != NULL) {
            body = why;
            body_size = (uint32_t)strlen(why);
        }
    } else if (task->flags & OWNER_RESULT_OBJECT) {
        object = task->bytes.object;
        record.kind = OWNER_RECORD_OBJECT;
        body = &object;
        body_size = sizeof(object);
        bool is_handle = owner_task_is_handle(task);
        if (walk->lends) { /* by whom it is read is not known here: they ask */
            object.flags &= ~REEVE_REFERENCE_LOCATED;
        } else if (is_held(task)) {
            object.flags |= REEVE_REFERENCE_HELD;
            object.offset = token_next(owner);
        }
        if (!(walk->lends && is_handle) && /* there is nothing to be read */
            reeve_buffer_append(ret_objects, &object, sizeof(object)) != 0)
            return REEVE_ENOMEM;
        object.flags &= ~REEVE_REFERENCE_LOCATED; /* its new owner holds nothing */
    }
    uint64_t offsets = record.kind == OWNER_RECORD_TASK ? record.count * sizeof(uint32_t) : 0;
    if (head_size + offsets + body_size > UINT32_MAX)
        return REEVE_ETOOLARGE;
    record.size = (uint32_t)(head_size + offsets + body_size);
    int error = reeve_buffer_append(ret, &record, sizeof(record));
    for (uint32_t i = 0; i < record.count && error == 0; i++) {
        const struct owner_task *need =
            owner_task_at(owner, owner_task_index(task->splices[i].task));
        error = reeve_buffer_append(ret, &need->order, sizeof(need->order));
    }
    if (error == 0)
        error = reeve_buffer_append(ret, head, head_size);
    for (uint32_t i = 0; i < record.count && offsets != 0 && error == 0; i++)
        error = reeve_buffer_append(ret, &task->splices[i].offset, sizeof(uint32_t));
    return error != 0 ? error : reeve_buffer_append(ret, body, body_size);
}

static int roots_write(
    struct reeve_owner *owner, const reeve_task_id *roots, uint32_t count, struct reeve_buffer *ret)
{
    struct owner_record record = {.kind = OWNER_RECORD_ROOTS, .count = count};
    int error = reeve_buffer_append(ret, &record, sizeof(record));
    for (uint32_t i = 0; i < count && error == 0; i++) {
        const struct owner_task *task = owner_task_at(owner, owner_task_index(roots[i]));
        error = reeve_buffer_append(ret, &task->order, sizeof(task->order));
    }
    return error;
}

static int handover_write(struct reeve_owner *owner, bool lends, const reeve_task_id *roots,
    uint32_t count, struct reeve_buffer *ret, struct reeve_buffer *ret_objects)
{
    struct walk walk;
    int error = walk_roots(owner, &walk, lends, roots, count);
    for (uint32_t i = 0; i < walk.count && error == 0; i++)
        error = record_write(owner, &walk, walk.tasks[i], ret, ret_objects);
    if (error == 0)
        error = roots_write(owner, roots, count, ret);
    walk_free(&walk);
    return error;
}

int reeve_owner_handover_write(struct reeve_owner *owner, const reeve_task_id *roots,
    uint32_t count, struct reeve_buffer *ret, struct reeve_buffer *ret_objects)
{
    return handover_write(owner, false, roots, count, ret, ret_objects);
}

void reeve_owner_handover_end(struct reeve_owner *owner, uint64_t now_ns,
    const reeve_task_id *roots, uint32_t count, bool given)
{
    static const char text[] = "it was part of a result, and is the caller's now";
    struct walk walk;
    if (walk_roots(owner, &walk, false, roots, count) != 0)
        walk.count = 0;
    for (uint32_t i = 0; i < walk.count; i++) /* one ends, and with it others that needed it */
        owner_task_at(owner, walk.tasks[i])->references++;
    for (uint32_t i = 0; i < walk.count; i++) {
        struct owner_task *task = owner_task_at(owner, walk.tasks[i]);
        bool kept = task->flags & OWNER_KEPT && task->state == REEVE_TASK_WAITING;
        if (!given) {
            task->flags &= (uint8_t)~OWNER_KEPT;
            if (kept && task->unresolved == 0 && !owner_retry_pauses(owner, walk.tasks[i]))
                owner_task_requeue(owner, now_ns, walk.tasks[i]);
        } else if (kept) {
            owner_task_end(
                owner, now_ns, walk.tasks[i], REEVE_EHANDLE, false, text, sizeof(text) - 1, NULL);
        } else if (task->flags & OWNER_RESULT_OBJECT && !is_held(task)) {
            task->flags |= OWNER_GIVEN;
        }
    }
    for (uint32_t i = 0; i < walk.count; i++)
        owner_task_unref(owner, walk.tasks[i]);
    walk_free(&walk);
}

/* ---- lending --------------------------------------------------------------------------------- */

int reeve_owner_lend_write(struct reeve_owner *owner, reeve_task_id id, struct reeve_buffer *ret,
    struct reeve_buffer *ret_objects)
{
    struct reeve_buffer roots;
    const struct owner_task *task = owner_task_find(owner, id);
    int error = 0;
    reeve_buffer_init(&roots);
    for (uint32_t i = 0; i < task->splice_count && error == 0; i++) {
        const struct reeve_owner_splice *splice = &task->splices[i];
        const struct owner_task *on = owner_task_at(owner, owner_task_index(splice->task));
        /* handles of actors stay: whoever needs them longer than the call holds them by name */
        if (splice->offset & REEVE_OWNER_NESTED && !owner_task_is_handle(on))
            error = reeve_buffer_append(&roots, &splice->task, sizeof(splice->task));
        for (uint32_t k = 0; k < on->splice_count && error == 0; k++)
            if (!(splice->offset & REEVE_OWNER_NESTED) &&
                !reeve_owner_is_handle(owner, on->splices[k].task))
                error =
                    reeve_buffer_append(&roots, &on->splices[k].task, sizeof(on->splices[k].task));
    }
    if (error == 0 && roots.size != 0)
        error = handover_write(owner, true, (const reeve_task_id *)(const void *)roots.data,
            (uint32_t)(roots.size / sizeof(reeve_task_id)), ret, ret_objects);
    reeve_buffer_fini(&roots);
    return error;
}

/* Whose it was is known for the length of the call only. */
static void lent_forget(struct reeve_owner *owner, uint32_t index)
{
    struct owner_task *task = owner_task_at(owner, index);
    uint32_t stack = OWNER_NONE;
    for (;;) { /* linked by `previous`, as in deepen */
        task->flags &= (uint8_t)~OWNER_LENT;
        for (uint32_t i = 0; i < task->splice_count; i++) {
            uint32_t inner = owner_task_index(task->splices[i].task);
            if (!(owner_task_at(owner, inner)->flags & OWNER_LENT))
                continue;
            owner_task_at(owner, inner)->flags &= (uint8_t)~OWNER_LENT;
            owner_task_at(owner, inner)->previous = stack;
            stack = inner;
        }
        if (stack == OWNER_NONE)
            return;
        task = owner_task_at(owner, stack);
        stack = task->previous;
        task->previous = OWNER_NONE;
    }
}

void reeve_owner_borrow_end(struct reeve_owner *owner, const reeve_task_id *futures, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (owner_task_find(owner, futures[i]) != NULL)
            lent_forget(owner, owner_task_index(futures[i]));
    for (uint32_t i = 0; i < owner->lent_count; i++)
        if (owner_task_find(owner, owner->lent[i]) != NULL)
            lent_forget(owner, owner_task_index(owner->lent[i]));
    owner->lent_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct owner_task *task = owner_task_find(owner, futures[i]);
        if (reeve_owner_is_stream(owner, futures[i]))
            owner_loan_end(owner, 0, futures[i]);
        else if (task != NULL && task->losses != 0)
            task->losses--; /* the function has got or released it */
        else if (task != NULL)
            owner_task_unref(owner, owner_task_index(futures[i]));
    }
}

/* ---- what the borrower keeps ----------------------------------------------------------------- */

/* An object of whoever lent it, which this process does not hold by itself yet. */
static bool is_loan(const struct owner_task *task)
{
    const uint32_t loan = OWNER_RESULT_OBJECT | OWNER_GIVEN | OWNER_LENT;
    return (task->flags & loan) == loan;
}

int reeve_owner_loans_kept(struct reeve_owner *owner, const reeve_task_id *futures, uint32_t count,
    struct reeve_buffer *ret_holds)
{
    uint32_t root_count = 0, given_count;
    reeve_task_id *roots = calloc(count + owner->lent_count + 1, sizeof(*roots));
    if (roots == NULL)
        return REEVE_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        if (owner_task_find(owner, futures[i]) != NULL)
            roots[root_count++] = futures[i];
    given_count = root_count;
    for (uint32_t i = 0; i < owner->lent_count; i++)
        if (owner_task_find(owner, owner->lent[i]) != NULL)
            roots[root_count++] = owner->lent[i];
    struct walk walk;
    int error = walk_roots(owner, &walk, true, roots, root_count);
    for (uint32_t i = 0; i < given_count && error == 0; i++) /* the call's own references */
        walk.held[owner_task_at(owner, owner_task_index(roots[i]))->order]++;
    for (uint32_t i = walk.count; i > 0 && error == 0; i--) { /* each before what it needs */
        const struct owner_task *task = owner_task_at(owner, walk.tasks[i - 1]);
        if (task->references + task->losses <= walk.held[i - 1])
            continue;
        for (uint32_t k = 0; k < task->splice_count; k++) /* kept, and so what it needs is */
            walk.held[owner_task_at(owner, owner_task_index(task->splices[k].task))->order] = 0;
        struct reeve_owner_hold hold = {task->bytes.object, owner_task_id(task, walk.tasks[i - 1])};
        if (is_loan(task))
            error = reeve_buffer_append(ret_holds, &hold, sizeof(hold));
    }
    walk_free(&walk);
    free(roots);
    return error;
}

void reeve_owner_held(struct reeve_owner *owner, const struct reeve_owner_hold *holds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct owner_task *task = owner_task_find(owner, holds[i].token);
        REEVE_ASSERT(task != NULL && is_loan(task)); /* the call still refers to it */
        /* its owner may give it away from now on, which we are not told */
        task->bytes.object.flags |= REEVE_REFERENCE_HELD | REEVE_REFERENCE_GIVEN;
        task->bytes.object.offset = holds[i].token;
        task->flags &= (uint8_t)~OWNER_GIVEN;
    }
}
