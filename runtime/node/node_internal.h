/* What the files of the node core share. See node_core.h.
 *
 *   node_core.c     the step: events to handlers, timers
 *   node_head.c     the session with the head, registration, peers
 *   node_clients.c  drivers and jobs, what processes want
 *   node_workers.c  worker processes: started, idle, retired
 *   node_leases.c   leases, as executor and as holder's node
 *   node_actors.c   leases of others on a worker that is a host of actors
 *   node_names.c    names of actors
 *   node_waits.c    who waits for what
 *   node_check.c    audit */
#ifndef REEVE_NODE_NODE_INTERNAL_H
#define REEVE_NODE_NODE_INTERNAL_H

#include <reeve_errors.h>

#include "runtime/base/assert.h"
#include "runtime/base/heap.h"
#include "runtime/base/list.h"
#include "runtime/base/map64.h"
#include "runtime/node/node_core.h"

#define REEVE_NODE_CLASSES_MAX    1024 /* that one process may define */
#define REEVE_NODE_DRIVERS_MAX    1024
#define REEVE_NODE_NAMES_MAX      4096 /* of actors of one process */
#define REEVE_NODE_ENDED_JOBS_MAX 1024 /* of which the head could not be told yet */
#define REEVE_NODE_DEAD_MAX       256
#define REEVE_NODE_START_TRIES    3 /* of a program that dies before hello for no lasting reason */
#define REEVE_NODE_EXIT_PATIENCE_NS \
    500000000ull /* from the end of a worker's socket to its own end */
#define REEVE_NODE_BACKOFF_MIN_NS 5000000ull
#define REEVE_NODE_BACKOFF_MAX_NS 1000000000ull

enum node_timer_kind { TIMER_HEAD, TIMER_DRAIN, TIMER_PROCESS, TIMER_JOB, TIMER_PENDING };

struct node_timer {
    struct reeve_heap_node heap;
    enum node_timer_kind kind;
};

/* What a process wants of a class. */
struct node_want {
    bool defined;
    struct reeve_class class;
    uint32_t count;
    uint32_t near; /* the node of large arguments, or 0 */
};

enum node_process_state {
    PROCESS_DRIVER,
    PROCESS_STARTING,
    PROCESS_IDLE,
    PROCESS_LEASED,
    PROCESS_RETIRING, /* asked to end, or its socket has ended: it gets a moment */
    PROCESS_KILLED,
};

struct node_job;

struct node_process {
    uint32_t serial;
    enum node_process_state state;
    struct node_job *job;
    struct reeve_list job_link;  /* worker: in job->workers */
    struct reeve_list idle_link; /* worker: in job->idle, longest idle first */
    uint64_t idle_since_ns;
    struct node_lease *lease; /* worker: that it executes */
    struct node_timer timer;
    struct node_want *wants; /* as a client */
    uint32_t want_count;
    struct reeve_list held;  /* as a client: leases */
    struct reeve_list names; /* as a client: of actors, asked or held; node_names.c */
    uint32_t names_count;
    bool owns;                     /* as a client: it has futures */
    struct reeve_message *blocked; /* what the head was told of its wait; NULL: it does not wait */
};

struct node_job {
    reeve_process_id id;
    uint8_t program[REEVE_PROGRAM_HASH_SIZE];
    struct node_process *driver; /* when it is here */
    struct reeve_list workers;
    struct reeve_list idle;
    struct reeve_list waiting; /* leases without a worker, oldest first */
    uint32_t starting_count, idle_count, waiting_count;
    struct node_timer timer; /* looks for idle workers to retire */
    uint32_t start_failures; /* in a row */
    uint64_t failed_until_ns;
    int32_t failed_code;
    char failed_text[REEVE_TEXT_SIZE];
    bool ended;      /* its workers are being killed */
    uint32_t weight; /* 0: the head's default */
    char name[REEVE_TEXT_SIZE];
};

enum node_lease_state { LEASE_WAITING, LEASE_OPEN, LEASE_CLOSING, LEASE_HELD };

struct node_lease {
    uint64_t id;
    enum node_lease_state state; /* HELD: another node executes it */
    struct reeve_class class;
    reeve_process_id holder;
    struct node_process *holder_process; /* when it is here and still there */
    struct reeve_list held_link;         /* in holder_process->held */
    uint32_t peer;                       /* the other node, 0 when there is none */
    struct node_job *job;                /* executor's */
    struct node_process *worker;         /* executor's */
    struct reeve_list waiting_link;
    bool lent;
    bool wanted; /* executor's, waiting: its holder is to be told so when it is open */
    bool channel_open;
    bool kill; /* executor's, closing: its worker is not to serve anybody else */
    /* executor's, of hosts of actors: node_actors.c */
    struct reeve_list attached;      /* a residence: leases on the same worker, by attached_link */
    struct reeve_list attached_link; /* one that attaches */
};

struct node_peer {
    uint32_t node;
    uint64_t incarnation;
};

struct node_pending {
    uint64_t connection;
    uint8_t program[REEVE_PROGRAM_HASH_SIZE];
    char name[REEVE_TEXT_SIZE];
    uint32_t weight;
    struct node_timer timer;
};

struct reeve_node {
    struct reeve_node_config config;
    uint64_t now_ns;
    struct reeve_fifo *out;

    uint32_t number;
    bool head_up, joined, dialling; /* joined: WELCOME has come in this session */
    bool draining, ending, ended;
    uint64_t heartbeat_ns, head_word_ns, backoff_ns;
    int32_t head_code;
    char head_text[REEVE_TEXT_SIZE];
    struct node_timer head_timer, drain_timer;
    struct reeve_heap timers;

    uint32_t next_serial, drivers_count, workers_count;
    uint32_t cpu_used_milli;
    uint32_t blocked_count;       /* workers */
    bool stuck;                   /* the head has been told so */
    struct reeve_map64 processes; /* by serial */
    struct reeve_map64 jobs;      /* by process id */
    struct reeve_map64 leases;    /* by id */
    struct reeve_map64 peers;     /* by node */
    struct reeve_map64 pending;   /* by connection */
    reeve_process_id ended_jobs[REEVE_NODE_ENDED_JOBS_MAX];
    uint32_t ended_jobs_count;
    uint64_t stale;
    uint32_t dead[REEVE_NODE_DEAD_MAX]; /* the latest verdicts: numbers that never come back */
    uint32_t dead_count;
    struct reeve_message nowhere; /* what is said to a head that is not there is written here */
};

/* node_core.c */
void *node_alloc(
    size_t size); /* zeroed; small, so that for want of it nothing could go on anyway */
void node_map_put(struct reeve_map64 *map, uint64_t key, void *value);
struct reeve_node_command *node_emit(struct reeve_node *node, enum reeve_node_command_kind kind);
void node_set_text(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void node_timer_set(struct reeve_node *node, struct node_timer *timer, uint64_t at_ns);
void node_timer_stop(struct reeve_node *node, struct node_timer *timer);
void node_end(struct reeve_node *node, int32_t code, const char *text);
struct reeve_message *node_send_head(struct reeve_node *node, enum reeve_message_kind kind);
void node_heartbeat(struct reeve_node *node);
struct reeve_message *node_send_peer(
    struct reeve_node *node, uint32_t peer, enum reeve_message_kind kind);

/* node_head.c */
void node_head_timer(struct reeve_node *node);
void node_head_up(struct reeve_node *node);
void node_head_down(struct reeve_node *node, const struct reeve_node_event *event);
void node_head_dial_failed(struct reeve_node *node, const struct reeve_node_event *event);
void node_head_message(struct reeve_node *node, const struct reeve_message *message);
void node_peer_up(struct reeve_node *node, const struct reeve_message *message);
void node_peer_lost(struct reeve_node *node, uint32_t peer, int32_t code, const char *text);

/* node_clients.c */
struct node_process *node_process_get(const struct reeve_node *node, uint32_t serial);
struct node_process *node_process_here(const struct reeve_node *node, reeve_process_id id);
reeve_process_id node_process_id(const struct reeve_node *node, const struct node_process *process);
struct node_job *node_job_make(
    struct reeve_node *node, reeve_process_id id, const uint8_t *program, const char *name);
/* Ends a job: kills its workers, ends its leases, drops its driver. `code`: why, for the driver;
 * 0: the driver has gone by itself. */
void node_job_end(struct reeve_node *node, struct node_job *job, int32_t code, const char *text);
void node_job_reap(struct reeve_node *node, struct node_job *job);
void node_driver_hello(struct reeve_node *node, const struct reeve_node_event *event);
void node_pending_accept(struct reeve_node *node);
void node_pending_refuse(
    struct reeve_node *node, uint64_t connection, int32_t code, const char *text);
void node_pending_gone(struct reeve_node *node, uint64_t connection);
void node_client_gone(struct reeve_node *node, const struct reeve_node_event *event);
void node_client_demand(struct reeve_node *node, const struct reeve_node_event *event);
/* What a process held and wanted, when it is no more. */
void node_client_forget(struct reeve_node *node, struct node_process *process);
/* The index under which the process knows the class, or -1. */
int64_t node_class_index(const struct node_process *process, const struct reeve_class *class);
void node_infeasible(struct reeve_node *node, const struct reeve_message *message);
void node_announce_wants(struct reeve_node *node);

/* node_workers.c */
bool node_worker_room(struct reeve_node *node, const struct node_job *job);
void node_workers_feed(struct reeve_node *node, struct node_job *job);
void node_workers_warm(struct reeve_node *node, struct node_job *job);
void node_worker_release(struct reeve_node *node, struct node_process *worker);
void node_worker_kill(struct reeve_node *node, struct node_process *worker);
void node_worker_started(struct reeve_node *node, struct node_process *worker);
void node_worker_hello(struct reeve_node *node, const struct reeve_node_event *event);
void node_worker_exited(struct reeve_node *node, const struct reeve_node_event *event);
void node_worker_socket_gone(struct reeve_node *node, struct node_process *worker, int32_t code);
void node_worker_timer(struct reeve_node *node, struct node_process *worker);
void node_job_timer(struct reeve_node *node, struct node_job *job);

/* node_actors.c */
/* The residence of the host that a class attaches to; NULL: it is not here. */
struct node_lease *node_residence_find(
    const struct reeve_node *node, const struct reeve_class *attaching);
void node_attach(struct reeve_node *node, struct node_lease *residence, struct node_lease *lease);
void node_attached_open(struct reeve_node *node, struct node_lease *residence);
void node_attached_end(
    struct reeve_node *node, struct node_lease *residence, int32_t code, const char *text);

/* node_leases.c */
void node_grant(struct reeve_node *node, const struct reeve_message *message);
void node_recall(struct reeve_node *node, uint64_t id, uint64_t count);
void node_lease_open(
    struct reeve_node *node, struct node_lease *lease, struct node_process *worker);
void node_lease_fail(
    struct reeve_node *node, struct node_lease *lease, int32_t code, const char *text);
/* The holder is done with it (code 0: all entries are answered), or gone. */
void node_lease_close(struct reeve_node *node, struct node_lease *lease, int32_t code);
void node_lease_closed(struct reeve_node *node, const struct reeve_node_event *event);
void node_lease_worker_died(
    struct reeve_node *node, struct node_lease *lease, const struct reeve_node_event *exited);
/* What it is on is no more: its channel is revoked, its holder told. The lease ends. */
void node_lease_give_up(struct reeve_node *node, struct node_lease *lease, int32_t code,
    const char *text, uint32_t count);
/* Executor's lease: cpu free again, the head told, forgotten. */
void node_lease_end(struct reeve_node *node, struct node_lease *lease);
void node_lease_lost(
    struct reeve_node *node, struct node_lease *lease, int32_t code, const char *text);
void node_client_return(struct reeve_node *node, const struct reeve_node_event *event);
void node_client_lend(struct reeve_node *node, const struct reeve_node_event *event);
void node_peer_message(struct reeve_node *node, const struct reeve_node_event *event);
void node_announce_leases(struct reeve_node *node);

/* node_names.c */
void node_client_name(struct reeve_node *node, const struct reeve_node_event *event);
void node_named(struct reeve_node *node, const struct reeve_message *message);
void node_names_forget(struct reeve_node *node, struct node_process *process);
void node_names_free(struct node_process *process);
/* To the head: what is held, after JOIN; what is asked, after WELCOME. */
void node_announce_names(struct reeve_node *node, bool held);

/* node_waits.c */
void node_client_blocked(struct reeve_node *node, const struct reeve_node_event *event);
void node_blocked_end(struct reeve_node *node, struct node_process *process);
void node_stuck_look(struct reeve_node *node);
void node_announce_waits(struct reeve_node *node);
void node_deadlock(struct reeve_node *node, const struct reeve_message *message);

#endif
