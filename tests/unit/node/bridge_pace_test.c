/* When the daemon leaves its bell alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above */
#include <cmocka.h>

#include "runtime/node/bridge_pace.h"

#define US 1000u

/* `looks` looks, `every_ns` apart, each of which finds so many; the last pause. */
static uint64_t look(struct reeve_bridge_pace *pace, uint64_t *now_ns, uint32_t looks,
    uint64_t every_ns, uint32_t entries, uint32_t under_way)
{
    uint64_t pause_ns = 0;
    for (uint32_t i = 0; i < looks; i++) {
        *now_ns += every_ns;
        pause_ns = reeve_bridge_pause_ns(pace, *now_ns, entries, under_way);
    }
    return pause_ns;
}

static void test_few_are_never_held_up(void **state)
{
    (void)state;
    struct reeve_bridge_pace pace = {0};
    uint64_t now_ns = 1u << 30;
    /* however fast they come: up to 63 under way */
    for (uint32_t under_way = 1; under_way < 64; under_way++)
        assert_int_equal(look(&pace, &now_ns, 20, US, 1, under_way), 0);
    /* many that take long: they come one by one */
    assert_int_equal(look(&pace, &now_ns, 100, 1000 * US, 1, 1024), 0);
    assert_int_equal(look(&pace, &now_ns, 100, 50000 * US, 2, 1024), 0);
}

static void test_a_pause_gathers_a_batch(void **state)
{
    (void)state;
    struct reeve_bridge_pace pace = {0};
    uint64_t now_ns = 1u << 30;
    look(&pace, &now_ns, 1, 100 * US, 1, 0);
    uint64_t pause_ns = look(&pace, &now_ns, 50, 2 * US, 1, 1024);
    assert_true(pause_ns > 128 * US && pause_ns <= 2 * 128 * US);
    /* the same when it is the pauses that set the pace */
    pause_ns = look(&pace, &now_ns, 50, pause_ns, 128, 1024);
    assert_true(pause_ns > 64 * US && pause_ns < 4 * 128 * US);
    /* an eighth of what is under way */
    pause_ns = look(&pace, &now_ns, 50, 16 * US, 2, 80);
    assert_true(pause_ns >= 50 * US && pause_ns < 160 * US);
    assert_int_equal(look(&pace, &now_ns, 50, 100 * US, 2, 4096), REEVE_BRIDGE_PAUSE_MAX_NS);
}

static void test_it_ends_with_the_traffic(void **state)
{
    (void)state;
    struct reeve_bridge_pace pace = {0};
    uint64_t now_ns = 1u << 30;
    look(&pace, &now_ns, 1, 100 * US, 1, 0);
    assert_true(look(&pace, &now_ns, 50, 2 * US, 1, 1024) > 0);
    assert_int_equal(look(&pace, &now_ns, 1, 200 * US, 0, 1024), 0);
    assert_true(look(&pace, &now_ns, 50, 2 * US, 1, 1024) > 0);
    assert_int_equal(look(&pace, &now_ns, 1, 5000 * US, 100, 1024), 0); /* long ago */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_are_never_held_up),
        cmocka_unit_test(test_a_pause_gathers_a_batch),
        cmocka_unit_test(test_it_ends_with_the_traffic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
