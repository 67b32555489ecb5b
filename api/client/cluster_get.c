/* The cluster backend: get. It waits until the future is final (cluster_poll.c), gives the value to
 * who wants it, where it lies, and releases the future. */
#include <stdio.h>
#include <stdlib.h>

#include "api/client/cluster.h"
#include "api/client/error.h"
#include "api/client/registry.h"
#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/base/macros.h"

bool reeve_cluster_is_final(const struct reeve_cluster *cluster, reeve_task_id task)
{
    enum reeve_task_state state = reeve_owner_state(cluster->owner, task);
    return state == REEVE_TASK_FREE || reeve_task_state_is_final(state);
}

static bool task_is_final(struct reeve_cluster *cluster, void *arg)
{
    return reeve_cluster_is_final(cluster, *(reeve_task_id *)arg);
}

/* A worker that waits without limit for a child that nobody has claimed runs it itself: so
 * recursion needs no further processes, and no slot waits for another. */
void reeve_cluster_run_unclaimed(struct reeve_cluster *cluster, reeve_task_id future)
{
    reeve_task_id task;
    uint32_t class_index;
    if (cluster->run_inline == NULL || !cluster->may_run_inline(cluster, &class_index))
        return;
    while (!cluster->dead && !cluster->ending && !task_is_final(cluster, &future) &&
           (task = reeve_cluster_take_inline(cluster, future, class_index)) != 0) {
        cluster->run_inline(cluster, task);
        /* what waited for it */
        reeve_cluster_submitted(cluster, reeve_cluster_now_ns());
    }
}

/* Why await gave up. */
int reeve_cluster_await_failure(const struct reeve_cluster *cluster, struct reeve_error_info *error)
{
    int code = reeve_cluster_usable(cluster, error);
    return code != 0 ? code : reeve_error_set(error, REEVE_ETIMEDOUT, "%s", "");
}

static int get_failure(
    const struct reeve_cluster *cluster, reeve_task_id task, struct reeve_error_info *error)
{
    int code = reeve_cluster_await_failure(cluster, error);
    if (code != REEVE_ETIMEDOUT)
        return code;
    struct reeve_owner_entry entry;
    reeve_owner_entry(cluster->owner, task, &entry);
    const struct reeve_function *function = reeve_registry_at(entry.function);
    if (function != NULL)
        reeve_error_function(error, function->name);
    return code;
}

int reeve_cluster_stale(struct reeve_error_info *error)
{
    return reeve_error_set(error, REEVE_EHANDLE, REEVE_NO_FUTURE);
}

/* The futures in a value that the program gets, and behind them the handles of actors: a reference
 * to each for it. `ret`, from malloc, is NULL where there are none. */
int reeve_cluster_value_futures(struct reeve_cluster *cluster,
    const struct reeve_owner_result *result, uint64_t **ret, struct reeve_error_info *error)
{
    *ret = NULL;
    uint32_t count = result->future_count, all = count + result->handle_count;
    if (REEVE_LIKELY(all == 0))
        return 0;
    uint64_t *ids = malloc(all * sizeof(*ids));
    if (ids == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    for (uint32_t i = 0; i < count; i++)
        ids[i] = result->futures[i].task;
    int code = reeve_cluster_futures_hold(cluster, ids, count, error);
    while (code == 0 && count < all) {
        if (reeve_owner_handle_take(cluster->owner, result->futures[count].task, &ids[count]) == 0)
            count++;
        else
            code = reeve_error_set(error, REEVE_ENOMEM, "%s", "");
        if (code != 0)
            reeve_cluster_futures_release(cluster, ids, count);
    }
    if (code != 0)
        free(ids);
    else
        *ret = ids;
    return code;
}

/* Without the lock. The object is not let go of meanwhile, if it is held. */
static int object_consume(struct reeve_cluster *cluster, struct reeve_cluster_prefetch *prefetch,
    const struct reeve_reference *object, size_t index, const uint64_t *futures,
    size_t future_count, reeve_consume *consume, void *arg, struct reeve_error_info *error)
{
    const void *bytes = reeve_cluster_object_find(cluster, object);
    bool asked = bytes == NULL;
    int code = 0;
    if (asked)
        code = reeve_cluster_prefetch_pin(cluster, prefetch, index, object, &bytes, error);
    if (code != 0)
        return code;
    code = consume(index, bytes, object->size_bytes, futures, future_count, arg);
    if (asked)
        reeve_cluster_object_unpin(cluster, object->id);
    return code;
}

int reeve_cluster_get_await(struct reeve_cluster *cluster, reeve_task_id task, uint64_t deadline_ns,
    struct reeve_error_info *error)
{
    if (deadline_ns == UINT64_MAX)
        reeve_cluster_run_unclaimed(cluster, task);
    struct reeve_cluster_awaited awaited = {&task, 1, true, true};
    if (!reeve_cluster_await(cluster, task_is_final, &task, deadline_ns, &awaited))
        return get_failure(cluster, task, error);
    return 0;
}

/* With the lock. The object of a future's result cannot be had, with `code`: whether that is made
 * again, to be waited for; else `error` says why not. */
bool reeve_cluster_made_again(struct reeve_cluster *cluster, reeve_task_id task,
    const struct reeve_reference *object, int code, struct reeve_error_info *error)
{
    char why[256] = "", what[sizeof(error->message)];
    if (!reeve_error_is_loss(code) || cluster->ending || cluster->dead)
        return false;
    int outcome = reeve_owner_lost(
        cluster->owner, reeve_cluster_now_ns(), task, &object->id, code, why, sizeof(why));
    if (outcome == 0) {
        reeve_cluster_submitted(cluster, reeve_cluster_now_ns());
    } else if (outcome == REEVE_ELOST) {
        reeve_error_set(error, code, "%s", why);
    } else if (outcome == REEVE_ECORRUPT) { /* which, and on which disk, is known there only */
        snprintf(what, sizeof(what), "%s", error != NULL ? error->message : "");
        reeve_error_set(error, code, "%s; %s", what, why);
    }
    return outcome == 0;
}

/* The future is final: its value is consumed, and it is released. Or (again) its object is lost,
 * and is being made again. */
static int future_take(struct reeve_cluster *cluster, struct reeve_cluster_prefetch *prefetch,
    reeve_task_id task, size_t index, reeve_consume *consume, void *arg, bool *ret_again,
    struct reeve_error_info *error)
{
    struct reeve_owner_result result;
    *ret_again = false;
    uint64_t *futures = NULL;
    int code = reeve_owner_result(cluster->owner, task, &result);
    if (code != 0 || REEVE_UNLIKELY(!result.is_held)) {
        code = reeve_cluster_stale(error);
    } else if ((code = reeve_cluster_value_futures(cluster, &result, &futures, error)) != 0) {
        (void)reeve_owner_release(cluster->owner, task);
    } else if (result.status != 0) {
        reeve_cluster_task_error(cluster, &result, error);
        code = result.status;
        (void)reeve_owner_release(cluster->owner, task);
    } else if (!result.is_object) {
        code = consume(index, result.bytes, result.size, futures, result.future_count, arg);
        if (REEVE_UNLIKELY(code != 0))
            reeve_cluster_futures_release(
                cluster, futures, result.future_count + result.handle_count);
        (void)reeve_owner_release(cluster->owner, task);
    } else {
        bool held = reeve_owner_read_begin(cluster->owner, task);
        /* whoever gets it at the same time, or releases it, is told that it is gone */
        (void)reeve_owner_take(cluster->owner, task);
        cluster->inside++;
        reeve_unlock(&cluster->lock);
        code = object_consume(cluster, prefetch, &result.object, index, futures,
            result.future_count, consume, arg, error);
        reeve_lock(&cluster->lock);
        if (held)
            reeve_owner_read_end(cluster->owner, task);
        if (REEVE_UNLIKELY(code != 0)) {
            reeve_cluster_futures_release(
                cluster, futures, result.future_count + result.handle_count);
            *ret_again = reeve_cluster_made_again(cluster, task, &result.object, code, error);
        }
        if (REEVE_LIKELY(!*ret_again))
            reeve_owner_drop(cluster->owner, task);
        else
            reeve_owner_untake(cluster->owner, task);
        reeve_cluster_pump(cluster, reeve_cluster_now_ns());
        cluster->inside--;
        if (REEVE_UNLIKELY(cluster->ending))
            reeve_condition_tell(&cluster->turn);
    }
    if (REEVE_UNLIKELY(futures != NULL))
        free(futures);
    if (REEVE_UNLIKELY(cluster->owns_told))
        reeve_cluster_owns_look(cluster);
    return code;
}

/* A plain value, and the future is released. False: it is none, or not there yet. */
static inline bool plain_take(struct reeve_cluster *cluster, reeve_task_id task, size_t index,
    reeve_consume *consume, void *arg, int *ret_code)
{
    const uint8_t *bytes;
    uint32_t size;
    if (!reeve_owner_plain_result(cluster->owner, task, &bytes, &size))
        return false;
    *ret_code = consume(index, bytes, size, NULL, 0, arg);
    (void)reeve_owner_release(cluster->owner, task);
    if (REEVE_UNLIKELY(cluster->owns_told))
        reeve_cluster_owns_look(cluster);
    return true;
}

/* With the lock, which it gives up while it waits and while it copies from the store. */
static int future_get(struct reeve_cluster *cluster, struct reeve_cluster_prefetch *prefetch,
    reeve_task_id task, int64_t timeout_ms, size_t index, reeve_consume *consume, void *arg,
    struct reeve_error_info *error)
{
    bool again;
    int code;
    if (plain_take(cluster, task, index, consume, arg, &code))
        return code;
    uint64_t deadline_ns = reeve_clock_deadline_ns(timeout_ms);
    if (REEVE_UNLIKELY(reeve_owner_is_stream(cluster->owner, task)))
        return reeve_error_set(error, REEVE_ETYPE, "a stream is not got: read its items");
    do {
        code = reeve_cluster_get_await(cluster, task, deadline_ns, error);
        if (code != 0)
            return code;
        if (REEVE_LIKELY(plain_take(cluster, task, index, consume, arg, &code)))
            return code;
        code = future_take(cluster, prefetch, task, index, consume, arg, &again, error);
    } while (REEVE_UNLIKELY(again));
    return code;
}

int reeve_cluster_get(struct reeve_backend *backend, uint64_t future, int64_t timeout_ms,
    reeve_consume *consume, void *arg, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    int code;
    reeve_lock(&cluster->lock);
    if (cluster->ending) {
        code = reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "");
    } else {
        reeve_cluster_enter(cluster);
        code = future_get(cluster, NULL, future, timeout_ms, 0, consume, arg, error);
    }
    reeve_unlock(&cluster->lock);
    return code;
}

int reeve_cluster_get_many(struct reeve_backend *backend, const uint64_t *futures, size_t *at,
    size_t count, reeve_consume *consume, void *arg, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct reeve_cluster_prefetch prefetch = {0};
    int code = 0;
    reeve_lock(&cluster->lock);
    for (; *at < count; (*at)++) {
        if (cluster->ending) {
            code = reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "");
            break;
        }
        reeve_cluster_enter(cluster);
        if (REEVE_UNLIKELY(prefetch.wanted))
            reeve_cluster_prefetch_more(cluster, &prefetch, futures, *at, count);
        code =
            future_get(cluster, &prefetch, futures[*at], REEVE_FOREVER, *at, consume, arg, error);
        if (code != 0)
            break;
    }
    if (REEVE_UNLIKELY(prefetch.wanted))
        reeve_cluster_prefetch_end(cluster, &prefetch);
    reeve_unlock(&cluster->lock);
    return code;
}

int reeve_cluster_end_take(
    struct reeve_cluster *cluster, reeve_task_id stream, struct reeve_error_info *error)
{
    struct reeve_owner_result result;
    (void)reeve_owner_result(cluster->owner, stream, &result);
    if (result.status != 0)
        reeve_cluster_task_error(cluster, &result, error);
    int code = result.status;
    (void)reeve_owner_release(cluster->owner, stream);
    if (REEVE_UNLIKELY(cluster->owns_told))
        reeve_cluster_owns_look(cluster);
    return code;
}
