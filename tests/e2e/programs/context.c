/* What a function knows of its task, and tells of it: `context WHAT [MAIL GATE [TASKS]]` prints
 * "ok WHAT", or says what is wrong. */
#include <pthread.h>
#include <signal.h>

#include "tests/e2e/programs/say.h"

static bool is_inline_mode;

/* ---- the context ----------------------------------------------------------------------------- */

/* What a task has found, as values that travel. */
REEVE_STRUCT(found, (uint64_t, job), (uint64_t, owner), (uint64_t, task), (uint64_t, inside_owner),
    (uint64_t, inside_task), (uint64_t, actor_owner), (uint64_t, actor_number),
    (int64_t, time_left_ms), (double, cpus), (uint64_t, done), (uint64_t, total),
    (uint32_t, attempt), (uint32_t, node), (uint32_t, depth), (int32_t, pid), (bool, is_right))

static found look(const char *function)
{
    reeve_context c;
    found none = {0};
    if (reeve_get_context(&c) != REEVE_OK)
        return none;
    return (found){c.job, c.owner, c.task, c.inside_owner, c.inside_task, c.actor_owner,
        c.actor_number, c.time_left_ms, c.cpus, c.progress_done, c.progress_total, c.attempt,
        c.node, c.depth, c.pid, strcmp(c.function, function) == 0 && c.pid == (int32_t)getpid()};
}

REEVE_REMOTE(found, plain, (int64_t, x))
{
    (void)x;
    return look("plain");
}

REEVE_REMOTE(found, reports, (int64_t, x))
{
    reeve_progress((uint64_t)x, 10);
    return look("reports");
}

/* The child is run on the spot: see reeve_wait. What is seen before, inside, and after. */
REEVE_REMOTE(int64_t, parent, (int64_t, x))
{
    found before = look("parent"), inside, after;
    (void)x;
    reeve_progress(1, 4);
    NEED(reports_get(reports_remote(7), &inside) == REEVE_OK);
    after = look("parent");
    NEED(before.is_right && inside.is_right && after.is_right);
    NEED(before.depth == 0 && inside.depth == 1 && after.depth == 0);
    NEED(before.inside_owner == 0 && before.inside_task == 0);
    NEED(inside.inside_owner == before.owner && inside.inside_task == before.task);
    NEED(inside.task != before.task || inside.owner != before.owner);
    NEED(inside.done == 7 && inside.total == 10);
    NEED(after.task == before.task && after.owner == before.owner);
    NEED(is_inline_mode || (after.done == 1 && after.total == 4));
    NEED(inside.job == before.job && inside.pid == before.pid && inside.attempt == 1);
    return 1;
}

static void *in_a_thread(void *arg)
{
    reeve_context context;
    int *codes = arg;
    codes[0] = reeve_get_context(&context);
    codes[1] = reeve_progress(1, 2);
    return NULL;
}

REEVE_REMOTE(int64_t, with_thread, (int64_t, x))
{
    pthread_t thread;
    int codes[2] = {0};
    (void)x;
    NEED(pthread_create(&thread, NULL, in_a_thread, codes) == 0);
    pthread_join(thread, NULL);
    NEED(codes[0] == REEVE_EINVAL && codes[1] == REEVE_EINVAL);
    return 1;
}

REEVE_REMOTE(found, dies_once, (int64_t, x))
{
    found seen = look("dies_once");
    (void)x;
    if (seen.attempt == 1)
        kill(getpid(), SIGKILL);
    return seen;
}

REEVE_ACTOR(thing, (int64_t, value))
REEVE_CONSTRUCTOR(thing, (int64_t, value))
{
    self->value = value;
    return look("thing_new").actor_number != 0 ? REEVE_OK : REEVE_EINVAL;
}
REEVE_METHOD(found, thing, seen, (int64_t, x))
{
    (void)x;
    return look("thing_seen");
}

static void check_actor(void)
{
    found seen;
    thing_ref actor = thing_create(1);
    NEED(thing_seen_get(thing_seen_remote(actor, 1), &seen) == REEVE_OK && seen.is_right);
    NEED(seen.actor_number != 0);
    NEED(seen.actor_number == reeve_untyped_actor(actor).number);
    NEED(seen.actor_owner == reeve_untyped_actor(actor).owner);
    reeve_actor_release(actor);
}

static void run_context(char **args)
{
    reeve_context context;
    found a, b;
    int64_t one;
    (void)args;
    NEED(reeve_get_context(&context) == REEVE_EINVAL);
    NEED(strstr(reeve_last_error()->message, "in no task") != NULL);
    NEED(reeve_progress(1, 2) == REEVE_EINVAL);
    const reeve_task_options *options = REEVE_TASK_OPTIONS(.cpus = 0.5, .timeout_ms = 60000);
    NEED(plain_get(plain_remote_opts(options, 1), &a) == REEVE_OK && a.is_right);
    NEED(plain_get(plain_remote(2), &b) == REEVE_OK && b.is_right);
    NEED(a.task != b.task && a.owner == b.owner && a.job == b.job);
    NEED(a.attempt == 1 && a.depth == 0 && a.actor_owner == 0 && a.actor_number == 0);
    NEED(a.done == 0 && a.total == 0 && b.cpus == 1 && b.time_left_ms == REEVE_FOREVER);
    if (!is_inline_mode) {
        NEED(a.job != 0 && a.job == a.owner && a.node != 0 && a.pid != (int32_t)getpid());
        NEED(a.cpus == 0.5 && a.time_left_ms > 0 && a.time_left_ms <= 60000);
        NEED(dies_once_get(dies_once_remote(1), &b) == REEVE_OK && b.attempt == 2);
    }
    NEED(parent_get(parent_remote(1), &one) == REEVE_OK);
    NEED(with_thread_get(with_thread_remote(1), &one) == REEVE_OK);
    check_actor();
}

/* ---- functions that fail --------------------------------------------------------------------- */

/* Fails in all its attempts but that one. */
REEVE_REMOTE(int64_t, succeeds_at, (int64_t, attempt))
{
    found seen = look("succeeds_at");
    if (seen.attempt != attempt)
        reeve_fail(seen.attempt, "attempt %u is too early", seen.attempt);
    return seen.attempt;
}

REEVE_REMOTE(int64_t, dies_and_fails, (int64_t, x))
{
    found seen = look("dies_and_fails");
    if (seen.attempt == 1)
        kill(getpid(), SIGKILL);
    if (seen.attempt < 4)
        reeve_fail(x, "not yet");
    return seen.attempt;
}

REEVE_STREAM(int64_t, counts_and_fails, (int64_t, count))
{
    found seen = look("counts_and_fails");
    for (int64_t i = 0; i < count; i++)
        if (counts_and_fails_yield(i) != REEVE_OK)
            return;
    if (seen.attempt < 3)
        reeve_fail(3, "at the end");
}

REEVE_REMOTE_RESULTS(two_at, ((int64_t, a), (int64_t, b)), (int64_t, attempt))
{
    results->a = results->b = succeeds_at(attempt);
}

/* The child fails on the spot, where its parent waits for it; and again, elsewhere or there. */
REEVE_REMOTE(int64_t, of_child, (int64_t, attempt))
{
    int64_t y = 0;
    if (succeeds_at_get(
            succeeds_at_remote_opts(
                REEVE_TASK_OPTIONS(.retry_failures = 3, .retry_pause_ms = REEVE_NO_PAUSE), attempt),
            &y) != REEVE_OK)
        reeve_fail(reeve_last_error()->user_code, "%s", reeve_last_error()->message);
    return y;
}

static void run_retried(char **args)
{
    int64_t y = 0;
    const reeve_task_options *at_once =
        REEVE_TASK_OPTIONS(.retry_failures = 3, .retry_pause_ms = REEVE_NO_PAUSE);
    const reeve_task_options *after_a_while =
        REEVE_TASK_OPTIONS(.retry_failures = 3, .retry_pause_ms = 1);
    (void)args;
    NEED(succeeds_at_get(succeeds_at_remote_opts(at_once, 4), &y) == REEVE_OK && y == 4);
    NEED(succeeds_at_get(succeeds_at_remote_opts(after_a_while, 4), &y) == REEVE_OK && y == 4);
    NEED(succeeds_at_get(succeeds_at_remote(2), &y) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->attempt == 1);
    /* what it says in the end is what it failed with last */
    NEED(succeeds_at_get(succeeds_at_remote_opts(after_a_while, 5), &y) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->attempt == 4 && reeve_last_error()->user_code == 4);
    NEED(strcmp(reeve_last_error()->message, "attempt 4 is too early") == 0);
    two_at_results both;
    NEED(two_at_get(two_at_remote_opts(at_once, 3), &both) == REEVE_OK && both.b == 3);
    NEED(of_child_get(of_child_remote(3), &y) == REEVE_OK && y == 3);
    NEED(of_child_get(of_child_remote(9), &y) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->user_code == 4);
    int64_t attempts[3] = {1, 2, 3};
    succeeds_at_future futures[3];
    NEED(succeeds_at_remote_many_opts(at_once, 3, attempts, futures) == REEVE_OK);
    NEED(succeeds_at_get_many(futures, 3, attempts, NULL) == REEVE_OK && attempts[2] == 3);
    thing_ref actor = thing_create(1);
    found seen;
    NEED(thing_seen_get(thing_seen_remote_opts(at_once, actor, 1), &seen) == REEVE_EINVAL);
    NEED(strstr(reeve_last_error()->message, "retry_failures is not for thing_seen") != NULL);
    reeve_actor_release(actor);
    if (is_inline_mode)
        return;
    NEED(dies_and_fails_get(dies_and_fails_remote_opts(at_once, 1), &y) == REEVE_OK && y == 4);
    counts_and_fails_stream stream = counts_and_fails_remote_opts(after_a_while, 3);
    int64_t item, count = 0;
    int rc;
    while ((rc = counts_and_fails_next(stream, &item)) == REEVE_OK)
        NEED(item == count++);
    NEED(rc == REEVE_EEND && count == 3);
}

/* ---- progress -------------------------------------------------------------------------------- */

REEVE_REMOTE(int64_t, held, (int64_t, number), (reeve_string, mail), (reeve_string, gate))
{
    reeve_progress(1, 10);
    reeve_progress((uint64_t)number, 10); /* the last word counts */
    report(mail, "held %" PRId64 " %d", number, getpid());
    wait_at(gate);
    return number;
}

/* Asks until all have said how far they are: then each has its own. */
static void run_progress(char **args)
{
    int count = (int)strtol(args[2], NULL, 10);
    held_future futures[16];
    uint64_t done, total;
    int64_t y;
    NEED(count > 0 && count <= 16);
    for (int i = 0; i < count; i++)
        futures[i] = held_remote(i + 2, args[0], args[1]);
    for (int i = 0; i < count; i++)
        do
            NEED(reeve_get_progress(futures[i], &done, &total) == REEVE_OK);
        while (total == 0 || done == 1);
    for (int i = 0; i < count; i++) {
        NEED(reeve_get_progress(futures[i], &done, &total) == REEVE_OK);
        NEED(done == (uint64_t)i + 2 && total == 10);
    }
    report(args[0], "seen");
    NEED(reeve_wait(futures, (size_t)count, (size_t)count, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    NEED(reeve_get_progress(futures[0], &done, &total) == REEVE_OK && done == 0 && total == 0);
    for (int i = 0; i < count; i++)
        NEED(held_get(futures[i], &y) == REEVE_OK && y == i + 2);
    NEED(reeve_get_progress(futures[0], &done, &total) == REEVE_EHANDLE);
}

/* The node where it runs is stopped meanwhile. */
static void run_unreachable(char **args)
{
    held_future future = held_remote(3, args[0], args[1]);
    uint64_t done = 9, total = 9;
    int64_t y;
    int code;
    do
        NEED(reeve_get_progress(future, &done, &total) == REEVE_OK);
    while (total == 0);
    report(args[0], "seen");
    do
        code = reeve_get_progress(future, &done, &total);
    while (code == REEVE_OK);
    NEED(code == REEVE_EUNREACHABLE && done == 3 && total == 10);
    report(args[0], "unreachable");
    NEED(held_get(future, &y) == REEVE_OK && y == 3);
}

/* ---- files ----------------------------------------------------------------------------------- */

static const char *write_file(int64_t number)
{
    char path[5000];
    const char *folder = reeve_scratch_folder();
    NEED(folder != NULL && folder == reeve_scratch_folder());
    snprintf(path, sizeof path, "%s/file %" PRId64, folder, number);
    FILE *file = fopen(path, "wxe");
    NEED(file != NULL && fputs("passing", file) >= 0 && fclose(file) == 0);
    return folder;
}

REEVE_REMOTE(reeve_string, leaf, (int64_t, number))
{
    return write_file(number);
}

/* The child's is another folder, and gone before this one's. */
REEVE_REMOTE(reeve_string, with_files, (int64_t, number))
{
    const char *own = write_file(number), *other = NULL;
    NEED(leaf_get(leaf_remote(number), &other) == REEVE_OK);
    NEED(strcmp(own, other) != 0 && access(other, F_OK) != 0 && access(own, F_OK) == 0);
    reeve_free(other);
    return own;
}

REEVE_REMOTE(int64_t, holds_files, (int64_t, number), (reeve_string, mail), (reeve_string, gate))
{
    report(mail, "files %d %s", getpid(), write_file(number));
    wait_at(gate);
    return number;
}

static void run_files(char **args)
{
    const char *path;
    (void)args;
    NEED(reeve_scratch_folder() == NULL && reeve_last_error()->code == REEVE_EINVAL);
    for (int i = 0; i < 10; i++) {
        NEED(with_files_get(with_files_remote(i), &path) == REEVE_OK);
        NEED(access(path, F_OK) != 0); /* before the caller has its result */
        printf("%s\n", path);
        reeve_free(path);
    }
}

static void run_held_files(char **args)
{
    int64_t y;
    NEED(holds_files_get(holds_files_remote(1, args[0], args[1]), &y) == REEVE_OK && y == 1);
}

REEVE_REMOTE(int64_t, no_folder, (int64_t, number))
{
    NEED(reeve_scratch_folder() == NULL && reeve_last_error()->code == REEVE_ESYSTEM);
    NEED(strstr(reeve_last_error()->message, "/gone") != NULL);
    return number;
}

static void run_no_folder(char **args)
{
    int64_t y;
    (void)args;
    NEED(no_folder_get(no_folder_remote(1), &y) == REEVE_OK && y == 1);
}

/* ---- what has run when ----------------------------------------------------------------------- */

REEVE_REMOTE(int64_t, naps, (int64_t, ms))
{
    usleep((useconds_t)ms * 1000);
    return ms;
}

REEVE_REMOTE(int64_t, brief, (int64_t, x))
{
    return x;
}

REEVE_REMOTE(int64_t, naps_and_fails, (int64_t, ms))
{
    usleep((useconds_t)ms * 1000);
    reeve_fail(1, "on purpose");
    return 0;
}

/* Runs some itself, then waits for one that it may not. */
REEVE_REMOTE(int64_t, naps_inside, (int64_t, count))
{
    const reeve_task_options *beside = REEVE_TASK_OPTIONS(.never_inline = 1);
    int64_t y;
    for (int64_t i = 0; i < count; i++)
        NEED(naps_get(naps_remote(2), &y) == REEVE_OK);
    NEED(naps_get(naps_remote_opts(beside, 100), &y) == REEVE_OK);
    return count;
}

static void run_timeline(char **args)
{
    enum { MANY = 3000 };
    naps_future naps[40];
    brief_future many[MANY];
    int64_t numbers[MANY] = {0}, y;
    for (int i = 0; i < 40; i++)
        naps[i] = naps_remote(3);
    for (int i = 0; i < 40; i++)
        NEED(naps_get(naps[i], &y) == REEVE_OK);
    NEED(naps_and_fails_get(naps_and_fails_remote(3), &y) == REEVE_EFUNCTION);
    NEED(naps_inside_get(naps_inside_remote(5), &y) == REEVE_OK);
    NEED(brief_remote_many(MANY, numbers, many) == REEVE_OK);
    NEED(brief_get_many(many, MANY, numbers, NULL) == REEVE_OK);
    usleep(200000); /* workers spin for some microseconds, then they sleep: what comes is timed */
    NEED(dies_once_get(dies_once_remote(1), &(found){0}) == REEVE_OK);
    NEED(held_get(held_remote(1, args[0], args[1]), &y) == REEVE_OK);
}

/* Makes some, of which it runs none itself, and is held when they have ended. */
REEVE_REMOTE(int64_t, makes, (reeve_string, mail), (reeve_string, gate))
{
    const reeve_task_options *beside = REEVE_TASK_OPTIONS(.never_inline = 1);
    naps_future naps[4];
    int64_t y;
    for (int i = 0; i < 4; i++)
        naps[i] = naps_remote_opts(beside, 100);
    for (int i = 0; i < 4; i++)
        NEED(naps_get(naps[i], &y) == REEVE_OK);
    report(mail, "makes");
    wait_at(gate);
    return 1;
}

static void run_makes(char **args)
{
    int64_t y;
    NEED(makes_get(makes_remote(args[0], args[1]), &y) == REEVE_OK && y == 1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

REEVE_REMOTE(int64_t, begins, (int64_t, ms))
{
    int64_t begin_ns = now_ns();
    usleep((useconds_t)ms * 1000);
    return begin_ns;
}

/* COUNT calls of MS each, one every 20 ms: says when each has begun, and after which wait. One
 * more needs the last of them. */
static void run_waits(char **args)
{
    enum { MANY = 32 };
    int count = (int)strtol(args[0], NULL, 10);
    int64_t ms = strtol(args[1], NULL, 10), called_ns[MANY], begun_ns[MANY];
    begins_future calls[MANY];
    NEED(count <= MANY);
    for (int i = 0; i < count; i++) {
        called_ns[i] = now_ns();
        calls[i] = begins_remote(ms);
        usleep(20000);
    }
    brief_future last = reeve_call(brief, calls[count - 1]); /* which it takes */
    for (int i = 0; i < count; i++) {
        NEED(i == count - 1 || begins_get(calls[i], &begun_ns[i]) == REEVE_OK);
        NEED(i < count - 1 || brief_get(last, &begun_ns[i]) == REEVE_OK);
    }
    for (int i = 0; i < count; i++)
        printf("waited %" PRId64 " %" PRId64 "\n", begun_ns[i],
            (begun_ns[i] - called_ns[i]) / 1000000);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void *log_many(void *arg)
{
    for (int i = 0; i < 100; i++)
        reeve_log(REEVE_INFO, "thread %d line %d %.*s.", *(int *)arg, i, i % 60,
            "----------------------------------------------------------------");
    return NULL;
}

REEVE_REMOTE(int64_t, logs, (int64_t, number))
{
    char text[4000];
    pthread_t threads[4];
    int numbers[4] = {0, 1, 2, 3};
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    fprintf(stderr, "half a line");
    reeve_log(REEVE_DEBUG, "debug %" PRId64, number);
    reeve_log(REEVE_INFO, "two\nlines\x01\n");
    reeve_log(REEVE_WARNING, "watch out \"%s\"", "now");
    reeve_log(REEVE_ERROR, "%s", text);
    fprintf(stderr, "and the rest\n");
    for (int i = 0; i < 4; i++)
        NEED(pthread_create(&threads[i], NULL, log_many, &numbers[i]) == 0);
    for (int i = 0; i < 100; i++)
        fprintf(stderr, "plain %d.\n", i);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return number;
}

static void run_log(char **args)
{
    int64_t y;
    (void)args;
    reeve_log(REEVE_WARNING, "from the driver: %d", 17);
    NEED(logs_get(logs_remote(5), &y) == REEVE_OK && y == 5);
}

REEVE_REMOTE(int64_t, complains, (int64_t, count))
{
    for (int64_t i = 0; i < count; i++)
        reeve_log(REEVE_ERROR, "complaint %" PRId64, i);
    return count;
}

static void run_complaints(char **args)
{
    int64_t y;
    (void)args;
    NEED(complains_get(complains_remote(2000), &y) == REEVE_OK);
}

static const struct kind {
    const char *name;
    void (*run)(char **args);
} kinds[] = {
    {"context", run_context},
    {"retried", run_retried},
    {"progress", run_progress},
    {"unreachable", run_unreachable},
    {"files", run_files},
    {"held_files", run_held_files},
    {"no_folder", run_no_folder},
    {"timeline", run_timeline},
    {"waits", run_waits},
    {"makes", run_makes},
    {"log", run_log},
    {"complaints", run_complaints},
};

int main(int argc, char **argv)
{
    const char *mode = getenv("REEVE_MODE");
    is_inline_mode = mode != NULL && strcmp(mode, "inline") == 0;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc >= 2 && say_run(kinds, argv[1], argv + 2));
    printf("ok %s\n", argv[1]);
    reeve_shutdown();
    return 0;
}
