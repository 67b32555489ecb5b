/* Tasks that wait for their children, and tasks that wait for each other: `waiting WHAT [NUMBER]`
 * prints "ok WHAT", or says what is wrong. */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "tests/e2e/programs/say.h"

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- functions ------------------------------------------------------------------------------- */

/* Adds a mark to the file; returns how many there are now. */
static int64_t note(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1)
        _exit(97);
    int64_t count = lseek(fd, 0, SEEK_CUR);
    close(fd);
    return count;
}

/* Each process notes once that it was there. */
static void note_process(void)
{
    static bool noted;
    if (!noted && getenv("WAITING_PROCESSES") != NULL)
        note(getenv("WAITING_PROCESSES"));
    noted = true;
}

/* Both calls are remote. */
REEVE_REMOTE(int64_t, fib, (int64_t, n))
{
    int64_t a, b;
    note_process();
    if (n < 2)
        return n;
    fib_future first = reeve_call(fib, n - 1), second = reeve_call(fib, n - 2);
    if (fib_get(first, &a) != REEVE_OK || fib_get(second, &b) != REEVE_OK)
        reeve_fail(1, "%s", reeve_last_error()->message);
    return a + b;
}

/* A child within a child, n deep. */
REEVE_REMOTE(int64_t, descend, (int64_t, n))
{
    int64_t below;
    note_process();
    if (n == 0)
        return 0;
    if (descend_get(descend_remote(n - 1), &below) != REEVE_OK)
        reeve_fail(reeve_last_error()->code, "%s", reeve_last_error()->message);
    return below + 1;
}

/* The same with children that cannot be run on the spot; how: 0 they refuse, 1 they have a time
 * limit, 2 they are of another class, 3 it is enough that one of two is there. The answer to an
 * error is its code. */
REEVE_REMOTE(int64_t, descend_alone, (int64_t, n), (int64_t, how))
{
    const reeve_task_options *options[] = {REEVE_TASK_OPTIONS(.never_inline = 1),
        REEVE_TASK_OPTIONS(.timeout_ms = 60000), REEVE_TASK_OPTIONS(.cpus = n % 2 ? 0.5 : 1)};
    int64_t below;
    if (n <= 0) /* it may be the code of what it waited for (how 3): that is no depth */
        return 0;
    descend_alone_future child = descend_alone_remote_opts(options[how % 3], n - 1, how);
    if (how == 3) {
        descend_alone_future both[2] = {child, reeve_call(descend_alone, child, 0)};
        int code = reeve_wait(both, 2, 1, REEVE_FOREVER, NULL, NULL);
        reeve_release(both[1]);
        if (code != REEVE_OK)
            return code;
    }
    int code = descend_alone_get(child, &below);
    if (code != REEVE_OK)
        fprintf(stderr, "%s\n", reeve_last_error()->message);
    return code != REEVE_OK ? code : below < 0 ? below : below + 1;
}

/* How many functions of a tree have run: each calls `width` more, none of which it can run, because
 * they refuse or take half a cpu. */
REEVE_REMOTE(int64_t, tree, (int64_t, depth), (int64_t, width), (bool, half))
{
    const reeve_task_options *options =
        REEVE_TASK_OPTIONS(.never_inline = 1, .cpus = half ? 0.5 : 1);
    tree_future children[16];
    int64_t sum = 1;
    for (int64_t i = 0; depth > 0 && i < width; i++)
        children[i] = tree_remote_opts(options, depth - 1, width, half);
    for (int64_t i = 0; depth > 0 && i < width; i++) {
        int64_t below;
        if (tree_get(children[i], &below) != REEVE_OK)
            return reeve_fail(1, "%s", reeve_last_error()->message), 0;
        sum += below;
    }
    return sum;
}

static void *get_descent(void *arg)
{
    int64_t below;
    return descend_get(descend_remote(3), &below) == REEVE_OK && below == 3 ? arg : NULL;
}

/* Its main thread waits for another thread, and that one for a child. */
REEVE_REMOTE(int64_t, wait_in_thread, (int64_t, x))
{
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, get_descent, &x);
    pthread_join(thread, &result);
    return result == &x ? x : -1;
}

REEVE_REMOTE(int64_t, add, (int64_t, a), (int64_t, b))
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

REEVE_REMOTE(int64_t, my_pid, (int64_t, x))
{
    (void)x;
    return getpid();
}

/* Where a child of each kind runs, while its parent waits: 1 here, 0 elsewhere. */
REEVE_REMOTE(int64_t, where_children_run, (int64_t, limit_ms))
{
    const reeve_task_options *options[] = {NULL, REEVE_TASK_OPTIONS(.cpus = 0.5),
        REEVE_TASK_OPTIONS(.timeout_ms = 60000), REEVE_TASK_OPTIONS(.never_inline = 1)};
    int64_t pid, answer = 0;
    for (int i = 0; i < 4; i++) {
        if (my_pid_get_timeout(my_pid_remote_opts(options[i], 1), limit_ms, &pid) != REEVE_OK)
            reeve_fail(1, "%s", reeve_last_error()->message);
        answer = answer * 10 + (pid == getpid());
    }
    return answer;
}

/* Brings its process down, the first `crashes` times. */
REEVE_REMOTE(int64_t, crash, (reeve_string, path), (int64_t, crashes))
{
    int64_t count = note(path);
    if (count <= crashes)
        kill(getpid(), SIGKILL);
    return count;
}

REEVE_REMOTE(int64_t, with_crash, (reeve_string, path), (reeve_string, child_path), (int64_t, n))
{
    int64_t count;
    note(path);
    int code = crash_get(crash_remote(child_path, n), &count);
    return code == REEVE_OK ? count : code;
}

/* ---- recursion ------------------------------------------------------------------------------- */

static int64_t number_of(const char *argument, int64_t otherwise)
{
    return *argument != 0 ? strtoll(argument, NULL, 10) : otherwise;
}

static void fibonacci(const char *argument)
{
    int64_t n = number_of(argument, 20), y, expected = 0, next = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t sum = expected + next;
        expected = next;
        next = sum;
    }
    double begin = seconds();
    NEED(fib_get(fib_remote(n), &y) == REEVE_OK);
    NEED(y == expected);
    fprintf(stderr, "%.3f s\n", seconds() - begin);
}

static void deep(const char *argument)
{
    int64_t n = number_of(argument, 10000), y;
    double begin = seconds();
    int code = descend_get(descend_remote(n), &y);
    if (code != REEVE_OK)
        say_error("deep", code);
    NEED(code == REEVE_OK && y == n);
    fprintf(stderr, "%.3f s\n", seconds() - begin);
}

static void rules(const char *argument)
{
    int64_t y;
    (void)argument;
    NEED(where_children_run_get(where_children_run_remote(REEVE_FOREVER), &y) == REEVE_OK);
    if (y != 1000)
        printf("%" PRId64 "\n", y);
    NEED(where_children_run_get(where_children_run_remote(20000), &y) == REEVE_OK);
    NEED(y == 0);
}

/* What a child does to its process is not its parent's fault: a parent that may be lost once, whose
 * child is lost as often as it may be and more. */
static void crashes(const char *argument)
{
    char parent[512], child[512];
    int64_t y;
    const reeve_task_options *options = REEVE_TASK_OPTIONS(.max_retries = 1);
    snprintf(parent, sizeof(parent), "%s.parent", argument);
    snprintf(child, sizeof(child), "%s.child", argument);
    with_crash_future some = with_crash_remote_opts(options, parent, child, 3);
    NEED(with_crash_get(some, &y) == REEVE_OK && y == 4);
    bool alone = getenv("WAITING_ALONE") != NULL; /* else another worker may take the child first */
    NEED(note(parent) == 3 || !alone);            /* twice, and we */
    NEED(unlink(parent) == 0 && unlink(child) == 0);
    with_crash_future all = with_crash_remote_opts(options, parent, child, 1000);
    NEED(with_crash_get(all, &y) == REEVE_OK && y == REEVE_EWORKERDIED);
    int64_t parents = note(parent), children = note(child);
    /* the parent's worker may still have had a lease, by which another took the child */
    NEED(parents == 3 || parents == 2);
    NEED(children ==
         parents + 3); /* on the spot where the parent died of it; four times elsewhere */
    NEED(unlink(parent) == 0 && unlink(child) == 0);
    options = REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES);
    with_crash_future once = with_crash_remote_opts(options, parent, child, 1);
    int code = with_crash_get(once, &y);
    NEED(code == REEVE_EWORKERDIED || code == REEVE_OK); /* likewise */
    NEED(note(parent) == 2 && note(child) >= 2);
}

/* ---- no way out ---- */

/* Deeper than there may be processes. */
static void deadlock(const char *argument)
{
    int64_t how = number_of(argument, 0), y;
    NEED(descend_alone_get(descend_alone_remote(3, how), &y) == REEVE_OK && y == 3);
    NEED(descend_alone_get(descend_alone_remote(20, how), &y) == REEVE_OK);
    if (y != REEVE_EDEADLK)
        printf("%" PRId64 "\n", y);
    NEED(y == REEVE_EDEADLK);
    NEED(descend_alone_get(descend_alone_remote(3, how), &y) == REEVE_OK && y == 3);
}

/* Much deeper than there is stack. */
static void too_deep(const char *argument)
{
    int64_t y;
    (void)argument;
    NEED(descend_get(descend_remote(1000000), &y) == REEVE_EFUNCTION);
    NEED(strstr(reeve_last_error()->message, "descend waits for descend") != NULL);
    NEED(descend_get(descend_remote(10), &y) == REEVE_OK && y == 10);
}

/* Many more tasks that wait than there may be processes: what has been begun is finished first. */
static void wide(const char *argument)
{
    tree_future futures[100];
    bool half = number_of(argument, 0) != 0;
    int64_t y;
    for (int i = 0; i < 100; i++)
        futures[i] = tree_remote(1, 1, half);
    for (int i = 0; i < 100; i++)
        NEED(tree_get(futures[i], &y) == REEVE_OK && y == 2);
    NEED(tree_get(tree_remote(3, 6, half), &y) == REEVE_OK && y == 1 + 6 + 36 + 216);
}

static void in_thread(const char *argument)
{
    int64_t y;
    (void)argument;
    NEED(wait_in_thread_get(wait_in_thread_remote(7), &y) == REEVE_OK && y == 7);
}

/* ---- graphs ---------------------------------------------------------------------------------- */

static void chain(const char *argument)
{
    int64_t n = number_of(argument, 10000), y;
    add_future last = add_remote(0, 0);
    for (int64_t i = 0; i < n; i++) {
        add_future next = reeve_call(add, last, 1);
        NEED(reeve_release(last) == REEVE_OK);
        last = next;
    }
    NEED(add_get(last, &y) == REEVE_OK && y == n);
}

/* 1 → n → 1, where the last sums up a tree of pairs. */
static void fans(const char *argument)
{
    int64_t n = number_of(argument, 10000), y;
    add_future *row = calloc((size_t)n, sizeof(*row)), root = add_remote(1, 0);
    for (int64_t i = 0; i < n; i++)
        row[i] = reeve_call(add, root, i);
    NEED(reeve_release(root) == REEVE_OK);
    for (int64_t left = n; left > 1; left = (left + 1) / 2) {
        for (int64_t i = 0; i < left / 2; i++) {
            add_future sum = reeve_call(add, row[2 * i], row[2 * i + 1]);
            NEED(
                reeve_release(row[2 * i]) == REEVE_OK && reeve_release(row[2 * i + 1]) == REEVE_OK);
            row[i] = sum;
        }
        if (left % 2 != 0)
            row[left / 2] = row[left - 1];
    }
    NEED(add_get(row[0], &y) == REEVE_OK && y == n + n * (n - 1) / 2);
    free(row);
}

/* Each doubles what it has been given, by both its arguments being the same future. */
static void diamonds(const char *argument)
{
    int64_t n = number_of(argument, 60), y;
    add_future last = add_remote(1, 0);
    for (int64_t i = 0; i < n; i++) {
        add_future left = reeve_call(add, last, 0), right = reeve_call(add, last, 0);
        add_future both = reeve_call(add, left, right);
        NEED(reeve_release(last) == REEVE_OK && reeve_release(left) == REEVE_OK &&
             reeve_release(right) == REEVE_OK);
        last = both;
    }
    NEED(add_get(last, &y) == REEVE_OK && y == INT64_C(1) << n);
}

/* A random graph: each task adds two of the earlier ones (mostly recent, so that it is deep), and
 * every tenth answer is compared with our own. */
static void graph(const char *argument)
{
    int64_t n = number_of(argument, 100000);
    add_future *futures = calloc((size_t)n, sizeof(*futures));
    uint64_t *expected = calloc((size_t)n, sizeof(*expected)), random = 88172645463325252u;
    double begin = seconds();
    for (int64_t i = 0; i < n; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (i < 10) {
            futures[i] = add_remote(i, 1);
            expected[i] = (uint64_t)i + 1;
            continue;
        }
        uint64_t reach = random % 8 == 0 ? (uint64_t)i : 10;
        int64_t a = i - 1 - (int64_t)((random >> 8) % reach);
        int64_t b = i - 1 - (int64_t)((random >> 32) % reach);
        futures[i] = reeve_call(add, futures[a], futures[b]);
        expected[i] = expected[a] + expected[b];
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t y;
        if (i % 10 != 0) {
            NEED(reeve_release(futures[i]) == REEVE_OK);
        } else {
            NEED(add_get(futures[i], &y) == REEVE_OK);
            NEED((uint64_t)y == expected[i]);
        }
    }
    fprintf(stderr, "%.3f s\n", seconds() - begin);
    free(futures);
    free(expected);
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(const char *argument);
    } kinds[] = {{"fib", fibonacci}, {"deep", deep}, {"deadlock", deadlock}, {"too_deep", too_deep},
        {"wide", wide}, {"in_thread", in_thread}, {"rules", rules}, {"crashes", crashes},
        {"chain", chain}, {"fans", fans}, {"diamonds", diamonds}, {"graph", graph}};
    NEED(reeve_init(argc, argv, NULL) == REEVE_OK);
    if (argc > 1 && say_run(kinds, argv[1], argc > 2 ? argv[2] : "")) {
        reeve_shutdown();
        printf("ok %s\n", argv[1]);
        return 0;
    }
    fprintf(stderr, "usage: waiting WHAT [NUMBER]\n");
    return 2;
}
