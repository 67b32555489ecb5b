/* The lock: what it guards is changed by one thread at a time, whoever waits under it is told, and
 * a wait with a deadline ends. */
#include "tests/unit/test.h"

#include <errno.h>
#include <pthread.h>

#include "runtime/base/clock.h"
#include "runtime/base/lock.h"

#define THREADS 6
#define ROUNDS  20000

struct shared {
    struct reeve_lock lock;
    struct reeve_condition changed;
    uint64_t count; /* plain: the sanitizer for threads would find two who change it */
    int turn;
    int errors;
};

static void *count(void *arg)
{
    struct shared *shared = arg;
    for (int i = 0; i < ROUNDS; i++) {
        reeve_lock(&shared->lock);
        shared->count++;
        if (i % 1000 == 0) /* long enough for others to go to sleep */
            for (uint64_t end_ns = reeve_clock_monotonic_ns() + 50000;
                 reeve_clock_monotonic_ns() < end_ns;)
                ;
        reeve_unlock(&shared->lock);
    }
    return NULL;
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    struct shared shared = {0};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, &shared), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.count, THREADS * ROUNDS);
    assert_int_equal(atomic_load(&shared.lock.word), 0); /* free, and nobody is thought to sleep */
}

struct player {
    struct shared *shared;
    int number;
};

static void *take_turns(void *arg)
{
    struct player *player = arg;
    struct shared *shared = player->shared;
    errno = ENOENT;
    reeve_lock(&shared->lock);
    for (int i = 0; i < 500; i++) {
        while (shared->turn != player->number)
            (void)reeve_condition_wait(&shared->changed, &shared->lock, UINT64_MAX);
        shared->turn = (shared->turn + 1) % THREADS;
        shared->count++;
        reeve_condition_tell(&shared->changed);
    }
    shared->errors += errno != ENOENT;
    reeve_unlock(&shared->lock);
    return NULL;
}

/* Each waits for the one before it: a wake-up that is lost would be the end. */
static void test_turns(void **state)
{
    (void)state;
    struct shared shared = {0};
    struct player players[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        players[i] = (struct player){&shared, i};
        assert_int_equal(pthread_create(&threads[i], NULL, take_turns, &players[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.count, THREADS * 500);
    assert_int_equal(shared.errors, 0);
    assert_int_equal(shared.changed.waiters, 0);
}

static void test_deadline(void **state)
{
    (void)state;
    struct shared shared = {0};
    errno = ENOENT;
    reeve_lock(&shared.lock);
    assert_false(reeve_condition_wait(&shared.changed, &shared.lock, 1)); /* long past */
    uint64_t deadline_ns = reeve_clock_monotonic_ns() + 2 * REEVE_NS_PER_MS;
    while (reeve_condition_wait(&shared.changed, &shared.lock, deadline_ns))
        ; /* it may wake for nothing */
    assert_true(reeve_clock_monotonic_ns() >= deadline_ns);
    assert_int_equal(atomic_load(&shared.lock.word), 1); /* ours again */
    reeve_unlock(&shared.lock);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(shared.changed.waiters, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
