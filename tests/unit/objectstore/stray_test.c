/* Two attempts of a task have made its object: the one that counts, on node 2, and one that was
 * lost, here, under the same name. Process 5, which has called it, frees the latter by a word of
 * its own. */
#include "tests/unit/objectstore/kit.h"

static struct reeve_object_id id;

/* Processes 5 and 6 are there. */
static void init(struct kit *kit)
{
    static const char *const folders[] = {"/one"};
    struct reeve_store_settings settings = {.capacity_bytes = 8 * MIB,
        .segment_size_bytes = 8 * MIB,
        .node = OWN_NODE,
        .spill_folders = folders,
        .spill_folder_count = 1,
        .spill_window_bytes = 8 * MIB};
    kit->store = reeve_store_create(&settings);
    kit->now_ns = SECOND;
    reeve_fifo_init(&kit->out, sizeof(struct reeve_store_command));
    id = OBJECT(PROCESS(5), 1);
    client_added(kit, 5);
    client_added(kit, 6);
}

static void stray_freed(struct kit *kit, uint32_t client, uint32_t node)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_FREE,
                  .client = client,
                  .id = id,
                  .node = node,
                  .flags = REEVE_STORE_STRAY});
}

static void give(struct kit *kit, uint32_t client, uint32_t flags, reeve_process_id heir)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_GIVE,
                  .client = client,
                  .request = 7,
                  .id = id,
                  .node = 2,
                  .process = heir,
                  .flags = flags,
                  .call = 1,
                  .attempt = 1});
}

/* As one who knows that it was given away, or that holds it. */
static void get_given(struct kit *kit, uint32_t client, uint32_t request)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_GET,
                  .client = client,
                  .request = request,
                  .id = id,
                  .size = MIB,
                  .node = 2,
                  .flags = REEVE_STORE_GIVEN});
}

/* Which must come, whatever does before it. */
static struct reeve_store_command await(struct kit *kit, enum reeve_store_command_kind kind)
{
    struct reeve_store_command command = {0};
    while (reeve_fifo_pop(&kit->out, &command))
        if (command.kind == kind)
            return command;
    fail_msg("no %s came", reeve_store_command_name(kind));
    return command;
}

/* Process 6 asks for the object on node 2, and a copy comes. */
static void copied(struct kit *kit)
{
    get_given(kit, 6, 1);
    for (uint64_t size = 0; size < MIB;) {
        struct reeve_store_command pull = await(kit, REEVE_STORE_SEND_PULL);
        chunk(kit, &pull, MIB);
        size += pull.length;
    }
    assert_int_equal(await(kit, REEVE_STORE_REPLY_GET).code, 0);
    assert_true(status(kit).copy_bytes >= MIB);
}

static void test_what_a_lost_attempt_left_is_not_given(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit);
    put(&kit, 5, id, MIB);
    give(&kit, 5, 0, FAR(3, 9));
    struct reeve_store_command word = take(&kit, REEVE_STORE_SEND_FREE);
    assert_int_equal(word.word, REEVE_STORE_WORD_GIVE);
    assert_int_equal(word.node, 2);
    nothing_more(&kit);
    stray_freed(&kit, 5, OWN_NODE);
    assert_int_equal(status(&kit).object_count, 0);
    kit_fini(&kit);
}

static void test_where_it_lies_is_told(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit);
    put(&kit, 5, id, MIB); /* not this one */
    stray_freed(&kit, 5, 4);
    struct reeve_store_command word = take(&kit, REEVE_STORE_SEND_FREE);
    assert_int_equal(word.word, REEVE_STORE_WORD_STRAY);
    assert_int_equal(word.node, 4);
    assert_true(reeve_object_id_equal(word.id, id));
    assert_int_equal(status(&kit).object_count, 1);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 3});
    stray_freed(&kit, 5, 3); /* with which it has gone */
    nothing_more(&kit);
    kit_fini(&kit);
}

/* The word of another node: the object that its process made, as one of ours has for node 2. */
static void test_told_by_another_node(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit);
    put(&kit, 5, OBJECT(FAR(3, 9), 1), MIB);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_FREE,
                   .node = 3,
                   .id = OBJECT(FAR(3, 9), 1),
                   .word = 1,
                   .flags = REEVE_STORE_STRAY});
    assert_int_equal(status(&kit).object_count, 0);
    kit_fini(&kit);
}

static void test_only_who_has_called_says_so(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit);
    put(&kit, 5, id, MIB);
    stray_freed(&kit, 6, OWN_NODE);
    stray_freed(&kit, 6, 2);
    nothing_more(&kit);
    assert_int_equal(status(&kit).object_count, 1);
    assert_int_equal(status(&kit).refused_count, 2);
    kit_fini(&kit);
}

/* Those who ask later for the object on node 2 are given it, too, as long as it is there. */
static void test_who_reads_it_goes_on(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit);
    struct reeve_store_command room = put(&kit, 5, id, MIB);
    get(&kit, 6, 1, id, MIB, 2);
    assert_int_equal(await(&kit, REEVE_STORE_REPLY_GET).offset, room.offset);
    stray_freed(&kit, 5, OWN_NODE);
    get(&kit, 6, 2, id, MIB, 2);
    assert_int_equal(await(&kit, REEVE_STORE_REPLY_GET).offset, room.offset);
    unpin(&kit, 6, id);
    assert_int_equal(status(&kit).object_count, 1);
    unpin(&kit, 6, id);
    assert_int_equal(status(&kit).object_count, 0);
    get(&kit, 6, 3, id, MIB, 2);
    assert_int_equal(await(&kit, REEVE_STORE_SEND_PULL).node, 2);
    kit_fini(&kit);
}

static void test_copies_stay(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit);
    get_given(&kit, 6, 1);
    struct reeve_store_command pull = await(&kit, REEVE_STORE_SEND_PULL);
    stray_freed(&kit, 5, OWN_NODE);
    chunk(&kit, &pull, MIB); /* on its way; and then here */
    pull = await(&kit, REEVE_STORE_SEND_PULL);
    chunk(&kit, &pull, MIB);
    assert_int_equal(await(&kit, REEVE_STORE_REPLY_GET).code, 0);
    stray_freed(&kit, 5, OWN_NODE);
    unpin(&kit, 6, id);
    stray_freed(&kit, 5, OWN_NODE);
    assert_int_equal(status(&kit).object_count, 1);
    kit_fini(&kit);
}

/* An attempt that was lost seals it again, late: that is no reason to keep it. */
static void test_a_copy_of_what_was_given_stays_a_copy(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit);
    copied(&kit);
    reeve_fifo_clear(&kit.out);
    put(&kit, 5, id, MIB);
    assert_true(status(&kit).copy_bytes >= MIB);
    stray_freed(&kit, 5, OWN_NODE);
    assert_int_equal(status(&kit).object_count, 1);
    unpin(&kit, 6, id);
    step(&kit,
        (struct reeve_store_event){.kind = REEVE_STORE_PEER_FREE, .node = 2, .id = id, .word = 1});
    assert_int_equal(status(&kit).object_count, 0);
    kit_fini(&kit);
}

/* It has to come from disk for one who waits for the object: who gets that from node 2 then. */
static void test_who_waits_for_it_is_given_the_other(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit);
    put(&kit, 5, id, MIB);
    for (uint64_t i = 2; i <= 20; i++) { /* until it is on disk only */
        struct reeve_store_command command, room = {0};
        create(&kit, 5, 1, MIB);
        for (bool sealed = false; reeve_fifo_pop(&kit.out, &command);) {
            if (command.kind == REEVE_STORE_SPILL_WRITE)
                step(&kit, (struct reeve_store_event){
                               .kind = REEVE_STORE_SPILL_WRITTEN, .request = command.request});
            if (command.kind == REEVE_STORE_REPLY_CREATE)
                room = command;
            if (room.kind != 0 && !sealed)
                seal(&kit, 5, OBJECT(PROCESS(5), i), &room, MIB, 0);
            sealed = room.kind != 0;
        }
    }
    get(&kit, 6, 3, id, MIB, 2);
    struct reeve_store_command read = await(&kit, REEVE_STORE_SPILL_READ);
    assert_true(reeve_object_id_equal(read.id, id));
    stray_freed(&kit, 5, OWN_NODE);
    step(&kit,
        (struct reeve_store_event){.kind = REEVE_STORE_SPILL_READ_DONE, .request = read.request});
    struct reeve_store_command pull = await(&kit, REEVE_STORE_SEND_PULL);
    assert_true(pull.node == 2 && reeve_object_id_equal(pull.id, id));
    kit_fini(&kit);
}

/* What lies here is process 5's; what process 6 has been given, and gives on, is not that. */
static void test_an_heir_may_dispose_beside_it(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit);
    put(&kit, 5, id, MIB);
    give(&kit, 6, REEVE_STORE_GIVEN, FAR(3, 9));
    assert_int_equal(take(&kit, REEVE_STORE_SEND_FREE).word, REEVE_STORE_WORD_GIVE);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_FREE,
                   .client = 6,
                   .id = id,
                   .node = 2,
                   .flags = REEVE_STORE_GIVEN});
    assert_int_equal(take(&kit, REEVE_STORE_SEND_FREE).word, REEVE_STORE_WORD_FREE);
    nothing_more(&kit);
    assert_int_equal(status(&kit).object_count, 1);
    assert_int_equal(status(&kit).refused_count, 0);
    kit_fini(&kit);
}

/* The heir may have given it on: its death says nothing of the copy that its giver's node has. */
static void test_a_copy_does_not_go_with_an_heir(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit);
    copied(&kit);
    give(&kit, 5, 0, FAR(3, 9));
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 3});
    unpin(&kit, 6, id);
    reeve_fifo_clear(&kit.out);
    get_given(&kit, 6, 2);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_lost_attempt_left_is_not_given),
        cmocka_unit_test(test_where_it_lies_is_told),
        cmocka_unit_test(test_told_by_another_node),
        cmocka_unit_test(test_only_who_has_called_says_so),
        cmocka_unit_test(test_who_reads_it_goes_on),
        cmocka_unit_test(test_copies_stay),
        cmocka_unit_test(test_a_copy_of_what_was_given_stays_a_copy),
        cmocka_unit_test(test_who_waits_for_it_is_given_the_other),
        cmocka_unit_test(test_an_heir_may_dispose_beside_it),
        cmocka_unit_test(test_a_copy_does_not_go_with_an_heir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
