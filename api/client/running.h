/* What this process knows of the task that it runs, for those who ask from inside of it: written by
 * the worker (runtime/worker/stop.h), all zero in a driver. */
#ifndef REEVE_CLIENT_RUNNING_H
#define REEVE_CLIENT_RUNNING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum reeve_running_state {
    REEVE_RUNNING_IDLE,
    REEVE_RUNNING,
    REEVE_RUNNING_STOPPING, /* it has been asked to stop */
    REEVE_RUNNING_ENDING,   /* the process is about to end */
};
#define REEVE_RUNNING_SHIFT 8u
#define REEVE_RUNNING_STATE 0xffu

/* | number of the run | state |: drawn in stop.h. */
extern _Atomic uint64_t reeve_running_control;
/* The outermost child, run on the spot, that has been asked to stop; UINT32_MAX: none. */
extern _Atomic uint32_t reeve_running_asked_depth;
/* How many are being run on the spot now. */
extern _Atomic uint32_t *reeve_running_depth;
/* In a thread that runs an actor's method beside others (runtime/worker/jobs.h): whether it has
 * been asked to stop; else NULL, and all of the above is meant. */
extern __thread const _Atomic bool *reeve_running_beside __attribute__((tls_model("initial-exec")));

#endif
