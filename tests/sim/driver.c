/* Drivers: they submit tasks, and look at what comes of them. Tasks may depend on each other: an
 * argument is the task's own number plus the results of those it names, and some are given only the
 * futures of others. Of functions that give futures half are called so that each is a result of its
 * own. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/values.h"

#define OUTSTANDING 80
#define READS_MAX   4 /* of a large value */

static struct sim_expected *expect(
    struct sim *sim, struct sim_process *process, uint32_t function, uint64_t argument_value)
{
    if (process->expected_count == process->expected_capacity) {
        process->expected_capacity += OUTSTANDING;
        process->expected =
            realloc(process->expected, process->expected_capacity * sizeof *process->expected);
    }
    struct sim_expected *e = &process->expected[process->expected_count++];
    *e = (struct sim_expected){.value = sim_compute(function, argument_value),
        .function = function,
        .argument = argument_value,
        .submitted_ns = sim->now_ns};
    sim->submitted++;
    return e;
}

/* Its result lies in the store; of what gives futures, theirs does. */
static bool is_large(uint32_t function)
{
    return function & SIM_FUNCTION_LARGE && SIM_FUNCTION_DEPTH(function) == 0;
}

/* What its function gives are the results of the call, each a future of its own. */
static void submit_results(struct sim *sim, struct sim_process *process,
    const struct reeve_owner_task *task, uint64_t argument_value)
{
    reeve_task_id parts[CHILDREN_MAX];
    uint32_t count = task->function & 0xff;
    if (reeve_owner_submit_results(process->owner, sim->now_ns, task, count, parts) != 0)
        sim_violation(sim, "a task with several results is not accepted");
    for (uint32_t i = 0; i < count; i++) {
        struct sim_expected *e = expect(
            sim, process, sim_child_function(task->function), sim_child_value(argument_value, i));
        e->task = parts[i];
        e->is_large = is_large(e->function);
        e->depends = true; /* on the call */
        sim->parts++;
    }
}

/* A value of its own, which lies in the store. */
static bool put_one(struct sim *sim, struct sim_process *process)
{
    uint64_t number = sim_mix(++sim->next_id);
    reeve_task_id task;
    if (!sim_chance(sim, 1, 12) || !sim_put(sim, process, number, &task))
        return false;
    struct sim_expected *e = expect(sim, process, 0, 0);
    e->task = task;
    e->value = number;
    e->is_large = true;
    e->reads = (uint32_t)sim_below(sim, READS_MAX);
    process->left--;
    return true;
}

/* A large value that calls of actors read. Returns how many there are: 0 or 1. */
static uint32_t splice_large(
    struct sim *sim, const struct sim_process *process, struct reeve_owner_splice *ret)
{
    uint64_t first = process->expected_count > 0 ? sim_below(sim, process->expected_count) : 0;
    for (uint32_t i = 0; i < process->expected_count; i++) {
        const struct sim_expected *e = &process->expected[(first + i) % process->expected_count];
        if (!e->is_large || e->actor != NULL || e->is_stream)
            continue;
        *ret = (struct reeve_owner_splice){.offset = 0, .task = e->task};
        return 1;
    }
    return 0;
}

/* One of its large values, to a function that may keep it beyond the call. */
static bool lend_one(struct sim *sim, struct sim_process *process)
{
    if (process->expected_count == 0 || !sim_chance(sim, 1, 6))
        return false;
    const struct sim_expected *other = &process->expected[sim_below(sim, process->expected_count)];
    struct reeve_owner_splice splice = {REEVE_OWNER_NESTED, other->task};
    uint64_t value = other->value;
    struct reeve_owner_task task = {.function = SIM_FUNCTION_KEEPS,
        .losses_max = SIM_LOSSES_MAX,
        .arguments = &value,
        .arguments_size = sizeof value,
        .splice_count = 1,
        .splices = &splice};
    if (!other->is_large || other->actor != NULL || other->is_stream)
        return false;
    struct sim_expected *e = expect(sim, process, task.function, value);
    e->depends = true;
    if (reeve_owner_submit(process->owner, sim->now_ns, &task, &e->task) != 0)
        sim_violation(sim, "a task that is lent a value is not accepted");
    process->left--;
    return true;
}

static void submit_one(struct sim *sim, struct sim_process *process)
{
    uint64_t random = sim_below(sim, 100);
    uint32_t depth = random < 80 ? 0 : random < 95 ? 1 : 2;
    uint32_t function = depth << 8 | (uint32_t)sim_between(sim, 1, depth == 2 ? 2 : CHILDREN_MAX);
    if (depth > 0 && sim_chance(sim, 1, 2))
        function |= SIM_FUNCTION_GIVES;
    if ((depth == 0 && sim_chance(sim, 1, 3)) ||
        (function & SIM_FUNCTION_GIVES && sim_chance(sim, 1, 2)))
        function |= SIM_FUNCTION_LARGE;
    uint64_t value = sim_mix(++sim->next_id), expected = value;
    struct reeve_owner_splice splices[2];
    uint32_t splice_count = 0;
    while (splice_count < 2 && process->expected_count > 0 && sim_chance(sim, 1, 8)) {
        const struct sim_expected *other =
            &process->expected[sim_below(sim, process->expected_count)];
        bool nested =
            sim_chance(sim, 1, 3) || other->actor != NULL || other->function & SIM_FUNCTION_HANDLES;
        if (other->is_stream)
            break;
        splices[splice_count].offset = nested ? REEVE_OWNER_NESTED : 0;
        splices[splice_count++].task = other->task;
        expected += nested ? 0 : other->value;
    }
    if (sim_feed_submit(sim, process) || put_one(sim, process) || lend_one(sim, process))
        return;
    if (sim_chance(sim, 1, 3)) {
        if (splice_count == 0 && sim_chance(sim, 1, 2))
            splice_count = splice_large(sim, process, splices);
        struct sim_expected *e = expect(sim, process, 0, 0);
        if (!sim_actor_submit(sim, process, splices, splice_count, e)) {
            process->expected_count--;
            sim->submitted--;
        }
        process->left--;
        return;
    }
    struct reeve_owner_task task = {
        .class_index = depth == 0 ? (uint32_t)sim_below(sim, 8) % SIM_CLASSES : 0,
        .function = function,
        .losses_max = SIM_LOSSES_MAX,
        .arguments = &value,
        .arguments_size = sizeof value,
        .splice_count = splice_count,
        .splices = splices,
    };
    process->left--;
    if (function & SIM_FUNCTION_GIVES && sim_chance(sim, 1, 2)) {
        submit_results(sim, process, &task, expected);
        return;
    }
    bool is_stream = depth == 0 && !(function & SIM_FUNCTION_LARGE) && sim_chance(sim, 1, 8);
    if (is_stream)
        sim_stream_make(sim, &task);
    struct sim_expected *e = expect(sim, process, task.function, expected);
    e->depends = splice_count > 0;
    e->is_stream = is_stream;
    e->is_large = is_large(function);
    e->reads = (uint32_t)sim_below(sim, READS_MAX);
    if (reeve_owner_submit(process->owner, sim->now_ns, &task, &e->task) != 0)
        sim_violation(sim, "a task is not accepted");
}

static bool may_fail_with(const struct sim_expected *e, int status)
{
    if (status == REEVE_ECANCELLED)
        return e->cancelled || e->depends;
    if (e->is_large || e->depends) {
        if (status == REEVE_EFULL || status == REEVE_ESYSTEM || reeve_error_is_loss(status))
            return true;
    }
    return status == REEVE_EWORKERDIED || status == REEVE_ENODEDIED || status == REEVE_EFUNCTION ||
           status == REEVE_EINFEASIBLE;
}

/* The futures in a result are the driver's own from now on: each of them has a known value, too. */
static void adopt(struct sim *sim, struct sim_process *process, uint32_t function, uint64_t value,
    const struct reeve_owner_result *result)
{
    uint32_t count =
        function & SIM_FUNCTION_GIVES && SIM_FUNCTION_DEPTH(function) > 0 ? function & 0xff : 0;
    if (result->future_count != count)
        sim_violation(sim, "a result has %u futures in it, not %u", result->future_count, count);
    for (uint32_t i = 0; i < count; i++) {
        struct sim_expected *e =
            expect(sim, process, sim_child_function(function), sim_child_value(value, i));
        e->task = result->futures[i].task;
        e->is_large = is_large(e->function);
        e->reads = (uint32_t)sim_below(sim, READS_MAX);
        e->depends = true;
        reeve_owner_hold(process->owner, e->task);
        sim->adopted++;
    }
}

/* False: not yet, or not for the last time. Else its number; or the state and status become
 * those of a failure. */
static bool read_object(struct sim *sim, struct sim_process *process, struct sim_expected *e,
    struct reeve_owner_result *result, uint64_t *ret_value, enum reeve_task_state *state)
{
    if (!e->is_large)
        sim_violation(sim, "a small value lies in the store");
    if (e->later_ns > sim->now_ns) {
        sim_process_wake(sim, process, e->later_ns - sim->now_ns);
        return false;
    }
    if (sim_value_read(sim, process, e->task, &result->object, ret_value, &result->status) !=
        SIM_READ_OVER)
        return false;
    if (result->status != 0)
        *state = REEVE_TASK_FAILED;
    if (result->status != 0 || e->reads == 0)
        return true;
    e->reads--;
    e->later_ns = sim->now_ns + sim_between(sim, 1 * MS, 2 * SECOND);
    sim_process_wake(sim, process, e->later_ns - sim->now_ns);
    return false;
}

/* Each accepted task ends in one state, with the right value if it has one. */
static void look_at_results(struct sim *sim, struct sim_process *process)
{
    for (uint32_t i = 0; i < process->expected_count;) {
        struct sim_expected *e = &process->expected[i];
        enum sim_stream_read read =
            e->is_stream ? sim_stream_read(sim, process, e) : SIM_STREAM_ENDED;
        if (read == SIM_STREAM_DROPPED)
            process->expected[i] = process->expected[--process->expected_count];
        if (read != SIM_STREAM_ENDED) {
            i += read == SIM_STREAM_GOES_ON;
            continue;
        }
        enum reeve_task_state state = reeve_owner_state(process->owner, e->task);
        if (!reeve_task_state_is_final(state)) {
            i++;
            continue;
        }
        struct reeve_owner_result result;
        if (reeve_owner_result(process->owner, e->task, &result) != 0)
            sim_violation(sim, "a finished task has no result");
        if (result.attempt > SIM_LOSSES_MAX + 2) /* once more for a child run on the spot */
            sim_violation(sim, "a task had %u attempts", result.attempt);
        uint64_t value = 0;
        if (e->is_large && !result.is_object) /* it was to be made again while it was read */
            sim_value_leave(sim, process, e->task);
        if (result.is_object && !read_object(sim, process, e, &result, &value, &state)) {
            i++;
            continue;
        }
        if (e->function & SIM_FUNCTION_HANDLES) {
            sim_handle_result(sim, process, e, &result);
            *(state == REEVE_TASK_DONE ? &sim->succeeded : &sim->failed) += 1;
        } else if (e->actor != NULL) {
            if (state == REEVE_TASK_DONE)
                memcpy(&value, result.bytes, sizeof value);
            sim_actor_result(sim, process, e, result.status, value);
            *(state == REEVE_TASK_DONE ? &sim->succeeded : &sim->failed) += 1;
        } else if (state == REEVE_TASK_DONE) {
            if (!result.is_object)
                memcpy(&value, result.bytes, sizeof value);
            if (value != e->value)
                sim_violation(sim, "task %llx of driver %llu gave a wrong value",
                    (unsigned long long)e->task, (unsigned long long)process->uid);
            sim->succeeded++;
            adopt(sim, process, e->function, e->argument, &result);
            e = &process->expected[i]; /* there are more now */
        } else {
            bool healed = !sim->chaos && sim->kills + sim->cuts == 0 && !e->depends;
            bool of_actor = e->depends && (result.status == REEVE_EACTORDIED ||
                                              result.status == REEVE_EUNREACHABLE);
            if ((healed && result.status != REEVE_ECANCELLED && result.status != REEVE_EFULL) ||
                !(may_fail_with(e, result.status) || of_actor))
                sim_violation(sim, "task %llx of driver %llu failed with %s",
                    (unsigned long long)e->task, (unsigned long long)process->uid,
                    reeve_error_name(result.status));
            sim->failed++;
            if (result.status == REEVE_ECANCELLED && e->cancelled)
                sim_cancel_check(sim, process, e->task);
        }
        reeve_owner_release(process->owner, e->task);
        process->expected[i] = process->expected[--process->expected_count];
    }
}

void sim_driver_turn(struct sim *sim, struct sim_process *process)
{
    look_at_results(sim, process);
    if (process->left == 0 && sim->chaos)
        process->left = sim->options.tasks;
    sim_actors_release(sim, process, process->left == 0 && process->expected_count == 0);
    sim_process_pump(sim, process);
    if (!process->accepted || process->left == 0 || process->submit_armed)
        return;
    process->submit_armed = true;
    sim_after(sim,
        sim_below(sim, 4) == 0 ? sim_between(sim, 0, 200 * MS) : sim_between(sim, 0, 500 * US),
        SIM_SUBMIT)
        ->a = process->uid;
}

void sim_driver_submit(struct sim *sim, struct sim_process *process)
{
    process->submit_armed = false;
    uint64_t count = sim_between(sim, 1, 16);
    while (count-- > 0 && process->left > 0 && process->expected_count < OUTSTANDING)
        submit_one(sim, process);
    while (process->expected_count > 0 && sim_chance(sim, 1, 6))
        sim_cancel_one(sim, process);
}
