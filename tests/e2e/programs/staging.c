/* Large arguments that have to travel: `staging WHAT` prints "ok WHAT …" or says what is wrong.
 *
 * A block's first bytes name the host that made it, the rest follows from its seed, so that each
 * reader can check all of it. */
#include "tests/e2e/programs/say.h"

#define HOST_SIZE 16
#define KIB       (1u << 10)
#define MIB       (1u << 20)

static void block_fill(uint8_t *bytes, size_t size, int64_t seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)((i * 2654435761u + (uint64_t)seed * 97) >> 11);
    if (size >= HOST_SIZE) {
        memset(bytes, 0, HOST_SIZE);
        gethostname((char *)bytes, HOST_SIZE - 1);
    }
}

static bool block_good(reeve_bytes block, int64_t seed)
{
    const uint8_t *bytes = block.data;
    for (size_t i = block.size >= HOST_SIZE ? HOST_SIZE : 0; i < block.size; i++)
        if (bytes[i] != (uint8_t)((i * 2654435761u + (uint64_t)seed * 97) >> 11))
            return false;
    return true;
}

REEVE_REMOTE(reeve_bytes, make, (int64_t, size), (int64_t, seed))
{
    uint8_t *bytes = reeve_alloc((size_t)size);
    block_fill(bytes, (size_t)size, seed);
    return (reeve_bytes){bytes, (size_t)size};
}

/* How many of its blocks were made on another host; or a failure. */
static int64_t foreign(const reeve_bytes *blocks, const int64_t *seeds, int count)
{
    char host[HOST_SIZE] = "";
    int64_t others = 0;
    gethostname(host, HOST_SIZE - 1);
    for (int i = 0; i < count; i++) {
        if (!block_good(blocks[i], seeds[i]))
            reeve_fail(i + 1, "block %d of %zu bytes is not what was made", i, blocks[i].size);
        if (blocks[i].size >= HOST_SIZE)
            others += strncmp(blocks[i].data, host, HOST_SIZE) != 0;
    }
    return others;
}

REEVE_REMOTE(int64_t, check, (reeve_bytes, block), (int64_t, seed))
{
    return foreign(&block, &seed, 1);
}

REEVE_REMOTE(int64_t, check_pair, (reeve_bytes, a), (int64_t, seed_a), (reeve_bytes, b),
    (int64_t, seed_b), (reeve_string, mail))
{
    report(mail, "start %d", getpid());
    return foreign((reeve_bytes[]){a, b}, (int64_t[]){seed_a, seed_b}, 2);
}

REEVE_REMOTE(int64_t, check_six, (reeve_bytes, a), (reeve_bytes, b), (reeve_bytes, c),
    (reeve_bytes, d), (reeve_bytes, e), (reeve_bytes, f), (int64_t, seed))
{
    int64_t seeds[6] = {seed, seed + 1, seed + 2, seed + 3, seed + 4, seed + 5};
    return foreign((reeve_bytes[]){a, b, c, d, e, f}, seeds, 6);
}

static reeve_future_reeve_bytes put(size_t size, int64_t seed)
{
    uint8_t *bytes = malloc(size);
    block_fill(bytes, size, seed);
    reeve_future_reeve_bytes future = reeve_put_bytes(bytes, size);
    free(bytes);
    return future;
}

static int64_t answer(check_future future)
{
    int64_t y = 0;
    NEED(check_get(future, &y) == REEVE_OK);
    return y;
}

/* From the driver's host, given with the call and put before. */
static void sizes(const char *mail)
{
    (void)mail;
    static const size_t all[] = {
        1, KIB, 64 * KIB - 64, 64 * KIB + 1, 256 * KIB, 256 * KIB + 1, MIB, 5 * MIB + 3, 64 * MIB};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int64_t seed = (int64_t)i;
        reeve_future_reeve_bytes block = put(all[i], seed);
        check_future once = reeve_call(check, block, seed), again = reeve_call(check, block, seed);
        NEED(reeve_release(block) == REEVE_OK);
        answer(once);
        answer(again);
        uint8_t *bytes = malloc(all[i]);
        block_fill(bytes, all[i], seed + 100);
        answer(check_remote((reeve_bytes){bytes, all[i]}, seed + 100));
        free(bytes);
    }
}

/* One block for many tasks; many blocks for one. */
static void shared(const char *mail)
{
    (void)mail;
    check_future futures[300];
    reeve_future_reeve_bytes block = put(8 * MIB, 1), six[6];
    for (int i = 0; i < 300; i++)
        futures[i] = reeve_call(check, block, 1);
    NEED(reeve_release(block) == REEVE_OK);
    for (int i = 0; i < 300; i++)
        answer(futures[i]);
    for (int64_t round = 0; round < 20; round++) {
        for (int i = 0; i < 6; i++)
            six[i] = put((size_t)(i + 1) * 300 * KIB, round * 6 + i);
        check_six_future all =
            reeve_call(check_six, six[0], six[1], six[2], six[3], six[4], six[5], round * 6);
        int64_t y;
        for (int i = 0; i < 6; i++)
            NEED(reeve_release(six[i]) == REEVE_OK);
        NEED(check_six_get(all, &y) == REEVE_OK);
    }
}

/* More in all than the stores hold, each block made on one node and read on either: what staging
 * pinned must be free again. */
static void pass_on(size_t size, int64_t count)
{
    enum { UNDER_WAY = 3 };
    check_future checks[UNDER_WAY];
    for (int64_t i = 0; i < count + UNDER_WAY; i++) {
        if (i >= UNDER_WAY)
            answer(checks[i % UNDER_WAY]);
        if (i >= count)
            continue;
        make_future made = make_remote((int64_t)size, i);
        checks[i % UNDER_WAY] = reeve_call(check, made, i);
        NEED(reeve_release(made) == REEVE_OK);
    }
}

static void stream(const char *mail)
{
    (void)mail;
    pass_on(32 * MIB, 40);
}

/* Blocks on all nodes; then each is read where it lies. */
static void near(const char *mail)
{
    (void)mail;
    enum { MADE = 4 };
    make_future made[MADE];
    for (int64_t i = 0; i < MADE; i++)
        made[i] = make_remote(i == 0 ? 64 * MIB : 32 * MIB, i);
    NEED(reeve_wait(made, MADE, MADE, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    for (int64_t i = 0; i < 3 * MADE; i++)
        NEED(answer(reeve_call(check, made[i % MADE], i % MADE)) == 0);
    for (int i = 0; i < MADE; i++)
        NEED(reeve_release(made[i]) == REEVE_OK);
}

/* A large block on its way to the only node, which takes seconds on a slow link; and small ones,
 * one after the other, that go the same way. How many are there before it: that many do not wait
 * for its pieces. */
static void beside(const char *mail)
{
    (void)mail;
    int64_t count = 0, y;
    reeve_future_reeve_bytes block = put(64 * MIB, 1);
    check_future large = reeve_call(check, block, 1);
    NEED(reeve_release(block) == REEVE_OK);
    while (reeve_wait(&large, 1, 1, 0, NULL, NULL) == REEVE_ETIMEDOUT) {
        reeve_future_reeve_bytes small = put(96 * KIB, count);
        check_future answered = reeve_call(check, small, count);
        NEED(reeve_release(small) == REEVE_OK);
        NEED(check_get(answered, &y) == REEVE_OK);
        count++;
    }
    NEED(check_get(large, &y) == REEVE_OK);
    printf("%" PRId64 " before it\n", count);
}

enum { PAIRS = 24, BLOCKS = 6 };

/* Blocks on both nodes, then tasks that each need two of them; the test kills something when it
 * reads "submitted". Then the rest of the cluster must be as good as before. */
static void killed(const char *mail)
{
    make_future blocks[BLOCKS];
    check_pair_future pairs[PAIRS];
    int good = 0, lost = 0;
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = make_remote(24 * MIB, i);
    NEED(reeve_wait(blocks, BLOCKS, BLOCKS, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    for (int i = 0; i < PAIRS; i++) {
        int a = i % BLOCKS, b = (i + 1 + i / BLOCKS) % BLOCKS;
        pairs[i] = reeve_call(check_pair, blocks[a], a, blocks[b], b, mail);
    }
    printf("submitted\n");
    fflush(stdout);
    for (int i = 0; i < PAIRS; i++) {
        int64_t y;
        int code = check_pair_get(pairs[i], &y);
        good += code == REEVE_OK;
        lost += code == REEVE_ELOST && strstr(reeve_last_error()->message, " is lost") != NULL;
        if (code != REEVE_OK && code != REEVE_ELOST)
            say_error("pair", code);
    }
    for (int i = 0; i < BLOCKS; i++)
        NEED(reeve_release(blocks[i]) == REEVE_OK);
    printf("good %d lost %d\n", good, lost);
    fflush(stdout);
    NEED(good + lost == PAIRS);
    pass_on(32 * MIB, 24);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const char *mail);
    } all[] = {{"sizes", sizes}, {"shared", shared}, {"stream", stream}, {"near", near},
        {"beside", beside}, {"killed", killed}};
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc > 1);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(argv[1], all[i].name) == 0) {
            all[i].run(argc > 2 ? argv[2] : "");
            printf("ok %s\n", all[i].name);
        }
    reeve_shutdown();
    return 0;
}
