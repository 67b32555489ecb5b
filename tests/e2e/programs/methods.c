/* Methods with several results: `methods WHAT [FILE]` prints "ok WHAT", or says what is wrong. */
#include <signal.h>

#include "tests/e2e/programs/say.h"

#define LARGE ((size_t)3 << 20)

REEVE_REMOTE(int64_t, add, (int64_t, a), (int64_t, b))
{
    return a + b;
}

REEVE_REMOTE(int64_t, first_of, (reeve_bytes, bytes))
{
    return ((const uint8_t *)bytes.data)[0] + ((const uint8_t *)bytes.data)[bytes.size - 1];
}

REEVE_ACTOR(tally, (int64_t, value), (int64_t, pairs), (reeve_reply_token, waiting))
REEVE_GROUPS(tally, (side, 1))
REEVE_CONSTRUCTOR(tally, (int64_t, value))
{
    self->value = value;
    return REEVE_OK;
}
REEVE_METHOD(int64_t, tally, add, (int64_t, by))
{
    return self->value += by;
}
REEVE_METHOD_RESULTS(
    tally, step, ((int64_t, before), (int64_t, after), (reeve_bytes, large)), (int64_t, by))
{
    if (by == 0)
        reeve_fail(23, "a step of nothing");
    results->before = self->value;
    results->after = self->value += by;
    if (by < 0) {
        uint8_t *bytes = reeve_alloc(LARGE);
        memset(bytes, (int)-by, LARGE);
        results->large = (reeve_bytes){bytes, LARGE};
    }
}
REEVE_METHOD_RESULTS(tally, look, ((int64_t, value), (reeve_future_int64_t, doubled)))
{
    *results = (tally_look_results){self->value, add_remote(self->value, self->value)};
}
REEVE_METHOD_RESULTS(tally, unset, ((int64_t, one), (reeve_string, none)))
{
    results->one = 1;
}
/* In the file's first attempt its process dies. */
REEVE_METHOD_RESULTS(tally, dies_once, ((int64_t, value), (int64_t, twice)), (reeve_string, once))
{
    int fd = open(once, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)raise(SIGKILL);
    *results = (tally_dies_once_results){self->value, 2 * self->value};
}
REEVE_GROUP_METHOD_RESULTS(side, tally, aside, ((bool, is_beside), (int64_t, x)), (int64_t, x))
{
    *results = (tally_aside_results){getpid() != gettid(), x};
}
/* Answered by the other one: with a value, with one that cannot be, or with an error. */
REEVE_METHOD_RESULTS(tally, later, ((reeve_string, text), (reeve_bytes, large)))
{
    self->waiting = reeve_reply_later();
    results->text = NULL; /* not looked at */
}
REEVE_METHOD(int64_t, tally, answers, (int64_t, how))
{
    uint8_t *bytes = reeve_alloc(LARGE);
    memset(bytes, 6, LARGE);
    tally_later_results all = {how == 1 ? NULL : "later", {bytes, LARGE}};
    int code = how == 2 ? reeve_reply_fail(self->waiting, 24, "not at all")
                        : tally_later_reply(self->waiting, &all);
    NEED(code == (how == 1 ? REEVE_EINVAL : REEVE_OK));
    NEED(tally_later_reply(self->waiting, &all) == REEVE_EHANDLE);
    return code;
}

/* From another process than the one that has made the actor. */
REEVE_REMOTE(int64_t, steps, (tally_ref, actor), (int64_t, count))
{
    int64_t sum = 0;
    for (int64_t i = 1; i <= count; i++) {
        tally_step_results s;
        NEED(
            tally_step_get(tally_step_remote(actor, i), &s) == REEVE_OK && s.after == s.before + i);
        tally_step_clear(&s);
        sum += i;
    }
    return sum;
}

/* ---- the ways of using them ------------------------------------------------------------------ */

/* In the order in which they were called, among those of other methods. */
static void run_methods(const char *once)
{
    tally_ref actor = tally_create(1);
    tally_step_futures f[50];
    tally_add_future g[50];
    tally_step_results s;
    int64_t x = 0, expected = 1;
    (void)once;
    for (int i = 0; i < 50; i++) {
        f[i] = tally_step_remote(actor, i + 1);
        g[i] = reeve_call(tally_add, actor, f[i].before);
    }
    for (int i = 0; i < 50; i++) {
        NEED(tally_step_get(f[i], &s) == REEVE_OK && s.before == expected);
        NEED(s.after == expected + i + 1);
        tally_step_clear(&s);
        expected += expected + i + 1;
        NEED(tally_add_get(g[i], &x) == REEVE_OK && x == expected);
    }
    reeve_actor_release(actor);
    actor = tally_create(7);
    tally_step_futures one = tally_step_remote(actor, -5); /* one passed on, one dropped */
    NEED(first_of_get(reeve_call(first_of, one.large), &x) == REEVE_OK && x == 10);
    NEED(reeve_release(one.before) == REEVE_OK);
    NEED(reeve_get(int64_t, one.after, &x) == REEVE_OK && x == 2);
    NEED(reeve_release(one.large) == REEVE_OK);
    tally_look_results seen;
    NEED(tally_look_get(tally_look_remote(actor), &seen) == REEVE_OK && seen.value == 2);
    NEED(reeve_get(int64_t, seen.doubled, &x) == REEVE_OK && x == 4);
    NEED(steps_get(steps_remote(actor, 10), &x) == REEVE_OK && x == 55);
    NEED(tally_add_get(tally_add_remote(actor, 0), &x) == REEVE_OK && x == 57);
    /* errors: each of them has it; the actor goes on */
    tally_step_futures failed = tally_step_remote(actor, 0);
    NEED(reeve_get(int64_t, failed.after, &x) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->user_code == 23);
    NEED(strcmp(reeve_last_error()->function, "tally_step") == 0);
    NEED(reeve_get(int64_t, failed.before, &x) == REEVE_EFUNCTION);
    NEED(reeve_release(failed.large) == REEVE_OK);
    tally_unset_results unset;
    NEED(tally_unset_get(tally_unset_remote(actor), &unset) == REEVE_EINVAL);
    NEED(strstr(reeve_last_error()->message, "none") != NULL);
    tally_aside_results aside;
    NEED(tally_aside_get(tally_aside_remote(actor, 3), &aside) == REEVE_OK && aside.x == 3);
    NEED(aside.is_beside == (getenv("REEVE_MODE") == NULL));
    NEED(tally_step_release(tally_step_remote(actor, 1)) == REEVE_OK);
    NEED(tally_add_get(tally_add_remote(actor, 0), &x) == REEVE_OK && x == 58);
    reeve_actor_release(actor);
}

static void run_replies(const char *once)
{
    (void)once;
    tally_ref actor = tally_create(1);
    for (int64_t how = 0; how < 3; how++) {
        static const int codes[] = {REEVE_OK, REEVE_EINVAL, REEVE_EFUNCTION};
        tally_later_futures f = tally_later_remote(actor);
        tally_later_results all;
        int64_t code;
        NEED(tally_answers_get(tally_answers_remote(actor, how), &code) == REEVE_OK);
        NEED(tally_later_get(f, &all) == codes[how]);
        if (how == 0)
            NEED(strcmp(all.text, "later") == 0 &&
                 ((const uint8_t *)all.large.data)[LARGE - 1] == 6);
        else
            NEED(strstr(reeve_last_error()->message, how == 1 ? "text" : "not at all") != NULL);
        tally_later_clear(&all);
    }
    reeve_actor_release(actor);
}

/* The actor's process dies in the midst of one: it is run again where it may be, in the next. */
static void run_dies(const char *once)
{
    const reeve_actor_options *restarts = REEVE_ACTOR_OPTIONS(.max_restarts = 2);
    const reeve_task_options *again = REEVE_TASK_OPTIONS(.max_retries = 1);
    tally_dies_once_results both;
    tally_ref actor = tally_create_opts(restarts, 21);
    NEED(tally_dies_once_get(tally_dies_once_remote_opts(again, actor, once), &both) == REEVE_OK);
    NEED(both.value == 21 && both.twice == 42);
    NEED(unlink(once) == 0);
    tally_dies_once_futures f = tally_dies_once_remote(actor, once);
    int64_t x;
    NEED(reeve_get(int64_t, f.twice, &x) == REEVE_EACTORDIED);
    NEED(reeve_get(int64_t, f.value, &x) == REEVE_EACTORDIED);
    NEED(tally_add_get(tally_add_remote(actor, 1), &x) == REEVE_OK && x == 22);
    reeve_actor_release(actor);
}

static const struct kind {
    const char *name;
    void (*run)(const char *once);
} kinds[] = {{"methods", run_methods}, {"replies", run_replies}, {"dies", run_dies}};

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc >= 2 && say_run(kinds, argv[1], argc > 2 ? argv[2] : ""));
    printf("ok %s\n", argv[1]);
    reeve_shutdown();
    return 0;
}
