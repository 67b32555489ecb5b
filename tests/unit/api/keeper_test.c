/* The order that a keeper gets: what is written is read, and nothing else is. */
#include "api/client/keeper.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const uint8_t args[] = {0x92, 0x01, 0xa1, 0x00}; /* bytes, a NUL among them */
    const struct reeve_keeper_order order = {
        500, UINT32_MAX, 3, 17, "space", "hits", "counter", args, sizeof args};
    struct reeve_keeper_order read;
    size_t size;
    uint8_t *bytes = reeve_keeper_order_pack(&order, &size);
    assert_non_null(bytes);
    assert_true(reeve_keeper_order_read(bytes, size, &read));
    assert_int_equal(read.cpu_milli, 500);
    assert_int_equal(read.restarts_max, UINT32_MAX);
    assert_int_equal(read.concurrency, 3);
    assert_int_equal(read.pending_max, 17);
    assert_string_equal(read.name_space, "space");
    assert_string_equal(read.name, "hits");
    assert_string_equal(read.type, "counter");
    assert_int_equal(read.args_size, sizeof args);
    assert_memory_equal(read.args, args, sizeof args);
    /* cut before the arguments it is none; each cut in a block of its own, for the sanitizers */
    for (size_t cut = 0; cut < size - sizeof args; cut++) {
        uint8_t *part = malloc(cut + 1);
        memcpy(part, bytes, cut);
        assert_false(reeve_keeper_order_read(part, cut, &read));
        free(part);
    }
    free(bytes);
}

static void empty_texts_are_refused(void **state)
{
    (void)state;
    struct reeve_keeper_order read;
    for (int i = 0; i < 3; i++) {
        const struct reeve_keeper_order order = {
            0, 0, 0, 0, i == 0 ? "" : "s", i == 1 ? "" : "n", i == 2 ? "" : "t", NULL, 0};
        size_t size;
        uint8_t *bytes = reeve_keeper_order_pack(&order, &size);
        assert_false(reeve_keeper_order_read(bytes, size, &read));
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(empty_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
