/* See strangers.h. */
#include "tests/unit/wire/strangers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/wire/sp.h"
#include "tests/unit/test.h"

#define PATIENCE_MS 20000

int stranger_connect(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void stranger_say(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

void stranger_say_message(int fd, const void *bytes, size_t size)
{
    uint8_t head[REEVE_SP_HEAD_SIZE_MAX];
    stranger_say(fd, head, reeve_sp_head_write(head, false, size));
    if (bytes != NULL)
        stranger_say(fd, bytes, size);
}

void stranger_until_closed(int fd)
{
    char bytes[64];
    ssize_t count = 1;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (count > 0) {
        assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
        count = recv(fd, bytes, sizeof bytes, 0);
    }
    assert_true(count == 0 || errno == ECONNRESET);
    close(fd);
}
