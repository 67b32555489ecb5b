/* What this node's workers have run lately, and when, for `reeve timeline`: taken from their memory
 * (runtime/channel/history.h) at heartbeats, when they end, and when somebody asks; and what has
 * come from other nodes, for whom. The latest so many are kept, also of jobs that have ended; of
 * the others, how many they were. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/node/shell_channels.h"
#include "runtime/node/shell_daemon.h"

#define KEPT_MAX  6000u /* so that an answer is one message */
#define NAMES_MAX 1000u /* of functions; further ones have none */
#define JOBS_MAX  1000u
#define RUNNING   1 /* in place of a code: it has not ended */

struct kept {
    struct reeve_slice slice;
    uint32_t pid;
    uint32_t job; /* index */
    uint32_t name;
};

struct daemon_timeline {
    uint64_t count, lost; /* all there have been; written over before they were read */
    uint32_t name_count, job_count;
    char *names[NAMES_MAX + 1];
    reeve_process_id jobs[JOBS_MAX + 1]; /* the last one: all further ones */
    struct kept kept[KEPT_MAX];
};

static struct daemon_timeline *timeline_of(struct daemon *daemon)
{
    if (daemon->timeline == NULL)
        daemon->timeline = daemon_alloc(sizeof *daemon->timeline);
    return daemon->timeline;
}

static uint32_t job_index(struct daemon_timeline *timeline, reeve_process_id job)
{
    for (uint32_t i = timeline->job_count; i-- > 0;)
        if (timeline->jobs[i] == job)
            return i;
    if (timeline->job_count == JOBS_MAX)
        return JOBS_MAX;
    timeline->jobs[timeline->job_count] = job;
    return timeline->job_count++;
}

static uint32_t name_index(struct daemon_timeline *timeline, const char *name)
{
    for (uint32_t i = 0; i < timeline->name_count; i++)
        if (strcmp(timeline->names[i], name) == 0)
            return i;
    char *copy = timeline->name_count < NAMES_MAX ? strdup(name) : NULL;
    if (copy == NULL)
        return NAMES_MAX;
    timeline->names[timeline->name_count] = copy;
    return timeline->name_count++;
}

static void fill(struct kept *kept, const struct daemon_worker *worker,
    struct daemon_timeline *timeline, const struct reeve_slice *slice)
{
    const struct daemon_job *job = daemon_job_get(worker->daemon, worker->job);
    char name[128] = "waits";
    if (slice->kind != REEVE_SLICE_WAIT)
        reeve_function_name(job != NULL ? job->table : NULL, job != NULL ? job->table_size : 0,
            slice->function, name, sizeof name);
    *kept = (struct kept){*slice, (uint32_t)worker->pid, job_index(timeline, worker->job),
        name_index(timeline, name)};
}

static void keep(const struct daemon_worker *worker, const struct reeve_slice *slice)
{
    struct daemon_timeline *timeline = timeline_of(worker->daemon);
    fill(&timeline->kept[timeline->count++ % KEPT_MAX], worker, timeline, slice);
}

void daemon_timeline_read(struct daemon_worker *worker)
{
    const struct reeve_history *history =
        worker->client != NULL ? worker->client->bell.history : NULL;
    struct reeve_slice slice;
    uint64_t lost = 0;
    while (history != NULL && reeve_history_read(history, &worker->history_next, &slice, &lost))
        keep(worker, &slice);
    if (lost > 0)
        timeline_of(worker->daemon)->lost += lost;
}

void daemon_timeline_transferred(void *arg, const struct reeve_store_transfer *transfer)
{
    struct daemon *daemon = arg;
    struct daemon_timeline *timeline = timeline_of(daemon);
    timeline->kept[timeline->count++ % KEPT_MAX] =
        (struct kept){.slice = {.begin_ns = transfer->begin_ns,
                          .end_ns = reeve_clock_monotonic_ns(),
                          .owner = transfer->id.owner,
                          .task = transfer->id.sequence,
                          .attempt = transfer->node,
                          .code = transfer->code,
                          .count = (uint32_t)REEVE_MIN(transfer->length, (uint64_t)UINT32_MAX),
                          .lane = transfer->lane,
                          .kind = REEVE_SLICE_TRANSFER},
            .job = job_index(timeline, REEVE_PROCESS_NONE),
            .name = name_index(timeline, "transfer")};
}

void daemon_timeline_staged(const struct daemon_call *call)
{
    const struct daemon_channel *channel = call->channel;
    const struct daemon_worker *worker =
        reeve_map64_get(&channel->daemon->workers, channel->worker);
    struct reeve_slice slice = {.begin_ns = call->staging_since_ns,
        .end_ns = reeve_clock_monotonic_ns(),
        .owner = channel->caller,
        .task = call->entry.task,
        .attempt = call->entry.attempt,
        .function = call->entry.function,
        .count = call->entry.references,
        .kind = REEVE_SLICE_STAGE};
    if (worker != NULL)
        keep(worker, &slice);
}

/* What its page says that it runs. */
static struct reeve_slice slice_of(
    const struct reeve_doorbell *page, uint32_t function, int32_t code, uint64_t begin_ns)
{
    return (struct reeve_slice){.begin_ns = begin_ns,
        .end_ns = reeve_clock_monotonic_ns(),
        .task = atomic_load_explicit(&page->current_task, memory_order_relaxed),
        .attempt = atomic_load_explicit(&page->current_attempt, memory_order_relaxed),
        .function = function,
        .code = code,
        .count = 1,
        .kind = REEVE_SLICE_TASK};
}

/* The outermost call that the worker runs, as far as it is known. */
static bool current(
    const struct daemon_worker *worker, uint32_t function, int32_t code, struct reeve_slice *ret)
{
    const struct reeve_doorbell *page = worker->client != NULL ? worker->client->bell.page : NULL;
    const struct reeve_history *history = page != NULL ? worker->client->bell.history : NULL;
    if (history == NULL)
        return false;
    uint64_t begun = atomic_load_explicit(&page->tasks_begun, memory_order_relaxed);
    if (begun == atomic_load_explicit(&page->tasks_ended, memory_order_relaxed) ||
        begun != atomic_load_explicit(&history->current, memory_order_acquire))
        return false;
    *ret = slice_of(page, function, code,
        atomic_load_explicit(&history->current_begin_ns, memory_order_relaxed));
    ret->waited_ms =
        (uint32_t)atomic_load_explicit(&history->current_waited_ms, memory_order_relaxed);
    ret->owner = atomic_load_explicit(&history->current_owner, memory_order_relaxed);
    ret->parent = atomic_load_explicit(&history->current_parent, memory_order_relaxed);
    return ret->begin_ns != 0 && ret->begin_ns <= ret->end_ns;
}

void daemon_timeline_died(struct daemon_worker *worker, uint32_t function, int32_t code)
{
    struct reeve_slice slice;
    if (current(worker, function, code, &slice))
        keep(worker, &slice);
}

/* --- answering -------------------------------------------------------------------------------- */

/* begin and length in ns; the order is that of `fields`. */
static void append(json_t *list, const struct kept *kept)
{
    const struct reeve_slice *slice = &kept->slice;
    json_array_append_new(
        list, json_pack("[I, I, I, I, I, I, I, I, I, I, I, I, I, I]", (json_int_t)slice->begin_ns,
                  (json_int_t)(slice->end_ns - slice->begin_ns), (json_int_t)slice->kind,
                  (json_int_t)kept->name, (json_int_t)kept->pid, (json_int_t)slice->lane,
                  (json_int_t)kept->job, (json_int_t)slice->owner, (json_int_t)slice->task,
                  (json_int_t)slice->attempt, (json_int_t)slice->code, (json_int_t)slice->count,
                  (json_int_t)slice->waited_ms, (json_int_t)slice->parent));
}

/* It is not being timed, as many short ones were before it: since when it has been seen to run. */
static bool seen(const struct daemon_worker *worker, uint32_t function, struct reeve_slice *ret)
{
    const struct reeve_doorbell *page = worker->client->bell.page;
    *ret = slice_of(page, function, RUNNING, worker->watch.since_ns);
    return ret->begin_ns != 0;
}

/* What has not ended has not been written yet. */
static void append_running(json_t *list, struct daemon *daemon)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->workers, &at, NULL, &value)) {
        const struct daemon_worker *worker = value;
        struct reeve_slice slice;
        struct kept kept;
        /* that of the task on top, where tasks are run inside of it */
        uint32_t function = worker->client != NULL && worker->client->bell.page != NULL
                                ? atomic_load_explicit(&worker->client->bell.page->current_function,
                                      memory_order_relaxed)
                                : 0;
        if (function == 0)
            continue;
        if (!current(worker, function - 1, RUNNING, &slice) && !seen(worker, function - 1, &slice))
            continue;
        fill(&kept, worker, timeline_of(daemon), &slice);
        append(list, &kept);
    }
}

char *daemon_timeline_json(struct daemon *daemon)
{
    struct daemon_timeline *timeline = timeline_of(daemon);
    json_t *slices = json_array(), *names = json_array(), *jobs = json_array();
    size_t at = 0;
    void *value;
    daemon_tasks_look(daemon);
    while (reeve_map64_next(&daemon->workers, &at, NULL, &value))
        daemon_timeline_read(value);
    uint64_t first = timeline->count > KEPT_MAX ? timeline->count - KEPT_MAX : 0;
    for (uint64_t i = first; i < timeline->count; i++)
        append(slices, &timeline->kept[i % KEPT_MAX]);
    append_running(slices, daemon);
    for (uint32_t i = 0; i < timeline->name_count; i++)
        json_array_append_new(names, json_string(timeline->names[i]));
    for (uint32_t i = 0; i < timeline->job_count; i++)
        json_array_append_new(jobs, json_sprintf("%016" PRIx64, timeline->jobs[i]));
    json_t *result =
        json_pack("{s:I, s:s, s:I, s:I, s:o, s:o, s:o}", "node", (json_int_t)daemon->node, "host",
            daemon->host, "now_ns", (json_int_t)reeve_clock_monotonic_ns(), "lost",
            (json_int_t)(first + timeline->lost), "names", names, "jobs", jobs, "slices", slices);
    char *text = result != NULL ? json_dumps(result, JSON_COMPACT) : NULL;
    json_decref(result);
    return text;
}

void daemon_timeline_free(struct daemon *daemon)
{
    for (uint32_t i = 0; daemon->timeline != NULL && i < daemon->timeline->name_count; i++)
        free(daemon->timeline->names[i]);
    free(daemon->timeline);
    daemon->timeline = NULL;
}
