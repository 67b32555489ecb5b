/* How often bridged rings are looked at; see bridge_pace.h. */
#include "runtime/node/bridge_pace.h"

#include "runtime/base/macros.h"

/* When as much time has passed the past is forgotten. */
#define FORGET_NS 2000000u
/* Entries further apart than this make no batch. */
#define GAP_MAX_NS (REEVE_BRIDGE_PAUSE_MAX_NS / REEVE_BRIDGE_BATCH_MIN)

uint64_t reeve_bridge_pause_ns(
    struct reeve_bridge_pace *pace, uint64_t now_ns, uint32_t entries, uint32_t under_way)
{
    uint64_t passed_ns = now_ns - pace->looked_ns;
    pace->looked_ns = now_ns;
    if (passed_ns > FORGET_NS) {
        pace->passed_ns = pace->entries_16 = 0;
        return 0;
    }
    pace->passed_ns += passed_ns - pace->passed_ns / 8;
    pace->entries_16 += (uint64_t)entries * 16 - pace->entries_16 / 8;
    if (entries == 0 || pace->entries_16 == 0)
        return 0;
    uint64_t gap_ns = pace->passed_ns * 16 / pace->entries_16;
    uint64_t batch = REEVE_MIN(under_way / REEVE_BRIDGE_PART, REEVE_BRIDGE_BATCH_MAX);
    if (batch < REEVE_BRIDGE_BATCH_MIN || gap_ns > GAP_MAX_NS)
        return 0;
    return REEVE_MIN(REEVE_MAX(gap_ns * batch, (uint64_t)REEVE_BRIDGE_PAUSE_MIN_NS),
        (uint64_t)REEVE_BRIDGE_PAUSE_MAX_NS);
}
