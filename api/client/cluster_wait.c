/* The cluster backend: waiting for some of many futures; looking at one, one reference more, and
 * less. */
#include "api/client/cluster.h"
#include "api/client/error.h"
#include "runtime/base/clock.h"
#include "runtime/base/macros.h"

struct several {
    const uint64_t *futures;
    size_t count, wanted, ready_count;
    size_t first;        /* those before it are ready */
    uint64_t final_from; /* the core's count when all were looked at */
    bool *ready;
    bool stale;
};

static void several_look(struct reeve_cluster *cluster, struct several *several)
{
    several->final_from = reeve_owner_final_count(cluster->owner);
    several->ready_count = 0;
    for (size_t i = 0; i < several->count; i++) {
        if (!several->ready[i]) {
            enum reeve_task_state state = reeve_owner_state(cluster->owner, several->futures[i]);
            several->ready[i] = reeve_task_state_is_final(state);
            several->stale |= state == REEVE_TASK_FREE;
        }
        several->ready_count += several->ready[i];
    }
}

/* There may be many, and this is asked at every wake-up. So all are looked at only when as many
 * tasks have become final as are missing, and when all are wanted, only the first that was not. */
static bool several_are_final(struct reeve_cluster *cluster, void *arg)
{
    struct several *several = arg;
    while (several->wanted == several->count && several->first < several->count) {
        enum reeve_task_state state =
            reeve_owner_state(cluster->owner, several->futures[several->first]);
        if (state == REEVE_TASK_FREE)
            several->stale = true;
        if (!reeve_task_state_is_final(state))
            return several->stale;
        several->first++;
    }
    uint64_t more = reeve_owner_final_count(cluster->owner) - several->final_from;
    if (!several->stale && several->ready_count < several->wanted &&
        several->ready_count + more >= several->wanted)
        several_look(cluster, several);
    return several->stale || several->ready_count >= several->wanted;
}

int reeve_cluster_wait(struct reeve_backend *backend, const uint64_t *futures, size_t count,
    size_t wanted, int64_t timeout_ms, bool *ready, size_t *ready_count,
    struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct several several = {.futures = futures, .count = count, .wanted = wanted, .ready = ready};
    int code = 0;
    reeve_lock(&cluster->lock);
    if (cluster->ending) {
        reeve_unlock(&cluster->lock);
        return reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "");
    }
    reeve_cluster_enter(cluster);
    several_look(cluster, &several);
    for (size_t i = 0; i < count && timeout_ms < 0 && wanted == count && !several.stale; i++)
        reeve_cluster_run_unclaimed(cluster, futures[i]);
    struct reeve_cluster_awaited awaited = {futures, count, wanted == count, false};
    if (!reeve_cluster_await(
            cluster, several_are_final, &several, reeve_clock_deadline_ns(timeout_ms), &awaited))
        code = reeve_cluster_await_failure(cluster, error);
    if (code == 0 || code == REEVE_ETIMEDOUT) {
        several_look(cluster, &several);
        if (several.stale)
            code = reeve_cluster_stale(error);
    }
    reeve_unlock(&cluster->lock);
    *ready_count = several.ready_count;
    return code;
}

int reeve_cluster_release(
    struct reeve_backend *backend, uint64_t future, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    reeve_lock(&cluster->lock);
    int code = cluster->ending ? REEVE_ESHUTDOWN : 0;
    bool is_stream = false;
    if (code == 0) {
        reeve_cluster_enter(cluster);
        is_stream = reeve_owner_is_stream(cluster->owner, future);
        code = reeve_owner_release(cluster->owner, future);
    }
    if (code == 0)
        reeve_cluster_pump(cluster, reeve_cluster_now_ns());
    if (REEVE_UNLIKELY(is_stream)) { /* its function is asked to stop, perhaps again */
        reeve_cluster_submitted(cluster, reeve_cluster_now_ns());
        if (reeve_owner_deadline(cluster->owner) < cluster->background_wake_ns)
            reeve_cluster_background_wake(cluster);
    }
    if (REEVE_UNLIKELY(cluster->owns_told))
        reeve_cluster_owns_look(cluster);
    if (REEVE_UNLIKELY(cluster->room_waiters != 0))
        reeve_cluster_room_made(cluster);
    reeve_unlock(&cluster->lock);
    if (code == 0)
        return 0;
    return code == REEVE_EHANDLE ? reeve_cluster_stale(error)
                                 : reeve_error_set(error, code, "%s", "");
}

int reeve_cluster_retain(
    struct reeve_backend *backend, uint64_t future, uint64_t *ret, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    reeve_lock(&cluster->lock);
    int code = cluster->ending ? REEVE_ESHUTDOWN : reeve_owner_retain(cluster->owner, future, ret);
    reeve_unlock(&cluster->lock);
    if (code == 0)
        return 0;
    if (code == REEVE_ETYPE)
        return reeve_error_set(error, code, "a stream is not retained");
    return code == REEVE_EHANDLE ? reeve_cluster_stale(error)
                                 : reeve_error_set(error, code, "%s", "");
}

int reeve_cluster_look(
    struct reeve_backend *backend, uint64_t future, struct reeve_future_look *ret)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct reeve_owner_result result;
    *ret = (struct reeve_future_look){0};
    reeve_lock(&cluster->lock);
    int code =
        cluster->ending ? REEVE_ESHUTDOWN : reeve_owner_result(cluster->owner, future, &result);
    reeve_unlock(&cluster->lock);
    ret->ready = code == 0;
    if (code == 0 && result.status == 0)
        ret->size_bytes = result.is_object ? result.object.size_bytes : result.size;
    return code == REEVE_EAGAIN ? 0 : code;
}
