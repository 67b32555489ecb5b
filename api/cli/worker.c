/* `reeve worker` */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/cli/commands.h"
#include "api/cli/daemon.h"
#include "api/cli/local_address.h"
#include "api/cli/spill.h"
#include "runtime/base/clock.h"
#include "runtime/base/cpus.h"
#include "runtime/base/errors.h"
#include "runtime/base/log.h"
#include "runtime/base/macros.h"
#include "runtime/base/parse.h"
#include "runtime/node/node_main.h"
#include "runtime/wire/address.h"

#define SLOTS_MAX        100000.0
#define STORE_BYTES_MIN  (1u << 20)
#define INLINE_BYTES_MIN (4u << 10) /* an error with its text still fits */
#define INLINE_BYTES_MAX (64u << 10)
#define IMPATIENT_MS     3000
#define PROCESSES_MAX    100000
#define KEEP_WARM_MAX_S  (366 * 24 * 3600)

static struct values {
    struct reeve_cli_daemon daemon;
    const char *head;
    const char *slots;
    long processes;
    const char *store;
    struct reeve_cli_list spill;
    const char *spill_size;
    const char *scratch;
    bool prefault;
    long keep_warm_s;
    const char *inline_size;
    const char *socket;
    long join_timeout_s;
} values;

static const struct reeve_cli_option options[] = {
    {.name = "head",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, head),
        .value = "ADDRESS",
        .initial = REEVE_CLI_ADDRESS_DEFAULT,
        .environment = "REEVE_ADDRESS",
        .help = "the head to join"},
    {.name = "slots",
        .letter = 'n',
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, slots),
        .value = "N|auto",
        .initial = "auto",
        .environment = "REEVE_SLOTS",
        .help = "how many tasks of one cpu run at once; auto: the\n"
                "cores it may use (affinity, cgroup quota); 0: none,\n"
                "the node serves programs on this machine only"},
    {.name = "processes",
        .kind = REEVE_CLI_NUMBER,
        .offset = offsetof(struct values, processes),
        .value = "N",
        .environment = "REEVE_PROCESSES",
        .help = "how many worker processes there may be at once, those\n"
                "included that wait for others (default: 16 for each\n"
                "slot, and 16)"},
    {.name = "store",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, store),
        .value = "SIZE",
        .initial = "30%",
        .environment = "REEVE_STORE_SIZE",
        .help = "room for large values: 4GiB, 512MiB, or a part of\n"
                "the memory it may use"},
    {.name = "spill",
        .kind = REEVE_CLI_LIST,
        .offset = offsetof(struct values, spill),
        .value = "FOLDER",
        .help = "where values go that the store has no room for; may be\n"
                "given often; none: nowhere (default: REEVE_SPILL, a\n"
                "list separated by colons; else /var/tmp, or /tmp, if\n"
                "it is on a disk)"},
    {.name = "spill-size",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, spill_size),
        .value = "SIZE",
        .environment = "REEVE_SPILL_SIZE",
        .help = "how much of it at most: 100GiB, or a part of the file\n"
                "systems (default: until they are filled to 95%)"},
    {.name = "scratch",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, scratch),
        .value = "FOLDER",
        .environment = "REEVE_SCRATCH",
        .help = "where tasks make files that go when they end\n"
                "(default: TMPDIR, else /tmp)"},
    {.name = "prefault",
        .kind = REEVE_CLI_FLAG,
        .offset = offsetof(struct values, prefault),
        .environment = "REEVE_PREFAULT",
        .help = "touch all of the store's memory at the start, and keep\n"
                "it: the first large values are as fast as later ones"},
    {.name = "keep-warm",
        .kind = REEVE_CLI_NUMBER,
        .offset = offsetof(struct values, keep_warm_s),
        .value = "S",
        .initial = "30",
        .environment = "REEVE_KEEP_WARM",
        .help = "memory of the store in which nothing lies any more goes\n"
                "back to the machine after this many seconds; what is\n"
                "held shows in `reeve status`. With --prefault none goes"},
    {.name = "inline",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, inline_size),
        .value = "SIZE",
        .initial = "64KiB",
        .environment = "REEVE_INLINE_SIZE",
        .help = "larger values lie in the store, others travel with the\n"
                "task; 4KiB at least, 64KiB at most"},
    {.name = "listen",
        .letter = 'l',
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, daemon.listen),
        .value = "ADDRESS",
        .environment = "REEVE_LISTEN",
        .help = "where to listen for head and other nodes (default:\n"
                "a free port of the address that reaches the head)"},
    REEVE_CLI_DAEMON_OPTIONS(struct values),
    {.name = "socket",
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, socket),
        .value = "NAME",
        .help = "name of the abstract unix socket for programs"},
    {.name = "join-timeout",
        .kind = REEVE_CLI_NUMBER,
        .offset = offsetof(struct values, join_timeout_s),
        .value = "S",
        .initial = "10",
        .help = "how long to wait at the start for a head that does\n"
                "not answer; later it waits for as long as it takes"},
    {0},
};

static int usage(const struct reeve_cli_command *command, const char *flag, const char *why)
{
    reeve_cli_error(command->name, "see: reeve worker --help", "%s: %s", flag, why);
    return REEVE_CLI_USAGE;
}

static int fill_resources(const struct reeve_cli_command *command, struct reeve_node_options *node)
{
    char why[REEVE_WHY_SIZE];
    struct reeve_memory memory;
    double slots;
    if (strcmp(values.slots, "auto") == 0) {
        struct reeve_cpus cpus;
        reeve_cpus_detect("", 0, &cpus);
        node->cpu_milli = cpus.slots * 1000;
    } else if (reeve_parse_double(values.slots, 0, SLOTS_MAX, &slots, why) == 0) {
        node->cpu_milli = (uint32_t)(slots * 1000 + 0.5);
    } else {
        return usage(command, "--slots", why);
    }
    node->cpu_given = true;
    if (values.processes > PROCESSES_MAX)
        return usage(command, "--processes", "at most 100000");
    node->process_limit = values.processes > 0 ? (uint32_t)values.processes : 0;
    if (reeve_memory_detect("", &memory) != 0) {
        memory.total_bytes = 0;
        if (strchr(values.store, '%') != NULL)
            return usage(command, "--store",
                "how much memory there is cannot be read from /proc: mount it, or give a size");
    }
    if (reeve_parse_size(values.store, memory.total_bytes, &node->store_bytes, why) != 0)
        return usage(command, "--store", why);
    if (node->store_bytes < STORE_BYTES_MIN) {
        snprintf(why, sizeof(why), "%.80s is not enough: a store has at least 1MiB", values.store);
        return usage(command, "--store", why);
    }
    if (reeve_cli_spill(&values.spill, values.spill_size, node, why) != 0)
        return usage(command, "--spill", why);
    if (values.scratch != NULL && reeve_cli_scratch(values.scratch, node, why) != 0)
        return usage(command, "--scratch", why);
    uint64_t inline_bytes;
    if (reeve_parse_size(values.inline_size, 0, &inline_bytes, why) != 0)
        return usage(command, "--inline", why);
    if (inline_bytes < INLINE_BYTES_MIN || inline_bytes > INLINE_BYTES_MAX)
        return usage(command, "--inline", "from 4KiB to 64KiB");
    node->inline_bytes = (uint32_t)inline_bytes;
    node->prefault = values.prefault;
    if (values.keep_warm_s > KEEP_WARM_MAX_S)
        return usage(command, "--keep-warm", "at most a year");
    /* 0 is the store's default, so that none is nearly none */
    node->keep_warm_ns = REEVE_MAX((uint64_t)values.keep_warm_s * REEVE_NS_PER_S, 1u);
    return 0;
}

/* Where it is not told: the head's kind of address, on the side that faces the head. */
static int fill_addresses(const struct reeve_cli_command *command, char head[REEVE_ADDRESS_SIZE],
    char listen[REEVE_ADDRESS_SIZE])
{
    struct reeve_address address;
    char text[REEVE_TEXT_SIZE] = "";
    if (reeve_address_parse_peer(values.head, &address, text) != 0) {
        reeve_cli_error(command->name, "write --head tcp://HOST:PORT, as `reeve head` prints it",
            "--head: %s", text);
        return REEVE_CLI_USAGE;
    }
    reeve_address_format(&address, head);
    bool tls = address.scheme == REEVE_ADDRESS_TLS;
    if (values.daemon.listen) {
        if (tls && strstr(values.daemon.listen, "://") == NULL &&
            snprintf(listen, REEVE_ADDRESS_SIZE, "tls+tcp://%s", values.daemon.listen) <
                REEVE_ADDRESS_SIZE)
            values.daemon.listen = listen;
        if (tls == reeve_address_is_tls(values.daemon.listen))
            return 0;
        reeve_cli_error(command->name,
            tls ? "write --listen tls+tcp://HOST:PORT, too" : "write --listen tcp://HOST:PORT",
            "the head's address %s is %sencrypted, --listen %s is %s", head, tls ? "" : "not ",
            values.daemon.listen, tls ? "not" : "so");
        return REEVE_CLI_USAGE;
    }
    int error = reeve_cli_local_address(head, "node", listen, text);
    if (error) {
        reeve_cli_error(
            command->name, "check --head, or say where to listen with --listen", "%s", text);
        return reeve_cli_exit_of(error);
    }
    values.daemon.listen = listen;
    return 0;
}

/* The own cluster of a program: its head is being started beside us. */
static bool head_may_not_be_there_yet(const char *head)
{
    return values.daemon.private_cluster && strncmp(head, "abstract://", 11) == 0;
}

/* A session of a tool, for the sake of its error messages: a daemon that has once joined waits
 * for its head without end, one with a wrong key or address should not begin to. */
static int try_head(const struct reeve_cli_command *command, const char *head)
{
    struct reeve_tool *tool;
    struct timespec start, now;
    char text[REEVE_TEXT_SIZE] = "", key_hint[PATH_MAX + 200];
    int error;
    /* a program that waits for us wants to know soon */
    bool impatient = values.daemon.private_cluster;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        error = reeve_tool_open(head, values.daemon.key, impatient ? IMPATIENT_MS : 0, &tool, text);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (reeve_cli_exit_of(error) == REEVE_CLI_UNREACHABLE && error != REEVE_EVERSION &&
            !impatient && now.tv_sec - start.tv_sec < values.join_timeout_s)
            nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        else
            break;
    } while (true);
    if (error == 0) {
        reeve_tool_close(tool);
        return 0;
    }
    const char *hint = "check that `reeve head` runs there and listens on this address";
    if (error == REEVE_EKEY)
        hint = reeve_cli_key_hint(values.daemon.key_path, key_hint, sizeof(key_hint));
    else if (error == REEVE_ESYSTEM) /* clocks that differ, say: the message says what to do */
        hint = NULL;
    else if (error == REEVE_EPROTOCOL)
        hint = "write --head as `reeve head` prints it";
    else if (error == REEVE_EVERSION)
        hint = "install the same release on both machines; this is reeve " REEVE_VERSION;
    bool named = strstr(text, head) != NULL;
    reeve_log(REEVE_LOG_ERROR, "REEVE-NODE-FAILED", "code=%s head=%s why=%s remedy=%s",
        reeve_error_name(error), head, *text ? text : reeve_strerror(error), hint ? hint : "");
    reeve_cli_error(command->name, hint, "cannot join the head%s%s: %s", named ? "" : " at ",
        named ? "" : head, *text ? text : reeve_strerror(error));
    return reeve_cli_exit_of(error);
}

static void on_ready(uint32_t node, const char *address)
{
    printf("It is node %u of the cluster, at %s\n", node, address);
    fflush(stdout);
}

static bool node_options_wrong; /* those that are no address */

/* To a program that started us: which kind of failure; our message says the rest. */
static void tell_failed(int code)
{
    int error = REEVE_ENOCLUSTER;
    if (node_options_wrong)
        error = REEVE_EINVAL;
    else if (code == REEVE_CLI_DENIED)
        error = REEVE_EKEY;
    else if (code == REEVE_CLI_USAGE)
        error = REEVE_EADDRESS;
    if (values.daemon.ready_fd >= 0)
        dprintf((int)values.daemon.ready_fd, "failed %d\n", error);
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    static char head[REEVE_ADDRESS_SIZE], listen[REEVE_ADDRESS_SIZE];
    struct reeve_node_options node = {0};
    struct reeve_cli_daemon *daemon = &values.daemon;
    char **arguments, store[REEVE_SIZE_TEXT_SIZE];
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    if (code == 0)
        node_options_wrong = (code = fill_resources(command, &node)) != 0;
    if (code == 0)
        code = fill_addresses(command, head, listen);
    if (code == 0)
        code = reeve_cli_daemon_prepare(command, "worker", daemon);
    if (code == 0 && !head_may_not_be_there_yet(head))
        code = try_head(command, head);
    if (code) {
        tell_failed(code);
        return code;
    }
    node.head = head;
    node.listen = daemon->listen;
    node.advertise = daemon->advertise;
    node.key = daemon->key;
    node.key_from = *daemon->key_path ? daemon->key_path : "REEVE_KEY";
    node.private_cluster = daemon->private_cluster;
    node.lifeline_fd = (int)daemon->lifeline_fd;
    node.ready_fd = (int)daemon->ready_fd;
    node.socket_name = values.socket;
    node.log_path = *daemon->log_path ? daemon->log_path : NULL;
    node.state_dir = daemon->private_cluster ? NULL : daemon->state_path;
    if (!daemon->private_cluster) {
        node.ready = on_ready;
        printf("reeve worker " REEVE_VERSION " joins %s: %g slots, %s for large values\n", head,
            node.cpu_milli / 1000.0, reeve_size_format(node.store_bytes, store));
        for (uint32_t i = 0; i < node.spill_folder_count; i++)
            printf("%s%s%s", i == 0 ? "  Spills to: " : ", ", node.spill_folders[i],
                i + 1 == node.spill_folder_count ? "\n" : "");
        if (*daemon->log_path)
            printf("  Log: %s\n", daemon->log_path);
        fflush(stdout);
    }
    return reeve_node_main(&node);
}

const struct reeve_cli_command reeve_cli_worker = {
    .name = "worker",
    .usage = "[OPTIONS]",
    .summary = "add this machine to a cluster: it runs tasks",
    .description = "Runs the node daemon of this machine in the foreground: it joins the head, "
                   "starts the worker\n"
                   "processes and keeps the object store. One for each user and machine is enough. "
                   "It waits for a\n"
                   "head that went away, and ends cleanly on SIGTERM, SIGINT and `reeve stop`.",
    .environment =
        REEVE_CLI_DAEMON_ENVIRONMENT "REEVE_SPILL      folders for --spill, separated by colons\n",
    .examples = "Examples:\n"
                "  reeve worker                                               joins the head of "
                "this machine\n"
                "  reeve worker --head tcp://10.0.0.1:6380 --key-file reeve.key\n"
                "  reeve worker --head tcp://10.0.0.1:6380 --slots 4 --store 2GiB",
    .options = options,
    .run = run,
};
