/* Actors found by their names: `names WHAT …` prints "ok WHAT" or says what is wrong. */
#include <signal.h>
#include <time.h>

#include "tests/e2e/programs/say.h"

REEVE_ACTOR(counter, (int64_t, value))
REEVE_CONSTRUCTOR(counter, (int64_t, start))
{
    if (start < 0)
        reeve_fail(7, "%" PRId64 " is negative", start);
    self->value = start;
    return REEVE_OK;
}
REEVE_METHOD(int64_t, counter, add, (int64_t, by))
{
    return self->value += by;
}
REEVE_METHOD(int64_t, counter, pid)
{
    return getpid();
}
REEVE_METHOD(void, counter, crash)
{
    raise(SIGKILL);
}

REEVE_ACTOR(other, (bool, unused))
REEVE_CONSTRUCTOR(other)
{
    return REEVE_OK;
}

/* From a task. */
REEVE_REMOTE(int64_t, add_by_name, (reeve_string, name), (int64_t, by))
{
    counter_ref c;
    int64_t value = 0;
    int code = counter_by_name(name, &c);
    if (code == REEVE_OK)
        code = counter_add_get(counter_add_remote(c, by), &value);
    if (code != REEVE_OK)
        reeve_fail(code, "%s", reeve_last_error()->message);
    return value;
}

/* A task that gives a name; its actor ends with the process of the task. */
REEVE_REMOTE(int64_t, make_named, (reeve_string, name), (int64_t, start))
{
    int64_t value = 0;
    counter_ref c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = name), start);
    if (counter_add_get(counter_add_remote(c, 0), &value) != REEVE_OK)
        reeve_fail(reeve_last_error()->code, "%s", reeve_last_error()->message);
    return value;
}

static int get(counter_ref c, int64_t *value)
{
    return counter_add_get(counter_add_remote(c, 0), value);
}

static bool says(const char *text)
{
    return strstr(reeve_last_error()->message, text) != NULL;
}

/* An actor that has ended gives its name back in a moment. */
static int find_until_gone(const char *name)
{
    counter_ref c;
    int code = REEVE_OK;
    for (int i = 0; i < 1000 && code == REEVE_OK; i++) {
        code = counter_by_name(name, &c);
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    return code;
}

static void one(void)
{
    int64_t value;
    counter_ref c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "hits"), 5), d;
    NEED(counter_by_name("hits", &d) == REEVE_OK);
    NEED(counter_add_get(counter_add_remote(d, 1), &value) == REEVE_OK && value == 6);
    NEED(get(c, &value) == REEVE_OK && value == 6);
    counter_ref again = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "hits"), 9);
    NEED(get(again, &value) == REEVE_EEXIST && says("hits") && says("default"));
    NEED(reeve_actor_release(again) == REEVE_OK);
    other_ref o;
    NEED(other_by_name("hits", &o) == REEVE_ETYPE && says("is a counter, no other"));
    reeve_actor any;
    NEED(reeve_actor_find(NULL, "hits", NULL, &any) == REEVE_OK && any.number == c.number);
    NEED(reeve_actor_find("default", "hits", "counter", &any) == REEVE_OK);
    NEED(counter_by_name("nobody", &d) == REEVE_EHANDLE && says("no actor has the name nobody"));
    NEED(reeve_actor_release(c) == REEVE_OK);
    NEED(find_until_gone("hits") == REEVE_EHANDLE);
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "hits"), 1);
    NEED(get(c, &value) == REEVE_OK && value == 1);
    NEED(reeve_actor_release(c) == REEVE_OK);
    NEED(find_until_gone("hits") == REEVE_EHANDLE);
    /* what cannot be made keeps no name */
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "hits"), -1);
    NEED(get(c, &value) == REEVE_EACTORDIED);
    NEED(find_until_gone("hits") == REEVE_EHANDLE);
    NEED(reeve_actor_release(c) == REEVE_OK);
    NEED(find_until_gone("hits") == REEVE_EHANDLE);
    /* one with threads is found and called by its name, too, and gives it back */
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "hits", .concurrency = 3), 2);
    NEED(counter_by_name("hits", &d) == REEVE_OK && d.number == c.number);
    NEED(get(d, &value) == REEVE_OK && value == 2);
    /* who wants it if it exists gets it */
    d = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "hits", .get_if_exists = 1), 9);
    NEED(d.number == c.number && get(d, &value) == REEVE_OK && value == 2);
    NEED(reeve_actor_release(c) == REEVE_OK); /* as if it had made it */
    NEED(get(d, &value) == REEVE_OK && value == 2);
    NEED(reeve_actor_release(d) == REEVE_OK);
    NEED(find_until_gone("hits") == REEVE_EHANDLE);
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "hits", .get_if_exists = 1), 4);
    NEED(get(c, &value) == REEVE_OK && value == 4);
    NEED(reeve_actor_release(c) == REEVE_OK);
}

static void namespaces(void)
{
    int64_t value;
    counter_ref d, c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "n", .name_space = "a"), 1),
                   e = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "n", .name_space = "b"), 2);
    NEED(counter_by_name("n", &d) == REEVE_EHANDLE);
    NEED(counter_by_name_in("a", "n", &d) == REEVE_OK && get(d, &value) == REEVE_OK && value == 1);
    NEED(counter_by_name_in("b", "n", &d) == REEVE_OK && get(d, &value) == REEVE_OK && value == 2);
    reeve_actor_release(c);
    reeve_actor_release(e);
}

static void bad(void)
{
    static const char *const names[] = {"", "a\nb", "\xff", "\xc0\xaf", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xe2\x82", "\x7f", "\xc2\x85"};
    char name[130];
    int64_t value;
    counter_ref c, d;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = names[i]), 1);
        NEED(get(c, &value) == REEVE_EINVAL);
        NEED(counter_by_name(names[i], &d) == REEVE_EINVAL);
        NEED(counter_by_name_in(names[i], "n", &d) == REEVE_EINVAL);
    }
    memset(name, 'n', sizeof(name));
    name[128] = 0;
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = name), 1);
    NEED(get(c, &value) == REEVE_EINVAL && says("longer than 127 bytes"));
    name[127] = 0;
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = name), 1);
    NEED(get(c, &value) == REEVE_OK && counter_by_name(name, &d) == REEVE_OK);
    NEED(counter_by_name_in(name, "n", &d) == REEVE_EINVAL && says("longer than 63 bytes"));
    NEED(reeve_actor_release(c) == REEVE_OK);
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name_space = "a"), 1);
    NEED(get(c, &value) == REEVE_EINVAL && says("there is no name"));
    NEED(counter_by_name(NULL, &d) == REEVE_EINVAL);
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "\u017e\u00e1ba \U0001F438"), 1);
    NEED(counter_by_name("\u017e\u00e1ba \U0001F438", &d) == REEVE_OK && d.number == c.number);
    NEED(reeve_actor_release(c) == REEVE_OK);
}

static void tasks(void)
{
    int64_t value;
    counter_ref c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "total"), 0), d;
    for (int i = 1; i <= 50; i++)
        NEED(add_by_name_get(add_by_name_remote("total", 2), &value) == REEVE_OK && value == 2 * i);
    NEED(make_named_get(make_named_remote("total", 1), &value) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->user_code == REEVE_EEXIST);
    NEED(make_named_get(make_named_remote("theirs", 7), &value) == REEVE_OK && value == 7);
    NEED(counter_by_name("theirs", &d) == REEVE_OK && get(d, &value) == REEVE_OK && value == 7);
    NEED(reeve_actor_release(c) == REEVE_OK);
}

/* The name stays with it over a restart, and is free when it is dead. */
static void deaths(void)
{
    int64_t value;
    counter_ref d,
        c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "phoenix", .max_restarts = 1), 3);
    NEED(counter_by_name("phoenix", &d) == REEVE_OK);
    NEED(counter_crash_get(counter_crash_remote(d)) == REEVE_EACTORDIED);
    NEED(get(d, &value) == REEVE_OK && value == 3);
    NEED(counter_by_name("phoenix", &d) == REEVE_OK && d.number == c.number);
    NEED(counter_crash_get(counter_crash_remote(d)) == REEVE_EACTORDIED);
    NEED(find_until_gone("phoenix") == REEVE_EHANDLE);
    NEED(get(d, &value) == REEVE_EACTORDIED);
    reeve_actor_release(c);
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "phoenix"), 4);
    NEED(counter_by_name("phoenix", &d) == REEVE_OK && get(d, &value) == REEVE_OK && value == 4);
    NEED(reeve_actor_kill(c) == REEVE_OK);
    NEED(find_until_gone("phoenix") == REEVE_EHANDLE);
    NEED(reeve_actor_release(c) == REEVE_OK);
}

static void ended(void)
{
    counter_ref c;
    reeve_shutdown();
    NEED(counter_by_name("hits", &c) == REEVE_ESHUTDOWN);
    printf("ok ended\n");
    exit(0);
}

/* For tests with several programs: holds a counter until the gate opens. */
static void serve(const char *name, int64_t restarts, const char *mail, const char *gate)
{
    int64_t pid;
    counter_ref c = counter_create_opts(
        REEVE_ACTOR_OPTIONS(.name = name, .max_restarts = (int32_t)restarts), 100);
    if (counter_pid_get(counter_pid_remote(c), &pid) != REEVE_OK)
        report(mail, "refused %s", reeve_error_name(reeve_last_error()->code));
    else
        report(mail, "serves %" PRId64, pid);
    wait_at(gate);
}

/* Adds until told not to: each answer must be one more. */
static void ask(const char *name, int64_t times)
{
    counter_ref c;
    int64_t value = 0;
    for (int64_t i = 0; i < times; i++) {
        int code = counter_by_name(name, &c);
        if (code == REEVE_OK)
            code = counter_add_get(counter_add_remote(c, 1), &value);
        if (code != REEVE_OK) {
            printf("%s\n%s\n", reeve_error_name(code), reeve_last_error()->message);
            return;
        }
    }
    printf("value %" PRId64 "\n", value);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    const char *what = argv[1];
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {{"one", one}, {"namespaces", namespaces}, {"bad", bad}, {"tasks", tasks},
        {"deaths", deaths}};
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (strcmp(what, tests[i].name) != 0 && strcmp(what, "all") != 0)
            continue;
        tests[i].run();
        printf("ok %s\n", tests[i].name);
        fflush(stdout);
    }
    if (strcmp(what, "ended") == 0)
        ended();
    else if (strcmp(what, "serve") == 0)
        serve(argv[2], strtoll(argv[3], NULL, 10), argv[4], argv[5]);
    else if (strcmp(what, "ask") == 0)
        ask(argv[2], strtoll(argv[3], NULL, 10));
    reeve_shutdown();
    return 0;
}
