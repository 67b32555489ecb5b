/* Many threads use the library at once: `threads MODE THREADS ROUNDS SEED`, all with checked
 * answers.
 *
 * storm     each thread does one random thing a round (the table at the end), and now and then
 *           leaves a future in the letter box for another thread to get; all operations come to an
 *           end by themselves
 * shutdown  the same while main calls reeve_shutdown: every call works or says REEVE_ESHUTDOWN,
 *           every thread comes to its end, and the program may begin again
 *
 * A seed is a thread's sequence of operations; how they mix is up to the machine. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/e2e/programs/say.h"

#define BATCH       16
#define LETTERS     8
#define LARGE_COUNT 40000 /* 320 kB: an object of the store */

REEVE_REMOTE(int64_t, square, (int64_t, x))
{
    return x * x;
}

REEVE_REMOTE(int64_t, refuse, (int64_t, x))
{
    reeve_fail(x, "no %" PRId64, x);
    return 0;
}

/* Calls within calls: a tree of `depth` levels; counts its leaves, one child at a time or all at
 * once. */
REEVE_REMOTE(int64_t, leaves, (int64_t, depth), (bool, wait_first))
{
    if (depth == 0)
        return 1;
    leaves_future children[3];
    int64_t sum = 0, count;
    for (int i = 0; i < 3; i++)
        children[i] = leaves_remote(depth - 1, wait_first);
    if (wait_first && reeve_wait(children, 3, 3, REEVE_FOREVER, NULL, NULL) != REEVE_OK)
        reeve_fail(1, "wait: %s", reeve_last_error()->message);
    for (int i = 0; i < 3; i++) {
        if (leaves_get(children[i], &count) != REEVE_OK)
            reeve_fail(2, "get: %s", reeve_last_error()->message);
        sum += count;
    }
    return sum;
}

REEVE_REMOTE(double, total, (reeve_double_array, in))
{
    double sum = 0;
    for (size_t i = 0; i < in.count; i++)
        sum += in.items[i];
    return sum;
}

REEVE_REMOTE(reeve_double_array, plus, (reeve_double_array, in), (double, by))
{
    double *out = reeve_alloc(in.count * sizeof *out);
    for (size_t i = 0; i < in.count; i++)
        out[i] = in.items[i] + by;
    return (reeve_double_array){out, in.count};
}

struct thread {
    pthread_t id;
    uint64_t random;
    long rounds;
    long done;
};

static struct {
    square_future future;
    int64_t x;
} letters[LETTERS];
static pthread_mutex_t letters_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool may_end; /* shutdown has been called, or is about to be */
static double numbers[LARGE_COUNT];
static double numbers_sum;

/* True when the call was right to end like this. */
static bool over(int code)
{
    if (code == REEVE_OK)
        return false;
    if (atomic_load(&may_end) && (code == REEVE_ESHUTDOWN || code == REEVE_EHANDLE))
        return true;
    reeve_perror("threads");
    NEED(code == REEVE_OK);
    return true;
}

static uint64_t next(struct thread *thread) /* splitmix64 */
{
    uint64_t z = (thread->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int64_t below(struct thread *thread, uint64_t bound)
{
    return (int64_t)(next(thread) % bound);
}

/* ---- the operations ---- */

static void call_and_get(struct thread *thread)
{
    int64_t x = below(thread, 100000), y;
    if (!over(square_get(square_remote(x), &y)))
        NEED(y == x * x);
}

/* Gets in another order than submitted, some with a short time first. */
static void batch(struct thread *thread)
{
    square_future futures[BATCH];
    int64_t base = below(thread, 1000), y;
    for (int i = 0; i < BATCH; i++)
        futures[i] = square_remote(base + i);
    for (int i = BATCH; i-- > 0;) {
        int code = square_get_timeout(futures[i], below(thread, 3), &y);
        if (code == REEVE_ETIMEDOUT)
            code = square_get(futures[i], &y);
        if (!over(code))
            NEED(y == (base + i) * (base + i));
    }
}

static void wait_for_some(struct thread *thread)
{
    square_future futures[BATCH];
    bool ready[BATCH];
    size_t count = 0, counted = 0, wanted = (size_t)below(thread, BATCH + 1);
    int64_t timeout_ms = below(thread, 4) == 0 ? REEVE_FOREVER : below(thread, 5), y;
    for (int i = 0; i < BATCH; i++)
        futures[i] = square_remote(i);
    int code = reeve_wait(futures, BATCH, wanted, timeout_ms, ready, &count);
    if (code == REEVE_OK || code == REEVE_ETIMEDOUT) {
        for (int i = 0; i < BATCH; i++)
            counted += ready[i];
        NEED(counted == count && (count >= wanted) == (code == REEVE_OK));
        NEED(timeout_ms != REEVE_FOREVER || code == REEVE_OK);
    } else {
        over(code);
    }
    for (int i = 0; i < BATCH; i++) {
        /* a future that was ready stays so */
        code = counted == count && code != REEVE_ESHUTDOWN && ready[i]
                   ? square_get_timeout(futures[i], 0, &y)
                   : square_get(futures[i], &y);
        if (!over(code))
            NEED(y == (int64_t)i * i);
    }
}

static void let_go(struct thread *thread)
{
    square_future future = square_remote(below(thread, 9));
    int64_t y;
    if (over(reeve_release(future)))
        return;
    int got = square_get(future, &y), released = reeve_release(future);
    if (!atomic_load(&may_end)) /* then it may be a future that was born failed, and stays so */
        NEED(got == REEVE_EHANDLE && released == REEVE_EHANDLE);
}

static void failing(struct thread *thread)
{
    int64_t x = 1 + below(thread, 1000), y;
    int code = refuse_get(refuse_remote(x), &y);
    if (code == REEVE_EFUNCTION)
        NEED(reeve_last_error()->user_code == x);
    else
        NEED(over(code));
}

static void tree(struct thread *thread)
{
    int64_t count;
    if (!over(leaves_get(leaves_remote(3, below(thread, 2)), &count)))
        NEED(count == 27);
}

/* A small value and a large one, each given to several calls, and read back. */
static void put(struct thread *thread)
{
    int64_t x = below(thread, 1000), y;
    reeve_future_int64_t small = reeve_put(int64_t, x);
    square_future squares[3];
    for (int i = 0; i < 3; i++)
        squares[i] = reeve_call(square, small);
    for (int i = 0; i < 3; i++)
        if (!over(square_get(squares[i], &y)))
            NEED(y == x * x);
    if (!over(reeve_get(int64_t, small, &y)))
        NEED(y == x);
}

static void put_large(struct thread *thread)
{
    size_t count = LARGE_COUNT - (size_t)below(thread, 8);
    double expected = numbers_sum, by = (double)below(thread, 100), sum;
    reeve_double_array in = {numbers, count}, out;
    for (size_t i = count; i < LARGE_COUNT; i++)
        expected -= numbers[i];
    reeve_future_reeve_double_array stored = reeve_put(reeve_double_array, in);
    plus_future more = reeve_call(plus, stored, by);
    total_future last = reeve_call(total, more);
    if (below(thread, 2) && !over(reeve_release(more)))
        more.id = 0;
    if (!over(total_get(last, &sum)))
        NEED(sum == expected + by * (double)count);
    if (more.id != 0 && !over(plus_get(more, &out))) {
        NEED(out.count == count && out.items[7] == numbers[7] + by);
        reeve_clear(reeve_double_array, &out);
    }
    over(reeve_release(stored));
}

/* Leaves a future for another thread, or takes one that was left. */
static void letter(struct thread *thread)
{
    int64_t place = below(thread, LETTERS), x = below(thread, 1000), y;
    square_future mine = square_remote(x), found;
    pthread_mutex_lock(&letters_lock);
    found = letters[place].future;
    int64_t found_x = letters[place].x;
    letters[place].future = mine;
    letters[place].x = x;
    pthread_mutex_unlock(&letters_lock);
    if (found.id != 0 && !over(square_get(found, &y)))
        NEED(y == found_x * found_x);
}

/* One future, got by two threads at once: one of them gets the value. */
struct rivals {
    square_future future;
    int64_t x;
    atomic_int winners;
};

static void *rival(void *arg)
{
    struct rivals *rivals = arg;
    int64_t y;
    int code = square_get(rivals->future, &y);
    if (code == REEVE_OK) {
        NEED(y == rivals->x * rivals->x);
        rivals->winners++;
    } else {
        NEED(code == REEVE_EHANDLE || over(code));
    }
    return NULL;
}

static void race(struct thread *thread)
{
    struct rivals rivals = {.x = below(thread, 1000)};
    pthread_t other;
    rivals.future = square_remote(rivals.x);
    NEED(pthread_create(&other, NULL, rival, &rivals) == 0);
    rival(&rivals);
    pthread_join(other, NULL);
    NEED(rivals.winners == 1 || (atomic_load(&may_end) && rivals.winners == 0));
}

/* What is common comes up more than once. */
static void (*const operations[])(struct thread *thread) = {call_and_get, call_and_get, batch,
    batch, wait_for_some, wait_for_some, let_go, failing, tree, put, put_large, letter, letter,
    race};

static void *thread_main(void *arg)
{
    struct thread *thread = arg;
    while (thread->done < thread->rounds) {
        operations[below(thread, sizeof operations / sizeof *operations)](thread);
        thread->done++;
    }
    return NULL;
}

/* ---- the modes ---- */

static struct thread *start(long count, long rounds, uint64_t seed)
{
    struct thread *threads = calloc((size_t)count, sizeof *threads);
    for (long i = 0; i < count; i++) {
        threads[i].random = seed * 1000 + (uint64_t)i;
        threads[i].rounds = rounds;
        NEED(pthread_create(&threads[i].id, NULL, thread_main, &threads[i]) == 0);
    }
    return threads;
}

static void join(struct thread *threads, long count)
{
    for (long i = 0; i < count; i++) {
        pthread_join(threads[i].id, NULL);
        NEED(threads[i].done == threads[i].rounds);
    }
    free(threads);
}

static void letters_empty(void)
{
    int64_t y;
    for (int i = 0; i < LETTERS; i++) {
        if (letters[i].future.id != 0 && !over(square_get(letters[i].future, &y)))
            NEED(y == letters[i].x * letters[i].x);
        letters[i].future.id = 0;
    }
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc == 5);
    long count = strtol(argv[2], NULL, 10), rounds = strtol(argv[3], NULL, 10);
    uint64_t seed = strtoull(argv[4], NULL, 10);
    for (int i = 0; i < LARGE_COUNT; i++)
        numbers_sum += numbers[i] = (double)(i % 1000);
    struct thread *threads = start(count, rounds, seed);
    if (strcmp(argv[1], "shutdown") == 0) {
        /* in the middle: when a thread's worth of calls has been answered */
        call_and_get(&(struct thread){.random = seed});
        batch(&(struct thread){.random = seed});
        atomic_store(&may_end, true);
        reeve_shutdown();
        join(threads, count);
        letters_empty();
        atomic_store(&may_end, false);
        NEED(reeve_init(argc, argv, NULL) == REEVE_OK);
        threads = start(count, 1, seed);
    }
    join(threads, count);
    letters_empty();
    reeve_shutdown();
    printf("ok %s\n", argv[1]);
    return 0;
}
