/* Requests that come to the head by message: from tools, and from nodes about their runs.
 *
 *      stop, logs of the head              answered here
 *      status, tasks, jobs, actors,
 *      objects, timeline                   grow with the cluster: shell_report.h
 *      actor.kill                          from a tool or a node: passed on to the keeper's node
 *      run.*, logs of a run or a node      passed on to the node that can answer, under an id of
 *                                          ours
 *      run.report, job.report              from a node, about a run of its, or about what the
 *                                          tasks of a job came to there
 *
 * A stop waits for the sessions of the nodes concerned to end; the reply says who did not end in
 * time. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/base/log.h"
#include "runtime/base/machine.h"
#include "runtime/wire/tool_message.h"
#include "scheduler/shell.h"

#define FORWARD_MAX       4096
#define PIECE_SIZE        (256 * 1024)
#define STOP_TIMEOUT_MS   30000
#define GATHER_TIMEOUT_MS 2000
#define NOTHING           ((struct reeve_tool_data){NULL, 0, false})

struct forward {
    struct reeve_list link;
    uint64_t id; /* ours, towards the node */
    reeve_peer node, tool;
    uint64_t tool_id;
};

struct stop {
    struct reeve_list link;
    struct reeve_head *head;
    uv_timer_t timer;
    reeve_peer tool;
    uint64_t tool_id;
    bool everything;
    reeve_peer node; /* where not everything */
};

/* ---- replies ---- */

static void fail(struct reeve_head *head, reeve_peer tool, uint64_t id, int code, const char *text)
{
    (void)reeve_tool_send_reply(head->links, tool, id, code, text, NOTHING);
}

static void answer(struct reeve_head *head, reeve_peer tool, uint64_t id, json_t *result)
{
    char *text = json_dumps(result, JSON_COMPACT);
    json_decref(result);
    if (text)
        (void)reeve_tool_send_reply(head->links, tool, id, 0, text, NOTHING);
    free(text);
}

/* ---- passing on ---- */

/* The reply will find its way back by our id. `arguments` is what the node gets. */
static int pass_on(struct reeve_head *head, reeve_peer node, reeve_peer tool,
    const Reeve__ToolRequest *request, const char *arguments)
{
    if (reeve_list_count(&head->forwards) >= FORWARD_MAX)
        return REEVE_EBUSY;
    struct forward *forward = calloc(1, sizeof(*forward));
    if (!forward)
        return REEVE_ENOMEM;
    *forward = (struct forward){
        .id = ++head->next_request, .node = node, .tool = tool, .tool_id = request->id};
    reeve_list_push_back(&head->forwards, &forward->link);
    struct reeve_tool_data data = {
        request->has_data ? request->data.data : NULL, request->data.len, false};
    return reeve_tool_send_request(
        head->links, node, forward->id, request->method, arguments, data);
}

void reeve_head_tool_reply(struct reeve_head *head, reeve_peer from, const Reeve__ToolReply *reply)
{
    if (reeve_head_reports_reply(head, from, reply))
        return;
    REEVE_LIST_EACH_SAFE(node, &head->forwards)
    {
        struct forward *forward = REEVE_LIST_ENTRY(node, struct forward, link);
        if (forward->id != reply->id || forward->node != from)
            continue;
        bool more = reply->has_more && reply->more;
        struct reeve_tool_data data = {
            reply->has_data ? reply->data.data : NULL, reply->data.len, more};
        (void)reeve_tool_send_reply(
            head->links, forward->tool, forward->tool_id, reply->code, reply->result, data);
        if (!more) {
            reeve_list_remove(&forward->link);
            free(forward);
        }
        return;
    }
}

/* ---- detached actors ---- */

/* Their keeper's node ends them: who that is, the asker knows, or the name tells. */
static void actor_kill(
    struct reeve_head *head, reeve_peer tool, const Reeve__ToolRequest *request, json_t *arguments)
{
    struct reeve_sched_node_info info;
    struct reeve_message claim;
    char text[REEVE_TEXT_SIZE], json[64];
    const char *process = json_string_value(json_object_get(arguments, "process"));
    const char *name = json_string_value(json_object_get(arguments, "name"));
    const char *name_space = json_string_value(json_object_get(arguments, "name_space"));
    reeve_process_id keeper = process ? strtoull(process, NULL, 16) : 0;
    if (name && name_space) {
        if (!reeve_sched_find_name(head->sched, name_space, name, &claim)) {
            snprintf(text, sizeof(text), "no actor has the name %.100s in the namespace %.63s",
                name, name_space);
            fail(head, tool, request->id, REEVE_EHANDLE, text);
            return;
        }
        keeper = claim.process;
    }
    if (!reeve_head_find_node(head, reeve_process_node(keeper), NULL, &info)) {
        fail(head, tool, request->id, REEVE_EUNREACHABLE, "the node of its keeper is not up");
        return;
    }
    snprintf(json, sizeof(json), "{\"process\":\"%016" PRIx64 "\"}", keeper);
    int error = pass_on(head, info.session, tool, request, json);
    if (error)
        fail(head, tool, request->id, error, reeve_strerror(error));
}

static void no_such_node(
    struct reeve_head *head, reeve_peer tool, const Reeve__ToolRequest *request, const json_t *node)
{
    char text[128];
    snprintf(text, sizeof(text), "there is no node %lld that is up (see reeve status)",
        (long long)json_integer_value(node));
    fail(head, tool, request->id, REEVE_EINVAL, text);
}

/* ---- runs ---- */

static bool is_free_for_runs(const struct reeve_sched_node_info *info, const json_t *wanted)
{
    return info->state == REEVE_SCHED_NODE_UP && !info->ending &&
           (!wanted || json_integer_value(wanted) == info->node);
}

/* How many programs run on each node: a count, in place of the value. */
static void count_runs(const struct reeve_head *head, struct reeve_map64 *counts)
{
    reeve_map64_init(counts);
    REEVE_LIST_EACH(node, &head->runs)
    {
        const struct reeve_head_run *run = REEVE_LIST_ENTRY(node, struct reeve_head_run, link);
        if (run->state != REEVE_RUN_SENDING && run->state != REEVE_RUN_RUNNING)
            continue;
        uintptr_t count = (uintptr_t)reeve_map64_get(counts, run->node);
        (void)reeve_map64_put(counts, run->node, (void *)(count + 1), NULL);
    }
}

/* The node that runs fewest programs already; ties go to the one with more slots, then to the
 * older. */
static bool choose_node(
    struct reeve_head *head, const json_t *wanted, struct reeve_sched_node_info *ret)
{
    struct reeve_sched_node_info info;
    struct reeve_map64 counts;
    uint64_t cursor = 0;
    uintptr_t best = UINTPTR_MAX;
    count_runs(head, &counts);
    while (reeve_sched_next_node(head->sched, &cursor, &info)) {
        if (!is_free_for_runs(&info, wanted))
            continue;
        uintptr_t count = (uintptr_t)reeve_map64_get(&counts, info.node);
        if (count < best || (count == best && info.cpu_milli > ret->cpu_milli)) {
            best = count;
            *ret = info;
        }
    }
    reeve_map64_fini(&counts);
    return best != UINTPTR_MAX;
}

static void run_start(
    struct reeve_head *head, reeve_peer tool, const Reeve__ToolRequest *request, json_t *arguments)
{
    struct reeve_sched_node_info info;
    char text[REEVE_TEXT_SIZE];
    json_t *wanted = json_object_get(arguments, "node");
    if (!choose_node(head, wanted, &info)) {
        if (wanted)
            snprintf(text, sizeof(text), "there is no node %lld that is up (see reeve status)",
                (long long)json_integer_value(wanted));
        else
            snprintf(text, sizeof(text), "the cluster has no node: start one with `reeve worker`");
        fail(head, tool, request->id, REEVE_EINFEASIBLE, text);
        return;
    }
    struct reeve_head_run *run = reeve_head_run_create(head, arguments);
    if (!run) {
        fail(head, tool, request->id, REEVE_ENOMEM, NULL);
        return;
    }
    run->node = info.node;
    run->tool = tool;
    snprintf(run->host, sizeof(run->host), "%s", info.host);
    json_object_set_new(arguments, "run", json_string(run->id));
    json_object_set_new(arguments, "node", json_integer(info.node));
    char *json = json_dumps(arguments, JSON_COMPACT);
    int error = json ? pass_on(head, info.session, tool, request, json) : REEVE_ENOMEM;
    free(json);
    if (error)
        fail(head, tool, request->id, error, reeve_strerror(error));
}

/* Where the output of a run is: on its node, or on a later node of the same host and state
 * folder. */
static void pass_to_run(
    struct reeve_head *head, reeve_peer tool, const Reeve__ToolRequest *request, json_t *arguments)
{
    struct reeve_sched_node_info info;
    char text[REEVE_TEXT_SIZE];
    const char *word = json_string_value(json_object_get(arguments, "run"));
    struct reeve_head_run *run = reeve_head_run_find(head, word ? word : "", text);
    if (!run) {
        fail(head, tool, request->id, REEVE_EINVAL, text);
        return;
    }
    if (!reeve_head_find_node(head, run->node, NULL, &info) &&
        !reeve_head_find_node(head, 0, run->host, &info)) {
        snprintf(text, sizeof(text),
            "run %s is %s; its node %u on %s, which keeps the output, is not up", run->id,
            reeve_run_state_name(run->state), run->node, run->host);
        fail(head, tool, request->id, REEVE_ENODEDIED, text);
        return;
    }
    json_object_set_new(arguments, "run", json_string(run->id));
    char *json = json_dumps(arguments, JSON_COMPACT);
    int error = json ? pass_on(head, info.session, tool, request, json) : REEVE_ENOMEM;
    free(json);
    if (error)
        fail(head, tool, request->id, error, reeve_strerror(error));
}

/* ---- logs ---- */

static void own_log(struct reeve_head *head, reeve_peer tool, uint64_t id, json_t *arguments)
{
    static char piece[PIECE_SIZE];
    int64_t offset = json_integer_value(json_object_get(arguments, "offset"));
    char text[REEVE_TEXT_SIZE];
    if (!head->options->log_path) {
        fail(head, tool, id, REEVE_ESTATE, "the head logs to its standard error, not to a file");
        return;
    }
    long size = reeve_file_piece(head->options->log_path, &offset, piece, sizeof(piece));
    if (size < 0) {
        snprintf(text, sizeof(text), "%.150s cannot be read: %s", head->options->log_path,
            strerror(errno));
        fail(head, tool, id, REEVE_ESYSTEM, text);
        return;
    }
    json_t *result =
        json_pack("{s:s, s:I}", "path", head->options->log_path, "offset", (json_int_t)offset);
    char *json = json_dumps(result, JSON_COMPACT);
    json_decref(result);
    (void)reeve_tool_send_reply(
        head->links, tool, id, 0, json, (struct reeve_tool_data){piece, (size_t)size, false});
    free(json);
}

static void logs(
    struct reeve_head *head, reeve_peer tool, const Reeve__ToolRequest *request, json_t *arguments)
{
    struct reeve_sched_node_info info;
    json_t *node = json_object_get(arguments, "node");
    if (json_object_get(arguments, "run")) {
        pass_to_run(head, tool, request, arguments);
    } else if (!node) {
        own_log(head, tool, request->id, arguments);
    } else if (json_integer_value(node) <= 0 ||
               !reeve_head_find_node(head, (uint32_t)json_integer_value(node), NULL, &info)) {
        no_such_node(head, tool, request, node);
    } else {
        int error = pass_on(head, info.session, tool, request, request->arguments);
        if (error)
            fail(head, tool, request->id, error, reeve_strerror(error));
    }
}

/* ---- objects ---- */

/* How many jobs are meant by the word, a name or the beginning of an id; and the first of them. */
static uint32_t jobs_meant(struct reeve_head *head, const char *word, reeve_process_id *ret_first)
{
    struct reeve_sched_job_info info;
    uint64_t cursor = 0;
    uint32_t count = 0;
    char id[17];
    while (reeve_sched_next_job(head->sched, &cursor, &info)) {
        snprintf(id, sizeof(id), "%016" PRIx64, info.job);
        if (strncmp(id, word, strlen(word)) != 0 && strcmp(info.name, word) != 0)
            continue;
        if (count++ == 0)
            *ret_first = info.job;
    }
    return count;
}

static void job_set(json_t *arguments, reeve_process_id job)
{
    json_object_set_new(arguments, "job", json_sprintf("%016" PRIx64, job));
}

static void job_stop(
    struct reeve_head *head, reeve_peer tool, const Reeve__ToolRequest *request, json_t *arguments)
{
    struct reeve_sched_node_info node;
    reeve_process_id job = 0;
    char text[REEVE_TEXT_SIZE];
    const char *word = json_string_value(json_object_get(arguments, "job"));
    uint32_t count = word && *word ? jobs_meant(head, word, &job) : 0; /* "" begins every id */
    if (count != 1) {
        snprintf(text, sizeof(text), "%s jobs have the name or id %.100s (see reeve jobs)",
            count == 0 ? "no" : "several", word ? word : "");
        fail(head, tool, request->id, REEVE_EINVAL, text);
        return;
    }
    if (!reeve_head_find_node(head, reeve_process_node(job), NULL, &node)) {
        fail(head, tool, request->id, REEVE_EUNREACHABLE, "the node of its program is not up");
        return;
    }
    job_set(arguments, job);
    char *json = json_dumps(arguments, JSON_COMPACT);
    int error = json ? pass_on(head, node.session, tool, request, json) : REEVE_ENOMEM;
    if (error)
        fail(head, tool, request->id, error, reeve_strerror(error));
    free(json);
}

static void objects(
    struct reeve_head *head, reeve_peer tool, const Reeve__ToolRequest *request, json_t *arguments)
{
    struct reeve_sched_node_info info;
    char why[80];
    json_int_t node = json_integer_value(json_object_get(arguments, "node"));
    json_int_t timeout_ms = json_integer_value(json_object_get(arguments, "timeout_ms"));
    const char *job = json_string_value(json_object_get(arguments, "job"));
    if (node != 0 && !reeve_head_find_node(head, (uint32_t)node, NULL, &info)) {
        snprintf(why, sizeof(why), "there is no node %" PRIu32 " that is up (see reeve status)",
            (uint32_t)node);
        fail(head, tool, request->id, REEVE_EINVAL, why);
        return;
    }
    reeve_process_id id = 0;
    if (job != NULL && jobs_meant(head, job, &id) == 0) {
        snprintf(why, sizeof(why), "there is no job %.40s (see reeve jobs)", job);
        fail(head, tool, request->id, REEVE_EINVAL, why);
        return;
    }
    if (job != NULL)
        job_set(arguments, id);
    char *text = json_dumps(arguments, JSON_COMPACT);
    int error = reeve_head_report(head,
        &(struct reeve_head_question){.tool = tool,
            .tool_id = request->id,
            .kind = &reeve_report_objects,
            .wishes = arguments,
            .arguments = text,
            .node = (uint32_t)node,
            .timeout_ms = timeout_ms > 0 && timeout_ms < GATHER_TIMEOUT_MS ? (uint32_t)timeout_ms
                                                                           : GATHER_TIMEOUT_MS});
    if (error)
        fail(head, tool, request->id, error, reeve_strerror(error));
    free(text);
}

/* ---- stop ---- */

static void on_stop_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static json_t *nodes_left(struct reeve_head *head, const struct stop *stop)
{
    struct reeve_sched_node_info info;
    uint64_t cursor = 0;
    json_t *left = json_array();
    while (reeve_sched_next_node(head->sched, &cursor, &info)) {
        bool present = info.session && reeve_head_find_peer(head, info.session);
        if (present && (stop->everything || stop->node == info.session))
            json_array_append_new(
                left, json_pack("{s:I, s:s}", "node", (json_int_t)info.node, "host", info.host));
    }
    return left;
}

static void finish_stop(struct stop *stop)
{
    struct reeve_head *head = stop->head;
    bool everything = stop->everything;
    reeve_list_remove(&stop->link);
    answer(head, stop->tool, stop->tool_id, json_pack("{s:o}", "left", nodes_left(head, stop)));
    uv_timer_stop(&stop->timer);
    uv_close((uv_handle_t *)&stop->timer, on_stop_closed);
    if (everything)
        reeve_head_stop(head, "a tool asked for it", false);
}

static void on_stop_timeout(uv_timer_t *timer)
{
    finish_stop(timer->data);
}

static bool is_stopped(struct reeve_head *head, const struct stop *stop)
{
    if (!stop->everything)
        return !reeve_head_find_peer(head, stop->node);
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&head->peers, &at, NULL, &value)) {
        if (((const struct reeve_head_peer *)value)->role == REEVE_ROLE_NODE)
            return false;
    }
    return true;
}

static void ask_to_stop(struct reeve_head *head, const struct stop *stop, uint64_t timeout_ms)
{
    char json[64];
    snprintf(json, sizeof(json), "{\"timeout_ms\": %llu}", (unsigned long long)timeout_ms);
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&head->peers, &at, NULL, &value)) {
        const struct reeve_head_peer *peer = value;
        if (peer->role == REEVE_ROLE_NODE && (stop->everything || peer->peer == stop->node))
            (void)reeve_tool_send_request(
                head->links, peer->peer, ++head->next_request, "stop", json, NOTHING);
    }
}

static void stop_request(
    struct reeve_head *head, reeve_peer tool, const Reeve__ToolRequest *request, json_t *arguments)
{
    struct reeve_sched_node_info info = {0};
    json_t *node = json_object_get(arguments, "node");
    json_t *timeout = json_object_get(arguments, "timeout_ms");
    if (node && (json_integer_value(node) <= 0 ||
                    !reeve_head_find_node(head, (uint32_t)json_integer_value(node), NULL, &info))) {
        no_such_node(head, tool, request, node);
        return;
    }
    struct stop *stop = calloc(1, sizeof(*stop));
    if (!stop) {
        fail(head, tool, request->id, REEVE_ENOMEM, NULL);
        return;
    }
    *stop = (struct stop){.head = head,
        .tool = tool,
        .tool_id = request->id,
        .everything = !node,
        .node = info.session};
    uv_timer_init(&head->loop, &stop->timer);
    stop->timer.data = stop;
    reeve_list_push_back(&head->stops, &stop->link);
    uint64_t timeout_ms = timeout ? (uint64_t)json_integer_value(timeout) : STOP_TIMEOUT_MS;
    reeve_log(REEVE_LOG_INFO, "REEVE-STOP-ASKED", "node=%u everything=%s", info.node,
        stop->everything ? "yes" : "no");
    ask_to_stop(head, stop, timeout_ms);
    if (is_stopped(head, stop))
        finish_stop(stop);
    else
        uv_timer_start(&stop->timer, on_stop_timeout, timeout_ms, 0);
}

/* ---- all ---- */

static void report(
    struct reeve_head *head, reeve_peer from, const Reeve__ToolRequest *request, json_t *arguments)
{
    reeve_head_run_report(head, arguments);
    answer(head, from, request->id, json_object());
}

/* What grows with the cluster. */
static void make_report(struct reeve_head *head, reeve_peer tool, const Reeve__ToolRequest *request,
    const struct reeve_report_kind *kind, json_t *arguments)
{
    int error = reeve_head_report(head, &(struct reeve_head_question){.tool = tool,
                                            .tool_id = request->id,
                                            .kind = kind,
                                            .wishes = arguments,
                                            .arguments = request->arguments,
                                            .timeout_ms = GATHER_TIMEOUT_MS});
    if (error)
        fail(head, tool, request->id, error, reeve_strerror(error));
}

void reeve_head_tool_request(
    struct reeve_head *head, reeve_peer from, const Reeve__ToolRequest *request)
{
    const char *method = request->method;
    json_t *arguments =
        request->arguments ? json_loads(request->arguments, 0, NULL) : json_object();
    if (!json_is_object(arguments))
        fail(head, from, request->id, REEVE_EPROTOCOL, "the arguments are not a JSON object");
    else if (head->stopping)
        fail(head, from, request->id, REEVE_ENOCLUSTER, "the head is ending");
    else if (strcmp(method, "status") == 0)
        make_report(head, from, request,
            json_is_true(json_object_get(arguments, "leases")) ? &reeve_report_status_leases
                                                               : &reeve_report_status,
            arguments);
    else if (strcmp(method, "tasks") == 0)
        make_report(head, from, request, &reeve_report_tasks, arguments);
    else if (strcmp(method, "jobs") == 0)
        make_report(head, from, request, &reeve_report_jobs, arguments);
    else if (strcmp(method, "actors") == 0)
        make_report(head, from, request, &reeve_report_actors, arguments);
    else if (strcmp(method, "timeline") == 0)
        make_report(head, from, request, &reeve_report_timeline, arguments);
    else if (strcmp(method, "job.report") == 0)
        reeve_head_job_report(head, arguments); /* which is not answered */
    else if (strcmp(method, "stop") == 0)
        stop_request(head, from, request, arguments);
    else if (strcmp(method, "logs") == 0)
        logs(head, from, request, arguments);
    else if (strcmp(method, "objects") == 0)
        objects(head, from, request, arguments);
    else if (strcmp(method, "actor.kill") == 0)
        actor_kill(head, from, request, arguments);
    else if (strcmp(method, "job.stop") == 0)
        job_stop(head, from, request, arguments);
    else if (strcmp(method, "run.start") == 0)
        run_start(head, from, request, arguments);
    else if (strcmp(method, "run.data") == 0 || strcmp(method, "run.launch") == 0 ||
             strcmp(method, "run.kill") == 0)
        pass_to_run(head, from, request, arguments);
    else if (strcmp(method, "run.report") == 0)
        report(head, from, request, arguments);
    else
        fail(head, from, request->id, REEVE_EVERSION,
            "this head does not know the request: is it of another release?");
    json_decref(arguments);
}

/* A tool that went away in the middle of sending leaves a run that will never start. */
static void abandon_runs(struct reeve_head *head, reeve_peer tool)
{
    char json[128];
    struct reeve_sched_node_info info;
    REEVE_LIST_EACH(node, &head->runs)
    {
        struct reeve_head_run *run = REEVE_LIST_ENTRY(node, struct reeve_head_run, link);
        if (run->state != REEVE_RUN_SENDING || run->tool != tool)
            continue;
        snprintf(json, sizeof(json),
            "{\"run\":\"%s\",\"state\":\"failed\",\"text\":\"it was never sent in full\"}",
            run->id);
        json_t *word = json_loads(json, 0, NULL);
        reeve_head_run_report(head, word);
        json_decref(word);
        if (reeve_head_find_node(head, run->node, NULL, &info))
            (void)reeve_tool_send_request(
                head->links, info.session, ++head->next_request, "run.kill", json, NOTHING);
    }
}

/* From the start again after each: to finish one may end sessions, and so finish others. */
static void finish_stops(struct reeve_head *head)
{
    struct reeve_list *node = head->stops.next;
    while (node != &head->stops) {
        struct stop *stop = REEVE_LIST_ENTRY(node, struct stop, link);
        node = node->next;
        if (is_stopped(head, stop)) {
            finish_stop(stop);
            node = head->stops.next;
        }
    }
}

void reeve_head_tools_peer_down(struct reeve_head *head, reeve_peer peer)
{
    REEVE_LIST_EACH_SAFE(node, &head->forwards)
    {
        struct forward *forward = REEVE_LIST_ENTRY(node, struct forward, link);
        if (forward->node == peer)
            fail(head, forward->tool, forward->tool_id, REEVE_ENODEDIED,
                "the node went away before it answered");
        if (forward->node == peer || forward->tool == peer) {
            reeve_list_remove(&forward->link);
            free(forward);
        }
    }
    reeve_head_reports_peer_down(head, peer);
    abandon_runs(head, peer);
    finish_stops(head);
}

void reeve_head_tools_fini(struct reeve_head *head)
{
    reeve_head_reports_fini(head);
    reeve_head_jobs_fini(head);
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(&head->forwards)) != NULL)
        free(REEVE_LIST_ENTRY(node, struct forward, link));
    while ((node = reeve_list_pop_front(&head->stops)) != NULL) {
        struct stop *stop = REEVE_LIST_ENTRY(node, struct stop, link);
        uv_close((uv_handle_t *)&stop->timer, on_stop_closed);
    }
}
