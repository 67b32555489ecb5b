/* Memory in large pages: one entry of a page table maps a block of 2 MiB, where 512 would map its
 * pages one by one. A process that has mapped memory in which blocks lie meets one page fault for
 * each of them; and to touch a fresh block costs a fifth of touching its pages.
 *
 *     file    |  block 0  |  block 1  |  block 2  |    an offset in the file and its address are
 *     mapping ···|  block 0  |  block 1  |  block 2  |   equal modulo the size of a block
 *
 * Shared memory is made so on request (MADV_COLLAPSE, Linux 6.1 and later, whatever
 * /sys/kernel/mm/transparent_hugepage/shmem_enabled says, except `deny`); private memory as far as
 * .../enabled allows. Where the kernel cannot or has no such block at hand, there are ordinary
 * pages: nothing here fails for that. */
#ifndef REEVE_BASE_PAGES_H
#define REEVE_BASE_PAGES_H

#include <stdint.h>

#define REEVE_PAGES_BLOCK (2ull << 20)

/* Maps so much of a file from `offset` on (a multiple of the page), shared, so that its blocks can
 * be large pages. To be unmapped with munmap. NULL: it cannot be (errno). */
void *reeve_pages_map(int fd, uint64_t offset, uint64_t size, int protection);

/* Of a mapping by reeve_pages_map, from a block's first byte on, that may be written to: whole
 * blocks in which no page exists yet become large pages; so does the first one, if what stands in
 * it before `memory` exists already. All others stay as they are. Changes no content, whoever reads
 * or writes there meanwhile. */
void reeve_pages_make(void *memory, uint64_t size);

/* Of private memory that is about to be written to from one end to the other. */
void reeve_pages_advise(void *memory, uint64_t size);

#endif
