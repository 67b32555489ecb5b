/* The log: what a line looks like, that values cannot forge lines or keys, cutting, rotation. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/errors.h"
#include "runtime/base/log.h"
#include "runtime/base/log_format.h"

#define STAMP 1795217400123456789ull /* 2026-11-20T23:30:00.123456 */

static char out[REEVE_LOG_LINE_SIZE + 1];

REEVE_PRINTF(2, 3) static size_t format(size_t size, const char *pairs, ...)
{
    va_list values;
    va_start(values, pairs);
    memset(out, '?', sizeof(out));
    size_t length =
        reeve_log_format_line(out, size, STAMP, REEVE_LOG_INFO, "node", "REEVE-X", pairs, values);
    va_end(values);
    assert_true(length <= size);
    out[length] = '\0';
    assert_int_equal(strlen(out), length);
    assert_ptr_equal(strchr(out, '\n'), out + length - 1); /* one line, one newline, at the end */
    return length;
}

#define PREFIX "2026-11-20T23:30:00.123456Z INFO node REEVE-X"

static void test_line(void **state)
{
    (void)state;
    format(sizeof(out) - 1, "%s", "");
    assert_string_equal(out, PREFIX " \"\"\n");
    format(sizeof(out) - 1, "node=%u host=%s msg=%s", 3u, "a.example:80", "two words");
    assert_string_equal(out, PREFIX " node=3 host=a.example:80 msg=\"two words\"\n");
    format(sizeof(out) - 1, "a=%d b=%5.2f c=%lld d=%zu e=%#x f=%c g=%05d h=%hhd i=%jd j=%%", -1,
        2.5, (long long)INT64_MIN, SIZE_MAX, 255u, 'q', 42, (signed char)-1, INTMAX_MAX);
    assert_string_equal(out,
        PREFIX " a=-1 b= 2.50 c=-9223372036854775808 d=18446744073709551615 e=0xff f=q"
               " g=00042 h=-1 i=9223372036854775807 j=%\n");
    format(sizeof(out) - 1, "a=%.*s b=%.2s c=%*d d=%ld", 3, "abcdef", "xyz", 4, 7, -2l);
    assert_string_equal(out, PREFIX " a=abc b=xy c=   7 d=-2\n");
    const char *volatile none = NULL;
    format(sizeof(out) - 1, "a=%s", none);
    assert_string_equal(out, PREFIX " a=(null)\n");
}

static void test_values_cannot_forge(void **state)
{
    (void)state;
    format(sizeof(out) - 1, "host=%s ok=%d", "x\n2026-11-20T23:30:00.000000Z ERROR head FORGED a=1",
        1);
    assert_string_equal(
        out, PREFIX " host=\"x\\n2026-11-20T23:30:00.000000Z ERROR head FORGED a=1\" ok=1\n");
    format(sizeof(out) - 1, "host=%s", "a\" admin=yes b=\"");
    assert_string_equal(out, PREFIX " host=\"a\\\" admin=yes b=\\\"\"\n");
    format(sizeof(out) - 1, "host=%s", "a=b");
    assert_string_equal(out, PREFIX " host=\"a=b\"\n");
    format(sizeof(out) - 1, "host=%s", "\x1b[2J\t\r\\\xc3\x7f%n%s");
    assert_string_equal(out, PREFIX " host=\"\\x1b[2J\\t\\r\\\\\\xc3\\x7f%n%s\"\n");
    format(sizeof(out) - 1, "c=%c", '\n');
    assert_string_equal(out, PREFIX " c=\"\\n\"\n");
}

static void test_truncation(void **state)
{
    (void)state;
    char big[8192];
    memset(big, '\n', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    for (size_t size = 512; size < 640; size++) {
        format(size, "a=%s b=%d", big, 1);
        assert_non_null(strstr(out, "\\n\" truncated=yes\n"));
        assert_null(strstr(out, "b=1"));
    }
    memset(big, 'x', sizeof(big) - 1);
    format(REEVE_LOG_LINE_SIZE, "a=%s b=%s", "1", big);
    assert_non_null(strstr(out, "xxx\" truncated=yes\n"));
}

static void test_quote(void **state)
{
    (void)state;
    char text[16];
    assert_int_equal(reeve_log_quote(text, 8, "1234567", 7), 7);
    assert_string_equal(text, "1234567");
    assert_int_equal(reeve_log_quote(text, 8, "12345678", 8), 7);
    assert_string_equal(text, "\"12345\"");
    assert_int_equal(reeve_log_quote(text, 8, "1234\n", 5), 6);
    assert_string_equal(text, "\"1234\"");
    assert_int_equal(reeve_log_quote(text, 16, "a\0b", 3), 8);
    assert_string_equal(text, "\"a\\x00b\"");
}

static size_t size_of(const char *folder, const char *name)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

static void test_rotation(void **state)
{
    (void)state;
    char folder[] = "/tmp/reeve-log-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/node.log", folder);
    struct reeve_log_options options = {.component = "node",
        .path = path,
        .level = REEVE_LOG_WARN,
        .file_size_bytes = 1000,
        .file_count = 3};
    assert_int_equal(reeve_log_open(&options), REEVE_OK);
    reeve_log(REEVE_LOG_INFO, "REEVE-NOT-SHOWN", "a=%d", 1);
    assert_int_equal(size_of(folder, "node.log"), 0);
    for (int i = 0; i < 100; i++)
        reeve_log(REEVE_LOG_WARN, "REEVE-EVENT", "number=%d", i);
    assert_in_range(size_of(folder, "node.log"), 1, 1000);
    assert_in_range(size_of(folder, "node.log.1"), 900, 1000);
    assert_in_range(size_of(folder, "node.log.2"), 900, 1000);
    assert_int_equal(size_of(folder, "node.log.3"), 0);
    reeve_log_close();

    options.path = "/nonexistent/folder/log"; /* falls back to standard error */
    assert_int_equal(reeve_log_open(&options), REEVE_ESTATE);
    reeve_log_close();
    static const char *const names[] = {"node.log", "node.log.1", "node.log.2"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* A disk that is full: said once, where it is seen, and counted. */
static void test_full(void **state)
{
    (void)state;
    char said[1024] = "";
    int before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0), into = memfd_create("said", MFD_CLOEXEC);
    struct reeve_log_options options = {
        .component = "node", .path = "/dev/full", .level = REEVE_LOG_WARN};
    assert_int_equal(reeve_log_open(&options), REEVE_OK);
    dup2(into, STDERR_FILENO);
    for (int i = 0; i < 3; i++)
        reeve_log(REEVE_LOG_WARN, "REEVE-EVENT", "number=%d", i);
    dup2(before, STDERR_FILENO);
    reeve_log_close();
    assert_true(pread(into, said, sizeof(said) - 1, 0) > 0);
    assert_string_equal(said,
        "reeve node: the log /dev/full cannot be written, lines are lost: No space left on "
        "device\n");
    close(into);
    close(before);
}

static void test_levels(void **state)
{
    (void)state;
    enum reeve_log_level level = REEVE_LOG_INFO;
    assert_int_equal(reeve_log_level_parse("debug", &level), REEVE_OK);
    assert_int_equal(level, REEVE_LOG_DEBUG);
    assert_int_equal(reeve_log_level_parse("loud", &level), REEVE_EINVAL);
    assert_false(reeve_log_is_on(REEVE_LOG_DEBUG));
    reeve_log_set_level(REEVE_LOG_DEBUG);
    assert_true(reeve_log_is_on(REEVE_LOG_DEBUG));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_values_cannot_forge),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
