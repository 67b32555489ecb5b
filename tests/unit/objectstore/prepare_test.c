/* Pages that are prepared ahead: at the start, and in front of a writer that grows; that this takes
 * only memory that is spare, and gives it back. */
#include "tests/unit/objectstore/kit.h"

static void kit_prefault(struct kit *kit, uint64_t capacity, bool prefault, uint64_t ahead)
{
    struct reeve_store_settings settings = {.capacity_bytes = capacity,
        .segment_size_bytes = 16 * MIB,
        .node = OWN_NODE,
        .prefault = prefault,
        .ahead_bytes = ahead};
    kit->store = reeve_store_create(&settings);
    kit->now_ns = SECOND;
    reeve_fifo_init(&kit->out, sizeof(struct reeve_store_command));
}

static void memory(struct kit *kit, uint64_t spare)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_MEMORY, .size = spare});
}

/* Does what is asked for, until nothing more is; gives the bytes. READY commands are counted. */
static uint64_t prepare_all(struct kit *kit, uint64_t *ret_ready)
{
    uint64_t bytes = 0, ready = 0;
    struct reeve_store_command command;
    while (reeve_fifo_pop(&kit->out, &command)) {
        if (command.kind == REEVE_STORE_SEGMENT_READY)
            ready += command.length;
        if (command.kind != REEVE_STORE_SEGMENT_PREPARE)
            continue;
        bytes += command.length;
        step(kit, (struct reeve_store_event){.kind = REEVE_STORE_SEGMENT_PREPARED,
                      .segment = command.segment,
                      .offset = command.offset});
    }
    if (ret_ready != NULL)
        *ret_ready = ready;
    return bytes;
}

/* How much of it the answer's room touches for the first time. */
static uint64_t cold_of_create(struct kit *kit, uint32_t client, uint64_t size)
{
    uint64_t before = status(kit).committed_bytes;
    create(kit, client, 1, size);
    return status(kit).committed_bytes - before;
}

static void test_all_is_prepared_at_the_start(void **state)
{
    (void)state;
    struct kit kit;
    kit_prefault(&kit, 256 * MIB, true, 0);
    memory(&kit, 1024 * MIB);
    uint64_t bytes = prepare_all(&kit, NULL);
    assert_in_range(bytes, 256 * MIB * 7 / 8, 256 * MIB);
    assert_int_equal(status(&kit).committed_bytes, bytes);
    assert_int_equal(status(&kit).used_bytes, 0);
    /* The driver gets half of it, and is told what it may map. */
    client_added(&kit, 5);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_HUNGRY, .client = 5});
    uint64_t ready;
    assert_int_equal(take(&kit, REEVE_STORE_SEGMENT_SHOW).writable, true);
    prepare_all(&kit, &ready);
    assert_int_equal(ready, 128 * MIB);
    assert_int_equal(cold_of_create(&kit, 5, 100 * MIB), 0);
    struct reeve_store_command room = take(&kit, REEVE_STORE_REPLY_CREATE);
    assert_int_equal(room.code, 0);
    /* A worker gets the smallest that will do. */
    client_added(&kit, 6);
    assert_int_equal(cold_of_create(&kit, 6, 50 * KIB), 0);
    assert_int_equal(count_of(&kit, REEVE_STORE_REPLY_CREATE), 1);
    assert_int_equal(cold_of_create(&kit, 6, 40 * MIB), 0);
    assert_int_equal(count_of(&kit, REEVE_STORE_REPLY_CREATE), 1);
    /* What is warm elsewhere makes room for what is cold here, and all is well in the end. */
    client_added(&kit, 7);
    create(&kit, 7, 1, 60 * MIB);
    assert_int_equal(count_at_last(&kit, REEVE_STORE_REPLY_CREATE), 1);
    assert_in_range(status(&kit).committed_bytes, 0, 256 * MIB);
    for (uint32_t client = 5; client <= 7; client++)
        client_reaped(&kit, client);
    prepare_all(&kit, NULL);
    assert_int_equal(status(&kit).used_bytes, 0);
    kit_fini(&kit);
}

static void test_only_what_is_spare(void **state)
{
    (void)state;
    struct kit kit;
    kit_prefault(&kit, 256 * MIB, true, 0);
    memory(&kit, 20 * MIB);
    assert_int_equal(prepare_all(&kit, NULL), 16 * MIB); /* two slices */
    memory(&kit, 8 * MIB);
    assert_int_equal(prepare_all(&kit, NULL), 8 * MIB);
    memory(&kit, 0);
    assert_int_equal(prepare_all(&kit, NULL), 0);
    /* One that could not be done is not said to be ready, and nothing is held up. */
    memory(&kit, 8 * MIB);
    struct reeve_store_command slice = take(&kit, REEVE_STORE_SEGMENT_PREPARE);
    client_added(&kit, 5);
    memory(&kit, 64 * MIB);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_SEGMENT_PREPARED,
                   .segment = slice.segment,
                   .offset = slice.offset,
                   .code = REEVE_ESYSTEM});
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_SEGMENT_PREPARED,
                   .segment = slice.segment,
                   .offset = slice.offset + 64});
    assert_int_equal(status(&kit).stale_count, 1);
    create(&kit, 5, 1, MIB);
    assert_int_equal(count_of(&kit, REEVE_STORE_REPLY_CREATE), 1);
    kit_fini(&kit);
}

/* Who fills what is ready is not slowed down by more being made ready; but not for ever. */
static void test_reserves_wait_while_much_is_filled(void **state)
{
    (void)state;
    struct kit kit;
    kit_prefault(&kit, 256 * MIB, true, 0);
    memory(&kit, 32 * MIB);
    assert_int_equal(prepare_all(&kit, NULL), 32 * MIB);
    client_added(&kit, 5);
    create(&kit, 5, 1, 8 * MIB);
    struct reeve_store_command command, room = {0};
    while (reeve_fifo_pop(&kit.out, &command))
        if (command.kind == REEVE_STORE_REPLY_CREATE)
            room = command;
    memory(&kit, 64 * MIB);
    assert_int_equal(prepare_all(&kit, NULL), 0);
    assert_true(reeve_store_deadline(kit.store) <= kit.now_ns + SECOND);
    seal(&kit, 5, OBJECT(PROCESS(5), 1), &room, 8 * MIB, 0);
    assert_int_not_equal(prepare_all(&kit, NULL), 0);
    create(&kit, 5, 2, 8 * MIB); /* and takes its time */
    (void)prepare_all(&kit, NULL);
    memory(&kit, 64 * MIB);
    assert_int_equal(prepare_all(&kit, NULL), 0);
    pass(&kit, SECOND);
    assert_int_not_equal(prepare_all(&kit, NULL), 0);
    kit_fini(&kit);
}

static void test_ahead_of_a_writer(void **state)
{
    (void)state;
    struct kit kit;
    kit_prefault(&kit, 256 * MIB, false, 16 * MIB);
    memory(&kit, 1024 * MIB);
    nothing_more(&kit);
    client_added(&kit, 5);
    uint64_t ready, cold = 0, sum = 0;
    for (uint32_t i = 0; i < 60; i++) {
        cold += cold_of_create(&kit, 5, MIB) >= MIB / 2;
        sum += prepare_all(&kit, &ready);
        assert_in_range(ready, 0, 16 * MIB);
    }
    assert_in_range(cold, 1, 15);
    assert_in_range(sum, 30 * MIB, 60 * MIB);
    /* And it ends when its writer does, in the middle of a slice. */
    create(&kit, 5, 1, 12 * MIB);
    client_reaped(&kit, 5);
    prepare_all(&kit, NULL);
    assert_int_equal(status(&kit).used_bytes, 0);
    kit_fini(&kit);
}

/* A writer that gives back all it has while slices are still under way: its segment is empty but
 * for these, and is not to be dropped, neither for room nor for its age, before they have ended. */
static void test_ahead_in_an_empty_segment(void **state)
{
    (void)state;
    struct kit kit;
    kit_prefault(&kit, 16 * MIB, false, 16 * MIB);
    memory(&kit, 1024 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    nothing_more(&kit);
    for (uint32_t round = 0; round < 8; round++) {
        struct reeve_store_command slice = {0}, command;
        create(&kit, 5, 1, 64 * KIB);
        while (reeve_fifo_pop(&kit.out, &command)) {
            if (command.kind == REEVE_STORE_SEGMENT_PREPARE)
                slice = command;
            if (command.kind == REEVE_STORE_REPLY_CREATE)
                step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_ABORT,
                               .client = 5,
                               .segment = command.segment,
                               .offset = command.offset});
        }
        create(&kit, 6, 1, 12 * MIB); /* needs what is warm there */
        kit.now_ns += 60 * SECOND;
        step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_TICK});
        if (slice.kind != 0)
            step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_SEGMENT_PREPARED,
                           .segment = slice.segment,
                           .offset = slice.offset});
        client_reaped(&kit, 6);
        client_added(&kit, 6);
        prepare_all(&kit, NULL);
    }
    client_reaped(&kit, 5);
    prepare_all(&kit, NULL);
    assert_int_equal(status(&kit).used_bytes, 0);
    kit_fini(&kit);
}

/* The first command of that kind among those that there are. */
static struct reeve_store_command find(struct kit *kit, enum reeve_store_command_kind kind)
{
    struct reeve_store_command command, found = {0};
    while (reeve_fifo_pop(&kit->out, &command))
        if (command.kind == kind && found.kind != kind)
            found = command;
    assert_int_equal(found.kind, kind);
    return found;
}

static struct reeve_store_command ahead(struct kit *kit, uint64_t size)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_CREATE,
                  .client = 5,
                  .request = 1,
                  .size = size,
                  .flags = REEVE_STORE_AHEAD});
    return find(kit, REEVE_STORE_REPLY_CREATE);
}

/* Room that is granted ahead is more than was asked for, where it is cold, and ends with a block:
 * its writer makes large pages of what it has whole. What is warm is granted as it was asked for,
 * and so is what a small store has. */
static void test_room_ahead_ends_with_a_block(void **state)
{
    (void)state;
    const uint64_t block = 2 * MIB;
    struct kit kit;
    kit_init(&kit, 1024 * MIB, 64 * MIB);
    client_added(&kit, 5);
    create(&kit, 5, 1, 100 * KIB);
    struct reeve_store_command first = find(&kit, REEVE_STORE_REPLY_CREATE);
    struct reeve_store_command room = ahead(&kit, 512 * KIB);
    assert_int_equal(room.segment, first.segment);
    assert_in_range(room.size, 512 * KIB + block, 512 * KIB + 4 * MIB);
    assert_int_equal((room.offset + room.size) % block, 0);
    struct reeve_store_command next = ahead(&kit, 512 * KIB);
    assert_int_equal(next.offset, room.offset + room.size);
    assert_int_equal((next.offset + next.size) % block, 0);
    assert_int_equal(status(&kit).committed_bytes, next.offset + next.size);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_ABORT,
                   .client = 5,
                   .segment = next.segment,
                   .offset = next.offset});
    struct reeve_store_command again = ahead(&kit, 512 * KIB);
    assert_int_equal(again.offset, next.offset);
    assert_int_equal(again.size, 512 * KIB);
    kit_fini(&kit);

    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    assert_int_equal(ahead(&kit, 512 * KIB).size, 512 * KIB);
    assert_int_equal(status(&kit).committed_bytes, 512 * KIB);
    kit_fini(&kit);
}

/* So does what is prepared in front of a writer, as far as there is a block's end in it. */
static void test_slices_end_with_a_block(void **state)
{
    (void)state;
    struct kit kit;
    kit_prefault(&kit, 256 * MIB, false, 64 * MIB);
    memory(&kit, 1024 * MIB);
    client_added(&kit, 5);
    create(&kit, 5, 1, 300 * KIB);
    struct reeve_store_command slice = find(&kit, REEVE_STORE_SEGMENT_PREPARE);
    assert_in_range(slice.length, 2 * MIB, 4 * MIB);
    assert_int_equal((slice.offset + slice.length) % (2 * MIB), 0);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_SEGMENT_PREPARED,
                   .segment = slice.segment,
                   .offset = slice.offset});
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_prepared_at_the_start),
        cmocka_unit_test(test_only_what_is_spare),
        cmocka_unit_test(test_reserves_wait_while_much_is_filled),
        cmocka_unit_test(test_ahead_of_a_writer),
        cmocka_unit_test(test_ahead_in_an_empty_segment),
        cmocka_unit_test(test_room_ahead_ends_with_a_block),
        cmocka_unit_test(test_slices_end_with_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
