/* What inline.c and inline_view.c share: values, and the backend that has them. */
#ifndef REEVE_CLIENT_INLINE_INTERNAL_H
#define REEVE_CLIENT_INLINE_INTERNAL_H

#include "api/client/backend.h"
#include "runtime/base/map64.h"

#include <pthread.h>

struct value {
    unsigned references;            /* under the lock */
    struct reeve_error_info *error; /* or NULL: bytes */
    uint8_t *bytes;
    size_t size;
    uint8_t *memory;       /* in which the bytes are */
    struct value **nested; /* of the futures in it, in order; held */
    size_t nested_count;
    struct value *next; /* while it is freed */
};

struct inline_actor {
    const struct reeve_function *end;
    struct reeve_error_info *why; /* it is dead; or NULL */
};

struct inline_backend {
    struct reeve_backend backend; /* first */
    pthread_mutex_t lock;
    struct reeve_map64 futures; /* id -> value */
    struct reeve_map64 created; /* handle -> value, not sealed */
    struct reeve_map64 actors;  /* number -> inline_actor, until it is released */
    uint64_t actor_last;
    uint64_t next_id; /* goes on over shutdown and start: ids are never used again */
    bool running;
};

extern struct inline_backend inline_self;

/* One reference less, with the lock; with what it held. */
void inline_value_drop_locked(struct value *value);
int inline_not_live(struct reeve_error_info *error);
int inline_no_memory(struct reeve_error_info *error);
/* A new id for each of the values: `ret` is from malloc. */
int inline_ids_give(
    struct value **nested, size_t count, uint64_t **ret, struct reeve_error_info *error);
/* Those of the ids that are live are so no more. */
void inline_ids_withdraw(const uint64_t *ids, size_t count);

/* inline_view.c: members of the backend. */
int inline_view(struct reeve_backend *backend, uint64_t future, int64_t timeout_ms,
    reeve_consume *consume, void *arg, uint64_t *ret_handle, struct reeve_error_info *error);
void inline_unview(struct reeve_backend *backend, uint64_t handle);

#endif
