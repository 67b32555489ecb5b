/* Drivers and workers: the owner core, and the programs of programs.c.
 *
 * A worker that waits for its children runs one itself, if nobody has claimed it, or else lends its
 * cpu after a while. A driver's tasks may depend on each other: an argument is the task's own
 * number plus the results of those it names, and some are given only the futures of others. Of
 * functions that give futures half are called so that each is a result of its own. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define OUTSTANDING   48
#define LOSSES_MAX    3u
#define LEND_AFTER_NS (1 * MS)

const uint32_t sim_class_cpu[SIM_CLASSES] = {1000, 500, 2000};

/* ---- as holder ---- */

static struct sim_channel *channel_of(struct sim_process *process, reeve_lease_index index)
{
    return reeve_map64_get(&process->held, reeve_owner_lease_id(process->owner, index));
}

static uint64_t argument(struct sim_process *process, const struct reeve_owner_entry *entry)
{
    uint64_t value, part;
    memcpy(&value, entry->arguments, sizeof value);
    for (uint32_t i = 0; i < entry->splice_count; i++) {
        struct reeve_owner_result result;
        if (entry->splices[i].offset & REEVE_OWNER_NESTED || entry->function & SIM_FUNCTION_ACTOR)
            continue;
        if (reeve_owner_result(process->owner, entry->splices[i].task, &result) != 0 ||
            result.size != sizeof part)
            abort();
        memcpy(&part, result.bytes, sizeof part);
        value += part;
    }
    return value;
}

static void run_command(
    struct sim *sim, struct sim_process *process, const struct reeve_owner_command *c)
{
    struct sim_channel *channel;
    reeve_lease_index index;
    uint64_t position;
    uint32_t attempt;
    switch (c->kind) {
    case REEVE_OWNER_DEMAND:
        sim_to_daemon(sim, process,
            &(struct sim_local){.kind = LOCAL_DEMAND,
                .class_index = c->class_index,
                .cpu_milli = c->cpu_milli,
                .priority = c->priority,
                .process = c->process,
                .host = c->host,
                .count = c->count});
        break;
    case REEVE_OWNER_RETURN_LEASE:
        reeve_map64_remove(&process->held, c->lease);
        sim_to_daemon(sim, process,
            &(struct sim_local){.kind = LOCAL_RETURN,
                .lease = c->lease,
                .code = c->count != 0 ? REEVE_ECANCELLED : 0});
        break;
    case REEVE_OWNER_TAKE_BACK:
        if (!reeve_owner_where(process->owner, c->task, &index, &position, &attempt) ||
            index != c->lease_index || position != c->position)
            break;
        channel = channel_of(process, index);
        if (channel != NULL && sim_channel_recall(channel, (uint32_t)position))
            reeve_owner_taken_back(process->owner, sim->now_ns, index, c->task, attempt);
        else if (channel != NULL && channel->kind == CHANNEL_HOLDER)
            sim_to_daemon(sim, process,
                &(struct sim_local){
                    .kind = LOCAL_TAKE_BACK, .lease = channel->lease, .task = c->task});
        break;
    case REEVE_OWNER_CANCEL: sim_cancel_run(sim, process, c); break;
    case REEVE_OWNER_UNNAME: sim_name_drop(sim, process, (uint32_t)c->task); break;
    case REEVE_OWNER_CREDIT: sim_stream_credit(sim, process, c); break;
    case REEVE_OWNER_FREE_OBJECT:
    case REEVE_OWNER_LET_GO:
    case REEVE_OWNER_UNPIN: break;
    }
}

static void pump(struct sim *sim, struct sim_process *process)
{
    struct reeve_owner_send send;
    struct reeve_owner_command command;
    bool more = true;
    while (more) {
        more = false;
        while (reeve_owner_next_send(process->owner, &send)) {
            struct reeve_owner_entry entry;
            reeve_owner_entry(process->owner, send.task, &entry);
            struct sim_channel *channel = channel_of(process, send.lease_index);
            struct sim_entry call = {.owner = process->uid,
                .task = send.task,
                .attempt = entry.attempt,
                .function = entry.function,
                .alone = entry.alone,
                .latest = entry.timeout_ms,
                .window = reeve_stream_window_of(entry.window),
                .value = argument(process, &entry)};
            uint32_t position;
            if (channel == NULL || !sim_channel_write(channel, &call, &position)) {
                reeve_owner_unsent(process->owner, send.task);
                continue;
            }
            reeve_owner_sent(process->owner, sim->now_ns, send.task, position);
            sim_channel_ring_worker(sim, channel);
        }
        while (reeve_owner_next_command(process->owner, &command)) {
            run_command(sim, process, &command);
            more = true;
        }
    }
    uint64_t at_ns = reeve_owner_deadline(process->owner);
    if (at_ns != NEVER && at_ns < process->owner_ns) {
        process->owner_ns = at_ns;
        struct sim_event *event =
            sim_after(sim, at_ns > sim->now_ns ? at_ns - sim->now_ns : 0, SIM_PROCESS_WAKE);
        event->a = process->uid;
    }
}

static void drain_channel(struct sim *sim, struct sim_process *process, struct sim_channel *channel)
{
    reeve_lease_index index;
    struct sim_entry answer;
    if (!reeve_owner_find_lease(process->owner, channel->lease, &index))
        return;
    while (reeve_fifo_pop(&channel->returns, &answer)) {
        if (answer.child_died && answer.status == REEVE_EWORKERDIED)
            reeve_owner_child_died(process->owner, index, answer.task, answer.attempt);
        if (answer.item)
            (void)reeve_owner_item(process->owner, index, answer.task, answer.attempt, false,
                &answer.value, sizeof answer.value);
        else if (answer.handed != NULL)
            (void)reeve_owner_handed(process->owner, index, answer.task, answer.attempt,
                answer.handed, answer.handed_size);
        else if (answer.recalled)
            reeve_owner_taken_back(process->owner, sim->now_ns, index, answer.task, answer.attempt);
        else
            reeve_owner_answer(process->owner, sim->now_ns, index, answer.task, answer.attempt,
                answer.status, &answer.value, sizeof answer.value, NULL);
    }
}

static void drain_all(struct sim *sim, struct sim_process *process)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&process->held, &at, NULL, &value))
        drain_channel(sim, process, value);
}

static void lease_lost(struct sim *sim, struct sim_process *process, const struct sim_local *m)
{
    if (m->lease == 0) {
        reeve_owner_class_failed(process->owner, sim->now_ns, m->class_index, m->code, "");
        return;
    }
    reeve_lease_index index;
    struct sim_channel *channel = reeve_map64_get(&process->held, m->lease);
    if (channel == NULL || !reeve_owner_find_lease(process->owner, m->lease, &index))
        return;
    drain_channel(sim, process, channel);
    uint64_t position = 0;
    uint32_t attempt = 0;
    reeve_task_id task = reeve_owner_each_in_flight(process->owner, index, 0, &position, &attempt);
    while (task != 0) {
        uint64_t next_position = 0;
        uint32_t next_attempt = 0;
        reeve_task_id next =
            reeve_owner_each_in_flight(process->owner, index, task, &next_position, &next_attempt);
        if (sim_channel_recall(channel, (uint32_t)position))
            reeve_owner_taken_back(process->owner, sim->now_ns, index, task, attempt);
        else if (m->count != 0)
            reeve_owner_child_died(process->owner, index, task, attempt);
        task = next;
        position = next_position;
        attempt = next_attempt;
    }
    reeve_owner_lease_lost(process->owner, sim->now_ns, index, m->code, "");
    reeve_map64_remove(&process->held, m->lease);
}

static void channel_opened(struct sim *sim, struct sim_process *process, const struct sim_local *m)
{
    struct sim_channel *channel = sim_channel_get(sim, m->channel);
    if (m->as_worker) {
        reeve_map64_put(&process->worked, m->lease, channel, NULL);
        return;
    }
    pump(sim, process);
    reeve_lease_index index;
    if (reeve_owner_lease_gained(
            process->owner, sim->now_ns, m->class_index, m->lease, m->node, &index) != 0)
        abort();
    reeve_map64_put(&process->held, m->lease, channel, NULL);
}

/* ---- drivers ---- */

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
        e->depends = true; /* on the call */
        sim->parts++;
    }
}

static void submit_one(struct sim *sim, struct sim_process *process)
{
    uint64_t random = sim_below(sim, 100);
    uint32_t depth = random < 80 ? 0 : random < 95 ? 1 : 2;
    uint32_t function = depth << 8 | (uint32_t)sim_between(sim, 1, depth == 2 ? 2 : CHILDREN_MAX);
    if (depth > 0 && sim_chance(sim, 1, 2))
        function |= SIM_FUNCTION_GIVES;
    uint64_t value = sim_mix(++sim->next_id), expected = value;
    struct reeve_owner_splice splices[2];
    uint32_t splice_count = 0;
    while (splice_count < 2 && process->expected_count > 0 && sim_chance(sim, 1, 8)) {
        const struct sim_expected *other =
            &process->expected[sim_below(sim, process->expected_count)];
        bool nested = sim_chance(sim, 1, 3) || other->actor != NULL;
        if (other->is_stream)
            break;
        splices[splice_count].offset = nested ? REEVE_OWNER_NESTED : 0;
        splices[splice_count++].task = other->task;
        expected += nested ? 0 : other->value;
    }
    if (sim_chance(sim, 1, 4)) {
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
        .losses_max = LOSSES_MAX,
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
    bool is_stream = depth == 0 && sim_chance(sim, 1, 8);
    if (is_stream)
        sim_stream_make(sim, &task);
    struct sim_expected *e = expect(sim, process, task.function, expected);
    e->depends = splice_count > 0;
    e->is_stream = is_stream;
    if (reeve_owner_submit(process->owner, sim->now_ns, &task, &e->task) != 0)
        sim_violation(sim, "a task is not accepted");
}

static bool may_fail_with(const struct sim_expected *e, int status)
{
    if (status == REEVE_ECANCELLED)
        return e->cancelled || e->depends;
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
        e->depends = true;
        reeve_owner_hold(process->owner, e->task);
        sim->adopted++;
    }
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
        if (result.attempt > LOSSES_MAX + 2) /* once more for a child run on the spot */
            sim_violation(sim, "a task had %u attempts", result.attempt);
        uint64_t value = 0;
        if (e->actor != NULL) {
            if (state == REEVE_TASK_DONE)
                memcpy(&value, result.bytes, sizeof value);
            sim_actor_result(sim, process, e, result.status, value);
            *(state == REEVE_TASK_DONE ? &sim->succeeded : &sim->failed) += 1;
        } else if (state == REEVE_TASK_DONE) {
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
            if ((healed && result.status != REEVE_ECANCELLED) ||
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

static void drive(struct sim *sim, struct sim_process *process)
{
    look_at_results(sim, process);
    if (process->left == 0 && sim->chaos)
        process->left = sim->options.tasks;
    sim_actors_release(sim, process, process->left == 0 && process->expected_count == 0);
    pump(sim, process);
    if (!process->accepted || process->left == 0 || process->submit_armed)
        return;
    process->submit_armed = true;
    sim_after(sim,
        sim_below(sim, 4) == 0 ? sim_between(sim, 0, 200 * MS) : sim_between(sim, 0, 500 * US),
        SIM_SUBMIT)
        ->a = process->uid;
}

static void submit_some(struct sim *sim, struct sim_process *process)
{
    process->submit_armed = false;
    uint64_t count = sim_between(sim, 1, 16);
    while (count-- > 0 && process->left > 0 && process->expected_count < OUTSTANDING)
        submit_one(sim, process);
    while (process->expected_count > 0 && sim_chance(sim, 1, 6))
        sim_cancel_one(sim, process);
}

/* ---- workers ---- */

static struct sim_call_frame *top(struct sim_process *process)
{
    return process->frame_count > 0 ? &process->frames[process->frame_count - 1] : NULL;
}

static struct sim_call_frame *begin_call(
    struct sim *sim, struct sim_process *process, uint32_t function, uint64_t value)
{
    struct sim_call_frame *frame = &process->frames[process->frame_count++];
    *frame = (struct sim_call_frame){.token = ++sim->next_id,
        .sequence = reeve_owner_sequence(process->owner),
        .function = function,
        .value = value,
        .state = CALL_RUNNING};
    struct sim_event *event = sim_after(sim, sim_duration(function, value), SIM_PROCESS_FRAME);
    event->a = process->uid;
    event->b = frame->token;
    sim->executed++;
    return frame;
}

static void end_call(struct sim *sim, struct sim_process *process, int status, uint64_t value)
{
    struct sim_call_frame frame = *top(process);
    process->frame_count--;
    if (frame.asked)
        status = REEVE_ECANCELLED;
    for (uint32_t i = 0; i < frame.child_count; i++)
        reeve_owner_release(process->owner, frame.children[i]);
    if (frame.channel == 0) {
        reeve_owner_finished(process->owner, sim->now_ns, frame.task, status, false, &value,
            sizeof value, NULL, NULL, 0);
        return;
    }
    struct sim_channel *channel = sim_channel_get(sim, frame.channel);
    if (channel->revoked)
        return; /* nobody wants it any more */
    struct sim_entry answer = {.task = frame.task,
        .attempt = frame.attempt,
        .function = frame.function,
        .status = status,
        .value = value};
    sim_channel_answer(sim, channel, frame.position, &answer);
}

static void lend(struct sim *sim, struct sim_process *process, bool lends)
{
    if (process->lends == lends)
        return;
    process->lends = lends;
    sim_to_daemon(sim, process, &(struct sim_local){.kind = LOCAL_LEND, .count = lends});
}

/* The function has computed: it is over, or calls its children. */
static void computed(struct sim *sim, struct sim_process *process)
{
    struct sim_call_frame *frame = top(process);
    uint32_t depth = SIM_FUNCTION_DEPTH(frame->function), children = frame->function & 0xff;
    if (frame->function & SIM_FUNCTION_ACTOR) {
        uint64_t value;
        int status =
            sim_actor_run(sim, process, sim_channel_get(sim, frame->channel), frame, &value);
        end_call(sim, process, status, value);
        return;
    }
    if (frame->function == SIM_FUNCTION_USES) {
        frame->state = CALL_WAITING;
        if (!sim_actor_use(sim, process, frame))
            end_call(sim, process, REEVE_EFUNCTION, 0);
        return;
    }
    if (frame->function & SIM_FUNCTION_STREAM) {
        frame->state = CALL_YIELDING;
        return;
    }
    if (depth == 0) {
        end_call(sim, process, 0, sim_mix(frame->value));
        return;
    }
    frame->state = frame->function & SIM_FUNCTION_GIVES ? CALL_GIVING : CALL_WAITING;
    for (uint32_t i = 0; i < children; i++) {
        uint64_t value = sim_child_value(frame->value, i);
        struct reeve_owner_task task = {.class_index = depth == 1 && i % 2 != 0 ? 1 : 0,
            .function = sim_child_function(frame->function),
            .losses_max = LOSSES_MAX,
            .never_inline = value % 5 == 0,
            .arguments = &value,
            .arguments_size = sizeof value};
        if (reeve_owner_submit(
                process->owner, sim->now_ns, &task, &frame->children[frame->child_count++]) != 0)
            abort();
    }
}

/* A child that nobody has claimed is run on the spot. */
static bool take_inline(struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    if (process->frame_count >= FRAMES_MAX - 1 || frame->alone || !sim_chance(sim, 1, 2))
        return false;
    for (uint32_t i = 0; i < frame->child_count; i++) {
        reeve_task_id task = frame->children[i];
        reeve_lease_index index;
        uint64_t position;
        uint32_t attempt;
        if (!reeve_owner_may_inline(process->owner, task, frame->class_index))
            continue;
        if (reeve_owner_where(process->owner, task, &index, &position, &attempt)) {
            struct sim_channel *channel = channel_of(process, index);
            if (channel != NULL && sim_channel_recall(channel, (uint32_t)position))
                reeve_owner_taken_back(process->owner, sim->now_ns, index, task, attempt);
        }
        if (!reeve_owner_take_inline(process->owner, task, frame->class_index))
            continue;
        struct reeve_owner_entry entry;
        reeve_owner_entry(process->owner, task, &entry);
        struct sim_call_frame *child =
            begin_call(sim, process, entry.function, argument(process, &entry));
        child->owner = process->uid;
        child->task = task;
        child->class_index = frame->class_index;
        sim->inlined++;
        return true;
    }
    return false;
}

static bool children_done(
    struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    uint64_t sum = frame->value;
    int status = 0;
    for (uint32_t i = 0; i < frame->child_count; i++) {
        struct reeve_owner_result result;
        if (!reeve_task_state_is_final(reeve_owner_state(process->owner, frame->children[i])))
            return false;
        if (reeve_owner_result(process->owner, frame->children[i], &result) != 0)
            abort();
        uint64_t value = 0;
        if (result.status == 0)
            memcpy(&value, result.bytes, sizeof value);
        else
            status = REEVE_EFUNCTION;
        sum += value;
    }
    end_call(sim, process, status, sum);
    return true;
}

/* All children can be given: a hand-over in one or two pieces, then the answer. */
static bool children_given(
    struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    struct sim_channel *channel = sim_channel_get(sim, frame->channel);
    struct reeve_buffer bytes, objects;
    if (!reeve_owner_handover_ready(
            process->owner, sim->now_ns, frame->children, frame->child_count)) {
        pump(sim, process); /* what can be taken back at once */
        if (!reeve_owner_handover_ready(
                process->owner, sim->now_ns, frame->children, frame->child_count))
            return false;
    }
    reeve_buffer_init(&bytes);
    reeve_buffer_init(&objects);
    if (reeve_owner_handover_write(
            process->owner, frame->children, frame->child_count, &bytes, &objects) != 0)
        sim_violation(sim, "a hand-over cannot be written");
    size_t first = sim_below(sim, bytes.size);
    if (!channel->revoked && first > 0)
        sim_channel_hand(sim, channel, frame->position, bytes.data, first);
    if (!channel->revoked &&
        !(sim->chaos && sim_chance(sim, 1, 200))) /* else it dies in the middle */
        sim_channel_hand(sim, channel, frame->position, bytes.data + first, bytes.size - first);
    else if (!channel->revoked)
        sim_process_kill(sim, process);
    reeve_owner_handover_end(
        process->owner, sim->now_ns, frame->children, frame->child_count, true);
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
    if (process->dying) {
        sim->kills++;
        return false;
    }
    end_call(sim, process, 0, sim_mix(frame->value));
    return true;
}

/* All items have been yielded, or nobody wants the rest. */
static bool all_yielded(struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    if (!sim_stream_yield(sim, process, frame))
        return false;
    end_call(sim, process, 0, sim_mix(frame->value));
    return true;
}

static bool goes_on(struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    switch (frame->state) {
    case CALL_WAITING: return children_done(sim, process, frame);
    case CALL_GIVING: return children_given(sim, process, frame);
    case CALL_YIELDING: return all_yielded(sim, process, frame);
    case CALL_RUNNING: break;
    }
    return false;
}

static void claim_work(struct sim *sim, struct sim_process *process)
{
    size_t at = 0;
    void *found;
    while (process->frame_count == 0 && reeve_map64_next(&process->worked, &at, NULL, &found)) {
        struct sim_channel *channel = found;
        uint32_t position;
        const struct sim_call *next =
            channel->revoked || channel->host == 0 ? NULL : sim_channel_peek(channel);
        if (next != NULL && sim_actor_is_early(process, channel, &next->entry))
            continue;
        struct sim_call *call = channel->revoked ? NULL : sim_channel_claim(channel, &position);
        if (call == NULL)
            continue;
        struct sim_entry entry = call->entry;
        struct sim_call_frame *frame = begin_call(sim, process, entry.function, entry.value);
        frame->channel = channel->uid;
        frame->position = position;
        frame->owner = entry.owner;
        frame->task = entry.task;
        frame->attempt = entry.attempt;
        frame->alone = entry.alone;
        frame->latest = entry.latest;
        frame->window = entry.window;
        if (channel->host != 0)
            frame->class_index = UINT32_MAX;
        else
            while (sim_class_cpu[frame->class_index] != channel->cpu_milli)
                frame->class_index++;
    }
}

static void work(struct sim *sim, struct sim_process *process)
{
    struct sim_call_frame *frame;
    while ((frame = top(process)) != NULL && goes_on(sim, process, frame))
        ;
    if (process->dying)
        return;
    if (frame != NULL && frame->state == CALL_WAITING && !process->lends)
        take_inline(sim, process, frame);
    frame = top(process);
    if (frame == NULL || frame->state == CALL_RUNNING) {
        lend(sim, process, false);
    } else if (!process->lends && process->lend_armed != frame->token) {
        process->lend_armed = frame->token;
        struct sim_event *event = sim_after(sim, LEND_AFTER_NS, SIM_PROCESS_LEND);
        event->a = process->uid;
        event->b = frame->token;
    }
    claim_work(sim, process);
}

/* ---- events ---- */

static void turn(struct sim *sim, struct sim_process *process)
{
    drain_all(sim, process);
    if (process->owner_ns <= sim->now_ns) {
        process->owner_ns = NEVER;
        reeve_owner_tick(process->owner, sim->now_ns);
    }
    pump(sim, process);
    if (process->is_driver)
        drive(sim, process);
    else
        work(sim, process);
    drain_all(sim, process);
    pump(sim, process);
    if (sim->options.audit)
        reeve_owner_check(process->owner);
}

static void take_word(struct sim *sim, struct sim_process *process, const struct sim_local *m)
{
    reeve_lease_index index;
    switch (m->kind) {
    case LOCAL_WELCOME: process->accepted = true; break;
    case LOCAL_REFUSED:
    case LOCAL_RETIRE: sim_process_kill(sim, process); return;
    case LOCAL_CHANNEL: channel_opened(sim, process, m); break;
    case LOCAL_CANCEL: sim_cancel_told(sim, process, m); break;
    case LOCAL_CREDIT: sim_stream_told(sim, process, m); break;
    case LOCAL_CLOSE: {
        const struct sim_channel *channel = reeve_map64_remove(&process->worked, m->lease);
        if (channel != NULL && channel->host != 0 && !(channel->host & REEVE_HOST_ATTACH))
            sim_actors_drop(process, channel->owner);
        break;
    }
    case LOCAL_NAMED: sim_named(sim, process, m); break;
    case LOCAL_LOST: lease_lost(sim, process, m); break;
    case LOCAL_RECALL:
        if (reeve_owner_find_lease(process->owner, m->lease, &index))
            reeve_owner_lease_recalled(process->owner, sim->now_ns, index);
        break;
    case LOCAL_INFEASIBLE:
        reeve_owner_class_failed(process->owner, sim->now_ns, m->class_index, m->code, "");
        break;
    default: break;
    }
    turn(sim, process);
}

void sim_process_fire(struct sim *sim, struct sim_event *event)
{
    struct sim_process *process = sim_process_get(sim, event->a);
    if (process == NULL)
        return;
    if (event->kind == SIM_TO_DAEMON) {
        sim_daemon_local(sim, process, event->data);
        return;
    }
    if (event->kind == SIM_DIE) {
        if (process->is_driver && sim->chaos) /* somebody starts it again */
            sim_driver_later(
                sim, sim_between(sim, 0, 3 * SECOND), (uint32_t)sim_below(sim, sim->machine_count));
        sim_process_kill(sim, process);
        if (sim_daemon_get(sim, process->life) == NULL)
            sim_process_free(sim, process);
        return;
    }
    if (event->kind == SIM_PROCESS_REAP) {
        struct sim_daemon *daemon = sim_daemon_get(sim, process->life);
        struct reeve_node_event exited = {.kind = REEVE_NODE_EVENT_WORKER_EXITED,
            .serial = process->serial,
            .code = REEVE_EWORKERDIED,
            .count = process->frame_count > 1};
        if (daemon != NULL)
            reeve_map64_remove(&daemon->clients, process->serial);
        sim_process_free(sim, process);
        if (daemon != NULL)
            sim_node_step(sim, daemon, &exited);
        return;
    }
    if (process->dying)
        return;
    struct sim_call_frame *frame = top(process);
    switch (event->kind) {
    case SIM_TO_PROCESS: take_word(sim, process, event->data); break;
    case SIM_WORKER_HELLO: {
        struct sim_daemon *daemon = sim_daemon_get(sim, process->life);
        struct reeve_node_event hello = {
            .kind = REEVE_NODE_EVENT_WORKER_HELLO, .serial = process->serial};
        if (daemon != NULL)
            sim_node_step(sim, daemon, &hello);
        break;
    }
    case SIM_SUBMIT:
        if (process->accepted)
            submit_some(sim, process);
        turn(sim, process);
        break;
    case SIM_PROCESS_FRAME:
        if (frame != NULL && frame->token == event->b && frame->state == CALL_RUNNING) {
            computed(sim, process);
            turn(sim, process);
        }
        break;
    case SIM_PROCESS_LEND:
        if (process->lend_armed == event->b)
            process->lend_armed = 0;
        if (frame != NULL && frame->token == event->b && frame->state != CALL_RUNNING)
            lend(sim, process, true);
        break;
    case SIM_PROCESS_STOP: /* not counted as a kill: nobody else is harmed by it */
        if (process->frame_count > 0 && process->frames[0].token == event->b) {
            sim->stopped++;
            sim_process_kill(sim, process);
        }
        break;
    default:
        if (process->wake_ns == sim->now_ns)
            process->wake_ns = NEVER; /* it may be woken again, by itself too */
        turn(sim, process);
        break;
    }
}
