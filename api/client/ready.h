/* Queues of tags of futures that have become ready, and of streams that have an item: what reeve_fd
 * and reeve_next_ready, callbacks, reeve_as_completed and reeve_as_yielded are made of.
 *
 *   watch ──▶ backend: future final ──reeve_ready_push──▶ | tag | tag | … |  ──take──▶ who asked
 *                                                             │
 *                                     its eventfd is readable exactly while there is one
 *
 * Before a future is watched for a queue, the queue is told to expect one tag more: then pushing
 * cannot fail. Each expected tag comes, once; at the latest when the backend is shut down. */
#ifndef REEVE_CLIENT_READY_H
#define REEVE_CLIENT_READY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/client/backend.h"
#include "runtime/base/fifo.h"

struct reeve_ready {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct reeve_fifo tags; /* uint64_t */
    size_t expected;        /* tags that have not come yet */
    _Atomic size_t count;   /* of tags that have: to be looked at without the lock */
    int fd;                 /* an eventfd, or -1 */
    bool is_eager;          /* somebody may sleep elsewhere than in the library until a tag comes */
    bool abandoned;         /* freed when the last expected tag has come */
    bool stopped;           /* nobody waits for a tag any more */
};

/* For a queue that is never freed. */
#define REEVE_READY_INITIAL                                                    \
    {                                                                          \
        .lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER, \
        .tags = {.item_size = sizeof(uint64_t)}, .fd = -1, .is_eager = true,   \
    }

/* NULL: no memory. */
struct reeve_ready *reeve_ready_create(void);
/* The owner is through with it; tags may still be expected. */
void reeve_ready_abandon(struct reeve_ready *ready);

/* `count` more tags will come. REEVE_ENOMEM: then they may not. */
int reeve_ready_expect(struct reeve_ready *ready, size_t count);
/* One that was expected will not come. */
void reeve_ready_unexpect(struct reeve_ready *ready);
/* An expected tag has come. The queue may be gone afterwards. */
void reeve_ready_push(struct reeve_ready *ready, uint64_t tag);

bool reeve_ready_take(struct reeve_ready *ready, uint64_t *ret_tag);
/* Waits for one; false when there is none and the queue has been stopped. */
bool reeve_ready_await(struct reeve_ready *ready, uint64_t *ret_tag);
void reeve_ready_stop(struct reeve_ready *ready, bool stopped);
/* Its eventfd, made when it is asked for; REEVE_ESYSTEM. */
int reeve_ready_fd(struct reeve_ready *ready);

static inline bool reeve_ready_any(const struct reeve_ready *ready)
{
    return atomic_load(&ready->count) != 0;
}

/* Expects the tag, and sees to it that it comes: `how` is a member of the backend. */
int reeve_ready_watch(struct reeve_backend *backend, reeve_watch_member *how,
    struct reeve_ready *ready, uint64_t future, uint64_t tag, struct reeve_error_info *error);

/* callbacks.c. After the backend has been shut down: waits until all callbacks have been called.
 * In a callback it does not wait; they are called after that one. */
void reeve_callbacks_finish(void);

#endif
