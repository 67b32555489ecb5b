/* Calls that run beside the main thread, or are answered later. See jobs.h. */
#include "runtime/worker/jobs.h"
#include "runtime/worker/history.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/error.h"
#include "api/client/registry.h"
#include "api/client/running.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"
#include "runtime/worker/answer.h"
#include "runtime/worker/output.h"
#include "runtime/worker/stop.h"
#include "runtime/worker/yield.h"

/* A group has so many calls in front of it, beside what its threads run: enough that none of them
 * waits for the main thread, few enough that calls stay where a restart finds them. */
#define AHEAD(group) ((group)->limit * 2 + 16)
/* A slot whose call is so far behind is given back, so that the ring does not stand still. */
#define SLOTS_BEHIND 512u

struct group {
    struct reeve_list queue;
    pthread_cond_t work;
    struct reeve_pool *pool;
    uint32_t limit, threads, idle, queued;
    bool held; /* the main thread holds an entry back for it */
};

struct reeve_pool {
    struct reeve_hosted *hosted;
    uint32_t running, queued, threads;
    bool held;  /* the main thread holds the actor's end back */
    bool ended; /* its threads go, and the last one frees it all */
    uint32_t group_count;
    struct group groups[]; /* the first is of methods that are in none */
};

static struct {
    struct reeve_cluster *cluster;
    pthread_mutex_t lock;
    struct reeve_list all;
    struct reeve_map64 tokens; /* of those that are not answered */
    uint64_t token_last;
    _Atomic uint32_t running; /* in all pools */
} jobs = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool reeve_jobs_any;
_Atomic bool reeve_jobs_due;

/* ---- jobs ------------------------------------------------------------------------------------ */

static struct job *job_new(struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, size_t size, uint32_t timeout_ms)
{
    struct job *job = malloc(sizeof(*job) + size);
    if (job == NULL)
        return NULL;
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
    return job;
}

/* With the lock. Where its time is limited, the background thread is told after. */
static void job_add(struct job *job)
{
    reeve_list_push_back(&jobs.all, &job->node);
    if (job->deadline_ns < atomic_load(&jobs.cluster->beside_deadline_ns))
        atomic_store(&jobs.cluster->beside_deadline_ns, job->deadline_ns);
}

/* With the lock. */
static void job_leave(struct job *job)
{
    if (--job->users != 0)
        return;
    reeve_list_remove(&job->node);
    free(job);
}

/* With the lock: nobody else answers it from now on. */
static void job_answered(struct job *job)
{
    job->answered = true;
    if (job->token != 0)
        reeve_map64_remove(&jobs.tokens, job->token);
}

/* With the lock: the right to answer it, and with it a use of it, until job_leave. */
static bool job_take(struct job *job)
{
    if (job->answered)
        return false;
    job_answered(job);
    if (job->state == JOB_RUNNING) /* else there is nobody who uses it */
        job->users++;
    if (job->state == JOB_QUEUED) {
        reeve_list_remove(&job->queue_node);
        job->group->queued--;
        job->pool->queued--;
    }
    return true;
}

static const char *name_of(const struct job *job)
{
    const struct reeve_function *function = reeve_registry_at(job->view.function);
    return function != NULL ? function->name : "the method";
}

/* ---- pools ----------------------------------------------------------------------------------- */

static void pool_free(struct reeve_pool *pool)
{
    for (uint32_t i = 0; i < pool->group_count; i++)
        pthread_cond_destroy(&pool->groups[i].work);
    reeve_hosted_free(pool->hosted);
    free(pool);
}

static struct reeve_pool *pool_make(
    struct reeve_hosted *hosted, uint32_t concurrency, const struct reeve_actor_groups *groups)
{
    uint32_t count = 1 + (groups != NULL ? REEVE_MIN(groups->count, REEVE_GROUPS_MAX) : 0);
    struct reeve_pool *pool = calloc(1, sizeof(*pool) + count * sizeof(*pool->groups));
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
    reeve_jobs_any = true;
    return pool;
}

/* The main thread. Nothing of it runs when it has ended by itself; but something may when its owner
 * has gone, and then nobody is there to hear of what is queued. */
static void pool_end(struct reeve_pool *pool)
{
    pthread_mutex_lock(&jobs.lock);
    pool->ended = true;
    bool is_last = pool->threads == 0;
    for (uint32_t i = 0; i < pool->group_count; i++) {
        struct group *group = &pool->groups[i];
        while (!reeve_list_is_empty(&group->queue)) {
            struct job *job =
                REEVE_LIST_ENTRY(reeve_list_first(&group->queue), struct job, queue_node);
            (void)job_take(job);
            job_leave(job);
        }
        pthread_cond_broadcast(&group->work);
    }
    pthread_mutex_unlock(&jobs.lock);
    if (is_last)
        pool_free(pool);
}

/* ---- a pool's thread ------------------------------------------------------------------------- */

/* The main thread holds back an entry that it may now take. */
static void main_wake(void)
{
    struct reeve_cluster *cluster = jobs.cluster;
    reeve_lock(&cluster->lock);
    atomic_store(&cluster->attention, 1);
    (void)reeve_doorbell_ring(cluster->bell, -1);
    reeve_unlock(&cluster->lock);
}

static void job_execute(struct job *job, struct execution *execution)
{
    struct reeve_entry_parts parts;
    struct reeve_cluster *cluster = jobs.cluster;
    (void)reeve_entry_split(
        job->view.payload, job->view.length, job->view.references, job->view.flags, &parts);
    execution->references = parts.references;
    execution->reference_count = job->view.references;
    if (parts.lent != NULL)
        execution->code = reeve_handover_borrow(cluster, &parts, &execution->invocation);
    if (execution->code == 0) {
        atomic_store_explicit(
            &cluster->bell->current_function, job->view.function + 1, memory_order_relaxed);
        reeve_running_beside = &job->asked;
        reeve_actors_enter(job->hosted);
        uint64_t begin_ns = reeve_history_now_ns();
        execution->code = reeve_invoke(&execution->invocation);
        reeve_history_ended_beside(
            cluster, &execution->invocation, job->view.function, begin_ns, execution->code);
        reeve_actors_leave();
        reeve_running_beside = NULL;
        reeve_worker_output_flush_shared(atomic_load(&jobs.running) == 1);
    }
    if (atomic_load(&job->asked))
        execution->code = reeve_error_set(&execution->invocation.error, REEVE_ECANCELLED,
            "%s stopped when asked to", name_of(job));
}

static void execution_of(struct execution *execution, struct job *job, uint8_t *scratch)
{
    struct reeve_entry_parts parts = {0};
    if (job->pool != NULL)
        (void)reeve_entry_split(
            job->view.payload, job->view.length, job->view.references, job->view.flags, &parts);
    execution_init(
        execution, jobs.cluster, job->view.function, parts.value, parts.value_size, scratch);
    execution->beside = true;
    execution->job = job;
    execution->invocation.id = (struct reeve_object_id){job->peer, job->view.task};
    execution->invocation.attempt = job->view.attempt;
    execution->heir = job->peer;
    execution->timeout_ms = job->timeout_ms;
}

/* Its slot is no use to anybody. Over a bridge the daemons go by it: there it stays. */
static void slot_give_back(struct job *job)
{
    if (reeve_process_node(job->peer) != jobs.cluster->node)
        return;
    reeve_worker_publish_begin();
    if (!job->gone && !job->slot_done)
        reeve_ring_done(&job->channel->channel.calls, job->view.position);
    job->slot_done = true;
    reeve_worker_publish_end();
}

/* The method has returned: it is answered, now or later. */
static void job_returned(struct job *job, struct execution *execution, uint8_t *scratch)
{
    pthread_mutex_lock(&jobs.lock);
    bool later = job->later && execution->code == 0;
    bool mine = !later && !job->answered;
    if (mine)
        job_answered(job);
    pthread_mutex_unlock(&jobs.lock);
    if (mine)
        execution_finish(execution, job->channel, &job->view, scratch);
    else
        execution_drop(execution);
    if (later)
        slot_give_back(job);
    pthread_mutex_lock(&jobs.lock);
    if (later && !job->answered)
        job->state = JOB_LATER; /* whoever takes it has it then */
    else
        job_leave(job);
    pthread_mutex_unlock(&jobs.lock);
}

struct thread {
    struct group *group;
    uint8_t *scratch;
};

static void job_run(struct job *job, uint8_t *scratch)
{
    struct execution execution;
    execution_of(&execution, job, scratch);
    job_execute(job, &execution);
    job_returned(job, &execution, scratch);
}

/* With the lock. The next one, or NULL: the actor has ended. */
static struct job *job_await(struct group *group)
{
    while (reeve_list_is_empty(&group->queue) && !group->pool->ended) {
        group->idle++;
        pthread_cond_wait(&group->work, &jobs.lock);
        group->idle--;
    }
    struct reeve_list *node = reeve_list_pop_front(&group->queue);
    if (node == NULL)
        return NULL;
    group->queued--;
    group->pool->queued--;
    group->pool->running++;
    jobs.running++;
    struct job *job = REEVE_LIST_ENTRY(node, struct job, queue_node);
    job->state = JOB_RUNNING;
    return job;
}

/* With the lock. Whether the main thread waits for what has changed. */
static bool is_awaited(struct group *group)
{
    struct reeve_pool *pool = group->pool;
    bool has_room = group->held && group->queued * 2 <= AHEAD(group);
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
    struct reeve_pool *pool = group->pool;
    struct job *job;
    pthread_mutex_lock(&jobs.lock);
    while ((job = job_await(group)) != NULL) {
        bool wake = is_awaited(group);
        pthread_mutex_unlock(&jobs.lock);
        if (wake)
            main_wake();
        job_run(job, thread->scratch);
        pthread_mutex_lock(&jobs.lock);
        pool->running--;
        bool all = --jobs.running == 0;
        wake = is_awaited(group);
        pthread_mutex_unlock(&jobs.lock);
        if (all)
            atomic_store_explicit(&jobs.cluster->bell->current_function, 0, memory_order_relaxed);
        if (wake)
            main_wake();
        pthread_mutex_lock(&jobs.lock);
    }
    bool is_last = --pool->threads == 0;
    pthread_mutex_unlock(&jobs.lock);
    if (is_last)
        pool_free(pool);
    free(thread);
    return NULL;
}

/* With the lock. False: it could not be made. */
static bool thread_make(struct group *group)
{
    size_t size = REEVE_ALIGN_UP(sizeof(struct thread), (size_t)64);
    struct thread *thread = malloc(size + jobs.cluster->inline_size);
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
    group->pool->threads += made;
    return made;
}

/* ---- the main thread ------------------------------------------------------------------------- */

static void refuse(struct reeve_cluster_channel *channel, const struct reeve_entry_view *view,
    int code, const char *format, uint32_t number)
{
    struct reeve_error_info error = {.code = code};
    struct job job = {.channel = channel, .view = *view};
    reeve_error_set(&error, code, format, number);
    answer_error(&job, &error);
}

/* The group that the call goes to; NULL: there is no such one. */
static struct group *group_of(
    struct reeve_pool *pool, const reeve_actor *actor, uint32_t function_index)
{
    const struct reeve_function *function = reeve_registry_at(function_index);
    uint32_t index = reeve_actor_group_of(actor);
    if (index == 0)
        index = function->group;
    else if (index == REEVE_GROUP_DEFAULT_)
        index = 0;
    return index < pool->group_count ? &pool->groups[index] : NULL;
}

/* With the lock. False: there is no thread to run it. */
static bool job_enqueue(struct job *job, struct group *group)
{
    job->group = group;
    job_add(job);
    reeve_list_push_back(&group->queue, &job->queue_node);
    group->queued++;
    group->pool->queued++;
    if (group->queued > group->idle && group->threads < group->limit)
        return thread_make(group) || group->threads != 0;
    pthread_cond_signal(&group->work);
    return true;
}

/* Every now and then: what is far behind would keep the ring from going on. */
static void slots_release(const struct reeve_cluster_channel *channel, uint64_t position)
{
    pthread_mutex_lock(&jobs.lock);
    REEVE_LIST_EACH(node, &jobs.all)
    {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, node);
        if (job->channel == channel && job->pool != NULL &&
            job->view.position + SLOTS_BEHIND <= position)
            slot_give_back(job);
    }
    pthread_mutex_unlock(&jobs.lock);
}

bool reeve_jobs_take(struct reeve_cluster_channel *channel, const struct reeve_entry_view *view,
    const struct reeve_entry_parts *parts)
{
    reeve_actor actor;
    if (!reeve_actor_read(parts->value, parts->value_size, &actor))
        return false;
    struct reeve_pool *pool = reeve_actors_pool(&actor);
    if (pool == NULL)
        return false;
    struct group *group = group_of(pool, &actor, view->function);
    if (group == NULL) {
        refuse(channel, view, REEVE_EINVAL, "the actor has no group number %u (REEVE_GROUPS)",
            reeve_actor_group_of(&actor));
        return true;
    }
    if (view->position % (SLOTS_BEHIND / 2) == 0)
        slots_release(channel, view->position);
    struct job *job = job_new(channel, view, view->length, parts->timeout_ms);
    if (job == NULL) {
        refuse(channel, view, REEVE_ENOMEM, "no memory for a call of %u bytes", view->length);
        return true;
    }
    job->pool = pool;
    job->hosted = pool->hosted;
    job->actor = actor;
    memcpy(job->payload, view->payload, view->length);
    job->view.payload = job->payload;
    pthread_mutex_lock(&jobs.lock);
    bool served = job_enqueue(job, group);
    if (!served)
        (void)job_take(job);
    pthread_mutex_unlock(&jobs.lock);
    if (parts->timeout_ms != 0)
        reeve_stop_wake_by(jobs.cluster, atomic_load(&jobs.cluster->beside_deadline_ns));
    if (served)
        return true;
    refuse(channel, view, REEVE_ESYSTEM, "no thread could be made for the method%.0u", 0);
    pthread_mutex_lock(&jobs.lock);
    job_leave(job);
    pthread_mutex_unlock(&jobs.lock);
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
    struct reeve_pool *pool = reeve_actors_pool(&actor);
    struct group *group = pool != NULL ? group_of(pool, &actor, view->function) : NULL;
    if (group == NULL)
        return false;
    pthread_mutex_lock(&jobs.lock);
    bool hold = ends ? pool->running + pool->queued != 0 : group->queued >= AHEAD(group);
    if (hold && ends)
        pool->held = true;
    else if (hold)
        group->held = true;
    pthread_mutex_unlock(&jobs.lock);
    return hold;
}

void reeve_jobs_returned(struct execution *execution, uint8_t *scratch)
{
    job_returned(execution->job, execution, scratch);
}

/* Of a list of those that have been taken. */
static void answer_all(struct reeve_list *taken, void (*say)(struct job *))
{
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(taken)) != NULL) {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, queue_node);
        if (say != NULL)
            say(job);
        pthread_mutex_lock(&jobs.lock);
        job_leave(job);
        pthread_mutex_unlock(&jobs.lock);
    }
}

void reeve_jobs_channel_gone(const struct reeve_cluster_channel *channel)
{
    struct reeve_list taken;
    reeve_list_init(&taken);
    pthread_mutex_lock(&jobs.lock);
    reeve_worker_publish_begin();
    REEVE_LIST_EACH(node, &jobs.all)
    {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, node);
        if (job->channel != channel || job->lease != channel->lease)
            continue;
        job->gone = true;
        atomic_store(&job->asked, true); /* nobody wants it */
        if (job_take(job))
            reeve_list_push_back(&taken, &job->queue_node);
    }
    reeve_worker_publish_end();
    pthread_mutex_unlock(&jobs.lock);
    answer_all(&taken, NULL);
}

static void say_ended(struct job *job)
{
    struct reeve_error_info error = {.code = REEVE_EACTORDIED};
    reeve_error_set(
        &error, REEVE_EACTORDIED, "the actor has ended without answering %s", name_of(job));
    answer_error(job, &error);
}

void reeve_jobs_actor_ended(const reeve_actor *actor)
{
    struct reeve_list taken;
    reeve_list_init(&taken);
    pthread_mutex_lock(&jobs.lock);
    REEVE_LIST_EACH(node, &jobs.all)
    {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, node);
        if (job->actor.owner == actor->owner &&
            REEVE_ACTOR_NUMBER(&job->actor) == REEVE_ACTOR_NUMBER(actor) && job_take(job))
            reeve_list_push_back(&taken, &job->queue_node);
    }
    pthread_mutex_unlock(&jobs.lock);
    answer_all(&taken, say_ended);
}

static void say_stopped(struct job *job)
{
    struct reeve_error_info error = {.code = REEVE_ECANCELLED};
    if (job->cancelled)
        reeve_error_set(&error, REEVE_ECANCELLED, "cancelled before %s had answered", name_of(job));
    else
        reeve_error_set(&error, REEVE_ETASKTIMEOUT,
            "%s had no answer within its time limit of %u ms", name_of(job), job->timeout_ms);
    answer_error(job, &error);
}

void reeve_jobs_look(void)
{
    struct reeve_list taken;
    reeve_list_init(&taken);
    atomic_store(&reeve_jobs_due, false);
    uint64_t now_ns = reeve_cluster_now_ns(), next_ns = UINT64_MAX;
    pthread_mutex_lock(&jobs.lock);
    REEVE_LIST_EACH(node, &jobs.all)
    {
        struct job *job = REEVE_LIST_ENTRY(node, struct job, node);
        bool expired = job->deadline_ns <= now_ns;
        if (job->answered)
            continue;
        if (expired)
            atomic_store(&job->asked, true);
        /* one that runs and was cancelled is answered when it returns */
        if ((expired || (job->cancelled && job->state != JOB_RUNNING)) && job_take(job))
            reeve_list_push_back(&taken, &job->queue_node);
        else
            next_ns = REEVE_MIN(next_ns, job->deadline_ns);
    }
    atomic_store(&jobs.cluster->beside_deadline_ns, next_ns);
    pthread_mutex_unlock(&jobs.lock);
    if (next_ns != UINT64_MAX)
        reeve_stop_wake_by(jobs.cluster, next_ns);
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

bool reeve_jobs_cancel(const struct reeve_local_message *message)
{
    struct job *found = NULL;
    pthread_mutex_lock(&jobs.lock);
    REEVE_LIST_EACH(node, &jobs.all)
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
        atomic_store(&jobs.cluster->attention, 1);
        (void)reeve_doorbell_ring(jobs.cluster->bell, -1);
    }
    pthread_mutex_unlock(&jobs.lock);
    return is_ours;
}

void reeve_jobs_expire(void)
{
    uint64_t deadline_ns = atomic_load(&jobs.cluster->beside_deadline_ns);
    if (reeve_cluster_now_ns() < deadline_ns ||
        !atomic_compare_exchange_strong(
            &jobs.cluster->beside_deadline_ns, &deadline_ns, UINT64_MAX))
        return;
    atomic_store(&reeve_jobs_due, true);
    main_wake();
}

/* ---- answers that come later ----------------------------------------------------------------- */

/* The main thread runs it: until now it was no job. */
static struct job *job_of_main(struct execution *execution)
{
    const struct reeve_invocation *invocation = &execution->invocation;
    struct job *job = job_new(execution->channel, execution->view, 0, execution->timeout_ms);
    if (job == NULL)
        return NULL;
    reeve_jobs_any = true;
    job->state = JOB_RUNNING;
    job->view.payload = NULL;
    (void)reeve_actor_read(invocation->args, invocation->args_size, &job->actor);
    pthread_mutex_lock(&jobs.lock);
    job_add(job);
    pthread_mutex_unlock(&jobs.lock);
    if (job->timeout_ms != 0)
        reeve_stop_wake_by(jobs.cluster, atomic_load(&jobs.cluster->beside_deadline_ns));
    return execution->job = job;
}

static int reply_later(struct reeve_backend *backend, struct reeve_invocation *invocation,
    uint64_t *ret_token, struct reeve_error_info *error)
{
    static const char no_memory[] = "no memory for a call that is answered later";
    struct execution *execution = invocation->context;
    (void)backend;
    if (invocation->later)
        return reeve_error_set(error, REEVE_EINVAL, "the call has a token already");
    struct job *job = execution->job != NULL ? execution->job : job_of_main(execution);
    if (job == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, no_memory);
    int code = 0;
    pthread_mutex_lock(&jobs.lock);
    job->token = ++jobs.token_last;
    if (!job->answered) /* else its time is up already */
        code = reeve_map64_put(&jobs.tokens, job->token, job, NULL);
    job->later = code == 0;
    pthread_mutex_unlock(&jobs.lock);
    if (code != 0)
        return reeve_error_set(error, code, no_memory);
    invocation->later = true;
    *ret_token = job->token;
    return 0;
}

static int answer_value(struct job *job, const struct reeve_function *function, const void *value,
    struct reeve_error_info *error)
{
    struct execution execution;
    uint8_t *scratch = malloc(jobs.cluster->inline_size);
    if (scratch == NULL) {
        (void)reeve_error_set(error, REEVE_ENOMEM, "no memory for the answer");
        answer_error(job, error);
        return REEVE_ENOMEM;
    }
    execution_of(&execution, job, scratch);
    int code = reeve_invocation_pack(&execution.invocation, value);
    if (code != 0) {
        reeve_error_complete(&execution.invocation.error, code);
        reeve_error_function(&execution.invocation.error, function->name);
        *error = execution.invocation.error;
    }
    execution.code = code;
    execution_finish(&execution, job->channel, &job->view, scratch);
    free(scratch);
    return code;
}

static int reply(struct reeve_backend *backend, uint64_t token,
    const struct reeve_function *function, const void *value,
    const struct reeve_error_info *failure, struct reeve_error_info *error)
{
    (void)backend;
    pthread_mutex_lock(&jobs.lock);
    struct job *job = reeve_map64_get(&jobs.tokens, token);
    bool other = job != NULL && value != NULL && function->index != job->view.function;
    const char *name = job != NULL ? name_of(job) : "";
    bool taken = job != NULL && !other && job_take(job);
    pthread_mutex_unlock(&jobs.lock);
    if (other)
        return reeve_error_set(
            error, REEVE_EINVAL, "the token is of a call of %s, not of %s", name, function->name);
    if (!taken)
        return reeve_error_set(error, REEVE_EHANDLE,
            "nobody waits for this answer: it has been given, or the call was cancelled, its time "
            "is up, or its caller or its actor has ended");
    int code = 0;
    if (value != NULL)
        code = answer_value(job, function, value, error);
    else
        answer_error(job, failure);
    pthread_mutex_lock(&jobs.lock);
    job_leave(job);
    pthread_mutex_unlock(&jobs.lock);
    return code;
}

/* ---- state ----------------------------------------------------------------------------------- */

/* What holds the owner's channel open meanwhile is a job without a call. */
static struct job *job_of_owner(struct reeve_cluster *cluster, const reeve_actor *actor)
{
    struct job *job = NULL;
    reeve_lock(&cluster->lock); /* so that it is not being closed */
    for (uint32_t i = 0; i < cluster->worker_capacity && job == NULL; i++) {
        struct reeve_cluster_channel *channel = cluster->workers[i];
        struct reeve_entry_view none = {0};
        if (channel->open && !channel->closing && channel->owner == actor->owner &&
            channel->peer == actor->owner)
            job = job_new(channel, &none, 0, 0);
    }
    if (job != NULL) {
        job->state = JOB_RUNNING;
        job->answered = true;
        pthread_mutex_lock(&jobs.lock);
        job_add(job);
        pthread_mutex_unlock(&jobs.lock);
    }
    reeve_unlock(&cluster->lock);
    return job;
}

static int save(struct reeve_backend *backend, struct reeve_invocation *invocation,
    const reeve_actor *actor, const void *bytes, size_t size, struct reeve_error_info *error)
{
    const struct execution *execution = invocation->context;
    if (!execution->beside) /* the main thread: others may write from now on */
        reeve_jobs_any = true;
    struct job *job = job_of_owner(reeve_cluster_of(backend), actor);
    bool told = job != NULL && answer_saved(job, (uint32_t)REEVE_ACTOR_NUMBER(actor), bytes, size);
    pthread_mutex_lock(&jobs.lock);
    if (job != NULL)
        job_leave(job);
    pthread_mutex_unlock(&jobs.lock);
    return told ? REEVE_OK : reeve_error_set(error, REEVE_EOWNERDIED, "the actor's owner has gone");
}

void reeve_jobs_init(struct reeve_cluster *cluster)
{
    static const struct reeve_pools pools = {pool_make, pool_end};
    jobs.cluster = cluster;
    reeve_list_init(&jobs.all);
    reeve_map64_init(&jobs.tokens);
    reeve_actors_set_pools(&pools);
    cluster->backend.reply_later = reply_later;
    cluster->backend.reply = reply;
    cluster->backend.save = save;
}
