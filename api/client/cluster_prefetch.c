/* Objects asked for ahead. A get or view of many futures whose values lie in the store, and are not
 * known to lie anywhere in this process's reach, would pay for each a round trip to the daemon, and
 * where they are on other nodes one to there. So the next ones are asked for while the first is
 * read:
 *
 *   futures   | got | got | read | asked | asked | asked |     |     |
 *                           at     ◀─ at most WINDOW ──▶  ▲ next
 *
 * So it goes from the first one on that had to be asked for: small values, and what is anchored,
 * pay nothing. What is asked for is pinned as it comes, so it is at most a 32nd of the store.
 * Where an answer is not good it is dropped, and the object is asked for once more, in its turn:
 * only then does it count that there is no room, or that it is lost. */
#include <stdlib.h>

#include "api/client/cluster.h"
#include "api/client/objects.h"
#include "runtime/base/macros.h"

#define BYTES_MAX      (16ull << 20)
#define BYTES_FRACTION 32u

static struct reeve_cluster_prefetched *first_of(struct reeve_cluster_prefetch *prefetch)
{
    return &prefetch->window[prefetch->first % REEVE_CLUSTER_PREFETCH_WINDOW];
}

/* With the lock. */
static int ask(struct reeve_cluster *cluster, struct reeve_cluster_prefetch *prefetch,
    const struct reeve_reference *object)
{
    if (prefetch->window == NULL)
        prefetch->window = calloc(REEVE_CLUSTER_PREFETCH_WINDOW, sizeof(*prefetch->window));
    if (prefetch->window == NULL)
        return REEVE_ENOMEM;
    struct reeve_cluster_prefetched *asked =
        &prefetch->window[(prefetch->first + prefetch->count) % REEVE_CLUSTER_PREFETCH_WINDOW];
    *asked = (struct reeve_cluster_prefetched){.index = prefetch->next, .object = object->id};
    struct reeve_local_message message = {.kind = REEVE_LOCAL_GET,
        .object = object->id,
        .size = object->size_bytes,
        .node = object->node,
        .flags = reeve_cluster_object_flags(object)};
    asked->size_bytes = object->size_bytes;
    asked->request.reply = &asked->reply;
    int code = reeve_cluster_request_begin(cluster, &asked->request, &message);
    if (code != 0) {
        reeve_cluster_request_end(cluster, &asked->request);
        return code;
    }
    prefetch->count++;
    prefetch->bytes += object->size_bytes;
    return 0;
}

void reeve_cluster_prefetch_more(struct reeve_cluster *cluster,
    struct reeve_cluster_prefetch *prefetch, const uint64_t *futures, size_t at, size_t count)
{
    uint64_t limit = REEVE_MIN(BYTES_MAX, cluster->store_bytes / BYTES_FRACTION);
    if (prefetch->count > REEVE_CLUSTER_PREFETCH_WINDOW / 2 || cluster->dead)
        return; /* many at a time: then the daemon wakes up once for all */
    prefetch->next = REEVE_MAX(prefetch->next, at);
    for (; prefetch->next < count && prefetch->count < REEVE_CLUSTER_PREFETCH_WINDOW;
         prefetch->next++) {
        struct reeve_owner_result result;
        int code = reeve_owner_result(cluster->owner, futures[prefetch->next], &result);
        if (code == REEVE_EAGAIN)
            return;
        if (code != 0 || !result.is_held || result.status != 0 || !result.is_object ||
            reeve_cluster_object_find(cluster, &result.object) != NULL ||
            result.object.size_bytes > limit)
            continue;
        if (prefetch->bytes + result.object.size_bytes > limit ||
            ask(cluster, prefetch, &result.object) != 0)
            return;
    }
}

/* With the lock. The first of them has its answer, or (dead, ending) will have none. */
static bool answer_await(struct reeve_cluster *cluster, struct reeve_cluster_prefetch *prefetch)
{
    struct reeve_cluster_prefetched *asked = first_of(prefetch);
    reeve_cluster_reply_await(cluster, &asked->request);
    reeve_cluster_request_end(cluster, &asked->request);
    prefetch->first++;
    prefetch->count--;
    prefetch->bytes -= asked->size_bytes;
    return asked->request.answered && asked->reply.code == 0;
}

static void drop(struct reeve_cluster *cluster, struct reeve_cluster_prefetch *prefetch)
{
    struct reeve_object_id id = first_of(prefetch)->object;
    if (answer_await(cluster, prefetch))
        reeve_cluster_object_unpin(cluster, id);
}

/* False: it is to be asked for. */
static bool take(struct reeve_cluster *cluster, struct reeve_cluster_prefetch *prefetch,
    size_t index, const struct reeve_reference *object, const void **ret_bytes)
{
    const void *bytes = NULL;
    if (prefetch->count == 0)
        return false;
    reeve_lock(&cluster->lock);
    while (prefetch->count > 0 && first_of(prefetch)->index < index)
        drop(cluster, prefetch);
    const struct reeve_cluster_prefetched *asked = first_of(prefetch);
    bool found = prefetch->count > 0 && asked->index == index &&
                 reeve_object_id_equal(asked->object, object->id) &&
                 answer_await(cluster, prefetch);
    reeve_unlock(&cluster->lock);
    if (!found)
        return false;
    if (asked->reply.size >= object->size_bytes)
        bytes = reeve_objects_find(
            cluster->objects, asked->reply.segment, asked->reply.offset, object->size_bytes, false);
    if (bytes == NULL)
        reeve_cluster_object_unpin(cluster, object->id);
    *ret_bytes = bytes;
    return bytes != NULL;
}

int reeve_cluster_prefetch_pin(struct reeve_cluster *cluster,
    struct reeve_cluster_prefetch *prefetch, size_t index, const struct reeve_reference *object,
    const void **ret_bytes, struct reeve_error_info *error)
{
    if (prefetch != NULL) {
        prefetch->wanted = true; /* there may be more of that kind */
        if (take(cluster, prefetch, index, object, ret_bytes))
            return 0;
    }
    return reeve_cluster_object_get(cluster, object, ret_bytes, error);
}

void reeve_cluster_prefetch_end(
    struct reeve_cluster *cluster, struct reeve_cluster_prefetch *prefetch)
{
    while (prefetch->count > 0)
        drop(cluster, prefetch);
    free(prefetch->window);
    prefetch->window = NULL;
}
