/* Where spilled objects lie in which file, and whose space can be given back.
 *
 *     folder 0   file 1 (full)   | a | b |  |  | c | ....... | z |
 *                file 4          | d | e | f |▸ end              what comes next is put here
 *     folder 1   file 2          | g | h |▸ end
 *
 *     grains     | 70 K | 130 K | 0: punched | 64 K | 3 K |      bytes of each that are wanted
 *
 * Files are only appended to, so that the disk is written in order, whatever the sizes; a place is
 * not used twice. For each grain (64 KiB) of a file it is known how many of its bytes are still
 * wanted: a grain with none is given back (hole punching), a file with none is closed, which is all
 * that it takes to be rid of it. Objects begin at a multiple of 64 bytes. */
#include "objectstore/parts.h"

#define ALIGNMENT 64u

static uint32_t grain_of(uint64_t offset)
{
    return (uint32_t)(offset / REEVE_STORE_GRAIN);
}

static uint64_t room_of(uint64_t size)
{
    return REEVE_ALIGN_UP(size, (uint64_t)ALIGNMENT);
}

static struct store_file *file_create(struct reeve_store *store, uint32_t folder, uint64_t size)
{
    uint64_t grains =
        (REEVE_MAX(size, store->settings.spill_file_bytes) - 1) / REEVE_STORE_GRAIN + 1;
    struct store_file *file = store_new(sizeof(*file) + grains * sizeof(file->live[0]));
    file->number = ++store->file_last;
    file->folder = folder;
    file->grain_count = (uint32_t)grains;
    store_put(&store->files, file->number, file);
    return file;
}

static void file_close(struct reeve_store *store, struct store_file *file)
{
    struct store_folder *folder = &store->folders[file->folder];
    if (folder->current == file)
        folder->current = NULL;
    store_command(store, REEVE_STORE_SPILL_CLOSE)->file = file->number;
    store->kept_grains -= file->kept_count;
    reeve_map64_remove(&store->files, file->number);
    free(file);
}

void store_file_end(struct reeve_store *store, uint32_t folder)
{
    store->folders[folder].current = NULL;
}

/* The range is wanted now, or (not `wanted`) no more; what is in none is punched. */
static void mark(
    struct reeve_store *store, struct store_file *file, uint64_t offset, uint64_t size, bool wanted)
{
    uint32_t hole = 0, holes = 0; /* a run of grains that have become empty */
    for (uint64_t at = offset; at < offset + size;) {
        uint32_t grain = grain_of(at);
        uint64_t next = REEVE_MIN((uint64_t)(grain + 1) * REEVE_STORE_GRAIN, offset + size);
        if (wanted) {
            file->kept_count += file->live[grain] == 0;
            store->kept_grains += file->live[grain] == 0;
            file->live[grain] += (uint32_t)(next - at);
        } else if ((file->live[grain] -= (uint32_t)(next - at)) == 0) {
            file->kept_count--;
            store->kept_grains--;
            if (holes == 0)
                hole = grain;
            holes = grain - hole + 1;
        }
        at = next;
    }
    if (holes > 0) {
        struct reeve_store_command *command = store_command(store, REEVE_STORE_SPILL_PUNCH);
        command->file = file->number;
        command->folder = file->folder;
        command->place = (uint64_t)hole * REEVE_STORE_GRAIN;
        command->length = (uint64_t)holes * REEVE_STORE_GRAIN;
        /* Nothing is ever written where a punch may still be under way. */
        if (grain_of(file->end - 1) < hole + holes)
            file->end = REEVE_ALIGN_UP(file->end, (uint64_t)REEVE_STORE_GRAIN);
    }
}

struct store_place *store_place_take(
    struct reeve_store *store, struct store_object *object, uint32_t index)
{
    uint64_t room = room_of(object->size), limit = store->settings.spill_limit_bytes;
    struct store_folder *folder = &store->folders[index];
    if (limit != 0 && store->kept_grains * REEVE_STORE_GRAIN + room > limit)
        return NULL;
    struct store_file *file = folder->current;
    if (file != NULL && file->end + room > (uint64_t)file->grain_count * REEVE_STORE_GRAIN)
        file = NULL;
    if (file == NULL)
        file = folder->current = file_create(store, index, room);
    struct store_place *place = store_new(sizeof(*place));
    place->object = object;
    place->file = file;
    place->offset = file->end;
    place->size = object->size;
    file->end += room;
    file->live_bytes += room;
    store->live_bytes += object->size;
    mark(store, file, place->offset, room, true);
    store_put(&store->places, (uintptr_t)object, place);
    return place;
}

void store_place_free(struct reeve_store *store, struct store_place *place)
{
    struct store_file *file = place->file;
    uint64_t room = room_of(place->size);
    store->live_bytes -= place->size;
    file->live_bytes -= room;
    if (file->live_bytes == 0)
        file_close(store, file);
    else
        mark(store, file, place->offset, room, false);
    if (place->object != NULL)
        reeve_map64_remove(&store->places, (uintptr_t)place->object);
    free(place);
}

struct store_place *store_place_find(
    const struct reeve_store *store, const struct store_object *object)
{
    return reeve_map64_get(&store->places, (uintptr_t)object);
}

void store_place_leave(struct reeve_store *store, struct store_object *object)
{
    struct store_place *place = store_place_find(store, object);
    object->flags &= (uint8_t) ~(STORE_OBJECT_ON_DISK | STORE_OBJECT_WRITING);
    if (place->ticket == 0) {
        store_place_free(store, place);
        store_spill_space(store);
        return;
    }
    reeve_map64_remove(&store->places, (uintptr_t)object); /* the write goes on, for nobody */
    place->object = NULL;
    place->extent = object->extent;
    place->extent->holder = place;
    place->extent->tag = STORE_TAG_BUSY;
    store->detached_bytes += store_extent_bytes(place->extent);
}

const char *store_place_check(const struct reeve_store *store)
{
    uint64_t kept = 0, live = 0, wanted = 0, wanted_files = 0;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&store->files, &at, NULL, &value)) {
        const struct store_file *file = value;
        uint64_t bytes = 0, count = 0;
        for (uint32_t grain = 0; grain < file->grain_count; grain++) {
            bytes += file->live[grain];
            count += file->live[grain] > 0;
            if (file->live[grain] > REEVE_STORE_GRAIN)
                return "a grain has more than it holds";
            if (file->live[grain] > 0 && (uint64_t)grain * REEVE_STORE_GRAIN >= file->end)
                return "a grain beyond the end of its file";
        }
        if (bytes != file->live_bytes || count != file->kept_count || bytes == 0)
            return "what a file says of its grains";
        if (file->end % REEVE_STORE_GRAIN != 0 && file->live[grain_of(file->end)] == 0)
            return "a file would be written to where it has been punched";
        kept += count;
        wanted_files += bytes;
    }
    for (uint32_t i = 0; i < store->settings.spill_folder_count; i++) {
        const struct store_file *file = store->folders[i].current;
        if (file != NULL &&
            (reeve_map64_get(&store->files, file->number) != file || file->folder != i))
            return "the file of a folder";
    }
    const struct reeve_map64 *maps[] = {&store->places, &store->writes};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(maps); i++) {
        at = 0;
        while (reeve_map64_next(maps[i], &at, NULL, &value)) {
            const struct store_place *place = value;
            if (i == 1 && place->object != NULL)
                continue;
            live += place->size;
            wanted += room_of(place->size);
        }
    }
    if (kept != store->kept_grains || live != store->live_bytes || wanted != wanted_files)
        return "what the disk holds in all";
    return NULL;
}
