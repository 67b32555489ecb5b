/* floors_main.c: prints the floors, and beside them the same with Reeve's own rings: what the
 * slots' states, their checks and the doorbell cost. */
#include <stdio.h>
#include <string.h>

#include "tests/bench/floors.h"
#include "tests/bench/floors_internal.h"
#include "tests/bench/floors_reeve.h"

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--rings") == 0) {
        for (int round = 0; round < 3; round++) {
            printf("codec, one at a time, us: bare %.3f reeve %.3f\n",
                floor_in_child(floor_ring_codec_sync_us), floor_in_child(reeve_ring_codec_sync_us));
            printf("codec, batches, M calls/s: bare %.2f reeve %.2f\n",
                floor_in_child(floor_ring_codec_calls_s) / 1e6,
                floor_in_child(reeve_ring_codec_calls_s) / 1e6);
            printf("codec, asleep, us: bare %.1f reeve %.1f\n",
                floor_in_child(floor_ring_codec_futex_us),
                floor_in_child(reeve_ring_codec_futex_us));
        }
        return 0;
    }
    struct reeve_floors floors;
    struct reeve_floors_later later;
    reeve_floors_measure(&floors);
    reeve_floors_later_measure(&later);
    printf("two processors, to one      %8.2f\n", floors.two_cores);
    printf("ring, spinning              %8.3f us\n", floors.ring_spin_us);
    printf("ring, asleep                %8.1f us\n", floors.ring_futex_us);
    printf("ring and codec, spinning    %8.3f us\n", floors.ring_codec_sync_us);
    printf("ring and codec, asleep      %8.1f us\n", floors.ring_codec_futex_us);
    printf("ring and codec, batches     %8.2f M calls/s\n", floors.ring_codec_calls_s / 1e6);
    printf("memcpy, warm                %8.2f GB/s\n", floors.memcpy_warm_gb_s);
    printf("memory, first touch         %8.2f GB/s\n", floors.memory_first_touch_gb_s);
    printf("tcp stream                  %8.2f GB/s\n", floors.tcp_stream_gb_s);
    printf("nng round trip              %8.1f us\n", floors.nng_round_trip_us);
    printf("another thread answers: one %8.3f M calls/s, batches %.2f, of 8 processes %.2f\n",
        later.one_s / 1e6, later.many_s / 1e6, later.peers_many_s / 1e6);
    return 0;
}
