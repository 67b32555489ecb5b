/* The thread's last error, and filling in descriptions. Only failures pay: a call that succeeds
 * touches none of this. */
#include "api/client/error.h"

#include <stdio.h>
#include <string.h>

static __thread struct reeve_error_info thread_error;

struct reeve_error_info *reeve_error_thread(void)
{
    return &thread_error;
}

int reeve_error_set(struct reeve_error_info *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    error->code = code;
    error->attempt = 0;
    error->user_code = code; /* reeve_fail says another */
    error->function[0] = error->node[0] = 0;
    va_list values;
    va_start(values, format);
    vsnprintf(error->message, sizeof error->message, format, values);
    va_end(values);
    return code;
}

void reeve_error_function(struct reeve_error_info *error, const char *function)
{
    if (error)
        snprintf(error->function, sizeof error->function, "%s", function);
}

int reeve_error_complete(struct reeve_error_info *error, int code)
{
    if (error->code != code)
        return reeve_error_set(error, code, "%s", reeve_strerror(code));
    if (!error->message[0])
        snprintf(error->message, sizeof error->message, "%s", reeve_strerror(code));
    return code;
}

REEVE_API const reeve_error_info *reeve_last_error(void)
{
    return &thread_error;
}

REEVE_API void reeve_perror(const char *prefix)
{
    const struct reeve_error_info *error = &thread_error;
    char where[320], code[64];
    int at = 0;
    where[0] = 0;
    if (error->function[0])
        at += snprintf(where + at, sizeof where - (size_t)at, ", function %s", error->function);
    if (error->node[0])
        at += snprintf(where + at, sizeof where - (size_t)at, ", node %s", error->node);
    if (error->attempt)
        snprintf(where + at, sizeof where - (size_t)at, ", attempt %d", error->attempt);
    if (error->code == REEVE_EFUNCTION)
        snprintf(code, sizeof code, "%s %lld", reeve_error_name(error->code),
            (long long)error->user_code);
    else
        snprintf(code, sizeof code, "%s", reeve_error_name(error->code));
    fprintf(stderr, "%s%s%s (%s%s)\n", prefix ? prefix : "", prefix && prefix[0] ? ": " : "",
        error->message[0] ? error->message : reeve_strerror(error->code), code, where);
}
