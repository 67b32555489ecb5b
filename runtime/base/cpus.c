/* Reads affinity, cgroup limits and meminfo; see cpus.h. */
#include "runtime/base/cpus.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/errors.h"
#include "runtime/base/macros.h"

#define FILE_TEXT_SIZE 16384
#define NO_LIMIT       UINT64_MAX

/* v1 shows "no limit" as a huge number, rounded down to pages */
#define V1_NO_LIMIT (1ull << 60)

/* The start of a file as text; false when it cannot be read. */
static bool read_text(const char *path, char text[FILE_TEXT_SIZE])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t used = 0;
    ssize_t got;
    while ((got = read(fd, text + used, FILE_TEXT_SIZE - 1 - used)) > 0)
        used += (size_t)got;
    close(fd);
    text[used] = '\0';
    return got >= 0;
}

/* The number after `key` at the start of a line; false when there is none. */
static bool find_number(const char *text, const char *key, uint64_t *value)
{
    size_t length = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0) {
            char *end;
            *value = strtoull(line + length, &end, 10);
            return end != line + length;
        }
    }
    return false;
}

/* A hierarchy of cgroups and the process's place in it. */
struct hierarchy {
    char mount[PATH_MAX]; /* with the root before it; "" when the process is in none */
    char group[PATH_MAX]; /* "/a/b", or "" for the top */
};

static bool names_controller(const char *list, size_t length, const char *controller)
{
    size_t wanted = strlen(controller);
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && list[end] != ',')
            end++;
        if (end - at == wanted && memcmp(list + at, controller, wanted) == 0)
            return true;
        at = end + 1;
    }
    return false;
}

static bool is_folder(const char *path)
{
    return access(path, X_OK) == 0;
}

/* Lines of /proc/self/cgroup are "0::/group" (v2) and "3:cpu,cpuacct:/group" (v1). controller
 * NULL asks for v2. */
static void find_hierarchy(const char *root, const char *controller, struct hierarchy *found)
{
    char path[PATH_MAX], text[FILE_TEXT_SIZE];
    found->mount[0] = found->group[0] = '\0';
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    if (!read_text(path, text))
        return;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *list = strchr(line, ':');
        char *group = list == NULL ? NULL : strchr(list + 1, ':');
        if (group == NULL)
            continue;
        list++;
        size_t length = (size_t)(group - list);
        group++;
        bool match = controller == NULL ? strncmp(line, "0::", 3) == 0
                                        : names_controller(list, length, controller);
        if (!match)
            continue;
        if (controller == NULL) {
            snprintf(found->mount, sizeof(found->mount), "%s/sys/fs/cgroup/unified", root);
            if (!is_folder(found->mount))
                snprintf(found->mount, sizeof(found->mount), "%s/sys/fs/cgroup", root);
        } else {
            snprintf(found->mount, sizeof(found->mount), "%s/sys/fs/cgroup/%.*s", root, (int)length,
                list);
            if (!is_folder(found->mount))
                snprintf(
                    found->mount, sizeof(found->mount), "%s/sys/fs/cgroup/%s", root, controller);
        }
        if (strcmp(group, "/") != 0)
            snprintf(found->group, sizeof(found->group), "%s", group);
        return;
    }
}

/* Calls `read_level` with the folder of each level, from the process's own to the top; the
 * smallest answer. */
static uint64_t tightest(struct hierarchy hierarchy, uint64_t (*read_level)(const char *folder))
{
    uint64_t least = NO_LIMIT;
    if (hierarchy.mount[0] == '\0')
        return least;
    for (;;) {
        char folder[2 * PATH_MAX];
        snprintf(folder, sizeof(folder), "%s%s", hierarchy.mount, hierarchy.group);
        least = REEVE_MIN(least, read_level(folder));
        char *slash = strrchr(hierarchy.group, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

static bool read_in(const char *folder, const char *name, char text[FILE_TEXT_SIZE])
{
    char path[2 * PATH_MAX + 64];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return read_text(path, text);
}

static bool read_number_in(const char *folder, const char *name, uint64_t *value)
{
    char text[FILE_TEXT_SIZE];
    return read_in(folder, name, text) && find_number(text, "", value);
}

static uint64_t millicores(uint64_t quota_us, uint64_t period_us)
{
    return period_us == 0 || quota_us > UINT64_MAX / 1000 ? NO_LIMIT : quota_us * 1000 / period_us;
}

static uint64_t cpu_level_v2(const char *folder) /* "max 100000" or "150000 100000" */
{
    char text[FILE_TEXT_SIZE];
    unsigned long long quota_us, period_us;
    if (!read_in(folder, "cpu.max", text) || sscanf(text, "%llu %llu", &quota_us, &period_us) != 2)
        return NO_LIMIT;
    return millicores(quota_us, period_us);
}

static uint64_t cpu_level_v1(const char *folder) /* quota is -1 when there is none */
{
    char text[FILE_TEXT_SIZE];
    uint64_t period_us;
    if (!read_in(folder, "cpu.cfs_quota_us", text) ||
        !read_number_in(folder, "cpu.cfs_period_us", &period_us))
        return NO_LIMIT;
    long long quota_us = strtoll(text, NULL, 10);
    return quota_us <= 0 ? NO_LIMIT : millicores((uint64_t)quota_us, period_us);
}

void reeve_cpus_detect(const char *root, unsigned cores, struct reeve_cpus *cpus)
{
    if (cores == 0) {
        /* the kernel refuses a set smaller than its own, so ask with room for many */
        cpu_set_t *set = CPU_ALLOC(8192);
        if (set != NULL && sched_getaffinity(0, CPU_ALLOC_SIZE(8192), set) == 0)
            cores = (unsigned)CPU_COUNT_S(CPU_ALLOC_SIZE(8192), set);
        CPU_FREE(set);
    }
    cpus->cores = REEVE_MAX(cores, 1u);

    struct hierarchy v2, v1;
    find_hierarchy(root, NULL, &v2);
    find_hierarchy(root, "cpu", &v1);
    uint64_t quota = REEVE_MIN(tightest(v2, cpu_level_v2), tightest(v1, cpu_level_v1));
    cpus->quota_millicores = quota == NO_LIMIT ? 0 : REEVE_MAX(quota, 1ull);
    cpus->slots = cpus->cores;
    if (quota != NO_LIMIT && quota / 1000 < cpus->slots)
        cpus->slots = (unsigned)REEVE_MAX(quota / 1000, 1ull);
}

/* "max" or a number. Above memory.high a group is not killed but slowed down to a crawl, which
 * is no better. */
static uint64_t memory_limit_v2(const char *folder)
{
    uint64_t max, high;
    if (!read_number_in(folder, "memory.max", &max))
        max = NO_LIMIT;
    return read_number_in(folder, "memory.high", &high) ? REEVE_MIN(max, high) : max;
}

static uint64_t memory_limit_v1(const char *folder)
{
    uint64_t limit;
    return read_number_in(folder, "memory.limit_in_bytes", &limit) && limit < V1_NO_LIMIT
               ? limit
               : NO_LIMIT;
}

/* What is left below a level's limit: file pages that are not active are the kernel's to drop. */
static uint64_t memory_left(
    const char *folder, uint64_t limit, const char *usage_name, const char *inactive_name)
{
    char text[FILE_TEXT_SIZE];
    uint64_t usage, inactive = 0;
    if (limit == NO_LIMIT || !read_number_in(folder, usage_name, &usage))
        return limit;
    if (read_in(folder, "memory.stat", text))
        find_number(text, inactive_name, &inactive);
    usage -= REEVE_MIN(inactive, usage);
    return limit - REEVE_MIN(usage, limit);
}

static uint64_t memory_left_v2(const char *folder)
{
    return memory_left(folder, memory_limit_v2(folder), "memory.current", "inactive_file ");
}

static uint64_t memory_left_v1(const char *folder)
{
    return memory_left(
        folder, memory_limit_v1(folder), "memory.usage_in_bytes", "total_inactive_file ");
}

int reeve_memory_detect(const char *root, struct reeve_memory *memory)
{
    char path[PATH_MAX], text[FILE_TEXT_SIZE];
    uint64_t total_kib, available_kib;
    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    if (!read_text(path, text) || !find_number(text, "MemTotal:", &total_kib))
        return REEVE_ESYSTEM;
    if (!find_number(text, "MemAvailable:", &available_kib))
        available_kib = total_kib;

    struct hierarchy v2, v1;
    find_hierarchy(root, NULL, &v2);
    find_hierarchy(root, "memory", &v1);
    uint64_t limit = REEVE_MIN(tightest(v2, memory_limit_v2), tightest(v1, memory_limit_v1));
    uint64_t left = REEVE_MIN(tightest(v2, memory_left_v2), tightest(v1, memory_left_v1));

    memory->limit_bytes = limit == NO_LIMIT ? 0 : limit;
    memory->total_bytes = REEVE_MIN(total_kib * 1024, limit);
    memory->available_bytes = REEVE_MIN(available_kib * 1024, left);
    return REEVE_OK;
}
