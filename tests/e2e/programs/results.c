/* Several results: `results WHAT [FILE]` prints "ok WHAT", or says what is wrong. */
#include <signal.h>

#include "tests/e2e/programs/say.h"

#define LARGE ((size_t)3 << 20)
#define MANY  3000

/* ---- functions ------------------------------------------------------------------------------- */

REEVE_REMOTE_RESULTS(
    divide, ((int64_t, quotient), (int64_t, remainder)), (int64_t, a), (int64_t, b))
{
    if (b == 0)
        reeve_fail(22, "%" PRId64 " by zero", a);
    else
        *results = (divide_results){a / b, a % b};
}

REEVE_REMOTE(int64_t, add, (int64_t, a), (int64_t, b))
{
    return a + b;
}

REEVE_REMOTE(int64_t, first_of, (reeve_bytes, bytes))
{
    return ((const uint8_t *)bytes.data)[0] + ((const uint8_t *)bytes.data)[bytes.size - 1];
}

/* Of all sizes and kinds; a future that goes on among them. */
REEVE_REMOTE_RESULTS(mixed, ((reeve_string, text), (reeve_bytes, large), (bool, truth),
                                (reeve_int64_array, numbers), (reeve_future_int64_t, later)))
{
    uint8_t *bytes = reeve_alloc(LARGE);
    int64_t *numbers = reeve_alloc(3 * sizeof(*numbers));
    memset(bytes, 5, LARGE);
    numbers[0] = numbers[1] = numbers[2] = 9;
    results->text = "several";
    results->large = (reeve_bytes){bytes, LARGE};
    results->truth = true;
    results->numbers = (reeve_int64_array){numbers, 3};
    results->later = add_remote(20, 22);
}

REEVE_REMOTE_RESULTS(two_large, ((reeve_bytes, one), (reeve_bytes, two)), (int64_t, fill))
{
    uint8_t *bytes = reeve_alloc(LARGE), *more = reeve_alloc(LARGE);
    memset(bytes, (int)fill, LARGE);
    memset(more, (int)fill + 1, LARGE);
    results->one = (reeve_bytes){bytes, LARGE};
    results->two = (reeve_bytes){more, LARGE};
}

REEVE_REMOTE_RESULTS(forgotten, ((int64_t, set), (reeve_string, unset)))
{
    results->set = 1;
}

/* Dies once: in the process that can make the file. */
REEVE_REMOTE_RESULTS(
    dies_once, ((int64_t, one), (reeve_bytes, two)), (reeve_string, once), (int64_t, value))
{
    int fd = open(once, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)raise(SIGKILL);
    uint8_t *bytes = reeve_alloc(LARGE);
    memset(bytes, (int)value, LARGE);
    *results = (dies_once_results){value, {bytes, LARGE}};
}

REEVE_REMOTE_RESULTS(sleeps, ((int64_t, one), (int64_t, two)), (reeve_string, mail))
{
    report(mail, "sleeps %d", (int)getpid());
    reeve_progress(3, 10);
    while (!reeve_cancelled())
        usleep(5000);
    *results = (sleeps_results){1, 2};
}

/* Calls by itself, waits for what it has called, and passes a result on. */
REEVE_REMOTE(int64_t, digits, (int64_t, n))
{
    if (n < 10)
        return n;
    divide_futures f = divide_remote(n, 10);
    int64_t rest = -1, last = -1;
    digits_future more = reeve_call(digits, f.quotient);
    (void)reeve_release(f.quotient);
    if (digits_get(more, &rest) != REEVE_OK || reeve_get(int64_t, f.remainder, &last) != REEVE_OK)
        reeve_fail(1, "%s", reeve_last_error()->message);
    return rest + last;
}

/* Gives the futures of its own call: of one result, and all of them. */
REEVE_STRUCT(given, (reeve_future_int64_t, quotient), (reeve_future_int64_t, remainder))
REEVE_REMOTE(given, gives, (int64_t, a), (int64_t, b))
{
    divide_futures f = divide_remote(a, b);
    return (given){f.quotient, f.remainder};
}

/* A typed function that gives any number of futures, for reeve_submit_results. */
REEVE_REMOTE(reeve_futures_int64_t, spread, (int64_t, count))
{
    reeve_future_int64_t *futures = reeve_alloc((size_t)count * sizeof(*futures));
    for (int64_t i = 0; i < count; i++) /* calls and values by turns */
        futures[i] = i % 2 ? add_remote(i, i) : reeve_put(int64_t, 2 * i);
    return (reeve_futures_int64_t){futures, (size_t)count};
}

static int pieces(void *context, const void *args, size_t size, reeve_packed *result)
{
    static uint8_t bytes[MANY][3];
    static reeve_packed values[MANY];
    const uint8_t *at = args;
    size_t count = size == 4 && at[1] == 0xcd ? (size_t)at[2] << 8 | at[3] : 0;
    (void)context;
    for (size_t i = 0; i < count; i++) {
        bytes[i][0] = 0xcd; /* uint 16 */
        bytes[i][1] = (uint8_t)(i >> 8);
        bytes[i][2] = (uint8_t)i;
        values[i] = (reeve_packed){.bytes = bytes[i], .size = 3};
    }
    return reeve_give_results(values, count, result);
}

/* ---- the ways of using them ------------------------------------------------------------------ */

static void alone(void)
{
    divide_futures f = divide_remote(17, 5);
    int64_t x = 0;
    add_future sum = reeve_call(add, f.quotient, f.remainder);
    NEED(reeve_get(int64_t, f.remainder, &x) == REEVE_OK && x == 2);
    NEED(reeve_release(f.quotient) == REEVE_OK);
    NEED(add_get(sum, &x) == REEVE_OK && x == 5);
    NEED(reeve_get(int64_t, f.remainder, &x) == REEVE_EHANDLE);
    divide_results both;
    NEED(divide_get(divide_remote_opts(REEVE_TASK_OPTIONS(.cpus = 0.5), 23, 7), &both) == REEVE_OK);
    NEED(both.quotient == 3 && both.remainder == 2);
    NEED(divide_release(divide_remote(1, 1)) == REEVE_OK);
    reeve_future_int64_t hundred = reeve_put(int64_t, 100);
    f = reeve_call(divide, hundred, 9);
    NEED(reeve_release(hundred) == REEVE_OK);
    bool ready[1];
    NEED(reeve_wait(&f.quotient, 1, 1, REEVE_FOREVER, ready, NULL) == REEVE_OK && ready[0]);
    NEED(reeve_wait(&f.remainder, 1, 1, 0, ready, NULL) == REEVE_OK);
    NEED(divide_get(f, &both) == REEVE_OK && both.quotient == 11 && both.remainder == 1);
}

static void sizes(void)
{
    mixed_futures f = mixed_remote();
    int64_t x = 0;
    mixed_results all;
    NEED(first_of_get(reeve_call(first_of, f.large), &x) == REEVE_OK && x == 10);
    NEED(mixed_get(f, &all) == REEVE_OK);
    NEED(strcmp(all.text, "several") == 0 && all.truth && all.large.size == LARGE);
    NEED(((const uint8_t *)all.large.data)[LARGE / 2] == 5);
    NEED(all.numbers.count == 3 && all.numbers.items[2] == 9);
    NEED(reeve_get(int64_t, all.later, &x) == REEVE_OK && x == 42);
    mixed_clear(&all);
    NEED(all.text == NULL && all.large.data == NULL);
    for (int i = 0; i < 20; i++) { /* one is looked at where it lies, the other is dropped */
        two_large_futures g = two_large_remote(i);
        reeve_bytes bytes;
        reeve_view view;
        NEED(reeve_release(g.one) == REEVE_OK);
        NEED(reeve_view_reeve_bytes(g.two, REEVE_FOREVER, &bytes, &view) == REEVE_OK);
        NEED(bytes.size == LARGE && ((const uint8_t *)bytes.data)[LARGE - 1] == i + 1);
        NEED(reeve_release(g.two) == REEVE_OK);
        reeve_view_release(view);
    }
}

static void errors(void)
{
    divide_futures f = divide_remote(7, 0);
    int64_t x = 0;
    NEED(reeve_get(int64_t, f.remainder, &x) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->user_code == 22);
    NEED(strcmp(reeve_last_error()->function, "divide") == 0);
    NEED(add_get(reeve_call(add, f.quotient, 1), &x) == REEVE_EFUNCTION);
    NEED(reeve_release(f.quotient) == REEVE_OK);
    divide_results both = {1, 1};
    NEED(divide_get(divide_remote(8, 0), &both) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->user_code == 22 && both.quotient == 0 && both.remainder == 0);
    NEED(divide_get(f, &both) == REEVE_EHANDLE);
    forgotten_results set;
    NEED(forgotten_get(forgotten_remote(), &set) == REEVE_EINVAL);
    NEED(strstr(reeve_last_error()->message, "unset") != NULL);
    f = reeve_call(divide, f.quotient, 1); /* a stale one */
    NEED(reeve_get(int64_t, f.quotient, &x) == REEVE_EHANDLE);
    NEED(reeve_get(int64_t, f.remainder, &x) == REEVE_EHANDLE);
}

static void nested(void)
{
    int64_t x = 0;
    given g;
    NEED(digits_get(digits_remote(987654321), &x) == REEVE_OK && x == 45);
    NEED(gives_get(gives_remote(47, 9), &g) == REEVE_OK);
    NEED(reeve_get(int64_t, g.quotient, &x) == REEVE_OK && x == 5);
    NEED(reeve_get(int64_t, g.remainder, &x) == REEVE_OK && x == 2);
}

static reeve_submission call_of(const char *function, uint8_t args[4], size_t count)
{
    memcpy(args, (uint8_t[]){0x91, 0xcd, (uint8_t)(count >> 8), (uint8_t)count}, 4);
    return (reeve_submission){
        .size = sizeof(reeve_submission), .function = function, .args = args, .args_size = 4};
}

static void many(const char *function, size_t count, int64_t times)
{
    static reeve_future futures[MANY];
    uint8_t args[4];
    reeve_submission call = call_of(function, args, count);
    NEED(reeve_submit_results(&call, futures, count) == REEVE_OK);
    for (size_t i = 0; i < count; i++) {
        int64_t x = -1;
        NEED(reeve_get(int64_t, reeve_future_as(int64_t, futures[i]), &x) == REEVE_OK);
        NEED(x == (int64_t)i * times);
    }
}

static void packed(void)
{
    static reeve_future futures[REEVE_RESULTS_MAX + 1];
    uint8_t args[4];
    reeve_submission call = call_of("pieces", args, 3);
    int64_t x;
    many("pieces", 1, 1);
    many("pieces", MANY, 1);
    many("spread", MANY, 2);
    NEED(reeve_submit_results(&call, futures, 0) == REEVE_EINVAL);
    NEED(reeve_submit_results(&call, futures, REEVE_RESULTS_MAX + 1) == REEVE_EINVAL);
    NEED(reeve_submit_results(&call, futures, 2) == REEVE_OK);
    for (int i = 0; i < 2; i++)
        NEED(reeve_get(int64_t, reeve_future_as(int64_t, futures[i]), &x) == REEVE_ETYPE);
    NEED(strstr(reeve_last_error()->message, "2 results were asked for") != NULL);
    call = call_of("digits", args, 3); /* gives no futures at all */
    NEED(reeve_submit_results(&call, futures, 1) == REEVE_OK);
    NEED(reeve_get(int64_t, reeve_future_as(int64_t, futures[0]), &x) == REEVE_ETYPE);
    call = call_of("nobody", args, 3);
    NEED(reeve_submit_results(&call, futures, 1) == REEVE_ENOFUNCTION);
}

static void dies(const char *once)
{
    dies_once_futures f = dies_once_remote(once, 77);
    dies_once_results both;
    NEED(dies_once_get(f, &both) == REEVE_OK);
    NEED(both.one == 77 && ((const uint8_t *)both.two.data)[LARGE - 1] == 77);
    dies_once_clear(&both);
}

static void cancelled(const char *mail)
{
    sleeps_futures f = sleeps_remote(mail), second = sleeps_remote(mail);
    int64_t x;
    uint64_t done = 0, total = 0;
    for (int i = 0; i < 2000 && done != 3; i++) { /* that of the call is that of each result */
        NEED(reeve_get_progress(f.two, &done, &total) == REEVE_OK);
        usleep(5000);
    }
    NEED(done == 3 && total == 10);
    NEED(reeve_cancel(second.one, NULL) == REEVE_OK);
    NEED(reeve_get(int64_t, second.two, &x) == REEVE_ECANCELLED);
    NEED(reeve_get(int64_t, second.one, &x) == REEVE_ECANCELLED);
    NEED(reeve_cancel(f.two, NULL) == REEVE_OK);
    NEED(reeve_get(int64_t, f.one, &x) == REEVE_ECANCELLED);
    NEED(reeve_get(int64_t, f.two, &x) == REEVE_ECANCELLED);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "", *file = argc > 2 ? argv[2] : "";
    NEED(reeve_register("pieces", pieces, NULL) == REEVE_OK);
    NEED(reeve_init(argc, argv, NULL) == REEVE_OK);
    if (strcmp(what, "alone") == 0)
        alone();
    else if (strcmp(what, "sizes") == 0)
        sizes();
    else if (strcmp(what, "errors") == 0)
        errors();
    else if (strcmp(what, "nested") == 0)
        nested();
    else if (strcmp(what, "packed") == 0)
        packed();
    else if (strcmp(what, "dies") == 0)
        dies(file);
    else if (strcmp(what, "cancelled") == 0)
        cancelled(file);
    else
        NEED(!"a known word");
    reeve_shutdown();
    printf("ok %s\n", what);
    return 0;
}
