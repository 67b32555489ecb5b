/* `reeve jobs` */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/cli/commands.h"
#include "api/cli/report.h"
#include "api/cli/settings.h"

static struct values {
    struct reeve_cli_cluster cluster;
    bool json, all, functions;
} values;

static const struct reeve_cli_option options[] = {
    REEVE_CLI_CLUSTER_OPTIONS(struct values),
    {.name = "all",
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, all),
        .help = "those that have ended, too (the last 200, as long as\n"
                "the head lives)"},
    {.name = "functions",
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, functions),
        .help = "how many executions of each function have ended"},
    REEVE_CLI_JSON_OPTION(struct values),
    {0},
};

static const char *clock_time(long long ms, char text[32])
{
    time_t at = (time_t)(ms / 1000);
    struct tm parts;
    strftime(text, 32, "%F %T", localtime_r(&at, &parts));
    return text;
}

static void print_functions(const json_t *job)
{
    const char *name;
    json_t *counts;
    json_object_foreach(json_object_get(job, "functions"), name, counts)
        printf("    %-40s %12lld finished %10lld failed\n", name,
            json_integer_value(json_array_get(counts, 0)),
            json_integer_value(json_array_get(counts, 1)));
}

static void print(const json_t *result)
{
    const json_t *jobs = json_object_get(result, "jobs"), *job;
    char started[32], cpu[32], slots[32];
    size_t i;
    if (json_array_size(jobs) == 0)
        printf("No jobs.\n");
    else
        printf("%-17s %-16s %-8s %-4s %7s %-19s %6s %7s %9s %10s %8s %8s\n", "JOB", "NAME", "STATE",
            "NODE", "PID", "STARTED", "WEIGHT", "SLOTS", "WAITING", "FINISHED", "FAILED", "CPU");
    json_array_foreach(jobs, i, job)
    {
        snprintf(slots, sizeof(slots), "%g", reeve_cli_number_of(job, "slots_used"));
        printf("%-17s %-16.32s %-8s %-4lld %7lld %-19s %6lld %7s %9lld %10lld %8lld %8s%s%s\n",
            reeve_cli_text_of(job, "job"), reeve_cli_text_of(job, "name"),
            reeve_cli_text_of(job, "state"), reeve_cli_integer_of(job, "node"),
            reeve_cli_integer_of(job, "pid"),
            clock_time(reeve_cli_integer_of(job, "started_ms"), started),
            reeve_cli_integer_of(job, "weight"), slots, reeve_cli_integer_of(job, "unfinished"),
            reeve_cli_integer_of(job, "finished"), reeve_cli_integer_of(job, "failed"),
            reeve_cli_age(reeve_cli_number_of(job, "cpu_s"), cpu),
            *reeve_cli_text_of(job, "why") ? "  — " : "", reeve_cli_text_of(job, "why"));
        if (values.functions)
            print_functions(job);
    }
}

static json_t *chosen(const json_t *result)
{
    json_t *list = json_array(), *job;
    size_t i;
    json_array_foreach(json_object_get(result, "jobs"), i, job)
    {
        if (values.all || strcmp(reeve_cli_text_of(job, "state"), "ended") != 0)
            json_array_append(list, job);
    }
    return list;
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    json_t *result;
    char **arguments;
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    if (code == 0)
        code = reeve_cli_ask(command, &values.cluster, "jobs", json_object(), &result);
    if (code)
        return code;
    json_object_set_new(result, "jobs", chosen(result));
    reeve_cli_print_answer(command->name, values.json, result, print);
    return 0;
}

const struct reeve_cli_command reeve_cli_jobs = {
    .name = "jobs",
    .usage = "[OPTIONS]",
    .summary = "show jobs: whose, since when, what they have done",
    .description =
        "Shows the jobs: programs that have joined the cluster, where their drivers are, "
        "what share of the\n"
        "slots they hold, how many of their calls wait, and how many executions have "
        "ended well or\n"
        "failed; CPU is what their workers have used.",
    .environment = REEVE_CLI_KEY_ENVIRONMENT,
    .examples = "Examples:\n"
                "  reeve jobs\n"
                "  reeve jobs --all --functions\n"
                "  reeve jobs --json | jq '.jobs[] | select(.failed > 0).name'",
    .options = options,
    .run = run,
};
