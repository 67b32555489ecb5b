/* The control messages between daemons, as plain structs: what the cores see.
 *
 * One flat struct serves every kind, because control messages are rare (one per lease, not one per
 * task), and a struct without pointers can be queued, copied, compared in tests and replayed by the
 * simulator. The table below says which fields a kind uses; all others are zero. Data (calls,
 * results, chunks of objects and programs, log lines, requests of tools) never passes through a
 * core: it has its own protobuf messages in reeve.proto, and the shells forward it.
 *
 *   each kind: from -> to: fields, and on the next line what it means
 *
 *   JOIN        node -> head: node uid incarnation host address cpu_milli memory_bytes
 *               first message of a session, and after each reconnect; node: its former number,
 *               or 0
 *   HOLDING     node -> head: lease class process
 *               after JOIN, once per lease this node executes and, with lease 0, once per job of
 *               a driver elsewhere
 *   DEMAND      node -> head: process class count node
 *               this process could use `count` leases of the class in all, those it has
 *               included; the newest word replaces older ones; 0 withdraws; node: where large
 *               arguments of what waits lie, or 0
 *   REFUSED     executor -> head: lease code text
 *               a granted lease could not be admitted or came to nothing
 *   ENDED       executor -> head: lease
 *               the lease is over and its slot is free again
 *   LENT        executor -> head: lease count
 *               1: the lease's worker waits and lends its cpu; 0: it wants it back
 *   BLOCKED     node -> head: process worker class count text
 *               this process is blocked inside a task (text: what waits for what); worker: the
 *               process that has what it waits for, 0: nobody, and class says what could run it;
 *               count: a number for this wait, 0: it goes on. Said again after WELCOME
 *   STUCK       node -> head: count
 *               1: it has as many workers as it may, and all of them are blocked; 0: no more
 *   DEADLOCK    head -> node: process count text
 *               that wait of this process would never end: it is to fail
 *   NAME_CLAIM  node -> head: process count class host address text actor_number actor_host
 *               that actor of the process is to have a name: namespace (host) and name (address);
 *               text: its type, class: its job and table of functions; count: a number for the
 *               question, which NAMED answers. Between JOIN and the first message that is neither
 *               HOLDING nor this: it has it, as far as the node knows
 *   NAME_FIND   node -> head: process count class host address text
 *               which actor has the name? text: of which type it is to be, empty: of any
 *   NAME_DROP   node -> head: process host address actor_number
 *               the actor has ended, and does not need its name any more
 *   NAMED       head -> node: process count code worker actor_number actor_host text
 *               the answer to a claim or find; worker: the actor's owner. A code not 0: why not.
 *               Said once more of a claim that was granted: the name is lost
 *   JOB_BEGIN   driver's node -> head: process text count
 *               a driver has come (text: its name; count: its weight, 0: the default)
 *   JOB_END     driver's node -> head: process
 *               it has gone
 *   WELCOME     head -> node: node incarnation count
 *               answer to JOIN; count: heartbeat period in ms
 *   PEER_UP     head -> node: node incarnation host address
 *               how to reach that node
 *   PEER_UP     node -> head: node
 *               who is that? answered by PEER_UP or PEER_DOWN; of itself: it has joined, and has
 *               said all that its processes want
 *   PEER_DOWN   head -> node: node incarnation code text; REEVE_ESHUTDOWN: it has been stopped
 *               the verdict: that incarnation is dead for everyone
 *   GRANT       head -> executor: lease class process
 *               make room, start a worker, tell the holder
 *   RECALL      head -> executor -> holder's node: lease count
 *               give it back when what is claimed has finished; count 1: others wait for it, give
 *               it back when you have nothing for it to do
 *   JOB_END     head -> every node: process
 *               stop the job's workers, free its objects
 *   INFEASIBLE  head -> driver's node: process class code text
 *               no node of the cluster could ever satisfy the class
 *   HEARTBEAT   node -> head: memory_bytes count held_bytes object_count text code
 *               I live (code REEVE_ESHUTDOWN: and am ending: no more leases); the size of my store,
 *               how much of it is used, the pages that it holds, and how many objects; where it can
 *               spill, what is on disk (JSON, for status)
 *   HEARTBEAT   head -> node, or node -> node: -
 *               I live
 *   OPEN        executor -> holder's node: lease class process worker
 *               the worker is ready; a channel can be made
 *   FAILED      executor -> holder's node: lease class process code text
 *               the lease came to nothing (the program does not run there…)
 *   LOST        executor -> holder's node: lease process code text
 *               the worker died; entries have been answered before
 *   RETURN      holder's node -> executor: lease code
 *               the holder needs it no more; a code: the holder is gone
 *
 * When executor and holder's node are one, OPEN, FAILED, LOST and RETURN stay inside the node
 * core. */
#ifndef REEVE_WIRE_MESSAGE_H
#define REEVE_WIRE_MESSAGE_H

#include <stdint.h>

#include "runtime/base/ids.h"

enum reeve_message_kind {
    REEVE_MESSAGE_NONE,
    REEVE_MESSAGE_JOIN,
    REEVE_MESSAGE_HOLDING,
    REEVE_MESSAGE_DEMAND,
    REEVE_MESSAGE_REFUSED,
    REEVE_MESSAGE_ENDED,
    REEVE_MESSAGE_LENT,
    REEVE_MESSAGE_JOB_BEGIN,
    REEVE_MESSAGE_JOB_END,
    REEVE_MESSAGE_WELCOME,
    REEVE_MESSAGE_PEER_UP,
    REEVE_MESSAGE_PEER_DOWN,
    REEVE_MESSAGE_GRANT,
    REEVE_MESSAGE_RECALL,
    REEVE_MESSAGE_INFEASIBLE,
    REEVE_MESSAGE_HEARTBEAT,
    REEVE_MESSAGE_OPEN,
    REEVE_MESSAGE_FAILED,
    REEVE_MESSAGE_LOST,
    REEVE_MESSAGE_RETURN,
    REEVE_MESSAGE_BLOCKED,
    REEVE_MESSAGE_STUCK,
    REEVE_MESSAGE_DEADLOCK,
    REEVE_MESSAGE_NAME_CLAIM,
    REEVE_MESSAGE_NAME_FIND,
    REEVE_MESSAGE_NAME_DROP,
    REEVE_MESSAGE_NAMED,
    REEVE_MESSAGE_KIND_COUNT
};

#define REEVE_HOST_SIZE    64  /* host names and addresses are cut, never overrun */
#define REEVE_ADDRESS_SIZE 128 /* nng url */
#define REEVE_TEXT_SIZE    256 /* why, for people */

struct reeve_message {
    enum reeve_message_kind kind;
    int32_t code;
    uint32_t node;
    uint32_t cpu_milli;
    uint64_t uid;
    uint64_t incarnation;
    uint64_t memory_bytes;
    uint64_t lease;
    uint64_t count;
    uint64_t held_bytes;
    uint64_t object_count;
    uint64_t actor_number; /* this and the next: of a handle (reeve_actor.h) */
    uint64_t actor_host;
    reeve_process_id process;
    reeve_process_id worker;
    struct reeve_class class;
    char host[REEVE_HOST_SIZE];
    char address[REEVE_ADDRESS_SIZE];
    char text[REEVE_TEXT_SIZE];
};

const char *reeve_message_kind_name(enum reeve_message_kind kind);

#endif
