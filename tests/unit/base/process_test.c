/* Processes: pidfd signal and reap, start time, following the parent; descriptor flags and
 * ranges. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/errors.h"
#include "runtime/base/process.h"

/* A child that waits until it is killed. */
static pid_t start_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    assert_true(pid > 0);
    return pid;
}

static void test_signal_and_reap(void **state)
{
    (void)state;
    struct reeve_process_end end = {.exit_status = 55};
    pid_t pid = start_child();
    int pidfd = reeve_process_open(pid);
    assert_true(pidfd >= 0);
    assert_int_equal(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(reeve_process_reap(pidfd, false, &end), REEVE_EAGAIN);
    assert_int_equal(end.exit_status, 55);

    assert_int_equal(reeve_process_signal(pidfd, SIGKILL), REEVE_OK);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 30000), 1);
    assert_int_equal(reeve_process_reap(pidfd, true, &end), REEVE_OK);
    assert_int_equal(end.signal_number, SIGKILL);
    assert_int_equal(end.exit_status, 0);
    assert_false(end.dumped_core);
    assert_int_equal(reeve_process_signal(pidfd, SIGKILL), REEVE_ESYSTEM);
    assert_int_equal(errno, ESRCH);
    close(pidfd);
    assert_int_equal(reeve_process_open(pid), REEVE_ESYSTEM);
}

static void test_exit_status(void **state)
{
    (void)state;
    struct reeve_process_end end;
    pid_t pid = fork();
    if (pid == 0)
        _exit(42);
    int pidfd = reeve_process_open(pid);
    assert_true(pidfd >= 0);
    assert_int_equal(reeve_process_reap(pidfd, true, &end), REEVE_OK);
    assert_int_equal(end.exit_status, 42);
    assert_int_equal(end.signal_number, 0);
    close(pidfd);
}

static void test_start_time(void **state)
{
    (void)state;
    uint64_t mine = 0, again = 0, child = 0;
    char name[16];
    assert_int_equal(prctl(PR_GET_NAME, name), 0);
    assert_int_equal(reeve_process_start_time(getpid(), &mine), REEVE_OK);
    assert_int_equal(
        prctl(PR_SET_NAME, "a ) R 1 2 (b)"), 0); /* a name that upsets simple parsers */
    assert_int_equal(reeve_process_start_time(getpid(), &again), REEVE_OK);
    assert_int_equal(prctl(PR_SET_NAME, name), 0);
    assert_int_equal(mine, again);
    assert_true(mine > 0);

    pid_t pid = start_child();
    assert_int_equal(reeve_process_start_time(pid, &child), REEVE_OK);
    assert_true(child >= mine);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(reeve_process_start_time(pid, &child), REEVE_ESYSTEM);
}

/* What it has used can be asked for until it is reaped. */
static void test_cpu(void **state)
{
    (void)state;
    volatile uint64_t sum = 0;
    uint64_t mine = reeve_process_cpu_ns(getpid());
    for (int i = 0; i < 1000 && reeve_process_cpu_ns(getpid()) < mine + 20000000; i++)
        for (int j = 0; j < 1000000; j++)
            sum += (uint64_t)j;
    assert_true(reeve_process_cpu_ns(getpid()) >= mine + 20000000);
    pid_t pid = fork();
    if (pid == 0) {
        while (reeve_process_cpu_ns(getpid()) < 20000000)
            sum++;
        _exit(0);
    }
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_true(reeve_process_cpu_ns(pid) >= 20000000);
    waitpid(pid, NULL, 0);
    assert_int_equal(reeve_process_cpu_ns(pid), 0);
}

static void test_follow_parent(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid ==
        0) { /* its own child keeps the pipe open: end of file means that this one is gone too */
        pid_t parent = getpid();
        int ready[2];
        if (pipe2(ready, O_CLOEXEC) != 0 ||
            reeve_process_follow_parent(1 << 30, SIGKILL) != REEVE_ENODEDIED)
            _exit(1);
        if (fork() == 0) {
            if (reeve_process_follow_parent(parent, SIGKILL) != REEVE_OK ||
                write(ready[1], "x", 1) != 1)
                _exit(2);
            for (;;)
                pause();
        }
        char byte;
        _exit(read(ready[0], &byte, 1) == 1 ? 0 : 3);
    }
    close(ends[1]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    struct pollfd closed = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&closed, 1, 30000), 1);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

static void test_descriptors(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(reeve_descriptor_set_cloexec(fd, false), REEVE_OK);
    assert_int_equal(fcntl(fd, F_GETFD), 0);
    assert_int_equal(reeve_descriptor_set_cloexec(fd, true), REEVE_OK);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(reeve_descriptor_set_nonblocking(fd, true), REEVE_OK);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(reeve_descriptor_set_nonblocking(fd, false), REEVE_OK);
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);

    int high = fcntl(fd, F_DUPFD, 500), higher = fcntl(fd, F_DUPFD, 600);
    assert_int_equal(reeve_descriptor_cloexec_from(550), REEVE_OK);
    assert_int_equal(fcntl(high, F_GETFD), 0);
    assert_int_equal(fcntl(higher, F_GETFD), FD_CLOEXEC);
    assert_int_equal(reeve_descriptor_close_from(550), REEVE_OK);
    assert_int_equal(fcntl(high, F_GETFD), 0);
    assert_int_equal(fcntl(higher, F_GETFD), -1);
    close(high);
    close(fd);
    assert_int_equal(reeve_descriptor_set_cloexec(fd, true), REEVE_ESYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signal_and_reap),
        cmocka_unit_test(test_exit_status),
        cmocka_unit_test(test_start_time),
        cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_follow_parent),
        cmocka_unit_test(test_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
