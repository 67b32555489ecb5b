/* Runs of items in messages of the unix socket: few bytes in the text, more in a memfd that rides
 * along, so that a daemon passes them on without reading them. */
#include <fcntl.h>
#include <reeve_errors.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/wire/local.h"

static int all_write(int fd, const uint8_t *bytes, size_t size)
{
    while (size != 0) {
        ssize_t written = write(fd, bytes, size);
        if (written <= 0)
            return REEVE_ESYSTEM;
        bytes += written;
        size -= (size_t)written;
    }
    return REEVE_OK;
}

int reeve_local_run_put(struct reeve_local_message *message, const void *bytes, size_t size)
{
    message->size = size;
    message->text_size = 0;
    message->fd_count = 0;
    if (size < REEVE_LOCAL_TEXT_SIZE) {
        message->text_size = (uint32_t)size;
        memcpy(message->text, bytes, size);
        return REEVE_OK;
    }
    int fd = memfd_create("reeve-items", MFD_CLOEXEC);
    if (fd < 0)
        return REEVE_ESYSTEM;
    int error = all_write(fd, bytes, size);
    if (error != REEVE_OK) {
        close(fd);
        return error;
    }
    message->fds[0] = fd;
    message->fd_count = 1;
    return REEVE_OK;
}

int reeve_local_run_get(const struct reeve_local_message *message, struct reeve_buffer *ret)
{
    if (message->fd_count == 0)
        return message->size == message->text_size
                   ? reeve_buffer_append(ret, message->text, message->text_size)
                   : REEVE_EPROTOCOL;
    /* only of memory is it certain that reading it takes no time */
    if (message->fd_count != 1 || message->size > REEVE_LOCAL_RUN_MAX ||
        fcntl(message->fds[0], F_GET_SEALS) < 0)
        return REEVE_EPROTOCOL;
    size_t size = (size_t)message->size, at = 0;
    uint8_t *room = reeve_buffer_reserve(ret, size);
    if (room == NULL)
        return REEVE_ENOMEM;
    while (at != size) {
        ssize_t got = pread(message->fds[0], room + at, size - at, (off_t)at);
        if (got <= 0)
            return REEVE_EPROTOCOL;
        at += (size_t)got;
    }
    reeve_buffer_commit(ret, size);
    return REEVE_OK;
}
