/* What a method's answer, or an actor's state, needs when it is sent from elsewhere than the main
 * thread: later, or in the midst of a method. See jobs.h. */
#include <stdlib.h>

#include "api/client/error.h"
#include "runtime/base/macros.h"
#include "runtime/worker/answer.h"
#include "runtime/worker/jobs_internal.h"
#include "runtime/worker/stop.h"

/* ---- answers that come later ----------------------------------------------------------------- */

/* The main thread runs it: until now it was no job. */
static struct job *job_of_main(struct execution *execution)
{
    const struct reeve_invocation *invocation = &execution->invocation;
    struct job *job = reeve_job_new(execution->channel, execution->view, 0, execution->timeout_ms);
    if (job == NULL)
        return NULL;
    reeve_jobs_any = true;
    job->state = JOB_RUNNING;
    job->view.payload = NULL;
    (void)reeve_actor_read(invocation->args, invocation->args_size, &job->actor);
    pthread_mutex_lock(&reeve_jobs.lock);
    reeve_job_add(job);
    pthread_mutex_unlock(&reeve_jobs.lock);
    if (job->timeout_ms != 0)
        reeve_stop_wake_by(
            reeve_jobs.cluster, atomic_load(&reeve_jobs.cluster->beside_deadline_ns));
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
    struct job *job = execution->job != NULL ? execution->job : job_of_main(execution);
    if (job == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, no_memory);
    int code = 0;
    pthread_mutex_lock(&reeve_jobs.lock);
    job->token = ++reeve_jobs.token_last;
    if (!job->answered) /* else its time is up already */
        code = reeve_map64_put(&reeve_jobs.tokens, job->token, job, NULL);
    job->later = code == 0;
    pthread_mutex_unlock(&reeve_jobs.lock);
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
    uint8_t *scratch = malloc(reeve_jobs.cluster->inline_size);
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
    free(scratch);
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
    pthread_mutex_unlock(&reeve_jobs.lock);
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
    pthread_mutex_lock(&reeve_jobs.lock);
    reeve_job_leave(job);
    pthread_mutex_unlock(&reeve_jobs.lock);
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
