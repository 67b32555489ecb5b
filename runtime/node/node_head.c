/* The node core's session with the head: dialling, registration, heartbeats; and whom the head says
 * is alive.
 *
 *   down ─dial, after 5 ms … 1 s─▶ (up) ─JOIN, HOLDING …─▶ WELCOME ─JOB_BEGIN, DEMAND…─▶ joined
 *
 * While it is down, work goes on; what ends meanwhile is simply not among what is announced at
 * the next JOIN. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/macros.h"
#include "runtime/node/node_internal.h"

static void redial_later(struct reeve_node *node)
{
    node->dialling = false;
    node_timer_set(node, &node->head_timer, node->now_ns + node->backoff_ns);
    node->backoff_ns = REEVE_MIN(node->backoff_ns * 2, REEVE_NODE_BACKOFF_MAX_NS);
}

void node_head_timer(struct reeve_node *node)
{
    if (!node->head_up) {
        if (!node->dialling) {
            node->dialling = true;
            node_emit(node, REEVE_NODE_COMMAND_DIAL_HEAD);
        }
        return;
    }
    if (node->now_ns - node->head_word_ns >= node->config.head_silence_ns) {
        struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_DROP_HEAD);
        node_set_text(command->text, "the head has been silent for %llu ms",
            (unsigned long long)((node->now_ns - node->head_word_ns) / 1000000));
        /* once more after the same time, should the shell's HEAD_DOWN not come */
        node_timer_set(node, &node->head_timer, node->now_ns + node->config.head_silence_ns);
        return;
    }
    node_heartbeat(node);
    node_timer_set(node, &node->head_timer, node->now_ns + node->heartbeat_ns);
}

static void tell_clients(struct reeve_node *node, int32_t code, const char *text)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->processes, &at, NULL, &value)) {
        struct node_process *process = value;
        if (process->state != PROCESS_DRIVER && process->state != PROCESS_IDLE &&
            process->state != PROCESS_LEASED)
            continue;
        struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLIENT_HEAD);
        command->serial = process->serial;
        command->code = code;
        node_set_text(command->text, "%s", text);
    }
}

void node_head_up(struct reeve_node *node)
{
    if (node->head_up) {
        node->stale++;
        return;
    }
    node->head_up = true;
    node->joined = false;
    node->dialling = false;
    node->head_word_ns = node->now_ns;
    struct reeve_message *join = node_send_head(node, REEVE_MESSAGE_JOIN);
    join->node = node->number;
    join->uid = node->config.uid;
    join->incarnation = node->config.incarnation;
    join->cpu_milli = node->config.cpu_milli;
    join->memory_bytes = node->config.memory_bytes;
    memcpy(join->host, node->config.host, sizeof join->host);
    memcpy(join->address, node->config.address, sizeof join->address);
    node_announce_leases(node);
    node_timer_set(node, &node->head_timer, node->now_ns + node->heartbeat_ns);
}

void node_head_down(struct reeve_node *node, const struct reeve_node_event *event)
{
    if (!node->head_up) {
        node->stale++;
        return;
    }
    bool was_joined = node->joined;
    node->head_up = node->joined = false;
    node->head_code = event->code;
    memcpy(node->head_text, event->text, sizeof node->head_text);
    if (was_joined)
        tell_clients(node, REEVE_ENOCLUSTER, event->text);
    redial_later(node);
}

void node_head_dial_failed(struct reeve_node *node, const struct reeve_node_event *event)
{
    if (node->head_up) {
        node->stale++;
        return;
    }
    node->head_code = event->code;
    memcpy(node->head_text, event->text, sizeof node->head_text);
    /* These do not go away by themselves. A node that has been in before keeps trying: its work
     * goes on meanwhile. */
    if (node->number == 0 && (event->code == REEVE_EKEY || event->code == REEVE_EVERSION ||
                                 event->code == REEVE_EADDRESS)) {
        size_t at = 0;
        void *value;
        while (reeve_map64_next(&node->pending, &at, NULL, &value))
            node_pending_refuse(
                node, ((struct node_pending *)value)->connection, event->code, event->text);
        node_end(node, event->code, event->text);
        return;
    }
    redial_later(node);
}

/* The head had given us up: what we ran has been given to others, so none of it may go on here. */
static void fence(struct reeve_node *node)
{
    static const char text[] = "the head had declared this node dead";
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->jobs, &at, NULL, &value))
        node_job_end(node, value, REEVE_ENODEDIED, text);
    at = 0;
    while (reeve_map64_next(&node->peers, &at, NULL, &value)) {
        struct node_peer *peer = value;
        node_peer_lost(node, peer->node, REEVE_ENODEDIED, text);
        struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_PEER_FORGET);
        command->node = peer->node;
        node_set_text(command->text, "%s", text);
        reeve_map64_remove(&node->peers, peer->node);
        free(peer);
    }
    node->ended_jobs_count = 0;
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_FENCED);
    node_set_text(command->text, "%s", text);
}

/* A verdict on one of them may have been passed while the head or the link to it was down. */
static void ask_for_peers(struct reeve_node *node)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->peers, &at, NULL, &value))
        node_send_head(node, REEVE_MESSAGE_PEER_UP)->node = ((struct node_peer *)value)->node;
}

static void welcome(struct reeve_node *node, const struct reeve_message *message)
{
    if (node->joined || message->node == 0) {
        node->stale++;
        return;
    }
    if (node->number != 0 && node->number != message->node)
        fence(node);
    node->joined = true;
    node->number = message->node;
    node->backoff_ns = REEVE_NODE_BACKOFF_MIN_NS;
    if (message->count >= 10 && message->count <= 60000)
        node->heartbeat_ns = message->count * 1000000ull;
    node_timer_set(node, &node->head_timer, node->now_ns + node->heartbeat_ns);
    node_emit(node, REEVE_NODE_COMMAND_REGISTERED)->node = node->number;
    for (uint32_t i = 0; i < node->ended_jobs_count; i++)
        node_send_head(node, REEVE_MESSAGE_JOB_END)->process = node->ended_jobs[i];
    node->ended_jobs_count = 0;
    node_announce_wants(node);
    node_announce_names(node, false);
    node_announce_waits(node);
    ask_for_peers(node);
    node_send_head(node, REEVE_MESSAGE_PEER_UP)->node = node->number; /* that was all */
    tell_clients(node, REEVE_OK, "");
    node_pending_accept(node);
}

/* --- peers --- */

void node_peer_lost(struct reeve_node *node, uint32_t peer, int32_t code, const char *text)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->leases, &at, NULL, &value)) {
        struct node_lease *lease = value;
        if (lease->peer != peer)
            continue;
        if (lease->state == LEASE_HELD)
            node_lease_lost(node, lease, code, text);
        else
            node_lease_close(node, lease, REEVE_EOWNERDIED);
    }
}

static void bury(struct reeve_node *node, uint32_t number)
{
    node->dead[node->dead_count++ % REEVE_NODE_DEAD_MAX] = number;
}

static bool is_dead(const struct reeve_node *node, uint32_t number)
{
    for (uint32_t i = 0; i < REEVE_MIN(node->dead_count, REEVE_NODE_DEAD_MAX); i++) {
        if (node->dead[i] == number)
            return true;
    }
    return false;
}

static void peer_forget(
    struct reeve_node *node, struct node_peer *peer, int32_t code, const char *text)
{
    node_peer_lost(node, peer->node, code, text);
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->jobs, &at, NULL, &value)) {
        struct node_job *job = value;
        if (reeve_process_node(job->id) == peer->node)
            node_job_end(node, job, REEVE_ENODEDIED, text);
    }
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_PEER_FORGET);
    command->node = peer->node;
    node_set_text(command->text, "%s", text);
    reeve_map64_remove(&node->peers, peer->node);
    free(peer);
}

void node_peer_up(struct reeve_node *node, const struct reeve_message *message)
{
    if (message->node == 0 || message->node == node->number || is_dead(node, message->node)) {
        node->stale++;
        return;
    }
    struct node_peer *peer = reeve_map64_get(&node->peers, message->node);
    if (peer != NULL && peer->incarnation == message->incarnation)
        return;
    if (peer != NULL)
        peer_forget(node, peer, REEVE_ENODEDIED, "the node has started anew");
    peer = node_alloc(sizeof *peer);
    peer->node = message->node;
    peer->incarnation = message->incarnation;
    node_map_put(&node->peers, peer->node, peer);
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_PEER_KNOWN);
    command->node = peer->node;
    command->message = *message;
}

static void peer_down(struct reeve_node *node, const struct reeve_message *message)
{
    struct node_peer *peer = reeve_map64_get(&node->peers, message->node);
    if (peer == NULL) { /* the answer to who asked for it, or a verdict on one we never met */
        struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_PEER_FORGET);
        command->node = message->node;
        node_set_text(command->text, "%s", message->text);
        bury(node, message->node);
        return;
    }
    if (message->incarnation != 0 && peer->incarnation != message->incarnation) {
        node->stale++;
        return;
    }
    bury(node, peer->node);
    peer_forget(node, peer, message->code == REEVE_ESHUTDOWN ? REEVE_ESHUTDOWN : REEVE_ENODEDIED,
        message->text[0] != 0 ? message->text : "the node is dead");
}

void node_head_message(struct reeve_node *node, const struct reeve_message *message)
{
    if (!node->head_up || (!node->joined && message->kind != REEVE_MESSAGE_WELCOME &&
                              message->kind != REEVE_MESSAGE_HEARTBEAT)) {
        node->stale++;
        return;
    }
    node->head_word_ns = node->now_ns;
    switch (message->kind) {
    case REEVE_MESSAGE_WELCOME: welcome(node, message); break;
    case REEVE_MESSAGE_HEARTBEAT: break;
    case REEVE_MESSAGE_PEER_UP: node_peer_up(node, message); break;
    case REEVE_MESSAGE_PEER_DOWN: peer_down(node, message); break;
    case REEVE_MESSAGE_GRANT: node_grant(node, message); break;
    case REEVE_MESSAGE_RECALL: node_recall(node, message->lease, message->count); break;
    case REEVE_MESSAGE_INFEASIBLE: node_infeasible(node, message); break;
    case REEVE_MESSAGE_DEADLOCK: node_deadlock(node, message); break;
    case REEVE_MESSAGE_NAMED: node_named(node, message); break;
    case REEVE_MESSAGE_JOB_END: {
        struct node_job *job = reeve_map64_get(&node->jobs, message->process);
        if (job != NULL)
            node_job_end(node, job, REEVE_ECANCELLED,
                message->text[0] != 0 ? message->text : "the job was stopped");
        break;
    }
    default: node->stale++; break;
    }
}
