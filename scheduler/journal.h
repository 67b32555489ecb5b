/* The head's journal: what a head must know of its predecessors.
 *
 *      number   name value           the head's incarnation, the next node number, the cluster's uid
 *      node     number uid …         nodes that were alive: the next head waits for them, and says so when they do not come
 *      run      id node argv …       detached runs
 *
 * One SQLite file, in WAL mode. Numbers are durable before the call that changes them returns (a number given twice would confuse two
 * nodes); nodes and runs survive the death of the head, and may be a moment old after a power cut. What a call writes is
 * written at once unless it is between begin and commit: the head puts what one turn of its loop writes into one transaction.
 *
 * A private cluster has no second head: with a NULL path everything is kept in memory, and no SQLite file is opened. Not thread-safe;
 * calls may block for a disk write. Times are wall clock, ms since 1970. */
#ifndef REEVE_SCHEDULER_JOURNAL_H
#define REEVE_SCHEDULER_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/wire/message.h"

struct reeve_journal;

/* Opens the journal and makes it when there is none, and takes the next head incarnation. REEVE_ESTATE: the file or its folder cannot
 * be used (missing, not writable, full, corrupt, in use by another head, of a newer release); `text` (REEVE_TEXT_SIZE) says
 * which, and what to do. REEVE_ENOMEM. */
int reeve_journal_open(const char *path, struct reeve_journal **ret, char *text);
void reeve_journal_close(struct reeve_journal *journal);

uint16_t reeve_journal_head_incarnation(
    const struct reeve_journal *journal); /* from 1; after 65,535 it begins again */
uint32_t reeve_journal_node_next(
    const struct reeve_journal *journal); /* no number from here on was ever taken */
uint64_t reeve_journal_cluster_uid(const struct reeve_journal *journal); /* random, never 0 */

/* Durable on return. Numbers never go back. */
int reeve_journal_set_node_next(struct reeve_journal *journal, uint32_t number);

/* Between the two, writes are gathered. Nesting is not allowed. */
int reeve_journal_begin(struct reeve_journal *journal);
int reeve_journal_commit(struct reeve_journal *journal);

/* `node` is a JOIN message. */
int reeve_journal_put_node(struct reeve_journal *journal, const struct reeve_message *node);
int reeve_journal_remove_node(struct reeve_journal *journal, uint32_t number);
/* Calls `each` for the nodes of the journal, by number. It must not write to the journal. */
int reeve_journal_each_node(struct reeve_journal *journal,
    void (*each)(void *arg, const struct reeve_message *node), void *arg);

/* ---- detached runs ---- */

enum reeve_run_state {
    REEVE_RUN_STARTING,
    REEVE_RUN_RUNNING,
    REEVE_RUN_ENDED,  /* exit_status is how waitpid gives it */
    REEVE_RUN_FAILED, /* could not be started; text says why */
    REEVE_RUN_LOST,   /* its node died */
};

struct reeve_run {
    uint64_t id;   /* given by reeve_journal_add_run, from 1 */
    uint32_t node; /* where it runs; 0: not placed yet */
    enum reeve_run_state state;
    int exit_status;
    int64_t created_ms, started_ms, ended_ms; /* 0: not yet */
    const char *arguments;                    /* JSON array */
    const char *text;                         /* why it failed; may be NULL */
};

/* Gives it an id. Copies what it needs. */
int reeve_journal_add_run(struct reeve_journal *journal, struct reeve_run *run);
/* Writes all of it but id, arguments and created_ms. REEVE_EHANDLE: there is no such run. */
int reeve_journal_update_run(struct reeve_journal *journal, const struct reeve_run *run);
/* REEVE_EHANDLE: there is no such run. Strings of `ret` last until the next call to the journal. */
int reeve_journal_get_run(struct reeve_journal *journal, uint64_t id, struct reeve_run *ret);
/* By age. Strings last during the call. */
int reeve_journal_each_run(
    struct reeve_journal *journal, void (*each)(void *arg, const struct reeve_run *run), void *arg);
/* Forgets runs that ended before that time; returns how many, or an error. */
int reeve_journal_prune_runs(struct reeve_journal *journal, int64_t ended_before_ms);

/* What the last failed call has to say; static storage of the journal. */
const char *reeve_journal_error(const struct reeve_journal *journal);

#endif
