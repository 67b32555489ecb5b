/* What the head is told of a task that waits for long, and what comes of it.
 *
 * A worker's main thread that has waited for a second, without a time limit, says what for: for a
 * process (that of the lease by which the awaited task was sent), or for nobody (the task has
 * not been sent: it waits for a worker). It says so again whenever that has changed, and when it
 * goes on. The head finds those that can only wait for each other (scheduler/waits.c), and
 * answers one of them with DEADLOCK: the task that it waits for fails, unless it has been sent
 * meanwhile.
 *
 * Of a stream that came as an argument only who has given it knows who makes its items. So that is
 * asked (owner_maker.c), and asked once more before the stream fails: the answer must still be what
 * was reported. That a process has the function counts when it has begun it, or is an actor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/cluster.h"
#include "api/client/registry.h"
#include "runtime/base/macros.h"

#define WAITED_FOR_NONE ((reeve_process_id)0)

static const char *name_of(uint32_t function)
{
    const struct reeve_function *found = reeve_registry_at(function);
    return found != NULL ? found->name : "a task";
}

static enum reeve_task_state state_of(const struct reeve_cluster *cluster, reeve_task_id task)
{
    return reeve_owner_state(cluster->owner, task);
}

/* A stream that came as an argument and has yet to end. */
static bool is_given_to_us(
    const struct reeve_cluster *cluster, reeve_task_id task, struct reeve_owner_maker *ret)
{
    bool answered;
    return state_of(cluster, task) == REEVE_TASK_PENDING &&
           reeve_owner_maker(cluster->owner, task, ret, &answered);
}

/* What the future waits for in the end: a task that is QUEUED or SENT, or a stream that came as an
 * argument. 0: there is none, it is not for others to bring about. */
static reeve_task_id root_of(const struct reeve_cluster *cluster, reeve_task_id task)
{
    struct reeve_owner_maker maker;
    if (is_given_to_us(cluster, task, &maker))
        return maker.state != REEVE_OWNER_MAKER_UNKNOWN ? task : 0;
    while (reeve_task_state_waits(state_of(cluster, task)))
        task = reeve_owner_dependency(cluster->owner, task);
    enum reeve_task_state state = state_of(cluster, task);
    return state == REEVE_TASK_QUEUED || state == REEVE_TASK_SENT ? task : 0;
}

static reeve_process_id process_of(const struct reeve_cluster *cluster, reeve_task_id task)
{
    reeve_lease_index index;
    uint64_t position;
    uint32_t attempt;
    struct reeve_owner_maker maker;
    if (is_given_to_us(cluster, task, &maker))
        return maker.state == REEVE_OWNER_MAKER_PROCESS ? maker.process : WAITED_FOR_NONE;
    return reeve_owner_where(cluster->owner, task, &index, &position, &attempt)
               ? cluster->holders[index].peer
               : WAITED_FOR_NONE;
}

/* Where all are wanted, the first that is not there decides. Where some are enough, the wait is
 * only blocked if all of them are with one and the same process, or with nobody. */
static reeve_task_id awaited_task(
    const struct reeve_cluster *cluster, const struct reeve_cluster_awaited *awaited)
{
    reeve_task_id first = 0;
    for (size_t i = 0; i < awaited->count; i++) {
        enum reeve_task_state state = state_of(cluster, awaited->futures[i]);
        if (reeve_task_state_is_final(state) || state == REEVE_TASK_FREE)
            continue;
        reeve_task_id task = root_of(cluster, awaited->futures[i]);
        if (awaited->all)
            return task;
        if (task == 0 || (first != 0 && process_of(cluster, task) != process_of(cluster, first)))
            return 0;
        first = first != 0 ? first : task;
    }
    return first;
}

static void say_it_goes_on(struct reeve_cluster *cluster)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_BLOCKED};
    if (cluster->blocked_task == 0)
        return;
    cluster->blocked_task = 0;
    (void)reeve_cluster_send(cluster, &message);
}

void reeve_cluster_blocked_end(struct reeve_cluster *cluster)
{
    cluster->blocked_asks = false;
    cluster->verdict_count = 0;
    say_it_goes_on(cluster);
}

/* False: of some it is not known who makes the items. */
static bool makers_are_known(
    struct reeve_cluster *cluster, const struct reeve_cluster_awaited *awaited, bool anew)
{
    bool known = true, asked = false;
    struct reeve_owner_maker maker;
    for (size_t i = 0; i < awaited->count; i++) {
        if (!is_given_to_us(cluster, awaited->futures[i], &maker))
            continue;
        asked = true;
        if (maker.state == REEVE_OWNER_MAKER_UNKNOWN) {
            known = false;
            reeve_owner_maker_ask(cluster->owner, awaited->futures[i], anew);
        }
    }
    cluster->blocked_asks = asked;
    if (!known)
        reeve_cluster_pump(cluster, reeve_cluster_now_ns());
    return known;
}

static void report(struct reeve_cluster *cluster, reeve_task_id task, reeve_process_id process)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_BLOCKED, .process = process};
    struct reeve_owner_maker maker;
    struct reeve_owner_entry entry;
    uint32_t running = atomic_load_explicit(&cluster->bell->current_function, memory_order_relaxed);
    const char *waiter = running != 0 ? name_of(running - 1) : "a task";
    cluster->blocked_task = task;
    cluster->blocked_on = process;
    cluster->blocked_count += cluster->blocked_count == UINT32_MAX ? 2 : 1; /* never 0 */
    message.count = cluster->blocked_count;
    if (is_given_to_us(cluster, task, &maker)) {
        message.class_index = UINT32_MAX; /* another's: what it takes is not known here */
        reeve_local_set_text(
            &message, "%.100s waits for an item of %.100s", waiter, name_of(maker.function));
    } else {
        reeve_owner_entry(cluster->owner, task, &entry);
        message.class_index = entry.class_index;
        reeve_local_set_text(&message, "%.100s waits for %.100s", waiter, name_of(entry.function));
    }
    (void)reeve_cluster_send(cluster, &message);
}

bool reeve_cluster_blocked(
    struct reeve_cluster *cluster, const struct reeve_cluster_awaited *awaited, bool anew)
{
    bool known = makers_are_known(cluster, awaited, anew);
    reeve_task_id task = awaited_task(cluster, awaited);
    reeve_process_id process = task != 0 ? process_of(cluster, task) : WAITED_FOR_NONE;
    if (task == 0)
        say_it_goes_on(cluster);
    else if (task != cluster->blocked_task || process != cluster->blocked_on)
        report(cluster, task, process);
    return known;
}

/* The call of an actor lies in its ring, behind what the actor does not get done. (On another node
 * it lies there, too, and stays.) */
static void actor_call_recall(struct reeve_cluster *cluster, uint64_t now_ns, reeve_task_id task)
{
    reeve_lease_index index;
    uint64_t position;
    uint32_t attempt;
    if (reeve_owner_is_of_actor(cluster->owner, task) &&
        reeve_owner_where(cluster->owner, task, &index, &position, &attempt) &&
        reeve_ring_recall(&cluster->holders[index].channel.calls, position))
        reeve_owner_taken_back(cluster->owner, now_ns, index, task, attempt);
}

void reeve_cluster_deadlocked(
    struct reeve_cluster *cluster, uint64_t now_ns, uint32_t count, const char *text)
{
    reeve_task_id task = cluster->blocked_task;
    struct reeve_owner_maker maker;
    if (task == 0 || count != cluster->blocked_count)
        return;
    if (is_given_to_us(cluster, task, &maker)) {
        free(cluster->verdict_text);
        cluster->verdict_text = strdup(text);
        cluster->verdict_count = cluster->verdict_text != NULL ? count : 0;
        reeve_owner_maker_ask(cluster->owner, task, true);
        return;
    }
    actor_call_recall(cluster, now_ns, task);
    if (state_of(cluster, task) == REEVE_TASK_QUEUED)
        reeve_owner_unsendable(cluster->owner, now_ns, task, REEVE_EDEADLK, text);
    else /* our word is out of date: the main thread says a new one */
        reeve_cluster_wake_all(cluster);
}

void reeve_cluster_blocked_fed(struct reeve_cluster *cluster, uint64_t now_ns)
{
    reeve_task_id task = cluster->blocked_task;
    struct reeve_owner_maker maker;
    bool answered;
    if (cluster->verdict_count != 0 && cluster->verdict_count == cluster->blocked_count &&
        task != 0 && reeve_owner_maker(cluster->owner, task, &maker, &answered) && answered) {
        cluster->verdict_count = 0;
        if (maker.state != REEVE_OWNER_MAKER_UNKNOWN &&
            process_of(cluster, task) == cluster->blocked_on)
            reeve_owner_maker_never(cluster->owner, now_ns, task, cluster->verdict_text);
    }
    reeve_cluster_wake_all(cluster); /* the main thread says what is new */
}

/* Whether that process alone can go on with it: nobody takes it back. */
static bool is_begun(const struct reeve_cluster *cluster, reeve_task_id task)
{
    reeve_lease_index index;
    uint64_t position;
    uint32_t attempt;
    if (!reeve_owner_where(cluster->owner, task, &index, &position, &attempt))
        return false;
    const struct reeve_cluster_channel *channel = &cluster->holders[index];
    return reeve_owner_is_of_actor(cluster->owner, task) ||
           reeve_owner_has_yielded(cluster->owner, task) ||
           (channel->node == cluster->node &&
               reeve_ring_state(&channel->channel.calls, position) == REEVE_SLOT_CLAIMED);
}

void reeve_cluster_makers_look(struct reeve_cluster *cluster)
{
    size_t at = 0;
    reeve_task_id stream;
    cluster->makers_asked = false;
    while (reeve_owner_makers_next(cluster->owner, &at, &stream)) {
        struct reeve_owner_maker maker = {REEVE_OWNER_MAKER_UNKNOWN, 0, WAITED_FOR_NONE};
        struct reeve_owner_entry entry;
        reeve_task_id root = root_of(cluster, stream);
        cluster->makers_asked = true;
        if (root != 0) {
            reeve_owner_entry(cluster->owner, stream, &entry);
            maker.function = entry.function;
            maker.process = process_of(cluster, root);
            if (state_of(cluster, root) == REEVE_TASK_QUEUED)
                maker.state = REEVE_OWNER_MAKER_NOBODY;
            else if (is_begun(cluster, root))
                maker.state = REEVE_OWNER_MAKER_PROCESS;
        }
        reeve_owner_maker_is(cluster->owner, stream, &maker);
    }
}

void reeve_cluster_owns_look(struct reeve_cluster *cluster)
{
    bool owns =
        reeve_owner_task_count(cluster->owner) != 0 || reeve_owner_actor_count(cluster->owner) != 0;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_OWNS, .count = owns};
    if (REEVE_LIKELY(owns == cluster->owns_told))
        return;
    cluster->owns_told = owns;
    (void)reeve_cluster_send(cluster, &message);
}
