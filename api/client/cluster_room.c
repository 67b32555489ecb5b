/* Back-pressure: what futures may take of this process's memory.
 *
 * At the limit there are two cases. Most futures are of unfinished tasks: the program submits
 * faster than workers run, time makes room, and it is held to their pace. Or most are finished and
 * have been neither got nor released: to wait for that would be to wait for the caller itself, so
 * the call fails and says what to do.
 *
 * A task that waited could keep the very slot that its children need. In its first thread it
 * runs one of them itself instead, whichever nobody has claimed (where it may:
 * reeve_owner_may_inline); what others have claimed is being run, so it can be waited for, and its
 * cpu is lent meanwhile.
 *
 * An actor may bound the calls of it that a process has unanswered (max_pending_calls): the next
 * one waits for the first of these, as a get of it would.
 *
 * Before any of that, calls that are kept to make lost objects again are given up. */
#include <inttypes.h>

#include "api/client/actor.h"
#include "api/client/cluster.h"
#include "api/client/error.h"
#include "runtime/base/cpus.h"
#include "runtime/base/macros.h"
#include "runtime/base/parse.h"

#define PENDING_PERCENT 25
#define PENDING_MIN     (64u * 1024 * 1024) /* what a percentage gives at the least */

static uint64_t percent_of_memory(const struct reeve_cluster *cluster)
{
    struct reeve_memory memory;
    struct reeve_cpus cpus;
    uint32_t percent = cluster->pending_percent != 0 ? cluster->pending_percent : PENDING_PERCENT;
    if (reeve_memory_detect("", &memory) != 0)
        return PENDING_MIN;
    reeve_cpus_detect("", 0, &cpus);
    uint64_t size = memory.total_bytes / 100 * percent / (cluster->is_worker ? cpus.slots : 1);
    return REEVE_MAX(size, (uint64_t)PENDING_MIN);
}

void reeve_cluster_room_init(struct reeve_cluster *cluster, const struct reeve_settings *settings)
{
    cluster->pending_max = settings->pending_size_bytes;
    cluster->pending_percent = settings->pending_percent;
    if (cluster->pending_max == 0) { /* memory is looked at when it matters */
        cluster->pending_max = PENDING_MIN;
        cluster->pending_unknown = true;
    }
}

static bool has_room_or_needs_some(struct reeve_cluster *cluster, void *arg)
{
    (void)arg;
    return reeve_owner_memory(cluster->owner) < cluster->pending_max ||
           !reeve_owner_is_ahead(cluster->owner);
}

/* Runs one of the class that nobody has begun; false when there is none. */
static bool run_one(struct reeve_cluster *cluster, uint32_t class_index)
{
    reeve_task_id task;
    uint32_t ours;
    if (cluster->run_inline == NULL || class_index == REEVE_CLUSTER_NO_CLASS ||
        !cluster->may_run_inline(cluster, &ours) ||
        (task = reeve_owner_unclaimed(cluster->owner, class_index)) == 0 ||
        (task = reeve_cluster_take_inline(cluster, task, ours)) == 0)
        return false;
    cluster->run_inline(cluster, task);
    reeve_cluster_submitted(cluster, reeve_cluster_now_ns()); /* what waited for it */
    return true;
}

static int refuse(const struct reeve_cluster *cluster, struct reeve_error_info *error)
{
    char is[REEVE_SIZE_TEXT_SIZE], may[REEVE_SIZE_TEXT_SIZE];
    return reeve_error_set(error, REEVE_EAGAIN,
        "%" PRIu64 " futures that have not been got or released take %s, and %s are allowed "
        "(pending_size_bytes, REEVE_PENDING_SIZE): get or release some, then try again",
        reeve_owner_task_count(cluster->owner),
        reeve_size_format(reeve_owner_memory(cluster->owner), is),
        reeve_size_format(cluster->pending_max, may));
}

int reeve_cluster_room_wait(
    struct reeve_cluster *cluster, uint32_t class_index, struct reeve_error_info *error)
{
    if (cluster->pending_unknown) {
        cluster->pending_unknown = false;
        cluster->pending_max = percent_of_memory(cluster);
    }
    int code = 0;
    cluster->room_waiters++;
    reeve_owner_lineage_trim(cluster->owner, cluster->pending_max); /* that is not worth a wait */
    reeve_cluster_pump(cluster, reeve_cluster_now_ns());
    while (reeve_owner_memory(cluster->owner) >= cluster->pending_max && code == 0) {
        if (!reeve_owner_is_ahead(cluster->owner))
            code = refuse(cluster, error);
        else if (!run_one(cluster, class_index))
            (void)reeve_cluster_await(cluster, has_room_or_needs_some, NULL, UINT64_MAX, NULL);
        if (cluster->ending || cluster->dead)
            code = reeve_cluster_usable(cluster, error);
    }
    cluster->room_waiters--;
    return code;
}

/* ---- of one actor ---- */

static bool call_is_final(struct reeve_cluster *cluster, void *arg)
{
    return reeve_cluster_is_final(cluster, *(reeve_task_id *)arg);
}

int reeve_cluster_turn_wait(struct reeve_cluster *cluster, const struct reeve_submit *submit,
    uint32_t class_index, struct reeve_error_info *error)
{
    uint32_t max = REEVE_ACTOR_PENDING_MAX(submit->actor);
    reeve_task_id oldest;
    int code = 0;
    if (reeve_owner_host_calls(cluster->owner, class_index, &oldest) < max)
        return 0;
    reeve_cluster_pump(cluster, reeve_cluster_now_ns()); /* there may be answers already */
    while (code == 0 && reeve_owner_host_calls(cluster->owner, class_index, &oldest) >= max) {
        if (submit->no_wait || reeve_actor_is_here(submit->actor))
            return reeve_error_set(error, REEVE_EAGAIN,
                "%" PRIu32 " calls of the actor are unanswered, as many as there may be "
                "(max_pending_calls)%s",
                max, submit->no_wait ? ": try again later" : ", and this one is its own");
        /* as a get of the first of them, which the head sees, if it would never end */
        struct reeve_cluster_awaited awaited = {&oldest, 1, true, true};
        (void)reeve_cluster_await(cluster, call_is_final, &oldest, UINT64_MAX, &awaited);
        if (cluster->ending || cluster->dead)
            code = reeve_cluster_usable(cluster, error);
    }
    return code;
}

/* ---- for all ---- */

void reeve_cluster_room_made(struct reeve_cluster *cluster)
{
    reeve_cluster_wake_all(cluster);
    reeve_cluster_poller_alert(cluster);
}
