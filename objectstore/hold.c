/* Who needs an object besides its owner: processes that were lent it with a call and keep it.
 *
 *     process P ──HOLD──▶ its daemon ──word──▶ the node where the object lies: {P, token}
 *         ◀──────────── known ◀──acknowledged────┘
 *     ⋮  whoever lent it keeps it until P's call is answered, and that is after HOLD was
 *     owner ────FREE───────────────────────────▶ not yet: P holds it
 *     process P ──FREE, held──▶ … ──word───────▶ the last one: now it goes
 *
 * Who holds it may hand it on, in a result: that is a hold of its own, which becomes the heir's by
 * a word that says both, so that it does no harm when it comes twice, however late:
 *
 *     P ──HOLD, heir Q──▶ … ──HOLD {P, token}, MOVE {P, token} to Q──▶ {Q, token}
 *
 * How Q hears of it, whatever becomes of P, is told in gift.c.
 *
 * An actor is held in the same way, by a name like that of an object, on its owner's node. There is
 * nothing to free: when its owner has said FREE, and nobody holds it any more, the owner is told
 * (OVER), and ends it.
 *
 * tests/model/gift.pml has the rules (HELD). They are kept only where the primary copy lies, as
 * a set of (object, process, token): the token tells several holds of one process apart, so that
 * a word that comes twice does no harm. What a process held goes with it, and with its node. An
 * owner's death frees what it owned, held or not: those who hold it are told REEVE_EOWNERDIED
 * when they ask. */
#include "objectstore/parts.h"

struct store_held {
    struct reeve_object_id id;
    struct store_held *next; /* of those with the same key */
    struct store_hold *holds;
    bool freed; /* its owner needs it no more */
};

struct store_hold {
    struct store_held *held;
    struct store_hold *next; /* of the object */
    reeve_process_id holder;
    uint64_t token;
    struct reeve_list holder_link;
};

struct store_holder {
    struct reeve_list holds;
};

/* ---- the sets -------------------------------------------------------------------------------- */

static struct store_held *held_find(const struct reeve_store *store, struct reeve_object_id id)
{
    struct store_held *held = reeve_map64_get(&store->held, reeve_object_id_key(id));
    while (held != NULL && !reeve_object_id_equal(held->id, id))
        held = held->next;
    return held;
}

static struct store_held *held_add(struct reeve_store *store, struct reeve_object_id id)
{
    struct store_held *held = store_new(sizeof(*held));
    held->id = id;
    held->next = reeve_map64_remove(&store->held, reeve_object_id_key(id));
    store_put(&store->held, reeve_object_id_key(id), held);
    return held;
}

static void held_remove(struct reeve_store *store, struct store_held *held)
{
    uint64_t key = reeve_object_id_key(held->id);
    struct store_held *first = reeve_map64_remove(&store->held, key), **slot = &first;
    while (*slot != held)
        slot = &(*slot)->next;
    *slot = held->next;
    if (first != NULL)
        store_put(&store->held, key, first);
    free(held);
}

void store_hold(
    struct reeve_store *store, struct reeve_object_id id, reeve_process_id holder, uint64_t token)
{
    if (store_owner_is_gone(store, holder)) {
        store->stale_count++;
        return;
    }
    struct store_held *held = held_find(store, id);
    for (struct store_hold *hold = held != NULL ? held->holds : NULL; hold; hold = hold->next)
        if (hold->holder == holder && hold->token == token)
            return;
    if (held == NULL)
        held = held_add(store, id);
    struct store_holder *by = reeve_map64_get(&store->holders, holder);
    if (by == NULL) {
        by = store_new(sizeof(*by));
        reeve_list_init(&by->holds);
        store_put(&store->holders, holder, by);
    }
    struct store_hold *hold = store_new(sizeof(*hold));
    *hold =
        (struct store_hold){.held = held, .next = held->holds, .holder = holder, .token = token};
    held->holds = hold;
    reeve_list_push_back(&by->holds, &hold->holder_link);
    store->hold_count++;
}

/* Nobody holds the actor any more. */
static void actor_over(struct reeve_store *store, struct reeve_object_id id)
{
    const struct store_client *client = reeve_map64_get(&store->client_by_process, id.owner);
    if (client == NULL)
        return; /* it has ended with its owner */
    struct reeve_store_command *command = store_command(store, REEVE_STORE_OVER);
    command->client = client->handle;
    command->id = id;
}

void store_actor_free(struct reeve_store *store, struct reeve_object_id id)
{
    struct store_held *held = held_find(store, id);
    if (held != NULL)
        held->freed = true;
    else
        actor_over(store, id);
}

static void hold_drop(struct reeve_store *store, struct store_hold *hold)
{
    struct store_held *held = hold->held;
    struct store_hold **slot = &held->holds;
    struct store_holder *by = reeve_map64_get(&store->holders, hold->holder);
    while (*slot != hold)
        slot = &(*slot)->next;
    *slot = hold->next;
    reeve_list_remove(&hold->holder_link);
    if (reeve_list_is_empty(&by->holds)) {
        reeve_map64_remove(&store->holders, hold->holder);
        free(by);
    }
    free(hold);
    store->hold_count--;
    if (held->holds != NULL)
        return;
    struct store_object *object = held->freed ? store_object_find(store, held->id) : NULL;
    if (held->freed && reeve_object_id_is_actor(held->id))
        actor_over(store, held->id);
    held_remove(store, held);
    if (object != NULL && !(object->flags & (STORE_OBJECT_COPY | STORE_OBJECT_FREED)))
        store_object_free(store, object, REEVE_ELOST);
}

void store_unhold(
    struct reeve_store *store, struct reeve_object_id id, reeve_process_id holder, uint64_t token)
{
    struct store_held *held = held_find(store, id);
    for (struct store_hold *hold = held != NULL ? held->holds : NULL; hold; hold = hold->next) {
        if (hold->holder == holder && hold->token == token) {
            hold_drop(store, hold);
            return;
        }
    }
}

/* ---- handed on ------------------------------------------------------------------------------- */

static void hold_move(struct reeve_store *store, struct reeve_object_id id, reeve_process_id holder,
    uint64_t token, reeve_process_id heir)
{
    const struct store_held *held = held_find(store, id);
    struct store_hold *hold = held != NULL ? held->holds : NULL;
    while (hold != NULL && (hold->holder != holder || hold->token != token))
        hold = hold->next;
    if (hold == NULL || holder == heir)
        return;
    store_hold(store, id, heir, token);
    hold_drop(store, hold);
}

void store_hold_hand(
    struct reeve_store *store, const struct reeve_store_event *event, reeve_process_id holder)
{
    hold_move(store, event->id, holder, event->number, event->heir);
    store_gift_tell(store, &(struct store_word){.id = event->id,
                               .holder = event->heir,
                               .token = event->number,
                               .call = event->call,
                               .attempt = event->attempt});
}

bool store_hold_defers(struct reeve_store *store, const struct store_object *object)
{
    struct store_held *held =
        object->flags & STORE_OBJECT_COPY ? NULL : held_find(store, object->id);
    if (held != NULL)
        held->freed = true;
    return held != NULL;
}

void store_holder_gone(struct reeve_store *store, reeve_process_id process)
{
    struct store_holder *by;
    while ((by = reeve_map64_get(&store->holders, process)) != NULL)
        hold_drop(store, REEVE_LIST_ENTRY(by->holds.next, struct store_hold, holder_link));
}

void store_hold_peer_down(struct reeve_store *store, uint32_t node)
{
    size_t at = 0;
    uint64_t process;
    while (reeve_map64_next(&store->holders, &at, &process, NULL)) {
        if (reeve_process_node(process) != node)
            continue;
        store_holder_gone(store, process);
        at = 0; /* the map has changed */
    }
    REEVE_LIST_EACH_SAFE(link, &store->hold_waits)
    {
        struct store_hold_wait *wait = REEVE_LIST_ENTRY(link, struct store_hold_wait, link);
        if (wait->node == node)
            store_hold_answer(store, wait, REEVE_ELOST, "it was on a node that has died");
    }
}

/* ---- holders of this node, of what lies elsewhere -------------------------------------------- */

/* Answers, and forgets it. */
void store_hold_answer(
    struct reeve_store *store, struct store_hold_wait *wait, int code, const char *text)
{
    struct reeve_store_event event = {
        .client = wait->client, .request = wait->request, .id = wait->id};
    reeve_list_remove(&wait->link);
    free(wait);
    store_reply_seal(store, &event, NULL, code, text);
}

void store_hold_ask(
    struct reeve_store *store, const struct reeve_store_event *event, reeve_process_id holder)
{
    if (store_is_here(store, event->node)) {
        if (reeve_object_id_is_actor(event->id) && store_owner_is_gone(store, event->id.owner)) {
            store_reply_seal(store, event, NULL, REEVE_EOWNERDIED,
                "the process that made the actor has ended, and the actor with it");
            return;
        }
        store_hold(store, event->id, holder, event->number);
        if (event->heir != REEVE_PROCESS_NONE)
            store_hold_hand(store, event, holder);
        store_reply_seal(store, event, NULL, REEVE_OK, "");
        return;
    }
    struct store_word word = {.id = event->id,
        .holder = holder,
        .token = event->number,
        .kind = REEVE_STORE_WORD_HOLD,
        .heir = event->heir,
        .call = event->call,
        .attempt = event->attempt};
    if (event->heir != REEVE_PROCESS_NONE) {
        store_tell_word(store, event->node, &word);
        word.kind = REEVE_STORE_WORD_MOVE;
    }
    store_hold_say(store, event, &word);
}

void store_hold_say(
    struct reeve_store *store, const struct reeve_store_event *event, const struct store_word *word)
{
    uint64_t number = store_tell_word(store, event->node, word);
    if (number == 0) {
        store_reply_seal(store, event, NULL, REEVE_ELOST, "it was on a node that has died");
        return;
    }
    struct store_hold_wait *wait = store_new(sizeof(*wait));
    *wait = (struct store_hold_wait){.client = event->client,
        .request = event->request,
        .node = event->node,
        .id = event->id,
        .number = number};
    reeve_list_push_back(&store->hold_waits, &wait->link);
}

void store_hold_heard(struct reeve_store *store, uint32_t node, uint64_t number)
{
    REEVE_LIST_EACH_SAFE(link, &store->hold_waits)
    {
        struct store_hold_wait *wait = REEVE_LIST_ENTRY(link, struct store_hold_wait, link);
        if (wait->node == node && wait->number <= number)
            store_hold_answer(store, wait, REEVE_OK, "");
    }
}

void store_hold_closed(struct reeve_store *store, uint32_t client)
{
    REEVE_LIST_EACH_SAFE(link, &store->hold_waits)
    {
        struct store_hold_wait *wait = REEVE_LIST_ENTRY(link, struct store_hold_wait, link);
        if (wait->client != client)
            continue;
        reeve_list_remove(&wait->link);
        free(wait);
    }
}

void store_hold_fini(struct reeve_store *store)
{
    size_t at = 0;
    uint64_t process;
    while (reeve_map64_next(&store->holders, &at, &process, NULL)) {
        store_holder_gone(store, process);
        at = 0;
    }
    while (!reeve_list_is_empty(&store->hold_waits)) {
        struct store_hold_wait *wait =
            REEVE_LIST_ENTRY(store->hold_waits.next, struct store_hold_wait, link);
        reeve_list_remove(&wait->link);
        free(wait);
    }
    reeve_map64_fini(&store->held);
    reeve_map64_fini(&store->holders);
}

/* ---- audit ----------------------------------------------------------------------------------- */

const char *store_hold_check(const struct reeve_store *store)
{
    size_t at = 0;
    uint64_t key, count = 0;
    void *value;
    while (reeve_map64_next(&store->held, &at, &key, &value))
        for (const struct store_held *held = value; held != NULL; held = held->next) {
            if (held->holds == NULL || reeve_object_id_key(held->id) != key)
                return "an object that nobody holds is among those that are held";
            for (const struct store_hold *hold = held->holds; hold != NULL; hold = hold->next) {
                if (hold->held != held || reeve_map64_get(&store->holders, hold->holder) == NULL)
                    return "a hold is not in its lists";
                count++;
            }
        }
    return count == store->hold_count ? NULL : "holds are counted wrongly";
}
