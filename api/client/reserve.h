/* File descriptors that are held so that those of the node daemon find room.
 *
 * Shared memory comes as descriptors in the daemon's messages. What finds a process without a free
 * one loses them, and with them a worker or a value; and a program may use up its descriptors for
 * its own ends, for a moment or for good. So some are held, are given up in front of a message that
 * brings any, and are taken again when the message's are closed: most are needed only to map what
 * they stand for.
 *
 * One thread at a time. */
#ifndef REEVE_CLIENT_RESERVE_H
#define REEVE_CLIENT_RESERVE_H

#include <stdint.h>

/* Messages whose descriptors wait to be mapped by the poller, which is about to, take from it
 * meanwhile. */
#define REEVE_RESERVE_MAX 16u

struct reeve_reserve {
    int fds[REEVE_RESERVE_MAX];
    uint32_t count;
};

/* Fills it up, as far as there are descriptors; `model` is any open one. Without system calls
 * while it is full. */
void reeve_reserve_fill(struct reeve_reserve *reserve, int model);
/* Frees `count` descriptors, or as many as it has. */
void reeve_reserve_yield(struct reeve_reserve *reserve, uint32_t count);

#endif
