/* The scheduler core: who may run what, where.
 *
 * A pure state machine. The head's shell feeds it events (messages of nodes, links that come and
 * go, the clock) and carries out the commands that it puts on a queue, in order. It sees no socket,
 * clock, thread or file, and the same events give the same commands.
 *
 *   links ──▶ NODE_MESSAGE, PEER_UP, ┌───────┐ ──▶ SEND, DIAL, DROP_PEER ──▶ links
 *             PEER_DOWN, DIAL_FAILED │       │ ──▶ JOURNAL ──▶ SQLite, before what follows
 *   timer ──▶ TICK, at the deadline  │ sched │ ──▶ NOTICE  ──▶ one line of the log each
 *   idle  ──▶ run_some               └───────┘
 *
 * What the shell does:
 *
 *      step(event) or run_some; carry out all commands; if reeve_sched_has_work: call run_some
 *      again at the end of this turn of the loop (each call does a bounded amount of work, so
 *      heartbeats go on between); arm the timer for reeve_sched_deadline.
 *
 * What a node must do, so that the head can rebuild what a lost link or a lost head has forgotten.
 * A session opens with
 *
 *      JOIN, HOLDING for each lease it executes (and, with lease 0, for each job of a driver
 *      elsewhere), NAME_CLAIM for each name that its processes have, HEARTBEAT, then, after
 *      WELCOME, JOB_BEGIN for each driver, DEMAND for each open demand, PEER_UP for each node it
 *      knows
 *
 * in that order; after a former number was given, the first message that is neither HOLDING nor
 * NAME_CLAIM ends the list, and what the head believed to be held there and was not named is over.
 * Demands and jobs of that node that are not said again lapse. If WELCOME's number is not the one
 * the node joined with (and that was not 0), the node had been declared dead: everything it had is
 * void.
 *
 * PEER_UP goes to two nodes when a lease first connects them. A node that needs another's
 * address for anything else asks by sending PEER_UP with that number alone; the answer is
 * PEER_UP, or PEER_DOWN when there is no such node. */
#ifndef REEVE_SCHEDULER_SCHED_H
#define REEVE_SCHEDULER_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/fifo.h"
#include "runtime/base/ids.h"
#include "runtime/wire/message.h"

/* ---- events ---- */

enum reeve_sched_event_kind {
    REEVE_SCHED_EVENT_TICK,    /* time has passed */
    REEVE_SCHED_EVENT_PEER_UP, /* session: a node's daemon (not a tool) has proved itself */
    /* session: it is over; refused: its daemon has ended, as it was asked to */
    REEVE_SCHED_EVENT_PEER_DOWN,
    REEVE_SCHED_EVENT_NODE_MESSAGE, /* session message */
    /* node refused: the answer to DIAL, when it did not become a session */
    REEVE_SCHED_EVENT_DIAL_FAILED,
};

struct reeve_sched_event {
    enum reeve_sched_event_kind kind;
    uint64_t session;
    uint32_t node;
    bool refused;                        /* a reachable host said that nobody listens there */
    const struct reeve_message *message; /* read during the call only */
};

/* ---- commands ---- */

enum reeve_sched_command_kind {
    REEVE_SCHED_COMMAND_SEND, /* session message */
    /* node message.address: is it still there? answer with DIAL_FAILED if not */
    REEVE_SCHED_COMMAND_DIAL,
    /* session message.code message.text: end the session (PEER_DOWN may follow, and is ignored) */
    REEVE_SCHED_COMMAND_DROP_PEER,
    /* journal and what it says: must be durable before later commands are carried out */
    REEVE_SCHED_COMMAND_JOURNAL,
    REEVE_SCHED_COMMAND_NOTICE, /* notice node message.process message.text: for the log */
};

enum reeve_sched_journal {
    /* message.count: numbers below it are taken; the next head starts there */
    REEVE_SCHED_JOURNAL_NUMBERS,
    /* node message.{uid incarnation host address cpu_milli memory_bytes}: it lives (need not be
     * durable) */
    REEVE_SCHED_JOURNAL_NODE_UP,
    REEVE_SCHED_JOURNAL_NODE_DOWN, /* node: it does not (need not be durable) */
    /* message(NAME_CLAIM): an actor has that name (need not be durable) */
    REEVE_SCHED_JOURNAL_NAME_PUT,
    REEVE_SCHED_JOURNAL_NAME_REMOVE, /* message.host message.address: nobody has */
};

enum reeve_sched_notice {
    REEVE_SCHED_NOTICE_NODE_JOINED,
    REEVE_SCHED_NOTICE_NODE_BACK,  /* the same life, a new session */
    REEVE_SCHED_NOTICE_NODE_LOST,  /* link lost; being redialled */
    REEVE_SCHED_NOTICE_NODE_DEAD,  /* the verdict */
    REEVE_SCHED_NOTICE_NODE_ENDED, /* likewise, but it was stopped */
    REEVE_SCHED_NOTICE_JOB_BEGIN,
    REEVE_SCHED_NOTICE_JOB_END,
    REEVE_SCHED_NOTICE_LEASE_REFUSED, /* a node could not run what it was asked to */
    REEVE_SCHED_NOTICE_INFEASIBLE,
    REEVE_SCHED_NOTICE_PEER_DROPPED, /* a session broke the rules */
    REEVE_SCHED_NOTICE_STALL,    /* the head itself was asleep; nobody is blamed for the silence */
    REEVE_SCHED_NOTICE_DEADLOCK, /* tasks wait for each other: one of the waits is ended */
    REEVE_SCHED_NOTICE_COUNT
};

struct reeve_sched_command {
    enum reeve_sched_command_kind kind;
    enum reeve_sched_journal journal;
    enum reeve_sched_notice notice;
    uint32_t node; /* whom it is about, or to whom the session leads; 0: none */
    uint64_t session;
    struct reeve_message message;
};

/* "NODE-JOINED" … for log lines. */
const char *reeve_sched_notice_name(enum reeve_sched_notice notice);
/* Whether the notice deserves level WARN rather than INFO. */
bool reeve_sched_notice_is_warning(enum reeve_sched_notice notice);

/* ---- life ---- */

struct reeve_sched_settings {
    uint16_t head_incarnation; /* high 16 bits of lease ids; not 0 */
    uint32_t node_next;        /* first node number that was never taken; not 0 */
    uint64_t seed;             /* for the jitter of backoffs */
    uint32_t heartbeat_ms;     /* 0: 1,000 */
    uint32_t dead_after_ms;    /* 0: 10,000: silence, link or no link */
    uint32_t outage_ms; /* 0: 60,000: how long a new head waits for nodes of its predecessor */
    uint32_t infeasible_after_ms; /* 0: 1,000: nodes may still join */
    uint32_t
        /* 0: 2,000: a process that has nothing may take another's only lease after so long */
        rotate_after_ms;
    uint32_t
        /* 0: 100: how far behind its share of one cpu's time a job falls before it takes a turn */
        turn_ms;
    uint32_t
        /* 0: 1,000: a recalled lease that has not come by then no longer holds back the next
         * recall */
        recall_patience_ms;
    uint32_t
        /* 0: 1,000: tasks that can only wait for each other do so for as long before one is
         * ended */
        deadlock_after_ms;
    uint32_t leases_a_node_max; /* 0: 4,096: classes may need no cpu at all */
    uint32_t
        slice; /* 0: 256: steps of work a call to step or run_some does beyond the event itself */
};

struct reeve_sched;

/* Commands go to queues of struct reeve_sched_command (reeve_fifo_init with its size).
 * NULL when there is no memory. Later the tables must grow: a head that cannot keep them true
 * ends (REEVE_ASSERT), and the next head rebuilds them from the nodes. */
struct reeve_sched *reeve_sched_create(const struct reeve_sched_settings *settings);
void reeve_sched_free(struct reeve_sched *sched);

/* For each node the journal says lived when the last head ended, before the first step: it has
 * outage_ms to come back with its leases; then it is dead for everyone. Numbers that are not
 * expected are not accepted back. `node` is a JOIN message. */
void reeve_sched_expect(
    struct reeve_sched *sched, uint64_t now_ns, const struct reeve_message *node);

/* For each name of the journal, when all nodes are expected: it is taken, until its owner's node
 * says otherwise or is dead. `name` is a NAME_CLAIM. False: its node is not expected, so nobody has
 * it. */
bool reeve_sched_expect_name(struct reeve_sched *sched, const struct reeve_message *name);

/* Cannot fail: a bad peer is an ordinary event whose command is to drop it. now_ns never goes
 * back (it is taken as the former now if it does). */
void reeve_sched_step(struct reeve_sched *sched, uint64_t now_ns,
    const struct reeve_sched_event *event, struct reeve_fifo *out);

/* Does one slice of the work that is left. Returns whether more is left. */
bool reeve_sched_run_some(struct reeve_sched *sched, uint64_t now_ns, struct reeve_fifo *out);
bool reeve_sched_has_work(const struct reeve_sched *sched);

/* When to call step with a tick; UINT64_MAX: never. */
uint64_t reeve_sched_deadline(const struct reeve_sched *sched);

/* Audits all tables; NULL when they are consistent, else what is wrong (static text). For tests:
 * takes time. */
const char *reeve_sched_check(const struct reeve_sched *sched);

/* ---- reading, for status and people ---- */

struct reeve_sched_totals {
    uint32_t node_count; /* alive: up or expected back */
    uint32_t node_up_count;
    uint32_t lost_count;
    uint64_t cpu_milli;      /* of nodes that are up */
    uint64_t cpu_used_milli; /* leased there, without what is lent */
    uint64_t job_count, demand_count, lease_count, class_count;
    uint64_t name_count; /* of actors */
    uint64_t host_count; /* processes of actors, those included that are to be */
    uint64_t granted_count, ended_count, refused_count, recalled_count,
        lost_lease_count; /* since the start */
    uint64_t stale_count; /* messages about what is over: counted and ignored */
    uint64_t work_count;  /* steps of work done: what the time bounds of tests are made of */
};

enum reeve_sched_node_state {
    REEVE_SCHED_NODE_UP,
    REEVE_SCHED_NODE_JOINING, /* says what it holds */
    REEVE_SCHED_NODE_LOST,    /* link lost or not yet back, dead at `dead_at_ns` */
    REEVE_SCHED_NODE_DEAD,    /* being cleared away */
};

struct reeve_sched_node_info {
    uint32_t node;
    enum reeve_sched_node_state state;
    bool ending; /* it finishes what it has begun, and gets nothing more */
    uint64_t uid, incarnation, session, memory_bytes;
    uint64_t store_bytes, store_used_bytes;  /* this and the next as of its last heartbeat */
    uint64_t store_held_bytes, object_count; /* pages that exist; objects */
    char disk[REEVE_TEXT_SIZE];              /* what it says of its store's disk, JSON; or empty */
    uint32_t cpu_milli;
    int64_t cpu_free_milli; /* below 0: workers took back what they had lent */
    uint32_t lease_count;   /* executed there */
    uint64_t heard_ns, dead_at_ns;
    char host[REEVE_HOST_SIZE];
    char address[REEVE_ADDRESS_SIZE];
};

struct reeve_sched_job_info {
    reeve_process_id job;
    char name[REEVE_TEXT_SIZE];
    bool ended;    /* its leases are still being given back */
    bool presumed; /* known by hearsay: its driver's node has not (again) said that it lives */
    uint32_t lease_count, demand_count;
    uint32_t weight;
    uint64_t held_milli;
    uint64_t wanted_count; /* leases that its demands still lack */
    uint64_t began_ns;
};

struct reeve_sched_demand_info {
    reeve_process_id process;
    struct reeve_class class;
    uint64_t count;       /* asked for, those held included */
    uint32_t lease_count; /* held */
    bool infeasible;
    uint64_t since_ns; /* unmet since; 0 when met */
};

struct reeve_sched_lease_info {
    uint64_t lease;
    reeve_process_id process; /* the holder */
    uint32_t node;            /* the executor */
    struct reeve_class class;
    bool recalled, lent;
    uint64_t granted_ns;
};

void reeve_sched_totals(const struct reeve_sched *sched, struct reeve_sched_totals *ret);

/* Iteration in order of age: start with *cursor = 0 and call until false. A cursor stays good
 * across steps: what is there all the time is seen once, what comes or goes meanwhile may or may
 * not be. */
bool reeve_sched_next_node(
    const struct reeve_sched *sched, uint64_t *cursor, struct reeve_sched_node_info *ret);
bool reeve_sched_next_job(
    const struct reeve_sched *sched, uint64_t *cursor, struct reeve_sched_job_info *ret);
bool reeve_sched_next_demand(
    const struct reeve_sched *sched, uint64_t *cursor, struct reeve_sched_demand_info *ret);
bool reeve_sched_next_lease(
    const struct reeve_sched *sched, uint64_t *cursor, struct reeve_sched_lease_info *ret);

/* One node, by its number. False: there is none that is not dead. */
bool reeve_sched_find_node(
    const struct reeve_sched *sched, uint32_t number, struct reeve_sched_node_info *ret);

/* Who has the name: the claim, as it came from its node. False: nobody. */
bool reeve_sched_find_name(const struct reeve_sched *sched, const char *name_space,
    const char *name, struct reeve_message *ret);

/* Why a demand waits, for people: one sentence (empty when it lacks nothing, "no such demand…"
 * when it is unknown). */
void reeve_sched_why(const struct reeve_sched *sched, uint64_t now_ns, reeve_process_id process,
    const struct reeve_class *class, char text[static REEVE_TEXT_SIZE]);

#endif
