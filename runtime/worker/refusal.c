/* Refusing calls of actors. See refusal.h. */
#include "runtime/worker/refusal.h"

#include <string.h>

#include "runtime/base/errors.h"
#include "runtime/worker/answer.h"
#include "runtime/worker/jobs.h"

bool reeve_refusal_goes_on(
    struct reeve_cluster_channel *channel, const struct reeve_entry_view *view)
{
    if (view->flags & REEVE_ENTRY_RESUMES) {
        channel->refuses = false;
        return false;
    }
    answer_recalled(channel, view);
    return true;
}

/* It stands in the arguments, and not only in a future among them. */
static bool is_read(const struct reeve_entry_parts *parts, const struct reeve_object_id *id)
{
    return memmem(parts->value, parts->value_size, id, sizeof(*id)) != NULL;
}

/* Looks whether it can be had; whoever runs the call then has it soon. */
static int look(struct reeve_cluster *cluster, const struct reeve_reference *object,
    struct reeve_error_info *error)
{
    const void *bytes;
    reeve_cluster_task_begin(cluster); /* what this process owns goes on meanwhile */
    int code = reeve_cluster_object_get(cluster, object, &bytes, error);
    if (code == 0)
        reeve_cluster_object_unpin(cluster, object->id);
    if (reeve_cluster_task_end(cluster))
        reeve_cluster_loop_resume(cluster);
    return code;
}

bool reeve_refusal_of_job(struct reeve_cluster *cluster, struct reeve_cluster_channel *channel,
    const struct reeve_entry_view *view, const struct reeve_entry_parts *parts)
{
    struct reeve_error_info error = {.code = 0};
    struct reeve_reference object;
    int code = 0;
    for (uint16_t i = 0; i < view->references && !reeve_error_is_loss(code); i++) {
        memcpy(&object, (const uint8_t *)parts->references + i * sizeof(object), sizeof(object));
        if (is_read(parts, &object.id) && reeve_cluster_object_find(cluster, &object) == NULL)
            code = look(cluster, &object, &error);
    }
    if (!reeve_error_is_loss(code))
        return false; /* any other error meets who runs it */
    uint8_t bytes[1024];
    struct job job = {.channel = channel, .view = *view};
    size_t size = answer_error_pack(&error, bytes, sizeof(bytes));
    answer_failure_tell(cluster, code, view->function,
        (struct reeve_object_id){channel->peer, view->task}, error.message);
    reeve_doorbell_count_shared(cluster->bell, view->function, true);
    answer(channel, &job, view, code, &object, bytes, size);
    channel->refuses = true;
    return true;
}
