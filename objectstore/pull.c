/* Objects on their way here from other nodes.
 *
 *     GET ─▶ fetch ─▶ room (or the queue) ─▶ pieces asked for ─▶ all here: a sealed copy
 *
 *     object   | received ......... | asked for ........... | not asked for yet ....... |
 *                                    ◀── STORE_WINDOW_SIZE ─▶
 *
 * Pieces of one source come in order, because links keep order; what comes otherwise is left over
 * from before (another source, another session) and is dropped. A source that fails, lies, dies or
 * is silent is replaced by the next one known, from the first piece that is missing; with the last
 * source the object is lost, and all who wait are told. When the size is not known, the first piece
 * tells it, and is asked for again when there is room. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "objectstore/state.h"

/* Takes what is needed from the object, then forgets both. */
static void fetch_free(struct reeve_store *store, struct store_fetch *fetch)
{
    struct store_object *object = fetch->object;
    reeve_heap_remove(&store->fetch_deadlines, &fetch->deadline);
    reeve_list_remove(&fetch->link);
    reeve_list_remove(&fetch->queue_link);
    free(fetch);
    reeve_list_init(&object->lru_link); /* takes the place of the fetch */
}

void store_pull_fail(
    struct reeve_store *store, struct store_fetch *fetch, int code, const char *text)
{
    struct store_object *object = fetch->object;
    while (!reeve_list_is_empty(&fetch->waiters)) {
        struct store_request *request =
            REEVE_LIST_ENTRY(fetch->waiters.next, struct store_request, queue_link);
        store_reply_get_failed(store, request->client, request->request, object->id, code, text);
        store_request_free(request);
    }
    fetch_free(store, fetch);
    object->state = STORE_SEALED; /* so that it can be taken out like any other */
    store_object_remove(store, object);
}

void store_pull_answer(
    struct reeve_store *store, struct store_object *object, struct reeve_list *waiters)
{
    while (!reeve_list_is_empty(waiters)) {
        struct store_request *request =
            REEVE_LIST_ENTRY(waiters->next, struct store_request, queue_link);
        store_reply_get(store, request->client, request->request, object);
        store_request_free(request);
    }
}

void store_pull_replace(
    struct reeve_store *store, struct store_fetch *fetch, struct reeve_list *waiters)
{
    reeve_list_splice_back(waiters, &fetch->waiters);
    store_pull_fail(store, fetch, REEVE_ECANCELLED, ""); /* nobody is left to be told */
}

static void finish(struct reeve_store *store, struct store_fetch *fetch)
{
    struct store_object *object = fetch->object;
    struct reeve_list waiters;
    reeve_list_init(&waiters);
    reeve_list_splice_back(&waiters, &fetch->waiters);
    fetch_free(store, fetch);
    object->state = STORE_SEALED;
    store->pulled_count++;
    store_pull_answer(store, object, &waiters);
    store_object_settle(store, object);
}

static void send_pull(struct reeve_store *store, struct store_fetch *fetch, uint64_t length)
{
    struct reeve_store_command *command = store_command(store, REEVE_STORE_SEND_PULL);
    command->node = fetch->sources[0];
    command->id = fetch->object->id;
    command->offset = fetch->requested;
    command->length = length;
    fetch->requested += length;
}

static void set_deadline(struct reeve_store *store, struct store_fetch *fetch)
{
    uint64_t deadline = store->now_ns + store->settings.pull_wait_ns;
    if (reeve_heap_contains(&fetch->deadline)) {
        reeve_heap_update(&store->fetch_deadlines, &fetch->deadline, deadline);
    } else {
        int error = reeve_heap_insert(&store->fetch_deadlines, &fetch->deadline, deadline);
        REEVE_ASSERT(error == REEVE_OK);
    }
}

/* Asks for as much as may be asked for. */
static void ask(struct reeve_store *store, struct store_fetch *fetch)
{
    const struct store_object *object = fetch->object;
    if (!fetch->size_known) {
        if (fetch->requested == 0)
            send_pull(store, fetch, REEVE_STORE_CHUNK_SIZE);
    } else if (object->extent != NULL) {
        if (object->size == 0 && fetch->requested == 0)
            send_pull(store, fetch, REEVE_STORE_CHUNK_SIZE);
        while (fetch->requested < object->size &&
               fetch->requested - fetch->received < STORE_WINDOW_SIZE)
            send_pull(
                store, fetch, REEVE_MIN(object->size - fetch->requested, REEVE_STORE_CHUNK_SIZE));
    } else {
        return; /* waits for room */
    }
    set_deadline(store, fetch);
}

/* From the first missing piece on, for what was asked for may never come. */
static void ask_again(struct reeve_store *store, struct store_fetch *fetch)
{
    fetch->requested = fetch->received;
    ask(store, fetch);
}

static void source_add(struct store_fetch *fetch, uint32_t node)
{
    for (uint32_t i = 0; i < fetch->source_count; i++)
        if (fetch->sources[i] == node)
            return;
    if (fetch->source_count < STORE_SOURCES_MAX)
        fetch->sources[fetch->source_count++] = node;
}

/* The source at `index` is no good; `why` ends the sentence that begins with the object's name. */
static void source_failed(
    struct reeve_store *store, struct store_fetch *fetch, uint32_t index, const char *why)
{
    uint32_t node = fetch->sources[index];
    fetch->source_count--;
    memmove(&fetch->sources[index], &fetch->sources[index + 1],
        (fetch->source_count - index) * sizeof(fetch->sources[0]));
    if (fetch->source_count == 0) {
        char name[64], text[REEVE_STORE_TEXT_SIZE];
        store_object_name(fetch->object->id, name, sizeof(name));
        snprintf(text, sizeof(text), "%s is lost: node %" PRIu32 " %s", name, node, why);
        store_pull_fail(store, fetch, REEVE_ELOST, text);
    } else if (index == 0) {
        fetch->pull_count = 0;
        ask_again(store, fetch);
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static void want_room(struct reeve_store *store, struct store_fetch *fetch)
{
    reeve_heap_remove(&store->fetch_deadlines, &fetch->deadline);
    fetch->requested = 0;
    store_queue_pull(store, fetch); /* served at the end of the step, if there is room */
}

static struct store_fetch *begin(struct reeve_store *store, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_add(store, event->id, STORE_PULLING);
    struct store_fetch *fetch = store_new(sizeof(*fetch));
    object->flags = STORE_OBJECT_COPY;
    object->size = event->size;
    if (event->flags & REEVE_STORE_GIVEN) /* whose it is, only the node of the primary knows */
        store_object_give(store, object, REEVE_PROCESS_NONE, false);
    object->fetch = fetch;
    fetch->object = object;
    fetch->size_known = event->size != 0;
    fetch->since_ns = store->now_ns;
    reeve_list_init(&fetch->waiters);
    reeve_list_init(&fetch->queue_link);
    reeve_list_push_back(&store->fetches, &fetch->link);
    source_add(fetch, event->node);
    if (fetch->size_known)
        want_room(store, fetch);
    else
        ask(store, fetch);
    return fetch;
}

void store_pull_get(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_find(store, event->id);
    char name[64], text[REEVE_STORE_TEXT_SIZE];
    store_object_name(event->id, name, sizeof(name));
    int code = REEVE_OK;
    bool given =
        object != NULL ? object->owner != event->id.owner : (event->flags & REEVE_STORE_GIVEN) != 0;
    if (!given && store_owner_is_gone(store, event->id.owner)) {
        code = REEVE_EOWNERDIED;
        snprintf(text, sizeof(text),
            "%s is gone: process %" PRIu32 ".%" PRIu32 ", which owned it, has ended", name,
            reeve_process_node(event->id.owner), (uint32_t)event->id.owner);
    } else if (object != NULL && object->flags & STORE_OBJECT_FREED &&
               !(object->flags & STORE_OBJECT_COPY)) {
        /* (a copy that is freed here may be held where the primary is) */
        code = REEVE_ELOST;
        snprintf(text, sizeof(text), "%s has been freed by its owner", name);
    } else if (object == NULL && (event->node == 0 || event->node == store->settings.node)) {
        code = REEVE_ELOST;
        snprintf(text, sizeof(text), "%s is lost: it is not on this node (%" PRIu32 ") any more",
            name, store->settings.node);
    } else if (object == NULL && reeve_map64_get(&store->gone_nodes, event->node) != NULL) {
        code = REEVE_ELOST;
        snprintf(text, sizeof(text), "%s is lost: it was on node %" PRIu32 ", which has died", name,
            event->node);
    } else if (object == NULL && store_room_never(store, event->size)) {
        code = REEVE_ETOOLARGE;
        snprintf(text, sizeof(text),
            "%s has %" PRIu64 " bytes; the store of this node holds %" PRIu64, name, event->size,
            store->settings.capacity_bytes);
    }
    if (code != REEVE_OK) {
        store_reply_get_failed(store, client, event->request, event->id, code, text);
        return;
    }
    if (object != NULL && object->state == STORE_SEALED) {
        store_reply_get(store, client, event->request, object);
        return;
    }
    if (object != NULL && object->state != STORE_PULLING) {
        store_restore_get(store, client, event->request, object);
        return;
    }
    struct store_fetch *fetch = object != NULL ? object->fetch : begin(store, event);
    if (event->node != 0 && event->node != store->settings.node &&
        reeve_map64_get(&store->gone_nodes, event->node) == NULL)
        source_add(fetch, event->node);
    store_request_add(store, client, event->request, fetch, NULL);
}

void store_pull_placed(struct reeve_store *store, struct store_fetch *fetch)
{
    fetch->received = 0;
    ask_again(store, fetch);
}

void store_pull_chunk(struct reeve_store *store, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_find(store, event->id);
    struct store_fetch *fetch =
        object != NULL && object->state == STORE_PULLING ? object->fetch : NULL;
    if (fetch == NULL || reeve_list_is_linked(&fetch->queue_link) ||
        fetch->sources[0] != event->node ||
        (event->code == 0 && event->offset != fetch->received)) {
        store->stale_count++;
        return;
    }
    if (event->code == REEVE_EAGAIN) { /* it is there, and is being read from disk */
        fetch->pull_count = 0;
        return;
    }
    if (event->code != 0) {
        source_failed(store, fetch, 0, "does not have it");
        return;
    }
    if (!fetch->size_known) {
        if (store_room_never(store, event->size)) {
            store_pull_fail(
                store, fetch, REEVE_ETOOLARGE, "the object is larger than the store of this node");
            return;
        }
        fetch->size_known = true;
        object->size = event->size;
        want_room(store, fetch);
        return;
    }
    if (event->size != object->size || event->length > object->size - fetch->received ||
        (event->length == 0 && object->size != 0)) {
        source_failed(store, fetch, 0, "sent a piece that does not fit");
        return;
    }
    if (event->length > 0) {
        struct reeve_store_command *command = store_command(store, REEVE_STORE_COPY_IN);
        command->segment = object->extent->segment->id;
        command->offset = store_object_offset(object) + fetch->received;
        command->length = event->length;
    }
    fetch->received += event->length;
    fetch->requested = REEVE_MAX(fetch->requested, fetch->received);
    fetch->pull_count = 0;
    if (fetch->received == object->size)
        finish(store, fetch);
    else
        ask(store, fetch);
}

void store_pull_reset(struct reeve_store *store, uint32_t node)
{
    REEVE_LIST_EACH(link, &store->fetches)
    {
        struct store_fetch *fetch = REEVE_LIST_ENTRY(link, struct store_fetch, link);
        if (fetch->sources[0] == node)
            ask_again(store, fetch);
    }
}

void store_pull_peer_down(struct reeve_store *store, uint32_t node)
{
    REEVE_LIST_EACH_SAFE(link, &store->fetches)
    {
        struct store_fetch *fetch = REEVE_LIST_ENTRY(link, struct store_fetch, link);
        for (uint32_t i = 0; i < fetch->source_count; i++) {
            if (fetch->sources[i] == node) {
                source_failed(store, fetch, i, "has died");
                break;
            }
        }
    }
}

void store_pull_tick(struct reeve_store *store)
{
    struct reeve_heap_node *node;
    while (
        (node = reeve_heap_peek(&store->fetch_deadlines)) != NULL && node->key <= store->now_ns) {
        struct store_fetch *fetch = REEVE_CONTAINER_OF(node, struct store_fetch, deadline);
        if (++fetch->pull_count >= STORE_PULLS_MAX)
            source_failed(store, fetch, 0, "does not answer");
        else
            ask_again(store, fetch);
    }
}
