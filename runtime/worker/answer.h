/* What a worker writes into return rings: answers, and what goes before them.
 *
 * The main thread alone answers until there is a job (jobs.h). From then on several threads do, and
 * each takes the word of reeve_worker_publish_begin around what it writes. `job` is whose call it
 * is, where that runs beside the main thread or is answered later; else NULL, and the caller is
 * the main thread. Internal to this folder. */
#ifndef REEVE_WORKER_ANSWER_H
#define REEVE_WORKER_ANSWER_H

#include "api/client/cluster.h"
#include "runtime/base/buffer.h"

struct job;

void answer_init(struct reeve_cluster *cluster, const char *host);

/* The main thread's last answer found its holder asleep. */
extern bool answer_woke_holder;

/* Publishes the answer to the entry. `object`: where the value is; with an error, what has been
 * lost. */
void answer(struct reeve_cluster_channel *channel, struct job *job,
    const struct reeve_entry_view *view, int status, const struct reeve_reference *object,
    const void *bytes, size_t size);
/* Of an entry that has no references, no flags and no status (yet). */
static inline void answer_slot_fill(
    struct reeve_slot *slot, const struct reeve_entry_view *view, uint8_t kind)
{
    slot->task = view->task;
    slot->attempt = view->attempt;
    slot->function = view->function;
    slot->references = 0;
    slot->kind = kind;
    slot->flags = 0;
    slot->status = 0;
}
/* The main thread: the call has not been run, and its holder has it back. */
void answer_recalled(struct reeve_cluster_channel *channel, const struct reeve_entry_view *view);
/* Publishes what the futures in the result are, in pieces, before the answer. */
void answer_pieces(struct reeve_cluster_channel *channel, const struct job *job,
    const struct reeve_entry_view *view, const struct reeve_buffer *bytes);
/* Answers a job's call with an error. */
void answer_error(struct job *job, const struct reeve_error_info *error);
/* Publishes the state of an actor. False: its owner has gone. */
bool answer_saved(struct job *job, uint32_t actor, const void *bytes, size_t size);

/* A failure as a map for people: entry.h. Returns its size in `bytes`. */
size_t answer_error_pack(const struct reeve_error_info *error, uint8_t *bytes, size_t capacity);
/* The daemon keeps the last failures, for `reeve tasks`. A program that fails all the time tells of
 * some of them. */
void answer_failure_tell(const struct reeve_cluster *cluster, int code, uint32_t function,
    struct reeve_object_id task, const char *text);

#endif
