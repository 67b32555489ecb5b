/* Futures that are watched: tags that go into queues (ready.h) when their tasks become final, or
 * (streams) when they have an item.
 *
 * Whoever sleeps on a file descriptor or in a callback's thread is woken by the background thread,
 * which then does not leave the looking to the program, however busy that is
 * (cluster_background.c). For this, the watches of such queues are counted. */
#include "api/client/cluster.h"
#include "api/client/error.h"
#include "api/client/ready.h"
#include "runtime/base/macros.h"

void reeve_cluster_watched(struct reeve_cluster *cluster)
{
    struct reeve_owner_watch watch;
    while (reeve_owner_next_watched(cluster->owner, &watch)) {
        struct reeve_ready *ready = (struct reeve_ready *)(uintptr_t)watch.queue;
        cluster->watch_count--;
        cluster->eager_count -= ready->is_eager;
        reeve_ready_push(ready, watch.tag);
    }
}

/* With the lock. `how` is the core's. */
static int watch(struct reeve_cluster *cluster,
    int (*how)(struct reeve_owner *, reeve_task_id, const struct reeve_owner_watch *),
    uint64_t future, struct reeve_ready *ready, uint64_t tag)
{
    struct reeve_owner_watch pair = {(uint64_t)(uintptr_t)ready, tag};
    if (cluster->ending)
        return REEVE_ESHUTDOWN;
    reeve_cluster_enter(cluster);
    int code = how(cluster->owner, future, ready != NULL ? &pair : NULL);
    if (code == 0 && ready != NULL) {
        cluster->watch_count++;
        cluster->eager_count += ready->is_eager;
        reeve_cluster_watched(cluster); /* it may be ready */
    }
    return code;
}

int reeve_cluster_watch(struct reeve_backend *backend, uint64_t future, struct reeve_ready *ready,
    uint64_t tag, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    reeve_lock(&cluster->lock);
    int code = watch(cluster, reeve_owner_watch, future, ready, tag);
    reeve_unlock(&cluster->lock);
    if (code == REEVE_EHANDLE)
        return reeve_error_set(error, code, REEVE_NO_FUTURE);
    return code == 0 ? 0 : reeve_error_set(error, code, "%s", "");
}

int reeve_cluster_watch_next(struct reeve_backend *backend, uint64_t stream,
    struct reeve_ready *ready, uint64_t tag, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    reeve_lock(&cluster->lock);
    int code = watch(cluster, reeve_owner_watch_next, stream, ready, tag);
    if (code == REEVE_ETYPE && reeve_cluster_was_stream(cluster, stream))
        code = REEVE_EHANDLE;
    reeve_unlock(&cluster->lock);
    if (code == REEVE_EHANDLE)
        return reeve_error_set(error, code,
            "no such stream: it has ended, or has been released or given to a call, already");
    if (code == REEVE_ETYPE)
        return reeve_error_set(error, code, "a call's future is not a stream: watch it");
    return code == 0 ? 0 : reeve_error_set(error, code, "%s", "");
}

static bool is_any(struct reeve_cluster *cluster, void *arg)
{
    (void)cluster;
    return reeve_ready_any((const struct reeve_ready *)arg);
}

int reeve_cluster_watch_wait(struct reeve_backend *backend, struct reeve_ready *ready,
    const uint64_t *futures, size_t count, size_t *tried, uint64_t deadline_ns,
    struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct reeve_cluster_awaited awaited = {futures, count, false, false};
    reeve_lock(&cluster->lock);
    int code = cluster->ending ? REEVE_ESHUTDOWN : 0;
    if (code == 0) {
        reeve_cluster_enter(cluster);
        /* all will be waited for in the end: those that nobody has begun are for us to run */
        for (; deadline_ns == UINT64_MAX && *tried < count && !reeve_ready_any(ready); (*tried)++)
            reeve_cluster_run_unclaimed(cluster, futures[*tried]);
        if (!reeve_cluster_await(cluster, is_any, ready, deadline_ns, &awaited))
            code = reeve_cluster_usable(cluster, error);
        else
            code = 0;
        if (code == 0 && !reeve_ready_any(ready))
            code = reeve_error_set(error, REEVE_ETIMEDOUT, "%s", "");
    }
    reeve_unlock(&cluster->lock);
    return code;
}
