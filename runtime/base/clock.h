/* The clocks. For shells only: a core is told the time with each event. */
#ifndef REEVE_BASE_CLOCK_H
#define REEVE_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define REEVE_NS_PER_US 1000ull
#define REEVE_NS_PER_MS 1000000ull
#define REEVE_NS_PER_S  1000000000ull

static inline uint64_t reeve_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now); /* cannot fail for the two clocks below */
    return (uint64_t)now.tv_sec * REEVE_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Since some moment in the past; never goes back; comparable between processes of one machine. */
static inline uint64_t reeve_clock_monotonic_ns(void)
{
    return reeve_clock_ns(CLOCK_MONOTONIC);
}

/* When a time limit that begins now is over; negative: never, UINT64_MAX. A wait with a limit takes
 * this once, however often it is woken before that time. */
static inline uint64_t reeve_clock_deadline_ns(int64_t timeout_ms)
{
    if (timeout_ms < 0)
        return UINT64_MAX;
    uint64_t now_ns = reeve_clock_monotonic_ns();
    return (uint64_t)timeout_ms > (UINT64_MAX - now_ns) / REEVE_NS_PER_MS
               ? UINT64_MAX
               : now_ns + (uint64_t)timeout_ms * REEVE_NS_PER_MS;
}

/* A condition variable whose timed waits go by that clock. */
static inline void reeve_clock_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* Since 1970; may jump. For people and for stamps, never for deadlines. */
static inline uint64_t reeve_clock_realtime_ns(void)
{
    return reeve_clock_ns(CLOCK_REALTIME);
}

#endif
