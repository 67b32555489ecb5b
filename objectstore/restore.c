/* The way back from disk: somebody wants what is not in memory any more.
 *
 *     GET, or a node that pulls ─▶ restore ─▶ room (or the queue) ─▶ read, checked ─▶ sealed again
 *
 * All who ask meanwhile wait for the same restore. What has come back keeps its place on disk, so
 * that dropping it again costs nothing. When it cannot be read, or is not what was written, it is
 * fetched from a node that was sent a copy (pull.c). Where there is none, those who wait are told,
 * and it stays where it is: the next may have more luck. */
#include <inttypes.h>
#include <stdio.h>

#include "objectstore/parts.h"

#define ASKS_MAX 64u /* more are left out: they are asked again */

static struct store_restore *begin(struct reeve_store *store, struct store_object *object)
{
    struct store_restore *restore = store_new(sizeof(*restore));
    restore->object = object;
    reeve_list_init(&restore->waiters);
    reeve_list_init(&restore->queue_link);
    reeve_fifo_init(&restore->asks, sizeof(struct store_ask));
    object->state = STORE_RESTORING;
    object->restore = restore;
    store_queue_restore(store, restore);
    return restore;
}

void store_restore_end(struct store_restore *restore)
{
    reeve_list_remove(&restore->queue_link);
    reeve_fifo_fini(&restore->asks);
    free(restore);
}

/* The object and its restore go separate ways; a read that is under way ends by itself. */
static void part(struct store_object *object)
{
    struct store_restore *restore = object->restore;
    object->state = STORE_SPILLED;
    reeve_list_init(&object->lru_link); /* takes the place of the restore */
    restore->object = NULL;
    if (restore->extent == NULL)
        store_restore_end(restore);
}

void store_restore_get(struct reeve_store *store, struct store_client *client,
    const struct reeve_store_event *event, struct store_object *object)
{
    struct store_restore *restore =
        object->state == STORE_RESTORING ? object->restore : begin(store, object);
    store_request_add(store, client, event, NULL, restore);
}

void store_restore_ask(
    struct reeve_store *store, struct store_object *object, const struct reeve_store_event *event)
{
    struct store_restore *restore =
        object->state == STORE_RESTORING ? object->restore : begin(store, object);
    for (uint32_t i = 0; i < restore->asks.count; i++) {
        struct store_ask *ask = reeve_fifo_at(&restore->asks, i);
        if (ask->node == event->node && ask->offset == event->offset) {
            ask->number = event->number; /* asked again */
            return;
        }
    }
    if (restore->asks.count >= ASKS_MAX)
        return;
    struct store_ask *ask = reeve_fifo_push(&restore->asks);
    REEVE_ASSERT(ask != NULL);
    *ask = (struct store_ask){event->node, event->offset, event->length, event->number};
}

void store_restore_placed(
    struct reeve_store *store, struct store_restore *restore, struct reeve_extent *extent)
{
    struct store_object *object = restore->object;
    const struct store_place *place = store_place_find(store, object);
    restore->extent = extent;
    extent->holder = restore;
    extent->tag = STORE_TAG_BUSY;
    store->reading_bytes += store_extent_bytes(extent);
    do
        restore->ticket = ++store->ticket_last;
    while (restore->ticket == 0 || reeve_map64_get(&store->reads, restore->ticket) != NULL);
    store_put(&store->reads, restore->ticket, restore);
    struct reeve_store_command *command = store_command(store, REEVE_STORE_SPILL_READ);
    command->request = restore->ticket;
    command->id = object->id;
    command->segment = extent->segment->id;
    command->offset = reeve_arena_bytes(extent->offset) + object->pad;
    command->length = object->size;
    command->file = place->file->number;
    command->folder = place->file->folder;
    command->place = place->offset;
    command->number = place->checksum;
}

void store_restore_fail(
    struct reeve_store *store, struct store_object *object, int code, const char *text)
{
    struct store_restore *restore = object->restore;
    store_requests_fail(store, &restore->waiters, object->id, code, text);
    struct store_ask ask;
    while (reeve_fifo_pop(&restore->asks, &ask))
        store_serve_ask(store, object, &ask, code);
    part(object);
}

void store_restore_unwanted(struct reeve_store *store, struct store_restore *restore)
{
    (void)store;
    if (restore->object != NULL && restore->extent == NULL &&
        reeve_list_is_empty(&restore->waiters) && restore->asks.count == 0)
        part(restore->object);
}

void store_restore_replace(
    struct reeve_store *store, struct store_object *object, struct reeve_list *waiters)
{
    reeve_list_splice_back(waiters, &object->restore->waiters);
    store_restore_fail(store, object, REEVE_ECANCELLED, "");
}

void store_restore_describe(const struct reeve_store *store, const struct store_object *object,
    int damage, char *text, size_t size)
{
    char name[64];
    const struct store_folder *folder =
        &store->folders[store_place_find(store, object)->file->folder];
    store_object_name(object->id, name, sizeof(name));
    if (damage == REEVE_ECORRUPT)
        snprintf(text, size, "%s is not on disk as it was written: %.80s", name, folder->name);
    else
        snprintf(text, size, "%s cannot be read from disk: %.80s (%s)", name, folder->name,
            folder->why[0] != '\0' ? folder->why : "it has failed");
}

/* However that shows: to those who wait it is damage. */
static void read_failed(
    struct reeve_store *store, struct store_object *object, const struct reeve_store_event *event)
{
    char text[REEVE_STORE_TEXT_SIZE];
    uint32_t folder = store_place_find(store, object)->file->folder;
    store->spill_damaged_count++;
    if (event->code != REEVE_ECORRUPT)
        store->folders[folder].unreadable_ns = store->now_ns + store->settings.spill_retry_ns;
    store_folder_why(
        store, folder, event->code == REEVE_ECORRUPT ? "a checksum differs" : event->text);
    if (store_pull_mend(store, object->restore, event->code))
        return;
    store_restore_describe(store, object, event->code, text, sizeof(text));
    store_restore_fail(store, object, REEVE_ECORRUPT, text);
}

bool store_restore_is_hopeless(const struct reeve_store *store, const struct store_restore *restore)
{
    const struct store_folder *folder =
        &store->folders[store_place_find(store, restore->object)->file->folder];
    return folder->unreadable_ns > store->now_ns && folder->code != 0 &&
           folder->code != REEVE_EFULL && !store_spill_can_move(store);
}

void store_restore_despair(struct reeve_store *store, struct store_restore *restore)
{
    char text[REEVE_STORE_TEXT_SIZE];
    struct store_object *object = restore->object;
    if (store_pull_mend(store, restore, REEVE_ESYSTEM))
        return;
    store_restore_describe(store, object, REEVE_ESYSTEM, text, sizeof(text));
    store_restore_fail(store, object, REEVE_ECORRUPT, text);
}

void store_restore_read(struct reeve_store *store, const struct reeve_store_event *event)
{
    struct store_restore *restore = reeve_map64_remove(&store->reads, event->request);
    if (restore == NULL) {
        store->stale_count++;
        return;
    }
    struct store_object *object = restore->object;
    struct reeve_extent *extent = restore->extent;
    store->reading_bytes -= store_extent_bytes(extent);
    restore->extent = NULL;
    if (object == NULL || event->code != REEVE_OK) {
        store_room_release(store, extent);
        if (object != NULL)
            read_failed(store, object, event);
        else
            store_restore_end(restore);
        return;
    }
    store->progress_ns = store->now_ns;
    store->folders[store_place_find(store, object)->file->folder].unreadable_ns = 0;
    store->restored_count++;
    store->restored_bytes += object->size;
    object->state = STORE_SEALED;
    reeve_list_init(&object->lru_link); /* takes the place of the restore */
    store_object_place(store, object, extent, object->pad);
    store_pull_answer(store, object, &restore->waiters);
    struct store_ask ask;
    while (reeve_fifo_pop(&restore->asks, &ask))
        store_serve_ask(store, object, &ask, REEVE_OK);
    store_restore_end(restore);
    store_object_settle(store, object);
}
