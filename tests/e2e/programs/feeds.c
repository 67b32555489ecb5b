/* Streams that are given to calls: `feeds WHAT [MAIL [GATE]]` prints "ok WHAT", or says what is
 * wrong. */
#include <time.h>

#include "tests/e2e/programs/yields.h"

/* ---- functions ------------------------------------------------------------------------------- */

/* How many there are, if they are 0, 1, 2 and so on; else what is wrong. */
static int64_t count_up(reeve_stream_int64_t from)
{
    int64_t count = 0, x;
    int rc;
    while ((rc = reeve_next(int64_t, from, &x)) == REEVE_OK)
        if (x != count++)
            return -1;
    return rc == REEVE_EEND ? count : rc;
}

REEVE_REMOTE(int64_t, count, (reeve_stream_int64_t, from))
{
    return count_up(from);
}

/* Takes so many, and ends without a word to the stream. */
REEVE_REMOTE(int64_t, some, (reeve_stream_int64_t, from), (int64_t, n))
{
    int64_t x = -1;
    for (int64_t i = 0; i < n; i++)
        if (reeve_next(int64_t, from, &x) != REEVE_OK || x != i)
            return -1;
    return x;
}

REEVE_STREAM(int64_t, doubled, (reeve_stream_int64_t, from))
{
    int64_t x;
    int rc;
    while ((rc = reeve_next(int64_t, from, &x)) == REEVE_OK)
        if (doubled_yield(2 * x) != REEVE_OK)
            return;
    if (rc != REEVE_EEND)
        reeve_fail(2, "%s", reeve_last_error()->message);
}

/* Two at a time. */
REEVE_REMOTE(int64_t, differ, (reeve_stream_int64_t, a), (reeve_stream_int64_t, b))
{
    int64_t x, y, n = 0;
    int rc;
    while ((rc = reeve_next(int64_t, a, &x)) == REEVE_OK) {
        if (reeve_next(int64_t, b, &y) != REEVE_OK || y != 2 * x)
            return -1;
        n++;
    }
    return rc == REEVE_EEND && reeve_next(int64_t, b, &y) == REEVE_EEND ? n : -2;
}

/* Gives on what is left when it has taken so many. */
REEVE_REMOTE(int64_t, given_on, (reeve_stream_int64_t, from), (int64_t, n))
{
    int64_t x, rest, first = n;
    for (int64_t i = 0; i < n; i++)
        if (reeve_next(int64_t, from, &x) != REEVE_OK || x != i)
            return -1;
    doubled_stream s = doubled_remote(from);
    if (reeve_next(int64_t, from, &x) != REEVE_EHANDLE)
        return -2;
    int rc;
    while ((rc = doubled_next(s, &rest)) == REEVE_OK)
        if (rest != 2 * first++)
            return -3;
    return rc == REEVE_EEND ? first : rc;
}

REEVE_REMOTE(reeve_string, words_of, (reeve_stream_reeve_string, from))
{
    static char said[1024];
    reeve_string word = NULL;
    char wanted[32];
    int rc, i = 0;
    for (; (rc = reeve_next(reeve_string, from, &word)) == REEVE_OK; i++) {
        snprintf(wanted, sizeof(wanted), "word %d", i);
        if (strcmp(word, wanted) != 0)
            reeve_fail(1, "%s, not %s", word, wanted);
        reeve_free(word);
    }
    const reeve_error_info *why = reeve_last_error();
    snprintf(said, sizeof(said), "%d words, then %s %" PRId64 " %s: %s", i, reeve_error_name(rc),
        why->user_code, why->function, why->message);
    return said;
}

REEVE_REMOTE(int64_t, blocks_of, (reeve_stream_reeve_bytes, from), (int64_t, size))
{
    reeve_bytes block;
    int rc, i = 0;
    for (; (rc = reeve_next(reeve_bytes, from, &block)) == REEVE_OK; i++) {
        if ((int64_t)block.size != size)
            return -1;
        for (int64_t at = 0; at < size; at++)
            if (((const uint8_t *)block.data)[at] != i)
                return -2;
        reeve_clear(reeve_bytes, &block);
    }
    return rc == REEVE_EEND ? i : rc;
}

/* Dies once, after so many items. Another attempt says where it goes on. */
REEVE_REMOTE(int64_t, dies_after, (reeve_stream_int64_t, from), (int64_t, n), (reeve_string, once),
    (reeve_string, mail))
{
    int64_t x, next = 0, count;
    int rc;
    for (count = 0; (rc = reeve_next(int64_t, from, &x)) != REEVE_EEND; count++) {
        if (rc == REEVE_ELOST) {
            report(mail, "lost %s", reeve_last_error()->message);
            if (sscanf(reeve_last_error()->message, "%" SCNd64, &next) != 1)
                return -2;
            count = next - 1;
            continue;
        }
        if (rc != REEVE_OK || x != next++)
            return rc != REEVE_OK ? rc : -1;
        if (count == n)
            die_once(once);
    }
    return count;
}

REEVE_REMOTE(int64_t, waits, (reeve_stream_int64_t, from), (reeve_string, gate))
{
    int64_t x, sum = 0;
    wait_at(gate);
    for (int i = 0; i < 5000; i++)
        if (reeve_next(int64_t, from, &x) == REEVE_OK && x == i)
            sum++;
    return sum;
}

REEVE_ACTOR(adder, (int64_t, sum))
REEVE_CONSTRUCTOR(adder)
{
    self->sum = 0;
    return REEVE_OK;
}
REEVE_METHOD(int64_t, adder, add_all, (reeve_stream_int64_t, from))
{
    int64_t x;
    int rc;
    while ((rc = reeve_next(int64_t, from, &x)) == REEVE_OK)
        self->sum += x;
    return rc == REEVE_EEND ? self->sum : rc;
}
/* From an actor on. */
REEVE_METHOD(int64_t, adder, ask, (int64_t, n))
{
    int64_t got = -1;
    (void)self;
    (void)count_get(count_remote(count_to_remote(n)), &got);
    return got;
}

/* What it ends with. */
static const char *end_of(reeve_stream_int64_t from)
{
    static char said[1024];
    int64_t x, count = 0;
    int rc;
    while ((rc = reeve_next(int64_t, from, &x)) == REEVE_OK)
        count++;
    snprintf(said, sizeof(said), "%" PRId64 " and %s %s", count, reeve_error_name(rc),
        rc != REEVE_EEND ? reeve_last_error()->message : "");
    return said;
}
REEVE_METHOD(reeve_string, adder, take, (reeve_stream_int64_t, from))
{
    (void)self;
    return end_of(from);
}
REEVE_REMOTE(reeve_string, end, (reeve_stream_int64_t, from))
{
    return end_of(from);
}
/* Gives it on. */
REEVE_METHOD(reeve_string, adder, take_on, (reeve_stream_int64_t, from))
{
    static reeve_string said;
    (void)self;
    reeve_free(said);
    return end_get(end_remote(from), &said) == REEVE_OK ? said : reeve_last_error()->message;
}

/* So many items that its taker has begun to take them, and then one that it asks an actor for. */
REEVE_STREAM(int64_t, asks_for, (adder_ref, whom), (int64_t, n))
{
    int64_t y;
    for (int i = 0; i <= WINDOW; i++)
        if (asks_for_yield(i) != REEVE_OK)
            return;
    if (adder_ask_get(adder_ask_remote(whom, n), &y) != REEVE_OK)
        reeve_fail(1, "%s", reeve_last_error()->message);
    (void)asks_for_yield(y);
}

/* One item, and then the word, and, when it may, another one. */
REEVE_STREAM(int64_t, rests, (reeve_string, mail), (reeve_string, gate))
{
    if (rests_yield(1) != REEVE_OK)
        return;
    report(mail, "rests");
    wait_at(gate);
    (void)rests_yield(2);
}

REEVE_STREAM(int64_t, slow, (int64_t, ms))
{
    if (slow_yield(1) != REEVE_OK)
        return;
    usleep((useconds_t)ms * 1000);
    (void)slow_yield(2);
}

REEVE_REMOTE(void, occupies, (reeve_string, mail), (reeve_string, gate))
{
    report(mail, "occupies");
    wait_at(gate);
}

/* Goes on for as long as it can, and says what ends it. */
REEVE_METHOD(
    void, adder, watch, (reeve_stream_int64_t, from), (reeve_string, mail), (reeve_string, here))
{
    int64_t x;
    int rc, count = 0;
    (void)self;
    while ((rc = reeve_next(int64_t, from, &x)) == REEVE_OK)
        if (count++ == 10)
            close(open(here, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    report(mail, "ended %s", reeve_error_name(rc));
}

/* The owner of a stream that dies when its taker, the actor of another process, has something. */
REEVE_REMOTE(void, owner, (adder_ref, to), (reeve_string, mail), (reeve_string, here))
{
    adder_watch_future f = adder_watch_remote(to, endless_remote(""), mail, here);
    while (access(here, F_OK) != 0)
        usleep(1000);
    (void)raise(SIGKILL);
    (void)adder_watch_get(f);
}

/* Takes what a constructor may not. */
REEVE_ACTOR(late, (int64_t, sum))
REEVE_CONSTRUCTOR(late, (reeve_stream_int64_t, from))
{
    self->sum = count_up(from);
    return REEVE_OK;
}
REEVE_METHOD(int64_t, late, sum)
{
    return self->sum;
}

REEVE_STRUCT(holder, (reeve_stream_int64_t, stream))
REEVE_REMOTE(int64_t, of_holder, (holder, one))
{
    return count_up(one.stream);
}
REEVE_REMOTE(reeve_stream_int64_t, gives_back, (reeve_stream_int64_t, from))
{
    return from;
}

/* ---- programs -------------------------------------------------------------------------------- */

static void counts(int64_t n)
{
    int64_t got;
    count_future f = count_remote(count_to_remote(n));
    NEED(count_get(f, &got) == REEVE_OK && got == n);
}

static void order(void)
{
    counts(0);
    counts(1);
    counts(WINDOW);
    counts(100000);
}

static void pipes(void)
{
    int64_t x, got;
    doubled_stream s = doubled_remote(doubled_remote(count_to_remote(3000)));
    for (int64_t i = 0; i < 3000; i++)
        NEED(doubled_next(s, &x) == REEVE_OK && x == 4 * i);
    NEED(doubled_next(s, &x) == REEVE_EEND);
    s = doubled_remote(doubled_remote(count_to_remote(INT64_MAX / 4)));
    NEED(doubled_next(s, &x) == REEVE_OK && x == 0);
    NEED(reeve_release(s) == REEVE_OK);
    differ_future d =
        reeve_call(differ, count_to_remote(2000), doubled_remote(count_to_remote(2000)));
    NEED(differ_get(d, &got) == REEVE_OK && got == 2000);
    for (int64_t n = 0; n < 3; n++) {
        given_on_future g = given_on_remote(count_to_remote(2000), 300 * n);
        NEED(given_on_get(g, &got) == REEVE_OK);
        NEED(got == 2000);
    }
    /* what the giver has taken before is not for the taker */
    count_to_stream c = count_to_remote(100);
    NEED(count_to_next(c, &x) == REEVE_OK && x == 0);
    NEED(count_get(count_remote(c), &got) == REEVE_OK && got == -1);
}

static void errors(void)
{
    reeve_string said;
    NEED(words_of_get(words_of_remote(words_remote(1000, 1)), &said) == REEVE_OK);
    NEED(strcmp(said, "1000 words, then REEVE_EFUNCTION 77 words: after 1000 words") == 0);
    reeve_free(said);
}

static void large(void)
{
    static const int64_t sizes[] = {0, 1, 400, 600, 65536, 65537, 300000, 5000000};
    int64_t got;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        NEED(blocks_of_get(blocks_of_remote(blocks_remote(10, sizes[k]), sizes[k]), &got) ==
             REEVE_OK);
        NEED(got == 10);
    }
}

static void actors(void)
{
    int64_t got;
    adder_ref a = adder_create();
    adder_add_all_future f = adder_add_all_remote(a, count_to_remote(1001)),
                         g = adder_add_all_remote(a, count_to_remote(11));
    NEED(adder_add_all_get(f, &got) == REEVE_OK && got == 500500);
    NEED(adder_add_all_get(g, &got) == REEVE_OK && got == 500555);
    NEED(adder_ask_get(adder_ask_remote(a, 3000), &got) == REEVE_OK && got == 3000);
    NEED(reeve_actor_release(a) == REEVE_OK);
}

static void wrong(void)
{
    int64_t x, got;
    count_to_stream s = count_to_remote(100), again;
    count_future f = count_remote(s);
    NEED(count_to_next(s, &x) == REEVE_EHANDLE);
    NEED(reeve_release(s) == REEVE_EHANDLE);
    count_future second = count_remote(s);
    NEED(count_get(second, &got) == REEVE_EHANDLE);
    NEED(count_get(f, &got) == REEVE_OK && got == 100);
    again = count_to_remote(100); /* to two at once */
    NEED(differ_get(differ_remote(again, again), &got) == REEVE_EHANDLE);
    s = count_to_remote(100);
    NEED(count_to_next(s, &x) == REEVE_OK && x == 0);
    NEED(of_holder_get(of_holder_remote((holder){s}), &got) == REEVE_ETYPE);
    NEED(count_to_next(s, &x) == REEVE_OK && x == 1); /* it was not given */
    holder none;
    NEED(reeve_get(holder, reeve_put(holder, ((holder){s})), &none) == REEVE_ETYPE);
    reeve_future retained = reeve_retain((reeve_future){s.id});
    reeve_packed packed;
    NEED(reeve_get_packed(retained, REEVE_FOREVER, &packed) == REEVE_ETYPE);
    NEED(count_to_next(s, &x) == REEVE_OK && x == 2);
    gives_back_future b = gives_back_remote(s);
    NEED(reeve_get_packed((reeve_future){b.id}, REEVE_FOREVER, &packed) == REEVE_ETYPE);
    s = count_to_remote(100);
    NEED(late_sum_get(late_sum_remote(late_create(s)), &got) == REEVE_ETYPE);
    NEED(strstr(reeve_last_error()->message, "give it to a method"));
    NEED(count_to_next(s, &x) == REEVE_EHANDLE); /* as with any call that is refused */
    /* an argument that has failed: the stream goes with the call */
    some_future failed = some_remote(count_to_remote(1), 2);
    some_future never = reeve_call(
        some, count_to_remote(10), (reeve_future_int64_t){count_remote((count_to_stream){0}).id});
    NEED(some_get(never, &got) == REEVE_EINVAL);
    NEED(some_get(failed, &got) == REEVE_OK && got == -1);
}

static void stops(const char *mail)
{
    int64_t got;
    NEED(some_get(some_remote(endless_remote(mail), 3), &got) == REEVE_OK && got == 2);
    counts(100);
}

static void dies(const char *once, const char *mail)
{
    int64_t got;
    for (int64_t at = 0; at < 3000; at += 1000) { /* the function */
        count_future f = count_remote(dies_at_remote(3000, at, once));
        NEED(count_get(f, &got) == REEVE_OK && got == 3000);
        NEED(unlink(once) == 0);
    }
    for (int64_t at = 0; at <= 2000; at += 1000) { /* the taker */
        dies_after_future f = dies_after_remote(count_to_remote(3000), at, once, mail);
        NEED(dies_after_get(f, &got) == REEVE_OK);
        NEED(got == 3000);
        NEED(unlink(once) == 0);
        report(mail, "after %" PRId64, at);
    }
}

static void ahead(const char *mail, const char *gate)
{
    int64_t got;
    waits_future f = waits_remote(endless_remote(mail), gate);
    NEED(waits_get(f, &got) == REEVE_OK && got == 5000);
}

static void owner_dies(const char *mail, const char *gate, const char *here)
{
    const reeve_task_options once = {.size = sizeof(once), .max_retries = REEVE_NO_RETRIES};
    adder_ref a = adder_create();
    int64_t got;
    NEED(owner_get(owner_remote_opts(&once, a, mail, here)) == REEVE_EWORKERDIED);
    wait_at(gate);
    NEED(adder_ask_get(adder_ask_remote(a, 10), &got) == REEVE_OK && got == 10);
    NEED(reeve_actor_release(a) == REEVE_OK);
}

static void ends_with(const char *said, const char *wanted)
{
    if (strstr(said, wanted) == NULL)
        printf("%s\n", said);
    NEED(strstr(said, wanted) != NULL);
}

/* Its taker is an actor, and its function waits for that. */
static void cycle(void)
{
    reeve_string said;
    int64_t got;
    adder_ref a = adder_create();
    NEED(adder_take_get(adder_take_remote(a, asks_for_remote(a, 3)), &said) == REEVE_OK);
    ends_with(said, "513 and REEVE_E");
    ends_with(said, "adder_take waits for an item of asks_for");
    ends_with(said, "asks_for waits for adder_ask");
    reeve_free(said);
    NEED(adder_take_on_get(adder_take_on_remote(a, asks_for_remote(a, 3)), &said) == REEVE_OK);
    ends_with(said, "end waits for an item of asks_for");
    ends_with(said, "asks_for waits for adder_ask");
    ends_with(said, "adder_take_on waits for end");
    reeve_free(said);
    NEED(adder_ask_get(adder_ask_remote(a, 10), &got) == REEVE_OK && got == 10);
    NEED(reeve_actor_release(a) == REEVE_OK);
}

/* Takers in all the processes that there may be, and none for who would make the items: one of them
 * has to go. */
static void nobody(const char *mail, const char *gate)
{
    reeve_string said[2];
    const reeve_task_options first = {.size = sizeof(first), .priority = 1};
    occupies_future o = occupies_remote(mail, gate);
    slow_stream from[2] = {slow_remote(0), slow_remote(0)};
    end_future f[2] = {end_remote_opts(&first, from[0]), end_remote_opts(&first, from[1])};
    report(mail, "given");
    NEED(occupies_get(o) == REEVE_OK);
    NEED(end_get(f[0], &said[0]) == REEVE_OK && end_get(f[1], &said[1]) == REEVE_OK);
    int all = strcmp(said[0], "2 and REEVE_EEND ") == 0;
    ends_with(said[!all], "2 and REEVE_EEND ");
    ends_with(said[all], "0 and REEVE_EDEADLK ");
    ends_with(said[all], "end waits for an item of slow, and no process is left to run that");
    reeve_free(said[0]);
    reeve_free(said[1]);
}

/* Nobody waits for good here, for longer than it takes to find out. */
static void patient(void)
{
    int64_t got;
    adder_ref a = adder_create();
    count_future f = count_remote(doubled_remote(doubled_remote(slow_remote(3500))));
    adder_add_all_future g = adder_add_all_remote(a, doubled_remote(slow_remote(3500)));
    NEED(count_get(f, &got) == REEVE_OK && got == -1);
    NEED(adder_add_all_get(g, &got) == REEVE_OK && got == 6);
    NEED(reeve_actor_release(a) == REEVE_OK);
}

static void shown(const char *mail, const char *gate)
{
    reeve_string said;
    NEED(end_get(end_remote(rests_remote(mail, gate)), &said) == REEVE_OK);
    ends_with(said, "2 and REEVE_EEND ");
    reeve_free(said);
}

/* For a look at how fast it is: "N items a second". */
static void rate(void)
{
    struct timespec from, to;
    int64_t got, n = 1000000;
    counts(1000);
    clock_gettime(CLOCK_MONOTONIC, &from);
    NEED(count_get(count_remote(count_to_remote(n)), &got) == REEVE_OK && got == n);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    printf("%.0f items a second\n", (double)n / s);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "", *mail = argc > 2 ? argv[2] : "",
               *gate = argc > 3 ? argv[3] : "";
    NEED(reeve_init(argc, argv, NULL) == REEVE_OK);
    if (strcmp(what, "order") == 0)
        order();
    else if (strcmp(what, "pipes") == 0)
        pipes();
    else if (strcmp(what, "errors") == 0)
        errors();
    else if (strcmp(what, "large") == 0)
        large();
    else if (strcmp(what, "actors") == 0)
        actors();
    else if (strcmp(what, "wrong") == 0)
        wrong();
    else if (strcmp(what, "stops") == 0)
        stops(mail);
    else if (strcmp(what, "dies") == 0)
        dies(gate, mail);
    else if (strcmp(what, "ahead") == 0)
        ahead(mail, gate);
    else if (strcmp(what, "owner_dies") == 0)
        owner_dies(mail, gate, argc > 4 ? argv[4] : "");
    else if (strcmp(what, "cycle") == 0)
        cycle();
    else if (strcmp(what, "nobody") == 0)
        nobody(mail, gate);
    else if (strcmp(what, "patient") == 0)
        patient();
    else if (strcmp(what, "shown") == 0)
        shown(mail, gate);
    else if (strcmp(what, "rate") == 0)
        rate();
    else
        NEED(!"a known word");
    reeve_shutdown();
    printf("ok %s\n", what);
    return 0;
}
