/* The queue of fixed-size items: order over growth and wrapping, access by index, reserve. */
#include "tests/unit/test.h"

#include "runtime/base/errors.h"
#include "runtime/base/fifo.h"
#include "runtime/base/prng.h"

struct item {
    uint64_t number;
    char padding[12];
};

static void test_order(void **state)
{
    (void)state;
    struct reeve_prng prng;
    struct reeve_fifo fifo;
    uint64_t in = 0, out = 0;
    reeve_prng_init(&prng, 3);
    reeve_fifo_init(&fifo, sizeof(struct item));
    assert_null(reeve_fifo_peek(&fifo));
    assert_false(reeve_fifo_pop(&fifo, NULL));
    for (int step = 0; step < 100000; step++) {
        if (reeve_prng_chance(&prng, step < 50000 ? 51 : 48, 100)) {
            struct item *item = reeve_fifo_push(&fifo);
            assert_non_null(item);
            assert_int_equal(item->number, 0); /* zeroed, also where another item was */
            item->number = in++;
            item->padding[11] = 'x';
        } else if (fifo.count > 0) {
            struct item item;
            uint64_t index = reeve_prng_below(&prng, fifo.count);
            struct item *inside = reeve_fifo_at(&fifo, index);
            assert_int_equal(inside->number, out + index);
            assert_true(reeve_fifo_pop(&fifo, &item));
            assert_int_equal(item.number, out++);
        }
        assert_int_equal(fifo.count, in - out);
    }
    assert_null(reeve_fifo_at(&fifo, fifo.count));
    reeve_fifo_clear(&fifo);
    assert_null(reeve_fifo_peek(&fifo));
    reeve_fifo_fini(&fifo);
}

static void test_reserve(void **state)
{
    (void)state;
    struct reeve_fifo fifo;
    reeve_fifo_init(&fifo, sizeof(struct item));
    assert_int_equal(reeve_fifo_reserve(&fifo, SIZE_MAX / 8), REEVE_ENOMEM);
    assert_int_equal(reeve_fifo_reserve(&fifo, 100), REEVE_OK);
    const void *items = fifo.items;
    for (int i = 0; i < 100; i++)
        assert_non_null(reeve_fifo_push(&fifo));
    assert_ptr_equal(fifo.items, items);
    reeve_fifo_fini(&fifo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
