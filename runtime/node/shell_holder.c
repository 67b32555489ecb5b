/* The holder's side of a bridged channel: the daemon works for a client of its own, by proxy.
 *
 *   client's call ring ─claim─▶ Calls ─▶ … ─▶ Returns ─▶ client's return ring; the call is done
 *
 * A call stays CLAIMED until its answer is in the return ring: when the lease is lost the client
 * can tell from it that the task may have run. Results that find the return ring full wait here,
 * and are tried again shortly: the one case in which time alone helps, as nobody rings who makes
 * room. */
#include <stdlib.h>
#include <string.h>

#include "runtime/channel/entry.h"
#include "runtime/node/shell_channels.h"

#define CALLS_A_TURN 512

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

static bool write_result(struct daemon_channel *channel, const struct daemon_result *result)
{
    struct reeve_slot_fill fill;
    int error = reeve_ring_reserve(&channel->end.returns, result->size, &fill);
    if (error != REEVE_OK)
        return false;
    fill.slot->task = result->task;
    fill.slot->attempt = result->attempt;
    fill.slot->function = result->function;
    fill.slot->references = result->references;
    fill.slot->kind = result->kind;
    fill.slot->flags = result->flags;
    fill.slot->status = result->status;
    memcpy(fill.payload, result->payload, result->size);
    reeve_ring_publish(&channel->end.returns);
    if (result->kind == REEVE_ENTRY_HANDED) /* its answer is yet to come */
        return true;
    uintptr_t position = (uintptr_t)reeve_map64_remove(&channel->by_task, result->task);
    if (position != 0)
        reeve_ring_done(&channel->end.calls, position - 1);
    return true;
}

static bool write_results(struct daemon_channel *channel)
{
    bool any = false;
    REEVE_LIST_EACH_SAFE(link, &channel->results)
    {
        struct daemon_result *result = REEVE_LIST_ENTRY(link, struct daemon_result, link);
        if (!write_result(channel, result))
            break;
        any = true;
        reeve_list_remove(&result->link);
        free(result);
    }
    struct daemon_client *client = daemon_channel_client(channel);
    if (any && client != NULL)
        reeve_doorbell_ring(client->bell.page, client->bell.event_fd);
    return any;
}

void daemon_holder_returns(struct daemon_channel *channel, const Reeve__Returns *returns)
{
    for (size_t i = 0; i < returns->n_entries; i++) {
        const Reeve__Entry *entry = returns->entries[i];
        if (!daemon_entry_check(entry) ||
            entry->payload.len > channel->end.geometry.return_payload_bytes ||
            reeve_map64_get(&channel->by_task, entry->task) == NULL)
            continue;
        struct daemon_result *result = daemon_alloc(sizeof *result + entry->payload.len);
        reeve_list_push_back(&channel->results, &result->link);
        result->task = entry->task;
        result->attempt = entry->attempt;
        result->function = entry->function;
        result->status = (int16_t)entry->status;
        result->references = (uint16_t)entry->reference_count;
        result->flags = (uint16_t)entry->flags;
        result->kind = (uint8_t)entry->kind;
        result->size = (uint32_t)entry->payload.len;
        if (result->size > 0)
            memcpy(result->payload, entry->payload.data, result->size);
    }
    write_results(channel);
}

void daemon_holder_answer_all(struct daemon_channel *channel)
{
    size_t at = 0;
    uint64_t task;
    void *value;
    while (reeve_map64_next(&channel->by_task, &at, &task, &value)) {
        const struct reeve_slot *slot = reeve_ring_slot(&channel->end.calls, (uintptr_t)value - 1);
        struct daemon_result *result = daemon_alloc(sizeof *result);
        result->task = task;
        result->attempt = slot->attempt;
        result->function = slot->function;
        result->status = REEVE_ECANCELLED;
        result->kind = REEVE_ENTRY_RECALLED;
        reeve_list_push_back(&channel->results, &result->link);
    }
    write_results(channel);
}

bool daemon_holder_turn(struct daemon_channel *channel)
{
    if (!reeve_list_is_empty(&channel->results))
        write_results(channel);
    if (channel->broken || !reeve_ring_peek(&channel->end.calls) || daemon_bridge_is_full(channel))
        return false;
    static struct daemon_batch batch; /* the loop's thread alone is here, and never twice */
    unsigned count = 0;
    int error = REEVE_OK;
    struct reeve_entry_view view;
    daemon_batch_init(&batch, channel, false);
    while (count < CALLS_A_TURN &&
           (error = reeve_ring_claim(&channel->end.calls, &view)) == REEVE_OK) {
        count++;
        if (reeve_map64_get(&channel->by_task, view.task) != NULL) {
            broken(channel); /* one task twice */
            return false;
        }
        daemon_put(&channel->by_task, view.task, (void *)(uintptr_t)(view.position + 1));
        daemon_entry_from_view(&view, daemon_batch_next(&batch));
        (void)daemon_batch_add(&batch);
    }
    daemon_batch_send(&batch);
    if (error != REEVE_OK && error != REEVE_EAGAIN)
        broken(channel);
    return count > 0;
}

void daemon_holder_free(struct daemon_channel *channel)
{
    write_results(channel);
    REEVE_LIST_EACH_SAFE(link, &channel->results)
    {
        reeve_list_remove(link);
        free(REEVE_LIST_ENTRY(link, struct daemon_result, link));
    }
}
