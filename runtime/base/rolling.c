/* Files that are rotated by size: rolling.h. */
#include "runtime/base/rolling.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/errors.h"

static int open_file(struct reeve_rolling *rolling)
{
    int fd = open(rolling->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return REEVE_ESTATE;
    struct stat st;
    rolling->size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    rolling->fd = fd;
    return REEVE_OK;
}

int reeve_rolling_open(
    struct reeve_rolling *rolling, const char *path, uint64_t size_max, unsigned count)
{
    rolling->fd = -1;
    if (strlen(path) >= sizeof(rolling->path))
        return REEVE_EINVAL;
    snprintf(rolling->path, sizeof(rolling->path), "%s", path);
    rolling->size_max = size_max;
    rolling->count = count;
    return open_file(rolling);
}

void reeve_rolling_close(struct reeve_rolling *rolling)
{
    if (rolling->fd >= 0)
        close(rolling->fd);
    rolling->fd = -1;
}

/* path.2 -> path.3, path.1 -> path.2, path -> path.1, and a new path. When that fails, the old
 * file grows on. */
static void rotate(struct reeve_rolling *rolling)
{
    char from[PATH_MAX], to[PATH_MAX];
    for (unsigned i = rolling->count - 1; i > 0; i--) {
        snprintf(to, sizeof(to), "%s.%u", rolling->path, i);
        if (i > 1)
            snprintf(from, sizeof(from), "%s.%u", rolling->path, i - 1);
        else
            snprintf(from, sizeof(from), "%s", rolling->path);
        (void)rename(from, to);
    }
    if (rolling->count == 1)
        (void)unlink(rolling->path);
    int old = rolling->fd;
    if (open_file(rolling) == REEVE_OK)
        close(old);
    else
        rolling->fd = old;
}

bool reeve_rolling_write(struct reeve_rolling *rolling, const void *bytes, size_t size)
{
    if (rolling->size > 0 && rolling->size + size > rolling->size_max)
        rotate(rolling);
    ssize_t written = write(rolling->fd, bytes, size);
    if (written != (ssize_t)size) {
        int error = written < 0 ? errno : ENOSPC;
        if (written > 0) /* no part of a line stays, before which the next one would begin */
            (void)!ftruncate(rolling->fd, (off_t)rolling->size);
        errno = error;
        return false;
    }
    rolling->size += size;
    return true;
}
