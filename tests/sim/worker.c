/* Workers: they claim calls, and run functions, which call others. One that waits for its children
 * runs one itself, if nobody has claimed it, or else lends its cpu after a while. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/handles.h"
#include "tests/sim/values.h"

#define LEND_AFTER_NS (1 * MS)

struct sim_call_frame *sim_worker_top(struct sim_process *process)
{
    return process->frame_count > 0 ? &process->frames[process->frame_count - 1] : NULL;
}

static void compute(struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    frame->state = CALL_RUNNING;
    struct sim_event *event =
        sim_after(sim, sim_duration(frame->function, frame->value), SIM_PROCESS_FRAME);
    event->a = process->uid;
    event->b = frame->token;
}

static struct sim_call_frame *begin_call(
    struct sim *sim, struct sim_process *process, uint32_t function, uint64_t value)
{
    struct sim_call_frame *frame = &process->frames[process->frame_count++];
    *frame = (struct sim_call_frame){.token = ++sim->next_id,
        .sequence = reeve_owner_sequence(process->owner),
        .function = function,
        .value = value,
        .state = CALL_FETCHING};
    sim->executed++;
    return frame;
}

static void end_call(struct sim *sim, struct sim_process *process, int status, uint64_t value)
{
    struct sim_call_frame *top = sim_worker_top(process);
    for (uint32_t i = 0; i < top->child_count; i++)
        reeve_owner_release(process->owner, top->children[i]);
    top->child_count = 0;
    if (top->channel != 0 && sim_handles_hold(sim, process)) {
        top->state = CALL_HOLDING;
        top->status = status;
        top->result = value;
        return;
    }
    struct sim_call_frame frame = *top;
    process->frame_count--;
    sim_feed_end(process, &frame);
    sim_lent_end(process, &frame);
    if (frame.channel != 0)
        sim_arguments_end(sim, process);
    if (frame.asked)
        status = REEVE_ECANCELLED;
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
        .value = value,
        .object_count = frame.has_object,
        .objects[0] = frame.object};
    sim_channel_answer(sim, channel, frame.position, &answer);
}

void sim_worker_lend(struct sim *sim, struct sim_process *process, bool lends)
{
    if (process->lends == lends)
        return;
    process->lends = lends;
    sim_to_daemon(sim, process, &(struct sim_local){.kind = LOCAL_LEND, .count = lends});
}

/* The function has computed: it is over, or calls its children. */
void sim_worker_computed(struct sim *sim, struct sim_process *process)
{
    struct sim_call_frame *frame = sim_worker_top(process);
    uint32_t depth = SIM_FUNCTION_DEPTH(frame->function), children = frame->function & 0xff;
    if (frame->function & SIM_FUNCTION_ACTOR) {
        uint64_t value;
        int status =
            sim_actor_run(sim, process, sim_channel_get(sim, frame->channel), frame, &value);
        end_call(sim, process, status, value);
        return;
    }
    if (frame->function & SIM_FUNCTION_HANDLES) {
        if (frame->asked || !sim_handle_computed(sim, process, frame))
            end_call(sim, process, REEVE_EFUNCTION, 0);
        return;
    }
    if (frame->function & (SIM_FUNCTION_STREAM | SIM_FUNCTION_TAKES)) {
        frame->state = frame->function & SIM_FUNCTION_TAKES ? CALL_TAKING : CALL_YIELDING;
        return;
    }
    if (frame->function & SIM_FUNCTION_KEEPS) {
        frame->state = CALL_KEEPING;
        sim_lent_keep(sim, process, frame);
        return;
    }
    if (frame->function & SIM_FUNCTION_LARGE && depth == 0 && !frame->asked) {
        frame->state = CALL_STORING;
        sim_result_make(sim, process, frame->process, frame->task, sim_mix(frame->value));
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
            .losses_max = SIM_LOSSES_MAX,
            .never_inline = value % 5 == 0,
            .arguments = &value,
            .arguments_size = sizeof value};
        sim_parent_say(sim, frame, &task);
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
            struct sim_channel *channel = sim_process_channel(process, index);
            if (channel != NULL && sim_channel_recall(channel, (uint32_t)position))
                reeve_owner_taken_back(process->owner, sim->now_ns, index, task, attempt);
        }
        if (!reeve_owner_take_inline(process->owner, task, frame->class_index))
            continue;
        struct reeve_owner_entry entry;
        reeve_owner_entry(process->owner, task, &entry);
        struct sim_call_frame *child =
            begin_call(sim, process, entry.function, sim_process_argument(process, &entry));
        child->owner = process->uid;
        child->process = process->id;
        sim_parent_check(sim, child->function, child->value, sim_parent_of(&entry));
        compute(sim, process, child);
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
    uint64_t sum = frame->stream != 0 ? frame->sum : frame->value;
    int status = 0;
    for (uint32_t i = 0; i < frame->child_count; i++) {
        if (!reeve_task_state_is_final(reeve_owner_state(process->owner, frame->children[i])))
            return false;
    }
    for (uint32_t i = 0; i < frame->child_count; i++) {
        struct reeve_owner_result result;
        if (reeve_owner_result(process->owner, frame->children[i], &result) != 0)
            abort();
        uint64_t value = 0;
        if (result.status == 0)
            memcpy(&value, result.bytes, sizeof value);
        else
            status = REEVE_EFUNCTION;
        sum += value;
        if (frame->handle != 0)
            sim_handle_child_done(sim, process, frame, &result);
    }
    end_call(sim, process, status, sum);
    return true;
}

static bool children_ended(const struct sim_process *process, const struct sim_call_frame *frame)
{
    for (uint32_t i = 0; i < frame->child_count; i++)
        if (!reeve_task_state_is_final(reeve_owner_state(process->owner, frame->children[i])))
            return false;
    return true;
}

/* All children can be given: a hand-over in one or two pieces, then the answer. */
static bool children_given(
    struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    struct sim_channel *channel = sim_channel_get(sim, frame->channel);
    struct reeve_buffer bytes, objects;
    if (frame->function & SIM_FUNCTION_LARGE && frame->value % 2 != 0 &&
        !children_ended(process, frame))
        return false; /* it gives values, not tasks */
    if (!reeve_owner_handover_ready(
            process->owner, sim->now_ns, frame->children, frame->child_count)) {
        sim_process_pump(sim, process); /* what can be taken back at once */
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
    if (!process->dying)
        sim_gifts_give(sim, process, frame, &objects);
    else
        sim->kills++;
    reeve_buffer_fini(&bytes);
    reeve_buffer_fini(&objects);
    frame->state = CALL_GIFTING;
    return !process->dying;
}

/* Whoever has called for them has them: it is answered. */
static bool children_handed(
    struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    if (!sim_words_heard(sim, process))
        return false;
    reeve_owner_handover_end(
        process->owner, sim->now_ns, frame->children, frame->child_count, true);
    end_call(sim, process, 0, sim_mix(frame->value));
    return true;
}

static bool lent_kept(struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    if (!sim_words_heard(sim, process))
        return false;
    end_call(sim, process, 0, sim_mix(frame->value));
    return true;
}

/* All items have been yielded, or taken, or nobody wants the rest. */
static bool stream_over(struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    int status = 0;
    bool yields = frame->state == CALL_YIELDING;
    if (yields ? !sim_stream_yield(sim, process, frame)
               : !sim_feed_take(sim, process, frame, &status))
        return false;
    end_call(sim, process, status, yields ? sim_mix(frame->value) : frame->sum);
    return true;
}

/* Its arguments are there, or it fails as one of them is not to be had. */
static bool arguments_came(
    struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    if (!sim_arguments_here(sim, process, frame))
        return false;
    if (frame->code == 0) {
        compute(sim, process, frame);
        return true;
    }
    struct sim_channel *channel = sim_channel_get(sim, frame->channel);
    if (channel->host != 0 && reeve_error_is_loss(frame->code) && !frame->asked) {
        channel->refuses = true;
        sim->refused++;
    }
    end_call(sim, process, frame->code, 0);
    return true;
}

static bool result_stored(
    struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    int status;
    if (!sim_result_made(sim, process, &status, &frame->object))
        return false;
    frame->has_object = status == 0;
    sim->large += frame->has_object;
    end_call(sim, process, status, 0);
    return true;
}

static bool goes_on(struct sim *sim, struct sim_process *process, struct sim_call_frame *frame)
{
    switch (frame->state) {
    case CALL_FETCHING: return arguments_came(sim, process, frame);
    case CALL_STORING: return result_stored(sim, process, frame);
    case CALL_WAITING: return children_done(sim, process, frame);
    case CALL_GIVING: return children_given(sim, process, frame);
    case CALL_GIFTING: return children_handed(sim, process, frame);
    case CALL_KEEPING: return lent_kept(sim, process, frame);
    case CALL_YIELDING:
    case CALL_TAKING: return stream_over(sim, process, frame);
    case CALL_RETAINING:
        if (!sim_handle_retained(sim, process, frame))
            return false;
        end_call(sim, process, 0, 0);
        return true;
    case CALL_HANDING:
        if (!sim_handle_handed(sim, process, frame))
            return false;
        end_call(sim, process, 0, frame->handle);
        return true;
    case CALL_HOLDING:
        if (process->handles->hold_count > 0)
            return false;
        end_call(sim, process, frame->status, frame->result);
        return true;
    case CALL_RUNNING: break;
    }
    return false;
}

/* Behind one that was refused: so is it. */
static bool refuse(struct sim *sim, struct sim_channel *channel, uint32_t position)
{
    struct sim_entry answer = channel->calls[position].entry;
    channel->refuses = channel->refuses && !answer.resumes;
    if (!channel->refuses)
        return false;
    answer.object_count = 0;
    answer.recalled = true;
    sim_channel_answer(sim, channel, position, &answer);
    return true;
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
        if (next != NULL && !channel->refuses && sim_actor_is_early(process, channel, &next->entry))
            continue;
        struct sim_call *call = channel->revoked ? NULL : sim_channel_claim(channel, &position);
        if (call == NULL)
            continue;
        if (refuse(sim, channel, position)) {
            at = 0; /* there may be more of it */
            continue;
        }
        struct sim_entry entry = call->entry;
        struct sim_call_frame *frame = begin_call(sim, process, entry.function, entry.value);
        frame->channel = channel->uid;
        frame->position = position;
        frame->owner = entry.owner;
        frame->process = entry.process;
        frame->task = entry.task;
        frame->attempt = entry.attempt;
        frame->alone = entry.alone;
        frame->latest = entry.latest;
        frame->window = entry.window;
        sim_stage_check(sim, channel, &entry);
        sim_parent_check(sim, entry.function, entry.value, entry.parent);
        sim_feed_begin(sim, process, frame, &entry);
        sim_lent_begin(sim, process, frame, &entry);
        sim_arguments_fetch(sim, process, &entry);
        if (entry.object_count == 0)
            compute(sim, process, frame);
        else
            sim_process_wake(sim, process, 0); /* they may be here already */
        if (channel->host != 0)
            frame->class_index = UINT32_MAX;
        else
            while (sim_class_cpu[frame->class_index] != channel->cpu_milli)
                frame->class_index++;
    }
}

void sim_worker_turn(struct sim *sim, struct sim_process *process)
{
    struct sim_call_frame *frame;
    while ((frame = sim_worker_top(process)) != NULL && goes_on(sim, process, frame))
        ;
    if (process->dying)
        return;
    if (frame != NULL && frame->state == CALL_WAITING && !process->lends)
        take_inline(sim, process, frame);
    frame = sim_worker_top(process);
    if (frame == NULL || frame->state == CALL_RUNNING) {
        sim_worker_lend(sim, process, false);
    } else if (!process->lends && process->lend_armed != frame->token) {
        process->lend_armed = frame->token;
        struct sim_event *event = sim_after(sim, LEND_AFTER_NS, SIM_PROCESS_LEND);
        event->a = process->uid;
        event->b = frame->token;
    }
    claim_work(sim, process);
}
