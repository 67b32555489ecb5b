/* The threads of actors that run several methods at a time. See jobs.h. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "api/client/error.h"
#include "api/client/registry.h"
#include "api/client/running.h"
#include "runtime/base/macros.h"
#include "runtime/channel/stamp.h"
#include "runtime/worker/answer.h"
#include "runtime/worker/handover.h"
#include "runtime/worker/history.h"
#include "runtime/worker/jobs_internal.h"
#include "runtime/worker/output.h"

#define LOOKS 32 /* of a thread that has nothing to do, before it sleeps */

static void pool_free(struct reeve_thread_pool *pool)
{
    for (uint32_t i = 0; i < pool->group_count; i++)
        pthread_cond_destroy(&pool->groups[i].work);
    reeve_hosted_free(pool->hosted);
    free(pool);
}

struct reeve_thread_pool *reeve_thread_pool_make(
    struct reeve_hosted *hosted, uint32_t concurrency, const struct reeve_actor_groups *groups)
{
    uint32_t count = 1 + (groups != NULL ? REEVE_MIN(groups->count, REEVE_GROUPS_MAX) : 0);
    struct reeve_thread_pool *pool = calloc(1, sizeof(*pool) + count * sizeof(*pool->groups));
    if (pool == NULL)
        return NULL;
    pool->hosted = hosted;
    pool->group_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct group *group = &pool->groups[i];
        reeve_list_init(&group->queue);
        pthread_cond_init(&group->work, NULL);
        group->pool = pool;
        group->limit = i == 0 ? REEVE_MAX(concurrency, 1u) : groups->groups[i - 1].threads;
    }
    reeve_jobs_any = reeve_jobs_pools = true;
    return pool;
}

/* The main thread. Nothing of it runs when it has ended by itself; but something may when its owner
 * has gone, and then nobody is there to hear of what is queued. */
void reeve_thread_pool_end(struct reeve_thread_pool *pool)
{
    pthread_mutex_lock(&reeve_jobs.lock);
    pool->ended = true;
    bool is_last = pool->threads == 0;
    for (uint32_t i = 0; i < pool->group_count; i++) {
        struct group *group = &pool->groups[i];
        while (!reeve_list_is_empty(&group->queue)) {
            struct job *job =
                REEVE_LIST_ENTRY(reeve_list_first(&group->queue), struct job, queue_node);
            (void)reeve_job_take(job);
            reeve_job_leave(job);
        }
        pthread_cond_broadcast(&group->work);
    }
    pthread_mutex_unlock(&reeve_jobs.lock);
    if (is_last)
        pool_free(pool);
}

/* The group that the call goes to; NULL: there is no such one. */
struct group *reeve_thread_pool_group_of(
    struct reeve_thread_pool *pool, const reeve_actor *actor, uint32_t function_index)
{
    const struct reeve_function *function = reeve_registry_at(function_index);
    uint32_t index = reeve_actor_group_of(actor);
    if (index == 0)
        index = function->group;
    else if (index == REEVE_GROUP_DEFAULT_)
        index = 0;
    return index < pool->group_count ? &pool->groups[index] : NULL;
}

/* ---- a thread -------------------------------------------------------------------------------- */

static void job_execute(struct job *job, struct execution *execution)
{
    struct reeve_entry_parts parts;
    struct reeve_cluster *cluster = reeve_jobs.cluster;
    (void)reeve_entry_split(
        job->view.payload, job->view.length, job->view.references, job->view.flags, &parts);
    execution->references = parts.references;
    execution->reference_count = job->view.references;
    if (parts.lent != NULL)
        execution->code =
            reeve_handover_borrow(cluster, &parts, job->lease, &execution->invocation);
    if (execution->code == 0) {
        atomic_store_explicit(
            &cluster->bell->current_function, job->view.function + 1, memory_order_relaxed);
        reeve_running_beside = &job->asked;
        reeve_actors_enter(job->hosted);
        uint64_t begin_ns = reeve_history_now_ns();
        execution->code = reeve_invoke(&execution->invocation);
        reeve_history_ended_beside(cluster, &execution->invocation, job->view.function, begin_ns,
            reeve_stamp_of(job->view.flags, job->view.status), execution->code);
        reeve_actors_leave();
        reeve_running_beside = NULL;
        reeve_worker_output_flush_shared(atomic_load(&reeve_jobs.running) == 1);
    }
    if (atomic_load(&job->asked))
        execution->code = reeve_error_set(&execution->invocation.error, REEVE_ECANCELLED,
            "%s stopped when asked to", reeve_job_function_name(job));
}

struct thread {
    struct group *group;
    uint8_t *scratch;
};

static void job_run(struct job *job, uint8_t *scratch)
{
    struct execution execution;
    reeve_job_execution(&execution, job, scratch);
    job_execute(job, &execution);
    reeve_job_returned(job, &execution, scratch);
}

static bool thread_make(struct group *group);

/* With the lock: one more that looks for what is queued. False: there is no thread to spare. */
static bool thread_wake(struct group *group)
{
    if (group->asleep == 0)
        return group->threads < group->limit && thread_make(group);
    group->asleep--;
    group->woken++;
    group->looking++;
    pthread_cond_signal(&group->work);
    return true;
}

/* With the lock, which it gives up meanwhile. */
static void look_around(struct group *group)
{
    pthread_mutex_unlock(&reeve_jobs.lock);
    for (int i = 0; i < LOOKS && atomic_load_explicit(&group->queued, memory_order_relaxed) == 0;
         i++)
        sched_yield();
    pthread_mutex_lock(&reeve_jobs.lock);
}

static void thread_sleep(struct group *group)
{
    group->looking--;
    group->asleep++;
    while (group->woken == 0 && !group->pool->ended)
        pthread_cond_wait(&group->work, &reeve_jobs.lock);
    if (group->woken != 0)
        group->woken--;
}

/* With the lock; the thread is one of those that look. The next call, or NULL: the actor has ended.
 *
 * To wake a thread costs more than a short call, so one is woken when nobody looks, by who has
 * queued a call, or has taken one and left others. Where calls are short a few threads do them all;
 * where they are long, each that comes to take one has woken the next. */
static struct job *job_await(struct group *group)
{
    if (reeve_list_is_empty(&group->queue) && group->looking == 1)
        look_around(group);
    while (reeve_list_is_empty(&group->queue) && !group->pool->ended)
        thread_sleep(group);
    group->looking--;
    struct reeve_list *node = reeve_list_pop_front(&group->queue);
    if (node == NULL)
        return NULL;
    group->queued--;
    group->pool->queued--;
    group->pool->running++;
    reeve_jobs.running++;
    struct job *job = REEVE_LIST_ENTRY(node, struct job, queue_node);
    job->state = JOB_RUNNING;
    if (!reeve_list_is_empty(&group->queue) && group->looking == 0)
        (void)thread_wake(group);
    return job;
}

/* With the lock. Whether the main thread waits for what has changed. */
static bool is_awaited(struct group *group)
{
    struct reeve_thread_pool *pool = group->pool;
    bool has_room = group->held && group->queued * 2 <= REEVE_JOBS_AHEAD(group);
    bool is_idle = pool->held && pool->running == 0 && pool->queued == 0;
    if (has_room)
        group->held = false;
    if (is_idle)
        pool->held = false;
    return has_room || is_idle;
}

static void *thread_main(void *arg)
{
    struct thread *thread = arg;
    struct group *group = thread->group;
    struct reeve_thread_pool *pool = group->pool;
    struct job *job;
    pthread_mutex_lock(&reeve_jobs.lock);
    while ((job = job_await(group)) != NULL) {
        bool wake = is_awaited(group);
        pthread_mutex_unlock(&reeve_jobs.lock);
        if (wake)
            reeve_jobs_wake_main();
        job_run(job, thread->scratch);
        pthread_mutex_lock(&reeve_jobs.lock);
        pool->running--;
        bool all = --reeve_jobs.running == 0;
        wake = is_awaited(group);
        pthread_mutex_unlock(&reeve_jobs.lock);
        if (all)
            atomic_store_explicit(
                &reeve_jobs.cluster->bell->current_function, 0, memory_order_relaxed);
        if (wake)
            reeve_jobs_wake_main();
        pthread_mutex_lock(&reeve_jobs.lock);
        group->looking++;
    }
    bool is_last = --pool->threads == 0;
    pthread_mutex_unlock(&reeve_jobs.lock);
    if (is_last)
        pool_free(pool);
    free(thread);
    return NULL;
}

/* With the lock. False: it could not be made. */
static bool thread_make(struct group *group)
{
    size_t size = REEVE_ALIGN_UP(sizeof(struct thread), (size_t)64);
    struct thread *thread = malloc(size + reeve_jobs.cluster->inline_size);
    pthread_attr_t attributes;
    pthread_t id;
    if (thread == NULL)
        return false;
    *thread = (struct thread){group, (uint8_t *)thread + size};
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool made = pthread_create(&id, &attributes, thread_main, thread) == 0;
    pthread_attr_destroy(&attributes);
    if (!made)
        free(thread);
    group->threads += made;
    group->looking += made;
    group->pool->threads += made;
    return made;
}

/* With the lock. False: there is no thread to run it. */
bool reeve_thread_pool_enqueue(struct job *job, struct group *group)
{
    job->group = group;
    reeve_job_add(job);
    reeve_list_push_back(&group->queue, &job->queue_node);
    group->queued++;
    group->pool->queued++;
    return group->looking != 0 || thread_wake(group) || group->threads != 0;
}
