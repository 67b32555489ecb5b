/* Programs that run on this node on behalf of `reeve run`, and what else tools ask of a node
 * daemon.
 *
 *      head ──▶ run.start run.data run.launch run.kill logs stop ──▶ ToolReply to the head
 *      program's output ──▶ pipes ──▶ STATE_DIR/runs/ID/{stdout,stderr}, bounded
 *      program's end ──▶ status.json, and "run.report" to the head until it answers
 *
 * A run belongs to its node daemon: when the daemon ends, it is killed with all of its process
 * group. Everything happens on the loop's thread; nothing blocks but writes to files. */
#ifndef REEVE_NODE_SHELL_RUNS_H
#define REEVE_NODE_SHELL_RUNS_H

#include <stdint.h>
#include <uv.h>

#include "runtime/wire/link.h"

struct reeve_runs;

struct reeve_runs_options {
    uv_loop_t *loop;
    struct reeve_link *links;
    const char *state_dir; /* NULL: this node runs no programs */
    const char
        *log_path; /* of the daemon's own log, for `reeve logs --node`; NULL: standard error */
    /* of the output of detached actors, from that */
    bool (*actors_log_path)(const char *log_path, char *path, size_t size);
    const char *head_address; /* becomes REEVE_ADDRESS of the programs */
    const uint8_t *key;       /* becomes REEVE_KEY of the programs */
    /* A tool asked the daemon to end, cleanly, within timeout_ms. */
    void (*stop)(void *arg, uint32_t timeout_ms);
    void *arg;
};

/* REEVE_OK or REEVE_ENOMEM. Strings and key must outlive it. */
int reeve_runs_create(const struct reeve_runs_options *options, struct reeve_runs **ret);

/* Kills what still runs, writes down how it ended, and closes all handles: the loop must be run
 * until it has no more before it is closed. The links are not used any more. */
void reeve_runs_free(struct reeve_runs *runs);

/* Every ToolRequest and ToolReply that comes from the head. */
void reeve_runs_request(
    struct reeve_runs *runs, reeve_peer head, const Reeve__ToolRequest *request);
void reeve_runs_reply(struct reeve_runs *runs, const Reeve__ToolReply *reply);

/* A session with the head is up (it gets the reports it does not know yet), or over (0). */
void reeve_runs_set_head(struct reeve_runs *runs, reeve_peer head);

#endif
