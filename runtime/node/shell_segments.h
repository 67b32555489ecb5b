/* The memory of the object store: one memfd for each segment.
 *
 * Its size is sealed, so that whoever maps it can touch every byte of it for ever: no SIGBUS. Its
 * pages come when they are touched, and are not asked for beforehand: `fallocate` would wake the
 * out-of-memory killer instead of failing, and a memfd has no limit of its own. Instead the store
 * counts what may have been touched (REEVE_STORE_GRAIN), is told what the machine and the cgroup
 * have to spare (reeve_segments_spare), and does not grow beyond.
 *
 * The one writer of a segment gets the descriptor itself; readers get one of their own, opened for
 * reading, through which no writable mapping can be made. Readers' descriptors live only as long as
 * they are being sent. */
#ifndef REEVE_NODE_SHELL_SEGMENTS_H
#define REEVE_NODE_SHELL_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

struct reeve_segments;

/* NULL when there is no memory. */
struct reeve_segments *reeve_segments_create(void);
/* Takes NULL. All pages are given back, whoever still maps them. */
void reeve_segments_free(struct reeve_segments *segments);

/* REEVE_ENOMEM, REEVE_ESYSTEM (errno): then it exists as a number only, and everything below fails
 * for it. */
int reeve_segments_add(struct reeve_segments *segments, uint32_t number, uint64_t size_bytes);
/* Gives the pages back first: a stopped process may keep its mapping for long. */
void reeve_segments_drop(struct reeve_segments *segments, uint32_t number);
int reeve_segments_punch(
    struct reeve_segments *segments, uint32_t number, uint64_t offset, uint64_t length);
bool reeve_segments_good(const struct reeve_segments *segments, uint32_t number);

/* The segment's own descriptor, good as long as the segment is; -1: there is none. */
int reeve_segments_file(const struct reeve_segments *segments, uint32_t number);
/* A descriptor for a writer or a reader, to be closed by the caller. REEVE_EINVAL, REEVE_ESYSTEM
 * (errno). */
int reeve_segments_descriptor(
    const struct reeve_segments *segments, uint32_t number, bool writable, int *ret_fd);
/* Touches pages that never were; slow (a millisecond a MiB): for a thread of its own. Content
 * stays. REEVE_ESYSTEM (errno). */
int reeve_segments_touch(int fd, uint64_t offset, uint64_t length);
/* The same as reeve_segments_punch; slow, too (a millisecond for a few MiB). */
int reeve_segments_give_back(int fd, uint64_t offset, uint64_t length);
/* For what is sent or received in place: the segment's memory, for as long as anybody who has asked
 * for it has not given it back, and a while longer: to map its pages again costs as much as to copy
 * half of them. NULL: it cannot be. */
uint8_t *reeve_segments_map(struct reeve_segments *segments, uint32_t number);
void reeve_segments_unmap(struct reeve_segments *segments, uint32_t number);
/* Unmaps some of what nobody has needed for a while, so that the daemon's own memory stays small;
 * true: there is more. In slices, as it takes a millisecond for 64 MiB. */
bool reeve_segments_trim(struct reeve_segments *segments, uint64_t now_ns);
/* When that has something to do; UINT64_MAX: never. */
uint64_t reeve_segments_trim_ns(const struct reeve_segments *segments);
/* Copies, without a mapping. REEVE_EINVAL, REEVE_ESYSTEM (errno). */
int reeve_segments_read(const struct reeve_segments *segments, uint32_t number, uint64_t offset,
    void *bytes, uint64_t length);
int reeve_segments_write(const struct reeve_segments *segments, uint32_t number, uint64_t offset,
    const void *bytes, uint64_t length);

/* Pages that exist, over all segments. */
uint64_t reeve_segments_resident(const struct reeve_segments *segments);
/* How much the store may grow: what the machine and the cgroup have to spare, less headroom, less
 * what the store has been promised already (committed_bytes) without having touched it. */
uint64_t reeve_segments_spare(const struct reeve_segments *segments, uint64_t committed_bytes);

#endif
