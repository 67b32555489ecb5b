/* futex.h: sleeping on a word that processes share, and waking who does. Whoever calls runs in the
 * middle of user code: errno stays as it was. */
#ifndef REEVE_CHANNEL_FUTEX_H
#define REEVE_CHANNEL_FUTEX_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Shared between processes, so not PRIVATE. Cannot fail: errno is not touched. */
static inline void reeve_futex_wake(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* The kernel compares and sleeps in one: while the word is `value`, and `timeout_ns` at most
 * (negative: no limit); perhaps it returns for nothing. Whether the time was over. */
static inline bool reeve_futex_sleep(_Atomic uint32_t *word, uint32_t value, int64_t timeout_ns)
{
    int saved_errno = errno;
    struct timespec limit = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    long result = syscall(
        SYS_futex, (uint32_t *)word, FUTEX_WAIT, value, timeout_ns < 0 ? NULL : &limit, NULL, 0);
    bool timed_out = result < 0 && errno == ETIMEDOUT;
    errno = saved_errno;
    return timed_out;
}

#endif
