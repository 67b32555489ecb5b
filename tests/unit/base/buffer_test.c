/* The byte buffer: appending, consuming from the front, reuse of its memory, detaching. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/buffer.h"
#include "runtime/base/errors.h"
#include "runtime/base/prng.h"

static void test_append(void **state)
{
    (void)state;
    struct reeve_buffer buffer;
    reeve_buffer_init(&buffer);
    assert_int_equal(reeve_buffer_append(&buffer, NULL, 0), REEVE_OK);
    assert_null(buffer.data);
    assert_int_equal(reeve_buffer_append_string(&buffer, "one "), REEVE_OK);
    assert_int_equal(reeve_buffer_append_format(&buffer, "%d %s", 2, "three"), REEVE_OK);
    assert_int_equal(buffer.size, 11);
    assert_memory_equal(buffer.data, "one 2 three", 11);
    reeve_buffer_consume(&buffer, 4);
    assert_memory_equal(buffer.data, "2 three", 7);

    size_t size;
    uint8_t *data = reeve_buffer_detach(&buffer, &size);
    assert_int_equal(size, 7);
    assert_memory_equal(data, "2 three", 7);
    free(data);
    assert_null(reeve_buffer_detach(&buffer, &size));
    assert_int_equal(size, 0);
    reeve_buffer_fini(&buffer);
}

static void test_reserve(void **state)
{
    (void)state;
    struct reeve_buffer buffer;
    reeve_buffer_init(&buffer);
    uint8_t *room = reeve_buffer_reserve(&buffer, 1000);
    assert_non_null(room);
    memset(room, 'x', 10);
    reeve_buffer_commit(&buffer, 10);
    assert_int_equal(buffer.size, 10);
    assert_null(reeve_buffer_reserve(&buffer, SIZE_MAX - 5));
    assert_memory_equal(buffer.data, "xxxxxxxxxx", 10);
    reeve_buffer_fini(&buffer);
}

/* A stream of counting bytes goes through unharmed, and in steady state the block does not grow. */
static void test_stream(void **state)
{
    (void)state;
    struct reeve_prng prng;
    struct reeve_buffer buffer;
    uint8_t in = 0, out = 0;
    reeve_prng_init(&prng, 9);
    reeve_buffer_init(&buffer);
    for (int step = 0; step < 50000; step++) {
        uint8_t bytes[64];
        size_t count = reeve_prng_below(&prng, sizeof(bytes));
        for (size_t i = 0; i < count; i++)
            bytes[i] = in++;
        assert_int_equal(reeve_buffer_append(&buffer, bytes, count), REEVE_OK);
        size_t take = buffer.size > 200 ? buffer.size : reeve_prng_below(&prng, buffer.size + 1);
        for (size_t i = 0; i < take; i++)
            assert_int_equal(buffer.data[i], out++);
        reeve_buffer_consume(&buffer, take);
    }
    assert_true(buffer.capacity <= 1024);
    reeve_buffer_clear(&buffer);
    assert_int_equal(buffer.size, 0);
    reeve_buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
