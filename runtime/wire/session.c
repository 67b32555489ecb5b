/* The table of sessions; states and rules are told in session.h. */
#include "runtime/wire/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <reeve_errors.h>

#include "runtime/base/assert.h"
#include "runtime/base/macros.h"
#include "runtime/wire/reeve.pb-c.h"
#include "runtime/wire/session_up.h"

/* A pipe of the inbox. */
struct pipe {
    uint32_t id;
    bool proven;
    bool greeted; /* its one hello has been read */
    bool spared;  /* its time has been over once */
    uint64_t deadline_ns;
    struct reeve_list node;        /* in unproven */
    struct reeve_session *session; /* NULL: none (yet, or any more) */
    char remote[REEVE_REMOTE_SIZE];
};

/* --- commands ----------------------------------------------------------------------------- */

/* Out of memory here loses a command: the timeouts and the loss of pipes clean up. */
static struct reeve_session_command *command(
    struct reeve_sessions *sessions, enum reeve_session_command_kind kind)
{
    struct reeve_session_command *out = reeve_fifo_push(&sessions->commands);
    if (out == NULL)
        out = &sessions->lost;
    out->kind = kind;
    return out;
}

REEVE_PRINTF(3, 4)
static void reject(struct reeve_sessions *sessions, int code, const char *format, ...)
{
    struct reeve_session_command *out = command(sessions, REEVE_SESSION_REJECTED);
    out->code = code;
    va_list values;
    va_start(values, format);
    vsnprintf(out->text, sizeof out->text, format, values);
    va_end(values);
}

static void dial_failed(
    struct reeve_sessions *sessions, const char *address, int code, const char *text)
{
    struct reeve_session_command *out = command(sessions, REEVE_SESSION_DIAL_FAILED);
    out->code = code;
    snprintf(out->address, sizeof out->address, "%s", address);
    snprintf(out->text, sizeof out->text, "%s", text);
}

static void peer_down(struct reeve_sessions *sessions, const struct reeve_session *session,
    int code, const char *text)
{
    struct reeve_session_command *out = command(sessions, REEVE_SESSION_PEER_DOWN);
    out->session = session->id;
    out->code = code;
    snprintf(out->text, sizeof out->text, "%s", text);
}

/* --- life of pipes and sessions ------------------------------------------------------------ */

int reeve_sessions_init(struct reeve_sessions *sessions, const struct reeve_handshake_self *self,
    uint64_t timeout_ns, void (*random)(void *arg, uint8_t *out, size_t size), void *arg)
{
    memset(sessions, 0, sizeof *sessions);
    sessions->self = *self;
    sessions->timeout_ns = timeout_ns;
    sessions->random = random;
    sessions->arg = arg;
    sessions->next_id = 1;
    sessions->strangers_max = REEVE_STRANGER_PIPES_MAX;
    reeve_map64_init(&sessions->by_id);
    reeve_map64_init(&sessions->by_pipe);
    reeve_map64_init(&sessions->up_by_uid);
    reeve_map64_init(&sessions->up_by_address);
    reeve_list_init(&sessions->pending);
    reeve_list_init(&sessions->dialling);
    reeve_list_init(&sessions->closing);
    reeve_list_init(&sessions->up);
    reeve_list_init(&sessions->unproven);
    reeve_fifo_init(&sessions->commands, sizeof(struct reeve_session_command));
    return REEVE_OK;
}

void reeve_sessions_fini(struct reeve_sessions *sessions)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sessions->by_id, &at, NULL, &value)) {
        sodium_memzero(value, sizeof(struct reeve_session));
        free(value);
    }
    reeve_map64_fini(&sessions->by_id);
    reeve_map64_fini(&sessions->up_by_uid);
    reeve_map64_fini(&sessions->up_by_address);
    reeve_map64_fini_values(&sessions->by_pipe);
    reeve_fifo_fini(&sessions->commands);
    sodium_memzero(&sessions->self, sizeof sessions->self);
}

static struct reeve_session *session_add(
    struct reeve_sessions *sessions, enum reeve_session_state state, uint64_t deadline_ns)
{
    struct reeve_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->id = sessions->next_id;
    if (reeve_map64_put(&sessions->by_id, session->id, session, NULL) != REEVE_OK) {
        free(session);
        return NULL;
    }
    sessions->next_id++;
    session->state = state;
    session->deadline_ns = deadline_ns;
    struct reeve_list *before = sessions->pending.prev; /* nearly always there */
    while (before != &sessions->pending &&
           REEVE_LIST_ENTRY(before, struct reeve_session, node)->deadline_ns > deadline_ns)
        before = before->prev;
    reeve_list_insert_after(before, &session->node);
    reeve_list_init(&session->dial_node);
    return session;
}

static int dial_until(struct reeve_sessions *sessions, const char *address, uint64_t deadline_ns)
{
    struct reeve_session *session = session_add(sessions, REEVE_SESSION_DIALLING, deadline_ns);
    if (session == NULL)
        return REEVE_ENOMEM;
    session->dialler = true;
    reeve_list_push_back(&sessions->dialling, &session->dial_node);
    snprintf(session->dialled, sizeof session->dialled, "%s", address);
    struct reeve_session_command *out = command(sessions, REEVE_SESSION_OPEN);
    out->session = session->id;
    snprintf(out->address, sizeof out->address, "%s", session->dialled);
    return REEVE_OK;
}

/* A pipe is counted until it has shown that its owner holds the key, be it only by a hello. */
static void pipe_uncount(struct reeve_sessions *sessions, struct pipe *pipe)
{
    if (!pipe->proven && !pipe->greeted)
        sessions->stranger_count--;
}

static void pipe_forget(struct reeve_sessions *sessions, struct pipe *pipe)
{
    pipe_uncount(sessions, pipe);
    reeve_list_remove(&pipe->node);
    reeve_map64_remove(&sessions->by_pipe, pipe->id);
    if (pipe->session != NULL)
        pipe->session->pipe = 0;
    free(pipe);
}

static void pipe_drop(struct reeve_sessions *sessions, struct pipe *pipe)
{
    command(sessions, REEVE_SESSION_DROP_PIPE)->pipe = pipe->id;
    pipe_forget(sessions, pipe);
}

/* Frees the session. What its callers are owed has been said. */
static void session_remove(
    struct reeve_sessions *sessions, struct reeve_session *session, bool drop)
{
    struct reeve_session_command *out = command(sessions, REEVE_SESSION_CLOSE);
    out->session = session->id;
    out->shell = session->shell;
    struct pipe *pipe =
        session->pipe != 0 ? reeve_map64_get(&sessions->by_pipe, session->pipe) : NULL;
    if (pipe != NULL && drop) {
        pipe_drop(sessions, pipe);
    } else if (pipe != NULL) {
        pipe->session = NULL;
    }
    if (session->state == REEVE_SESSION_UP)
        reeve_session_up_remove(sessions, session);
    reeve_list_remove(&session->node);
    reeve_list_remove(&session->dial_node);
    reeve_map64_remove(&sessions->by_id, session->id);
    sodium_memzero(session, sizeof *session);
    free(session);
}

const struct reeve_identity *reeve_session_peer(const struct reeve_session *session)
{
    return session->dialler ? &session->handshake.answerer : &session->handshake.dialler;
}

/* A dial that had joined this handshake fails with it, unless another with the same peer is, or may
 * yet come, up. Where the peer has only given its own hello up, the dial goes on by itself. */
static void release_dial(struct reeve_sessions *sessions, const struct reeve_session *session,
    int code, const char *text)
{
    if (session->dialled[0] == 0 || session->joined)
        return;
    if (session->state == REEVE_SESSION_ANSWERING) {
        uint64_t uid = session->handshake.dialler.uid;
        if (reeve_session_up_with(sessions, uid) != NULL)
            return;
        REEVE_LIST_EACH(node, &sessions->pending)
        {
            struct reeve_session *other = REEVE_LIST_ENTRY(node, struct reeve_session, node);
            if (other != session && other->state == REEVE_SESSION_ANSWERING &&
                other->handshake.dialler.uid == uid) {
                snprintf(other->dialled, sizeof other->dialled, "%s", session->dialled);
                return;
            }
        }
        if (code == REEVE_ELINK &&
            dial_until(sessions, session->dialled, session->deadline_ns) == REEVE_OK)
            return;
    }
    dial_failed(sessions, session->dialled, code, text);
}

/* Ends a session for whatever reason and in whatever state, with what its callers are owed. */
static void session_end(
    struct reeve_sessions *sessions, struct reeve_session *session, int code, const char *text)
{
    switch (session->state) {
    case REEVE_SESSION_UP: peer_down(sessions, session, code, text); break;
    case REEVE_SESSION_CLOSING: peer_down(sessions, session, session->code, session->text); break;
    case REEVE_SESSION_DIALLING:
    case REEVE_SESSION_ANSWERING: release_dial(sessions, session, code, text); break;
    case REEVE_SESSION_REFUSING: break;
    }
    session_remove(sessions, session, true);
}

static void pipe_prove(struct reeve_sessions *sessions, struct pipe *pipe)
{
    pipe_uncount(sessions, pipe);
    pipe->proven = true;
    reeve_list_remove(&pipe->node);
}

static void session_up(
    struct reeve_sessions *sessions, struct reeve_session *session, struct pipe *pipe)
{
    struct reeve_handshake_keys keys;
    reeve_handshake_keys(&session->handshake, &sessions->self, &keys);
    const uint8_t *send = session->dialler ? keys.dialler_to_answerer : keys.answerer_to_dialler;
    const uint8_t *receive = session->dialler ? keys.answerer_to_dialler : keys.dialler_to_answerer;
    memcpy(session->send_key, send, REEVE_FRAME_KEY_SIZE);
    memcpy(session->receive_key, receive, REEVE_FRAME_KEY_SIZE);
    sodium_memzero(&keys, sizeof keys);
    session->state = REEVE_SESSION_UP;
    session->deadline_ns = UINT64_MAX;
    session->pipe = pipe->id;
    pipe->session = session;
    pipe_prove(sessions, pipe);
    reeve_list_remove(&session->node);
    reeve_list_remove(&session->dial_node);
    reeve_list_push_back(&sessions->up, &session->node);
    reeve_session_up_add(sessions, session);
    command(sessions, REEVE_SESSION_PEER_UP)->session = session->id;
}

struct reeve_session *reeve_sessions_find(const struct reeve_sessions *sessions, uint64_t id)
{
    struct reeve_session *session = reeve_map64_get(&sessions->by_id, id);
    return session != NULL && session->state == REEVE_SESSION_UP ? session : NULL;
}

/* --- the outbox's side --------------------------------------------------------------------- */

int reeve_sessions_dial(struct reeve_sessions *sessions, const char *address, uint64_t now_ns)
{
    REEVE_LIST_EACH(node, &sessions->pending)
    {
        const struct reeve_session *session = REEVE_LIST_ENTRY(node, struct reeve_session, node);
        if (!session->joined && strcmp(session->dialled, address) == 0)
            return REEVE_OK;
    }
    if (reeve_session_is_up_at(sessions, address))
        return REEVE_OK;
    return dial_until(sessions, address, now_ns + sessions->timeout_ns);
}

void reeve_sessions_connected(struct reeve_sessions *sessions, uint64_t id, uint64_t wall_ms)
{
    struct reeve_session *session = reeve_map64_get(&sessions->by_id, id);
    if (session == NULL || session->connected)
        return;
    session->connected = true;
    uint8_t nonce[REEVE_NONCE_SIZE];
    struct reeve_session_command *out = command(sessions, REEVE_SESSION_SEND);
    out->session = id;
    switch (session->state) {
    case REEVE_SESSION_DIALLING:
        sessions->random(sessions->arg, nonce, sizeof nonce);
        out->size = (uint32_t)reeve_handshake_hello(
            &session->handshake, &sessions->self, session->dialled, wall_ms, nonce, out->data);
        break;
    case REEVE_SESSION_ANSWERING:
        sessions->random(sessions->arg, nonce, sizeof nonce);
        out->size = (uint32_t)reeve_handshake_challenge(
            &session->handshake, &sessions->self, nonce, out->data);
        break;
    case REEVE_SESSION_REFUSING:
        out->size = (uint32_t)reeve_handshake_refused(
            &session->handshake, &sessions->self, session->code, session->text, out->data);
        break;
    case REEVE_SESSION_UP:
    case REEVE_SESSION_CLOSING: REEVE_ASSERT(!"up without an outbox");
    }
}

void reeve_sessions_not_connected(
    struct reeve_sessions *sessions, uint64_t id, int code, const char *text)
{
    struct reeve_session *session = reeve_map64_get(&sessions->by_id, id);
    if (session == NULL)
        return;
    if (session->state == REEVE_SESSION_DIALLING) {
        session_end(sessions, session, code, text);
        return;
    }
    /* They said hello and we cannot reach them. Their pipe stays until its time is over: closing
     * it would tell them that their key is wrong. */
    reject(sessions, code, "hello from %s, but it cannot be reached there (--advertise): %.100s",
        session->handshake.dialler.address, text);
    release_dial(sessions, session, code, text);
    session_remove(sessions, session, false);
}

void reeve_sessions_outbox_lost(struct reeve_sessions *sessions, uint64_t id)
{
    struct reeve_session *session = reeve_map64_get(&sessions->by_id, id);
    if (session == NULL)
        return;
    char text[REEVE_TEXT_SIZE];
    int code = REEVE_ELINK;
    if (session->state != REEVE_SESSION_DIALLING) {
        snprintf(text, sizeof text, "the connection was lost");
    } else if (!session->connected) {
        code = REEVE_EPROTOCOL;
        snprintf(
            text, sizeof text, "what listens at %s is no daemon of a cluster", session->dialled);
    } else {
        code = REEVE_EKEY; /* closed without a word: our hello's mac was not right */
        snprintf(text, sizeof text, "%s refused our cluster key", session->dialled);
    }
    session_end(sessions, session, code, text);
}

/* --- the inbox's side ---------------------------------------------------------------------- */

/* For those who misbehave before they have proven anything. */
static void pipe_reject(
    struct reeve_sessions *sessions, struct pipe *pipe, int code, const char *what)
{
    reject(sessions, code, "%s: %.180s", pipe->remote, what);
    if (pipe->session != NULL)
        session_end(sessions, pipe->session, code, what);
    else
        pipe_drop(sessions, pipe);
}

void reeve_sessions_pipe_added(
    struct reeve_sessions *sessions, uint32_t id, const char *remote, uint64_t now_ns)
{
    if (sessions->stranger_count >= sessions->strangers_max) {
        struct reeve_list *oldest = sessions->unproven.next;
        while (REEVE_LIST_ENTRY(oldest, struct pipe, node)->greeted)
            oldest = oldest->next;
        pipe_reject(sessions, REEVE_LIST_ENTRY(oldest, struct pipe, node), REEVE_EBUSY,
            "dropped, as too many connections have not said hello");
    }
    struct pipe *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL || reeve_map64_put(&sessions->by_pipe, id, pipe, NULL) != REEVE_OK) {
        free(pipe);
        command(sessions, REEVE_SESSION_DROP_PIPE)->pipe = id;
        return;
    }
    pipe->id = id;
    pipe->deadline_ns = now_ns + sessions->timeout_ns;
    snprintf(pipe->remote, sizeof pipe->remote, "%s", remote);
    reeve_list_push_back(&sessions->unproven, &pipe->node);
    sessions->stranger_count++;
}

void reeve_sessions_pipe_removed(struct reeve_sessions *sessions, uint32_t id)
{
    struct pipe *pipe = reeve_map64_get(&sessions->by_pipe, id);
    if (pipe == NULL)
        return;
    struct reeve_session *session = pipe->session;
    if (session == NULL && !pipe->greeted)
        reject(sessions, REEVE_EPROTOCOL,
            "%s: gone without a proof, or cut off for a message above the limit", pipe->remote);
    pipe_forget(sessions, pipe);
    if (session != NULL)
        session_end(sessions, session, REEVE_ELINK, "the connection was lost");
}

/* True when the hello with this nonce has been read before; remembers it. */
static bool seen_before(struct reeve_sessions *sessions, const uint8_t nonce[REEVE_NONCE_SIZE])
{
    uint64_t mark;
    memcpy(&mark, nonce, sizeof mark);
    for (size_t i = 0; i < REEVE_SEEN_HELLOS; i++)
        if (sessions->seen[i] == mark && mark != 0)
            return true;
    sessions->seen[sessions->seen_at] = mark;
    sessions->seen_at = (sessions->seen_at + 1) % REEVE_SEEN_HELLOS;
    return false;
}

static void receive_hello(struct reeve_sessions *sessions, struct pipe *pipe, const uint8_t *frame,
    size_t size, uint64_t now_ns, uint64_t wall_ms)
{
    struct reeve_handshake handshake;
    char text[REEVE_TEXT_SIZE];
    if (pipe->greeted) {
        pipe_reject(sessions, pipe, REEVE_EPROTOCOL, "a second hello on one connection");
        return;
    }
    int error = reeve_handshake_read_hello(&handshake, &sessions->self, frame, size, wall_ms, text);
    if (error == REEVE_EKEY || error == REEVE_EPROTOCOL) {
        pipe_reject(sessions, pipe, error, text);
        return;
    }
    if (seen_before(sessions, handshake.dialler_nonce)) {
        pipe_reject(sessions, pipe, REEVE_EPROTOCOL, "a hello seen before");
        return;
    }
    enum reeve_session_state next =
        error == REEVE_OK ? REEVE_SESSION_ANSWERING : REEVE_SESSION_REFUSING;
    struct reeve_session *session = session_add(sessions, next, now_ns + sessions->timeout_ns);
    if (session == NULL) {
        pipe_reject(sessions, pipe, REEVE_ENOMEM, "out of memory");
        return;
    }
    pipe_uncount(sessions, pipe);
    pipe->greeted = true;
    pipe->session = session;
    session->pipe = pipe->id;
    session->handshake = handshake;
    if (error != REEVE_OK) {
        session->code = error;
        snprintf(session->text, sizeof session->text, "%s", text);
        if (handshake.dialler.uid != sessions->self.identity.uid)
            reject(sessions, error, "%s: %.180s", pipe->remote, text);
    }
    struct reeve_session_command *out = command(sessions, REEVE_SESSION_OPEN);
    out->session = session->id;
    snprintf(out->address, sizeof out->address, "%s", handshake.dialler.address);
}

/* Both for challenges and for refusals: the dial that this answers. */
static struct reeve_session *answered_dial(
    const struct reeve_sessions *sessions, const uint8_t *frame, size_t size)
{
    uint8_t nonce[REEVE_NONCE_SIZE];
    if (reeve_handshake_echoed_nonce(frame, size, nonce) != REEVE_OK)
        return NULL;
    REEVE_LIST_EACH(node, &sessions->dialling)
    {
        struct reeve_session *session = REEVE_LIST_ENTRY(node, struct reeve_session, dial_node);
        if (session->connected &&
            sodium_memcmp(nonce, session->handshake.dialler_nonce, sizeof nonce) == 0)
            return session;
    }
    return NULL;
}

static void receive_challenge(
    struct reeve_sessions *sessions, struct pipe *pipe, const uint8_t *frame, size_t size)
{
    char text[REEVE_TEXT_SIZE];
    struct reeve_session *dial = answered_dial(sessions, frame, size);
    if (dial == NULL || pipe->session != NULL) {
        pipe_reject(sessions, pipe, REEVE_EPROTOCOL, "a challenge that answers no hello of ours");
        return;
    }
    int error =
        reeve_handshake_read_challenge(&dial->handshake, &sessions->self, frame, size, text);
    if (error != REEVE_OK) {
        pipe_reject(sessions, pipe, error, text); /* the dial goes on: anybody could have sent it */
        return;
    }
    uint64_t uid = dial->handshake.answerer.uid;
    if (dial->joined || reeve_session_up_with(sessions, uid) != NULL) {
        session_remove(sessions, dial, true);
        pipe_drop(sessions, pipe);
        return;
    }
    REEVE_LIST_EACH(node, &sessions->pending)
    {
        struct reeve_session *other = REEVE_LIST_ENTRY(node, struct reeve_session, node);
        if (other->state != REEVE_SESSION_ANSWERING || other->handshake.dialler.uid != uid)
            continue;
        if (uid < sessions->self.identity.uid) {
            snprintf(other->dialled, sizeof other->dialled, "%s", dial->dialled);
            session_remove(sessions, dial, true);
            pipe_drop(sessions, pipe);
            return;
        }
        other->superseded = true;
    }
    struct reeve_session_command *out = command(sessions, REEVE_SESSION_SEND);
    out->session = dial->id;
    out->size = (uint32_t)reeve_handshake_proof(&dial->handshake, &sessions->self, out->data);
    session_up(sessions, dial, pipe);
}

static void receive_refused(
    struct reeve_sessions *sessions, struct pipe *pipe, const uint8_t *frame, size_t size)
{
    char text[REEVE_TEXT_SIZE];
    int code;
    struct reeve_session *dial = answered_dial(sessions, frame, size);
    if (dial != NULL && pipe->session == NULL &&
        reeve_handshake_read_refused(&dial->handshake, &sessions->self, frame, size, &code, text) ==
            REEVE_OK) {
        session_end(sessions, dial, code, text);
        pipe_drop(sessions, pipe);
    } else {
        pipe_reject(sessions, pipe, REEVE_EPROTOCOL, "a refusal that answers no hello of ours");
    }
}

static void receive_proof(
    struct reeve_sessions *sessions, struct pipe *pipe, const uint8_t *frame, size_t size)
{
    char text[REEVE_TEXT_SIZE];
    struct reeve_session *session = pipe->session;
    if (session == NULL || session->state != REEVE_SESSION_ANSWERING || !session->connected) {
        pipe_reject(sessions, pipe, REEVE_EPROTOCOL, "a proof that answers no challenge of ours");
        return;
    }
    int error = reeve_handshake_read_proof(&session->handshake, &sessions->self, frame, size, text);
    if (error != REEVE_OK) {
        pipe_reject(sessions, pipe, error, text);
        return;
    }
    const struct reeve_identity *peer = &session->handshake.dialler;
    struct reeve_session *old = reeve_session_up_with(sessions, peer->uid);
    if (old != NULL && session->superseded) {
        session_remove(sessions, session, true);
        return;
    }
    if (old != NULL)
        session_end(sessions, old, REEVE_ELINK, "replaced by a new session of the same peer");
    REEVE_LIST_EACH(node, &sessions->dialling)
    {
        struct reeve_session *other = REEVE_LIST_ENTRY(node, struct reeve_session, dial_node);
        if (strcmp(other->dialled, peer->address) == 0)
            other->joined =
                /* it has what it wanted; it goes on to its end, so that the peer sees a clean
                 * one */
                true;
    }
    session_up(sessions, session, pipe);
}

/* From a peer whose session is up. */
static struct reeve_session *receive_frame(struct reeve_sessions *sessions,
    struct reeve_session *session, const struct reeve_frame_header *header, uint8_t *frame,
    size_t size)
{
    if (header->version != REEVE_WIRE_VERSION || header->sequence != session->received + 1 ||
        (header->type != REEVE_FRAME_MESSAGES && header->type != REEVE_FRAME_GOODBYE)) {
        reeve_sessions_fail(sessions, session, REEVE_EPROTOCOL, "a frame out of sequence");
        return NULL;
    }
    if (reeve_frame_verify(frame, size, header->sequence, session->receive_key) != REEVE_OK) {
        reeve_sessions_fail(sessions, session, REEVE_EPROTOCOL, "a frame with a wrong mac");
        return NULL;
    }
    session->received = header->sequence;
    if (header->type == REEVE_FRAME_MESSAGES)
        return session->state == REEVE_SESSION_UP ? session : NULL;
    int code = REEVE_ELINK;
    char text[REEVE_TEXT_SIZE] = "closed by the peer";
    Reeve__Goodbye *goodbye = reeve__goodbye__unpack(
        NULL, size - REEVE_FRAME_HEADER_SIZE, frame + REEVE_FRAME_HEADER_SIZE);
    if (goodbye != NULL) {
        code = goodbye->code;
        if (goodbye->text != NULL)
            reeve_copy_peer_text(text, sizeof text, goodbye->text);
        reeve__goodbye__free_unpacked(goodbye, NULL);
    }
    session_end(sessions, session, code, text);
    return NULL;
}

struct reeve_session *reeve_sessions_receive(struct reeve_sessions *sessions, uint32_t id,
    uint8_t *frame, size_t size, uint64_t now_ns, uint64_t wall_ms)
{
    struct pipe *pipe = reeve_map64_get(&sessions->by_pipe, id);
    if (pipe == NULL)
        return NULL; /* dropped; what it had sent came later */
    struct reeve_frame_header header;
    if (reeve_frame_header_read(frame, size, &header) != REEVE_OK) {
        if (pipe->proven && pipe->session != NULL)
            reeve_sessions_fail(
                sessions, pipe->session, REEVE_EPROTOCOL, "bytes that are no frame");
        else
            pipe_reject(sessions, pipe, REEVE_EPROTOCOL, "bytes that are no frame of a daemon");
        return NULL;
    }
    if (pipe->proven)
        return pipe->session != NULL ? receive_frame(sessions, pipe->session, &header, frame, size)
                                     : NULL;
    if (header.version != REEVE_WIRE_VERSION && header.type != REEVE_FRAME_HELLO &&
        header.type != REEVE_FRAME_REFUSED) {
        char text[REEVE_TEXT_SIZE];
        snprintf(text, sizeof text, "speaks version %u of the protocol, we speak version %u",
            header.version, REEVE_WIRE_VERSION);
        pipe_reject(sessions, pipe, REEVE_EVERSION, text);
        return NULL;
    }
    switch (header.type) {
    case REEVE_FRAME_HELLO: receive_hello(sessions, pipe, frame, size, now_ns, wall_ms); break;
    case REEVE_FRAME_CHALLENGE: receive_challenge(sessions, pipe, frame, size); break;
    case REEVE_FRAME_PROOF: receive_proof(sessions, pipe, frame, size); break;
    case REEVE_FRAME_REFUSED: receive_refused(sessions, pipe, frame, size); break;
    case REEVE_FRAME_MESSAGES:
    case REEVE_FRAME_GOODBYE:
        pipe_reject(sessions, pipe, REEVE_EPROTOCOL, "a message before the handshake");
        break;
    }
    return NULL;
}

/* --- time ---------------------------------------------------------------------------------- */

static void expire(struct reeve_sessions *sessions, struct reeve_session *session)
{
    char text[REEVE_TEXT_SIZE];
    double timeout_s = (double)sessions->timeout_ns / 1e9;
    if (session->state == REEVE_SESSION_DIALLING && session->connected)
        snprintf(text, sizeof text,
            "%.120s did not answer within %.1f s: can it connect to us at %.60s? (--advertise)",
            session->dialled, timeout_s, sessions->self.identity.address);
    else if (session->state == REEVE_SESSION_DIALLING)
        snprintf(
            text, sizeof text, "no connection to %s within %.1f s", session->dialled, timeout_s);
    else
        snprintf(text, sizeof text, "the handshake was not finished within %.1f s", timeout_s);
    if (session->state == REEVE_SESSION_ANSWERING && !session->superseded)
        reject(sessions, REEVE_ETIMEDOUT, "%s: %.120s", session->handshake.dialler.address, text);
    session_end(sessions, session, REEVE_ETIMEDOUT, text);
}

static struct reeve_session *first(const struct reeve_list *list)
{
    struct reeve_list *node = reeve_list_first(list);
    return node != NULL ? REEVE_LIST_ENTRY(node, struct reeve_session, node) : NULL;
}

void reeve_sessions_tick(struct reeve_sessions *sessions, uint64_t now_ns)
{
    struct reeve_session *session;
    while ((session = first(&sessions->pending)) != NULL && session->deadline_ns <= now_ns)
        expire(sessions, session);
    while ((session = first(&sessions->closing)) != NULL && session->deadline_ns <= now_ns)
        session_end(sessions, session, 0, "");
    struct reeve_list *node;
    while ((node = reeve_list_first(&sessions->unproven)) != NULL) {
        struct pipe *pipe = REEVE_LIST_ENTRY(node, struct pipe, node);
        if (pipe->deadline_ns > now_ns)
            break;
        if (pipe->greeted && pipe->session == NULL && !pipe->spared) {
            /* We cannot reach its owner, whose time is over at this very moment, too: it is to see
             * that first, not a closed pipe, which would tell it that its key is wrong. */
            pipe->spared = true;
            pipe->deadline_ns = now_ns + sessions->timeout_ns;
            reeve_list_remove(&pipe->node);
            reeve_list_push_back(&sessions->unproven, &pipe->node);
        } else if (pipe->greeted && pipe->session == NULL)
            pipe_drop(sessions, pipe);
        else
            pipe_reject(sessions, pipe, REEVE_ETIMEDOUT, "connected, but proved nothing in time");
    }
}

uint64_t reeve_sessions_deadline(const struct reeve_sessions *sessions)
{
    uint64_t deadline_ns = UINT64_MAX;
    const struct reeve_session *session = first(&sessions->pending);
    if (session != NULL)
        deadline_ns = session->deadline_ns;
    session = first(&sessions->closing);
    if (session != NULL)
        deadline_ns = REEVE_MIN(deadline_ns, session->deadline_ns);
    struct reeve_list *node = reeve_list_first(&sessions->unproven);
    if (node != NULL)
        deadline_ns =
            REEVE_MIN(deadline_ns, REEVE_LIST_ENTRY(node, struct pipe, node)->deadline_ns);
    return deadline_ns;
}

/* --- sessions that are up ------------------------------------------------------------------ */

void reeve_session_seal(
    struct reeve_session *session, uint8_t *frame, size_t size, enum reeve_frame_type type)
{
    reeve_frame_seal(frame, size, type, ++session->sent, session->send_key);
}

void reeve_sessions_fail(
    struct reeve_sessions *sessions, struct reeve_session *session, int code, const char *text)
{
    reject(sessions, code, "%s: %.120s", reeve_session_peer(session)->address, text);
    session_end(sessions, session, code, text);
}

void reeve_sessions_close(struct reeve_sessions *sessions, struct reeve_session *session, int code,
    const char *text, uint64_t now_ns)
{
    REEVE_ASSERT(session->state == REEVE_SESSION_UP);
    reeve_session_up_remove(sessions, session);
    session->state = REEVE_SESSION_CLOSING;
    session->code = code;
    snprintf(session->text, sizeof session->text, "%s", text);
    session->deadline_ns = now_ns + REEVE_CLOSING_TIME_NS;
    reeve_list_remove(&session->node);
    reeve_list_push_back(&sessions->closing, &session->node);
}

bool reeve_sessions_next(struct reeve_sessions *sessions, struct reeve_session_command *ret)
{
    return reeve_fifo_pop(&sessions->commands, ret);
}

void reeve_sessions_check(const struct reeve_sessions *sessions)
{
    size_t at = 0, count = 0;
    void *value;
    while (reeve_map64_next(&sessions->by_id, &at, NULL, &value)) {
        const struct reeve_session *session = value;
        if (session->pipe != 0) {
            const struct pipe *pipe = reeve_map64_get(&sessions->by_pipe, session->pipe);
            REEVE_ASSERT(pipe != NULL && pipe->session == session);
        }
        REEVE_ASSERT(reeve_list_is_linked(&session->dial_node) ==
                     (session->state == REEVE_SESSION_DIALLING));
        REEVE_ASSERT(session->state != REEVE_SESSION_UP ||
                     reeve_session_up_with(sessions, reeve_session_peer(session)->uid) == session);
        bool up = session->state == REEVE_SESSION_UP || session->state == REEVE_SESSION_CLOSING;
        REEVE_ASSERT(!up || (session->pipe != 0 && session->connected));
        REEVE_ASSERT(reeve_list_is_linked(&session->node));
        count++;
    }
    REEVE_ASSERT(count == reeve_list_count(&sessions->pending) +
                              reeve_list_count(&sessions->closing) +
                              reeve_list_count(&sessions->up));
    at = 0;
    count = 0;
    while (reeve_map64_next(&sessions->by_pipe, &at, NULL, &value)) {
        const struct pipe *pipe = value;
        REEVE_ASSERT(pipe->session == NULL || pipe->session->pipe == pipe->id);
        count += !pipe->proven && !pipe->greeted;
    }
    REEVE_ASSERT(sessions->stranger_count == count && count <= sessions->strangers_max);
}
