/* Types and functions may have the names that the library's macros and headers use for parameters
 * of their own: `view`, `future`, `count`. That this compiles, with -Wshadow, is most of the
 * test. */
#include <reeve.h>

#include <stdarg.h>

#include <setjmp.h>

#include <cmocka.h>

REEVE_STRUCT(view, (int64_t, x))
REEVE_STRUCT(future, (int64_t, futures), (int64_t, timeout_ms))
REEVE_STRUCT(codes, (int64_t, value))
REEVE_STRUCT(values, (codes, codes))
REEVE_STRUCT(count, (int64_t, count))
REEVE_STRUCT(stream, (int64_t, items))

REEVE_REMOTE(future, argument, (view, a), (count, function), (int64_t, value), (int64_t, context))
{
    return (future){a.x + function.count, value + context};
}

REEVE_REMOTE(values, arguments, (future, a), (stream, result), (int64_t, submission))
{
    return (values){{a.futures + a.timeout_ms + result.items + submission}};
}

REEVE_STREAM(view, yield, (count, upto))
{
    for (view next = {0}; next.x < upto.count; next.x++)
        if (yield_yield(next) != REEVE_OK)
            return;
}

static void functions(void **state)
{
    (void)state;
    view a = {1};
    count two = {2};
    future both;
    assert_int_equal(argument_get(reeve_call(argument, a, two, 3, 4), &both), REEVE_OK);
    assert_int_equal(both.futures, 3);
    assert_int_equal(both.timeout_ms, 7);
    values sum;
    assert_int_equal(arguments_get(arguments_remote(both, (stream){5}, 6), &sum), REEVE_OK);
    assert_int_equal(sum.codes.value, 21);
}

static void a_stream(void **state)
{
    (void)state;
    view next;
    int64_t sum = 0;
    int code;
    yield_stream all = yield_remote((count){5});
    while ((code = yield_next(all, &next)) == REEVE_OK)
        sum += next.x;
    assert_int_equal(code, REEVE_EEND);
    assert_int_equal(sum, 10);
}

static int begin(void **state)
{
    (void)state;
    return reeve_init(0, NULL, REEVE_OPTIONS(.mode = REEVE_MODE_INLINE));
}

static int end(void **state)
{
    (void)state;
    reeve_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(functions), cmocka_unit_test(a_stream)};
    return cmocka_run_group_tests(tests, begin, end);
}
