/* A store core on the bench: one function for each event, commands taken one by one; a test fails
 * when a command is left over that it has not asked for, and when an audit finds anything. */
#ifndef REEVE_TESTS_OBJECTSTORE_KIT_H
#define REEVE_TESTS_OBJECTSTORE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "objectstore/store.h"
#include "runtime/base/errors.h"

#define KIB          1024ull
#define MIB          (1024 * KIB)
#define MILLISECOND  1000000ull
#define SECOND       1000000000ull
#define OWN_NODE     1u
#define OBJECT(o, s) ((struct reeve_object_id){.owner = (o), .sequence = (s)})
#define PROCESS(s)   reeve_process_id_make(OWN_NODE, (s))
#define FAR(n, s)    reeve_process_id_make((n), (s))

struct kit {
    struct reeve_store *store;
    struct reeve_fifo out;
    uint64_t now_ns;
};

static inline void kit_init(struct kit *kit, uint64_t capacity, uint64_t segment_size)
{
    struct reeve_store_settings settings = {
        .capacity_bytes = capacity, .segment_size_bytes = segment_size, .node = OWN_NODE};
    kit->store = reeve_store_create(&settings);
    kit->now_ns = SECOND;
    reeve_fifo_init(&kit->out, sizeof(struct reeve_store_command));
}

static inline void kit_fini(struct kit *kit)
{
    reeve_store_free(kit->store);
    reeve_fifo_fini(&kit->out);
}

static inline void step(struct kit *kit, struct reeve_store_event event)
{
    reeve_store_step(kit->store, kit->now_ns, &event, &kit->out);
    const char *wrong = reeve_store_check(kit->store);
    if (wrong != NULL)
        fail_msg("%s after %s", wrong, reeve_store_event_name(event.kind));
}

static inline void pass(struct kit *kit, uint64_t ns)
{
    kit->now_ns += ns;
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_TICK});
}

/* The next command, which must be of this kind. */
static inline struct reeve_store_command take(struct kit *kit, enum reeve_store_command_kind kind)
{
    struct reeve_store_command command = {0};
    if (!reeve_fifo_pop(&kit->out, &command))
        fail_msg("no %s came", reeve_store_command_name(kind));
    if (command.kind != kind)
        fail_msg("%s came instead of %s: %s", reeve_store_command_name(command.kind),
            reeve_store_command_name(kind), command.text);
    return command;
}

static inline void nothing_more(struct kit *kit)
{
    struct reeve_store_command command;
    if (reeve_fifo_pop(&kit->out, &command))
        fail_msg("%s came unasked", reeve_store_command_name(command.kind));
}

static inline uint64_t count_of(struct kit *kit, enum reeve_store_command_kind kind)
{
    uint64_t count = 0;
    struct reeve_store_command command;
    while (reeve_fifo_pop(&kit->out, &command))
        count += command.kind == kind;
    return count;
}

static inline void returned(struct kit *kit, const struct reeve_store_command *slice, int code)
{
    struct reeve_store_event event = {.kind = REEVE_STORE_SEGMENT_RETURNED,
        .segment = slice->segment,
        .offset = slice->offset,
        .code = code};
    reeve_store_step(kit->store, kit->now_ns, &event, &kit->out);
}

/* The same, while pages that are to go back in the background do so. */
static inline uint64_t count_at_last(struct kit *kit, enum reeve_store_command_kind kind)
{
    uint64_t count = 0;
    struct reeve_store_command command;
    while (reeve_fifo_pop(&kit->out, &command)) {
        count += command.kind == kind;
        if (command.kind == REEVE_STORE_SEGMENT_RETURN)
            returned(kit, &command, 0);
    }
    return count;
}

static inline struct reeve_store_status status(const struct kit *kit)
{
    struct reeve_store_status ret;
    reeve_store_status(kit->store, &ret);
    return ret;
}

static inline void client_added(struct kit *kit, uint32_t client)
{
    step(kit, (struct reeve_store_event){
                  .kind = REEVE_STORE_CLIENT_ADDED, .client = client, .process = PROCESS(client)});
}

static inline void client_reaped(struct kit *kit, uint32_t client)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_REAPED, .client = client});
    while (reeve_store_run_some(kit->store, kit->now_ns, &kit->out))
        ;
}

static inline void heard(struct kit *kit, uint32_t node, uint64_t number)
{
    step(kit,
        (struct reeve_store_event){.kind = REEVE_STORE_PEER_FREED, .node = node, .number = number});
}

static inline void create(struct kit *kit, uint32_t client, uint32_t request, uint64_t size)
{
    step(kit, (struct reeve_store_event){
                  .kind = REEVE_STORE_CREATE, .client = client, .request = request, .size = size});
}

static inline void seal(struct kit *kit, uint32_t client, struct reeve_object_id id,
    const struct reeve_store_command *room, uint64_t size, uint32_t flags)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_SEAL,
                  .client = client,
                  .id = id,
                  .segment = room->segment,
                  .offset = room->offset,
                  .size = size,
                  .flags = flags});
}

static inline void get(struct kit *kit, uint32_t client, uint32_t request,
    struct reeve_object_id id, uint64_t size, uint32_t node)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_GET,
                  .client = client,
                  .request = request,
                  .id = id,
                  .size = size,
                  .node = node});
}

static inline void unpin(struct kit *kit, uint32_t client, struct reeve_object_id id)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_UNPIN, .client = client, .id = id});
}

static inline void free_object(
    struct kit *kit, uint32_t client, struct reeve_object_id id, uint32_t node)
{
    step(kit, (struct reeve_store_event){
                  .kind = REEVE_STORE_FREE, .client = client, .id = id, .node = node});
}

/* The answer to a SEND_PULL. */
static inline void chunk(struct kit *kit, const struct reeve_store_command *pull, uint64_t size)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_CHUNK,
                  .number = pull->number,
                  .size = size,
                  .length = pull->length});
}

static inline void chunk_failed(struct kit *kit, uint64_t number, int code, uint32_t other)
{
    step(kit, (struct reeve_store_event){
                  .kind = REEVE_STORE_PEER_CHUNK, .number = number, .code = code, .other = other});
}

/* Creates and seals; nothing is left in the queue of commands. */
static inline struct reeve_store_command put(
    struct kit *kit, uint32_t client, struct reeve_object_id id, uint64_t size)
{
    nothing_more(kit);
    create(kit, client, 0, size);
    struct reeve_store_command command, room = {0};
    while (reeve_fifo_pop(&kit->out, &command))
        if (command.kind == REEVE_STORE_REPLY_CREATE)
            room = command;
    if (room.kind == 0)
        fail_msg("no room");
    assert_int_equal(room.code, 0);
    seal(kit, client, id, &room, size, 0);
    assert_int_equal(take(kit, REEVE_STORE_REPLY_SEAL).code, 0);
    nothing_more(kit);
    return room;
}

#endif
