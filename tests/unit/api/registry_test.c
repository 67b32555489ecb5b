/* The table of functions: order, signatures, duplicates, and how differences are described. */
#include "api/client/registry.h"

#include <stdarg.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

REEVE_STRUCT(point, (double, x), (double, y))

REEVE_REMOTE(point, shift, (point, p), (reeve_int32_array, by))
{
    (void)by;
    return p;
}
REEVE_REMOTE(void, alpha)
{
}
REEVE_REMOTE(bool, middle, (int, i), (size_t, n), (bool, b), (reeve_string, s))
{
    return b && i && n && s;
}

static int handler(void *context, const void *args, size_t size, reeve_packed *result)
{
    (void)context;
    *result = (reeve_packed){args, size};
    return REEVE_OK;
}

static void table_is_sorted(void **state)
{
    (void)state;
    assert_int_equal(reeve_register("python:task", handler, NULL), REEVE_OK);
    assert_int_equal(reeve_register("python:task", handler, NULL), REEVE_EINVAL);
    assert_non_null(strstr(reeve_last_error()->message, "taken"));
    assert_int_equal(reeve_register("alpha", handler, NULL), REEVE_EINVAL);
    assert_int_equal(reeve_register("bad name", handler, NULL), REEVE_EINVAL);
    assert_int_equal(reeve_register("", handler, NULL), REEVE_EINVAL);
    assert_int_equal(reeve_register(NULL, handler, NULL), REEVE_EINVAL);
    assert_int_equal(reeve_register("f", NULL, NULL), REEVE_EINVAL);

    assert_int_equal(reeve_registry_seal(NULL), REEVE_OK);
    assert_int_equal(reeve_registry_seal(NULL), REEVE_OK);
    assert_int_equal(reeve_registry_count(), 4);
    assert_string_equal(reeve_registry_text(),
        "alpha() -> void\n"
        "middle(int32, uint64, bool, string) -> bool\n"
        "python:task(packed) -> packed\n"
        "shift(point{double x, double y}, int32[]) -> point{double x, double y}\n");
    for (size_t i = 0; i < 4; i++) {
        const struct reeve_function *function = reeve_registry_at(i);
        assert_int_equal(function->index, i);
        assert_ptr_equal(reeve_registry_find(function->name), function);
    }
    assert_null(reeve_registry_at(4));
    assert_null(reeve_registry_find("beta"));
    assert_null(reeve_registry_find(""));
    assert_true(reeve_registry_hash() != 0);
    assert_int_equal(reeve_register("late", handler, NULL), REEVE_EINVAL);
}

static void expect(const char *ours, const char *theirs, const char *said)
{
    char buffer[512];
    assert_int_equal(reeve_registry_difference(ours, theirs, buffer, sizeof buffer), said[0] != 0);
    assert_string_equal(buffer, said);
}

static void differences_are_named(void **state)
{
    (void)state;
    expect("a() -> void\n", "a() -> void\n", "");
    expect("", "", "");
    expect(
        "a() -> void\nb(int64) -> int64\n", "a() -> void\n", "the worker lacks b(int64) -> int64");
    expect("a() -> void\n", "a() -> void\nc() -> void\n", "the driver lacks c() -> void");
    expect("b(int64) -> int64\nd() -> void\n", "b(int32) -> int64\ne() -> void\n",
        "the driver has b(int64) -> int64, the worker b(int32) -> int64; the worker lacks d() -> "
        "void; "
        "the driver lacks e() -> void");
    char small[20];
    assert_true(reeve_registry_difference("a() -> void\nb() -> void\n", "", small, sizeof small));
    assert_int_equal(strlen(small), sizeof small - 1);
    assert_true(reeve_registry_difference("no newline", "((\n\n", small, sizeof small));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_sorted),
        cmocka_unit_test(differences_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
