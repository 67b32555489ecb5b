/* The node core: which worker processes a machine runs, for whom, and who is told what. Events in,
 * commands out; it sees no socket, clock, process or random source (shell: node_main.c; tests and
 * the simulator are other shells).
 *
 *    head ─GRANT, RECALL, JOB_END, PEER_*─▶ ┌──────┐ ─SPAWN, RETIRE, KILL────────▶ processes
 *         ◀─JOIN, DEMAND, REFUSED, ENDED──  │ node │ ─OPEN, CLOSE────────────────▶ channels
 *   peers ◀─OPEN, FAILED, LOST, RETURN────▶ └──────┘ ─WELCOME, LEASE_LOST, RECALL▶ clients
 *
 * It plays two parts. As executor it is the authority over its own cpus: a granted lease is
 * admitted if its cpu is free, gets a worker process of its job (an idle one, or one it spawns),
 * and is opened to the holder. As the holder's node it tells its client of leases that others
 * opened. Where both are this node, no message leaves it.
 *
 *   executor's   WAITING ──worker ready──▶ OPEN ──returned, holder gone──▶ CLOSING ──▶ ENDED
 *                   └─ no worker comes:       └─ worker died: LOST ──────────────────▶ ENDED
 *                      REFUSED, FAILED
 *   holder's lease     OPEN ──client returns it, lost──▶ (gone)
 *
 *   worker   STARTING ──hello──▶ IDLE ◀──▶ LEASED
 *               │                 └─ idle too long, too many ─▶ RETIRING ──┐
 *               └─ too late, wrong table ──────────────────────▶ KILLED ───┴── exited ─▶ (gone)
 *
 * A session with a peer that ends takes all leases between the two nodes with it, on both sides:
 * what was under way is unknown then, and attempts fence what comes late. So nothing need be
 * repeated between peers. A session with the head that ends costs nothing: after the next JOIN the
 * core says all that it holds and wants.
 *
 * Worker processes of one job serve that job only. When a driver has come, spare workers of its
 * program are started before anything is asked of them, so that its first lease finds one ready. A
 * program that does not start here is tried a few times, then answered with the reason at once
 * until a while has passed.
 *
 * Processes are named by their serial on this node; reeve_process_id_make(node number, serial)
 * is their id. */
#ifndef REEVE_NODE_NODE_CORE_H
#define REEVE_NODE_NODE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/fifo.h"
#include "runtime/base/ids.h"
#include "runtime/wire/message.h"

#define REEVE_NODE_NEVER UINT64_MAX

struct reeve_node;

/* Zero means the default in the comment. */
struct reeve_node_config {
    uint64_t uid,
        incarnation; /* of this life of the daemon; the head and all peers know it by them */
    char host[REEVE_HOST_SIZE];
    char address[REEVE_ADDRESS_SIZE]; /* where peers reach us */
    uint32_t cpu_milli;               /* 0: this node runs no tasks */
    uint64_t memory_bytes;
    uint32_t process_limit;      /* worker processes; 16 for each cpu, and 16 */
    uint32_t warm_limit;         /* idle workers of a job that are kept; whole cpus, at most 2 */
    uint64_t idle_ns;            /* others are retired after it; 10 s */
    uint64_t start_timeout_ns;   /* from process to hello; 30 s */
    uint64_t retire_grace_ns;    /* from retire to kill; 2 s */
    uint64_t drain_ns;           /* graceful end at most; 30 s */
    uint64_t head_silence_ns;    /* the session with a silent head is given up; 10 s */
    uint64_t join_patience_ns;   /* drivers wait so long for a head before they are refused; 10 s */
    uint64_t program_backoff_ns; /* a program that did not start is not tried again before; 5 s */
};

enum reeve_node_event_kind {
    REEVE_NODE_EVENT_TICK,             /* the deadline has come */
    REEVE_NODE_EVENT_HEAD_UP,          /* a session with the head */
    REEVE_NODE_EVENT_HEAD_DOWN,        /* code text */
    REEVE_NODE_EVENT_HEAD_DIAL_FAILED, /* code text */
    REEVE_NODE_EVENT_HEAD_MESSAGE,     /* message */
    REEVE_NODE_EVENT_PEER_LINK_UP,     /* node message(PEER_UP): a peer has introduced itself */
    /* node code text: a session ended, or could not be made. REEVE_ESHUTDOWN: its node has been
     * stopped, and has ended all that ran there before it said so. */
    REEVE_NODE_EVENT_PEER_LINK_DOWN,
    REEVE_NODE_EVENT_PEER_MESSAGE,    /* node message */
    REEVE_NODE_EVENT_DRIVER_HELLO,    /* connection program count(weight) text(name) */
    REEVE_NODE_EVENT_CONNECTION_GONE, /* connection: a driver that has no answer yet has left */
    /* serial class_index cpu_milli priority count node process(whose host) host table */
    REEVE_NODE_EVENT_CLIENT_DEMAND,
    /* serial count table message(NAME_CLAIM, NAME_FIND or NAME_DROP): see REEVE_LOCAL_NAME */
    REEVE_NODE_EVENT_CLIENT_NAME,
    REEVE_NODE_EVENT_CLIENT_RETURN, /* serial lease code: not 0: with what is in its worker */
    REEVE_NODE_EVENT_CLIENT_LEND,   /* serial count: 1 lends, 0 goes on */
    /* serial count process class_index text: see REEVE_LOCAL_BLOCKED */
    REEVE_NODE_EVENT_CLIENT_BLOCKED,
    REEVE_NODE_EVENT_CLIENT_OWNS, /* serial count: 1 it has futures, 0 it has none */
    /* serial code: its socket has ended, all it said before has been told; or it broke the rules */
    REEVE_NODE_EVENT_CLIENT_GONE,
    REEVE_NODE_EVENT_WORKER_STARTED, /* serial: the process exists */
    /* serial code text: code not 0: not the driver's table of functions */
    REEVE_NODE_EVENT_WORKER_HELLO,
    /* serial code text count: reaped, or never began. Before hello, EPROGRAM: it never will run
     * here. count: not 0, it died while it ran a child of its task's on the spot */
    REEVE_NODE_EVENT_WORKER_EXITED,
    /* lease count: answer to CLOSE; entries that the worker still had in hand */
    REEVE_NODE_EVENT_CLOSED,
    REEVE_NODE_EVENT_DRAIN, /* end gracefully; the second one: at once */
    REEVE_NODE_EVENT_KIND_COUNT
};

struct reeve_node_event {
    enum reeve_node_event_kind kind;
    int32_t code;
    uint32_t node;
    uint32_t serial;
    uint32_t class_index;
    uint32_t cpu_milli;
    int32_t priority;
    uint32_t count;
    uint32_t host;
    uint32_t table; /* of functions, of the process: folded */
    uint64_t connection;
    uint64_t lease;
    reeve_process_id process;
    uint8_t program[REEVE_PROGRAM_HASH_SIZE];
    struct reeve_message message;
    char text[REEVE_TEXT_SIZE];
};

enum reeve_node_command_kind {
    REEVE_NODE_COMMAND_DIAL_HEAD,
    REEVE_NODE_COMMAND_DROP_HEAD, /* text: it is silent; HEAD_DOWN follows */
    REEVE_NODE_COMMAND_SEND_HEAD, /* message */
    /* node message: over a session that the shell makes if there is none */
    REEVE_NODE_COMMAND_SEND_PEER,
    REEVE_NODE_COMMAND_PEER_KNOWN,  /* node message(PEER_UP): its address and incarnation */
    REEVE_NODE_COMMAND_PEER_FORGET, /* node text: dead; end its session, drop what it had */
    REEVE_NODE_COMMAND_REGISTERED,  /* node: the head has taken us in, as this node, from now on */
    /* text: the head had declared us dead: all clients have been dropped, all objects are void */
    REEVE_NODE_COMMAND_FENCED,
    /* connection serial: the driver is accepted under this serial */
    REEVE_NODE_COMMAND_CLIENT_WELCOME,
    REEVE_NODE_COMMAND_CLIENT_REFUSE, /* connection code text */
    /* serial code text: end a driver's socket; no CLIENT_GONE follows */
    REEVE_NODE_COMMAND_CLIENT_DROP,
    REEVE_NODE_COMMAND_CLIENT_LOST,       /* serial lease class_index code count text: LEASE_LOST */
    REEVE_NODE_COMMAND_CLIENT_RECALL,     /* serial lease count: see REEVE_LOCAL_LEASE_RECALL */
    REEVE_NODE_COMMAND_CLIENT_INFEASIBLE, /* serial class_index text */
    REEVE_NODE_COMMAND_CLIENT_DEADLOCK, /* serial count text: the wait of that number is to fail */
    /* serial count code process message(actor_number actor_host) text: NAMED */
    REEVE_NODE_COMMAND_CLIENT_NAMED,
    REEVE_NODE_COMMAND_CLIENT_HEAD,    /* serial code text */
    REEVE_NODE_COMMAND_SPAWN,          /* serial job program */
    REEVE_NODE_COMMAND_WORKER_WELCOME, /* serial */
    REEVE_NODE_COMMAND_RETIRE,         /* serial: close its socket, at which it ends */
    REEVE_NODE_COMMAND_KILL,           /* serial: its process group */
    /* lease serial(holder) worker class_index cpu_milli priority owner host */
    REEVE_NODE_COMMAND_OPEN_LOCAL,
    /* lease worker cpu_milli priority node job owner host: we hold for a client of that node;
     * before OPEN is sent */
    REEVE_NODE_COMMAND_OPEN_EXECUTOR,
    /* lease serial class_index node process(worker): we work for a client of ours */
    REEVE_NODE_COMMAND_OPEN_HOLDER,
    /* lease code: revoke what is not claimed, unmap. Executor's: answer with CLOSED; code 0: its
     * holder says that all entries are answered, so none is in hand */
    REEVE_NODE_COMMAND_CLOSE,
    /* lease code count text: the worker is dead, or (host not 0) what it was the host of is:
     * revoke, answer all entries. No CLOSED */
    REEVE_NODE_COMMAND_CLOSE_DEAD,
    REEVE_NODE_COMMAND_JOB_GONE, /* job: free its objects, forget its program */
    REEVE_NODE_COMMAND_END,      /* code text: nothing is left to do */
    REEVE_NODE_COMMAND_KIND_COUNT
};

struct reeve_node_command {
    enum reeve_node_command_kind kind;
    int32_t code;
    uint32_t node;
    uint32_t serial;
    uint32_t worker; /* serial */
    uint32_t class_index;
    uint32_t cpu_milli;
    int32_t priority;
    uint32_t count;
    uint32_t host;
    reeve_process_id owner; /* of the host */
    uint64_t connection;
    uint64_t lease;
    reeve_process_id job;
    reeve_process_id process;
    uint8_t program[REEVE_PROGRAM_HASH_SIZE];
    struct reeve_message message;
    char text[REEVE_TEXT_SIZE];
};

/* The first step should be a TICK: it dials. NULL: out of memory. */
struct reeve_node *reeve_node_create(const struct reeve_node_config *config);
void reeve_node_free(struct reeve_node *node);

/* Takes one event at a time that never goes back; appends struct reeve_node_command to `out`. */
void reeve_node_step(struct reeve_node *node, uint64_t now_ns, const struct reeve_node_event *event,
    struct reeve_fifo *out);

/* When to step with a TICK at the latest; REEVE_NODE_NEVER: not before another event. */
uint64_t reeve_node_deadline(const struct reeve_node *node);

/* For status and tests. */
struct reeve_node_facts {
    uint32_t node; /* 0: not registered */
    bool head_up, draining, ended;
    uint32_t cpu_milli, cpu_used_milli;
    uint32_t drivers, jobs, peers;
    uint32_t workers_starting, workers_idle, workers_leased, workers_ending;
    uint32_t leases_waiting, leases_executing,
        leases_held; /* local ones count as both executing and held */
    uint64_t stale;  /* messages that came too late or made no sense, and were ignored */
};
/* For people: the hosts of actors that run here. *cursor begins at 0. */
struct reeve_node_host {
    reeve_process_id owner;
    uint32_t host;
    uint32_t worker; /* serial; 0: it is still to be started */
};
bool reeve_node_next_host(
    const struct reeve_node *node, size_t *cursor, struct reeve_node_host *ret);
/* What a client's actor is called: the claim; NULL: nothing. */
const struct reeve_message *reeve_node_name_of(
    const struct reeve_node *node, uint32_t serial, uint64_t actor_number);
void reeve_node_get_facts(const struct reeve_node *node, struct reeve_node_facts *ret);

/* What the task of that worker has waited for for long, where others have to be run for it; "": for
 * nothing. Valid until the next step. */
const char *reeve_node_waits_for(const struct reeve_node *node, uint32_t serial);
/* The job of a client or worker process, or 0. */
reeve_process_id reeve_node_job_of(const struct reeve_node *node, uint32_t serial);

/* Audits all tables; aborts with the broken rule. For tests, after each step. */
void reeve_node_check(const struct reeve_node *node);

#endif
