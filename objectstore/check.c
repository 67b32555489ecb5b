/* The audit: all tables agree with each other, and with what is counted. Tests make it after every
 * event. */
#include "objectstore/parts.h"

#define CHECK(condition)       \
    do {                       \
        if (!(condition))      \
            return #condition; \
    } while (0)

struct sums {
    uint64_t touched_bytes, grant_bytes, returning_bytes, pins;
    uint64_t grant_extents, object_extents, wreck_extents, segments, grants;
    uint64_t detached_bytes, reading_bytes, wreck_bytes;
};

/* All three kinds of holder begin with their ticket. */
static const char *check_busy(
    const struct reeve_store *store, const struct reeve_extent *extent, struct sums *sums)
{
    uint32_t ticket = *(const uint32_t *)extent->holder;
    if (ticket == 0) {
        const struct store_fetch *fetch = extent->holder;
        CHECK(fetch->object == NULL && fetch->extent == extent);
        sums->wreck_extents++;
        sums->wreck_bytes += store_extent_bytes(extent);
        return NULL;
    }
    const struct store_restore *restore = reeve_map64_get(&store->reads, ticket);
    if (restore == extent->holder) {
        CHECK(restore->extent == extent && !reeve_list_is_linked(&restore->queue_link));
        sums->reading_bytes += store_extent_bytes(extent);
        return NULL;
    }
    const struct store_place *place = reeve_map64_get(&store->writes, ticket);
    CHECK(place == extent->holder && place->extent == extent && place->object == NULL);
    sums->detached_bytes += store_extent_bytes(extent);
    return NULL;
}

static const char *check_arena(
    const struct reeve_store *store, const struct reeve_arena *arena, struct sums *sums)
{
    const char *wrong = reeve_arena_check(arena);
    if (wrong != NULL)
        return wrong;
    REEVE_LIST_EACH(node, &arena->segments)
    {
        struct reeve_segment *segment = REEVE_LIST_ENTRY(node, struct reeve_segment, link);
        CHECK(reeve_map64_get(&store->segments, segment->id) == segment);
        bool idle = segment->used_units == 0 && !segment->is_reserve;
        CHECK(reeve_heap_contains(&segment->deadline) == idle);
        CHECK(!reeve_list_is_linked(&segment->idle_link) || idle || segment->is_reserve);
        sums->segments++;
        sums->touched_bytes += (uint64_t)segment->touched_count * REEVE_STORE_GRAIN;
        for (const struct reeve_extent *extent = segment->first; extent != NULL;
             extent = reeve_extent_after(extent)) {
            if (extent->is_free)
                continue;
            CHECK(extent->holder != NULL);
            if (extent->tag == STORE_TAG_GRANT) {
                const struct store_grant *grant = extent->holder;
                CHECK(grant->extent == extent && &grant->client->arena == arena);
                sums->grant_extents++;
                sums->grant_bytes += store_extent_bytes(extent);
            } else if (extent->tag == STORE_TAG_PREPARED) {
                CHECK(extent == store->preparing);
            } else if (extent->tag == STORE_TAG_RETURNING) {
                CHECK(reeve_segment_cold(extent) == 0);
                sums->returning_bytes += store_extent_bytes(extent);
            } else if (extent->tag == STORE_TAG_BUSY) {
                wrong = check_busy(store, extent, sums);
                if (wrong != NULL)
                    return wrong;
            } else {
                const struct store_object *object = extent->holder;
                CHECK(extent->tag == STORE_TAG_OBJECT && object->extent == extent);
                CHECK(object->pad + object->size <= store_extent_bytes(extent));
                CHECK(store_object_find(store, object->id) == object);
                sums->object_extents++;
            }
        }
    }
    return NULL;
}

static const char *check_client(
    const struct reeve_store *store, const struct store_client *client, struct sums *sums)
{
    const char *wrong = check_arena(store, &client->arena, sums);
    if (wrong != NULL)
        return wrong;
    const struct store_pin *pin = store_pin_first(store, client);
    for (; pin != NULL && pin->object != 0; pin = reeve_slab_at(&store->pins, pin->client_next)) {
        const struct store_object *object = reeve_slab_at(&store->objects, pin->object);
        CHECK(pin->client == client->handle && pin->count > 0 && object->pin_total >= pin->count);
        sums->pins += pin->count;
    }
    uint64_t ahead_count = 0;
    REEVE_LIST_EACH(node, &client->grants)
    {
        const struct store_grant *grant = REEVE_LIST_ENTRY(node, struct store_grant, client_link);
        CHECK(grant->client == client);
        ahead_count += grant->ahead;
        CHECK(reeve_map64_get(&store->grants, store_place_key(grant->extent->segment->id,
                                                  reeve_arena_bytes(grant->extent->offset))) ==
              grant);
        sums->grants++;
    }
    CHECK(client->ahead_count == ahead_count);
    CHECK(!client->closed || reeve_list_is_empty(&client->requests));
    return NULL;
}

/* It will be asked for more when what others have under way has come. */
static bool waits_for_lane(const struct store_fetch *fetch)
{
    REEVE_LIST_EACH(link, &fetch->sources)
    {
        const struct store_source *source = REEVE_LIST_ENTRY(link, struct store_source, link);
        const uint32_t *asked_count = source->lane->asked_count;
        if (reeve_list_is_linked(&source->hungry_link) && asked_count[0] + asked_count[1] > 0)
            return true;
    }
    return false;
}

/* Wrecks as well. */
static const char *check_fetch(const struct reeve_store *store, const struct store_fetch *fetch)
{
    uint32_t asked = 0, wanted = 0, here = 0, given_up = 0, sources = 0, from_sources = 0;
    REEVE_LIST_EACH(link, &fetch->asked)
    {
        const struct store_piece *piece = REEVE_LIST_ENTRY(link, struct store_piece, link);
        CHECK(piece->fetch == fetch && reeve_map64_get(&store->pieces, piece->number) == piece);
        CHECK(piece->source == NULL || piece->source->fetch == fetch);
        given_up += piece->source == NULL;
        asked++;
    }
    REEVE_LIST_EACH(link, &fetch->sources)
    {
        const struct store_source *source = REEVE_LIST_ENTRY(link, struct store_source, link);
        CHECK(source->fetch == fetch);
        CHECK(reeve_map64_get(&store->lanes, source->lane->node) == source->lane);
        CHECK(reeve_heap_contains(&source->deadline) == (source->asked_count > 0));
        CHECK(!reeve_list_is_linked(&source->hungry_link) || fetch->wanted_count > 0);
        from_sources += source->asked_count;
        sources++;
    }
    CHECK(sources == fetch->source_count && from_sources == asked - given_up);
    CHECK(reeve_list_count(&fetch->parked) == fetch->parked_count);
    REEVE_LIST_EACH(link, &fetch->sends)
    {
        const struct store_send *send = REEVE_LIST_ENTRY(link, struct store_send, link);
        CHECK(send->fetch == fetch && send->object == NULL);
        CHECK(reeve_map64_get(&store->sends, send->number) == send);
    }
    if (fetch->object == NULL) {
        CHECK(asked > 0 || !reeve_list_is_empty(&fetch->sends));
        CHECK(sources == 0 && fetch->parked_count == 0);
        CHECK(fetch->extent == NULL || fetch->extent->holder == fetch);
        return NULL;
    }
    for (uint32_t i = 0; fetch->pieces != NULL && i < fetch->piece_count; i++) {
        wanted += fetch->pieces[i] == STORE_PIECE_WANTED;
        here += fetch->pieces[i] == STORE_PIECE_HERE;
        CHECK(fetch->pieces[i] != STORE_PIECE_WANTED || i >= fetch->wanted_from);
    }
    CHECK(wanted == fetch->wanted_count && here == fetch->here_count);
    CHECK(fetch->pieces == NULL || asked == fetch->piece_count - wanted - here);
    /* it goes on: something will come, or time will pass, or there will be room */
    CHECK(asked > 0 || reeve_list_is_linked(&fetch->queue_link) || waits_for_lane(fetch));
    return NULL;
}

static const char *check_lanes(const struct reeve_store *store)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&store->lanes, &at, NULL, &value)) {
        const struct store_lane *lane = value;
        uint32_t asked = 0;
        CHECK(!reeve_list_is_empty(&lane->sources));
        REEVE_LIST_EACH(link, &lane->sources)
        asked += REEVE_LIST_ENTRY(link, struct store_source, lane_link)->asked_count;
        CHECK(asked == lane->asked_count[0] + lane->asked_count[1]);
    }
    REEVE_LIST_EACH(link, &store->wrecks)
    {
        const struct store_fetch *fetch = REEVE_LIST_ENTRY(link, struct store_fetch, link);
        const char *wrong = check_fetch(store, fetch);
        CHECK(fetch->object == NULL);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static const char *check_object(const struct reeve_store *store, const struct store_object *object)
{
    uint64_t pins = 0;
    CHECK(reeve_map64_get(&store->owners, object->owner) != NULL);
    if (object->state == STORE_PULLING) {
        const struct store_fetch *fetch = object->fetch;
        CHECK(fetch->object == object && object->pins == 0 && fetch->extent == NULL);
        CHECK(object->flags == (fetch->damage ? STORE_OBJECT_ON_DISK : STORE_OBJECT_COPY));
        CHECK(fetch->damage != 0 || !reeve_list_is_empty(&fetch->waiters));
        CHECK(fetch->source_count > 0 && (fetch->damage == 0 || fetch->size_known));
        CHECK(object->extent == NULL || !reeve_list_is_linked(&fetch->queue_link));
        CHECK((object->extent != NULL) == (fetch->pieces != NULL));
        return check_fetch(store, fetch);
    }
    bool placed = (object->flags & (STORE_OBJECT_ON_DISK | STORE_OBJECT_WRITING)) != 0;
    const struct store_place *place = store_place_find(store, object);
    CHECK(placed == (place != NULL));
    CHECK(!placed || (place->object == object && place->size == object->size));
    CHECK(!placed || !(object->flags & STORE_OBJECT_COPY));
    CHECK(!placed || (place->ticket != 0) == ((object->flags & STORE_OBJECT_WRITING) != 0));
    CHECK(!(object->flags & STORE_OBJECT_WRITING) || !(object->flags & STORE_OBJECT_ON_DISK));
    if (object->state != STORE_SEALED) {
        CHECK(object->extent == NULL && object->flags == STORE_OBJECT_ON_DISK);
        CHECK(object->pins == 0 && object->pin_total == 0);
        if (object->state == STORE_RESTORING) {
            const struct store_restore *restore = object->restore;
            CHECK(restore->object == object);
            CHECK(reeve_list_is_linked(&restore->queue_link) == (restore->extent == NULL));
            CHECK(restore->extent != NULL || !reeve_list_is_empty(&restore->waiters) ||
                  restore->asks.count > 0);
        }
        return NULL;
    }
    CHECK(object->extent != NULL);
    const struct store_pin *pin = reeve_slab_at(&store->pins, object->pins);
    for (; pin != NULL; pin = reeve_slab_at(&store->pins, pin->next)) {
        CHECK(reeve_slab_at(&store->objects, pin->object) == object);
        pins += pin->count;
    }
    bool anchored = object->flags & STORE_OBJECT_ANCHORED;
    CHECK(pins + anchored == object->pin_total);
    CHECK(!anchored || (object->state == STORE_SEALED && !(object->flags & STORE_OBJECT_FREED)));
    CHECK(!(object->flags & STORE_OBJECT_FREED) || (pins > 0 && object->copies == NULL));
    bool listed = object->flags & (STORE_OBJECT_COPY | STORE_OBJECT_ON_DISK) ||
                  (store_can_spill(store) && !placed && object->size > 0);
    CHECK(reeve_list_is_linked(&object->lru_link) == (listed && object->pin_total == 0));
    return NULL;
}

const char *reeve_store_check(const struct reeve_store *store)
{
    struct sums sums = {0};
    const char *wrong = check_arena(store, &store->orphans, &sums);
    if (wrong == NULL)
        wrong = check_client(store, store->daemon, &sums);
    REEVE_LIST_EACH(node, &store->clients)
    if (wrong == NULL)
        wrong = check_client(store, REEVE_LIST_ENTRY(node, struct store_client, link), &sums);
    REEVE_LIST_EACH(node, &store->dying_clients)
    if (wrong == NULL)
        wrong = check_client(store, REEVE_LIST_ENTRY(node, struct store_client, link), &sums);
    if (wrong != NULL)
        return wrong;

    wrong = check_lanes(store);
    if (wrong != NULL)
        return wrong;
    uint64_t wrecked = 0;
    REEVE_LIST_EACH(node, &store->wrecks)
    wrecked += REEVE_LIST_ENTRY(node, struct store_fetch, link)->extent != NULL;
    CHECK(wrecked == sums.wreck_extents);

    uint64_t objects = 0, placed = 0, pinned_bytes = 0, copy_bytes = 0, owned = 0;
    uint64_t object_bytes = 0, idle_bytes = 0, writing_bytes = 0;
    uint64_t anchored = 0, anchored_bytes = 0;
    for (uint32_t slot = 0; slot < store->table_size + store->table_old_size; slot++) {
        for (const struct store_object *object = store_table_slot(store, slot); object != NULL;
             object = store_table_next(store, object)) {
            CHECK(store_object_find(store, object->id) == object);
            wrong = check_object(store, object);
            if (wrong != NULL)
                return wrong;
            objects++;
            if (object->extent == NULL)
                continue;
            placed++;
            object_bytes += store_extent_bytes(object->extent);
            if (object->pin_total == 0 && object->state == STORE_SEALED &&
                object->flags & (STORE_OBJECT_COPY | STORE_OBJECT_ON_DISK))
                idle_bytes += store_extent_bytes(object->extent);
            if (object->flags & STORE_OBJECT_WRITING)
                writing_bytes += store_extent_bytes(object->extent);
            anchored += (object->flags & STORE_OBJECT_ANCHORED) != 0;
            if (object->flags & STORE_OBJECT_ANCHORED)
                anchored_bytes += store_extent_bytes(object->extent);
            if (object->pin_total > 0)
                pinned_bytes += store_extent_bytes(object->extent);
            if (object->flags & STORE_OBJECT_COPY)
                copy_bytes += store_extent_bytes(object->extent);
        }
    }
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&store->peers, &at, NULL, &value)) {
        const struct store_peer *peer = value;
        CHECK(reeve_map64_get(&store->gone_nodes, peer->node) == NULL);
        CHECK(peer->word_sent <= peer->words.count && peer->word_sent <= STORE_WORDS_AHEAD);
        CHECK(peer->word_sent == STORE_WORDS_AHEAD || peer->word_sent == peer->words.count);
        CHECK(reeve_heap_contains(&peer->deadline) == (peer->word_sent > 0));
    }
    at = 0;
    while (reeve_map64_next(&store->owners, &at, NULL, &value)) {
        const struct store_owner *owner = value;
        uint64_t count = 0;
        for (uint32_t number = owner->objects; number != owner->objects || count == 0; count++) {
            const struct store_object *object = reeve_slab_at(&store->objects, number);
            CHECK(object != NULL && object->owner == owner->process);
            number = object->owner_next;
        }
        CHECK(owner->count == count);
        owned += owner->count;
    }
    CHECK(objects == store->object_count && owned == objects && placed == sums.object_extents);
    CHECK(store->objects.used_count == objects);
    CHECK(sums.grant_extents == sums.grants && sums.grants == reeve_map64_count(&store->grants));
    CHECK(sums.grant_bytes == store->unsealed_bytes);
    CHECK(sums.returning_bytes == store->returning_bytes);
    CHECK(sums.segments == reeve_map64_count(&store->segments));
    CHECK(sums.touched_bytes == store->committed_bytes);
    CHECK(store->committed_bytes <= store->settings.capacity_bytes);
    CHECK(sums.pins + anchored == store->pin_count && anchored_bytes == store->anchored_bytes);
    CHECK(pinned_bytes == store->pinned_bytes && copy_bytes == store->copy_bytes);
    CHECK(object_bytes == store->object_bytes && idle_bytes == store->idle_bytes);
    CHECK(sums.detached_bytes == store->detached_bytes);
    CHECK(sums.wreck_bytes == store->wreck_bytes);
    CHECK(sums.reading_bytes == store->reading_bytes);
    CHECK(writing_bytes + sums.detached_bytes == store->writing_bytes);
    wrong = store_hold_check(store);
    return wrong != NULL ? wrong : store_place_check(store);
}
