/* The store's step: one function for each event. See store.h for what events and commands mean,
 * state.h for the tables. */
#include "objectstore/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "objectstore/state.h"

#define ANCHORED_FRACTION 2u /* of the store: when more is anchored, owners are asked to let go */

/* --- commands --------------------------------------------------------------------------------- */

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

/* --- clients ---------------------------------------------------------------------------------- */

static struct store_client *client_create(
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

static struct store_client *client_find(struct reeve_store *store, uint32_t handle)
{
    return handle == REEVE_STORE_DAEMON ? store->daemon
                                        : reeve_map64_get(&store->client_by_handle, handle);
}

static void on_client_added(struct reeve_store *store, const struct reeve_store_event *event)
{
    REEVE_ASSERT(client_find(store, event->client) == NULL);
    struct store_client *client = client_create(store, event->client, event->process);
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

static void on_client_closed(struct reeve_store *store, struct store_client *client)
{
    client->closed = true;
    store_hold_closed(store, client->handle);
    while (!reeve_list_is_empty(&client->requests))
        request_cancel(
            store, REEVE_LIST_ENTRY(client->requests.next, struct store_request, client_link));
}

static void on_client_reaped(struct reeve_store *store, struct store_client *client)
{
    on_client_closed(store, client);
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

static void grant_end(struct reeve_store *store, struct store_grant *grant)
{
    store->unsealed_bytes -= store_extent_bytes(grant->extent);
    grant->client->ahead_count -= grant->ahead;
    reeve_map64_remove(&store->grants,
        store_place_key(grant->extent->segment->id, reeve_arena_bytes(grant->extent->offset)));
    reeve_list_remove(&grant->client_link);
    free(grant);
}

static void grant_abort(struct reeve_store *store, struct store_grant *grant)
{
    struct reeve_extent *extent = grant->extent;
    grant_end(store, grant);
    store_room_release(store, extent);
}

/* One slice of what dead clients have left; true: there is more. */
static bool bury_clients(struct reeve_store *store)
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
            grant_abort(
                store, REEVE_LIST_ENTRY(client->grants.next, struct store_grant, client_link));
        } else {
            store_room_orphan(store, client);
            client_free(store, client);
        }
    }
    return !reeve_list_is_empty(&store->dying_clients);
}

/* --- what clients ask ------------------------------------------------------------------------- */

static struct store_grant *grant_find(struct reeve_store *store, const struct store_client *client,
    const struct reeve_store_event *event)
{
    if (event->offset >> REEVE_ARENA_UNIT_SHIFT > UINT32_MAX)
        return NULL;
    struct store_grant *grant =
        reeve_map64_get(&store->grants, store_place_key(event->segment, event->offset));
    return grant != NULL && grant->client == client ? grant : NULL;
}

static void pin_sealed(struct reeve_store *store, struct store_object *object,
    struct store_client *client, uint32_t flags)
{
    if (flags & REEVE_STORE_PIN)
        store_pin(store, object, client);
    struct store_client *owner = reeve_map64_get(&store->client_by_process, object->owner);
    if (!(flags & REEVE_STORE_ANCHOR) || owner == NULL)
        return;
    store_anchor(store, object); /* one that has only hung up may still read in place */
    if (!owner->closed)
        store_show(store, owner, object->extent->segment, false);
    owner->relaxing = false;
    if (store->anchored_bytes > store->settings.capacity_bytes / ANCHORED_FRACTION)
        store_relax(store, store->settings.capacity_bytes / ANCHORED_FRACTION / 4);
}

/* The object takes the grant's extent, as much of it as it needs. */
static void grant_seal(struct reeve_store *store, struct store_client *client,
    struct store_grant *grant, struct store_object *object, const struct reeve_store_event *event)
{
    struct reeve_extent *extent = grant->extent;
    uint32_t pad = (uint32_t)(event->offset % REEVE_STORE_ALIGN);
    uint32_t units = REEVE_MAX(reeve_arena_units(pad + event->size), 1u);
    grant_end(store, grant);
    if (event->flags & REEVE_STORE_KEEP_REST && units < extent->units) {
        struct store_grant *rest = store_new(sizeof(*rest));
        rest->extent = reeve_arena_split(extent, units);
        rest->client = client;
        rest->ahead = true;
        client->ahead_count++;
        rest->extent->holder = rest;
        rest->extent->tag = STORE_TAG_GRANT;
        reeve_list_push_back(&client->grants, &rest->client_link);
        store_put(&store->grants,
            store_place_key(extent->segment->id, reeve_arena_bytes(rest->extent->offset)), rest);
        store->unsealed_bytes += store_extent_bytes(rest->extent);
    } else {
        store_room_shrink(store, extent, units);
    }
    object->size = event->size;
    store_object_place(store, object, extent, pad);
}

/* The object is here already: what readers have counts, and stays. It is not anchored anew: whoever
 * sealed it first has seen to that, and its owner may have let go of it since. */
static void seal_again(struct reeve_store *store, struct store_client *client,
    struct store_grant *grant, struct store_object *object, uint32_t flags)
{
    if (grant != NULL)
        grant_abort(store, grant);
    if (object->flags & STORE_OBJECT_COPY) { /* from now on the primary is here */
        store_object_unlist(store, object);
        object->flags &= (uint8_t)~STORE_OBJECT_COPY;
        store->copy_bytes -= store_extent_bytes(object->extent);
    }
    if (!(object->flags & STORE_OBJECT_FREED))
        pin_sealed(store, object, client, flags & ~REEVE_STORE_ANCHOR);
    store_object_settle(store, object);
}

static void on_seal(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_grant *grant = grant_find(store, client, event);
    struct store_object *object = store_object_find(store, event->id);
    if (object != NULL && object->state == STORE_SEALED) {
        seal_again(store, client, grant, object, event->flags);
        store_reply_seal(store, event, object, REEVE_OK, "");
        return;
    }
    uint64_t pad = event->offset % REEVE_STORE_ALIGN;
    if (grant == NULL || event->size > store_extent_bytes(grant->extent) - pad) {
        store->refused_count++;
        store_reply_seal(store, event, NULL, REEVE_EINVAL,
            "the place was not given to this process for so much");
        return;
    }
    if (store_owner_is_gone(store, event->id.owner)) {
        grant_abort(store, grant);
        store_reply_seal(
            store, event, NULL, REEVE_EOWNERDIED, "the process that would own it has ended");
        return;
    }
    struct reeve_list waiters;
    reeve_list_init(&waiters);
    if (object != NULL && object->state == STORE_PULLING) { /* better than what is on its way */
        store_pull_replace(store, object->fetch, &waiters);
        object = store_object_find(store, event->id);
    }
    if (object != NULL) { /* and than what is on disk */
        if (object->state == STORE_RESTORING)
            store_restore_replace(store, object, &waiters);
        store_place_leave(store, object);
        object->state = STORE_SEALED;
    }
    if (object == NULL)
        object = store_object_add(store, event->id, STORE_SEALED);
    grant_seal(store, client, grant, object, event);
    pin_sealed(store, object, client, event->flags);
    store_reply_seal(store, event, object, REEVE_OK, "");
    store_pull_answer(store, object, &waiters);
    store_object_settle(store, object);
}

static void on_abort(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_grant *grant = grant_find(store, client, event);
    if (grant != NULL)
        grant_abort(store, grant);
    else
        store->refused_count++;
}

static void on_unpin(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_find(store, event->id);
    bool found = object != NULL && object->state == STORE_SEALED;
    if (found && event->flags & REEVE_STORE_ANCHOR) {
        client->relaxing = false;
        found = object->owner == client->process ? store_unanchor(store, object)
                                                 : store_unpin(store, object, client);
    } else if (found) {
        found = store_unpin(store, object, client);
    }
    store->refused_count += !found;
}

static void on_cancel(
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

/* Where the primary lies it is known who owns an object; elsewhere its name says who, or the flag
 * that the name does not. */
static bool may_dispose(const struct store_client *client, const struct store_object *object,
    const struct reeve_store_event *event)
{
    if (object != NULL && !(object->flags & STORE_OBJECT_COPY))
        return client->process == object->owner;
    return client->process == event->id.owner || event->flags & REEVE_STORE_GIVEN;
}

/* What was held is needed no more. */
static void hold_end(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    uint32_t node = event->node == store->settings.node ? 0 : event->node;
    struct store_word word = {
        event->id, client->process, event->number, REEVE_STORE_WORD_UNHOLD, REEVE_PROCESS_NONE};
    if (node == 0)
        store_unhold(store, event->id, client->process, event->number);
    else if (reeve_map64_get(&store->gone_nodes, node) == NULL)
        store_tell_word(store, node, &word);
}

static void on_free(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_find(store, event->id);
    if (event->flags & REEVE_STORE_HELD) {
        hold_end(store, client, event);
        return;
    }
    if (!may_dispose(client, object, event) && client != store->daemon) {
        if (event->flags & REEVE_STORE_GIVEN) /* which has not come yet */
            store_disclaim(store, event->id, client->process, 0);
        else
            store->refused_count++;
        return;
    }
    uint32_t node = event->node == store->settings.node ? 0 : event->node;
    if (node != 0)
        store_tell(store, node, event->id);
    if (object != NULL && object->state == STORE_SEALED)
        (void)store_unanchor(store, object); /* whoever else needs it */
    if (object != NULL && object->state == STORE_PULLING && object->flags & STORE_OBJECT_COPY &&
        object->fetch->held)
        return; /* it comes for one who holds it, where it lies */
    if (object != NULL && !store_hold_defers(store, object))
        store_object_free(store, object, node, REEVE_ELOST);
}

static void on_give(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_find(store, event->id);
    uint32_t node = event->node == store->settings.node ? 0 : event->node;
    if (!may_dispose(client, object, event)) {
        store->refused_count++;
        store_reply_seal(
            store, event, NULL, REEVE_EINVAL, "only its owner can give an object away");
        return;
    }
    if (object != NULL)
        store_object_give(
            store, object, event->process, event->flags & REEVE_STORE_ANCHOR, store->settings.node);
    if (node == 0)
        store_reply_seal(store, event, NULL, REEVE_OK, "");
    else
        store_hold_say(store, event,
            &(struct store_word){
                .id = event->id, .holder = event->process, .kind = REEVE_STORE_WORD_GIVE});
}

/* --- what other nodes say --------------------------------------------------------------------- */

static void on_peer_free(struct reeve_store *store, const struct reeve_store_event *event)
{
    if (event->id.sequence == REEVE_STORE_ALL) {
        store_owner_gone(store, event->id.owner);
        return;
    }
    struct store_object *object = store_object_find(store, event->id);
    if (object != NULL && !store_hold_defers(store, object))
        store_object_free(store, object, event->node, REEVE_ELOST);
}

static void on_peer_hold(struct reeve_store *store, const struct reeve_store_event *event)
{
    if (event->id.sequence == REEVE_STORE_ALL)
        store_watched(store, event->node, event->process);
    else if (event->flags & REEVE_STORE_HELD)
        store_unhold(store, event->id, event->process, event->number);
    else if (event->heir != REEVE_PROCESS_NONE)
        store_hold_move(store, event->id, event->process, event->number, event->heir, event->node);
    else
        store_hold(store, event->id, event->process, event->number);
}

static void on_peer_give(struct reeve_store *store, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_find(store, event->id);
    if (object != NULL)
        store_object_give(store, object, event->process, false, event->node);
}

static void on_peer_word(struct reeve_store *store, const struct reeve_store_event *event)
{
    if (!store_tell_is_news(store, event->node, event->word))
        return;
    switch (event->kind) {
    case REEVE_STORE_PEER_FREE: on_peer_free(store, event); return;
    case REEVE_STORE_PEER_HOLD: on_peer_hold(store, event); return;
    default: on_peer_give(store, event); return;
    }
}

static void on_peer_down(struct reeve_store *store, const struct reeve_store_event *event)
{
    if (event->node == 0 || event->node == store->settings.node ||
        reeve_map64_get(&store->gone_nodes, event->node) != NULL)
        return;
    store_put(&store->gone_nodes, event->node, store);
    store_serve_forget(store, event->node);
    store_source_peer_down(store, event->node);
    struct store_peer *peer = reeve_map64_remove(&store->peers, event->node);
    while (peer != NULL && !reeve_list_is_empty(&peer->copies)) {
        struct store_copy *copy = REEVE_LIST_ENTRY(peer->copies.next, struct store_copy, peer_link);
        struct store_copy **slot = &copy->object->copies;
        while (*slot != copy)
            slot = &(*slot)->next;
        *slot = copy->next;
        reeve_list_remove(&copy->peer_link);
        free(copy);
    }
    if (peer != NULL)
        store_peer_free(store, peer);
    store_hold_peer_down(store, event->node);
    size_t at = 0;
    uint64_t process;
    while (reeve_map64_next(&store->owners, &at, &process, NULL))
        if (reeve_process_node(process) == event->node && !store_is_nobody(process))
            store_owner_gone(store, process);
    store_disclaims_sweep(store);
    store_orphans_begin(store, event->node);
}

static void on_host(struct reeve_store *store, uint32_t node, const char *host)
{
    char *copy = host != NULL && host[0] != '\0' ? strdup(host) : NULL;
    free(reeve_map64_remove(&store->hosts, node));
    if (copy != NULL)
        store_put(&store->hosts, node, copy);
}

/* --- the core's functions --------------------------------------------------------------------- */

struct reeve_store *reeve_store_create(const struct reeve_store_settings *settings)
{
    struct reeve_store *store = store_new(sizeof(*store));
    store->settings = *settings;
    struct reeve_store_settings *own = &store->settings;
#define DEFAULT(field, value)     \
    do {                          \
        if (own->field == 0)      \
            own->field = (value); \
    } while (0)
    DEFAULT(segment_size_bytes, 64ull << 20);
    DEFAULT(segment_idle_ns, 30000000000ull);
    DEFAULT(piece_size_bytes, REEVE_STORE_CHUNK_SIZE);
    DEFAULT(pull_wait_ns, 2000000000ull);
    DEFAULT(full_grace_ns, 100000000ull);
    DEFAULT(return_now_bytes, 4ull << 20);
    DEFAULT(full_wait_ns, 30000000000ull);
    DEFAULT(spill_file_bytes, 1ull << 30);
    DEFAULT(spill_window_bytes, 32ull << 20);
    DEFAULT(spill_retry_ns, 10000000000ull);
#undef DEFAULT
    own->capacity_bytes -= own->capacity_bytes % REEVE_STORE_GRAIN;
    own->segment_size_bytes = REEVE_ALIGN_UP(own->segment_size_bytes, (uint64_t)REEVE_STORE_GRAIN);
    REEVE_ASSERT(own->capacity_bytes > 0);
    store->growth_bytes = UINT64_MAX;
    store_spill_init(store);
    store->queue_deadline_ns = UINT64_MAX;
    reeve_list_init(&store->clients);
    reeve_list_init(&store->dying_clients);
    reeve_list_init(&store->dying_owners);
    reeve_list_init(&store->lru);
    reeve_list_init(&store->idle_orphans);
    reeve_list_init(&store->reserves);
    reeve_list_init(&store->create_queue);
    reeve_list_init(&store->pull_queue);
    reeve_list_init(&store->fetches);
    reeve_list_init(&store->wrecks);
    reeve_map64_init(&store->client_by_handle);
    reeve_map64_init(&store->client_by_process);
    reeve_map64_init(&store->owners);
    reeve_map64_init(&store->gone);
    reeve_map64_init(&store->gone_nodes);
    reeve_map64_init(&store->hosts);
    reeve_map64_init(&store->peers);
    reeve_map64_init(&store->held);
    reeve_map64_init(&store->holders);
    reeve_list_init(&store->hold_waits);
    store_disclaims_init(store);
    store->orphans_due_ns = UINT64_MAX;
    reeve_map64_init(&store->segments);
    reeve_map64_init(&store->grants);
    reeve_map64_init(&store->lanes);
    reeve_map64_init(&store->pieces);
    reeve_map64_init(&store->sends);
    reeve_heap_init(&store->idle_deadlines);
    reeve_heap_init(&store->source_deadlines);
    reeve_heap_init(&store->word_deadlines);
    reeve_slab_init(&store->objects, sizeof(struct store_object));
    reeve_slab_init(&store->pins, sizeof(struct store_pin));
    reeve_slab_init(&store->extents, sizeof(struct reeve_extent));
    reeve_arena_init(&store->orphans, &store->extents);
    reeve_fifo_init(&store->free_numbers, sizeof(uint32_t));
    reeve_fifo_init(&store->returns, sizeof(struct reeve_extent *));
    store->daemon = client_create(store, REEVE_STORE_DAEMON, REEVE_PROCESS_NONE);
    return store;
}

/* What was under way, in and out, is over. */
static void answer_all(struct reeve_store *store)
{
    uint64_t number;
    for (size_t at = 0; reeve_map64_next(&store->pieces, &at, &number, NULL); at = 0)
        store_source_answer(
            store, &(struct reeve_store_event){.number = number, .code = REEVE_ECANCELLED});
    for (size_t at = 0; reeve_map64_next(&store->sends, &at, &number, NULL); at = 0)
        store_serve_sent(store, number);
}

struct reeve_store *reeve_store_free(struct reeve_store *store)
{
    if (store == NULL)
        return NULL;
    /* By the usual ways, the commands thrown away: everybody dies. */
    struct reeve_fifo out;
    reeve_fifo_init(&out, sizeof(struct reeve_store_command));
    /* cppcheck-suppress autoVariables ; the store is freed before this function returns */
    store->out = &out;
    while (!reeve_list_is_empty(&store->clients))
        on_client_reaped(store, REEVE_LIST_ENTRY(store->clients.next, struct store_client, link));
    on_client_closed(store, store->daemon);
    while (!reeve_list_is_empty(&store->fetches)) /* what is mended, which nobody calls off */
        store_pull_fail(store, REEVE_LIST_ENTRY(store->fetches.next, struct store_fetch, link),
            REEVE_ECANCELLED, "");
    answer_all(store);
    reeve_list_push_back(&store->dying_clients, &store->daemon->link);
    if (store->preparing != NULL)
        store_room_release(store, store->preparing);
    while (bury_clients(store))
        reeve_fifo_clear(&out);
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&store->owners, &at, NULL, &value)) {
        struct store_owner *owner = value;
        if (!reeve_list_is_linked(&owner->dying_link))
            reeve_list_push_back(&store->dying_owners, &owner->dying_link);
    }
    while (store_bury_owners(store))
        reeve_fifo_clear(&out);
    store_hold_fini(store);
    store_disclaims_fini(store);
    store_spill_fini(store);
    store_return_fini(store);
    store_room_drop_all(store);
    at = 0;
    while (reeve_map64_next(&store->peers, &at, NULL, &value))
        store_peer_free(store, value);
    reeve_fifo_fini(&out);
    reeve_fifo_fini(&store->free_numbers);
    reeve_arena_fini(&store->orphans);
    reeve_map64_fini(&store->client_by_handle);
    reeve_map64_fini(&store->client_by_process);
    reeve_map64_fini(&store->owners);
    reeve_map64_fini(&store->gone);
    reeve_map64_fini(&store->gone_nodes);
    at = 0;
    while (reeve_map64_next(&store->hosts, &at, NULL, &value))
        free(value);
    reeve_map64_fini(&store->hosts);
    reeve_map64_fini(&store->peers);
    reeve_map64_fini(&store->segments);
    reeve_map64_fini(&store->grants);
    reeve_map64_fini(&store->lanes);
    reeve_map64_fini(&store->pieces);
    reeve_map64_fini(&store->sends);
    reeve_heap_fini(&store->idle_deadlines);
    reeve_heap_fini(&store->source_deadlines);
    reeve_heap_fini(&store->word_deadlines);
    reeve_slab_fini(&store->objects);
    reeve_slab_fini(&store->pins);
    reeve_slab_fini(&store->extents);
    free(store->table);
    free(store->table_old);
    free(store);
    return NULL;
}

/* Events of a client that is no longer there are late news. */
static void client_event(struct reeve_store *store, const struct reeve_store_event *event)
{
    struct store_client *client = client_find(store, event->client);
    if (client == NULL) {
        store->stale_count++;
        return;
    }
    switch (event->kind) {
    case REEVE_STORE_CLIENT_HUNGRY: store_prepare_client(store, client); return;
    case REEVE_STORE_CLIENT_CLOSED: on_client_closed(store, client); return;
    case REEVE_STORE_CLIENT_REAPED: on_client_reaped(store, client); return;
    case REEVE_STORE_CREATE:
        if (!client->closed)
            store_queue_create(store, client, event);
        return;
    case REEVE_STORE_GET:
        if (!client->closed)
            store_pull_get(store, client, event);
        return;
    case REEVE_STORE_SEAL: on_seal(store, client, event); return;
    case REEVE_STORE_ABORT: on_abort(store, client, event); return;
    case REEVE_STORE_CANCEL: on_cancel(store, client, event); return;
    case REEVE_STORE_UNPIN: on_unpin(store, client, event); return;
    case REEVE_STORE_FREE: on_free(store, client, event); return;
    case REEVE_STORE_GIVE: on_give(store, client, event); return;
    case REEVE_STORE_HOLD:
        if (!client->closed)
            store_hold_ask(store, event, client->process);
        return;
    default: REEVE_ASSERT(!"an event of a client");
    }
}

void reeve_store_step(struct reeve_store *store, uint64_t now_ns,
    const struct reeve_store_event *event, struct reeve_fifo *out)
{
    REEVE_ASSERT(now_ns >= store->now_ns && out->item_size == sizeof(struct reeve_store_command));
    store->now_ns = now_ns;
    store->out = out;
    switch (event->kind) {
    case REEVE_STORE_TICK: break;
    case REEVE_STORE_NODE: store->settings.node = event->node; break;
    case REEVE_STORE_HOST: on_host(store, event->node, event->text); break;
    case REEVE_STORE_MEMORY:
        store->growth_bytes = event->size;
        store->room_changed = true;
        break;
    case REEVE_STORE_SEGMENT_PREPARED: store_prepare_done(store, event); break;
    case REEVE_STORE_SEGMENT_RETURNED: store_return_done(store, event); break;
    case REEVE_STORE_CLIENT_ADDED: on_client_added(store, event); break;
    case REEVE_STORE_PEER_FREE:
    case REEVE_STORE_PEER_HOLD:
    case REEVE_STORE_PEER_GIVE: on_peer_word(store, event); break;
    case REEVE_STORE_PEER_FREED: store_tell_heard(store, event->node, event->number); break;
    case REEVE_STORE_PEER_PULL: store_serve_pull(store, event); break;
    case REEVE_STORE_PEER_CHUNK: store_source_answer(store, event); break;
    case REEVE_STORE_PEER_BUSY: store_source_busy(store, event->number); break;
    case REEVE_STORE_SENT: store_serve_sent(store, event->number); break;
    case REEVE_STORE_PEER_RESET:
        store_serve_forget(store, event->node);
        store_tell_reset(store, event->node);
        break;
    case REEVE_STORE_PEER_DOWN: on_peer_down(store, event); break;
    case REEVE_STORE_OWNER_GONE: store_owner_gone(store, event->process); break;
    case REEVE_STORE_SPILL_WRITTEN: store_spill_written(store, event); break;
    case REEVE_STORE_SPILL_READ_DONE: store_restore_read(store, event); break;
    default: client_event(store, event); break;
    }
    store_queue_serve(store);
    store_source_tick(store);
    store_tell_tick(store);
    store_queue_tick(store);
    store_orphans_tick(store);
    store_room_drop_idle(store);
    reeve_store_run_some(store, now_ns, out);
    store_prepare_serve(store);
}

bool reeve_store_run_some(struct reeve_store *store, uint64_t now_ns, struct reeve_fifo *out)
{
    store->now_ns = now_ns;
    store->out = out;
    bool more = bury_clients(store);
    more |= store_bury_owners(store);
    store_queue_serve(store);
    store_spill_pump(store);
    store_return_serve(store);
    return more;
}

uint64_t reeve_store_deadline(const struct reeve_store *store)
{
    uint64_t deadline = REEVE_MIN(store->queue_deadline_ns, store_spill_deadline(store));
    deadline = REEVE_MIN(deadline, store->orphans_due_ns);
    const struct reeve_heap *heaps[] = {
        &store->idle_deadlines, &store->source_deadlines, &store->word_deadlines};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(heaps); i++) {
        const struct reeve_heap_node *node = reeve_heap_peek(heaps[i]);
        if (node != NULL)
            deadline = REEVE_MIN(deadline, node->key);
    }
    return deadline;
}
