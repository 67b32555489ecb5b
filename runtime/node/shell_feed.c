/* Streams that are given to a call: their items on their way to who runs it (FEED), and what that
 * says of them to their owner (ASK). What is in them is for the two alone
 * (api/client/owner_feed.c); here they find their way, by the lease of the call.
 *
 *   holder ──FEED──▶ daemon ──────────────FEED──────────▶ worker   on one machine: as it is,
 *                      └──Feed──▶ the other one ──FEED──▶ worker   with its memfd
 *
 * Neither is answered, and nothing is kept: what has no channel any more belongs to a call that has
 * ended. */
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/node/shell_channels.h"

static struct daemon_client *worker_of(const struct daemon_channel *channel)
{
    return daemon_client_get(channel->daemon, channel->worker);
}

/* To another node. */
static void feed_send(const struct daemon_channel *channel, const struct reeve_local_message *fed)
{
    struct reeve_buffer run;
    reeve_buffer_init(&run);
    int error = reeve_local_run_get(fed, &run);
    if (error == REEVE_OK) {
        Reeve__Feed feed = REEVE__FEED__INIT;
        Reeve__Message message = REEVE__MESSAGE__INIT;
        feed.lease = fed->lease;
        feed.task = fed->task;
        feed.attempt = fed->count;
        feed.run = (ProtobufCBinaryData){run.size, run.data};
        message.body_case = REEVE__MESSAGE__BODY_FEED;
        message.feed = &feed;
        daemon_channel_tell(channel, &message);
    } else {
        reeve_log(REEVE_LOG_WARN, "REEVE-FEED-BROKEN", "lease=%llu error=%d",
            (unsigned long long)fed->lease, error);
        daemon_client_hang_up(daemon_channel_client(channel));
    }
    reeve_buffer_fini(&run);
}

void daemon_feed(struct daemon *daemon, uint32_t serial, const struct reeve_local_message *message)
{
    const struct daemon_channel *channel = daemon_channel_get(daemon, message->lease);
    if (channel == NULL || channel->holder != serial || channel->kind == CHANNEL_EXECUTOR)
        return; /* it has ended, as the client presently hears */
    if (channel->kind == CHANNEL_HOLDER)
        feed_send(channel, message);
    else if (worker_of(channel) != NULL)
        daemon_client_send(worker_of(channel), message);
}

void daemon_ask(struct daemon *daemon, uint32_t serial, const struct reeve_local_message *asked)
{
    const struct daemon_channel *channel = daemon_channel_get(daemon, asked->lease);
    if (channel == NULL || channel->worker != serial || channel->kind == CHANNEL_HOLDER)
        return;
    if (channel->kind == CHANNEL_LOCAL) {
        struct daemon_client *holder = daemon_channel_client(channel);
        if (holder != NULL)
            daemon_client_send(holder, asked);
        return;
    }
    Reeve__Ask ask = REEVE__ASK__INIT;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    ask.lease = asked->lease;
    ask.task = asked->task;
    ask.attempt = asked->count;
    ask.origin = asked->object.owner;
    ask.stream = asked->object.sequence;
    ask.taken = asked->offset;
    ask.runs = (uint32_t)asked->size;
    ask.question = asked->request;
    ask.closed = asked->flags & REEVE_LOCAL_ASK_CLOSED;
    message.body_case = REEVE__MESSAGE__BODY_ASK;
    message.ask = &ask;
    daemon_channel_tell(channel, &message);
}

/* ---- from another node ----------------------------------------------------------------------- */

static void fed(const struct daemon_channel *channel, const Reeve__Feed *feed)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_FEED,
        .lease = channel->lease,
        .task = feed->task,
        .count = feed->attempt};
    struct daemon_client *worker = worker_of(channel);
    if (worker == NULL)
        return;
    if (reeve_local_run_put(&message, feed->run.data, feed->run.len) == REEVE_OK)
        daemon_client_send(worker, &message);
    else
        daemon_client_hang_up(worker); /* out of descriptors: it would wait for good */
    for (uint32_t i = 0; i < message.fd_count; i++)
        close(message.fds[i]);
}

static void asked(const struct daemon_channel *channel, const Reeve__Ask *ask)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_ASK,
        .lease = channel->lease,
        .task = ask->task,
        .count = ask->attempt,
        .object = {ask->origin, ask->stream},
        .offset = ask->taken,
        .size = ask->runs,
        .request = ask->question,
        .flags = ask->closed ? REEVE_LOCAL_ASK_CLOSED : 0};
    struct daemon_client *holder = daemon_channel_client(channel);
    if (holder != NULL)
        daemon_client_send(holder, &message);
}

bool daemon_feed_message(struct daemon *daemon, uint32_t node, const Reeve__Message *message)
{
    const struct daemon_channel *channel;
    switch (message->body_case) {
    case REEVE__MESSAGE__BODY_FEED:
        channel = daemon_channel_with(daemon, node, message->feed->lease, CHANNEL_EXECUTOR);
        if (channel != NULL)
            fed(channel, message->feed);
        return true;
    case REEVE__MESSAGE__BODY_ASK:
        channel = daemon_channel_with(daemon, node, message->ask->lease, CHANNEL_HOLDER);
        if (channel != NULL)
            asked(channel, message->ask);
        return true;
    default: return false;
    }
}
