/* The table of remote functions of this program.
 *
 * Constructors (REEVE_REMOTE) and reeve_register put functions into a linked list.
 * reeve_registry_seal sorts them by name: from then on a function has an index, the same in every
 * process of the program, and that is what a ring entry carries. Driver and worker compare
 * reeve_registry_hash; where it differs, the driver's text and the worker's are compared line by
 * line, to say what differs.
 *
 *     text:   "process_data(int64) -> int64\n"       one line a function, sorted
 *             "shift(point{double x,double y}) -> point{double x,double y}\n"
 *                                                    structs are spelled out: a changed member
 *                                                    shows
 */
#ifndef REEVE_CLIENT_REGISTRY_H
#define REEVE_CLIENT_REGISTRY_H

#include <reeve.h>

/* Sorts and closes the table. Idempotent. REEVE_EINVAL: two functions of one name (described in
 * `error`); REEVE_ENOMEM. Not thread-safe: called by reeve_init. */
int reeve_registry_seal(struct reeve_error_info *error);

/* After the seal; read-only, so from any thread. find: NULL if there is none. at: NULL past the
 * end. */
size_t reeve_registry_count(void);
const struct reeve_function *reeve_registry_at(size_t index);
const struct reeve_function *reeve_registry_find(const char *name);

/* Over names and signatures of all functions, in order. */
uint64_t reeve_registry_hash(void);

/* The table as text, as drawn above; the registry's, ends with a zero byte. */
const char *reeve_registry_text(void);

/* Says in one sentence how two tables differ: "the worker lacks f(int64) -> int64; g differs:
 * ...". `ours` is the driver's text. Neither needs to be well-formed. Returns false, and "" in
 * buffer, when they are equal. */
bool reeve_registry_difference(const char *ours, const char *theirs, char *buffer, size_t size);

#endif
