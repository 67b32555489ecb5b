/* Since when a call could have begun (stamp.h): from a moment to what is waited, over a bridge,
 * too. */
#include "runtime/channel/stamp.h"

#include "tests/unit/test.h"

#define SECOND   UINT64_C(1000000000)
#define UNIT     (UINT64_C(1) << REEVE_STAMP_SHIFT)
#define SLOT(ns) ((uint32_t)((ns) >> REEVE_STAMP_SHIFT) & INT32_MAX)

/* Waits `queued_ns` before it is written, then `ring_ns`; as the entry carries it. */
static uint64_t waited_ns(uint64_t ready_ns, uint64_t queued_ns, uint64_t ring_ns)
{
    uint32_t stamp = reeve_stamp_make(SLOT(ready_ns), ready_ns + queued_ns);
    uint16_t flags = 0x803f | reeve_stamp_flags(stamp);
    assert_int_equal(
        flags & ~REEVE_STAMP_FLAGS, 0x803f); /* those that others have are as they were */
    stamp = reeve_stamp_of(flags, reeve_stamp_status(stamp));
    return reeve_stamp_waited_ns(stamp, ready_ns + queued_ns + ring_ns);
}

static void test_waited(void **state)
{
    const uint64_t starts[] = {5 * SECOND, 4000 * SECOND, UINT64_C(3000000) * SECOND};
    const uint64_t waits[] = {0, 3 * UNIT, SECOND / 5, 60 * SECOND, 1800 * SECOND};
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t q = 0; q < 5; q++)
            for (size_t r = 0; r < 5; r++) {
                uint64_t exact = waits[q] + waits[r],
                         got = waited_ns(starts[i], waits[q], waits[r]);
                assert_in_range(got, exact > UNIT ? exact - UNIT : 0, exact + UNIT);
            }
}

/* Longer than units of a millisecond can tell. */
static void test_waited_long(void **state)
{
    const uint64_t unit = UNIT << REEVE_STAMP_SHIFT_AWAY, hour = 3600 * SECOND;
    (void)state;
    for (uint64_t hours = 1; hours <= 36; hours++) {
        uint64_t got = waited_ns(7 * SECOND, hours * hour, hour);
        assert_in_range(got, (hours + 1) * hour - 2 * unit, (hours + 1) * hour + unit);
    }
    assert_int_equal(waited_ns(7 * SECOND, 100 * hour, 0), 0); /* not known, rather than wrong */
}

/* The time of who wrote the entry was looked at before that of the owner: no wait at all. */
static void test_ahead(void **state)
{
    (void)state;
    uint32_t stamp = reeve_stamp_make(SLOT(9 * SECOND), 9 * SECOND - 3 * UNIT);
    assert_int_equal(reeve_stamp_waited_ns(stamp, 9 * SECOND - UNIT), 0);
    stamp = reeve_stamp_turn(stamp, 9 * SECOND - UNIT);
    stamp = reeve_stamp_turn(stamp, 777 * SECOND);
    assert_int_equal(reeve_stamp_waited_ns(stamp, 777 * SECOND), 0);
    assert_in_range(reeve_stamp_waited_ns(stamp, 778 * SECOND), SECOND - 3 * UNIT, SECOND);
}

/* Two machines, whose clocks have nothing in common. */
static void test_turned(void **state)
{
    const uint64_t waits[] = {0, SECOND / 5, 100 * SECOND, 10 * 3600 * SECOND};
    (void)state;
    assert_int_equal(reeve_stamp_turn(0, 5 * SECOND), 0);
    for (size_t i = 0; i < 4; i++) {
        uint64_t unit = UNIT << (waits[i] > 3600 * SECOND ? REEVE_STAMP_SHIFT_AWAY : 0);
        uint32_t stamp = reeve_stamp_make(SLOT(50 * SECOND), 50 * SECOND + waits[i]);
        uint32_t age = reeve_stamp_turn(stamp, 50 * SECOND + waits[i]);
        assert_true(age != 0);
        uint32_t there = reeve_stamp_turn(age, 98765 * SECOND);
        uint64_t got = reeve_stamp_waited_ns(there, 98766 * SECOND);
        assert_in_range(got, waits[i] + SECOND - 2 * unit, waits[i] + SECOND + 2 * unit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waited),
        cmocka_unit_test(test_waited_long),
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_turned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
