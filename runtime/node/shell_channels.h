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

/* Executor's: a call that waits, for its arguments or for room in the worker's ring. */
struct daemon_call {
    struct reeve_list link; /* in channel->calls, in order of arrival */
    struct daemon_channel *channel;
    struct reeve_run_entry entry; /* its payload: ours */
    uint64_t stage;               /* not 0: staged, or being staged */
    uint64_t bytes;               /* of its arguments that are objects */
    bool unstaged;                /* its arguments have not been asked for yet */
    bool staging;
    uint64_t staging_since_ns;
    int code;                    /* not 0: its arguments cannot be brought here… */
    struct reeve_object_id lost; /* …because of this one: ELOST, ECORRUPT */
    char text[REEVE_STORE_TEXT_SIZE];
    uint8_t payload[];
};

/* By slot of the call ring. Executor's: what the worker has been given; holder's: what the executor
 * has been sent. */
struct daemon_sent {
    uint64_t task;
    uint64_t position;
    uint64_t stage; /* executor's: the pins of its arguments, or 0 */
    uint32_t tag, attempt, function;
    bool taken; /* there is one */
};

/* Holder's: a result that waits for room in the return ring. */
struct daemon_result {
    struct reeve_list link;
    struct reeve_run_entry entry;
    uint8_t payload[];
};

struct daemon_channel {
    struct daemon *daemon;
    enum daemon_channel_kind kind;
    uint64_t lease;
    uint32_t holder, worker; /* serials; 0: on the other node */
    uint32_t node;           /* the other one */
    reeve_process_id caller; /* executor's: the holder, on that node */
    int fd;
    void *memory;
    size_t size;
    struct reeve_channel revoker;
    struct reeve_channel end;      /* bridged: ours */
    struct reeve_list bridge_link; /* in daemon->bridged */
    struct daemon_sent *sent;      /* bridged: as many as the call ring has slots */
    uint32_t sent_count;
    uint64_t given; /* executor's: positions before it have been given to the worker; of these, */
    uint64_t next;  /* those before it have mostly been answered */
    struct reeve_list calls; /* executor's */
    uint32_t call_count;     /* in it */
    uint64_t waiting_bytes;  /* likewise, of the objects among their arguments */
    bool calls_changed;      /* some of them may be ready now */
    bool ordered;            /* it leads to actors: none is passed to the worker before another */
    bool refuses; /* one was refused for its argument: so are all but RESUMES (entry.h) */
    struct reeve_list results; /* holder's */
    bool broken;               /* its client scribbled */
};

/* shell_channels.c */
struct daemon_channel *daemon_channel_get(struct daemon *daemon, uint64_t lease);
struct daemon_client *daemon_channel_client(const struct daemon_channel *channel);

/* The channel that a node speaks of; NULL: it is none of these with that node. */
struct daemon_channel *daemon_channel_with(
    struct daemon *daemon, uint32_t node, uint64_t lease, enum daemon_channel_kind kind);
/* To the node at the other end of a bridged one; while there is no session nothing is said, for
 * with it goes what was under way. */
void daemon_channel_tell(const struct daemon_channel *channel, const Reeve__Message *message);

/* shell_entry.c: a slot of a ring ↔ an entry of a run. Bytes are not copied: they are good as
 * long as those they were made from. */
void daemon_entry_from_view(
    const struct reeve_entry_view *view, uint32_t tag, struct reeve_run_entry *entry);
/* A call's stamp (runtime/channel/stamp.h): as an age on its way, and as of our clock again. */
void daemon_entry_restamp(struct reeve_run_entry *entry);
/* False: malformed. */
bool daemon_entry_check(const struct reeve_run_entry *entry);
/* Writes the entry at the next place of the ring, to be published. Errors: reeve_ring_reserve. */
int daemon_entry_write(
    struct reeve_ring *ring, const struct reeve_run_entry *entry, uint64_t *ret_position);
/* To the other node. Without a session the lease is lost, which the core has been told or presently
 * is. */
void daemon_entry_send(struct daemon_channel *channel, const struct reeve_run_entry *entry);
/* An answer that the daemon itself gives: RECALLED (code REEVE_ECANCELLED), or a failure with a
 * message for people. */
/* The call cannot be run, for this object among its arguments is lost, or damaged. */
void daemon_entry_answer_lost(struct daemon_channel *channel, const struct reeve_run_entry *call,
    int code, struct reeve_object_id lost, const char *text);
void daemon_entry_answer(struct daemon_channel *channel, const struct reeve_run_entry *call,
    int32_t code, const char *text);
struct daemon_sent *daemon_sent_at(const struct daemon_channel *channel, uint64_t position);

/* shell_executor.c, shell_holder.c: one look at a bridged channel's ring. How many entries were
 * there: DAEMON_ENTRIES_A_TURN, when there may be more. */
#define DAEMON_ENTRIES_A_TURN 512u
uint32_t daemon_executor_turn(struct daemon_channel *channel);
uint32_t daemon_holder_turn(struct daemon_channel *channel);
void daemon_executor_calls(struct daemon_channel *channel, const Reeve__Calls *calls);
void daemon_executor_take_back(struct daemon_channel *channel, const Reeve__TakeBack *take_back);
/* To the worker of the channel: the task is to stop, if it is that which runs. */
void daemon_executor_cancel(
    struct daemon_channel *channel, uint64_t task, const Reeve__Cancel *cancel);
/* To the worker of the channel: the reader of the stream that it runs has taken so much. */
void daemon_executor_credit(struct daemon_channel *channel, const Reeve__Credit *credit);
/* How far the task has come that the channel's worker runs. */
void daemon_executor_progress(struct daemon_channel *channel, const Reeve__Progress *asked);
/* The worker is dead and the ring revoked: every call is answered. */
void daemon_executor_answer_all(
    struct daemon_channel *channel, const struct reeve_node_command *command);
void daemon_executor_free(struct daemon_channel *channel);
void daemon_holder_returns(struct daemon_channel *channel, const Reeve__Returns *returns);
/* The executor has answered all calls that it had, and lost its worker: the others were on their
 * way, and nobody has run them. */
void daemon_holder_answer_all(struct daemon_channel *channel);
/* The task has been sent and not been answered. */
bool daemon_holder_has(const struct daemon_channel *channel, uint64_t task);
void daemon_holder_free(struct daemon_channel *channel);

/* shell_bridge.c */
bool daemon_bridge_is_full(const struct daemon_channel *channel); /* the link to the other node */
/* Looks in the next turn of the loop. */
void daemon_bridge_soon(struct daemon *daemon);

#endif
