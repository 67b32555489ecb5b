/* Channels: made when a lease is opened, closed when it ends.
 *
 * The daemon makes the segment and passes it to both ends, with the bell of the other; of a
 * bridged one it is an end itself. It keeps a mapping of its own, by which it revokes: what a
 * dead worker, or one whose holder is gone, has not claimed is nobody's from then on, before
 * anyone is told. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/node/shell_channels.h"

#include "runtime/base/limits.h"

static const struct reeve_channel_geometry geometry = {.call_slots = 1024,
    .call_payload_bytes = 512 * 1024,
    .return_slots = 1024,
    .return_payload_bytes = 512 * 1024};

struct daemon_channel *daemon_channel_get(struct daemon *daemon, uint64_t lease)
{
    return reeve_map64_get(&daemon->channels, lease);
}

/* Who is at the other end of a bridged channel. */
struct daemon_client *daemon_channel_client(const struct daemon_channel *channel)
{
    return daemon_client_get(
        channel->daemon, channel->kind == CHANNEL_EXECUTOR ? channel->worker : channel->holder);
}

struct daemon_channel *daemon_channel_with(
    struct daemon *daemon, uint32_t node, uint64_t lease, enum daemon_channel_kind kind)
{
    struct daemon_channel *channel = daemon_channel_get(daemon, lease);
    return channel != NULL && channel->kind == kind && channel->node == node ? channel : NULL;
}

void daemon_channel_tell(const struct daemon_channel *channel, const Reeve__Message *message)
{
    const struct daemon_peer *peer = daemon_peer_get(channel->daemon, channel->node);
    if (peer != NULL && peer->session != 0)
        (void)reeve_link_send(channel->daemon->link, peer->session, message);
}

/* Both ends have it, or have it queued: a lease costs the daemon no descriptor. */
static void handed_out(struct daemon_channel *channel)
{
    if (channel->fd >= 0)
        close(channel->fd);
    channel->fd = -1;
}

static void channel_free(struct daemon_channel *channel)
{
    if (channel == NULL)
        return;
    if (channel->kind == CHANNEL_EXECUTOR)
        daemon_executor_free(channel);
    if (channel->kind == CHANNEL_HOLDER)
        daemon_holder_free(channel);
    reeve_list_remove(&channel->bridge_link);
    free(channel->sent);
    reeve_channel_detach(&channel->revoker);
    reeve_channel_detach(&channel->end);
    if (channel->memory != NULL)
        reeve_memory_unmap(channel->memory, channel->size);
    handed_out(channel);
    free(channel);
}

static int make(struct daemon_channel *channel)
{
    size_t size = reeve_channel_size_bytes(&geometry);
    int error = reeve_memory_create("reeve-channel", size, &channel->fd);
    if (error == REEVE_OK)
        error = reeve_memory_map(channel->fd, size, 0, &channel->memory, &channel->size);
    if (error != REEVE_OK)
        return error;
    reeve_channel_format(channel->memory, &geometry, channel->lease);
    error = reeve_channel_attach(
        &channel->revoker, channel->memory, channel->size, REEVE_CHANNEL_DAEMON);
    if (error != REEVE_OK || channel->kind == CHANNEL_LOCAL)
        return error;
    return reeve_channel_attach(&channel->end, channel->memory, channel->size,
        channel->kind == CHANNEL_EXECUTOR ? REEVE_CHANNEL_HOLDER : REEVE_CHANNEL_WORKER);
}

static struct daemon_channel *channel_make(
    struct daemon *daemon, enum daemon_channel_kind kind, const struct reeve_node_command *command)
{
    struct daemon_channel *channel = daemon_alloc(sizeof *channel);
    channel->daemon = daemon;
    channel->kind = kind;
    channel->lease = command->lease;
    channel->node = command->node;
    channel->ordered = command->host != 0;
    channel->caller = kind == CHANNEL_EXECUTOR ? command->process : REEVE_PROCESS_NONE;
    channel->holder = kind == CHANNEL_EXECUTOR ? 0 : command->serial;
    channel->worker = kind == CHANNEL_HOLDER ? 0 : command->worker;
    channel->fd = -1;
    reeve_list_init(&channel->bridge_link);
    reeve_list_init(&channel->calls);
    reeve_list_init(&channel->results);
    if (kind != CHANNEL_LOCAL)
        channel->sent = daemon_alloc(geometry.call_slots * sizeof *channel->sent);
    if (make(channel) != REEVE_OK) {
        char why[REEVE_LIMITS_TEXT_SIZE];
        reeve_log(REEVE_LOG_ERROR, "REEVE-CHANNEL-FAILED", "lease=%llx why=%s",
            (unsigned long long)command->lease, reeve_limits_text(errno, why));
        channel_free(channel);
        return NULL;
    }
    daemon_put(&daemon->channels, channel->lease, channel);
    if (kind != CHANNEL_LOCAL)
        reeve_list_push_back(&daemon->bridged, &channel->bridge_link);
    return channel;
}

/* `peer` and `bell`: of the other end. Where that is the daemon itself the client has its bell
 * already: one lease of thousands on other nodes costs its holder neither a descriptor nor a
 * page more. */
static void tell(struct daemon_client *client, const struct daemon_channel *channel,
    enum reeve_local_channel_role role, const struct reeve_node_command *command,
    reeve_process_id peer, uint32_t node, const struct daemon_bell *bell)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_CHANNEL,
        .lease = channel->lease,
        .class_index = command->class_index,
        .cpu_milli = command->cpu_milli,
        .priority = command->priority,
        .token = command->owner,
        .task = command->host,
        .flags = role,
        .process = peer,
        .node = node,
        .fd_count = bell == &client->daemon->bell ? 1 : 3,
        .fds = {channel->fd, bell->page_fd, bell->event_fd}};
    const struct daemon_peer *elsewhere =
        node != client->daemon->node ? daemon_peer_get(client->daemon, node) : NULL;
    if (elsewhere != NULL)
        reeve_local_set_text(&message, "%s", elsewhere->host);
    daemon_client_send(client, &message);
}

static void open_local(struct daemon *daemon, const struct reeve_node_command *command)
{
    struct daemon_client *holder = daemon_client_get(daemon, command->serial);
    struct daemon_client *worker = daemon_client_get(daemon, command->worker);
    if (holder == NULL || worker == NULL)
        return; /* the core hears of its end presently, and closes the lease */
    struct daemon_channel *channel = channel_make(daemon, CHANNEL_LOCAL, command);
    if (channel == NULL) {
        daemon_worker_kill(daemon, command->worker); /* the holder is told that the lease is lost */
        return;
    }
    tell(worker, channel, REEVE_LOCAL_ROLE_WORKER, command,
        reeve_process_id_make(daemon->node, holder->serial), daemon->node, &holder->bell);
    tell(holder, channel, REEVE_LOCAL_ROLE_HOLDER, command,
        reeve_process_id_make(daemon->node, worker->serial), daemon->node, &worker->bell);
    handed_out(channel);
}

static void open_executor(struct daemon *daemon, const struct reeve_node_command *command)
{
    struct daemon_client *worker = daemon_client_get(daemon, command->worker);
    if (worker == NULL)
        return;
    struct daemon_channel *channel = channel_make(daemon, CHANNEL_EXECUTOR, command);
    if (channel == NULL) {
        daemon_worker_kill(daemon, command->worker);
        return;
    }
    tell(worker, channel, REEVE_LOCAL_ROLE_WORKER, command, command->process, daemon->node,
        &daemon->bell);
    handed_out(channel);
    daemon_bridge_turn(daemon); /* arms the bell */
}

static void open_holder(struct daemon *daemon, const struct reeve_node_command *command)
{
    struct daemon_client *holder = daemon_client_get(daemon, command->serial);
    if (holder == NULL)
        return;
    struct daemon_channel *channel = channel_make(daemon, CHANNEL_HOLDER, command);
    if (channel == NULL) { /* as if the client had returned it at once; it still wants one */
        daemon_event(daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_CLIENT_RETURN,
                                 .serial = command->serial,
                                 .lease = command->lease});
        return;
    }
    tell(holder, channel, REEVE_LOCAL_ROLE_HOLDER, command, command->process, command->node,
        &daemon->bell);
    handed_out(channel);
    daemon_bridge_turn(daemon);
}

static void channel_close(struct daemon *daemon, const struct reeve_node_command *command)
{
    struct daemon_channel *channel = daemon_channel_get(daemon, command->lease);
    bool dead = command->kind == REEVE_NODE_COMMAND_CLOSE_DEAD;
    bool executes = channel == NULL || channel->kind != CHANNEL_HOLDER;
    struct reeve_ring_census census = {0};
    if (channel != NULL) {
        if (reeve_ring_revoke_all(&channel->revoker.calls, &census) != REEVE_OK)
            census.claimed = 1; /* scribbled: whoever did that is not used again */
        if (dead && channel->kind == CHANNEL_EXECUTOR)
            daemon_executor_answer_all(channel, command);
        if (dead && channel->kind == CHANNEL_HOLDER && command->code != REEVE_ENODEDIED)
            daemon_holder_answer_all(channel);
        struct daemon_client *worker = daemon_client_get(daemon, channel->worker);
        if ((!dead || command->host != 0) && worker != NULL)
            daemon_client_send(
                worker, &(struct reeve_local_message){
                            .kind = REEVE_LOCAL_CHANNEL_CLOSE, .lease = command->lease});
        reeve_map64_remove(&daemon->channels, command->lease);
        channel_free(channel);
    }
    if (!dead && executes)
        daemon_event(daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_CLOSED,
                                 .lease = command->lease,
                                 .count = command->code == REEVE_OK ? 0 : census.claimed});
}

void daemon_channels_command(struct daemon *daemon, const struct reeve_node_command *command)
{
    switch (command->kind) {
    case REEVE_NODE_COMMAND_OPEN_LOCAL: open_local(daemon, command); break;
    case REEVE_NODE_COMMAND_OPEN_EXECUTOR: open_executor(daemon, command); break;
    case REEVE_NODE_COMMAND_OPEN_HOLDER: open_holder(daemon, command); break;
    case REEVE_NODE_COMMAND_CLOSE:
    case REEVE_NODE_COMMAND_CLOSE_DEAD: channel_close(daemon, command); break;
    default: break;
    }
}

void daemon_channels_free(struct daemon *daemon)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->channels, &at, NULL, &value))
        channel_free(value);
    reeve_map64_fini(&daemon->channels);
}
