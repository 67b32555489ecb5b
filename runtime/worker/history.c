/* Timing calls, as far as that costs nothing to speak of.
 *
 *   timed one by one ──64 short ones in a row──▶ 1 in 256 is timed, those between are one slice
 *          ▲                                          │
 *          └────────── one that is not short ─────────┘
 *
 * A call inside another one is short if it and all that were run in it are, on the average: else a
 * recursion of calls of a microsecond each would have most of them timed.
 *
 * A sleep ends such a slice, and the first calls after it are timed: who was woken has time. Those
 * run inside others are not gathered: in between there are others, of other depths. */
#include "runtime/worker/history.h"

#include <pthread.h>
#include <string.h>

#include "runtime/channel/stamp.h"

#define SHORT_NS   10000u
#define STREAK_MAX 64u
#define SKIP       256u
/* so many calls after a sleep are timed, for what is woken may be something else than before */
#define AFTER_SLEEP 16u

struct reeve_pace reeve_pace_outer, reeve_pace_inner;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* one thread adds at a time */
static _Atomic uint32_t lanes;
static __thread uint16_t lane; /* 0: the main thread's, or not given yet */

uint64_t reeve_history_now_ns(void)
{
    return reeve_cluster_now_ns();
}

static void add(const struct reeve_cluster *cluster, const struct reeve_slice *slice)
{
    if (cluster->history == NULL)
        return;
    pthread_mutex_lock(&lock);
    reeve_history_add(cluster->history, slice);
    pthread_mutex_unlock(&lock);
}

static uint32_t waited_ms(uint32_t stamp, uint64_t begin_ns)
{
    return (uint32_t)(reeve_stamp_waited_ns(stamp, begin_ns) / 1000000);
}

static uint64_t parent_of(const struct reeve_invocation *invocation)
{
    struct reeve_object_id parent;
    if (invocation->parent == NULL)
        return 0;
    memcpy(&parent, invocation->parent, sizeof(parent));
    return reeve_slice_key(parent.owner, parent.sequence);
}

static struct reeve_slice slice_of(const struct reeve_invocation *invocation, uint32_t function,
    uint64_t begin_ns, uint64_t end_ns, int code)
{
    return (struct reeve_slice){.begin_ns = begin_ns,
        .end_ns = end_ns,
        .owner = invocation->id.owner,
        .task = invocation->id.sequence,
        .parent = parent_of(invocation),
        .attempt = invocation->attempt,
        .function = function,
        .code = code,
        .count = 1,
        .lane = lane,
        .kind = REEVE_SLICE_TASK};
}

/* Those that were not timed until then. */
static void gathered(const struct reeve_cluster *cluster, struct reeve_pace *pace, uint64_t end_ns)
{
    uint32_t count = pace->since_ns != 0 && pace == &reeve_pace_outer ? SKIP - pace->skip : 0;
    struct reeve_slice slice = {.begin_ns = pace->since_ns,
        .end_ns = end_ns,
        .function = pace->function,
        .count = count,
        .kind = REEVE_SLICE_TASKS};
    if (count > 0)
        add(cluster, &slice);
    pace->since_ns = 0;
    pace->skip = 0;
}

void reeve_history_current(const struct reeve_cluster *cluster,
    const struct reeve_invocation *invocation, uint64_t begin_ns, uint32_t stamp)
{
    if (cluster->history == NULL)
        return;
    atomic_store_explicit(&cluster->history->current_begin_ns, begin_ns, memory_order_relaxed);
    atomic_store_explicit(
        &cluster->history->current_waited_ms, waited_ms(stamp, begin_ns), memory_order_relaxed);
    atomic_store_explicit(
        &cluster->history->current_owner, invocation->id.owner, memory_order_relaxed);
    atomic_store_explicit(
        &cluster->history->current_parent, parent_of(invocation), memory_order_relaxed);
    atomic_store_explicit(&cluster->history->current,
        atomic_load_explicit(&cluster->bell->tasks_begun, memory_order_relaxed),
        memory_order_release);
}

void reeve_history_ended(struct reeve_cluster *cluster, struct reeve_pace *pace,
    const struct reeve_invocation *invocation, uint32_t function, uint64_t begin_ns, uint32_t stamp,
    uint64_t inner_begun, int code)
{
    uint64_t end_ns = reeve_cluster_now_ns();
    /* itself, and, where that is inside another, those inside of it */
    uint64_t calls = pace == &reeve_pace_inner ? 1 + pace->begun - inner_begun : 1;
    struct reeve_slice slice = slice_of(invocation, function, begin_ns, end_ns, code);
    gathered(cluster, pace, begin_ns);
    slice.waited_ms = waited_ms(stamp, begin_ns);
    add(cluster, &slice);
    pace->streak = end_ns - begin_ns < calls * SHORT_NS ? pace->streak + 1 : 0;
    if (pace->streak < STREAK_MAX)
        return;
    pace->streak = STREAK_MAX;
    pace->skip = SKIP;
    pace->since_ns = end_ns;
    pace->function = function;
}

void reeve_history_ended_beside(struct reeve_cluster *cluster,
    const struct reeve_invocation *invocation, uint32_t function, uint64_t begin_ns, uint32_t stamp,
    int code)
{
    if (lane == 0)
        lane = (uint16_t)(atomic_fetch_add(&lanes, 1) + 1);
    struct reeve_slice slice =
        slice_of(invocation, function, begin_ns, reeve_cluster_now_ns(), code);
    slice.waited_ms = waited_ms(stamp, begin_ns);
    add(cluster, &slice);
}

void reeve_history_idle(struct reeve_cluster *cluster, uint64_t now_ns)
{
    gathered(cluster, &reeve_pace_outer, now_ns);
    reeve_pace_outer.streak = REEVE_MIN(reeve_pace_outer.streak, STREAK_MAX - AFTER_SLEEP);
}

void reeve_history_waited(struct reeve_cluster *cluster, uint64_t begin_ns)
{
    const struct reeve_invocation *invocation = reeve_invocation_current();
    if (invocation == NULL)
        return;
    struct reeve_slice slice = slice_of(invocation, 0, begin_ns, reeve_cluster_now_ns(), 0);
    slice.kind = REEVE_SLICE_WAIT;
    slice.parent = 0;
    add(cluster, &slice);
}
