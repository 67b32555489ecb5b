/* What waits for room, in order: pulls and restores (somebody waits for those bytes to go on), then
 * creates.
 *
 * The queue is looked at again whenever something has been freed, unpinned or given back. Who is
 * first blocks the others, so that a large object is not overtaken for ever by small ones. It fails
 * with REEVE_EFULL when nothing can move: all who could free something (they hold pins, room, or
 * own objects here) wait for the store themselves, and that has lasted a moment (another thread of
 * theirs may be about to free something), and nothing can be written to disk; or when it has waited
 * for very long, and the disk has moved nothing meanwhile. What would be read from a disk that can
 * neither be written nor read is not waited for: it has failed. */
#include <inttypes.h>
#include <stdio.h>

#include "objectstore/parts.h"

#define HOLDERS_NAMED  3
#define AHEAD_FRACTION 2u

static uint32_t pad_of(uint32_t skew)
{
    return (REEVE_STORE_ALIGN - skew % REEVE_STORE_ALIGN) % REEVE_STORE_ALIGN;
}

struct store_request *store_request_add(struct reeve_store *store, struct store_client *client,
    const struct reeve_store_event *event, struct store_fetch *fetch, struct store_restore *restore)
{
    struct store_request *request = store_new(sizeof(*request));
    request->client = client;
    request->fetch = fetch;
    request->restore = restore;
    request->request = event->request;
    request->node = event->node;
    request->flags = event->flags;
    request->size = event->size;
    request->since_ns = store->now_ns;
    reeve_list_push_back(&client->requests, &request->client_link);
    struct reeve_list *queue = &store->create_queue;
    if (fetch != NULL)
        queue = &fetch->waiters;
    else if (restore != NULL)
        queue = &restore->waiters;
    reeve_list_push_back(queue, &request->queue_link);
    return request;
}

void store_request_free(struct store_request *request)
{
    reeve_list_remove(&request->client_link);
    reeve_list_remove(&request->queue_link);
    free(request);
}

void store_requests_fail(struct reeve_store *store, struct reeve_list *waiters,
    struct reeve_object_id id, int code, const char *text)
{
    while (!reeve_list_is_empty(waiters)) {
        struct store_request *request =
            REEVE_LIST_ENTRY(waiters->next, struct store_request, queue_link);
        store_reply_get_failed(store, request->client, request->request, id, code, text);
        store_request_free(request);
    }
}

/* --- giving ----------------------------------------------------------------------------------- */

static bool grant(struct reeve_store *store, struct store_client *client, uint32_t request,
    uint64_t size, uint32_t pad, bool ahead)
{
    struct reeve_extent *extent = NULL;
    if (store_spill_may_create(store, size + pad))
        extent = ahead ? store_room_take_ahead(store, client, size + pad)
                       : store_room_take(store, client, size + pad);
    if (extent == NULL)
        return false;
    struct store_grant *new = store_new(sizeof(*new));
    new->extent = extent;
    new->client = client;
    new->ahead = ahead;
    client->ahead_count += ahead;
    store_prepare_pause(store, new);
    extent->holder = new;
    extent->tag = STORE_TAG_GRANT;
    reeve_list_push_back(&client->grants, &new->client_link);
    uint64_t offset = reeve_arena_bytes(extent->offset) + pad;
    store_put(&store->grants, store_place_key(extent->segment->id, offset), new);
    store->unsealed_bytes += store_extent_bytes(extent);

    store_show(store, client, extent->segment, true);
    struct reeve_store_command *command = store_command(store, REEVE_STORE_REPLY_CREATE);
    command->client = client->handle;
    command->request = request;
    command->segment = extent->segment->id;
    command->offset = offset;
    command->size = ahead ? store_extent_bytes(extent) - pad : size;
    return true;
}

static void refuse(struct reeve_store *store, struct store_client *client, uint32_t request,
    uint64_t size, int code, const char *text)
{
    struct reeve_store_command *command = store_command(store, REEVE_STORE_REPLY_CREATE);
    command->client = client->handle;
    command->request = request;
    command->size = size;
    command->code = code;
    snprintf(command->text, sizeof(command->text), "%s", text);
}

/* What is not needed now is granted while at least half of the store is free. */
static uint64_t ahead_room(const struct reeve_store *store)
{
    uint64_t used = store_used_bytes(store);
    uint64_t limit = store->settings.capacity_bytes / AHEAD_FRACTION;
    return limit > used ? limit - used : 0;
}

void store_queue_create(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    uint32_t pad = pad_of(event->skew);
    if (store_room_never(store, event->size) || store_room_never(store, event->size + pad)) {
        char text[REEVE_STORE_TEXT_SIZE];
        snprintf(text, sizeof(text),
            "%" PRIu64 " bytes were asked for; the store of this node holds %" PRIu64, event->size,
            store->settings.capacity_bytes);
        refuse(store, client, event->request, event->size, REEVE_ETOOLARGE, text);
        return;
    }
    store->room_coming &= !store_queue_is_empty(store);
    bool ahead = event->flags & REEVE_STORE_AHEAD;
    bool may = store_queue_is_empty(store);
    if (ahead && may)
        may = event->size + pad <= ahead_room(store);
    if (may && grant(store, client, event->request, event->size, pad, ahead))
        return;
    if (ahead) {
        refuse(store, client, event->request, event->size, REEVE_EAGAIN, "");
        return;
    }
    store_request_add(store, client, event, NULL, NULL)->pad = pad;
}

void store_queue_pull(struct reeve_store *store, struct store_fetch *fetch)
{
    fetch->since_ns = store->now_ns;
    reeve_list_push_back(&store->pull_queue, &fetch->queue_link);
    store->room_changed = true;
}

void store_queue_restore(struct reeve_store *store, struct store_restore *restore)
{
    restore->since_ns = store->now_ns;
    reeve_list_push_back(&store->restore_queue, &restore->queue_link);
    store->room_changed = true;
}

bool store_queue_is_empty(const struct reeve_store *store)
{
    return reeve_list_is_empty(&store->create_queue) && reeve_list_is_empty(&store->pull_queue) &&
           reeve_list_is_empty(&store->restore_queue);
}

/* Who is next; all NULL: nobody. */
struct head {
    struct store_fetch *fetch;
    struct store_restore *restore;
    struct store_request *create;
    uint64_t since_ns;
};

static struct head head_of(const struct reeve_store *store)
{
    struct head head = {.since_ns = store->now_ns};
    const struct reeve_list *first = reeve_list_first(&store->pull_queue);
    if (first != NULL) {
        head.fetch = REEVE_LIST_ENTRY(first, struct store_fetch, queue_link);
        head.since_ns = head.fetch->since_ns;
    }
    first = reeve_list_first(&store->restore_queue);
    if (first != NULL) {
        struct store_restore *restore = REEVE_LIST_ENTRY(first, struct store_restore, queue_link);
        if (head.fetch == NULL || restore->since_ns < head.since_ns)
            head = (struct head){.restore = restore, .since_ns = restore->since_ns};
    }
    first = reeve_list_first(&store->create_queue);
    if (first != NULL && head.fetch == NULL && head.restore == NULL) {
        head.create = REEVE_LIST_ENTRY(first, struct store_request, queue_link);
        head.since_ns = head.create->since_ns;
    }
    return head;
}

static bool serve_pull(struct reeve_store *store, struct store_fetch *fetch)
{
    struct store_object *object = fetch->object; /* what is mended keeps its alignment */
    struct reeve_extent *extent = store_room_take(store, store->daemon, object->size + object->pad);
    if (extent == NULL)
        return false;
    reeve_list_remove(&fetch->queue_link);
    store_object_place(store, object, extent, object->pad);
    store_pull_placed(store, fetch);
    return true;
}

static bool serve_restore(struct reeve_store *store, struct store_restore *restore)
{
    struct reeve_extent *extent =
        store_room_take(store, store->daemon, restore->object->size + restore->object->pad);
    if (extent == NULL)
        return false;
    reeve_list_remove(&restore->queue_link);
    store_restore_placed(store, restore, extent);
    return true;
}

static bool serve_create(struct reeve_store *store, struct store_request *request)
{
    if (!grant(store, request->client, request->request, request->size, request->pad, false))
        return false;
    store_request_free(request);
    return true;
}

void store_relax(struct reeve_store *store, uint64_t bytes)
{
    REEVE_LIST_EACH(node, &store->clients)
    {
        struct store_client *client = REEVE_LIST_ENTRY(node, struct store_client, link);
        const struct store_owner *owner = reeve_map64_get(&store->owners, client->process);
        bool anchors = owner != NULL && owner->anchored_bytes != 0;
        if (client->closed || client->relaxing || (!anchors && client->ahead_count == 0))
            continue;
        client->relaxing = true;
        struct reeve_store_command *command = store_command(store, REEVE_STORE_RELAX);
        command->client = client->handle;
        command->size = bytes;
    }
}

/* What is first in the queue. */
static uint64_t wanted_bytes(const struct reeve_store *store)
{
    struct head head = head_of(store);
    if (head.fetch != NULL)
        return head.fetch->object->size;
    return head.restore != NULL ? head.restore->object->size : head.create->size;
}

void store_queue_serve(struct reeve_store *store)
{
    bool moved = store->room_changed;
    if (moved)
        store->room_coming = false;
    while (moved) {
        struct head head = head_of(store);
        if (head.fetch != NULL)
            moved = serve_pull(store, head.fetch);
        else if (head.restore != NULL)
            moved = serve_restore(store, head.restore);
        else
            moved = head.create != NULL && serve_create(store, head.create);
    }
    store->room_changed = false;
    if (store_queue_is_empty(store))
        store->queue_deadline_ns = UINT64_MAX;
    else if (store->queue_deadline_ns == UINT64_MAX)
        store->queue_deadline_ns = store->now_ns + store->settings.full_grace_ns;
    if (store->queue_deadline_ns != UINT64_MAX)
        store_relax(store, wanted_bytes(store));
}

/* --- when nothing moves ----------------------------------------------------------------------- */

static bool waits_for_room(const struct store_client *client)
{
    REEVE_LIST_EACH(node, &client->requests)
    {
        const struct store_request *request =
            REEVE_LIST_ENTRY(node, struct store_request, client_link);
        if (request->fetch != NULL ? reeve_list_is_linked(&request->fetch->queue_link)
                                   : request->restore == NULL || request->restore->extent == NULL)
            return true;
    }
    return false;
}

static bool nothing_can_move(const struct reeve_store *store)
{
    if (!reeve_list_is_empty(&store->dying_clients) || !reeve_list_is_empty(&store->dying_owners) ||
        store->preparing != NULL || store->returning_bytes > 0 ||
        store_pin_first(store, store->daemon) != NULL || store_spill_can_move(store) ||
        !reeve_list_is_empty(&store->wrecks))
        return false;
    REEVE_LIST_EACH(node, &store->fetches)
    if (!reeve_list_is_linked(&REEVE_LIST_ENTRY(node, struct store_fetch, link)->queue_link))
        return false;
    REEVE_LIST_EACH(node, &store->clients)
    {
        const struct store_client *client = REEVE_LIST_ENTRY(node, struct store_client, link);
        bool holds =
            store_pin_first(store, client) != NULL || !reeve_list_is_empty(&client->grants);
        if (holds && (client->closed || !waits_for_room(client)))
            return false;
    }
    size_t at = 0;
    uint64_t process;
    while (reeve_map64_next(&store->owners, &at, &process, NULL)) {
        const struct store_client *client = reeve_map64_get(&store->client_by_process, process);
        if (client == NULL || client->closed || !waits_for_room(client))
            return false;
    }
    return true;
}

/* Those who own the most, first; among equals the one that came first. */
static void describe_full(const struct reeve_store *store, char *text, size_t size)
{
    const struct store_owner *largest[HOLDERS_NAMED] = {NULL};
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&store->owners, &at, NULL, &value)) {
        const struct store_owner *owner = value;
        for (int i = 0; i < HOLDERS_NAMED; i++) {
            if (largest[i] == NULL || owner->bytes > largest[i]->bytes) {
                const struct store_owner *next = largest[i];
                largest[i] = owner;
                owner = next;
                if (owner == NULL)
                    break;
            }
        }
    }
    int length = snprintf(text, size, "%.1f of %.1f MiB are taken",
        (double)store->committed_bytes / (1 << 20),
        (double)store->settings.capacity_bytes / (1 << 20));
    length += store_spill_describe(store, text + length, size - (size_t)length);
    for (int i = 0; i < HOLDERS_NAMED && largest[i] != NULL && (size_t)length < size; i++)
        length += snprintf(text + length, size - (size_t)length,
            "%s process %" PRIu32 ".%" PRIu32 " owns %.1f MiB in %" PRIu64 " objects",
            i == 0 ? ":" : ",", reeve_process_node(largest[i]->process),
            (uint32_t)largest[i]->process, (double)largest[i]->bytes / (1 << 20),
            largest[i]->count);
    if (store->unsealed_bytes > 0 && (size_t)length < size)
        snprintf(text + length, size - (size_t)length, ", %.1f MiB are being filled",
            (double)store->unsealed_bytes / (1 << 20));
}

void store_queue_tick(struct reeve_store *store)
{
    if (store->now_ns < store->queue_deadline_ns)
        return;
    const struct reeve_store_settings *settings = &store->settings;
    for (;;) {
        struct head head = head_of(store);
        struct store_request *request = head.create;
        if (store_queue_is_empty(store))
            break;
        uint64_t waited = store->now_ns - head.since_ns;
        if (head.restore != NULL && waited >= settings->full_grace_ns &&
            store_restore_is_hopeless(store, head.restore)) {
            store_restore_despair(store, head.restore);
            store->room_changed = true;
            continue;
        }
        if (store->now_ns - REEVE_MAX(head.since_ns, store->progress_ns) < settings->full_wait_ns &&
            (waited < settings->full_grace_ns || !nothing_can_move(store)))
            break;
        char text[REEVE_STORE_TEXT_SIZE];
        describe_full(store, text, sizeof(text));
        if (head.fetch != NULL) {
            store_pull_fail(store, head.fetch, REEVE_EFULL, text);
        } else if (head.restore != NULL) {
            store_restore_fail(store, head.restore->object, REEVE_EFULL, text);
        } else {
            refuse(store, request->client, request->request, request->size, REEVE_EFULL, text);
            store_request_free(request);
        }
        store->room_changed = true; /* the next may be small enough */
    }
    store->queue_deadline_ns = UINT64_MAX;
}
