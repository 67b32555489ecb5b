/*
 * What this process may use of the machine: cores (affinity, cgroup quota) and memory (total,
 * cgroup limit).
 *
 * cgroup v2 and v1, and both side by side, are read: a limit may stand at any level from the
 * process's own group up to the root, so all levels are looked at and the tightest counts. In a
 * container, where the path in /proc/self/cgroup may be that of the host, a level that does not
 * exist is passed over.
 */
#ifndef REEVE_BASE_CPUS_H
#define REEVE_BASE_CPUS_H

#include <stdint.h>

struct reeve_cpus {
    unsigned cores;            /* that the process may run on; at least 1 */
    uint64_t quota_millicores; /* 1500 is one and a half cores' time; 0 when there is no quota */
    unsigned slots;            /* cores within the quota, rounded down; at least 1 */
};

struct reeve_memory {
    uint64_t total_bytes;     /* of the machine, or the cgroup's limit where that is less */
    uint64_t limit_bytes;     /* the cgroup's limit; 0 when there is none */
    uint64_t available_bytes; /* could be used now without swapping or reaching the limit */
};

/* root is put before /proc and /sys ("" for the real ones). cores is asked of the kernel when 0,
 * else taken as given: both are for tests. Cannot fail: what cannot be read sets no limit. */
void reeve_cpus_detect(const char *root, unsigned cores, struct reeve_cpus *cpus);

/* REEVE_OK, or REEVE_ESYSTEM when /proc/meminfo cannot be read. */
int reeve_memory_detect(const char *root, struct reeve_memory *memory);

#endif
