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

/* A task of the graph adds up two earlier ones, or, where it names itself, two numbers. */
struct node {
    uint32_t left, right;
    uint64_t sum;
};

/* Most reach back a thousand tasks, some as far as there are. Drawn, like the right answers, before
 * the clock runs: what is measured is what a task of a graph costs in Reeve. */
static void graph_draw(struct node *nodes, bool edges)
{
    uint64_t random = 88172645463325252u;
    for (uint32_t i = 0; i < GRAPH_TASKS; i++) {
        uint32_t reach = i % 8 == 0 || i < GRAPH_NEAR ? i : GRAPH_NEAR;
        bool leaf = !edges || i < 2;
        struct node *node = &nodes[i];
        node->left = leaf ? i : i - 1 - random_below(&random, reach);
        node->right = leaf ? i : i - 1 - random_below(&random, reach);
        node->sum = leaf ? 2 * (uint64_t)i : nodes[node->left].sum + nodes[node->right].sum;
    }
}

/* All are submitted, then all are got. Returns tasks per second, or 0. */
static double graph_rate(bench_add_future *futures, const struct node *nodes)
{
    bool right = true;
    double begin = now_s();
    for (uint32_t i = 0; i < GRAPH_TASKS; i++) {
        const struct node *node = &nodes[i];
        futures[i] = node->left == i
                         ? bench_add_remote((int64_t)i, (int64_t)i)
                         : reeve_call(bench_add, futures[node->left], futures[node->right]);
    }
    for (uint32_t i = 0; i < GRAPH_TASKS; i++) {
        int64_t y;
        right &= bench_add_get(futures[i], &y) == REEVE_OK && (uint64_t)y == nodes[i].sum;
    }
    return right ? GRAPH_TASKS / (now_s() - begin) : 0;
}

bool reeve_bench_graph(double *ret_graph, double *ret_independent)
{
    bench_add_future *futures = calloc(GRAPH_TASKS, sizeof(*futures));
    struct node *nodes = calloc(GRAPH_TASKS, sizeof(*nodes));
    *ret_graph = *ret_independent = 0;
    for (int round = 0; round < 6 && futures != NULL && nodes != NULL; round++) {
        bool edges = round % 2 == 0;
        double *best = edges ? ret_graph : ret_independent;
        graph_draw(nodes, edges);
        double rate = graph_rate(futures, nodes);
        *best = rate > *best ? rate : *best;
    }
    free(futures);
    free(nodes);
    return *ret_graph > 0 && *ret_independent > 0;
}
