/* A call that the main thread has claimed, from the ring to its answer. */
#include <stdio.h>

#include "api/client/actor.h"
#include "api/client/error.h"
#include "api/client/registry.h"
#include "runtime/base/macros.h"
#include "runtime/worker/answer.h"
#include "runtime/worker/context.h"
#include "runtime/worker/history.h"
#include "runtime/worker/jobs.h"
#include "runtime/worker/refusal.h"
#include "runtime/worker/stop.h"
#include "runtime/worker/worker_internal.h"
#include "runtime/worker/yield.h"

/* What the daemon sees of the outermost task: stores to a line that is ours anyway. */
static void facts_begin(struct reeve_doorbell *facts, const struct reeve_entry_view *view)
{
    uint64_t begun = atomic_load_explicit(&facts->tasks_begun, memory_order_relaxed);
    atomic_store_explicit(&facts->current_task, view->task, memory_order_relaxed);
    atomic_store_explicit(&facts->current_attempt, view->attempt, memory_order_relaxed);
    atomic_store_explicit(&facts->tasks_begun, begun + 1, memory_order_relaxed);
}

static void facts_end(struct reeve_doorbell *facts)
{
    uint64_t begun = atomic_load_explicit(&facts->tasks_begun, memory_order_relaxed);
    atomic_store_explicit(&facts->tasks_ended, begun, memory_order_relaxed);
}

/* Whether or not it could be made. */
static void actor_came(const void *arguments, size_t size, uint32_t latest)
{
    reeve_actor actor;
    if (!reeve_actor_read(arguments, size, &actor))
        return;
    reeve_actors_set_latest(&actor);
    actor.number = latest;
    reeve_actors_set_latest(&actor);
}

/* A call of an actor comes by another way than its constructor, when it is not its owner's: it may
 * be here before. An owner has its actors made in the order of their numbers. And an actor's own
 * threads may have enough to do. */
bool worker_call_is_early(
    const struct reeve_cluster_channel *channel, const struct reeve_entry_view *view)
{
    struct reeve_entry_parts parts;
    reeve_actor actor;
    if (channel->owner == channel->peer && !reeve_jobs_pools)
        return false;
    if (!reeve_entry_split(view->payload, view->length, view->references, view->flags, &parts) ||
        !reeve_actor_read(parts.value, parts.value_size, &actor) || actor.owner != channel->owner)
        return false;
    return (channel->owner != channel->peer &&
               REEVE_ACTOR_NUMBER(&actor) > reeve_actors_latest(actor.owner)) ||
           (reeve_jobs_pools && reeve_jobs_hold(view, &parts));
}

void worker_call_run(struct reeve_cluster *cluster, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view)
{
    struct reeve_entry_parts parts;
    struct execution execution;
    const struct reeve_function *function = reeve_registry_at(view->function);
    int role = function != NULL ? function->role : REEVE_ROLE_NONE;
    uint32_t actor_latest = 0;
    reeve_actor ending;
    if (!reeve_entry_split(view->payload, view->length, view->references, view->flags, &parts)) {
        struct reeve_error_info error = {.message = "the call reached the worker malformed"};
        size_t size = answer_error_pack(&error, worker_self.scratch, cluster->inline_size);
        answer(channel, NULL, view, REEVE_EPROTOCOL, NULL, worker_self.scratch, size);
        return;
    }
    if (REEVE_UNLIKELY(reeve_jobs_pools) && role == REEVE_ROLE_METHOD &&
        reeve_jobs_take(channel, view, &parts))
        return;
    execution_init(
        &execution, cluster, view->function, parts.value, parts.value_size, worker_self.scratch);
    execution.references = parts.references;
    execution.reference_count = view->references;
    execution.invocation.id = (struct reeve_object_id){channel->peer, view->task};
    execution.heir = channel->peer;
    execution.invocation.attempt = view->attempt;
    execution.invocation.parent = parts.parent;
    if (REEVE_UNLIKELY(parts.lent != NULL))
        execution.code =
            reeve_handover_borrow(cluster, &parts, channel->lease, &execution.invocation);
    worker_self.channel = channel;
    worker_self.view = *view;
    worker_self.alone = view->flags & REEVE_ENTRY_ALONE;
    if (REEVE_UNLIKELY(role == REEVE_ROLE_NEW)) {
        size_t size = reeve_codec_skip(parts.value, parts.value_size);
        bool restores = size != 0 && size < parts.value_size;
        execution.invocation.args_size = restores ? size : parts.value_size;
        reeve_actors_set_next(view->attempt - 1, /* attempts are counted from 1 */
            restores ? parts.value + size : NULL, parts.value_size - size);
        actor_latest = parts.timeout_ms;
        parts.timeout_ms = 0;
    }
    bool ends = REEVE_UNLIKELY(reeve_jobs_any) && role == REEVE_ROLE_END &&
                reeve_actor_read(parts.value, parts.value_size, &ending);
    execution.channel = channel;
    execution.view = view;
    execution.timeout_ms = parts.timeout_ms;
    reeve_cluster_task_begin(cluster);
    reeve_stop_begin(channel->lease, view->task, view->attempt, view->function, parts.timeout_ms);
    facts_begin(cluster->bell, view);
    execution_run(&execution, view->function, &reeve_pace_outer);
    int reason = reeve_stop_end();
    if (REEVE_UNLIKELY(worker_self.yields)) {
        worker_self.yields = false;
        reeve_worker_yield_end();
    }
    if (REEVE_UNLIKELY(reason != 0))
        execution.code = execution_stopped(&execution, reason, parts.timeout_ms);
    if (REEVE_UNLIKELY(execution.job != NULL)) {
        facts_end(cluster->bell);
        bool resume_later = reeve_cluster_task_end(cluster);
        reeve_jobs_returned(&execution, worker_self.scratch);
        if (resume_later)
            reeve_cluster_loop_resume(cluster);
        return;
    }
    int status = execution_settle(&execution, view->function, worker_self.scratch);
    bool refused = reeve_refusal_begins(channel, &execution, status);
    facts_end(cluster->bell);
    if (REEVE_UNLIKELY(execution_concerns_others(&execution)))
        execution_futures_settle(channel, view, &execution);
    bool resume = reeve_cluster_task_end(cluster);
    execution_answer(&execution, channel, view, status, worker_self.scratch);
    if (REEVE_UNLIKELY(role == REEVE_ROLE_NEW) && !refused)
        actor_came(parts.value, parts.value_size, actor_latest);
    execution_fini(&execution);
    if (REEVE_UNLIKELY(ends))
        reeve_jobs_actor_ended(&ending);
    if (REEVE_UNLIKELY(resume)) /* after the answer: it may take a moment */
        reeve_cluster_loop_resume(cluster);
}

/* ---- for others ------------------------------------------------------------------------------ */

/* The background thread's answer to the claimed entry, while that does not go on. */
void worker_answer_stopped(
    int status, const char *format, const char *function, uint32_t timeout_ms)
{
    struct reeve_error_info error = {0};
    uint8_t bytes[1024];
    snprintf(error.message, sizeof(error.message), format, function, timeout_ms);
    size_t size = answer_error_pack(&error, bytes, sizeof(bytes));
    answer_failure_tell(worker_self.cluster, status, worker_self.view.function,
        (struct reeve_object_id){worker_self.channel->peer, worker_self.view.task}, error.message);
    facts_end(worker_self.cluster->bell); /* its death is no failure of its own */
    /* as a job's: the main thread and others may be writing, too */
    struct job job = {.slot_done = false};
    answer(worker_self.channel, &job, &worker_self.view, status, NULL, bytes, size);
}

/* The claimed entry's function gives an item: nothing else that runs here is a stream. */
int worker_yield(struct reeve_cluster *cluster, size_t size, reeve_pack_item *pack,
    const void *item, struct reeve_error_info *error)
{
    worker_self.yields = true;
    return reeve_worker_yield(
        cluster, worker_self.channel, &worker_self.view, size, pack, item, error);
}

void worker_context(
    struct reeve_backend *backend, const struct reeve_invocation *invocation, reeve_context *ret)
{
    const struct execution *execution = invocation->context;
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    if (execution->beside)
        reeve_worker_context(cluster, invocation, execution->job->cpu_milli,
            reeve_jobs_time_left_ms(execution->job), ret);
    else
        reeve_worker_context(
            cluster, invocation, worker_self.channel->cpu_milli, reeve_stop_time_left_ms(), ret);
}
