/* Reads what the kernel says of this boot and this pid namespace; and pieces of files. */
#include "runtime/base/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/errors.h"

const char *reeve_machine_id(char text[REEVE_MACHINE_SIZE])
{
    char boot[64];
    struct stat space;
    text[0] = 0;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return text;
    ssize_t size = read(fd, boot, sizeof(boot) - 1);
    close(fd);
    if (size <= 0 || stat("/proc/self/ns/pid", &space) < 0)
        return text;
    boot[size] = 0;
    boot[strcspn(boot, "\n")] = 0;
    snprintf(text, REEVE_MACHINE_SIZE, "%.40s/%llu", boot, (unsigned long long)space.st_ino);
    return text;
}

long reeve_file_piece(const char *path, int64_t *offset, void *out, size_t size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return REEVE_ESYSTEM;
    ssize_t count = -1;
    if (fstat(fd, &st) == 0) {
        if (*offset < 0)
            *offset = *offset < -st.st_size ? 0 : st.st_size + *offset;
        if (*offset > st.st_size)
            *offset = st.st_size;
        count = pread(fd, out, size, *offset);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return count < 0 ? REEVE_ESYSTEM : count;
}

uint64_t reeve_machine_oom_kills(void)
{
    char line[128];
    unsigned long long count = 0;
    FILE *file = fopen("/proc/vmstat", "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "oom_kill %llu", &count) == 1)
            break;
    fclose(file);
    return count;
}
