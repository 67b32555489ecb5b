/* What inline.c and the other inline_*.c share: values, and the backend that has them. */
#ifndef REEVE_CLIENT_INLINE_INTERNAL_H
#define REEVE_CLIENT_INLINE_INTERNAL_H

#include "api/client/backend.h"
#include "api/client/codec.h"
#include "runtime/base/ids.h"
#include "runtime/base/map64.h"

#include <pthread.h>

#define INLINE_OWNER 1 /* of all actors */

struct inline_stream;

struct value {
    unsigned references;            /* under the lock */
    struct reeve_error_info *error; /* or NULL: bytes */
    uint8_t *bytes;
    size_t size;
    uint8_t *memory;       /* in which the bytes are */
    struct value **nested; /* of the futures in it, in order; held */
    size_t nested_count;
    uint64_t *actors; /* in it: numbers, each counted among its handles; or NULL */
    size_t actor_count;
    struct value *next;           /* while it is freed */
    struct inline_stream *stream; /* or NULL */
};

struct inline_actor {
    size_t handles; /* of the program, and in values; 0: it is to end */
    uint64_t number;
    const struct reeve_function *end;
    struct reeve_error_info *why;   /* it is dead; or NULL */
    char *name, *name_space, *type; /* or NULL */
    struct inline_actor *next_over;
};

struct inline_backend {
    struct reeve_backend backend; /* first */
    pthread_mutex_t lock;
    struct reeve_map64 futures; /* id -> value */
    struct reeve_map64 created; /* handle -> value, not sealed */
    struct reeve_map64 actors;  /* number -> inline_actor, until it is released */
    uint64_t actor_last;
    struct inline_actor *over; /* their last handle has gone: linked by next_over */
    uint64_t next_id;          /* goes on over shutdown and start: ids are never used again */
    bool running;
};

extern struct inline_backend inline_self;

/* A task's arguments: what the submission said, with the values of its splices, which it holds. */
struct inline_task {
    struct value **held;
    struct reeve_splice_value *splices;
    uint8_t (*references)[REEVE_OBJECT_REFERENCE_SIZE]; /* for large values */
    size_t count;
    uint8_t *args;
    size_t args_size;
    struct value **own; /* futures that the submission itself has in its arguments, held */
    size_t own_count;
    struct value **nested; /* all, those in spliced values included, in order */
    size_t nested_count;
    struct reeve_object_id parent; /* the task that has called it; sequence 0: none has */
};

struct value *inline_value_create(size_t size, uint32_t skew);
void inline_value_free(struct value *value);
/* Takes over the reference to value. */
int inline_publish(struct value *value, uint64_t *ret, struct reeve_error_info *error);
int inline_task_make(
    struct inline_task *task, const struct reeve_submit *submit, struct reeve_error_info *error);
void inline_task_fini(struct inline_task *task);
/* The result, or the error. NULL: no memory. */
struct value *inline_run(const struct reeve_function *function, struct inline_task *task,
    const char *args, size_t args_size, uint32_t retry_failures);

/* One reference less, with the lock; with what it held. */
void inline_value_drop_locked(struct value *value);
int inline_not_live(struct reeve_error_info *error);
int inline_no_memory(struct reeve_error_info *error);
/* Holds the values of live futures; `ret` is from malloc. `given`: streams among them are given
 * with them; else there may be none. */
int inline_nested_hold(const uint64_t *ids, size_t count, bool given, struct value ***ret,
    struct reeve_error_info *error);
void inline_nested_drop(struct value **nested, size_t count);
/* A new id for each of the values: `ret` is from malloc. */
int inline_ids_give(
    struct value **nested, size_t count, uint64_t **ret, struct reeve_error_info *error);
/* Those of the ids that are live are so no more. */
void inline_ids_withdraw(const uint64_t *ids, size_t count);

/* inline_stream.c. */
int inline_stream_submit(
    const struct reeve_submit *submit, uint64_t *ret, struct reeve_error_info *error);
void inline_stream_free(struct inline_stream *stream);
/* With the lock, which it gives up while the function of a stream ends, when nobody else has it:
 * one reference less to a value that is nobody's in the table any more. */
void inline_value_leave(struct value *value);
int inline_next(struct reeve_backend *backend, uint64_t future, int64_t timeout_ms,
    reeve_consume *consume, void *arg, struct reeve_error_info *error);
int inline_watch_next(struct reeve_backend *backend, uint64_t stream, struct reeve_ready *ready,
    uint64_t tag, struct reeve_error_info *error);
int inline_yield(struct reeve_backend *backend, size_t size, reeve_pack_item *pack,
    const void *item, struct reeve_error_info *error);

/* inline_handles.c. A value with these has one of each more. REEVE_ENOMEM. */
int inline_handles_hold(
    struct value *value, const reeve_actor *actors, size_t count, struct reeve_error_info *error);
/* Those at the end of the futures that a value is put with; *count is of the others then. */
int inline_handles_put(
    struct value *value, const uint64_t *futures, size_t *count, struct reeve_error_info *error);
/* What actor_refer has given, with the lock. False: it is none. */
bool inline_handle_release_locked(uint64_t id);
int inline_actor_refer(struct reeve_backend *backend, const reeve_actor *actor, uint64_t *ret,
    struct reeve_error_info *error);
/* The value is got: each is the program's. */
void inline_handles_take(const struct value *value);
/* With the lock: it is freed. */
void inline_handles_drop_locked(const struct value *value);
/* One less, with the lock. */
void inline_handle_drop_locked(struct inline_actor *actor);
int inline_actor_retain(
    struct reeve_backend *backend, const reeve_actor *actor, struct reeve_error_info *error);
/* Ends those whose last handle has gone. Without the lock, at the end of what may drop values. */
void inline_actors_settle(void);
/* inline.c: calls what ends it, if that is to be, and forgets it. */
void inline_actor_over(struct inline_actor *actor, bool calls_end);

/* inline_names.c: member of the backend. With the lock: REEVE_EEXIST, REEVE_ENOMEM; what is
 * given is freed with the actor, in any case. */
int inline_actor_find(struct reeve_backend *backend, const struct reeve_actor_wanted *wanted,
    reeve_actor *ret, struct reeve_error_info *error);
int inline_name_give_locked(struct inline_actor *actor, const struct reeve_actor_settings *settings,
    struct reeve_error_info *error);
void inline_name_free(struct inline_actor *actor);
/* inline_results.c. Takes over the reference to the value that a call with several results has
 * given: of its futures, or of its error, which is that of all of them. `ret`: as many ids. */
int inline_results_publish(struct value *value, const struct reeve_submit *submit, uint64_t *ret,
    struct reeve_error_info *error);

/* inline_context.c: members of the backend. */
int inline_cancel(struct reeve_backend *backend, uint64_t future,
    const struct reeve_owner_cancel *how, struct reeve_error_info *error);
void inline_context(
    struct reeve_backend *backend, const struct reeve_invocation *invocation, reeve_context *ret);
void inline_progress(struct reeve_backend *backend, const struct reeve_invocation *invocation,
    uint64_t done, uint64_t total);
int inline_get_progress(struct reeve_backend *backend, uint64_t future, uint64_t *done,
    uint64_t *total, struct reeve_error_info *error);

/* inline_view.c: members of the backend. */
int inline_view(struct reeve_backend *backend, const uint64_t *futures, size_t *at, size_t count,
    int64_t timeout_ms, reeve_consume *consume, void *arg, uint64_t *handle,
    struct reeve_error_info *error);
void inline_unview(struct reeve_backend *backend, uint64_t handle);
int inline_retain(
    struct reeve_backend *backend, uint64_t future, uint64_t *ret, struct reeve_error_info *error);
int inline_look(struct reeve_backend *backend, uint64_t future, struct reeve_future_look *ret);

#endif
