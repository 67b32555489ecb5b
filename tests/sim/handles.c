/* Handles of actors: drivers pass those of their actors to tasks, as arguments and in values that
 * they put. Tasks call the actor; pass the handle on, and wait for it or not; retain it, so that
 * their process has it for a while; or return it. Some make an actor and return that. Whoever gets
 * a handle uses it as if it were his own.
 *
 *   driver ── handle ─▶ USE                 calls, of which nobody may wait for one
 *                       PASS ── handle ─▶ … at times without waiting
 *                       KEEP                retained: HOLD, before it is there
 *                       GIVE ── handle ─▶ whoever called
 *   driver ───────────▶ MAKE ── handle ─▶ whoever called
 *
 * What a process needs longer than the call that brought it is held by words to the node of the
 * actor's maker, before the answer: as runtime/worker/handover.c does. A process may die, or be
 * stopped, between any two of these. */
#include "tests/sim/handles.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/values.h"

enum { USE = 1, PASS, KEEP, GIVE, MAKE };

#define KIND(function) ((function)&0xf)

/* ---- as a number ----------------------------------------------------------------------------- */

uint64_t sim_handle_of(reeve_process_id owner, uint32_t host, uint32_t number)
{
    uint32_t node = reeve_process_node(owner), serial = (uint32_t)owner;
    host = host > REEVE_OWNER_SHARED_MAX ? 0x800 | (host - REEVE_OWNER_SHARED_MAX - 1) : host;
    if (node > 0xffff || serial > 0xffff || host > 0xfff || number > 0xfffff)
        return 0;
    return (uint64_t)node << 48 | (uint64_t)serial << 32 | (uint64_t)host << 20 | number;
}

reeve_process_id sim_handle_owner(uint64_t handle)
{
    return reeve_process_id_make((uint32_t)(handle >> 48), (uint32_t)(handle >> 32) & 0xffff);
}

uint32_t sim_handle_host(uint64_t handle)
{
    uint32_t host = (uint32_t)(handle >> 20) & 0xfff;
    return host & 0x800 ? REEVE_OWNER_SHARED_MAX + 1 + (host & 0x7ff) : host;
}

uint32_t sim_handle_number(uint64_t handle)
{
    return (uint32_t)handle & 0xfffff;
}

static struct reeve_owner_handle core_handle(uint64_t handle)
{
    return (struct reeve_owner_handle){.process = sim_handle_owner(handle),
        .number = sim_handle_number(handle),
        .host = sim_handle_host(handle) | REEVE_HOST_ATTACH};
}

/* ---- what a program has ---------------------------------------------------------------------- */

static void kept_add(
    struct sim *sim, struct sim_process *process, uint64_t handle, reeve_task_id put)
{
    struct sim_handles *handles = process->handles;
    uint64_t most_ns = sim->chaos && sim_chance(sim, 1, 4) ? 4 * SECOND : 100 * MS;
    if (handles->kept_count == SIM_KEPT)
        sim_violation(sim, "a program has more handles than it asks for");
    handles->kept[handles->kept_count++] =
        (struct sim_kept){handle, put, sim->now_ns + sim_between(sim, 0, most_ns)};
    sim->handles_kept++;
}

static bool kept_has_room(const struct sim_process *process)
{
    return process->handles->kept_count < SIM_KEPT;
}

static void release(struct sim *sim, struct sim_process *process, uint64_t handle)
{
    const struct reeve_owner_handle of = core_handle(handle);
    uint64_t value = of.number;
    int code = reeve_owner_handle_release(process->owner, sim->now_ns, &of, &value, sizeof value);
    if (code != 0)
        sim_violation(sim, "process %llu cannot release its handle of actor %llx: %s",
            (unsigned long long)process->uid, (unsigned long long)handle, reeve_error_name(code));
}

static void kept_drop(struct sim *sim, struct sim_process *process, uint32_t at)
{
    struct sim_handles *handles = process->handles;
    const struct sim_kept kept = handles->kept[at];
    handles->kept[at] = handles->kept[--handles->kept_count];
    if (kept.put != 0)
        reeve_owner_release(process->owner, kept.put);
    else
        release(sim, process, kept.handle);
}

static void loose_add(
    struct sim *sim, struct sim_process *process, reeve_task_id task, uint64_t handle, bool is_call)
{
    struct sim_handles *handles = process->handles;
    reeve_owner_release(process->owner, task);
    if (handles->loose_count < SIM_LOOSE) /* else it is not looked at */
        handles->loose[handles->loose_count++] = (struct sim_loose){task, handle, is_call};
    sim->handles_loose++;
}

/* One of those it has, at random; 0: it has none. */
static uint64_t kept_some(struct sim *sim, const struct sim_process *process, reeve_task_id *put)
{
    const struct sim_handles *handles = process->handles;
    if (handles->kept_count == 0)
        return 0;
    const struct sim_kept *kept = &handles->kept[sim_below(sim, handles->kept_count)];
    *put = kept->put;
    return kept->handle;
}

void sim_handles_turn(struct sim *sim, struct sim_process *process, bool all)
{
    struct sim_handles *handles = process->handles;
    uint64_t next_ns = NEVER;
    for (uint32_t i = 0; i < handles->loose_count;) {
        enum reeve_task_state state = reeve_owner_state(process->owner, handles->loose[i].task);
        if (state == REEVE_TASK_FREE || reeve_task_state_is_final(state))
            handles->loose[i] = handles->loose[--handles->loose_count];
        else
            i++;
    }
    for (uint32_t i = 0; i < handles->kept_count;) {
        if (all || handles->kept[i].until_ns <= sim->now_ns) {
            kept_drop(sim, process, i);
            continue;
        }
        next_ns = REEVE_MIN(next_ns, handles->kept[i].until_ns);
        i++;
    }
    if (next_ns != NEVER)
        sim_process_wake(sim, process, next_ns - sim->now_ns);
    bool owns =
        reeve_owner_task_count(process->owner) + reeve_owner_actor_count(process->owner) > 0;
    if (!process->is_driver && owns != process->owns_told) {
        process->owns_told = owns;
        sim_to_daemon(sim, process, &(struct sim_local){.kind = LOCAL_OWNS, .count = owns});
    }
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* A reference of the program's to a handle that it has. False: the actor is dead. */
static bool refer(
    struct sim *sim, const struct sim_process *process, uint64_t handle, reeve_task_id *ret)
{
    const struct reeve_owner_handle of = core_handle(handle);
    int code = reeve_owner_handle(process->owner, &of, ret);
    if (code == REEVE_EHANDLE)
        sim_life_is_denied(sim, process, handle, code);
    else if (code != 0)
        abort();
    return code == 0;
}

/* A task with the handle among its arguments, or a value in which that stands. */
static bool pass(struct sim *sim, struct sim_process *process, const struct sim_call_frame *frame,
    uint32_t kind, uint64_t handle, reeve_task_id put, reeve_task_id *ret)
{
    uint64_t value = put != 0 ? 0 : handle;
    struct reeve_owner_splice splice = {0, put};
    struct reeve_owner_task task = {.function = SIM_FUNCTION_HANDLES | kind,
        .losses_max = SIM_LOSSES_MAX,
        .never_inline = kind >= GIVE,
        .arguments = &value,
        .arguments_size = sizeof value,
        .splice_count = kind != MAKE,
        .splices = &splice};
    if (put == 0 && kind != MAKE) {
        splice.offset = REEVE_OWNER_NESTED;
        if (!refer(sim, process, handle, &splice.task))
            return false;
    }
    if (frame != NULL)
        sim_parent_say(sim, frame, &task);
    if (reeve_owner_submit(process->owner, sim->now_ns, &task, ret) != 0)
        sim_violation(sim, "a task with a handle is not accepted");
    if (put == 0 && kind != MAKE)
        reeve_owner_release(process->owner, splice.task);
    sim->handles_passed++;
    return true;
}

static uint32_t some_kind(struct sim *sim)
{
    static const uint32_t kinds[] = {USE, USE, USE, PASS, PASS, KEEP, KEEP, GIVE, GIVE};
    return kinds[sim_below(sim, sizeof kinds / sizeof kinds[0])];
}

/* The value has a handle in it, which is the program's from now on. */
static void got(
    struct sim *sim, struct sim_process *process, const struct reeve_owner_result *result)
{
    reeve_task_id mine;
    uint64_t handle;
    if (result->handle_count != 1 || result->future_count != 0)
        sim_violation(sim, "a result has %u handles in it", result->handle_count);
    memcpy(&handle, result->bytes, sizeof handle);
    if (!kept_has_room(process))
        return;
    if (reeve_owner_handle_take(process->owner, result->futures[0].task, &mine) != 0)
        abort();
    kept_add(sim, process, handle, 0);
    sim->handles_got++;
}

/* ---- drivers --------------------------------------------------------------------------------- */

bool sim_handle_submit(
    struct sim *sim, struct sim_process *driver, uint64_t own, struct sim_expected *e)
{
    reeve_task_id put = 0;
    uint64_t handle = sim_chance(sim, 1, 2) ? kept_some(sim, driver, &put) : 0;
    uint32_t kind = sim_chance(sim, 1, 6) ? MAKE : some_kind(sim);
    if (handle == 0) {
        handle = own;
        put = 0;
    }
    if (handle == 0 && kind != MAKE)
        return false;
    e->function = SIM_FUNCTION_HANDLES | kind;
    if (kind != MAKE && put == 0 && sim_chance(sim, 1, 8) && kept_has_room(driver)) {
        reeve_task_id standing;
        if (!refer(sim, driver, handle, &standing))
            return false;
        if (reeve_owner_put(driver->owner, &handle, sizeof handle, &put) != 0 ||
            reeve_owner_attach(driver->owner, put, &standing, 1) != 0)
            abort();
        kept_add(sim, driver, handle, put);
    }
    e->handle = kind != MAKE ? handle : 0;
    if (kind != MAKE && sim_chance(sim, 1, 4)) {
        e->function = SIM_FUNCTION_HANDLES | SIM_FUNCTION_ACTOR;
        if (!sim_actor_call(sim, driver, NULL, handle, &e->task)) {
            sim_life_is_denied(sim, driver, handle, REEVE_EHANDLE);
            return false;
        }
        return true;
    }
    return pass(sim, driver, NULL, kind, handle, put, &e->task);
}

void sim_handle_result(struct sim *sim, struct sim_process *driver, const struct sim_expected *e,
    const struct reeve_owner_result *result)
{
    int status = result->status;
    bool cancelled = status == REEVE_ECANCELLED && e->cancelled;
    bool lost = status == REEVE_EWORKERDIED || status == REEVE_ENODEDIED;
    if (e->function & SIM_FUNCTION_ACTOR) {
        if (status == REEVE_EACTORDIED)
            sim_life_is_denied(sim, driver, e->handle, status);
        if (status != 0 && status != REEVE_EACTORDIED && status != REEVE_EUNREACHABLE &&
            status != REEVE_EINFEASIBLE && !cancelled)
            sim_violation(sim, "a call through a handle fails with %s", reeve_error_name(status));
        sim->handle_calls += status == 0;
        return;
    }
    if (status != 0 && status != REEVE_EFUNCTION && !lost && !cancelled)
        sim_violation(sim, "a task with a handle fails with %s", reeve_error_name(status));
    if (status == 0 && KIND(e->function) >= GIVE)
        got(sim, driver, result);
    else if (status == 0 && result->handle_count != 0)
        sim_violation(sim, "a result has handles in it that were not given");
}

/* ---- holds ----------------------------------------------------------------------------------- */

/* `frame`: it is to be its caller's; or NULL. */
static void hold(struct sim *sim, struct sim_process *process, const struct reeve_reference *object,
    uint64_t number, reeve_task_id token, const struct sim_call_frame *frame)
{
    struct sim_handles *handles = process->handles;
    if (handles->hold_count == SIM_HOLDS)
        abort();
    uint32_t request = SIM_HOLD_BEGIN | ++handles->request_last;
    handles->holds[handles->hold_count++] = (struct sim_hold){request, token,
        sim_handle_of(
            object->id.owner, object->segment & ~REEVE_HOST_ATTACH, (uint32_t)object->id.sequence)};
    sim_to_daemon(sim, process,
        &(struct sim_local){.kind = LOCAL_STORE,
            .said = {.kind = REEVE_STORE_HOLD,
                .request = request,
                .node = object->node,
                .id = object->id,
                .number = number,
                .heir = frame != NULL ? frame->process : REEVE_PROCESS_NONE,
                .call = frame != NULL ? frame->task : 0,
                .attempt = frame != NULL ? frame->attempt : 0}});
    sim->handle_holds++;
}

bool sim_handles_hold(struct sim *sim, struct sim_process *process)
{
    struct reeve_buffer holds;
    reeve_buffer_init(&holds);
    if (reeve_owner_handles_kept(process->owner, &holds) != 0)
        abort();
    for (size_t at = 0; at < holds.size; at += sizeof(struct reeve_owner_hold)) {
        struct reeve_owner_hold one;
        memcpy(&one, holds.data + at, sizeof one);
        hold(sim, process, &one.object, one.token, one.token, NULL);
    }
    reeve_buffer_fini(&holds);
    return process->handles->hold_count > 0;
}

bool sim_handle_told(
    struct sim *sim, struct sim_process *process, const struct reeve_store_event *answer)
{
    struct sim_handles *handles = process->handles;
    if (!(answer->request & SIM_HOLD_BEGIN))
        return false;
    uint32_t i = 0;
    while (i < handles->hold_count && handles->holds[i].request != answer->request)
        i++;
    if (i == handles->hold_count)
        sim_violation(sim, "an answer to a hold that was not asked for");
    const struct sim_hold one = handles->holds[i];
    handles->holds[i] = handles->holds[--handles->hold_count];
    if (answer->code != 0)
        sim_life_is_denied(sim, process, one.handle, answer->code);
    if (one.token != 0)
        reeve_owner_handle_held(process->owner, one.token, answer->code == 0);
    return true;
}

/* ---- workers --------------------------------------------------------------------------------- */

static bool dies(struct sim *sim, struct sim_process *process)
{
    if (!sim->chaos || !sim_chance(sim, 1, 200))
        return false;
    sim->kills++;
    sim_process_kill(sim, process);
    return true;
}

bool sim_handle_is_called(const struct sim_call_frame *frame)
{
    return KIND(frame->function) == USE;
}

static bool use(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    reeve_task_id task, put;
    uint64_t other = sim_chance(sim, 1, 3) ? kept_some(sim, worker, &put) : 0;
    uint32_t calls = (uint32_t)sim_between(sim, 1, 3);
    bool lives = true;
    if (other != 0 && sim_actor_call(sim, worker, frame, other, &task))
        loose_add(sim, worker, task, other, true);
    for (uint32_t i = 0; i < calls && lives; i++) {
        lives = sim_actor_call(sim, worker, frame, frame->handle, &task);
        if (lives && i > 0 && sim_chance(sim, 1, 2))
            loose_add(sim, worker, task, frame->handle, true);
        else if (lives)
            frame->children[frame->child_count++] = task;
    }
    if (!lives)
        sim_life_is_denied(sim, worker, frame->handle, REEVE_EHANDLE);
    frame->state = CALL_WAITING;
    return lives;
}

static bool pass_on(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    reeve_task_id task;
    if (!pass(sim, worker, frame, some_kind(sim), frame->handle, 0, &task))
        return false;
    frame->state = CALL_WAITING;
    if (sim_chance(sim, 1, 2))
        loose_add(sim, worker, task, frame->handle, false);
    else
        frame->children[frame->child_count++] = task;
    return true;
}

/* What the process gives back soon, or when it does not come to have it. */
static bool retain(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    if (!refer(sim, worker, frame->handle, &frame->given))
        return false;
    frame->state = CALL_RETAINING;
    if (reeve_owner_handle_is_open(worker->owner, frame->given))
        (void)sim_handles_hold(sim, worker);
    return true;
}

static void make(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    if (!kept_has_room(worker)) {
        kept_drop(sim, worker, 0);
    }
    frame->handle = frame->value = sim_actor_make(sim, worker);
    kept_add(sim, worker, frame->handle, 0);
}

bool sim_handle_computed(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    frame->handle = frame->value;
    switch (KIND(frame->function)) {
    case USE: return use(sim, worker, frame);
    case PASS: return pass_on(sim, worker, frame);
    case KEEP: return retain(sim, worker, frame);
    case MAKE: make(sim, worker, frame); /* fall through */
    default: frame->state = CALL_HANDING; return refer(sim, worker, frame->handle, &frame->given);
    }
}

bool sim_handle_retained(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    if (worker->handles->hold_count > 0)
        return false;
    bool is_had = !reeve_owner_handle_is_open(worker->owner, frame->given);
    if (is_had && kept_has_room(worker))
        kept_add(sim, worker, frame->handle, 0);
    else
        reeve_owner_release(worker->owner, frame->given);
    (void)dies(sim, worker);
    return true;
}

/* The result's handle goes to who called: what names it first, then the hold, then (who calls this)
 * the answer. */
static bool hand(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    struct sim_channel *channel = sim_channel_get(sim, frame->channel);
    struct reeve_buffer bytes, objects;
    struct reeve_reference object;
    if (!reeve_owner_handover_ready(worker->owner, sim->now_ns, &frame->given, 1))
        sim_violation(sim, "a handle cannot be given");
    reeve_buffer_init(&bytes);
    reeve_buffer_init(&objects);
    if (reeve_owner_handover_write(worker->owner, &frame->given, 1, &bytes, &objects) != 0 ||
        objects.size != sizeof object)
        sim_violation(sim, "a handle cannot be written");
    memcpy(&object, objects.data, sizeof object);
    if (!channel->revoked)
        sim_channel_hand(sim, channel, frame->position, bytes.data, bytes.size);
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
    if (dies(sim, worker))
        return false;
    sim_trace(sim, "process %llu gives actor %llx to process %llu, with task %llx, attempt %u%s",
        (unsigned long long)worker->uid, (unsigned long long)frame->handle,
        (unsigned long long)frame->owner, (unsigned long long)frame->task, frame->attempt,
        channel->revoked ? ", which does not hear of it" : "");
    hold(sim, worker, &object, object.offset, 0, frame);
    frame->handed = true;
    return !dies(sim, worker);
}

bool sim_handle_handed(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame)
{
    if (!frame->handed)
        (void)hand(sim, worker, frame);
    if (worker->dying || worker->handles->hold_count > 0)
        return false;
    reeve_owner_handover_end(worker->owner, sim->now_ns, &frame->given, 1, true);
    reeve_owner_release(worker->owner, frame->given);
    struct sim_handles *handles = worker->handles;
    for (uint32_t i = 0; KIND(frame->function) == MAKE && i < handles->kept_count; i++)
        if (handles->kept[i].handle == frame->handle && sim_chance(sim, 3, 4)) {
            kept_drop(sim, worker, i); /* it goes with the result */
            break;
        }
    return !dies(sim, worker);
}

void sim_handle_child_done(struct sim *sim, struct sim_process *worker,
    const struct sim_call_frame *frame, const struct reeve_owner_result *result)
{
    if (result->status == REEVE_EACTORDIED && KIND(frame->function) == USE)
        sim_life_is_denied(sim, worker, frame->handle, result->status);
    if (result->status == 0 && result->handle_count > 0)
        got(sim, worker, result);
}
