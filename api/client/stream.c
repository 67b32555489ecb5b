/* Streams, at the front doors: what the macros of reeve_stream.h call, and the dynamic forms. */
#include "api/client/client.h"
#include "api/client/codec.h"
#include "api/client/error.h"
#include "api/client/invoke.h"
#include "api/client/registry.h"
#include "runtime/base/macros.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading --------------------------------------------------------------------------------- */

static int next(uint64_t stream, int64_t timeout_ms, reeve_consume *consume, void *arg)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (REEVE_UNLIKELY(reeve_is_failed_future(stream)))
        return reeve_failed_future_get(stream, error);
    struct reeve_backend *backend = reeve_client_enter(error);
    if (REEVE_UNLIKELY(!backend))
        return error->code;
    int rc = backend->next(backend, stream, timeout_ms, consume, arg, error);
    return REEVE_LIKELY(!rc) || rc == REEVE_EEND ? rc : reeve_error_complete(error, rc);
}

struct typed_next {
    const struct reeve_type *type;
    void *value;
};

static int consume_typed(size_t index, const void *bytes, size_t size, const uint64_t *futures,
    size_t future_count, void *arg)
{
    const struct typed_next *get = arg;
    (void)index;
    return reeve_codec_unpack_with(get->type, bytes, size, futures, future_count, get->value, NULL,
        "the item", reeve_error_thread());
}

REEVE_API int reeve_typed_next(
    uint64_t stream, int64_t timeout_ms, const struct reeve_type *type, void *value)
{
    struct typed_next get = {type, value};
    return next(stream, timeout_ms, consume_typed, &get);
}

static int consume_packed(size_t index, const void *bytes, size_t size, const uint64_t *futures,
    size_t future_count, void *arg)
{
    reeve_packed *packed = arg;
    void *copy = malloc(size);
    (void)index;
    (void)futures;
    (void)future_count; /* items have none */
    if (!copy)
        return reeve_error_set(
            reeve_error_thread(), REEVE_ENOMEM, "no memory for an item of %zu bytes", size);
    memcpy(copy, bytes, size);
    packed->bytes = copy;
    packed->size = size;
    packed->futures = NULL;
    packed->future_count = 0;
    return REEVE_OK;
}

REEVE_API int reeve_next_packed(reeve_future stream, int64_t timeout_ms, reeve_packed *ret)
{
    return next(stream.id, timeout_ms, consume_packed, ret);
}

/* ---- yielding -------------------------------------------------------------------------------- */

struct item {
    const struct reeve_type *type; /* NULL: packed already */
    const void *value;
};

static bool item_pack(const void *arg, uint8_t *bytes, size_t size)
{
    const struct item *item = arg;
    if (!item->type) {
        memcpy(bytes, item->value, size);
        return true;
    }
    return reeve_codec_pack(item->type, item->value, bytes, 0, size) == size;
}

static int yield(struct reeve_invocation *invocation, const struct item *item, size_t size,
    struct reeve_error_info *error)
{
    struct reeve_backend *backend = reeve_client_enter(error);
    if (REEVE_UNLIKELY(!backend))
        return error->code;
    if (REEVE_UNLIKELY(invocation->failed)) /* nothing comes after its error */
        return reeve_error_set(error, REEVE_EFUNCTION, "the function has failed already");
    int rc = backend->yield(backend, size, item_pack, item, error);
    return REEVE_LIKELY(!rc) ? REEVE_OK : reeve_error_complete(error, rc);
}

static int outside(const char *name, struct reeve_error_info *error)
{
    return reeve_error_set(
        error, REEVE_EINVAL, "%s yields in the thread that runs it, and nowhere else", name);
}

REEVE_API int reeve_typed_yield(const struct reeve_function *function, const void *value)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_invocation *invocation = reeve_invocation_current();
    struct item item = {function->item, value};
    if (REEVE_UNLIKELY(!invocation || invocation->function != function))
        return outside(function->name, error);
    size_t size = reeve_codec_size(function->item, value, 0, error);
    if (REEVE_UNLIKELY(!size))
        return error->code;
    if (REEVE_UNLIKELY(function->item->kind >= REEVE_KIND_STRUCT)) {
        struct reeve_future_ids ids = {0};
        int rc = reeve_codec_futures(function->item, value, &ids, error);
        bool any = ids.count != 0;
        reeve_future_ids_fini(&ids);
        if (rc)
            return rc;
        if (any)
            return reeve_error_set(error, REEVE_ETYPE, "an item of a stream has no futures in it");
    }
    return yield(invocation, &item, size, error);
}

REEVE_API int reeve_yield_packed(const void *bytes, size_t size)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_invocation *invocation = reeve_invocation_current();
    struct item item = {NULL, bytes};
    if (!invocation || !invocation->function->item || !invocation->function->handler)
        return outside("a function of reeve_register_stream", error);
    int rc = reeve_codec_check(bytes, size, error);
    if (!rc && reeve_codec_future_count(bytes, size) != 0)
        rc = reeve_error_set(error, REEVE_ETYPE, "an item of a stream has no futures in it");
    return rc ? rc : yield(invocation, &item, size, error);
}
