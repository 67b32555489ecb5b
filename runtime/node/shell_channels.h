/* Channels as the daemon has them, and their bridge between two nodes.
 *
 *   local       holder (client) ◀═ segment ═▶ worker (client)
 *
 *   bridged     holder (client) ◀═ segment ═▶ daemon as WORKER       the holder's node
 *                                                │      ▲
 *                                Calls, TakeBack ▼      │ Returns
 *                                             daemon as HOLDER ◀═ segment ═▶ worker (client) */
#ifndef REEVE_NODE_SHELL_CHANNELS_H
#define REEVE_NODE_SHELL_CHANNELS_H

#include "runtime/node/shell_daemon.h"

enum daemon_channel_kind { CHANNEL_LOCAL, CHANNEL_EXECUTOR, CHANNEL_HOLDER };

/* Executor's: a call that has come and has not been answered. */
struct daemon_call {
    struct reeve_list link; /* in channel->calls, in order of arrival */
    struct daemon_channel *channel;
    uint64_t task;
    uint32_t attempt, function;
    uint16_t references, flags;
    uint8_t kind;
    bool in_ring, staging, staged;
    uint64_t position; /* in the ring */
    uint64_t stage;
    uint32_t size; /* of payload, until it is in the ring */
    uint8_t *payload;
};

/* Holder's: a result that waits for room in the return ring. */
struct daemon_result {
    struct reeve_list link;
    uint64_t task;
    uint32_t attempt, function, size;
    int16_t status;
    uint16_t references, flags;
    uint8_t kind;
    uint8_t payload[];
};

struct daemon_channel {
    struct daemon *daemon;
    enum daemon_channel_kind kind;
    uint64_t lease;
    uint32_t holder, worker; /* serials; 0: on the other node */
    uint32_t node;           /* the other one */
    int fd;
    void *memory;
    size_t size;
    struct reeve_channel revoker;
    struct reeve_channel end;      /* bridged: ours */
    struct reeve_list bridge_link; /* in daemon->bridged */
    struct reeve_list calls;       /* executor's */
    struct reeve_map64
        by_task; /* executor's: daemon_call; holder's: position + 1 of the claimed entry */
    struct reeve_list results; /* holder's */
    bool broken;               /* its client scribbled */
};

/* shell_channels.c */
struct daemon_channel *daemon_channel_get(struct daemon *daemon, uint64_t lease);
struct daemon_client *daemon_channel_client(const struct daemon_channel *channel);

/* shell_entry.c: a slot of a ring ↔ Entry on the wire. Bytes are not copied: they are good as
 * long as those they were made from. */
void daemon_entry_from_view(const struct reeve_entry_view *view, Reeve__Entry *entry);
/* False: malformed. */
bool daemon_entry_check(const Reeve__Entry *entry);
/* An answer that the daemon itself gives: RECALLED, or a failure with a message for people.
 * `space` holds the payload. */
#define DAEMON_ANSWER_SIZE (REEVE_TEXT_SIZE + 64u)
void daemon_entry_answer(const struct daemon_call *call, int32_t code, const char *text,
    uint8_t space[DAEMON_ANSWER_SIZE], Reeve__Entry *entry);

/* Collects entries, and sends them in messages that fit a frame. */
#define DAEMON_BATCH_ENTRIES 128u
#define DAEMON_BATCH_BYTES   (256u * 1024u)
struct daemon_batch {
    struct daemon_channel *channel;
    bool returns;
    size_t count, bytes;
    Reeve__Entry entries[DAEMON_BATCH_ENTRIES];
    Reeve__Entry *pointers[DAEMON_BATCH_ENTRIES];
};
void daemon_batch_init(struct daemon_batch *batch, struct daemon_channel *channel, bool returns);
/* The next entry to fill; call daemon_batch_add then. */
Reeve__Entry *daemon_batch_next(struct daemon_batch *batch);
/* True: it is full, and has been sent. */
bool daemon_batch_add(struct daemon_batch *batch);
void daemon_batch_send(struct daemon_batch *batch);

/* shell_executor.c, shell_holder.c: one look at a bridged channel's ring. True: something was
 * there. */
bool daemon_executor_turn(struct daemon_channel *channel);
bool daemon_holder_turn(struct daemon_channel *channel);
void daemon_executor_calls(struct daemon_channel *channel, const Reeve__Calls *calls);
void daemon_executor_take_back(struct daemon_channel *channel, const Reeve__TakeBack *take_back);
/* The worker is dead and the ring revoked: every call is answered. */
void daemon_executor_answer_all(
    struct daemon_channel *channel, const struct reeve_node_command *command);
void daemon_executor_free(struct daemon_channel *channel);
void daemon_holder_returns(struct daemon_channel *channel, const Reeve__Returns *returns);
/* The executor has answered all calls that it had, and lost its worker: the others were on their
 * way, and nobody has run them. */
void daemon_holder_answer_all(struct daemon_channel *channel);
void daemon_holder_free(struct daemon_channel *channel);

/* shell_bridge.c */
bool daemon_bridge_is_full(const struct daemon_channel *channel); /* the link to the other node */

#endif
