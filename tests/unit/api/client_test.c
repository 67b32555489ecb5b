/* The states of the library: before init, after shutdown, in a forked child, started again;
 * handles; threads. */
#include <fcntl.h>
#include <reeve.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

REEVE_REMOTE(int64_t, twice, (int64_t, n))
{
    return 2 * n;
}

static const char three[] = "\x91\x03";

/* Every call, and what each answers in the present state. */
static int every_call(int expected)
{
    int64_t n;
    reeve_future future = {5};
    reeve_packed packed;
    bool ready;
    reeve_submission submission = {
        .size = sizeof submission, .function = "twice", .args = three, .args_size = 2};
    int wrong = 0;
    twice_future failed = twice_remote(3);
    wrong += failed.id == 0;
    wrong += reeve_release(failed) != REEVE_OK; /* that it failed is no reason to refuse */
    wrong += twice_get(failed, &n) != expected;
    wrong += reeve_last_error()->code != expected || !reeve_last_error()->message[0];
    wrong += twice_get(reeve_call(twice, failed), &n) != expected;
    wrong += reeve_get(int64_t, reeve_put(int64_t, 3), &n) != expected;
    wrong += reeve_submit(&submission, &future) != expected;
    wrong += reeve_put_packed("\x03", 1, &future) != expected;
    wrong += reeve_get_packed(future, 0, &packed) != expected;
    wrong += reeve_wait(&future, 1, 1, 0, &ready, NULL) != expected;
    wrong += reeve_release(future) != expected;
    wrong += reeve_last_error()->code != expected;
    return wrong;
}

static int start(void)
{
    return reeve_init(0, NULL, REEVE_OPTIONS(.mode = REEVE_MODE_INLINE));
}

static void before_init(void **state)
{
    (void)state;
    assert_int_equal(every_call(REEVE_ENOTINIT), 0);
    reeve_shutdown(); /* does nothing */
    assert_int_equal(every_call(REEVE_ENOTINIT), 0);
}

static void bad_init_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(reeve_init(0, NULL, REEVE_OPTIONS(.mode = 9)), REEVE_EINVAL);
    assert_int_equal(every_call(REEVE_ENOTINIT), 0);
}

static void after_shutdown_and_again(void **state)
{
    (void)state;
    assert_int_equal(start(), REEVE_OK);
    assert_int_equal(start(), REEVE_EINVAL);
    twice_future kept = twice_remote(3), forgotten = twice_remote(4);
    (void)forgotten;
    reeve_shutdown();
    reeve_shutdown();
    assert_int_equal(every_call(REEVE_ESHUTDOWN), 0);
    int64_t n;
    assert_int_equal(twice_get(kept, &n), REEVE_ESHUTDOWN);

    assert_int_equal(start(), REEVE_OK);
    assert_int_equal(twice_get(kept, &n),
        REEVE_EHANDLE); /* of the session before: never mistaken for a new one */
    assert_int_equal(twice_get(twice_remote(21), &n), REEVE_OK);
    assert_int_equal(n, 42);
    reeve_shutdown();
}

static void in_a_forked_child(void **state)
{
    (void)state;
    assert_int_equal(start(), REEVE_OK);
    twice_future future = twice_remote(3);
    pid_t child = fork();
    if (child == 0) {
        int wrong = every_call(REEVE_EFORKED);
        int64_t n;
        wrong += twice_get(future, &n) != REEVE_EFORKED;
        wrong += start() != REEVE_EFORKED;
        reeve_shutdown();
        wrong += every_call(REEVE_EFORKED);
        _exit(wrong ? 1 : 0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    int64_t n;
    assert_int_equal(twice_get(future, &n), REEVE_OK); /* the parent goes on */
    assert_int_equal(n, 6);
    reeve_shutdown();
}

static void stale_handles(void **state)
{
    (void)state;
    assert_int_equal(start(), REEVE_OK);
    int64_t n = 1;
    twice_future future = twice_remote(3), zero = {0}, foreign = {123456789}, wild = {UINT64_MAX};
    assert_int_equal(twice_get(future, &n), REEVE_OK);
    assert_int_equal(n, 6);
    assert_int_equal(twice_get(future, &n), REEVE_EHANDLE);
    assert_int_equal(reeve_release(future), REEVE_EHANDLE);
    assert_int_equal(reeve_release(zero), REEVE_EHANDLE);
    assert_int_equal(reeve_release(foreign), REEVE_EHANDLE);
    assert_int_equal(reeve_release(wild), REEVE_EHANDLE);
    assert_int_equal(twice_get(zero, &n), REEVE_EHANDLE);
    assert_int_equal(twice_get(wild, &n), REEVE_EHANDLE);
    twice_future mixed[] = {twice_remote(1), future};
    assert_int_equal(reeve_wait(mixed, 2, 1, 0, NULL, NULL), REEVE_EHANDLE);
    assert_int_equal(n, 6);
    reeve_shutdown();
}

static void waiting(void **state)
{
    (void)state;
    assert_int_equal(start(), REEVE_OK);
    twice_future futures[100];
    bool ready[100] = {false};
    for (int i = 0; i < 100; i++)
        futures[i] = twice_remote(i);
    size_t count = 0;
    assert_int_equal(reeve_wait(futures, 100, 1, REEVE_FOREVER, ready, &count), REEVE_OK);
    assert_int_equal(count, 100);
    assert_true(ready[0] && ready[99]);
    assert_int_equal(reeve_wait(futures, 100, 100, 0, NULL, NULL), REEVE_OK);
    assert_int_equal(reeve_wait(futures, 0, 0, 0, NULL, NULL), REEVE_OK);
    assert_int_equal(reeve_wait(futures, 1, 2, 0, NULL, NULL), REEVE_EINVAL);
    for (int i = 0; i < 100; i++) {
        int64_t n = -1;
        assert_int_equal(twice_get_timeout(futures[i], 0, &n), REEVE_OK);
        assert_int_equal(n, 2 * i);
    }
    reeve_shutdown();
}

/* ---- threads --------------------------------------------------------------------------------- */

static _Atomic int wrong_answers, ended;

static void *hammer(void *arg)
{
    int64_t base = *(int *)arg * 1000000;
    for (int i = 0;; i++) {
        int64_t n;
        int rc = twice_get(twice_remote(base + i), &n);
        if (rc == REEVE_ESHUTDOWN)
            break;
        if (rc != REEVE_OK || n != 2 * (base + i))
            wrong_answers++;
    }
    ended++;
    return NULL;
}

static void threads_and_shutdown_under_way(void **state)
{
    (void)state;
    assert_int_equal(start(), REEVE_OK);
    pthread_t threads[4];
    int numbers[4] = {0, 1, 2, 3};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &numbers[i]), 0);
    for (int i = 0; i < 2000; i++) {
        int64_t n;
        assert_int_equal(twice_get(twice_remote(i), &n), REEVE_OK);
    }
    reeve_shutdown();
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wrong_answers, 0);
    assert_int_equal(ended, 4);
}

/* ---- perror ---------------------------------------------------------------------------------- */

static void perror_says_it_all(void **state)
{
    (void)state;
    assert_int_equal(start(), REEVE_OK);
    reeve_future stale = {99};
    reeve_release(stale);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    int before = fcntl(2, F_DUPFD_CLOEXEC, 3);
    dup2(ends[1], 2);
    reeve_perror("here");
    reeve_perror(NULL);
    dup2(before, 2);
    close(before);
    close(ends[1]);
    char text[1000] = "";
    ssize_t size = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    assert_true(size > 0);
    assert_string_equal(text,
        "here: no such future: it has been got or released already, or was never set "
        "(REEVE_EHANDLE)\n"
        "no such future: it has been got or released already, or was never set (REEVE_EHANDLE)\n");
    reeve_shutdown();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_init),
        cmocka_unit_test(bad_init_changes_nothing),
        cmocka_unit_test(after_shutdown_and_again),
        cmocka_unit_test(in_a_forked_child),
        cmocka_unit_test(stale_handles),
        cmocka_unit_test(waiting),
        cmocka_unit_test(threads_and_shutdown_under_way),
        cmocka_unit_test(perror_says_it_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
