/* The node core's worker processes.
 *
 * A job's workers that are starting count towards its waiting leases, so that a lease never
 * starts a second process where a spare is on its way. Idle workers are used latest first (their
 * caches are warm) and retired longest idle first. A worker that still owns leases or wants some
 * is not retired: it has futures whose tasks run elsewhere. One that has futures at all, which a
 * thread that a task has left behind may yet look at, is not retired for its idleness, only for the
 * sake of a job that would get no process otherwise: a program that forgets to release a future
 * would keep processes for ever. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/macros.h"
#include "runtime/node/node_internal.h"

static void spawn(struct reeve_node *node, struct node_job *job)
{
    struct node_process *worker = node_alloc(sizeof *worker);
    worker->serial = node->next_serial++;
    worker->state = PROCESS_STARTING;
    worker->job = job;
    worker->timer.kind = TIMER_PROCESS;
    reeve_list_init(&worker->idle_link);
    reeve_list_init(&worker->held);
    reeve_list_init(&worker->names);
    reeve_list_push_back(&job->workers, &worker->job_link);
    job->starting_count++;
    node->workers_count++;
    node_map_put(&node->processes, worker->serial, worker);
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_SPAWN);
    command->serial = worker->serial;
    command->job = job->id;
    memcpy(command->program, job->program, sizeof command->program);
}

/* Takes the worker out of whatever its state counts it in. */
static void leave_state(struct reeve_node *node, struct node_process *worker)
{
    node_timer_stop(node, &worker->timer);
    if (worker->state == PROCESS_STARTING)
        worker->job->starting_count--;
    if (worker->state == PROCESS_IDLE) {
        worker->job->idle_count--;
        reeve_list_remove(&worker->idle_link);
    }
}

static void retire(struct reeve_node *node, struct node_process *worker)
{
    leave_state(node, worker);
    worker->state = PROCESS_RETIRING;
    node_timer_set(node, &worker->timer, node->now_ns + node->config.retire_grace_ns);
    node_emit(node, REEVE_NODE_COMMAND_RETIRE)->serial = worker->serial;
}

void node_worker_kill(struct reeve_node *node, struct node_process *worker)
{
    if (worker->state == PROCESS_KILLED)
        return;
    leave_state(node, worker);
    worker->state = PROCESS_KILLED;
    node_emit(node, REEVE_NODE_COMMAND_KILL)->serial = worker->serial;
}

static bool owns_work(const struct node_process *worker)
{
    if (!reeve_list_is_empty(&worker->held))
        return true;
    for (uint32_t i = 0; i < worker->want_count; i++) {
        if (worker->wants[i].count > 0)
            return true;
    }
    return false;
}

/* The worker of the job that has been idle longest and owns nothing (or, with_futures, no work). */
static struct node_process *longest_idle(const struct node_job *job, bool with_futures)
{
    REEVE_LIST_EACH(link, &job->idle)
    {
        struct node_process *worker = REEVE_LIST_ENTRY(link, struct node_process, idle_link);
        if (!owns_work(worker) && (with_futures || !worker->owns))
            return worker;
    }
    return NULL;
}

/* The worker of another job that is to make room for this one. */
static struct node_process *evict_whom(
    struct reeve_node *node, const struct node_job *for_job, bool with_futures)
{
    struct node_process *victim = NULL;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->jobs, &at, NULL, &value)) {
        if (value == for_job)
            continue;
        struct node_process *idle = longest_idle(value, with_futures);
        if (idle != NULL && (victim == NULL || idle->idle_since_ns < victim->idle_since_ns))
            victim = idle;
    }
    return victim;
}

/* Retires an idle worker of another job for the sake of this one. */
static bool evict(struct reeve_node *node, const struct node_job *for_job)
{
    struct node_process *victim = evict_whom(node, for_job, false);
    if (victim == NULL)
        victim = evict_whom(node, for_job, true);
    if (victim == NULL)
        return false;
    retire(node, victim);
    return true;
}

static bool some_are_ending(const struct reeve_node *node)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->processes, &at, NULL, &value)) {
        const struct node_process *process = value;
        if (process->state == PROCESS_RETIRING || process->state == PROCESS_KILLED)
            return true;
    }
    return false;
}

bool node_worker_room(struct reeve_node *node, const struct node_job *job)
{
    if (job->idle_count + job->starting_count > job->waiting_count ||
        node->workers_count < node->config.process_limit)
        return true;
    return evict(node, job) || some_are_ending(node);
}

void node_workers_feed(struct reeve_node *node, struct node_job *job)
{
    while (job->waiting_count > 0 && job->idle_count > 0) {
        struct node_lease *lease =
            REEVE_LIST_ENTRY(reeve_list_first(&job->waiting), struct node_lease, waiting_link);
        struct node_process *worker =
            REEVE_LIST_ENTRY(reeve_list_last(&job->idle), struct node_process, idle_link);
        leave_state(node, worker);
        worker->state = PROCESS_LEASED;
        node_lease_open(node, lease, worker);
    }
    while (!job->ended && job->starting_count < job->waiting_count) {
        if (node->workers_count >= node->config.process_limit) {
            if (!some_are_ending(node))
                evict(node, job);
            return; /* it is fed again when one of those that are ending has ended */
        }
        spawn(node, job);
    }
}

void node_workers_warm(struct reeve_node *node, struct node_job *job)
{
    if (node->draining || job->ended)
        return;
    while (job->starting_count + job->idle_count < node->config.warm_limit &&
           node->workers_count < node->config.process_limit)
        spawn(node, job);
}

/* Others may have been waiting for a process to end. */
static void feed_all(struct reeve_node *node)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->jobs, &at, NULL, &value)) {
        if (((struct node_job *)value)->waiting_count > 0)
            node_workers_feed(node, value);
    }
}

static void become_idle(struct reeve_node *node, struct node_process *worker)
{
    struct node_job *job = worker->job;
    worker->state = PROCESS_IDLE;
    worker->idle_since_ns = node->now_ns;
    reeve_list_push_back(&job->idle, &worker->idle_link);
    job->idle_count++;
    node_workers_feed(node, job);
    if (job->idle_count > REEVE_MAX(node->config.warm_limit, node->config.cpu_milli / 1000)) {
        struct node_process *oldest = longest_idle(job, false);
        if (oldest != NULL)
            retire(node, oldest);
    }
    if (job->idle_count > node->config.warm_limit && !reeve_heap_contains(&job->timer.heap))
        node_timer_set(node, &job->timer, node->now_ns + node->config.idle_ns);
}

void node_job_timer(struct reeve_node *node, struct node_job *job)
{
    struct node_process *oldest;
    while (job->idle_count > node->config.warm_limit &&
           (oldest = longest_idle(job, false)) != NULL &&
           oldest->idle_since_ns + node->config.idle_ns <= node->now_ns)
        retire(node, oldest);
    if (job->idle_count <= node->config.warm_limit)
        return;
    oldest = longest_idle(job, false);
    node_timer_set(node, &job->timer,
        (oldest != NULL ? oldest->idle_since_ns : node->now_ns) + node->config.idle_ns);
}

void node_worker_release(struct reeve_node *node, struct node_process *worker)
{
    REEVE_ASSERT(worker->state == PROCESS_LEASED && worker->lease == NULL);
    become_idle(node, worker);
}

void node_worker_started(struct reeve_node *node, struct node_process *worker)
{
    if (worker == NULL || worker->state != PROCESS_STARTING) {
        node->stale++;
        return;
    }
    node_timer_set(node, &worker->timer, node->now_ns + node->config.start_timeout_ns);
}

/* The job's program does not run here. Who waits is told; who comes soon after is told without
 * another try. */
static void program_failed(
    struct reeve_node *node, struct node_job *job, int32_t code, const char *text)
{
    job->failed_until_ns = node->now_ns + node->config.program_backoff_ns;
    job->failed_code = code;
    node_set_text(job->failed_text, "node %u (%s): %s", node->number, node->config.host, text);
    job->start_failures = 0;
    REEVE_LIST_EACH_SAFE(link, &job->waiting)
    {
        node_lease_fail(
            node, REEVE_LIST_ENTRY(link, struct node_lease, waiting_link), code, job->failed_text);
    }
}

void node_worker_hello(struct reeve_node *node, const struct reeve_node_event *event)
{
    struct node_process *worker = node_process_get(node, event->serial);
    if (worker == NULL || worker->state != PROCESS_STARTING) {
        node->stale++;
        return;
    }
    struct node_job *job = worker->job;
    if (event->code != REEVE_OK) {
        node_worker_kill(node, worker);
        program_failed(node, job, event->code, event->text);
        return;
    }
    job->start_failures = 0;
    job->failed_until_ns = 0;
    node_emit(node, REEVE_NODE_COMMAND_WORKER_WELCOME)->serial = worker->serial;
    leave_state(node, worker);
    become_idle(node, worker);
}

static void start_failed(
    struct reeve_node *node, struct node_job *job, int32_t code, const char *text)
{
    if (code == REEVE_EPROGRAM || code == REEVE_EMISMATCH ||
        ++job->start_failures >= REEVE_NODE_START_TRIES)
        program_failed(node, job, code == REEVE_EMISMATCH ? code : REEVE_EPROGRAM, text);
}

void node_worker_exited(struct reeve_node *node, const struct reeve_node_event *event)
{
    struct node_process *worker = node_process_get(node, event->serial);
    if (worker == NULL || worker->state == PROCESS_DRIVER) {
        node->stale++;
        return;
    }
    struct node_job *job = worker->job;
    bool was_starting = worker->state == PROCESS_STARTING;
    leave_state(node, worker);
    node_client_forget(node, worker);
    reeve_list_remove(&worker->job_link);
    reeve_map64_remove(&node->processes, worker->serial);
    node->workers_count--;
    if (worker->lease != NULL)
        node_lease_worker_died(node, worker->lease, event);
    free(worker);
    if (was_starting && !job->ended)
        start_failed(node, job, event->code, event->text);
    if (job->ended)
        node_job_reap(node, job);
    feed_all(node);
}

void node_worker_socket_gone(struct reeve_node *node, struct node_process *worker, int32_t code)
{
    if (worker->state == PROCESS_RETIRING || worker->state == PROCESS_KILLED)
        return;
    if (code != REEVE_OK || worker->state == PROCESS_STARTING) {
        node_worker_kill(node, worker);
        return;
    }
    /* It is ending, by itself or by a crash: its exit status is worth a moment's wait. */
    leave_state(node, worker);
    worker->state = PROCESS_RETIRING;
    node_timer_set(node, &worker->timer, node->now_ns + REEVE_NODE_EXIT_PATIENCE_NS);
}

void node_worker_timer(struct reeve_node *node, struct node_process *worker)
{
    struct node_job *job = worker->job;
    bool too_late = worker->state == PROCESS_STARTING;
    node_worker_kill(node, worker);
    if (too_late) {
        char text[REEVE_TEXT_SIZE];
        node_set_text(text,
            "the program did not reach reeve_init within %llu s after it was started",
            (unsigned long long)(node->config.start_timeout_ns / 1000000000ull));
        program_failed(node, job, REEVE_EPROGRAM, text);
    }
}
