/* The hand-over between user thread and background thread: a user that calls in at random, a producer that rings, and a background
 * thread, as tests/model/drain.pml has them. Everything must be drained, although the user may be gone; and at the end the background
 * thread must be parked, not ticking. A lost wake-up shows as a time-out of ten seconds, which fails the test. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/prng.h"
#include "runtime/channel/drain.h"

#define ROUNDS 3000u

struct process {
    struct reeve_doorbell bell;
    struct reeve_drain drain;
    int event_fd;
    _Atomic uint32_t published; /* stands for the rings */
    uint32_t
        taken; /* plain: only the drainer touches it, so the thread sanitizer checks the lock */
    _Atomic uint32_t consumed;
    _Atomic uint32_t target; /* how far the producer may go */
    _Atomic uint32_t lost;
    _Atomic uint32_t parked;
    _Atomic uint32_t by_user;
    _Atomic bool ended;
};

static bool look(void *data)
{
    struct process *process = data;
    uint32_t published = atomic_load_explicit(&process->published, memory_order_acquire);
    if (published == process->taken)
        return false;
    process->taken = published;
    atomic_store(&process->consumed, published);
    return true;
}

static void *producer_main(void *data)
{
    struct process *process = data;
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        while (atomic_load(&process->target) < i && !atomic_load(&process->lost))
            sched_yield();
        atomic_store_explicit(&process->published, i, memory_order_release);
        reeve_doorbell_ring(&process->bell, process->event_fd);
    }
    return NULL;
}

static void *background_main(void *data)
{
    struct process *process = data;
    while (!atomic_load(&process->ended)) {
        enum reeve_drain_rest rest =
            reeve_drain_background(&process->drain, &process->bell, look, process);
        atomic_fetch_add(&process->parked, rest == REEVE_DRAIN_PARKED);
        struct pollfd wait = {.fd = process->event_fd, .events = POLLIN};
        int ready = poll(&wait, 1, rest == REEVE_DRAIN_PARKED ? 20000 : 1);
        uint64_t count;
        if (ready == 1)
            (void)!read(process->event_fd, &count, sizeof count);
    }
    return NULL;
}

static void user_gets(struct process *process, uint32_t wanted, struct reeve_prng *prng)
{
    while (atomic_load(&process->consumed) < wanted) {
        if (!reeve_drain_enter(&process->drain, &process->bell)) {
            sched_yield();
            continue;
        }
        uint64_t spins = reeve_prng_below(prng, 50);
        while (atomic_load(&process->consumed) < wanted) {
            if (look(process)) {
                atomic_fetch_add(&process->by_user, 1);
                continue;
            }
            if (spins != 0) {
                spins--;
                continue;
            }
            reeve_doorbell_arm(&process->bell, REEVE_DOORBELL_FUTEX);
            if (!look(process) && reeve_doorbell_sleep(&process->bell, 10000000000) != 0) {
                atomic_fetch_add(&process->lost, 1);
                atomic_store(&process->consumed, wanted);
            }
            reeve_doorbell_disarm(&process->bell);
        }
        reeve_drain_leave(&process->drain, &process->bell, look, process);
    }
}

static void everything_is_drained_whoever_is_there(void **state)
{
    (void)state;
    struct process *process = aligned_alloc(64, (sizeof *process + 63) / 64 * 64);
    assert_non_null(process);
    memset(process, 0, sizeof *process);
    reeve_doorbell_format(&process->bell);
    reeve_drain_init(&process->drain);
    process->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_t producer, background;
    assert_int_equal(pthread_create(&producer, NULL, producer_main, process), 0);
    assert_int_equal(pthread_create(&background, NULL, background_main, process), 0);
    struct reeve_prng prng;
    reeve_prng_init(&prng, 1);
    uint32_t target = 0;
    while (target < ROUNDS && !process->lost) {
        uint32_t ahead = (uint32_t)reeve_prng_between(&prng, 1, 3);
        uint32_t start = target;
        target = target + ahead > ROUNDS ? ROUNDS : target + ahead;
        atomic_store(&process->target, target);
        if (reeve_prng_chance(&prng, 3, 4))
            user_gets(process, start + 1, &prng); /* leaves with the rest outstanding */
        /* The rest comes without the user: from the background thread, by a ring or by its own look. */
        for (int waited = 0; atomic_load(&process->consumed) < target; waited++) {
            if (waited == 100000) {
                atomic_fetch_add(&process->lost, 1);
                break;
            }
            struct timespec moment = {.tv_nsec = 100000};
            if (waited > 100)
                nanosleep(&moment, NULL);
            else
                sched_yield();
        }
    }
    assert_int_equal(process->lost, 0);
    pthread_join(producer, NULL);
    assert_int_equal(process->consumed, ROUNDS);
    assert_true(process->parked > 0);
    assert_true(process->by_user > 0);
    /* Nobody is there and nothing comes: it parks, and armed. */
    while (atomic_load(&process->bell.waiting) != REEVE_DOORBELL_EVENT)
        sched_yield();
    atomic_store(&process->ended, true);
    assert_true(reeve_doorbell_ring(&process->bell, process->event_fd));
    pthread_join(background, NULL);
    close(process->event_fd);
    free(process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everything_is_drained_whoever_is_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
