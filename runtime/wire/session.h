/* The table of sessions: which pipe belongs to which proven peer, and what is owed to those on the
 * way there. Pure: events in, commands out; time and randomness come from outside. link.c turns
 * nng's callbacks into these events and carries out the commands.
 *
 *     dial ──▶ DIALLING ──(challenge read, proof sent)──▶ UP ──(close)──▶ CLOSING ──▶ gone
 *     hello read ──▶ ANSWERING ──(proof read)──▶ UP
 *     hello that cannot be served ──▶ REFUSING ──▶ gone
 *
 * Each session has an outbox, ours to open and close (OPEN, CLOSE), and a pipe of the inbox, which
 * is the peer's outbox. Pipes are known from when they appear; one that has not proven itself
 * within the handshake's time is dropped. Strangers, that have not even said a good hello, are
 * limited in number: the oldest makes room.
 *
 * Between two daemons there is one session. When both dial at once, two handshakes are under way,
 * and the hello of the smaller uid counts:
 *   - the larger uid, reading the challenge to its own hello while it answers a hello of that peer,
 *     lets its own dial join the other;
 *   - the smaller uid, having gone up by its own hello, will not accept the proof of the other
 *     handshake any more, as long as that session lasts;
 *   - a dialler whose peer turns out to be up already keeps that session and lets the dial go;
 *   - an answerer that reads a good proof of a peer that is up replaces the old session: the
 *     peer has lost it. */
#ifndef REEVE_WIRE_SESSION_H
#define REEVE_WIRE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/fifo.h"
#include "runtime/base/list.h"
#include "runtime/base/map64.h"
#include "runtime/wire/handshake.h"

#define REEVE_STRANGER_PIPES_MAX 256u /* unless strangers_max is set to another */
#define REEVE_REMOTE_SIZE        64
#define REEVE_CLOSING_TIME_NS    1000000000ull

enum reeve_session_state {
    REEVE_SESSION_DIALLING,
    REEVE_SESSION_ANSWERING,
    REEVE_SESSION_REFUSING,
    REEVE_SESSION_UP,
    REEVE_SESSION_CLOSING,
};

struct reeve_session {
    uint64_t id;
    enum reeve_session_state state;
    bool connected;  /* the outbox */
    bool superseded; /* the other handshake with this peer has won; see above */
    bool dialler;
    bool joined;   /* a dial whose peer has come up otherwise: nobody waits for it any more */
    uint32_t pipe; /* of the inbox; 0: none yet */
    uint64_t deadline_ns;
    struct reeve_list node;           /* in pending, closing or up */
    struct reeve_list dial_node;      /* in dialling */
    char dialled[REEVE_ADDRESS_SIZE]; /* whose dial this is; empty: nobody's */
    struct reeve_handshake handshake;
    uint8_t send_key[REEVE_FRAME_KEY_SIZE], receive_key[REEVE_FRAME_KEY_SIZE];
    uint64_t sent, received; /* sequence numbers */
    int code;                /* REFUSING and CLOSING: why */
    char text[REEVE_TEXT_SIZE];
    void *shell; /* of link.c */
};

enum reeve_session_command_kind {
    REEVE_SESSION_OPEN, /* session address: connect an outbox */
    REEVE_SESSION_SEND, /* session data: a frame of the handshake, through its outbox */
    /* session: close its outbox, free what the shell has; the id is not used again */
    REEVE_SESSION_CLOSE,
    REEVE_SESSION_DROP_PIPE,   /* pipe: of the inbox */
    REEVE_SESSION_PEER_UP,     /* session */
    REEVE_SESSION_PEER_DOWN,   /* session code text */
    REEVE_SESSION_DIAL_FAILED, /* address code text */
    REEVE_SESSION_REJECTED,    /* code text */
};

struct reeve_session_command {
    enum reeve_session_command_kind kind;
    int code;
    uint64_t session;
    uint32_t pipe;
    uint32_t size;
    void *shell; /* CLOSE: what the session had, as it is gone */
    char address[REEVE_ADDRESS_SIZE];
    union {
        char text[REEVE_TEXT_SIZE];
        uint8_t data[REEVE_HANDSHAKE_SIZE_MAX];
    };
};

#define REEVE_SEEN_HELLOS 1024

struct reeve_sessions {
    struct reeve_handshake_self self;
    uint64_t timeout_ns;
    void (*random)(void *arg, uint8_t *out, size_t size);
    void *arg;
    struct reeve_map64 by_id;   /* struct reeve_session */
    struct reeve_map64 by_pipe; /* struct pipe */
    struct reeve_list pending;  /* sessions with a deadline, earliest first */
    struct reeve_list dialling; /* those of pending that are */
    struct reeve_list closing;  /* likewise */
    struct reeve_list up;
    /* Those that are up, by the uid of the peer, and by hashes of the address that it has and of
     * the one that was dialled; without memory one may be missing: then a second session with that
     * peer ends the first. */
    struct reeve_map64 up_by_uid, up_by_address;
    struct reeve_list unproven; /* pipes, oldest first */
    uint32_t stranger_count, strangers_max;
    uint64_t next_id;
    struct reeve_fifo commands;
    struct reeve_session_command lost; /* written to when memory has run out */
    /* Hellos read lately, so that none is answered twice within the time in which it would be
     * accepted. */
    uint64_t seen[REEVE_SEEN_HELLOS];
    uint32_t seen_at;
};

int reeve_sessions_init(struct reeve_sessions *sessions, const struct reeve_handshake_self *self,
    uint64_t timeout_ns, void (*random)(void *arg, uint8_t *out, size_t size), void *arg);

/* The shell's part of the sessions must be gone. */
void reeve_sessions_fini(struct reeve_sessions *sessions);

/* --- events; now_ns is monotonic, wall_ms the wall clock --- */

/* REEVE_OK or REEVE_ENOMEM. */
int reeve_sessions_dial(struct reeve_sessions *sessions, const char *address, uint64_t now_ns);
void reeve_sessions_connected(struct reeve_sessions *sessions, uint64_t id, uint64_t wall_ms);
/* The outbox did not come about, or is lost. */
void reeve_sessions_not_connected(
    struct reeve_sessions *sessions, uint64_t id, int code, const char *text);
void reeve_sessions_outbox_lost(struct reeve_sessions *sessions, uint64_t id);
/* A pipe of the inbox; `remote` is for people. */
void reeve_sessions_pipe_added(
    struct reeve_sessions *sessions, uint32_t pipe, const char *remote, uint64_t now_ns);
void reeve_sessions_pipe_removed(struct reeve_sessions *sessions, uint32_t pipe);
/* Something came through a pipe. Returns the session when it is an authentic, sequenced frame of
 * messages, whose payload starts after the header; NULL when it has been dealt with. The bytes
 * of the mac are changed. */
struct reeve_session *reeve_sessions_receive(struct reeve_sessions *sessions, uint32_t pipe,
    uint8_t *frame, size_t size, uint64_t now_ns, uint64_t wall_ms);
void reeve_sessions_tick(struct reeve_sessions *sessions, uint64_t now_ns);

/* When to call tick; UINT64_MAX: not at all. */
uint64_t reeve_sessions_deadline(const struct reeve_sessions *sessions);

/* --- sessions that are up --- */

/* NULL unless it is up. */
struct reeve_session *reeve_sessions_find(const struct reeve_sessions *sessions, uint64_t id);
const struct reeve_identity *reeve_session_peer(const struct reeve_session *session);
/* Gives the frame its number and mac. */
void reeve_session_seal(
    struct reeve_session *session, uint8_t *frame, size_t size, enum reeve_frame_type type);
/* What the peer sent was authentic but makes no sense: reported, and the session is over. */
void reeve_sessions_fail(
    struct reeve_sessions *sessions, struct reeve_session *session, int code, const char *text);
/* From now on nothing is received; PEER_DOWN follows when the peer has closed its side (the
 * shell has sent it a goodbye), or after a second. */
void reeve_sessions_close(struct reeve_sessions *sessions, struct reeve_session *session, int code,
    const char *text, uint64_t now_ns);

/* The oldest command; false when there is none. */
bool reeve_sessions_next(struct reeve_sessions *sessions, struct reeve_session_command *ret);

/* Audits the tables; for tests. */
void reeve_sessions_check(const struct reeve_sessions *sessions);

#endif
