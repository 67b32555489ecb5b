/* A worker's main thread around its task: what becomes of the role meanwhile (see enum
 * reeve_worker_main_state); and its cpu, lent while the task waits.
 *
 * A task's cpu is lent while its thread waits, or while another thread of the process does and
 * nothing computes: the task then waits for that thread, most likely. It is one loan, however
 * many wait, and ends with the task at the latest. */
#include <time.h>

#include "api/client/cluster.h"
#include "api/client/running.h"
#include "runtime/base/macros.h"

#define LEND_AFTER_NS   5000000u /* two messages and maybe a process: not for short waits */
#define REPORT_AFTER_NS 1000000000u
#define ASK_AT_LEAST_NS (64 * UINT64_C(1000000000))
#define LOOK_AGAIN_NS   50000000u
#define IDLE_PART       4 /* less than this part of one cpu: nothing computes */

static uint64_t task_number(const struct reeve_cluster *cluster)
{
    return atomic_load_explicit(&cluster->task_number, memory_order_relaxed);
}

static void lend_say(struct reeve_cluster *cluster, uint32_t count)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_LEND, .count = count};
    atomic_store_explicit(&cluster->bell->blocked, count, memory_order_relaxed);
    (void)reeve_cluster_send(cluster, &message);
}

/* A thread that the task leaves behind has lent its cpu. */
static void lend_over(struct reeve_cluster *cluster)
{
    reeve_lock(&cluster->lock);
    atomic_store_explicit(&cluster->task_number, task_number(cluster) + 1, memory_order_relaxed);
    if (atomic_exchange(&cluster->lenders, 0) != 0)
        lend_say(cluster, 0);
    reeve_unlock(&cluster->lock);
}

/* ---- the task begins and ends ---------------------------------------------------------------- */

void reeve_cluster_task_begin(struct reeve_cluster *cluster)
{
    /* Either we see here that the process is an owner, or a thread that just made it one sees TASK:
     * both look after they have told, and sequentially consistent operations have one order. */
    atomic_store_explicit(&cluster->task_number, task_number(cluster) + 1, memory_order_relaxed);
    atomic_store(&cluster->main_state, REEVE_MAIN_TASK);
    if (REEVE_LIKELY(!atomic_load(&cluster->is_owner)))
        return;
    /* What it owns goes on while the task runs: answers come, leases are called back or idle. */
    reeve_lock(&cluster->lock);
    cluster->task_begun(cluster);
    reeve_owner_rests(cluster->owner, 0, false);
    if (reeve_owner_unfinished(cluster->owner) != 0 ||
        reeve_owner_deadline(cluster->owner) != UINT64_MAX ||
        atomic_load_explicit(&cluster->attention, memory_order_relaxed) != 0)
        (void)reeve_cluster_role_reclaim(cluster);
    reeve_unlock(&cluster->lock);
}

bool reeve_cluster_task_end(struct reeve_cluster *cluster)
{
    if (REEVE_UNLIKELY(atomic_load_explicit(&cluster->lenders, memory_order_relaxed) != 0))
        lend_over(cluster);
    uint32_t task = REEVE_MAIN_TASK;
    return !atomic_compare_exchange_strong(&cluster->main_state, &task, REEVE_MAIN_LOOP);
}

void reeve_cluster_loop_resume(struct reeve_cluster *cluster)
{
    reeve_lock(&cluster->lock);
    cluster->role_wanted++;
    reeve_cluster_poller_alert(
        cluster); /* a thread that the task has left behind may wait for long */
    cluster->turn_waiters++;
    while (cluster->polling)
        (void)reeve_condition_wait(&cluster->turn, &cluster->lock, UINT64_MAX);
    cluster->turn_waiters--;
    cluster->role_wanted--;
    cluster->polling = true;
    reeve_owner_rests(cluster->owner, reeve_cluster_now_ns(), true);
    reeve_doorbell_disarm(cluster->bell);
    atomic_store(&cluster->main_state, REEVE_MAIN_LOOP);
    reeve_unlock(&cluster->lock);
}

/* ---- lending --------------------------------------------------------------------------------- */

static uint64_t process_cpu_ns(void)
{
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (uint64_t)spent.tv_sec * 1000000000u + (uint64_t)spent.tv_nsec;
}

void reeve_cluster_lend_begin(struct reeve_cluster *cluster, struct reeve_cluster_lend *lend)
{
    uint32_t state = atomic_load(&cluster->main_state);
    bool runs =
        state == REEVE_MAIN_TASK || state == REEVE_MAIN_RELEASED || reeve_running_beside != NULL;
    lend->lent = lend->reported = false;
    lend->is_main = cluster->may_lend != NULL && cluster->may_lend(cluster);
    lend->task = task_number(cluster);
    lend->since_ns = reeve_cluster_now_ns();
    lend->due_ns = lend->is_main || runs ? lend->since_ns + LEND_AFTER_NS : UINT64_MAX;
    lend->cpu_ns = lend->is_main || !runs ? 0 : process_cpu_ns();
}

/* Another thread than the task's waits: whether the process as a whole has been idle. */
static bool is_idle(struct reeve_cluster_lend *lend, uint64_t now_ns)
{
    uint64_t cpu_ns = process_cpu_ns();
    bool idle = (cpu_ns - lend->cpu_ns) * IDLE_PART < now_ns - lend->since_ns;
    lend->cpu_ns = cpu_ns;
    lend->since_ns = now_ns;
    return idle;
}

static void lend_now(
    struct reeve_cluster *cluster, struct reeve_cluster_lend *lend, uint64_t now_ns)
{
    lend->due_ns = UINT64_MAX;
    if (lend->task != task_number(cluster))
        return; /* that task has ended, and left the thread behind */
    if (!lend->is_main && !is_idle(lend, now_ns)) {
        lend->due_ns = now_ns + LOOK_AGAIN_NS;
        return;
    }
    lend->lent = true;
    if (lend->awaited != NULL && lend->is_main)
        lend->due_ns = now_ns + REPORT_AFTER_NS;
    if (atomic_fetch_add(&cluster->lenders, 1) == 0)
        lend_say(cluster, 1);
}

void reeve_cluster_lend_due(
    struct reeve_cluster *cluster, struct reeve_cluster_lend *lend, uint64_t now_ns)
{
    bool due = now_ns >= lend->due_ns;
    if (REEVE_LIKELY(!due && !lend->reported))
        return;
    if (!lend->lent) {
        lend_now(cluster, lend, now_ns);
        return;
    }
    lend->reported = true;
    /* who has it may have changed */
    if (reeve_cluster_blocked(cluster, lend->awaited, due)) {
        lend->due_ns = UINT64_MAX;
    } else if (due || lend->due_ns == UINT64_MAX) { /* that a call has begun nobody says unasked */
        lend->pause_ns = REEVE_MIN(REEVE_MAX(2 * lend->pause_ns, REPORT_AFTER_NS), ASK_AT_LEAST_NS);
        lend->due_ns = reeve_cluster_now_ns() + lend->pause_ns;
    }
}

void reeve_cluster_lend_end(struct reeve_cluster *cluster, struct reeve_cluster_lend *lend)
{
    if (REEVE_UNLIKELY(lend->reported))
        reeve_cluster_blocked_end(cluster);
    if (REEVE_UNLIKELY(lend->lent) && lend->is_main && cluster->task_waited != NULL)
        cluster->task_waited(cluster, lend->since_ns);
    if (REEVE_UNLIKELY(lend->lent) && lend->task == task_number(cluster) &&
        atomic_fetch_sub(&cluster->lenders, 1) == 1)
        lend_say(cluster, 0);
    lend->lent = lend->reported = false;
}
