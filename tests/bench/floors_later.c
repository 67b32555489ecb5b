/* floors_later.c: calls that are answered by another thread than the one that takes them.
 *
 *   caller ══ calls ══▶ thread that takes ── queue, lock, condition ──▶ thread that answers
 *      ◀═════════════════════════════ returns ═════════════════════════════════════╝
 *
 * The caller and the thread that takes look at their rings all the time, with an offer of the core
 * to others now and then; the thread that answers is woken, as a program's thread is, but looks a
 * few times before it sleeps. On two cores there are three threads, so two of them share one. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "tests/bench/floors.h"
#include "tests/bench/floors_internal.h"

#define LOOKS      16 /* between two offers of the core */
#define LOOKS_LAST 4  /* of the thread that answers, each after an offer, before it sleeps */
#define PEERS      8  /* as in suite_ray_concurrent.c */
#define WINDOW     1000u

struct later {
    struct floor_pair *pair;
    pthread_mutex_t lock;
    pthread_cond_t some;
    bool pinned, asleep;
    uint64_t taken, answered;
    int64_t values[FLOOR_SLOTS];
};

static void await(struct floor_slot *slot, uint64_t sequence)
{
    for (int i = 1; atomic_load_explicit(&slot->sequence, memory_order_acquire) != sequence; i++) {
        floor_pause();
        if (i % LOOKS == 0)
            sched_yield();
    }
}

/* With the lock. */
static void some_await(struct later *later)
{
    for (int i = 0; i < LOOKS_LAST && later->answered == later->taken; i++) {
        pthread_mutex_unlock(&later->lock);
        sched_yield();
        pthread_mutex_lock(&later->lock);
    }
    later->asleep = true;
    while (later->answered == later->taken)
        pthread_cond_wait(&later->some, &later->lock);
    later->asleep = false;
}

static void *answer(void *data)
{
    struct later *later = data;
    pthread_mutex_lock(&later->lock);
    for (;;) {
        if (later->answered == later->taken)
            some_await(later);
        uint64_t i = ++later->answered;
        int64_t value = later->values[i % FLOOR_SLOTS];
        pthread_mutex_unlock(&later->lock);
        struct floor_slot *slot = &later->pair->returns[i % FLOOR_SLOTS];
        slot->length = floor_codec_pack_return(slot->bytes, value * 10);
        atomic_store_explicit(&slot->sequence, i, memory_order_release);
        pthread_mutex_lock(&later->lock);
    }
    return NULL;
}

static void take(void *data)
{
    struct later *later = data;
    struct floor_codec *codec = floor_codec_create();
    pthread_t thread;
    pthread_mutex_init(&later->lock, NULL);
    pthread_cond_init(&later->some, NULL);
    if (later->pinned)
        floor_pin(1);
    if (pthread_create(&thread, NULL, answer, later) != 0)
        abort();
    for (uint64_t i = 1;; i++) {
        struct floor_slot *slot = &later->pair->calls[i % FLOOR_SLOTS];
        await(slot, i);
        int64_t value = floor_codec_unpack_call(codec, slot->bytes, slot->length);
        pthread_mutex_lock(&later->lock);
        later->values[i % FLOOR_SLOTS] = value;
        later->taken = i;
        bool wakes = later->asleep;
        pthread_mutex_unlock(&later->lock);
        if (wakes)
            pthread_cond_signal(&later->some);
    }
}

/* So many calls to each of the peers, then all answers, again and again: calls per second. */
static double calls_s(int peers, uint32_t window, bool pinned)
{
    struct floor_codec *codec = floor_codec_create();
    struct later later = {.pinned = pinned};
    struct floor_pair *pairs[PEERS];
    pid_t pids[PEERS];
    for (int i = 0; i < peers; i++) {
        later.pair = pairs[i] = floor_shared(sizeof *pairs[i]);
        pids[i] = floor_peer_start(take, &later);
    }
    if (pinned)
        floor_pin(0);
    uint64_t sent = 0, taken = 0, start = floor_now_ns(), now = start;
    for (; now - start < FLOOR_NS; now = floor_now_ns()) {
        for (uint32_t k = 0; k < window; k++) {
            sent++;
            for (int i = 0; i < peers; i++) {
                struct floor_slot *slot = &pairs[i]->calls[sent % FLOOR_SLOTS];
                slot->length = floor_codec_pack_call(slot->bytes, (int64_t)sent * 1000);
                atomic_store_explicit(&slot->sequence, sent, memory_order_release);
            }
        }
        while (taken < sent) {
            taken++;
            for (int i = 0; i < peers; i++) {
                struct floor_slot *slot = &pairs[i]->returns[taken % FLOOR_SLOTS];
                await(slot, taken);
                if (floor_codec_unpack_return(codec, slot->bytes, slot->length) !=
                    (int64_t)taken * 10000)
                    abort();
            }
        }
    }
    for (int i = 0; i < peers; i++)
        floor_peer_stop(pids[i]);
    return (double)taken * peers / ((double)(now - start) / 1e9);
}

static double one_s(void)
{
    return calls_s(1, 1, true);
}

static double many_s(void)
{
    return calls_s(1, WINDOW, true);
}

static double peers_many_s(void)
{
    return calls_s(PEERS, WINDOW, false);
}

void reeve_floors_later_measure(struct reeve_floors_later *ret_floors)
{
    ret_floors->one_s = floor_in_child(one_s);
    ret_floors->many_s = floor_in_child(many_s);
    ret_floors->peers_many_s = floor_in_child(peers_many_s);
}
