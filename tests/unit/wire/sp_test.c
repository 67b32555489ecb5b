/* Messages over a connection, cut in any way; and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <reeve_errors.h>

#include "runtime/base/macros.h"
#include "runtime/wire/sp.h"

#define SIZE_MAX_TAKEN 300000u

static const size_t sizes[] = {
    0, 1, 3, 100, 0, 2039, 2040, 2041, 2048, 5000, 12, SIZE_MAX_TAKEN, 7, 7};

static uint8_t byte_of(size_t message, size_t at)
{
    return (uint8_t)(message * 31 + at * 7);
}

/* Greeting and all messages; from malloc. */
static uint8_t *all_bytes(bool local, size_t *ret_size)
{
    uint8_t *bytes = malloc(2 * SIZE_MAX_TAKEN);
    assert_non_null(bytes);
    reeve_sp_greeting_write(bytes, REEVE_SP_PUSH);
    size_t at = REEVE_SP_GREETING_SIZE;
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(sizes); i++) {
        at += reeve_sp_head_write(bytes + at, local, sizes[i]);
        for (size_t j = 0; j < sizes[i]; j++)
            bytes[at++] = byte_of(i, j);
    }
    *ret_size = at;
    return bytes;
}

/* Puts up to `size` bytes where they belong; how many there was room for. */
static size_t put(struct reeve_sp_reader *reader, const uint8_t *bytes, size_t size)
{
    struct reeve_sp_place places[2];
    unsigned count = reeve_sp_reader_places(reader, places);
    size_t done = 0;
    assert_in_range(count, 1, 2);
    for (unsigned i = 0; i < count; i++) {
        size_t part = REEVE_MIN(places[i].size, size - done);
        assert_int_not_equal(places[i].size, 0);
        memcpy(places[i].bytes, bytes + done, part);
        done += part;
    }
    reeve_sp_reader_take(reader, done);
    return done;
}

static void check_cut(bool local, size_t cut)
{
    size_t size, at = 0, count = 0;
    uint8_t *bytes = all_bytes(local, &size);
    struct reeve_sp_reader reader;
    reeve_sp_reader_init(&reader, local, SIZE_MAX_TAKEN);
    while (at < size) {
        struct reeve_sp_message *message;
        int error;
        at += put(&reader, bytes + at, REEVE_MIN(cut, size - at));
        while ((error = reeve_sp_reader_next(&reader, &message)) == REEVE_OK) {
            assert_int_equal(message->size, sizes[count]);
            for (size_t j = 0; j < message->size; j++)
                assert_int_equal(message->bytes[j], byte_of(count, j));
            free(message);
            count++;
        }
        assert_int_equal(error, REEVE_EAGAIN);
    }
    assert_int_equal(count, REEVE_ARRAY_COUNT(sizes));
    reeve_sp_reader_fini(&reader);
    free(bytes);
}

static void test_any_cut(void **state)
{
    (void)state;
    const size_t cuts[] = {1, 2, 7, 8, 9, 10, 100, 2047, 2048, 2049, 4096, 65536, SIZE_MAX};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(cuts); i++) {
        check_cut(false, cuts[i]);
        check_cut(true, cuts[i]);
    }
}

/* What these bytes are told to be. */
static int verdict(bool local, const uint8_t *bytes, size_t size)
{
    struct reeve_sp_reader reader;
    struct reeve_sp_message *message = NULL;
    reeve_sp_reader_init(&reader, local, SIZE_MAX_TAKEN);
    assert_int_equal(put(&reader, bytes, size), size);
    int error = reeve_sp_reader_next(&reader, &message);
    free(message);
    reeve_sp_reader_fini(&reader);
    return error;
}

static void test_what_is_none(void **state)
{
    (void)state;
    uint8_t bytes[REEVE_SP_GREETING_SIZE + REEVE_SP_HEAD_SIZE_MAX];
    const size_t greeting = REEVE_SP_GREETING_SIZE;
    reeve_sp_greeting_write(bytes, REEVE_SP_PULL); /* two that receive have nothing to say */
    assert_int_equal(verdict(false, bytes, greeting), REEVE_EPROTOCOL);
    assert_int_equal(verdict(false, (const uint8_t *)"GET / HT", 8), REEVE_EPROTOCOL);
    assert_int_equal(verdict(false, (const uint8_t *)"GET / H", 7), REEVE_EAGAIN);
    reeve_sp_greeting_write(bytes, REEVE_SP_PUSH);
    assert_int_equal(verdict(false, bytes, greeting), REEVE_EAGAIN);

    reeve_sp_head_write(bytes + greeting, false, SIZE_MAX_TAKEN);
    assert_int_equal(verdict(false, bytes, greeting + 8), REEVE_EAGAIN);
    reeve_sp_head_write(bytes + greeting, false, SIZE_MAX_TAKEN + 1);
    assert_int_equal(verdict(false, bytes, greeting + 7), REEVE_EAGAIN);
    assert_int_equal(verdict(false, bytes, greeting + 8), REEVE_EPROTOCOL);
    reeve_sp_head_write(bytes + greeting, false, SIZE_MAX);
    assert_int_equal(verdict(false, bytes, greeting + 8), REEVE_EPROTOCOL);
    reeve_sp_head_write(bytes + greeting, true, 1);
    assert_int_equal(verdict(true, bytes, greeting + 9), REEVE_EAGAIN);
    bytes[greeting] = 2;
    assert_int_equal(verdict(true, bytes, greeting + 1), REEVE_EPROTOCOL);
}

/* One that is too large for now waits, and is read when it may be; what is too large at all is not
 * let wait. */
static void test_too_large_for_now(void **state)
{
    (void)state;
    uint8_t bytes[REEVE_SP_GREETING_SIZE + REEVE_SP_HEAD_SIZE_MAX + 5] = {0};
    struct reeve_sp_reader reader;
    struct reeve_sp_message *message;
    reeve_sp_greeting_write(bytes, REEVE_SP_PUSH);
    size_t size =
        REEVE_SP_GREETING_SIZE + reeve_sp_head_write(bytes + REEVE_SP_GREETING_SIZE, false, 5) + 5;
    reeve_sp_reader_init(&reader, false, SIZE_MAX_TAKEN);
    reader.size_now = 4;
    assert_int_equal(put(&reader, bytes, size), size);
    assert_int_equal(reeve_sp_reader_next(&reader, &message), REEVE_EBUSY);
    assert_int_equal(reeve_sp_reader_next(&reader, &message), REEVE_EBUSY);
    reader.size_now = 5;
    assert_int_equal(reeve_sp_reader_next(&reader, &message), REEVE_OK);
    assert_int_equal(message->size, 5);
    free(message);
    reader.size_now = 4;
    reeve_sp_head_write(bytes, false, SIZE_MAX_TAKEN + 1);
    assert_int_equal(reeve_sp_reader_next(&reader, &message), REEVE_EAGAIN);
    assert_int_equal(put(&reader, bytes, 8), 8);
    assert_int_equal(reeve_sp_reader_next(&reader, &message), REEVE_EPROTOCOL);
    reeve_sp_reader_fini(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_cut),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_too_large_for_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
