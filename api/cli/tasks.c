/* `reeve tasks`. The head answers with all there is; what is asked for is picked out here. */
#include <stdio.h>
#include <string.h>

#include "api/cli/commands.h"
#include "api/cli/report.h"
#include "api/cli/settings.h"
#include "runtime/base/macros.h"

static struct values {
    struct reeve_cli_cluster cluster;
    const char *state, *job, *function;
    long node, limit;
    bool json;
} values;

static const struct reeve_cli_option options[] = {
    REEVE_CLI_CLUSTER_OPTIONS(struct values),
    REEVE_CLI_STATE_OPTION(struct values, "running, queued, waiting or failed"),
    REEVE_CLI_JOB_OPTION(struct values),
    {.name = "function",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, function),
        .value = "NAME",
        .help = "only of this function"},
    REEVE_CLI_NODE_OPTION(struct values, "only on this node"),
    REEVE_CLI_LIMIT_OPTION(struct values),
    REEVE_CLI_JSON_OPTION(struct values),
    {0},
};

static const char *const states[] = {"running", "queued", "waiting", "failed"};

static bool fits(const json_t *result, const char *state, const json_t *item)
{
    bool has_function = strcmp(state, "waiting") != 0;
    return (!values.state || strcmp(state, values.state) == 0) &&
           reeve_cli_is_of_job(result, reeve_cli_text_of(item, "job"), values.job) &&
           (values.node < 0 || reeve_cli_integer_of(item, "node") == values.node) &&
           (!values.function ||
               (has_function && strcmp(reeve_cli_text_of(item, "function"), values.function) == 0));
}

/* How much of it is done, as far as it says. */
static const char *share_of(const json_t *task, char share[32])
{
    json_int_t done = reeve_cli_integer_of(task, "done");
    json_int_t total = reeve_cli_integer_of(task, "total");
    share[0] = 0;
    if (total > 0)
        snprintf(share, 32, "%.0f %%", 100.0 * (double)done / (double)total);
    else if (done > 0)
        snprintf(share, 32, "%lld", done);
    return share;
}

static void print_running(const json_t *result, const json_t *list)
{
    const json_t *task;
    char since[32], share[32];
    size_t i;
    if (json_array_size(list) > 0)
        printf("%-28s %-4s %7s %-17s %3s %9s %6s %-16s\n", "RUNNING", "NODE", "PID", "TASK", "TRY",
            "FOR", "DONE", "JOB");
    json_array_foreach(list, i, task)
    {
        const char *inside = reeve_cli_text_of(task, "inside");
        const char *waits_for = reeve_cli_text_of(task, "waits_for");
        bool waits = *waits_for || json_is_true(json_object_get(task, "waits"));
        printf("%-28s %-4lld %7lld %-17s %3lld %9s %6s %-16.32s%s%s%s%s%s\n",
            reeve_cli_text_of(task, "function"), reeve_cli_integer_of(task, "node"),
            reeve_cli_integer_of(task, "pid"), reeve_cli_text_of(task, "task"),
            reeve_cli_integer_of(task, "attempt"),
            reeve_cli_age(reeve_cli_number_of(task, "for_s"), since), share_of(task, share),
            reeve_cli_job_name(result, reeve_cli_text_of(task, "job")),
            *inside ? "  runs for itself: " : "", inside, waits ? "  waits" : "",
            *waits_for ? " for " : "", waits_for);
    }
}

static void print_queued(const json_t *result, const json_t *list)
{
    const json_t *queue;
    size_t i;
    if (json_array_size(list) > 0)
        printf("%-28s %-4s %7s %-17s %13s %-16s\n", "QUEUED WITH A WORKER", "NODE", "PID", "OWNER",
            "CALLS", "JOB");
    json_array_foreach(list, i, queue)
        printf("%-28s %-4lld %7lld %-17s %13lld %-16.32s\n", reeve_cli_text_of(queue, "function"),
            reeve_cli_integer_of(queue, "node"), reeve_cli_integer_of(queue, "pid"),
            reeve_cli_text_of(queue, "owner"), reeve_cli_integer_of(queue, "count"),
            reeve_cli_job_name(result, reeve_cli_text_of(queue, "job")));
}

static void print_waiting(const json_t *result, const json_t *list)
{
    const json_t *owner;
    size_t i;
    if (json_array_size(list) > 0)
        printf("%-17s %-16s %-4s %13s  %s\n", "WAITING IN", "JOB", "NODE", "CALLS", "WHY");
    json_array_foreach(list, i, owner)
        printf("%-17s %-16.32s %-4lld %13lld  %s\n", reeve_cli_text_of(owner, "process"),
            reeve_cli_job_name(result, reeve_cli_text_of(owner, "job")),
            reeve_cli_integer_of(owner, "node"), reeve_cli_integer_of(owner, "count"),
            reeve_cli_text_of(owner, "why"));
}

static void print_failed(const json_t *result, const json_t *list)
{
    const json_t *failure;
    char ago[32];
    size_t i;
    if (json_array_size(list) > 0)
        printf("%-28s %-4s %7s %-17s %9s %-16s %s\n", "FAILED", "NODE", "PID", "TASK", "AGO", "JOB",
            "WHY");
    json_array_foreach(list, i, failure) printf("%-28s %-4lld %7lld %-17s %9s %-16.32s %s: %s\n",
        reeve_cli_text_of(failure, "function"), reeve_cli_integer_of(failure, "node"),
        reeve_cli_integer_of(failure, "pid"), reeve_cli_text_of(failure, "task"),
        reeve_cli_age(reeve_cli_number_of(failure, "ago_s"), ago),
        reeve_cli_job_name(result, reeve_cli_text_of(failure, "job")),
        reeve_cli_text_of(failure, "code"), reeve_cli_text_of(failure, "text"));
}

static void print(const json_t *result)
{
    static void (*const prints[])(const json_t *, const json_t *) = {
        print_running, print_queued, print_waiting, print_failed};
    bool any = false;
    for (size_t s = 0; s < REEVE_ARRAY_COUNT(states); s++) {
        const json_t *list = json_object_get(result, states[s]);
        if (any && json_array_size(list) > 0)
            putchar('\n');
        any = any || json_array_size(list) > 0;
        prints[s](result, list);
    }
    if (!any)
        printf("No such tasks.\n");
    reeve_cli_print_left_out(result);
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    json_t *result;
    char **arguments;
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    if (code == 0)
        code = reeve_cli_one_of(command, "state", values.state, states, REEVE_ARRAY_COUNT(states));
    if (code == 0)
        code = reeve_cli_ask(command, &values.cluster, "tasks", json_object(), &result);
    if (code)
        return code;
    for (size_t s = 0; s < REEVE_ARRAY_COUNT(states); s++)
        reeve_cli_pick(result, states[s], values.limit, fits);
    reeve_cli_print_answer(command->name, values.json, result, print);
    return 0;
}

const struct reeve_cli_command reeve_cli_tasks = {
    .name = "tasks",
    .usage = "[OPTIONS]",
    .summary = "show what runs, what waits and why, what failed",
    .description =
        "Shows the tasks: those that run, where and for how long (to the second); calls that are\n"
        "queued with a worker; calls that wait in the program that made them, and why; and the\n"
        "last executions that failed, of which each node keeps 256.",
    .environment = REEVE_CLI_KEY_ENVIRONMENT,
    .examples = "Examples:\n"
                "  reeve tasks\n"
                "  reeve tasks --state failed --job night --limit 5\n"
                "  reeve tasks --json | jq '.running[] | select(.for_s > 60)'",
    .options = options,
    .run = run,
};
