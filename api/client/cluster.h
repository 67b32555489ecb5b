/* The cluster backend: this process as a client of its node daemon. Internal to api/client and
 * runtime/worker.
 *
 *   user threads ── submit, get, wait ──▶ owner core ──▶ call rings ──▶ workers
 *                                           ▲  ▲
 *                     return rings ─────────┘  └──── inbox ◀── socket ◀── node daemon
 *
 * (In the place of workers on other nodes the daemon is at the other end of the rings.)
 *
 * One lock guards the owner core, the inbox and the table of requests. Beside it there is the
 * *role*: one thread at a time, the poller, may consume return rings, open and close channels, and
 * tick the core. A user thread that waits takes the role, spins a little, then sleeps on the
 * process's doorbell (futex). When no user thread has it, the background thread has it in reserve:
 * it sleeps on socket and eventfd, and takes the role when rung. Who hands over how is drawn in
 * cluster_poll.c.
 *
 * Files: cluster.c (start, end), cluster_submit.c (taking calls), cluster_get.c (get),
 * cluster_wait.c
 * (wait, release), cluster_error.c (what has failed), cluster_lend.c (a worker's task),
 * cluster_put.c (put), cluster_prefetch.c (what is asked for ahead of a get or view of many),
 * cluster_places.c (room for what is put), cluster_view.c (views), cluster_actor.c (actors),
 * cluster_stream.c (streams), cluster_poll.c (role, waiting), cluster_progress.c (how far tasks
 * have come), cluster_watch.c (futures that are watched), cluster_cancel.c (stopping tasks),
 * cluster_background.c (the thread that reads the socket), cluster_rings.h (channels, entries,
 * answers), cluster_room.c (back-pressure), cluster_objects.c (large values), cluster_connect.c
 * (finding a daemon, starting a cluster of our own), cluster_blocked.c (waits that would never
 * end). */
#ifndef REEVE_CLIENT_CLUSTER_H
#define REEVE_CLIENT_CLUSTER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "api/client/backend.h"
#include "api/client/owner.h"
#include "api/client/reserve.h"
#include "runtime/base/fifo.h"
#include "runtime/base/list.h"
#include "runtime/base/lock.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"
#include "runtime/channel/channel.h"
#include "runtime/channel/history.h"
#include "runtime/wire/local.h"

/* Arguments in an entry, with the values of futures in place: so many of the inline size, and less
 * than a ring has. */
#define REEVE_ENTRY_SIZE_MAX (256u * 1024)

/* The other end of a lease, as its holder or as its worker. */
struct reeve_cluster_channel {
    struct reeve_channel channel;
    void *memory;
    size_t memory_size;
    struct reeve_doorbell *bell; /* of the peer */
    int bell_fd;
    bool bell_shared; /* the daemon's, which is the peer: its page and eventfd are the cluster's */
    uint32_t cpu_milli; /* as its worker: of the holder's tasks */
    uint64_t lease;
    reeve_process_id peer;
    uint32_t node;
    uint32_t class_index;   /* as its worker: of the holder's tasks, in our own owner core */
    reeve_process_id owner; /* as its worker: whose actors it is for; 0: it is for tasks */
    bool early; /* as its worker: `early_view` is claimed, and its actor is still to be made */
    struct reeve_entry_view early_view;
    bool refuses; /* as its worker: a call was refused for its argument, and so are those behind */
    bool open;
    bool rung; /* entries were published since the bell was last rung: owes a ring */
    /* as its worker: when the entry that runs has finished; as its holder: when the poller comes
     * by, because it may be peeking */
    _Atomic bool closing;
};

/* A question to the daemon whose answer somebody waits for. */
struct reeve_cluster_request {
    uint32_t id;
    bool answered;
    struct reeve_local_message *reply;
    struct reeve_cluster_request *next;
};

/* The main thread of a worker has the role for as long as it can: in its loop, and while a task
 * runs that does not use the API. When such a task (or a thread that it left behind) first does,
 * the role is released, and taken back at the task's end. */
enum reeve_worker_main_state {
    REEVE_MAIN_NONE,     /* a driver */
    REEVE_MAIN_LOOP,     /* has the role and uses it */
    REEVE_MAIN_TASK,     /* has it and does not use it: whoever needs it may take it, by RELEASED */
    REEVE_MAIN_RELEASED, /* has it no more */
};

/* A thread that waits for how far a task of ours has come on another node. */
struct reeve_cluster_asker {
    reeve_task_id task;
    uint32_t attempt;
    bool answered;
    uint64_t done, total;
    struct reeve_cluster_asker *next;
};

/* What another node has said of it lately, so that it is not asked too often. */
#define REEVE_CLUSTER_HEARD_MAX 64u
struct reeve_cluster_heard {
    reeve_task_id task;
    uint32_t attempt;
    uint64_t at_ns; /* 0: nothing */
    uint64_t done, total;
};

struct reeve_objects;

/* Room in the store that was granted before it is needed (cluster_places.c). */
#define REEVE_CLUSTER_SPARES_MAX 4u
struct reeve_cluster_spare {
    uint32_t segment;
    uint64_t offset, end; /* multiples of 64 */
    bool is_new;          /* as it was granted: there may be whole blocks without a page in it */
};
struct reeve_cluster_ahead {
    struct reeve_cluster_spare spares[REEVE_CLUSTER_SPARES_MAX];
    uint32_t count;
    uint32_t request;       /* for more, under way; or 0 */
    uint32_t patience;      /* so many puts before room is asked for again */
    uint64_t granted_bytes; /* the last time */
};

struct reeve_cluster {
    struct reeve_backend backend;
    struct reeve_lock lock;
    struct reeve_owner *owner;
    reeve_process_id process;
    reeve_process_id job;
    uint32_t node;
    uint32_t inline_size;
    bool is_worker;
    int socket;
    int event_fd;
    int daemon_event_fd;
    struct reeve_reserve reserve; /* the background thread's */
    struct reeve_doorbell *bell;
    struct reeve_doorbell *daemon_bell;
    struct reeve_history *history;         /* worker: for its daemon; behind `bell` */
    struct reeve_cluster_channel *holders; /* by lease index */
    uint32_t holder_capacity;
    bool holders_closing;                   /* some are to be closed by the poller */
    struct reeve_cluster_channel **workers; /* for whom we work; each stays where it is */
    uint32_t worker_capacity;
    struct reeve_objects *objects;
    uint64_t store_bytes;
    struct reeve_cluster_ahead ahead;
    struct reeve_cluster_request *requests;
    uint32_t request_last;
    struct reeve_fifo inbox; /* struct reeve_local_message: for the poller */

    uint64_t pending_max; /* bytes of the core's memory from which on submits have to wait */
    uint32_t pending_percent;
    bool pending_unknown;  /* it is a first guess */
    uint32_t room_waiters; /* threads that wait for it */

    /* the role */
    bool polling;
    /* Not 0: the poller has to look at more than rings, at the inbox or at why it polls at all. Set
     * with the lock and followed by the bell, so that a poller that spins, or is about to sleep,
     * sees it; cleared by progress. */
    _Atomic uint32_t attention;
    uint32_t role_wanted;        /* a worker's main thread waits for the role: others give way */
    struct reeve_list sleepers;  /* threads that wait while another one polls: cluster_poll.c */
    struct reeve_condition turn; /* the role is free, or a call has left */
    uint32_t turn_waiters;
    uint32_t watch_count; /* futures that are watched (cluster_watch.c)… */
    uint32_t eager_count; /* …and those of them that must not wait for the program to look */
    struct reeve_condition replied;
    uint64_t final_told; /* the core's count of final tasks when waiters were last woken for it */
    uint64_t now_ns;     /* when somebody last looked at the clock for the core */
    uint64_t activity;   /* grows with every call of the program */
    uint64_t looks;      /* grows whenever somebody looks at the rings */
    /* calls that use the store's memory or the socket without the lock: shutdown waits for them */
    uint32_t inside;
    /* the background thread looks by itself in a moment: nobody needs to arm the bell for it */
    bool timed;
    uint64_t background_wake_ns;
    uint64_t spin_ns;            /* how long a poller spins before it sleeps; the poller's */
    uint64_t waited_ns;          /* when a thread of the program last had what it waited for */
    _Atomic uint32_t main_state; /* worker: enum reeve_worker_main_state */
    _Atomic bool is_owner;       /* worker: it has futures of its own, or had some */
    /* handles of others' actors were passed on, or such actors called, since they were held last */
    _Atomic bool handles_open;
    _Atomic uint64_t task_number; /* worker: of the task that runs, or ran last */
    _Atomic uint32_t lenders; /* worker: waits by which its cpu is lent; changed with the lock */
    /* worker: what its main thread was last reported to wait for, 0: it does not; on which process;
     * the number of that report */
    reeve_task_id blocked_task;
    reeve_process_id blocked_on;
    bool owns_told;    /* worker: its daemon was told that it has futures */
    bool makers_asked; /* of a stream of ours that was given away: who makes its items */
    bool blocked_asks; /* worker: that, of one that its main thread waits for */
    uint32_t blocked_count;
    uint32_t verdict_count; /* of the report that is said to wait for good; 0: none */
    char *verdict_text;

    struct reeve_map64 hosts; /* node -> the name of its host: ours, and where leases were held */
    pthread_t background;
    bool background_started;
    bool ending;
    _Atomic bool dead; /* the daemon is gone, or refused us */
    int dead_code;
    char dead_text[256];

    bool is_keeper;  /* of a detached actor: keeper.h */
    bool kept_ended; /* that has ended */
    int order_fd;

    /* own cluster */
    int lifeline;
    int child_pids[2];
    struct reeve_cluster *retired_before;
    struct reeve_cluster_own *own; /* how its head is started: a new one, when it has died */
    int head_pidfd;
    pthread_t output;
    bool output_started;

    /* worker: when the running task's time is up, or 0; the background thread enforces it */
    _Atomic uint64_t task_deadline_ns;
    /* …and when the next step is due towards stopping it, or 0; that thread's own (stop.h) */
    uint64_t stop_due_ns;
    /* without the lock; to be called whenever its time may have come */
    void (*task_look)(struct reeve_cluster *cluster);
    /* with the lock: the daemon says that a task is to stop; a task begins in a process that is an
     * owner; a task of our own, which is INLINE, is to stop */
    void (*task_cancel)(struct reeve_cluster *cluster, const struct reeve_local_message *message);
    void (*task_begun)(struct reeve_cluster *cluster);
    void (*cancel_inline)(struct reeve_cluster *cluster, uint64_t now_ns, reeve_task_id task,
        const struct reeve_owner_cancel *how);
    /* worker: runs a task of our own that nobody has claimed, instead of waiting for it; with the
     * lock, which is released meanwhile. The task is INLINE. */
    void (*run_inline)(struct reeve_cluster *cluster, reeve_task_id task);
    /* in this thread, with the stack that is left; the class of the task that it runs */
    bool (*may_run_inline)(const struct reeve_cluster *cluster, uint32_t *ret_class_index);
    /* this is the thread that runs the task */
    bool (*may_lend)(const struct reeve_cluster *cluster);
    /* worker: the stream that it runs gives an item, without the lock; its reader has taken so
     * much; it is perhaps not to go on waiting for that (runtime/worker/yield.h). */
    int (*yield)(struct reeve_cluster *cluster, size_t size, reeve_pack_item *pack,
        const void *item, struct reeve_error_info *error);
    void (*task_credit)(const struct reeve_local_message *message);
    /* worker: when the next of the calls that run beside its main thread, or are to be answered
     * later, has had its time; or UINT64_MAX */
    _Atomic uint64_t beside_deadline_ns;
    void (*task_wake)(void);
    /* worker: its main thread has waited since, in the midst of a task, and lent its cpu */
    void (*task_waited)(struct reeve_cluster *cluster, uint64_t begin_ns);

    struct reeve_cluster_asker *askers;
    struct reeve_cluster_heard heard[REEVE_CLUSTER_HEARD_MAX];
};

/* What a thread waits for: all of the futures, or some. */
struct reeve_cluster_awaited {
    const reeve_task_id *futures;
    size_t count;
    bool all;
    bool only_final; /* one future, and nothing ends the wait but that it is final */
};

static inline struct reeve_cluster *reeve_cluster_of(struct reeve_backend *backend)
{
    return REEVE_CONTAINER_OF(backend, struct reeve_cluster, backend);
}

/* cluster_put.c. */
/* With the lock. One reference more to each of the futures, or REEVE_EHANDLE and to none; and
 * less. */
int reeve_cluster_futures_hold(struct reeve_cluster *cluster, const uint64_t *futures, size_t count,
    struct reeve_error_info *error);
void reeve_cluster_futures_release(
    struct reeve_cluster *cluster, const uint64_t *futures, size_t count);
/* Without the lock, inside. Puts one packed value into the store, with the futures in it; `ret`
 * is the caller's. */
int reeve_cluster_put(struct reeve_cluster *cluster, const void *bytes, size_t size,
    const uint64_t *futures, size_t future_count, reeve_task_id *ret,
    struct reeve_error_info *error);
int reeve_cluster_create(struct reeve_backend *backend, size_t size, uint32_t skew, bool leisurely,
    void **bytes, uint64_t *handle, struct reeve_error_info *error);
int reeve_cluster_seal(struct reeve_backend *backend, uint64_t handle, const uint64_t *futures,
    size_t future_count, uint64_t *ret, struct reeve_error_info *error);
void reeve_cluster_abort(struct reeve_backend *backend, uint64_t handle);
/* cluster.c. With the lock; REEVE_OK when the backend can work. */
int reeve_cluster_usable(const struct reeve_cluster *cluster, struct reeve_error_info *error);
/* cluster_get.c. With the lock, which it gives up meanwhile. In a task: runs what nobody has
 * begun of what the future needs, as far as it may. */
void reeve_cluster_run_unclaimed(struct reeve_cluster *cluster, reeve_task_id future);

/* cluster_cancel.c: member of the backend; and with the lock, what the core commands. */
int reeve_cluster_cancel(struct reeve_backend *backend, uint64_t future,
    const struct reeve_owner_cancel *how, struct reeve_error_info *error);
void reeve_cluster_cancel_run(
    struct reeve_cluster *cluster, uint64_t now_ns, const struct reeve_owner_command *command);

/* cluster_progress.c: member of the backend; and with the lock, what the daemon says. */
int reeve_cluster_get_progress(struct reeve_backend *backend, uint64_t future, uint64_t *done,
    uint64_t *total, struct reeve_error_info *error);
void reeve_cluster_progress_heard(
    struct reeve_cluster *cluster, const struct reeve_local_message *message);

/* cluster_stream.c: member of the backend; and with the lock, what the core commands. */
/* Of a live task that the core calls no stream: it was one. */
bool reeve_cluster_was_stream(const struct reeve_cluster *cluster, reeve_task_id task);
int reeve_cluster_next(struct reeve_backend *backend, uint64_t stream, int64_t timeout_ms,
    reeve_consume *consume, void *arg, struct reeve_error_info *error);
void reeve_cluster_credit_run(
    struct reeve_cluster *cluster, const struct reeve_owner_command *command);
/* …and what the daemon brings: of streams that are given to a call. */
void reeve_cluster_feed_run(
    struct reeve_cluster *cluster, const struct reeve_owner_command *command);
void reeve_cluster_ask_run(
    struct reeve_cluster *cluster, const struct reeve_owner_command *command);
void reeve_cluster_fed(
    struct reeve_cluster *cluster, uint64_t now_ns, const struct reeve_local_message *message);
void reeve_cluster_asked(
    struct reeve_cluster *cluster, uint64_t now_ns, const struct reeve_local_message *message);
/* cluster_get.c. With the lock. A stream has been read to its end, and is released: REEVE_OK or its
 * error. */
int reeve_cluster_end_take(
    struct reeve_cluster *cluster, reeve_task_id stream, struct reeve_error_info *error);

/* cluster_watch.c: members of the backend; and with the lock, after tasks have become final. */
int reeve_cluster_watch(struct reeve_backend *backend, uint64_t future, struct reeve_ready *ready,
    uint64_t tag, struct reeve_error_info *error);
int reeve_cluster_watch_next(struct reeve_backend *backend, uint64_t stream,
    struct reeve_ready *ready, uint64_t tag, struct reeve_error_info *error);
int reeve_cluster_watch_wait(struct reeve_backend *backend, struct reeve_ready *ready,
    const uint64_t *futures, size_t count, size_t *tried, uint64_t deadline_ns,
    struct reeve_error_info *error);
void reeve_cluster_watched(struct reeve_cluster *cluster);

/* cluster_submit.c: members of the backend. */
int reeve_cluster_submit(struct reeve_backend *backend, const struct reeve_submit *submit,
    uint64_t *ret, struct reeve_error_info *error);
int reeve_cluster_submit_many(struct reeve_backend *backend, const struct reeve_submit *submits,
    size_t count, uint64_t *ret, size_t *at, struct reeve_error_info *error);

/* cluster_get.c, cluster_wait.c: members of the backend. */
int reeve_cluster_get(struct reeve_backend *backend, uint64_t future, int64_t timeout_ms,
    reeve_consume *consume, void *arg, struct reeve_error_info *error);
int reeve_cluster_get_many(struct reeve_backend *backend, const uint64_t *futures, size_t *at,
    size_t count, reeve_consume *consume, void *arg, struct reeve_error_info *error);
int reeve_cluster_wait(struct reeve_backend *backend, const uint64_t *futures, size_t count,
    size_t wanted, int64_t timeout_ms, bool *ready, size_t *ready_count,
    struct reeve_error_info *error);
int reeve_cluster_release(
    struct reeve_backend *backend, uint64_t future, struct reeve_error_info *error);
int reeve_cluster_retain(
    struct reeve_backend *backend, uint64_t future, uint64_t *ret, struct reeve_error_info *error);
int reeve_cluster_look(
    struct reeve_backend *backend, uint64_t future, struct reeve_future_look *ret);
/* With the lock. Why await gave up; there is no such future. Both return the code. */
int reeve_cluster_await_failure(
    const struct reeve_cluster *cluster, struct reeve_error_info *error);
int reeve_cluster_stale(struct reeve_error_info *error);

/* cluster_actor.c */
/* With the lock. Fills in what the task has to do with the actor, and its class. */
int reeve_cluster_actor_call(struct reeve_cluster *cluster, const struct reeve_submit *submit,
    struct reeve_owner_task *task, struct reeve_error_info *error);
int reeve_cluster_actor_make(struct reeve_backend *backend,
    const struct reeve_actor_settings *settings, reeve_actor *ret, struct reeve_error_info *error);
/* All of this process's, to its daemon, which has asked. With the lock. */
void reeve_cluster_actors_tell(struct reeve_cluster *cluster, uint32_t request);
int reeve_cluster_actor_find(struct reeve_backend *backend, const struct reeve_actor_wanted *wanted,
    reeve_actor *ret, struct reeve_error_info *error);
int reeve_cluster_actor_end(struct reeve_backend *backend, const reeve_actor *actor,
    enum reeve_actor_end how, struct reeve_error_info *error);

/* cluster_poll.c. All with the lock held unless said otherwise. */
uint64_t reeve_cluster_now_ns(void);
/* Until `done(arg)` or the deadline (UINT64_MAX: none). False: timed out, or the cluster is dead
 * or ending. Looks at the rings once, however late it is. `awaited` says what `done` is about. */
bool reeve_cluster_await(struct reeve_cluster *cluster,
    bool (*done)(struct reeve_cluster *, void *), void *arg, uint64_t deadline_ns,
    const struct reeve_cluster_awaited *awaited);
/* After the core may have something to send: writes it, rings bells, sees to it that somebody
 * will look for the answers. */
void reeve_cluster_submitted(struct reeve_cluster *cluster, uint64_t now_ns);
void reeve_cluster_die(struct reeve_cluster *cluster, int code, const char *text);
/* Every call of the program begins with it: keeps the background thread out of its way, and
 * frees a worker's role. */
void reeve_cluster_enter(struct reeve_cluster *cluster);
/* After a task may have become final: wakes those who wait. Not for the poller. */
void reeve_cluster_tell(struct reeve_cluster *cluster);
/* Something is final: whoever waits for it, and does not poll, is woken. */
void reeve_cluster_final_wake(struct reeve_cluster *cluster);
/* Whoever waits is to look again. */
void reeve_cluster_wake_all(struct reeve_cluster *cluster);
/* Or there is no such task. */
bool reeve_cluster_is_final(const struct reeve_cluster *cluster, reeve_task_id task);
/* The poller, if there is one, looks again at why it polls. */
void reeve_cluster_poller_alert(struct reeve_cluster *cluster);
/* For a thread that has the role: gives it up. */
void reeve_cluster_role_leave(struct reeve_cluster *cluster);
/* Takes the role from a worker's main thread that does not use it; true when it was so. */
bool reeve_cluster_role_reclaim(struct reeve_cluster *cluster);
/* Spins for as long as has paid off lately; true when anything_ready. With the role, without the
 * lock. */
bool reeve_cluster_spin(struct reeve_cluster *cluster, bool (*ready)(const struct reeve_cluster *));

/* cluster_lend.c. Around what a worker's main thread does with its task: see enum
 * reeve_worker_main_state. Without the lock. task_begin first; task_end, with which the task may
 * be answered; then loop_resume. */
void reeve_cluster_task_begin(struct reeve_cluster *cluster);
bool reeve_cluster_task_end(struct reeve_cluster *cluster); /* true: the role is to be resumed */
void reeve_cluster_loop_resume(struct reeve_cluster *cluster);

/* A wait inside a task: when it has become long its cpu is lent, until it ends; when it is very
 * long and has no limit, it is reported (cluster_blocked.c). */
struct reeve_cluster_lend {
    uint64_t due_ns;   /* when to call lend_due; UINT64_MAX: never */
    uint64_t pause_ns; /* between two questions */
    bool is_main;      /* it is the task's own thread */
    bool lent;
    bool reported;
    uint64_t task;             /* in which it began */
    uint64_t since_ns, cpu_ns; /* another thread's: when the process was last looked at */
    const struct reeve_cluster_awaited *awaited; /* NULL: not to be reported */
};
void reeve_cluster_lend_begin(struct reeve_cluster *cluster, struct reeve_cluster_lend *lend);
void reeve_cluster_lend_due(
    struct reeve_cluster *cluster, struct reeve_cluster_lend *lend, uint64_t now_ns);
void reeve_cluster_lend_end(struct reeve_cluster *cluster, struct reeve_cluster_lend *lend);

/* cluster_blocked.c. Lock held. The main thread of a worker has waited for long: says for whom, if
 * that has changed. False: only who has given us a stream knows that, and is asked; anew: again. It
 * goes on. The head says that the wait of that number would never end. Something has come for a
 * stream. And who is asked so: what is new. */
bool reeve_cluster_blocked(
    struct reeve_cluster *cluster, const struct reeve_cluster_awaited *awaited, bool anew);
void reeve_cluster_blocked_fed(struct reeve_cluster *cluster, uint64_t now_ns);
void reeve_cluster_makers_look(struct reeve_cluster *cluster);
void reeve_cluster_blocked_end(struct reeve_cluster *cluster);
void reeve_cluster_deadlocked(
    struct reeve_cluster *cluster, uint64_t now_ns, uint32_t count, const char *text);

/* Tells the daemon whether this worker has futures, if it was told something else. */
void reeve_cluster_owns_look(struct reeve_cluster *cluster);

/* cluster_background.c */
int reeve_cluster_background_start(struct reeve_cluster *cluster); /* 0, or an error number */
void reeve_cluster_background_stop(struct reeve_cluster *cluster); /* without the lock */
void reeve_cluster_background_wake(struct reeve_cluster *cluster); /* any thread, no lock */

/* Arguments of a task with the values of futures among them in place, and the objects that they
 * mention. Where there are none, `bytes` are the core's own: they stay until the task is final. */
struct reeve_cluster_arguments {
    const uint8_t *bytes;
    size_t size;
    const struct reeve_reference *references;
    uint16_t reference_count;
    uint8_t *made; /* what both point into, or NULL */
    /* malloc, whoever runs it frees them: those in the arguments, in order */
    reeve_task_id *futures;
    uint32_t future_count;
};
int reeve_cluster_arguments_make(struct reeve_cluster *cluster,
    const struct reeve_owner_entry *entry, struct reeve_cluster_arguments *ret);
void reeve_cluster_arguments_free(struct reeve_cluster_arguments *arguments); /* no lock needed */

/* cluster_answers.c, cluster_send.c, cluster_messages.c, cluster_channel.c, cluster_entry.c. Lock
 * held; progress and messages also need the role. */
void reeve_cluster_progress(struct reeve_cluster *cluster, uint64_t now_ns);
void reeve_cluster_pump(struct reeve_cluster *cluster, uint64_t now_ns);
bool reeve_cluster_anything_ready(const struct reeve_cluster *cluster); /* role, no lock needed */
void reeve_cluster_handle(
    struct reeve_cluster *cluster, uint64_t now_ns, struct reeve_local_message *message);
void reeve_cluster_channel_close(struct reeve_cluster_channel *channel);
/* Takes the task back if nobody has claimed it (or one that it waits for), for the caller to
 * run in the midst of a task of that class: its id, now INLINE, or 0. */
reeve_task_id reeve_cluster_take_inline(
    struct reeve_cluster *cluster, reeve_task_id task, uint32_t class_index);
int reeve_cluster_channel_open(const struct reeve_cluster *cluster,
    struct reeve_cluster_channel *channel, struct reeve_local_message *message,
    enum reeve_channel_role role);

/* cluster_room.c */
#define REEVE_CLUSTER_NO_CLASS UINT32_MAX
void reeve_cluster_room_init(struct reeve_cluster *cluster, const struct reeve_settings *settings);
/* With the lock, which it gives up while it waits or runs a task of the class itself. */
int reeve_cluster_room_wait(
    struct reeve_cluster *cluster, uint32_t class_index, struct reeve_error_info *error);
static inline int reeve_cluster_room(
    struct reeve_cluster *cluster, uint32_t class_index, struct reeve_error_info *error)
{
    if (REEVE_LIKELY(reeve_owner_memory(cluster->owner) < cluster->pending_max))
        return 0;
    return reeve_cluster_room_wait(cluster, class_index, error);
}
/* A call of an actor whose handle says how many may be unanswered: until one more may be.
 * REEVE_EAGAIN: it is not to wait, or would wait for itself. */
int reeve_cluster_turn_wait(struct reeve_cluster *cluster, const struct reeve_submit *submit,
    uint32_t class_index, struct reeve_error_info *error);
/* After a future was released: somebody may wait for the room. */
void reeve_cluster_room_made(struct reeve_cluster *cluster);
/* cluster_objects.c. Without the lock, and between inside_enter and inside_leave where they use
 * what was gained by create or get. */
int reeve_cluster_inside_enter(struct reeve_cluster *cluster, struct reeve_error_info *error);
void reeve_cluster_inside_leave(struct reeve_cluster *cluster);
/* The parts of that, with the lock: it is sent, if it can be; answered, or there will be none; not
 * waited for any more. Every begin needs its end, whatever it returned. */
int reeve_cluster_request_begin(struct reeve_cluster *cluster,
    struct reeve_cluster_request *request, struct reeve_local_message *message);
void reeve_cluster_reply_await(
    struct reeve_cluster *cluster, const struct reeve_cluster_request *request);
void reeve_cluster_request_end(
    struct reeve_cluster *cluster, const struct reeve_cluster_request *request);
int reeve_cluster_request(struct reeve_cluster *cluster, struct reeve_local_message *message,
    struct reeve_local_message *reply, struct reeve_error_info *error);
/* Who is given something, with the answer to that attempt of that call of its. */
struct reeve_cluster_heir {
    reeve_process_id process;
    reeve_task_id call;
    uint32_t attempt;
};
int reeve_cluster_object_give(struct reeve_cluster *cluster, const struct reeve_reference *object,
    const struct reeve_cluster_heir *heir, struct reeve_error_info *error);
/* Where it lies, if it is LOCATED here and its segment is known; NULL: it has to be asked for. */
const void *reeve_cluster_object_find(
    struct reeve_cluster *cluster, const struct reeve_reference *object);
/* Answered when the node where it lies knows that this process needs it, or (not NULL) that the
 * heir does. */
int reeve_cluster_object_hold(struct reeve_cluster *cluster, const struct reeve_owner_hold *hold,
    const struct reeve_cluster_heir *heir, struct reeve_error_info *error);
/* Asks for it, and has a pin on it then. */
int reeve_cluster_object_get(struct reeve_cluster *cluster, const struct reeve_reference *object,
    const void **ret_bytes, struct reeve_error_info *error);
void reeve_cluster_object_unpin(struct reeve_cluster *cluster, struct reeve_object_id id);
/* What the daemon must know of the reference: REEVE_LOCAL_OBJECT_…. */
static inline uint32_t reeve_cluster_object_flags(const struct reeve_reference *object)
{
    return (object->flags & REEVE_REFERENCE_GIVEN ? REEVE_LOCAL_OBJECT_GIVEN : 0) |
           (object->flags & REEVE_REFERENCE_HELD ? REEVE_LOCAL_OBJECT_HELD : 0);
}

/* cluster_actor.c: members of the backend. And: what is to be held by this process when a call has
 * been answered is held, before that; with the lock, which it gives up meanwhile. */
int reeve_cluster_actor_refer(struct reeve_backend *backend, const reeve_actor *actor,
    uint64_t *ret, struct reeve_error_info *error);
int reeve_cluster_actor_retain(
    struct reeve_backend *backend, const reeve_actor *actor, struct reeve_error_info *error);
void reeve_cluster_actor_over(
    struct reeve_cluster *cluster, uint64_t now_ns, const struct reeve_local_message *message);
int reeve_cluster_handles_hold(struct reeve_cluster *cluster, struct reeve_error_info *error);

/* cluster_prefetch.c. Objects that a get or view of many has asked for ahead; begins as zeroes. */
#define REEVE_CLUSTER_PREFETCH_WINDOW 64u
struct reeve_cluster_prefetch {
    struct reeve_cluster_prefetched { /* a ring, from malloc; NULL while nothing was asked for */
        struct reeve_cluster_request request;
        struct reeve_local_message reply;
        size_t index; /* of the future */
        struct reeve_object_id object;
        uint64_t size_bytes;
    } * window;
    uint32_t first, count;
    uint64_t bytes;
    size_t next; /* the first future that has not been looked at */
    bool wanted; /* an object had to be asked for: till then nothing is asked ahead */
};
/* With the lock. Asks for what is ready of futures[at], futures[at + 1], … */
void reeve_cluster_prefetch_more(struct reeve_cluster *cluster,
    struct reeve_cluster_prefetch *prefetch, const uint64_t *futures, size_t at, size_t count);
/* Without the lock. Pins the object of futures[index], which is not known to lie in reach: as it
 * was asked for ahead, or with a question of its own. What was asked for of futures before it is
 * dropped. `prefetch` is NULL where nothing is asked ahead. */
int reeve_cluster_prefetch_pin(struct reeve_cluster *cluster,
    struct reeve_cluster_prefetch *prefetch, size_t index, const struct reeve_reference *object,
    const void **ret_bytes, struct reeve_error_info *error);
/* With the lock. Drops what was not taken. */
void reeve_cluster_prefetch_end(
    struct reeve_cluster *cluster, struct reeve_cluster_prefetch *prefetch);

/* cluster_places.c. Room for one value: as much as asked for, perhaps more. */
struct reeve_cluster_place {
    uint8_t *bytes;
    uint32_t segment;
    uint64_t offset; /* of the bytes */
    uint64_t end;    /* of the room */
};
/* bytes + skew is a multiple of 64. `exactly`: it may be long before it is sealed, so it is not to
 * keep room from others. Then one of the others. */
int reeve_cluster_place_take(struct reeve_cluster *cluster, uint64_t size, uint32_t skew,
    bool exactly, struct reeve_cluster_place *ret, struct reeve_error_info *error);
/* `first`: nobody can have sealed the object before. */
int reeve_cluster_place_seal(struct reeve_cluster *cluster, const struct reeve_cluster_place *place,
    struct reeve_object_id id, uint64_t size, bool first, struct reeve_reference *ret,
    struct reeve_error_info *error);
void reeve_cluster_place_abort(
    struct reeve_cluster *cluster, const struct reeve_cluster_place *place);
/* With the lock. True: the message was the answer to what was asked for ahead. */
bool reeve_cluster_ahead_granted(
    struct reeve_cluster *cluster, const struct reeve_local_message *message);
void reeve_cluster_ahead_return(struct reeve_cluster *cluster);

/* cluster_view.c */
int reeve_cluster_view(struct reeve_backend *backend, const uint64_t *futures, size_t *at,
    size_t count, int64_t timeout_ms, reeve_consume *consume, void *arg, uint64_t *handle,
    struct reeve_error_info *error);
void reeve_cluster_unview(struct reeve_backend *backend, uint64_t handle);
/* cluster_get.c, for it. With the lock. Until the future is final, as get waits. */
int reeve_cluster_get_await(struct reeve_cluster *cluster, reeve_task_id task, uint64_t deadline_ns,
    struct reeve_error_info *error);
/* The object of a future's result cannot be had, with `code`: whether it is made again, to be
 * waited for; else `error` says why not. */
bool reeve_cluster_made_again(struct reeve_cluster *cluster, reeve_task_id task,
    const struct reeve_reference *object, int code, struct reeve_error_info *error);
int reeve_cluster_value_futures(struct reeve_cluster *cluster,
    const struct reeve_owner_result *result, uint64_t **ret, struct reeve_error_info *error);
/* How a node is called in errors: by number, and by its host, if that is known: "3 (host-b)". */
void reeve_cluster_node_name(
    const struct reeve_cluster *cluster, uint32_t node, char *ret, size_t size);
/* The daemon has said so. */
void reeve_cluster_host_note(struct reeve_cluster *cluster, uint32_t node, const char *host);
void reeve_cluster_task_error(const struct reeve_cluster *cluster,
    const struct reeve_owner_result *result, struct reeve_error_info *error);

/* output.c: copies what comes from the daemon's pipes to this program's own stdout and stderr,
 * in a thread that may block. */
void reeve_output_start(struct reeve_cluster *cluster, struct reeve_local_message *message);
void reeve_output_finish(struct reeve_cluster *cluster); /* waits a second at most for the rest */

/* cluster_connect.c. */
int reeve_cluster_connect(struct reeve_cluster *cluster, const struct reeve_settings *settings,
    int argc, char **argv, struct reeve_error_info *error);
int reeve_cluster_send(struct reeve_cluster *cluster, const struct reeve_local_message *message);
/* Says what it means for whoever asked. Returns the code. */
int reeve_cluster_send_failed(int code, struct reeve_error_info *error);
/* What it means for the program that nothing could be received from its daemon, in words; `gone`,
 * unless the program is to blame. With errno as the call left it. Returns the code. */
#define REEVE_SOCKET_WORDS_SIZE 192
int reeve_cluster_socket_words(int error, const char *gone, char *text, size_t size);
/* With the lock: the head of our own cluster has died. Another takes its place; the node daemon
 * tells it what it has. */
void reeve_cluster_head_ended(struct reeve_cluster *cluster);
/* Starts a node daemon, and where the settings name no cluster, a head with it, and connects to it:
 * it listens at `name`. REEVE_ENOCLUSTER, or what the daemon says. */
int reeve_cluster_start(struct reeve_cluster *cluster, const struct reeve_settings *settings,
    const char *name, struct reeve_error_info *error);
/* What is kept for starting its head again. */
void reeve_cluster_own_free(struct reeve_cluster *cluster);
/* Reads what the daemon says until it has closed the socket. */
void reeve_cluster_farewell(struct reeve_cluster *cluster);
/* Closes socket and lifeline, and waits for the cluster of our own, if any, to end. */
void reeve_cluster_take_down(struct reeve_cluster *cluster);

/* runtime/worker/worker.c. Before the background thread starts: makes this thread the worker's main
 * thread. Then: runs tasks until the daemon says that it is enough. */
int reeve_worker_init(struct reeve_cluster *cluster);
_Noreturn void reeve_worker_run(struct reeve_cluster *cluster);

#endif
