/* What is asked of which node, and what becomes of it.
 *
 *     fetch ── sources ── lane of node 2    hungry: | small objects |   | large ones, in turn |
 *                    └─── lane of node 7            ◀─ STORE_WINDOW ─▶  ◀── STORE_WINDOW ───▶
 *
 * A lane is all that comes from one node. It has room for so many pieces under way, small objects
 * and large ones apart, so that a small one never waits for the pieces of a large one; the large
 * ones take turns, piece by piece. Where an object has several sources, each is asked for the next
 * piece that is wanted, whenever its lane has room: the faster one brings more.
 *
 * The best sources are asked, those that have been silent least often; one that would rather have
 * others asked instead (EAGAIN) comes behind its equals, and is told so (INSIST) when it is asked
 * all the same. One from which nothing has come yet gets two questions only. After a time of
 * silence what a source was asked for is called off, to be asked for again, there or elsewhere;
 * a source that is silent several times in a row, does not have the object, lies or dies is
 * given up. */
#include <inttypes.h>
#include <stdio.h>

#include "objectstore/parts.h"

/* --- lanes ------------------------------------------------------------------------------------ */

static struct store_lane *lane_get(struct reeve_store *store, uint32_t node)
{
    struct store_lane *lane = reeve_map64_get(&store->lanes, node);
    if (lane != NULL)
        return lane;
    lane = store_new(sizeof(*lane));
    lane->node = node;
    reeve_list_init(&lane->sources);
    reeve_list_init(&lane->hungry[0]);
    reeve_list_init(&lane->hungry[1]);
    store_put(&store->lanes, node, lane);
    return lane;
}

static bool is_large(const struct reeve_store *store, const struct store_fetch *fetch)
{
    return !store_is_small(store, fetch->object->size);
}

static unsigned rank(const struct store_source *source)
{
    return source->silence_count * 2u + source->referring;
}

static void set_deadline(struct reeve_store *store, struct store_source *source)
{
    reeve_heap_remove(&store->source_deadlines, &source->deadline);
    if (source->asked_count == 0)
        return;
    int error = reeve_heap_insert(
        &store->source_deadlines, &source->deadline, store->now_ns + store->settings.pull_wait_ns);
    REEVE_ASSERT(error == REEVE_OK);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void ask(struct reeve_store *store, struct store_source *source, uint32_t index)
{
    struct store_fetch *fetch = source->fetch;
    const struct store_object *object = fetch->object;
    struct store_piece *piece = store_new(sizeof(*piece));
    piece->fetch = fetch;
    piece->source = source;
    piece->index = index;
    piece->number = ++store->piece_last;
    store_put(&store->pieces, piece->number, piece);
    reeve_list_push_back(&fetch->asked, &piece->link);
    struct reeve_store_command *command = store_command(store, REEVE_STORE_SEND_PULL);
    command->node = source->lane->node;
    command->id = object->id;
    command->number = piece->number;
    command->insist = source->referring;
    if (index != STORE_PROBE) {
        command->offset = store_piece_offset(store, index);
        command->length = store_piece_length(store, object->size, index);
        command->size = object->size;
        command->segment = object->extent->segment->id;
        command->place = store_object_offset(object) + command->offset;
    }
    source->lane->asked_count[is_large(store, fetch)]++;
    if (source->asked_count++ == 0)
        set_deadline(store, source);
}

static uint32_t take_wanted(struct store_fetch *fetch)
{
    while (fetch->pieces[fetch->wanted_from] != STORE_PIECE_WANTED)
        fetch->wanted_from++;
    fetch->pieces[fetch->wanted_from] = STORE_PIECE_ASKED;
    fetch->wanted_count--;
    return fetch->wanted_from++;
}

static void want_again(struct store_fetch *fetch, uint32_t index)
{
    if (index == STORE_PROBE)
        return;
    fetch->pieces[index] = STORE_PIECE_WANTED;
    fetch->wanted_count++;
    fetch->wanted_from = REEVE_MIN(fetch->wanted_from, index);
}

static bool is_hungry(const struct store_source *source, unsigned best)
{
    return source->fetch->wanted_count > 0 && rank(source) == best &&
           (source->proven || source->asked_count < STORE_PROVING);
}

static struct store_source *pick(struct store_lane *lane)
{
    if (!reeve_list_is_empty(&lane->hungry[0]) && lane->asked_count[0] < STORE_WINDOW)
        return REEVE_LIST_ENTRY(lane->hungry[0].next, struct store_source, hungry_link);
    if (lane->asked_count[1] >= STORE_WINDOW)
        lane->filling = false;
    else if (lane->asked_count[1] <= STORE_WINDOW / 2)
        lane->filling = true;
    if (!reeve_list_is_empty(&lane->hungry[1]) && lane->filling)
        return REEVE_LIST_ENTRY(lane->hungry[1].next, struct store_source, hungry_link);
    return NULL;
}

static void feed(struct reeve_store *store, struct store_lane *lane)
{
    struct store_source *source;
    while ((source = pick(lane)) != NULL) {
        struct store_fetch *fetch = source->fetch;
        ask(store, source, take_wanted(fetch));
        reeve_list_remove(&source->hungry_link);
        if (is_hungry(source, rank(source)))
            reeve_list_push_back(&lane->hungry[is_large(store, fetch)], &source->hungry_link);
        if (fetch->wanted_count > 0)
            continue;
        REEVE_LIST_EACH(link, &fetch->sources)
        reeve_list_remove(&REEVE_LIST_ENTRY(link, struct store_source, link)->hungry_link);
    }
}

void store_sources_ask(struct reeve_store *store, struct store_fetch *fetch)
{
    if (fetch->object == NULL || reeve_list_is_linked(&fetch->queue_link) ||
        reeve_list_is_empty(&fetch->sources))
        return;
    struct store_source *first = NULL;
    REEVE_LIST_EACH(link, &fetch->sources)
    {
        struct store_source *source = REEVE_LIST_ENTRY(link, struct store_source, link);
        if (first == NULL || rank(source) < rank(first))
            first = source;
    }
    if (!fetch->size_known) {
        if (reeve_list_is_empty(&fetch->asked))
            ask(store, first, STORE_PROBE);
        return;
    }
    unsigned best = rank(first);
    REEVE_LIST_EACH(link, &fetch->sources)
    {
        struct store_source *source = REEVE_LIST_ENTRY(link, struct store_source, link);
        if (!is_hungry(source, best))
            reeve_list_remove(&source->hungry_link);
        else if (!reeve_list_is_linked(&source->hungry_link))
            reeve_list_push_back(
                &source->lane->hungry[is_large(store, fetch)], &source->hungry_link);
    }
    REEVE_LIST_EACH(link, &fetch->sources)
    feed(store, REEVE_LIST_ENTRY(link, struct store_source, link)->lane);
}

/* --- sources ---------------------------------------------------------------------------------- */

void store_source_add(struct reeve_store *store, struct store_fetch *fetch, uint32_t node)
{
    if (store_is_here(store, node) || fetch->source_count == STORE_SOURCES_MAX ||
        reeve_map64_get(&store->gone_nodes, node) != NULL)
        return;
    REEVE_LIST_EACH(link, &fetch->sources)
    if (REEVE_LIST_ENTRY(link, struct store_source, link)->lane->node == node)
        return;
    struct store_source *source = store_new(sizeof(*source));
    source->fetch = fetch;
    source->lane = lane_get(store, node);
    reeve_list_init(&source->hungry_link);
    reeve_list_push_back(&source->lane->sources, &source->lane_link);
    reeve_list_push_back(&fetch->sources, &source->link);
    fetch->source_count++;
}

/* What it was asked for is not waited for any more: asked for again when that is answered. */
static void call_off(struct reeve_store *store, struct store_source *source)
{
    struct store_fetch *fetch = source->fetch;
    REEVE_LIST_EACH(link, &fetch->asked)
    {
        struct store_piece *piece = REEVE_LIST_ENTRY(link, struct store_piece, link);
        if (piece->source != source)
            continue;
        piece->source = NULL;
        store_command(store, REEVE_STORE_DROP_PULL)->number = piece->number;
    }
    source->lane->asked_count[is_large(store, fetch)] -= source->asked_count;
    source->asked_count = 0;
    set_deadline(store, source);
}

static void source_drop(struct reeve_store *store, struct store_source *source)
{
    struct store_lane *lane = source->lane;
    call_off(store, source);
    reeve_list_remove(&source->hungry_link);
    reeve_list_remove(&source->lane_link);
    reeve_list_remove(&source->link);
    source->fetch->source_count--;
    free(source);
    if (reeve_list_is_empty(&lane->sources)) {
        reeve_map64_remove(&store->lanes, lane->node);
        free(lane);
    } else {
        feed(store, lane); /* what it had under way makes room */
    }
}

void store_sources_drop(struct reeve_store *store, struct store_fetch *fetch)
{
    fetch->wanted_count = 0; /* nothing is asked for any more */
    REEVE_LIST_EACH(link, &fetch->sources)
    reeve_list_remove(&REEVE_LIST_ENTRY(link, struct store_source, link)->hungry_link);
    while (!reeve_list_is_empty(&fetch->sources))
        source_drop(store, REEVE_LIST_ENTRY(fetch->sources.next, struct store_source, link));
}

/* It is no good; `why` ends the sentence that begins with the object's name. Who holds an object
 * and is told that it is not there (ELOST) knows more: only its owner's end can have done that. */
static void source_failed(
    struct reeve_store *store, struct store_source *source, int code, const char *why)
{
    struct store_fetch *fetch = source->fetch;
    uint32_t node = source->lane->node;
    source_drop(store, source);
    if (code == REEVE_ETIMEDOUT && fetch->silent_node == 0)
        fetch->silent_node = node;
    fetch->unsure |= code != REEVE_ELOST;
    if (fetch->source_count > 0) {
        store_sources_ask(store, fetch);
        return;
    }
    char name[64], last[STORE_NODE_SIZE], other[STORE_NODE_SIZE], text[REEVE_STORE_TEXT_SIZE];
    store_object_name(fetch->object->id, name, sizeof(name));
    if (fetch->damage != 0) {
        store_restore_describe(store, fetch->object, fetch->damage, text, sizeof(text));
        store_pull_fail(store, fetch, REEVE_ECORRUPT, text);
        return;
    }
    bool gone = code == REEVE_ELOST && fetch->held && !fetch->unsure;
    store_node_name(store, node, last, sizeof(last));
    store_node_name(store, fetch->silent_node, other, sizeof(other));
    int length = snprintf(text, sizeof(text), "%s is %s: ", name, gone ? "gone" : "lost");
    if (fetch->silent_node != 0 && fetch->silent_node != node)
        length += snprintf(text + length, sizeof(text) - (size_t)length,
            "node %.40s does not answer, and ", other);
    snprintf(text + length, sizeof(text) - (size_t)length, "node %s %s", last,
        gone ? "does not have it any more; its owner has ended" : why);
    store_pull_fail(store, fetch,
        gone                     ? REEVE_EOWNERDIED
        : code == REEVE_ECORRUPT ? code
                                 : REEVE_ELOST,
        text);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* The place is free again; NULL: nobody wants it any more. */
static struct store_fetch *piece_end(
    struct reeve_store *store, struct store_piece *piece, struct store_source **ret_source)
{
    struct store_fetch *fetch = piece->fetch;
    struct store_source *source = *ret_source = piece->source;
    reeve_list_remove(&piece->link);
    free(piece);
    if (fetch->object == NULL) {
        store_pull_settle(store, fetch);
        return NULL;
    }
    if (source != NULL) {
        source->asked_count--;
        source->lane->asked_count[is_large(store, fetch)]--;
    }
    return fetch;
}

static bool fits(const struct reeve_store *store, const struct store_fetch *fetch, uint32_t index,
    const struct reeve_store_event *event)
{
    if (index == STORE_PROBE)
        return event->length == 0;
    return event->size == fetch->object->size &&
           event->length == store_piece_length(store, event->size, index);
}

static const char *why_not(int code)
{
    switch (code) {
    case REEVE_OK:
    case REEVE_EPROTOCOL: return "sent a piece that does not fit";
    case REEVE_ECORRUPT: return "cannot read it from its disk";
    default: return "does not have it";
    }
}

void store_source_answer(struct reeve_store *store, const struct reeve_store_event *event)
{
    struct store_piece *piece = reeve_map64_remove(&store->pieces, event->number);
    if (piece == NULL) {
        store->stale_count++;
        return;
    }
    struct store_source *source;
    uint32_t index = piece->index;
    struct store_fetch *fetch = piece_end(store, piece, &source);
    if (fetch == NULL)
        return;
    bool good = event->code == REEVE_OK && fits(store, fetch, index, event);
    if (good && source != NULL) {
        source->silence_count = 0;
        source->proven |= index != STORE_PROBE;
    }
    if (source != NULL)
        set_deadline(store, source);
    store_source_add(store, fetch, event->other);
    if (good && index == STORE_PROBE) {
        if (source != NULL)
            feed(store, source->lane); /* it has room for others now */
        store_pull_sized(store, fetch, event->size);
        return;
    }
    if (good) {
        store_pull_landed(store, fetch, index);
        return;
    }
    if (event->code == REEVE_ESYSTEM) { /* to ask anywhere else would not help */
        store_pull_fail(
            store, fetch, REEVE_ESYSTEM, "the node daemon could not make shared memory");
        return;
    }
    want_again(fetch, index);
    bool again = event->code == REEVE_ELINK || event->code == REEVE_ECANCELLED ||
                 event->code == REEVE_EAGAIN;
    if (source != NULL && event->code == REEVE_EAGAIN)
        source->referring = true;
    if (source != NULL && !again)
        source_failed(store, source, event->code, why_not(event->code));
    else
        store_sources_ask(store, fetch);
}

void store_source_busy(struct reeve_store *store, uint64_t number)
{
    const struct store_piece *piece = reeve_map64_get(&store->pieces, number);
    if (piece == NULL || piece->source == NULL)
        return;
    piece->source->silence_count = 0;
    set_deadline(store, piece->source);
}

void store_source_lacks(struct reeve_store *store, struct store_fetch *fetch, uint32_t node)
{
    REEVE_LIST_EACH(link, &fetch->sources)
    {
        struct store_source *source = REEVE_LIST_ENTRY(link, struct store_source, link);
        if (source->lane->node != node)
            continue;
        source_failed(store, source, REEVE_ELOST, "does not have it");
        return;
    }
}

void store_source_peer_down(struct reeve_store *store, uint32_t node)
{
    struct store_lane *lane = reeve_map64_get(&store->lanes, node);
    for (int i = 0; lane != NULL && i < 2; i++)
        while (reeve_list_pop_front(&lane->hungry[i]) != NULL)
            continue;
    while ((lane = reeve_map64_get(&store->lanes, node)) != NULL)
        source_failed(store, REEVE_LIST_ENTRY(lane->sources.next, struct store_source, lane_link),
            REEVE_ELINK, "has died");
}

void store_source_tick(struct reeve_store *store)
{
    struct reeve_heap_node *node;
    while (
        (node = reeve_heap_peek(&store->source_deadlines)) != NULL && node->key <= store->now_ns) {
        struct store_source *source = REEVE_CONTAINER_OF(node, struct store_source, deadline);
        if (++source->silence_count >= STORE_SILENCES_MAX) {
            source_failed(store, source, REEVE_ETIMEDOUT, "does not answer");
        } else {
            call_off(store, source);
            store_sources_ask(store, source->fetch);
        }
    }
}
