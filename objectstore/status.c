/* What the store tells about itself, and the audit of its tables. */
#include <string.h>

#include "objectstore/parts.h"

uint64_t store_used_bytes(const struct reeve_store *store)
{
    uint64_t units = store->orphans.used_units + store->daemon->arena.used_units;
    REEVE_LIST_EACH(node, &store->clients)
    units += REEVE_LIST_ENTRY(node, struct store_client, link)->arena.used_units;
    REEVE_LIST_EACH(node, &store->dying_clients)
    units += REEVE_LIST_ENTRY(node, struct store_client, link)->arena.used_units;
    uint64_t preparing = store->preparing != NULL ? store_extent_bytes(store->preparing) : 0;
    return reeve_arena_bytes(units) - preparing - store->returning_bytes;
}

void reeve_store_status(const struct reeve_store *store, struct reeve_store_status *ret)
{
    uint64_t untold = 0;
    size_t at = 0;
    void *peer;
    while (reeve_map64_next(&store->peers, &at, NULL, &peer))
        untold += ((const struct store_peer *)peer)->words.count;
    *ret = (struct reeve_store_status){
        .capacity_bytes = store->settings.capacity_bytes,
        .committed_bytes = store->committed_bytes,
        .used_bytes = store_used_bytes(store),
        .unsealed_bytes = store->unsealed_bytes,
        .copy_bytes = store->copy_bytes,
        .pinned_bytes = store->pinned_bytes,
        .anchored_bytes = store->anchored_bytes,
        .growth_bytes = store->growth_bytes,
        .object_count = store->object_count,
        .pin_count = store->pin_count,
        .hold_count = store->hold_count,
        .segment_count = reeve_map64_count(&store->segments),
        .client_count = reeve_map64_count(&store->client_by_handle),
        .pull_count = reeve_list_count(&store->fetches) + reeve_list_count(&store->wrecks),
        .send_count = reeve_map64_count(&store->sends),
        .queue_count = reeve_list_count(&store->create_queue) +
                       reeve_list_count(&store->pull_queue) +
                       reeve_list_count(&store->restore_queue),
        .untold_count = untold,
        .evicted_count = store->evicted_count,
        .pulled_count = store->pulled_count,
        .refused_count = store->refused_count,
        .stale_count = store->stale_count,
        .spilled_bytes = store->live_bytes,
        .spilled_count = reeve_map64_count(&store->places),
        .disk_bytes = store->kept_grains * REEVE_STORE_GRAIN,
        .disk_limit_bytes = store->settings.spill_limit_bytes,
        .writing_bytes = store->writing_bytes,
        .restoring_count =
            reeve_map64_count(&store->reads) + reeve_list_count(&store->restore_queue),
        .folder_count = store->settings.spill_folder_count,
        .folder_failed_count = store_spill_failed_folders(store),
        .written_count = store->written_count,
        .written_bytes = store->written_bytes,
        .restored_count = store->restored_count,
        .restored_bytes = store->restored_bytes,
        .spill_failed_count = store->spill_failed_count,
        .spill_damaged_count = store->spill_damaged_count,
        .spill_mended_count = store->spill_mended_count,
    };
    const struct store_folder *worst = &store->folders[0];
    for (uint32_t i = 1; i < ret->folder_count; i++) {
        const struct store_folder *folder = &store->folders[i];
        if ((folder->code != 0) > (worst->code != 0) ||
            ((folder->code != 0) == (worst->code != 0) && worst->why[0] == '\0' &&
                folder->why[0] != '\0'))
            worst = folder;
    }
    ret->folder_worst = (uint32_t)(worst - store->folders);
    memcpy(ret->folder_why, worst->why, sizeof(ret->folder_why));
}

bool reeve_store_knows(const struct reeve_store *store, struct reeve_object_id id)
{
    return store_object_find(store, id) != NULL;
}

bool reeve_store_find(const struct reeve_store *store, struct reeve_object_id id,
    uint32_t *ret_segment, uint64_t *ret_offset, uint64_t *ret_size)
{
    const struct store_object *object = store_object_find(store, id);
    if (object == NULL || object->state != STORE_SEALED || object->flags & STORE_OBJECT_FREED)
        return false;
    *ret_segment = object->extent->segment->id;
    *ret_offset = store_object_offset(object);
    *ret_size = object->size;
    return true;
}

static const char *state_name(const struct store_object *object)
{
    static const char *const names[] = {"pulling", "sealed", "spilled", "restoring"};
    return object->flags & STORE_OBJECT_WRITING ? "spilling" : names[object->state];
}

static void describe_holders(const struct reeve_store *store, const struct store_object *object,
    struct reeve_store_object_info *ret)
{
    const struct store_pin *pin = reeve_slab_at(&store->pins, object->pins);
    for (; pin != NULL; pin = reeve_slab_at(&store->pins, pin->next)) {
        uint32_t at = ret->pinner_count++;
        const struct store_client *client = reeve_map64_get(&store->client_by_handle, pin->client);
        if (at >= REEVE_STORE_NAMED_MAX)
            continue;
        ret->pinners[at].process = client != NULL ? client->process : REEVE_PROCESS_NONE;
        ret->pinners[at].pin_count = pin->count;
    }
    for (const struct store_copy *copy = object->copies; copy != NULL; copy = copy->next) {
        if (ret->copy_count < REEVE_STORE_NAMED_MAX)
            ret->copy_nodes[ret->copy_count] = copy->peer->node;
        ret->copy_count++;
    }
}

/* The cursor is a number of the slab: objects do not move there. */
bool reeve_store_next_object(
    const struct reeve_store *store, uint64_t *cursor, struct reeve_store_object_info *ret)
{
    uint32_t number = (uint32_t)*cursor;
    while ((number = reeve_slab_next(&store->objects, number)) != 0) {
        const struct store_object *object = reeve_slab_at(&store->objects, number);
        if (object->id.sequence == REEVE_STORE_ALL)
            continue;
        *ret = (struct reeve_store_object_info){
            .id = object->id,
            .owner = store_is_nobody(object->owner) ? REEVE_PROCESS_NONE : object->owner,
            .size = object->size,
            .segment = object->extent != NULL ? object->extent->segment->id : 0,
            .pin_count = object->pin_total,
            .copy = object->flags & STORE_OBJECT_COPY,
            .freed = object->flags & STORE_OBJECT_FREED,
            .state = state_name(object),
        };
        describe_holders(store, object, ret);
        *cursor = number;
        return true;
    }
    return false;
}

static void add_layout(const struct reeve_arena *arena, struct reeve_store_layout *ret)
{
    uint64_t units = 0;
    uint32_t largest = reeve_arena_largest_free(arena);
    REEVE_LIST_EACH(node, &arena->segments)
    {
        const struct reeve_segment *segment = REEVE_LIST_ENTRY(node, struct reeve_segment, link);
        units += segment->units;
        for (const struct reeve_extent *extent = segment->first; segment->whole && extent != NULL;
             extent = reeve_extent_after(extent))
            if (extent->is_free)
                largest = REEVE_MAX(largest, extent->units);
    }
    ret->segment_bytes += reeve_arena_bytes(units);
    ret->free_bytes += reeve_arena_bytes(units - arena->used_units);
    ret->largest_free_bytes = REEVE_MAX(ret->largest_free_bytes, reeve_arena_bytes(largest));
}

void reeve_store_layout(const struct reeve_store *store, struct reeve_store_layout *ret)
{
    *ret = (struct reeve_store_layout){0};
    add_layout(&store->orphans, ret);
    add_layout(&store->daemon->arena, ret);
    REEVE_LIST_EACH(node, &store->clients)
    add_layout(&REEVE_LIST_ENTRY(node, struct store_client, link)->arena, ret);
    REEVE_LIST_EACH(node, &store->dying_clients)
    add_layout(&REEVE_LIST_ENTRY(node, struct store_client, link)->arena, ret);
}

const char *reeve_store_event_name(enum reeve_store_event_kind kind)
{
    static const char *const names[REEVE_STORE_EVENT_KIND_COUNT] = {"tick", "node", "host",
        "memory", "client added", "client hungry", "client closed", "client reaped", "create",
        "seal", "abort", "get", "cancel", "unpin", "free", "give", "hold", "peer free", "peer hold",
        "peer give", "peer freed", "peer pull", "peer chunk", "peer busy", "sent", "peer reset",
        "peer down", "owner gone", "segment prepared", "segment returned", "spill written",
        "spill read done"};
    _Static_assert(REEVE_STORE_EVENT_KIND_COUNT == 32, "each has a name");
    return (unsigned)kind < REEVE_ARRAY_COUNT(names) ? names[kind] : "unknown";
}

const char *reeve_store_command_name(enum reeve_store_command_kind kind)
{
    static const char *const names[REEVE_STORE_COMMAND_KIND_COUNT] = {"none", "segment create",
        "segment show", "segment hide", "segment punch", "segment drop", "reply create",
        "reply seal", "reply get", "send pull", "drop pull", "send chunk", "send free",
        "segment prepare", "segment ready", "segment return", "spill write", "spill read",
        "spill punch", "spill close", "relax"};
    return (unsigned)kind < REEVE_ARRAY_COUNT(names) ? names[kind] : "unknown";
}

/* --- audit ------------------------------------------------------------------------------------ */

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
    REEVE_LIST_EACH(node, &client->grants)
    {
        const struct store_grant *grant = REEVE_LIST_ENTRY(node, struct store_grant, client_link);
        CHECK(grant->client == client);
        CHECK(reeve_map64_get(&store->grants, store_place_key(grant->extent->segment->id,
                                                  reeve_arena_bytes(grant->extent->offset))) ==
              grant);
        sums->grants++;
    }
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
