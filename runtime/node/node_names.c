/* The node core's part in names of actors: the head decides who has which (scheduler/names.c); we
 * keep what processes here have asked of it, and what they have been given.
 *
 *   client ─NAME─▶ ASKED ─NAME_CLAIM, NAME_FIND─▶ head ─NAMED─▶ (gone) ─NAMED─▶ client
 *                    ▲└─ a new session: once more      └ a claim, granted: HELD ─drop, end─▶ (gone)
 *
 * What is HELD is said again at each JOIN. A question has no limit of time: while there is no head,
 * it waits for one. */
#include <stdlib.h>
#include <string.h>

#include "runtime/node/node_internal.h"

struct node_name {
    struct reeve_list link;      /* process->names: those that are asked first */
    struct reeve_message asking; /* NAME_CLAIM or NAME_FIND */
    bool held;
};

static void name_free(struct node_process *process, struct node_name *name)
{
    reeve_list_remove(&name->link);
    process->names_count--;
    free(name);
}

static void send_drop(struct reeve_node *node, const struct reeve_message *asking)
{
    struct reeve_message *drop = node_send_head(node, REEVE_MESSAGE_NAME_DROP);
    drop->process = asking->process;
    drop->actor_number = asking->actor_number;
    memcpy(drop->host, asking->host, sizeof drop->host);
    memcpy(drop->address, asking->address, sizeof drop->address);
}

static void ask(struct reeve_node *node, const struct node_name *name)
{
    *node_send_head(node, name->asking.kind) = name->asking;
}

/* The actor has ended. In a claim more stands in its number (api/client/actor.h). */
static void drop(struct reeve_node *node, struct node_process *process, uint64_t number)
{
    REEVE_LIST_EACH_SAFE(link, &process->names)
    {
        struct node_name *name = REEVE_LIST_ENTRY(link, struct node_name, link);
        if (name->asking.kind != REEVE_MESSAGE_NAME_CLAIM ||
            (uint32_t)name->asking.actor_number != (uint32_t)number)
            continue;
        send_drop(node, &name->asking);
        name_free(process, name);
    }
}

void node_client_name(struct reeve_node *node, const struct reeve_node_event *event)
{
    struct node_process *process = node_process_get(node, event->serial);
    const struct reeve_message *m = &event->message;
    if (process == NULL || process->job->ended) {
        node->stale++;
        return;
    }
    if (m->kind == REEVE_MESSAGE_NAME_DROP) {
        drop(node, process, m->actor_number);
        return;
    }
    if (process->names_count >= REEVE_NODE_NAMES_MAX) {
        struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLIENT_NAMED);
        command->serial = process->serial;
        command->count = event->count;
        command->code = REEVE_ETOOLARGE;
        node_set_text(command->text, "a process can give names to %u actors", REEVE_NODE_NAMES_MAX);
        return;
    }
    struct node_name *name = node_alloc(sizeof *name);
    name->asking = *m;
    name->asking.process = node_process_id(node, process);
    name->asking.count = event->count;
    name->asking.class.job = process->job->id;
    memcpy(name->asking.class.program, process->job->program, REEVE_PROGRAM_HASH_SIZE);
    name->asking.class.table = event->table;
    reeve_list_push_front(&process->names, &name->link);
    process->names_count++;
    ask(node, name);
}

void node_named(struct reeve_node *node, const struct reeve_message *m)
{
    struct node_process *process = node_process_here(node, m->process);
    struct node_name *name = NULL;
    if (process != NULL) {
        REEVE_LIST_EACH(link, &process->names)
        {
            struct node_name *one = REEVE_LIST_ENTRY(link, struct node_name, link);
            if (one->asking.count != m->count)
                continue;
            name = one;
            break;
        }
    }
    if (name == NULL || (name->held && m->code == REEVE_OK)) {
        node->stale++;
        return;
    }
    if (!name->held) {
        struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLIENT_NAMED);
        command->serial = process->serial;
        command->count = (uint32_t)m->count;
        command->code = m->code;
        command->process = m->worker;
        command->message.actor_number = m->actor_number;
        command->message.actor_host = m->actor_host;
        node_set_text(command->text, "%s", m->text);
    }
    if (m->code != REEVE_OK || name->asking.kind == REEVE_MESSAGE_NAME_FIND) {
        name_free(process, name);
        return;
    }
    name->held = true;
    reeve_list_remove(&name->link);
    reeve_list_push_back(&process->names, &name->link);
}

const struct reeve_message *reeve_node_name_of(
    const struct reeve_node *node, uint32_t serial, uint64_t actor_number)
{
    const struct node_process *process = node_process_get(node, serial);
    if (process == NULL)
        return NULL;
    REEVE_LIST_EACH(link, &process->names)
    {
        const struct node_name *name = REEVE_LIST_ENTRY(link, struct node_name, link);
        if (name->held && (uint32_t)name->asking.actor_number == (uint32_t)actor_number)
            return &name->asking;
    }
    return NULL;
}

void node_names_forget(struct reeve_node *node, struct node_process *process)
{
    REEVE_LIST_EACH_SAFE(link, &process->names)
    {
        struct node_name *name = REEVE_LIST_ENTRY(link, struct node_name, link);
        if (name->asking.kind == REEVE_MESSAGE_NAME_CLAIM)
            send_drop(node, &name->asking);
        name_free(process, name);
    }
}

void node_names_free(struct node_process *process)
{
    REEVE_LIST_EACH_SAFE(link, &process->names)
    free(REEVE_LIST_ENTRY(link, struct node_name, link));
}

void node_announce_names(struct reeve_node *node, bool held)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->processes, &at, NULL, &value)) {
        const struct node_process *process = value;
        REEVE_LIST_EACH(link, &process->names)
        {
            const struct node_name *name = REEVE_LIST_ENTRY(link, struct node_name, link);
            if (name->held == held)
                node_emit(node, REEVE_NODE_COMMAND_SEND_HEAD)->message = name->asking;
        }
    }
}
