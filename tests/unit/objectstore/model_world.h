/* What the random test knows of its world: nodes, their clients, memory and disks; the objects; and
 * what is on its way between nodes. */
#ifndef REEVE_TESTS_OBJECTSTORE_MODEL_WORLD_H
#define REEVE_TESTS_OBJECTSTORE_MODEL_WORLD_H

#include "runtime/base/macros.h"
#include "runtime/base/map64.h"
#include "runtime/base/prng.h"
#include "tests/unit/objectstore/kit.h"
#include "tests/unit/objectstore/model_disk.h"

#define NODES        4u
#define NODE_MAX     8u
#define CAPACITY     (4 * MIB)
#define SEGMENT_SIZE (1 * MIB)
#define SEGMENTS_MAX 256u
#define CLIENTS      5u /* a node, at a time */
#define ROOMS        4u /* a client, at a time */
#define OBJECTS_MAX  4000u
#define PINS_MAX     24u
#define ANCHORS_MAX  32u /* a client */
#define HOLDS_MAX    256u
#define LINK_MAX     4096u
#define CALLS_MAX    65536u
#define PIECE_SIZE   16384u
#define RETURNS_MAX  64u
#define PIECES_MAX   512u /* asked for, of a node */

struct model_object {
    struct reeve_object_id id;
    uint64_t size;
    uint32_t node;                /* where the primary is */
    reeve_process_id owner, heir; /* heir: while it is being given away */
    uint32_t loans; /* to those who ask for a hold: until they are answered its owner keeps it */
    bool sealed, freed;
    bool given;      /* at least once: its owner is not the process in its id */
    bool giving;     /* its owner has asked to give it away */
    bool unsure;     /* that owner died before it was answered: it is the dead one's, or freed */
    uint64_t strays; /* nodes, as bits, where attempts that were lost have sealed one of its name */
};

struct model_hold {
    uint32_t object;  /* index + 1; 0: none */
    uint32_t request; /* not answered yet; 0: known */
    reeve_process_id asker, holder;
    uint64_t token;
    uint32_t source; /* index + 1: of the hold that is handed on; 0: it is lent by its owner */
    uint32_t call;   /* of the heir's; 0: there is none */
    uint32_t busy;   /* so many things go on that need it */
};

/* Of an heir's, with the answer to which it is given something. */
struct model_call {
    uint32_t object; /* index */
    reeve_process_id heir;
    uint64_t token; /* 0: the object itself */
    bool answered;  /* so the heir has adopted it */
    bool lost;      /* it never will be */
    bool told;      /* by the store */
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
    uint32_t waiting_hold; /* index + 1: by which it may read */
    bool waiting_given;    /* it has asked as one who knows that it was given away */
    uint32_t giving_request, giving_object, giving_call;
    bool relaxing;
    uint64_t create_size;
    struct model_room rooms[ROOMS];
    struct model_pin pins[PINS_MAX];
    struct model_pin anchors[ANCHORS_MAX]; /* of what it owns */
    uint8_t writable[SEGMENTS_MAX], readable[SEGMENTS_MAX];
};

struct model_segment {
    uint8_t *bytes;
    uint64_t size;
};

struct model_piece { /* what the shell knows of a SEND_PULL until it has answered it */
    uint64_t number; /* 0: none */
    uint32_t node, segment;
    uint64_t place, length;
    bool dropped;
};

struct model_node {
    uint32_t number;         /* 0: not there */
    bool asks[NODE_MAX * 8]; /* the head, about a node that it has no session with */
    bool doomed;             /* killed while it carried out its core's commands; buried soon */
    struct model_piece pieces[PIECES_MAX];
    struct reeve_store *store;
    struct model_segment segments[SEGMENTS_MAX];
    struct model_client clients[CLIENTS];
    uint32_t handle_last;
    struct reeve_store_command returns[RETURNS_MAX]; /* pages on their way back to the machine */
    uint32_t return_count;
    struct model_disk *disk; /* NULL: primaries stay in memory */
};

struct parcel { /* what one node sends to another */
    struct reeve_store_event event;
    uint8_t *bytes;
    uint32_t segment; /* of a piece: its bytes leave when it does, late */
    uint64_t place, serial;
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
    struct link links[NODES][NODES];  /* from, to */
    uint64_t unsent[NODES][LINK_MAX]; /* serials to be answered */
    uint32_t unsent_count[NODES];
    struct model_object objects[OBJECTS_MAX];
    uint32_t object_count;
    struct model_hold holds[HOLDS_MAX];
    struct model_call calls[CALLS_MAX]; /* by number, from 1 on */
    uint32_t call_last, astray[CALLS_MAX], astray_count;
    uint32_t gifts_known[NODES * CLIENTS], gifts_known_count; /* index of the object */
    uint64_t token_last;
    uint32_t request_last;
    struct reeve_map64 dead; /* processes */
    uint64_t answers, failures, pulls, kills, returns, gifts, held, anchored;
    uint64_t let_go;                 /* gifts and holds whose giver died before it was answered */
    uint64_t strays;                 /* so many were sealed */
    uint64_t written, read, damaged; /* of disks that are gone; reads that failed */
    uint64_t mended;                 /* of those, what came from elsewhere */
    uint32_t folder_count, fail_chance, flip_chance;
    bool
        damaging; /* what is on disk only is read often, and every other time it is not as it was */
    bool healing, trace;
};

static inline uint64_t random_below(struct world *world, uint64_t bound)
{
    return reeve_prng_below(&world->prng, bound);
}

static inline uint8_t byte_of(struct reeve_object_id id, uint64_t at)
{
    return (uint8_t)((at * 31 + id.sequence * 7 + id.owner * 13) % 251);
}

static inline void check_bytes(
    struct model_node *node, const struct model_object *object, uint32_t segment, uint64_t offset)
{
    const struct model_segment *memory = &node->segments[segment];
    assert_true(memory->bytes != NULL && offset + object->size <= memory->size);
    /* Not all of a large one, every time. */
    uint64_t stride = object->size > 2048 ? 61 : 1;
    for (uint64_t i = 0; i < object->size; i += stride)
        if (memory->bytes[offset + i] != byte_of(object->id, i))
            fail_msg("object %lu of %lx: wrong byte at %lu of %lu on node %u",
                (unsigned long)object->id.sequence, (unsigned long)object->id.owner,
                (unsigned long)i, (unsigned long)object->size, node->number);
    if (object->size > 0)
        assert_int_equal(
            memory->bytes[offset + object->size - 1], byte_of(object->id, object->size - 1));
}

/* Nobody who has not been reaped may touch this place, and no disk. */
static inline void check_untouchable(
    struct world *world, struct model_node *node, uint32_t segment, uint64_t offset, uint64_t size)
{
    for (uint32_t i = 0; node->disk != NULL && i < node->disk->pending_count; i++) {
        const struct reeve_store_command *pending = &node->disk->pending[i];
        if (pending->segment == segment && pending->offset < offset + size &&
            offset < pending->offset + pending->length)
            fail_msg("memory that a disk works on is given away");
    }
    for (uint32_t c = 0; c < CLIENTS; c++) {
        struct model_client *client = &node->clients[c];
        if (client->handle == 0)
            continue;
        for (uint32_t i = 0; i < ROOMS; i++) {
            struct model_room *room = &client->rooms[i];
            if (room->taken && room->segment == segment && room->offset < offset + size &&
                offset < room->offset + room->size)
                fail_msg("room of a live process is given away");
        }
        for (uint32_t i = 0; i < PINS_MAX; i++) {
            struct model_pin *pin = &client->pins[i];
            if (pin->object != 0 && pin->segment == segment && pin->offset < offset + size &&
                offset < pin->offset + world->objects[pin->object - 1].size)
                fail_msg("an object that is being read is given away");
        }
        for (uint32_t i = 0; i < ANCHORS_MAX; i++) {
            struct model_pin *pin = &client->anchors[i];
            if (pin->object != 0 && pin->segment == segment && pin->offset < offset + size &&
                offset < pin->offset + world->objects[pin->object - 1].size)
                fail_msg("an object that is anchored is given away");
        }
    }
}

static inline struct model_client *client_of(struct model_node *node, uint32_t handle)
{
    for (uint32_t c = 0; c < CLIENTS; c++)
        if (node->clients[c].handle == handle)
            return &node->clients[c];
    return NULL;
}

/* The client that is that process, if it lives and can act; its node's place in *ret_at. */
static inline struct model_client *process_find(
    struct world *world, reeve_process_id process, uint32_t *ret_at)
{
    for (uint32_t at = 0; at < NODES && (uint32_t)process != 0; at++) {
        struct model_node *node = &world->nodes[at];
        if (node->number == 0 || node->number != reeve_process_node(process))
            continue;
        struct model_client *client = client_of(node, (uint32_t)process);
        *ret_at = at;
        return client != NULL && !client->closed ? client : NULL;
    }
    return NULL;
}

static inline bool process_is_dead(const struct world *world, reeve_process_id process)
{
    return reeve_map64_get(&world->dead, process) != NULL ||
           world->node_dead[reeve_process_node(process)];
}

#endif
