/* The tables of the scheduler core, and what its files need of each other.
 *
 *      node ──< leases >── demand ──> class ──> group ──> shape
 *        │                   │          │         │
 *        └──< demands        └── process└── job >─┘
 *
 *   node    a daemon, alive or being cleared away. Those that may take a lease are in the heap
 *           `room`: most free cpu first, then by number, so the head of the heap answers "is there
 *           room for n?" and "where?" in one look.
 *   job     a driver and all that works for it: what its leases hold decides whose turn it is.
 *   class   what a lease is for. Demands that lack leases wait in its two queues, those of workers
 *           first: what was begun is finished before more is begun.
 *   demand  (process, class): how many leases that process could use, and those it has.
 *   shape   all that waits for the same amount of cpu, as groups (one for each job), the job that
 *           holds least first. There are few shapes, so finding whose turn it is costs a look at
 *           each shape's first group.
 *   avoid   (node, class): that node has refused that class, and when it may be asked again.
 *
 * Work that can be large is left on lists and done in slices: `orphans` (leases that ended
 * without a word of their executor), `dead` (nodes whose tables are being taken down), `ended`
 * (jobs likewise), news (what every node must hear), due timers, grants and recalls. */
#ifndef REEVE_SCHEDULER_SCHED_INTERNAL_H
#define REEVE_SCHEDULER_SCHED_INTERNAL_H

#include <stdio.h>

#include "runtime/base/assert.h"
#include "runtime/base/errors.h"
#include "runtime/base/heap.h"
#include "runtime/base/list.h"
#include "runtime/base/map64.h"
#include "runtime/base/prng.h"
#include "scheduler/sched.h"

#define REEVE_SCHED_NEVER UINT64_MAX

enum sched_timer_kind {
    TIMER_SESSION,
    TIMER_NODE,
    TIMER_JOB,
    TIMER_CLASS,
    TIMER_DRAIN,
    TIMER_LEASE,
    TIMER_RECHECK,
    TIMER_WAITS
};

struct sched_timer {
    struct reeve_heap_node heap; /* in reeve_sched.timers while armed; key: when */
    enum sched_timer_kind kind;
};

struct sched_session {
    uint64_t session;
    struct sched_node *node;  /* NULL until it has joined */
    struct sched_timer timer; /* by when it must have joined */
};

struct sched_node {
    uint32_t number;
    enum reeve_sched_node_state state;
    bool ending; /* as of its last heartbeat */
    uint64_t uid, incarnation, memory_bytes;
    uint64_t store_bytes, store_used_bytes; /* this and the next as of its last heartbeat */
    uint64_t store_held_bytes, object_count;
    char disk[REEVE_TEXT_SIZE];
    uint64_t session; /* 0: none */
    char host[REEVE_HOST_SIZE];
    char address[REEVE_ADDRESS_SIZE];
    uint32_t cpu_milli;
    int64_t free_milli;       /* cpu_milli less its leases that are not lent */
    uint32_t lease_count;     /* all that name it, also unconfirmed ones and orphans */
    uint64_t heard_ns;        /* last word from it */
    uint64_t silence_ns;      /* how long it may be silent */
    uint64_t redial_ns;       /* while lost: when to dial again; NEVER while a dial is under way */
    uint64_t news;            /* sequence of the first news it has not been sent */
    struct sched_timer timer; /* heartbeat, or redial and verdict */
    struct reeve_heap_node room; /* in reeve_sched.room */
    struct reeve_heap_node size; /* in reeve_sched.sizes, while alive */
    struct sched_class
        *drain; /* kept for this class until there is room for it; in no room heap meanwhile */
    struct reeve_list drains_link;
    struct reeve_list order_link;  /* reeve_sched.node_order while alive, .dead afterwards */
    struct reeve_list leases;      /* executed there, as far as is known */
    struct reeve_list unconfirmed; /* believed before it rejoined, and not yet named by it */
    struct reeve_list demands;     /* of its processes */
    struct reeve_list jobs;        /* whose drivers are there */
    struct reeve_list avoids;
    struct reeve_list waits;             /* of its processes: waits.c */
    struct reeve_list names;             /* of actors that its processes own: names.c */
    struct reeve_list names_unconfirmed; /* those that it is still to say again */
    bool stuck;                          /* it has as many workers as it may, and all are blocked */
    bool moves;                          /* of the latest search */
    bool announced;                      /* in this session: all that its processes want and have */
    struct reeve_map64 told;             /* the nodes whose address it was given in this session */
};

struct sched_job {
    reeve_process_id id;
    char name[REEVE_TEXT_SIZE];
    struct sched_node *node; /* of its driver; NULL when that is gone */
    bool begun;              /* its driver has been announced to this head */
    bool presumed;           /* not (again) announced: nothing is granted to it */
    bool ended;              /* its leases are on their way back */
    uint64_t began_ns;
    uint64_t held_milli;     /* its leases, without what is lent */
    uint64_t recalled_milli; /* of those: called back */
    uint64_t promised_milli; /* called back from others for it */
    uint32_t weight;
    uint64_t virtual; /* its virtual time when the fair clock was virtual_ns: see fair.c */
    uint64_t virtual_ns;
    uint64_t virtual_era; /* in which contention that was */
    uint32_t lease_count, demand_count, class_count;
    struct reeve_heap_node rich; /* in reeve_sched.rich while it holds what could be called back */
    struct reeve_list leases;    /* by age; not those called back */
    struct reeve_list recalled;
    struct reeve_list classes;
    struct reeve_list groups;
    struct reeve_list node_link;  /* node.jobs */
    struct reeve_list ended_link; /* reeve_sched.ended */
    uint32_t withdraw_left;   /* ended: classes whose demands are still to be withdrawn, at most */
    struct sched_timer timer; /* presumed: until when */
};

struct sched_shape {
    uint32_t cpu_milli;
    struct reeve_heap groups;
    struct reeve_list link; /* reeve_sched.shapes, while it has groups */
};

struct sched_group { /* the classes of one job and one shape that could use a lease now */
    struct sched_job *job;
    struct sched_shape *shape;
    uint64_t served; /* sequence of its last grant: breaks ties */
    struct reeve_heap classes;
    struct reeve_heap_node heap; /* in shape.groups */
    struct reeve_list link;      /* job.groups */
};

struct sched_class {
    uint32_t id; /* never reused */
    struct reeve_class class;
    uint64_t hash;
    struct sched_class *same_hash; /* the next one with this hash */
    struct sched_class *same_host; /* it attaches: the next one to this host */
    struct sched_job *job;
    uint32_t lease_count;
    uint64_t lacking;  /* leases its demands lack in all */
    uint64_t promises; /* leases of others called back for it */
    bool held_off;     /* all that has room has refused it */
    bool infeasible;
    uint64_t retry_ns; /* while held off: when the first of those may be asked again */
    uint64_t judge_ns; /* when to judge whether it is feasible; NEVER: when the nodes change */
    uint64_t served;
    struct sched_group *group;       /* NULL while it is not ready */
    struct reeve_heap_node heap;     /* in group.classes */
    struct reeve_map64 demands;      /* process -> demand */
    struct reeve_list asking;        /* demands that have not been withdrawn */
    struct reeve_list unmet[2];      /* demands that lack leases: of workers, of drivers */
    struct reeve_list unmet_link;    /* reeve_sched.unmet, while lacking */
    struct reeve_list held_off_link; /* reeve_sched.held_off */
    struct reeve_list job_link;      /* job.classes */
    struct reeve_list avoids;
    struct reeve_list promised; /* leases called back for it, by lease.promise_link */
    struct sched_node *drain;   /* being emptied for it */
    struct sched_timer timer;   /* the earlier of retry and judge */
    uint32_t drain_ms;          /* how long the next drain may last, or this one does */
    uint64_t drain_again_ns;    /* no drain before */
    struct sched_timer drain_timer;
};

struct sched_demand {
    uint64_t id; /* in reeve_sched.demands, in order of age */
    reeve_process_id process;
    struct sched_class *class;
    struct sched_node *node; /* of the process; NULL when that is gone */
    uint64_t count;
    uint32_t lease_count;
    uint64_t lacking; /* its part of class.lacking */
    uint32_t near;    /* number of the node where large arguments lie, or 0 */
    bool told;        /* that it is infeasible */
    uint64_t unmet_ns;
    struct reeve_list unmet_link;  /* class.unmet, while lacking */
    struct reeve_list asking_link; /* class.asking, while count > 0 */
    struct sched_lease *residence; /* of a host of actors: its lease, when it has one */
    struct reeve_list node_link;   /* node.demands */
    struct reeve_list untold;      /* leases whose holder does not know that others wait for them */
    struct reeve_list untold_link; /* reeve_sched.untold, while it has some */
};

struct sched_lease {
    uint64_t id;
    struct sched_node *node; /* the executor */
    struct sched_demand *demand;
    bool recalled, lent;
    bool wanted; /* its holder was told that others wait for it */
    uint64_t granted_ns;
    uint32_t promise_milli;       /* to the class of promise_link */
    struct sched_class *promised; /* NULL: nobody */
    struct reeve_list promise_link;
    struct reeve_list node_link;   /* node.leases, node.unconfirmed or reeve_sched.orphans */
    struct reeve_list job_link;    /* job.leases or job.recalled */
    struct reeve_list untold_link; /* demand.untold */
    struct sched_timer timer;      /* until when the promise keeps others from being called back */
};

struct sched_avoid {
    uint32_t node;
    struct sched_class *class;
    uint64_t until_ns; /* NEVER: for good */
    uint32_t failures;
    int32_t code;
    char text[REEVE_TEXT_SIZE];
    struct reeve_list node_link, class_link;
};

/* A process that is blocked inside a task: waits.c. */
struct sched_wait {
    reeve_process_id process;
    reeve_process_id target; /* who has what it waits for; 0: nobody */
    struct sched_node *node; /* of the process */
    uint64_t report;         /* its number for it */
    uint32_t cpu_milli;      /* of what nobody has */
    uint64_t since_ns;
    bool moves;                   /* of the latest search */
    uint32_t told_count;          /* how often that it is to end, which it has not */
    struct reeve_list order_link; /* reeve_sched.waits_order: by age */
    struct reeve_list node_link;
    char text[REEVE_TEXT_SIZE]; /* "this waits for that" */
};

/* Of an actor: names.c. */
struct sched_name {
    struct reeve_message claim; /* NAME_CLAIM: name, type, handle, job */
    struct sched_node *node;    /* of its owner */
    uint64_t hash;
    struct sched_name *same_hash; /* the next one with this hash */
    struct reeve_list node_link;  /* node.names or node.names_unconfirmed */
};

struct sched_news {
    uint64_t at_ns;
    enum reeve_message_kind kind; /* PEER_DOWN or JOB_END */
    uint32_t node;
    uint64_t incarnation;
    reeve_process_id process;
    int32_t code;
    const char *text;
};

struct reeve_sched {
    struct reeve_sched_settings settings;
    uint64_t now_ns;
    uint64_t forgive_ns; /* no node is blamed for silence before it */
    struct reeve_prng prng;
    struct reeve_fifo *out; /* during a call */

    uint32_t number_next, number_end; /* numbers up to the end are journaled as taken */
    uint64_t lease_next, demand_next;
    uint32_t class_next;
    uint64_t served;

    struct reeve_map64 sessions, nodes, uids, jobs, classes, demands, leases;
    struct reeve_map64 lost_at;   /* hash of its address -> the node that is lost there */
    struct reeve_map64 avoids;    /* node << 32 | class id */
    struct reeve_map64 hosts;     /* of actors: key of actors.c -> demand of the owner */
    struct reeve_map64 attaching; /* likewise -> the first class that attaches */
    struct reeve_map64 names;     /* hash -> the first name */
    struct reeve_map64 waits;     /* by process */
    struct reeve_list waits_order;
    struct sched_timer waits_timer;

    /* shares over time: fair.c */
    uint64_t fair_ns;       /* the fair clock: it stands still while nobody lacks anything */
    uint64_t fair_swept_ns; /* when all virtual times were last brought up to date */
    uint64_t fair_floor;    /* the least virtual time of those that lacked something then */
    uint64_t fair_era;      /* how often contention has begun */

    struct reeve_heap room, sizes, rich, timers;
    struct reeve_list shapes, unmet, held_off, drains;
    struct reeve_list untold; /* demands: see sched_lease_want */
    struct reeve_list node_order, dead, orphans, ended;

    struct reeve_fifo news;          /* struct sched_news */
    struct reeve_map64 ended_lately; /* the jobs whose end is in the news */
    uint64_t news_first;             /* sequence of its first item */
    struct reeve_list *news_at;      /* the next node to be told; NULL: none is waiting */
    uint32_t news_left;              /* nodes to look at before all know all */

    bool recheck;   /* something has changed that may call for a recall */
    bool judge_all; /* the nodes have changed: every class that waits is to be judged again */
    struct sched_timer recheck_timer;
    uint32_t cpu_ever_milli; /* of the largest node ever seen */
    struct reeve_sched_totals totals;
};

/* ---- sched.c ---- */

void *sched_alloc(size_t size); /* zeroed; never NULL */
void sched_put(struct reeve_map64 *map, uint64_t key, void *value);
void sched_heap_set(
    struct reeve_heap *heap, struct reeve_heap_node *node, uint64_t key); /* insert or move */
void sched_arm(
    struct reeve_sched *s, struct sched_timer *timer, uint64_t at_ns); /* NEVER disarms */

struct reeve_sched_command *sched_command(
    struct reeve_sched *s, enum reeve_sched_command_kind kind);
/* A message to fill in, on its way to the node; NULL when it has no session. */
struct reeve_message *sched_send(
    struct reeve_sched *s, const struct sched_node *node, enum reeve_message_kind kind);
void sched_notice(struct reeve_sched *s, enum reeve_sched_notice notice, uint32_t node,
    reeve_process_id process, const char *format, ...) __attribute__((format(printf, 5, 6)));
void sched_drop(struct reeve_sched *s, uint64_t session, const char *text);
uint64_t sched_text_hash(uint64_t hash, const char *text); /* begin with SCHED_TEXT_HASH */
#define SCHED_TEXT_HASH UINT64_C(0xcbf29ce484222325)
void sched_copy_text(char *to, size_t size, const char *from);

/* ---- nodes.c: sessions and nodes, and what they are told of each other ---- */

void sched_session_up(struct reeve_sched *s, uint64_t session);
void sched_session_down(struct reeve_sched *s, uint64_t session, bool ended);
void sched_session_free(struct reeve_sched *s, struct sched_session *session);
void sched_dial_failed(struct reeve_sched *s, uint32_t number, bool refused);
void sched_node_join(
    struct reeve_sched *s, struct sched_session *session, const struct reeve_message *m);
void sched_node_joined(
    struct reeve_sched *s, struct sched_node *node); /* it has said all that it holds */
void sched_node_timer(struct reeve_sched *s, struct sched_node *node);
void sched_node_ask(struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m);
void sched_node_free(struct reeve_sched *s, struct sched_node *node); /* dead and cleared */
uint64_t sched_node_dead_at(const struct reeve_sched *s, const struct sched_node *node);
void sched_tell_pair(struct reeve_sched *s, struct sched_node *a, struct sched_node *b);
void sched_news_add(struct reeve_sched *s, const struct sched_news *news);
bool sched_news_some(struct reeve_sched *s, uint32_t *budget);
bool sched_clear_some(struct reeve_sched *s, uint32_t *budget);

static inline struct sched_node *sched_node_get(const struct reeve_sched *s, uint32_t number)
{
    return reeve_map64_get(&s->nodes, number);
}

/* As people know it: "node 3 (host-b)". */
#define SCHED_NODE_TEXT_SIZE (REEVE_HOST_SIZE + 24)
static inline const char *sched_node_text(
    const struct reeve_sched *s, uint32_t number, char text[SCHED_NODE_TEXT_SIZE])
{
    const struct sched_node *node = sched_node_get(s, number);
    snprintf(text, SCHED_NODE_TEXT_SIZE, node != NULL ? "node %u (%s)" : "node %u", number,
        node != NULL ? node->host : "");
    return text;
}

/* ---- jobs.c: jobs, classes and demands ---- */

struct sched_job *sched_job_get(
    struct reeve_sched *s, reeve_process_id id); /* makes a presumed one */
void sched_job_begin(struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m);
void sched_job_end(struct reeve_sched *s, struct sched_job *job, const char *why);
void sched_job_presume(struct reeve_sched *s, struct sched_job *job, uint64_t until_ns);
void sched_job_timer(struct reeve_sched *s, struct sched_job *job);
void sched_job_changed(
    struct reeve_sched *s, struct sched_job *job); /* what it holds, or what is promised to it */
void sched_job_release(
    struct reeve_sched *s, struct sched_job *job); /* frees it when nothing names it */
struct sched_class *sched_class_get(struct reeve_sched *s, const struct reeve_class *class);
struct sched_class *sched_class_find(const struct reeve_sched *s, const struct reeve_class *class);
void sched_class_ready(struct reeve_sched *s,
    struct sched_class *class); /* brings its place in the group up to date */
/* Whether workers lack leases of the class: their turn is before their driver's. */
bool sched_workers_want(const struct sched_class *class);
void sched_class_served(struct reeve_sched *s, struct sched_class *class); /* its turn is over */
void sched_class_next(
    struct reeve_sched *s, struct sched_class *class); /* among equals it is its turn now */
void sched_class_timer(struct reeve_sched *s, struct sched_class *class);
void sched_class_arm(struct reeve_sched *s, struct sched_class *class);
void sched_class_release(struct reeve_sched *s, struct sched_class *class);
struct sched_demand *sched_demand_get(
    struct reeve_sched *s, reeve_process_id process, struct sched_class *class);
void sched_demand_set(struct reeve_sched *s, struct sched_demand *demand, uint64_t count);
void sched_demand_changed(struct reeve_sched *s, struct sched_demand *demand); /* may free it */
bool sched_end_jobs_some(struct reeve_sched *s, uint32_t *budget);
void sched_judge_all(struct reeve_sched *s);

static inline uint64_t sched_job_effective(const struct sched_job *job)
{
    return job->held_milli - job->recalled_milli;
}

static inline uint64_t sched_job_claim(const struct sched_job *job)
{
    return job->held_milli - job->recalled_milli + job->promised_milli;
}

/* The demand of the class whose turn it is: workers' before drivers', and of those the latest,
 * which is the deepest where tasks wait for their children; NULL when none lacks anything. */
static inline struct sched_demand *sched_class_first(const struct sched_class *class)
{
    for (int i = 0; i < 2; i++)
        if (!reeve_list_is_empty(&class->unmet[i]))
            return REEVE_LIST_ENTRY(class->unmet[i].next, struct sched_demand, unmet_link);
    return NULL;
}

static inline bool sched_class_infeasible_size(
    const struct reeve_sched *s, const struct sched_class *class)
{
    return class->class.cpu_milli > s->cpu_ever_milli;
}

/* ---- leases.c: their life and the accounts ---- */

struct sched_lease *sched_lease_create(
    struct reeve_sched *s, uint64_t id, struct sched_node *node, struct sched_demand *demand);
void sched_lease_end(struct reeve_sched *s, struct sched_lease *lease);
void sched_lease_lend(struct reeve_sched *s, struct sched_lease *lease, bool lent);
void sched_lease_recall(struct reeve_sched *s, struct sched_lease *lease);
/* Tells its holder that somebody waits for it: it comes back as soon as it lies idle. */
void sched_lease_want(struct reeve_sched *s, struct sched_lease *lease);
void sched_lease_promise(struct reeve_sched *s, struct sched_lease *lease,
    struct sched_class *class, uint32_t cpu_milli, bool lapses);
void sched_lease_unpromise(struct reeve_sched *s, struct sched_lease *lease);
void sched_lease_holding(
    struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m);
void sched_lease_message(struct reeve_sched *s, struct sched_node *node,
    const struct reeve_message *m); /* REFUSED ENDED LENT */
void sched_node_room(struct reeve_sched *s, struct sched_node *node,
    bool grown); /* brings the room heap up to date */

static inline struct sched_job *sched_lease_job(const struct sched_lease *lease)
{
    return lease->demand->class->job;
}

static inline uint32_t sched_lease_cpu(const struct sched_lease *lease)
{
    return lease->demand->class->class.cpu_milli;
}

/* ---- actors.c: hosts of actors ---- */

/* For every demand and lease that comes or goes: those of residences are noted, and whoever waits
 * to attach to them is looked at. */
void sched_host_wanted(struct reeve_sched *s, struct sched_demand *demand);
void sched_host_unwanted(struct reeve_sched *s, struct sched_demand *demand);
void sched_host_comes(struct reeve_sched *s, struct sched_lease *lease);
void sched_host_goes(struct reeve_sched *s, struct sched_lease *lease);
/* For every class that comes or goes: those that attach are noted. */
void sched_host_class_comes(struct reeve_sched *s, struct sched_class *class);
void sched_host_class_goes(struct reeve_sched *s, struct sched_class *class);
/* Of a class that attaches. Where its host is; NULL: nowhere now. Whether it is still to come, or
 * can. */
struct sched_node *sched_host_node(const struct reeve_sched *s, const struct sched_class *class);
bool sched_host_is_unknown(const struct reeve_sched *s, const struct sched_class *class);
bool sched_host_lives(const struct reeve_sched *s, const struct sched_class *class);
/* It is there, and is called by the numbers of another table of functions. */
bool sched_host_is_others(const struct reeve_sched *s, const struct sched_class *class);

/* ---- names.c: names of actors ---- */

void sched_name_message(struct reeve_sched *s, struct sched_node *node,
    const struct reeve_message *m); /* NAME_CLAIM NAME_FIND NAME_DROP */
/* The node has said all that it holds. */
void sched_names_joined(struct reeve_sched *s, struct sched_node *node);
/* Frees one name of a dead node; false: it had none. */
bool sched_name_clear(struct reeve_sched *s, struct sched_node *node);
void sched_names_free(struct reeve_sched *s);
const char *sched_names_check(const struct reeve_sched *s);

/* ---- place.c: grants ---- */

bool sched_grant_some(struct reeve_sched *s, uint32_t *budget);
bool sched_grant_possible(const struct reeve_sched *s);
/* Whether the node must not be asked for the class now; `until` (may be NULL) says until when. */
bool sched_avoided(const struct reeve_sched *s, const struct sched_node *node,
    const struct sched_class *class, uint64_t *until);
void sched_avoid(struct reeve_sched *s, struct sched_node *node, struct sched_class *class,
    int32_t code, const char *text);
void sched_avoid_free(struct reeve_sched *s, struct sched_avoid *avoid);
void sched_drain_begin(struct reeve_sched *s, struct sched_node *node, struct sched_class *class);
void sched_drain_end(struct reeve_sched *s, struct sched_class *class);
void sched_drain_timer(struct reeve_sched *s, struct sched_class *class);

/* ---- waits.c: who waits for whom ---- */

void sched_wait_message(struct reeve_sched *s, struct sched_node *node,
    const struct reeve_message *m); /* BLOCKED STUCK */
void sched_waits_forget(struct reeve_sched *s, struct sched_node *node);
void sched_waits_look(struct reeve_sched *s); /* the timer */

/* ---- fair.c: shares over time, and recalls ---- */

/* Brings the job's virtual time up to date; before what it holds changes. Its places in the heaps
 * are stale until sched_job_changed. */
void sched_fair_account(struct reeve_sched *s, struct sched_job *job);
/* The job begins to lack something. */
void sched_fair_enter(struct reeve_sched *s, struct sched_job *job);
/* Where the job's virtual time would be after a turn with so much cpu. */
uint64_t sched_fair_ahead(
    const struct reeve_sched *s, const struct sched_job *job, uint64_t cpu_milli);
/* The group's place among those that wait for the same amount of cpu. */
uint64_t sched_fair_key(const struct reeve_sched *s, const struct sched_group *group);

bool sched_recall_some(struct reeve_sched *s, uint32_t *budget);

#endif
