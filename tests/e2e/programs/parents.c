/* Which task has called which, as each of them is told: `parents WHAT [MAIL GATE]` prints
 * "ok WHAT", or says what is wrong. */
#include <signal.h>

#include "tests/e2e/programs/say.h"

REEVE_STRUCT(identity, (uint64_t, owner), (uint64_t, task))
REEVE_STRUCT(kin, (identity, own), (identity, parent), (uint32_t, attempt), (uint32_t, node))
REEVE_STRUCT(given, (identity, own), (reeve_future_kin, child))
REEVE_STRUCT(made, (kin, by), (kin, now))

static kin look(void)
{
    reeve_context c;
    kin none = {{0, 0}, {0, 0}, 0, 0};
    if (reeve_get_context(&c) != REEVE_OK)
        return none;
    return (kin){{c.owner, c.task}, {c.parent_owner, c.parent_task}, c.attempt, c.node};
}

static bool is_child(const kin *child, const kin *of)
{
    return of->own.task != 0 && child->own.task != 0 && child->parent.owner == of->own.owner &&
           child->parent.task == of->own.task;
}

static bool is_orphan(const kin *task)
{
    return task->own.task != 0 && task->parent.owner == 0 && task->parent.task == 0;
}

REEVE_REMOTE(kin, plain, (int64_t, x))
{
    (void)x;
    return look();
}

REEVE_REMOTE(kin, told, (reeve_string, text), (int64_t, x))
{
    NEED(x == 7 && text[0] == 'x');
    return look();
}

REEVE_REMOTE(kin, dies_once, (int64_t, x))
{
    kin own = look();
    (void)x;
    if (own.attempt == 1)
        kill(getpid(), SIGKILL);
    return own;
}

REEVE_REMOTE(int64_t, seven, (int64_t, x))
{
    return x - x + 7;
}

REEVE_REMOTE_RESULTS(both, ((kin, a), (kin, b)), (int64_t, x))
{
    (void)x;
    results->a = results->b = look();
}

REEVE_STREAM(kin, yields, (int64_t, count))
{
    for (int64_t i = 0; i < count; i++) {
        kin own = look();
        if (yields_yield(own) != REEVE_OK)
            return;
    }
}

/* ---- actors ---------------------------------------------------------------------------------- */

REEVE_ACTOR(thing, (kin, by))
REEVE_CONSTRUCTOR(thing, (reeve_string, text))
{
    NEED(text[0] == 'x');
    self->by = look();
    return REEVE_OK;
}
REEVE_METHOD(made, thing, seen)
{
    return (made){self->by, look()};
}
REEVE_METHOD(int64_t, thing, calls)
{
    kin own = look(), child;
    NEED(plain_get(plain_remote(1), &child) == REEVE_OK && is_child(&child, &own));
    return 1;
}
REEVE_METHOD(int64_t, thing, dies)
{
    raise(SIGKILL);
    return 1;
}

/* Whoever calls, in which thread ever: its constructor's parent and its methods' are that. */
static void check_actor(const kin *own, const reeve_actor_options *options, bool is_inline)
{
    static const char text[] = "x: more than a slot of a ring has room for, and than a task keeps";
    made seen;
    int64_t one;
    thing_ref actor = thing_create_opts(options, text);
    NEED(thing_seen_get(thing_seen_remote(actor), &seen) == REEVE_OK);
    NEED(own != NULL ? is_child(&seen.by, own) && is_child(&seen.now, own)
                     : is_orphan(&seen.by) && is_orphan(&seen.now));
    NEED(thing_calls_get(thing_calls_remote(actor), &one) == REEVE_OK);
    if (options != NULL && options->max_restarts != 0 && !is_inline) {
        NEED(thing_dies_get(thing_dies_remote(actor), &one) == REEVE_EACTORDIED);
        NEED(thing_seen_get(thing_seen_remote(actor), &seen) == REEVE_OK && seen.by.attempt == 2);
        NEED(own != NULL ? is_child(&seen.by, own) : is_orphan(&seen.by));
    }
    reeve_actor_release(actor);
}

static void check_actors(const kin *own, bool is_inline)
{
    check_actor(own, NULL, is_inline);
    check_actor(own, REEVE_ACTOR_OPTIONS(.max_restarts = 1), is_inline);
    check_actor(own, REEVE_ACTOR_OPTIONS(.concurrency = 3), is_inline);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

/* All ways to call, from a task (or, `own` being NULL, from a driver). */
static void check_tasks(const kin *own, bool is_inline)
{
#define RIGHT(child) (own != NULL ? is_child(&(child), own) : is_orphan(&(child)))
    static char text[200000];
    const reeve_task_options *elsewhere = REEVE_TASK_OPTIONS(.never_inline = 1);
    const reeve_task_options *timed = REEVE_TASK_OPTIONS(.timeout_ms = 60000);
    int64_t numbers[20] = {0};
    plain_future many[20];
    both_results two;
    kin child;
    memset(text, 'x', sizeof(text) - 1);
    NEED(plain_get(plain_remote(1), &child) == REEVE_OK && RIGHT(child));
    NEED(plain_get(plain_remote_opts(elsewhere, 1), &child) == REEVE_OK && RIGHT(child));
    NEED(plain_get(plain_remote_opts(timed, 1), &child) == REEVE_OK && RIGHT(child));
    for (size_t size = 1; size < sizeof(text); size = size < 120 ? size + 7 : size * 9) {
        char end = text[size];
        text[size] = 0;
        NEED(told_get(reeve_call(told, text, seven_remote(1)), &child) == REEVE_OK);
        NEED(RIGHT(child));
        NEED(told_get(told_remote_opts(elsewhere, text, 7), &child) == REEVE_OK && RIGHT(child));
        text[size] = end;
    }
    if (!is_inline)
        NEED(dies_once_get(dies_once_remote(1), &child) == REEVE_OK && child.attempt == 2 &&
             RIGHT(child));
    NEED(plain_remote_many(20, numbers, many) == REEVE_OK);
    for (int i = 0; i < 20; i++)
        NEED(plain_get(many[i], &child) == REEVE_OK && RIGHT(child));
    NEED(both_get(both_remote(1), &two) == REEVE_OK && RIGHT(two.a) && RIGHT(two.b));
    yields_stream stream = yields_remote(2);
    for (int i = 0; i < 2; i++)
        NEED(yields_next(stream, &child) == REEVE_OK && RIGHT(child));
    NEED(yields_next(stream, &child) == REEVE_EEND);
}

REEVE_REMOTE(int64_t, calls, (bool, is_inline))
{
    kin own = look();
    NEED(is_orphan(&own));
    check_tasks(&own, is_inline);
    check_actors(&own, is_inline);
    return 1;
}

/* Its child's future becomes the caller's, begun or not. */
REEVE_REMOTE(given, gives, (int64_t, x))
{
    kin own = look();
    return (given){own.own, plain_remote(x)};
}

static void run_family(char **args)
{
    bool is_inline = getenv("REEVE_MODE") != NULL;
    int64_t one;
    given got;
    kin child;
    (void)args;
    check_tasks(NULL, is_inline);
    check_actors(NULL, is_inline);
    NEED(calls_get(calls_remote(is_inline), &one) == REEVE_OK);
    for (int i = 0; i < 50; i++) {
        NEED(gives_get(gives_remote(i), &got) == REEVE_OK);
        NEED(reeve_get(kin, got.child, &child) == REEVE_OK);
        NEED(is_child(&child, &(kin){.own = got.own}));
    }
}

/* ---- on all nodes at once -------------------------------------------------------------------- */

#define HELD 3

REEVE_REMOTE(kin, held, (reeve_string, mail), (reeve_string, gate))
{
    kin own = look();
    report(mail, "held %016" PRIx64 " %016" PRIx64 " %" PRIu32, own.parent.owner, own.parent.task,
        own.node);
    wait_at(gate);
    return own;
}

REEVE_REMOTE(int64_t, holds, (reeve_string, mail), (reeve_string, gate))
{
    const reeve_task_options *elsewhere = REEVE_TASK_OPTIONS(.never_inline = 1);
    kin own = look(), child;
    held_future futures[HELD];
    report(mail, "holds %016" PRIx64 " %016" PRIx64, own.own.owner, own.own.task);
    for (int i = 0; i < HELD; i++)
        futures[i] = held_remote_opts(elsewhere, mail, gate);
    for (int i = 0; i < HELD; i++)
        NEED(held_get(futures[i], &child) == REEVE_OK && is_child(&child, &own));
    return 1;
}

static void run_spread(char **args)
{
    int64_t one;
    NEED(holds_get(holds_remote(args[0], args[1]), &one) == REEVE_OK);
}

static const struct kind {
    const char *name;
    void (*run)(char **args);
} kinds[] = {
    {"family", run_family},
    {"spread", run_spread},
};

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc >= 2 && say_run(kinds, argv[1], argv + 2));
    printf("ok %s\n", argv[1]);
    reeve_shutdown();
    return 0;
}
