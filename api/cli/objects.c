/* `reeve objects`. The head asks all nodes and answers with the first of what they have. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/commands.h"
#include "api/cli/report.h"
#include "api/cli/settings.h"
#include "runtime/base/errors.h"
#include "runtime/base/ids.h"
#include "runtime/base/macros.h"
#include "runtime/base/parse.h"

#define LIMIT_MAX 1000

static struct values {
    struct reeve_cli_cluster cluster;
    long node, limit;
    const char *owner, *job, *sort;
    bool json;
} values;

static const struct reeve_cli_option options[] = {
    REEVE_CLI_CLUSTER_OPTIONS(struct values),
    REEVE_CLI_NODE_OPTION(struct values, "only on this node"),
    {.name = "owner",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, owner),
        .value = "PROCESS",
        .help = "only what this process owns: 1.2, or 16 digits as\n"
                "`reeve status` shows it"},
    {.name = "job",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, job),
        .value = "JOB",
        .help = "only of this job, by its name or the beginning of its id:\n"
                "what its driver owns, and what its workers own on\n"
                "their nodes"},
    {.name = "sort",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, sort),
        .value = "KEY",
        .initial = "size",
        .help = "which come first: size, pins (the most pinned), name"},
    {.name = "limit",
        .kind = REEVE_CLI_NUMBER,
        .offset = offsetof(struct values, limit),
        .value = "N",
        .initial = "20",
        .help = "show so many objects, 1000 at most; 0: totals only"},
    REEVE_CLI_JSON_OPTION(struct values),
    {0},
};

static uint64_t count_of(const json_t *object, const char *key)
{
    return (uint64_t)reeve_cli_integer_of(object, key);
}

/* --- asking ----------------------------------------------------------------------------------- */

/* "1.2", or 16 hexadecimal digits. */
static bool parse_process(const char *text, reeve_process_id *ret)
{
    uint64_t node, serial;
    char before[16], *end;
    const char *dot = strchr(text, '.');
    if (dot == NULL) {
        *ret = strtoull(text, &end, 16);
        return strlen(text) == 16 && strspn(text, "0123456789abcdefABCDEF") == 16;
    }
    snprintf(before, sizeof(before), "%.*s", (int)(dot - text), text);
    if (reeve_parse_u64(before, 1, UINT32_MAX, &node, NULL) != 0 ||
        reeve_parse_u64(dot + 1, 1, UINT32_MAX, &serial, NULL) != 0)
        return false;
    *ret = reeve_process_id_make((uint32_t)node, (uint32_t)serial);
    return true;
}

static int usage(const struct reeve_cli_command *command, const char *flag, const char *why)
{
    reeve_cli_error(command->name, "see: reeve objects --help", "%s: %s", flag, why);
    return REEVE_CLI_USAGE;
}

static const char *const orders[] = {"size", "pins", "name"};

static int check_values(const struct reeve_cli_command *command, reeve_process_id *ret_owner)
{
    char why[REEVE_WHY_SIZE];
    *ret_owner = REEVE_PROCESS_NONE;
    if (reeve_cli_one_of(command, "sort", values.sort, orders, REEVE_ARRAY_COUNT(orders)) != 0)
        return REEVE_CLI_USAGE;
    if (values.limit > LIMIT_MAX)
        return usage(command, "--limit", "at most 1000");
    if (values.owner != NULL && !parse_process(values.owner, ret_owner)) {
        snprintf(
            why, sizeof(why), "'%.80s' is no process: write 1.2, or its 16 digits", values.owner);
        return usage(command, "--owner", why);
    }
    return 0;
}

static json_t *question(reeve_process_id owner)
{
    json_t *arguments = json_pack("{s:I, s:s, s:I}", "limit", (json_int_t)values.limit, "sort",
        values.sort, "timeout_ms", (json_int_t)values.cluster.timeout_s * 1000 / 2);
    if (values.node > 0)
        json_object_set_new(arguments, "node", json_integer(values.node));
    if (owner != REEVE_PROCESS_NONE)
        json_object_set_new(arguments, "owner", json_sprintf("%016" PRIx64, owner));
    if (values.job != NULL)
        json_object_set_new(arguments, "job", json_string(values.job));
    return arguments;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void print_stores(const json_t *nodes)
{
    size_t i;
    json_t *node;
    char size[REEVE_SIZE_TEXT_SIZE], used[REEVE_SIZE_TEXT_SIZE], held[REEVE_SIZE_TEXT_SIZE],
        pinned[REEVE_SIZE_TEXT_SIZE], copies[REEVE_SIZE_TEXT_SIZE], disk[REEVE_SIZE_TEXT_SIZE],
        unused[REEVE_SIZE_TEXT_SIZE], largest[REEVE_SIZE_TEXT_SIZE];
    if (json_array_size(nodes) > 0)
        printf("%-5s %-16s %10s %10s %10s %10s %10s %10s %8s %4s %10s %10s\n", "NODE", "HOST",
            "STORE", "USED", "HELD", "PINNED", "COPIES", "ON DISK", "OBJECTS", "SEGM", "FREE",
            "LARGEST");
    json_array_foreach(nodes, i, node)
    {
        printf("%-5" PRIu64 " %-16.16s %10s %10s %10s %10s %10s %10s %8" PRIu64 " %4" PRIu64
               " %10s %10s\n",
            count_of(node, "node"), reeve_cli_text_of(node, "host"),
            reeve_size_format(count_of(node, "capacity_bytes"), size),
            reeve_size_format(count_of(node, "used_bytes"), used),
            reeve_size_format(count_of(node, "held_bytes"), held),
            reeve_size_format(count_of(node, "pinned_bytes"), pinned),
            reeve_size_format(count_of(node, "copy_bytes"), copies),
            reeve_size_format(count_of(node, "spilled_bytes"), disk), count_of(node, "objects"),
            count_of(node, "segments"), reeve_size_format(count_of(node, "free_bytes"), unused),
            reeve_size_format(count_of(node, "largest_free_bytes"), largest));
    }
}

/* "1.2", "1.2 and 3 more", "-" */
static void holders(const json_t *object, char *text, size_t size)
{
    const json_t *first = json_array_get(json_object_get(object, "pinned_by"), 0);
    uint64_t count = count_of(object, "pinners");
    uint64_t process = strtoull(reeve_cli_text_of(first, "process"), NULL, 16);
    if (count == 0)
        snprintf(text, size, "-");
    else if (process == REEVE_PROCESS_NONE)
        snprintf(text, size, "the daemon");
    else
        snprintf(
            text, size, "%" PRIu32 ".%" PRIu32, reeve_process_node(process), (uint32_t)process);
    if (count > 1 && strlen(text) < size)
        snprintf(text + strlen(text), size - strlen(text), " and %" PRIu64 " more", count - 1);
}

static void print_objects(const json_t *objects)
{
    size_t i, j;
    json_t *object, *node;
    char size[REEVE_SIZE_TEXT_SIZE], owner[32], pinned[48], copies[64];
    if (json_array_size(objects) > 0)
        printf("\n%-20s %-5s %10s %-8s %-8s %-10s %5s %-18s %s\n", "OBJECT", "NODE", "SIZE",
            "STATE", "KIND", "OWNER", "PINS", "PINNED BY", "COPIES ON");
    json_array_foreach(objects, i, object)
    {
        uint64_t process = strtoull(reeve_cli_text_of(object, "owner"), NULL, 16);
        if (process == REEVE_PROCESS_NONE) /* of a copy: only the primary's node knows */
            snprintf(owner, sizeof(owner), "-");
        else
            snprintf(owner, sizeof(owner), "%" PRIu32 ".%" PRIu32, reeve_process_node(process),
                (uint32_t)process);
        holders(object, pinned, sizeof(pinned));
        snprintf(copies, sizeof(copies), "%s", count_of(object, "copies") > 0 ? "" : "-");
        json_array_foreach(json_object_get(object, "copies_on"), j, node)
            snprintf(copies + strlen(copies), sizeof(copies) - strlen(copies), "%s%lld",
                j > 0 ? "," : "", (long long)json_integer_value(node));
        if (count_of(object, "copies") > j)
            snprintf(copies + strlen(copies), sizeof(copies) - strlen(copies),
                " and %" PRIu64 " more", count_of(object, "copies") - j);
        printf("%-20s %-5" PRIu64 " %10s %-8s %-8s %-10s %5" PRIu64 " %-18s %s\n",
            reeve_cli_text_of(object, "object"), count_of(object, "node"),
            reeve_size_format(count_of(object, "size_bytes"), size),
            reeve_cli_text_of(object, "state"),
            json_is_true(json_object_get(object, "copy")) ? "copy" : "primary", owner,
            count_of(object, "pins"), pinned, copies);
    }
}

static void print(const json_t *result)
{
    const json_t *totals = json_object_get(result, "totals");
    char bytes[REEVE_SIZE_TEXT_SIZE];
    print_stores(json_object_get(result, "nodes"));
    print_objects(json_object_get(result, "objects"));
    printf("\n%" PRIu64 " objects, %s; %" PRIu64 " shown", count_of(totals, "matched"),
        reeve_size_format(count_of(totals, "matched_bytes"), bytes), count_of(totals, "shown"));
    if (count_of(result, "left_out") > 0)
        printf(", %" PRIu64 " more: see --limit", count_of(result, "left_out"));
    putchar('\n');
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    json_t *result;
    reeve_process_id owner;
    char **arguments;
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    if (code == 0)
        code = check_values(command, &owner);
    if (code == 0)
        code = reeve_cli_ask(command, &values.cluster, "objects", question(owner), &result);
    if (code)
        return code;
    if (values.json)
        reeve_cli_print_json(result);
    else
        print(result);
    reeve_cli_print_unanswered(command->name, result);
    if (json_array_size(json_object_get(result, "unanswered")) > 0)
        code = REEVE_CLI_FAILED;
    json_decref(result);
    return code;
}

const struct reeve_cli_command reeve_cli_objects = {
    .name = "objects",
    .usage = "[OPTIONS]",
    .summary = "show what lies in the stores, and who holds it",
    .description =
        "Shows the object store of each node (USED by objects, HELD as memory now, objects ON "
        "DISK, "
        "FREE in\n"
        "its segments, and the LARGEST free place of those) and the objects in it: how large, "
        "whose, pinned\n"
        "by whom, with copies on which nodes. A process is written NODE.SERIAL, an object "
        "OWNER/NUMBER. A\n"
        "node that does not answer is named, and the exit code is 1 then.",
    .environment = REEVE_CLI_KEY_ENVIRONMENT,
    .examples = "Examples:\n"
                "  reeve objects\n"
                "  reeve objects --owner 1.2 --sort pins\n"
                "  reeve objects --limit 0 --json | jq .totals",
    .options = options,
    .run = run,
};
