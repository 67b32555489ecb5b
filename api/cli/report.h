/* Output that several commands share. */
#ifndef REEVE_CLI_REPORT_H
#define REEVE_CLI_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Members of a JSON object: "", 0, where there is none of that kind. */
const char *reeve_cli_text_of(const json_t *object, const char *key);
long long reeve_cli_integer_of(const json_t *object, const char *key);
double reeve_cli_number_of(const json_t *object, const char *key);

/* Of an answer that lists `jobs`: the name of the one with this id, or the id; whether that is what
 * was asked for, by name or by the beginning of its id (NULL: any). */
const char *reeve_cli_job_name(const json_t *result, const char *id);
bool reeve_cli_is_of_job(const json_t *result, const char *id, const char *asked_for);

/* The list of that name in an answer keeps what fits, `limit` at most (0: all); what else fits is
 * added to `left_out`. */
void reeve_cli_pick(json_t *result, const char *list, long limit,
    bool (*fits)(const json_t *result, const char *list, const json_t *item));
/* …and says so below a table. */
void reeve_cli_print_left_out(const json_t *result);

/* "2.5 s", "17 min", "3 d", into `text`, which it returns. */
const char *reeve_cli_age(double seconds, char text[32]);

/* A table of the last so many runs. */
void reeve_cli_print_runs(const json_t *list, size_t last);

/* One line for each node that has not answered, on standard error. */
void reeve_cli_print_unanswered(const char *command, const json_t *result);

void reeve_cli_print_json(const json_t *value);

/* An answer of several nodes, which is given up: as JSON, where that has been asked for, else as
 * `print` does it, with the nodes that have not answered named. */
void reeve_cli_print_answer(
    const char *command, bool as_json, json_t *result, void (*print)(const json_t *result));

#endif
