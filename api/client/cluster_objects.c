/* Large values: questions to the daemon, and the objects in its segments. None of these is
 * called with the lock held. */
#include <errno.h>
#include <string.h>

#include "api/client/cluster.h"
#include "api/client/error.h"
#include "api/client/objects.h"

/* Asks and waits for the answer, which the background thread hands over. The role is not taken:
 * while user threads wait here, answers of tasks are the background thread's business. */
int reeve_cluster_request(struct reeve_cluster *cluster, struct reeve_local_message *message,
    struct reeve_local_message *reply, struct reeve_error_info *error)
{
    struct reeve_cluster_request request = {.reply = reply};
    pthread_mutex_lock(&cluster->lock);
    reeve_cluster_enter(cluster);
    if (cluster->dead || cluster->ending) {
        int code = cluster->dead ? cluster->dead_code : REEVE_ESHUTDOWN;
        pthread_mutex_unlock(&cluster->lock);
        return reeve_error_set(error, code, "%s", cluster->dead ? cluster->dead_text : "");
    }
    request.id = message->request = ++cluster->request_last;
    request.next = cluster->requests;
    /* cppcheck-suppress autoVariables: taken out of the list again below, before this function
     * returns */
    cluster->requests = &request;
    int code = reeve_cluster_send(cluster, message);
    while (code == 0 && !request.answered && !cluster->dead && !cluster->ending)
        pthread_cond_wait(&cluster->replied, &cluster->lock);
    struct reeve_cluster_request **link = &cluster->requests;
    while (*link != &request)
        link = &(*link)->next;
    *link = request.next;
    if (code == 0 && !request.answered)
        code = cluster->dead ? cluster->dead_code : REEVE_ESHUTDOWN;
    pthread_mutex_unlock(&cluster->lock);
    if (code == 0 && reply->code != 0)
        return reeve_error_set(error, reply->code, "%.*s", (int)reply->text_size, reply->text);
    if (code != 0)
        reeve_error_set(error, code, "the node daemon of this process is gone");
    return code;
}

int reeve_cluster_object_create(struct reeve_cluster *cluster, uint64_t size, void **ret_bytes,
    uint32_t *ret_segment, uint64_t *ret_offset, struct reeve_error_info *error)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_CREATE, .size = size}, reply;
    int code = reeve_cluster_request(cluster, &message, &reply, error);
    if (code != 0)
        return code;
    void *bytes = reeve_objects_find(cluster->objects, reply.segment, reply.offset, size, true);
    if (bytes == NULL) {
        reeve_cluster_object_abort(cluster, reply.segment, reply.offset);
        return reeve_error_set(
            error, REEVE_ENOMEM, "the memory of the object store cannot be mapped here");
    }
    *ret_bytes = bytes;
    *ret_segment = reply.segment;
    *ret_offset = reply.offset;
    return 0;
}

int reeve_cluster_object_seal(struct reeve_cluster *cluster, struct reeve_object_id id,
    uint64_t size, uint32_t segment, uint64_t offset, struct reeve_error_info *error)
{
    struct reeve_local_message message = {
        .kind = REEVE_LOCAL_SEAL, .object = id, .size = size, .segment = segment, .offset = offset};
    struct reeve_local_message reply;
    return reeve_cluster_request(cluster, &message, &reply, error);
}

void reeve_cluster_object_abort(struct reeve_cluster *cluster, uint32_t segment, uint64_t offset)
{
    struct reeve_local_message message = {
        .kind = REEVE_LOCAL_ABORT, .segment = segment, .offset = offset};
    (void)reeve_cluster_send(cluster, &message);
}

int reeve_cluster_object_get(struct reeve_cluster *cluster, const struct reeve_reference *object,
    const void **ret_bytes, struct reeve_error_info *error)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_GET,
        .object = object->id,
        .size = object->size_bytes,
        .node = object->node};
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
        return reeve_error_set(
            error, REEVE_ENOMEM, "the memory of the object store cannot be mapped here");
    }
    *ret_bytes = bytes;
    return 0;
}

void reeve_cluster_object_unpin(struct reeve_cluster *cluster, struct reeve_object_id id)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_UNPIN, .object = id};
    (void)reeve_cluster_send(cluster, &message);
}
