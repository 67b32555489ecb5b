/* Rows of calls: one at a time, many under way, what each half costs, what a waiting task
 * weighs. */
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/bench/bench.h"
#include "tests/bench/threads.h"

#define SYNC_HOT_CALLS  20000
#define SYNC_COLD_CALLS 200
#define COLD_PAUSE_NS   5000000
#define IN_FLIGHT       1000
#define SMALL_CALLS     200000
#define PENDING_TASKS   200000

REEVE_REMOTE(int64_t, bench_next, (int64_t, x))
{
    return x + 1;
}

REEVE_STREAM(int64_t, bench_count, (int64_t, n))
{
    for (int64_t i = 0; i < n; i++)
        if (bench_count_yield(i) != REEVE_OK)
            return;
}

bool bench_call_once(struct bench *bench, const char *name, int64_t x)
{
    int64_t y;
    if (bench_next_get(bench_next_remote(x), &y) != REEVE_OK)
        return bench_call_failed(bench, name);
    return y == x + 1 || bench_wrong(bench, name, "a wrong answer");
}

static bool call_timed(struct bench *bench, const char *name, int64_t x, double *ret_us)
{
    double begin = bench_now_s();
    bool right = bench_call_once(bench, name, x);
    *ret_us = (bench_now_s() - begin) * 1e6;
    return right;
}

static void tasks_sync_hot(struct bench *bench)
{
    static double times[SYNC_HOT_CALLS];
    const char *name = "tasks_sync_hot";
    if (!bench_wanted(bench, name) || !bench_call_once(bench, name, 1))
        return;
    for (int i = 0; i < SYNC_HOT_CALLS; i++)
        if (!call_timed(bench, name, i, &times[i]))
            return;
    bench_say(bench, name, bench_percentile(times, SYNC_HOT_CALLS, 0.5), "us",
        bench->floors.ring_codec_sync_us);
    bench_say(bench, "tasks_sync_hot_p99", bench_percentile(times, SYNC_HOT_CALLS, 0.99), "us", 0);
}

/* In turn with the floor's calls, because how cold a rest leaves the machine changes by a factor
 * of two from one second to the next. */
static void tasks_sync_cold(struct bench *bench)
{
    static double times[SYNC_COLD_CALLS], floors[SYNC_COLD_CALLS];
    const struct timespec rest = {0, COLD_PAUSE_NS};
    const char *name = "tasks_sync_cold";
    if (bench->cold == NULL || !bench_wanted(bench, name) || !bench_call_once(bench, name, 1))
        return;
    for (int i = 0; i < SYNC_COLD_CALLS; i++) {
        nanosleep(&rest, NULL);
        floors[i] = reeve_floor_cold_call_us(bench->cold);
        nanosleep(&rest, NULL);
        if (!call_timed(bench, name, i, &times[i]))
            return;
    }
    bench_say(bench, name, bench_percentile(times, SYNC_COLD_CALLS, 0.5), "us",
        bench_percentile(floors, SYNC_COLD_CALLS, 0.5));
    bench_say(bench, "tasks_sync_cold_p99", bench_percentile(times, SYNC_COLD_CALLS, 0.99), "us",
        bench_percentile(floors, SYNC_COLD_CALLS, 0.99));
}

static int64_t arguments[IN_FLIGHT], answers[IN_FLIGHT];
static bench_next_future futures[IN_FLIGHT];

static bool answers_are_right(struct bench *bench, const char *name)
{
    for (int i = 0; i < IN_FLIGHT; i++)
        if (answers[i] != arguments[i] + 1)
            return bench_wrong(bench, name, "a wrong answer");
    return true;
}

static void arguments_change(void)
{
    for (int i = 0; i < IN_FLIGHT; i++)
        arguments[i] += i + 1;
}

static bool loop_round(struct bench *bench, const char *name)
{
    arguments_change();
    for (int i = 0; i < IN_FLIGHT; i++)
        futures[i] = bench_next_remote(arguments[i]);
    for (int i = 0; i < IN_FLIGHT; i++)
        if (bench_next_get(futures[i], &answers[i]) != REEVE_OK)
            return bench_call_failed(bench, name);
    return answers_are_right(bench, name);
}

static bool bulk_round(struct bench *bench, const char *name)
{
    arguments_change();
    if (bench_next_remote_many(IN_FLIGHT, arguments, futures) != REEVE_OK ||
        bench_next_get_many(futures, IN_FLIGHT, answers, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    return answers_are_right(bench, name);
}

double bench_async_rate(struct bench *bench, const char *name)
{
    return bench_rate(bench, loop_round, name) * IN_FLIGHT;
}

bool bench_calls_made(struct bench *bench, const char *name, int count)
{
    bool good = true;
    for (int made = 0; made < count && good; made += IN_FLIGHT)
        good = loop_round(bench, name);
    return good;
}

/* What submitting costs by itself, and getting what is ready: each half of a round, in between all
 * is waited for. One by one, and in bulk. */
static void halves(struct bench *bench)
{
    double submit_s[2] = {0, 0}, get_s[2] = {0, 0};
    int64_t calls[2] = {0, 0};
    for (int round = 0; calls[1] < SMALL_CALLS; round++) {
        int bulk = round % 2;
        arguments_change();
        double begin = bench_now_s();
        for (int i = 0; i < IN_FLIGHT && !bulk; i++)
            futures[i] = bench_next_remote(arguments[i]);
        if (bulk)
            (void)bench_next_remote_many(IN_FLIGHT, arguments, futures);
        submit_s[bulk] += bench_now_s() - begin;
        if (reeve_wait(futures, IN_FLIGHT, IN_FLIGHT, REEVE_FOREVER, NULL, NULL) != REEVE_OK) {
            bench_call_failed(bench, "get_small");
            return;
        }
        begin = bench_now_s();
        int code = bulk ? bench_next_get_many(futures, IN_FLIGHT, answers, NULL) : REEVE_OK;
        for (int i = 0; i < IN_FLIGHT && !bulk && code == REEVE_OK; i++)
            code = bench_next_get(futures[i], &answers[i]);
        get_s[bulk] += bench_now_s() - begin;
        if (code != REEVE_OK) {
            bench_call_failed(bench, "get_small");
            return;
        }
        if (!answers_are_right(bench, "get_small"))
            return;
        calls[bulk] += IN_FLIGHT;
    }
    bench_say(bench, "submit_small", submit_s[0] / (double)calls[0] * 1e9, "ns", 0);
    bench_say(bench, "submit_small_bulk", submit_s[1] / (double)calls[1] * 1e9, "ns", 0);
    bench_say(bench, "get_small", (double)calls[0] / get_s[0], "1/s", 0);
    bench_say(bench, "get_small_one", get_s[0] / (double)calls[0] * 1e9, "ns", 0);
    bench_say(bench, "get_small_bulk", get_s[1] / (double)calls[1] * 1e9, "ns", 0);
}

/* One function that yields without end, and one reader. */
static void stream_items(struct bench *bench)
{
    const char *name = "stream_items";
    bench_count_stream stream = bench_count_remote(INT64_MAX);
    int64_t item, count = 0;
    double begin = 0, now = 0;
    while (count == 0 || now - begin < bench->seconds) {
        for (int i = 0; i < IN_FLIGHT; i++, count++) {
            if (bench_count_next(stream, &item) != REEVE_OK) {
                bench_call_failed(bench, name);
                return;
            }
            if (item != count) {
                bench_wrong(bench, name, "not in order");
                return;
            }
        }
        now = bench_now_s();
        if (begin == 0) /* the first are not counted: a worker may have to start */
            begin = now;
    }
    reeve_release(stream);
    bench_say(bench, name, (double)(count - IN_FLIGHT) / (now - begin), "1/s",
        bench->floors.ring_codec_calls_s);
}

/* Behind a task that holds the only slot: how much this process grows. */
static void pending_tasks(struct bench *bench)
{
    const char *name = "pending_task_bytes";
    static bench_next_future pending[PENDING_TASKS];
    struct bench_gate gate;
    if (!bench_gate_shut(bench, &gate, name, 1, 1))
        return;
    for (int i = 0; i < PENDING_TASKS; i++)
        pending[i].id = 1; /* its memory is there before the first look */
    uint64_t before = bench_anonymous_bytes();
    for (int i = 0; i < PENDING_TASKS; i++)
        pending[i] = bench_next_remote(i);
    uint64_t after = bench_anonymous_bytes();
    bool good = bench_gate_open(bench, &gate, name);
    for (int i = 0; i < PENDING_TASKS; i++) {
        int64_t y;
        if (bench_next_get(pending[i], &y) != REEVE_OK && good)
            good = bench_call_failed(bench, name);
        else if (y != i + 1 && good)
            good = bench_wrong(bench, name, "a wrong answer");
    }
    if (good)
        bench_say(bench, name, (double)(after - before) / PENDING_TASKS, "B", 0);
}

void bench_calls(struct bench *bench)
{
    const struct reeve_floors *floors = &bench->floors;
    tasks_sync_hot(bench);
    tasks_sync_cold(bench);
    if (bench_wanted(bench, "tasks_async"))
        bench_say(bench, "tasks_async", bench_async_rate(bench, "tasks_async"), "1/s",
            floors->ring_codec_calls_s);
    if (bench_wanted(bench, "tasks_async_bulk"))
        bench_say(bench, "tasks_async_bulk",
            bench_rate(bench, bulk_round, "tasks_async_bulk") * IN_FLIGHT, "1/s",
            floors->ring_codec_calls_s);
    if (bench_wanted(bench, "tasks_async_threads_8")) {
        double rate = reeve_bench_threads(8, bench->seconds);
        if (rate == 0)
            bench_wrong(bench, "tasks_async_threads_8", "a call failed");
        bench_say(bench, "tasks_async_threads_8", rate, "1/s", floors->ring_codec_calls_s);
    }
    if (bench_wanted(bench, "submit_small") || bench_wanted(bench, "get_small") ||
        bench_wanted(bench, "submit_small_bulk") || bench_wanted(bench, "get_small_bulk") ||
        bench_wanted(bench, "get_small_one"))
        halves(bench);
    if (bench_wanted(bench, "stream_items"))
        stream_items(bench);
    if (bench_wanted(bench, "pending_task_bytes"))
        pending_tasks(bench);
}
