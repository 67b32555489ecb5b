/* Detached actors, which outlive the program that has created them.
 *
 * Whoever makes an actor owns it, and it ends with its owner. So a detached one is made by another
 * process, its *keeper*: a driver of the same program, with a job of its own, that does nothing
 * else. The node daemon of who wants the actor starts it (shell_keepers.c), and it lives until the
 * actor has ended or is killed, or the node ends.
 *
 *   creator ──KEEP, order──▶ daemon ──starts──▶ keeper: reeve_init makes the actor, and stays
 *      ▲                       │ ▲                 │
 *      └────────NAMED──────────┘ └──────KEPT───────┘ named, and its constructor has run; or why not
 *
 * The creator gets an ordinary handle, whose owner is the keeper. When the creator dies meanwhile,
 * the keeper does not: there is an actor, whole, or it could not be made, and there is none.
 *
 * The order is a memfd, so that arguments of any size fit in it:
 *
 *   | cpu_milli | restarts_max | concurrency | pending_max |             u32 each
 *   | namespace\0 | name\0 | type\0 | arguments … | */
#ifndef REEVE_CLIENT_KEEPER_H
#define REEVE_CLIENT_KEEPER_H

#include "api/client/backend.h"

struct reeve_cluster;

struct reeve_keeper_order {
    uint32_t cpu_milli, restarts_max, concurrency, pending_max;
    const char *name_space, *name, *type;
    const void *args; /* a packed array */
    size_t args_size;
};

/* malloc. */
uint8_t *reeve_keeper_order_pack(const struct reeve_keeper_order *order, size_t *ret_size);
/* What `ret` points to lies in `bytes`. False: malformed. */
bool reeve_keeper_order_read(const void *bytes, size_t size, struct reeve_keeper_order *ret);

/* Whether a keeper is to make it. */
static inline bool reeve_actor_is_kept(
    const struct reeve_backend *backend, const struct reeve_actor_settings *settings)
{
    return settings->detached && backend->actor_keep != NULL;
}

/* The keeper's part: makes the actor, and waits until its constructor has run. REEVE_EEXIST;
 * REEVE_EACTORDIED; REEVE_ENOFUNCTION. */
int reeve_actor_keep(struct reeve_backend *backend, const struct reeve_keeper_order *order,
    reeve_actor *ret, struct reeve_error_info *error);

/* In a keeper, whose cluster works: all that it does. */
_Noreturn void reeve_keeper_run(struct reeve_cluster *cluster);
/* For the backend: actor_keep, and the end of such an actor, which others than its owner may ask
 * for. */
int reeve_cluster_actor_keep(struct reeve_backend *backend,
    const struct reeve_actor_settings *settings, reeve_actor *ret, struct reeve_error_info *error);
int reeve_cluster_keeper_kill(
    struct reeve_cluster *cluster, uint64_t keeper, struct reeve_error_info *error);

#endif
