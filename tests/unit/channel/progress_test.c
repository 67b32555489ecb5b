/* The records of progress.h: whose they are, which one gives way, and that no reader sees a
 * mixture. */
#include "runtime/channel/progress.h"

#include <pthread.h>

#include "tests/unit/test.h"

static struct reeve_progress_table table;
static uint32_t last;

static void write_of(uint64_t owner, uint64_t task, uint32_t attempt, uint64_t done, uint64_t total)
{
    struct reeve_progress_key key = {owner, task, attempt};
    reeve_progress_write(&table, &last, &key, done, total);
}

static bool is(uint64_t owner, uint64_t task, uint32_t attempt, uint64_t done, uint64_t total)
{
    struct reeve_progress_key key = {owner, task, attempt};
    uint64_t found_done = 99, found_total = 99;
    bool found = reeve_progress_read(&table, &key, &found_done, &found_total);
    assert_true(found || (found_done == 0 && found_total == 0));
    return found && found_done == done && found_total == total;
}

static void test_is_of_one_attempt(void **state)
{
    (void)state;
    table = (struct reeve_progress_table){0};
    assert_false(is(0, 0, 0, 0, 0)); /* zeroed memory says nothing, of nobody */
    write_of(7, 1, 1, 3, 10);
    assert_true(is(7, 1, 1, 3, 10));
    assert_false(is(7, 1, 2, 3, 10));
    assert_false(is(8, 1, 1, 3, 10));
    assert_false(is(7, 2, 1, 3, 10));
    write_of(7, 1, 1, 4, 10);
    assert_true(is(7, 1, 1, 4, 10));
    write_of(7, 1, 2, 1, 10); /* the next attempt begins anew, beside it */
    assert_true(is(7, 1, 2, 1, 10));
}

static void test_the_first_gives_way(void **state)
{
    (void)state;
    table = (struct reeve_progress_table){0};
    for (uint64_t task = 1; task <= REEVE_PROGRESS_RECORDS; task++)
        write_of(7, task, 1, task, 100);
    write_of(7, 1, 1, 50, 100); /* one that is there keeps its place */
    for (uint64_t task = 2; task <= REEVE_PROGRESS_RECORDS; task++)
        assert_true(is(7, task, 1, task, 100));
    write_of(7, 99, 1, 5, 6);
    assert_true(is(7, 99, 1, 5, 6));
    assert_false(is(7, 1, 1, 50, 100));
    assert_true(is(7, 2, 1, 2, 100));
}

#define ROUNDS 200000u

static void *write_many(void *arg)
{
    (void)arg;
    for (uint64_t i = 1; i <= ROUNDS; i++)
        write_of(7, 1, 1, i, 3 * i);
    return NULL;
}

static void test_no_mixtures(void **state)
{
    (void)state;
    table = (struct reeve_progress_table){0};
    struct reeve_progress_key key = {7, 1, 1};
    uint64_t done = 0, total = 0, before = 0;
    pthread_t writer;
    write_of(7, 1, 1, 1, 3);
    assert_int_equal(pthread_create(&writer, NULL, write_many, NULL), 0);
    while (done < ROUNDS) {
        if (!reeve_progress_read(&table, &key, &done, &total))
            continue; /* it was always in the midst of a write */
        assert_int_equal(total, 3 * done);
        assert_true(done >= before || before == 1);
        before = done;
    }
    pthread_join(writer, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_of_one_attempt),
        cmocka_unit_test(test_the_first_gives_way),
        cmocka_unit_test(test_no_mixtures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
