/*
 * Queue of items of one fixed size, first in, first out, in a ring that grows by doubling. The
 * cores' command queues are made of it:
 *
 *     struct command *command = reeve_fifo_push(&queue);   // zeroed, filled in place
 *     while ((command = reeve_fifo_peek(&queue)) != NULL) { ...; reeve_fifo_pop(&queue); }
 *
 * A pointer to an item lasts until the next push (which may move it) or until it is popped.
 */
#ifndef REEVE_BASE_FIFO_H
#define REEVE_BASE_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reeve_fifo {
    uint8_t *items;
    size_t item_size;
    size_t capacity; /* power of two, or 0 */
    size_t head;     /* index of the first item */
    size_t count;
};

void reeve_fifo_init(struct reeve_fifo *fifo, size_t item_size);
void reeve_fifo_fini(struct reeve_fifo *fifo);

/* A new last item, zeroed, for the caller to fill; NULL when there is no memory. */
void *reeve_fifo_push(struct reeve_fifo *fifo);

/* So that the next `count` pushes cannot fail. REEVE_OK or REEVE_ENOMEM. */
int reeve_fifo_reserve(struct reeve_fifo *fifo, size_t count);

/* The first item; NULL when empty. */
void *reeve_fifo_peek(const struct reeve_fifo *fifo);

/* The index-th item, counted from the first; NULL beyond the end. */
void *reeve_fifo_at(const struct reeve_fifo *fifo, size_t index);

/* Drops the first item, copying it to `item` first unless that is NULL; false when empty. */
bool reeve_fifo_pop(struct reeve_fifo *fifo, void *item);

/* Empties it; the memory is kept. */
void reeve_fifo_clear(struct reeve_fifo *fifo);

#endif
