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
#define COLD_NS    1000000u
#define SPIN_YIELD 16 /* looks between two offers of the core to others */
/* An offer takes about so long when nobody wants the core; and no longer than the second when those
 * who have wanted it only look, or hand over, as we do. */
#define OFFER_NS     400u
#define OFFER_NS_MAX 50000u

uint64_t reeve_cluster_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Spinning pays when the answer comes soon, so its length follows what it brought lately: it
 * doubles when it found something, and halves when it did not. It yields now and then: where cores
 * are fewer than those who want them, another one runs. What others take for a moment is not
 * counted as spent with spinning: it may well be they who bring the answer, and each would go to
 * sleep for having let the others run, only to be woken by them. */
bool reeve_cluster_spin(struct reeve_cluster *cluster, bool (*ready)(const struct reeve_cluster *))
{
    for (int i = 0; i < SPIN_YIELD * 2; i++) {
        if (ready(cluster))
            return true;
        reeve_cpu_relax();
    }
    uint64_t now_ns = reeve_cluster_now_ns(), end_ns = now_ns + cluster->spin_ns;
    do {
        sched_yield();
        uint64_t away_ns = reeve_cluster_now_ns() - now_ns;
        if (away_ns > OFFER_NS && away_ns < OFFER_NS_MAX)
            end_ns += away_ns - OFFER_NS;
        for (int i = 0; i < SPIN_YIELD; i++) {
            if (ready(cluster)) {
                cluster->spin_ns = REEVE_MIN(cluster->spin_ns * 2, SPIN_NS_MAX);
                return true;
            }
            reeve_cpu_relax();
        }
        now_ns = reeve_cluster_now_ns();
    } while (now_ns < end_ns);
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
    /* progress leaves it to us: a program that has its last answers, and asks for no more, is
     * not to be shown as one that waits */
    atomic_store_explicit(
        &cluster->bell->unfinished, reeve_owner_unfinished(cluster->owner), memory_order_relaxed);
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
