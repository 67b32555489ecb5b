/* What a node knows of tasks: since when one runs, the last failures, names of functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/node/facts.h"

static void a_watch_runs_while_the_task_is_the_same(void **state)
{
    (void)state;
    struct reeve_watch watch = {0};
    reeve_watch_look(&watch, 0, 0, 10);
    assert_int_equal(watch.since_ns, 0);
    reeve_watch_look(&watch, 1, 0, 20);
    reeve_watch_look(&watch, 1, 0, 30);
    assert_int_equal(watch.since_ns, 20);
    reeve_watch_look(&watch, 7, 6, 40); /* others have come and gone between two looks */
    assert_int_equal(watch.since_ns, 40);
    reeve_watch_look(&watch, 7, 7, 50);
    assert_int_equal(watch.since_ns, 0);
    reeve_watch_look(&watch, 8, 7, 60);
    assert_int_equal(watch.since_ns, 60);
}

static void the_last_failures_are_kept(void **state)
{
    (void)state;
    struct reeve_failures *failures = calloc(1, sizeof *failures);
    assert_null(reeve_failures_at(failures, 0));
    for (uint64_t i = 1; i <= REEVE_FAILURES_MAX + 10; i++) {
        struct reeve_failure *failure = reeve_failures_add(failures);
        assert_int_equal(failure->number, i);
        assert_int_equal(failure->task, 0); /* nothing of the one that was there */
        failure->task = 100 + i;
    }
    assert_int_equal(failures->count, REEVE_FAILURES_MAX + 10);
    assert_int_equal(reeve_failures_at(failures, 0)->task, 100 + REEVE_FAILURES_MAX + 10);
    assert_int_equal(reeve_failures_at(failures, REEVE_FAILURES_MAX - 1)->task, 111);
    assert_null(reeve_failures_at(failures, REEVE_FAILURES_MAX));
    free(failures);
}

static void check_name(const char *table, size_t size, uint32_t index, const char *expected)
{
    char name[32];
    reeve_function_name(table, size, index, name, sizeof name);
    assert_string_equal(name, expected);
}

/* The table is a client's: it may end anywhere. */
static void functions_have_names(void **state)
{
    (void)state;
    static const char table[] = "alpha(int64) -> int64\nbeta (x)\nplain\n";
    char *exact = malloc(sizeof table - 1);
    memcpy(exact, table, sizeof table - 1);
    check_name(exact, sizeof table - 1, 0, "alpha");
    check_name(exact, sizeof table - 1, 1, "beta");
    check_name(exact, sizeof table - 1, 2, "plain");
    check_name(exact, sizeof table - 1, 3, "function 3");
    check_name(exact, sizeof table - 1, UINT32_MAX, "function 4294967295");
    check_name(exact, 3, 0, "alp");
    check_name(exact, 0, 0, "function 0");
    check_name(NULL, 0, 7, "function 7");
    free(exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_runs_while_the_task_is_the_same),
        cmocka_unit_test(the_last_failures_are_kept),
        cmocka_unit_test(functions_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
