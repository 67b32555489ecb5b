/* What other nodes ask for: pieces of objects that are here, or on their way here.
 *
 *     PEER_PULL ─▶ here ─────────────▶ SEND_CHUNK ... SENT      (its bytes are held in between)
 *               ├─ on disk ──────────▶ "it takes a while" ─▶ when it has been read back
 *               ├─ not here yet ─────▶ parked ─▶ when it is here, or never will be
 *               └─ has been sent to enough others ─▶ ask that one instead (EAGAIN)
 *
 * A large object spreads by itself. Its primary knows who has asked for it, in which order. The
 * first STORE_DIRECT_MAX get all that they want (the second is told of the first); whoever comes
 * later is referred to two of those before it, those with the fewest so far. They need not have it
 * all: they serve what they have, and park what they do not have yet.
 *
 *     primary ──▶ A ──▶ C ──▶ E
 *        └──────▶ B ──▶ D ...             E asks two of A, B, C, D
 *
 * As everybody is referred to earlier ones only, nobody waits in a circle; and one whom all it was
 * referred to have failed insists, and is served. */
#include "objectstore/parts.h"

static struct reeve_store_command *answer(
    struct reeve_store *store, uint32_t node, struct reeve_object_id id, uint64_t number, int code)
{
    struct reeve_store_command *command = store_command(store, REEVE_STORE_SEND_CHUNK);
    command->node = node;
    command->id = id;
    command->number = number;
    command->code = code;
    return command;
}

/* The bytes at `offset` of what has been given an extent; whoever reads them holds that. */
static struct reeve_store_command *send_out(struct reeve_store *store, uint32_t node,
    const struct store_object *object, uint64_t number, uint64_t offset, uint64_t length)
{
    struct store_send *send = store_new(sizeof(*send));
    send->number = ++store->send_last;
    reeve_list_init(&send->link);
    store_put(&store->sends, send->number, send);
    struct reeve_store_command *command = answer(store, node, object->id, number, REEVE_OK);
    command->offset = offset;
    command->length = length;
    command->size = object->size;
    command->segment = object->extent->segment->id;
    command->place = store_object_offset(object) + offset;
    command->serial = send->number;
    return command;
}

static struct store_send *send_of(struct reeve_store *store, uint64_t number)
{
    return reeve_map64_get(&store->sends, number);
}

static void send_sealed(struct reeve_store *store, uint32_t node, struct store_object *object,
    uint64_t number, uint64_t offset, uint64_t length, uint32_t other)
{
    struct reeve_store_command *command = send_out(store, node, object, number, offset, length);
    command->other = other;
    send_of(store, command->serial)->object = object;
    store_pin(store, object, store->daemon);
}

static void send_pulling(struct reeve_store *store, uint32_t node, struct store_fetch *fetch,
    uint64_t number, uint32_t index)
{
    const struct store_object *object = fetch->object;
    struct store_send *send =
        send_of(store, send_out(store, node, object, number, store_piece_offset(store, index),
                           store_piece_length(store, object->size, index))
                           ->serial);
    send->fetch = fetch;
    reeve_list_push_back(&fetch->sends, &send->link);
}

void store_serve_sent(struct reeve_store *store, uint64_t number)
{
    struct store_send *send = reeve_map64_remove(&store->sends, number);
    if (send == NULL) {
        store->stale_count++;
        return;
    }
    struct store_object *object = send->object;
    struct store_fetch *fetch = send->fetch;
    reeve_list_remove(&send->link);
    free(send);
    if (object != NULL)
        store_unpin(store, object, store->daemon);
    else
        store_pull_settle(store, fetch);
}

/* --- who is sent what by whom ----------------------------------------------------------------- */

/* Of those who have asked before: the one to whom the fewest have been referred. */
static struct store_copy *pick_earlier(const struct store_copy *copy)
{
    struct store_copy *best = NULL;
    for (struct store_copy *other = copy->next; other != NULL; other = other->next)
        if (best == NULL || other->children_count <= best->children_count)
            best = other;
    return best;
}

static uint32_t refer(struct store_copy *copy)
{
    struct store_copy *other = pick_earlier(copy);
    if (other == NULL)
        return 0;
    if (copy->referred_count < STORE_DIRECT_MAX) {
        copy->referred_count++;
        other->children_count++;
    }
    return other->peer->node;
}

static bool is_direct(
    const struct store_object *object, const struct store_copy *copy, bool insists)
{
    uint32_t count = 0;
    if (copy->direct || insists || copy->next == NULL)
        return true;
    for (const struct store_copy *other = object->copies; other != NULL; other = other->next)
        count += other->direct;
    return count < STORE_DIRECT_MAX;
}

/* --- what is asked for ------------------------------------------------------------------------ */

static void send_here(struct reeve_store *store, struct store_object *object, uint32_t node,
    uint64_t number, uint64_t offset, uint64_t length, uint32_t other)
{
    length = REEVE_MIN(length, (uint64_t)store->settings.piece_size_bytes);
    send_sealed(
        store, node, object, number, offset, REEVE_MIN(length, object->size - offset), other);
}

/* In memory, or on disk. */
static void pull_here(
    struct reeve_store *store, struct store_object *object, const struct reeve_store_event *event)
{
    struct store_copy *copy = store_copy_note(store, object, event->node);
    uint32_t other = 0;
    if (!(object->flags & STORE_OBJECT_COPY) && !store_is_small(store, object->size)) {
        if (!is_direct(object, copy, event->flags & REEVE_STORE_INSIST)) {
            answer(store, event->node, object->id, event->number, REEVE_EAGAIN)->other =
                refer(copy);
            return;
        }
        if (!copy->direct && !(event->flags & REEVE_STORE_INSIST))
            other = refer(copy);
        copy->direct = true;
    }
    if (object->state == STORE_SEALED) {
        send_here(store, object, event->node, event->number, event->offset, event->length, other);
        store_object_settle(store, object); /* it has been used */
    } else {
        answer(store, event->node, object->id, event->number, REEVE_EAGAIN); /* it takes a while */
        store_restore_ask(store, object, event);
    }
}

void store_serve_ask(
    struct reeve_store *store, struct store_object *object, const struct store_ask *ask, int code)
{
    if (reeve_map64_get(&store->gone_nodes, ask->node) != NULL)
        return;
    if (code == REEVE_OK)
        send_here(store, object, ask->node, ask->number, ask->offset, ask->length, 0);
    else
        answer(store, ask->node, object->id, ask->number, code);
}

static void pull_pulling(
    struct reeve_store *store, struct store_fetch *fetch, const struct reeve_store_event *event)
{
    struct reeve_object_id id = fetch->object->id;
    uint64_t index = event->offset / store->settings.piece_size_bytes;
    if (event->offset % store->settings.piece_size_bytes != 0 ||
        event->length != store_piece_length(store, fetch->object->size, (uint32_t)index)) {
        answer(store, event->node, id, event->number, REEVE_EPROTOCOL);
        return;
    }
    if (fetch->pieces != NULL && fetch->pieces[index] == STORE_PIECE_HERE) {
        send_pulling(store, event->node, fetch, event->number, (uint32_t)index);
    } else if (fetch->parked_count == STORE_PARKED_MAX) {
        answer(store, event->node, id, event->number, REEVE_ELOST);
    } else {
        struct store_parked *parked = store_new(sizeof(*parked));
        parked->node = event->node;
        parked->number = event->number;
        parked->index = (uint32_t)index;
        reeve_list_push_back(&fetch->parked, &parked->link);
        fetch->parked_count++;
    }
    store_copy_note(store, fetch->object, event->node);
    if (fetch->damage != 0) /* else each would wait for the other */
        store_source_lacks(store, fetch, event->node);
}

static void say_size(
    struct reeve_store *store, struct store_object *object, const struct reeve_store_event *event)
{
    if (object->size == 0) /* that makes it a copy: there is no piece to ask for */
        store_copy_note(store, object, event->node);
    answer(store, event->node, event->id, event->number, REEVE_OK)->size = object->size;
}

void store_serve_pull(struct reeve_store *store, const struct reeve_store_event *event)
{
    struct store_object *object = store_object_find(store, event->id);
    bool pulling = object != NULL && object->state == STORE_PULLING;
    if (reeve_map64_get(&store->gone_nodes, event->node) != NULL)
        return;
    if (object == NULL || object->flags & STORE_OBJECT_FREED ||
        (pulling && !object->fetch->size_known))
        answer(store, event->node, event->id, event->number, REEVE_ELOST);
    else if (event->length == 0)
        say_size(store, object, event);
    else if (event->offset >= object->size)
        answer(store, event->node, event->id, event->number, REEVE_EPROTOCOL);
    else if (pulling)
        pull_pulling(store, object->fetch, event);
    else
        pull_here(store, object, event);
}

/* --- what is parked --------------------------------------------------------------------------- */

static void parked_free(struct store_fetch *fetch, struct store_parked *parked)
{
    reeve_list_remove(&parked->link);
    fetch->parked_count--;
    free(parked);
}

void store_serve_parked(struct reeve_store *store, struct store_fetch *fetch, uint32_t index)
{
    REEVE_LIST_EACH_SAFE(link, &fetch->parked)
    {
        struct store_parked *parked = REEVE_LIST_ENTRY(link, struct store_parked, link);
        if (parked->index != index)
            continue;
        send_pulling(store, parked->node, fetch, parked->number, index);
        parked_free(fetch, parked);
    }
}

void store_serve_refuse(struct reeve_store *store, struct store_fetch *fetch)
{
    REEVE_LIST_EACH_SAFE(link, &fetch->parked)
    {
        struct store_parked *parked = REEVE_LIST_ENTRY(link, struct store_parked, link);
        answer(store, parked->node, fetch->object->id, parked->number,
            fetch->damage != 0 ? REEVE_ECORRUPT : REEVE_ELOST);
        parked_free(fetch, parked);
    }
}

void store_serve_sealed(
    struct reeve_store *store, struct store_fetch *fetch, struct store_object *object)
{
    REEVE_LIST_EACH_SAFE(link, &fetch->sends)
    {
        struct store_send *send = REEVE_LIST_ENTRY(link, struct store_send, link);
        reeve_list_remove(&send->link);
        send->fetch = NULL;
        send->object = object;
        store_pin(store, object, store->daemon);
    }
}

void store_serve_forget(struct reeve_store *store, uint32_t node)
{
    REEVE_LIST_EACH(at, &store->fetches)
    {
        struct store_fetch *fetch = REEVE_LIST_ENTRY(at, struct store_fetch, link);
        REEVE_LIST_EACH_SAFE(link, &fetch->parked)
        {
            struct store_parked *parked = REEVE_LIST_ENTRY(link, struct store_parked, link);
            if (parked->node == node)
                parked_free(fetch, parked);
        }
    }
}
