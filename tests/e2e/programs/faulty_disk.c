/* A disk that fails, for a daemon that is started with this library preloaded: of the files in the
 * folder FAULTY_DISK, reads give EIO as long as FAULTY_DISK.no-reads exists, and writes as long as
 * FAULTY_DISK.no-writes does. The daemon's workers do not get it. */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static char folder[1024];

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("FAULTY_DISK");
    snprintf(folder, sizeof(folder), "%s", name != NULL ? name : "/nowhere");
    *(void **)&real_pread = dlsym(RTLD_NEXT, "pread");
    *(void **)&real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    unsetenv("LD_PRELOAD");
}

static bool fails(int fd, const char *what)
{
    char link[64], path[sizeof(folder)], flag[sizeof(folder) + 16];
    size_t length = strlen(folder);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof(path));
    if (size <= (ssize_t)length || memcmp(path, folder, length) != 0 || path[length] != '/')
        return false;
    snprintf(flag, sizeof(flag), "%s.%s", folder, what);
    return access(flag, F_OK) == 0;
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
    if (!fails(fd, "no-reads"))
        return real_pread(fd, bytes, size, offset);
    errno = EIO;
    return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    if (!fails(fd, "no-writes"))
        return real_pwrite(fd, bytes, size, offset);
    errno = EIO;
    return -1;
}
