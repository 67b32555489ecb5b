/* The executor's side of a bridged channel: the daemon holds for a client of another node.
 *
 *   Calls ──▶ call: arguments staged? ──▶ written into the worker's ring ──▶ its return ──▶ Returns
 *              │         └── not here: failed                  └── worker dead: EWORKERDIED, or
 *              │                                                   RECALLED where not claimed
 *              └── TakeBack: RECALLED, where not claimed
 *
 * Arguments that are objects are brought to this node and pinned before the worker sees the
 * call, so that it is not held up while they travel. A call that waits, for them or for room in
 * the ring, lets those behind it pass only if it waits for its arguments, and is not of an actor.
 * One that waits for nothing goes from the frame straight into the ring.
 *
 * Calls of actors keep their order: those behind wait with one whose arguments travel (theirs
 * travel meanwhile, if they are small), and when it fails because one of these is lost they are
 * RECALLED with it, until its holder resumes (entry.h).
 *
 * A stage may end at any depth, also while another call is being looked at; so it only leaves a
 * note, and the next turn goes on with the call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/channel/entry.h"
#include "runtime/node/shell_channels.h"
#include "runtime/node/shell_output.h"

/* Calls of an actor that wait have their arguments brought beside each other up to so much; beyond
 * it one after the other, lest those behind have the room that the first needs. */
#define AHEAD_BYTES ((uint64_t)4 << 20)

static void unstage(struct daemon_channel *channel, uint64_t stage)
{
    if (stage == 0)
        return;
    reeve_store_shell_unstage(channel->daemon->store, stage);
    daemon_objects_arm(channel->daemon);
}

static void call_free(struct daemon_call *call)
{
    unstage(call->channel, call->stage);
    reeve_list_remove(&call->link);
    call->channel->call_count--;
    call->channel->waiting_bytes -= call->bytes;
    free(call);
}

static void sent_free(struct daemon_channel *channel, struct daemon_sent *sent)
{
    uint64_t stage = sent->stage;
    *sent = (struct daemon_sent){0};
    channel->sent_count--;
    unstage(channel, stage);
}

static void broken(struct daemon_channel *channel, const char *text)
{
    if (channel->broken)
        return;
    channel->broken = true;
    reeve_log(REEVE_LOG_WARN, "REEVE-WORKER-BAD", "serial=%u why=%s", channel->worker, text);
    daemon_worker_kill(channel->daemon, channel->worker);
}

static void publish(struct daemon_channel *channel)
{
    const struct daemon_client *worker = daemon_channel_client(channel);
    if (reeve_ring_publish(&channel->end.calls) > 0 && worker != NULL)
        reeve_doorbell_ring(worker->bell.page, worker->bell.event_fd);
}

/* Into the worker's ring, with the pins of its arguments. False: there is no room, which a return
 * will tell to have changed. */
static bool give(
    struct daemon_channel *channel, const struct reeve_run_entry *entry, uint64_t stage)
{
    uint64_t position;
    int error = daemon_entry_write(&channel->end.calls, entry, &position);
    if (error == REEVE_ETOOLARGE) {
        daemon_entry_answer(
            channel, entry, REEVE_ETOOLARGE, "the arguments do not fit the worker's ring");
        unstage(channel, stage);
        return true;
    }
    if (error != REEVE_OK) {
        if (error != REEVE_EAGAIN)
            broken(channel, "it has scribbled over its ring");
        return false;
    }
    *daemon_sent_at(channel, position) = (struct daemon_sent){.task = entry->task,
        .position = position,
        .stage = stage,
        .tag = entry->tag,
        .attempt = entry->attempt,
        .function = entry->function,
        .taken = true};
    channel->sent_count++;
    channel->given = position + 1;
    return true;
}

static struct daemon_call *first_call(const struct daemon_channel *channel)
{
    return REEVE_LIST_ENTRY(channel->calls.next, struct daemon_call, link);
}

/* What was sent behind a call of an actor that is refused is refused, too. */
static void refuse_all(struct daemon_channel *channel)
{
    channel->refuses = true;
    while (!reeve_list_is_empty(&channel->calls)) {
        daemon_entry_answer(channel, &first_call(channel)->entry, REEVE_ECANCELLED, "");
        call_free(first_call(channel));
    }
}

static void stage(struct daemon_call *call);

/* Goes on with the calls that wait, as far as that is possible. */
static void serve_waiting(struct daemon_channel *channel)
{
    channel->calls_changed = false;
    REEVE_LIST_EACH_SAFE(link, &channel->calls)
    {
        struct daemon_call *call = REEVE_LIST_ENTRY(link, struct daemon_call, link);
        if (call->unstaged) /* it is the first now */
            stage(call);
        if (call->staging && channel->ordered)
            break;
        if (call->staging)
            continue;
        if (reeve_error_is_loss(call->code)) {
            daemon_entry_answer_lost(channel, &call->entry, call->code, call->lost, call->text);
            if (channel->ordered) {
                call_free(call);
                refuse_all(channel);
                break;
            }
        } else if (call->code != REEVE_OK) {
            daemon_entry_answer(channel, &call->entry, call->code, call->text);
        } else {
            if (!give(channel, &call->entry, call->stage))
                break;
            call->stage = 0; /* the pins went with it */
        }
        call_free(call);
    }
    publish(channel);
}

/* --- calls come ------------------------------------------------------------------------------- */

static void on_staged(void *arg, uint64_t stage, int code, const char *text)
{
    struct daemon_call *call = arg;
    (void)stage;
    call->staging = false;
    daemon_timeline_staged(call);
    if (code != REEVE_OK)
        call->stage = 0; /* it is over */
    call->code = code;
    call->lost = reeve_store_shell_stage_failed(call->channel->daemon->store);
    snprintf(call->text, sizeof call->text, "%s", text);
    call->channel->calls_changed = true;
    daemon_bridge_soon(call->channel->daemon);
}

/* Brings the call's objects here. */
static void stage(struct daemon_call *call)
{
    struct reeve_store_wanted wanted[16], *all = wanted;
    const struct reeve_run_entry *entry = &call->entry;
    if (entry->references > 16)
        all = daemon_alloc(entry->references * sizeof *all);
    for (uint32_t i = 0; i < entry->references; i++) {
        struct reeve_reference reference;
        memcpy(&reference, entry->payload + i * sizeof reference, sizeof reference);
        all[i] = (struct reeve_store_wanted){.id = reference.id,
            .size = reference.size_bytes,
            .node = reference.node,
            .given = reference.flags & REEVE_REFERENCE_GIVEN};
    }
    const char *text = "";
    call->unstaged = false;
    call->staging_since_ns = reeve_clock_monotonic_ns();
    int error = reeve_store_shell_stage(
        call->channel->daemon->store, all, entry->references, on_staged, call, &call->stage, &text);
    call->staging = error == REEVE_EAGAIN;
    if (error != REEVE_OK && error != REEVE_EAGAIN) {
        call->stage = 0;
        call->code = error;
        call->lost = reeve_store_shell_stage_failed(call->channel->daemon->store);
        snprintf(call->text, sizeof call->text, "%s", text);
    }
    if (all != wanted)
        free(all);
    daemon_objects_arm(call->channel->daemon);
}

static uint64_t reference_bytes(const struct reeve_run_entry *entry)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < entry->references; i++) {
        struct reeve_reference reference;
        memcpy(&reference, entry->payload + i * sizeof reference, sizeof reference);
        bytes += reference.size_bytes;
    }
    return bytes;
}

static void call_wait(struct daemon_channel *channel, const struct reeve_run_entry *entry)
{
    struct daemon_call *call = daemon_alloc(sizeof *call + entry->length);
    call->channel = channel;
    call->entry = *entry;
    call->entry.payload = call->payload;
    if (entry->length > 0)
        memcpy(call->payload, entry->payload, entry->length);
    call->bytes = reference_bytes(entry);
    call->unstaged = entry->references > 0;
    bool waits = channel->ordered && !reeve_list_is_empty(&channel->calls) &&
                 channel->waiting_bytes + call->bytes > AHEAD_BYTES;
    reeve_list_push_back(&channel->calls, &call->link);
    channel->call_count++;
    channel->waiting_bytes += call->bytes;
    channel->calls_changed = true;
    if (call->unstaged && !waits)
        stage(call);
}

void daemon_executor_calls(struct daemon_channel *channel, const Reeve__Calls *calls)
{
    const uint8_t *at = calls->entries.data;
    size_t left = calls->entries.len;
    struct reeve_run_entry entry;
    while (reeve_run_next(&at, &left, &entry)) {
        if (!daemon_entry_check(&entry) ||
            channel->sent_count + channel->call_count >= channel->end.geometry.call_slots)
            continue; /* no daemon of ours sends such a thing, nor more than its own ring holds */
        entry.kind = REEVE_ENTRY_CALL;
        daemon_entry_restamp(&entry);
        channel->refuses = channel->refuses && !(entry.flags & REEVE_ENTRY_RESUMES);
        if (channel->refuses) {
            daemon_entry_answer(channel, &entry, REEVE_ECANCELLED, "");
            continue;
        }
        if (entry.references > 0 || !reeve_list_is_empty(&channel->calls) ||
            !give(channel, &entry, 0))
            call_wait(channel, &entry);
    }
    if (channel->calls_changed)
        serve_waiting(channel);
    else
        publish(channel);
}

/* --- and go ----------------------------------------------------------------------------------- */

static struct daemon_sent *sent_find(const struct daemon_channel *channel, uint64_t task)
{
    for (uint32_t i = 0; i < channel->end.geometry.call_slots; i++) {
        if (channel->sent[i].taken && channel->sent[i].task == task)
            return &channel->sent[i];
    }
    return NULL;
}

static struct daemon_call *call_find(const struct daemon_channel *channel, uint64_t task)
{
    REEVE_LIST_EACH(link, &channel->calls)
    {
        struct daemon_call *call = REEVE_LIST_ENTRY(link, struct daemon_call, link);
        if (call->entry.task == task)
            return call;
    }
    return NULL;
}

/* To the holder, without a run of its own: RECALLED, or lost with the worker. */
/* `flags`: of the answer. */
static void sent_answer(struct daemon_channel *channel, struct daemon_sent *sent, uint16_t flags,
    int32_t code, const char *text)
{
    struct reeve_run_entry entry = {.task = sent->task,
        .tag = sent->tag,
        .attempt = sent->attempt,
        .function = sent->function,
        .flags = flags};
    daemon_entry_answer(channel, &entry, code, text);
    sent_free(channel, sent);
}

void daemon_executor_cancel(
    struct daemon_channel *channel, uint64_t task, const Reeve__Cancel *cancel)
{
    struct daemon_worker *worker = reeve_map64_get(&channel->daemon->workers, channel->worker);
    struct reeve_local_message message = {.kind = REEVE_LOCAL_CANCEL,
        .lease = channel->lease,
        .task = task,
        .count = cancel->attempt,
        .size = cancel->grace_ms,
        .flags = cancel->keep_children ? REEVE_LOCAL_KEEP_CHILDREN : 0};
    if (worker != NULL && worker->client != NULL)
        daemon_client_send(worker->client, &message);
}

void daemon_executor_credit(struct daemon_channel *channel, const Reeve__Credit *credit)
{
    struct daemon_worker *worker = reeve_map64_get(&channel->daemon->workers, channel->worker);
    struct reeve_local_message message = {.kind = REEVE_LOCAL_CREDIT,
        .lease = channel->lease,
        .task = credit->task,
        .count = credit->attempt,
        .size = credit->taken};
    if (worker != NULL && worker->client != NULL)
        daemon_client_send(worker->client, &message);
}

void daemon_executor_progress(struct daemon_channel *channel, const Reeve__Progress *asked)
{
    const struct daemon_client *worker = daemon_channel_client(channel);
    const struct daemon_peer *peer = daemon_peer_get(channel->daemon, channel->node);
    struct reeve_progress_key key = {channel->caller, asked->task, asked->attempt};
    Reeve__Progress progress = *asked;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    if (worker == NULL || worker->bell.page == NULL || peer == NULL || peer->session == 0)
        return; /* it has ended, as the holder presently hears */
    progress.has_done = progress.has_total =
        reeve_progress_read(&worker->bell.page->progress, &key, &progress.done, &progress.total);
    message.body_case = REEVE__MESSAGE__BODY_PROGRESS;
    message.progress = &progress;
    (void)reeve_link_send(channel->daemon->link, peer->session, &message);
}

void daemon_executor_take_back(struct daemon_channel *channel, const Reeve__TakeBack *take_back)
{
    for (size_t i = 0; i < take_back->n_tasks; i++) {
        struct daemon_sent *sent = sent_find(channel, take_back->tasks[i]);
        struct daemon_call *call = sent == NULL ? call_find(channel, take_back->tasks[i]) : NULL;
        if (call != NULL) {
            daemon_entry_answer(channel, &call->entry, REEVE_ECANCELLED, "");
            call_free(call);
            channel->calls_changed = true; /* it may have been in front of others */
            daemon_bridge_soon(channel->daemon);
        } else if (sent != NULL && reeve_ring_recall(&channel->end.calls, sent->position)) {
            sent_answer(channel, sent, 0, REEVE_ECANCELLED, "");
        } else if (sent != NULL && take_back->cancel != NULL) {
            daemon_executor_cancel(channel, sent->task, take_back->cancel);
        } /* else its result is on the way */
    }
}

/* --- returns ---------------------------------------------------------------------------------- */

/* The call that a return answers. A worker answers in order, but for what was taken back. */
static struct daemon_sent *sent_answered(
    struct daemon_channel *channel, const struct reeve_entry_view *view)
{
    for (uint64_t position = channel->next; position < channel->given; position++) {
        struct daemon_sent *sent = daemon_sent_at(channel, position);
        if (sent->taken && sent->task == view->task && sent->attempt == view->attempt) {
            channel->next = position + 1;
            return sent;
        }
    }
    return sent_find(channel, view->task);
}

/* The call that a piece is of, which is mostly the one that is answered next. */
static struct daemon_sent *sent_begun(
    const struct daemon_channel *channel, const struct reeve_entry_view *view)
{
    if (channel->next < channel->given) {
        struct daemon_sent *sent = daemon_sent_at(channel, channel->next);
        if (sent->taken && sent->task == view->task && sent->attempt == view->attempt)
            return sent;
    }
    return sent_find(channel, view->task);
}

/* What a task has printed goes before its result, on the same session: when the driver has the
 * result, its node has the lines. So the output is read when it is known which results go. */
static void drain_output(struct daemon_channel *channel)
{
    struct daemon_worker *worker = reeve_map64_get(&channel->daemon->workers, channel->worker);
    if (worker != NULL && worker->output != NULL)
        daemon_output_drain(worker->output);
}

/* Passes on what the worker has returned. */
static uint32_t returns_take(struct daemon_channel *channel)
{
    if (channel->broken || !reeve_ring_peek(&channel->end.returns))
        return 0;
    /* the loop's thread alone is here, and never twice */
    static struct reeve_entry_view views[DAEMON_ENTRIES_A_TURN];
    uint32_t count = 0;
    int error = REEVE_OK;
    while (count < DAEMON_ENTRIES_A_TURN &&
           (error = reeve_ring_claim(&channel->end.returns, &views[count])) == REEVE_OK)
        count++;
    if (count > 0)
        drain_output(channel);
    for (uint32_t i = 0; i < count; i++) {
        bool answers = reeve_entry_answers(views[i].kind);
        struct daemon_sent *sent =
            answers ? sent_answered(channel, &views[i]) : sent_begun(channel, &views[i]);
        if (sent != NULL || views[i].kind == REEVE_ENTRY_SAVED) {
            struct reeve_run_entry entry;
            daemon_entry_from_view(&views[i], sent != NULL ? sent->tag : 0, &entry);
            daemon_entry_send(channel, &entry);
            if (answers)
                sent_free(channel, sent);
        }
        reeve_ring_done(&channel->end.returns, views[i].position);
    }
    if (error != REEVE_OK && error != REEVE_EAGAIN)
        broken(channel, "a malformed return");
    return count;
}

uint32_t daemon_executor_turn(struct daemon_channel *channel)
{
    uint32_t count = daemon_bridge_is_full(channel) ? 0 : returns_take(channel);
    if (channel->calls_changed || (count > 0 && channel->call_count > 0))
        serve_waiting(channel);
    return count;
}

void daemon_executor_answer_all(
    struct daemon_channel *channel, const struct reeve_node_command *command)
{
    uint16_t flags = command->count != 0 ? REEVE_ENTRY_CHILD_DIED : 0;
    while (returns_take(channel) > 0)
        ; /* what it has returned before it died is as good as any, however full the link is */
    for (uint32_t i = 0; i < channel->end.geometry.call_slots; i++) {
        struct daemon_sent *sent = &channel->sent[i];
        if (!sent->taken)
            continue;
        bool begun = reeve_ring_state(&channel->end.calls, sent->position) != REEVE_SLOT_REVOKED;
        if (begun)
            sent_answer(channel, sent, flags, command->code, command->text);
        else
            sent_answer(channel, sent, 0, REEVE_ECANCELLED, "");
    }
    refuse_all(channel);
}

void daemon_executor_free(struct daemon_channel *channel)
{
    for (uint32_t i = 0; channel->sent != NULL && i < channel->end.geometry.call_slots; i++) {
        if (channel->sent[i].taken)
            sent_free(channel, &channel->sent[i]);
    }
    while (!reeve_list_is_empty(&channel->calls))
        call_free(first_call(channel));
}
