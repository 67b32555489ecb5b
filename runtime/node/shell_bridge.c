/* When the bridged channels are looked at: our bell has been rung, a pause is over, a link has
 * drained, a message has come for one.
 *
 *   eventfd ─▶ look at all bridged rings, ──▶ nothing left: arm the bell, look once more, sleep
 *       ▲      a slice of each             ├─▶ more: again in the next turn of the loop
 *       │                                  └─▶ entries come fast (bridge_pace.h): do not arm it,
 *    timerfd ◀───────────────────────────────  but look again after a pause
 *
 * A link whose queue is long is not fed: entries stay in their rings, whose owners then feel it. */
#include <sys/timerfd.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/macros.h"
#include "runtime/node/shell_channels.h"

#define LINK_FULL_BYTES (4u * 1024u * 1024u)
#define RETRY_MS        2

bool daemon_bridge_is_full(const struct daemon_channel *channel)
{
    const struct daemon_peer *peer = daemon_peer_get(channel->daemon, channel->node);
    return peer == NULL || peer->session == 0 ||
           reeve_link_queued_bytes(channel->daemon->link, peer->session) > LINK_FULL_BYTES;
}

struct looked {
    uint32_t entries;
    uint32_t under_way;
    bool more;         /* some ring was not emptied */
    bool results_wait; /* for room in a return ring */
};

static void look(struct daemon *daemon, struct looked *looked)
{
    REEVE_LIST_EACH_SAFE(link, &daemon->bridged)
    {
        struct daemon_channel *channel = REEVE_LIST_ENTRY(link, struct daemon_channel, bridge_link);
        uint32_t under_way = channel->sent_count;
        uint32_t entries = channel->kind == CHANNEL_EXECUTOR ? daemon_executor_turn(channel)
                                                             : daemon_holder_turn(channel);
        looked->entries += entries;
        looked->under_way += REEVE_MAX(under_way, channel->sent_count);
        looked->more |= entries == DAEMON_ENTRIES_A_TURN;
        looked->results_wait |= !reeve_list_is_empty(&channel->results);
    }
}

static void on_again(uv_idle_t *idle)
{
    daemon_bridge_turn(idle->data);
}

static void on_retry(uv_timer_t *timer)
{
    daemon_bridge_turn(timer->data);
}

static void pause_for(struct daemon *daemon, uint64_t pause_ns)
{
    struct itimerspec time = {.it_value.tv_nsec = (long)pause_ns};
    (void)timerfd_settime(daemon->bridge_pause_fd, 0, &time, NULL);
}

void daemon_bridge_soon(struct daemon *daemon)
{
    if (!daemon->ending)
        uv_idle_start(&daemon->bridge_again, on_again);
}

void daemon_bridge_turn(struct daemon *daemon)
{
    struct looked looked = {0};
    uv_idle_stop(&daemon->bridge_again);
    if (reeve_list_is_empty(&daemon->bridged))
        return;
    look(daemon, &looked);
    uint64_t pause_ns = reeve_bridge_pause_ns(
        &daemon->bridge_pace, reeve_clock_monotonic_ns(), looked.entries, looked.under_way);
    if (!looked.more && pause_ns > 0) {
        pause_for(daemon, pause_ns);
    } else if (!looked.more) {
        reeve_doorbell_arm(daemon->bell.page, REEVE_DOORBELL_EVENT);
        uint32_t before = looked.entries;
        look(daemon, &looked);
        looked.more |= looked.entries > before;
    }
    if (looked.more)
        daemon_bridge_soon(daemon);
    if (looked.results_wait && !uv_is_active((uv_handle_t *)&daemon->bridge_retry))
        uv_timer_start(&daemon->bridge_retry, on_retry, RETRY_MS, 0);
}

static void on_bell(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;
    uint64_t count;
    (void)status;
    (void)events;
    (void)!read(daemon->bell.event_fd, &count, sizeof count);
    daemon_bridge_turn(daemon);
}

static void on_pause_over(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;
    uint64_t count;
    (void)status;
    (void)events;
    (void)!read(daemon->bridge_pause_fd, &count, sizeof count);
    daemon_bridge_turn(daemon);
}

void daemon_bridge_stop(struct daemon *daemon)
{
    uv_idle_stop(&daemon->bridge_again);
    uv_timer_stop(&daemon->bridge_retry);
    uv_poll_stop(&daemon->bell_poll);
    uv_poll_stop(&daemon->pause_poll);
}

int daemon_bridge_open(struct daemon *daemon)
{
    uv_idle_init(&daemon->loop, &daemon->bridge_again);
    uv_timer_init(&daemon->loop, &daemon->bridge_retry);
    uv_poll_init(&daemon->loop, &daemon->bell_poll, daemon->bell.event_fd);
    daemon->bridge_again.data = daemon->bridge_retry.data = daemon->bell_poll.data = daemon;
    uv_poll_start(&daemon->bell_poll, UV_READABLE, on_bell);
    daemon->bridge_pause_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (daemon->bridge_pause_fd < 0)
        return REEVE_ESYSTEM;
    uv_poll_init(&daemon->loop, &daemon->pause_poll, daemon->bridge_pause_fd);
    daemon->pause_poll.data = daemon;
    uv_poll_start(&daemon->pause_poll, UV_READABLE, on_pause_over);
    return REEVE_OK;
}

/* To who asked. */
static void tell_progress(const struct daemon_channel *channel, const Reeve__Progress *progress)
{
    struct daemon_client *holder = daemon_channel_client(channel);
    struct reeve_local_message message = {.kind = REEVE_LOCAL_PROGRESS,
        .lease = channel->lease,
        .task = progress->task,
        .count = progress->attempt,
        .offset = progress->done,
        .size = progress->total};
    if (holder != NULL)
        daemon_client_send(holder, &message);
}

void daemon_bridge_progress(
    struct daemon *daemon, uint32_t serial, const struct reeve_local_message *asked)
{
    const struct daemon_channel *channel = daemon_channel_get(daemon, asked->lease);
    if (channel == NULL || channel->kind != CHANNEL_HOLDER || channel->holder != serial)
        return; /* it has ended, as the client presently hears */
    Reeve__Progress progress = REEVE__PROGRESS__INIT;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    progress.lease = asked->lease;
    progress.task = asked->task;
    progress.attempt = asked->count;
    message.body_case = REEVE__MESSAGE__BODY_PROGRESS;
    message.progress = &progress;
    daemon_channel_tell(channel, &message);
}

bool daemon_bridge_message(struct daemon *daemon, uint32_t node, const Reeve__Message *message)
{
    struct daemon_channel *channel;
    switch (message->body_case) {
    case REEVE__MESSAGE__BODY_CALLS:
        channel = daemon_channel_with(daemon, node, message->calls->lease, CHANNEL_EXECUTOR);
        if (channel != NULL)
            daemon_executor_calls(channel, message->calls);
        return true;
    case REEVE__MESSAGE__BODY_RETURNS:
        channel = daemon_channel_with(daemon, node, message->returns->lease, CHANNEL_HOLDER);
        if (channel != NULL) {
            daemon_holder_returns(channel, message->returns);
            if (!reeve_list_is_empty(&channel->results))
                daemon_bridge_turn(daemon);
        }
        return true;
    case REEVE__MESSAGE__BODY_TAKE_BACK:
        channel = daemon_channel_with(daemon, node, message->take_back->lease, CHANNEL_EXECUTOR);
        if (channel != NULL)
            daemon_executor_take_back(channel, message->take_back);
        return true;
    case REEVE__MESSAGE__BODY_CREDIT:
        channel = daemon_channel_with(daemon, node, message->credit->lease, CHANNEL_EXECUTOR);
        if (channel != NULL)
            daemon_executor_credit(channel, message->credit);
        return true;
    case REEVE__MESSAGE__BODY_PROGRESS:
        channel = daemon_channel_with(daemon, node, message->progress->lease, CHANNEL_EXECUTOR);
        if (channel != NULL)
            daemon_executor_progress(channel, message->progress);
        channel = daemon_channel_with(daemon, node, message->progress->lease, CHANNEL_HOLDER);
        if (channel != NULL)
            tell_progress(channel, message->progress);
        return true;
    default: return daemon_feed_message(daemon, node, message);
    }
}

static void take_back(
    struct daemon *daemon, uint32_t serial, uint64_t lease, uint64_t task, Reeve__Cancel *cancel)
{
    const struct daemon_channel *channel = daemon_channel_get(daemon, lease);
    if (channel == NULL || channel->kind != CHANNEL_HOLDER || channel->holder != serial ||
        !daemon_holder_has(channel, task))
        return; /* answered already, or never forwarded */
    Reeve__TakeBack take_back = REEVE__TAKE_BACK__INIT;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    take_back.lease = lease;
    take_back.n_tasks = 1;
    take_back.tasks = &task;
    take_back.cancel = cancel;
    message.body_case = REEVE__MESSAGE__BODY_TAKE_BACK;
    message.take_back = &take_back;
    daemon_channel_tell(channel, &message);
}

void daemon_bridge_take_back(struct daemon *daemon, uint32_t serial, uint64_t lease, uint64_t task)
{
    take_back(daemon, serial, lease, task, NULL);
}

void daemon_bridge_cancel(
    struct daemon *daemon, uint32_t serial, const struct reeve_local_message *message)
{
    struct daemon_channel *channel = daemon_channel_get(daemon, message->lease);
    Reeve__Cancel cancel = REEVE__CANCEL__INIT;
    cancel.attempt = message->count;
    cancel.grace_ms = (uint32_t)REEVE_MIN(message->size, (uint64_t)UINT32_MAX);
    cancel.keep_children = message->flags & REEVE_LOCAL_KEEP_CHILDREN;
    if (channel != NULL && channel->kind == CHANNEL_LOCAL && channel->holder == serial)
        daemon_executor_cancel(channel, message->task, &cancel);
    else
        take_back(daemon, serial, message->lease, message->task, &cancel);
}

void daemon_bridge_credit(
    struct daemon *daemon, uint32_t serial, const struct reeve_local_message *told)
{
    const struct daemon_channel *channel = daemon_channel_get(daemon, told->lease);
    if (channel == NULL || channel->kind != CHANNEL_HOLDER || channel->holder != serial)
        return; /* it has ended; of one of our own the holder tells the worker itself */
    Reeve__Credit credit = REEVE__CREDIT__INIT;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    credit.lease = told->lease;
    credit.task = told->task;
    credit.attempt = told->count;
    credit.taken = (uint32_t)told->size;
    message.body_case = REEVE__MESSAGE__BODY_CREDIT;
    message.credit = &credit;
    daemon_channel_tell(channel, &message);
}
