/* Where a node may write: what the store has no room for (--spill, --spill-size), and the passing
 * files of tasks (--scratch). */
#ifndef REEVE_CLI_SPILL_H
#define REEVE_CLI_SPILL_H

#include "api/cli/args.h"
#include "runtime/base/parse.h"
#include "runtime/node/node_main.h"

/* From the flags, else REEVE_SPILL, else the default; each folder is tried. Lists separated by
 * colons; "none": nowhere. Returns 0, or -1 and why. What is filled in lives as long as the
 * process. */
int reeve_cli_spill(const struct reeve_cli_list *folders, const char *size,
    struct reeve_node_options *node, char why[REEVE_WHY_SIZE]);

/* The folder is tried. Returns 0, or -1 and why. */
int reeve_cli_scratch(
    const char *folder, struct reeve_node_options *node, char why[REEVE_WHY_SIZE]);

#endif
