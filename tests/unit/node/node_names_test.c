/* The node core: names of actors, from a client's question to the head's answer, and what happens
 * to names when sessions, clients and owners end. */
#include "tests/unit/node/node_steps.h"

#include <reeve_errors.h>
#include <stdio.h>

#define NAMES_MAX 4096u /* REEVE_NODE_NAMES_MAX */

static uint32_t sent_names;

/* What has to do with names; everything else is others' to test. */
static void describe(const struct reeve_node_command *c)
{
    char line[512];
    const struct reeve_message *m = &c->message;
    if (c->kind == REEVE_NODE_COMMAND_SEND_HEAD &&
        (m->kind == REEVE_MESSAGE_NAME_CLAIM || m->kind == REEVE_MESSAGE_NAME_FIND ||
            m->kind == REEVE_MESSAGE_NAME_DROP)) {
        sent_names++;
        snprintf(line, sizeof line, "%s %u %s/%s %d", reeve_message_kind_name(m->kind),
            (uint32_t)m->process, m->host, m->address, (int)m->actor_number);
    } else if (c->kind == REEVE_NODE_COMMAND_CLIENT_NAMED) {
        snprintf(line, sizeof line, "named %u %u %d %d %.24s", c->serial, c->count, c->code,
            (int)m->actor_number, c->text);
    } else {
        return;
    }
    size_t used = strlen(said);
    snprintf(said + used, sizeof said - used, "%s%s", used > 0 ? "; " : "", line);
}

static void welcome(void)
{
    EVENT(HEAD_UP);
    head_says(&(struct reeve_message){.kind = REEVE_MESSAGE_WELCOME, .node = 3, .count = 1000});
}

/* Node 3 with two drivers, 1 and 2. */
static int begin(void **state)
{
    (void)state;
    struct reeve_node_config config = {
        .uid = 1, .incarnation = 2, .host = "here", .cpu_milli = 2000};
    node = reeve_node_create(&config);
    assert_non_null(node);
    reeve_fifo_init(&out, sizeof(struct reeve_node_command));
    EVENT(TICK);
    welcome();
    EVENT(DRIVER_HELLO, .connection = 9, .text = "one");
    EVENT(DRIVER_HELLO, .connection = 10, .text = "two");
    sent_names = 0;
    return 0;
}

static void client_asks(enum reeve_message_kind kind, uint32_t serial, uint32_t request,
    const char *name, uint64_t number)
{
    struct reeve_node_event event = {
        .kind = REEVE_NODE_EVENT_CLIENT_NAME, .serial = serial, .count = request};
    event.message.kind = kind;
    event.message.actor_number = number;
    event.message.actor_host = 7;
    snprintf(event.message.host, sizeof event.message.host, "space");
    snprintf(event.message.address, sizeof event.message.address, "%s", name);
    step(&event);
}

static void head_answers(uint32_t serial, uint32_t request, int32_t code, uint64_t number)
{
    head_says(&(struct reeve_message){.kind = REEVE_MESSAGE_NAMED,
        .process = reeve_process_id_make(3, serial),
        .count = request,
        .code = code,
        .worker = reeve_process_id_make(4, 1),
        .actor_number = number,
        .text = "why"});
}

#define CLAIM REEVE_MESSAGE_NAME_CLAIM
#define FIND  REEVE_MESSAGE_NAME_FIND
#define DROP  REEVE_MESSAGE_NAME_DROP

static void test_claimed_and_given_back(void **state)
{
    (void)state;
    client_asks(CLAIM, 1, 5, "hits", 11);
    EXPECT("NAME_CLAIM 1 space/hits 11");
    assert_null(reeve_node_name_of(node, 1, 11)); /* it is not its yet */
    head_answers(1, 5, REEVE_OK, 11);
    EXPECT("named 1 5 0 11 why");
    assert_string_equal(reeve_node_name_of(node, 1, 11)->address, "hits");
    head_answers(1, 5, REEVE_OK, 11); /* said twice: the client hears it once */
    EXPECT("");
    client_asks(DROP, 1, 0, "", 12); /* another's number: nothing */
    EXPECT("");
    client_asks(DROP, 1, 0, "", 11);
    EXPECT("NAME_DROP 1 space/hits 11");
    assert_null(reeve_node_name_of(node, 1, 11));
    client_asks(DROP, 1, 0, "", 11);
    EXPECT("");
}

static void test_refused(void **state)
{
    (void)state;
    client_asks(CLAIM, 1, 5, "hits", 11);
    head_answers(1, 5, REEVE_EEXIST, 0);
    assert_non_null(strstr(said, "named 1 5 "));
    assert_null(reeve_node_name_of(node, 1, 11));
    EVENT(CLIENT_GONE, .serial = 1); /* nothing is given back */
    EXPECT("");
}

static void test_found(void **state)
{
    (void)state;
    client_asks(FIND, 2, 6, "hits", 0);
    EXPECT("NAME_FIND 2 space/hits 0");
    head_answers(1, 6, REEVE_OK, 11); /* of another client: not its answer */
    EXPECT("");
    head_answers(2, 7, REEVE_OK, 11); /* to another question */
    EXPECT("");
    head_answers(2, 6, REEVE_OK, 11);
    EXPECT("named 2 6 0 11 why");
    head_answers(2, 6, REEVE_OK, 11); /* it is over */
    EXPECT("");
}

/* A question outlives heads; what is held is said again before the node is taken in. */
static void test_another_head(void **state)
{
    (void)state;
    client_asks(CLAIM, 1, 5, "hits", 11);
    head_answers(1, 5, REEVE_OK, 11);
    EVENT(HEAD_DOWN);
    client_asks(FIND, 2, 6, "later", 0);
    sent_names = 0;
    EVENT(HEAD_UP);
    EXPECT("NAME_CLAIM 1 space/hits 11");
    head_says(&(struct reeve_message){.kind = REEVE_MESSAGE_WELCOME, .node = 3, .count = 1000});
    EXPECT("NAME_FIND 2 space/later 0");
    assert_int_equal(sent_names, 2);
    head_answers(1, 5, REEVE_OK, 11); /* of what it holds: it knows */
    EXPECT("");
    head_answers(2, 6, REEVE_EHANDLE, 0);
    assert_non_null(strstr(said, "named 2 6 "));
}

/* The head has been told of it by the JOIN, and has not answered that yet. */
static void test_given_back_before_the_welcome(void **state)
{
    (void)state;
    client_asks(CLAIM, 1, 5, "hits", 11);
    head_answers(1, 5, REEVE_OK, 11);
    EVENT(HEAD_DOWN);
    EVENT(HEAD_UP);
    EXPECT("NAME_CLAIM 1 space/hits 11");
    client_asks(DROP, 1, 0, "", 11);
    EXPECT("NAME_DROP 1 space/hits 11");
}

/* A new head may have given a name to somebody else while we were away. */
static void test_lost_to_another(void **state)
{
    (void)state;
    client_asks(CLAIM, 1, 5, "hits", 11);
    head_answers(1, 5, REEVE_OK, 11);
    head_answers(1, 5, REEVE_EEXIST, 0);
    EXPECT(""); /* its question has been answered */
    assert_null(reeve_node_name_of(node, 1, 11));
}

static void test_its_owner_ends(void **state)
{
    (void)state;
    client_asks(CLAIM, 1, 5, "a", 11);
    head_answers(1, 5, REEVE_OK, 11);
    client_asks(CLAIM, 1, 6, "b", 12); /* not answered yet: given back all the same */
    client_asks(FIND, 1, 7, "c", 0);
    EVENT(CLIENT_GONE, .serial = 1);
    assert_non_null(strstr(said, "NAME_DROP 1 space/a 11"));
    assert_non_null(strstr(said, "NAME_DROP 1 space/b 12"));
    assert_null(strstr(said, "space/c"));
    head_answers(1, 6, REEVE_OK, 12); /* late: there is nobody */
    EXPECT("");
    client_asks(CLAIM, 1, 8, "d", 13); /* nor does it ask any more */
    EXPECT("");
}

static void test_how_many(void **state)
{
    (void)state;
    char name[16];
    for (uint32_t i = 1; i <= NAMES_MAX; i++) {
        snprintf(name, sizeof name, "n%u", i);
        client_asks(CLAIM, 1, i, name, i);
        head_answers(1, i, REEVE_OK, i);
    }
    client_asks(CLAIM, 1, NAMES_MAX + 1, "more", NAMES_MAX + 1);
    assert_non_null(strstr(said, "a process can give names"));
    client_asks(CLAIM, 2, 1, "other", 1); /* another process may */
    EXPECT("NAME_CLAIM 2 space/other 1");
    client_asks(DROP, 1, 0, "", 17);
    EXPECT("NAME_DROP 1 space/n17 17");
    client_asks(CLAIM, 1, NAMES_MAX + 2, "more", NAMES_MAX + 2);
    assert_non_null(strstr(said, "NAME_CLAIM 1 space/more"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_claimed_and_given_back, begin, steps_end),
        cmocka_unit_test_setup_teardown(test_refused, begin, steps_end),
        cmocka_unit_test_setup_teardown(test_found, begin, steps_end),
        cmocka_unit_test_setup_teardown(test_another_head, begin, steps_end),
        cmocka_unit_test_setup_teardown(test_given_back_before_the_welcome, begin, steps_end),
        cmocka_unit_test_setup_teardown(test_lost_to_another, begin, steps_end),
        cmocka_unit_test_setup_teardown(test_its_owner_ends, begin, steps_end),
        cmocka_unit_test_setup_teardown(test_how_many, begin, steps_end),
    };
    return cmocka_run_group_tests_name("node_names", tests, NULL, NULL);
}
