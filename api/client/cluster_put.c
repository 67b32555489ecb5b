/* Values that the program puts: small ones into the core, large ones straight into the store; with
 * the futures that stand in them. */
#include <stdlib.h>
#include <string.h>

#include "api/client/cluster.h"
#include "api/client/error.h"
#include "runtime/base/macros.h"

void reeve_cluster_futures_release(struct reeve_cluster *cluster, const uint64_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)reeve_owner_release(cluster->owner, ids[i]);
}

/* A reference to each for a value that they stand in. With the lock. */
int reeve_cluster_futures_hold(struct reeve_cluster *cluster, const uint64_t *ids, size_t count,
    struct reeve_error_info *error)
{
    for (size_t i = 0; i < count; i++) {
        bool is_stream = reeve_owner_is_stream(cluster->owner, ids[i]);
        if (!is_stream && reeve_owner_hold(cluster->owner, ids[i]) == 0)
            continue;
        reeve_cluster_futures_release(cluster, ids, i);
        if (is_stream)
            return reeve_error_set(error, REEVE_ETYPE, "a stream is not (part of) a value");
        return reeve_error_set(
            error, REEVE_EHANDLE, "a future in the value is stale: it has been got or released");
    }
    return 0;
}

/* The object is complete, or (code not 0) will never be; what was held for it is its own. Releases
 * the task when that fails. With the lock. */
static int put_end(struct reeve_cluster *cluster, reeve_task_id task, int code,
    const struct reeve_reference *object, const uint64_t *futures, size_t future_count,
    struct reeve_error_info *error)
{
    reeve_owner_filled(cluster->owner, reeve_cluster_now_ns(), task, code, object);
    if (code == 0 && future_count != 0 &&
        (reeve_owner_state(cluster->owner, task) != REEVE_TASK_DONE ||
            reeve_owner_attach(cluster->owner, task, futures, (uint32_t)future_count) != 0))
        code = reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    if (code != 0) {
        reeve_cluster_futures_release(cluster, futures, future_count);
        (void)reeve_owner_release(cluster->owner, task);
    }
    return code;
}

static int put_seal(struct reeve_cluster *cluster, const struct reeve_cluster_place *place,
    size_t size, reeve_task_id task, const uint64_t *futures, size_t future_count,
    struct reeve_error_info *error)
{
    struct reeve_object_id id = {cluster->process, task};
    struct reeve_reference object;
    int code = reeve_cluster_place_seal(cluster, place, id, size, true, &object, error);
    reeve_lock(&cluster->lock);
    code = put_end(cluster, task, code, &object, futures, future_count, error);
    reeve_cluster_pump(cluster, reeve_cluster_now_ns()); /* it may have been asked for already */
    reeve_unlock(&cluster->lock);
    return code;
}

/* Puts one packed value into the store; the future (PENDING until then) is the caller's. */
int reeve_cluster_put(struct reeve_cluster *cluster, const void *bytes, size_t size,
    const uint64_t *futures, size_t future_count, reeve_task_id *ret,
    struct reeve_error_info *error)
{
    struct reeve_cluster_place place;
    reeve_task_id task;
    int code = reeve_cluster_place_take(cluster, size, 0, false, &place, error);
    if (code != 0)
        return code;
    memcpy(place.bytes, bytes, size);
    reeve_lock(&cluster->lock);
    code = reeve_cluster_futures_hold(cluster, futures, future_count, error);
    if (code == 0 && (code = reeve_owner_put(cluster->owner, NULL, 0, &task)) != 0) {
        reeve_cluster_futures_release(cluster, futures, future_count);
        reeve_error_set(error, code, "%s", "");
    }
    reeve_unlock(&cluster->lock);
    if (code != 0) {
        reeve_cluster_place_abort(cluster, &place);
        return code;
    }
    code = put_seal(cluster, &place, size, task, futures, future_count, error);
    *ret = task;
    return code;
}

/* ---- the backend's create, seal and abort --------------------------------------------------- */

/* A value being filled: in the heap when it is small, else in the store. */
struct filling {
    size_t size;
    bool small;
    bool leisurely;
    uint8_t *memory; /* small: in which the bytes are */
    struct reeve_cluster_place place;
};

/* Whoever fills it at once stays inside until it is sealed or given up: shutdown waits. */
static int large_create(struct reeve_cluster *cluster, struct filling *filling, uint32_t skew,
    struct reeve_error_info *error)
{
    int code = reeve_cluster_inside_enter(cluster, error);
    if (code != 0)
        return code;
    code = reeve_cluster_place_take(
        cluster, filling->size, skew, filling->leisurely, &filling->place, error);
    if (code != 0 || filling->leisurely)
        reeve_cluster_inside_leave(cluster);
    return code;
}

int reeve_cluster_create(struct reeve_backend *backend, size_t size, uint32_t skew, bool leisurely,
    void **bytes, uint64_t *handle, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct filling *filling = calloc(1, sizeof(*filling));
    size_t gap = -(size_t)skew & 63;
    int code = 0;
    if (filling == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    filling->size = size;
    filling->small = size <= cluster->inline_size;
    filling->leisurely = leisurely;
    if (!filling->small)
        code = large_create(cluster, filling, skew, error);
    else if ((filling->memory = aligned_alloc(64, REEVE_ALIGN_UP(gap + size + 1, (size_t)64))) ==
             NULL)
        code = reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    else
        filling->place.bytes = filling->memory + gap;
    if (code != 0) {
        free(filling);
        return code;
    }
    *bytes = filling->place.bytes;
    *handle = (uint64_t)(uintptr_t)filling;
    return 0;
}

/* A future for the value: with it, if it is small, else PENDING. With the lock. */
static int filled_future(struct reeve_cluster *cluster, const struct filling *filling,
    const uint64_t *futures, size_t future_count, reeve_task_id *ret,
    struct reeve_error_info *error)
{
    int code = reeve_cluster_usable(cluster, error);
    if (code == 0) {
        reeve_cluster_enter(cluster);
        code = reeve_cluster_room(cluster, REEVE_CLUSTER_NO_CLASS, error);
    }
    if (code == 0)
        code = reeve_cluster_futures_hold(cluster, futures, future_count, error);
    if (code != 0)
        return code;
    code = reeve_owner_put(
        cluster->owner, filling->small ? filling->place.bytes : NULL, (uint32_t)filling->size, ret);
    if (code == 0 && filling->small && future_count != 0 &&
        (code = reeve_owner_attach(cluster->owner, *ret, futures, (uint32_t)future_count)) != 0)
        (void)reeve_owner_release(cluster->owner, *ret);
    if (code != 0) {
        reeve_cluster_futures_release(cluster, futures, future_count);
        reeve_error_set(error, code, "%s", "");
    }
    return code;
}

int reeve_cluster_seal(struct reeve_backend *backend, uint64_t handle, const uint64_t *futures,
    size_t future_count, uint64_t *ret, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct filling *filling = (struct filling *)(uintptr_t)handle;
    reeve_task_id task;
    reeve_lock(&cluster->lock);
    int code = filled_future(cluster, filling, futures, future_count, &task, error);
    bool inside = !filling->small && (!filling->leisurely || !cluster->ending);
    cluster->inside += inside && filling->leisurely;
    reeve_unlock(&cluster->lock);
    if (inside && code != 0)
        reeve_cluster_place_abort(cluster, &filling->place);
    else if (inside)
        code =
            put_seal(cluster, &filling->place, filling->size, task, futures, future_count, error);
    if (inside)
        reeve_cluster_inside_leave(cluster);
    free(filling->memory);
    free(filling);
    if (code == 0)
        *ret = task;
    return code;
}

void reeve_cluster_abort(struct reeve_backend *backend, uint64_t handle)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct filling *filling = (struct filling *)(uintptr_t)handle;
    bool inside = !filling->small;
    if (inside && filling->leisurely)
        inside = reeve_cluster_inside_enter(cluster, NULL) == 0;
    if (inside) {
        reeve_cluster_place_abort(cluster, &filling->place);
        reeve_cluster_inside_leave(cluster);
    }
    free(filling->memory);
    free(filling);
}
