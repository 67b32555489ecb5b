/* What other nodes must hear of, until they have. */
#include "tests/unit/objectstore/kit.h"

#define AHEAD 1024u

static struct reeve_object_id object(uint64_t sequence)
{
    return OBJECT(PROCESS(5), sequence);
}

static void reset(struct kit *kit, uint32_t node)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_RESET, .node = node});
}

static void says(struct kit *kit, uint32_t node, uint64_t number, struct reeve_object_id id)
{
    struct reeve_store_command said = take(kit, REEVE_STORE_SEND_FREE);
    assert_int_equal(said.node, node);
    assert_int_equal(said.number, number);
    assert_true(reeve_object_id_equal(said.id, id));
}

static void test_said_until_heard(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    for (uint64_t i = 1; i <= 3; i++) {
        free_object(&kit, 5, object(i), 2);
        says(&kit, 2, i, object(i));
    }
    free_object(&kit, 5, object(4), 3); /* each node has numbers of its own */
    says(&kit, 3, 1, object(4));
    heard(&kit, 2, 1);
    nothing_more(&kit);
    reset(&kit, 2);
    says(&kit, 2, 2, object(2));
    says(&kit, 2, 3, object(3));
    nothing_more(&kit);
    pass(&kit, SECOND); /* no answer, yet */
    nothing_more(&kit);
    heard(&kit, 3, 1);
    pass(&kit, 2 * SECOND);
    says(&kit, 2, 2, object(2));
    says(&kit, 2, 3, object(3));
    heard(&kit, 2, 3);
    heard(&kit, 2, 3); /* late, or invented */
    heard(&kit, 2, 9);
    heard(&kit, 7, 1);
    assert_int_equal(status(&kit).stale_count, 3);
    assert_int_equal(status(&kit).untold_count, 0);
    reset(&kit, 2);
    pass(&kit, 60 * SECOND);
    nothing_more(&kit);
    assert_true(reeve_store_deadline(kit.store) == UINT64_MAX);
    kit_fini(&kit);
}

static void peer_give(
    struct kit *kit, struct reeve_object_id id, reeve_process_id heir, uint64_t number)
{
    step(kit,
        (struct reeve_store_event){
            .kind = REEVE_STORE_PEER_GIVE, .node = 2, .id = id, .process = heir, .word = number});
}

/* The word is lost with its session, its answer with the next one; who gives is told only then. */
static void test_gift_is_said_until_heard(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_GIVE,
                   .client = 5,
                   .request = 9,
                   .id = object(1),
                   .node = 2,
                   .process = FAR(3, 1)});
    for (int i = 0; i < 3; i++) {
        struct reeve_store_command said = take(&kit, REEVE_STORE_SEND_FREE);
        assert_true(said.word == REEVE_STORE_WORD_GIVE && said.number == 1);
        assert_true(said.process == FAR(3, 1) && said.node == 2);
        nothing_more(&kit);
        if (i == 0)
            reset(&kit, 2);
        else if (i == 1)
            pass(&kit, 2 * SECOND);
    }
    heard(&kit, 2, 1);
    struct reeve_store_command reply = take(&kit, REEVE_STORE_REPLY_SEAL);
    assert_true(reply.code == 0 && reply.request == 9);
    nothing_more(&kit);
    kit_fini(&kit);
}

/* Who was given it has given it on, when the first word comes once more. */
static void test_gift_counts_once(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    put(&kit, 5, object(1), 1000);
    put(&kit, 5, object(2), 1000);
    peer_give(&kit, object(1), FAR(2, 1), 4);
    peer_give(&kit, object(1), FAR(3, 1), 5);
    peer_give(&kit, object(1), FAR(2, 1), 4);
    peer_give(&kit, object(2), FAR(2, 1), 6);
    assert_int_equal(status(&kit).stale_count, 1);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_OWNER_GONE, .process = FAR(2, 1)});
    assert_int_equal(status(&kit).object_count, 1);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_OWNER_GONE, .process = FAR(3, 1)});
    assert_int_equal(status(&kit).object_count, 0);
    kit_fini(&kit);
}

static void test_only_so_many_at_a_time(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    for (uint64_t i = 1; i <= AHEAD + 10; i++)
        free_object(&kit, 5, object(i), 2);
    assert_int_equal(count_of(&kit, REEVE_STORE_SEND_FREE), AHEAD);
    heard(&kit, 2, 4);
    for (uint64_t i = 1; i <= 4; i++)
        says(&kit, 2, AHEAD + i, object(AHEAD + i));
    nothing_more(&kit);
    reset(&kit, 2);
    says(&kit, 2, 5, object(5));
    assert_int_equal(count_of(&kit, REEVE_STORE_SEND_FREE), AHEAD - 1);
    heard(&kit, 2, 1028);
    assert_int_equal(count_of(&kit, REEVE_STORE_SEND_FREE), 6);
    heard(&kit, 2, AHEAD + 10);
    assert_int_equal(status(&kit).untold_count, 0);
    kit_fini(&kit);
}

static void test_the_dead_are_told_nothing(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    free_object(&kit, 5, object(1), 2);
    take(&kit, REEVE_STORE_SEND_FREE);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 2});
    assert_int_equal(status(&kit).untold_count, 0);
    free_object(&kit, 5, object(2), 2);
    reset(&kit, 2);
    pass(&kit, 60 * SECOND);
    nothing_more(&kit);
    kit_fini(&kit);
}

static void test_gone_owners(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    reset(&kit, 2);
    reset(&kit, 3);
    client_reaped(&kit, 5);
    uint32_t told = 0;
    for (int i = 0; i < 2; i++) {
        struct reeve_store_command said = take(&kit, REEVE_STORE_SEND_FREE);
        assert_true(reeve_object_id_equal(said.id, object(REEVE_STORE_ALL)));
        told |= 1u << said.node;
    }
    assert_int_equal(told, 1u << 2 | 1u << 3);
    nothing_more(&kit);
    /* the other way round */
    client_added(&kit, 6);
    put(&kit, 6, OBJECT(FAR(2, 9), 1), 100);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_FREE,
                   .node = 2,
                   .id = OBJECT(FAR(2, 9), REEVE_STORE_ALL),
                   .number = 1});
    assert_int_equal(status(&kit).object_count, 0);
    get(&kit, 6, 1, OBJECT(FAR(2, 9), 1), 0, 2);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_EOWNERDIED);
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_said_until_heard),
        cmocka_unit_test(test_gift_is_said_until_heard),
        cmocka_unit_test(test_gift_counts_once),
        cmocka_unit_test(test_only_so_many_at_a_time),
        cmocka_unit_test(test_the_dead_are_told_nothing),
        cmocka_unit_test(test_gone_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
