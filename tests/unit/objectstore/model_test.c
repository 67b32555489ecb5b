/* Random lives: four nodes with a store each, processes that come and die, objects made, read,
 * pulled, spilled, anchored, held, given away, freed, made twice; sessions that break; a node that
 * is lost, between any two commands; disks that fail and flip bits. The memory is real bytes in
 * this test (shadow segments), and so are the files on disk, so that wrong places show as wrong
 * bytes:
 *
 *   - room that is given overlaps nothing that a process which has not been reaped may still touch;
 *   - a piece that has been called off is written to until the shell has answered, and what is sent
 *     is read when it leaves, late;
 *   - pages are given back only where nobody may touch them;
 *   - what a reader gets is what the creator wrote, while it holds its pin, whatever
 *     dying processes scribble over their own room;
 *   - a failure has a reason: freed, its owner dead, its node dead, or the store full;
 *   - what an owner has not freed is there, as long as it and the node live; what somebody holds
 *     is, too, freed or not, and its holder can read it, whoever owns it by then;
 *   - what is anchored stays in its place;
 *   - never more memory touched than the capacity; the tables agree after every event;
 *   - in the end, when all has been given back: no primary, no hold, but those of which a process
 *     died that was about to hand them on; when all owners have gone: no object, no pin, no
 *     segment, no memory, no file.
 *
 * One seed is one run: MODEL_SEED=… runs a single one (MODEL_TRACE=1: and says what happens),
 * MODEL_RUNS=… more of them. */
#include <stdlib.h>

#include "runtime/base/macros.h"
#include "tests/unit/objectstore/model_shells.h"

static void check_node(const struct model_node *node, const char *after)
{
    const char *wrong = reeve_store_check(node->store);
    if (wrong != NULL)
        fail_msg("%s after %s", wrong, after);
    struct reeve_store_status state;
    reeve_store_status(node->store, &state);
    assert_true(state.committed_bytes <= CAPACITY && state.used_bytes <= CAPACITY);
}

static void step_node(struct world *world, uint32_t at, struct reeve_store_event event)
{
    struct model_node *node = &world->nodes[at];
    struct reeve_fifo out;
    struct reeve_store_command command;
    if (node->doomed)
        return;
    if (world->trace)
        print_message(
            "%8.3f node %u: %s client %u request %u id %lx/%lu node %u process %lx heir %lx "
            "number %lu word %lu flags %u code %d\n",
            (double)world->now_ns / MILLISECOND, node->number, reeve_store_event_name(event.kind),
            event.client, event.request, (unsigned long)event.id.owner,
            (unsigned long)event.id.sequence, event.node, (unsigned long)event.process,
            (unsigned long)event.heir, (unsigned long)event.number, (unsigned long)event.word,
            event.flags, event.code);
    reeve_fifo_init(&out, sizeof(command));
    reeve_store_step(node->store, world->now_ns, &event, &out);
    check_node(node, reeve_store_event_name(event.kind));
    bool more;
    do {
        while (reeve_fifo_pop(&out, &command)) {
            carry_out(world, at, &command);
            /* some of them have been carried out when it dies */
            node->doomed |=
                !world->healing && world->node_last < NODE_MAX && random_below(world, 20000) == 0;
            if (node->doomed)
                reeve_fifo_clear(&out);
        }
        more = reeve_store_run_some(node->store, world->now_ns, &out);
    } while (more || reeve_fifo_peek(&out) != NULL);
    check_node(node, "the rest");
    reeve_fifo_fini(&out);
    heirs_let_go(world);
    strays_of_gifts_free(world);
}

/* --- what may happen -------------------------------------------------------------------------- */

static void reset_session(struct world *world, uint32_t a, uint32_t b);

static void node_start(struct world *world, uint32_t at)
{
    static const char *const folders[] = {"/one", "/two", "/three"};
    struct model_node *node = &world->nodes[at];
    memset(node, 0, sizeof(*node));
    node->number = ++world->node_last;
    struct reeve_store_settings settings = {.capacity_bytes = CAPACITY,
        .segment_size_bytes = SEGMENT_SIZE,
        .node = node->number,
        .piece_size_bytes = PIECE_SIZE,
        .return_now_bytes = at == 0 ? 0 : 1, /* elsewhere in the background, all of it */
        .pull_wait_ns = 20 * MILLISECOND,    /* so that pieces are asked for twice */
        .spill_folders = folders,
        .spill_folder_count = world->folder_count,
        .spill_file_bytes = 1 * MIB,
        .spill_limit_bytes = node->number % 2 == 0 ? 12 * MIB : 0,
        .spill_retry_ns = 50 * MILLISECOND};
    if (world->folder_count > 0) {
        node->disk = calloc(1, sizeof(*node->disk));
        node->disk->fail_chance = world->fail_chance;
        node->disk->flip_chance = world->flip_chance;
    }
    node->store = reeve_store_create(&settings);
    for (uint32_t other = 0; other < NODES; other++)
        if (other != at && world->nodes[other].number != 0)
            reset_session(world, at, other); /* they get to know each other */
}

static void link_cut(struct world *world, uint32_t from, uint32_t to)
{
    struct link *link = &world->links[from][to];
    while (link->first < link->count) {
        struct parcel parcel = link->parcels[link->first++ % LINK_MAX];
        free(parcel.bytes);
        if (parcel.serial != 0 && world->nodes[from].number != 0)
            world->unsent[from][world->unsent_count[from]++ % LINK_MAX] = parcel.serial;
    }
}

/* Before its store goes. */
static void leave_disk(struct world *world, struct model_node *node)
{
    struct reeve_store_status state;
    if (node->disk == NULL)
        return;
    reeve_store_status(node->store, &state);
    world->mended += state.spill_mended_count;
    world->written += node->disk->written;
    world->read += node->disk->read;
    disk_free(node->disk);
    node->disk = NULL;
}

static void node_stop(struct world *world, uint32_t at)
{
    struct model_node *node = &world->nodes[at];
    leave_disk(world, node);
    reeve_store_free(node->store);
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        free(node->segments[i].bytes);
    world->node_dead[node->number] = true;
    for (uint32_t c = 0; c < CLIENTS; c++)
        if (node->clients[c].handle != 0 && !node->clients[c].closed)
            client_leaves(world, node, &node->clients[c]);
    uint32_t number = node->number;
    node->number = 0;
    world->unsent_count[at] = 0;
    for (uint32_t other = 0; other < NODES; other++) {
        link_cut(world, at, other);
        link_cut(world, other, at);
        if (world->nodes[other].number != 0)
            step_node(world, other,
                (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = number});
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
            .process = reeve_process_id_make(node->number, client->handle)});
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
            .skew = (uint32_t)random_below(world, 100)});
}

static void fill(struct model_node *node, const struct model_object *object,
    const struct model_room *room, struct reeve_store_event *seal)
{
    uint8_t *bytes = node->segments[room->segment].bytes + room->offset;
    for (uint64_t i = 0; i < object->size; i++)
        bytes[i] = byte_of(object->id, i);
    seal->id = object->id;
    seal->size = object->size;
}

/* The same as what lies, or lay, on another node: of an attempt that is said to be lost. False:
 * there is nothing of that kind that would fit. */
static bool seal_stray(struct world *world, struct model_node *node, const struct model_room *room,
    struct reeve_store_event *seal)
{
    uint32_t recent = REEVE_MIN(60u, world->object_count), maker_at;
    for (uint32_t i = 1; i <= recent; i++) {
        struct model_object *object = &world->objects[world->object_count - i];
        if (object->size > room->size || object->node == node->number ||
            world->node_dead[object->node] || object->strays & 1ull << node->number ||
            process_find(world, object->id.owner, &maker_at) == NULL)
            continue;
        fill(node, object, room, seal);
        step_node(world, (uint32_t)(node - world->nodes), *seal);
        object->strays |= 1ull << node->number;
        world->strays++;
        if (object->freed || object->given)
            strays_free(world, object);
        return true;
    }
    return false;
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
        step_node(world, at, event);
        return;
    }
    if (random_below(world, 6) == 0 && seal_stray(world, node, room, &event))
        return;
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
        .owner = owner,
        .sealed = true};
    if (anchor_room(world, owner) != NULL && random_below(world, 2) == 0)
        event.flags = REEVE_STORE_ANCHOR;
    fill(node, object, room, &event);
    step_node(world, at, event);
}

/* The last one before that number which is on this node's disk only; else that one. */
static uint32_t spilled_here(const struct world *world, uint32_t at, uint32_t number)
{
    const struct model_node *node = &world->nodes[at];
    uint32_t segment;
    uint64_t offset, size;
    for (uint32_t i = number; i > 0; i--) {
        const struct model_object *object = &world->objects[i - 1];
        if (object->node == node->number && !object->freed &&
            reeve_store_knows(node->store, object->id) &&
            !reeve_store_find(node->store, object->id, &segment, &offset, &size))
            return i - 1;
    }
    return number;
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
    uint32_t recent = random_below(world, 3) == 0 ? 200 : 30;
    recent = REEVE_MIN(recent, world->object_count);
    uint32_t index = world->object_count - 1 - (uint32_t)random_below(world, recent);
    if (world->damaging && random_below(world, 2) == 0)
        index = spilled_here(world, at, index);
    uint32_t hold = random_below(world, 2) == 0 ? hold_of(world, at, client) : 0;
    if (hold != 0) {
        index = world->holds[hold - 1].object - 1;
        world->holds[hold - 1].busy++;
        client->waiting_hold = hold;
    }
    struct model_object *object = &world->objects[index];
    client->waiting_get = ++world->request_last;
    client->waiting_object = index + 1;
    client->waiting_given = object->given;
    step_node(world, at,
        (struct reeve_store_event){.kind = REEVE_STORE_GET,
            .client = client->handle,
            .request = client->waiting_get,
            .id = object->id,
            .flags = (client->waiting_given ? REEVE_STORE_GIVEN : 0) |
                     (hold != 0 ? REEVE_STORE_HELD : 0),
            .size = random_below(world, 4) == 0 ? 0 : object->size,
            .node = object->node});
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
                .kind = REEVE_STORE_UNPIN, .client = client->handle, .id = object->id});
    }
}

static void free_owned(
    struct world *world, uint32_t at, struct model_client *client, uint32_t chance)
{
    reeve_process_id process = reeve_process_id_make(world->nodes[at].number, client->handle);
    uint32_t first = world->object_count > 200 && !world->healing ? world->object_count - 200 : 0;
    for (uint32_t i = first; i < world->object_count; i++) {
        struct model_object *object = &world->objects[i];
        if (object->owner != process || object->freed || object->loans > 0 || object->giving ||
            random_below(world, chance) != 0)
            continue;
        struct model_pin *anchor = anchor_of(client, i);
        if (anchor != NULL)
            anchor->object = 0;
        object->freed = true;
        step_node(world, at,
            (struct reeve_store_event){.kind = REEVE_STORE_FREE,
                .client = client->handle,
                .id = object->id,
                .flags = object->given ? REEVE_STORE_GIVEN : 0,
                .node = object->node});
        strays_free(world, object);
    }
}

static void reap(struct world *world, uint32_t at, struct model_client *client)
{
    struct model_node *node = &world->nodes[at];
    uint32_t handle = client->handle;
    if (!client->closed)
        client_leaves(world, node, client);
    int error =
        reeve_map64_put(&world->dead, reeve_process_id_make(node->number, handle), world, NULL);
    assert_int_equal(error, 0);
    memset(client, 0, sizeof(*client));
    step_node(
        world, at, (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_REAPED, .client = handle});
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
    client_leaves(world, &world->nodes[at], client);
    client->closed = true;
    client->waiting_create = client->waiting_get = 0;
    world->kills++;
    step_node(world, at,
        (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_CLOSED, .client = client->handle});
}

static void deliver(struct world *world, uint32_t from, uint32_t to)
{
    struct link *link = &world->links[from][to];
    if (link->first == link->count)
        return;
    struct parcel parcel = link->parcels[link->first++ % LINK_MAX];
    transmit(world, from, &parcel);
    if (world->nodes[to].number == 0)
        ;
    else if (parcel.event.kind == REEVE_STORE_PEER_CHUNK)
        receive(world, to, &parcel);
    else
        step_node(world, to, parcel.event);
    if (parcel.event.word != 0 && !world->nodes[to].doomed)
        send(world, to, parcel.event.node,
            (struct reeve_store_event){.kind = REEVE_STORE_PEER_FREED,
                .node = world->nodes[to].number,
                .number = parcel.event.word});
    free(parcel.bytes);
}

/* All that was on its way is lost. */
static void reset_session(struct world *world, uint32_t a, uint32_t b)
{
    uint32_t ends[2][2] = {{a, b}, {b, a}};
    for (int i = 0; i < 2; i++)
        link_cut(world, ends[i][0], ends[i][1]);
    for (int i = 0; i < 2; i++) {
        struct model_node *node = &world->nodes[ends[i][0]];
        for (uint32_t p = 0; node->number != 0 && p < PIECES_MAX; p++) {
            struct model_piece *piece = &node->pieces[p];
            if (piece->number != 0 && piece->node == world->nodes[ends[i][1]].number)
                piece_answer(
                    world, ends[i][0], piece, (struct reeve_store_event){.code = REEVE_ELINK});
        }
    }
    for (int i = 0; i < 2; i++)
        if (world->nodes[ends[i][0]].number != 0 && world->nodes[ends[i][1]].number != 0)
            step_node(world, ends[i][0],
                (struct reeve_store_event){
                    .kind = REEVE_STORE_PEER_RESET, .node = world->nodes[ends[i][1]].number});
}

static void pass_time(struct world *world, uint64_t ns)
{
    world->now_ns += ns;
    for (uint32_t at = 0; at < NODES; at++)
        if (world->nodes[at].number != 0 &&
            reeve_store_deadline(world->nodes[at].store) <= world->now_ns)
            step_node(world, at, (struct reeve_store_event){.kind = REEVE_STORE_TICK});
}

static void something(struct world *world)
{
    uint32_t at = (uint32_t)random_below(world, NODES), to = (uint32_t)random_below(world, NODES);
    struct model_node *node = &world->nodes[at];
    struct model_client *client = &node->clients[random_below(world, CLIENTS)];
    uint64_t dice = random_below(world, 1000);
    if (node->doomed) {
        node_stop(world, at);
        node_start(world, at);
        return;
    }
    if (dice % 32 == 7)
        check_kept(world);
    if (dice % 16 == 0)
        answer_dropped(world, at);
    if (dice % 4 == 1)
        answer_unsent(world, at);
    if (dice % 16 == 3)
        answer_asks(world, at);
    if (dice < 350) {
        /* more than one, or what is said again until it has been heard would pile up */
        uint64_t count = random_below(world, 8) == 0 ? LINK_MAX : 1 + random_below(world, 8);
        for (uint64_t i = 0; at != to && i < count; i++)
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
    if (dice < 440) {
        if (node->disk != NULL && node->disk->pending_count > 0)
            end_disk(world, at, (uint32_t)random_below(world, node->disk->pending_count));
        return;
    }
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
    if (dice < 540)
        create_room(world, at, client);
    else if (dice < 680)
        seal_room(world, at, client);
    else if (dice < 800)
        get_object(world, at, client);
    else if (dice < 850)
        refer(world, at, client);
    else if (dice < 880)
        let_go(world, at, client, false);
    else if (dice < 930)
        unpin_object(world, at, client, false);
    else if (dice < 994)
        free_owned(world, at, client, world->folder_count > 0 ? 30 : 3); /* what is kept spills */
    else
        close_client(world, at, client);
}

static void deliver_all(struct world *world)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t at = 0; at < NODES; at++) {
            answer_dropped(world, at);
            answer_unsent(world, at);
            answer_asks(world, at);
            while (return_slice(world, at))
                moved = true;
        }
        for (uint32_t from = 0; from < NODES; from++)
            for (uint32_t to = 0; to < NODES; to++)
                while (world->links[from][to].first < world->links[from][to].count) {
                    deliver(world, from, to);
                    moved = true;
                }
    }
}

static void end_all_disks(struct world *world)
{
    for (uint32_t at = 0; at < NODES; at++)
        while (world->nodes[at].disk != NULL && world->nodes[at].disk->pending_count > 0)
            end_disk(world, at, 0);
}

/* What is left of objects that everybody has given back. */
static void check_nothing_kept(struct world *world)
{
    struct reeve_store_object_info info;
    uint64_t holds = 0;
    for (uint32_t at = 0; at < NODES; at++) {
        struct reeve_store_status state;
        reeve_store_status(world->nodes[at].store, &state);
        holds += state.hold_count;
        for (uint64_t cursor = 0;
             reeve_store_next_object(world->nodes[at].store, &cursor, &info);) {
            if (!info.copy)
                fail_msg("object %lu of %lx is on node %u, and nobody knows it",
                    (unsigned long)info.id.sequence, (unsigned long)info.id.owner,
                    world->nodes[at].number);
        }
    }
    assert_int_equal(holds, 0);
}

/* Copies may be left of what was given away and lay on a node that has died: nobody knows here
 * whose they are. They go after a while. */
static void check_orphans(const struct world *world, const struct model_node *node)
{
    struct reeve_store_object_info info;
    for (uint64_t cursor = 0; reeve_store_next_object(node->store, &cursor, &info);) {
        const struct model_object *object = &world->objects[info.id.sequence - 1];
        if (!info.copy || info.owner != REEVE_PROCESS_NONE || !world->node_dead[object->node])
            fail_msg("object %lu of %lx is left on node %u", (unsigned long)info.id.sequence,
                (unsigned long)info.id.owner, node->number);
    }
}

/* Everybody gives everything back; then nothing may be left. */
static void heal(struct world *world)
{
    world->healing = true;
    for (uint32_t at = 0; at < NODES; at++) {
        if (!world->nodes[at].doomed)
            continue;
        node_stop(world, at);
        node_start(world, at);
    }
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
                let_go(world, at, client, true);
                for (uint32_t i = 0; i < ROOMS; i++) {
                    struct model_room *room = &client->rooms[i];
                    bool taken = room->taken;
                    room->taken = false; /* before it may be given to the next */
                    if (taken)
                        step_node(world, at,
                            (struct reeve_store_event){.kind = REEVE_STORE_ABORT,
                                .client = client->handle,
                                .segment = room->segment,
                                .offset = room->offset});
                }
                waiting |= client->waiting_create != 0 || client->waiting_get != 0 ||
                           client->giving_request != 0 || holds_asked(world) > 0;
            }
        deliver_all(world);
        end_all_disks(world);
        pass_time(world, 100 * MILLISECOND);
        if (!waiting)
            break;
        assert_true(round < 399); /* everything that was asked is answered */
    }
    check_told(world);
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
    end_all_disks(world);
    check_nothing_kept(world);
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
    end_all_disks(world);
    for (uint32_t at = 0; at < NODES; at++) {
        struct model_node *node = &world->nodes[at];
        reeve_store_status(node->store, &state);
        assert_int_equal(state.untold_count, 0);
        assert_int_equal(state.hold_count, 0);
        assert_int_equal(state.anchored_bytes, 0);
        assert_int_equal(state.used_bytes, state.copy_bytes);
        check_orphans(world, node);
        assert_int_equal(state.spilled_count + state.spilled_bytes + state.disk_bytes, 0);
        for (uint32_t i = 0; node->disk != NULL && i < DISK_FILES_MAX; i++)
            assert_true(node->disk->files[i].closed || !node->disk->files[i].opened);
    }
    for (int i = 0; i < 4; i++) { /* what is given back in the background is idle only then */
        pass_time(world, 31 * SECOND);
        deliver_all(world);
    }
    for (uint32_t at = 0; at < NODES; at++) {
        reeve_store_status(world->nodes[at].store, &state);
        assert_int_equal(state.object_count, 0);
        assert_int_equal(state.segment_count, 0);
        assert_int_equal(state.committed_bytes, 0);
        assert_true(reeve_store_deadline(world->nodes[at].store) == UINT64_MAX);
    }
}

/* How many objects were mended. */
static uint64_t run(uint64_t seed, uint32_t steps, bool print)
{
    struct world *world = calloc(1, sizeof(*world));
    reeve_prng_init(&world->prng, seed);
    world->now_ns = SECOND;
    world->trace = getenv("MODEL_TRACE") != NULL;
    reeve_map64_init(&world->dead);
    world->folder_count = seed % 4; /* none in one of four */
    world->fail_chance = seed % 3 == 0 ? 0 : 20;
    world->damaging = seed % 4 == 3;
    world->flip_chance = world->damaging ? 2 : seed % 5 == 0 ? 30 : 0;
    for (uint32_t at = 0; at < NODES; at++)
        node_start(world, at);
    if (world->folder_count > 0)
        steps *= 3;
    for (uint32_t i = 0; i < steps; i++)
        something(world);
    heal(world);
    assert_true(steps < 2000 || (world->answers > 100 && world->pulls > 10 && world->returns > 10));
    for (uint32_t at = 0; at < NODES; at++) {
        leave_disk(world, &world->nodes[at]);
        reeve_store_free(world->nodes[at].store);
        for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
            free(world->nodes[at].segments[i].bytes);
    }
    if (print)
        print_message(
            "           seed %lu: %lu answers, %lu failures, %lu pulls, %lu kills, %u "
            "objects, %lu written, %lu read, %lu mended, %lu gifts, %lu held, %lu let go untold, "
            "%lu anchored, %lu strays\n",
            (unsigned long)seed, (unsigned long)world->answers, (unsigned long)world->failures,
            (unsigned long)world->pulls, (unsigned long)world->kills, world->object_count,
            (unsigned long)world->written, (unsigned long)world->read, (unsigned long)world->mended,
            (unsigned long)world->gifts, (unsigned long)world->held, (unsigned long)world->let_go,
            (unsigned long)world->anchored, (unsigned long)world->strays);
    assert_true(steps < 2000 || (world->gifts > 10 && world->held > 10 && world->anchored > 10 &&
                                    world->strays > 10));
    assert_true(steps < 2000 || world->folder_count == 0 || world->written > 100);
    reeve_map64_fini(&world->dead);
    uint64_t mended = world->mended;
    free(world);
    return mended;
}

static void test_random_lives(void **state)
{
    (void)state;
    const char *seed = getenv("MODEL_SEED"), *runs = getenv("MODEL_RUNS");
    if (seed != NULL) {
        (void)run(strtoull(seed, NULL, 10), 6000, true);
        return;
    }
    uint64_t count = runs != NULL ? strtoull(runs, NULL, 10) : 16, mended = 0;
    for (uint64_t i = 1; i <= count; i++) {
        print_message(
            "           MODEL_SEED=%lu\n", (unsigned long)i); /* so that a failure names it */
        mended += run(i, 6000, i % 4 == 3);
    }
    assert_true(count < 16 || mended > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_lives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
