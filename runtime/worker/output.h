/* What a task prints: stdout and stderr of a worker, marked with the function that wrote. */
#ifndef REEVE_WORKER_OUTPUT_H
#define REEVE_WORKER_OUTPUT_H

#include <stdbool.h>

struct reeve_cluster;

/* The status of a worker that ended because its task's time was up: not a crash, and already
 * answered for. */
#define REEVE_WORKER_EXIT_EXPIRED 113
/* Because its task was cancelled and did not stop: not a crash, and its owner answers for it. */
#define REEVE_WORKER_EXIT_CANCELLED 114

void reeve_worker_output_install(struct reeve_cluster *cluster);
/* Nothing a finished task printed stays in a buffer. No system call when it printed nothing. */
void reeve_worker_output_flush(void);
/* The same while other threads may write. `all`: none runs a method now. */
void reeve_worker_output_flush_shared(bool all);

#endif
