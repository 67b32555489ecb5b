/* Options as the rest of the client sees them: environment and defaults filled in, checked. */
#ifndef REEVE_CLIENT_OPTIONS_H
#define REEVE_CLIENT_OPTIONS_H

#include <reeve.h>

#include "runtime/channel/credit.h"

/* Strings are the caller's or the environment's, valid while reeve_init runs; NULL where nothing
 * was said. */
struct reeve_settings {
    enum reeve_mode mode; /* cluster or inline */
    const char *address;  /* NULL: a cluster of our own */
    const char *key;
    const char *key_file;
    const char *program;
    const char *job_name;
    const char *name_space;    /* of its actors' names; never NULL */
    uint32_t slots;            /* 0: the machine's cores */
    uint64_t store_size_bytes; /* 0: the daemon's default */
    const char *spill;         /* NULL: the daemon's default, or the environment that it inherits */
    uint64_t spill_size_bytes; /* 0: likewise */
    bool prefault;             /* false: likewise */
    uint64_t pending_size_bytes; /* 0: ours, see cluster_room.c */
    uint32_t pending_percent;    /* of memory, when it was said so; else 0 */
    uint32_t weight;             /* 0: the head's default */
    enum reeve_leaks_mode leaks;
};

/* options may be NULL. REEVE_EINVAL, with a message that names option or variable, its value,
 * and what it may be. */
int reeve_options_resolve(
    const reeve_options *options, struct reeve_settings *ret, struct reeve_error_info *error);

struct reeve_task_settings {
    uint32_t cpu_milli;
    uint32_t max_retries;
    bool retries_said; /* max_retries is not the default */
    uint32_t retry_failures;
    uint32_t retry_pause_ms;
    int32_t priority;
    int64_t timeout_ms;
    bool never_inline;
    bool no_wait;
    struct reeve_stream_window window; /* 0 where nothing was said */
    const char *name;
};

/* Of an actor. */
struct reeve_actor_settings {
    uint32_t cpu_milli;
    uint32_t restarts_max; /* UINT32_MAX: any number */
    uint32_t shared;
    const char *name;       /* or NULL; the program's */
    const char *name_space; /* or NULL: the job's */
    const char *type;       /* for people, and for who looks for the name */
    uint32_t concurrency;
    uint32_t pending_max;         /* unanswered calls of one process; 0: any number */
    bool detached, get_if_exists; /* only with a name */
    const void *args;             /* of its constructor; where it is detached */
    size_t args_size;
    const struct reeve_function *end;
};

/* A name of an actor, or of a namespace: REEVE_EINVAL, with what is wrong, `what` it is and what it
 * may be. */
int reeve_name_check(
    const char *what, const char *name, size_t size_max, struct reeve_error_info *error);

/* options may be NULL; `end` and `type` are left alone. */
int reeve_actor_options_resolve(const reeve_actor_options *options,
    struct reeve_actor_settings *ret, struct reeve_error_info *error);

int reeve_task_options_resolve(const reeve_task_options *options, struct reeve_task_settings *ret,
    struct reeve_error_info *error);

#endif
