/* The owner core: actors, those of ours and those that others have made.
 *
 *   actor ──┐
 *   actor ──┼──▶ host: a class with one lease, on one worker process
 *   actor ──┘        queue: make, call, call, make, call, end, …     in the order of submission
 *
 * An actor is a value that lives in a worker process, its *host*. A host has one actor, or, where
 * the program wants it so, many. To the rest of the core it is a class of tasks of its own, which
 * never has more than one lease, and is *ordered*: its tasks are sent in the order in which they
 * were submitted, so one whose arguments are not there yet holds back those behind it. (It can
 * never wait for one of these: what it needs was there before it.) So the calls of one process run
 * in order, whatever they need. The lease is kept for as long as actors live in the host. A second
 * may come before word that the first is lost: it is not sent to before that.
 *
 * What makes an actor, its constructor, is a task of that queue, and so is what ends it. When the
 * host is lost, all that was in it is. Those that may be restarted are made again, by new tasks
 * with the sequence number of the first, so before all that is queued; what was sent and not
 * answered fails, or if it may be retried, is sent again in its old place. The others are dead: all
 * that is queued for them fails, with the reason.
 *
 * Actors of other processes have a host here that is theirs (`process`): their calls are ordered in
 * the same way, and nothing else is known of them. */
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_queue.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

struct owner_actor *owner_actor_find(const struct reeve_owner *owner, uint32_t number)
{
    return reeve_map64_get(&owner->actors, number);
}

uint64_t reeve_owner_actor_count(const struct reeve_owner *owner)
{
    return reeve_map64_count(&owner->actors);
}

/* ---- hosts ----------------------------------------------------------------------------------- */

static bool is_shared(const struct owner_class *class)
{
    return class->host <= REEVE_OWNER_SHARED_MAX;
}

static uint64_t host_key(reeve_process_id process, uint32_t host)
{
    return process * UINT64_C(0x9e3779b97f4a7c15) ^ host;
}

/* OWNER_NONE: it is not known. */
uint32_t owner_host_find(const struct reeve_owner *owner, reeve_process_id process, uint32_t host)
{
    uintptr_t found = (uintptr_t)reeve_map64_get(&owner->hosts, host_key(process, host));
    if (found != 0 && owner->classes[found - 1]->process == process &&
        owner->classes[found - 1]->host == host)
        return (uint32_t)(found - 1);
    for (uint32_t i = 0; found != 0 && i < owner->class_count; i++) /* two with one key */
        if (owner->classes[i]->process == process && owner->classes[i]->host == host)
            return i;
    return OWNER_NONE;
}

static int host_make(struct reeve_owner *owner, reeve_process_id process, uint32_t host,
    uint32_t cpu_milli, uint32_t *ret_class_index)
{
    struct owner_class *class;
    if (reeve_map64_reserve(&owner->hosts, reeve_map64_count(&owner->hosts) + 1) != 0)
        return REEVE_ENOMEM;
    int error = owner_class_make(owner, cpu_milli, 0, &class, ret_class_index);
    if (error != 0)
        return error;
    class->process = process;
    class->host = host;
    class->depth = owner->settings.depth_max;
    (void)reeve_map64_put(
        &owner->hosts, host_key(process, host), (void *)((uintptr_t)*ret_class_index + 1), NULL);
    return 0;
}

int reeve_owner_host_class(
    struct reeve_owner *owner, reeve_process_id process, uint32_t host, uint32_t *ret_class_index)
{
    uint32_t index = owner_host_find(owner, process, host);
    if (REEVE_UNLIKELY(index == OWNER_NONE))
        return host_make(owner, process, host, 0, ret_class_index);
    *ret_class_index = index;
    return 0;
}

/* Where the next actor goes: to the host that it names, or one that has become free, or a new
 * one. */
static int host_for(struct reeve_owner *owner, const struct reeve_owner_actor *actor, uint32_t *ret)
{
    if (actor->shared != 0) {
        *ret = owner_host_find(owner, 0, actor->shared);
        if (*ret == OWNER_NONE)
            return host_make(owner, 0, actor->shared, actor->cpu_milli, ret);
        return owner->classes[*ret]->cpu_milli == actor->cpu_milli ? 0 : REEVE_EINVAL;
    }
    REEVE_LIST_EACH(link, &owner->hosts_free)
    {
        const struct owner_class *class = REEVE_LIST_ENTRY(link, struct owner_class, free_node);
        if (class->cpu_milli == actor->cpu_milli) {
            *ret = owner_host_find(owner, 0, class->host);
            return 0;
        }
    }
    int error =
        host_make(owner, 0, REEVE_OWNER_SHARED_MAX + 1 + owner->host_last, actor->cpu_milli, ret);
    owner->host_last += error == 0;
    return error;
}

/* An actor has left it. */
static void host_look(struct reeve_owner *owner, struct owner_class *class)
{
    if (!reeve_list_is_empty(&class->actors))
        return;
    if (!is_shared(class) && !reeve_list_is_linked(&class->free_node))
        reeve_list_push_back(&owner->hosts_free, &class->free_node);
    owner_demand_lower(owner, class);
}

/* ---- what is known of an actor --------------------------------------------------------------- */

static void actor_forget_arguments(struct reeve_owner *owner, struct owner_actor *actor)
{
    for (uint32_t i = 0; i < actor->splice_count; i++)
        owner_task_unref(owner, owner_task_index(actor->splices[i].task));
    owner->memory_bytes -= actor->size;
    free(actor->splices);
    free(actor->bytes);
    actor->splices = NULL;
    actor->bytes = NULL;
    actor->splice_count = actor->size = 0;
}

static void actor_unname(struct reeve_owner *owner, struct owner_actor *actor)
{
    if (actor->named)
        owner_command(owner, REEVE_OWNER_UNNAME)->task = actor->number;
    actor->named = false;
}

void reeve_owner_actor_named(struct reeve_owner *owner, uint32_t number)
{
    struct owner_actor *actor = owner_actor_find(owner, number);
    if (actor != NULL && actor->state != OWNER_ACTOR_DEAD)
        actor->named = true;
    else
        owner_command(owner, REEVE_OWNER_UNNAME)->task = number;
}

static void actor_forget_saved(struct reeve_owner *owner, struct owner_actor *actor)
{
    if (REEVE_LIKELY(actor->saved == NULL))
        return;
    owner->memory_bytes -= sizeof(*actor->saved) + actor->saved->size;
    free(actor->saved);
    actor->saved = NULL;
}

static void actor_free(struct reeve_owner *owner, struct owner_actor *actor)
{
    actor_unname(owner, actor);
    actor_forget_saved(owner, actor);
    reeve_list_remove(&actor->class_node);
    reeve_list_remove(&actor->judged_node);
    actor_forget_arguments(owner, actor);
    reeve_map64_remove(&owner->actors, actor->number);
    owner->memory_bytes -= sizeof(*actor);
    free(actor);
}

void owner_actors_fini(struct reeve_owner *owner)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&owner->actors, &at, NULL, &value)) {
        struct owner_actor *actor = value;
        free(actor->splices);
        free(actor->bytes);
        free(actor->saved);
        free(actor);
    }
    reeve_map64_fini(&owner->actors);
    reeve_map64_fini(&owner->hosts);
}

/* It takes effect in owner_actors_judge. */
static void actor_judge(struct reeve_owner *owner, struct owner_actor *actor)
{
    if (!reeve_list_is_linked(&actor->judged_node))
        reeve_list_push_back(&owner->judged, &actor->judged_node);
}

static void actor_die(struct reeve_owner *owner, struct owner_actor *actor, bool is_map,
    const void *bytes, uint32_t size)
{
    actor_unname(owner, actor);
    actor_forget_arguments(owner, actor);
    actor_forget_saved(owner, actor);
    actor->state = OWNER_ACTOR_DEAD;
    actor->is_map = is_map;
    actor->bytes = size != 0 ? malloc(size) : NULL; /* without memory, without words */
    if (actor->bytes != NULL) {
        memcpy(actor->bytes, bytes, size);
        actor->size = size;
        owner->memory_bytes += size;
    }
    actor_judge(owner, actor);
}

int reeve_owner_actor_make(struct reeve_owner *owner, const struct reeve_owner_actor *from,
    uint32_t *ret_number, uint32_t *ret_host)
{
    uint32_t class_index;
    if (owner->actor_last == UINT32_MAX)
        return REEVE_ETOOLARGE;
    struct owner_actor *actor = calloc(1, sizeof(*actor));
    if (actor == NULL || reeve_map64_put(&owner->actors, owner->actor_last + 1, actor, NULL) != 0) {
        free(actor);
        return REEVE_ENOMEM;
    }
    int error = host_for(owner, from, &class_index);
    if (error != 0) {
        reeve_map64_remove(&owner->actors, owner->actor_last + 1);
        free(actor);
        return error;
    }
    struct owner_class *class = owner->classes[class_index];
    actor->number = ++owner->actor_last;
    actor->class_index = class_index;
    actor->restarts_left = from->restarts_max;
    actor->end_function = from->end_function;
    actor->since_ns = from->now_ns;
    reeve_list_init(&actor->judged_node);
    reeve_list_init(&actor->class_node);
    reeve_list_push_back(&class->actors, &actor->class_node);
    reeve_list_remove(&class->free_node);
    owner->memory_bytes += sizeof(*actor);
    *ret_number = actor->number;
    *ret_host = class->host;
    return 0;
}

/* ---- its tasks ------------------------------------------------------------------------------- */

/* So that it can be made again. */
static int actor_keep_arguments(
    struct reeve_owner *owner, struct owner_actor *actor, const struct reeve_owner_task *from)
{
    actor->bytes = malloc(from->arguments_size + 1);
    actor->splices = calloc(from->splice_count + 1, sizeof(*actor->splices));
    if (actor->bytes == NULL || actor->splices == NULL)
        return REEVE_ENOMEM;
    memcpy(actor->bytes, from->arguments, from->arguments_size);
    actor->size = from->arguments_size;
    if (from->parent != NULL)
        memcpy(&actor->parent, from->parent, sizeof(actor->parent));
    owner->memory_bytes += actor->size;
    for (uint32_t i = 0; i < from->splice_count; i++) {
        actor->splices[i] = from->splices[i];
        owner_task_at(owner, owner_task_index(from->splices[i].task))->references++;
        actor->splice_count++;
    }
    return 0;
}

int owner_actor_task_begin(struct reeve_owner *owner, struct owner_actor *actor, uint32_t index,
    const struct reeve_owner_task *from)
{
    struct owner_task *task = owner_task_at(owner, index);
    task->actor = actor->number;
    if (REEVE_LIKELY(from->life == REEVE_OWNER_CALL))
        return 0;
    task->flags |= OWNER_LIFE;
    if (from->life == REEVE_OWNER_END) {
        actor->end_task = owner_task_id(task, index);
        return 0;
    }
    actor->constructor_task = owner_task_id(task, index);
    actor->constructor = from->function;
    actor->sequence = owner->sequence + 1; /* which it gets next */
    return actor->restarts_left != 0 ? actor_keep_arguments(owner, actor, from) : 0;
}

static void host_made(struct reeve_owner *owner, const struct owner_actor *actor)
{
    struct owner_class *class = owner->classes[actor->class_index];
    class->made_last = REEVE_MAX(class->made_last, actor->number);
}

bool owner_actor_was_being_made(
    struct reeve_owner *owner, const struct owner_task *task, reeve_task_id id)
{
    if (REEVE_LIKELY(!(task->flags & OWNER_LIFE)))
        return false;
    struct owner_actor *actor = owner_actor_find(owner, task->actor);
    if (actor->constructor_task != id || actor->state == OWNER_ACTOR_DEAD)
        return false;
    actor->begun = true;
    host_made(owner, actor);
    return true;
}

void owner_actor_task_finish(struct reeve_owner *owner, struct owner_task *task, uint32_t index,
    int status, bool error_is_map, const void *bytes, uint32_t size)
{
    struct owner_actor *actor = owner_actor_find(owner, task->actor);
    reeve_task_id id = owner_task_id(task, index);
    REEVE_ASSERT(actor != NULL && (id == actor->constructor_task || id == actor->end_task));
    if (id == actor->end_task) {
        actor->end_task = 0;
        actor->ended = true;
        if (status != 0 && actor->state != OWNER_ACTOR_DEAD) /* with its host, perhaps */
            actor_die(owner, actor, error_is_map, bytes, size);
        actor_judge(owner, actor);
        return;
    }
    actor->constructor_task = 0;
    host_made(owner, actor);
    if (actor->state == OWNER_ACTOR_DEAD)
        return;
    if (status != 0)
        actor_die(owner, actor, error_is_map, bytes, size);
    else
        actor->state = OWNER_ACTOR_LIVE;
}

bool owner_actor_refuses(
    struct reeve_owner *owner, uint64_t now_ns, const struct owner_actor *actor, uint32_t index)
{
    if (REEVE_LIKELY(actor == NULL || actor->state != OWNER_ACTOR_DEAD))
        return false;
    owner_task_end(owner, now_ns, index, REEVE_EACTORDIED, actor->is_map,
        actor->bytes != NULL ? actor->bytes : (const uint8_t *)"", actor->size, NULL);
    return true;
}

/* Its constructor was under way. Those who call actors of the host from elsewhere may be there
 * before it, so that the worker has to know which actors are still to be made, and which are no
 * more (entry.h). */
static void actor_again(struct reeve_owner *owner, struct owner_actor *actor)
{
    struct owner_task *task = owner_task_at(owner, owner_task_index(actor->constructor_task));
    task->attempt = actor->restart_count;
    task->timeout_ms = owner->classes[actor->class_index]->made_last;
}

/* The arguments, and behind them the state that it had. */
static int actor_store(
    struct reeve_owner *owner, struct owner_task *task, const struct owner_actor *actor)
{
    struct reeve_owner_task from = {.arguments = actor->bytes,
        .arguments_size = actor->size,
        .parent = actor->parent.sequence != 0 ? &actor->parent : NULL};
    if (REEVE_LIKELY(actor->saved == NULL))
        return owner_task_store_call(owner, task, &from);
    uint8_t *bytes = malloc((size_t)actor->size + actor->saved->size);
    if (bytes == NULL)
        return REEVE_ENOMEM;
    memcpy(bytes, actor->bytes, actor->size);
    memcpy(bytes + actor->size, actor->saved->bytes, actor->saved->size);
    from.arguments = bytes;
    from.arguments_size += actor->saved->size;
    int error = owner_task_store_call(owner, task, &from);
    free(bytes);
    return error;
}

int reeve_owner_actor_saved(struct reeve_owner *owner, reeve_lease_index lease_index,
    uint64_t number, const void *bytes, uint32_t size)
{
    const struct owner_lease *lease = owner_lease_at(owner, lease_index);
    struct owner_actor *actor =
        number <= UINT32_MAX ? owner_actor_find(owner, (uint32_t)number) : NULL;
    if (size > REEVE_OWNER_SAVED_MAX || lease == NULL ||
        owner->classes[lease->class_index]->host == 0)
        return REEVE_EPROTOCOL;
    if (actor == NULL || actor->class_index != lease->class_index || actor->ended ||
        actor->state == OWNER_ACTOR_DEAD || actor->restarts_left == 0)
        return 0; /* nobody will ask for it */
    struct owner_saved *saved = malloc(sizeof(*saved) + size);
    if (saved == NULL)
        return 0; /* the state before this one is kept */
    saved->size = size;
    memcpy(saved->bytes, bytes, size);
    actor_forget_saved(owner, actor);
    actor->saved = saved;
    owner->memory_bytes += sizeof(*saved) + size;
    return 0;
}

/* A constructor, once more. */
static int actor_remake(struct reeve_owner *owner, uint64_t now_ns, struct owner_actor *actor)
{
    uint32_t index;
    if (owner_task_make(owner, &index) != 0)
        return REEVE_ENOMEM;
    struct owner_task *task = owner_task_at(owner, index);
    task->class_index = (uint16_t)actor->class_index;
    task->function = actor->constructor;
    task->state = REEVE_TASK_WAITING;
    task->references = 1; /* its own: nobody waits for it */
    owner->unfinished++;
    int error = actor_store(owner, task, actor);
    if (error == 0 && actor->splice_count != 0)
        error = owner_task_store_splices(owner, task, actor->splices, actor->splice_count);
    if (error != 0) {
        owner_task_end(owner, now_ns, index, error, false, "", 0, NULL);
        return error;
    }
    for (; task->splice_count < actor->splice_count; task->splice_count++)
        owner_task_at(owner, owner_task_index(actor->splices[task->splice_count].task))
            ->references++;
    task->flags = OWNER_LIFE;
    task->actor = actor->number;
    task->attempt = actor->restart_count;
    task->timeout_ms = owner->classes[actor->class_index]->made_last;
    task->sequence = actor->sequence;
    actor->constructor_task = owner_task_id(task, index);
    owner_task_is_ready(task, now_ns);
    owner_task_requeue(owner, now_ns, index);
    return 0;
}

/* ---- the ends of actors and hosts ------------------------------------------------------------ */

static bool is_doomed(const struct reeve_owner *owner, const struct owner_task *task)
{
    const struct owner_actor *actor = owner_actor_find(owner, task->actor);
    return actor == NULL || actor->state == OWNER_ACTOR_DEAD;
}

/* What is queued for the dead in this host fails. What depends on it may fail with it, and so leave
 * the queue at any place: so the next one is held, and if it has left, the search begins anew. */
static void host_sweep(struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class)
{
    uint32_t index = class->queued.first;
    while (index != OWNER_NONE) {
        struct owner_task *task = owner_task_at(owner, index);
        uint32_t next = task->next;
        if (!is_doomed(owner, task)) {
            index = next;
            continue;
        }
        const struct owner_actor *actor = owner_actor_find(owner, task->actor);
        struct owner_task *follower = next != OWNER_NONE ? owner_task_at(owner, next) : NULL;
        if (follower != NULL)
            follower->references++;
        owner_task_unlink(owner, class, index);
        class->unfinished--;
        task->state = REEVE_TASK_QUEUED; /* it has left */
        owner_task_end(owner, now_ns, index, REEVE_EACTORDIED, actor != NULL && actor->is_map,
            actor != NULL && actor->bytes != NULL ? actor->bytes : (const uint8_t *)"",
            actor != NULL ? actor->size : 0, NULL);
        bool has_left = follower != NULL && reeve_task_state_is_final(follower->state);
        if (follower != NULL)
            owner_task_unref(owner, next);
        index = has_left ? class->queued.first : next;
    }
    owner_class_work_changed(owner, now_ns, class);
}

void owner_actors_judge(struct reeve_owner *owner, uint64_t now_ns)
{
    struct reeve_list *node, ended;
    reeve_list_init(&ended);
    while (!reeve_list_is_empty(&owner->judged)) {
        while ((node = reeve_list_pop_front(&owner->judged)) != NULL) {
            struct owner_actor *actor = REEVE_LIST_ENTRY(node, struct owner_actor, judged_node);
            struct owner_class *class = owner->classes[actor->class_index];
            reeve_list_remove(&actor->class_node);
            class->has_dead |= actor->state == OWNER_ACTOR_DEAD;
            if (actor->ended)
                reeve_list_push_back(&ended, &actor->judged_node);
            host_look(owner, class);
        }
        for (uint32_t i = 0; i < owner->class_count; i++) {
            if (owner->classes[i]->has_dead) {
                owner->classes[i]->has_dead = false;
                host_sweep(owner, now_ns, owner->classes[i]);
            }
        }
    }
    while ((node = reeve_list_pop_front(&ended)) != NULL) /* nothing of theirs is left */
        actor_free(owner, REEVE_LIST_ENTRY(node, struct owner_actor, judged_node));
}

void owner_host_lost(
    struct reeve_owner *owner, uint64_t now_ns, struct owner_class *class, const char *text)
{
    REEVE_LIST_EACH_SAFE(node, &class->actors)
    {
        struct owner_actor *actor = REEVE_LIST_ENTRY(node, struct owner_actor, class_node);
        bool begun = actor->begun || actor->constructor_task == 0;
        bool waits = actor->sequence == 0; /* its constructor has yet to be called */
        actor->begun = false;
        if (actor->ended || actor->state == OWNER_ACTOR_DEAD || waits || !begun)
            continue;
        if (actor->restarts_left == 0) {
            actor_die(owner, actor, false, text, (uint32_t)strlen(text));
            continue;
        }
        actor->restarts_left -= actor->restarts_left != UINT32_MAX;
        actor->restart_count++;
        actor->since_ns = now_ns;
        actor->state = OWNER_ACTOR_NEW;
        static const char why[] = "there is no memory to restart it";
        if (actor->constructor_task != 0)
            actor_again(owner, actor);
        else if (actor_remake(owner, now_ns, actor) != 0)
            actor_die(owner, actor, false, why, sizeof(why) - 1);
    }
}

/* ---- what the program wants ------------------------------------------------------------------ */

int reeve_owner_actor_release(struct reeve_owner *owner, uint64_t now_ns, uint32_t number,
    const void *arguments, uint32_t size)
{
    const struct reeve_owner_handle of = {.process = owner->process, .number = number};
    return reeve_owner_handle_release(owner, now_ns, &of, arguments, size);
}

int owner_actor_end(struct reeve_owner *owner, uint64_t now_ns, struct owner_actor *actor,
    const void *arguments, uint32_t size)
{
    if (actor->state == OWNER_ACTOR_DEAD) {
        owner_actors_judge(owner, now_ns);
        actor_free(owner, actor);
        return 0;
    }
    reeve_task_id end;
    int error = reeve_owner_submit(owner, now_ns,
        &(struct reeve_owner_task){.function = actor->end_function,
            .arguments = arguments,
            .arguments_size = size,
            .actor = actor->number,
            .life = REEVE_OWNER_END},
        &end);
    if (error != 0)
        return error;
    actor->released = actor->ending = true;
    (void)reeve_owner_release(owner, end);
    return 0;
}

int reeve_owner_actor_kill(struct reeve_owner *owner, uint64_t now_ns, uint32_t number)
{
    static const char why[] = "it was killed";
    struct owner_actor *actor = owner_actor_find(owner, number);
    if (actor == NULL || actor->released)
        return REEVE_EHANDLE;
    struct owner_class *class = owner->classes[actor->class_index];
    if (is_shared(class))
        return REEVE_EINVAL;
    if (actor->state == OWNER_ACTOR_DEAD)
        return 0;
    actor_die(owner, actor, false, why, sizeof(why) - 1);
    for (uint32_t i = 0; i < owner->lease_capacity; i++) {
        struct owner_lease *lease = owner_lease_at(owner, i);
        if (lease == NULL || lease->class_index != actor->class_index)
            continue;
        class->lease_count -= lease->state == OWNER_LEASE_ACTIVE;
        lease->state = OWNER_LEASE_DRAINING;
        reeve_list_remove(&lease->room_node);
        owner_lease_empty(owner, now_ns, lease, REEVE_EACTORDIED, why);
        (void)owner_lease_freed(owner, class, lease);
        struct reeve_owner_command *command = owner_command(owner, REEVE_OWNER_RETURN_LEASE);
        command->lease = lease->id;
        command->lease_index = lease->index;
        command->count = 1;
    }
    owner_actors_judge(owner, now_ns);
    owner_class_work_changed(owner, now_ns, class);
    return 0;
}

bool reeve_owner_actor_class(
    const struct reeve_owner *owner, uint32_t number, uint32_t *ret_class_index)
{
    const struct owner_actor *actor = owner_actor_find(owner, number);
    if (actor == NULL || actor->ending)
        return false;
    *ret_class_index = actor->class_index;
    return true;
}

bool reeve_owner_is_of_actor(const struct reeve_owner *owner, reeve_task_id id)
{
    const struct owner_task *task = owner_task_find(owner, id);
    return task != NULL && !reeve_task_state_is_final(task->state) &&
           task->state != REEVE_TASK_PENDING &&
           owner_class_is_ordered(owner->classes[task->class_index]);
}

void reeve_owner_actor_give_up(struct reeve_owner *owner, uint32_t number)
{
    struct owner_actor *actor = owner_actor_find(owner, number);
    if (actor == NULL || actor->constructor_task != 0)
        return;
    struct owner_class *class = owner->classes[actor->class_index];
    actor_free(owner, actor);
    host_look(owner, class);
}

/* ---- how much it has to do ------------------------------------------------------------------- */

uint32_t reeve_owner_host_calls(
    const struct reeve_owner *owner, uint32_t class_index, reeve_task_id *ret_first)
{
    const struct owner_class *class = owner->classes[class_index];
    uint32_t calls = class->unfinished, first = class->queued.first;
    REEVE_LIST_EACH(node, &class->actors)
    {
        const struct owner_actor *actor = REEVE_LIST_ENTRY(node, struct owner_actor, class_node);
        calls -= (uint32_t)(actor->constructor_task != 0) + (uint32_t)(actor->end_task != 0);
    }
    for (uint32_t i = 0; i < owner->lease_capacity; i++) {
        const struct owner_lease *lease = owner->leases[i];
        uint32_t sent = lease->in_flight.first;
        if (lease->state != OWNER_LEASE_FREE && lease->class_index == class_index &&
            lease->in_flight.count != 0 &&
            (first == OWNER_NONE ||
                owner_task_at(owner, sent)->sequence < owner_task_at(owner, first)->sequence))
            first = sent;
    }
    *ret_first = first != OWNER_NONE ? owner_task_id(owner_task_at(owner, first), first) : 0;
    return calls;
}

/* ---- for people ------------------------------------------------------------------------------ */

bool reeve_owner_next_actor(
    const struct reeve_owner *owner, size_t *cursor, struct reeve_owner_actor_info *ret)
{
    void *value;
    if (!reeve_map64_next(&owner->actors, cursor, NULL, &value))
        return false;
    const struct owner_actor *actor = value;
    const struct owner_class *class = owner->classes[actor->class_index];
    bool is_dead = actor->state == OWNER_ACTOR_DEAD;
    uint32_t life = (uint32_t)(actor->constructor_task != 0) + (uint32_t)(actor->end_task != 0);
    *ret = (struct reeve_owner_actor_info){.number = actor->number,
        .host = class->host,
        .constructor = actor->constructor,
        .cpu_milli = class->cpu_milli,
        .state = is_dead                            ? REEVE_OWNER_ACTOR_DEAD
                 : actor->state == OWNER_ACTOR_LIVE ? REEVE_OWNER_ACTOR_ALIVE
                 : actor->restart_count != 0        ? REEVE_OWNER_ACTOR_RESTARTING
                                                    : REEVE_OWNER_ACTOR_STARTING,
        .restarts = actor->restart_count,
        .restarts_left = actor->restarts_left,
        .calls = is_dead || class->unfinished < life ? 0 : class->unfinished - life,
        .since_ns = actor->since_ns,
        .why_is_map = is_dead && actor->is_map,
        .why = is_dead ? actor->bytes : NULL,
        .why_size = is_dead ? actor->size : 0};
    return true;
}

/* ---- audit ----------------------------------------------------------------------------------- */

uint64_t owner_actors_check(const struct reeve_owner *owner)
{
    uint64_t memory_bytes = 0;
    size_t at = 0;
    uint64_t number;
    void *value;
    while (reeve_map64_next(&owner->actors, &at, &number, &value)) {
        const struct owner_actor *actor = value;
        memory_bytes += sizeof(*actor) + actor->size;
        memory_bytes += actor->saved != NULL ? sizeof(*actor->saved) + actor->saved->size : 0;
        REEVE_ASSERT(actor->number == number);
        bool is_judged = reeve_list_is_linked(&actor->judged_node);
        REEVE_ASSERT(reeve_list_is_linked(&actor->class_node) ==
                     (is_judged || (actor->state != OWNER_ACTOR_DEAD && !actor->ended)));
        REEVE_ASSERT(!actor->ended || is_judged);
        REEVE_ASSERT(actor->released >= actor->ending);
        REEVE_ASSERT(actor->handle == 0 || reeve_owner_is_handle(owner, actor->handle));
        reeve_task_id tasks[] = {actor->constructor_task, actor->end_task};
        for (int i = 0; i < 2; i++) {
            const struct owner_task *task = owner_task_find(owner, tasks[i]);
            REEVE_ASSERT(
                tasks[i] == 0 || (task != NULL && !reeve_task_state_is_final(task->state)));
        }
    }
    for (uint32_t i = 0; i < owner->class_count; i++) {
        const struct owner_class *class = owner->classes[i];
        REEVE_ASSERT(class->host != 0 || reeve_list_is_empty(&class->actors));
        REEVE_ASSERT(class->process == 0 || reeve_list_is_empty(&class->actors));
        REEVE_ASSERT(!reeve_list_is_linked(&class->free_node) || !is_shared(class));
        REEVE_ASSERT(class->host == 0 || owner_host_find(owner, class->process, class->host) == i);
    }
    return memory_bytes;
}
