/* The node core: scenarios with exact commands.
 *
 * Commands are written as short lines: "spawn 2", "head grant…"; expect() compares all that a
 * step emitted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above */
#include <cmocka.h>
#include <reeve_errors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/node/node_core.h"

#define MS 1000000ull
#define S  (1000 * MS)

static struct reeve_node *node;
static struct reeve_fifo out;
static uint64_t now;
static char said[16384];

static const char *message_text(const struct reeve_message *m, char *text, size_t size)
{
    switch (m->kind) {
    case REEVE_MESSAGE_JOIN: snprintf(text, size, "join %u", m->node); break;
    case REEVE_MESSAGE_HOLDING: snprintf(text, size, "holding %d", (int)m->lease); break;
    case REEVE_MESSAGE_DEMAND:
        snprintf(text, size, m->node != 0 ? "demand %d %u %d near %u" : "demand %d %u %d",
            (int)(uint32_t)m->process, m->class.cpu_milli, (int)m->count, m->node);
        break;
    case REEVE_MESSAGE_REFUSED:
        snprintf(text, size, "refused %d %d", (int)m->lease, m->code);
        break;
    case REEVE_MESSAGE_ENDED: snprintf(text, size, "ended %d", (int)m->lease); break;
    case REEVE_MESSAGE_LENT:
        snprintf(text, size, "lent %d %d", (int)m->lease, (int)m->count);
        break;
    case REEVE_MESSAGE_JOB_BEGIN:
        snprintf(text, size, m->count != 0 ? "job_begin %d weight %u" : "job_begin %d",
            (int)(uint32_t)m->process, (unsigned)m->count);
        break;
    case REEVE_MESSAGE_JOB_END:
        snprintf(text, size, "job_end %d", (int)(uint32_t)m->process);
        break;
    case REEVE_MESSAGE_HEARTBEAT:
        snprintf(text, size, m->code != 0 ? "heartbeat %d" : "heartbeat", (int)m->code);
        break;
    case REEVE_MESSAGE_OPEN: snprintf(text, size, "open %d", (int)m->lease); break;
    case REEVE_MESSAGE_FAILED: snprintf(text, size, "failed %d %d", (int)m->lease, m->code); break;
    case REEVE_MESSAGE_LOST: snprintf(text, size, "lost %d %d", (int)m->lease, m->code); break;
    case REEVE_MESSAGE_RETURN: snprintf(text, size, "return %d", (int)m->lease); break;
    case REEVE_MESSAGE_RECALL:
        snprintf(text, size, "recall %d%s", (int)m->lease, m->count != 0 ? " when idle" : "");
        break;
    case REEVE_MESSAGE_PEER_UP: snprintf(text, size, "about %u", m->node); break;
    default: snprintf(text, size, "message-%d", (int)m->kind); break;
    }
    return text;
}

static void describe(const struct reeve_node_command *c)
{
    char line[256], inner[128];
    int l = (int)c->lease;
    switch (c->kind) {
#define CASE(kind, ...) \
    case REEVE_NODE_COMMAND_##kind: snprintf(line, sizeof line, __VA_ARGS__); break
        CASE(DIAL_HEAD, "dial");
        CASE(DROP_HEAD, "drop_head");
        CASE(SEND_HEAD, "head %s", message_text(&c->message, inner, sizeof inner));
        CASE(SEND_PEER, "peer %u %s", c->node, message_text(&c->message, inner, sizeof inner));
        CASE(PEER_KNOWN, "peer_known %u", c->node);
        CASE(PEER_FORGET, "peer_forget %u", c->node);
        CASE(REGISTERED, "registered %u", c->node);
        CASE(FENCED, "fenced");
        CASE(CLIENT_WELCOME, "welcome %d as %u", (int)c->connection, c->serial);
        CASE(CLIENT_REFUSE, "refuse %d %d", (int)c->connection, c->code);
        CASE(CLIENT_DROP, "drop %u %d", c->serial, c->code);
        CASE(CLIENT_LOST, "client_lost %u lease %d class %u %d", c->serial, l, c->class_index,
            c->code);
        CASE(CLIENT_RECALL, "client_recall %u lease %d%s", c->serial, l,
            c->count != 0 ? " when idle" : "");
        CASE(CLIENT_INFEASIBLE, "infeasible %u class %u", c->serial, c->class_index);
        CASE(CLIENT_NAMED, "client_named %u #%u %d", c->serial, c->count, c->code);
        CASE(CLIENT_HEAD, "client_head %u %d", c->serial, c->code);
        CASE(SPAWN, "spawn %u", c->serial);
        CASE(WORKER_WELCOME, "worker_welcome %u", c->serial);
        CASE(RETIRE, "retire %u", c->serial);
        CASE(KILL, "kill %u", c->serial);
        CASE(OPEN_LOCAL, "open_local %d holder %u worker %u class %u", l, c->serial, c->worker,
            c->class_index);
        CASE(OPEN_EXECUTOR, "open_executor %d worker %u node %u", l, c->worker, c->node);
        CASE(OPEN_HOLDER, "open_holder %d holder %u class %u node %u", l, c->serial, c->class_index,
            c->node);
        CASE(CLOSE, "close %d", l);
        CASE(CLOSE_DEAD, "close_dead %d %d", l, c->code);
        CASE(JOB_GONE, "job_gone %d", (int)(uint32_t)c->job);
        CASE(END, "end %d", c->code);
#undef CASE
    default: snprintf(line, sizeof line, "?"); break;
    }
    size_t used = strlen(said);
    snprintf(said + used, sizeof said - used, "%s%s", used > 0 ? "\n" : "", line);
}

static char last_text[REEVE_TEXT_SIZE];

static void step(const struct reeve_node_event *event)
{
    reeve_node_step(node, now, event, &out);
    reeve_node_check(node);
    struct reeve_node_command command;
    said[0] = 0;
    while (reeve_fifo_pop(&out, &command)) {
        describe(&command);
        if (command.text[0] != 0)
            memcpy(last_text, command.text, sizeof last_text);
        if (command.message.kind == REEVE_MESSAGE_FAILED ||
            command.message.kind == REEVE_MESSAGE_LOST)
            memcpy(last_text, command.message.text, sizeof last_text);
    }
}

#define EVENT(name, ...) \
    step(&(struct reeve_node_event){.kind = REEVE_NODE_EVENT_##name, ##__VA_ARGS__})
#define EXPECT(text) assert_string_equal(said, text)

static void head_says(const struct reeve_message *message)
{
    struct reeve_node_event event = {.kind = REEVE_NODE_EVENT_HEAD_MESSAGE, .message = *message};
    step(&event);
}

static void peer_says(uint32_t peer, const struct reeve_message *message)
{
    struct reeve_node_event event = {
        .kind = REEVE_NODE_EVENT_PEER_MESSAGE, .node = peer, .message = *message};
    step(&event);
}

#define HEAD(name, ...) \
    head_says(&(struct reeve_message){.kind = REEVE_MESSAGE_##name, ##__VA_ARGS__})
#define PEER(node, name, ...) \
    peer_says((node), &(struct reeve_message){.kind = REEVE_MESSAGE_##name, ##__VA_ARGS__})

static reeve_process_id process(uint32_t on, uint32_t serial)
{
    return reeve_process_id_make(on, serial);
}

static void grant(int lease, reeve_process_id job, reeve_process_id holder, uint32_t cpu_milli)
{
    struct reeve_message message = {.kind = REEVE_MESSAGE_GRANT,
        .lease = (uint64_t)lease,
        .process = holder,
        .class = {.job = job, .cpu_milli = cpu_milli}};
    head_says(&message);
}

static void make(uint32_t cpu_milli, uint32_t warm, uint32_t process_limit)
{
    struct reeve_node_config config = {.uid = 1,
        .incarnation = 2,
        .host = "here",
        .cpu_milli = cpu_milli,
        .warm_limit = warm,
        .process_limit = process_limit};
    node = reeve_node_create(&config);
    assert_non_null(node);
    reeve_fifo_init(&out, sizeof(struct reeve_node_command));
    now = 0;
    EVENT(TICK);
    EXPECT("dial");
}

/* Registered as node 3. */
static void make_joined(uint32_t cpu_milli, uint32_t warm, uint32_t process_limit)
{
    make(cpu_milli, warm, process_limit);
    EVENT(HEAD_UP);
    EXPECT("head join 0");
    HEAD(WELCOME, .node = 3, .count = 1000);
    EXPECT("registered 3\nhead about 3");
}

static int teardown(void **state)
{
    (void)state;
    reeve_node_free(node);
    reeve_fifo_fini(&out);
    return 0;
}

/* A driver with one spare worker (serials 1 and 2) on a node with one cpu, and a lease 7 open
 * between the two. */
static void make_leased(void)
{
    make_joined(1000, 1, 0);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EXPECT("welcome 9 as 1\nhead job_begin 1\nspawn 2");
    EVENT(WORKER_STARTED, .serial = 2);
    EXPECT("");
    EVENT(WORKER_HELLO, .serial = 2);
    EXPECT("worker_welcome 2");
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 4, .cpu_milli = 1000, .count = 2);
    EXPECT("head demand 1 1000 2");
    grant(7, process(3, 1), process(3, 1), 1000);
    EXPECT("open_local 7 holder 1 worker 2 class 4");
}

/* The head hears of it with the job, also when it has to be told again. */
static void test_weight(void **state)
{
    (void)state;
    make_joined(1000, 1, 0);
    EVENT(DRIVER_HELLO, .connection = 9, .count = 300, .text = "prog");
    EXPECT("welcome 9 as 1\nhead job_begin 1 weight 300\nspawn 2");
}

static void test_lease_and_return(void **state)
{
    (void)state;
    make_leased();
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 4, .cpu_milli = 1000, .count = 2);
    EXPECT(""); /* nothing new */
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 4, .cpu_milli = 1000, .count = 2, .node = 9);
    EXPECT("head demand 1 1000 2 near 9");
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 4, .cpu_milli = 1000, .count = 2);
    EXPECT("head demand 1 1000 2");
    grant(8, process(3, 1), process(3, 1), 1000);
    EXPECT("head refused 8 -1032"); /* the only cpu is taken */
    grant(7, process(3, 1), process(3, 1), 1000);
    EXPECT("");
    EVENT(CLIENT_RETURN, .serial = 2, .lease = 7); /* not its own */
    EXPECT("");
    EVENT(CLIENT_RETURN, .serial = 1, .lease = 7);
    EXPECT("close 7");
    EVENT(CLOSED, .lease = 7);
    EXPECT("head ended 7");
    grant(8, process(3, 1), process(3, 1), 1000);
    EXPECT("open_local 8 holder 1 worker 2 class 4"); /* the warm worker */
    struct reeve_node_facts facts;
    reeve_node_get_facts(node, &facts);
    assert_int_equal(facts.stale, 2);
    assert_int_equal(facts.cpu_used_milli, 1000);
}

static void test_recall(void **state)
{
    (void)state;
    make_leased();
    HEAD(RECALL, .lease = 7, .count = 1);
    EXPECT("client_recall 1 lease 7 when idle");
    HEAD(RECALL, .lease = 7);
    EXPECT("client_recall 1 lease 7");
    HEAD(RECALL, .lease = 99);
    EXPECT("");
}

/* It is waited for before it is open: its holder is told when it is. */
static void test_recall_when_idle_before_it_is_open(void **state)
{
    (void)state;
    make_joined(1000, 1, 0);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EXPECT("welcome 9 as 1\nhead job_begin 1\nspawn 2");
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 4, .cpu_milli = 1000, .count = 2);
    EXPECT("head demand 1 1000 2");
    grant(7, process(3, 1), process(3, 1), 1000);
    HEAD(RECALL, .lease = 7, .count = 1);
    EXPECT("");
    EVENT(WORKER_HELLO, .serial = 2);
    EXPECT("worker_welcome 2\nopen_local 7 holder 1 worker 2 class 4\n"
           "client_recall 1 lease 7 when idle");
}

static void test_worker_dies(void **state)
{
    (void)state;
    make_leased();
    EVENT(WORKER_EXITED, .serial = 2, .code = REEVE_EWORKERDIED, .text = "killed by signal 11");
    EXPECT("close_dead 7 -1007\nclient_lost 1 lease 7 class 4 -1007\nhead ended 7");
    assert_string_equal(last_text, "killed by signal 11");
    grant(8, process(3, 1), process(3, 1), 1000);
    EXPECT("spawn 3");
}

static void test_worker_socket_ends_first(void **state)
{
    (void)state;
    make_leased();
    EVENT(CLIENT_GONE, .serial = 2);
    EXPECT("");
    now += 1 * S;
    EVENT(TICK); /* it hangs on its way out */
    EXPECT("kill 2\nhead heartbeat");
    EVENT(WORKER_EXITED, .serial = 2, .code = REEVE_EWORKERDIED);
    EXPECT("close_dead 7 -1007\nclient_lost 1 lease 7 class 4 -1007\nhead ended 7");
}

static void test_driver_dies(void **state)
{
    (void)state;
    make_leased();
    EVENT(CLIENT_GONE, .serial = 1);
    EXPECT("head demand 1 1000 0\nclose 7\nhead job_end 1\nkill 2");
    EVENT(CLOSED, .lease = 7, .count = 1);
    EXPECT("");
    grant(8, process(3, 1), process(3, 1), 1000);
    EXPECT("head refused 8 -1025");
    EVENT(WORKER_EXITED, .serial = 2, .code = REEVE_EWORKERDIED);
    EXPECT("head ended 7\njob_gone 1");
    struct reeve_node_facts facts;
    reeve_node_get_facts(node, &facts);
    assert_int_equal(facts.cpu_used_milli, 0);
    assert_int_equal(facts.jobs, 0);
}

/* A worker that submits tasks of its own dies: what runs for it is of no use, so the worker that
 * has it in hand is killed. */
static void test_nested_holder_dies(void **state)
{
    (void)state;
    make_joined(2000, 2, 0);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EXPECT("welcome 9 as 1\nhead job_begin 1\nspawn 2\nspawn 3");
    EVENT(WORKER_HELLO, .serial = 2);
    EVENT(WORKER_HELLO, .serial = 3);
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 0, .cpu_milli = 1000, .count = 1);
    grant(7, process(3, 1), process(3, 1), 1000);
    EXPECT("open_local 7 holder 1 worker 3 class 0"); /* latest idle first */
    EVENT(CLIENT_DEMAND, .serial = 3, .class_index = 0, .cpu_milli = 500, .count = 1);
    EXPECT("head demand 3 500 1");
    grant(8, process(3, 1), process(3, 3), 500);
    EXPECT("open_local 8 holder 3 worker 2 class 0");
    EVENT(WORKER_EXITED, .serial = 3, .code = REEVE_EWORKERDIED);
    EXPECT("head demand 3 500 0\nclose 8\nclose_dead 7 -1007\nclient_lost 1 lease 7 class 0 -1007\n"
           "head ended 7");
    EVENT(CLOSED, .lease = 8, .count = 1);
    EXPECT("kill 2");
    EVENT(WORKER_EXITED, .serial = 2, .code = REEVE_EWORKERDIED);
    EXPECT("head ended 8");
}

static void test_program_never_runs(void **state)
{
    (void)state;
    make_joined(1000, 1, 0);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 0, .cpu_milli = 1000, .count = 1);
    grant(7, process(3, 1), process(3, 1), 1000);
    EXPECT(""); /* the spare is on its way */
    EVENT(WORKER_EXITED, .serial = 2, .code = REEVE_EPROGRAM, .text = "no libfoo.so.1");
    EXPECT("head refused 7 -1018\nclient_lost 1 lease 0 class 0 -1018");
    assert_string_equal(last_text, "node 3 (here): no libfoo.so.1");
    grant(8, process(3, 1), process(3, 1), 1000);
    EXPECT("head refused 8 -1018\nclient_lost 1 lease 0 class 0 -1018"); /* at once */
    now += 1 * S;
    EVENT(TICK);
    now += 5 * S;
    HEAD(HEARTBEAT);
    grant(9, process(3, 1), process(3, 1), 1000);
    EXPECT("spawn 3"); /* after a while it may try again */
}

static void test_program_dies_early(void **state)
{
    (void)state;
    make_joined(1000, 1, 0);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 0, .cpu_milli = 1000, .count = 1);
    grant(7, process(3, 1), process(3, 1), 1000);
    EVENT(WORKER_EXITED, .serial = 2, .code = REEVE_EWORKERDIED, .text = "exited");
    EXPECT("spawn 3");
    EVENT(WORKER_EXITED, .serial = 3, .code = REEVE_EWORKERDIED, .text = "exited");
    EXPECT("spawn 4");
    EVENT(WORKER_EXITED, .serial = 4, .code = REEVE_EWORKERDIED, .text = "exited");
    EXPECT("head refused 7 -1018\nclient_lost 1 lease 0 class 0 -1018");
}

static void test_start_times_out(void **state)
{
    (void)state;
    make_joined(1000, 1, 0);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 0, .cpu_milli = 1000, .count = 1);
    EVENT(WORKER_STARTED, .serial = 2);
    grant(7, process(3, 1), process(3, 1), 1000);
    for (int i = 0; i < 29; i++) {
        now += S;
        HEAD(HEARTBEAT);
        EXPECT("head heartbeat");
    }
    now += S;
    HEAD(HEARTBEAT);
    EXPECT("kill 2\nhead refused 7 -1018\nclient_lost 1 lease 0 class 0 -1018\nhead heartbeat");
    EVENT(WORKER_HELLO, .serial = 2); /* too late */
    EXPECT("");
    EVENT(WORKER_EXITED, .serial = 2, .code = REEVE_EWORKERDIED);
    EXPECT("");
}

static void test_table_mismatch(void **state)
{
    (void)state;
    make_joined(1000, 1, 0);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 0, .cpu_milli = 1000, .count = 1);
    grant(7, process(3, 1), process(3, 1), 1000);
    EVENT(WORKER_HELLO, .serial = 2, .code = REEVE_EMISMATCH, .text = "no f(int)");
    EXPECT("kill 2\nhead refused 7 -1017\nclient_lost 1 lease 0 class 0 -1017");
}

static void make_executor(void)
{
    make_joined(1000, 1, 0);
    HEAD(PEER_UP, .node = 5, .incarnation = 55);
    EXPECT("peer_known 5");
    grant(7, process(5, 1), process(5, 1), 1000);
    EXPECT("spawn 1");
    EVENT(WORKER_HELLO, .serial = 1);
    EXPECT("worker_welcome 1\nopen_executor 7 worker 1 node 5\npeer 5 open 7");
}

static void test_executor_of_a_peer(void **state)
{
    (void)state;
    make_executor();
    HEAD(RECALL, .lease = 7, .count = 1);
    EXPECT("peer 5 recall 7 when idle");
    HEAD(RECALL, .lease = 7);
    EXPECT("peer 5 recall 7");
    PEER(6, RETURN, .lease = 7); /* not its own */
    EXPECT("");
    PEER(5, RETURN, .lease = 7);
    EXPECT("close 7");
    EVENT(CLOSED, .lease = 7);
    EXPECT("head ended 7");
    grant(8, process(5, 1), process(5, 1), 1000);
    EXPECT("open_executor 8 worker 1 node 5\npeer 5 open 8");
    EVENT(WORKER_EXITED, .serial = 1, .code = REEVE_EWORKERDIED);
    EXPECT("close_dead 8 -1007\npeer 5 lost 8 -1007\nhead ended 8");
    HEAD(JOB_END, .process = process(5, 1));
    EXPECT("job_gone 1");
}

static void test_executor_loses_the_peer(void **state)
{
    (void)state;
    make_executor();
    EVENT(PEER_LINK_DOWN, .node = 5);
    EXPECT("close 7");
    EVENT(CLOSED, .lease = 7, .count = 2);
    EXPECT("kill 1");
    EVENT(WORKER_EXITED, .serial = 1);
    EXPECT("head ended 7");
    HEAD(PEER_DOWN, .node = 5, .incarnation = 54); /* an older life */
    EXPECT("");
    HEAD(PEER_DOWN, .node = 5, .incarnation = 55);
    EXPECT("job_gone 1\npeer_forget 5");
    grant(9, process(5, 1), process(5, 1), 1000);
    EXPECT("head refused 9 -1025");
    EVENT(PEER_LINK_UP, .message = {.node = 5, .incarnation = 55}); /* it does not know yet */
    EXPECT("");
    EVENT(PEER_LINK_UP, .message = {.node = 6, .incarnation = 66});
    EXPECT("peer_known 6");
    HEAD(PEER_DOWN, .node = 8);
    EXPECT("peer_forget 8");
}

static void make_holder(void)
{
    make_joined(0, 0, 0);
    HEAD(PEER_UP, .node = 5, .incarnation = 55);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EXPECT("welcome 9 as 1\nhead job_begin 1");
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 2, .cpu_milli = 1000, .count = 1);
    PEER(5, OPEN, .lease = 7, .process = process(3, 1), .worker = process(5, 4),
        .class = {.job = process(3, 1), .cpu_milli = 1000});
    EXPECT("open_holder 7 holder 1 class 2 node 5");
}

static void test_holder_of_a_peer(void **state)
{
    (void)state;
    make_holder();
    PEER(5, OPEN, .lease = 8, .process = process(3, 77));
    EXPECT("peer 5 return 8"); /* nobody here wants it */
    PEER(5, RECALL, .lease = 7, .count = 1);
    EXPECT("client_recall 1 lease 7 when idle");
    PEER(5, RECALL, .lease = 7);
    EXPECT("client_recall 1 lease 7");
    PEER(5, LOST, .lease = 7, .code = REEVE_EWORKERDIED);
    EXPECT("close_dead 7 -1007\nclient_lost 1 lease 7 class 2 -1007");
    PEER(5, LOST, .lease = 7, .code = REEVE_EWORKERDIED);
    EXPECT("");
    PEER(5, FAILED, .lease = 9, .process = process(3, 1), .code = REEVE_EPROGRAM,
        .class = {.job = process(3, 1), .cpu_milli = 1000});
    EXPECT("client_lost 1 lease 0 class 2 -1018");
}

static void test_holder_returns_to_a_peer(void **state)
{
    (void)state;
    make_holder();
    EVENT(CLIENT_RETURN, .serial = 1, .lease = 7);
    EXPECT("close 7\npeer 5 return 7");
    EVENT(CLIENT_RETURN, .serial = 1, .lease = 7);
    EXPECT("");
}

static void test_holder_loses_the_peer(void **state)
{
    (void)state;
    make_holder();
    HEAD(PEER_DOWN, .node = 5, .incarnation = 55, .text = "silent");
    EXPECT("close_dead 7 -1008\nclient_lost 1 lease 7 class 2 -1008\npeer_forget 5");
    teardown(state);
    make_holder(); /* it has been stopped, as it says itself, or the head */
    EVENT(PEER_LINK_DOWN, .node = 5, .code = REEVE_ESHUTDOWN);
    EXPECT("close_dead 7 -1008\nclient_lost 1 lease 7 class 2 -1026");
    teardown(state);
    make_holder();
    HEAD(PEER_DOWN, .node = 5, .incarnation = 55, .code = REEVE_ESHUTDOWN);
    EXPECT("close_dead 7 -1008\nclient_lost 1 lease 7 class 2 -1026\npeer_forget 5");
}

static void test_head_lost_and_found(void **state)
{
    (void)state;
    make_leased();
    EVENT(CLIENT_LEND, .serial = 2, .count = 1);
    EXPECT("head lent 7 1");
    EVENT(HEAD_DOWN, .code = REEVE_ENOCLUSTER, .text = "gone");
    EXPECT("client_head 1 -1019\nclient_head 2 -1019");
    uint64_t step_ms = 5, waited_ms = 0;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(reeve_node_deadline(node), now + step_ms * MS);
        now += step_ms * MS;
        waited_ms += step_ms;
        EVENT(TICK);
        EXPECT("dial");
        EVENT(HEAD_DIAL_FAILED, .code = REEVE_ENOCLUSTER, .text = "refused");
        EXPECT("");
        step_ms = step_ms * 2 > 1000 ? 1000 : step_ms * 2;
    }
    assert_int_equal(waited_ms, 5 + 10 + 20 + 40 + 80 + 160 + 320 + 640 + 4 * 1000);
    /* work goes on meanwhile; nothing is said to nobody */
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 4, .cpu_milli = 1000, .count = 5);
    EXPECT("");
    EVENT(HEAD_UP);
    EXPECT("head join 3\nhead holding 7\nhead heartbeat\nhead lent 7 1");
    HEAD(GRANT, .lease = 8); /* before its welcome: not from a head that knows us */
    EXPECT("");
    HEAD(WELCOME, .node = 3, .count = 1000);
    EXPECT("registered 3\nhead job_begin 1\nhead demand 1 1000 5\nhead about 3\nclient_head 1 "
           "0\nclient_head 2 0");
}

static void test_ended_while_the_head_was_away(void **state)
{
    (void)state;
    make_leased();
    EVENT(HEAD_DOWN, .code = REEVE_ENOCLUSTER, .text = "gone");
    EVENT(CLIENT_GONE, .serial = 1);
    EXPECT("close 7\nkill 2");
    EVENT(WORKER_EXITED, .serial = 2);
    EXPECT("job_gone 1");
    EVENT(HEAD_UP);
    EXPECT("head join 3\nhead heartbeat");
    HEAD(WELCOME, .node = 3);
    EXPECT("registered 3\nhead job_end 1\nhead about 3");
}

static void test_declared_dead(void **state)
{
    (void)state;
    make_leased();
    EVENT(HEAD_DOWN, .code = REEVE_ENOCLUSTER, .text = "gone");
    EVENT(HEAD_UP);
    HEAD(WELCOME, .node = 4);
    EXPECT("drop 1 -1008\nclose 7\nkill 2\nfenced\nregistered 4\nhead about 4");
    EVENT(WORKER_EXITED, .serial = 2);
    EXPECT("head ended 7\njob_gone 1");
}

static void test_head_is_silent(void **state)
{
    (void)state;
    make_joined(1000, 1, 0);
    for (int i = 0; i < 9; i++) {
        now += S;
        EVENT(TICK);
        EXPECT("head heartbeat");
    }
    now += S;
    EVENT(TICK);
    EXPECT("drop_head");
    EVENT(HEAD_DOWN, .text = "dropped");
    now += 5 * MS;
    EVENT(TICK);
    EXPECT("dial");
}

static void test_drivers_before_the_head(void **state)
{
    (void)state;
    make(1000, 1, 0);
    EVENT(DRIVER_HELLO, .connection = 8, .text = "leaves");
    EVENT(DRIVER_HELLO, .connection = 9, .text = "stays");
    EXPECT("");
    EVENT(CONNECTION_GONE, .connection = 8);
    EVENT(HEAD_UP);
    HEAD(WELCOME, .node = 3);
    EXPECT("registered 3\nhead about 3\nwelcome 9 as 1\nhead job_begin 1\nspawn 2");
}

static void test_no_head(void **state)
{
    (void)state;
    make(1000, 1, 0);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EVENT(HEAD_DIAL_FAILED, .code = REEVE_ENOCLUSTER, .text = "tcp://h:1: connection refused");
    now += 11 * S;
    EVENT(TICK);
    EXPECT("dial\nrefuse 9 -1019");
    assert_string_equal(last_text, "tcp://h:1: connection refused");
}

static void test_wrong_key(void **state)
{
    (void)state;
    make(1000, 1, 0);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EVENT(HEAD_DIAL_FAILED, .code = REEVE_EKEY, .text = "wrong key");
    EXPECT("refuse 9 -1022\nend -1022");
    assert_int_equal(reeve_node_deadline(node), REEVE_NODE_NEVER);
}

static void test_lending_lets_another_in(void **state)
{
    (void)state;
    make_leased();
    EVENT(CLIENT_LEND, .serial = 2, .count = 1);
    EXPECT("head lent 7 1");
    grant(8, process(3, 1), process(3, 1), 1000);
    EXPECT("spawn 3");
    EVENT(WORKER_HELLO, .serial = 3);
    EXPECT("worker_welcome 3\nopen_local 8 holder 1 worker 3 class 4");
    EVENT(CLIENT_LEND, .serial = 2, .count = 0);
    EXPECT("head lent 7 0");
    grant(9, process(3, 1), process(3, 1), 1); /* two cpus in use where there is one */
    EXPECT("head refused 9 -1032");
    EVENT(CLIENT_LEND, .serial = 2, .count = 1);
    EVENT(CLIENT_RETURN, .serial = 1, .lease = 7);
    EVENT(CLOSED, .lease = 7);
    EXPECT("head ended 7");
}

static void test_idle_workers_are_retired(void **state)
{
    (void)state;
    make_joined(4000, 1, 0);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "prog");
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 0, .cpu_milli = 1000, .count = 3);
    for (int lease = 1; lease <= 3; lease++)
        grant(lease, process(3, 1), process(3, 1), 1000);
    EXPECT("spawn 4");
    for (uint32_t worker = 2; worker <= 4; worker++)
        EVENT(WORKER_HELLO, .serial = worker);
    for (uint64_t lease = 1; lease <= 3; lease++) {
        EVENT(CLIENT_RETURN, .serial = 1, .lease = lease);
        EVENT(CLOSED, .lease = lease);
    }
    for (int i = 0; i < 9; i++) {
        now += S;
        HEAD(HEARTBEAT);
        EXPECT("head heartbeat");
    }
    now += S;
    HEAD(HEARTBEAT);
    EXPECT("retire 2\nretire 3\nhead heartbeat"); /* one is kept warm */
    EVENT(CLIENT_GONE, .serial = 2);
    EVENT(WORKER_EXITED, .serial = 2);
    EXPECT("");
    now += 3 * S;
    EVENT(TICK);
    EXPECT("head heartbeat\nkill 3"); /* it did not listen */
}

static void test_processes_are_bounded(void **state)
{
    (void)state;
    make_joined(4000, 1, 2);
    EVENT(DRIVER_HELLO, .connection = 8, .text = "first");
    EVENT(WORKER_HELLO, .serial = 2);
    EVENT(DRIVER_HELLO, .connection = 9, .text = "second");
    EXPECT("welcome 9 as 3\nhead job_begin 3\nspawn 4");
    EVENT(CLIENT_DEMAND, .serial = 3, .class_index = 0, .cpu_milli = 1000, .count = 3);
    grant(7, process(3, 3), process(3, 3), 1000);
    EXPECT("");
    grant(8, process(3, 3), process(3, 3), 1000);
    EXPECT("retire 2"); /* the idle one of the other job makes room */
    EVENT(WORKER_EXITED, .serial = 2);
    EXPECT("spawn 5");
    grant(9, process(3, 3), process(3, 3), 1000);
    EXPECT("head refused 9 -1032");
}

static void test_classes_are_bounded(void **state)
{
    (void)state;
    make_leased();
    EVENT(CLIENT_DEMAND, .serial = 1, .class_index = 4, .cpu_milli = 999, .count = 1);
    EXPECT("drop 1 -1024\nhead demand 1 1000 0\nclose 7\nhead job_end 1\nkill 2");
}

static void test_drain(void **state)
{
    (void)state;
    make_leased();
    EVENT(DRAIN);
    EXPECT("head heartbeat -1026\nclient_recall 1 lease 7");
    EVENT(DRIVER_HELLO, .connection = 10, .text = "late");
    EXPECT("refuse 10 -1026");
    grant(8, process(3, 1), process(3, 1), 0);
    EXPECT("head refused 8 -1032");
    EVENT(CLIENT_RETURN, .serial = 1, .lease = 7);
    EXPECT("close 7");
    EVENT(CLOSED, .lease = 7);
    EXPECT("head ended 7\ndrop 1 -1026\nhead demand 1 1000 0\nhead job_end 1\nkill 2");
    EVENT(WORKER_EXITED, .serial = 2);
    EXPECT("job_gone 1\nend 0");
}

static void test_drain_takes_too_long(void **state)
{
    (void)state;
    make_leased();
    EVENT(DRAIN);
    now += 30 * S;
    EVENT(TICK);
    assert_non_null(strstr(said, "kill 2\nend 0"));
}

static void test_infeasible(void **state)
{
    (void)state;
    make_leased();
    HEAD(INFEASIBLE, .process = process(3, 1), .class = {.job = process(3, 1), .cpu_milli = 1000});
    EXPECT("infeasible 1 class 4");
    HEAD(INFEASIBLE, .process = process(3, 1), .class = {.job = process(3, 1), .cpu_milli = 1});
    EXPECT("");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_weight),
        TEST(test_lease_and_return),
        TEST(test_recall),
        TEST(test_recall_when_idle_before_it_is_open),
        TEST(test_worker_dies),
        TEST(test_worker_socket_ends_first),
        TEST(test_driver_dies),
        TEST(test_nested_holder_dies),
        TEST(test_program_never_runs),
        TEST(test_program_dies_early),
        TEST(test_start_times_out),
        TEST(test_table_mismatch),
        TEST(test_executor_of_a_peer),
        TEST(test_executor_loses_the_peer),
        TEST(test_holder_of_a_peer),
        TEST(test_holder_returns_to_a_peer),
        TEST(test_holder_loses_the_peer),
        TEST(test_head_lost_and_found),
        TEST(test_ended_while_the_head_was_away),
        TEST(test_declared_dead),
        TEST(test_head_is_silent),
        TEST(test_drivers_before_the_head),
        TEST(test_no_head),
        TEST(test_wrong_key),
        TEST(test_lending_lets_another_in),
        TEST(test_idle_workers_are_retired),
        TEST(test_processes_are_bounded),
        TEST(test_classes_are_bounded),
        TEST(test_drain),
        TEST(test_drain_takes_too_long),
        TEST(test_infeasible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
