/* Calls by many threads of one program at once: each keeps its part of what is under way, so
 * that the rate compares with that of one thread. */
#include "tests/bench/threads.h"

#include <pthread.h>
#include <reeve.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

#define THREADS_MAX   64
#define IN_FLIGHT_ALL 1000

REEVE_REMOTE(int64_t, bench_threads_next, (int64_t, x))
{
    return x + 1;
}

struct caller {
    pthread_t thread;
    int in_flight;
    int64_t calls; /* 0: one failed, or an answer was wrong */
    atomic_bool *end;
};

static void *call(void *arg)
{
    struct caller *caller = arg;
    bench_threads_next_future futures[IN_FLIGHT_ALL];
    int64_t calls = 0, y;
    do {
        for (int i = 0; i < caller->in_flight; i++)
            futures[i] = bench_threads_next_remote(calls + i);
        for (int i = 0; i < caller->in_flight; i++)
            if (bench_threads_next_get(futures[i], &y) != REEVE_OK || y != calls + i + 1)
                return NULL;
        calls += caller->in_flight;
    } while (!atomic_load_explicit(caller->end, memory_order_relaxed));
    caller->calls = calls;
    return NULL;
}

double reeve_bench_threads(int threads, double seconds)
{
    struct caller callers[THREADS_MAX];
    atomic_bool end = false;
    int64_t calls = 0;
    bool ok = threads <= THREADS_MAX;
    double begin = bench_now_s();
    for (int i = 0; ok && i < threads; i++) {
        callers[i] = (struct caller){.in_flight = IN_FLIGHT_ALL / threads, .end = &end};
        if (pthread_create(&callers[i].thread, NULL, call, &callers[i]) != 0)
            abort();
    }
    nanosleep(
        &(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)},
        NULL);
    atomic_store(&end, true);
    for (int i = 0; ok && i < threads; i++) {
        pthread_join(callers[i].thread, NULL);
        calls += callers[i].calls;
        ok = ok && callers[i].calls != 0;
    }
    return ok ? (double)calls / (bench_now_s() - begin) : 0;
}
