/* What is inside the payload of an entry, call or result, and what its kind and flags mean. Rings
 * do not look at any of it; owner, worker and bridge do.
 *
 *   payload   | reference 0 | … | reference n-1 | time limit, 4 B (flag TIMED) |
 *               units, 4 B, and bytes of a unit, 4 B (flag WINDOW) |
 *               size, 4 B, and hand-over (flag LENT) | value: msgpack |
 *               parent, 16 B (flag PARENT)
 *               of a call that makes an actor, in place of a time limit: the number of the latest
 *               of its owner's that has been made in this host before, be it alive or not
 *               a reference has 48 B; n is the slot's `references`
 *
 *   reference | owner 8 | sequence 8 | size 8 | node 4 | flags 4 | segment 4 | serial 4 | offset 8
 *             `node`: where a copy is; with flag LOCATED also at which place in that node's store,
 *             and it is pinned there for who gets the entry: in a call by its holder, until the
 *             call is answered; in a result for its owner, until that lets go. So they read it
 *             without asking anybody
 *
 *   parent    | owner 8 | sequence 8 |    of a call that a task has made: that task
 *             it stands behind the arguments as its owner keeps them, so that both are one copy
 *
 * Numbers are little-endian, as the machine's.
 *
 * The value of a call is a msgpack array of the arguments, or a reference (codec.h) to an object
 * that holds that array. Flag REEVE_ENTRY_OBJECT: there is no value behind; it is the contents of
 * the object that reference 0 names. All further references name objects that the value mentions,
 * so that nobody has to parse msgpack to find them: a bridge stages them on its node before it
 * passes the entry on.
 *
 * Futures in a value, as futures, stand beside it: the value does not say which they are. With a
 * call comes what they are, as a hand-over (drawn in api/client/owner.h). Before a result comes its
 * hand-over, in as many entries of kind HANDED as it takes.
 *
 * Items of a stream come before its result, in entries of kind ITEM: the payload is a value. One
 * that is large comes in several, all but the last with flag MORE. How far they may be ahead of
 * their reader: credit.h; a call says so (flag WINDOW) where it is not as always.
 *
 * An actor's state comes to its owner in an entry of kind SAVED, which belongs to no call. Behind
 * the arguments of the constructor that makes the actor again it stands as it came.
 *
 * The status of a call, with some of its flags, says since when it could have begun: stamp.h.
 *
 * A result answers one call. kind RECALLED says that the call was not run and never will be by
 * this worker (its status is REEVE_ECANCELLED): the holder has it back. A result whose status is
 * not 0 carries, as its value, a msgpack map for people: {"message": str, "code": int (the
 * user's own), "node": str}, any of which may be missing. One whose status is REEVE_ELOST or
 * REEVE_ECORRUPT may carry a reference: to the object among the arguments that is lost or damaged,
 * so that the call was not run.
 *
 * Calls of actors run in the order in which they were sent. So with one that is refused for such an
 * argument all that were sent behind it are, as RECALLED, until one comes with flag RESUMES, which
 * its holder sends when it has them all back:
 *
 *   holder    1  2  3  4                        2 RESUMES  3  4
 *   host            1 done  2 ELOST  3, 4 RECALLED            2  3  4 done */
#ifndef REEVE_CHANNEL_ENTRY_H
#define REEVE_CHANNEL_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/ids.h"
#include "runtime/channel/credit.h"

enum reeve_entry_kind {
    REEVE_ENTRY_CALL = 1,
    REEVE_ENTRY_RESULT = 2,
    REEVE_ENTRY_RECALLED = 3,
    REEVE_ENTRY_HANDED = 4, /* on a return ring: a piece; it does not answer the call */
    REEVE_ENTRY_ITEM = 5,   /* likewise: a piece of an item, or all of it */
    REEVE_ENTRY_SAVED = 6,  /* on a return ring: the state of the actor with number `task` */
};

/* Of an entry on a return ring: not so, then its answer is yet to come. */
static inline _Bool reeve_entry_answers(uint8_t kind)
{
    return kind != REEVE_ENTRY_HANDED && kind != REEVE_ENTRY_ITEM && kind != REEVE_ENTRY_SAVED;
}

/* flags, beside REEVE_ENTRY_OBJECT of ring.h */
#define REEVE_ENTRY_TIMED      0x0001u
#define REEVE_ENTRY_LENT       0x0002u
#define REEVE_ENTRY_ALONE      0x0004u /* a call: its children are not to be run by its worker */
#define REEVE_ENTRY_CHILD_DIED 0x0008u /* EWORKERDIED: while it ran a child of the task's */
#define REEVE_ENTRY_MORE       0x0010u /* an ITEM: the next one goes on with it */
#define REEVE_ENTRY_WINDOW     0x0020u /* a call, of a stream */
#define REEVE_ENTRY_PARENT     0x0040u /* a call, made by a task */
#define REEVE_ENTRY_RESUMES    0x0080u /* a call, of an actor: it is not refused with one before */
/* 0x7f00: of a call, part of its stamp (stamp.h) */

/* flag of a reference: the object was given away, its owner is not the process in its id; or it is
 * held, and its owner may give it away unheard */
#define REEVE_REFERENCE_GIVEN 1u
/* only in the owner core of who keeps what it was lent, and in a hand-over to another: it holds it,
 * and does not own it; its offset is the token of the hold */
#define REEVE_REFERENCE_HELD 2u
/* segment, serial and offset are known */
#define REEVE_REFERENCE_LOCATED 4u

struct reeve_reference {
    struct reeve_object_id id;
    uint64_t size_bytes;
    uint32_t node;
    uint32_t flags;
    uint32_t segment;
    uint32_t serial; /* numbers of segments come back, serials do not */
    uint64_t offset;
};
_Static_assert(sizeof(struct reeve_reference) == 48, "references are laid out as drawn");

#define REEVE_ENTRY_REFERENCES_MAX 1024u

/* The parts of a payload of `length` bytes, or false when they do not fit: references and value
 * point into it. */
struct reeve_entry_parts {
    const struct reeve_reference *references; /* may be unaligned in a byte ring: copy before use */
    uint32_t timeout_ms;
    struct reeve_stream_window window; /* as the call says it: 0 where it does not */
    const uint8_t *lent;               /* the hand-over, or NULL */
    uint32_t lent_size;
    const uint8_t *value;
    uint32_t value_size;
    const uint8_t *parent; /* a struct reeve_object_id, perhaps unaligned; or NULL */
};

static inline _Bool reeve_entry_split(const uint8_t *payload, uint32_t length, uint16_t references,
    uint16_t flags, struct reeve_entry_parts *ret)
{
    uint32_t head = (uint32_t)references * (uint32_t)sizeof(struct reeve_reference);
    uint32_t limit = (flags & REEVE_ENTRY_TIMED) ? 4 : 0;
    uint32_t window = (flags & REEVE_ENTRY_WINDOW) ? sizeof(ret->window) : 0;
    uint32_t lent = (flags & REEVE_ENTRY_LENT) ? 4 : 0;
    if (references > REEVE_ENTRY_REFERENCES_MAX || head + limit + window + lent > length)
        return 0;
    ret->references = (const struct reeve_reference *)(const void *)payload;
    ret->timeout_ms = 0;
    if (limit)
        __builtin_memcpy(&ret->timeout_ms, payload + head, 4);
    head += limit;
    if (__builtin_expect(window != 0, 0)) {
        __builtin_memcpy(&ret->window, payload + head, sizeof(ret->window));
        head += window;
    } else {
        ret->window = (struct reeve_stream_window){0, 0};
    }
    ret->lent = NULL;
    ret->lent_size = 0;
    if (lent) {
        __builtin_memcpy(&ret->lent_size, payload + head, 4);
        head += lent;
        if (ret->lent_size > length - head)
            return 0;
        ret->lent = payload + head;
        head += ret->lent_size;
    }
    ret->parent = NULL;
    if (flags & REEVE_ENTRY_PARENT) {
        if (length - head < sizeof(struct reeve_object_id))
            return 0;
        length -= (uint32_t)sizeof(struct reeve_object_id);
        ret->parent = payload + length;
    }
    ret->value = payload + head;
    ret->value_size = length - head;
    return 1;
}

#endif
