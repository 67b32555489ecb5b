/* Pins, of each client and (an anchor) of an object's owner: what is pinned stays where it is. */
#include "objectstore/parts.h"

static struct store_pin *pin_at(const struct reeve_store *store, uint32_t number)
{
    return reeve_slab_at(&store->pins, number);
}

/* Where the client's pin is named, or would be. */
static uint32_t *pin_slot(
    const struct reeve_store *store, struct store_object *object, uint32_t client)
{
    uint32_t *slot = &object->pins;
    while (*slot != 0 && pin_at(store, *slot)->client != client)
        slot = &pin_at(store, *slot)->next;
    return slot;
}

/* The last of its client. */
static uint32_t pin_add(
    struct reeve_store *store, struct store_object *object, const struct store_client *client)
{
    struct store_pin *pin = reeve_slab_take(&store->pins), *head = pin_at(store, client->pins);
    uint32_t number = reeve_slab_number(&store->pins, pin);
    pin->object = reeve_slab_number(&store->objects, object);
    pin->client = client->handle;
    pin->client_next = client->pins;
    pin->client_prev = head->client_prev;
    pin_at(store, head->client_prev)->client_next = number;
    head->client_prev = number;
    return number;
}

void store_pin(struct reeve_store *store, struct store_object *object, struct store_client *client)
{
    uint32_t *slot = pin_slot(store, object, client->handle);
    if (*slot == 0)
        *slot = pin_add(store, object, client);
    pin_at(store, *slot)->count++;
    store->pin_count++;
    if (object->pin_total++ == 0) {
        store->pinned_bytes += store_extent_bytes(object->extent);
        store_object_unlist(store, object);
    }
}

static void pins_less(
    struct reeve_store *store, struct store_object *object, uint32_t *slot, uint32_t count)
{
    struct store_pin *pin = pin_at(store, *slot);
    pin->count -= count;
    store->pin_count -= count;
    object->pin_total -= count;
    if (pin->count == 0) {
        *slot = pin->next;
        pin_at(store, pin->client_prev)->client_next = pin->client_next;
        pin_at(store, pin->client_next)->client_prev = pin->client_prev;
        reeve_slab_give(&store->pins, pin);
    }
    if (object->pin_total == 0) {
        store->pinned_bytes -= store_extent_bytes(object->extent);
        store_object_settle(store, object);
    }
}

bool store_unpin(
    struct reeve_store *store, struct store_object *object, struct store_client *client)
{
    uint32_t *slot = pin_slot(store, object, client->handle);
    if (*slot == 0)
        return false;
    pins_less(store, object, slot, 1);
    return true;
}

struct store_pin *store_pin_first(
    const struct reeve_store *store, const struct store_client *client)
{
    struct store_pin *pin = pin_at(store, pin_at(store, client->pins)->client_next);
    return pin->object != 0 ? pin : NULL;
}

void store_pin_drop(struct reeve_store *store, struct store_pin *pin)
{
    struct store_object *object = reeve_slab_at(&store->objects, pin->object);
    pins_less(store, object, pin_slot(store, object, pin->client), pin->count);
}

void store_anchor(struct reeve_store *store, struct store_object *object)
{
    uint64_t bytes = store_extent_bytes(object->extent);
    if (object->flags & STORE_OBJECT_ANCHORED)
        return;
    object->flags |= STORE_OBJECT_ANCHORED;
    store->pin_count++;
    store->anchored_bytes += bytes;
    store_owner_get(store, object->owner)->anchored_bytes += bytes;
    if (object->pin_total++ == 0) {
        store->pinned_bytes += bytes;
        store_object_unlist(store, object);
    }
}

bool store_anchor_end(struct reeve_store *store, struct store_object *object)
{
    if (!(object->flags & STORE_OBJECT_ANCHORED))
        return false;
    uint64_t bytes = store_extent_bytes(object->extent);
    object->flags &= (uint8_t)~STORE_OBJECT_ANCHORED;
    store->pin_count--;
    store->anchored_bytes -= bytes;
    store_owner_get(store, object->owner)->anchored_bytes -= bytes;
    if (--object->pin_total == 0)
        store->pinned_bytes -= bytes;
    store->room_changed = true;
    return true;
}

bool store_unanchor(struct reeve_store *store, struct store_object *object)
{
    bool ended = store_anchor_end(store, object);
    if (ended)
        store_object_settle(store, object);
    return ended;
}
