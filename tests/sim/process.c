/* Drivers and workers alike: the owner core's commands, their channels, and their events. What
 * programs do is in driver.c and worker.c. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/handles.h"
#include "tests/sim/values.h"

const uint32_t sim_class_cpu[SIM_CLASSES] = {1000, 500, 2000};

/* ---- as holder ---- */

struct sim_channel *sim_process_channel(struct sim_process *process, reeve_lease_index index)
{
    return reeve_map64_get(&process->held, reeve_owner_lease_id(process->owner, index));
}

uint64_t sim_process_argument(struct sim_process *process, const struct reeve_owner_entry *entry)
{
    uint64_t value, part;
    memcpy(&value, entry->arguments, sizeof value);
    for (uint32_t i = 0; i < entry->splice_count; i++) {
        struct reeve_owner_result result;
        if (entry->splices[i].offset & REEVE_OWNER_NESTED || entry->function & SIM_FUNCTION_ACTOR)
            continue;
        if (reeve_owner_result(process->owner, entry->splices[i].task, &result) != 0 ||
            (!result.is_object && result.size != sizeof part))
            abort();
        if (result.is_object) /* whoever runs it reads that */
            continue;
        memcpy(&part, result.bytes, sizeof part);
        value += part;
    }
    return value;
}

/* The objects among its arguments; known where they lie on the node where the entry is read. */
static void name_objects(const struct sim_process *process, const struct sim_channel *channel,
    const struct reeve_owner_entry *entry, struct sim_entry *call)
{
    for (uint32_t i = 0; i < entry->splice_count; i++) {
        struct reeve_owner_result result;
        if (entry->splices[i].offset & REEVE_OWNER_NESTED ||
            reeve_owner_result(process->owner, entry->splices[i].task, &result) != 0 ||
            !result.is_object)
            continue;
        struct reeve_reference *object = &call->objects[call->object_count++];
        *object = result.object;
        if (channel == NULL || channel->kind != CHANNEL_LOCAL ||
            object->node != reeve_process_node(process->id))
            object->flags &= ~REEVE_REFERENCE_LOCATED;
    }
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
        if (c->host != 0)
            sim_lives_host(process, c);
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
        channel = sim_process_channel(process, index);
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
    case REEVE_OWNER_FEED: sim_feed_run(sim, process, c); break;
    case REEVE_OWNER_ASK: sim_ask_run(sim, process, c); break;
    case REEVE_OWNER_FREE_OBJECT:
    case REEVE_OWNER_FREE_STRAY:
    case REEVE_OWNER_LET_GO:
    case REEVE_OWNER_UNPIN: sim_value_command(sim, process, c); break;
    }
}

void sim_process_pump(struct sim *sim, struct sim_process *process)
{
    struct reeve_owner_send send;
    struct reeve_owner_command command;
    bool more = true;
    while (more) {
        more = false;
        while (reeve_owner_next_send(process->owner, &send)) {
            struct reeve_owner_entry entry;
            reeve_owner_entry(process->owner, send.task, &entry);
            struct sim_channel *channel = sim_process_channel(process, send.lease_index);
            struct sim_entry call = {.owner = process->uid,
                .process = process->id,
                .task = send.task,
                .attempt = entry.attempt,
                .function = entry.function,
                .parent = sim_parent_of(&entry),
                .alone = send.entry.flags & REEVE_ENTRY_ALONE,
                .resumes = send.entry.flags & REEVE_ENTRY_RESUMES,
                .latest = entry.timeout_ms,
                .window = reeve_stream_window_of(entry.window),
                .value = sim_process_argument(process, &entry)};
            uint32_t position;
            sim_feed_lend(sim, process, send.task, &call);
            name_objects(process, channel, &entry, &call);
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

/* With an object, which is the result or, of those among the arguments, the one that was lost. */
static void take_answer(
    struct sim *sim, struct sim_process *process, reeve_lease_index index, struct sim_entry *answer)
{
    struct reeve_reference *object = answer->object_count > 0 ? &answer->objects[0] : NULL;
    bool is_result = object != NULL && answer->status == 0;
    if (object != NULL && !is_result && !reeve_error_is_loss(answer->status))
        object = NULL;
    if (is_result && object->node != reeve_process_node(process->id))
        object->flags &= ~REEVE_REFERENCE_LOCATED;
    sim_trace(sim, "process %llu is answered: task %llx, attempt %u: %s",
        (unsigned long long)process->uid, (unsigned long long)answer->task, answer->attempt,
        reeve_error_name(answer->status));
    bool fresh = reeve_owner_answer(process->owner, sim->now_ns, index, answer->task,
        answer->attempt, answer->status, &answer->value, sizeof answer->value, object);
    if (!fresh && is_result && reeve_owner_state(process->owner, answer->task) == REEVE_TASK_FREE)
        sim_value_command(sim, process,
            &(struct reeve_owner_command){.kind = REEVE_OWNER_FREE_STRAY, .object = *object});
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
            take_answer(sim, process, index, &answer);
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
    sim_trace(sim, "process %llu loses lease %llx: %s", (unsigned long long)process->uid,
        (unsigned long long)m->lease, reeve_error_name(m->code));
    sim_lives_lost(sim, process, channel, m->code);
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
    sim_process_pump(sim, process);
    reeve_lease_index index;
    if (reeve_owner_lease_gained(
            process->owner, sim->now_ns, m->class_index, m->lease, m->node, &index) != 0)
        abort();
    reeve_map64_put(&process->held, m->lease, channel, NULL);
    channel->class_index = m->class_index;
}

/* ---- events ---- */

static void turn(struct sim *sim, struct sim_process *process)
{
    drain_all(sim, process);
    if (process->owner_ns <= sim->now_ns) {
        process->owner_ns = NEVER;
        reeve_owner_tick(process->owner, sim->now_ns);
    }
    sim_process_pump(sim, process);
    if (process->is_driver)
        sim_driver_turn(sim, process);
    else
        sim_worker_turn(sim, process);
    if (process->dying)
        return;
    sim_handles_turn(
        sim, process, process->is_driver && process->left == 0 && process->expected_count == 0);
    if (!process->is_driver)
        sim_kept_turn(sim, process);
    if (!process->is_driver)
        reeve_owner_rests(process->owner, sim->now_ns, process->frame_count == 0);
    drain_all(sim, process);
    sim_process_pump(sim, process);
    if (sim->options.audit)
        reeve_owner_check(process->owner);
}

static void take_word(struct sim *sim, struct sim_process *process, const struct sim_local *m)
{
    reeve_lease_index index;
    switch (m->kind) {
    case LOCAL_WELCOME:
        process->accepted = true;
        reeve_owner_set_process(process->owner, process->id);
        break;
    case LOCAL_STORED: sim_value_told(sim, process, &m->said); break;
    case LOCAL_REFUSED:
    case LOCAL_RETIRE: sim_process_kill(sim, process); return;
    case LOCAL_CHANNEL: channel_opened(sim, process, m); break;
    case LOCAL_CANCEL: sim_cancel_told(sim, process, m); break;
    case LOCAL_CREDIT: sim_stream_told(sim, process, m); break;
    case LOCAL_FEED:
    case LOCAL_ASK: sim_feed_told(sim, process, m); break;
    case LOCAL_CLOSE: {
        reeve_owner_loans_lost(process->owner, sim->now_ns, m->lease);
        const struct sim_channel *channel = reeve_map64_remove(&process->worked, m->lease);
        if (channel != NULL && channel->host != 0 && !(channel->host & REEVE_HOST_ATTACH))
            sim_actors_drop(sim, process, channel->owner);
        break;
    }
    case LOCAL_NAMED: sim_named(sim, process, m); break;
    case LOCAL_LOST: lease_lost(sim, process, m); break;
    case LOCAL_RECALL:
        if (!reeve_owner_find_lease(process->owner, m->lease, &index))
            break;
        if (m->count == 0)
            reeve_owner_lease_recalled(process->owner, sim->now_ns, index);
        else
            reeve_owner_lease_wanted(process->owner, sim->now_ns, index);
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
        bool is_driver = process->is_driver;
        if (daemon != NULL)
            sim_values_scribble(sim, process);
        if (daemon != NULL && process->serial != 0)
            reeve_map64_remove(&daemon->clients, process->serial);
        uint64_t life = process->life;
        sim_process_free(sim, process);
        if (daemon != NULL && exited.serial != 0)
            sim_store_step(sim, daemon,
                &(struct reeve_store_event){
                    .kind = REEVE_STORE_CLIENT_REAPED, .client = exited.serial});
        daemon = sim_daemon_get(sim, life);
        if (daemon != NULL && !is_driver)
            sim_node_step(sim, daemon, &exited);
        return;
    }
    if (process->dying)
        return;
    if (process->stopped_ns > sim->now_ns) { /* all of it when it goes on, in the same order */
        struct sim_event *later = sim_after(sim, process->stopped_ns - sim->now_ns, event->kind);
        later->a = event->a;
        later->b = event->b;
        later->data = event->data;
        event->data = NULL;
        return;
    }
    struct sim_call_frame *frame = sim_worker_top(process);
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
            sim_driver_submit(sim, process);
        turn(sim, process);
        break;
    case SIM_PROCESS_FRAME:
        if (frame != NULL && frame->token == event->b && frame->state == CALL_RUNNING) {
            sim_worker_computed(sim, process);
            turn(sim, process);
        }
        break;
    case SIM_PROCESS_VALUE:
        sim_value_goes_on(sim, process, (uint32_t)event->b);
        if (!process->dying)
            turn(sim, process);
        break;
    case SIM_PROCESS_LEND:
        if (process->lend_armed == event->b)
            process->lend_armed = 0;
        if (frame != NULL && frame->token == event->b && frame->state != CALL_RUNNING)
            sim_worker_lend(sim, process, true);
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
