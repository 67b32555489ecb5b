/* Pools of actors (reeve_pool.h).
 *
 *   add ─▶ calls: | given | ready | – | ready | – |          by number, from `first` on
 *                             │ the library pushes the number when the call is final
 *   look ◀── tags ◀───────────┘  ─▶ member less busy; dead, alive ─▶ answered: 3, 1, …  ─▶ next
 *
 * Whether a member is dead its calls say: one that has failed has no value, and only then the
 * error is looked at. */
#include <stdlib.h>
#include <string.h>

#include "api/client/client.h"
#include "api/client/error.h"
#include "api/client/ready.h"
#include "runtime/base/clock.h"
#include <reeve.h>

struct call {
    uint64_t future, tag;
    size_t member;
    bool ready, given;
};

struct member {
    size_t calls;    /* unanswered */
    uint64_t chosen; /* when last, as a count */
    bool dead;
};

struct reeve_pool {
    struct reeve_ready *tags;   /* numbers of calls that are ready, from the library */
    struct reeve_fifo answered; /* the same, looked at; some may have been given in order */
    struct call *calls;
    size_t call_count, call_capacity;
    uint64_t first; /* the number of calls[0]; all before it have been given */
    size_t left;    /* of them, not given */
    size_t tried;
    uint64_t chosen;
    size_t member_count;
    struct member members[];
};

REEVE_API reeve_pool *reeve_pool_create(size_t count)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (reeve_client_enter(error) == NULL)
        return NULL;
    if (count == 0 || count > SIZE_MAX / 2 / sizeof(struct member)) {
        reeve_error_set(error, REEVE_EINVAL, "a pool of %zu actors: one at least is needed", count);
        return NULL;
    }
    reeve_pool *pool = calloc(1, sizeof(*pool) + count * sizeof(*pool->members));
    if (pool == NULL || (pool->tags = reeve_ready_create()) == NULL) {
        free(pool);
        reeve_error_set(error, REEVE_ENOMEM, "no memory for a pool of %zu actors", count);
        return NULL;
    }
    pool->member_count = count;
    reeve_fifo_init(&pool->answered, sizeof(uint64_t));
    return pool;
}

/* ---- what has been answered ------------------------------------------------------------------ */

/* The code of a future that is ready. */
static int outcome(struct reeve_backend *backend, uint64_t future)
{
    struct reeve_error_info why;
    struct reeve_future_look look = {0};
    uint64_t handle = 0;
    size_t at = 0;
    if (reeve_is_failed_future(future))
        return reeve_failed_future_get(future, &why);
    if (backend == NULL || backend->look(backend, future, &look) != REEVE_OK || !look.ready ||
        look.size_bytes != 0)
        return REEVE_OK;
    int code = backend->view(
        backend, &future, &at, 1, 0, reeve_client_consume_nothing, NULL, &handle, &why);
    if (code == REEVE_OK)
        backend->unview(backend, handle);
    return code;
}

static void look(reeve_pool *pool, struct reeve_backend *backend)
{
    uint64_t number;
    while (reeve_ready_take(pool->tags, &number)) {
        struct call *call = &pool->calls[number - pool->first];
        struct member *member = &pool->members[call->member];
        int code = outcome(backend, call->future);
        call->ready = true;
        member->calls--;
        member->dead = code == REEVE_EACTORDIED || code == REEVE_EHANDLE;
        *(uint64_t *)reeve_fifo_push(&pool->answered) = number; /* add has made room */
    }
}

REEVE_API size_t reeve_pool_choose(reeve_pool *pool)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct member *best = &pool->members[0];
    look(pool, reeve_client_enter(error));
    for (size_t i = 1; i < pool->member_count; i++) {
        struct member *one = &pool->members[i];
        bool better = one->dead != best->dead     ? best->dead
                      : one->calls != best->calls ? one->calls < best->calls
                                                  : one->chosen < best->chosen;
        best = better ? one : best;
    }
    best->chosen = ++pool->chosen;
    return (size_t)(best - pool->members);
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Room for one more, and for its number when it is answered. */
static bool room_make(reeve_pool *pool)
{
    if (pool->call_count == pool->call_capacity) {
        size_t capacity = pool->call_capacity != 0 ? 2 * pool->call_capacity : 16;
        struct call *calls = realloc(pool->calls, capacity * sizeof(*calls));
        if (calls == NULL)
            return false;
        pool->calls = calls;
        pool->call_capacity = capacity;
    }
    return reeve_fifo_reserve(&pool->answered, pool->call_count + 1) == 0;
}

REEVE_API int(reeve_pool_add)(reeve_pool *pool, size_t member, reeve_future future, uint64_t tag)
{
    struct reeve_error_info *error = reeve_error_thread();
    struct reeve_backend *backend = reeve_client_enter(error);
    uint64_t number = pool->first + pool->call_count;
    if (backend == NULL)
        return error->code;
    if (member >= pool->member_count)
        return reeve_error_set(error, REEVE_EINVAL, "the pool has no member %zu: there are %zu",
            member, pool->member_count);
    if (!room_make(pool) || reeve_ready_expect(pool->tags, 1) != 0)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for another call of the pool");
    pool->calls[pool->call_count] = (struct call){future.id, tag, member, false, false};
    if (reeve_is_failed_future(future.id)) {
        reeve_ready_push(pool->tags, number);
    } else {
        int code = backend->watch(backend, future.id, pool->tags, number, error);
        if (code != REEVE_OK) {
            reeve_ready_unexpect(pool->tags);
            return reeve_error_complete(error, code);
        }
    }
    pool->call_count++;
    pool->left++;
    pool->members[member].calls++;
    return REEVE_OK;
}

REEVE_API size_t reeve_pool_count(const reeve_pool *pool)
{
    return pool->left;
}

static bool is_given(const reeve_pool *pool, uint64_t number)
{
    return number < pool->first || pool->calls[number - pool->first].given;
}

static int give(reeve_pool *pool, struct call *call, reeve_pool_call *ret)
{
    const uint64_t *number;
    *ret = (reeve_pool_call){{call->future}, call->member, call->tag};
    call->given = true;
    pool->left--;
    size_t given = 0;
    while (given < pool->call_count && pool->calls[given].given)
        given++;
    if (given == pool->call_count || given > pool->call_capacity / 2) {
        pool->call_count -= given;
        pool->first += given;
        memmove(pool->calls, pool->calls + given, pool->call_count * sizeof(*pool->calls));
    }
    while ((number = reeve_fifo_peek(&pool->answered)) != NULL && is_given(pool, *number))
        reeve_fifo_pop(&pool->answered, NULL);
    return REEVE_OK;
}

/* Until another one has been answered. */
static int await(reeve_pool *pool, uint64_t deadline_ns, struct reeve_error_info *error)
{
    struct reeve_backend *backend = reeve_client_enter(error);
    size_t count = 0;
    if (backend == NULL)
        return error->code;
    uint64_t *futures = malloc((pool->left + 1) * sizeof(*futures));
    if (futures == NULL)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory to wait for the pool's calls");
    for (size_t i = 0; i < pool->call_count; i++)
        if (!pool->calls[i].ready)
            futures[count++] = pool->calls[i].future;
    pool->tried = 0;
    int code =
        backend->watch_wait(backend, pool->tags, futures, count, &pool->tried, deadline_ns, error);
    free(futures);
    if (code != REEVE_OK && !reeve_ready_any(pool->tags))
        return reeve_error_complete(error, code);
    look(pool, backend);
    return REEVE_OK;
}

REEVE_API int reeve_pool_next(reeve_pool *pool, int64_t timeout_ms, reeve_pool_call *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    uint64_t number, deadline_ns = reeve_clock_deadline_ns(timeout_ms);
    look(pool, reeve_client_enter(error));
    while (pool->left != 0) {
        while (reeve_fifo_pop(&pool->answered, &number))
            if (!is_given(pool, number))
                return give(pool, &pool->calls[number - pool->first], ret);
        int code = await(pool, deadline_ns, error);
        if (code != REEVE_OK)
            return code;
    }
    return reeve_error_set(error, REEVE_EEND, "all calls of the pool have been given");
}

REEVE_API int reeve_pool_next_in_order(reeve_pool *pool, int64_t timeout_ms, reeve_pool_call *ret)
{
    struct reeve_error_info *error = reeve_error_thread();
    uint64_t deadline_ns = reeve_clock_deadline_ns(timeout_ms);
    look(pool, reeve_client_enter(error));
    if (pool->left == 0)
        return reeve_error_set(error, REEVE_EEND, "all calls of the pool have been given");
    size_t at = 0;
    while (pool->calls[at].given)
        at++;
    while (!pool->calls[at].ready) {
        int code = await(pool, deadline_ns, error);
        if (code != REEVE_OK)
            return code;
    }
    return give(pool, &pool->calls[at], ret);
}

REEVE_API void reeve_pool_free(reeve_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->call_count; i++)
        if (!pool->calls[i].given)
            (void)reeve_release((reeve_future){pool->calls[i].future});
    reeve_ready_abandon(pool->tags);
    reeve_fifo_fini(&pool->answered);
    free(pool->calls);
    free(pool);
}
