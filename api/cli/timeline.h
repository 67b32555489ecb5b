/* What `reeve timeline` is made of: the slices that nodes tell (timeline.c), and of these what
 * calls have waited for before they began (timeline_waits.c), and which made which
 * (timeline_calls.c). */
#ifndef REEVE_CLI_TIMELINE_H
#define REEVE_CLI_TIMELINE_H

#include <jansson.h>
#include <stddef.h>

/* What a node has said of one slice, in its order (runtime/node/shell_timeline.c). */
enum reeve_trace_field {
    BEGIN,
    LENGTH,
    KIND,
    NAME,
    PID,
    LANE,
    JOB,
    OWNER,
    TASK,
    ATTEMPT,
    CODE,
    COUNT,
    WAITED_MS,
    PARENT, /* reeve_slice_key of the call that made it; 0: none */
};

static inline json_int_t reeve_trace_field(const json_t *slice, enum reeve_trace_field which)
{
    return json_integer_value(json_array_get(slice, which));
}

struct reeve_trace {
    const json_t *result;
    json_t *events;
    json_int_t start_ns;            /* by the head's clock: where the trace begins */
    json_int_t flows;               /* how many there are */
    json_int_t left_out;            /* waits for which there was no track */
    struct reeve_trace_call *calls; /* of all nodes */
    size_t call_count, call_capacity;
};

struct reeve_trace_wait;
struct reeve_trace_node {
    json_int_t number;
    json_t *tracks;
    struct reeve_trace_wait
        *waits; /* those of its calls that have waited, and of their arguments */
    size_t count, capacity;
};

/* The number of the thread's track, which gets its name when it is new. `lane` is that of a thread
 * of process `pid`, or of one of those below. */
enum { REEVE_TRACE_TRANSFERS = 0, REEVE_TRACE_WAITS = -1 };
json_int_t reeve_trace_track(
    struct reeve_trace *trace, struct reeve_trace_node *node, json_int_t pid, json_int_t lane);

/* timeline_waits.c. A call began at begin_ns, by the head's clock, on that track, and had
 * waited; or its arguments had come (then the track does not count). `slice` stays the caller's. */
void reeve_trace_wait_add(struct reeve_trace_node *node, const json_t *slice, const char *name,
    const char *job, json_int_t begin_ns, json_int_t end_ns, json_int_t track);
void reeve_trace_waits_draw(struct reeve_trace *trace, struct reeve_trace_node *node);

/* timeline_calls.c. A call, whose event has these arguments, which stay the caller's. When all have
 * been added: those whose parent is among them get its name, and an arrow from it. */
void reeve_trace_call_add(struct reeve_trace *trace, const json_t *slice, json_t *arguments,
    json_int_t node, json_int_t track, json_int_t begin_ns);
void reeve_trace_calls_draw(struct reeve_trace *trace);

#endif
