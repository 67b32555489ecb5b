/* Handles of actors: what keeps an actor alive, and what ends it: `handles WHAT [MAIL [GATE]]`
 * prints "ok WHAT" or says what is wrong. A thing reports its end, and what it had come to. */
#include <signal.h>
#include <time.h>

#include "tests/e2e/programs/say.h"

REEVE_ACTOR(thing, (int64_t, value), (char *, mail))
REEVE_CONSTRUCTOR(thing, (int64_t, value), (reeve_string, mail))
{
    self->value = value;
    self->mail = strdup(mail);
    return REEVE_OK;
}
REEVE_DESTRUCTOR(thing)
{
    report(self->mail, "ended %" PRId64, self->value);
    free(self->mail);
}
REEVE_METHOD(int64_t, thing, add, (int64_t, by))
{
    return self->value += by;
}
REEVE_METHOD(int64_t, thing, pid)
{
    return getpid();
}

static int add(thing_ref t, int64_t by, int64_t *ret)
{
    return thing_add_get(thing_add_remote(t, by), ret);
}

/* Others may have it yet: it ends in a moment. */
static int add_until_ended(thing_ref t)
{
    int64_t value;
    int code = REEVE_OK;
    for (int i = 0; i < 2000 && code == REEVE_OK; i++) {
        code = add(t, 0, &value);
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
    return code;
}

REEVE_STRUCT(box, (reeve_string, label), (thing_ref, inside))

/* Keeps things in its state. */
REEVE_ACTOR(keeper, (thing_ref, child), (bool, is_full))
REEVE_CONSTRUCTOR(keeper, (thing_ref, child))
{
    self->child = reeve_actor_retain(child);
    self->is_full = true;
    return REEVE_OK;
}
REEVE_DESTRUCTOR(keeper)
{
    if (self->is_full)
        reeve_actor_release(self->child);
}
REEVE_METHOD(int64_t, keeper, add, (int64_t, by))
{
    int64_t value = 0;
    if (add(self->child, by, &value) != REEVE_OK)
        reeve_fail(reeve_last_error()->code, "%s", reeve_last_error()->message);
    return value;
}
REEVE_METHOD(thing_ref, keeper, child)
{
    return self->child;
}
REEVE_METHOD(int64_t, keeper, drop)
{
    self->is_full = false;
    return reeve_actor_release(self->child);
}
REEVE_METHOD(int64_t, keeper, pid)
{
    return getpid();
}

REEVE_REMOTE(
    int64_t, add_late, (thing_ref, t), (int64_t, by), (reeve_string, mail), (reeve_string, gate))
{
    int64_t value = -1;
    report(mail, "waits");
    wait_at(gate);
    int code = add(t, by, &value);
    report(mail, "added %" PRId64 " %d", value, code);
    return value;
}

/* Its callee goes on when it has returned. */
REEVE_REMOTE(void, pass_on, (box, b), (reeve_string, mail), (reeve_string, gate))
{
    add_late_future later = add_late_remote(b.inside, 5, mail, gate);
    reeve_release(later);
}

/* Nobody waits for these. */
REEVE_REMOTE(void, add_and_forget, (thing_ref, t), (int64_t, count))
{
    for (int64_t i = 0; i < count; i++) {
        thing_add_future f = thing_add_remote(t, 1);
        reeve_release(f);
    }
}

REEVE_REMOTE(thing_ref, make, (int64_t, value), (reeve_string, mail))
{
    return thing_create(value, mail);
}
REEVE_REMOTE(box, make_boxed, (int64_t, value), (reeve_string, mail))
{
    thing_ref t;
    if (make_get(make_remote(value, mail), &t) != REEVE_OK)
        reeve_fail(1, "not made: %s", reeve_last_error()->message);
    return (box){"made", t};
}
REEVE_REMOTE(thing_ref, same, (thing_ref, t))
{
    return t;
}
REEVE_REMOTE_RESULTS(make_pair, ((thing_ref, thing), (int64_t, pid)), (reeve_string, mail))
{
    results->thing = thing_create(1, mail);
    results->pid = getpid();
}

/* The end of the program would be the end of its actors: the test says when it has seen enough. */
static void until_told(const char *mail)
{
    char told[4096];
    snprintf(told, sizeof(told), "%s.told", mail);
    while (access(told, F_OK) != 0)
        nanosleep(&(struct timespec){0, 5000000}, NULL);
}

/* ---- what is tested -------------------------------------------------------------------------- */

static void retained(const char *mail)
{
    int64_t value, code;
    thing_ref t = thing_create(0, mail);
    keeper_ref k = keeper_create(t);
    NEED(reeve_actor_release(t) == REEVE_OK);
    for (int i = 1; i <= 50; i++)
        NEED(keeper_add_get(keeper_add_remote(k, 1), &value) == REEVE_OK && value == i);
    thing_ref again; /* one of our own, again */
    NEED(keeper_child_get(keeper_child_remote(k), &again) == REEVE_OK);
    NEED(add(again, 1, &value) == REEVE_OK && value == 51);
    NEED(keeper_drop_get(keeper_drop_remote(k), &code) == REEVE_OK && code == REEVE_OK);
    NEED(add(again, 1, &value) == REEVE_OK && value == 52);
    again = reeve_actor_retain(again);
    NEED(reeve_actor_release(again) == REEVE_OK);
    NEED(add(again, 1, &value) == REEVE_OK && value == 53);
    NEED(reeve_actor_release(again) == REEVE_OK);
    NEED(add_until_ended(again) != REEVE_OK);
    NEED(reeve_actor_release(k) == REEVE_OK);
    thing_ref none = reeve_actor_retain((thing_ref){0});
    NEED(add(none, 1, &value) == REEVE_EHANDLE && reeve_actor_release(none) == REEVE_OK);
}

static void passed(const char *mail, const char *gate)
{
    int64_t value;
    thing_ref t = thing_create(1, mail);
    add_late_future f = add_late_remote(t, 2, mail, gate);
    NEED(reeve_actor_release(t) == REEVE_OK);
    report(mail, "released");
    NEED(add_late_get(f, &value) == REEVE_OK && value == 3);
}

static void passed_on(const char *mail, const char *gate)
{
    thing_ref t = thing_create(1, mail);
    NEED(pass_on_get(pass_on_remote((box){"b", t}, mail, gate)) == REEVE_OK);
    NEED(reeve_actor_release(t) == REEVE_OK);
    report(mail, "released");
}

static void forgotten(const char *mail)
{
    thing_ref t = thing_create(0, mail);
    NEED(add_and_forget_get(add_and_forget_remote(t, 500)) == REEVE_OK);
    NEED(reeve_actor_release(t) == REEVE_OK);
}

static void results(const char *mail)
{
    int64_t value;
    thing_ref t, u;
    box b;
    NEED(make_get(make_remote(10, mail), &t) == REEVE_OK);
    NEED(add(t, 1, &value) == REEVE_OK && value == 11);
    NEED(same_get(same_remote(t), &u) == REEVE_OK); /* so we have two */
    NEED(reeve_actor_release(t) == REEVE_OK);
    NEED(add(u, 1, &value) == REEVE_OK && value == 12);
    NEED(reeve_actor_release(u) == REEVE_OK && add_until_ended(u) != REEVE_OK);
    NEED(make_boxed_get(make_boxed_remote(20, mail), &b) == REEVE_OK);
    NEED(add(b.inside, 1, &value) == REEVE_OK && value == 21);
    /* a value that is put keeps it, and so does each get of it */
    reeve_future_box f = reeve_put_box(b), g = reeve_retain(f);
    NEED(reeve_actor_release(b.inside) == REEVE_OK);
    reeve_clear(box, &b);
    NEED(reeve_get(box, f, &b) == REEVE_OK && add(b.inside, 1, &value) == REEVE_OK && value == 22);
    NEED(reeve_actor_release(b.inside) == REEVE_OK);
    NEED(add(b.inside, 1, &value) == REEVE_OK && value == 23);
    reeve_release(g);
    NEED(add_until_ended(b.inside) != REEVE_OK);
    reeve_clear(box, &b);
    /* nobody gets it */
    make_future dropped = make_remote(30, mail);
    bool ready;
    NEED(reeve_wait(&dropped, 1, 1, REEVE_FOREVER, &ready, NULL) == REEVE_OK);
    reeve_release(dropped);
    make_pair_futures two = make_pair_remote(mail);
    NEED(reeve_get(thing_ref, two.thing, &t) == REEVE_OK);
    NEED(reeve_release(two.pid) == REEVE_OK && add(t, 4, &value) == REEVE_OK && value == 5);
    NEED(reeve_actor_release(t) == REEVE_OK && add_until_ended(t) != REEVE_OK);
}

/* The test kills who holds it. */
static void holder_died(const char *mail)
{
    int64_t value;
    thing_ref t = thing_create(7, mail);
    keeper_ref k = keeper_create(t);
    NEED(keeper_pid_get(keeper_pid_remote(k), &value) == REEVE_OK);
    NEED(reeve_actor_release(t) == REEVE_OK);
    int64_t sum;
    NEED(keeper_add_get(keeper_add_remote(k, 1), &sum) == REEVE_OK && sum == 8);
    report(mail, "holder %" PRId64, value);
    while (keeper_pid_get(keeper_pid_remote(k), &value) == REEVE_OK)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    reeve_actor_release(k);
    NEED(add_until_ended(t) != REEVE_OK);
}

/* The test kills the process that has made it. */
static void owner_died(const char *mail)
{
    make_pair_futures two = make_pair_remote(mail);
    int64_t pid, value;
    thing_ref t;
    NEED(reeve_get(int64_t, two.pid, &pid) == REEVE_OK);
    NEED(reeve_get(thing_ref, two.thing, &t) == REEVE_OK);
    thing_ref u = reeve_actor_retain(t);
    NEED(add(u, 1, &value) == REEVE_OK && value == 2);
    report(mail, "owner %" PRId64, pid);
    NEED(add_until_ended(t) == REEVE_EACTORDIED);
    NEED(reeve_actor_release(t) == REEVE_OK && reeve_actor_release(u) == REEVE_OK);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    const char *what = argc > 1 ? argv[1] : "", *mail = argc > 2 ? argv[2] : "";
    const char *gate = argc > 3 ? argv[3] : "";
    if (strcmp(what, "retained") == 0)
        retained(mail);
    else if (strcmp(what, "passed") == 0)
        passed(mail, gate);
    else if (strcmp(what, "passed_on") == 0)
        passed_on(mail, gate);
    else if (strcmp(what, "forgotten") == 0)
        forgotten(mail);
    else if (strcmp(what, "results") == 0)
        results(mail);
    else if (strcmp(what, "holder_died") == 0)
        holder_died(mail);
    else if (strcmp(what, "owner_died") == 0)
        owner_died(mail);
    else
        return 2;
    report(mail, "done");
    until_told(mail);
    reeve_shutdown();
    printf("ok %s\n", what);
    return 0;
}
