/* More values than the store holds: `spills WHAT COUNT SIZE_KIB` prints "ok WHAT", or what is
 * wrong.
 *
 *     fill     puts them all, then gets each and looks at every byte
 *     results  the same with results of tasks, and with arguments of others
 *     random   puts, gets and releases in random order
 *     until    puts until it fails, prints how many there are and why; then releases all
 *     hold     puts, prints "ready" and waits for a line; then gets each and counts those that are
 *              right, and prints the code of each that failed
 *     made     the same with results of tasks; every other one is not got, but given to a task
 *     shown    the same with values that a task has seen before */
#include "tests/e2e/programs/say.h"

static size_t size;

/* Every eight bytes say which value it is, and where in it they are. */
static void fill(uint64_t *words, uint64_t number)
{
    for (uint64_t i = 0; i < size / 8; i++)
        words[i] = (number << 40 | i) * 0x9e3779b97f4a7c15ull;
}

static bool is_right(const void *data, size_t length, uint64_t number)
{
    if (length != size)
        return false;
    for (uint64_t i = 0; i < size / 8; i++) {
        uint64_t word; /* an argument is read where it lies, at any address */
        memcpy(&word, (const char *)data + i * 8, 8);
        if (word != (number << 40 | i) * 0x9e3779b97f4a7c15ull)
            return false;
    }
    return true;
}

static reeve_future_reeve_bytes put(uint64_t number)
{
    static uint64_t *words;
    if (words == NULL)
        words = malloc(size);
    fill(words, number);
    return reeve_put_bytes(words, size);
}

/* 0: it is what it should be; -1: it is not; else the code. */
static int look(reeve_future_reeve_bytes future, uint64_t number)
{
    reeve_bytes bytes;
    int code = reeve_get(reeve_bytes, future, &bytes);
    if (code != REEVE_OK)
        return code;
    bool right = is_right(bytes.data, bytes.size, number);
    reeve_free(bytes.data);
    return right ? 0 : -1;
}

REEVE_REMOTE(reeve_bytes, made, (int64_t, number), (int64_t, bytes))
{
    size = (size_t)bytes;
    uint64_t *words = reeve_alloc(size);
    fill(words, (uint64_t)number);
    return (reeve_bytes){words, size};
}

REEVE_REMOTE(bool, right, (reeve_bytes, bytes), (int64_t, number))
{
    size = bytes.size;
    return is_right(bytes.data, bytes.size, (uint64_t)number);
}

static int fill_all(uint64_t count)
{
    reeve_future_reeve_bytes *futures = calloc(count, sizeof(*futures));
    for (uint64_t i = 0; i < count; i++)
        futures[i] = put(i);
    for (uint64_t i = 0; i < count; i++) {
        int code = look(futures[i], i);
        if (code != 0)
            return fprintf(stderr, "value %" PRIu64 ": %d %s\n", i, code,
                       code < 0 && code != -1 ? reeve_last_error()->message : "wrong bytes"),
                   1;
    }
    free(futures);
    return 0;
}

static int results(uint64_t count)
{
    made_future *futures = calloc(count, sizeof(*futures));
    for (uint64_t i = 0; i < count; i++)
        futures[i] = made_remote((int64_t)i, (int64_t)size);
    for (uint64_t i = 0; i < count; i++) {
        bool answer = false;
        if (right_get(reeve_call(right, futures[i], (int64_t)i), &answer) != REEVE_OK || !answer)
            return fprintf(stderr, "argument %" PRIu64 ": %s\n", i, reeve_last_error()->message), 1;
    }
    for (uint64_t i = 0; i < count; i++) {
        reeve_bytes bytes;
        if (made_get(futures[i], &bytes) != REEVE_OK)
            return fprintf(stderr, "result %" PRIu64 ": %s\n", i, reeve_last_error()->message), 1;
        if (!is_right(bytes.data, bytes.size, i))
            return fprintf(stderr, "result %" PRIu64 " is wrong\n", i), 1;
        reeve_free(bytes.data);
    }
    free(futures);
    return 0;
}

static int at_random(uint64_t count)
{
    reeve_future_reeve_bytes futures[64] = {0};
    uint64_t numbers[64] = {0}, seed = 42;
    for (uint64_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        unsigned at = seed >> 58;
        if (numbers[at] != 0 && seed >> 57 & 1) {
            reeve_release(futures[at]);
        } else if (numbers[at] != 0) {
            int code = look(futures[at], numbers[at]);
            if (code != 0)
                return fprintf(stderr, "value %" PRIu64 ": %d\n", numbers[at], code), 1;
        }
        numbers[at] = i + 1;
        futures[at] = put(i + 1);
    }
    return 0;
}

/* What does not fit any more is known at once; what was put before is still there. */
static int until(uint64_t count)
{
    reeve_future_reeve_bytes *futures = calloc(count, sizeof(*futures));
    uint64_t made_count = 0, wrong = 0;
    int code = 0;
    char why[512] = "";
    for (; made_count < count; made_count++) {
        futures[made_count] = put(made_count);
        if (reeve_last_error()->code == REEVE_EFULL) {
            snprintf(why, sizeof(why), "%s", reeve_last_error()->message);
            break;
        }
    }
    for (uint64_t i = 0; i < made_count; i++) {
        code = look(futures[i], i);
        wrong += code != 0;
    }
    printf("%" PRIu64 " put, %" PRIu64 " wrong; then: %s\n", made_count, wrong, why);
    if (made_count < count)
        code = look(futures[made_count], made_count);
    free(futures);
    return code == (made_count < count ? REEVE_EFULL : 0) ? 0 : 1;
}

/* As look(), by a task. */
static int have_looked_at(reeve_future_reeve_bytes future, uint64_t number)
{
    bool answer = false;
    int code = right_get(reeve_call(right, future, (int64_t)number), &answer);
    return code != REEVE_OK ? code : answer ? 0 : -1;
}

static int hold_all(reeve_future_reeve_bytes *futures, uint64_t count, bool by_tasks)
{
    char line[16];
    uint64_t good = 0;
    printf("ready\n");
    fflush(stdout);
    if (fgets(line, sizeof(line), stdin) == NULL)
        return 1;
    for (uint64_t i = 0; i < count; i++) {
        int code = by_tasks && i % 2 == 0 ? have_looked_at(futures[i], i) : look(futures[i], i);
        good += code == 0;
        if (code != 0)
            printf("%" PRIu64 " %s: %s\n", i, code == -1 ? "WRONG BYTES" : reeve_error_name(code),
                reeve_last_error()->message);
    }
    printf("%" PRIu64 " good\n", good);
    free(futures);
    return 0;
}

static int hold(uint64_t count)
{
    reeve_future_reeve_bytes *futures = calloc(count, sizeof(*futures));
    for (uint64_t i = 0; i < count; i++)
        futures[i] = put(i);
    return hold_all(futures, count, false);
}

static int hold_made(uint64_t count)
{
    made_future *futures = calloc(count, sizeof(*futures));
    for (uint64_t i = 0; i < count; i++)
        futures[i] = made_remote((int64_t)i, (int64_t)size);
    NEED(reeve_wait(futures, count, count, REEVE_FOREVER, NULL, NULL) == REEVE_OK);
    return hold_all(futures, count, true);
}

static int hold_shown(uint64_t count)
{
    reeve_future_reeve_bytes *futures = calloc(count, sizeof(*futures));
    for (uint64_t i = 0; i < count; i++) {
        futures[i] = put(i);
        NEED(have_looked_at(futures[i], i) == 0);
    }
    return hold_all(futures, count, false);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(uint64_t count);
    } uses[] = {{"fill", fill_all}, {"results", results}, {"random", at_random}, {"until", until},
        {"hold", hold}, {"made", hold_made}, {"shown", hold_shown}};
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    if (argc != 4)
        return fprintf(stderr, "usage: spills WHAT COUNT SIZE_KIB\n"), 2;
    uint64_t count = strtoull(argv[2], NULL, 10);
    size = strtoull(argv[3], NULL, 10) * 1024;
    int failed = 1;
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
        if (strcmp(uses[i].name, argv[1]) == 0)
            failed = uses[i].run(count);
    reeve_shutdown();
    if (failed == 0)
        printf("ok %s\n", argv[1]);
    return failed;
}
