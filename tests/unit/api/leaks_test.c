/* Which of the lines that addr2line names is the place where the program has made something. */
#include "api/client/leaks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static char text[64];

static void the_first_that_no_macro_has_made(void **state)
{
    (void)state;
    assert_true(reeve_place_pick("0x0000000000001234\nsquare_remote_opts\n/a/squares.c:6\n"
                                 "square_remote\n/a/squares.c:6\nmain\n/a/squares.c:20\n",
        "square", text, sizeof(text)));
    assert_string_equal(text, "/a/squares.c:20");
    assert_true(reeve_place_pick("0x12\nsquare_remote\n/a/squares.c:6\n0x34\nmain\n/a/squares.c:21 "
                                 "(discriminator 3)\n",
        "square", text, sizeof(text)));
    assert_string_equal(text, "/a/squares.c:21");
    assert_true(reeve_place_pick("0x12\nreeve_put_double\n/usr/include/reeve_typed.h:6\n"
                                 "of_mine\n/a/x.c:3\nmain\n/a/x.c:9\n",
        "", text, sizeof(text)));
    assert_string_equal(text, "/a/x.c:3");
}

static void functions_of_the_program_with_like_names(void **state)
{
    (void)state;
    assert_true(reeve_place_pick(
        "0x12\nsquares\n/a/x.c:3\nmain\n/a/x.c:9\n", "square", text, sizeof(text)));
    assert_string_equal(text, "/a/x.c:3");
    assert_true(
        reeve_place_pick("0x12\nsquare\n/a/x.c:4\nmain\n/a/x.c:9\n", "square", text, sizeof(text)));
    assert_string_equal(text, "/a/x.c:4");
    assert_true(reeve_place_pick("0x12\ncounter_create(long)\n/a/x.cc:4\nmain\n/a/x.cc:9\n",
        "counter_reeve_new", text, sizeof(text)));
    assert_string_equal(text, "/a/x.cc:9");
}

static void nothing_that_is_of_use(void **state)
{
    (void)state;
    static const char *const useless[] = {"", "0x12\n", "0x12\n??\n??:0\n", "0x12\nmain\n??:?\n",
        "0x12\nmain\n/a/x.c:?\n", "0x12\nmain", "main\n", "\n\n\n", "0x12\nreeve_put\n/a/x.c:3\n"};
    for (size_t i = 0; i < sizeof(useless) / sizeof(*useless); i++)
        assert_false(reeve_place_pick(useless[i], "square", text, sizeof(text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_no_macro_has_made),
        cmocka_unit_test(functions_of_the_program_with_like_names),
        cmocka_unit_test(nothing_that_is_of_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
