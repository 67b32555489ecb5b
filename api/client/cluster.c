/* The cluster backend: its members, but for submit (cluster_submit.c); start and end. The picture
 * is in cluster.h. */
#include "api/client/cluster.h"

#include <errno.h>
#include <limits.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/client/codec.h"
#include "api/client/error.h"
#include "api/client/keeper.h"
#include "api/client/objects.h"
#include "api/client/registry.h"
#include "runtime/base/macros.h"

/* Workers call in bursts, and what their leases keep idle, others wait for. */
#define WORKER_LEASE_IDLE_NS (20u * 1000 * 1000)

#define HOLDERS_FIRST 2 /* leases that a process often has at a time */

uint64_t reeve_cluster_deadline_ns(int64_t timeout_ms)
{
    if (timeout_ms < 0)
        return UINT64_MAX;
    uint64_t now_ns = reeve_cluster_now_ns();
    return (uint64_t)timeout_ms > (UINT64_MAX - now_ns) / 1000000u
               ? UINT64_MAX
               : now_ns + (uint64_t)timeout_ms * 1000000u;
}

int reeve_cluster_usable(const struct reeve_cluster *cluster, struct reeve_error_info *error)
{
    if (cluster->ending)
        return reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "");
    if (cluster->dead)
        return reeve_error_set(error, cluster->dead_code, "%s", cluster->dead_text);
    return 0;
}

/* ---- errors of tasks ------------------------------------------------------------------------- */

static void text_copy(char *to, size_t size, const msgpack_object *from)
{
    if (from->type == MSGPACK_OBJECT_STR)
        snprintf(to, size, "%.*s", (int)from->via.str.size, from->via.str.ptr);
}

/* A failed task's answer is a map for people: entry.h. */
static void error_map_read(const uint8_t *bytes, size_t size, struct reeve_error_info *error)
{
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t offset = 0;
    if (reeve_codec_check(bytes, size, NULL) == 0 &&
        msgpack_unpack_next(&unpacked, (const char *)bytes, size, &offset) ==
            MSGPACK_UNPACK_SUCCESS &&
        unpacked.data.type == MSGPACK_OBJECT_MAP) {
        const msgpack_object_map *map = &unpacked.data.via.map;
        for (uint32_t i = 0; i < map->size; i++) {
            const msgpack_object *value = &map->ptr[i].val;
            char key[16] = "";
            text_copy(key, sizeof(key), &map->ptr[i].key);
            if (strcmp(key, "message") == 0)
                text_copy(error->message, sizeof(error->message), value);
            else if (strcmp(key, "node") == 0)
                text_copy(error->node, sizeof(error->node), value);
            else if (strcmp(key, "code") == 0 &&
                     (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
                         value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER))
                error->user_code = value->via.i64;
        }
    }
    msgpack_unpacked_destroy(&unpacked);
}

void reeve_cluster_node_name(
    const struct reeve_cluster *cluster, uint32_t node, char *ret, size_t size)
{
    char own[HOST_NAME_MAX + 1] = "";
    const char *host = reeve_map64_get(&cluster->hosts, node);
    if (node == cluster->node && gethostname(own, sizeof(own) - 1) == 0)
        host = own;
    snprintf(ret, size, host != NULL ? "%u (%s)" : "%u", node, host);
}

void reeve_cluster_host_note(struct reeve_cluster *cluster, uint32_t node, const char *host)
{
    if (node == cluster->node || host[0] == '\0' || reeve_map64_get(&cluster->hosts, node) != NULL)
        return;
    char *copy = strdup(host);
    if (copy != NULL && reeve_map64_put(&cluster->hosts, node, copy, NULL) != 0)
        free(copy); /* then it is called by its number alone */
}

void reeve_cluster_task_error(const struct reeve_cluster *cluster,
    const struct reeve_owner_result *result, struct reeve_error_info *error)
{
    reeve_error_set(error, result->status, "%s", "");
    if (error == NULL)
        return;
    const struct reeve_function *function = reeve_registry_at(result->function);
    if (function != NULL)
        reeve_error_function(error, function->name);
    error->attempt = (int)result->attempt;
    if (result->node != 0)
        reeve_cluster_node_name(cluster, result->node, error->node, sizeof(error->node));
    if (result->error_is_map)
        error_map_read(result->bytes, result->size, error);
    else if (result->size != 0)
        snprintf(error->message, sizeof(error->message), "%.*s", (int)result->size,
            (const char *)result->bytes);
}

/* ---- get, wait, release ---------------------------------------------------------------------- */

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
static int await_failure(const struct reeve_cluster *cluster, struct reeve_error_info *error)
{
    int code = reeve_cluster_usable(cluster, error);
    return code != 0 ? code : reeve_error_set(error, REEVE_ETIMEDOUT, "%s", "");
}

static int get_failure(
    const struct reeve_cluster *cluster, reeve_task_id task, struct reeve_error_info *error)
{
    int code = await_failure(cluster, error);
    if (code != REEVE_ETIMEDOUT)
        return code;
    struct reeve_owner_entry entry;
    reeve_owner_entry(cluster->owner, task, &entry);
    const struct reeve_function *function = reeve_registry_at(entry.function);
    if (function != NULL)
        reeve_error_function(error, function->name);
    return code;
}

static int stale(struct reeve_error_info *error)
{
    return reeve_error_set(
        error, REEVE_EHANDLE, "no such future: it has been got or released already");
}

/* The futures in a value that the program gets: a reference to each for it. `ret`, from malloc, is
 * NULL where there are none. */
int reeve_cluster_value_futures(struct reeve_cluster *cluster,
    const struct reeve_owner_result *result, uint64_t **ret, struct reeve_error_info *error)
{
    *ret = NULL;
    if (REEVE_LIKELY(result->future_count == 0))
        return 0;
    uint64_t *ids = malloc(result->future_count * sizeof(*ids));
    if (ids == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    for (uint32_t i = 0; i < result->future_count; i++)
        ids[i] = result->futures[i].task;
    int code = reeve_cluster_futures_hold(cluster, ids, result->future_count, error);
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
    if (asked && prefetch != NULL)
        prefetch->wanted = true; /* there may be more of that kind */
    if (asked && (prefetch == NULL ||
                     !reeve_cluster_prefetch_take(cluster, prefetch, index, object, &bytes))) {
        int code = reeve_cluster_object_get(cluster, object, &bytes, error);
        if (code != 0)
            return code;
    }
    int code = consume(index, bytes, object->size_bytes, futures, future_count, arg);
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
        code = stale(error);
    } else if ((code = reeve_cluster_value_futures(cluster, &result, &futures, error)) != 0) {
        (void)reeve_owner_release(cluster->owner, task);
    } else if (result.status != 0) {
        reeve_cluster_task_error(cluster, &result, error);
        code = result.status;
        (void)reeve_owner_release(cluster->owner, task);
    } else if (!result.is_object) {
        code = consume(index, result.bytes, result.size, futures, result.future_count, arg);
        if (REEVE_UNLIKELY(code != 0))
            reeve_cluster_futures_release(cluster, futures, result.future_count);
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
            reeve_cluster_futures_release(cluster, futures, result.future_count);
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

/* With the lock, which it gives up while it waits and while it copies from the store. */
static int future_get(struct reeve_cluster *cluster, struct reeve_cluster_prefetch *prefetch,
    reeve_task_id task, int64_t timeout_ms, size_t index, reeve_consume *consume, void *arg,
    struct reeve_error_info *error)
{
    uint64_t deadline_ns = reeve_cluster_deadline_ns(timeout_ms);
    bool again;
    int code;
    if (REEVE_UNLIKELY(reeve_owner_is_stream(cluster->owner, task)))
        return reeve_error_set(error, REEVE_ETYPE, "a stream is not got: read its items");
    do {
        code = reeve_cluster_get_await(cluster, task, deadline_ns, error);
        if (code != 0)
            return code;
        code = future_take(cluster, prefetch, task, index, consume, arg, &again, error);
    } while (REEVE_UNLIKELY(again));
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

static int cluster_yield(struct reeve_backend *backend, size_t size, reeve_pack_item *pack,
    const void *item, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    return cluster->yield != NULL ? cluster->yield(cluster, size, pack, item, error)
                                  : reeve_error_set(error, REEVE_EINVAL, "%s", "");
}

static int cluster_get(struct reeve_backend *backend, uint64_t future, int64_t timeout_ms,
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

static int cluster_get_many(struct reeve_backend *backend, const uint64_t *futures, size_t *at,
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

static int cluster_wait(struct reeve_backend *backend, const uint64_t *futures, size_t count,
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
            cluster, several_are_final, &several, reeve_cluster_deadline_ns(timeout_ms), &awaited))
        code = await_failure(cluster, error);
    if (code == 0 || code == REEVE_ETIMEDOUT) {
        several_look(cluster, &several);
        if (several.stale)
            code = stale(error);
    }
    reeve_unlock(&cluster->lock);
    *ready_count = several.ready_count;
    return code;
}

static int cluster_release(
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
    return code == REEVE_EHANDLE ? stale(error) : reeve_error_set(error, code, "%s", "");
}

static int cluster_retain(
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
    return code == REEVE_EHANDLE ? stale(error) : reeve_error_set(error, code, "%s", "");
}

static int cluster_look(
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

/* ---- start and end --------------------------------------------------------------------------- */

static uint32_t generation_first = 1; /* ids are not used again after another start */

/* Frees what the struct points to, when nobody uses it any more. */
static void cluster_fini(struct reeve_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->holder_capacity; i++)
        reeve_cluster_channel_close(&cluster->holders[i]);
    free(cluster->holders);
    cluster->holders = NULL;
    cluster->holder_capacity = 0;
    reeve_objects_free(cluster->objects);
    reeve_owner_free(cluster->owner);
    cluster->objects = NULL;
    cluster->owner = NULL;
    size_t at = 0;
    void *host;
    while (reeve_map64_next(&cluster->hosts, &at, NULL, &host))
        free(host);
    reeve_map64_fini(&cluster->hosts);
    if (cluster->bell != NULL)
        reeve_memory_unmap(cluster->bell, REEVE_DOORBELL_BYTES);
    if (cluster->daemon_bell != NULL)
        reeve_memory_unmap(cluster->daemon_bell, REEVE_DOORBELL_BYTES);
    cluster->bell = cluster->daemon_bell = NULL;
}

/* A child made by fork has no use for our connections; by holding them it would keep the cluster
 * waiting for the end of a process that has long ended. (The memory it does not have: it is mapped
 * so that children do not get it.) */
static _Atomic(struct reeve_cluster *) forkable;

static void forget_in_child(void)
{
    struct reeve_cluster *cluster = atomic_load(&forkable);
    if (cluster == NULL)
        return;
    close(cluster->socket);
    if (cluster->lifeline >= 0)
        close(cluster->lifeline);
}

static void fork_prepare(struct reeve_cluster *cluster)
{
    static bool registered;
    if (!registered)
        registered = pthread_atfork(NULL, NULL, forget_in_child) == 0;
    atomic_store(&forkable, cluster);
}

/* The struct stays: calls of other threads may still be on their way out. Those that use memory or
 * the socket without the lock have left. */
static void cluster_shutdown(struct reeve_backend *backend)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct reeve_local_message bye = {.kind = REEVE_LOCAL_BYE};
    atomic_store(&forkable, NULL);
    reeve_cluster_background_stop(cluster);
    reeve_lock(&cluster->lock);
    cluster->turn_waiters++;
    while (cluster->polling || cluster->inside != 0) /* they have been told, and soon leave */
        (void)reeve_condition_wait(&cluster->turn, &cluster->lock, UINT64_MAX);
    cluster->turn_waiters--;
    if (cluster->watch_count != 0) { /* nobody is left waiting to be told */
        reeve_owner_fail_all(cluster->owner, REEVE_ESHUTDOWN, "");
        reeve_cluster_watched(cluster);
    }
    generation_first = reeve_owner_generation(cluster->owner);
    cluster_fini(cluster); /* first: BYE says that we do not touch any shared memory any more */
    (void)reeve_cluster_send(cluster, &bye);
    reeve_unlock(&cluster->lock);
    reeve_cluster_farewell(cluster);
    reeve_fifo_fini(&cluster->inbox);
    reeve_cluster_take_down(cluster);
    static struct reeve_cluster *_Atomic retired; /* kept, not leaked */
    cluster->retired_before = atomic_exchange(&retired, cluster);
}

int reeve_cluster_backend_start(int argc, char **argv, const struct reeve_settings *settings,
    struct reeve_backend **ret, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = calloc(1, sizeof(*cluster));
    if (cluster == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    cluster->backend = (struct reeve_backend){
        .submit = reeve_cluster_submit,
        .submit_many = reeve_cluster_submit_many,
        .get = cluster_get,
        .get_many = cluster_get_many,
        .wait = cluster_wait,
        .release = cluster_release,
        .next = reeve_cluster_next,
        .yield = cluster_yield,
        .view = reeve_cluster_view,
        .unview = reeve_cluster_unview,
        .retain = cluster_retain,
        .get_progress = reeve_cluster_get_progress,
        .cancel = reeve_cluster_cancel,
        .watch = reeve_cluster_watch,
        .watch_next = reeve_cluster_watch_next,
        .watch_wait = reeve_cluster_watch_wait,
        .look = cluster_look,
        .create = reeve_cluster_create,
        .seal = reeve_cluster_seal,
        .abort = reeve_cluster_abort,
        .actor_make = reeve_cluster_actor_make,
        .actor_keep = reeve_cluster_actor_keep,
        .actor_end = reeve_cluster_actor_end,
        .actor_find = reeve_cluster_actor_find,
        .bounds_calls = true,
        .shutdown = cluster_shutdown,
    };
    snprintf(cluster->backend.name_space, sizeof(cluster->backend.name_space), "%s",
        settings->name_space);
    cluster->socket = cluster->event_fd = cluster->daemon_event_fd = cluster->lifeline = -1;
    cluster->head_pidfd = -1;
    cluster->background_wake_ns = cluster->beside_deadline_ns = UINT64_MAX;
    cluster->spin_ns = 50000;
    reeve_cluster_room_init(cluster, settings);
    reeve_list_init(&cluster->sleepers);
    reeve_fifo_init(&cluster->inbox, sizeof(struct reeve_local_message));
    struct reeve_owner_settings owner_settings = reeve_owner_settings_default;
    owner_settings.generation_first = generation_first;
    if (getenv(REEVE_WORKER_VARIABLE) != NULL)
        owner_settings.lease_idle_ns = WORKER_LEASE_IDLE_NS;
    /* in front of the owner, so that what a call touches lies together */
    cluster->holders = calloc(HOLDERS_FIRST, sizeof(*cluster->holders));
    cluster->holder_capacity = cluster->holders != NULL ? HOLDERS_FIRST : 0;
    reeve_map64_init(&cluster->hosts);
    cluster->owner = reeve_owner_create(&owner_settings);
    cluster->objects = reeve_objects_create();
    int code = 0;
    if (cluster->owner == NULL || cluster->objects == NULL)
        code = reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    if (code == 0)
        code = reeve_cluster_connect(cluster, settings, argc, argv, error);
    cluster->backend.inline_max_bytes = cluster->inline_size;
    if (code == 0 && cluster->is_worker) {
        cluster->backend.shutdown = NULL; /* its daemon ends it */
        if (reeve_worker_init(cluster) != 0)
            code = reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    }
    if (code == 0 && reeve_cluster_background_start(cluster) != 0)
        code = reeve_error_set(
            error, REEVE_ESYSTEM, "a thread could not be started: %s", strerror(errno));
    if (code != 0) {
        reeve_cluster_take_down(cluster);
        cluster_fini(cluster);
        free(cluster);
        return code;
    }
    fork_prepare(cluster);
    if (cluster->is_worker || cluster->is_keeper) {
        if (reeve_client_attach(&cluster->backend, error) != 0)
            _exit(1);
        if (cluster->is_keeper)
            reeve_keeper_run(cluster);
        reeve_worker_run(cluster);
    }
    *ret = &cluster->backend;
    return 0;
}
