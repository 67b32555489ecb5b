/* A slot of a ring ↔ an entry of a run on the wire. The payload travels as it lies in the ring
 * (runtime/channel/entry.h). */
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/channel/entry.h"
#include "runtime/channel/stamp.h"
#include "runtime/node/shell_channels.h"

#define ANSWER_SIZE (REEVE_TEXT_SIZE + 64u)

void daemon_entry_from_view(
    const struct reeve_entry_view *view, uint32_t tag, struct reeve_run_entry *entry)
{
    *entry = (struct reeve_run_entry){.task = view->task,
        .tag = tag,
        .attempt = view->attempt,
        .function = view->function,
        .length = view->length,
        .references = view->references,
        .flags = view->flags,
        .status = view->status,
        .kind = view->kind,
        .payload = view->payload};
}

void daemon_entry_restamp(struct reeve_run_entry *entry)
{
    uint32_t stamp = reeve_stamp_of(entry->flags, entry->status);
    stamp = reeve_stamp_turn(stamp, reeve_clock_monotonic_ns());
    entry->flags = (entry->flags & (uint16_t)~REEVE_STAMP_FLAGS) | reeve_stamp_flags(stamp);
    entry->status = reeve_stamp_status(stamp);
}

bool daemon_entry_check(const struct reeve_run_entry *entry)
{
    struct reeve_entry_parts parts;
    return reeve_entry_split(
        entry->payload, entry->length, entry->references, entry->flags, &parts);
}

int daemon_entry_write(
    struct reeve_ring *ring, const struct reeve_run_entry *entry, uint64_t *ret_position)
{
    struct reeve_slot_fill fill;
    int error = reeve_ring_reserve(ring, entry->length, &fill);
    if (error != REEVE_OK)
        return error;
    fill.slot->task = entry->task;
    fill.slot->attempt = entry->attempt;
    fill.slot->function = entry->function;
    fill.slot->references = entry->references;
    fill.slot->kind = entry->kind;
    fill.slot->flags = entry->flags;
    fill.slot->status = entry->status;
    if (entry->length > 0)
        memcpy(fill.payload, entry->payload, entry->length);
    *ret_position = fill.position;
    return REEVE_OK;
}

void daemon_entry_send(struct daemon_channel *channel, const struct reeve_run_entry *entry)
{
    const struct daemon_peer *peer = daemon_peer_get(channel->daemon, channel->node);
    enum reeve_run_kind kind =
        channel->kind == CHANNEL_EXECUTOR ? REEVE_RUN_RETURNS : REEVE_RUN_CALLS;
    if (peer != NULL && peer->session != 0)
        (void)reeve_link_send_entry(
            channel->daemon->link, peer->session, kind, channel->lease, entry);
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

void daemon_entry_answer(struct daemon_channel *channel, const struct reeve_run_entry *call,
    int32_t code, const char *text)
{
    uint8_t space[ANSWER_SIZE];
    bool recalled = code == REEVE_ECANCELLED;
    struct reeve_run_entry answer = {.task = call->task,
        .tag = call->tag,
        .attempt = call->attempt,
        .function = call->function,
        .status = (int16_t)code,
        .flags = call->flags & REEVE_ENTRY_CHILD_DIED,
        .kind = recalled ? REEVE_ENTRY_RECALLED : REEVE_ENTRY_RESULT,
        .payload = space};
    if (!recalled)
        answer.length = (uint32_t)pack_message(space, text);
    daemon_entry_send(channel, &answer);
}

void daemon_entry_answer_lost(struct daemon_channel *channel, const struct reeve_run_entry *call,
    int code, struct reeve_object_id lost, const char *text)
{
    struct reeve_reference reference = {.id = lost};
    uint8_t space[sizeof reference + ANSWER_SIZE];
    struct reeve_run_entry answer = {.task = call->task,
        .tag = call->tag,
        .attempt = call->attempt,
        .function = call->function,
        .status = (int16_t)code,
        .references = 1,
        .kind = REEVE_ENTRY_RESULT,
        .payload = space};
    memcpy(space, &reference, sizeof reference);
    answer.length = (uint32_t)(sizeof reference + pack_message(space + sizeof reference, text));
    daemon_entry_send(channel, &answer);
}

struct daemon_sent *daemon_sent_at(const struct daemon_channel *channel, uint64_t position)
{
    return &channel->sent[position & (channel->end.geometry.call_slots - 1)];
}
