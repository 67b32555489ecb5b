/* Objects pulled from other nodes, and sent to them. */
#include "tests/unit/objectstore/kit.h"

#define CHUNK REEVE_STORE_CHUNK_SIZE

/* The object is asked for by client 5 and is coming from node 2; gives the first request. */
static struct reeve_store_command begin(
    struct kit *kit, struct reeve_object_id id, uint64_t size, uint64_t requests)
{
    get(kit, 5, 1, id, size, 2);
    take(kit, REEVE_STORE_SEGMENT_CREATE);
    struct reeve_store_command pull = take(kit, REEVE_STORE_SEND_PULL);
    assert_int_equal(pull.node, 2);
    for (uint64_t i = 1; i < requests; i++)
        assert_int_equal(take(kit, REEVE_STORE_SEND_PULL).offset, i * CHUNK);
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
    uint64_t size = 6 * CHUNK + 10;
    struct reeve_store_command pull = begin(&kit, id, size, 4);
    get(&kit, 6, 9, id, size, 2); /* waits for the same pull */
    get(&kit, REEVE_STORE_DAEMON, 10, id, size, 2);
    nothing_more(&kit);
    uint64_t base = 0;
    for (uint64_t i = 0; i < 7; i++) {
        pull.offset = i * CHUNK;
        pull.length = CHUNK;
        chunk(&kit, &pull, size);
        struct reeve_store_command copy = take(&kit, REEVE_STORE_COPY_IN);
        if (i == 0)
            base = copy.offset;
        assert_int_equal(copy.offset, base + i * CHUNK);
        assert_int_equal(copy.length, i == 6 ? 10 : CHUNK);
        if (i < 3)
            assert_int_equal(take(&kit, REEVE_STORE_SEND_PULL).offset, (i + 4) * CHUNK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        if (i < 2)
            take(&kit, REEVE_STORE_SEGMENT_SHOW);
        struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
        assert_int_equal(got.code, 0);
        assert_int_equal(got.offset, base);
        assert_int_equal(got.size, size);
    }
    nothing_more(&kit);
    assert_int_equal(status(&kit).pin_count, 3);
    assert_int_equal(status(&kit).pulled_count, 1);
    chunk(&kit, &pull, size); /* late */
    assert_int_equal(status(&kit).stale_count, 1);
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
    chunk(&kit, &pull, 1000);
    take(&kit, REEVE_STORE_SEGMENT_CREATE); /* now there is room: asked again */
    pull = take(&kit, REEVE_STORE_SEND_PULL);
    assert_int_equal(pull.length, 1000);
    chunk(&kit, &pull, 1000);
    take(&kit, REEVE_STORE_COPY_IN);
    take(&kit, REEVE_STORE_SEGMENT_SHOW);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).size, 1000);

    get(&kit, 5, 2, OBJECT(FAR(2, 1), 2), 0, 2);
    pull = take(&kit, REEVE_STORE_SEND_PULL);
    chunk(&kit, &pull, 0);
    pull = take(&kit, REEVE_STORE_SEND_PULL);
    chunk(&kit, &pull, 0);
    struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(got.code, 0);
    assert_int_equal(got.size, 0);
    nothing_more(&kit);
    kit_fini(&kit);
}

static void fail_from(struct kit *kit, const struct reeve_store_command *pull)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_CHUNK,
                  .node = pull->node,
                  .id = pull->id,
                  .code = REEVE_ELOST});
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
    take(&kit, REEVE_STORE_COPY_IN);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 2});
    /* the owner lived on node 2 as well */
    assert_int_equal(take(&kit, REEVE_STORE_SEND_PULL).node, 3);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_EOWNERDIED);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_EOWNERDIED);
    nothing_more(&kit);

    id = OBJECT(FAR(4, 1), 1); /* this one's owner lives on */
    get(&kit, 5, 1, id, 2 * CHUNK, 5);
    get(&kit, 5, 2, id, 2 * CHUNK, 3);
    pull = take(&kit, REEVE_STORE_SEND_PULL);
    take(&kit, REEVE_STORE_SEND_PULL);
    chunk(&kit, &pull, 2 * CHUNK);
    take(&kit, REEVE_STORE_COPY_IN);
    fail_from(&kit, &pull);
    pull = take(&kit, REEVE_STORE_SEND_PULL);
    assert_int_equal(pull.node, 3);
    assert_int_equal(pull.offset, CHUNK); /* goes on where the first one stopped */
    fail_from(&kit, &pull);
    struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(got.code, REEVE_ELOST);
    assert_string_equal(got.text, "object 4.1/1 is lost: node 3 does not have it");
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

static void test_silence(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(FAR(2, 1), 1);
    struct reeve_store_command pull = begin(&kit, id, 2 * CHUNK, 2);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_RESET, .node = 2});
    assert_int_equal(count_of(&kit, REEVE_STORE_SEND_PULL), 2);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(reeve_store_deadline(kit.store), kit.now_ns + 2 * SECOND);
        pass(&kit, 2 * SECOND);
        assert_int_equal(count_of(&kit, REEVE_STORE_SEND_PULL), 2);
    }
    chunk(&kit, &pull, 2 * CHUNK);
    take(&kit, REEVE_STORE_COPY_IN);
    chunk(&kit, &pull, 2 * CHUNK); /* twice the same */
    nothing_more(&kit);
    for (int i = 0; i < 4; i++) {
        pass(&kit, 2 * SECOND);
        assert_int_equal(take(&kit, REEVE_STORE_SEND_PULL).offset, CHUNK);
    }
    pass(&kit, 2 * SECOND);
    struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(got.code, REEVE_ELOST);
    assert_non_null(strstr(got.text, "does not answer"));
    kit_fini(&kit);
}

static void test_lies(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    for (uint64_t i = 0; i < 3; i++) {
        struct reeve_object_id id = OBJECT(FAR(2, 1), i);
        get(&kit, 5, 1, id, 1000, 2);
        count_of(&kit, 0);
        step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_CHUNK,
                       .node = 2,
                       .id = id,
                       .size = i == 0 ? 999 : 1000,
                       .length = i == 1 ? 1001 : 0});
        assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_ELOST);
        count_of(&kit, 0);
    }
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
    chunk(&kit, &pull, 1000);
    assert_int_equal(status(&kit).used_bytes, 0);
    count_of(&kit, 0);
    get(&kit, 5, 2, OBJECT(FAR(2, 1), 2), 1000, 2);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_CLOSED, .client = 5});
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
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(got.code, 0);
    assert_int_equal(got.segment, room.segment);
    chunk(&kit, &pull, 1000);
    assert_int_equal(status(&kit).stale_count, 1);
    kit_fini(&kit);
}

static void test_serving_and_freeing_copies(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    struct reeve_store_command room = put(&kit, 5, id, CHUNK + 100);
    struct reeve_store_event pull = {
        .kind = REEVE_STORE_PEER_PULL, .node = 2, .id = id, .length = 10 * CHUNK};
    step(&kit, pull);
    struct reeve_store_command sent = take(&kit, REEVE_STORE_SEND_CHUNK);
    assert_int_equal(sent.place, room.offset);
    assert_int_equal(sent.length, CHUNK);
    assert_int_equal(sent.size, CHUNK + 100);
    pull.offset = CHUNK;
    step(&kit, pull);
    sent = take(&kit, REEVE_STORE_SEND_CHUNK);
    assert_int_equal(sent.place, room.offset + CHUNK);
    assert_int_equal(sent.length, 100);
    pull.offset = CHUNK + 101;
    step(&kit, pull);
    assert_int_equal(take(&kit, REEVE_STORE_SEND_CHUNK).code, REEVE_EPROTOCOL);
    pull.offset = 0;
    for (uint32_t node = 3; node <= 5; node++) {
        pull.node = node;
        step(&kit, pull);
        take(&kit, REEVE_STORE_SEND_CHUNK);
    }
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 4});
    free_object(&kit, 5, id, 3); /* node 3 is told once, though it is named and has a copy */
    uint32_t told = 0;
    for (int i = 0; i < 3; i++)
        told |= 1u << take(&kit, REEVE_STORE_SEND_FREE).node;
    assert_int_equal(told, 1u << 2 | 1u << 3 | 1u << 5);
    nothing_more(&kit);
    step(&kit, pull);
    assert_int_equal(take(&kit, REEVE_STORE_SEND_CHUNK).code, REEVE_ELOST);
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
            assert_int_equal(pulls, 4);
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
        cmocka_unit_test(test_size_unknown_or_zero),
        cmocka_unit_test(test_not_there_and_another_place),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_free_while_pulled_and_client_gone),
        cmocka_unit_test(test_sealed_here_while_pulled),
        cmocka_unit_test(test_serving_and_freeing_copies),
        cmocka_unit_test(test_copies_are_thrown_out_oldest_first),
        cmocka_unit_test(test_a_pull_waits_for_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
