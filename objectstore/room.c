/* Room for objects.
 *
 *     wanted ─▶ an extent of the writer's own arena, else of an empty segment of a dead writer,
 *               else of a new segment
 *                  │ does it touch memory for the first time, and is there so much left?
 *                  ├─ yes ─▶ it is committed
 *                  └─ no  ─▶ 1. empty segments are dropped, oldest first
 *                            2. free pages of all arenas are given back (return.c)
 *                            3. unpinned copies are thrown out, least recently used first;
 *                               then primaries that are on disk, too; and all over again
 *                            4. no (the caller queues; spill.c writes more of them to disk)
 *
 * Segments are only address space; what counts is the grains that have been touched (committed). A
 * segment has one writer. When that has been reaped, the segment is an orphan: its objects live on,
 * its free pages can be given back, and once it is empty another writer may have it. So no live
 * process but its one writer can ever write in it. */
#include "objectstore/parts.h"

#define TRIM_MIN       (1u << 20)   /* at a time, so that it is not done for every small object */
#define WHOLE_FRACTION 4u           /* of a segment: larger objects get one of their own */
#define AHEAD_BYTES    (4ull << 20) /* more than was asked for, where it is cold */
#define AHEAD_FRACTION 32u          /* of the store: only if all of it is less */

static uint64_t grains_up(uint64_t bytes)
{
    return REEVE_ALIGN_UP(bytes, (uint64_t)REEVE_STORE_GRAIN);
}

void store_room_uncommit(struct reeve_store *store, uint64_t bytes)
{
    store->committed_bytes -= bytes;
    if (store->growth_bytes != UINT64_MAX)
        store->growth_bytes += bytes;
    if (bytes > 0)
        store->room_changed = true;
}

bool store_room_never(const struct reeve_store *store, uint64_t bytes)
{
    return bytes > store->settings.capacity_bytes ||
           bytes > reeve_arena_bytes(REEVE_ARENA_UNITS_MAX) / 2;
}

/* --- segments --------------------------------------------------------------------------------- */

struct reeve_segment *store_segment_find(const struct reeve_store *store, uint32_t id)
{
    return reeve_map64_get(&store->segments, id);
}

/* Numbers are small and come back: every process keeps its segments in an array. */
static uint32_t segment_number(struct reeve_store *store)
{
    uint32_t number;
    return reeve_fifo_pop(&store->free_numbers, &number) ? number : ++store->segment_last;
}

static struct reeve_segment *segment_add(
    struct reeve_store *store, struct reeve_arena *arena, uint64_t bytes, bool whole)
{
    if (whole) { /* a little larger, in steps, so that the next object of about that size fits */
        uint64_t step = REEVE_MAX(1ull << (63 - __builtin_clzll(bytes)) >> 3, REEVE_STORE_GRAIN);
        bytes = REEVE_ALIGN_UP(bytes, step);
    }
    struct reeve_segment *segment = reeve_segment_create(
        &store->extents, segment_number(store), reeve_arena_units(grains_up(bytes)), whole);
    segment->serial = ++store->segment_serial;
    store_put(&store->segments, segment->id, segment);
    reeve_arena_add(arena, segment);
    return segment; /* the shell hears of it when it is used */
}

struct reeve_segment *store_segment_add(
    struct reeve_store *store, struct reeve_arena *arena, uint64_t bytes)
{
    return segment_add(store, arena, bytes, false);
}

static void hide(struct reeve_store *store, struct store_client *client, uint32_t segment)
{
    if (reeve_map64_remove(&client->shown, segment) == NULL || client->closed)
        return;
    struct reeve_store_command *command = store_command(store, REEVE_STORE_SEGMENT_HIDE);
    command->client = client->handle;
    command->segment = segment;
}

static void segment_drop(struct reeve_store *store, struct reeve_segment *segment)
{
    REEVE_LIST_EACH(node, &store->clients)
    hide(store, REEVE_LIST_ENTRY(node, struct store_client, link), segment->id);
    if (segment->is_made)
        store_command(store, REEVE_STORE_SEGMENT_DROP)->segment = segment->id;
    store_room_uncommit(store, (uint64_t)segment->touched_count * REEVE_STORE_GRAIN);
    reeve_heap_remove(&store->idle_deadlines, &segment->deadline);
    reeve_list_remove(&segment->idle_link);
    reeve_arena_remove(segment);
    reeve_map64_remove(&store->segments, segment->id);
    uint32_t *number = reeve_fifo_push(&store->free_numbers);
    REEVE_ASSERT(number != NULL);
    *number = segment->id;
    reeve_segment_free(segment);
}

static bool is_orphan(const struct reeve_store *store, const struct reeve_segment *segment)
{
    return segment->arena == &store->orphans;
}

/* The segment has just become empty, or an empty one an orphan. */
static void segment_idle(struct reeve_store *store, struct reeve_segment *segment)
{
    if (segment->is_reserve) { /* kept, warm or not: it can be prepared again */
        if (is_orphan(store, segment) && !reeve_list_is_linked(&segment->idle_link))
            reeve_list_push_back(&store->reserves, &segment->idle_link);
        return;
    }
    if (segment->touched_count == 0) { /* nothing warm to keep */
        segment_drop(store, segment);
        return;
    }
    if (!reeve_heap_contains(&segment->deadline)) {
        int error = reeve_heap_insert(&store->idle_deadlines, &segment->deadline,
            store->now_ns + store->settings.segment_idle_ns);
        REEVE_ASSERT(error == REEVE_OK);
    }
    reeve_list_remove(&segment->idle_link);
    if (is_orphan(store, segment)) {
        reeve_list_push_front(&store->idle_orphans, &segment->idle_link);
    } else if (segment->whole) {
        struct store_client *client =
            REEVE_CONTAINER_OF(segment->arena, struct store_client, arena);
        reeve_list_push_front(&client->idle_whole, &segment->idle_link);
    }
}

void store_room_busy(struct reeve_store *store, struct reeve_segment *segment)
{
    if (segment->is_reserve)
        return;
    reeve_heap_remove(&store->idle_deadlines, &segment->deadline);
    reeve_list_remove(&segment->idle_link);
}

/* It goes with its pages: at once, or when they have been given back. An empty one. */
static void segment_end(struct reeve_store *store, struct reeve_segment *segment)
{
    uint64_t done = 0;
    if (store_return_now(store, (uint64_t)segment->touched_count * REEVE_STORE_GRAIN)) {
        segment_drop(store, segment);
    } else {
        store_room_busy(store, segment);
        store_return(store, segment->first, UINT64_MAX, &done);
    }
}

void store_room_drop_idle(struct reeve_store *store)
{
    struct reeve_heap_node *node;
    while ((node = reeve_heap_peek(&store->idle_deadlines)) != NULL && node->key <= store->now_ns)
        segment_end(store, REEVE_CONTAINER_OF(node, struct reeve_segment, deadline));
}

void store_room_drop_all(struct reeve_store *store)
{
    struct reeve_heap_node *node;
    while ((node = reeve_heap_peek(&store->idle_deadlines)) != NULL)
        segment_drop(store, REEVE_CONTAINER_OF(node, struct reeve_segment, deadline));
    while (!reeve_list_is_empty(&store->reserves))
        segment_drop(
            store, REEVE_LIST_ENTRY(store->reserves.next, struct reeve_segment, idle_link));
}

void store_room_orphan(struct reeve_store *store, struct store_client *client)
{
    while (!reeve_list_is_empty(&client->arena.segments)) {
        struct reeve_segment *segment =
            REEVE_LIST_ENTRY(client->arena.segments.next, struct reeve_segment, link);
        reeve_arena_remove(segment);
        reeve_arena_add(&store->orphans, segment);
        if (segment->used_units == 0)
            segment_idle(store, segment);
    }
    store->room_changed = true;
}

/* --- giving pages back ------------------------------------------------------------------------ */

/* What lies behind the one object of a `whole` segment is in no bin, so nobody else would. */
static void return_tail(struct reeve_store *store, struct reeve_extent *extent)
{
    uint64_t done = 0;
    if (extent->segment->whole && extent->after != 0)
        store_return(store, reeve_extent_after(extent), UINT64_MAX, &done);
}

/* Gives back at least so much, or begins to, if there is that much to give. */
static void trim(struct reeve_store *store, uint64_t bytes)
{
    uint64_t done = 0;
    if (bytes <= store->returning_bytes)
        return;
    bytes -= store->returning_bytes;
    struct reeve_heap_node *node;
    while (done < bytes && (node = reeve_heap_peek(&store->idle_deadlines)) != NULL) {
        struct reeve_segment *segment = REEVE_CONTAINER_OF(node, struct reeve_segment, deadline);
        done += (uint64_t)segment->touched_count * REEVE_STORE_GRAIN;
        segment_end(store, segment);
    }
    if (done >= bytes)
        return;
    bytes = REEVE_MAX(bytes, TRIM_MIN);
    store_return_arena(store, &store->orphans, bytes, &done);
    store_return_arena(store, &store->daemon->arena, bytes, &done);
    REEVE_LIST_EACH(client, &store->clients)
    store_return_arena(
        store, &REEVE_LIST_ENTRY(client, struct store_client, link)->arena, bytes, &done);
}

/* Throws out copies of so many bytes together, or what is on disk as well; false: there is none. */
static bool evict(struct reeve_store *store, uint64_t bytes)
{
    uint64_t done = 0;
    while (done < bytes && !reeve_list_is_empty(&store->lru)) {
        struct store_object *object =
            REEVE_LIST_ENTRY(store->lru.next, struct store_object, lru_link);
        done += store_extent_bytes(object->extent);
        store_object_remove(store, object);
        store->evicted_count++;
    }
    while (done < bytes && !reeve_list_is_empty(&store->clean)) {
        struct store_object *object =
            REEVE_LIST_ENTRY(store->clean.next, struct store_object, lru_link);
        done += store_extent_bytes(object->extent);
        store_object_drop(store, object);
    }
    return done > 0;
}

/* --- taking ----------------------------------------------------------------------------------- */

static struct reeve_segment *find_whole(struct reeve_list *idle, uint32_t units)
{
    REEVE_LIST_EACH(node, idle)
    {
        struct reeve_segment *segment = REEVE_LIST_ENTRY(node, struct reeve_segment, idle_link);
        if (segment->whole && segment->units >= units && segment->units - units <= units / 4)
            return segment;
    }
    return NULL;
}

static struct reeve_segment *find_shared(struct reeve_list *idle)
{
    REEVE_LIST_EACH(node, idle)
    {
        struct reeve_segment *segment = REEVE_LIST_ENTRY(node, struct reeve_segment, idle_link);
        if (!segment->whole)
            return segment;
    }
    return NULL;
}

static struct reeve_segment *adopt(
    struct reeve_store *store, struct store_client *client, struct reeve_segment *segment)
{
    if (segment != NULL) {
        hide(store, client, segment->id); /* it may have read there; nothing of that is left */
        reeve_list_remove(&segment->idle_link);
        reeve_arena_remove(segment);
        reeve_arena_add(&client->arena, segment);
        (void)store;
    }
    return segment;
}

void store_segment_adopt(
    struct reeve_store *store, struct store_client *client, struct reeve_segment *segment)
{
    adopt(store, client, segment);
    client->has_reserve |= segment->is_reserve;
}

/* Of the reserves that the writer has, or of one that it gets. */
static struct reeve_extent *pick_reserve(
    struct reeve_store *store, struct store_client *client, uint32_t units)
{
    struct reeve_extent *extent =
        client->has_reserve ? reeve_arena_take(&client->arena, units) : NULL;
    struct reeve_segment *segment = extent == NULL ? store_reserve_find(store, units) : NULL;
    if (segment != NULL) {
        store_segment_adopt(store, client, segment);
        extent = reeve_arena_take(&client->arena, units);
    }
    return extent;
}

static struct reeve_extent *pick_whole(
    struct reeve_store *store, struct store_client *client, uint64_t bytes)
{
    uint32_t units = reeve_arena_units(bytes);
    struct reeve_segment *segment = find_whole(&client->idle_whole, units);
    struct reeve_extent *reserved = segment == NULL ? pick_reserve(store, client, units) : NULL;
    if (reserved != NULL)
        return reserved;
    if (segment == NULL)
        segment = adopt(store, client, find_whole(&store->idle_orphans, units));
    if (segment == NULL)
        segment = segment_add(store, &client->arena, bytes, true);
    struct reeve_extent *extent = reeve_segment_take(segment, units);
    return_tail(store, extent);
    return extent;
}

static bool is_for_whole(const struct reeve_store *store, uint64_t bytes)
{
    return bytes > REEVE_MIN(store->settings.segment_size_bytes, store->settings.capacity_bytes) /
                       WHOLE_FRACTION;
}

static struct reeve_extent *pick(
    struct reeve_store *store, struct store_client *client, uint64_t bytes)
{
    struct reeve_extent *extent;
    if (is_for_whole(store, bytes)) {
        extent = pick_whole(store, client, bytes);
    } else {
        extent = reeve_arena_take(&client->arena, reeve_arena_units(bytes));
        if (extent == NULL)
            extent = pick_reserve(store, client, reeve_arena_units(bytes));
        if (extent == NULL) {
            if (adopt(store, client, find_shared(&store->idle_orphans)) == NULL)
                segment_add(store, &client->arena, store->settings.segment_size_bytes, false);
            extent = reeve_arena_take(&client->arena, reeve_arena_units(bytes));
        }
    }
    store_room_busy(store, extent->segment);
    return extent;
}

/* How much more would have to be given back before so much can be touched. */
static uint64_t shortfall(const struct reeve_store *store, uint64_t bytes)
{
    uint64_t room =
        REEVE_MIN(store->settings.capacity_bytes - store->committed_bytes, store->growth_bytes);
    return bytes > room ? bytes - room : 0;
}

void store_segment_make(struct reeve_store *store, struct reeve_segment *segment)
{
    if (segment->is_made)
        return;
    segment->is_made = true;
    struct reeve_store_command *command = store_command(store, REEVE_STORE_SEGMENT_CREATE);
    command->segment = segment->id;
    command->size = reeve_arena_bytes(segment->units);
}

bool store_room_has(const struct reeve_store *store, uint64_t bytes)
{
    return shortfall(store, bytes) == 0;
}

uint64_t store_room_commit(struct reeve_store *store, const struct reeve_extent *extent)
{
    store_segment_make(store, extent->segment);
    uint64_t bytes = reeve_segment_touch(extent);
    store->committed_bytes += bytes;
    if (store->growth_bytes != UINT64_MAX)
        store->growth_bytes -= bytes;
    return bytes;
}

struct reeve_extent *store_room_take(
    struct reeve_store *store, struct store_client *client, uint64_t bytes)
{
    bytes = REEVE_MAX(bytes, 1u);
    for (;;) {
        struct reeve_extent *extent = pick(store, client, bytes);
        uint64_t cold = reeve_segment_cold(extent);
        if (shortfall(store, cold) > 0)
            trim(store, shortfall(store, cold));
        if (shortfall(store, cold) == 0) {
            store_prepare_touched(store, extent->segment, store_room_commit(store, extent));
            return extent;
        }
        store_room_release(store, extent);
        uint64_t missing = shortfall(store, cold);
        store->room_coming = missing <= store->returning_bytes;
        if (store->room_coming || !evict(store, missing - store->returning_bytes))
            return NULL;
    }
}

struct reeve_extent *store_room_take_ahead(
    struct reeve_store *store, struct store_client *client, uint64_t bytes)
{
    uint64_t more = bytes + AHEAD_BYTES;
    struct reeve_extent *extent = pick(store, client, bytes);
    bool is_cold = reeve_segment_cold(extent) > 0;
    store_room_release(store, extent);
    if (!is_cold || more > store->settings.capacity_bytes / AHEAD_FRACTION ||
        is_for_whole(store, more))
        return store_room_take(store, client, bytes);
    extent = pick(store, client, more);
    uint64_t begin = reeve_arena_bytes(extent->offset);
    uint64_t end = (begin + more) / STORE_BLOCK_SIZE * STORE_BLOCK_SIZE;
    reeve_arena_shrink(extent, reeve_arena_units(end - begin));
    if (store_room_has(store, reeve_segment_cold(extent))) {
        store_prepare_touched(store, extent->segment, store_room_commit(store, extent));
        return extent;
    }
    store_room_release(store, extent);
    return store_room_take(store, client, bytes);
}

void store_room_release(struct reeve_store *store, struct reeve_extent *extent)
{
    struct reeve_segment *segment = extent->segment;
    reeve_arena_release(extent);
    store->room_changed = true;
    if (segment->used_units == 0)
        segment_idle(store, segment);
}

void store_room_shrink(struct reeve_store *store, struct reeve_extent *extent, uint32_t units)
{
    if (units < extent->units) {
        reeve_arena_shrink(extent, units);
        return_tail(store, extent);
        store->room_changed = true;
    }
}
