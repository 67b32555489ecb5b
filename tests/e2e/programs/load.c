/* Shapes of load: `load WHAT [ARGUMENT…]` prints "ok WHAT", or says what is wrong. */
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/e2e/programs/say.h"

/* What a program at a limit of 1 MiB may take; sanitizers keep what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MORE_KIB_MAX (512 * 1024)
#else
#define MORE_KIB_MAX (16 * 1024)
#endif

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Short ones are spun through, as work is; long ones are slept through: who has a slot is to be
 * measured, not who has a core. */
REEVE_REMOTE(int64_t, work, (int64_t, us))
{
    double end = seconds() + (double)us * 1e-6;
    if (us >= 1000) {
        struct timespec pause = {us / 1000000, us % 1000000 * 1000};
        nanosleep(&pause, NULL);
    }
    while (us < 1000 && seconds() < end)
        ;
    return us;
}

static _Atomic int64_t *counter(const char *path)
{
    static _Atomic int64_t *mapped;
    if (mapped != NULL)
        return mapped;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, 4096) != 0)
        _exit(97);
    mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return mapped;
}

REEVE_REMOTE(void, count_up, (reeve_string, path))
{
    atomic_fetch_add(counter(path), 1);
}

/* Which it is of those that have begun. */
REEVE_REMOTE(int64_t, turn, (reeve_string, path), (int64_t, ms))
{
    int64_t number = atomic_fetch_add(counter(path), 1);
    nanosleep(&(struct timespec){0, ms * 1000000}, NULL);
    return number;
}

/* priorities PATH: what is wanted first comes last, and is first; and the other way about. */
static void priorities(char **argv)
{
    enum { COUNT = 60, FEW = 3, LATE = 5, SLOTS_MAX = 2 };
    turn_future usual[COUNT], late[LATE], urgent[FEW], halves[FEW];
    int64_t number, sum = 0;
    for (int i = 0; i < LATE; i++)
        late[i] = turn_remote_opts(REEVE_TASK_OPTIONS(.priority = -5), argv[0], 10);
    for (int i = 0; i < COUNT; i++)
        usual[i] = turn_remote(argv[0], 10);
    while (atomic_load(counter(argv[0])) < 5)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    for (int i = 0; i < FEW; i++) {
        urgent[i] = turn_remote_opts(REEVE_TASK_OPTIONS(.priority = 100), argv[0], 10);
        halves[i] = turn_remote_opts(REEVE_TASK_OPTIONS(.priority = 1, .cpus = 0.5), argv[0], 10);
    }
    for (int i = 0; i < FEW; i++) {
        NEED(turn_get(urgent[i], &number) == REEVE_OK && number < COUNT / 2);
        NEED(turn_get(halves[i], &number) == REEVE_OK && number < COUNT / 2);
    }
    for (int i = 0; i < COUNT; i++) {
        NEED(turn_get(usual[i], &number) == REEVE_OK);
        sum += number;
    }
    for (int i = 0; i < LATE; i++) {
        NEED(turn_get(late[i], &number) == REEVE_OK);
        /* one for each slot may have begun before there was anything else */
        NEED(i < SLOTS_MAX || number > sum / COUNT);
    }
    NEED(turn_get(turn_remote_opts(REEVE_TASK_OPTIONS(.priority = 101), argv[0], 1), &number) ==
         REEVE_EINVAL);
    NEED(strstr(reeve_last_error()->message, "priority is 101: expected -100 to 100") != NULL);
}

/* Calls with other cpus, one after the other: the slot that the one has left is soon the
 * other's. */
static void kinds(char **argv)
{
    enum { COUNT = 10 };
    double begin = seconds();
    int64_t y;
    (void)argv;
    for (int i = 0; i < COUNT; i++)
        NEED(work_get(work_remote_opts(REEVE_TASK_OPTIONS(.cpus = i % 2 ? 1 : 0.5), 1), &y) ==
             REEVE_OK);
    NEED(seconds() - begin < COUNT * 0.25);
}

static long resident_kib(void)
{
    char text[128];
    long pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    (void)sscanf(text, "%*d %ld", &pages);
    close(fd);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- lengths --------------------------------------------------------------------------------- */

/* 10,000 short calls with one of 10 s at that place among them: all are there before it is. */
static void long_among_short(char **argv)
{
    enum { CALLS = 10000 };
    static work_future futures[CALLS];
    long place = strtol(argv[0], NULL, 10);
    bool ready = true;
    int64_t y;
    for (int i = 0; i < CALLS; i++)
        futures[i] = work_remote(i == place ? 10000000 : 10);
    for (int i = 0; i < CALLS; i++)
        if (i != place)
            NEED(work_get(futures[i], &y) == REEVE_OK);
    NEED(reeve_wait(&futures[place], 1, 1, 0, &ready, NULL) == REEVE_ETIMEDOUT && !ready);
}

/* One in a hundred takes 100 ms: two slots are busy for most of the time. */
static void mixed(char **argv)
{
    enum { CALLS = 2000 };
    static work_future futures[CALLS];
    int64_t y, us = 0;
    (void)argv;
    NEED(work_get(work_remote(1), &y) == REEVE_OK);
    double begin = seconds();
    for (int i = 0; i < CALLS; i++) {
        int64_t takes_us = i % 100 == 37 ? 100000 : 10;
        us += takes_us;
        futures[i] = work_remote(takes_us);
    }
    for (int i = 0; i < CALLS; i++)
        NEED(work_get(futures[i], &y) == REEVE_OK);
    NEED(seconds() - begin < 0.8 * (double)us * 1e-6);
}

/* ---- shares ---------------------------------------------------------------------------------- */

/* endless US CPUS: has more to do than there is room for, until its input ends. */
static void endless(char **argv)
{
    enum { CALLS = 256 };
    static work_future futures[CALLS];
    int64_t us = strtol(argv[0], NULL, 10), y;
    double cpus = strtod(argv[1], NULL);
    for (int i = 0; i < CALLS; i++)
        futures[i] = work_remote_opts(REEVE_TASK_OPTIONS(.cpus = cpus), us);
    printf("begun\n");
    fflush(stdout);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    char byte;
    for (int i = 0; read(STDIN_FILENO, &byte, 1) < 0; i = (i + 1) % CALLS) {
        NEED(work_get(futures[i], &y) == REEVE_OK);
        futures[i] = work_remote_opts(REEVE_TASK_OPTIONS(.cpus = cpus), us);
    }
}

/* one CPUS: prints how many milliseconds one call takes. */
static void one(char **argv)
{
    int64_t y;
    double begin = seconds();
    work_future future =
        work_remote_opts(REEVE_TASK_OPTIONS(.cpus = strtod(argv[0], NULL)), (int64_t)1);
    NEED(work_get(future, &y) == REEVE_OK);
    printf("%.0f\n", (seconds() - begin) * 1e3);
}

/* ---- back-pressure --------------------------------------------------------------------------- */

/* forget COUNT PATH: never looks at an answer. The only slot is busy at first. */
static void forget(char **argv)
{
    long count = strtol(argv[0], NULL, 10), before = resident_kib(), most = 0;
    NEED(reeve_release(work_remote(1000000)) == REEVE_OK);
    for (long i = 0; i < count; i++) {
        count_up_future future = count_up_remote(argv[1]);
        NEED(reeve_release(future) == REEVE_OK);
        if (i % 1024 == 0 && resident_kib() > most)
            most = resident_kib();
    }
    fprintf(stderr, "%ld KiB more\n", most - before);
    NEED(most - before < MORE_KIB_MAX);
    while (atomic_load(counter(argv[1])) < count)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
}

/* Keeps every future and gets none: refused, with a word of what to do; and taken again when some
 * were released. */
static void hoard(char **argv)
{
    enum { MOST = 1000000 };
    static reeve_future futures[MOST];
    const reeve_submission call = {
        .size = sizeof call, .function = "work", .args = "\x91\x01", .args_size = 2};
    int count = 0, error = 0;
    (void)argv;
    memset(futures, 1, sizeof futures);
    long before = resident_kib();
    while (count < MOST && (error = reeve_submit(&call, &futures[count])) == REEVE_OK)
        count++;
    fprintf(stderr, "%d calls, %ld KiB more\n", count, resident_kib() - before);
    NEED(error == REEVE_EAGAIN && count > 1000);
    NEED(strstr(reeve_last_error()->message, "REEVE_PENDING_SIZE") != NULL);
    NEED(resident_kib() - before < MORE_KIB_MAX);
    int64_t y;
    work_future refused = work_remote(1); /* the same at the typed door */
    NEED(work_get(refused, &y) == REEVE_EAGAIN);
    reeve_future_int64_t put = reeve_put_int64_t(1);
    NEED(reeve_get_int64_t(put, &y) == REEVE_EAGAIN);
    for (int i = 0; i < count; i++)
        NEED(reeve_release(futures[i]) == REEVE_OK);
    NEED(work_get(work_remote(1), &y) == REEVE_OK && y == 1);
}

REEVE_REMOTE(int64_t, many_children, (int64_t, count), (reeve_string, path))
{
    long before = resident_kib();
    for (int64_t i = 0; i < count; i++)
        if (reeve_release(count_up_remote(path)) != REEVE_OK)
            reeve_fail(1, "%s", reeve_last_error()->message);
    return resident_kib() - before;
}

/* Calls itself for each level, and does not look at an answer. */
REEVE_REMOTE(int64_t, tree, (int64_t, depth), (int64_t, width), (reeve_string, path))
{
    atomic_fetch_add(counter(path), 1);
    for (int64_t i = 0; depth > 0 && i < width; i++)
        if (reeve_release(tree_remote(depth - 1, width, path)) != REEVE_OK)
            reeve_fail(1, "%s", reeve_last_error()->message);
    return 0;
}

/* children COUNT PATH: in every slot a task that submits more than it may keep. */
static void children(char **argv)
{
    int64_t count = strtol(argv[0], NULL, 10), kib;
    many_children_future parents[4];
    for (int i = 0; i < 4; i++)
        parents[i] = many_children_remote(count, argv[1]);
    for (int i = 0; i < 4; i++) {
        NEED(many_children_get(parents[i], &kib) == REEVE_OK);
        NEED(kib < MORE_KIB_MAX);
    }
    while (atomic_load(counter(argv[1])) < 4 * count)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
}

/* tree DEPTH WIDTH PATH: wherever tasks submit, they are at the limit. */
static void trees(char **argv)
{
    int64_t depth = strtol(argv[0], NULL, 10), width = strtol(argv[1], NULL, 10);
    int64_t y, all = 1, level = 1;
    for (int64_t i = 0; i < depth; i++)
        all += level *= width;
    NEED(tree_get(tree_remote(depth, width, argv[2]), &y) == REEVE_OK);
    while (atomic_load(counter(argv[2])) < all)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments;
        void (*run)(char **argv);
    } all[] = {{"long_among_short", 1, long_among_short}, {"mixed", 0, mixed},
        {"priorities", 1, priorities}, {"kinds", 0, kinds}, {"endless", 2, endless},
        {"one", 1, one}, {"forget", 2, forget}, {"hoard", 0, hoard}, {"children", 2, children},
        {"trees", 3, trees}};
    const char *name = argc > 1 ? argv[1] : "";
    bool found = false;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(name, all[i].name) != 0 || argc != 2 + all[i].arguments)
            continue;
        all[i].run(argv + 2);
        found = true;
    }
    reeve_shutdown();
    NEED(found);
    printf("ok %s\n", name);
    return 0;
}
