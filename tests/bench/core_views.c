/* Rows of values used where they lie. A view and its release, by whoever may need one:
 *
 *   view_creator   of a value that this process has put
 *   view_owner     of the result of its task
 *   view_call      a call whose argument it is, hot, and its answer: the task reads in place, too
 *   view_other     by another process, to which the future was lent: it asks the daemon. Floor: a
 *                  question and an answer over a unix socket
 *
 * Nothing of it is to depend on the size. Many in one call, each looked at once, and given up; the
 * first time that maps their pages, and again:
 *
 *   view_10000_…            of values that this process has put
 *   view_10000_…_results    made by its tasks
 *   view_10000_…_given      put by a task, which gives their futures
 *   view_1000_…_other       by another process, to which they were lent: it asks for each
 *
 * And ten thousand values got at once, as copies:
 *
 *   get_many_10000_…   floor: the same copies by malloc and memcpy */
#include <fcntl.h>
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/macros.h"
#include "tests/bench/bench.h"

#define MANY         10000
#define MANY_SIZE    ((size_t)66 * 1024) /* more than rides along */
#define MANY_LARGEST ((size_t)1 << 20)
#define TIMES        1001
#define MANY_ROUNDS  3

REEVE_STRUCT(bench_lent, (reeve_future_reeve_bytes, bytes), (int64_t, times))

REEVE_REMOTE(reeve_bytes, bench_make_bytes, (uint64_t, size))
{
    uint8_t *bytes = reeve_alloc(size);
    memset(bytes, 1, size);
    return (reeve_bytes){bytes, size};
}

REEVE_REMOTE(uint64_t, bench_look_at_bytes, (reeve_bytes, b))
{
    return ((const uint8_t *)b.data)[b.size - 1];
}

static double view_us(reeve_future_reeve_bytes future, size_t times)
{
    static double took[TIMES];
    for (size_t i = 0; i < times; i++) {
        reeve_bytes seen;
        reeve_view view;
        double begin = bench_now_s();
        if (reeve_view_reeve_bytes(future, REEVE_FOREVER, &seen, &view) != REEVE_OK)
            return -1;
        bool right = ((const uint8_t *)seen.data)[seen.size - 1] == 1;
        if (reeve_view_release(view) != REEVE_OK || !right)
            return -1;
        took[i] = (bench_now_s() - begin) * 1e6;
    }
    return bench_percentile(took, times, 0.5);
}

REEVE_REMOTE(double, bench_view_lent, (bench_lent, lent))
{
    return view_us(lent.bytes, (size_t)lent.times);
}

/* A round trip between two processes, over the kind of socket that is asked. */
static double socket_us(void)
{
    int ends[2];
    char word[160] = {0};
    static double took[TIMES];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return 0;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        while (read(ends[1], word, sizeof(word)) > 0)
            if (write(ends[1], word, sizeof(word)) < 0)
                break;
        _exit(0);
    }
    close(ends[1]);
    for (size_t i = 0; i < TIMES; i++) {
        double begin = bench_now_s();
        if (write(ends[0], word, sizeof(word)) < 0 || read(ends[0], word, sizeof(word)) < 0)
            break;
        took[i] = (bench_now_s() - begin) * 1e6;
    }
    close(ends[0]);
    waitpid(pid, NULL, 0);
    return bench_percentile(took, TIMES, 0.5);
}

static void say_us(struct bench *bench, const char *name, double us, double floor)
{
    if (us < 0)
        bench_call_failed(bench, name);
    else
        bench_say(bench, name, us, "us", floor);
}

static double call_us(reeve_future_reeve_bytes future)
{
    static double took[TIMES];
    for (size_t i = 0; i < TIMES; i++) {
        uint64_t last = 0;
        double begin = bench_now_s();
        if (bench_look_at_bytes_get(reeve_call(bench_look_at_bytes, future), &last) != REEVE_OK ||
            last != 1)
            return -1;
        took[i] = (bench_now_s() - begin) * 1e6;
    }
    return bench_percentile(took, TIMES, 0.5);
}

static void views(struct bench *bench, const char *suffix, size_t size)
{
    char creator[32], owner[32], call[32], other[32];
    snprintf(creator, sizeof(creator), "view_creator_%s", suffix);
    snprintf(owner, sizeof(owner), "view_owner_%s", suffix);
    snprintf(call, sizeof(call), "view_call_%s", suffix);
    snprintf(other, sizeof(other), "view_other_%s", suffix);
    if (!bench_wanted(bench, creator) && !bench_wanted(bench, owner) &&
        !bench_wanted(bench, call) && !bench_wanted(bench, other))
        return;
    void *items;
    reeve_creation creation;
    reeve_future_reeve_bytes put;
    if (reeve_create_reeve_bytes(size, &items, &creation) != REEVE_OK) {
        bench_call_failed(bench, creator);
        return;
    }
    memset(items, 1, size);
    if (reeve_seal_reeve_bytes(creation, &put) != REEVE_OK) {
        bench_call_failed(bench, creator);
        return;
    }
    say_us(bench, creator, view_us(put, TIMES), 0);
    say_us(bench, call, call_us(put), bench->floors.ring_codec_sync_us);
    double us = -1;
    bench_view_lent_future lent = bench_view_lent_remote((bench_lent){put, TIMES});
    if (bench_view_lent_get(lent, &us) != REEVE_OK)
        us = -1;
    say_us(bench, other, us, socket_us());
    (void)reeve_release(put);
    bench_make_bytes_future result = bench_make_bytes_remote(size);
    say_us(bench, owner, view_us(result, TIMES), 0);
    (void)reeve_release(result);
}

/* ---- ten thousand values at once ------------------------------------------------------------- */

static reeve_future_reeve_bytes many_futures[MANY];

static void many_put(const uint8_t *bytes, int count, size_t size)
{
    for (int i = 0; i < count; i++)
        many_futures[i] = reeve_put_bytes(bytes, size);
}

/* All of them in one call, each looked at once, where it lies, and given up. Negative: failed. */
static double many_view_ms(const reeve_future_reeve_bytes *futures, int count)
{
    static reeve_bytes seen[MANY];
    reeve_view view;
    double begin = bench_now_s();
    bool good = reeve_view_many_reeve_bytes(futures, (size_t)count, seen, NULL, &view) == REEVE_OK;
    for (int i = 0; i < count && good; i++)
        good = ((const uint8_t *)seen[i].data)[0] == 1;
    good &= reeve_view_release(view) == REEVE_OK;
    return good ? (bench_now_s() - begin) * 1e3 : -1;
}

REEVE_REMOTE(double, bench_view_many_lent, (reeve_futures_reeve_bytes, all))
{
    return many_view_ms(all.items, (int)all.count);
}

static void say_ms(struct bench *bench, const char *name, const char *suffix, double ms)
{
    char row[48];
    snprintf(row, sizeof(row), "%s%s", name, suffix);
    if (ms < 0)
        bench_call_failed(bench, row);
    else
        bench_say(bench, row, ms, "ms", 0);
}

/* The first time their pages are mapped; and again. */
static void many_views(struct bench *bench, const char *name, int count)
{
    say_ms(bench, name, "", many_view_ms(many_futures, count));
    say_ms(bench, name, "_again", many_view_ms(many_futures, count));
    for (int i = 0; i < count; i++)
        (void)reeve_release(many_futures[i]);
}

/* Those of a task, which has been lent them: as many as a call may have. */
static void many_views_lent(struct bench *bench, int count)
{
    double ms[2] = {-1, -1};
    for (int i = 0; i < 2; i++) {
        reeve_futures_reeve_bytes all = {many_futures, (size_t)count};
        if (bench_view_many_lent_get(bench_view_many_lent_remote(all), &ms[i]) != REEVE_OK)
            ms[i] = -1;
    }
    say_ms(bench, "view_1000_66kib_other", "", ms[0]);
    say_ms(bench, "view_1000_66kib_other", "_again", ms[1]);
}

/* Values of another process's, which has given them to this one. */
REEVE_REMOTE(reeve_futures_reeve_bytes, bench_put_many, (int64_t, count), (uint64_t, size))
{
    reeve_future_reeve_bytes *all = reeve_alloc((size_t)count * sizeof(*all));
    uint8_t *bytes = reeve_alloc(size);
    memset(bytes, 1, size);
    for (int64_t i = 0; i < count; i++)
        all[i] = reeve_put_bytes(bytes, size);
    return (reeve_futures_reeve_bytes){all, (size_t)count};
}

static bool many_given(int count, size_t size)
{
    reeve_futures_reeve_bytes all;
    if (bench_put_many_get(bench_put_many_remote(count, size), &all) != REEVE_OK)
        return false;
    bool good = all.count == (size_t)count;
    if (good)
        memcpy(many_futures, all.items, all.count * sizeof(many_futures[0]));
    reeve_clear(reeve_futures_reeve_bytes, &all);
    return good;
}

static void many_made(int count, size_t size)
{
    for (int i = 0; i < count; i++)
        many_futures[i] = bench_make_bytes_remote(size);
    (void)reeve_wait(many_futures, (size_t)count, (size_t)count, REEVE_FOREVER, NULL, NULL);
}

static bool many_wanted(struct bench *bench, const char *name)
{
    char again[48];
    snprintf(again, sizeof(again), "%s_again", name);
    return bench_wanted(bench, name) || bench_wanted(bench, again);
}

static void many_viewed(struct bench *bench, const uint8_t *bytes)
{
    static const struct {
        const char *name;
        int count;
        size_t size;
    } rows[] = {{"view_10000_1kib", MANY, 1024}, {"view_10000_66kib", MANY, MANY_SIZE},
        {"view_1000_1mib", 1000, MANY_LARGEST}};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(rows); i++) {
        if (!many_wanted(bench, rows[i].name))
            continue;
        many_put(bytes, rows[i].count, rows[i].size);
        many_views(bench, rows[i].name, rows[i].count);
    }
    if (many_wanted(bench, "view_10000_66kib_results")) {
        many_made(MANY, MANY_SIZE);
        many_views(bench, "view_10000_66kib_results", MANY);
    }
    if (many_wanted(bench, "view_10000_66kib_given")) {
        if (many_given(MANY, MANY_SIZE))
            many_views(bench, "view_10000_66kib_given", MANY);
        else
            bench_call_failed(bench, "view_10000_66kib_given");
    }
    if (many_wanted(bench, "view_1000_66kib_other")) {
        many_put(bytes, 1000, MANY_SIZE);
        many_views_lent(bench, 1000);
        for (int i = 0; i < 1000; i++)
            (void)reeve_release(many_futures[i]);
    }
}

/* What a program pays that makes itself ten thousand copies of such values: malloc and memcpy, into
 * memory that is new to it, in a process of its own. `step`: how far they lie from each other. */
static double copies_ms(const uint8_t *bytes, size_t size, size_t step)
{
    int ends[2];
    double ms = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return 0;
    pid_t pid = fork();
    if (pid == 0) {
        static void *copies[MANY];
        double begin = bench_now_s();
        for (int i = 0; i < MANY; i++) {
            copies[i] = malloc(size);
            if (copies[i] == NULL)
                _exit(1);
            memcpy(copies[i], bytes + (size_t)i * step, size);
            __asm__ volatile("" : : "r"(copies[i]) : "memory");
        }
        ms = (bench_now_s() - begin) * 1e3;
        _exit(write(ends[1], &ms, sizeof(ms)) != sizeof(ms));
    }
    close(ends[1]);
    if (pid < 0 || read(ends[0], &ms, sizeof(ms)) != sizeof(ms))
        ms = 0;
    close(ends[0]);
    waitpid(pid, NULL, 0);
    return ms;
}

/* All of them in one get, each a copy of the caller's own. In turn with its floor, several times:
 * memory that the machine itself has not touched for long is slow, whoever is given it. */
static void many_gets(struct bench *bench, const char *name, const uint8_t *bytes, size_t size)
{
    static reeve_bytes values[MANY];
    double took[MANY_ROUNDS], floors[MANY_ROUNDS];
    /* Of small ones each lies in a place of its own, as the values do: not in the caches. */
    uint8_t *apart = size <= 4096 ? malloc(MANY * size) : NULL;
    for (size_t i = 0; apart != NULL && i < MANY; i++)
        memcpy(apart + i * size, bytes, size);
    bool good = true;
    for (int round = 0; round < MANY_ROUNDS && good; round++) {
        many_put(bytes, MANY, size);
        floors[round] = copies_ms(apart != NULL ? apart : bytes, size, apart != NULL ? size : 0);
        double begin = bench_now_s();
        good = reeve_get_many_reeve_bytes(many_futures, MANY, values, NULL) == REEVE_OK;
        took[round] = (bench_now_s() - begin) * 1e3;
        for (int i = 0; i < MANY && good; i++)
            good = values[i].size == size && memcmp(values[i].data, bytes, size) == 0;
        for (int i = 0; i < MANY; i++)
            reeve_clear(reeve_bytes, &values[i]);
    }
    free(apart);
    if (good)
        bench_say(bench, name, bench_percentile(took, MANY_ROUNDS, 0.5), "ms",
            bench_percentile(floors, MANY_ROUNDS, 0.5));
    else
        bench_call_failed(bench, name);
}

static void many(struct bench *bench)
{
    static const struct {
        const char *name;
        size_t size;
    } rows[] = {{"get_many_10000_100b", 100}, {"get_many_10000_1kib", 1024},
        {"get_many_10000_66kib", MANY_SIZE}};
    uint8_t *bytes = malloc(MANY_LARGEST);
    if (bytes == NULL)
        return;
    memset(bytes, 1, MANY_LARGEST);
    many_viewed(bench, bytes);
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(rows); i++)
        if (bench_wanted(bench, rows[i].name))
            many_gets(bench, rows[i].name, bytes, rows[i].size);
    free(bytes);
}

void bench_views(struct bench *bench)
{
    views(bench, "small", 100);
    views(bench, "1mb", 1000 * 1000);
    views(bench, "1gb", 1000 * 1000 * 1000);
    many(bench);
}
