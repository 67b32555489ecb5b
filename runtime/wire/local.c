/* Messages between a client process and its node daemon: see local.h.
 *
 *   | struct up to its text, as it lies in memory | text_size bytes of text |     one machine
 *
 * Nothing here allocates. A message that is malformed in any way is refused whole, and the
 * descriptors that came with it are closed. */
#include "runtime/wire/local.h"

#include <ctype.h>
#include <errno.h>
#include <reeve_errors.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WIRE_HEAD_SIZE offsetof(struct reeve_local_message, text)
#define WIRE_MAX_SIZE  (WIRE_HEAD_SIZE + REEVE_LOCAL_TEXT_SIZE - 1)

/* Bytes of padding would carry memory of ours to the peer. */
_Static_assert(offsetof(struct reeve_local_message, token) == 48 && WIRE_HEAD_SIZE == 124,
    "the message has no padding before its text");

static int fill_address(const char *name, struct sockaddr_un *address, socklen_t *size)
{
    size_t length = strlen(name);
    if (length == 0 || length > sizeof address->sun_path - 1)
        return REEVE_EADDRESS;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + 1, name, length);
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    return REEVE_OK;
}

/* For an error path: close, with errno as it was. */
static int fail_closed(int fd, int error)
{
    int saved = errno;
    close(fd);
    errno = saved;
    return error;
}

static int check_peer(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return REEVE_ESYSTEM;
    return peer.uid == geteuid() ? REEVE_OK : REEVE_EKEY;
}

int reeve_local_listen(const char *name, int *ret_fd)
{
    struct sockaddr_un address;
    socklen_t size;
    int error = fill_address(name, &address, &size);
    if (error != REEVE_OK)
        return error;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return REEVE_ESYSTEM;
    if (bind(fd, (struct sockaddr *)&address, size) != 0)
        return fail_closed(fd, errno == EADDRINUSE ? REEVE_EADDRINUSE : REEVE_ESYSTEM);
    if (listen(fd, SOMAXCONN) != 0)
        return fail_closed(fd, REEVE_ESYSTEM);
    *ret_fd = fd;
    return REEVE_OK;
}

int reeve_local_accept(int listener, int *ret_fd)
{
    int fd;
    do
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0)
        return errno == EAGAIN ? REEVE_EAGAIN : REEVE_ESYSTEM;
    int error = check_peer(fd);
    if (error != REEVE_OK)
        return fail_closed(fd, error);
    *ret_fd = fd;
    return REEVE_OK;
}

int reeve_local_connect(const char *name, int *ret_fd)
{
    struct sockaddr_un address;
    socklen_t size;
    int error = fill_address(name, &address, &size);
    if (error != REEVE_OK)
        return error;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return REEVE_ESYSTEM;
    int done;
    do
        done = connect(fd, (struct sockaddr *)&address, size);
    while (done != 0 && errno == EINTR);
    if (done != 0)
        return fail_closed(fd, REEVE_ESYSTEM);
    error = check_peer(fd);
    if (error != REEVE_OK)
        return fail_closed(fd, error);
    *ret_fd = fd;
    return REEVE_OK;
}

int reeve_local_send(int fd, const struct reeve_local_message *message, int flags)
{
    if (message->text_size >= REEVE_LOCAL_TEXT_SIZE || message->fd_count > REEVE_LOCAL_FD_MAX)
        return REEVE_EINVAL;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * REEVE_LOCAL_FD_MAX)];
    } control;
    struct iovec part = {(void *)message, WIRE_HEAD_SIZE + message->text_size};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (message->fd_count > 0) {
        size_t fds_size = sizeof(int) * message->fd_count;
        memset(&control, 0, sizeof control);
        packet.msg_control = &control;
        packet.msg_controllen = CMSG_SPACE(fds_size);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(fds_size);
        memcpy(CMSG_DATA(&control.header), message->fds, fds_size);
    }
    ssize_t sent;
    do
        sent = sendmsg(fd, &packet, flags | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return REEVE_OK;
    if (errno == EAGAIN || errno == ENOBUFS)
        return REEVE_EAGAIN;
    return errno == EPIPE || errno == ECONNRESET ? REEVE_ESHUTDOWN : REEVE_ESYSTEM;
}

int reeve_local_decode(const void *bytes, size_t size, struct reeve_local_message *ret)
{
    struct reeve_local_message message;
    if (size < WIRE_HEAD_SIZE || size > WIRE_MAX_SIZE)
        return REEVE_EPROTOCOL;
    memcpy(&message, bytes, size);
    if (message.text_size != size - WIRE_HEAD_SIZE)
        return REEVE_EPROTOCOL;
    if (message.kind == REEVE_LOCAL_NONE || message.kind >= REEVE_LOCAL_KIND_COUNT)
        return REEVE_EPROTOCOL;
    if (message.kind != REEVE_LOCAL_FEED && memchr(message.text, 0, message.text_size) != NULL)
        return REEVE_EPROTOCOL;
    memset(message.text + message.text_size, 0, REEVE_LOCAL_TEXT_SIZE - message.text_size);
    message.fd_count = 0;
    for (size_t i = 0; i < REEVE_LOCAL_FD_MAX; i++)
        message.fds[i] = -1;
    *ret = message;
    return REEVE_OK;
}

int reeve_local_receive(int fd, struct reeve_local_message *ret, int flags)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * REEVE_LOCAL_FD_MAX)];
    } control;
    char bytes[WIRE_MAX_SIZE];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr packet = {.msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control};
    ssize_t size;
    /* A peer that closes with messages of ours unread resets the connection. That is told once,
     * before what it has sent us, which is still there. */
    do
        size = recvmsg(fd, &packet, flags | MSG_CMSG_CLOEXEC);
    while (size < 0 && (errno == EINTR || errno == ECONNRESET));
    if (size == 0)
        return REEVE_ESHUTDOWN;
    if (size < 0) {
        return errno == EAGAIN ? REEVE_EAGAIN : REEVE_ESYSTEM;
    }
    int fds[sizeof control / sizeof(int)];
    uint32_t fd_count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&packet); c != NULL; c = CMSG_NXTHDR(&packet, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        uint32_t count = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds + fd_count, CMSG_DATA(c), count * sizeof(int));
        fd_count += count;
    }
    bool cut = (packet.msg_flags & MSG_CTRUNC) != 0;
    bool too_much = (packet.msg_flags & MSG_TRUNC) != 0 || fd_count > REEVE_LOCAL_FD_MAX ||
                    (cut && fd_count == REEVE_LOCAL_FD_MAX);
    int error = too_much ? REEVE_EPROTOCOL : reeve_local_decode(bytes, (size_t)size, ret);
    if (error == REEVE_OK && cut) /* there was space for more, but no number in this process */
        error = REEVE_ESYSTEM;
    if (error != REEVE_OK) {
        for (uint32_t i = 0; i < fd_count; i++)
            close(fds[i]);
        errno = EMFILE;
        return error;
    }
    ret->fd_count = fd_count;
    memcpy(ret->fds, fds, fd_count * sizeof(int));
    return REEVE_OK;
}

bool reeve_local_brings_descriptors(int fd)
{
    char first;
    struct iovec part = {&first, sizeof first};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t size;
    do /* they do not fit into no space at all: that is told, and nothing is installed */
        size = recvmsg(fd, &packet, MSG_PEEK | MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    return size > 0 && (packet.msg_flags & MSG_CTRUNC) != 0;
}

bool reeve_local_actor_next(
    const void **bytes, size_t *size, struct reeve_local_actor *ret, const char **ret_text)
{
    if (*size < sizeof *ret)
        return false;
    memcpy(ret, *bytes, sizeof *ret);
    if (ret->text_size > *size - sizeof *ret || ret->state > REEVE_LOCAL_ACTOR_DEAD)
        return false;
    *ret_text = (const char *)*bytes + sizeof *ret;
    *bytes = *ret_text + ret->text_size;
    *size -= sizeof *ret + ret->text_size;
    return true;
}

void reeve_local_set_text(struct reeve_local_message *message, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vsnprintf(message->text, sizeof message->text, format, values);
    va_end(values);
    if (length < 0)
        length = 0;
    message->text_size = (uint32_t)length < sizeof message->text
                             ? (uint32_t)length
                             : (uint32_t)sizeof message->text - 1;
}

bool reeve_local_line_take(const char **text, char *line, size_t size)
{
    size_t length = strcspn(*text, "\n");
    if (length >= size)
        return false;
    memcpy(line, *text, length);
    line[length] = 0;
    *text += length + ((*text)[length] == '\n');
    return true;
}

const char *reeve_local_kind_name(enum reeve_local_kind kind)
{
    static const char *const names[REEVE_LOCAL_KIND_COUNT] = {"none", "hello", "demand",
        "lease_return", "take_back", "create", "seal", "abort", "get", "unpin", "free", "lend",
        "blocked", "owns", "bye", "welcome", "refused", "channel", "lease_lost", "lease_recall",
        "channel_close", "infeasible", "deadlock", "segment", "segment_gone", "created", "sealed",
        "got", "output", "head", "give", "cancel", "segment_ready", "failed", "hold", "relax",
        "credit", "name", "named", "progress", "keep", "kept", "kill", "actors", "feed", "ask",
        "over", "given"};
    return (unsigned)kind < REEVE_LOCAL_KIND_COUNT && names[kind] != NULL ? names[kind] : "unknown";
}

void reeve_local_known_name(const char *head_address, char *name)
{
    char normal[256];
    size_t length = 0;
    bool tcp = true;
    if (strncmp(head_address, "tls+tcp://", 10) == 0)
        head_address += 4;
    if (strncmp(head_address, "tcp://", 6) == 0)
        head_address += 6;
    else if (strstr(head_address, "://") != NULL)
        tcp = false;
    if (tcp && strncasecmp(head_address, "localhost", 9) == 0 &&
        (head_address[9] == 0 || head_address[9] == ':')) {
        head_address += 9;
        length = (size_t)snprintf(normal, sizeof normal, "127.0.0.1");
    }
    for (; *head_address != 0 && length < sizeof normal - 8; head_address++)
        normal[length++] = tcp ? (char)tolower((unsigned char)*head_address) : *head_address;
    normal[length] = 0;
    const char *colon = strrchr(normal, ':'), *bracket = strrchr(normal, ']');
    if (tcp && (colon == NULL || (bracket != NULL && bracket > colon)))
        length +=
            (size_t)snprintf(normal + length, sizeof normal - length, ":%d", REEVE_LOCAL_HEAD_PORT);
    uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)normal[i]) * 0x100000001b3ull;
    snprintf(name, REEVE_LOCAL_NAME_SIZE, "reeve-%u-%016llx", (unsigned)geteuid(),
        (unsigned long long)hash);
}
