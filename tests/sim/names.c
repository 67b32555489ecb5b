/* Names of actors: drivers claim a few names over and over, for actors that they have just made,
 * and look for them; who has found one calls it, which is mostly an actor of another job.
 *
 * What must hold: a name is not given to anybody while another process has it that lives on a node
 * which has not been declared dead; who is found has asked for the name; at rest, when all actors
 * have ended, all names are free. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

static uint64_t claim_key(uint32_t name, reeve_process_id owner, uint64_t number)
{
    uint64_t seed = owner ^ number << 16 ^ (uint64_t)name << 40;
    return reeve_splitmix64(&seed);
}

static void ask(struct sim *sim, struct sim_process *process, bool find, uint32_t name,
    uint32_t number, uint32_t host)
{
    struct sim_names *names = &process->names;
    if (names->asking != 0)
        return;
    names->asking = ++names->request_last;
    names->asked_name = name;
    names->asked_number = number;
    const struct sim_daemon *daemon = sim_daemon_get(sim, process->life);
    if (!find && daemon != NULL) { /* others may hear of it before it does itself */
        static char is_claimed;
        reeve_process_id self = reeve_process_id_make(daemon->number, process->serial);
        reeve_map64_put(&sim->names_claimed, claim_key(name, self, number), &is_claimed, NULL);
    }
    sim_to_daemon(sim, process,
        &(struct sim_local){.kind = find ? LOCAL_NAME_FIND : LOCAL_NAME_CLAIM,
            .count = names->asking,
            .class_index = name,
            .task = number,
            .host = host});
}

void sim_name_claim(struct sim *sim, struct sim_process *driver, uint32_t number, uint32_t host)
{
    ask(sim, driver, false, (uint32_t)sim_below(sim, SIM_NAMES), number, host);
}

void sim_name_find(struct sim *sim, struct sim_process *driver)
{
    ask(sim, driver, true, (uint32_t)sim_below(sim, SIM_NAMES), 0, 0);
}

void sim_name_drop(struct sim *sim, struct sim_process *process, uint32_t number)
{
    for (uint32_t i = 0; i < SIM_NAMES; i++)
        if (process->names.held[i].number == number)
            process->names.held[i].number = 0;
    sim_to_daemon(sim, process, &(struct sim_local){.kind = LOCAL_NAME_DROP, .task = number});
}

static void must_be_free(struct sim *sim, const struct sim_process *claimer, uint32_t name)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value)) {
        const struct sim_process *other = value;
        const struct sim_held_name *held = &other->names.held[name];
        if (held->number != 0 && !other->dying && sim_daemon_get(sim, other->life) != NULL &&
            reeve_map64_get(&sim->journal_nodes, held->node) != NULL)
            sim_violation(sim, "name %u is given to process %llu, and process %llu has it", name,
                (unsigned long long)claimer->uid, (unsigned long long)other->uid);
    }
}

void sim_named(struct sim *sim, struct sim_process *process, const struct sim_local *m)
{
    struct sim_names *names = &process->names;
    if (m->count != names->asking)
        sim_violation(sim, "an answer about a name that was not asked for");
    uint32_t name = names->asked_name;
    names->asking = 0;
    if (names->asked_number == 0) {
        if (m->code == 0 &&
            reeve_map64_get(&sim->names_claimed, claim_key(name, m->process, m->task)) == NULL)
            sim_violation(sim, "name %u is found with an actor that never had it", name);
        names->found_owner = m->code == 0 ? m->process : 0;
        names->found_number = (uint32_t)m->task;
        names->found_host = m->host;
        return;
    }
    if (m->code != 0) {
        if (m->code != REEVE_EEXIST)
            sim_violation(sim, "a claim is answered with %s", reeve_error_name(m->code));
        sim->names_refused++;
        return;
    }
    must_be_free(sim, process, name);
    sim->names_given++;
    names->held[name] = (struct sim_held_name){names->asked_number, reeve_process_node(m->process)};
    reeve_owner_actor_named(process->owner, names->asked_number);
}

/* ---- the head's journal ---- */

void sim_name_journal(struct sim *sim, const struct reeve_message *claim, bool put)
{
    uint32_t name = (uint32_t)strtoul(claim->address, NULL, 10);
    if (put)
        sim->journal_names[name] = *claim;
    else
        sim->journal_names[name].process = REEVE_PROCESS_NONE;
}

void sim_names_expect(struct sim *sim, struct reeve_sched *sched)
{
    for (uint32_t i = 0; i < SIM_NAMES; i++) {
        struct reeve_message *claim = &sim->journal_names[i];
        if (claim->process != REEVE_PROCESS_NONE && !reeve_sched_expect_name(sched, claim))
            claim->process = REEVE_PROCESS_NONE;
    }
}

/* ---- a daemon's part ---- */

void sim_name_event(const struct sim_local *m, struct reeve_node_event *event)
{
    struct reeve_message *message = &event->message;
    event->kind = REEVE_NODE_EVENT_CLIENT_NAME;
    message->kind = m->kind == LOCAL_NAME_CLAIM  ? REEVE_MESSAGE_NAME_CLAIM
                    : m->kind == LOCAL_NAME_FIND ? REEVE_MESSAGE_NAME_FIND
                                                 : REEVE_MESSAGE_NAME_DROP;
    message->actor_number = m->task;
    message->actor_host = m->host;
    snprintf(message->host, sizeof message->host, "space");
    snprintf(message->address, sizeof message->address, "%u", m->class_index);
    if (m->kind == LOCAL_NAME_CLAIM)
        snprintf(message->text, sizeof message->text, "type");
}
