/* Who looks at the rings, and when: the role, waiting, and the background thread.
 *
 * The doorbell's `waiting` word tells those who publish for us whether to wake anybody. While some
 * thread polls it is AWAKE, and nobody pays for a wake-up. The states of the hand-over
 * (model-checked in tests/model):
 *
 *   user thread waits      takes the role, AWAKE; spins; then FUTEX and sleeps
 *   it has its answer      gives the role up. Tasks outstanding: EVENT, so that the next answer
 *                          wakes the background thread, and one more look at the rings, because an
 *                          answer may have come just before
 *   background is rung     the program made calls since the last time: it will soon look itself.
 *                          The background thread then only goes *timed*: it sleeps for a
 *                          millisecond with the bell AWAKE, so a busy program never pays for EVENT
 *                          wake-ups, and looks itself when the time is over. The program was quiet:
 *                          takes the role, handles what came, EVENT
 *
 * So handing over costs no system call on the hot path, and progress never depends on the
 * program calling in. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/client/cluster.h"
#include "api/client/error.h"
#include "api/client/objects.h"
#include "runtime/base/macros.h"

#define TIMED_NS    1000000u
#define SPIN_NS_MIN 2000u
#define SPIN_NS_MAX 100000u
/* A program that has not waited for so long finds the worker asleep: it sleeps at once, too, and leaves the core to the worker, which the
 * kernel often wakes on this very core. Spinning here would only be in its way. */
#define COLD_NS    1000000u
#define SPIN_YIELD 64 /* looks between two offers of the core to others */
#define STACK_SIZE (256u * 1024)

uint64_t reeve_cluster_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Spinning pays when the answer comes soon, so its length follows what it brought lately: it
 * doubles when it found something, and halves when it did not. It yields now and then: where
 * cores are fewer than those who want them, another one runs. */
bool reeve_cluster_spin(struct reeve_cluster *cluster, bool (*ready)(const struct reeve_cluster *))
{
    for (int i = 0; i < SPIN_YIELD * 2; i++) {
        if (ready(cluster))
            return true;
        relax();
    }
    uint64_t end_ns = reeve_cluster_now_ns() + cluster->spin_ns;
    do {
        sched_yield();
        for (int i = 0; i < SPIN_YIELD; i++) {
            if (ready(cluster)) {
                cluster->spin_ns = REEVE_MIN(cluster->spin_ns * 2, SPIN_NS_MAX);
                return true;
            }
            relax();
        }
    } while (reeve_cluster_now_ns() < end_ns);
    cluster->spin_ns = REEVE_MAX(cluster->spin_ns / 2, SPIN_NS_MIN);
    return false;
}

void reeve_cluster_background_wake(struct reeve_cluster *cluster)
{
    uint64_t one = 1;
    ssize_t ignored = write(cluster->event_fd, &one, sizeof(one));
    (void)ignored; /* full means that it is being woken already */
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

static bool answers_wanted(const struct reeve_cluster *cluster)
{
    return reeve_owner_unfinished(cluster->owner) != 0;
}

/* The role becomes free. */
static void role_leave(struct reeve_cluster *cluster)
{
    while (!cluster->timed && !cluster->ending && answers_wanted(cluster)) {
        reeve_doorbell_arm(cluster->bell, REEVE_DOORBELL_EVENT);
        if (!reeve_cluster_anything_ready(cluster))
            break;
        reeve_doorbell_disarm(cluster->bell);
        reeve_cluster_progress(cluster, reeve_cluster_now_ns());
    }
    cluster->polling = false;
    tick_see_to(cluster);
    if (cluster->waiter_count != 0)
        pthread_cond_broadcast(&cluster->turn);
}

void reeve_cluster_enter(struct reeve_cluster *cluster)
{
    cluster->activity++;
    uint32_t task = REEVE_MAIN_TASK;
    if (REEVE_UNLIKELY(atomic_load_explicit(&cluster->main_state, memory_order_relaxed) == task) &&
        atomic_compare_exchange_strong(&cluster->main_state, &task, REEVE_MAIN_RELEASED))
        role_leave(cluster);
}

void reeve_cluster_submitted(struct reeve_cluster *cluster)
{
    reeve_cluster_pump(cluster, reeve_cluster_now_ns());
    if (cluster->polling || cluster->timed)
        return;
    if (atomic_load_explicit(&cluster->bell->waiting, memory_order_relaxed) !=
        REEVE_DOORBELL_EVENT) {
        cluster->polling = true;
        role_leave(cluster);
    } else {
        tick_see_to(cluster);
    }
}

static bool ready(const struct reeve_cluster *cluster)
{
    return reeve_cluster_anything_ready(cluster);
}

/* With the role: sleeps until something may have come, the deadline, or the core's next tick. */
static void role_sleep(struct reeve_cluster *cluster, uint64_t deadline_ns, bool spin)
{
    deadline_ns = REEVE_MIN(deadline_ns, reeve_owner_deadline(cluster->owner));
    pthread_mutex_unlock(&cluster->lock);
    if (!spin || !reeve_cluster_spin(cluster, ready)) {
        reeve_doorbell_arm(cluster->bell, REEVE_DOORBELL_FUTEX);
        uint64_t now_ns = reeve_cluster_now_ns();
        if (!ready(cluster) && now_ns < deadline_ns)
            (void)reeve_doorbell_sleep(
                cluster->bell, deadline_ns == UINT64_MAX ? -1 : (int64_t)(deadline_ns - now_ns));
        reeve_doorbell_disarm(cluster->bell);
    }
    pthread_mutex_lock(&cluster->lock);
}

bool reeve_cluster_await(struct reeve_cluster *cluster,
    bool (*done)(struct reeve_cluster *, void *), void *arg, uint64_t deadline_ns)
{
    for (;;) {
        if (cluster->ending)
            return false;
        if (done(cluster, arg))
            return true;
        if (cluster->dead)
            return false;
        if (deadline_ns != UINT64_MAX && reeve_cluster_now_ns() >= deadline_ns)
            return false;
        if (cluster->polling) {
            struct timespec until = {
                (time_t)(deadline_ns / 1000000000u), (long)(deadline_ns % 1000000000u)};
            cluster->waiter_count++;
            if (deadline_ns == UINT64_MAX)
                pthread_cond_wait(&cluster->turn, &cluster->lock);
            else
                pthread_cond_timedwait(&cluster->turn, &cluster->lock, &until);
            cluster->waiter_count--;
            continue;
        }
        cluster->polling = true;
        reeve_doorbell_disarm(cluster->bell);
        uint64_t now_ns = reeve_cluster_now_ns();
        bool spin = now_ns - cluster->waited_ns < COLD_NS;
        for (;;) {
            reeve_cluster_progress(cluster, now_ns);
            if (done(cluster, arg) || cluster->dead || cluster->ending || now_ns >= deadline_ns)
                break;
            role_sleep(cluster, deadline_ns, spin);
            now_ns = reeve_cluster_now_ns();
        }
        cluster->waited_ns = now_ns;
        role_leave(cluster);
    }
}

void reeve_cluster_die(struct reeve_cluster *cluster, int code, const char *text)
{
    if (cluster->dead)
        return;
    cluster->dead = true;
    cluster->dead_code = code;
    snprintf(cluster->dead_text, sizeof(cluster->dead_text), "%s", text);
    reeve_owner_fail_all(cluster->owner, code, cluster->dead_text);
    pthread_cond_broadcast(&cluster->turn);
    pthread_cond_broadcast(&cluster->replied);
    (void)reeve_doorbell_ring(cluster->bell, cluster->event_fd);
}

/* ---- the background thread ------------------------------------------------------------------- */

static bool is_reply(const struct reeve_local_message *message)
{
    return message->kind == REEVE_LOCAL_CREATED || message->kind == REEVE_LOCAL_SEALED ||
           message->kind == REEVE_LOCAL_GOT;
}

/* A reply goes to who waits for it at once; all else to the inbox, for the poller. */
static void message_sort(struct reeve_cluster *cluster, const struct reeve_local_message *message)
{
    if (message->kind == REEVE_LOCAL_SEGMENT) {
        if (reeve_objects_add(cluster->objects, message->segment, message->fds[0], message->size,
                message->flags & REEVE_LOCAL_SEGMENT_WRITABLE) != 0)
            close(message->fds[0]);
        return;
    }
    if (message->kind == REEVE_LOCAL_SEGMENT_GONE) {
        reeve_objects_remove(cluster->objects, message->segment);
        return;
    }
    if (!is_reply(message)) {
        struct reeve_local_message *item = reeve_fifo_push(&cluster->inbox);
        if (item == NULL) {
            reeve_cluster_die(cluster, REEVE_ENOMEM, "no memory for a message of the node daemon");
            return;
        }
        *item = *message;
        atomic_fetch_add(&cluster->inbox_count, 1);
        return;
    }
    for (struct reeve_cluster_request *request = cluster->requests; request != NULL;
         request = request->next) {
        if (request->id == message->request && !request->answered) {
            *request->reply = *message;
            request->answered = true;
            pthread_cond_broadcast(&cluster->replied);
            return;
        }
    }
}

/* Takes all that the daemon has sent. */
static void socket_drain(struct reeve_cluster *cluster)
{
    for (;;) {
        struct reeve_local_message message;
        int error = reeve_local_receive(cluster->socket, &message, MSG_DONTWAIT);
        if (error == REEVE_EAGAIN)
            break;
        if (error != 0) {
            reeve_cluster_die(cluster, REEVE_ENODEDIED, "the node daemon of this process is gone");
            break;
        }
        message_sort(cluster, &message);
    }
    /* a poller that spins or sleeps finds the inbox */
    if (atomic_load(&cluster->inbox_count) != 0)
        (void)reeve_doorbell_ring(cluster->bell, -1);
}

static void background_progress(struct reeve_cluster *cluster)
{
    if (cluster->polling)
        return;
    cluster->polling = true;
    reeve_doorbell_disarm(cluster->bell);
    reeve_cluster_progress(cluster, reeve_cluster_now_ns());
    role_leave(cluster);
}

/* The next moment at which the thread has to look by itself. */
static uint64_t background_next_ns(struct reeve_cluster *cluster, uint64_t now_ns)
{
    uint64_t next_ns = cluster->polling ? UINT64_MAX : reeve_owner_deadline(cluster->owner);
    if (cluster->timed)
        next_ns = REEVE_MIN(next_ns, now_ns + TIMED_NS);
    uint64_t task_ns = atomic_load(&cluster->task_deadline_ns);
    return task_ns != 0 ? REEVE_MIN(next_ns, task_ns) : next_ns;
}

static void *background_main(void *arg)
{
    struct reeve_cluster *cluster = arg;
    uint64_t activity_seen = 0;
    pthread_mutex_lock(&cluster->lock);
    while (!cluster->ending && !cluster->dead) {
        uint64_t now_ns = reeve_cluster_now_ns();
        uint64_t next_ns = background_next_ns(cluster, now_ns);
        cluster->background_wake_ns = next_ns;
        pthread_mutex_unlock(&cluster->lock);
        struct pollfd fds[3] = {{.fd = cluster->socket, .events = POLLIN},
            {.fd = cluster->event_fd, .events = POLLIN},
            {.fd = cluster->head_pidfd, .events = POLLIN}};
        uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
        struct timespec wait = {(time_t)(wait_ns / 1000000000u), (long)(wait_ns % 1000000000u)};
        int count = ppoll(fds, 3, next_ns == UINT64_MAX ? NULL : &wait, NULL);
        bool rung = count > 0 && fds[1].revents != 0;
        if (rung) {
            uint64_t ignored_count;
            ssize_t ignored = read(cluster->event_fd, &ignored_count, sizeof(ignored_count));
            (void)ignored;
        }
        uint64_t task_ns = atomic_load(&cluster->task_deadline_ns);
        if (task_ns != 0 && reeve_cluster_now_ns() >= task_ns && cluster->task_expired != NULL)
            cluster->task_expired(cluster);
        pthread_mutex_lock(&cluster->lock);
        if (count > 0 && fds[0].revents != 0)
            socket_drain(cluster);
        if (count > 0 && fds[2].revents != 0 && !cluster->ending)
            reeve_cluster_head_ended(cluster);
        bool program_active = cluster->activity != activity_seen;
        activity_seen = cluster->activity;
        if (atomic_load(&cluster->inbox_count) == 0 && program_active && answers_wanted(cluster) &&
            (rung || cluster->timed)) {
            /* it is busy with us: it will look itself, and if not, we do in a moment */
            cluster->timed = true;
            continue;
        }
        cluster->timed = false;
        background_progress(cluster);
    }
    pthread_mutex_unlock(&cluster->lock);
    return NULL;
}

int reeve_cluster_background_start(struct reeve_cluster *cluster)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all); /* the program's signals are for its own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&cluster->background, &attributes, background_main, cluster);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    cluster->background_started = failed == 0;
    return failed == 0 ? 0 : REEVE_ESYSTEM;
}

void reeve_cluster_background_stop(struct reeve_cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    cluster->ending = true;
    pthread_cond_broadcast(&cluster->turn);
    pthread_cond_broadcast(&cluster->replied);
    pthread_mutex_unlock(&cluster->lock);
    (void)reeve_doorbell_ring(cluster->bell, cluster->event_fd);
    reeve_cluster_background_wake(cluster);
    if (cluster->background_started)
        pthread_join(cluster->background, NULL);
    cluster->background_started = false;
}
