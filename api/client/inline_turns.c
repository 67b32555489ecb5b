/* See inline_turns.h. */
#include "api/client/inline_turns.h"

#include "api/client/error.h"
#include "runtime/base/macros.h"

#include <pthread.h>
#include <stdlib.h>

struct reeve_inline_turns {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    pthread_mutex_t readers; /* one at a time */
    pthread_t thread;
    void (*run)(void *arg);
    void *arg;
    bool started, ended, stopping;
    bool runs; /* it is the function's turn */
    uint8_t *bytes;
    size_t size;
};

static __thread struct reeve_inline_turns *running __attribute__((tls_model("initial-exec")));

struct reeve_inline_turns *reeve_inline_turns_create(void (*run)(void *arg), void *arg)
{
    struct reeve_inline_turns *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    pthread_mutex_init(&stream->lock, NULL);
    pthread_mutex_init(&stream->readers, NULL);
    pthread_cond_init(&stream->turned, NULL);
    stream->run = run;
    stream->arg = arg;
    return stream;
}

static void *function(void *arg)
{
    struct reeve_inline_turns *stream = arg;
    running = stream;
    stream->run(stream->arg);
    pthread_mutex_lock(&stream->lock);
    stream->ended = true;
    stream->runs = false;
    pthread_cond_broadcast(&stream->turned);
    pthread_mutex_unlock(&stream->lock);
    return NULL;
}

/* With the lock. Until the function has had its turn. */
static int turn(struct reeve_inline_turns *stream)
{
    stream->runs = true;
    if (!stream->started && pthread_create(&stream->thread, NULL, function, stream) != 0) {
        stream->runs = false;
        return REEVE_ENOMEM;
    }
    stream->started = true;
    pthread_cond_broadcast(&stream->turned);
    while (stream->runs)
        pthread_cond_wait(&stream->turned, &stream->lock);
    return REEVE_OK;
}

int reeve_inline_turns_next(
    struct reeve_inline_turns *stream, uint8_t **ret_bytes, size_t *ret_size)
{
    pthread_mutex_lock(&stream->readers);
    pthread_mutex_lock(&stream->lock);
    int rc = stream->ended ? REEVE_EEND : turn(stream);
    if (!rc && !stream->bytes)
        rc = REEVE_EEND;
    *ret_bytes = stream->bytes;
    *ret_size = stream->size;
    stream->bytes = NULL;
    pthread_mutex_unlock(&stream->lock);
    pthread_mutex_unlock(&stream->readers);
    return rc;
}

void reeve_inline_turns_stop(struct reeve_inline_turns *stream)
{
    pthread_mutex_lock(&stream->readers);
    pthread_mutex_lock(&stream->lock);
    stream->stopping = true;
    if (stream->started && !stream->ended)
        (void)turn(stream); /* its yields do not give their turn back any more */
    stream->ended = true;
    pthread_mutex_unlock(&stream->lock);
    pthread_mutex_unlock(&stream->readers);
}

void reeve_inline_turns_free(struct reeve_inline_turns *stream)
{
    if (stream->started)
        pthread_join(stream->thread, NULL);
    pthread_mutex_destroy(&stream->lock);
    pthread_mutex_destroy(&stream->readers);
    pthread_cond_destroy(&stream->turned);
    free(stream->bytes);
    free(stream);
}

int reeve_inline_turns_yield(
    size_t size, reeve_pack_item *pack, const void *item, struct reeve_error_info *error)
{
    struct reeve_inline_turns *stream = running;
    pthread_mutex_lock(&stream->lock);
    bool stopping = stream->stopping;
    pthread_mutex_unlock(&stream->lock);
    if (stopping)
        return reeve_error_set(error, REEVE_ECANCELLED, "nobody wants the rest of the stream");
    uint8_t *bytes = aligned_alloc(64, REEVE_ALIGN_UP(size, (size_t)64));
    if (!bytes)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for an item of %zu bytes", size);
    if (!pack(item, bytes, size)) {
        free(bytes);
        return reeve_error_set(error, REEVE_EINVAL, "the item changed while it was being packed");
    }
    pthread_mutex_lock(&stream->lock);
    stream->bytes = bytes;
    stream->size = size;
    stream->runs = false;
    pthread_cond_broadcast(&stream->turned);
    while (!stream->runs)
        pthread_cond_wait(&stream->turned, &stream->lock);
    pthread_mutex_unlock(&stream->lock);
    return REEVE_OK;
}
