/* Hexadecimal text and ids, there and back, and what is refused. */
#include "tests/unit/test.h"

#include <string.h>

#include "runtime/base/errors.h"
#include "runtime/base/hex.h"

static void test_bytes(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x00, 0x9f, 0xa0, 0xff};
    uint8_t back[4] = {1, 1, 1, 1};
    char text[9];
    reeve_hex_encode(bytes, sizeof(bytes), text);
    assert_string_equal(text, "009fa0ff");
    assert_int_equal(reeve_hex_decode("009FA0fF", back, 4), REEVE_OK);
    assert_memory_equal(back, bytes, 4);

    memset(back, 1, sizeof(back));
    assert_int_equal(reeve_hex_decode("009fa0f", back, 4), REEVE_EINVAL);
    assert_int_equal(reeve_hex_decode("009fa0ff0", back, 4), REEVE_EINVAL);
    assert_int_equal(reeve_hex_decode("009fa0fg", back, 4), REEVE_EINVAL);
    assert_memory_equal(back, "\1\1\1\1", 4);
    assert_int_equal(reeve_hex_decode("", back, 0), REEVE_OK);
}

static void test_ids(void **state)
{
    (void)state;
    char text[REEVE_ID_TEXT_SIZE];
    uint64_t id = 0;
    assert_string_equal(reeve_id_format("task", 0x1f, text), "task-1f");
    assert_string_equal(reeve_id_format("node", 0, text), "node-0");
    assert_string_equal(
        reeve_id_format("abcdefghijkl", UINT64_MAX, text), "abcdefghijkl-ffffffffffffffff");
    assert_int_equal(reeve_id_parse("task", "task-1f", &id), REEVE_OK);
    assert_int_equal(id, 0x1f);
    assert_int_equal(reeve_id_parse("task", "ffffffffffffffff", &id), REEVE_OK);
    assert_true(id == UINT64_MAX);

    static const char *const bad[] = {
        "", "task-", "node-1f", "1fg", "1ffffffffffffffff", "task-1f "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(reeve_id_parse("task", bad[i], &id), REEVE_EINVAL);
    assert_true(id == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
