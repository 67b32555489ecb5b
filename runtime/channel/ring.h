/* ring.h: a queue of task entries in shared memory.
 *
 * One process produces, one consumes, and the node daemon, which made the memory, may revoke. There
 * is no shared head or tail: each slot's own word says what may be done with it, so one call with
 * small arguments moves one cache line each way. Each side keeps its indexes in a private struct
 * reeve_ring, together with a private copy of the geometry, against which all that is read from
 * shared memory is checked: a peer that scribbles can spoil its own work but never leads us outside
 * the mapping.
 *
 *   memory     | header 64 B | slot 0 | slot 1 | ... | slot N-1 | payload byte ring |
 *
 *   slot   0      8      16        20         24       28     30   31    32    34     36      64
 *          | word | task | attempt | function | length | refs |kind|where|flags|status|payload|
 *
 *   word   | lap: 56 bits | state: 8 bits |     payload: 28 bytes inline, or where in the byte ring
 *
 * An entry is named by its position: 0, 1, 2, ... as it was reserved. Its slot is position % N, its
 * lap is position / N + 1 (so that zeroed memory is "lap 0, free"). Every compare-and-swap holds
 * the lap, so one that comes late never hits a later tenant of the slot.
 *
 *   FREE ──publish──► READY ──claim──► CLAIMED ──done──► DONE ─────┐ reclaimed by the
 *                       ├────recall────────────────► RECALLED ─────┤ producer, in order, with
 *                       └────revoke──► REVOKED ──recall──► RECALLED┘ its bytes; then the next lap
 *
 * REVOKED is RECALLED in the daemon's hand: nobody will run it, but the producer does not yet know.
 * It becomes RECALLED, and its slot reusable, when the producer recalls it, so that no revoked
 * entry is ever forgotten.
 *
 * A record in the byte ring is contiguous; where it does not fit before the end it starts again at
 * the start.
 *
 * Return rings (recallable = false) have neither recall nor revoke, and their consumer claims with
 * a load instead of a compare-and-swap.
 *
 * Threads: the calls of a producer, and those of a consumer, are serialised by the caller;
 * reeve_ring_recall and reeve_ring_revoked alone may be called by any thread at any time while the
 * ring is attached. None of the calls blocks. Memory orders are explained in README.md and at each
 * atomic operation.
 */
#ifndef REEVE_CHANNEL_RING_H
#define REEVE_CHANNEL_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/errors.h"

#define REEVE_RING_INLINE_BYTES  28u /* [int64, int64, int64] in msgpack is 28 bytes */
#define REEVE_RING_SLOTS_MIN     2u
#define REEVE_RING_SLOTS_MAX     65536u
#define REEVE_RING_PAYLOAD_MIN   64u
#define REEVE_RING_PAYLOAD_MAX   (1u << 30)
#define REEVE_RING_PAYLOAD_ALIGN 8u

enum reeve_slot_state {
    REEVE_SLOT_FREE =
        0, /* never used, or reclaimed: the position is not (or no longer) in the ring */
    REEVE_SLOT_READY = 1,    /* published: anyone of the three may take it */
    REEVE_SLOT_CLAIMED = 2,  /* the consumer has it; the payload stays valid until done */
    REEVE_SLOT_DONE = 3,     /* the consumer has finished; its answer was published before */
    REEVE_SLOT_RECALLED = 4, /* the producer has it back */
    REEVE_SLOT_REVOKED = 5,  /* the daemon took it; the producer gets it with recall */
};

enum reeve_payload_where {
    REEVE_PAYLOAD_INLINE = 0, /* in the slot */
    REEVE_PAYLOAD_RING = 1,   /* in the byte ring at payload.offset */
};

/* The value lies in the store and the payload is a record that refers to it. The ring only
 * carries this flag; the other fifteen bits of `flags` are the users'. */
#define REEVE_ENTRY_OBJECT 0x8000u

struct reeve_slot {
    _Alignas(64) _Atomic uint64_t word; /* lap << 8 | enum reeve_slot_state */
    uint64_t task;                      /* the local part of the task id; the channel says whose */
    uint32_t attempt;
    uint32_t function;
    uint32_t length;     /* bytes of payload; set by reserve */
    uint16_t references; /* object references listed at the head of the payload, beside the value */
    uint8_t kind;        /* the users' */
    uint8_t where;       /* enum reeve_payload_where; set by reserve */
    uint16_t flags;      /* REEVE_ENTRY_OBJECT and the users' */
    int16_t status;      /* return ring: 0 or a reeve error; else the users' */
    union {
        uint8_t bytes[REEVE_RING_INLINE_BYTES];
        uint32_t offset;
    } payload;
};
_Static_assert(sizeof(struct reeve_slot) == 64, "a slot is one cache line");
_Static_assert(offsetof(struct reeve_slot, payload) == 36, "the drawing above is the layout");

struct reeve_ring_geometry {
    uint32_t
        slot_count; /* power of two, REEVE_RING_SLOTS_MIN.._MAX; 64 to 4096 are the usual ones */
    uint32_t payload_bytes; /* power of two, REEVE_RING_PAYLOAD_MIN.._MAX */
    bool recallable;        /* true for call rings */
};

/* The shared header: written once by the daemon, but for `revoked`. Read-mostly, so its line
 * stays in all caches. */
struct reeve_ring_header {
    _Alignas(64) uint32_t magic;
    uint32_t version;
    uint32_t slot_count;
    uint32_t payload_bytes;
    uint32_t recallable;
    _Atomic uint32_t revoked; /* the daemon has revoked, and means to keep it so */
};
_Static_assert(
    sizeof(struct reeve_ring_header) == 64, "the slots follow on a cache line of their own");

/* One process's private end of a ring. Fields are for this folder only. */
struct reeve_ring {
    struct reeve_ring_header *header;
    struct reeve_slot *slots;
    uint8_t *payload;
    uint32_t slot_mask;
    uint32_t slot_shift;
    uint32_t payload_bytes;
    bool recallable;
    /* consumer */
    uint64_t next; /* position to claim next */
    /* producer */
    uint64_t head;         /* position to reserve next */
    uint64_t published;    /* positions before it are published; tail <= published <= head */
    uint64_t tail;         /* positions before it are reclaimed */
    uint64_t payload_head; /* bytes ever given out of the byte ring, skips included */
    uint64_t payload_tail; /* bytes ever taken back */
    uint64_t *
        /* for each slot: payload_head after its reservation; private, as a peer could scribble */
        payload_end;
};

/* What reserve gives. Write the entry's fields (task, attempt, function, references, kind,
 * flags, status: all of them, the slot holds those of its last tenant) through `slot`, and
 * `length` bytes to `payload`; then publish. */
struct reeve_slot_fill {
    uint64_t position;
    struct reeve_slot *slot;
    void *payload;
};

/* What claim gives: a checked private copy of the slot. Only `payload` points into shared
 * memory: a hostile peer could alter those bytes while they are read, so read a length in them
 * once and check what was read. */
struct reeve_entry_view {
    uint64_t position;
    uint64_t task;
    uint32_t attempt;
    uint32_t function;
    uint32_t length;
    uint16_t references;
    uint16_t flags;
    int16_t status;
    uint8_t kind;
    const uint8_t *payload; /* `length` bytes, valid until done */
};

/* --- making and attaching --------------------------------------------------------------------- */

/* True when the geometry is one that a ring can have. */
bool reeve_ring_geometry_valid(const struct reeve_ring_geometry *geometry);

/* Bytes that a ring takes, a multiple of 64. The geometry must be valid. */
size_t reeve_ring_size_bytes(const struct reeve_ring_geometry *geometry);

/* Writes the header. `memory` is zeroed, aligned to 64 and as large as reeve_ring_size_bytes
 * says. Only the header is touched, so that the pages of a fresh memfd stay unmade until they
 * are used. The daemon calls it, once. */
void reeve_ring_format(void *memory, const struct reeve_ring_geometry *geometry);

/* Attach one end of a ring that nobody has attached for that role before (positions start at 0).
 * Errors: REEVE_EPROTOCOL (no ring in these `size_bytes` bytes), REEVE_ENOMEM (producer only). */
int reeve_ring_attach_producer(struct reeve_ring *ring, void *memory, size_t size_bytes);
int reeve_ring_attach_consumer(struct reeve_ring *ring, void *memory, size_t size_bytes);
int reeve_ring_attach_revoker(struct reeve_ring *ring, void *memory, size_t size_bytes);

/* Frees what attach made; leaves shared memory as it is. Also right for a zeroed struct. */
void reeve_ring_detach(struct reeve_ring *ring);

/* --- the producer ----------------------------------------------------------------------------- */

/* Reserves the next entry with `length` bytes of payload. Nobody sees it before publish.
 * Errors: REEVE_EAGAIN (full: no slot or no room in the byte ring now), REEVE_ETOOLARGE (longer
 * than the byte ring), REEVE_EPROTOCOL (the peer scribbled: drop it). */
static inline int reeve_ring_reserve(
    struct reeve_ring *ring, uint32_t length, struct reeve_slot_fill *ret_fill);

/* Shortens the payload of the entry reserved last, not yet published, to `length`: for packing
 * in place when only a bound of the length is known. */
void reeve_ring_shrink(
    struct reeve_ring *ring, const struct reeve_slot_fill *fill, uint32_t length);

/* Drops all entries reserved and not yet published. */
void reeve_ring_abandon(struct reeve_ring *ring);

/* Publishes all reserved entries, in order; returns how many. Follow it with reeve_doorbell_ring
 * for the consumer's bell, once for the batch, and then look at reeve_ring_revoked. */
static inline uint32_t reeve_ring_publish(struct reeve_ring *ring);

/* Takes a published entry back. True: it is the caller's again, the consumer never saw it and
 * never will (the payload is gone with it). False: claimed, done, or taken back before. Also the
 * way to receive what the daemon revoked. */
bool reeve_ring_recall(struct reeve_ring *ring, uint64_t position);

/* Frees finished slots at the tail. reserve does it when it must; returns how many, or
 * REEVE_EPROTOCOL. */
int reeve_ring_reclaim(struct reeve_ring *ring);

/* The state of an entry (enum reeve_slot_state), FREE when it has been reclaimed (it was DONE or
 * RECALLED), or REEVE_EPROTOCOL. After a worker's death this tells what it had (CLAIMED) from
 * what it had not (READY). */
int reeve_ring_state(const struct reeve_ring *ring, uint64_t position);

/* How many published entries are still unclaimed. Looks at the slots, newest first, until it
 * meets a claimed one. */
uint32_t reeve_ring_unclaimed(const struct reeve_ring *ring);

/* How many entries are reserved or published and not yet reclaimed. */
static inline uint32_t reeve_ring_used(const struct reeve_ring *ring)
{
    return (uint32_t)(ring->head - ring->tail);
}

/* True when the daemon has revoked the ring. Look after publish and a sequentially consistent
 * fence (there is one in reeve_doorbell_ring): then either the daemon's sweep meets the new
 * entries, or this is true and the producer recalls them itself. */
static inline bool reeve_ring_revoked(const struct reeve_ring *ring)
{
    return atomic_load_explicit(&ring->header->revoked, memory_order_relaxed) != 0;
}

/* --- the consumer ----------------------------------------------------------------------------- */

/* True when claim may find something. One load. It can be true when all there is has been
 * recalled: claim then says REEVE_EAGAIN, and after that this is false. */
static inline bool reeve_ring_peek(const struct reeve_ring *ring);

/* Claims the oldest unclaimed entry. Several may be held at a time and finished in any order.
 * Errors: REEVE_EAGAIN (nothing there), REEVE_EPROTOCOL (malformed: drop the peer). */
static inline int reeve_ring_claim(struct reeve_ring *ring, struct reeve_entry_view *ret_view);

/* Gives a claimed entry's slot and payload back. A worker publishes the result first: DONE says
 * "the answer is in the return ring". */
static inline void reeve_ring_done(struct reeve_ring *ring, uint64_t position);

/* --- the revoker (the node daemon) ------------------------------------------------------------ */

struct reeve_ring_census {
    uint32_t revoked; /* taken by this call */
    uint32_t claimed; /* in the consumer's hands at the time it was looked at */
};

/* Marks the ring as revoked and takes every READY entry. Afterwards no entry published before
 * the call can be claimed, and a producer that publishes later is told (reeve_ring_revoked).
 * Repeating it does no harm. Errors: REEVE_EPROTOCOL (a slot changes without end: scribbled). */
int reeve_ring_revoke_all(struct reeve_ring *ring, struct reeve_ring_census *ret_census);

/* A glance at slot `index` (below the ring's slot count), for people: nobody is disturbed. READY or
 * CLAIMED and what is in it; FREE when there is no such entry, or it changed while we looked; -1
 * when the slot has never been used, and so none behind it has (and no page of it is made by
 * looking further). */
#define REEVE_RING_TAIL 16u
struct reeve_ring_sight {
    uint64_t task;
    uint32_t attempt;
    uint32_t function;
    uint16_t flags;
    uint8_t tail[REEVE_RING_TAIL]; /* the last bytes of the payload; zeroes: it has fewer */
};
int reeve_ring_glance(
    const struct reeve_ring *ring, uint32_t index, struct reeve_ring_sight *ret_sight);

/* Lets the producer publish again, when whoever was stopped goes on. */
void reeve_ring_readmit(struct reeve_ring *ring);

/* --- the hot path ----------------------------------------------------------------------------- */

static inline uint64_t reeve_ring_word(
    const struct reeve_ring *ring, uint64_t position, uint32_t state)
{
    return (((position >> ring->slot_shift) + 1) << 8) | state;
}

static inline struct reeve_slot *reeve_ring_slot(const struct reeve_ring *ring, uint64_t position)
{
    return &ring->slots[position & ring->slot_mask];
}

int reeve_ring_reserve_slow(
    struct reeve_ring *ring, uint32_t length, struct reeve_slot_fill *ret_fill);
int reeve_ring_skip(struct reeve_ring *ring, uint64_t word);

static inline int reeve_ring_reserve(
    struct reeve_ring *ring, uint32_t length, struct reeve_slot_fill *ret_fill)
{
    if (length > REEVE_RING_INLINE_BYTES || ring->head - ring->tail > ring->slot_mask)
        return reeve_ring_reserve_slow(ring, length, ret_fill);
    uint64_t position = ring->head++;
    struct reeve_slot *slot = reeve_ring_slot(ring, position);
    ring->payload_end[position & ring->slot_mask] = ring->payload_head;
    slot->length = length;
    slot->where = REEVE_PAYLOAD_INLINE;
    ret_fill->position = position;
    ret_fill->slot = slot;
    ret_fill->payload = slot->payload.bytes;
    return 0;
}

static inline uint32_t reeve_ring_publish(struct reeve_ring *ring)
{
    uint32_t count = (uint32_t)(ring->head - ring->published);
    for (; ring->published != ring->head; ring->published++) {
        /* release: whoever sees READY sees the fields and the payload */
        atomic_store_explicit(&reeve_ring_slot(ring, ring->published)->word,
            reeve_ring_word(ring, ring->published, REEVE_SLOT_READY), memory_order_release);
    }
    return count;
}

static inline bool reeve_ring_peek(const struct reeve_ring *ring)
{
    /* Relaxed: only a hint, claim looks again. A word of this lap (or, where entries were
     * recalled and their slot used again, of a later one) is greater than the bare lap; one of
     * the lap before is smaller. */
    return atomic_load_explicit(&reeve_ring_slot(ring, ring->next)->word, memory_order_relaxed) >=
           reeve_ring_word(ring, ring->next, REEVE_SLOT_FREE);
}

/* Copies and checks a claimed slot. Each field is read once. */
static inline int reeve_ring_view(const struct reeve_ring *ring, uint64_t position,
    const struct reeve_slot *slot, struct reeve_entry_view *ret_view)
{
    uint32_t length = *(const volatile uint32_t *)&slot->length;
    uint8_t where = *(const volatile uint8_t *)&slot->where;
    if (where == REEVE_PAYLOAD_INLINE) {
        if (length > REEVE_RING_INLINE_BYTES)
            return REEVE_EPROTOCOL;
        ret_view->payload = slot->payload.bytes;
    } else {
        uint32_t offset = *(const volatile uint32_t *)&slot->payload.offset;
        if (where != REEVE_PAYLOAD_RING || length > ring->payload_bytes ||
            offset > ring->payload_bytes - length)
            return REEVE_EPROTOCOL;
        ret_view->payload = ring->payload + offset;
    }
    ret_view->position = position;
    ret_view->task = slot->task;
    ret_view->attempt = slot->attempt;
    ret_view->function = slot->function;
    ret_view->length = length;
    ret_view->references = slot->references;
    ret_view->flags = slot->flags;
    ret_view->status = slot->status;
    ret_view->kind = slot->kind;
    return 0;
}

static inline int reeve_ring_claim(struct reeve_ring *ring, struct reeve_entry_view *ret_view)
{
    for (;;) {
        uint64_t position = ring->next;
        struct reeve_slot *slot = reeve_ring_slot(ring, position);
        uint64_t ready = reeve_ring_word(ring, position, REEVE_SLOT_READY);
        /* acquire, here and in the exchange: pairs with the release in publish */
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
        if (word < ready)
            return REEVE_EAGAIN;
        if (word == ready) {
            if (ring->recallable && !atomic_compare_exchange_strong_explicit(&slot->word, &word,
                                        reeve_ring_word(ring, position, REEVE_SLOT_CLAIMED),
                                        memory_order_acquire, memory_order_acquire))
                continue; /* recalled or revoked just now: look again */
            ring->next = position + 1;
            return reeve_ring_view(ring, position, slot, ret_view);
        }
        int error = reeve_ring_skip(ring, word);
        if (error != 0)
            return error;
    }
}

static inline void reeve_ring_done(struct reeve_ring *ring, uint64_t position)
{
    /* A plain store will do, as nobody else moves a claimed slot. release: the producer's reuse
     * of slot and payload comes after our last read of them, and who sees DONE sees the answer
     * that was published before. */
    atomic_store_explicit(&reeve_ring_slot(ring, position)->word,
        reeve_ring_word(ring, position, REEVE_SLOT_DONE), memory_order_release);
}

#endif
