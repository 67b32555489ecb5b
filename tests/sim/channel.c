/* Rings, as far as the cores can tell: entries are written by the holder, claimed by the worker,
 * recalled by the holder or revoked by the daemon, each exactly once. A bridged lease has two of
 * them, and its entries travel between their daemons:
 *
 *   holder ─ calls ▶ [HOLDER ring] daemon ═ CALLS ══▶ daemon [EXECUTOR ring] ─ calls ▶ worker
 *          ◀ answers ─                    ◀═ RETURNS ═                       ◀ answers ─
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

struct sim_channel *sim_channel_get(struct sim *sim, uint64_t uid)
{
    return reeve_map64_get(&sim->channels, uid);
}

/* What never lends is never more than the node has: the oracle of "no resource is
 * over-committed". */
static void check_cpu(struct sim *sim, struct sim_daemon *daemon)
{
    uint64_t used = 0;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->channels, &at, NULL, &value)) {
        const struct sim_channel *channel = value;
        if (channel->kind != CHANNEL_HOLDER && !channel->has_lent)
            used += channel->cpu_milli;
    }
    if (used > sim->machines[daemon->machine].cpu_milli)
        sim_violation(sim, "node %u runs leases of %llu thousandths of cpu, and has %u",
            daemon->number, (unsigned long long)used, sim->machines[daemon->machine].cpu_milli);
}

struct sim_channel *sim_channel_make(
    struct sim *sim, struct sim_daemon *daemon, enum sim_channel_kind kind, uint64_t lease)
{
    if (reeve_map64_get(&daemon->channels, lease) != NULL)
        sim_violation(
            sim, "node %u opens lease %llx twice", daemon->number, (unsigned long long)lease);
    struct sim_channel *channel = sim_alloc(sizeof *channel);
    channel->uid = ++sim->next_id;
    channel->kind = kind;
    channel->lease = lease;
    channel->life = daemon->life;
    if (kind != CHANNEL_HOLDER)
        channel->cpu_milli = (uint32_t)((uintptr_t)reeve_map64_get(&daemon->granted, lease) - 1);
    reeve_fifo_init(&channel->returns, sizeof(struct sim_entry));
    reeve_map64_put(&sim->channels, channel->uid, channel, NULL);
    reeve_map64_put(&daemon->channels, lease, channel, NULL);
    check_cpu(sim, daemon);
    return channel;
}

bool sim_channel_write(
    struct sim_channel *channel, const struct sim_entry *entry, uint32_t *position)
{
    if (channel->open_count >= CALL_SLOTS)
        return false;
    if (channel->call_count == channel->call_capacity) {
        channel->call_capacity = channel->call_capacity != 0 ? 2 * channel->call_capacity : 16;
        channel->calls = realloc(channel->calls, channel->call_capacity * sizeof *channel->calls);
    }
    *position = channel->call_count++;
    channel->calls[*position] = (struct sim_call){
        .entry = *entry, .state = channel->revoked ? ENTRY_RECALLED : ENTRY_READY};
    channel->open_count += !channel->revoked;
    return true;
}

bool sim_channel_recall(struct sim_channel *channel, uint32_t position)
{
    if (position >= channel->call_count)
        return false;
    struct sim_call *call = &channel->calls[position];
    if (call->state == ENTRY_READY) {
        call->state = ENTRY_RECALLED;
        channel->open_count--;
        return true;
    }
    /* Revoked by the daemon: nobody has run it, and the holder may hear so once. */
    if (call->state == ENTRY_RECALLED && channel->revoked)
        return true;
    return false;
}

const struct sim_call *sim_channel_peek(struct sim_channel *channel)
{
    while (channel->call_first < channel->call_count &&
           channel->calls[channel->call_first].state != ENTRY_READY)
        channel->call_first++;
    return channel->call_first < channel->call_count ? &channel->calls[channel->call_first] : NULL;
}

struct sim_call *sim_channel_claim(struct sim_channel *channel, uint32_t *position)
{
    while (channel->call_first < channel->call_count) {
        struct sim_call *call = &channel->calls[channel->call_first++];
        if (call->state != ENTRY_READY)
            continue;
        call->state = ENTRY_CLAIMED;
        *position = channel->call_first - 1;
        return call;
    }
    return NULL;
}

void sim_channel_ring_worker(struct sim *sim, struct sim_channel *channel)
{
    struct sim_process *worker = sim_process_get(sim, channel->worker);
    if (worker != NULL) {
        sim_process_wake(sim, worker, sim_between(sim, 1 * US, 60 * US));
    } else if (channel->kind == CHANNEL_HOLDER) {
        struct sim_event *event = sim_after(sim, sim_between(sim, 1 * US, 100 * US), SIM_BRIDGE);
        event->a = channel->life;
        event->b = channel->lease;
    }
}

static void ring_holder(struct sim *sim, struct sim_channel *channel)
{
    struct sim_process *holder = sim_process_get(sim, channel->holder);
    if (holder != NULL) {
        sim_process_wake(sim, holder, sim_between(sim, 1 * US, 60 * US));
    } else if (channel->kind == CHANNEL_EXECUTOR) {
        struct sim_event *event = sim_after(sim, sim_between(sim, 1 * US, 100 * US), SIM_BRIDGE);
        event->a = channel->life;
        event->b = channel->lease;
    }
}

void sim_channel_answer(
    struct sim *sim, struct sim_channel *channel, uint32_t position, const struct sim_entry *answer)
{
    struct sim_call *call = &channel->calls[position];
    if (call->state != ENTRY_CLAIMED)
        sim_violation(sim, "an entry is answered that nobody had claimed");
    call->state = ENTRY_DONE;
    channel->open_count--;
    struct sim_entry *place = reeve_fifo_push(&channel->returns);
    *place = *answer;
    place->stage = call->entry.stage;
    call->entry.stage = 0;
    ring_holder(sim, channel);
}

void sim_channel_hand(struct sim *sim, struct sim_channel *channel, uint32_t position,
    const uint8_t *bytes, size_t size)
{
    const struct sim_entry *call = &channel->calls[position].entry;
    struct sim_entry *place = reeve_fifo_push(&channel->returns);
    *place = (struct sim_entry){.task = call->task,
        .attempt = call->attempt,
        .function = call->function,
        .handed = sim_keep(sim, bytes, size),
        .handed_size = (uint32_t)size};
    ring_holder(sim, channel);
}

void sim_channel_item(
    struct sim *sim, struct sim_channel *channel, uint32_t position, uint64_t value)
{
    const struct sim_entry *call = &channel->calls[position].entry;
    struct sim_entry *place = reeve_fifo_push(&channel->returns);
    *place = (struct sim_entry){.task = call->task,
        .attempt = call->attempt,
        .function = call->function,
        .item = true,
        .value = value};
    ring_holder(sim, channel);
}

/* ---- the bridge ---- */

static struct sim_frame *frame_of(enum sim_frame_kind kind, uint64_t lease, uint32_t count)
{
    struct sim_frame *frame = sim_alloc(sizeof *frame + count * sizeof frame->entries[0]);
    frame->kind = kind;
    frame->lease = lease;
    frame->count = count;
    return frame;
}

static void send_returns(struct sim *sim, struct sim_daemon *daemon, struct sim_channel *channel)
{
    uint32_t count = (uint32_t)channel->returns.count;
    if (count == 0)
        return;
    struct sim_frame *frame = frame_of(FRAME_RETURNS, channel->lease, count);
    for (uint32_t i = 0; i < count; i++) {
        reeve_fifo_pop(&channel->returns, &frame->entries[i]);
        sim_stage_drop(daemon, &frame->entries[i].stage);
    }
    sim_peer_send(sim, daemon, channel->node, frame);
}

void sim_bridge(struct sim *sim, struct sim_daemon *daemon, uint64_t lease)
{
    struct sim_channel *channel = reeve_map64_get(&daemon->channels, lease);
    if (channel == NULL || channel->revoked)
        return;
    if (channel->kind == CHANNEL_EXECUTOR) {
        sim_stages_serve(sim, daemon, channel);
        send_returns(sim, daemon, channel);
        sim_stages_run(sim, daemon);
        return;
    }
    struct sim_call *call;
    uint32_t position, count = 0;
    struct sim_frame *frame = frame_of(FRAME_CALLS, lease, CALL_SLOTS);
    while (
        channel->kind == CHANNEL_HOLDER && (call = sim_channel_claim(channel, &position)) != NULL)
        frame->entries[count++] = call->entry;
    frame->count = count;
    if (count > 0)
        sim_peer_send(sim, daemon, channel->node, frame);
    else
        free(frame);
}

/* Where a task lies in the ring; the newest of that name. */
static bool find(
    struct sim_channel *channel, uint64_t task, enum sim_entry_state state, uint32_t *position)
{
    for (uint32_t i = channel->call_count; i-- > 0;)
        if (channel->calls[i].entry.task == task && channel->calls[i].state == state) {
            *position = i;
            return true;
        }
    return false;
}

/* That a task is to stop, if it runs; an attempt of 0: that it was only to be taken back. */
static void tell_worker(
    struct sim *sim, struct sim_channel *channel, uint64_t task, uint32_t attempt)
{
    struct sim_process *worker = sim_process_get(sim, channel->worker);
    if (worker != NULL)
        sim_to_process(sim, worker,
            &(struct sim_local){
                .kind = LOCAL_CANCEL, .lease = channel->lease, .task = task, .count = attempt});
}

/* A run of items for the worker, or what that says of them to the holder. */
static void feed_came(
    struct sim *sim, const struct sim_channel *channel, const struct sim_frame *frame)
{
    bool feeds = frame->kind == FRAME_FEED;
    const struct sim_entry *entry = &frame->entries[0];
    struct sim_process *to = sim_process_get(sim, feeds ? channel->worker : channel->holder);
    if (to != NULL && channel->kind == (feeds ? CHANNEL_EXECUTOR : CHANNEL_HOLDER))
        sim_to_process(sim, to,
            &(struct sim_local){.kind = feeds ? LOCAL_FEED : LOCAL_ASK,
                .lease = channel->lease,
                .task = entry->task,
                .count = entry->attempt,
                .bytes = entry->lent,
                .size = entry->lent_size});
}

void sim_channel_frame(
    struct sim *sim, struct sim_daemon *daemon, uint32_t from, struct sim_frame *frame)
{
    struct sim_channel *channel = reeve_map64_get(&daemon->channels, frame->lease);
    if (channel == NULL || channel->node != from || channel->kind == CHANNEL_LOCAL)
        return; /* closed meanwhile */
    uint32_t position;
    for (uint32_t i = 0; i < frame->count; i++) {
        struct sim_entry entry = frame->entries[i];
        switch (frame->kind) {
        case FRAME_CALLS: sim_stage_call(sim, daemon, channel, &entry); break;
        case FRAME_RETURNS:
            if (!find(channel, entry.task, ENTRY_CLAIMED, &position))
                break;
            if (entry.item)
                sim_channel_item(sim, channel, position, entry.value);
            else if (entry.handed != NULL)
                sim_channel_hand(sim, channel, position, entry.handed, entry.handed_size);
            else
                sim_channel_answer(sim, channel, position, &entry);
            break;
        case FRAME_TAKE_BACK:
            if (sim_stage_take_back(daemon, channel, entry.task)) {
                ring_holder(sim, channel);
                break;
            }
            if (!find(channel, entry.task, ENTRY_READY, &position)) {
                if (entry.attempt != 0)
                    tell_worker(sim, channel, entry.task, entry.attempt);
                break;
            }
            sim_channel_recall(channel, position);
            entry = channel->calls[position].entry;
            channel->calls[position].entry.stage = 0;
            entry.recalled = true;
            *(struct sim_entry *)reeve_fifo_push(&channel->returns) = entry;
            ring_holder(sim, channel);
            break;
        case FRAME_CREDIT: {
            struct sim_process *worker = sim_process_get(sim, channel->worker);
            if (worker != NULL)
                sim_to_process(sim, worker,
                    &(struct sim_local){.kind = LOCAL_CREDIT,
                        .lease = channel->lease,
                        .task = entry.task,
                        .count = entry.attempt,
                        .taken = (uint32_t)entry.value});
            break;
        }
        case FRAME_FEED:
        case FRAME_ASK: feed_came(sim, channel, frame); break;
        case FRAME_STORE:
        case FRAME_CONTROL: break;
        }
    }
    if (frame->kind == FRAME_CALLS) {
        sim_stages_serve(sim, daemon, channel);
        ring_holder(sim, channel);
    }
    sim_stages_run(sim, daemon);
}

void sim_take_back(struct sim *sim, struct sim_daemon *daemon, uint64_t lease, uint64_t task)
{
    sim_cancel(sim, daemon, lease, task, 0);
}

void sim_cancel(
    struct sim *sim, struct sim_daemon *daemon, uint64_t lease, uint64_t task, uint32_t attempt)
{
    struct sim_channel *channel = reeve_map64_get(&daemon->channels, lease);
    if (channel != NULL && channel->kind == CHANNEL_LOCAL && attempt != 0)
        tell_worker(sim, channel, task, attempt);
    if (channel == NULL || channel->kind != CHANNEL_HOLDER)
        return;
    struct sim_frame *frame = frame_of(FRAME_TAKE_BACK, lease, 1);
    frame->entries[0].task = task;
    frame->entries[0].attempt = attempt;
    sim_peer_send(sim, daemon, channel->node, frame);
}

void sim_credit(struct sim *sim, struct sim_daemon *daemon, const struct sim_local *m)
{
    const struct sim_channel *channel = reeve_map64_get(&daemon->channels, m->lease);
    if (channel == NULL || channel->kind != CHANNEL_HOLDER)
        return;
    struct sim_frame *frame = frame_of(FRAME_CREDIT, m->lease, 1);
    frame->entries[0].task = m->task;
    frame->entries[0].attempt = m->count;
    frame->entries[0].value = m->taken;
    sim_peer_send(sim, daemon, channel->node, frame);
}

void sim_feed_pass(struct sim *sim, struct sim_daemon *daemon, const struct sim_local *m)
{
    const struct sim_channel *channel = reeve_map64_get(&daemon->channels, m->lease);
    bool feeds = m->kind == LOCAL_FEED;
    if (channel == NULL || channel->kind == (feeds ? CHANNEL_EXECUTOR : CHANNEL_HOLDER))
        return;
    if (channel->kind == CHANNEL_LOCAL) {
        struct sim_process *to = sim_process_get(sim, feeds ? channel->worker : channel->holder);
        if (to != NULL)
            sim_to_process(sim, to, m);
        return;
    }
    struct sim_frame *frame = frame_of(feeds ? FRAME_FEED : FRAME_ASK, m->lease, 1);
    frame->entries[0].task = m->task;
    frame->entries[0].attempt = m->count;
    frame->entries[0].lent = m->bytes;
    frame->entries[0].lent_size = m->size;
    sim_peer_send(sim, daemon, channel->node, frame);
}

/* ---- the end ---- */

static uint32_t revoke(struct sim_channel *channel)
{
    uint32_t in_hand = 0;
    for (uint32_t i = 0; i < channel->call_count; i++) {
        struct sim_call *call = &channel->calls[i];
        if (call->state == ENTRY_READY) {
            call->state = ENTRY_RECALLED;
            channel->open_count--;
        }
        in_hand += call->state == ENTRY_CLAIMED;
    }
    channel->revoked = true;
    return in_hand;
}

/* Answers all that the dead worker's ring still holds: finished, claimed, not claimed. */
static void answer_all(struct sim *sim, struct sim_daemon *daemon, struct sim_channel *channel,
    const struct reeve_node_command *command)
{
    for (uint32_t i = 0; i < channel->call_count; i++) {
        struct sim_call *call = &channel->calls[i];
        if (call->state != ENTRY_READY && call->state != ENTRY_CLAIMED)
            continue;
        struct sim_entry *answer = reeve_fifo_push(&channel->returns);
        *answer = call->entry;
        call->entry.stage = 0;
        answer->object_count = 0;
        answer->recalled = call->state == ENTRY_READY;
        answer->status = call->state == ENTRY_READY ? REEVE_ECANCELLED
                         : command->code != 0       ? command->code
                                                    : REEVE_EWORKERDIED;
        answer->child_died = command->count != 0;
    }
    while (channel->waiting_count > 0)
        sim_stage_take_back(daemon, channel, channel->waiting[0].entry.task);
    send_returns(sim, daemon, channel);
}

void sim_channel_close(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_node_command *command)
{
    uint64_t lease = command->lease;
    int32_t code = command->code;
    bool worker_is_dead = command->kind == REEVE_NODE_COMMAND_CLOSE_DEAD;
    struct sim_channel *channel = reeve_map64_remove(&daemon->channels, lease);
    if (channel == NULL)
        sim_violation(sim, "node %u closes lease %llx, which is not open", daemon->number,
            (unsigned long long)lease);
    if (worker_is_dead && channel->kind == CHANNEL_EXECUTOR)
        answer_all(sim, daemon, channel, command);
    sim_stages_close(daemon, channel);
    sim_stages_run(sim, daemon);
    uint32_t in_hand = revoke(channel);
    struct sim_process *worker = sim_process_get(sim, channel->worker);
    if (worker_is_dead && channel->host != 0 && worker != NULL) /* it may live */
        sim_to_process(sim, worker, &(struct sim_local){.kind = LOCAL_CLOSE, .lease = lease});
    if (worker_is_dead || channel->kind == CHANNEL_HOLDER)
        return;
    if (code == 0 && in_hand > 0 && worker != NULL && !worker->dying)
        sim_violation(sim, "lease %llx was returned with %u entries in hand",
            (unsigned long long)lease, in_hand);
    if (worker != NULL)
        sim_to_process(sim, worker, &(struct sim_local){.kind = LOCAL_CLOSE, .lease = lease});
    struct reeve_node_event closed = {
        .kind = REEVE_NODE_EVENT_CLOSED, .lease = lease, .count = in_hand};
    sim_node_step(sim, daemon, &closed);
}
