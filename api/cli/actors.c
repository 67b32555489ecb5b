/* `reeve actors`: the head answers with all there are; what is asked for is picked out here. And
 * `reeve actors kill NAME`, for detached ones. */
#include <stdio.h>
#include <string.h>

#include "api/cli/commands.h"
#include "api/cli/report.h"
#include "api/cli/settings.h"
#include "runtime/base/macros.h"

static struct values {
    struct reeve_cli_cluster cluster;
    const char *state, *job, *name, *type, *name_space;
    long node, limit;
    bool json;
} values;

static const struct reeve_cli_option options[] = {
    REEVE_CLI_CLUSTER_OPTIONS(struct values),
    REEVE_CLI_STATE_OPTION(struct values, "starting, alive, restarting or dead"),
    REEVE_CLI_JOB_OPTION(struct values),
    {.name = "name",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, name),
        .value = "NAME",
        .help = "only those of this name"},
    {.name = "type",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, type),
        .value = "TYPE",
        .help = "only of this type"},
    {.name = "namespace",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, name_space),
        .value = "NAME",
        .help = "only in this namespace; of whom to kill: default"},
    REEVE_CLI_NODE_OPTION(struct values, "only on this node"),
    REEVE_CLI_LIMIT_OPTION(struct values),
    REEVE_CLI_JSON_OPTION(struct values),
    {0},
};

static const char *const states[] = {"starting", "alive", "restarting", "dead"};

static bool is(const json_t *actor, const char *key, const char *asked_for)
{
    return !asked_for || strcmp(reeve_cli_text_of(actor, key), asked_for) == 0;
}

static bool fits(const json_t *result, const char *list, const json_t *actor)
{
    (void)list;
    return is(actor, "state", values.state) && is(actor, "name", values.name) &&
           is(actor, "type", values.type) && is(actor, "name_space", values.name_space) &&
           (values.node < 0 || reeve_cli_integer_of(actor, "node") == values.node) &&
           reeve_cli_is_of_job(result, reeve_cli_text_of(actor, "job"), values.job);
}

static void print(const json_t *result)
{
    const json_t *list = json_object_get(result, "actors"), *actor;
    char since[32], name[192], restarts[32];
    size_t i;
    if (json_array_size(list) == 0)
        printf("No such actors.\n");
    else
        printf("%-20s %-24s %-10s %-4s %7s %9s %8s %9s %-17s %-16s\n", "TYPE", "NAME", "STATE",
            "NODE", "PID", "RESTARTS", "CALLS", "SINCE", "OWNER", "JOB");
    json_array_foreach(list, i, actor)
    {
        const char *space = reeve_cli_text_of(actor, "name_space");
        const char *why = reeve_cli_text_of(actor, "why");
        bool elsewhere = *space && strcmp(space, "default") != 0;
        snprintf(name, sizeof(name), "%.63s%s%.127s", elsewhere ? space : "", elsewhere ? "/" : "",
            reeve_cli_text_of(actor, "name"));
        long long left = reeve_cli_integer_of(actor, "restarts_left");
        long long restarted = reeve_cli_integer_of(actor, "restarts");
        if (left < 0)
            snprintf(restarts, sizeof(restarts), "%lld", restarted);
        else
            snprintf(restarts, sizeof(restarts), "%lld of %lld", restarted, restarted + left);
        printf("%-20s %-24s %-10s %-4lld %7lld %9s %8lld %9s %-17s %-16.32s%s%s%s\n",
            reeve_cli_text_of(actor, "type"), name, reeve_cli_text_of(actor, "state"),
            reeve_cli_integer_of(actor, "node"), reeve_cli_integer_of(actor, "pid"), restarts,
            reeve_cli_integer_of(actor, "calls"),
            reeve_cli_age(reeve_cli_number_of(actor, "since_s"), since),
            reeve_cli_text_of(actor, "owner"),
            reeve_cli_job_name(result, reeve_cli_text_of(actor, "job")),
            json_is_true(json_object_get(actor, "detached")) ? "  detached" : "", *why ? "  " : "",
            why);
    }
    reeve_cli_print_left_out(result);
    if (reeve_cli_integer_of(result, "silent") > 0)
        printf("\n%lld processes did not say in time which actors are theirs: are they stopped?\n",
            reeve_cli_integer_of(result, "silent"));
}

static int kill_one(const struct reeve_cli_command *command, const char *name)
{
    json_t *result = NULL;
    json_t *request = json_pack("{s:s, s:s}", "name", name, "name_space",
        values.name_space ? values.name_space : "default");
    int code = reeve_cli_ask(command, &values.cluster, "actor.kill", request, &result);
    if (code == 0 && values.json)
        reeve_cli_print_json(result);
    json_decref(result);
    return code;
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    json_t *result;
    char **arguments;
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    if (code == 0)
        code = reeve_cli_one_of(command, "state", values.state, states, REEVE_ARRAY_COUNT(states));
    if (code == 0 && arguments[0]) {
        if (strcmp(arguments[0], "kill") == 0 && arguments[1])
            return kill_one(command, arguments[1]);
        reeve_cli_error(command->name, "write: reeve actors kill NAME", "%s",
            arguments[1] ? "this can only be done to an actor: kill" : "a name is missing");
        return REEVE_CLI_USAGE;
    }
    if (code == 0)
        code = reeve_cli_ask(command, &values.cluster, "actors", json_object(), &result);
    if (code)
        return code;
    reeve_cli_pick(result, "actors", values.limit, fits);
    reeve_cli_print_answer(command->name, values.json, result, print);
    return 0;
}

const struct reeve_cli_command reeve_cli_actors = {
    .name = "actors",
    .usage = "[OPTIONS] [kill NAME]",
    .summary = "show the actors: where they live, whose they are; or kill one",
    .description =
        "Shows the actors that have not been released: type, name, state, the node and process in\n"
        "which each lives, how often it was restarted, the calls that are not answered yet (of "
        "its\n"
        "process, where several share one), since when it is there, and its owner. With `kill`, "
        "it\n"
        "ends the detached actor of that name, and waits until it has ended.",
    .environment = REEVE_CLI_KEY_ENVIRONMENT,
    .examples = "Examples:\n"
                "  reeve actors\n"
                "  reeve actors --state dead --job night\n"
                "  reeve actors --json | jq '.actors[] | select(.calls > 1000)'\n"
                "  reeve actors kill hits",
    .options = options,
    .arguments_max = 2,
    .run = run,
};
