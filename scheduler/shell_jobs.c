/* The head's memory of jobs, for `reeve jobs`: when they came, how they ended, and what their
 * tasks came to, as the nodes count it ("job.report", when a worker or a job ends there).
 *
 * Of the jobs that have ended the last JOBS_ENDED_MAX are kept, in memory: a head that starts
 * anew knows the jobs that live. What a node counted while the head was away, it keeps only as
 * long as the job lives. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "scheduler/shell_report.h"

#define JOBS_ENDED_MAX 200

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : ""; /* nodes of another release may not say it */
}

static uint64_t now_ms(void)
{
    return reeve_clock_realtime_ns() / REEVE_NS_PER_MS;
}

static void job_free(struct reeve_head *head, struct reeve_head_job *job)
{
    reeve_map64_remove(&head->jobs, job->id);
    reeve_list_remove(&job->ended_link);
    json_decref(job->functions);
    free(job);
}

static struct reeve_head_job *job_get(struct reeve_head *head, reeve_process_id id)
{
    struct reeve_head_job *job = reeve_map64_get(&head->jobs, id);
    if (job || !(job = calloc(1, sizeof(*job))))
        return job;
    if (reeve_map64_put(&head->jobs, id, job, NULL) != REEVE_OK) {
        free(job);
        return NULL;
    }
    job->id = id;
    job->began_ms = now_ms();
    job->functions = json_object();
    reeve_list_init(&job->ended_link);
    return job;
}

void reeve_head_job_notice(struct reeve_head *head, const struct reeve_sched_command *command)
{
    const char *text = command->message.text;
    struct reeve_sched_node_info info;
    struct reeve_head_job *job = job_get(head, command->message.process);
    if (!job)
        return;
    if (command->notice == REEVE_SCHED_NOTICE_JOB_BEGIN) {
        snprintf(job->name, sizeof(job->name), "%s", text);
        if (reeve_head_find_node(head, reeve_process_node(job->id), NULL, &info))
            snprintf(job->host, sizeof(job->host), "%s", info.host);
        return;
    }
    size_t name = strlen(job->name);
    bool named = strncmp(text, job->name, name) == 0 && strncmp(text + name, ": ", 2) == 0;
    snprintf(job->why, sizeof(job->why), "%s", named ? text + name + 2 : text);
    if (job->ended_ms == 0) {
        reeve_list_push_back(&head->jobs_ended, &job->ended_link);
        head->jobs_ended_count++;
    }
    job->ended_ms = now_ms();
    if (head->jobs_ended_count > JOBS_ENDED_MAX) { /* the oldest makes room */
        head->jobs_ended_count--;
        job_free(head, REEVE_LIST_ENTRY(head->jobs_ended.next, struct reeve_head_job, ended_link));
    }
}

/* Adds {"name": [finished, failed]} up. */
static void functions_add(json_t *to, const json_t *from)
{
    const char *name;
    json_t *counts;
    json_object_foreach((json_t *)from, name, counts)
    {
        json_t *sum = json_object_get(to, name);
        json_int_t finished = json_integer_value(json_array_get(counts, 0)),
                   failed = json_integer_value(json_array_get(counts, 1));
        json_object_set_new(to, name,
            json_pack("[I, I]", finished + json_integer_value(json_array_get(sum, 0)),
                failed + json_integer_value(json_array_get(sum, 1))));
    }
}

void reeve_head_job_report(struct reeve_head *head, const json_t *report)
{
    struct reeve_head_job *job =
        reeve_map64_get(&head->jobs, strtoull(text_of(report, "job"), NULL, 16));
    json_t *sums = job ? json_copy(job->functions) : NULL; /* a report may be reading the old one */
    if (!sums)
        return;
    functions_add(sums, json_object_get(report, "functions"));
    json_decref(job->functions);
    job->functions = sums;
    job->cpu_s += json_number_value(json_object_get(report, "cpu_s"));
}

bool reeve_head_jobs_take(struct reeve_report *report, uint32_t budget)
{
    void *value;
    for (; budget > 0; budget--) {
        if (!reeve_map64_resume(&report->head->jobs, &report->jobs_cursor, &value))
            return false;
        struct reeve_head_job *copy = reeve_fifo_push(&report->jobs);
        if (!copy)
            continue;
        *copy = *(const struct reeve_head_job *)value;
        json_incref(copy->functions);
    }
    return true;
}

/* ---- in the thread that makes the text ---- */

/* What is known of one job beyond the head's memory. */
struct live {
    const struct reeve_sched_job_info *info; /* NULL: the core does not know it any more */
    json_t *functions;
    json_int_t running, queued, unfinished, pid;
    double cpu_s;
};

static struct live *live_of(const struct reeve_map64 *lives, const json_t *item)
{
    return reeve_map64_get(lives, strtoull(text_of(item, "job"), NULL, 16));
}

/* What one node has said of the jobs: counted, running, queued, and where their drivers are. */
static void add_answer(const struct reeve_map64 *lives, const json_t *answer)
{
    const json_t *item;
    struct live *live;
    size_t k;
#define EACH_OF_KNOWN(key) \
    json_array_foreach(json_object_get(answer, key), k, item) if ((live = live_of(lives, item)))
    EACH_OF_KNOWN("jobs")
    {
        functions_add(live->functions, json_object_get(item, "functions"));
        live->cpu_s += json_number_value(json_object_get(item, "cpu_s"));
    }
    EACH_OF_KNOWN("running") live->running++;
    EACH_OF_KNOWN("queued") live->queued += json_integer_value(json_object_get(item, "count"));
    EACH_OF_KNOWN("processes")
    {
        live->unfinished += json_integer_value(json_object_get(item, "unfinished"));
        if (json_is_true(json_object_get(item, "driver")))
            live->pid = json_integer_value(json_object_get(item, "pid"));
    }
#undef EACH_OF_KNOWN
}

/* By job; the map owns them. */
static void lives_init(
    struct reeve_map64 *lives, const struct reeve_report *report, const json_t *answers)
{
    const json_t *answer;
    struct live *live;
    size_t i;
    reeve_map64_init(lives);
    for (i = 0; i < report->jobs.count; i++) {
        const struct reeve_head_job *job = reeve_fifo_at(&report->jobs, i);
        if (!(live = calloc(1, sizeof(*live))))
            continue;
        live->functions = json_copy(job->functions);
        live->cpu_s = job->cpu_s;
        if (reeve_map64_put(lives, job->id, live, NULL) != REEVE_OK) {
            json_decref(live->functions);
            free(live);
        }
    }
    const struct reeve_fifo *infos = &report->snapshot.rows[REEVE_SNAPSHOT_JOBS];
    for (i = 0; i < infos->count; i++) {
        const struct reeve_sched_job_info *info = reeve_fifo_at(infos, i);
        if ((live = reeve_map64_get(lives, info->job)))
            live->info = info;
    }
    json_array_foreach(answers, i, answer) add_answer(lives, answer);
}

static void add_totals(json_t *row, json_t *functions)
{
    json_int_t finished = 0, failed = 0;
    const char *name;
    json_t *counts;
    json_object_foreach(functions, name, counts)
    {
        finished += json_integer_value(json_array_get(counts, 0));
        failed += json_integer_value(json_array_get(counts, 1));
    }
    json_object_set_new(row, "finished", json_integer(finished));
    json_object_set_new(row, "failed", json_integer(failed));
    json_object_set_new(row, "functions", functions);
}

static json_t *job_row(const struct reeve_head_job *job, const struct live *live)
{
    static const struct reeve_sched_job_info unknown;
    const struct reeve_sched_job_info *info = live->info ? live->info : &unknown;
    json_t *row = json_pack(
        "{s:o, s:s, s:I, s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:I}",
        "job", json_sprintf("%016" PRIx64, job->id), "name", job->name, "node",
        (json_int_t)reeve_process_node(job->id), "host", job->host, "state",
        job->ended_ms    ? "ended"
        : info->presumed ? "presumed"
                         : "running",
        "started_ms", (json_int_t)job->began_ms, "ended_ms", (json_int_t)job->ended_ms, "why",
        job->why, "weight", (json_int_t)info->weight, "leases", (json_int_t)info->lease_count,
        "wanted", (json_int_t)info->wanted_count, "slots_used", (double)info->held_milli / 1000.0,
        "cpu_s", live->cpu_s, "running", live->running, "queued", live->queued, "unfinished",
        live->unfinished, "pid", live->pid);
    add_totals(row, live->functions);
    return row;
}

json_t *reeve_report_make_jobs(const struct reeve_report *report, const json_t *answers)
{
    struct reeve_map64 lives;
    json_t *list = json_array();
    lives_init(&lives, report, answers);
    for (size_t i = 0; i < report->jobs.count; i++) {
        const struct reeve_head_job *job = reeve_fifo_at(&report->jobs, i);
        const struct live *live = reeve_map64_get(&lives, job->id);
        if (live)
            json_array_append_new(list, job_row(job, live));
    }
    reeve_map64_fini_values(&lives);
    return json_pack("{s:o}", "jobs", list);
}

/* Adds `count` to the number under `key`. */
static void sum_add(json_t *sums, const char *key, json_int_t count)
{
    json_object_set_new(
        sums, key, json_integer(json_integer_value(json_object_get(sums, key)) + count));
}

/* What is in no ring yet waits in its owner: for arguments, or for a lease; the scheduler knows why
 * there is none. */
static json_t *waiting(const struct reeve_report *report, const json_t *result)
{
    json_t *list = json_array(), *in_rings = json_object();
    struct reeve_map64 whys; /* by process */
    const struct reeve_fifo *demands = &report->snapshot.rows[REEVE_SNAPSHOT_DEMANDS];
    const json_t *item;
    size_t i;
    reeve_map64_init(&whys);
    for (i = 0; i < demands->count; i++) {
        struct reeve_snapshot_demand *demand = reeve_fifo_at(demands, i);
        if (*demand->why)
            (void)reeve_map64_put(&whys, demand->info.process, demand->why, NULL);
    }
    json_array_foreach(json_object_get(result, "running"), i, item)
        sum_add(in_rings, text_of(item, "owner"), 1);
    json_array_foreach(json_object_get(result, "queued"), i, item) sum_add(
        in_rings, text_of(item, "owner"), json_integer_value(json_object_get(item, "count")));
    json_array_foreach(json_object_get(result, "processes"), i, item)
    {
        const char *process = text_of(item, "process");
        const char *why = reeve_map64_get(&whys, strtoull(process, NULL, 16));
        json_int_t count = json_integer_value(json_object_get(item, "unfinished")) -
                           json_integer_value(json_object_get(in_rings, process));
        if (count > 0)
            json_array_append_new(list,
                json_pack("{s:s, s:s, s:I, s:I, s:s}", "process", process, "job",
                    text_of(item, "job"), "node", json_integer_value(json_object_get(item, "node")),
                    "count", count, "why",
                    why ? why : "for arguments that are not ready, or for room with a worker"));
    }
    json_decref(in_rings);
    reeve_map64_fini(&whys);
    return list;
}

static json_t *make_tasks(const struct reeve_report *report, json_t *answers)
{
    static const char *const lists[] = {"running", "queued", "processes", "failed"};
    json_t *result = reeve_report_make_jobs(report, answers);
    json_int_t left_out = 0, failed = 0;
    for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++)
        json_object_set_new(result, lists[l], json_array());
    const json_t *answer;
    size_t i;
    json_array_foreach(answers, i, answer)
    {
        for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++)
            json_array_extend(json_object_get(result, lists[l]), json_object_get(answer, lists[l]));
        left_out += json_integer_value(json_object_get(answer, "left_out"));
        failed += json_integer_value(json_object_get(answer, "failed_count"));
    }
    json_object_set_new(result, "waiting", waiting(report, result));
    json_object_del(result, "processes");
    json_object_set_new(result, "failed_count", json_integer(failed));
    json_object_set_new(result, "left_out", json_integer(left_out));
    return result;
}

static json_t *make_jobs(const struct reeve_report *report, json_t *answers)
{
    return reeve_report_make_jobs(report, answers);
}

static json_t *make_timeline(const struct reeve_report *report, json_t *answers)
{
    json_t *result = reeve_report_make_jobs(report, NULL);
    json_object_set(result, "nodes", answers);
    json_object_set_new(result, "now_ns", json_integer((json_int_t)reeve_clock_monotonic_ns()));
    json_object_set_new(
        result, "now_ms", json_integer((json_int_t)reeve_clock_realtime_ns() / 1000000));
    return result;
}

const struct reeve_report_kind reeve_report_tasks = {.method = "node.tasks",
    .tables = REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_JOBS) | REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_DEMANDS),
    .jobs = true,
    .make = make_tasks};

const struct reeve_report_kind reeve_report_jobs = {.method = "node.tasks",
    .tables = REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_JOBS),
    .jobs = true,
    .make = make_jobs};

const struct reeve_report_kind reeve_report_timeline = {.method = "node.timeline",
    .tables = REEVE_SNAPSHOT_BIT(REEVE_SNAPSHOT_JOBS),
    .jobs = true,
    .make = make_timeline};

void reeve_head_jobs_fini(struct reeve_head *head)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&head->jobs, &at, NULL, &value))
        json_decref(((struct reeve_head_job *)value)->functions);
    reeve_map64_fini_values(&head->jobs);
}
