/* What the random test does when a core commands it, and what must be true then. */
#ifndef REEVE_TESTS_OBJECTSTORE_MODEL_COMMANDS_H
#define REEVE_TESTS_OBJECTSTORE_MODEL_COMMANDS_H

#include "tests/unit/objectstore/model_references.h"

static inline struct parcel *send(
    struct world *world, uint32_t from, uint32_t to_number, struct reeve_store_event event)
{
    for (uint32_t to = 0; to < NODES; to++) {
        if (world->nodes[to].number != to_number || to == from)
            continue;
        struct link *link = &world->links[from][to];
        assert_true(link->count - link->first < LINK_MAX);
        struct parcel *parcel = &link->parcels[link->count++ % LINK_MAX];
        *parcel = (struct parcel){.event = event};
        return parcel;
    }
    world->nodes[from].asks[to_number] = true;
    return NULL;
}

static inline void got_room(
    struct world *world, struct model_node *node, const struct reeve_store_command *command)
{
    struct model_client *client = client_of(node, command->client);
    assert_non_null(client);
    assert_int_equal(client->waiting_create, command->request);
    client->waiting_create = 0;
    if (command->code != 0) {
        assert_true(command->code == REEVE_EFULL ||
                    (command->code == REEVE_ETOOLARGE && client->create_size > CAPACITY));
        world->failures++;
        return;
    }
    assert_true(client->writable[command->segment]);
    check_untouchable(world, node, command->segment, command->offset, client->create_size);
    struct model_room *room = client->rooms;
    while (room->taken)
        room++;
    *room = (struct model_room){true, command->segment, command->offset, client->create_size};
    struct model_segment *segment = &node->segments[command->segment];
    assert_true(room->offset + room->size <= segment->size);
    memset(segment->bytes + room->offset, 0xee, room->size);
    world->answers++;
}

static inline bool node_is_dead(const struct world *world, uint32_t number)
{
    return number != 0 && world->node_dead[number];
}

static inline void got_object(
    struct world *world, struct model_node *node, const struct reeve_store_command *command)
{
    struct model_client *client = client_of(node, command->client);
    assert_non_null(client);
    assert_int_equal(client->waiting_get, command->request);
    struct model_object *object = &world->objects[client->waiting_object - 1];
    assert_true(reeve_object_id_equal(object->id, command->id));
    client->waiting_get = 0;
    bool held = client->waiting_hold != 0;
    if (held)
        world->holds[client->waiting_hold - 1].busy--;
    client->waiting_hold = 0;
    if (command->code != 0) {
        bool dead = process_is_dead(world, object->owner) || object->unsure ||
                    (object->giving && process_is_dead(world, object->heir)) ||
                    (!held && !client->waiting_given && process_is_dead(world, object->id.owner));
        bool explained =
            command->code == REEVE_EFULL || (command->code == REEVE_EOWNERDIED && dead) ||
            (command->code == REEVE_ELOST &&
                ((object->freed && !held) || dead || node_is_dead(world, object->node) ||
                    strstr(command->text, "does not answer") != NULL || world->damaged > 0)) ||
            ((command->code == REEVE_ECORRUPT || command->code == REEVE_ESYSTEM) &&
                world->damaged > 0);
        if (!explained)
            fail_msg("object %lu of %lx, on node %u: %d %s%s", (unsigned long)object->id.sequence,
                (unsigned long)object->id.owner, node->number, command->code, command->text,
                held ? " (it holds it)" : "");
        world->failures++;
        return;
    }
    assert_int_equal(command->size, object->size);
    assert_true(client->readable[command->segment] || client->writable[command->segment]);
    check_bytes(node, object, command->segment, command->offset);
    struct model_pin *pin = client->pins;
    while (pin->object != 0)
        pin++;
    *pin = (struct model_pin){client->waiting_object, command->segment, command->offset};
    world->answers++;
}

static inline struct model_piece *piece_of(struct model_node *node, uint64_t number)
{
    for (uint32_t i = 0; i < PIECES_MAX; i++)
        if (node->pieces[i].number == number)
            return &node->pieces[i];
    return NULL;
}

static inline void send_pull(
    struct world *world, uint32_t at, const struct reeve_store_command *command)
{
    struct model_node *node = &world->nodes[at];
    struct model_piece *piece = piece_of(node, 0);
    assert_non_null(piece);
    assert_true(piece_of(node, command->number) == NULL);
    *piece = (struct model_piece){.number = command->number,
        .node = command->node,
        .segment = command->segment,
        .place = command->place,
        .length = command->length};
    if (piece->length > 0)
        check_untouchable(world, node, piece->segment, piece->place, piece->length);
    world->pulls++;
    send(world, at, command->node,
        (struct reeve_store_event){.kind = REEVE_STORE_PEER_PULL,
            .node = node->number,
            .id = command->id,
            .offset = command->offset,
            .length = command->length,
            .number = command->number,
            .flags = command->insist ? REEVE_STORE_INSIST : 0});
}

static inline void send_chunk(
    struct world *world, uint32_t at, const struct reeve_store_command *command)
{
    struct parcel *parcel = send(world, at, command->node,
        (struct reeve_store_event){.kind = REEVE_STORE_PEER_CHUNK,
            .node = world->nodes[at].number,
            .number = command->number,
            .size = command->size,
            .length = command->length,
            .code = command->code,
            .other = command->other});
    struct parcel lost; /* the other end is not there any more */
    if (parcel == NULL) {
        lost = (struct parcel){0};
        parcel = &lost;
    }
    parcel->segment = command->segment;
    parcel->place = command->place;
    parcel->serial = command->serial;
    if (parcel == &lost && command->serial != 0)
        world->unsent[at][world->unsent_count[at]++ % LINK_MAX] = command->serial;
}

static inline void carry_out(
    struct world *world, uint32_t at, const struct reeve_store_command *command)
{
    struct model_node *node = &world->nodes[at];
    struct model_segment *segment = &node->segments[command->segment];
    assert_true(command->segment < SEGMENTS_MAX);
    switch (command->kind) {
    case REEVE_STORE_SEGMENT_CREATE:
        assert_null(segment->bytes);
        segment->bytes = calloc(1, command->size);
        segment->size = command->size;
        return;
    case REEVE_STORE_SEGMENT_DROP:
        check_untouchable(world, node, command->segment, 0, segment->size);
        for (uint32_t c = 0; c < CLIENTS; c++)
            if (node->clients[c].handle != 0 && !node->clients[c].closed)
                assert_false(node->clients[c].writable[command->segment] ||
                             node->clients[c].readable[command->segment]);
        free(segment->bytes);
        segment->bytes = NULL;
        return;
    case REEVE_STORE_SEGMENT_PUNCH:
        assert_true(command->offset + command->length <= segment->size);
        check_untouchable(world, node, command->segment, command->offset, command->length);
        memset(segment->bytes + command->offset, 0, command->length);
        return;
    case REEVE_STORE_SEGMENT_RETURN:
        assert_true(command->offset + command->length <= segment->size);
        check_untouchable(world, node, command->segment, command->offset, command->length);
        assert_true(node->return_count < RETURNS_MAX);
        node->returns[node->return_count++] = *command;
        return;
    case REEVE_STORE_SEGMENT_SHOW: {
        struct model_client *client = client_of(node, command->client);
        assert_true(client != NULL && segment->bytes != NULL && segment->size == command->size);
        if (command->writable) { /* one writer */
            for (uint32_t c = 0; c < CLIENTS; c++)
                if (node->clients[c].handle != 0)
                    assert_false(
                        node->clients[c].writable[command->segment] && !node->clients[c].closed);
            client->writable[command->segment] = 1;
        } else {
            client->readable[command->segment] = 1;
        }
        return;
    }
    case REEVE_STORE_SEGMENT_HIDE: {
        struct model_client *client = client_of(node, command->client);
        assert_non_null(client);
        client->writable[command->segment] = client->readable[command->segment] = 0;
        return;
    }
    case REEVE_STORE_REPLY_CREATE: got_room(world, node, command); return;
    case REEVE_STORE_REPLY_GET: got_object(world, node, command); return;
    case REEVE_STORE_REPLY_SEAL: got_word(world, node, command); return;
    case REEVE_STORE_OVER: return; /* of actors, which are none here */
    case REEVE_STORE_TELL_HEIR: heir_told(world, command); return;
    case REEVE_STORE_RELAX: client_of(node, command->client)->relaxing = true; return;
    case REEVE_STORE_SEND_PULL: send_pull(world, at, command); return;
    case REEVE_STORE_DROP_PULL: {
        struct model_piece *piece = piece_of(node, command->number);
        assert_true(piece != NULL && !piece->dropped);
        piece->dropped = true; /* answered by the next turn of the shell, or by what comes */
        return;
    }
    case REEVE_STORE_SEND_CHUNK: send_chunk(world, at, command); return;
    case REEVE_STORE_SEND_FREE:
        send(world, at, command->node, word_event(node->number, command));
        return;
    case REEVE_STORE_SPILL_READ:
        check_untouchable(world, node, command->segment, command->offset, command->length);
        /* fall through */
    case REEVE_STORE_SPILL_WRITE:
    case REEVE_STORE_SPILL_PUNCH:
    case REEVE_STORE_SPILL_CLOSE: disk_command(node->disk, command); return;
    default: fail_msg("unknown command %d", command->kind);
    }
}

#endif
