/* The suite `ray`: its rows of concurrent and asynchronous actors, and of calls with an argument.
 *
 * Ray's asynchronous actors are coroutines of one thread. Ours take the call in a method, which
 * returns, and answer from a thread that the actor has made. */
#include <pthread.h>
#include <reeve.h>
#include <stdlib.h>

#include "runtime/base/macros.h"
#include "tests/bench/bench.h"

#define BATCH   1000
#define THREADS 16
#define SERVERS 8 /* as in suite_ray_actors.c */
#define CALLS   5000
#define WORKERS 4
#define QUEUE   2048 /* tokens; each caller has at most 1,024 calls under way */

/* ---- the actors ------------------------------------------------------------------------------ */

REEVE_ACTOR(bench_pool, (_Atomic int64_t, count), (bool, unused))
REEVE_CONSTRUCTOR(bench_pool)
{
    return REEVE_OK;
}
/* How often it has been called. */
REEVE_METHOD(int64_t, bench_pool, count)
{
    return ++self->count;
}
REEVE_METHOD(int64_t, bench_pool, take, (int64_t, x))
{
    self->count++;
    return x + 1;
}

struct bench_waiting {
    reeve_reply_token token;
    int64_t value;
};
REEVE_ACTOR(bench_later, (pthread_t, thread), (pthread_mutex_t, lock), (pthread_cond_t, some),
    (bool, ended), (int64_t, count), (uint64_t, taken), (uint64_t, answered),
    (struct bench_waiting *, queue), (uint64_t, size))

static void *bench_later_answer(void *arg);

REEVE_CONSTRUCTOR(bench_later)
{
    self->size = QUEUE;
    self->queue = calloc(self->size, sizeof(*self->queue));
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->some, NULL);
    if (self->queue == NULL || pthread_create(&self->thread, NULL, bench_later_answer, self) != 0)
        return REEVE_ESYSTEM;
    return REEVE_OK;
}
REEVE_DESTRUCTOR(bench_later)
{
    pthread_mutex_lock(&self->lock);
    self->ended = true;
    pthread_cond_signal(&self->some);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    free(self->queue);
}

/* Takes the call; false: it is not to be answered later. */
static bool bench_later_take(bench_later *self, int64_t value)
{
    struct bench_waiting waiting = {reeve_reply_later(), value};
    bool taken = waiting.token.id != 0;
    pthread_mutex_lock(&self->lock);
    if (self->taken - self->answered == self->size) { /* several callers */
        struct bench_waiting *queue = calloc(self->size * 2, sizeof(*queue));
        for (uint64_t i = self->answered; queue != NULL && i < self->taken; i++)
            queue[i % (self->size * 2)] = self->queue[i % self->size];
        taken = taken && queue != NULL;
        if (queue != NULL) {
            free(self->queue);
            self->queue = queue;
            self->size *= 2;
        }
    }
    if (taken)
        self->queue[self->taken++ % self->size] = waiting;
    pthread_cond_signal(&self->some);
    pthread_mutex_unlock(&self->lock);
    return taken;
}

REEVE_METHOD(int64_t, bench_later, count)
{
    (void)bench_later_take(self, ++self->count);
    return 0; /* a wrong answer */
}
/* The same with an argument. */
REEVE_METHOD(int64_t, bench_later, next, (int64_t, x))
{
    self->count++;
    (void)bench_later_take(self, -x - 1);
    return 0;
}

static void *bench_later_answer(void *arg)
{
    bench_later *self = arg;
    pthread_mutex_lock(&self->lock);
    for (;;) {
        while (self->answered == self->taken && !self->ended)
            pthread_cond_wait(&self->some, &self->lock);
        if (self->answered == self->taken)
            break;
        struct bench_waiting waiting = self->queue[self->answered++ % self->size];
        pthread_mutex_unlock(&self->lock);
        if (waiting.value > 0)
            (void)bench_later_count_reply(waiting.token, waiting.value);
        else
            (void)bench_later_next_reply(waiting.token, -waiting.value);
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* ---- clients in workers ---------------------------------------------------------------------- */

REEVE_STRUCT(bench_laters, (bench_later_ref, a), (bench_later_ref, b), (bench_later_ref, c),
    (bench_later_ref, d), (bench_later_ref, e), (bench_later_ref, f), (bench_later_ref, g),
    (bench_later_ref, h))

/* Calls all of them in turn; how many answers came. */
REEVE_REMOTE(int64_t, bench_call_laters, (bench_laters, servers), (int64_t, calls))
{
    const bench_later_ref *each = &servers.a;
    bench_later_count_future *futures = calloc((size_t)calls, sizeof(*futures));
    int64_t *values = calloc((size_t)calls, sizeof(*values)), good = 0;
    reeve_free_later(futures);
    reeve_free_later(values);
    if (futures == NULL || values == NULL)
        return 0;
    for (int64_t i = 0; i < calls; i++)
        futures[i] = bench_later_count_remote(each[i % SERVERS]);
    if (bench_later_count_get_many(futures, (size_t)calls, values, NULL) != REEVE_OK)
        reeve_fail(1, "%s", reeve_last_error()->message);
    for (int64_t i = 0; i < calls; i++)
        good += values[i] > 0;
    return good;
}

/* Puts a value once, and passes it to its server again and again. */
REEVE_REMOTE(int64_t, bench_call_with_arg, (bench_pool_ref, server), (int64_t, calls))
{
    bench_pool_take_future *futures = calloc((size_t)calls, sizeof(*futures));
    int64_t *values = calloc((size_t)calls, sizeof(*values)), good = 0;
    reeve_free_later(futures);
    reeve_free_later(values);
    if (futures == NULL || values == NULL)
        return 0;
    reeve_future_int64_t argument = reeve_put(int64_t, 6);
    for (int64_t i = 0; i < calls; i++)
        futures[i] = reeve_call(bench_pool_take, server, argument);
    if (bench_pool_take_get_many(futures, (size_t)calls, values, NULL) != REEVE_OK)
        reeve_fail(1, "%s", reeve_last_error()->message);
    reeve_release(argument);
    for (int64_t i = 0; i < calls; i++)
        good += values[i] == 7;
    return good;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct {
    bench_pool_ref pool;
    bench_pool_ref plain[WORKERS];
    bench_later_ref one;
    bench_laters laters;
    int64_t called, pool_called;
} self;

static bool concurrent_round(struct bench *bench, const char *name)
{
    static bench_pool_count_future futures[BATCH];
    static int64_t values[BATCH];
    int64_t sum = 0, wanted = 0;
    for (int i = 0; i < BATCH; i++)
        futures[i] = bench_pool_count_remote(self.pool);
    if (bench_pool_count_get_many(futures, BATCH, values, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    for (int i = 0; i < BATCH; i++) {
        sum += values[i];
        wanted += ++self.pool_called;
    }
    return sum == wanted || bench_wrong(bench, name, "a call is missing, or ran twice");
}

static bool later_sync_round(struct bench *bench, const char *name)
{
    int64_t value;
    if (bench_later_count_get(bench_later_count_remote(self.one), &value) != REEVE_OK)
        return bench_call_failed(bench, name);
    return value == ++self.called || bench_wrong(bench, name, "a call is missing, or ran twice");
}

static bool later_async_round(struct bench *bench, const char *name)
{
    static bench_later_count_future futures[BATCH];
    static int64_t values[BATCH];
    for (int i = 0; i < BATCH; i++)
        futures[i] = bench_later_count_remote(self.one);
    if (bench_later_count_get_many(futures, BATCH, values, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    for (int i = 0; i < BATCH; i++)
        if (values[i] != ++self.called)
            return bench_wrong(bench, name, "a wrong answer");
    return true;
}

static bool later_args_round(struct bench *bench, const char *name)
{
    static bench_later_next_future futures[BATCH];
    static int64_t values[BATCH];
    for (int i = 0; i < BATCH; i++)
        futures[i] = bench_later_next_remote(self.one, i);
    if (bench_later_next_get_many(futures, BATCH, values, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    self.called += BATCH;
    for (int i = 0; i < BATCH; i++)
        if (values[i] != i + 1)
            return bench_wrong(bench, name, "a wrong answer");
    return true;
}

static bool one_to_n_round(struct bench *bench, const char *name)
{
    static bench_later_count_future futures[SERVERS * BATCH];
    static int64_t values[SERVERS * BATCH];
    const bench_later_ref *each = &self.laters.a;
    for (int i = 0; i < SERVERS * BATCH; i++)
        futures[i] = bench_later_count_remote(each[i % SERVERS]);
    if (bench_later_count_get_many(futures, SERVERS * BATCH, values, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    for (int i = 0; i < SERVERS * BATCH; i++)
        if (values[i] <= 0)
            return bench_wrong(bench, name, "a wrong answer");
    return true;
}

static bool counts_are_good(struct bench *bench, const char *name, const int64_t *counts)
{
    for (int i = 0; i < WORKERS; i++)
        if (counts[i] != CALLS)
            return bench_wrong(bench, name, "a wrong answer");
    return true;
}

static bool n_to_n_round(struct bench *bench, const char *name)
{
    bench_call_laters_future futures[WORKERS];
    int64_t counts[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        futures[i] =
            bench_call_laters_remote_opts(REEVE_TASK_OPTIONS(.cpus = 0.001), self.laters, CALLS);
    if (bench_call_laters_get_many(futures, WORKERS, counts, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    return counts_are_good(bench, name, counts);
}

static bool with_arg_round(struct bench *bench, const char *name)
{
    bench_call_with_arg_future futures[WORKERS];
    int64_t counts[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        futures[i] = bench_call_with_arg_remote_opts(
            REEVE_TASK_OPTIONS(.cpus = 0.001), self.plain[i], CALLS);
    if (bench_call_with_arg_get_many(futures, WORKERS, counts, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    return counts_are_good(bench, name, counts);
}

void bench_ray_alone(struct bench *bench)
{
    static const char *const names[] = {"1_1_async_actor_calls_sync", "1_1_async_actor_calls_async",
        "1_1_async_actor_calls_with_args_async", "1_n_async_actor_calls_async",
        "n_n_async_actor_calls_async"};
    bool any = false;
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(names); i++)
        any |= bench_wanted(bench, names[i]);
    if (any)
        reeve_floors_later_measure(&bench->floors_later);
}

void bench_ray_concurrent(struct bench *bench)
{
    const struct reeve_floors *floors = &bench->floors;
    const double calls_s = floors->ring_codec_calls_s;
    const struct reeve_floors_later *later = &bench->floors_later;
    const struct {
        const char *name;
        bool (*round)(struct bench *, const char *);
        double per_round, floor, ray;
    } rows[] = {
        {"1_1_actor_calls_concurrent", concurrent_round, BATCH, calls_s, 5775},
        {"n_n_actor_calls_with_arg_async", with_arg_round, WORKERS * CALLS, calls_s, 2759},
        {"1_1_async_actor_calls_sync", later_sync_round, 1, later->one_s, 1460},
        {"1_1_async_actor_calls_async", later_async_round, BATCH, later->many_s, 4260},
        {"1_1_async_actor_calls_with_args_async", later_args_round, BATCH, later->many_s, 2836},
        {"1_n_async_actor_calls_async", one_to_n_round, SERVERS * BATCH, later->peers_many_s, 7383},
        {"n_n_async_actor_calls_async", n_to_n_round, WORKERS * CALLS, later->peers_many_s, 23675},
    };
    bool any = false;
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(rows); i++)
        any |= bench_wanted(bench, rows[i].name);
    if (!any)
        return;
    bench_later_ref *each = &self.laters.a;
    self.pool = bench_pool_create_opts(REEVE_ACTOR_OPTIONS(.concurrency = THREADS));
    self.one = bench_later_create();
    for (int i = 0; i < WORKERS; i++)
        self.plain[i] = bench_pool_create();
    for (int i = 0; i < SERVERS; i++)
        each[i] = bench_later_create();
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(rows); i++) {
        if (!bench_wanted(bench, rows[i].name))
            continue;
        double rate = bench_rate(bench, rows[i].round, rows[i].name) * rows[i].per_round;
        bench_say_ray(bench, rows[i].name, rate, "1/s", rows[i].floor, rows[i].ray);
    }
    self.called = self.pool_called = 0;
    reeve_actor_release(self.pool);
    reeve_actor_release(self.one);
    for (int i = 0; i < WORKERS; i++)
        reeve_actor_release(self.plain[i]);
    for (int i = 0; i < SERVERS; i++)
        reeve_actor_release(each[i]);
}
