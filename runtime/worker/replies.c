/* What a method's answer, or an actor's state, needs when it is sent from elsewhere than the main
 * thread: later, or in the midst of a method. See jobs.h. */
#include <sched.h>
#include <stdlib.h>

#include "api/client/error.h"
#include "runtime/base/macros.h"
#include "runtime/worker/answer.h"
#include "runtime/worker/jobs_internal.h"
#include "runtime/worker/stop.h"

#define OFFERS      4        /* of the core to others, after the last answer */
#define AWAY_NS_MIN 400u     /* an offer that others take takes longer */
#define AWAY_NS_MAX 1000000u /* who keeps it for longer computes something */
#define MISSES_MAX  6u

/* ---- letting others run ---------------------------------------------------------------------- */

/* A thread of the program's has given the last answer there was to give: it is about to sleep until
 * a method wakes it with the next call. That wake-up, and the two switches of context to the thread
 * and back, cost several times as much as the call, when the thread has the core that the main
 * thread needs: it then gets one call at a time. So the main thread is let run first: it may take
 * many calls, and nobody needs to be woken for them.
 *
 * It costs next to nothing when nobody wants the core, or only those do who look and hand over,
 * too. Where somebody computes, who has it for long, and there was nothing to answer after that,
 * it is tried less and less often: the thread may have more to do than to answer. */
static void others_first(void)
{
    static _Atomic uint32_t misses, passes;
    uint32_t pass = atomic_load_explicit(&passes, memory_order_relaxed);
    if (pass != 0) {
        atomic_store_explicit(&passes, pass - 1, memory_order_relaxed);
        return;
    }
    uint64_t now_ns = reeve_cluster_now_ns(), away_ns = 0;
    for (int i = 0; i < OFFERS && away_ns < AWAY_NS_MAX; i++) {
        uint64_t since_ns = now_ns;
        sched_yield();
        if (atomic_load_explicit(&reeve_jobs.later, memory_order_relaxed) != 0) {
            atomic_store_explicit(&misses, 0, memory_order_relaxed);
            return;
        }
        now_ns = reeve_cluster_now_ns();
        away_ns = now_ns - since_ns;
        if (away_ns < AWAY_NS_MIN) /* nobody wants the core */
            return;
    }
    if (away_ns < AWAY_NS_MAX)
        return;
    uint32_t missed = atomic_load_explicit(&misses, memory_order_relaxed);
    atomic_store_explicit(&passes, (1u << missed) - 1, memory_order_relaxed);
    atomic_store_explicit(&misses, REEVE_MIN(missed + 1, MISSES_MAX), memory_order_relaxed);
}

void reeve_jobs_others_first(void)
{
    if (atomic_load_explicit(&reeve_jobs.later, memory_order_relaxed) != 0)
        sched_yield();
}

/* ---- answers that come later ----------------------------------------------------------------- */

/* With the lock. The main thread runs it: until now it was no job. */
static struct job *job_of_main(struct execution *execution)
{
    const struct reeve_invocation *invocation = &execution->invocation;
    struct job *job = reeve_job_bare(execution->channel, execution->view, execution->timeout_ms);
    if (job == NULL)
        return NULL;
    reeve_jobs_any = true;
    job->state = JOB_RUNNING;
    job->view.payload = NULL;
    (void)reeve_actor_read(invocation->args, invocation->args_size, &job->actor);
    reeve_job_add(job);
    return execution->job = job;
}

int reeve_jobs_reply_later(struct reeve_backend *backend, struct reeve_invocation *invocation,
    uint64_t *ret_token, struct reeve_error_info *error)
{
    static const char no_memory[] = "no memory for a call that is answered later";
    struct execution *execution = invocation->context;
    (void)backend;
    if (invocation->later)
        return reeve_error_set(error, REEVE_EINVAL, "the call has a token already");
    int code = 0;
    pthread_mutex_lock(&reeve_jobs.lock);
    bool is_new = execution->job == NULL;
    struct job *job = is_new ? job_of_main(execution) : execution->job;
    if (job == NULL) {
        code = REEVE_ENOMEM;
    } else {
        job->token = ++reeve_jobs.token_last;
        if (!job->answered) /* else its time is up already */
            code = reeve_map64_put(&reeve_jobs.tokens, job->token, job, NULL);
        job->later = code == 0;
        reeve_jobs_count_later();
    }
    pthread_mutex_unlock(&reeve_jobs.lock);
    if (is_new && execution->timeout_ms != 0)
        reeve_stop_wake_by(
            reeve_jobs.cluster, atomic_load(&reeve_jobs.cluster->beside_deadline_ns));
    if (code != 0)
        return reeve_error_set(error, code, no_memory);
    invocation->later = true;
    *ret_token = job->token;
    return 0;
}

/* `scratch`: inline_size bytes to pack the value in, or NULL when there is no memory. */
static int answer_value(struct job *job, const struct reeve_function *function, const void *value,
    uint8_t *scratch, struct reeve_error_info *error)
{
    struct execution execution;
    if (scratch == NULL) {
        (void)reeve_error_set(error, REEVE_ENOMEM, "no memory for the answer");
        answer_error(job, error);
        return REEVE_ENOMEM;
    }
    reeve_job_execution(&execution, job, scratch);
    int code = reeve_invocation_pack(&execution.invocation, value);
    if (code != 0) {
        reeve_error_complete(&execution.invocation.error, code);
        reeve_error_function(&execution.invocation.error, function->name);
        *error = execution.invocation.error;
    }
    execution.code = code;
    execution_finish(&execution, job->channel, &job->view, scratch);
    return code;
}

int reeve_jobs_reply(struct reeve_backend *backend, uint64_t token,
    const struct reeve_function *function, const void *value,
    const struct reeve_error_info *failure, struct reeve_error_info *error)
{
    (void)backend;
    pthread_mutex_lock(&reeve_jobs.lock);
    struct job *job = reeve_map64_get(&reeve_jobs.tokens, token);
    bool other = job != NULL && value != NULL && function->index != job->view.function;
    const char *name = job != NULL ? reeve_job_function_name(job) : "";
    bool taken = job != NULL && !other && reeve_job_take(job);
    uint8_t *scratch = NULL;
    if (taken && value != NULL) {
        scratch = reeve_jobs.scratch;
        reeve_jobs.scratch = NULL;
    }
    pthread_mutex_unlock(&reeve_jobs.lock);
    if (other)
        return reeve_error_set(
            error, REEVE_EINVAL, "the token is of a call of %s, not of %s", name, function->name);
    if (!taken)
        return reeve_error_set(error, REEVE_EHANDLE,
            "nobody waits for this answer: it has been given, or the call was cancelled, its time "
            "is up, or its caller or its actor has ended");
    int code = 0;
    if (value != NULL && scratch == NULL)
        scratch = malloc(reeve_jobs.cluster->inline_size);
    if (value != NULL)
        code = answer_value(job, function, value, scratch, error);
    else
        answer_error(job, failure);
    pthread_mutex_lock(&reeve_jobs.lock);
    reeve_job_leave(job);
    uint8_t *unused = scratch;
    if (reeve_jobs.scratch == NULL) {
        reeve_jobs.scratch = scratch;
        unused = NULL;
    }
    bool is_last = atomic_load(&reeve_jobs.later) == 0;
    pthread_mutex_unlock(&reeve_jobs.lock);
    free(unused);
    if (is_last && reeve_invocation_current() == NULL)
        others_first();
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
            job = reeve_job_new(channel, &none, 0, 0);
    }
    if (job != NULL) {
        job->state = JOB_RUNNING;
        job->answered = true;
        pthread_mutex_lock(&reeve_jobs.lock);
        reeve_job_add(job);
        pthread_mutex_unlock(&reeve_jobs.lock);
    }
    reeve_unlock(&cluster->lock);
    return job;
}

int reeve_jobs_save(struct reeve_backend *backend, struct reeve_invocation *invocation,
    const reeve_actor *actor, const void *bytes, size_t size, struct reeve_error_info *error)
{
    const struct execution *execution = invocation->context;
    if (!execution->beside) /* the main thread: others may write from now on */
        reeve_jobs_any = true;
    struct job *job = job_of_owner(reeve_cluster_of(backend), actor);
    bool told = job != NULL && answer_saved(job, (uint32_t)REEVE_ACTOR_NUMBER(actor), bytes, size);
    pthread_mutex_lock(&reeve_jobs.lock);
    if (job != NULL)
        reeve_job_leave(job);
    pthread_mutex_unlock(&reeve_jobs.lock);
    return told ? REEVE_OK : reeve_error_set(error, REEVE_EOWNERDIED, "the actor's owner has gone");
}
