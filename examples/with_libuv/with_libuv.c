/* A libuv program that calls remote functions: the descriptor is a uv_poll_t like any other, and
 * everything runs in the loop's own thread.
 *
 * Prints:
 *     answered: 10 of 10, the largest is 55
 */
#include <inttypes.h>
#include <stdio.h>
#include <uv.h>

#include <reeve.h>

REEVE_REMOTE(int64_t, fibonacci, (int64_t, n))
{
    int64_t a = 0, b = 1;
    for (; n > 0; n--) {
        int64_t next = a + b;
        a = b;
        b = next;
    }
    return a;
}

enum { COUNT = 10 };

static fibonacci_future calls[COUNT];
static int answered;
static int64_t largest;

static void on_ready(uv_poll_t *watcher, int status, int events)
{
    uint64_t tag;
    int64_t y;
    (void)status;
    (void)events;
    while (reeve_next_ready(&tag) == REEVE_OK) {
        if (fibonacci_get(calls[tag], &y) != REEVE_OK)
            reeve_perror("fibonacci");
        else if (y > largest)
            largest = y;
        if (++answered == COUNT)
            uv_close((uv_handle_t *)watcher, NULL); /* nothing else is in the loop: it ends */
    }
}

int main(int argc, char **argv)
{
    uv_poll_t watcher;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    uv_poll_init(uv_default_loop(), &watcher, reeve_fd());
    uv_poll_start(&watcher, UV_READABLE, on_ready);
    for (int i = 0; i < COUNT; i++) {
        calls[i] = fibonacci_remote(i + 1);
        reeve_watch(calls[i], (uint64_t)i);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    printf("answered: %d of %d, the largest is %" PRId64 "\n", answered, COUNT, largest);
    reeve_shutdown();
    return 0;
}
