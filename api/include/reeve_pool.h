/* reeve_pool.h - several actors of one kind that share the work. Included by reeve.h.
 *
 *     reeve_pool *pool = reeve_pool_create(4);
 *     for (int i = 0; i < 100; i++) {
 *         size_t member = reeve_pool_choose(pool);
 *         reeve_pool_add(pool, member, worker_work_remote(workers[member], i), (uint64_t)i);
 *     }
 *     reeve_pool_call call;
 *     while (reeve_pool_next(pool, REEVE_FOREVER, &call) == REEVE_OK)
 *         if (worker_work_get((worker_work_future){call.future.id}, &result) == REEVE_OK)
 *             ...                                               that of call number call.tag
 *     reeve_pool_free(pool);
 *
 * The actors are yours, in an array, say: the pool knows their indices, how many calls of each are
 * unanswered, and which results nobody has taken yet. A member whose call fails because it has
 * ended (REEVE_EACTORDIED, REEVE_EHANDLE) is not chosen any more, as long as there are others,
 * until one of its calls is answered: so the pool goes on with the rest. That call's get says what
 * has become of it.
 *
 * A pool is for one thread at a time. */
#ifndef REEVE_POOL_H
#define REEVE_POOL_H

#ifdef __cplusplus
extern "C" {
#endif

/* Actors that share the work. */
typedef struct reeve_pool reeve_pool;

/* A call of a pool that has been answered. */
typedef struct reeve_pool_call {
    reeve_future future; /* to be got or released; yours */
    size_t member;       /* whose call it was */
    uint64_t tag;        /* as you have given it */
} reeve_pool_call;

/* Of `count` actors. NULL: no memory, or none (reeve_last_error). Does not block. */
REEVE_API reeve_pool *reeve_pool_create(size_t count);

/* The index of the member with the fewest calls unanswered; of several, the one that has not been
 * chosen for longest. Does not block. */
REEVE_API size_t reeve_pool_choose(reeve_pool *pool);

/* The future of a call, of any type, that was made of that member. It is the pool's until next
 * gives it back. REEVE_EINVAL: there is no such member; REEVE_EHANDLE: no live future;
 * REEVE_ENOMEM: it is yours. Does not block. */
REEVE_API int reeve_pool_add(reeve_pool *pool, size_t member, reeve_future call, uint64_t tag);
#define reeve_pool_add(pool, member, call, tag) \
    reeve_pool_add(pool, member, reeve_untyped(call), tag)

/* How many have been added, and not been given back yet. */
REEVE_API size_t reeve_pool_count(const reeve_pool *pool);

/* The call that is answered next. REEVE_EEND: there is none any more; REEVE_ETIMEDOUT;
 * REEVE_ESHUTDOWN. Blocks. */
REEVE_API int reeve_pool_next(reeve_pool *pool, int64_t timeout_ms, reeve_pool_call *ret);

/* The same, in the order in which they have been added: waits for the first that has not been
 * given. The two may be mixed. */
REEVE_API int reeve_pool_next_in_order(reeve_pool *pool, int64_t timeout_ms, reeve_pool_call *ret);

/* Frees it, and releases the futures that it has; the actors live on. NULL is fine. Does not
 * block. */
REEVE_API void reeve_pool_free(reeve_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
