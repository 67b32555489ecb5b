/* The dynamic front door in inline mode: packed calls, splices, handlers, put and get of packed
 * values. */
#include <reeve.h>

#include <stdarg.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/unit/api/inline_mode.h"

REEVE_REMOTE(int64_t, add, (int64_t, a), (int64_t, b))
{
    return a + b;
}

static int echo(void *context, const void *args, size_t size, reeve_packed *result)
{
    (void)context;
    *result = (reeve_packed){args, size};
    return REEVE_OK;
}

static int submit(const char *function, const char *args, size_t size, const reeve_splice *splices,
    size_t count, reeve_future *future)
{
    reeve_submission submission = {.size = sizeof submission,
        .function = function,
        .args = args,
        .args_size = size,
        .splices = splices,
        .splice_count = count};
    return reeve_submit(&submission, future);
}
#define SUBMIT(function, args, future) submit(function, args, sizeof(args) - 1, NULL, 0, future)

static void expect(reeve_future future, const char *bytes, size_t size)
{
    reeve_packed packed;
    assert_int_equal(reeve_get_packed(future, REEVE_FOREVER, &packed), REEVE_OK);
    assert_int_equal(packed.size, size);
    assert_memory_equal(packed.bytes, bytes, size);
    reeve_free(packed.bytes);
    assert_int_equal(reeve_get_packed(future, REEVE_FOREVER, &packed), REEVE_EHANDLE);
}

static void calls_by_name(void **state)
{
    (void)state;
    reeve_future future;
    assert_int_equal(SUBMIT("add", "\x92\x02\x03", &future), REEVE_OK);
    expect(future, "\x05", 1);
    assert_int_equal(SUBMIT("echo", "\x93\x02\xa1x\xc0", &future), REEVE_OK);
    expect(future, "\x93\x02\xa1x\xc0", 5);
}

static void splices(void **state)
{
    (void)state;
    reeve_future two, result;
    assert_int_equal(reeve_put_packed("\x02", 1, &two), REEVE_OK);
    reeve_splice both[] = {{1, two}, {2, two}};
    assert_int_equal(submit("add", "\x92\xc0\xc0", 3, both, 2, &result), REEVE_OK);
    expect(result, "\x04", 1);
    reeve_splice second = {4, two};
    assert_int_equal(submit("echo", "\x93\xa2zz\x07\xc0", 6, &second, 1, &result),
        REEVE_EINVAL); /* not at the nil */
    second.offset = 5;
    assert_int_equal(submit("echo", "\x92\xa3zzz\xc0", 6, &second, 1, &result), REEVE_OK);
    expect(result, "\x92\xa3zzz\x02", 6);

    /* Inside an argument, twice the same place, descending, beyond the end: refused. */
    reeve_splice inside = {2, two};
    assert_int_equal(submit("echo", "\x91\x91\xc0", 3, &inside, 1, &result), REEVE_EINVAL);
    reeve_splice twice[] = {{1, two}, {1, two}};
    assert_int_equal(submit("echo", "\x92\xc0\xc0", 3, twice, 2, &result), REEVE_EINVAL);
    reeve_splice descending[] = {{2, two}, {1, two}};
    assert_int_equal(submit("echo", "\x92\xc0\xc0", 3, descending, 2, &result), REEVE_EINVAL);
    reeve_splice beyond = {900, two};
    assert_int_equal(submit("echo", "\x91\xc0", 2, &beyond, 1, &result), REEVE_EINVAL);
    reeve_release(two);
    reeve_splice stale = {1, two};
    assert_int_equal(submit("echo", "\x91\xc0", 2, &stale, 1, &result), REEVE_EHANDLE);
    stale.future.id = 0;
    assert_int_equal(submit("echo", "\x91\xc0", 2, &stale, 1, &result), REEVE_EHANDLE);
    stale.future.id = UINT64_MAX;
    assert_int_equal(submit("echo", "\x91\xc0", 2, &stale, 1, &result), REEVE_EHANDLE);
}

static void bad_submissions(void **state)
{
    (void)state;
    reeve_future future = {77};
    assert_int_equal(SUBMIT("subtract", "\x92\x02\x03", &future), REEVE_ENOFUNCTION);
    assert_string_equal(
        reeve_last_error()->message, "this program has no remote function \"subtract\"");
    assert_int_equal(SUBMIT("add", "\x92\x02", &future), REEVE_EPROTOCOL);
    assert_string_equal(reeve_last_error()->function, "add");
    assert_int_equal(SUBMIT("add", "\x92\x02\x03\x04", &future), REEVE_EPROTOCOL);
    assert_int_equal(SUBMIT("add", "\x02", &future), REEVE_EPROTOCOL);
    assert_int_equal(SUBMIT("add", "", &future), REEVE_EPROTOCOL);
    assert_int_equal(submit("add", NULL, 0, NULL, 0, &future), REEVE_EPROTOCOL);
    assert_int_equal(submit(NULL, "\x90", 1, NULL, 0, &future), REEVE_EINVAL);
    char deep[64];
    memset(deep, 0x91, sizeof deep);
    deep[63] = 1;
    assert_int_equal(submit("add", deep, sizeof deep, NULL, 0, &future), REEVE_EDEPTH);
    assert_int_equal(future.id, 77);
    /* What only the function can know comes with the result. */
    reeve_packed packed = {NULL, 5};
    assert_int_equal(SUBMIT("add", "\x91\x02", &future), REEVE_OK);
    assert_int_equal(reeve_get_packed(future, 0, &packed), REEVE_EARITY);
    assert_int_equal(SUBMIT("add", "\x92\x02\xc3", &future), REEVE_OK);
    assert_int_equal(reeve_get_packed(future, 0, &packed), REEVE_ETYPE);
    assert_int_equal(packed.size, 5);
}

static void many_at_once(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static reeve_submission submissions[MANY];
    static reeve_future futures[MANY];
    static reeve_packed values[MANY];
    static int codes[MANY];
    reeve_future two;
    assert_int_equal(reeve_put_packed("\x02", 1, &two), REEVE_OK);
    reeve_splice both[] = {{1, two}, {2, two}};
    for (int i = 0; i < MANY; i++)
        submissions[i] = (reeve_submission){.size = sizeof(reeve_submission),
            .function = i == 200 ? "subtract" : "add",
            .args = i % 3 ? "\x92\xc0\xc0" : "\x92\x01\x02",
            .args_size = 3,
            .splices = both,
            .splice_count = i % 3 ? 2 : 0};
    submissions[7].args_size = 2;
    assert_int_equal(reeve_submit_many(submissions, MANY, futures), REEVE_EPROTOCOL);
    assert_string_equal(reeve_last_error()->function, "add");
    assert_int_equal(reeve_get_packed_many(futures, MANY, values, codes), REEVE_EPROTOCOL);
    for (int i = 0; i < MANY; i++) {
        int code = i == 7 ? REEVE_EPROTOCOL : i == 200 ? REEVE_ENOFUNCTION : REEVE_OK;
        assert_int_equal(codes[i], code);
        assert_int_equal(values[i].size, code == REEVE_OK);
        if (code == REEVE_OK)
            assert_memory_equal(values[i].bytes, i % 3 ? "\x04" : "\x03", 1);
        reeve_free(values[i].bytes);
    }
    assert_int_equal(reeve_submit_many(submissions, 0, NULL), REEVE_OK);
    assert_int_equal(reeve_get_packed_many(NULL, 0, NULL, NULL), REEVE_OK);
}

static void packed_values(void **state)
{
    (void)state;
    reeve_future future;
    assert_int_equal(reeve_put_packed("\x92\x01\xa1x", 4, &future), REEVE_OK);
    expect(future, "\x92\x01\xa1x", 4);
    assert_int_equal(reeve_put_packed("\x92\x01", 2, &future), REEVE_EPROTOCOL);
    assert_int_equal(reeve_put_packed("", 0, &future), REEVE_EPROTOCOL);
    assert_int_equal(reeve_put_packed(NULL, 0, &future), REEVE_EPROTOCOL);
    /* A typed value and a packed one are the same thing. */
    reeve_future_int64_t seven = reeve_put(int64_t, 7);
    expect(reeve_untyped(seven), "\x07", 1);
}

static int begin(void **state)
{
    (void)state;
    int rc = reeve_register("echo", echo, NULL);
    return rc ? rc : inline_mode_begin(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_by_name),
        cmocka_unit_test(splices),
        cmocka_unit_test(bad_submissions),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(packed_values),
    };
    return cmocka_run_group_tests(tests, begin, inline_mode_end);
}
