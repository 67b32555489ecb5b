/* Calls that go wrong, one way after another: `failures WHAT [MAIL]` prints a line for each
 * error, and at the end "then: 9", the answer of a good call: nothing else is lost. */
#include <signal.h>
#include <sys/wait.h>

#include "tests/e2e/programs/say.h"

REEVE_REMOTE(int64_t, square, (int64_t, x))
{
    return x * x;
}

REEVE_REMOTE(int64_t, crash, (reeve_string, mail))
{
    report(mail, "crash %d", getpid());
    signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make a finding of it */
    raise(SIGSEGV);
    return 0;
}

REEVE_REMOTE(int64_t, leave, (reeve_string, mail), (int64_t, status))
{
    report(mail, "leave %d", getpid());
    exit((int)status);
}

REEVE_REMOTE(int64_t, never_return, (reeve_string, mail))
{
    report(mail, "never_return %d", getpid());
    for (;;)
        pause();
}

/* Dies the first time, and leaves a file to know that by. */
REEVE_REMOTE(int64_t, die_once, (reeve_string, mail), (reeve_string, file), (int64_t, x))
{
    report(mail, "die_once %d", getpid());
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        kill(getpid(), SIGKILL);
    return x + 1;
}

REEVE_REMOTE(reeve_bytes, large, (int64_t, size))
{
    char *bytes = reeve_alloc((size_t)size);
    if (!bytes)
        reeve_fail(12, "no memory for %lld bytes", (long long)size);
    else
        memset(bytes, 7, (size_t)size);
    return (reeve_bytes){bytes, bytes ? (size_t)size : 0};
}

REEVE_REMOTE(int64_t, refuse, (int64_t, x))
{
    reeve_fail(77, "%d is no good", (int)x);
    return 5;
}

REEVE_REMOTE(int64_t, from_file, (reeve_string, text), (int64_t, x))
{
    return (int64_t)strlen(text) + x;
}

/* Starts a process that would run for ever, and waits. */
REEVE_REMOTE(int64_t, spawn_and_wait, (reeve_string, mail))
{
    pid_t child = fork();
    if (child == 0) {
        for (;;)
            pause();
    }
    report(mail, "spawned %d", child);
    for (;;)
        pause();
}

static void good_call(void)
{
    int64_t y;
    int code = square_get(square_remote(3), &y);
    if (code != REEVE_OK)
        say_error("then", code);
    else
        printf("then: %" PRId64 "\n", y);
}

static void submit(const char *what, const char *function, const void *args, size_t size)
{
    reeve_future future;
    reeve_packed result;
    reeve_submission call = {
        .size = sizeof call, .function = function, .args = args, .args_size = size};
    int code = reeve_submit(&call, &future);
    if (code == REEVE_OK) {
        code = reeve_get_packed(future, REEVE_FOREVER, &result);
        if (code == REEVE_OK)
            reeve_free(result.bytes);
    }
    say_error(what, code);
}

#define ARGS(literal) (literal), sizeof(literal) - 1

static void arguments(void)
{
    char deep[100];
    submit("unknown function", "squaer", ARGS("\x91\x01"));
    submit("wrong type", "square",
        ARGS("\x91\xa3"
             "abc"));
    submit("wrong type of second", "from_file", ARGS("\x92\xa1x\xa1y"));
    submit("too large for int64", "square", ARGS("\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    submit("too few", "from_file", ARGS("\x91\xa1x"));
    submit("too many", "square", ARGS("\x92\x01\x02"));
    submit("none", "square", ARGS("\x90"));
    memset(deep, 0x91, sizeof deep);
    deep[sizeof deep - 1] = 1;
    submit("too deep", "square", deep, sizeof deep);
    submit("truncated", "square", ARGS("\x91\xda\xff"));
    submit("bytes left over", "square", ARGS("\x91\x01\x02"));
    submit("not an array", "square", ARGS("\x01"));
    submit("nothing", "square", NULL, 0);
}

static void call_crash(const char *mail)
{
    int64_t y;
    say_error("crash",
        crash_get(
            crash_remote_opts(REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES), mail), &y));
}

static void crash_retried(const char *mail)
{
    int64_t y;
    say_error("crash", crash_get(crash_remote(mail), &y));
}

static void call_leave(const char *mail)
{
    int64_t y;
    const reeve_task_options *once = REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES);
    say_error("exit 0", leave_get(leave_remote_opts(once, mail, 0), &y));
    say_error("exit 3", leave_get(leave_remote_opts(once, mail, 3), &y));
}

static void time_limit(const char *mail)
{
    int64_t y;
    say_error(
        "timeout", never_return_get(
                       never_return_remote_opts(REEVE_TASK_OPTIONS(.timeout_ms = 300), mail), &y));
}

static void worker_dies(const char *mail)
{
    char file[600];
    int64_t y = 0;
    snprintf(file, sizeof file, "%s.died", mail);
    say_error("die once", die_once_get(die_once_remote(mail, file, 41), &y));
    printf("answer: %" PRId64 "\n", y);
}

static void too_large(void)
{
    reeve_bytes bytes;
    /* the test gives a store of 16 MiB */
    say_error("large", large_get(large_remote(64 << 20), &bytes));
    char *block = calloc(1, 64 << 20);
    reeve_future_reeve_bytes put = reeve_put_bytes(block, 64 << 20);
    say_error("put", reeve_get(reeve_bytes, put, &bytes));
    free(block);
}

static void fails(void)
{
    int64_t y;
    say_error("fail", refuse_get(refuse_remote(4), &y));
    refuse_future first = refuse_remote(5);
    square_future second = reeve_call(square, first);
    reeve_release(first);
    say_error("of a future", square_get(second, &y));
    say_error("stale", square_get(second, &y));
    say_error("never a future", square_get((square_future){0}, &y));
    say_error("infeasible",
        /* not when inline */
        square_get(square_remote_opts(REEVE_TASK_OPTIONS(.cpus = 999), 1), &y));
    say_error("bad option", square_get(square_remote_opts(REEVE_TASK_OPTIONS(.cpus = -1), 1), &y));
}

static void forked(void)
{
    int64_t y;
    square_future mine = square_remote(4);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int64_t z;
        say_error("child get", square_get(mine, &z));
        say_error("child call", square_get(square_remote(1), &z));
        reeve_shutdown(); /* must not take the parent's cluster down */
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("child ended with %d\n", status);
    int code = square_get(mine, &y);
    if (code == REEVE_OK)
        printf("parent: %" PRId64 "\n", y);
    else
        say_error("parent", code);
}

static void spawns(const char *mail)
{
    int64_t y;
    say_error("spawn", spawn_and_wait_get(spawn_and_wait_remote(mail), &y));
}

static void before_init(void)
{
    int64_t y;
    say_error("before init", square_get(square_remote(1), &y));
}

static void after_shutdown(int argc, char **argv)
{
    int64_t y;
    square_future left = square_remote(2);
    say_error("second init", reeve_init(argc, argv, NULL));
    good_call();
    reeve_shutdown();
    say_error("call", square_get(square_remote(1), &y));
    say_error("get", square_get(left, &y));
    reeve_shutdown();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "", *mail = argc > 2 ? argv[2] : "";
    if (strcmp(what, "before_init") == 0 && !getenv("REEVE_WORKER"))
        before_init();
    int code = reeve_init(argc, argv, NULL);
    if (code != REEVE_OK) {
        say_error("init", code);
        return 1;
    }
    if (strcmp(what, "arguments") == 0)
        arguments();
    else if (strcmp(what, "crash") == 0)
        call_crash(mail);
    else if (strcmp(what, "crash_retried") == 0)
        crash_retried(mail);
    else if (strcmp(what, "exit") == 0)
        call_leave(mail);
    else if (strcmp(what, "timeout") == 0)
        time_limit(mail);
    else if (strcmp(what, "worker_dies") == 0)
        worker_dies(mail);
    else if (strcmp(what, "too_large") == 0)
        too_large();
    else if (strcmp(what, "fails") == 0)
        fails();
    else if (strcmp(what, "forked") == 0)
        forked();
    else if (strcmp(what, "spawns") == 0)
        spawns(mail);
    if (strcmp(what, "after_shutdown") == 0) {
        after_shutdown(argc, argv);
    } else {
        good_call();
        reeve_shutdown();
    }
    return 0;
}
