/* Granted room becomes an object: all of it, or (KEEP_REST) as much as the object needs. What is
 * sealed, anchored and sealed again when is rules 4, 5 and 7 of tests/model/seal.pml. */
#include "objectstore/parts.h"

#define ANCHORED_FRACTION 2u /* of the store: when more is anchored, owners are asked to let go */

void store_grant_end(struct reeve_store *store, struct store_grant *grant)
{
    store->unsealed_bytes -= store_extent_bytes(grant->extent);
    grant->client->ahead_count -= grant->ahead;
    store->filling_count -= grant->fills;
    reeve_map64_remove(&store->grants,
        store_place_key(grant->extent->segment->id, reeve_arena_bytes(grant->extent->offset)));
    reeve_list_remove(&grant->client_link);
    free(grant);
}

void store_grant_abort(struct reeve_store *store, struct store_grant *grant)
{
    struct reeve_extent *extent = grant->extent;
    store_grant_end(store, grant);
    store_room_release(store, extent);
}

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
    store_grant_end(store, grant);
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
 * sealed it first has seen to that, and its owner may have let go of it since. What was given away
 * is no attempt's to bring: that copy is of what lies elsewhere. */
static void seal_again(struct reeve_store *store, struct store_client *client,
    struct store_grant *grant, struct store_object *object, uint32_t flags)
{
    if (grant != NULL)
        store_grant_abort(store, grant);
    if (object->flags & STORE_OBJECT_COPY && object->owner == object->id.owner) {
        /* from now on the primary is here */
        store_object_unlist(store, object);
        object->flags &= (uint8_t)~STORE_OBJECT_COPY;
        store->copy_bytes -= store_extent_bytes(object->extent);
    }
    if (!(object->flags & STORE_OBJECT_FREED))
        pin_sealed(store, object, client, flags & ~REEVE_STORE_ANCHOR);
    store_object_settle(store, object);
}

void store_seal(
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
        store_grant_abort(store, grant);
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

void store_abort(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event)
{
    struct store_grant *grant = grant_find(store, client, event);
    if (grant != NULL)
        store_grant_abort(store, grant);
    else
        store->refused_count++;
}
