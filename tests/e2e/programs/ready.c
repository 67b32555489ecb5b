/* Being told that futures are ready: `ready WHAT [NUMBER]` prints "ok WHAT", or says what is
 * wrong. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/e2e/programs/say.h"

REEVE_REMOTE(int64_t, twice, (int64_t, n))
{
    return 2 * n;
}

REEVE_REMOTE(int64_t, after, (int64_t, ms), (int64_t, n))
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    if (n < 0)
        reeve_fail(1, "asked to");
    return n;
}

static bool readable(int timeout_ms)
{
    struct pollfd fd = {.fd = reeve_fd(), .events = POLLIN};
    return poll(&fd, 1, timeout_ms) == 1;
}

/* ---- the descriptor -------------------------------------------------------------------------- */

static void descriptor(int64_t count)
{
    twice_future *futures = calloc((size_t)count, sizeof(*futures));
    uint64_t tag;
    int64_t y, seen = 0;
    NEED(reeve_next_ready(&tag) == REEVE_EAGAIN);
    NEED(reeve_fd() >= 0 && reeve_fd() == reeve_fd());
    NEED(!readable(0));
    for (int64_t i = 0; i < count; i++) {
        futures[i] = twice_remote(i);
        NEED(reeve_watch(futures[i], (uint64_t)i) == REEVE_OK);
    }
    while (seen < count) {
        NEED(readable(20000));
        while (reeve_next_ready(&tag) == REEVE_OK) {
            NEED(twice_get_timeout(futures[tag], 0, &y) == REEVE_OK && y == 2 * (int64_t)tag);
            seen++;
        }
        NEED(reeve_last_error()->code == REEVE_EAGAIN);
    }
    NEED(!readable(0));
    /* what is ready already; what failed; what is none */
    reeve_future_int64_t put = reeve_put(int64_t, 5);
    NEED(reeve_watch(put, 1) == REEVE_OK && readable(0));
    NEED(reeve_watch(put, 2) == REEVE_OK);
    NEED(reeve_next_ready(&tag) == REEVE_OK && tag == 1 && readable(0));
    NEED(reeve_next_ready(&tag) == REEVE_OK && tag == 2 && !readable(0));
    NEED(reeve_release(put) == REEVE_OK);
    NEED(reeve_watch(put, 3) == REEVE_EHANDLE && !readable(0));
    after_future failing = after_remote(0, -1);
    NEED(reeve_watch(failing, 4) == REEVE_OK && readable(20000));
    NEED(reeve_next_ready(&tag) == REEVE_OK && tag == 4);
    NEED(after_get(failing, &y) == REEVE_EFUNCTION);
    /* released before it is ready */
    after_future given_up = after_remote(50, 1);
    NEED(reeve_watch(given_up, 6) == REEVE_OK);
    NEED(reeve_release(given_up) == REEVE_OK);
    NEED(readable(20000) && reeve_next_ready(&tag) == REEVE_OK && tag == 6);
    free(futures);
}

/* A loop of another's: the program never looks at the library by itself. */
static void looping(int64_t rounds)
{
    int loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    NEED(epoll_ctl(loop, EPOLL_CTL_ADD, reeve_fd(), &event) == 0);
    for (int64_t i = 0; i < rounds; i++) {
        uint64_t tag;
        int64_t y;
        after_future future = after_remote(i % 3, i);
        NEED(reeve_watch(future, future.id) == REEVE_OK);
        NEED(epoll_wait(loop, &event, 1, 20000) == 1);
        NEED(reeve_next_ready(&tag) == REEVE_OK && tag == future.id);
        NEED(after_get_timeout(future, 0, &y) == REEVE_OK && y == i);
    }
    close(loop);
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static _Atomic int64_t called, sum;

static void add_up(reeve_future future, void *arg)
{
    int64_t y;
    (void)arg;
    NEED(twice_get_timeout((twice_future){future.id}, 0, &y) == REEVE_OK);
    sum += y;
    called++;
}

/* Submits, and waits for it. */
static void goes_on(reeve_future future, void *arg)
{
    int64_t y, left = (int64_t)(intptr_t)arg;
    NEED(twice_get_timeout((twice_future){future.id}, 0, &y) == REEVE_OK);
    if (left != 0) {
        twice_future next = twice_remote(1);
        NEED(twice_get(twice_remote(21), &y) == REEVE_OK && y == 42);
        NEED(reeve_on_ready(next, goes_on, (void *)(intptr_t)(left - 1)) == REEVE_OK);
    }
    called++;
}

static void until_called(int64_t count)
{
    struct timespec pause = {0, 1000000};
    for (int i = 0; i < 30000 && called < count; i++)
        nanosleep(&pause, NULL);
    NEED(called == count);
}

static void callbacks(int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        NEED(reeve_on_ready(twice_remote(i), add_up, NULL) == REEVE_OK);
    until_called(count);
    NEED(sum == count * (count - 1));
    NEED(reeve_on_ready(twice_remote(1), goes_on, (void *)(intptr_t)20) == REEVE_OK);
    until_called(count + 21);
    NEED(reeve_on_ready(reeve_future_from_id(77), add_up, NULL) == REEVE_EHANDLE);
    reeve_future_int64_t put = reeve_put(int64_t, 0);
    NEED(reeve_on_ready(put, NULL, NULL) == REEVE_EINVAL);
    NEED(reeve_on_ready(put, add_up, NULL) == REEVE_OK); /* ready already */
    until_called(count + 22);
}

static void at_the_end(reeve_future future, void *arg)
{
    int64_t y;
    NEED(twice_get((twice_future){future.id}, &y) == REEVE_ESHUTDOWN);
    NEED(arg == &called);
    called++;
}

static void ends_it(reeve_future future, void *arg)
{
    (void)future;
    (void)arg;
    reeve_shutdown();
    called++;
}

/* Those that are left are called by shutdown; in a callback, too. */
static void shutdown_calls(int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        NEED(reeve_on_ready(after_remote(600000, i), at_the_end, &called) == REEVE_OK);
    uint64_t tag;
    NEED(reeve_watch(after_remote(600000, 1), 9) == REEVE_OK);
    int fd = reeve_fd();
    reeve_shutdown();
    NEED(called == count);
    struct pollfd left = {.fd = fd, .events = POLLIN};
    NEED(poll(&left, 1, 0) == 1);
    NEED(reeve_next_ready(&tag) == REEVE_OK && tag == 9);
    NEED(reeve_next_ready(&tag) == REEVE_ESHUTDOWN);
    NEED(reeve_fd() == REEVE_ESHUTDOWN && reeve_watch(reeve_future_from_id(1), 1) < 0);
    NEED(reeve_on_ready(reeve_future_from_id(1), at_the_end, NULL) == REEVE_ESHUTDOWN);
}

static void shutdown_inside(int64_t count)
{
    NEED(reeve_on_ready(twice_remote(1), ends_it, NULL) == REEVE_OK);
    for (int64_t i = 0; i < count; i++)
        NEED(reeve_on_ready(after_remote(600000, i), at_the_end, &called) == REEVE_OK ||
             reeve_last_error()->code == REEVE_ESHUTDOWN);
    struct timespec pause = {0, 1000000};
    for (int i = 0; i < 30000 && called < 1; i++)
        nanosleep(&pause, NULL);
    NEED(called >= 1);
}

/* ---- as they become ready -------------------------------------------------------------------- */

static void as_completed(int64_t count)
{
    twice_future *futures = calloc((size_t)count, sizeof(*futures));
    bool *seen = calloc((size_t)count, sizeof(*seen));
    size_t i, found = 0;
    int64_t y;
    for (int64_t k = 0; k < count; k++)
        futures[k] = twice_remote(k);
    reeve_as_completed(i, futures, (size_t)count)
    {
        NEED(!seen[i] && twice_get_timeout(futures[i], 0, &y) == REEVE_OK && y == 2 * (int64_t)i);
        seen[i] = true;
        found++;
    }
    NEED(found == (size_t)count);
    /* all of these are stale now: they come at once, and to get them tells so */
    reeve_as_completed(i, futures, (size_t)count)
    {
        NEED(twice_get(futures[i], &y) == REEVE_EHANDLE);
        if (--found == 10)
            break;
    }
    NEED(found == 10 || count <= 10);
    free(futures);
    free(seen);
}

/* The quick one first, whatever its place; a limit of time; an end. */
static void in_order(int64_t count)
{
    after_future futures[3] = {after_remote(600000, 0), after_remote(0, 1), after_remote(0, -1)};
    reeve_completion completion = reeve_completion_begin((const reeve_future *)&futures[0].id, 3);
    size_t i;
    (void)count;
    for (int k = 0; k < 2; k++)
        NEED(reeve_completion_next(&completion, 20000, &i) == REEVE_OK && (i == 1 || i == 2));
    NEED(reeve_completion_next(&completion, 0, &i) == REEVE_ETIMEDOUT);
    NEED(reeve_completion_next(&completion, 20, &i) == REEVE_ETIMEDOUT);
    reeve_completion_end(&completion);
    reeve_completion_end(&completion);
    completion = reeve_completion_begin(NULL, 0);
    NEED(reeve_completion_next(&completion, REEVE_FOREVER, &i) == REEVE_EEND);
    reeve_completion_end(&completion);
}

/* With one slot: the children are run on the spot. */
REEVE_REMOTE(int64_t, sum_of_children, (int64_t, depth), (int64_t, width))
{
    sum_of_children_future children[16];
    int64_t y, total = 1;
    size_t i;
    if (depth == 0)
        return 1;
    for (int64_t k = 0; k < width; k++)
        children[k] = sum_of_children_remote(depth - 1, width);
    reeve_as_completed(i, children, (size_t)width)
    {
        if (sum_of_children_get(children[i], &y) != REEVE_OK)
            reeve_fail(1, "%s", reeve_last_error()->message);
        total += y;
    }
    return total;
}

/* A task that sleeps in poll, and has a callback. */
REEVE_REMOTE(int64_t, told_in_a_task, (int64_t, n))
{
    uint64_t tag;
    int64_t y = 0, total = 0;
    twice_future child = twice_remote(n);
    if (reeve_on_ready(twice_remote(n), add_up, NULL) != REEVE_OK ||
        reeve_watch(child, 3) != REEVE_OK || !readable(20000) ||
        reeve_next_ready(&tag) != REEVE_OK || tag != 3 || twice_get(child, &y) != REEVE_OK)
        reeve_fail(1, "%s", reeve_last_error()->message);
    for (int i = 0; i < 20000 && called == 0; i++) {
        struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
    total = y + sum;
    called = sum = 0;
    return total;
}

static void in_tasks(int64_t width)
{
    int64_t y;
    NEED(sum_of_children_get(sum_of_children_remote(4, width), &y) == REEVE_OK);
    NEED(y == 1 + width * (1 + width * (1 + width * (1 + width))));
}

/* Needs another worker: who sleeps in poll does not lend its cpu. */
static void told_in_tasks(int64_t count)
{
    int64_t y;
    for (int64_t i = 1; i < count; i++)
        NEED(told_in_a_task_get(told_in_a_task_remote(i), &y) == REEVE_OK && y == 4 * i);
}

static void forked(int64_t count)
{
    uint64_t tag;
    int status;
    (void)count;
    NEED(reeve_watch(reeve_put(int64_t, 1), 8) == REEVE_OK && readable(0));
    pid_t pid = fork();
    if (pid == 0)
        _exit(reeve_next_ready(&tag) == REEVE_EFORKED && reeve_fd() == REEVE_EFORKED ? 0 : 1);
    NEED(waitpid(pid, &status, 0) == pid && status == 0);
    NEED(reeve_next_ready(&tag) == REEVE_OK && tag == 8);
}

/* Many threads, each with its own iteration, beside a stream of callbacks. */
static void *iterate(void *arg)
{
    int64_t count = *(int64_t *)arg, y, total = 0;
    for (int round = 0; round < 20; round++) {
        twice_future futures[100];
        size_t i;
        for (int64_t k = 0; k < 100; k++)
            futures[k] = twice_remote(k);
        reeve_as_completed(i, futures, 100) total +=
            twice_get(futures[i], &y) == REEVE_OK ? y : INT64_MIN / 4000;
        NEED(reeve_on_ready(twice_remote(count), add_up, NULL) == REEVE_OK);
    }
    return total == 20 * 99 * 100 ? arg : NULL;
}

static void threads(int64_t count)
{
    pthread_t ids[8];
    for (int i = 0; i < 8; i++)
        NEED(pthread_create(&ids[i], NULL, iterate, &count) == 0);
    for (int i = 0; i < 8; i++) {
        void *result;
        pthread_join(ids[i], &result);
        NEED(result == &count);
    }
    until_called(160);
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(int64_t number);
        int64_t number;
    } kinds[] = {{"descriptor", descriptor, 1000}, {"looping", looping, 100},
        {"callbacks", callbacks, 1000}, {"shutdown_calls", shutdown_calls, 10},
        {"shutdown_inside", shutdown_inside, 10}, {"as_completed", as_completed, 100000},
        {"in_order", in_order, 0}, {"in_tasks", in_tasks, 6}, {"told_in_tasks", told_in_tasks, 5},
        {"forked", forked, 0}, {"threads", threads, 3}};
    NEED(reeve_init(argc, argv, NULL) == REEVE_OK);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && argc > 1; i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].run(argc > 2 ? strtoll(argv[2], NULL, 10) : kinds[i].number);
            reeve_shutdown();
            printf("ok %s\n", argv[1]);
            return 0;
        }
    }
    fprintf(stderr, "usage: ready WHAT [NUMBER]\n");
    return 2;
}
