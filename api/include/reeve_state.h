/* reeve_state.h - actors whose state outlives their process. Included by reeve_actor.h; its rules
 * hold here, too.
 *
 *     REEVE_STRUCT(counted, (int64_t, value))
 *     REEVE_SAVE(counter, counted) { return (counted){self->value}; }
 *     REEVE_RESTORE(counter, (counted, saved)) { self->value = saved.value; return REEVE_OK; }
 *
 *     REEVE_METHOD(int64_t, counter, add, (int64_t, by))
 *     {
 *         self->value += by;
 *         reeve_actor_save();
 *         return self->value;
 *     }
 *
 * When an actor is restarted its constructor runs again, with the same arguments, and then
 * REEVE_RESTORE, with what was saved last. That is kept by the process that has created the actor:
 * it may go on on any node.
 *
 * An actor is saved when a method of it (or its constructor) says so, and at no other time: it
 * alone knows when its state is whole, and what losing a part costs. What a call saves is with
 * the owner before the owner has the answer of that call. Of an actor whose node is lost with
 * all that is on it, what was saved in the last moment may be lost, too: then the state before
 * that counts. */
#ifndef REEVE_STATE_H
#define REEVE_STATE_H

#ifdef __cplusplus
extern "C" {
#endif

/* How large the packed state of an actor may be, in bytes. */
#define REEVE_SAVED_MAX 65536

/* In a method or a constructor, in the thread that runs it: REEVE_SAVE is called, and its result is
 * sent to the actor's owner. An actor that will not be restarted may call it as well; in inline
 * mode it does nothing. Waits while the owner is slow to read. REEVE_EINVAL: called elsewhere,
 * the type has no REEVE_SAVE and REEVE_RESTORE, or the state cannot be packed. REEVE_ETOOLARGE:
 * it has more than 64 KiB: what is large belongs into futures or files. REEVE_ETYPE: there are
 * futures in it. REEVE_ENOMEM. REEVE_EOWNERDIED. Whatever is wrong, what was saved before stays. */
REEVE_API int reeve_actor_save(void);

#ifdef __cplusplus
}
#endif

/* REEVE_SAVE(counter, T) { body }: the state of `self`, a value of type T without futures. What it
 * points to may be a part of the actor, or come from reeve_alloc. In the file of the constructor,
 * as REEVE_RESTORE. */
#define REEVE_SAVE(A, T)                                                \
    static T A##_reeve_save(A *self);                                   \
    static void A##_reeve_save_call(void *reeve_self, void *reeve_into) \
    {                                                                   \
        *(T *)reeve_into = A##_reeve_save((A *)reeve_self);             \
    }                                                                   \
    const struct reeve_actor_saving A##_reeve_saving = {                \
        &REEVE_JOIN(reeve_type_, T), A##_reeve_save_call};              \
    static T A##_reeve_save(__attribute__((unused)) A *self)

/* REEVE_RESTORE(counter, (T, saved)) { body }: the constructor has run; in the body `self` is the
 * actor, and `saved`, which ends with the body, what was saved. It returns REEVE_OK, or a code of
 * its own, or fails with reeve_fail: then the actor is dead, as when its constructor fails; so it
 * is when what was saved is no T. */
#define REEVE_RESTORE(A, pair)                                                               \
    static int A##_reeve_restore(A *self, REEVE_TYPE_OF_ pair REEVE_NAME_OF_ pair);          \
    static int A##_reeve_restore_call(void *reeve_self, const void *reeve_from)              \
    {                                                                                        \
        return A##_reeve_restore((A *)reeve_self, *(const REEVE_TYPE_OF_ pair *)reeve_from); \
    }                                                                                        \
    const struct reeve_actor_restoring A##_reeve_restoring = {                               \
        &REEVE_JOIN(reeve_type_, REEVE_TYPE_OF_ pair), A##_reeve_restore_call};              \
    static int A##_reeve_restore(                                                            \
        __attribute__((unused)) A *self, REEVE_TYPE_OF_ pair REEVE_NAME_OF_ pair)

/* ---- from here on: machinery ----------------------------------------------------------------- */

struct reeve_actor_saving {
    const struct reeve_type *type;
    void (*call)(void *self, void *into);
};
struct reeve_actor_restoring {
    const struct reeve_type *type;
    int (*call)(void *self, const void *from);
};

#endif
