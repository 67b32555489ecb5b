/* stamp.h: since when a call could have begun, in the entry by which it travels: what it has waited
 * for a worker, in the queue of its owner and in the ring, is known when it begins.
 *
 *   stamp   | coarse: 1 bit | moment: 22 bits |     0: it is not known
 *
 * The moment is that of the machine's monotonic clock, modulo 2^22, in units of 2^20 ns (1.05 ms),
 * or 2^26 ns (67 ms) where it is longer ago than the former can tell apart: 73 minutes, or 78
 * hours. A bridge sends an age in its place, because clocks of two machines have nothing in common;
 * so what it takes from one to the other is not in it.
 *
 * In a call's slot there is no byte to spare, but its status says nothing, and of its flags some
 * are not in use: there it lies, in two parts. */
#ifndef REEVE_CHANNEL_STAMP_H
#define REEVE_CHANNEL_STAMP_H

#include <stdint.h>

#define REEVE_STAMP_SHIFT       20u /* the owner keeps moments in this unit */
#define REEVE_STAMP_SHIFT_AWAY  6u  /* from that unit to the coarse one */
#define REEVE_STAMP_COARSE      (1u << 22)
#define REEVE_STAMP_MOMENT      (REEVE_STAMP_COARSE - 1)
#define REEVE_STAMP_FLAGS       0x7f00u /* of the flags of a call: bits 16 to 22 */
#define REEVE_STAMP_FLAGS_SHIFT 8u      /* to where they are there */

/* Of a moment in units of 2^20 ns, which may be modulo 2^31. */
static inline uint32_t reeve_stamp_make(uint32_t moment, uint64_t now_ns)
{
    uint32_t age = ((uint32_t)(now_ns >> REEVE_STAMP_SHIFT) - moment) & INT32_MAX;
    /* half of what can be told apart is for what it waits from here on; one that is ahead of the
     * time is as of now */
    uint32_t stamp = moment & REEVE_STAMP_MOMENT;
    if (__builtin_expect(age > REEVE_STAMP_MOMENT / 2 && age <= INT32_MAX / 2, 0))
        stamp = age >> REEVE_STAMP_SHIFT_AWAY <= REEVE_STAMP_MOMENT / 2
                    ? ((moment >> REEVE_STAMP_SHIFT_AWAY) & REEVE_STAMP_MOMENT) | REEVE_STAMP_COARSE
                    : 0;
    return stamp;
}

/* From a stamp to its age, as the same kind of number, and back: a stamp of another clock. An age
 * is not 0, but of what is not known. */
static inline uint32_t reeve_stamp_turn(uint32_t stamp, uint64_t now_ns)
{
    uint32_t coarse = stamp & REEVE_STAMP_COARSE;
    uint64_t now = now_ns >> (REEVE_STAMP_SHIFT + (coarse ? REEVE_STAMP_SHIFT_AWAY : 0));
    uint32_t turned = ((uint32_t)now - stamp) & REEVE_STAMP_MOMENT;
    if (stamp == 0)
        return 0;
    return coarse | (turned == 0 && coarse == 0 ? 1 : turned);
}

/* What it has waited, to the unit. */
static inline uint64_t reeve_stamp_waited_ns(uint32_t stamp, uint64_t now_ns)
{
    uint32_t age = reeve_stamp_turn(stamp, now_ns);
    uint32_t units = age & REEVE_STAMP_MOMENT;
    if (units >= REEVE_STAMP_MOMENT - (1u << 10)) /* ahead of the time: it was noted coarsely */
        return 0;
    return (uint64_t)units << (REEVE_STAMP_SHIFT +
                               (age & REEVE_STAMP_COARSE ? REEVE_STAMP_SHIFT_AWAY : 0));
}

/* As it lies in an entry: for `flags` and `status`. */
static inline uint16_t reeve_stamp_flags(uint32_t stamp)
{
    return (uint16_t)((stamp >> REEVE_STAMP_FLAGS_SHIFT) & REEVE_STAMP_FLAGS);
}
static inline int16_t reeve_stamp_status(uint32_t stamp)
{
    return (int16_t)(uint16_t)stamp;
}
static inline uint32_t reeve_stamp_of(uint16_t flags, int16_t status)
{
    return (uint32_t)(flags & REEVE_STAMP_FLAGS) << REEVE_STAMP_FLAGS_SHIFT | (uint16_t)status;
}

#endif
