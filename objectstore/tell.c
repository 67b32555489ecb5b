/* What other nodes must hear: that an object has been freed or given away, and to whom, that an
 * owner is gone, who holds one.
 *
 * A session may end with such a word on its way, or there may be none at all; unheard, the word
 * would leave the object there for as long as its owner lives. So each peer's words are numbered
 * and kept until the peer has acknowledged their numbers, or is dead:
 *
 *     words   | first ............. | ........................ |
 *              ◀─ sent, unanswered ─▶◀─ as answers make room ──▶
 *
 * With a new session, or when no answer comes, all that is unanswered is said again, in order. It
 * counts only the first time, by its number: others may have said something since (an heir that it
 * needs the object no more, or that it has given it away), and that must not be undone. Those kept
 * are no more than the objects that lie there, what its processes are given, and those that have
 * died. */
#include "objectstore/parts.h"

struct store_peer *store_peer_get(struct reeve_store *store, uint32_t node)
{
    struct store_peer *peer = reeve_map64_get(&store->peers, node);
    if (peer != NULL)
        return peer;
    peer = store_new(sizeof(*peer));
    peer->node = node;
    peer->word_first = 1;
    reeve_list_init(&peer->copies);
    reeve_fifo_init(&peer->words, sizeof(struct store_word));
    store_put(&store->peers, node, peer);
    return peer;
}

void store_peer_free(struct reeve_store *store, struct store_peer *peer)
{
    reeve_heap_remove(&store->word_deadlines, &peer->deadline);
    reeve_fifo_fini(&peer->words);
    free(peer);
}

static void set_deadline(struct reeve_store *store, struct store_peer *peer)
{
    reeve_heap_remove(&store->word_deadlines, &peer->deadline);
    if (peer->word_sent == 0)
        return;
    int error = reeve_heap_insert(
        &store->word_deadlines, &peer->deadline, store->now_ns + store->settings.pull_wait_ns);
    REEVE_ASSERT(error == REEVE_OK);
}

static void say(struct reeve_store *store, struct store_peer *peer)
{
    while (peer->word_sent < peer->words.count && peer->word_sent < STORE_WORDS_AHEAD) {
        const struct store_word *word = reeve_fifo_at(&peer->words, peer->word_sent);
        struct reeve_store_command *command = store_command(store, REEVE_STORE_SEND_FREE);
        command->node = peer->node;
        command->id = word->id;
        command->word = word->kind;
        command->process = word->holder;
        command->token = word->token;
        command->heir = word->heir;
        command->call = word->call;
        command->attempt = word->attempt;
        command->number = peer->word_first + peer->word_sent++;
    }
}

static void say_again(struct reeve_store *store, struct store_peer *peer)
{
    peer->word_sent = 0;
    say(store, peer);
    set_deadline(store, peer);
}

void store_tell(struct reeve_store *store, uint32_t node, struct reeve_object_id id)
{
    store_tell_word(store, node, &(struct store_word){.id = id, .kind = REEVE_STORE_WORD_FREE});
}

uint64_t store_tell_word(
    struct reeve_store *store, uint32_t node, const struct store_word *new_word)
{
    if (reeve_map64_get(&store->gone_nodes, node) != NULL)
        return 0;
    struct store_peer *peer = store_peer_get(store, node);
    struct store_word *word = reeve_fifo_push(&peer->words);
    REEVE_ASSERT(word != NULL);
    *word = *new_word;
    uint64_t number = peer->word_first + peer->words.count - 1;
    bool first = peer->word_sent == 0;
    say(store, peer);
    if (first)
        set_deadline(store, peer);
    return number;
}

void store_tell_all(struct reeve_store *store, struct reeve_object_id id)
{
    size_t at = 0;
    uint64_t node;
    while (reeve_map64_next(&store->peers, &at, &node, NULL))
        store_tell(store, (uint32_t)node, id);
}

bool store_tell_is_news(struct reeve_store *store, uint32_t node, uint64_t word)
{
    if (word == 0)
        return true;
    bool gone = reeve_map64_get(&store->gone_nodes, node) != NULL;
    struct store_peer *peer = gone ? NULL : store_peer_get(store, node);
    if (gone || word <= peer->word_heard) {
        store->stale_count++;
        return false;
    }
    peer->word_heard = word;
    return true;
}

void store_tell_heard(struct reeve_store *store, uint32_t node, uint64_t number)
{
    struct store_peer *peer = reeve_map64_get(&store->peers, node);
    if (peer == NULL || number < peer->word_first || number - peer->word_first >= peer->word_sent) {
        store->stale_count++;
        return;
    }
    while (peer->word_first <= number) {
        reeve_fifo_pop(&peer->words, NULL);
        peer->word_first++;
        peer->word_sent--;
    }
    say(store, peer);
    set_deadline(store, peer);
    store_hold_heard(store, node, number);
}

void store_tell_reset(struct reeve_store *store, uint32_t node)
{
    if (!store_is_here(store, node) && reeve_map64_get(&store->gone_nodes, node) == NULL)
        say_again(store, store_peer_get(store, node));
}

void store_tell_tick(struct reeve_store *store)
{
    struct reeve_heap_node *node;
    while ((node = reeve_heap_peek(&store->word_deadlines)) != NULL && node->key <= store->now_ns)
        say_again(store, REEVE_CONTAINER_OF(node, struct store_peer, deadline));
}
