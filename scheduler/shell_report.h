/* Answers that grow with the cluster: of `reeve status`, tasks, jobs, actors, objects, timeline.
 * The loop of a head of 10,000 nodes has no time to make one of these, so it only copies what it
 * knows, a slice a turn; another thread makes the text.
 *
 *      request ─▶ ASKING ──▶ WAITING ──▶ TAKING ──▶ MAKING ──▶ SENDING ──▶ tool
 *                 nodes, a    for all     rows, a    JSON, in   in pieces, as
 *                 slice a     of them,    slice a    libuv's    fast as the tool
 *                 turn        or 2 s      turn       pool       takes them
 *
 * What nobody but the head knows begins with TAKING. The slices of several reports take turns. What
 * was taken in more than one slice is not of one moment; "taken_s" in the answer says within which
 * time it all was true. */
#ifndef REEVE_SCHEDULER_SHELL_REPORT_H
#define REEVE_SCHEDULER_SHELL_REPORT_H

#include <jansson.h>
#include <uv.h>

#include "runtime/base/buffer.h"
#include "runtime/base/map64.h"
#include "scheduler/shell.h"
#include "scheduler/snapshot.h"

struct reeve_report;

/* What one kind of report is made of. */
struct reeve_report_kind {
    const char *method; /* what the nodes are asked; NULL: nothing */
    unsigned tables;    /* of the snapshot: bits */
    bool jobs;          /* the head's memory of them */
    /* What else of the head's is needed, in a moment; on the loop. NULL: nothing. */
    json_t *(*facts)(const struct reeve_head *head);
    /* One of the two, called in another thread: reads the report and nothing else. `answers` of
     * the nodes, each an object. */
    json_t *(*make)(const struct reeve_report *report, json_t *answers);
    void (*write)(const struct reeve_report *report, struct reeve_buffer *out);
};

/* A node that has been asked. */
struct reeve_report_asked {
    uint64_t id; /* of our request; 0: it has answered */
    reeve_peer session;
    uint32_t node;
    char host[REEVE_HOST_SIZE];
    bool answers; /* with what makes sense, so far */
    uint64_t answered_ns;
    struct reeve_buffer text; /* JSON, in as many pieces as came */
};

/* What the head remembers of a job: shell_jobs.c. */
struct reeve_head_job {
    reeve_process_id id;
    struct reeve_list ended_link; /* of those that have ended, oldest first */
    char name[REEVE_TEXT_SIZE];
    char host[REEVE_HOST_SIZE];  /* of its driver */
    uint64_t began_ms, ended_ms; /* since 1970; ended 0: it lives */
    char why[REEVE_TEXT_SIZE];   /* it ended */
    json_t *functions; /* name: [finished, failed]; never changed, but replaced by another */
    double cpu_s;
};

enum reeve_report_stage {
    REEVE_REPORT_ASKING,
    REEVE_REPORT_WAITING,
    REEVE_REPORT_TAKING,
    REEVE_REPORT_MAKING,
    REEVE_REPORT_SENDING,
};

struct reeve_report {
    struct reeve_list link; /* head.reports */
    struct reeve_head *head;
    const struct reeve_report_kind *kind;
    reeve_peer tool;
    uint64_t tool_id;
    enum reeve_report_stage stage;
    bool over;         /* nobody wants it any more */
    bool timer_closed; /* it can be freed when it is over and not being made */
    json_t *arguments;
    char *question; /* what the nodes are asked, JSON */
    uint64_t asked_ns;

    /* ASKING and WAITING: shell_gather.c */
    uint32_t node; /* only that one; 0: all */
    uint32_t timeout_ms;
    uv_timer_t timer;
    uint64_t cursor;
    struct reeve_map64 asked; /* by session; struct reeve_report_asked */
    size_t left;

    /* TAKING */
    struct reeve_snapshot snapshot;
    uint64_t jobs_cursor;
    struct reeve_fifo jobs; /* struct reeve_head_job */
    json_t *facts;
    uint64_t taken_ns;

    uv_work_t work;
    struct reeve_buffer text;
    size_t sent;
};

/* ---- shell_report.c ---- */

/* The next stage after WAITING. */
void reeve_report_take(struct reeve_report *report);
/* Lets the slices of the reports run. */
void reeve_report_wake(struct reeve_head *head);
/* How long all this took to take; 0 when it is of one moment. */
double reeve_report_taken_s(const struct reeve_report *report);

/* ---- shell_gather.c ---- */

/* Asks some of the nodes; false: all have been. */
bool reeve_report_ask_some(struct reeve_report *report);
void reeve_report_node_down(struct reeve_report *report, reeve_peer node);

/* ---- shell_jobs.c ---- */

/* Copies some; false: all have been. */
bool reeve_head_jobs_take(struct reeve_report *report, uint32_t budget);

/* ---- kinds ---- */

/* {"jobs": …}, for those that name them; `answers` NULL: without what nodes know. */
json_t *reeve_report_make_jobs(const struct reeve_report *report, const json_t *answers);

#endif
