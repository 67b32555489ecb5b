/* floors.c: the frame of the measurements: child processes, shared pages, medians. */
#include "tests/bench/floors.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/floors_internal.h"

#define SAMPLES_MAX 1000000u

void *floor_shared(size_t size_bytes)
{
    void *memory =
        mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

double floor_in_child(double (*measure)(void))
{
    double *result = floor_shared(sizeof *result);
    if (result == NULL)
        return 0;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        *result = measure();
        _exit(0);
    }
    int status = 1;
    while (child > 0 && waitpid(child, &status, 0) < 0)
        continue; /* EINTR */
    double value = child > 0 && status == 0 ? *result : 0;
    munmap(result, sizeof *result);
    return value;
}

void floor_pin(unsigned which)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2)
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || which-- != 0)
            continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)sched_setaffinity(0, sizeof one, &one);
        return;
    }
}

pid_t floor_peer_start(void (*peer)(void *), void *data)
{
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        peer(data);
        _exit(0);
    }
    return child;
}

void floor_peer_stop(pid_t peer)
{
    if (peer > 0) {
        kill(peer, SIGKILL);
        (void)waitpid(peer, NULL, 0);
    }
}

void floor_samples_init(struct floor_samples *samples)
{
    samples->values = malloc(SAMPLES_MAX * sizeof *samples->values);
    samples->count = 0;
}

void floor_samples_add(struct floor_samples *samples, double value)
{
    if (samples->values != NULL && samples->count < SAMPLES_MAX)
        samples->values[samples->count++] = value;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double floor_samples_median(struct floor_samples *samples)
{
    double median = 0;
    if (samples->count != 0) {
        qsort(samples->values, samples->count, sizeof *samples->values, compare);
        median = samples->values[samples->count / 2];
    }
    free(samples->values);
    return median;
}

void reeve_floors_measure(struct reeve_floors *ret_floors)
{
    *ret_floors = (struct reeve_floors){
        .two_cores = floor_in_child(floor_two_cores),
        .ring_spin_us = floor_in_child(floor_ring_spin_us),
        .ring_futex_us = floor_in_child(floor_ring_futex_us),
        .ring_codec_sync_us = floor_in_child(floor_ring_codec_sync_us),
        .ring_codec_futex_us = floor_in_child(floor_ring_codec_futex_us),
        .ring_codec_cold_us = floor_in_child(floor_ring_codec_cold_us),
        .ring_codec_calls_s = floor_in_child(floor_ring_codec_calls_s),
        .memcpy_warm_gb_s = floor_in_child(floor_memcpy_warm_gb_s),
        .memory_first_touch_gb_s = floor_in_child(floor_memory_first_touch_gb_s),
        .tcp_stream_gb_s = floor_in_child(floor_tcp_stream_gb_s),
        .nng_round_trip_us = floor_in_child(floor_nng_round_trip_us),
    };
}
