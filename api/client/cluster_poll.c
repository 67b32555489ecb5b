/* Who looks at the rings, and when: the role, and waiting.
 *
 * The doorbell's `waiting` word tells those who publish for us whether to wake anybody. While some
 * thread polls it is AWAKE, and nobody pays for a wake-up. The states of the hand-over
 * (model-checked in tests/model):
 *
 *   user thread waits      takes the role, AWAKE; looks; spins; then FUTEX and sleeps
 *   it has its answer      gives the role up. Tasks outstanding: EVENT, so that the next answer
 *                          wakes the background thread, and one more look at the rings, because an
 *                          answer may have come just before
 *   background is rung     the program made calls since the last time: it will soon look itself.
 *                          The background thread then only goes *timed*: it sleeps for a
 *                          millisecond with the bell AWAKE, so a busy program never pays for EVENT
 *                          wake-ups. Then, if nobody has looked meanwhile (a program may submit
 *                          without end), it takes the role and handles what came; if the program
 *                          was quiet, too, it goes back to EVENT
 *
 * So handing over costs no system call on the hot path, and progress never depends on the program
 * calling in.
 *
 * A poller that spins or sleeps does so without the lock. Whatever else it should know of (the
 * inbox, the end, somebody else's task that became final) is told by `attention` and the bell: it
 * looks at the word after it has armed, so that no word is lost. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/client/cluster.h"
#include "api/client/running.h"
#include "runtime/base/clock.h"
#include "runtime/base/macros.h"

#define SPIN_NS_MIN 2000u
#define SPIN_NS_MAX 100000u
/* A program that has not waited for so long finds the worker asleep: it sleeps at once, too, and
 * leaves the core to the worker, which the kernel often wakes on this very core. */
#define COLD_NS         1000000u
#define SPIN_YIELD      16       /* looks between two offers of the core to others */
#define LEND_AFTER_NS   5000000u /* two messages and maybe a process: not for short waits */
#define REPORT_AFTER_NS 1000000000u
#define LOOK_AGAIN_NS   50000000u
#define IDLE_PART       4 /* less than this part of one cpu: nothing computes */

uint64_t reeve_cluster_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Spinning pays when the answer comes soon, so its length follows what it brought lately: it
 * doubles when it found something, and halves when it did not. It yields now and then: where cores
 * are fewer than those who want them, another one runs. */
bool reeve_cluster_spin(struct reeve_cluster *cluster, bool (*ready)(const struct reeve_cluster *))
{
    for (int i = 0; i < SPIN_YIELD * 2; i++) {
        if (ready(cluster))
            return true;
        reeve_cpu_relax();
    }
    uint64_t end_ns = reeve_cluster_now_ns() + cluster->spin_ns;
    do {
        sched_yield();
        for (int i = 0; i < SPIN_YIELD; i++) {
            if (ready(cluster)) {
                cluster->spin_ns = REEVE_MIN(cluster->spin_ns * 2, SPIN_NS_MAX);
                return true;
            }
            reeve_cpu_relax();
        }
    } while (reeve_cluster_now_ns() < end_ns);
    cluster->spin_ns = REEVE_MAX(cluster->spin_ns / 2, SPIN_NS_MIN);
    return false;
}

/* ---- sleepers -------------------------------------------------------------------------------- */

/* A thread that waits while another one polls. It sleeps by itself: many threads that wait for one
 * answer each must not all be woken for that of one. */
struct sleeper {
    struct reeve_list node; /* in cluster.sleepers, in the order in which they came */
    struct reeve_condition wake;
    reeve_task_id task; /* not to be woken before it is final; 0: whenever anything is */
    bool woken;         /* it will run soon; what it does not need then it passes on */
};

static void sleeper_wake(struct sleeper *sleeper)
{
    sleeper->woken = true;
    reeve_condition_tell(&sleeper->wake);
}

/* Nobody polls: one of those who wait is to. */
static void role_offer(struct reeve_cluster *cluster)
{
    if (cluster->turn_waiters != 0)
        reeve_condition_tell(&cluster->turn);
    if (cluster->role_wanted != 0)
        return;
    REEVE_LIST_EACH(node, &cluster->sleepers)
    if (REEVE_LIST_ENTRY(node, struct sleeper, node)->woken)
        return;
    if (!reeve_list_is_empty(&cluster->sleepers))
        sleeper_wake(REEVE_LIST_ENTRY(reeve_list_first(&cluster->sleepers), struct sleeper, node));
}

void reeve_cluster_final_wake(struct reeve_cluster *cluster)
{
    REEVE_LIST_EACH(node, &cluster->sleepers)
    {
        struct sleeper *sleeper = REEVE_LIST_ENTRY(node, struct sleeper, node);
        if (!sleeper->woken &&
            (sleeper->task == 0 || reeve_cluster_is_final(cluster, sleeper->task)))
            sleeper_wake(sleeper);
    }
}

void reeve_cluster_wake_all(struct reeve_cluster *cluster)
{
    REEVE_LIST_EACH(node, &cluster->sleepers)
    sleeper_wake(REEVE_LIST_ENTRY(node, struct sleeper, node));
    reeve_condition_tell(&cluster->turn);
}

/* ---- the role -------------------------------------------------------------------------------- */

void reeve_cluster_poller_alert(struct reeve_cluster *cluster)
{
    if (!cluster->polling)
        return;
    atomic_store(&cluster->attention, 1);
    (void)reeve_doorbell_ring(cluster->bell, -1);
}

/* The background thread sleeps until background_wake_ns at most; the core now wants its tick
 * earlier. */
static void tick_see_to(struct reeve_cluster *cluster)
{
    uint64_t deadline_ns = reeve_owner_deadline(cluster->owner);
    if (deadline_ns < cluster->background_wake_ns) {
        cluster->background_wake_ns = deadline_ns;
        reeve_cluster_background_wake(cluster);
    }
}

void reeve_cluster_role_leave(struct reeve_cluster *cluster)
{
    while (!cluster->timed && !cluster->ending && !cluster->dead &&
           reeve_owner_unfinished(cluster->owner) != 0) {
        reeve_doorbell_arm(cluster->bell, REEVE_DOORBELL_EVENT);
        if (!reeve_cluster_anything_ready(cluster))
            break;
        reeve_doorbell_disarm(cluster->bell);
        reeve_cluster_progress(cluster, reeve_cluster_now_ns());
    }
    cluster->polling = false;
    tick_see_to(cluster);
    role_offer(cluster);
}

bool reeve_cluster_role_reclaim(struct reeve_cluster *cluster)
{
    uint32_t task = REEVE_MAIN_TASK;
    if (REEVE_LIKELY(atomic_load(&cluster->main_state) != task) ||
        !atomic_compare_exchange_strong(&cluster->main_state, &task, REEVE_MAIN_RELEASED))
        return false;
    reeve_cluster_role_leave(cluster);
    return true;
}

void reeve_cluster_enter(struct reeve_cluster *cluster)
{
    cluster->activity++;
    if (!cluster->is_worker)
        return;
    /* Before the look at main_state: see task_begin. */
    if (!atomic_load_explicit(&cluster->is_owner, memory_order_relaxed))
        atomic_store(&cluster->is_owner, true);
    (void)reeve_cluster_role_reclaim(cluster);
}

void reeve_cluster_submitted(struct reeve_cluster *cluster, uint64_t now_ns)
{
    reeve_cluster_pump(cluster, now_ns);
    if (REEVE_UNLIKELY(reeve_running_beside != NULL))
        tick_see_to(cluster); /* the main thread may sleep, and not know of this task */
    if (cluster->polling || cluster->timed)
        return;
    if (atomic_load_explicit(&cluster->bell->waiting, memory_order_relaxed) !=
        REEVE_DOORBELL_EVENT) {
        cluster->polling = true;
        reeve_cluster_role_leave(cluster);
    } else {
        tick_see_to(cluster);
    }
}

void reeve_cluster_tell(struct reeve_cluster *cluster)
{
    uint64_t count = reeve_owner_final_count(cluster->owner);
    if (REEVE_LIKELY(count == cluster->final_told))
        return;
    cluster->final_told = count;
    atomic_store_explicit(
        &cluster->bell->unfinished, reeve_owner_unfinished(cluster->owner), memory_order_relaxed);
    if (REEVE_UNLIKELY(cluster->watch_count != 0))
        reeve_cluster_watched(cluster);
    reeve_cluster_final_wake(cluster);
    reeve_cluster_poller_alert(cluster);
}

void reeve_cluster_die(struct reeve_cluster *cluster, int code, const char *text)
{
    if (cluster->dead)
        return;
    cluster->dead = true;
    cluster->dead_code = code;
    snprintf(cluster->dead_text, sizeof(cluster->dead_text), "%s", text);
    reeve_owner_fail_all(cluster->owner, code, cluster->dead_text);
    reeve_cluster_watched(cluster);
    if (cluster->task_wake != NULL)
        cluster->task_wake();
    reeve_cluster_wake_all(cluster);
    reeve_condition_tell(&cluster->replied);
    reeve_cluster_poller_alert(cluster);
}

static uint64_t task_number(const struct reeve_cluster *cluster)
{
    return atomic_load_explicit(&cluster->task_number, memory_order_relaxed);
}

static void lend_over(struct reeve_cluster *cluster);

/* ---- a worker's main thread ------------------------------------------------------------------ */

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
    reeve_doorbell_disarm(cluster->bell);
    atomic_store(&cluster->main_state, REEVE_MAIN_LOOP);
    reeve_unlock(&cluster->lock);
}

/* ---- lending --------------------------------------------------------------------------------- */

/* A task's cpu is lent while its thread waits, or while another thread of the process does and
 * nothing computes: the task then waits for that thread, most likely. It is one loan, however
 * many wait, and ends with the task at the latest. */

static void lend_say(struct reeve_cluster *cluster, uint32_t count)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_LEND, .count = count};
    atomic_store_explicit(&cluster->bell->blocked, count, memory_order_relaxed);
    (void)reeve_cluster_send(cluster, &message);
}

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
    lend->due_ns = UINT64_MAX;
    lend->reported = true;
    reeve_cluster_blocked(cluster, lend->awaited); /* who has it may have changed */
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

/* A thread that the task leaves behind has lent its cpu. */
static void lend_over(struct reeve_cluster *cluster)
{
    reeve_lock(&cluster->lock);
    atomic_store_explicit(&cluster->task_number, task_number(cluster) + 1, memory_order_relaxed);
    if (atomic_exchange(&cluster->lenders, 0) != 0)
        lend_say(cluster, 0);
    reeve_unlock(&cluster->lock);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static bool ready(const struct reeve_cluster *cluster)
{
    return reeve_cluster_anything_ready(cluster);
}

/* With the role: sleeps until something may have come, the deadline, or the core's next tick. Of
 * the tick the background thread tells us, when it wakes early enough: a timer of our own would
 * cost every cold call its start and its end. */
static void role_sleep(struct reeve_cluster *cluster, uint64_t deadline_ns, bool spin)
{
    uint64_t tick_ns = reeve_owner_deadline(cluster->owner);
    if (tick_ns < cluster->background_wake_ns)
        deadline_ns = REEVE_MIN(deadline_ns, tick_ns);
    reeve_unlock(&cluster->lock);
    if (!spin || !reeve_cluster_spin(cluster, ready)) {
        reeve_doorbell_arm(cluster->bell, REEVE_DOORBELL_FUTEX);
        uint64_t now_ns = reeve_cluster_now_ns();
        if (!ready(cluster) && now_ns < deadline_ns)
            (void)reeve_doorbell_sleep(
                cluster->bell, deadline_ns == UINT64_MAX ? -1 : (int64_t)(deadline_ns - now_ns));
        reeve_doorbell_disarm(cluster->bell);
    }
    reeve_lock(&cluster->lock);
}

/* Somebody else has the role: until it is offered to us, what we wait for may have come, or the
 * time has. */
static void turn_sleep(struct reeve_cluster *cluster, const struct reeve_cluster_awaited *awaited,
    uint64_t deadline_ns)
{
    struct sleeper sleeper = {
        .task = awaited != NULL && awaited->only_final ? awaited->futures[0] : 0};
    reeve_list_push_back(&cluster->sleepers, &sleeper.node);
    (void)reeve_condition_wait(&sleeper.wake, &cluster->lock, deadline_ns);
    reeve_list_remove(&sleeper.node);
}

static bool is_over(const struct reeve_cluster *cluster)
{
    return cluster->dead || cluster->ending;
}

static bool wait_until(struct reeve_cluster *cluster, bool (*done)(struct reeve_cluster *, void *),
    void *arg, uint64_t deadline_ns, const struct reeve_cluster_awaited *awaited,
    struct reeve_cluster_lend *lend)
{
    bool looked = false;
    for (;;) {
        if (cluster->ending)
            return false;
        if (done(cluster, arg))
            return true;
        if (cluster->dead)
            return false;
        bool others = cluster->polling || cluster->role_wanted != 0;
        uint64_t now_ns =
            deadline_ns != UINT64_MAX || lend->due_ns != UINT64_MAX ? reeve_cluster_now_ns() : 0;
        if (now_ns >= deadline_ns && (looked || others))
            return false;
        reeve_cluster_lend_due(cluster, lend, now_ns);
        if (others) {
            turn_sleep(cluster, awaited, REEVE_MIN(deadline_ns, lend->due_ns));
            continue;
        }
        cluster->polling = looked = true;
        reeve_doorbell_disarm(cluster->bell);
        now_ns = reeve_cluster_now_ns();
        bool spin = now_ns - cluster->waited_ns < COLD_NS;
        for (;;) {
            reeve_cluster_progress(cluster, now_ns);
            if (done(cluster, arg) || is_over(cluster) || cluster->role_wanted != 0 ||
                now_ns >= deadline_ns)
                break;
            reeve_cluster_lend_due(cluster, lend, now_ns);
            role_sleep(cluster, REEVE_MIN(deadline_ns, lend->due_ns), spin);
            now_ns = reeve_cluster_now_ns();
        }
        cluster->waited_ns = now_ns;
        reeve_cluster_role_leave(cluster);
    }
}

bool reeve_cluster_await(struct reeve_cluster *cluster,
    bool (*done)(struct reeve_cluster *, void *), void *arg, uint64_t deadline_ns,
    const struct reeve_cluster_awaited *awaited)
{
    struct reeve_cluster_lend lend = {
        .due_ns = UINT64_MAX, .awaited = deadline_ns == UINT64_MAX ? awaited : NULL};
    if (cluster->is_worker)
        reeve_cluster_lend_begin(cluster, &lend);
    bool is_done = wait_until(cluster, done, arg, deadline_ns, awaited, &lend);
    if (!cluster->polling) /* it may have been offered to us */
        role_offer(cluster);
    reeve_cluster_lend_end(cluster, &lend);
    return is_done;
}
