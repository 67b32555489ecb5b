/* What the files of the node's side of runs share.
 *
 *      shell_runs.c          requests, replies, reports, output, the end
 *      shell_runs_files.c    STATE_DIR/runs/ID: output, status.json, throwing away the oldest
 *      shell_runs_spawn.c    from a request to a process */
#ifndef REEVE_NODE_SHELL_RUNS_INTERNAL_H
#define REEVE_NODE_SHELL_RUNS_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>

#include "runtime/base/list.h"
#include "runtime/node/shell_runs.h"

#define REEVE_RUN_OUTPUT_MAX (64ll << 20) /* of each stream; what comes after is counted */
#define REEVE_RUN_KEPT_MAX   200          /* finished runs in the state folder */

enum reeve_node_run_state { RUN_SENDING, RUN_RUNNING, RUN_EXITED, RUN_FAILED };

struct reeve_node_stream {
    uv_poll_t poll;
    struct reeve_node_run *run;
    int pipe, file;
    int64_t size, dropped;
};

struct reeve_node_run {
    struct reeve_list link;
    struct reeve_runs *runs;
    char id[16];
    json_t *request; /* run.start's arguments */
    int program;     /* the file itself, or a memfd */
    bool have_file;  /* it is the file at `path` of the request */
    int64_t size, received;
    enum reeve_node_run_state state;
    pid_t pid;
    int pidfd;
    uv_poll_t end_poll;
    uv_timer_t kill_timer;
    int open_handles;
    bool gone; /* free when the last handle has closed */
    struct reeve_node_stream streams[2];
    int exit_status, signal_number;
    uint64_t started_ms, ended_ms;
    char text[REEVE_TEXT_SIZE];
    bool reported; /* the head has answered to the last word about it */
    uint64_t report_id;
};

struct reeve_runs {
    struct reeve_runs_options options;
    reeve_peer head;
    struct reeve_list runs, parked;
    uint64_t next_request;
};

/* shell_runs_files.c: REEVE_OK, or REEVE_ESTATE with run->text. */
int reeve_run_files_create(struct reeve_node_run *run);
void reeve_run_files_write(struct reeve_node_stream *stream, const void *bytes, size_t size);
void reeve_run_files_finish(
    struct reeve_node_run *run); /* the count of what was dropped; closes them */
void reeve_run_files_status(const struct reeve_node_run *run);
/* status.json of a former life; NULL: none. */
json_t *reeve_run_files_load(const struct reeve_runs *runs, const char *id);
/* One stream's bytes from `offset`; their count, or REEVE_ESYSTEM. */
long reeve_run_files_read(const struct reeve_runs *runs, const char *id, int stream,
    int64_t *offset, void *out, size_t size);

/* shell_runs_spawn.c: sets pid, pidfd and the streams' pipes; REEVE_EPROGRAM or REEVE_ESYSTEM
 * with run->text. */
int reeve_run_spawn(struct reeve_node_run *run);
/* Opens the very file that the request describes, or a memfd for its bytes. */
int reeve_run_open_program(struct reeve_node_run *run);

json_t *reeve_run_describe(const struct reeve_node_run *run);

#endif
