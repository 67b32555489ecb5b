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
#include <sys/resource.h>
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

/* Reads /proc/PID/stat, "pid (name) state ppid ...", and gives field `first` (3 is the state), as
 * text that goes on to the end of the line. The name may hold anything, so fields are counted from
 * the last ')'. NULL with errno. */
static const char *stat_fields(pid_t pid, int first, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    ssize_t got = read(fd, text, size - 1);
    int error = errno;
    close(fd);
    errno = error;
    if (got <= 0)
        return NULL;
    text[got] = '\0';
    char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < first; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        errno = EPROTO;
    return at == NULL ? NULL : at + 1;
}

int reeve_process_start_time(pid_t pid, uint64_t *start_ticks)
{
    char text[1024];
    const char *field = stat_fields(pid, 22, text, sizeof(text));
    if (field == NULL)
        return REEVE_ESYSTEM;
    *start_ticks = strtoull(field, NULL, 10);
    return REEVE_OK;
}

uint64_t reeve_process_cpu_ns(pid_t pid)
{
    char text[1024], *end;
    const char *field = stat_fields(pid, 14, text, sizeof(text)); /* utime, then stime */
    if (field == NULL)
        return 0;
    uint64_t ticks = strtoull(field, &end, 10);
    ticks += strtoull(end, NULL, 10);
    return ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
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

uint64_t reeve_descriptor_raise_limit(void)
{
    struct rlimit files = {0};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return UINT64_MAX;
    struct rlimit raised = {.rlim_cur = files.rlim_max, .rlim_max = files.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : files.rlim_cur;
}
