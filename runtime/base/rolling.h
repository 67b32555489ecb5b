/* rolling.h: a file that is written at its end, and bounded: where it would grow too large it
 * becomes path.1, what was that path.2, and so on; the oldest is forgotten.
 *
 * Not thread-safe. */
#ifndef REEVE_BASE_ROLLING_H
#define REEVE_BASE_ROLLING_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reeve_rolling {
    char path[PATH_MAX - 16]; /* room for .N */
    int fd;                   /* -1: not open */
    uint64_t size, size_max;
    unsigned count; /* of files in all */
};

/* Of any size but 0; a start goes on with what is there. REEVE_OK; REEVE_EINVAL: the path is too
 * long; REEVE_ESTATE: errno says why it cannot be opened. */
int reeve_rolling_open(
    struct reeve_rolling *rolling, const char *path, uint64_t size_max, unsigned count);
void reeve_rolling_close(struct reeve_rolling *rolling);

/* All of it, in one file, or nothing: then errno says why. */
bool reeve_rolling_write(struct reeve_rolling *rolling, const void *bytes, size_t size);

#endif
