/* Tasks that wait: for children, and for what they are given. */
#include "tests/bench/waiting.h"

#include <reeve.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/idle.h"

#define FIB_N       27
#define FIB_ANSWER  196418
#define FIB_CALLS   635621 /* with that of the driver */
#define GRAPH_TASKS 100000
#define GRAPH_NEAR  1000 /* how far back most of its edges reach */

REEVE_REMOTE(int64_t, bench_fib, (int64_t, n))
{
    int64_t a, b;
    if (n < 2)
        return n;
    bench_fib_future first = bench_fib_remote(n - 1), second = bench_fib_remote(n - 2);
    if (bench_fib_get(first, &a) != REEVE_OK || bench_fib_get(second, &b) != REEVE_OK)
        reeve_fail(1, "%s", reeve_last_error()->message);
    return a + b;
}

REEVE_REMOTE(int64_t, bench_add, (int64_t, a), (int64_t, b))
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The worker's daemon: all workers of this machine are its children. */
REEVE_REMOTE(int64_t, bench_worker_parent, (int64_t, nothing))
{
    (void)nothing;
    return getppid();
}

double reeve_bench_fib(int slots, double *ret_busy_percent)
{
    double best = 0;
    int64_t y, daemon;
    *ret_busy_percent = 0;
    if (bench_worker_parent_get(bench_worker_parent_remote(0), &daemon) != REEVE_OK)
        return 0;
    for (int round = 0; round < 4; round++) { /* the first one starts the other workers */
        double before_s = reeve_idle_children_cpu_s((pid_t)daemon), begin = now_s();
        if (bench_fib_get(bench_fib_remote(FIB_N), &y) != REEVE_OK || y != FIB_ANSWER)
            return 0;
        double took_s = now_s() - begin;
        double busy_s = reeve_idle_children_cpu_s((pid_t)daemon) - before_s;
        if (FIB_CALLS / took_s <= best)
            continue;
        best = FIB_CALLS / took_s;
        *ret_busy_percent = 100 * busy_s / (took_s * slots);
    }
    return best;
}

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 16) % limit);
}

/* Each task adds up two earlier ones, or, for comparison, two numbers. All are submitted, then all
 * are got. Returns tasks per second, or 0. */
static double graph_rate(bench_add_future *futures, uint64_t *expected, bool edges)
{
    uint64_t random = 88172645463325252u;
    bool right = true;
    double begin = now_s();
    for (uint32_t i = 0; i < GRAPH_TASKS; i++) {
        uint32_t reach = i % 8 == 0 || i < GRAPH_NEAR ? i : GRAPH_NEAR;
        uint32_t a = edges && i >= 2 ? i - 1 - random_below(&random, reach) : i;
        uint32_t b = edges && i >= 2 ? i - 1 - random_below(&random, reach) : i;
        expected[i] = a == i ? 2 * (uint64_t)i : expected[a] + expected[b];
        futures[i] = a == i ? bench_add_remote((int64_t)i, (int64_t)i)
                            : reeve_call(bench_add, futures[a], futures[b]);
    }
    for (uint32_t i = 0; i < GRAPH_TASKS; i++) {
        int64_t y;
        right &= bench_add_get(futures[i], &y) == REEVE_OK && (uint64_t)y == expected[i];
    }
    return right ? GRAPH_TASKS / (now_s() - begin) : 0;
}

bool reeve_bench_graph(double *ret_graph, double *ret_independent)
{
    bench_add_future *futures = calloc(GRAPH_TASKS, sizeof(*futures));
    uint64_t *expected = calloc(GRAPH_TASKS, sizeof(*expected));
    *ret_graph = *ret_independent = 0;
    for (int round = 0; round < 3 && futures != NULL && expected != NULL; round++) {
        double graph = graph_rate(futures, expected, true);
        double independent = graph_rate(futures, expected, false);
        *ret_graph = graph > *ret_graph ? graph : *ret_graph;
        *ret_independent = independent > *ret_independent ? independent : *ret_independent;
    }
    free(futures);
    free(expected);
    return *ret_graph > 0 && *ret_independent > 0;
}
