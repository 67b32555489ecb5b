/* What is UTF-8, what is made of the rest. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/macros.h"
#include "runtime/base/utf8.h"

static void characters_have_sizes(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "\n", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
        "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"", "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2 ",
        "\xe0\x9f\xbf", "\xe1\x80", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xf1\x80\x80", "\xff"};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(good); i++)
        assert_int_equal(reeve_utf8_size(good[i]), strlen(good[i]));
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(bad); i++)
        assert_int_equal(reeve_utf8_size(bad[i]), 0);
    assert_int_equal(reeve_utf8_size("\xc3\xa4\xc3\xb6"), 2);
}

static void some_are_not_printed(void **state)
{
    (void)state;
    static const char *const control[] = {"\n", "\x1f", "\x7f", "\xc2\x80", "\xc2\x9f"};
    static const char *const printed[] = {" ", "~", "\xc2\xa0", "\xc3\x80", "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(control); i++)
        assert_true(reeve_utf8_is_control(control[i]));
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(printed); i++)
        assert_false(reeve_utf8_is_control(printed[i]));
}

static void the_rest_is_mended(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"", ""},
        {"plain\n", "plain\n"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xff", "?"},
        {"pi\xff-2\x80", "pi?-2?"},
        {"\xed\xa0\x80.", "???."},
        {"cut off \xe2\x82", "cut off "},
        {"cut off \xc3", "cut off "},
        {"\xf0\x9f\x98", ""},
        {"\xe2\x82.", "??."},
        {"\x80\xe2\x82", "?"},
    };
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(cases); i++) {
        char text[32];
        snprintf(text, sizeof(text), "%s", cases[i].from);
        assert_string_equal(reeve_utf8_mend(text), cases[i].to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_have_sizes),
        cmocka_unit_test(some_are_not_printed),
        cmocka_unit_test(the_rest_is_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
