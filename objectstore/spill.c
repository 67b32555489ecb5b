/* What goes to disk, and when.
 *
 *     of the capacity   | free or at once to be had ........ |▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒|
 *                                                  ▲      ▲                held: what cannot be
 *                            written until here, 70 %     80 %, and begun here
 *
 * Writing begins before room is short, so that creates need not wait for it: from 80 % on, what has
 * not been used for longest is written, while it stays in memory and can be read. When room is
 * needed, what is on disk already is dropped, which costs nothing. A store that stays below the
 * mark never writes. When anything waits for room the mark does not matter.
 *
 * A write that fails costs nothing but itself: the object is still in memory, and goes to another
 * folder; the one that failed is left alone for a while. When all have failed, or are full, the
 * store is as if it could not spill, until they are tried again. What has been written can be read
 * back even then: creates leave that much room free (RESERVE_FRACTION). */
#include <inttypes.h>
#include <stdio.h>

#include "objectstore/parts.h"

#define MARK_HIGH_PERCENT 80u
#define MARK_LOW_PERCENT  70u
#define WRITES_MAX        512u /* under way, however small */
#define WINDOW_FRACTION   8u   /* of the capacity */
#define RESERVE_FRACTION  4u   /* of it: at most so much is kept free for what is on disk */

void store_spill_init(struct reeve_store *store)
{
    struct reeve_store_settings *settings = &store->settings;
    REEVE_ASSERT(settings->spill_folder_count <= REEVE_STORE_FOLDERS_MAX);
    settings->spill_window_bytes =
        REEVE_MIN(settings->spill_window_bytes, settings->capacity_bytes / WINDOW_FRACTION);
    for (uint32_t i = 0; i < settings->spill_folder_count; i++)
        store->folders[i].name = settings->spill_folders[i];
    reeve_list_init(&store->clean);
    reeve_list_init(&store->dirty);
    reeve_list_init(&store->restore_queue);
    reeve_map64_init(&store->files);
    reeve_map64_init(&store->places);
    reeve_map64_init(&store->writes);
    reeve_map64_init(&store->reads);
}

void store_spill_fini(struct reeve_store *store)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&store->writes, &at, NULL, &value)) {
        struct store_place *place = value;
        store_room_release(store, place->extent);
        store_place_free(store, place);
    }
    at = 0;
    while (reeve_map64_next(&store->reads, &at, NULL, &value)) {
        struct store_restore *restore = value;
        store_room_release(store, restore->extent);
        reeve_fifo_fini(&restore->asks);
        free(restore);
    }
    reeve_map64_fini(&store->files);
    reeve_map64_fini(&store->places);
    reeve_map64_fini(&store->writes);
    reeve_map64_fini(&store->reads);
}

/* --- when ------------------------------------------------------------------------------------- */

/* How much may be in use together, as things are. */
static uint64_t bounds(const struct reeve_store *store)
{
    uint64_t growth = store->growth_bytes, capacity = store->settings.capacity_bytes;
    return growth < capacity - store->committed_bytes ? store->committed_bytes + growth : capacity;
}

/* What cannot be had at once: the rest is free, or can be dropped. */
static uint64_t held(const struct reeve_store *store)
{
    return store->unsealed_bytes + store->object_bytes + store->reading_bytes +
           store->detached_bytes + store->wreck_bytes - store->idle_bytes;
}

bool store_spill_may_create(const struct reeve_store *store, uint64_t bytes)
{
    if (reeve_map64_count(&store->places) == 0)
        return true;
    uint64_t capacity = store->settings.capacity_bytes;
    /* Twice the largest, because what is free may be in pieces. */
    uint64_t reserve =
        REEVE_MIN(2 * store->largest_bytes + 4 * REEVE_STORE_GRAIN, capacity / RESERVE_FRACTION);
    reserve = REEVE_MIN(reserve, capacity - bytes); /* a very large one goes before */
    return held(store) + bytes + reserve <= capacity;
}

/* Is there more to be written than is under way? */
static bool wants_more(struct reeve_store *store)
{
    if (reeve_list_is_empty(&store->dirty))
        return false;
    if (!store_queue_is_empty(store) && !store->room_coming)
        return true;
    uint64_t left = held(store) - store->writing_bytes;
    uint64_t percent = bounds(store) / 100;
    if (left > percent * MARK_HIGH_PERCENT)
        store->spilling = true;
    else if (left <= percent * MARK_LOW_PERCENT)
        store->spilling = false;
    return store->spilling;
}

static bool folder_works(const struct reeve_store *store, const struct store_folder *folder)
{
    return folder->code == 0 || folder->retry_ns <= store->now_ns;
}

/* The one with least to do; -1: none works. */
static int folder_pick(const struct reeve_store *store)
{
    int best = -1;
    for (uint32_t i = 0; i < store->settings.spill_folder_count; i++) {
        const struct store_folder *folder = &store->folders[i];
        if (folder_works(store, folder) &&
            (best < 0 || folder->writing_bytes < store->folders[best].writing_bytes))
            best = (int)i;
    }
    return best;
}

void store_folder_why(struct reeve_store *store, uint32_t folder, const char *why)
{
    snprintf(store->folders[folder].why, sizeof(store->folders[folder].why), "%s",
        why != NULL ? why : "");
}

static void folder_failed(struct reeve_store *store, uint32_t index, int code)
{
    struct store_folder *folder = &store->folders[index];
    folder->code = code;
    folder->retry_ns = store->now_ns + store->settings.spill_retry_ns;
    store_file_end(store, index);
}

void store_spill_space(struct reeve_store *store)
{
    store->limited = false;
    for (uint32_t i = 0; i < store->settings.spill_folder_count; i++)
        if (store->folders[i].code == REEVE_EFULL)
            store->folders[i].retry_ns = 0;
}

static bool write_next(struct reeve_store *store)
{
    struct store_object *object =
        REEVE_LIST_ENTRY(store->dirty.next, struct store_object, lru_link);
    int folder = folder_pick(store);
    if (folder < 0)
        return false;
    struct store_place *place = store_place_take(store, object, (uint32_t)folder);
    if (place == NULL) { /* a limit for all of them */
        for (uint32_t i = 0; i < store->settings.spill_folder_count; i++)
            folder_failed(store, i, REEVE_EFULL);
        store->limited = true;
        return false;
    }
    store_object_unlist(store, object);
    object->flags |= STORE_OBJECT_WRITING;
    uint64_t bytes = store_extent_bytes(object->extent);
    if (reeve_map64_count(&store->places) == 1)
        store->largest_bytes = 0;
    store->largest_bytes = REEVE_MAX(store->largest_bytes, bytes);
    store->writing_bytes += bytes;
    store->folders[folder].writing_bytes += bytes;
    do
        place->ticket = ++store->ticket_last;
    while (place->ticket == 0 || reeve_map64_get(&store->writes, place->ticket) != NULL);
    store_put(&store->writes, place->ticket, place);
    struct reeve_store_command *command = store_command(store, REEVE_STORE_SPILL_WRITE);
    command->request = place->ticket;
    command->id = object->id;
    command->segment = object->extent->segment->id;
    command->offset = store_object_offset(object);
    command->length = object->size;
    command->file = place->file->number;
    command->folder = place->file->folder;
    command->place = place->offset;
    return true;
}

void store_spill_pump(struct reeve_store *store)
{
    if (!store_can_spill(store))
        return;
    while (wants_more(store) && reeve_map64_count(&store->writes) < WRITES_MAX &&
           store->writing_bytes < store->settings.spill_window_bytes && write_next(store))
        ;
}

bool store_spill_can_move(const struct reeve_store *store)
{
    return reeve_map64_count(&store->writes) > 0 || reeve_map64_count(&store->reads) > 0 ||
           (!reeve_list_is_empty(&store->dirty) && folder_pick(store) >= 0);
}

uint64_t store_spill_deadline(const struct reeve_store *store)
{
    uint64_t deadline = UINT64_MAX;
    if (!store_can_spill(store) || reeve_list_is_empty(&store->dirty) ||
        (!store->spilling && store_queue_is_empty(store)))
        return deadline;
    for (uint32_t i = 0; i < store->settings.spill_folder_count; i++)
        if (store->folders[i].code != 0 && store->folders[i].retry_ns > store->now_ns)
            deadline = REEVE_MIN(deadline, store->folders[i].retry_ns);
    return deadline;
}

int store_spill_describe(const struct reeve_store *store, char *text, size_t size)
{
    if (!store_can_spill(store) || folder_pick(store) >= 0)
        return 0;
    const struct store_folder *folder = &store->folders[0];
    bool is_full = folder->code == REEVE_EFULL;
    if (store->limited)
        return snprintf(text, size, ", and %.1f of the %.1f MiB allowed on disk",
            (double)(store->kept_grains * REEVE_STORE_GRAIN) / (1 << 20),
            (double)store->settings.spill_limit_bytes / (1 << 20));
    return snprintf(text, size, ", and the disk %s (%.80s%s%s)", is_full ? "is full" : "has failed",
        folder->name, is_full || folder->why[0] == '\0' ? "" : ": ", is_full ? "" : folder->why);
}

uint32_t store_spill_failed_folders(const struct reeve_store *store)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < store->settings.spill_folder_count; i++)
        count += store->folders[i].code != 0;
    return count;
}

/* --- what came of it -------------------------------------------------------------------------- */

void store_spill_written(struct reeve_store *store, const struct reeve_store_event *event)
{
    struct store_place *place = reeve_map64_remove(&store->writes, event->request);
    if (place == NULL) {
        store->stale_count++;
        return;
    }
    struct store_object *object = place->object;
    struct reeve_extent *extent = object != NULL ? object->extent : place->extent;
    uint32_t folder = place->file->folder;
    store->writing_bytes -= store_extent_bytes(extent);
    store->folders[folder].writing_bytes -= store_extent_bytes(extent);
    place->ticket = 0;
    place->extent = NULL;
    place->checksum = event->number;
    if (event->code != REEVE_OK) {
        store->spill_failed_count++;
        store_folder_why(store, folder, event->text);
    } else {
        store->folders[folder].code = 0;
        store->written_count++;
        store->written_bytes += place->size;
        store->progress_ns = store->now_ns;
    }
    if (object != NULL)
        object->flags &= (uint8_t)~STORE_OBJECT_WRITING;
    if (object != NULL && event->code == REEVE_OK)
        object->flags |= STORE_OBJECT_ON_DISK;
    else
        store_place_free(store, place);
    if (event->code != REEVE_OK)
        folder_failed(store, folder, event->code);
    if (object == NULL) {
        store->detached_bytes -= store_extent_bytes(extent);
        if (event->code == REEVE_OK)
            store_spill_space(store);
        store_room_release(store, extent);
    } else if (object->pin_total == 0) {
        store_object_settle(store, object);
    }
}
