/* Actors, as the two front doors, the backends and the worker see them. */
#ifndef REEVE_CLIENT_ACTOR_H
#define REEVE_CLIENT_ACTOR_H

#include <reeve.h>

/* What a function has to do with actors: told by the name of its first parameter, so that nothing
 * but the macros of reeve_actor.h makes such functions. */
enum reeve_actor_role { REEVE_ROLE_NONE, REEVE_ROLE_METHOD, REEVE_ROLE_NEW, REEVE_ROLE_END };
enum reeve_actor_role reeve_actor_role_of(const struct reeve_function *function);

/* Packs the arguments of a function whose only parameter is the actor. Returns their size, at most
 * REEVE_ACTOR_PACKED_MAX. */
#define REEVE_ACTOR_PACKED_MAX 32
size_t reeve_actor_pack(const reeve_actor *actor, uint8_t *bytes);
/* The same of `count` arguments, up to 16, of which the others follow. */
size_t reeve_actor_pack_first(const reeve_actor *actor, uint32_t count, uint8_t *bytes);
/* The actor that stands first in packed arguments. False: there is none. */
bool reeve_actor_read(const void *arguments, size_t size, reeve_actor *ret);

/* Within the number of a handle, see below. Of concurrency 0 and 1: its methods run one at a time.
 */
#define REEVE_ACTOR_NUMBER(actor)      ((actor)->number & UINT32_MAX)
#define REEVE_ACTOR_PENDING_MAX(actor) ((uint32_t)((actor)->number >> 32))
#define REEVE_ACTOR_CONCURRENCY(actor) ((uint32_t)((actor)->number >> 32))

/* ---- those that live in this process ---- */

/* Several threads run methods (inline mode): then who runs one holds this. */
void reeve_actors_lock(void);
void reeve_actors_unlock(void);
/* For the next constructor; the state to be restored, or NULL. */
void reeve_actors_set_next(uint32_t restart_count, const void *saved, size_t saved_size);
/* The latest of that owner's that was to be made here, whether or not it could be; 0: none. */
uint32_t reeve_actors_latest(uint64_t owner);
void reeve_actors_set_latest(const reeve_actor *actor);
/* The owner has gone, or wants them no more: their memory is freed, nothing of theirs is called. */
void reeve_actors_drop(uint64_t owner);
size_t reeve_actors_count(void);
bool reeve_actor_is_here(const reeve_actor *actor);

/* ---- those whose methods run on threads of their own (runtime/worker/jobs.h) ---- */

/* A handle with the group that its calls go to, and how many of its calls a process may have
 * unanswered (0: any number); in that of a constructor, in place of this, how many threads the
 * actor gets:
 *
 *   number  | pending_max or concurrency: 32 | number: 32 |
 *   host    | group: 8 | cpu_milli: 24 | host: 32 | */
static inline uint32_t reeve_actor_group_of(const reeve_actor *actor)
{
    return (uint32_t)(actor->host >> REEVE_GROUP_SHIFT_);
}

struct reeve_hosted;      /* an actor that lives here */
struct reeve_thread_pool; /* its threads */

/* What a worker does for them. `end`: the actor has ended; frees it by reeve_hosted_free when no
 * thread runs its methods any more. Without it all run in the thread that calls. */
struct reeve_thread_pools {
    struct reeve_thread_pool *(*make)(
        struct reeve_hosted *hosted, uint32_t concurrency, const struct reeve_actor_groups *groups);
    void (*end)(struct reeve_thread_pool *pool);
};
void reeve_actors_set_pools(const struct reeve_thread_pools *pools);
void reeve_hosted_free(struct reeve_hosted *hosted);
/* NULL: the actor is not here, or has none. In the thread that makes and ends actors. */
struct reeve_thread_pool *reeve_actors_pool(const reeve_actor *actor);
/* Around a method that runs in another thread than that: `self` is this actor. */
void reeve_actors_enter(struct reeve_hosted *hosted);
void reeve_actors_leave(void);

#endif
