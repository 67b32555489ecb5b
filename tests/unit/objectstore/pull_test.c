/* Objects pulled from other nodes. */
#include "tests/unit/objectstore/kit.h"

#define CHUNK  REEVE_STORE_CHUNK_SIZE
#define WINDOW 16u

static uint64_t numbers[64];

/* The next `count` commands are questions to that node; gives the last of them. */
static struct reeve_store_command asks(struct kit *kit, uint32_t node, uint32_t count)
{
    struct reeve_store_command pull = {0};
    for (uint32_t i = 0; i < count; i++) {
        pull = take(kit, REEVE_STORE_SEND_PULL);
        assert_int_equal(pull.node, node);
        numbers[i] = pull.number;
    }
    return pull;
}

/* As many are called off, and that is answered. */
static void called_off(struct kit *kit, uint32_t count)
{
    uint64_t dropped[64];
    for (uint32_t i = 0; i < count; i++)
        dropped[i] = take(kit, REEVE_STORE_DROP_PULL).number;
    nothing_more(kit);
    for (uint32_t i = 0; i < count; i++)
        chunk_failed(kit, dropped[i], REEVE_ECANCELLED, 0);
}

/* The object is asked for by client 5 and is coming from node 2; gives the first request. */
static struct reeve_store_command begin(
    struct kit *kit, struct reeve_object_id id, uint64_t size, uint32_t requests)
{
    get(kit, 5, 1, id, size, 2);
    take(kit, REEVE_STORE_SEGMENT_CREATE);
    struct reeve_store_command pull = asks(kit, 2, 1);
    assert_int_equal(pull.offset, 0);
    asks(kit, 2, requests - 1);
    nothing_more(kit);
    return pull;
}

static void test_window(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    struct reeve_object_id id = OBJECT(FAR(2, 1), 1);
    uint64_t size = 40 * CHUNK + 10;
    struct reeve_store_command pulls[64], command;
    uint32_t asked = 1, answered = 0;
    pulls[0] = begin(&kit, id, size, 2); /* two only, until something has come */
    get(&kit, 6, 9, id, size, 2);        /* waits for the same pull */
    get(&kit, REEVE_STORE_DAEMON, 10, id, size, 2);
    nothing_more(&kit);
    pulls[1] = pulls[0];
    pulls[1].number = pulls[0].number + 1;
    asked = 2;
    bool together = false;
    while (answered < 41) {
        chunk(&kit, &pulls[answered++], size);
        uint32_t before = asked;
        while (asked < 41 && reeve_fifo_peek(&kit.out) != NULL) {
            command = pulls[asked] = take(&kit, REEVE_STORE_SEND_PULL);
            assert_int_equal(command.offset, asked * CHUNK);
            assert_int_equal(command.place, pulls[0].place + asked * CHUNK);
            assert_int_equal(command.length, asked == 40 ? 10 : CHUNK);
            asked++;
        }
        assert_true(asked - answered <= WINDOW);
        together |= answered > 1 && asked - before >= WINDOW / 2;
        pulls[1].length = CHUNK;
    }
    assert_true(together); /* not one by one */
    for (uint32_t i = 0; i < 3; i++) {
        if (i < 2)
            take(&kit, REEVE_STORE_SEGMENT_SHOW);
        struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
        assert_int_equal(got.code, 0);
        assert_int_equal(got.offset, pulls[0].place);
        assert_int_equal(got.size, size);
    }
    nothing_more(&kit);
    assert_int_equal(status(&kit).pin_count, 3);
    assert_int_equal(status(&kit).pulled_count, 1);
    chunk(&kit, &pulls[0], size); /* late */
    assert_int_equal(status(&kit).stale_count, 1);
    kit_fini(&kit);
}

/* Small objects do not wait for large ones, and large ones take turns. */
static void test_order(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 256 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id large = OBJECT(FAR(2, 1), 1), other = OBJECT(FAR(2, 1), 2);
    struct reeve_store_command first = begin(&kit, large, 40 * CHUNK, 2);
    chunk(&kit, &first, 40 * CHUNK);
    asks(&kit, 2, WINDOW - 1);
    get(&kit, 5, 2, other, 40 * CHUNK, 2);
    assert_int_equal(count_of(&kit, REEVE_STORE_SEND_PULL), 0); /* the lane is full */
    for (uint64_t i = 0; i < 20; i++) {
        get(&kit, 5, 3, OBJECT(FAR(2, 2), i), 1000, 2);
        assert_int_equal(count_of(&kit, REEVE_STORE_SEND_PULL), i < WINDOW);
    }
    first.length = CHUNK;
    uint32_t turns[2] = {0};
    for (uint32_t i = 0; i < WINDOW / 2; i++) {
        first.number = numbers[i];
        chunk(&kit, &first, 40 * CHUNK);
        struct reeve_store_command command;
        while (reeve_fifo_pop(&kit.out, &command))
            if (command.kind == REEVE_STORE_SEND_PULL)
                turns[command.id.sequence - 1]++;
    }
    assert_int_equal(turns[0] + turns[1], WINDOW / 2);
    assert_int_equal(turns[1], 2); /* nothing has come of it yet */
    kit_fini(&kit);
}

static void test_size_unknown_or_zero(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    get(&kit, 5, 1, OBJECT(FAR(2, 1), 1), 0, 2);
    struct reeve_store_command pull = take(&kit, REEVE_STORE_SEND_PULL);
    assert_int_equal(pull.length, 0); /* how large? */
    chunk(&kit, &pull, 1000);
    take(&kit, REEVE_STORE_SEGMENT_CREATE); /* now there is room */
    pull = take(&kit, REEVE_STORE_SEND_PULL);
    assert_int_equal(pull.length, 1000);
    chunk(&kit, &pull, 1000);
    take(&kit, REEVE_STORE_SEGMENT_SHOW);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).size, 1000);

    get(&kit, 5, 2, OBJECT(FAR(2, 1), 2), 0, 2);
    pull = take(&kit, REEVE_STORE_SEND_PULL);
    chunk(&kit, &pull, 0);
    struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(got.code, 0);
    assert_int_equal(got.size, 0);
    nothing_more(&kit);
    kit_fini(&kit);
}

static void test_not_there_and_another_place(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(FAR(2, 1), 1);
    struct reeve_store_command pull = begin(&kit, id, 2 * CHUNK, 2);
    get(&kit, 5, 2, id, 2 * CHUNK, 3); /* node 3 has it too */
    chunk(&kit, &pull, 2 * CHUNK);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 2});
    pull.number = take(&kit, REEVE_STORE_DROP_PULL).number;
    /* the owner lived on node 2 as well */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_EOWNERDIED);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_EOWNERDIED);
    nothing_more(&kit);
    assert_int_equal(status(&kit).object_count, 0);
    assert_true(status(&kit).used_bytes > 0); /* somebody may still be writing there */
    assert_int_equal(status(&kit).pull_count, 1);
    chunk_failed(&kit, pull.number, REEVE_ELINK, 0);
    assert_int_equal(status(&kit).used_bytes, 0);
    assert_int_equal(status(&kit).pull_count, 0);

    step(
        &kit, (struct reeve_store_event){.kind = REEVE_STORE_HOST, .node = 3, .text = "c.example"});
    id = OBJECT(FAR(4, 1), 1); /* this one's owner lives on */
    get(&kit, 5, 1, id, 2 * CHUNK, 5);
    asks(&kit, 5, 2);
    uint64_t second = numbers[1];
    get(&kit, 5, 2, id, 2 * CHUNK, 3);
    pull.number = numbers[0];
    chunk(&kit, &pull, 2 * CHUNK);
    nothing_more(&kit);
    chunk_failed(&kit, second, REEVE_ELOST, 0);
    pull = asks(&kit, 3, 1);
    assert_int_equal(pull.offset, CHUNK); /* goes on where the first one stopped */
    chunk_failed(&kit, pull.number, REEVE_ELOST, 0);
    struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(got.code, REEVE_ELOST);
    assert_string_equal(got.text, "object 4.1/1 is lost: node 3 (c.example) does not have it");
    take(&kit, REEVE_STORE_REPLY_GET);
    nothing_more(&kit);
    assert_int_equal(status(&kit).object_count, 0);
    assert_int_equal(status(&kit).used_bytes, 0);
    get(&kit, 5, 3, id, 0, 2);
    got = take(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(got.code, REEVE_ELOST);
    assert_non_null(strstr(got.text, "node 2, which has died"));
    kit_fini(&kit);
}

/* Several have it: each brings a part, and one that fails is replaced by the others. */
static void test_several_sources(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    uint64_t size = 30 * CHUNK;
    struct reeve_store_command pull = begin(&kit, id, size, 2), command;
    /* node 2 has it, and says that node 3 has it too */
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_CHUNK,
                   .number = pull.number,
                   .size = size,
                   .length = CHUNK,
                   .other = 3});
    uint32_t of[8] = {0};
    uint64_t from_third[2] = {0};
    bool asked[30] = {true, true};
    while (reeve_fifo_pop(&kit.out, &command)) {
        assert_int_equal(command.kind, REEVE_STORE_SEND_PULL);
        if (command.node == 3)
            from_third[of[3] % 2] = command.number;
        of[command.node]++;
        assert_false(asked[command.offset / CHUNK]); /* no piece twice */
        asked[command.offset / CHUNK] = true;
    }
    assert_int_equal(of[2], WINDOW - 1);
    assert_int_equal(of[3], 2);
    command.number = from_third[0];
    command.length = CHUNK;
    chunk(&kit, &command, size);
    assert_int_equal(count_of(&kit, REEVE_STORE_SEND_PULL), 30 - 2 - 17);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 2});
    called_off(&kit, 16);
    assert_true(count_of(&kit, REEVE_STORE_SEND_PULL) > 0);
    assert_int_equal(status(&kit).pull_count, 1);
    kit_fini(&kit);
}

static void test_referred(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    struct reeve_store_command pull = begin(&kit, id, 20 * CHUNK, 2);
    assert_false(pull.insist);
    chunk_failed(&kit, pull.number, REEVE_EAGAIN, 3);
    asks(&kit, 3, 2);
    chunk_failed(&kit, pull.number + 1, REEVE_EAGAIN, 4);
    uint64_t third[2] = {numbers[0], numbers[1]};
    asks(&kit, 4, 2);
    nothing_more(&kit);
    uint64_t fourth[2] = {numbers[0], numbers[1]};
    chunk_failed(&kit, third[0], REEVE_ELOST, 0); /* node 3 has it no more */
    assert_int_equal(take(&kit, REEVE_STORE_DROP_PULL).number, third[1]);
    nothing_more(&kit);
    chunk_failed(&kit, third[1], REEVE_ECANCELLED, 0);
    nothing_more(&kit); /* node 4 has got its two questions */
    pass(&kit, 2 * SECOND);
    for (int i = 0; i < 2; i++)
        assert_int_equal(take(&kit, REEVE_STORE_DROP_PULL).number, fourth[i]);
    /* now the first one is the best again; it is told that it must */
    pull = asks(&kit, 2, 2);
    assert_true(pull.insist);
    nothing_more(&kit);
    kit_fini(&kit);
}

static void test_silence(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(FAR(2, 1), 1);
    struct reeve_store_command pull = begin(&kit, id, 2 * CHUNK, 2);
    chunk_failed(&kit, pull.number, REEVE_ELINK, 0); /* a new session */
    chunk_failed(&kit, pull.number + 1, REEVE_ELINK, 0);
    asks(&kit, 2, 2);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(reeve_store_deadline(kit.store), kit.now_ns + 2 * SECOND);
        pass(&kit, 2 * SECOND);
        called_off(&kit, 2);
        asks(&kit, 2, 2);
    }
    pull.number = numbers[0];
    chunk(&kit, &pull, 2 * CHUNK);
    chunk(&kit, &pull, 2 * CHUNK); /* twice the same */
    nothing_more(&kit);
    for (int i = 0; i < 4; i++) {
        pass(&kit, 2 * SECOND);
        called_off(&kit, 1);
        assert_int_equal(asks(&kit, 2, 1).offset, CHUNK);
    }
    pass(&kit, 2 * SECOND);
    take(&kit, REEVE_STORE_DROP_PULL);
    struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(got.code, REEVE_ELOST);
    assert_non_null(strstr(got.text, "does not answer"));
    chunk_failed(&kit, numbers[0], REEVE_ECANCELLED, 0);
    assert_int_equal(status(&kit).used_bytes, 0);
    kit_fini(&kit);
}

/* Who waited has been told that the source does not answer; then it does. Meanwhile somebody asks
 * again, and what is meant for the first is no part of the second. */
static void test_pieces_come_after_the_answer(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(FAR(2, 1), 1);
    struct reeve_store_command pulls[2] = {begin(&kit, id, 2 * CHUNK, 2)};
    for (int i = 0; i < 4; i++) {
        pass(&kit, 2 * SECOND);
        called_off(&kit, 2);
        pulls[0] = take(&kit, REEVE_STORE_SEND_PULL);
        pulls[1] = take(&kit, REEVE_STORE_SEND_PULL);
    }
    pass(&kit, 2 * SECOND);
    take(&kit, REEVE_STORE_DROP_PULL);
    take(&kit, REEVE_STORE_DROP_PULL);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_ELOST);
    assert_int_equal(status(&kit).used_bytes, 2 * CHUNK); /* they may be written to still */
    assert_int_equal(status(&kit).object_count, 0);

    get(&kit, 5, 2, id, 2 * CHUNK, 2);
    struct reeve_store_command again[2] = {
        take(&kit, REEVE_STORE_SEND_PULL), take(&kit, REEVE_STORE_SEND_PULL)};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(again[i].offset, (uint64_t)i * CHUNK);
        assert_true(again[i].place >= pulls[0].place + 2 * CHUNK); /* after the other's place */
        chunk(&kit, &pulls[i], 2 * CHUNK);
    }
    nothing_more(&kit);
    assert_int_equal(status(&kit).used_bytes, 2 * CHUNK);
    uint64_t stale_count = status(&kit).stale_count;
    chunk(&kit, &pulls[0], 2 * CHUNK); /* a second answer is nobody's */
    assert_int_equal(status(&kit).stale_count, stale_count + 1);
    chunk(&kit, &again[1], 2 * CHUNK);
    nothing_more(&kit);
    chunk(&kit, &again[0], 2 * CHUNK);
    take(&kit, REEVE_STORE_SEGMENT_SHOW);
    struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(got.request, 2);
    assert_int_equal(got.code, REEVE_OK);
    assert_int_equal(got.offset, again[0].place);
    unpin(&kit, 5, id);
    kit_fini(&kit);
}

static void test_lies(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    for (uint64_t i = 0; i < 3; i++) {
        get(&kit, 5, 1, OBJECT(FAR(2, 1), i), 1000, 2);
        struct reeve_store_command pull = {0};
        while (pull.kind != REEVE_STORE_SEND_PULL)
            reeve_fifo_pop(&kit.out, &pull);
        step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_CHUNK,
                       .number = pull.number,
                       .size = i == 0 ? 999 : 1000,
                       .length = i == 1 ? 1001 : 0});
        struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
        assert_int_equal(got.code, REEVE_ELOST);
        assert_non_null(strstr(got.text, "sent a piece that does not fit"));
    }
    get(&kit, 5, 1, OBJECT(FAR(2, 1), 8), 2 * CHUNK, 2); /* a whole piece, of a larger object */
    asks(&kit, 2, 2);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_CHUNK,
                   .number = numbers[0],
                   .size = 3 * CHUNK,
                   .length = CHUNK});
    take(&kit, REEVE_STORE_DROP_PULL);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_ELOST);
    get(&kit, 5, 1, OBJECT(FAR(2, 1), 9), 0, 2);
    struct reeve_store_command pull = take(&kit, REEVE_STORE_SEND_PULL);
    chunk(&kit, &pull, 65 * MIB);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_ETOOLARGE);
    get(&kit, 5, 1, OBJECT(FAR(2, 1), 9), 65 * MIB, 2);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_ETOOLARGE);
    nothing_more(&kit);
    kit_fini(&kit);
}

static void test_free_while_pulled_and_client_gone(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    struct reeve_store_command pull = begin(&kit, id, 1000, 1);
    free_object(&kit, 5, id, 2);
    assert_int_equal(take(&kit, REEVE_STORE_SEND_FREE).node, 2);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_ELOST);
    assert_int_equal(take(&kit, REEVE_STORE_DROP_PULL).number, pull.number);
    chunk(&kit, &pull, 1000);
    assert_int_equal(status(&kit).used_bytes, 0);
    count_of(&kit, 0);
    get(&kit, 5, 2, OBJECT(FAR(2, 1), 2), 1000, 2);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_CLOSED, .client = 5});
    assert_int_equal(status(&kit).object_count, 0);
    /* the same again, while the place of the first attempt is still held */
    client_added(&kit, 6);
    get(&kit, 6, 2, OBJECT(FAR(2, 1), 2), 1000, 2);
    struct reeve_store_command command;
    while (reeve_fifo_pop(&kit.out, &command))
        if (command.kind == REEVE_STORE_SEND_PULL) {
            assert_true(command.number == pull.number + 1 || command.place != pull.place);
            pull = command;
        }
    assert_int_equal(status(&kit).pull_count, 2);
    chunk(&kit, &pull, 1000);
    take(&kit, REEVE_STORE_SEGMENT_SHOW);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
    chunk_failed(&kit, pull.number - 1, REEVE_ECANCELLED, 0);
    assert_int_equal(status(&kit).pull_count, 0);
    kit_fini(&kit);
}

static void test_sealed_here_while_pulled(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    struct reeve_store_command pull = begin(&kit, id, 1000, 1);
    create(&kit, 5, 2, 1000);
    take(&kit, REEVE_STORE_SEGMENT_CREATE);
    take(&kit, REEVE_STORE_SEGMENT_SHOW);
    struct reeve_store_command room = take(&kit, REEVE_STORE_REPLY_CREATE);
    seal(&kit, 5, id, &room, 1000, 0);
    assert_int_equal(take(&kit, REEVE_STORE_DROP_PULL).number, pull.number);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(got.code, 0);
    assert_int_equal(got.segment, room.segment);
    assert_int_equal(status(&kit).pull_count, 1);
    chunk(&kit, &pull, 1000);
    assert_int_equal(status(&kit).pull_count, 0);
    kit_fini(&kit);
}

static void pull_whole(struct kit *kit, struct reeve_object_id id, uint64_t size)
{
    struct reeve_store_command command;
    get(kit, 5, 1, id, size, 2);
    while (reeve_fifo_pop(&kit->out, &command))
        if (command.kind == REEVE_STORE_SEND_PULL)
            chunk(kit, &command, size);
}

static void test_copies_are_thrown_out_oldest_first(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 8 * MIB, 8 * MIB);
    client_added(&kit, 5);
    for (uint64_t i = 0; i < 6; i++) {
        pull_whole(&kit, OBJECT(FAR(2, 1), i), MIB + 64 * KIB);
        if (i != 3)
            unpin(&kit, 5, OBJECT(FAR(2, 1), i));
    }
    get(&kit, 5, 1, OBJECT(FAR(2, 1), 0), 0, 0); /* used again: now the latest */
    unpin(&kit, 5, OBJECT(FAR(2, 1), 0));
    count_of(&kit, 0);
    create(&kit, 5, 1, 4 * MIB);
    assert_int_equal(count_of(&kit, REEVE_STORE_REPLY_CREATE), 1);
    uint32_t segment;
    uint64_t offset, size;
    const bool expected[] = {true, false, false, true, false, true};
    for (uint64_t i = 0; i < 6; i++)
        assert_int_equal(
            reeve_store_find(kit.store, OBJECT(FAR(2, 1), i), &segment, &offset, &size),
            expected[i]);
    assert_int_equal(status(&kit).evicted_count, 3);
    get(&kit, 5, 1, OBJECT(FAR(2, 1), 1), MIB, 2); /* goes before creates, but fits not yet */
    create(&kit, 5, 2, 4 * MIB);
    kit_fini(&kit);
}

/* Its producer has run again here: nobody else has it for sure, so it is no copy any more. */
static void test_a_copy_is_sealed_here(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 4 * MIB, 4 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    pull_whole(&kit, id, MIB);
    unpin(&kit, 5, id);
    assert_int_equal(status(&kit).copy_bytes, MIB);
    create(&kit, 5, 2, MIB);
    struct reeve_store_command room = {0};
    while (room.kind != REEVE_STORE_REPLY_CREATE)
        assert_true(reeve_fifo_pop(&kit.out, &room));
    seal(&kit, 5, id, &room, MIB, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    assert_int_equal(status(&kit).copy_bytes, 0);
    create(&kit, 5, 3, 3 * MIB + MIB / 2);
    count_of(&kit, 0);
    assert_int_equal(status(&kit).evicted_count, 0);
    assert_int_equal(status(&kit).object_count, 1);
    kit_fini(&kit);
}

static void test_a_pull_waits_for_room(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 4 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    put(&kit, 5, OBJECT(PROCESS(5), 1), 3 * MIB);
    create(&kit, 6, 1, 2 * MIB);
    get(&kit, 5, 2, OBJECT(FAR(2, 1), 1), 2 * MIB, 2);
    nothing_more(&kit);
    free_object(&kit, 5, OBJECT(PROCESS(5), 1), 0);
    /* both fit now; the pull went first */
    struct reeve_store_command command;
    uint32_t pulls = 0, creates = 0;
    while (reeve_fifo_pop(&kit.out, &command)) {
        pulls += command.kind == REEVE_STORE_SEND_PULL;
        if (command.kind == REEVE_STORE_REPLY_CREATE) {
            assert_int_equal(pulls, 2);
            creates++;
        }
    }
    assert_int_equal(creates, 1);
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_several_sources),
        cmocka_unit_test(test_referred),
        cmocka_unit_test(test_size_unknown_or_zero),
        cmocka_unit_test(test_not_there_and_another_place),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_pieces_come_after_the_answer),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_free_while_pulled_and_client_gone),
        cmocka_unit_test(test_sealed_here_while_pulled),
        cmocka_unit_test(test_copies_are_thrown_out_oldest_first),
        cmocka_unit_test(test_a_copy_is_sealed_here),
        cmocka_unit_test(test_a_pull_waits_for_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
