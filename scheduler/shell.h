/* What the files of the head's shell share.
 *
 *      head_main.c     the loop: links, timers, signals, lifeline; events in, commands out
 *      shell_tools.c   requests of tools: status, stop, logs; passing on what is a node's to answer
 *      shell_report.c  answers that grow with the cluster: shell_report.h
 *      shell_gather.c  what all nodes are asked at once for them
 *      shell_objects.c what lies in their stores
 *      shell_actors.c  the actors in their processes
 *      shell_jobs.c    the memory of jobs, and what the nodes say of tasks
 *      shell_runs.c    the table of runs (drivers started by `reeve run`), kept in the journal
 *      shell_status.c  the core's tables as JSON
 *
 * Everything runs on the loop's thread, but for what makes the text of a report. */
#ifndef REEVE_SCHEDULER_SHELL_H
#define REEVE_SCHEDULER_SHELL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "runtime/base/fifo.h"
#include "runtime/base/list.h"
#include "runtime/base/map64.h"
#include "runtime/wire/link.h"
#include "scheduler/head_main.h"
#include "scheduler/sched.h"

struct reeve_head_peer {
    reeve_peer peer;
    enum reeve_role role;
    char address[REEVE_ADDRESS_SIZE];
};

#define REEVE_RUN_ID_SIZE 16

enum reeve_run_state {
    REEVE_RUN_SENDING, /* its program is on its way to the node */
    REEVE_RUN_RUNNING,
    REEVE_RUN_EXITED, /* exit_status or signal_number */
    REEVE_RUN_FAILED, /* could not be started; text */
    REEVE_RUN_LOST,   /* its node died, or forgot it */
};

/* One program started by `reeve run`. */
struct reeve_head_run {
    struct reeve_list link; /* oldest first */
    char id[REEVE_RUN_ID_SIZE];
    char *name;
    char *command; /* for people */
    uint32_t node;
    char host[REEVE_HOST_SIZE];
    enum reeve_run_state state;
    int exit_status, signal_number;
    int64_t pid;
    uint64_t started_ms, ended_ms; /* since 1970 */
    char text[REEVE_TEXT_SIZE];
    reeve_peer tool; /* while sending: who sends */
    json_t *row;     /* all that, as of when it was last kept; never changed, but replaced */
};

struct reeve_journal;

struct reeve_head {
    const struct reeve_head_options *options;
    uv_loop_t loop;
    uv_timer_t deadline, farewell;
    uv_idle_t work, slices; /* of the core; of reports */
    uv_signal_t sigterm, sigint;
    uv_poll_t lifeline;
    struct reeve_link *links;
    struct reeve_sched *sched;
    struct reeve_journal *journal;
    struct reeve_fifo commands;
    bool carrying;              /* commands are being carried out further up the stack */
    bool stopping, link_closed; /* stopping: saying farewell, then closed */
    struct reeve_map64 peers;   /* by session: struct reeve_head_peer */
    struct reeve_list dials;    /* nodes that the core wants to know about */
    struct reeve_list forwards, stops, runs, reports;
    struct reeve_map64 jobs;      /* by id: struct reeve_head_job */
    struct reeve_list jobs_ended; /* of these, oldest first */
    uint32_t jobs_ended_count;
    uint64_t next_request;
    uint32_t run_count;
    uint64_t uid, incarnation;
    uint64_t started_ns;
    uint64_t rejected_count;
    uint64_t lost_count; /* nodes that were given up */
    uint32_t lost_node;  /* the latest of them, when, and why */
    uint64_t lost_ns;
    char lost_text[REEVE_TEXT_SIZE];
    uint64_t files_max; /* descriptors */
    bool files_told;
};

/* head_main.c */
void reeve_head_stop(struct reeve_head *head, const char *why, bool at_once);
struct reeve_head_peer *reeve_head_find_peer(struct reeve_head *head, reeve_peer peer);
bool reeve_head_find_node(
    struct reeve_head *head, uint32_t node, const char *host, struct reeve_sched_node_info *ret);

/* shell_tools.c */
void reeve_head_tool_request(
    struct reeve_head *head, reeve_peer from, const Reeve__ToolRequest *request);
void reeve_head_tool_reply(struct reeve_head *head, reeve_peer from, const Reeve__ToolReply *reply);
void reeve_head_tools_peer_down(struct reeve_head *head, reeve_peer peer);
void reeve_head_tools_fini(struct reeve_head *head);

/* shell_report.c, shell_gather.c: answers that grow with the cluster */
struct reeve_report_kind;
extern const struct reeve_report_kind reeve_report_status, reeve_report_status_leases,
    reeve_report_tasks, reeve_report_jobs, reeve_report_actors, reeve_report_objects,
    reeve_report_timeline;
/* The tool is answered later, in pieces. Of kinds that ask nodes: with what those have said that
 * have answered within timeout_ms, and "unanswered". REEVE_EBUSY, REEVE_ENOMEM: it is not. */
struct reeve_head_question {
    reeve_peer tool;
    uint64_t tool_id;
    const struct reeve_report_kind *kind;
    json_t *wishes;        /* the tool's arguments; stays the caller's */
    const char *arguments; /* the nodes', JSON */
    uint32_t node;         /* only that one is asked; 0: all */
    uint32_t timeout_ms;
};
int reeve_head_report(struct reeve_head *head, const struct reeve_head_question *question);
/* False: not an answer to any of these. */
bool reeve_head_reports_reply(
    struct reeve_head *head, reeve_peer from, const Reeve__ToolReply *reply);
void reeve_head_reports_peer_down(struct reeve_head *head, reeve_peer peer);
void reeve_head_reports_drained(struct reeve_head *head, reeve_peer tool);
void reeve_head_reports_fini(struct reeve_head *head);

/* shell_jobs.c */
void reeve_head_job_notice(struct reeve_head *head, const struct reeve_sched_command *command);
void reeve_head_job_report(struct reeve_head *head, const json_t *report);
void reeve_head_jobs_fini(struct reeve_head *head);

/* shell_runs.c */
void reeve_head_runs_init(struct reeve_head *head);
void reeve_head_runs_fini(struct reeve_head *head);
struct reeve_head_run *reeve_head_run_create(struct reeve_head *head, const json_t *arguments);
/* By id, by the beginning of one, by name (the latest), or "last"; NULL with the reason in
 * `text`. */
struct reeve_head_run *reeve_head_run_find(struct reeve_head *head, const char *word, char *text);
void reeve_head_run_report(struct reeve_head *head, const json_t *report);
void reeve_head_runs_node_dead(struct reeve_head *head, uint32_t node);
json_t *reeve_head_run_json(const struct reeve_head_run *run);
json_t *reeve_head_runs_json(const struct reeve_head *head);
const char *reeve_run_state_name(enum reeve_run_state state);

#endif
