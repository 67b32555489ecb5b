/* Whose objects are: freed, given to another, gone with their owner; copies that are nobody's. */
#include "objectstore/parts.h"

#define ORPHANS_KEPT_NS 60000000000ull

struct store_owner *store_owner_get(struct reeve_store *store, reeve_process_id process)
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

/* At the end of its objects, and of the ring that they form; `first`: at its beginning. */
void store_owner_add(
    struct reeve_store *store, struct store_owner *owner, struct store_object *object, bool first)
{
    uint32_t number = reeve_slab_number(&store->objects, object);
    if (owner->objects == 0) {
        owner->objects = object->owner_next = object->owner_prev = number;
        return;
    }
    struct store_object *before = store_object_at(store, owner->objects);
    object->owner_next = owner->objects;
    object->owner_prev = before->owner_prev;
    store_object_at(store, before->owner_prev)->owner_next = number;
    before->owner_prev = number;
    if (first)
        owner->objects = number;
}

void store_owner_remove(
    struct reeve_store *store, struct store_owner *owner, struct store_object *object)
{
    uint32_t number = reeve_slab_number(&store->objects, object);
    store_object_at(store, object->owner_prev)->owner_next = object->owner_next;
    store_object_at(store, object->owner_next)->owner_prev = object->owner_prev;
    if (owner->objects == number)
        owner->objects = object->owner_next == number ? 0 : object->owner_next;
}

/* --- freed, given, gone ----------------------------------------------------------------------- */

void store_object_free(struct reeve_store *store, struct store_object *object, int code)
{
    /* (the node that has told us of it, too: it may have asked for another copy since) */
    for (struct store_copy *copy = object->copies; copy != NULL; copy = copy->next)
        if (!(object->flags & STORE_OBJECT_COPY))
            store_tell(store, copy->peer->node, object->id);
    store_copies_drop(object);
    if (object->state == STORE_PULLING) {
        bool copy = object->flags & STORE_OBJECT_COPY;
        store_pull_fail(store, object->fetch, code, "its owner has freed it meanwhile");
        if (copy) /* and gone */
            return;
    }
    if (object->state == STORE_RESTORING)
        store_restore_fail(store, object, code, "its owner has freed it meanwhile");
    (void)store_anchor_end(store, object);
    object->flags |= STORE_OBJECT_FREED;
    struct store_owner *owner = store_owner_get(store, object->owner);
    store_owner_remove(store, owner, object);
    store_owner_add(store, owner, object, false);
    if (object->state == STORE_SPILLED)
        store_object_remove(store, object);
    else
        store_object_settle(store, object);
}

/* From the table of one owner to that of another; with the owner it goes. */
void store_object_give(
    struct reeve_store *store, struct store_object *object, reeve_process_id heir, bool pin)
{
    if (object->flags & STORE_OBJECT_ANCHORED) {
        struct store_client *client = reeve_map64_get(&store->client_by_process, object->owner);
        if (pin && client != NULL)
            store_pin(store, object, client);
        (void)store_unanchor(store, object); /* a primary that nobody has freed: it stays */
    }
    struct store_owner *from = store_owner_get(store, object->owner),
                       *to = store_owner_get(store, heir);
    uint64_t bytes = object->extent != NULL ? store_extent_bytes(object->extent) : 0;
    if (from == to)
        return;
    store_owner_remove(store, from, object);
    store_owner_add(store, to, object, !(object->flags & STORE_OBJECT_FREED));
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
        store_object_free(store, object, REEVE_EOWNERDIED);
}

void store_object_disown(struct reeve_store *store, struct store_object *object, uint32_t node)
{
    bool there = node != store->settings.node && reeve_map64_get(&store->gone_nodes, node) == NULL;
    store_object_give(store, object, there ? store_nobody(node) : REEVE_PROCESS_NONE, false);
    if (!there)
        store_orphans_begin(store, 0);
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

void store_orphans_begin(struct reeve_store *store, uint32_t node)
{
    struct store_owner *owner = reeve_map64_get(&store->owners, store_nobody(node));
    if (owner == NULL)
        return;
    owner->due_ns = store->now_ns + ORPHANS_KEPT_NS;
    store->orphans_due_ns = REEVE_MIN(store->orphans_due_ns, owner->due_ns);
}

void store_orphans_tick(struct reeve_store *store)
{
    size_t at = 0;
    void *value;
    if (store->now_ns < store->orphans_due_ns)
        return;
    store->orphans_due_ns = UINT64_MAX;
    while (reeve_map64_next(&store->owners, &at, NULL, &value)) {
        struct store_owner *owner = value;
        if (owner->due_ns > store->now_ns)
            store->orphans_due_ns = REEVE_MIN(store->orphans_due_ns, owner->due_ns);
        else if (owner->due_ns != 0 && !reeve_list_is_linked(&owner->dying_link))
            reeve_list_push_back(&store->dying_owners, &owner->dying_link);
    }
}

static void bury(struct reeve_store *store, struct store_owner *owner, struct store_object *object)
{
    if (object->state == STORE_PULLING && owner->due_ns != 0) { /* it still has a source */
        if (owner->process == REEVE_PROCESS_NONE)
            reeve_list_remove(&owner->dying_link);
        else
            store_object_give(store, object, REEVE_PROCESS_NONE, false);
        store_orphans_begin(store, 0);
        return;
    }
    store_object_free(store, object, REEVE_EOWNERDIED); /* the owner may go with it */
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
        struct store_object *object = store_object_at(store, owner->objects);
        if (!(object->flags & STORE_OBJECT_FREED)) {
            bury(store, owner, object);
            continue;
        }
        reeve_list_remove(&owner->dying_link);
        owner->due_ns = 0;
    }
    return !reeve_list_is_empty(&store->dying_owners);
}
