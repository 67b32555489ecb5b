/* Futures inside values: `nested WHAT [N]` prints "ok WHAT" or says what is wrong. */
#include <time.h>

#include "tests/e2e/programs/say.h"

REEVE_STRUCT(pair, (reeve_future_int64_t, a), (reeve_future_int64_t, b))
/* A tree of any depth: its branches are futures of trees. */
REEVE_STRUCT(tree, (int64_t, value), (reeve_futures, branches))
REEVE_FUTURE_TYPE(reeve_future_int64_t)

REEVE_REMOTE(int64_t, square, (int64_t, x))
{
    if (x < 0)
        reeve_fail(7, "%" PRId64 " is negative", x);
    return x * x;
}

REEVE_REMOTE(int64_t, nap, (int64_t, ms))
{
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&rest, NULL);
    return ms;
}

REEVE_REMOTE(reeve_bytes, blob, (int64_t, size))
{
    uint8_t *bytes = reeve_alloc((size_t)size);
    for (int64_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7);
    return (reeve_bytes){bytes, (size_t)size};
}

/* In a cluster a future that comes back is the same one again; inline, it has a name of its own. */
static bool inline_mode;
static bool is_same(uint64_t a, uint64_t b)
{
    return a == b || inline_mode;
}

static bool is_blob(const reeve_bytes *bytes, size_t size)
{
    bool same = bytes->size == size;
    for (size_t i = 0; i < size && same; i++)
        same = ((const uint8_t *)bytes->data)[i] == (uint8_t)(i * 7);
    return same;
}

/* ---- results --------------------------------------------------------------------------------- */

REEVE_REMOTE(reeve_future_int64_t, later, (int64_t, x))
{
    return square_remote(x);
}

/* A future of a future of a number. */
REEVE_REMOTE(reeve_future_reeve_future_int64_t, much_later, (int64_t, x))
{
    return later_remote(x);
}

static void one(long n)
{
    for (long i = 0; i < n; i++) {
        reeve_future_int64_t inner;
        reeve_future_reeve_future_int64_t middle;
        int64_t y;
        NEED(later_get(later_remote(i), &inner) == REEVE_OK);
        NEED(reeve_get(int64_t, inner, &y) == REEVE_OK && y == i * i);
        NEED(reeve_get(int64_t, inner, &y) == REEVE_EHANDLE);
        NEED(much_later_get(much_later_remote(i), &middle) == REEVE_OK);
        NEED(later_get(middle, &inner) == REEVE_OK);
        NEED(reeve_get(int64_t, inner, &y) == REEVE_OK && y == i * i);
    }
    reeve_future_int64_t failed;
    int64_t y;
    NEED(later_get(later_remote(-3), &failed) == REEVE_OK);
    NEED(reeve_get(int64_t, failed, &y) == REEVE_EFUNCTION);
    NEED(reeve_last_error()->user_code == 7 && strcmp(reeve_last_error()->function, "square") == 0);
    reeve_release(later_remote(3)); /* and with it what it gives */
}

/* What has ended, what runs, what waits for another, the same one twice. */
REEVE_REMOTE(pair, ended, (int64_t, x))
{
    pair result = {square_remote(x), square_remote(-1)};
    reeve_future both[] = {reeve_untyped(result.a), reeve_untyped(result.b)};
    reeve_wait(both, 2, 2, REEVE_FOREVER, NULL, NULL);
    return result;
}

REEVE_REMOTE(pair, waiting, (int64_t, x))
{
    reeve_future_int64_t first = square_remote(x), second = reeve_call(square, first);
    reeve_release(first);
    return (pair){reeve_call(square, second), second};
}

REEVE_REMOTE(pair, twice, (int64_t, x))
{
    reeve_future_int64_t same = square_remote(x);
    return (pair){same, same};
}

REEVE_REMOTE(pair, running, (int64_t, ms))
{
    pair result = {nap_remote(ms), nap_remote(ms / 2)};
    reeve_future_int64_t lost = nap_remote(1); /* let go of */
    (void)lost;
    int64_t rest;
    nap_get(nap_remote(ms / 4), &rest);
    return result;
}

REEVE_REMOTE(pair, stale, (int64_t, x))
{
    pair result = {square_remote(x), square_remote(x)};
    int64_t y;
    square_get(result.b, &y);
    return result;
}

static void results(long n)
{
    pair p;
    int64_t a, b;
    for (long i = 2; i < n + 2; i++) {
        NEED(ended_get(ended_remote(i), &p) == REEVE_OK);
        NEED(reeve_get(int64_t, p.a, &a) == REEVE_OK && a == i * i);
        NEED(reeve_get(int64_t, p.b, &b) == REEVE_EFUNCTION);
        NEED(waiting_get(waiting_remote(i), &p) == REEVE_OK);
        NEED(reeve_get(int64_t, p.a, &a) == REEVE_OK && a == i * i * i * i * i * i * i * i);
        NEED(reeve_get(int64_t, p.b, &b) == REEVE_OK && b == i * i * i * i);
        NEED(twice_get(twice_remote(i), &p) == REEVE_OK && is_same(p.a.id, p.b.id));
        NEED(reeve_get(int64_t, p.a, &a) == REEVE_OK && a == i * i);
        NEED(reeve_get(int64_t, p.b, &b) == REEVE_OK && b == i * i);
        NEED(reeve_release(p.b) == REEVE_EHANDLE);
        NEED(stale_get(stale_remote(i), &p) == REEVE_EHANDLE);
        NEED(inline_mode || strstr(reeve_last_error()->message, "future 2 in it is stale"));
    }
    NEED(running_get(running_remote(40), &p) == REEVE_OK);
    NEED(reeve_get(int64_t, p.a, &a) == REEVE_OK && a == 40);
    NEED(reeve_get(int64_t, p.b, &b) == REEVE_OK && b == 20);
}

/* ---- many ------------------------------------------------------------------------------------ */

REEVE_REMOTE(reeve_futures_int64_t, spread, (int64_t, count))
{
    reeve_future_int64_t *all = reeve_alloc((size_t)count * sizeof *all);
    for (int64_t i = 0; i < count; i++)
        all[i] = square_remote(i);
    return (reeve_futures_int64_t){all, (size_t)count};
}

/* "Get of an object that contains ten thousand references": made here, and made by a task. */
static void many(long n)
{
    reeve_future_int64_t *mine = malloc((size_t)n * sizeof *mine);
    for (long i = 0; i < n; i++)
        mine[i] = reeve_put(int64_t, i * i);
    reeve_futures_int64_t all = {mine, (size_t)n}, back;
    reeve_future_reeve_futures_int64_t put = reeve_put(reeve_futures_int64_t, all);
    for (long i = 0; i < n; i++)
        NEED(reeve_release(mine[i]) == REEVE_OK); /* the value keeps them */
    free(mine);
    for (int round = 0; round < 2; round++) {
        NEED((round == 0 ? reeve_get(reeve_futures_int64_t, put, &back)
                         : spread_get(spread_remote(n), &back)) == REEVE_OK);
        NEED(back.count == (size_t)n);
        for (long i = 0; i < n; i++) {
            int64_t y;
            NEED(reeve_get(int64_t, back.items[i], &y) == REEVE_OK && y == i * i);
        }
        reeve_clear(reeve_futures_int64_t, &back);
    }
}

/* ---- large values ---------------------------------------------------------------------------- */

REEVE_STRUCT(blobs, (reeve_future_reeve_bytes, ended), (reeve_future_reeve_bytes, begun),
    (reeve_future_reeve_bytes, put), (reeve_bytes, here))

REEVE_REMOTE(blobs, heavy, (int64_t, size))
{
    blobs result = {.ended = blob_remote(size), .here = blob(size)};
    reeve_future wait = reeve_untyped(result.ended);
    reeve_wait(&wait, 1, 1, REEVE_FOREVER, NULL, NULL);
    result.put = reeve_put(reeve_bytes, result.here);
    result.begun = blob_remote(size);
    return result;
}

/* Gives on what it was given. */
REEVE_REMOTE(reeve_future_blobs, heavier, (int64_t, size))
{
    reeve_future_blobs result = heavy_remote(size);
    reeve_wait(&result, 1, 1, REEVE_FOREVER, NULL, NULL);
    return result;
}

static void large(long n)
{
    for (size_t size = 1000; size <= 1000000; size *= 10) {
        for (long i = 0; i < n; i++) {
            blobs all;
            reeve_bytes bytes;
            reeve_future_blobs made = heavy_remote((int64_t)size);
            if (i % 2 != 0) {
                reeve_release(made);
                NEED(heavier_get(heavier_remote((int64_t)size), &made) == REEVE_OK);
            }
            NEED(heavy_get(made, &all) == REEVE_OK);
            NEED(is_blob(&all.here, size));
            reeve_future_reeve_bytes futures[] = {all.ended, all.begun, all.put};
            for (int f = 0; f < 3; f++) {
                NEED(reeve_get(reeve_bytes, futures[f], &bytes) == REEVE_OK);
                NEED(is_blob(&bytes, size));
                reeve_clear(reeve_bytes, &bytes);
            }
            reeve_clear(blobs, &all);
        }
    }
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* Gets the future, not its value. */
REEVE_REMOTE(int64_t, look, (reeve_future_int64_t, f), (int64_t, more))
{
    int64_t x;
    int code = reeve_get(int64_t, f, &x);
    return code == REEVE_OK ? x + more : code;
}

REEVE_REMOTE(int64_t, sum, (pair, p), (reeve_futures_int64_t, rest))
{
    int64_t x = 0, total = 0;
    if (reeve_get(int64_t, p.a, &x) == REEVE_OK)
        total += x;
    if (reeve_get(int64_t, p.b, &x) == REEVE_OK)
        total += x;
    for (size_t i = 0; i < rest.count; i++)
        if (reeve_get(int64_t, rest.items[i], &x) == REEVE_OK)
            total += x;
    return total;
}

/* Passes them on, to a task of its own; gives one back. */
REEVE_REMOTE(pair, pass, (pair, p))
{
    reeve_futures_int64_t none = {NULL, 0};
    return (pair){sum_remote(p, none), p.b};
}

REEVE_REMOTE(reeve_future_reeve_bytes, same, (reeve_future_reeve_bytes, f))
{
    return f;
}

static void arguments(long n)
{
    int64_t y;
    for (long i = 2; i < n + 2; i++) {
        pair p = {square_remote(i), nap_remote(3)}, back;
        reeve_future_int64_t failed = square_remote(-1);
        NEED(look_get(look_remote(p.a, 5), &y) == REEVE_OK && y == i * i + 5);
        NEED(look_get(look_remote(failed, 5), &y) == REEVE_OK && y == REEVE_EFUNCTION);
        NEED(look_get(reeve_call(look, later_remote(i), square_remote(3)), &y) == REEVE_OK);
        NEED(y == i * i + 9);
        reeve_future_int64_t rest[50];
        for (int k = 0; k < 50; k++)
            rest[k] = square_remote(k);
        reeve_futures_int64_t array = {rest, 50};
        NEED(sum_get(sum_remote(p, array), &y) == REEVE_OK && y == i * i + 3 + 40425);
        NEED(pass_get(pass_remote(p), &back) == REEVE_OK && is_same(back.b.id, p.b.id));
        NEED(reeve_get(int64_t, back.a, &y) == REEVE_OK && y == i * i + 3);
        NEED(reeve_get(int64_t, back.b, &y) == REEVE_OK && y == 3);
        /* a put value, and a result, as a spliced argument: what is in it comes along */
        reeve_future_pair put = reeve_put(pair, p);
        NEED(sum_get(reeve_call(sum, put, array), &y) == REEVE_OK && y == i * i + 3 + 40425);
        reeve_future_reeve_futures_int64_t spreads = spread_remote(20);
        NEED(sum_get(reeve_call(sum, put, spreads), &y) == REEVE_OK && y == i * i + 3 + 2470);
        /* many calls at once */
        int64_t more[3] = {1, 2, 3}, sums[3];
        reeve_future_int64_t same_one[3] = {p.a, p.a, p.a};
        look_future looks[3];
        NEED(look_remote_many(3, same_one, more, looks) == REEVE_OK);
        NEED(look_get_many(looks, 3, sums, NULL) == REEVE_OK);
        NEED(sums[0] == i * i + 1 && sums[2] == i * i + 3);
        int64_t numbers[3] = {1, 2, 3};
        later_future laters[3];
        reeve_future_int64_t inner[3];
        NEED(later_remote_many(3, numbers, laters) == REEVE_OK);
        NEED(later_get_many(laters, 3, inner, NULL) == REEVE_OK);
        NEED(reeve_get(int64_t, inner[0], &y) == REEVE_OK && y == 1);
        NEED(reeve_get(int64_t, inner[2], &y) == REEVE_OK && y == 9);
        reeve_release(inner[1]);
        /* still ours */
        NEED(reeve_get(int64_t, p.a, &y) == REEVE_OK && y == i * i);
        NEED(reeve_get(int64_t, p.b, &y) == REEVE_OK && y == 3);
        NEED(reeve_get(int64_t, failed, &y) == REEVE_EFUNCTION);
        for (int k = 0; k < 50; k++)
            NEED(reeve_release(rest[k]) == REEVE_OK);
        reeve_release(put);
        reeve_release(spreads);
        /* a large one, there and back */
        reeve_future_reeve_bytes big = blob_remote(300000), again;
        reeve_bytes bytes;
        NEED(same_get(same_remote(big), &again) == REEVE_OK && is_same(again.id, big.id));
        NEED(reeve_release(big) == REEVE_OK);
        NEED(reeve_get(reeve_bytes, again, &bytes) == REEVE_OK && is_blob(&bytes, 300000));
        reeve_clear(reeve_bytes, &bytes);
    }
    NEED(look_get(look_remote((reeve_future_int64_t){0}, 5), &y) == REEVE_EINVAL);
    NEED(strstr(reeve_last_error()->message, "a future is 0") != NULL);
    reeve_future_int64_t gone = square_remote(1);
    NEED(reeve_get(int64_t, gone, &y) == REEVE_OK);
    NEED(look_get(look_remote(gone, 5), &y) == REEVE_EHANDLE);
}

/* ---- a graph that grows as it is run --------------------------------------------------------- */

/* `mail` and `gate`: the one with value `stop_at` reports its process and waits there. */
REEVE_REMOTE(tree, grow, (int64_t, depth), (int64_t, value), (int64_t, stop_at),
    (reeve_string, mail), (reeve_string, gate))
{
    if (value == stop_at) {
        report(mail, "grow %" PRId64 " pid %d", value, (int)getpid());
        wait_at(gate);
    }
    if (depth == 0)
        return (tree){value, {NULL, 0}};
    reeve_future *branches = reeve_alloc(3 * sizeof *branches);
    for (int i = 0; i < 3; i++)
        branches[i] = reeve_untyped(grow_remote(depth - 1, value * 3 + i + 1, stop_at, mail, gate));
    return (tree){value, {branches, 3}};
}

static int64_t expected(int64_t depth, int64_t value)
{
    int64_t total = value;
    for (int i = 0; depth > 0 && i < 3; i++)
        total += expected(depth - 1, value * 3 + i + 1);
    return total;
}

static int64_t gather(reeve_future_tree f, int depth)
{
    tree t;
    NEED(reeve_get(tree, f, &t) == REEVE_OK);
    NEED(t.branches.count == (depth == 0 ? 0 : 3));
    int64_t total = t.value;
    for (size_t i = 0; i < t.branches.count; i++)
        total += gather(reeve_future_as(tree, t.branches.items[i]), depth - 1);
    reeve_clear(tree, &t);
    return total;
}

static const char *mail = "", *gate = "";
static int64_t stop_at = -1;

static void graph(long depth)
{
    reeve_future_tree root = grow_remote(depth, 1, stop_at, mail, gate);
    NEED(gather(root, (int)depth) == expected(depth, 1));
}

/* ---- by name --------------------------------------------------------------------------------- */

/* Gives back the futures in its arguments, as a list, and one more. */
static int turn(void *context, const void *args, size_t args_size, reeve_packed *result)
{
    static const uint8_t list[] = {0x92, 0xd6, 0x22, 2, 0, 0, 0, 0xd4, 0x21, 0};
    const reeve_future *futures;
    (void)context, (void)args, (void)args_size;
    if (reeve_argument_futures(&futures) != 2)
        return REEVE_EINVAL;
    reeve_future *all = reeve_alloc(3 * sizeof *all);
    all[0] = futures[1];
    all[1] = futures[0];
    all[2] = reeve_untyped(square_remote(9));
    *result = (reeve_packed){list, sizeof list, all, 3};
    return REEVE_OK;
}

static void dynamic(long n)
{
    static const uint8_t args[] = {0x93, 0x01, 0xd4, 0x21, 0, 0x91, 0xd4, 0x21, 0};
    for (long i = 0; i < n; i++) {
        reeve_future two[] = {reeve_untyped(square_remote(2)), reeve_untyped(square_remote(3))}, f;
        reeve_submission call = {.size = sizeof call,
            .function = "turn",
            .args = args,
            .args_size = sizeof args,
            .futures = two,
            .future_count = 2};
        reeve_packed packed;
        NEED(reeve_submit(&call, &f) == REEVE_OK);
        NEED(reeve_get_packed(f, REEVE_FOREVER, &packed) == REEVE_OK && packed.future_count == 3);
        NEED(is_same(packed.futures[0].id, two[1].id));
        int64_t y;
        NEED(reeve_get(int64_t, reeve_future_as(int64_t, packed.futures[2]), &y) == REEVE_OK);
        NEED(y == 81);
        for (int k = 0; k < 2; k++) {
            NEED(reeve_release(two[k]) == REEVE_OK);
            NEED(reeve_release(packed.futures[k]) == REEVE_OK);
        }
        reeve_free(packed.bytes);
        reeve_free(packed.futures);
        call.future_count = 1;
        NEED(reeve_submit(&call, &f) == REEVE_EINVAL);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(long n);
        long n;
    } all[] = {{"one", one, 50}, {"results", results, 20}, {"many", many, 10000},
        {"large", large, 6}, {"arguments", arguments, 10}, {"graph", graph, 5},
        {"dynamic", dynamic, 20}};
    NEED(reeve_register("turn", turn, NULL) == REEVE_OK);
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    if (argc > 5) {
        mail = argv[3];
        gate = argv[4];
        stop_at = strtol(argv[5], NULL, 10);
    }
    const char *mode = getenv("REEVE_MODE");
    inline_mode = mode && strcmp(mode, "inline") == 0;
    bool found = false;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(argv[1], all[i].name) != 0 && strcmp(argv[1], "all") != 0)
            continue;
        all[i].run(argc > 2 ? strtol(argv[2], NULL, 10) : all[i].n);
        printf("ok %s\n", all[i].name);
        fflush(stdout);
        found = true;
    }
    reeve_shutdown();
    NEED(found);
    return 0;
}
