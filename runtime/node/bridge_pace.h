/* How often the daemon looks at its bridged rings.
 *
 * When little goes on, it sleeps until its bell is rung: whoever publishes an entry wakes it, and
 * the entry travels at once. When entries come one upon the other, each would wake it for itself
 * alone, and make a message of its own, at some ten microseconds of everybody's time. So it then
 * leaves the bell alone for a moment, in which nobody pays for waking it, and takes what has come
 * by the end of it in one.
 *
 * Pure: it is told the time. */
#ifndef REEVE_NODE_BRIDGE_PACE_H
#define REEVE_NODE_BRIDGE_PACE_H

#include <stdint.h>

/* A pause never gathers more than this part of what is under way, so that neither side runs dry
 * meanwhile: few that are under way are never held up. */
#define REEVE_BRIDGE_PART         8u
#define REEVE_BRIDGE_BATCH_MIN    8u
#define REEVE_BRIDGE_BATCH_MAX    128u
#define REEVE_BRIDGE_PAUSE_MIN_NS 50000u
#define REEVE_BRIDGE_PAUSE_MAX_NS 500000u

/* Zeroed at first. */
struct reeve_bridge_pace {
    uint64_t looked_ns;
    /* averages over some looks, in sixteenths of an entry; the first: 0, when nothing is known */
    uint64_t passed_ns, entries_16;
};

/* A look has found so many entries, and so many are under way: they have been passed on, and their
 * answers have not. For how long not to look again; 0: sleep until rung. */
uint64_t reeve_bridge_pause_ns(
    struct reeve_bridge_pace *pace, uint64_t now_ns, uint32_t entries, uint32_t under_way);

#endif
