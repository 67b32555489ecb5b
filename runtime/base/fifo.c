/* Queue of fixed-size items; see fifo.h. */
#include "runtime/base/fifo.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/errors.h"

void reeve_fifo_init(struct reeve_fifo *fifo, size_t item_size)
{
    REEVE_ASSERT(item_size > 0);
    memset(fifo, 0, sizeof(*fifo));
    fifo->item_size = item_size;
}

void reeve_fifo_fini(struct reeve_fifo *fifo)
{
    free(fifo->items);
    reeve_fifo_init(fifo, fifo->item_size);
}

static void *item_at(const struct reeve_fifo *fifo, size_t index)
{
    return fifo->items + ((fifo->head + index) & (fifo->capacity - 1)) * fifo->item_size;
}

int reeve_fifo_reserve(struct reeve_fifo *fifo, size_t count)
{
    if (count <= fifo->capacity - fifo->count)
        return REEVE_OK;
    if (count > SIZE_MAX / 4 / fifo->item_size - fifo->count)
        return REEVE_ENOMEM;
    size_t capacity = fifo->capacity == 0 ? 16 : fifo->capacity;
    while (capacity - fifo->count < count)
        capacity *= 2;
    uint8_t *items = malloc(capacity * fifo->item_size);
    if (items == NULL)
        return REEVE_ENOMEM;
    size_t before_wrap = fifo->capacity - fifo->head;
    if (before_wrap > fifo->count)
        before_wrap = fifo->count;
    if (fifo->count > 0) {
        memcpy(items, item_at(fifo, 0), before_wrap * fifo->item_size);
        memcpy(items + before_wrap * fifo->item_size, fifo->items,
            (fifo->count - before_wrap) * fifo->item_size);
    }
    free(fifo->items);
    fifo->items = items;
    fifo->capacity = capacity;
    fifo->head = 0;
    return REEVE_OK;
}

void *reeve_fifo_push(struct reeve_fifo *fifo)
{
    if (reeve_fifo_reserve(fifo, 1) != REEVE_OK)
        return NULL;
    void *item = item_at(fifo, fifo->count++);
    memset(item, 0, fifo->item_size);
    return item;
}

void *reeve_fifo_at(const struct reeve_fifo *fifo, size_t index)
{
    return index < fifo->count ? item_at(fifo, index) : NULL;
}

void *reeve_fifo_peek(const struct reeve_fifo *fifo)
{
    return reeve_fifo_at(fifo, 0);
}

bool reeve_fifo_pop(struct reeve_fifo *fifo, void *item)
{
    if (fifo->count == 0)
        return false;
    if (item != NULL)
        memcpy(item, item_at(fifo, 0), fifo->item_size);
    fifo->head = (fifo->head + 1) & (fifo->capacity - 1);
    fifo->count--;
    return true;
}

void reeve_fifo_clear(struct reeve_fifo *fifo)
{
    fifo->head = fifo->count = 0;
}
