/* The holder's side of a bridged channel: the daemon works for a client of its own, by proxy.
 *
 *   client's call ring ─claim─▶ Calls ─▶ … ─▶ Returns ─▶ client's return ring; the call is done
 *
 * A call stays CLAIMED until its answer is in the return ring: when the lease is lost the client
 * can tell from it that the task may have run. Its slot is the tag by which its return is known.
 * Results that find the return ring full wait here, and are tried again shortly: the one case in
 * which time alone helps, as nobody rings who makes room. */
#include <stdlib.h>
#include <string.h>

#include "runtime/channel/entry.h"
#include "runtime/node/shell_channels.h"

static void broken(struct daemon_channel *channel)
{
    if (channel->broken)
        return;
    channel->broken = true;
    reeve_log(REEVE_LOG_WARN, "REEVE-CLIENT-BAD", "serial=%u why=%s", channel->holder,
        "it has scribbled over its ring");
    struct daemon_client *client = daemon_channel_client(channel);
    if (client != NULL)
        daemon_client_hang_up(client);
}

static struct daemon_sent *sent_of(
    const struct daemon_channel *channel, const struct reeve_run_entry *entry)
{
    struct daemon_sent *sent = daemon_sent_at(channel, entry->tag);
    return sent->taken && sent->task == entry->task && sent->tag == entry->tag ? sent : NULL;
}

/* Answers that have been written, and not yet published; their calls are done once they are. */
struct written {
    struct daemon_channel *channel;
    uint64_t positions[DAEMON_ENTRIES_A_TURN];
    uint32_t count;
    bool any; /* pieces that answer no call count, too */
};

static void publish(struct written *written)
{
    struct daemon_channel *channel = written->channel;
    if (!written->any)
        return;
    reeve_ring_publish(&channel->end.returns);
    for (uint32_t i = 0; i < written->count; i++)
        reeve_ring_done(&channel->end.calls, written->positions[i]);
    written->count = 0;
    written->any = false;
    const struct daemon_client *client = daemon_channel_client(channel);
    if (client != NULL)
        reeve_doorbell_ring(client->bell.page, client->bell.event_fd);
}

static bool write_result(struct written *written, const struct reeve_run_entry *entry)
{
    struct daemon_channel *channel = written->channel;
    struct daemon_sent *sent = sent_of(channel, entry);
    uint64_t position;
    if (sent == NULL && entry->kind != REEVE_ENTRY_SAVED)
        return true; /* it has been answered */
    if (daemon_entry_write(&channel->end.returns, entry, &position) != REEVE_OK)
        return false;
    written->any = true;
    if (!reeve_entry_answers(entry->kind))
        return true;
    written->positions[written->count++] = sent->position;
    *sent = (struct daemon_sent){0};
    channel->sent_count--;
    if (written->count == DAEMON_ENTRIES_A_TURN)
        publish(written);
    return true;
}

static void write_results(struct daemon_channel *channel)
{
    struct written written = {.channel = channel};
    REEVE_LIST_EACH_SAFE(link, &channel->results)
    {
        struct daemon_result *result = REEVE_LIST_ENTRY(link, struct daemon_result, link);
        if (!write_result(&written, &result->entry))
            break;
        reeve_list_remove(&result->link);
        free(result);
    }
    publish(&written);
}

static void result_wait(struct daemon_channel *channel, const struct reeve_run_entry *entry)
{
    struct daemon_result *result = daemon_alloc(sizeof *result + entry->length);
    result->entry = *entry;
    result->entry.payload = result->payload;
    if (entry->length > 0)
        memcpy(result->payload, entry->payload, entry->length);
    reeve_list_push_back(&channel->results, &result->link);
}

void daemon_holder_returns(struct daemon_channel *channel, const Reeve__Returns *returns)
{
    const uint8_t *at = returns->entries.data;
    size_t left = returns->entries.len;
    struct reeve_run_entry entry;
    struct written written = {.channel = channel};
    while (reeve_run_next(&at, &left, &entry)) {
        if (!daemon_entry_check(&entry) ||
            entry.length > channel->end.geometry.return_payload_bytes ||
            (sent_of(channel, &entry) == NULL && entry.kind != REEVE_ENTRY_SAVED))
            continue;
        if (!reeve_list_is_empty(&channel->results) || !write_result(&written, &entry))
            result_wait(channel, &entry);
    }
    publish(&written);
    if (!reeve_list_is_empty(&channel->results))
        write_results(channel);
}

void daemon_holder_answer_all(struct daemon_channel *channel)
{
    for (uint32_t i = 0; i < channel->end.geometry.call_slots; i++) {
        const struct daemon_sent *sent = &channel->sent[i];
        if (!sent->taken)
            continue;
        struct reeve_run_entry entry = {.task = sent->task,
            .tag = sent->tag,
            .attempt = sent->attempt,
            .function = sent->function,
            .status = REEVE_ECANCELLED,
            .kind = REEVE_ENTRY_RECALLED};
        result_wait(channel, &entry);
    }
    write_results(channel);
}

uint32_t daemon_holder_turn(struct daemon_channel *channel)
{
    if (!reeve_list_is_empty(&channel->results))
        write_results(channel);
    if (channel->broken || !reeve_ring_peek(&channel->end.calls) || daemon_bridge_is_full(channel))
        return 0;
    uint32_t count = 0;
    int error = REEVE_OK;
    struct reeve_entry_view view;
    while (count < DAEMON_ENTRIES_A_TURN &&
           (error = reeve_ring_claim(&channel->end.calls, &view)) == REEVE_OK) {
        struct reeve_run_entry entry;
        struct daemon_sent *sent = daemon_sent_at(channel, view.position);
        count++;
        *sent = (struct daemon_sent){.task = view.task,
            .position = view.position,
            .tag = (uint32_t)view.position,
            .attempt = view.attempt,
            .function = view.function,
            .taken = true};
        channel->sent_count++;
        daemon_entry_from_view(&view, sent->tag, &entry);
        daemon_entry_restamp(&entry);
        daemon_entry_send(channel, &entry);
    }
    if (error != REEVE_OK && error != REEVE_EAGAIN)
        broken(channel);
    return count;
}

bool daemon_holder_has(const struct daemon_channel *channel, uint64_t task)
{
    for (uint32_t i = 0; i < channel->end.geometry.call_slots; i++) {
        if (channel->sent[i].taken && channel->sent[i].task == task)
            return true;
    }
    return false;
}

void daemon_holder_free(struct daemon_channel *channel)
{
    if (channel->sent != NULL)
        write_results(channel);
    REEVE_LIST_EACH_SAFE(link, &channel->results)
    {
        reeve_list_remove(link);
        free(REEVE_LIST_ENTRY(link, struct daemon_result, link));
    }
}
