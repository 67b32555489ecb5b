/* Pieces sent to other nodes, and objects that spread. */
#include "tests/unit/objectstore/kit.h"

#define CHUNK REEVE_STORE_CHUNK_SIZE

static void sent_event(struct kit *kit, uint64_t serial)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_SENT, .number = serial});
}

static void test_serving_and_freeing_copies(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    struct reeve_store_command room = put(&kit, 5, id, CHUNK + 100);
    struct reeve_store_event pull = {
        .kind = REEVE_STORE_PEER_PULL, .node = 2, .id = id, .length = 10 * CHUNK};
    pull.number = 77;
    step(&kit, pull);
    struct reeve_store_command sent = take(&kit, REEVE_STORE_SEND_CHUNK);
    assert_int_equal(sent.number, 77);
    assert_int_equal(sent.place, room.offset);
    assert_int_equal(sent.length, CHUNK);
    assert_int_equal(sent.size, CHUNK + 100);
    pull.offset = CHUNK;
    step(&kit, pull);
    sent = take(&kit, REEVE_STORE_SEND_CHUNK);
    assert_int_equal(sent.place, room.offset + CHUNK);
    assert_int_equal(sent.length, 100);
    pull.offset = CHUNK + 101;
    step(&kit, pull);
    assert_int_equal(take(&kit, REEVE_STORE_SEND_CHUNK).code, REEVE_EPROTOCOL);
    pull.offset = 0;
    for (uint32_t node = 3; node <= 5; node++) {
        pull.node = node;
        step(&kit, pull);
        take(&kit, REEVE_STORE_SEND_CHUNK);
    }
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = 4});
    free_object(&kit, 5, id, 0);
    uint32_t told = 0;
    for (int i = 0; i < 3; i++)
        told |= 1u << take(&kit, REEVE_STORE_SEND_FREE).node;
    assert_int_equal(told, 1u << 2 | 1u << 3 | 1u << 5);
    nothing_more(&kit);
    step(&kit, pull);
    assert_int_equal(take(&kit, REEVE_STORE_SEND_CHUNK).code, REEVE_ELOST);
    kit_fini(&kit);
}

/* The node that says it has been freed may have asked for another copy since. */
static void test_who_frees_from_elsewhere_is_told_too(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(FAR(2, 6), 1);
    put(&kit, 5, id, 100);
    step(&kit, (struct reeve_store_event){
                   .kind = REEVE_STORE_PEER_PULL, .node = 2, .id = id, .length = 100, .number = 1});
    sent_event(&kit, take(&kit, REEVE_STORE_SEND_CHUNK).serial);
    step(&kit,
        (struct reeve_store_event){.kind = REEVE_STORE_PEER_FREE, .node = 2, .id = id, .word = 1});
    struct reeve_store_command word = take(&kit, REEVE_STORE_SEND_FREE);
    assert_true(word.node == 2 && reeve_object_id_equal(word.id, id));
    nothing_more(&kit);
    kit_fini(&kit);
}

/* Of one without bytes no piece is asked for: its size makes it a copy. */
static void test_copies_without_bytes_are_freed(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    put(&kit, 5, id, 0);
    step(&kit, (struct reeve_store_event){
                   .kind = REEVE_STORE_PEER_PULL, .node = 2, .id = id, .number = 1});
    assert_int_equal(take(&kit, REEVE_STORE_SEND_CHUNK).size, 0);
    free_object(&kit, 5, id, 0);
    assert_int_equal(take(&kit, REEVE_STORE_SEND_FREE).node, 2);
    nothing_more(&kit);
    kit_fini(&kit);
}

static struct reeve_store_event pull_event(
    uint32_t node, struct reeve_object_id id, uint64_t index, uint64_t number)
{
    return (struct reeve_store_event){.kind = REEVE_STORE_PEER_PULL,
        .node = node,
        .id = id,
        .offset = index * CHUNK,
        .length = CHUNK,
        .number = number};
}

/* What is on its way out stays where it is, whatever happens to the object. */
static void test_held_until_sent(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, 64 * MIB, 64 * MIB);
    client_added(&kit, 5);
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    put(&kit, 5, id, 2 * CHUNK);
    step(&kit, pull_event(2, id, 0, 1));
    uint64_t serial = take(&kit, REEVE_STORE_SEND_CHUNK).serial;
    step(&kit, (struct reeve_store_event){
                   .kind = REEVE_STORE_PEER_PULL, .node = 2, .id = id, .number = 2});
    struct reeve_store_command size = take(&kit, REEVE_STORE_SEND_CHUNK); /* how large is it? */
    assert_int_equal(size.serial, 0);
    assert_int_equal(size.size, 2 * CHUNK);
    assert_int_equal(status(&kit).send_count, 1);
    client_reaped(&kit, 5);
    assert_int_equal(status(&kit).object_count, 1);
    count_of(&kit, 0);
    sent_event(&kit, serial);
    assert_int_equal(status(&kit).object_count, 0);
    assert_int_equal(status(&kit).used_bytes, 0);
    sent_event(&kit, serial);
    assert_int_equal(status(&kit).stale_count, 1);
    kit_fini(&kit);
}

/* Pieces go on to others before all are here. */
static void test_served_while_it_comes(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct kit kit;
        kit_init(&kit, 64 * MIB, 64 * MIB);
        client_added(&kit, 5);
        struct reeve_object_id id = OBJECT(FAR(2, 1), 1);
        get(&kit, 5, 1, id, 2 * CHUNK, 2);
        take(&kit, REEVE_STORE_SEGMENT_CREATE);
        struct reeve_store_command pull = take(&kit, REEVE_STORE_SEND_PULL);
        take(&kit, REEVE_STORE_SEND_PULL);
        step(&kit, pull_event(3, id, 0, 11)); /* parked */
        step(&kit, pull_event(4, id, 1, 12));
        struct reeve_store_event wrong = pull_event(4, id, 1, 13);
        wrong.offset++;
        step(&kit, wrong);
        assert_int_equal(take(&kit, REEVE_STORE_SEND_CHUNK).code, REEVE_EPROTOCOL);
        nothing_more(&kit);
        chunk(&kit, &pull, 2 * CHUNK);
        struct reeve_store_command sent = take(&kit, REEVE_STORE_SEND_CHUNK);
        assert_int_equal(sent.number, 11);
        assert_int_equal(sent.node, 3);
        assert_int_equal(sent.place, pull.place);
        step(&kit, pull_event(3, id, 0, 14));
        uint64_t serial = take(&kit, REEVE_STORE_SEND_CHUNK).serial;
        sent_event(&kit, serial);
        if (fails) {
            step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_CLIENT_CLOSED, .client = 5});
            struct reeve_store_command refused = take(&kit, REEVE_STORE_SEND_CHUNK);
            assert_int_equal(refused.number, 12);
            assert_int_equal(refused.code, REEVE_ELOST);
            take(&kit, REEVE_STORE_DROP_PULL);
            chunk_failed(&kit, pull.number + 1, REEVE_ECANCELLED, 0);
            assert_true(status(&kit).used_bytes > 0); /* the first piece is still being read */
            sent_event(&kit, sent.serial);
            assert_int_equal(status(&kit).used_bytes, 0);
        } else {
            step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_RESET, .node = 4});
            pull.number++;
            chunk(&kit, &pull, 2 * CHUNK);
            take(&kit, REEVE_STORE_SEGMENT_SHOW); /* node 4 has forgotten what it asked for */
            assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
            nothing_more(&kit);
            unpin(&kit, 5, id);
            assert_int_equal(status(&kit).pin_count, 1); /* for what goes out */
            sent_event(&kit, sent.serial);
            assert_int_equal(status(&kit).pin_count, 0);
        }
        kit_fini(&kit);
    }
}

/* --- a broadcast ------------------------------------------------------------------------------ */

#define NODES  6u
#define PIECES 64u

/* Node 1 has it; all others want it at once, and each passes what it gets to the next command. */
struct network {
    struct kit kits[NODES + 1];
    uint64_t sent[NODES + 1];
    bool dead[NODES + 1];
};

static void move(struct network *network, uint32_t at)
{
    struct kit *kit = &network->kits[at];
    struct reeve_store_command command;
    if (network->dead[at] || !reeve_fifo_pop(&kit->out, &command))
        return;
    if (command.kind == REEVE_STORE_SEND_PULL && !network->dead[command.node]) {
        struct reeve_store_event event = pull_event(at, command.id, 0, command.number);
        event.offset = command.offset;
        event.flags = command.insist ? REEVE_STORE_INSIST : 0;
        step(&network->kits[command.node], event);
    } else if (command.kind == REEVE_STORE_DROP_PULL) {
        chunk_failed(kit, command.number, REEVE_ECANCELLED, 0);
    } else if (command.kind == REEVE_STORE_SEND_CHUNK) {
        network->sent[at] += command.length;
        if (command.serial != 0)
            sent_event(kit, command.serial);
        if (!network->dead[command.node])
            step(&network->kits[command.node],
                (struct reeve_store_event){.kind = REEVE_STORE_PEER_CHUNK,
                    .number = command.number,
                    .size = command.size,
                    .length = command.length,
                    .code = command.code,
                    .other = command.other});
    } else if (command.kind == REEVE_STORE_REPLY_GET) {
        assert_int_equal(command.code, 0);
    }
}

static void broadcast(uint32_t killed)
{
    static struct network network;
    memset(&network, 0, sizeof network);
    struct reeve_object_id id = OBJECT(PROCESS(5), 1);
    for (uint32_t at = 1; at <= NODES; at++) {
        struct reeve_store_settings settings = {.capacity_bytes = 64 * MIB, .node = at};
        network.kits[at].store = reeve_store_create(&settings);
        reeve_fifo_init(&network.kits[at].out, sizeof(struct reeve_store_command));
        client_added(&network.kits[at], 5);
    }
    put(&network.kits[1], 5, id, PIECES * CHUNK);
    for (uint32_t at = 2; at <= NODES; at++)
        get(&network.kits[at], 5, 1, id, PIECES * CHUNK, 1);
    for (uint32_t turn = 0; turn < 40000; turn++) {
        for (uint32_t at = 1; at <= NODES; at++)
            move(&network, at);
        if (turn == 50 && killed != 0) {
            network.dead[killed] = true;
            for (uint32_t at = 1; at <= NODES; at++)
                if (!network.dead[at])
                    step(&network.kits[at],
                        (struct reeve_store_event){.kind = REEVE_STORE_PEER_DOWN, .node = killed});
        }
    }
    for (uint32_t at = 2; at <= NODES; at++) {
        if (network.dead[at])
            continue;
        assert_int_equal(status(&network.kits[at]).pulled_count, 1);
        assert_int_equal(status(&network.kits[at]).send_count, 0);
        assert_int_equal(status(&network.kits[at]).pull_count, 0);
        assert_int_equal(status(&network.kits[at]).pin_count, 1);
    }
    if (killed == 0)
        assert_true(network.sent[1] <= 2 * PIECES * CHUNK);
    print_message("           the first sent %.2f copies, the others",
        (double)network.sent[1] / (PIECES * CHUNK));
    for (uint32_t at = 2; at <= NODES; at++)
        print_message(" %.2f", (double)network.sent[at] / (PIECES * CHUNK));
    print_message("\n");
    for (uint32_t at = 1; at <= NODES; at++)
        kit_fini(&network.kits[at]);
}

static void test_broadcast(void **state)
{
    (void)state;
    broadcast(0);
    for (uint32_t killed = 2; killed <= NODES; killed++)
        broadcast(killed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serving_and_freeing_copies),
        cmocka_unit_test(test_who_frees_from_elsewhere_is_told_too),
        cmocka_unit_test(test_copies_without_bytes_are_freed),
        cmocka_unit_test(test_held_until_sent),
        cmocka_unit_test(test_served_while_it_comes),
        cmocka_unit_test(test_broadcast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
