/* `reeve bench`, for the program `reeve`; and what its parts share. */
#ifndef REEVE_TESTS_BENCH_BENCH_H
#define REEVE_TESTS_BENCH_BENCH_H

#include <sys/types.h>

/* argv is that of main, "reeve", "bench", …: workers are started with it again. Returns the exit
 * status. */
int reeve_bench_main(int argc, char **argv);

/* A head and a node daemon that any driver can join: their address and key are put into this
 * process's environment. */
struct reeve_bench_cluster {
    pid_t head, node;
    int lifeline; /* closing it ends them */
};
int reeve_bench_cluster_start(struct reeve_bench_cluster *ret, int slots);
void reeve_bench_cluster_stop(struct reeve_bench_cluster *cluster);

#endif
