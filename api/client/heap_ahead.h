/* The heap made ready for many values that are copied into it, each in a malloc block of its own.
 * To touch fresh memory page by page takes several times as long as to copy into it; so in a run of
 * gets the heap grows ahead of them, by large pages:
 *
 *     heap   | in use | value | value |  taken, advised, given back at once: 16 MiB ........ |
 *
 * What malloc hands out next lies there. A block of the size is mapped by itself the first time,
 * and from then on, as its free tells malloc that such blocks are usual, taken from the heap. Where
 * malloc is another one, nothing is won or lost. */
#ifndef REEVE_CLIENT_HEAP_AHEAD_H
#define REEVE_CLIENT_HEAP_AHEAD_H

#include <stddef.h>

/* Of one run of gets; all zero at its begin. */
struct reeve_heap_ahead {
    size_t seen_bytes;
    size_t left_bytes; /* of what was made ready last */
};

/* A value of so many bytes comes next. */
void reeve_heap_ahead(struct reeve_heap_ahead *ahead, size_t size);

#endif
