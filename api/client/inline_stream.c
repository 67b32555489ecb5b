/* Streams of inline mode: values of their own kind, and reading them. How function and reader take
 * turns: inline_turns.h. */
#include "api/client/error.h"
#include "api/client/inline_internal.h"
#include "api/client/inline_turns.h"
#include "api/client/ready.h"

#include <stdlib.h>

/* A call whose function yields; it is done when that has ended. */
struct inline_stream {
    struct reeve_inline_turns *turns;
    const struct reeve_function *function;
    struct inline_task task;
    struct value *outcome; /* when it has ended; NULL: no memory */
};

static void stream_run(void *arg)
{
    struct inline_stream *stream = arg;
    struct inline_task *task = &stream->task;
    stream->outcome =
        inline_run(stream->function, task, (const char *)task->args, task->args_size, 0);
}

/* With the lock, and when it has been stopped: it refers to nothing that is not its own. */
void inline_stream_free(struct inline_stream *stream)
{
    reeve_inline_turns_free(stream->turns);
    if (stream->outcome)
        inline_value_drop_locked(stream->outcome);
    free(stream);
}

/* Without the lock, before it is dropped. */
static void stream_stop(struct inline_stream *stream)
{
    reeve_inline_turns_stop(stream->turns);
    inline_task_fini(&stream->task);
    stream->task = (struct inline_task){0};
}

int inline_stream_submit(
    const struct reeve_submit *submit, uint64_t *ret, struct reeve_error_info *error)
{
    struct value *value = inline_value_create(0, 0);
    struct inline_stream *stream = calloc(1, sizeof *stream);
    int rc =
        value && stream ? inline_task_make(&stream->task, submit, error) : inline_no_memory(error);
    if (!rc && !(stream->turns = reeve_inline_turns_create(stream_run, stream)))
        rc = inline_no_memory(error);
    if (rc) {
        if (stream)
            inline_task_fini(&stream->task);
        free(stream);
        if (value)
            inline_value_free(value);
        return rc;
    }
    stream->function = submit->function;
    value->stream = stream;
    value->references++; /* for us: publish drops its own when it fails */
    rc = inline_publish(value, ret, error);
    if (rc)
        stream_stop(stream);
    pthread_mutex_lock(&inline_self.lock);
    inline_value_drop_locked(value);
    pthread_mutex_unlock(&inline_self.lock);
    return rc;
}

void inline_value_leave(struct value *value)
{
    if (value->stream && value->references == 1) {
        pthread_mutex_unlock(&inline_self.lock);
        stream_stop(value->stream);
        pthread_mutex_lock(&inline_self.lock);
    }
    inline_value_drop_locked(value);
}

/* With the lock, which it gives up while a function runs. Ends the stream when it has. */
static int item_take(struct value *value, uint64_t future, reeve_consume *consume, void *arg,
    struct reeve_error_info *error)
{
    struct inline_stream *stream = value->stream;
    uint8_t *bytes = NULL;
    size_t size = 0;
    pthread_mutex_unlock(&inline_self.lock);
    int rc = reeve_inline_turns_next(stream->turns, &bytes, &size);
    if (!rc)
        rc = consume(0, bytes, size, NULL, 0, arg);
    else if (rc != REEVE_EEND)
        rc = reeve_error_set(error, rc, "no thread for the function of a stream");
    free(bytes);
    pthread_mutex_lock(&inline_self.lock);
    if (rc != REEVE_EEND)
        return rc;
    if (stream->outcome && stream->outcome->error) {
        *error = *stream->outcome->error;
        rc = error->code;
    } else if (!stream->outcome) {
        rc = inline_no_memory(error);
    }
    if (inline_self.running && reeve_map64_get(&inline_self.futures, future) == value) {
        (void)reeve_map64_remove(&inline_self.futures, future);
        inline_value_leave(value); /* it has ended, whoever has it besides */
    }
    return rc;
}

int inline_next(struct reeve_backend *backend, uint64_t future, int64_t timeout_ms,
    reeve_consume *consume, void *arg, struct reeve_error_info *error)
{
    (void)backend;
    (void)timeout_ms; /* it is computed now */
    pthread_mutex_lock(&inline_self.lock);
    struct value *value =
        inline_self.running ? reeve_map64_get(&inline_self.futures, future) : NULL;
    int rc = value ? REEVE_OK : inline_not_live(error);
    if (value && !value->stream)
        rc = reeve_error_set(error, REEVE_ETYPE, "a call's future is not a stream: get it");
    if (!rc) {
        value->references++;
        rc = item_take(value, future, consume, arg, error);
        inline_value_leave(value); /* the last one to have it ends it */
    }
    pthread_mutex_unlock(&inline_self.lock);
    return rc;
}

/* To take an item waits for nobody else: its function runs then. */
int inline_watch_next(struct reeve_backend *backend, uint64_t stream, struct reeve_ready *ready,
    uint64_t tag, struct reeve_error_info *error)
{
    (void)backend;
    pthread_mutex_lock(&inline_self.lock);
    const struct value *value =
        inline_self.running ? reeve_map64_get(&inline_self.futures, stream) : NULL;
    int rc = value ? REEVE_OK : inline_not_live(error);
    if (value && !value->stream)
        rc = reeve_error_set(error, REEVE_ETYPE, "a call's future is not a stream: watch it");
    pthread_mutex_unlock(&inline_self.lock);
    if (!rc && ready)
        reeve_ready_push(ready, tag);
    return rc;
}

int inline_yield(struct reeve_backend *backend, size_t size, reeve_pack_item *pack,
    const void *item, struct reeve_error_info *error)
{
    (void)backend;
    return reeve_inline_turns_yield(size, pack, item, error);
}
