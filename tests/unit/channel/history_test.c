/* The slices of history.h: in order, the latest, never a mixture. */
#include "runtime/channel/history.h"

#include <pthread.h>

#include "tests/unit/test.h"

static struct reeve_history history;

static void add(uint64_t number)
{
    struct reeve_slice slice = {.begin_ns = number,
        .end_ns = 2 * number,
        .owner = 3 * number,
        .task = 4 * number,
        .parent = 5 * number,
        .attempt = (uint32_t)number,
        .count = (uint32_t)number};
    reeve_history_add(&history, &slice);
}

static void is_whole(const struct reeve_slice *slice)
{
    assert_int_equal(slice->end_ns, 2 * slice->begin_ns);
    assert_int_equal(slice->owner, 3 * slice->begin_ns);
    assert_int_equal(slice->task, 4 * slice->begin_ns);
    assert_int_equal(slice->parent, 5 * slice->begin_ns);
    assert_int_equal(slice->attempt, slice->begin_ns);
    assert_int_equal(slice->count, slice->begin_ns);
}

static void test_in_order(void **state)
{
    (void)state;
    uint64_t next = 0, lost = 0;
    struct reeve_slice slice;
    assert_false(reeve_history_read(&history, &next, &slice, &lost));
    for (uint64_t number = 1; number <= 100; number++)
        add(number);
    for (uint64_t number = 1; number <= 100; number++) {
        assert_true(reeve_history_read(&history, &next, &slice, &lost));
        assert_int_equal(slice.begin_ns, number);
        is_whole(&slice);
    }
    assert_false(reeve_history_read(&history, &next, &slice, &lost));
    assert_int_equal(lost, 0);
    for (uint64_t number = 101; number <= 100 + 2 * REEVE_HISTORY_SLICES; number++)
        add(number); /* the oldest of these are gone; that next to be written over is left alone */
    assert_true(reeve_history_read(&history, &next, &slice, &lost));
    assert_int_equal(slice.begin_ns, 100 + REEVE_HISTORY_SLICES + 2);
    assert_int_equal(lost, REEVE_HISTORY_SLICES + 1);
}

#define ROUNDS 200000u

static void *write_many(void *arg)
{
    (void)arg;
    for (uint64_t number = 1; number <= ROUNDS; number++)
        add(number);
    return NULL;
}

static void test_no_mixtures(void **state)
{
    (void)state;
    uint64_t next = 0, lost = 0, count = 0, before = 0;
    struct reeve_slice slice = {0};
    pthread_t writer;
    atomic_store(&history.written, 0);
    assert_int_equal(pthread_create(&writer, NULL, write_many, NULL), 0);
    while (slice.begin_ns < ROUNDS)
        if (reeve_history_read(&history, &next, &slice, &lost)) {
            is_whole(&slice);
            assert_true(slice.begin_ns > before);
            before = slice.begin_ns;
            count++;
        }
    pthread_join(writer, NULL);
    assert_int_equal(count + lost, ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_no_mixtures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
