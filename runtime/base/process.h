/*
 * Processes and descriptors, the Linux way. A process is known by its pidfd, or by pid and start
 * time together: a pid alone may be another process's by the time it is used. Functions leave errno
 * as the system set it when they return REEVE_ESYSTEM.
 */
#ifndef REEVE_BASE_PROCESS_H
#define REEVE_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A close-on-exec descriptor that becomes readable when the process has ended, or REEVE_ESYSTEM. */
int reeve_process_open(pid_t pid);

/* REEVE_OK, or REEVE_ESYSTEM (errno ESRCH when the process has ended). */
int reeve_process_signal(int pidfd, int signal_number);

struct reeve_process_end {
    int exit_status;   /* when it exited */
    int signal_number; /* that killed it, or 0 */
    bool dumped_core;
};

/* Reaps a child. wait: blocks until it ends. REEVE_OK, REEVE_EAGAIN (not wait: still runs),
 * REEVE_ESYSTEM. */
int reeve_process_reap(int pidfd, bool wait, struct reeve_process_end *end);

/* When the process started, in clock ticks since boot. REEVE_OK, or REEVE_ESYSTEM when there is
 * none. */
int reeve_process_start_time(pid_t pid, uint64_t *start_ticks);

/* Processor time that it has used with all its threads, also when it has ended and is not yet
 * reaped; 0 when there is no such process. */
uint64_t reeve_process_cpu_ns(pid_t pid);

/*
 * In a child, first thing: be killed by `signal_number` when the thread that made this process
 * ends, and see that the parent still is `parent` (it may have died before). REEVE_OK, or
 * REEVE_ENODEDIED when it has died.
 */
int reeve_process_follow_parent(pid_t parent, int signal_number);

/* REEVE_OK or REEVE_ESYSTEM. */
int reeve_descriptor_set_cloexec(int fd, bool on);
int reeve_descriptor_set_nonblocking(int fd, bool on);

/* The soft limit of descriptors becomes the hard one. How many there may be then. */
uint64_t reeve_descriptor_raise_limit(void);

/* All descriptors from `first` on: closed, or marked close-on-exec. REEVE_OK or REEVE_ESYSTEM. */
int reeve_descriptor_close_from(int first);
int reeve_descriptor_cloexec_from(int first);

#endif
