/* What workers write: read without ever blocking them for long, cut into lines, passed to their
 * driver's terminal. */
#ifndef REEVE_NODE_SHELL_OUTPUT_H
#define REEVE_NODE_SHELL_OUTPUT_H

struct daemon;
struct daemon_worker;
struct daemon_output;

/* Two pipes for a worker about to be started; the write ends are the caller's to close. NULL: no
 * descriptors left. */
struct daemon_output *daemon_output_open(
    struct daemon *daemon, struct daemon_worker *worker, int *ret_out_fd, int *ret_err_fd);

/* Reads what is there, as the process has ended. */
void daemon_output_drain(struct daemon_output *output);

/* The last that it wrote on stderr, in one line; "" when nothing. */
const char *daemon_output_tail(struct daemon_output *output);

/* The worker is no more: ends an unfinished line, frees. */
void daemon_output_ended(struct daemon_output *output);

#endif
