/* The owner core: handles of actors, those that keep an actor alive.
 *
 * A handle that keeps its actor alive is a final task whose value is the actor: an object by name
 * (reeve_object_id_of_actor), without bytes, that lies nowhere. So all that is known of futures is
 * true of it: it is counted, the program's references apart; a task that has it among its
 * arguments, or a value in which it stands, refers to it; with a result it is handed over, by a
 * hold that becomes the receiver's; and what a process holds goes with it (objectstore/hold.c).
 *
 *   of ours    the program's, from when it is first passed on or retained. Its end is FREE to our
 *              daemon; when nobody else holds the actor, that says OVER, and the actor is ended
 *   of others  OPEN: whoever gave it to us keeps it for the length of the call. What is needed
 *   │          longer is held before the answer: what was retained, what tasks under way have
 *   ▼          among their arguments, and what calls under way call
 *   HELD       by this process. Its end is FREE of the hold: but not before all calls that this
 *              process had made of the actor by then have been answered (a *parting*)
 *
 * A process has one of each actor, by which its program knows it (`known`). Others may stand in
 * values that it was given; each of them holds for itself. */
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_internal.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

/* A hold that goes when what was under way of its class before has been answered. */
struct owner_parting {
    struct reeve_reference object;
    uint32_t class_index;
    uint64_t sequence;
};

/* ---- which is which -------------------------------------------------------------------------- */

/* The one that the program knows the actor by, or OWNER_NONE. */
static uint32_t known_find(const struct reeve_owner *owner, struct reeve_object_id id)
{
    uintptr_t found = (uintptr_t)reeve_map64_get(&owner->handles, reeve_object_id_key(id));
    if (found == 0 ||
        !reeve_object_id_equal(
            owner_task_at(owner, (uint32_t)(found - 1))->bytes.object.id, id)) /* two, one key */
        return OWNER_NONE;
    return (uint32_t)(found - 1);
}

static int known_set(struct reeve_owner *owner, struct reeve_object_id id, uint32_t index)
{
    if (reeve_map64_get(&owner->handles, reeve_object_id_key(id)) != NULL)
        return REEVE_ENOMEM; /* two actors with one key: hardly ever */
    return reeve_map64_put(
        &owner->handles, reeve_object_id_key(id), (void *)((uintptr_t)index + 1), NULL);
}

static bool is_held(const struct owner_task *task)
{
    return task->bytes.object.flags & REEVE_REFERENCE_HELD;
}

/* It is neither ours nor held: whoever gave it to us keeps it. */
static bool is_open(const struct owner_task *task)
{
    return task->flags & OWNER_GIVEN;
}

bool owner_task_is_handle(const struct owner_task *task)
{
    return reeve_task_state_is_final(task->state) && task->flags & OWNER_RESULT_OBJECT &&
           reeve_object_id_is_actor(task->bytes.object.id);
}

bool reeve_owner_is_handle(const struct reeve_owner *owner, reeve_task_id id)
{
    const struct owner_task *task = owner_task_find(owner, id);
    return task != NULL && owner_task_is_handle(task);
}

uint32_t owner_handles_behind(const struct reeve_owner *owner, const struct owner_task *task)
{
    uint32_t futures = task->splice_count;
    while (futures != 0 && reeve_owner_is_handle(owner, task->splices[futures - 1].task))
        futures--;
    return task->splice_count - futures;
}

/* ---- making ---------------------------------------------------------------------------------- */

static int handle_make(
    struct reeve_owner *owner, const struct reeve_owner_handle *of, bool open, uint32_t *ret_index)
{
    const struct reeve_reference object = {
        .id = reeve_object_id_of_actor(of->process, of->number),
        .node = reeve_process_node(of->process),
        .segment = of->host, /* of what lies nowhere nobody asks for it */
    };
    uint32_t index;
    if (owner_task_make(owner, &index) != 0)
        return REEVE_ENOMEM;
    struct owner_task *task = owner_task_at(owner, index);
    task->state = REEVE_TASK_PENDING;
    task->references = 1;
    owner->unfinished++;
    owner_task_finish(owner, index, 0, false, NULL, 0, &object);
    task->flags |= open ? OWNER_GIVEN : 0;
    if (known_set(owner, object.id, index) != 0) {
        task->flags |= OWNER_GIVEN; /* there is nothing to be told to anybody */
        owner_task_unref(owner, index);
        return REEVE_ENOMEM;
    }
    owner->handles_open += open;
    *ret_index = index;
    return 0;
}

/* The reference with which it is made is the creator's, or (open) the caller's. */
static int handle_obtain(
    struct reeve_owner *owner, const struct reeve_owner_handle *of, uint32_t *ret_index)
{
    struct owner_actor *actor = NULL;
    *ret_index = known_find(owner, reeve_object_id_of_actor(of->process, of->number));
    if (*ret_index != OWNER_NONE) {
        owner_task_at(owner, *ret_index)->references++;
        return 0;
    }
    if (of->process == owner->process) {
        actor = owner_actor_find(owner, of->number);
        if (actor == NULL || actor->ending)
            return REEVE_EHANDLE;
    }
    bool is_creators = actor != NULL && !actor->released;
    int error = handle_make(owner, of, !is_creators, ret_index);
    if (error != 0 || !is_creators)
        return error;
    struct owner_task *task = owner_task_at(owner, *ret_index);
    actor->handle = owner_task_id(task, *ret_index);
    task->held = 1;
    task->references++;
    return 0;
}

int reeve_owner_handle(
    struct reeve_owner *owner, const struct reeve_owner_handle *of, reeve_task_id *ret)
{
    uint32_t index;
    int error = handle_obtain(owner, of, &index);
    if (error != 0)
        return error;
    struct owner_task *task = owner_task_at(owner, index);
    task->held++;
    *ret = owner_task_id(task, index);
    return 0;
}

bool reeve_owner_handle_is_open(const struct reeve_owner *owner, reeve_task_id id)
{
    const struct owner_task *task = owner_task_find(owner, id);
    return task != NULL && is_open(task);
}

int reeve_owner_handle_take(struct reeve_owner *owner, reeve_task_id id, reeve_task_id *ret)
{
    struct owner_task *given = owner_task_find(owner, id);
    uint32_t index = known_find(owner, given->bytes.object.id);
    if (index == OWNER_NONE) {
        index = owner_task_index(id);
        int error = known_set(owner, given->bytes.object.id, index);
        if (error != 0)
            return error;
        owner->handles_open += is_open(given);
    }
    struct owner_task *task = owner_task_at(owner, index);
    if (is_open(task) && is_held(given)) { /* the hold becomes that one's */
        task->bytes.object.flags = given->bytes.object.flags;
        task->bytes.object.offset = given->bytes.object.offset;
        task->flags &= (uint8_t)~OWNER_GIVEN;
        given->bytes.object.flags &= ~REEVE_REFERENCE_HELD;
        given->flags |= OWNER_GIVEN;
        owner->handles_open--;
    }
    task->held++;
    task->references++;
    *ret = owner_task_id(task, index);
    return 0;
}

/* ---- ending ---------------------------------------------------------------------------------- */

/* The first of what is under way in the class; UINT64_MAX: nothing is. */
static uint64_t sequence_first(const struct reeve_owner *owner, uint32_t class_index)
{
    reeve_task_id first = 0;
    if (owner->classes[class_index]->unfinished != 0)
        (void)reeve_owner_host_calls(owner, class_index, &first);
    return first != 0 ? owner_task_at(owner, owner_task_index(first))->sequence : UINT64_MAX;
}

static void hold_free(struct reeve_owner *owner, const struct reeve_reference *object)
{
    struct reeve_owner_command *command = owner_command(owner, REEVE_OWNER_FREE_OBJECT);
    command->object = *object;
    command->task = object->offset;
    owner_gift_end(owner, object);
}

static void hold_part(struct reeve_owner *owner, const struct reeve_reference *object)
{
    uint32_t class_index = OWNER_NONE;
    if (object->id.owner != owner->process)
        class_index = owner_host_find(owner, object->id.owner, object->segment);
    struct owner_parting *all = NULL;
    if (class_index != OWNER_NONE && owner->classes[class_index]->unfinished != 0)
        all = realloc(owner->partings, (owner->parting_count + 1) * sizeof(*all));
    if (all == NULL) { /* or without memory: at once */
        hold_free(owner, object);
        return;
    }
    owner->partings = all;
    all[owner->parting_count++] = (struct owner_parting){*object, class_index, owner->sequence};
}

void owner_handles_part(struct reeve_owner *owner)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < owner->parting_count; i++) {
        const struct owner_parting parting = owner->partings[i];
        if (sequence_first(owner, parting.class_index) > parting.sequence)
            hold_free(owner, &parting.object);
        else
            owner->partings[left++] = parting;
    }
    owner->parting_count = left;
}

void owner_handle_end(struct reeve_owner *owner, struct owner_task *task, uint32_t index)
{
    const struct reeve_reference *object = &task->bytes.object;
    bool is_known = known_find(owner, object->id) == index;
    if (is_known)
        (void)reeve_map64_remove(&owner->handles, reeve_object_id_key(object->id));
    if (is_open(task)) {
        owner->handles_open -= is_known;
    } else if (is_held(task)) {
        hold_part(owner, object);
    } else if (object->id.owner == owner->process) {
        struct owner_actor *actor = owner_actor_find(owner, (uint32_t)object->id.sequence);
        if (actor != NULL && actor->handle == owner_task_id(task, index)) {
            actor->handle = 0;
            actor->released = true;
        }
        owner_command(owner, REEVE_OWNER_FREE_OBJECT)->object = *object;
    } /* else: it came malformed */
}

/* ---- what the program has -------------------------------------------------------------------- */

int reeve_owner_handle_release(struct reeve_owner *owner, uint64_t now_ns,
    const struct reeve_owner_handle *of, const void *arguments, uint32_t size)
{
    struct owner_actor *actor = NULL;
    if (of->process == owner->process)
        actor = owner_actor_find(owner, of->number);
    if (actor != NULL && !actor->released && actor->handle == 0) {
        if (!actor->named) /* nobody else can know it */
            return owner_actor_end(owner, now_ns, actor, arguments, size);
        uint32_t index;
        int error = handle_obtain(owner, of, &index);
        if (error != 0)
            return error;
        owner_task_unref(owner, index); /* the creator's is left */
    }
    uint32_t index = known_find(owner, reeve_object_id_of_actor(of->process, of->number));
    const struct owner_task *task = index != OWNER_NONE ? owner_task_at(owner, index) : NULL;
    if (task == NULL || task->held == 0)
        return REEVE_EHANDLE;
    return reeve_owner_release(owner, owner_task_id(task, index));
}

void reeve_owner_actor_over(struct reeve_owner *owner, uint64_t now_ns, uint32_t number,
    const void *arguments, uint32_t size)
{
    struct owner_actor *actor = owner_actor_find(owner, number);
    if (actor != NULL && actor->released && !actor->ending) /* without memory it lives on */
        (void)owner_actor_end(owner, now_ns, actor, arguments, size);
}

/* ---- at the end of a call -------------------------------------------------------------------- */

static int hold_append(struct reeve_owner *owner, uint32_t index, struct reeve_buffer *ret_holds)
{
    struct owner_task *task = owner_task_at(owner, index);
    const struct reeve_owner_hold hold = {task->bytes.object, owner_task_id(task, index)};
    int error = reeve_buffer_append(ret_holds, &hold, sizeof(hold));
    if (error != 0)
        return error;
    task->references++;
    return 0;
}

/* A call is under way of an actor that perhaps nobody else keeps. */
static int called_hold(struct reeve_owner *owner, uint32_t class_index,
    const struct owner_task *call, struct reeve_buffer *ret_holds)
{
    const struct owner_class *class = owner->classes[class_index];
    const struct reeve_owner_handle of = {class->process, call->actor, class->host};
    struct reeve_object_id id = reeve_object_id_of_actor(of.process, of.number);
    uint32_t index;
    if (call->actor == 0 || known_find(owner, id) != OWNER_NONE)
        return 0;
    for (uint32_t i = 0; i < owner->parting_count; i++)
        if (reeve_object_id_equal(owner->partings[i].object.id, id)) {
            owner->partings[i].sequence = owner->sequence;
            return 0;
        }
    int error = handle_make(owner, &of, true, &index);
    if (error != 0)
        return error;
    error = hold_append(owner, index, ret_holds);
    owner_task_unref(owner, index);
    return error;
}

static int queue_hold(
    struct reeve_owner *owner, uint32_t class_index, uint32_t first, struct reeve_buffer *ret_holds)
{
    int error = 0;
    for (uint32_t i = first; i != OWNER_NONE && error == 0; i = owner_task_at(owner, i)->next)
        error = called_hold(owner, class_index, owner_task_at(owner, i), ret_holds);
    return error;
}

int reeve_owner_handles_kept(struct reeve_owner *owner, struct reeve_buffer *ret_holds)
{
    size_t at = 0;
    void *value;
    int error = 0;
    while (error == 0 && owner->handles_open != 0 &&
           reeve_map64_next(&owner->handles, &at, NULL, &value)) {
        uint32_t index = (uint32_t)((uintptr_t)value - 1);
        if (is_open(owner_task_at(owner, index)))
            error = hold_append(owner, index, ret_holds);
    }
    for (uint32_t i = 0; i < owner->class_count && error == 0; i++) {
        const struct owner_class *class = owner->classes[i];
        if (class->process == 0 || class->unfinished == 0)
            continue;
        error = queue_hold(owner, i, class->queued.first, ret_holds);
        for (uint32_t k = 0; k < owner->lease_capacity && error == 0; k++) {
            const struct owner_lease *lease = owner->leases[k];
            if (lease->state != OWNER_LEASE_FREE && lease->class_index == i)
                error = queue_hold(owner, i, lease->in_flight.first, ret_holds);
        }
    }
    return error;
}

void reeve_owner_handle_held(struct reeve_owner *owner, reeve_task_id id, bool held)
{
    struct owner_task *task = owner_task_find(owner, id);
    uint32_t index = owner_task_index(id);
    REEVE_ASSERT(task != NULL && owner_task_is_handle(task)); /* there is a reference for this */
    if (held && is_open(task)) {
        owner->handles_open -= known_find(owner, task->bytes.object.id) == index;
        task->bytes.object.flags |= REEVE_REFERENCE_HELD | REEVE_REFERENCE_GIVEN;
        task->bytes.object.offset = id;
        task->flags &= (uint8_t)~OWNER_GIVEN;
    }
    owner_task_unref(owner, index);
}

/* ---- memory, audit --------------------------------------------------------------------------- */

void owner_handles_fini(struct reeve_owner *owner)
{
    reeve_map64_fini(&owner->handles);
    free(owner->partings);
}

void owner_handles_check(const struct reeve_owner *owner)
{
    size_t at = 0;
    uint64_t key;
    void *value;
    uint32_t open = 0;
    while (reeve_map64_next(&owner->handles, &at, &key, &value)) {
        const struct owner_task *task = owner_task_at(owner, (uint32_t)((uintptr_t)value - 1));
        REEVE_ASSERT(
            owner_task_is_handle(task) && reeve_object_id_key(task->bytes.object.id) == key);
        REEVE_ASSERT(!(is_open(task) && is_held(task)));
        open += is_open(task);
    }
    REEVE_ASSERT(open == owner->handles_open);
    for (uint32_t i = 0; i < owner->parting_count; i++)
        REEVE_ASSERT(owner->partings[i].class_index < owner->class_count);
}
