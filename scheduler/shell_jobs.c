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
#include "scheduler/shell.h"

#define JOBS_ENDED_MAX 200

struct job {
    struct reeve_list link;
    reeve_process_id id;
    char name[REEVE_TEXT_SIZE];
    char host[REEVE_HOST_SIZE];  /* of its driver */
    uint64_t began_ms, ended_ms; /* since 1970; ended 0: it lives */
    char why[REEVE_TEXT_SIZE];   /* it ended */
    json_t *functions;           /* name: [finished, failed] */
    double cpu_s;
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : ""; /* nodes of another release may not say it */
}

static uint64_t now_ms(void)
{
    return reeve_clock_realtime_ns() / REEVE_NS_PER_MS;
}

static void job_free(struct job *job)
{
    reeve_list_remove(&job->link);
    json_decref(job->functions);
    free(job);
}

static struct job *job_find(struct reeve_head *head, reeve_process_id id)
{
    for (struct reeve_list *node = head->jobs.prev; node != &head->jobs; node = node->prev) {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, link);
        if (job->id == id)
            return job;
    }
    return NULL;
}

static struct job *job_get(struct reeve_head *head, reeve_process_id id)
{
    struct job *job = job_find(head, id);
    if (job || !(job = calloc(1, sizeof(*job))))
        return job;
    job->id = id;
    job->began_ms = now_ms();
    job->functions = json_object();
    reeve_list_push_back(&head->jobs, &job->link);
    return job;
}

/* The oldest that has ended makes room. */
static void make_room(struct reeve_head *head)
{
    size_t ended = 0;
    REEVE_LIST_EACH(node, &head->jobs)
    ended += REEVE_LIST_ENTRY(node, struct job, link)->ended_ms != 0;
    REEVE_LIST_EACH_SAFE(node, &head->jobs)
    {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, link);
        if (ended <= JOBS_ENDED_MAX)
            return;
        if (job->ended_ms == 0)
            continue;
        job_free(job);
        ended--;
    }
}

void reeve_head_job_notice(struct reeve_head *head, const struct reeve_sched_command *command)
{
    const char *text = command->message.text;
    struct reeve_sched_node_info info;
    struct job *job = job_get(head, command->message.process);
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
    job->ended_ms = now_ms();
    make_room(head);
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
    struct job *job = job_find(head, strtoull(text_of(report, "job"), NULL, 16));
    if (!job)
        return;
    functions_add(job->functions, json_object_get(report, "functions"));
    job->cpu_s += json_number_value(json_object_get(report, "cpu_s"));
}

/* What the nodes have said of the job: counted, running, queued, and where its driver is. */
static void add_live(json_t *row, const json_t *answers, const char *id, json_t *functions)
{
    json_int_t running = 0, queued = 0, unfinished = 0, pid = 0;
    double cpu_s = json_number_value(json_object_get(row, "cpu_s"));
    const json_t *answer, *item;
    size_t i, k;
#define EACH_OF_JOB(key) \
    json_array_foreach(  \
        json_object_get(answer, key), k, item) if (strcmp(text_of(item, "job"), id) == 0)
    json_array_foreach(answers, i, answer)
    {
        EACH_OF_JOB("jobs")
        {
            functions_add(functions, json_object_get(item, "functions"));
            cpu_s += json_number_value(json_object_get(item, "cpu_s"));
        }
        EACH_OF_JOB("running") running++;
        EACH_OF_JOB("queued") queued += json_integer_value(json_object_get(item, "count"));
        EACH_OF_JOB("processes")
        {
            unfinished += json_integer_value(json_object_get(item, "unfinished"));
            if (json_is_true(json_object_get(item, "driver")))
                pid = json_integer_value(json_object_get(item, "pid"));
        }
    }
#undef EACH_OF_JOB
    json_object_set_new(row, "running", json_integer(running));
    json_object_set_new(row, "queued", json_integer(queued));
    json_object_set_new(row, "unfinished", json_integer(unfinished));
    json_object_set_new(row, "pid", json_integer(pid));
    json_object_set_new(row, "cpu_s", json_real(cpu_s));
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

json_t *reeve_head_jobs(struct reeve_head *head, json_t *answers)
{
    json_t *list = json_array();
    REEVE_LIST_EACH(node, &head->jobs)
    {
        const struct job *job = REEVE_LIST_ENTRY(node, struct job, link);
        struct reeve_sched_job_info info;
        uint64_t cursor = 0;
        char id[24];
        bool known = false;
        while (!known && reeve_sched_next_job(head->sched, &cursor, &info))
            known = info.job == job->id;
        if (!known)
            info = (struct reeve_sched_job_info){0};
        snprintf(id, sizeof(id), "%016" PRIx64, job->id);
        json_t *row = json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:f, s:f}",
            "job", id, "name", job->name, "node", (json_int_t)reeve_process_node(job->id), "host",
            job->host, "state",
            job->ended_ms   ? "ended"
            : info.presumed ? "presumed"
                            : "running",
            "started_ms", (json_int_t)job->began_ms, "ended_ms", (json_int_t)job->ended_ms, "why",
            job->why, "weight", (json_int_t)info.weight, "leases", (json_int_t)info.lease_count,
            "wanted", (json_int_t)info.wanted_count, "slots_used", (double)info.held_milli / 1000.0,
            "cpu_s", job->cpu_s);
        json_t *functions = json_deep_copy(job->functions);
        add_live(row, answers, id, functions);
        add_totals(row, functions);
        json_array_append_new(list, row);
    }
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
static json_t *waiting(struct reeve_head *head, const json_t *result)
{
    json_t *list = json_array(), *in_rings = json_object(), *whys = json_object();
    json_t *demands = reeve_head_demands(head);
    const json_t *item;
    size_t i;
    json_array_foreach(json_object_get(result, "running"), i, item)
        sum_add(in_rings, text_of(item, "owner"), 1);
    json_array_foreach(json_object_get(result, "queued"), i, item) sum_add(
        in_rings, text_of(item, "owner"), json_integer_value(json_object_get(item, "count")));
    json_array_foreach(demands, i, item)
    {
        if (*text_of(item, "why"))
            json_object_set(whys, text_of(item, "process"), json_object_get(item, "why"));
    }
    json_array_foreach(json_object_get(result, "processes"), i, item)
    {
        const char *process = text_of(item, "process");
        const char *why = json_string_value(json_object_get(whys, process));
        json_int_t count = json_integer_value(json_object_get(item, "unfinished")) -
                           json_integer_value(json_object_get(in_rings, process));
        if (count > 0)
            json_array_append_new(list,
                json_pack("{s:s, s:s, s:I, s:I, s:s}", "process", process, "job",
                    text_of(item, "job"), "node", json_integer_value(json_object_get(item, "node")),
                    "count", count, "why",
                    why ? why : "for arguments that are not ready, or for room with a worker"));
    }
    json_decref(demands);
    json_decref(in_rings);
    json_decref(whys);
    return list;
}

json_t *reeve_head_tasks(struct reeve_head *head, json_t *answers)
{
    static const char *const lists[] = {"running", "queued", "processes", "failed"};
    json_t *result = reeve_head_jobs(head, answers);
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
    json_object_set_new(result, "waiting", waiting(head, result));
    json_object_del(result, "processes");
    json_object_set_new(result, "failed_count", json_integer(failed));
    json_object_set_new(result, "left_out", json_integer(left_out));
    return result;
}

json_t *reeve_head_timeline(struct reeve_head *head, json_t *answers)
{
    json_t *nobody = json_array(), *result = reeve_head_jobs(head, nobody);
    json_decref(nobody);
    json_object_set(result, "nodes", answers);
    json_object_set_new(result, "now_ns", json_integer((json_int_t)reeve_clock_monotonic_ns()));
    json_object_set_new(
        result, "now_ms", json_integer((json_int_t)reeve_clock_realtime_ns() / 1000000));
    return result;
}

void reeve_head_jobs_fini(struct reeve_head *head)
{
    while (!reeve_list_is_empty(&head->jobs))
        job_free(REEVE_LIST_ENTRY(head->jobs.next, struct job, link));
}
