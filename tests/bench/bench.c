/* `reeve bench`: what the product does, as ratios to what the machine can do.
 *
 * The floors (floors.h) are measured first, in the same run and as tight as they can be written;
 * then each row of the suite through the public API, on a cluster of the bench's own; every answer
 * is checked. A row prints as value, unit, floor and ratio. For rates and bandwidth the ratio is
 * value / floor (1 is as fast as the bare mechanism); for times it is value / floor as well (1 is
 * as quick).
 *
 * The program is its own worker: the remote functions of this folder run in processes started by
 * the node daemon, which come here with the same arguments and stay in reeve_init. */
#include "tests/bench/bench.h"
#include "tests/bench/waiting.h"

#include <popt.h>
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/macros.h"

struct suite {
    const char *name;
    uint32_t slots;                /* 0: the machine's cores */
    bool joins;                    /* a cluster that tools can look at, instead of its own */
    void (*alone)(struct bench *); /* before reeve_init, or NULL */
    void (*run)(struct bench *);
};

static const struct suite suites[] = {
    {.name = "core", .slots = 1, .alone = bench_core_alone, .run = bench_core},
    {.name = "ray", .alone = bench_ray_alone, .run = bench_ray},
    {.name = "envelope", .joins = true, .alone = bench_envelope_alone, .run = bench_envelope},
};

/* What the children do, by name; prints one number, and how busy the slots were where that is to be
 * known. */
static int part_run(struct bench *bench, const char *part, int argc, char **argv, double begin)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve bench"), 1;
    if (strcmp(part, "first") == 0) {
        if (!bench_call_once(bench, part, 1))
            return 1;
        printf("%.3f\n", (bench_now_s() - begin) * 1e3);
    } else if (strcmp(part, "async") == 0) {
        printf("%.0f\n", bench_async_rate(bench, part));
    } else if (strcmp(part, "fib") == 0) {
        double busy_percent, rate = reeve_bench_fib(BENCH_SLOTS_TWO, &busy_percent);
        if (rate <= 0)
            bench_call_failed(bench, part);
        printf("%.0f %.1f\n", rate, busy_percent);
    } else if (strcmp(part, "objects") == 0) {
        bench_million_objects_part(bench, "envelope_1m_objects");
    } else if (strcmp(part, "first_put") == 0) {
        bench_first_put_part(bench, begin);
    } else if (strcmp(part, "growing") == 0) {
        bench_growing_part(bench);
    } else if (strcmp(part, "calls") == 0) {
        /* a word when each half is done, and on with it at a line on standard input */
        for (int half = 0; half < 2 && bench_calls_made(bench, part, bench->calls); half++) {
            printf("%s\n", half == 0 ? "warm" : "done");
            fflush(stdout);
            (void)getchar();
        }
    }
    reeve_shutdown();
    return bench->failed != 0;
}

/* For profile.py: a worker runs as that program's child, which does not come back. */
static void worker_wrap(char **argv)
{
    const char *wrapper = getenv("REEVE_BENCH_WRAP_WORKER");
    if (wrapper == NULL || getenv("REEVE_WORKER") == NULL)
        return;
    unsetenv("REEVE_BENCH_WRAP_WORKER");
    execv(wrapper, argv);
    perror(wrapper);
    _exit(1);
}

static int suite_run(
    struct bench *bench, const struct suite *suite, bool floors_only, int argc, char **argv)
{
    struct reeve_bench_cluster cluster;
    bool is_worker = getenv("REEVE_WORKER") != NULL;
    /* the floors are the driver's, and come before any cluster: they fork */
    if (!is_worker) {
        reeve_floors_measure(&bench->floors);
        bench_say_floors(bench);
        if (floors_only)
            return 0;
        if (bench_wanted(bench, "tasks_sync_cold"))
            bench->cold = reeve_floor_cold_start();
        if (suite->alone != NULL)
            suite->alone(bench);
    }
    int slots = suite->slots != 0 ? (int)suite->slots : (int)sysconf(_SC_NPROCESSORS_ONLN);
    bool joins = suite->joins && !is_worker;
    if (joins && reeve_bench_cluster_start(&cluster, slots) != 0)
        return fprintf(stderr, "reeve bench: the cluster did not start\n"), 1;
    int code = reeve_init(argc, argv, REEVE_OPTIONS(.slots = suite->joins ? 0 : (uint32_t)slots));
    if (code == REEVE_OK) {
        suite->run(bench);
        reeve_shutdown();
    } else {
        reeve_perror("reeve bench");
    }
    if (joins)
        reeve_bench_cluster_stop(&cluster);
    if (bench->cold != NULL)
        reeve_floor_cold_stop(bench->cold);
    bench->cold = NULL;
    return code != REEVE_OK;
}

int reeve_bench_main(int argc, char **argv)
{
    double begin = bench_now_s();
    worker_wrap(argv);
    static struct bench bench = {.seconds = 1.0, .runs = 1, .get_bytes = 1000 * 1000 * 1000};
    char *part = NULL, *only = NULL, *suite_name = NULL;
    int floors_only = 0, json = 0, markdown = 0;
    long long get_bytes = 0;
    const struct poptOption options[] = {
        {"suite", 0, POPT_ARG_STRING, &suite_name, 0, "core (default), ray or envelope", "NAME"},
        {"only", 0, POPT_ARG_STRING, &only, 0, "only rows whose name contains TEXT", "TEXT"},
        {"runs", 0, POPT_ARG_INT, &bench.runs, 0, "all of it N times, for medians (default 1)",
            "N"},
        {"seconds", 0, POPT_ARG_DOUBLE, &bench.seconds, 0, "time given to each rate (default 1)",
            "S"},
        {"get-bytes", 0, POPT_ARG_LONGLONG, &get_bytes, 0,
            "size of the large value of the suite envelope (default 1000000000)", "N"},
        {"floors", 0, POPT_ARG_NONE, &floors_only, 0, "only the machine's own limits", NULL},
        {"json", 0, POPT_ARG_NONE, &json, 0,
            "one JSON object a line: name, value, unit, floor, ratio, ray, runs", NULL},
        {"markdown", 0, POPT_ARG_NONE, &markdown, 0, "the table as Markdown", NULL},
        {"calls", 0, POPT_ARG_INT | POPT_ARGFLAG_DOC_HIDDEN, &bench.calls, 0, NULL, NULL},
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
    const struct suite *suite = NULL;
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(suites); i++)
        if (strcmp(suites[i].name, suite_name != NULL ? suite_name : "core") == 0)
            suite = &suites[i];
    if (suite == NULL || bench.runs < 1 || bench.runs > BENCH_RUNS_MAX || get_bytes < 0) {
        fprintf(stderr,
            "reeve bench: --suite is core, ray or envelope; --runs is 1 to %d; --get-bytes is not "
            "negative\n",
            BENCH_RUNS_MAX);
        return 2;
    }
    bench.only = only;
    if (get_bytes != 0)
        bench.get_bytes = (uint64_t)get_bytes;
    bench.format = json ? BENCH_JSON : markdown ? BENCH_MARKDOWN : BENCH_TABLE;
    if (bench_envelope_register() != REEVE_OK)
        return reeve_perror("reeve bench"), 1;
    if (part != NULL)
        return part_run(&bench, part, argc, argv, begin);
    if (getenv("REEVE_WORKER") == NULL)
        bench_heading(&bench);
    for (int run = 0; run < bench.runs; run++) {
        if (bench.runs > 1 && getenv("REEVE_WORKER") == NULL)
            fprintf(stderr, "reeve bench: run %d of %d\n", run + 1, bench.runs);
        if (suite_run(&bench, suite, floors_only, argc, argv) != 0)
            return 1;
    }
    bench_report(&bench);
    poptFreeContext(context);
    return bench.failed != 0;
}
