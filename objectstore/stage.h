/* Staging: the objects that a task needs are brought to this node, and pinned, before it starts;
 * all or none.
 *
 *     add ─▶ all here? ── yes ─▶ begun: asked for ─▶ pinned ─▶ ENDED, code 0 ─▶ drop
 *                └── no ─▶ queue ─▶ begun, if it fits ─┘  └─ one cannot be had ─▶ ENDED, its code
 *
 * Were stages begun as they come, two tasks could each hold half of the store and wait for the
 * other half. So a stage begins only when all that has been begun fits into half of the store
 * together (or alone, however large it is).
 *
 * A stage is a client of the store like another, by the handle REEVE_STORE_DAEMON: what the store
 * is to be told comes out as events for it, and its answers to the daemon's GETs go in:
 *
 *     code = reeve_stages_add(stages, wanted, count, &stage, &total);
 *     while (reeve_stages_next(stages, &command))   SAY: reeve_store_step(…, &command.event, …)
 *     reeve_stages_got(stages, &answer);            a REPLY_GET to REEVE_STORE_DAEMON
 *
 * Commands must be taken after every call, before anything else is told to the store. */
#ifndef REEVE_OBJECTSTORE_STAGE_H
#define REEVE_OBJECTSTORE_STAGE_H

#include "objectstore/store.h"

struct reeve_store_wanted {
    struct reeve_object_id id;
    uint64_t size; /* 0: not known */
    uint32_t node; /* where it is */
    bool given;    /* its owner is not the process in its id */
};

enum reeve_stage_command_kind {
    REEVE_STAGE_SAY = 1, /* event: to the store */
    REEVE_STAGE_ENDED,   /* stage: all are here and pinned; or (code not 0, text) it is over */
};

struct reeve_stage_command {
    enum reeve_stage_command_kind kind;
    struct reeve_store_event event;
    uint64_t stage;
    int32_t code;
    struct reeve_object_id lost; /* code not 0: what could not be had */
    char text[REEVE_STORE_TEXT_SIZE];
};

struct reeve_stages;

/* Of this store, which is only asked what lies where. NULL: no memory. */
struct reeve_stages *reeve_stages_create(const struct reeve_store *store, uint64_t capacity_bytes);
/* Takes NULL. Returns NULL. The store is told nothing. */
struct reeve_stages *reeve_stages_free(struct reeve_stages *stages);

/* How much of it is to be brought, in bytes of memory. */
uint64_t reeve_stages_missing(
    const struct reeve_stages *stages, const struct reeve_store_wanted *wanted, uint32_t count);
/* 0: ENDED follows, with the commands that are to be taken now or later. REEVE_ETOOLARGE: they do
 * not fit into the store together (*ret_total bytes); REEVE_ENOMEM: there is no stage. */
int reeve_stages_add(struct reeve_stages *stages, const struct reeve_store_wanted *wanted,
    uint32_t count, uint64_t *ret_stage, uint64_t *ret_total);
/* Takes the pins away, or calls the staging off: then ENDED does not follow. Nothing happens when
 * there is no such stage (any more). */
void reeve_stages_drop(struct reeve_stages *stages, uint64_t stage);
/* An answer to a GET of the daemon. */
void reeve_stages_got(struct reeve_stages *stages, const struct reeve_store_command *answer);

bool reeve_stages_next(struct reeve_stages *stages, struct reeve_stage_command *ret);

struct reeve_stages_status {
    uint64_t count;         /* of stages, */
    uint64_t waiting_count; /* of which so many have not begun */
    uint64_t coming_bytes;  /* of those that have begun and not ended */
};
void reeve_stages_status(const struct reeve_stages *stages, struct reeve_stages_status *ret);
/* NULL when the tables agree, else what does not (static text). For tests. */
const char *reeve_stages_check(const struct reeve_stages *stages);

#endif
