/* Reads /proc: smaps_rollup and descriptors for memory, stat for processor time and parents. */
#include "tests/bench/idle.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Parent and ticks of processor time, from /proc/PID/stat. */
static bool stat_read(pid_t pid, pid_t *parent, unsigned long *ticks)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *after_name = strrchr(text, ')'); /* the name may hold anything, parentheses too */
    int parent_pid;
    unsigned long user, system;
    if (after_name == NULL ||
        sscanf(after_name + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &parent_pid,
            &user, &system) != 3)
        return false;
    *parent = parent_pid;
    *ticks = user + system;
    return true;
}

static bool second_argument_is(pid_t pid, const char *wanted)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    size_t first = strnlen(text, size) + 1;
    return first < size && strcmp(text + first, wanted) == 0;
}

/* A child of `parent` whose second argument is `wanted` (NULL: any). */
static pid_t child_find(pid_t parent, const char *wanted)
{
    DIR *directory = opendir("/proc");
    pid_t found = -1, its_parent;
    unsigned long ticks;
    struct dirent *entry;
    while (directory != NULL && found < 0 && (entry = readdir(directory)) != NULL) {
        pid_t pid =
            isdigit((unsigned char)entry->d_name[0]) ? (pid_t)strtol(entry->d_name, NULL, 10) : -1;
        if (pid > 0 && stat_read(pid, &its_parent, &ticks) && its_parent == parent &&
            (wanted == NULL || second_argument_is(pid, wanted)))
            found = pid;
    }
    if (directory != NULL)
        closedir(directory);
    return found;
}

static double rollup_mib(pid_t pid, const char *field)
{
    char path[64], line[128];
    double kib = 0;
    size_t length = strlen(field);
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, field, length) == 0)
            kib = strtod(line + length, NULL);
    if (file != NULL)
        fclose(file);
    return kib / 1024;
}

/* All that the memfds of a node daemon hold: every one of its processes' goes through its hands. */
static double memfds_mib(pid_t node)
{
    char path[64], target[64];
    double bytes = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)node);
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        struct stat status;
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
        target[length < 0 ? 0 : length] = '\0';
        if (strncmp(target, "/memfd:", 7) == 0 &&
            fstatat(dirfd(directory), entry->d_name, &status, 0) == 0)
            bytes += (double)status.st_blocks * 512;
    }
    if (directory != NULL)
        closedir(directory);
    return bytes / (1 << 20);
}

static unsigned long ticks_of(const pid_t *pids)
{
    unsigned long total = 0, ticks;
    pid_t parent;
    for (int i = 0; i < 3; i++)
        if (stat_read(pids[i], &parent, &ticks))
            total += ticks;
    return total;
}

double reeve_idle_children_cpu_s(pid_t parent)
{
    double total = 0;
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10), its_parent;
        unsigned long ticks;
        clockid_t clock;
        struct timespec spent;
        if (pid > 0 && stat_read(pid, &its_parent, &ticks) && its_parent == parent &&
            clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &spent) == 0)
            total += (double)spent.tv_sec + (double)spent.tv_nsec * 1e-9;
    }
    if (directory != NULL)
        closedir(directory);
    return total;
}

int reeve_idle_measure(int seconds, struct reeve_idle *ret)
{
    pid_t node = child_find(getpid(), "worker");
    pid_t pids[3] = {child_find(getpid(), "head"), node, node > 0 ? child_find(node, NULL) : -1};
    if (pids[0] < 0 || pids[1] < 0 || pids[2] < 0)
        return -1;
    struct timespec pause = {2, 0}; /* leases go back, the last messages are said */
    nanosleep(&pause, NULL);
    unsigned long before = ticks_of(pids);
    pause.tv_sec = seconds;
    nanosleep(&pause, NULL);
    unsigned long after = ticks_of(pids);
    *ret = (struct reeve_idle){
        .head_pss_mib = rollup_mib(pids[0], "Pss:"),
        .node_pss_mib = rollup_mib(pids[1], "Pss:"),
        .worker_pss_mib = rollup_mib(pids[2], "Pss:"),
        .cpu_percent = 100.0 * (double)(after - before) / (double)sysconf(_SC_CLK_TCK) / seconds,
    };
    ret->shared_mib = memfds_mib(node);
    return 0;
}
