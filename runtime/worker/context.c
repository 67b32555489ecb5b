/* What a task asks of its worker about itself, and tells it. */
#include "runtime/worker/context.h"

#include <pthread.h>
#include <unistd.h>

#include "runtime/worker/stop.h"

static struct reeve_progress_key key_of(const struct reeve_invocation *invocation)
{
    return (struct reeve_progress_key){
        invocation->id.owner, invocation->id.sequence, invocation->attempt};
}

void reeve_worker_context(struct reeve_cluster *cluster, const struct reeve_invocation *invocation,
    uint32_t cpu_milli, int64_t time_left_ms, reeve_context *ret)
{
    struct reeve_progress_key key = key_of(invocation);
    ret->job = cluster->job;
    ret->node = cluster->node;
    ret->pid = (int32_t)getpid();
    ret->cpus = cpu_milli / 1000.0;
    ret->time_left_ms = time_left_ms;
    (void)reeve_progress_read(
        &cluster->bell->progress, &key, &ret->progress_done, &ret->progress_total);
}

void reeve_worker_progress(struct reeve_backend *backend, const struct reeve_invocation *invocation,
    uint64_t done, uint64_t total)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* one thread writes at a time */
    static uint32_t last;
    struct reeve_progress_key key = key_of(invocation);
    pthread_mutex_lock(&lock);
    reeve_progress_write(&reeve_cluster_of(backend)->bell->progress, &last, &key, done, total);
    pthread_mutex_unlock(&lock);
}
