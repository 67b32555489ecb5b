/* The simulator: the real cores (scheduler, node, owner) on simulated machines, network and clock.
 * One seed is one run.
 *
 *   sim.c        the event queue, the trace and its hash, options, phases, what must hold at rest
 *   network.c    sessions between daemons: delays, order, loss with the link, one-way partitions;
 *                every control message passes through the wire's codec
 *   head.c       the head's shell: scheduler core and a journal in memory
 *   daemon.c     a node daemon's shell: node core, sockets of its processes
 *   links.c      its links to the head and to other nodes
 *   channel.c    rings, and the bridge that carries their entries between machines
 *   process.c    drivers and workers: owner core, channels, events
 *   driver.c     what drivers submit, and what must come of it
 *   worker.c     functions that run, wait, call others
 *   programs.c   what these compute
 *   life.c       how these come and go
 *   actors.c     actors: what drivers do with them, how they live in workers, in which order
 *   names.c      their names: who has which
 *   handles.c    handles of actors: passed, retained, returned
 *   lives.c      who has an actor, and that it lives as long
 *   streams.c    functions that yield items, and who reads them
 *   feeds.c      streams that are given to a task
 *   values.h     large values: each node's store, its memory and disk
 *   staging.c    calls that wait for large arguments
 *   gifts.c      large values that are given away, and kept by who was lent them
 *   chaos.c      what goes wrong
 *
 * Everything that happens is an event on one heap, ordered by (time, sequence). An event names
 * whom it is for by numbers that are never used again: when that daemon, session or process is
 * gone, the event comes to nothing. That is all that "killed" needs, and a kill may strike
 * between any two commands of a core. */
#ifndef REEVE_TESTS_SIM_SIM_H
#define REEVE_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/client/owner.h"
#include "objectstore/store.h"
#include "runtime/base/errors.h"
#include "runtime/base/fifo.h"
#include "runtime/base/heap.h"
#include "runtime/base/macros.h"
#include "runtime/base/map64.h"
#include "runtime/base/prng.h"
#include "runtime/node/node_core.h"
#include "runtime/wire/message.h"
#include "scheduler/sched.h"

#define US       1000ull
#define MS       1000000ull
#define SECOND   1000000000ull
#define NEVER    UINT64_MAX
#define ARGS_MAX 8u /* arguments and results are one number */

struct sim;

/* ---- events ---- */

enum sim_event_kind {
    SIM_DIAL,          /* a: from life, b: to life or 0 for the head, c: node number dialled */
    SIM_SESSION_UP,    /* a: session, c: side */
    SIM_SESSION_DOWN,  /* a: session, c: side */
    SIM_DELIVER,       /* a: session, c: receiving side, data: frame; NULL: the next that is held */
    SIM_DAEMON_TICK,   /* a: life */
    SIM_TO_DAEMON,     /* a: process, data: struct sim_local */
    SIM_TO_PROCESS,    /* a: process, data: struct sim_local */
    SIM_NODE_EVENT,    /* a: life, data: struct reeve_node_event */
    SIM_WORKER_HELLO,  /* a: process */
    SIM_PROCESS_REAP,  /* a: process */
    SIM_PROCESS_WAKE,  /* a: process */
    SIM_PROCESS_FRAME, /* a: process, b: frame token */
    SIM_PROCESS_LEND,  /* a: process, b: frame token */
    SIM_PROCESS_STOP,  /* a: process, b: frame token: it has not stopped when asked to */
    SIM_SUBMIT,        /* a: process: it is time for a driver to submit more */
    SIM_BRIDGE,        /* a: life, b: lease */
    SIM_REVIVE,        /* c: machine */
    SIM_START_DAEMON,  /* c: machine */
    SIM_START_HEAD,
    SIM_START_DRIVER, /* c: machine */
    SIM_DIE,          /* a: process: its daemon is gone */
    SIM_HEAL_LINK,    /* a: from machine, b: to machine */
    SIM_CHAOS,
    SIM_STORE_TICK,    /* a: life */
    SIM_STORE_WORK,    /* a: life, b: number of what is under way */
    SIM_STORE_DROPPED, /* a: life, b: piece */
    SIM_PROCESS_VALUE, /* a: process, b: request */
    SIM_EVENT_KIND_COUNT
};

struct sim_event {
    struct reeve_heap_node heap;
    enum sim_event_kind kind;
    uint64_t a, b;
    uint32_t c;
    void *data; /* freed with the event */
};

struct sim_event *sim_after(struct sim *sim, uint64_t delay_ns, enum sim_event_kind kind);
uint64_t sim_below(struct sim *sim, uint64_t bound);
bool sim_chance(struct sim *sim, uint64_t numerator, uint64_t denominator);
uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high);
void sim_hash(struct sim *sim, uint64_t value);
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void sim_violation(struct sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void *sim_alloc(size_t size);

/* ---- network ---- */

struct sim_entry {            /* a call, or an answer to one */
    uint64_t owner;           /* a call: uid of the process whose task it is, */
    reeve_process_id process; /* and its id */
    uint64_t task;
    uint32_t attempt;
    uint32_t function;
    int32_t status;
    bool recalled;
    struct reeve_object_id parent;     /* a call, made by a task; or sequence 0 */
    bool alone;                        /* a call: no child of it is to be run on the spot */
    bool resumes;                      /* a call, of an actor: see entry.h */
    bool child_died;                   /* an answer: the worker has died while one was */
    uint32_t latest;                   /* a call that makes an actor: see entry.h */
    struct reeve_stream_window window; /* a call, of a stream */
    bool item;                         /* of one: `value`, and no answer */
    uint64_t value;
    const uint8_t *handed; /* not NULL: a piece of a hand-over, and no answer; kept by the sim */
    uint32_t handed_size;
    const uint8_t *lent; /* a call: what goes with it; or a run of items; likewise */
    uint32_t lent_size;
    /* a call: those among its arguments; an answer: what it gives, or which of them was lost */
    uint32_t object_count;
    struct reeve_reference objects[2];
    uint64_t stage; /* in a daemon: that pins those; or 0 */
};

enum sim_frame_kind {
    FRAME_CONTROL,
    FRAME_CALLS,
    FRAME_RETURNS,
    FRAME_TAKE_BACK,
    FRAME_CREDIT,
    FRAME_FEED,
    FRAME_ASK,
    FRAME_STORE
};

struct sim_frame {
    enum sim_frame_kind kind;
    struct reeve_message message;
    uint64_t lease;
    uint32_t count;
    struct reeve_store_event said; /* STORE: of one store to another; bytes in place of entries */
    struct sim_entry entries[];
};

struct sim_session {
    uint64_t id;
    uint64_t life[2]; /* side 0 has dialled */
    struct {
        bool dialled;     /* this side waits for it to be up, or to come to nothing */
        uint64_t address; /* that it has dialled; 0: the head's */
        uint32_t node;
    } dials[2];
    bool open; /* frames still arrive */
    bool told_up[2], told_down[2];
    uint64_t ready_ns[2]; /* towards that side: nothing arrives before what was sent before it */
    struct reeve_fifo held[2]; /* struct sim_frame *: towards that side, stopped by a partition */
};

void sim_dial(struct sim *sim, uint64_t from, uint64_t to, uint32_t number);
struct sim_session *sim_session_get(struct sim *sim, uint64_t id);
int sim_session_side(const struct sim_session *session, uint64_t life);
void sim_session_cut(struct sim *sim, struct sim_session *session);
/* Of a life that has gone; silent: nobody sends the other side a word of it. */
void sim_sessions_lost(struct sim *sim, uint64_t life, bool silent);
void sim_send_message(
    struct sim *sim, struct sim_session *session, int from, const struct reeve_message *message);
void sim_send_frame(
    struct sim *sim, struct sim_session *session, int from, struct sim_frame *frame);
void sim_network_fire(struct sim *sim, struct sim_event *event);
bool sim_blocked(const struct sim *sim, uint32_t from_machine, uint32_t to_machine);
void sim_block(struct sim *sim, uint32_t from_machine, uint32_t to_machine, bool blocked);

/* ---- daemons ---- */

struct sim_peer { /* what a node's shell knows of another node */
    uint32_t node;
    uint64_t life;    /* its address */
    uint64_t session; /* in which it has said who it is; 0: none */
    bool dialling;
    struct reeve_fifo waiting; /* struct sim_frame *, until then */
};

struct sim_daemon {
    uint64_t life;
    uint32_t machine;
    bool is_head;
    uint64_t tick_ns; /* the tick that is armed */
    struct reeve_fifo out;
    /* node */
    struct reeve_node *node;
    uint32_t number;
    uint64_t head_session;
    struct reeve_map64 peers;    /* number -> struct sim_peer */
    struct reeve_fifo unnamed;   /* sessions with nodes from before it knew its own number */
    struct reeve_map64 clients;  /* serial -> struct sim_process */
    struct reeve_map64 pending;  /* process uid -> struct sim_process */
    struct reeve_map64 channels; /* lease -> struct sim_channel */
    struct reeve_map64 granted;  /* lease -> its cpu, + 1 */
    struct sim_store *store;
    /* head */
    struct reeve_sched *sched;
    bool running; /* its commands are being carried out */
    bool dead;    /* killed meanwhile; freed by who runs it */
};

struct sim_daemon *sim_daemon_get(struct sim *sim, uint64_t life);
void sim_daemon_start(struct sim *sim, uint32_t machine);
void sim_daemon_kill(struct sim *sim, struct sim_daemon *daemon, bool silent);
void sim_node_step(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_node_event *event);
void sim_daemon_session_up(
    struct sim *sim, struct sim_daemon *daemon, struct sim_session *session, int side);
void sim_daemon_session_down(
    struct sim *sim, struct sim_daemon *daemon, const struct sim_session *session);
void sim_daemon_dial_failed(
    struct sim *sim, struct sim_daemon *daemon, uint64_t to, uint32_t number, bool refused);
void sim_daemon_frame(struct sim *sim, struct sim_daemon *daemon, struct sim_session *session,
    int side, struct sim_frame *frame);
void sim_daemon_tick(struct sim *sim, struct sim_daemon *daemon);
void sim_daemon_arm(struct sim *sim, struct sim_daemon *daemon, uint64_t at_ns);
/* links.c: another node has become known, or is dead. */
void sim_peers_registered(struct sim *sim, struct sim_daemon *daemon);
void sim_peer_known(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_message *message);
void sim_peer_forget(struct sim *sim, struct sim_daemon *daemon, uint32_t number);
void sim_peer_free(struct sim_peer *peer);
void sim_peer_send(
    struct sim *sim, struct sim_daemon *daemon, uint32_t number, struct sim_frame *frame);
/* The same, but lost where there is no session with it: one is made, and who waits for it is
 * told. */
void sim_peer_say(
    struct sim *sim, struct sim_daemon *daemon, uint32_t number, struct sim_frame *frame);
void sim_daemon_free(struct sim *sim, struct sim_daemon *daemon);

void sim_head_start(struct sim *sim);
void sim_head_step(struct sim *sim, struct sim_daemon *head, const struct reeve_sched_event *event);

/* ---- channels ---- */

enum sim_entry_state { ENTRY_READY, ENTRY_CLAIMED, ENTRY_DONE, ENTRY_RECALLED };

enum sim_channel_kind { CHANNEL_LOCAL, CHANNEL_EXECUTOR, CHANNEL_HOLDER };

struct sim_call {
    struct sim_entry entry;
    enum sim_entry_state state;
};

struct sim_waiting { /* a call, for its arguments, or behind one that does */
    struct sim_entry entry;
    bool unstaged, staging; /* it has arguments that are not; that are being brought */
    int32_t code;
    struct reeve_object_id lost;
};

struct sim_channel {
    uint64_t uid; /* also where a ring of a former tenant cannot be mistaken for this one */
    enum sim_channel_kind kind;
    uint64_t lease;
    uint64_t life;
    uint64_t holder;      /* process uid; EXECUTOR: 0 */
    uint32_t class_index; /* there */
    uint64_t worker;      /* process uid; HOLDER: 0 */
    uint32_t node;        /* the other one of a bridge */
    uint32_t cpu_milli;
    reeve_process_id owner; /* whose host it leads to; or 0 */
    uint32_t host;
    bool has_lent;
    bool revoked;
    bool refuses;           /* its worker: calls of actors, behind one whose argument was lost */
    struct sim_call *calls; /* all that were ever written; the position is the index */
    uint32_t call_count, call_capacity, call_first; /* call_first: before it none is READY */
    uint32_t open_count;                            /* READY or CLAIMED */
    struct reeve_fifo returns;                      /* struct sim_entry */
    struct sim_waiting *waiting;                    /* EXECUTOR: CALL_SLOTS, or NULL; in order */
    uint32_t waiting_count;
    bool turns_away; /* EXECUTOR, of an actor: what was sent behind one that is refused */
};

#define CALL_SLOTS 64u

struct sim_channel *sim_channel_get(struct sim *sim, uint64_t uid);
struct sim_channel *sim_channel_make(
    struct sim *sim, struct sim_daemon *daemon, enum sim_channel_kind kind, uint64_t lease);
/* false: no room */
bool sim_channel_write(
    struct sim_channel *channel, const struct sim_entry *entry, uint32_t *position);
bool sim_channel_recall(struct sim_channel *channel, uint32_t position);
/* The next that can be claimed, or NULL. */
const struct sim_call *sim_channel_peek(struct sim_channel *channel);
struct sim_call *sim_channel_claim(struct sim_channel *channel, uint32_t *position);
void sim_channel_answer(struct sim *sim, struct sim_channel *channel, uint32_t position,
    const struct sim_entry *answer);
/* A piece of the hand-over that goes with the answer to come. */
void sim_channel_hand(struct sim *sim, struct sim_channel *channel, uint32_t position,
    const uint8_t *bytes, size_t size);
/* Of a stream, before the answer to come. */
void sim_channel_item(
    struct sim *sim, struct sim_channel *channel, uint32_t position, uint64_t value);
void sim_channel_close(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_node_command *command);
void sim_channel_frame(
    struct sim *sim, struct sim_daemon *daemon, uint32_t from, struct sim_frame *frame);
void sim_bridge(struct sim *sim, struct sim_daemon *daemon, uint64_t lease);
void sim_take_back(struct sim *sim, struct sim_daemon *daemon, uint64_t lease, uint64_t task);
/* Whoever is at the other end looks soon. */
void sim_channel_ring_worker(struct sim *sim, struct sim_channel *channel);

/* ---- staging ---- */

/* A call has come over a bridge; say run when all of them have. */
void sim_stage_call(struct sim *sim, struct sim_daemon *daemon, struct sim_channel *channel,
    const struct sim_entry *entry);
/* What the stages want of the store is done; the daemon may be gone afterwards. */
void sim_stages_run(struct sim *sim, struct sim_daemon *daemon);
/* Calls that wait for nothing any more go on. */
void sim_stages_serve(struct sim *sim, struct sim_daemon *daemon, struct sim_channel *channel);
/* False: no such task waits. */
bool sim_stage_take_back(struct sim_daemon *daemon, struct sim_channel *channel, uint64_t task);
/* A call has been answered; or there is an end to all of the channel. Say run afterwards. */
void sim_stage_drop(struct sim_daemon *daemon, uint64_t *stage);
void sim_stages_close(struct sim_daemon *daemon, struct sim_channel *channel);
/* A worker begins it: its arguments are there. */
void sim_stage_check(
    struct sim *sim, const struct sim_channel *channel, const struct sim_entry *call);

/* ---- processes ---- */

enum sim_local_kind {
    LOCAL_HELLO,
    LOCAL_DEMAND,
    LOCAL_RETURN,
    LOCAL_TAKE_BACK,
    LOCAL_CANCEL,
    LOCAL_CREDIT,
    LOCAL_FEED,
    LOCAL_ASK,
    LOCAL_LEND,
    LOCAL_STORE,      /* said: to the store, */
    LOCAL_STORED,     /* and what it answers */
    LOCAL_NAME_CLAIM, /* count (number of the question) class_index (which name) task host */
    LOCAL_NAME_FIND,
    LOCAL_NAME_DROP,
    LOCAL_NAMED, /* count code process task host */
    LOCAL_OWNS,  /* count: it has futures, or actors */
    LOCAL_END,   /* the socket has ended */
    LOCAL_WELCOME,
    LOCAL_REFUSED,
    LOCAL_CHANNEL,
    LOCAL_CLOSE,
    LOCAL_LOST,
    LOCAL_RECALL,
    LOCAL_INFEASIBLE,
    LOCAL_RETIRE,
};

struct sim_local {
    enum sim_local_kind kind;
    uint32_t class_index, cpu_milli, count, serial, node;
    int32_t priority, code;
    uint32_t host;
    reeve_process_id process;
    uint64_t lease, task, channel;
    uint32_t taken;       /* units of a stream */
    const uint8_t *bytes; /* a run of items, or what was asked; kept by the sim */
    uint32_t size;
    bool as_worker;
    struct reeve_store_event said;
};

enum sim_frame_state {
    CALL_FETCHING, /* its arguments */
    CALL_RUNNING,
    CALL_WAITING,
    CALL_GIVING,
    CALL_YIELDING,
    CALL_TAKING,
    CALL_STORING,   /* its result */
    CALL_RETAINING, /* a handle */
    CALL_HANDING,   /* a handle, to its caller */
    CALL_HOLDING,   /* it is over, but for what its process needs longer */
    CALL_GIFTING,   /* its large futures are being given */
    CALL_KEEPING,   /* what it keeps of its loans is being held */
};

#define CHILDREN_MAX 4
#define FRAMES_MAX   64

struct sim_call_frame { /* a function that runs, or waits for the children it called */
    uint64_t token;
    uint64_t channel; /* uid; 0: run inline, for `task` of our own */
    uint32_t position;
    uint64_t owner;           /* whose task it is: uid, */
    reeve_process_id process; /* and id */
    uint64_t sequence;        /* of the worker's owner core, when it began */
    bool asked;               /* to stop */
    uint64_t task;
    uint32_t attempt;
    uint32_t function;
    uint64_t value;
    enum sim_frame_state state;
    uint32_t class_index; /* of the task that the worker has claimed */
    bool alone;
    uint32_t latest; /* of the entry */
    struct reeve_stream_window window;
    uint32_t yielded;     /* items */
    uint32_t sent, taken; /* units */
    reeve_task_id stream; /* that came with the call; 0: none */
    uint32_t read;        /* items of it, from its beginning */
    bool lost;            /* another attempt has had some */
    uint64_t sum;
    reeve_task_id lent; /* a large value that it may keep; 0: none */
    int32_t code;       /* why its arguments cannot be had */
    bool has_object;
    struct reeve_reference object; /* that is its result, or which of those is lost */
    uint64_t handle;               /* of an actor, that it was given or has made; 0: none */
    reeve_task_id given;           /* the same, for the core: retained, or its result */
    bool handed;
    int32_t status; /* HOLDING: its outcome */
    uint64_t result;
    uint32_t child_count;
    reeve_task_id children[CHILDREN_MAX];
};

struct sim_expected { /* a future of a driver */
    reeve_task_id task;
    uint64_t value;
    uint32_t function;
    uint64_t argument;
    uint64_t submitted_ns;
    bool depends;            /* on another: may fail because that did */
    struct sim_actor *actor; /* that it calls; or NULL */
    uint64_t handle;         /* that is among its arguments, or which it calls; 0: none */
    uint32_t call;           /* its number among the owner's */
    bool is_stream;
    bool is_taker;
    bool is_large;
    uint32_t reads;    /* of a large one: so often is it read yet, */
    uint64_t later_ns; /* not before then */
    uint32_t read;     /* items of it */
    bool cancelled;    /* by the driver: its only error from then on, but for losses */
};

#define SIM_NAMES 4u

struct sim_held_name {
    uint32_t number; /* of the actor; 0: not held */
    uint32_t node;   /* its owner's, when it was given */
};

struct sim_names {                 /* of a driver */
    uint32_t request_last, asking; /* the question that waits for its answer; 0: none */
    uint32_t asked_name, asked_number;
    struct sim_held_name held[SIM_NAMES];
    reeve_process_id found_owner; /* of the actor that was found last; 0: none */
    uint32_t found_number, found_host;
};

#define SIM_LOANS 8u

struct sim_loan { /* by a worker, of what it was lent with a call; task 0: nothing */
    reeve_task_id task;
    uint64_t number, later_ns;
    uint32_t reads;
    bool open, failed; /* it is not known yet to be held; it cannot be */
};

struct sim_process {
    uint64_t uid;
    uint64_t life; /* of its daemon */
    uint32_t machine;
    uint32_t serial; /* 0: not accepted yet */
    bool is_driver, accepted, dying, lends;
    uint64_t to_daemon_ns, to_process_ns, wake_ns, owner_ns;
    uint64_t stopped_ns; /* until then it does nothing: SIGSTOP */
    reeve_process_id id;
    struct sim_values *values;
    struct sim_handles *handles;
    struct reeve_owner *owner;
    bool owns_told;
    struct reeve_map64 hosts;  /* class -> the handle of actor 0 of that host */
    struct reeve_map64 held;   /* lease -> struct sim_channel, as holder */
    struct reeve_map64 worked; /* lease -> struct sim_channel, as worker */
    /* driver */
    uint64_t connection;
    uint32_t left; /* tasks to submit yet */
    struct sim_expected *expected;
    uint32_t expected_count, expected_capacity;
    bool submit_armed;
    struct sim_actor *actors; /* SIM_ACTORS; or NULL */
    struct sim_names names;
    /* worker */
    struct reeve_map64 hosted;
    reeve_process_id latest_owner; /* of the actor that was made last */
    uint32_t latest;
    uint64_t lend_armed; /* token of the frame that will lend if it still waits */
    struct sim_call_frame frames[FRAMES_MAX];
    uint32_t frame_count;
    struct sim_loan loans[SIM_LOANS];
};

/* Of tasks; what the first classes of every owner core take. */
#define SIM_CLASSES 3
extern const uint32_t sim_class_cpu[SIM_CLASSES];

/* ---- actors ---- */

#define SIM_ACTORS         6u
#define SIM_FUNCTION_ACTOR 0x20000u /* its low bits: what */
#define SIM_FUNCTION_FOUND \
    0x800000u /* with ACTOR, in what a driver expects: one found by its name */

/* A driver's next call of one of its actors, or task that is given one; false: none came of it. */
bool sim_actor_submit(struct sim *sim, struct sim_process *driver,
    const struct reeve_owner_splice *splices, uint32_t splice_count, struct sim_expected *e);
void sim_actor_result(struct sim *sim, struct sim_process *driver, const struct sim_expected *e,
    int status, uint64_t value);
/* Nobody holds it any more. */
void sim_actor_over(const struct sim *sim, struct sim_process *driver, uint32_t number);
void sim_actors_release(struct sim *sim, struct sim_process *driver, bool all);
/* In a worker. */
int sim_actor_run(struct sim *sim, struct sim_process *worker, const struct sim_channel *channel,
    const struct sim_call_frame *frame, uint64_t *ret);
/* A call of one by its handle, by the frame's task or (NULL) a driver; false: it is of an own actor
 * that is no more. */
bool sim_actor_call(struct sim *sim, struct sim_process *process,
    const struct sim_call_frame *frame, uint64_t handle, reeve_task_id *ret);
/* A worker makes one; the handle. */
uint64_t sim_actor_make(struct sim *sim, struct sim_process *worker);
/* It has made it, and not released it. */
bool sim_actor_is_had(const struct sim_process *driver, uint64_t handle);
bool sim_actor_is_early(const struct sim_process *worker, const struct sim_channel *channel,
    const struct sim_entry *entry);
void sim_actors_drop(struct sim *sim, struct sim_process *worker, reeve_process_id owner);

/* ---- handles of actors: see handles.h ---- */

#define SIM_FUNCTION_HANDLES 0x4000000u /* its low bits: what it does with the one it is given */

/* A driver does something with a handle that it has, perhaps with its own; false: nothing. */
bool sim_handle_submit(
    struct sim *sim, struct sim_process *driver, uint64_t own, struct sim_expected *e);
void sim_handle_result(struct sim *sim, struct sim_process *driver, const struct sim_expected *e,
    const struct reeve_owner_result *result);
/* What has been kept for long enough, or (all) at all, is given back. */
void sim_handles_turn(struct sim *sim, struct sim_process *process, bool all);
/* What is needed longer than a call is to be held; true: there are words that have not been
 * heard. */
bool sim_handles_hold(struct sim *sim, struct sim_process *process);
/* The daemon's answer, if it is about a hold. */
bool sim_handle_told(
    struct sim *sim, struct sim_process *process, const struct reeve_store_event *answer);
/* In a worker: the function has computed, and goes on with its handle; false: it fails. It has
 * retained it; it has given it, and can be answered: false: not yet. A child is done. */
bool sim_handle_computed(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame);
bool sim_handle_retained(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame);
bool sim_handle_handed(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame);
void sim_handle_child_done(struct sim *sim, struct sim_process *worker,
    const struct sim_call_frame *frame, const struct reeve_owner_result *result);

/* ---- names of actors ---- */

/* One question at a time: others come to nothing. */
void sim_name_claim(struct sim *sim, struct sim_process *driver, uint32_t number, uint32_t host);
void sim_name_find(struct sim *sim, struct sim_process *driver);
void sim_name_drop(struct sim *sim, struct sim_process *process, uint32_t number);
void sim_named(struct sim *sim, struct sim_process *process, const struct sim_local *m);
void sim_name_journal(struct sim *sim, const struct reeve_message *claim, bool put);
void sim_names_expect(struct sim *sim, struct reeve_sched *sched);
void sim_name_event(const struct sim_local *m, struct reeve_node_event *event);

/* ---- programs ---- */

#define SIM_FUNCTION_GIVES           0x10000u
#define SIM_FUNCTION_LARGE           0x2000000u /* its result lies in the store */
#define SIM_FUNCTION_KEEPS           0x8000000u /* the large value that it is lent, perhaps */
#define SIM_FUNCTION_DEPTH(function) ((function) >> 8 & 0xff)

uint64_t sim_mix(uint64_t value);
uint32_t sim_child_function(uint32_t function);
uint64_t sim_child_value(uint64_t value, uint32_t i);
/* What a function gives, and how long it takes. */
uint64_t sim_compute(uint32_t function, uint64_t value);
uint64_t sim_duration(uint32_t function, uint64_t value);

/* ---- which task has called which ---- */

/* A task of a worker's submits that one. */
void sim_parent_say(
    struct sim *sim, const struct sim_call_frame *frame, struct reeve_owner_task *task);
struct reeve_object_id sim_parent_of(const struct reeve_owner_entry *entry);
/* A task begins. */
void sim_parent_check(
    struct sim *sim, uint32_t function, uint64_t argument, struct reeve_object_id parent);

/* ---- streams ---- */

#define SIM_FUNCTION_STREAM  0x80000u /* its low bits: how many items */
#define SIM_STREAM_ITEMS_MAX 0xffu

#define SIM_FUNCTION_TAKES 0x100000u /* its low bits: how many items its stream has */

/* Item `number` of the stream with that argument. */
uint64_t sim_stream_item(uint64_t argument, uint32_t number);

enum sim_stream_read { SIM_STREAM_GOES_ON, SIM_STREAM_ENDED, SIM_STREAM_DROPPED };

/* The task becomes a stream. */
void sim_stream_make(struct sim *sim, struct reeve_owner_task *task);
/* A driver reads what has come. ENDED: all of it has been read, and it has a result. */
enum sim_stream_read sim_stream_read(
    struct sim *sim, struct sim_process *driver, struct sim_expected *e);
void sim_stream_credit(
    struct sim *sim, struct sim_process *driver, const struct reeve_owner_command *command);
/* In a worker: yields what it may; true: it is over. */
bool sim_stream_yield(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame);
void sim_stream_told(struct sim *sim, struct sim_process *worker, const struct sim_local *message);

/* ---- streams that are given ---- */

/* A driver gives one of its streams to a task; false: it has none, or does not want to. */
bool sim_feed_submit(struct sim *sim, struct sim_process *driver);
/* It goes with the call. */
void sim_feed_lend(
    struct sim *sim, struct sim_process *owner, reeve_task_id task, struct sim_entry *call);
/* What a core commands, and what comes of it. */
void sim_feed_run(
    struct sim *sim, struct sim_process *owner, const struct reeve_owner_command *command);
void sim_ask_run(
    struct sim *sim, struct sim_process *worker, const struct reeve_owner_command *command);
void sim_feed_told(struct sim *sim, struct sim_process *process, const struct sim_local *message);
/* In a worker: the call begins, takes what it may (true: it is over), and ends. */
void sim_feed_begin(struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame,
    const struct sim_entry *entry);
bool sim_feed_take(
    struct sim *sim, struct sim_process *worker, struct sim_call_frame *frame, int *ret_status);
void sim_feed_end(struct sim_process *worker, const struct sim_call_frame *frame);
/* channel.c: on its way through a daemon. */
void sim_feed_pass(struct sim *sim, struct sim_daemon *daemon, const struct sim_local *message);

#define SIM_LOSSES_MAX 3u /* of a task */

struct sim_process *sim_process_get(struct sim *sim, uint64_t uid);
struct sim_process *sim_process_make(struct sim *sim, struct sim_daemon *daemon, bool is_driver);
void sim_driver_later(struct sim *sim, uint64_t delay_ns, uint32_t machine);
void sim_driver_start(struct sim *sim, uint32_t machine);
void sim_process_kill(struct sim *sim, struct sim_process *process);
/* cancel.c: a driver cancels one of its tasks; what its core then commands; a worker is told; a
 * task says that it was cancelled. */
void sim_cancel_one(struct sim *sim, struct sim_process *process);
void sim_cancel_run(
    struct sim *sim, struct sim_process *process, const struct reeve_owner_command *command);
void sim_cancel_told(struct sim *sim, struct sim_process *process, const struct sim_local *message);
void sim_cancel_check(struct sim *sim, const struct sim_process *owner, uint64_t task);
/* channel.c: a client does not want what it has sent on this lease. */
void sim_cancel(
    struct sim *sim, struct sim_daemon *daemon, uint64_t lease, uint64_t task, uint32_t attempt);
/* channel.c: a client has read so much of a stream. */
void sim_credit(struct sim *sim, struct sim_daemon *daemon, const struct sim_local *message);
/* process.c: the channel of a lease that it holds, or NULL; what a task's entry comes to; all
 * that its owner core wants done. */
struct sim_channel *sim_process_channel(struct sim_process *process, reeve_lease_index index);
uint64_t sim_process_argument(struct sim_process *process, const struct reeve_owner_entry *entry);
void sim_process_pump(struct sim *sim, struct sim_process *process);
/* driver.c: what has come is looked at; some tasks are submitted. */
void sim_driver_turn(struct sim *sim, struct sim_process *process);
void sim_driver_submit(struct sim *sim, struct sim_process *process);
/* worker.c: functions go on where they can; the one that runs, if any; it has computed. */
void sim_worker_turn(struct sim *sim, struct sim_process *process);
struct sim_call_frame *sim_worker_top(struct sim_process *process);
void sim_worker_computed(struct sim *sim, struct sim_process *process);
void sim_worker_lend(struct sim *sim, struct sim_process *process, bool lends);
void sim_process_wake(struct sim *sim, struct sim_process *process, uint64_t delay_ns);
void sim_process_fire(struct sim *sim, struct sim_event *event);
void sim_to_daemon(struct sim *sim, struct sim_process *process, const struct sim_local *message);
void sim_to_process(struct sim *sim, struct sim_process *process, const struct sim_local *message);
void sim_process_free(struct sim *sim, struct sim_process *process);
/* a daemon's part */
void sim_daemon_local(
    struct sim *sim, struct sim_process *process, const struct sim_local *message);

/* ---- the world ---- */

struct sim_machine {
    bool up;
    uint32_t cpu_milli;
    uint64_t life; /* of the node daemon that runs there; 0: none */
};

struct sim_options {
    uint64_t seed, runs, steps;
    uint32_t nodes, drivers, tasks;
    bool trace, chaos, audit;
};

struct sim {
    struct sim_options options;
    uint64_t now_ns;
    struct reeve_prng prng;
    struct reeve_heap events;
    uint64_t hash, event_count, next_id;
    uint32_t machine_count;
    struct sim_machine *machines;
    uint64_t head_life;
    /* the head's journal */
    uint32_t journal_node_next;
    uint16_t journal_incarnation;
    struct reeve_map64 journal_nodes;              /* number -> struct reeve_message (JOIN) */
    struct reeve_message journal_names[SIM_NAMES]; /* NAME_CLAIM; process 0: free */
    struct reeve_map64 daemons, sessions, processes, channels;
    struct reeve_map64 blocked; /* from << 32 | to */
    bool chaos, ending;
    uint32_t drivers_due; /* that are to start */
    uint64_t kill_odds;   /* one in so many commands is followed by a kill; 0: none */
    /* what happened */
    uint64_t submitted, succeeded, failed, executed, inlined, kills, cuts, recalls, fences, heads,
        abandoned, adopted, actors_made, actor_calls, cancelled, stopped, items, dropped, given,
        given_on, items_given, resumed, parts, children_run, names_given, names_refused,
        found_calls, refused; /* calls of actors, for a lost argument */
    /* handles: among arguments, got in results, had for a while, held by words; calls through them,
     * and such that nobody waits for; actors that have ended with their last one */
    uint64_t handles_passed, handles_got, handles_kept, handle_holds, handle_calls, handles_loose,
        actors_ended;
    /* large values: made; read by GET, in place; lost, made again; refused as the store was full;
     * pieces asked for; written to disk, read back, failed there; processes stopped */
    uint64_t large, read, in_place, lost, remade, full, pulls, written, restored, damaged, stops;
    uint64_t staged, unstaged; /* calls whose arguments came; or did not */
    /* large values given away, and kept; reads of such, and those that failed */
    uint64_t gifts, holds, kept_reads, kept_lost;
    uint64_t nodes_died_ns;          /* when that was last the case, or said */
    uint64_t store_bytes, disk_odds; /* of each store; one in so many things a disk does fails */
    uint32_t folder_count;
    struct reeve_map64 lives;         /* handle of an actor -> struct sim_life */
    struct reeve_map64 children;      /* hash of function, argument and who has called it */
    struct reeve_map64 names_claimed; /* hash of name and actor: it has asked for it */
    struct reeve_map64 kept;          /* memory that lives as long as the run */
};
/* A copy that lives as long as the run. */
const uint8_t *sim_keep(struct sim *sim, const uint8_t *bytes, size_t size);

void sim_chaos(struct sim *sim);
void sim_heal(struct sim *sim);
/* Sometimes ends the daemon that has just carried out a command. */
bool sim_maybe_kill(struct sim *sim, struct sim_daemon *daemon);

#endif
