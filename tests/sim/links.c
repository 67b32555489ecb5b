/* A node daemon's shell: its links to the head and to other nodes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "tests/sim/values.h"

/* ---- peers ---- */

static struct sim_peer *peer_get(struct sim_daemon *daemon, uint32_t number)
{
    return reeve_map64_get(&daemon->peers, number);
}

static struct sim_peer *peer_of_session(struct sim_daemon *daemon, uint64_t session)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->peers, &at, NULL, &value))
        if (((struct sim_peer *)value)->session == session)
            return value;
    return NULL;
}

void sim_peer_known(struct sim *sim, struct sim_daemon *daemon, const struct reeve_message *message)
{
    struct sim_peer *peer = sim_alloc(sizeof *peer);
    peer->node = message->node;
    peer->life = strtoull(message->address + 4, NULL, 16);
    reeve_fifo_init(&peer->waiting, sizeof(struct sim_frame *));
    void *former = NULL;
    reeve_map64_put(&daemon->peers, peer->node, peer, &former);
    REEVE_ASSERT(former == NULL);
    sim_store_peer(sim, daemon, peer->node, false); /* who waits to know where it is asks again */
}

static void peer_drop_waiting(struct sim_peer *peer)
{
    struct sim_frame *frame;
    while (reeve_fifo_pop(&peer->waiting, &frame))
        free(frame);
}

void sim_peer_free(struct sim_peer *peer)
{
    peer_drop_waiting(peer);
    reeve_fifo_fini(&peer->waiting);
    free(peer);
}

void sim_peer_send(
    struct sim *sim, struct sim_daemon *daemon, uint32_t number, struct sim_frame *frame)
{
    struct sim_peer *peer = peer_get(daemon, number);
    if (peer == NULL) {
        free(frame);
        return;
    }
    struct sim_session *session = sim_session_get(sim, peer->session);
    if (session != NULL) {
        sim_send_frame(sim, session, sim_session_side(session, daemon->life), frame);
        return;
    }
    struct sim_frame **place = reeve_fifo_push(&peer->waiting);
    *place = frame;
    if (!peer->dialling) {
        peer->dialling = true;
        sim_dial(sim, daemon->life, peer->life, number);
    }
}

void sim_peer_say(
    struct sim *sim, struct sim_daemon *daemon, uint32_t number, struct sim_frame *frame)
{
    struct sim_peer *peer = peer_get(daemon, number);
    struct sim_session *session = sim_session_get(sim, peer != NULL ? peer->session : 0);
    if (session != NULL) {
        sim_send_frame(sim, session, sim_session_side(session, daemon->life), frame);
        return;
    }
    free(frame);
    if (peer != NULL && !peer->dialling) {
        peer->dialling = true;
        sim_dial(sim, daemon->life, peer->life, number);
    } else if (peer == NULL && (session = sim_session_get(sim, daemon->head_session)) != NULL) {
        /* the head knows where it is, or that it is dead */
        sim_send_message(sim, session, sim_session_side(session, daemon->life),
            &(struct reeve_message){.kind = REEVE_MESSAGE_PEER_UP, .node = number});
    }
}

static void introduce(
    struct sim *sim, struct sim_daemon *daemon, struct sim_session *session, int side)
{
    if (daemon->number == 0) {
        *(uint64_t *)reeve_fifo_push(&daemon->unnamed) = session->id;
        return;
    }
    struct reeve_message hello = {
        .kind = REEVE_MESSAGE_PEER_UP, .node = daemon->number, .incarnation = 1};
    snprintf(hello.address, sizeof hello.address, "sim:%llx", (unsigned long long)daemon->life);
    sim_send_message(sim, session, side, &hello);
}

void sim_peers_registered(struct sim *sim, struct sim_daemon *daemon)
{
    uint64_t id;
    while (reeve_fifo_pop(&daemon->unnamed, &id)) {
        struct sim_session *session = sim_session_get(sim, id);
        if (session != NULL)
            introduce(sim, daemon, session, sim_session_side(session, daemon->life));
    }
}

static void peer_lost(
    struct sim *sim, struct sim_daemon *daemon, struct sim_peer *peer, const char *text)
{
    struct reeve_node_event event = {.kind = REEVE_NODE_EVENT_PEER_LINK_DOWN, .node = peer->node};
    snprintf(event.text, sizeof event.text, "%s", text);
    peer->session = 0;
    peer->dialling = false;
    peer_drop_waiting(peer);
    sim_node_step(sim, daemon, &event);
}

/* It may be that a dial was taken for done because the session was up that has ended now. */
static void dial_again(struct sim *sim, struct sim_daemon *daemon)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->peers, &at, NULL, &value)) {
        const struct sim_peer *peer = value;
        if (peer->session == 0 && peer->dialling)
            sim_dial(sim, daemon->life, peer->life, peer->node);
    }
}

void sim_peer_forget(struct sim *sim, struct sim_daemon *daemon, uint32_t number)
{
    struct sim_peer *peer = reeve_map64_remove(&daemon->peers, number);
    struct sim_session *session = sim_session_get(sim, peer != NULL ? peer->session : 0);
    if (session != NULL)
        sim_session_cut(sim, session);
    if (peer != NULL)
        sim_peer_free(peer);
    sim_store_peer(sim, daemon, number, true); /* also of one that was never met */
}

/* ---- links ---- */

static bool leads_to_head(const struct sim *sim, const struct sim_session *session, int side)
{
    (void)sim;
    return session->life[!side] >> 32 == 0; /* lives of heads have no machine in them */
}

void sim_daemon_session_up(
    struct sim *sim, struct sim_daemon *daemon, struct sim_session *session, int side)
{
    if (daemon->is_head) {
        sim_head_step(sim, daemon,
            &(struct reeve_sched_event){.kind = REEVE_SCHED_EVENT_PEER_UP, .session = session->id});
    } else if (leads_to_head(sim, session, side)) {
        struct sim_session *former = sim_session_get(sim, daemon->head_session);
        uint64_t life = daemon->life, id = session->id;
        if (former != NULL) { /* with a head that is no more, and whose end was silent */
            sim_session_cut(sim, former);
            daemon->head_session = 0;
            sim_node_step(sim, daemon,
                &(struct reeve_node_event){
                    .kind = REEVE_NODE_EVENT_HEAD_DOWN, .text = "another head"});
            daemon = sim_daemon_get(sim, life);
            if (daemon == NULL)
                return;
        }
        daemon->head_session = id;
        sim_node_step(sim, daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_HEAD_UP});
    } else {
        introduce(sim, daemon, session, side);
    }
}

void sim_daemon_session_down(
    struct sim *sim, struct sim_daemon *daemon, const struct sim_session *session)
{
    if (daemon->is_head) {
        sim_head_step(sim, daemon,
            &(struct reeve_sched_event){
                .kind = REEVE_SCHED_EVENT_PEER_DOWN, .session = session->id});
        return;
    }
    if (daemon->head_session == session->id) {
        daemon->head_session = 0;
        sim_node_step(sim, daemon,
            &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_HEAD_DOWN, .text = "link lost"});
        return;
    }
    uint64_t life = daemon->life;
    struct sim_peer *peer = peer_of_session(daemon, session->id);
    if (peer != NULL)
        peer_lost(sim, daemon, peer, "link lost");
    daemon = sim_daemon_get(sim, life);
    if (daemon != NULL)
        dial_again(sim, daemon);
}

void sim_daemon_dial_failed(
    struct sim *sim, struct sim_daemon *daemon, uint64_t to, uint32_t number, bool refused)
{
    if (daemon->is_head) {
        sim_head_step(sim, daemon,
            &(struct reeve_sched_event){
                .kind = REEVE_SCHED_EVENT_DIAL_FAILED, .node = number, .refused = refused});
    } else if (to == 0) {
        sim_node_step(sim, daemon,
            &(struct reeve_node_event){
                .kind = REEVE_NODE_EVENT_HEAD_DIAL_FAILED, .text = "unreachable"});
    } else {
        struct sim_peer *peer = peer_get(daemon, number);
        if (peer != NULL && peer->session == 0 && peer->dialling)
            peer_lost(sim, daemon, peer, "cannot be reached");
    }
}

/* The peer at the other end says which node it is: what waits for it can go. */
static void introduced(struct sim *sim, struct sim_daemon *daemon, struct sim_session *session,
    int side, const struct reeve_message *message)
{
    struct reeve_node_event event = {
        .kind = REEVE_NODE_EVENT_PEER_LINK_UP, .node = message->node, .message = *message};
    uint64_t life = daemon->life, id = session->id;
    sim_node_step(sim, daemon, &event); /* PEER_KNOWN follows, if the core takes it */
    daemon = sim_daemon_get(sim, life);
    session = sim_session_get(sim, id);
    if (daemon == NULL || session == NULL)
        return;
    struct sim_peer *peer = peer_get(daemon, message->node);
    if (peer == NULL) {
        sim_session_cut(sim, session); /* it has been declared dead */
        return;
    }
    if (peer->session != 0 && peer->session != id) {
        peer_lost(sim, daemon, peer, "another session has taken its place");
        daemon = sim_daemon_get(sim, life);
        peer = daemon != NULL ? peer_get(daemon, message->node) : NULL;
        if (peer == NULL)
            return;
    }
    peer->session = id;
    peer->dialling = false;
    struct sim_frame *frame;
    while (reeve_fifo_pop(&peer->waiting, &frame))
        sim_send_frame(sim, session, side, frame);
    sim_store_peer(sim, daemon, message->node, false);
}

static void peer_frame(struct sim *sim, struct sim_daemon *daemon, struct sim_session *session,
    int side, struct sim_frame *frame)
{
    if (frame->kind == FRAME_CONTROL && frame->message.kind == REEVE_MESSAGE_PEER_UP) {
        introduced(sim, daemon, session, side, &frame->message);
        return;
    }
    const struct sim_peer *peer = peer_of_session(daemon, session->id);
    if (peer == NULL)
        return; /* from one that has not said who it is */
    if (frame->kind == FRAME_STORE) {
        sim_store_frame(sim, daemon, peer->node, frame);
        return;
    }
    if (frame->kind != FRAME_CONTROL) {
        sim_channel_frame(sim, daemon, peer->node, frame);
        return;
    }
    struct reeve_node_event event = {
        .kind = REEVE_NODE_EVENT_PEER_MESSAGE, .node = peer->node, .message = frame->message};
    sim_node_step(sim, daemon, &event);
}

void sim_daemon_frame(struct sim *sim, struct sim_daemon *daemon, struct sim_session *session,
    int side, struct sim_frame *frame)
{
    if (daemon->is_head) {
        struct reeve_sched_event event = {.kind = REEVE_SCHED_EVENT_NODE_MESSAGE,
            .session = session->id,
            .message = &frame->message};
        if (frame->message.kind != REEVE_MESSAGE_HEARTBEAT)
            sim_trace(sim, "head <- session %llu %s lease %llx process %llx count %llu code %d",
                (unsigned long long)session->id, reeve_message_kind_name(frame->message.kind),
                (unsigned long long)frame->message.lease,
                (unsigned long long)frame->message.process,
                (unsigned long long)frame->message.count, frame->message.code);
        sim_head_step(sim, daemon, &event);
    } else if (leads_to_head(sim, session, side)) {
        if (daemon->head_session != session->id)
            return;
        if (frame->message.kind == REEVE_MESSAGE_GRANT)
            reeve_map64_put(&daemon->granted, frame->message.lease,
                (void *)((uintptr_t)frame->message.class.cpu_milli + 1), NULL);
        struct reeve_node_event event = {
            .kind = REEVE_NODE_EVENT_HEAD_MESSAGE, .message = frame->message};
        sim_node_step(sim, daemon, &event);
    } else {
        peer_frame(sim, daemon, session, side, frame);
    }
}
