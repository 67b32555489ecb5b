/* How far a task has come: read from its worker's page where that is on this node, else asked of
 * the node where it runs, through the daemons (PROGRESS). */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "api/client/cluster.h"
#include "api/client/error.h"

#define FRESH_NS  (100u * 1000000u)  /* what was heard of a task for so long is said again */
#define ANSWER_NS (1000u * 1000000u) /* how long an answer may take */

/* Where it is kept what was heard of the task: sooner or later another one's takes the place. */
static struct reeve_cluster_heard *heard_of(struct reeve_cluster *cluster, reeve_task_id task)
{
    return &cluster->heard[task * 0x9e3779b97f4a7c15u >> 32 & (REEVE_CLUSTER_HEARD_MAX - 1)];
}

static void asker_remove(struct reeve_cluster *cluster, const struct reeve_cluster_asker *asker)
{
    struct reeve_cluster_asker **link = &cluster->askers;
    while (*link != asker)
        link = &(*link)->next;
    *link = asker->next;
}

/* With the lock, which it gives up while it waits. */
static int ask(struct reeve_cluster *cluster, struct reeve_local_message *message,
    struct reeve_cluster_asker *asker, struct reeve_error_info *error)
{
    uint64_t end_ns = reeve_cluster_now_ns() + ANSWER_NS;
    bool in_time = true;
    int code = reeve_cluster_send(cluster, message);
    asker->next = cluster->askers;
    cluster->askers = asker; /* taken out again before the caller returns */
    while (code == 0 && in_time && !asker->answered && !cluster->dead && !cluster->ending)
        in_time = reeve_condition_wait(&cluster->replied, &cluster->lock, end_ns);
    asker_remove(cluster, asker);
    if (asker->answered)
        return 0;
    if (cluster->ending)
        return reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "");
    return reeve_error_set(error, REEVE_EUNREACHABLE,
        "the node where the function runs has not said within a second how far it has come");
}

static int ask_elsewhere(struct reeve_cluster *cluster, uint64_t lease, reeve_task_id task,
    uint32_t attempt, uint64_t *done, uint64_t *total, struct reeve_error_info *error)
{
    const struct reeve_cluster_heard *heard = heard_of(cluster, task);
    bool fresh = heard->task == task && heard->attempt == attempt && heard->at_ns != 0 &&
                 reeve_cluster_now_ns() - heard->at_ns < FRESH_NS;
    struct reeve_cluster_asker asker = {.task = task, .attempt = attempt};
    struct reeve_local_message message = {
        .kind = REEVE_LOCAL_PROGRESS, .lease = lease, .task = task, .count = attempt};
    int code = 0;
    if (fresh) {
        asker.done = heard->done;
        asker.total = heard->total;
    } else {
        code = ask(cluster, &message, &asker, error);
    }
    *done = asker.done;
    *total = asker.total;
    return code;
}

int reeve_cluster_get_progress(struct reeve_backend *backend, uint64_t future, uint64_t *done,
    uint64_t *total, struct reeve_error_info *error)
{
    struct reeve_cluster *cluster = reeve_cluster_of(backend);
    reeve_lease_index lease_index;
    uint64_t position;
    uint32_t attempt;
    reeve_lock(&cluster->lock);
    int code = cluster->ending ? reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "") : 0;
    enum reeve_task_state state;
    while ((state = reeve_owner_state(cluster->owner, future)) == REEVE_TASK_PART)
        future =
            reeve_owner_dependency(cluster->owner, future); /* the call that has it as a result */
    if (code == 0 && state == REEVE_TASK_FREE) {
        code = reeve_error_set(error, REEVE_EHANDLE, REEVE_NO_FUTURE);
    } else if (code == 0 && state == REEVE_TASK_INLINE) { /* this process runs it */
        struct reeve_owner_entry entry;
        reeve_owner_entry(cluster->owner, future, &entry);
        struct reeve_progress_key key = {cluster->process, future, entry.attempt};
        (void)reeve_progress_read(&cluster->bell->progress, &key, done, total);
    } else if (code == 0 &&
               reeve_owner_where(cluster->owner, future, &lease_index, &position, &attempt)) {
        const struct reeve_cluster_channel *channel = &cluster->holders[lease_index];
        struct reeve_progress_key key = {cluster->process, future, attempt};
        if (channel->open && channel->node == cluster->node)
            (void)reeve_progress_read(&channel->bell->progress, &key, done, total);
        else if (channel->open)
            code = ask_elsewhere(cluster, channel->lease, future, attempt, done, total, error);
    }
    reeve_unlock(&cluster->lock);
    return code;
}

void reeve_cluster_progress_heard(
    struct reeve_cluster *cluster, const struct reeve_local_message *message)
{
    *heard_of(cluster, message->task) = (struct reeve_cluster_heard){.task = message->task,
        .attempt = message->count,
        .at_ns = reeve_cluster_now_ns(),
        .done = message->offset,
        .total = message->size};
    for (struct reeve_cluster_asker *asker = cluster->askers; asker != NULL; asker = asker->next) {
        if (asker->task != message->task || asker->attempt != message->count)
            continue;
        asker->done = message->offset;
        asker->total = message->size;
        asker->answered = true;
    }
    reeve_condition_tell(&cluster->replied);
}
