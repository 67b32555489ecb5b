/* See wake.h. */
#include "runtime/wire/wake.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <reeve_errors.h>

#include "runtime/base/macros.h"

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct reeve_wake *wake = REEVE_CONTAINER_OF(poll, struct reeve_wake, poll);
    uint64_t count;
    (void)status;
    (void)events;
    (void)!read(wake->fd, &count, sizeof count);
    wake->woken(wake);
}

int reeve_wake_open(
    struct reeve_wake *wake, uv_loop_t *loop, void (*woken)(struct reeve_wake *wake))
{
    wake->woken = woken;
    wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake->fd < 0)
        return REEVE_ESYSTEM;
    if (uv_poll_init(loop, &wake->poll, wake->fd) != 0) {
        close(wake->fd);
        return REEVE_ESYSTEM;
    }
    uv_poll_start(&wake->poll, UV_READABLE, on_readable);
    return REEVE_OK;
}

void reeve_wake_send(struct reeve_wake *wake)
{
    uint64_t one = 1; /* a full counter refuses it, and wakes all the same */
    (void)!write(wake->fd, &one, sizeof one);
}

void reeve_wake_close(struct reeve_wake *wake, uv_close_cb closed)
{
    uv_close((uv_handle_t *)&wake->poll, closed);
    close(wake->fd);
}
