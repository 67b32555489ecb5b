/* The store at full size: what a million objects cost the daemon, what they leave behind, and that
 * a store which has been filled and emptied at random for long still has room for one large
 * object. */
#include "tests/unit/objectstore/kit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/base/prng.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEASURED     false /* another allocator, a tenth of the speed */
#define OBJECT_COUNT 50000u
#define STORM_COUNT  20000u
#else
#define MEASURED     true
#define OBJECT_COUNT 1000000u
#define STORM_COUNT  300000u
#endif

#define BYTES_MAX 160

/* Without the audit: it looks at everything each time. */
static struct reeve_store_command ask(
    struct kit *kit, struct reeve_store_event event, enum reeve_store_command_kind wanted)
{
    struct reeve_store_command command, found = {0};
    reeve_store_step(kit->store, kit->now_ns, &event, &kit->out);
    while (reeve_fifo_pop(&kit->out, &command))
        if (command.kind == wanted)
            found = command;
        else if (command.kind == REEVE_STORE_SEGMENT_RETURN)
            returned(kit, &command, 0);
    return found;
}

static void assert_sound(const struct kit *kit)
{
    const char *wrong = reeve_store_check(kit->store);
    if (wrong != NULL)
        fail_msg("%s", wrong);
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* With what malloc leaves between. */
static size_t resident_bytes(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        (void)sscanf(line, "RssAnon: %llu", &kib);
    if (file != NULL)
        fclose(file);
    return kib << 10;
}

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static struct reeve_store_event create_event(uint32_t client, uint64_t size)
{
    return (struct reeve_store_event){.kind = REEVE_STORE_CREATE, .client = client, .size = size};
}

static bool put_quietly(
    struct kit *kit, uint32_t client, struct reeve_object_id id, uint64_t size, uint32_t flags)
{
    struct reeve_store_command room =
        ask(kit, create_event(client, size), REEVE_STORE_REPLY_CREATE);
    if (room.kind == 0 || room.code != 0)
        return false;
    struct reeve_store_command sealed = ask(kit,
        (struct reeve_store_event){.kind = REEVE_STORE_SEAL,
            .client = client,
            .id = id,
            .segment = room.segment,
            .offset = room.offset,
            .size = size,
            .flags = flags},
        REEVE_STORE_REPLY_SEAL);
    return sealed.kind != 0 && sealed.code == 0;
}

static void free_quietly(struct kit *kit, uint32_t client, struct reeve_object_id id)
{
    ask(kit, (struct reeve_store_event){.kind = REEVE_STORE_FREE, .client = client, .id = id},
        REEVE_STORE_COMMAND_KIND_COUNT);
}

/* Two owners, every object pinned once by a third: entry, extent, pin, owner's list, hash slot. */
static void test_a_million_objects(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 4096 * MIB, 64 * MIB);
    for (uint32_t client = 1; client <= 2; client++)
        client_added(&kit, client);
    size_t before = heap_bytes(), resident = resident_bytes();
    uint64_t start = clock_ns();
    for (uint32_t i = 0; i < OBJECT_COUNT; i++) {
        uint32_t client = 1 + i % 2;
        if (!put_quietly(&kit, client, OBJECT(PROCESS(client), i), 64 + i % 2000, REEVE_STORE_PIN))
            fail_msg("object %u", i);
    }
    uint64_t put_ns = clock_ns() - start;
    size_t each = (resident_bytes() - resident) / OBJECT_COUNT;
    assert_int_equal(status(&kit).object_count, OBJECT_COUNT);
    assert_int_equal(status(&kit).pin_count, OBJECT_COUNT);
    assert_sound(&kit);
    if (MEASURED)
        assert_in_range(each, 1, BYTES_MAX);
    start = clock_ns();
    for (uint32_t i = 0; i < OBJECT_COUNT; i++) {
        uint32_t client = 1 + i % 2;
        struct reeve_object_id id = OBJECT(PROCESS(client), i);
        ask(&kit, (struct reeve_store_event){.kind = REEVE_STORE_UNPIN, .client = client, .id = id},
            REEVE_STORE_COMMAND_KIND_COUNT);
        free_quietly(&kit, client, id);
    }
    uint64_t free_ns = clock_ns() - start;
    print_message(
        "           %zu bytes an object; %lu ns for create and seal, %lu ns for unpin and "
        "free\n",
        each, (unsigned long)(put_ns / OBJECT_COUNT), (unsigned long)(free_ns / OBJECT_COUNT));
    assert_int_equal(status(&kit).object_count, 0);
    assert_int_equal(status(&kit).refused_count, 0);
    assert_sound(&kit);
    /* Only the hash table stays, and the chunks of records are given back. */
    size_t left = heap_bytes() > before ? (heap_bytes() - before) / OBJECT_COUNT : 0;
    if (MEASURED)
        assert_in_range(left, 0, 16);
    kit_fini(&kit);
}

/* --- fragmentation ---------------------------------------------------------------------------- */

struct held {
    struct reeve_object_id id;
    uint64_t size;
};

struct storm {
    struct kit kit;
    struct reeve_prng prng;
    struct held *held;
    uint32_t count;
    uint64_t bytes, sequence;
};

/* 1 KiB … 4 MiB, each power of two as likely. */
static uint64_t storm_size(struct storm *storm)
{
    uint64_t top = 1ull << (10 + reeve_prng_below(&storm->prng, 12));
    return top + reeve_prng_below(&storm->prng, top);
}

/* A copy from node 2: its pieces come as they are asked for; nobody keeps it pinned. */
static void pull_copy(struct storm *storm, uint64_t size)
{
    struct kit *kit = &storm->kit;
    struct reeve_object_id id = OBJECT(FAR(2, 7), ++storm->sequence);
    struct reeve_store_event event = {
        .kind = REEVE_STORE_GET, .client = 1, .id = id, .size = size, .node = 2};
    struct reeve_store_command command;
    reeve_store_step(kit->store, kit->now_ns, &event, &kit->out);
    while (reeve_fifo_pop(&kit->out, &command)) {
        if (command.kind == REEVE_STORE_REPLY_GET) {
            assert_int_equal(command.code, 0);
            event = (struct reeve_store_event){.kind = REEVE_STORE_UNPIN, .client = 1, .id = id};
        } else if (command.kind == REEVE_STORE_SEND_PULL) {
            event = (struct reeve_store_event){.kind = REEVE_STORE_PEER_CHUNK,
                .number = command.number,
                .size = size,
                .length = command.length};
        } else {
            if (command.kind == REEVE_STORE_SEGMENT_RETURN)
                returned(kit, &command, 0);
            continue;
        }
        reeve_store_step(kit->store, kit->now_ns, &event, &kit->out);
    }
}

static void storm_free_one(struct storm *storm)
{
    uint32_t at = (uint32_t)reeve_prng_below(&storm->prng, storm->count);
    storm->bytes -= storm->held[at].size;
    uint32_t client = (uint32_t)storm->held[at].id.owner;
    free_quietly(&storm->kit, client, storm->held[at].id);
    storm->held[at] = storm->held[--storm->count];
}

/* Three processes create and free at random, and copies come from elsewhere all the time: the store
 * is full to the brim, the objects that may not go take `kept` of it. */
static void storm_run(struct storm *storm, uint64_t kept, uint32_t seed)
{
    memset(storm, 0, sizeof(*storm));
    kit_init(&storm->kit, 256 * MIB, 64 * MIB);
    reeve_prng_init(&storm->prng, seed);
    storm->held = calloc(STORM_COUNT, sizeof(*storm->held));
    assert_non_null(storm->held);
    for (uint32_t client = 1; client <= 3; client++)
        client_added(&storm->kit, client);
    for (uint32_t i = 0; i < STORM_COUNT; i++) {
        storm->kit.now_ns += 12 * MILLISECOND; /* an hour, altogether */
        uint64_t size = storm_size(storm);
        if (reeve_prng_below(&storm->prng, 2) == 0) {
            pull_copy(storm, size);
            continue;
        }
        while (storm->bytes + size > kept)
            storm_free_one(storm);
        uint32_t client = 1 + i % 3;
        struct held held = {.id = OBJECT(PROCESS(client), ++storm->sequence), .size = size};
        if (!put_quietly(&storm->kit, client, held.id, size, 0))
            fail_msg("object %u of %u bytes found no room", i, (unsigned)size);
        storm->held[storm->count++] = held;
        storm->bytes += size;
    }
}

static void storm_fini(struct storm *storm)
{
    free(storm->held);
    kit_fini(&storm->kit);
}

static void test_a_quarter_fits_after_an_hour(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        struct storm storm;
        storm_run(&storm, 128 * MIB, seed);
        struct reeve_store_status full = status(&storm.kit);
        assert_in_range(full.used_bytes, full.capacity_bytes / 100 * 85, full.capacity_bytes);
        assert_true(put_quietly(
            &storm.kit, 2, OBJECT(PROCESS(2), ++storm.sequence), full.capacity_bytes / 4, 0));
        struct reeve_store_status after = status(&storm.kit);
        print_message("           %lu of %lu MiB used, %lu objects, %lu segments; for a quarter of "
                      "it %lu copies went\n",
            (unsigned long)(full.used_bytes / MIB), (unsigned long)(full.capacity_bytes / MIB),
            (unsigned long)full.object_count, (unsigned long)full.segment_count,
            (unsigned long)(after.evicted_count - full.evicted_count));
        assert_int_equal(after.queue_count, 0);
        assert_int_equal(after.refused_count, 0);
        assert_sound(&storm.kit);
        storm_fini(&storm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_million_objects),
        cmocka_unit_test(test_a_quarter_fits_after_an_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
