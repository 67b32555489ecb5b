/* Detached actors: `detached WHAT …` prints what it has found and "ok WHAT", or what is wrong. */
#include <signal.h>

#include "tests/e2e/programs/say.h"

REEVE_ACTOR(counter, (int64_t, value), (int64_t, rows))
REEVE_CONSTRUCTOR(
    counter, (int64_t, start), (reeve_string, mail), (reeve_string, gate), (reeve_bytes, ballast))
{
    if (start < 0)
        reeve_fail(7, "%" PRId64 " is negative", start);
    if (*mail)
        report(mail, "made %d %d", (int)getpid(), (int)getppid());
    wait_at(gate);
    self->value = start;
    self->rows = (int64_t)ballast.size;
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
REEVE_METHOD(int64_t, counter, size)
{
    return self->rows;
}
REEVE_METHOD(void, counter, say, (reeve_string, text))
{
    printf("%s\n", text);
}
/* MiB of lines. */
REEVE_METHOD(void, counter, says_much, (int64_t, count))
{
    char line[1024];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = 0;
    for (int64_t i = 0; i < count * 1024; i++) {
        puts(line);
        if (i % 256 == 255) { /* what nobody takes is dropped */
            fflush(stdout);
            usleep(2000);
        }
    }
}
REEVE_METHOD(void, counter, crash)
{
    raise(SIGKILL);
}
REEVE_METHOD(void, counter, hang, (reeve_string, mail), (reeve_string, gate))
{
    report(mail, "hangs");
    wait_at(gate);
}

REEVE_ACTOR(other, (int64_t, unused))
REEVE_CONSTRUCTOR(other)
{
    return REEVE_OK;
}

REEVE_METHOD(void, other, ready)
{
}

static counter_ref create(const char *name, int64_t start, bool get, int32_t restarts)
{
    return counter_create_opts(REEVE_ACTOR_OPTIONS(.name = name, .detached = 1,
                                   .get_if_exists = get, .max_restarts = restarts),
        start, "", "", (reeve_bytes){0});
}

static int add(counter_ref c, int64_t *value)
{
    return counter_add_get(counter_add_remote(c, 1), value);
}

static bool says(const char *text)
{
    return strstr(reeve_last_error()->message, text) != NULL;
}

/* A task that creates one, which outlives its process. */
REEVE_REMOTE(counter_ref, create_there, (reeve_string, name))
{
    return create(name, 40, false, 0);
}

/* All that one program can see. */
static void one(void)
{
    int64_t value;
    counter_ref c = create("hits", 5, false, 0), d;
    NEED(add(c, &value) == REEVE_OK && value == 6);
    NEED(counter_by_name("hits", &d) == REEVE_OK && d.owner == c.owner && d.number == c.number &&
         d.host == c.host);
    NEED(add(d, &value) == REEVE_OK && value == 7);
    /* the name is taken, and get_if_exists gives who has it */
    d = create("hits", 9, false, 0);
    NEED(add(d, &value) == REEVE_EEXIST && says("hits"));
    d = create("hits", 9, true, 0);
    NEED(add(d, &value) == REEVE_OK && value == 8);
    other_ref o = other_create_opts(REEVE_ACTOR_OPTIONS(.name = "hits", .get_if_exists = 1));
    (void)o;
    NEED(reeve_last_error()->code == REEVE_ETYPE && says("is a counter, no other"));
    /* not its owner's to release */
    NEED(reeve_actor_release(c) == REEVE_OK);
    NEED(add(c, &value) == REEVE_OK && value == 9);
    NEED(reeve_actor_kill(c) == REEVE_OK);
    NEED(add(c, &value) == REEVE_EACTORDIED);
    NEED(counter_by_name("hits", &d) == REEVE_EHANDLE);
    NEED(reeve_actor_kill(c) == REEVE_EHANDLE && says("only the process that has created"));
    /* what cannot be made leaves nothing */
    c = create("hits", -1, false, 0);
    NEED(add(c, &value) == REEVE_EACTORDIED && says("its constructor failed: -1 is negative"));
    NEED(counter_by_name("hits", &d) == REEVE_EHANDLE);
    /* large arguments, and from a task */
    char *bytes = calloc(1, 3000000);
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = "large", .detached = 1), 1, "", "",
        (reeve_bytes){bytes, 3000000});
    free(bytes);
    NEED(counter_size_get(counter_size_remote(c), &value) == REEVE_OK && value == 3000000);
    NEED(reeve_actor_kill(c) == REEVE_OK);
    NEED(create_there_get(create_there_remote("there"), &c) == REEVE_OK);
    NEED(add(c, &value) == REEVE_OK && value == 41);
    NEED(reeve_actor_kill(c) == REEVE_OK);
    /* options that cannot be */
    c = counter_create_opts(REEVE_ACTOR_OPTIONS(.detached = 1), 1, "", "", (reeve_bytes){0});
    NEED(add(c, &value) == REEVE_EINVAL && says("needs a name"));
    c = counter_create_opts(
        REEVE_ACTOR_OPTIONS(.name = "n", .detached = 1, .shared = 1), 1, "", "", (reeve_bytes){0});
    NEED(add(c, &value) == REEVE_EINVAL && says("either detached"));
    /* by name only, with packed arguments */
    reeve_actor any;
    const uint8_t args[] = {0x94, 0x07, 0xa0, 0xa0, 0xc4, 0x00};
    NEED(reeve_actor_create("counter", args, sizeof(args),
             REEVE_ACTOR_OPTIONS(.name = "any", .detached = 1), &any) == REEVE_OK);
    NEED(counter_by_name("any", &c) == REEVE_OK && add(c, &value) == REEVE_OK && value == 8);
    NEED(reeve_actor_kill(any) == REEVE_OK);
    NEED(reeve_actor_create("counter", "\xc0", 1, REEVE_ACTOR_OPTIONS(.name = "any", .detached = 1),
             &any) == REEVE_EPROTOCOL);
}

/* It is restarted as any other, keeps its name, and is gone when it has died too often. */
static void deaths(void)
{
    int64_t value;
    counter_ref c = create("phoenix", 3, false, 1), d;
    NEED(counter_crash_get(counter_crash_remote(c)) == REEVE_EACTORDIED);
    NEED(add(c, &value) == REEVE_OK && value == 4);
    NEED(counter_by_name("phoenix", &d) == REEVE_OK && d.number == c.number);
    NEED(counter_crash_get(counter_crash_remote(c)) == REEVE_EACTORDIED);
    NEED(add(c, &value) == REEVE_EACTORDIED);
    counter_ref again = create("phoenix", 1, true, 0);
    while (add(again, &value) == REEVE_EACTORDIED) /* its keeper may not have ended yet */
        again = create("phoenix", 1, true, 0);
    NEED(value == 2 && again.owner != c.owner);
    NEED(reeve_actor_kill(again) == REEVE_OK);
}

/* What is under way when it is killed fails, and does not wait. */
static void killed(const char *mail, const char *gate)
{
    counter_ref c = create("hangs", 3, false, REEVE_FOREVER);
    counter_hang_future hangs = counter_hang_remote(c, mail, gate);
    (void)!getchar(); /* it hangs */
    NEED(reeve_actor_kill(c) == REEVE_OK);
    NEED(counter_hang_get(hangs) == REEVE_EACTORDIED);
}

/* Two in one process, one that is dead, and one that has four calls unanswered. */
static void several(const char *mail, const char *gate)
{
    other_ref a = other_create_opts(REEVE_ACTOR_OPTIONS(.shared = 1)),
              b = other_create_opts(REEVE_ACTOR_OPTIONS(.shared = 1));
    counter_ref c = counter_create(-1, "", "", (reeve_bytes){0}),
                d = counter_create_opts(
                    REEVE_ACTOR_OPTIONS(.cpus = 0.5), 1, "", "", (reeve_bytes){0});
    int64_t value;
    NEED(add(c, &value) == REEVE_EACTORDIED);
    NEED(other_ready_get(other_ready_remote(a)) == REEVE_OK);
    NEED(other_ready_get(other_ready_remote(b)) == REEVE_OK);
    counter_hang_future hangs = counter_hang_remote(d, mail, gate);
    counter_add_future behind[3];
    for (int i = 0; i < 3; i++)
        behind[i] = counter_add_remote(d, 1);
    NEED(counter_hang_get(hangs) == REEVE_OK);
    for (int i = 0; i < 3; i++)
        NEED(counter_add_get(behind[i], &value) == REEVE_OK);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    const char *what = argv[1];
    int64_t value = 0;
    counter_ref c;
    if (strcmp(what, "one") == 0) {
        one();
    } else if (strcmp(what, "deaths") == 0) {
        deaths();
    } else if (strcmp(what, "killed") == 0) {
        killed(argv[2], argv[3]);
    } else if (strcmp(what, "several") == 0) {
        several(argv[2], argv[3]);
    } else if (strcmp(what, "create") == 0) { /* NAME MAIL GATE RESTARTS */
        c = counter_create_opts(REEVE_ACTOR_OPTIONS(.name = argv[2], .detached = 1,
                                    .max_restarts = (int32_t)strtol(argv[5], NULL, 10)),
            100, argv[3], argv[4], (reeve_bytes){0});
        if (add(c, &value) != REEVE_OK)
            printf("%s\n%s\n", reeve_error_name(reeve_last_error()->code),
                reeve_last_error()->message);
    } else if (strcmp(what, "get") == 0) { /* NAME: created by whoever is first */
        NEED(add(create(argv[2], 0, true, 0), &value) == REEVE_OK);
        printf("value %" PRId64 "\n", value);
    } else { /* ask, crash, say, says_much, kill NAME */
        int code = counter_by_name(argv[2], &c);
        if (code == REEVE_OK)
            code =
                strcmp(what, "crash") == 0 ? counter_crash_get(counter_crash_remote(c))
                : strcmp(what, "say") == 0
                    ? counter_say_get(counter_say_remote(c, "said by the actor"))
                : strcmp(what, "says_much") == 0
                    ? counter_says_much_get(counter_says_much_remote(c, strtol(argv[3], NULL, 10)))
                : strcmp(what, "kill") == 0 ? reeve_actor_kill(c)
                                            : add(c, &value);
        if (code != REEVE_OK)
            printf("%s\n%s\n", reeve_error_name(code), reeve_last_error()->message);
        else if (value != 0)
            printf("value %" PRId64 "\n", value);
    }
    printf("ok %s\n", what);
    reeve_shutdown();
    return 0;
}
