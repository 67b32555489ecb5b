/* Child processes of the bench: this program again, with other arguments. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

extern char **environ;

pid_t bench_child_start(const char *const *arguments, int *ret_out)
{
    int out[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(out, O_CLOEXEC) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    int failed = posix_spawn(
        &pid, "/proc/self/exe", &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    *ret_out = out[0];
    return failed == 0 ? pid : -1;
}

int bench_child_read(pid_t pid, int out, char *text, size_t size)
{
    size_t length = 0;
    int status;
    for (;;) {
        ssize_t got = read(out, text + length, size - 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    text[length] = '\0';
    close(out);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
