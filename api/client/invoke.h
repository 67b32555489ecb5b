/* Running one task: packed arguments in, packed result or error out.
 *
 *     struct reeve_invocation invocation;
 *     reeve_invocation_init(&invocation, function, args, args_size);
 *     invocation.result = slot; invocation.result_capacity = sizeof slot;   optional: memory for
 *                                                                           the result
 *     invocation.resolve = ...; invocation.reserve = ...; invocation.context = me;
 *     int rc = reeve_invoke(&invocation);       REEVE_OK: result, result_size. Else:
 *                                               invocation.error
 *     ...
 *     reeve_invocation_fini(&invocation);       frees the result if it lies on the heap
 *
 * The user's function runs on the caller's stack and may call the API, so that invocations nest:
 * each thread has a stack of them, whose top reeve_fail and reeve_alloc mean. The struct is about 1
 * KiB; init touches little of it.
 */
#ifndef REEVE_CLIENT_INVOKE_H
#define REEVE_CLIENT_INVOKE_H

#include "api/client/codec.h"
#include "runtime/base/ids.h"
#include <reeve.h>

struct reeve_invocation {
    const struct reeve_function *function;
    const void *args; /* msgpack array, in place; must stay until fini */
    size_t args_size;

    /* Gives the bytes of a large object (the packed value), valid until fini; NULL: references
     * are REEVE_EPROTOCOL. Fails with a code, which becomes the task's; may describe it in
     * invocation->error.message. */
    int (*resolve)(struct reeve_invocation *invocation, const uint8_t id[REEVE_OBJECT_ID_SIZE],
        uint64_t size, const void **bytes);
    /* Gives memory for a result of `size` bytes that does not fit result_capacity (aligned to
     * 64: shared memory, say), or NULL with a code in invocation->error.code (0 counts as
     * REEVE_ENOMEM). NULL: malloc. */
    void *(*reserve)(struct reeve_invocation *invocation, size_t size);
    void *context; /* for resolve and reserve */

    /* Which task it is: the process that called, and its number for it; which attempt. Set by who
     * runs it. */
    struct reeve_object_id id;
    uint32_t attempt;
    /* The task that has called it: a struct reeve_object_id, perhaps unaligned, which must stay
     * until fini; or NULL. */
    const void *parent;

    /* The futures in the arguments, in the order in which they stand; kept until fini. */
    const uint64_t *futures;
    size_t future_count;

    uint8_t *result;
    size_t result_size;
    size_t result_capacity;
    struct reeve_future_ids result_futures; /* those in the result; freed by fini */

    struct reeve_error_info
        error; /* code, user_code, function and message; node and attempt are left alone */

    /* private */
    struct reeve_own_handles *own_handles; /* of actors: see handles.c; or NULL */
    bool failed;                           /* reeve_fail was called */
    bool later;                            /* reeve_reply_later was: what it returns is no result */
    bool result_on_heap;                   /* freed by fini */
    struct reeve_arena arena;
    char *scratch; /* the path of its folder, or NULL */
    struct reeve_invocation *below;
};

void reeve_invocation_init(struct reeve_invocation *invocation,
    const struct reeve_function *function, const void *args, size_t args_size);
/* invocation->function->invoke. Returns REEVE_OK or invocation->error.code. */
int reeve_invoke(struct reeve_invocation *invocation);
void reeve_invocation_fini(struct reeve_invocation *invocation);

/* What this thread runs, or NULL. */
extern __thread struct reeve_invocation *reeve_invocation_top
    __attribute__((tls_model("initial-exec")));
static inline struct reeve_invocation *reeve_invocation_current(void)
{
    return reeve_invocation_top;
}
/* REEVE_EINVAL: this thread runs nothing, as `function` needs. */
int reeve_invocation_none(const char *function, struct reeve_error_info *error);
/* It has failed, with a code of the library's. Outside of a task it is the thread's last error. */
void reeve_invocation_fail(int code, const char *text);
bool reeve_invocation_has_failed(void);
/* Its message begins so. */
void reeve_invocation_prefix(const char *text);

/* The value is the function's result: packs it, as reeve_invoke does. */
int reeve_invocation_pack(struct reeve_invocation *invocation, const void *value);

/* The two ways to invoke a function; struct reeve_function.invoke is one of them. */
int reeve_invoke_typed(const struct reeve_function *function, struct reeve_invocation *invocation);
int reeve_invoke_handler(
    const struct reeve_function *function, struct reeve_invocation *invocation);

#endif
