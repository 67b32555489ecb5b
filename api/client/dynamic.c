/* The dynamic front door, and what both doors share: functions by name, values as packed bytes,
 * waiting, releasing. */
#include "api/client/client.h"
#include "api/client/codec.h"
#include "api/client/error.h"
#include "api/client/many.h"
#include "api/client/reader.h"
#include "api/client/registry.h"
#include "runtime/base/macros.h"
#include "runtime/base/pages.h"

#include <stdlib.h>
#include <string.h>

int reeve_client_submit(struct reeve_backend *backend, const struct reeve_function *function,
    const reeve_task_options *options, const void *args, size_t args_size,
    const reeve_splice *splices, size_t splice_count, const reeve_splice *nested,
    size_t nested_count, const reeve_actor *actor, uint32_t result_count, uint64_t *ret,
    struct reeve_error_info *error)
{
    struct reeve_task_settings settings;
    int rc = reeve_task_options_resolve(options, &settings, error);
    if (REEVE_LIKELY(!rc))
        rc = reeve_client_settings_check(function, &settings, error);
    if (REEVE_UNLIKELY(rc))
        return rc;
    struct reeve_submit submit = reeve_client_submit_of(function, &settings);
    submit.args = args;
    submit.args_size = args_size;
    submit.splices = splices;
    submit.splice_count = splice_count;
    submit.nested = nested;
    submit.nested_count = nested_count;
    submit.actor = actor;
    submit.result_count = result_count;
    rc = backend->submit(backend, &submit, ret, error);
    return REEVE_LIKELY(!rc) ? REEVE_OK : reeve_error_complete(error, rc);
}

/* ---- submit ---------------------------------------------------------------------------------- */

/* Each splice must be a whole argument, a nil byte, in ascending order. */
static int check_splices(const reeve_submission *submission, struct reeve_error_info *error)
{
    const uint8_t *begin = submission->args, *end = begin + submission->args_size, *at = begin;
    struct reeve_token token = {.size = 0};
    at = reeve_read_token(at, end, &token);
    size_t next = 0, arguments = token.size;
    for (size_t i = 0; i < arguments && next < submission->splice_count; i++) {
        if ((size_t)(at - begin) == submission->splices[next].offset && *at == 0xc0)
            next++;
        at += reeve_codec_skip(at, (size_t)(end - at));
    }
    if (next == submission->splice_count)
        return REEVE_OK;
    return reeve_error_set(error, REEVE_EINVAL,
        "splice %zu: at offset %zu there is no argument that is one nil byte, or the splices do "
        "not ascend",
        next, submission->splices[next].offset);
}

static int count_mismatch(uint64_t stand, size_t beside, struct reeve_error_info *error)
{
    if (stand == UINT64_MAX)
        return reeve_error_set(
            error, REEVE_EPROTOCOL, "the extension of a future, or of several, is malformed");
    return reeve_error_set(error, REEVE_EINVAL,
        "%llu futures stand in the packed bytes, and %zu are given beside them",
        (unsigned long long)stand, beside);
}

/* Finds the argument that each of the futures stands in. `ret`, from malloc, is NULL when there are
 * none. */
static int nested_place(
    const reeve_submission *submission, reeve_splice **ret, struct reeve_error_info *error)
{
    const uint8_t *begin = submission->args, *end = begin + submission->args_size, *at = begin;
    uint64_t total = reeve_codec_future_count(begin, submission->args_size);
    *ret = NULL;
    if (total != submission->future_count || (total && !submission->futures))
        return count_mismatch(total, submission->futures ? submission->future_count : 0, error);
    if (total == 0)
        return REEVE_OK;
    reeve_splice *nested = malloc(total * sizeof *nested);
    if (!nested)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for the futures in the arguments");
    struct reeve_token token = {.size = 0};
    at = reeve_read_token(at, end, &token);
    size_t next = 0;
    for (size_t i = 0, count = token.size; i < count; i++) {
        size_t size = reeve_codec_skip(at, (size_t)(end - at));
        uint64_t here = reeve_codec_future_count(at, size);
        for (; here > 0; here--, next++)
            nested[next] = (reeve_splice){(size_t)(at - begin), submission->futures[next]};
        at += size;
    }
    *ret = nested;
    return REEVE_OK;
}

static int check_submission(const reeve_submission *submission, struct reeve_error_info *error)
{
    if (submission->size != sizeof *submission || !submission->function ||
        (submission->splice_count && !submission->splices))
        return reeve_error_set(
            error, REEVE_EINVAL, "a submission's size, function or splices are not set");
    int rc = reeve_codec_check(submission->args, submission->args_size, error);
    if (rc)
        return rc;
    uint8_t head = *(const uint8_t *)submission->args;
    if ((head & 0xf0) != 0x90 && head != 0xdc && head != 0xdd)
        return reeve_error_set(error, REEVE_EPROTOCOL, "the arguments are not a msgpack array");
    return submission->splice_count ? check_splices(submission, error) : REEVE_OK;
}

/* Of a method the actor stands first in the arguments. */
static int actor_of(const reeve_submission *submission, const struct reeve_function *function,
    reeve_actor *ret, struct reeve_error_info *error)
{
    if (function->role != REEVE_ROLE_METHOD)
        return reeve_error_set(error, REEVE_EINVAL,
            "%s makes or ends an actor: use reeve_actor_create and reeve_actor_release",
            function->name);
    if (!reeve_actor_read(submission->args, submission->args_size, ret))
        return reeve_error_set(error, REEVE_EHANDLE,
            "the first argument of %s is no actor: an array of three integers", function->name);
    return reeve_actor_check(ret, error);
}

/* Everything that can be wrong with it before a backend has seen it. `ret_nested`, from malloc
 * or NULL, and `actor` are needed as long as `ret`. */
static int resolve_submission(const reeve_submission *submission, struct reeve_submit *ret,
    reeve_splice **ret_nested, reeve_actor *actor, struct reeve_error_info *error)
{
    struct reeve_task_settings settings;
    *ret_nested = NULL;
    int rc = check_submission(submission, error);
    if (rc)
        return rc;
    const struct reeve_function *function = reeve_registry_find(submission->function);
    if (!function)
        return reeve_error_set(error, REEVE_ENOFUNCTION,
            "this program has no remote function \"%.200s\"", submission->function);
    for (size_t i = 0; i < submission->splice_count; i++)
        if (reeve_is_failed_future(submission->splices[i].future.id))
            return reeve_failed_future_get(submission->splices[i].future.id, error);
    for (size_t i = 0; submission->futures && i < submission->future_count; i++)
        if (reeve_is_failed_future(submission->futures[i].id))
            return reeve_failed_future_get(submission->futures[i].id, error);
    rc = reeve_task_options_resolve(submission->options, &settings, error);
    if (!rc)
        rc = reeve_client_settings_check(function, &settings, error);
    if (!rc)
        rc = nested_place(submission, ret_nested, error);
    if (rc)
        return rc;
    *ret = reeve_client_submit_of(function, &settings);
    ret->args = submission->args;
    ret->args_size = submission->args_size;
    ret->splices = submission->splices;
    ret->splice_count = submission->splice_count;
    ret->nested = *ret_nested;
    ret->nested_count = submission->future_count;
    if (REEVE_LIKELY(function->role == REEVE_ROLE_NONE))
        return REEVE_OK;
    ret->actor = actor;
    rc = actor_of(submission, function, actor, error);
    if (rc) {
        free(*ret_nested);
        *ret_nested = NULL;
    }
    return rc;
}

static int name_function(const reeve_submission *submission, int rc, struct reeve_error_info *error)
{
    if (rc && !error->function[0])
        reeve_error_function(error, submission->function ? submission->function : "");
    return rc;
}

/* result_count as in struct reeve_submit. */
static int submit(const reeve_submission *submission, uint32_t result_count, uint64_t *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    struct reeve_submit submit;
    if (!backend)
        return error->code;
    reeve_splice *nested;
    reeve_actor actor;
    int rc = resolve_submission(submission, &submit, &nested, &actor, error);
    if (!rc && result_count && submit.function->item)
        rc = reeve_error_set(error, REEVE_ETYPE, "it gives a stream, not several results");
    submit.result_count = result_count;
    if (!rc && (rc = backend->submit(backend, &submit, ret, error)))
        reeve_error_complete(error, rc);
    free(nested);
    return name_function(submission, rc, error);
}

REEVE_API int reeve_submit(const reeve_submission *submission, reeve_future *ret)
{
    return submit(submission, 0, &ret->id);
}

REEVE_API int reeve_submit_results(
    const reeve_submission *submission, reeve_future *futures, size_t count)
{
    if (count == 0 || count > REEVE_RESULTS_MAX)
        return reeve_error_set(reeve_error_thread(), REEVE_EINVAL,
            "%zu results were asked for: expected 1 to %d", count, REEVE_RESULTS_MAX);
    return submit(submission, (uint32_t)count, (uint64_t *)futures);
}

REEVE_API int reeve_submit_many(
    const reeve_submission *submissions, size_t count, reeve_future *futures)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_batch batch;
    reeve_batch_init(&batch, reeve_client_enter(error), (uint64_t *)futures, error);
    if (!batch.backend)
        return reeve_batch_fail_all(&batch, count);
    for (size_t i = 0; i < count; i++) {
        struct reeve_submit submit = {.actor = NULL};
        reeve_splice *nested;
        reeve_actor actor;
        int rc = resolve_submission(&submissions[i], &submit, &nested, &actor, error);
        if (rc) {
            name_function(&submissions[i], rc, error);
            reeve_batch_fail(&batch);
        } else {
            reeve_batch_add(&batch, &submit);
        }
        if (REEVE_UNLIKELY(nested != NULL || submit.actor != NULL)) { /* these are ours */
            reeve_batch_flush(&batch);
            free(nested);
        }
    }
    return reeve_batch_end(&batch);
}

/* ---- get, put -------------------------------------------------------------------------------- */

int reeve_client_get(uint64_t future, int64_t timeout_ms, reeve_consume *consume, void *arg)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (REEVE_UNLIKELY(reeve_is_failed_future(future)))
        return reeve_failed_future_get(future, error);
    struct reeve_backend *backend = reeve_client_enter(error);
    if (REEVE_UNLIKELY(!backend))
        return error->code;
    int rc = backend->get(backend, future, timeout_ms, consume, arg, error);
    return REEVE_LIKELY(!rc) ? REEVE_OK : reeve_error_complete(error, rc);
}

static int consume_packed(size_t index, const void *bytes, size_t size, const uint64_t *futures,
    size_t future_count, void *arg)
{
    reeve_packed *packed = (reeve_packed *)arg + index;
    void *copy = malloc(size);
    reeve_future *list = future_count ? malloc(future_count * sizeof *list) : NULL;
    if (!copy || (future_count && !list)) {
        free(copy);
        free(list);
        return reeve_error_set(
            reeve_error_thread(), REEVE_ENOMEM, "no memory for a value of %zu bytes", size);
    }
    reeve_pages_advise(copy, size);
    memcpy(copy, bytes, size);
    for (size_t i = 0; i < future_count; i++)
        list[i] = reeve_future_from_id(futures[i]);
    *packed = (reeve_packed){copy, size, list, future_count};
    return REEVE_OK;
}

REEVE_API int reeve_get_packed(reeve_future future, int64_t timeout_ms, reeve_packed *ret)
{
    return reeve_client_get(future.id, timeout_ms, consume_packed, ret);
}

REEVE_API int reeve_get_packed_many(
    const reeve_future *futures, size_t count, reeve_packed *values, int *codes)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (reeve_packed){NULL, 0, NULL, 0};
    /* the struct is its one member */
    return reeve_client_get_many((const uint64_t *)futures, count, consume_packed, values, codes);
}

REEVE_API int reeve_put_packed(const void *bytes, size_t size, reeve_future *ret)
{
    return reeve_put_value(&(reeve_packed){bytes, size, NULL, 0}, ret);
}

REEVE_API int reeve_put_value(const reeve_packed *value, reeve_future *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    if (!backend)
        return error->code;
    int rc = reeve_codec_check(value->bytes, value->size, error);
    if (rc)
        return rc;
    uint64_t count = reeve_codec_future_count(value->bytes, value->size);
    if (count != value->future_count || (count && !value->futures))
        return count_mismatch(count, value->futures ? value->future_count : 0, error);
    for (size_t i = 0; i < count; i++)
        if (reeve_is_failed_future(value->futures[i].id))
            return reeve_failed_future_get(value->futures[i].id, error);
    void *memory;
    uint64_t handle;
    rc = backend->create(backend, value->size, 0, false, &memory, &handle, error);
    if (!rc) {
        memcpy(memory, value->bytes, value->size);
        rc = backend->seal(
            backend, handle, (const uint64_t *)value->futures, count, &ret->id, error);
    }
    return rc ? reeve_error_complete(error, rc) : REEVE_OK;
}

/* ---- wait, release --------------------------------------------------------------------------- */

REEVE_API int(reeve_release)(reeve_future future)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (reeve_is_failed_future(future.id))
        return future.id == UINT64_MAX ? reeve_failed_future_get(future.id, error) : REEVE_OK;
    struct reeve_backend *backend = reeve_client_enter(error);
    if (!backend)
        return error->code;
    int rc = backend->release(backend, future.id, error);
    return rc ? reeve_error_complete(error, rc) : REEVE_OK;
}

REEVE_API reeve_future(reeve_retain)(reeve_future future)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (reeve_is_failed_future(future.id))
        return future;
    struct reeve_backend *backend = reeve_client_enter(error);
    reeve_future ret = {0};
    int rc = backend ? backend->retain(backend, future.id, &ret.id, error) : error->code;
    if (rc) {
        reeve_error_complete(error, rc);
        ret.id = reeve_failed_future(error);
    }
    return ret;
}

/* Futures born failed are ready; the backend is asked about the others only. */
static int wait_mixed(struct reeve_backend *backend, const uint64_t *ids, size_t count,
    size_t wanted, int64_t timeout_ms, bool *ready, size_t *ready_count,
    struct reeve_error_info *error)
{
    uint64_t *live = malloc(count * sizeof *live);
    bool *live_ready = calloc(count, sizeof *live_ready);
    size_t live_count = 0, found = 0;
    int rc = REEVE_ENOMEM;
    if (live && live_ready) {
        for (size_t i = 0; i < count; i++)
            if (!reeve_is_failed_future(ids[i]))
                live[live_count++] = ids[i];
        size_t failed = count - live_count;
        rc = REEVE_OK;
        if (live_count)
            rc = backend->wait(backend, live, live_count, wanted > failed ? wanted - failed : 0,
                timeout_ms, live_ready, &found, error);
        for (size_t i = 0, j = 0; i < count; i++)
            ready[i] = reeve_is_failed_future(ids[i]) ? true : live_ready[j++];
        *ready_count = found + failed;
    }
    free(live);
    free(live_ready);
    return rc;
}

REEVE_API int(reeve_wait)(const reeve_future *futures, size_t count, size_t wanted,
    int64_t timeout_ms, bool *ready, size_t *ready_count)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    if (!backend)
        return error->code;
    if (wanted > count || (count && !futures))
        return reeve_error_set(
            error, REEVE_EINVAL, "reeve_wait: %zu of %zu futures wanted", wanted, count);
    bool small[64], *flags = ready;
    size_t found = 0;
    if (!flags)
        flags = count <= sizeof small ? small : malloc(count);
    if (!flags)
        return reeve_error_set(error, REEVE_ENOMEM, "reeve_wait: no memory for %zu futures", count);
    const uint64_t *ids = (const uint64_t *)futures; /* the struct is its one member */
    bool mixed = false;
    for (size_t i = 0; i < count; i++) {
        flags[i] = false;
        mixed |= reeve_is_failed_future(ids[i]);
    }
    int rc = REEVE_OK;
    if (count)
        rc = mixed ? wait_mixed(backend, ids, count, wanted, timeout_ms, flags, &found, error)
                   : backend->wait(backend, ids, count, wanted, timeout_ms, flags, &found, error);
    if (ready_count && (rc == REEVE_OK || rc == REEVE_ETIMEDOUT))
        *ready_count = found;
    if (flags != ready && flags != small)
        free(flags);
    return rc ? reeve_error_complete(error, rc) : REEVE_OK;
}
