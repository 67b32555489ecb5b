/* The head's part of `reeve objects`: what the nodes have said of their stores is put together.
 * Each has sent the totals of what it has, and the first of its objects; the first of these are
 * the first of all. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/macros.h"
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

/* ---- which come first ---- */

static int by_name(const void *left, const void *right)
{
    return strverscmp(
        text_of(*(json_t *const *)left, "object"), text_of(*(json_t *const *)right, "object"));
}

static int by_key(const void *left, const void *right, const char *key)
{
    json_int_t x = integer_of(*(json_t *const *)left, key),
               y = integer_of(*(json_t *const *)right, key);
    return x != y ? (x > y ? -1 : 1) : 0;
}

static int by_size(const void *left, const void *right)
{
    int order = by_key(left, right, "size_bytes");
    return order != 0 ? order : by_name(left, right);
}

static int by_pins(const void *left, const void *right)
{
    int order = by_key(left, right, "pins");
    return order != 0 ? order : by_size(left, right);
}

/* The nodes have been asked for the same number in the same order, and say which. */
static json_t *first_of(json_t *all, const json_t *answer)
{
    const char *sort = text_of(answer, "sort");
    size_t count = json_array_size(all), limit = (size_t)integer_of(answer, "limit");
    json_t **order = calloc(count + 1, sizeof(*order));
    json_t *first = json_array();
    for (size_t i = 0; order && i < count; i++)
        order[i] = json_array_get(all, i);
    if (order)
        qsort(order, count, sizeof(*order),
            strcmp(sort, "pins") == 0   ? by_pins
            : strcmp(sort, "name") == 0 ? by_name
                                        : by_size);
    for (size_t i = 0; order && i < REEVE_MIN(count, limit); i++)
        json_array_append(first, order[i]);
    free(order);
    return first;
}

/* ---- all nodes ---- */

static void add(json_t *sums, const json_t *object, const char *key)
{
    json_object_set_new(sums, key, json_integer(integer_of(sums, key) + integer_of(object, key)));
}

static void add_store(json_t *totals, json_t *nodes, const json_t *answer)
{
    static const char *const keys[] = {"capacity_bytes", "used_bytes", "committed_bytes",
        "held_bytes", "unsealed_bytes", "copy_bytes", "pinned_bytes", "objects", "pins", "waiting",
        "holds", "untold", "spilled", "spilled_bytes", "disk_bytes"};
    json_t *store = json_object_get(answer, "store");
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(keys); i++)
        add(totals, store, keys[i]);
    add(totals, answer, "matched");
    add(totals, answer, "matched_bytes");
    json_object_set(store, "node", json_object_get(answer, "node"));
    json_object_set(store, "host", json_object_get(answer, "host"));
    json_array_append(nodes, store);
}

/* Those that were up a moment ago: they are not asked, and are lacking. */
static json_t *lost_nodes(const struct reeve_report *report)
{
    const struct reeve_fifo *nodes = &report->snapshot.rows[REEVE_SNAPSHOT_NODES];
    json_t *lost = json_array();
    for (size_t i = 0; i < nodes->count; i++) {
        const struct reeve_sched_node_info *info = reeve_fifo_at(nodes, i);
        if (info->state == REEVE_SCHED_NODE_LOST)
            json_array_append_new(lost, json_pack("{s:I, s:s, s:s}", "node", (json_int_t)info->node,
                                            "host", info->host, "why", "the link to it is lost"));
    }
    return lost;
}

static json_t *make_objects(const struct reeve_report *report, json_t *answers)
{
    json_t *result = reeve_report_make_jobs(report, NULL);
    json_t *totals = json_object(), *nodes = json_array(), *all = json_array();
    const json_t *answer;
    json_t *object;
    size_t i, k;
    json_array_foreach(answers, i, answer)
    {
        add_store(totals, nodes, answer);
        json_array_foreach(json_object_get(answer, "objects"), k, object)
        {
            json_object_set(object, "node", json_object_get(answer, "node"));
            json_array_append(all, object);
        }
    }
    json_t *objects = first_of(all, json_array_get(answers, 0));
    json_int_t shown = (json_int_t)json_array_size(objects);
    json_decref(all);
    json_object_set_new(totals, "shown", json_integer(shown));
    json_object_set_new(result, "left_out", json_integer(integer_of(totals, "matched") - shown));
    json_object_set_new(result, "totals", totals);
    json_object_set_new(result, "nodes", nodes);
    json_object_set_new(result, "objects", objects);
    json_object_set_new(result, "unanswered", lost_nodes(report));
    return result;
}

const struct reeve_report_kind reeve_report_objects = {.method = "objects",
    .tables = REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_NODES) | REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_JOBS),
    .jobs = true,
    .make = make_objects};
