/* What the random test knows of its world: nodes, their clients, memory and disks; the objects; and
 * what is on its way between nodes. */
#ifndef REEVE_TESTS_OBJECTSTORE_MODEL_WORLD_H
#define REEVE_TESTS_OBJECTSTORE_MODEL_WORLD_H

#include "runtime/base/map64.h"
#include "runtime/base/prng.h"
#include "tests/unit/objectstore/kit.h"
#include "tests/unit/objectstore/model_disk.h"

#define NODES        3u
#define NODE_MAX     8u
#define CAPACITY     (4 * MIB)
#define SEGMENT_SIZE (1 * MIB)
#define SEGMENTS_MAX 256u
#define CLIENTS      5u /* a node, at a time */
#define ROOMS        4u /* a client, at a time */
#define OBJECTS_MAX  4000u
#define PINS_MAX     24u
#define LINK_MAX     4096u

struct model_object {
    struct reeve_object_id id;
    uint64_t size;
    uint32_t node; /* where the primary is */
    bool sealed, freed;
};

struct model_room {
    bool taken;
    uint32_t segment;
    uint64_t offset, size;
};

struct model_pin {
    uint32_t object; /* index + 1; 0: none */
    uint32_t segment;
    uint64_t offset;
};

struct model_client {
    uint32_t handle; /* 0: none */
    bool closed;
    uint32_t waiting_create; /* request, 0: none */
    uint32_t waiting_get;
    uint32_t waiting_object;
    uint64_t create_size;
    struct model_room rooms[ROOMS];
    struct model_pin pins[PINS_MAX];
    uint8_t writable[SEGMENTS_MAX], readable[SEGMENTS_MAX];
};

struct model_segment {
    uint8_t *bytes;
    uint64_t size;
};

struct model_node {
    uint32_t number; /* 0: not there */
    struct reeve_store *store;
    struct model_segment segments[SEGMENTS_MAX];
    struct model_client clients[CLIENTS];
    uint32_t handle_last;
    struct model_disk *disk; /* NULL: primaries stay in memory */
};

struct parcel { /* what one node sends to another */
    struct reeve_store_event event;
    uint8_t *bytes;
};

struct link {
    struct parcel parcels[LINK_MAX];
    uint32_t first, count;
};

struct world {
    struct reeve_prng prng;
    uint64_t now_ns;
    struct model_node nodes[NODES];
    uint32_t node_last;
    bool node_dead[NODE_MAX * 8];
    struct link links[NODES][NODES]; /* from, to */
    struct model_object objects[OBJECTS_MAX];
    uint32_t object_count;
    uint32_t request_last;
    struct reeve_map64 dead; /* processes */
    uint64_t answers, failures, pulls, kills;
    uint64_t written, read, damaged; /* of disks that are gone; reads that failed */
    uint32_t folder_count, fail_chance, flip_chance;
    bool healing;
};

#endif
