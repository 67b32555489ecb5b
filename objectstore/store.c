/* The store's step, which hands each event to the file that knows of it. See store.h for what
 * events and commands mean, state.h for the tables. */
#include "objectstore/store.h"

#include <string.h>

#include "objectstore/parts.h"

static void on_peer_down(struct reeve_store *store, const struct reeve_store_event *event)
{
    if (store_is_here(store, event->node) ||
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
    store_orphans_begin(store, event->node);
}

/* With another number than before, our daemon is another node: it had been given up, and has given
 * up all others in its turn, which may live. Those that do not the head names again to who asks. */
static void on_node(struct reeve_store *store, uint32_t node)
{
    if (store->settings.node != 0 && store->settings.node != node) {
        reeve_map64_fini(&store->gone_nodes);
        reeve_map64_init(&store->gone_nodes);
    }
    store->settings.node = node;
}

static void on_host(struct reeve_store *store, uint32_t node, const char *host)
{
    char *copy = host != NULL && host[0] != '\0' ? strdup(host) : NULL;
    free(reeve_map64_remove(&store->hosts, node));
    if (copy != NULL)
        store_put(&store->hosts, node, copy);
}

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
    store->daemon = store_client_create(store, REEVE_STORE_DAEMON, REEVE_PROCESS_NONE);
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
        store_client_reaped(
            store, REEVE_LIST_ENTRY(store->clients.next, struct store_client, link));
    store_client_closed(store, store->daemon);
    while (!reeve_list_is_empty(&store->fetches)) /* what is mended, which nobody calls off */
        store_pull_fail(store, REEVE_LIST_ENTRY(store->fetches.next, struct store_fetch, link),
            REEVE_ECANCELLED, "");
    answer_all(store);
    reeve_list_push_back(&store->dying_clients, &store->daemon->link);
    if (store->preparing != NULL)
        store_room_release(store, store->preparing);
    while (store_bury_clients(store))
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
    struct store_client *client = store_client_find(store, event->client);
    if (client == NULL) {
        store->stale_count++;
        return;
    }
    switch (event->kind) {
    case REEVE_STORE_CLIENT_HUNGRY: store_prepare_client(store, client); return;
    case REEVE_STORE_CLIENT_CLOSED: store_client_closed(store, client); return;
    case REEVE_STORE_CLIENT_REAPED: store_client_reaped(store, client); return;
    case REEVE_STORE_CREATE:
        if (!client->closed)
            store_queue_create(store, client, event);
        return;
    case REEVE_STORE_GET:
        if (!client->closed)
            store_pull_get(store, client, event);
        return;
    case REEVE_STORE_SEAL: store_seal(store, client, event); return;
    case REEVE_STORE_ABORT: store_abort(store, client, event); return;
    case REEVE_STORE_CANCEL: store_request_cancel(store, client, event); return;
    case REEVE_STORE_UNPIN: store_let_go(store, client, event); return;
    case REEVE_STORE_FREE: store_free(store, client, event); return;
    case REEVE_STORE_GIVE: store_give(store, client, event); return;
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
    case REEVE_STORE_NODE: on_node(store, event->node); break;
    case REEVE_STORE_HOST: on_host(store, event->node, event->text); break;
    case REEVE_STORE_MEMORY:
        store->growth_bytes = event->size;
        store->room_changed = true;
        break;
    case REEVE_STORE_SEGMENT_PREPARED: store_prepare_done(store, event); break;
    case REEVE_STORE_SEGMENT_RETURNED: store_return_done(store, event); break;
    case REEVE_STORE_CLIENT_ADDED: store_client_added(store, event); break;
    case REEVE_STORE_PEER_FREE:
    case REEVE_STORE_PEER_HOLD:
    case REEVE_STORE_PEER_GIVE:
    case REEVE_STORE_PEER_GIVEN: store_peer_word(store, event); break;
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
    bool more = store_bury_clients(store);
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
    deadline = REEVE_MIN(deadline, store_prepare_deadline(store));
    const struct reeve_heap *heaps[] = {
        &store->idle_deadlines, &store->source_deadlines, &store->word_deadlines};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(heaps); i++) {
        const struct reeve_heap_node *node = reeve_heap_peek(heaps[i]);
        if (node != NULL)
            deadline = REEVE_MIN(deadline, node->key);
    }
    return deadline;
}
