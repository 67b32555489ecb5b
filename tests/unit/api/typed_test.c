/* The typed front door in inline mode: every type through a remote function, futures as
 * arguments, failures, put. */
#include <reeve.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/unit/api/inline_mode.h"

REEVE_STRUCT(point, (double, x), (double, y))
REEVE_STRUCT(
    shape, (reeve_string, name), (point, centre), (reeve_int16_array, marks), (reeve_bytes, blob))

#define ECHO(T, name)             \
    REEVE_REMOTE(T, name, (T, v)) \
    {                             \
        return v;                 \
    }
ECHO(int8_t, echo_int8)
ECHO(int16_t, echo_int16)
ECHO(int32_t, echo_int32)
ECHO(int64_t, echo_int64)
ECHO(uint8_t, echo_uint8)
ECHO(uint16_t, echo_uint16)
ECHO(uint32_t, echo_uint32)
ECHO(uint64_t, echo_uint64)
ECHO(int, echo_int)
ECHO(size_t, echo_size)
ECHO(float, echo_float)
ECHO(double, echo_double)
ECHO(bool, echo_bool)
ECHO(reeve_string, echo_string)
ECHO(reeve_bytes, echo_bytes)
ECHO(reeve_int8_array, echo_int8s)
ECHO(reeve_uint64_array, echo_uint64s)
ECHO(reeve_float_array, echo_floats)
ECHO(reeve_double_array, echo_doubles)
ECHO(shape, echo_shape)

static int calls;

REEVE_REMOTE(void, count_call)
{
    calls++;
}

REEVE_REMOTE(int64_t, sum16, (int64_t, a), (int64_t, b), (int64_t, c), (int64_t, d), (int64_t, e),
    (int64_t, f), (int64_t, g), (int64_t, h), (int64_t, i), (int64_t, j), (int64_t, k),
    (int64_t, l), (int64_t, m), (int64_t, n), (int64_t, o), (int64_t, p))
{
    calls++;
    return a + b + c + d + e + f + g + h + i + j + k + l + m + n + o + p;
}

REEVE_REMOTE(int64_t, add, (int64_t, a), (int64_t, b))
{
    calls++;
    return a + b;
}

REEVE_REMOTE(int64_t, fail_with, (int64_t, code))
{
    reeve_fail(code, "asked to fail with %d", (int)code);
    return code;
}

REEVE_REMOTE(void, fail_quietly)
{
    reeve_fail(1, "quietly");
}

REEVE_REMOTE(uint64_t, size_of, (reeve_bytes, data))
{
    return data.size;
}

REEVE_REMOTE(
    uint64_t, sizes_of, (reeve_bytes, a), (int, i), (reeve_bytes, b), (reeve_double_array, c))
{
    assert_int_equal((uintptr_t)c.items % sizeof(double), 0);
    return a.size + b.size + c.count + (uint64_t)i;
}

REEVE_REMOTE(reeve_bytes, make, (size_t, size))
{
    char *data = reeve_alloc(size);
    memset(data, 7, size);
    return (reeve_bytes){data, size};
}

/* A remote function may call remote functions. */
REEVE_REMOTE(int64_t, fibonacci, (int64_t, n))
{
    if (n < 2)
        return n;
    fibonacci_future a = fibonacci_remote(n - 1), b = fibonacci_remote(n - 2);
    int64_t x, y;
    if (fibonacci_get(a, &x) || fibonacci_get(b, &y))
        reeve_fail(1, "%s", reeve_last_error()->message);
    return x + y;
}

/* Declared as in a header, defined after. */
REEVE_REMOTE_DECLARE(double, elsewhere, (point, p), (float, f))
static double call_elsewhere(void)
{
    double d = 0;
    assert_int_equal(elsewhere_get(elsewhere_remote((point){1, 2}, 3), &d), REEVE_OK);
    return d;
}
REEVE_REMOTE_DEFINE(double, elsewhere, (point, p), (float, f))
{
    return p.x + p.y + (double)f;
}

#define EXPECT_ECHO(T, name, value)                                        \
    do {                                                                   \
        T in_ = value, out_ = 0;                                           \
        assert_int_equal(name##_get(name##_remote(in_), &out_), REEVE_OK); \
        assert_true(in_ == out_);                                          \
    } while (0)

static void scalars(void **state)
{
    (void)state;
    EXPECT_ECHO(int8_t, echo_int8, INT8_MIN);
    EXPECT_ECHO(int16_t, echo_int16, INT16_MIN);
    EXPECT_ECHO(int32_t, echo_int32, INT32_MIN);
    EXPECT_ECHO(int64_t, echo_int64, INT64_MIN);
    EXPECT_ECHO(uint8_t, echo_uint8, UINT8_MAX);
    EXPECT_ECHO(uint16_t, echo_uint16, UINT16_MAX);
    EXPECT_ECHO(uint32_t, echo_uint32, UINT32_MAX);
    EXPECT_ECHO(uint64_t, echo_uint64, UINT64_MAX);
    EXPECT_ECHO(int, echo_int, -5);
    EXPECT_ECHO(size_t, echo_size, SIZE_MAX);
    EXPECT_ECHO(float, echo_float, 1.25f);
    EXPECT_ECHO(double, echo_double, 1e300);
    EXPECT_ECHO(bool, echo_bool, true);
    assert_int_equal(echo_int(3), 3); /* an ordinary function */
}

static void values_with_memory(void **state)
{
    (void)state;
    reeve_string string;
    assert_int_equal(echo_string_get(echo_string_remote("hello"), &string), REEVE_OK);
    assert_string_equal(string, "hello");
    reeve_free(string);

    reeve_bytes bytes;
    assert_int_equal(echo_bytes_get(echo_bytes_remote((reeve_bytes){"a\0b", 3}), &bytes), REEVE_OK);
    assert_int_equal(bytes.size, 3);
    assert_memory_equal(bytes.data, "a\0b", 3);
    reeve_free(bytes.data);

    double items[1000];
    for (int i = 0; i < 1000; i++)
        items[i] = i * 0.5;
    reeve_double_array doubles;
    assert_int_equal(
        echo_doubles_get(echo_doubles_remote((reeve_double_array){items, 1000}), &doubles),
        REEVE_OK);
    assert_int_equal(doubles.count, 1000);
    assert_memory_equal(doubles.items, items, sizeof items);
    reeve_clear(reeve_double_array, &doubles);
    assert_int_equal(
        echo_doubles_get(echo_doubles_remote((reeve_double_array){NULL, 0}), &doubles), REEVE_OK);
    assert_int_equal(doubles.count, 0);
    assert_null(doubles.items);

    int16_t marks[] = {-1, 2, 3};
    shape in = {"triangle", {1, 2}, {marks, 3}, {NULL, 0}}, out;
    assert_int_equal(echo_shape_get(echo_shape_remote(in), &out), REEVE_OK);
    assert_string_equal(out.name, "triangle");
    assert_true(out.centre.x == 1 && out.centre.y == 2);
    assert_memory_equal(out.marks.items, marks, sizeof marks);
    assert_int_equal(out.blob.size, 0);
    reeve_clear(shape, &out);
    assert_null(out.name);
}

static void no_parameters_and_many(void **state)
{
    (void)state;
    calls = 0;
    assert_int_equal(count_call_get(count_call_remote()), REEVE_OK);
    assert_int_equal(count_call_get(reeve_call(count_call)), REEVE_OK);
    assert_int_equal(calls, 2);
    int64_t n;
    assert_int_equal(
        sum16_get(sum16_remote(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), &n),
        REEVE_OK);
    assert_int_equal(n, 136);
    sum16_future f = sum16_remote(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    assert_int_equal(
        sum16_get(reeve_call(sum16, f, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, f), &n),
        REEVE_OK);
    assert_int_equal(n, 16 + 119 + 16);
    reeve_release(f);
    assert_true(call_elsewhere() == 6);
}

static void futures_are_arguments(void **state)
{
    (void)state;
    add_future one = add_remote(0, 1), three = reeve_call(add, one, 2);
    const add_future kept = three;
    add_future six =
        reeve_call_opts(REEVE_TASK_OPTIONS(.cpus = 0.5, .name = "six"), add, kept, three);
    reeve_release(one);
    reeve_release(three);
    int64_t n;
    assert_int_equal(add_get(six, &n), REEVE_OK);
    assert_int_equal(n, 6);
    /* Futures of one type are interchangeable, whatever made them. */
    echo_int64_future other = add_remote(2, 3);
    assert_int_equal(reeve_get(int64_t, other, &n), REEVE_OK);
    assert_int_equal(n, 5);
    reeve_future_bool truth = reeve_put(bool, true);
    bool b = false;
    assert_int_equal(echo_bool_get(reeve_call(echo_bool, truth), &b), REEVE_OK);
    assert_true(b);
    reeve_release(truth);
    reeve_future_point corner = reeve_put(point, ((point){4, 5}));
    double d;
    assert_int_equal(elsewhere_get(reeve_call(elsewhere, corner, 1.0f), &d), REEVE_OK);
    assert_true(d == 10);
    assert_int_equal(reeve_release(corner), REEVE_OK);
}

static void failures_reach_the_caller(void **state)
{
    (void)state;
    int64_t n = 77;
    assert_int_equal(fail_with_get(fail_with_remote(42), &n), REEVE_EFUNCTION);
    assert_int_equal(n, 77);
    const reeve_error_info *error = reeve_last_error();
    assert_int_equal(error->code, REEVE_EFUNCTION);
    assert_int_equal(error->user_code, 42);
    assert_string_equal(error->message, "asked to fail with 42");
    assert_string_equal(error->function, "fail_with");
    assert_string_equal(error->node, "inline");
    assert_int_equal(error->attempt, 1);
    assert_int_equal(fail_quietly_get(fail_quietly_remote()), REEVE_EFUNCTION);

    /* A task whose argument failed does not run, and fails with the same error. */
    calls = 0;
    fail_with_future broken = fail_with_remote(9);
    assert_int_equal(add_get(reeve_call(add, 1, broken), &n), REEVE_EFUNCTION);
    assert_int_equal(reeve_last_error()->user_code, 9);
    assert_string_equal(reeve_last_error()->function, "fail_with");
    assert_int_equal(calls, 0);
    assert_int_equal(reeve_release(broken), REEVE_OK);
    /* A call that succeeds leaves the last error alone. */
    assert_int_equal(add_get(add_remote(1, 1), &n), REEVE_OK);
    assert_int_equal(reeve_last_error()->user_code, 9);
}

static void calls_that_cannot_be_made_give_failed_futures(void **state)
{
    (void)state;
    reeve_string back;
    assert_int_equal(echo_string_get(echo_string_remote(NULL), &back), REEVE_EINVAL);
    assert_string_equal(
        reeve_last_error()->message, "argument 1 (v): a string is NULL (an empty one is \"\")");
    assert_string_equal(reeve_last_error()->function, "echo_string");
    int64_t n;
    add_future bad = add_remote_opts(REEVE_TASK_OPTIONS(.cpus = -1), 1, 2);
    add_future child = reeve_call(add, bad, 1); /* and so on, through all that depends on it */
    bool ready[3] = {false, false, false};
    size_t count = 0;
    add_future mixed[3] = {bad, add_remote(1, 1), child};
    assert_int_equal(reeve_wait(mixed, 3, 3, 0, ready, &count), REEVE_OK);
    assert_int_equal(count, 3);
    assert_true(ready[0] && ready[1] && ready[2]);
    assert_int_equal(add_get(child, &n), REEVE_EINVAL);
    assert_non_null(strstr(reeve_last_error()->message, "cpus is -1"));
    assert_int_equal(reeve_release(bad), REEVE_OK);
    assert_int_equal(add_get(mixed[1], &n), REEVE_OK);
    add_future none = {0};
    assert_int_equal(add_get(reeve_call(add, none, 1), &n), REEVE_EHANDLE);
    add_future stale = add_remote(1, 1);
    reeve_release(stale);
    assert_int_equal(add_get(reeve_call(add, 1, stale), &n), REEVE_EHANDLE);
}

static void failed_futures_may_be_forgotten(void **state)
{
    (void)state;
    add_future first = add_remote_opts(REEVE_TASK_OPTIONS(.cpus = -1), 1, 2);
    for (int i = 0; i < 1000; i++) {
        add_future forgotten = add_remote_opts(REEVE_TASK_OPTIONS(.cpus = -2), 1, 2);
        (void)forgotten;
    }
    int64_t n;
    assert_int_equal(add_get(first, &n), REEVE_EINVAL); /* the words are gone, the code is not */
    assert_string_equal(reeve_last_error()->message, reeve_strerror(REEVE_EINVAL));
}

static void large_values_travel_as_objects(void **state)
{
    (void)state;
    size_t size = 3 << 20;
    char *data = calloc(1, size);
    double items[100] = {0};
    uint64_t n;
    assert_int_equal(size_of_get(size_of_remote((reeve_bytes){data, size}), &n), REEVE_OK);
    assert_int_equal(n, size);
    reeve_future_reeve_bytes put = reeve_put_bytes(data, size);
    assert_int_equal(size_of_get(reeve_call(size_of, put), &n), REEVE_OK);
    assert_int_equal(n, size);
    /* Mixed, and many of middling size. */
    assert_int_equal(sizes_of_get(reeve_call(sizes_of, put, 1, ((reeve_bytes){data, 90000}),
                                      ((reeve_double_array){items, 100})),
                         &n),
        REEVE_OK);
    assert_int_equal(n, size + 1 + 90000 + 100);
    assert_int_equal(sizes_of_get(sizes_of_remote((reeve_bytes){data, 60000}, 1,
                                      (reeve_bytes){data, 60000}, (reeve_double_array){items, 100}),
                         &n),
        REEVE_OK);
    assert_int_equal(n, 120101);
    make_future made = make_remote(size);
    assert_int_equal(size_of_get(reeve_call(size_of, made), &n), REEVE_OK);
    assert_int_equal(n, size);
    reeve_bytes back;
    assert_int_equal(make_get(made, &back), REEVE_OK);
    assert_int_equal(back.size, size);
    assert_int_equal(((const char *)back.data)[size - 1], 7);
    reeve_clear(reeve_bytes, &back);
    reeve_release(put);
    free(data);
}

static void a_value_of_another_type_is_an_error(void **state)
{
    (void)state;
    echo_string_future string = echo_string_remote("x");
    reeve_future_int64_t disguised = {string.id};
    int64_t n = 5;
    assert_int_equal(add_get(reeve_call(add, disguised, 1), &n), REEVE_ETYPE);
    assert_string_equal(
        reeve_last_error()->message, "argument 1 (a): expected int64, got a string of 1 bytes");
    assert_string_equal(reeve_last_error()->function, "add");
    assert_int_equal(reeve_get(int64_t, disguised, &n), REEVE_ETYPE);
    assert_string_equal(
        reeve_last_error()->message, "the result: expected int64, got a string of 1 bytes");
    assert_int_equal(n, 5);
    assert_int_equal(
        reeve_release(string), REEVE_EHANDLE); /* a get releases, whatever the outcome */
}

static void tasks_call_tasks(void **state)
{
    (void)state;
    int64_t n;
    assert_int_equal(fibonacci_get(fibonacci_remote(10), &n), REEVE_OK);
    assert_int_equal(n, 55);
}

/* As a loop would, with more than a slice of calls and of gets. */
static void many_calls_and_gets_at_once(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    static int64_t a[MANY], b[MANY], sums[MANY];
    static add_future futures[MANY];
    static int codes[MANY];
    for (int i = 0; i < MANY; i++) {
        a[i] = i;
        b[i] = (int64_t)i << 30; /* packed sizes differ */
        codes[i] = 77;
    }
    calls = 0;
    assert_int_equal(add_remote_many(MANY, a, b, futures), REEVE_OK);
    assert_int_equal(calls, MANY);
    assert_int_equal(add_get_many(futures, MANY, sums, codes), REEVE_OK);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(sums[i], a[i] + b[i]);
        assert_int_equal(codes[i], REEVE_OK);
    }
    /* They are released. */
    assert_int_equal(add_get_many(futures, 2, sums, codes), REEVE_EHANDLE);
    assert_int_equal(codes[1], REEVE_EHANDLE);
    assert_int_equal(sums[0], 0);
    /* None, and none of anything. */
    assert_int_equal(add_remote_many(0, NULL, NULL, NULL), REEVE_OK);
    assert_int_equal(add_get_many(NULL, 0, NULL, NULL), REEVE_OK);
    /* Without parameters, without a result. */
    count_call_future counted[3];
    calls = 0;
    assert_int_equal(count_call_remote_many(3, counted), REEVE_OK);
    assert_int_equal(count_call_get_many(counted, 3, codes), REEVE_OK);
    assert_int_equal(calls, 3);
    /* Sixteen columns; values with memory; options; other types' put. */
    static int64_t ones[MANY], sixteen[MANY];
    static sum16_future sums16[MANY];
    for (int i = 0; i < MANY; i++)
        ones[i] = 1;
    assert_int_equal(sum16_remote_many(MANY, ones, ones, ones, ones, ones, ones, ones, ones, ones,
                         ones, ones, ones, ones, ones, ones, a, sums16),
        REEVE_OK);
    assert_int_equal(sum16_get_many(sums16, MANY, sixteen, NULL), REEVE_OK);
    assert_int_equal(sixteen[MANY - 1], 15 + MANY - 1);
    const char *words[2] = {"one", "two"};
    reeve_string back[2];
    echo_string_future echoes[2];
    assert_int_equal(
        echo_string_remote_many_opts(REEVE_TASK_OPTIONS(.cpus = 0.5), 2, words, echoes), REEVE_OK);
    assert_int_equal(echo_string_get_many(echoes, 2, back, NULL), REEVE_OK);
    assert_string_equal(back[1], "two");
    reeve_free(back[0]);
    reeve_free(back[1]);
    bool yes[2] = {true, false}, booleans[2];
    reeve_future_bool puts[2] = {reeve_put(bool, yes[0]), reeve_put(bool, yes[1])};
    assert_int_equal(reeve_get_many(bool, puts, 2, booleans, NULL), REEVE_OK);
    assert_true(booleans[0] && !booleans[1]);
}

static void of_many_calls_some_fail_alone(void **state)
{
    (void)state;
    /* Cannot be submitted, first of its slice and in the middle. */
    enum { MANY = 300 };
    static const char *words[MANY];
    static echo_string_future echoes[MANY];
    static reeve_string back[MANY];
    static int codes[MANY];
    for (int i = 0; i < MANY; i++)
        words[i] = i % 130 == 0 ? NULL : "word";
    assert_int_equal(echo_string_remote_many(MANY, words, echoes), REEVE_EINVAL);
    assert_string_equal(
        reeve_last_error()->message, "argument 1 (v): a string is NULL (an empty one is \"\")");
    assert_string_equal(reeve_last_error()->function, "echo_string");
    assert_int_equal(echo_string_get_many(echoes, MANY, back, codes), REEVE_EINVAL);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(codes[i], i % 130 == 0 ? REEVE_EINVAL : REEVE_OK);
        if (i % 130 == 0)
            assert_null(back[i]);
        else
            assert_string_equal(back[i], "word");
        reeve_clear(reeve_string, &back[i]);
    }
    /* Fail when they run: the first in order is described, whatever came after it. */
    int64_t how[4] = {5, 6, 7, 8}, values[4];
    fail_with_future failures[4];
    assert_int_equal(fail_with_remote_many(4, how, failures), REEVE_OK);
    assert_int_equal(reeve_release(failures[2]), REEVE_OK);
    assert_int_equal(fail_with_get_many(failures, 4, values, codes), REEVE_EFUNCTION);
    assert_int_equal(codes[0], REEVE_EFUNCTION);
    assert_int_equal(codes[2], REEVE_EHANDLE);
    assert_int_equal(codes[3], REEVE_EFUNCTION);
    assert_int_equal(reeve_last_error()->user_code, 5);
    /* The same future twice is got once. */
    add_future twice[2] = {add_remote(1, 2)};
    int64_t sums[2];
    twice[1] = twice[0];
    assert_int_equal(add_get_many(twice, 2, sums, codes), REEVE_EHANDLE);
    assert_int_equal(codes[0], REEVE_OK);
    assert_int_equal(sums[0], 3);
    /* Options that make no sense: none is submitted. */
    calls = 0;
    assert_int_equal(
        add_remote_many_opts(REEVE_TASK_OPTIONS(.cpus = -1), 2, how, how, twice), REEVE_EINVAL);
    assert_int_equal(calls, 0);
    assert_int_equal(add_get_many(twice, 2, sums, codes), REEVE_EINVAL);
    assert_int_equal(codes[1], REEVE_EINVAL);
}

/* Among small ones, arguments that go into the store, and some that fill a slice. */
static void of_many_calls_some_are_large(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 300, 400000, 511, 600, 9000, 2, 100000};
    enum { MANY = 8 * 20 };
    static reeve_bytes spans[MANY];
    static uint64_t back[MANY];
    static size_of_future futures[MANY];
    static char bytes[400000];
    for (int i = 0; i < MANY; i++)
        spans[i] = (reeve_bytes){bytes, sizes[i % 8]};
    assert_int_equal(size_of_remote_many(MANY, spans, futures), REEVE_OK);
    assert_int_equal(size_of_get_many(futures, MANY, back, NULL), REEVE_OK);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(back[i], sizes[i % 8]);
}

static void memory_outside_of_a_task_is_the_callers(void **state)
{
    (void)state;
    reeve_bytes bytes = make(10); /* as an ordinary function */
    assert_int_equal(bytes.size, 10);
    reeve_free(bytes.data);
    int64_t code = fail_with(3);
    assert_int_equal(code, 3);
    assert_string_equal(reeve_last_error()->message, "asked to fail with 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars),
        cmocka_unit_test(values_with_memory),
        cmocka_unit_test(no_parameters_and_many),
        cmocka_unit_test(futures_are_arguments),
        cmocka_unit_test(failures_reach_the_caller),
        cmocka_unit_test(calls_that_cannot_be_made_give_failed_futures),
        cmocka_unit_test(failed_futures_may_be_forgotten),
        cmocka_unit_test(large_values_travel_as_objects),
        cmocka_unit_test(a_value_of_another_type_is_an_error),
        cmocka_unit_test(tasks_call_tasks),
        cmocka_unit_test(many_calls_and_gets_at_once),
        cmocka_unit_test(of_many_calls_some_fail_alone),
        cmocka_unit_test(of_many_calls_some_are_large),
        cmocka_unit_test(memory_outside_of_a_task_is_the_callers),
    };
    return cmocka_run_group_tests(tests, inline_mode_begin, inline_mode_end);
}
