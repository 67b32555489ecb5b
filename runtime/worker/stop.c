/* Stopping the task that a worker runs. The ladder is drawn in stop.h. */
#include "runtime/worker/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "api/client/registry.h"
#include "api/client/running.h"
#include "runtime/base/macros.h"
#include "runtime/worker/jobs.h"
#include "runtime/worker/output.h"
#include "runtime/worker/yield.h"

#define TIMEOUT_GRACE_MS 500

static struct {
    struct reeve_cluster *cluster;
    void (*answer)(int status, const char *format, const char *function, uint32_t timeout_ms);
    uint64_t number; /* of the run; the main thread's */
    /* what runs, written by the main thread before it is RUNNING */
    _Atomic uint64_t lease, task;
    _Atomic uint32_t attempt, function, timeout_ms;
    _Atomic uint64_t sequence; /* the owner's when it began */
    _Atomic int reason;        /* why it is STOPPING */
    /* the background thread's */
    uint64_t stopping; /* the number of the run that is being stopped */
    uint32_t grace_ms;
    bool signalled;
    struct reeve_stop_child *child; /* the innermost; with the lock */
} stop;

static uint64_t word(uint64_t number, enum reeve_running_state state)
{
    return number << REEVE_RUNNING_SHIFT | state;
}

/* ---- the main thread ------------------------------------------------------------------------- */

void reeve_stop_wake_by(struct reeve_cluster *cluster, uint64_t deadline_ns)
{
    /* It mostly wakes early enough for the one before. */
    reeve_lock(&cluster->lock);
    bool wake = deadline_ns < cluster->background_wake_ns;
    if (wake)
        cluster->background_wake_ns = deadline_ns;
    reeve_unlock(&cluster->lock);
    if (wake)
        reeve_cluster_background_wake(cluster);
}

void reeve_stop_begin(
    uint64_t lease, uint64_t task, uint32_t attempt, uint32_t function, uint32_t timeout_ms)
{
    struct reeve_cluster *cluster = stop.cluster;
    atomic_store_explicit(&stop.lease, lease, memory_order_relaxed);
    atomic_store_explicit(&stop.task, task, memory_order_relaxed);
    atomic_store_explicit(&stop.attempt, attempt, memory_order_relaxed);
    atomic_store_explicit(&stop.function, function, memory_order_relaxed);
    atomic_store_explicit(&stop.timeout_ms, timeout_ms, memory_order_relaxed);
    /* release: who sees RUNNING sees what runs */
    atomic_store_explicit(
        &reeve_running_control, word(++stop.number, REEVE_RUNNING), memory_order_release);
    if (timeout_ms != 0) { /* after RUNNING, and taken back before IDLE: it is of this run */
        uint64_t deadline_ns = reeve_cluster_now_ns() + (uint64_t)timeout_ms * 1000000u;
        atomic_store(&cluster->task_deadline_ns, deadline_ns);
        reeve_stop_wake_by(cluster, deadline_ns);
    }
}

int reeve_stop_end(void)
{
    if (atomic_load_explicit(&stop.timeout_ms, memory_order_relaxed) != 0)
        atomic_store(&stop.cluster->task_deadline_ns, 0);
    uint64_t before = atomic_exchange_explicit(
        &reeve_running_control, word(stop.number, REEVE_RUNNING_IDLE), memory_order_acq_rel);
    switch (before & REEVE_RUNNING_STATE) {
    case REEVE_RUNNING: return REEVE_OK;
    case REEVE_RUNNING_STOPPING: return atomic_load(&stop.reason);
    default:
        for (;;) /* the background thread is ending the process */
            pause();
    }
}

int64_t reeve_stop_time_left_ms(void)
{
    if (atomic_load_explicit(&stop.timeout_ms, memory_order_relaxed) == 0)
        return REEVE_FOREVER;
    uint64_t now_ns = reeve_cluster_now_ns();
    uint64_t deadline_ns = atomic_load(&stop.cluster->task_deadline_ns); /* 0: it was over */
    return deadline_ns > now_ns ? (int64_t)((deadline_ns - now_ns) / 1000000u) : 0;
}

/* ---- the background thread ------------------------------------------------------------------- */

static uint64_t grace_end_ns(uint64_t now_ns)
{
    return stop.grace_ms == REEVE_OWNER_NEVER ? 0 : now_ns + (uint64_t)stop.grace_ms * 1000000u;
}

/* The first step. With the lock. */
static void ask(struct reeve_cluster *cluster, uint64_t now_ns, uint64_t running, int reason,
    const struct reeve_owner_cancel *how)
{
    atomic_store(&stop.reason, reason);
    uint64_t number = running >> REEVE_RUNNING_SHIFT;
    if (!atomic_compare_exchange_strong(
            &reeve_running_control, &running, word(number, REEVE_RUNNING_STOPPING)))
        return; /* it has just ended */
    reeve_worker_yield_wake();
    stop.stopping = number;
    stop.grace_ms = how->grace_ms;
    stop.signalled = false;
    cluster->stop_due_ns = grace_end_ns(now_ns);
    if (how->keep_children)
        return;
    reeve_owner_cancel_since(cluster->owner, now_ns, atomic_load(&stop.sequence), how);
    reeve_cluster_submitted(cluster, now_ns);
}

static bool has_handler(void)
{
    struct sigaction action;
    return sigaction(SIGTERM, NULL, &action) == 0 &&
           ((action.sa_flags & SA_SIGINFO) ||
               (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN));
}

static void answer_timeout(void)
{
    const struct reeve_function *function = reeve_registry_at(atomic_load(&stop.function));
    stop.answer(REEVE_ETASKTIMEOUT,
        "%s ran longer than its time limit of %u ms; its worker process was ended",
        function != NULL ? function->name : "the function", atomic_load(&stop.timeout_ms));
}

/* The next step is due. From the signal on, one whose time is up has been answered for: its handler
 * may end the process. */
static void go_on(struct reeve_cluster *cluster, uint64_t now_ns)
{
    uint64_t stopping = word(stop.stopping, REEVE_RUNNING_STOPPING);
    uint64_t ending = word(stop.stopping, REEVE_RUNNING_ENDING);
    bool timeout = atomic_load(&stop.reason) == REEVE_ETASKTIMEOUT;
    bool is_ending = stop.signalled && timeout;
    cluster->stop_due_ns = 0;
    if (!stop.signalled && has_handler()) {
        if (timeout && !atomic_compare_exchange_strong(&reeve_running_control, &stopping, ending))
            return;
        if (!timeout && atomic_load(&reeve_running_control) != stopping)
            return; /* it has ended */
        if (timeout)
            answer_timeout();
        stop.signalled = true;
        cluster->stop_due_ns = grace_end_ns(now_ns);
        (void)kill(getpid(), SIGTERM);
        return;
    }
    if (!is_ending && !atomic_compare_exchange_strong(&reeve_running_control, &stopping, ending))
        return;
    if (timeout && !is_ending)
        answer_timeout();
    _exit(timeout ? REEVE_WORKER_EXIT_EXPIRED : REEVE_WORKER_EXIT_CANCELLED);
}

/* Whenever it is awake; without the lock. */
static void look(struct reeve_cluster *cluster)
{
    if (REEVE_UNLIKELY(atomic_load(&cluster->beside_deadline_ns) != UINT64_MAX))
        reeve_jobs_expire();
    static const struct reeve_owner_cancel how = {.grace_ms = TIMEOUT_GRACE_MS};
    uint64_t deadline_ns = atomic_load(&cluster->task_deadline_ns);
    uint64_t due_ns = cluster->stop_due_ns;
    if (REEVE_LIKELY(deadline_ns == 0 && due_ns == 0))
        return;
    uint64_t now_ns = reeve_cluster_now_ns();
    if (due_ns != 0 && now_ns >= due_ns)
        go_on(cluster, now_ns);
    if (deadline_ns == 0 || now_ns < deadline_ns)
        return;
    uint64_t running = atomic_load(&reeve_running_control);
    if (!atomic_compare_exchange_strong(&cluster->task_deadline_ns, &deadline_ns, 0))
        return; /* it has just ended; what runs now has a time of its own */
    if ((running & REEVE_RUNNING_STATE) != REEVE_RUNNING)
        return;
    reeve_lock(&cluster->lock);
    ask(cluster, now_ns, running, REEVE_ETASKTIMEOUT, &how);
    reeve_unlock(&cluster->lock);
}

/* With the lock. The entry may have ended, or not yet begun: then it is said again. */
static void cancel(struct reeve_cluster *cluster, const struct reeve_local_message *message)
{
    struct reeve_owner_cancel how = {
        .grace_ms = (uint32_t)REEVE_MIN(message->size, (uint64_t)REEVE_OWNER_NEVER),
        .keep_children = message->flags & REEVE_LOCAL_KEEP_CHILDREN};
    uint64_t now_ns = reeve_cluster_now_ns();
    uint64_t running = atomic_load(&reeve_running_control);
    if (reeve_jobs_cancel(message))
        return;
    if (atomic_load(&stop.lease) != message->lease || atomic_load(&stop.task) != message->task ||
        atomic_load(&stop.attempt) != message->count)
        return;
    if ((running & REEVE_RUNNING_STATE) == REEVE_RUNNING) {
        ask(cluster, now_ns, running, REEVE_ECANCELLED, &how);
    } else if (running == word(stop.stopping, REEVE_RUNNING_STOPPING) &&
               how.grace_ms < stop.grace_ms) { /* in more of a hurry than before */
        stop.grace_ms = how.grace_ms;
        uint64_t due_ns = grace_end_ns(now_ns);
        if (cluster->stop_due_ns == 0 || due_ns < cluster->stop_due_ns)
            cluster->stop_due_ns = due_ns;
    }
}

/* ---- children run on the spot ---------------------------------------------------------------- */

void reeve_stop_child_begin(struct reeve_stop_child *child, reeve_task_id task, uint32_t depth)
{
    child->task = task;
    child->sequence = reeve_owner_sequence(stop.cluster->owner);
    child->depth = depth;
    atomic_store_explicit(&child->asked, false, memory_order_relaxed);
    child->below = stop.child;
    stop.child = child;
}

void reeve_stop_child_end(struct reeve_stop_child *child)
{
    stop.child = child->below;
    if (REEVE_UNLIKELY(
            atomic_load_explicit(&reeve_running_asked_depth, memory_order_relaxed) == child->depth))
        atomic_store(&reeve_running_asked_depth, UINT32_MAX);
}

/* With the lock. */
static void cancel_child(struct reeve_cluster *cluster, uint64_t now_ns, reeve_task_id task,
    const struct reeve_owner_cancel *how)
{
    struct reeve_stop_child *child = stop.child;
    while (child != NULL && child->task != task)
        child = child->below;
    if (child == NULL || atomic_exchange(&child->asked, true))
        return;
    if (child->depth < atomic_load(&reeve_running_asked_depth))
        atomic_store(&reeve_running_asked_depth, child->depth);
    if (!how->keep_children)
        reeve_owner_cancel_since(cluster->owner, now_ns, child->sequence, how);
}

/* With the lock. A task begins in a process that may have futures of tasks before it. */
static void begun(struct reeve_cluster *cluster)
{
    atomic_store(&stop.sequence, reeve_owner_sequence(cluster->owner));
}

void reeve_stop_init(struct reeve_cluster *cluster,
    void (*answer)(int status, const char *format, const char *function, uint32_t timeout_ms))
{
    stop.cluster = cluster;
    stop.answer = answer;
    reeve_running_depth = &cluster->bell->inline_depth;
    cluster->task_look = look;
    cluster->task_cancel = cancel;
    cluster->task_begun = begun;
    cluster->cancel_inline = cancel_child;
}
