/* See reserve.h: descriptors that keep a place. */
#include "api/client/reserve.h"

#include <fcntl.h>
#include <unistd.h>

void reeve_reserve_fill(struct reeve_reserve *reserve, int model)
{
    while (reserve->count < REEVE_RESERVE_MAX) {
        int fd = fcntl(model, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            return;
        reserve->fds[reserve->count++] = fd;
    }
}

void reeve_reserve_yield(struct reeve_reserve *reserve, uint32_t count)
{
    while (count-- > 0 && reserve->count > 0)
        close(reserve->fds[--reserve->count]);
}
