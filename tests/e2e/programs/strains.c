/* Uses of the library that are out of the ordinary: `strains WHAT [ARGUMENT]` prints "ok WHAT", or
 * says what is wrong. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/e2e/programs/say.h"

#define INLINE_SIZE 65536 /* of a value that rides along */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void sleep_ms(int64_t ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* ---- functions ------------------------------------------------------------------------------- */

REEVE_REMOTE(int64_t, square, (int64_t, x))
{
    return x * x;
}

REEVE_REMOTE(int64_t, nap, (int64_t, ms))
{
    sleep_ms(ms);
    return ms;
}

REEVE_REMOTE(void, nothing, (int64_t, x))
{
    (void)x;
}

static _Atomic int64_t *counter(const char *path)
{
    static _Atomic int64_t *mapped;
    int fd;
    if (mapped != NULL)
        return mapped;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, 4096) != 0)
        _exit(97);
    mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return mapped;
}

REEVE_REMOTE(int64_t, count_up, (reeve_string, path), (int64_t, by))
{
    return atomic_fetch_add(counter(path), by);
}

REEVE_REMOTE(reeve_bytes, filled, (int64_t, size), (int64_t, byte))
{
    unsigned char *bytes = reeve_alloc((size_t)size);
    memset(bytes, (int)byte, (size_t)size);
    return (reeve_bytes){bytes, (size_t)size};
}

REEVE_REMOTE(int64_t, size_of_both, (reeve_bytes, a), (reeve_bytes, b))
{
    return (int64_t)(a.size + b.size);
}

REEVE_REMOTE(int64_t, size_of, (reeve_bytes, a))
{
    int64_t sum = 0;
    for (size_t i = 0; i < a.size; i += 4096)
        sum += ((const unsigned char *)a.data)[i];
    return sum < 0 ? 0 : (int64_t)a.size;
}

/* A wait with a time limit cannot run the child on the spot. */
REEVE_REMOTE(int64_t, with_child, (int64_t, ms))
{
    int64_t answer = -1;
    if (nap_get_timeout(nap_remote(ms), 20000, &answer) != REEVE_OK)
        reeve_fail(1, "%s", reeve_last_error()->message);
    return answer;
}

/* Leaves a child behind, whose child in turn is held back until it is done. */
REEVE_REMOTE(int64_t, leave_children, (reeve_string, path))
{
    nap_future first = nap_remote(30);
    count_up_future second = reeve_call(count_up, path, first);
    return reeve_release(first) + reeve_release(second);
}

static void *get_in_thread(void *arg)
{
    nap_future *future = arg;
    int64_t ms;
    return nap_get(*future, &ms) == REEVE_OK ? NULL : (void *)"failed";
}

/* Two threads of a task wait for the same child's relatives: one runs it, the other must hear. */
REEVE_REMOTE(int64_t, threads_wait, (int64_t, n))
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        nap_future first = nap_remote(1);
        nap_future second = reeve_call(nap, first);
        pthread_t thread;
        void *failed;
        pthread_create(&thread, NULL, get_in_thread, &first);
        int64_t ms = 0;
        if (nap_get(second, &ms) != REEVE_OK)
            reeve_fail(1, "second: %s", reeve_last_error()->message);
        pthread_join(thread, &failed);
        if (failed)
            reeve_fail(2, "first: %s", (char *)failed);
        sum += ms;
    }
    return sum;
}

static void *wait_in_thread(void *arg)
{
    (void)arg;
    for (;;) {
        int64_t ms;
        (void)nap_get(nap_remote(100), &ms);
    }
    return NULL;
}

/* Leaves a thread behind that waits for ever. */
REEVE_REMOTE(int64_t, leave_thread, (int64_t, x))
{
    pthread_t thread;
    pthread_create(&thread, NULL, wait_in_thread, NULL);
    pthread_detach(thread);
    sleep_ms(20);
    return x;
}

REEVE_REMOTE(int64_t, shuts_down, (int64_t, x))
{
    int64_t y;
    reeve_shutdown();
    return square_get(square_remote(x), &y) == REEVE_OK ? y : -1;
}

/* ---- looking and not looking ----------------------------------------------------------------- */

/* Only ever asks without waiting. */
static void polling(const char *argument)
{
    (void)argument;
    for (int64_t i = 0; i < 200; i++) {
        square_future future = square_remote(i);
        double end = seconds() + 20;
        int code;
        while ((code = reeve_wait(&future, 1, 1, 0, NULL, NULL)) == REEVE_ETIMEDOUT)
            NEED(seconds() < end);
        NEED(code == REEVE_OK);
        int64_t y;
        NEED(square_get_timeout(future, 0, &y) == REEVE_OK && y == i * i);
    }
}

/* Only submits, without end, and never looks: yet the tasks are run, and those that wait for
 * others, too. */
static void submitting(const char *argument)
{
    double end = seconds() + 30;
    _Atomic int64_t *count = counter(argument);
    count_up_future last = count_up_remote(argument, 1);
    while (atomic_load(count) < 20000) {
        count_up_future next = reeve_call(count_up, argument, last);
        NEED(reeve_release(last) == REEVE_OK);
        last = next;
        for (int i = 0; i < 20; i++)
            NEED(reeve_release(count_up_remote(argument, 1)) == REEVE_OK);
        NEED(seconds() < end);
    }
    NEED(reeve_release(last) == REEVE_OK);
}

/* ---- the end --------------------------------------------------------------------------------- */

static _Atomic int strange, at_work;

static void *work_until_shutdown(void *arg)
{
    long kind = (long)(intptr_t)arg;
    static unsigned char bytes[200000];
    atomic_fetch_add(&at_work, 1);
    for (int code = REEVE_OK; code != REEVE_ESHUTDOWN;) {
        int64_t y;
        if (kind == 0) {
            code = square_get(square_remote(3), &y);
        } else if (kind == 1) {
            nap_future naps[3] = {nap_remote(1), nap_remote(2), nap_remote(10000)};
            code = reeve_wait(naps, 3, 3, REEVE_FOREVER, NULL, NULL);
            for (int i = 0; i < 3; i++)
                reeve_release(naps[i]);
        } else if (kind == 2) {
            code = size_of_get(size_of_remote((reeve_bytes){bytes, sizeof bytes}), &y);
        } else {
            reeve_bytes back;
            code = filled_get(filled_remote(300000, 7), &back);
            if (code == REEVE_OK)
                reeve_clear(reeve_bytes, &back);
        }
        if (code != REEVE_OK && code != REEVE_ESHUTDOWN) {
            atomic_fetch_add(&strange, 1);
            say_error("strange", code);
        }
    }
    return NULL;
}

static int threads_before;
static int arguments_count;
static char **arguments;

static int threads_alive(void)
{
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static int descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Threads that wait, or read and write large values, while another one shuts down. */
static void shutdown_under_way(const char *argument)
{
    int rounds = argument[0] ? (int)strtol(argument, NULL, 10) : 10;
    for (int round = 0; round < rounds; round++) {
        pthread_t threads[8];
        atomic_store(&at_work, 0);
        for (long i = 0; i < 8; i++)
            pthread_create(&threads[i], NULL, work_until_shutdown, (void *)(intptr_t)(i % 4));
        while (atomic_load(&at_work) < 8)
            sched_yield();
        sleep_ms(round * 7 % 60);
        reeve_shutdown();
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
        NEED(atomic_load(&strange) == 0);
        NEED(threads_alive() == threads_before);
        NEED(reeve_init(arguments_count, arguments, NULL) == REEVE_OK);
    }
}

/* Starts again and again, with starts that fail in between. */
static void again(const char *argument)
{
    int64_t y;
    square_future old = square_remote(1);
    (void)argument;
    reeve_shutdown();
    int before = descriptors();
    for (int i = 0; i < 3; i++) {
        NEED(square_get(old, &y) == REEVE_ESHUTDOWN);
        reeve_options *bad = REEVE_OPTIONS(.program = "/nonexistent/reeve");
        NEED(reeve_init(arguments_count, arguments, bad) == REEVE_ENOCLUSTER);
        NEED(reeve_last_error()->message[0] != 0);
        bad = REEVE_OPTIONS(.program = "/bin/false");
        NEED(reeve_init(arguments_count, arguments, bad) == REEVE_ENOCLUSTER);
        NEED(threads_alive() == threads_before && descriptors() == before);
        NEED(waitpid(-1, NULL, WNOHANG) == -1); /* no child, not even a zombie */
        NEED(reeve_init(arguments_count, arguments, NULL) == REEVE_OK);
        NEED(reeve_init(arguments_count, arguments, NULL) == REEVE_EINVAL);
        NEED(square_get(old, &y) == REEVE_EHANDLE);
        NEED(square_get(square_remote(i), &y) == REEVE_OK && y == (int64_t)i * i);
        old = square_remote(2);
        reeve_shutdown();
        reeve_shutdown();
        NEED(threads_alive() == threads_before && descriptors() == before);
        NEED(waitpid(-1, NULL, WNOHANG) == -1);
    }
    NEED(reeve_init(arguments_count, arguments, NULL) == REEVE_OK);
}

static void descriptors_limit(rlim_t count)
{
    struct rlimit limit;
    NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = count;
    NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* A program that has used up its descriptors gets on: with its first call, with a large value,
 * with functions that run elsewhere. */
static void no_descriptors(const char *argument)
{
    enum { LIMIT = 128 };
    int opened[LIMIT], count = 0;
    int64_t y;
    (void)argument;
    descriptors_limit(LIMIT);
    while (count < LIMIT && (opened[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    NEED(count > 0 && errno == EMFILE);
    char *bytes = calloc(1, 3000000);
    reeve_bytes large = {.data = bytes, .size = 3000000};
    for (int round = 0; round < 20; round++) {
        nap_future naps[4];
        for (int i = 0; i < 4; i++)
            naps[i] = nap_remote(1);
        for (int i = 0; i < 4; i++)
            NEED(nap_get(naps[i], &y) == REEVE_OK && y == 1);
        NEED(size_of_get(size_of_remote(large), &y) == REEVE_OK && y == 3000000);
    }
    free(bytes);
    while (count > 0)
        close(opened[--count]);
    NEED(square_get(square_remote(3), &y) == REEVE_OK && y == 9);
}

/* Comes back when as many as `others` are at it. */
REEVE_REMOTE(int64_t, together, (reeve_string, path), (int64_t, others))
{
    _Atomic int64_t *count = counter(path);
    atomic_fetch_add(count, 1);
    while (atomic_load(count) < others)
        sleep_ms(1);
    return 1;
}

/* More workers of another node than the program may have descriptors. */
static void far_workers(const char *argument)
{
    enum { WORKERS = 48 };
    together_future futures[WORKERS];
    descriptors_limit(WORKERS);
    for (int i = 0; i < WORKERS; i++)
        futures[i] = together_remote(argument, WORKERS);
    for (int i = 0; i < WORKERS; i++) {
        int64_t y;
        NEED(together_get(futures[i], &y) == REEVE_OK && y == 1);
    }
}

/* With a store whose memory is ready; stays until the gate is opened. */
static void prefault(const char *gate)
{
    reeve_shutdown();
    reeve_options *options = REEVE_OPTIONS(.prefault = 1, .store_size_bytes = 64 << 20);
    NEED(reeve_init(arguments_count, arguments, options) == REEVE_OK);
    wait_at(gate);
}

/* ---- forks ----------------------------------------------------------------------------------- */

static int in_child(void)
{
    int64_t y;
    reeve_future future;
    square_future ours = square_remote(1);
    if (square_get(ours, &y) != REEVE_EFORKED ||
        reeve_put_packed("\x01", 1, &future) != REEVE_EFORKED)
        return 1;
    if (reeve_init(arguments_count, arguments, NULL) != REEVE_EFORKED)
        return 2;
    reeve_shutdown(); /* the parent's cluster does not mind */
    return 0;
}

static void forks(const char *argument)
{
    (void)argument;
    for (int i = 0; i < 5; i++) {
        square_future before = square_remote(i);
        pid_t child = fork();
        if (child == 0)
            _exit(in_child());
        int status;
        int64_t y;
        NEED(square_get(square_remote(7), &y) == REEVE_OK && y == 49);
        NEED(waitpid(child, &status, 0) == child);
        NEED(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        NEED(square_get(before, &y) == REEVE_OK && y == (int64_t)i * i);
    }
}

/* Ends, but its child lives on for a while, as that of a program that becomes a daemon. */
static void child_stays(const char *argument)
{
    int64_t y;
    NEED(square_get(square_remote(7), &y) == REEVE_OK);
    if (fork() == 0) {
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        wait_at(argument);
        _exit(0);
    }
    _exit(0);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void sizes(const char *argument)
{
    (void)argument;
    NEED(nothing_get(nothing_remote(1)) == REEVE_OK);
    /* the packed value has a head of 5 bytes beyond 64 KiB, 3 below */
    for (int64_t size = INLINE_SIZE - 6; size <= INLINE_SIZE + 2; size++) {
        reeve_bytes back;
        int64_t y;
        NEED(filled_get(filled_remote(size, 5), &back) == REEVE_OK);
        NEED(back.size == (size_t)size && ((const unsigned char *)back.data)[size - 1] == 5);
        NEED(size_of_get(size_of_remote(back), &y) == REEVE_OK && y == size);
        const reeve_task_options *timed = REEVE_TASK_OPTIONS(.timeout_ms = 60000);
        NEED(size_of_get(size_of_remote_opts(timed, back), &y) == REEVE_OK && y == size);
        reeve_clear(reeve_bytes, &back);
    }
    /* values that ride along, and together are more than one may be */
    filled_future a = filled_remote(INLINE_SIZE - 100, 1), b = filled_remote(INLINE_SIZE - 100, 2);
    size_of_both_future both = reeve_call(size_of_both, a, b);
    int64_t y;
    NEED(reeve_release(a) == REEVE_OK && reeve_release(b) == REEVE_OK);
    NEED(size_of_both_get(both, &y) == REEVE_OK && y == 2 * (INLINE_SIZE - 100));
    NEED(filled_get(filled_remote(0, 0), &(reeve_bytes){0}) == REEVE_OK);
}

static int count_handler(void *context, const void *args, size_t size, reeve_packed *result)
{
    unsigned char *out = reeve_alloc(9);
    (void)context;
    const unsigned char *bytes = args;
    uint64_t count = bytes[0] == 0xdc ? (uint64_t)bytes[1] << 8 | bytes[2] : bytes[0] & 0x0fu;
    if (bytes[0] == 0xdd)
        count = (uint64_t)bytes[1] << 24 | (uint64_t)bytes[2] << 16 | (uint64_t)bytes[3] << 8 |
                bytes[4];
    (void)size;
    out[0] = 0xcf;
    for (int i = 0; i < 8; i++)
        out[1 + i] = (unsigned char)(count >> (56 - 8 * i));
    *result = (reeve_packed){out, 9};
    return REEVE_OK;
}

static int count_arguments(
    const void *args, size_t size, const reeve_splice *splices, size_t count, int64_t *ret)
{
    reeve_future future;
    reeve_submission call = {.size = sizeof call,
        .function = "count_arguments",
        .args = args,
        .args_size = size,
        .splices = splices,
        .splice_count = count};
    int code = reeve_submit(&call, &future);
    return code != REEVE_OK ? code
                            : reeve_typed_get(future.id, REEVE_FOREVER, &reeve_type_int64_t, ret);
}

/* Arrays of nothing but nils, of two of the three sizes of head; and large values for all of them:
 * an entry takes 1,024. */
static void many_arguments(const char *argument)
{
    static unsigned char args[5 + 300000];
    static reeve_splice splices[2000];
    int64_t count;
    (void)argument;
    memset(args, 0xc0, sizeof args);
    memcpy(args, "\xdc\xff\xff", 3);
    NEED(count_arguments(args, 3 + 65535, NULL, 0, &count) == REEVE_OK && count == 65535);
    memcpy(args, "\xdd\x00\x00\xf0\x00", 5);
    NEED(count_arguments(args, 5 + 0xf000, NULL, 0, &count) == REEVE_OK && count == 0xf000);
    memcpy(args, "\xdd\x00\x04\x00\x00",
        5); /* 262,144: too many bytes, and nothing large among them */
    NEED(count_arguments(args, 5 + 0x40000, NULL, 0, &count) != REEVE_OK);
    NEED(reeve_last_error()->message[0] != 0);
    static unsigned char value[INLINE_SIZE + 100];
    static const struct {
        size_t count;
        int code;
    } large[] = {{64, REEVE_OK}, {65, REEVE_OK}, {1024, REEVE_OK}, {1025, REEVE_ETOOLARGE}};
    reeve_future future;
    memcpy(value, "\xc6\x00\x01\x00\x5f", 5);
    NEED(reeve_put_packed(value, sizeof value, &future) == REEVE_OK);
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        size_t n = large[i].count;
        memcpy(args, (unsigned char[]){0xdc, (unsigned char)(n >> 8), (unsigned char)n}, 3);
        memset(args + 3, 0xc0, n);
        for (size_t k = 0; k < n; k++)
            splices[k] = (reeve_splice){3 + k, future};
        NEED(count_arguments(args, 3 + n, splices, n, &count) == large[i].code);
        NEED(large[i].code != REEVE_OK || count == (int64_t)n);
        NEED(large[i].code == REEVE_OK || reeve_last_error()->message[0] != 0);
    }
    NEED(reeve_release(future) == REEVE_OK);
}

static void many_puts(const char *argument)
{
    enum { PUTS = 10000 };
    static reeve_future_int64_t futures[PUTS];
    (void)argument;
    for (int64_t i = 0; i < PUTS; i++)
        futures[i] = reeve_put(int64_t, i);
    bool *ready = calloc(PUTS, 1);
    size_t count;
    NEED(reeve_wait(futures, PUTS, PUTS, 0, ready, &count) == REEVE_OK && count == PUTS);
    for (int64_t i = 0; i < PUTS; i++) {
        int64_t y;
        NEED(ready[i]);
        NEED(reeve_get(int64_t, futures[i], &y) == REEVE_OK && y == i);
    }
    free(ready);
}

/* A wait for many, all and some. */
static void many_waits(const char *argument)
{
    enum { TASKS = 10000 };
    static square_future futures[TASKS];
    (void)argument;
    for (int64_t i = 0; i < TASKS; i++)
        futures[i] = square_remote(i);
    size_t count;
    NEED(reeve_wait(futures, TASKS, TASKS / 2, REEVE_FOREVER, NULL, &count) == REEVE_OK);
    NEED(count >= TASKS / 2);
    NEED(reeve_wait(futures, TASKS, TASKS, REEVE_FOREVER, NULL, &count) == REEVE_OK);
    NEED(count == TASKS);
    NEED(reeve_release(futures[TASKS / 2]) == REEVE_OK);
    NEED(reeve_wait(futures, TASKS, TASKS, REEVE_FOREVER, NULL, &count) == REEVE_EHANDLE);
}

/* 100 MB there and back; results that nobody fetches, arguments that nobody needs any more: several
 * times what the store holds in all, so all of it must be free again. */
static void hundred_megabytes(const char *argument)
{
    size_t size = 100 * 1000 * 1000;
    unsigned char *bytes = malloc(size);
    (void)argument;
    memset(bytes, 9, size);
    for (int round = 0; round < 4; round++) {
        int64_t y;
        reeve_bytes back;
        NEED(size_of_get(size_of_remote((reeve_bytes){bytes, size}), &y) == REEVE_OK);
        NEED(y == (int64_t)size);
        NEED(filled_get(filled_remote((int64_t)size, 8), &back) == REEVE_OK && back.size == size);
        NEED(((const unsigned char *)back.data)[size - 1] == 8);
        reeve_clear(reeve_bytes, &back);
        for (int i = 0; i < 10; i++) { /* released before it is there, and after */
            filled_future unseen = filled_remote(10000000, i);
            NEED(i % 2 || reeve_wait(&unseen, 1, 1, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
            NEED(reeve_release(unseen) == REEVE_OK);
        }
    }
    free(bytes);
}

static long resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    NEED(file != NULL && fscanf(file, "%ld %ld", &pages, &resident) == 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A million tasks that wait for one: what they cost, and that it is given back. */
static void million(const char *argument)
{
    enum { TASKS = 1000000 };
    static square_future futures[TASKS];
    int64_t y;
    (void)argument;
    memset(futures, 1, sizeof futures);
    long before = resident_kib();
    nap_future first = nap_remote(3000);
    nap_future held = reeve_call(nap, first);
    for (int64_t i = 0; i < TASKS; i++)
        futures[i] = square_remote(i & 0xff);
    double each = (double)(resident_kib() - before) * 1024 / TASKS;
    for (int64_t i = 0; i < TASKS; i++)
        NEED(square_get(futures[i], &y) == REEVE_OK);
    NEED(nap_get(first, &y) == REEVE_OK && reeve_release(held) == REEVE_OK);
    long after = resident_kib() - before;
    fprintf(stderr, "%.0f B each, %ld KiB at the end\n", each, after);
    NEED(each <= 256);
    NEED(after < 16 * 1024);
}

/* ---- nested work ----------------------------------------------------------------------------- */

/* As many parents as there are slots, each waits for a child: slots that are lent run those. */
static void lending(const char *argument)
{
    int parents = argument[0] ? (int)strtol(argument, NULL, 10) : 1;
    with_child_future futures[16];
    for (int i = 0; i < parents; i++)
        futures[i] = with_child_remote(300);
    for (int i = 0; i < parents; i++) {
        int64_t y = 0;
        NEED(with_child_get(futures[i], &y) == REEVE_OK && y == 300);
    }
}

/* Children that a task left behind get on while their owner runs a long task that does not use the
 * library. */
static void left_behind(const char *argument)
{
    int64_t y, n = 0;
    nap_future longs[4];
    _Atomic int64_t *count = counter(argument);
    NEED(leave_children_get(leave_children_remote(argument), &y) == REEVE_OK);
    for (int i = 0; i < 4; i++)
        longs[i] = nap_remote(3000);
    double begin = seconds();
    while (atomic_load(count) == 0 && seconds() < begin + 2.5)
        sleep_ms(5);
    n = atomic_load(count);
    NEED(n == 30);
    for (int i = 0; i < 4; i++)
        NEED(reeve_release(longs[i]) == REEVE_OK);
}

static void task_threads(const char *argument)
{
    int64_t y;
    (void)argument;
    NEED(threads_wait_get(threads_wait_remote(50), &y) == REEVE_OK && y == 50);
    /* a thread that stays, and always waits for something, does not hold up what comes next */
    NEED(leave_thread_get(leave_thread_remote(5), &y) == REEVE_OK && y == 5);
    double begin = seconds();
    for (int64_t i = 0; i < 50; i++)
        NEED(square_get(square_remote(i), &y) == REEVE_OK && y == i * i);
    NEED(seconds() - begin < 5);
    NEED(shuts_down_get(shuts_down_remote(6), &y) == REEVE_OK && y == 36);
}

static void *no_work(void *arg)
{
    return arg;
}

/* ---- a store that is nearly full for long ---------------------------------------------------- */

#define STORE_SIZE (64 << 20) /* which the test gives it */
#define VALUE_MAX  (2 << 20)
#define VALUES_MAX 512

/* What this process has in the store: of random sizes, for random times. */
static struct {
    reeve_future_reeve_bytes future;
    size_t size;
    uint8_t byte;
} values[VALUES_MAX];
static size_t values_count, values_size;

static uint64_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 33;
}

/* Every sixteenth is looked at. */
static void value_drop(size_t index, bool look)
{
    reeve_bytes bytes;
    if (look) {
        NEED(reeve_get(reeve_bytes, values[index].future, &bytes) == REEVE_OK);
        const uint8_t *data = bytes.data;
        NEED(bytes.size == values[index].size && data[0] == values[index].byte);
        NEED(memcmp(data, data + 1, bytes.size - 1) == 0);
        reeve_clear(reeve_bytes, &bytes);
    } else {
        NEED(reeve_release(values[index].future) == REEVE_OK);
    }
    values_size -= values[index].size;
    values[index] = values[--values_count];
}

static void values_shrink(uint64_t *state, size_t size)
{
    while (values_size > size || values_count == VALUES_MAX)
        value_drop(random_next(state) % values_count, random_next(state) % 16 == 0);
}

/* Holds 45 % of the store while it makes them, then what is to be left. */
static void values_churn(uint64_t state, int count, int left_percent)
{
    uint8_t *bytes = malloc(VALUE_MAX);
    NEED(bytes != NULL);
    for (int i = 0; i < count; i++) {
        size_t size = INLINE_SIZE + 100 + random_next(&state) % 300000;
        if (random_next(&state) % 50 == 0)
            size = VALUE_MAX - random_next(&state) % 500000;
        values_shrink(&state, STORE_SIZE / 100 * 45 - size);
        memset(bytes, i & 255, size);
        values[values_count].future = reeve_put_bytes(bytes, size);
        values[values_count].size = size;
        values[values_count++].byte = (uint8_t)i;
        values_size += size;
    }
    values_shrink(&state, STORE_SIZE / 100 * (size_t)left_percent);
    free(bytes);
}

REEVE_REMOTE(int64_t, churn, (int64_t, seed), (int32_t, count), (int32_t, left_percent))
{
    values_churn((uint64_t)seed, count, left_percent);
    return (int64_t)values_count;
}

REEVE_REMOTE(void, give_up)
{
    while (values_count > 0)
        value_drop(values_count - 1, true);
}

/* Two writers, the program and its only worker; then a quarter of the store in one piece. "COUNT
 * PERCENT": how many values each makes, and how much of the store it has left by then. */
static void fragments(const char *argument)
{
    char *left;
    int made = (int)strtol(argument, &left, 10), left_percent = (int)strtol(left, NULL, 10);
    int64_t count = 0;
    uint8_t *bytes = malloc(STORE_SIZE / 4);
    churn_future far = churn_remote(2, made, left_percent);
    values_churn(1, made, left_percent);
    NEED(churn_get(far, &count) == REEVE_OK && count > 10);
    memset(bytes, 77, STORE_SIZE / 4);
    values[values_count].future = reeve_put_bytes(bytes, STORE_SIZE / 4);
    values[values_count].size = STORE_SIZE / 4;
    values[values_count++].byte = 77;
    values_size += STORE_SIZE / 4;
    while (values_count > 0)
        value_drop(values_count - 1, true);
    NEED(give_up_get(give_up_remote()) == REEVE_OK);
    free(bytes);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const char *argument);
    } all[] = {{"polling", polling}, {"submitting", submitting},
        {"shutdown_under_way", shutdown_under_way}, {"again", again}, {"forks", forks},
        {"child_stays", child_stays}, {"prefault", prefault}, {"sizes", sizes},
        {"many_arguments", many_arguments}, {"many_puts", many_puts}, {"many_waits", many_waits},
        {"hundred_megabytes", hundred_megabytes}, {"million", million}, {"lending", lending},
        {"left_behind", left_behind}, {"task_threads", task_threads}, {"fragments", fragments},
        {"no_descriptors", no_descriptors}, {"far_workers", far_workers}};
    const char *name = argc > 1 ? argv[1] : "";
    bool found = false;
    arguments_count = argc;
    arguments = argv;
    pthread_t first; /* with which a sanitizer's own threads come */
    pthread_create(&first, NULL, no_work, NULL);
    pthread_join(first, NULL);
    threads_before = threads_alive();
    NEED(reeve_register("count_arguments", count_handler, NULL) == REEVE_OK);
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(name, all[i].name) != 0)
            continue;
        all[i].run(argc > 2 ? argv[2] : "");
        found = true;
    }
    reeve_shutdown();
    NEED(found);
    printf("ok %s\n", name);
    return 0;
}
