/* Pieces of objects on their way between nodes: the store's SEND_PULL and SEND_CHUNK, carried out.
 *
 *     SEND_PULL ─▶ landing ── ObjectPull ──▶ node
 *                  landing ◀─ ObjectChunk ── node      written to its place ─▶ PEER_CHUNK
 *
 *     SEND_CHUNK ─▶ queue of the node ── as its session takes them ──▶ ObjectChunk ─▶ SENT
 *
 * A landing is what is known of a piece that has been asked for, until the core has its answer:
 * exactly one, whatever happens to the session, and only when nothing writes to its place any more.
 * What comes for a number that has no landing is late. Small objects have a queue of their own,
 * which goes three times before the other goes once; and no more is handed to a session than keeps
 * it busy, so that calls do not wait behind pieces. */
#include "runtime/node/shell_transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/log.h"
#include "runtime/base/macros.h"
#include "runtime/node/shell_store_internal.h"

#define SESSION_QUEUE_MAX (256u << 10) /* bytes of a session's queue above which pieces wait */
#define SMALL_SIZE        (4ull * REEVE_STORE_CHUNK_SIZE)
#define SMALL_TURNS       3

struct landing {
    uint64_t number;
    uint32_t node, segment;
    uint64_t place, length;
};

struct transfer_peer {
    uint32_t node;
    struct reeve_fifo queues[2]; /* struct reeve_store_command: small objects, large ones */
    uint8_t turn;
};

void reeve_transfer_init(struct reeve_store_shell *shell)
{
    reeve_map64_init(&shell->landings);
    reeve_map64_init(&shell->transfer_peers);
}

void reeve_transfer_fini(struct reeve_store_shell *shell)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&shell->landings, &at, NULL, &value))
        free(value);
    at = 0;
    while (reeve_map64_next(&shell->transfer_peers, &at, NULL, &value)) {
        struct transfer_peer *peer = value;
        reeve_fifo_fini(&peer->queues[0]);
        reeve_fifo_fini(&peer->queues[1]);
        free(peer);
    }
    reeve_map64_fini(&shell->landings);
    reeve_map64_fini(&shell->transfer_peers);
}

/* --- what comes ------------------------------------------------------------------------------- */

static Reeve__ObjectId id_of(struct reeve_object_id id)
{
    Reeve__ObjectId ret = REEVE__OBJECT_ID__INIT;
    ret.owner = id.owner;
    ret.sequence = id.sequence;
    return ret;
}

void reeve_transfer_pull(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct landing *landing = calloc(1, sizeof(*landing));
    REEVE_ASSERT(landing != NULL);
    *landing = (struct landing){.number = command->number,
        .node = command->node,
        .segment = command->segment,
        .place = command->place,
        .length = command->length};
    int error = reeve_map64_put(&shell->landings, landing->number, landing, NULL);
    REEVE_ASSERT(error == REEVE_OK);
    Reeve__ObjectId id = id_of(command->id);
    Reeve__ObjectPull pull = REEVE__OBJECT_PULL__INIT;
    pull.id = &id;
    pull.offset = command->offset;
    pull.length = (uint32_t)command->length;
    pull.number = command->number;
    pull.has_insist = pull.insist = command->insist;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    message.body_case = REEVE__MESSAGE__BODY_OBJECT_PULL;
    message.object_pull = &pull;
    shell->callbacks.send_node(shell->arg, command->node, &message);
}

/* The landing is over, and the core is told. */
static void answer(
    struct reeve_store_shell *shell, struct landing *landing, struct reeve_store_event event)
{
    event.kind = REEVE_STORE_PEER_CHUNK;
    event.node = landing->node;
    event.number = landing->number;
    reeve_map64_remove(&shell->landings, landing->number);
    free(landing);
    reeve_store_shell_event(shell, &event);
}

void reeve_transfer_drop(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct landing *landing = reeve_map64_get(&shell->landings, command->number);
    REEVE_ASSERT(landing != NULL);
    answer(shell, landing, (struct reeve_store_event){.code = REEVE_ECANCELLED});
}

/* The piece's bytes to their place. */
static int land(const struct reeve_store_shell *shell, const struct landing *landing,
    const Reeve__ObjectChunk *chunk)
{
    uint64_t size = chunk->has_data ? chunk->data.len : 0;
    if (size != landing->length)
        return REEVE_EPROTOCOL;
    if (size == 0 || reeve_segments_write(shell->segments, landing->segment, landing->place,
                         chunk->data.data, size) == REEVE_OK)
        return REEVE_OK;
    reeve_log(REEVE_LOG_ERROR, "REEVE-STORE-WRITE", "segment=%" PRIu32 " os=%s", landing->segment,
        strerror(errno));
    return REEVE_ESYSTEM;
}

static void on_chunk(
    struct reeve_store_shell *shell, uint32_t node, const Reeve__ObjectChunk *chunk)
{
    struct landing *landing = reeve_map64_get(&shell->landings, chunk->number);
    if (landing == NULL || landing->node != node)
        return; /* late */
    if (chunk->has_code && chunk->code == REEVE_EAGAIN && !chunk->has_other) {
        reeve_store_shell_event(shell,
            &(struct reeve_store_event){.kind = REEVE_STORE_PEER_BUSY, .number = landing->number});
        return;
    }
    struct reeve_store_event event = {.size = chunk->size,
        .length = landing->length,
        .code = chunk->has_code ? chunk->code : REEVE_OK,
        .other = chunk->has_other ? chunk->other : 0};
    if (event.code == REEVE_OK)
        event.code = land(shell, landing, chunk);
    else if (event.code == REEVE_ESYSTEM)
        event.code = REEVE_ELOST; /* its trouble, not ours */
    answer(shell, landing, event);
}

/* --- what goes -------------------------------------------------------------------------------- */

static struct transfer_peer *peer_get(struct reeve_store_shell *shell, uint32_t node)
{
    struct transfer_peer *peer = reeve_map64_get(&shell->transfer_peers, node);
    if (peer != NULL)
        return peer;
    peer = calloc(1, sizeof(*peer));
    REEVE_ASSERT(peer != NULL);
    peer->node = node;
    reeve_fifo_init(&peer->queues[0], sizeof(struct reeve_store_command));
    reeve_fifo_init(&peer->queues[1], sizeof(struct reeve_store_command));
    int error = reeve_map64_put(&shell->transfer_peers, node, peer, NULL);
    REEVE_ASSERT(error == REEVE_OK);
    return peer;
}

static void sent(struct reeve_store_shell *shell, uint64_t serial)
{
    if (serial != 0)
        reeve_store_shell_event(
            shell, &(struct reeve_store_event){.kind = REEVE_STORE_SENT, .number = serial});
}

static void send_message(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    Reeve__ObjectId id = id_of(command->id);
    Reeve__ObjectChunk chunk = REEVE__OBJECT_CHUNK__INIT;
    chunk.id = &id;
    chunk.offset = command->offset;
    chunk.size = command->size;
    chunk.number = command->number;
    chunk.has_other = command->other != 0;
    chunk.other = command->other;
    int code = command->code;
    if (code == REEVE_OK && command->length > 0)
        code = reeve_segments_read(
            shell->segments, command->segment, command->place, shell->scratch, command->length);
    if (code == REEVE_OK) {
        chunk.has_data = 1;
        chunk.data = (ProtobufCBinaryData){.len = command->length, .data = shell->scratch};
    } else {
        chunk.has_code = 1;
        chunk.code = code;
    }
    Reeve__Message message = REEVE__MESSAGE__INIT;
    message.body_case = REEVE__MESSAGE__BODY_OBJECT_CHUNK;
    message.object_chunk = &chunk;
    shell->callbacks.send_node(shell->arg, command->node, &message);
}

static bool pop_next(struct transfer_peer *peer, struct reeve_store_command *ret)
{
    bool large = peer->queues[0].count == 0 || peer->turn == SMALL_TURNS;
    peer->turn = large ? 0 : peer->turn + 1;
    return reeve_fifo_pop(&peer->queues[large], ret) || reeve_fifo_pop(&peer->queues[!large], ret);
}

static void flush(struct reeve_store_shell *shell, struct transfer_peer *peer)
{
    struct reeve_store_command command;
    while ((shell->callbacks.node_queued == NULL ||
               shell->callbacks.node_queued(shell->arg, peer->node) <= SESSION_QUEUE_MAX) &&
           pop_next(peer, &command)) {
        send_message(shell, &command);
        sent(shell, command.serial);
    }
}

void reeve_transfer_send(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    if (command->serial == 0) {
        send_message(shell, command);
        return;
    }
    struct transfer_peer *peer = peer_get(shell, command->node);
    struct reeve_store_command *later = reeve_fifo_push(&peer->queues[command->size > SMALL_SIZE]);
    REEVE_ASSERT(later != NULL);
    *later = *command;
    flush(shell, peer);
}

void reeve_store_shell_drained(struct reeve_store_shell *shell, uint32_t node)
{
    struct transfer_peer *peer = reeve_map64_get(&shell->transfer_peers, node);
    if (peer != NULL)
        flush(shell, peer);
}

/* --- sessions --------------------------------------------------------------------------------- */

/* What waited to be sent is dropped. What has been asked for is not answered, or it would be asked
 * for again at once, over a session that is not there. */
void reeve_store_shell_peer_lost(struct reeve_store_shell *shell, uint32_t node)
{
    struct transfer_peer *peer = reeve_map64_remove(&shell->transfer_peers, node);
    struct reeve_store_command command;
    while (peer != NULL && pop_next(peer, &command))
        sent(shell, command.serial);
    if (peer != NULL) {
        reeve_fifo_fini(&peer->queues[0]);
        reeve_fifo_fini(&peer->queues[1]);
        free(peer);
    }
}

void reeve_transfer_reset(struct reeve_store_shell *shell, uint32_t node)
{
    reeve_store_shell_peer_lost(shell, node);
    /* What is asked for meanwhile belongs to the new session already. */
    struct reeve_fifo numbers;
    reeve_fifo_init(&numbers, sizeof(uint64_t));
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&shell->landings, &at, NULL, &value)) {
        const struct landing *landing = value;
        uint64_t *number = landing->node == node ? reeve_fifo_push(&numbers) : NULL;
        REEVE_ASSERT(number != NULL || landing->node != node);
        if (number != NULL)
            *number = landing->number;
    }
    uint64_t number;
    while (reeve_fifo_pop(&numbers, &number)) {
        struct landing *landing = reeve_map64_get(&shell->landings, number);
        if (landing != NULL)
            answer(shell, landing, (struct reeve_store_event){.code = REEVE_ELINK});
    }
    reeve_fifo_fini(&numbers);
}

bool reeve_transfer_message(
    struct reeve_store_shell *shell, uint32_t node, const Reeve__Message *message, int *ret_code)
{
    *ret_code = REEVE_OK;
    if (message->body_case == REEVE__MESSAGE__BODY_OBJECT_CHUNK) {
        if (message->object_chunk->has_data &&
            message->object_chunk->data.len > REEVE_STORE_CHUNK_SIZE)
            *ret_code = REEVE_EPROTOCOL;
        else
            on_chunk(shell, node, message->object_chunk);
        return true;
    }
    if (message->body_case != REEVE__MESSAGE__BODY_OBJECT_PULL)
        return false;
    const Reeve__ObjectPull *pull = message->object_pull;
    struct reeve_object_id id = {.owner = pull->id->owner, .sequence = pull->id->sequence};
    reeve_store_shell_hear_first(shell, id);
    reeve_store_shell_event(shell, &(struct reeve_store_event){.kind = REEVE_STORE_PEER_PULL,
                                       .node = node,
                                       .id = id,
                                       .offset = pull->offset,
                                       .length = pull->length,
                                       .number = pull->number,
                                       .flags = pull->insist ? REEVE_STORE_INSIST : 0});
    return true;
}
