/* Busy slots, on purpose: each task connects to the driver's socket, and ends when that is
 * closed. */
#include <errno.h>
#include <reeve.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static socklen_t gate_address(struct sockaddr_un *ret, const char *name)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "%s", name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

REEVE_REMOTE(void, bench_hold, (reeve_string, name))
{
    struct sockaddr_un address;
    socklen_t size = gate_address(&address, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, size) != 0)
        reeve_fail(errno, "the gate: %s", strerror(errno));
    else
        while (read(fd, &byte, 1) < 0 && errno == EINTR)
            ;
    if (fd >= 0)
        close(fd);
}

bool bench_gate_shut(
    struct bench *bench, struct bench_gate *gate, const char *name, int count, double cpus)
{
    struct sockaddr_un address;
    char where[64];
    static unsigned gates;
    gate->count = 0;
    snprintf(where, sizeof(where), "reeve-bench-gate-%d-%u", (int)getpid(), ++gates);
    socklen_t size = gate_address(&address, where);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (const struct sockaddr *)&address, size) != 0 ||
        listen(listener, BENCH_GATE_MAX) != 0)
        return bench_wrong(bench, name, "the gate's socket could not be made");
    for (int i = 0; i < count; i++)
        gate->futures[i] = bench_hold_remote_opts(REEVE_TASK_OPTIONS(.cpus = cpus), where).id;
    for (; gate->count < count; gate->count++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        gate->connections[gate->count] = fd;
    }
    close(listener);
    return gate->count == count || bench_wrong(bench, name, "the gate's tasks did not come");
}

bool bench_gate_open(struct bench *bench, struct bench_gate *gate, const char *name)
{
    bool good = true;
    for (int i = 0; i < gate->count; i++)
        close(gate->connections[i]);
    for (int i = 0; i < gate->count; i++)
        if (bench_hold_get((bench_hold_future){gate->futures[i]}) != REEVE_OK)
            good = bench_call_failed(bench, name);
    gate->count = 0;
    return good;
}
