/* The head's table of runs: which program was started where by `reeve run`, and how it ended. The
 * output is kept by the node that ran it; what is kept here (and in the journal) survives that
 * node.
 *
 *      create ──▶ sending ──▶ running ──▶ exited          told by the node in "run.report"
 *                     └──▶ failed ◀─┘ └──▶ lost           its node died
 *
 * At most RUN_MAX are remembered; the oldest that have ended make room. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/base/log.h"
#include "scheduler/journal.h"
#include "scheduler/shell.h"

#define RUN_MAX 1000

static const char *const state_names[] = {
    [REEVE_RUN_SENDING] = "sending",
    [REEVE_RUN_RUNNING] = "running",
    [REEVE_RUN_EXITED] = "exited",
    [REEVE_RUN_FAILED] = "failed",
    [REEVE_RUN_LOST] = "lost",
};

const char *reeve_run_state_name(enum reeve_run_state state)
{
    return state_names[state];
}

static bool has_ended(const struct reeve_head_run *run)
{
    return run->state != REEVE_RUN_SENDING && run->state != REEVE_RUN_RUNNING;
}

static uint64_t now_ms(void)
{
    return reeve_clock_realtime_ns() / REEVE_NS_PER_MS;
}

static void free_run(struct reeve_head_run *run)
{
    free(run->name);
    free(run->command);
    json_decref(run->row);
    free(run);
}

static void keep(struct reeve_head *head, struct reeve_head_run *run)
{
    json_decref(run->row);
    run->row = reeve_head_run_json(run);
    char *json = run->row ? json_dumps(run->row, JSON_COMPACT) : NULL;
    int error = 0;
    if (head->journal)
        error = json ? reeve_journal_put_run(head->journal, run->id, json) : REEVE_ENOMEM;
    if (error)
        reeve_log(REEVE_LOG_WARN, "REEVE-RUN-NOT-KEPT", "run=%s why=%s", run->id,
            json ? reeve_journal_error(head->journal) : "out of memory");
    free(json);
}

static void make_room(struct reeve_head *head)
{
    REEVE_LIST_EACH_SAFE(node, &head->runs)
    {
        struct reeve_head_run *run = REEVE_LIST_ENTRY(node, struct reeve_head_run, link);
        if (head->run_count < RUN_MAX)
            return;
        if (!has_ended(run))
            continue;
        if (head->journal)
            (void)reeve_journal_remove_run(head->journal, run->id);
        reeve_list_remove(&run->link);
        head->run_count--;
        free_run(run);
    }
}

static void copy_text(char *out, size_t size, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, size, "%s", text ? text : "");
}

static char *dup_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return strdup(text ? text : "");
}

/* A row of the journal back into the table. Whether one that ran still does, its node will say. */
static void load_run(void *arg, const char *id, const char *json)
{
    struct reeve_head *head = arg;
    json_t *row = json_loads(json, 0, NULL);
    struct reeve_head_run *run = calloc(1, sizeof(*run));
    if (!row || !run) {
        json_decref(row);
        free(run);
        return;
    }
    snprintf(run->id, sizeof(run->id), "%s", id);
    run->name = dup_text(row, "name");
    run->command = dup_text(row, "command");
    run->node = (uint32_t)json_integer_value(json_object_get(row, "node"));
    copy_text(run->host, sizeof(run->host), row, "host");
    copy_text(run->text, sizeof(run->text), row, "text");
    run->exit_status = (int)json_integer_value(json_object_get(row, "exit_status"));
    run->signal_number = (int)json_integer_value(json_object_get(row, "signal"));
    run->pid = json_integer_value(json_object_get(row, "pid"));
    run->started_ms = (uint64_t)json_integer_value(json_object_get(row, "started_ms"));
    run->ended_ms = (uint64_t)json_integer_value(json_object_get(row, "ended_ms"));
    run->state = REEVE_RUN_LOST;
    const char *state = json_string_value(json_object_get(row, "state"));
    for (int i = REEVE_RUN_SENDING; state && i <= REEVE_RUN_LOST; i++) {
        if (strcmp(state, state_names[i]) == 0)
            run->state = (enum reeve_run_state)i;
    }
    if (run->state == REEVE_RUN_SENDING) {
        run->state = REEVE_RUN_FAILED;
        snprintf(run->text, sizeof(run->text), "the head ended while the program was being sent");
    }
    json_decref(row);
    run->row = reeve_head_run_json(run);
    reeve_list_push_back(&head->runs, &run->link);
    head->run_count++;
}

void reeve_head_runs_init(struct reeve_head *head)
{
    if (head->journal)
        (void)reeve_journal_each_run(head->journal, load_run, head);
}

void reeve_head_runs_fini(struct reeve_head *head)
{
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(&head->runs)) != NULL)
        free_run(REEVE_LIST_ENTRY(node, struct reeve_head_run, link));
}

struct reeve_head_run *reeve_head_run_create(struct reeve_head *head, const json_t *arguments)
{
    uint32_t number;
    struct reeve_head_run *run = calloc(1, sizeof(*run));
    if (!run || getrandom(&number, sizeof(number), 0) != sizeof(number)) {
        free(run);
        return NULL;
    }
    make_room(head);
    snprintf(run->id, sizeof(run->id), "%08" PRIx32, number);
    run->name = dup_text(arguments, "name");
    run->command = dup_text(arguments, "command");
    run->started_ms = now_ms();
    run->state = REEVE_RUN_SENDING;
    reeve_list_push_back(&head->runs, &run->link);
    head->run_count++;
    return run;
}

struct reeve_head_run *reeve_head_run_find(struct reeve_head *head, const char *word, char *text)
{
    struct reeve_head_run *found = NULL, *named = NULL, *last = NULL;
    size_t size = strlen(word), matches = 0;
    REEVE_LIST_EACH(node, &head->runs)
    {
        struct reeve_head_run *run = REEVE_LIST_ENTRY(node, struct reeve_head_run, link);
        last = run;
        if (strcmp(run->id, word) == 0)
            return run;
        if (size > 0 && strncmp(run->id, word, size) == 0)
            found = run, matches++;
        if (strcmp(run->name, word) == 0)
            named = run;
    }
    if (strcmp(word, "last") == 0 && last)
        return last;
    if (named)
        return named;
    if (matches == 1)
        return found;
    if (matches > 1)
        snprintf(
            text, REEVE_TEXT_SIZE, "%zu runs begin with %.40s: give more of the id", matches, word);
    else
        snprintf(text, REEVE_TEXT_SIZE, "there is no run %.40s (reeve logs lists them)", word);
    return NULL;
}

static void end_run(struct reeve_head *head, struct reeve_head_run *run, enum reeve_run_state state,
    const char *text)
{
    run->state = state;
    run->ended_ms = now_ms();
    snprintf(run->text, sizeof(run->text), "%s", text);
    reeve_log(REEVE_LOG_INFO, "REEVE-RUN-ENDED",
        "run=%s name=%s node=%u state=%s exit_status=%d signal=%d text=%s", run->id, run->name,
        run->node, reeve_run_state_name(state), run->exit_status, run->signal_number, text);
    keep(head, run);
}

void reeve_head_run_report(struct reeve_head *head, const json_t *report)
{
    char why[REEVE_TEXT_SIZE], text[REEVE_TEXT_SIZE];
    const char *id = json_string_value(json_object_get(report, "run"));
    const char *state = json_string_value(json_object_get(report, "state"));
    struct reeve_head_run *run = id && state ? reeve_head_run_find(head, id, why) : NULL;
    if (!run || strcmp(run->id, id) != 0 || (has_ended(run) && run->state != REEVE_RUN_LOST))
        return; /* an old word, said again */
    run->pid = json_integer_value(json_object_get(report, "pid"));
    copy_text(text, sizeof(text), report, "text");
    if (strcmp(state, "running") == 0) {
        run->state = REEVE_RUN_RUNNING;
        reeve_log(REEVE_LOG_INFO, "REEVE-RUN-STARTED", "run=%s name=%s node=%u host=%s pid=%lld",
            run->id, run->name, run->node, run->host, (long long)run->pid);
        keep(head, run);
    } else if (strcmp(state, "exited") == 0) {
        run->exit_status = (int)json_integer_value(json_object_get(report, "exit_status"));
        run->signal_number = (int)json_integer_value(json_object_get(report, "signal"));
        end_run(head, run, REEVE_RUN_EXITED, text);
    } else if (strcmp(state, "failed") == 0) {
        end_run(head, run, REEVE_RUN_FAILED, text);
    }
}

void reeve_head_runs_node_dead(struct reeve_head *head, uint32_t dead)
{
    REEVE_LIST_EACH(node, &head->runs)
    {
        struct reeve_head_run *run = REEVE_LIST_ENTRY(node, struct reeve_head_run, link);
        if (run->node == dead && !has_ended(run))
            end_run(head, run, REEVE_RUN_LOST, "its node died");
    }
}

json_t *reeve_head_run_json(const struct reeve_head_run *run)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:I, s:i, s:i, s:I, s:I, s:s}", "run", run->id,
        "name", run->name, "command", run->command, "node", (json_int_t)run->node, "host",
        run->host, "state", reeve_run_state_name(run->state), "pid", (json_int_t)run->pid,
        "exit_status", run->exit_status, "signal", run->signal_number, "started_ms",
        (json_int_t)run->started_ms, "ended_ms", (json_int_t)run->ended_ms, "text", run->text);
}

json_t *reeve_head_runs_json(const struct reeve_head *head)
{
    json_t *list = json_array();
    REEVE_LIST_EACH(node, &head->runs)
    {
        const struct reeve_head_run *run = REEVE_LIST_ENTRY(node, struct reeve_head_run, link);
        json_array_append_new(list, run->row ? json_incref(run->row) : reeve_head_run_json(run));
    }
    return list;
}
