/* ring.c: what of the ring is not on the hot path. The protocol is drawn in ring.h. */
#include "runtime/channel/ring.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/macros.h"

#define RING_MAGIC   0x52454556u /* REEV */
#define RING_VERSION 1u

/* How often the daemon tries one slot: each failure means that somebody moved it, which a sane
 * peer does a few times. */
#define REVOKE_TRIES 1000

static bool power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static uint32_t state_of(uint64_t word)
{
    return (uint32_t)(word & 0xff);
}

static uint64_t lap_of(uint64_t word)
{
    return word >> 8;
}

static uint64_t load(const struct reeve_slot *slot, memory_order order)
{
    return atomic_load_explicit((_Atomic uint64_t *)&slot->word, order);
}

/* --- making and attaching --------------------------------------------------------------------- */

bool reeve_ring_geometry_valid(const struct reeve_ring_geometry *geometry)
{
    return power_of_two(geometry->slot_count) && geometry->slot_count >= REEVE_RING_SLOTS_MIN &&
           geometry->slot_count <= REEVE_RING_SLOTS_MAX && power_of_two(geometry->payload_bytes) &&
           geometry->payload_bytes >= REEVE_RING_PAYLOAD_MIN &&
           geometry->payload_bytes <= REEVE_RING_PAYLOAD_MAX;
}

size_t reeve_ring_size_bytes(const struct reeve_ring_geometry *geometry)
{
    return sizeof(struct reeve_ring_header) +
           (size_t)geometry->slot_count * sizeof(struct reeve_slot) + geometry->payload_bytes;
}

void reeve_ring_format(void *memory, const struct reeve_ring_geometry *geometry)
{
    struct reeve_ring_header *header = memory;
    header->version = RING_VERSION;
    header->slot_count = geometry->slot_count;
    header->payload_bytes = geometry->payload_bytes;
    header->recallable = geometry->recallable;
    header->magic = RING_MAGIC;
}

static int attach(struct reeve_ring *ring, void *memory, size_t size_bytes)
{
    if (size_bytes < sizeof(struct reeve_ring_header))
        return REEVE_EPROTOCOL;
    /* Copied once, checked and used from the copy: what the shared header says later does not
     * matter. */
    struct reeve_ring_header header;
    memcpy(&header, memory, sizeof header);
    struct reeve_ring_geometry geometry = {
        .slot_count = header.slot_count,
        .payload_bytes = header.payload_bytes,
        .recallable = header.recallable != 0,
    };
    if (header.magic != RING_MAGIC || header.version != RING_VERSION ||
        !reeve_ring_geometry_valid(&geometry) || reeve_ring_size_bytes(&geometry) > size_bytes)
        return REEVE_EPROTOCOL;
    *ring = (struct reeve_ring){
        .header = memory,
        .slots = (struct reeve_slot *)((uint8_t *)memory + sizeof header),
        .payload = (uint8_t *)memory + sizeof header +
                   (size_t)geometry.slot_count * sizeof(struct reeve_slot),
        .slot_mask = geometry.slot_count - 1,
        .slot_shift = (uint32_t)__builtin_ctz(geometry.slot_count),
        .payload_bytes = geometry.payload_bytes,
        .recallable = geometry.recallable,
    };
    return 0;
}

int reeve_ring_attach_producer(struct reeve_ring *ring, void *memory, size_t size_bytes)
{
    struct reeve_ring attached;
    int error = attach(&attached, memory, size_bytes);
    if (error != 0)
        return error;
    attached.payload_end = calloc(attached.slot_mask + 1, sizeof *attached.payload_end);
    if (attached.payload_end == NULL)
        return REEVE_ENOMEM;
    *ring = attached;
    return 0;
}

int reeve_ring_attach_consumer(struct reeve_ring *ring, void *memory, size_t size_bytes)
{
    return attach(ring, memory, size_bytes);
}

int reeve_ring_attach_revoker(struct reeve_ring *ring, void *memory, size_t size_bytes)
{
    return attach(ring, memory, size_bytes);
}

void reeve_ring_detach(struct reeve_ring *ring)
{
    free(ring->payload_end);
    memset(ring, 0, sizeof *ring);
}

/* --- the producer ----------------------------------------------------------------------------- */

static bool payload_room(const struct reeve_ring *ring, uint32_t length, uint64_t *ret_start)
{
    uint64_t start = ring->payload_head;
    uint64_t before_end = ring->payload_bytes - (start & (ring->payload_bytes - 1));
    if (length > before_end)
        start += before_end;
    *ret_start = start;
    return start + length - ring->payload_tail <= ring->payload_bytes;
}

int reeve_ring_reserve_slow(
    struct reeve_ring *ring, uint32_t length, struct reeve_slot_fill *ret_fill)
{
    bool is_inline = length <= REEVE_RING_INLINE_BYTES;
    uint64_t start = ring->payload_head;
    if (length > ring->payload_bytes)
        return REEVE_ETOOLARGE;
    if (ring->head - ring->tail > ring->slot_mask ||
        (!is_inline && !payload_room(ring, length, &start))) {
        int reclaimed = reeve_ring_reclaim(ring);
        if (reclaimed < 0)
            return reclaimed;
        if (ring->head - ring->tail > ring->slot_mask ||
            (!is_inline && !payload_room(ring, length, &start)))
            return REEVE_EAGAIN;
    }
    uint64_t position = ring->head++;
    struct reeve_slot *slot = reeve_ring_slot(ring, position);
    if (!is_inline) {
        uint32_t offset = (uint32_t)(start & (ring->payload_bytes - 1));
        uint64_t round = REEVE_RING_PAYLOAD_ALIGN - 1;
        ring->payload_head = start + ((length + round) & ~round);
        slot->payload.offset = offset;
        ret_fill->payload = ring->payload + offset;
    } else {
        ret_fill->payload = slot->payload.bytes;
    }
    ring->payload_end[position & ring->slot_mask] = ring->payload_head;
    slot->length = length;
    slot->where = is_inline ? REEVE_PAYLOAD_INLINE : REEVE_PAYLOAD_RING;
    ret_fill->position = position;
    ret_fill->slot = slot;
    return 0;
}

void reeve_ring_shrink(struct reeve_ring *ring, const struct reeve_slot_fill *fill, uint32_t length)
{
    uint8_t *payload = fill->payload;
    bool in_byte_ring = payload >= ring->payload && payload < ring->payload + ring->payload_bytes;
    REEVE_ASSERT(fill->position + 1 == ring->head && ring->published != ring->head);
    if (in_byte_ring) {
        /* The records start at multiples of the alignment, so the start is the end less the
         * rounded length: found from private values, as the slot's own could have been altered. */
        uint64_t mask = ring->payload_bytes - 1;
        uint64_t end = ring->payload_head;
        uint64_t taken = (end - (uint64_t)(payload - ring->payload)) & mask;
        uint64_t round = REEVE_RING_PAYLOAD_ALIGN - 1;
        taken = taken == 0 ? ring->payload_bytes : taken; /* a record as long as the byte ring */
        REEVE_ASSERT(length <= taken);
        ring->payload_head = end - taken + ((length + round) & ~round);
        ring->payload_end[fill->position & ring->slot_mask] = ring->payload_head;
    } else {
        REEVE_ASSERT(length <= REEVE_RING_INLINE_BYTES);
    }
    fill->slot->length = length;
}

void reeve_ring_abandon(struct reeve_ring *ring)
{
    if (ring->head == ring->published)
        return;
    ring->head = ring->published;
    /* What the entry before the dropped ones ended with; with none before them the byte ring is
     * empty. */
    ring->payload_head = ring->head == ring->tail
                             ? ring->payload_tail
                             : ring->payload_end[(ring->head - 1) & ring->slot_mask];
}

bool reeve_ring_recall(struct reeve_ring *ring, uint64_t position)
{
    struct reeve_slot *slot = reeve_ring_slot(ring, position);
    uint64_t recalled = reeve_ring_word(ring, position, REEVE_SLOT_RECALLED);
    /* At most three turns: READY, REVOKED meanwhile, RECALLED by another thread meanwhile. */
    for (;;) {
        /* relaxed: nothing is read or written on the strength of it; the consumer has not
         * touched the payload */
        uint64_t word = load(slot, memory_order_relaxed);
        if (word != reeve_ring_word(ring, position, REEVE_SLOT_READY) &&
            word != reeve_ring_word(ring, position, REEVE_SLOT_REVOKED))
            return false;
        if (atomic_compare_exchange_strong_explicit(
                &slot->word, &word, recalled, memory_order_relaxed, memory_order_relaxed))
            return true;
    }
}

int reeve_ring_reclaim(struct reeve_ring *ring)
{
    uint64_t tail = ring->tail;
    while (tail != ring->published) {
        /* acquire: our reuse of slot and payload comes after the consumer's last read of them */
        uint64_t word = load(reeve_ring_slot(ring, tail), memory_order_acquire);
        uint32_t state = state_of(word);
        if (word != reeve_ring_word(ring, tail, state) || state == REEVE_SLOT_FREE ||
            state > REEVE_SLOT_REVOKED)
            return REEVE_EPROTOCOL;
        if (state != REEVE_SLOT_DONE && state != REEVE_SLOT_RECALLED)
            break;
        tail++;
    }
    int count = (int)(tail - ring->tail);
    if (count != 0) {
        ring->payload_tail = ring->payload_end[(tail - 1) & ring->slot_mask];
        ring->tail = tail;
    }
    if (ring->tail == ring->head) {
        /* Nothing is left: start again at the beginning, where the pages are warm and the
         * longest record fits. */
        uint64_t mask = ring->payload_bytes - 1;
        ring->payload_head = (ring->payload_head + mask) & ~mask;
        ring->payload_tail = ring->payload_head;
    }
    return count;
}

int reeve_ring_state(const struct reeve_ring *ring, uint64_t position)
{
    if (position < ring->tail || position >= ring->published)
        return REEVE_SLOT_FREE;
    /* acquire: who sees DONE sees the answer that was published before it */
    uint64_t word = load(reeve_ring_slot(ring, position), memory_order_acquire);
    uint32_t state = state_of(word);
    if (word != reeve_ring_word(ring, position, state) || state == REEVE_SLOT_FREE ||
        state > REEVE_SLOT_REVOKED)
        return REEVE_EPROTOCOL;
    return (int)state;
}

uint32_t reeve_ring_unclaimed(const struct reeve_ring *ring)
{
    uint32_t count = 0;
    for (uint64_t position = ring->published; position != ring->tail; position--) {
        uint32_t state = state_of(load(reeve_ring_slot(ring, position - 1), memory_order_relaxed));
        if (state == REEVE_SLOT_CLAIMED || state == REEVE_SLOT_DONE)
            break; /* claims are in order: all before it are claimed or recalled */
        count += state == REEVE_SLOT_READY;
    }
    return count;
}

/* --- the consumer ----------------------------------------------------------------------------- */

/* claim has met a word that is neither ours to claim nor still to come. Steps over entries that
 * were taken back. */
int reeve_ring_skip(struct reeve_ring *ring, uint64_t word)
{
    uint64_t lap = (ring->next >> ring->slot_shift) + 1;
    uint32_t state = state_of(word);
    /* No ring lives so long that a lap has more bits, but a word that was scribbled may:
     * positions would then overflow and claim could go round for ever. As it is, each skip leads
     * to a later position. */
    uint32_t lap_bits = REEVE_MIN(55u, 63u - ring->slot_shift);
    if (!ring->recallable || state == REEVE_SLOT_FREE || state > REEVE_SLOT_REVOKED ||
        lap_of(word) >> lap_bits != 0)
        return REEVE_EPROTOCOL;
    if (lap_of(word) == lap) {
        if (state != REEVE_SLOT_RECALLED && state != REEVE_SLOT_REVOKED)
            return REEVE_EPROTOCOL; /* claimed, but not by us */
        ring->next++;
        return 0;
    }
    /* The slot has a later tenant: ours was recalled, reclaimed and the slot used again. For the
     * tenant's position p to be reserved, all up to p - N had been reclaimed, and as we claimed
     * none of them, recalled: go on behind p - N. Where p is ours plus N, that is the next
     * position. */
    uint64_t position = ((lap_of(word) - 1) << ring->slot_shift) + (ring->next & ring->slot_mask);
    ring->next = position - ring->slot_mask;
    return 0;
}

/* --- the revoker ------------------------------------------------------------------------------ */

int reeve_ring_revoke_all(struct reeve_ring *ring, struct reeve_ring_census *ret_census)
{
    struct reeve_ring_census census = {0};
    REEVE_ASSERT(ring->recallable);
    atomic_store_explicit(&ring->header->revoked, 1, memory_order_relaxed);
    /* Pairs with the fence between the producer's publish and its look at `revoked`: either we
     * see its entry, or it sees the mark. */
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t index = 0; index <= ring->slot_mask; index++) {
        struct reeve_slot *slot = &ring->slots[index];
        for (int tries = 0;; tries++) {
            if (tries == REVOKE_TRIES)
                return REEVE_EPROTOCOL;
            uint64_t word = load(slot, memory_order_relaxed);
            if (state_of(word) != REEVE_SLOT_READY) {
                census.claimed += state_of(word) == REEVE_SLOT_CLAIMED;
                break;
            }
            /* relaxed: only the right to the entry changes hands, no data */
            uint64_t revoked = word - REEVE_SLOT_READY + REEVE_SLOT_REVOKED;
            if (atomic_compare_exchange_strong_explicit(
                    &slot->word, &word, revoked, memory_order_relaxed, memory_order_relaxed)) {
                census.revoked++;
                break;
            }
        }
    }
    *ret_census = census;
    return 0;
}

/* The last bytes of its payload. What is not so large, or lies where nothing can, gives zeroes. */
static void glance_at_tail(
    const struct reeve_ring *ring, const struct reeve_slot *slot, uint8_t ret_tail[REEVE_RING_TAIL])
{
    uint32_t length = *(const volatile uint32_t *)&slot->length;
    uint32_t offset = *(const volatile uint32_t *)&slot->payload.offset;
    bool in_slot = *(const volatile uint8_t *)&slot->where == REEVE_PAYLOAD_INLINE;
    uint64_t room = in_slot ? REEVE_RING_INLINE_BYTES : ring->payload_bytes;
    uint64_t end = (in_slot ? 0 : (uint64_t)offset) + length;
    const volatile uint8_t *bytes = in_slot ? slot->payload.bytes : ring->payload;
    memset(ret_tail, 0, REEVE_RING_TAIL);
    if (length < REEVE_RING_TAIL || end > room)
        return;
    for (uint32_t i = 0; i < REEVE_RING_TAIL; i++)
        ret_tail[i] = bytes[end - REEVE_RING_TAIL + i];
}

int reeve_ring_glance(
    const struct reeve_ring *ring, uint32_t index, struct reeve_ring_sight *ret_sight)
{
    const struct reeve_slot *slot = &ring->slots[index & ring->slot_mask];
    uint64_t word = load(slot, memory_order_acquire);
    uint32_t state = state_of(word);
    if (word == 0)
        return -1;
    if (state != REEVE_SLOT_READY && state != REEVE_SLOT_CLAIMED)
        return REEVE_SLOT_FREE;
    ret_sight->task = *(const volatile uint64_t *)&slot->task;
    ret_sight->attempt = *(const volatile uint32_t *)&slot->attempt;
    ret_sight->function = *(const volatile uint32_t *)&slot->function;
    ret_sight->flags = *(const volatile uint16_t *)&slot->flags;
    glance_at_tail(ring, slot, ret_sight->tail);
    /* All that is of one entry if the lap is still the same; between READY and CLAIMED it does not
     * change. When it is DONE its payload is another's. */
    atomic_thread_fence(memory_order_acquire);
    uint64_t now = load(slot, memory_order_relaxed);
    bool is_same = now >> 8 == word >> 8 &&
                   (state_of(now) == REEVE_SLOT_READY || state_of(now) == REEVE_SLOT_CLAIMED);
    return is_same ? (int)state : REEVE_SLOT_FREE;
}

void reeve_ring_readmit(struct reeve_ring *ring)
{
    atomic_store_explicit(&ring->header->revoked, 0, memory_order_relaxed);
}
