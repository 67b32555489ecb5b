/* Objects on their way here from other nodes.
 *
 *     GET ─▶ fetch ─▶ size ─▶ room (or the queue) ─▶ pieces ─▶ all here: a sealed copy
 *              └── called off, freed, last source lost ─▶ a wreck, until nothing is written to it
 *
 *     object   | here | asked of 2 | here | asked of 7 | wanted | wanted | ...
 *
 * Pieces come from any source, in any order (source.c), and are written to their place while the
 * core thinks of other things. So a fetch that comes to nothing with pieces under way leaves a
 * wreck: the object is forgotten, its extent is held until all of them have been answered. With the
 * last source the object is lost, and all who wait are told.
 *
 * A primary that is damaged on disk is mended in the same way, from nodes that were sent copies of
 * it. It is not forgotten when that fails, but left on disk as it was; and nobody calls it off. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "objectstore/parts.h"

/* Of a GET: who owns the object, the process in its id or another, is for the node of the
 * primary to know. */
#define NOT_IN_ITS_NAME (REEVE_STORE_GIVEN | REEVE_STORE_HELD)

static void fetch_free(struct store_fetch *fetch)
{
    REEVE_ASSERT(reeve_list_is_empty(&fetch->sources) && reeve_list_is_empty(&fetch->asked) &&
                 reeve_list_is_empty(&fetch->sends) && reeve_list_is_empty(&fetch->parked));
    reeve_list_remove(&fetch->link);
    reeve_list_remove(&fetch->queue_link);
    free(fetch->pieces);
    free(fetch);
}

void store_pull_settle(struct reeve_store *store, struct store_fetch *fetch)
{
    if (fetch->object != NULL || !reeve_list_is_empty(&fetch->asked) ||
        !reeve_list_is_empty(&fetch->sends))
        return;
    if (fetch->extent != NULL) {
        store->wreck_bytes -= store_extent_bytes(fetch->extent);
        store_room_release(store, fetch->extent);
    }
    fetch_free(fetch);
}

/* The object is complete, or to be forgotten. */
static void detach(struct store_object *object)
{
    object->fetch->object = NULL;
    reeve_list_init(&object->lru_link); /* takes the place of the fetch */
    object->state = STORE_SEALED;
}

void store_pull_fail(
    struct reeve_store *store, struct store_fetch *fetch, int code, const char *text)
{
    struct store_object *object = fetch->object;
    store_requests_fail(store, &fetch->waiters, object->id, code, text);
    store_serve_refuse(store, fetch);
    store_sources_drop(store, fetch);
    detach(object);
    if (object->extent != NULL) {
        fetch->extent = object->extent;
        fetch->extent->holder = fetch;
        fetch->extent->tag = STORE_TAG_BUSY; /* so that it does not go with the object */
        store->wreck_bytes += store_extent_bytes(fetch->extent);
    }
    if (object->flags & STORE_OBJECT_COPY)
        store_object_remove(store, object);
    else if (object->extent != NULL)
        store_object_drop(store, object);
    else
        object->state = STORE_SPILLED;
    reeve_list_remove(&fetch->queue_link);
    reeve_list_remove(&fetch->link);
    reeve_list_push_back(&store->wrecks, &fetch->link);
    store_pull_settle(store, fetch);
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
    store_sources_drop(store, fetch);
    detach(object);
    if (fetch->damage != 0) {
        store_place_leave(store, object);
        store->spill_mended_count++;
    }
    store_serve_sealed(store, fetch, object);
    fetch_free(fetch);
    store->pulled_count++;
    store_pull_answer(store, object, &waiters);
    store_object_settle(store, object);
}

static void want_room(struct reeve_store *store, struct store_fetch *fetch)
{
    store_queue_pull(store, fetch); /* served at the end of the step, if there is room */
}

void store_pull_sized(struct reeve_store *store, struct store_fetch *fetch, uint64_t size)
{
    if (store_room_never(store, size)) {
        store_pull_fail(
            store, fetch, REEVE_ETOOLARGE, "the object is larger than the store of this node");
        return;
    }
    fetch->size_known = true;
    fetch->object->size = size;
    want_room(store, fetch);
}

void store_pull_placed(struct reeve_store *store, struct store_fetch *fetch)
{
    uint64_t size = fetch->object->size, piece_size = store->settings.piece_size_bytes;
    fetch->piece_count = fetch->wanted_count = (uint32_t)((size + piece_size - 1) / piece_size);
    fetch->pieces = store_new(fetch->piece_count + 1u);
    if (fetch->piece_count == 0)
        finish(store, fetch);
    else
        store_sources_ask(store, fetch);
}

void store_pull_landed(struct reeve_store *store, struct store_fetch *fetch, uint32_t index)
{
    fetch->pieces[index] = STORE_PIECE_HERE;
    fetch->here_count++;
    store_serve_parked(store, fetch, index);
    if (fetch->here_count == fetch->piece_count)
        finish(store, fetch);
    else
        store_sources_ask(store, fetch);
}

/* --- who wants it ----------------------------------------------------------------------------- */

static struct store_fetch *fetch_add(
    struct reeve_store *store, struct store_object *object, bool size_known)
{
    struct store_fetch *fetch = store_new(sizeof(*fetch));
    object->fetch = fetch;
    fetch->object = object;
    fetch->size_known = size_known;
    fetch->since_ns = store->now_ns;
    struct reeve_list *lists[] = {
        &fetch->waiters, &fetch->sources, &fetch->asked, &fetch->sends, &fetch->parked};
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(lists); i++)
        reeve_list_init(lists[i]);
    reeve_list_init(&fetch->queue_link);
    reeve_list_push_back(&store->fetches, &fetch->link);
    if (size_known)
        want_room(store, fetch);
    return fetch;
}

static struct store_fetch *begin(struct reeve_store *store, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_add(store, event->id, STORE_PULLING);
    object->flags = STORE_OBJECT_COPY;
    object->size = event->size;
    if (event->flags & NOT_IN_ITS_NAME) /* whose it is, only the node of the primary knows */
        store_object_disown(store, object, event->node);
    return fetch_add(store, object, event->size != 0);
}

/* One that does not ask for it itself. */
static bool may_have_copy(const struct store_restore *restore, uint32_t node)
{
    for (uint32_t i = 0; i < restore->asks.count; i++)
        if (((const struct store_ask *)reeve_fifo_at(&restore->asks, i))->node == node)
            return false;
    return true;
}

bool store_pull_mend(struct reeve_store *store, struct store_restore *restore, int damage)
{
    struct store_object *object = restore->object;
    const struct store_copy *copy = object->copies;
    while (copy != NULL && !may_have_copy(restore, copy->peer->node))
        copy = copy->next;
    if (copy == NULL)
        return false;
    object->state = STORE_PULLING;
    struct store_fetch *fetch = fetch_add(store, object, true);
    fetch->damage = damage;
    for (; copy != NULL; copy = copy->next)
        if (may_have_copy(restore, copy->peer->node))
            store_source_add(store, fetch, copy->peer->node);
    reeve_list_splice_back(&fetch->waiters, &restore->waiters);
    REEVE_LIST_EACH(link, &fetch->waiters)
    {
        struct store_request *request = REEVE_LIST_ENTRY(link, struct store_request, queue_link);
        request->fetch = fetch;
        request->restore = NULL;
    }
    struct store_ask ask;
    while (reeve_fifo_pop(&restore->asks, &ask))
        store_serve_pull(store, &(struct reeve_store_event){.node = ask.node,
                                    .id = object->id,
                                    .offset = ask.offset,
                                    .length = ask.length,
                                    .number = ask.number});
    store_restore_end(restore);
    return true;
}

void store_pull_get(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_find(store, event->id);
    char name[64], node[STORE_NODE_SIZE], text[REEVE_STORE_TEXT_SIZE];
    store_object_name(event->id, name, sizeof(name));
    int code = REEVE_OK;
    bool given = event->flags & NOT_IN_ITS_NAME;
    bool here = store_is_here(store, event->node);
    if (object != NULL && object->owner != event->id.owner)
        given = true;
    else if (object != NULL && given && object->flags & STORE_OBJECT_COPY &&
             !(object->flags & STORE_OBJECT_FREED)) /* fetched by one who knew no better */
        store_object_disown(store, object, event->node);
    if (!given && store_owner_is_gone(store, event->id.owner)) {
        code = REEVE_EOWNERDIED;
        snprintf(text, sizeof(text),
            "%s is gone: process %" PRIu32 ".%" PRIu32 ", which owned it, has ended", name,
            reeve_process_node(event->id.owner), (uint32_t)event->id.owner);
    } else if (object != NULL && object->flags & STORE_OBJECT_FREED &&
               !(object->flags & STORE_OBJECT_COPY) && here) {
        /* (a copy that is freed here may be held where the primary is, and what a lost attempt
         * had left is as good as the object elsewhere) */
        code = REEVE_ELOST;
        snprintf(text, sizeof(text), "%s has been freed by its owner", name);
    } else if (object == NULL && here) {
        bool held = event->flags & REEVE_STORE_HELD;
        code = held ? REEVE_EOWNERDIED : REEVE_ELOST;
        store_node_name(store, store->settings.node, node, sizeof(node));
        if (held)
            snprintf(text, sizeof(text), "%s is gone: its owner has ended; it was on node %s", name,
                node);
        else
            snprintf(
                text, sizeof(text), "%s is lost: node %s does not have it any more", name, node);
    } else if (object == NULL && reeve_map64_get(&store->gone_nodes, event->node) != NULL) {
        code = REEVE_ELOST;
        store_node_name(store, event->node, node, sizeof(node));
        snprintf(text, sizeof(text), "%s is lost: it was on node %s, which has died", name, node);
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
        store_restore_get(store, client, event, object);
        return;
    }
    struct store_fetch *fetch = object != NULL ? object->fetch : begin(store, event);
    fetch->held |= (event->flags & REEVE_STORE_HELD) != 0;
    store_request_add(store, client, event, fetch, NULL);
    store_source_add(store, fetch, event->node);
    store_sources_ask(store, fetch);
}
