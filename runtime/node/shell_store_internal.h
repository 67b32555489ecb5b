/* What shell_store.c, shell_stage.c and shell_transfer.c share. */
#ifndef REEVE_NODE_SHELL_STORE_INTERNAL_H
#define REEVE_NODE_SHELL_STORE_INTERNAL_H

#include <pthread.h>

#include "objectstore/stage.h"
#include "runtime/base/fifo.h"
#include "runtime/base/list.h"
#include "runtime/base/map64.h"
#include "runtime/node/shell_segments.h"
#include "runtime/node/shell_spill.h"
#include "runtime/node/shell_store.h"

/* See shell_store_clients.c. */
struct late_message {
    uint32_t client;
    struct reeve_local_message message;
};

struct reeve_store_shell {
    struct reeve_store_shell_callbacks callbacks;
    void *arg;
    struct reeve_store *store;
    struct reeve_segments *segments;
    int segment_failed;        /* the error number with which the latest could not be made */
    struct reeve_spill *spill; /* NULL: there is no disk */
    const char *const *folders;
    struct reeve_fifo commands;
    bool carrying;
    bool hearing;           /* all that clients have sent is being read */
    struct reeve_fifo late; /* struct late_message: what is looked at when it has been read */
    uint64_t capacity_bytes;
    uint32_t node;
    uint64_t memory_ns; /* when the machine's memory was last looked at */

    /* shell_transfer.c */
    struct reeve_map64 landings;       /* by number */
    struct reeve_map64 transfer_peers; /* by node */
    struct reeve_map64 streaming;      /* by serial */
    pthread_mutex_t landings_mutex; /* landings are changed with it, by the loop; streams' threads
                                          look them up */
    uint8_t *scratch;               /* one piece on its way out */
    uint64_t lanes;                 /* bits: those that landings have, for people */

    /* shell_stage.c */
    struct reeve_stages *stages;
    struct reeve_map64 stage_waits; /* struct stage_wait by stage: who is told of its end */
    uint64_t stage_added;           /* the one that is being added, while that lasts; or 0 */
    struct reeve_stage_command stage_ended; /* its end, if it has ended; */
    bool stage_running;                     /* commands are being taken */
    struct reeve_object_id stage_failed;    /* what the latest that has failed could not get */
};

void reeve_store_shell_event(
    struct reeve_store_shell *shell, const struct reeve_store_event *event);
/* Tells the core how far it may grow: every so often, or when it has come near the end of what it
 * was told. */
void reeve_store_shell_look_at_memory(struct reeve_store_shell *shell, uint64_t bytes);
/* Before a peer's word about an object that is not known: it may just have been sealed. */
void reeve_store_shell_hear_first(struct reeve_store_shell *shell, struct reeve_object_id id);
/* Before room is asked for: tells the core how far it may grow, where that is old or not enough. */
void reeve_store_shell_look_at_memory(struct reeve_store_shell *shell, uint64_t bytes);
/* REEVE_ENOMEM. */
int reeve_stage_init(struct reeve_store_shell *shell);
void reeve_stage_fini(struct reeve_store_shell *shell);
/* An answer to a GET of the daemon. */
void reeve_stage_got(struct reeve_store_shell *shell, const struct reeve_store_command *command);

#endif
