/* Tasks that wait for their children, and tasks that wait for each other: `waiting WHAT [NUMBER]`
 * prints "ok WHAT", or says what is wrong. */
#include <time.h>

#include "tests/e2e/programs/say.h"

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- functions ------------------------------------------------------------------------------- */

/* Both calls are remote. */
REEVE_REMOTE(int64_t, fib, (int64_t, n))
{
    int64_t a, b;
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
    if (n == 0)
        return 0;
    if (descend_get(descend_remote(n - 1), &below) != REEVE_OK)
        reeve_fail(reeve_last_error()->code, "%s", reeve_last_error()->message);
    return below + 1;
}

REEVE_REMOTE(int64_t, add, (int64_t, a), (int64_t, b))
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
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
    } kinds[] = {{"fib", fibonacci}, {"deep", deep}, {"chain", chain}, {"fans", fans},
        {"diamonds", diamonds}, {"graph", graph}};
    NEED(reeve_init(argc, argv, NULL) == REEVE_OK);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && argc > 1; i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].run(argc > 2 ? argv[2] : "");
            reeve_shutdown();
            printf("ok %s\n", argv[1]);
            return 0;
        }
    }
    fprintf(stderr, "usage: waiting WHAT [NUMBER]\n");
    return 2;
}
