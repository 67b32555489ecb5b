/* Cores and memory, read from trees of files made up for each case. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/cpus.h"
#include "runtime/base/errors.h"

#define GIB (1ull << 30)

static char root[64];

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/reeve-cpus-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes root/path, making the folders on the way. */
static void file(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *stream = fopen(full, "we");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static void check_cpus(unsigned cores, uint64_t quota_millicores, unsigned slots)
{
    struct reeve_cpus cpus;
    reeve_cpus_detect(root, cores, &cpus);
    assert_int_equal(cpus.cores, cores);
    assert_int_equal(cpus.quota_millicores, quota_millicores);
    assert_int_equal(cpus.slots, slots);
}

static void check_memory(uint64_t total, uint64_t limit, uint64_t available)
{
    struct reeve_memory memory;
    assert_int_equal(reeve_memory_detect(root, &memory), REEVE_OK);
    assert_int_equal(memory.total_bytes, total);
    assert_int_equal(memory.limit_bytes, limit);
    assert_int_equal(memory.available_bytes, available);
}

static void test_nothing_there(void **state)
{
    (void)state;
    struct reeve_memory memory;
    check_cpus(8, 0, 8);
    assert_int_equal(reeve_memory_detect(root, &memory), REEVE_ESYSTEM);
    file("/proc/meminfo",
        "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:    8388608 kB\n");
    check_memory(16 * GIB, 0, 8 * GIB);
}

static void test_v2_tightest_level(void **state)
{
    (void)state;
    file("/proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n");
    file("/proc/self/cgroup", "0::/a/b\n");
    file("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    check_cpus(8, 0, 8);
    file("/sys/fs/cgroup/a/cpu.max", "250000 100000\n"); /* above the process's own group */
    check_cpus(8, 2500, 2);
    check_cpus(1, 2500, 1);
    file("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    check_cpus(8, 500, 1);

    file("/sys/fs/cgroup/a/b/memory.max", "max\n");
    check_memory(16 * GIB, 0, 8 * GIB);
    file("/sys/fs/cgroup/a/memory.max", "4294967296\n");
    file("/sys/fs/cgroup/a/memory.current", "3221225472\n");
    file("/sys/fs/cgroup/a/memory.stat", "anon 5\nfile 6\ninactive_file 1073741824\n");
    check_memory(4 * GIB, 4 * GIB, 2 * GIB);
    file("/sys/fs/cgroup/a/memory.high", "3221225472\n"); /* where it would be slowed down */
    check_memory(3 * GIB, 3 * GIB, GIB);
    file("/sys/fs/cgroup/a/memory.current", "9663676416\n"); /* more than the limit */
    check_memory(3 * GIB, 3 * GIB, 0);
}

static void test_v2_container(void **state)
{
    (void)state; /* the path is the host's; only the top is there */
    file("/proc/self/cgroup", "0::/system.slice/docker-1234.scope\n");
    file("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    check_cpus(8, 3000, 3);
}

static void test_v1(void **state)
{
    (void)state;
    file("/proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n");
    file("/proc/self/cgroup", "7:cpuset:/\n4:cpu,cpuacct:/job\n3:memory:/job\n1:name=systemd:/x\n");
    file("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
    file("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    check_cpus(8, 0, 8);
    file("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "400000\n");
    check_cpus(8, 4000, 4);
    file("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n");
    check_memory(16 * GIB, 0, 8 * GIB);
    file("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2147483648\n");
    file("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1073741824\n");
    check_memory(2 * GIB, 2 * GIB, GIB);
}

static void test_hybrid(void **state)
{
    (void)state; /* v2 beside v1; the controller is v1's, under its short name */
    file("/proc/self/cgroup", "4:cpu,cpuacct:/\n0::/user\n");
    file("/sys/fs/cgroup/unified/user/cgroup.procs", "");
    file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
    file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    check_cpus(8, 1500, 1);
}

static void test_garbage(void **state)
{
    (void)state;
    file("/proc/self/cgroup", "::\n\nnonsense\n0::\n");
    file("/sys/fs/cgroup/cpu.max", "many few\n");
    file("/sys/fs/cgroup/memory.max", "\n");
    file("/proc/meminfo", "MemTotal: 1024 kB");
    check_cpus(4, 0, 4);
    check_memory(1 << 20, 0, 1 << 20);
    file("/sys/fs/cgroup/cpu.max", "100 0\n");
    check_cpus(4, 0, 4);
}

static void test_this_machine(void **state)
{
    (void)state;
    struct reeve_cpus cpus;
    struct reeve_memory memory;
    reeve_cpus_detect("", 0, &cpus);
    assert_in_range(cpus.cores, 1, 8192);
    assert_in_range(cpus.slots, 1, cpus.cores);
    assert_int_equal(reeve_memory_detect("", &memory), REEVE_OK);
    assert_in_range(memory.available_bytes, 1, memory.total_bytes);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_nothing_there),
        CASE(test_v2_tightest_level),
        CASE(test_v2_container),
        CASE(test_v1),
        CASE(test_hybrid),
        CASE(test_garbage),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
