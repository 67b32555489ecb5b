/* memory.c: shared memory without a name, which nobody can shrink under a reader. */
#include "runtime/channel/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int error_of(int os_error)
{
    switch (os_error) {
    case ENOMEM:
    case ENOSPC: return REEVE_ENOMEM;
    default: return REEVE_ESYSTEM;
    }
}

int reeve_memory_create(const char *name, size_t size_bytes, int *ret_fd)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return error_of(errno);
    if (ftruncate(fd, (off_t)size_bytes) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        int error = error_of(errno);
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

int reeve_memory_map(
    int fd, size_t size_bytes, unsigned flags, void **ret_memory, size_t *ret_size_bytes)
{
    /* The seal comes first: only with it does the size that fstat gives hold. */
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK))
        return REEVE_EPROTOCOL;
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_of(errno);
    if (status.st_size <= 0 || (size_t)status.st_size < size_bytes)
        return REEVE_EPROTOCOL;
    if (size_bytes == 0)
        size_bytes = (size_t)status.st_size;
    int map_flags = MAP_SHARED | (flags & REEVE_MEMORY_POPULATE ? MAP_POPULATE : 0);
    void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, map_flags, fd, 0);
    if (memory == MAP_FAILED)
        return error_of(errno);
    if (!(flags & REEVE_MEMORY_INHERIT) && madvise(memory, size_bytes, MADV_DONTFORK) != 0) {
        int error = error_of(errno);
        munmap(memory, size_bytes);
        return error;
    }
    *ret_memory = memory;
    *ret_size_bytes = size_bytes;
    return 0;
}

void reeve_memory_unmap(void *memory, size_t size_bytes)
{
    if (memory != NULL)
        munmap(memory, size_bytes);
}
