/* The suite `ray`: the workloads of Ray's microbenchmark (ray_perf.py), under its names, with the
 * figures that Ray publishes beside ours: release 2.48.0, one m5.16xlarge (64 cores, 256 GiB),
 * drivers and workers in Python. (Its gigabytes are 0.8 for 838,860,800 bytes; here they are
 * bytes.) Which of its rows are not here, and why: README.md. */
#include <reeve.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/macros.h"
#include "tests/bench/bench.h"

#define BATCH          1000
#define PUTTERS        10
#define PUTS           100
#define GIGABYTES_PUT  838860800u /* 104,857,600 int64 zeros */
#define CLIENTS        4
#define CLIENT_CALLS   10000
#define CLIENT_CPUS    0.001 /* nearly none: Ray's clients take none */
#define PUT_ROUNDS_MAX 64

/* ---- remote functions ------------------------------------------------------------------------ */

REEVE_REMOTE(reeve_bytes, ray_ok)
{
    return (reeve_bytes){"ok", 2};
}

static bool is_ok(reeve_bytes *value)
{
    bool ok = value->size == 2 && memcmp(value->data, "ok", 2) == 0;
    reeve_clear(reeve_bytes, value);
    return ok;
}

REEVE_REMOTE(int64_t, ray_put_small, (int64_t, count))
{
    int64_t done = 0;
    while (done < count && reeve_release(reeve_put(int64_t, 0)) == REEVE_OK)
        done++;
    return done;
}

REEVE_REMOTE(int64_t, ray_put_large, (int64_t, count), (uint64_t, size))
{
    int64_t done = 0;
    void *zeros = calloc(1, size);
    reeve_free_later(zeros);
    while (zeros != NULL && done < count) {
        if (reeve_release(reeve_put_bytes(zeros, size)) != REEVE_OK)
            break;
        done++;
    }
    return done;
}

/* A client in a worker: makes its calls, then gets them all. */
REEVE_REMOTE(int64_t, ray_client, (int64_t, count))
{
    ray_ok_future *futures = calloc((size_t)count, sizeof(*futures));
    reeve_bytes *values = calloc((size_t)count, sizeof(*values));
    int64_t good = 0;
    reeve_free_later(futures);
    reeve_free_later(values);
    if (futures == NULL || values == NULL)
        return 0;
    for (int64_t i = 0; i < count; i++)
        futures[i] = ray_ok_remote();
    if (ray_ok_get_many(futures, (size_t)count, values, NULL) != REEVE_OK)
        reeve_fail(1, "%s", reeve_last_error()->message);
    for (int64_t i = 0; i < count; i++)
        good += is_ok(&values[i]);
    return good;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static bool sync_round(struct bench *bench, const char *name)
{
    reeve_bytes value;
    if (ray_ok_get(ray_ok_remote(), &value) != REEVE_OK)
        return bench_call_failed(bench, name);
    return is_ok(&value) || bench_wrong(bench, name, "a wrong answer");
}

static bool async_round(struct bench *bench, const char *name)
{
    static ray_ok_future futures[BATCH];
    static reeve_bytes values[BATCH];
    for (int i = 0; i < BATCH; i++)
        futures[i] = ray_ok_remote();
    if (ray_ok_get_many(futures, BATCH, values, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    bool good = true;
    for (int i = 0; i < BATCH; i++)
        good &= is_ok(&values[i]);
    return good || bench_wrong(bench, name, "a wrong answer");
}

/* A thousand calls, and as many waits for the first of those left. */
static bool wait_round(struct bench *bench, const char *name)
{
    static ray_ok_future open[BATCH];
    static bool ready[BATCH];
    for (int i = 0; i < BATCH; i++)
        open[i] = ray_ok_remote();
    for (size_t count = BATCH; count > 0; count--) {
        size_t i = 0;
        reeve_bytes value;
        if (reeve_wait(open, count, 1, REEVE_FOREVER, ready, NULL) != REEVE_OK)
            return bench_call_failed(bench, name);
        while (!ready[i])
            i++;
        if (ray_ok_get(open[i], &value) != REEVE_OK)
            return bench_call_failed(bench, name);
        if (!is_ok(&value))
            return bench_wrong(bench, name, "a wrong answer");
        memmove(&open[i], &open[i + 1], (count - i - 1) * sizeof(*open));
    }
    return true;
}

static bool put_round(struct bench *bench, const char *name)
{
    for (int i = 0; i < PUTS; i++)
        if (reeve_release(reeve_put(int64_t, 0)) != REEVE_OK)
            return bench_call_failed(bench, name);
    return true;
}

static bool putters_round(struct bench *bench, const char *name)
{
    ray_put_small_future futures[PUTTERS];
    int64_t counts[PUTTERS];
    for (int i = 0; i < PUTTERS; i++)
        futures[i] = ray_put_small_remote(PUTS);
    if (ray_put_small_get_many(futures, PUTTERS, counts, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    for (int i = 0; i < PUTTERS; i++)
        if (counts[i] != PUTS)
            return bench_wrong(bench, name, "a put failed");
    return true;
}

static bool large_putters_round(struct bench *bench, const char *name)
{
    ray_put_large_future futures[PUTTERS];
    int64_t counts[PUTTERS];
    for (int i = 0; i < PUTTERS; i++)
        futures[i] = ray_put_large_remote(PUTTERS, GIGABYTES_PUT / PUTTERS);
    if (ray_put_large_get_many(futures, PUTTERS, counts, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    for (int i = 0; i < PUTTERS; i++)
        if (counts[i] != PUTTERS)
            return bench_wrong(bench, name, "a put failed");
    return true;
}

static void *zeros;

static bool large_put_round(struct bench *bench, const char *name)
{
    if (reeve_release(reeve_put_bytes(zeros, GIGABYTES_PUT)) != REEVE_OK)
        return bench_call_failed(bench, name);
    return true;
}

static bool clients_round(struct bench *bench, const char *name)
{
    ray_client_future futures[CLIENTS];
    int64_t counts[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        futures[i] = ray_client_remote_opts(REEVE_TASK_OPTIONS(.cpus = CLIENT_CPUS), CLIENT_CALLS);
    if (ray_client_get_many(futures, CLIENTS, counts, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    for (int i = 0; i < CLIENTS; i++)
        if (counts[i] != CLIENT_CALLS)
            return bench_wrong(bench, name, "a wrong answer");
    return true;
}

/* A get gives its future up, so there are as many values as gets; putting them is not counted. */
static void get_calls(struct bench *bench, const char *name, double ray)
{
    static reeve_future_int64_t futures[BATCH];
    double spent = 0, end = bench_now_s() + bench->seconds;
    int64_t gets = 0;
    while (bench_now_s() < end) {
        for (int i = 0; i < BATCH; i++)
            futures[i] = reeve_put(int64_t, i);
        double begin = bench_now_s();
        for (int i = 0; i < BATCH; i++) {
            int64_t value;
            if (reeve_get(int64_t, futures[i], &value) != REEVE_OK || value != i) {
                bench_call_failed(bench, name);
                return;
            }
        }
        spent += bench_now_s() - begin;
        gets += BATCH;
    }
    bench_say_ray(bench, name, (double)gets / spent, "1/s", 0, ray);
}

/* ---- the rows -------------------------------------------------------------------------------- */

void bench_ray(struct bench *bench)
{
    const struct reeve_floors *floors = &bench->floors;
    const double calls_s = floors->ring_codec_calls_s, copy_gb_s = floors->memcpy_warm_gb_s;
    const double one_s = floors->ring_codec_sync_us > 0 ? 1e6 / floors->ring_codec_sync_us : 0;
    const double gigabytes = GIGABYTES_PUT / 1e9;
    const struct {
        const char *name;
        bool (*round)(struct bench *, const char *);
        double per_round;
        const char *unit;
        double floor, ray;
    } rows[] = {
        {"single_client_put_calls", put_round, PUTS, "1/s", 0, 5173},
        {"multi_client_put_calls", putters_round, PUTTERS * PUTS, "1/s", 0, 16526},
        {"single_client_put_gigabytes", large_put_round, gigabytes, "GB/s", copy_gb_s, 20.9},
        {"multi_client_put_gigabytes", large_putters_round, gigabytes * PUTTERS, "GB/s", copy_gb_s,
            40.0},
        {"single_client_tasks_and_get_batch", async_round, 1, "1/s", calls_s / BATCH, 5.80},
        {"single_client_wait_1k_refs", wait_round, 1, "1/s", 0, 5.08},
        {"single_client_tasks_sync", sync_round, 1, "1/s", one_s, 981},
        {"single_client_tasks_async", async_round, BATCH, "1/s", calls_s, 8041},
        {"multi_client_tasks_async", clients_round, CLIENTS * CLIENT_CALLS, "1/s", calls_s, 21230},
    };
    if (bench_wanted(bench, "single_client_get_calls"))
        get_calls(bench, "single_client_get_calls", 10620);
    zeros = calloc(1, GIGABYTES_PUT);
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(rows) && zeros != NULL; i++) {
        if (!bench_wanted(bench, rows[i].name))
            continue;
        double rate = bench_rate(bench, rows[i].round, rows[i].name) * rows[i].per_round;
        bench_say_ray(bench, rows[i].name, rate, rows[i].unit, rows[i].floor, rows[i].ray);
    }
    free(zeros);
    bench_ray_actors(bench);
    bench_ray_concurrent(bench);
}
