/* The names of things, as every process of a cluster spells them.
 *
 *   node number   32 bits   given by the head when a node daemon joins; never given twice in a
 *                           cluster's life
 *   process id    64 bits   node number << 32 | serial     a driver or worker, named by its node
 *                                                          daemon
 *   task / object process id of the owner + 64-bit sequence number chosen by the owner
 *   lease         64 bits   given by the head; head incarnation in the high 16 bits, so that a
 *                           restarted head never reuses one
 *
 * A job is named by the process id of its driver. An incarnation distinguishes two lives of the
 * same node or head. */
#ifndef REEVE_BASE_IDS_H
#define REEVE_BASE_IDS_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t reeve_process_id;

#define REEVE_PROCESS_NONE ((reeve_process_id)0)

static inline reeve_process_id reeve_process_id_make(uint32_t node, uint32_t serial)
{
    return (uint64_t)node << 32 | serial;
}

static inline uint32_t reeve_process_node(reeve_process_id process)
{
    return (uint32_t)(process >> 32);
}

struct reeve_object_id {
    reeve_process_id owner;
    uint64_t sequence;
};

static inline bool reeve_object_id_equal(struct reeve_object_id a, struct reeve_object_id b)
{
    return a.owner == b.owner && a.sequence == b.sequence;
}

/* For maps, which mix it; two names may have one, seldom. */
static inline uint64_t reeve_object_id_key(struct reeve_object_id id)
{
    return id.owner * UINT64_C(0x9e3779b97f4a7c15) ^ id.sequence;
}

/* An actor that others hold is named like an object, though it has no bytes and lies nowhere: its
 * owner's number for it, with the highest bit, which no number of a task has. So whoever has its
 * handle knows what to hold, and where that is written down: on its owner's node. */
#define REEVE_OBJECT_ACTOR (UINT64_C(1) << 63)

static inline struct reeve_object_id reeve_object_id_of_actor(
    reeve_process_id owner, uint32_t number)
{
    struct reeve_object_id id = {owner, REEVE_OBJECT_ACTOR | number};
    return id;
}

static inline bool reeve_object_id_is_actor(struct reeve_object_id id)
{
    return id.sequence >> 32 == REEVE_OBJECT_ACTOR >> 32;
}

#define REEVE_PROGRAM_HASH_SIZE 32

/* What must be equal for tasks to share a lease. All fields take part in comparison; padding is
 * always zero. */
struct reeve_class {
    reeve_process_id job;
    uint8_t program[REEVE_PROGRAM_HASH_SIZE];
    uint32_t cpu_milli;
    int32_t priority;
    /* Of actors: leases on one worker process, the host. `owner` made the actors in it, and its
     * lease is the residence: the host is there for as long as it lasts. Others attach. */
    reeve_process_id owner; /* 0: of tasks */
    uint32_t host;          /* the owner's number for it, perhaps with REEVE_HOST_ATTACH; or 0 */
    /* Of actors: the table of functions by whose numbers they are called, folded. Programs of other
     * jobs may attach if theirs is the same. */
    uint32_t table;
};

/* The lease is for calls of actors whose host is another process's: it needs no cpu, and is on the
 * worker that has the residence. */
#define REEVE_HOST_ATTACH 0x80000000u

static inline uint32_t reeve_table_fold(uint64_t table_hash)
{
    return (uint32_t)(table_hash ^ table_hash >> 32);
}

static inline bool reeve_class_is_residence(const struct reeve_class *class)
{
    return class->host != 0 && !(class->host & REEVE_HOST_ATTACH);
}

static inline bool reeve_class_attaches(const struct reeve_class *class)
{
    return class->host & REEVE_HOST_ATTACH;
}

/* Of a job: jobs that all want more than there is share it in proportion to their weights. */
#define REEVE_WEIGHT_DEFAULT 100u
#define REEVE_WEIGHT_MAX     10000u

#endif
