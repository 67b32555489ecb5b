/* What the floors share: processes, clock, medians, the bare ring. */
#ifndef REEVE_TESTS_BENCH_FLOORS_INTERNAL_H
#define REEVE_TESTS_BENCH_FLOORS_INTERNAL_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define FLOOR_NS      400000000ull
#define FLOOR_COLD_NS 5000000ull /* how long both sides have been asleep before a cold call */
#define FLOOR_GROUP \
    16u /* spinning round trips between two looks at the clock, which costs a tenth of one */
#define FLOOR_BATCH  32u
#define FLOOR_WINDOW 256u /* calls under way */
#define FLOOR_SLOTS  1024u

static inline uint64_t floor_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void floor_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Runs a measurement in a forked child and gives its result; 0 when it failed. */
double floor_in_child(double (*measure)(void));

/* Puts the caller on the first or second CPU it may use, where there are two. For spinning
 * pairs: a scheduler that puts both on one measures itself. */
void floor_pin(unsigned which);

/* Inside such a child: a peer process that runs `peer` until it is stopped. */
pid_t floor_peer_start(void (*peer)(void *), void *data);
void floor_peer_stop(pid_t peer);

/* Zeroed pages that peers share; NULL on failure. */
void *floor_shared(size_t size_bytes);

/* Samples of times. */
struct floor_samples {
    double *values;
    size_t count;
};
void floor_samples_init(struct floor_samples *samples);
void floor_samples_add(struct floor_samples *samples, double value);
double floor_samples_median(struct floor_samples *samples); /* frees them */

/* The barest ring: a slot is a cache line, its sequence number is stored last by the producer
 * and waited for by the consumer. It has no flow control, as the measurements never have more
 * under way than it has slots. */
struct floor_slot {
    _Alignas(64) _Atomic uint64_t sequence;
    uint32_t length;
    uint8_t bytes[48];
};

struct floor_pair {
    struct floor_slot calls[FLOOR_SLOTS];
    struct floor_slot returns[FLOOR_SLOTS];
    _Alignas(64) _Atomic uint32_t call_bell; /* futex words */
    _Alignas(64) _Atomic uint32_t return_bell;
};

/* A peer that sleeps on a futex, and answers by one; and a call to it. */
struct floor_pair *floor_futex_pair_start(pid_t *ret_peer);
void floor_futex_round_trip(struct floor_pair *pair);

/* [value] as msgpack, and back; the answer is a bare integer. Reuses one zone. */
struct floor_codec;
struct floor_codec *floor_codec_create(void);
uint32_t floor_codec_pack_call(uint8_t *bytes, int64_t value);
uint32_t floor_codec_pack_return(uint8_t *bytes, int64_t value);
int64_t floor_codec_unpack_call(struct floor_codec *codec, const uint8_t *bytes, uint32_t length);
int64_t floor_codec_unpack_return(struct floor_codec *codec, const uint8_t *bytes, uint32_t length);

double floor_two_cores(void);
double floor_ring_spin_us(void);
double floor_ring_futex_us(void);
double floor_ring_codec_sync_us(void);
double floor_ring_codec_futex_us(void);
double floor_ring_codec_cold_us(void);
double floor_ring_codec_calls_s(void);
double floor_memcpy_warm_gb_s(void);
double floor_memory_first_touch_gb_s(void);
double floor_tcp_stream_gb_s(void);
double floor_nng_round_trip_us(void);

#endif
