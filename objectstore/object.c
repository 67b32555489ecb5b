/* The table of objects, where each lies and belongs, and the nodes that were sent copies. */
#include <string.h>

#include "objectstore/parts.h"

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
    struct store_owner *owner = store_owner_get(store, id.owner);
    store_owner_add(store, owner, object, true);
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
    store_owner_get(store, object->owner)->bytes += store_extent_bytes(extent);
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
    store_owner_get(store, object->owner)->bytes -= bytes;
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

    struct store_owner *owner = store_owner_get(store, object->owner);
    store_owner_remove(store, owner, object);
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

/* --- where it belongs ------------------------------------------------------------------------- */

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
