/* The node core, step by step: a test says what it makes of the commands (`describe`), in words
 * that are gathered for each step. */
#ifndef REEVE_TESTS_NODE_STEPS_H
#define REEVE_TESTS_NODE_STEPS_H

#include "tests/unit/test.h"

#include <string.h>

#include "runtime/node/node_core.h"

static struct reeve_node *node;
static struct reeve_fifo out;
static uint64_t now = 1000;
static char said[8192]; /* by the latest step */

static void describe(const struct reeve_node_command *command);

static void step(const struct reeve_node_event *event)
{
    struct reeve_node_command command;
    reeve_node_step(node, now, event, &out);
    reeve_node_check(node);
    said[0] = 0;
    while (reeve_fifo_pop(&out, &command))
        describe(&command);
}

#define EVENT(name, ...) \
    step(&(struct reeve_node_event){.kind = REEVE_NODE_EVENT_##name, ##__VA_ARGS__})
#define EXPECT(text) assert_string_equal(said, text)

static void head_says(const struct reeve_message *message)
{
    step(&(struct reeve_node_event){.kind = REEVE_NODE_EVENT_HEAD_MESSAGE, .message = *message});
}

static int steps_end(void **state)
{
    (void)state;
    reeve_node_free(node);
    reeve_fifo_fini(&out);
    return 0;
}

#endif
