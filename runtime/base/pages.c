/* Large pages, by madvise and the right addresses. See pages.h. */
#include "runtime/base/pages.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/macros.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define BLOCK          REEVE_PAGES_BLOCK
#define PAGE_MIN       4096u
#define PATIENCE       64u /* ranges after a failure before it is tried again */
#define LEAST_FRACTION 4u  /* of a block must be missing: what is there is copied */
#define ADVISE_BYTES   (2 * BLOCK)

static atomic_uint patience; /* so many ranges more are left as they are */

void *reeve_pages_map(int fd, uint64_t offset, uint64_t size, int protection)
{
    uint64_t spare = size >= BLOCK ? BLOCK : 0;
    uint8_t *room =
        mmap(NULL, size + spare, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return NULL;
    uint64_t gap = spare == 0 ? 0 : (offset - (uintptr_t)room) & (BLOCK - 1);
    void *memory = mmap(room + gap, size, protection, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);
    int error = errno;
    if (memory == MAP_FAILED) {
        munmap(room, size + spare);
        errno = error;
        return NULL;
    }
    if (gap > 0)
        munmap(room, gap);
    if (spare > gap)
        munmap(room + REEVE_ALIGN_UP(gap + size, (uint64_t)sysconf(_SC_PAGESIZE)), spare - gap);
    return memory;
}

/* The bytes of a block at whose beginning no page is missing, and behind which none exists: 0 to
 * BLOCK; or BLOCK, if it is neither. Whatever process has touched them. */
static uint64_t present_bytes(uint8_t *block, uint64_t page)
{
    unsigned char present[BLOCK / PAGE_MIN];
    size_t count = BLOCK / page, first = 0;
    if (mincore(block, BLOCK, present) != 0)
        return BLOCK;
    while (first < count && present[first] & 1)
        first++;
    for (size_t i = first; i < count; i++)
        if (present[i] & 1)
            return BLOCK;
    return first * page;
}

/* The kernel makes one of a block in which there is a page already. */
static bool run_make(uint8_t *run, uint64_t size, uint64_t page)
{
    for (uint64_t at = 0; at < size; at += BLOCK)
        if (madvise(run + at, page, MADV_POPULATE_WRITE) != 0)
            return false;
    if (madvise(run, size, MADV_COLLAPSE) == 0)
        return true;
    atomic_store(&patience, PATIENCE);
    return false;
}

/* What stands before our part of a block counts as touched only if it is. */
static bool is_ours(uint64_t present, uint64_t before, uint64_t page)
{
    return present <= BLOCK - BLOCK / LEAST_FRACTION && present + page > before;
}

void reeve_pages_make(void *memory, uint64_t size)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), before = (uintptr_t)memory & (BLOCK - 1);
    uint8_t *at = (uint8_t *)memory - before, *end = (uint8_t *)memory + size, *run;
    unsigned left = atomic_load(&patience);
    if (size < BLOCK / LEAST_FRACTION || page > BLOCK / 2)
        return;
    if (left != 0) {
        atomic_compare_exchange_strong(&patience, &left, left - 1);
        return;
    }
    while ((uint64_t)(end - at) >= BLOCK) {
        for (run = at; (uint64_t)(end - at) >= BLOCK; at += BLOCK, before = 0)
            if (!is_ours(present_bytes(at, page), before, page))
                break;
        if (at != run && !run_make(run, (uint64_t)(at - run), page))
            return;
        if ((uint64_t)(end - at) >= BLOCK)
            at += BLOCK;
        before = 0;
    }
}

void reeve_pages_advise(void *memory, uint64_t size)
{
    uint64_t gap = -(uintptr_t)memory & (BLOCK - 1);
    if (size >= ADVISE_BYTES)
        (void)madvise((uint8_t *)memory + gap, (size - gap) & ~(BLOCK - 1), MADV_HUGEPAGE);
}
