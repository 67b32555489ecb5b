/* Channels: made when a lease is opened, closed when it ends.
 *
 * The daemon makes the segment and passes it to both ends, with the bell of the other. It keeps a mapping of its own, by which it
 * revokes: what a dead worker, or one whose holder is gone, has not claimed is nobody's from then on, before anyone is told. */
#include <stdlib.h>
#include <unistd.h>

#include "runtime/node/shell.h"

static const struct reeve_channel_geometry geometry = {.call_slots = 1024,
    .call_payload_bytes = 512 * 1024,
    .return_slots = 1024,
    .return_payload_bytes = 512 * 1024};

struct daemon_channel {
    uint64_t lease;
    uint32_t holder, worker; /* serials */
    int fd;
    void *memory;
    size_t size;
    struct reeve_channel ends;
};

static void channel_free(struct daemon_channel *channel)
{
    if (channel == NULL)
        return;
    reeve_channel_detach(&channel->ends);
    if (channel->memory != NULL)
        reeve_memory_unmap(channel->memory, channel->size);
    if (channel->fd >= 0)
        close(channel->fd);
    free(channel);
}

static struct daemon_channel *channel_make(uint64_t lease)
{
    struct daemon_channel *channel = daemon_alloc(sizeof *channel);
    channel->lease = lease;
    channel->fd = -1;
    size_t size = reeve_channel_size_bytes(&geometry);
    if (reeve_memory_create("reeve-channel", size, &channel->fd) != REEVE_OK ||
        reeve_memory_map(channel->fd, size, 0, &channel->memory, &channel->size) != REEVE_OK) {
        channel_free(channel);
        return NULL;
    }
    reeve_channel_format(channel->memory, &geometry, lease);
    if (reeve_channel_attach(
            &channel->ends, channel->memory, channel->size, REEVE_CHANNEL_DAEMON) != REEVE_OK) {
        channel_free(channel);
        return NULL;
    }
    return channel;
}

static void tell(struct daemon_client *client, const struct daemon_channel *channel,
    enum reeve_local_channel_role role, uint32_t class_index, const struct daemon_client *other)
{
    struct daemon *daemon = client->daemon;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_CHANNEL,
        .lease = channel->lease,
        .class_index = class_index,
        .flags = role,
        .process = reeve_process_id_make(daemon->node, other->serial),
        .node = daemon->node,
        .fd_count = 3,
        .fds = {channel->fd, other->bell.page_fd, other->bell.event_fd}};
    daemon_client_send(client, &message);
}

void daemon_channel_open_local(struct daemon *daemon, const struct reeve_node_command *command)
{
    struct daemon_client *holder = daemon_client_get(daemon, command->serial);
    struct daemon_client *worker = daemon_client_get(daemon, command->worker);
    if (holder == NULL || worker == NULL)
        return; /* the core hears of its end presently, and closes the lease */
    struct daemon_channel *channel = channel_make(command->lease);
    if (channel == NULL) {
        reeve_log(REEVE_LOG_ERROR, "REEVE-CHANNEL-FAILED", "lease=%llx why=%s",
            (unsigned long long)command->lease, "no memory or no descriptors left");
        daemon_worker_kill(daemon, command->worker); /* the holder is told that the lease is lost */
        return;
    }
    channel->holder = command->serial;
    channel->worker = command->worker;
    daemon_put(&daemon->channels, channel->lease, channel);
    tell(worker, channel, REEVE_LOCAL_ROLE_WORKER, command->class_index, holder);
    tell(holder, channel, REEVE_LOCAL_ROLE_HOLDER, command->class_index, worker);
}

void daemon_channel_close(struct daemon *daemon, const struct reeve_node_command *command)
{
    struct daemon_channel *channel = reeve_map64_remove(&daemon->channels, command->lease);
    struct reeve_ring_census census = {0};
    if (channel != NULL) {
        if (reeve_ring_revoke_all(&channel->ends.calls, &census) != REEVE_OK)
            census.claimed = 1; /* scribbled: whoever did that is not used again */
        struct daemon_client *worker = daemon_client_get(daemon, channel->worker);
        if (command->kind == REEVE_NODE_COMMAND_CLOSE && worker != NULL)
            daemon_client_send(
                worker, &(struct reeve_local_message){
                            .kind = REEVE_LOCAL_CHANNEL_CLOSE, .lease = command->lease});
        channel_free(channel);
    }
    if (command->kind == REEVE_NODE_COMMAND_CLOSE)
        daemon_event(daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_CLOSED,
                                 .lease = command->lease,
                                 .count = command->code == REEVE_OK ? 0 : census.claimed});
}

void daemon_channels_free(struct daemon *daemon)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->channels, &at, NULL, &value))
        channel_free(value);
    reeve_map64_fini(&daemon->channels);
}
