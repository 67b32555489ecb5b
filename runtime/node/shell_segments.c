/* Segments: memfds, descriptors, and what the machine has to spare. */
#include "runtime/node/shell_segments.h"

#include <errno.h>
#include <fcntl.h>
#include <reeve_errors.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/cpus.h"
#include "runtime/base/macros.h"
#include "runtime/base/pages.h"
#include "runtime/channel/channel.h"

#define HEADROOM_MIN     (64ull << 20)
#define HEADROOM_PERCENT 5
#define IDLE_NS          (3 * REEVE_NS_PER_S) /* what is mapped is kept, in case */
#define TRIM_SIZE        (16ull << 20)

struct segment {
    int fd; /* -1: there is none */
    uint64_t size;
    uint8_t *memory; /* NULL: not mapped */
    uint32_t user_count;
    uint64_t idle_ns;    /* mapped, without users: until then */
    uint64_t trim_bytes; /* of the mapping, whose pages are not mapped any more */
};

struct reeve_segments {
    struct segment *segments; /* by number */
    uint32_t count;
    uint32_t idle_count; /* mapped, without users */
};

struct reeve_segments *reeve_segments_create(void)
{
    return calloc(1, sizeof(struct reeve_segments));
}

void reeve_segments_free(struct reeve_segments *segments)
{
    if (segments == NULL)
        return;
    for (uint32_t i = 0; i < segments->count; i++)
        reeve_segments_drop(segments, i);
    free(segments->segments);
    free(segments);
}

static struct segment *find(const struct reeve_segments *segments, uint32_t number)
{
    if (number >= segments->count || segments->segments[number].fd < 0)
        return NULL;
    return &segments->segments[number];
}

bool reeve_segments_good(const struct reeve_segments *segments, uint32_t number)
{
    return find(segments, number) != NULL;
}

int reeve_segments_add(struct reeve_segments *segments, uint32_t number, uint64_t size_bytes)
{
    if (number >= segments->count) {
        uint32_t count = REEVE_MAX(number + 1, segments->count * 2);
        struct segment *grown = realloc(segments->segments, count * sizeof(*grown));
        if (grown == NULL)
            return REEVE_ENOMEM;
        for (uint32_t i = segments->count; i < count; i++)
            grown[i] = (struct segment){.fd = -1};
        segments->segments = grown;
        segments->count = count;
    }
    int fd;
    int error = reeve_memory_create("reeve-store", size_bytes, &fd);
    if (error != REEVE_OK)
        return error;
    (void)fchmod(
        fd, S_IRUSR); /* so that a reader does not come to write by accident, through /proc */
    segments->segments[number] = (struct segment){.fd = fd, .size = size_bytes};
    return REEVE_OK;
}

static void unmap(struct reeve_segments *segments, struct segment *segment)
{
    if (segment->memory == NULL)
        return;
    munmap(segment->memory, segment->size);
    segment->memory = NULL;
    segments->idle_count -= segment->user_count == 0;
}

void reeve_segments_drop(struct reeve_segments *segments, uint32_t number)
{
    struct segment *segment = find(segments, number);
    if (segment == NULL)
        return;
    (void)reeve_segments_punch(segments, number, 0, segment->size);
    unmap(segments, segment);
    close(segment->fd);
    *segment = (struct segment){.fd = -1};
}

int reeve_segments_give_back(int fd, uint64_t offset, uint64_t length)
{
    int failed;
    do {
        failed =
            fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length);
    } while (failed && errno == EINTR);
    return failed ? REEVE_ESYSTEM : REEVE_OK;
}

int reeve_segments_punch(
    struct reeve_segments *segments, uint32_t number, uint64_t offset, uint64_t length)
{
    struct segment *segment = find(segments, number);
    if (segment == NULL || offset > segment->size || length > segment->size - offset)
        return REEVE_EINVAL;
    return reeve_segments_give_back(segment->fd, offset, length);
}

int reeve_segments_file(const struct reeve_segments *segments, uint32_t number)
{
    const struct segment *segment = find(segments, number);
    return segment != NULL ? segment->fd : -1;
}

int reeve_segments_descriptor(
    const struct reeve_segments *segments, uint32_t number, bool writable, int *ret_fd)
{
    const struct segment *segment = find(segments, number);
    if (segment == NULL)
        return REEVE_EINVAL;
    int fd;
    if (writable) {
        fd = fcntl(segment->fd, F_DUPFD_CLOEXEC, 0);
    } else {
        char path[64];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", segment->fd);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return REEVE_ESYSTEM;
    *ret_fd = fd;
    return REEVE_OK;
}

/* A mapping of its own, because `fallocate` leaves the zeroing of pages, and the machine's own
 * first touch under a hypervisor, to whoever comes later. */
int reeve_segments_touch(int fd, uint64_t offset, uint64_t length)
{
    uint64_t before = offset % REEVE_PAGES_BLOCK;
    uint8_t *memory = reeve_pages_map(fd, offset - before, before + length, PROT_READ | PROT_WRITE);
    if (memory == NULL)
        return REEVE_ESYSTEM;
    reeve_pages_make(memory + before, length);
    int code =
        madvise(memory + before, length, MADV_POPULATE_WRITE) == 0 ? REEVE_OK : REEVE_ESYSTEM;
    int error = errno;
    munmap(memory, before + length);
    errno = error;
    return code;
}

int reeve_segments_read(const struct reeve_segments *segments, uint32_t number, uint64_t offset,
    void *bytes, uint64_t length)
{
    const struct segment *segment = find(segments, number);
    if (segment == NULL || offset > segment->size || length > segment->size - offset)
        return REEVE_EINVAL;
    for (uint64_t done = 0; done < length;) {
        ssize_t size =
            pread(segment->fd, (uint8_t *)bytes + done, length - done, (off_t)(offset + done));
        if (size <= 0)
            return REEVE_ESYSTEM;
        done += (uint64_t)size;
    }
    return REEVE_OK;
}

int reeve_segments_write(const struct reeve_segments *segments, uint32_t number, uint64_t offset,
    const void *bytes, uint64_t length)
{
    const struct segment *segment = find(segments, number);
    if (segment == NULL || offset > segment->size || length > segment->size - offset)
        return REEVE_EINVAL;
    for (uint64_t done = 0; done < length;) {
        ssize_t size = pwrite(
            segment->fd, (const uint8_t *)bytes + done, length - done, (off_t)(offset + done));
        if (size <= 0)
            return REEVE_ESYSTEM;
        done += (uint64_t)size;
    }
    return REEVE_OK;
}

/* --- mappings --------------------------------------------------------------------------------- */

uint8_t *reeve_segments_map(struct reeve_segments *segments, uint32_t number)
{
    struct segment *segment = find(segments, number);
    if (segment == NULL)
        return NULL;
    if (segment->memory == NULL) {
        void *memory = reeve_pages_map(segment->fd, 0, segment->size, PROT_READ | PROT_WRITE);
        if (memory == NULL)
            return NULL;
        segment->memory = memory;
        segments->idle_count++;
    }
    segments->idle_count -= segment->user_count == 0;
    segment->user_count++;
    segment->trim_bytes = 0;
    return segment->memory;
}

void reeve_segments_unmap(struct reeve_segments *segments, uint32_t number)
{
    struct segment *segment = find(segments, number);
    if (segment == NULL || segment->user_count == 0 || --segment->user_count > 0)
        return;
    segment->idle_ns = reeve_clock_monotonic_ns() + IDLE_NS;
    segments->idle_count++;
}

bool reeve_segments_trim(struct reeve_segments *segments, uint64_t now_ns)
{
    for (uint32_t i = 0; i < segments->count && segments->idle_count > 0; i++) {
        struct segment *segment = &segments->segments[i];
        if (segment->memory == NULL || segment->user_count > 0 || segment->idle_ns > now_ns)
            continue;
        uint64_t bytes = REEVE_MIN(segment->size - segment->trim_bytes, TRIM_SIZE);
        (void)madvise(segment->memory + segment->trim_bytes, bytes, MADV_DONTNEED);
        segment->trim_bytes += bytes;
        if (segment->trim_bytes == segment->size)
            unmap(segments, segment);
        return true;
    }
    return false;
}

uint64_t reeve_segments_trim_ns(const struct reeve_segments *segments)
{
    uint64_t first_ns = UINT64_MAX;
    for (uint32_t i = 0; i < segments->count && segments->idle_count > 0; i++) {
        const struct segment *segment = &segments->segments[i];
        if (segment->memory != NULL && segment->user_count == 0)
            first_ns = REEVE_MIN(first_ns, segment->idle_ns);
    }
    return first_ns;
}

/* --- memory of the machine -------------------------------------------------------------------- */

uint64_t reeve_segments_resident(const struct reeve_segments *segments)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < segments->count; i++) {
        struct stat status;
        if (segments->segments[i].fd >= 0 && fstat(segments->segments[i].fd, &status) == 0)
            bytes += (uint64_t)status.st_blocks * 512;
    }
    return bytes;
}

uint64_t reeve_segments_spare(const struct reeve_segments *segments, uint64_t committed_bytes)
{
    struct reeve_memory memory;
    if (reeve_memory_detect("", &memory) != REEVE_OK)
        return UINT64_MAX; /* unknown: the store's own capacity has to do */
    uint64_t resident = reeve_segments_resident(segments);
    uint64_t reserved = REEVE_MAX(memory.total_bytes / 100 * HEADROOM_PERCENT, HEADROOM_MIN);
    if (committed_bytes > resident)
        reserved += committed_bytes - resident;
    return memory.available_bytes > reserved ? memory.available_bytes - reserved : 0;
}
