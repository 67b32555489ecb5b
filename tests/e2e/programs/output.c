/* Tasks that print: `output TASKS LINES MAIL`. Each prints LINES numbered lines to stdout and as
 * many to stderr, in pieces; then a line without an end. Reports "done" to MAIL when all have
 * returned, before shutdown; with TASKS 0, one prints the first half of a line and crashes. */
#include <signal.h>

#include "tests/e2e/programs/say.h"

REEVE_REMOTE(int64_t, printer, (int64_t, task), (int64_t, lines))
{
    for (int64_t i = 0; i < lines; i++) {
        printf("task %" PRId64 " ", task);
        printf("line %" PRId64 " ", i);
        printf("%.*s.\n", (int)(i % 60),
            "----------------------------------------------------------------");
        fprintf(stderr, "task %" PRId64 " complains %" PRId64 ".\n", task, i);
    }
    printf("task %" PRId64 " without an end", task);
    return task;
}

REEVE_REMOTE(int64_t, printer_that_crashes, (int64_t, task))
{
    printf("last words of %" PRId64, task);
    fflush(stdout);
    signal(SIGABRT, SIG_DFL);
    kill(getpid(), SIGKILL);
    return 0;
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc == 4);
    int tasks = (int)strtol(argv[1], NULL, 10), lines = (int)strtol(argv[2], NULL, 10);
    int64_t y;
    if (tasks == 0) {
        const reeve_task_options *once = REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES);
        printer_that_crashes_future future = printer_that_crashes_remote_opts(once, 7);
        NEED(printer_that_crashes_get(future, &y) == REEVE_EWORKERDIED);
    }
    printer_future *futures = calloc((size_t)tasks + 1, sizeof *futures);
    for (int i = 0; i < tasks; i++)
        futures[i] = printer_remote(i, lines);
    for (int i = 0; i < tasks; i++)
        NEED(printer_get(futures[i], &y) == REEVE_OK && y == i);
    free(futures);
    report(argv[3], "done");
    reeve_shutdown();
    return 0;
}
