/* Growable byte buffer; see buffer.h. */
#include "runtime/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/errors.h"

void reeve_buffer_init(struct reeve_buffer *buffer)
{
    memset(buffer, 0, sizeof(*buffer));
}

void reeve_buffer_fini(struct reeve_buffer *buffer)
{
    free(buffer->block);
    reeve_buffer_init(buffer);
}

static size_t consumed(const struct reeve_buffer *buffer)
{
    return buffer->block == NULL ? 0 : (size_t)(buffer->data - buffer->block);
}

uint8_t *reeve_buffer_reserve(struct reeve_buffer *buffer, size_t size)
{
    size_t front = consumed(buffer);
    if (buffer->block != NULL && size <= buffer->capacity - front - buffer->size)
        return buffer->data + buffer->size;
    if (size > SIZE_MAX / 4 - buffer->size)
        return NULL;
    size_t needed = buffer->size + size;
    /* Moving the data to the front pays when at least as much was consumed as is moved. */
    if (buffer->block != NULL && needed <= buffer->capacity && front >= buffer->size) {
        memmove(buffer->block, buffer->data, buffer->size);
        buffer->data = buffer->block;
        return buffer->data + buffer->size;
    }
    size_t capacity = REEVE_MAX((size_t)64, buffer->capacity);
    while (capacity < needed || capacity / 2 < buffer->size)
        capacity *= 2;
    uint8_t *block = malloc(capacity);
    if (block == NULL)
        return NULL;
    if (buffer->size > 0)
        memcpy(block, buffer->data, buffer->size);
    free(buffer->block);
    buffer->block = buffer->data = block;
    buffer->capacity = capacity;
    return buffer->data + buffer->size;
}

void reeve_buffer_commit(struct reeve_buffer *buffer, size_t size)
{
    REEVE_ASSERT(size <= buffer->capacity - consumed(buffer) - buffer->size);
    buffer->size += size;
}

int reeve_buffer_append(struct reeve_buffer *buffer, const void *data, size_t size)
{
    if (size == 0)
        return REEVE_OK;
    uint8_t *room = reeve_buffer_reserve(buffer, size);
    if (room == NULL)
        return REEVE_ENOMEM;
    memcpy(room, data, size);
    buffer->size += size;
    return REEVE_OK;
}

int reeve_buffer_append_string(struct reeve_buffer *buffer, const char *text)
{
    return reeve_buffer_append(buffer, text, strlen(text));
}

int reeve_buffer_append_format(struct reeve_buffer *buffer, const char *format, ...)
{
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    REEVE_ASSERT(length >= 0);
    uint8_t *room = reeve_buffer_reserve(buffer, (size_t)length + 1);
    if (room != NULL) {
        vsnprintf((char *)room, (size_t)length + 1, format, again);
        buffer->size += (size_t)length;
    }
    va_end(again);
    return room == NULL ? REEVE_ENOMEM : REEVE_OK;
}

void reeve_buffer_consume(struct reeve_buffer *buffer, size_t size)
{
    REEVE_ASSERT(size <= buffer->size);
    buffer->size -= size;
    if (buffer->size == 0)
        buffer->data = buffer->block;
    else
        buffer->data += size;
}

void reeve_buffer_clear(struct reeve_buffer *buffer)
{
    buffer->data = buffer->block;
    buffer->size = 0;
}

uint8_t *reeve_buffer_detach(struct reeve_buffer *buffer, size_t *size)
{
    *size = buffer->size;
    if (buffer->size == 0)
        return NULL;
    if (buffer->data != buffer->block)
        memmove(buffer->block, buffer->data, buffer->size);
    uint8_t *data = buffer->block;
    reeve_buffer_init(buffer);
    return data;
}
