/* Names of actors: who has which.
 *
 *      (namespace, name) ──▶ name ──▶ the actor's handle, its type, its job's table of functions
 *                              │
 *                            node: of the actor's owner. With the verdict on it the name is free
 *
 * A name has one holder at most, and what the head has once answered stays so: names are in the
 * journal before the answer leaves. An owner gives a name back when its actor ends (NAME_DROP); its
 * node does when the owner is gone. A node whose link was lost keeps its names until it has said
 * again what it holds, or is declared dead: what it does not say again is free.
 *
 *   claim ──granted──▶ HELD ──link lost, new head──▶ UNCONFIRMED ──said again──▶ HELD
 *                       └── dropped, node dead ──▶ (free) ◀──not said again──┘
 *
 * Who asks for a name waits for the answer, over changes of heads: its node asks again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/sched_internal.h"

uint64_t sched_text_hash(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3); /* FNV-1a, the NUL with it */
    while (*text++ != 0);
    return hash;
}

static uint64_t name_hash(const struct reeve_message *m)
{
    return sched_text_hash(sched_text_hash(SCHED_TEXT_HASH, m->host), m->address);
}

static struct sched_name *name_find(const struct reeve_sched *s, const struct reeve_message *m)
{
    struct sched_name *name = reeve_map64_get(&s->names, name_hash(m));
    while (name != NULL &&
           (strcmp(name->claim.host, m->host) != 0 || strcmp(name->claim.address, m->address) != 0))
        name = name->same_hash;
    return name;
}

static void journal(
    struct reeve_sched *s, enum reeve_sched_journal what, const struct sched_name *name)
{
    struct reeve_sched_command *command = sched_command(s, REEVE_SCHED_COMMAND_JOURNAL);
    command->journal = what;
    command->node = name->node->number;
    command->message = name->claim;
}

static struct sched_name *name_make(
    struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    struct sched_name *name = sched_alloc(sizeof *name);
    name->claim = *m;
    name->node = node;
    name->hash = name_hash(m);
    name->same_hash = reeve_map64_get(&s->names, name->hash);
    reeve_list_init(&name->node_link);
    sched_put(&s->names, name->hash, name);
    s->totals.name_count++;
    return name;
}

static void name_end(struct reeve_sched *s, struct sched_name *name)
{
    journal(s, REEVE_SCHED_JOURNAL_NAME_REMOVE, name);
    struct sched_name *first = reeve_map64_get(&s->names, name->hash);
    if (first == name) {
        reeve_map64_remove(&s->names, name->hash);
        if (name->same_hash != NULL)
            sched_put(&s->names, name->hash, name->same_hash);
    } else {
        while (first->same_hash != name)
            first = first->same_hash;
        first->same_hash = name->same_hash;
    }
    reeve_list_remove(&name->node_link);
    s->totals.name_count--;
    free(name);
}

/* As name_find; what a node that is dead still has is free. */
static struct sched_name *name_held(struct reeve_sched *s, const struct reeve_message *m)
{
    struct sched_name *name = name_find(s, m);
    if (name == NULL || name->node->state != REEVE_SCHED_NODE_DEAD)
        return name;
    name_end(s, name);
    return NULL;
}

static struct reeve_message *answer(
    struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m, int32_t code)
{
    struct reeve_message *named = sched_send(s, node, REEVE_MESSAGE_NAMED);
    named->process = m->process;
    named->count = m->count;
    named->code = code;
    return named;
}

static bool is_holder(const struct sched_name *name, const struct reeve_message *m)
{
    return name->claim.process == m->process && name->claim.actor_number == m->actor_number;
}

static void claim(struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    struct sched_name *name = name_held(s, m);
    if (name != NULL && !is_holder(name, m)) {
        struct reeve_message *named = answer(s, node, m, REEVE_EEXIST);
        const struct sched_job *job = reeve_map64_get(&s->jobs, name->claim.class.job);
        snprintf(named->text, sizeof named->text,
            "the name %.70s is taken in the namespace %.40s, by a %.40s of %.50s", m->address,
            m->host, name->claim.text,
            job != NULL && job->name[0] != 0 ? job->name : "another program");
        return;
    }
    if (name == NULL) {
        name = name_make(s, node, m);
        journal(s, REEVE_SCHED_JOURNAL_NAME_PUT, name);
    }
    reeve_list_remove(&name->node_link);
    reeve_list_push_back(&node->names, &name->node_link);
    if (node->state == REEVE_SCHED_NODE_JOINING)
        return; /* it knows */
    struct reeve_message *named = answer(s, node, m, REEVE_OK);
    named->worker = m->process;
    named->actor_number = m->actor_number;
    named->actor_host = m->actor_host;
}

static void find(struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    const struct sched_name *name = name_held(s, m);
    struct reeve_message *named;
    if (name == NULL) {
        named = answer(s, node, m, REEVE_EHANDLE);
        snprintf(named->text, sizeof named->text,
            "no actor has the name %.100s in the namespace %.63s", m->address, m->host);
    } else if (m->text[0] != 0 && strcmp(m->text, name->claim.text) != 0) {
        named = answer(s, node, m, REEVE_ETYPE);
        snprintf(named->text, sizeof named->text,
            "%.60s in the namespace %.40s is a %.60s, no "
            "%.60s",
            m->address, m->host, name->claim.text, m->text);
    } else if (name->claim.class.table != m->class.table) {
        named = answer(s, node, m, REEVE_EMISMATCH);
        snprintf(named->text, sizeof named->text,
            "%.100s belongs to a program with other remote functions: only one with the same can "
            "call it",
            m->address);
    } else {
        named = answer(s, node, m, REEVE_OK);
        named->worker = name->claim.process;
        named->actor_number = name->claim.actor_number;
        named->actor_host = name->claim.actor_host;
    }
}

void sched_name_message(
    struct reeve_sched *s, struct sched_node *node, const struct reeve_message *m)
{
    if (m->address[0] == 0 || m->host[0] == 0) {
        sched_drop(s, node->session, "word of a name that is empty");
        return;
    }
    if (reeve_process_node(m->process) != node->number) { /* of what it was before it was fenced */
        s->totals.stale_count++;
        return;
    }
    if (m->kind == REEVE_MESSAGE_NAME_CLAIM) {
        claim(s, node, m);
    } else if (m->kind == REEVE_MESSAGE_NAME_FIND) {
        find(s, node, m);
    } else {
        struct sched_name *name = name_find(s, m);
        if (name != NULL && is_holder(name, m))
            name_end(s, name);
        else
            s->totals.stale_count++;
    }
}

bool reeve_sched_find_name(const struct reeve_sched *s, const char *name_space, const char *name,
    struct reeve_message *ret)
{
    struct reeve_message wanted = {.kind = REEVE_MESSAGE_NAME_FIND};
    snprintf(wanted.host, sizeof wanted.host, "%s", name_space);
    snprintf(wanted.address, sizeof wanted.address, "%s", name);
    const struct sched_name *found = name_find(s, &wanted);
    if (found == NULL || found->node->state == REEVE_SCHED_NODE_DEAD)
        return false;
    *ret = found->claim;
    return true;
}

void sched_names_joined(struct reeve_sched *s, struct sched_node *node)
{
    REEVE_LIST_EACH_SAFE(link, &node->names_unconfirmed)
    name_end(s, REEVE_LIST_ENTRY(link, struct sched_name, node_link));
}

bool sched_name_clear(struct reeve_sched *s, struct sched_node *node)
{
    struct reeve_list *lists[] = {&node->names, &node->names_unconfirmed};
    for (int i = 0; i < 2; i++) {
        if (reeve_list_is_empty(lists[i]))
            continue;
        name_end(s, REEVE_LIST_ENTRY(lists[i]->next, struct sched_name, node_link));
        return true;
    }
    return false;
}

void sched_names_free(struct reeve_sched *s)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&s->names, &at, NULL, &value)) {
        struct sched_name *name = value, *next;
        for (; name != NULL; name = next) {
            next = name->same_hash;
            free(name);
        }
    }
}

bool reeve_sched_expect_name(struct reeve_sched *s, const struct reeve_message *m)
{
    struct sched_node *node = sched_node_get(s, reeve_process_node(m->process));
    if (node == NULL || name_find(s, m) != NULL)
        return false;
    struct sched_name *name = name_make(s, node, m);
    reeve_list_push_back(&node->names_unconfirmed, &name->node_link);
    return true;
}

const char *sched_names_check(const struct reeve_sched *s)
{
    size_t at = 0;
    void *value;
    uint64_t count = 0;
    while (reeve_map64_next(&s->names, &at, NULL, &value)) {
        for (const struct sched_name *name = value; name != NULL; name = name->same_hash) {
            if (name_find(s, &name->claim) != name)
                return "a name has two holders";
            if (!reeve_list_is_linked(&name->node_link))
                return "a name is of no node";
            count++;
        }
    }
    return count == s->totals.name_count ? NULL : "the count of names is wrong";
}
