/* The background thread: reads the socket, sorts what the daemon says, ends tasks whose time is up,
 * and looks at the rings when no thread of the program does (cluster_poll.c). */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/client/cluster.h"
#include "api/client/objects.h"
#include "runtime/base/macros.h"

#define TIMED_NS   1000000u
#define STACK_SIZE (256u * 1024)

void reeve_cluster_background_wake(struct reeve_cluster *cluster)
{
    uint64_t one = 1;
    ssize_t ignored = write(cluster->event_fd, &one, sizeof(one));
    (void)ignored; /* full means that it is being woken already */
}

/* ---- the socket ------------------------------------------------------------------------------ */

/* A reply goes to who waits for it. */
static void reply_deliver(struct reeve_cluster *cluster, const struct reeve_local_message *message)
{
    for (struct reeve_cluster_request *request = cluster->requests; request != NULL;
         request = request->next) {
        if (request->id == message->request && !request->answered) {
            *request->reply = *message;
            request->answered = true;
            reeve_condition_tell(&cluster->replied);
            return;
        }
    }
}

static void inbox_put(struct reeve_cluster *cluster, struct reeve_local_message *message)
{
    struct reeve_local_message *item = reeve_fifo_push(&cluster->inbox);
    if (item == NULL) {
        reeve_cluster_die(cluster, REEVE_ENOMEM, "no memory for a message of the node daemon");
        return;
    }
    *item = *message;
    message->fd_count = 0;
    atomic_store(&cluster->attention, 1);
}

/* Replies, segments and that a task is to stop at once, because nothing else has to be known for
 * them; all else is for the poller. */
static void message_sort(struct reeve_cluster *cluster, struct reeve_local_message *message)
{
    switch (message->kind) {
    case REEVE_LOCAL_SEGMENT:
        if (message->fd_count == 1 &&
            reeve_objects_add(cluster->objects, message->segment, message->count, message->fds[0],
                message->size, message->flags & REEVE_LOCAL_SEGMENT_WRITABLE) == 0)
            message->fd_count = 0;
        break;
    case REEVE_LOCAL_SEGMENT_READY:
        reeve_objects_ready(cluster->objects, message->segment, message->offset, message->size);
        break;
    case REEVE_LOCAL_CANCEL:
        if (cluster->task_cancel != NULL)
            cluster->task_cancel(cluster, message);
        break;
    case REEVE_LOCAL_CREDIT:
        if (cluster->task_credit != NULL)
            cluster->task_credit(message);
        break;
    case REEVE_LOCAL_ACTORS: reeve_cluster_actors_tell(cluster, message->request); break;
    case REEVE_LOCAL_PROGRESS: reeve_cluster_progress_heard(cluster, message); break;
    case REEVE_LOCAL_SEGMENT_GONE: reeve_objects_remove(cluster->objects, message->segment); break;
    case REEVE_LOCAL_NAMED: reply_deliver(cluster, message); break;
    case REEVE_LOCAL_CREATED:
    case REEVE_LOCAL_SEALED:
    case REEVE_LOCAL_GOT:
        if (!reeve_cluster_ahead_granted(cluster, message))
            reply_deliver(cluster, message);
        break;
    default: inbox_put(cluster, message); break;
    }
    for (uint32_t i = 0; i < message->fd_count; i++)
        close(message->fds[i]);
}

static void socket_broke(struct reeve_cluster *cluster, int error)
{
    char text[REEVE_SOCKET_WORDS_SIZE];
    int code = reeve_cluster_socket_words(
        error, "the node daemon of this process is gone", text, sizeof(text));
    reeve_cluster_die(cluster, code, text);
}

/* Takes all that the daemon has sent. */
static void socket_drain(struct reeve_cluster *cluster)
{
    while (!cluster->dead) {
        struct reeve_local_message message;
        bool brings = reeve_local_brings_descriptors(cluster->socket);
        if (brings) {
            reeve_reserve_fill(&cluster->reserve, cluster->event_fd);
            if (cluster->reserve.count < REEVE_LOCAL_FD_MAX && cluster->inbox.count != 0)
                break; /* it waits until those in the inbox have been mapped and closed */
            reeve_reserve_yield(&cluster->reserve, REEVE_LOCAL_FD_MAX);
        }
        int error = reeve_local_receive(cluster->socket, &message, MSG_DONTWAIT);
        if (error == REEVE_EAGAIN)
            break;
        if (error == 0)
            message_sort(cluster, &message);
        else
            socket_broke(cluster, error);
    }
    /* a poller that sleeps finds the inbox */
    if (atomic_load(&cluster->attention) != 0)
        (void)reeve_doorbell_ring(cluster->bell, -1);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void look(struct reeve_cluster *cluster)
{
    uint64_t now_ns = reeve_cluster_now_ns();
    if (cluster->polling) {
        if (now_ns >= reeve_owner_deadline(cluster->owner)) /* earlier than when it went to sleep */
            reeve_cluster_poller_alert(cluster);
        return;
    }
    cluster->polling = true;
    reeve_doorbell_disarm(cluster->bell);
    reeve_cluster_progress(cluster, now_ns);
    reeve_cluster_role_leave(cluster);
}

/* The next moment at which the thread has to look by itself. For the core's tick even while another
 * thread has the role: else it would have to wake us whenever it leaves the role. */
static uint64_t next_wake_ns(struct reeve_cluster *cluster, uint64_t now_ns)
{
    uint64_t next_ns = reeve_owner_deadline(cluster->owner);
    if (cluster->polling && next_ns <= now_ns)
        next_ns = now_ns + TIMED_NS;
    if (cluster->timed)
        next_ns = REEVE_MIN(next_ns, now_ns + TIMED_NS);
    if (cluster->stop_due_ns != 0)
        next_ns = REEVE_MIN(next_ns, cluster->stop_due_ns);
    next_ns = REEVE_MIN(next_ns, atomic_load(&cluster->beside_deadline_ns));
    uint64_t task_ns = atomic_load(&cluster->task_deadline_ns);
    return task_ns != 0 ? REEVE_MIN(next_ns, task_ns) : next_ns;
}

/* Sleeps without the lock. Returns true when the eventfd was written. */
static bool doze(struct reeve_cluster *cluster, bool *ret_readable)
{
    uint64_t now_ns = reeve_cluster_now_ns(), next_ns = next_wake_ns(cluster, now_ns);
    cluster->background_wake_ns = next_ns;
    cluster->now_ns = now_ns;
    reeve_unlock(&cluster->lock);
    struct pollfd fds[3] = {{.fd = cluster->socket, .events = POLLIN},
        {.fd = cluster->event_fd, .events = POLLIN}, {.fd = cluster->head_pidfd, .events = POLLIN}};
    uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
    struct timespec wait = {(time_t)(wait_ns / 1000000000u), (long)(wait_ns % 1000000000u)};
    int count = ppoll(fds, 3, next_ns == UINT64_MAX ? NULL : &wait, NULL);
    bool rung = count > 0 && fds[1].revents != 0;
    if (rung) {
        uint64_t ignored_count;
        ssize_t ignored = read(cluster->event_fd, &ignored_count, sizeof(ignored_count));
        (void)ignored;
    }
    if (cluster->task_look != NULL)
        cluster->task_look(cluster);
    reeve_lock(&cluster->lock);
    *ret_readable = count > 0 && fds[0].revents != 0;
    if (count > 0 && fds[2].revents != 0 && !cluster->ending)
        reeve_cluster_head_ended(cluster);
    return rung;
}

static void *background_main(void *arg)
{
    struct reeve_cluster *cluster = arg;
    uint64_t activity_seen = 0, looks_seen = 0;
    reeve_lock(&cluster->lock);
    while (!cluster->ending && !cluster->dead) {
        reeve_reserve_fill(&cluster->reserve, cluster->event_fd);
        bool readable, rung = doze(cluster, &readable);
        if (readable)
            socket_drain(cluster);
        bool attention = atomic_load(&cluster->attention) != 0;
        if (attention)
            (void)reeve_cluster_role_reclaim(cluster);
        bool active = cluster->activity != activity_seen;
        bool looked = cluster->looks != looks_seen;
        /* where a descriptor or a callback is waited for, the program is not going to look */
        bool wanted =
            !attention && cluster->eager_count == 0 && reeve_owner_unfinished(cluster->owner) != 0;
        activity_seen = cluster->activity;
        if (wanted && (cluster->timed ? looked : rung && active)) {
            /* it is busy with us: it will look itself, and if not, we do in a moment */
            cluster->timed = true;
        } else {
            cluster->timed = wanted && cluster->timed && active; /* it submits, and never looks */
            look(cluster);
        }
        looks_seen = cluster->looks;
    }
    reeve_reserve_yield(&cluster->reserve, REEVE_RESERVE_MAX);
    reeve_unlock(&cluster->lock);
    return NULL;
}

int reeve_cluster_background_start(struct reeve_cluster *cluster)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    reeve_reserve_fill(&cluster->reserve, cluster->event_fd);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all); /* the program's signals are for its own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&cluster->background, &attributes, background_main, cluster);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    cluster->background_started = failed == 0;
    if (failed != 0)
        reeve_reserve_yield(&cluster->reserve, REEVE_RESERVE_MAX);
    return failed;
}

void reeve_cluster_background_stop(struct reeve_cluster *cluster)
{
    reeve_lock(&cluster->lock);
    cluster->ending = true;
    atomic_store(&cluster->attention, 1);
    reeve_cluster_wake_all(cluster);
    reeve_condition_tell(&cluster->replied);
    (void)reeve_doorbell_ring(cluster->bell, -1);
    reeve_unlock(&cluster->lock);
    reeve_cluster_background_wake(cluster);
    if (cluster->background_started)
        pthread_join(cluster->background, NULL);
    cluster->background_started = false;
}
