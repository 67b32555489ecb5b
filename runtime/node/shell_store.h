/* The object store's shell in the node daemon: feeds the store core with what clients and peers
 * say, and carries out its commands on real memory (shell_segments.h). It knows no socket: it
 * sends through the callbacks, and is called by the daemon when
 *
 *   a client comes, hangs up, has been reaped, or says something      reeve_store_shell_client_…
 *   a peer sends something; its session is new; it is dead            reeve_store_shell_peer_…
 *   reeve_store_shell_deadline has come, or there was more to do      reeve_store_shell_turn
 *
 * What goes to disk and comes back (shell_spill.h) is done in the thread pool of a loop, which
 * calls into the shell when something has ended.
 *
 * The callbacks are called from within these, in order, and must not call back into the shell
 * except for staging and unstaging, and for what `hear` is there for. All functions are called
 * on the loop's thread. */
#ifndef REEVE_NODE_SHELL_STORE_H
#define REEVE_NODE_SHELL_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "objectstore/stage.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/local.h"

struct reeve_store_shell;

/* A piece on its way out, for a stream. */
struct reeve_store_piece {
    uint64_t serial;
    uint64_t number, size;
    const uint8_t *bytes; /* good until reeve_store_shell_stream_sent */
    uint32_t length, other;
    bool large; /* of a large object */
};

/* A piece that has come, or (code) has not. */
struct reeve_store_transfer {
    struct reeve_object_id id;
    uint64_t begin_ns, length;
    uint32_t node; /* from where */
    uint32_t lane; /* no other has it that was on its way at the same time */
    int32_t code;
};

struct reeve_store_shell_callbacks {
    /* The descriptors in the message stay ours. What it returns is not looked at: a client that
     * cannot be reached is about to be reported as closed. */
    int (*send_client)(void *arg, uint32_t client, const struct reeve_local_message *message);
    /* The message, and the bytes it points to, are good during the call only. A peer that cannot be
     * reached is no error: either its session begins anew (peer_reset) or it is dead
     * (peer_down). */
    void (*send_node)(void *arg, uint32_t node, const Reeve__Message *message);
    /* Reads all that clients have sent so far, and hands it to reeve_store_shell_client_message.
     * May be NULL, where what is sealed is known before anyone can ask. */
    void (*hear)(void *arg);
    /* Bytes that wait to be sent to a node; pieces of objects wait while they are many, until
     * reeve_store_shell_drained. NULL: there are never many. */
    size_t (*node_queued)(void *arg, uint32_t node);
    /* Touches `length` bytes at `offset` of the memfd, in the background, and closes it; then
     * reeve_store_shell_prepared. Another code than 0: it will not (the descriptor stays ours).
     * NULL: nothing is prepared. */
    int (*prepare)(void *arg, int fd, uint32_t segment, uint64_t offset, uint64_t length);
    /* Likewise gives the pages back; then reeve_store_shell_returned. NULL: that is done at
     * once. */
    int (*give_back)(void *arg, int fd, uint32_t segment, uint64_t offset, uint64_t length);
    /* Streams beside the sessions (wire/bulk.h). Where ours listen, as others should dial it, or
     * NULL. NULL: there are none. */
    const char *(*stream_address)(void *arg);
    /* REEVE_OK: reeve_store_shell_stream_sent follows, later. */
    int (*stream_send)(
        void *arg, uint32_t node, const char *address, const struct reeve_store_piece *piece);
    /* There is something left to do: call reeve_store_shell_turn in the next turn of the loop. May
     * be NULL, if it is called in every turn anyway. */
    void (*wake)(void *arg);
    /* For people. May be NULL. */
    void (*transferred)(void *arg, const struct reeve_store_transfer *transfer);
};

struct reeve_store_shell_settings {
    struct reeve_store_settings store;
    uv_loop_t *loop; /* where there are folders to spill to; must outlive the shell's disk */
    struct reeve_store_shell_callbacks callbacks;
    void *arg;
};

/* REEVE_ENOMEM. */
int reeve_store_shell_create(
    const struct reeve_store_shell_settings *settings, struct reeve_store_shell **ret);
/* Ends what the disk is doing, while the loop is still there; nothing is spilled or restored from
 * then on. Runs the loop. Nothing to do where nothing is spilled. */
void reeve_store_shell_end_disk(struct reeve_store_shell *shell);
/* Takes NULL. Nobody is told anything; all memory is given back. */
void reeve_store_shell_free(struct reeve_store_shell *shell);

void reeve_store_shell_node(struct reeve_store_shell *shell, uint32_t node);
/* What that node's machine is called; for texts. */
void reeve_store_shell_host(struct reeve_store_shell *shell, uint32_t node, const char *host);
/* `client` is the daemon's handle: not 0, and not used for another process while the daemon
 * lives. */
void reeve_store_shell_client_added(
    struct reeve_store_shell *shell, uint32_t client, reeve_process_id process);
/* It is likely to put much: a driver. After its WELCOME has been sent. */
void reeve_store_shell_client_hungry(struct reeve_store_shell *shell, uint32_t client);
void reeve_store_shell_client_closed(struct reeve_store_shell *shell, uint32_t client);
/* Only when the process is known to be gone, and its socket has been drained. */
void reeve_store_shell_client_reaped(struct reeve_store_shell *shell, uint32_t client);
/* False: the message is not for the store. */
bool reeve_store_shell_client_message(
    struct reeve_store_shell *shell, uint32_t client, const struct reeve_local_message *message);

/* False: the message is not for the store. REEVE_EPROTOCOL in *ret_code: it is malformed, drop the
 * peer. */
bool reeve_store_shell_peer_message(
    struct reeve_store_shell *shell, uint32_t node, const Reeve__Message *message, int *ret_code);
/* What waited to be sent to it has become little. */
void reeve_store_shell_drained(struct reeve_store_shell *shell, uint32_t node);
/* What streams tell. The first is for their threads: where a piece is to be written, NULL: it is
 * not wanted; with a place, landed follows. */
uint8_t *reeve_store_shell_place(
    struct reeve_store_shell *shell, uint32_t node, uint64_t number, uint32_t length);
void reeve_store_shell_landed(struct reeve_store_shell *shell, uint32_t node, uint64_t number,
    uint64_t size, uint32_t other, bool good);
void reeve_store_shell_stream_sent(struct reeve_store_shell *shell, uint64_t serial, bool good);
/* One from that node has ended in the middle. */
void reeve_store_shell_stream_lost(struct reeve_store_shell *shell, uint32_t node);
/* Its session has ended, for now. */
void reeve_store_shell_peer_lost(struct reeve_store_shell *shell, uint32_t node);
void reeve_store_shell_peer_reset(struct reeve_store_shell *shell, uint32_t node);
void reeve_store_shell_peer_down(struct reeve_store_shell *shell, uint32_t node);
/* A job has ended, or a process elsewhere that could own objects. */
void reeve_store_shell_owner_gone(struct reeve_store_shell *shell, reeve_process_id process);

/* What `prepare` was asked for is done (code 0), or could not be. */
void reeve_store_shell_prepared(
    struct reeve_store_shell *shell, uint32_t segment, uint64_t offset, int code);

/* The same for `give_back`. */
void reeve_store_shell_returned(
    struct reeve_store_shell *shell, uint32_t segment, uint64_t offset, int code);

/* Does what time has made due and what was left over. True: there is more, call again in the next
 * turn of the loop. */
bool reeve_store_shell_turn(struct reeve_store_shell *shell);
/* CLOCK_MONOTONIC; UINT64_MAX: none. */
uint64_t reeve_store_shell_deadline(const struct reeve_store_shell *shell);

uint64_t reeve_store_shell_capacity(const struct reeve_store_shell *shell);
void reeve_store_shell_status(
    const struct reeve_store_shell *shell, struct reeve_store_status *ret);
/* What status says of the disk, as JSON in at most `size` bytes; empty where nothing is spilled. */
void reeve_store_shell_describe_disk(
    const struct reeve_store_shell *shell, char *text, size_t size);
/* Pages of all segments that exist: what the store costs the machine now. */
uint64_t reeve_store_shell_held(const struct reeve_store_shell *shell);
/* The core, to ask it (reeve_store_find, reeve_store_next_object). */
const struct reeve_store *reeve_store_shell_core(const struct reeve_store_shell *shell);

/* --- staging: the arguments of a task are brought here before it starts ----------------------- */

/* All are here and pinned (code 0), or none is and the stage is over. Called once, unless it is
 * unstaged before. */
typedef void (*reeve_store_staged)(void *arg, uint64_t stage, int code, const char *text);

/* Brings the objects here and pins them, all or none. What has to be pulled is pulled in the order
 * of calls, and only so much at a time that it fits together; what is here already does not wait.
 * REEVE_OK: they are here and pinned. REEVE_EAGAIN: `callback` will be called. In both cases
 * *ret_stage names the stage until it is unstaged or has failed. Other codes: it cannot be done
 * (*ret_text says why, until the next call); there is no stage. */
int reeve_store_shell_stage(struct reeve_store_shell *shell,
    const struct reeve_store_wanted *wanted, uint32_t count, reeve_store_staged callback, void *arg,
    uint64_t *ret_stage, const char **ret_text);
/* What a stage could not get: right after it has failed, or in its callback. */
struct reeve_object_id reeve_store_shell_stage_failed(const struct reeve_store_shell *shell);
/* Takes the pins away, or calls the staging off. */
void reeve_store_shell_unstage(struct reeve_store_shell *shell, uint64_t stage);

#endif
