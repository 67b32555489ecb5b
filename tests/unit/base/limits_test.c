/* Limits: what they are called, and whether something is within them. */
#include "tests/unit/test.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/limits.h"

/* Sets the soft limit, returns what it was. */
static rlim_t limit_set(int resource, rlim_t value)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(resource, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = value;
    assert_int_equal(setrlimit(resource, &limit), 0);
    return before;
}

static void test_descriptors(void **state)
{
    (void)state;
    char text[REEVE_LIMITS_TEXT_SIZE];
    rlim_t before = limit_set(RLIMIT_NOFILE, 64);
    assert_int_equal(reeve_limits_descriptors(64), 0);
    assert_int_equal(reeve_limits_descriptors(65), EMFILE);
    assert_string_equal(reeve_limits_text(EMFILE, text),
        "Too many open files: this process may have 64 (ulimit -n)");
    limit_set(RLIMIT_NOFILE, before);
}

static void test_file(void **state)
{
    (void)state;
    char text[REEVE_LIMITS_TEXT_SIZE];
    rlim_t before = limit_set(RLIMIT_FSIZE, 4096);
    assert_int_equal(reeve_limits_file(4096), 0);
    assert_int_equal(reeve_limits_file(4097), EFBIG);
    reeve_limits_text(EFBIG, text);
    limit_set(RLIMIT_FSIZE, before); /* a failing test is to be able to say so */
    assert_string_equal(
        text, "File too large: files, and shared memory with them, may have 4KiB (ulimit -f)");
}

static void test_others(void **state)
{
    (void)state;
    char text[REEVE_LIMITS_TEXT_SIZE];
    assert_string_equal(reeve_limits_text(EPERM, text), strerror(EPERM));
    assert_string_equal(reeve_limits_text(ENOSPC, text), strerror(ENOSPC));
}

/* So little memory is left for a moment that nothing else may want any. */
static void test_stacks(void **state)
{
    (void)state;
    char text[REEVE_LIMITS_TEXT_SIZE];
    assert_int_equal(reeve_limits_threads(4), 0);
    rlim_t before = limit_set(RLIMIT_AS, 1 << 20);
    int error = reeve_limits_threads(4);
    reeve_limits_text(ENOMEM, text);
    limit_set(RLIMIT_AS, before);
    assert_int_equal(error, ENOMEM);
    assert_string_equal(
        text, "Cannot allocate memory: this process may have 1MiB of address space (ulimit -v)");
    assert_int_equal(reeve_limits_threads(4), 0);
}

/* In a child that is a user without other processes. */
static int as_another(void)
{
    char text[REEVE_LIMITS_TEXT_SIZE];
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(64998) != 0 || setuid(64998) != 0))
        return 77;
    struct rlimit few = {1, 1};
    if (setrlimit(RLIMIT_NPROC, &few) != 0)
        return 77;
    if (reeve_limits_threads(4) != EAGAIN)
        return 1;
    return strstr(reeve_limits_text(EAGAIN, text), "1 processes and threads (ulimit -u)") ? 0 : 2;
}

static void test_processes(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(as_another());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_file), cmocka_unit_test(test_others), cmocka_unit_test(test_stacks),
        cmocka_unit_test(test_processes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
