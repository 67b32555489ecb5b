/* Pages given back: a little at once, much in slices in the background; that memory counts until it
 * is gone, that nobody is given what is on its way, and that who waits for it is served then. */
#include "tests/unit/objectstore/kit.h"

#define SLICE_MAX (8 * MIB)

/* Does what is asked for, until nothing more is; gives the bytes. */
static uint64_t return_all(struct kit *kit)
{
    uint64_t bytes = 0;
    struct reeve_store_command command;
    while (reeve_fifo_pop(&kit->out, &command)) {
        if (command.kind != REEVE_STORE_SEGMENT_RETURN)
            continue;
        assert_in_range(command.length, 1, SLICE_MAX);
        bytes += command.length;
        returned(kit, &command, REEVE_OK);
    }
    return bytes;
}

static void test_a_large_segment_goes_in_slices(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 256 * MIB, 16 * MIB);
    client_added(&kit, 5);
    struct reeve_store_command room = put(&kit, 5, OBJECT(PROCESS(5), 1), 100 * MIB);
    free_object(&kit, 5, OBJECT(PROCESS(5), 1), 0);
    nothing_more(&kit); /* kept warm */
    pass(&kit, reeve_store_deadline(kit.store) - kit.now_ns);
    uint64_t bytes = 0;
    while (bytes < 100 * MIB) {
        assert_int_equal(status(&kit).committed_bytes, 100 * MIB - bytes);
        assert_int_equal(status(&kit).used_bytes, 0);
        struct reeve_store_command slice = take(&kit, REEVE_STORE_SEGMENT_RETURN);
        nothing_more(&kit); /* one batch at a time */
        assert_int_equal(slice.segment, room.segment);
        assert_in_range(slice.length, 1, SLICE_MAX);
        bytes += slice.length;
        returned(&kit, &slice, REEVE_OK);
    }
    take(&kit, REEVE_STORE_SEGMENT_HIDE);
    assert_int_equal(take(&kit, REEVE_STORE_SEGMENT_DROP).segment, room.segment);
    nothing_more(&kit);
    assert_int_equal(status(&kit).committed_bytes, 0);
    assert_int_equal(status(&kit).segment_count, 0);
    kit_fini(&kit);
}

static void test_who_waits_is_served_when_pages_have_gone(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 128 * MIB, 16 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    put(&kit, 5, OBJECT(PROCESS(5), 1), 60 * MIB);
    put(&kit, 5, OBJECT(PROCESS(5), 2), 60 * MIB);
    free_object(&kit, 5, OBJECT(PROCESS(5), 1), 0);
    create(&kit, 6, 7, 40 * MIB);
    struct reeve_store_command slice = take(&kit, REEVE_STORE_SEGMENT_RETURN);
    nothing_more(&kit);
    pass(&kit, SECOND); /* it waits, and is not refused: memory is on its way */
    nothing_more(&kit);
    uint64_t bytes = 0;
    while (bytes < 32 * MIB) { /* 8 MiB of the store were free */
        bytes += slice.length;
        returned(&kit, &slice, REEVE_OK);
        if (bytes < 32 * MIB)
            slice = take(&kit, REEVE_STORE_SEGMENT_RETURN);
    }
    struct reeve_store_command command;
    bool answered = false;
    while (reeve_fifo_pop(&kit.out, &command)) {
        if (command.kind == REEVE_STORE_REPLY_CREATE) {
            assert_int_equal(command.code, REEVE_OK);
            assert_int_equal(command.request, 7);
            answered = true;
        } else if (command.kind == REEVE_STORE_SEGMENT_RETURN) {
            returned(&kit, &command, REEVE_OK);
        }
    }
    assert_true(answered);
    assert_int_equal(status(&kit).committed_bytes, 100 * MIB);
    assert_int_equal(status(&kit).used_bytes, 100 * MIB);
    kit_fini(&kit);
}

static void test_the_writer_dies_meanwhile(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    for (uint64_t i = 0; i < 60; i++)
        put(&kit, 5, OBJECT(PROCESS(5), i), MIB);
    for (uint64_t i = 10; i < 50; i++)
        free_object(&kit, 5, OBJECT(PROCESS(5), i), 0);
    create(&kit, 6, 1, 20 * MIB); /* takes the free pages inside the first one's segment */
    struct reeve_store_command slice = take(&kit, REEVE_STORE_SEGMENT_RETURN);
    client_reaped(&kit, 5);
    assert_true(status(&kit).committed_bytes <= 64 * MIB);
    returned(&kit, &slice, REEVE_ESYSTEM); /* it could not be: the pages are still there */
    returned(&kit, &slice, REEVE_OK);
    assert_int_equal(status(&kit).stale_count, 1);
    return_all(&kit);
    assert_int_equal(status(&kit).queue_count, 0);
    assert_int_equal(status(&kit).used_bytes, 20 * MIB);
    client_reaped(&kit, 6);
    return_all(&kit);
    while (reeve_store_deadline(kit.store) != UINT64_MAX) {
        pass(&kit, reeve_store_deadline(kit.store) - kit.now_ns);
        return_all(&kit);
    }
    assert_int_equal(status(&kit).committed_bytes, 0);
    kit_fini(&kit);
}

/* A store that ends while slices are under way. */
static void test_the_store_ends_meanwhile(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 256 * MIB, 16 * MIB);
    client_added(&kit, 5);
    put(&kit, 5, OBJECT(PROCESS(5), 1), 100 * MIB);
    put(&kit, 5, OBJECT(PROCESS(5), 2), 10 * MIB);
    free_object(&kit, 5, OBJECT(PROCESS(5), 1), 0);
    pass(&kit, reeve_store_deadline(kit.store) - kit.now_ns);
    assert_int_equal(count_of(&kit, REEVE_STORE_SEGMENT_RETURN), 1);
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_large_segment_goes_in_slices),
        cmocka_unit_test(test_who_waits_is_served_when_pages_have_gone),
        cmocka_unit_test(test_the_writer_dies_meanwhile),
        cmocka_unit_test(test_the_store_ends_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
