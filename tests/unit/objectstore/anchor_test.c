/* What owners anchor, room that is granted ahead, and how both are asked for again. */
#include <reeve_errors.h>

#include "tests/unit/objectstore/kit.h"

static void let_go(struct kit *kit, uint32_t client, struct reeve_object_id id)
{
    step(kit,
        (struct reeve_store_event){
            .kind = REEVE_STORE_UNPIN, .client = client, .id = id, .flags = REEVE_STORE_ANCHOR});
}

static void give(
    struct kit *kit, uint32_t client, struct reeve_object_id id, uint32_t heir, uint32_t flags)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_GIVE,
                  .client = client,
                  .id = id,
                  .process = PROCESS(heir),
                  .flags = flags});
    assert_int_equal(take(kit, REEVE_STORE_TELL_HEIR).client, heir);
    assert_int_equal(take(kit, REEVE_STORE_REPLY_SEAL).code, 0);
}

static void create_ahead(struct kit *kit, uint32_t client, uint32_t request, uint64_t size)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_CREATE,
                  .client = client,
                  .request = request,
                  .size = size,
                  .flags = REEVE_STORE_AHEAD});
}

static struct reeve_store_command room_of(struct kit *kit)
{
    struct reeve_store_command command, room = {0};
    while (reeve_fifo_pop(&kit->out, &command))
        if (command.kind == REEVE_STORE_REPLY_CREATE)
            room = command;
    return room;
}

/* Sealed without an answer, and anchored. */
static void put_anchored(struct kit *kit, uint32_t client, struct reeve_object_id id, uint64_t size)
{
    create(kit, client, 1, size);
    struct reeve_store_command room = room_of(kit);
    assert_int_equal(room.code, 0);
    seal(kit, client, id, &room, size, REEVE_STORE_ANCHOR | REEVE_STORE_SILENT);
}

static void test_it_is_had_once(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    kit_init(&kit, 16 * MIB, 4 * MIB);
    client_added(&kit, 5);
    put_anchored(&kit, 5, id, 100);
    nothing_more(&kit); /* silent */
    assert_int_equal(status(&kit).pin_count, 1);
    assert_int_equal(status(&kit).anchored_bytes, 128);
    get(&kit, 5, 1, id, 100, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
    assert_int_equal(status(&kit).pin_count, 2); /* a pin is another thing */
    let_go(&kit, 5, id);
    assert_int_equal(status(&kit).pin_count, 1);
    assert_int_equal(status(&kit).anchored_bytes, 0);
    uint64_t refused = status(&kit).refused_count;
    let_go(&kit, 5, id); /* it has been let go of already: the pin stays */
    assert_int_equal(status(&kit).pin_count, 1);
    assert_int_equal(status(&kit).refused_count, refused + 1);
    unpin(&kit, 5, id);
    assert_int_equal(status(&kit).pin_count, 0);
    assert_int_equal(status(&kit).object_count, 1);
    kit_fini(&kit);
}

static void test_it_dies_with_its_owner(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 16 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    for (uint64_t i = 1; i <= 1000; i++)
        put_anchored(&kit, 5, OBJECT(PROCESS(5), i), 1000);
    get(&kit, 6, 1, OBJECT(PROCESS(5), 7), 1000, 0);
    count_of(&kit, 0);
    assert_int_equal(status(&kit).pin_count, 1001);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_CLOSED, .client = 5});
    assert_int_equal(status(&kit).pin_count, 1001); /* it may still read */
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_OWNER_GONE, .process = PROCESS(5)});
    assert_int_equal(status(&kit).pin_count, 1001); /* also when its job is over */
    create(&kit, 6, 2, 1000);                       /* also what is made for it only now */
    struct reeve_store_command room = room_of(&kit);
    seal(&kit, 6, OBJECT(PROCESS(5), 1001), &room, 1000, REEVE_STORE_ANCHOR);
    assert_int_equal(status(&kit).pin_count, 1002);
    client_reaped(&kit, 5);
    assert_int_equal(status(&kit).pin_count, 1); /* the other's */
    assert_int_equal(status(&kit).object_count, 1);
    unpin(&kit, 6, OBJECT(PROCESS(5), 7));
    assert_int_equal(status(&kit).object_count, 0);
    kit_fini(&kit);
}

static void test_what_is_given_away_is_pinned_until_it_is_not_read(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_object_id id = OBJECT(PROCESS(5), 1), other = OBJECT(PROCESS(5), 2);
    kit_init(&kit, 16 * MIB, 4 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    put_anchored(&kit, 5, id, 100);
    put_anchored(&kit, 5, other, 100);
    give(&kit, 5, id, 6, REEVE_STORE_ANCHOR);
    assert_int_equal(status(&kit).anchored_bytes, 128); /* of the other one */
    assert_int_equal(status(&kit).pin_count, 2);
    free_object(&kit, 6, id, 0); /* its new owner needs it no more, but it is still read */
    assert_int_equal(status(&kit).object_count, 2);
    let_go(&kit, 5, id); /* said before it knew that it has become a pin */
    assert_int_equal(status(&kit).object_count, 1);
    give(&kit, 5, other, 6, 0); /* it does not know of it */
    assert_int_equal(status(&kit).pin_count, 0);
    kit_fini(&kit);
}

static void test_owners_are_asked_when_room_is_short(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 8 * MIB, 8 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    put_anchored(&kit, 5, OBJECT(PROCESS(5), 1), 3 * MIB);
    nothing_more(&kit);
    put_anchored(&kit, 5, OBJECT(PROCESS(5), 2), 3 * MIB); /* more than half is anchored now */
    struct reeve_store_command relax = take(&kit, REEVE_STORE_RELAX);
    assert_int_equal(relax.client, 5);
    assert_true(relax.size > 0);
    create(&kit, 6, 1, 4 * MIB); /* it has been asked, and has not answered yet */
    assert_int_equal(count_of(&kit, REEVE_STORE_RELAX), 0);
    let_go(&kit, 5, OBJECT(PROCESS(5), 1)); /* there is still no room: once more */
    relax = take(&kit, REEVE_STORE_RELAX);
    assert_int_equal(relax.client, 5);
    assert_int_equal(relax.size, 4 * MIB);
    free_object(&kit, 5, OBJECT(PROCESS(5), 1), 0);
    assert_int_equal(room_of(&kit).code, 0);
    kit_fini(&kit);
}

static void test_room_ahead_is_given_from_plenty_only(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 8 * MIB, 8 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    create_ahead(&kit, 5, 1, 3 * MIB);
    struct reeve_store_command ahead = room_of(&kit);
    assert_int_equal(ahead.code, 0);
    create_ahead(&kit, 5, 2, 3 * MIB); /* that would be more than half */
    struct reeve_store_command refused = take(&kit, REEVE_STORE_REPLY_CREATE);
    assert_int_equal(refused.code, REEVE_EAGAIN);
    assert_int_equal(refused.request, 2);
    nothing_more(&kit);
    create(&kit, 6, 1, 6 * MIB); /* waits, and who has what he does not need is asked for it */
    assert_int_equal(take(&kit, REEVE_STORE_RELAX).client, 5);
    nothing_more(&kit);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_ABORT,
                   .client = 5,
                   .segment = ahead.segment,
                   .offset = ahead.offset});
    assert_int_equal(room_of(&kit).code, 0);
    kit_fini(&kit);
}

static void test_the_rest_of_a_room_is_room(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 8 * MIB, 8 * MIB);
    client_added(&kit, 5);
    create_ahead(&kit, 5, 1, 1000);
    struct reeve_store_command room = room_of(&kit);
    for (uint64_t i = 1; i <= 3; i++) { /* 320 bytes each, and 40 are left */
        seal(&kit, 5, OBJECT(PROCESS(5), i), &room, 300,
            REEVE_STORE_ANCHOR | REEVE_STORE_KEEP_REST | REEVE_STORE_SILENT);
        room.offset += 320;
    }
    nothing_more(&kit);
    assert_int_equal(status(&kit).object_count, 3);
    assert_int_equal(status(&kit).unsealed_bytes, 64);
    seal(&kit, 5, OBJECT(PROCESS(5), 4), &room, 65, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, REEVE_EINVAL);
    client_reaped(&kit, 5);
    assert_int_equal(status(&kit).unsealed_bytes, 0);
    assert_int_equal(status(&kit).object_count, 0);
    kit_fini(&kit);
}

static void test_a_segment_of_a_number_used_before_has_another_serial(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 4 * MIB);
    client_added(&kit, 5);
    create(&kit, 5, 1, 8 * MIB);
    take(&kit, REEVE_STORE_SEGMENT_CREATE);
    struct reeve_store_command first = take(&kit, REEVE_STORE_SEGMENT_SHOW);
    struct reeve_store_command room = take(&kit, REEVE_STORE_REPLY_CREATE);
    seal(&kit, 5, OBJECT(PROCESS(5), 1), &room, 8 * MIB, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).segment_serial, first.segment_serial);
    free_object(&kit, 5, OBJECT(PROCESS(5), 1), 0);
    pass(&kit, 100 * SECOND); /* it is not kept warm for longer */
    assert_int_equal(count_at_last(&kit, REEVE_STORE_SEGMENT_DROP), 1);
    create(&kit, 5, 2, 8 * MIB);
    take(&kit, REEVE_STORE_SEGMENT_CREATE);
    struct reeve_store_command second = take(&kit, REEVE_STORE_SEGMENT_SHOW);
    assert_int_equal(second.segment, first.segment);
    assert_int_not_equal(second.segment_serial, first.segment_serial);
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_had_once),
        cmocka_unit_test(test_it_dies_with_its_owner),
        cmocka_unit_test(test_what_is_given_away_is_pinned_until_it_is_not_read),
        cmocka_unit_test(test_owners_are_asked_when_room_is_short),
        cmocka_unit_test(test_room_ahead_is_given_from_plenty_only),
        cmocka_unit_test(test_the_rest_of_a_room_is_room),
        cmocka_unit_test(test_a_segment_of_a_number_used_before_has_another_serial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
