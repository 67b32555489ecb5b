/* Hot calls to be watched from outside: `hot HOW MAIL`, HOW being "sync", "async" or "puts".
 * Reports "driver PID" and "worker PID"; then for each number that it reads on standard input it
 * makes so many calls, or puts so many values into the store, and prints "made NUMBER". */
#include "tests/e2e/programs/say.h"

#define UNDER_WAY 1000
#define PUT_SIZE  (66 * 1024) /* more than rides along */

REEVE_REMOTE(int64_t, next, (int64_t, x))
{
    return x + 1;
}

REEVE_REMOTE(int64_t, process_id)
{
    return getpid();
}

static void one_by_one(long count)
{
    int64_t y;
    for (long i = 0; i < count; i++) {
        NEED(next_get(next_remote(i), &y) == REEVE_OK);
        NEED(y == i + 1);
    }
}

static void side_by_side(long count)
{
    static next_future futures[UNDER_WAY];
    int64_t y;
    for (long i = 0; i < count; i += UNDER_WAY) {
        for (long k = 0; k < UNDER_WAY; k++)
            futures[k] = next_remote(i + k);
        for (long k = 0; k < UNDER_WAY; k++) {
            NEED(next_get(futures[k], &y) == REEVE_OK);
            NEED(y == i + k + 1);
        }
    }
}

static void put(long count)
{
    static uint8_t bytes[PUT_SIZE];
    for (long i = 0; i < count; i++)
        NEED(reeve_release(reeve_put_bytes(bytes, PUT_SIZE)) == REEVE_OK);
}

int main(int argc, char **argv)
{
    char line[32];
    int64_t worker;
    NEED(argc == 3);
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(process_id_get(process_id_remote(), &worker) == REEVE_OK);
    report(argv[2], "driver %d", getpid());
    report(argv[2], "worker %" PRId64, worker);
    while (fgets(line, sizeof line, stdin) != NULL) {
        long count = strtol(line, NULL, 10);
        if (strcmp(argv[1], "sync") == 0)
            one_by_one(count);
        else if (strcmp(argv[1], "puts") == 0)
            put(count);
        else
            side_by_side(count);
        printf("made %ld\n", count);
        fflush(stdout);
    }
    reeve_shutdown();
    return 0;
}
