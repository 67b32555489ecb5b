/* Actors: drivers create some, alone or several to a host, call them in random order with random
 * dependencies, pass their handles to tasks (handles.c), release and kill them. An actor counts
 * its calls; a call gives how often the actor was restarted, and that count. So of the calls of
 * its owner that succeed, each must give more than all that were submitted before it. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/handles.h"

#define CALLS_MAX 256u

enum { OP_MAKE = 1, OP_CALL, OP_END };

struct sim_actor {   /* of a driver */
    uint64_t handle; /* 0: none fits */
    uint32_t number, host;
    bool lives, is_shared, was_killed;
    bool takes_cpu; /* which others wait for: it is released after a while */
    uint64_t made_ns;
    uint32_t call_count, outstanding;
    uint64_t results[CALLS_MAX]; /* by call; 0: not there, or failed */
};

struct hosted { /* in a worker */
    reeve_process_id owner;
    uint32_t number, restart_count, count;
    uint64_t handle;
};

/* ---- in a worker ---- */

static uint64_t hosted_key(reeve_process_id owner, uint32_t number)
{
    return owner << 24 ^ number;
}

void sim_actors_drop(struct sim *sim, struct sim_process *worker, reeve_process_id owner)
{
    size_t at = 0;
    uint64_t key;
    void *value;
    while (reeve_map64_next(&worker->hosted, &at, &key, &value))
        if (((struct hosted *)value)->owner == owner) {
            sim_life_hurt(sim, ((struct hosted *)value)->handle);
            free(reeve_map64_remove(&worker->hosted, key));
        }
    worker->latest_owner = 0;
}

bool sim_actor_is_early(const struct sim_process *worker, const struct sim_channel *channel,
    const struct sim_entry *entry)
{
    uint32_t latest = worker->latest_owner == channel->owner ? worker->latest : 0;
    return channel->host & REEVE_HOST_ATTACH && (uint32_t)entry->value > latest;
}

int sim_actor_run(struct sim *sim, struct sim_process *worker, const struct sim_channel *channel,
    const struct sim_call_frame *frame, uint64_t *ret)
{
    uint32_t number = (uint32_t)frame->value;
    uint64_t key = hosted_key(channel->owner, number);
    uint64_t handle = sim_handle_of(channel->owner, channel->host & ~REEVE_HOST_ATTACH, number);
    struct hosted *hosted = reeve_map64_get(&worker->hosted, key);
    *ret = 0;
    switch (frame->function & 0xff) {
    case OP_MAKE:
        if (hosted != NULL)
            sim_violation(sim, "an actor is made where it is already");
        sim_life_made(sim, worker, handle);
        if (channel->revoked) {
            sim_life_hurt(sim, handle);
            return REEVE_EACTORDIED;
        }
        if (worker->latest_owner != channel->owner)
            worker->latest = 0;
        worker->latest_owner = channel->owner;
        worker->latest = REEVE_MAX(REEVE_MAX(number, frame->latest), worker->latest);
        hosted = sim_alloc(sizeof *hosted);
        *hosted = (struct hosted){channel->owner, number, frame->attempt - 1, 0, handle};
        reeve_map64_put(&worker->hosted, key, hosted, NULL);
        sim->actors_made++;
        return 0;
    case OP_CALL:
        if (hosted == NULL)
            return REEVE_EACTORDIED;
        *ret = (uint64_t)hosted->restart_count << 32 | ++hosted->count;
        return 0;
    default:
        if (hosted == NULL)
            return REEVE_EACTORDIED;
        sim_life_ends(sim, handle);
        free(reeve_map64_remove(&worker->hosted, key));
        return 0;
    }
}

/* ---- by handle ---- */

bool sim_actor_call(struct sim *sim, struct sim_process *process,
    const struct sim_call_frame *frame, uint64_t handle, reeve_task_id *ret)
{
    uint64_t value = sim_handle_number(handle);
    struct reeve_owner_task task = {.function = SIM_FUNCTION_ACTOR | OP_CALL,
        .losses_max = (uint32_t)sim_below(sim, 2),
        .arguments = &value,
        .arguments_size = sizeof value};
    if (sim_handle_owner(handle) == process->id) {
        task.actor = (uint32_t)value;
        if (!reeve_owner_actor_class(process->owner, task.actor, &task.class_index))
            return false;
    } else {
        task.called = (uint32_t)value;
        if (reeve_owner_host_class(process->owner, sim_handle_owner(handle),
                sim_handle_host(handle) | REEVE_HOST_ATTACH, &task.class_index) != 0)
            abort();
    }
    if (frame != NULL)
        sim_parent_say(sim, frame, &task);
    if (reeve_owner_submit(process->owner, sim->now_ns, &task, ret) != 0)
        sim_violation(sim, "a call through a handle is not accepted");
    return true;
}

/* ---- in a driver ---- */

static struct sim_actor *actors_of(struct sim_process *driver)
{
    if (driver->actors == NULL)
        driver->actors = sim_alloc(SIM_ACTORS * sizeof *driver->actors);
    return driver->actors;
}

/* What makes it is called, and nobody waits for that. The handle, or 0: none fits. */
static uint64_t make(struct sim *sim, struct sim_process *process,
    const struct reeve_owner_actor *from, uint32_t *ret_number, uint32_t *ret_host)
{
    if (reeve_owner_actor_make(process->owner, from, ret_number, ret_host) != 0)
        abort();
    uint64_t value = *ret_number;
    reeve_task_id made;
    struct reeve_owner_task task = {.function = SIM_FUNCTION_ACTOR | OP_MAKE,
        .actor = *ret_number,
        .life = REEVE_OWNER_MAKE,
        .arguments = &value,
        .arguments_size = sizeof value};
    if (reeve_owner_submit(process->owner, sim->now_ns, &task, &made) != 0)
        abort();
    reeve_owner_release(process->owner, made);
    uint64_t handle = sim_handle_of(process->id, *ret_host, *ret_number);
    if (handle != 0)
        sim_life_begin(sim, process, handle);
    return handle;
}

uint64_t sim_actor_make(struct sim *sim, struct sim_process *worker)
{
    uint32_t number, host;
    struct reeve_owner_actor from = {.shared = sim_chance(sim, 1, 3) ? 1 : 0,
        .restarts_max = (uint32_t)sim_below(sim, 2),
        .end_function = SIM_FUNCTION_ACTOR | OP_END};
    uint64_t handle = make(sim, worker, &from, &number, &host);
    if (handle == 0)
        abort();
    return handle;
}

static void make_own(struct sim *sim, struct sim_process *driver, struct sim_actor *actor)
{
    bool is_shared = sim_chance(sim, 1, 2);
    struct reeve_owner_actor from = {.cpu_milli = is_shared || sim_chance(sim, 1, 2) ? 0 : 500,
        .shared = is_shared ? 1 + (uint32_t)sim_below(sim, 2) : 0,
        .restarts_max = sim_chance(sim, 1, 4) ? UINT32_MAX : (uint32_t)sim_below(sim, 3),
        .end_function = SIM_FUNCTION_ACTOR | OP_END};
    memset(actor, 0, sizeof *actor);
    actor->handle = make(sim, driver, &from, &actor->number, &actor->host);
    actor->lives = true;
    actor->is_shared = is_shared;
    actor->takes_cpu = from.cpu_milli != 0;
    actor->made_ns = sim->now_ns;
    if (sim_chance(sim, 1, 3))
        sim_name_claim(sim, driver, actor->number, actor->host);
}

bool sim_actor_is_had(const struct sim_process *driver, uint64_t handle)
{
    for (uint32_t i = 0; driver->actors != NULL && i < SIM_ACTORS; i++)
        if (driver->actors[i].lives && driver->actors[i].handle == handle)
            return true;
    return false;
}

/* A call of an actor that was found by its name. */
static bool call_found(struct sim *sim, struct sim_process *driver, struct sim_expected *e)
{
    uint64_t value = driver->names.found_number;
    struct reeve_owner_task task = {.function = SIM_FUNCTION_ACTOR | OP_CALL,
        .losses_max = (uint32_t)sim_below(sim, 2),
        .arguments = &value,
        .arguments_size = sizeof value};
    if (reeve_owner_host_class(driver->owner, driver->names.found_owner,
            driver->names.found_host | REEVE_HOST_ATTACH, &task.class_index) != 0)
        return false;
    e->actor = actors_of(driver);
    e->actor->outstanding++;
    e->function = SIM_FUNCTION_ACTOR | SIM_FUNCTION_FOUND;
    if (reeve_owner_submit(driver->owner, sim->now_ns, &task, &e->task) != 0)
        sim_violation(sim, "a call of an actor that was found is not accepted");
    return true;
}

static bool is_own(const struct sim *sim, const struct sim_process *driver, reeve_process_id owner)
{
    const struct sim_daemon *daemon = sim_daemon_get((struct sim *)sim, driver->life);
    return daemon != NULL && owner == reeve_process_id_make(daemon->number, driver->serial);
}

static void release(struct sim *sim, struct sim_process *driver, struct sim_actor *actor)
{
    uint64_t value = actor->number;
    if (reeve_owner_actor_release(
            driver->owner, sim->now_ns, actor->number, &value, sizeof value) != 0)
        sim_violation(sim, "an actor cannot be released");
    actor->lives = false;
}

void sim_actor_over(const struct sim *sim, struct sim_process *driver, uint32_t number)
{
    uint64_t value = number;
    reeve_owner_actor_over(driver->owner, sim->now_ns, number, &value, sizeof value);
}

void sim_actors_release(struct sim *sim, struct sim_process *driver, bool all)
{
    for (uint32_t i = 0; driver->actors != NULL && i < SIM_ACTORS; i++) {
        struct sim_actor *actor = &driver->actors[i];
        if (!actor->lives || !(all || actor->takes_cpu))
            continue;
        if (all || sim->now_ns - actor->made_ns > 2 * SECOND)
            release(sim, driver, actor);
        else
            sim_process_wake(sim, driver, 2 * SECOND + MS);
    }
}

bool sim_actor_submit(struct sim *sim, struct sim_process *driver,
    const struct reeve_owner_splice *splices, uint32_t splice_count, struct sim_expected *e)
{
    struct sim_actor *actor = &actors_of(driver)[sim_below(sim, SIM_ACTORS)];
    if (sim_chance(sim, 1, 8))
        sim_name_find(sim, driver);
    if (driver->names.found_owner != 0 && sim_chance(sim, 1, 4) &&
        !is_own(sim, driver, driver->names.found_owner))
        return call_found(sim, driver, e);
    if (!actor->lives && actor->outstanding > 0)
        return false;
    if (!actor->lives)
        make_own(sim, driver, actor);
    if (actor->call_count == CALLS_MAX || sim_chance(sim, 1, 24)) {
        release(sim, driver, actor);
        return false;
    }
    if (!actor->is_shared && sim_chance(sim, 1, 60)) {
        if (reeve_owner_actor_kill(driver->owner, sim->now_ns, actor->number) != 0)
            sim_violation(sim, "an actor cannot be killed");
        actor->was_killed = true;
        sim_life_hurt(sim, actor->handle);
    }
    /* a task with the handle of one that takes cpu might wait for the cpu that it keeps it in */
    if (sim_chance(sim, 1, 2))
        return sim_handle_submit(sim, driver, actor->takes_cpu ? 0 : actor->handle, e);
    uint64_t value = actor->number;
    struct reeve_owner_task task = {.function = SIM_FUNCTION_ACTOR | OP_CALL,
        .losses_max = (uint32_t)sim_below(sim, 2),
        .actor = actor->number,
        .arguments = &value,
        .arguments_size = sizeof value,
        .splices = splices,
        /* what such a one waits for might need the cpu that it has */
        .splice_count = actor->takes_cpu ? 0 : splice_count};
    e->call = actor->call_count++;
    e->actor = actor;
    e->function = task.function;
    e->depends = task.splice_count > 0;
    actor->outstanding++;
    if (reeve_owner_submit(driver->owner, sim->now_ns, &task, &e->task) != 0)
        sim_violation(sim, "a call of an actor is not accepted");
    return true;
}

void sim_actor_result(struct sim *sim, struct sim_process *driver, const struct sim_expected *e,
    int status, uint64_t value)
{
    struct sim_actor *actor = e->actor;
    actor->outstanding--;
    if (e->function & SIM_FUNCTION_FOUND) {
        if (status != 0 && status != REEVE_EACTORDIED && status != REEVE_EUNREACHABLE &&
            !(status == REEVE_ECANCELLED && e->cancelled))
            sim_violation(
                sim, "a call of an actor that was found fails with %s", reeve_error_name(status));
        sim->found_calls += status == 0;
        return;
    }
    if (status != 0) {
        bool is_known = status == REEVE_EACTORDIED || status == REEVE_EUNREACHABLE ||
                        status == REEVE_EINFEASIBLE || e->depends ||
                        (status == REEVE_ECANCELLED && e->cancelled);
        bool may = actor->was_killed || e->depends || e->cancelled || sim->chaos ||
                   sim->kills + sim->cuts + sim->stopped > 0;
        if (status == REEVE_EACTORDIED && !e->depends && !e->cancelled)
            sim_life_is_denied(sim, driver, actor->handle, status);
        if (!is_known || !may)
            sim_violation(sim, "call %u of actor %u of driver %llu fails with %s", e->call,
                actor->number, (unsigned long long)driver->uid, reeve_error_name(status));
        return;
    }
    if (value == 0)
        sim_violation(sim, "a call of an actor gives nothing");
    actor->results[e->call] = value;
    for (uint32_t i = 0; i < actor->call_count; i++)
        if (i != e->call && actor->results[i] != 0 && (i < e->call) != (actor->results[i] < value))
            sim_violation(sim, "calls %u and %u of actor %u of driver %llu ran out of order", i,
                e->call, actor->number, (unsigned long long)driver->uid);
    sim->actor_calls++;
}
