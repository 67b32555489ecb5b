/* What this node tells of its tasks and jobs, for `reeve tasks` and `reeve jobs`: looked at when
 * somebody asks, in memory that is mapped here anyway. Workers do not notice.
 *
 *   rings of the channels      what is running, what is queued      ring.h, reeve_ring_glance
 *   pages of the processes     how many executions have ended       doorbell.h
 *   the same pages             how far the tasks say that they have come    progress.h
 *   a look at each heartbeat   for how long a task has been running facts.h
 *   FAILED, deaths of workers  the last failures                    facts.h
 *
 * When a job ends, the head gets what was counted here ("job.report"): it keeps the history. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/process.h"
#include "runtime/base/utf8.h"
#include "runtime/channel/entry.h"
#include "runtime/node/shell_channels.h"
#include "runtime/wire/tool_message.h"

#define ITEMS_MAX      1000u /* of one kind in an answer; what is cut is counted */
#define LOOK_PERIOD_NS (900 * REEVE_NS_PER_MS)

_Static_assert(REEVE_TALLY_FUNCTIONS == REEVE_DOORBELL_FUNCTIONS, "a tally adds up pages");

static json_t *id_text(uint64_t id)
{
    return json_sprintf("%016" PRIx64, id);
}

static void function_name(
    struct daemon *daemon, reeve_process_id job, uint32_t index, char *name, size_t size)
{
    const struct daemon_job *of = daemon_job_get(daemon, job);
    reeve_function_name(
        of != NULL ? of->table : NULL, of != NULL ? of->table_size : 0, index, name, size);
}

static reeve_process_id job_of(const struct daemon_client *client)
{
    return client->worker != NULL ? client->worker->job
                                  : reeve_process_id_make(client->daemon->node, client->serial);
}

static uint64_t read_count(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* --- counting --------------------------------------------------------------------------------- */

static void tally_page(struct reeve_tally *tally, const struct reeve_doorbell *page)
{
    for (uint32_t i = 0; i < REEVE_TALLY_FUNCTIONS; i++) {
        tally->functions[i].finished += read_count(&page->functions[i].finished);
        tally->functions[i].failed += read_count(&page->functions[i].failed);
    }
}

static json_t *tally_json(const struct daemon_job *job, const struct reeve_tally *tally)
{
    json_t *functions = json_object();
    char name[128];
    for (uint32_t i = 0; i < REEVE_TALLY_FUNCTIONS; i++) {
        if (tally->functions[i].finished + tally->functions[i].failed == 0)
            continue;
        if (i == REEVE_TALLY_FUNCTIONS - 1)
            snprintf(name, sizeof name, "(further functions)");
        else
            reeve_function_name(job->table, job->table_size, i, name, sizeof name);
        json_object_set_new(functions, name,
            json_pack("[I, I]", (json_int_t)tally->functions[i].finished,
                (json_int_t)tally->functions[i].failed));
    }
    return json_pack("{s:o, s:o, s:f}", "job", id_text(job->id), "functions", functions, "cpu_s",
        (double)tally->cpu_ns / REEVE_NS_PER_S);
}

static void tell_head(
    struct daemon *daemon, const struct daemon_job *job, const struct reeve_tally *tally)
{
    if (daemon->head_session == 0)
        return;
    json_t *report = tally_json(job, tally);
    char *text = json_dumps(report, JSON_COMPACT);
    json_decref(report);
    if (text != NULL)
        (void)reeve_tool_send_request(daemon->link, daemon->head_session, 0, "job.report", text,
            (struct reeve_tool_data){NULL, 0, false});
    free(text);
}

static void tally_add(struct reeve_tally *to, const struct reeve_tally *from)
{
    to->cpu_ns += from->cpu_ns;
    for (uint32_t i = 0; i < REEVE_TALLY_FUNCTIONS; i++) {
        to->functions[i].finished += from->functions[i].finished;
        to->functions[i].failed += from->functions[i].failed;
    }
}

void daemon_tasks_client_leaves(struct daemon_client *client)
{
    struct daemon_worker *worker = client->worker;
    const struct reeve_doorbell *page = client->bell.page;
    if (worker == NULL || page == NULL)
        return;
    tally_page(&worker->tally, page);
    worker->died_in = read_count(&page->tasks_begun) != read_count(&page->tasks_ended)
                          ? atomic_load_explicit(&page->current_function, memory_order_relaxed)
                          : 0;
    worker->died_task = read_count(&page->current_task);
    daemon_timeline_read(worker);
    if (worker->died_in != 0)
        daemon_timeline_died(worker, worker->died_in - 1, REEVE_EWORKERDIED);
}

/* `text`: a program's own, which may be anything. */
static struct reeve_failure *failure_add(struct daemon *daemon, const struct daemon_worker *worker,
    uint32_t function, int32_t code, const char *text)
{
    struct reeve_failure *failure = reeve_failures_add(&daemon->failures);
    failure->at_ns = reeve_clock_monotonic_ns();
    failure->job = worker->job;
    failure->worker = (uint32_t)worker->pid;
    failure->code = code;
    function_name(daemon, worker->job, function, failure->function, sizeof failure->function);
    snprintf(failure->text, sizeof failure->text, "%s", text);
    reeve_utf8_mend(failure->text);
    return failure;
}

void daemon_tasks_worker_ended(struct daemon_worker *worker, int32_t code, const char *text)
{
    struct daemon *daemon = worker->daemon;
    struct daemon_job *job = daemon_job_get(daemon, worker->job);
    if (worker->died_in != 0 && !worker->killed) {
        struct reeve_failure *failure =
            failure_add(daemon, worker, worker->died_in - 1, code, text);
        failure->task = worker->died_task;
    }
    if (job != NULL)
        tally_add(&job->tally, &worker->tally);
}

/* With what its workers that are still there have done so far. */
static void tally_job(struct daemon *daemon, const struct daemon_job *job, struct reeve_tally *ret)
{
    size_t at = 0;
    void *value;
    *ret = job->tally;
    while (reeve_map64_next(&daemon->workers, &at, NULL, &value)) {
        const struct daemon_worker *worker = value;
        if (worker->job != job->id || worker->pid == 0)
            continue;
        tally_add(ret, &worker->tally);
        ret->cpu_ns += reeve_process_cpu_ns(worker->pid);
        if (worker->client != NULL && worker->client->bell.page != NULL)
            tally_page(ret, worker->client->bell.page);
    }
}

/* Its workers are being killed; their names for functions go with the job. */
void daemon_tasks_job_gone(struct daemon *daemon, const struct daemon_job *job)
{
    struct reeve_tally tally;
    if (job == NULL || job->table == NULL || daemon->ending)
        return;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->workers, &at, NULL, &value)) {
        struct daemon_worker *worker = value;
        if (worker->job == job->id)
            daemon_timeline_read(worker);
    }
    tally_job(daemon, job, &tally);
    tell_head(daemon, job, &tally);
}

void daemon_tasks_failed(struct daemon_client *client, const struct reeve_local_message *message)
{
    if (client->worker == NULL)
        return;
    struct reeve_failure *failure =
        failure_add(client->daemon, client->worker, message->count, message->code, message->text);
    failure->owner = message->process;
    failure->task = message->task;
}

void daemon_tasks_look(struct daemon *daemon)
{
    uint64_t now_ns = reeve_clock_monotonic_ns();
    size_t at = 0;
    void *value;
    if (now_ns < daemon->looked_ns + LOOK_PERIOD_NS)
        return;
    daemon->looked_ns = now_ns;
    while (reeve_map64_next(&daemon->workers, &at, NULL, &value)) {
        struct daemon_worker *worker = value;
        const struct reeve_doorbell *page =
            worker->client != NULL ? worker->client->bell.page : NULL;
        daemon_timeline_read(worker);
        if (page != NULL)
            reeve_watch_look(&worker->watch, read_count(&page->tasks_begun),
                read_count(&page->tasks_ended), now_ns);
    }
}

/* --- answering -------------------------------------------------------------------------------- */

struct answer {
    struct daemon *daemon;
    uint64_t now_ns;
    json_t *running, *queued;
    uint64_t left_out;
};

static void append(struct answer *answer, json_t *list, json_t *item)
{
    if (json_array_size(list) < ITEMS_MAX) {
        json_array_append_new(list, item);
        return;
    }
    answer->left_out++;
    json_decref(item);
}

static double seconds_since(const struct answer *answer, uint64_t since_ns)
{
    return since_ns != 0 && since_ns < answer->now_ns
               ? (double)(answer->now_ns - since_ns) / REEVE_NS_PER_S
               : 0.0;
}

static void add_running(struct answer *answer, const struct daemon_channel *channel,
    const struct daemon_client *client, const struct reeve_ring_sight *sight,
    reeve_process_id owner)
{
    const struct daemon_worker *worker = client->worker;
    const struct reeve_doorbell *page = client->bell.page;
    char name[128], inside[128] = "";
    function_name(answer->daemon, worker->job, sight->function, name, sizeof name);
    bool current = page != NULL && read_count(&page->current_task) == sight->task;
    uint32_t depth =
        page != NULL ? atomic_load_explicit(&page->inline_depth, memory_order_relaxed) : 0;
    uint32_t top =
        page != NULL ? atomic_load_explicit(&page->current_function, memory_order_relaxed) : 0;
    bool waits = page != NULL && atomic_load_explicit(&page->blocked, memory_order_relaxed) != 0;
    if (depth > 0 && top > 0)
        function_name(answer->daemon, worker->job, top - 1, inside, sizeof inside);
    struct reeve_progress_key key = {owner, sight->task, sight->attempt};
    uint64_t done = 0, total = 0;
    if (page != NULL)
        (void)reeve_progress_read(&page->progress, &key, &done, &total);
    reeve_process_id process = reeve_process_id_make(answer->daemon->node, client->serial);
    const char *waits_for =
        reeve_store_waits_for(reeve_store_shell_core(answer->daemon->store), process);
    if (*waits_for == 0 && waits)
        waits_for = reeve_node_waits_for(answer->daemon->core, client->serial);
    struct reeve_object_id parent = {0, 0};
    _Static_assert(sizeof parent == REEVE_RING_TAIL, "an entry's tail is its parent (entry.h)");
    if (sight->flags & REEVE_ENTRY_PARENT)
        memcpy(&parent, sight->tail, sizeof parent);
    append(answer, answer->running,
        json_pack(
            "{s:o, s:s, s:o, s:I, s:o, s:o, s:o, s:I, s:f, s:b, s:s, s:I, s:s, s:I, s:I, s:I}",
            "job", id_text(worker->job), "function", name, "task", id_text(sight->task), "attempt",
            (json_int_t)sight->attempt, "owner", id_text(owner), "parent_owner",
            id_text(parent.owner), "parent_task", id_text(parent.sequence), "pid",
            (json_int_t)worker->pid, "for_s",
            current ? seconds_since(answer, worker->watch.since_ns) : 0.0, "waits", (int)waits,
            "waits_for", waits_for, "depth", (json_int_t)depth, "inside", inside, "node",
            (json_int_t)channel->daemon->node, "done", (json_int_t)done, "total",
            (json_int_t)total));
}

/* By function, as few as there are mostly. */
struct queue {
    uint32_t function;
    uint64_t count;
};

#define QUEUES_FEW 16

static void add_queued(struct answer *answer, reeve_process_id job, reeve_process_id owner,
    int64_t pid, const struct queue *queue)
{
    char name[128];
    function_name(answer->daemon, job, queue->function, name, sizeof name);
    append(answer, answer->queued,
        json_pack("{s:o, s:s, s:o, s:I, s:I, s:I}", "job", id_text(job), "function", name, "owner",
            id_text(owner), "pid", (json_int_t)pid, "count", (json_int_t)queue->count, "node",
            (json_int_t)answer->daemon->node));
}

static void queue_add(struct queue queues[QUEUES_FEW], uint32_t function)
{
    size_t i = 0;
    while (i < QUEUES_FEW - 1 && queues[i].count != 0 && queues[i].function != function)
        i++;
    if (queues[i].count == 0) /* the last one takes the rest, under the name of its first */
        queues[i].function = function;
    queues[i].count++;
}

static void look_at_channel(struct answer *answer, const struct daemon_channel *channel)
{
    bool executes = channel->kind != CHANNEL_HOLDER;
    const struct daemon_client *client =
        daemon_client_get(answer->daemon, executes ? channel->worker : channel->holder);
    if (client == NULL || (executes && client->worker == NULL))
        return;
    struct queue queues[QUEUES_FEW] = {0};
    struct reeve_ring_sight sight;
    const struct reeve_ring *ring = &channel->revoker.calls;
    reeve_process_id owner = channel->holder != 0
                                 ? reeve_process_id_make(answer->daemon->node, channel->holder)
                                 : channel->caller;
    for (uint32_t i = 0; i <= ring->slot_mask; i++) {
        int state = reeve_ring_glance(ring, i, &sight);
        if (state < 0)
            break;
        if (state == REEVE_SLOT_READY)
            queue_add(queues, sight.function);
        else if (state == REEVE_SLOT_CLAIMED && executes)
            add_running(answer, channel, client, &sight, owner);
    }
    if (channel->kind == CHANNEL_EXECUTOR) {
        REEVE_LIST_EACH(link, &channel->calls)
        queue_add(queues, REEVE_LIST_ENTRY(link, struct daemon_call, link)->entry.function);
    }
    for (size_t i = 0; i < QUEUES_FEW && queues[i].count != 0; i++)
        add_queued(answer, job_of(client), owner, executes ? client->worker->pid : 0, &queues[i]);
}

static json_t *failures_json(const struct answer *answer)
{
    const struct reeve_failures *failures = &answer->daemon->failures;
    const struct reeve_failure *failure;
    json_t *list = json_array();
    for (uint64_t back = 0; (failure = reeve_failures_at(failures, back)) != NULL; back++)
        json_array_append_new(list,
            json_pack("{s:o, s:s, s:o, s:o, s:I, s:s, s:s, s:f, s:I}", "job", id_text(failure->job),
                "function", failure->function, "task", id_text(failure->task), "owner",
                id_text(failure->owner), "pid", (json_int_t)failure->worker, "code",
                reeve_error_name(failure->code), "text", failure->text, "ago_s",
                seconds_since(answer, failure->at_ns), "node", (json_int_t)answer->daemon->node));
    return list;
}

static pid_t pid_of(const struct daemon_client *client)
{
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    if (client->worker != NULL)
        return client->worker->pid;
    return getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

/* Who is here: drivers, and workers that have calls of their own under way. */
static json_t *processes_json(struct answer *answer)
{
    json_t *list = json_array();
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&answer->daemon->serials, &at, NULL, &value)) {
        struct daemon_client *client = value;
        uint64_t unfinished =
            client->bell.page != NULL ? read_count(&client->bell.page->unfinished) : 0;
        if (client->worker != NULL && unfinished == 0)
            continue;
        append(answer, list,
            json_pack("{s:o, s:o, s:b, s:I, s:I, s:I}", "process",
                id_text(reeve_process_id_make(answer->daemon->node, client->serial)), "job",
                id_text(job_of(client)), "driver", client->worker == NULL, "pid",
                (json_int_t)pid_of(client), "unfinished", (json_int_t)unfinished, "node",
                (json_int_t)answer->daemon->node));
    }
    return list;
}

static json_t *jobs_json(struct answer *answer)
{
    json_t *list = json_array();
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&answer->daemon->jobs, &at, NULL, &value)) {
        struct reeve_tally tally;
        tally_job(answer->daemon, value, &tally);
        append(answer, list, tally_json(value, &tally));
    }
    return list;
}

char *daemon_tasks_json(struct daemon *daemon)
{
    struct answer answer = {.daemon = daemon,
        .now_ns = reeve_clock_monotonic_ns(),
        .running = json_array(),
        .queued = json_array()};
    size_t at = 0;
    void *value;
    daemon_tasks_look(daemon);
    while (reeve_map64_next(&daemon->channels, &at, NULL, &value))
        look_at_channel(&answer, value);
    json_t *processes = processes_json(&answer), *jobs = jobs_json(&answer);
    json_t *result =
        json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "node", (json_int_t)daemon->node,
            "host", daemon->host, "running", answer.running, "queued", answer.queued, "processes",
            processes, "jobs", jobs, "failed", failures_json(&answer), "failed_count",
            (json_int_t)daemon->failures.count, "left_out", (json_int_t)answer.left_out);
    char *text = result != NULL ? json_dumps(result, JSON_COMPACT) : NULL;
    json_decref(result);
    return text;
}
