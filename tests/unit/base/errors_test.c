/* The list of errors: names, texts, no number given twice. */
#include "tests/unit/test.h"

#include <ctype.h>
#include <string.h>

#include "runtime/base/errors.h"
#include "runtime/base/macros.h"

static const struct {
    const char *name;
    int number;
} all[] = {
#define ROW(name, number, text) {"REEVE_" #name, number},
    REEVE_ERROR_MAP(ROW)
#undef ROW
};

static void test_names_and_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(all); i++) {
        assert_string_equal(reeve_error_name(all[i].number), all[i].name);
        const char *text = reeve_strerror(all[i].number);
        assert_true(islower((unsigned char)text[0]));
        assert_true(text[strlen(text) - 1] != '.');
        assert_in_range(-all[i].number, 1001, 1999); /* apart from -errno */
        for (size_t other = 0; other < i; other++)
            assert_int_not_equal(all[i].number, all[other].number);
    }
}

static void test_others(void **state)
{
    (void)state;
    assert_string_equal(reeve_error_name(REEVE_OK), "REEVE_OK");
    assert_string_equal(reeve_strerror(REEVE_OK), "success");
    assert_string_equal(reeve_error_name(-5), "REEVE_UNKNOWN");
    assert_string_equal(reeve_strerror(-5), "unknown error");
    assert_string_equal(reeve_error_name(17), "REEVE_UNKNOWN");
    assert_non_null(reeve_strerror(17));
    assert_int_equal(REEVE_ETIMEDOUT, -1003); /* numbers are for ever */
    assert_int_equal(REEVE_EINTERNAL, -1035);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_texts),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
