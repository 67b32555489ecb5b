/* What changes hands with an answer: how its heir hears of it, whatever becomes of the answer.
 *
 *     giver ── hand-over: names what is given ──▶ heir          on the way of the answer, which
 *       ├──GIVE, or HOLD for the heir──▶ … ──▶ where it lies    may break, or end with the giver
 *       │                                       │
 *       │ ◀──────────────── known ──────────────┤
 *       ├── answer ──▶ heir                     └──GIVEN: for that attempt of that call──▶ heir
 *
 * So the heir hears of each gift twice, in either order. The hand-over is adopted with the answer,
 * and not before; GIVEN comes once, as any word from node to node (tell.c), and from the heir's
 * daemon in its socket. It says which attempt of which call it came with: as long as that is under
 * way, the answer may come. When it has ended in another way, or is of the past, nobody will ever
 * tell the heir's program of the gift: the heir lets go of it (api/client/owner_gifts.c).
 *
 *     the answer comes                    GIVEN is left out, sooner or later
 *     the giver dies before its answer,   before GIVE: nothing has changed hands, and it goes with
 *     or the session with it              the giver. After: GIVEN, and the heir lets go
 *     the heir dies                       what is its own goes with it: to ask for that, GIVEN is
 *                                         also the word by which its node learns who has something
 *                                         of it, and is to be told
 *     the node where it lies dies         and it with that
 *
 * tests/model/gift.pml has the rules. */
#include "objectstore/parts.h"

static void heir_tell(struct reeve_store *store, uint32_t node, const struct store_word *gift)
{
    const struct store_client *client = reeve_map64_get(&store->client_by_process, gift->holder);
    if (client == NULL)
        return; /* it has ended, and what was its own with it */
    struct reeve_store_command *command = store_command(store, REEVE_STORE_TELL_HEIR);
    command->client = client->handle;
    command->id = gift->id;
    command->node = node;
    command->token = gift->token;
    command->call = gift->call;
    command->attempt = gift->attempt;
}

void store_gift_tell(struct reeve_store *store, const struct store_word *gift)
{
    uint32_t node = reeve_process_node(gift->holder);
    struct store_word word = *gift;
    word.kind = REEVE_STORE_WORD_GIVEN;
    if (node == store->settings.node)
        heir_tell(store, node, gift);
    else if (node != 0)
        store_tell_word(store, node, &word);
}

void store_gift_told(struct reeve_store *store, const struct reeve_store_event *event)
{
    if (reeve_map64_get(&store->gone_nodes, event->node) != NULL)
        return;
    (void)store_peer_get(store, event->node); /* all of these are told when a process ends */
    if (store_owner_is_gone(store, event->process))
        store_tell(store, event->node,
            (struct reeve_object_id){.owner = event->process, .sequence = REEVE_STORE_ALL});
    else
        heir_tell(store, event->node,
            &(struct store_word){.id = event->id,
                .holder = event->process,
                .token = event->number,
                .call = event->call,
                .attempt = event->attempt});
}
