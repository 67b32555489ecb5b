/* What shells owe to their cores, in the random test: the answers to what has been asked of other
 * nodes, of disks, and of the machine. */
#ifndef REEVE_TESTS_OBJECTSTORE_MODEL_SHELLS_H
#define REEVE_TESTS_OBJECTSTORE_MODEL_SHELLS_H

#include "tests/unit/objectstore/model_commands.h"

static inline void piece_answer(
    struct world *world, uint32_t at, struct model_piece *piece, struct reeve_store_event event)
{
    event.kind = REEVE_STORE_PEER_CHUNK;
    event.number = piece->number;
    piece->number = 0;
    step_node(world, at, event);
}

/* What has been called off is written to until it has been answered. */
static inline void answer_dropped(struct world *world, uint32_t at)
{
    struct model_node *node = &world->nodes[at];
    for (uint32_t i = 0; i < PIECES_MAX; i++) {
        struct model_piece *piece = &node->pieces[i];
        if (piece->number == 0 || !piece->dropped)
            continue;
        if (piece->length > 0) {
            check_untouchable(world, node, piece->segment, piece->place, piece->length);
            memset(node->segments[piece->segment].bytes + piece->place, 0xcc, piece->length);
        }
        piece_answer(world, at, piece, (struct reeve_store_event){.code = REEVE_ECANCELLED});
    }
}

static inline void answer_unsent(struct world *world, uint32_t at)
{
    while (world->unsent_count[at] > 0)
        step_node(world, at,
            (struct reeve_store_event){
                .kind = REEVE_STORE_SENT, .number = world->unsent[at][--world->unsent_count[at]]});
}

/* What the head says of nodes that died before this one came. */
static inline void answer_asks(struct world *world, uint32_t at)
{
    for (uint32_t number = 1; number < NODE_MAX * 8; number++) {
        if (!world->nodes[at].asks[number])
            continue;
        world->nodes[at].asks[number] = false;
        if (world->node_dead[number])
            step_node(world, at,
                (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = number});
    }
}

/* The bytes leave now; from then on the sender may do with them as it likes. */
static inline void transmit(struct world *world, uint32_t from, struct parcel *parcel)
{
    if (parcel->serial == 0)
        return;
    struct model_segment *segment = &world->nodes[from].segments[parcel->segment];
    assert_true(segment->bytes != NULL && parcel->place + parcel->event.length <= segment->size);
    parcel->bytes = malloc(parcel->event.length + 1);
    memcpy(parcel->bytes, segment->bytes + parcel->place, parcel->event.length);
    step_node(world, from,
        (struct reeve_store_event){.kind = REEVE_STORE_SENT, .number = parcel->serial});
    parcel->serial = 0;
}

static inline void receive(struct world *world, uint32_t to, const struct parcel *parcel)
{
    struct model_node *node = &world->nodes[to];
    struct model_piece *piece = piece_of(node, parcel->event.number);
    if (piece == NULL || piece->node != parcel->event.node)
        return; /* of another session */
    if (parcel->event.code == REEVE_EAGAIN && parcel->event.other == 0) {
        step_node(world, to,
            (struct reeve_store_event){.kind = REEVE_STORE_PEER_BUSY, .number = piece->number});
        return;
    }
    if (parcel->bytes != NULL) {
        assert_true(piece->length == parcel->event.length);
        check_untouchable(world, node, piece->segment, piece->place, piece->length);
        memcpy(node->segments[piece->segment].bytes + piece->place, parcel->bytes, piece->length);
    }
    piece_answer(world, to, piece, parcel->event);
}

/* Something that a disk does has ended. */
static inline void end_disk(struct world *world, uint32_t at, uint32_t index)
{
    struct model_node *node = &world->nodes[at];
    const struct reeve_store_command *command = &node->disk->pending[index];
    struct reeve_store_event event =
        disk_end(node->disk, &world->prng, index, node->segments[command->segment].bytes);
    world->damaged += event.code != 0 && event.kind == REEVE_STORE_SPILL_READ_DONE;
    step_node(world, at, event);
}

/* One of the slices under way is done: nobody has been given any of it meanwhile. */
static inline bool return_slice(struct world *world, uint32_t at)
{
    struct model_node *node = &world->nodes[at];
    if (node->return_count == 0)
        return false;
    struct reeve_store_command *slice = &node->returns[random_below(world, node->return_count)];
    struct reeve_store_command done = *slice;
    *slice = node->returns[--node->return_count];
    bool failed = !world->healing && random_below(world, 10) == 0;
    check_untouchable(world, node, done.segment, done.offset, done.length);
    if (!failed)
        memset(node->segments[done.segment].bytes + done.offset, 0, done.length);
    world->returns++;
    step_node(world, at,
        (struct reeve_store_event){.kind = REEVE_STORE_SEGMENT_RETURNED,
            .segment = done.segment,
            .offset = done.offset,
            .code = failed ? REEVE_ESYSTEM : REEVE_OK});
    return true;
}

#endif
