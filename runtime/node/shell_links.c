/* The daemon's sessions: with the head, with peers, with tools.
 *
 * A session with a peer begins with PEER_UP both ways: each says which node it is, or, if it does
 * not know that yet, says so when it does (the head's word to the peer may be faster than its word
 * to us). What the core
 * has to say to a peer while there is no session waits, within bounds, until the session is
 * made, or is dropped when it cannot be: the core is then told that the session has ended. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/errors.h"
#include "runtime/node/shell_daemon.h"
#include "runtime/wire/address.h"

#define OUTPUT_QUEUE_MAX \
    (1024u * 1024u) /* bytes on their way to a node; beyond, lines are dropped */

/* A session whose node we do not know yet. */
struct daemon_peer *daemon_peer_get(struct daemon *daemon, uint32_t node)
{
    return reeve_map64_get(&daemon->peers, node);
}

static struct daemon_peer *peer_of_session(struct daemon *daemon, reeve_peer session)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->peers, &at, NULL, &value)) {
        if (((struct daemon_peer *)value)->session == session)
            return value;
    }
    return NULL;
}

static void peer_flush(struct daemon *daemon, struct daemon_peer *peer)
{
    struct reeve_message message;
    while (peer->session != 0 && reeve_fifo_pop(&peer->queue, &message))
        (void)reeve_link_send_control(daemon->link, peer->session, &message);
}

static void peer_lost(
    struct daemon *daemon, struct daemon_peer *peer, int32_t code, const char *text)
{
    struct reeve_node_event event = {
        .kind = REEVE_NODE_EVENT_PEER_LINK_DOWN, .node = peer->node, .code = code};
    snprintf(event.text, sizeof event.text, "%s", text);
    peer->session = 0;
    peer->dialling = false;
    reeve_fifo_clear(&peer->queue);
    daemon_fetch_peer_lost(daemon, event.node, event.text);
    daemon_streams_peer_down(daemon, event.node);
    reeve_store_shell_peer_lost(daemon->store, event.node);
    daemon_event(daemon, &event);
}

static void introduce(struct daemon *daemon, reeve_peer session)
{
    struct reeve_message message = {.kind = REEVE_MESSAGE_PEER_UP,
        .node = daemon->node,
        .uid = daemon->uid,
        .incarnation = daemon->incarnation};
    memcpy(message.host, daemon->host, sizeof message.host);
    snprintf(message.address, sizeof message.address, "%s", reeve_link_address(daemon->link));
    (void)reeve_link_send_control(daemon->link, session, &message);
}

static void introduced(
    struct daemon *daemon, reeve_peer session, const struct reeve_message *message)
{
    struct reeve_node_event event = {
        .kind = REEVE_NODE_EVENT_PEER_LINK_UP, .node = message->node, .message = *message};
    daemon_event(daemon, &event); /* PEER_KNOWN follows, if the core takes it */
    struct daemon_peer *peer = daemon_peer_get(daemon, message->node);
    if (peer == NULL || peer->incarnation != message->incarnation) {
        reeve_link_close_peer(
            daemon->link, session, REEVE_ENODEDIED, "this node has been declared dead");
        return;
    }
    if (peer->session != 0 && peer->session != session)
        peer_lost(daemon, peer, REEVE_OK, "another session has taken its place");
    peer->session = session;
    daemon_streams_peer_up(daemon, peer, message->uid);
    peer->dialling = peer->wanted = false;
    peer_flush(daemon, peer);
    reeve_store_shell_peer_reset(daemon->store, peer->node);
    daemon_objects_arm(daemon);
    daemon_fetch_peer_up(daemon, peer->node);
}

/* A dial is done when a session is up, and nothing comes of one to where a session is up already;
 * so when one ends before its peer has said which node it is, or another than was dialled had it,
 * those who still wait for an introduction would wait for good. A dial that is under way goes
 * on. */
static void dial_again(struct daemon *daemon)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->peers, &at, NULL, &value)) {
        struct daemon_peer *peer = value;
        if (peer->session == 0 && peer->dialling &&
            reeve_link_dial(daemon->link, peer->address) != REEVE_OK)
            peer_lost(daemon, peer, REEVE_OK, "it cannot be dialled");
    }
}

/* --- what links tell --- */

static void on_peer_up(void *arg, reeve_peer session, const struct reeve_peer_info *info)
{
    struct daemon *daemon = arg;
    if (daemon->ending)
        return; /* it ends with the link */
    if (info->role == REEVE_ROLE_HEAD) {
        if (daemon->head_session != 0)
            daemon_event(daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_HEAD_DOWN,
                                     .text = "the head has begun another session"});
        daemon->head_session = session;
        reeve_runs_set_head(daemon->runs, session);
        daemon_event(daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_HEAD_UP});
    } else if (info->role == REEVE_ROLE_NODE && daemon->node != 0) {
        introduce(daemon, session);
    } else if (info->role == REEVE_ROLE_NODE) {
        reeve_peer *unnamed = reeve_fifo_push(&daemon->unnamed);
        if (unnamed == NULL)
            reeve_link_close_peer(daemon->link, session, REEVE_ENOMEM, "no memory");
        else
            *unnamed = session;
    }
}

void daemon_links_registered(struct daemon *daemon)
{
    reeve_peer session;
    while (reeve_fifo_pop(&daemon->unnamed, &session))
        introduce(daemon, session); /* or it is over, and nobody hears */
}

/* One session less that we wait for at our end. */
static void goodbye_heard(struct daemon *daemon, reeve_peer session)
{
    struct daemon_peer *peer = peer_of_session(daemon, session);
    if (session == daemon->head_session)
        daemon->head_session = 0;
    else if (peer != NULL)
        peer->session = 0;
}

static void on_peer_down(void *arg, reeve_peer session, int code, const char *text)
{
    struct daemon *daemon = arg;
    if (daemon->ending) {
        goodbye_heard(daemon, session);
        return;
    }
    if (session == daemon->head_session) {
        struct reeve_node_event event = {.kind = REEVE_NODE_EVENT_HEAD_DOWN, .code = code};
        if (code == REEVE_ESHUTDOWN) {
            snprintf(event.text, sizeof event.text, "%s", text);
            reeve_log(REEVE_LOG_INFO, "REEVE-HEAD-ENDED", "why=%s", text);
        } else {
            snprintf(event.text, sizeof event.text, "the link to the head was lost: %s", text);
            reeve_log(REEVE_LOG_WARN, "REEVE-HEAD-LOST", "why=%s", text);
        }
        daemon->head_session = 0;
        daemon_keepers_head_lost(daemon);
        reeve_runs_set_head(daemon->runs, 0);
        daemon_event(daemon, &event);
        return;
    }
    struct daemon_peer *peer = peer_of_session(daemon, session);
    if (peer != NULL)
        peer_lost(daemon, peer, code, text);
    dial_again(daemon);
}

static void on_dial_failed(void *arg, const char *address, int code, const char *text)
{
    struct daemon *daemon = arg;
    if (daemon->ending)
        return;
    if (strcmp(address, daemon->head_address) == 0 && daemon->head_session == 0) {
        struct reeve_node_event event = {.kind = REEVE_NODE_EVENT_HEAD_DIAL_FAILED, .code = code};
        bool named = strstr(text, address) != NULL;
        const char *key = code == REEVE_EKEY ? daemon->options->key_from : NULL;
        snprintf(event.text, sizeof event.text, "cannot join the head%s%s: %s%s%s",
            named ? "" : " at ", named ? "" : address, text, key != NULL ? "; ours is from " : "",
            key != NULL ? key : "");
        /* Who has started us waits for a head that may be about to start, or cannot reach us, and
         * wants to know why: once is enough. */
        if (!daemon->dial_failure_told) {
            reeve_log(REEVE_LOG_WARN, "REEVE-HEAD-NOT-JOINED", "code=%s why=%s",
                reeve_error_name(code), text);
            if (!daemon->ready_told && daemon->node == 0)
                fprintf(stderr, "reeve worker: %s\n", event.text);
        }
        daemon->dial_failure_told = true;
        daemon_event(daemon, &event);
    }
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->peers, &at, NULL, &value)) {
        struct daemon_peer *peer = value;
        if (peer->session == 0 && peer->dialling && strcmp(peer->address, address) == 0)
            peer_lost(daemon, peer, REEVE_OK, text);
    }
}

static void on_control(struct daemon *daemon, reeve_peer session, const Reeve__Control *control)
{
    struct reeve_node_event event = {0};
    if (reeve_control_decode(control, &event.message) != REEVE_OK) {
        reeve_link_close_peer(daemon->link, session, REEVE_EPROTOCOL, "a malformed message");
        return;
    }
    struct daemon_peer *peer;
    if (session == daemon->head_session) {
        event.kind = REEVE_NODE_EVENT_HEAD_MESSAGE;
        daemon_event(daemon, &event);
    } else if (event.message.kind == REEVE_MESSAGE_PEER_UP) {
        introduced(daemon, session, &event.message);
    } else if ((peer = peer_of_session(daemon, session)) != NULL) {
        event.kind = REEVE_NODE_EVENT_PEER_MESSAGE;
        event.node = peer->node;
        daemon_event(daemon, &event);
    }
}

static void on_data(struct daemon *daemon, reeve_peer session, const Reeve__Message *message)
{
    struct daemon_peer *peer = peer_of_session(daemon, session);
    int code = REEVE_OK;
    if (peer == NULL || daemon_bridge_message(daemon, peer->node, message) ||
        daemon_fetch_message(daemon, peer->node, session, message) ||
        !reeve_store_shell_peer_message(daemon->store, peer->node, message, &code))
        return;
    if (code != REEVE_OK)
        reeve_link_close_peer(daemon->link, session, code, "a malformed message");
    daemon_objects_arm(daemon);
}

static void on_message(void *arg, reeve_peer session, const Reeve__Message *message)
{
    struct daemon *daemon = arg;
    if (daemon->ending)
        return;
    switch (message->body_case) {
    case REEVE__MESSAGE__BODY_CONTROL: on_control(daemon, session, message->control); break;
    case REEVE__MESSAGE__BODY_TOOL_REQUEST:
        daemon_tool_request(daemon, session, message->tool_request);
        break;
    case REEVE__MESSAGE__BODY_OUTPUT:
        daemon_output_deliver(daemon, message->output->job, message->output->error_stream,
            (const char *)message->output->lines.data, message->output->lines.len,
            message->output->dropped_count);
        break;
    case REEVE__MESSAGE__BODY_TOOL_REPLY:
        if (session == daemon->head_session && !daemon_keeper_reply(daemon, message->tool_reply))
            reeve_runs_reply(daemon->runs, message->tool_reply);
        break;
    default: on_data(daemon, session, message); break;
    }
}

static void on_drained(void *arg, reeve_peer session)
{
    struct daemon *daemon = arg;
    if (daemon->ending)
        return;
    daemon_bridge_turn(daemon);
    const struct daemon_peer *peer = peer_of_session(daemon, session);
    if (peer != NULL)
        reeve_store_shell_drained(daemon->store, peer->node);
}

static void on_rejected(void *arg, int code, const char *text)
{
    const struct daemon *daemon = arg;
    const char *key = daemon->options->key_from;
    if (code == REEVE_EKEY && key != NULL)
        reeve_log(REEVE_LOG_WARN, "REEVE-LINK-REJECTED", "code=%s why=%s our_key=%s",
            reeve_error_name(code), text, key);
    else
        reeve_log(
            REEVE_LOG_WARN, "REEVE-LINK-REJECTED", "code=%s why=%s", reeve_error_name(code), text);
}

/* --- where to listen --- */

/* The local address from which the head is reached: there peers can reach us too. */
static int local_address(const struct reeve_address *head, char out[REEVE_ADDRESS_SIZE], char *text)
{
    char port[8];
    snprintf(port, sizeof port, "%u", head->port);
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    int error = getaddrinfo(head->host, port, &hints, &found);
    if (error != 0) {
        snprintf(text, REEVE_TEXT_SIZE, "host %s: %s", head->host, gai_strerror(error));
        return REEVE_EADDRESS;
    }
    int result = REEVE_ENOCLUSTER;
    for (struct addrinfo *at = found; at != NULL && result != REEVE_OK; at = at->ai_next) {
        int fd = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sockaddr_storage local;
        socklen_t length = sizeof local;
        char host[64];
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) == 0 &&
            getsockname(fd, (struct sockaddr *)&local, &length) == 0 &&
            getnameinfo((struct sockaddr *)&local, length, host, sizeof host, NULL, 0,
                NI_NUMERICHOST) == 0) {
            struct reeve_address address = {.scheme = head->scheme};
            snprintf(address.host, sizeof address.host, "%s", host);
            reeve_address_format(&address, out);
            result = REEVE_OK;
        }
        if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(found);
    if (result != REEVE_OK)
        snprintf(text, REEVE_TEXT_SIZE, "there is no route to the head's host %s", head->host);
    return result;
}

int daemon_links_open(struct daemon *daemon, char *text)
{
    struct reeve_address head;
    int error = reeve_address_parse_peer(daemon->options->head, &head, text);
    if (error != REEVE_OK)
        return error;
    reeve_address_format(&head, daemon->head_address);
    char listen[REEVE_ADDRESS_SIZE];
    if (daemon->options->listen != NULL) {
        snprintf(listen, sizeof listen, "%s", daemon->options->listen);
    } else if (head.scheme == REEVE_ADDRESS_ABSTRACT) {
        snprintf(listen, sizeof listen, "abstract://reeve-%u-%016llx-node", (unsigned)getuid(),
            (unsigned long long)daemon->uid);
    } else {
        error = local_address(&head, listen, text);
        if (error != REEVE_OK)
            return error;
    }
    struct reeve_link_options options = {.loop = &daemon->loop,
        .role = REEVE_ROLE_NODE,
        .uid = daemon->uid,
        .incarnation = daemon->incarnation,
        .key = daemon->options->key,
        .listen = listen,
        .advertise = daemon->options->advertise,
        .callbacks = {.peer_up = on_peer_up,
            .peer_down = on_peer_down,
            .dial_failed = on_dial_failed,
            .message = on_message,
            .drained = on_drained,
            .rejected = on_rejected},
        .arg = daemon};
    error = reeve_link_open(&options, &daemon->link, text);
    if (error == REEVE_OK)
        daemon_streams_open(daemon, listen);
    return error;
}

/* --- the core's words --- */

static void dial_peer(struct daemon *daemon, struct daemon_peer *peer);

static void send_peer(struct daemon *daemon, const struct reeve_node_command *command)
{
    struct daemon_peer *peer = daemon_peer_get(daemon, command->node);
    if (peer == NULL)
        return;
    if (peer->session != 0) {
        (void)reeve_link_send_control(daemon->link, peer->session, &command->message);
        return;
    }
    struct reeve_message *later =
        peer->queue.count < REEVE_DAEMON_PEER_QUEUE ? reeve_fifo_push(&peer->queue) : NULL;
    if (later == NULL) {
        peer_lost(daemon, peer, REEVE_OK, "too much waits for a session with it");
        return;
    }
    *later = command->message;
    dial_peer(daemon, peer);
}

static void peer_known(struct daemon *daemon, const struct reeve_message *message)
{
    struct daemon_peer *peer = daemon_alloc(sizeof *peer);
    peer->node = message->node;
    peer->incarnation = message->incarnation;
    memcpy(peer->address, message->address, sizeof peer->address);
    memcpy(peer->host, message->host, sizeof peer->host);
    reeve_fifo_init(&peer->queue, sizeof(struct reeve_message));
    daemon_put(&daemon->peers, peer->node, peer);
    reeve_store_shell_host(daemon->store, peer->node, peer->host);
    /* who has been waiting to know where it is asks again */
    reeve_store_shell_peer_reset(daemon->store, peer->node);
    daemon_fetch_peer_up(daemon, peer->node);
}

static void peer_free(struct daemon_peer *peer)
{
    reeve_fifo_fini(&peer->queue);
    free(peer);
}

/* Also of one that was never met: something may wait to hear where it is. */
static void peer_forget(struct daemon *daemon, uint32_t node, const char *text)
{
    struct daemon_peer *peer = reeve_map64_remove(&daemon->peers, node);
    if (peer != NULL && peer->session != 0)
        reeve_link_close_peer(daemon->link, peer->session, REEVE_ENODEDIED, text);
    if (peer != NULL)
        peer_free(peer);
    daemon_streams_peer_down(daemon, node);
    daemon_fetch_peer_lost(daemon, node, text);
    reeve_store_shell_peer_down(daemon->store, node);
    daemon_objects_arm(daemon);
}

static void dial_peer(struct daemon *daemon, struct daemon_peer *peer)
{
    if (peer->session != 0 || peer->dialling)
        return;
    peer->dialling = true;
    if (reeve_link_dial(daemon->link, peer->address) != REEVE_OK)
        peer_lost(daemon, peer, REEVE_OK, "its address is malformed");
}

reeve_peer daemon_peer_session(struct daemon *daemon, uint32_t node)
{
    struct daemon_peer *peer = daemon_peer_get(daemon, node);
    if (peer != NULL) {
        peer->wanted = true;
        dial_peer(daemon, peer);
        return peer->session;
    }
    /* The head knows where it is, or that it is dead. */
    struct reeve_message ask = {.kind = REEVE_MESSAGE_PEER_UP, .node = node};
    if (daemon->head_session != 0)
        (void)reeve_link_send_control(daemon->link, daemon->head_session, &ask);
    return 0;
}

/* A heartbeat says how full the store is. */
static void send_head(struct daemon *daemon, struct reeve_message message)
{
    if (daemon->head_session == 0)
        return;
    if (message.kind == REEVE_MESSAGE_HEARTBEAT) {
        struct reeve_store_status store;
        reeve_store_shell_status(daemon->store, &store);
        message.memory_bytes = store.capacity_bytes;
        message.count = store.used_bytes;
        reeve_store_shell_describe_disk(daemon->store, message.text, sizeof(message.text));
        message.held_bytes = reeve_store_shell_held(daemon->store);
        message.object_count = store.object_count;
    }
    (void)reeve_link_send_control(daemon->link, daemon->head_session, &message);
}

void daemon_links_command(struct daemon *daemon, const struct reeve_node_command *command)
{
    switch (command->kind) {
    case REEVE_NODE_COMMAND_DIAL_HEAD: {
        int error = reeve_link_dial(daemon->link, daemon->head_address);
        if (error != REEVE_OK)
            on_dial_failed(daemon, daemon->head_address, error, reeve_strerror(error));
        break;
    }
    case REEVE_NODE_COMMAND_DROP_HEAD:
        if (daemon->head_session != 0)
            reeve_link_close_peer(
                daemon->link, daemon->head_session, REEVE_ETIMEDOUT, command->text);
        break;
    case REEVE_NODE_COMMAND_SEND_HEAD: send_head(daemon, command->message); break;
    case REEVE_NODE_COMMAND_SEND_PEER: send_peer(daemon, command); break;
    case REEVE_NODE_COMMAND_PEER_KNOWN: peer_known(daemon, &command->message); break;
    case REEVE_NODE_COMMAND_PEER_FORGET: peer_forget(daemon, command->node, command->text); break;
    default: break;
    }
}

bool daemon_output_send(struct daemon *daemon, reeve_process_id job, bool error_stream,
    const char *lines, size_t size, uint64_t dropped)
{
    struct daemon_peer *peer = daemon_peer_get(daemon, reeve_process_node(job));
    if (peer == NULL || peer->session == 0)
        return false;
    Reeve__Output output = REEVE__OUTPUT__INIT;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    output.job = job;
    output.error_stream = error_stream;
    output.lines.data = (uint8_t *)lines;
    output.lines.len = size;
    output.has_dropped_count = dropped > 0;
    output.dropped_count = dropped;
    message.body_case = REEVE__MESSAGE__BODY_OUTPUT;
    message.output = &output;
    return reeve_link_queued_bytes(daemon->link, peer->session) < OUTPUT_QUEUE_MAX &&
           reeve_link_send(daemon->link, peer->session, &message) == REEVE_OK;
}

static bool has_sessions(const struct daemon *daemon)
{
    size_t at = 0;
    void *value;
    if (daemon->head_session != 0)
        return true;
    while (reeve_map64_next(&daemon->peers, &at, NULL, &value)) {
        if (((const struct daemon_peer *)value)->session != 0)
            return true;
    }
    return false;
}

void daemon_links_goodbye(struct daemon *daemon)
{
    static const char text[] = "the node has been stopped";
    size_t at = 0;
    void *value;
    if (daemon->head_session != 0)
        reeve_link_close_peer(daemon->link, daemon->head_session, REEVE_ESHUTDOWN, text);
    while (reeve_map64_next(&daemon->peers, &at, NULL, &value)) {
        const struct daemon_peer *peer = value;
        if (peer->session != 0)
            reeve_link_close_peer(daemon->link, peer->session, REEVE_ESHUTDOWN, text);
    }
    while (has_sessions(daemon) && uv_run(&daemon->loop, UV_RUN_ONCE) != 0)
        ;
}

void daemon_links_free(struct daemon *daemon)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->peers, &at, NULL, &value))
        peer_free(value);
    reeve_map64_fini(&daemon->peers);
    reeve_fifo_fini(&daemon->unnamed);
}
