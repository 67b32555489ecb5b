/* Large values: questions to the daemon, and the objects in its segments. None of these is
 * called with the lock held. */
#include <errno.h>
#include <string.h>

#include "api/client/cluster.h"
#include "api/client/error.h"
#include "api/client/objects.h"
#include "runtime/base/macros.h"

int reeve_cluster_inside_enter(struct reeve_cluster *cluster, struct reeve_error_info *error)
{
    int code = 0;
    reeve_lock(&cluster->lock);
    if (cluster->ending)
        code = reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "");
    else
        cluster->inside++;
    reeve_unlock(&cluster->lock);
    return code;
}

void reeve_cluster_inside_leave(struct reeve_cluster *cluster)
{
    reeve_lock(&cluster->lock);
    cluster->inside--;
    if (REEVE_UNLIKELY(cluster->ending))
        reeve_condition_tell(&cluster->turn); /* shutdown waits for us */
    reeve_unlock(&cluster->lock);
}

void reeve_cluster_reply_await(
    struct reeve_cluster *cluster, const struct reeve_cluster_request *request)
{
    struct reeve_cluster_lend lend = {.awaited = NULL};
    reeve_cluster_lend_begin(cluster, &lend);
    while (!request->answered && !cluster->dead && !cluster->ending) {
        if (!reeve_condition_wait(&cluster->replied, &cluster->lock, lend.due_ns))
            reeve_cluster_lend_due(cluster, &lend, reeve_cluster_now_ns());
    }
    reeve_cluster_lend_end(cluster, &lend);
}

int reeve_cluster_request_begin(struct reeve_cluster *cluster,
    struct reeve_cluster_request *request, struct reeve_local_message *message)
{
    cluster->activity++;
    request->id = message->request = ++cluster->request_last;
    request->next = cluster->requests;
    /* cppcheck-suppress autoVariables ; whoever has it takes it out of the list again */
    cluster->requests = request;
    return cluster->dead || cluster->ending ? 0 : reeve_cluster_send(cluster, message);
}

void reeve_cluster_request_end(
    struct reeve_cluster *cluster, const struct reeve_cluster_request *request)
{
    struct reeve_cluster_request **link = &cluster->requests;
    while (*link != request)
        link = &(*link)->next;
    *link = request->next;
}

/* Asks and waits for the answer, which the background thread hands over. The role is not taken, and
 * a worker's main thread keeps it: while user threads wait here, answers of tasks are the
 * background thread's business. */
int reeve_cluster_request(struct reeve_cluster *cluster, struct reeve_local_message *message,
    struct reeve_local_message *reply, struct reeve_error_info *error)
{
    struct reeve_cluster_request request = {.reply = reply};
    reeve_lock(&cluster->lock);
    int code = reeve_cluster_request_begin(cluster, &request, message);
    if (code == 0)
        reeve_cluster_reply_await(cluster, &request);
    reeve_cluster_request_end(cluster, &request);
    if (request.answered && reply->code != 0)
        code = reeve_error_set(error, reply->code, "%.*s", (int)reply->text_size, reply->text);
    else if (cluster->ending && !request.answered)
        code = reeve_error_set(error, REEVE_ESHUTDOWN, "%s", "");
    else if (cluster->dead && !request.answered)
        code = reeve_error_set(error, cluster->dead_code, "%s", cluster->dead_text);
    else if (code != 0)
        code = reeve_cluster_send_failed(code, error);
    reeve_unlock(&cluster->lock);
    return code;
}

int reeve_cluster_object_give(struct reeve_cluster *cluster, const struct reeve_reference *object,
    const struct reeve_cluster_heir *heir, struct reeve_error_info *error)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_GIVE,
        .object = object->id,
        .node = object->node,
        .process = heir->process,
        .token = heir->call,
        .count = heir->attempt,
        .flags = reeve_cluster_object_flags(object) |
                 (object->flags & REEVE_REFERENCE_LOCATED ? REEVE_LOCAL_OBJECT_ANCHOR : 0)};
    struct reeve_local_message reply;
    return reeve_cluster_request(cluster, &message, &reply, error);
}

int reeve_cluster_object_hold(struct reeve_cluster *cluster, const struct reeve_owner_hold *hold,
    const struct reeve_cluster_heir *heir, struct reeve_error_info *error)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_HOLD,
        .object = hold->object.id,
        .node = hold->object.node,
        .task = hold->token};
    if (heir != NULL) {
        message.process = heir->process;
        message.token = heir->call;
        message.count = heir->attempt;
    }
    struct reeve_local_message reply;
    return reeve_cluster_request(cluster, &message, &reply, error);
}

/* Those that are pinned for us, and where they lie is known. */
const void *reeve_cluster_object_find(
    struct reeve_cluster *cluster, const struct reeve_reference *object)
{
    if (!(object->flags & REEVE_REFERENCE_LOCATED) || object->node != cluster->node)
        return NULL;
    return reeve_objects_find_serial(
        cluster->objects, object->segment, object->serial, object->offset, object->size_bytes);
}

int reeve_cluster_object_get(struct reeve_cluster *cluster, const struct reeve_reference *object,
    const void **ret_bytes, struct reeve_error_info *error)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_GET,
        .object = object->id,
        .size = object->size_bytes,
        .node = object->node,
        .flags = reeve_cluster_object_flags(object)};
    struct reeve_local_message reply;
    int code = reeve_cluster_request(cluster, &message, &reply, error);
    if (code != 0)
        return code;
    const void *bytes = NULL;
    if (reply.size >= object->size_bytes)
        bytes = reeve_objects_find(
            cluster->objects, reply.segment, reply.offset, object->size_bytes, false);
    if (bytes == NULL) {
        reeve_cluster_object_unpin(cluster, object->id);
        return reeve_error_set(error, REEVE_ENOMEM,
            "the memory of the object store cannot be mapped here: this process may have no more "
            "address space (ulimit -v), or mappings (vm.max_map_count)");
    }
    *ret_bytes = bytes;
    return 0;
}

void reeve_cluster_object_unpin(struct reeve_cluster *cluster, struct reeve_object_id id)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_UNPIN, .object = id};
    (void)reeve_cluster_send(cluster, &message);
}
