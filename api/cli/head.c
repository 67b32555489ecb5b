/* `reeve head` */
#include <stdio.h>
#include <unistd.h>

#include "api/cli/commands.h"
#include "api/cli/daemon.h"
#include "runtime/base/errors.h"
#include "runtime/base/log.h"
#include "runtime/wire/address.h"
#include "scheduler/head_main.h"

static struct values {
    struct reeve_cli_daemon daemon;
} values;

static const struct reeve_cli_option options[] = {
    {.name = "listen",
        .letter = 'l',
        .kind = REEVE_CLI_STRING,
        .offset = offsetof(struct values, daemon.listen),
        .value = "ADDRESS",
        .initial = "tcp://127.0.0.1:6380",
        .environment = "REEVE_LISTEN",
        .help = "where to listen: tcp://HOST:PORT, tcp://*:PORT for\n"
                "every interface, tcp://HOST:FIRST-LAST for the\n"
                "first free port; tls+tcp:// for the same encrypted;\n"
                "abstract://NAME within a machine"},
    REEVE_CLI_DAEMON_OPTIONS(struct values),
    {0},
};

/* What the person at the terminal wants to do next, ready to be copied. */
static void on_ready(void *arg, const char *address, bool local_only)
{
    const struct reeve_cli_daemon *daemon = arg;
    const char *key = *daemon->key_path ? daemon->key_path : NULL;
    char host[256] = "this-machine";
    gethostname(host, sizeof(host) - 1);
    if (daemon->private_cluster)
        return;
    printf("reeve head " REEVE_VERSION " is up at %s\n\n", address);
    if (daemon->key_made)
        printf("  A new cluster key was made: %s\n\n", key);
    if (local_only) {
        printf("  Add this machine:   reeve worker --head %s%s%s\n", address,
            key ? " --key-file " : "", key ? key : "");
        printf("  Other machines:     not yet, it listens on this machine only. Start it as\n"
               "                      reeve head --listen '%stcp://*:6380'\n",
            reeve_address_is_tls(address) ? "tls+" : "");
    } else {
        printf("  Add a machine:      reeve worker --head %s --key-file reeve.key\n", address);
        if (key)
            printf("    after copying the key there:  scp -p %s:%s reeve.key\n", host, key);
        else
            printf("    with the key of this head in the file reeve.key (mode 0600)\n");
    }
    printf("  For programs:       export REEVE_ADDRESS=%s%s%s\n", address,
        key ? " REEVE_KEY_FILE=" : "", key ? key : "");
    printf("  See and end it:     reeve status; reeve stop\n");
    if (*daemon->log_path)
        printf("  Log:                %s\n", daemon->log_path);
    printf("\n");
    fflush(stdout);
}

static int run(const struct reeve_cli_command *command, int argc, char **argv)
{
    char **arguments, text[REEVE_TEXT_SIZE] = "";
    int code = reeve_cli_parse(command, argc, argv, &values, &arguments);
    if (code == 0)
        code = reeve_cli_daemon_prepare(command, "head", &values.daemon);
    if (code)
        return code;
    struct reeve_cli_daemon *daemon = &values.daemon;
    struct reeve_head_options head = {
        .listen = daemon->listen,
        .advertise = daemon->advertise,
        .key = daemon->key,
        .key_from = *daemon->key_path ? daemon->key_path : "REEVE_KEY",
        .state_dir = daemon->private_cluster ? NULL : daemon->state_path,
        .log_path = *daemon->log_path ? daemon->log_path : NULL,
        .lifeline_fd = (int)daemon->lifeline_fd,
        .ready_fd = (int)daemon->ready_fd,
        .ready = on_ready,
        .arg = daemon,
    };
    int error = reeve_head_main(&head, text);
    if (error == 0)
        return REEVE_CLI_OK;
    reeve_log(REEVE_LOG_ERROR, "REEVE-HEAD-FAILED", "code=%s why=%s", reeve_error_name(error),
        *text ? text : reeve_strerror(error));
    const char *hint = NULL;
    if (error == REEVE_EADDRINUSE)
        hint = "is a head running here already (reeve status)? Else choose another port: --listen "
               "tcp://HOST:PORT";
    else if (error == REEVE_ESTATE)
        hint = "give a folder of yours with --state-dir or REEVE_STATE_DIR";
    reeve_cli_error(command->name, hint, "%s", *text ? text : reeve_strerror(error));
    return reeve_cli_exit_of(error);
}

const struct reeve_cli_command reeve_cli_head = {
    .name = "head",
    .usage = "[OPTIONS]",
    .summary = "run the head of a cluster: it schedules",
    .description =
        "Runs the head daemon of a cluster in the foreground. The head decides who may run what;\n"
        "machines join it with `reeve worker`, programs with REEVE_ADDRESS. On its first start it\n"
        "makes the cluster key, without which nobody is listened to. It ends cleanly on SIGTERM,\n"
        "SIGINT and `reeve stop`, and can be started again at once: the nodes come back to it.",
    .environment = REEVE_CLI_DAEMON_ENVIRONMENT,
    .examples = "Examples:\n"
                "  reeve head                                  for this machine alone\n"
                "  reeve head --listen 'tcp://*:6380'          for others too\n"
                "  reeve head --listen 'tls+tcp://*:6380'      the same, encrypted\n"
                "  reeve head --listen tcp://10.0.0.1:6380-6400 --state-dir /var/lib/reeve",
    .options = options,
    .run = run,
};
