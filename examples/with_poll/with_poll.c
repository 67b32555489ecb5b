/* A program with a loop of its own around poll: it waits for calls and for lines on standard input
 * at the same time.
 *
 * Prints:
 *     6 calls answered, sum 91
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <reeve.h>

REEVE_REMOTE(int64_t, square, (int64_t, x))
{
    return x * x;
}

int main(int argc, char **argv)
{
    enum { COUNT = 6 };
    square_future calls[COUNT];
    int64_t sum = 0, y;
    int left = COUNT;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    struct pollfd fds[2] = {
        {.fd = reeve_fd(), .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    for (int i = 0; i < COUNT; i++) {
        calls[i] = square_remote(i + 1);
        reeve_watch(calls[i], (uint64_t)i); /* its tag comes when it is ready */
    }
    while (left > 0 && poll(fds, 2, -1) > 0) {
        char line[256];
        uint64_t tag;
        if (fds[1].revents != 0 && read(STDIN_FILENO, line, sizeof(line)) <= 0)
            fds[1].fd = -1; /* no more input */
        while (reeve_next_ready(&tag) == REEVE_OK) {
            if (square_get(calls[tag], &y) == REEVE_OK)
                sum += y;
            else
                reeve_perror("square");
            left--;
        }
    }
    printf("%d calls answered, sum %" PRId64 "\n", COUNT - left, sum);
    reeve_shutdown();
    return 0;
}
