/* The node's side of `reeve run`, `reeve logs` and `reeve stop`; see shell_runs.h.
 *
 *      run.start ──▶ sending ── run.data … ── run.launch ──▶ running ── pidfd readable ──▶ exited
 *                        └── run.kill, head lost ──▶ forgotten        └─ it cannot start ──▶ failed
 *
 * A request for output that is not there yet ("wait"), and a request to kill, are parked: they
 * are answered when there is output, or when the run has ended. A run that has ended is
 * forgotten when the head has answered to the report; its files remain. */
#include "runtime/node/shell_runs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/base/log.h"
#include "runtime/base/machine.h"
#include "runtime/base/process.h"
#include "runtime/node/shell_runs_internal.h"
#include "runtime/wire/tool_message.h"

#define PIECE_SIZE    (256 * 1024)
#define READ_SIZE     (64 * 1024)
#define DRAIN_MAX     (1024 * 1024)
#define KILL_AFTER_MS 10000
#define PARKED_MAX    1024
#define NOTHING       ((struct reeve_tool_data){NULL, 0, false})

enum parked_kind { PARKED_OUTPUT, PARKED_KILL };

struct parked {
    struct reeve_list link;
    enum parked_kind kind;
    char run[16];
    reeve_peer head;
    uint64_t id;
    int64_t offsets[2];
};

static const char *const state_names[] = {[RUN_SENDING] = "sending",
    [RUN_RUNNING] = "running",
    [RUN_EXITED] = "exited",
    [RUN_FAILED] = "failed"};

/* ---- words ---- */

static void fail(struct reeve_runs *runs, reeve_peer head, uint64_t id, int code, const char *text)
{
    (void)reeve_tool_send_reply(runs->options.links, head, id, code, text, NOTHING);
}

static void answer(struct reeve_runs *runs, reeve_peer head, uint64_t id, json_t *result,
    struct reeve_tool_data data)
{
    char *text = json_dumps(result, JSON_COMPACT);
    json_decref(result);
    if (text)
        (void)reeve_tool_send_reply(runs->options.links, head, id, 0, text, data);
    free(text);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

json_t *reeve_run_describe(const struct reeve_node_run *run)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:i, s:I, s:I, s:s}", "run", run->id, "name",
        text_of(run->request, "name"), "command", text_of(run->request, "command"), "state",
        state_names[run->state], "pid", (json_int_t)run->pid, "exit_status", run->exit_status,
        "signal", run->signal_number, "started_ms", (json_int_t)run->started_ms, "ended_ms",
        (json_int_t)run->ended_ms, "text", run->text);
}

static void report(struct reeve_node_run *run)
{
    struct reeve_runs *runs = run->runs;
    run->reported = false;
    if (!runs->head)
        return;
    json_t *description = reeve_run_describe(run);
    char *text = json_dumps(description, JSON_COMPACT);
    json_decref(description);
    run->report_id = ++runs->next_request;
    if (text)
        (void)reeve_tool_send_request(
            runs->options.links, runs->head, run->report_id, "run.report", text, NOTHING);
    free(text);
}

/* ---- life of a run ---- */

static struct reeve_node_run *find_run(struct reeve_runs *runs, const char *id)
{
    REEVE_LIST_EACH(node, &runs->runs)
    {
        struct reeve_node_run *run = REEVE_LIST_ENTRY(node, struct reeve_node_run, link);
        if (strcmp(run->id, id) == 0)
            return run;
    }
    return NULL;
}

static void free_run(struct reeve_node_run *run)
{
    json_decref(run->request);
    for (int i = 0; i < 2; i++) {
        if (run->streams[i].pipe >= 0)
            close(run->streams[i].pipe);
    }
    reeve_run_files_finish(run);
    if (run->program >= 0)
        close(run->program);
    if (run->pidfd >= 0)
        close(run->pidfd);
    free(run);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct reeve_node_run *run = handle->data;
    if (--run->open_handles == 0 && run->gone)
        free_run(run);
}

static void close_handle(struct reeve_node_run *run, uv_handle_t *handle)
{
    if (handle->data == run && !uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

static void open_handle(struct reeve_node_run *run, uv_handle_t *handle)
{
    handle->data = run;
    run->open_handles++;
}

static void forget(struct reeve_node_run *run)
{
    reeve_list_remove(&run->link);
    run->gone = true;
    for (int i = 0; i < 2; i++)
        close_handle(run, (uv_handle_t *)&run->streams[i].poll);
    close_handle(run, (uv_handle_t *)&run->end_poll);
    close_handle(run, (uv_handle_t *)&run->kill_timer);
    if (run->open_handles == 0)
        free_run(run);
}

static void answer_parked(struct reeve_runs *runs, const char *id);

static void end(struct reeve_node_run *run, enum reeve_node_run_state state)
{
    run->state = state;
    run->ended_ms = reeve_clock_realtime_ns() / REEVE_NS_PER_MS;
    reeve_run_files_finish(run);
    reeve_run_files_status(run);
    reeve_log(REEVE_LOG_INFO, "REEVE-RUN-ENDED", "run=%s state=%s exit_status=%d signal=%d text=%s",
        run->id, state_names[state], run->exit_status, run->signal_number, run->text);
    report(run);
    answer_parked(run->runs, run->id);
}

/* Reads what is there. Returns false at the end of the stream. */
static bool read_stream(struct reeve_node_stream *stream, size_t limit)
{
    static char bytes[READ_SIZE];
    for (size_t total = 0; total < limit;) {
        ssize_t count = read(stream->pipe, bytes, sizeof(bytes));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno == EAGAIN;
        if (count == 0)
            return false;
        reeve_run_files_write(stream, bytes, (size_t)count);
        total += (size_t)count;
    }
    return true;
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    struct reeve_node_stream *stream = REEVE_CONTAINER_OF(poll, struct reeve_node_stream, poll);
    (void)events;
    if (status < 0 || !read_stream(stream, READ_SIZE))
        uv_poll_stop(poll);
    answer_parked(stream->run->runs, stream->run->id);
}

/* The program has ended. What it has started goes too: it may hold the pipes, and nobody would
 * ever end it. */
static void on_end(uv_poll_t *poll, int status, int events)
{
    struct reeve_node_run *run = poll->data;
    struct reeve_process_end how = {0};
    (void)status;
    (void)events;
    if (reeve_process_reap(run->pidfd, false, &how) != 0)
        return;
    uv_poll_stop(poll);
    uv_timer_stop(&run->kill_timer);
    (void)kill(-run->pid, SIGKILL);
    for (int i = 0; i < 2; i++) {
        uv_poll_stop(&run->streams[i].poll);
        (void)read_stream(&run->streams[i], DRAIN_MAX);
    }
    run->exit_status = how.exit_status;
    run->signal_number = how.signal_number;
    end(run, RUN_EXITED);
}

static void on_kill_timer(uv_timer_t *timer)
{
    struct reeve_node_run *run = timer->data;
    (void)kill(-run->pid, SIGKILL); /* its end comes by the pidfd */
}

static void watch(struct reeve_node_run *run)
{
    uv_loop_t *loop = run->runs->options.loop;
    uv_timer_init(loop, &run->kill_timer);
    open_handle(run, (uv_handle_t *)&run->kill_timer);
    uv_poll_init(loop, &run->end_poll, run->pidfd);
    open_handle(run, (uv_handle_t *)&run->end_poll);
    uv_poll_start(&run->end_poll, UV_READABLE, on_end);
    for (int i = 0; i < 2; i++) {
        uv_poll_init(loop, &run->streams[i].poll, run->streams[i].pipe);
        open_handle(run, (uv_handle_t *)&run->streams[i].poll);
        uv_poll_start(&run->streams[i].poll, UV_READABLE | UV_DISCONNECT, on_output);
    }
}

/* ---- requests about runs ---- */

static void run_start(struct reeve_runs *runs, reeve_peer head, uint64_t id, json_t *arguments)
{
    struct reeve_node_run *run = calloc(1, sizeof(*run));
    const char *name = text_of(arguments, "run");
    json_t *size = json_object_get(json_object_get(arguments, "file"), "size");
    if (!run || !*name || find_run(runs, name) ||
        json_array_size(json_object_get(arguments, "arguments")) == 0) {
        free(run);
        fail(runs, head, id, REEVE_EPROTOCOL, "not a request to run a program");
        return;
    }
    run->runs = runs;
    run->request = json_incref(arguments);
    run->program = run->pidfd = -1;
    run->size = json_integer_value(size);
    run->started_ms = reeve_clock_realtime_ns() / REEVE_NS_PER_MS;
    for (int i = 0; i < 2; i++)
        run->streams[i] = (struct reeve_node_stream){.run = run, .pipe = -1, .file = -1};
    snprintf(run->id, sizeof(run->id), "%s", name);
    reeve_list_push_back(&runs->runs, &run->link);
    int error = reeve_run_files_create(run);
    if (error == 0)
        error = reeve_run_open_program(run);
    if (error) {
        fail(runs, head, id, error, run->text);
        end(run, RUN_FAILED);
        return;
    }
    reeve_run_files_status(run);
    answer(runs, head, id,
        json_pack("{s:s, s:b, s:O, s:s}", "run", run->id, "have", (int)run->have_file, "node",
            json_object_get(arguments, "node"), "name", text_of(arguments, "name")),
        NOTHING);
}

static void run_data(struct reeve_runs *runs, reeve_peer head, const Reeve__ToolRequest *request,
    struct reeve_node_run *run, json_t *arguments)
{
    int64_t offset = json_integer_value(json_object_get(arguments, "offset"));
    size_t size = request->has_data ? request->data.len : 0;
    if (run->state != RUN_SENDING || run->have_file || offset != run->received ||
        (int64_t)size > run->size - run->received) {
        fail(runs, head, request->id, REEVE_EPROTOCOL, "a piece of the program does not fit");
        return;
    }
    if (pwrite(run->program, request->data.data, size, offset) != (ssize_t)size) {
        fail(runs, head, request->id, REEVE_ESYSTEM, "no memory for the program on the node");
        return;
    }
    run->received += (int64_t)size;
    answer(runs, head, request->id, json_object(), NOTHING);
}

static void run_launch(
    struct reeve_runs *runs, reeve_peer head, uint64_t id, struct reeve_node_run *run)
{
    if (run->state != RUN_SENDING || (!run->have_file && run->received != run->size)) {
        fail(runs, head, id, REEVE_EPROTOCOL, "the program has not come in full");
        return;
    }
    int error = reeve_run_spawn(run);
    close(run->program);
    run->program = -1;
    if (error) {
        fail(runs, head, id, error, run->text);
        end(run, RUN_FAILED);
        return;
    }
    run->state = RUN_RUNNING;
    watch(run);
    reeve_run_files_status(run);
    reeve_log(REEVE_LOG_INFO, "REEVE-RUN-STARTED", "run=%s pid=%d command=%s", run->id,
        (int)run->pid, text_of(run->request, "command"));
    report(run);
    answer(runs, head, id, json_pack("{s:I}", "pid", (json_int_t)run->pid), NOTHING);
}

static void park(struct reeve_runs *runs, enum parked_kind kind, reeve_peer head, uint64_t id,
    const char *run, const int64_t offsets[2])
{
    struct parked *parked = calloc(1, sizeof(*parked));
    if (!parked || reeve_list_count(&runs->parked) >= PARKED_MAX) {
        free(parked);
        fail(runs, head, id, REEVE_EBUSY, "too many wait for this node's runs");
        return;
    }
    parked->kind = kind;
    parked->head = head;
    parked->id = id;
    snprintf(parked->run, sizeof(parked->run), "%s", run);
    if (offsets)
        memcpy(parked->offsets, offsets, sizeof(parked->offsets));
    reeve_list_push_back(&runs->parked, &parked->link);
}

static void run_kill(struct reeve_runs *runs, reeve_peer head, uint64_t id,
    struct reeve_node_run *run, json_t *arguments)
{
    json_t *timeout = json_object_get(arguments, "timeout_ms");
    if (run->state == RUN_RUNNING) {
        (void)kill(-run->pid, SIGTERM);
        uint64_t after_ms = timeout ? (uint64_t)json_integer_value(timeout) : KILL_AFTER_MS;
        uv_timer_start(&run->kill_timer, on_kill_timer, after_ms, 0);
        park(runs, PARKED_KILL, head, id, run->id, NULL);
        return;
    }
    if (run->state == RUN_SENDING) {
        snprintf(run->text, sizeof(run->text), "stopped before it was sent in full");
        end(run, RUN_FAILED);
    }
    answer(runs, head, id, json_pack("{s:[]}", "left"), NOTHING);
}

/* ---- output ---- */

/* The state of a run that is not in memory: ended before, or cut off by the end of the daemon
 * that ran it. */
static json_t *former_run(struct reeve_runs *runs, const char *id)
{
    json_t *status = reeve_run_files_load(runs, id);
    const char *state = text_of(status, "state");
    if (status && (strcmp(state, "running") == 0 || strcmp(state, "sending") == 0)) {
        json_object_set_new(status, "state", json_string("lost"));
        json_object_set_new(status, "text", json_string("the node daemon that ran it has ended"));
    }
    return status;
}

/* Answers with what lies behind the offsets; when there is nothing yet and the run goes on,
 * parks if asked to. */
static void send_output(struct reeve_runs *runs, reeve_peer head, uint64_t id, const char *name,
    const int64_t wanted[2], bool wait)
{
    static char bytes[PIECE_SIZE];
    struct reeve_node_run *run = find_run(runs, name);
    int64_t offsets[2] = {wanted[0], wanted[1]};
    size_t sizes[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        long count =
            reeve_run_files_read(runs, name, i, &offsets[i], bytes + sizes[0], PIECE_SIZE / 2);
        sizes[i] = count > 0 ? (size_t)count : 0;
    }
    bool goes_on = run && (run->state == RUN_RUNNING || run->state == RUN_SENDING);
    if (sizes[0] + sizes[1] == 0 && goes_on && wait) {
        park(runs, PARKED_OUTPUT, head, id, name, wanted);
        return;
    }
    json_t *status = run ? reeve_run_describe(run) : former_run(runs, name);
    if (!status) {
        fail(runs, head, id, REEVE_EINVAL, "the node keeps no output of this run any more");
        return;
    }
    json_object_set_new(status, "stdout_size", json_integer((json_int_t)sizes[0]));
    json_object_set_new(status, "stderr_size", json_integer((json_int_t)sizes[1]));
    answer(runs, head, id, status, (struct reeve_tool_data){bytes, sizes[0] + sizes[1], false});
}

static void answer_parked(struct reeve_runs *runs, const char *id)
{
    struct reeve_node_run *run = find_run(runs, id);
    bool ended = !run || run->state == RUN_EXITED || run->state == RUN_FAILED;
    struct reeve_list ready;
    reeve_list_init(&ready);
    REEVE_LIST_EACH_SAFE(node, &runs->parked)
    {
        struct parked *parked = REEVE_LIST_ENTRY(node, struct parked, link);
        if (strcmp(parked->run, id) == 0 && (ended || parked->kind == PARKED_OUTPUT)) {
            reeve_list_remove(&parked->link);
            reeve_list_push_back(&ready, &parked->link);
        }
    }
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(&ready)) != NULL) {
        struct parked *parked = REEVE_LIST_ENTRY(node, struct parked, link);
        if (parked->kind == PARKED_OUTPUT)
            send_output(runs, parked->head, parked->id, id, parked->offsets, true);
        else
            answer(runs, parked->head, parked->id, json_pack("{s:[]}", "left"), NOTHING);
        free(parked);
    }
}

static void own_log(struct reeve_runs *runs, reeve_peer head, uint64_t id, const json_t *arguments)
{
    static char bytes[PIECE_SIZE];
    char text[REEVE_TEXT_SIZE];
    int64_t offset = json_integer_value(json_object_get(arguments, "offset"));
    char actors[PATH_MAX];
    const char *path = runs->options.log_path;
    bool of_actors = path && json_is_true(json_object_get(arguments, "actors"));
    if (of_actors)
        path = runs->options.actors_log_path(path, actors, sizeof(actors)) ? actors : NULL;
    if (of_actors && path && access(path, F_OK) != 0) {
        fail(runs, head, id, REEVE_ESTATE,
            "no detached actor of this node has printed anything that nobody else was there for");
        return;
    }
    if (!path) {
        fail(runs, head, id, REEVE_ESTATE, "this node logs to its standard error, not to a file");
        return;
    }
    long size = reeve_file_piece(path, &offset, bytes, sizeof(bytes));
    if (size < 0) {
        snprintf(text, sizeof(text), "%.150s cannot be read: %s", path, strerror(errno));
        fail(runs, head, id, REEVE_ESYSTEM, text);
        return;
    }
    answer(runs, head, id, json_pack("{s:s, s:I}", "path", path, "offset", (json_int_t)offset),
        (struct reeve_tool_data){bytes, (size_t)size, false});
}

static void logs(struct reeve_runs *runs, reeve_peer head, uint64_t id, const json_t *arguments)
{
    const char *run = text_of(arguments, "run");
    if (!*run) {
        own_log(runs, head, id, arguments);
        return;
    }
    int64_t offsets[2] = {json_integer_value(json_object_get(arguments, "stdout")),
        json_integer_value(json_object_get(arguments, "stderr"))};
    send_output(runs, head, id, run, offsets, json_is_true(json_object_get(arguments, "wait")));
}

/* ---- all requests ---- */

static void request_about_run(
    struct reeve_runs *runs, reeve_peer head, const Reeve__ToolRequest *request, json_t *arguments)
{
    struct reeve_node_run *run = find_run(runs, text_of(arguments, "run"));
    bool kills = strcmp(request->method, "run.kill") == 0;
    if (!run && kills)
        answer(runs, head, request->id, json_pack("{s:[]}", "left"), NOTHING);
    else if (!run)
        fail(runs, head, request->id, REEVE_EINVAL, "the node does not know this run");
    else if (kills)
        run_kill(runs, head, request->id, run, arguments);
    else if (strcmp(request->method, "run.data") == 0)
        run_data(runs, head, request, run, arguments);
    else
        run_launch(runs, head, request->id, run);
}

void reeve_runs_request(struct reeve_runs *runs, reeve_peer head, const Reeve__ToolRequest *request)
{
    const char *method = request->method;
    json_t *arguments =
        request->arguments ? json_loads(request->arguments, 0, NULL) : json_object();
    json_t *timeout = json_object_get(arguments, "timeout_ms");
    if (!json_is_object(arguments)) {
        fail(runs, head, request->id, REEVE_EPROTOCOL, "the arguments are not a JSON object");
    } else if (strcmp(method, "run.start") == 0) {
        run_start(runs, head, request->id, arguments);
    } else if (strcmp(method, "run.data") == 0 || strcmp(method, "run.launch") == 0 ||
               strcmp(method, "run.kill") == 0) {
        request_about_run(runs, head, request, arguments);
    } else if (strcmp(method, "logs") == 0) {
        logs(runs, head, request->id, arguments);
    } else if (strcmp(method, "stop") == 0) {
        answer(runs, head, request->id, json_object(), NOTHING);
        runs->options.stop(runs->options.arg, timeout ? (uint32_t)json_integer_value(timeout) : 0);
    } else {
        fail(runs, head, request->id, REEVE_EVERSION,
            "this node does not know the request: is it of another release?");
    }
    json_decref(arguments);
}

void reeve_runs_reply(struct reeve_runs *runs, const Reeve__ToolReply *reply)
{
    REEVE_LIST_EACH_SAFE(node, &runs->runs)
    {
        struct reeve_node_run *run = REEVE_LIST_ENTRY(node, struct reeve_node_run, link);
        if (run->report_id != reply->id || reply->id == 0)
            continue;
        run->reported = true;
        if (run->state == RUN_EXITED || run->state == RUN_FAILED)
            forget(run);
        return;
    }
}

void reeve_runs_set_head(struct reeve_runs *runs, reeve_peer head)
{
    struct reeve_list *node;
    runs->head = head;
    if (!head) { /* nobody can be answered; the next session begins anew */
        while ((node = reeve_list_pop_front(&runs->parked)) != NULL)
            free(REEVE_LIST_ENTRY(node, struct parked, link));
    }
    REEVE_LIST_EACH(item, &runs->runs)
    {
        struct reeve_node_run *run = REEVE_LIST_ENTRY(item, struct reeve_node_run, link);
        if (!head && run->state == RUN_SENDING) {
            snprintf(run->text, sizeof(run->text),
                "the head went away while the program was being sent");
            end(run, RUN_FAILED);
        } else if (head && run->state != RUN_SENDING) {
            report(run);
        }
    }
}

int reeve_runs_create(const struct reeve_runs_options *options, struct reeve_runs **ret)
{
    struct reeve_runs *runs = calloc(1, sizeof(*runs));
    if (!runs)
        return REEVE_ENOMEM;
    runs->options = *options;
    reeve_list_init(&runs->runs);
    reeve_list_init(&runs->parked);
    *ret = runs;
    return REEVE_OK;
}

void reeve_runs_free(struct reeve_runs *runs)
{
    if (!runs)
        return;
    reeve_runs_set_head(runs, 0);
    REEVE_LIST_EACH_SAFE(node, &runs->runs)
    {
        struct reeve_node_run *run = REEVE_LIST_ENTRY(node, struct reeve_node_run, link);
        if (run->state == RUN_RUNNING) {
            struct reeve_process_end how = {0};
            (void)kill(-run->pid, SIGKILL);
            (void)reeve_process_reap(run->pidfd, true, &how);
            run->signal_number = how.signal_number;
            run->exit_status = how.exit_status;
            snprintf(run->text, sizeof(run->text), "its node daemon ended");
            end(run, RUN_EXITED);
        }
        forget(run);
    }
    free(runs);
}
