/* Objects held by processes that do not own them: here and from other nodes; words that come twice,
 * late or never; processes and nodes that die; random runs of two nodes with a bad link. */
#include "tests/unit/objectstore/kit.h"

#include "runtime/base/prng.h"

static void hold(
    struct kit *kit, uint32_t client, struct reeve_object_id id, uint32_t node, uint64_t number)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_HOLD,
                  .client = client,
                  .request = 77,
                  .id = id,
                  .node = node,
                  .number = number});
}

static void unhold(
    struct kit *kit, uint32_t client, struct reeve_object_id id, uint32_t node, uint64_t number)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_FREE,
                  .client = client,
                  .id = id,
                  .node = node,
                  .number = number,
                  .flags = REEVE_STORE_HELD});
}

static void peer_hold(
    struct kit *kit, struct reeve_object_id id, reeve_process_id holder, uint64_t number, bool ends)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_HOLD,
                  .node = reeve_process_node(holder),
                  .id = id,
                  .process = holder,
                  .number = number,
                  .flags = ends ? REEVE_STORE_HELD : 0});
}

static int get_code(struct kit *kit, uint32_t client, struct reeve_object_id id)
{
    get(kit, client, 1, id, 100, 0);
    struct reeve_store_command command;
    int code = 1;
    while (reeve_fifo_pop(&kit->out, &command))
        if (command.kind == REEVE_STORE_REPLY_GET)
            code = command.code;
    if (code == 0)
        unpin(kit, client, id);
    return code;
}

static bool is_here(struct kit *kit, struct reeve_object_id id)
{
    uint32_t segment;
    uint64_t offset, size;
    return reeve_store_find(kit->store, id, &segment, &offset, &size);
}

static void test_freed_with_the_last_hold(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    put(&kit, 5, id, 100);
    hold(&kit, 6, id, OWN_NODE, 1);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    hold(&kit, 6, id, 0, 1); /* again: the same one */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    hold(&kit, 6, id, 0, 2); /* another of the same process */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    peer_hold(&kit, id, FAR(2, 9), 1, false);
    peer_hold(&kit, id, FAR(2, 9), 1, false);
    assert_int_equal(status(&kit).hold_count, 3);
    free_object(&kit, 5, id, 0);
    nothing_more(&kit);
    assert_int_equal(get_code(&kit, 6, id), 0);
    unhold(&kit, 6, id, 0, 1);
    unhold(&kit, 6, id, 0, 1);
    unhold(&kit, 6, id, 0, 3); /* never was */
    peer_hold(&kit, id, FAR(2, 9), 1, true);
    assert_true(is_here(&kit, id));
    unhold(&kit, 6, id, OWN_NODE, 2);
    assert_false(is_here(&kit, id));
    assert_int_equal(status(&kit).hold_count, 0);
    assert_int_equal(status(&kit).object_count, 0);
    /* held, and let go before its owner frees it */
    put(&kit, 5, OBJECT(PROCESS(5), 2), 100);
    peer_hold(&kit, OBJECT(PROCESS(5), 2), FAR(2, 9), 1, false);
    peer_hold(&kit, OBJECT(PROCESS(5), 2), FAR(2, 9), 1, true);
    assert_true(is_here(&kit, OBJECT(PROCESS(5), 2)));
    free_object(&kit, 5, OBJECT(PROCESS(5), 2), 0);
    assert_false(is_here(&kit, OBJECT(PROCESS(5), 2)));
    kit_fini(&kit);
}

static void test_holds_go_with_their_process_and_node(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    for (uint64_t i = 1; i <= 3; i++) {
        put(&kit, 5, OBJECT(PROCESS(5), i), 100);
        hold(&kit, 6, OBJECT(PROCESS(5), i), 0, i);
        assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
        peer_hold(&kit, OBJECT(PROCESS(5), i), FAR(2, 9), i, false);
        peer_hold(&kit, OBJECT(PROCESS(5), i), FAR(3, 9), i, false);
        free_object(&kit, 5, OBJECT(PROCESS(5), i), 0);
    }
    client_reaped(&kit, 6);
    step(&kit,
        (struct reeve_store_event){
            .kind = REEVE_STORE_PEER_FREE, .node = 2, .id = OBJECT(FAR(2, 9), REEVE_STORE_ALL)});
    assert_int_equal(status(&kit).hold_count, 3);
    assert_int_equal(status(&kit).object_count, 3);
    peer_hold(&kit, OBJECT(PROCESS(5), 1), FAR(2, 9), 1, false); /* late news of a dead one */
    assert_int_equal(status(&kit).hold_count, 3);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 3});
    assert_int_equal(status(&kit).hold_count, 0);
    assert_int_equal(status(&kit).object_count, 0);
    kit_fini(&kit);
}

/* A hold that is handed on is the heir's, however often that is said. */
static void test_handed_on(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    client_added(&kit, 7);
    put(&kit, 5, id, 100);
    struct reeve_store_event on = {.kind = REEVE_STORE_HOLD,
        .client = 6,
        .request = 77,
        .id = id,
        .number = 90,
        .heir = PROCESS(7),
        .call = 1234,
        .attempt = 2};
    step(&kit, on);
    struct reeve_store_command told = take(&kit, REEVE_STORE_TELL_HEIR);
    assert_true(told.client == 7 && told.node == OWN_NODE && told.token == 90 &&
                reeve_object_id_equal(told.id, id) && told.call == 1234 && told.attempt == 2);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    assert_int_equal(status(&kit).hold_count, 1);
    unhold(&kit, 6, id, 0, 90); /* not its own any more */
    free_object(&kit, 5, id, 0);
    client_reaped(&kit, 6);
    assert_true(is_here(&kit, id));
    /* by word from node 2, for a process of node 3, which has to tell it, and say when it dies */
    peer_hold(&kit, id, FAR(2, 9), 4, false);
    struct reeve_store_event move = {.kind = REEVE_STORE_PEER_HOLD,
        .node = 2,
        .id = id,
        .process = FAR(2, 9),
        .number = 4,
        .heir = FAR(3, 8),
        .call = 55,
        .attempt = 1};
    step(&kit, move);
    struct reeve_store_command word = take(&kit, REEVE_STORE_SEND_FREE);
    assert_int_equal(word.word, REEVE_STORE_WORD_GIVEN);
    assert_true(word.node == 3 && word.process == FAR(3, 8) && word.token == 4 &&
                reeve_object_id_equal(word.id, id) && word.call == 55 && word.attempt == 1);
    assert_int_equal(status(&kit).hold_count, 2);
    peer_hold(&kit, id, FAR(3, 8), 4, true);
    nothing_more(&kit);
    assert_int_equal(status(&kit).hold_count, 1);
    unhold(&kit, 7, id, 0, 90);
    assert_int_equal(status(&kit).hold_count, 0);
    assert_false(is_here(&kit, id));
    kit_fini(&kit);
}

/* To an heir that is dead already; and by a word, from where nothing else is known. */
static void test_handed_on_to_the_dead(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_object_id id = OBJECT(PROCESS(5), 1), far = OBJECT(FAR(2, 5), 1);
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    put(&kit, 5, id, 100);
    step(&kit,
        (struct reeve_store_event){
            .kind = REEVE_STORE_HOLD, .client = 6, .id = id, .number = 90, .heir = PROCESS(8)});
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    assert_int_equal(status(&kit).hold_count, 0);
    /* what lies elsewhere: two words, and one answer after the second */
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_HOLD,
                   .client = 6,
                   .id = far,
                   .node = 2,
                   .number = 91,
                   .heir = FAR(3, 8)});
    struct reeve_store_command first = take(&kit, REEVE_STORE_SEND_FREE);
    struct reeve_store_command second = take(&kit, REEVE_STORE_SEND_FREE);
    assert_int_equal(first.word, REEVE_STORE_WORD_HOLD);
    assert_int_equal(second.word, REEVE_STORE_WORD_MOVE);
    assert_true(second.process == PROCESS(6) && second.token == 91 && second.heir == FAR(3, 8));
    step(&kit, (struct reeve_store_event){
                   .kind = REEVE_STORE_PEER_FREED, .node = 2, .number = first.number});
    nothing_more(&kit);
    step(&kit, (struct reeve_store_event){
                   .kind = REEVE_STORE_PEER_FREED, .node = 2, .number = second.number});
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    kit_fini(&kit);
}

/* Node 2 hands on what it held, and has not heard that this was heard. The heir needs it no more
 * when all of it is said again: it must not be its once more. */
static void test_said_again(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    put(&kit, 5, id, 100);
    struct reeve_store_event hold = {.kind = REEVE_STORE_PEER_HOLD,
        .node = 2,
        .id = id,
        .process = FAR(2, 9),
        .number = 4,
        .word = 1};
    struct reeve_store_event move = hold;
    move.heir = FAR(3, 8);
    move.word = 2;
    step(&kit, hold);
    step(&kit, move);
    assert_int_equal(status(&kit).hold_count, 1);
    peer_hold(&kit, id, FAR(3, 8), 4, true);
    assert_int_equal(status(&kit).hold_count, 0);
    step(&kit, hold);
    step(&kit, move);
    assert_int_equal(status(&kit).hold_count, 0);
    assert_int_equal(status(&kit).stale_count, 2);
    /* a new word counts, and so do those of another node */
    hold.word = 3;
    step(&kit, hold);
    hold.node = 3;
    hold.process = FAR(3, 8);
    hold.word = 1;
    step(&kit, hold);
    assert_int_equal(status(&kit).hold_count, 2);
    kit_fini(&kit);
}

/* What another node says that one of ours is given: that is told, and the node is, when it dies; at
 * once when it is dead. */
static void test_told(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_store_event given = {.kind = REEVE_STORE_PEER_GIVEN,
        .node = 2,
        .id = OBJECT(FAR(4, 6), 1),
        .process = PROCESS(5),
        .number = 17,
        .call = 1234,
        .attempt = 3,
        .word = 1};
    for (int i = 0; i < 2; i++) /* it is said until it is heard, and counts once */
        step(&kit, given);
    struct reeve_store_command told = take(&kit, REEVE_STORE_TELL_HEIR);
    assert_true(told.client == 5 && told.node == 2 && reeve_object_id_equal(told.id, given.id));
    assert_true(told.token == 17 && told.call == 1234 && told.attempt == 3);
    nothing_more(&kit);
    client_reaped(&kit, 5);
    struct reeve_store_command word = take(&kit, REEVE_STORE_SEND_FREE);
    assert_true(word.word == REEVE_STORE_WORD_FREE && word.node == 2 &&
                word.id.owner == PROCESS(5) && word.id.sequence == REEVE_STORE_ALL);
    given.node = 3;
    step(&kit, given);
    word = take(&kit, REEVE_STORE_SEND_FREE);
    assert_true(word.node == 3 && word.id.owner == PROCESS(5));
    nothing_more(&kit);
    kit_fini(&kit);
}

static void test_owner_dies(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    put(&kit, 5, id, 100);
    hold(&kit, 6, id, 0, 1);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    free_object(&kit, 5, id, 0);
    assert_int_equal(get_code(&kit, 6, id), 0); /* it lives, and needs it no more: no matter */
    client_reaped(&kit, 5);
    assert_int_equal(get_code(&kit, 6, id), REEVE_EOWNERDIED);
    assert_int_equal(status(&kit).object_count, 0);
    unhold(&kit, 6, id, 0, 1);
    assert_int_equal(status(&kit).hold_count, 0);
    kit_fini(&kit);
}

/* Of what lies elsewhere: answered when that node has heard. */
static void test_elsewhere(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_object_id id = OBJECT(FAR(2, 5), 1);
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 6);
    hold(&kit, 6, id, 2, 4);
    struct reeve_store_command word = take(&kit, REEVE_STORE_SEND_FREE);
    assert_int_equal(word.word, REEVE_STORE_WORD_HOLD);
    assert_true(word.process == PROCESS(6) && word.token == 4 && word.node == 2);
    nothing_more(&kit);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_RESET, .node = 2});
    assert_int_equal(take(&kit, REEVE_STORE_SEND_FREE).word, REEVE_STORE_WORD_HOLD);
    step(&kit, (struct reeve_store_event){
                   .kind = REEVE_STORE_PEER_FREED, .node = 2, .number = word.number});
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    unhold(&kit, 6, id, 2, 4);
    assert_int_equal(take(&kit, REEVE_STORE_SEND_FREE).word, REEVE_STORE_WORD_UNHOLD);
    /* that node dies meanwhile; before; the client hangs up */
    hold(&kit, 6, id, 2, 5);
    take(&kit, REEVE_STORE_SEND_FREE);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 2});
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, REEVE_ELOST);
    hold(&kit, 6, id, 2, 6);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, REEVE_ELOST);
    hold(&kit, 6, OBJECT(FAR(3, 5), 1), 3, 7);
    word = take(&kit, REEVE_STORE_SEND_FREE);
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_CLOSED, .client = 6});
    step(&kit, (struct reeve_store_event){
                   .kind = REEVE_STORE_PEER_FREED, .node = 3, .number = word.number});
    nothing_more(&kit);
    kit_fini(&kit);
}

/* ---- two nodes, a bad link ------------------------------------------------------------------- */

#define HOME    1u /* node 1 has the objects; node 2 the holders */
#define OBJECTS 6u
#define HOLDERS 3u
#define TOKENS  4u

struct link {
    struct reeve_store_command words[256];
    uint32_t count;
};

/* Delivers some of the words in order, and the acknowledgement of the last; or loses all. */
static void deliver(
    struct kit *home, struct kit *far, struct link *link, struct reeve_prng *prng, bool all)
{
    bool lost = !all && reeve_prng_chance(prng, 1, 4), unheard = reeve_prng_chance(prng, 1, 4);
    uint32_t count = all ? link->count : (uint32_t)reeve_prng_below(prng, link->count + 1);
    uint64_t number = 0;
    for (uint32_t i = 0; i < count && !lost; i++) {
        const struct reeve_store_command *word = &link->words[i];
        number = word->number;
        if (word->word == REEVE_STORE_WORD_FREE)
            step(home, (struct reeve_store_event){
                           .kind = REEVE_STORE_PEER_FREE, .node = 2, .id = word->id});
        else
            peer_hold(
                home, word->id, word->process, word->token, word->word == REEVE_STORE_WORD_UNHOLD);
    }
    if (number != 0 && (all || !unheard))
        step(far, (struct reeve_store_event){
                      .kind = REEVE_STORE_PEER_FREED, .node = HOME, .number = number});
    link->count = 0; /* what has not been delivered went with the session */
    if (!all || number == 0)
        step(far, (struct reeve_store_event){.kind = REEVE_STORE_PEER_RESET, .node = HOME});
}

enum hold_state { NEVER, ASKED, KNOWN, ENDED };

static void collect(
    struct kit *far, struct link *link, enum hold_state holds[HOLDERS][OBJECTS][TOKENS])
{
    struct reeve_store_command command;
    while (reeve_fifo_pop(&far->out, &command)) {
        if (command.kind == REEVE_STORE_SEND_FREE) {
            assert_true(link->count < 256);
            link->words[link->count++] = command;
        } else if (command.kind == REEVE_STORE_REPLY_SEAL && command.code == 0) {
            uint32_t key = command.request;
            holds[key / 100][key / 10 % 10][key % 10] = KNOWN;
        }
    }
}

static void random_run(uint64_t seed)
{
    struct kit home, far;
    struct link link = {.count = 0};
    struct reeve_prng prng;
    enum hold_state holds[HOLDERS][OBJECTS][TOKENS] = {0};
    bool freed[OBJECTS] = {false}, dead[HOLDERS] = {false};
    reeve_prng_init(&prng, seed);
    kit_init(&home, 64 * MIB, 64 * MIB);
    kit_init(&far, 64 * MIB, 64 * MIB);
    step(&far, (struct reeve_store_event){.kind = REEVE_STORE_NODE, .node = 2});
    client_added(&home, 5);
    for (uint32_t h = 0; h < HOLDERS; h++)
        step(
            &far, (struct reeve_store_event){
                      .kind = REEVE_STORE_CLIENT_ADDED, .client = h + 1, .process = FAR(2, h + 1)});
    for (uint32_t o = 0; o < OBJECTS; o++)
        put(&home, 5, OBJECT(PROCESS(5), o + 1), 100);
    for (int i = 0; i < 200; i++) {
        uint32_t h = (uint32_t)reeve_prng_below(&prng, HOLDERS);
        uint32_t o = (uint32_t)reeve_prng_below(&prng, OBJECTS);
        uint32_t t = (uint32_t)reeve_prng_below(&prng, TOKENS);
        struct reeve_object_id id = OBJECT(PROCESS(5), o + 1);
        uint64_t what = reeve_prng_below(&prng, 12);
        if (what < 4 && holds[h][o][t] == NEVER && !freed[o] && !dead[h]) {
            holds[h][o][t] = ASKED; /* lent, so its owner waits; or it is held already */
            step(&far, (struct reeve_store_event){.kind = REEVE_STORE_HOLD,
                           .client = h + 1,
                           .request = h * 100 + o * 10 + t,
                           .id = id,
                           .node = HOME,
                           .number = t + 1});
        } else if (what < 7 && holds[h][o][t] == KNOWN && !dead[h]) {
            holds[h][o][t] = ENDED; /* a token is not used again */
            unhold(&far, h + 1, id, HOME, t + 1);
        } else if (what < 8 && !freed[o]) {
            bool waits = false; /* for a call in which it is lent */
            for (uint32_t k = 0; k < HOLDERS * TOKENS; k++)
                waits |= holds[k / TOKENS][o][k % TOKENS] == ASKED;
            if (!waits) {
                freed[o] = true;
                free_object(&home, 5, id, 0);
            }
        } else if (what == 8 && reeve_prng_chance(&prng, 1, 10) && !dead[h]) {
            dead[h] = true;
            for (uint32_t k = 0; k < OBJECTS * TOKENS; k++)
                holds[h][k / TOKENS][k % TOKENS] = ENDED;
            client_reaped(&far, h + 1);
        } else {
            deliver(&home, &far, &link, &prng, false);
        }
        collect(&far, &link, holds);
        for (uint32_t k = 0; k < HOLDERS * OBJECTS * TOKENS; k++)
            if (holds[k / (OBJECTS * TOKENS)][k / TOKENS % OBJECTS][k % TOKENS] == KNOWN)
                assert_true(is_here(&home, OBJECT(PROCESS(5), k / TOKENS % OBJECTS + 1)));
        reeve_fifo_clear(&home.out);
    }
    for (uint32_t h = 0; h < HOLDERS; h++)
        for (uint32_t o = 0; o < OBJECTS; o++)
            for (uint32_t t = 0; t < TOKENS; t++)
                if (holds[h][o][t] != NEVER && !dead[h])
                    unhold(&far, h + 1, OBJECT(PROCESS(5), o + 1), HOME, t + 1);
    for (uint32_t o = 0; o < OBJECTS; o++)
        if (!freed[o])
            free_object(&home, 5, OBJECT(PROCESS(5), o + 1), 0);
    step(&far, (struct reeve_store_event){.kind = REEVE_STORE_PEER_RESET, .node = HOME});
    link.count = 0;
    reeve_fifo_clear(&far.out);
    step(&far, (struct reeve_store_event){.kind = REEVE_STORE_PEER_RESET, .node = HOME});
    collect(&far, &link, holds);
    deliver(&home, &far, &link, &prng, true);
    assert_int_equal(status(&far).untold_count, 0);
    assert_int_equal(status(&home).hold_count, 0);
    assert_int_equal(status(&home).object_count, 0); /* none is kept after the last hold */
    kit_fini(&home);
    kit_fini(&far);
}

/* The one that its owner is told of. */
static struct reeve_object_id over(struct kit *kit, uint32_t client)
{
    struct reeve_store_command command = take(kit, REEVE_STORE_OVER);
    assert_int_equal(command.client, client);
    return command.id;
}

/* An actor has no bytes: its owner is told when nobody holds it. */
static void test_actors(void **state)
{
    (void)state;
    struct kit kit;
    const struct reeve_object_id one = reeve_object_id_of_actor(PROCESS(5), 1),
                                 two = reeve_object_id_of_actor(PROCESS(5), 2);
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    client_added(&kit, 6);
    free_object(&kit, 5, one, 0); /* nobody has it */
    assert_true(reeve_object_id_equal(over(&kit, 5), one));
    free_object(&kit, 6, two, 0); /* not its own */
    assert_int_equal(status(&kit).refused_count, 1);
    hold(&kit, 6, two, 0, 9);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    peer_hold(&kit, two, FAR(2, 9), 4, false);
    free_object(&kit, 5, two, 0);
    unhold(&kit, 6, two, 0, 9);
    nothing_more(&kit);
    peer_hold(&kit, two, FAR(2, 9), 4, true);
    assert_true(reeve_object_id_equal(over(&kit, 5), two));
    /* who holds it dies; and the node of who holds it */
    hold(&kit, 6, one, 0, 1);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, 0);
    peer_hold(&kit, two, FAR(2, 9), 5, false);
    free_object(&kit, 5, one, 0);
    free_object(&kit, 5, two, 0);
    client_reaped(&kit, 6);
    assert_true(reeve_object_id_equal(over(&kit, 5), one));
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 2});
    assert_true(reeve_object_id_equal(over(&kit, 5), two));
    /* its owner dies: nobody is told, and nobody can hold it any more */
    peer_hold(&kit, two, FAR(3, 9), 6, false);
    free_object(&kit, 5, two, 0);
    client_reaped(&kit, 5);
    peer_hold(&kit, two, FAR(3, 9), 6, true);
    client_added(&kit, 8);
    hold(&kit, 8, one, 0, 1);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_SEAL).code, REEVE_EOWNERDIED);
    assert_int_equal(count_of(&kit, REEVE_STORE_OVER), 0);
    assert_int_equal(status(&kit).hold_count, 0);
    kit_fini(&kit);
}

static void test_random_runs(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        random_run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freed_with_the_last_hold),
        cmocka_unit_test(test_holds_go_with_their_process_and_node),
        cmocka_unit_test(test_handed_on),
        cmocka_unit_test(test_handed_on_to_the_dead),
        cmocka_unit_test(test_said_again),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_owner_dies),
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_actors),
        cmocka_unit_test(test_random_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
