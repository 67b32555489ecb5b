/* Futures in values, without a cluster: how they travel, what is refused, and (inline) what becomes
 * of them. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "api/client/codec.h"
#include "tests/unit/api/inline_mode.h"

REEVE_STRUCT(pair, (reeve_future_int64_t, a), (reeve_futures_double, more))
REEVE_STRUCT(outer, (int64_t, n), (pair, p), (reeve_future, last))

REEVE_REMOTE(int64_t, square, (int64_t, x))
{
    return x * x;
}
REEVE_REMOTE(pair, both, (int64_t, x))
{
    reeve_future_double *two = reeve_alloc(2 * sizeof *two);
    two[0] = reeve_put(double, 1.5);
    two[1] = reeve_put(double, 2.5);
    return (pair){square_remote(x), {two, 2}};
}
REEVE_REMOTE(double, total, (pair, p))
{
    int64_t n = 0;
    double sum = 0, x;
    assert_int_equal(reeve_get(int64_t, p.a, &n), REEVE_OK);
    for (size_t i = 0; i < p.more.count; i++) {
        assert_int_equal(reeve_get(double, p.more.items[i], &x), REEVE_OK);
        sum += x;
    }
    return sum + (double)n;
}

/* The bytes say where, the list says which, in order. */
static void values_with_futures_travel(void **state)
{
    (void)state;
    reeve_future_double two[2] = {{12}, {13}};
    outer value = {5, {{11}, {two, 2}}, {14}}, back;
    uint8_t bytes[64];
    struct reeve_future_ids ids = {0};
    size_t size = reeve_codec_size(&reeve_type_outer, &value, 0, NULL);
    assert_int_equal(reeve_codec_pack(&reeve_type_outer, &value, bytes, 0, size), size);
    assert_int_equal(reeve_codec_check(bytes, size, NULL), REEVE_OK);
    assert_int_equal(reeve_codec_future_count(bytes, size), 4);
    assert_int_equal(reeve_codec_futures(&reeve_type_outer, &value, &ids, NULL), REEVE_OK);
    assert_int_equal(ids.count, 4);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(ids.ids[i], 11 + i);
    uint64_t theirs[5] = {21, 22, 23, 24, 25};
    assert_int_equal(
        reeve_codec_unpack_with(&reeve_type_outer, bytes, size, theirs, 4, &back, NULL, "it", NULL),
        REEVE_OK);
    assert_int_equal(back.p.a.id, 21);
    assert_int_equal(back.p.more.count, 2);
    assert_int_equal(back.p.more.items[1].id, 23);
    assert_int_equal(back.last.id, 24);
    reeve_clear(outer, &back);
    struct reeve_error_info error;
    assert_int_equal(reeve_codec_unpack_with(
                         &reeve_type_outer, bytes, size, theirs, 3, &back, NULL, "it", &error),
        REEVE_EPROTOCOL);
    assert_non_null(strstr(error.message, "member last: a future stands in the value"));
    assert_int_equal(reeve_codec_unpack_with(
                         &reeve_type_outer, bytes, size, theirs, 5, &back, NULL, "it", &error),
        REEVE_EPROTOCOL);
    assert_non_null(strstr(error.message, "more futures"));
    for (size_t cut = 0; cut < size; cut++)
        assert_int_not_equal(reeve_codec_unpack_with(
                                 &reeve_type_outer, bytes, cut, theirs, 4, &back, NULL, "it", NULL),
            REEVE_OK);
    reeve_future_ids_fini(&ids);
}

static void other_shapes_are_named(void **state)
{
    (void)state;
    static const struct {
        const struct reeve_type *type;
        const char *bytes;
        size_t size;
        const char *says;
        int code;
    } wrong[] = {
        {&reeve_type_reeve_future_int64_t, "\x05", 1,
            "it: expected future of int64_t, got the integer 5", REEVE_ETYPE},
        {&reeve_type_int64_t, "\xd4\x21\x00", 3, "it: expected int64, got a future", REEVE_ETYPE},
        {&reeve_type_reeve_futures_double, "\xd4\x21\x00", 3,
            "it: expected future of double[], got a future", REEVE_ETYPE},
        {&reeve_type_reeve_future, "\xd6\x22\x01\x00\x00\x00", 6,
            "it: expected future, got an array of futures", REEVE_ETYPE},
        {&reeve_type_reeve_futures, "\xd6\x22\xff\xff\xff\xff", 6, "that is not beside it",
            REEVE_EPROTOCOL},
        {&reeve_type_reeve_futures, "\xd4\x22\x01", 3, "that is not beside it", REEVE_EPROTOCOL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct reeve_error_info error;
        uint64_t one = 1, value[2];
        assert_int_equal(reeve_codec_unpack_with(wrong[i].type, wrong[i].bytes, wrong[i].size, &one,
                             1, value, NULL, "it", &error),
            wrong[i].code);
        if (strstr(error.message, wrong[i].says) == NULL)
            fail_msg("%zu: %s", i, error.message);
    }
    assert_true(reeve_codec_future_count("\xd4\x22\x01", 3) == UINT64_MAX);
    assert_true(reeve_codec_future_count("\x92\xd4\x21", 3) == UINT64_MAX);
    struct reeve_error_info error;
    pair none = {{0}, {NULL, 0}};
    assert_int_equal(reeve_codec_size(&reeve_type_pair, &none, 0, &error), 0);
    assert_non_null(strstr(error.message, "a future is 0"));
}

static void they_are_the_callers_own(void **state)
{
    (void)state;
    pair p;
    int64_t n;
    double x;
    assert_int_equal(both_get(both_remote(3), &p), REEVE_OK);
    assert_int_equal(total_get(total_remote(p), &x), REEVE_OK); /* lent, and still ours */
    assert_true(x == 13);
    assert_int_equal(total_get(reeve_call(total, reeve_put(pair, p)), &x), REEVE_OK);
    assert_true(x == 13);
    assert_int_equal(reeve_get(int64_t, p.a, &n), REEVE_OK);
    assert_int_equal(n, 9);
    assert_int_equal(reeve_get(int64_t, p.a, &n), REEVE_EHANDLE);
    assert_int_equal(total_get(total_remote(p), &x), REEVE_EHANDLE);
    assert_int_equal(reeve_get(double, p.more.items[0], &x), REEVE_OK);
    assert_int_equal(reeve_release(p.more.items[1]), REEVE_OK);
    reeve_clear(pair, &p);
}

/* Got as another type, nothing of the value is left behind, and the error says what it was. */
static void as_another_type(void **state)
{
    (void)state;
    int64_t n;
    assert_int_equal(reeve_get(int64_t, reeve_future_as(int64_t, both_remote(1)), &n), REEVE_ETYPE);
    reeve_future_reeve_future_int64_t f;
    reeve_future_int64_t inner = square_remote(2);
    f = reeve_put(reeve_future_int64_t, inner);
    assert_int_equal(reeve_get(int64_t, reeve_future_as(int64_t, f), &n), REEVE_ETYPE);
    assert_non_null(strstr(reeve_last_error()->message, "expected int64, got a future"));
    assert_int_equal(reeve_get(int64_t, inner, &n), REEVE_OK);
    /* a call that could not be submitted fails what is made of its future */
    reeve_task_options bad = {.size = sizeof bad, .cpus = -1};
    inner = square_remote_opts(&bad, 2);
    pair p = {inner, {NULL, 0}};
    double x;
    assert_int_equal(total_get(total_remote(p), &x), REEVE_EINVAL);
    assert_int_equal(reeve_get(pair, reeve_put(pair, p), &p), REEVE_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_with_futures_travel),
        cmocka_unit_test(other_shapes_are_named),
        cmocka_unit_test_setup_teardown(
            they_are_the_callers_own, inline_mode_begin, inline_mode_end),
        cmocka_unit_test_setup_teardown(as_another_type, inline_mode_begin, inline_mode_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
