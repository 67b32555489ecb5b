/* Calls by many threads of one program at once. */
#ifndef REEVE_TESTS_BENCH_THREADS_H
#define REEVE_TESTS_BENCH_THREADS_H

/* Calls per second of all threads together, with as much under way as tasks_async has; 0 when a
 * call failed or gave a wrong answer (reeve_last_error is another thread's). */
double reeve_bench_threads(int threads, double seconds);

#endif
