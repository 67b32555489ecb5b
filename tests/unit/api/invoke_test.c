/* Running one task from packed arguments: arity, types, objects, results, failures, nesting. */
#include "api/client/invoke.h"
#include "api/client/registry.h"
#include "runtime/base/macros.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

REEVE_STRUCT(point, (double, x), (int8_t, y))

REEVE_REMOTE(int64_t, add, (int64_t, a), (int64_t, b))
{
    return a + b;
}

REEVE_REMOTE(reeve_bytes, echo, (reeve_bytes, data))
{
    return data;
}

REEVE_REMOTE(double, sum, (reeve_double_array, numbers))
{
    double total = 0;
    for (size_t i = 0; i < numbers.count; i++)
        total += numbers.items[i];
    return total;
}

REEVE_REMOTE(point, move, (point, p))
{
    p.x++;
    return p;
}

REEVE_REMOTE(void, nothing)
{
}

REEVE_REMOTE(reeve_string, greet, (reeve_string, name))
{
    if (!*name) {
        reeve_fail(5, "nobody to greet, %d times", 3);
        return NULL;
    }
    if (strcmp(name, "null") == 0)
        return NULL;
    size_t size = strlen(name) + 8;
    char *text = reeve_alloc(size);
    snprintf(text, size, "hello %s", name);
    char *other = malloc(10);
    reeve_free_later(other);
    return text;
}

REEVE_REMOTE(reeve_double_array, zeros, (uint64_t, count))
{
    double *items = reeve_alloc(count * sizeof *items);
    memset(items, 0, count * sizeof *items);
    return (reeve_double_array){items, count};
}

static struct reeve_invocation invocation;

static const struct reeve_function *find(const char *name)
{
    const struct reeve_function *function = reeve_registry_find(name);
    assert_non_null(function);
    return function;
}

static int invoke(const char *name, const char *args, size_t size)
{
    reeve_invocation_fini(&invocation);
    reeve_invocation_init(&invocation, find(name), args, size);
    int rc = reeve_invoke(&invocation);
    assert_int_equal(rc, rc ? invocation.error.code : REEVE_OK);
    assert_null(reeve_invocation_current());
    return rc;
}
#define INVOKE(name, args) invoke(name, args, sizeof(args) - 1)

static void expect_result(const char *bytes, size_t size)
{
    assert_int_equal(invocation.result_size, size);
    assert_memory_equal(invocation.result, bytes, size);
}

static void results_are_packed(void **state)
{
    (void)state;
    assert_int_equal(INVOKE("add", "\x92\x05\xfe"), 0);
    expect_result("\x03", 1);
    assert_int_equal(INVOKE("echo", "\x91\xc4\2xy"), 0);
    expect_result("\xc4\2xy", 4);
    assert_int_equal(INVOKE("nothing", "\x90"), 0);
    expect_result("\xc0", 1);
    assert_int_equal(INVOKE("greet", "\x91\xa3you"), 0);
    expect_result("\xa9hello you", 10);
}

static void wrong_arguments_are_explained(void **state)
{
    (void)state;
    assert_int_equal(INVOKE("add", "\x91\x05"), REEVE_EARITY);
    assert_string_equal(
        invocation.error.message, "add(int64, int64) -> int64 takes 2 arguments, got 1");
    assert_string_equal(invocation.error.function, "add");
    assert_int_equal(INVOKE("echo", "\x92\1\2"), REEVE_EARITY);
    assert_string_equal(invocation.error.message, "echo(bytes) -> bytes takes 1 argument, got 2");
    assert_int_equal(INVOKE("add", "\x92\x05\xa1x"), REEVE_ETYPE);
    assert_string_equal(
        invocation.error.message, "argument 2 (b): expected int64, got a string of 1 bytes");
    assert_int_equal(INVOKE("move", "\x91\x92\xcb\0\0\0\0\0\0\0\0\xcc\xff"), REEVE_ETYPE);
    assert_string_equal(
        invocation.error.message, "argument 1 (p), member y: expected int8, got the integer 255");
}

static void malformed_arguments_are_refused(void **state)
{
    (void)state;
    assert_int_equal(INVOKE("add", ""), REEVE_EPROTOCOL);
    assert_int_equal(INVOKE("add", "\x07"), REEVE_EPROTOCOL);
    assert_int_equal(INVOKE("add", "\x92\x05"), REEVE_EPROTOCOL);
    assert_int_equal(INVOKE("add", "\x92\x05\x06\x07"), REEVE_EPROTOCOL);
    assert_int_equal(INVOKE("add", "\xdd\xff\xff\xff\xff"), REEVE_EPROTOCOL);
    char deep[102];
    memset(deep, 0x91, sizeof deep);
    deep[0] = (char)0x92;
    deep[1] = 5;
    deep[101] = 5;
    assert_int_equal(invoke("add", deep, sizeof deep), REEVE_EDEPTH);
}

static void failures_carry_code_and_message(void **state)
{
    (void)state;
    assert_int_equal(INVOKE("greet", "\x91\xa0"), REEVE_EFUNCTION);
    assert_int_equal(invocation.error.user_code, 5);
    assert_string_equal(invocation.error.message, "nobody to greet, 3 times");
    assert_string_equal(invocation.error.function, "greet");
    assert_int_equal(INVOKE("greet", "\x91\xa4null"), REEVE_EINVAL);
    assert_string_equal(
        invocation.error.message, "the result: a string is NULL (an empty one is \"\")");
}

/* ---- large objects --------------------------------------------------------------------------- */

struct object {
    const void *bytes;
    size_t size;
    int rc;
};

static int resolve(struct reeve_invocation *into, const uint8_t id[REEVE_OBJECT_ID_SIZE],
    uint64_t size, const void **bytes)
{
    struct object *object = into->context;
    assert_memory_equal(id, "0123456789abcdef", 16);
    assert_int_equal(size, object->size);
    *bytes = object->bytes;
    return object->rc;
}

static int invoke_with_object(
    const char *name, const char *before, size_t before_size, struct object *object)
{
    static char args[64];
    memcpy(args, before, before_size);
    reeve_codec_pack_object(
        (uint8_t *)args + before_size, (const uint8_t *)"0123456789abcdef", object->size);
    reeve_invocation_fini(&invocation);
    reeve_invocation_init(&invocation, find(name), args, before_size + REEVE_OBJECT_REFERENCE_SIZE);
    invocation.resolve = resolve;
    invocation.context = object;
    return reeve_invoke(&invocation);
}

static void objects_stand_for_arguments(void **state)
{
    (void)state;
    struct object object = {"\xd1\3\xe8", 3, REEVE_OK};
    assert_int_equal(invoke_with_object("add", "\x92\x01", 2, &object), 0);
    expect_result("\xcd\3\xe9", 3);
    object = (struct object){"\xa1x", 2, REEVE_OK};
    assert_int_equal(invoke_with_object("add", "\x92\x01", 2, &object), REEVE_ETYPE);
    assert_string_equal(
        invocation.error.message, "argument 2 (b): expected int64, got a string of 1 bytes");
    object = (struct object){"\1\1", 2, REEVE_OK};
    assert_int_equal(invoke_with_object("add", "\x92\x01", 2, &object), REEVE_EPROTOCOL);
    /* One object that holds all arguments. */
    object = (struct object){"\x92\1\2", 3, REEVE_OK};
    assert_int_equal(invoke_with_object("add", "", 0, &object), 0);
    expect_result("\3", 1);
    object = (struct object){"\x91\1", 2, REEVE_OK};
    assert_int_equal(invoke_with_object("add", "", 0, &object), REEVE_EARITY);
    object = (struct object){NULL, 5, REEVE_ELOST};
    assert_int_equal(invoke_with_object("add", "", 0, &object), REEVE_ELOST);
    assert_int_equal(invoke_with_object("add", "\x92\x01", 2, &object), REEVE_ELOST);
    assert_true(invocation.error.message[0]);
    assert_int_equal(INVOKE("echo", "\x91\xc7\x18\x20"
                                    "0123456789abcdef\1\0\0\0\0\0\0\0"),
        REEVE_EPROTOCOL);
}

static int count_arguments(void *context, const void *args, size_t size, reeve_packed *result)
{
    uint8_t *copy = reeve_alloc(size);
    memcpy(copy, args, size);
    *result = (reeve_packed){copy, size};
    if (size == 2 && copy[1] == 0)
        *result = (reeve_packed){"\x91", 1}; /* not a whole value */
    if (size == 2 && copy[1] == 1)
        return REEVE_EFULL;
    if (size == 2 && copy[1] == 2)
        reeve_fail(9, "two");
    *(int *)context += 1;
    return REEVE_OK;
}

static void a_failure_may_quote_the_last_one(void **state)
{
    (void)state;
    reeve_fail(5, "the first");
    reeve_fail(6, "%s, and the second", reeve_last_error()->message);
    assert_int_equal(reeve_last_error()->user_code, 6);
    assert_string_equal(reeve_last_error()->message, "the first, and the second");
}

static int handler_calls;

static void handlers_get_whole_arguments(void **state)
{
    (void)state;
    assert_int_equal(INVOKE("packed", "\x92\x05\xa1x"), 0);
    expect_result("\x92\x05\xa1x", 4);
    struct object object = {"\xa3"
                            "abc",
        4, REEVE_OK};
    assert_int_equal(invoke_with_object("packed", "\x92\x05", 2, &object), 0);
    expect_result("\x92\x05\xa3"
                  "abc",
        6);
    assert_int_equal(handler_calls, 2);
    assert_int_equal(INVOKE("packed", "\x91\x00"), REEVE_EPROTOCOL);
    assert_int_equal(INVOKE("packed", "\x91\x01"), REEVE_EFULL);
    assert_int_equal(INVOKE("packed", "\x91\x02"), REEVE_EFUNCTION);
    assert_int_equal(invocation.error.user_code, 9);
    assert_int_equal(INVOKE("packed", "\x91"), REEVE_EPROTOCOL);
    assert_int_equal(INVOKE("packed", "\x05"), REEVE_EPROTOCOL);
}

/* ---- memory for results ---------------------------------------------------------------------- */

static void *refuse(struct reeve_invocation *into, size_t size)
{
    (void)size;
    into->error.code = REEVE_EFULL;
    return NULL;
}

static void results_lie_where_the_caller_says(void **state)
{
    (void)state;
    uint8_t slot[16];
    reeve_invocation_fini(&invocation);
    reeve_invocation_init(&invocation, find("zeros"), "\x91\1", 2);
    invocation.result = slot;
    invocation.result_capacity = sizeof slot;
    assert_int_equal(reeve_invoke(&invocation), 0);
    assert_ptr_equal(invocation.result, slot);
    reeve_invocation_fini(&invocation);

    reeve_invocation_init(&invocation, find("zeros"), "\x91\2", 2);
    invocation.result = slot;
    invocation.result_capacity = sizeof slot;
    invocation.reserve = refuse;
    assert_int_equal(reeve_invoke(&invocation), REEVE_EFULL);
    reeve_invocation_fini(&invocation);

    /* Large ones are aligned for reading in place. */
    assert_int_equal(INVOKE("zeros", "\x91\xcd\x10\0"), 0);
    assert_int_equal((uintptr_t)invocation.result % 64, 0);
    assert_int_equal(invocation.result_size, 64 + 4096 * 8);
}

/* ---- tasks that run tasks -------------------------------------------------------------------- */

REEVE_REMOTE(reeve_string, outer_task, (reeve_string, name))
{
    char *mine = reeve_alloc(100);
    struct reeve_invocation inner;
    reeve_invocation_init(&inner, reeve_registry_find("greet"), "\x91\xa0", 2);
    int rc = reeve_invoke(&inner);
    snprintf(mine, 100, "%.9s: %.60s", name, rc == REEVE_EFUNCTION ? inner.error.message : "?");
    reeve_invocation_fini(&inner);
    return mine;
}

static void invocations_nest(void **state)
{
    (void)state;
    assert_int_equal(INVOKE("outer_task", "\x91\xa1x"), 0);
    expect_result("\xbbx: nobody to greet, 3 times", 28);
}

static int seal(void **state)
{
    (void)state;
    assert_int_equal(reeve_register("packed", count_arguments, &handler_calls), 0);
    return reeve_registry_seal(NULL);
}

static int finish(void **state)
{
    (void)state;
    reeve_invocation_fini(&invocation);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_packed),
        cmocka_unit_test(wrong_arguments_are_explained),
        cmocka_unit_test(malformed_arguments_are_refused),
        cmocka_unit_test(failures_carry_code_and_message),
        cmocka_unit_test(a_failure_may_quote_the_last_one),
        cmocka_unit_test(objects_stand_for_arguments),
        cmocka_unit_test(handlers_get_whole_arguments),
        cmocka_unit_test(results_lie_where_the_caller_says),
        cmocka_unit_test(invocations_nest),
    };
    return cmocka_run_group_tests(tests, seal, finish);
}
