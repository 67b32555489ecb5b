/* Output that several commands share. */
#include "api/cli/report.h"

#include <stdio.h>
#include <string.h>

#include "api/cli/args.h"

const char *reeve_cli_text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

long long reeve_cli_integer_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

double reeve_cli_number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

const char *reeve_cli_job_name(const json_t *result, const char *id)
{
    const json_t *job;
    size_t i;
    json_array_foreach(json_object_get(result, "jobs"), i, job)
    {
        if (strcmp(reeve_cli_text_of(job, "job"), id) == 0)
            return reeve_cli_text_of(job, "name");
    }
    return id;
}

bool reeve_cli_is_of_job(const json_t *result, const char *id, const char *asked_for)
{
    return asked_for == NULL || strncmp(id, asked_for, strlen(asked_for)) == 0 ||
           strcmp(reeve_cli_job_name(result, id), asked_for) == 0;
}

void reeve_cli_pick(json_t *result, const char *list, long limit,
    bool (*fits)(const json_t *result, const char *list, const json_t *item))
{
    json_int_t left_out = reeve_cli_integer_of(result, "left_out");
    json_t *picked = json_array(), *item;
    size_t i;
    json_array_foreach(json_object_get(result, list), i, item)
    {
        if (!fits(result, list, item))
            continue;
        if (limit == 0 || (long)json_array_size(picked) < limit)
            json_array_append(picked, item);
        else
            left_out++;
    }
    json_object_set_new(result, list, picked);
    json_object_set_new(result, "left_out", json_integer(left_out));
}

void reeve_cli_print_left_out(const json_t *result)
{
    long long left_out = reeve_cli_integer_of(result, "left_out");
    if (left_out > 0)
        printf("\n%lld more: see --limit\n", left_out);
}

const char *reeve_cli_age(double seconds, char text[32])
{
    if (seconds < 10)
        snprintf(text, 32, "%.1f s", seconds);
    else if (seconds < 120)
        snprintf(text, 32, "%.0f s", seconds);
    else if (seconds < 7200)
        snprintf(text, 32, "%.0f min", seconds / 60);
    else if (seconds < 172800)
        snprintf(text, 32, "%.0f h", seconds / 3600);
    else
        snprintf(text, 32, "%.0f d", seconds / 86400);
    return text;
}

void reeve_cli_print_unanswered(const char *command, const json_t *result)
{
    const json_t *node;
    size_t i;
    json_array_foreach(json_object_get(result, "unanswered"), i, node)
        reeve_cli_error(command, NULL, "node %lld (%s) has not answered; what it knows is lacking",
            reeve_cli_integer_of(node, "node"), reeve_cli_text_of(node, "host"));
}

void reeve_cli_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
}

void reeve_cli_print_answer(
    const char *command, bool as_json, json_t *result, void (*print)(const json_t *result))
{
    if (as_json) {
        reeve_cli_print_json(result);
    } else {
        print(result);
        reeve_cli_print_unanswered(command, result);
    }
    json_decref(result);
}
