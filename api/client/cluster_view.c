/* Values viewed where they lie. The view holds a reference to the future, so that its value stays,
 * whoever releases it; and of an object that is anchored, it is a reader. One that is not is
 * pinned for the view, which costs a question to the daemon. */
#include <stdlib.h>

#include "api/client/cluster.h"
#include "api/client/error.h"
#include "runtime/base/clock.h"
#include "runtime/base/macros.h"

struct view {
    reeve_task_id task; /* a reference to it */
    bool reads;         /* its object is anchored, and we are a reader */
    bool pinned;        /* asked for */
    struct reeve_object_id object;
    uint64_t *futures; /* in the value, a reference to each */
    size_t future_count;
};

/* With the lock. What the view has, but for its pin. */
static void view_drop(struct reeve_cluster *cluster, struct view *view)
{
    if (view->reads)
        reeve_owner_read_end(cluster->owner, view->task);
    reeve_cluster_futures_release(cluster, view->futures, view->future_count);
    free(view->futures);
    view->futures = NULL;
    reeve_owner_drop(cluster->owner, view->task);
    reeve_cluster_pump(cluster, reeve_cluster_now_ns());
    if (REEVE_UNLIKELY(cluster->owns_told))
        reeve_cluster_owns_look(cluster);
    if (REEVE_UNLIKELY(cluster->room_waiters != 0))
        reeve_cluster_room_made(cluster);
}

/* Without the lock, inside. */
static int object_view(struct reeve_cluster *cluster, struct view *view,
    const struct reeve_reference *object, reeve_consume *consume, void *arg,
    struct reeve_error_info *error)
{
    const void *bytes = reeve_cluster_object_find(cluster, object);
    int code = 0;
    if (bytes == NULL) {
        code = reeve_cluster_object_get(cluster, object, &bytes, error);
        view->pinned = code == 0;
        view->object = object->id;
    }
    if (code == 0)
        code = consume(0, bytes, object->size_bytes, view->futures, view->future_count, arg);
    if (code != 0 && view->pinned)
        reeve_cluster_object_unpin(cluster, object->id);
    return code;
}

/* With the lock, which it gives up where the value is in the store. */
static int view_take(struct reeve_cluster *cluster, struct view *view, reeve_consume *consume,
    void *arg, bool *ret_again, struct reeve_error_info *error)
{
    struct reeve_owner_result result;
    *ret_again = false;
    if (reeve_owner_result(cluster->owner, view->task, &result) != 0 || !result.is_held)
        return reeve_error_set(error, REEVE_EHANDLE, REEVE_NO_FUTURE);
    if (result.status != 0) {
        reeve_cluster_task_error(cluster, &result, error);
        return result.status;
    }
    result.handle_count = 0; /* they are the value's */
    int code = reeve_cluster_value_futures(cluster, &result, &view->futures, error);
    if (code != 0)
        return code;
    view->future_count = result.future_count;
    (void)reeve_owner_keep(cluster->owner, view->task);
    if (!result.is_object) {
        code = consume(0, result.bytes, result.size, view->futures, view->future_count, arg);
    } else {
        view->reads = reeve_owner_read_begin(cluster->owner, view->task);
        cluster->inside++;
        reeve_unlock(&cluster->lock);
        code = object_view(cluster, view, &result.object, consume, arg, error);
        reeve_lock(&cluster->lock);
        cluster->inside--;
        if (REEVE_UNLIKELY(cluster->ending))
            reeve_condition_tell(&cluster->turn);
    }
    if (REEVE_UNLIKELY(code != 0)) {
        *ret_again = result.is_object &&
                     reeve_cluster_made_again(cluster, view->task, &result.object, code, error);
        view_drop(cluster, view);
        *view = (struct view){.task = view->task};
    }
    return code;
}

static int view_make(struct reeve_cluster *cluster, struct view *view, int64_t timeout_ms,
    reeve_consume *consume, void *arg, struct reeve_error_info *error)
{
    uint64_t deadline_ns = reeve_clock_deadline_ns(timeout_ms);
    bool again;
    int code;
    do {
        again = false;
        code = reeve_cluster_get_await(cluster, view->task, deadline_ns, error);
        if (code == 0)
            code = view_take(cluster, view, consume, arg, &again, error);
    } while (REEVE_UNLIKELY(again));
    return code;
}

int reeve_cluster_view(struct reeve_backend *backend, uint64_t future, int64_t timeout_ms,
    reeve_consume *consume, void *arg, uint64_t *ret_handle, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct view *view = calloc(1, sizeof(*view));
    int code;
    if (view == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    view->task = future;
    reeve_lock(&cluster->lock);
    if (cluster->ending) {
        code = reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "");
    } else {
        reeve_cluster_enter(cluster);
        code = view_make(cluster, view, timeout_ms, consume, arg, error);
    }
    reeve_unlock(&cluster->lock);
    if (code == 0) {
        *ret_handle = (uint64_t)(uintptr_t)view;
        return 0;
    }
    free(view);
    return code;
}

void reeve_cluster_unview(struct reeve_backend *backend, uint64_t handle)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct view *view = (struct view *)(uintptr_t)handle;
    reeve_lock(&cluster->lock);
    bool running = !cluster->ending; /* else all is gone already */
    if (running) {
        reeve_cluster_enter(cluster);
        if (view->pinned)
            reeve_cluster_object_unpin(cluster, view->object);
        view_drop(cluster, view);
    }
    reeve_unlock(&cluster->lock);
    free(view->futures);
    free(view);
}
