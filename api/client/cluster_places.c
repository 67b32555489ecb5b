/* Room in the store for values that are being filled, and its sealing.
 *
 *   take ──▶ is there room that was granted ahead? ── yes ─▶ it is ours until it is sealed
 *                      └── no ─▶ CREATE, a round trip
 *   seal ──▶ SEAL is sent, and not answered; what is left of the room goes back to the rest
 *
 *   ahead   | extent | ........ |          at most SPARES_MAX extents, each with one user at a time
 *   put     | value  | rest ... |          the next value is put into the rest
 *
 * Whoever puts one value after the other finds room for the next: when what is left will not do for
 * another of the size, or is a quarter of what came last, the daemon is asked for room for two
 * more, and answers while this one is filled. A program that puts once a while holds a few such
 * extents, at most a 32nd of the store; when the store is short of room it gives them back (RELAX).
 *
 * That SEAL is not answered is no risk: it is *sent* before an entry that names the object is
 * published. If we die, our socket is read to its end before we are reaped; if somebody asks the
 * daemon sooner than it has read that far, it first reads all that has been sent (shell_store.c).
 * And it cannot fail: the room is ours, and an object is sealed once. But for a task's second
 * attempt, whose first may have sealed it: there the answer says where it lies. */
#include "api/client/cluster.h"
#include "api/client/error.h"
#include "api/client/objects.h"
#include "runtime/base/macros.h"
#include "runtime/base/pages.h"

#define UNIT           64u
#define OBJECT_MAX     (8ull << 20) /* larger ones are asked for: what is that to filling them? */
#define AHEAD_MIN      (512ull << 10)
#define AHEAD_MAX      (16ull << 20)
#define AHEAD_FRACTION 32u
#define REST_MIN       (32ull << 10)
#define LOW_FRACTION   4u  /* of what was granted last: when so little is left, more is asked for */
#define PATIENCE       64u /* puts after a refusal before room is asked for ahead again */

static uint32_t pad_of(uint32_t skew)
{
    return -skew & (UNIT - 1);
}

static uint64_t end_of(uint64_t offset, uint64_t size)
{
    return REEVE_ALIGN_UP(offset + size, (uint64_t)UNIT);
}

static void give_back(struct reeve_cluster *cluster, uint32_t segment, uint64_t offset)
{
    struct reeve_local_message message = {
        .kind = REEVE_LOCAL_ABORT, .segment = segment, .offset = offset};
    (void)reeve_cluster_send(cluster, &message);
}

/* ---- ahead: all with the lock ---------------------------------------------------------------- */

static uint64_t room_of(const struct reeve_cluster_spare *spare)
{
    return spare->end - spare->offset;
}

static bool has_room(const struct reeve_cluster_spare *spare, uint64_t size)
{
    return room_of(spare) >= size;
}

static void spare_remove(struct reeve_cluster_ahead *ahead, uint32_t at)
{
    for (ahead->count--; at < ahead->count; at++)
        ahead->spares[at] = ahead->spares[at + 1];
}

/* Of those that have the least room one goes when there are too many, or rests that are too small
 * for the next value would keep out what is granted for it. */
static void spare_add(struct reeve_cluster *cluster, const struct reeve_cluster_spare *spare)
{
    struct reeve_cluster_ahead *ahead = &cluster->ahead;
    struct reeve_cluster_spare going = *spare;
    uint32_t smallest = 0;
    if (!has_room(spare, REST_MIN)) {
        give_back(cluster, spare->segment, spare->offset);
        return;
    }
    if (ahead->count == REEVE_CLUSTER_SPARES_MAX) {
        for (uint32_t i = 1; i < ahead->count; i++)
            if (!has_room(&ahead->spares[i], room_of(&ahead->spares[smallest])))
                smallest = i;
        if (has_room(spare, room_of(&ahead->spares[smallest]))) {
            going = ahead->spares[smallest];
            spare_remove(ahead, smallest);
        }
        give_back(cluster, going.segment, going.offset);
    }
    if (ahead->count < REEVE_CLUSTER_SPARES_MAX)
        ahead->spares[ahead->count++] = *spare;
}

/* The one used last, which is warm. */
static bool spare_take(
    struct reeve_cluster *cluster, uint64_t size, struct reeve_cluster_spare *ret)
{
    struct reeve_cluster_ahead *ahead = &cluster->ahead;
    for (uint32_t i = ahead->count; i-- > 0;) {
        if (!has_room(&ahead->spares[i], size))
            continue;
        *ret = ahead->spares[i];
        spare_remove(ahead, i);
        return true;
    }
    return false;
}

/* Asks for room for two more of the size, where nothing is left for one after this. */
static void ahead_ask(
    struct reeve_cluster *cluster, uint64_t size, const struct reeve_cluster_spare *taken)
{
    struct reeve_cluster_ahead *ahead = &cluster->ahead;
    uint64_t limit = REEVE_MIN(AHEAD_MAX, cluster->store_bytes / AHEAD_FRACTION);
    uint64_t wanted = REEVE_MIN(REEVE_MAX(size * 2, AHEAD_MIN), limit);
    if (ahead->request != 0 || wanted < size || cluster->dead)
        return;
    if (ahead->patience != 0) {
        ahead->patience--;
        return;
    }
    uint64_t low = REEVE_MAX(size, ahead->granted_bytes / LOW_FRACTION);
    bool enough = taken != NULL && has_room(taken, size + low);
    for (uint32_t i = 0; i < ahead->count && !enough; i++)
        enough = has_room(&ahead->spares[i], low);
    if (enough)
        return;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_CREATE,
        .size = wanted,
        .flags = REEVE_LOCAL_OBJECT_AHEAD,
        .request = ++cluster->request_last};
    if (reeve_cluster_send(cluster, &message) == 0)
        ahead->request = message.request;
}

bool reeve_cluster_ahead_granted(
    struct reeve_cluster *cluster, const struct reeve_local_message *message)
{
    struct reeve_cluster_ahead *ahead = &cluster->ahead;
    if (message->kind != REEVE_LOCAL_CREATED || ahead->request == 0 ||
        message->request != ahead->request)
        return false;
    ahead->request = 0;
    ahead->granted_bytes = message->size;
    struct reeve_cluster_spare spare = {
        message->segment, message->offset, end_of(message->offset, message->size), true};
    if (message->code != 0)
        ahead->patience = PATIENCE;
    else if (ahead->patience != 0)
        give_back(cluster, spare.segment, spare.offset);
    else
        spare_add(cluster, &spare);
    return true;
}

void reeve_cluster_ahead_return(struct reeve_cluster *cluster)
{
    struct reeve_cluster_ahead *ahead = &cluster->ahead;
    for (; ahead->count > 0; ahead->count--)
        give_back(cluster, ahead->spares[ahead->count - 1].segment,
            ahead->spares[ahead->count - 1].offset);
    ahead->patience = PATIENCE;
}

/* ---- places ---------------------------------------------------------------------------------- */

static int place_ask(struct reeve_cluster *cluster, uint64_t size, uint32_t skew,
    struct reeve_cluster_place *ret, struct reeve_error_info *error)
{
    struct reeve_local_message message = {.kind = REEVE_LOCAL_CREATE, .size = size, .count = skew};
    struct reeve_local_message reply;
    int code = reeve_cluster_request(cluster, &message, &reply, error);
    if (code != 0)
        return code;
    ret->segment = reply.segment;
    ret->offset = reply.offset;
    ret->end = end_of(reply.offset, size);
    return 0;
}

int reeve_cluster_place_take(struct reeve_cluster *cluster, uint64_t size, uint32_t skew,
    bool exactly, struct reeve_cluster_place *ret, struct reeve_error_info *error)
{
    uint64_t pad = pad_of(skew), whole = end_of(pad, size);
    struct reeve_cluster_spare spare = {.is_new = true};
    bool found = false;
    if (!exactly && whole <= OBJECT_MAX) {
        reeve_lock(&cluster->lock);
        found = !cluster->ending && spare_take(cluster, whole, &spare);
        ahead_ask(cluster, whole, found ? &spare : NULL);
        reeve_unlock(&cluster->lock);
    }
    if (found) {
        ret->segment = spare.segment;
        ret->offset = spare.offset + pad;
        ret->end = spare.end;
    } else {
        int code = place_ask(cluster, size, skew, ret, error);
        if (code != 0)
            return code;
    }
    uint64_t room = ret->end - ret->offset;
    ret->bytes = reeve_objects_find(cluster->objects, ret->segment, ret->offset, room, true);
    if (ret->bytes != NULL && spare.is_new)
        reeve_pages_make(ret->bytes, room); /* what follows the value, too */
    if (ret->bytes != NULL)
        return 0;
    reeve_cluster_place_abort(cluster, ret);
    return reeve_error_set(error, REEVE_ENOMEM,
        "the memory of the object store cannot be mapped here: this process may have no more "
        "address space (ulimit -v), or mappings (vm.max_map_count)");
}

void reeve_cluster_place_abort(
    struct reeve_cluster *cluster, const struct reeve_cluster_place *place)
{
    give_back(cluster, place->segment, place->offset);
}

/* What is behind the value is room again, for whoever comes next. */
static void rest_return(
    struct reeve_cluster *cluster, const struct reeve_cluster_place *place, uint64_t size)
{
    struct reeve_cluster_spare rest = {
        place->segment, end_of(place->offset, size), place->end, false};
    reeve_lock(&cluster->lock);
    spare_add(cluster, &rest);
    reeve_unlock(&cluster->lock);
}

int reeve_cluster_place_seal(struct reeve_cluster *cluster, const struct reeve_cluster_place *place,
    struct reeve_object_id id, uint64_t size, bool first, struct reeve_reference *ret,
    struct reeve_error_info *error)
{
    /* so that the rest is worth keeping, and begins where the daemon says that it does */
    bool rest = place->end - end_of(place->offset, size) >= REST_MIN;
    bool here = reeve_process_node(id.owner) == cluster->node, silent = first && here;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_SEAL,
        .object = id,
        .size = size,
        .segment = place->segment,
        .offset = place->offset,
        .flags = (here ? REEVE_LOCAL_OBJECT_ANCHOR : 0) | (rest ? REEVE_LOCAL_OBJECT_REST : 0) |
                 (silent ? REEVE_LOCAL_OBJECT_SILENT : 0)};
    *ret = (struct reeve_reference){.id = id,
        .size_bytes = size,
        .node = cluster->node,
        .flags = here ? REEVE_REFERENCE_LOCATED : 0,
        .segment = place->segment,
        .serial = reeve_objects_serial(cluster->objects, place->segment),
        .offset = place->offset};
    if (silent) {
        int code = reeve_cluster_send(cluster, &message);
        if (code != 0)
            return reeve_cluster_send_failed(code, error);
    } else {
        struct reeve_local_message reply;
        int code = reeve_cluster_request(cluster, &message, &reply, error);
        if (code != 0)
            return code;
        ret->segment = reply.segment;
        ret->serial = reply.count;
        ret->offset = reply.offset;
        if (!(reply.flags & REEVE_LOCAL_OBJECT_ANCHOR))
            ret->flags &= ~REEVE_REFERENCE_LOCATED;
        rest = rest && reply.segment == place->segment && reply.offset == place->offset;
    }
    if (rest)
        rest_return(cluster, place, size);
    return 0;
}
