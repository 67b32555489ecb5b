/* What most commands share: which cluster, which key, which state folder; and how a failure of
 * one of these is told to a person. */
#ifndef REEVE_CLI_SETTINGS_H
#define REEVE_CLI_SETTINGS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/cli/args.h"
#include "api/cli/tool.h"

#define REEVE_CLI_ADDRESS_DEFAULT "tcp://127.0.0.1:6380"

#define REEVE_CLI_STATE_DIR_HELP                                                             \
    "folder for the key, the journal, logs and runs\n(default: $XDG_STATE_HOME/reeve, else " \
    "~/.local/state/reeve)"
#define REEVE_CLI_KEY_FILE_HELP "file with the cluster key (default: STATE_DIR/key)"

/* The first rows of the table of each command that asks the head; `type` begins with struct
 * reeve_cli_cluster named `cluster`. */
#define REEVE_CLI_CLUSTER_OPTIONS(type)                                             \
    {.name = "address",                                                             \
        .letter = 'a',                                                              \
        .kind = REEVE_CLI_STRING,                                                   \
        .offset = offsetof(type, cluster.address),                                  \
        .value = "ADDRESS",                                                         \
        .initial = REEVE_CLI_ADDRESS_DEFAULT,                                       \
        .environment = "REEVE_ADDRESS",                                             \
        .help = "address of the cluster's head"},                                   \
        {.name = "key-file",                                                        \
            .letter = 'k',                                                          \
            .kind = REEVE_CLI_STRING,                                               \
            .offset = offsetof(type, cluster.key_file),                             \
            .value = "FILE",                                                        \
            .help = REEVE_CLI_KEY_FILE_HELP},                                       \
        {.name = "state-dir",                                                       \
            .kind = REEVE_CLI_STRING,                                               \
            .offset = offsetof(type, cluster.state_dir),                            \
            .value = "DIR",                                                         \
            .environment = "REEVE_STATE_DIR",                                       \
            .help = "folder where the key is looked for"},                          \
    {                                                                               \
        .name = "connect-timeout", .kind = REEVE_CLI_NUMBER,                        \
        .offset = offsetof(type, cluster.timeout_s), .value = "S", .initial = "10", \
        .help = "give up after this many seconds"                                   \
    }

/* The row of those that can print what they know as JSON; `type` has a `bool json`. */
#define REEVE_CLI_JSON_OPTION(type)                                             \
    {                                                                           \
        .name = "json", .kind = REEVE_CLI_FLAG, .offset = offsetof(type, json), \
        .help = "one JSON object; its fields are stable (README of\n"           \
                "api/cli)"                                                      \
    }

/* The row of those that can show one job alone (reeve_cli_is_of_job); `type` has a
 * `const char *job`. */
#define REEVE_CLI_JOB_OPTION(type)                                                              \
    {                                                                                           \
        .name = "job", .kind = REEVE_CLI_STRING, .offset = offsetof(type, job), .value = "JOB", \
        .help = "only of this job: its id or the beginning of it, or its\n"                     \
                "name"                                                                          \
    }

/* Rows of those that show a list of things; `type` has `const char *state`, `long node`, `long
 * limit`. */
#define REEVE_CLI_STATE_OPTION(type, words)                                         \
    {                                                                               \
        .name = "state", .kind = REEVE_CLI_STRING, .offset = offsetof(type, state), \
        .value = "STATE", .help = "only " words " ones"                             \
    }
#define REEVE_CLI_NODE_OPTION(type, text)                                                        \
    {                                                                                            \
        .name = "node", .letter = 'n', .kind = REEVE_CLI_NUMBER, .offset = offsetof(type, node), \
        .value = "N", .help = text                                                               \
    }
#define REEVE_CLI_LIMIT_OPTION(type)                                                              \
    {                                                                                             \
        .name = "limit", .kind = REEVE_CLI_NUMBER, .offset = offsetof(type, limit), .value = "N", \
        .initial = "50", .help = "at most so many lines of each kind; 0: all there are"           \
    }

#define REEVE_CLI_KEY_ENVIRONMENT                                       \
    "REEVE_KEY        the cluster key itself (64 hexadecimal digits)\n" \
    "REEVE_KEY_FILE   a file with it; --key-file beats both\n"

struct reeve_cli_cluster {
    const char *address;
    const char *key_file;
    const char *state_dir;
    long timeout_s;
};

/* The state folder: as given, else the default. REEVE_ESTATE. */
int reeve_cli_state_dir(const char *given, char path[PATH_MAX], char *text);

/* Makes the folder (0700) with all above it and sees that it can be written. */
int reeve_cli_make_dir(const char *path, char *text);

/* --key-file, REEVE_KEY, REEVE_KEY_FILE, STATE_DIR/key. With `make`, a missing file (not a
 * variable) is made. `path` (PATH_MAX bytes) becomes the file's absolute path, or empty when the
 * key is from REEVE_KEY. */
int reeve_cli_find_key(const char *key_file, const char *state_dir, bool make,
    uint8_t key[REEVE_KEY_SIZE], char path[PATH_MAX], bool *ret_made, char *text);

/* What to do when that key, found at `path`, was refused. Returns hint. */
const char *reeve_cli_key_hint(const char *path, char *hint, size_t size);

/* Both steps of a tool: the key, and the session with the head. Returns 0, or the exit code
 * after saying what is wrong and what to do. */
int reeve_cli_connect(const struct reeve_cli_command *command,
    const struct reeve_cli_cluster *cluster, struct reeve_tool **ret);

/* Says why a request failed; returns the exit code. */
int reeve_cli_reply_error(
    const struct reeve_cli_command *command, const struct reeve_tool_reply *reply);

/* One question to the head, all that most commands do there: connects, asks for `method` (takes
 * `arguments`; NULL: none), closes. Returns 0, and `*ret` is the caller's; else the exit code after
 * saying what is wrong and what to do. */
int reeve_cli_ask(const struct reeve_cli_command *command, const struct reeve_cli_cluster *cluster,
    const char *method, json_t *arguments, json_t **ret);

/* The exit code that stands for an error. */
int reeve_cli_exit_of(int error);

#endif
