/* What calls have waited for before they began, in the trace of `reeve timeline`: for a worker, in
 * the queue of their owner and in the ring; and for arguments that travelled to the node.
 *
 *   waits 1   |== waits for a worker: f =========|        |== … ==|
 *                 |- arguments: f ----|          └─flow─┐
 *   waits 2        |== waits for a worker: g ==|        │
 *   worker    ---f-----| |----------g----------|  |-----f-----|
 *
 * Slices of one track lie in or behind each other, and of many calls that wait at once each takes a
 * track: the first that is free. There are so many tracks at most; of waits for which there is none
 * the call's own slice still tells (waited_ms). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/timeline.h"
#include "runtime/base/macros.h"

#define LANES_MAX 100u

struct reeve_trace_wait {
    const json_t *slice;
    const char *name, *job;
    json_int_t begin_ns, end_ns;
    json_int_t track; /* of its call; 0: it is of arguments */
    size_t of;        /* of arguments: the wait of the same call, in which it lies */
    json_int_t lane;  /* where it is drawn; 0: nowhere */
};

#define NO_WAIT SIZE_MAX

void reeve_trace_wait_add(struct reeve_trace_node *node, const json_t *slice, const char *name,
    const char *job, json_int_t begin_ns, json_int_t end_ns, json_int_t track)
{
    if (node->count == node->capacity) {
        size_t capacity = REEVE_MAX(node->capacity * 2, (size_t)64);
        struct reeve_trace_wait *waits = realloc(node->waits, capacity * sizeof *waits);
        if (waits == NULL)
            return;
        node->waits = waits;
        node->capacity = capacity;
    }
    node->waits[node->count++] =
        (struct reeve_trace_wait){slice, name, job, begin_ns, end_ns, track, NO_WAIT, 0};
}

/* Of arguments: into the wait of their call, which is known to a millisecond only. */
static void nest(struct reeve_trace_node *node)
{
    json_t *waits = json_object();
    char key[80];
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < node->count; i++) {
            struct reeve_trace_wait *wait = &node->waits[i], *of;
            if ((wait->track == 0) != (pass == 1))
                continue;
            snprintf(key, sizeof key, "%llx.%llx.%lld",
                (unsigned long long)reeve_trace_field(wait->slice, OWNER),
                (unsigned long long)reeve_trace_field(wait->slice, TASK),
                (long long)reeve_trace_field(wait->slice, ATTEMPT));
            const json_t *found = pass == 1 ? json_object_get(waits, key) : NULL;
            if (pass == 0) {
                json_object_set_new(waits, key, json_integer((json_int_t)i));
            } else if (found != NULL) {
                wait->of = (size_t)json_integer_value(found);
                of = &node->waits[wait->of];
                of->begin_ns = REEVE_MIN(of->begin_ns, wait->begin_ns);
                wait->end_ns = REEVE_MIN(wait->end_ns, of->end_ns);
            }
        }
    json_decref(waits);
}

static int by_begin(const void *a, const void *b)
{
    const struct reeve_trace_wait *const *x = a, *const *y = b;
    if ((*x)->begin_ns != (*y)->begin_ns)
        return (*x)->begin_ns < (*y)->begin_ns ? -1 : 1;
    return *x < *y ? -1 : *x > *y;
}

/* Each that lies in no other one gets a lane. */
static void lay(struct reeve_trace *trace, struct reeve_trace_node *node)
{
    json_int_t busy_until_ns[LANES_MAX] = {0};
    const struct reeve_trace_wait **order = calloc(node->count + 1, sizeof *order);
    for (size_t i = 0; order != NULL && i < node->count; i++)
        order[i] = &node->waits[i];
    if (order != NULL)
        qsort(order, node->count, sizeof *order, by_begin);
    for (size_t i = 0; order != NULL && i < node->count; i++) {
        struct reeve_trace_wait *wait = &node->waits[order[i] - node->waits];
        uint32_t lane = 0;
        if (wait->of != NO_WAIT)
            continue;
        while (lane < LANES_MAX && busy_until_ns[lane] > wait->begin_ns)
            lane++;
        if (lane == LANES_MAX) {
            trace->left_out++;
            continue;
        }
        busy_until_ns[lane] = wait->end_ns;
        wait->lane = lane + 1;
    }
    free(order);
}

static double at(const struct reeve_trace *trace, json_int_t moment_ns)
{
    return (double)(moment_ns - trace->start_ns) / 1000.0;
}

/* An arrow from the wait to its call. */
static void draw_flow(struct reeve_trace *trace, const struct reeve_trace_node *node,
    const struct reeve_trace_wait *wait, json_int_t track)
{
    json_int_t flow = ++trace->flows;
    json_array_append_new(
        trace->events, json_pack("{s:s, s:s, s:s, s:I, s:f, s:I, s:I}", "ph", "s", "name", "begins",
                           "cat", "queue", "id", flow, "ts", at(trace, wait->begin_ns), "pid",
                           node->number, "tid", track));
    json_array_append_new(
        trace->events, json_pack("{s:s, s:s, s:s, s:s, s:I, s:f, s:I, s:I}", "ph", "f", "bp", "e",
                           "name", "begins", "cat", "queue", "id", flow, "ts",
                           at(trace, wait->end_ns), "pid", node->number, "tid", wait->track));
}

static void draw(
    struct reeve_trace *trace, struct reeve_trace_node *node, const struct reeve_trace_wait *wait)
{
    char title[192], owner[24], task[24];
    json_int_t lane = wait->of != NO_WAIT ? node->waits[wait->of].lane : wait->lane;
    if (lane == 0)
        return;
    json_int_t track = reeve_trace_track(trace, node, REEVE_TRACE_WAITS, lane - 1);
    snprintf(title, sizeof title, "%s: %.128s",
        wait->track != 0 ? "waits for a worker" : "its arguments are brought", wait->name);
    snprintf(
        owner, sizeof owner, "%016llx", (unsigned long long)reeve_trace_field(wait->slice, OWNER));
    snprintf(
        task, sizeof task, "%016llx", (unsigned long long)reeve_trace_field(wait->slice, TASK));
    json_array_append_new(trace->events,
        json_pack("{s:s, s:s, s:s, s:f, s:f, s:I, s:I, s:{s:s, s:s, s:s, s:s, s:I}}", "ph", "X",
            "name", title, "cat", wait->track != 0 ? "queue" : "stage", "ts",
            at(trace, wait->begin_ns), "dur", (double)(wait->end_ns - wait->begin_ns) / 1000.0,
            "pid", node->number, "tid", track, "args", "function", wait->name, "job", wait->job,
            "owner", owner, "task", task, "attempt", reeve_trace_field(wait->slice, ATTEMPT)));
    if (wait->track != 0)
        draw_flow(trace, node, wait, track);
}

void reeve_trace_waits_draw(struct reeve_trace *trace, struct reeve_trace_node *node)
{
    nest(node);
    lay(trace, node);
    for (size_t i = 0; i < node->count; i++)
        draw(trace, node, &node->waits[i]);
    free(node->waits);
    node->waits = NULL;
    node->count = node->capacity = 0;
}
