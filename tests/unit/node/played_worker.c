/* See played_worker.h: what a worker process does, as short as it can be said. */
#include "tests/unit/node/played_worker.h"

#include <fcntl.h>
#include <poll.h>
#include <reeve_errors.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/assert.h"
#include "runtime/channel/entry.h"

void played_end_attach(struct end *end, struct reeve_local_message *message,
    enum reeve_channel_role role, const int daemon[2])
{
    void *bell;
    size_t bell_size;
    if (message->fd_count == 1) {
        for (int i = 0; i < 2; i++)
            message->fds[1 + i] = fcntl(daemon[i], F_DUPFD_CLOEXEC, 3);
        message->fd_count = 3;
    }
    REEVE_ASSERT(message->fd_count == 3);
    int error = reeve_memory_map(message->fds[0], 0, 0, &end->memory, &end->size);
    REEVE_ASSERT(error == REEVE_OK);
    error = reeve_channel_attach(&end->channel, end->memory, end->size, role);
    REEVE_ASSERT(error == REEVE_OK);
    error = reeve_memory_map(message->fds[1], REEVE_DOORBELL_BYTES, 0, &bell, &bell_size);
    REEVE_ASSERT(error == REEVE_OK);
    end->bell = reeve_doorbell_attach(bell, bell_size);
    REEVE_ASSERT(end->bell != NULL);
    end->bell_event_fd = message->fds[2];
    close(message->fds[0]);
    close(message->fds[1]);
    end->lease = message->lease;
}

void played_end_detach(struct end *end)
{
    reeve_channel_detach(&end->channel);
    reeve_memory_unmap(end->memory, end->size);
    munmap(end->bell, REEVE_DOORBELL_BYTES);
    close(end->bell_event_fd);
    memset(end, 0, sizeof *end);
}

int played_memory_file(const void *bytes, size_t size)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    return fd;
}

/* ---- the worker: this program again ---- */

static void worker_run(struct end *end)
{
    struct reeve_entry_view view;
    while (reeve_ring_claim(&end->channel.calls, &view) == REEVE_OK) {
        int64_t number;
        memcpy(&number, view.payload, sizeof number);
        if (view.function == FUNCTION_CRASH)
            raise(SIGKILL);
        if (view.function == FUNCTION_SLEEP)
            pause();
        if (view.function == FUNCTION_SAY) {
            dprintf(1, "\x01%d\x02hello ", 2);
            dprintf(1, "world\n");
            dprintf(2, "no end");
        }
        number *= 2;
        struct reeve_slot_fill fill;
        if (reeve_ring_reserve(&end->channel.returns, sizeof number, &fill) != REEVE_OK)
            abort();
        fill.slot->task = view.task;
        fill.slot->attempt = view.attempt;
        fill.slot->function = view.function;
        fill.slot->references = 0;
        fill.slot->kind = REEVE_ENTRY_RESULT;
        fill.slot->flags = 0;
        fill.slot->status = 0;
        memcpy(fill.payload, &number, sizeof number);
        reeve_ring_publish(&end->channel.returns);
        reeve_ring_done(&end->channel.calls, view.position);
        reeve_doorbell_ring(end->bell, end->bell_event_fd);
    }
}

int played_worker(const char *variable, const char *how)
{
    char name[128];
    unsigned long long token;
    if (strcmp(how, "exit") == 0)
        return fprintf(stderr, "cannot find my glasses\n"), 3;
    if (strcmp(how, "library") == 0)
        return fprintf(stderr, "error while loading shared libraries: libfoo.so.1\n"), 127;
    if (sscanf(variable, "%127[^:]:%llx", name, &token) != 2)
        return 90;
    int fd;
    if (reeve_local_connect(name, &fd) != REEVE_OK)
        return 91;
    const char *mine = strcmp(how, "table") == 0 ? "crash(int)\nother(int)\n" : PLAYED_TABLE;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_HELLO,
        .mode = REEVE_LOCAL_WORKER,
        .version = REEVE_LOCAL_VERSION,
        .token = token,
        .table_hash = strlen(mine),
        .fd_count = 1,
        .fds = {played_memory_file(mine, strlen(mine))}};
    if (reeve_local_send(fd, &message, 0) != REEVE_OK)
        return 92;
    struct end end = {0};
    struct reeve_doorbell *own = NULL;
    int own_event = -1, daemon_fds[2] = {-1, -1};
    for (;;) {
        struct pollfd polls[2] = {
            {.fd = fd, .events = POLLIN}, {.fd = own_event, .events = POLLIN}};
        if (own != NULL)
            reeve_doorbell_arm(own, REEVE_DOORBELL_EVENT);
        if (end.memory != NULL)
            worker_run(&end);
        poll(polls, own_event < 0 ? 1 : 2, -1);
        uint64_t count;
        if (polls[1].revents & POLLIN)
            (void)!read(own_event, &count, sizeof count);
        if (!(polls[0].revents & (POLLIN | POLLHUP)))
            continue;
        if (reeve_local_receive(fd, &message, 0) != REEVE_OK)
            return 0; /* retired */
        if (message.kind == REEVE_LOCAL_WELCOME) {
            void *memory;
            size_t size;
            if (reeve_memory_map(message.fds[0], 0, 0, &memory, &size) != REEVE_OK)
                return 93;
            own = reeve_doorbell_attach(memory, size);
            own_event = message.fds[1];
            memcpy(daemon_fds, &message.fds[2], sizeof daemon_fds);
        } else if (message.kind == REEVE_LOCAL_CHANNEL) {
            played_end_attach(&end, &message, REEVE_CHANNEL_WORKER, daemon_fds);
        } else if (message.kind == REEVE_LOCAL_CHANNEL_CLOSE) {
            played_end_detach(&end);
        }
    }
}
