/* The ring under fire: a producer that also recalls, a consumer that holds several entries and
 * finishes them in any order, a second thread that recalls at random positions, and a revoker, all
 * at once, first as threads of one process (for the thread sanitizer), then as processes. Every
 * publication must have exactly one fate: executed or taken back.
 *
 * The count of entries is bounded, not the time; nothing waits but for progress of another. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/prng.h"
#include "runtime/channel/doorbell.h"
#include "runtime/channel/ring.h"

#define PUBLICATIONS 60000u
#define HELD_MAX     5u
#define PAYLOAD_MAX  90u

/* Shared between the parties beside the ring; the test's own book-keeping. */
struct book {
    _Atomic uint64_t published; /* how many have been published, for the random recaller */
    _Atomic bool finished; /* the producer has published its last, and recalled or seen done all */
    _Atomic uint32_t faults; /* anything that must not be */
    _Atomic uint32_t revoked;
    _Atomic uint32_t late_recalls;
    _Atomic uint8_t executed[PUBLICATIONS];
    _Atomic uint8_t recalled[PUBLICATIONS];
};

struct arena {
    struct book book;
    _Alignas(64) uint8_t ring[1 << 16];
};

static uint32_t length_of(uint64_t position)
{
    return (uint32_t)(position * 2654435761u >> 7) % PAYLOAD_MAX;
}

static void fault(struct book *book)
{
    atomic_fetch_add(&book->faults, 1);
}

static bool payload_right(const struct reeve_entry_view *view)
{
    if (view->task != view->position || view->length != length_of(view->position))
        return false;
    for (uint32_t i = 0; i < view->length; i++)
        if (view->payload[i] != (uint8_t)(view->position + i))
            return false;
    return true;
}

static void take_back(struct reeve_ring *ring, struct book *book, uint64_t position)
{
    if (reeve_ring_recall(ring, position))
        atomic_fetch_add(&book->recalled[position], 1);
}

/* What the random recaller thread works on: recall alone needs no lock. */
struct recaller {
    struct reeve_ring *ring;
    struct book *book;
};

static void *recaller_main(void *data)
{
    struct recaller *recaller = data;
    struct book *book = recaller->book;
    struct reeve_prng prng;
    reeve_prng_init(&prng, 3);
    while (!atomic_load(&book->finished)) {
        uint64_t published = atomic_load(&book->published);
        uint64_t back = reeve_prng_below(&prng, 24); /* some in the ring, some long gone */
        if (back < published) {
            if (reeve_ring_recall(recaller->ring, published - 1 - back)) {
                atomic_fetch_add(&book->recalled[published - 1 - back], 1);
                atomic_fetch_add(&book->late_recalls, 1);
            }
        }
        for (uint64_t i = reeve_prng_below(&prng, 8); i != 0; i--)
            sched_yield();
    }
    return NULL;
}

static void *producer_main(void *data)
{
    struct arena *arena = data;
    struct book *book = &arena->book;
    struct reeve_ring ring;
    struct reeve_prng prng;
    reeve_prng_init(&prng, 1);
    if (reeve_ring_attach_producer(&ring, arena->ring, sizeof arena->ring) != 0) {
        fault(book);
        return NULL;
    }
    struct recaller recaller = {&ring, book};
    pthread_t thread;
    if (pthread_create(&thread, NULL, recaller_main, &recaller) != 0)
        fault(book);
    uint64_t next = 0;
    while (next < PUBLICATIONS) {
        uint64_t batch = reeve_prng_between(&prng, 1, 6);
        for (; batch != 0 && next < PUBLICATIONS; batch--) {
            struct reeve_slot_fill fill = {0};
            int error = reeve_ring_reserve(&ring, length_of(next), &fill);
            if (error == REEVE_EAGAIN)
                break;
            if (error != 0 || fill.position != next) {
                fault(book);
                break;
            }
            fill.slot->task = next;
            for (uint32_t i = 0; i < length_of(next); i++)
                ((uint8_t *)fill.payload)[i] = (uint8_t)(next + i);
            next++;
        }
        if (reeve_prng_chance(&prng, 1, 20)) { /* changes its mind */
            next = ring.published;
            reeve_ring_abandon(&ring);
        }
        if (reeve_ring_publish(&ring) == 0)
            sched_yield();
        atomic_store(&book->published, next);
        atomic_thread_fence(memory_order_seq_cst);
        if (reeve_ring_revoked(&ring))
            for (uint64_t position = ring.tail; position != ring.published; position++)
                take_back(&ring, book, position);
        if (reeve_prng_chance(&prng, 1, 4) && next != 0)
            take_back(&ring, book, next - 1 - reeve_prng_below(&prng, next < 8 ? next : 8));
    }
    while (reeve_ring_used(&ring) !=
           0) { /* all must come to an end: the consumer finishes, or we take back */
        if (reeve_ring_reclaim(&ring) < 0) {
            fault(book);
            break;
        }
        if (reeve_ring_revoked(&ring))
            for (uint64_t position = ring.tail; position != ring.published; position++)
                take_back(&ring, book, position);
        sched_yield();
    }
    atomic_store(&book->finished, true);
    pthread_join(thread, NULL);
    reeve_ring_detach(&ring);
    return NULL;
}

static void *consumer_main(void *data)
{
    struct arena *arena = data;
    struct book *book = &arena->book;
    struct reeve_ring ring;
    struct reeve_prng prng;
    struct reeve_entry_view held[HELD_MAX];
    uint32_t count = 0;
    uint64_t last = 0;
    reeve_prng_init(&prng, 2);
    if (reeve_ring_attach_consumer(&ring, arena->ring, sizeof arena->ring) != 0) {
        fault(book);
        return NULL;
    }
    while (!atomic_load(&book->finished)) {
        int error = REEVE_EAGAIN;
        if (count < HELD_MAX) {
            error = reeve_ring_claim(&ring, &held[count]);
            if (error == 0) {
                struct reeve_entry_view *view = &held[count++];
                if (!payload_right(view) || view->position < last ||
                    view->position >= PUBLICATIONS) {
                    fault(book);
                    break;
                }
                last = view->position;
                atomic_fetch_add(&book->executed[view->position], 1);
            } else if (error != REEVE_EAGAIN) {
                fault(book);
                break;
            }
        }
        if (count != 0 && (error != 0 || reeve_prng_chance(&prng, 1, 2))) {
            uint64_t which = reeve_prng_below(&prng, count);
            if (!payload_right(&held[which])) /* nobody wrote over what we held */
                fault(book);
            reeve_ring_done(&ring, held[which].position);
            held[which] = held[--count];
        } else if (error != 0) {
            sched_yield();
        }
        if (reeve_prng_chance(&prng, 1, 300)) /* a long task: the producer laps us */
            for (int i = 0; i < 50; i++)
                sched_yield();
    }
    reeve_ring_detach(&ring);
    return NULL;
}

static void *revoker_main(void *data)
{
    struct arena *arena = data;
    struct book *book = &arena->book;
    struct reeve_ring ring;
    if (reeve_ring_attach_revoker(&ring, arena->ring, sizeof arena->ring) != 0) {
        fault(book);
        return NULL;
    }
    while (!atomic_load(&book->finished)) {
        struct reeve_ring_census census;
        int error = reeve_ring_revoke_all(&ring, &census);
        if (error != 0)
            fault(book);
        else
            atomic_fetch_add(&book->revoked, census.revoked);
        sched_yield();
        reeve_ring_readmit(&ring);
        for (int i = 0; i < 20; i++)
            sched_yield();
        /* Entries revoked while the producer did not look are found by it the next time it sees
         * the mark, so that every entry comes to its end although readmit is called at any
         * moment. */
    }
    reeve_ring_detach(&ring);
    return NULL;
}

static struct arena *arena_create(void)
{
    struct arena *arena =
        mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(arena, MAP_FAILED);
    struct reeve_ring_geometry geometry = {16, 512, true};
    assert_true(reeve_ring_size_bytes(&geometry) <= sizeof arena->ring);
    reeve_ring_format(arena->ring, &geometry);
    return arena;
}

/* Checks every entry's fate, and says whether each way was taken: executed, recalled, revoked,
 * recalled too late. */
static bool check(struct arena *arena)
{
    struct book *book = &arena->book;
    uint32_t executed = 0;
    assert_int_equal(book->faults, 0);
    for (uint32_t i = 0; i < PUBLICATIONS; i++) {
        assert_int_equal(book->executed[i] + book->recalled[i], 1);
        executed += book->executed[i];
    }
    bool every_way =
        executed != 0 && executed != PUBLICATIONS && book->revoked > 0 && book->late_recalls > 0;
    munmap(arena, sizeof *arena);
    return every_way;
}

/* Where cores are short, one side hardly runs, and a race may leave a way out; then it is run
 * again. A test in which some way is never taken shows nothing. */
#define ROUNDS_MAX 100

static void *(*const parties[])(void *) = {producer_main, consumer_main, revoker_main};
#define PARTIES (sizeof parties / sizeof parties[0])

static bool race_threads(void)
{
    struct arena *arena = arena_create();
    pthread_t threads[PARTIES];
    for (size_t i = 0; i < PARTIES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, parties[i], arena), 0);
    for (size_t i = 0; i < PARTIES; i++)
        pthread_join(threads[i], NULL);
    return check(arena);
}

static bool race_processes(void)
{
    struct arena *arena = arena_create();
    pid_t children[PARTIES];
    for (size_t i = 0; i < PARTIES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            parties[i](arena);
            _exit(0);
        }
    }
    for (size_t i = 0; i < PARTIES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    return check(arena);
}

static void run_until_every_way(bool (*race)(void))
{
    int round = 0;
    while (!race())
        assert_true(++round < ROUNDS_MAX);
}

static void threads_agree_on_every_fate(void **state)
{
    (void)state;
    run_until_every_way(race_threads);
}

static void processes_agree_on_every_fate(void **state)
{
    (void)state;
    run_until_every_way(race_processes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_agree_on_every_fate),
        cmocka_unit_test(processes_agree_on_every_fate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
