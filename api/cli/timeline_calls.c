/* Which call made which, in the trace of `reeve timeline`: an arrow from the call whose function
 * has made another one to that, wherever it ran, and its name there.
 *
 *   worker 1   |------------parent-------------|
 *              └─flow─┐
 *   worker 2          |---child---|
 *
 * In the trace's format an arrow has two ends, each of which belongs to the innermost slice that is
 * open on its track at that time: so it begins and ends where these slices do. (Of those that begin
 * at the same time the one that is later in the file is the innermost; nothing that lies in a call
 * begins with it.) A call that has been run in the midst of its parent needs none: it lies in it.
 *
 * A parent that has been run twice, because its worker died, has two slices: that is meant which
 * began last before the child did. */
#include <stdint.h>
#include <stdlib.h>

#include "api/cli/timeline.h"
#include "runtime/base/macros.h"
#include "runtime/channel/history.h"

struct reeve_trace_call {
    uint64_t key, parent;
    json_t *arguments;
    json_int_t node, track, begin_ns, end_ns;
};

void reeve_trace_call_add(struct reeve_trace *trace, const json_t *slice, json_t *arguments,
    json_int_t node, json_int_t track, json_int_t begin_ns)
{
    if (trace->call_count == trace->call_capacity) {
        size_t capacity = REEVE_MAX(trace->call_capacity * 2, (size_t)256);
        struct reeve_trace_call *calls = realloc(trace->calls, capacity * sizeof *calls);
        if (calls == NULL)
            return;
        trace->calls = calls;
        trace->call_capacity = capacity;
    }
    trace->calls[trace->call_count++] =
        (struct reeve_trace_call){.key = reeve_slice_key((uint64_t)reeve_trace_field(slice, OWNER),
                                      (uint64_t)reeve_trace_field(slice, TASK)),
            .parent = (uint64_t)reeve_trace_field(slice, PARENT),
            .arguments = arguments,
            .node = node,
            .track = track,
            .begin_ns = begin_ns,
            .end_ns = begin_ns + reeve_trace_field(slice, LENGTH)};
}

static int by_key_and_time(const void *a, const void *b)
{
    const struct reeve_trace_call *one = a, *other = b;
    if (one->key != other->key)
        return one->key < other->key ? -1 : 1;
    return (one->begin_ns > other->begin_ns) - (one->begin_ns < other->begin_ns);
}

/* NULL: it is not in the trace. */
static const struct reeve_trace_call *parent_of(
    const struct reeve_trace *trace, const struct reeve_trace_call *call)
{
    size_t first = 0, end = trace->call_count; /* the last that is not behind it */
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        const struct reeve_trace_call *at = &trace->calls[middle];
        if (at->key < call->parent || (at->key == call->parent && at->begin_ns <= call->begin_ns))
            first = middle + 1;
        else
            end = middle;
    }
    return first > 0 && trace->calls[first - 1].key == call->parent ? &trace->calls[first - 1]
                                                                    : NULL;
}

static void add_end(struct reeve_trace *trace, const char *phase, json_int_t flow,
    const struct reeve_trace_call *call)
{
    json_array_append_new(
        trace->events, json_pack("{s:s, s:s, s:s, s:s, s:I, s:f, s:I, s:I}", "ph", phase, "bp", "e",
                           "name", "calls", "cat", "parent", "id", flow, "ts",
                           (double)(call->begin_ns - trace->start_ns) / 1000.0, "pid", call->node,
                           "tid", call->track));
}

static void draw(struct reeve_trace *trace, const struct reeve_trace_call *call)
{
    const struct reeve_trace_call *parent = call->parent != 0 ? parent_of(trace, call) : NULL;
    if (parent == NULL)
        return;
    static const char *const of[] = {"function", "owner", "task"};
    static const char *const as[] = {"parent", "parent_owner", "parent_task"};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(of); i++)
        json_object_set(call->arguments, as[i], json_object_get(parent->arguments, of[i]));
    if (parent->node == call->node && parent->track == call->track &&
        call->end_ns <= parent->end_ns)
        return;
    json_int_t flow = ++trace->flows;
    add_end(trace, "s", flow, parent);
    add_end(trace, "f", flow, call);
}

void reeve_trace_calls_draw(struct reeve_trace *trace)
{
    if (trace->call_count != 0)
        qsort(trace->calls, trace->call_count, sizeof *trace->calls, by_key_and_time);
    for (size_t i = 0; i < trace->call_count; i++)
        draw(trace, &trace->calls[i]);
    free(trace->calls);
    trace->calls = NULL;
    trace->call_count = trace->call_capacity = 0;
}
