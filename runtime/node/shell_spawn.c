/* Starting a process: vfork and exec, as the daemon uses nng, which does not survive a fork.
 *
 * Between vfork and exec the child runs in our memory while we stand still: it makes system
 * calls and nothing else. Everything it needs is made ready before. An executable is run by its
 * path where that still leads to the same file, so that its name, its $ORIGIN and interpreter
 * scripts work as usual; else by descriptor (it came from elsewhere, or has been replaced
 * since). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/process.h"
#include "runtime/node/shell_daemon.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

#define OOM_SCORE "500"

struct plan {
    const struct daemon_spawn *spawn;
    const char *path; /* NULL: by descriptor */
    bool script;      /* by descriptor, which its interpreter opens as /dev/fd/N */
    int null_fd;
    pid_t parent;
    sigset_t mask;
    volatile int error;
    const char *volatile stage;
};

static const char *path_of(int fd, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length <= 0)
        return NULL;
    path[length] = 0;
    struct stat by_path, by_fd;
    if (path[0] != '/' || stat(path, &by_path) != 0 || fstat(fd, &by_fd) != 0 ||
        by_path.st_dev != by_fd.st_dev || by_path.st_ino != by_fd.st_ino)
        return NULL;
    return path;
}

static bool is_script(int fd)
{
    char mark[2];
    return pread(fd, mark, sizeof mark, 0) == sizeof mark && memcmp(mark, "#!", 2) == 0;
}

static void fail(struct plan *plan, const char *stage)
{
    plan->error = errno;
    plan->stage = stage;
    _exit(127);
}

static void child(struct plan *plan)
{
    const struct daemon_spawn *spawn = plan->spawn;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        fail(plan, "prctl");
    if (getppid() != plan->parent)
        _exit(127);
    if (setpgid(0, 0) != 0)
        fail(plan, "setpgid");
    if (dup2(plan->null_fd, 0) < 0 || dup2(spawn->out_fd, 1) < 0 || dup2(spawn->err_fd, 2) < 0)
        fail(plan, "dup2");
    /* When memory runs out the kernel is to choose one of us, not the daemon. */
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0) {
        (void)!write(score, OOM_SCORE, sizeof OOM_SCORE - 1);
        close(score);
    }
    /* What some library has opened without close-on-exec stays here; so does the executable's
     * descriptor. */
    syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
    if (plan->script)
        fcntl(spawn->executable_fd, F_SETFD, 0);
    if (spawn->directory != NULL)
        (void)!chdir(spawn->directory);
    struct sigaction usual;
    memset(&usual, 0, sizeof usual);
    usual.sa_handler = SIG_DFL;
    for (int number = 1; number < 32; number++)
        sigaction(number, &usual, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (plan->path != NULL)
        execve(plan->path, spawn->arguments, spawn->environment);
    else
        syscall(SYS_execveat, spawn->executable_fd, "", spawn->arguments, spawn->environment,
            AT_EMPTY_PATH);
    fail(plan, "exec");
}

int daemon_spawn_process(
    const struct daemon_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, const char **ret_stage)
{
    char path[PATH_MAX];
    struct plan plan = {.spawn = spawn, .parent = getpid()};
    plan.path = path_of(spawn->executable_fd, path, sizeof path);
    plan.script = plan.path == NULL && is_script(spawn->executable_fd);
    plan.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (plan.null_fd < 0) {
        *ret_stage = "/dev/null";
        return REEVE_ESYSTEM;
    }
    /* No handler of ours may run in the child, whose memory is ours. */
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &plan.mask);
    pid_t pid = vfork();
    if (pid == 0)
        child(&plan);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &plan.mask, NULL);
    close(plan.null_fd);
    if (pid < 0) {
        errno = error;
        *ret_stage = "vfork";
        return REEVE_ESYSTEM;
    }
    if (plan.error != 0) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        errno = plan.error;
        *ret_stage = plan.stage;
        return REEVE_ESYSTEM;
    }
    int pidfd = reeve_process_open(pid);
    if (pidfd < 0) {
        error = errno;
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        errno = error;
        *ret_stage = "pidfd_open";
        return REEVE_ESYSTEM;
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return REEVE_OK;
}
