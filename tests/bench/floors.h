/* What this machine can do at best: the bare mechanisms under Reeve, measured in the same run as
 * Reeve itself, so that results can be given as ratios. Nothing of Reeve's is used here. */
#ifndef REEVE_TESTS_BENCH_FLOORS_H
#define REEVE_TESTS_BENCH_FLOORS_H

/* Times are medians of one round trip. 0: could not be measured. */
struct reeve_floors {
    /* work of two processes, each on its processor, to that of one: 2, or about 1.6 where the host
     * runs both processors on one core of its own */
    double two_cores;
    double ring_spin_us;  /* two processes, one cache line each way, both spinning */
    double ring_futex_us; /* the same, both asleep on a futex */
    double
        /* [int64] packed by msgpack, over a ring, unpacked; its answer back; spinning */
        ring_codec_sync_us;
    double ring_codec_futex_us; /* the same, both asleep */
    /* the same, after both have slept for 5 ms: the caches and the cores have, too */
    double ring_codec_cold_us;
    double ring_codec_calls_s; /* the same, spinning, in batches of 32 with several under way */
    double memcpy_warm_gb_s;   /* into shared memory that has been used before */
    double memory_first_touch_gb_s; /* into fresh shared memory */
    double tcp_stream_gb_s;         /* loopback */
    double nng_round_trip_us;       /* request and reply over TCP loopback */
};

/* Measures all, about half a second each. Each runs in forked processes of its own, so that the
 * caller's stays as it is (one that has used nng may not fork). Call it before there are
 * threads. */
void reeve_floors_measure(struct reeve_floors *ret_floors);

/* Calls that are answered by another thread than takes them, a second: one at a time, a thousand
 * under way, and a thousand with each of eight processes. As above; 1.2 seconds. */
struct reeve_floors_later {
    double one_s, many_s, peers_many_s;
};
void reeve_floors_later_measure(struct reeve_floors_later *ret_floors);

/* A bare ring with codec whose other end sleeps, for cold calls in turn with others. It forks, so
 * start it before any cluster; there is one. Each call is to come after a rest of the caller's. */
struct reeve_floor_cold;
struct reeve_floor_cold *reeve_floor_cold_start(void);
double reeve_floor_cold_call_us(struct reeve_floor_cold *cold);
void reeve_floor_cold_stop(struct reeve_floor_cold *cold);

#endif
