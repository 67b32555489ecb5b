/* The commands of `reeve`. */
#ifndef REEVE_CLI_COMMANDS_H
#define REEVE_CLI_COMMANDS_H

#include "api/cli/args.h"

extern const struct reeve_cli_command reeve_cli_head, reeve_cli_worker, reeve_cli_status,
    reeve_cli_tasks, reeve_cli_jobs, reeve_cli_stop, reeve_cli_run, reeve_cli_logs,
    reeve_cli_objects, reeve_cli_actors, reeve_cli_timeline;

#endif
