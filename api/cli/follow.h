/* Following the output of a run: for `reeve logs` and `reeve run --wait`. */
#ifndef REEVE_CLI_FOLLOW_H
#define REEVE_CLI_FOLLOW_H

#include "api/cli/args.h"
#include "api/cli/tool.h"

struct reeve_cli_end {
    char state[16];
    bool ended;
    int exit_status, signal_number;
    char text[REEVE_TEXT_SIZE];
};

/* Writes what there is to standard output and error; with `wait`, until the run has ended.
 * Returns 0, or the exit code after saying what is wrong. */
int reeve_cli_follow(const struct reeve_cli_command *command, struct reeve_tool *tool,
    const char *run, bool wait, struct reeve_cli_end *ret);

#endif
