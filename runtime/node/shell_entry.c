/* A slot of a ring ↔ Entry on the wire, and batches of them. The payload travels as it lies in
 * the ring (runtime/channel/entry.h). */
#include <string.h>

#include "runtime/channel/entry.h"
#include "runtime/node/shell_channels.h"

void daemon_entry_from_view(const struct reeve_entry_view *view, Reeve__Entry *entry)
{
    reeve__entry__init(entry);
    entry->task = view->task;
    entry->attempt = view->attempt;
    entry->function = view->function;
    entry->has_status = view->status != 0;
    entry->status = view->status;
    entry->has_payload = view->length > 0;
    entry->payload.data = (uint8_t *)view->payload;
    entry->payload.len = view->length;
    entry->has_reference_count = view->references > 0;
    entry->reference_count = view->references;
    entry->has_flags = view->flags != 0;
    entry->flags = view->flags;
    entry->has_kind = true;
    entry->kind = view->kind;
}

bool daemon_entry_check(const Reeve__Entry *entry)
{
    struct reeve_entry_parts parts;
    return entry->payload.len <= REEVE_FRAME_SIZE_MAX && entry->kind <= UINT8_MAX &&
           entry->flags <= UINT16_MAX && entry->reference_count <= UINT16_MAX &&
           entry->status >= INT16_MIN && entry->status <= INT16_MAX &&
           reeve_entry_split(entry->payload.data, (uint32_t)entry->payload.len,
               (uint16_t)entry->reference_count, (uint16_t)entry->flags, &parts);
}

/* {"message": text} */
static size_t pack_message(uint8_t *out, const char *text)
{
    size_t length = strnlen(text, REEVE_TEXT_SIZE - 1), at = 0;
    out[at++] = 0x81;
    out[at++] = 0xa7;
    memcpy(out + at, "message", 7);
    at += 7;
    out[at++] = 0xd9; /* str 8 */
    out[at++] = (uint8_t)length;
    memcpy(out + at, text, length);
    return at + length;
}

void daemon_entry_answer(const struct daemon_call *call, int32_t code, const char *text,
    uint8_t space[DAEMON_ANSWER_SIZE], Reeve__Entry *entry)
{
    bool recalled = code == REEVE_ECANCELLED;
    struct reeve_entry_view view = {.task = call->task,
        .attempt = call->attempt,
        .function = call->function,
        .status = (int16_t)code,
        .kind = recalled ? REEVE_ENTRY_RECALLED : REEVE_ENTRY_RESULT,
        .payload = space};
    if (!recalled)
        view.length = (uint32_t)pack_message(space, text);
    daemon_entry_from_view(&view, entry);
}

void daemon_batch_init(struct daemon_batch *batch, struct daemon_channel *channel, bool returns)
{
    batch->channel = channel;
    batch->returns = returns;
    batch->count = batch->bytes = 0;
}

Reeve__Entry *daemon_batch_next(struct daemon_batch *batch)
{
    return &batch->entries[batch->count];
}

bool daemon_batch_add(struct daemon_batch *batch)
{
    batch->pointers[batch->count] = &batch->entries[batch->count];
    batch->bytes += batch->entries[batch->count].payload.len + 64;
    batch->count++;
    if (batch->count < DAEMON_BATCH_ENTRIES && batch->bytes < DAEMON_BATCH_BYTES)
        return false;
    daemon_batch_send(batch);
    return true;
}

void daemon_batch_send(struct daemon_batch *batch)
{
    const struct daemon_channel *channel = batch->channel;
    const struct daemon_peer *peer = daemon_peer_get(channel->daemon, channel->node);
    Reeve__Message message = REEVE__MESSAGE__INIT;
    Reeve__Calls calls = REEVE__CALLS__INIT;
    Reeve__Returns returns = REEVE__RETURNS__INIT;
    if (batch->returns) {
        returns.lease = channel->lease;
        returns.n_entries = batch->count;
        returns.entries = batch->pointers;
        message.body_case = REEVE__MESSAGE__BODY_RETURNS;
        message.returns = &returns;
    } else {
        calls.lease = channel->lease;
        calls.n_entries = batch->count;
        calls.entries = batch->pointers;
        message.body_case = REEVE__MESSAGE__BODY_CALLS;
        message.calls = &calls;
    }
    /* Without a session the lease is lost, which the core has been told or presently is. */
    if (batch->count > 0 && peer != NULL && peer->session != 0)
        (void)reeve_link_send(channel->daemon->link, peer->session, &message);
    batch->count = batch->bytes = 0;
}
