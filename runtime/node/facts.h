/* facts.h: what a node knows of tasks, for `reeve tasks` and `reeve jobs`. Pure: time comes in.
 *
 *   watch      a worker's outermost task, seen now and then: since when has it been the same?
 *   tally      how many executions of each function of a job have ended here, in workers that have
 *              gone (those that live have theirs in their page, doorbell.h)
 *   failures   the last so many executions that failed; of the rest, how many they were
 *
 * Nothing of this is asked of the workers: the daemon reads what they write anyway. */
#ifndef REEVE_NODE_FACTS_H
#define REEVE_NODE_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/ids.h"

/* --- watches ---------------------------------------------------------------------------------- */

struct reeve_watch {
    uint64_t begun;
    uint64_t since_ns; /* 0: none is running */
};

/* What the page says now: outermost tasks begun and ended. `since_ns` is when the task that is
 * running was first seen: it has run for at least as long. */
static inline void reeve_watch_look(
    struct reeve_watch *watch, uint64_t begun, uint64_t ended, uint64_t now_ns)
{
    if (begun == ended)
        watch->since_ns = 0;
    else if (watch->since_ns == 0 || watch->begun != begun)
        watch->since_ns = now_ns;
    watch->begun = begun;
}

/* --- tallies ---------------------------------------------------------------------------------- */

#define REEVE_TALLY_FUNCTIONS 236u /* the last one: all further functions */

struct reeve_tally {
    uint64_t cpu_ns;
    struct {
        uint64_t finished, failed;
    } functions[REEVE_TALLY_FUNCTIONS];
};

/* --- failures --------------------------------------------------------------------------------- */

#define REEVE_FAILURES_MAX      256u
#define REEVE_FAILURE_TEXT_SIZE 256

struct reeve_failure {
    uint64_t number; /* counts from 1 */
    uint64_t at_ns;
    reeve_process_id job;
    reeve_process_id owner; /* of the task */
    uint64_t task;
    uint32_t worker; /* its process id */
    int32_t code;
    char function[128];
    char text[REEVE_FAILURE_TEXT_SIZE];
};

struct reeve_failures {
    uint64_t count; /* all there have been */
    struct reeve_failure last[REEVE_FAILURES_MAX];
};

/* A place for the next one, zeroed but for its number: it takes that of the oldest. */
struct reeve_failure *reeve_failures_add(struct reeve_failures *failures);

/* The `back`th from the end (0: the latest), or NULL when there are not so many, or no longer. */
const struct reeve_failure *reeve_failures_at(const struct reeve_failures *failures, uint64_t back);

/* The name in line `index` of a table of functions ("name signature" a line, NULL: none is known):
 * its length, and where it stands; 0: there is no such line. */
size_t reeve_function_find(
    const char *table, size_t table_size, uint32_t index, const char **ret_name);
/* The same into `name`; "function 7" where there is no such line. */
void reeve_function_name(
    const char *table, size_t table_size, uint32_t index, char *name, size_t size);

#endif
