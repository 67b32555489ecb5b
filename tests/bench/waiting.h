/* The bench's rows of tasks that wait. In a process that has called reeve_init. */
#ifndef REEVE_TESTS_BENCH_WAITING_H
#define REEVE_TESTS_BENCH_WAITING_H

#include <stdbool.h>

/* fib(27), every call remote and waiting for two more: calls per second, or 0; and how busy that
 * many slots were meanwhile: the processor time of their processes, in percent of the time that
 * passed on as many cores. */
double reeve_bench_fib(int slots, double *ret_busy_percent);

/* A random graph of 100,000 tasks through futures as arguments, and as many without any: tasks per
 * second of both. False: a wrong answer. */
bool reeve_bench_graph(double *ret_graph, double *ret_independent);

#endif
