/* One job, from its making to its last user. See jobs.h. */
#include <stdlib.h>

#include "api/client/registry.h"
#include "runtime/base/macros.h"
#include "runtime/worker/jobs_internal.h"
#include "runtime/worker/yield.h"

#define SPARE_MAX 256

/* Calls without a copy of their arguments, each made by the main thread and left by another: malloc
 * would carry the memory back from thread to thread under a lock of its own. */
static struct {
    struct reeve_list list; /* by `node` */
    uint32_t count;
} spare = {.list = {&spare.list, &spare.list}};

static void job_fill(struct job *job, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, uint32_t timeout_ms)
{
    *job = (struct job){.users = 1,
        .channel = channel,
        .lease = channel->lease,
        .peer = channel->peer,
        .cpu_milli = channel->cpu_milli,
        .timeout_ms = timeout_ms,
        .deadline_ns = UINT64_MAX,
        .view = *view};
    if (timeout_ms != 0)
        job->deadline_ns = reeve_cluster_now_ns() + (uint64_t)timeout_ms * 1000000u;
    reeve_list_init(&job->node);
    reeve_list_init(&job->queue_node);
}

struct job *reeve_job_new(struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, size_t size, uint32_t timeout_ms)
{
    struct job *job = malloc(sizeof(*job) + size);
    if (job != NULL)
        job_fill(job, channel, view, timeout_ms);
    return job;
}

struct job *reeve_job_bare(
    struct reeve_cluster_channel *channel, const struct reeve_entry_view *view, uint32_t timeout_ms)
{
    struct reeve_list *node = reeve_list_pop_front(&spare.list);
    struct job *job =
        node != NULL ? REEVE_LIST_ENTRY(node, struct job, node) : malloc(sizeof(*job));
    spare.count -= node != NULL;
    if (job != NULL)
        job_fill(job, channel, view, timeout_ms);
    return job;
}

/* With the lock. Where its time is limited, the background thread is told after. */
void reeve_job_add(struct job *job)
{
    reeve_list_push_back(&reeve_jobs.all, &job->node);
    if (job->deadline_ns < atomic_load(&reeve_jobs.cluster->beside_deadline_ns))
        atomic_store(&reeve_jobs.cluster->beside_deadline_ns, job->deadline_ns);
}

/* With the lock. */
void reeve_job_leave(struct job *job)
{
    if (--job->users != 0)
        return;
    reeve_list_remove(&job->node);
    if (job->pool != NULL || spare.count == SPARE_MAX) {
        free(job);
        return;
    }
    reeve_list_push_front(&spare.list, &job->node);
    spare.count++;
}

/* With the lock: nobody else answers it from now on. */
void reeve_job_answered(struct job *job)
{
    job->answered = true;
    if (job->token == 0)
        return;
    reeve_map64_remove(&reeve_jobs.tokens, job->token);
    reeve_jobs_count_later();
}

void reeve_jobs_count_later(void)
{
    atomic_store_explicit(
        &reeve_jobs.later, (uint32_t)reeve_map64_count(&reeve_jobs.tokens), memory_order_relaxed);
}

/* With the lock: the right to answer it, and with it a use of it, until job_leave. */
bool reeve_job_take(struct job *job)
{
    if (job->answered)
        return false;
    reeve_job_answered(job);
    if (job->state == JOB_RUNNING) /* else there is nobody who uses it */
        job->users++;
    if (job->state == JOB_QUEUED) {
        reeve_list_remove(&job->queue_node);
        job->group->queued--;
        job->pool->queued--;
    }
    return true;
}

const char *reeve_job_function_name(const struct job *job)
{
    const struct reeve_function *function = reeve_registry_at(job->view.function);
    return function != NULL ? function->name : "the method";
}

void reeve_job_execution(struct execution *execution, struct job *job, uint8_t *scratch)
{
    struct reeve_entry_parts parts = {0};
    if (job->pool != NULL)
        (void)reeve_entry_split(
            job->view.payload, job->view.length, job->view.references, job->view.flags, &parts);
    execution_init(
        execution, reeve_jobs.cluster, job->view.function, parts.value, parts.value_size, scratch);
    execution->beside = true;
    execution->job = job;
    execution->invocation.id = (struct reeve_object_id){job->peer, job->view.task};
    execution->invocation.attempt = job->view.attempt;
    execution->invocation.parent = parts.parent;
    execution->heir = job->peer;
    execution->timeout_ms = job->timeout_ms;
}

/* Its slot is no use to anybody. Over a bridge the daemons go by it: there it stays. */
void reeve_job_slot_give_back(struct job *job)
{
    if (reeve_process_node(job->peer) != reeve_jobs.cluster->node)
        return;
    reeve_worker_publish_begin();
    if (!job->gone && !job->slot_done)
        reeve_ring_done(&job->channel->channel.calls, job->view.position);
    job->slot_done = true;
    reeve_worker_publish_end();
}

/* Unless somebody has answered it: its time is up, say. */
static void answer_now(struct job *job, struct execution *execution, uint8_t *scratch)
{
    pthread_mutex_lock(&reeve_jobs.lock);
    bool mine = !job->answered;
    if (mine)
        reeve_job_answered(job);
    pthread_mutex_unlock(&reeve_jobs.lock);
    if (mine)
        execution_finish(execution, job->channel, &job->view, scratch);
    else
        execution_drop(execution);
}

/* The method has returned: it is answered, now or later. */
void reeve_job_returned(struct job *job, struct execution *execution, uint8_t *scratch)
{
    bool later = job->later && execution->code == 0; /* which this very thread has said */
    if (later) {
        execution_drop(execution);
        reeve_job_slot_give_back(job);
    } else {
        answer_now(job, execution, scratch);
    }
    pthread_mutex_lock(&reeve_jobs.lock);
    if (later && !job->answered)
        job->state = JOB_LATER; /* whoever takes it has it then */
    else
        reeve_job_leave(job);
    pthread_mutex_unlock(&reeve_jobs.lock);
}
