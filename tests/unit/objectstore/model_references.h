/* Who refers to what, in the random test: objects that their owners anchor, lend and give away;
 * what is held by those who were lent it. What a client does here is what `api/client` does:
 *
 *   - an owner keeps what it has lent until whoever asks for a hold is answered, or is dead, and
 *     does not give it away meanwhile;
 *   - who has made an object frees what lost attempts have left of it when it has freed it itself
 *     or given it away; or at once, where it had then already;
 *   - who holds something may hand that on, and keeps its own hold until it is answered;
 *   - an heir adopts what it is given, or handed, when the giver has been answered. It is told of
 *     it by the store, too, once: where the giver has died before, it lets go of it. */
#ifndef REEVE_TESTS_OBJECTSTORE_MODEL_REFERENCES_H
#define REEVE_TESTS_OBJECTSTORE_MODEL_REFERENCES_H

#include "tests/unit/objectstore/model_world.h"

static void step_node(struct world *world, uint32_t at, struct reeve_store_event event);

/* What a node's shell says for a word of its core, and the other's makes of it. */
static inline struct reeve_store_event word_event(
    uint32_t node, const struct reeve_store_command *command)
{
    struct reeve_store_event event = {.kind = REEVE_STORE_PEER_HOLD,
        .node = node,
        .id = command->id,
        .process = command->process,
        .call = command->call,
        .attempt = command->attempt,
        .word = command->number};
    switch (command->word) {
    case REEVE_STORE_WORD_STRAY: event.flags = REEVE_STORE_STRAY; /* fall through */
    case REEVE_STORE_WORD_FREE: event.kind = REEVE_STORE_PEER_FREE; break;
    case REEVE_STORE_WORD_GIVE: event.kind = REEVE_STORE_PEER_GIVE; break;
    case REEVE_STORE_WORD_GIVEN:
        event.kind = REEVE_STORE_PEER_GIVEN;
        event.number = command->token;
        break;
    case REEVE_STORE_WORD_UNHOLD: event.flags = REEVE_STORE_HELD; /* fall through */
    case REEVE_STORE_WORD_HOLD: event.number = command->token; break;
    case REEVE_STORE_WORD_MOVE:
        event.number = command->token;
        event.heir = command->heir;
        break;
    }
    return event;
}

/* ---- anchors --------------------------------------------------------------------------------- */

static inline struct model_pin *anchor_of(struct model_client *client, uint32_t object)
{
    for (uint32_t i = 0; i < ANCHORS_MAX; i++)
        if (client->anchors[i].object == object + 1)
            return &client->anchors[i];
    return NULL;
}

/* A free place among the owner's anchors, or NULL. */
static inline struct model_pin *anchor_room(struct world *world, reeve_process_id owner)
{
    uint32_t at;
    struct model_client *client = process_find(world, owner, &at);
    return client != NULL ? anchor_of(client, UINT32_MAX) : NULL;
}

static inline void anchored(struct world *world, const struct reeve_store_command *command)
{
    uint32_t object = (uint32_t)command->id.sequence - 1;
    struct model_pin *anchor = anchor_room(world, world->objects[object].owner);
    assert_non_null(anchor);
    *anchor = (struct model_pin){object + 1, command->segment, command->offset};
    world->anchored++;
}

/* ---- heirs ----------------------------------------------------------------------------------- */

static inline uint32_t call_begin(
    struct world *world, uint32_t object, reeve_process_id heir, uint64_t token)
{
    assert_true(world->call_last + 1 < CALLS_MAX);
    world->calls[++world->call_last] =
        (struct model_call){.object = object, .heir = heir, .token = token};
    return world->call_last;
}

/* With an answer, or without. */
static inline void call_ends(struct world *world, uint32_t number, bool answered)
{
    struct model_call *call = &world->calls[number];
    if (number == 0)
        return;
    call->answered = answered;
    call->lost = !answered;
    if (call->lost && call->told)
        world->astray[world->astray_count++] = number;
}

static inline void heir_told(struct world *world, const struct reeve_store_command *command)
{
    struct model_call *call = &world->calls[command->call];
    const struct model_object *object = &world->objects[call->object];
    assert_in_range(command->call, 1, world->call_last);
    assert_true(!call->told && command->attempt == 1 && command->token == call->token &&
                command->node == object->node && (uint32_t)call->heir == command->client &&
                reeve_object_id_equal(command->id, object->id));
    call->told = true;
    if (call->lost)
        world->astray[world->astray_count++] = (uint32_t)command->call;
}

/* Of what nobody will ever tell them otherwise. */
static inline void heirs_let_go(struct world *world)
{
    while (world->astray_count > 0) {
        const struct model_call *call = &world->calls[world->astray[--world->astray_count]];
        const struct model_object *object = &world->objects[call->object];
        uint32_t at;
        if (world->node_dead[reeve_process_node(call->heir)] ||
            process_find(world, call->heir, &at) == NULL)
            continue;
        world->let_go++;
        step_node(world, at,
            (struct reeve_store_event){.kind = REEVE_STORE_FREE,
                .client = (uint32_t)call->heir,
                .id = object->id,
                .node = object->node,
                .number = call->token,
                .flags = call->token != 0 ? REEVE_STORE_HELD : REEVE_STORE_GIVEN});
    }
}

/* All words have come: who was given something has been told so. */
static inline void check_told(struct world *world)
{
    uint32_t at;
    for (uint32_t i = 1; i <= world->call_last; i++) {
        const struct model_call *call = &world->calls[i];
        assert_true(call->answered || call->lost);
        if (call->answered && !call->told && process_find(world, call->heir, &at) != NULL &&
            !world->node_dead[world->objects[call->object].node])
            fail_msg(
                "process %lx has not been told of what it was given", (unsigned long)call->heir);
    }
}

/* ---- lost attempts --------------------------------------------------------------------------- */

/* By its maker: it has freed the object, or given it away. */
static inline void strays_free(struct world *world, struct model_object *object)
{
    uint32_t at;
    if (process_find(world, object->id.owner, &at) == NULL)
        object->strays = 0; /* they have gone with it */
    for (uint32_t node = 1; object->strays != 0; node++) {
        if (!(object->strays & 1ull << node))
            continue;
        object->strays &= ~(1ull << node);
        if (!world->node_dead[node])
            step_node(world, at,
                (struct reeve_store_event){.kind = REEVE_STORE_FREE,
                    .client = (uint32_t)object->id.owner,
                    .id = object->id,
                    .node = node,
                    .flags = REEVE_STORE_STRAY});
    }
}

/* Of what has changed hands just now. */
static inline void strays_of_gifts_free(struct world *world)
{
    while (world->gifts_known_count > 0)
        strays_free(world, &world->objects[world->gifts_known[--world->gifts_known_count]]);
}

/* ---- answers --------------------------------------------------------------------------------- */

static inline uint32_t holds_asked(const struct world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < HOLDS_MAX; i++)
        count += world->holds[i].object != 0 && world->holds[i].request != 0;
    return count;
}

/* It is answered, or its asker has died: whoever lent it may do with it as it likes. */
static inline void loan_ends(struct world *world, struct model_hold *hold)
{
    if (hold->source != 0)
        world->holds[hold->source - 1].busy--;
    else
        world->objects[hold->object - 1].loans--;
    hold->source = hold->request = 0;
}

static inline void got_hold(
    struct world *world, struct model_hold *hold, const struct reeve_store_command *command)
{
    const struct model_object *object = &world->objects[hold->object - 1];
    uint32_t at, call = hold->call;
    loan_ends(world, hold);
    if (command->code != 0)
        assert_true(command->code == REEVE_ELOST && world->node_dead[object->node]);
    if (command->code != 0 || process_find(world, hold->holder, &at) == NULL)
        *hold = (struct model_hold){0};
    else
        world->held++;
    call_ends(world, call, command->code == 0);
}

static inline void got_gift(
    struct world *world, struct model_client *client, const struct reeve_store_command *command)
{
    struct model_object *object = &world->objects[client->giving_object - 1];
    client->giving_request = 0;
    object->giving = false;
    call_ends(world, client->giving_call, command->code == 0);
    if (command->code != 0) {
        assert_true(command->code == REEVE_ELOST && world->node_dead[object->node]);
        return;
    }
    object->owner = object->heir;
    object->given = true;
    world->gifts++;
    world->gifts_known[world->gifts_known_count++] = client->giving_object - 1;
}

/* REPLY_SEAL: to SEAL, HOLD or GIVE. */
static inline void got_word(
    struct world *world, struct model_node *node, const struct reeve_store_command *command)
{
    struct model_client *client = client_of(node, command->client);
    assert_non_null(client);
    if (command->request == 0) {
        if (command->code == 0 && command->anchored)
            anchored(world, command);
        return;
    }
    if (client->giving_request == command->request) {
        got_gift(world, client, command);
        return;
    }
    for (uint32_t i = 0; i < HOLDS_MAX; i++) {
        if (world->holds[i].object == 0 || world->holds[i].request != command->request)
            continue;
        got_hold(world, &world->holds[i], command);
        return;
    }
    fail_msg("an answer to nothing");
}

/* The process is dead, or as good as: what it holds goes, what it has asked for stays open. */
static inline void client_leaves(
    struct world *world, const struct model_node *node, struct model_client *client)
{
    reeve_process_id process = reeve_process_id_make(node->number, client->handle);
    bool gives = client->giving_request != 0;
    struct model_object *gift = gives ? &world->objects[client->giving_object - 1] : NULL;
    if (client->waiting_hold != 0)
        world->holds[client->waiting_hold - 1].busy--;
    client->waiting_hold = 0;
    client->giving_request = 0;
    if (gives) {
        gift->giving = false;
        gift->unsure = true;
        call_ends(world, client->giving_call, false);
    }
    for (uint32_t i = 0; i < HOLDS_MAX; i++) {
        struct model_hold *hold = &world->holds[i];
        if (hold->object == 0 || (hold->request != 0 ? hold->asker : hold->holder) != process)
            continue;
        struct model_hold left = *hold;
        if (hold->request != 0)
            loan_ends(world, hold);
        *hold = (struct model_hold){0};
        if (left.request != 0)
            call_ends(world, left.call, false);
    }
}

/* ---- what clients do ------------------------------------------------------------------------- */

static inline reeve_process_id someone(struct world *world)
{
    const struct model_node *node = &world->nodes[random_below(world, NODES)];
    const struct model_client *client = &node->clients[random_below(world, CLIENTS)];
    return node->number != 0 && client->handle != 0 && !client->closed
               ? reeve_process_id_make(node->number, client->handle)
               : REEVE_PROCESS_NONE;
}

/* One of the client's known holds: index + 1; 0: it has none. */
static inline uint32_t hold_of(struct world *world, uint32_t at, const struct model_client *client)
{
    reeve_process_id process = reeve_process_id_make(world->nodes[at].number, client->handle);
    uint32_t first = (uint32_t)random_below(world, HOLDS_MAX);
    for (uint32_t i = 0; i < HOLDS_MAX; i++) {
        const struct model_hold *hold = &world->holds[(first + i) % HOLDS_MAX];
        if (hold->object != 0 && hold->request == 0 && hold->holder == process)
            return (first + i) % HOLDS_MAX + 1;
    }
    return 0;
}

static inline void ask_hold(struct world *world, uint32_t at, struct model_client *client)
{
    struct model_hold *hold = world->holds;
    reeve_process_id process = reeve_process_id_make(world->nodes[at].number, client->handle);
    reeve_process_id heir = random_below(world, 3) == 0 ? someone(world) : REEVE_PROCESS_NONE;
    uint32_t own = random_below(world, 2) == 0 ? hold_of(world, at, client) : 0, owner_at;
    uint32_t index = world->object_count - 1 -
                     (uint32_t)random_below(world, REEVE_MIN(40u, world->object_count));
    if (own != 0)
        index = world->holds[own - 1].object - 1;
    struct model_object *object = &world->objects[index];
    while (hold < world->holds + HOLDS_MAX && hold->object != 0)
        hold++;
    if (hold == world->holds + HOLDS_MAX)
        return;
    if (own == 0 && (object->freed || object->giving || object->unsure ||
                        process_find(world, object->owner, &owner_at) == NULL))
        return; /* nobody can lend it */
    *hold = (struct model_hold){.object = index + 1,
        .request = ++world->request_last,
        .asker = process,
        .holder = heir != REEVE_PROCESS_NONE ? heir : process,
        .token = ++world->token_last,
        .source = own};
    if (heir != REEVE_PROCESS_NONE)
        hold->call = call_begin(world, index, heir, hold->token);
    if (own != 0)
        world->holds[own - 1].busy++;
    else
        object->loans++;
    step_node(world, at,
        (struct reeve_store_event){.kind = REEVE_STORE_HOLD,
            .client = client->handle,
            .request = hold->request,
            .id = object->id,
            .node = object->node,
            .number = hold->token,
            .heir = heir,
            .call = hold->call,
            .attempt = 1});
}

static inline void ask_give(struct world *world, uint32_t at, struct model_client *client)
{
    reeve_process_id process = reeve_process_id_make(world->nodes[at].number, client->handle);
    uint32_t first = (uint32_t)random_below(world, world->object_count), index = first;
    reeve_process_id heir = someone(world);
    struct model_object *object;
    do {
        index = (index + 1) % world->object_count;
        object = &world->objects[index];
    } while (index != first && (object->owner != process || object->freed || object->unsure));
    if (object->owner != process || object->freed || object->loans > 0 || object->unsure ||
        client->giving_request != 0 || heir == REEVE_PROCESS_NONE || heir == process)
        return;
    struct model_pin *anchor = anchor_of(client, index), *pin = client->pins;
    while (anchor != NULL && pin < client->pins + PINS_MAX && pin->object != 0)
        pin++;
    if (anchor != NULL && pin == client->pins + PINS_MAX)
        return;
    if (anchor != NULL) { /* what the giver reads stays where it is */
        *pin = *anchor;
        anchor->object = 0;
    }
    client->giving_request = ++world->request_last;
    client->giving_object = index + 1;
    client->giving_call = call_begin(world, index, heir, 0);
    object->giving = true;
    object->heir = heir;
    step_node(world, at,
        (struct reeve_store_event){.kind = REEVE_STORE_GIVE,
            .client = client->handle,
            .request = client->giving_request,
            .id = object->id,
            .node = object->node,
            .process = heir,
            .call = client->giving_call,
            .attempt = 1,
            .flags = (object->given ? REEVE_STORE_GIVEN : 0) |
                     (anchor != NULL ? REEVE_STORE_ANCHOR : 0)});
}

static inline void refer(struct world *world, uint32_t at, struct model_client *client)
{
    if (world->object_count == 0)
        return;
    if (random_below(world, 2) == 0)
        ask_hold(world, at, client);
    else
        ask_give(world, at, client);
}

/* Of some of what it holds and has anchored, or of all. */
static inline void let_go(struct world *world, uint32_t at, struct model_client *client, bool all)
{
    reeve_process_id process = reeve_process_id_make(world->nodes[at].number, client->handle);
    uint64_t chance = all ? 1 : client->relaxing ? 2 : 4;
    for (uint32_t i = 0; i < ANCHORS_MAX; i++) {
        struct model_pin anchor = client->anchors[i];
        if (anchor.object == 0 || random_below(world, chance) != 0)
            continue;
        const struct model_object *object = &world->objects[anchor.object - 1];
        check_bytes(&world->nodes[at], object, anchor.segment, anchor.offset);
        client->anchors[i].object = 0;
        step_node(world, at,
            (struct reeve_store_event){.kind = REEVE_STORE_UNPIN,
                .client = client->handle,
                .id = object->id,
                .flags = REEVE_STORE_ANCHOR});
    }
    client->relaxing = false;
    for (uint32_t i = 0; i < HOLDS_MAX; i++) {
        struct model_hold hold = world->holds[i];
        if (hold.object == 0 || hold.request != 0 || hold.busy > 0 || hold.holder != process ||
            random_below(world, chance) != 0)
            continue;
        const struct model_object *object = &world->objects[hold.object - 1];
        world->holds[i] = (struct model_hold){0};
        step_node(world, at,
            (struct reeve_store_event){.kind = REEVE_STORE_FREE,
                .client = client->handle,
                .id = object->id,
                .node = object->node,
                .number = hold.token,
                .flags = REEVE_STORE_HELD});
    }
}

/* ---- what must be there ---------------------------------------------------------------------- */

static inline void check_there(
    struct world *world, const struct model_object *object, const char *why)
{
    uint32_t owner_at;
    if (object->unsure || process_find(world, object->owner, &owner_at) == NULL ||
        (object->giving && process_find(world, object->heir, &owner_at) == NULL))
        return;
    for (uint32_t at = 0; at < NODES; at++)
        if (world->nodes[at].number == object->node && !world->nodes[at].doomed &&
            !reeve_store_knows(world->nodes[at].store, object->id))
            fail_msg("object %lu of %lx is %s, and not on node %u",
                (unsigned long)object->id.sequence, (unsigned long)object->id.owner, why,
                object->node);
}

static inline void check_kept(struct world *world)
{
    for (uint32_t i = 0; i < world->object_count; i++)
        if (!world->objects[i].freed)
            check_there(world, &world->objects[i], "not freed");
    for (uint32_t i = 0; i < HOLDS_MAX; i++)
        if (world->holds[i].object != 0 && world->holds[i].request == 0)
            check_there(world, &world->objects[world->holds[i].object - 1], "held");
}

#endif
