/* Records by number: numbers and places agree, nothing is given twice, empty chunks go back. */
#include "objectstore/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/prng.h"

#define HELD  5000u
#define TURNS 200000u

static void test_numbers(void **state)
{
    (void)state;
    for (size_t size = 8; size <= 136; size += 8) {
        struct reeve_slab slab;
        reeve_slab_init(&slab, size);
        assert_null(reeve_slab_at(&slab, 0));
        assert_int_equal(reeve_slab_number(&slab, NULL), 0);
        uint8_t *items[3000];
        for (uint32_t i = 0; i < 3000; i++) {
            items[i] = reeve_slab_take(&slab);
            uint32_t number = reeve_slab_number(&slab, items[i]);
            assert_true(number != 0);
            assert_ptr_equal(reeve_slab_at(&slab, number), items[i]);
            for (size_t j = 0; j < size; j++)
                assert_int_equal(items[i][j], 0);
            memset(items[i], (int)i | 1, size);
        }
        for (uint32_t i = 0; i < 3000; i++) /* none lies in another */
            for (size_t j = 0; j < size; j++)
                assert_int_equal(items[i][j], (uint8_t)(i | 1));
        reeve_slab_fini(&slab);
    }
}

static void test_random(void **state)
{
    (void)state;
    struct reeve_slab slab;
    struct reeve_prng prng;
    static uint64_t *held[HELD];
    reeve_prng_init(&prng, 5);
    reeve_slab_init(&slab, 24);
    uint32_t alive = 0;
    for (uint32_t i = 0; i < TURNS; i++) {
        uint32_t at = (uint32_t)reeve_prng_below(&prng, HELD);
        if (held[at] == NULL) {
            held[at] = reeve_slab_take(&slab);
            held[at][0] = held[at][2] = at;
            alive++;
        } else {
            assert_int_equal(held[at][0], at);
            assert_int_equal(held[at][2], at);
            reeve_slab_give(&slab, held[at]);
            held[at] = NULL;
            alive--;
        }
        assert_int_equal(slab.used_count, alive);
    }
    uint32_t chunks = slab.chunk_count;
    for (uint32_t at = 0; at < HELD; at++)
        if (held[at] != NULL)
            reeve_slab_give(&slab, held[at]);
    assert_int_equal(slab.used_count, 0);
    assert_non_null(slab.with_room); /* one chunk is left ... */
    assert_null(slab.with_room->next);
    for (uint32_t at = 0; at < HELD; at++) /* ... and the numbers of the others come back */
        held[at] = reeve_slab_take(&slab);
    assert_in_range(slab.chunk_count, 1, chunks + HELD / (slab.end - slab.first) + 1);
    reeve_slab_fini(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
