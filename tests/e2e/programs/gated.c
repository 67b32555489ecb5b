/* A driver to be killed at, or to watch others being killed: `gated COUNT MAIL GATE [CPUS
 * [RETRIES]]`.
 *
 * Submits COUNT tasks; each reports "start NUMBER PID HOST", waits at the gate, reports "end
 * NUMBER PID HOST" and returns 3 * NUMBER. The driver reports "driver PID" once all are
 * submitted, prints "NUMBER ANSWER" or the error for each, then "done". */
#include "tests/e2e/programs/say.h"

REEVE_REMOTE(int64_t, gated, (int64_t, number), (reeve_string, mail), (reeve_string, gate))
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    report(mail, "start %" PRId64 " %d %s", number, getpid(), host);
    wait_at(gate);
    report(mail, "end %" PRId64 " %d %s", number, getpid(), host);
    return 3 * number;
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc >= 4);
    int count = (int)strtol(argv[1], NULL, 10), failed = 0;
    gated_future *futures = calloc((size_t)count, sizeof *futures);
    const reeve_task_options *options = REEVE_TASK_OPTIONS(.cpus = argc > 4 ? atof(argv[4]) : 1,
        .max_retries = argc > 5 ? (int32_t)strtol(argv[5], NULL, 10) : 0);
    for (int i = 0; i < count; i++)
        futures[i] = gated_remote_opts(options, i, argv[2], argv[3]);
    report(argv[2], "driver %d", getpid());
    for (int i = 0; i < count; i++) {
        int64_t y;
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        int code = gated_get(futures[i], &y);
        if (code == REEVE_OK)
            printf("%d %" PRId64 "\n", i, y);
        else
            say_error(number, code);
        fflush(stdout);
        failed += code != REEVE_OK;
    }
    free(futures);
    printf("done\n");
    fflush(stdout);
    reeve_shutdown();
    return failed != 0;
}
