/* The store core, scenario by scenario. */
#include "tests/unit/objectstore/kit.h"

#include "runtime/base/macros.h"

static void test_create_seal_get(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 16 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    create(&kit, 5, 77, 1000);
    struct reeve_store_command made = take(&kit, REEVE_STORE_SEGMENT_CREATE);
    assert_int_equal(made.size, 4 * MIB);
    struct reeve_store_command show = take(&kit, REEVE_STORE_SEGMENT_SHOW);
    assert_int_equal(show.client, 5);
    assert_int_equal(show.segment, made.segment);
    assert_true(show.writable);
    struct reeve_store_command room = take(&kit, REEVE_STORE_REPLY_CREATE);
    assert_int_equal(room.client, 5);
    assert_int_equal(room.request, 77);
    assert_int_equal(room.code, 0);
    assert_int_equal(room.offset % 64, 0);
    nothing_more(&kit);

    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    get(&kit, 6, 1, id, 1000, OWN_NODE); /* not sealed: not there */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_ELOST);
    seal(&kit, 5, id, &room, 1000, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    get(&kit, 6, 2, id, 0, 0);
    show = take(&kit, REEVE_STORE_SEGMENT_SHOW);
    assert_int_equal(show.client, 6);
    assert_false(show.writable);
    struct reeve_store_command got = take(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(got.code, 0);
    assert_int_equal(got.offset, room.offset);
    assert_int_equal(got.size, 1000);
    get(&kit, 6, 3, id, 0, 0); /* shown already */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
    nothing_more(&kit);
    assert_int_equal(status(&kit).pin_count, 2);

    free_object(&kit, 6, id, 0); /* not its owner */
    assert_int_equal(status(&kit).refused_count, 1);
    free_object(&kit, 5, id, 0);
    assert_int_equal(status(&kit).object_count, 1); /* two pins hold it */
    get(&kit, 5, 4, id, 0, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_ELOST);
    unpin(&kit, 6, id);
    assert_int_equal(status(&kit).object_count, 1);
    unpin(&kit, 6, id);
    assert_int_equal(status(&kit).object_count, 0);
    unpin(&kit, 6, id); /* one too many */
    assert_int_equal(status(&kit).refused_count, 2);
    assert_int_equal(status(&kit).used_bytes, 0);
    nothing_more(&kit);

    assert_true(reeve_store_deadline(kit.store) != UINT64_MAX);
    pass(&kit, 31 * SECOND); /* an empty segment is kept warm, but not for ever */
    assert_int_equal(take(&kit, REEVE_STORE_SEGMENT_HIDE).client, 5);
    assert_int_equal(take(&kit, REEVE_STORE_SEGMENT_HIDE).client, 6);
    take(&kit, REEVE_STORE_SEGMENT_DROP);
    nothing_more(&kit);
    assert_int_equal(status(&kit).committed_bytes, 0);
    assert_true(reeve_store_deadline(kit.store) == UINT64_MAX);
    kit_fini(&kit);
}

static void test_skew_aligns_what_follows(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 16 * MIB, 4 * MIB);
    client_added(&kit, 5);
    for (uint32_t skew = 0; skew < 130; skew++) {
        step(&kit, (struct reeve_store_event){
                       .kind = REEVE_STORE_CREATE, .client = 5, .size = 200, .skew = skew});
        struct reeve_store_command command, room = {0};
        while (reeve_fifo_pop(&kit.out, &command))
            room = command;
        assert_int_equal(room.kind, REEVE_STORE_REPLY_CREATE);
        assert_int_equal((room.offset + skew) % 64, 0);
        seal(&kit, 5, OBJECT(PROCESS(5), skew), &room, 200, 0);
        assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    }
    kit_fini(&kit);
}

static void test_one_extent_for_many_objects(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 16 * MIB, 4 * MIB);
    client_added(&kit, 5);
    create(&kit, 5, 1, 10000);
    struct reeve_store_command command, room = {0};
    while (reeve_fifo_pop(&kit.out, &command))
        room = command;
    for (uint64_t i = 0; i < 50; i++) {
        seal(&kit, 5, OBJECT(PROCESS(5), i), &room, 100, REEVE_STORE_KEEP_REST);
        assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
        room.offset += 128;
    }
    assert_int_equal(status(&kit).object_count, 50);
    seal(&kit, 5, OBJECT(PROCESS(5), 50), &room, 100, 0); /* the rest goes back */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    assert_int_equal(status(&kit).unsealed_bytes, 0);
    assert_int_equal(status(&kit).used_bytes, 51 * 128);
    seal(&kit, 5, OBJECT(PROCESS(5), 60), &room, 100, 0); /* not granted any more */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, REEVE_EINVAL);
    kit_fini(&kit);
}

static void test_seal_is_checked_and_idempotent(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 16 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    create(&kit, 5, 1, 100);
    take(&kit, REEVE_STORE_SEGMENT_CREATE);
    take(&kit, REEVE_STORE_SEGMENT_SHOW);
    struct reeve_store_command room = take(&kit, REEVE_STORE_REPLY_CREATE);
    seal(&kit, 6, id, &room, 100, 0); /* somebody else's place */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, REEVE_EINVAL);
    seal(&kit, 5, id, &room, 129, 0); /* more than was given */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, REEVE_EINVAL);
    seal(&kit, 5, id, &room, 100, REEVE_STORE_PIN);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    seal(&kit, 5, id, &room, 100, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    create(&kit, 6, 1, 100); /* a second attempt of the same task, by another worker */
    struct reeve_store_command command, again = {0};
    while (reeve_fifo_pop(&kit.out, &command))
        again = command;
    seal(&kit, 6, id, &again, 100, REEVE_STORE_ANCHOR);
    struct reeve_store_command sealed = take(&kit, REEVE_STORE_REPLY_SEAL);
    assert_int_equal(sealed.segment, room.segment); /* where the first one lies */
    assert_int_equal(sealed.offset, room.offset);
    assert_false(sealed.anchored);
    assert_int_equal(status(&kit).object_count, 1);
    assert_int_equal(status(&kit).pin_count, 1); /* the creator's of the first */
    assert_int_equal(status(&kit).used_bytes, 128);
    nothing_more(&kit);
    kit_fini(&kit);
}

/* Of the place that was given, what lies before the object is no room for it. */
static void test_a_seal_ends_with_its_place(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 16 * MIB, 4 * MIB);
    client_added(&kit, 5);
    step(&kit, (struct reeve_store_event){
                   .kind = REEVE_STORE_CREATE, .client = 5, .size = 100, .skew = 3});
    struct reeve_store_command room = {0};
    while (room.kind != REEVE_STORE_REPLY_CREATE)
        assert_true(reeve_fifo_pop(&kit.out, &room));
    uint64_t pad = room.offset % 64, end = 192; /* of the pad and 100 bytes, in whole 64 */
    assert_int_equal(pad, 61);
    seal(&kit, 5, OBJECT(PROCESS(5), 1), &room, end - pad + 1, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, REEVE_EINVAL);
    seal(&kit, 5, OBJECT(PROCESS(5), 1), &room, end - pad, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    kit_fini(&kit);
}

static void test_a_result_is_anchored_for_its_owner(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 16 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    create(&kit, 5, 1, 100);
    take(&kit, REEVE_STORE_SEGMENT_CREATE);
    take(&kit, REEVE_STORE_SEGMENT_SHOW);
    struct reeve_store_command room = take(&kit, REEVE_STORE_REPLY_CREATE);
    seal(&kit, 5, OBJECT(PROCESS(6), 1), &room, 100, REEVE_STORE_ANCHOR);
    assert_int_equal(take(&kit, REEVE_STORE_SEGMENT_SHOW).client, 6);
    assert_true(take(&kit, REEVE_STORE_REPLY_SEAL).anchored);
    client_reaped(&kit, 5); /* the worker that made it has gone: the result stays */
    assert_int_equal(status(&kit).pin_count, 1);
    free_object(&kit, 6, OBJECT(PROCESS(6), 1), 0); /* the anchor goes with it */
    assert_int_equal(status(&kit).object_count, 0);
    assert_int_equal(status(&kit).pin_count, 0);
    kit_fini(&kit);
}

static void test_a_dead_client_keeps_its_extents_until_it_is_reaped(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 4 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    put(&kit, 6, OBJECT(PROCESS(6), 1), 1000);
    create(&kit, 5, 1, 3 * MIB);
    count_of(&kit, 0);
    create(&kit, 6, 1, 3 * MIB); /* waits */
    nothing_more(&kit);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_CLOSED, .client = 5});
    pass(&kit, 5 * SECOND); /* it could still write */
    nothing_more(&kit);
    get(&kit, 5, 2, OBJECT(PROCESS(6), 1), 0, 0); /* it hears no answers */
    step(&kit, (struct reeve_store_event){
                   .kind = REEVE_STORE_HOLD, .client = 5, .id = OBJECT(PROCESS(6), 1)});
    nothing_more(&kit);
    assert_int_equal(status(&kit).pin_count, 0);
    assert_int_equal(status(&kit).hold_count, 0);
    client_reaped(&kit, 5);
    assert_int_equal(count_of(&kit, REEVE_STORE_REPLY_CREATE), 1);
    assert_int_equal(status(&kit).unsealed_bytes, 3 * MIB);
    kit_fini(&kit);
}

static void test_owner_gone(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 16 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    for (uint64_t i = 0; i < 2000; i++)
        put(&kit, 5, OBJECT(PROCESS(6), i), 100);
    put(&kit, 5, OBJECT(FAR(9, 1), 1), 100);
    put(&kit, 5, OBJECT(FAR(9, 2), 1), 100);
    put(&kit, 5, OBJECT(FAR(8, 1), 1), 100);
    get(&kit, 5, 1, OBJECT(PROCESS(6), 1500), 0, 0);
    get(&kit, 5, 2, OBJECT(PROCESS(6), 3), 0, 0);
    count_of(&kit, 0);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_REAPED, .client = 6});
    assert_true(status(&kit).object_count > 1000); /* in slices */
    while (reeve_store_run_some(kit.store, kit.now_ns, &kit.out))
        assert_null(reeve_store_check(kit.store));
    assert_int_equal(status(&kit).object_count, 5); /* two are being read */
    get(&kit, 5, 3, OBJECT(PROCESS(6), 3), 0, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_EOWNERDIED);
    unpin(&kit, 5, OBJECT(PROCESS(6), 1500));
    unpin(&kit, 5, OBJECT(PROCESS(6), 3));
    assert_int_equal(status(&kit).object_count, 3);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_OWNER_GONE, .process = FAR(9, 1)});
    assert_int_equal(status(&kit).object_count, 2);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 9});
    assert_int_equal(status(&kit).object_count, 1);
    create(&kit, 5, 4, 100);
    struct reeve_store_command room = take(&kit, REEVE_STORE_REPLY_CREATE);
    seal(&kit, 5, OBJECT(FAR(9, 7), 1), &room, 100, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, REEVE_EOWNERDIED);
    nothing_more(&kit);
    kit_fini(&kit);
}

/* It had been taken for dead, and comes back under another number: it had given up all others, but
 * they live. */
static void test_who_was_given_up_knows_the_living_again(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 16 * MIB, 4 * MIB);
    client_added(&kit, 5);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_REAPED, .client = 5});
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 9});
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_NODE, .node = 12});
    client_added(&kit, 6);
    put(&kit, 6, OBJECT(FAR(9, 7), 1), 100);
    assert_int_equal(status(&kit).object_count, 1);
    kit_fini(&kit);
}

#define CALL 1234u

static void give(struct kit *kit, uint32_t client, struct reeve_object_id id, uint32_t node,
    reeve_process_id heir)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_GIVE,
                  .client = client,
                  .id = id,
                  .node = node,
                  .process = heir,
                  .call = CALL,
                  .attempt = 2});
}

static void test_given_objects_outlive_who_made_them(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    struct reeve_object_id here = OBJECT(PROCESS(5), 1), other = OBJECT(PROCESS(5), 2);
    struct reeve_object_id elsewhere = OBJECT(PROCESS(5), 3);
    put(&kit, 5, here, 1000);
    put(&kit, 5, other, 1000);
    give(&kit, 6, here, OWN_NODE, PROCESS(6)); /* it is not 6's to give */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, REEVE_EINVAL);
    give(&kit, 5, here, OWN_NODE, PROCESS(6));
    struct reeve_store_command told = take(&kit, REEVE_STORE_TELL_HEIR);
    assert_true(told.client == 6 && told.token == 0 && reeve_object_id_equal(told.id, here) &&
                told.node == OWN_NODE && told.call == CALL && told.attempt == 2);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    give(&kit, 5, elsewhere, 2, PROCESS(6));
    struct reeve_store_command sent = take(&kit, REEVE_STORE_SEND_FREE);
    assert_true(sent.word == REEVE_STORE_WORD_GIVE && sent.node == 2);
    assert_true(sent.process == PROCESS(6) && reeve_object_id_equal(sent.id, elsewhere));
    assert_true(sent.call == CALL && sent.attempt == 2);
    nothing_more(&kit); /* it is answered when that node knows */
    heard(&kit, 2, sent.number);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    free_object(&kit, 5, here, 0); /* nor 5's any more */
    /* given on by who was given it, where only the node that has it knows */
    struct reeve_object_id further = OBJECT(FAR(3, 1), 1);
    give(&kit, 6, further, 2, PROCESS(5));
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, REEVE_EINVAL);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_GIVE,
                   .client = 6,
                   .id = further,
                   .node = 2,
                   .process = PROCESS(5),
                   .flags = REEVE_STORE_GIVEN});
    sent = take(&kit, REEVE_STORE_SEND_FREE);
    assert_int_equal(sent.node, 2);
    heard(&kit, 2, sent.number);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    assert_int_equal(status(&kit).object_count, 2);
    client_reaped(&kit, 5);
    assert_int_equal(take(&kit, REEVE_STORE_SEND_FREE).id.sequence, REEVE_STORE_ALL);
    assert_int_equal(status(&kit).object_count, 1);
    get(&kit, 6, 1, here, 1000, OWN_NODE);
    take(&kit, REEVE_STORE_SEGMENT_SHOW);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
    unpin(&kit, 6, here);
    /* that its maker is gone says nothing of one that was given away */
    get(&kit, 6, 2, elsewhere, 1000, 2);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, REEVE_EOWNERDIED);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_GET,
                   .client = 6,
                   .request = 3,
                   .id = elsewhere,
                   .size = 1000,
                   .node = 2,
                   .flags = REEVE_STORE_GIVEN});
    struct reeve_store_command pull = take(&kit, REEVE_STORE_SEGMENT_CREATE);
    pull = take(&kit, REEVE_STORE_SEND_PULL);
    assert_int_equal(pull.node, 2);
    chunk(&kit, &pull, 1000);
    take(&kit, REEVE_STORE_SEGMENT_SHOW);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
    unpin(&kit, 6, elsewhere);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_FREE,
                   .client = 6,
                   .id = elsewhere,
                   .node = 2,
                   .flags = REEVE_STORE_GIVEN});
    assert_int_equal(take(&kit, REEVE_STORE_SEND_FREE).node, 2);
    assert_int_equal(status(&kit).object_count, 1);
    client_reaped(&kit, 6);
    assert_int_equal(take(&kit, REEVE_STORE_SEND_FREE).id.sequence, REEVE_STORE_ALL);
    assert_int_equal(status(&kit).object_count, 0);
    /* from another node; to somebody who is gone by now: there is nobody to keep it for */
    client_added(&kit, 7);
    put(&kit, 7, OBJECT(PROCESS(7), 1), 1000);
    put(&kit, 7, OBJECT(PROCESS(7), 2), 1000);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_GIVE,
                   .node = 2,
                   .id = OBJECT(PROCESS(7), 1),
                   .process = FAR(2, 1),
                   .call = CALL,
                   .attempt = 1,
                   .word = 1});
    sent = take(&kit, REEVE_STORE_SEND_FREE);
    assert_true(sent.word == REEVE_STORE_WORD_GIVEN && sent.node == 2 && sent.token == 0);
    assert_true(sent.call == CALL && sent.attempt == 1 && sent.process == FAR(2, 1));
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_OWNER_GONE, .process = FAR(2, 1)});
    assert_int_equal(status(&kit).object_count, 1);
    give(&kit, 7, OBJECT(PROCESS(7), 2), OWN_NODE, PROCESS(6));
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    assert_int_equal(status(&kit).object_count, 0);
    /* to a process of a node that may know nothing of us: that tells it, and us when it dies */
    for (uint64_t i = 3; i <= 4; i++) {
        put(&kit, 7, OBJECT(PROCESS(7), i), 1000);
        give(&kit, 7, OBJECT(PROCESS(7), i), OWN_NODE, FAR(3, 4));
        sent = take(&kit, REEVE_STORE_SEND_FREE);
        assert_true(sent.word == REEVE_STORE_WORD_GIVEN && sent.node == 3 &&
                    sent.process == FAR(3, 4) && sent.id.sequence == i);
        assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    }
    step(&kit,
        (struct reeve_store_event){
            .kind = REEVE_STORE_PEER_FREE, .node = 3, .id = OBJECT(FAR(3, 4), REEVE_STORE_ALL)});
    assert_int_equal(status(&kit).object_count, 0);
    nothing_more(&kit);
    kit_fini(&kit);
}

/* The copy of what was given away serves for a minute after its node has died, and whoever reads it
 * then is not disturbed. */
static void test_copies_of_a_dead_node_go(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_object_id id = OBJECT(FAR(3, 1), 1);
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 6);
    for (int i = 0; i < 2; i++) {
        step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_GET,
                       .client = 6,
                       .request = 3,
                       .id = id,
                       .size = 1000,
                       .node = 2,
                       .flags = REEVE_STORE_GIVEN});
        if (i == 0) {
            take(&kit, REEVE_STORE_SEGMENT_CREATE);
            struct reeve_store_command pull = take(&kit, REEVE_STORE_SEND_PULL);
            chunk(&kit, &pull, 1000);
            take(&kit, REEVE_STORE_SEGMENT_SHOW);
        }
        assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
        step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 2});
    }
    unpin(&kit, 6, id);
    pass(&kit, 59 * SECOND);
    assert_int_equal(status(&kit).object_count, 1);
    pass(&kit, SECOND);
    assert_int_equal(status(&kit).object_count, 1); /* it is being read */
    unpin(&kit, 6, id);
    assert_int_equal(status(&kit).object_count, 0);
    kit_fini(&kit);
}

/* It was fetched by its owner's name, and is read by one who holds it, or to whom it was given,
 * when its node has died: it serves for a minute, too, and then goes, though its maker lives. */
static void test_copies_that_a_dead_node_leaves_behind_go(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_object_id id = OBJECT(FAR(3, 1), 1);
    struct reeve_store_event event = {
        .kind = REEVE_STORE_GET, .client = 6, .request = 3, .id = id, .size = 1000, .node = 2};
    for (int given = 0; given < 2; given++) {
        kit_init(&kit, 64 * MIB, 64 * MIB);
        client_added(&kit, 6);
        event.flags = 0;
        step(&kit, event);
        take(&kit, REEVE_STORE_SEGMENT_CREATE);
        struct reeve_store_command pull = take(&kit, REEVE_STORE_SEND_PULL);
        chunk(&kit, &pull, 1000);
        take(&kit, REEVE_STORE_SEGMENT_SHOW);
        assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
        unpin(&kit, 6, id);
        step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 2});
        event.flags = given ? REEVE_STORE_GIVEN : REEVE_STORE_HELD;
        step(&kit, event);
        assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
        unpin(&kit, 6, id);
        pass(&kit, 59 * SECOND);
        assert_int_equal(status(&kit).object_count, 1);
        pass(&kit, SECOND);
        assert_int_equal(status(&kit).object_count, 0);
        nothing_more(&kit);
        kit_fini(&kit);
    }
}

static void test_full_store_fails_when_nothing_can_move(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 4 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    create(&kit, 5, 1, 4 * MIB + 1);
    struct reeve_store_command reply = take(&kit, REEVE_STORE_REPLY_CREATE);
    assert_int_equal(reply.code, REEVE_ETOOLARGE);
    for (uint64_t i = 0; i < 4; i++)
        put(&kit, 5, OBJECT(PROCESS(5), i), MIB - 64 * KIB);
    create(&kit, 6, 2, MIB); /* process 5 may free something: waits */
    nothing_more(&kit);
    pass(&kit, 10 * SECOND);
    nothing_more(&kit);
    create(&kit, 5, 3, MIB); /* now all wait */
    pass(&kit, 50 * MILLISECOND);
    nothing_more(&kit);
    while (reeve_fifo_peek(&kit.out) == NULL) {
        uint64_t deadline = reeve_store_deadline(kit.store);
        assert_true(deadline <= kit.now_ns + 100 * MILLISECOND);
        pass(&kit, deadline - kit.now_ns);
    }
    reply = take(&kit, REEVE_STORE_REPLY_CREATE);
    assert_int_equal(reply.client, 6); /* in order */
    assert_int_equal(reply.code, REEVE_EFULL);
    assert_non_null(strstr(reply.text, "process 1.5 owns 3.8 MiB in 4 objects"));
    free_object(&kit, 5, OBJECT(PROCESS(5), 2), 0); /* another thread of it */
    free_object(&kit, 5, OBJECT(PROCESS(5), 3), 0);
    assert_int_equal(count_of(&kit, REEVE_STORE_REPLY_CREATE), 1);
    assert_true(reeve_store_deadline(kit.store) > kit.now_ns + SECOND);
    kit_fini(&kit);
}

/* The error names three of four owners, those who have most first. */
static void test_a_full_store_names_the_largest_owners(void **state)
{
    (void)state;
    static const uint64_t halves[] = {2, 6, 4, 1}; /* of a MiB, of the clients from 5 on */
    struct kit kit;
    kit_init(&kit, 8 * MIB, 8 * MIB);
    for (uint32_t i = 0; i < REEVE_ARRAY_COUNT(halves); i++)
        client_added(&kit, 5 + i);
    for (uint32_t i = 0; i < REEVE_ARRAY_COUNT(halves); i++)
        put(&kit, 5 + i, OBJECT(PROCESS(5 + i), 1), halves[i] * MIB / 2);
    for (uint32_t i = 0; i < REEVE_ARRAY_COUNT(halves); i++)
        create(&kit, 5 + i, 2, 7 * MIB);
    while (reeve_fifo_peek(&kit.out) == NULL)
        pass(&kit, reeve_store_deadline(kit.store) - kit.now_ns);
    struct reeve_store_command reply = take(&kit, REEVE_STORE_REPLY_CREATE);
    assert_int_equal(reply.code, REEVE_EFULL);
    assert_non_null(strstr(reply.text,
        ": process 1.6 owns 3.0 MiB in 1 objects, process 1.7 owns 2.0 MiB in 1 objects, "
        "process 1.5 owns 1.0 MiB in 1 objects"));
    assert_null(strstr(reply.text, "process 1.8"));
    kit_fini(&kit);
}

static void test_waits_in_order_and_never_for_ever(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 4 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    put(&kit, 5, OBJECT(PROCESS(5), 1), 3 * MIB);
    create(&kit, 6, 1, 2 * MIB);
    create(&kit, 6, 2, 1000); /* would fit, but is not first */
    nothing_more(&kit);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_CANCEL, .client = 6, .request = 1});
    assert_int_equal(count_of(&kit, REEVE_STORE_REPLY_CREATE), 1);
    create(&kit, 6, 3, 2 * MIB);
    while (status(&kit).queue_count > 0) {
        uint64_t deadline = reeve_store_deadline(kit.store);
        assert_true(deadline > kit.now_ns);
        pass(&kit, deadline - kit.now_ns);
        assert_true(kit.now_ns < 40 * SECOND);
    }
    struct reeve_store_command reply = take(&kit, REEVE_STORE_REPLY_CREATE);
    assert_int_equal(reply.code, REEVE_EFULL);
    assert_true(kit.now_ns >= 31 * SECOND);
    kit_fini(&kit);
}

/* Memory moves between writers: what one has freed and keeps warm is given back when another needs
 * it. */
static void test_free_pages_are_given_back_under_pressure(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 8 * MIB, 64 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    for (uint64_t i = 0; i < 8; i++)
        put(&kit, 5, OBJECT(PROCESS(5), i), 900 * KIB);
    for (uint64_t i = 0; i < 8; i += 2)
        free_object(&kit, 5, OBJECT(PROCESS(5), i), 0);
    nothing_more(&kit);
    assert_true(status(&kit).committed_bytes > 7 * MIB);
    create(&kit, 6, 1, 3 * MIB);
    struct reeve_store_command punch = take(&kit, REEVE_STORE_SEGMENT_PUNCH);
    assert_true(punch.length > 0 && punch.length % REEVE_STORE_GRAIN == 0);
    assert_int_equal(count_of(&kit, REEVE_STORE_REPLY_CREATE), 1);
    assert_true(status(&kit).committed_bytes <= 8 * MIB);
    kit_fini(&kit);
}

static void test_growth_is_limited_by_the_memory_of_the_machine(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_MEMORY, .size = 5 * MIB});
    put(&kit, 5, OBJECT(PROCESS(5), 1), 4 * MIB);
    create(&kit, 5, 1, 4 * MIB);
    nothing_more(&kit);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_MEMORY, .size = 5 * MIB});
    assert_int_equal(count_of(&kit, REEVE_STORE_REPLY_CREATE), 1);
    kit_fini(&kit);
}

static void test_large_objects_reuse_their_segments(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 4 * MIB);
    client_added(&kit, 5);
    struct reeve_store_command first = put(&kit, 5, OBJECT(PROCESS(5), 1), 10 * MIB);
    free_object(&kit, 5, OBJECT(PROCESS(5), 1), 0);
    uint64_t committed = status(&kit).committed_bytes;
    struct reeve_store_command second = put(&kit, 5, OBJECT(PROCESS(5), 2), 9 * MIB);
    assert_int_equal(first.segment, second.segment);
    assert_true(status(&kit).committed_bytes < committed); /* the tail went back */
    struct reeve_store_command third = put(&kit, 5, OBJECT(PROCESS(5), 3), 10 * MIB);
    assert_int_not_equal(third.segment, first.segment);
    assert_int_equal(status(&kit).committed_bytes, 19 * MIB);
    kit_fini(&kit);
}

static void test_segments_of_the_dead_are_used_again(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    struct reeve_store_command first = put(&kit, 5, OBJECT(PROCESS(6), 1), 1000);
    client_reaped(&kit, 5);
    client_added(&kit, 7);
    struct reeve_store_command second = put(&kit, 7, OBJECT(PROCESS(6), 2), 1000);
    assert_int_not_equal(first.segment, second.segment); /* the first still has somebody's object */
    free_object(&kit, 6, OBJECT(PROCESS(6), 1), 0);
    client_added(&kit, 8);
    struct reeve_store_command third = put(&kit, 8, OBJECT(PROCESS(6), 3), 1000);
    assert_int_equal(third.segment, first.segment);
    kit_fini(&kit);
}

/* The next writer may know it as a reader, and maps it anew. */
static void test_a_reader_becomes_the_writer(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    struct reeve_store_command first = put(&kit, 5, OBJECT(PROCESS(6), 1), 1000);
    get(&kit, 6, 1, OBJECT(PROCESS(6), 1), 0, 0);
    assert_false(take(&kit, REEVE_STORE_SEGMENT_SHOW).writable);
    take(&kit, REEVE_STORE_REPLY_GET);
    unpin(&kit, 6, OBJECT(PROCESS(6), 1));
    client_reaped(&kit, 5);
    free_object(&kit, 6, OBJECT(PROCESS(6), 1), 0);
    nothing_more(&kit);
    create(&kit, 6, 2, 1000);
    assert_int_equal(take(&kit, REEVE_STORE_SEGMENT_HIDE).segment, first.segment);
    struct reeve_store_command show = take(&kit, REEVE_STORE_SEGMENT_SHOW);
    assert_int_equal(show.segment, first.segment);
    assert_true(show.writable);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_CREATE).segment, first.segment);
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_seal_get),
        cmocka_unit_test(test_skew_aligns_what_follows),
        cmocka_unit_test(test_one_extent_for_many_objects),
        cmocka_unit_test(test_seal_is_checked_and_idempotent),
        cmocka_unit_test(test_a_seal_ends_with_its_place),
        cmocka_unit_test(test_a_result_is_anchored_for_its_owner),
        cmocka_unit_test(test_a_dead_client_keeps_its_extents_until_it_is_reaped),
        cmocka_unit_test(test_owner_gone),
        cmocka_unit_test(test_given_objects_outlive_who_made_them),
        cmocka_unit_test(test_who_was_given_up_knows_the_living_again),
        cmocka_unit_test(test_copies_of_a_dead_node_go),
        cmocka_unit_test(test_copies_that_a_dead_node_leaves_behind_go),
        cmocka_unit_test(test_full_store_fails_when_nothing_can_move),
        cmocka_unit_test(test_a_full_store_names_the_largest_owners),
        cmocka_unit_test(test_waits_in_order_and_never_for_ever),
        cmocka_unit_test(test_free_pages_are_given_back_under_pressure),
        cmocka_unit_test(test_growth_is_limited_by_the_memory_of_the_machine),
        cmocka_unit_test(test_large_objects_reuse_their_segments),
        cmocka_unit_test(test_segments_of_the_dead_are_used_again),
        cmocka_unit_test(test_a_reader_becomes_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
