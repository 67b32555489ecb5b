/* What is done with objects by those who own, pin or hold them, here and elsewhere: let go, freed,
 * given away. */
#include "objectstore/parts.h"

void store_let_go(
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

/* The object that is freed or given away, or a copy of it, and not what a lost attempt has left
 * here under its name (below). */
static struct store_object *meant(
    const struct reeve_store *store, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_find(store, event->id);
    bool stray = object != NULL && !(object->flags & STORE_OBJECT_COPY) &&
                 !store_is_here(store, event->node);
    return stray ? NULL : object;
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

/* What a lost attempt has left here under the name of an object that lies elsewhere, if there is
 * one. Who reads it in place goes on; who has asked for it and waits asks anew, and finds the
 * other. Copies are of that one, and stay. */
static void stray_free(struct reeve_store *store, struct reeve_object_id id)
{
    struct store_object *object = store_object_find(store, id);
    if (object == NULL || object->owner != id.owner ||
        object->flags & (STORE_OBJECT_COPY | STORE_OBJECT_FREED))
        return;
    struct reeve_list waiters;
    reeve_list_init(&waiters);
    if (object->state == STORE_PULLING)
        store_pull_replace(store, object->fetch, &waiters);
    else if (object->state == STORE_RESTORING)
        store_restore_replace(store, object, &waiters);
    store_copies_drop(object);
    store_object_free(store, object, REEVE_ELOST);
    while (!reeve_list_is_empty(&waiters)) {
        struct store_request *request =
            REEVE_LIST_ENTRY(waiters.next, struct store_request, queue_link);
        struct store_client *client = request->client;
        struct reeve_store_event get = {.request = request->request,
            .node = request->node,
            .flags = request->flags,
            .id = id,
            .size = request->size};
        store_request_free(request);
        store_pull_get(store, client, &get);
    }
}

static void stray_end(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_word word = {.id = event->id, .kind = REEVE_STORE_WORD_STRAY};
    if (client->process != event->id.owner)
        store->refused_count++;
    else if (store_is_here(store, event->node))
        stray_free(store, event->id);
    else
        store_tell_word(store, event->node, &word);
}

/* What was held is needed no more. */
static void hold_end(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_word word = {.id = event->id,
        .holder = client->process,
        .token = event->number,
        .kind = REEVE_STORE_WORD_UNHOLD};
    if (store_is_here(store, event->node))
        store_unhold(store, event->id, client->process, event->number);
    else
        store_tell_word(store, event->node, &word);
}

void store_free(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_object *object = meant(store, event);
    if (event->flags & REEVE_STORE_HELD) {
        hold_end(store, client, event);
        return;
    }
    if (event->flags & REEVE_STORE_STRAY) {
        stray_end(store, client, event);
        return;
    }
    if (!may_dispose(client, object, event) && client != store->daemon) {
        store->refused_count++;
        return;
    }
    if (reeve_object_id_is_actor(event->id)) {
        store_actor_free(store, event->id);
        return;
    }
    if (!store_is_here(store, event->node))
        store_tell(store, event->node, event->id);
    if (object != NULL && object->state == STORE_SEALED)
        (void)store_unanchor(store, object); /* whoever else needs it */
    if (object != NULL && object->state == STORE_PULLING && object->flags & STORE_OBJECT_COPY &&
        object->fetch->held)
        return; /* it comes for one who holds it, where it lies */
    if (object != NULL && !store_hold_defers(store, object))
        store_object_free(store, object, REEVE_ELOST);
}

void store_give(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_object *object = meant(store, event);
    bool here = store_is_here(store, event->node);
    if (!may_dispose(client, object, event)) {
        store->refused_count++;
        store_reply_seal(
            store, event, NULL, REEVE_EINVAL, "only its owner can give an object away");
        return;
    }
    if (object != NULL && !here) /* its heir may give it on, and die */
        store_object_disown(store, object, event->node);
    else if (object != NULL)
        store_object_give(store, object, event->process, event->flags & REEVE_STORE_ANCHOR);
    struct store_word word = {.id = event->id,
        .holder = event->process,
        .kind = REEVE_STORE_WORD_GIVE,
        .call = event->call,
        .attempt = event->attempt};
    if (!here) {
        store_hold_say(store, event, &word);
        return;
    }
    store_gift_tell(store, &word);
    store_reply_seal(store, event, NULL, REEVE_OK, "");
}

/* ---- what other nodes say -------------------------------------------------------------------- */

static void on_peer_free(struct reeve_store *store, const struct reeve_store_event *event)
{
    if (event->id.sequence == REEVE_STORE_ALL) {
        store_owner_gone(store, event->id.owner);
        return;
    }
    if (event->flags & REEVE_STORE_STRAY) {
        stray_free(store, event->id);
        return;
    }
    struct store_object *object = store_object_find(store, event->id);
    if (object != NULL && !store_hold_defers(store, object))
        store_object_free(store, object, REEVE_ELOST);
}

static void on_peer_hold(struct reeve_store *store, const struct reeve_store_event *event)
{
    if (event->flags & REEVE_STORE_HELD)
        store_unhold(store, event->id, event->process, event->number);
    else if (event->heir != REEVE_PROCESS_NONE)
        store_hold_hand(store, event, event->process);
    else
        store_hold(store, event->id, event->process, event->number);
}

static void on_peer_give(struct reeve_store *store, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_find(store, event->id);
    if (object != NULL)
        store_object_give(store, object, event->process, false);
    store_gift_tell(store, &(struct store_word){.id = event->id,
                               .holder = event->process,
                               .call = event->call,
                               .attempt = event->attempt});
}

void store_peer_word(struct reeve_store *store, const struct reeve_store_event *event)
{
    if (!store_tell_is_news(store, event->node, event->word))
        return;
    switch (event->kind) {
    case REEVE_STORE_PEER_FREE: on_peer_free(store, event); return;
    case REEVE_STORE_PEER_HOLD: on_peer_hold(store, event); return;
    case REEVE_STORE_PEER_GIVEN: store_gift_told(store, event); return;
    default: on_peer_give(store, event); return;
    }
}
