/* `gated_printer MAIL GATE`: a task prints a line and returns; the driver reports "printed" and
 * waits at the gate. */
#include "tests/e2e/programs/say.h"

REEVE_REMOTE(int64_t, print_line, (int64_t, x))
{
    printf("said in the task"); /* ended and sent when the task ends */
    return x;
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc == 3);
    int64_t y;
    NEED(print_line_get(print_line_remote(1), &y) == REEVE_OK);
    report(argv[1], "printed");
    wait_at(argv[2]);
    reeve_shutdown();
    return 0;
}
