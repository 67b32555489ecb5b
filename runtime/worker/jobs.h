/* Calls of actors that do not run in the worker's main thread, or are answered after they have
 * run.
 *
 *   call ring ─claim─▶ main thread ─┬─▶ runs it ─────────────────────────▶ answers
 *                                   │      └ reply_later ─▶ job, LATER ─┐
 *                                   └─▶ job, QUEUED in its group ─▶     ├─ reply ─▶ answers
 *                                         a thread of the group runs it │
 *                                           ├ reply_later ─▶ job, LATER ┘
 *                                           └────────────────────────────────────▶ answers
 *
 * A *job* is such a call, with a copy of its arguments. Whoever is to answer it, its thread, a
 * reply, a cancel, its time limit, or the end of its actor, takes the right to do so first, under
 * the lock: so it is answered once. When its caller has gone it is only forgotten.
 *
 * A *pool* is an actor's threads, in groups. The main thread alone claims, and hands over in
 * order. It holds an entry back (call.c) when a group has enough in front of it, and
 * when the actor is to end before its jobs have. Threads are made when they are first needed.
 *
 * The return rings have many writers then: the word of reeve_worker_publish_begin is taken by all,
 * the main thread included, from the first job on. */
#ifndef REEVE_WORKER_JOBS_H
#define REEVE_WORKER_JOBS_H

#include "api/client/actor.h"
#include "api/client/cluster.h"
#include "runtime/base/list.h"
#include "runtime/worker/execution.h"

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_LATER };

struct job {
    struct reeve_list node;       /* of all jobs */
    struct reeve_list queue_node; /* while QUEUED: in its group */
    uint32_t users;               /* it is freed by the last one */
    enum job_state state;
    bool answered;                  /* or somebody is about to */
    bool later;                     /* the method has said so */
    bool cancelled;                 /* to be answered by the main thread */
    _Atomic bool asked;             /* to stop */
    uint64_t token;                 /* 0: none yet */
    uint64_t deadline_ns;           /* UINT64_MAX: none */
    struct reeve_thread_pool *pool; /* NULL: the main thread ran it */
    struct group *group;            /* while QUEUED */
    struct reeve_hosted *hosted;
    reeve_actor actor;
    struct reeve_cluster_channel *channel;
    uint64_t lease;
    reeve_process_id peer;
    uint32_t timeout_ms;
    uint32_t cpu_milli;
    struct reeve_entry_view view; /* its payload is behind */
    /* with the return rings' word */
    bool gone;      /* the channel is closed */
    bool slot_done; /* the call's slot is given back */
    uint8_t payload[];
};

void reeve_jobs_init(struct reeve_cluster *cluster);

/* Main thread. Whether there have ever been any: then return rings have many writers. And whether
 * an actor has had threads. */
extern bool reeve_jobs_any, reeve_jobs_pools;

/* Main thread: a claimed call of a method is for a pool. False: it is not, and is run here. */
bool reeve_jobs_take(struct reeve_cluster_channel *channel, const struct reeve_entry_view *view,
    const struct reeve_entry_parts *parts);
/* …and whether it is not to be taken yet. Something rings when it may be. */
bool reeve_jobs_hold(const struct reeve_entry_view *view, const struct reeve_entry_parts *parts);
/* The main thread has run a method that is answered later. */
void reeve_jobs_returned(struct execution *execution, uint8_t *scratch);
/* Main thread, which has nothing to do: if there are calls to be answered later, who answers them
 * may want this core. */
void reeve_jobs_others_first(void);
/* Main thread, before it closes the channel, which it does with the word of the return rings. */
void reeve_jobs_channel_gone(const struct reeve_cluster_channel *channel);
/* Main thread: the actor has ended. */
void reeve_jobs_actor_ended(const reeve_actor *actor);
/* Main thread: answers those that are cancelled, or whose time is up, if there are any. */
extern _Atomic bool reeve_jobs_due;
void reeve_jobs_look(void);

/* The thread that runs it: until its time is up, or REEVE_FOREVER. */
int64_t reeve_jobs_time_left_ms(const struct job *job);

/* The background thread, with the cluster's lock: a call is cancelled. False: it is no job. */
bool reeve_jobs_cancel(const struct reeve_local_message *message);
/* …and without it: the time that beside_deadline_ns says has come. */
void reeve_jobs_expire(void);

#endif
