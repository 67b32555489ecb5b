/* channel.h: the shared segment between a holder, which has a lease, and a worker.
 *
 *   | channel header, 64 B | call ring: holder → worker | return ring: worker → holder | page end
 *
 * The node daemon makes the segment (a memfd sealed against resizing, so that no peer can cause
 * SIGBUS), formats it, and passes it to the two over their sockets. The shells pass descriptors;
 * nothing here does.
 */
#ifndef REEVE_CHANNEL_CHANNEL_H
#define REEVE_CHANNEL_CHANNEL_H

#include "runtime/channel/credit.h"
#include "runtime/channel/doorbell.h"
#include "runtime/channel/ring.h"

struct reeve_channel_geometry {
    uint32_t call_slots; /* powers of two, within the limits in ring.h */
    uint32_t call_payload_bytes;
    uint32_t return_slots;
    uint32_t return_payload_bytes;
};

enum reeve_channel_role {
    REEVE_CHANNEL_HOLDER, /* produces calls, consumes returns */
    REEVE_CHANNEL_WORKER, /* consumes calls, produces returns */
    REEVE_CHANNEL_DAEMON, /* revokes calls */
};

/* One process's private end of a channel. */
struct reeve_channel {
    uint64_t id;
    enum reeve_channel_role role;
    struct reeve_channel_geometry geometry;
    struct reeve_ring calls;
    struct reeve_credit *credit; /* of the stream that the worker runs, if it does */
    struct reeve_ring returns;   /* for the daemon: attached as revoker, for looking only */
};

bool reeve_channel_geometry_valid(const struct reeve_channel_geometry *geometry);

/* Bytes of the segment: a multiple of the page size. The geometry must be valid. */
size_t reeve_channel_size_bytes(const struct reeve_channel_geometry *geometry);

/* Formats zeroed memory. The daemon calls it, once. */
void reeve_channel_format(void *memory, const struct reeve_channel_geometry *geometry, uint64_t id);

/* Attaches one end. Errors: REEVE_EPROTOCOL (no channel in these bytes), REEVE_ENOMEM. */
int reeve_channel_attach(
    struct reeve_channel *channel, void *memory, size_t size_bytes, enum reeve_channel_role role);

/* Frees what attach made; the mapping stays the caller's. Also right for a zeroed struct. */
void reeve_channel_detach(struct reeve_channel *channel);

/* --- shared memory ---------------------------------------------------------------------------- */

enum reeve_memory_flags {
    REEVE_MEMORY_POPULATE = 1, /* make the pages now, not at first touch */
    REEVE_MEMORY_INHERIT =
        2, /* keep the mapping in forked children; without it they do not have it */
};

/* Makes zeroed shared memory without a name (memfd, close-on-exec), its size sealed. `name`
 * shows in /proc only. Errors: REEVE_ENOMEM, REEVE_ESYSTEM. */
int reeve_memory_create(const char *name, size_t size_bytes, int *ret_fd);

/* Maps a descriptor that came from a peer or from create, for reading and writing. Refuses one
 * that could still shrink (REEVE_EPROTOCOL), or is smaller than `size_bytes`; 0 means all of it. */
int reeve_memory_map(
    int fd, size_t size_bytes, unsigned flags, void **ret_memory, size_t *ret_size_bytes);

void reeve_memory_unmap(void *memory, size_t size_bytes);

#endif
