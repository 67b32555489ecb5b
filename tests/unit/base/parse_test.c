/* Parsing of numbers, sizes and durations: what is taken, what is refused, and what the refusal
 * says. */
#include "tests/unit/test.h"

#include <string.h>

#include "runtime/base/errors.h"
#include "runtime/base/macros.h"
#include "runtime/base/parse.h"

static void test_integers(void **state)
{
    (void)state;
    char why[REEVE_WHY_SIZE];
    uint64_t u = 7;
    int64_t i = 7;
    assert_int_equal(reeve_parse_u64("18446744073709551615", 0, UINT64_MAX, &u, why), REEVE_OK);
    assert_true(u == UINT64_MAX);
    u = 7;
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "-1", "1.0", "0x10", "18446744073709551616", "101"};
    for (size_t n = 0; n < REEVE_ARRAY_COUNT(bad); n++)
        assert_int_equal(reeve_parse_u64(bad[n], 0, 100, &u, why), REEVE_EINVAL);
    assert_int_equal(u, 7);
    assert_string_equal(why, "'101' is not a whole number from 0 to 100");
    assert_int_equal(reeve_parse_u64("x", 0, 100, &u, NULL), REEVE_EINVAL);

    assert_int_equal(
        reeve_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i, why), REEVE_OK);
    assert_true(i == INT64_MIN);
    assert_int_equal(reeve_parse_i64("+12", -20, 20, &i, why), REEVE_OK);
    assert_int_equal(i, 12);
    assert_int_equal(
        reeve_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &i, why), REEVE_EINVAL);
    assert_int_equal(reeve_parse_i64("-21", -20, 20, &i, why), REEVE_EINVAL);
    assert_int_equal(reeve_parse_i64("--1", -20, 20, &i, why), REEVE_EINVAL);
    assert_int_equal(i, 12);
}

static void test_double_and_bool(void **state)
{
    (void)state;
    double number = 0;
    bool yes = false;
    assert_int_equal(reeve_parse_double("0.5", 0, 10, &number, NULL), REEVE_OK);
    assert_true(number == 0.5);
    static const char *const bad[] = {"", "nan", "inf", "0x1p3", "1,5", " 1", "1e999", "11", "1-"};
    for (size_t n = 0; n < REEVE_ARRAY_COUNT(bad); n++)
        assert_int_equal(reeve_parse_double(bad[n], 0, 10, &number, NULL), REEVE_EINVAL);
    assert_true(number == 0.5);
    assert_int_equal(reeve_parse_bool("on", &yes, NULL), REEVE_OK);
    assert_true(yes);
    assert_int_equal(reeve_parse_bool("no", &yes, NULL), REEVE_OK);
    assert_false(yes);
    assert_int_equal(reeve_parse_bool("Yes!", &yes, NULL), REEVE_EINVAL);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t size_bytes;
    } good[] = {
        {"0", 0},
        {"512", 512},
        {"512B", 512},
        {"1K", 1024},
        {"64KiB", 65536},
        {"1kB", 1000},
        {"512MiB", 512ull << 20},
        {"512 MiB", 512ull << 20},
        {"1.5GiB", 3ull << 29},
        {"2G", 2ull << 30},
        {"3TB", 3000000000000},
        {"30%", 300},
        {"100%", 1000},
        {"0.5%", 5},
        {"16777215TiB", 16777215ull << 40},
    };
    uint64_t size = 1;
    char why[REEVE_WHY_SIZE];
    for (size_t n = 0; n < REEVE_ARRAY_COUNT(good); n++) {
        assert_int_equal(reeve_parse_size(good[n].text, 1000, &size, why), REEVE_OK);
        assert_true(size == good[n].size_bytes);
    }
    size = 1;
    static const char *const bad[] = {"", "MiB", "-1", "1.", ".5M", "1.0000000001K", "101%", "12XB",
        "1 2", "%", "16777216TiB", "99999999999999999999", "1MiBB"};
    for (size_t n = 0; n < REEVE_ARRAY_COUNT(bad); n++)
        assert_int_equal(reeve_parse_size(bad[n], 1000, &size, why), REEVE_EINVAL);
    assert_int_equal(size, 1);
    assert_string_equal(
        why, "'1MiBB' is not a size such as 512MiB or 4GiB, or a share such as 30%");
    assert_int_equal(reeve_parse_size("30%", 0, &size, why), REEVE_EINVAL);
    assert_string_equal(why, "'30%' is not a size such as 512MiB or 4GiB");
    assert_int_equal(
        reeve_parse_size(
            "a\033[31m\n0123456789012345678901234567890123456789012345678901234", 0, &size, why),
        REEVE_EINVAL);
    assert_null(strpbrk(why, "\033\n"));
    assert_non_null(strstr(why, "...' is not a size"));
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t duration_ns;
    } good[] = {
        {"0", 0},
        {"0s", 0},
        {"10s", 10000000000},
        {"500ms", 500000000},
        {"1.5h", 5400000000000},
        {"3us", 3000},
        {"7ns", 7},
        {"2m", 120000000000},
        {"2min", 120000000000},
        {"1d", 86400000000000},
        {"0.000000001s", 1},
    };
    uint64_t duration = 1;
    char why[REEVE_WHY_SIZE];
    for (size_t n = 0; n < REEVE_ARRAY_COUNT(good); n++) {
        assert_int_equal(reeve_parse_duration(good[n].text, &duration, why), REEVE_OK);
        assert_true(duration == good[n].duration_ns);
    }
    duration = 1;
    static const char *const bad[] = {"", "10", "s", "-1s", "1.s", "1sec", "999999999999d", "1s "};
    for (size_t n = 0; n < REEVE_ARRAY_COUNT(bad); n++)
        assert_int_equal(reeve_parse_duration(bad[n], &duration, why), REEVE_EINVAL);
    assert_int_equal(duration, 1);
    assert_string_equal(why, "'1s ' is not a duration such as 500ms, 10s or 5m");
}

static void test_size_format(void **state)
{
    (void)state;
    char text[REEVE_SIZE_TEXT_SIZE];
    assert_string_equal(reeve_size_format(0, text), "0B");
    assert_string_equal(reeve_size_format(1023, text), "1023B");
    assert_string_equal(reeve_size_format(1024, text), "1KiB");
    assert_string_equal(reeve_size_format(1536, text), "1.50KiB");
    assert_string_equal(reeve_size_format(64ull << 30, text), "64GiB");
    assert_string_equal(reeve_size_format(UINT64_MAX, text), "16.00EiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_double_and_bool),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_size_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
