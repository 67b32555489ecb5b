/* The suite `ray`: its rows of actors, and ours of many small ones. */
#include <reeve.h>
#include <stdlib.h>

#include "runtime/base/macros.h"
#include "tests/bench/bench.h"

#define BATCH    1000
#define SERVERS  8 /* Ray has one for each two of its 64 cores: 32 */
#define CALLS    5000
#define WORKERS  4
#define MANY     100000
#define HOSTS    2
#define RAY_MANY 551 /* its many_actors, a release test of its own: actors made and called once */

REEVE_ACTOR(bench_server, (int64_t, count))
REEVE_CONSTRUCTOR(bench_server)
{
    return REEVE_OK;
}
/* How often it has been called. */
REEVE_METHOD(int64_t, bench_server, count)
{
    return ++self->count;
}

REEVE_STRUCT(bench_servers, (bench_server_ref, a), (bench_server_ref, b), (bench_server_ref, c),
    (bench_server_ref, d), (bench_server_ref, e), (bench_server_ref, f), (bench_server_ref, g),
    (bench_server_ref, h))

/* Calls all of them in turn; how many answers came. */
REEVE_REMOTE(int64_t, bench_call_servers, (bench_servers, servers), (int64_t, calls))
{
    const bench_server_ref *each = &servers.a;
    bench_server_count_future *futures = calloc((size_t)calls, sizeof(*futures));
    int64_t *values = calloc((size_t)calls, sizeof(*values)), good = 0;
    reeve_free_later(futures);
    reeve_free_later(values);
    if (futures == NULL || values == NULL)
        return 0;
    for (int64_t i = 0; i < calls; i++)
        futures[i] = bench_server_count_remote(each[i % SERVERS]);
    if (bench_server_count_get_many(futures, (size_t)calls, values, NULL) != REEVE_OK)
        reeve_fail(1, "%s", reeve_last_error()->message);
    for (int64_t i = 0; i < calls; i++)
        good += values[i] > 0;
    return good;
}

static struct {
    bench_server_ref one;
    bench_servers servers;
    int64_t called;
} self;

static bool sync_round(struct bench *bench, const char *name)
{
    int64_t value;
    if (bench_server_count_get(bench_server_count_remote(self.one), &value) != REEVE_OK)
        return bench_call_failed(bench, name);
    return value == ++self.called || bench_wrong(bench, name, "a call is missing, or ran twice");
}

static bool async_round(struct bench *bench, const char *name)
{
    static bench_server_count_future futures[BATCH];
    static int64_t values[BATCH];
    for (int i = 0; i < BATCH; i++)
        futures[i] = bench_server_count_remote(self.one);
    if (bench_server_count_get_many(futures, BATCH, values, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    for (int i = 0; i < BATCH; i++)
        if (values[i] != ++self.called)
            return bench_wrong(bench, name, "calls ran out of order");
    return true;
}

/* One client, several actors. */
static bool one_to_n_round(struct bench *bench, const char *name)
{
    static bench_server_count_future futures[SERVERS * BATCH];
    static int64_t values[SERVERS * BATCH];
    const bench_server_ref *each = &self.servers.a;
    for (int i = 0; i < SERVERS * BATCH; i++)
        futures[i] = bench_server_count_remote(each[i % SERVERS]);
    if (bench_server_count_get_many(futures, SERVERS * BATCH, values, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    for (int i = 0; i < SERVERS * BATCH; i++)
        if (values[i] <= 0)
            return bench_wrong(bench, name, "a wrong answer");
    return true;
}

/* Several clients, several actors. */
static bool n_to_n_round(struct bench *bench, const char *name)
{
    bench_call_servers_future futures[WORKERS];
    int64_t counts[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        futures[i] =
            bench_call_servers_remote_opts(REEVE_TASK_OPTIONS(.cpus = 0.001), self.servers, CALLS);
    if (bench_call_servers_get_many(futures, WORKERS, counts, NULL) != REEVE_OK)
        return bench_call_failed(bench, name);
    for (int i = 0; i < WORKERS; i++)
        if (counts[i] != CALLS)
            return bench_wrong(bench, name, "a wrong answer");
    return true;
}

/* A hundred thousand, in two processes: made, called once each, ended. Both times from the first to
 * the last answer. */
static void many(struct bench *bench, const char *name)
{
    bench_server_ref *actors = calloc(MANY, sizeof(*actors));
    bench_server_count_future *futures = calloc(MANY, sizeof(*futures));
    int64_t *values = calloc(MANY, sizeof(*values));
    if (actors != NULL && futures != NULL && values != NULL) {
        double begin = bench_now_s();
        for (uint32_t i = 0; i < MANY; i++)
            actors[i] = bench_server_create_opts(REEVE_ACTOR_OPTIONS(.shared = 1 + i % HOSTS));
        for (uint32_t i = 0; i < MANY; i++)
            futures[i] = bench_server_count_remote(actors[i]);
        bool good = bench_server_count_get_many(futures, MANY, values, NULL) == REEVE_OK;
        double spent = bench_now_s() - begin;
        for (uint32_t i = 0; i < MANY; i++)
            good &= values[i] == 1 && reeve_actor_release(actors[i]) == REEVE_OK;
        if (good)
            bench_say_ray(bench, name, MANY / spent, "1/s", 0, RAY_MANY);
        else
            bench_call_failed(bench, name);
    }
    free(actors);
    free(futures);
    free(values);
}

void bench_ray_actors(struct bench *bench)
{
    const struct reeve_floors *floors = &bench->floors;
    const double calls_s = floors->ring_codec_calls_s;
    const double one_s = floors->ring_codec_sync_us > 0 ? 1e6 / floors->ring_codec_sync_us : 0;
    const struct {
        const char *name;
        bool (*round)(struct bench *, const char *);
        double per_round, floor, ray;
    } rows[] = {
        {"1_1_actor_calls_sync", sync_round, 1, one_s, 2012},
        {"1_1_actor_calls_async", async_round, BATCH, calls_s, 8664},
        {"1_n_actor_calls_async", one_to_n_round, SERVERS * BATCH, calls_s, 8038},
        {"n_n_actor_calls_async", n_to_n_round, WORKERS * CALLS, calls_s, 27376},
    };
    bench_server_ref *each = &self.servers.a;
    self.one = bench_server_create();
    for (int i = 0; i < SERVERS; i++)
        each[i] = bench_server_create();
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(rows); i++) {
        if (!bench_wanted(bench, rows[i].name))
            continue;
        double rate = bench_rate(bench, rows[i].round, rows[i].name) * rows[i].per_round;
        bench_say_ray(bench, rows[i].name, rate, "1/s", rows[i].floor, rows[i].ray);
    }
    if (bench_wanted(bench, "many_actors"))
        many(bench, "many_actors");
    self.called = 0;
    reeve_actor_release(self.one);
    for (int i = 0; i < SERVERS; i++)
        reeve_actor_release(each[i]);
}
