/* Running one task. See invoke.h.
 *
 *     args ──unpack──> struct of arguments ──call──> result value ──pack──> slot, store or heap
 *
 * Arguments, strings that were copied, and what the function gets from reeve_alloc lie in the
 * invocation's arena, whose first piece is on this stack: a small task allocates nothing.
 */
#include "api/client/invoke.h"

#include "api/client/client.h"
#include "api/client/error.h"
#include "api/client/handles.h"
#include "api/client/reader.h"
#include "api/client/registry.h"
#include "api/client/scalar.h"
#include "api/client/scratch.h"
#include "api/client/unpack.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_FIRST 1024

__thread struct reeve_invocation *reeve_invocation_top;

int reeve_invocation_none(const char *function, struct reeve_error_info *error)
{
    return reeve_error_set(error, REEVE_EINVAL,
        "%s: this thread is in no task; only the thread in which a remote function was called is",
        function);
}

void reeve_invocation_init(struct reeve_invocation *invocation,
    const struct reeve_function *function, const void *args, size_t args_size)
{
    invocation->function = function;
    invocation->args = args;
    invocation->args_size = args_size;
    invocation->futures = NULL;
    invocation->future_count = 0;
    invocation->parent = NULL;
    invocation->result_futures = (struct reeve_future_ids){0};
    invocation->resolve = NULL;
    invocation->reserve = NULL;
    invocation->context = NULL;
    invocation->result = NULL;
    invocation->result_size = 0;
    invocation->result_capacity = 0;
    invocation->error.code = REEVE_OK;
    invocation->error.attempt = 0;
    invocation->error.user_code = 0;
    invocation->error.node[0] = invocation->error.function[0] = invocation->error.message[0] = 0;
    invocation->failed = invocation->later = false;
    invocation->result_on_heap = false;
    invocation->own_handles = NULL;
}

void reeve_invocation_fini(struct reeve_invocation *invocation)
{
    if (invocation->result_on_heap)
        free(invocation->result);
    if (REEVE_UNLIKELY(invocation->result_futures.ids != NULL) ||
        REEVE_UNLIKELY(invocation->result_futures.actors != NULL))
        reeve_future_ids_fini(&invocation->result_futures);
    if (REEVE_UNLIKELY(invocation->own_handles != NULL))
        reeve_handles_fini(invocation);
    invocation->result = NULL;
    invocation->result_on_heap = false;
}

static int resolve(struct reeve_invocation *invocation, const struct reeve_token *token,
    const void **bytes, size_t *size);
static bool next_is_object(struct reeve_unpack *unpack, struct reeve_token *token);

/* In place of the array of arguments may stand a reference to an object that holds it. */
static inline bool arguments_may_be_object(const struct reeve_invocation *invocation)
{
    const uint8_t *args = invocation->args;
    return invocation->args_size != 0 && args[0] >= 0xc7 && args[0] <= 0xd8; /* an ext */
}

static int arguments_resolve(struct reeve_invocation *invocation)
{
    struct reeve_unpack unpack = {
        invocation->args, (const uint8_t *)invocation->args + invocation->args_size, NULL, NULL};
    struct reeve_token token;
    if (!next_is_object(&unpack, &token) || unpack.at != unpack.end)
        return REEVE_OK;
    return resolve(invocation, &token, &invocation->args, &invocation->args_size);
}

int reeve_invoke(struct reeve_invocation *invocation)
{
    _Alignas(16) uint8_t first[ARENA_FIRST];
    reeve_arena_init(&invocation->arena, first, sizeof first);
    invocation->below = reeve_invocation_top;
    invocation->scratch = NULL;
    int rc = REEVE_OK;
    if (REEVE_UNLIKELY(arguments_may_be_object(invocation)))
        rc = arguments_resolve(invocation);
    if (REEVE_LIKELY(!rc))
        rc = invocation->function->invoke(invocation->function, invocation);
    reeve_invocation_top =
        invocation->below; /* a function that left by other ways than returning is forgotten here */
    reeve_arena_fini(&invocation->arena);
    if (REEVE_UNLIKELY(invocation->scratch != NULL))
        reeve_scratch_end(invocation);
    if (REEVE_UNLIKELY(rc)) {
        reeve_error_complete(&invocation->error, rc);
        reeve_error_function(&invocation->error, invocation->function->name);
    }
    return rc;
}

/* Memory for the packed result: where the caller said, else where it says now, else the heap. */
static int reserve_result(struct reeve_invocation *invocation, size_t size)
{
    if (size <= invocation->result_capacity)
        return REEVE_OK;
    uint8_t *memory;
    if (invocation->reserve) {
        memory = invocation->reserve(invocation, size);
        if (!memory)
            return invocation->error.code ? invocation->error.code : REEVE_ENOMEM;
    } else {
        memory = aligned_alloc(64, REEVE_ALIGN_UP(size, (size_t)64));
        if (!memory)
            return reeve_error_set(
                &invocation->error, REEVE_ENOMEM, "no memory for a result of %zu bytes", size);
        invocation->result_on_heap = true;
    }
    invocation->result = memory;
    invocation->result_capacity = size;
    return REEVE_OK;
}

static int resolve(struct reeve_invocation *invocation, const struct reeve_token *token,
    const void **bytes, size_t *size)
{
    if (!invocation->resolve || token->size != REEVE_OBJECT_ID_SIZE + 8)
        return reeve_error_set(
            &invocation->error, REEVE_EPROTOCOL, "an argument refers to an object in a wrong way");
    uint64_t object_size;
    memcpy(&object_size, token->data + REEVE_OBJECT_ID_SIZE, 8);
    *size = object_size;
    return invocation->resolve(invocation, token->data, object_size, bytes);
}

/* Is the next argument a reference? Then moves past it. */
static bool next_is_object(struct reeve_unpack *unpack, struct reeve_token *token)
{
    if (unpack->at >= unpack->end || *unpack->at < 0xc7 || *unpack->at > 0xd8)
        return false; /* cannot be an ext */
    const uint8_t *next = reeve_read_token(unpack->at, unpack->end, token);
    if (!next || token->kind != REEVE_TOKEN_EXT || token->ext_type != REEVE_EXT_OBJECT)
        return false;
    unpack->at = next;
    return true;
}

/* ---- functions made by REEVE_REMOTE ---------------------------------------------------------- */

static inline int unpack_argument(
    struct reeve_invocation *invocation, struct reeve_unpack *unpack, size_t i, char *arguments)
{
    const struct reeve_member *parameter = &invocation->function->parameters[i];
    struct reeve_path path = {NULL, parameter->name, (unsigned)i + 1, 0};
    struct reeve_token token;
    const uint8_t *next =
        reeve_scalar_read(parameter->type, unpack->at, unpack->end, arguments + parameter->offset);
    if (REEVE_LIKELY(next)) {
        unpack->at = next;
        return REEVE_OK;
    }
    if (REEVE_LIKELY(!next_is_object(unpack, &token)))
        return reeve_unpack_value(unpack, parameter->type, arguments + parameter->offset, &path);
    const void *bytes = NULL;
    size_t size = 0;
    int rc = resolve(invocation, &token, &bytes, &size);
    if (rc)
        return rc;
    struct reeve_unpack object = {bytes, (const uint8_t *)bytes + size, unpack->arena,
        unpack->error, unpack->futures, unpack->future_count};
    rc = reeve_unpack_value(&object, parameter->type, arguments + parameter->offset, &path);
    unpack->futures = object.futures;
    unpack->future_count = object.future_count;
    if (!rc && object.at != object.end)
        rc = reeve_error_set(unpack->error, REEVE_EPROTOCOL,
            "argument %zu (%s): bytes are left over after the value", i + 1, parameter->name);
    return rc ? reeve_unpack_blame(bytes, size, rc, unpack->error) : REEVE_OK;
}

/* Past the header of the array that the arguments are. */
static int arguments_begin(const struct reeve_function *function, struct reeve_unpack *unpack)
{
    struct reeve_token token;
    const uint8_t *at = reeve_read_token(unpack->at, unpack->end, &token);
    if (!at || token.kind != REEVE_TOKEN_ARRAY)
        return reeve_error_set(
            unpack->error, REEVE_EPROTOCOL, "the arguments are not a msgpack array");
    if (token.size != function->parameter_count)
        return reeve_error_set(unpack->error, REEVE_EARITY, "%s takes %zu argument%s, got %u",
            function->signature ? function->signature : function->name, function->parameter_count,
            function->parameter_count == 1 ? "" : "s", token.size);
    unpack->at = at;
    return REEVE_OK;
}

static int unpack_arguments(struct reeve_invocation *invocation, char *arguments)
{
    const struct reeve_function *function = invocation->function;
    struct reeve_unpack unpack = {invocation->args,
        (const uint8_t *)invocation->args + invocation->args_size, &invocation->arena,
        &invocation->error, invocation->futures, invocation->future_count};
    if (REEVE_LIKELY(unpack.at < unpack.end && function->parameter_count < 16 &&
                     *unpack.at == (0x90 | function->parameter_count))) {
        unpack.at++; /* the header of an array of so many, as we write it */
    } else {
        int rc = arguments_begin(function, &unpack);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < function->parameter_count; i++) {
        int rc = unpack_argument(invocation, &unpack, i, arguments);
        if (rc)
            return rc;
    }
    if (unpack.at != unpack.end)
        return reeve_error_set(
            unpack.error, REEVE_EPROTOCOL, "bytes are left over after the arguments");
    if (unpack.future_count != 0)
        return reeve_error_set(unpack.error, REEVE_EPROTOCOL,
            "more futures are beside the arguments than stand in them");
    return REEVE_OK;
}

int reeve_invocation_pack(struct reeve_invocation *invocation, const void *value)
{
    const struct reeve_type *type = invocation->function->result;
    if (REEVE_LIKELY(
            reeve_type_is_scalar(type) && invocation->result_capacity >= REEVE_SCALAR_SIZE_MAX)) {
        uint8_t *begin = invocation->result;
        invocation->result_size = (size_t)(reeve_scalar_write(type, value, begin) - begin);
        return REEVE_OK;
    }
    size_t size = reeve_codec_size(type, value, 0, &invocation->error);
    if (!size) {
        char why[128];
        snprintf(why, sizeof why, "%.120s", invocation->error.message);
        return reeve_error_set(&invocation->error, invocation->error.code, "the result: %s", why);
    }
    int rc = reeve_codec_futures(type, value, &invocation->result_futures, &invocation->error);
    if (!rc)
        rc = reserve_result(invocation, size);
    if (rc)
        return rc;
    invocation->result_size =
        reeve_codec_pack(type, value, invocation->result, 0, invocation->result_capacity);
    if (!invocation->result_size)
        return reeve_error_set(
            &invocation->error, REEVE_EINVAL, "the result changed while it was being packed");
    return REEVE_OK;
}

int reeve_invoke_typed(const struct reeve_function *function, struct reeve_invocation *invocation)
{
    char *arguments = reeve_arena_alloc(&invocation->arena, function->arguments_size, 16);
    size_t result_size = function->result->size ? function->result->size : 1;
    void *result = reeve_arena_alloc(&invocation->arena, result_size, 16);
    if (!arguments || !result)
        return reeve_error_set(&invocation->error, REEVE_ENOMEM, "no memory for the arguments");
    int rc = unpack_arguments(invocation, arguments);
    if (REEVE_UNLIKELY(rc))
        return reeve_unpack_blame(invocation->args, invocation->args_size, rc, &invocation->error);
    reeve_invocation_top = invocation;
    function->call(arguments, result);
    reeve_invocation_top = invocation->below;
    if (invocation->failed)
        return invocation->error.code;
    if (REEVE_UNLIKELY(invocation->later))
        return REEVE_OK;
    return reeve_invocation_pack(invocation, result);
}

/* ---- functions made by reeve_register -------------------------------------------------------- */

/* Handlers get all arguments in one message: references to large objects are replaced by the
 * objects. */
static int expand_objects(struct reeve_invocation *invocation, const void **args, size_t *size)
{
    struct reeve_splice_value few[64], *objects = few;
    size_t count = 0, total = invocation->args_size;
    size_t count_max = invocation->args_size / REEVE_OBJECT_REFERENCE_SIZE;
    if (count_max > REEVE_ARRAY_COUNT(few) &&
        !(objects = reeve_arena_alloc(&invocation->arena, count_max * sizeof *objects, 16)))
        return reeve_error_set(&invocation->error, REEVE_ENOMEM, "no memory for the arguments");
    struct reeve_unpack unpack = {invocation->args,
        (const uint8_t *)invocation->args + invocation->args_size, NULL, NULL, NULL, 0};
    struct reeve_token token;
    const uint8_t *at = reeve_read_token(unpack.at, unpack.end, &token);
    if (!at || token.kind != REEVE_TOKEN_ARRAY)
        return reeve_error_set(
            &invocation->error, REEVE_EPROTOCOL, "the arguments are not a msgpack array");
    size_t argument_count = token.size;
    unpack.at = at;
    for (size_t i = 0; i < argument_count; i++) {
        size_t offset = (size_t)(unpack.at - (const uint8_t *)invocation->args);
        if (next_is_object(&unpack, &token)) {
            struct reeve_splice_value *object = &objects[count++];
            object->offset = offset;
            int rc = resolve(invocation, &token, &object->bytes, &object->size);
            if (rc)
                return rc;
            total += object->size - REEVE_OBJECT_REFERENCE_SIZE;
            continue;
        }
        size_t value = reeve_codec_skip(unpack.at, (size_t)(unpack.end - unpack.at));
        if (!value)
            break; /* the check below says what is wrong */
        unpack.at += value;
    }
    int rc = reeve_codec_check(invocation->args, invocation->args_size, &invocation->error);
    if (rc)
        return rc;
    *args = invocation->args;
    *size = invocation->args_size;
    if (count == 0)
        return REEVE_OK;
    uint8_t *whole = reeve_arena_alloc(&invocation->arena, total, 64), *out = whole;
    if (!whole)
        return reeve_error_set(
            &invocation->error, REEVE_ENOMEM, "no memory for arguments of %zu bytes", total);
    const uint8_t *from = invocation->args;
    for (size_t i = 0; i < count; i++) {
        size_t plain = (size_t)((const uint8_t *)invocation->args + objects[i].offset - from);
        memcpy(out, from, plain);
        memcpy(out + plain, objects[i].bytes, objects[i].size);
        out += plain + objects[i].size;
        from += plain + REEVE_OBJECT_REFERENCE_SIZE;
    }
    memcpy(out, from, (size_t)(unpack.end - from));
    *args = whole;
    *size = total;
    return REEVE_OK;
}

static int result_futures_take(struct reeve_invocation *invocation, const reeve_packed *result)
{
    uint64_t count = reeve_codec_future_count(result->bytes, result->size);
    if (count != result->future_count || (count && !result->futures))
        return reeve_error_set(&invocation->error, REEVE_EINVAL,
            "the result: the futures beside it are not as many as stand in it");
    for (size_t i = 0; i < count; i++) {
        if (reeve_is_failed_future(result->futures[i].id))
            return reeve_failed_future_get(result->futures[i].id, &invocation->error);
        if (reeve_future_ids_add(&invocation->result_futures, result->futures[i].id))
            return reeve_error_set(
                &invocation->error, REEVE_ENOMEM, "no memory for the futures in the result");
    }
    return REEVE_OK;
}

int reeve_invoke_handler(const struct reeve_function *function, struct reeve_invocation *invocation)
{
    const void *args = NULL;
    size_t args_size = 0;
    int rc = expand_objects(invocation, &args, &args_size);
    if (rc)
        return rc;
    reeve_packed result = {NULL, 0, NULL, 0};
    reeve_invocation_top = invocation;
    rc = function->handler(function->context, args, args_size, &result);
    reeve_invocation_top = invocation->below;
    if (invocation->failed)
        return REEVE_EFUNCTION;
    if (rc)
        return reeve_error_set(
            &invocation->error, rc < 0 ? rc : REEVE_EFUNCTION, "the handler returned %d", rc);
    if (REEVE_UNLIKELY(function->item != NULL)) /* what it had to give it has yielded */
        result = (reeve_packed){"\xc0", 1, NULL, 0};
    rc = reeve_codec_check(result.bytes, result.size, &invocation->error);
    if (rc) {
        char why[160];
        snprintf(why, sizeof why, "%.150s", invocation->error.message);
        return reeve_error_set(&invocation->error, rc, "the result: %s", why);
    }
    rc = result_futures_take(invocation, &result);
    if (!rc)
        rc = reserve_result(invocation, result.size);
    if (rc)
        return rc;
    memcpy(invocation->result, result.bytes, result.size);
    invocation->result_size = result.size;
    return REEVE_OK;
}

/* ---- what a running function may call -------------------------------------------------------- */

REEVE_API void reeve_fail(int64_t user_code, const char *format, ...)
{
    struct reeve_error_info *error =
        reeve_invocation_top ? &reeve_invocation_top->error : reeve_error_thread();
    /* the values may lie in `error` itself: a failure passed on */
    char message[sizeof error->message];
    va_list values;
    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    reeve_error_set(error, REEVE_EFUNCTION, "%s", message);
    error->user_code = user_code;
    if (reeve_invocation_top)
        reeve_invocation_top->failed = true;
}

void reeve_invocation_fail(int code, const char *text)
{
    reeve_error_set(reeve_invocation_top ? &reeve_invocation_top->error : reeve_error_thread(),
        code, "%s", text);
    if (reeve_invocation_top)
        reeve_invocation_top->failed = true;
}

bool reeve_invocation_has_failed(void)
{
    return reeve_invocation_top && reeve_invocation_top->failed;
}

void reeve_invocation_prefix(const char *text)
{
    char message[sizeof reeve_invocation_top->error.message];
    if (!reeve_invocation_top)
        return;
    snprintf(message, sizeof message, "%s%.400s", text, reeve_invocation_top->error.message);
    memcpy(reeve_invocation_top->error.message, message, sizeof message);
}

REEVE_API void *reeve_alloc(size_t size)
{
    if (!reeve_invocation_top)
        return malloc(size ? size : 1);
    return reeve_arena_alloc(&reeve_invocation_top->arena, size ? size : 1, size >= 1024 ? 64 : 16);
}

REEVE_API size_t reeve_argument_futures(const reeve_future **ret)
{
    if (ret)
        *ret = reeve_invocation_top ? (const reeve_future *)reeve_invocation_top->futures : NULL;
    return reeve_invocation_top ? reeve_invocation_top->future_count : 0;
}

REEVE_API void reeve_free_later(const void *pointer)
{
    if (!reeve_invocation_top || !pointer)
        return;
    if (!reeve_arena_adopt(&reeve_invocation_top->arena, (void *)(uintptr_t)pointer))
        /* no memory for the note: it leaks, which is better than freeing it under the result */
        return;
}

REEVE_API void reeve_free(const void *pointer)
{
    free((void *)(uintptr_t)pointer);
}
