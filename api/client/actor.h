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
/* The actor that stands first in packed arguments. False: there is none. */
bool reeve_actor_read(const void *arguments, size_t size, reeve_actor *ret);

/* ---- those that live in this process ---- */

/* Several threads run methods (inline mode): then who runs one holds this. */
void reeve_actors_lock(void);
void reeve_actors_unlock(void);
/* For the next constructor. */
void reeve_actors_set_restart_count(uint32_t count);
/* The latest of that owner's that was to be made here, whether or not it could be; 0: none. */
uint32_t reeve_actors_latest(uint64_t owner);
void reeve_actors_set_latest(const reeve_actor *actor);
/* The owner has gone, or wants them no more: their memory is freed, nothing of theirs is called. */
void reeve_actors_drop(uint64_t owner);
size_t reeve_actors_count(void);

#endif
