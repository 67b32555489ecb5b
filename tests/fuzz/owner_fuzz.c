/* Arbitrary bytes as what other processes say to an owner core: items of a stream, the hand-over of
 * a call with several results, what is lent with a call, runs of items for it, and what is asked of
 * a stream that was given. Whatever they say, all tables are sound after each word, and nothing is
 * left in the end.
 *
 *   input  | operation 1 | size 2 | bytes | operation 1 | size 2 | bytes | … */
#include <reeve_errors.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

#define MS       UINT64_C(1000000)
#define RESULTS  3u
#define LENT_MAX 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct reeve_owner *owner;
    uint32_t class_index;
    reeve_lease_index lease;
    reeve_task_id stream, given, taker, call;
    reeve_task_id results[RESULTS];
    reeve_task_id *lent;
    uint32_t lent_count;
    struct reeve_owner_loan loan;
};

static reeve_task_id submit(struct world *world, struct reeve_owner_task task)
{
    reeve_task_id id = 0;
    task.class_index = world->class_index;
    task.arguments = "\x91\xd4\x21\x00";
    task.arguments_size = 4;
    int error = reeve_owner_submit(world->owner, MS, &task, &id);
    REEVE_ASSERT(error == 0);
    return id;
}

/* Under way: a stream, one that is given, who takes it, a call with several results. */
static void world_make(struct world *world)
{
    const struct reeve_owner_task stream = {.is_stream = true, .never_inline = true};
    struct reeve_owner_send send;
    *world = (struct world){
        .owner = reeve_owner_create(&reeve_owner_settings_default), .loan = {7, 7, 1}};
    int error = reeve_owner_class(world->owner, 1000, 0, &world->class_index);
    world->stream = submit(world, stream);
    world->given = submit(world, stream);
    struct reeve_owner_splice splice = {1 | REEVE_OWNER_NESTED, world->given};
    world->taker = submit(world, (struct reeve_owner_task){.splice_count = 1, .splices = &splice});
    const struct reeve_owner_task several = {
        .class_index = world->class_index, .arguments = "\x90", .arguments_size = 1};
    error |= reeve_owner_submit_results(world->owner, MS, &several, RESULTS, world->results);
    error |= reeve_owner_lease_gained(world->owner, MS, world->class_index, 1, 1, &world->lease);
    REEVE_ASSERT(error == 0);
    for (uint64_t position = 0; position < 4; position++) {
        if (!reeve_owner_next_send(world->owner, &send)) {
            error = reeve_owner_lease_gained(
                world->owner, MS, world->class_index, 2 + position, 1, &world->lease);
            REEVE_ASSERT(error == 0 && reeve_owner_next_send(world->owner, &send));
        }
        reeve_owner_sent(world->owner, MS, send.task, position);
        world->call = send.task; /* the last: nobody else knows its name */
    }
}

static reeve_lease_index lease_of(const struct world *world, reeve_task_id task)
{
    reeve_lease_index lease = world->lease;
    uint64_t position;
    uint32_t attempt;
    (void)reeve_owner_where(world->owner, task, &lease, &position, &attempt);
    return lease;
}

static void lent_end(struct world *world)
{
    if (world->lent != NULL)
        reeve_owner_borrow_end(world->owner, world->lent, world->lent_count);
    free(world->lent);
    world->lent = NULL;
    world->lent_count = 0;
}

static void lend(struct world *world, const uint8_t *bytes, size_t size)
{
    lent_end(world);
    if (reeve_owner_borrow(world->owner, MS, bytes, size, &world->lent, &world->lent_count) != 0)
        world->lent = NULL;
    else
        (void)reeve_owner_streams_open(world->owner, world->lent, world->lent_count, &world->loan);
}

/* The name of a stream that has come, where the input can say one. */
static void feed(struct world *world, uint32_t which, const uint8_t *bytes, size_t size)
{
    uint8_t *run = malloc(size + 1);
    REEVE_ASSERT(run != NULL);
    if (size != 0)
        memcpy(run, bytes, size);
    if (size >= sizeof(reeve_task_id) && world->lent_count != 0) {
        memcpy(run, &world->lent[which % world->lent_count], sizeof(reeve_task_id));
        reeve_owner_maker_ask(world->owner, world->lent[which % world->lent_count], which & 1);
    }
    reeve_owner_fed(world->owner, MS, &world->loan, run, size);
    free(run);
}

static void ask(struct world *world, const uint8_t *bytes, size_t size)
{
    struct reeve_owner_ask ask = {.to = {1, world->taker, 1}, .origin = world->given};
    uint8_t said[3] = {0};
    memcpy(said, bytes, REEVE_MIN(size, sizeof(said)));
    ask.stream = said[0];
    ask.taken = said[1];
    ask.runs = said[2] % 16;
    ask.is_closed = said[2] & 16;
    ask.question = said[2] >> 5;
    reeve_owner_asked(world->owner, MS, lease_of(world, world->taker), &ask);
}

static void read_all(struct world *world, reeve_task_id stream)
{
    const uint8_t *bytes;
    uint32_t size;
    static volatile uint64_t seen;
    int code;
    while ((code = reeve_owner_next_item(world->owner, stream, &bytes, &size)) == 0 ||
           code == REEVE_ELOST) {
        if (code == REEVE_ELOST) {
            seen += reeve_owner_lost_items(world->owner, stream);
            continue;
        }
        for (uint32_t i = 0; i < size; i++)
            seen += bytes[i];
        reeve_owner_item_taken(world->owner, stream);
    }
}

static void commands_take(struct world *world)
{
    struct reeve_owner_command command;
    struct reeve_owner_loan to;
    struct reeve_buffer run;
    reeve_buffer_init(&run);
    while (reeve_owner_next_command(world->owner, &command))
        while (command.kind == REEVE_OWNER_FEED &&
               reeve_owner_feed_write(world->owner, command.task, &to, &run) == 0)
            reeve_buffer_clear(&run);
    reeve_buffer_fini(&run);
}

static void step(struct world *world, uint8_t operation, const uint8_t *bytes, size_t size)
{
    uint32_t which = operation >> 4;
    reeve_task_id stream = which & 1 ? world->given : world->stream;
    switch (operation % 16) {
    case 0:
    case 1:
        (void)reeve_owner_item(world->owner, lease_of(world, stream), stream, 1, operation % 16,
            bytes, (uint32_t)size);
        break;
    case 2:
        (void)reeve_owner_answer(world->owner, MS, lease_of(world, stream), stream, 1,
            which & 2 ? REEVE_EFUNCTION : 0, bytes, (uint32_t)size, NULL);
        break;
    case 3:
        (void)reeve_owner_handed(
            world->owner, lease_of(world, world->call), world->call, 1, bytes, (uint32_t)size);
        break;
    case 4:
        (void)reeve_owner_answer(world->owner, MS, lease_of(world, world->call), world->call, 1, 0,
            bytes, (uint32_t)size, NULL);
        break;
    case 5: lend(world, bytes, size); break;
    case 6: feed(world, which, bytes, size); break;
    case 7: ask(world, bytes, size); break;
    case 8: read_all(world, world->stream); break;
    case 9:
        for (uint32_t i = 0; i < world->lent_count; i++)
            read_all(world, world->lent[i]);
        break;
    case 10:
        if (world->lent_count != 0)
            (void)reeve_owner_release(world->owner, world->lent[which % world->lent_count]);
        break;
    case 11: lent_end(world); break;
    case 12: reeve_owner_loans_lost(world->owner, MS, world->loan.lease); break;
    default: commands_take(world); break;
    }
    reeve_owner_check(world->owner);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world;
    world_make(&world);
    while (size >= 3) {
        uint8_t operation = data[0];
        size_t length = REEVE_MIN((size_t)(data[1] | data[2] << 8), size - 3);
        step(&world, operation, data + 3, length);
        data += 3 + length;
        size -= 3 + length;
    }
    lent_end(&world);
    reeve_owner_fail_all(world.owner, REEVE_ENODEDIED, "");
    commands_take(&world);
    (void)reeve_owner_release(world.owner, world.stream);
    (void)reeve_owner_release(world.owner, world.taker);
    for (uint32_t i = 0; i < RESULTS; i++)
        (void)reeve_owner_release(world.owner, world.results[i]);
    reeve_owner_check(world.owner);
    REEVE_ASSERT(reeve_owner_task_count(world.owner) == 0);
    reeve_owner_free(world.owner);
    return 0;
}
