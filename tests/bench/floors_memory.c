/* floors_memory.c: copying, and what fresh memory costs. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/bench/floors_internal.h"

#define COPY_BYTES (32u << 20)

static void *shared_memfd(void)
{
    int fd = memfd_create("floor", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, COPY_BYTES) != 0)
        return NULL;
    void *memory = mmap(NULL, COPY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return memory == MAP_FAILED ? NULL : memory;
}

/* GB/s of copies into memory that `fresh` says to make anew each time. */
static double copy_gb_s(int fresh)
{
    struct floor_samples samples;
    floor_samples_init(&samples);
    void *source = malloc(COPY_BYTES);
    void *target = shared_memfd();
    if (source == NULL || target == NULL)
        return 0;
    memset(source, 1, COPY_BYTES);
    if (!fresh)
        memcpy(target, source, COPY_BYTES);
    for (uint64_t end = floor_now_ns() + FLOOR_NS; floor_now_ns() < end;) {
        uint64_t start = floor_now_ns();
        memcpy(target, source, COPY_BYTES);
        floor_samples_add(&samples, COPY_BYTES / (double)(floor_now_ns() - start));
        __asm__ volatile("" : : "r"(target) : "memory");
        if (fresh) {
            munmap(target, COPY_BYTES);
            target = shared_memfd();
            if (target == NULL)
                return 0;
        }
    }
    return floor_samples_median(&samples);
}

double floor_memcpy_warm_gb_s(void)
{
    return copy_gb_s(0);
}

double floor_memory_first_touch_gb_s(void)
{
    return copy_gb_s(1);
}
