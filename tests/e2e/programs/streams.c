/* Streams: `streams WHAT [MAIL [GATE]]` prints "ok WHAT", or says what is wrong. */
#include "tests/e2e/programs/yields.h"

/* ---- functions ------------------------------------------------------------------------------- */

/* Says after each item that it has given it. */
REEVE_STREAM(reeve_bytes, paced, (reeve_string, mail), (int64_t, size))
{
    static uint8_t bytes[4096];
    for (int i = 1; paced_yield((reeve_bytes){bytes, (size_t)size}) == REEVE_OK; i++)
        if (i <= 20)
            report(mail, "yielded %d", i);
}

REEVE_REMOTE(int64_t, twice, (int64_t, x))
{
    return 2 * x;
}

/* A stream that reads another one, and calls functions. */
REEVE_STREAM(int64_t, doubled, (int64_t, n))
{
    count_to_stream from = count_to_remote(n);
    int64_t x, y;
    int rc;
    while ((rc = count_to_next(from, &x)) == REEVE_OK) {
        if (twice_get(twice_remote(x), &y) != REEVE_OK) {
            reeve_fail(1, "%s", reeve_last_error()->message);
            return;
        }
        if (doubled_yield(y) != REEVE_OK) {
            reeve_release(from);
            return;
        }
    }
    if (rc != REEVE_EEND)
        reeve_fail(2, "%s", reeve_last_error()->message);
}

REEVE_STREAM(int64_t, stubborn, (reeve_string, mail))
{
    (void)stubborn_yield(1);
    report(mail, "begun");
    for (;;)
        pause();
}

REEVE_STREAM(int64_t, timed, (int64_t, n))
{
    for (int64_t i = 0; i < n; i++)
        (void)timed_yield(i);
}

REEVE_REMOTE(int64_t, yields_for_another)
{
    return count_to_yield(1);
}

static int packed_numbers(void *context, const void *args, size_t size, reeve_packed *result)
{
    (void)context;
    (void)args;
    (void)size;
    (void)result;
    for (uint8_t i = 0; i < 100; i++)
        if (reeve_yield_packed(&i, 1) != REEVE_OK)
            return REEVE_ECANCELLED;
    if (reeve_yield_packed("\xc1", 1) != REEVE_EPROTOCOL)
        reeve_fail(3, "what is no msgpack was yielded");
    return REEVE_OK;
}

/* ---- programs -------------------------------------------------------------------------------- */

static void in_order(int64_t n)
{
    count_to_stream s = count_to_remote(n);
    int64_t x;
    for (int64_t i = 0; i < n; i++) {
        NEED(count_to_next(s, &x) == REEVE_OK);
        NEED(x == i);
    }
    NEED(count_to_next(s, &x) == REEVE_EEND);
    NEED(count_to_next(s, &x) == REEVE_EHANDLE); /* what has ended has been released */
    NEED(reeve_release(s) == REEVE_EHANDLE);
}

static void order(void)
{
    in_order(0);
    in_order(1);
    in_order(WINDOW);
    in_order(200000);
}

static void errors(void)
{
    words_stream s = words_remote(1000, 1);
    reeve_string word;
    char wanted[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(wanted, sizeof(wanted), "word %d", i);
        NEED(words_next(s, &word) == REEVE_OK);
        NEED(strcmp(word, wanted) == 0);
        reeve_free(word);
    }
    NEED(words_next(s, &word) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->user_code == 77);
    NEED(strcmp(reeve_last_error()->message, "after 1000 words") == 0);
    NEED(words_next(s, &word) == REEVE_EHANDLE);
    s = words_remote_opts(REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES), 10, 2);
    for (int i = 0; i < 10; i++) {
        NEED(words_next(s, &word) == REEVE_OK);
        reeve_free(word);
    }
    NEED(words_next(s, &word) == REEVE_EWORKERDIED);
}

static void dies(const char *once)
{
    const int64_t n = 3000;
    for (int64_t at = 0; at < n; at += 700) {
        dies_at_stream s = dies_at_remote(n, at, once);
        int64_t x;
        for (int64_t i = 0; i < n; i++) {
            NEED(dies_at_next(s, &x) == REEVE_OK);
            NEED(x == i);
        }
        NEED(dies_at_next(s, &x) == REEVE_EEND);
        NEED(unlink(once) == 0); /* it has died */
    }
}

static void stops(const char *mail)
{
    endless_stream s = endless_remote(mail);
    int64_t x;
    NEED(endless_next(s, &x) == REEVE_OK && x == 0);
    NEED(endless_next(s, &x) == REEVE_OK && x == 1);
    NEED(reeve_release(s) == REEVE_OK);
    NEED(endless_next(s, &x) == REEVE_EHANDLE);
    in_order(100); /* its worker is free again, or another one is there */
    s = endless_remote(mail);
    NEED(reeve_release(s) == REEVE_OK); /* perhaps before it has begun */
    in_order(100);
}

/* Nobody reads: the function is held up, and says so by its reports. */
static void ahead(const char *mail, const char *gate)
{
    endless_stream s = endless_remote(mail);
    wait_at(gate);
    int64_t x;
    for (int64_t i = 0; i < 5000; i++)
        NEED(endless_next(s, &x) == REEVE_OK && x == i);
    NEED(reeve_release(s) == REEVE_OK);
}

static void large(void)
{
    static const int64_t sizes[] = {0, 1, 27, 28, 600, 65535, 65536, 65537, 300000, 5000000};
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        blocks_stream s = blocks_remote(20, sizes[k]);
        reeve_bytes block;
        for (int i = 0; i < 20; i++) {
            NEED(blocks_next(s, &block) == REEVE_OK);
            NEED((int64_t)block.size == sizes[k]);
            for (int64_t at = 0; at < sizes[k]; at++)
                if (((const uint8_t *)block.data)[at] != i)
                    NEED(!"what was yielded");
            reeve_clear(reeve_bytes, &block);
        }
        NEED(blocks_next(s, &block) == REEVE_EEND);
    }
}

/* As many at a time as there are streams, with fewer slots: those that wait lend their cpus. */
static void zip(void)
{
    enum { COUNT = 4 };
    count_to_stream s[COUNT];
    int64_t x;
    for (int k = 0; k < COUNT; k++)
        s[k] = count_to_remote(5000);
    for (int64_t i = 0; i < 5000; i++)
        for (int k = 0; k < COUNT; k++)
            NEED(count_to_next(s[k], &x) == REEVE_OK && x == i);
    for (int k = 0; k < COUNT; k++)
        NEED(count_to_next(s[k], &x) == REEVE_EEND);
}

static void chain(void)
{
    doubled_stream s = doubled_remote(3000);
    int64_t x;
    for (int64_t i = 0; i < 3000; i++)
        NEED(doubled_next(s, &x) == REEVE_OK && x == 2 * i);
    NEED(doubled_next(s, &x) == REEVE_EEND);
    s = doubled_remote(INT64_MAX);
    NEED(doubled_next(s, &x) == REEVE_OK && x == 0);
    NEED(reeve_release(s) == REEVE_OK);
    in_order(100);
}

static void wrong(void)
{
    reeve_packed packed;
    int64_t x;
    count_to_stream s = count_to_remote(2), none = {0};
    reeve_string word;
    NEED(words_next((words_stream){s.id}, &word) == REEVE_ETYPE); /* and the item is gone */
    NEED(count_to_next(s, &x) == REEVE_OK && x == 1);
    NEED(reeve_get_packed((reeve_future){s.id}, REEVE_FOREVER, &packed) == REEVE_ETYPE);
    NEED(count_to_next(s, &x) == REEVE_EEND);
    NEED(count_to_next(none, &x) == REEVE_EHANDLE);
    twice_future f = twice_remote(2);
    NEED(count_to_next((count_to_stream){f.id}, &x) == REEVE_ETYPE);
    NEED(twice_get(f, &x) == REEVE_OK && x == 4);
    yields_for_another_future y = yields_for_another_remote();
    NEED(yields_for_another_get(y, &x) == REEVE_OK && x == REEVE_EINVAL);
    NEED(count_to_yield(1) == REEVE_EINVAL);
    s = count_to_remote(5);
    twice_future t = reeve_call(twice, reeve_future_as(int64_t, s));
    NEED(twice_get(t, &x) == REEVE_ETYPE);
    NEED(count_to_next(s, &x) == REEVE_OK && x == 0);
    NEED(reeve_release(s) == REEVE_OK);
    s = count_to_remote(WINDOW);
    NEED(count_to_next_timeout(s, 60000, &x) == REEVE_OK);
    NEED(
        reeve_wait(&s, 1, 1, 60000, NULL, NULL) == REEVE_OK); /* it has ended, with items to read */
    for (int64_t i = 1; i < WINDOW; i++)
        NEED(count_to_next(s, &x) == REEVE_OK && x == i);
    NEED(count_to_next(s, &x) == REEVE_EEND);
}

static void packed(void)
{
    reeve_future s;
    reeve_packed item;
    reeve_submission submission = {
        .size = sizeof(submission), .function = "packed_numbers", .args = "\x90", .args_size = 1};
    NEED(reeve_submit(&submission, &s) == REEVE_OK);
    for (uint8_t i = 0; i < 100; i++) {
        NEED(reeve_next_packed(s, REEVE_FOREVER, &item) == REEVE_OK);
        NEED(item.size == 1 && *(const uint8_t *)item.bytes == i && item.future_count == 0);
        reeve_free(item.bytes);
    }
    NEED(reeve_next_packed(s, REEVE_FOREVER, &item) == REEVE_EEND);
}

/* One that does not look is ended when it is cancelled, and its items come before that. */
static void cancelled(const char *mail)
{
    stubborn_stream s = stubborn_remote(mail);
    int64_t x;
    NEED(stubborn_next(s, &x) == REEVE_OK && x == 1);
    NEED(stubborn_next_timeout(s, 50, &x) == REEVE_ETIMEDOUT);
    NEED(reeve_cancel(s, REEVE_CANCEL_OPTIONS(.grace_ms = 50)) == REEVE_OK);
    NEED(stubborn_next(s, &x) == REEVE_ECANCELLED);
    NEED(stubborn_next(s, &x) == REEVE_EHANDLE);
}

/* Its time goes on while it waits for its reader. */
static void time_limit(void)
{
    timed_stream s = timed_remote_opts(REEVE_TASK_OPTIONS(.timeout_ms = 300), INT64_MAX);
    int64_t x, count = 0;
    int rc;
    NEED(reeve_wait(&s, 1, 1, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    while ((rc = timed_next(s, &x)) == REEVE_OK)
        NEED(x == count++);
    NEED(rc == REEVE_ETASKTIMEOUT);
    NEED(count == WINDOW);
}

/* Many streams are dropped in the middle, and leave nothing. */
static void dropped(void)
{
    for (int i = 0; i < 300; i++) {
        count_to_stream s = count_to_remote(INT64_MAX);
        int64_t x;
        for (int k = 0; k < i % 7; k++)
            NEED(count_to_next(s, &x) == REEVE_OK && x == k);
        NEED(reeve_release(s) == REEVE_OK);
    }
    in_order(100);
}

/* A window of the call's own: nobody reads at first, then one item. */
static void window(const char *what, const char *mail, const char *gate)
{
    reeve_task_options options = {.size = sizeof(options)};
    if (strcmp(what, "window_items") == 0)
        options.stream_items = 3;
    else if (strcmp(what, "window_one") == 0)
        options.stream_items = 1;
    else
        options.stream_bytes = 10000;
    paced_stream s = paced_remote_opts(&options, mail, 1000);
    reeve_bytes bytes;
    wait_at(gate);
    NEED(paced_next(s, &bytes) == REEVE_OK && bytes.size == 1000);
    reeve_clear(reeve_bytes, &bytes);
    wait_at(gate);
    NEED(reeve_release(s) == REEVE_OK);
    NEED(reeve_release(paced_remote_opts(REEVE_TASK_OPTIONS(.stream_items = 513), "", 1)) ==
         REEVE_OK);
    NEED(paced_next(paced_remote_opts(REEVE_TASK_OPTIONS(.stream_items = 513), "", 1), &bytes) ==
         REEVE_EINVAL);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "", *mail = argc > 2 ? argv[2] : "";
    NEED(reeve_register_stream("packed_numbers", packed_numbers, NULL) == REEVE_OK);
    NEED(reeve_init(argc, argv, NULL) == REEVE_OK);
    if (strcmp(what, "order") == 0)
        order();
    else if (strcmp(what, "errors") == 0)
        errors();
    else if (strcmp(what, "dies") == 0)
        dies(mail);
    else if (strcmp(what, "stops") == 0)
        stops(mail);
    else if (strcmp(what, "ahead") == 0)
        ahead(mail, argc > 3 ? argv[3] : "");
    else if (strncmp(what, "window", 6) == 0)
        window(what, mail, argc > 3 ? argv[3] : "");
    else if (strcmp(what, "large") == 0)
        large();
    else if (strcmp(what, "zip") == 0)
        zip();
    else if (strcmp(what, "chain") == 0)
        chain();
    else if (strcmp(what, "wrong") == 0)
        wrong();
    else if (strcmp(what, "packed") == 0)
        packed();
    else if (strcmp(what, "cancelled") == 0)
        cancelled(mail);
    else if (strcmp(what, "time_limit") == 0)
        time_limit();
    else if (strcmp(what, "dropped") == 0)
        dropped();
    else
        NEED(!"a known word");
    reeve_shutdown();
    printf("ok %s\n", what);
    return 0;
}
