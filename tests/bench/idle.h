/* What a cluster costs. Idle: memory and processor time of the daemons that this process has
 * started, and of one worker. */
#ifndef REEVE_TESTS_BENCH_IDLE_H
#define REEVE_TESTS_BENCH_IDLE_H

#include <sys/types.h>

struct reeve_idle {
    /* proportional set size: shared pages are divided among their users */
    double head_pss_mib, node_pss_mib, worker_pss_mib;
    double shared_mib;  /* shared memory that exists, mapped by anybody or not: rings, the store */
    double cpu_percent; /* of one core, the three together */
};

/* Watches for `seconds` without disturbing them. -1 when one of the processes is not there. */
int reeve_idle_measure(int seconds, struct reeve_idle *ret);

/* Processor time that all children of that process have had, in seconds. */
double reeve_idle_children_cpu_s(pid_t parent);

#endif
