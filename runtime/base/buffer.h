/*
 * Growable byte buffer, filled at the end and emptied at the front:
 *
 *     block:  | consumed | data ... size | room |
 *
 * An append that fails for want of memory leaves the buffer as it was. Pointers into it last until
 * the next append or reserve.
 */
#ifndef REEVE_BASE_BUFFER_H
#define REEVE_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/macros.h"

struct reeve_buffer {
    uint8_t *data; /* NULL when nothing was ever stored */
    size_t size;
    uint8_t *block;
    size_t capacity; /* of the block */
};

void reeve_buffer_init(struct reeve_buffer *buffer);
void reeve_buffer_fini(struct reeve_buffer *buffer);

/* Room for `size` more bytes at the end, contiguous with the data; NULL when there is no memory.
 * Write there, then say how many bytes were written with reeve_buffer_commit. */
uint8_t *reeve_buffer_reserve(struct reeve_buffer *buffer, size_t size);
void reeve_buffer_commit(struct reeve_buffer *buffer, size_t size);

/* REEVE_OK or REEVE_ENOMEM. */
int reeve_buffer_append(struct reeve_buffer *buffer, const void *data, size_t size);
int reeve_buffer_append_string(struct reeve_buffer *buffer, const char *text);
int reeve_buffer_append_format(struct reeve_buffer *buffer, const char *format, ...)
    REEVE_PRINTF(2, 3);

/* Drops `size` bytes (no more than there are) from the front. */
void reeve_buffer_consume(struct reeve_buffer *buffer, size_t size);

/* Empties it; the memory is kept for what comes next. */
void reeve_buffer_clear(struct reeve_buffer *buffer);

/* The data as a block for free(), of *size bytes; the buffer is empty afterwards. NULL when it
 * was empty. */
uint8_t *reeve_buffer_detach(struct reeve_buffer *buffer, size_t *size);

#endif
