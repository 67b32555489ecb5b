/* `reeve timeline`: what nodes have run lately, as a trace that Perfetto (ui.perfetto.dev) and
 * chrome://tracing open.
 *
 *     process   a node            thread   a worker process, or one more thread of it; what comes
 *                                          from other nodes, so many pieces at a time; or calls
 *                                          that have not begun, so many at a time
 *     slice     a call, a wait inside of one, or many short calls that follow each other; a piece
 *               of an object that comes from another node; or what a call has waited for before it
 *               began (timeline_waits.c)
 *
 * Each node tells times by a clock of its own. The head notes, by its clock, when it asked and when
 * it was answered; what the node's clock said is taken to be in the middle. So times of two nodes
 * may be apart by half of what an answer takes, which the trace says (clock_error_us). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/cli/commands.h"
#include "api/cli/report.h"
#include "api/cli/settings.h"
#include "api/cli/timeline.h"
#include "runtime/base/errors.h"

#define RUNNING 1

static struct values {
    struct reeve_cli_cluster cluster;
    const char *job, *output;
} values;

static const struct reeve_cli_option options[] = {
    REEVE_CLI_CLUSTER_OPTIONS(struct values),
    REEVE_CLI_JOB_OPTION(struct values),
    {.name = "output",
        .letter = 'o',
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, output),
        .value = "FILE",
        .help = "where to write the trace (default: standard output)"},
    {0},
};

enum kind { IS_TASK, ARE_TASKS, IS_WAIT, IS_TRANSFER, IS_STAGE };
#define field reeve_trace_field

/* What is to be added to the node's clock, to be the head's. */
static json_int_t offset_of(const json_t *node)
{
    json_int_t asked = reeve_cli_integer_of(node, "asked_ns");
    json_int_t answered = reeve_cli_integer_of(node, "answered_ns");
    return asked + (answered - asked) / 2 - reeve_cli_integer_of(node, "now_ns");
}

static const char *text_at(const json_t *list, json_int_t index)
{
    const char *text = json_string_value(json_array_get(list, (size_t)index));
    return text ? text : "?";
}

/* ---- the trace ------------------------------------------------------------------------------- */

static void add_name(struct reeve_trace *trace, const char *kind, json_int_t process,
    json_int_t thread, const char *name)
{
    json_array_append_new(
        trace->events, json_pack("{s:s, s:s, s:I, s:I, s:{s:s}}", "ph", "M", "name", kind, "pid",
                           process, "tid", thread, "args", "name", name));
}

json_int_t reeve_trace_track(
    struct reeve_trace *trace, struct reeve_trace_node *node, json_int_t pid, json_int_t lane)
{
    char key[64], name[80];
    snprintf(key, sizeof(key), "%lld.%lld", (long long)pid, (long long)lane);
    json_t *known = json_object_get(node->tracks, key);
    if (known)
        return json_integer_value(known);
    json_int_t number = (json_int_t)json_object_size(node->tracks) + 1;
    json_object_set_new(node->tracks, key, json_integer(number));
    if (pid == REEVE_TRACE_WAITS)
        snprintf(name, sizeof(name), "waits %lld", (long long)lane + 1);
    else if (pid == REEVE_TRACE_TRANSFERS)
        snprintf(name, sizeof(name), "transfers %lld", (long long)lane + 1);
    else if (lane == 0)
        snprintf(name, sizeof(name), "worker %lld", (long long)pid);
    else
        snprintf(name, sizeof(name), "worker %lld, thread %lld", (long long)pid, (long long)lane);
    add_name(trace, "thread_name", node->number, number, name);
    return number;
}

static json_t *arguments_of(const json_t *slice, const char *job, const char *name)
{
    json_int_t code = field(slice, CODE);
    char owner[24], task[24];
    if (field(slice, KIND) == ARE_TASKS)
        return json_pack("{s:s, s:I}", "job", job, "count", field(slice, COUNT));
    snprintf(owner, sizeof(owner), "%016llx", (unsigned long long)field(slice, OWNER));
    snprintf(task, sizeof(task), "%016llx", (unsigned long long)field(slice, TASK));
    if (field(slice, KIND) == IS_TRANSFER) /* ATTEMPT: from which node */
        return json_pack("{s:s, s:s, s:I, s:I, s:s}", "owner", owner, "object", task, "from",
            field(slice, ATTEMPT), "bytes", field(slice, COUNT), "state",
            code == 0 ? "ok" : reeve_error_name((int)code));
    json_t *result = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "function", name, "job", job,
        "owner", owner, "task", task, "attempt", field(slice, ATTEMPT), "state",
        code == RUNNING ? "running"
        : code == 0     ? "ok"
                        : reeve_error_name((int)code));
    if (field(slice, KIND) == IS_TASK)
        json_object_set_new(result, "waited_ms", json_integer(field(slice, WAITED_MS)));
    return result;
}

static const char *const categories[] = {
    [IS_TASK] = "task", [ARE_TASKS] = "task", [IS_WAIT] = "wait", [IS_TRANSFER] = "transfer"};

/* When it began, by the head's clock; and when it could have, if that is known. */
static json_int_t ready_ns_of(const json_t *slice, json_int_t begin_ns)
{
    bool waited = field(slice, KIND) == IS_TASK;
    return begin_ns - (waited ? field(slice, WAITED_MS) * 1000000 : 0);
}

static void add_slice(struct reeve_trace *trace, const json_t *from, struct reeve_trace_node *node,
    const json_t *slice, json_int_t offset_ns)
{
    const char *name = text_at(json_object_get(from, "names"), field(slice, NAME));
    const char *job = text_at(json_object_get(from, "jobs"), field(slice, JOB));
    json_int_t count = field(slice, COUNT), kind = field(slice, KIND);
    json_int_t begin_ns = field(slice, BEGIN) + offset_ns, ready_ns = ready_ns_of(slice, begin_ns);
    char title[192];
    if (!reeve_cli_is_of_job(trace->result, job, values.job))
        return;
    if (kind == IS_STAGE) {
        reeve_trace_wait_add(node, slice, name, job, begin_ns, begin_ns + field(slice, LENGTH), 0);
        return;
    }
    json_int_t track = reeve_trace_track(trace, node, field(slice, PID), field(slice, LANE));
    if (ready_ns < begin_ns)
        reeve_trace_wait_add(node, slice, name, job, ready_ns, begin_ns, track);
    snprintf(title, sizeof(title), "%s", name);
    if (kind == ARE_TASKS)
        snprintf(title, sizeof(title), "%.128s and others: %lld short calls", name, count);
    json_t *arguments = arguments_of(slice, job, name);
    json_array_append_new(trace->events,
        json_pack("{s:s, s:s, s:s, s:f, s:f, s:I, s:I, s:o}", "ph", "X", "name", title, "cat",
            categories[kind & 3], "ts", (double)(begin_ns - trace->start_ns) / 1000.0, "dur",
            (double)field(slice, LENGTH) / 1000.0, "pid", node->number, "tid", track, "args",
            arguments));
    if (kind == IS_TASK)
        reeve_trace_call_add(trace, slice, arguments, node->number, track, begin_ns);
}

static void add_node(struct reeve_trace *trace, const json_t *from)
{
    char name[128];
    const json_t *slice;
    size_t i;
    struct reeve_trace_node node = {
        .number = reeve_cli_integer_of(from, "node"), .tracks = json_object()};
    snprintf(name, sizeof(name), "node %lld (%.64s)", (long long)node.number,
        reeve_cli_text_of(from, "host"));
    add_name(trace, "process_name", node.number, 0, name);
    json_array_foreach(json_object_get(from, "slices"), i, slice)
        add_slice(trace, from, &node, slice, offset_of(from));
    reeve_trace_waits_draw(trace, &node);
    json_decref(node.tracks);
}

/* The first moment of all; where there is none, now. */
static json_int_t start_of(const json_t *result)
{
    json_int_t start_ns = reeve_cli_integer_of(result, "now_ns");
    const json_t *node, *slice;
    size_t n, i;
    json_array_foreach(json_object_get(result, "nodes"), n, node)
    {
        const json_t *jobs = json_object_get(node, "jobs");
        json_array_foreach(json_object_get(node, "slices"), i, slice)
        {
            json_int_t begin_ns = ready_ns_of(slice, field(slice, BEGIN) + offset_of(node));
            if (begin_ns < start_ns &&
                reeve_cli_is_of_job(result, text_at(jobs, field(slice, JOB)), values.job))
                start_ns = begin_ns;
        }
    }
    return start_ns;
}

/* About the trace as a whole: when it begins, what is lacking, how far clocks may be apart. */
static json_t *about(const struct reeve_trace *trace)
{
    json_int_t lost = 0;
    json_t *errors = json_object();
    const json_t *node;
    size_t i;
    char start[64] = "", number[24];
    json_array_foreach(json_object_get(trace->result, "nodes"), i, node)
    {
        lost += reeve_cli_integer_of(node, "lost");
        snprintf(number, sizeof(number), "%lld", reeve_cli_integer_of(node, "node"));
        json_object_set_new(errors, number,
            json_real((double)(reeve_cli_integer_of(node, "answered_ns") -
                               reeve_cli_integer_of(node, "asked_ns")) /
                      2000.0));
    }
    json_int_t ago_ns = reeve_cli_integer_of(trace->result, "now_ns") - trace->start_ns;
    time_t second =
        (time_t)((reeve_cli_integer_of(trace->result, "now_ms") - ago_ns / 1000000) / 1000);
    struct tm utc;
    if (gmtime_r(&second, &utc))
        strftime(start, sizeof(start), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:O}", "by", "reeve timeline", "start", start,
        "lost", lost, "waits_left_out", trace->left_out, "clock_error_us", errors, "unanswered",
        json_object_get(trace->result, "unanswered"));
}

static int write_trace(const struct reeve_cli_command *command, json_t *trace)
{
    FILE *file = values.output ? fopen(values.output, "we") : stdout;
    bool good = file && json_dumpf(trace, file, JSON_COMPACT) == 0 && fputc('\n', file) != EOF &&
                fflush(file) == 0;
    if (!good)
        reeve_cli_error(command->name, NULL, "cannot write %s: %s",
            values.output ? values.output : "the trace", strerror(errno));
    if (file && file != stdout)
        fclose(file);
    return good ? 0 : REEVE_CLI_FAILED;
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    json_t *result;
    const json_t *node;
    char **arguments;
    size_t i;
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    if (code == 0)
        code = reeve_cli_ask(command, &values.cluster, "timeline", json_object(), &result);
    if (code)
        return code;
    struct reeve_trace trace = {
        .result = result, .events = json_array(), .start_ns = start_of(result)};
    json_array_foreach(json_object_get(result, "nodes"), i, node) add_node(&trace, node);
    reeve_trace_calls_draw(&trace);
    json_t *whole = json_pack("{s:o, s:s, s:o}", "traceEvents", trace.events, "displayTimeUnit",
        "ms", "otherData", about(&trace));
    code = write_trace(command, whole);
    reeve_cli_print_unanswered(command->name, result);
    json_decref(whole);
    json_decref(result);
    return code;
}

const struct reeve_cli_command reeve_cli_timeline = {
    .name = "timeline",
    .usage = "[OPTIONS]",
    .summary = "write what has run where and when, as a trace",
    .description =
        "Writes a trace in the format of Chrome, which ui.perfetto.dev and chrome://tracing open:\n"
        "nodes, their workers, and the calls that these have run lately, also of programs that\n"
        "have ended; those that run now, and, by arrows, which call made which; when they\n"
        "waited; what they waited for a worker before\n"
        "they began, from 1 ms on, with the time in which their arguments were brought there; and\n"
        "(without --job) pieces of objects that have come from other nodes. Each node keeps its\n"
        "last 6,000.\n"
        "Of calls that take microseconds, many become one slice, which says how many they are;\n"
        "what a worker has run in excess of 1,024 a second is left out. otherData says how many\n"
        "are lacking (lost), and how far the clocks of two nodes may be apart.",
    .environment = REEVE_CLI_KEY_ENVIRONMENT,
    .examples = "Examples:\n"
                "  reeve timeline --output trace.json\n"
                "  reeve timeline --job night | jq '.traceEvents[] | select(.cat == \"queue\")'",
    .options = options,
    .run = run,
};
