/* Views, and values filled in place: what the functions of reeve_view.h do before and after the
 * backend. Both are named by numbers that are never used again, so that a stale one is an error;
 * what each number stands for is in a table of the process.
 *
 *     view      number -> backend, its handle for one value or for many, memory for what could not
 *                         be given in place
 *     creation  number -> backend, its handle, type                                          */
#include "api/client/client.h"
#include "api/client/codec.h"
#include "api/client/error.h"
#include "api/client/many.h"
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
    struct reeve_client_views of;
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

static struct view *view_new(struct reeve_error_info *error)
{
    struct view *view = malloc(sizeof *view);
    if (view) {
        view->of = (struct reeve_client_views){NULL, 0};
        reeve_arena_init(&view->arena, NULL, 0);
    } else {
        reeve_error_set(error, REEVE_ENOMEM, "no memory for a view");
    }
    return view;
}

static void view_end(struct view *view)
{
    if (view->of.handle)
        view->of.backend->unview(view->of.backend, view->of.handle);
    reeve_arena_fini(&view->arena);
    free(view);
}

static int view_name(struct view *view, reeve_view *ret, struct reeve_error_info *error)
{
    uint64_t number = handle_add(&views, view);
    if (!number)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for a view");
    ret->id = number;
    return REEVE_OK;
}

/* Of one. Where it fails the view is no more. */
static int view_one(uint64_t future, int64_t timeout_ms, reeve_consume *consume, struct view *view,
    void *arg, reeve_view *ret, struct reeve_error_info *error)
{
    size_t at = 0;
    int rc = REEVE_OK;
    if (reeve_is_failed_future(future))
        rc = reeve_failed_future_get(future, error);
    else if (!(view->of.backend = reeve_client_enter(error)))
        rc = error->code;
    else if ((rc = view->of.backend->view(view->of.backend, &future, &at, 1, timeout_ms, consume,
                  arg, &view->of.handle, error)))
        reeve_error_complete(error, rc);
    else
        rc = view_name(view, ret, error);
    if (rc)
        view_end(view);
    return rc;
}

/* Of many: the view is named, if there is anything in it, and else is no more. */
static int view_many(const uint64_t *futures, size_t count, reeve_consume *consume,
    struct view *view, void *arg, int *codes, reeve_view *ret, struct reeve_error_info *error)
{
    reeve_view name = {0};
    int rc = view ? view_name(view, &name, error) : error->code;
    ret->id = 0;
    for (size_t i = 0; rc && codes && i < count; i++)
        codes[i] = rc;
    if (!rc)
        rc = reeve_client_view_many(futures, count, consume, arg, &view->of, codes);
    if (view && view->of.handle) {
        *ret = name;
        return rc;
    }
    if (name.id)
        handle_remove(&views, name.id);
    if (view)
        view_end(view);
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
    return reeve_codec_unpack_view(typed->type, bytes, size, futures, future_count,
        (char *)typed->value + index * typed->type->size, &typed->view->arena,
        reeve_error_thread());
}

REEVE_API int reeve_typed_view(uint64_t future, int64_t timeout_ms, const struct reeve_type *type,
    void *value, reeve_view *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct typed_view typed = {view_new(error), type, value};
    if (!typed.view)
        return error->code;
    return view_one(future, timeout_ms, view_typed, typed.view, &typed, ret, error);
}

REEVE_API int reeve_typed_view_many(const uint64_t *futures, size_t count,
    const struct reeve_type *type, void *values, int *codes, reeve_view *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct typed_view typed = {view_new(error), type, values};
    if (count)
        memset(values, 0, count * type->size);
    return view_many(futures, count, view_typed, typed.view, &typed, codes, ret, error);
}

static int view_bytes(size_t index, const void *bytes, size_t size, const uint64_t *futures,
    size_t future_count, void *arg)
{
    /* the struct is its one member */
    ((reeve_packed *)arg)[index] = (reeve_packed){
        bytes, size, future_count ? (const reeve_future *)futures : NULL, future_count};
    return REEVE_OK;
}

REEVE_API int reeve_view_packed(
    reeve_future future, int64_t timeout_ms, reeve_packed *ret, reeve_view *view)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct view *made = view_new(error);
    reeve_packed packed;
    if (!made)
        return error->code;
    int rc = view_one(future.id, timeout_ms, view_bytes, made, &packed, view, error);
    if (!rc)
        *ret = packed;
    return rc;
}

REEVE_API int reeve_view_packed_many(
    const reeve_future *futures, size_t count, reeve_packed *values, int *codes, reeve_view *view)
{
    struct reeve_error_info *error = reeve_error_thread();
    for (size_t i = 0; i < count; i++)
        values[i] = (reeve_packed){NULL, 0, NULL, 0};
    return view_many(
        (const uint64_t *)futures, count, view_bytes, view_new(error), values, codes, view, error);
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
