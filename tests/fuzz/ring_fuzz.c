/* Arbitrary bytes as a channel: attached by holder, worker and daemon, which then follow a script
 * from the input while a hostile peer scribbles. Whatever the memory says, every call returns, and
 * nothing outside of the mapping is read or written: it lies against a page without rights at the
 * chosen end, and what is left before or behind it is checked.
 *
 *   input    | how 1 | geometry 4 | script: operation 1, argument 2 … |
 *
 *   how      bit 0: against the end, else the start; bit 1: format it, else zeros; bits 2-7:
 *            size, as large as the channel if 0, else in KiB */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/base/assert.h"
#include "runtime/base/macros.h"
#include "runtime/channel/channel.h"
#include "runtime/channel/entry.h"

#define PAGE        4096u
#define AREA        (96u * 1024u) /* 1024 slots: so that laps times slots need more than 64 bits */
#define SLOT_BYTES  64u
#define HELD_MAX    64
#define CANARY      0xa5
#define OPERATIONS  512 /* of one script */
#define HEADER_SIZE 64u

struct input {
    const uint8_t *data;
    size_t size;
};

/* One process's side: its channel, and the entries it has in hand. */
struct side {
    bool attached;
    struct reeve_channel channel;
    struct reeve_slot_fill last; /* of the call ring's or return ring's producer; position + 1 */
    uint32_t last_length;
    bool reserved;
    uint64_t held[HELD_MAX];
    unsigned held_count;
};

static uint8_t *area; /* between two pages without rights */
static uint8_t *memory;
static size_t memory_size;
static volatile uint64_t seen;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t take(struct input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

static uint32_t take2(struct input *input)
{
    uint32_t low = take(input);
    return low | (uint32_t)take(input) << 8;
}

static void make_area(void)
{
    uint8_t *whole =
        mmap(NULL, AREA + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REEVE_ASSERT(whole != MAP_FAILED);
    area = whole + PAGE;
    REEVE_ASSERT(mprotect(area, AREA, PROT_READ | PROT_WRITE) == 0);
}

static void check_inside(const void *bytes, size_t size)
{
    uintptr_t at = (uintptr_t)bytes, begin = (uintptr_t)memory;
    REEVE_ASSERT(at >= begin && size <= memory_size && at - begin <= memory_size - size);
}

static void check_code(int code)
{
    REEVE_ASSERT(code == 0 || code == REEVE_EAGAIN || code == REEVE_EPROTOCOL ||
                 code == REEVE_ETOOLARGE || code == REEVE_ENOMEM);
}

/* ---- the two ends of a ring ---- */

static void produce(struct side *side, struct reeve_ring *ring, uint32_t what, uint32_t argument)
{
    uint64_t position = ring->head - argument % 256; /* one of late, or of never */
    switch (what) {
    case 0:
    case 1: {
        uint32_t length = what == 0 ? argument % 64 : argument;
        int code = reeve_ring_reserve(ring, length, &side->last);
        check_code(code);
        if (code != 0)
            break;
        check_inside(side->last.slot, SLOT_BYTES);
        check_inside(side->last.payload, length);
        memset(side->last.payload, (int)argument, length);
        side->last.slot->task = argument;
        side->last.slot->references = (uint16_t)(argument % 3);
        side->last.slot->flags = (uint16_t)argument;
        side->last_length = length;
        side->reserved = true;
        break;
    }
    case 2:
        if (side->reserved && side->last.position + 1 == ring->head)
            reeve_ring_shrink(
                ring, &side->last, side->last_length = argument % (side->last_length + 1));
        break;
    case 3:
        reeve_ring_publish(ring);
        side->reserved = false;
        break;
    case 4:
        reeve_ring_abandon(ring);
        side->reserved = false;
        break;
    case 5: seen += reeve_ring_recall(ring, position); break;
    case 6: {
        int count = reeve_ring_reclaim(ring);
        REEVE_ASSERT(count >= 0 || count == REEVE_EPROTOCOL);
        break;
    }
    case 7: {
        int state = reeve_ring_state(ring, position);
        REEVE_ASSERT(state == REEVE_EPROTOCOL || (state >= 0 && state <= REEVE_SLOT_REVOKED));
        REEVE_ASSERT(reeve_ring_unclaimed(ring) <= ring->slot_mask + 1);
        seen += reeve_ring_revoked(ring);
        break;
    }
    }
    REEVE_ASSERT(reeve_ring_used(ring) <= ring->slot_mask + 1);
}

static void consume(struct side *side, struct reeve_ring *ring, uint32_t what, uint32_t argument)
{
    struct reeve_entry_view view;
    struct reeve_entry_parts parts;
    bool peeked = reeve_ring_peek(ring);
    if (what % 4 == 0 && side->held_count != 0) {
        unsigned which = argument % side->held_count;
        reeve_ring_done(ring, side->held[which]);
        side->held[which] = side->held[--side->held_count];
        return;
    }
    if (side->held_count == HELD_MAX)
        return;
    int code = reeve_ring_claim(ring, &view);
    check_code(code);
    REEVE_ASSERT(peeked || code == REEVE_EAGAIN);
    if (code != 0)
        return;
    check_inside(view.payload, view.length);
    for (uint32_t i = 0; i < view.length; i++)
        seen += view.payload[i];
    if (reeve_entry_split(view.payload, view.length, view.references, view.flags, &parts)) {
        check_inside(parts.value, parts.value_size);
        if (parts.parent != NULL)
            check_inside(parts.parent, sizeof(struct reeve_object_id));
        check_inside(parts.references, view.references * sizeof(struct reeve_reference));
    }
    side->held[side->held_count++] = view.position;
}

static void revoke(struct reeve_ring *ring, uint32_t argument)
{
    struct reeve_ring_census census = {0};
    if (argument % 4 == 0) {
        reeve_ring_readmit(ring);
        return;
    }
    int code = reeve_ring_revoke_all(ring, &census);
    check_code(code);
    REEVE_ASSERT(census.revoked + census.claimed <= ring->slot_mask + 1);
}

/* ---- the hostile peer ---- */

static void scribble(struct input *input, uint32_t where)
{
    size_t at = where % memory_size, count = take(input) % 24u;
    for (size_t i = 0; i < count && at + i < memory_size; i++)
        memory[at + i] = take(input);
}

/* A word that could be one, in a slot of the call ring or of the return ring, or in all of them. */
static void forge(struct input *input, const struct side *side, uint32_t where)
{
    const struct reeve_ring *ring = where & 1 ? &side->channel.calls : &side->channel.returns;
    if (!side->attached)
        return;
    uint64_t lap = (uint64_t)(int8_t)take(input), state = take(input) % 8u;
    if (where & 2)
        lap = lap << 48 | take(input);
    bool all = where & 4;
    for (uint32_t i = 0; i <= ring->slot_mask; i++)
        if (all || i == (where / 8 & ring->slot_mask))
            atomic_store(&ring->slots[i].word, lap << 8 | state);
}

static void step(struct input *input, struct side sides[3])
{
    uint32_t what = take(input), argument = take2(input);
    struct side *holder = &sides[0], *worker = &sides[1], *daemon = &sides[2];
    uint32_t detail = what / 8 % 8;
    switch (what % 8) {
    case 0:
        if (holder->attached)
            produce(holder, &holder->channel.calls, detail, argument);
        break;
    case 1:
        if (worker->attached)
            consume(worker, &worker->channel.calls, detail, argument);
        break;
    case 2:
        if (worker->attached)
            produce(worker, &worker->channel.returns, detail, argument);
        break;
    case 3:
        if (holder->attached)
            consume(holder, &holder->channel.returns, detail, argument);
        break;
    case 4:
        if (daemon->attached)
            revoke(&daemon->channel.calls, argument);
        break;
    case 5: scribble(input, argument); break;
    case 6: forge(input, holder, argument); break;
    case 7:
        if (daemon->attached) { /* it looks at both rings after a death */
            seen += reeve_ring_unclaimed(&daemon->channel.calls);
            seen += (uint64_t)reeve_ring_state(&daemon->channel.calls, argument);
        }
        seen += reeve_doorbell_attach(memory, memory_size) != NULL;
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    if (area == NULL)
        make_area();
    uint8_t how = take(&input);
    struct reeve_channel_geometry geometry = {
        .call_slots = 2u << take(&input) % 10,
        .call_payload_bytes = 64u << take(&input) % 6,
        .return_slots = 2u << take(&input) % 10,
        .return_payload_bytes = 64u << take(&input) % 6,
    };
    size_t wanted = reeve_channel_size_bytes(&geometry);
    memory_size = how / 4 ? how / 4 * 1024u : REEVE_MIN(wanted, AREA);
    memory = how & 1 ? area + AREA - memory_size : area;
    memset(area, CANARY, AREA);
    memset(memory, 0, memory_size);
    if (how & 2 && wanted <= memory_size)
        reeve_channel_format(memory, &geometry, 7);
    /* what comes first may be written over the headers */
    uint8_t changes = take(&input) % 8;
    for (unsigned i = 0; i < changes; i++)
        scribble(&input, take2(&input) % (how & 2 ? 3 * HEADER_SIZE : AREA));

    struct side sides[3] = {0};
    for (int role = 0; role < 3; role++) {
        int code = reeve_channel_attach(&sides[role].channel, memory, memory_size,
            (enum reeve_channel_role)(REEVE_CHANNEL_HOLDER + role));
        check_code(code);
        sides[role].attached = code == 0;
    }
    for (int i = 0; i < OPERATIONS && input.size != 0; i++)
        step(&input, sides);
    for (int role = 0; role < 3; role++)
        reeve_channel_detach(&sides[role].channel);

    static uint8_t canary[AREA];
    memset(canary, CANARY, AREA);
    size_t before = (size_t)(memory - area), behind = AREA - before - memory_size;
    REEVE_ASSERT(memcmp(area, canary, before) == 0);
    REEVE_ASSERT(memcmp(memory + memory_size, canary, behind) == 0);
    return 0;
}
