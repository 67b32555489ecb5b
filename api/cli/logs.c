/* `reeve logs`: output of runs, which is followed by long requests (the node answers when there
 * is more, or when the run has ended), and log files of daemons, which are looked at once a
 * second. */
#include "api/cli/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/cli/commands.h"
#include "api/cli/report.h"
#include "api/cli/settings.h"
#include "runtime/base/errors.h"

#define TAIL_BYTES 65536

static struct values {
    struct reeve_cli_cluster cluster;
    bool head, follow, actors, json;
    long node;
} values;

static const struct reeve_cli_option options[] = {
    REEVE_CLI_CLUSTER_OPTIONS(struct values),
    {.name = "follow",
        .letter = 'f',
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, follow),
        .help = "go on until the run has ended, or for ever"},
    {.name = "head",
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, head),
        .help = "the head's own log, its last 64 KiB"},
    REEVE_CLI_NODE_OPTION(struct values, "a node daemon's own log, its last 64 KiB"),
    {.name = "actors",
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, actors),
        .help = "with --node: what detached actors that were created there\n"
                "have printed since their creator has gone"},
    {.name = "json",
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, json),
        .help = "without RUN: the list of runs as JSON"},
    {0},
};

static void write_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t count = write(fd, at, size);
        if (count <= 0)
            return; /* nobody reads it any more */
        at += count;
        size -= (size_t)count;
    }
}

int reeve_cli_follow(const struct reeve_cli_command *command, struct reeve_tool *tool,
    const char *run, bool wait, struct reeve_cli_end *ret)
{
    int64_t offsets[2] = {0, 0};
    struct reeve_tool_reply reply;
    memset(ret, 0, sizeof(*ret));
    fflush(stdout);
    for (;;) {
        json_t *request = json_pack("{s:s, s:I, s:I, s:b}", "run", run, "stdout",
            (json_int_t)offsets[0], "stderr", (json_int_t)offsets[1], "wait", (int)wait);
        int error = reeve_tool_call(tool, "logs", request, 0, &reply);
        if (error) {
            int code = reeve_cli_reply_error(command, &reply);
            reeve_tool_reply_fini(&reply);
            return code;
        }
        size_t out = (size_t)json_integer_value(json_object_get(reply.result, "stdout_size"));
        if (out > reply.size)
            out = reply.size;
        write_all(STDOUT_FILENO, reply.data, out);
        if (reply.size > out)
            write_all(STDERR_FILENO, reply.data + out, reply.size - out);
        offsets[0] += (int64_t)out;
        offsets[1] += (int64_t)(reply.size - out);
        const char *state = json_string_value(json_object_get(reply.result, "state"));
        snprintf(ret->state, sizeof(ret->state), "%s", state ? state : "");
        ret->ended = strcmp(ret->state, "running") != 0 && strcmp(ret->state, "sending") != 0;
        ret->exit_status = (int)json_integer_value(json_object_get(reply.result, "exit_status"));
        ret->signal_number = (int)json_integer_value(json_object_get(reply.result, "signal"));
        const char *text = json_string_value(json_object_get(reply.result, "text"));
        snprintf(ret->text, sizeof(ret->text), "%s", text ? text : "");
        bool empty = reply.size == 0;
        reeve_tool_reply_fini(&reply);
        if (empty && (ret->ended || !wait))
            return 0;
    }
}

static int daemon_log(const struct reeve_cli_command *command, struct reeve_tool *tool)
{
    int64_t offset = -TAIL_BYTES;
    struct reeve_tool_reply reply;
    bool first = true;
    for (;;) {
        json_t *request = json_pack("{s:I}", "offset", (json_int_t)offset);
        if (!values.head)
            json_object_set_new(request, "node", json_integer(values.node));
        if (values.actors)
            json_object_set_new(request, "actors", json_true());
        if (reeve_tool_call(
                tool, "logs", request, (uint32_t)values.cluster.timeout_s * 1000, &reply) != 0) {
            int code = reeve_cli_reply_error(command, &reply);
            reeve_tool_reply_fini(&reply);
            return code;
        }
        int64_t at = json_integer_value(json_object_get(reply.result, "offset"));
        const uint8_t *text = reply.data;
        size_t size = reply.size;
        if (!first && at < offset)
            at = 0, size = 0; /* the file was rotated: begin with the new one */
        const uint8_t *line = first && at > 0 && size > 0 ? memchr(text, '\n', size) : NULL;
        if (line) { /* no half line at the start */
            size -= (size_t)(line + 1 - text);
            at += line + 1 - text;
            text = line + 1;
        }
        write_all(STDOUT_FILENO, text, size);
        offset = at + (int64_t)size;
        first = false;
        reeve_tool_reply_fini(&reply);
        if (size == 0 && !values.follow)
            return REEVE_CLI_OK;
        if (size == 0)
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
}

static int list_runs(const struct reeve_cli_command *command, struct reeve_tool *tool)
{
    struct reeve_tool_reply reply;
    int code = REEVE_CLI_OK;
    if (reeve_tool_call(tool, "status", NULL, (uint32_t)values.cluster.timeout_s * 1000, &reply) !=
        0)
        code = reeve_cli_reply_error(command, &reply);
    else if (values.json)
        reeve_cli_print_json(json_object_get(reply.result, "runs"));
    else if (json_array_size(json_object_get(reply.result, "runs")) == 0)
        printf("No runs: start one with `reeve run PROGRAM`.\n");
    else
        reeve_cli_print_runs(json_object_get(reply.result, "runs"), SIZE_MAX / 2);
    reeve_tool_reply_fini(&reply);
    return code;
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    struct reeve_tool *tool = NULL;
    struct reeve_cli_end end;
    char **arguments;
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    if (code == 0 && (arguments[0] != NULL) + values.head + (values.node >= 0) > 1) {
        reeve_cli_error(command->name, "see: reeve logs --help",
            "only one of RUN, --head and --node can be shown");
        return REEVE_CLI_USAGE;
    }
    if (code == 0 && values.actors && values.node < 0) {
        reeve_cli_error(command->name, "see: reeve logs --help",
            "--actors needs --node N: the node on which the actor was created (reeve actors)");
        return REEVE_CLI_USAGE;
    }
    if (code == 0)
        code = reeve_cli_connect(command, &values.cluster, &tool);
    if (code)
        return code;
    if (values.head || values.node >= 0) {
        code = daemon_log(command, tool);
    } else if (!arguments[0]) {
        code = list_runs(command, tool);
    } else {
        code = reeve_cli_follow(command, tool, arguments[0], values.follow, &end);
        if (code == 0 && *end.text)
            reeve_cli_error(
                command->name, NULL, "run %s %s: %s", arguments[0], end.state, end.text);
    }
    reeve_tool_close(tool);
    return code;
}

const struct reeve_cli_command reeve_cli_logs = {
    .name = "logs",
    .usage = "[OPTIONS] [RUN]",
    .summary = "show the output of runs, or the daemons' logs",
    .description = "Shows what a program started with `reeve run` wrote: its standard output as "
                   "ours, and\n"
                   "its standard error as ours.\n"
                   "RUN is an id, the beginning of one, a name (the latest of that name), or "
                   "\"last\". Without RUN\n"
                   "it lists the runs.",
    .environment = REEVE_CLI_KEY_ENVIRONMENT,
    .examples = "Examples:\n"
                "  reeve logs\n"
                "  reeve logs --follow last\n"
                "  reeve logs --node 2\n"
                "  reeve logs --node 2 --actors --follow",
    .options = options,
    .arguments_max = 1,
    .run = run,
};
