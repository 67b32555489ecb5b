/* `reeve timeline`: what nodes have run lately, as a trace that Perfetto (ui.perfetto.dev) and
 * chrome://tracing open.
 *
 *     process   a node            thread   a worker process, or one more thread of it; or what
 *                                          comes from other nodes, so many pieces at a time
 *     slice     a call, a wait inside of one, or many short calls that follow each other; or a
 *               piece of an object that comes from another node
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

/* What a node has said of one slice, in its order (runtime/node/shell_timeline.c). */
enum field { BEGIN, LENGTH, KIND, NAME, PID, LANE, JOB, OWNER, TASK, ATTEMPT, CODE, COUNT };
enum kind { IS_TASK, ARE_TASKS, IS_WAIT, IS_TRANSFER };

static json_int_t field(const json_t *slice, enum field which)
{
    return json_integer_value(json_array_get(slice, which));
}

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

struct trace {
    const json_t *result;
    json_t *events;
    json_int_t start_ns; /* by the head's clock: where the trace begins */
};

static void add_name(
    struct trace *trace, const char *kind, json_int_t process, json_int_t thread, const char *name)
{
    json_array_append_new(
        trace->events, json_pack("{s:s, s:s, s:I, s:I, s:{s:s}}", "ph", "M", "name", kind, "pid",
                           process, "tid", thread, "args", "name", name));
}

/* The number of the thread's track, which gets its name when it is new. */
static json_int_t track(
    struct trace *trace, json_t *tracks, json_int_t node, json_int_t pid, json_int_t lane)
{
    char key[64], name[80];
    snprintf(key, sizeof(key), "%lld.%lld", (long long)pid, (long long)lane);
    json_t *known = json_object_get(tracks, key);
    if (known)
        return json_integer_value(known);
    json_int_t number = (json_int_t)json_object_size(tracks) + 1;
    json_object_set_new(tracks, key, json_integer(number));
    if (pid == 0)
        snprintf(name, sizeof(name), "transfers %lld", (long long)lane + 1);
    else if (lane == 0)
        snprintf(name, sizeof(name), "worker %lld", (long long)pid);
    else
        snprintf(name, sizeof(name), "worker %lld, thread %lld", (long long)pid, (long long)lane);
    add_name(trace, "thread_name", node, number, name);
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
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "function", name, "job", job, "owner", owner,
        "task", task, "attempt", field(slice, ATTEMPT), "state",
        code == RUNNING ? "running"
        : code == 0     ? "ok"
                        : reeve_error_name((int)code));
}

static const char *const categories[] = {
    [IS_TASK] = "task", [ARE_TASKS] = "task", [IS_WAIT] = "wait", [IS_TRANSFER] = "transfer"};

static void add_slice(struct trace *trace, const json_t *node, json_t *tracks, const json_t *slice,
    json_int_t offset_ns)
{
    const char *name = text_at(json_object_get(node, "names"), field(slice, NAME));
    const char *job = text_at(json_object_get(node, "jobs"), field(slice, JOB));
    json_int_t number = reeve_cli_integer_of(node, "node"), count = field(slice, COUNT);
    char title[192];
    if (!reeve_cli_is_of_job(trace->result, job, values.job))
        return;
    snprintf(title, sizeof(title), "%s", name);
    if (field(slice, KIND) == ARE_TASKS)
        snprintf(title, sizeof(title), "%.128s and others: %lld short calls", name, count);
    json_array_append_new(
        trace->events, json_pack("{s:s, s:s, s:s, s:f, s:f, s:I, s:I, s:o}", "ph", "X", "name",
                           title, "cat", categories[field(slice, KIND) & 3], "ts",
                           (double)(field(slice, BEGIN) + offset_ns - trace->start_ns) / 1000.0,
                           "dur", (double)field(slice, LENGTH) / 1000.0, "pid", number, "tid",
                           track(trace, tracks, number, field(slice, PID), field(slice, LANE)),
                           "args", arguments_of(slice, job, name)));
}

static void add_node(struct trace *trace, const json_t *node)
{
    char name[128];
    const json_t *slice;
    size_t i;
    json_t *tracks = json_object();
    json_int_t number = reeve_cli_integer_of(node, "node"), offset_ns = offset_of(node);
    snprintf(name, sizeof(name), "node %lld (%.64s)", (long long)number,
        reeve_cli_text_of(node, "host"));
    add_name(trace, "process_name", number, 0, name);
    json_array_foreach(json_object_get(node, "slices"), i, slice)
        add_slice(trace, node, tracks, slice, offset_ns);
    json_decref(tracks);
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
            json_int_t begin_ns = field(slice, BEGIN) + offset_of(node);
            if (begin_ns < start_ns &&
                reeve_cli_is_of_job(result, text_at(jobs, field(slice, JOB)), values.job))
                start_ns = begin_ns;
        }
    }
    return start_ns;
}

/* About the trace as a whole: when it begins, what is lacking, how far clocks may be apart. */
static json_t *about(const struct trace *trace)
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
    return json_pack("{s:s, s:s, s:I, s:o, s:O}", "by", "reeve timeline", "start", start, "lost",
        lost, "clock_error_us", errors, "unanswered", json_object_get(trace->result, "unanswered"));
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
    struct trace trace = {.result = result, .events = json_array(), .start_ns = start_of(result)};
    json_array_foreach(json_object_get(result, "nodes"), i, node) add_node(&trace, node);
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
        "have ended; those that run now; when they waited; and (without --job) pieces of objects\n"
        "that have come from other nodes. Each node keeps its last 6,000.\n"
        "Of calls that take microseconds, many become one slice, which says how many they are;\n"
        "what a worker has run in excess of 1,024 a second is left out. otherData says how many\n"
        "are lacking (lost), and how far the clocks of two nodes may be apart.",
    .environment = REEVE_CLI_KEY_ENVIRONMENT,
    .examples = "Examples:\n"
                "  reeve timeline --output trace.json\n"
                "  reeve timeline --job night | jq '.traceEvents[] | select(.cat == \"wait\")'",
    .options = options,
    .run = run,
};
