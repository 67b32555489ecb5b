/* Calls of many kinds whose answers are checked: `answers WHAT [N]` prints "ok WHAT" or says
 * what is wrong. */
#include <math.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/e2e/programs/say.h"

REEVE_REMOTE(int64_t, square, (int64_t, x))
{
    return x * x;
}

REEVE_REMOTE(int64_t, add, (int64_t, a), (int64_t, b))
{
    return a + b;
}

REEVE_REMOTE(int64_t, fib, (int64_t, n))
{
    if (n < 2)
        return n;
    fib_future first = fib_remote(n - 1), second = fib_remote(n - 2);
    int64_t a = 0, b = 0;
    int code = fib_get(first, &a);
    if (code == REEVE_OK)
        code = fib_get(second, &b);
    else
        reeve_release(second);
    if (code != REEVE_OK)
        reeve_fail(code, "%s", reeve_last_error()->message);
    return a + b;
}

REEVE_REMOTE(reeve_double_array, scale, (reeve_double_array, in), (double, by))
{
    double *out = reeve_alloc(in.count * sizeof *out);
    for (size_t i = 0; i < in.count; i++)
        out[i] = in.items[i] * by;
    return (reeve_double_array){out, in.count};
}

REEVE_REMOTE(double, total, (reeve_double_array, in))
{
    double sum = 0;
    for (size_t i = 0; i < in.count; i++)
        sum += in.items[i];
    return sum;
}

REEVE_STRUCT(inner, (reeve_string, name), (bool, flag), (float, weight))
REEVE_STRUCT(all_kinds, (int8_t, i8), (int16_t, i16), (int32_t, i32), (int64_t, i64), (uint8_t, u8),
    (uint16_t, u16), (uint32_t, u32), (uint64_t, u64), (double, real), (inner, in),
    (reeve_bytes, bytes), (reeve_int16_array, shorts))

REEVE_REMOTE(all_kinds, same, (all_kinds, value))
{
    return value;
}

REEVE_REMOTE(reeve_string, greet, (reeve_string, name))
{
    char *out = reeve_alloc(strlen(name) + 8);
    snprintf(out, strlen(name) + 8, "hello %s", name);
    return out;
}

REEVE_REMOTE(void, nothing, (int64_t, x))
{
    (void)x;
}

REEVE_REMOTE(int64_t, nap, (int64_t, ms))
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    return ms;
}

static void many(long n)
{
    square_future *futures = malloc((size_t)n * sizeof *futures);
    for (long i = 0; i < n; i++)
        futures[i] = square_remote(i);
    for (long i = 0; i < n; i++) {
        int64_t y;
        NEED(square_get(futures[i], &y) == REEVE_OK);
        NEED(y == (int64_t)i * i);
    }
    free(futures);
}

/* Each waits for the one before: none of the futures is got until the last. */
static void chain(long n)
{
    add_future last = add_remote(0, 0);
    for (long i = 1; i <= n; i++) {
        add_future next = reeve_call(add, last, i);
        NEED(reeve_release(last) == REEVE_OK);
        last = next;
    }
    int64_t sum;
    NEED(add_get(last, &sum) == REEVE_OK);
    NEED(sum == (int64_t)n * (n + 1) / 2);
}

static void recursion(long n)
{
    int64_t a = 0, b = 1, y;
    for (long i = 0; i < n; i++) {
        int64_t c = a + b;
        a = b;
        b = c;
    }
    NEED(fib_get(fib_remote(n), &y) == REEVE_OK);
    NEED(y == a);
}

static double *counting(size_t count)
{
    double *numbers = malloc(count * sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (double)(i % 1000);
    return numbers;
}

static void big(long megabytes)
{
    size_t count = (size_t)megabytes * 1000000 / sizeof(double);
    double *numbers = counting(count), sum = 0, answer;
    for (size_t i = 0; i < count; i++)
        sum += numbers[i];
    reeve_double_array in = {numbers, count}, out;
    for (int round = 0; round < 2; round++) { /* given with the call, and back */
        NEED(scale_get(scale_remote(in, 2), &out) == REEVE_OK);
        NEED(out.count == count);
        for (size_t i = 0; i < count; i++)
            NEED(out.items[i] == numbers[i] * 2);
        reeve_clear(reeve_double_array, &out);
    }
    /* stored once, read by many; then a result that goes from task to task */
    reeve_future_reeve_double_array stored = reeve_put(reeve_double_array, in);
    total_future totals[8];
    for (int i = 0; i < 8; i++)
        totals[i] = reeve_call(total, stored);
    for (int i = 0; i < 8; i++) {
        NEED(total_get(totals[i], &answer) == REEVE_OK);
        NEED(answer == sum);
    }
    scale_future scaled = reeve_call(scale, stored, 3);
    total_future last = reeve_call(total, scaled);
    NEED(reeve_release(stored) == REEVE_OK && reeve_release(scaled) == REEVE_OK);
    NEED(total_get(last, &answer) == REEVE_OK);
    NEED(answer == sum * 3);
    free(numbers);
}

/* Large results, one after the other: more than the store holds in all, so what is released must
 * be free again. */
static void stream(long megabytes)
{
    size_t count = 1000000 / sizeof(double);
    double *numbers = counting(count), answer;
    for (long i = 0; i < megabytes; i++) {
        scale_future scaled = scale_remote((reeve_double_array){numbers, count}, 1);
        total_future sum = reeve_call(total, scaled);
        NEED(reeve_release(scaled) == REEVE_OK);
        NEED(total_get(sum, &answer) == REEVE_OK);
        NEED(answer == (double)count / 1000 * 999 * 500);
    }
    free(numbers);
}

static void types(long n)
{
    (void)n;
    static const unsigned char bytes[] = {0, 255, 7};
    static const int16_t shorts[] = {INT16_MIN, 0, INT16_MAX};
    all_kinds in = {INT8_MIN, INT16_MIN, INT32_MIN, INT64_MIN, UINT8_MAX, UINT16_MAX, UINT32_MAX,
        UINT64_MAX, -0.1, {"\xc3\xa9t\xc3\xa9", true, 1.5f}, {bytes, 3}, {shorts, 3}};
    all_kinds out;
    NEED(same_get(same_remote(in), &out) == REEVE_OK);
    NEED(out.i8 == in.i8 && out.i16 == in.i16 && out.i32 == in.i32 && out.i64 == in.i64);
    NEED(out.u8 == in.u8 && out.u16 == in.u16 && out.u32 == in.u32 && out.u64 == in.u64);
    NEED(out.real == in.real && strcmp(out.in.name, in.in.name) == 0 && out.in.flag);
    NEED(out.in.weight == in.in.weight && out.bytes.size == 3 && !memcmp(out.bytes.data, bytes, 3));
    NEED(out.shorts.count == 3 && !memcmp(out.shorts.items, shorts, sizeof shorts));
    reeve_clear(all_kinds, &out);
    NEED(same_get(same_remote((all_kinds){.in = {.name = ""}}), &out) == REEVE_OK);
    NEED(out.bytes.size == 0 && out.shorts.count == 0 && *out.in.name == 0);
    reeve_clear(all_kinds, &out);
    reeve_string text;
    NEED(greet_get(greet_remote("you"), &text) == REEVE_OK);
    NEED(strcmp(text, "hello you") == 0);
    reeve_free(text);
    NEED(nothing_get(nothing_remote(1)) == REEVE_OK);
    reeve_future_int64_t put = reeve_put(int64_t, 6);
    NEED(reeve_get(int64_t, put, &in.i64) == REEVE_OK && in.i64 == 6);
}

/* By name, with packed arguments; a future among them takes the place of a nil. */
static void dynamic(long n)
{
    reeve_future future, sum;
    reeve_packed result;
    for (long i = 0; i < n; i++) {
        const unsigned char args[] = {0x91, (unsigned char)(i & 0x7f)};
        reeve_submission call = {
            .size = sizeof call, .function = "square", .args = args, .args_size = 2};
        NEED(reeve_submit(&call, &future) == REEVE_OK);
        reeve_splice splice = {1, future};
        reeve_submission second = {.size = sizeof second,
            .function = "add",
            .args = "\x92\xc0\x01",
            .args_size = 3,
            .splices = &splice,
            .splice_count = 1};
        NEED(reeve_submit(&second, &sum) == REEVE_OK);
        NEED(reeve_release(future) == REEVE_OK);
        int64_t y;
        if (i % 2) {
            NEED(reeve_typed_get(sum.id, REEVE_FOREVER, &reeve_type_int64_t, &y) == REEVE_OK);
            NEED(y == (i & 0x7f) * (i & 0x7f) + 1);
        } else {
            NEED(reeve_get_packed(sum, REEVE_FOREVER, &result) == REEVE_OK);
            NEED(result.size >= 1);
            if (i < 8)
                NEED(*(const unsigned char *)result.bytes == (i & 0x7f) * (i & 0x7f) + 1);
            reeve_free(result.bytes);
        }
    }
}

/* A task that makes many more, and waits for them all. */
REEVE_REMOTE(int64_t, squares_sum, (int64_t, n))
{
    int64_t xs[500], ys[500], sum = 0;
    square_future futures[500];
    for (int64_t i = 0; i < n; i++)
        xs[i] = i;
    if (square_remote_many((size_t)n, xs, futures) != REEVE_OK ||
        square_get_many(futures, (size_t)n, ys, NULL) != REEVE_OK)
        reeve_fail(1, "%s", reeve_last_error()->message);
    for (int64_t i = 0; i < n; i++)
        sum += ys[i];
    return sum;
}

/* Many calls with one call, many results with another; among them large ones, in order. */
static void bulk(long n)
{
    int64_t *xs = malloc((size_t)n * sizeof *xs), *ys = malloc((size_t)n * sizeof *ys);
    square_future *futures = malloc((size_t)n * sizeof *futures);
    for (long i = 0; i < n; i++)
        xs[i] = i;
    for (int round = 0; round < 3; round++) {
        NEED(square_remote_many((size_t)n, xs, futures) == REEVE_OK);
        NEED(square_get_many(futures, (size_t)n, ys, NULL) == REEVE_OK);
        for (long i = 0; i < n; i++)
            NEED(ys[i] == (int64_t)i * i);
    }
    NEED(square_get_many(futures, 1, ys, NULL) == REEVE_EHANDLE);
    square_future twice = square_remote(3); /* finished or not: the second time is refused */
    NEED(reeve_release(twice) == REEVE_OK && reeve_release(twice) == REEVE_EHANDLE);
    int64_t sum;
    NEED(squares_sum_get(squares_sum_remote(500), &sum) == REEVE_OK);
    NEED(sum == INT64_C(499) * 500 * 999 / 6);
    double *numbers = counting(50000), by[40], first = 0;
    reeve_double_array in[40], out[40];
    scale_future scaled[40];
    int codes[40];
    for (int i = 0; i < 40; i++) {
        in[i] = (reeve_double_array){numbers, i % 5 == 0 ? 50000 : 10};
        by[i] = i;
    }
    NEED(scale_remote_many(40, in, by, scaled) == REEVE_OK);
    NEED(reeve_release(scaled[7]) == REEVE_OK);
    NEED(scale_get_many(scaled, 40, out, codes) == REEVE_EHANDLE);
    for (int i = 0; i < 40; i++) {
        NEED(codes[i] == (i == 7 ? REEVE_EHANDLE : REEVE_OK));
        NEED(out[i].count == (i == 7 ? 0 : in[i].count));
        if (i != 7)
            first = out[i].items[9];
        NEED(i == 7 || first == 9.0 * i);
        reeve_clear(reeve_double_array, &out[i]);
    }
    free(numbers);
    free(futures);
    free(xs);
    free(ys);
}

static uint64_t bytes_sum(const void *bytes, size_t size)
{
    uint64_t sum = size;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + ((const uint8_t *)bytes)[i];
    return sum;
}

/* A handler: a sum over all that it gets, as an unsigned 64-bit number. */
static int sum_up(void *context, const void *args, size_t size, reeve_packed *result)
{
    uint8_t *packed = reeve_alloc(9);
    uint64_t sum = __builtin_bswap64(bytes_sum(args, size));
    (void)context;
    packed[0] = 0xcf;
    memcpy(packed + 1, &sum, 8);
    *result = (reeve_packed){packed, 9};
    return REEVE_OK;
}

static void expect_sum(const reeve_submission *call, uint64_t expected)
{
    reeve_future future;
    reeve_packed answer;
    NEED(reeve_submit(call, &future) == REEVE_OK);
    NEED(reeve_get_packed(future, REEVE_FOREVER, &answer) == REEVE_OK);
    expected = __builtin_bswap64(expected);
    NEED(answer.size == 9 && memcmp((const uint8_t *)answer.bytes + 1, &expected, 8) == 0);
    reeve_free(answer.bytes);
}

/* One call with many arguments, `each` bytes apiece. The array that it is to get is left in
 * *ret. */
static size_t wide_arguments(long n, size_t each, uint8_t **ret)
{
    size_t size = 3 + (size_t)n * (each + 3);
    uint8_t *args = malloc(size);
    memset(args, 7, size);
    memcpy(args, ((uint8_t[]){0xdc, (uint8_t)(n >> 8), (uint8_t)n}), 3);
    for (long i = 0; i < n; i++) {
        uint8_t *at = args + 3 + (size_t)i * (each + 3);
        memcpy(at, ((uint8_t[]){0xc5, (uint8_t)(each >> 8), (uint8_t)each, (uint8_t)i}), 4);
    }
    *ret = args;
    return size;
}

static void wide(long n)
{
    /* Large ones, too many to be objects each; small ones, too many to ride along. */
    const size_t sizes[] = {5000, 100};
    uint8_t *args, nils[3 + 100];
    reeve_submission call = {.size = sizeof call, .function = "sum_up"};
    for (int i = 0; i < 2; i++) {
        call.args_size = wide_arguments(n, sizes[i], &args);
        call.args = args;
        expect_sum(&call, bytes_sum(args, call.args_size));
        free(args);
    }
    /* Futures of values just large enough to be objects. */
    enum { FUTURES = 100, EACH = 65535 };
    size_t size = wide_arguments(FUTURES, EACH, &args);
    reeve_future values[FUTURES];
    reeve_splice splices[FUTURES];
    memset(nils, 0xc0, sizeof nils);
    memcpy(nils, args, 3);
    for (int i = 0; i < FUTURES; i++) {
        NEED(reeve_put_packed(args + 3 + (size_t)i * (EACH + 3), EACH + 3, &values[i]) == REEVE_OK);
        splices[i] = (reeve_splice){3 + (size_t)i, values[i]};
    }
    call = (reeve_submission){.size = sizeof call,
        .function = "sum_up",
        .args = nils,
        .args_size = sizeof nils,
        .splices = splices,
        .splice_count = FUTURES};
    expect_sum(&call, bytes_sum(args, size));
    for (int i = 0; i < FUTURES; i++)
        NEED(reeve_release(values[i]) == REEVE_OK);
    free(args);
}

static void *thread_main(void *arg)
{
    long base = *(long *)arg;
    for (long i = 0; i < 300; i += 3) {
        square_future futures[3];
        for (long k = 0; k < 3; k++)
            futures[k] = square_remote(base + i + k);
        for (long k = 0; k < 3; k++) {
            int64_t y;
            NEED(square_get(futures[k], &y) == REEVE_OK);
            NEED(y == (base + i + k) * (base + i + k));
        }
    }
    return NULL;
}

static void threads(long n)
{
    pthread_t *all = malloc((size_t)n * sizeof *all);
    long *bases = malloc((size_t)n * sizeof *bases);
    for (long i = 0; i < n; i++) {
        bases[i] = i * 1000;
        NEED(pthread_create(&all[i], NULL, thread_main, &bases[i]) == 0);
    }
    for (long i = 0; i < n; i++)
        pthread_join(all[i], NULL);
    free(all);
    free(bases);
}

/* The first of many that is ready, a wait that times out, a get that times out and may be tried
 * again. */
static void waits(long n)
{
    (void)n;
    const reeve_task_options *light = REEVE_TASK_OPTIONS(.cpus = 0.1);
    nap_future naps[3] = {
        nap_remote_opts(light, 700), nap_remote_opts(light, 1), nap_remote_opts(light, 1)};
    bool ready[3];
    size_t count;
    NEED(reeve_wait(naps, 3, 1, REEVE_FOREVER, ready, &count) == REEVE_OK);
    NEED(count >= 1 && !ready[0]);
    NEED(reeve_wait(naps, 3, 3, 1, ready, &count) == REEVE_ETIMEDOUT);
    NEED(count < 3 && !ready[0]);
    int64_t ms;
    NEED(nap_get_timeout(naps[0], 1, &ms) == REEVE_ETIMEDOUT);
    NEED(reeve_wait(naps, 3, 3, 60000, NULL, NULL) == REEVE_OK);
    for (int i = 0; i < 3; i++)
        NEED(nap_get_timeout(naps[i], 0, &ms) == REEVE_OK);
    NEED(nap_get(naps[0], &ms) == REEVE_EHANDLE);
}

/* Waits until the descriptors that are left are those of before, at most: what shutdown gives up
 * is given up by then. */
static int descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(long n);
        long n;
    } all[] = {{"many", many, 1000}, {"chain", chain, 300}, {"recursion", recursion, 15},
        {"big", big, 10}, {"stream", stream, 100}, {"types", types, 1}, {"dynamic", dynamic, 200},
        {"bulk", bulk, 2000}, {"wide", wide, 5000}, {"threads", threads, 8}, {"waits", waits, 1}};
    int before = descriptors();
    NEED(reeve_register("sum_up", sum_up, NULL) == REEVE_OK);
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    const char *name = argc > 1 ? argv[1] : "", *mode = getenv("REEVE_MODE");
    bool inline_mode = mode && strcmp(mode, "inline") == 0;
    bool found = false;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        /* inline, nothing is ever waited for */
        bool here = inline_mode ? all[i].run != waits : true;
        if (strcmp(name, all[i].name) == 0 || (strcmp(name, "all") == 0 && here)) {
            all[i].run(argc > 2 ? strtol(argv[2], NULL, 10) : all[i].n);
            printf("ok %s\n", all[i].name);
            fflush(stdout);
            found = true;
        }
    }
    reeve_shutdown();
    NEED(found);
    NEED(descriptors() == before);
    /* shutdown is not the end of the program: it may begin again */
    if (strcmp(name, "many") == 0) {
        NEED(reeve_init(argc, argv, NULL) == REEVE_OK);
        many(10);
        reeve_shutdown();
        NEED(descriptors() == before);
    }
    return 0;
}
