/* The node core's part in finding deadlocks: it passes on who waits for what, and says when nobody
 * here can go on. The head knows the rest (scheduler/waits.c).
 *
 *   client ─BLOCKED─▶ node ─BLOCKED, STUCK─▶ head ─DEADLOCK─▶ node ─DEADLOCK─▶ client
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/node/node_internal.h"

void node_client_blocked(struct reeve_node *node, const struct reeve_node_event *event)
{
    struct node_process *process = node_process_get(node, event->serial);
    if (process == NULL || process->state == PROCESS_DRIVER) {
        node->stale++;
        return;
    }
    if (event->count == 0) {
        node_blocked_end(node, process);
        return;
    }
    if (process->blocked == NULL) {
        process->blocked = node_alloc(sizeof *process->blocked);
        node->blocked_count++;
    }
    struct reeve_message *blocked = process->blocked;
    memset(blocked, 0, sizeof *blocked);
    blocked->kind = REEVE_MESSAGE_BLOCKED;
    blocked->process = node_process_id(node, process);
    blocked->worker = event->process;
    blocked->count = event->count;
    if (event->process == REEVE_PROCESS_NONE && event->class_index < process->want_count)
        blocked->class = process->wants[event->class_index].class;
    memcpy(blocked->text, event->text, sizeof blocked->text);
    *node_send_head(node, REEVE_MESSAGE_BLOCKED) = *blocked;
}

void node_blocked_end(struct reeve_node *node, struct node_process *process)
{
    if (process->blocked == NULL)
        return;
    free(process->blocked);
    process->blocked = NULL;
    node->blocked_count--;
    node_send_head(node, REEVE_MESSAGE_BLOCKED)->process = node_process_id(node, process);
}

const char *reeve_node_waits_for(const struct reeve_node *node, uint32_t serial)
{
    static const char waits[] = " waits for ";
    const struct node_process *process = node_process_get(node, serial);
    const char *text =
        process != NULL && process->blocked != NULL ? strstr(process->blocked->text, waits) : NULL;
    return text != NULL ? text + sizeof waits - 1 : "";
}

void node_stuck_look(struct reeve_node *node)
{
    bool stuck = node->joined && node->workers_count >= node->config.process_limit &&
                 node->blocked_count == node->workers_count;
    if (stuck == node->stuck)
        return;
    node->stuck = stuck;
    node_send_head(node, REEVE_MESSAGE_STUCK)->count = stuck;
}

void node_announce_waits(struct reeve_node *node)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->processes, &at, NULL, &value)) {
        const struct node_process *process = value;
        if (process->blocked != NULL)
            *node_send_head(node, REEVE_MESSAGE_BLOCKED) = *process->blocked;
    }
    node->stuck = false; /* the end of the step looks */
}

void node_deadlock(struct reeve_node *node, const struct reeve_message *message)
{
    struct node_process *process = node_process_here(node, message->process);
    if (process == NULL || process->blocked == NULL || process->blocked->count != message->count) {
        node->stale++;
        return;
    }
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLIENT_DEADLOCK);
    command->serial = process->serial;
    command->count = (uint32_t)message->count;
    node_set_text(command->text, "%s", message->text);
}
