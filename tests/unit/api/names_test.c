/* Types and functions may have the names that the library's macros and headers use for parameters
 * of their own: `view`, `future`, `count`. That this compiles, with -Wshadow, is most of the
 * test. */
#include <reeve.h>

#include <stdarg.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/unit/api/inline_mode.h"

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

REEVE_ACTOR(keeper, (int64_t, value))
REEVE_GROUPS(keeper, (group, 1))
REEVE_CONSTRUCTOR(keeper, (int64_t, type), (int64_t, options), (int64_t, actor), (int64_t, size))
{
    self->value = type + options + actor + size;
    return REEVE_OK;
}
REEVE_METHOD(int64_t, keeper, add, (int64_t, function), (int64_t, token), (int64_t, value))
{
    return self->value += function + token + value;
}
REEVE_GROUP_METHOD(group, int64_t, keeper, multiply, (int64_t, group), (int64_t, name))
{
    return self->value *= group * name;
}

REEVE_METHOD_RESULTS(
    keeper, outcome, ((int64_t, which), (int64_t, name)), (int64_t, m), (int64_t, A))
{
    *results = (keeper_outcome_results){self->value * m, A};
}
REEVE_GROUP_METHOD_RESULTS(group, keeper, place, ((int64_t, token)))
{
    results->token = self->value;
}

REEVE_REMOTE_RESULTS(both, ((int64_t, futures), (stream, value)), (int64_t, result), (view, from))
{
    *results = (both_results){result, {from.x}};
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

static void several_results(void **state)
{
    (void)state;
    both_results got;
    assert_int_equal(both_get(both_remote(1, (view){2}), &got), REEVE_OK);
    assert_int_equal(got.futures, 1);
    assert_int_equal(got.value.items, 2);
}

static void an_actor(void **state)
{
    (void)state;
    keeper_ref k = keeper_create(1, 2, 3, 4);
    int64_t sum = 0, product = 0;
    assert_int_equal(keeper_add_get(keeper_add_remote(k, 5, 6, 7), &sum), REEVE_OK);
    assert_int_equal(keeper_multiply_get(keeper_multiply_remote(k, 2, 5), &product), REEVE_OK);
    keeper_outcome_results outcome;
    keeper_place_results place;
    assert_int_equal(keeper_outcome_get(keeper_outcome_remote(k, 3, 4), &outcome), REEVE_OK);
    assert_int_equal(outcome.which, 3 * product);
    assert_int_equal(outcome.name, 4);
    assert_int_equal(keeper_place_get(keeper_place_remote(k), &place), REEVE_OK);
    assert_int_equal(place.token, product);
    assert_int_equal(sum, 28);
    assert_int_equal(product, 280);
    assert_int_equal(reeve_actor_release(k), REEVE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions),
        cmocka_unit_test(a_stream),
        cmocka_unit_test(several_results),
        cmocka_unit_test(an_actor),
    };
    return cmocka_run_group_tests(tests, inline_mode_begin, inline_mode_end);
}
