/* The typed front door: what the macros of reeve_typed.h call.
 *
 * A call with small arguments packs them on this stack and allocates nothing; of a batch, all are
 * packed there. An argument above the
 * backend's limit is packed straight into the store, and its future takes its place among the
 * arguments.
 */
#include "api/client/client.h"
#include "api/client/codec.h"
#include "api/client/error.h"
#include "api/client/handles.h"
#include "api/client/heap_ahead.h"
#include "api/client/many.h"
#include "api/client/scalar.h"
#include "runtime/base/macros.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENTS_MAX 16
#define STACK_SIZE    512
#define SCALARS_MAX   15u /* with a header of one byte */
_Static_assert(1 + SCALARS_MAX * REEVE_SCALAR_SIZE_MAX <= STACK_SIZE, "scalars fit");

struct call {
    const struct reeve_function *function;
    const reeve_actor *actor; /* the first argument of what has to do with actors; or NULL */
    const char *arguments;    /* the struct of arguments */
    const uint64_t *futures;  /* futures[i] != 0 stands for argument i; or NULL */
    size_t sizes[ARGUMENTS_MAX];
    uint64_t put[ARGUMENTS_MAX]; /* futures of large arguments, released after the submit */
    size_t put_count;
    reeve_splice splices[ARGUMENTS_MAX];
    size_t splice_count;
    reeve_splice *nested; /* malloc: the futures in the other arguments */
    size_t nested_count, nested_capacity;
    struct reeve_future_ids handles; /* of actors in the arguments: released after the submit */
    uint32_t result_count;           /* as in struct reeve_submit */
};

static void call_begin(struct call *call)
{
    call->put_count = call->splice_count = call->nested_count = call->nested_capacity = 0;
    call->nested = NULL;
    call->handles.ids = NULL;
    call->handles.count = call->handles.capacity = 0;
    call->result_count = 0;
}

static void call_end(struct reeve_backend *backend, const struct call *call)
{
    if (REEVE_UNLIKELY(call->nested != NULL))
        free(call->nested);
    if (REEVE_UNLIKELY(call->handles.ids != NULL)) {
        reeve_handles_release(backend, &call->handles, 0);
        free(call->handles.ids);
    }
}

/* Adds up the arguments, those above `limit` counted as the one byte that a future's place
 * takes. 0: error. */
static size_t measure(struct call *call, size_t limit, struct reeve_error_info *error)
{
    const struct reeve_function *function = call->function;
    size_t total = function->parameter_count < 16 ? 1 : 3;
    for (size_t i = 0; i < function->parameter_count; i++) {
        const struct reeve_member *parameter = &function->parameters[i];
        size_t size = 1;
        if (!call->futures || !call->futures[i]) {
            size = reeve_codec_size(
                parameter->type, call->arguments + parameter->offset, total, error);
            if (!size) {
                char why[128];
                snprintf(why, sizeof why, "%.120s", error->message);
                reeve_error_set(
                    error, error->code, "argument %zu (%s): %s", i + 1, parameter->name, why);
                return 0;
            }
        }
        call->sizes[i] = size;
        total += size > limit ? 1 : size;
    }
    return total;
}

/* The futures and actors that stand in an argument which is packed at `offset`. */
static int nested_note(struct reeve_backend *backend, struct call *call,
    const struct reeve_member *parameter, const void *value, size_t offset,
    struct reeve_error_info *error)
{
    struct reeve_future_ids ids = {0};
    int rc = reeve_codec_futures(parameter->type, value, &ids, error);
    size_t futures = ids.count;
    if (!rc && ids.actor_count && backend->keeps_arguments)
        rc = reeve_handles_refer(backend, &ids, error);
    size_t count = call->nested_count + ids.count;
    if (!rc && count > call->nested_capacity) {
        reeve_splice *nested = realloc(call->nested, count * 2 * sizeof *nested);
        if (nested) {
            call->nested = nested;
            call->nested_capacity = count * 2;
        } else {
            rc = reeve_error_set(error, REEVE_ENOMEM, "no memory for the futures in an argument");
        }
    }
    for (size_t i = futures; i < ids.count && !rc; i++) {
        if (REEVE_LIKELY(!reeve_future_ids_add(&call->handles, ids.ids[i])))
            continue;
        reeve_handles_release(backend, &ids, i);
        rc = reeve_error_set(error, REEVE_ENOMEM, "no memory for the actors in an argument");
    }
    for (size_t i = 0; i < ids.count && !rc; i++)
        call->nested[call->nested_count++] = (reeve_splice){offset, {ids.ids[i]}};
    reeve_future_ids_fini(&ids);
    return rc;
}

static int pack_call(struct reeve_backend *backend, struct call *call, size_t limit, uint8_t *bytes,
    size_t capacity, struct reeve_error_info *error)
{
    const struct reeve_function *function = call->function;
    size_t offset = reeve_codec_pack_array_header(bytes, function->parameter_count);
    for (size_t i = 0; i < function->parameter_count; i++) {
        const struct reeve_member *parameter = &function->parameters[i];
        const void *value = call->arguments + parameter->offset;
        uint64_t future = call->futures ? call->futures[i] : 0;
        if (!future && call->sizes[i] > limit) {
            /* Its size was measured for another place in the message; alone it lies at 0. */
            size_t size = reeve_codec_size(parameter->type, value, 0, error);
            int rc = reeve_client_put(backend, parameter->type, value, size, &future, error);
            if (rc)
                return rc;
            call->put[call->put_count++] = future;
        }
        if (future) {
            call->splices[call->splice_count++] = (reeve_splice){offset, {future}};
            bytes[offset++] = 0xc0;
            continue;
        }
        /* the actor itself, which comes first, is there for its calls */
        if (REEVE_UNLIKELY(parameter->type->kind >= REEVE_KIND_STRUCT) && value != call->actor) {
            int rc = nested_note(backend, call, parameter, value, offset, error);
            if (rc)
                return rc;
        }
        offset = reeve_codec_pack(parameter->type, value, bytes, offset, capacity);
        if (!offset)
            return reeve_error_set(error, REEVE_EINVAL,
                "argument %zu (%s) changed while it was being packed", i + 1, parameter->name);
    }
    return REEVE_OK;
}

/* Nothing but numbers and booleans, which cannot be wrong, nor large: packed in one go, without
 * being measured before. 0: it is not so. */
static size_t pack_scalars(const struct call *call, uint8_t bytes[STACK_SIZE])
{
    const struct reeve_function *function = call->function;
    if (REEVE_UNLIKELY(call->futures != NULL || function->parameter_count > SCALARS_MAX))
        return 0;
    uint8_t *at = bytes;
    *at++ = (uint8_t)(0x90 | function->parameter_count); /* an array */
    for (size_t i = 0; i < function->parameter_count; i++) {
        const struct reeve_member *parameter = &function->parameters[i];
        if (REEVE_UNLIKELY(!reeve_type_is_scalar(parameter->type)))
            return 0;
        at = reeve_scalar_write(parameter->type, call->arguments + parameter->offset, at);
    }
    return (size_t)(at - bytes);
}

static int submit_packed(struct reeve_backend *backend, const struct call *call,
    const reeve_task_options *options, const uint8_t *bytes, size_t size, uint64_t *ret,
    struct reeve_error_info *error)
{
    return reeve_client_submit(backend, call->function, options, bytes, size, call->splices,
        call->splice_count, call->nested, call->nested_count, call->actor, call->result_count, ret,
        error);
}

/* Arguments of any kind. */
static int submit_measured(struct reeve_backend *backend, struct call *call,
    const reeve_task_options *options, uint64_t *ret, struct reeve_error_info *error)
{
    size_t limit = backend->inline_max_bytes;
    size_t size = measure(call, limit, error);
    if (REEVE_UNLIKELY(size > limit)) { /* many of middling size: none may be more than its share */
        limit /= ARGUMENTS_MAX;
        size = measure(call, limit, error);
    }
    if (!size)
        return error->code;
    uint8_t stack[STACK_SIZE];
    uint8_t *bytes = stack;
    if (size > sizeof stack) {
        bytes = aligned_alloc(64, REEVE_ALIGN_UP(size, (size_t)64));
        if (!bytes)
            return reeve_error_set(
                error, REEVE_ENOMEM, "no memory for arguments of %zu bytes", size);
    }
    int rc = pack_call(backend, call, limit, bytes, size, error);
    if (!rc)
        rc = submit_packed(backend, call, options, bytes, size, ret, error);
    call_end(backend, call);
    for (size_t i = 0; i < call->put_count; i++)
        backend->release(backend, call->put[i], NULL);
    if (bytes != stack)
        free(bytes);
    return rc;
}

static inline int submit(struct reeve_backend *backend, struct call *call,
    const reeve_task_options *options, uint64_t *ret, struct reeve_error_info *error)
{
    uint8_t bytes[STACK_SIZE];
    size_t size = pack_scalars(call, bytes);
    if (REEVE_LIKELY(size != 0))
        return submit_packed(backend, call, options, bytes, size, ret, error);
    return submit_measured(backend, call, options, ret, error);
}

static bool function_usable(const struct reeve_function *function, struct reeve_error_info *error)
{
    if (REEVE_LIKELY(function->invoke))
        return true;
    reeve_error_set(error, REEVE_ENOFUNCTION,
        "%s was loaded after reeve_init (load it before, in driver and workers alike), or built "
        "against another version of the library",
        function->name);
    return false;
}

/* `handle`: of the actor, as the program gave it. */
static int call_actor(struct call *call, const void *handle, struct reeve_error_info *error)
{
    call->actor = handle;
    if (call->futures && call->futures[0])
        return reeve_error_set(
            error, REEVE_EINVAL, "the actor itself cannot be a future: get the handle first");
    return reeve_actor_check(call->actor, error);
}

/* It has not been submitted: what was to be given to it is gone all the same, as with a call that
 * fails at once. */
static void streams_release(const struct reeve_function *function, const char *arguments)
{
    for (size_t i = 0; i < function->parameter_count; i++) {
        const struct reeve_member *parameter = &function->parameters[i];
        if (REEVE_LIKELY(parameter->type->kind != REEVE_KIND_STREAM))
            continue;
        struct reeve_error_info unused;
        reeve_future stream = {*(const uint64_t *)(const void *)(arguments + parameter->offset)};
        struct reeve_backend *backend = reeve_client_enter(&unused);
        if (reeve_is_failed_future(stream.id))
            (void)reeve_failed_future_get(stream.id, &unused);
        else if (backend)
            (void)backend->release(backend, stream.id, NULL);
    }
}

/* result_count as in struct reeve_submit. */
static inline int typed_submit(const struct reeve_function *function,
    const reeve_task_options *options, const void *arguments, const uint64_t *futures,
    uint32_t result_count, uint64_t *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    if (REEVE_UNLIKELY(!backend))
        goto failed;
    if (REEVE_UNLIKELY(!function_usable(function, error)))
        goto failed;
    for (size_t i = 0; futures && i < function->parameter_count; i++)
        if (reeve_is_failed_future(futures[i])) {
            reeve_failed_future_get(futures[i], error);
            goto failed;
        }
    struct call call;
    call.function = function;
    call.actor = NULL;
    call.arguments = arguments;
    call.futures = futures;
    call_begin(&call);
    call.result_count = result_count;
    if (REEVE_UNLIKELY(function->role != REEVE_ROLE_NONE) && call_actor(&call, arguments, error))
        goto failed;
    if (REEVE_LIKELY(!submit(backend, &call, options, ret, error)))
        return REEVE_OK;
failed:
    streams_release(function, arguments);
    if (!error->function[0])
        reeve_error_function(error, function->name);
    *ret = reeve_failed_future(error);
    return error->code;
}

int reeve_typed_pack(const struct reeve_function *function, size_t first, const void *arguments,
    void **ret, size_t *ret_size, struct reeve_error_info *error)
{
    size_t count = function->parameter_count - first, total = 5, at;
    uint8_t *bytes = NULL;
    int rc = REEVE_OK;
    /* twice: the first time to see how much it is */
    for (int pass = 0; pass < 2 && !rc; pass++) {
        at = bytes ? reeve_codec_pack_array_header(bytes, count) : 5;
        for (size_t i = first; i < function->parameter_count && !rc; i++) {
            const struct reeve_member *parameter = &function->parameters[i];
            const void *value = (const char *)arguments + parameter->offset;
            struct reeve_future_ids ids = {0};
            if (!bytes) {
                size_t size = reeve_codec_size(parameter->type, value, at, error);
                rc = size ? reeve_codec_futures(parameter->type, value, &ids, error) : error->code;
                at += size + 64; /* padding depends on where it stands */
                total = at;
            } else if (!(at = reeve_codec_pack(parameter->type, value, bytes, at, total))) {
                rc = reeve_error_set(error, REEVE_EINVAL,
                    "argument %zu (%s) changed while it was being packed", i, parameter->name);
            }
            if (ids.count)
                rc = reeve_error_set(error, REEVE_EINVAL,
                    "argument %zu (%s) has futures in it, which end with this process", i,
                    parameter->name);
            reeve_future_ids_fini(&ids);
        }
        if (!rc && !bytes && !(bytes = malloc(total)))
            rc =
                reeve_error_set(error, REEVE_ENOMEM, "no memory for arguments of %zu bytes", total);
    }
    if (rc)
        free(bytes);
    *ret = rc ? NULL : bytes;
    *ret_size = rc ? 0 : at;
    return rc;
}

REEVE_API uint64_t reeve_typed_submit(const struct reeve_function *function,
    const reeve_task_options *options, const void *arguments, const uint64_t *futures)
{
    uint64_t future;
    (void)typed_submit(function, options, arguments, futures, 0, &future);
    return future;
}

REEVE_API void reeve_typed_submit_results(const struct reeve_function *function,
    const reeve_task_options *options, const void *arguments, const uint64_t *splices,
    uint64_t *futures, size_t count)
{
    if (typed_submit(function, options, arguments, splices, (uint32_t)count, futures))
        for (size_t i = 1; i < count; i++) /* one error, which each of them has */
            futures[i] = futures[0];
}

/* ---- many calls ------------------------------------------------------------------------------ */

/* The same arguments struct that fn_remote fills, from element i of each column. */
static void arguments_gather(
    const struct reeve_function *function, const void *const *columns, size_t i, char *arguments)
{
    for (size_t p = 0; p < function->parameter_count; p++) {
        const struct reeve_member *parameter = &function->parameters[p];
        size_t size = parameter->type->size;
        memcpy(arguments + parameter->offset, (const char *)columns[p] + i * size, size);
    }
}

/* Adds the call to the batch when its arguments are small; submits it by itself when not. */
static void batch_call(struct reeve_batch *batch, struct call *call,
    const reeve_task_options *options, const struct reeve_submit *like)
{
    size_t limit = REEVE_MIN(batch->backend->inline_max_bytes, (size_t)STACK_SIZE);
    size_t size = measure(call, limit, batch->error);
    bool is_small = size != 0 && size <= REEVE_BATCH_BYTES;
    for (size_t i = 0; is_small && i < call->function->parameter_count; i++)
        is_small = call->sizes[i] <= limit;
    int rc = REEVE_OK;
    if (REEVE_LIKELY(is_small)) {
        struct reeve_submit one = *like;
        uint8_t *room = reeve_batch_room(batch, size);
        rc = pack_call(batch->backend, call, limit, room, size, batch->error);
        one.args = room;
        one.args_size = size;
        if (REEVE_LIKELY(!rc && call->nested_count == 0)) {
            reeve_batch_add(batch, &one);
            return;
        }
        call_end(batch->backend, call);
        if (rc)
            goto failed;
        call_begin(call); /* with futures in its arguments: by itself */
    }
    if (!rc) {
        uint64_t future;
        reeve_batch_flush(batch);
        rc = submit(batch->backend, call, options, &future, batch->error);
        if (!rc) {
            reeve_batch_taken(batch, future);
            return;
        }
    }
failed:
    streams_release(call->function, call->arguments);
    if (!batch->error->function[0])
        reeve_error_function(batch->error, call->function->name);
    reeve_batch_fail(batch);
}

REEVE_API int reeve_typed_submit_many(const struct reeve_function *function,
    const reeve_task_options *options, size_t count, const void *const *columns, uint64_t *futures)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_batch batch;
    struct reeve_task_settings settings;
    _Alignas(16) char few[STACK_SIZE], *arguments = few;
    reeve_batch_init(&batch, reeve_client_enter(error), futures, error);
    if (batch.backend && !function_usable(function, error))
        batch.backend = NULL;
    if (batch.backend && (reeve_task_options_resolve(options, &settings, error) ||
                             reeve_client_settings_check(function, &settings, error)))
        batch.backend = NULL;
    if (batch.backend && function->arguments_size > sizeof few &&
        !(arguments = malloc(function->arguments_size))) {
        reeve_error_set(error, REEVE_ENOMEM, "no memory for the arguments");
        batch.backend = NULL;
    }
    if (!batch.backend) {
        if (!error->function[0])
            reeve_error_function(error, function->name);
        return reeve_batch_fail_all(&batch, count);
    }
    struct reeve_submit like = reeve_client_submit_of(function, &settings);
    struct call call;
    call.function = function;
    call.actor = NULL;
    call.arguments = arguments;
    call.futures = NULL;
    for (size_t i = 0; i < count; i++) {
        arguments_gather(function, columns, i, arguments);
        call_begin(&call);
        if (REEVE_UNLIKELY(function->role != REEVE_ROLE_NONE)) {
            /* the column outlives the batch, the arguments do not */
            if (call_actor(&call, (const reeve_actor *)columns[0] + i, error)) {
                reeve_error_function(error, function->name);
                reeve_batch_fail(&batch);
                continue;
            }
            like.actor = call.actor;
        }
        batch_call(&batch, &call, options, &like);
    }
    if (arguments != few)
        free(arguments);
    return reeve_batch_end(&batch);
}

/* ---- get and put ----------------------------------------------------------------------------- */

struct typed_get {
    const struct reeve_type *type;
    void *value;
    struct reeve_heap_ahead heap;
};

static int consume_typed(size_t index, const void *bytes, size_t size, const uint64_t *futures,
    size_t future_count, void *arg)
{
    struct typed_get *get = arg;
    char *value = (char *)get->value + index * get->type->size;
    if (REEVE_LIKELY(future_count == 0)) { /* a number, most often */
        const uint8_t *end = (const uint8_t *)bytes + size;
        if (REEVE_LIKELY(reeve_scalar_read(get->type, bytes, end, value) == end))
            return REEVE_OK;
    }
    if (get->type->kind >= REEVE_KIND_STRING)
        reeve_heap_ahead(&get->heap, size);
    return reeve_codec_unpack_with(get->type, bytes, size, futures, future_count, value, NULL,
        "the result", reeve_error_thread());
}

REEVE_API int reeve_typed_get(
    uint64_t future, int64_t timeout_ms, const struct reeve_type *type, void *value)
{
    struct typed_get get = {.type = type, .value = value};
    int rc = reeve_client_get(future, timeout_ms, consume_typed, &get);
    if (!rc)
        reeve_handles_got(type, value);
    return rc;
}

REEVE_API int reeve_typed_get_many(
    const uint64_t *futures, size_t count, const struct reeve_type *type, void *values, int *codes)
{
    struct typed_get get = {.type = type, .value = values};
    if (values) /* those of failed calls stay so: whatever happens, all may be cleared */
        memset(values, 0, count * type->size);
    int rc = reeve_client_get_many(futures, count, consume_typed, &get, codes);
    for (size_t i = 0; type->kind >= REEVE_KIND_STRUCT && i < count; i++)
        reeve_handles_got(type, (const char *)values + i * type->size);
    return rc;
}

int reeve_client_put(struct reeve_backend *backend, const struct reeve_type *type,
    const void *value, size_t size, uint64_t *ret, struct reeve_error_info *error)
{
    void *bytes;
    uint64_t handle;
    struct reeve_future_ids ids = {0};
    int rc = reeve_codec_futures(type, value, &ids, error);
    size_t futures = ids.count;
    if (!rc && ids.actor_count)
        rc = reeve_handles_refer(backend, &ids, error);
    if (!rc)
        rc = backend->create(
            backend, size, reeve_codec_skew(type, size), false, &bytes, &handle, error);
    if (!rc && reeve_codec_pack(type, value, bytes, 0, size) != size) {
        backend->abort(backend, handle);
        rc = reeve_error_set(error, REEVE_EINVAL, "a value changed while it was being packed");
    } else if (!rc) {
        rc = backend->seal(backend, handle, ids.ids, ids.count, ret, error);
    }
    reeve_handles_release(backend, &ids, futures);
    reeve_future_ids_fini(&ids);
    return rc ? reeve_error_complete(error, rc) : REEVE_OK;
}

REEVE_API uint64_t reeve_typed_put(const struct reeve_type *type, const void *value)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    size_t size = backend ? reeve_codec_size(type, value, 0, error) : 0;
    uint64_t future;
    if (!size || reeve_client_put(backend, type, value, size, &future, error))
        return reeve_failed_future(error);
    return future;
}

REEVE_API void reeve_typed_clear(const struct reeve_type *type, void *value)
{
    reeve_codec_clear(type, value);
}
