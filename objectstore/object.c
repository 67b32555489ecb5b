/* The table of objects, their owners, their pins, and the nodes that were sent copies. */
#include <string.h>

#include "objectstore/state.h"

#define TABLE_SIZE_MIN 256u
#define TABLE_MOVES    4 /* slots at a time: done long before the table is full again */

/* --- the table -------------------------------------------------------------------------------- */

static uint32_t hash(struct reeve_object_id id)
{
    uint64_t key = id.owner * 0x9e3779b97f4a7c15ull + id.sequence;
    key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9ull;
    key = (key ^ (key >> 27)) * 0x94d049bb133111ebull;
    return (uint32_t)(key ^ (key >> 31));
}

/* The chain in which the object is, if it is anywhere. */
static uint32_t *chain(const struct reeve_store *store, struct reeve_object_id id)
{
    uint32_t h = hash(id);
    if (store->table_old != NULL && (h & (store->table_old_size - 1)) >= store->table_old_next)
        return &store->table_old[h & (store->table_old_size - 1)];
    return &store->table[h & (store->table_size - 1)];
}

struct store_object *store_object_find(const struct reeve_store *store, struct reeve_object_id id)
{
    if (store->table_size == 0)
        return NULL;
    struct store_object *object = reeve_slab_at(&store->objects, *chain(store, id));
    while (object != NULL && !reeve_object_id_equal(object->id, id))
        object = reeve_slab_at(&store->objects, object->hash_next);
    return object;
}

/* A table of twice the size; the objects move over a few at a time, with each that is added. */
static void table_grow(struct reeve_store *store)
{
    uint32_t size = store->table_size == 0 ? TABLE_SIZE_MIN : store->table_size * 2;
    REEVE_ASSERT(store->table_old == NULL);
    store->table_old = store->table;
    store->table_old_size = store->table_size;
    store->table_old_next = 0;
    store->table = store_new(size * sizeof(*store->table));
    store->table_size = size;
}

static void table_move(struct reeve_store *store)
{
    for (int i = 0; i < TABLE_MOVES && store->table_old != NULL; i++) {
        uint32_t number = store->table_old[store->table_old_next];
        store->table_old[store->table_old_next++] = 0;
        while (number != 0) {
            struct store_object *object = reeve_slab_at(&store->objects, number);
            uint32_t next = object->hash_next, *slot = chain(store, object->id);
            object->hash_next = *slot;
            *slot = number;
            number = next;
        }
        if (store->table_old_next == store->table_old_size) {
            free(store->table_old);
            store->table_old = NULL;
            store->table_old_size = 0;
        }
    }
}

static struct store_owner *owner_get(struct reeve_store *store, reeve_process_id process)
{
    struct store_owner *owner = reeve_map64_get(&store->owners, process);
    if (owner == NULL) {
        owner = store_new(sizeof(*owner));
        owner->process = process;
        reeve_list_init(&owner->dying_link);
        store_put(&store->owners, process, owner);
    }
    return owner;
}

static struct store_object *object_at(const struct reeve_store *store, uint32_t number)
{
    return reeve_slab_at(&store->objects, number);
}

/* At the end of its objects, and of the ring that they form; `first`: at its beginning. */
static void owner_add(
    struct reeve_store *store, struct store_owner *owner, struct store_object *object, bool first)
{
    uint32_t number = reeve_slab_number(&store->objects, object);
    if (owner->objects == 0) {
        owner->objects = object->owner_next = object->owner_prev = number;
        return;
    }
    struct store_object *before = object_at(store, owner->objects);
    object->owner_next = owner->objects;
    object->owner_prev = before->owner_prev;
    object_at(store, before->owner_prev)->owner_next = number;
    before->owner_prev = number;
    if (first)
        owner->objects = number;
}

static void owner_remove(
    struct reeve_store *store, struct store_owner *owner, struct store_object *object)
{
    uint32_t number = reeve_slab_number(&store->objects, object);
    object_at(store, object->owner_prev)->owner_next = object->owner_next;
    object_at(store, object->owner_next)->owner_prev = object->owner_prev;
    if (owner->objects == number)
        owner->objects = object->owner_next == number ? 0 : object->owner_next;
}

struct store_object *store_object_add(
    struct reeve_store *store, struct reeve_object_id id, enum store_object_state state)
{
    if (store->object_count >= store->table_size)
        table_grow(store);
    table_move(store);
    struct store_object *object = reeve_slab_take(&store->objects);
    object->id = id;
    object->owner = id.owner;
    object->state = (uint8_t)state;
    if (state == STORE_SEALED)
        reeve_list_init(&object->lru_link);
    uint32_t *slot = chain(store, id);
    object->hash_next = *slot;
    *slot = reeve_slab_number(&store->objects, object);
    store->object_count++;
    struct store_owner *owner = owner_get(store, id.owner);
    owner_add(store, owner, object, true);
    owner->count++;
    return object;
}

void store_object_place(struct reeve_store *store, struct store_object *object,
    struct reeve_extent *extent, uint32_t pad)
{
    object->extent = extent;
    object->pad = (uint8_t)pad;
    extent->holder = object;
    extent->tag = STORE_TAG_OBJECT;
    owner_get(store, object->owner)->bytes += store_extent_bytes(extent);
    store->object_bytes += store_extent_bytes(extent);
    if (object->flags & STORE_OBJECT_COPY)
        store->copy_bytes += store_extent_bytes(extent);
}

/* Takes it away from the object; it is free, unless it is still being written from. */
static void extent_leave(struct reeve_store *store, struct store_object *object)
{
    struct reeve_extent *extent = object->extent;
    uint64_t bytes = store_extent_bytes(extent);
    object->extent = NULL;
    owner_get(store, object->owner)->bytes -= bytes;
    store->object_bytes -= bytes;
    if (object->flags & STORE_OBJECT_COPY)
        store->copy_bytes -= bytes;
    if (extent->tag == STORE_TAG_OBJECT)
        store_room_release(store, extent);
}

void store_object_drop(struct reeve_store *store, struct store_object *object)
{
    REEVE_ASSERT(object->pin_total == 0 && object->flags & STORE_OBJECT_ON_DISK);
    store_object_unlist(store, object);
    extent_leave(store, object);
    object->state = STORE_SPILLED;
}

void store_object_remove(struct reeve_store *store, struct store_object *object)
{
    REEVE_ASSERT(object->pin_total == 0);
    store_copies_drop(object);
    if (object->state == STORE_SEALED)
        store_object_unlist(store, object);
    if (object->flags & (STORE_OBJECT_WRITING | STORE_OBJECT_ON_DISK))
        store_place_leave(store, object); /* which may keep its extent, to be written from */
    uint32_t number = reeve_slab_number(&store->objects, object), *slot = chain(store, object->id);
    while (*slot != number)
        slot = &((struct store_object *)reeve_slab_at(&store->objects, *slot))->hash_next;
    *slot = object->hash_next;
    store->object_count--;

    struct store_owner *owner = owner_get(store, object->owner);
    owner_remove(store, owner, object);
    owner->count--;
    if (object->extent != NULL)
        extent_leave(store, object);
    if (owner->count == 0) {
        reeve_map64_remove(&store->owners, owner->process);
        reeve_list_remove(&owner->dying_link);
        free(owner);
    }
    object->id.sequence = REEVE_STORE_ALL; /* no object: for those who walk through the slab */
    reeve_slab_give(&store->objects, object);
}

const struct store_object *store_table_slot(const struct reeve_store *store, uint32_t slot)
{
    return reeve_slab_at(&store->objects,
        slot < store->table_size ? store->table[slot] : store->table_old[slot - store->table_size]);
}

const struct store_object *store_table_next(
    const struct reeve_store *store, const struct store_object *object)
{
    return reeve_slab_at(&store->objects, object->hash_next);
}

/* --- pins ------------------------------------------------------------------------------------- */

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
    owner_get(store, object->owner)->anchored_bytes += bytes;
    if (object->pin_total++ == 0) {
        store->pinned_bytes += bytes;
        store_object_unlist(store, object);
    }
}

/* Without a look at what becomes of it. */
static bool anchor_end(struct reeve_store *store, struct store_object *object)
{
    if (!(object->flags & STORE_OBJECT_ANCHORED))
        return false;
    uint64_t bytes = store_extent_bytes(object->extent);
    object->flags &= (uint8_t)~STORE_OBJECT_ANCHORED;
    store->pin_count--;
    store->anchored_bytes -= bytes;
    owner_get(store, object->owner)->anchored_bytes -= bytes;
    if (--object->pin_total == 0)
        store->pinned_bytes -= bytes;
    store->room_changed = true;
    return true;
}

bool store_unanchor(struct reeve_store *store, struct store_object *object)
{
    bool ended = anchor_end(store, object);
    if (ended)
        store_object_settle(store, object);
    return ended;
}

void store_object_settle(struct reeve_store *store, struct store_object *object)
{
    REEVE_ASSERT(object->state == STORE_SEALED);
    if (object->pin_total > 0)
        return;
    if (object->flags & STORE_OBJECT_FREED) {
        store_object_remove(store, object);
        return;
    }
    store_object_unlist(store, object);
    if (object->flags & (STORE_OBJECT_COPY | STORE_OBJECT_ON_DISK)) {
        reeve_list_push_back(
            object->flags & STORE_OBJECT_COPY ? &store->lru : &store->clean, &object->lru_link);
        store->idle_bytes += store_extent_bytes(object->extent);
        store->room_changed = true;
    } else if (store_can_spill(store) && !(object->flags & STORE_OBJECT_WRITING) &&
               object->size > 0) {
        reeve_list_push_back(&store->dirty, &object->lru_link);
    }
}

void store_object_unlist(struct reeve_store *store, struct store_object *object)
{
    if (!reeve_list_is_linked(&object->lru_link))
        return;
    reeve_list_remove(&object->lru_link);
    if (object->flags & (STORE_OBJECT_COPY | STORE_OBJECT_ON_DISK))
        store->idle_bytes -= store_extent_bytes(object->extent);
}

/* --- copies elsewhere ------------------------------------------------------------------------- */

struct store_copy *store_copy_note(
    struct reeve_store *store, struct store_object *object, uint32_t node)
{
    for (struct store_copy *copy = object->copies; copy != NULL; copy = copy->next)
        if (copy->peer->node == node)
            return copy;
    struct store_peer *peer = store_peer_get(store, node);
    struct store_copy *copy = store_new(sizeof(*copy));
    copy->object = object;
    copy->peer = peer;
    copy->next = object->copies;
    object->copies = copy;
    reeve_list_push_back(&peer->copies, &copy->peer_link);
    return copy;
}

void store_copies_drop(struct store_object *object)
{
    while (object->copies != NULL) {
        struct store_copy *copy = object->copies;
        object->copies = copy->next;
        reeve_list_remove(&copy->peer_link);
        free(copy);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

void store_object_free(
    struct reeve_store *store, struct store_object *object, uint32_t except_node, int code)
{
    for (struct store_copy *copy = object->copies; copy != NULL; copy = copy->next) {
        if (copy->peer->node != except_node)
            store_tell(store, copy->peer->node, object->id);
    }
    store_copies_drop(object);
    if (object->state == STORE_PULLING) {
        bool copy = object->flags & STORE_OBJECT_COPY;
        store_pull_fail(store, object->fetch, code, "its owner has freed it meanwhile");
        if (copy) /* and gone */
            return;
    }
    if (object->state == STORE_RESTORING)
        store_restore_fail(store, object, code, "its owner has freed it meanwhile");
    (void)anchor_end(store, object);
    object->flags |= STORE_OBJECT_FREED;
    struct store_owner *owner = owner_get(store, object->owner);
    owner_remove(store, owner, object);
    owner_add(store, owner, object, false);
    if (object->state == STORE_SPILLED)
        store_object_remove(store, object);
    else
        store_object_settle(store, object);
}

/* From the table of one owner to that of another; with the owner it goes. */
void store_object_give(struct reeve_store *store, struct store_object *object,
    reeve_process_id heir, bool pin, uint32_t teller)
{
    if (object->flags & STORE_OBJECT_ANCHORED) {
        struct store_client *client = reeve_map64_get(&store->client_by_process, object->owner);
        if (pin && client != NULL)
            store_pin(store, object, client);
        (void)store_unanchor(store, object); /* a primary that nobody has freed: it stays */
    }
    bool known = reeve_map64_get(&store->owners, heir) != NULL;
    struct store_owner *from = owner_get(store, object->owner), *to = owner_get(store, heir);
    uint64_t bytes = object->extent != NULL ? store_extent_bytes(object->extent) : 0;
    if (from == to)
        return;
    owner_remove(store, from, object);
    owner_add(store, to, object, !(object->flags & STORE_OBJECT_FREED));
    object->owner = heir;
    to->bytes += bytes;
    to->count++;
    from->bytes -= bytes;
    if (--from->count == 0) {
        reeve_map64_remove(&store->owners, from->process);
        reeve_list_remove(&from->dying_link);
        free(from);
    }
    if (store_owner_is_gone(store, heir))
        store_object_free(store, object, 0, REEVE_EOWNERDIED);
    else if (!known && reeve_process_node(heir) != teller)
        store_watch(store, heir);
}

bool store_owner_is_gone(const struct reeve_store *store, reeve_process_id process)
{
    uint32_t node = reeve_process_node(process);
    if (node != 0 && node == store->settings.node)
        return reeve_map64_get(&store->client_by_process, process) == NULL;
    return reeve_map64_get(&store->gone, process) != NULL ||
           reeve_map64_get(&store->gone_nodes, node) != NULL;
}

/* One of our own clients is not gone before it has been reaped, whatever has become of its job:
 * what it has anchored it may still read. */
void store_owner_gone(struct reeve_store *store, reeve_process_id process)
{
    if (reeve_map64_get(&store->client_by_process, process) != NULL)
        return;
    if (reeve_process_node(process) != store->settings.node &&
        reeve_map64_get(&store->gone_nodes, reeve_process_node(process)) == NULL) {
        if (reeve_map64_count(&store->gone) >= STORE_GONE_MAX) { /* the oldest is forgotten */
            size_t at = 0;
            uint64_t oldest;
            reeve_map64_next(&store->gone, &at, &oldest, NULL);
            reeve_map64_remove(&store->gone, oldest);
        }
        store_put(&store->gone, process, store);
    }
    store_holder_gone(store, process);
    struct store_owner *owner = reeve_map64_get(&store->owners, process);
    if (owner != NULL && !reeve_list_is_linked(&owner->dying_link))
        reeve_list_push_back(&store->dying_owners, &owner->dying_link);
}

/* Freed objects that are still pinned lie at the end of their owner's list: when one comes first,
 * no other is left. */
bool store_bury_owners(struct reeve_store *store)
{
    for (uint32_t slice = STORE_SLICE; slice > 0; slice--) {
        struct reeve_list *first = reeve_list_first(&store->dying_owners);
        if (first == NULL)
            return false;
        struct store_owner *owner = REEVE_LIST_ENTRY(first, struct store_owner, dying_link);
        struct store_object *object = object_at(store, owner->objects);
        if (object->flags & STORE_OBJECT_FREED)
            reeve_list_remove(&owner->dying_link);
        else
            store_object_free(store, object, 0, REEVE_EOWNERDIED); /* the owner may go with it */
    }
    return !reeve_list_is_empty(&store->dying_owners);
}
