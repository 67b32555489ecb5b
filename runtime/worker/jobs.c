/* Calls that run beside the main thread, or are answered later: what the main thread does with
 * them, and the background thread. See jobs.h. */
#include "runtime/worker/jobs_internal.h"

#include <stdlib.h>
#include <string.h>

#include "api/client/error.h"
#include "api/client/registry.h"
#include "runtime/base/macros.h"
#include "runtime/worker/answer.h"
#include "runtime/worker/refusal.h"
#include "runtime/worker/stop.h"
#include "runtime/worker/yield.h"

/* A slot whose call is so far behind is given back, so that the ring does not stand still. */
#define SLOTS_BEHIND 512u

/* It is held for a moment: who finds it taken looks a few times more before it sleeps. */
struct reeve_jobs reeve_jobs = {.lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP};
bool reeve_jobs_any, reeve_jobs_pools;
_Atomic bool reeve_jobs_due;

/* ---- the main thread ------------------------------------------------------------------------- */

static void refuse(struct reeve_cluster_channel *channel, const struct reeve_entry_view *view,
    int code, const char *format, uint32_t number)
{
    struct reeve_error_info error = {.code = code};
    struct job job = {.channel = channel, .view = *view};
    reeve_error_set(&error, code, format, number);
    answer_error(&job, &error);
}

/* Every now and then: what is far behind would keep the ring from going on. */
static void slots_release(const struct reeve_cluster_channel *channel, uint64_t position)
{
    pthread_mutex_lock(&reeve_jobs.lock);
    REEVE_LIST_EACH(node, &reeve_jobs.all)
    {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, node);
        if (job->channel == channel && job->pool != NULL &&
            job->view.position + SLOTS_BEHIND <= position)
            reeve_job_slot_give_back(job);
    }
    pthread_mutex_unlock(&reeve_jobs.lock);
}

bool reeve_jobs_take(struct reeve_cluster_channel *channel, const struct reeve_entry_view *view,
    const struct reeve_entry_parts *parts)
{
    reeve_actor actor;
    if (!reeve_actor_read(parts->value, parts->value_size, &actor))
        return false;
    struct reeve_thread_pool *pool = reeve_actors_pool(&actor);
    if (pool == NULL)
        return false;
    struct group *group = reeve_thread_pool_group_of(pool, &actor, view->function);
    if (group == NULL) {
        refuse(channel, view, REEVE_EINVAL, "the actor has no group number %u (REEVE_GROUPS)",
            reeve_actor_group_of(&actor));
        return true;
    }
    if (REEVE_UNLIKELY(view->references != 0) &&
        reeve_refusal_of_job(reeve_jobs.cluster, channel, view, parts))
        return true;
    if (view->position % (SLOTS_BEHIND / 2) == 0)
        slots_release(channel, view->position);
    struct job *job = reeve_job_new(channel, view, view->length, parts->timeout_ms);
    if (job == NULL) {
        refuse(channel, view, REEVE_ENOMEM, "no memory for a call of %u bytes", view->length);
        return true;
    }
    job->pool = pool;
    job->hosted = pool->hosted;
    job->actor = actor;
    memcpy(job->payload, view->payload, view->length);
    job->view.payload = job->payload;
    pthread_mutex_lock(&reeve_jobs.lock);
    bool served = reeve_thread_pool_enqueue(job, group);
    if (!served)
        (void)reeve_job_take(job);
    pthread_mutex_unlock(&reeve_jobs.lock);
    if (parts->timeout_ms != 0)
        reeve_stop_wake_by(
            reeve_jobs.cluster, atomic_load(&reeve_jobs.cluster->beside_deadline_ns));
    if (served)
        return true;
    refuse(channel, view, REEVE_ESYSTEM, "no thread could be made for the method%.0u", 0);
    pthread_mutex_lock(&reeve_jobs.lock);
    reeve_job_leave(job);
    pthread_mutex_unlock(&reeve_jobs.lock);
    return true;
}

bool reeve_jobs_hold(const struct reeve_entry_view *view, const struct reeve_entry_parts *parts)
{
    const struct reeve_function *function = reeve_registry_at(view->function);
    reeve_actor actor;
    bool ends = function != NULL && function->role == REEVE_ROLE_END;
    if (function == NULL || (function->role != REEVE_ROLE_METHOD && !ends) ||
        !reeve_actor_read(parts->value, parts->value_size, &actor))
        return false;
    struct reeve_thread_pool *pool = reeve_actors_pool(&actor);
    struct group *group =
        pool != NULL ? reeve_thread_pool_group_of(pool, &actor, view->function) : NULL;
    if (group == NULL)
        return false;
    pthread_mutex_lock(&reeve_jobs.lock);
    bool hold = ends ? pool->running + pool->queued != 0 : group->queued >= REEVE_JOBS_AHEAD(group);
    if (hold && ends)
        pool->held = true;
    else if (hold)
        group->held = true;
    pthread_mutex_unlock(&reeve_jobs.lock);
    return hold;
}

void reeve_jobs_returned(struct execution *execution, uint8_t *scratch)
{
    reeve_job_returned(execution->job, execution, scratch);
}

/* Of a list of those that have been taken. */
static void answer_all(struct reeve_list *taken, void (*say)(struct job *))
{
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(taken)) != NULL) {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, queue_node);
        if (say != NULL)
            say(job);
        pthread_mutex_lock(&reeve_jobs.lock);
        reeve_job_leave(job);
        pthread_mutex_unlock(&reeve_jobs.lock);
    }
}

void reeve_jobs_channel_gone(const struct reeve_cluster_channel *channel)
{
    struct reeve_list taken;
    reeve_list_init(&taken);
    pthread_mutex_lock(&reeve_jobs.lock);
    reeve_worker_publish_begin();
    REEVE_LIST_EACH(node, &reeve_jobs.all)
    {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, node);
        if (job->channel != channel || job->lease != channel->lease)
            continue;
        job->gone = true;
        atomic_store(&job->asked, true); /* nobody wants it */
        if (reeve_job_take(job))
            reeve_list_push_back(&taken, &job->queue_node);
    }
    reeve_worker_publish_end();
    pthread_mutex_unlock(&reeve_jobs.lock);
    answer_all(&taken, NULL);
}

static void say_ended(struct job *job)
{
    struct reeve_error_info error = {.code = REEVE_EACTORDIED};
    reeve_error_set(&error, REEVE_EACTORDIED, "the actor has ended without answering %s",
        reeve_job_function_name(job));
    answer_error(job, &error);
}

void reeve_jobs_actor_ended(const reeve_actor *actor)
{
    struct reeve_list taken;
    reeve_list_init(&taken);
    pthread_mutex_lock(&reeve_jobs.lock);
    REEVE_LIST_EACH(node, &reeve_jobs.all)
    {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, node);
        if (job->actor.owner == actor->owner &&
            REEVE_ACTOR_NUMBER(&job->actor) == REEVE_ACTOR_NUMBER(actor) && reeve_job_take(job))
            reeve_list_push_back(&taken, &job->queue_node);
    }
    pthread_mutex_unlock(&reeve_jobs.lock);
    answer_all(&taken, say_ended);
}

static void say_stopped(struct job *job)
{
    struct reeve_error_info error = {.code = REEVE_ECANCELLED};
    if (job->cancelled)
        reeve_error_set(&error, REEVE_ECANCELLED, "cancelled before %s had answered",
            reeve_job_function_name(job));
    else
        reeve_error_set(&error, REEVE_ETASKTIMEOUT,
            "%s had no answer within its time limit of %u ms", reeve_job_function_name(job),
            job->timeout_ms);
    answer_error(job, &error);
}

void reeve_jobs_look(void)
{
    struct reeve_list taken;
    reeve_list_init(&taken);
    atomic_store(&reeve_jobs_due, false);
    uint64_t now_ns = reeve_cluster_now_ns(), next_ns = UINT64_MAX;
    pthread_mutex_lock(&reeve_jobs.lock);
    REEVE_LIST_EACH(node, &reeve_jobs.all)
    {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, node);
        bool expired = job->deadline_ns <= now_ns;
        if (job->answered)
            continue;
        if (expired)
            atomic_store(&job->asked, true);
        /* one that runs and was cancelled is answered when it returns */
        if ((expired || (job->cancelled && job->state != JOB_RUNNING)) && reeve_job_take(job))
            reeve_list_push_back(&taken, &job->queue_node);
        else
            next_ns = REEVE_MIN(next_ns, job->deadline_ns);
    }
    atomic_store(&reeve_jobs.cluster->beside_deadline_ns, next_ns);
    pthread_mutex_unlock(&reeve_jobs.lock);
    if (next_ns != UINT64_MAX)
        reeve_stop_wake_by(reeve_jobs.cluster, next_ns);
    answer_all(&taken, say_stopped);
}

int64_t reeve_jobs_time_left_ms(const struct job *job)
{
    uint64_t now_ns = reeve_cluster_now_ns();
    if (job->deadline_ns == UINT64_MAX)
        return REEVE_FOREVER;
    return job->deadline_ns > now_ns ? (int64_t)((job->deadline_ns - now_ns) / 1000000u) : 0;
}

/* ---- the background thread ------------------------------------------------------------------- */

/* The main thread holds back an entry that it may now take. */
void reeve_jobs_wake_main(void)
{
    struct reeve_cluster *cluster = reeve_jobs.cluster;
    reeve_lock(&cluster->lock);
    atomic_store(&cluster->attention, 1);
    (void)reeve_doorbell_ring(cluster->bell, -1);
    reeve_unlock(&cluster->lock);
}

bool reeve_jobs_cancel(const struct reeve_local_message *message)
{
    struct job *found = NULL;
    pthread_mutex_lock(&reeve_jobs.lock);
    REEVE_LIST_EACH(node, &reeve_jobs.all)
    {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, node);
        if (job->lease == message->lease && job->view.task == message->task &&
            job->view.attempt == message->count)
            found = job;
    }
    bool is_ours = found != NULL && (found->pool != NULL || found->state != JOB_RUNNING);
    if (is_ours && !found->answered && !found->cancelled) {
        found->cancelled = true;
        atomic_store(&found->asked, true);
        atomic_store(&reeve_jobs_due, true);
        atomic_store(&reeve_jobs.cluster->attention, 1);
        (void)reeve_doorbell_ring(reeve_jobs.cluster->bell, -1);
    }
    pthread_mutex_unlock(&reeve_jobs.lock);
    return is_ours;
}

void reeve_jobs_expire(void)
{
    uint64_t deadline_ns = atomic_load(&reeve_jobs.cluster->beside_deadline_ns);
    if (reeve_cluster_now_ns() < deadline_ns ||
        !atomic_compare_exchange_strong(
            &reeve_jobs.cluster->beside_deadline_ns, &deadline_ns, UINT64_MAX))
        return;
    atomic_store(&reeve_jobs_due, true);
    reeve_jobs_wake_main();
}

void reeve_jobs_init(struct reeve_cluster *cluster)
{
    static const struct reeve_thread_pools pools = {reeve_thread_pool_make, reeve_thread_pool_end};
    reeve_jobs.cluster = cluster;
    reeve_list_init(&reeve_jobs.all);
    reeve_map64_init(&reeve_jobs.tokens);
    reeve_actors_set_pools(&pools);
    cluster->backend.reply_later = reeve_jobs_reply_later;
    cluster->backend.reply = reeve_jobs_reply;
    cluster->backend.save = reeve_jobs_save;
}
