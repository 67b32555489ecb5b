/* A program around epoll, with timers and calls: each call is followed by the next one that needs
 * its answer, and what each is for travels in its tag.
 *
 * Prints:
 *     chain 1: 1 2 4 8 16 32
 *     chain 3: 3 6 12 24 48 96
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <reeve.h>

REEVE_REMOTE(int64_t, twice, (int64_t, x))
{
    return 2 * x;
}

struct chain {
    twice_future call;
    int64_t values[6];
    int count;
};

static void go_on(struct chain *chain)
{
    chain->call = twice_remote(chain->values[chain->count - 1]);
    reeve_watch(chain->call, (uint64_t)(uintptr_t)chain);
}

int main(int argc, char **argv)
{
    struct chain chains[2] = {{.values = {1}, .count = 1}, {.values = {3}, .count = 1}};
    struct itimerspec second = {.it_value = {1, 0}, .it_interval = {1, 0}};
    struct epoll_event event = {.events = EPOLLIN};
    int open = 2;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    int loop = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    timerfd_settime(timer, 0, &second, NULL);
    event.data.fd = timer;
    epoll_ctl(loop, EPOLL_CTL_ADD, timer, &event);
    event.data.fd = reeve_fd();
    epoll_ctl(loop, EPOLL_CTL_ADD, reeve_fd(), &event);
    go_on(&chains[0]);
    go_on(&chains[1]);
    while (open > 0 && epoll_wait(loop, &event, 1, -1) == 1) {
        uint64_t tag;
        if (event.data.fd == timer) {
            (void)!read(timer, &tag, sizeof(tag));
            fprintf(stderr, "still at it\n");
        }
        while (reeve_next_ready(&tag) == REEVE_OK) {
            struct chain *chain = (struct chain *)(uintptr_t)tag;
            if (twice_get(chain->call, &chain->values[chain->count++]) != REEVE_OK)
                return reeve_perror("twice"), 1;
            if (chain->count < 6)
                go_on(chain);
            else
                open--;
        }
    }
    for (int i = 0; i < 2; i++) {
        printf("chain %" PRId64 ":", chains[i].values[0]);
        for (int k = 0; k < 6; k++)
            printf(" %" PRId64, chains[i].values[k]);
        printf("\n");
    }
    close(timer);
    close(loop);
    reeve_shutdown();
    return 0;
}
