/* The seam between the front doors (typed, dynamic) and what runs tasks (the cluster, or the
 * calling process).
 *
 * The front doors check state, options and arguments, keep the futures that were born failed, and
 * fill in the thread's error; a backend sees valid submissions only. All members are called from
 * any thread, at any time, also while and after shutdown runs (then they return REEVE_ESHUTDOWN): a
 * backend is never freed, or only when no call is inside.
 *
 * Future ids: not 0, bit 63 clear (set: born failed, see client.h), never reused, not even after
 * shutdown and a new start. Every member returns REEVE_OK or a code; on failure those with `error`
 * also describe it there (reeve_error_set), all of it, because the thread's previous error is still
 * in it. `error` is NULL where nobody will look.
 */
#ifndef REEVE_CLIENT_BACKEND_H
#define REEVE_CLIENT_BACKEND_H

#include "api/client/options.h"
#include <reeve.h>

#define REEVE_FUTURE_FAILED_BIT (UINT64_C(1) << 63)

struct reeve_backend;
struct reeve_ready;        /* ready.h */
struct reeve_owner_cancel; /* owner.h */
struct reeve_invocation;   /* invoke.h */

struct reeve_submit { /* one checked call */
    const struct reeve_function *function;
    const void *args; /* copied before submit returns */
    size_t args_size;
    const reeve_splice *
        /* ascending; each a top-level argument, a nil byte; live backend futures or stale ones */
        splices;
    size_t splice_count;
    /* futures that the arguments contain as futures, in the order in which they stand; offset:
     * where the argument begins that contains it */
    const reeve_splice *nested;
    size_t nested_count;
    uint32_t cpu_milli; /* 1 to ... ; 1000 is one cpu */
    int32_t priority;
    uint32_t max_retries;                    /* resolved: 0 is none */
    uint32_t retry_failures, retry_pause_ms; /* likewise */
    int64_t timeout_ms;                      /* of one execution; 0 is none */
    bool never_inline;                       /* not in the midst of the task that waits for it */
    bool no_wait;                            /* rather REEVE_EAGAIN, see max_pending_calls */
    /* whose method it is, or whom it makes or ends: the function's role says; or NULL */
    const reeve_actor *actor;
    const char *name; /* or NULL; copied */
    /* 0: one future. Else so many, in place of those that stand in its value: `ret` is an array.
     * Not with submit_many, nor of a stream */
    uint32_t result_count;
    struct reeve_stream_window window; /* of a stream; 0: as always */
};

/* Takes the packed value of the future at `index` (0 for a single one) in place, and the ids of the
 * futures in it; both are valid during the call only. Its return value becomes that of get. When it
 * succeeds the futures are the program's, one reference for each time that one stands in the list.
 * May be called with a lock held: it does not call the API. */
typedef int reeve_consume(size_t index, const void *bytes, size_t size, const uint64_t *futures,
    size_t future_count, void *arg);

/* Writes an item of `size` bytes; false: the value has changed meanwhile. */
typedef bool reeve_pack_item(const void *item, uint8_t *bytes, size_t size);

typedef int reeve_watch_member(struct reeve_backend *, uint64_t future, struct reeve_ready *ready,
    uint64_t tag, struct reeve_error_info *error);

enum reeve_actor_end {
    REEVE_ACTOR_RELEASE,
    REEVE_ACTOR_KILL,
    REEVE_ACTOR_GIVE_UP, /* it could not be made: forgotten */
};

/* What is known of a future at this moment. */
struct reeve_future_look {
    bool ready;
    uint64_t size_bytes; /* of its packed value, when there is one */
};

/* The actor that is looked for; strings, type "": any. */
struct reeve_actor_wanted {
    const char *name_space, *name, *type;
};

struct reeve_backend {
    /* Where actors have their names, and are looked for, when nothing else is said. */
    char name_space[REEVE_NAME_SPACE_MAX + 1];
    /* What the handles of actors among a call's arguments refer to is to be said with it. */
    bool keeps_arguments;
    bool bounds_calls; /* handles say how many calls of an actor may be unanswered */

    /* Takes a task; never waits for it. REEVE_EHANDLE: a splice's future is not live. */
    int (*submit)(struct reeve_backend *, const struct reeve_submit *, uint64_t *ret,
        struct reeve_error_info *error);

    /* The same for several at once, in order, for less than they cost one by one. Stops at the
     * first that fails: *at, which begins at 0, tells how many were taken (ret[] of those is set),
     * and code and error are those of submits[*at]. */
    int (*submit_many)(struct reeve_backend *, const struct reeve_submit *submits, size_t count,
        uint64_t *ret, size_t *at, struct reeve_error_info *error);

    /* Waits until the future is ready, hands its value to consume (at most once), releases the
     * future: after a success, a failed task, a failed consume; not after REEVE_ETIMEDOUT.
     * timeout_ms as in the API. On the task's failure `error` has code, user_code, function,
     * node, attempt, message. Two gets of one future at once: one of them gets REEVE_EHANDLE. */
    int (*get)(struct reeve_backend *, uint64_t future, int64_t timeout_ms, reeve_consume *consume,
        void *arg, struct reeve_error_info *error);

    /* Gets futures[*at], futures[*at + 1], … up to count, without a limit of time, in order, until
     * one fails: then *at is its index, and code and error are what get would have said. */
    int (*get_many)(struct reeve_backend *, const uint64_t *futures, size_t *at, size_t count,
        reeve_consume *consume, void *arg, struct reeve_error_info *error);

    /* Until `wanted` (<= count) are ready. ready[] (never NULL) and *ready_count are set on
     * REEVE_OK and REEVE_ETIMEDOUT. Ids may be 0, failed-born excluded: 0 or a stale id is
     * REEVE_EHANDLE. */
    int (*wait)(struct reeve_backend *, const uint64_t *futures, size_t count, size_t wanted,
        int64_t timeout_ms, bool *ready, size_t *ready_count, struct reeve_error_info *error);

    int (*release)(struct reeve_backend *, uint64_t future, struct reeve_error_info *error);

    /* Like get_many, but keeps the values where they are, bytes and futures, until unview. The
     * futures are not released, and may be meanwhile. timeout_ms: of them together. *handle, 0
     * before the first of several calls, stands for all that they have given; it stays 0 while they
     * have given nothing, and there is nothing to be unviewed then. */
    int (*view)(struct reeve_backend *, const uint64_t *futures, size_t *at, size_t count,
        int64_t timeout_ms, reeve_consume *consume, void *arg, uint64_t *handle,
        struct reeve_error_info *error);
    void (*unview)(struct reeve_backend *, uint64_t handle);
    /* Another future of the same value (perhaps by the same id). */
    int (*retain)(
        struct reeve_backend *, uint64_t future, uint64_t *ret, struct reeve_error_info *error);

    /* Waits for the next item of a stream, and hands it to consume. REEVE_EEND, or the task's
     * error: there is none left, and the stream is released. REEVE_ETYPE: it is none. */
    int (*next)(struct reeve_backend *, uint64_t stream, int64_t timeout_ms, reeve_consume *consume,
        void *arg, struct reeve_error_info *error);
    /* In the function of a stream, in the thread that runs it: gives an item, of a size that is
     * known. Waits for its reader. REEVE_ECANCELLED: nobody wants it. */
    int (*yield)(struct reeve_backend *, size_t size, reeve_pack_item *pack, const void *item,
        struct reeve_error_info *error);

    /* In a method, in the thread that runs it: its answer comes by this token. And the answer: a
     * value of the function, or, if `value` is NULL, this failure. REEVE_EINVAL, REEVE_EHANDLE.
     * NULL, both: all answer when they return. */
    int (*reply_later)(struct reeve_backend *, struct reeve_invocation *, uint64_t *ret_token,
        struct reeve_error_info *error);
    int (*reply)(struct reeve_backend *, uint64_t token, const struct reeve_function *function,
        const void *value, const struct reeve_error_info *failure, struct reeve_error_info *error);

    /* In a method or constructor, in the thread that runs it: the actor's state goes to its owner.
     * NULL: it will not be restarted. */
    int (*save)(struct reeve_backend *, struct reeve_invocation *, const reeve_actor *,
        const void *bytes, size_t size, struct reeve_error_info *error);

    /* In the thread that runs a task: fills in what the invocation does not say. */
    void (*context)(struct reeve_backend *, const struct reeve_invocation *, reeve_context *ret);
    /* In the thread that runs a task: how far that has come. */
    void (*progress)(
        struct reeve_backend *, const struct reeve_invocation *, uint64_t done, uint64_t total);
    /* How far the future's task has come; sets both. REEVE_EHANDLE, REEVE_EUNREACHABLE. */
    int (*get_progress)(struct reeve_backend *, uint64_t future, uint64_t *done, uint64_t *total,
        struct reeve_error_info *error);

    /* As the owner core's: nothing happens when it has ended. REEVE_EHANDLE, REEVE_ENOMEM,
     * REEVE_ESHUTDOWN. */
    int (*cancel)(struct reeve_backend *, uint64_t future, const struct reeve_owner_cancel *how,
        struct reeve_error_info *error);

    /* Pushes the tag, which the queue expects, when the future is ready; at the latest when shut
     * down. Not when it fails: REEVE_EHANDLE, REEVE_ENOMEM, REEVE_ESHUTDOWN. */
    reeve_watch_member *watch;
    /* The same of a stream, when `next` has no need to wait. Also REEVE_ETYPE: it is none. Without
     * a queue: whether that is so now; REEVE_EAGAIN: no. */
    reeve_watch_member *watch_next;
    /* Waits until there is a tag in the queue, which comes from one of these futures. *tried, 0 at
     * first, is the backend's. deadline_ns: of the monotonic clock, UINT64_MAX for none; of the
     * whole call, which may have to wait several times. REEVE_ETIMEDOUT. */
    int (*watch_wait)(struct reeve_backend *, struct reeve_ready *ready, const uint64_t *futures,
        size_t count, size_t *tried, uint64_t deadline_ns, struct reeve_error_info *error);

    /* Does not wait, and changes nothing. REEVE_EHANDLE. */
    int (*look)(struct reeve_backend *, uint64_t future, struct reeve_future_look *ret);

    /* A value without a second copy: create gives `size` bytes which the caller fills with one
     * packed value; seal makes a ready future of it, abort gives it up. Exactly one of the two
     * follows a successful create. bytes + skew is a multiple of 64. `leisurely`: the program
     * fills it, in its own time, and shutdown does not wait for that: the bytes go, and seal says
     * REEVE_ESHUTDOWN. seal: the new future keeps the `futures` in the value, which stay the
     * caller's, too; REEVE_EHANDLE: one of them is not live. */
    int (*create)(struct reeve_backend *, size_t size, uint32_t skew, bool leisurely, void **bytes,
        uint64_t *handle, struct reeve_error_info *error);
    int (*seal)(struct reeve_backend *, uint64_t handle, const uint64_t *futures,
        size_t future_count, uint64_t *ret, struct reeve_error_info *error);
    void (*abort)(struct reeve_backend *, uint64_t handle);

    /* An actor that is to be made by a call of its constructor, which is submitted next. One that
     * is to have a name has it then; waits for that. REEVE_EEXIST. */
    int (*actor_make)(struct reeve_backend *, const struct reeve_actor_settings *settings,
        reeve_actor *ret, struct reeve_error_info *error);
    /* A detached one: waits until it has been made, with its arguments, and has its name.
     * REEVE_EEXIST; REEVE_EACTORDIED: its constructor failed. NULL: none is detached. */
    int (*actor_keep)(struct reeve_backend *, const struct reeve_actor_settings *settings,
        reeve_actor *ret, struct reeve_error_info *error);
    /* REEVE_EHANDLE, REEVE_EINVAL: see reeve_actor_release and reeve_actor_kill. */
    int (*actor_end)(struct reeve_backend *, const reeve_actor *actor, enum reeve_actor_end how,
        struct reeve_error_info *error);
    /* A reference to the actor's handle, to be kept with what it stands in; *ret stays 0 where the
     * actor has ended. REEVE_ENOMEM, REEVE_ESHUTDOWN. */
    int (*actor_refer)(struct reeve_backend *, const reeve_actor *actor, uint64_t *ret,
        struct reeve_error_info *error);
    /* See reeve_actor_retain. */
    int (*actor_retain)(
        struct reeve_backend *, const reeve_actor *actor, struct reeve_error_info *error);
    /* A value that the program has got has brought it. NULL: nobody wants to hear of it. */
    void (*actor_got)(struct reeve_backend *, const reeve_actor *actor);
    /* See reeve_actor_find. */
    int (*actor_find)(struct reeve_backend *, const struct reeve_actor_wanted *wanted,
        reeve_actor *ret, struct reeve_error_info *error);

    /* Typed arguments whose packed size is above this are put (create, seal) and spliced, and so
     * are packed straight into the store; the same for what remains of the arguments as a whole. */
    size_t inline_max_bytes;

    /* Ends everything; wakes those who wait, with REEVE_ESHUTDOWN. Called once. NULL: this
     * process is a worker, and not for its program to end. */
    void (*shutdown)(struct reeve_backend *);
};

/* Runs every task inside submit, in order, in this process. */
int reeve_inline_backend_start(const struct reeve_settings *settings, struct reeve_backend **ret,
    struct reeve_error_info *error);

/* Joins or starts a cluster. Never returns in a worker process, which calls reeve_client_attach
 * before it runs tasks. */
int reeve_cluster_backend_start(int argc, char **argv, const struct reeve_settings *settings,
    struct reeve_backend **ret, struct reeve_error_info *error);

/* Makes the API of this process work on that backend, as reeve_init does at its end. */
int reeve_client_attach(struct reeve_backend *backend, struct reeve_error_info *error);

#endif
