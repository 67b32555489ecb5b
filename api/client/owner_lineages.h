/* A call that is kept, and what owner_lineage.c (keeping it) and owner_remake.c (running it again)
 * share. */
#ifndef REEVE_CLIENT_OWNER_LINEAGES_H
#define REEVE_CLIENT_OWNER_LINEAGES_H

#include "api/client/owner_internal.h"

/* The call that has made a task's object; in one piece of memory with what it points to. The
 * futures in its arguments count it among their lineage_references. */
struct owner_lineage {
    struct reeve_list node; /* of the owner's, oldest first */
    struct owner_task *task;
    uint32_t size; /* of all of it */
    uint32_t splice_count;
    uint32_t arguments_size;
    bool never_inline;
    bool has_parent; /* 16 bytes behind the arguments */
    bool has_parts;  /* of a call with several results */
    bool is_part;    /* of one of these: the only future that it needs is that of the call… */
    uint32_t number, count; /* …of which it is this one… */
    uint32_t index;         /* …and this is its task */
    struct reeve_owner_retries retries;
    struct reeve_owner_splice *splices;
    uint8_t *arguments;
};

/* Bytes in the store that only lineage keeps there. */
static inline uint64_t owner_kept_bytes(const struct owner_task *task)
{
    bool kept = task->state == REEVE_TASK_LINEAGE &&
                (task->flags & (OWNER_RESULT_OBJECT | OWNER_GIVEN)) == OWNER_RESULT_OBJECT;
    return kept ? task->bytes.object.size_bytes : 0;
}

static inline struct owner_lineage *owner_lineage_of(const struct owner_task *task)
{
    return task->flags & OWNER_RESULT_OBJECT ? task->bytes.made.lineage : NULL;
}

/* Whose call makes the task's object: its own, or that of which it is one of several results. */
static inline const struct owner_task *owner_maker_of(
    const struct reeve_owner *owner, const struct owner_task *task)
{
    const struct owner_lineage *lineage = owner_lineage_of(task);
    return lineage != NULL && lineage->is_part
               ? owner_task_at(owner, owner_task_index(lineage->splices[0].task))
               : task;
}

/* Takes it from its task, which has lost it or hands it on; or NULL. */
struct owner_lineage *owner_lineage_unset(struct reeve_owner *owner, struct owner_task *task);
/* What it needed is not needed by it any more: `pending` (linked by next) gets what is left of
 * that. NULL: nothing. */
uint32_t owner_lineage_free(
    struct reeve_owner *owner, struct owner_lineage *lineage, uint32_t pending);
/* Of a DONE task; it is anchored no more. */
void owner_lineage_object_free(struct reeve_owner *owner, struct owner_task *task, uint32_t index);

#endif
