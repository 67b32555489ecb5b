/* Asks the kernel from which of our addresses a head is reached; see local_address.h. */
#include "api/cli/local_address.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/errors.h"
#include "runtime/wire/address.h"

/* Connecting a datagram socket sends nothing, but makes the kernel choose the local address. */
static int route_to(const struct addrinfo *peer, struct sockaddr_storage *ret, socklen_t *ret_size)
{
    int fd = socket(peer->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return REEVE_ESYSTEM;
    int error = REEVE_OK;
    if (connect(fd, peer->ai_addr, peer->ai_addrlen) < 0 ||
        getsockname(fd, (struct sockaddr *)ret, ret_size) < 0)
        error = REEVE_ESYSTEM;
    int saved = errno;
    close(fd);
    errno = saved;
    return error;
}

static int tcp_address(const struct reeve_address *head, char *listen, char *text)
{
    char port[8], host[NI_MAXHOST] = "";
    struct addrinfo *peers, hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    snprintf(port, sizeof(port), "%u", head->port);
    int code = getaddrinfo(head->host, port, &hints, &peers);
    if (code != 0) {
        snprintf(text, REEVE_TEXT_SIZE, "the host name %s cannot be resolved: %s", head->host,
            code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
        return REEVE_ENOCLUSTER;
    }
    struct sockaddr_storage local = {0};
    socklen_t size = sizeof(local);
    int error = REEVE_ESYSTEM;
    for (struct addrinfo *peer = peers; peer && error; peer = peer->ai_next) {
        size = sizeof(local);
        error = route_to(peer, &local, &size);
    }
    freeaddrinfo(peers);
    if (error || getnameinfo((struct sockaddr *)&local, size, host, sizeof(host), NULL, 0,
                     NI_NUMERICHOST) != 0) {
        snprintf(text, REEVE_TEXT_SIZE, "there is no route to %s: %s", head->host, strerror(errno));
        return REEVE_ENOCLUSTER;
    }
    struct reeve_address address = {.scheme = head->scheme};
    if (snprintf(address.host, sizeof(address.host), "%s", host) >= (int)sizeof(address.host))
        return REEVE_EADDRESS;
    reeve_address_format(&address, listen);
    return REEVE_OK;
}

int reeve_cli_local_address(
    const char *head, const char *purpose, char listen[REEVE_ADDRESS_SIZE], char *text)
{
    struct reeve_address address;
    int error = reeve_address_parse_peer(head, &address, text);
    if (error)
        return error;
    if (address.scheme != REEVE_ADDRESS_ABSTRACT)
        return tcp_address(&address, listen, text);
    uint64_t number;
    if (getrandom(&number, sizeof(number), 0) != sizeof(number))
        return REEVE_ESYSTEM;
    snprintf(listen, REEVE_ADDRESS_SIZE, "abstract://reeve-%u-%016" PRIx64 "-%s",
        (unsigned)getuid(), number, purpose);
    return REEVE_OK;
}
