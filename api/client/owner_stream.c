/* The owner core: items of streams, on their way to who reads them.
 *
 *   items   | size 4 | bytes | size 4 | bytes | …      in order, not yet read
 *             └ older: of attempts before ┘└ of this attempt
 *
 * A task that is run again yields from the first item on. So the first `accepted` items of a new
 * attempt, which the program has or will have from those before, are skipped: for a function that
 * yields the same each time, it is as if nothing had happened.
 *
 * What the program takes (or is skipped) is counted in units (runtime/channel/credit.h), by
 * attempt, because the worker counts what it has sent from 0. It is told of it when a quarter of
 * the window is there to be told: so the worker has at least three quarters when everything has
 * been read. */
#include <reeve_errors.h>
#include <stdlib.h>
#include <string.h>

#include "api/client/owner_streams.h"
#include "runtime/base/assert.h"
#include "runtime/base/macros.h"
#include "runtime/channel/credit.h"

bool reeve_owner_is_stream(const struct reeve_owner *owner, reeve_task_id id)
{
    return owner_stream_find(owner, id) != NULL;
}

int owner_stream_make(
    struct reeve_owner *owner, reeve_task_id id, struct reeve_stream_window window)
{
    struct owner_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL || reeve_map64_put(&owner->streams, id, stream, NULL) != 0) {
        free(stream);
        return REEVE_ENOMEM;
    }
    stream->window = reeve_stream_window_of(window);
    stream->watches = OWNER_NONE;
    reeve_buffer_init(&stream->items);
    reeve_buffer_init(&stream->piece);
    owner->memory_bytes += sizeof(*stream);
    return 0;
}

struct reeve_stream_window owner_stream_window(const struct reeve_owner *owner, reeve_task_id id)
{
    const struct reeve_stream_window usual = REEVE_STREAM_WINDOW_DEFAULT;
    const struct owner_stream *stream = owner_stream_find(owner, id);
    if (stream == NULL ||
        (stream->window.units == usual.units && stream->window.unit_bytes == usual.unit_bytes))
        return (struct reeve_stream_window){0, 0};
    return stream->window;
}

struct reeve_stream_window owner_stream_window_of(const struct reeve_owner *owner, reeve_task_id id)
{
    const struct owner_stream *stream = owner_stream_find(owner, id);
    return stream != NULL ? stream->window : (struct reeve_stream_window){0, 0};
}

static void stream_free(struct owner_stream *stream)
{
    reeve_buffer_fini(&stream->items);
    reeve_buffer_fini(&stream->piece);
    free(stream);
}

void owner_stream_drop(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id id)
{
    static const struct reeve_owner_cancel asked = {.grace_ms = REEVE_OWNER_NEVER};
    struct owner_stream *stream = reeve_map64_remove(&owner->streams, id);
    if (stream == NULL)
        return;
    owner->memory_bytes -= sizeof(*stream) + stream->items.size;
    owner_watches_tell(owner, &stream->watches);
    if (REEVE_UNLIKELY(stream->is_loan))
        owner_loan_close(owner, now_ns, stream, id);
    stream_free(stream);
    /* without memory for it the function finds out when it has filled its window: never mind */
    (void)reeve_owner_cancel(owner, now_ns, id, &asked);
}

void owner_streams_fini(struct reeve_owner *owner)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&owner->streams, &at, NULL, &value))
        stream_free(value);
    reeve_map64_fini(&owner->streams);
}

uint64_t owner_streams_check(const struct reeve_owner *owner, uint32_t *ret_watches)
{
    uint64_t bytes = 0, id;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&owner->streams, &at, &id, &value)) {
        const struct owner_stream *stream = value;
        REEVE_ASSERT(stream->older <= stream->count && stream->count <= stream->accepted);
        REEVE_ASSERT(stream->watches == OWNER_NONE ||
                     (stream->count == 0 && stream->taker == 0 &&
                         !reeve_task_state_is_final(owner_task_find(owner, id)->state)));
        *ret_watches += owner_watches_count(owner, stream->watches);
        bytes += sizeof(*stream) + stream->items.size;
    }
    return bytes;
}

/* ---- what the worker sends ------------------------------------------------------------------- */

static void credit_look(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id)
{
    uint32_t due = stream->taken - stream->told;
    const struct owner_task *task = owner_task_find(owner, id);
    if (REEVE_UNLIKELY(stream->is_loan)) {
        owner_loan_look(owner, stream, id);
        return;
    }
    if (REEVE_LIKELY(due == 0 || due < stream->window.units / 4))
        return;
    stream->told = stream->taken;
    if (task->state != REEVE_TASK_SENT || task->attempt != stream->attempt)
        return;
    struct reeve_owner_command *command = owner_command(owner, REEVE_OWNER_CREDIT);
    command->task = id;
    command->lease_index = task->lease_index;
    command->lease = owner_lease_at(owner, task->lease_index)->id;
    command->position = task->position;
    command->attempt = task->attempt;
    command->count = stream->taken;
}

static int item_accept(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id,
    const void *bytes, uint32_t size)
{
    if (REEVE_UNLIKELY(stream->is_closed)) {
        stream->accepted++;
        return 0;
    }
    uint8_t *room = reeve_buffer_reserve(&stream->items, sizeof(size) + size);
    if (room == NULL)
        return REEVE_ENOMEM;
    memcpy(room, &size, sizeof(size));
    memcpy(room + sizeof(size), bytes, size);
    reeve_buffer_commit(&stream->items, sizeof(size) + size);
    owner->memory_bytes += sizeof(size) + size;
    stream->accepted++;
    if (stream->count++ == 0) {
        owner->final_count++; /* somebody may be waiting for it */
        owner_watches_tell(owner, &stream->watches);
    }
    if (REEVE_UNLIKELY(stream->taker != 0))
        owner_feed_look(owner, stream, id);
    return 0;
}

int owner_item_piece(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id,
    bool more, const void *bytes, uint32_t size)
{
    if (REEVE_UNLIKELY(more || stream->piece.size != 0)) {
        if (size > UINT32_MAX - stream->piece.size)
            return REEVE_EPROTOCOL;
        if (reeve_buffer_append(&stream->piece, bytes, size) != 0)
            return REEVE_ENOMEM;
        if (more)
            return 0;
        bytes = stream->piece.data;
        size = (uint32_t)stream->piece.size;
    }
    int error = 0;
    if (REEVE_LIKELY(++stream->came > stream->accepted)) {
        error = item_accept(owner, stream, id, bytes, size);
    } else {
        stream->taken += reeve_stream_units(&stream->window, size);
        credit_look(owner, stream, id);
    }
    if (REEVE_UNLIKELY(stream->piece.size != 0)) {
        reeve_buffer_fini(&stream->piece);
        reeve_buffer_init(&stream->piece);
    }
    return error;
}

int reeve_owner_item(struct reeve_owner *owner, reeve_lease_index lease_index, reeve_task_id id,
    uint32_t attempt, bool more, const void *bytes, uint32_t size)
{
    const struct owner_task *task = owner_task_answered(owner, lease_index, id, attempt);
    struct owner_stream *stream = task != NULL ? owner_stream_find(owner, id) : NULL;
    if (stream == NULL)
        return 0; /* of an attempt that is over, or nobody wants it any more */
    if (REEVE_UNLIKELY(stream->attempt != attempt)) {
        reeve_buffer_clear(&stream->piece);
        stream->attempt = attempt;
        stream->came = 0;
        stream->older = stream->count;
        stream->taken = stream->told = 0;
    }
    return owner_item_piece(owner, stream, id, more, bytes, size);
}

/* ---- what the program takes ------------------------------------------------------------------ */

int reeve_owner_next_item(const struct reeve_owner *owner, reeve_task_id id,
    const uint8_t **ret_bytes, uint32_t *ret_size)
{
    const struct owner_task *task = owner_task_find(owner, id);
    const struct owner_stream *stream = owner_stream_find(owner, id);
    if (task == NULL)
        return REEVE_EHANDLE;
    if (stream == NULL)
        return REEVE_ETYPE;
    if (REEVE_UNLIKELY(stream->taker != 0))
        return REEVE_EHANDLE; /* another's to take */
    if (REEVE_UNLIKELY(stream->lost != 0))
        return REEVE_ELOST;
    if (stream->count == 0)
        return reeve_task_state_is_final(task->state) ? REEVE_EEND : REEVE_EAGAIN;
    memcpy(ret_size, stream->items.data, sizeof(*ret_size));
    *ret_bytes = stream->items.data + sizeof(*ret_size);
    return 0;
}

int reeve_owner_watch_next(
    struct reeve_owner *owner, reeve_task_id id, const struct reeve_owner_watch *watch)
{
    const uint8_t *bytes;
    uint32_t size;
    int code = reeve_owner_next_item(owner, id, &bytes, &size);
    if (code == REEVE_EHANDLE || code == REEVE_ETYPE)
        return code;
    if (watch == NULL)
        return code == REEVE_EAGAIN ? code : 0;
    return owner_watch_list(
        owner, code == REEVE_EAGAIN ? &owner_stream_find(owner, id)->watches : NULL, watch);
}

void reeve_owner_item_taken(struct reeve_owner *owner, reeve_task_id id)
{
    struct owner_stream *stream = owner_stream_find(owner, id);
    REEVE_ASSERT(stream != NULL);
    owner_item_pop(owner, stream, id);
}

void owner_item_pop(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id)
{
    uint32_t size;
    REEVE_ASSERT(stream->count != 0);
    memcpy(&size, stream->items.data, sizeof(size));
    reeve_buffer_consume(&stream->items, sizeof(size) + size);
    owner->memory_bytes -= sizeof(size) + size;
    stream->count--;
    if (REEVE_UNLIKELY(stream->older != 0)) {
        stream->older--;
        return;
    }
    stream->taken += reeve_stream_units(&stream->window, size);
    credit_look(owner, stream, id);
}
