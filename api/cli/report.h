/* Output that several commands share. */
#ifndef REEVE_CLI_REPORT_H
#define REEVE_CLI_REPORT_H

#include <jansson.h>
#include <stddef.h>

/* A table of the last so many runs. */
void reeve_cli_print_runs(const json_t *list, size_t last);

void reeve_cli_print_json(const json_t *value);

#endif
