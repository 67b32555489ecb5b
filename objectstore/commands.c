/* What the store tells its shell and its clients: commands, and how things are named in them. */
#include <inttypes.h>
#include <stdio.h>

#include "objectstore/parts.h"

struct reeve_store_command *store_command(
    struct reeve_store *store, enum reeve_store_command_kind kind)
{
    struct reeve_store_command *command = reeve_fifo_push(store->out);
    REEVE_ASSERT(command != NULL);
    command->kind = kind;
    return command;
}

void store_object_name(struct reeve_object_id id, char *ret, size_t size)
{
    snprintf(ret, size, "object %" PRIu32 ".%" PRIu32 "/%" PRIu64, reeve_process_node(id.owner),
        (uint32_t)id.owner, id.sequence);
}

void store_node_name(const struct reeve_store *store, uint32_t node, char *ret, size_t size)
{
    const char *host = reeve_map64_get(&store->hosts, node);
    snprintf(ret, size, host != NULL ? "%" PRIu32 " (%.63s)" : "%" PRIu32, node, host);
}

void store_show(struct reeve_store *store, struct store_client *client,
    struct reeve_segment *segment, bool writable)
{
    uintptr_t shown = (uintptr_t)reeve_map64_get(&client->shown, segment->id);
    uintptr_t wanted = writable ? STORE_SHOWN_WRITE : STORE_SHOWN_READ;
    if (client == store->daemon || shown >= wanted)
        return;
    REEVE_ASSERT(!writable || segment->arena == &client->arena);
    store_put(&client->shown, segment->id, (void *)wanted);
    struct reeve_store_command *command = store_command(store, REEVE_STORE_SEGMENT_SHOW);
    command->client = client->handle;
    command->segment = segment->id;
    command->segment_serial = segment->serial;
    command->size = reeve_arena_bytes(segment->units);
    command->writable = writable;
    if (writable)
        store_prepare_shown(store, segment);
}

void store_reply_get(struct reeve_store *store, struct store_client *client, uint32_t request,
    struct store_object *object)
{
    store_pin(store, object, client);
    store_show(store, client, object->extent->segment, false);
    struct reeve_store_command *command = store_command(store, REEVE_STORE_REPLY_GET);
    command->client = client->handle;
    command->request = request;
    command->id = object->id;
    command->segment = object->extent->segment->id;
    command->offset = store_object_offset(object);
    command->size = object->size;
}

void store_reply_get_failed(struct reeve_store *store, struct store_client *client,
    uint32_t request, struct reeve_object_id id, int code, const char *text)
{
    struct reeve_store_command *command = store_command(store, REEVE_STORE_REPLY_GET);
    command->client = client->handle;
    command->request = request;
    command->id = id;
    command->code = code;
    snprintf(command->text, sizeof(command->text), "%s", text);
}

void store_reply_seal(struct reeve_store *store, const struct reeve_store_event *event,
    const struct store_object *object, int code, const char *text)
{
    if (event->kind == REEVE_STORE_SEAL && event->flags & REEVE_STORE_SILENT)
        return;
    struct reeve_store_command *command = store_command(store, REEVE_STORE_REPLY_SEAL);
    command->client = event->client;
    command->request = event->request;
    command->id = event->id;
    command->code = code;
    if (object != NULL) {
        command->segment = object->extent->segment->id;
        command->segment_serial = object->extent->segment->serial;
        command->offset = store_object_offset(object);
        command->anchored = object->flags & STORE_OBJECT_ANCHORED;
    }
    snprintf(command->text, sizeof(command->text), "%s", text);
}
