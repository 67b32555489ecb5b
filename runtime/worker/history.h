/* What is run, and when, for `reeve timeline`: see runtime/channel/history.h. */
#ifndef REEVE_WORKER_HISTORY_H
#define REEVE_WORKER_HISTORY_H

#include "api/client/cluster.h"
#include "api/client/invoke.h"
#include "runtime/base/macros.h"

/* Whether calls are short, and so many follow each other that they are not all timed. The main
 * thread has two, for outermost calls and for those that are run inside of them. */
struct reeve_pace {
    uint32_t skip;   /* so many calls more are not timed */
    uint32_t streak; /* short ones in a row, among those that were */
    uint64_t begun;  /* calls, ever */
    uint64_t since_ns;
    uint32_t function; /* of the last that was timed */
};

extern struct reeve_pace reeve_pace_outer, reeve_pace_inner;

uint64_t reeve_history_now_ns(void);

/* Before a call. What it gives is for `ended`; 0: the call is not timed. */
static inline uint64_t reeve_history_begin(struct reeve_pace *pace)
{
    pace->begun++;
    if (REEVE_LIKELY(pace->skip > 1)) {
        pace->skip--;
        return 0;
    }
    return reeve_history_now_ns();
}

/* The outermost call begins; stamp: since when it could have (runtime/channel/stamp.h). */
void reeve_history_current(const struct reeve_cluster *cluster,
    const struct reeve_invocation *invocation, uint64_t begin_ns, uint32_t stamp);

/* A call that was timed has returned; reeve_pace_inner.begun was `inner_begun` when it began. */
void reeve_history_ended(struct reeve_cluster *cluster, struct reeve_pace *pace,
    const struct reeve_invocation *invocation, uint32_t function, uint64_t begin_ns, uint32_t stamp,
    uint64_t inner_begun, int code);
/* One that another thread than the main one has run: each of them is timed. */
void reeve_history_ended_beside(struct reeve_cluster *cluster,
    const struct reeve_invocation *invocation, uint32_t function, uint64_t begin_ns, uint32_t stamp,
    int code);

/* The main thread goes to sleep: what comes then is timed, and what was short is over. */
void reeve_history_idle(struct reeve_cluster *cluster, uint64_t now_ns);

/* The task that this thread runs has lent its cpu since. */
void reeve_history_waited(struct reeve_cluster *cluster, uint64_t begin_ns);

#endif
