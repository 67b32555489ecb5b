/* The store's shell on real memory: two nodes, whose messages go through protobuf, and clients that
 * map what they are given. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/errors.h"
#include "runtime/node/shell_segments.h"
#include "runtime/node/shell_store.h"

#define MIB          (1u << 20)
#define OBJECT(o, s) ((struct reeve_object_id){.owner = (o), .sequence = (s)})
#define SEGMENTS_MAX 32
#define CLIENTS_MAX  8

struct client {
    void *read[SEGMENTS_MAX];
    void *write[SEGMENTS_MAX];
    uint64_t size[SEGMENTS_MAX];
    struct reeve_local_message last; /* CREATED, SEALED or GOT */
    uint32_t answers;
};

struct parcel {
    uint32_t to, from;
    size_t size;
    uint8_t *bytes;
};

struct node {
    struct world *world;
    struct background *background;
    uint32_t number;
    struct reeve_store_shell *shell;
    struct client clients[CLIENTS_MAX];
    uint32_t staged_count;
    uint64_t staged;
    int staged_code;
};

struct world {
    struct node nodes[2];
    struct parcel parcels[256];
    size_t first, count;
};

static int send_client(void *arg, uint32_t number, const struct reeve_local_message *message)
{
    struct node *node = arg;
    assert_true(number < CLIENTS_MAX);
    struct client *client = &node->clients[number];
    uint32_t segment = message->segment;
    switch (message->kind) {
    case REEVE_LOCAL_SEGMENT: {
        assert_int_equal(message->fd_count, 1);
        assert_true(segment < SEGMENTS_MAX);
        bool writable = message->flags & REEVE_LOCAL_SEGMENT_WRITABLE;
        void *memory = mmap(NULL, message->size, PROT_READ | (writable ? PROT_WRITE : 0),
            MAP_SHARED, message->fds[0], 0);
        assert_true(memory != MAP_FAILED);
        if (!writable) { /* a reader cannot make a writable mapping, nor change the size */
            assert_true(mmap(NULL, message->size, PROT_READ | PROT_WRITE, MAP_SHARED,
                            message->fds[0], 0) == MAP_FAILED);
        }
        assert_int_not_equal(ftruncate(message->fds[0], 0), 0);
        client->size[segment] = message->size;
        if (writable)
            client->write[segment] = memory;
        else
            client->read[segment] = memory;
        return REEVE_OK;
    }
    case REEVE_LOCAL_SEGMENT_GONE:
        if (client->read[segment] != NULL)
            munmap(client->read[segment], client->size[segment]);
        if (client->write[segment] != NULL)
            munmap(client->write[segment], client->size[segment]);
        client->read[segment] = client->write[segment] = NULL;
        return REEVE_OK;
    default:
        client->last = *message;
        client->answers++;
        return REEVE_OK;
    }
}

static void send_node(void *arg, uint32_t to, const Reeve__Message *message)
{
    struct node *node = arg;
    struct world *world = node->world;
    assert_true(world->count - world->first < 256);
    struct parcel *parcel = &world->parcels[world->count++ % 256];
    parcel->to = to;
    parcel->from = node->number;
    parcel->size = reeve__message__get_packed_size(message);
    parcel->bytes = malloc(parcel->size);
    reeve__message__pack(message, parcel->bytes);
}

static void deliver_one(struct world *world)
{
    if (world->first < world->count) {
        struct parcel parcel = world->parcels[world->first++ % 256];
        Reeve__Message *message = reeve__message__unpack(NULL, parcel.size, parcel.bytes);
        free(parcel.bytes);
        assert_non_null(message);
        int code;
        assert_true(reeve_store_shell_peer_message(
            world->nodes[parcel.to - 1].shell, parcel.from, message, &code));
        assert_int_equal(code, REEVE_OK);
        reeve__message__free_unpacked(message, NULL);
    }
}

static void deliver(struct world *world)
{
    while (world->first < world->count)
        deliver_one(world);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    for (uint32_t i = 0; i < 2; i++) {
        struct node *node = &world->nodes[i];
        node->world = world;
        node->number = i + 1;
        struct reeve_store_shell_settings settings = {
            .store = {.capacity_bytes = 16 * MIB, .segment_size_bytes = 8 * MIB},
            .callbacks = {.send_client = send_client, .send_node = send_node},
            .arg = node};
        assert_int_equal(reeve_store_shell_create(&settings, &node->shell), REEVE_OK);
        reeve_store_shell_node(node->shell, i + 1);
        for (uint32_t client = 1; client < 4; client++)
            reeve_store_shell_client_added(
                node->shell, client, reeve_process_id_make(i + 1, client));
    }
    for (uint32_t i = 0; i < 2; i++)
        reeve_store_shell_peer_reset(world->nodes[i].shell, 2 - i);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    deliver(world);
    for (uint32_t i = 0; i < 2; i++) {
        struct node *node = &world->nodes[i];
        const char *wrong = reeve_store_check(reeve_store_shell_core(node->shell));
        reeve_store_shell_free(node->shell);
        for (uint32_t client = 0; client < CLIENTS_MAX; client++)
            for (uint32_t segment = 0; segment < SEGMENTS_MAX; segment++)
                send_client(node, client,
                    &(struct reeve_local_message){
                        .kind = REEVE_LOCAL_SEGMENT_GONE, .segment = segment});
        if (wrong != NULL)
            return -1;
    }
    free(world);
    return 0;
}

static const struct reeve_local_message *ask(
    struct node *node, uint32_t client, struct reeve_local_message message)
{
    assert_true(reeve_store_shell_client_message(node->shell, client, &message));
    return &node->clients[client].last;
}

static void fill(uint8_t *bytes, uint64_t size, uint64_t seed)
{
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)((i * 2654435761u + seed) >> 7);
}

static void put(struct node *node, uint32_t number, struct reeve_object_id id, uint64_t size)
{
    struct client *client = &node->clients[number];
    const struct reeve_local_message *reply = ask(node, number,
        (struct reeve_local_message){
            .kind = REEVE_LOCAL_CREATE, .request = 5, .size = size, .count = 3});
    assert_int_equal(reply->kind, REEVE_LOCAL_CREATED);
    assert_int_equal(reply->code, REEVE_OK);
    assert_int_equal(reply->request, 5);
    assert_int_equal((reply->offset + 3) % 64, 0);
    assert_true(reply->offset + size <= client->size[reply->segment]);
    fill((uint8_t *)client->write[reply->segment] + reply->offset, size, id.sequence);
    reply = ask(node, number,
        (struct reeve_local_message){.kind = REEVE_LOCAL_SEAL,
            .request = 6,
            .object = id,
            .segment = reply->segment,
            .offset = reply->offset,
            .size = size});
    assert_int_equal(reply->kind, REEVE_LOCAL_SEALED);
    assert_int_equal(reply->code, REEVE_OK);
}

static void assert_bytes(
    struct node *node, uint32_t number, struct reeve_object_id id, uint64_t size)
{
    struct client *client = &node->clients[number];
    const struct reeve_local_message *reply = &client->last;
    assert_int_equal(reply->kind, REEVE_LOCAL_GOT);
    if (reply->code != REEVE_OK)
        fail_msg("%.*s", (int)reply->text_size, reply->text);
    assert_int_equal(reply->size, size);
    const uint8_t *memory = client->read[reply->segment] != NULL ? client->read[reply->segment]
                                                                 : client->write[reply->segment];
    assert_non_null(memory);
    uint8_t *expected = malloc(size);
    fill(expected, size, id.sequence);
    assert_memory_equal(memory + reply->offset, expected, size);
    free(expected);
}

static void test_put_and_get_on_one_node(void **state)
{
    struct world *world = *state;
    struct node *node = &world->nodes[0];
    struct reeve_object_id small = OBJECT(reeve_process_id_make(1, 1), 1);
    struct reeve_object_id large = OBJECT(reeve_process_id_make(1, 1), 2);
    put(node, 1, small, 1000);
    put(node, 1, large, 5 * MIB + 17);
    ask(node, 2, (struct reeve_local_message){.kind = REEVE_LOCAL_GET, .object = small});
    assert_bytes(node, 2, small, 1000);
    ask(node, 2, (struct reeve_local_message){.kind = REEVE_LOCAL_GET, .object = large});
    assert_bytes(node, 2, large, 5 * MIB + 17);
    const struct reeve_local_message *reply =
        ask(node, 2, (struct reeve_local_message){.kind = REEVE_LOCAL_CREATE, .size = 100 * MIB});
    assert_int_equal(reply->code, REEVE_ETOOLARGE);
    assert_true(reply->text_size > 0);
    struct reeve_local_message other = {.kind = REEVE_LOCAL_LEND};
    assert_false(reeve_store_shell_client_message(node->shell, 2, &other));
}

static void test_pull_from_another_node(void **state)
{
    struct world *world = *state;
    struct node *here = &world->nodes[0], *there = &world->nodes[1];
    struct reeve_object_id id = OBJECT(reeve_process_id_make(1, 1), 7);
    uint64_t size = 3 * MIB + 1;
    put(there, 2, id, size); /* a result made over there, owned here */
    struct reeve_local_message get = {
        .kind = REEVE_LOCAL_GET, .object = id, .size = size, .node = 2};
    ask(here, 1, get);
    assert_int_equal(here->clients[1].answers, 0);
    deliver(world);
    assert_bytes(here, 1, id, size);
    ask(here, 3, get);
    assert_bytes(here, 3, id, size);
    ask(here, 1, (struct reeve_local_message){.kind = REEVE_LOCAL_UNPIN, .object = id});
    ask(here, 3, (struct reeve_local_message){.kind = REEVE_LOCAL_UNPIN, .object = id});
    ask(here, 1, (struct reeve_local_message){.kind = REEVE_LOCAL_FREE, .object = id, .node = 2});
    deliver(world);
    struct reeve_store_status status;
    for (int i = 0; i < 2; i++) {
        reeve_store_shell_status(world->nodes[i].shell, &status);
        assert_int_equal(status.object_count, 0);
        assert_int_equal(status.pin_count, 0);
    }
    ask(here, 1, get);
    deliver(world);
    assert_int_equal(here->clients[1].last.code, REEVE_ELOST);
}

/* A session ends with words on their way: they are said in the next one. */
static void test_freed_without_a_session(void **state)
{
    struct world *world = *state;
    struct node *here = &world->nodes[0], *there = &world->nodes[1];
    struct reeve_object_id id = OBJECT(reeve_process_id_make(1, 1), 7);
    put(there, 2, id, 100);
    ask(here, 1, (struct reeve_local_message){.kind = REEVE_LOCAL_FREE, .object = id, .node = 2});
    while (world->first < world->count)
        free(world->parcels[world->first++ % 256].bytes);
    struct reeve_store_status status;
    reeve_store_shell_status(here->shell, &status);
    assert_int_equal(status.untold_count, 1);
    reeve_store_shell_peer_reset(here->shell, 2);
    deliver(world);
    reeve_store_shell_status(here->shell, &status);
    assert_int_equal(status.untold_count, 0);
    reeve_store_shell_status(there->shell, &status);
    assert_int_equal(status.object_count, 0);
}

/* What the heir hears, of the node where it lies: the object or (token) that hold. */
static void assert_told(struct node *node, uint32_t client, struct reeve_object_id id,
    uint32_t where, uint64_t token, uint64_t call, uint32_t attempt)
{
    const struct reeve_local_message *said = &node->clients[client].last;
    assert_int_equal(said->kind, REEVE_LOCAL_GIVEN);
    assert_true(reeve_object_id_equal(said->object, id));
    assert_true(said->node == where && said->task == token && said->token == call &&
                said->count == attempt);
    node->clients[client].last.kind = REEVE_LOCAL_NONE;
}

/* Objects and holds on them, of here and there: each heir is told, with the call that they come
 * with, in the next session if not in this one. */
static void test_heirs_are_told(void **state)
{
    struct world *world = *state;
    struct node *here = &world->nodes[0];
    reeve_process_id heirs[2] = {reeve_process_id_make(1, 3), reeve_process_id_make(2, 3)};
    for (uint32_t i = 0; i < 4; i++) {
        struct reeve_object_id id = OBJECT(reeve_process_id_make(1, 1), 70 + i);
        uint32_t where = 1 + i / 2, heir = i % 2;
        put(&world->nodes[where - 1], 1, id, 100);
        ask(here, 2,
            (struct reeve_local_message){.kind = REEVE_LOCAL_HOLD,
                .object = id,
                .node = where,
                .task = 500 + i,
                .process = heirs[heir],
                .token = UINT64_C(0x300000000) + i,
                .count = 1});
        if (i == 1) { /* the word is lost with its session */
            while (world->first < world->count)
                free(world->parcels[world->first++ % 256].bytes);
            for (uint32_t k = 0; k < 2; k++)
                reeve_store_shell_peer_reset(world->nodes[k].shell, 2 - k);
        }
        deliver(world);
        assert_told(&world->nodes[heir], 3, id, where, 500 + i, UINT64_C(0x300000000) + i, 1);
        ask(here, 1,
            (struct reeve_local_message){.kind = REEVE_LOCAL_GIVE,
                .object = id,
                .node = where,
                .process = heirs[heir],
                .token = UINT64_C(0x400000000) + i,
                .count = 7});
        deliver(world);
        assert_told(&world->nodes[heir], 3, id, where, 0, UINT64_C(0x400000000) + i, 7);
    }
    struct reeve_store_status status;
    for (int i = 0; i < 2; i++) {
        reeve_store_shell_status(world->nodes[i].shell, &status);
        assert_int_equal(status.untold_count, 0);
        assert_int_equal(status.object_count, 2);
        assert_int_equal(status.hold_count, 2);
    }
}

static void staged(void *arg, uint64_t stage, int code, const char *text)
{
    struct node *node = arg;
    (void)text;
    node->staged_count++;
    node->staged = stage;
    node->staged_code = code;
}

static void test_staging(void **state)
{
    struct world *world = *state;
    struct node *here = &world->nodes[0], *there = &world->nodes[1];
    struct reeve_store_wanted wanted[3];
    for (uint64_t i = 0; i < 3; i++) {
        wanted[i] = (struct reeve_store_wanted){
            .id = OBJECT(reeve_process_id_make(2, 1), i), .size = MIB, .node = 2};
        put(there, 1, wanted[i].id, MIB);
    }
    uint64_t stage, second, third;
    const char *text;
    struct reeve_store_status status;
    assert_int_equal(
        reeve_store_shell_stage(here->shell, wanted, 3, staged, here, &stage, &text), REEVE_EAGAIN);
    deliver(world);
    assert_int_equal(here->staged_count, 1);
    assert_int_equal(here->staged, stage);
    assert_int_equal(here->staged_code, REEVE_OK);
    assert_int_equal(
        reeve_store_shell_stage(here->shell, wanted, 2, staged, here, &second, &text), REEVE_OK);
    reeve_store_shell_status(here->shell, &status);
    assert_int_equal(status.pin_count, 5);
    reeve_store_shell_unstage(here->shell, stage);
    reeve_store_shell_unstage(here->shell, stage); /* long gone */
    reeve_store_shell_unstage(here->shell, second);
    reeve_store_shell_status(here->shell, &status);
    assert_int_equal(status.pin_count, 0);
    assert_int_equal(status.object_count, 3);

    /* One of them is nowhere: none is pinned. */
    wanted[2].id.sequence = 99;
    assert_int_equal(
        reeve_store_shell_stage(here->shell, wanted, 3, staged, here, &third, &text), REEVE_EAGAIN);
    deliver(world);
    assert_int_equal(here->staged_count, 2);
    assert_int_equal(here->staged_code, REEVE_ELOST);
    reeve_store_shell_status(here->shell, &status);
    assert_int_equal(status.pin_count, 0);

    /* Called off under way. */
    wanted[2].id.sequence = 98;
    assert_int_equal(
        reeve_store_shell_stage(here->shell, wanted, 3, staged, here, &third, &text), REEVE_EAGAIN);
    reeve_store_shell_unstage(here->shell, third);
    deliver(world);
    assert_int_equal(here->staged_count, 2);
    reeve_store_shell_status(here->shell, &status);
    assert_int_equal(status.pin_count, 0);

    wanted[0].node = wanted[1].node = 0;
    wanted[0].id.sequence = 97; /* refused at once: nobody knows where it is */
    assert_int_equal(
        reeve_store_shell_stage(here->shell, wanted, 2, staged, here, &third, &text), REEVE_ELOST);
    assert_non_null(strstr(text, "2.1/97"));
    wanted[0].size = 17 * MIB;
    assert_int_equal(reeve_store_shell_stage(here->shell, wanted, 1, staged, here, &third, &text),
        REEVE_ETOOLARGE);
    assert_int_equal(
        reeve_store_shell_stage(here->shell, wanted, 0, staged, here, &third, &text), REEVE_OK);
    reeve_store_shell_unstage(here->shell, third);
    assert_int_equal(here->staged_count, 2);
}

/* Ten stages of 6 MiB in a store of 16: they cannot all be here at once, but each comes to its
 * turn. */
static void test_stages_do_not_block_each_other(void **state)
{
    struct world *world = *state;
    struct node *here = &world->nodes[0], *there = &world->nodes[1];
    for (uint64_t i = 0; i < 2; i++)
        put(there, 1, OBJECT(reeve_process_id_make(2, 1), i), 6 * MIB);
    uint64_t stages[10], none = 0;
    for (uint64_t i = 0; i < 10; i++) {
        struct reeve_store_wanted wanted = {
            .id = OBJECT(reeve_process_id_make(2, 1), i % 2), .size = 6 * MIB, .node = 2};
        const char *text;
        int code =
            reeve_store_shell_stage(here->shell, &wanted, 1, staged, here, &stages[i], &text);
        assert_true(code == REEVE_EAGAIN || code == REEVE_OK);
    }
    deliver(world);
    assert_int_equal(here->staged_count, 10);
    for (uint64_t i = 0; i < 10; i++)
        reeve_store_shell_unstage(here->shell, stages[i]);
    reeve_store_shell_unstage(here->shell, none);
    struct reeve_store_status status;
    reeve_store_shell_status(here->shell, &status);
    assert_int_equal(status.pin_count, 0);
    assert_int_equal(status.pulled_count, 2);
}

/* Each stage, when it is there, calls off the one behind it: nothing is held on to that has
 * gone. */
struct chain {
    struct node *node;
    uint64_t own, next;
    uint32_t called;
    int code;
};

static void call_off_next(void *arg, uint64_t stage, int code, const char *text)
{
    struct chain *chain = arg;
    (void)text;
    assert_int_equal(stage, chain->own);
    chain->called++;
    chain->code = code;
    reeve_store_shell_unstage(chain->node->shell, chain->next);
    if (code == REEVE_OK)
        reeve_store_shell_unstage(chain->node->shell, stage);
}

static void test_stages_called_off_in_callbacks(void **state)
{
    struct world *world = *state;
    struct node *here = &world->nodes[0], *there = &world->nodes[1];
    struct chain chains[6] = {0};
    put(there, 1, OBJECT(reeve_process_id_make(2, 1), 1), 6 * MIB);
    for (uint64_t i = 0; i < 6; i++) { /* the third, which is nowhere, fails as soon as it begins */
        struct reeve_store_wanted wanted = {
            .id = OBJECT(reeve_process_id_make(2, 1), i == 2 ? 9 : 1), .size = 6 * MIB, .node = 2};
        const char *text;
        chains[i].node = here;
        assert_int_equal(reeve_store_shell_stage(here->shell, &wanted, 1, call_off_next, &chains[i],
                             &chains[i].own, &text),
            REEVE_EAGAIN);
        if (i > 0)
            chains[i - 1].next = chains[i].own;
    }
    deliver(world);
    for (int i = 0; i < 6; i++) /* 0 calls 1 off, 2 fails and calls 3 off, 4 calls 5 off */
        assert_int_equal(chains[i].called, i % 2 == 0);
    assert_int_equal(chains[2].code, REEVE_ELOST);
    struct reeve_store_status status;
    reeve_store_shell_status(here->shell, &status);
    assert_int_equal(status.pin_count, 0);
    assert_int_equal(status.pull_count, 0);
}

/* The only source dies when some pieces have come: all who wait are told, nothing stays; what waits
 * behind begins. */
static void test_a_source_dies_under_a_stage(void **state)
{
    struct world *world = *state;
    struct node *here = &world->nodes[0], *there = &world->nodes[1];
    struct reeve_object_id id = OBJECT(reeve_process_id_make(1, 1), 1);
    uint64_t stages[3];
    put(there, 2, id, 6 * MIB);
    for (int i = 0; i < 3; i++) {
        struct reeve_store_wanted wanted = {.id = id, .size = 6 * MIB, .node = 2};
        const char *text;
        assert_int_equal(
            reeve_store_shell_stage(here->shell, &wanted, 1, staged, here, &stages[i], &text),
            REEVE_EAGAIN);
    }
    for (int i = 0; i < 12; i++)
        deliver_one(world);
    assert_int_equal(here->staged_count, 0);
    reeve_store_shell_peer_down(here->shell, 2);
    assert_int_equal(here->staged_count, 3);
    assert_int_equal(here->staged_code, REEVE_ELOST);
    struct reeve_store_status status;
    reeve_store_shell_status(here->shell, &status);
    assert_int_equal(status.object_count, 0);
    assert_int_equal(status.pin_count, 0);
    assert_int_equal(status.used_bytes, 0);
    while (world->first < world->count)
        free(world->parcels[world->first++ % 256].bytes);
}

static const char *streams_here(void *arg)
{
    (void)arg;
    return "tcp://127.0.0.1:1";
}

/* A stream is in the midst of a piece when who waited for it has been told that the source does not
 * answer: the place is its own until it says that it has let go. */
static void test_a_stream_is_late(void **state)
{
    (void)state;
    static struct world world;
    struct node *node = &world.nodes[0];
    struct reeve_object_id id = OBJECT(reeve_process_id_make(2, 1), 1);
    struct reeve_store_shell_settings settings = {.store =
                                                      {
                                                          .capacity_bytes = 16 * MIB,
                                                          .segment_size_bytes = 8 * MIB,
                                                      },
        .callbacks = {.send_client = send_client,
            .send_node = send_node,
            .stream_address = streams_here},
        .arg = node};
    node->world = &world;
    assert_int_equal(reeve_store_shell_create(&settings, &node->shell), REEVE_OK);
    reeve_store_shell_node(node->shell, 1);
    reeve_store_shell_client_added(node->shell, 1, reeve_process_id_make(1, 1));
    reeve_store_shell_peer_reset(node->shell, 2);
    ask(node, 1,
        (struct reeve_local_message){
            .kind = REEVE_LOCAL_GET, .request = 7, .object = id, .size = MIB / 4, .node = 2});
    struct parcel *parcel = &world.parcels[world.count - 1];
    Reeve__Message *message = reeve__message__unpack(NULL, parcel->size, parcel->bytes);
    assert_int_equal(message->body_case, REEVE__MESSAGE__BODY_OBJECT_PULL);
    assert_non_null(message->object_pull->stream);
    uint64_t number = message->object_pull->number;
    reeve__message__free_unpacked(message, NULL);
    uint8_t *place = reeve_store_shell_place(node->shell, 2, number, MIB / 4);
    assert_non_null(place);
    assert_null(reeve_store_shell_place(node->shell, 2, number, MIB / 4)); /* one at a time */
    memset(place, 1, MIB / 8);
    reeve_store_shell_peer_down(node->shell, 2);
    assert_int_equal(node->clients[1].last.kind, REEVE_LOCAL_GOT);
    assert_int_equal(node->clients[1].last.request, 7);
    assert_int_equal(node->clients[1].last.code, REEVE_ELOST);

    /* nobody else is given what it writes to */
    struct reeve_store_status status;
    reeve_store_shell_status(node->shell, &status);
    assert_int_equal(status.object_count, 0);
    assert_int_equal(status.used_bytes, MIB / 4);
    memset(place + MIB / 8, 2, MIB / 8);
    reeve_store_shell_landed(node->shell, 2, number, MIB / 4, 0, true);
    reeve_store_shell_status(node->shell, &status);
    assert_int_equal(status.object_count, 0);
    assert_int_equal(status.used_bytes, 0);
    assert_null(reeve_store_shell_place(node->shell, 2, number, MIB / 4));
    assert_null(reeve_store_check(reeve_store_shell_core(node->shell)));
    while (world.first < world.count)
        free(world.parcels[world.first++ % 256].bytes);
    reeve_store_shell_free(node->shell);
}

static void test_a_dead_owner_is_known_everywhere(void **state)
{
    struct world *world = *state;
    struct node *here = &world->nodes[0], *there = &world->nodes[1];
    struct reeve_object_id id = OBJECT(reeve_process_id_make(1, 1), 7);
    put(there, 2, id, 100);
    reeve_store_shell_client_closed(here->shell, 1);
    reeve_store_shell_client_reaped(here->shell, 1);
    deliver(world);
    struct reeve_store_status status;
    reeve_store_shell_status(there->shell, &status);
    assert_int_equal(status.object_count, 0);
    ask(there, 2, (struct reeve_local_message){.kind = REEVE_LOCAL_GET, .object = id});
    assert_int_equal(there->clients[2].last.code, REEVE_EOWNERDIED);
}

static void test_pages_are_given_back(void **state)
{
    (void)state;
    struct reeve_segments *segments = reeve_segments_create();
    assert_int_equal(reeve_segments_add(segments, 3, 4 * MIB), REEVE_OK);
    assert_int_equal(reeve_segments_resident(segments), 0);
    uint8_t *bytes = malloc(MIB), *back = malloc(MIB);
    fill(bytes, MIB, 1);
    assert_int_equal(reeve_segments_write(segments, 3, MIB, bytes, MIB), REEVE_OK);
    assert_int_equal(reeve_segments_resident(segments), MIB);
    assert_int_equal(reeve_segments_read(segments, 3, MIB, back, MIB), REEVE_OK);
    assert_memory_equal(bytes, back, MIB);
    assert_int_equal(reeve_segments_read(segments, 3, 4 * MIB - 1, back, 2), REEVE_EINVAL);
    assert_int_equal(reeve_segments_punch(segments, 3, MIB, MIB / 2), REEVE_OK);
    assert_int_equal(reeve_segments_resident(segments), MIB / 2);
    int fd;
    assert_int_equal(reeve_segments_descriptor(segments, 3, false, &fd), REEVE_OK);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    void *memory = mmap(NULL, 4 * MIB, PROT_READ, MAP_SHARED, fd, 0);
    reeve_segments_drop(segments, 3);
    assert_false(reeve_segments_good(segments, 3));
    assert_int_equal(
        ((uint8_t *)memory)[2 * MIB - 1], 0); /* still mapped, given back all the same */
    munmap(memory, 4 * MIB);
    close(fd);
    assert_true(reeve_segments_spare(segments, 0) > 0);
    assert_true(reeve_segments_spare(segments, UINT64_MAX / 2) == 0);
    reeve_segments_free(segments);
    free(bytes);
    free(back);
}

/* Kept for a while after its last user, then unmapped in slices, unless somebody comes. */
static void test_mappings_are_kept_for_a_while(void **state)
{
    (void)state;
    struct reeve_segments *segments = reeve_segments_create();
    assert_int_equal(reeve_segments_add(segments, 3, 40 * MIB), REEVE_OK);
    assert_true(reeve_segments_trim_ns(segments) == UINT64_MAX);
    uint8_t *memory = reeve_segments_map(segments, 3);
    assert_ptr_equal(reeve_segments_map(segments, 3), memory);
    memory[0] = memory[40 * MIB - 1] = 7;
    reeve_segments_unmap(segments, 3);
    assert_true(reeve_segments_trim_ns(segments) == UINT64_MAX);
    assert_false(reeve_segments_trim(segments, UINT64_MAX));
    reeve_segments_unmap(segments, 3);
    uint64_t due_ns = reeve_segments_trim_ns(segments);
    assert_true(due_ns < UINT64_MAX);
    assert_false(reeve_segments_trim(segments, due_ns - 1));
    assert_true(reeve_segments_trim(segments, due_ns));
    assert_ptr_equal(reeve_segments_map(segments, 3), memory); /* in the middle of it */
    assert_int_equal(memory[0] + memory[40 * MIB - 1], 14);
    assert_false(reeve_segments_trim(segments, UINT64_MAX));
    reeve_segments_unmap(segments, 3);
    for (int i = 0; i < 3; i++)
        assert_true(reeve_segments_trim(segments, UINT64_MAX));
    assert_false(reeve_segments_trim(segments, UINT64_MAX));
    assert_true(reeve_segments_trim_ns(segments) == UINT64_MAX);
    assert_int_equal(reeve_segments_map(segments, 3)[40 * MIB - 1], 7);
    reeve_segments_unmap(segments, 3);
    reeve_segments_drop(segments, 3); /* while it is kept */
    assert_true(reeve_segments_trim_ns(segments) == UINT64_MAX);
    assert_null(reeve_segments_map(segments, 3));
    reeve_segments_free(segments);
}

/* A large segment goes in the background: `give_back` is what a thread pool does later. */
struct background {
    struct {
        int fd;
        uint32_t segment;
        uint64_t offset, length;
    } slices[8];
    uint32_t count;
};

static int give_back_later(void *arg, int fd, uint32_t segment, uint64_t offset, uint64_t length)
{
    struct node *node = arg;
    struct background *background = node->background;
    assert_true(background->count < 8);
    background->slices[background->count].fd = fd;
    background->slices[background->count].segment = segment;
    background->slices[background->count].offset = offset;
    background->slices[background->count++].length = length;
    return REEVE_OK;
}

static void test_a_large_segment_is_given_back_in_the_background(void **state)
{
    (void)state;
    struct background background = {0};
    struct node *node = calloc(1, sizeof(*node));
    node->background = &background;
    struct reeve_store_shell_settings settings = {
        .store = {.capacity_bytes = 64 * MIB, .segment_size_bytes = 8 * MIB, .segment_idle_ns = 1},
        .callbacks = {.send_client = send_client, .give_back = give_back_later},
        .arg = node};
    assert_int_equal(reeve_store_shell_create(&settings, &node->shell), REEVE_OK);
    reeve_store_shell_client_added(node->shell, 1, reeve_process_id_make(1, 1));
    struct reeve_object_id id = OBJECT(reeve_process_id_make(1, 1), 7);
    put(node, 1, id, 33 * MIB);
    ask(node, 1, (struct reeve_local_message){.kind = REEVE_LOCAL_FREE, .object = id});
    uint64_t held = reeve_store_shell_held(node->shell);
    uint32_t slice_count = 0;
    assert_true(held >= 33 * MIB);
    reeve_store_shell_turn(node->shell);
    while (background.count > 0) {
        struct background now = background;
        background.count = 0;
        assert_int_equal(reeve_store_shell_held(node->shell), held); /* nothing but these */
        for (uint32_t i = 0; i < now.count; i++, slice_count++) {
            assert_true(now.slices[i].length <= 8 * MIB);
            assert_int_equal(reeve_segments_give_back(
                                 now.slices[i].fd, now.slices[i].offset, now.slices[i].length),
                REEVE_OK);
            close(now.slices[i].fd);
            held -= now.slices[i].length;
            reeve_store_shell_returned(
                node->shell, now.slices[i].segment, now.slices[i].offset, REEVE_OK);
        }
    }
    assert_in_range(slice_count, 5, 6);
    assert_int_equal(reeve_store_shell_held(node->shell), 0);
    struct reeve_store_status status;
    reeve_store_shell_status(node->shell, &status);
    assert_int_equal(status.committed_bytes, 0);
    assert_int_equal(status.segment_count, 0);
    reeve_store_shell_free(node->shell);
    free(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_and_get_on_one_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pull_from_another_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_freed_without_a_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_heirs_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_staging, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stages_do_not_block_each_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stages_called_off_in_callbacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_source_dies_under_a_stage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_dead_owner_is_known_everywhere, set_up, tear_down),
        cmocka_unit_test(test_a_stream_is_late),
        cmocka_unit_test(test_pages_are_given_back),
        cmocka_unit_test(test_mappings_are_kept_for_a_while),
        cmocka_unit_test(test_a_large_segment_is_given_back_in_the_background),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
