/* Views in inline mode: a hold on the value. Futures in it get ids of their own, which end with the
 * view. And what is known of a future without any of that; and another future of its value. */
#include <stdlib.h>

#include "api/client/error.h"
#include "api/client/inline_internal.h"

struct view {
    struct view *next;   /* of those that one caller views; the first is the handle */
    struct value *value; /* held */
    uint64_t *ids;       /* of the futures in it, the view's own */
};

static void view_end(struct view *view)
{
    if (view->ids)
        inline_ids_withdraw(view->ids, view->value->nested_count);
    pthread_mutex_lock(&inline_self.lock);
    inline_value_drop_locked(view->value);
    pthread_mutex_unlock(&inline_self.lock);
    free(view->ids);
    free(view);
}

static int view_make(uint64_t future, size_t index, reeve_consume *consume, void *arg,
    struct view **ret, struct reeve_error_info *error)
{
    struct view *view = calloc(1, sizeof *view);
    if (!view)
        return inline_no_memory(error);
    pthread_mutex_lock(&inline_self.lock);
    struct value *value =
        inline_self.running ? reeve_map64_get(&inline_self.futures, future) : NULL;
    int rc = value ? REEVE_OK : inline_not_live(error);
    if (value)
        value->references++;
    pthread_mutex_unlock(&inline_self.lock);
    if (rc) {
        free(view);
        return rc;
    }
    view->value = value;
    if (value->error) {
        *error = *value->error;
        rc = error->code;
    } else if (value->nested_count) {
        rc = inline_ids_give(value->nested, value->nested_count, &view->ids, error);
    }
    if (!rc)
        rc = consume(index, value->bytes, value->size, view->ids, value->nested_count, arg);
    if (rc)
        view_end(view);
    else
        *ret = view;
    return rc;
}

int inline_view(struct reeve_backend *backend, const uint64_t *futures, size_t *at, size_t count,
    int64_t timeout_ms, reeve_consume *consume, void *arg, uint64_t *handle,
    struct reeve_error_info *error)
{
    (void)backend;
    (void)timeout_ms; /* every future is ready */
    for (; *at < count; (*at)++) {
        struct view *view = NULL, *first = (struct view *)(uintptr_t)*handle;
        int rc = view_make(futures[*at], *at, consume, arg, &view, error);
        if (rc)
            return rc;
        if (first) {
            view->next = first->next;
            first->next = view;
        } else {
            *handle = (uint64_t)(uintptr_t)view;
        }
    }
    return REEVE_OK;
}

void inline_unview(struct reeve_backend *backend, uint64_t handle)
{
    (void)backend;
    for (struct view *next, *view = (struct view *)(uintptr_t)handle; view; view = next) {
        next = view->next;
        view_end(view);
    }
}

int inline_look(struct reeve_backend *backend, uint64_t future, struct reeve_future_look *ret)
{
    (void)backend;
    *ret = (struct reeve_future_look){.ready = true};
    pthread_mutex_lock(&inline_self.lock);
    const struct value *value =
        inline_self.running ? reeve_map64_get(&inline_self.futures, future) : NULL;
    if (value && !value->error)
        ret->size_bytes = value->size;
    pthread_mutex_unlock(&inline_self.lock);
    return value ? REEVE_OK : REEVE_EHANDLE;
}

int inline_retain(
    struct reeve_backend *backend, uint64_t future, uint64_t *ret, struct reeve_error_info *error)
{
    (void)backend;
    pthread_mutex_lock(&inline_self.lock);
    struct value *value =
        inline_self.running ? reeve_map64_get(&inline_self.futures, future) : NULL;
    bool is_stream = value && value->stream;
    if (value && !is_stream)
        value->references++;
    pthread_mutex_unlock(&inline_self.lock);
    if (is_stream)
        return reeve_error_set(error, REEVE_ETYPE, "a stream is not retained");
    return value ? inline_publish(value, ret, error) : inline_not_live(error);
}
