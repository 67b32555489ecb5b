/* Reading streams: the member of the backend, and what the core commands (owner_stream.c). */
#include "api/client/cluster.h"
#include "api/client/error.h"
#include "api/client/registry.h"
#include "runtime/base/clock.h"

#include <unistd.h>

static bool has_next(struct reeve_cluster *cluster, void *arg)
{
    const uint8_t *bytes;
    uint32_t size;
    return reeve_owner_next_item(cluster->owner, *(reeve_task_id *)arg, &bytes, &size) !=
           REEVE_EAGAIN;
}

/* A call's future is none; but one that has been released may be under way yet. */
bool reeve_cluster_was_stream(const struct reeve_cluster *cluster, reeve_task_id task)
{
    struct reeve_owner_entry entry;
    reeve_owner_entry(cluster->owner, task, &entry);
    const struct reeve_function *function = reeve_registry_at(entry.function);
    return function != NULL && function->item != NULL;
}

/* With the lock. There is an item, or will be none. What has ended is released. */
static int item_take(struct reeve_cluster *cluster, reeve_task_id stream, reeve_consume *consume,
    void *arg, struct reeve_error_info *error)
{
    const uint8_t *bytes = NULL;
    uint32_t size = 0;
    int code = reeve_owner_next_item(cluster->owner, stream, &bytes, &size);
    if (code == REEVE_EEND) {
        code = reeve_cluster_end_take(cluster, stream, error);
        return code != 0 ? code : REEVE_EEND;
    }
    if (code == REEVE_EHANDLE && reeve_owner_is_given(cluster->owner, stream))
        return reeve_error_set(error, REEVE_EHANDLE,
            "the stream has been given to a call, which alone takes its items");
    if (code == REEVE_ELOST)
        return reeve_error_set(error, REEVE_ELOST,
            "%llu items of the stream went to an attempt of this call that was lost; the next one "
            "goes on behind them",
            (unsigned long long)reeve_owner_lost_items(cluster->owner, stream));
    if (code == REEVE_EHANDLE || (code == REEVE_ETYPE && reeve_cluster_was_stream(cluster, stream)))
        return reeve_error_set(error, REEVE_EHANDLE,
            "no such stream: it has ended, or has been released or given to a call, already");
    if (code != 0)
        return reeve_error_set(error, code, "a call's future is not a stream: get it");
    code = consume(0, bytes, size, NULL, 0, arg);
    reeve_owner_item_taken(cluster->owner, stream);
    reeve_cluster_pump(cluster, cluster->now_ns); /* perhaps its worker is to be told */
    return code;
}

int reeve_cluster_next(struct reeve_backend *backend, uint64_t stream, int64_t timeout_ms,
    reeve_consume *consume, void *arg, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    int code = 0;
    reeve_lock(&cluster->lock);
    if (cluster->ending) {
        code = reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "");
    } else {
        reeve_cluster_enter(cluster);
        if (!has_next(cluster, &stream)) {
            struct reeve_cluster_awaited awaited = {&stream, 1, true, false};
            if (!reeve_cluster_await(
                    cluster, has_next, &stream, reeve_clock_deadline_ns(timeout_ms), &awaited)) {
                code = reeve_cluster_usable(cluster, error);
                if (code == 0)
                    code = reeve_error_set(error, REEVE_ETIMEDOUT, "%s", "");
            }
        }
        if (code == 0)
            code = item_take(cluster, stream, consume, arg, error);
    }
    reeve_unlock(&cluster->lock);
    return code;
}

void reeve_cluster_credit_run(
    struct reeve_cluster *cluster, const struct reeve_owner_command *command)
{
    reeve_lease_index lease_index;
    uint64_t position;
    uint32_t attempt;
    if (!reeve_owner_where(cluster->owner, command->task, &lease_index, &position, &attempt) ||
        lease_index != command->lease_index || position != command->position)
        return; /* it has ended meanwhile */
    const struct reeve_cluster_channel *channel = &cluster->holders[lease_index];
    if (channel->node == cluster->node) {
        reeve_credit_give(channel->channel.credit, (uint32_t)position, command->count);
        return;
    }
    struct reeve_local_message message = {.kind = REEVE_LOCAL_CREDIT,
        .lease = command->lease,
        .task = command->task,
        .count = attempt,
        .size = command->count};
    (void)reeve_cluster_send(cluster, &message);
}

/* ---- streams that are given to a call -------------------------------------------------------- */

static void run_send(struct reeve_cluster *cluster, const struct reeve_owner_loan *to,
    const struct reeve_buffer *run)
{
    struct reeve_local_message message = {
        .kind = REEVE_LOCAL_FEED, .lease = to->lease, .task = to->task, .count = to->attempt};
    int code = reeve_local_run_put(&message, run->data, run->size);
    if (code == 0)
        (void)reeve_cluster_send(cluster, &message);
    else /* it would wait for good */
        reeve_cluster_die(cluster, code, "no descriptor for the items of a stream");
    for (uint32_t i = 0; i < message.fd_count; i++)
        close(message.fds[i]);
}

void reeve_cluster_feed_run(
    struct reeve_cluster *cluster, const struct reeve_owner_command *command)
{
    struct reeve_buffer run;
    struct reeve_owner_loan to;
    int code = 0;
    reeve_buffer_init(&run);
    while (code == 0 && !cluster->dead) {
        code = reeve_owner_feed_write(cluster->owner, command->task, &to, &run);
        if (code == 0)
            run_send(cluster, &to, &run);
        reeve_buffer_clear(&run);
    }
    if (code == REEVE_ENOMEM)
        reeve_cluster_die(cluster, code, "no memory for the items of a stream");
    reeve_buffer_fini(&run);
}

void reeve_cluster_ask_run(struct reeve_cluster *cluster, const struct reeve_owner_command *command)
{
    const struct reeve_owner_ask *ask = &command->ask;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_ASK,
        .lease = ask->to.lease,
        .task = ask->to.task,
        .count = ask->to.attempt,
        .object = {ask->origin, ask->stream},
        .offset = ask->taken,
        .size = ask->runs,
        .request = ask->question,
        .flags = ask->is_closed ? REEVE_LOCAL_ASK_CLOSED : 0};
    (void)reeve_cluster_send(cluster, &message);
}

void reeve_cluster_fed(
    struct reeve_cluster *cluster, uint64_t now_ns, const struct reeve_local_message *message)
{
    const struct reeve_owner_loan from = {message->lease, message->task, message->count};
    struct reeve_buffer run;
    reeve_buffer_init(&run);
    int code = reeve_local_run_get(message, &run);
    if (code == 0)
        reeve_owner_fed(cluster->owner, now_ns, &from, run.data, run.size);
    else
        reeve_cluster_die(cluster, code, "the items of a stream could not be read");
    reeve_buffer_fini(&run);
    if (cluster->blocked_asks)
        reeve_cluster_blocked_fed(cluster, now_ns);
}

void reeve_cluster_asked(
    struct reeve_cluster *cluster, uint64_t now_ns, const struct reeve_local_message *message)
{
    const struct reeve_owner_ask ask = {.to = {message->lease, message->task, message->count},
        .origin = message->object.owner,
        .stream = message->object.sequence,
        .taken = message->offset,
        .runs = (uint32_t)message->size,
        .question = message->request,
        .is_closed = message->flags & REEVE_LOCAL_ASK_CLOSED};
    reeve_lease_index lease_index;
    if (reeve_owner_find_lease(cluster->owner, message->lease, &lease_index))
        reeve_owner_asked(cluster->owner, now_ns, lease_index, &ask);
    cluster->makers_asked |= ask.question != 0;
}
