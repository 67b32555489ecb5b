/* `reeve objects`: asks every node, by way of the head, at once; names those that do not answer. */
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
    const char *owner, *sort;
    bool json;
} values;

static const struct reeve_cli_option options[] = {
    REEVE_CLI_CLUSTER_OPTIONS(struct values),
    {.name = "node",
        .letter = 'n',
        .kind = REEVE_CLI_NUMBER,
        .offset = offsetof(struct values, node),
        .value = "N",
        .help = "only what lies on this node"},
    {.name = "owner",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, owner),
        .value = "PROCESS",
        .help = "only what this process owns: 1.2, or 16 digits as\n"
                "`reeve status` shows it"},
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

/* One node that has been asked. */
struct asked {
    long long node;
    const char *host; /* in the status */
    uint64_t request;
    json_t *answer; /* NULL: none; then `why` */
    char why[REEVE_TEXT_SIZE];
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

static int check_values(const struct reeve_cli_command *command, reeve_process_id *ret_owner)
{
    char why[REEVE_WHY_SIZE];
    *ret_owner = REEVE_PROCESS_NONE;
    if (strcmp(values.sort, "size") != 0 && strcmp(values.sort, "pins") != 0 &&
        strcmp(values.sort, "name") != 0) {
        snprintf(why, sizeof(why), "'%.80s' is none of size, pins, name", values.sort);
        return usage(command, "--sort", why);
    }
    if (values.limit > LIMIT_MAX)
        return usage(command, "--limit", "at most 1000");
    if (values.owner != NULL && !parse_process(values.owner, ret_owner)) {
        snprintf(
            why, sizeof(why), "'%.80s' is no process: write 1.2, or its 16 digits", values.owner);
        return usage(command, "--owner", why);
    }
    return 0;
}

static void ask(struct reeve_tool *tool, struct asked *asked, reeve_process_id owner)
{
    json_t *arguments = json_pack("{s:I, s:I, s:s}", "node", (json_int_t)asked->node, "limit",
        (json_int_t)values.limit, "sort", values.sort);
    if (owner != REEVE_PROCESS_NONE)
        json_object_set_new(arguments, "owner", json_sprintf("%016" PRIx64, owner));
    int error = reeve_tool_send(tool, "objects", arguments, NULL, 0, &asked->request);
    if (error != 0)
        snprintf(asked->why, sizeof(asked->why), "%s", reeve_strerror(error));
}

static void collect(struct reeve_tool *tool, struct asked *asked)
{
    struct reeve_tool_reply reply;
    if (*asked->why)
        return;
    if (reeve_tool_collect(
            tool, asked->request, (uint32_t)values.cluster.timeout_s * 1000, &reply) == 0)
        asked->answer = json_incref(reply.result);
    else if (reply.code == REEVE_ETIMEDOUT)
        snprintf(
            asked->why, sizeof(asked->why), "no answer within %ld s", values.cluster.timeout_s);
    else
        snprintf(asked->why, sizeof(asked->why), "%.200s", reply.text);
    reeve_tool_reply_fini(&reply);
}

/* All nodes that ought to answer: those that are up, and those that were a moment ago. */
static size_t choose(const json_t *nodes, struct asked *asked)
{
    size_t i, count = 0;
    json_t *node;
    json_array_foreach(nodes, i, node)
    {
        long long number = (long long)count_of(node, "node");
        const char *state = reeve_cli_text_of(node, "state");
        bool up = strcmp(state, "up") == 0;
        if ((values.node >= 0 && number != values.node) || (!up && strcmp(state, "lost") != 0))
            continue;
        asked[count] = (struct asked){.node = number, .host = reeve_cli_text_of(node, "host")};
        if (!up)
            snprintf(asked[count].why, sizeof(asked[count].why), "the link to it is lost");
        count++;
    }
    return count;
}

/* --- telling ---------------------------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
    const json_t *a = *(json_t *const *)left, *b = *(json_t *const *)right;
    if (strcmp(values.sort, "name") == 0)
        return strcmp(reeve_cli_text_of(a, "object"), reeve_cli_text_of(b, "object"));
    const char *key = strcmp(values.sort, "pins") == 0 ? "pins" : "size_bytes";
    uint64_t x = count_of(a, key), y = count_of(b, key);
    return x != y ? (x > y ? -1 : 1) : 0;
}

/* The objects of all answers, each with its node, sorted and cut. */
static json_t *merge(const struct asked *asked, size_t count)
{
    json_t *all = json_array(), *object, *first = json_array();
    size_t j;
    for (size_t i = 0; i < count; i++) {
        json_array_foreach(json_object_get(asked[i].answer, "objects"), j, object)
        {
            json_object_set_new(object, "node", json_integer(asked[i].node));
            json_array_append(all, object);
        }
    }
    size_t size = json_array_size(all);
    json_t **order = calloc(size + 1, sizeof(*order));
    for (j = 0; order != NULL && j < size; j++)
        order[j] = json_array_get(all, j);
    if (order != NULL)
        qsort(order, size, sizeof(*order), compare);
    for (j = 0; order != NULL && j < size && j < (size_t)values.limit; j++)
        json_array_append(first, order[j]);
    free(order);
    json_decref(all);
    return first;
}

static void add(json_t *sums, const json_t *object, const char *key)
{
    json_object_set_new(
        sums, key, json_integer((json_int_t)(count_of(sums, key) + count_of(object, key))));
}

static json_t *report(const struct asked *asked, size_t count)
{
    static const char *const keys[] = {"capacity_bytes", "used_bytes", "committed_bytes",
        "held_bytes", "unsealed_bytes", "copy_bytes", "pinned_bytes", "objects", "pins", "waiting",
        "holds", "untold", "spilled", "spilled_bytes", "disk_bytes", "unwritten", "unread",
        "mended"};
    json_t *totals = json_object(), *nodes = json_array(), *silent = json_array();
    for (size_t i = 0; i < count; i++) {
        if (asked[i].answer == NULL) {
            json_array_append_new(
                silent, json_pack("{s:I, s:s, s:s}", "node", (json_int_t)asked[i].node, "host",
                            asked[i].host, "why", asked[i].why));
            continue;
        }
        json_t *store = json_deep_copy(json_object_get(asked[i].answer, "store"));
        for (size_t key = 0; key < REEVE_ARRAY_COUNT(keys); key++)
            add(totals, store, keys[key]);
        add(totals, asked[i].answer, "matched");
        add(totals, asked[i].answer, "matched_bytes");
        json_object_set_new(store, "node", json_integer(asked[i].node));
        json_object_set_new(store, "host", json_string(asked[i].host));
        json_array_append_new(nodes, store);
    }
    json_t *objects = merge(asked, count);
    json_object_set_new(totals, "shown", json_integer((json_int_t)json_array_size(objects)));
    return json_pack("{s:o, s:o, s:o, s:o}", "totals", totals, "nodes", nodes, "objects", objects,
        "unanswered", silent);
}

static void print_stores(const json_t *nodes)
{
    size_t i;
    json_t *node;
    char size[REEVE_SIZE_TEXT_SIZE], used[REEVE_SIZE_TEXT_SIZE], held[REEVE_SIZE_TEXT_SIZE],
        pinned[REEVE_SIZE_TEXT_SIZE], copies[REEVE_SIZE_TEXT_SIZE], largest[REEVE_SIZE_TEXT_SIZE];
    if (json_array_size(nodes) > 0)
        printf("%-5s %-16s %10s %10s %10s %10s %10s %8s %4s %10s\n", "NODE", "HOST", "STORE",
            "USED", "HELD", "PINNED", "COPIES", "OBJECTS", "SEGM", "LARGEST");
    json_array_foreach(nodes, i, node)
    {
        printf("%-5" PRIu64 " %-16.16s %10s %10s %10s %10s %10s %8" PRIu64 " %4" PRIu64 " %10s\n",
            count_of(node, "node"), reeve_cli_text_of(node, "host"),
            reeve_size_format(count_of(node, "capacity_bytes"), size),
            reeve_size_format(count_of(node, "used_bytes"), used),
            reeve_size_format(count_of(node, "held_bytes"), held),
            reeve_size_format(count_of(node, "pinned_bytes"), pinned),
            reeve_size_format(count_of(node, "copy_bytes"), copies), count_of(node, "objects"),
            count_of(node, "segments"),
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
    printf("\n%" PRIu64 " objects, %s; %" PRIu64 " shown\n", count_of(totals, "matched"),
        reeve_size_format(count_of(totals, "matched_bytes"), bytes), count_of(totals, "shown"));
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    struct reeve_tool *tool = NULL;
    struct reeve_tool_reply status;
    reeve_process_id owner;
    char **arguments;
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    if (code == 0)
        code = check_values(command, &owner);
    if (code == 0)
        code = reeve_cli_connect(command, &values.cluster, &tool);
    if (code)
        return code;
    if (reeve_tool_call(tool, "status", NULL, (uint32_t)values.cluster.timeout_s * 1000, &status) !=
        0) {
        code = reeve_cli_reply_error(command, &status);
        reeve_tool_reply_fini(&status);
        reeve_tool_close(tool);
        return code;
    }
    const json_t *nodes = json_object_get(status.result, "nodes");
    struct asked *asked = calloc(json_array_size(nodes) + 1, sizeof(*asked));
    size_t count = asked != NULL ? choose(nodes, asked) : 0;
    for (size_t i = 0; i < count; i++)
        if (!*asked[i].why)
            ask(tool, &asked[i], owner);
    for (size_t i = 0; i < count; i++)
        collect(tool, &asked[i]);
    if (count == 0 && values.node >= 0) {
        reeve_cli_error(
            command->name, "see: reeve status", "there is no node %ld that is up", values.node);
        code = REEVE_CLI_USAGE;
    } else {
        json_t *result = report(asked, count);
        if (values.json)
            reeve_cli_print_json(result);
        else
            print(result);
        json_decref(result);
    }
    for (size_t i = 0; i < count; i++) {
        if (asked[i].answer == NULL) {
            reeve_cli_error(command->name, NULL, "node %lld on %s is left out: %s", asked[i].node,
                asked[i].host, asked[i].why);
            code = REEVE_CLI_FAILED;
        }
        json_decref(asked[i].answer);
    }
    free(asked);
    reeve_tool_reply_fini(&status);
    reeve_tool_close(tool);
    return code;
}

const struct reeve_cli_command reeve_cli_objects = {
    .name = "objects",
    .usage = "[OPTIONS]",
    .summary = "show what lies in the stores, and who holds it",
    .description =
        "Shows the object store of each node (USED by objects, HELD as memory now, LARGEST "
        "free place) and\n"
        "the objects in it: how large, whose, pinned by whom, with copies on which "
        "nodes. A process is\n"
        "written NODE.SERIAL, an object OWNER/NUMBER. A node that does not answer is "
        "named, and the\n"
        "exit code is 1 then.",
    .environment = REEVE_CLI_KEY_ENVIRONMENT,
    .examples = "Examples:\n"
                "  reeve objects\n"
                "  reeve objects --owner 1.2 --sort pins\n"
                "  reeve objects --limit 0 --json | jq .totals",
    .options = options,
    .run = run,
};
