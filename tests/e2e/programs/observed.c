/* What `reeve tasks`, `reeve jobs` and `reeve timeline` look at: `observed MAIL GATE QUICK HELD
 * [UNREAD [MIB]]`.
 *
 * QUICK calls that end at once, three that fail, one whose worker dies, one that runs out of time
 * and one that runs its children itself; then, after "settled DRIVER-PID" in the mail, HELD calls
 * that wait at the gate. Prints "done" when all have their answers. UNREAD calls have theirs,
 * and it takes none until the gate opens; a call that fills so much memory fails before all of
 * this. */
#include "tests/e2e/programs/say.h"

REEVE_REMOTE(int64_t, quick, (int64_t, number))
{
    return number;
}

REEVE_REMOTE(int64_t, fails, (int64_t, number))
{
    reeve_fail(number, "this is failure %" PRId64 "%s", number, number == 3 ? ": caf\xe9!" : "");
    return 0;
}

REEVE_REMOTE(int64_t, dies, (int64_t, number))
{
    if (number > 0)
        _exit(3);
    return number;
}

REEVE_REMOTE(int64_t, is_slow, (int64_t, number))
{
    usleep(60000000);
    return number;
}

REEVE_REMOTE(int64_t, parent, (int64_t, count))
{
    quick_future children[64];
    int64_t sum = 0, y;
    for (int64_t i = 0; i < count && i < 64; i++)
        children[i] = quick_remote(i);
    for (int64_t i = 0; i < count && i < 64; i++)
        sum += quick_get(children[i], &y) == REEVE_OK ? y : 0;
    return sum;
}

REEVE_REMOTE(int64_t, held, (int64_t, number), (reeve_string, mail), (reeve_string, gate))
{
    report(mail, "held %" PRId64 " %d", number, getpid());
    wait_at(gate);
    return number;
}

REEVE_REMOTE(int64_t, hungry, (int64_t, mib))
{
    char *memory = malloc((size_t)mib << 20);
    NEED(memory != NULL);
    memset(memory, (int)mib, (size_t)mib << 20);
    int64_t last = memory[((size_t)mib << 20) - 1];
    free(memory);
    return last;
}

static void settle(int64_t count)
{
    int64_t *numbers = calloc((size_t)count, sizeof *numbers), y;
    quick_future *many = calloc((size_t)count, sizeof *many);
    NEED(quick_remote_many((size_t)count, numbers, many) == REEVE_OK);
    NEED(quick_get_many(many, (size_t)count, numbers, NULL) == REEVE_OK);
    free(numbers);
    free(many);
    for (int64_t i = 1; i <= 3; i++)
        NEED(fails_get(fails_remote(i), &y) == REEVE_EFUNCTION);
    const reeve_task_options *once = REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES);
    NEED(dies_get(dies_remote_opts(once, 1), &y) == REEVE_EWORKERDIED);
    const reeve_task_options *timed = REEVE_TASK_OPTIONS(.timeout_ms = 50);
    NEED(is_slow_get(is_slow_remote_opts(timed, 1), &y) == REEVE_ETASKTIMEOUT);
    NEED(parent_get(parent_remote(10), &y) == REEVE_OK && y == 45);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc >= 5);
    int64_t count = strtoll(argv[4], NULL, 10), y;
    int64_t unread = argc > 5 ? strtoll(argv[5], NULL, 10) : 0;
    if (argc > 6) {
        const reeve_task_options *once = REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES);
        NEED(hungry_get(hungry_remote_opts(once, strtoll(argv[6], NULL, 10)), &y) != REEVE_OK);
        reeve_perror("hungry");
    }
    settle(strtoll(argv[3], NULL, 10));
    report(argv[1], "settled %d", getpid());
    held_future *futures = calloc((size_t)count, sizeof *futures);
    for (int64_t i = 0; i < count; i++)
        futures[i] = held_remote(i, argv[1], argv[2]);
    quick_future *left = calloc((size_t)unread, sizeof *left);
    for (int64_t i = 0; i < unread; i++)
        left[i] = quick_remote(i);
    if (unread > 0) {
        report(argv[1], "unread %d", getpid());
        wait_at(argv[2]);
    }
    for (int64_t i = 0; i < unread; i++)
        NEED(quick_get(left[i], &y) == REEVE_OK);
    free(left);
    for (int64_t i = 0; i < count; i++)
        NEED(held_get(futures[i], &y) == REEVE_OK && y == i);
    free(futures);
    printf("done\n");
    fflush(stdout);
    reeve_shutdown();
    return 0;
}
