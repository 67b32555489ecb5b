/* Waiting for the next item of any of several streams: `merges WHAT [MAIL GATE]` prints "ok
 * WHAT", or says what is wrong. */
#include <poll.h>
#include <stdatomic.h>

#include "tests/e2e/programs/yields.h"

#define COUNT 10

/* ---- functions ------------------------------------------------------------------------------- */

REEVE_REMOTE(int64_t, twice, (int64_t, x))
{
    return 2 * x;
}

/* One item, when told so. */
REEVE_STREAM(int64_t, gated, (reeve_string, gate), (int64_t, x))
{
    wait_at(gate);
    (void)gated_yield(x);
}

/* How many items come of three, each in its order; else what is wrong. */
REEVE_REMOTE(int64_t, merged, (reeve_stream_int64_t, a), (reeve_stream_int64_t, b),
    (reeve_stream_int64_t, c))
{
    reeve_stream_int64_t streams[] = {a, b, c};
    int64_t counts[3] = {0}, ends = 0, x;
    size_t i;
    reeve_as_yielded(i, streams, 3)
    {
        int rc = reeve_next_timeout_int64_t(streams[i], 0, &x);
        if (rc == REEVE_OK ? x != counts[i] : rc != REEVE_EEND)
            return reeve_fail(1, "%s, %" PRId64, reeve_error_name(rc), x), 0;
        counts[i] += rc == REEVE_OK;
        ends += rc == REEVE_EEND;
    }
    return ends == 3 ? counts[0] + counts[1] + counts[2] : -1;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void ten(void)
{
    count_to_stream streams[COUNT];
    int64_t counts[COUNT] = {0}, x;
    int ends = 0;
    size_t i = 0;
    for (int64_t k = 0; k < COUNT; k++)
        streams[k] = count_to_remote(200 * k);
    reeve_as_yielded(i, streams, COUNT)
    {
        int rc = count_to_next_timeout(streams[i], 0, &x); /* there is no need to wait */
        NEED(rc == REEVE_OK ? x == counts[i]++ : rc == REEVE_EEND);
        ends += rc == REEVE_EEND;
    }
    NEED(ends == COUNT);
    for (int64_t k = 0; k < COUNT; k++)
        NEED(counts[k] == 200 * k);
    reeve_as_yielded(i, streams, 0) NEED(!"a stream of none");
    NEED(reeve_last_error()->code == REEVE_EEND);
}

/* What ends otherwise, or is none. */
static void ends(void)
{
    words_stream streams[4] = {words_remote(5, 0), words_remote(5, 1), {12345},
        words_remote_opts(REEVE_TASK_OPTIONS(.stream_items = 513), 1, 0)};
    int counts[4] = {0}, codes[4] = {0};
    reeve_string word;
    size_t i;
    reeve_as_yielded(i, streams, 4)
    {
        int rc = words_next_timeout(streams[i], 0, &word);
        if (rc == REEVE_OK) {
            counts[i]++;
            reeve_free(word);
        } else {
            NEED(codes[i] == 0);
            codes[i] = rc;
        }
    }
    NEED(counts[0] == 5 && codes[0] == REEVE_EEND);
    NEED(counts[1] == 5 && codes[1] == REEVE_EFUNCTION);
    NEED(counts[2] == 0 && codes[2] == REEVE_EHANDLE);
    NEED(counts[3] == 0 && codes[3] == REEVE_EINVAL);
    /* a call's future among them */
    twice_future number = twice_remote(1);
    reeve_future mixed[2] = {{words_remote(2, 0).id}, {number.id}};
    reeve_packed packed;
    int types = 0, items = 0;
    int64_t y;
    reeve_as_yielded(i, mixed, 2)
    {
        int rc = reeve_next_packed(mixed[i], 0, &packed);
        types += rc == REEVE_ETYPE;
        items += rc == REEVE_OK;
        if (rc == REEVE_OK)
            reeve_free(packed.bytes);
    }
    NEED(types == 1 && items == 2);
    NEED(twice_get(number, &y) == REEVE_OK && y == 2);
}

/* One that is always ahead does not hold up the others; what is released or given away in the block
 * is left out. */
static void turns(void)
{
    count_to_stream streams[3] = {
        count_to_remote(INT64_MAX), count_to_remote(1000), count_to_remote(INT64_MAX)};
    int64_t counts[3] = {0}, x, got = 0;
    merged_future given = {0};
    bool ended = false;
    size_t i;
    reeve_as_yielded(i, streams, 3)
    {
        int rc = count_to_next_timeout(streams[i], 0, &x);
        NEED(rc == REEVE_OK ? x == counts[i]++ : i == 1 && rc == REEVE_EEND);
        ended |= rc == REEVE_EEND;
        if (ended && counts[0] != 0 && counts[2] != 0) { /* once: none is left */
            NEED(reeve_release(streams[0]) == REEVE_OK);
            given = merged_remote(streams[2], count_to_remote(1), count_to_remote(1));
        }
    }
    NEED(counts[1] == 1000);
    NEED(merged_get(given, &got) == REEVE_EFUNCTION); /* it does not begin at 0 */
    /* left early, and by nobody read: nothing is lost */
    count_to_stream again[2] = {count_to_remote(3), count_to_remote(3)};
    int64_t sum = 0;
    int came = 0;
    reeve_as_yielded(i, again, 2) if (came++ == 4) break;
    reeve_as_yielded(i, again, 2) if (count_to_next(again[i], &x) == REEVE_OK) sum += x;
    NEED(sum == 6);
}

static void timeouts(const char *mail, const char *gate)
{
    size_t i;
    int64_t x;
    gated_stream streams[2] = {gated_remote(gate, 7), {0}};
    reeve_merge merge = reeve_merge_begin((const reeve_future *)streams, 2);
    NEED(reeve_merge_next(&merge, REEVE_FOREVER, &i) == REEVE_OK && i == 1); /* it is none */
    NEED(reeve_merge_next(&merge, 0, &i) == REEVE_ETIMEDOUT);
    NEED(reeve_merge_next(&merge, 50, &i) == REEVE_ETIMEDOUT);
    report(mail, "waits");
    NEED(reeve_merge_next(&merge, 20000, &i) == REEVE_OK && i == 0);
    NEED(gated_next_timeout(streams[0], 0, &x) == REEVE_OK && x == 7);
    NEED(reeve_merge_next(&merge, 20000, &i) == REEVE_OK && i == 0);
    NEED(gated_next_timeout(streams[0], 0, &x) == REEVE_EEND);
    NEED(reeve_merge_next(&merge, 20000, &i) == REEVE_EEND);
    reeve_merge_end(&merge);
    reeve_merge_end(&merge);
}

/* ---- an event loop, callbacks ---------------------------------------------------------------- */

/* Streams and futures together. */
static void watched(void)
{
    struct pollfd fd = {.fd = reeve_fd(), .events = POLLIN};
    count_to_stream streams[COUNT];
    twice_future futures[COUNT];
    int64_t x, y, items = 0, values = 0;
    uint64_t tag;
    int left = 2 * COUNT;
    for (int64_t k = 0; k < COUNT; k++) {
        streams[k] = count_to_remote(700);
        futures[k] = twice_remote(k);
        NEED(reeve_watch_next(streams[k], (uint64_t)k) == REEVE_OK);
        NEED(reeve_watch(futures[k], (uint64_t)(COUNT + k)) == REEVE_OK);
    }
    while (left > 0) {
        NEED(poll(&fd, 1, 20000) == 1);
        while (reeve_next_ready(&tag) == REEVE_OK) {
            if (tag >= COUNT) {
                NEED(twice_get_timeout(futures[tag - COUNT], 0, &y) == REEVE_OK);
                values += y;
                left--;
                continue;
            }
            int rc = count_to_next_timeout(streams[tag], 0, &x);
            NEED(rc == REEVE_OK || rc == REEVE_EEND);
            items += rc == REEVE_OK;
            left -= rc == REEVE_EEND;
            if (rc == REEVE_OK)
                NEED(reeve_watch_next(streams[tag], tag) == REEVE_OK);
        }
    }
    NEED(items == 700 * COUNT && values == COUNT * (COUNT - 1));
    /* what is none; and what becomes none meanwhile */
    NEED(reeve_watch_next(streams[0], 1) == REEVE_EHANDLE);
    twice_future number = twice_remote(1);
    NEED(reeve_watch_next(number, 1) == REEVE_ETYPE);
    NEED(twice_get(number, &y) == REEVE_OK);
    count_to_stream endless_one = count_to_remote(INT64_MAX);
    NEED(reeve_watch_next(endless_one, 99) == REEVE_OK);
    NEED(reeve_release(endless_one) == REEVE_OK);
    NEED(reeve_watch_next(endless_one, 1) == REEVE_EHANDLE);
    NEED(poll(&fd, 1, 20000) == 1 && reeve_next_ready(&tag) == REEVE_OK && tag == 99);
}

static _Atomic int64_t sum, finished;

static void take_on(reeve_future future, void *arg)
{
    int64_t x;
    count_to_stream stream = {future.id};
    int rc = count_to_next_timeout(stream, 0, &x);
    NEED(rc == REEVE_OK || rc == REEVE_EEND);
    sum += rc == REEVE_OK ? x : 0;
    if (rc == REEVE_OK)
        NEED(reeve_on_next(stream, take_on, arg) == REEVE_OK);
    else
        finished++;
}

static void callbacks(void)
{
    count_to_stream s;
    for (int k = 0; k < COUNT; k++)
        NEED(reeve_on_next(count_to_remote(600), take_on, NULL) == REEVE_OK);
    for (int i = 0; i < 30000 && finished < COUNT; i++)
        usleep(1000);
    NEED(finished == COUNT && sum == COUNT * (600 * 599 / 2));
    s = count_to_remote(1);
    NEED(reeve_on_next(s, NULL, NULL) == REEVE_EINVAL);
    NEED(reeve_release(s) == REEVE_OK);
    NEED(reeve_on_next(s, take_on, NULL) == REEVE_EHANDLE);
}

/* ---- in a function --------------------------------------------------------------------------- */

static void given(void)
{
    int64_t got;
    merged_future f =
        merged_remote(count_to_remote(3000), count_to_remote(0), count_to_remote(1500));
    NEED(merged_get(f, &got) == REEVE_OK);
    NEED(got == 4500);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } kinds[] = {{"ten", ten}, {"ends", ends}, {"turns", turns}, {"watched", watched},
        {"callbacks", callbacks}, {"given", given}};
    const char *what = argc > 1 ? argv[1] : "";
    NEED(reeve_init(argc, argv, NULL) == REEVE_OK);
    if (strcmp(what, "timeouts") == 0)
        timeouts(argc > 3 ? argv[2] : "", argc > 3 ? argv[3] : "");
    else
        NEED(say_run(kinds, what));
    reeve_shutdown();
    printf("ok %s\n", what);
    return 0;
}
