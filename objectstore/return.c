/* Pages given back to the machine.
 *
 *     free, warm ──▶ a little: SEGMENT_PUNCH, at once ─────────────────────────────▶ free, cold
 *         │                                                                              ▲
 *         └──▶ returning: taken, counts as touched ──▶ SEGMENT_RETURN ──▶ SEGMENT_RETURNED
 *              (waits for its turn)                    (under way)
 *
 * It takes time: a millisecond for a few MiB, twice that where a process has mapped them. So a
 * little is done at once, because who waits for room has it then, and the rest in the background,
 * a batch of slices at a time. Meanwhile a slice is an extent that is taken, in whosever arena its
 * segment is: nobody can be given it, and its memory counts until it is really gone. */
#include "objectstore/parts.h"

#define NOW_NS      10000000ull  /* the period in which so much is given back at once */
#define SLICE_BYTES (8ull << 20) /* of one extent */
#define BATCH_BYTES SLICE_BYTES  /* under way together */

bool store_return_now(struct reeve_store *store, uint64_t bytes)
{
    if (store->now_ns - store->return_period_ns >= NOW_NS) {
        store->return_period_ns = store->now_ns;
        store->return_now_bytes = store->settings.return_now_bytes;
    }
    if (bytes > store->return_now_bytes)
        return false;
    store->return_now_bytes -= bytes;
    return true;
}

static void punch(
    struct reeve_store *store, struct reeve_segment *segment, uint32_t grain, uint32_t count)
{
    reeve_segment_punch(segment, grain, count);
    store->prefault_wanted |= segment->is_reserve;
    store_room_uncommit(store, (uint64_t)count * REEVE_STORE_GRAIN);
}

void store_return(
    struct reeve_store *store, struct reeve_extent *extent, uint64_t bytes_max, uint64_t *ret_bytes)
{
    uint32_t grain = 0, count;
    bool later = false;
    while (extent != NULL && extent->is_free && *ret_bytes < bytes_max) {
        uint64_t grain_max =
            (REEVE_MIN(bytes_max - *ret_bytes, SLICE_BYTES) - 1) / REEVE_STORE_GRAIN + 1;
        if (!reeve_segment_find_warm(extent, grain, (uint32_t)grain_max, &grain, &count))
            return;
        uint64_t bytes = (uint64_t)count * REEVE_STORE_GRAIN;
        *ret_bytes += bytes;
        if (!later && store_return_now(store, bytes)) {
            struct reeve_store_command *command = store_command(store, REEVE_STORE_SEGMENT_PUNCH);
            command->segment = extent->segment->id;
            command->offset = (uint64_t)grain * REEVE_STORE_GRAIN;
            command->length = bytes;
            punch(store, extent->segment, grain, count);
            grain += count;
            continue;
        }
        later = true;
        struct reeve_extent *slice = reeve_segment_take_grains(extent, grain, count);
        slice->holder = store;
        slice->tag = STORE_TAG_RETURNING;
        struct reeve_extent **waiting = reeve_fifo_push(&store->returns);
        REEVE_ASSERT(waiting != NULL);
        *waiting = slice;
        store->returning_bytes += bytes;
        extent = reeve_extent_after(slice);
    }
}

/* The next one is found before an extent is cut: what is left of it lies in other bins. */
void store_return_arena(
    struct reeve_store *store, struct reeve_arena *arena, uint64_t bytes_max, uint64_t *ret_bytes)
{
    uint32_t bin = REEVE_ARENA_BIN_COUNT - 1;
    struct reeve_extent *extent = reeve_arena_next_free(arena, &bin, NULL);
    while (extent != NULL && *ret_bytes < bytes_max) {
        struct reeve_extent *next = reeve_arena_next_free(arena, &bin, extent);
        store_return(store, extent, bytes_max, ret_bytes);
        extent = next;
    }
}

void store_return_serve(struct reeve_store *store)
{
    uint64_t bytes = 0;
    struct reeve_extent *slice;
    if (store->returning_count > 0)
        return;
    while (store->returning_count < STORE_RETURNING_MAX && bytes < BATCH_BYTES &&
           reeve_fifo_pop(&store->returns, &slice)) {
        store->returning[store->returning_count++] = slice;
        struct reeve_store_command *command = store_command(store, REEVE_STORE_SEGMENT_RETURN);
        command->segment = slice->segment->id;
        command->offset = reeve_arena_bytes(slice->offset);
        command->length = store_extent_bytes(slice);
        bytes += command->length;
    }
}

static void slice_end(struct reeve_store *store, struct reeve_extent *slice, bool returned)
{
    store->returning_bytes -= store_extent_bytes(slice);
    if (returned)
        punch(store, slice->segment, slice->offset >> REEVE_ARENA_GRAIN_SHIFT,
            slice->units >> REEVE_ARENA_GRAIN_SHIFT);
    store_room_release(store, slice);
}

void store_return_done(struct reeve_store *store, const struct reeve_store_event *event)
{
    for (uint32_t i = 0; i < store->returning_count; i++) {
        struct reeve_extent *slice = store->returning[i];
        if (slice->segment->id != event->segment ||
            reeve_arena_bytes(slice->offset) != event->offset)
            continue;
        store->returning[i] = store->returning[--store->returning_count];
        slice_end(store, slice, event->code == REEVE_OK);
        return;
    }
    store->stale_count++;
}

void store_return_fini(struct reeve_store *store)
{
    struct reeve_extent *slice;
    while (store->returning_count > 0)
        slice_end(store, store->returning[--store->returning_count], false);
    while (reeve_fifo_pop(&store->returns, &slice))
        slice_end(store, slice, false);
    reeve_fifo_fini(&store->returns);
}
