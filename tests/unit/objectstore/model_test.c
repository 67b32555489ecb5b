/* Random lives: three nodes with a store each, processes that come and die, objects made, read,
 * pulled, freed; sessions that break; a node that is lost. The memory is real bytes in this test
 * (shadow segments), so that wrong places show as wrong bytes:
 *
 *   - room that is given overlaps nothing that a process which has not been reaped may still touch;
 *   - pages are given back only where nobody may touch them;
 *   - what a reader gets is what the creator wrote, while it holds its pin, whatever
 *     dying processes scribble over their own room;
 *   - a failure has a reason: freed, its owner dead, its node dead, or the store full;
 *   - never more memory touched than the capacity; the tables agree after every event;
 *   - in the end, when all has been given back: no object, no pin, no segment, no memory.
 *
 * One seed is one run: MODEL_SEED=… runs a single one, MODEL_RUNS=… more of them. */
#include <stdlib.h>

#include "runtime/base/macros.h"
#include "runtime/base/map64.h"
#include "runtime/base/prng.h"
#include "tests/unit/objectstore/kit.h"

#define NODES        3u
#define NODE_MAX     8u
#define CAPACITY     (4 * MIB)
#define SEGMENT_SIZE (1 * MIB)
#define SEGMENTS_MAX 256u
#define CLIENTS      5u /* a node, at a time */
#define ROOMS        4u /* a client, at a time */
#define OBJECTS_MAX  4000u
#define PINS_MAX     24u
#define LINK_MAX     4096u
#define RETURNS_MAX  64u

struct model_object {
    struct reeve_object_id id;
    uint64_t size;
    uint32_t node; /* where the primary is */
    bool sealed, freed;
};

struct model_room {
    bool taken;
    uint32_t segment;
    uint64_t offset, size;
};

struct model_pin {
    uint32_t object; /* index + 1; 0: none */
    uint32_t segment;
    uint64_t offset;
};

struct model_client {
    uint32_t handle; /* 0: none */
    bool closed;
    uint32_t waiting_create; /* request, 0: none */
    uint32_t waiting_get;
    uint32_t waiting_object;
    uint64_t create_size;
    struct model_room rooms[ROOMS];
    struct model_pin pins[PINS_MAX];
    uint8_t writable[SEGMENTS_MAX], readable[SEGMENTS_MAX];
};

struct model_segment {
    uint8_t *bytes;
    uint64_t size;
};

struct model_node {
    uint32_t number; /* 0: not there */
    struct reeve_store *store;
    struct model_segment segments[SEGMENTS_MAX];
    struct model_client clients[CLIENTS];
    uint32_t handle_last;
    struct reeve_store_command returns[RETURNS_MAX]; /* pages on their way back to the machine */
    uint32_t return_count;
};

struct parcel { /* what one node sends to another */
    struct reeve_store_event event;
    uint8_t *bytes;
};

struct link {
    struct parcel parcels[LINK_MAX];
    uint32_t first, count;
};

struct world {
    struct reeve_prng prng;
    uint64_t now_ns;
    struct model_node nodes[NODES];
    uint32_t node_last;
    bool node_dead[NODE_MAX * 8];
    struct link links[NODES][NODES]; /* from, to */
    struct model_object objects[OBJECTS_MAX];
    uint32_t object_count;
    uint32_t request_last;
    struct reeve_map64 dead; /* processes */
    uint64_t answers, failures, pulls, kills, returns;
    bool healing;
};

static uint64_t random_below(struct world *world, uint64_t bound)
{
    return reeve_prng_below(&world->prng, bound);
}

static uint8_t byte_of(struct reeve_object_id id, uint64_t at)
{
    return (uint8_t)((at * 31 + id.sequence * 7 + id.owner * 13) % 251);
}

static void check_bytes(
    struct model_node *node, const struct model_object *object, uint32_t segment, uint64_t offset)
{
    const struct model_segment *memory = &node->segments[segment];
    assert_true(memory->bytes != NULL && offset + object->size <= memory->size);
    /* Not all of a large one, every time. */
    uint64_t stride = object->size > 2048 ? 61 : 1;
    for (uint64_t i = 0; i < object->size; i += stride)
        if (memory->bytes[offset + i] != byte_of(object->id, i))
            fail_msg("object %lu of %lx: wrong byte at %lu of %lu on node %u",
                (unsigned long)object->id.sequence, (unsigned long)object->id.owner,
                (unsigned long)i, (unsigned long)object->size, node->number);
    if (object->size > 0)
        assert_int_equal(
            memory->bytes[offset + object->size - 1], byte_of(object->id, object->size - 1));
}

/* Nobody who has not been reaped may touch this place. */
static void check_untouchable(
    struct world *world, struct model_node *node, uint32_t segment, uint64_t offset, uint64_t size)
{
    for (uint32_t c = 0; c < CLIENTS; c++) {
        struct model_client *client = &node->clients[c];
        if (client->handle == 0)
            continue;
        for (uint32_t i = 0; i < ROOMS; i++) {
            struct model_room *room = &client->rooms[i];
            if (room->taken && room->segment == segment && room->offset < offset + size &&
                offset < room->offset + room->size)
                fail_msg("room of a live process is given away");
        }
        for (uint32_t i = 0; i < PINS_MAX; i++) {
            struct model_pin *pin = &client->pins[i];
            if (pin->object != 0 && pin->segment == segment && pin->offset < offset + size &&
                offset < pin->offset + world->objects[pin->object - 1].size)
                fail_msg("an object that is being read is given away");
        }
    }
}

static struct model_client *client_of(struct model_node *node, uint32_t handle)
{
    for (uint32_t c = 0; c < CLIENTS; c++)
        if (node->clients[c].handle == handle)
            return &node->clients[c];
    return NULL;
}

static void send(struct world *world, uint32_t from, uint32_t to_number,
    struct reeve_store_event event, const uint8_t *bytes)
{
    for (uint32_t to = 0; to < NODES; to++) {
        if (world->nodes[to].number != to_number || to == from)
            continue;
        struct link *link = &world->links[from][to];
        assert_true(link->count - link->first < LINK_MAX);
        struct parcel *parcel = &link->parcels[link->count++ % LINK_MAX];
        parcel->event = event;
        parcel->bytes = NULL;
        if (bytes != NULL) {
            parcel->bytes = malloc(event.length + 1);
            memcpy(parcel->bytes, bytes, event.length);
        }
    }
}

static void got_room(
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

static bool node_is_dead(const struct world *world, uint32_t number)
{
    return number != 0 && world->node_dead[number];
}

static void got_object(
    struct world *world, struct model_node *node, const struct reeve_store_command *command)
{
    struct model_client *client = client_of(node, command->client);
    assert_non_null(client);
    assert_int_equal(client->waiting_get, command->request);
    struct model_object *object = &world->objects[client->waiting_object - 1];
    assert_true(reeve_object_id_equal(object->id, command->id));
    client->waiting_get = 0;
    if (command->code != 0) {
        bool dead = reeve_map64_get(&world->dead, object->id.owner) != NULL ||
                    node_is_dead(world, reeve_process_node(object->id.owner));
        bool explained = command->code == REEVE_EFULL ||
                         (command->code == REEVE_EOWNERDIED && dead) ||
                         (command->code == REEVE_ELOST &&
                             (object->freed || dead || node_is_dead(world, object->node) ||
                                 strstr(command->text, "does not answer") != NULL));
        if (!explained)
            fail_msg("node %u: %d %s", node->number, command->code, command->text);
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

static void carry_out(struct world *world, uint32_t at, const struct reeve_store_command *command,
    const uint8_t *bytes)
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
    case REEVE_STORE_REPLY_SEAL: return;
    case REEVE_STORE_COPY_IN:
        assert_non_null(bytes);
        assert_true(command->offset + command->length <= segment->size);
        check_untouchable(world, node, command->segment, command->offset, command->length);
        memcpy(segment->bytes + command->offset, bytes, command->length);
        return;
    case REEVE_STORE_SEND_PULL:
        world->pulls++;
        send(world, at, command->node,
            (struct reeve_store_event){.kind = REEVE_STORE_PEER_PULL,
                .node = node->number,
                .id = command->id,
                .offset = command->offset,
                .length = command->length},
            NULL);
        return;
    case REEVE_STORE_SEND_CHUNK:
        send(world, at, command->node,
            (struct reeve_store_event){.kind = REEVE_STORE_PEER_CHUNK,
                .node = node->number,
                .id = command->id,
                .offset = command->offset,
                .size = command->size,
                .length = command->length,
                .code = command->code},
            command->code == 0 ? segment->bytes + command->place : NULL);
        return;
    case REEVE_STORE_SEND_FREE:
        send(world, at, command->node,
            (struct reeve_store_event){.kind = REEVE_STORE_PEER_FREE,
                .node = node->number,
                .id = command->id,
                .number = command->number},
            NULL);
        return;
    default: fail_msg("unknown command %d", command->kind);
    }
}

static void check_node(const struct model_node *node, const char *after)
{
    const char *wrong = reeve_store_check(node->store);
    if (wrong != NULL)
        fail_msg("%s after %s", wrong, after);
    struct reeve_store_status state;
    reeve_store_status(node->store, &state);
    assert_true(state.committed_bytes <= CAPACITY && state.used_bytes <= CAPACITY);
}

static void step_node(
    struct world *world, uint32_t at, struct reeve_store_event event, const uint8_t *bytes)
{
    struct model_node *node = &world->nodes[at];
    struct reeve_fifo out;
    struct reeve_store_command command;
    reeve_fifo_init(&out, sizeof(command));
    reeve_store_step(node->store, world->now_ns, &event, &out);
    check_node(node, reeve_store_event_name(event.kind));
    bool more;
    do {
        while (reeve_fifo_pop(&out, &command))
            carry_out(world, at, &command, bytes);
        more = reeve_store_run_some(node->store, world->now_ns, &out);
    } while (more || reeve_fifo_peek(&out) != NULL);
    check_node(node, "the rest");
    reeve_fifo_fini(&out);
}

/* One of the slices under way is done: nobody has been given any of it meanwhile. */
static bool return_slice(struct world *world, uint32_t at)
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
            .code = failed ? REEVE_ESYSTEM : REEVE_OK},
        NULL);
    return true;
}

/* --- what may happen -------------------------------------------------------------------------- */

static void reset_session(struct world *world, uint32_t a, uint32_t b);

static void node_start(struct world *world, uint32_t at)
{
    struct model_node *node = &world->nodes[at];
    memset(node, 0, sizeof(*node));
    node->number = ++world->node_last;
    struct reeve_store_settings settings = {.capacity_bytes = CAPACITY,
        .segment_size_bytes = SEGMENT_SIZE,
        .node = node->number,
        .return_now_bytes = at == 0 ? 0 : 1, /* elsewhere in the background, all of it */
        .pull_wait_ns = 20 * MILLISECOND};   /* so that pieces are asked for twice */
    node->store = reeve_store_create(&settings);
    for (uint32_t other = 0; other < NODES; other++)
        if (other != at && world->nodes[other].number != 0)
            reset_session(world, at, other); /* they get to know each other */
}

static void link_cut(struct world *world, uint32_t from, uint32_t to)
{
    struct link *link = &world->links[from][to];
    while (link->first < link->count)
        free(link->parcels[link->first++ % LINK_MAX].bytes);
}

static void node_stop(struct world *world, uint32_t at)
{
    struct model_node *node = &world->nodes[at];
    reeve_store_free(node->store);
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        free(node->segments[i].bytes);
    world->node_dead[node->number] = true;
    uint32_t number = node->number;
    node->number = 0;
    for (uint32_t other = 0; other < NODES; other++) {
        link_cut(world, at, other);
        link_cut(world, other, at);
        if (world->nodes[other].number != 0)
            step_node(world, other,
                (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = number}, NULL);
    }
}

static void add_client(struct world *world, uint32_t at)
{
    struct model_node *node = &world->nodes[at];
    struct model_client *client = client_of(node, 0);
    if (client == NULL)
        return;
    memset(client, 0, sizeof(*client));
    client->handle = ++node->handle_last;
    step_node(world, at,
        (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_ADDED,
            .client = client->handle,
            .process = reeve_process_id_make(node->number, client->handle)},
        NULL);
}

static void create_room(struct world *world, uint32_t at, struct model_client *client)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < ROOMS; i++)
        taken += client->rooms[i].taken;
    if (taken == ROOMS || client->waiting_create != 0)
        return;
    uint64_t dice = random_below(world, 100);
    uint64_t most = dice < 50 ? 3000 : dice < 80 ? 100000 : dice < 99 ? 900000 : CAPACITY + 1000;
    client->create_size = random_below(world, most);
    client->waiting_create = ++world->request_last;
    step_node(world, at,
        (struct reeve_store_event){.kind = REEVE_STORE_CREATE,
            .client = client->handle,
            .request = client->waiting_create,
            .size = client->create_size,
            .skew = (uint32_t)random_below(world, 100)},
        NULL);
}

/* Owned by itself mostly; else by somebody of any node, as results are. */
static void seal_room(struct world *world, uint32_t at, struct model_client *client)
{
    struct model_node *node = &world->nodes[at];
    struct model_room *room = &client->rooms[random_below(world, ROOMS)];
    if (!room->taken || world->object_count == OBJECTS_MAX)
        return;
    room->taken = false;
    struct reeve_store_event event = {.kind = REEVE_STORE_SEAL,
        .client = client->handle,
        .segment = room->segment,
        .offset = room->offset};
    if (random_below(world, 10) == 0) {
        event.kind = REEVE_STORE_ABORT;
        step_node(world, at, event, NULL);
        return;
    }
    reeve_process_id owner = reeve_process_id_make(node->number, client->handle);
    if (random_below(world, 2) == 0) {
        struct model_node *other = &world->nodes[random_below(world, NODES)];
        struct model_client *someone = &other->clients[random_below(world, CLIENTS)];
        if (other->number != 0 && someone->handle != 0 && !someone->closed)
            owner = reeve_process_id_make(other->number, someone->handle);
    }
    struct model_object *object = &world->objects[world->object_count++];
    *object = (struct model_object){.id = OBJECT(owner, world->object_count),
        .size = room->size - random_below(world, room->size / 4 + 1),
        .node = node->number,
        .sealed = true};
    uint8_t *bytes = node->segments[room->segment].bytes + room->offset;
    for (uint64_t i = 0; i < object->size; i++)
        bytes[i] = byte_of(object->id, i);
    event.id = object->id;
    event.size = object->size;
    step_node(world, at, event, NULL);
}

static void get_object(struct world *world, uint32_t at, struct model_client *client)
{
    if (world->object_count == 0 || client->waiting_get != 0)
        return;
    uint32_t pins = 0;
    for (uint32_t i = 0; i < PINS_MAX; i++)
        pins += client->pins[i].object != 0;
    if (pins == PINS_MAX)
        return;
    uint32_t recent = (uint32_t)REEVE_MIN(world->object_count, 30u);
    uint32_t index = world->object_count - 1 - (uint32_t)random_below(world, recent);
    struct model_object *object = &world->objects[index];
    client->waiting_get = ++world->request_last;
    client->waiting_object = index + 1;
    step_node(world, at,
        (struct reeve_store_event){.kind = REEVE_STORE_GET,
            .client = client->handle,
            .request = client->waiting_get,
            .id = object->id,
            .size = random_below(world, 4) == 0 ? 0 : object->size,
            .node = object->node},
        NULL);
}

static void unpin_object(struct world *world, uint32_t at, struct model_client *client, bool all)
{
    for (uint32_t i = 0; i < PINS_MAX; i++) {
        struct model_pin *pin = &client->pins[i];
        if (pin->object == 0 || (!all && random_below(world, 3) != 0))
            continue;
        struct model_object *object = &world->objects[pin->object - 1];
        check_bytes(&world->nodes[at], object, pin->segment, pin->offset);
        pin->object = 0;
        step_node(world, at,
            (struct reeve_store_event){
                .kind = REEVE_STORE_UNPIN, .client = client->handle, .id = object->id},
            NULL);
    }
}

static void free_owned(
    struct world *world, uint32_t at, struct model_client *client, uint32_t chance)
{
    reeve_process_id process = reeve_process_id_make(world->nodes[at].number, client->handle);
    uint32_t first = world->object_count > 200 && !world->healing ? world->object_count - 200 : 0;
    for (uint32_t i = first; i < world->object_count; i++) {
        struct model_object *object = &world->objects[i];
        if (object->id.owner != process || object->freed || random_below(world, chance) != 0)
            continue;
        object->freed = true;
        step_node(world, at,
            (struct reeve_store_event){.kind = REEVE_STORE_FREE,
                .client = client->handle,
                .id = object->id,
                .node = object->node},
            NULL);
    }
}

static void reap(struct world *world, uint32_t at, struct model_client *client)
{
    struct model_node *node = &world->nodes[at];
    uint32_t handle = client->handle;
    int error =
        reeve_map64_put(&world->dead, reeve_process_id_make(node->number, handle), world, NULL);
    assert_int_equal(error, 0);
    memset(client, 0, sizeof(*client));
    step_node(world, at,
        (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_REAPED, .client = handle}, NULL);
}

/* A dying process writes rubbish where it may write. */
static void scribble(struct model_node *node, struct model_client *client)
{
    for (uint32_t i = 0; i < ROOMS; i++) {
        struct model_room *room = &client->rooms[i];
        if (room->taken)
            memset(node->segments[room->segment].bytes + room->offset, 0xdd, room->size);
    }
}

static void close_client(struct world *world, uint32_t at, struct model_client *client)
{
    client->closed = true;
    client->waiting_create = client->waiting_get = 0;
    world->kills++;
    step_node(world, at,
        (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_CLOSED, .client = client->handle},
        NULL);
}

static void deliver(struct world *world, uint32_t from, uint32_t to)
{
    struct link *link = &world->links[from][to];
    if (link->first == link->count)
        return;
    struct parcel parcel = link->parcels[link->first++ % LINK_MAX];
    if (world->nodes[to].number != 0)
        step_node(world, to, parcel.event, parcel.bytes);
    if (parcel.event.kind == REEVE_STORE_PEER_FREE)
        send(world, to, parcel.event.node,
            (struct reeve_store_event){.kind = REEVE_STORE_PEER_FREED,
                .node = world->nodes[to].number,
                .number = parcel.event.number},
            NULL);
    free(parcel.bytes);
}

/* All that was on its way is lost. */
static void reset_session(struct world *world, uint32_t a, uint32_t b)
{
    uint32_t ends[2][2] = {{a, b}, {b, a}};
    for (int i = 0; i < 2; i++)
        link_cut(world, ends[i][0], ends[i][1]);
    for (int i = 0; i < 2; i++)
        if (world->nodes[ends[i][0]].number != 0 && world->nodes[ends[i][1]].number != 0)
            step_node(world, ends[i][0],
                (struct reeve_store_event){
                    .kind = REEVE_STORE_PEER_RESET, .node = world->nodes[ends[i][1]].number},
                NULL);
}

static void pass_time(struct world *world, uint64_t ns)
{
    world->now_ns += ns;
    for (uint32_t at = 0; at < NODES; at++)
        if (world->nodes[at].number != 0 &&
            reeve_store_deadline(world->nodes[at].store) <= world->now_ns)
            step_node(world, at, (struct reeve_store_event){.kind = REEVE_STORE_TICK}, NULL);
}

static void something(struct world *world)
{
    uint32_t at = (uint32_t)random_below(world, NODES), to = (uint32_t)random_below(world, NODES);
    struct model_node *node = &world->nodes[at];
    struct model_client *client = &node->clients[random_below(world, CLIENTS)];
    uint64_t dice = random_below(world, 1000);
    if (dice < 350) {
        if (at != to)
            deliver(world, at, to);
        return;
    }
    if (dice < 400) {
        pass_time(world, random_below(world, 20 * MILLISECOND));
        return;
    }
    if (dice < 403) {
        if (at != to)
            reset_session(world, at, to);
        return;
    }
    if (dice < 404 && random_below(world, 4) == 0 && world->node_last < NODE_MAX) {
        node_stop(world, at);
        node_start(world, at);
        return;
    }
    if (dice % 4 == 0)
        (void)return_slice(world, at);
    if (client->handle == 0) {
        if (dice % 8 == 0)
            add_client(world, at);
        return;
    }
    if (client->closed) {
        scribble(node, client);
        if (dice % 8 == 0)
            reap(world, at, client);
        return;
    }
    if (dice < 560)
        create_room(world, at, client);
    else if (dice < 720)
        seal_room(world, at, client);
    else if (dice < 860)
        get_object(world, at, client);
    else if (dice < 930)
        unpin_object(world, at, client, false);
    else if (dice < 994)
        free_owned(world, at, client, 3);
    else
        close_client(world, at, client);
}

static void deliver_all(struct world *world)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t at = 0; at < NODES; at++)
            while (return_slice(world, at))
                moved = true;
        for (uint32_t from = 0; from < NODES; from++)
            for (uint32_t to = 0; to < NODES; to++)
                while (world->links[from][to].first < world->links[from][to].count) {
                    deliver(world, from, to);
                    moved = true;
                }
    }
}

/* Everybody gives everything back; then nothing may be left. */
static void heal(struct world *world)
{
    world->healing = true;
    for (int round = 0; round < 400; round++) {
        bool waiting = false;
        for (uint32_t at = 0; at < NODES; at++)
            for (uint32_t c = 0; c < CLIENTS; c++) {
                struct model_client *client = &world->nodes[at].clients[c];
                if (client->handle == 0)
                    continue;
                if (client->closed) {
                    reap(world, at, client);
                    continue;
                }
                unpin_object(world, at, client, true);
                for (uint32_t i = 0; i < ROOMS; i++) {
                    struct model_room *room = &client->rooms[i];
                    bool taken = room->taken;
                    room->taken = false; /* before it may be given to the next */
                    if (taken)
                        step_node(world, at,
                            (struct reeve_store_event){.kind = REEVE_STORE_ABORT,
                                .client = client->handle,
                                .segment = room->segment,
                                .offset = room->offset},
                            NULL);
                }
                waiting |= client->waiting_create != 0 || client->waiting_get != 0;
            }
        deliver_all(world);
        pass_time(world, 100 * MILLISECOND);
        if (!waiting)
            break;
        assert_true(round < 399); /* everything that was asked is answered */
    }
    for (uint32_t at = 0; at < NODES; at++)
        for (uint32_t c = 0; c < CLIENTS; c++) {
            struct model_client *client = &world->nodes[at].clients[c];
            if (client->handle == 0)
                continue;
            if (c % 2 == 0)
                free_owned(world, at, client, 1);
            else
                reap(world, at, client);
        }
    deliver_all(world);
    struct reeve_store_status state;
    for (uint32_t at = 0; at < NODES; at++) {
        reeve_store_status(world->nodes[at].store, &state);
        assert_int_equal(state.pin_count, 0);
        assert_int_equal(state.queue_count, 0);
        assert_int_equal(state.pull_count, 0);
        assert_int_equal(state.unsealed_bytes, 0);
        /* Copies that nobody was told to free are only kept while there is room; their owners go
         * here. */
        for (uint32_t c = 0; c < CLIENTS; c++)
            if (world->nodes[at].clients[c].handle != 0)
                reap(world, at, &world->nodes[at].clients[c]);
    }
    deliver_all(world);
    for (uint32_t at = 0; at < NODES; at++) {
        struct model_node *node = &world->nodes[at];
        reeve_store_status(node->store, &state);
        assert_int_equal(state.untold_count, 0);
        assert_int_equal(state.used_bytes, state.copy_bytes);
        assert_int_equal(state.object_count, 0);
        assert_int_equal(state.used_bytes, 0);
    }
    pass_time(world, 31 * SECOND);
    deliver_all(world);
    for (uint32_t at = 0; at < NODES; at++) {
        reeve_store_status(world->nodes[at].store, &state);
        assert_int_equal(state.segment_count, 0);
        assert_int_equal(state.committed_bytes, 0);
        assert_true(reeve_store_deadline(world->nodes[at].store) == UINT64_MAX);
    }
}

static void run(uint64_t seed, uint32_t steps, bool print)
{
    struct world *world = calloc(1, sizeof(*world));
    reeve_prng_init(&world->prng, seed);
    world->now_ns = SECOND;
    reeve_map64_init(&world->dead);
    for (uint32_t at = 0; at < NODES; at++)
        node_start(world, at);
    for (uint32_t i = 0; i < steps; i++)
        something(world);
    heal(world);
    if (print)
        print_message("           seed %lu: %lu answers, %lu failures, %lu pulls, %lu returns, "
                      "%lu kills, %u objects\n",
            (unsigned long)seed, (unsigned long)world->answers, (unsigned long)world->failures,
            (unsigned long)world->pulls, (unsigned long)world->returns, (unsigned long)world->kills,
            world->object_count);
    assert_true(steps < 2000 || (world->answers > 100 && world->pulls > 10 && world->returns > 10));
    for (uint32_t at = 0; at < NODES; at++) {
        reeve_store_free(world->nodes[at].store);
        for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
            free(world->nodes[at].segments[i].bytes);
    }
    reeve_map64_fini(&world->dead);
    free(world);
}

static void test_random_lives(void **state)
{
    (void)state;
    const char *seed = getenv("MODEL_SEED"), *runs = getenv("MODEL_RUNS");
    if (seed != NULL) {
        run(strtoull(seed, NULL, 10), 6000, true);
        return;
    }
    uint64_t count = runs != NULL ? strtoull(runs, NULL, 10) : 12;
    for (uint64_t i = 1; i <= count; i++) {
        print_message(
            "           MODEL_SEED=%lu\n", (unsigned long)i); /* so that a failure names it */
        run(i, 6000, i % 4 == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_lives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
