/* Channels: the memory that a holder of leases and a worker share, mapped and given up. */
#include <sys/mman.h>
#include <unistd.h>

#include "api/client/cluster_rings.h"

static int bell_map(int fd, struct reeve_doorbell **ret)
{
    void *memory;
    size_t size;
    int error = reeve_memory_map(fd, REEVE_DOORBELL_BYTES, 0, &memory, &size);
    if (error != 0)
        return error;
    *ret = reeve_doorbell_attach(memory, size);
    if (*ret == NULL)
        reeve_memory_unmap(memory, size);
    return *ret != NULL ? 0 : REEVE_EPROTOCOL;
}

int reeve_cluster_channel_open(const struct reeve_cluster *cluster,
    struct reeve_cluster_channel *channel, struct reeve_local_message *message,
    enum reeve_channel_role role)
{
    *channel = (struct reeve_cluster_channel){
        .lease = message->lease,
        .peer = message->process,
        .node = message->node,
        .bell_fd = -1,
    };
    if (message->fd_count != 3 && message->fd_count != 1)
        return REEVE_EPROTOCOL;
    int error = reeve_memory_map(message->fds[0], 0, 0, &channel->memory, &channel->memory_size);
    if (error == 0)
        error =
            reeve_channel_attach(&channel->channel, channel->memory, channel->memory_size, role);
    close(message->fds[0]);
    if (message->fd_count == 1) {
        channel->bell = cluster->daemon_bell;
        channel->bell_fd = cluster->daemon_event_fd;
        channel->bell_shared = true;
    } else {
        if (error == 0)
            error = bell_map(message->fds[1], &channel->bell);
        close(message->fds[1]);
        channel->bell_fd = message->fds[2];
    }
    message->fd_count = 0;
    channel->open = true;
    if (error != 0)
        reeve_cluster_channel_close(channel);
    return error;
}

void reeve_cluster_channel_close(struct reeve_cluster_channel *channel)
{
    if (!channel->open)
        return;
    reeve_channel_detach(&channel->channel);
    if (channel->memory != NULL)
        reeve_memory_unmap(channel->memory, channel->memory_size);
    if (channel->bell != NULL && !channel->bell_shared)
        reeve_memory_unmap(channel->bell, REEVE_DOORBELL_BYTES);
    if (channel->bell_fd >= 0 && !channel->bell_shared)
        close(channel->bell_fd);
    *channel = (struct reeve_cluster_channel){.bell_fd = -1};
}

/* The holder's end is not needed any more. The poller may be peeking at its ring without the lock,
 * so it is the poller who closes it. */
void reeve_cluster_channel_give_up(
    struct reeve_cluster *cluster, struct reeve_cluster_channel *channel)
{
    atomic_store_explicit(&channel->closing, true, memory_order_relaxed);
    cluster->holders_closing = true;
}

void reeve_cluster_channels_close(struct reeve_cluster *cluster)
{
    cluster->holders_closing = false;
    for (uint32_t i = 0; i < cluster->holder_capacity; i++)
        if (cluster->holders[i].open && cluster->holders[i].closing)
            reeve_cluster_channel_close(&cluster->holders[i]);
}
