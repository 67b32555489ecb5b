/* See heap_ahead.h. */
#include "api/client/heap_ahead.h"

#include <stdlib.h>

#include "runtime/base/pages.h"

#define AHEAD_BYTES (16ull << 20)
#define VALUE_MAX   (4ull << 20) /* larger ones see to themselves */

static void make_ready(void)
{
    void *memory = malloc(AHEAD_BYTES);
    if (memory != NULL)
        reeve_pages_advise(memory, AHEAD_BYTES);
    free(memory);
}

void reeve_heap_ahead(struct reeve_heap_ahead *ahead, size_t size)
{
    if (size > VALUE_MAX)
        return;
    ahead->seen_bytes += size;
    if (ahead->seen_bytes < AHEAD_BYTES)
        return; /* few are not worth it */
    if (ahead->left_bytes < size) {
        if (ahead->seen_bytes - size < AHEAD_BYTES)
            make_ready(); /* the first one, which is mapped by itself */
        make_ready();
        ahead->left_bytes = AHEAD_BYTES;
    }
    ahead->left_bytes -= size;
}
