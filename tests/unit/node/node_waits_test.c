/* The node core: who waits for what is passed on to the head, and what it says of that to clients;
 * and what a worker died of. */
#include "tests/unit/node/node_steps.h"

#include <reeve_errors.h>
#include <stdio.h>

static void describe(const struct reeve_node_command *c)
{
    const struct reeve_message *m = &c->message;
    char line[REEVE_TEXT_SIZE + 64] = "";
    if (c->kind == REEVE_NODE_COMMAND_SEND_HEAD && m->kind == REEVE_MESSAGE_BLOCKED)
        snprintf(line, sizeof line, "blocked %u on %u cpu %u number %u. ", (uint32_t)m->process,
            (uint32_t)m->worker, m->class.cpu_milli, (uint32_t)m->count);
    else if (c->kind == REEVE_NODE_COMMAND_SEND_HEAD && m->kind == REEVE_MESSAGE_STUCK)
        snprintf(line, sizeof line, "stuck %u. ", (uint32_t)m->count);
    else if (c->kind == REEVE_NODE_COMMAND_CLIENT_DEADLOCK)
        snprintf(line, sizeof line, "deadlock %u number %u: %s. ", c->serial, c->count, c->text);
    else if (c->kind == REEVE_NODE_COMMAND_CLIENT_LOST)
        snprintf(line, sizeof line, "lost, children %u. ", c->count);
    else if (c->kind == REEVE_NODE_COMMAND_CLOSE_DEAD)
        snprintf(line, sizeof line, "close, children %u. ", c->count);
    else if (c->kind == REEVE_NODE_COMMAND_RETIRE)
        snprintf(line, sizeof line, "retire %u. ", c->serial);
    size_t used = strlen(said);
    snprintf(said + used, sizeof said - used, "%s", line);
}

#define HEAD(name, ...) \
    head_says(&(struct reeve_message){.kind = REEVE_MESSAGE_##name, ##__VA_ARGS__})

static reeve_process_id process(uint32_t on, uint32_t serial)
{
    return reeve_process_id_make(on, serial);
}

static void grant(uint64_t lease, uint32_t holder_node)
{
    reeve_process_id holder = process(holder_node, 1);
    HEAD(GRANT, .lease = lease, .process = holder, .class = {.job = holder, .cpu_milli = 1000});
}

/* Registered as node 3, with room for two workers. */
static int setup(void **state)
{
    struct reeve_node_config config = {.uid = 1,
        .incarnation = 2,
        .host = "here",
        .cpu_milli = 2000,
        .warm_limit = 2,
        .process_limit = 2};
    (void)state;
    now = 0;
    node = reeve_node_create(&config);
    reeve_fifo_init(&out, sizeof(struct reeve_node_command));
    EVENT(TICK);
    EVENT(HEAD_UP);
    HEAD(WELCOME, .node = 3, .count = 1000);
    return 0;
}

/* A driver (1) with as many workers as there may be, 2 and 3, both at work. */
static void fill(void)
{
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 0, .cpu_milli = 1000, .count = 2);
    EVENT(WORKER_HELLO, .serial = 2);
    EVENT(WORKER_HELLO, .serial = 3);
    grant(7, 3);
    grant(8, 3);
    EVENT(CLIENT_DEMAND, .serial = 3, .class_index = 5, .cpu_milli = 500, .count = 1);
}

static void it_is_passed_on(void **state)
{
    (void)state;
    fill();
    EVENT(CLIENT_BLOCKED, .serial = 2, .process = process(3, 3), .count = 1);
    EXPECT("blocked 2 on 3 cpu 0 number 1. ");
    EVENT(CLIENT_BLOCKED, .serial = 3, .class_index = 5, .count = 1);
    EXPECT("blocked 3 on 0 cpu 500 number 1. stuck 1. ");
    EVENT(CLIENT_BLOCKED, .serial = 1, .count = 1); /* a driver is nobody's worker */
    EXPECT("");
    HEAD(DEADLOCK, .process = process(3, 3), .count = 1, .text = "why");
    EXPECT("deadlock 3 number 1: why. ");
    EVENT(CLIENT_BLOCKED, .serial = 3, .process = process(4, 4), .count = 2);
    EXPECT("blocked 3 on 4 cpu 0 number 2. ");
    HEAD(DEADLOCK, .process = process(3, 3), .count = 1); /* of a wait that is over */
    EXPECT("");
    EVENT(CLIENT_BLOCKED, .serial = 3);
    EXPECT("blocked 3 on 0 cpu 0 number 0. stuck 0. ");
    EVENT(CLIENT_BLOCKED, .serial = 3);
    EXPECT("");
}

static void it_is_said_again_to_a_head_that_was_away(void **state)
{
    (void)state;
    fill();
    EVENT(CLIENT_BLOCKED, .serial = 2, .process = process(3, 3), .count = 1);
    EVENT(CLIENT_BLOCKED, .serial = 3, .class_index = 5, .count = 7);
    EVENT(HEAD_DOWN);
    EVENT(HEAD_UP);
    HEAD(WELCOME, .node = 3, .count = 1000);
    assert_non_null(strstr(said, "blocked 2 on 3 cpu 0 number 1"));
    assert_non_null(strstr(said, "blocked 3 on 0 cpu 500 number 7"));
    assert_non_null(strstr(said, "stuck 1"));
}

/* A dead worker waits for nobody, and leaves its place to another. */
static void it_ends_with_the_worker(void **state)
{
    (void)state;
    fill();
    EVENT(CLIENT_BLOCKED, .serial = 2, .process = process(3, 3), .count = 1);
    EVENT(CLIENT_BLOCKED, .serial = 3, .class_index = 5, .count = 1);
    EVENT(WORKER_EXITED, .serial = 3, .code = REEVE_EWORKERDIED);
    assert_non_null(strstr(said, "blocked 3 on 0 cpu 0 number 0"));
    assert_non_null(strstr(said, "stuck 0"));
}

static void that_a_child_was_running_is_told_to_the_holder(void **state)
{
    (void)state;
    fill();
    EVENT(WORKER_EXITED, .serial = 2, .code = REEVE_EWORKERDIED, .count = 1);
    assert_non_null(strstr(said, "lost, children 1. "));
    EVENT(WORKER_EXITED, .serial = 3, .code = REEVE_EWORKERDIED);
    assert_non_null(strstr(said, "lost, children 0. "));
}

static void also_to_one_on_another_node(void **state)
{
    (void)state;
    HEAD(PEER_UP, .node = 5, .incarnation = 55);
    grant(7, 5);
    EVENT(WORKER_HELLO, .serial = 1);
    EVENT(WORKER_EXITED, .serial = 1, .code = REEVE_EWORKERDIED, .count = 2);
    assert_non_null(strstr(said, "close, children 2. "));
}

/* A thread that a task has left behind may look at its futures yet. */
static void who_has_futures_is_retired_for_others_only(void **state)
{
    (void)state;
    fill();
    EVENT(CLIENT_OWNS, .serial = 3, .count = 1);
    EVENT(CLIENT_DEMAND, .serial = 3, .class_index = 5, .cpu_milli = 500, .count = 0);
    for (uint64_t lease = 7; lease <= 8; lease++) {
        EVENT(CLIENT_RETURN, .serial = 1, .lease = lease);
        EVENT(CLOSED, .lease = lease);
        EXPECT("");
    }
    EVENT(DRIVER_HELLO, .connection = 10, .text = "other");
    EVENT(CLIENT_DEMAND, .serial = 4, .class_index = 0, .cpu_milli = 1000, .count = 2);
    HEAD(GRANT, .lease = 9, .process = process(3, 4),
        .class = {.job = process(3, 4), .cpu_milli = 1000});
    EXPECT("retire 2. "); /* though the other one has been idle for longer */
    HEAD(GRANT, .lease = 10, .process = process(3, 4),
        .class = {.job = process(3, 4), .cpu_milli = 1000});
    EXPECT("retire 3. ");
}

static void who_has_futures_is_not_retired_for_idleness(void **state)
{
    (void)state;
    struct reeve_node_config config = {
        .uid = 1, .incarnation = 2, .host = "here", .cpu_milli = 2000, .warm_limit = 1};
    reeve_node_free(node);
    now = 0;
    node = reeve_node_create(&config);
    EVENT(TICK);
    EVENT(HEAD_UP);
    HEAD(WELCOME, .node = 3, .count = 1000);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 0, .cpu_milli = 1000, .count = 2);
    grant(7, 3);
    grant(8, 3);
    EVENT(WORKER_HELLO, .serial = 2);
    EVENT(WORKER_HELLO, .serial = 3);
    EVENT(CLIENT_OWNS, .serial = 2, .count = 1);
    for (uint64_t lease = 7; lease <= 8; lease++) {
        EVENT(CLIENT_RETURN, .serial = 1, .lease = lease);
        EVENT(CLOSED, .lease = lease);
    }
    for (int second = 0; second < 11; second++) {
        EXPECT("");
        now += 1000000000u;
        HEAD(HEARTBEAT);
        if (strcmp(said, "retire 3. ") == 0)
            said[0] = 0; /* the other one may go */
    }
    EVENT(CLIENT_OWNS, .serial = 2, .count = 0);
    EXPECT("");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, steps_end)
    const struct CMUnitTest tests[] = {
        TEST(it_is_passed_on),
        TEST(it_is_said_again_to_a_head_that_was_away),
        TEST(it_ends_with_the_worker),
        TEST(that_a_child_was_running_is_told_to_the_holder),
        TEST(also_to_one_on_another_node),
        TEST(who_has_futures_is_retired_for_others_only),
        TEST(who_has_futures_is_not_retired_for_idleness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
