/* The lives of actors: the oracles of who keeps them. Whether somebody has an actor is not counted
 * along, but looked for among all processes when it matters:
 *
 *   has it     who has made it, and not released it; who has a handle of it, or a value in which
 *              one stands; whose call is under way that it is an argument of, or that calls it;
 *              whose call has ended with it, as long as the result has not been got
 *   has not    who is dead, or has been declared dead with its node; who was lent it with a call of
 *              one that is
 *
 *   it ends    only when nobody has it; and then soon
 *   it dies    with its host, its maker, or by being killed: else no call through a handle is told
 *              that it is dead
 *
 * Words are under way between a process that has it and the node where its maker is. What must hold
 * is that these come in an order in which nobody sees the difference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/handles.h"

/* Of a process that is stopped, and a session that is half open, others hear in 15 s. */
#define ALONE_MAX (40 * SECOND)

static struct sim_life *life_get(const struct sim *sim, uint64_t handle)
{
    return reeve_map64_get(&sim->lives, handle);
}

void sim_life_begin(struct sim *sim, const struct sim_process *maker, uint64_t handle)
{
    struct sim_life *life = sim_alloc(sizeof *life);
    *life = (struct sim_life){.handle = handle, .maker = maker->uid};
    if (life_get(sim, handle) != NULL)
        sim_violation(sim, "two actors have the handle %llx", (unsigned long long)handle);
    reeve_map64_put(&sim->lives, handle, life, NULL);
    sim_trace(sim, "process %llu makes actor %llx", (unsigned long long)maker->uid,
        (unsigned long long)handle);
}

void sim_life_made(struct sim *sim, const struct sim_process *worker, uint64_t handle)
{
    struct sim_life *life = life_get(sim, handle);
    if (life == NULL)
        return;
    life->hurt |= life->host != 0; /* so it was lost there */
    life->host = worker->uid;
}

void sim_life_hurt(struct sim *sim, uint64_t handle)
{
    struct sim_life *life = life_get(sim, handle);
    if (life != NULL)
        life->hurt = true;
}

void sim_lives_host(struct sim_process *process, const struct reeve_owner_command *c)
{
    reeve_process_id owner = c->process != REEVE_PROCESS_NONE ? c->process : process->id;
    uint64_t first = sim_handle_of(owner, c->host & ~REEVE_HOST_ATTACH, 0);
    reeve_map64_put(&process->hosts, c->class_index, (void *)(uintptr_t)first, NULL);
}

void sim_lives_lost(
    struct sim *sim, const struct sim_process *process, const struct sim_channel *channel, int code)
{
    uint64_t first = (uintptr_t)reeve_map64_get(&process->hosts, channel->class_index);
    if (code == REEVE_EUNREACHABLE && sim_handle_owner(first) != process->id)
        return; /* it is there, for those who reach it; its maker gives it up */
    size_t at = 0;
    void *value;
    while (first != 0 && reeve_map64_next(&sim->lives, &at, NULL, &value)) {
        struct sim_life *life = value;
        life->hurt |= life->handle - sim_handle_number(life->handle) == first;
    }
}

/* ---- who is there ---------------------------------------------------------------------------- */

/* It runs, and nobody has been told that it does not. */
static bool is_alive(const struct sim *sim, const struct sim_process *process)
{
    return process != NULL && !process->dying &&
           sim_daemon_get((struct sim *)(uintptr_t)sim, process->life) != NULL &&
           reeve_map64_get(&sim->journal_nodes, reeve_process_node(process->id)) != NULL;
}

static bool is_hurt(struct sim *sim, const struct sim_life *life)
{
    return life->hurt || !is_alive(sim, sim_process_get(sim, life->maker)) ||
           (life->host != 0 && !is_alive(sim, sim_process_get(sim, life->host)));
}

static bool is_under_way(const struct sim_process *process, reeve_task_id task)
{
    enum reeve_task_state state = reeve_owner_state(process->owner, task);
    return state != REEVE_TASK_FREE && !reeve_task_state_is_final(state);
}

/* What its call has given, and it has not got yet. */
static bool is_given(const struct sim_process *process, reeve_task_id task, uint64_t handle)
{
    struct reeve_owner_result result;
    uint64_t value = 0;
    if (reeve_owner_state(process->owner, task) != REEVE_TASK_DONE ||
        reeve_owner_result(process->owner, task, &result) != 0 || result.handle_count == 0)
        return false;
    memcpy(&value, result.bytes, sizeof value);
    return value == handle;
}

/* It came with a call of one that has died since: there is nobody any more who keeps it for
 * that. */
static bool is_loan_over(const struct sim *sim, const struct sim_process *process, uint64_t handle)
{
    for (uint32_t i = 0; i < process->frame_count; i++)
        if (process->frames[i].handle == handle &&
            !is_alive(sim, sim_process_get((struct sim *)(uintptr_t)sim, process->frames[i].owner)))
            return true;
    return false;
}

/* By what it has it; NULL: it has not. */
static const char *has(const struct sim *sim, const struct sim_process *process, uint64_t handle)
{
    const struct sim_handles *handles = process->handles;
    bool loan_over = is_loan_over(sim, process, handle);
    /* its own calls come before the end, in one queue: that is enough */
    bool calls_count = sim_handle_owner(handle) != process->id;
    if (sim_actor_is_had(process, handle))
        return "has made it";
    for (uint32_t i = 0; i < handles->kept_count; i++)
        if (handles->kept[i].handle == handle)
            return handles->kept[i].put != 0 ? "has it in a value" : "has a handle of it";
    for (uint32_t i = 0; i < handles->loose_count; i++)
        if (handles->loose[i].handle == handle && !loan_over &&
            (calls_count || !handles->loose[i].is_call) &&
            is_under_way(process, handles->loose[i].task))
            return "needs it for a call that nobody waits for";
    for (uint32_t i = 0; i < process->expected_count; i++) {
        const struct sim_expected *e = &process->expected[i];
        bool is_call = e->function & SIM_FUNCTION_ACTOR;
        if (e->handle == handle && (calls_count || !is_call) && is_under_way(process, e->task))
            return is_call ? "has called it" : "has passed it on";
        if (is_given(process, e->task, handle))
            return "is given it";
    }
    for (uint32_t i = 0; i < process->frame_count; i++)
        for (uint32_t k = 0; k < process->frames[i].child_count; k++) {
            const struct sim_call_frame *frame = &process->frames[i];
            bool is_call = sim_handle_is_called(frame);
            if (frame->handle == handle && !loan_over && (calls_count || !is_call) &&
                is_under_way(process, frame->children[k]))
                return is_call ? "calls it" : "has passed it on, and waits";
            if (is_given(process, frame->children[k], handle))
                return "is given it by a child";
        }
    return NULL;
}

static const struct sim_process *who_has(
    const struct sim *sim, uint64_t handle, const char **ret_how)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value))
        if (is_alive(sim, value) && (*ret_how = has(sim, value, handle)) != NULL)
            return value;
    return NULL;
}

/* ---- what must hold -------------------------------------------------------------------------- */

void sim_life_ends(struct sim *sim, uint64_t handle)
{
    struct sim_life *life = life_get(sim, handle);
    const char *how;
    const struct sim_process *process = life != NULL ? who_has(sim, handle, &how) : NULL;
    if (process != NULL)
        sim_violation(sim, "actor %llx ends, and process %llu %s", (unsigned long long)handle,
            (unsigned long long)process->uid, how);
    if (life != NULL)
        life->over = true;
    sim->actors_ended += life != NULL;
}

void sim_life_is_denied(
    struct sim *sim, const struct sim_process *process, uint64_t handle, int status)
{
    const struct sim_life *life = life_get(sim, handle);
    if (life != NULL && !is_hurt(sim, life))
        sim_violation(sim, "process %llu has a handle of actor %llx, which lives, and is told %s",
            (unsigned long long)process->uid, (unsigned long long)handle, reeve_error_name(status));
}

/* Its maker's core still knows it, and would restart it. */
static bool is_there(struct sim *sim, const struct sim_life *life)
{
    const struct sim_process *maker = sim_process_get(sim, life->maker);
    uint32_t class_index;
    return is_alive(sim, maker) && !life->over &&
           reeve_owner_actor_class(maker->owner, sim_handle_number(life->handle), &class_index);
}

/* Tasks that wait may need what others have given, and keep a handle in it. */
static bool somebody_waits(const struct sim *sim)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value)) {
        const struct sim_process *process = value;
        if (process->expected_count + process->frame_count > 0)
            return true;
    }
    return false;
}

void sim_lives_look(struct sim *sim)
{
    size_t at = 0;
    void *value;
    const char *how;
    bool counts = !somebody_waits(sim);
    while (reeve_map64_next(&sim->lives, &at, NULL, &value)) {
        struct sim_life *life = value;
        if (!counts || !is_there(sim, life) || who_has(sim, life->handle, &how) != NULL)
            life->alone_ns = 0;
        else if (life->alone_ns == 0)
            life->alone_ns = sim->now_ns;
        else if (sim->now_ns - life->alone_ns > ALONE_MAX)
            sim_violation(sim, "actor %llx lives, and nobody has had a handle of it for %llu s",
                (unsigned long long)life->handle,
                (unsigned long long)((sim->now_ns - life->alone_ns) / SECOND));
    }
}

const char *sim_lives_unrest(struct sim *sim, char *text, size_t size)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value)) {
        const struct sim_process *process = value;
        const struct sim_handles *handles = process->handles;
        uint64_t actors = reeve_owner_actor_count(process->owner);
        uint64_t tasks = reeve_owner_task_count(process->owner);
        size_t hosted = reeve_map64_count(&process->hosted);
        if (process->dying || actors + tasks + hosted + handles->kept_count + handles->loose_count +
                                      handles->hold_count ==
                                  0)
            continue;
        snprintf(text, size,
            "process %llu has %llu tasks and streams, owns %llu actors, hosts %zu, has %u handles, "
            "waits for %u holds, and nobody for %u of its calls",
            (unsigned long long)process->uid, (unsigned long long)tasks, (unsigned long long)actors,
            hosted, handles->kept_count, handles->hold_count, handles->loose_count);
        return text;
    }
    return NULL;
}
