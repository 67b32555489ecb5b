/* The head's journal: what a head must know of its predecessors.
 *
 *      number   name value           the head's incarnation, the next node number, the cluster's
 *                                    uid
 *      node     number uid …         nodes that were alive: the next head waits for them, and says
 *                                    so when they do not come
 *      name     namespace, name …    names of actors, and who has them
 *      run      id, a row of JSON    detached runs
 *
 * One SQLite file, in WAL mode. Numbers are durable before the call that changes them returns (a
 * number given twice would confuse two nodes); nodes, names and runs survive the death of the head,
 * and may be a moment old after a power cut. Each call is a transaction of its own.
 *
 * A private cluster has no second head: with a NULL path everything is kept in memory, and no
 * SQLite file is opened. Not thread-safe; calls may block for a disk write. Times are wall
 * clock, ms since 1970. */
#ifndef REEVE_SCHEDULER_JOURNAL_H
#define REEVE_SCHEDULER_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/wire/message.h"

struct reeve_journal;

/* Opens the journal and makes it when there is none, and takes the next head incarnation.
 * REEVE_ESTATE: the file or its folder cannot be used (missing, not writable, full, corrupt, in
 * use by another head, of a newer release); `text` (REEVE_TEXT_SIZE) says which, and what to do.
 * REEVE_ENOMEM. */
int reeve_journal_open(const char *path, struct reeve_journal **ret, char *text);
void reeve_journal_close(struct reeve_journal *journal);

uint16_t reeve_journal_head_incarnation(
    const struct reeve_journal *journal); /* from 1; after 65,535 it begins again */
uint32_t reeve_journal_node_next(
    const struct reeve_journal *journal); /* no number from here on was ever taken */
uint64_t reeve_journal_cluster_uid(const struct reeve_journal *journal); /* random, never 0 */

/* Durable on return. Numbers never go back. */
int reeve_journal_set_node_next(struct reeve_journal *journal, uint32_t number);

/* `node` is a JOIN message. */
int reeve_journal_put_node(struct reeve_journal *journal, const struct reeve_message *node);
int reeve_journal_remove_node(struct reeve_journal *journal, uint32_t number);
/* Calls `each` for the nodes of the journal, by number. It must not write to the journal. */
int reeve_journal_each_node(struct reeve_journal *journal,
    void (*each)(void *arg, const struct reeve_message *node), void *arg);

/* `name` is a NAME_CLAIM; replaces what had the name. */
int reeve_journal_put_name(struct reeve_journal *journal, const struct reeve_message *name);
int reeve_journal_remove_name(
    struct reeve_journal *journal, const char *name_space, const char *name);
/* As reeve_journal_each_node; in order of namespace and name. */
int reeve_journal_each_name(struct reeve_journal *journal,
    void (*each)(void *arg, const struct reeve_message *name), void *arg);

/* ---- detached runs ---- */

/* A run is a row of JSON that the head writes and reads; the journal does not look into it.
 * Replaces what the id had. */
int reeve_journal_put_run(struct reeve_journal *journal, const char *id, const char *json);
int reeve_journal_remove_run(struct reeve_journal *journal, const char *id);
/* In the order in which the ids first came. Strings last during the call. It must not write to
 * the journal. */
int reeve_journal_each_run(struct reeve_journal *journal,
    void (*each)(void *arg, const char *id, const char *json), void *arg);

/* What the last failed call has to say; static storage of the journal. */
const char *reeve_journal_error(const struct reeve_journal *journal);

#endif
