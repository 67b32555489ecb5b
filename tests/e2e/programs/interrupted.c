/* A driver at a terminal, for Ctrl-C: `interrupted COUNT MAIL GATE [handles]`.
 *
 * Submits COUNT tasks; each starts a process of its own, reports "start PID CHILD-PID", and waits
 * at the gate. The driver reports "driver PID" when all are submitted, and waits for them; prints
 * "done". With "handles" it has a handler for SIGINT: the first one is counted and said, and the
 * tasks go on. */
#include <signal.h>
#include <sys/wait.h>

#include "tests/e2e/programs/say.h"

REEVE_REMOTE(int64_t, waits, (int64_t, number), (reeve_string, mail), (reeve_string, gate))
{
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sleep", "sleep", "1000", (char *)NULL);
        _exit(97);
    }
    report(mail, "start %d %d", getpid(), (int)child);
    wait_at(gate);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return number;
}

static volatile sig_atomic_t interrupts;

static void on_interrupt(int number)
{
    (void)number;
    interrupts++;
}

int main(int argc, char **argv)
{
    waits_future futures[16];
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc >= 4);
    bool handles = argc > 4;
    if (handles)
        signal(SIGINT, on_interrupt);
    size_t count = (size_t)strtol(argv[1], NULL, 10);
    NEED(count <= 16);
    for (size_t i = 0; i < count; i++)
        futures[i] = waits_remote((int64_t)i, argv[2], argv[3]);
    report(argv[2], "driver %d", getpid());
    bool told = false;
    while (reeve_wait(futures, count, count, 20, NULL, NULL) == REEVE_ETIMEDOUT)
        if (interrupts != 0 && !told) {
            told = true;
            report(argv[2], "interrupted");
        }
    for (size_t i = 0; i < count; i++) {
        int64_t y;
        NEED(waits_get(futures[i], &y) == REEVE_OK && y == (int64_t)i);
    }
    printf("done\n");
    reeve_shutdown();
    return 0;
}
