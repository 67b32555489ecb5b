/* The suite `core`: a cluster of one slot, and processes of their own for what needs them. */
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/macros.h"
#include "tests/bench/bench.h"
#include "tests/bench/idle.h"
#include "tests/bench/waiting.h"

/* A fresh process: no cluster yet, to the first answer. */
static void start_to_first_result(struct bench *bench)
{
    double times[9];
    const char *const arguments[] = {"reeve", "bench", "--part", "first", NULL};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(times); i++) {
        char text[64];
        int out;
        pid_t pid = bench_child_start(arguments, &out);
        if (pid < 0 || bench_child_read(pid, out, text, sizeof(text)) != 0) {
            bench_wrong(bench, "start_to_first_result", "the child failed");
            return;
        }
        times[i] = strtod(text, NULL);
    }
    bench_say(bench, "start_to_first_result",
        bench_percentile(times, REEVE_ARRAY_COUNT(times), 0.5), "ms", 0);
}

/* Starts a cluster with two slots and so many drivers of it, which each play the part; says the sum
 * of what they print, and returns how busy the last one found the slots, where it says so. The
 * cluster is this process's, which lends its address to its children. */
static double on_two_slots(struct bench *bench, const char *name, const char *part, int drivers)
{
    char seconds[32];
    double total = 0, busy_percent = 0;
    snprintf(seconds, sizeof(seconds), "%g", bench->seconds);
    const char *const arguments[] = {"reeve", "bench", "--part", part, "--seconds", seconds, NULL};
    pid_t pids[2];
    int outs[2];
    struct reeve_bench_cluster cluster;
    if (reeve_bench_cluster_start(&cluster, BENCH_SLOTS_TWO) != 0) {
        bench_wrong(bench, name, "the cluster did not start");
        return 0;
    }
    for (int i = 0; i < drivers; i++)
        pids[i] = bench_child_start(arguments, &outs[i]);
    for (int i = 0; i < drivers; i++) {
        char text[64] = "";
        if (pids[i] < 0 || bench_child_read(pids[i], outs[i], text, sizeof(text)) != 0)
            bench_wrong(bench, name, "a driver failed");
        char *end;
        total += strtod(text, &end);
        busy_percent = strtod(end, NULL);
    }
    reeve_bench_cluster_stop(&cluster);
    bench_say(bench, name, total, "1/s", bench->floors.ring_codec_calls_s);
    return busy_percent;
}

void bench_core_alone(struct bench *bench)
{
    if (bench_wanted(bench, "start_to_first_result"))
        start_to_first_result(bench);
    if (bench_wanted(bench, "tasks_async_2x2"))
        on_two_slots(bench, "tasks_async_2x2", "async", 2);
    if (bench_wanted(bench, "tasks_fib"))
        bench_say(bench, "tasks_fib_busy", on_two_slots(bench, "tasks_fib", "fib", 1), "%", 0);
    bench_prefault(bench);
}

/* Its floor: as many tasks that wait for nothing. */
static void tasks_graph(struct bench *bench)
{
    double rate, independent;
    if (reeve_bench_graph(&rate, &independent))
        bench_say(bench, "tasks_graph", rate, "1/s", independent);
    else
        bench_wrong(bench, "tasks_graph", "a wrong answer");
}

static void idle(struct bench *bench)
{
    struct reeve_idle idle;
    if (reeve_idle_measure(10, &idle) != 0) {
        bench_wrong(bench, "idle", "the cluster's processes were not found");
        return;
    }
    bench_say(bench, "idle_head_pss", idle.head_pss_mib, "MiB", 0);
    bench_say(bench, "idle_node_pss", idle.node_pss_mib, "MiB", 0);
    bench_say(bench, "idle_worker_pss", idle.worker_pss_mib, "MiB", 0);
    bench_say(bench, "idle_shared_memory", idle.shared_mib, "MiB", 0);
    bench_say(bench, "idle_cpu", idle.cpu_percent, "%", 0);
}

void bench_core(struct bench *bench)
{
    bench_calls(bench);
    if (bench_wanted(bench, "tasks_graph"))
        tasks_graph(bench);
    if (bench_wanted(bench, "idle")) /* before the store has any memory to keep warm */
        idle(bench);
    bench_objects(bench);
    bench_views(bench);
    bench_spill(bench);
    bench_extents(bench);
}
