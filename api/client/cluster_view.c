/* Values viewed where they lie. The view holds a reference to the future, so that its value stays,
 * whoever releases it; and of an object that is anchored, it is a reader. One that is not is
 * pinned for the view, which costs a question to the daemon; of many, the next are asked for ahead.
 *
 * What a caller views in one call or several is a list of pieces, each from malloc and in its place
 * until all of it ends: the first is the handle.
 *
 *   handle ─▶ | view |  ─▶ | view | view | view | ... |  ─▶ | view | ... |
 *
 * What is viewed stays in memory, so more than the store holds cannot be. The first for which there
 * is no room waits for it, as long as that may help. Those after it that would have to be asked for
 * do not: nothing of it goes before the caller has it. */
#include <stdlib.h>

#include "api/client/cluster.h"
#include "api/client/error.h"
#include "runtime/base/clock.h"
#include "runtime/base/macros.h"

#define UNVIEWS_AT_ONCE 256 /* before other threads get their turn */

/* Of one future. */
struct view {
    reeve_task_id task; /* a reference to it */
    bool reads;         /* its object is anchored, and we are a reader */
    bool pinned;        /* asked for */
    struct reeve_object_id object;
    uint64_t *futures; /* in the value, a reference to each */
    size_t future_count;
};

struct views {
    struct views *next;
    bool full; /* of the first piece: there was no room for one more */
    size_t count;
    struct view views[];
};

/* A view that is being made. */
struct making {
    struct view *view;
    size_t index; /* of the future */
    struct reeve_cluster_prefetch prefetch;
    bool *full;
    reeve_consume *consume;
    void *arg;
};

/* With the lock. What the view has, but for its pin; dropped() follows. */
static void view_drop(struct reeve_cluster *cluster, struct view *view)
{
    if (view->reads)
        reeve_owner_read_end(cluster->owner, view->task);
    reeve_cluster_futures_release(cluster, view->futures, view->future_count);
    free(view->futures);
    view->futures = NULL;
    reeve_owner_drop(cluster->owner, view->task);
}

static void dropped(struct reeve_cluster *cluster)
{
    reeve_cluster_pump(cluster, reeve_cluster_now_ns());
    if (REEVE_UNLIKELY(cluster->owns_told))
        reeve_cluster_owns_look(cluster);
    if (REEVE_UNLIKELY(cluster->room_waiters != 0))
        reeve_cluster_room_made(cluster);
}

/* Without the lock, inside. */
static int object_view(struct reeve_cluster *cluster, struct making *making,
    const struct reeve_reference *object, struct reeve_error_info *error)
{
    struct view *view = making->view;
    const void *bytes = reeve_cluster_object_find(cluster, object);
    int code = 0;
    if (bytes == NULL) {
        if (REEVE_UNLIKELY(*making->full))
            return reeve_error_set(error, REEVE_EFULL,
                "what the same call views already leaves no room for it in the store: view fewer "
                "at a time, or give the store more memory");
        code = reeve_cluster_prefetch_pin(
            cluster, &making->prefetch, making->index, object, &bytes, error);
        view->pinned = code == 0;
        view->object = object->id;
        *making->full = code == REEVE_EFULL;
    }
    if (code == 0)
        code = making->consume(making->index, bytes, object->size_bytes, view->futures,
            view->future_count, making->arg);
    if (code != 0 && view->pinned)
        reeve_cluster_object_unpin(cluster, object->id);
    return code;
}

/* With the lock, which it gives up where the value is in the store. */
static int view_take(struct reeve_cluster *cluster, struct making *making, bool *ret_again,
    struct reeve_error_info *error)
{
    struct view *view = making->view;
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
        code = making->consume(making->index, result.bytes, result.size, view->futures,
            view->future_count, making->arg);
    } else {
        view->reads = reeve_owner_read_begin(cluster->owner, view->task);
        cluster->inside++;
        reeve_unlock(&cluster->lock);
        code = object_view(cluster, making, &result.object, error);
        reeve_lock(&cluster->lock);
        cluster->inside--;
        if (REEVE_UNLIKELY(cluster->ending))
            reeve_condition_tell(&cluster->turn);
    }
    if (REEVE_UNLIKELY(code != 0)) {
        *ret_again = result.is_object &&
                     reeve_cluster_made_again(cluster, view->task, &result.object, code, error);
        view_drop(cluster, view);
        dropped(cluster);
        *view = (struct view){.task = view->task};
    }
    return code;
}

static int view_make(struct reeve_cluster *cluster, struct making *making, uint64_t deadline_ns,
    struct reeve_error_info *error)
{
    bool again;
    int code;
    do {
        again = false;
        code = reeve_cluster_get_await(cluster, making->view->task, deadline_ns, error);
        if (code == 0)
            code = view_take(cluster, making, &again, error);
    } while (REEVE_UNLIKELY(again));
    return code;
}

/* With the lock. As many as there is room for in `views`, until one fails. */
static int views_make(struct reeve_cluster *cluster, struct making *making, struct views *views,
    const uint64_t *futures, size_t *at, size_t count, int64_t timeout_ms,
    struct reeve_error_info *error)
{
    struct reeve_cluster_prefetch *prefetch = &making->prefetch;
    uint64_t deadline_ns = reeve_clock_deadline_ns(timeout_ms);
    int code = 0;
    for (; *at < count; (*at)++, views->count++) {
        if (cluster->ending) {
            code = reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "");
            break;
        }
        reeve_cluster_enter(cluster);
        if (REEVE_UNLIKELY(prefetch->wanted) && !*making->full)
            reeve_cluster_prefetch_more(cluster, prefetch, futures, *at, count);
        making->view = &views->views[views->count];
        making->index = *at;
        *making->view = (struct view){.task = futures[*at]};
        code = view_make(cluster, making, deadline_ns, error);
        if (code != 0)
            break;
    }
    if (REEVE_UNLIKELY(prefetch->wanted))
        reeve_cluster_prefetch_end(cluster, prefetch);
    return code;
}

int reeve_cluster_view(struct reeve_backend *backend, const uint64_t *futures, size_t *at,
    size_t count, int64_t timeout_ms, reeve_consume *consume, void *arg, uint64_t *handle,
    struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct views *first = (struct views *)(uintptr_t)*handle;
    struct views *views = malloc(sizeof(*views) + (count - *at) * sizeof(views->views[0]));
    if (views == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "%s", "");
    *views = (struct views){.count = 0};
    struct making making = {
        .full = first != NULL ? &first->full : &views->full, .consume = consume, .arg = arg};
    reeve_lock(&cluster->lock);
    int code = views_make(cluster, &making, views, futures, at, count, timeout_ms, error);
    reeve_unlock(&cluster->lock);
    if (views->count == 0) {
        free(views);
    } else if (first != NULL) {
        views->next = first->next;
        first->next = views;
    } else {
        *handle = (uint64_t)(uintptr_t)views;
    }
    return code;
}

/* With the lock. Those from `begin` on, to `end`. */
static void views_drop(struct reeve_cluster *cluster, struct views *views, size_t begin, size_t end)
{
    reeve_cluster_enter(cluster);
    for (size_t i = begin; i < end; i++) {
        struct view *view = &views->views[i];
        if (view->pinned)
            reeve_cluster_object_unpin(cluster, view->object);
        view_drop(cluster, view);
    }
    dropped(cluster);
}

void reeve_cluster_unview(struct reeve_backend *backend, uint64_t handle)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    struct views *next, *views = (struct views *)(uintptr_t)handle;
    for (; views != NULL; views = next) {
        next = views->next;
        for (size_t at = 0; at < views->count; at += UNVIEWS_AT_ONCE) {
            reeve_lock(&cluster->lock);
            if (!cluster->ending) /* else all is gone already */
                views_drop(cluster, views, at, REEVE_MIN(views->count, at + UNVIEWS_AT_ONCE));
            reeve_unlock(&cluster->lock);
        }
        for (size_t i = 0; i < views->count; i++)
            free(views->views[i].futures);
        free(views);
    }
}
