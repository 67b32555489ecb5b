/* Random numbers: the published sequence, bounds, repeatability. */
#include "tests/unit/test.h"

#include "runtime/base/prng.h"

static void test_reference(void **state)
{
    (void)state;
    uint64_t seed = 1234567; /* from the reference implementation of splitmix64 */
    assert_true(reeve_splitmix64(&seed) == 6457827717110365317ull);
    assert_true(reeve_splitmix64(&seed) == 3203168211198807973ull);

    struct reeve_prng prng = {{1, 2, 3, 4}}; /* and of xoshiro256** */
    assert_true(reeve_prng_next(&prng) == 11520);
    assert_true(reeve_prng_next(&prng) == 0);
    assert_true(reeve_prng_next(&prng) == 1509978240);
    assert_true(reeve_prng_next(&prng) == 1215971899390074240);
}

static void test_bounds(void **state)
{
    (void)state;
    struct reeve_prng prng;
    unsigned seen[10] = {0};
    reeve_prng_init(&prng, 42);
    for (int i = 0; i < 100000; i++)
        seen[reeve_prng_below(&prng, 10)]++;
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 9500, 10500);
    assert_int_equal(reeve_prng_below(&prng, 0), 0);
    for (int i = 0; i < 1000; i++)
        assert_in_range(reeve_prng_between(&prng, 5, 7), 5, 7);
    assert_false(reeve_prng_chance(&prng, 0, 5));
    assert_true(reeve_prng_chance(&prng, 5, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
