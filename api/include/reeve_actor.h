/* reeve_actor.h - actors: values that live in a worker process, and whose methods are called from
 * anywhere. Included by reeve.h.
 *
 *     REEVE_ACTOR(counter, (int64_t, value))
 *     REEVE_CONSTRUCTOR(counter, (int64_t, start)) { self->value = start; return REEVE_OK; }
 *     REEVE_METHOD(int64_t, counter, add, (int64_t, by)) { return self->value += by; }
 *
 *     counter_ref c = counter_create(5);
 *     counter_add_future f = counter_add_remote(c, 1);
 *     int64_t value;
 *     counter_add_get(f, &value);                                6
 *     reeve_actor_release(c);
 *
 * An actor is a struct, made by its constructor in a worker process of its own (its host), or, with
 * the option `shared`, in one together with others. Methods run there, one at a time, unless it is
 * made for more (reeve_concurrency.h, which also says how a method answers later). Calls that
 * one process makes run in the order in which they were made, whatever they wait for: a call whose
 * argument is a future that is not there yet holds back those behind it, those to other actors of a
 * shared host included, and so does one whose argument has been lost with a node, or damaged on a
 * disk, until that has been made again. Calls of several processes run in any order among each
 * other. Within methods the API may be used as in a task; while a method waits, no other runs.
 *
 * A method is a remote function whose first parameter is the actor: counter_add_remote,
 * counter_add_remote_opts, counter_add_remote_many, counter_add_get and all others that
 * reeve_typed.h names are there. Of the options, cpus and never_inline mean nothing here,
 * and max_retries is 0 where it is not said: a call is run at most once. With timeout_ms, a method
 * that takes longer ends the process, and so the actors in it.
 *
 * Life. An actor lives as long as somebody has a handle of it ("Handles", below). When the last one
 * is released it ends, after what it has been called for until then; its destructor runs then. The
 * process that creates an actor owns it. It ends at once, with all that is queued and without its
 * destructor, when it is killed, when its owner ends (by reeve_shutdown, say, which does not wait
 * for it), and when its process dies, of itself or with its node. In the last case it is restarted,
 * if it may be: the constructor runs again, with the same arguments, in another process, and what
 * it has saved is restored (reeve_state.h). What was under way fails (REEVE_EACTORDIED), or is run
 * again if its max_retries say so; what had not been begun follows in its order. All calls of an
 * actor that has ended fail with REEVE_EACTORDIED and the reason; those of the process that has
 * created it, once it has been released, with REEVE_EHANDLE. Where the node of the actor cannot be
 * reached any more, calls under way fail with REEVE_EUNREACHABLE: nobody knows whether they ran.
 *
 * Detached ones outlive the program that has created them: they are owned by a process that the
 * node daemon starts for each, with a job of its own (reeve jobs: "actor NAME"), and are restarted
 * as any other. They are found by their names, and end when they are killed, have died too often,
 * or when the node ends on which they were created (or, in a cluster of the program's own, that).
 * What they print goes to their creator's terminal, later to a bounded file of the node's, which
 * `reeve logs --node N --actors` shows.
 *
 * Names. An actor that is created with a name can be found by it, from any process of any job, for
 * as long as it lives: counter_by_name("hits", &c). A name is given once in a namespace: who comes
 * second gets REEVE_EEXIST. It stays with the actor over restarts, and is free when the actor has
 * ended. Programs of other jobs that call it must have the same remote functions (be the same
 * executable, say): REEVE_EMISMATCH.
 *
 * Handles. A handle is a value: it may be passed to tasks and other actors, be a result, a member
 * of a struct (the type is counter_ref). Of these a process has its own: one that it has created,
 * or retained, or got in a result or a value that was put. Each of them keeps the actor alive, and
 * is released once. A process that dies has none any more.
 *
 *  - As (part of) an argument it is good for that call, and for those to which the function passes
 *    it on, however long these take; so are the calls of the actor that it makes, waited for or
 *    not. The caller may release its own meanwhile. A function, an actor or a program that wants
 *    the handle beyond the call retains it:
 *
 *        REEVE_ACTOR(supervisor, (counter_ref, child))
 *        REEVE_CONSTRUCTOR(supervisor, (counter_ref, child))
 *        {
 *            self->child = reeve_actor_retain(child);
 *            return REEVE_OK;
 *        }
 *        REEVE_DESTRUCTOR(supervisor) { reeve_actor_release(self->child); }
 *
 *    (One that is restarted is constructed again, with the same arguments, and so retains it
 *    again.)
 *  - As (part of) a result it is the caller's own when that has got it. What the function itself
 *    has created, retained or got in this very call, it gives away with the result; what it was
 *    passed, or its process has had before (self->child), it shares, and keeps its own.
 *  - A value that is put keeps the actor, and so does a result until it is got.
 *  - From a name, in an item of a stream, in packed bytes or a saved state, it keeps nothing alive:
 *    retain it, if it is to be there for longer than others see to it.
 *
 * Actors that have retained each other's handles are not found out: they live until their owners
 * end. What the program has not released REEVE_LEAKS lists (reeve_leaks.h).
 *
 * Two actors of one machine, in hosts of their own, that wait for each other fail with
 * REEVE_EDEADLK, as tasks do (reeve_wait). */
#ifndef REEVE_ACTOR_H
#define REEVE_ACTOR_H

/* ---- any actor ------------------------------------------------------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

/* Any actor. The handle types of REEVE_ACTOR have the same members. */
typedef struct reeve_actor {
    uint64_t owner;  /* the process that created it */
    uint64_t number; /* among that one's actors; 0: none */
    uint64_t host;   /* where it lives, as the library knows it */
} reeve_actor;

/* The bytes that the name of an actor may have. */
#define REEVE_ACTOR_NAME_MAX 127
/* The bytes that the name of a namespace may have. */
#define REEVE_NAME_SPACE_MAX 63

/* How to create an actor. Zero and NULL mean "default". In inline mode they have no effect. */
typedef struct reeve_actor_options {
    size_t size; /* sizeof(reeve_actor_options): set by REEVE_ACTOR_OPTIONS */
    /* Cpus that it takes for as long as it lives, in steps of 0.001; default none: an actor that
     * mostly waits for calls leaves the cpus to tasks. */
    double cpus;
    /* How often it is made again when its process or node is lost; default 0; REEVE_FOREVER: as
     * often as it takes. */
    int32_t max_restarts;
    /* 0: it has a process of its own. 1 to 65,535: it lives in the process of that number together
     * with all others of this program's process that say so (with the same cpus, which they share).
     * So a few processes hold many small actors. */
    uint32_t shared;
    /* So many methods run at a time, each on a thread of its own: 1 to 1,024; default 1. Calls are
     * then started in order, and end in any: reeve_concurrency.h. */
    uint32_t concurrency;
    /* So many of its calls one process may have unanswered; default: any number (REEVE_PENDING_SIZE
     * bounds them all). A further one waits, as a get would, until the first of them has been
     * answered; with the option no_wait of the call it fails instead, with REEVE_EAGAIN. So does
     * one that the actor makes of itself: it would wait for itself. Not for a shared one. */
    uint32_t max_pending_calls;
    /* By which others find it: up to 127 bytes of UTF-8 without control characters; default none.
     * Then creating it waits until the head knows the name (also while there is no head): if that
     * is taken, the actor's calls fail with REEVE_EEXIST. */
    const char *name;
    /* In which the name is to be; default: the namespace of the job (reeve_init). */
    const char *name_space;
    /* 1: it outlives this program, as a part of the cluster: until it is killed
     * (reeve_actor_kill, `reeve actors kill`), has died, or the node ends on which it was
     * created. It needs a name, and a process of its own. Creating it waits until its
     * constructor has run, and its calls say what was wrong: REEVE_EEXIST, REEVE_EACTORDIED (its
     * constructor failed), REEVE_EINFEASIBLE (this machine has joined a cluster without a node
     * of its own: create it in a task). There may be no futures in its arguments (REEVE_EINVAL).
     * Default 0. */
    uint32_t detached;
    /* 1: where the name is taken by an actor of this type, its handle is given instead,
     * retained, and nothing is created: however many processes say so at once, there is one
     * actor. Its options are then those with which it was created. Default 0. */
    uint32_t get_if_exists;
} reeve_actor_options;

/* REEVE_ACTOR_OPTIONS(.max_restarts = 3): a pointer to an options struct. */
#ifndef __cplusplus
#define REEVE_ACTOR_OPTIONS(...) \
    (&(reeve_actor_options){.size = sizeof(reeve_actor_options), __VA_ARGS__})
#endif

/* Any actor's handle as an untyped one. */
#define reeve_untyped_actor(actor)                                                             \
    __extension__({                                                                            \
        __typeof__(actor) reeve_given_ = (actor);                                              \
        reeve_actor reeve_any_ = {reeve_given_.owner, reeve_given_.number, reeve_given_.host}; \
        reeve_any_;                                                                            \
    })

/* Gives a handle of this process's own, which keeps the actor, until it is released; for one that
 * came with a call, or was found by its name. The same handle, in the same type; where something is
 * wrong, one whose calls say what, and which need not be released. It may be retained any number of
 * times, and is to be released as often. Any thread. The first time, it waits until the node of
 * the actor's owner knows of it, as long as a message takes. Its calls fail with REEVE_EHANDLE: it
 * is no actor, or one of this process that has ended; REEVE_EOWNERDIED: the process that made it
 * has ended; REEVE_ELOST: that one's node has died; REEVE_ENOMEM. */
REEVE_API reeve_actor reeve_actor_retain(reeve_actor actor);
#define reeve_actor_retain(actor)                                                        \
    __extension__({                                                                      \
        __typeof__(actor) reeve_kept_ = (actor);                                         \
        reeve_actor reeve_own_ = (reeve_actor_retain)(reeve_untyped_actor(reeve_kept_)); \
        reeve_kept_.owner = reeve_own_.owner;                                            \
        reeve_kept_.number = reeve_own_.number;                                          \
        reeve_kept_.host = reeve_own_.host;                                              \
        reeve_kept_;                                                                     \
    })

/* Gives up a handle of this process's own: one that it has created, retained or got in a result.
 * The actor ends when nobody has any left, after what it has been called for until then. Does not
 * wait. REEVE_EHANDLE: this process had created the actor, and has released it; of one that it
 * has not created, and has none of, it does nothing. REEVE_ENOMEM: it is as before. */
REEVE_API int reeve_actor_release(reeve_actor actor);
#define reeve_actor_release(actor) reeve_actor_release(reeve_untyped_actor(actor))

/* Ends an actor of any type at once, with its process. What is queued or under way fails with
 * REEVE_EACTORDIED. Only its owner may do so (REEVE_EHANDLE), and only if it has its host for
 * itself (REEVE_EINVAL). The handle is still to be released. Does not wait. A detached actor
 * anybody may kill who has its handle: then this waits until it has ended and its name is free, and
 * there is nothing to be released; REEVE_EUNREACHABLE: its node or the head is away, and it may
 * live; REEVE_EHANDLE: it has ended. */
REEVE_API int reeve_actor_kill(reeve_actor actor);
#define reeve_actor_kill(actor) reeve_actor_kill(reeve_untyped_actor(actor))

/* For language bindings and tools: creates an actor of a type by its name ("counter"), which need
 * not be known when the program is compiled. `args`: the constructor's arguments, a msgpack array
 * without futures; what is wrong with them the calls of the actor say. A method is called by
 * reeve_submit: its name is "counter_add", and the first of its arguments is the handle, as an
 * array of its three integers. options may be NULL. Does not wait. REEVE_ENOFUNCTION: there is no
 * such type; REEVE_EPROTOCOL: no msgpack array; REEVE_EINVAL: a bad option, or a future in the
 * arguments; REEVE_EARITY: more than 15 arguments; REEVE_ENOMEM. */
REEVE_API int reeve_actor_create(const char *type, const void *args, size_t args_size,
    const reeve_actor_options *options, reeve_actor *ret);

/* Which actor has the name in that namespace (NULL: the job's own)? `type` is that of REEVE_ACTOR,
 * or NULL: of any type. The handle stays good over restarts. Any thread, any process; waits for the
 * head's answer, also while there is no head. REEVE_EHANDLE: nobody has it (it has not been
 * created, or has ended). REEVE_ETYPE: it is of another type. REEVE_EMISMATCH: it belongs to a
 * program with other remote functions. REEVE_EINVAL: that cannot be a name. For types there is
 * counter_by_name. */
REEVE_API int reeve_actor_find(
    const char *name_space, const char *name, const char *type, reeve_actor *ret);

/* In a constructor or method: how often the actor has been restarted; 0 elsewhere. */
REEVE_API uint32_t reeve_actor_restart_count(void);

#ifdef __cplusplus
}
#endif

#include "reeve_concurrency.h"
#include "reeve_state.h"

/* ---- actor types ----------------------------------------------------------------------------- */

/* REEVE_ACTOR(counter, (int64_t, value), (double *, weights)): defines `struct counter`, also
 * called `counter`, with at least one and at most 32 members of any C type, and its handle
 * counter_ref, which is a value type. In a header, or in one file. And, see reeve_actor_find,
 *
 *     int counter_by_name(const char *name, counter_ref *ret)
 *     int counter_by_name_in(const char *name_space, const char *name, counter_ref *ret)
 */
#define REEVE_ACTOR(A, ...)                                                                  \
    REEVE_EACH(REEVE_CHECK_FIELD_, A, __VA_ARGS__)                                           \
    typedef struct A {                                                                       \
        REEVE_EACH(REEVE_FIELD_, A, __VA_ARGS__)                                             \
    } A;                                                                                     \
    REEVE_STRUCT_(                                                                           \
        A##_ref, REEVE_IS_HANDLE_, (uint64_t, owner), (uint64_t, number), (uint64_t, host))  \
    extern const struct reeve_actor_saving A##_reeve_saving __attribute__((weak));           \
    extern const struct reeve_actor_restoring A##_reeve_restoring __attribute__((weak));     \
    extern const struct reeve_actor_groups A##_reeve_groups __attribute__((weak));           \
    __attribute__((weak)) void A##_reeve_destroy(A *self);                                   \
    __attribute__((unused)) static inline int A##_by_name_in(                                \
        const char *name_space, const char *name, A##_ref *ret)                              \
    {                                                                                        \
        reeve_actor reeve_found_ = {0, 0, 0};                                                \
        int reeve_code_ = reeve_actor_find(name_space, name, #A, &reeve_found_);             \
        A##_ref reeve_named_ = {reeve_found_.owner, reeve_found_.number, reeve_found_.host}; \
        if (reeve_code_ == REEVE_OK)                                                         \
            *ret = reeve_named_;                                                             \
        return reeve_code_;                                                                  \
    }                                                                                        \
    __attribute__((unused)) static inline int A##_by_name(const char *name, A##_ref *ret)    \
    {                                                                                        \
        return A##_by_name_in(NULL, name, ret);                                              \
    }

/* REEVE_CONSTRUCTOR(counter, (int64_t, start)) { body }: once for each actor type, in one file. In
 * the body `self` is the new actor, zeroed. It returns REEVE_OK, or a code of its own, or fails
 * with reeve_fail: then the actor is dead, and its calls say why. Up to 15 parameters, as those of
 * remote functions. Makes
 *
 *     counter_ref counter_create(int64_t start)
 *     counter_ref counter_create_opts(const reeve_actor_options *, int64_t start)
 *
 * which do not wait, and always give a handle: where something is wrong, the calls say what. */
#define REEVE_CONSTRUCTOR(...) REEVE_CONSTRUCTOR_(REEVE_FIRST(__VA_ARGS__, ), __VA_ARGS__)

/* REEVE_DESTRUCTOR(counter) { body }: what is to be done when it ends because it was released. */
#define REEVE_DESTRUCTOR(A) void A##_reeve_destroy(__attribute__((unused)) A *self)

/* REEVE_METHOD(R, counter, add, (int64_t, by)) { body }: defines counter_add, a remote function
 * with the parameters (counter_ref), (int64_t, by). In the body `self` is the actor. What the
 * result points to may be a part of the actor. One with several results: REEVE_METHOD_RESULTS
 * (reeve_results.h). */
#define REEVE_METHOD(R, A, ...) \
    REEVE_METHOD_(R, A, REEVE_METHOD_NAME_(A, REEVE_FIRST(__VA_ARGS__, )), __VA_ARGS__)

/* ---- from here on: machinery ----------------------------------------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

/* What is known of an actor type where it is made. */
struct reeve_actor_type {
    size_t size; /* of this struct */
    const char *name;
    size_t state_size;
    const struct reeve_actor_groups *groups; /* these may be NULL */
    const struct reeve_actor_saving *saving;
    const struct reeve_actor_restoring *restoring;
};

/* What the macros' code calls. */
REEVE_API void reeve_typed_actor_create(const struct reeve_function *constructor,
    const struct reeve_function *end, const reeve_actor_options *options, void *arguments);
REEVE_API void *reeve_typed_actor_new(reeve_actor actor, size_t size); /* of older programs */
REEVE_API void *reeve_typed_actor_begin(reeve_actor actor, const struct reeve_actor_type *type);
REEVE_API void reeve_typed_actor_made(reeve_actor actor, int code);
REEVE_API void *reeve_typed_actor_self(reeve_actor actor);
REEVE_API void reeve_typed_actor_free(reeve_actor actor);

#ifdef __cplusplus
}
#endif

#define REEVE_PAIR_(c, n, pair)   , pair
#define REEVE_METHOD_NAME_(A, m)  REEVE_METHOD_NAME__(A, m)
#define REEVE_METHOD_NAME__(A, m) A##_##m

#define REEVE_CONSTRUCTOR_(A, ...) REEVE_CONSTRUCTOR__(A, __VA_ARGS__)
#define REEVE_CONSTRUCTOR__(A, ...)                                                            \
    REEVE_EACH(REEVE_CHECK_, __VA_ARGS__)                                                      \
    static int A##_reeve_construct(                                                            \
        __attribute__((unused)) A *self REEVE_EACH(REEVE_NEXT_PARAMETER_, __VA_ARGS__));       \
    REEVE_DECLARE_(void, A##_reeve_end, A##_reeve_end, (A##_ref, reeve_gone))                  \
    REEVE_DEFINE_(void, A##_reeve_end, A##_reeve_end, (A##_ref, reeve_gone))                   \
    {                                                                                          \
        A *self = (A *)reeve_typed_actor_self(reeve_untyped_actor(reeve_gone));                \
        if (self != NULL && A##_reeve_destroy != NULL)                                         \
            A##_reeve_destroy(self);                                                           \
        if (self != NULL)                                                                      \
            reeve_typed_actor_free(reeve_untyped_actor(reeve_gone));                           \
    }                                                                                          \
    REEVE_DECLARE_(void, A##_reeve_new, A##_reeve_new,                                         \
        (A##_ref, reeve_new)REEVE_EACH(REEVE_PAIR_, __VA_ARGS__))                              \
    REEVE_DEFINE_(void, A##_reeve_new, A##_reeve_new,                                          \
        (A##_ref, reeve_new)REEVE_EACH(REEVE_PAIR_, __VA_ARGS__))                              \
    {                                                                                          \
        static const struct reeve_actor_type reeve_kind = {sizeof reeve_kind, #A, sizeof(A),   \
            &A##_reeve_groups, &A##_reeve_saving, &A##_reeve_restoring};                       \
        A *self = (A *)reeve_typed_actor_begin(reeve_untyped_actor(reeve_new), &reeve_kind);   \
        if (self != NULL)                                                                      \
            reeve_typed_actor_made(reeve_untyped_actor(reeve_new),                             \
                A##_reeve_construct(self REEVE_EACH(REEVE_PASS_, __VA_ARGS__)));               \
    }                                                                                          \
    __attribute__((unused)) static inline A##_ref A##_create_opts(                             \
        const reeve_actor_options *reeve_how REEVE_EACH(REEVE_NEXT_PARAMETER_, __VA_ARGS__))   \
    {                                                                                          \
        struct A##_reeve_new_reeve_arguments reeve_arguments = {                               \
            {0, 0, 0}, REEVE_EACH(REEVE_INITIAL_, __VA_ARGS__) 0};                             \
        reeve_typed_actor_create(&A##_reeve_new_reeve_function, &A##_reeve_end_reeve_function, \
            reeve_how, &reeve_arguments);                                                      \
        return reeve_arguments.reeve_new;                                                      \
    }                                                                                          \
    __attribute__((unused)) static inline A##_ref A##_create(REEVE_PARAMETERS_(__VA_ARGS__))   \
    {                                                                                          \
        return A##_create_opts(NULL REEVE_EACH(REEVE_PASS_, __VA_ARGS__));                     \
    }                                                                                          \
    static int A##_reeve_construct(                                                            \
        __attribute__((unused)) A *self REEVE_EACH(REEVE_NEXT_PARAMETER_, __VA_ARGS__))

#define REEVE_METHOD_(R, A, name, ...) REEVE_METHOD__(R, A, name, __VA_ARGS__)
#define REEVE_METHOD__(R, A, name, ...)                                                         \
    REEVE_EACH(REEVE_CHECK_, __VA_ARGS__)                                                       \
    static R name##_reeve_method(                                                               \
        __attribute__((unused)) A *self REEVE_EACH(REEVE_NEXT_PARAMETER_, __VA_ARGS__));        \
    REEVE_DECLARE_(R, name, name, (A##_ref, reeve_self)REEVE_EACH(REEVE_PAIR_, __VA_ARGS__))    \
    REEVE_IF_VOID_(R, REEVE_REPLY_VOID_, REEVE_REPLY_VALUE_)                                    \
    (R, name)                                                                                   \
        REEVE_DEFINE_(R, name, name, (A##_ref, reeve_self)REEVE_EACH(REEVE_PAIR_, __VA_ARGS__)) \
    {                                                                                           \
        A *self = (A *)reeve_typed_actor_self(reeve_untyped_actor(reeve_self));                 \
        REEVE_IF_VOID_(R, REEVE_METHOD_VOID_, REEVE_METHOD_VALUE_)                              \
        (R) name##_reeve_method(self REEVE_EACH(REEVE_PASS_, __VA_ARGS__));                     \
    }                                                                                           \
    static R name##_reeve_method(                                                               \
        __attribute__((unused)) A *self REEVE_EACH(REEVE_NEXT_PARAMETER_, __VA_ARGS__))
#define REEVE_METHOD_VOID_(R) \
    if (self == NULL)         \
        return;
#define REEVE_METHOD_VALUE_(R)  \
    if (self == NULL) {         \
        static R reeve_nothing; \
        return reeve_nothing;   \
    }                           \
    return

#endif
