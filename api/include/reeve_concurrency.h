/* reeve_concurrency.h - actors that run several methods at a time, and methods that answer later.
 * Included by reeve_actor.h; its rules hold here, too.
 *
 * Threads. With the option `concurrency` an actor's methods run on so many threads of its process.
 * It says for itself what of its state needs a lock. Calls of one process then *start* in the order
 * in which they were made, and end in any. Its constructor and its destructor run alone, before
 * the first and after the last.
 *
 * Groups. So that short calls do not wait behind long ones, an actor may have groups of methods,
 * each with threads of its own; methods that are in none share those of `concurrency`:
 *
 *     REEVE_ACTOR(server, (pthread_mutex_t, lock), (int64_t, hits))
 *     REEVE_GROUPS(server, (disk, 4), (health, 1))
 *     REEVE_CONSTRUCTOR(server) { pthread_mutex_init(&self->lock, NULL); return REEVE_OK; }
 *     REEVE_GROUP_METHOD(disk, int64_t, server, load, (reeve_string, path)) { ... }
 *     REEVE_GROUP_METHOD(health, bool, server, is_well) { return true; }
 *
 *     server_load_remote(s, "/a");                                  up to 4 at a time
 *     server_load_remote(reeve_in_group(server, s, health), "/a");  in a group chosen for this call
 *
 * Calls that start in order do so within a group. In such a method everything may be called that a
 * task may call. What is different:
 *  - reeve_cancel asks it (reeve_cancelled), and does no more: its process is the others', too.
 *    What it has called goes on.
 *  - When its time limit is over its caller gets REEVE_ETASKTIMEOUT at once, and it is asked; what
 *    it returns then is dropped.
 *  - When the actor's process dies, what is about to start counts as begun, too: of each group
 *    twice as many calls as it has threads, and 16.
 *
 * Answers that come later. A method may return without its answer, and give it afterwards, from any
 * method, thread or callback of the process:
 *
 *     REEVE_ACTOR(door, (reeve_reply_token, first), (bool, is_open))
 *     REEVE_CONSTRUCTOR(door) { return REEVE_OK; }
 *     REEVE_METHOD(int64_t, door, pass)
 *     {
 *         if (!self->is_open)
 *             self->first = reeve_reply_later();
 *         return 1;                                  the answer, if it does not come later
 *     }
 *     REEVE_METHOD(void, door, open) { self->is_open = true; door_pass_reply(self->first, 2); }
 *
 * The method's thread is free meanwhile, so that thousands may wait in an actor that has one. What
 * is not answered when the actor ends fails with REEVE_EACTORDIED. A cancel, or a time limit that
 * is over, answers the call, and its token is then nothing any more.
 *
 * A process can have 1,024 calls to a host without an answer; further ones wait in the process. If
 * it is on another node, no call gets there that is more than 1,024 calls later than one that has
 * no answer yet.
 *
 * In inline mode calls are run one after the other, whatever the groups say, and none is answered
 * later. */
#ifndef REEVE_CONCURRENCY_H
#define REEVE_CONCURRENCY_H

#ifdef __cplusplus
extern "C" {
#endif

/* How many threads an actor, or a group of one, can have; and how many groups. */
#define REEVE_CONCURRENCY_MAX 1024
#define REEVE_GROUPS_MAX      16

/* A call that is to be answered. A value; no token is 0. */
typedef struct reeve_reply_token {
    uint64_t id; /* 0: none */
} reeve_reply_token;

/* In a method, in the thread that runs it, once a call: it is going to be answered later, whatever
 * the method returns. If it then fails (reeve_fail), that is its answer. Does not block. Token 0:
 * not so, and the method's return is its answer; reeve_last_error() says why: REEVE_EINVAL
 * (elsewhere than in a method, a second time, or in inline mode), REEVE_ENOMEM. */
REEVE_API reeve_reply_token reeve_reply_later(void);

/* The answer is an error, as reeve_fail in the method would have made it. Any thread of the process
 * in which the actor lives may call it, at any time. It may wait while the caller is slow to read;
 * and a thread of the program's own that has given the last answer there was offers its core to
 * others before it returns, so that the next calls are there when it looks for them.
 * REEVE_EHANDLE: the token is none, or has been answered: by the program, or by a cancel, a time
 * limit, or the end of the actor or of its caller. */
REEVE_API int reeve_reply_fail(reeve_reply_token token, int64_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* There will be no answer: the caller gets REEVE_EFUNCTION, saying so. Like reeve_reply_fail. */
REEVE_API int reeve_reply_drop(reeve_reply_token token);

/* counter_add_reply(token, value), which REEVE_METHOD makes: the answer. The value is copied. Like
 * reeve_reply_fail; also REEVE_EINVAL (the token is of a call of another method), or what is wrong
 * with the value, which the caller is told, too. Of REEVE_METHOD_RESULTS it takes a pointer to the
 * results. */

#ifdef __cplusplus
}
#endif

/* REEVE_GROUPS(server, (disk, 4), (health, 1)): the groups of an actor type, 1 to 16, and how many
 * threads each has, 1 to 1,024. After REEVE_ACTOR, in the file of its constructor. */
#define REEVE_GROUPS(A, ...)                                                                \
    enum {                                                                                  \
        REEVE_EACH(REEVE_GROUP_INDEX_, A, __VA_ARGS__) A##_reeve_group_default =            \
            REEVE_GROUP_DEFAULT_                                                            \
    };                                                                                      \
    REEVE_EACH(REEVE_GROUP_CHECK_, A, __VA_ARGS__)                                          \
    const struct reeve_actor_groups A##_reeve_groups = {                                    \
        REEVE_COUNT(A, __VA_ARGS__) - 1, {REEVE_LIST(REEVE_GROUP_, A, __VA_ARGS__)}};       \
    __attribute__((unused)) static inline A##_ref A##_reeve_in_group(                       \
        A##_ref reeve_given, int reeve_index)                                               \
    {                                                                                       \
        reeve_given.host = (reeve_given.host & ((UINT64_C(1) << REEVE_GROUP_SHIFT_) - 1)) | \
                           (uint64_t)reeve_index << REEVE_GROUP_SHIFT_;                     \
        return reeve_given;                                                                 \
    }

/* REEVE_GROUP_METHOD(disk, int64_t, server, load, (reeve_string, path)) { body }: a REEVE_METHOD
 * that runs in that group. */
#define REEVE_GROUP_METHOD(group, R, A, ...) \
    REEVE_GROUP_METHOD_(group, R, A, REEVE_METHOD_NAME_(A, REEVE_FIRST(__VA_ARGS__, )), __VA_ARGS__)

/* reeve_in_group(server, s, disk): a handle of s whose calls run in that group; in group `default`:
 * where those run that are in none. It may be kept and passed on. */
#define reeve_in_group(A, actor, group) A##_reeve_in_group(actor, A##_reeve_group_##group)

/* ---- from here on: machinery ----------------------------------------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

struct reeve_actor_group {
    const char *name;
    uint32_t threads;
};
struct reeve_actor_groups {
    uint32_t count;
    struct reeve_actor_group groups[REEVE_GROUPS_MAX];
};
REEVE_API int reeve_typed_reply(
    reeve_reply_token token, const struct reeve_function *function, const void *value);

/* Where in a handle's `host` the group stands that its calls go to: 0: that of the method. */
#define REEVE_GROUP_SHIFT_   56
#define REEVE_GROUP_DEFAULT_ 255

#ifdef __cplusplus
}
#endif

#define REEVE_GROUP_INDEX_(A, n, pair)   REEVE_GROUP_INDEX__(A, REEVE_TYPE_OF_ pair, n)
#define REEVE_GROUP_INDEX__(A, name, n)  REEVE_GROUP_INDEX___(A, name, n)
#define REEVE_GROUP_INDEX___(A, name, n) A##_reeve_group_##name = n,
#define REEVE_GROUP_(A, n, pair)                                \
    {                                                           \
        REEVE_STRING_(REEVE_TYPE_OF_ pair), REEVE_NAME_OF_ pair \
    }
#define REEVE_GROUP_CHECK_(A, n, pair)                                                          \
    REEVE_ASSERT_(n <= REEVE_GROUPS_MAX, "an actor has at most 16 groups")                      \
    REEVE_ASSERT_((REEVE_NAME_OF_ pair) >= 1 && (REEVE_NAME_OF_ pair) <= REEVE_CONCURRENCY_MAX, \
        "a group has 1 to 1024 threads")
#define REEVE_GROUP_METHOD_(group, R, A, name, ...) \
    REEVE_GROUP_METHOD__(group, R, A, name, __VA_ARGS__)
#define REEVE_GROUP_METHOD__(which, R, A, name, ...) \
    REEVE_GROUP_PLACE_(which, A, name)               \
    REEVE_METHOD__(R, A, name, __VA_ARGS__)
#define REEVE_GROUP_PLACE_(which, A, name) REEVE_GROUP_PLACE__(which, A, name)
#define REEVE_GROUP_PLACE__(which, A, name)                           \
    extern struct reeve_function name##_reeve_function;               \
    __attribute__((constructor)) static void name##_reeve_place(void) \
    {                                                                 \
        name##_reeve_function.group = A##_reeve_group_##which;        \
    }

#define REEVE_REPLY_VALUE_(R, name)                                                  \
    __attribute__((unused)) static inline int name##_reply(                          \
        reeve_reply_token reeve_which, R reeve_value)                                \
    {                                                                                \
        return reeve_typed_reply(reeve_which, &name##_reeve_function, &reeve_value); \
    }
#define REEVE_REPLY_VOID_(R, name)                                                        \
    __attribute__((unused)) static inline int name##_reply(reeve_reply_token reeve_which) \
    {                                                                                     \
        return reeve_typed_reply(reeve_which, &name##_reeve_function, NULL);              \
    }

#endif
