/* Views, and values filled in place: what the functions of reeve_view.h do before and after the
 * backend. Both are named by numbers that are never used again, so that a stale one is an error;
 * what each number stands for is in a table of the process.
 *
 *     view      number -> backend, its handle, memory for what could not be given in place
 *     creation  number -> backend, its handle, type                                          */
#include "api/client/client.h"
#include "api/client/codec.h"
#include "api/client/error.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct handles {
    pthread_mutex_t lock;
    struct reeve_map64 map; /* number -> record, from malloc */
    uint64_t last;
};

struct view {
    struct reeve_backend *backend;
    uint64_t handle;
    struct reeve_arena arena;
};

struct creation {
    struct reeve_backend *backend;
    uint64_t handle;
    const struct reeve_type *type;
};

static struct handles views = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct handles creations = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* 0: no memory. */
static uint64_t handle_add(struct handles *handles, void *record)
{
    pthread_mutex_lock(&handles->lock);
    uint64_t number = handles->last + 1;
    if (reeve_map64_put(&handles->map, number, record, NULL))
        number = 0;
    else
        handles->last = number;
    pthread_mutex_unlock(&handles->lock);
    return number;
}

static void *handle_remove(struct handles *handles, uint64_t number)
{
    pthread_mutex_lock(&handles->lock);
    void *record = reeve_map64_remove(&handles->map, number);
    pthread_mutex_unlock(&handles->lock);
    return record;
}

/* ---- views ----------------------------------------------------------------------------------- */

static void view_end(struct view *view)
{
    view->backend->unview(view->backend, view->handle);
    reeve_arena_fini(&view->arena);
    free(view);
}

static int view_open(uint64_t future, int64_t timeout_ms, reeve_consume *consume, struct view *view,
    void *arg, reeve_view *ret, struct reeve_error_info *error)
{
    if (reeve_is_failed_future(future))
        return reeve_failed_future_get(future, error);
    view->backend = reeve_client_enter(error);
    if (!view->backend)
        return error->code;
    int rc =
        view->backend->view(view->backend, future, timeout_ms, consume, arg, &view->handle, error);
    if (rc)
        return reeve_error_complete(error, rc);
    ret->id = handle_add(&views, view);
    if (ret->id)
        return REEVE_OK;
    view->backend->unview(view->backend, view->handle);
    return reeve_error_set(error, REEVE_ENOMEM, "no memory for a view");
}

static struct view *view_make(struct reeve_error_info *error)
{
    struct view *view = malloc(sizeof *view);
    if (view)
        reeve_arena_init(&view->arena, NULL, 0);
    else
        reeve_error_set(error, REEVE_ENOMEM, "no memory for a view");
    return view;
}

static int view_made(struct view *view, int rc)
{
    if (rc) {
        reeve_arena_fini(&view->arena);
        free(view);
    }
    return rc;
}

struct typed_view {
    struct view *view;
    const struct reeve_type *type;
    void *value;
};

static int view_typed(size_t index, const void *bytes, size_t size, const uint64_t *futures,
    size_t future_count, void *arg)
{
    const struct typed_view *typed = arg;
    (void)index;
    return reeve_codec_unpack_view(typed->type, bytes, size, futures, future_count, typed->value,
        &typed->view->arena, reeve_error_thread());
}

REEVE_API int reeve_typed_view(uint64_t future, int64_t timeout_ms, const struct reeve_type *type,
    void *value, reeve_view *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct typed_view typed = {view_make(error), type, value};
    if (!typed.view)
        return error->code;
    return view_made(
        typed.view, view_open(future, timeout_ms, view_typed, typed.view, &typed, ret, error));
}

static int view_bytes(size_t index, const void *bytes, size_t size, const uint64_t *futures,
    size_t future_count, void *arg)
{
    (void)index;
    /* the struct is its one member */
    *(reeve_packed *)arg = (reeve_packed){
        bytes, size, future_count ? (const reeve_future *)futures : NULL, future_count};
    return REEVE_OK;
}

REEVE_API int reeve_view_packed(
    reeve_future future, int64_t timeout_ms, reeve_packed *ret, reeve_view *view)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct view *made = view_make(error);
    reeve_packed packed;
    if (!made)
        return error->code;
    int rc =
        view_made(made, view_open(future.id, timeout_ms, view_bytes, made, &packed, view, error));
    if (!rc)
        *ret = packed;
    return rc;
}

REEVE_API int reeve_view_release(reeve_view view)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct view *record = handle_remove(&views, view.id);
    if (record)
        view_end(record); /* also after shutdown: its own memory is still to be freed */
    if (!reeve_client_enter(error))
        return error->code;
    if (!record)
        return reeve_error_set(
            error, REEVE_EHANDLE, "no such view: it has been released, or was never made");
    return REEVE_OK;
}

/* ---- creations ------------------------------------------------------------------------------- */

REEVE_API int reeve_typed_create(
    const struct reeve_type *type, size_t count, size_t columns, void *items, reeve_creation *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    struct reeve_frame frame;
    if (!backend)
        return error->code;
    size_t size = reeve_codec_frame(type, count, columns, &frame, error);
    if (!size)
        return error->code;
    struct creation *creation = malloc(sizeof *creation);
    if (!creation)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for a value to be filled");
    *creation = (struct creation){backend, 0, type};
    /* arrays bring their own pad */
    uint32_t skew = type->kind == REEVE_KIND_BYTES ? (uint32_t)frame.head_size : 0;
    void *memory;
    int rc = backend->create(backend, size, skew, true, &memory, &creation->handle, error);
    if (rc) {
        free(creation);
        return reeve_error_complete(error, rc);
    }
    uint64_t number = handle_add(&creations, creation);
    if (!number) {
        backend->abort(backend, creation->handle);
        free(creation);
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for a value to be filled");
    }
    memcpy(memory, frame.head, frame.head_size);
    uint8_t *first = (uint8_t *)memory + frame.head_size;
    memcpy(items, &first, sizeof first);
    ret->id = number;
    return REEVE_OK;
}

static int no_creation(struct reeve_error_info *error)
{
    return reeve_error_set(error, REEVE_EHANDLE,
        "no such value to be filled: it has been sealed or given up, or was never created");
}

REEVE_API int reeve_typed_seal(
    const struct reeve_type *type, reeve_creation creation, uint64_t *future)
{
    struct reeve_error_info *error = reeve_error_thread();
    bool running = reeve_client_enter(error) != NULL;
    pthread_mutex_lock(&creations.lock);
    struct creation *record = reeve_map64_get(&creations.map, creation.id);
    const struct reeve_type *created = record ? record->type : NULL;
    if (running && created == type)
        reeve_map64_remove(&creations.map, creation.id);
    pthread_mutex_unlock(&creations.lock);
    if (!running) {
        int code = error->code;
        if ((record = handle_remove(&creations, creation.id))) {
            record->backend->abort(record->backend, record->handle);
            free(record);
        }
        return code;
    }
    if (!created)
        return no_creation(error);
    if (created != type)
        return reeve_error_set(error, REEVE_ETYPE, "a value that was created as %s is sealed as %s",
            created->name, type->name);
    int rc = record->backend->seal(record->backend, record->handle, NULL, 0, future, error);
    free(record);
    return rc ? reeve_error_complete(error, rc) : REEVE_OK;
}

REEVE_API int reeve_abort(reeve_creation creation)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct creation *record = handle_remove(&creations, creation.id);
    if (record) {
        record->backend->abort(record->backend, record->handle);
        free(record);
    }
    if (!reeve_client_enter(error))
        return error->code;
    return record ? REEVE_OK : no_creation(error);
}
