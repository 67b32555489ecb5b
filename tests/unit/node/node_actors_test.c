/* The node core: hosts of actors, and those that attach to them. */
#include "tests/unit/node/node_steps.h"

#include <reeve_errors.h>
#include <stdio.h>

#define HOST  7u
#define CLASS 2u /* of the owner's and of the attaching */

static void describe(const struct reeve_node_command *c)
{
    char line[256];
    const struct reeve_message *m = &c->message;
    int l = (int)c->lease;
    switch (c->kind) {
#define CASE(kind, ...) \
    case REEVE_NODE_COMMAND_##kind: snprintf(line, sizeof line, __VA_ARGS__); break
        CASE(SEND_HEAD, "head %s %d %d", reeve_message_kind_name(m->kind), (int)m->lease, m->code);
        CASE(SEND_PEER, "peer %u %s %d %d", c->node, reeve_message_kind_name(m->kind),
            (int)m->lease, m->code);
        CASE(OPEN_LOCAL, "open %d to %u on %u host %x", l, c->serial, c->worker, c->host);
        CASE(OPEN_EXECUTOR, "open %d for node %u on %u host %x", l, c->node, c->worker, c->host);
        CASE(CLIENT_LOST, "lost %u %d %d", c->serial, l, c->code);
        CASE(CLOSE, "close %d", l);
        CASE(CLOSE_DEAD, "close_dead %d %d", l, c->code);
        CASE(KILL, "kill %u", c->serial);
        CASE(CLIENT_DROP, "drop %u %d", c->serial, c->code);
#undef CASE
    default: return;
    }
    size_t used = strlen(said);
    snprintf(said + used, sizeof said - used, "%s%s", used > 0 ? "; " : "", line);
}

#define P(on, serial) reeve_process_id_make(on, serial)

static void grant(int lease, reeve_process_id holder, uint32_t host)
{
    struct reeve_message message = {.kind = REEVE_MESSAGE_GRANT,
        .lease = (uint64_t)lease,
        .process = holder,
        .class = {.job = P(3, 1), .owner = P(3, 1), .host = host}};
    head_says(&message);
}

/* Node 3; a driver (serial 1) with two workers (2 and 3), which wants a host; worker 3 and a
 * process of node 4 want to attach. */
static int begin(void **state)
{
    (void)state;
    struct reeve_node_config config = {
        .uid = 1, .incarnation = 2, .host = "here", .cpu_milli = 2000, .warm_limit = 2};
    node = reeve_node_create(&config);
    assert_non_null(node);
    reeve_fifo_init(&out, sizeof(struct reeve_node_command));
    EVENT(TICK);
    EVENT(HEAD_UP);
    head_says(&(struct reeve_message){.kind = REEVE_MESSAGE_WELCOME, .node = 3, .count = 1000});
    head_says(&(struct reeve_message){
        .kind = REEVE_MESSAGE_PEER_UP, .node = 4, .incarnation = 9, .address = "a4"});
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    for (uint32_t serial = 2; serial <= 3; serial++) {
        EVENT(WORKER_STARTED, .serial = serial);
        EVENT(WORKER_HELLO, .serial = serial);
    }
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = CLASS, .count = 1, .host = HOST);
    EVENT(CLIENT_DEMAND, .serial = 3, .class_index = CLASS, .count = 1,
        .host = HOST | REEVE_HOST_ATTACH, .process = P(3, 1));
    return 0;
}

static uint32_t host; /* the serial of the worker that is it */

/* The residence is lease 10, worker 3 attaches by 11, node 4 by 12. */
static void all_open(void)
{
    grant(10, P(3, 1), HOST);
    host = strstr(said, "on 2 ") != NULL ? 2 : 3;
    grant(11, P(3, 3), HOST | REEVE_HOST_ATTACH);
    grant(12, P(4, 5), HOST | REEVE_HOST_ATTACH);
    assert_non_null(strstr(said, "open 12 for node 4 on"));
}

static void those_that_attach_share_its_worker(void **state)
{
    (void)state;
    grant(11, P(3, 3), HOST | REEVE_HOST_ATTACH);
    EXPECT("head REFUSED 11 -1032"); /* it is not here */
    all_open();
    /* one of them is done, another has died: the host goes on */
    EVENT(CLIENT_RETURN, .serial = 3, .lease = 11);
    EXPECT("close 11");
    EVENT(CLOSED, .lease = 11, .count = 1);
    EXPECT("head ENDED 11 0");
    step(&(struct reeve_node_event){.kind = REEVE_NODE_EVENT_PEER_MESSAGE,
        .node = 4,
        .message = {.kind = REEVE_MESSAGE_RETURN, .lease = 12, .code = REEVE_EOWNERDIED}});
    EXPECT("close 12");
    EVENT(CLOSED, .lease = 12, .count = 1);
    EXPECT("head ENDED 12 0");
    struct reeve_node_facts facts;
    reeve_node_get_facts(node, &facts);
    assert_int_equal(facts.workers_leased, 1);
}

static void all_hear_of_its_death(void **state)
{
    (void)state;
    all_open();
    EVENT(WORKER_EXITED, .serial = host, .code = REEVE_EWORKERDIED, .text = "signal 9");
    /* what the dead one itself held is closed first, if it is worker 3 */
    assert_non_null(strstr(said, "peer 4 LOST 12 -1007; head ENDED 12 0"));
    assert_non_null(strstr(said, "close_dead 10 -1007; lost 1 10 -1007; head ENDED 10 0"));
    if (host == 2)
        assert_non_null(strstr(said, "close_dead 11 -1007; lost 3 11 -1007; head ENDED 11 0"));
}

static void those_that_attach_lose_it_when_its_owner_is_done(void **state)
{
    (void)state;
    all_open();
    EVENT(CLIENT_RETURN, .serial = 1, .lease = 10);
    EXPECT("close_dead 11 -1039; lost 3 11 -1039; head ENDED 11 0; "
           "close_dead 12 -1039; peer 4 LOST 12 -1039; head ENDED 12 0; close 10");
    EVENT(CLOSED, .lease = 10);
    EXPECT("head ENDED 10 0");
    struct reeve_node_facts facts;
    reeve_node_get_facts(node, &facts);
    assert_int_equal(facts.workers_idle, 2); /* it serves others */
}

static void a_host_that_is_given_up_is_killed(void **state)
{
    (void)state;
    grant(10, P(3, 1), HOST);
    EVENT(CLIENT_RETURN, .serial = 1, .lease = 10, .code = REEVE_ECANCELLED);
    EXPECT("close 10");
    EVENT(CLOSED, .lease = 10);
    assert_non_null(strstr(said, "kill "));
}

static void those_that_come_before_it_has_a_worker_wait(void **state)
{
    (void)state;
    struct reeve_class tasks = {.job = P(3, 1), .cpu_milli = 1000};
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 0, .cpu_milli = 1000, .count = 2);
    for (int lease = 1; lease <= 2; lease++)
        head_says(&(struct reeve_message){.kind = REEVE_MESSAGE_GRANT,
            .lease = (uint64_t)lease,
            .process = P(3, 1),
            .class = tasks});
    grant(10, P(3, 1), HOST);
    EXPECT("");
    grant(12, P(4, 5), HOST | REEVE_HOST_ATTACH);
    EXPECT("");
    grant(13, P(4, 6), HOST | REEVE_HOST_ATTACH);
    step(&(struct reeve_node_event){.kind = REEVE_NODE_EVENT_PEER_MESSAGE,
        .node = 4,
        .message = {.kind = REEVE_MESSAGE_RETURN, .lease = 13, .code = 0}});
    EXPECT(""); /* it has not been told of it, so it cannot return it */
    EVENT(WORKER_STARTED, .serial = 4);
    EVENT(WORKER_HELLO, .serial = 4);
    EXPECT("open 10 to 1 on 4 host 7; open 12 for node 4 on 4 host 80000007; peer 4 OPEN 12 0; "
           "open 13 for node 4 on 4 host 80000007; peer 4 OPEN 13 0");
}

/* The link to the actor's node has gone: nobody knows more, until there is a verdict. */
static void an_owner_hears_whether_its_host_is_dead_or_out_of_reach(void **state)
{
    (void)state;
    struct reeve_message open = {.kind = REEVE_MESSAGE_OPEN,
        .lease = 20,
        .process = P(3, 1),
        .worker = P(4, 8),
        .class = {.job = P(3, 1), .owner = P(3, 1), .host = HOST}};
    step(&(struct reeve_node_event){
        .kind = REEVE_NODE_EVENT_PEER_MESSAGE, .node = 4, .message = open});
    EVENT(PEER_LINK_DOWN, .node = 4, .text = "cut");
    assert_non_null(strstr(said, "close_dead 20 -1008; lost 1 20 -1040"));
    open.lease = 21;
    step(&(struct reeve_node_event){
        .kind = REEVE_NODE_EVENT_PEER_MESSAGE, .node = 4, .message = open});
    head_says(&(struct reeve_message){
        .kind = REEVE_MESSAGE_PEER_DOWN, .node = 4, .incarnation = 9, .text = "dead"});
    assert_non_null(strstr(said, "lost 1 21 -1008"));
}

static void a_process_cannot_claim_the_host_of_another(void **state)
{
    (void)state;
    EVENT(CLIENT_DEMAND, .serial = 3, .class_index = CLASS + 1, .count = 1, .host = HOST,
        .process = P(3, 1));
    assert_non_null(strstr(said, "kill 3"));
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = CLASS + 1, .count = 1,
        .host = HOST | REEVE_HOST_ATTACH, .process = P(3, 1));
    assert_non_null(strstr(said, "drop 1 -1024"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, steps_end)
    const struct CMUnitTest tests[] = {
        TEST(those_that_attach_share_its_worker),
        TEST(all_hear_of_its_death),
        TEST(those_that_attach_lose_it_when_its_owner_is_done),
        TEST(a_host_that_is_given_up_is_killed),
        TEST(those_that_come_before_it_has_a_worker_wait),
        TEST(an_owner_hears_whether_its_host_is_dead_or_out_of_reach),
        TEST(a_process_cannot_claim_the_host_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
