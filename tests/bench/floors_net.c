/* floors_net.c: a TCP stream and an nng round trip, both over loopback. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/floors_internal.h"

#define CHUNK_BYTES (256u << 10)

static void stream_peer(void *data)
{
    struct sockaddr_in *address = data;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static uint8_t chunk[CHUNK_BYTES];
    memset(chunk, 1, sizeof chunk);
    if (fd < 0 || connect(fd, (struct sockaddr *)address, sizeof *address) != 0)
        return;
    while (send(fd, chunk, sizeof chunk, MSG_NOSIGNAL) > 0)
        continue;
}

double floor_tcp_stream_gb_s(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint8_t *chunk = malloc(CHUNK_BYTES);
    if (listener < 0 || chunk == NULL ||
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return 0;
    pid_t peer = floor_peer_start(stream_peer, &address);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    uint64_t received = 0;
    uint64_t start = 0;
    uint64_t now = floor_now_ns();
    for (uint64_t begin = now; fd >= 0 && now - begin < FLOOR_NS; now = floor_now_ns()) {
        ssize_t count = recv(fd, chunk, CHUNK_BYTES, 0);
        if (count <= 0)
            break;
        if (start != 0)
            received += (uint64_t)count;
        else if (now - begin > FLOOR_NS / 8) /* the windows have grown */
            start = floor_now_ns();
    }
    floor_peer_stop(peer);
    return start == 0 ? 0 : (double)received / (double)(now - start);
}

struct meeting {
    _Atomic int port;
};

static void reply_peer(void *data)
{
    struct meeting *meeting = data;
    nng_socket socket;
    nng_listener listener;
    nng_sockaddr address;
    nng_msg *message;
    if (nng_rep0_open(&socket) != 0 || nng_listen(socket, "tcp://127.0.0.1:0", &listener, 0) != 0 ||
        nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &address) != 0) {
        atomic_store(&meeting->port, -1);
        return;
    }
    atomic_store(&meeting->port, ntohs(address.s_in.sa_port));
    while (nng_recvmsg(socket, &message, 0) == 0)
        if (nng_sendmsg(socket, message, 0) != 0)
            return;
}

double floor_nng_round_trip_us(void)
{
    struct meeting *meeting = floor_shared(sizeof *meeting);
    struct floor_samples samples;
    floor_samples_init(&samples);
    pid_t peer = floor_peer_start(reply_peer, meeting); /* forked before nng is used here */
    for (uint64_t end = floor_now_ns() + 2000000000u; meeting->port == 0 && floor_now_ns() < end;)
        usleep(1000);
    char url[64];
    nng_socket socket;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", meeting->port);
    if (meeting->port > 0 && nng_req0_open(&socket) == 0 && nng_dial(socket, url, NULL, 0) == 0) {
        (void)nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, 1000);
        char bytes[16] = "a call";
        uint64_t now = floor_now_ns();
        for (uint64_t end = now + FLOOR_NS; now < end;) {
            size_t size = sizeof bytes;
            if (nng_send(socket, bytes, sizeof bytes, 0) != 0 ||
                nng_recv(socket, bytes, &size, 0) != 0)
                break;
            uint64_t later = floor_now_ns();
            floor_samples_add(&samples, (double)(later - now) / 1e3);
            now = later;
        }
    }
    floor_peer_stop(peer);
    return floor_samples_median(&samples);
}
