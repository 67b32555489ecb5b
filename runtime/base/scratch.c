/* scratch.c: see scratch.h. */
#include "runtime/base/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <reeve_errors.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FILES 16 /* that nftw may use; deeper trees take it longer */
#define TRIES      8

const char *reeve_scratch_root(void)
{
    static const char *const names[] = {"REEVE_SCRATCH", "TMPDIR"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] == '/')
            return value;
    }
    return "/tmp";
}

static int write_prefix(char *text, size_t size)
{
    return snprintf(text, size, "reeve-scratch-%u-", (unsigned)geteuid());
}

void reeve_scratch_path(
    const char *root, uint64_t incarnation, uint32_t serial, char path[REEVE_SCRATCH_PATH_SIZE])
{
    char prefix[64];
    write_prefix(prefix, sizeof prefix);
    snprintf(path, REEVE_SCRATCH_PATH_SIZE, "%.4000s/%s%016" PRIx64 "-%" PRIx32, root, prefix,
        incarnation, serial);
}

/* ---- locks ----------------------------------------------------------------------------------- */

/* The descriptor is that of what the path names now. */
static bool is_at(int fd, const char *path)
{
    struct stat by_fd, by_path;
    return fstat(fd, &by_fd) == 0 && lstat(path, &by_path) == 0 && by_fd.st_dev == by_path.st_dev &&
           by_fd.st_ino == by_path.st_ino;
}

/* Not where the file system has no locks: nobody can sweep there either. */
static bool is_taken(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

int reeve_scratch_hold(const char *path, int *ret_fd)
{
    for (int i = 0; i < TRIES; i++) {
        if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST)
            return REEVE_ESYSTEM;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && !is_taken(fd) && is_at(fd, path)) {
            *ret_fd = fd;
            return REEVE_OK;
        }
        int error = errno;
        if (fd >= 0)
            close(fd); /* whoever sweeps has just removed it */
        else if (error != ENOENT)
            return errno = error, REEVE_ESYSTEM;
    }
    errno = EBUSY;
    return REEVE_ESYSTEM;
}

/* ---- removing -------------------------------------------------------------------------------- */

static __thread bool again; /* a folder that could not be read can be now */

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)where;
    if (kind == FTW_DNR)
        again = chmod(path, S_IRWXU) == 0 || again;
    else
        (void)remove(path); /* what stays is found at the end */
    return 0;
}

/* Something of the task's may still be writing: its processes are being killed. */
int reeve_scratch_remove(const char *path)
{
    for (int i = 0; i < TRIES; i++) {
        if (rmdir(path) == 0 || errno == ENOENT)
            return REEVE_OK;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return REEVE_ESYSTEM;
        do {
            again = false;
            (void)nftw(path, remove_one, OPEN_FILES, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        } while (again);
    }
    return rmdir(path) == 0 || errno == ENOENT ? REEVE_OK : REEVE_ESYSTEM;
}

static bool remove_if_dead(const char *path)
{
    struct stat status;
    bool removed = false;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (fstat(fd, &status) == 0 && status.st_uid == geteuid() &&
        flock(fd, LOCK_EX | LOCK_NB) == 0 && is_at(fd, path))
        removed = reeve_scratch_remove(path) == REEVE_OK;
    close(fd);
    return removed;
}

unsigned reeve_scratch_sweep(const char *root)
{
    char prefix[64], path[REEVE_SCRATCH_PATH_SIZE];
    size_t length = (size_t)write_prefix(prefix, sizeof prefix);
    unsigned count = 0;
    DIR *folder = opendir(root);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, prefix, length) != 0 ||
            snprintf(path, sizeof path, "%.3900s/%s", root, entry->d_name) >= (int)sizeof path)
            continue;
        count += remove_if_dead(path);
    }
    if (folder != NULL)
        closedir(folder);
    return count;
}
