/* What `reeve head` and `reeve worker` do before they become daemons: the state folder, the key,
 * the log. */
#ifndef REEVE_CLI_DAEMON_H
#define REEVE_CLI_DAEMON_H

#include "api/cli/settings.h"

struct reeve_cli_daemon {
    /* from the command line */
    const char *listen;
    const char *advertise;
    const char *key_file;
    const char *state_dir;
    const char *log_file;
    const char *log_level;
    long ready_fd, lifeline_fd;
    bool private_cluster;

    /* prepared */
    uint8_t key[REEVE_KEY_SIZE];
    char key_path[PATH_MAX]; /* empty: from REEVE_KEY */
    bool key_made;
    char state_path[PATH_MAX];    /* empty: keeps no files */
    char log_path[PATH_MAX + 64]; /* empty: standard error, or nowhere */
    char advertise_guess[128];
};

/* Rows of the table; `type` has a struct reeve_cli_daemon named `daemon`. */
#define REEVE_CLI_DAEMON_OPTIONS(type)                                   \
    {.name = "advertise",                                                \
        .kind = REEVE_CLI_STRING,                                        \
        .offset = offsetof(type, daemon.advertise),                      \
        .value = "HOST",                                                 \
        .environment = "REEVE_ADVERTISE",                                \
        .help = "HOST or HOST:PORT under which others reach it\n"        \
                "(default: what it listens on; for a wildcard, the\n"    \
                "address of the default route)"},                        \
        {.name = "key-file",                                             \
            .letter = 'k',                                               \
            .kind = REEVE_CLI_STRING,                                    \
            .offset = offsetof(type, daemon.key_file),                   \
            .value = "FILE",                                             \
            .help = REEVE_CLI_KEY_FILE_HELP},                            \
        {.name = "state-dir",                                            \
            .kind = REEVE_CLI_STRING,                                    \
            .offset = offsetof(type, daemon.state_dir),                  \
            .value = "DIR",                                              \
            .environment = "REEVE_STATE_DIR",                            \
            .help = REEVE_CLI_STATE_DIR_HELP},                           \
        {.name = "log-file",                                             \
            .kind = REEVE_CLI_STRING,                                    \
            .offset = offsetof(type, daemon.log_file),                   \
            .value = "FILE",                                             \
            .environment = "REEVE_LOG_FILE",                             \
            .help = "structured log, rotated at 16 MiB, four files;\n"   \
                    "- is standard error (default: in STATE_DIR/logs)"}, \
        {.name = "log-level",                                            \
            .kind = REEVE_CLI_STRING,                                    \
            .offset = offsetof(type, daemon.log_level),                  \
            .value = "LEVEL",                                            \
            .initial = "info",                                           \
            .environment = "REEVE_LOG_LEVEL",                            \
            .help = "error, warn, info or debug"},                       \
        {.name = "ready-fd",                                             \
            .kind = REEVE_CLI_NUMBER,                                    \
            .offset = offsetof(type, daemon.ready_fd),                   \
            .value = "N",                                                \
            .help = "write one line beginning with \"ready\" to this\n"  \
                    "descriptor when it can be used, and close it"},     \
        {.name = "lifeline-fd",                                          \
            .kind = REEVE_CLI_NUMBER,                                    \
            .offset = offsetof(type, daemon.lifeline_fd),                \
            .value = "N",                                                \
            .help = "end when this descriptor reaches end of file"},     \
    {                                                                    \
        .name = "private", .kind = REEVE_CLI_FLAG,                       \
        .offset = offsetof(type, daemon.private_cluster),                \
        .help = "part of the own cluster of one program: keeps no\n"     \
                "files, logs nowhere unless REEVE_LOG_DIR names a\n"     \
                "folder, takes the key from REEVE_KEY"                   \
    }

#define REEVE_CLI_DAEMON_ENVIRONMENT \
    REEVE_CLI_KEY_ENVIRONMENT "REEVE_LOG_DIR    with --private: folder for log files\n"

/* 0, or the exit code after saying what is wrong. `component` is "head" or "worker". */
int reeve_cli_daemon_prepare(const struct reeve_cli_command *command, const char *component,
    struct reeve_cli_daemon *daemon);

#endif
