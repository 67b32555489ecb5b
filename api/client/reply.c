/* Answers that come later: the interface. What is behind it is the worker's
 * (runtime/worker/jobs.h). */
#include <stdarg.h>
#include <stdio.h>

#include "api/client/client.h"
#include "api/client/error.h"
#include "api/client/invoke.h"
#include "runtime/base/macros.h"

REEVE_API reeve_reply_token reeve_reply_later(void)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_invocation *invocation = reeve_invocation_current();
    struct reeve_backend *backend = reeve_client_enter(error);
    reeve_reply_token token = {0};
    if (backend == NULL)
        return token;
    if (invocation == NULL || invocation->function->role != REEVE_ROLE_METHOD) {
        reeve_error_set(error, REEVE_EINVAL,
            "reeve_reply_later: only an actor's method answers later, and says so in its thread");
        return token;
    }
    int code = backend->reply_later != NULL
                   ? backend->reply_later(backend, invocation, &token.id, error)
                   : reeve_error_set(
                         error, REEVE_EINVAL, "in inline mode a method answers when it returns");
    if (code != REEVE_OK)
        reeve_error_complete(error, code);
    return token;
}

static int reply(reeve_reply_token token, const struct reeve_function *function, const void *value,
    const struct reeve_error_info *failure)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    if (backend == NULL)
        return error->code;
    int code = token.id == 0 || backend->reply == NULL
                   ? reeve_error_set(error, REEVE_EHANDLE,
                         token.id == 0 ? "this is no token: it is empty"
                                       : "no actor lives in this process")
                   : backend->reply(backend, token.id, function, value, failure, error);
    return REEVE_LIKELY(code == REEVE_OK) ? REEVE_OK : reeve_error_complete(error, code);
}

REEVE_API int reeve_typed_reply(
    reeve_reply_token token, const struct reeve_function *function, const void *value)
{
    static const char nothing; /* of a function without a result */
    return reply(token, function, value != NULL ? value : &nothing, NULL);
}

REEVE_API int reeve_reply_fail(reeve_reply_token token, int64_t code, const char *format, ...)
{
    struct reeve_error_info failure = {.code = REEVE_EFUNCTION, .user_code = code};
    va_list values;
    va_start(values, format);
    vsnprintf(failure.message, sizeof(failure.message), format, values);
    va_end(values);
    return reply(token, NULL, NULL, &failure);
}

REEVE_API int reeve_reply_drop(reeve_reply_token token)
{
    static const struct reeve_error_info failure = {
        .code = REEVE_EFUNCTION, .message = "the actor has dropped the call without an answer"};
    return reply(token, NULL, NULL, &failure);
}
