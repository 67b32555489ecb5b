/* Pages made ready before somebody needs them: the first touch of a page costs twenty times what
 * the next ones do.
 *
 *     reserves (prefault)   | half of the capacity | a quarter | an eighth | ...     at the start
 *     ahead of a writer     | used | granted | prepared | prepared |  cold ...       as it grows
 *
 * One slice is under way at a time. While it is, it is an extent that is taken, in whosever arena
 * its segment is, and counts as touched; when the shell has touched it, it is free again, and warm.
 * So preparing takes memory that is spare, and gives it back like any other free page when another
 * writer needs it. Nothing is prepared while anybody waits for room.
 *
 * Whoever fills memory that is ready is slowed down by that of others being touched, several times
 * over on a virtual machine whose host has to find it. So reserves wait while a large grant is
 * being filled, but not for longer than FILLING_NS.
 *
 * Reserves are empty segments without a writer. A driver gets the largest when it comes, other
 * writers the smallest that will do. */
#include "objectstore/parts.h"

#define SLICE_BYTES (8ull << 20)
#define AHEAD_MIN   (4ull << 20)
#define FILLING_NS  1000000000ull

static uint32_t slice_units(void)
{
    return reeve_arena_units(SLICE_BYTES);
}

/* --- reserves --------------------------------------------------------------------------------- */

/* Halves of what is left, so that the first writers have large ones. */
static void reserves_make(struct reeve_store *store)
{
    uint64_t least = store->settings.segment_size_bytes, left = store->settings.capacity_bytes;
    uint64_t most = reeve_arena_bytes(REEVE_ARENA_UNITS_MAX);
    while (left > 0) {
        uint64_t bytes = REEVE_MIN(left / 2 >= least ? left / 2 : left, most);
        bytes -= bytes % REEVE_STORE_GRAIN;
        struct reeve_segment *segment = store_segment_add(store, &store->orphans, bytes);
        segment->is_reserve = true;
        reeve_list_push_back(&store->reserves, &segment->idle_link);
        left -= bytes;
    }
}

struct reeve_segment *store_reserve_find(struct reeve_store *store, uint32_t units)
{
    struct reeve_segment *found = NULL;
    REEVE_LIST_EACH(node, &store->reserves)
    {
        struct reeve_segment *segment = REEVE_LIST_ENTRY(node, struct reeve_segment, idle_link);
        bool fits = segment->units >= units && segment->touched_count > 0;
        if (fits && (found == NULL || segment->units < found->units))
            found = segment;
    }
    return found;
}

/* The writer may map them, too, before it needs them. */
static void say_ready(
    struct reeve_store *store, struct reeve_segment *segment, uint64_t offset, uint64_t length)
{
    if (segment->arena == &store->orphans || segment->arena == &store->daemon->arena)
        return;
    struct store_client *client = REEVE_CONTAINER_OF(segment->arena, struct store_client, arena);
    if (client->closed || reeve_map64_get(&client->shown, segment->id) == NULL)
        return;
    struct reeve_store_command *command = store_command(store, REEVE_STORE_SEGMENT_READY);
    command->client = client->handle;
    command->segment = segment->id;
    command->offset = offset;
    command->length = length;
}

void store_prepare_shown(struct reeve_store *store, struct reeve_segment *segment)
{
    uint32_t count = 0;
    while (count < segment->grain_count && segment->touched[count / 64] >> count % 64 & 1)
        count++;
    if (count > 0 && segment->is_reserve)
        say_ready(store, segment, 0, (uint64_t)count * REEVE_STORE_GRAIN);
}

void store_prepare_client(struct reeve_store *store, struct store_client *client)
{
    struct reeve_segment *largest = NULL;
    REEVE_LIST_EACH(node, &store->reserves)
    {
        struct reeve_segment *segment = REEVE_LIST_ENTRY(node, struct reeve_segment, idle_link);
        if (largest == NULL || segment->units > largest->units)
            largest = segment;
    }
    if (largest == NULL)
        return;
    store_segment_make(store, largest);
    store_segment_adopt(store, client, largest);
    store_show(store, client, largest, true);
}

/* --- slices ----------------------------------------------------------------------------------- */

void store_prepare_pause(struct reeve_store *store, struct store_grant *grant)
{
    grant->fills = !grant->ahead && store_extent_bytes(grant->extent) >= SLICE_BYTES;
    store->filling_count += grant->fills;
    if (grant->fills)
        store->filling_until_ns = store->now_ns + FILLING_NS;
}

static bool is_paused(const struct reeve_store *store)
{
    return store->filling_count > 0 && store->now_ns < store->filling_until_ns;
}

uint64_t store_prepare_deadline(const struct reeve_store *store)
{
    return store->prefault_wanted && is_paused(store) ? store->filling_until_ns : UINT64_MAX;
}

static struct reeve_extent *cold_reserve(struct reeve_store *store)
{
    if (!store->prefault_wanted || is_paused(store))
        return NULL;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&store->segments, &at, NULL, &value)) {
        struct reeve_segment *segment = value;
        struct reeve_extent *extent =
            segment->is_reserve ? reeve_segment_take_cold(segment, slice_units()) : NULL;
        if (extent != NULL)
            return extent;
    }
    store->prefault_wanted = false;
    return NULL;
}

/* In the segment where the writer was last seen to touch cold pages. */
static struct reeve_extent *cold_ahead(struct reeve_store *store)
{
    struct store_client *client = store->ahead_client;
    if (client == NULL || client->ahead_ready >= client->ahead_bytes)
        return NULL;
    struct reeve_segment *segment = store_segment_find(store, client->ahead_segment);
    struct reeve_extent *extent = NULL;
    if (segment != NULL && segment->arena == &client->arena && !segment->whole)
        extent = reeve_segment_take_cold(segment,
            reeve_arena_units(REEVE_MIN(client->ahead_bytes - client->ahead_ready, SLICE_BYTES)));
    if (extent == NULL)
        store->ahead_client = NULL;
    else
        client->ahead_ready += store_extent_bytes(extent);
    return extent;
}

void store_prepare_touched(
    struct reeve_store *store, const struct reeve_segment *segment, uint64_t bytes)
{
    uint64_t most = store->settings.ahead_bytes;
    if (most == 0 || segment->whole || bytes == 0 || segment->arena == &store->orphans)
        return;
    struct store_client *client = REEVE_CONTAINER_OF(segment->arena, struct store_client, arena);
    client->ahead_bytes = REEVE_MIN(REEVE_MAX(client->ahead_bytes * 2, AHEAD_MIN), most);
    client->ahead_ready = 0;
    client->ahead_segment = segment->id;
    store->ahead_client = client;
}

void store_prepare_serve(struct reeve_store *store)
{
    if (store->preparing != NULL || !store_queue_is_empty(store))
        return;
    if (store->settings.prefault && !store->prefault_begun) {
        store->prefault_begun = store->prefault_wanted = true;
        reserves_make(store);
    }
    if ((!store->prefault_wanted && store->ahead_client == NULL) ||
        !store_room_has(store, SLICE_BYTES))
        return;
    struct reeve_extent *extent = cold_ahead(store);
    if (extent == NULL)
        extent = cold_reserve(store);
    if (extent == NULL)
        return;
    store_room_busy(store, extent->segment);
    store_segment_make(store, extent->segment);
    store_room_commit(store, extent);
    extent->holder = store;
    extent->tag = STORE_TAG_PREPARED;
    store->preparing = extent;
    struct reeve_store_command *command = store_command(store, REEVE_STORE_SEGMENT_PREPARE);
    command->segment = extent->segment->id;
    command->offset = reeve_arena_bytes(extent->offset);
    command->length = store_extent_bytes(extent);
}

void store_prepare_done(struct reeve_store *store, const struct reeve_store_event *event)
{
    struct reeve_extent *extent = store->preparing;
    if (extent == NULL || extent->segment->id != event->segment ||
        reeve_arena_bytes(extent->offset) != event->offset) {
        store->stale_count++;
        return;
    }
    store->preparing = NULL;
    if (event->code == REEVE_OK)
        say_ready(store, extent->segment, event->offset, store_extent_bytes(extent));
    store_room_release(store, extent);
}
