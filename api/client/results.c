/* Several results, at the front doors: what the macros of reeve_results.h call, and the dynamic
 * form of giving them. How a call has them: "several results" in owner.h.
 *
 *   function ──▶ results ──put, each by itself──▶ futures ──▶ an array of them is its one result */
#include "api/client/client.h"
#include "api/client/codec.h"
#include "api/client/error.h"
#include "api/client/handles.h"
#include "api/client/invoke.h"

#include <stdio.h>
#include <string.h>

#define TYPED_RESULTS_MAX 32 /* as many as the macros can count */

/* ---- giving ---------------------------------------------------------------------------------- */

/* Each by itself, up to the first that cannot be: its future has the call's error. How many futures
 * there are. */
static size_t put_all(
    const struct reeve_member *members, size_t count, const void *results, reeve_future *futures)
{
    struct reeve_error_info *error = reeve_error_thread();
    for (size_t i = 0; i < count; i++) {
        const void *value = (const char *)results + members[i].offset;
        futures[i].id = reeve_typed_put(members[i].type, value);
        if (!reeve_is_failed_future(futures[i].id)) {
            reeve_handles_given(reeve_client_enter(error), members[i].type, value);
            continue;
        }
        char why[256];
        snprintf(why, sizeof why, "%.250s", error->message);
        reeve_error_set(error, error->code, "the result %s: %s", members[i].name, why);
        futures[i].id = reeve_failed_future(error);
        return i + 1;
    }
    return count;
}

REEVE_API void reeve_typed_give_results(const struct reeve_member *members, size_t count,
    const void *results, struct reeve_futures *ret)
{
    const struct reeve_invocation *invocation = reeve_invocation_current();
    reeve_future *futures = reeve_alloc(count * sizeof *futures);
    *ret = (reeve_futures){futures, 0};
    if (invocation && (invocation->failed || invocation->later))
        return;
    if (!futures)
        reeve_fail(REEVE_ENOMEM, "no memory for %zu results", count);
    else
        ret->count = put_all(members, count, results, futures);
}

REEVE_API int reeve_typed_reply_results(uint64_t token, const struct reeve_function *function,
    const struct reeve_member *members, size_t count, const void *results)
{
    reeve_future futures[TYPED_RESULTS_MAX];
    reeve_futures all = {futures, put_all(members, count, results, futures)};
    int code = reeve_typed_reply((reeve_reply_token){token}, function, &all);
    if (code) { /* those that came with it are gone already, where it was taken */
        struct reeve_error_info why = *reeve_error_thread();
        (void)reeve_typed_release_results((const uint64_t *)futures, all.count);
        *reeve_error_thread() = why;
    }
    return code;
}

REEVE_API int reeve_give_results(const reeve_packed *values, size_t count, reeve_packed *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (count == 0 || count > REEVE_RESULTS_MAX)
        return reeve_error_set(error, REEVE_EINVAL, "%zu results were given: expected 1 to %d",
            count, REEVE_RESULTS_MAX);
    reeve_future *futures = reeve_alloc(count * sizeof *futures);
    uint8_t *bytes = reeve_alloc(REEVE_FUTURES_SIZE);
    if (!futures || !bytes)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for %zu results", count);
    for (size_t i = 0; i < count; i++) {
        int rc = reeve_put_value(&values[i], &futures[i]);
        if (!rc)
            continue;
        struct reeve_error_info why = *error;
        while (i-- > 0)
            (void)(reeve_release)(futures[i]);
        *error = why;
        return rc;
    }
    reeve_futures all = {futures, count};
    size_t size = reeve_codec_pack(&reeve_type_reeve_futures, &all, bytes, 0, REEVE_FUTURES_SIZE);
    *ret = (reeve_packed){bytes, size, futures, count};
    return REEVE_OK;
}

/* ---- getting --------------------------------------------------------------------------------- */

REEVE_API void reeve_typed_clear_results(
    const struct reeve_member *members, size_t count, void *results, size_t size)
{
    for (size_t i = 0; i < count; i++)
        reeve_typed_clear(members[i].type, (char *)results + members[i].offset);
    memset(results, 0, size);
}

REEVE_API int reeve_typed_get_results(const uint64_t *futures, const struct reeve_member *members,
    size_t count, void *results, size_t size)
{
    struct reeve_error_info *error = reeve_error_thread(), first;
    int code = REEVE_OK;
    memset(results, 0, size);
    for (size_t i = 0; i < count; i++) {
        int rc = reeve_typed_get(
            futures[i], REEVE_FOREVER, members[i].type, (char *)results + members[i].offset);
        if (rc && !code) {
            code = rc;
            first = *error;
        }
    }
    if (code) {
        reeve_typed_clear_results(members, count, results, size);
        *error = first;
    }
    return code;
}

REEVE_API int reeve_typed_release_results(const uint64_t *futures, size_t count)
{
    int code = REEVE_OK;
    for (size_t i = 0; i < count; i++) {
        int rc = (reeve_release)(reeve_future_from_id(futures[i]));
        code = code ? code : rc;
    }
    return code;
}
