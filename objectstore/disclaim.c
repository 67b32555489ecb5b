/* What an heir has let go of before it was its own.
 *
 *     giver ──"it is yours"──▶ heir          giver ──GIVE──▶ … ──▶ the node where the object lies
 *       † (before its answer)    └──FREE──▶ … ──────────────────────▶ (before that)
 *
 * An heir knows of what it is given, or what hold is handed on to it, before that is said to the
 * store; the answer of which it was a part may never come, as whoever was to send it has died. The
 * heir lets go of it then, by another way than the gift takes: that may be the later one, and would
 * leave the object to one that knows nothing of it for as long as that lives. So the word that was
 * early is kept, and ends the gift as it comes.
 *
 * It is rule 3 of tests/model/gift.pml. A gift that never comes leaves its word behind: until
 * its heir ends, or DISCLAIMS_MAX others have been kept since. */
#include "objectstore/parts.h"

#define DISCLAIMS_MAX 16384u

struct disclaim {
    struct reeve_object_id id;
    reeve_process_id heir;
    uint64_t token;        /* of the hold; 0: the object */
    struct disclaim *next; /* of those with the same key */
    struct reeve_list link;
};

static uint64_t key_of(struct reeve_object_id id, reeve_process_id heir, uint64_t token)
{
    return reeve_object_id_key(id) ^ (heir * 0xc2b2ae3d27d4eb4full) ^ token;
}

static bool is_of(const struct disclaim *disclaim, struct reeve_object_id id, reeve_process_id heir,
    uint64_t token)
{
    return reeve_object_id_equal(disclaim->id, id) && disclaim->heir == heir &&
           disclaim->token == token;
}

static void forget(struct reeve_store *store, struct disclaim *disclaim)
{
    uint64_t key = key_of(disclaim->id, disclaim->heir, disclaim->token);
    struct disclaim *first = reeve_map64_remove(&store->disclaims, key), **slot = &first;
    while (*slot != disclaim)
        slot = &(*slot)->next;
    *slot = disclaim->next;
    if (first != NULL)
        store_put(&store->disclaims, key, first);
    reeve_list_remove(&disclaim->link);
    store->disclaim_count--;
    free(disclaim);
}

static struct disclaim *find(const struct reeve_store *store, struct reeve_object_id id,
    reeve_process_id heir, uint64_t token)
{
    struct disclaim *disclaim = reeve_map64_get(&store->disclaims, key_of(id, heir, token));
    while (disclaim != NULL && !is_of(disclaim, id, heir, token))
        disclaim = disclaim->next;
    return disclaim;
}

void store_disclaim(
    struct reeve_store *store, struct reeve_object_id id, reeve_process_id heir, uint64_t token)
{
    if (store_owner_is_gone(store, heir) || find(store, id, heir, token) != NULL)
        return;
    if (store->disclaim_count == DISCLAIMS_MAX)
        forget(store, REEVE_LIST_ENTRY(store->disclaims_oldest.next, struct disclaim, link));
    uint64_t key = key_of(id, heir, token);
    struct disclaim *disclaim = store_new(sizeof(*disclaim));
    *disclaim = (struct disclaim){
        .id = id, .heir = heir, .token = token, .next = reeve_map64_remove(&store->disclaims, key)};
    store_put(&store->disclaims, key, disclaim);
    reeve_list_push_back(&store->disclaims_oldest, &disclaim->link);
    store->disclaim_count++;
}

bool store_disclaimed(
    struct reeve_store *store, struct reeve_object_id id, reeve_process_id heir, uint64_t token)
{
    struct disclaim *disclaim = store->disclaim_count > 0 ? find(store, id, heir, token) : NULL;
    if (disclaim != NULL)
        forget(store, disclaim);
    return disclaim != NULL;
}

void store_disclaims_sweep(struct reeve_store *store)
{
    REEVE_LIST_EACH_SAFE(link, &store->disclaims_oldest)
    {
        struct disclaim *disclaim = REEVE_LIST_ENTRY(link, struct disclaim, link);
        if (store_owner_is_gone(store, disclaim->heir))
            forget(store, disclaim);
    }
}

const char *store_disclaims_check(const struct reeve_store *store)
{
    uint32_t count = 0;
    REEVE_LIST_EACH(link, &store->disclaims_oldest)
    {
        const struct disclaim *disclaim = REEVE_LIST_ENTRY(link, struct disclaim, link);
        if (store_owner_is_gone(store, disclaim->heir))
            return "what an heir has let go of is kept, though it has gone";
        if (find(store, disclaim->id, disclaim->heir, disclaim->token) != disclaim)
            return "what an heir has let go of would not be found";
        count++;
    }
    return count == store->disclaim_count ? NULL : "what heirs have let go of is counted wrongly";
}

void store_disclaims_init(struct reeve_store *store)
{
    reeve_map64_init(&store->disclaims);
    reeve_list_init(&store->disclaims_oldest);
}

void store_disclaims_fini(struct reeve_store *store)
{
    while (!reeve_list_is_empty(&store->disclaims_oldest))
        forget(store, REEVE_LIST_ENTRY(store->disclaims_oldest.next, struct disclaim, link));
    reeve_map64_fini(&store->disclaims);
}
