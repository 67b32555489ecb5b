/* The state of the client library in this process, and futures that were born failed. */
#ifndef REEVE_CLIENT_CLIENT_H
#define REEVE_CLIENT_CLIENT_H

#include "api/client/actor.h"
#include "api/client/backend.h"
#include "runtime/base/macros.h"

/* The backend, or NULL with `error` filled in: REEVE_ENOTINIT, REEVE_ESHUTDOWN, REEVE_EFORKED. A
 * few loads. */
struct reeve_backend *reeve_client_enter(struct reeve_error_info *error);

/* A call that could not be submitted still gives a future: one that carries the error. Its id says
 * the code, and the descriptions of the latest 256 are kept, so that nothing needs to be freed:
 * such a future may be got, released or forgotten, in any state.
 *
 *     id:   | 1 | -code, 15 bits | sequence number, 48 bits |
 */
uint64_t reeve_failed_future(const struct reeve_error_info *error);

static inline bool reeve_is_failed_future(uint64_t future)
{
    return future >> 63;
}

/* Describes what it carries. Returns its code. */
int reeve_failed_future_get(uint64_t future, struct reeve_error_info *error);

/* A submission with these settings; arguments are still to be filled in. */
static inline struct reeve_submit reeve_client_submit_of(
    const struct reeve_function *function, const struct reeve_task_settings *settings)
{
    return (struct reeve_submit){
        .function = function,
        .cpu_milli = settings->cpu_milli,
        .max_retries =
            function->role == REEVE_ROLE_NONE || settings->retries_said ? settings->max_retries : 0,
        .retry_failures = settings->retry_failures,
        .retry_pause_ms = settings->retry_pause_ms,
        .priority = settings->priority,
        .never_inline = settings->never_inline,
        .no_wait = settings->no_wait,
        .timeout_ms = settings->timeout_ms,
        .name = settings->name,
        .window = settings->window,
    };
}

/* Whether a call of the function can have these settings: REEVE_EINVAL. */
int reeve_actor_settings_check(const struct reeve_function *function,
    const struct reeve_task_settings *settings, struct reeve_error_info *error);
static inline int reeve_client_settings_check(const struct reeve_function *function,
    const struct reeve_task_settings *settings, struct reeve_error_info *error)
{
    return REEVE_LIKELY(function->role == REEVE_ROLE_NONE)
               ? REEVE_OK
               : reeve_actor_settings_check(function, settings, error);
}

/* Options checked, function known: what reeve_typed_submit and reeve_submit have in common. */
int reeve_client_submit(struct reeve_backend *backend, const struct reeve_function *function,
    const reeve_task_options *options, const void *args, size_t args_size,
    const reeve_splice *splices, size_t splice_count, const reeve_splice *nested,
    size_t nested_count, const reeve_actor *actor, uint32_t result_count, uint64_t *ret,
    struct reeve_error_info *error);

/* Packs the arguments from parameter `first` on, as an array. malloc. REEVE_EINVAL: there are
 * futures in them, or what cannot be packed; REEVE_ENOMEM. */
int reeve_typed_pack(const struct reeve_function *function, size_t first, const void *arguments,
    void **ret, size_t *ret_size, struct reeve_error_info *error);

/* REEVE_OK, or what is wrong with a handle that cannot be of any actor. */
int reeve_actor_check(const reeve_actor *actor, struct reeve_error_info *error);

/* Gets from any future, failed-born ones included; the thread's error is filled in. */
int reeve_client_get(uint64_t future, int64_t timeout_ms, reeve_consume *consume, void *arg);

/* For who wants the outcome alone. */
reeve_consume reeve_client_consume_nothing;

/* Memory that create gave, to be packed into; then sealed, or aborted when size is 0. */
int reeve_client_put(struct reeve_backend *backend, const struct reeve_type *type,
    const void *value, size_t size, uint64_t *ret, struct reeve_error_info *error);

#endif
