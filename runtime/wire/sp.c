/* See sp.h. */
#include "runtime/wire/sp.h"

#include <stdlib.h>
#include <string.h>

#include <reeve_errors.h>

#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

#define LOCAL_MESSAGE 1

void reeve_sp_greeting_write(
    uint8_t out[REEVE_SP_GREETING_SIZE], enum reeve_sp_protocol our_protocol)
{
    const uint8_t greeting[REEVE_SP_GREETING_SIZE] = {0, 'S', 'P', 0, 0, (uint8_t)our_protocol};
    memcpy(out, greeting, sizeof greeting);
}

bool reeve_sp_greeting_is(
    const uint8_t bytes[REEVE_SP_GREETING_SIZE], enum reeve_sp_protocol their_protocol)
{
    uint8_t greeting[REEVE_SP_GREETING_SIZE];
    reeve_sp_greeting_write(greeting, their_protocol);
    return memcmp(bytes, greeting, sizeof greeting) == 0;
}

size_t reeve_sp_head_write(uint8_t out[REEVE_SP_HEAD_SIZE_MAX], bool local, size_t size)
{
    size_t at = 0;
    if (local)
        out[at++] = LOCAL_MESSAGE;
    for (int shift = 56; shift >= 0; shift -= 8)
        out[at++] = (uint8_t)((uint64_t)size >> shift);
    return at;
}

void reeve_sp_reader_init(struct reeve_sp_reader *reader, bool local, size_t size_max)
{
    reader->local = local;
    reader->greeted = false;
    reader->size_max = reader->size_now = size_max;
    reader->message = NULL;
    reader->filled = reader->begin = reader->end = 0;
}

void reeve_sp_reader_fini(struct reeve_sp_reader *reader)
{
    free(reader->message);
    reader->message = NULL;
}

/* To the buffer's front: what is left there is less than a head. */
static void make_room(struct reeve_sp_reader *reader)
{
    memmove(reader->buffer, reader->buffer + reader->begin, reader->end - reader->begin);
    reader->end -= reader->begin;
    reader->begin = 0;
}

unsigned reeve_sp_reader_places(struct reeve_sp_reader *reader, struct reeve_sp_place places[2])
{
    unsigned count = 0;
    make_room(reader);
    if (reader->message != NULL)
        places[count++] = (struct reeve_sp_place){
            reader->message->bytes + reader->filled, reader->message->size - reader->filled};
    places[count++] =
        (struct reeve_sp_place){reader->buffer + reader->end, sizeof reader->buffer - reader->end};
    return count;
}

void reeve_sp_reader_take(struct reeve_sp_reader *reader, size_t size)
{
    if (reader->message != NULL) {
        size_t part = REEVE_MIN(size, reader->message->size - reader->filled);
        reader->filled += part;
        size -= part;
    }
    REEVE_ASSERT(size <= sizeof reader->buffer - reader->end);
    reader->end += size;
}

/* A message whose head is in the buffer. */
static int begin_message(struct reeve_sp_reader *reader)
{
    const uint8_t *at = reader->buffer + reader->begin;
    size_t head = 8u + reader->local, have = reader->end - reader->begin;
    if (have > 0 && reader->local && at[0] != LOCAL_MESSAGE)
        return REEVE_EPROTOCOL;
    if (have < head)
        return REEVE_EAGAIN;
    uint64_t size = 0;
    for (size_t i = head - 8; i < head; i++)
        size = size << 8 | at[i];
    if (size > reader->size_max)
        return REEVE_EPROTOCOL;
    if (size > reader->size_now)
        return REEVE_EBUSY;
    reader->message = malloc(sizeof *reader->message + (size_t)size);
    if (reader->message == NULL)
        return REEVE_ENOMEM;
    reader->message->size = (size_t)size;
    reader->filled = REEVE_MIN(have - head, (size_t)size);
    memcpy(reader->message->bytes, at + head, reader->filled);
    reader->begin += head + reader->filled;
    return REEVE_OK;
}

int reeve_sp_reader_next(struct reeve_sp_reader *reader, struct reeve_sp_message **ret)
{
    if (!reader->greeted) {
        if (reader->end < REEVE_SP_GREETING_SIZE)
            return REEVE_EAGAIN;
        if (!reeve_sp_greeting_is(reader->buffer, REEVE_SP_PUSH))
            return REEVE_EPROTOCOL;
        reader->begin = REEVE_SP_GREETING_SIZE;
        reader->greeted = true;
    }
    int error = reader->message == NULL ? begin_message(reader) : REEVE_OK;
    if (error != REEVE_OK)
        return error;
    if (reader->filled < reader->message->size)
        return REEVE_EAGAIN;
    *ret = reader->message;
    reader->message = NULL;
    return REEVE_OK;
}
