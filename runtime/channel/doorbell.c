/* doorbell.c: the system calls of the doorbell. Why no wake-up is lost is explained in
 * doorbell.h. */
#include "runtime/channel/doorbell.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DOORBELL_MAGIC   0x42454c4cu /* BELL */
#define DOORBELL_VERSION 1u

void reeve_doorbell_format(void *memory)
{
    struct reeve_doorbell *bell = memory;
    bell->version = DOORBELL_VERSION;
    bell->magic = DOORBELL_MAGIC;
}

struct reeve_doorbell *reeve_doorbell_attach(void *memory, size_t size_bytes)
{
    struct reeve_doorbell *bell = memory;
    if (size_bytes < sizeof *bell || bell->magic != DOORBELL_MAGIC ||
        bell->version != DOORBELL_VERSION)
        return NULL;
    return bell;
}

/* The word is shared between processes, so the futex is not PRIVATE. */
static long futex(
    _Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
    return syscall(SYS_futex, (uint32_t *)word, operation, value, timeout, NULL, 0);
}

/* errno stays as the caller had it: user code calls this from the middle of its own. */
static void event_write(int event_fd)
{
    int saved_errno = errno;
    uint64_t one = 1; /* a full counter refuses it, and wakes all the same */
    ssize_t written;
    do {
        written = write(event_fd, &one, sizeof one);
    } while (written < 0 && errno == EINTR);
    errno = saved_errno;
}

bool reeve_doorbell_wake(struct reeve_doorbell *bell, int event_fd)
{
    /* The mode may have changed since the caller looked: what counts is what we took. relaxed:
     * the entries were published by the fence before, and the sleeper reads them with acquire. */
    uint32_t mode =
        atomic_exchange_explicit(&bell->waiting, REEVE_DOORBELL_AWAKE, memory_order_relaxed);
    if (mode == REEVE_DOORBELL_AWAKE)
        /* somebody else has taken the duty of waking, or the sleeper woke by itself */
        return false;
    if (mode != REEVE_DOORBELL_EVENT)
        (void)futex(&bell->waiting, FUTEX_WAKE, INT_MAX, NULL); /* cannot fail: errno stays */
    if (mode != REEVE_DOORBELL_FUTEX && event_fd >= 0)
        event_write(event_fd);
    return true;
}

int reeve_doorbell_sleep(struct reeve_doorbell *bell, int64_t timeout_ns)
{
    int saved_errno = errno;
    struct timespec limit = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    /* The kernel compares and sleeps in one: a ring since arm has left something else than FUTEX
     * here. */
    long result =
        futex(&bell->waiting, FUTEX_WAIT, REEVE_DOORBELL_FUTEX, timeout_ns < 0 ? NULL : &limit);
    bool timed_out = result < 0 && errno == ETIMEDOUT;
    errno = saved_errno;
    return timed_out ? REEVE_ETIMEDOUT : 0;
}
