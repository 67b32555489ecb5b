/* channel.c: two rings in one segment. */
#include "runtime/channel/channel.h"

#include <string.h>
#include <unistd.h>

#define CHANNEL_MAGIC   0x4348414eu /* CHAN */
#define CHANNEL_VERSION 1u

struct channel_header {
    _Alignas(64) uint32_t magic;
    uint32_t version;
    uint64_t id;
    struct reeve_channel_geometry geometry;
    struct reeve_credit credit; /* the rest is written once */
};
_Static_assert(
    sizeof(struct channel_header) == 64, "the rings follow on a cache line of their own");

static struct reeve_ring_geometry call_geometry(const struct reeve_channel_geometry *geometry)
{
    return (struct reeve_ring_geometry){
        .slot_count = geometry->call_slots,
        .payload_bytes = geometry->call_payload_bytes,
        .recallable = true,
    };
}

static struct reeve_ring_geometry return_geometry(const struct reeve_channel_geometry *geometry)
{
    return (struct reeve_ring_geometry){
        .slot_count = geometry->return_slots,
        .payload_bytes = geometry->return_payload_bytes,
        .recallable = false,
    };
}

bool reeve_channel_geometry_valid(const struct reeve_channel_geometry *geometry)
{
    struct reeve_ring_geometry calls = call_geometry(geometry);
    struct reeve_ring_geometry returns = return_geometry(geometry);
    return reeve_ring_geometry_valid(&calls) && reeve_ring_geometry_valid(&returns);
}

static size_t used_bytes(const struct reeve_channel_geometry *geometry)
{
    struct reeve_ring_geometry calls = call_geometry(geometry);
    struct reeve_ring_geometry returns = return_geometry(geometry);
    return sizeof(struct channel_header) + reeve_ring_size_bytes(&calls) +
           reeve_ring_size_bytes(&returns);
}

size_t reeve_channel_size_bytes(const struct reeve_channel_geometry *geometry)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (used_bytes(geometry) + page - 1) / page * page;
}

void reeve_channel_format(void *memory, const struct reeve_channel_geometry *geometry, uint64_t id)
{
    struct reeve_ring_geometry calls = call_geometry(geometry);
    struct reeve_ring_geometry returns = return_geometry(geometry);
    struct channel_header *header = memory;
    uint8_t *rings = (uint8_t *)memory + sizeof *header;
    reeve_ring_format(rings, &calls);
    reeve_ring_format(rings + reeve_ring_size_bytes(&calls), &returns);
    header->version = CHANNEL_VERSION;
    header->id = id;
    header->geometry = *geometry;
    header->magic = CHANNEL_MAGIC;
}

int reeve_channel_attach(
    struct reeve_channel *channel, void *memory, size_t size_bytes, enum reeve_channel_role role)
{
    struct channel_header header;
    if (size_bytes < sizeof header)
        return REEVE_EPROTOCOL;
    memcpy(&header, memory, sizeof header); /* checked and used from this copy */
    if (header.magic != CHANNEL_MAGIC || header.version != CHANNEL_VERSION ||
        !reeve_channel_geometry_valid(&header.geometry) ||
        used_bytes(&header.geometry) > size_bytes)
        return REEVE_EPROTOCOL;

    struct reeve_ring_geometry call_shape = call_geometry(&header.geometry);
    struct reeve_ring_geometry return_shape = return_geometry(&header.geometry);
    size_t call_bytes = reeve_ring_size_bytes(&call_shape);
    size_t return_bytes = reeve_ring_size_bytes(&return_shape);
    uint8_t *call_memory = (uint8_t *)memory + sizeof header;
    uint8_t *return_memory = call_memory + call_bytes;
    struct reeve_channel attached = {.id = header.id, .role = role, .geometry = header.geometry};
    attached.credit = &((struct channel_header *)memory)->credit;
    int error;
    switch (role) {
    case REEVE_CHANNEL_HOLDER:
        error = reeve_ring_attach_producer(&attached.calls, call_memory, call_bytes);
        if (error == 0)
            error = reeve_ring_attach_consumer(&attached.returns, return_memory, return_bytes);
        break;
    case REEVE_CHANNEL_WORKER:
        error = reeve_ring_attach_consumer(&attached.calls, call_memory, call_bytes);
        if (error == 0)
            error = reeve_ring_attach_producer(&attached.returns, return_memory, return_bytes);
        break;
    default:
        error = reeve_ring_attach_revoker(&attached.calls, call_memory, call_bytes);
        if (error == 0)
            error = reeve_ring_attach_revoker(&attached.returns, return_memory, return_bytes);
        break;
    }
    /* A ring header that was altered so as to disagree with the channel's could confuse recall
     * and claim. */
    if (error == 0 && (!attached.calls.recallable || attached.returns.recallable))
        error = REEVE_EPROTOCOL;
    if (error != 0) {
        reeve_channel_detach(&attached);
        return error;
    }
    *channel = attached;
    return 0;
}

void reeve_channel_detach(struct reeve_channel *channel)
{
    reeve_ring_detach(&channel->calls);
    reeve_ring_detach(&channel->returns);
}
