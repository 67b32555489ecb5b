/* The measurements of floors_ring.c with Reeve's own rings and doorbells. */
#ifndef REEVE_TESTS_BENCH_FLOORS_REEVE_H
#define REEVE_TESTS_BENCH_FLOORS_REEVE_H

double reeve_ring_codec_sync_us(void);
double reeve_ring_codec_futex_us(void);
double reeve_ring_codec_calls_s(void);

#endif
