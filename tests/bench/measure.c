/* Clocks, medians, memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/bench.h"

double bench_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_percentile(double *values, size_t count, double fraction)
{
    qsort(values, count, sizeof(*values), compare_doubles);
    size_t at = (size_t)(fraction * (double)count);
    return values[at < count ? at : count - 1];
}

double bench_rate(
    struct bench *bench, bool (*round)(struct bench *, const char *name), const char *name)
{
    int64_t rounds = 0;
    double begin = 0, now = 0;
    for (int warm = 1; warm >= 0; warm--) {
        double seconds = warm ? bench->seconds / 4 : bench->seconds;
        rounds = 0;
        begin = bench_now_s();
        do {
            if (!round(bench, name))
                return 0;
            rounds++;
            now = bench_now_s();
        } while (now < begin + seconds);
    }
    return (double)rounds / (now - begin);
}

uint64_t bench_anonymous_bytes(void)
{
    char line[128];
    uint64_t kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtoull(line + 8, NULL, 10);
    if (file != NULL)
        fclose(file);
    return kib * 1024;
}
