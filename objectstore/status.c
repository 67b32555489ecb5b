/* What the store tells about itself. */
#include <string.h>

#include "objectstore/parts.h"

uint64_t store_used_bytes(const struct reeve_store *store)
{
    uint64_t units = store->orphans.used_units + store->daemon->arena.used_units;
    REEVE_LIST_EACH(node, &store->clients)
    units += REEVE_LIST_ENTRY(node, struct store_client, link)->arena.used_units;
    REEVE_LIST_EACH(node, &store->dying_clients)
    units += REEVE_LIST_ENTRY(node, struct store_client, link)->arena.used_units;
    uint64_t preparing = store->preparing != NULL ? store_extent_bytes(store->preparing) : 0;
    return reeve_arena_bytes(units) - preparing - store->returning_bytes;
}

void reeve_store_status(const struct reeve_store *store, struct reeve_store_status *ret)
{
    uint64_t untold = 0;
    size_t at = 0;
    void *peer;
    while (reeve_map64_next(&store->peers, &at, NULL, &peer))
        untold += ((const struct store_peer *)peer)->words.count;
    *ret = (struct reeve_store_status){
        .capacity_bytes = store->settings.capacity_bytes,
        .committed_bytes = store->committed_bytes,
        .used_bytes = store_used_bytes(store),
        .unsealed_bytes = store->unsealed_bytes,
        .copy_bytes = store->copy_bytes,
        .pinned_bytes = store->pinned_bytes,
        .anchored_bytes = store->anchored_bytes,
        .growth_bytes = store->growth_bytes,
        .object_count = store->object_count,
        .pin_count = store->pin_count,
        .hold_count = store->hold_count,
        .segment_count = reeve_map64_count(&store->segments),
        .client_count = reeve_map64_count(&store->client_by_handle),
        .pull_count = reeve_list_count(&store->fetches) + reeve_list_count(&store->wrecks),
        .send_count = reeve_map64_count(&store->sends),
        .queue_count = reeve_list_count(&store->create_queue) +
                       reeve_list_count(&store->pull_queue) +
                       reeve_list_count(&store->restore_queue),
        .untold_count = untold,
        .evicted_count = store->evicted_count,
        .pulled_count = store->pulled_count,
        .refused_count = store->refused_count,
        .stale_count = store->stale_count,
        .spilled_bytes = store->live_bytes,
        .spilled_count = reeve_map64_count(&store->places),
        .disk_bytes = store->kept_grains * REEVE_STORE_GRAIN,
        .disk_limit_bytes = store->settings.spill_limit_bytes,
        .writing_bytes = store->writing_bytes,
        .restoring_count =
            reeve_map64_count(&store->reads) + reeve_list_count(&store->restore_queue),
        .folder_count = store->settings.spill_folder_count,
        .folder_failed_count = store_spill_failed_folders(store),
        .written_count = store->written_count,
        .written_bytes = store->written_bytes,
        .restored_count = store->restored_count,
        .restored_bytes = store->restored_bytes,
        .spill_failed_count = store->spill_failed_count,
        .spill_damaged_count = store->spill_damaged_count,
        .spill_mended_count = store->spill_mended_count,
    };
    const struct store_folder *worst = &store->folders[0];
    for (uint32_t i = 1; i < ret->folder_count; i++) {
        const struct store_folder *folder = &store->folders[i];
        if ((folder->code != 0) > (worst->code != 0) ||
            ((folder->code != 0) == (worst->code != 0) && worst->why[0] == '\0' &&
                folder->why[0] != '\0'))
            worst = folder;
    }
    ret->folder_worst = (uint32_t)(worst - store->folders);
    memcpy(ret->folder_why, worst->why, sizeof(ret->folder_why));
}

bool reeve_store_knows(const struct reeve_store *store, struct reeve_object_id id)
{
    return reeve_object_id_is_actor(id) || store_object_find(store, id) != NULL;
}

bool reeve_store_find(const struct reeve_store *store, struct reeve_object_id id,
    uint32_t *ret_segment, uint64_t *ret_offset, uint64_t *ret_size)
{
    const struct store_object *object = store_object_find(store, id);
    if (object == NULL || object->state != STORE_SEALED || object->flags & STORE_OBJECT_FREED)
        return false;
    *ret_segment = object->extent->segment->id;
    *ret_offset = store_object_offset(object);
    *ret_size = object->size;
    return true;
}

static const char *state_name(const struct store_object *object)
{
    static const char *const names[] = {"pulling", "sealed", "spilled", "restoring"};
    return object->flags & STORE_OBJECT_WRITING ? "spilling" : names[object->state];
}

static void describe_holders(const struct reeve_store *store, const struct store_object *object,
    struct reeve_store_object_info *ret)
{
    const struct store_pin *pin = reeve_slab_at(&store->pins, object->pins);
    for (; pin != NULL; pin = reeve_slab_at(&store->pins, pin->next)) {
        uint32_t at = ret->pinner_count++;
        const struct store_client *client = reeve_map64_get(&store->client_by_handle, pin->client);
        if (at >= REEVE_STORE_NAMED_MAX)
            continue;
        ret->pinners[at].process = client != NULL ? client->process : REEVE_PROCESS_NONE;
        ret->pinners[at].pin_count = pin->count;
    }
    for (const struct store_copy *copy = object->copies; copy != NULL; copy = copy->next) {
        if (ret->copy_count < REEVE_STORE_NAMED_MAX)
            ret->copy_nodes[ret->copy_count] = copy->peer->node;
        ret->copy_count++;
    }
}

const char *reeve_store_waits_for(const struct reeve_store *store, uint64_t process)
{
    const struct store_client *client = reeve_map64_get(&store->client_by_process, process);
    const struct reeve_list *first = client != NULL ? reeve_list_first(&client->requests) : NULL;
    if (first == NULL)
        return "";
    const struct store_request *request =
        REEVE_LIST_ENTRY(first, struct store_request, client_link);
    if (request->restore != NULL)
        return "a value from the disk";
    return request->fetch != NULL ? "a value from another node" : "room in the store";
}

/* The cursor is a number of the slab: objects do not move there. */
bool reeve_store_next_object(
    const struct reeve_store *store, uint64_t *cursor, struct reeve_store_object_info *ret)
{
    uint32_t number = (uint32_t)*cursor;
    while ((number = reeve_slab_next(&store->objects, number)) != 0) {
        const struct store_object *object = reeve_slab_at(&store->objects, number);
        if (object->id.sequence == REEVE_STORE_ALL)
            continue;
        *ret = (struct reeve_store_object_info){
            .id = object->id,
            .owner = store_is_nobody(object->owner) ? REEVE_PROCESS_NONE : object->owner,
            .size = object->size,
            .segment = object->extent != NULL ? object->extent->segment->id : 0,
            .pin_count = object->pin_total,
            .copy = object->flags & STORE_OBJECT_COPY,
            .freed = object->flags & STORE_OBJECT_FREED,
            .state = state_name(object),
        };
        describe_holders(store, object, ret);
        *cursor = number;
        return true;
    }
    return false;
}

static void add_layout(const struct reeve_arena *arena, struct reeve_store_layout *ret)
{
    uint64_t units = 0;
    uint32_t largest = reeve_arena_largest_free(arena);
    REEVE_LIST_EACH(node, &arena->segments)
    {
        const struct reeve_segment *segment = REEVE_LIST_ENTRY(node, struct reeve_segment, link);
        units += segment->units;
        for (const struct reeve_extent *extent = segment->first; segment->whole && extent != NULL;
             extent = reeve_extent_after(extent))
            if (extent->is_free)
                largest = REEVE_MAX(largest, extent->units);
    }
    ret->segment_bytes += reeve_arena_bytes(units);
    ret->free_bytes += reeve_arena_bytes(units - arena->used_units);
    ret->largest_free_bytes = REEVE_MAX(ret->largest_free_bytes, reeve_arena_bytes(largest));
}

void reeve_store_layout(const struct reeve_store *store, struct reeve_store_layout *ret)
{
    *ret = (struct reeve_store_layout){0};
    add_layout(&store->orphans, ret);
    add_layout(&store->daemon->arena, ret);
    REEVE_LIST_EACH(node, &store->clients)
    add_layout(&REEVE_LIST_ENTRY(node, struct store_client, link)->arena, ret);
    REEVE_LIST_EACH(node, &store->dying_clients)
    add_layout(&REEVE_LIST_ENTRY(node, struct store_client, link)->arena, ret);
}

const char *reeve_store_event_name(enum reeve_store_event_kind kind)
{
    static const char *const names[REEVE_STORE_EVENT_KIND_COUNT] = {"tick", "node", "host",
        "memory", "client added", "client hungry", "client closed", "client reaped", "create",
        "seal", "abort", "get", "cancel", "unpin", "free", "give", "hold", "peer free", "peer hold",
        "peer give", "peer given", "peer freed", "peer pull", "peer chunk", "peer busy", "sent",
        "peer reset", "peer down", "owner gone", "segment prepared", "segment returned",
        "spill written", "spill read done"};
    _Static_assert(REEVE_STORE_EVENT_KIND_COUNT == 33, "each has a name");
    return (unsigned)kind < REEVE_ARRAY_COUNT(names) ? names[kind] : "unknown";
}

const char *reeve_store_command_name(enum reeve_store_command_kind kind)
{
    static const char *const names[REEVE_STORE_COMMAND_KIND_COUNT] = {"none", "segment create",
        "segment show", "segment hide", "segment punch", "segment drop", "reply create",
        "reply seal", "reply get", "send pull", "drop pull", "send chunk", "send free",
        "segment prepare", "segment ready", "segment return", "spill write", "spill read",
        "spill punch", "spill close", "relax", "over", "tell heir"};
    return (unsigned)kind < REEVE_ARRAY_COUNT(names) ? names[kind] : "unknown";
}
