/* floors_ring.c: two processes and the barest ring between them: spinning, asleep, with and
 * without msgpack. */
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/floors.h"
#include "tests/bench/floors_internal.h"

static void await_sequence(struct floor_slot *slot, uint64_t sequence)
{
    while (atomic_load_explicit(&slot->sequence, memory_order_acquire) != sequence)
        floor_pause();
}

static void publish(struct floor_slot *slot, uint64_t sequence)
{
    atomic_store_explicit(&slot->sequence, sequence, memory_order_release);
}

static void bell_ring(_Atomic uint32_t *bell)
{
    atomic_fetch_add_explicit(bell, 1, memory_order_release);
    syscall(SYS_futex, bell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void bell_await(_Atomic uint32_t *bell, uint32_t seen)
{
    while (atomic_load_explicit(bell, memory_order_acquire) == seen)
        syscall(SYS_futex, bell, FUTEX_WAIT, seen, NULL, NULL, 0);
}

/* --- bare ------------------------------------------------------------------------------------- */

static void spin_peer(void *data)
{
    struct floor_pair *pair = data;
    floor_pin(1);
    for (uint64_t i = 1;; i++) {
        await_sequence(&pair->calls[i % 2], i);
        publish(&pair->returns[i % 2], i);
    }
}

double floor_ring_spin_us(void)
{
    struct floor_pair *pair = floor_shared(sizeof *pair);
    struct floor_samples samples;
    floor_samples_init(&samples);
    pid_t peer = floor_peer_start(spin_peer, pair);
    floor_pin(0);
    uint64_t i = 1;
    for (uint64_t now = floor_now_ns(), end = now + FLOOR_NS; now < end;) {
        for (uint32_t k = 0; k < FLOOR_GROUP; k++, i++) {
            publish(&pair->calls[i % 2], i);
            await_sequence(&pair->returns[i % 2], i);
        }
        uint64_t later = floor_now_ns();
        floor_samples_add(&samples, (double)(later - now) / FLOOR_GROUP / 1e3);
        now = later;
    }
    floor_peer_stop(peer);
    return floor_samples_median(&samples);
}

static void futex_peer(void *data)
{
    struct floor_pair *pair = data;
    for (uint32_t i = 0;; i++) {
        bell_await(&pair->call_bell, i);
        bell_ring(&pair->return_bell);
    }
}

struct floor_pair *floor_futex_pair_start(pid_t *ret_peer)
{
    struct floor_pair *pair = floor_shared(sizeof *pair);
    *ret_peer = floor_peer_start(futex_peer, pair);
    return pair;
}

void floor_futex_round_trip(struct floor_pair *pair)
{
    uint32_t seen = atomic_load_explicit(&pair->return_bell, memory_order_relaxed);
    bell_ring(&pair->call_bell);
    bell_await(&pair->return_bell, seen);
}

double floor_ring_futex_us(void)
{
    struct floor_samples samples;
    floor_samples_init(&samples);
    pid_t peer;
    struct floor_pair *pair = floor_futex_pair_start(&peer);
    uint64_t now = floor_now_ns();
    uint64_t end = now + FLOOR_NS;
    while (now < end) {
        floor_futex_round_trip(pair);
        uint64_t later = floor_now_ns();
        floor_samples_add(&samples, (double)(later - now) / 1e3);
        now = later;
    }
    floor_peer_stop(peer);
    return floor_samples_median(&samples);
}

/* --- with msgpack ----------------------------------------------------------------------------- */

static void send_call(struct floor_pair *pair, uint64_t i)
{
    struct floor_slot *slot = &pair->calls[i % FLOOR_SLOTS];
    slot->length = floor_codec_pack_call(slot->bytes, (int64_t)i * 1000);
    publish(slot, i);
}

static void take_return(struct floor_pair *pair, struct floor_codec *codec, uint64_t i)
{
    struct floor_slot *slot = &pair->returns[i % FLOOR_SLOTS];
    if (floor_codec_unpack_return(codec, slot->bytes, slot->length) != (int64_t)i * 10000)
        abort();
}

static void serve(struct floor_pair *pair, struct floor_codec *codec, uint64_t i)
{
    struct floor_slot *call = &pair->calls[i % FLOOR_SLOTS];
    struct floor_slot *answer = &pair->returns[i % FLOOR_SLOTS];
    int64_t value = floor_codec_unpack_call(codec, call->bytes, call->length);
    answer->length = floor_codec_pack_return(answer->bytes, value * 10);
    publish(answer, i);
}

static void codec_peer(void *data)
{
    struct floor_pair *pair = data;
    struct floor_codec *codec = floor_codec_create();
    floor_pin(1);
    for (uint64_t i = 1;; i++) {
        await_sequence(&pair->calls[i % FLOOR_SLOTS], i);
        serve(pair, codec, i);
    }
}

double floor_ring_codec_sync_us(void)
{
    struct floor_pair *pair = floor_shared(sizeof *pair);
    struct floor_codec *codec = floor_codec_create();
    struct floor_samples samples;
    floor_samples_init(&samples);
    pid_t peer = floor_peer_start(codec_peer, pair);
    floor_pin(0);
    uint64_t i = 1;
    for (uint64_t now = floor_now_ns(), end = now + FLOOR_NS; now < end;) {
        for (uint32_t k = 0; k < FLOOR_GROUP; k++, i++) {
            send_call(pair, i);
            await_sequence(&pair->returns[i % FLOOR_SLOTS], i);
            take_return(pair, codec, i);
        }
        uint64_t later = floor_now_ns();
        floor_samples_add(&samples, (double)(later - now) / FLOOR_GROUP / 1e3);
        now = later;
    }
    floor_peer_stop(peer);
    return floor_samples_median(&samples);
}

static void codec_futex_peer(void *data)
{
    struct floor_pair *pair = data;
    struct floor_codec *codec = floor_codec_create();
    for (uint64_t i = 1;; i++) {
        bell_await(&pair->call_bell, (uint32_t)(i - 1));
        serve(pair, codec, i);
        bell_ring(&pair->return_bell);
    }
}

static double codec_futex_call_us(struct floor_pair *pair, struct floor_codec *codec, uint64_t i)
{
    uint64_t begin = floor_now_ns();
    send_call(pair, i);
    bell_ring(&pair->call_bell);
    bell_await(&pair->return_bell, (uint32_t)(i - 1));
    take_return(pair, codec, i);
    return (double)(floor_now_ns() - begin) / 1e3;
}

static double codec_futex_us(uint64_t pause_ns)
{
    struct floor_pair *pair = floor_shared(sizeof *pair);
    struct floor_codec *codec = floor_codec_create();
    struct floor_samples samples;
    floor_samples_init(&samples);
    pid_t peer = floor_peer_start(codec_futex_peer, pair);
    struct timespec pause = {0, (long)pause_ns};
    for (uint64_t i = 1, end = floor_now_ns() + FLOOR_NS; floor_now_ns() < end; i++) {
        if (pause_ns != 0)
            nanosleep(&pause, NULL);
        floor_samples_add(&samples, codec_futex_call_us(pair, codec, i));
    }
    floor_peer_stop(peer);
    return floor_samples_median(&samples);
}

double floor_ring_codec_futex_us(void)
{
    return codec_futex_us(0);
}

double floor_ring_codec_cold_us(void)
{
    return codec_futex_us(FLOOR_COLD_NS);
}

/* One such pair that is kept, for calls in turn with those that are compared with it: how cold a
 * machine is changes from one moment to the next. */
struct reeve_floor_cold {
    struct floor_pair *pair;
    struct floor_codec *codec;
    pid_t peer;
    uint64_t calls;
};

struct reeve_floor_cold *reeve_floor_cold_start(void)
{
    static struct reeve_floor_cold cold;
    cold.pair = floor_shared(sizeof *cold.pair);
    cold.codec = floor_codec_create();
    cold.peer = floor_peer_start(codec_futex_peer, cold.pair);
    cold.calls = 0;
    return &cold;
}

double reeve_floor_cold_call_us(struct reeve_floor_cold *cold)
{
    return codec_futex_call_us(cold->pair, cold->codec, ++cold->calls);
}

void reeve_floor_cold_stop(struct reeve_floor_cold *cold)
{
    floor_peer_stop(cold->peer);
}

double floor_ring_codec_calls_s(void)
{
    struct floor_pair *pair = floor_shared(sizeof *pair);
    struct floor_codec *codec = floor_codec_create();
    pid_t peer = floor_peer_start(codec_peer, pair);
    floor_pin(0);
    uint64_t sent = 0;
    uint64_t taken = 0;
    uint64_t start = floor_now_ns();
    uint64_t now = start;
    while (now - start < FLOOR_NS) {
        for (int round = 0; round < 64; round++) {
            for (uint32_t k = 0; k < FLOOR_BATCH; k++)
                send_call(pair, ++sent);
            /* Takes what is there; waits only where too many are under way. */
            for (;;) {
                uint64_t there = atomic_load_explicit(
                    &pair->returns[(taken + 1) % FLOOR_SLOTS].sequence, memory_order_acquire);
                if (there == taken + 1)
                    take_return(pair, codec, ++taken);
                else if (sent - taken <= FLOOR_WINDOW - FLOOR_BATCH)
                    break;
                else
                    floor_pause();
            }
        }
        now = floor_now_ns();
    }
    floor_peer_stop(peer);
    return (double)taken / ((double)(now - start) / 1e9);
}
