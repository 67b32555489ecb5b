/* What job.c, jobs.c, pools.c and replies.c share. Between them they guard everything here with
 * one lock: taken before that of the return rings, and after the cluster's. */
#ifndef REEVE_WORKER_JOBS_INTERNAL_H
#define REEVE_WORKER_JOBS_INTERNAL_H

#include <pthread.h>

#include "runtime/base/map64.h"
#include "runtime/worker/jobs.h"

/* A group has so many calls in front of it, beside what its threads run: enough that none of them
 * waits for the main thread, few enough that calls stay where a restart finds them. */
#define REEVE_JOBS_AHEAD(group) ((group)->limit * 2 + 16)

struct group {
    struct reeve_list queue;
    pthread_cond_t work;
    struct reeve_thread_pool *pool;
    uint32_t limit, threads;
    uint32_t asleep;         /* threads that nobody has woken */
    uint32_t woken;          /* of those that sleep, and do not know it yet */
    uint32_t looking;        /* these, and those that are awake and have no call */
    _Atomic uint32_t queued; /* written with the lock */
    bool held;               /* the main thread holds an entry back for it */
};

struct reeve_thread_pool {
    struct reeve_hosted *hosted;
    uint32_t running, queued, threads;
    bool held;  /* the main thread holds the actor's end back */
    bool ended; /* its threads go, and the last one frees it all */
    uint32_t group_count;
    struct group groups[]; /* the first is of methods that are in none */
};

extern struct reeve_jobs {
    struct reeve_cluster *cluster;
    pthread_mutex_t lock;
    struct reeve_list all;
    struct reeve_map64 tokens; /* of those that are not answered */
    _Atomic uint32_t later;    /* how many these are; written with the lock */
    uint64_t token_last;
    uint8_t *scratch;         /* one to pack an answer in, while nobody does; or NULL */
    _Atomic uint32_t running; /* in all pools */
} reeve_jobs;

/* A call with a copy of its arguments: room for `size` bytes. NULL: no memory. */
struct job *reeve_job_new(struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, size_t size, uint32_t timeout_ms);
/* With the lock: one without. */
struct job *reeve_job_bare(struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, uint32_t timeout_ms);
/* With the lock. Where its time is limited, the background thread is told after. */
void reeve_job_add(struct job *job);
/* With the lock: one user less; the last one frees it. */
void reeve_job_leave(struct job *job);
/* With the lock: nobody else answers it from now on. */
void reeve_job_answered(struct job *job);
/* With the lock: the right to answer it, and with it a use of it, until it is left. */
bool reeve_job_take(struct job *job);
/* With the lock: the tokens are others. */
void reeve_jobs_count_later(void);
/* Its slot is no use to anybody: the ring may go on. */
void reeve_job_slot_give_back(struct job *job);
const char *reeve_job_function_name(const struct job *job);
/* What is to be run, or packed, for it. */
void reeve_job_execution(struct execution *execution, struct job *job, uint8_t *scratch);
/* The method has returned: it is answered, now or later. */
void reeve_job_returned(struct job *job, struct execution *execution, uint8_t *scratch);

/* The main thread holds back an entry that it may now take. */
void reeve_jobs_wake_main(void);

/* Main thread. */
struct reeve_thread_pool *reeve_thread_pool_make(
    struct reeve_hosted *hosted, uint32_t concurrency, const struct reeve_actor_groups *groups);
void reeve_thread_pool_end(struct reeve_thread_pool *pool);
/* The group that the call goes to; NULL: there is no such one. */
struct group *reeve_thread_pool_group_of(
    struct reeve_thread_pool *pool, const reeve_actor *actor, uint32_t function_index);
/* With the lock. False: there is no thread to run it. */
bool reeve_thread_pool_enqueue(struct job *job, struct group *group);

/* Of the backend. */
int reeve_jobs_reply_later(struct reeve_backend *backend, struct reeve_invocation *invocation,
    uint64_t *ret_token, struct reeve_error_info *error);
int reeve_jobs_reply(struct reeve_backend *backend, uint64_t token,
    const struct reeve_function *function, const void *value,
    const struct reeve_error_info *failure, struct reeve_error_info *error);
int reeve_jobs_save(struct reeve_backend *backend, struct reeve_invocation *invocation,
    const reeve_actor *actor, const void *bytes, size_t size, struct reeve_error_info *error);

#endif
