/* The path between nodes, for nodes.py, which makes the hosts and starts everything:
 *
 *     reeve_bench_nodes serve ADDRESS          the far end of the floors
 *     reeve_bench_nodes floors ADDRESS         the bare mechanism between the two hosts: a stream
 *     reeve_bench_nodes drive SECONDS [ROW]    Reeve over the same way, as a driver that joins
 *     reeve_bench_nodes calls                  the same, one call at a time: takes turns (below)
 *     reeve_bench_nodes call_floor ADDRESS     what is under such a call, likewise
 *     reeve_bench_nodes broadcast FILE         one value for a task on each of four nodes, likewise
 *
 * Each measurement is printed as a line "name value". Every answer is checked.
 *
 * Those that take turns measure when a line comes to stdin, "hot" or "cold", and print the
 * times, in microseconds, as a line: so a host that is fast now and slow then is the same to
 * both. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/floors_internal.h"

#define NNG_PORT        7001
#define STREAM_PORT     7002
#define CHUNK_BYTES     (256u << 10)
#define FLOOR_S         0.5
#define IN_FLIGHT       4000
#define HOT_A_TURN      200
#define COLD_A_TURN     10
#define COLD_PAUSE_NS   5000000
#define LARGE_BYTES     (64u << 20)
#define LARGE_ROUNDS    7
#define BROADCAST_BYTES (1u << 30)
#define BROADCAST_NODES 4

REEVE_REMOTE(int64_t, next, (int64_t, x))
{
    return x + 1;
}

/* The last byte, so that nothing is read but what has travelled. */
REEVE_REMOTE(int64_t, last, (reeve_bytes, value))
{
    return ((const uint8_t *)value.data)[value.size - 1];
}

/* Reads as much, and stays until `count` of them are there: each on a node of its own. */
REEVE_REMOTE(int64_t, meet, (reeve_bytes, value), (reeve_string, file), (int64_t, count))
{
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, ".", 1) != 1)
        reeve_fail(1, "%s cannot be written to", file);
    struct stat stat = {0};
    while (fstat(fd, &stat) == 0 && stat.st_size < count)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    close(fd);
    return ((const uint8_t *)value.data)[value.size - 1];
}

REEVE_REMOTE(reeve_bytes, make, (int64_t, size), (int64_t, byte))
{
    uint8_t *bytes = reeve_alloc((size_t)size);
    memset(bytes, (int)byte, (size_t)size);
    return (reeve_bytes){bytes, (size_t)size};
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

static void say(const char *name, double value)
{
    printf("%s %.6g\n", name, value);
    fflush(stdout);
}

static void fail(const char *what)
{
    fprintf(stderr, "reeve_bench_nodes: %s\n", what);
    exit(1);
}

/* ---- floors ---------------------------------------------------------------------------------- */

static void *stream_serve(void *arg)
{
    int listener = *(int *)arg;
    static uint8_t chunk[CHUNK_BYTES];
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        while (fd >= 0 && recv(fd, chunk, sizeof chunk, 0) > 0)
            continue;
        close(fd);
    }
    return NULL;
}

static int stream_socket(const char *address, struct sockaddr_in *ret)
{
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(STREAM_PORT)};
    inet_pton(AF_INET, address, &ret->sin_addr);
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void serve(const char *address)
{
    struct sockaddr_in own;
    int listener = stream_socket(address, &own), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&own, sizeof own) != 0 || listen(listener, 1) != 0)
        fail("cannot listen");
    pthread_t thread;
    if (pthread_create(&thread, NULL, stream_serve, &listener) != 0)
        fail("no thread");
    char url[64];
    nng_socket socket;
    nng_msg *message;
    snprintf(url, sizeof url, "tcp://%s:%d", address, NNG_PORT);
    if (nng_rep0_open(&socket) != 0 || nng_listen(socket, url, NULL, 0) != 0)
        fail("cannot listen with nng");
    say("ready", 1);
    while (nng_recvmsg(socket, &message, 0) == 0 && nng_sendmsg(socket, message, 0) == 0)
        continue;
}

static void floor_stream(const char *address)
{
    struct sockaddr_in far;
    int fd = stream_socket(address, &far);
    static uint8_t chunk[CHUNK_BYTES];
    if (connect(fd, (struct sockaddr *)&far, sizeof far) != 0)
        fail("cannot connect");
    double begin = now_s(), end = begin + FLOOR_S, bytes = 0;
    for (int warm = 1; warm >= 0; warm--) {
        begin = now_s();
        bytes = 0;
        for (end = begin + (warm ? FLOOR_S / 4 : FLOOR_S); now_s() < end; bytes += sizeof chunk)
            for (size_t sent = 0; sent < sizeof chunk;) {
                ssize_t count = send(fd, chunk + sent, sizeof chunk - sent, MSG_NOSIGNAL);
                if (count <= 0)
                    fail("the stream broke");
                sent += (size_t)count;
            }
    }
    say("tcp_stream", bytes / (now_s() - begin) / 1e9);
    close(fd);
}

/* ---- in turns -------------------------------------------------------------------------------- */

static void take_turns(void (*call)(int64_t i))
{
    char line[16];
    while (fgets(line, sizeof line, stdin) != NULL) {
        bool cold = line[0] == 'c';
        int count = cold ? COLD_A_TURN : HOT_A_TURN;
        for (int i = cold ? 0 : -count / 10; i < count; i++) {
            if (cold)
                nanosleep(&(struct timespec){.tv_nsec = COLD_PAUSE_NS}, NULL);
            double begin = now_s();
            call(i);
            if (i >= 0)
                printf("%.6g ", (now_s() - begin) * 1e6);
        }
        printf("\n");
        fflush(stdout);
    }
}

/* A round trip by nng, and one between two processes of this host, one after the other: so each
 * finds those that it wakes asleep for as long as the other has taken, or as the pause. */
static nng_socket floor_socket;
static struct floor_pair *floor_peers;

static void call_floor_once(int64_t i)
{
    char bytes[64] = "a call";
    size_t size = sizeof bytes;
    (void)i;
    if (nng_send(floor_socket, bytes, sizeof bytes, 0) != 0 ||
        nng_recv(floor_socket, bytes, &size, 0) != 0)
        fail("no answer");
    floor_futex_round_trip(floor_peers);
}

static void call_floor(const char *address)
{
    char url[64];
    pid_t peer;
    floor_peers = floor_futex_pair_start(&peer); /* before nng is used: it is a fork */
    snprintf(url, sizeof url, "tcp://%s:%d", address, NNG_PORT);
    if (nng_req0_open(&floor_socket) != 0 || nng_dial(floor_socket, url, NULL, 0) != 0)
        fail("cannot dial");
    take_turns(call_floor_once);
    floor_peer_stop(peer);
    nng_close(floor_socket);
}

/* ---- Reeve ----------------------------------------------------------------------------------- */

static void need(bool condition)
{
    if (!condition)
        fail(reeve_last_error()->message);
}

static void call_once(int64_t x)
{
    int64_t y;
    need(next_get(next_remote(x), &y) == REEVE_OK);
    if (y != x + 1)
        fail("a wrong answer");
}

static void drive_async(double seconds)
{
    static next_future futures[IN_FLIGHT];
    double begin = 0, end;
    int64_t calls = 0;
    for (int warm = 1; warm >= 0; warm--) {
        calls = 0;
        begin = now_s();
        end = begin + (warm ? 1 : seconds);
        for (int i = 0; i < IN_FLIGHT; i++)
            futures[i] = next_remote(i);
        do { /* always as many under way: each answer is followed by a call */
            for (int i = 0; i < IN_FLIGHT; i++) {
                int64_t y;
                need(next_get(futures[i], &y) == REEVE_OK);
                if (y != i + 1)
                    fail("a wrong answer");
                futures[i] = next_remote(i);
            }
            calls += IN_FLIGHT;
        } while (now_s() < end);
        end = now_s();
        for (int i = 0; i < IN_FLIGHT; i++) {
            int64_t y;
            need(next_get(futures[i], &y) == REEVE_OK);
        }
        begin = (double)calls / (end - begin);
    }
    say("nodes_async", begin);
}

/* A result that has been made, and is still there. */
static make_future large_result(int64_t byte)
{
    make_future made = make_remote(LARGE_BYTES, byte);
    reeve_future any = {made.id};
    size_t ready;
    need(reeve_wait(&any, 1, 1, REEVE_FOREVER, NULL, &ready) == REEVE_OK);
    return made;
}

static double view_s(int64_t byte)
{
    make_future made = large_result(byte);
    reeve_bytes seen;
    reeve_view view;
    double begin = now_s();
    need(reeve_view_reeve_bytes((reeve_future_reeve_bytes){made.id}, REEVE_FOREVER, &seen, &view) ==
         REEVE_OK);
    if (((const uint8_t *)seen.data)[LARGE_BYTES - 1] != byte)
        fail("another value than was made");
    double took = now_s() - begin;
    need(reeve_view_release(view) == REEVE_OK && reeve_release(made) == REEVE_OK);
    return took;
}

/* Each value is a new one: nothing is there already. */
static void drive_large(void)
{
    double argument[LARGE_ROUNDS], view[LARGE_ROUNDS], result[LARGE_ROUNDS];
    uint8_t *bytes = calloc(1, LARGE_BYTES);
    for (int i = -1; i < LARGE_ROUNDS; i++) {
        int64_t y;
        memset(bytes, 7 + i, LARGE_BYTES);
        reeve_future_reeve_bytes value = reeve_put_bytes(bytes, LARGE_BYTES);
        double begin = now_s();
        last_future answer = reeve_call(last, value);
        need(last_get(answer, &y) == REEVE_OK);
        if (i >= 0)
            argument[i] = LARGE_BYTES / (now_s() - begin) / 1e9;
        if (y != (uint8_t)(7 + i))
            fail("another value than was put");
        need(reeve_release(value) == REEVE_OK);

        double took = view_s(i + 8);
        if (i >= 0)
            view[i] = LARGE_BYTES / took / 1e9;
        make_future made = large_result(i + 9);
        begin = now_s();
        reeve_bytes back;
        need(make_get(made, &back) == REEVE_OK);
        if (i >= 0)
            result[i] = LARGE_BYTES / (now_s() - begin) / 1e9;
        if (((const uint8_t *)back.data)[LARGE_BYTES - 1] != i + 9)
            fail("another value than was made");
        reeve_clear(reeve_bytes, &back);
    }
    free(bytes);
    say("nodes_argument_64mb", median(argument, LARGE_ROUNDS));
    say("nodes_view_64mb", median(view, LARGE_ROUNDS));
    say("nodes_result_64mb", median(result, LARGE_ROUNDS));
}

/* One large value for a task on each of four nodes; bytes that have arrived a second. */
static void drive_broadcast(const char *file)
{
    meet_future futures[BROADCAST_NODES];
    uint8_t *bytes = malloc(BROADCAST_BYTES);
    need(bytes != NULL);
    memset(bytes, 7, BROADCAST_BYTES);
    reeve_future_reeve_bytes value = reeve_put_bytes(bytes, BROADCAST_BYTES);
    free(bytes);
    double begin = now_s();
    for (int i = 0; i < BROADCAST_NODES; i++)
        futures[i] = reeve_call(meet, value, file, BROADCAST_NODES);
    for (int i = 0; i < BROADCAST_NODES; i++) {
        int64_t y;
        need(meet_get(futures[i], &y) == REEVE_OK);
        if (y != 7)
            fail("another value than was put");
    }
    say("broadcast_1gb", BROADCAST_NODES * (double)BROADCAST_BYTES / (now_s() - begin) / 1e9);
    need(reeve_release(value) == REEVE_OK);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        serve(argv[2]);
    if (argc == 3 && strcmp(argv[1], "floors") == 0) {
        floor_stream(argv[2]);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "call_floor") == 0) {
        call_floor(argv[2]);
        return 0;
    }
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    const char *only = argc > 3 ? argv[3] : "";
    if (argc == 3 && strcmp(argv[1], "broadcast") == 0) {
        drive_broadcast(argv[2]);
        reeve_shutdown();
        return 0;
    }
    call_once(1);
    if (argc == 2 && strcmp(argv[1], "calls") == 0) {
        take_turns(call_once);
        reeve_shutdown();
        return 0;
    }
    if (argc < 3 || strcmp(argv[1], "drive") != 0)
        fail("usage: serve ADDRESS, floors ADDRESS, call_floor ADDRESS, drive SECONDS [ROW], "
             "calls, or "
             "broadcast FILE");
    if (strstr("nodes_async", only) != NULL)
        drive_async(strtod(argv[2], NULL));
    if (strstr("nodes_argument_64mb nodes_view_64mb nodes_result_64mb", only) != NULL)
        drive_large();
    reeve_shutdown();
    return 0;
}
