/* A worker played by a test program: no library, one channel, four functions of one number. And the
 * end of a channel, as driver and worker have it. */
#ifndef REEVE_TESTS_NODE_PLAYED_WORKER_H
#define REEVE_TESTS_NODE_PLAYED_WORKER_H

#include "runtime/channel/channel.h"
#include "runtime/wire/local.h"

/* by their place in the table */
enum { FUNCTION_DOUBLE, FUNCTION_CRASH, FUNCTION_SLEEP, FUNCTION_SAY };
#define PLAYED_TABLE "crash(int)\ndouble(int)\nsay(int)\nsleep(int)\n"

struct end {
    uint64_t lease;
    void *memory;
    size_t size;
    struct reeve_channel channel;
    struct reeve_doorbell *bell;
    int bell_event_fd;
};

/* From a CHANNEL message, whose descriptors it takes. `daemon`: the bell's page and eventfd of the
 * daemon, which may be the peer. Aborts when anything is wrong. */
void played_end_attach(struct end *end, struct reeve_local_message *message,
    enum reeve_channel_role role, const int daemon[2]);
void played_end_detach(struct end *end);

/* A memfd with these bytes. */
int played_memory_file(const void *bytes, size_t size);

/* `variable`: what the daemon put in the environment. `how`: "well", or how to fail: "exit",
 * "library", "table". Returns the exit status. */
int played_worker(const char *variable, const char *how);

#endif
