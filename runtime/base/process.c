/* Processes and descriptors; see process.h. */
#include "runtime/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/errors.h"

int reeve_process_open(pid_t pid)
{
    int fd = pidfd_open(pid, 0); /* close-on-exec by itself */
    return fd < 0 ? REEVE_ESYSTEM : fd;
}

int reeve_process_signal(int pidfd, int signal_number)
{
    return pidfd_send_signal(pidfd, signal_number, NULL, 0) < 0 ? REEVE_ESYSTEM : REEVE_OK;
}

int reeve_process_reap(int pidfd, bool wait, struct reeve_process_end *end)
{
    siginfo_t info = {.si_pid = 0};
    int result;
    do {
        result = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | (wait ? 0 : WNOHANG));
    } while (result < 0 && errno == EINTR);
    if (result < 0)
        return REEVE_ESYSTEM;
    if (info.si_pid == 0)
        return REEVE_EAGAIN;
    bool killed = info.si_code != CLD_EXITED;
    end->exit_status = killed ? 0 : info.si_status;
    end->signal_number = killed ? info.si_status : 0;
    end->dumped_core = info.si_code == CLD_DUMPED;
    return REEVE_OK;
}

int reeve_process_start_time(pid_t pid, uint64_t *start_ticks)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return REEVE_ESYSTEM;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    int error = errno;
    close(fd);
    errno = error;
    if (got <= 0)
        return REEVE_ESYSTEM;
    text[got] = '\0';

    /* "pid (name) state ppid ...": the name may hold anything, so fields are counted from the
     * last ')'. The start time is field 22, which makes it the 20th after the name. */
    char *at = strrchr(text, ')');
    for (int field = 0; at != NULL && field < 20; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL) {
        errno = EPROTO;
        return REEVE_ESYSTEM;
    }
    *start_ticks = strtoull(at + 1, NULL, 10);
    return REEVE_OK;
}

int reeve_process_follow_parent(pid_t parent, int signal_number)
{
    if (prctl(PR_SET_PDEATHSIG, signal_number) < 0)
        return REEVE_ESYSTEM;
    return getppid() == parent ? REEVE_OK : REEVE_ENODEDIED;
}

static int set_flag(int fd, int get, int set, int flag, bool on)
{
    int flags = fcntl(fd, get);
    if (flags < 0 || fcntl(fd, set, on ? flags | flag : flags & ~flag) < 0)
        return REEVE_ESYSTEM;
    return REEVE_OK;
}

int reeve_descriptor_set_cloexec(int fd, bool on)
{
    return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int reeve_descriptor_set_nonblocking(int fd, bool on)
{
    return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int reeve_descriptor_close_from(int first)
{
    return close_range((unsigned)first, ~0u, 0) < 0 ? REEVE_ESYSTEM : REEVE_OK;
}

int reeve_descriptor_cloexec_from(int first)
{
    return close_range((unsigned)first, ~0u, CLOSE_RANGE_CLOEXEC) < 0 ? REEVE_ESYSTEM : REEVE_OK;
}
