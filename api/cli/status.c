/* `reeve status` */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/cli/commands.h"
#include "api/cli/report.h"
#include "api/cli/settings.h"
#include "runtime/base/errors.h"
#include "runtime/base/macros.h"
#include "runtime/base/parse.h"

static struct values {
    struct reeve_cli_cluster cluster;
    const char *state;
    long node, limit;
    bool json;
    bool leases;
} values;

#define LINES_MAX 50  /* of each table, unless --limit says otherwise */
#define SILENT_S  3.0 /* that one does not hear from a node, which has word for us each second */

static const struct reeve_cli_option options[] = {
    REEVE_CLI_CLUSTER_OPTIONS(struct values),
    REEVE_CLI_STATE_OPTION(struct values, "up, ending, joining, lost or dead"),
    REEVE_CLI_NODE_OPTION(struct values, "only this node, its leases, and the processes there"),
    {.name = "limit",
        .kind = REEVE_CLI_NUMBER,
        .offset = offsetof(struct values, limit),
        .value = "N",
        .help = "at most so many lines of each kind, those that need a look\n"
                "first; 0: all there are (default: 50; with --json all)"},
    REEVE_CLI_JSON_OPTION(struct values),
    {.name = "leases",
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, leases),
        .help = "each lease too: who runs where"},
    {0},
};

/* "(1 lost, 2 ending)": those that are not up. */
static void states_of(const json_t *states, char *text, size_t size)
{
    const char *name;
    json_t *count;
    size_t used = 0;
    text[0] = 0;
    json_object_foreach((json_t *)states, name, count)
    {
        if (strcmp(name, "up") != 0 && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%lld %s", used > 0 ? ", " : " (",
                json_integer_value(count), name);
    }
    if (used > 0 && used < size)
        snprintf(text + used, size - used, ")");
}

static void print_head(const json_t *status)
{
    const json_t *head = json_object_get(status, "head"),
                 *totals = json_object_get(status, "totals");
    char since[32], states[96];
    states_of(json_object_get(totals, "node_states"), states, sizeof(states));
    printf("head    %s on %s, reeve %s, up %s\n", reeve_cli_text_of(head, "address"),
        reeve_cli_text_of(head, "host"), reeve_cli_text_of(head, "release"),
        reeve_cli_age(reeve_cli_number_of(head, "uptime_s"), since));
    printf("cluster %lld of %lld nodes up%s, %g of %g slots used, %lld jobs, %lld leases, %lld "
           "demands\n",
        reeve_cli_integer_of(totals, "nodes_up"), reeve_cli_integer_of(totals, "nodes"), states,
        reeve_cli_number_of(totals, "slots_used"), reeve_cli_number_of(totals, "slots"),
        reeve_cli_integer_of(totals, "jobs"), reeve_cli_integer_of(totals, "leases"),
        reeve_cli_integer_of(totals, "demands"));
    const json_t *latest = json_object_get(head, "lost_latest");
    if (reeve_cli_integer_of(head, "nodes_lost") > 0)
        printf("lost    %lld nodes since this head started, the latest %s ago: node %lld, %s\n",
            reeve_cli_integer_of(head, "nodes_lost"),
            reeve_cli_age(reeve_cli_number_of(latest, "ago_s"), since),
            reeve_cli_integer_of(latest, "node"), reeve_cli_text_of(latest, "why"));
    if (reeve_cli_integer_of(totals, "actor_processes") > 0)
        printf("actors  in %lld processes, %lld with names (see reeve actors)\n",
            reeve_cli_integer_of(totals, "actor_processes"),
            reeve_cli_integer_of(totals, "actor_names"));
    char store[REEVE_SIZE_TEXT_SIZE], used[REEVE_SIZE_TEXT_SIZE], held[REEVE_SIZE_TEXT_SIZE];
    printf("store   %lld objects, %s of %s used, %s held as memory\n",
        reeve_cli_integer_of(totals, "objects"),
        reeve_size_format((uint64_t)reeve_cli_integer_of(totals, "store_used_bytes"), used),
        reeve_size_format((uint64_t)reeve_cli_integer_of(totals, "store_bytes"), store),
        reeve_size_format((uint64_t)reeve_cli_integer_of(totals, "store_held_bytes"), held));
    if (reeve_cli_number_of(status, "taken_s") > 0)
        printf("taken   within %.0f ms: the tables are not of one moment\n",
            1000 * reeve_cli_number_of(status, "taken_s"));
}

/* Below a table. */
static void print_left_out_of(const json_t *status, const char *kind, const char *flags)
{
    long long count = reeve_cli_integer_of(json_object_get(status, "left_out_of"), kind);
    if (count > 0)
        printf("%lld more %s: see %s\n", count, kind, flags);
}

static void print_nodes(const json_t *list)
{
    size_t i;
    json_t *node;
    char memory[REEVE_SIZE_TEXT_SIZE], store[REEVE_SIZE_TEXT_SIZE], used[REEVE_SIZE_TEXT_SIZE],
        held[REEVE_SIZE_TEXT_SIZE];
    if (json_array_size(list) == 0) {
        printf(values.state || values.node >= 0 ? "\nNo such nodes.\n"
                                                : "\nNo nodes: start one with `reeve worker`.\n");
        return;
    }
    printf("\n%-5s %-20s %-8s %12s %7s %10s %10s %10s %10s  %s\n", "NODE", "HOST", "STATE", "SLOTS",
        "LEASES", "MEMORY", "STORE", "USED", "HELD", "ADDRESS");
    json_array_foreach(list, i, node)
    {
        char slots[32], silent[64] = "", age[32];
        double silent_s = reeve_cli_number_of(node, "silent_s");
        if (silent_s >= SILENT_S)
            snprintf(silent, sizeof(silent), " (no word for %s)", reeve_cli_age(silent_s, age));
        snprintf(slots, sizeof(slots), "%g/%g", reeve_cli_number_of(node, "slots_used"),
            reeve_cli_number_of(node, "slots"));
        printf("%-5lld %-20s %-8s %12s %7lld %10s %10s %10s %10s  %s%s\n",
            reeve_cli_integer_of(node, "node"), reeve_cli_text_of(node, "host"),
            reeve_cli_text_of(node, "state"), slots, reeve_cli_integer_of(node, "leases"),
            reeve_size_format((uint64_t)reeve_cli_integer_of(node, "memory_bytes"), memory),
            reeve_size_format((uint64_t)reeve_cli_integer_of(node, "store_bytes"), store),
            reeve_size_format((uint64_t)reeve_cli_integer_of(node, "store_used_bytes"), used),
            reeve_size_format((uint64_t)reeve_cli_integer_of(node, "store_held_bytes"), held),
            reeve_cli_text_of(node, "address"), silent);
    }
}

/* The nodes that have anything on disk, or whose disks fail. */
static void print_spills(const json_t *list)
{
    size_t i, printed = 0;
    json_t *node;
    json_array_foreach(list, i, node)
    {
        const json_t *spill = json_object_get(node, "spill");
        char bytes[REEVE_SIZE_TEXT_SIZE], disk[REEVE_SIZE_TEXT_SIZE], more[64] = "", state[96] = "";
        if (spill == NULL || (reeve_cli_integer_of(spill, "written") == 0 &&
                                 reeve_cli_integer_of(spill, "failed") == 0))
            continue;
        if (printed++ == 0)
            printf("\n%-5s %10s %10s %10s %10s %10s %8s  %s\n", "NODE", "SPILLED", "OBJECTS",
                "ON DISK", "WRITTEN", "RESTORED", "FAILURES", "FOLDER");
        if (reeve_cli_integer_of(spill, "folders") > 1)
            snprintf(
                more, sizeof(more), " and %lld more", reeve_cli_integer_of(spill, "folders") - 1);
        const char *why = reeve_cli_text_of(spill, "why");
        if (reeve_cli_integer_of(spill, "folders_failed") > 0)
            snprintf(state, sizeof(state), " (full or failing%s%s)", *why != '\0' ? ": " : "", why);
        else if (*why != '\0')
            snprintf(state, sizeof(state), " (has failed: %s)", why);
        printf("%-5lld %10s %10lld %10s %10lld %10lld %8lld  %s%s%s\n",
            reeve_cli_integer_of(node, "node"),
            reeve_size_format((uint64_t)reeve_cli_integer_of(spill, "bytes"), bytes),
            reeve_cli_integer_of(spill, "objects"),
            reeve_size_format((uint64_t)reeve_cli_integer_of(spill, "disk_bytes"), disk),
            reeve_cli_integer_of(spill, "written"), reeve_cli_integer_of(spill, "restored"),
            reeve_cli_integer_of(spill, "failed"), reeve_cli_text_of(spill, "folder"), more, state);
    }
}

static void print_jobs(const json_t *list)
{
    size_t i;
    json_t *job;
    char since[32];
    if (json_array_size(list) > 0)
        printf("\n%-17s %-20s %-5s %-8s %7s %8s %9s\n", "JOB", "NAME", "NODE", "STATE", "LEASES",
            "LACKING", "AGE");
    json_array_foreach(list, i, job)
    {
        printf("%-17s %-20s %-5lld %-8s %7lld %8lld %9s\n", reeve_cli_text_of(job, "job"),
            reeve_cli_text_of(job, "name"), reeve_cli_integer_of(job, "node"),
            reeve_cli_text_of(job, "state"), reeve_cli_integer_of(job, "leases"),
            reeve_cli_integer_of(job, "wanted"),
            reeve_cli_age(reeve_cli_number_of(job, "age_s"), since));
    }
}

static void print_demands(const json_t *list)
{
    size_t i, printed = 0;
    json_t *demand;
    char since[32];
    json_array_foreach(list, i, demand)
    {
        if (!*reeve_cli_text_of(demand, "why"))
            continue;
        if (printed++ == 0)
            printf("\n%-17s %6s %9s %9s  %s\n", "PROCESS WAITING", "CPU", "HELD", "SINCE", "WHY");
        char held[32];
        snprintf(held, sizeof(held), "%lld/%lld", reeve_cli_integer_of(demand, "held"),
            reeve_cli_integer_of(demand, "wanted"));
        printf("%-17s %6g %9s %9s  %s\n", reeve_cli_text_of(demand, "process"),
            reeve_cli_number_of(demand, "cpu"), held,
            reeve_cli_age(reeve_cli_number_of(demand, "waiting_s"), since),
            reeve_cli_text_of(demand, "why"));
    }
}

static void print_leases(const json_t *list)
{
    size_t i;
    json_t *lease;
    char since[32];
    if (json_array_size(list) > 0)
        printf(
            "\n%-17s %-17s %-5s %6s %9s %9s\n", "LEASE", "HOLDER", "NODE", "CPU", "AGE", "STATE");
    json_array_foreach(list, i, lease)
    {
        const char *state = json_is_true(json_object_get(lease, "recalled")) ? "recalled"
                            : json_is_true(json_object_get(lease, "lent"))   ? "lent"
                                                                             : "held";
        printf("%-17s %-17s %-5lld %6g %9s %9s\n", reeve_cli_text_of(lease, "lease"),
            reeve_cli_text_of(lease, "process"), reeve_cli_integer_of(lease, "node"),
            reeve_cli_number_of(lease, "cpu"),
            reeve_cli_age(reeve_cli_number_of(lease, "age_s"), since), state);
    }
}

void reeve_cli_print_runs(const json_t *list, size_t last)
{
    size_t i, count = json_array_size(list);
    json_t *run;
    if (count > 0)
        printf("%-9s %-16s %-5s %-14s %-20s %s\n", "RUN", "NAME", "NODE", "STATE", "STARTED",
            "COMMAND");
    json_array_foreach(list, i, run)
    {
        char state[32], started[32];
        time_t at = (time_t)(reeve_cli_integer_of(run, "started_ms") / 1000);
        struct tm parts;
        if (i + last < count)
            continue;
        strftime(started, sizeof(started), "%F %T", localtime_r(&at, &parts));
        snprintf(state, sizeof(state), "%s", reeve_cli_text_of(run, "state"));
        if (strcmp(state, "exited") == 0 && reeve_cli_integer_of(run, "signal"))
            snprintf(state, sizeof(state), "signal %lld", reeve_cli_integer_of(run, "signal"));
        else if (strcmp(state, "exited") == 0)
            snprintf(state, sizeof(state), "exit %lld", reeve_cli_integer_of(run, "exit_status"));
        printf("%-9s %-16s %-5lld %-14s %-20s %.60s%s%s\n", reeve_cli_text_of(run, "run"),
            reeve_cli_text_of(run, "name"), reeve_cli_integer_of(run, "node"), state, started,
            reeve_cli_text_of(run, "command"), *reeve_cli_text_of(run, "text") ? "  — " : "",
            reeve_cli_text_of(run, "text"));
    }
}

static const char *const states[] = {"up", "ending", "joining", "lost", "dead"};

static json_t *question(void)
{
    long limit = values.limit >= 0 ? values.limit : values.json ? 0 : LINES_MAX;
    json_t *wishes =
        json_pack("{s:b, s:I}", "leases", (int)values.leases, "limit", (json_int_t)limit);
    if (values.node >= 0)
        json_object_set_new(wishes, "node", json_integer(values.node));
    if (values.state)
        json_object_set_new(wishes, "state", json_string(values.state));
    return wishes;
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    json_t *result;
    char **arguments;
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    if (code == 0)
        code = reeve_cli_one_of(command, "state", values.state, states, REEVE_ARRAY_COUNT(states));
    if (code == 0)
        code = reeve_cli_ask(command, &values.cluster, "status", question(), &result);
    if (code)
        return code;
    if (values.json) {
        reeve_cli_print_json(result);
    } else {
        print_head(result);
        print_nodes(json_object_get(result, "nodes"));
        print_left_out_of(result, "nodes", "--state, --node, --limit");
        print_spills(json_object_get(result, "nodes"));
        print_jobs(json_object_get(result, "jobs"));
        print_left_out_of(result, "jobs", "--limit, or reeve jobs");
        print_demands(json_object_get(result, "demands"));
        print_left_out_of(result, "demands", "--node, --limit");
        print_leases(json_object_get(result, "leases"));
        print_left_out_of(result, "leases", "--node, --limit");
        if (json_array_size(json_object_get(result, "runs")) > 0)
            putchar('\n');
        reeve_cli_print_runs(json_object_get(result, "runs"), 10);
    }
    json_decref(result);
    return 0;
}

const struct reeve_cli_command reeve_cli_status = {
    .name = "status",
    .usage = "[OPTIONS]",
    .summary = "show nodes, jobs, what waits and why",
    .description = "Shows the cluster: the head, its nodes and their slots, the jobs (running "
                   "programs), who waits\n"
                   "for slots and why, and the latest programs started with `reeve run`.",
    .environment = REEVE_CLI_KEY_ENVIRONMENT,
    .examples = "Examples:\n"
                "  reeve status\n"
                "  reeve status --state lost --limit 0\n"
                "  reeve status --node 3 --leases\n"
                "  reeve status --json | jq '.nodes[] | select(.state == \"up\").host'",
    .options = options,
    .run = run,
};
