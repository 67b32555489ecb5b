/* floors_cores.c: whether two processors are two. A host may run a virtual machine's processors as
 * the two threads of one core of its own, for a while, and says nothing of it: what computes on
 * both is then slower by a third, and so is a call, whose two processes do. */
#include <stdbool.h>
#include <time.h>

#include "tests/bench/floors_internal.h"

#define SLICE_NS 10000000ull
#define LOOPS    1000

struct pair {
    _Alignas(64) _Atomic bool both; /* the peer is to work, too */
    _Alignas(64) _Atomic uint64_t peer_units;
};

/* One unit of what fills a core's adders and nothing else. */
static void work(void)
{
    uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
    for (int i = 0; i < LOOPS; i++) {
        a += 1, b += 2, c += 3, d += 4, e += 5, f += 6, g += 7, h += 8;
        __asm__ volatile(""
                         : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(h));
    }
}

static void peer_main(void *data)
{
    struct pair *pair = data;
    floor_pin(1);
    for (;;) {
        if (atomic_load_explicit(&pair->both, memory_order_relaxed)) {
            work();
            atomic_fetch_add_explicit(&pair->peer_units, 1, memory_order_relaxed);
        } else {
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        }
    }
}

static uint64_t peer_units(const struct pair *pair)
{
    return atomic_load_explicit(&pair->peer_units, memory_order_relaxed);
}

/* Units a second, of this process and of the peer. */
static double slice(struct pair *pair, bool both)
{
    uint64_t before = peer_units(pair), units = 0;
    atomic_store_explicit(&pair->both, both, memory_order_relaxed);
    while (both && peer_units(pair) == before)
        floor_pause();
    before = peer_units(pair);
    uint64_t start_ns = floor_now_ns(), now_ns;
    do {
        work();
        units++;
        now_ns = floor_now_ns();
    } while (now_ns - start_ns < SLICE_NS);
    units += both ? peer_units(pair) - before : 0;
    atomic_store_explicit(&pair->both, false, memory_order_relaxed);
    return (double)units / (double)(now_ns - start_ns) * 1e9;
}

/* In turn, because other programs come and go. */
double floor_two_cores(void)
{
    struct pair *pair = floor_shared(sizeof *pair);
    struct floor_samples samples;
    floor_samples_init(&samples);
    if (pair == NULL)
        return 0;
    pid_t peer = floor_peer_start(peer_main, pair);
    floor_pin(0);
    for (uint64_t end_ns = floor_now_ns() + FLOOR_NS; floor_now_ns() < end_ns;) {
        double alone = slice(pair, false);
        floor_samples_add(&samples, slice(pair, true) / alone);
    }
    floor_peer_stop(peer);
    return floor_samples_median(&samples);
}
