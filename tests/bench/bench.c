/* `reeve bench`: what the product does, as ratios to what the machine can do.
 *
 * The floors (floors.h) are measured first, in the same run and as tight as they can be written;
 * then each row through the public API, on a cluster of the bench's own; every answer is checked. A
 * row prints as value, unit, floor and ratio. For rates and bandwidth the ratio is value / floor (1
 * is as fast as the bare mechanism); for times it is value / floor as well (1 is as quick).
 *
 * The program is its own worker: the functions below run in processes started by the node
 * daemon. */
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <popt.h>
#include <reeve.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/macros.h"
#include "tests/bench/floors.h"
#include "tests/bench/idle.h"
#include "tests/bench/waiting.h"

#define SYNC_HOT_CALLS  20000
#define SYNC_COLD_CALLS 200
#define COLD_PAUSE_NS   5000000
#define ASYNC_IN_FLIGHT 1000
#define SMALL_CALLS     200000

extern char **environ;

REEVE_REMOTE(int64_t, bench_next, (int64_t, x))
{
    return x + 1;
}

struct bench {
    const char *only; /* rows whose name contains it, or NULL */
    double seconds;   /* time given to a rate */
    int json;
    int failed;
    int exit_status;
    struct reeve_floors floors;
};

/* ---- measuring ------------------------------------------------------------------------------- */

static double now_s(void)
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

static double percentile(double *sorted, size_t count, double fraction)
{
    qsort(sorted, count, sizeof(*sorted), compare_doubles);
    size_t at = (size_t)(fraction * (double)count);
    return sorted[at < count ? at : count - 1];
}

static bool wanted(const struct bench *bench, const char *name)
{
    return bench->only == NULL || strstr(name, bench->only) != NULL;
}

static void row(
    const struct bench *bench, const char *name, double value, const char *unit, double floor)
{
    double ratio = floor > 0 ? value / floor : 0;
    if (bench->json && floor > 0)
        printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"floor\": %.6g, \"ratio\": "
               "%.4g}\n",
            name, value, unit, floor, ratio);
    else if (bench->json)
        printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"floor\": null, \"ratio\": "
               "null}\n",
            name, value, unit);
    else if (floor > 0)
        printf("%-28s %14.4g %-8s %14.4g %10.3g\n", name, value, unit, floor, ratio);
    else
        printf("%-28s %14.4g %-8s %14s %10s\n", name, value, unit, "-", "-");
    fflush(stdout);
}

static bool wrong(struct bench *bench, const char *name, const char *what)
{
    fprintf(stderr, "reeve bench: %s: %s\n", name, what);
    bench->failed++;
    return false;
}

static bool call_failed(struct bench *bench, const char *name)
{
    return wrong(bench, name, reeve_last_error()->message);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static bool call_once(struct bench *bench, const char *name, int64_t x)
{
    int64_t y;
    if (bench_next_get(bench_next_remote(x), &y) != REEVE_OK)
        return call_failed(bench, name);
    return y == x + 1 || wrong(bench, name, "a wrong answer");
}

static void tasks_sync(
    struct bench *bench, const char *name, int count, int64_t pause_ns, double floor_us)
{
    double *times = calloc((size_t)count, sizeof(*times));
    char tail[64];
    if (times == NULL || !call_once(bench, name, 1))
        return;
    for (int i = 0; i < count; i++) {
        struct timespec pause = {0, pause_ns};
        if (pause_ns != 0)
            nanosleep(&pause, NULL);
        double begin = now_s();
        if (!call_once(bench, name, i))
            break;
        times[i] = (now_s() - begin) * 1e6;
    }
    row(bench, name, percentile(times, (size_t)count, 0.5), "us", floor_us);
    snprintf(tail, sizeof(tail), "%s_p99", name);
    row(bench, tail, percentile(times, (size_t)count, 0.99), "us", 0);
    free(times);
}

/* Calls in batches of ASYNC_IN_FLIGHT for the bench's time; returns calls per second, 0 on
 * failure. */
static double async_rate(struct bench *bench, const char *name)
{
    static bench_next_future futures[ASYNC_IN_FLIGHT];
    double begin = 0, end = 0;
    int64_t calls = 0;
    for (int warm = 1; warm >= 0; warm--) {
        calls = 0;
        begin = now_s();
        end = begin + (warm ? bench->seconds / 4 : bench->seconds);
        do {
            for (int i = 0; i < ASYNC_IN_FLIGHT; i++)
                futures[i] = bench_next_remote(calls + i);
            for (int i = 0; i < ASYNC_IN_FLIGHT; i++) {
                int64_t y;
                if (bench_next_get(futures[i], &y) != REEVE_OK)
                    return call_failed(bench, name), 0;
                if (y != calls + i + 1)
                    return wrong(bench, name, "a wrong answer"), 0;
            }
            calls += ASYNC_IN_FLIGHT;
        } while (now_s() < end);
    }
    return (double)calls / (now_s() - begin);
}

static void get_small(struct bench *bench)
{
    static bench_next_future futures[ASYNC_IN_FLIGHT];
    double spent = 0;
    int64_t gets = 0;
    while (gets < SMALL_CALLS) {
        for (int i = 0; i < ASYNC_IN_FLIGHT; i++)
            futures[i] = bench_next_remote(i);
        reeve_future any[ASYNC_IN_FLIGHT];
        size_t ready;
        for (int i = 0; i < ASYNC_IN_FLIGHT; i++)
            any[i].id = futures[i].id;
        if (reeve_wait(any, ASYNC_IN_FLIGHT, ASYNC_IN_FLIGHT, REEVE_FOREVER, NULL, &ready) !=
            REEVE_OK) {
            call_failed(bench, "get_small");
            return;
        }
        double begin = now_s();
        for (int i = 0; i < ASYNC_IN_FLIGHT; i++) {
            int64_t y;
            if (bench_next_get(futures[i], &y) != REEVE_OK || y != i + 1) {
                call_failed(bench, "get_small");
                return;
            }
        }
        spent += now_s() - begin;
        gets += ASYNC_IN_FLIGHT;
    }
    row(bench, "get_small", (double)gets / spent, "1/s", 0);
}

static void put_small(struct bench *bench)
{
    static reeve_future_int64_t futures[ASYNC_IN_FLIGHT];
    double spent = 0;
    int64_t puts = 0, y;
    while (puts < SMALL_CALLS) {
        double begin = now_s();
        for (int i = 0; i < ASYNC_IN_FLIGHT; i++)
            futures[i] = reeve_put_int64_t(i);
        spent += now_s() - begin;
        for (int i = 0; i < ASYNC_IN_FLIGHT; i++) {
            if (reeve_get_int64_t(futures[i], &y) != REEVE_OK || y != i) {
                call_failed(bench, "put_small");
                return;
            }
        }
        puts += ASYNC_IN_FLIGHT;
    }
    row(bench, "put_small", (double)puts / spent, "1/s", 0);
}

/* Median of a few puts and gets of `size` bytes, in GB/s. The floor is memcpy into warm memory:
 * a put is one copy into the store; a get here gives the caller a copy of its own. */
static void put_and_get(struct bench *bench, const char *suffix, size_t size, int rounds)
{
    char put_name[32], get_name[32];
    double put_times[16], get_times[16];
    snprintf(put_name, sizeof(put_name), "put_%s", suffix);
    snprintf(get_name, sizeof(get_name), "get_%s", suffix);
    if (!wanted(bench, put_name) && !wanted(bench, get_name))
        return;
    uint8_t *bytes = malloc(size);
    if (bytes == NULL)
        return;
    memset(bytes, 7, size);
    for (int i = 0; i < rounds; i++) {
        bytes[size / 2] = (uint8_t)i;
        double begin = now_s();
        reeve_future_reeve_bytes future = reeve_put_reeve_bytes((reeve_bytes){bytes, size});
        put_times[i] = now_s() - begin;
        reeve_bytes back;
        begin = now_s();
        if (reeve_get_reeve_bytes(future, &back) != REEVE_OK) {
            call_failed(bench, get_name);
            break;
        }
        get_times[i] = now_s() - begin;
        if (back.size != size || memcmp(back.data, bytes, size) != 0)
            wrong(bench, get_name, "other bytes than were put");
        reeve_free((void *)(uintptr_t)back.data);
        if (i == rounds - 1) {
            row(bench, put_name, (double)size / percentile(put_times, (size_t)rounds, 0.5) / 1e9,
                "GB/s", bench->floors.memcpy_warm_gb_s);
            row(bench, get_name, (double)size / percentile(get_times, (size_t)rounds, 0.5) / 1e9,
                "GB/s", bench->floors.memcpy_warm_gb_s);
        }
    }
    free(bytes);
}

/* ---- child processes of the bench ------------------------------------------------------------ */

/* Starts this program with other arguments; its standard output is `*ret_out`. */
static pid_t self_start(const char *const *arguments, int *ret_out)
{
    int out[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(out, O_CLOEXEC) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    int failed = posix_spawn(
        &pid, "/proc/self/exe", &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    *ret_out = out[0];
    return failed == 0 ? pid : -1;
}

/* All that the child prints, up to the size; waits for its end. Returns its exit status, or -1. */
static int child_read(pid_t pid, int out, char *text, size_t size)
{
    size_t length = 0;
    int status;
    for (;;) {
        ssize_t got = read(out, text + length, size - 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    text[length] = '\0';
    close(out);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A fresh process: no cluster yet, to the first answer. */
static void start_to_first_result(struct bench *bench)
{
    double times[9];
    const char *const arguments[] = {"reeve", "bench", "--part", "first", NULL};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(times); i++) {
        char text[64];
        int out;
        pid_t pid = self_start(arguments, &out);
        if (pid < 0 || child_read(pid, out, text, sizeof(text)) != 0) {
            wrong(bench, "start_to_first_result", "the child failed");
            return;
        }
        times[i] = strtod(text, NULL);
    }
    row(bench, "start_to_first_result", percentile(times, REEVE_ARRAY_COUNT(times), 0.5), "ms", 0);
}

/* Starts a cluster with two slots and so many drivers of it, which each play the part; the sum of
 * what they print. The cluster is this process's, which lends its address to its children. */
static double drivers_run(struct bench *bench, const char *name, const char *part, int drivers)
{
    char seconds[32];
    double total = 0;
    snprintf(seconds, sizeof(seconds), "%g", bench->seconds);
    const char *const arguments[] = {"reeve", "bench", "--part", part, "--seconds", seconds, NULL};
    pid_t pids[2];
    int outs[2];
    struct reeve_bench_cluster cluster;
    if (reeve_bench_cluster_start(&cluster, 2) != 0)
        return wrong(bench, name, "the cluster did not start"), 0;
    for (int i = 0; i < drivers; i++)
        pids[i] = self_start(arguments, &outs[i]);
    for (int i = 0; i < drivers; i++) {
        char text[64] = "";
        if (pids[i] < 0 || child_read(pids[i], outs[i], text, sizeof(text)) != 0)
            wrong(bench, name, "a driver failed");
        total += strtod(text, NULL);
    }
    reeve_bench_cluster_stop(&cluster);
    return total;
}

static void on_two_slots(struct bench *bench, const char *name, const char *part, int drivers)
{
    if (wanted(bench, name))
        row(bench, name, drivers_run(bench, name, part, drivers), "1/s",
            bench->floors.ring_codec_calls_s);
}

/* What the children do, by name; prints one number. */
static int part_run(struct bench *bench, const char *part, int argc, char **argv, double begin)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve bench"), 1;
    if (strcmp(part, "first") == 0) {
        if (!call_once(bench, part, 1))
            return 1;
        printf("%.3f\n", (now_s() - begin) * 1e3);
    } else if (strcmp(part, "async") == 0) {
        printf("%.0f\n", async_rate(bench, part));
    } else if (strcmp(part, "fib") == 0) {
        double rate = reeve_bench_fib();
        if (rate <= 0)
            call_failed(bench, part);
        printf("%.0f\n", rate);
    }
    reeve_shutdown();
    return bench->failed != 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void floors_print(const struct bench *bench)
{
    const struct reeve_floors *floors = &bench->floors;
    if (!bench->json)
        printf(
            "%-28s %14s %-8s %14s %10s\n", "floor", "measured", "unit", "usual here", "of usual");
    const struct {
        const char *name;
        double value, usual;
        const char *unit;
    } rows[] = {
        {"floor_ring_spinning", floors->ring_spin_us, 0.36, "us"},
        {"floor_ring_futex", floors->ring_futex_us, 55, "us"},
        {"floor_ring_codec_futex", floors->ring_codec_futex_us, 81, "us"},
        {"floor_ring_codec_cold", floors->ring_codec_cold_us, 81, "us"},
        {"floor_ring_codec_one", floors->ring_codec_sync_us, 0.6, "us"},
        {"floor_ring_codec", floors->ring_codec_calls_s, 10e6, "1/s"},
        {"floor_memcpy_warm", floors->memcpy_warm_gb_s, 7, "GB/s"},
        {"floor_memory_first_touch", floors->memory_first_touch_gb_s, 0.25, "GB/s"},
        {"floor_tcp_stream", floors->tcp_stream_gb_s, 2.3, "GB/s"},
        {"floor_nng_round_trip", floors->nng_round_trip_us, 155, "us"},
    };
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(rows); i++) {
        bool is_time = strcmp(rows[i].unit, "us") == 0;
        double of_usual = is_time ? rows[i].usual / rows[i].value : rows[i].value / rows[i].usual;
        row(bench, rows[i].name, rows[i].value, rows[i].unit, rows[i].usual);
        if (of_usual < 0.8)
            fprintf(stderr,
                "reeve bench: note: %s is only %.2f of what this kind of machine usually gives: "
                "ratios to it flatter\n",
                rows[i].name, of_usual);
    }
    if (!bench->json)
        printf("\n%-28s %14s %-8s %14s %10s\n", "", "measured", "unit", "floor", "ratio");
}

static void rows_run(struct bench *bench)
{
    const struct reeve_floors *floors = &bench->floors;
    if (wanted(bench, "tasks_sync_hot"))
        tasks_sync(bench, "tasks_sync_hot", SYNC_HOT_CALLS, 0, floors->ring_codec_sync_us);
    if (wanted(bench, "tasks_sync_cold"))
        tasks_sync(
            bench, "tasks_sync_cold", SYNC_COLD_CALLS, COLD_PAUSE_NS, floors->ring_codec_cold_us);
    if (wanted(bench, "tasks_async")) {
        double rate = async_rate(bench, "tasks_async");
        row(bench, "tasks_async", rate, "1/s", floors->ring_codec_calls_s);
    }
    if (wanted(bench, "tasks_graph")) { /* its floor: as many tasks that wait for nothing */
        double rate, independent;
        if (reeve_bench_graph(&rate, &independent))
            row(bench, "tasks_graph", rate, "1/s", independent);
        else
            wrong(bench, "tasks_graph", "a wrong answer");
    }
    if (wanted(bench, "get_small"))
        get_small(bench);
    if (wanted(bench, "put_small"))
        put_small(bench);
    put_and_get(bench, "1mb", 1000 * 1000, 15);
    put_and_get(bench, "100mb", 100 * 1000 * 1000, 5);
    put_and_get(bench, "1gb", 1000 * 1000 * 1000, 3);
    if (wanted(bench, "idle")) {
        struct reeve_idle idle;
        if (reeve_idle_measure(10, &idle) != 0) {
            wrong(bench, "idle", "the cluster's processes were not found");
            return;
        }
        row(bench, "idle_head_pss", idle.head_pss_mib, "MiB", 0);
        row(bench, "idle_node_pss", idle.node_pss_mib, "MiB", 0);
        row(bench, "idle_worker_pss", idle.worker_pss_mib, "MiB", 0);
        row(bench, "idle_shared_memory", idle.shared_mib, "MiB", 0);
        row(bench, "idle_cpu", idle.cpu_percent, "%", 0);
    }
}

int reeve_bench_main(int argc, char **argv)
{
    double begin = now_s();
    struct bench bench = {.seconds = 1.0};
    char *part = NULL, *only = NULL;
    int floors_only = 0;
    const struct poptOption options[] = {
        {"json", 0, POPT_ARG_NONE, &bench.json, 0,
            "one JSON object a line: name, value, unit, floor, ratio", NULL},
        {"only", 0, POPT_ARG_STRING, &only, 0, "only rows whose name contains TEXT", "TEXT"},
        {"seconds", 0, POPT_ARG_DOUBLE, &bench.seconds, 0, "time given to each rate (default 1)",
            "S"},
        {"floors", 0, POPT_ARG_NONE, &floors_only, 0, "only the machine's own limits", NULL},
        {"part", 0, POPT_ARG_STRING | POPT_ARGFLAG_DOC_HIDDEN, &part, 0, NULL, NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context =
        poptGetContext("reeve bench", argc - 1, (const char **)(uintptr_t)(argv + 1), options, 0);
    poptSetOtherOptionHelp(
        context, "[OPTIONS]\n\nMeasures this machine's own limits, then Reeve against them.\n");
    int bad = poptGetNextOpt(context);
    if (bad < -1) {
        fprintf(stderr, "reeve bench: %s: %s; see reeve bench --help\n", poptBadOption(context, 0),
            poptStrerror(bad));
        return 2;
    }
    bench.only = only;
    if (part != NULL)
        return part_run(&bench, part, argc, argv, begin);
    /* the floors are the driver's, and come before any cluster: they fork */
    if (getenv("REEVE_WORKER") == NULL) {
        reeve_floors_measure(&bench.floors);
        floors_print(&bench);
        if (floors_only)
            return 0;
        if (wanted(&bench, "start_to_first_result"))
            start_to_first_result(&bench);
        on_two_slots(&bench, "tasks_async_2x2", "async", 2);
        on_two_slots(&bench, "tasks_fib", "fib", 1);
    }
    if (reeve_init(argc, argv, REEVE_OPTIONS(.slots = 1)) != REEVE_OK)
        return reeve_perror("reeve bench"), 1;
    rows_run(&bench);
    reeve_shutdown();
    poptFreeContext(context);
    return bench.failed != 0;
}
