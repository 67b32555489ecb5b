/* A link: the loop's side of sessions. What nng's threads report (transport.h) goes as events into
 * the table of sessions (session.h); what that commands is carried out here. Messages are gathered
 * per peer in an open frame (outgoing.h), which goes out before the loop blocks.
 *
 *     nng ──▶ transport queue ──── wake ────▶ on_wake ──▶ sessions ──▶ commands ──▶ callbacks
 *     reeve_link_send ──▶ open frame ──uv_prepare──▶ sealed ──▶ outbox ──▶ nng
 *
 * Events and messages are worked off for SLICE_NS at most; then the loop gets a turn. */
#include "runtime/wire/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <reeve_errors.h>

#include "runtime/base/assert.h"
#include "runtime/base/clock.h"
#include "runtime/wire/address.h"
#include "runtime/wire/bulk_frame.h"
#include "runtime/wire/outgoing.h"
#include "runtime/wire/session.h"
#include "runtime/wire/transport.h"
#include "runtime/wire/wake.h"

#define DEFAULT_TIMEOUT_MS 5000u
#define SLICE_NS           (2 * REEVE_NS_PER_MS)
#define REAPED_A_TURN      16  /* closing an outbox takes some 100 µs */
#define REJECTED_BURST     20u /* calls of rejected(); one more comes free every 200 ms */
#define REJECTED_EVERY_NS  (200 * REEVE_NS_PER_MS)

/* What a session has here: its outbox and what waits to go through it. */
struct peer {
    uint64_t id;
    struct reeve_outbox *outbox;
    bool above_low_water;
    size_t flying_bytes; /* handed to the outbox, not yet sent */
    struct reeve_outgoing outgoing;
    struct reeve_list node; /* in dirty or dead */
};

struct reeve_link {
    struct reeve_link_callbacks callbacks;
    void *arg;
    struct reeve_transport *transport;
    struct reeve_tls *tls; /* NULL: this link does not speak it */
    struct reeve_sessions sessions;
    char address[REEVE_ADDRESS_SIZE];
    bool executing;
    bool closed;
    struct reeve_list dirty; /* peers with something to send */
    struct reeve_list dead;  /* peers whose outbox is to be closed */
    struct reeve_wake wake;
    uv_prepare_t prepare;
    uv_timer_t timer;
    unsigned handles_open;
    /* The frame being delivered, between two slices. */
    struct reeve_transport_event *frame;
    uint64_t frame_session;
    const uint8_t *frame_at;
    size_t frame_left;
    struct reeve_decoder decoder;
    uint64_t rejected_free_ns; /* how far the tokens for rejected() are spent */
    uint64_t rejected_unsaid;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

static uint64_t wall_ms(void)
{
    return reeve_clock_realtime_ns() / REEVE_NS_PER_MS;
}

static void random_bytes(void *arg, uint8_t *out, size_t size)
{
    (void)arg;
    randombytes_buf(out, size);
}

static void on_prepare(uv_prepare_t *prepare);

/* --- sending ------------------------------------------------------------------------------- */

static void mark(struct reeve_link *link, struct peer *peer, struct reeve_list *list)
{
    reeve_list_remove(&peer->node);
    reeve_list_push_back(list, &peer->node);
    uv_prepare_start(&link->prepare, on_prepare);
}

/* Hands frames to the outbox, as long as that is free; then SENT goes on with what is left. Where
 * nothing is left nobody needs to know when the last one has been sent. Of much that waits one
 * frame goes a turn of the loop. */
static void flush(struct reeve_link *link, struct peer *peer)
{
    struct reeve_outgoing_frame frame;
    while (peer->outgoing.frames.count > 0 && reeve_outbox_free_or_tell(peer->outbox) &&
           reeve_outgoing_take(&peer->outgoing, &frame)) {
        size_t size = nng_msg_len(frame.message);
        if (frame.type == REEVE_FRAME_MESSAGES || frame.type == REEVE_FRAME_GOODBYE) {
            struct reeve_session *session = reeve_map64_get(&link->sessions.by_id, peer->id);
            REEVE_ASSERT(session != NULL);
            reeve_session_seal(session, nng_msg_body(frame.message), size, frame.type);
        }
        peer->flying_bytes = size;
        reeve_outbox_send(peer->outbox, frame.message, peer->above_low_water);
        if (peer->above_low_water)
            break;
    }
}

static size_t queued_bytes(const struct peer *peer)
{
    return peer->outgoing.bytes + (reeve_outbox_is_free(peer->outbox) ? 0 : peer->flying_bytes);
}

static void on_sent(struct reeve_link *link, uint64_t id)
{
    struct reeve_session *session = reeve_map64_get(&link->sessions.by_id, id);
    if (session == NULL || session->shell == NULL)
        return;
    struct peer *peer = session->shell;
    flush(link, peer);
    if (peer->above_low_water && queued_bytes(peer) < REEVE_LINK_LOW_WATER_BYTES) {
        peer->above_low_water = false;
        if (session->state == REEVE_SESSION_UP && link->callbacks.drained != NULL)
            link->callbacks.drained(link->arg, id);
    }
}

static void queued(struct reeve_link *link, struct peer *peer)
{
    if (queued_bytes(peer) > REEVE_LINK_LOW_WATER_BYTES)
        peer->above_low_water = true;
    if (!reeve_list_is_linked(&peer->node))
        mark(link, peer, &link->dirty);
}

int reeve_link_send(struct reeve_link *link, reeve_peer id, const Reeve__Message *message)
{
    struct reeve_session *session = reeve_sessions_find(&link->sessions, id);
    if (session == NULL || link->closed)
        return REEVE_EHANDLE;
    struct peer *peer = session->shell;
    int error = reeve_outgoing_add(&peer->outgoing, message);
    if (error == REEVE_OK)
        queued(link, peer);
    return error;
}

bool reeve_link_send_entry(struct reeve_link *link, reeve_peer id, enum reeve_run_kind kind,
    uint64_t lease, const struct reeve_run_entry *entry)
{
    struct reeve_session *session = reeve_sessions_find(&link->sessions, id);
    if (session == NULL || link->closed)
        return false;
    struct peer *peer = session->shell;
    uint8_t *out = reeve_outgoing_add_entry(
        &peer->outgoing, kind, lease, REEVE_ENTRY_HEAD_SIZE + (size_t)entry->length);
    if (out == NULL)
        return false;
    reeve_run_entry_write(out, entry);
    queued(link, peer);
    return true;
}

int reeve_link_send_control(
    struct reeve_link *link, reeve_peer peer, const struct reeve_message *message)
{
    struct reeve_control_view view;
    return reeve_link_send(link, peer, reeve_control_view(message, &view));
}

size_t reeve_link_queued_bytes(const struct reeve_link *link, reeve_peer id)
{
    const struct reeve_session *session = reeve_sessions_find(&link->sessions, id);
    return session != NULL && !link->closed ? queued_bytes(session->shell) : 0;
}

static void peer_free(struct peer *peer)
{
    if (peer->outbox != NULL)
        reeve_outbox_close(peer->outbox);
    reeve_outgoing_fini(&peer->outgoing);
    reeve_list_remove(&peer->node);
    free(peer);
}

/* Before the loop blocks: what became ready in this turn goes out, what is over is closed. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct reeve_link *link = REEVE_CONTAINER_OF(prepare, struct reeve_link, prepare);
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(&link->dirty)) != NULL)
        flush(link, REEVE_LIST_ENTRY(node, struct peer, node));
    for (int i = 0; i < REAPED_A_TURN && (node = reeve_list_pop_front(&link->dead)) != NULL; i++)
        peer_free(REEVE_LIST_ENTRY(node, struct peer, node));
    if (reeve_list_is_empty(&link->dead))
        uv_prepare_stop(prepare);
    else
        reeve_wake_send(&link->wake); /* the rest in the next turn, without blocking before it */
}

/* --- commands of the sessions -------------------------------------------------------------- */

static void rejected(struct reeve_link *link, int code, const char *text)
{
    uint64_t now_ns = uv_hrtime();
    uint64_t burst_ns = REJECTED_BURST * REJECTED_EVERY_NS;
    if (link->rejected_free_ns + burst_ns < now_ns)
        link->rejected_free_ns = now_ns - burst_ns;
    if (link->rejected_free_ns + REJECTED_EVERY_NS > now_ns) {
        link->rejected_unsaid++;
        return;
    }
    link->rejected_free_ns += REJECTED_EVERY_NS;
    char line[REEVE_TEXT_SIZE + 64];
    snprintf(line, sizeof line, "%s", text);
    if (link->rejected_unsaid != 0)
        snprintf(line, sizeof line, "%s (and %llu more)", text,
            (unsigned long long)link->rejected_unsaid);
    link->rejected_unsaid = 0;
    link->callbacks.rejected(link->arg, code, line);
}

static void open_outbox(struct reeve_link *link, uint64_t id, const char *address)
{
    struct reeve_session *session = reeve_map64_get(&link->sessions.by_id, id);
    if (session == NULL)
        return;
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer != NULL) {
        peer->id = id;
        reeve_list_init(&peer->node);
        reeve_outgoing_init(&peer->outgoing, REEVE_FRAME_SIZE_MAX);
        session->shell = peer;
        peer->outbox = reeve_outbox_open(link->transport, id, address);
        if (peer->outbox != NULL)
            return;
    }
    reeve_sessions_not_connected(&link->sessions, id, REEVE_ENOMEM, "out of memory or threads");
}

static void send_handshake(struct reeve_link *link, uint64_t id, const uint8_t *data, size_t size)
{
    struct reeve_session *session = reeve_map64_get(&link->sessions.by_id, id);
    if (session == NULL || session->shell == NULL)
        return;
    struct peer *peer = session->shell;
    if (reeve_outgoing_add_raw(&peer->outgoing, (enum reeve_frame_type)data[3], data, size) ==
        REEVE_OK)
        flush(link, peer); /* else the handshake's time runs out */
}

static void peer_up(struct reeve_link *link, uint64_t id)
{
    const struct reeve_session *session = reeve_sessions_find(&link->sessions, id);
    if (session == NULL)
        return;
    reeve_transport_prove_pipe(link->transport, session->pipe);
    const struct reeve_identity *identity = reeve_session_peer(session);
    struct reeve_peer_info info = {
        .uid = identity->uid,
        .incarnation = identity->incarnation,
        .role = (enum reeve_role)identity->role,
    };
    snprintf(info.address, sizeof info.address, "%s", identity->address);
    snprintf(info.release, sizeof info.release, "%s", identity->release);
    link->callbacks.peer_up(link->arg, id, &info);
}

static void execute(struct reeve_link *link, const struct reeve_session_command *command)
{
    switch (command->kind) {
    case REEVE_SESSION_OPEN: open_outbox(link, command->session, command->address); break;
    case REEVE_SESSION_SEND:
        send_handshake(link, command->session, command->data, command->size);
        break;
    case REEVE_SESSION_CLOSE:
        if (command->shell != NULL)
            mark(link, command->shell, &link->dead);
        break;
    case REEVE_SESSION_DROP_PIPE: reeve_transport_drop_pipe(link->transport, command->pipe); break;
    case REEVE_SESSION_PEER_UP: peer_up(link, command->session); break;
    case REEVE_SESSION_PEER_DOWN:
        link->callbacks.peer_down(link->arg, command->session, command->code, command->text);
        break;
    case REEVE_SESSION_DIAL_FAILED:
        link->callbacks.dial_failed(link->arg, command->address, command->code, command->text);
        break;
    case REEVE_SESSION_REJECTED: rejected(link, command->code, command->text); break;
    }
}

static void on_timer(uv_timer_t *timer);

/* Carries out what has been commanded, and what is commanded meanwhile. */
static void settle(struct reeve_link *link)
{
    if (link->executing)
        return;
    link->executing = true;
    struct reeve_session_command command;
    while (!link->closed && reeve_sessions_next(&link->sessions, &command))
        execute(link, &command);
    link->executing = false;
    if (link->closed)
        return;
    uint64_t deadline_ns = reeve_sessions_deadline(&link->sessions), now_ns = uv_hrtime();
    if (deadline_ns == UINT64_MAX)
        uv_timer_stop(&link->timer);
    else
        uv_timer_start(&link->timer, on_timer,
            deadline_ns > now_ns ? (deadline_ns - now_ns) / REEVE_NS_PER_MS + 1 : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct reeve_link *link = REEVE_CONTAINER_OF(timer, struct reeve_link, timer);
    reeve_sessions_tick(&link->sessions, uv_hrtime());
    settle(link);
}

/* --- receiving ----------------------------------------------------------------------------- */

static void frame_end(struct reeve_link *link)
{
    reeve_decoder_reset(&link->decoder);
    reeve_transport_event_free(link->frame);
    link->frame = NULL;
}

/* Delivers the current frame's messages until it is done or the time is over. */
static void deliver(struct reeve_link *link, uint64_t until_ns)
{
    unsigned count = 0;
    while (link->frame_left != 0) {
        struct reeve_session *session = reeve_sessions_find(&link->sessions, link->frame_session);
        if (session == NULL)
            break; /* closed by a callback: the rest is not wanted */
        if (++count % 16 == 0 && uv_hrtime() > until_ns)
            return;
        const uint8_t *bytes;
        size_t size;
        const Reeve__Message *message = NULL;
        if (reeve_frame_next(&link->frame_at, &link->frame_left, &bytes, &size) == REEVE_OK)
            message = reeve_decoder_decode(&link->decoder, bytes, size);
        if (message == NULL) {
            reeve_sessions_fail(
                &link->sessions, session, REEVE_EPROTOCOL, "a frame that cannot be decoded");
            settle(link);
            break;
        }
        link->callbacks.message(link->arg, link->frame_session, message);
        if (link->closed)
            return;
    }
    frame_end(link);
}

/* Takes the event; keeps it in link->frame when it holds messages to deliver. */
static void handle_received(struct reeve_link *link, struct reeve_transport_event *event)
{
    uint8_t *data = event->message->bytes;
    size_t size = event->message->size;
    struct reeve_session *session =
        reeve_sessions_receive(&link->sessions, event->pipe, data, size, uv_hrtime(), wall_ms());
    if (session == NULL) {
        reeve_transport_event_free(event);
        return;
    }
    link->frame = event;
    link->frame_session = session->id;
    link->frame_at = data + REEVE_FRAME_HEADER_SIZE;
    link->frame_left = size - REEVE_FRAME_HEADER_SIZE;
}

static void dialled(struct reeve_link *link, uint64_t id)
{
    const struct reeve_session *session = reeve_map64_get(&link->sessions.by_id, id);
    if (session != NULL && session->shell != NULL)
        reeve_outbox_dialled(((struct peer *)session->shell)->outbox);
}

static void handle(struct reeve_link *link, struct reeve_transport_event *event)
{
    struct reeve_sessions *sessions = &link->sessions;
    char text[REEVE_TEXT_SIZE];
    switch (event->kind) {
    case REEVE_TRANSPORT_PIPE_ADDED:
        reeve_sessions_pipe_added(sessions, event->pipe, event->remote, uv_hrtime());
        break;
    case REEVE_TRANSPORT_PIPE_REMOVED: reeve_sessions_pipe_removed(sessions, event->pipe); break;
    case REEVE_TRANSPORT_PIPE_FOREIGN:
        snprintf(
            text, sizeof text, "%s: turned away, as it belongs to another user", event->remote);
        rejected(link, REEVE_EKEY, text);
        break;
    case REEVE_TRANSPORT_UNPROVEN: rejected(link, event->result, event->text); break;
    case REEVE_TRANSPORT_RECEIVED: handle_received(link, event); return;
    case REEVE_TRANSPORT_CONNECTED:
        dialled(link, event->outbox);
        reeve_sessions_connected(sessions, event->outbox, wall_ms());
        break;
    case REEVE_TRANSPORT_NOT_CONNECTED: {
        const struct reeve_session *session = reeve_map64_get(&sessions->by_id, event->outbox);
        if (session == NULL)
            break;
        dialled(link, event->outbox);
        int code = reeve_transport_dial_error(event->result,
            session->dialler ? session->dialled : session->handshake.dialler.address, text);
        reeve_sessions_not_connected(sessions, event->outbox, code, text);
        break;
    }
    case REEVE_TRANSPORT_OUTBOX_LOST: reeve_sessions_outbox_lost(sessions, event->outbox); break;
    case REEVE_TRANSPORT_SENT: on_sent(link, event->outbox); break;
    }
    reeve_transport_event_free(event);
}

static void on_wake(struct reeve_wake *wake)
{
    struct reeve_link *link = REEVE_CONTAINER_OF(wake, struct reeve_link, wake);
    uint64_t until_ns = uv_hrtime() + SLICE_NS;
    while (!link->closed) {
        if (link->frame != NULL) {
            deliver(link, until_ns);
            if (link->closed)
                return;
        } else {
            struct reeve_transport_event *event = reeve_transport_next(link->transport);
            if (event == NULL)
                return;
            handle(link, event);
            settle(link);
        }
        if (!link->closed && uv_hrtime() > until_ns) {
            reeve_wake_send(wake);
            return;
        }
    }
}

static void wake_up(void *arg)
{
    struct reeve_link *link = arg;
    reeve_wake_send(&link->wake);
}

/* --- opening and closing ------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct reeve_link *link = handle->data;
    if (--link->handles_open != 0)
        return;
    void (*closed)(void *) = link->on_closed;
    void *arg = link->on_closed_arg;
    if (link->frame != NULL)
        reeve_transport_event_free(link->frame);
    reeve_decoder_fini(&link->decoder);
    reeve_sessions_fini(&link->sessions);
    reeve_tls_drop(link->tls);
    free(link);
    if (closed != NULL)
        closed(arg);
}

static int init_handles(struct reeve_link *link, uv_loop_t *loop)
{
    int error = reeve_wake_open(&link->wake, loop, on_wake);
    if (error != REEVE_OK)
        return error;
    uv_prepare_init(loop, &link->prepare);
    uv_timer_init(loop, &link->timer);
    uv_unref((uv_handle_t *)&link->prepare);
    link->wake.poll.data = link->prepare.data = link->timer.data = link;
    link->handles_open = 3;
    return REEVE_OK;
}

static void close_handles(struct reeve_link *link)
{
    reeve_wake_close(&link->wake, on_handle_closed);
    uv_close((uv_handle_t *)&link->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&link->timer, on_handle_closed);
}

static int fail_open(struct reeve_link *link, int error)
{
    link->closed = true;
    if (link->transport != NULL)
        reeve_transport_close(link->transport);
    if (link->handles_open != 0)
        close_handles(link); /* frees, in the next turn of the loop */
    else
        free(link);
    return error;
}

int reeve_link_open(const struct reeve_link_options *options, struct reeve_link **ret, char *text)
{
    struct reeve_address listen, bound, advertised;
    int error = reeve_address_parse(options->listen, &listen, text);
    if (error == REEVE_OK) /* before anything is open, with the ports as yet unknown */
        error = reeve_address_advertised(&listen, options->advertise, &advertised, text);
    if (error != REEVE_OK)
        return error;
    struct reeve_link *link = calloc(1, sizeof *link);
    if (link == NULL || sodium_init() < 0) {
        snprintf(text, REEVE_TEXT_SIZE, "out of memory");
        free(link);
        return REEVE_ENOMEM;
    }
    link->callbacks = options->callbacks;
    link->arg = options->arg;
    reeve_list_init(&link->dirty);
    reeve_list_init(&link->dead);
    reeve_decoder_init(&link->decoder);
    struct reeve_handshake_self self = {
        .version = REEVE_WIRE_VERSION,
        .identity = {.uid = options->uid,
            .incarnation = options->incarnation,
            .role = options->role},
    };
    snprintf(self.identity.release, sizeof self.identity.release, "%s", REEVE_VERSION);
    memcpy(self.key, options->key, REEVE_KEY_SIZE);
    uint32_t timeout_ms =
        options->handshake_timeout_ms != 0 ? options->handshake_timeout_ms : DEFAULT_TIMEOUT_MS;
    reeve_sessions_init(&link->sessions, &self, timeout_ms * REEVE_NS_PER_MS, random_bytes, NULL);
    sodium_memzero(&self, sizeof self);
    if (options->strangers_max != 0)
        link->sessions.strangers_max = options->strangers_max;
    if ((error = init_handles(link, options->loop)) != REEVE_OK) {
        snprintf(text, REEVE_TEXT_SIZE, "the event loop cannot be used");
        return fail_open(link, error);
    }
    if (listen.scheme == REEVE_ADDRESS_TLS &&
        (error = reeve_tls_make(options->key, &link->tls, text)) != REEVE_OK)
        return fail_open(link, error);
    error = reeve_transport_open(&listen, link->tls, REEVE_FRAME_SIZE_MAX + REEVE_FRAME_HEADER_SIZE,
        REEVE_HANDSHAKE_SIZE_MAX, link->sessions.strangers_max, wake_up, link, &link->transport,
        &bound, text);
    if (error == REEVE_OK)
        error = reeve_address_advertised(&bound, options->advertise, &advertised, text);
    if (error != REEVE_OK)
        return fail_open(link, error);
    reeve_address_format(&advertised, link->address);
    memcpy(link->sessions.self.identity.address, link->address, sizeof link->address);
    link->sessions.self.listen_port = bound.port;
    *ret = link;
    return REEVE_OK;
}

void reeve_link_close(struct reeve_link *link, void (*closed)(void *arg), void *arg)
{
    REEVE_ASSERT(!link->closed);
    link->closed = true;
    link->on_closed = closed;
    link->on_closed_arg = arg;
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(&link->dead)) != NULL)
        peer_free(REEVE_LIST_ENTRY(node, struct peer, node));
    /* those commanded closed but not yet marked dead */
    struct reeve_session_command command;
    while (reeve_sessions_next(&link->sessions, &command))
        if (command.kind == REEVE_SESSION_CLOSE && command.shell != NULL)
            peer_free(command.shell);
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&link->sessions.by_id, &at, NULL, &value)) {
        struct reeve_session *session = value;
        if (session->shell != NULL)
            peer_free(session->shell);
        session->shell = NULL;
    }
    reeve_transport_close(link->transport);
    close_handles(link);
}

const char *reeve_link_address(const struct reeve_link *link)
{
    return link->address;
}

int reeve_link_dial(struct reeve_link *link, const char *text)
{
    struct reeve_address address;
    char why[REEVE_TEXT_SIZE], url[REEVE_ADDRESS_SIZE];
    if (link->closed)
        return REEVE_ESHUTDOWN;
    int error = reeve_address_parse_peer(text, &address, why);
    if (error == REEVE_OK && (address.scheme == REEVE_ADDRESS_TLS) != (link->tls != NULL))
        error = REEVE_EADDRESS; /* nobody falls back to what can be read */
    if (error != REEVE_OK)
        return error;
    error = reeve_sessions_dial(&link->sessions, reeve_address_format(&address, url), uv_hrtime());
    settle(link);
    return error;
}

struct reeve_tls *reeve_link_tls(const struct reeve_link *link)
{
    return link->tls;
}

int reeve_link_bulk_keys(struct reeve_link *link, reeve_peer id,
    uint8_t send_key[REEVE_FRAME_KEY_SIZE], uint8_t receive_key[REEVE_FRAME_KEY_SIZE])
{
    const struct reeve_session *session = reeve_sessions_find(&link->sessions, id);
    if (session == NULL || link->closed)
        return REEVE_EHANDLE;
    reeve_bulk_session_key(session->send_key, send_key);
    reeve_bulk_session_key(session->receive_key, receive_key);
    return REEVE_OK;
}

void reeve_link_close_peer(struct reeve_link *link, reeve_peer id, int code, const char *text)
{
    struct reeve_session *session = reeve_sessions_find(&link->sessions, id);
    if (session == NULL || link->closed)
        return;
    struct peer *peer = session->shell;
    reeve_outgoing_add_goodbye(&peer->outgoing, code, text); /* without memory: just the timeout */
    reeve_sessions_close(&link->sessions, session, code, text, uv_hrtime());
    if (!reeve_list_is_linked(&peer->node))
        mark(link, peer, &link->dirty);
    settle(link);
}
