/* The suite `envelope`: how far it goes in one direction at a time. The dimensions are those of
 * Ray's scalability envelope of one node, with its published times beside ours (one m4.16xlarge:
 * 64 cores, 256 GiB; Python). After each step everything there is must be available again. */
#include <jansson.h>
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define ARGUMENTS      10000
#define ARGUMENT_BYTES 10000
#define OBJECT_FUTURES 1000 /* an entry mentions 1,024 objects at most */
#define RETURNS        3000
#define GET_OBJECTS    10000
#define NUMBERS        10000 /* in each of them */
#define QUEUED         1000000

/* ---- the leak check -------------------------------------------------------------------------- */

json_t *bench_ask(const char *command)
{
    static char answer[256 * 1024];
    const char *const arguments[] = {"reeve", command, "--json", NULL};
    int out;
    pid_t pid = bench_child_start(arguments, &out);
    if (pid < 0 || bench_child_read(pid, out, answer, sizeof(answer)) != 0)
        return NULL;
    return json_loads(answer, 0, NULL);
}

/* Bytes of objects: without the room that processes hold for the next. */
static json_int_t object_bytes(void)
{
    json_t *objects = bench_ask("objects"), *totals = json_object_get(objects, "totals");
    json_int_t bytes = json_integer_value(json_object_get(totals, "used_bytes")) -
                       json_integer_value(json_object_get(totals, "unsealed_bytes"));
    bytes = totals != NULL ? bytes : -1;
    json_decref(objects);
    return bytes;
}

/* What is in use: NULL when nothing is, else what. */
static const char *in_use(char *text, size_t size)
{
    json_t *status = bench_ask("status"), *totals = json_object_get(status, "totals");
    if (status == NULL)
        return "reeve status failed";
    json_int_t store = object_bytes(),
               leases = json_integer_value(json_object_get(totals, "leases"));
    json_int_t demands = json_integer_value(json_object_get(totals, "demands"));
    double slots = json_number_value(json_object_get(totals, "slots_used"));
    bool free_again = status != NULL && store == 0 && leases == 0 && demands == 0 && slots == 0;
    json_decref(status);
    if (free_again)
        return NULL;
    snprintf(text, size,
        "still in use: %g cpus, %lld leases, %lld demands, %lld bytes of the store", slots,
        (long long)leases, (long long)demands, (long long)store);
    return text;
}

/* Idle leases go back after half a second, and the head hears of the store once a second. */
void bench_leak_check(struct bench *bench, const char *name)
{
    const struct timespec pause = {0, 200000000};
    char text[128];
    const char *used = NULL;
    double end = bench_now_s() + 10;
    do {
        nanosleep(&pause, NULL);
        used = in_use(text, sizeof(text));
    } while (used != NULL && bench_now_s() < end);
    if (used != NULL)
        bench_wrong(bench, name, used);
    else
        fprintf(stderr,
            "reeve bench: %s: afterwards 0 cpus, 0 leases, 0 demands, 0 bytes of the store in "
            "use\n",
            name);
}

/* ---- many arguments -------------------------------------------------------------------------- */

/* A handler: the sum of all bytes of all arguments, which are spans (bin 16). */
static int add_spans(void *context, const void *args, size_t size, reeve_packed *result)
{
    const uint8_t *bytes = args, *end = bytes + size, *at = bytes + 3;
    uint64_t sum = 0, count = 0;
    (void)context;
    while (at + 3 <= end && at[0] == 0xc5) {
        size_t length = (size_t)at[1] << 8 | at[2];
        at += 3;
        for (size_t i = 0; i < length && at + i < end; i++)
            sum += at[i];
        at += length;
        count++;
    }
    uint8_t *packed = reeve_alloc(9);
    sum = __builtin_bswap64(sum);
    packed[0] = 0xcf;
    memcpy(packed + 1, &sum, 8);
    *result = (reeve_packed){packed, 9};
    if (at != end || count != ((uint64_t)bytes[1] << 8 | bytes[2]))
        reeve_fail(1, "%llu spans", (unsigned long long)count);
    return REEVE_OK;
}

static bool sum_is(
    struct bench *bench, const char *name, const reeve_submission *call, uint64_t expected)
{
    reeve_future future;
    int64_t sum = 0;
    if (reeve_submit(call, &future) != REEVE_OK ||
        reeve_get(int64_t, (reeve_future_int64_t){future.id}, &sum) != REEVE_OK)
        return bench_call_failed(bench, name);
    return (uint64_t)sum == expected || bench_wrong(bench, name, "a wrong answer");
}

/* Given with the call. */
static void many_arguments(struct bench *bench)
{
    const char *name = "envelope_10k_arguments";
    size_t size = 3 + (size_t)ARGUMENTS * (ARGUMENT_BYTES + 3);
    uint8_t *args = malloc(size);
    if (args == NULL)
        return;
    double begin = bench_now_s();
    memset(args, 1, size);
    memcpy(args, ((uint8_t[]){0xdc, ARGUMENTS >> 8, ARGUMENTS & 0xff}), 3);
    for (size_t at = 3; at < size; at += ARGUMENT_BYTES + 3)
        memcpy(args + at, ((uint8_t[]){0xc5, ARGUMENT_BYTES >> 8, ARGUMENT_BYTES & 0xff}), 3);
    reeve_submission call = {
        .size = sizeof(call), .function = "bench_add_spans", .args = args, .args_size = size};
    bool good = sum_is(bench, name, &call, (uint64_t)ARGUMENTS * ARGUMENT_BYTES);
    if (good)
        bench_say_ray(bench, name, bench_now_s() - begin, "s", 0, 17.2);
    free(args);
    bench_leak_check(bench, name);
}

/* Futures of objects in the store: as many as a call can take. */
static void object_arguments(struct bench *bench)
{
    enum { EACH = 65535 };
    const char *name = "envelope_1k_object_arguments";
    static reeve_splice splices[OBJECT_FUTURES];
    static uint8_t args[3 + OBJECT_FUTURES], value[EACH + 3];
    bool good = true;
    double begin = bench_now_s();
    memset(value, 1, sizeof(value));
    memcpy(value, "\xc5\xff\xff", 3);
    memset(args, 0xc0, sizeof(args));
    memcpy(args, ((uint8_t[]){0xdc, OBJECT_FUTURES >> 8, OBJECT_FUTURES & 0xff}), 3);
    for (size_t i = 0; i < OBJECT_FUTURES; i++) {
        splices[i].offset = 3 + i;
        good &= reeve_put_packed(value, sizeof(value), &splices[i].future) == REEVE_OK;
    }
    reeve_submission call = {.size = sizeof(call),
        .function = "bench_add_spans",
        .args = args,
        .args_size = sizeof(args),
        .splices = splices,
        .splice_count = OBJECT_FUTURES};
    if (!good)
        bench_call_failed(bench, name);
    else if (sum_is(bench, name, &call, (uint64_t)OBJECT_FUTURES * EACH))
        bench_say(bench, name, bench_now_s() - begin, "s", 0);
    for (size_t i = 0; i < OBJECT_FUTURES; i++)
        (void)reeve_release(splices[i].future);
    bench_leak_check(bench, name);
}

/* ---- many results ---------------------------------------------------------------------------- */

/* A handler: as many lists of numbers as it has results; in list i the first is i, and each is one
 * more than the one before. It is told how many lists, and of how many numbers (uint 16 each). */
static int give_lists(void *context, const void *args, size_t size, reeve_packed *result)
{
    const uint8_t *bytes = args;
    (void)context;
    if (size != 7)
        return REEVE_EARITY;
    size_t count = (size_t)bytes[2] << 8 | bytes[3], numbers = (size_t)bytes[5] << 8 | bytes[6];
    reeve_future *futures = reeve_alloc(count * sizeof(*futures));
    int64_t *list = reeve_alloc(numbers * sizeof(*list));
    uint8_t *packed = reeve_alloc(6);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < numbers; k++)
            list[k] = (int64_t)(i + k);
        futures[i].id = reeve_put(reeve_int64_array, ((reeve_int64_array){list, numbers})).id;
    }
    memcpy(packed,
        ((uint8_t[]){0xd6, REEVE_EXT_FUTURES, count & 0xff, (uint8_t)(count >> 8), 0, 0}), 6);
    *result = (reeve_packed){packed, 6, futures, count};
    return REEVE_OK;
}

static bool list_is_right(reeve_future future, int64_t first)
{
    reeve_int64_array list;
    if (reeve_get(reeve_int64_array, reeve_future_as(reeve_int64_array, future), &list) != REEVE_OK)
        return false;
    bool right = list.count == NUMBERS;
    for (int64_t k = 0; k < NUMBERS && right; k++)
        right = list.items[k] == first + k;
    reeve_clear(reeve_int64_array, &list);
    return right;
}

/* Each a future of its own; all are looked through. */
static void many_returns(struct bench *bench)
{
    const char *name = "envelope_3k_returns";
    static reeve_future futures[RETURNS];
    const uint8_t args[] = {
        0x92, 0xcd, RETURNS >> 8, RETURNS & 0xff, 0xcd, NUMBERS >> 8, NUMBERS & 0xff};
    reeve_submission call = {
        .size = sizeof(call), .function = "bench_lists", .args = args, .args_size = sizeof(args)};
    bool good = true;
    double begin = bench_now_s();
    if (reeve_submit_results(&call, futures, RETURNS) != REEVE_OK) {
        bench_call_failed(bench, name);
        return;
    }
    for (int64_t i = 0; i < RETURNS && good; i++)
        good = list_is_right(futures[i], i);
    double spent = bench_now_s() - begin;
    if (!good)
        bench_wrong(bench, name, "a wrong answer");
    else
        bench_say_ray(bench, name, spent, "s", 0, 5.7);
    bench_leak_check(bench, name);
}

/* ---- many objects in one get ----------------------------------------------------------------- */

/* All of them viewed, and the views ended: how long the former takes; 0: something is wrong. */
static double many_viewed(const reeve_future_reeve_int64_array *futures)
{
    static reeve_view views[GET_OBJECTS];
    reeve_int64_array seen;
    int count = 0;
    bool good = true;
    double begin = bench_now_s();
    for (; count < GET_OBJECTS && good; count++)
        good = reeve_view_reeve_int64_array(futures[count], REEVE_FOREVER, &seen, &views[count]) ==
                   REEVE_OK &&
               seen.count == NUMBERS && seen.items[NUMBERS - 1] == NUMBERS - 1;
    double spent = bench_now_s() - begin;
    for (int i = 0; i < (good ? count : count - 1); i++)
        (void)reeve_view_release(views[i]);
    return good ? spent : 0;
}

static void many_in_one_get(struct bench *bench)
{
    const char *name = "envelope_10k_get";
    static int64_t numbers[NUMBERS];
    static reeve_future_reeve_int64_array futures[GET_OBJECTS];
    static reeve_int64_array values[GET_OBJECTS];
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = i;
    double begin = bench_now_s();
    for (int i = 0; i < GET_OBJECTS; i++)
        futures[i] = reeve_put(reeve_int64_array, ((reeve_int64_array){numbers, NUMBERS}));
    double put = bench_now_s();
    double viewed = many_viewed(futures), again = many_viewed(futures), viewed_at = bench_now_s();
    int code = reeve_get_many(reeve_int64_array, futures, GET_OBJECTS, values, NULL);
    double got = bench_now_s();
    bool good = code == REEVE_OK && viewed != 0 && again != 0;
    for (int i = 0; i < GET_OBJECTS && good; i++)
        good = values[i].count == NUMBERS && memcmp(values[i].items, numbers, sizeof(numbers)) == 0;
    double end = bench_now_s();
    for (int i = 0; i < GET_OBJECTS; i++)
        reeve_clear(reeve_int64_array, &values[i]);
    if (code != REEVE_OK) {
        bench_call_failed(bench, name);
    } else if (!good) {
        bench_wrong(bench, name, "a wrong answer");
    } else {
        bench_say_ray(bench, name, end - begin - (viewed_at - put), "s", 0, 23.5);
        bench_say(bench, "envelope_10k_get_puts", put - begin, "s", 0);
        bench_say(bench, "envelope_10k_get_gets", got - viewed_at, "s", 0);
        bench_say(bench, "envelope_10k_get_views", viewed * 1e3, "ms", 0);
        bench_say(bench, "envelope_10k_get_views_again", again * 1e3, "ms", 0);
    }
    bench_leak_check(bench, name);
}

/* ---- many queued ----------------------------------------------------------------------------- */

REEVE_REMOTE(void, bench_nothing)
{
}

static void many_queued(struct bench *bench)
{
    const char *name = "envelope_1m_queued";
    bench_nothing_future *futures = malloc(QUEUED * sizeof(*futures));
    struct bench_gate gate;
    if (futures == NULL)
        return;
    memset(futures, 1, QUEUED * sizeof(*futures));
    double begin = bench_now_s();
    if (!bench_gate_shut(bench, &gate, name, (int)sysconf(_SC_NPROCESSORS_ONLN), 1)) {
        free(futures);
        return;
    }
    uint64_t before = bench_anonymous_bytes();
    for (int i = 0; i < QUEUED; i++)
        futures[i] = bench_nothing_remote();
    uint64_t after = bench_anonymous_bytes();
    double queued = bench_now_s();
    bool good = bench_gate_open(bench, &gate, name);
    for (int i = 0; i < QUEUED; i++)
        if (bench_nothing_get(futures[i]) != REEVE_OK && good)
            good = bench_call_failed(bench, name);
    double end = bench_now_s();
    free(futures);
    if (good) {
        bench_say_ray(bench, name, end - begin, "s", 0, 184.4);
        bench_say(bench, "envelope_1m_queued_submits", queued - begin, "s", 0);
        bench_say(bench, "envelope_1m_queued_bytes", (double)(after - before) / QUEUED, "B", 0);
    }
    bench_leak_check(bench, name);
}

/* ---- one large value ------------------------------------------------------------------------- */

static void large_get(struct bench *bench)
{
    const char *name = "envelope_large_get";
    size_t size = bench->get_bytes;
    uint8_t *zeros = calloc(1, size); /* never written: it takes no memory */
    if (zeros == NULL) {
        bench_wrong(bench, name, "there is no memory for such a value");
        return;
    }
    reeve_bytes back;
    double begin = bench_now_s();
    reeve_future_reeve_bytes future = reeve_put_bytes(zeros, size);
    double put = bench_now_s();
    if (reeve_get(reeve_bytes, future, &back) != REEVE_OK) {
        bench_call_failed(bench, name);
    } else {
        double end = bench_now_s();
        const uint8_t *bytes = back.data;
        if (back.size != size || bytes[0] != 0 || bytes[size - 1] != 0)
            bench_wrong(bench, name, "other bytes than were put");
        reeve_clear(reeve_bytes, &back);
        bench_say(bench, name, end - begin, "s", 0);
        bench_say(bench, "envelope_large_get_size", (double)size / 1e9, "GB", 0);
        bench_say(bench, "envelope_large_get_put", (double)size / (put - begin) / 1e9, "GB/s",
            bench->floors.memcpy_warm_gb_s);
        bench_say(bench, "envelope_large_get_get", (double)size / (end - put) / 1e9, "GB/s",
            bench->floors.memcpy_warm_gb_s);
    }
    free(zeros);
    bench_leak_check(bench, name);
}

static void many_actors(struct bench *bench)
{
    bench_envelope_actors(bench, "envelope_actors");
    bench_leak_check(bench, "envelope_actors");
}

/* ---- the rows -------------------------------------------------------------------------------- */

void bench_envelope_alone(struct bench *bench)
{
    bench_million_objects(bench, "envelope_1m_objects");
}

int bench_envelope_register(void)
{
    int rc = reeve_register("bench_add_spans", add_spans, NULL);
    return rc != REEVE_OK ? rc : reeve_register("bench_lists", give_lists, NULL);
}

void bench_envelope(struct bench *bench)
{
    const struct {
        const char *name;
        void (*run)(struct bench *);
    } rows[] = {
        {"envelope_10k_arguments", many_arguments},
        {"envelope_1k_object_arguments", object_arguments},
        {"envelope_3k_returns", many_returns},
        {"envelope_10k_get", many_in_one_get},
        {"envelope_1m_queued", many_queued},
        {"envelope_large_get", large_get},
        {"envelope_actors", many_actors},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (bench_wanted(bench, rows[i].name))
            rows[i].run(bench);
}
