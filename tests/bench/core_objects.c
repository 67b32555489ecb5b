/* Rows of values put and got. */
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/macros.h"
#include "tests/bench/bench.h"

#define IN_FLIGHT   1000
#define SMALL_CALLS 200000

static void put_small(struct bench *bench)
{
    static reeve_future_int64_t futures[IN_FLIGHT];
    double spent = 0;
    int64_t puts = 0, y;
    while (puts < SMALL_CALLS) {
        double begin = bench_now_s();
        for (int i = 0; i < IN_FLIGHT; i++)
            futures[i] = reeve_put_int64_t(i);
        spent += bench_now_s() - begin;
        for (int i = 0; i < IN_FLIGHT; i++) {
            if (reeve_get_int64_t(futures[i], &y) != REEVE_OK || y != i) {
                bench_call_failed(bench, "put_small");
                return;
            }
        }
        puts += IN_FLIGHT;
    }
    bench_say(bench, "put_small", (double)puts / spent, "1/s", 0);
}

/* The same with values of a hundred bytes. */
static void put_100b(struct bench *bench)
{
    static reeve_future_reeve_bytes futures[IN_FLIGHT];
    static reeve_bytes back[IN_FLIGHT];
    uint8_t bytes[100] = {0};
    double spent = 0;
    int puts = 0;
    while (puts < SMALL_CALLS) {
        double begin = bench_now_s();
        for (int i = 0; i < IN_FLIGHT; i++) {
            bytes[7] = (uint8_t)i;
            futures[i] = reeve_put_bytes(bytes, sizeof(bytes));
        }
        spent += bench_now_s() - begin;
        if (reeve_get_many_reeve_bytes(futures, IN_FLIGHT, back, NULL) != REEVE_OK) {
            bench_call_failed(bench, "put_100b");
            return;
        }
        for (int i = 0; i < IN_FLIGHT; i++) {
            if (back[i].size != sizeof(bytes) || ((const uint8_t *)back[i].data)[7] != (uint8_t)i)
                bench_wrong(bench, "put_100b", "other bytes than were put");
            reeve_clear(reeve_bytes, &back[i]);
        }
        puts += IN_FLIGHT;
    }
    bench_say(bench, "put_100b", puts / spent, "1/s", 0);
}

#define ROUNDS_MAX 101
#define WARM_SIZE  134217728u /* more than the caches have: warm is what is mapped, not cached */

/* A copy to the next place in a room of WARM_SIZE, or of what is larger all over it, again and
 * again: as much room as that would take memory that is needed. */
static double copy_s(uint8_t *warm, int turn, const uint8_t *bytes, size_t size)
{
    double begin = bench_now_s();
    size_t place = size <= WARM_SIZE ? (size_t)turn % (WARM_SIZE / size) * size : 0;
    for (size_t at = 0; at < size; at += WARM_SIZE)
        memcpy(warm + place, bytes + at, REEVE_MIN(size - at, WARM_SIZE));
    __asm__ volatile("" : : "r"(warm) : "memory"); /* the copy is used */
    return bench_now_s() - begin;
}

/* Median of a few puts and gets of `size` bytes, in GB/s. The floor is a copy into warm memory,
 * measured in turn with them, so that their ratio holds while both change with the machine: a put
 * is one copy into the store; a get here gives the caller a copy of its own. Each copy of the floor
 * goes to another place, as each put does. */
static void put_and_get(struct bench *bench, const char *suffix, size_t size, int rounds)
{
    char put_name[32], get_name[32];
    static double put_times[ROUNDS_MAX], get_times[ROUNDS_MAX], floor_times[ROUNDS_MAX];
    snprintf(put_name, sizeof(put_name), "put_%s", suffix);
    snprintf(get_name, sizeof(get_name), "get_%s", suffix);
    if (!bench_wanted(bench, put_name) && !bench_wanted(bench, get_name))
        return;
    uint8_t *bytes = malloc(size), *warm = malloc(WARM_SIZE);
    if (bytes == NULL || warm == NULL) {
        free(bytes);
        free(warm);
        return;
    }
    memset(bytes, 7, size);
    memset(warm, 7, WARM_SIZE);
    for (int i = 0; i < rounds; i++) {
        bytes[size / 2] = (uint8_t)i;
        floor_times[i] = copy_s(warm, i, bytes, size);
        double begin = bench_now_s();
        reeve_future_reeve_bytes future = reeve_put_reeve_bytes((reeve_bytes){bytes, size});
        put_times[i] = bench_now_s() - begin;
        reeve_bytes back;
        begin = bench_now_s();
        if (reeve_get_reeve_bytes(future, &back) != REEVE_OK) {
            bench_call_failed(bench, get_name);
            break;
        }
        get_times[i] = bench_now_s() - begin;
        if (back.size != size || memcmp(back.data, bytes, size) != 0)
            bench_wrong(bench, get_name, "other bytes than were put");
        reeve_free(back.data);
        if (i == rounds - 1) {
            double floor_gb_s =
                (double)size / bench_percentile(floor_times, (size_t)rounds, 0.5) / 1e9;
            bench_say(bench, put_name,
                (double)size / bench_percentile(put_times, (size_t)rounds, 0.5) / 1e9, "GB/s",
                floor_gb_s);
            bench_say(bench, get_name,
                (double)size / bench_percentile(get_times, (size_t)rounds, 0.5) / 1e9, "GB/s",
                floor_gb_s);
        }
    }
    free(warm);
    free(bytes);
}

void bench_objects(struct bench *bench)
{
    if (bench_wanted(bench, "put_small"))
        put_small(bench);
    if (bench_wanted(bench, "put_100b"))
        put_100b(bench);
    put_and_get(bench, "1mb", 1000 * 1000, ROUNDS_MAX);
    put_and_get(bench, "100mb", 100 * 1000 * 1000, 5);
    put_and_get(bench, "1gb", 1000 * 1000 * 1000, 3);
}
