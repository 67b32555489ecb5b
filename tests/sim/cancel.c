/* Cancelling: by drivers, of what they have submitted; and what a worker does that is told to
 * stop. */
#include "tests/sim/sim.h"

/* It is run on the spot: it is asked. It has been sent: its worker is told, where nobody has begun
 * it it is taken back. */
void sim_cancel_run(
    struct sim *sim, struct sim_process *process, const struct reeve_owner_command *c)
{
    reeve_lease_index index;
    uint64_t position;
    uint32_t attempt;
    for (uint32_t i = 0; i < process->frame_count; i++) {
        struct sim_call_frame *frame = &process->frames[i];
        if (frame->channel == 0 && frame->task == c->task && !frame->asked) {
            frame->asked = true;
            reeve_owner_cancel_since(process->owner, sim->now_ns, frame->sequence, &c->cancel);
        }
    }
    if (!reeve_owner_where(process->owner, c->task, &index, &position, &attempt) ||
        index != c->lease_index || position != c->position)
        return;
    struct sim_channel *channel =
        reeve_map64_get(&process->held, reeve_owner_lease_id(process->owner, index));
    if (channel == NULL)
        return;
    if (sim_channel_recall(channel, (uint32_t)position))
        reeve_owner_taken_back(process->owner, sim->now_ns, index, c->task, attempt);
    else
        sim_to_daemon(sim, process,
            &(struct sim_local){
                .kind = LOCAL_CANCEL, .lease = channel->lease, .task = c->task, .count = attempt});
}

/* A task that was cancelled says so only when nobody runs it. */
void sim_cancel_check(struct sim *sim, const struct sim_process *owner, uint64_t task)
{
    size_t at = 0;
    void *value;
    sim->cancelled++;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value)) {
        const struct sim_process *process = value;
        for (uint32_t i = 0; i < process->frame_count && !process->dying; i++)
            if (process->frames[i].owner == owner->uid && process->frames[i].task == task)
                sim_violation(sim, "task %llx of driver %llu is cancelled, and still runs",
                    (unsigned long long)task, (unsigned long long)owner->uid);
    }
}

void sim_cancel_one(struct sim *sim, struct sim_process *process)
{
    struct sim_expected *e = &process->expected[sim_below(sim, process->expected_count)];
    struct reeve_owner_cancel how = {.grace_ms = 1000};
    e->cancelled = true;
    if (reeve_owner_cancel(process->owner, sim->now_ns, e->task, &how) != 0)
        sim_violation(sim, "a task cannot be cancelled");
}

/* The claimed task is to stop: it does when it ends, or its process is ended. One that gives its
 * futures away, or stores its result, has ended. */
void sim_cancel_told(struct sim *sim, struct sim_process *process, const struct sim_local *m)
{
    struct sim_call_frame *frame = &process->frames[0];
    struct reeve_owner_cancel how = {.grace_ms = 1000};
    struct sim_channel *channel =
        process->frame_count > 0 ? sim_channel_get(sim, frame->channel) : NULL;
    if (channel == NULL || channel->lease != m->lease || frame->task != m->task ||
        frame->attempt != m->count || frame->asked || frame->state == CALL_GIVING ||
        frame->state == CALL_STORING || frame->state == CALL_GIFTING ||
        frame->state == CALL_KEEPING)
        return;
    frame->asked = true;
    reeve_owner_cancel_since(process->owner, sim->now_ns, frame->sequence, &how);
    struct sim_event *event = sim_after(sim, sim_between(sim, 1, 200 * MS), SIM_PROCESS_STOP);
    event->a = process->uid;
    event->b = frame->token;
}
