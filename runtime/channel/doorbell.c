/* doorbell.c: the system calls of the doorbell. Why no wake-up is lost is explained in
 * doorbell.h. */
#include "runtime/channel/doorbell.h"

#include <errno.h>
#include <unistd.h>

#include "runtime/channel/futex.h"

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
        reeve_futex_wake(&bell->waiting);
    if (mode != REEVE_DOORBELL_FUTEX && event_fd >= 0)
        event_write(event_fd);
    return true;
}

int reeve_doorbell_sleep(struct reeve_doorbell *bell, int64_t timeout_ns)
{
    /* a ring since arm has left something else than FUTEX here */
    return reeve_futex_sleep(&bell->waiting, REEVE_DOORBELL_FUTEX, timeout_ns) ? REEVE_ETIMEDOUT
                                                                               : 0;
}
