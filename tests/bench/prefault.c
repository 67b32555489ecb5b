/* Rows of memory that is new to the store: who touches a page first pays twenty times what the next
 * ones do. Each in a process with a cluster of its own.
 *
 *   put_1gb_prefaulted   the first put, ten seconds after a start with prefault
 *   put_1gb_first        the same without: nothing was ready
 *                        Floor of both: a copy into memory that was touched at the start, too, and
 *                        has lain as long. On a virtual machine that alone costs time: a host that
 *                        looks which pages are in use makes the next use of each slower. Later puts
 *                        are the row put_1gb
 *   put_1mb_growing      a thousand values, none given up: pages are touched ahead of them.
 *                        Floor: a copy into memory that nobody has touched */
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/macros.h"
#include "tests/bench/bench.h"

#define GB      ((size_t)1000 * 1000 * 1000)
#define MB      ((size_t)1000 * 1000)
#define GROWING 1000
#define START_S 10

/* GB/s; 0: it has failed. */
static double put_gb_s(struct bench *bench, const char *name, const void *bytes, size_t size)
{
    double begin = bench_now_s();
    reeve_future_reeve_bytes future = reeve_put_bytes(bytes, size);
    double took = bench_now_s() - begin;
    if (reeve_release(future) == REEVE_OK)
        return (double)size / took / 1e9;
    bench_call_failed(bench, name);
    return 0;
}

static void *bytes_make(size_t size)
{
    void *bytes = malloc(size);
    if (bytes != NULL)
        memset(bytes, 7, size);
    return bytes;
}

void bench_first_put_part(struct bench *bench, double begin)
{
    void *bytes = bytes_make(GB), *touched = bytes_make(GB);
    double left = begin + START_S - bench_now_s();
    struct timespec pause = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
    if (bytes != NULL && touched != NULL) {
        if (left > 0)
            nanosleep(&pause, NULL);
        memset(bytes, 8, GB); /* just made, as what is put mostly is */
        double copy = bench_now_s();
        memcpy(touched, bytes, GB);
        copy = (double)GB / (bench_now_s() - copy) / 1e9;
        printf("%.4f %.4f\n", put_gb_s(bench, "put_1gb_first", bytes, GB), copy);
    }
    free(touched);
    free(bytes);
}

void bench_growing_part(struct bench *bench)
{
    static reeve_future_reeve_bytes futures[GROWING];
    void *bytes = bytes_make(MB);
    if (bytes == NULL)
        return;
    double begin = bench_now_s();
    for (int i = 0; i < GROWING; i++)
        futures[i] = reeve_put_bytes(bytes, MB);
    double took = bench_now_s() - begin;
    for (int i = 0; i < GROWING; i++)
        if (reeve_release(futures[i]) != REEVE_OK)
            bench_call_failed(bench, "put_1mb_growing");
    printf("%.4f 0\n", GROWING * (double)MB / took / 1e9);
    free(bytes);
}

void bench_prefault(struct bench *bench)
{
    static const struct {
        const char *name, *part, *prefault;
    } rows[] = {{"put_1gb_prefaulted", "first_put", "1"}, {"put_1gb_first", "first_put", "0"},
        {"put_1mb_growing", "growing", "0"}};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(rows); i++) {
        const char *const arguments[] = {"reeve", "bench", "--part", rows[i].part, NULL};
        char text[64] = "";
        double value = 0, floor = 0;
        int out;
        if (!bench_wanted(bench, rows[i].name))
            continue;
        setenv("REEVE_PREFAULT", rows[i].prefault, 1);
        pid_t pid = bench_child_start(arguments, &out);
        unsetenv("REEVE_PREFAULT");
        bool good = pid >= 0 && bench_child_read(pid, out, text, sizeof(text)) == 0;
        if (!good || sscanf(text, "%lf %lf", &value, &floor) != 2)
            bench_wrong(bench, rows[i].name, "the child failed");
        else
            bench_say(bench, rows[i].name, value, "GB/s",
                floor > 0 ? floor : bench->floors.memory_first_touch_gb_s);
    }
}
