/* The executor's side of a bridged channel: the daemon holds for a client of another node.
 *
 *   Calls ──▶ call: arguments staged? ──▶ written into the worker's ring ──▶ its return ──▶ Returns
 *              │         └── not here: failed                  └── worker dead: EWORKERDIED, or
 *              │                                                   RECALLED where not claimed
 *              └── TakeBack: RECALLED, where not claimed
 *
 * Arguments that are objects are brought to this node and pinned before the worker sees the
 * call, so that it is not held up while they travel. A call that waits, for them or for room in
 * the ring, lets those behind it pass only if it waits for its arguments. */
#include <stdlib.h>
#include <string.h>

#include "runtime/channel/entry.h"
#include "runtime/node/shell_channels.h"
#include "runtime/node/shell_output.h"

#define RETURNS_A_TURN 512

static void call_free(struct daemon_call *call)
{
    struct daemon_channel *channel = call->channel;
    if (call->staging || call->staged)
        reeve_store_shell_unstage(channel->daemon->store, call->stage);
    reeve_list_remove(&call->link);
    reeve_map64_remove(&channel->by_task, call->task);
    free(call->payload);
    free(call);
}

static void answer(struct daemon_call *call, int32_t code, const char *text)
{
    struct daemon_batch *batch = daemon_alloc(sizeof *batch);
    uint8_t space[DAEMON_ANSWER_SIZE];
    daemon_batch_init(batch, call->channel, true);
    daemon_entry_answer(call, code, text, space, daemon_batch_next(batch));
    if (!daemon_batch_add(batch))
        daemon_batch_send(batch);
    free(batch);
    call_free(call);
}

static void broken(struct daemon_channel *channel, const char *text)
{
    if (channel->broken)
        return;
    channel->broken = true;
    reeve_log(REEVE_LOG_WARN, "REEVE-WORKER-BAD", "serial=%u why=%s", channel->worker, text);
    daemon_worker_kill(channel->daemon, channel->worker);
}

/* Writes what can be written; false: the ring is full, which a return will tell to have changed. */
static void fill_ring(struct daemon_channel *channel)
{
    uint32_t published = 0;
    REEVE_LIST_EACH_SAFE(link, &channel->calls)
    {
        struct daemon_call *call = REEVE_LIST_ENTRY(link, struct daemon_call, link);
        struct reeve_slot_fill fill;
        if (call->in_ring || call->staging)
            continue;
        int error = reeve_ring_reserve(&channel->end.calls, call->size, &fill);
        if (error == REEVE_EAGAIN)
            break;
        if (error == REEVE_ETOOLARGE) {
            answer(call, REEVE_ETOOLARGE, "the arguments do not fit the worker's ring");
            continue;
        }
        if (error != REEVE_OK) {
            broken(channel, "it has scribbled over its ring");
            break;
        }
        fill.slot->task = call->task;
        fill.slot->attempt = call->attempt;
        fill.slot->function = call->function;
        fill.slot->references = call->references;
        fill.slot->kind = call->kind;
        fill.slot->flags = call->flags;
        fill.slot->status = 0;
        if (call->size > 0)
            memcpy(fill.payload, call->payload, call->size);
        free(call->payload);
        call->payload = NULL;
        call->position = fill.position;
        call->in_ring = true;
        published++;
    }
    struct daemon_client *worker = daemon_channel_client(channel);
    if (published > 0 && reeve_ring_publish(&channel->end.calls) > 0 && worker != NULL)
        reeve_doorbell_ring(worker->bell.page, worker->bell.event_fd);
}

static void on_staged(void *arg, uint64_t stage, int code, const char *text)
{
    struct daemon_call *call = arg;
    struct daemon_channel *channel = call->channel;
    (void)stage;
    call->staging = false;
    if (code != REEVE_OK) {
        answer(call, code, text);
        return;
    }
    call->staged = true;
    fill_ring(channel);
}

/* Brings the call's objects here. False: it has failed and been answered. */
static bool stage(struct daemon_call *call)
{
    if (call->references == 0)
        return true;
    struct reeve_store_wanted wanted[16], *all = wanted;
    if (call->references > 16)
        all = daemon_alloc(call->references * sizeof *all);
    for (uint32_t i = 0; i < call->references; i++) {
        struct reeve_reference reference;
        memcpy(&reference, call->payload + i * sizeof reference, sizeof reference);
        all[i] = (struct reeve_store_wanted){
            .id = reference.id, .size = reference.size_bytes, .node = reference.node};
    }
    const char *text = "";
    int error = reeve_store_shell_stage(
        call->channel->daemon->store, all, call->references, on_staged, call, &call->stage, &text);
    call->staged = error == REEVE_OK;
    call->staging = error == REEVE_EAGAIN;
    if (error != REEVE_OK && error != REEVE_EAGAIN)
        answer(call, error, text);
    if (all != wanted)
        free(all);
    daemon_objects_arm(call->channel->daemon);
    return error == REEVE_OK || error == REEVE_EAGAIN;
}

void daemon_executor_calls(struct daemon_channel *channel, const Reeve__Calls *calls)
{
    for (size_t i = 0; i < calls->n_entries; i++) {
        const Reeve__Entry *entry = calls->entries[i];
        if (!daemon_entry_check(entry) ||
            entry->payload.len > channel->end.geometry.call_payload_bytes ||
            reeve_map64_get(&channel->by_task, entry->task) != NULL)
            continue; /* no daemon of ours sends such a thing */
        struct daemon_call *call = daemon_alloc(sizeof *call);
        call->channel = channel;
        call->task = entry->task;
        call->attempt = entry->attempt;
        call->function = entry->function;
        call->references = (uint16_t)entry->reference_count;
        call->flags = (uint16_t)entry->flags;
        call->kind = REEVE_ENTRY_CALL;
        call->size = (uint32_t)entry->payload.len;
        if (call->size > 0) {
            call->payload = daemon_alloc(call->size);
            memcpy(call->payload, entry->payload.data, call->size);
        }
        reeve_list_push_back(&channel->calls, &call->link);
        daemon_put(&channel->by_task, call->task, call);
        (void)stage(call);
    }
    fill_ring(channel);
}

void daemon_executor_take_back(struct daemon_channel *channel, const Reeve__TakeBack *take_back)
{
    for (size_t i = 0; i < take_back->n_tasks; i++) {
        struct daemon_call *call = reeve_map64_get(&channel->by_task, take_back->tasks[i]);
        if (call == NULL)
            continue; /* its result is on the way */
        if (!call->in_ring || reeve_ring_recall(&channel->end.calls, call->position))
            answer(call, REEVE_ECANCELLED, "");
    }
}

/* What a task has printed goes before its result, on the same session: when the driver has the
 * result, its node has the lines. */
static void send_returns(struct daemon_channel *channel, struct daemon_batch *batch)
{
    struct daemon_worker *worker = reeve_map64_get(&channel->daemon->workers, channel->worker);
    if (batch->count > 0 && worker != NULL && worker->output != NULL)
        daemon_output_drain(worker->output);
    daemon_batch_send(batch);
}

/* Passes on what the worker has returned. True: something was there. */
static bool returns_take(struct daemon_channel *channel)
{
    if (channel->broken || !reeve_ring_peek(&channel->end.returns))
        return false;
    static struct daemon_batch batch; /* the loop's thread alone is here, and never twice */
    uint64_t positions[DAEMON_BATCH_ENTRIES];
    size_t held = 0;
    unsigned count = 0;
    int error = REEVE_OK;
    struct reeve_entry_view view;
    daemon_batch_init(&batch, channel, true);
    while (count < RETURNS_A_TURN &&
           (error = reeve_ring_claim(&channel->end.returns, &view)) == REEVE_OK) {
        count++;
        positions[held++] = view.position;
        struct daemon_call *call = reeve_map64_get(&channel->by_task, view.task);
        bool sent = false;
        if (call != NULL && call->in_ring) {
            daemon_entry_from_view(&view, daemon_batch_next(&batch));
            sent = daemon_batch_add(&batch);
            call_free(call);
        }
        if (!sent && held < DAEMON_BATCH_ENTRIES)
            continue;
        send_returns(channel, &batch); /* before its bytes are given back */
        for (size_t i = 0; i < held; i++)
            reeve_ring_done(&channel->end.returns, positions[i]);
        held = 0;
    }
    send_returns(channel, &batch);
    for (size_t i = 0; i < held; i++)
        reeve_ring_done(&channel->end.returns, positions[i]);
    if (error != REEVE_OK && error != REEVE_EAGAIN)
        broken(channel, "a malformed return");
    fill_ring(channel);
    return count > 0;
}

bool daemon_executor_turn(struct daemon_channel *channel)
{
    return !daemon_bridge_is_full(channel) && returns_take(channel);
}

void daemon_executor_answer_all(
    struct daemon_channel *channel, const struct reeve_node_command *command)
{
    while (returns_take(channel))
        ; /* what it has returned before it died is as good as any, however full the link is */
    REEVE_LIST_EACH_SAFE(link, &channel->calls)
    {
        struct daemon_call *call = REEVE_LIST_ENTRY(link, struct daemon_call, link);
        int state = call->in_ring ? reeve_ring_state(&channel->end.calls, call->position)
                                  : REEVE_SLOT_REVOKED;
        /* READY: written just now, into the room that those returns had made */
        bool was_running = state != REEVE_SLOT_REVOKED && state != REEVE_SLOT_READY;
        call->flags = command->count != 0 ? REEVE_ENTRY_CHILD_DIED : 0;
        answer(call, was_running ? command->code : REEVE_ECANCELLED, command->text);
    }
}

void daemon_executor_free(struct daemon_channel *channel)
{
    REEVE_LIST_EACH_SAFE(link, &channel->calls)
    {
        call_free(REEVE_LIST_ENTRY(link, struct daemon_call, link));
    }
}
