/* Processes of this node: they come, hang up, and are gone.
 *
 *     CLIENT_CLOSED ─▶ closed: nothing is answered, all that it could touch stays
 *     CLIENT_REAPED ─▶ dying: its pins and grants go, in slices; its segments are orphans then */
#include "objectstore/parts.h"

struct store_client *store_client_create(
    struct reeve_store *store, uint32_t handle, reeve_process_id process)
{
    struct store_client *client = store_new(sizeof(*client));
    client->handle = handle;
    client->process = process;
    reeve_arena_init(&client->arena, &store->extents);
    reeve_list_init(&client->link);
    reeve_list_init(&client->idle_whole);
    reeve_list_init(&client->grants);
    reeve_list_init(&client->requests);
    reeve_map64_init(&client->shown);
    struct store_pin *pins = reeve_slab_take(&store->pins);
    client->pins = pins->client_next = pins->client_prev = reeve_slab_number(&store->pins, pins);
    return client;
}

static void client_free(struct reeve_store *store, struct store_client *client)
{
    if (store->ahead_client == client)
        store->ahead_client = NULL;
    reeve_list_remove(&client->link);
    reeve_arena_fini(&client->arena);
    reeve_map64_fini(&client->shown);
    reeve_slab_give(&store->pins, reeve_slab_at(&store->pins, client->pins));
    free(client);
}

struct store_client *store_client_find(struct reeve_store *store, uint32_t handle)
{
    return handle == REEVE_STORE_DAEMON ? store->daemon
                                        : reeve_map64_get(&store->client_by_handle, handle);
}

void store_client_added(struct reeve_store *store, const struct reeve_store_event *event)
{
    REEVE_ASSERT(store_client_find(store, event->client) == NULL);
    struct store_client *client = store_client_create(store, event->client, event->process);
    reeve_list_push_back(&store->clients, &client->link);
    store_put(&store->client_by_handle, event->client, client);
    if (event->process != REEVE_PROCESS_NONE)
        store_put(&store->client_by_process, event->process, client);
}

/* Nobody waits for the answer any more. */
static void request_cancel(struct reeve_store *store, struct store_request *request)
{
    struct store_fetch *fetch = request->fetch;
    struct store_restore *restore = request->restore;
    store_request_free(request);
    store->room_changed = true; /* it may have been the first in the queue */
    if (fetch != NULL && fetch->damage == 0 && reeve_list_is_empty(&fetch->waiters))
        store_pull_fail(store, fetch, REEVE_ECANCELLED, "");
    if (restore != NULL)
        store_restore_unwanted(store, restore);
}

void store_client_closed(struct reeve_store *store, struct store_client *client)
{
    client->closed = true;
    store_hold_closed(store, client->handle);
    while (!reeve_list_is_empty(&client->requests))
        request_cancel(
            store, REEVE_LIST_ENTRY(client->requests.next, struct store_request, client_link));
}

void store_client_reaped(struct reeve_store *store, struct store_client *client)
{
    store_client_closed(store, client);
    reeve_map64_remove(&store->client_by_handle, client->handle);
    reeve_list_remove(&client->link);
    reeve_list_push_back(&store->dying_clients, &client->link);
    if (client->process == REEVE_PROCESS_NONE)
        return;
    reeve_map64_remove(&store->client_by_process, client->process);
    store_owner_gone(store, client->process);
    store_tell_all(
        store, (struct reeve_object_id){.owner = client->process, .sequence = REEVE_STORE_ALL});
}

/* One slice of what dead clients have left; true: there is more. */
bool store_bury_clients(struct reeve_store *store)
{
    for (uint32_t slice = STORE_SLICE; slice > 0; slice--) {
        struct reeve_list *first = reeve_list_first(&store->dying_clients);
        if (first == NULL)
            return false;
        struct store_client *client = REEVE_LIST_ENTRY(first, struct store_client, link);
        struct store_pin *pin = store_pin_first(store, client);
        if (pin != NULL) {
            store_pin_drop(store, pin);
        } else if (!reeve_list_is_empty(&client->grants)) {
            store_grant_abort(
                store, REEVE_LIST_ENTRY(client->grants.next, struct store_grant, client_link));
        } else {
            store_room_orphan(store, client);
            client_free(store, client);
        }
    }
    return !reeve_list_is_empty(&store->dying_clients);
}

void store_request_cancel(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    REEVE_LIST_EACH(node, &client->requests)
    {
        struct store_request *request = REEVE_LIST_ENTRY(node, struct store_request, client_link);
        if (request->request == event->request) {
            request_cancel(store, request);
            return;
        }
    }
}
