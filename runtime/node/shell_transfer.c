/* Pieces of objects on their way between nodes: the store's SEND_PULL and SEND_CHUNK, carried out.
 *
 *     SEND_PULL ─▶ landing ── ObjectPull, our stream's address ──▶ node
 *                  landing ◀══ stream: written to its place by the stream's thread ══ ─▶ PEER_CHUNK
 *                  landing ◀── ObjectChunk: copied to its place ── node               ─▶ PEER_CHUNK
 *
 *     SEND_CHUNK ─▶ large ═▶ stream, if the node has named an address ══▶ sent ─▶ SENT
 *              └──▶ queue of the node ── as its session takes them ──▶ ObjectChunk ─▶ SENT
 *
 * A landing is what is known of a piece that has been asked for, until the core has its answer:
 * exactly one, whatever happens to session and stream, and only when nothing writes to its place
 * any more: what is called off while a stream's thread is at it is answered when that has let go.
 * What comes for a number that has no landing is late.
 *
 * A piece that a stream could not bring is asked for again, and for a while no stream is tried with
 * that node: an address that cannot be reached costs speed, not objects. Over the session small
 * objects have a queue of their own, which goes three times before the other goes once; and no more
 * is handed to it than keeps it busy, so that calls do not wait behind pieces. */
#include "runtime/node/shell_transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/assert.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/macros.h"
#include "runtime/node/shell_store_internal.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define STREAM_MIN        (64u << 10) /* what is smaller goes with the session's other messages */
#define NO_STREAM_NS      (10 * REEVE_NS_PER_S)
#define SESSION_QUEUE_MAX (256u << 10) /* bytes of a session's queue above which pieces wait */
#define SMALL_SIZE        (4ull * REEVE_STORE_CHUNK_SIZE)
#define SMALL_TURNS       3
#define LANES             64u

struct landing {
    uint64_t number;
    uint32_t node, segment;
    uint64_t place, length;
    uint8_t *memory; /* its segment's; NULL: it is not for a stream */
    bool writing;    /* a stream's thread is at it */
    bool dropped;    /* meanwhile */
    struct reeve_object_id id;
    uint64_t begin_ns;
    uint32_t lane; /* LANES: of more than those nothing is told */
};

/* A piece that a stream has been given. */
struct streaming {
    struct reeve_store_command command;
};

struct transfer_peer {
    uint32_t node;
    struct reeve_fifo queues[2]; /* struct reeve_store_command: small objects, large ones */
    uint8_t turn;
    char stream[REEVE_ADDRESS_SIZE]; /* where its streams listen; "": it has not said */
    uint64_t no_stream_ns;           /* none until then */
};

void reeve_transfer_init(struct reeve_store_shell *shell)
{
    reeve_map64_init(&shell->landings);
    reeve_map64_init(&shell->transfer_peers);
    reeve_map64_init(&shell->streaming);
    pthread_mutex_init(&shell->landings_mutex, NULL);
}

void reeve_transfer_fini(struct reeve_store_shell *shell)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&shell->transfer_peers, &at, NULL, &value)) {
        struct transfer_peer *peer = value;
        reeve_fifo_fini(&peer->queues[0]);
        reeve_fifo_fini(&peer->queues[1]);
        free(peer);
    }
    reeve_map64_fini_values(&shell->streaming);
    reeve_map64_fini_values(&shell->landings);
    reeve_map64_fini(&shell->transfer_peers);
    pthread_mutex_destroy(&shell->landings_mutex);
}

/* --- what comes ------------------------------------------------------------------------------- */

static Reeve__ObjectId id_of(struct reeve_object_id id)
{
    Reeve__ObjectId ret = REEVE__OBJECT_ID__INIT;
    ret.owner = id.owner;
    ret.sequence = id.sequence;
    return ret;
}

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

/* Our streams' address, if one may be tried for that much; NULL: none. */
static const char *stream_address(struct reeve_store_shell *shell, uint32_t node, uint64_t length)
{
    if (shell->callbacks.stream_address == NULL || length < STREAM_MIN ||
        reeve_clock_monotonic_ns() < peer_get(shell, node)->no_stream_ns)
        return NULL;
    return shell->callbacks.stream_address(shell->arg);
}

static void send_pull(
    struct reeve_store_shell *shell, const struct reeve_store_command *command, const char *address)
{
    Reeve__ObjectId id = id_of(command->id);
    Reeve__ObjectPull pull = REEVE__OBJECT_PULL__INIT;
    pull.id = &id;
    pull.offset = command->offset;
    pull.length = (uint32_t)command->length;
    pull.number = command->number;
    pull.has_insist = pull.insist = command->insist;
    pull.stream = (char *)(uintptr_t)address;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    message.body_case = REEVE__MESSAGE__BODY_OBJECT_PULL;
    message.object_pull = &pull;
    shell->callbacks.send_node(shell->arg, command->node, &message);
}

void reeve_transfer_pull(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    const char *address = stream_address(shell, command->node, command->length);
    struct landing *landing = calloc(1, sizeof(*landing));
    REEVE_ASSERT(landing != NULL);
    *landing = (struct landing){.number = command->number,
        .node = command->node,
        .segment = command->segment,
        .place = command->place,
        .length = command->length,
        .id = command->id,
        .begin_ns = reeve_clock_monotonic_ns(),
        .lane = ~shell->lanes != 0 ? (uint32_t)__builtin_ctzll(~shell->lanes) : LANES};
    if (landing->lane < LANES)
        shell->lanes |= UINT64_C(1) << landing->lane;
    if (address != NULL)
        landing->memory = reeve_segments_map(shell->segments, command->segment);
    pthread_mutex_lock(&shell->landings_mutex);
    int error = reeve_map64_put(&shell->landings, landing->number, landing, NULL);
    pthread_mutex_unlock(&shell->landings_mutex);
    REEVE_ASSERT(error == REEVE_OK);
    send_pull(shell, command, landing->memory != NULL ? address : NULL);
}

static void tell(struct reeve_store_shell *shell, const struct landing *landing, int32_t code)
{
    if (landing->lane == LANES)
        return;
    shell->lanes &= ~(UINT64_C(1) << landing->lane);
    if (shell->callbacks.transferred == NULL || landing->length == 0) /* a question for the size */
        return;
    shell->callbacks.transferred(shell->arg, &(struct reeve_store_transfer){.id = landing->id,
                                                 .begin_ns = landing->begin_ns,
                                                 .length = landing->length,
                                                 .node = landing->node,
                                                 .lane = landing->lane,
                                                 .code = code});
}

/* The landing is over, and the core is told. */
static void answer(
    struct reeve_store_shell *shell, struct landing *landing, struct reeve_store_event event)
{
    event.kind = REEVE_STORE_PEER_CHUNK;
    event.node = landing->node;
    event.number = landing->number;
    pthread_mutex_lock(&shell->landings_mutex);
    reeve_map64_remove(&shell->landings, landing->number);
    pthread_mutex_unlock(&shell->landings_mutex);
    if (landing->memory != NULL)
        reeve_segments_unmap(shell->segments, landing->segment);
    tell(shell, landing, event.code);
    free(landing);
    reeve_store_shell_event(shell, &event);
}

static bool is_writing(struct reeve_store_shell *shell, const struct landing *landing)
{
    pthread_mutex_lock(&shell->landings_mutex);
    bool writing = landing->writing;
    pthread_mutex_unlock(&shell->landings_mutex);
    return writing;
}

void reeve_transfer_drop(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    struct landing *landing = reeve_map64_get(&shell->landings, command->number);
    REEVE_ASSERT(landing != NULL);
    pthread_mutex_lock(&shell->landings_mutex);
    landing->dropped = true; /* no stream begins with it */
    bool writing = landing->writing;
    pthread_mutex_unlock(&shell->landings_mutex);
    if (!writing)
        answer(shell, landing, (struct reeve_store_event){.code = REEVE_ECANCELLED});
}

/* --- streams bring pieces --------------------------------------------------------------------- */

/* All pages of the piece at once: one by one, as the bytes come, costs several times that. Where
 * the kernel cannot (before 5.14), they come one by one. */
static void make_present(uint8_t *place, uint32_t length)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)place & ~(page - 1);
    (void)madvise((void *)first, (uintptr_t)place + length - first, MADV_POPULATE_WRITE);
}

uint8_t *reeve_store_shell_place(
    struct reeve_store_shell *shell, uint32_t node, uint64_t number, uint32_t length)
{
    uint8_t *place = NULL;
    pthread_mutex_lock(&shell->landings_mutex);
    struct landing *landing = reeve_map64_get(&shell->landings, number);
    if (landing != NULL && landing->node == node && landing->length == length &&
        landing->memory != NULL && !landing->writing && !landing->dropped) {
        landing->writing = true;
        place = landing->memory + landing->place;
    }
    pthread_mutex_unlock(&shell->landings_mutex);
    if (place != NULL)
        make_present(place, length);
    return place;
}

void reeve_store_shell_landed(struct reeve_store_shell *shell, uint32_t node, uint64_t number,
    uint64_t size, uint32_t other, bool good)
{
    struct landing *landing = reeve_map64_get(&shell->landings, number);
    REEVE_ASSERT(landing != NULL && landing->node == node && is_writing(shell, landing));
    answer(shell, landing,
        (struct reeve_store_event){.size = size,
            .length = landing->length,
            .code = good ? REEVE_OK : REEVE_ELINK,
            .other = good ? other : 0});
}

/* All that has been asked of the node and that no stream is at. */
static void ask_again(struct reeve_store_shell *shell, uint32_t node)
{
    struct reeve_fifo numbers;
    reeve_fifo_init(&numbers, sizeof(uint64_t));
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&shell->landings, &at, NULL, &value)) {
        const struct landing *landing = value;
        if (landing->node != node)
            continue;
        uint64_t *number = reeve_fifo_push(&numbers);
        REEVE_ASSERT(number != NULL);
        *number = landing->number;
    }
    uint64_t number; /* what is asked for meanwhile is not among them */
    while (reeve_fifo_pop(&numbers, &number)) {
        struct landing *landing = reeve_map64_get(&shell->landings, number);
        if (landing == NULL)
            continue;
        pthread_mutex_lock(&shell->landings_mutex);
        landing->dropped = true;
        bool writing = landing->writing;
        pthread_mutex_unlock(&shell->landings_mutex);
        if (!writing)
            answer(shell, landing, (struct reeve_store_event){.code = REEVE_ELINK});
    }
    reeve_fifo_fini(&numbers);
}

void reeve_store_shell_stream_lost(struct reeve_store_shell *shell, uint32_t node)
{
    peer_get(shell, node)->no_stream_ns = reeve_clock_monotonic_ns() + NO_STREAM_NS;
    ask_again(shell, node);
}

/* --- sessions bring pieces -------------------------------------------------------------------- */

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
    if (landing == NULL || landing->node != node || is_writing(shell, landing))
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

/* By a stream; false: it must go with the session. */
static bool send_stream(struct reeve_store_shell *shell, struct transfer_peer *peer,
    const struct reeve_store_command *command)
{
    if (shell->callbacks.stream_send == NULL || command->length < STREAM_MIN ||
        peer->stream[0] == '\0' || reeve_clock_monotonic_ns() < peer->no_stream_ns)
        return false;
    const uint8_t *memory = reeve_segments_map(shell->segments, command->segment);
    struct streaming *streaming = malloc(sizeof(*streaming));
    REEVE_ASSERT(streaming != NULL);
    streaming->command = *command;
    struct reeve_store_piece piece = {.serial = command->serial,
        .number = command->number,
        .size = command->size,
        .bytes = memory != NULL ? memory + command->place : NULL,
        .length = (uint32_t)command->length,
        .other = command->other,
        .large = command->size > SMALL_SIZE};
    if (memory != NULL &&
        shell->callbacks.stream_send(shell->arg, peer->node, peer->stream, &piece) == REEVE_OK) {
        int error = reeve_map64_put(&shell->streaming, command->serial, streaming, NULL);
        REEVE_ASSERT(error == REEVE_OK);
        return true;
    }
    if (memory != NULL)
        reeve_segments_unmap(shell->segments, command->segment);
    free(streaming);
    return false;
}

void reeve_store_shell_stream_sent(struct reeve_store_shell *shell, uint64_t serial, bool good)
{
    struct streaming *streaming = reeve_map64_remove(&shell->streaming, serial);
    REEVE_ASSERT(streaming != NULL);
    struct reeve_store_command *command = &streaming->command;
    reeve_segments_unmap(shell->segments, command->segment);
    if (!good) { /* it is told to ask again, and gets it with the session then */
        peer_get(shell, command->node)->no_stream_ns = reeve_clock_monotonic_ns() + NO_STREAM_NS;
        command->code = REEVE_ELINK;
        send_message(shell, command);
    }
    free(streaming);
    sent(shell, serial);
}

void reeve_transfer_send(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    if (command->serial == 0) {
        send_message(shell, command);
        return;
    }
    struct transfer_peer *peer = peer_get(shell, command->node);
    if (send_stream(shell, peer, command))
        return;
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
    ask_again(shell, node); /* what is asked for meanwhile belongs to the new session already */
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
    struct transfer_peer *peer = peer_get(shell, node);
    if (pull->stream != NULL && strlen(pull->stream) < sizeof(peer->stream))
        memcpy(peer->stream, pull->stream, strlen(pull->stream) + 1);
    else if (pull->length >= STREAM_MIN)
        peer->stream[0] = '\0'; /* it does not want one, now */
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
