/* A driver that fills the store: `holds COUNT SIZE MAIL GATE [THREADS]`.
 *
 * Puts COUNT values of SIZE bytes, of which a task holds the first pinned until the gate opens;
 * reports "holds PID", waits at the gate, releases all, and prints "put RATE free RATE", in objects
 * a second. */
#include "tests/e2e/programs/say.h"

#include <pthread.h>
#include <time.h>

#define THREADS_MAX 16

static size_t object_count, object_size, thread_count = 1;
static reeve_future_reeve_bytes *put_futures;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

REEVE_REMOTE(int64_t, hold, (reeve_bytes, block), (reeve_string, mail), (reeve_string, gate))
{
    report(mail, "start %d", getpid());
    wait_at(gate);
    return (int64_t)block.size;
}

static void *put_some(void *arg)
{
    uint8_t *bytes = calloc(1, object_size);
    for (size_t i = (size_t)(uintptr_t)arg; i < object_count; i += thread_count) {
        memcpy(bytes, &i, sizeof(i));
        put_futures[i] = reeve_put_bytes(bytes, object_size);
        NEED(put_futures[i].id != 0);
    }
    free(bytes);
    return NULL;
}

static void *release_some(void *arg)
{
    for (size_t i = (size_t)(uintptr_t)arg; i < object_count; i += thread_count)
        reeve_release(put_futures[i]);
    return NULL;
}

static double timed(void *(*work)(void *))
{
    pthread_t thread[THREADS_MAX];
    double start = now_s();
    for (size_t i = 0; i < thread_count; i++)
        NEED(pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < thread_count; i++)
        pthread_join(thread[i], NULL);
    return now_s() - start;
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    NEED(argc >= 5);
    object_count = strtoul(argv[1], NULL, 10);
    object_size = strtoul(argv[2], NULL, 10);
    thread_count = argc > 5 ? strtoul(argv[5], NULL, 10) : 1;
    NEED(object_count > 0 && object_size >= sizeof(size_t) && thread_count >= 1 &&
         thread_count <= THREADS_MAX);
    put_futures = calloc(object_count, sizeof(*put_futures));
    double put_s = timed(put_some);
    hold_future held = reeve_call(hold, put_futures[0], argv[3], argv[4]);
    report(argv[3], "holds %d", getpid());
    wait_at(argv[4]);
    int64_t answer = 0;
    NEED(hold_get(held, &answer) == REEVE_OK && answer == (int64_t)object_size);
    double free_s = timed(release_some);
    printf("put %.0f free %.0f\n", (double)object_count / put_s, (double)object_count / free_s);
    fflush(stdout);
    free(put_futures);
    reeve_shutdown();
    return 0;
}
