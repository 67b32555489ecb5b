/* Pools of actors: prints "ok" or says what is wrong. */
#include <signal.h>

#include "tests/e2e/programs/say.h"

#define MEMBERS 3
#define CALLS   60

REEVE_ACTOR(adder, (int64_t, member), (int64_t, calls))
REEVE_CONSTRUCTOR(adder, (int64_t, member))
{
    self->member = member;
    return REEVE_OK;
}
/* 1000 times which one it is, and a number back. */
REEVE_METHOD(int64_t, adder, add, (int64_t, x))
{
    self->calls++;
    return self->member * 1000 + x;
}
REEVE_METHOD(int64_t, adder, count)
{
    return self->calls;
}
REEVE_METHOD(void, adder, crash)
{
    raise(SIGKILL);
}

static adder_ref members[MEMBERS];

static void begin(int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        members[i] = adder_create(i);
}

static void end(int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        NEED(reeve_actor_release(members[i]) == REEVE_OK);
}

static void submit(reeve_pool *pool, uint64_t tag)
{
    size_t member = reeve_pool_choose(pool);
    NEED(member < MEMBERS);
    NEED(reeve_pool_add(pool, member, adder_add_remote(members[member], (int64_t)tag), tag) ==
         REEVE_OK);
}

/* Takes the call's value, which must be that of its member and tag. */
static void take(const reeve_pool_call *call)
{
    int64_t value;
    NEED(adder_add_get((adder_add_future){call->future.id}, &value) == REEVE_OK);
    NEED(value == (int64_t)call->member * 1000 + (int64_t)call->tag);
}

/* All of them, in the order of submission and as they come; the work is shared. */
static void shared(bool in_order)
{
    bool seen[CALLS] = {false};
    reeve_pool_call call;
    begin(MEMBERS);
    reeve_pool *pool = reeve_pool_create(MEMBERS);
    NEED(pool != NULL && reeve_pool_next(pool, 0, &call) == REEVE_EEND);
    for (uint64_t i = 0; i < CALLS; i++)
        submit(pool, i);
    NEED(reeve_pool_count(pool) == CALLS);
    for (uint64_t i = 0; i < CALLS; i++) {
        bool first = in_order || i % 7 == 3; /* the two ways may be mixed */
        NEED((first ? reeve_pool_next_in_order : reeve_pool_next)(pool, REEVE_FOREVER, &call) ==
             REEVE_OK);
        NEED(call.tag < CALLS && !seen[call.tag] && (!in_order || call.tag == i));
        for (uint64_t before = 0; first && before < call.tag; before++)
            NEED(seen[before]);
        seen[call.tag] = true;
        take(&call);
    }
    NEED(reeve_pool_next(pool, REEVE_FOREVER, &call) == REEVE_EEND);
    NEED(reeve_pool_next_in_order(pool, REEVE_FOREVER, &call) == REEVE_EEND);
    int64_t counts = 0;
    for (int i = 0; i < MEMBERS; i++) {
        int64_t count;
        NEED(adder_count_get(adder_count_remote(members[i]), &count) == REEVE_OK && count > 0);
        counts += count;
    }
    NEED(counts == CALLS);
    /* calls that nobody takes go with it */
    submit(pool, 1);
    submit(pool, 2);
    reeve_pool_free(pool);
    end(MEMBERS);
}

/* A window of calls: one more for each that is answered. Memory does not grow with them. */
static void streamed(bool in_order)
{
    begin(MEMBERS);
    reeve_pool *pool = reeve_pool_create(MEMBERS);
    reeve_pool_call call;
    for (uint64_t i = 0; i < 2000; i++) {
        submit(pool, i);
        if (i < 2 * MEMBERS)
            continue;
        NEED((in_order ? reeve_pool_next_in_order : reeve_pool_next)(pool, REEVE_FOREVER, &call) ==
             REEVE_OK);
        NEED(!in_order || call.tag == i - 2 * MEMBERS);
        take(&call);
        NEED(reeve_pool_count(pool) == 2 * MEMBERS);
    }
    reeve_pool_free(pool);
    end(MEMBERS);
}

/* Whoever has died gets no more, and what it had fails with the reason. */
static void dies(void)
{
    begin(MEMBERS);
    reeve_pool *pool = reeve_pool_create(MEMBERS);
    reeve_pool_call call;
    int64_t value;
    NEED(reeve_pool_add(pool, 1, adder_crash_remote(members[1]), 7) == REEVE_OK);
    NEED(reeve_pool_next(pool, REEVE_FOREVER, &call) == REEVE_OK);
    NEED(call.tag == 7 && call.member == 1);
    NEED(adder_crash_get((adder_crash_future){call.future.id}) == REEVE_EACTORDIED);
    for (uint64_t i = 0; i < CALLS; i++) {
        size_t member = reeve_pool_choose(pool);
        NEED(member != 1);
        NEED(reeve_pool_add(pool, member, adder_add_remote(members[member], (int64_t)i), i) ==
             REEVE_OK);
    }
    for (uint64_t i = 0; i < CALLS; i++) {
        NEED(reeve_pool_next(pool, REEVE_FOREVER, &call) == REEVE_OK);
        take(&call);
    }
    /* when all have, somebody is chosen, and its call says so; also one born failed */
    end(MEMBERS);
    for (uint64_t i = 0; i < MEMBERS + 2; i++) {
        size_t member = reeve_pool_choose(pool);
        NEED(reeve_pool_add(pool, member, adder_add_remote(members[member], 0), i) == REEVE_OK);
        NEED(reeve_pool_next_in_order(pool, REEVE_FOREVER, &call) == REEVE_OK);
        NEED(adder_add_get((adder_add_future){call.future.id}, &value) == REEVE_EHANDLE);
    }
    reeve_pool_free(pool);
}

static void bad(void)
{
    reeve_pool_call call;
    NEED(reeve_pool_create(0) == NULL && reeve_last_error()->code == REEVE_EINVAL);
    reeve_pool *pool = reeve_pool_create(1);
    members[0] = adder_create(0);
    adder_add_future f = adder_add_remote(members[0], 1);
    NEED(reeve_pool_add(pool, 1, f, 0) == REEVE_EINVAL);
    NEED(reeve_pool_count(pool) == 0);
    int64_t value;
    NEED(adder_add_get(f, &value) == REEVE_OK);
    NEED(reeve_pool_add(pool, 0, f, 0) == REEVE_EHANDLE);
    NEED(reeve_pool_count(pool) == 0 && reeve_pool_next(pool, 0, &call) == REEVE_EEND);
    reeve_pool_free(pool);
    reeve_pool_free(NULL);
    end(1);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    const char *mode = getenv("REEVE_MODE");
    shared(true);
    shared(false);
    streamed(true);
    streamed(false);
    bad();
    if (mode == NULL || strcmp(mode, "inline") != 0)
        dies();
    printf("ok\n");
    reeve_shutdown();
    return 0;
}
