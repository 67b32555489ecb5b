/* The doorbell: no wake-up is lost, in either way of sleeping. Two threads play ping-pong, so
 * that each hand-over races a sleeper on its way to bed; a lost wake-up shows as a time-out of
 * ten seconds, which fails the test. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/prng.h"
#include "runtime/channel/doorbell.h"

#define ROUNDS 20000u

struct side {
    struct reeve_doorbell bell;
    int event_fd;
    _Atomic uint32_t inbox; /* stands for the rings */
    _Atomic uint32_t slept;
    _Atomic uint32_t lost;
};

struct player {
    struct side *own;
    struct side *peer;
    uint64_t seed;
    bool serves;
};

static bool sleep_in_mode(struct side *side, enum reeve_doorbell_mode mode)
{
    if (mode == REEVE_DOORBELL_FUTEX)
        return reeve_doorbell_sleep(&side->bell, 10000000000) == 0;
    struct pollfd wait = {.fd = side->event_fd, .events = POLLIN};
    if (poll(&wait, 1, 10000) != 1)
        return false;
    uint64_t count;
    return read(side->event_fd, &count, sizeof count) == sizeof count;
}

static void *player_main(void *data)
{
    struct player *player = data;
    struct side *own = player->own;
    struct reeve_prng prng;
    reeve_prng_init(&prng, player->seed);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        if (player->serves) {
            atomic_store_explicit(&player->peer->inbox, round, memory_order_release);
            reeve_doorbell_ring(&player->peer->bell, player->peer->event_fd);
        }
        uint64_t spins = reeve_prng_below(&prng, 40);
        while (atomic_load_explicit(&own->inbox, memory_order_acquire) != round) {
            if (spins != 0) {
                spins--;
                continue;
            }
            enum reeve_doorbell_mode mode =
                reeve_prng_chance(&prng, 1, 2) ? REEVE_DOORBELL_FUTEX : REEVE_DOORBELL_EVENT;
            reeve_doorbell_arm(&own->bell, mode);
            if (atomic_load_explicit(&own->inbox, memory_order_acquire) != round) {
                if (!sleep_in_mode(own, mode)) {
                    atomic_fetch_add(&own->lost, 1);
                    return NULL;
                }
                atomic_fetch_add(&own->slept, 1);
            }
            reeve_doorbell_disarm(&own->bell);
        }
        if (!player->serves) {
            atomic_store_explicit(&player->peer->inbox, round, memory_order_release);
            reeve_doorbell_ring(&player->peer->bell, player->peer->event_fd);
        }
    }
    return NULL;
}

static struct side *side_create(void)
{
    struct side *side = aligned_alloc(64, sizeof *side);
    assert_non_null(side);
    memset(side, 0, sizeof *side);
    reeve_doorbell_format(&side->bell);
    side->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(side->event_fd >= 0);
    return side;
}

static void side_free(struct side *side)
{
    close(side->event_fd);
    free(side);
}

static void no_wake_up_is_lost(void **state)
{
    (void)state;
    struct side *one = side_create();
    struct side *two = side_create();
    struct player players[2] = {{one, two, 1, true}, {two, one, 2, false}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, player_main, &players[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(one->lost + two->lost, 0);
    assert_true(one->slept + two->slept > ROUNDS / 100); /* else nothing was put to the test */
    side_free(one);
    side_free(two);
}

static void nobody_asleep_costs_no_wake_up(void **state)
{
    (void)state;
    struct side *side = side_create();
    uint64_t count;
    assert_false(reeve_doorbell_ring(&side->bell, side->event_fd));
    assert_int_equal(read(side->event_fd, &count, sizeof count), -1);
    reeve_doorbell_arm(&side->bell, REEVE_DOORBELL_EVENT);
    errno = 77;
    assert_true(reeve_doorbell_ring(&side->bell, side->event_fd));
    assert_int_equal(errno, 77);
    assert_false(reeve_doorbell_ring(&side->bell, side->event_fd)); /* one ring is enough */
    assert_int_equal(read(side->event_fd, &count, sizeof count), sizeof count);
    assert_int_equal(count, 1);
    reeve_doorbell_arm(&side->bell, REEVE_DOORBELL_EVENT);
    reeve_doorbell_disarm(&side->bell);
    assert_false(reeve_doorbell_ring(&side->bell, side->event_fd));
    side_free(side);
}

static void sleep_ends_by_time_or_by_a_ring_before(void **state)
{
    (void)state;
    struct side *side = side_create();
    reeve_doorbell_arm(&side->bell, REEVE_DOORBELL_FUTEX);
    assert_int_equal(reeve_doorbell_sleep(&side->bell, 1000000), REEVE_ETIMEDOUT);
    assert_true(reeve_doorbell_ring(&side->bell, -1));
    assert_int_equal(
        reeve_doorbell_sleep(&side->bell, -1), 0); /* rung between arm and sleep: does not sleep */
    side_free(side);
}

static void a_scribbled_mode_wakes_both_ways(void **state)
{
    (void)state;
    struct side *side = side_create();
    uint64_t count;
    side->bell.waiting = 12345;
    assert_true(reeve_doorbell_ring(&side->bell, side->event_fd));
    assert_int_equal(read(side->event_fd, &count, sizeof count), sizeof count);
    assert_int_equal(side->bell.waiting, 0);
    side_free(side);
}

static void only_a_formatted_page_is_a_doorbell(void **state)
{
    (void)state;
    struct side *side = side_create();
    assert_ptr_equal(reeve_doorbell_attach(&side->bell, sizeof side->bell), &side->bell);
    assert_null(reeve_doorbell_attach(&side->bell, sizeof side->bell - 1));
    side->bell.version++;
    assert_null(reeve_doorbell_attach(&side->bell, sizeof side->bell));
    side_free(side);
}

static void executions_are_counted_by_function(void **state)
{
    (void)state;
    const uint32_t last = REEVE_DOORBELL_FUNCTIONS - 1;
    struct side *side = side_create();
    reeve_doorbell_count(&side->bell, 0, false);
    reeve_doorbell_count(&side->bell, 0, false);
    reeve_doorbell_count(&side->bell, 0, true);
    reeve_doorbell_count(&side->bell, last - 1, true);
    reeve_doorbell_count(&side->bell, last, false); /* from here on all together */
    reeve_doorbell_count(&side->bell, UINT32_MAX, false);
    assert_int_equal(side->bell.functions[0].finished, 2);
    assert_int_equal(side->bell.functions[0].failed, 1);
    assert_int_equal(side->bell.functions[last - 1].failed, 1);
    assert_int_equal(side->bell.functions[last].finished, 2);
    assert_int_equal(side->bell.functions[last].failed, 0);
    side_free(side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(nobody_asleep_costs_no_wake_up),
        cmocka_unit_test(sleep_ends_by_time_or_by_a_ring_before),
        cmocka_unit_test(a_scribbled_mode_wakes_both_ways),
        cmocka_unit_test(only_a_formatted_page_is_a_doorbell),
        cmocka_unit_test(executions_are_counted_by_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
