/* `reeve stop` */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/commands.h"
#include "api/cli/report.h"
#include "api/cli/settings.h"
#include "runtime/base/errors.h"
#include "runtime/base/machine.h"
#include "runtime/base/process.h"

#define GRACE_MS 5000 /* beyond the cluster's own time limit, for the words to travel */

static struct values {
    struct reeve_cli_cluster cluster;
    long node;
    const char *run, *job;
    bool all;
    bool json;
    long timeout_s;
} values;

static const struct reeve_cli_option options[] = {
    REEVE_CLI_CLUSTER_OPTIONS(struct values),
    {.name = "all",
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, all),
        .help = "all nodes and the head (this is the default)"},
    {.name = "node",
        .letter = 'n',
        .kind = REEVE_CLI_NUMBER,
        .offset = offsetof(struct values, node),
        .value = "N",
        .help = "only this node; its number is in `reeve status`"},
    {.name = "run",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, run),
        .value = "RUN",
        .help = "only this program started with `reeve run`: SIGTERM,\n"
                "and SIGKILL after the timeout"},
    {.name = "job",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, job),
        .value = "JOB",
        .help = "only the program of this job (its name or id in\n"
                "`reeve jobs`), wherever it was started: SIGTERM, and\n"
                "SIGKILL after the timeout. Its tasks end with it"},
    {.name = "timeout",
        .letter = 't',
        .kind = REEVE_CLI_NUMBER,
        .offset = offsetof(struct values, timeout_s),
        .value = "S",
        .initial = "30",
        .help = "how long to wait for a clean end"},
    {.name = "json",
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, json),
        .help = "say as JSON what was left"},
    {0},
};

/* A descriptor for the head's process when it is on this machine, so that "gone" is the
 * process's end and not only the link's; else -1. */
static int head_process(struct reeve_tool *tool)
{
    struct reeve_tool_reply reply;
    char machine[REEVE_MACHINE_SIZE];
    int fd = -1;
    if (reeve_tool_call(tool, "status", NULL, (uint32_t)values.cluster.timeout_s * 1000, &reply) ==
        0) {
        json_t *head = json_object_get(reply.result, "head");
        const char *theirs = json_string_value(json_object_get(head, "machine"));
        long long pid = json_integer_value(json_object_get(head, "pid"));
        if (theirs && *theirs && strcmp(theirs, reeve_machine_id(machine)) == 0)
            fd = reeve_process_open((pid_t)pid);
    }
    reeve_tool_reply_fini(&reply);
    return fd;
}

static int wait_for_end(struct reeve_tool *tool, int process)
{
    int error = reeve_tool_wait_gone(tool, GRACE_MS);
    if (error || process < 0)
        return error;
    struct pollfd end = {.fd = process, .events = POLLIN};
    return poll(&end, 1, GRACE_MS) == 1 ? REEVE_OK : REEVE_ETIMEDOUT;
}

static json_t *arguments_of_stop(void)
{
    json_t *arguments = json_pack("{s:I}", "timeout_ms", (json_int_t)values.timeout_s * 1000);
    if (values.node >= 0)
        json_object_set_new(arguments, "node", json_integer(values.node));
    if (values.run)
        json_object_set_new(arguments, "run", json_string(values.run));
    if (values.job)
        json_object_set_new(arguments, "job", json_string(values.job));
    return arguments;
}

static int tell(const struct reeve_cli_command *command, const json_t *result)
{
    json_t *left = json_object_get(result, "left"), *node;
    size_t i;
    if (values.json)
        reeve_cli_print_json(result);
    json_array_foreach(left, i, node) reeve_cli_error(command->name,
        "it ends by itself when its tasks have; or end it there with kill",
        "node %lld on %s did not end within %ld s",
        (long long)json_integer_value(json_object_get(node, "node")),
        json_string_value(json_object_get(node, "host")), values.timeout_s);
    return json_array_size(left) > 0 ? REEVE_CLI_FAILED : REEVE_CLI_OK;
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    struct reeve_tool *tool = NULL;
    struct reeve_tool_reply reply;
    char **arguments;
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    bool everything = values.node < 0 && !values.run && !values.job;
    bool several =
        values.all + (values.node >= 0) + (values.run != NULL) + (values.job != NULL) > 1;
    if (code == 0 && several) {
        reeve_cli_error(command->name, "see: reeve stop --help",
            "--all, --node, --run and --job contradict each other");
        return REEVE_CLI_USAGE;
    }
    if (code == 0)
        code = reeve_cli_connect(command, &values.cluster, &tool);
    if (code)
        return code;
    const char *method = values.run ? "run.kill" : values.job ? "job.stop" : "stop";
    int process = everything ? head_process(tool) : -1;
    int error = reeve_tool_call(
        tool, method, arguments_of_stop(), (uint32_t)values.timeout_s * 1000 + GRACE_MS, &reply);
    if (error) {
        code = reeve_cli_reply_error(command, &reply);
    } else {
        code = tell(command, reply.result);
        if (everything && wait_for_end(tool, process) != 0) {
            reeve_cli_error(command->name, NULL, "the head said it would end, and has not");
            code = REEVE_CLI_FAILED;
        }
    }
    reeve_tool_reply_fini(&reply);
    reeve_tool_close(tool);
    if (process >= 0)
        close(process);
    return code;
}

const struct reeve_cli_command reeve_cli_stop = {
    .name = "stop",
    .usage = "[OPTIONS]",
    .summary = "end the cluster, a node, a run or a job cleanly",
    .description = "Asks the cluster to end, and waits until it has: the nodes finish what their "
                   "workers have begun\n"
                   "and end, then the head. Exit code 1 says that something was still there after "
                   "the timeout.",
    .environment = REEVE_CLI_KEY_ENVIRONMENT,
    .examples = "Examples:\n"
                "  reeve stop\n"
                "  reeve stop --node 3 --timeout 60\n"
                "  reeve stop --run last\n"
                "  reeve stop --job night --timeout 5",
    .options = options,
    .run = run,
};
