/* The suite `envelope`: a hundred thousand small actors in two processes. How fast they are made
 * and ended, and what each takes, in the process that has made it and in that where it lives
 * together: daemons know of hosts, not of actors. */
#include <reeve.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

#define MANY  100000u
#define BATCH 1000u
#define HOSTS 2u

REEVE_ACTOR(bench_small, (int64_t, value), (bool, unused))
REEVE_CONSTRUCTOR(bench_small, (int64_t, value))
{
    self->value = value;
    return REEVE_OK;
}
REEVE_METHOD(int64_t, bench_small, value)
{
    return self->value;
}
/* Of the process that it lives in. */
REEVE_METHOD(uint64_t, bench_small, memory)
{
    (void)self;
    return bench_anonymous_bytes();
}

static struct {
    bench_small_ref *actors; /* MANY of them, and one for each host, which stays */
    bench_small_ref first[HOSTS];
} self;

static uint32_t host_of(uint32_t i)
{
    return 1 + i % HOSTS;
}

/* This process's and the hosts'; also when all that was asked of these has been done. 0: failed. */
static uint64_t memory_now(void)
{
    uint64_t total = bench_anonymous_bytes(), bytes;
    for (uint32_t i = 0; i < HOSTS; i++) {
        if (bench_small_memory_get(bench_small_memory_remote(self.first[i]), &bytes) != REEVE_OK)
            return 0;
        total += bytes;
    }
    return total;
}

/* In batches, so that calls under way are not measured. Seconds, or 0. */
static double make_all(void)
{
    int64_t value;
    double begin = bench_now_s();
    for (uint32_t i = 0; i < MANY; i++) {
        self.actors[i] =
            bench_small_create_opts(REEVE_ACTOR_OPTIONS(.shared = host_of(i)), (int64_t)i);
        if (i % BATCH == BATCH - 1 &&
            (bench_small_value_get(bench_small_value_remote(self.actors[i]), &value) != REEVE_OK ||
                value != (int64_t)i))
            return 0;
    }
    return memory_now() != 0 ? bench_now_s() - begin : 0;
}

static double end_all(void)
{
    double begin = bench_now_s();
    for (uint32_t i = 0; i < MANY; i++) {
        if (reeve_actor_release(self.actors[i]) != REEVE_OK)
            return 0;
        if (i % BATCH == BATCH - 1 && memory_now() == 0)
            return 0;
    }
    return bench_now_s() - begin;
}

void bench_envelope_actors(struct bench *bench, const char *name)
{
    double made[2], ended[2];
    uint64_t before, with[2], after[2];
    self.actors = malloc(MANY * sizeof(*self.actors));
    if (self.actors == NULL)
        return;
    for (uint32_t i = 0; i < MANY; i++)
        self.actors[i] = (bench_small_ref){1, 1, 1}; /* touches it all */
    for (uint32_t i = 0; i < HOSTS; i++)
        self.first[i] = bench_small_create_opts(REEVE_ACTOR_OPTIONS(.shared = host_of(i)), 0);
    before = memory_now();
    bool good = before != 0;
    for (int k = 0; good && k < 2; k++) {
        made[k] = make_all();
        with[k] = memory_now();
        ended[k] = end_all();
        after[k] = memory_now();
        good = made[k] > 0 && ended[k] > 0 && with[k] != 0 && after[k] != 0;
    }
    for (uint32_t i = 0; i < HOSTS; i++)
        good &= reeve_actor_release(self.first[i]) == REEVE_OK;
    free(self.actors);
    if (!good) {
        bench_call_failed(bench, name);
        return;
    }
    bench_say(bench, "envelope_actor_creations", MANY / made[0], "1/s", 0);
    bench_say(bench, "envelope_actor_ends", MANY / ended[0], "1/s", 0);
    bench_say(bench, "envelope_actor_memory", (double)(with[0] - before) / MANY, "B", 0);
    /* the second hundred thousand lives where the first has lived */
    if (with[1] > with[0] + (with[0] - before) / 5 || after[1] > with[0])
        bench_wrong(bench, name, "actors that have ended still take memory");
}
