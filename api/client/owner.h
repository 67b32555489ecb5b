/* The owner core: what a process knows of the futures it has made, and every decision about them.
 *
 * The process that makes a future owns it. The core keeps each task's state, arguments (for another
 * attempt), dependencies, retries and result; the leases the process holds and what is under way on
 * each; and what to ask the node daemon for. It sees no ring, socket, clock or thread: the client
 * shell (client_*.c) tells it events, one function each, and takes from it what to do: entries to
 * write (reeve_owner_next_send, a pull, because it is the hot path) and commands
 * (reeve_owner_next_command).
 *
 *   task   WAITING ──dependencies resolved──▶ QUEUED ──next_send──▶ SENT ──result──▶ DONE, FAILED
 *             │                                 │  ▲                 │ │
 *             └─a dependency failed─▶ FAILED    │  └─taken back, or──┘ └─lost, no retries─▶ FAILED
 *                                               │    lost, or failed, with retries left
 *                                               └─take_inline─▶ INLINE ──finished─▶ DONE, FAILED
 *                                                 (the worker that waits for it runs it itself)
 *
 *   actor    make ──▶ NEW ──constructor done──▶ LIVE ──end──▶ (gone)
 *                      ▲ └─it failed──────────▶ DEAD ◀──host lost, no restarts left
 *                      └── host lost, restarts left ──┘ (from LIVE)
 *
 *   DONE ──its object was lost with a node──▶ REMADE ──by a task of the same call──▶ DONE, FAILED
 *                                            (see "objects that were lost")
 *
 *   PART     one of several results of a call ──▶ DONE, FAILED (see "several results")
 *
 *   lease    gained ──▶ ACTIVE ──recalled──▶ DRAINING ──nothing in flight──▶ returned
 *
 * How many entries a lease is given ahead (its depth) follows the measured time a task of the class
 * takes: some milliseconds' worth, so hundreds for microseconds, one or two for milliseconds. What
 * turns out to be stuck behind a long task is taken back: half of it when another lease of the
 * class has nothing to do, all of it when more waits and the lease is overdue. The lease then gets
 * nothing until it answers.
 *
 * A task id is generation << 32 | index: a stale one is recognised, never an error in memory. It
 * is also the sequence part of the object id of the task's result. Ties are broken by order of
 * arrival. Not thread-safe. */
#ifndef REEVE_CLIENT_OWNER_H
#define REEVE_CLIENT_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/buffer.h"
#include "runtime/base/ids.h"
#include "runtime/channel/credit.h"
#include "runtime/channel/entry.h"

struct reeve_map64;
struct reeve_owner;
typedef uint64_t reeve_task_id;
typedef uint32_t
    reeve_lease_index; /* small, dense, reused: the shell keeps its channels in an array by it */

#define REEVE_OWNER_BARREN_MAX  10u
#define REEVE_OWNER_CLASSES_MAX 1024u

struct reeve_owner_settings {
    uint32_t depth_max;  /* entries a lease may have in flight: no more than slots in a call ring */
    uint32_t demand_max; /* leases asked for, for one class, at most */
    uint64_t lease_idle_ns;   /* a lease unused for so long goes back */
    uint64_t lease_wanted_ns; /* likewise, while another class of ours has none for what it has */
    uint64_t lease_hold_ns;   /* likewise, at least, while others wait for it and no task runs */
    uint64_t work_ahead_ns;   /* how much work a lease is given ahead */
    uint64_t
        /* a worker that has not answered for so long has its unclaimed entries taken back, if
         * others are idle */
        stuck_ns;
    uint32_t
        /* of task ids: later owners of a process start higher, so that no id comes twice */
        generation_first;
    uint64_t lineage_bytes_max; /* what may be kept to make lost objects again */
};
extern const struct reeve_owner_settings reeve_owner_settings_default;

enum reeve_task_state {
    REEVE_TASK_FREE,
    REEVE_TASK_LINEAGE, /* nobody refers to it any more, but what was made from it is kept */
    REEVE_TASK_WAITING, /* for dependencies */
    REEVE_TASK_QUEUED,  /* for a lease with room */
    REEVE_TASK_SENT,    /* in a channel, perhaps running */
    REEVE_TASK_INLINE,  /* run by the process that waits for it */
    REEVE_TASK_PENDING, /* no task: a put object that is still being filled */
    REEVE_TASK_REMADE,  /* its object was lost and is being made again, by another task */
    REEVE_TASK_PART,    /* no task: one of several results of a call that has not ended */
    REEVE_TASK_DONE,
    REEVE_TASK_FAILED,
};

/* Where the value of a future is to be spliced into the packed arguments; or, with
 * REEVE_OWNER_NESTED in the offset, a future that stands itself in the argument that begins
 * there. */
struct reeve_owner_splice {
    uint32_t offset; /* in the arguments; ascending, NESTED aside */
    reeve_task_id task;
};
#define REEVE_OWNER_NESTED 0x80000000u
#define REEVE_OWNER_READING \
    0x40000000u /* the core's: its object is read by whoever runs the task */

/* How often a function that fails (REEVE_EFUNCTION) is run again, and after which pause: see
 * owner_retry.c. Not of an actor. */
struct reeve_owner_retries {
    uint32_t count, pause_ms;
};

struct reeve_owner_task {
    uint32_t class_index;
    uint32_t function;
    uint32_t timeout_ms; /* 0: none */
    uint32_t losses_max; /* how often it may be lost with its worker and be run again */
    struct reeve_owner_retries retries;
    bool never_inline; /* it is not to be run in the midst of the task that waits for it */
    bool is_stream;    /* it yields items; then never_inline, too */
    struct reeve_stream_window window; /* of a stream: 0 is as always */
    uint32_t actor;        /* number of ours whose call it is: class_index does not count; or 0 */
    uint32_t called;       /* of a host of another process: the number of the actor there; or 0 */
    uint8_t life;          /* enum reeve_owner_life */
    const void *arguments; /* copied */
    uint32_t arguments_size;
    /* the task that calls it: a struct reeve_object_id, perhaps unaligned; or NULL. Copied */
    const void *parent;
    uint32_t splice_count;
    const struct reeve_owner_splice *splices; /* copied */
};

enum reeve_owner_life { REEVE_OWNER_CALL, REEVE_OWNER_MAKE, REEVE_OWNER_END };

/* The outcome of a task. For an error: `error_is_map` tells a msgpack map (entry.h) from plain
 * text. */
struct reeve_owner_result {
    int status;
    bool is_held;   /* the program has a reference to the future */
    bool is_object; /* the value lies in the store: `object` */
    bool error_is_map;
    const uint8_t *bytes; /* valid until the task is released or forgotten */
    uint32_t size;
    struct reeve_reference object;
    uint32_t function;
    uint32_t attempt; /* counted from 1 */
    uint32_t node;    /* where it ran last; 0 unknown */
    uint32_t future_count;
    uint32_t handle_count;                    /* of actors, in the value: behind the futures */
    const struct reeve_owner_splice *futures; /* that stand in the value, in order */
};

enum reeve_owner_command_kind {
    /* tell the daemon: class_index, cpu_milli, priority, process, host, count, near */
    REEVE_OWNER_DEMAND = 1,
    /* lease, lease_index: nothing is in flight; the core has forgotten it; count: not 0, with
     * whatever is in the worker */
    REEVE_OWNER_RETURN_LEASE,
    /* task, lease_index, position: recall the entry, answer with taken_back or not at all */
    REEVE_OWNER_TAKE_BACK,
    REEVE_OWNER_FREE_OBJECT, /* object */
    /* object: what a lost attempt has left there; the task's lies elsewhere */
    REEVE_OWNER_FREE_STRAY,
    REEVE_OWNER_LET_GO, /* object: it is anchored no more */
    REEVE_OWNER_UNPIN,  /* object: given away, and our pin on it is not needed any more */
    /* task, cancel; SENT: lease, lease_index, position, attempt: recall the entry, or tell its
     * worker to stop; INLINE: who runs it */
    REEVE_OWNER_CANCEL,
    /* task, lease, lease_index, position, attempt, count: units of a stream that have been taken
     * (runtime/channel/credit.h): tell its worker */
    REEVE_OWNER_CREDIT,
    REEVE_OWNER_UNNAME, /* task: the actor of that number needs its name no more */
    /* task: of this stream, which was given to a call, there are items for its worker: take them
     * with feed_write, and send them */
    REEVE_OWNER_FEED,
    REEVE_OWNER_ASK, /* ask: to the owner of a stream that came with a call */
};

/* A call with streams among its arguments, to where it runs: the lease by which it came, its id and
 * its attempt at its owner. */
struct reeve_owner_loan {
    uint64_t lease;
    reeve_task_id task;
    uint32_t attempt;
};

/* What who runs such a call says of one of the streams. The numbers are of this attempt. */
struct reeve_owner_ask {
    struct reeve_owner_loan to;
    reeve_task_id origin; /* the stream, at its owner */
    reeve_task_id stream; /* and here */
    uint64_t taken;       /* items */
    uint32_t runs;        /* that have come */
    uint32_t question;    /* who makes the items? echoed; 0: that is of no interest */
    bool is_closed;       /* the rest is not wanted */
};

/* Who is to make the next item of a stream. */
enum reeve_owner_maker_state {
    REEVE_OWNER_MAKER_UNKNOWN, /* nobody says that it waits for others to be run */
    REEVE_OWNER_MAKER_NOBODY,  /* its call, or one that this waits for, has yet to get a worker */
    REEVE_OWNER_MAKER_PROCESS, /* that has the one or the other */
};
struct reeve_owner_maker {
    enum reeve_owner_maker_state state;
    uint32_t function;
    reeve_process_id process;
};

/* How to cancel what runs. */
struct reeve_owner_cancel {
    uint32_t grace_ms; /* between two steps; REEVE_OWNER_NEVER: it is asked, and no more */
    bool keep_children;
};
#define REEVE_OWNER_NEVER UINT32_MAX

struct reeve_owner_command {
    enum reeve_owner_command_kind kind;
    uint32_t class_index;
    uint32_t cpu_milli;
    int32_t priority;
    uint32_t count;
    uint32_t near;            /* the node that holds large arguments of what is queued, or 0 */
    reeve_process_id process; /* with host: whose; 0: ours */
    uint32_t host;
    reeve_lease_index lease_index;
    uint64_t lease;
    reeve_task_id task;
    uint64_t position;
    uint32_t attempt;
    struct reeve_owner_cancel cancel;
    struct reeve_owner_ask ask;
    struct reeve_reference object;
};

/* What the shell needs to write an entry. Valid until the next event. */
struct reeve_owner_entry {
    uint32_t function;
    uint32_t attempt;
    uint32_t ready; /* since when it could have begun: runtime/channel/stamp.h */
    uint32_t timeout_ms;
    uint32_t class_index;
    uint16_t flags;                    /* of the entry (entry.h): ALONE, RESUMES */
    struct reeve_stream_window window; /* of a stream where it is not as always; else 0 */
    const uint8_t *arguments;
    uint32_t arguments_size;
    uint32_t parent_size; /* right behind them: which task has called (entry.h); 0: none has */
    uint32_t splice_count;
    const struct reeve_owner_splice *splices;
};

/* Which task has called, perhaps unaligned; or NULL. */
static inline const uint8_t *reeve_owner_entry_parent(const struct reeve_owner_entry *entry)
{
    return entry->parent_size != 0 ? entry->arguments + entry->arguments_size : NULL;
}

struct reeve_owner_send {
    reeve_task_id task;
    reeve_lease_index lease_index;
    struct reeve_owner_entry entry;
};

/* NULL when there is no memory. */
struct reeve_owner *reeve_owner_create(const struct reeve_owner_settings *settings);
void reeve_owner_free(struct reeve_owner *owner);

/* --- events from the program ------------------------------------------------------------------ */

/* The index of the class with these properties, made when it is new. REEVE_ETOOLARGE: too many
 * classes. */
int reeve_owner_class(
    struct reeve_owner *owner, uint32_t cpu_milli, int32_t priority, uint32_t *ret_class_index);

/* ---- actors: see owner_actor.c ---- */

/* The class of calls to actors of another process, in that host of it. REEVE_ETOOLARGE. */
int reeve_owner_host_class(
    struct reeve_owner *owner, reeve_process_id process, uint32_t host, uint32_t *ret_class_index);

struct reeve_owner_actor {
    uint32_t cpu_milli;
    uint32_t shared;       /* not 0: in a host of that number, with others; else in its own */
    uint32_t restarts_max; /* UINT32_MAX: any number */
    uint32_t end_function; /* to be called when it is released */
    uint64_t now_ns;
};
#define REEVE_OWNER_SHARED_MAX 0xffffu

/* An actor that is to be made by a task with REEVE_OWNER_MAKE, which is submitted next. Its calls
 * may be submitted then. REEVE_ETOOLARGE: too many hosts; REEVE_EINVAL: the shared host has another
 * cpu_milli. */
int reeve_owner_actor_make(struct reeve_owner *owner, const struct reeve_owner_actor *actor,
    uint32_t *ret_number, uint32_t *ret_host);
/* Its creator does not want it any more (handle_release): when nobody holds it, it ends when what
 * it has been called for is done, by a call of its end_function with these arguments.
 * REEVE_EHANDLE; REEVE_ENOMEM: it is as before. */
int reeve_owner_actor_release(struct reeve_owner *owner, uint64_t now_ns, uint32_t number,
    const void *arguments, uint32_t size);
/* It is to end at once, with its host: what is queued or under way fails. REEVE_EHANDLE;
 * REEVE_EINVAL: others share its host. It is still to be released. */
int reeve_owner_actor_kill(struct reeve_owner *owner, uint64_t now_ns, uint32_t number);
/* The state of an actor whose host has that lease: given to its next constructor, behind the
 * arguments. REEVE_EPROTOCOL: it can be none. */
#define REEVE_OWNER_SAVED_MAX (64u * 1024)
int reeve_owner_actor_saved(struct reeve_owner *owner, reeve_lease_index lease_index,
    uint64_t number, const void *bytes, uint32_t size);
/* The class of its calls; false: it has been released, and nobody holds it any more. */
bool reeve_owner_actor_class(
    const struct reeve_owner *owner, uint32_t number, uint32_t *ret_class_index);
/* It has got a name, to be given back (UNNAME) when it has ended, or now, if it
 * has. */
void reeve_owner_actor_named(struct reeve_owner *owner, uint32_t number);
/* We have said FREE_OBJECT of it, and nobody else holds it any more: it ends, with the arguments of
 * release, or (what is stale) nothing happens. */
void reeve_owner_actor_over(struct reeve_owner *owner, uint64_t now_ns, uint32_t number,
    const void *arguments, uint32_t size);
/* It could not be made, and nothing was called: it is forgotten. */
void reeve_owner_actor_give_up(struct reeve_owner *owner, uint32_t number);
/* Whether the task is a call of an actor, of ours or not. */
bool reeve_owner_is_of_actor(const struct reeve_owner *owner, reeve_task_id task);
/* Of a host, ours or not: how many calls of this process are unanswered, and the first of them. */
uint32_t reeve_owner_host_calls(
    const struct reeve_owner *owner, uint32_t class_index, reeve_task_id *ret_first);
/* For people: all of ours that have not ended or been released. *cursor begins at 0. */
enum reeve_owner_actor_state {
    REEVE_OWNER_ACTOR_STARTING,
    REEVE_OWNER_ACTOR_RESTARTING,
    REEVE_OWNER_ACTOR_ALIVE,
    REEVE_OWNER_ACTOR_DEAD,
};
struct reeve_owner_actor_info {
    uint32_t number, host, constructor, cpu_milli;
    enum reeve_owner_actor_state state;
    uint32_t restarts, restarts_left;
    uint32_t calls; /* unanswered, of its host */
    uint64_t since_ns;
    bool why_is_map; /* dead: why, as in a result */
    const uint8_t *why;
    uint32_t why_size;
};
bool reeve_owner_next_actor(
    const struct reeve_owner *owner, size_t *cursor, struct reeve_owner_actor_info *ret);
/* Those that have not ended. */
uint64_t reeve_owner_actor_count(const struct reeve_owner *owner);

/* Whether each lease of the class has something under way. Then submit needs no exact time: it
 * may be that of any event before. */
bool reeve_owner_class_is_busy(const struct reeve_owner *owner, uint32_t class_index);

/* REEVE_EHANDLE: a splice names no living future; REEVE_ETYPE: it names a stream, not as one of
 * NESTED or for what makes an actor; REEVE_ENOMEM. The caller holds one reference to the new task.
 * The program's reference to a stream among the arguments becomes the task's. */
int reeve_owner_submit(struct reeve_owner *owner, uint64_t now_ns,
    const struct reeve_owner_task *task, reeve_task_id *ret_task);

/* A resolved future with a small value, or (bytes NULL) a PENDING one whose object is being
 * filled. */
int reeve_owner_put(
    struct reeve_owner *owner, const void *bytes, uint32_t size, reeve_task_id *ret_task);
/* PENDING becomes DONE (status 0) or FAILED. */
void reeve_owner_filled(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id task, int status,
    const struct reeve_reference *object);

/* REEVE_TASK_FREE for a stale id. */
enum reeve_task_state reeve_owner_state(const struct reeve_owner *owner, reeve_task_id task);
static inline bool reeve_task_state_is_final(enum reeve_task_state state)
{
    return state >= REEVE_TASK_DONE;
}

/* Of a task in a final state. REEVE_EHANDLE, REEVE_EAGAIN. */
int reeve_owner_result(
    const struct reeve_owner *owner, reeve_task_id task, struct reeve_owner_result *ret);

/* The same where it is plain: bytes, no object and no futures, of a task that has not failed,
 * and the program's to get. False: it is not so, or not final. */
bool reeve_owner_plain_result(const struct reeve_owner *owner, reeve_task_id task,
    const uint8_t **ret_bytes, uint32_t *ret_size);
/* The same of a future among the arguments of an entry. */
bool reeve_owner_plain_argument(const struct reeve_owner *owner,
    const struct reeve_owner_splice *splice, const void **ret_bytes, size_t *ret_size);

/* The caller's reference goes. A task under way goes on; its result is dropped. (That of a stream
 * is asked to stop.) REEVE_EHANDLE. */
int reeve_owner_release(struct reeve_owner *owner, reeve_task_id task);

/* One more reference of the program's to a living future. REEVE_EHANDLE. */
int reeve_owner_hold(struct reeve_owner *owner, reeve_task_id task);

/* References that the program cannot release, for who reads a result while it may do so: one more;
 * one of the program's, which is its own no more (REEVE_EHANDLE: it has none), or is so again; and
 * one less. */
int reeve_owner_keep(struct reeve_owner *owner, reeve_task_id task);
int reeve_owner_take(struct reeve_owner *owner, reeve_task_id task);
void reeve_owner_untake(struct reeve_owner *owner, reeve_task_id task);
void reeve_owner_drop(struct reeve_owner *owner, reeve_task_id task);

/* Once the future is final (at once, if it is already), next_watched gives the same pair: once.
 * Until then the watch refers to the future. REEVE_EHANDLE, REEVE_ENOMEM. */
struct reeve_owner_watch {
    uint64_t queue, tag;
};
int reeve_owner_watch(
    struct reeve_owner *owner, reeve_task_id task, const struct reeve_owner_watch *watch);
/* Likewise, once next_item would say something else than EAGAIN; the future is not referred to.
 * REEVE_ETYPE: it is no stream. Without a watch: whether that is so now; REEVE_EAGAIN: no. */
int reeve_owner_watch_next(
    struct reeve_owner *owner, reeve_task_id task, const struct reeve_owner_watch *watch);
bool reeve_owner_next_watched(struct reeve_owner *owner, struct reeve_owner_watch *ret);
uint32_t reeve_owner_watch_count(const struct reeve_owner *owner); /* not told yet */

/* The caller, a worker that waits for the task, wants to run it itself, in the midst of a task of
 * class `class_index`. May it? Not one of another class (the lease is for that one's resources),
 * nor one with a time limit (its end would be the caller's), nor one that refuses, nor one that
 * has brought down a worker before. For a task that is QUEUED or SENT; false for any other. */
bool reeve_owner_may_inline(
    const struct reeve_owner *owner, reeve_task_id task, uint32_t class_index);
/* True: it is the caller's (INLINE), who reports with reeve_owner_finished. For a SENT task call it
 * after the entry has been recalled and taken_back said; false if it is not QUEUED, or may not. */
bool reeve_owner_take_inline(struct reeve_owner *owner, reeve_task_id task, uint32_t class_index);
/* `futures`: those in the value; for each time that one stands there a reference of the caller's
 * becomes the result's. */
void reeve_owner_finished(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id task,
    int status, bool error_is_map, const void *bytes, uint32_t size,
    const struct reeve_reference *object, const reeve_task_id *futures, uint32_t future_count);

/* The task is not wanted any more: see owner_cancel.c. It is a future like any other until it has
 * ended, and afterwards. REEVE_EHANDLE; REEVE_ENOMEM: it goes on. Nothing happens when it has
 * ended. */
int reeve_owner_cancel(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id task,
    const struct reeve_owner_cancel *how);
/* Grows with every task. All tasks that came later and have not ended are not wanted any more: the
 * children of a task that had begun then. */
uint64_t reeve_owner_sequence(const struct reeve_owner *owner);
void reeve_owner_cancel_since(struct reeve_owner *owner, uint64_t now_ns, uint64_t sequence,
    const struct reeve_owner_cancel *how);

/* Where a SENT task is, to recall it. False when it is not SENT, or cannot be taken back any
 * more. */
bool reeve_owner_where(const struct reeve_owner *owner, reeve_task_id task,
    reeve_lease_index *ret_lease_index, uint64_t *ret_position, uint32_t *ret_attempt);
/* It waits for other tasks to end, and is none that can be run now. */
static inline bool reeve_task_state_waits(enum reeve_task_state state)
{
    return state == REEVE_TASK_WAITING || state == REEVE_TASK_PART;
}
/* Of one that waits: the first of the futures it waits for that is not final. */
reeve_task_id reeve_owner_dependency(const struct reeve_owner *owner, reeve_task_id task);

/* --- objects that are anchored ----------------------------------------------------------------
 *
 * An object whose reference is LOCATED when it becomes a result is anchored: pinned for this
 * process, at a place that is known, so that whoever reads it here, or runs a task on its node
 * that has it among its arguments, need not ask for it. It is so until it is freed or given
 * away, or until the store is short of room: then what nobody reads is let go of, the oldest
 * first. */

/* Somebody of this process reads the object of a DONE task, to which he has a reference: until
 * read_end it is not let go of. False, and nothing is begun: it is not anchored. */
bool reeve_owner_read_begin(struct reeve_owner *owner, reeve_task_id task);
void reeve_owner_read_end(struct reeve_owner *owner, reeve_task_id task);
/* So much is to be let go of, now or as soon as nobody reads it. */
void reeve_owner_relax(struct reeve_owner *owner, uint64_t bytes);

/* --- events from the daemon and the rings ----------------------------------------------------- */

/* A channel for the lease is open. REEVE_ENOMEM. */
int reeve_owner_lease_gained(struct reeve_owner *owner, uint64_t now_ns, uint32_t class_index,
    uint64_t lease, uint32_t node, reeve_lease_index *ret_lease_index);
void reeve_owner_lease_recalled(
    struct reeve_owner *owner, uint64_t now_ns, reeve_lease_index lease_index);
/* Others wait for it: it goes back when it lies idle (owner_idle.c). */
void reeve_owner_lease_wanted(
    struct reeve_owner *owner, uint64_t now_ns, reeve_lease_index lease_index);
/* Of a worker: whether no task runs that could make calls. */
void reeve_owner_rests(struct reeve_owner *owner, uint64_t now_ns, bool rests);
/* The worker that has just died with this task was running one of its children on the spot. So the
 * loss, which is said next (an answer EWORKERDIED, or lease_lost), is not the task's: it is run
 * once more without being counted, with its children elsewhere, where each is charged for
 * itself. At most once, and not where no retries are allowed. */
void reeve_owner_child_died(
    struct reeve_owner *owner, reeve_lease_index lease_index, reeve_task_id task, uint32_t attempt);
/* The worker or its node is gone. All results have been taken from the return ring, and
 * taken_back has been said of entries that nobody had claimed; what is still in flight was
 * running and counts as lost once more. REEVE_ESHUTDOWN: its node has been stopped, which is no
 * loss of the tasks' own, and is not counted. */
void reeve_owner_lease_lost(struct reeve_owner *owner, uint64_t now_ns,
    reeve_lease_index lease_index, int code, const char *text);
/* No lease came, or none can: fails what is queued in the class. While it has other leases they go
 * on, and when the last of them has gone it is asked anew. */
void reeve_owner_class_failed(
    struct reeve_owner *owner, uint64_t now_ns, uint32_t class_index, int code, const char *text);
/* The daemon is gone: everything that is not final fails. */
void reeve_owner_fail_all(struct reeve_owner *owner, int code, const char *text);

/* An answer from a return ring. Returns false when it is stale (another attempt, another lease):
 * the caller drops it. With status REEVE_ELOST or REEVE_ECORRUPT `object` may name an object among
 * the arguments that is lost, so that the task has not been run: it is run when that has been
 * made again. The same holds for reeve_owner_finished. */
bool reeve_owner_answer(struct reeve_owner *owner, uint64_t now_ns, reeve_lease_index lease_index,
    reeve_task_id task, uint32_t attempt, int status, const void *bytes, uint32_t size,
    const struct reeve_reference *object);
/* The entry has been recalled or revoked, or came back with kind RECALLED: nobody will run it. */
void reeve_owner_taken_back(struct reeve_owner *owner, uint64_t now_ns,
    reeve_lease_index lease_index, reeve_task_id task, uint32_t attempt);

/* --- futures in values ------------------------------------------------------------------------
 *
 * A task whose result has futures in it keeps them, as one whose arguments need futures does. Where
 * a value with futures crosses to another process, a *hand-over* stands beside it: the futures in
 * it, and all that they need, in an order in which each comes after what it needs.
 *
 *   result:  the worker's owner gives its futures away. What nobody has claimed it takes back, and
 *            gives the task itself; what has ended it gives as value, object or error; what
 *            somebody is running it waits for. On the other side they are adopted when the result
 *            is accepted, and not before: those of a superseded attempt are dropped, and what was
 *            given with it is let go of (owner_gifts.c)
 *   call:    the holder lends: a task starts when the futures in its arguments, at any depth, are
 *            ready, so all that is lent has ended. What comes back with the result is known by its
 *            origin, and is the holder's own again. What the callee still refers to when the
 *            call ends it holds by itself from then on: values are its own copies; of objects the
 *            node where they lie is told, before the answer (objectstore/hold.c)
 *
 *   hand-over | record | record | …           numbers are little-endian
 *   record    | origin 8 | count 4 | size 4 | kind 1, flags 1, 0 6 | needs: count × 4 | body |
 *             `needs` are numbers of records before; origin is the sender's own id of it
 *   body      VALUE the bytes; OBJECT a reference; ERROR status 4, function 4, attempt 4, node 4,
 *             bytes; TASK cpu 4, priority 4, function 4, time limit 4, losses 4, losses_max 4,
 *             retries 4, pause 4, offsets: count × 4, arguments, and with flag PARENT which task
 *             has called, 16; OWN -: `origin` is the receiver's; STREAM, lent: units of its
 *             window 4, bytes of a unit 4; ROOTS -: `needs` are the futures in the value, in the
 *             order in which they stand */

/* `futures` stand in the value of this DONE task (from put): one reference of the caller's for each
 * becomes the task's. REEVE_ENOMEM: none does. */
int reeve_owner_attach(
    struct reeve_owner *owner, reeve_task_id task, const reeve_task_id *futures, uint32_t count);

/* The worker's side. `roots` are living futures, perhaps the same one twice, and the caller has a
 * reference to each. Keeps back what is not begun; true when all can be given. Until then call it
 * again after each event; it may give TAKE_BACK commands. */
bool reeve_owner_handover_ready(
    struct reeve_owner *owner, uint64_t now_ns, const reeve_task_id *roots, uint32_t count);
/* Writes it, when ready; and, to `ret_objects`, struct reeve_reference of each object that changes
 * hands. Changes nothing. REEVE_ENOMEM, REEVE_ETOOLARGE. */
int reeve_owner_handover_write(struct reeve_owner *owner, const reeve_task_id *roots,
    uint32_t count, struct reeve_buffer *ret, struct reeve_buffer *ret_objects);
/* It has been published: what was given is not ours any more. Or (given false) it is called off. */
void reeve_owner_handover_end(struct reeve_owner *owner, uint64_t now_ns,
    const reeve_task_id *roots, uint32_t count, bool given);

/* The holder's side of a call with futures in its arguments: writes what it lends with the task's
 * entry; objects as above, for the entry's references. */
int reeve_owner_lend_write(struct reeve_owner *owner, reeve_task_id task, struct reeve_buffer *ret,
    struct reeve_buffer *ret_objects);
/* …and the worker's: what came with a call; the caller gets a reference to each of `*ret` (malloc),
 * which are the futures in the arguments in order. REEVE_EPROTOCOL, REEVE_ENOMEM. */
int reeve_owner_borrow(struct reeve_owner *owner, uint64_t now_ns, const void *bytes, size_t size,
    reeve_task_id **ret, uint32_t *ret_count);
/* The call is over: gives the references back. Of what somebody still refers to, values stay, and
 * objects that are held; others were the holder's, who may free them. */
void reeve_owner_borrow_end(
    struct reeve_owner *owner, const reeve_task_id *futures, uint32_t count);

/* Another future of the same value: of one that is lent one that outlives the call, else a
 * reference more. REEVE_EHANDLE, REEVE_ENOMEM. */
int reeve_owner_retain(struct reeve_owner *owner, reeve_task_id task, reeve_task_id *ret);
/* An object that is held is handed on with a result like another: its reference in `ret_objects` of
 * handover_write has the flag HELD, and in its offset the token of a hold that is to be the
 * receiver's before the answer. */

/* Before borrow_end: of the futures that were lent, and all that they need, something may refer to
 * some beyond the call (what was retained, tasks under way, values put). Their values
 * are the borrower's own copies; of objects `ret_holds` gets a struct reeve_owner_hold each: the
 * node where it lies must know of it before the call is answered. Then say `held`. (FREE_OBJECT for
 * such an object has the flag HELD, and the token as its task.) REEVE_ENOMEM. */
struct reeve_owner_hold {
    struct reeve_reference object;
    uint64_t token;
};
int reeve_owner_loans_kept(struct reeve_owner *owner, const reeve_task_id *futures, uint32_t count,
    struct reeve_buffer *ret_holds);
void reeve_owner_held(
    struct reeve_owner *owner, const struct reeve_owner_hold *holds, size_t count);

/* A piece of the hand-over of a SENT task's result has come; the answer follows. REEVE_ENOMEM. */
int reeve_owner_handed(struct reeve_owner *owner, reeve_lease_index lease_index, reeve_task_id task,
    uint32_t attempt, const void *bytes, uint32_t size);
/* The store where it lies says that the object, or (flag HELD, its offset: the token) that hold on
 * it, is ours, and comes with the answer to that attempt: see owner_gifts.c. Once for each. */
void reeve_owner_given(struct reeve_owner *owner, reeve_task_id task, uint32_t attempt,
    const struct reeve_reference *object);

/* --- handles of actors ------------------------------------------------------------------------
 *
 * What keeps an actor alive: see owner_handles.c. In values and arguments a handle stands as plain
 * numbers; beside it, as a future would stand there, stands this: in the list of a value behind
 * its futures, among a call's splices anywhere, with NESTED. */

struct reeve_owner_handle {
    reeve_process_id process; /* the actor's owner */
    uint32_t number;          /* there */
    uint32_t host;            /* as host_class has it, of another process */
};
/* A reference of the program's to the handle, which is made when there is none. It is released by
 * reeve_owner_release or, if the program asks for that, by handle_release. REEVE_EHANDLE: it is of
 * an actor of ours that is no more; REEVE_ENOMEM. */
int reeve_owner_handle(
    struct reeve_owner *owner, const struct reeve_owner_handle *of, reeve_task_id *ret);
bool reeve_owner_is_handle(const struct reeve_owner *owner, reeve_task_id task);
/* It is another's, who has given or lent it to us, and is not held by this process yet. */
bool reeve_owner_handle_is_open(const struct reeve_owner *owner, reeve_task_id task);
/* The handle stands in a value that the program gets: a reference more, of the program's, to the
 * one in *ret. REEVE_ENOMEM. */
int reeve_owner_handle_take(struct reeve_owner *owner, reeve_task_id task, reeve_task_id *ret);
/* The program gives up one that it has got by `handle`, `take` or by making the actor; arguments as
 * in actor_release. REEVE_EHANDLE: it has none; REEVE_ENOMEM. */
int reeve_owner_handle_release(struct reeve_owner *owner, uint64_t now_ns,
    const struct reeve_owner_handle *of, const void *arguments, uint32_t size);
/* At the end of a call, before its answer: what is to be held by this process from now on. Say
 * handle_held of the token of each, even if it could not be. REEVE_ENOMEM: some are left out. */
int reeve_owner_handles_kept(struct reeve_owner *owner, struct reeve_buffer *ret_holds);
void reeve_owner_handle_held(struct reeve_owner *owner, reeve_task_id token, bool held);

/* --- several results --------------------------------------------------------------------------
 *
 * A call may have several results, each with a future of its own. Its function gives as many
 * futures in its value (of values that it has put, or of calls that go on), and the program's
 * futures take theirs: until then they are PART, and wait for the call. It is a task like any
 * other, with one attempt, one error and one end, which all of them have. To cancel one is to
 * cancel the call; to release all of them is not. */

/* As submit: `count` futures, in place of the one of the call. REEVE_ENOMEM, or as submit: there is
 * none. */
int reeve_owner_submit_results(struct reeve_owner *owner, uint64_t now_ns,
    const struct reeve_owner_task *task, uint32_t count, reeve_task_id *ret);

/* --- streams ----------------------------------------------------------------------------------
 *
 * A stream is a task whose items come before its result, and are read one by one; when there is
 * none left, its result says how it has ended. How it goes on when the task is run again, and how
 * far it may be ahead: owner_stream.c. */

bool reeve_owner_is_stream(const struct reeve_owner *owner, reeve_task_id task);
/* A piece of an item of a SENT task has come; `more`: the next one goes on with it. What is stale
 * is dropped. REEVE_ENOMEM, REEVE_EPROTOCOL. */
int reeve_owner_item(struct reeve_owner *owner, reeve_lease_index lease_index, reeve_task_id task,
    uint32_t attempt, bool more, const void *bytes, uint32_t size);
/* The first item that has not been taken; valid until the next event. REEVE_EAGAIN: none has come
 * yet; REEVE_EEND: none will come any more, and the task has a result; REEVE_EHANDLE;
 * REEVE_ETYPE: it is no stream. */
int reeve_owner_next_item(const struct reeve_owner *owner, reeve_task_id task,
    const uint8_t **ret_bytes, uint32_t *ret_size);
void reeve_owner_item_taken(struct reeve_owner *owner, reeve_task_id task);

/* A stream that is an argument (NESTED) is given: only the call takes its items from then on
 * (owner_feed.c). At its owner next_item says REEVE_EHANDLE then, and this true. */
bool reeve_owner_is_given(const struct reeve_owner *owner, reeve_task_id task);
/* Next run of items for who runs the call; appends it. REEVE_EAGAIN: there is none now;
 * REEVE_ENOMEM. */
#define REEVE_OWNER_RUN_MAX ((size_t)256 * 1024) /* bytes; of an outcome, what that has */
int reeve_owner_feed_write(struct reeve_owner *owner, reeve_task_id stream,
    struct reeve_owner_loan *ret_to, struct reeve_buffer *ret);
/* It has said so, over this lease. */
void reeve_owner_asked(struct reeve_owner *owner, uint64_t now_ns, reeve_lease_index lease_index,
    const struct reeve_owner_ask *ask);

/* Its owner: the next of the streams of which that has been asked (*at is 0 at first), and the
 * answer; it is told where it is new. */
bool reeve_owner_has_yielded(
    const struct reeve_owner *owner, reeve_task_id stream); /* this attempt */
bool reeve_owner_makers_next(const struct reeve_owner *owner, size_t *at, reeve_task_id *ret);
void reeve_owner_maker_is(
    struct reeve_owner *owner, reeve_task_id stream, const struct reeve_owner_maker *maker);

/* Who runs the call: of the futures that `borrow` has given, the streams are read from now on (like
 * others; besides next_item may say REEVE_ELOST, once: lost_items), if there are any… */
bool reeve_owner_streams_open(struct reeve_owner *owner, const reeve_task_id *futures,
    uint32_t count, const struct reeve_owner_loan *loan);
/* …a run has come for one of them. What is stale is dropped… */
void reeve_owner_fed(struct reeve_owner *owner, uint64_t now_ns,
    const struct reeve_owner_loan *from, const void *bytes, size_t size);
/* …its owner is asked who makes the next item, and says so whenever that changes, until there is
 * one. Anew: though it has said so. */
void reeve_owner_maker_ask(struct reeve_owner *owner, reeve_task_id stream, bool anew);
/* …what it has said last; *ret_answered: to the last question. False: this is no such stream. */
bool reeve_owner_maker(const struct reeve_owner *owner, reeve_task_id stream,
    struct reeve_owner_maker *ret, bool *ret_answered);
/* …it fails: nobody will ever make the next item, as `text` says. */
void reeve_owner_maker_never(
    struct reeve_owner *owner, uint64_t now_ns, reeve_task_id stream, const char *text);
/* …so many items went to attempts of the call that were lost; they do not come again… */
uint64_t reeve_owner_lost_items(struct reeve_owner *owner, reeve_task_id task);
/* …and who has given streams over that lease is gone. */
void reeve_owner_loans_lost(struct reeve_owner *owner, uint64_t now_ns, uint64_t lease);

/* --- objects that were lost -------------------------------------------------------------------
 *
 * A result that lies in the store of another node is lost with that node; one of any node may be
 * damaged on a disk. So the call that made it is kept for as long as the result lives (its
 * *lineage*), and the result is made again when it turns out to be lost: by a new task of the same
 * call, whose object takes the place of the lost one. Each time costs one of the losses that the
 * call may have.
 *
 *   a ──▶ f(a) ──▶ g(f)        released: f. Its object is freed, its call is kept for g
 *                  g lost:     g(f) again ──waits──▶ f(a) again
 *
 * Of what only lineage needs, the value is freed where it can be made again, and kept where it
 * cannot (a put value, or a task that may not be run again): but not for what lies on our own node,
 * which is lost only where a disk is damaged. All of that takes lineage_bytes_max at most; beyond
 * it the oldest calls are given up. One of several results has that of their call, by which all
 * that are lost are made again at once. What else was put, or handed over by another process, has
 * no lineage here. */

/* Who we are. Not known: nothing is kept. */
void reeve_owner_set_process(struct reeve_owner *owner, reeve_process_id process);
/* What machines are called, for texts: node -> char *. It lives as long as the owner. */
void reeve_owner_set_hosts(struct reeve_owner *owner, const struct reeve_map64 *hosts);
/* The object of this DONE task cannot be had any more; code: REEVE_ELOST, or REEVE_ECORRUPT. 0: it
 * is being made again (or has been: the task's object is another one by now); wait for the task,
 * then take its result anew. The same code: it cannot be, and `why` says why not, for people.
 * REEVE_EHANDLE. */
int reeve_owner_lost(struct reeve_owner *owner, uint64_t now_ns, reeve_task_id task,
    const struct reeve_object_id *object, int code, char *why, size_t why_size);
/* Gives up lineage, the oldest first, until the futures take no more than so much. */
void reeve_owner_lineage_trim(struct reeve_owner *owner, uint64_t memory_bytes);

/* --- what to do ------------------------------------------------------------------------------- */

/* The next entry to write; false when there is none. Answer with sent or unsent before anything
 * else. */
bool reeve_owner_next_send(struct reeve_owner *owner, struct reeve_owner_send *ret);
void reeve_owner_entry(
    const struct reeve_owner *owner, reeve_task_id task, struct reeve_owner_entry *ret);
void reeve_owner_sent(
    struct reeve_owner *owner, uint64_t now_ns, reeve_task_id task, uint64_t position);
/* The ring has no room for it: back to the head of its queue; the lease gets nothing until its
 * next answer. */
void reeve_owner_unsent(struct reeve_owner *owner, reeve_task_id task);
/* It can never be written (its arguments do not fit the store…): it fails. */
void reeve_owner_unsendable(
    struct reeve_owner *owner, uint64_t now_ns, reeve_task_id task, int code, const char *text);

bool reeve_owner_next_command(struct reeve_owner *owner, struct reeve_owner_command *ret);

/* When to call tick, in the time of now_ns; UINT64_MAX: never. */
uint64_t reeve_owner_deadline(const struct reeve_owner *owner);
void reeve_owner_tick(struct reeve_owner *owner, uint64_t now_ns);

/* --- for the shell's bookkeeping and for tests ------------------------------------------------ */

uint64_t reeve_owner_unfinished(const struct reeve_owner *owner); /* tasks not in a final state */
uint64_t reeve_owner_final_count(
    const struct reeve_owner *owner); /* grows with every task that becomes final, and with every
                                       * stream that has something to read again: with all that
                                       * somebody may wait for */
uint32_t reeve_owner_in_flight(const struct reeve_owner *owner, reeve_lease_index lease_index);
uint32_t reeve_owner_node_of(const struct reeve_owner *owner, reeve_lease_index lease_index);
uint64_t reeve_owner_lease_id(const struct reeve_owner *owner, reeve_lease_index lease_index);
bool reeve_owner_find_lease(
    const struct reeve_owner *owner, uint64_t lease, reeve_lease_index *ret_lease_index);
/* The tasks in flight on a lease, oldest first: 0 begins and ends the walk. Position of each. */
reeve_task_id reeve_owner_each_in_flight(const struct reeve_owner *owner,
    reeve_lease_index lease_index, reeve_task_id after, uint64_t *ret_position,
    uint32_t *ret_attempt);
uint64_t reeve_owner_stale_count(const struct reeve_owner *owner);
/* Greater than that of any task id so far: generation_first of a later owner. */
uint32_t reeve_owner_generation(const struct reeve_owner *owner);
uint64_t reeve_owner_task_count(const struct reeve_owner *owner); /* futures alive, final or not */

/* What the futures alive take, with arguments and results. Without tasks that are INLINE, on the
 * caller's own stack: that bounds them. */
uint64_t reeve_owner_memory(const struct reeve_owner *owner);
/* Whether most of them are of tasks that others have to finish: then time makes room, else the
 * program must. */
bool reeve_owner_is_ahead(const struct reeve_owner *owner);
/* A task of the class that perhaps nobody has claimed: what was QUEUED last, so that a tree of
 * tasks is run depth first; else what was sent last to some lease. 0: there is none. */
reeve_task_id reeve_owner_unclaimed(const struct reeve_owner *owner, uint32_t class_index);

/* Audits all tables against each other; asserts. For tests and the simulator. */
void reeve_owner_check(const struct reeve_owner *owner);

#endif
