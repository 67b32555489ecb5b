/* The head's part of `reeve actors`: what the nodes have said is put together. The node of an
 * actor's owner knows the actor; the node where its host is, in which process that runs. */
#include <string.h>

#include "scheduler/shell_report.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static json_int_t integer_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* "owner/host": the node's word about it. */
static json_t *hosts_by_key(const json_t *answers)
{
    json_t *hosts = json_object();
    const json_t *answer, *host;
    size_t i, k;
    json_array_foreach(answers, i, answer)
    {
        json_array_foreach(json_object_get(answer, "hosts"), k, host)
        {
            char key[64];
            snprintf(key, sizeof(key), "%.32s/%lld", text_of(host, "owner"),
                (long long)integer_of(host, "host"));
            json_object_set(hosts, key, (json_t *)host);
        }
    }
    return hosts;
}

/* Where it lives, and what it has to do there for others. */
static void place(json_t *actor, const json_t *hosts)
{
    char key[64];
    snprintf(key, sizeof(key), "%.32s/%lld", text_of(actor, "owner"),
        (long long)integer_of(actor, "host"));
    const json_t *host =
        strcmp(text_of(actor, "state"), "dead") != 0 ? json_object_get(hosts, key) : NULL;
    json_object_set_new(actor, "node", json_integer(integer_of(host, "node")));
    json_object_set_new(actor, "pid", json_integer(integer_of(host, "pid")));
    json_object_set_new(
        actor, "calls", json_integer(integer_of(actor, "calls") + integer_of(host, "calls")));
    json_object_del(actor, "host");
}

static json_t *make_actors(const struct reeve_report *report, json_t *answers)
{
    json_t *result = reeve_report_make_jobs(report, NULL);
    json_t *hosts = hosts_by_key(answers), *list = json_array();
    json_int_t left_out = 0, silent = 0;
    const json_t *answer;
    json_t *actor;
    size_t i, k;
    json_array_foreach(answers, i, answer)
    {
        json_array_foreach(json_object_get(answer, "actors"), k, actor)
        {
            place(actor, hosts);
            json_array_append(list, actor);
        }
        left_out += integer_of(answer, "left_out");
        silent += integer_of(answer, "silent");
    }
    json_decref(hosts);
    json_object_set_new(result, "actors", list);
    json_object_set_new(result, "left_out", json_integer(left_out));
    json_object_set_new(result, "silent", json_integer(silent));
    return result;
}

const struct reeve_report_kind reeve_report_actors = {.method = "node.actors",
    .tables = REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_JOBS),
    .jobs = true,
    .make = make_actors};
