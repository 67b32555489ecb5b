/* The head's shell: carries out the scheduler core's commands one by one, with a journal that
 * outlives it. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

static void remember(void *arg, const struct reeve_message *node)
{
    struct sim *sim = arg;
    struct reeve_message *copy = sim_alloc(sizeof *copy);
    *copy = *node;
    void *old = NULL;
    reeve_map64_put(&sim->journal_nodes, node->node, copy, &old);
    free(old);
}

static void journal(struct sim *sim, const struct reeve_sched_command *command)
{
    switch (command->journal) {
    case REEVE_SCHED_JOURNAL_NUMBERS:
        sim->journal_node_next = (uint32_t)command->message.count;
        break;
    case REEVE_SCHED_JOURNAL_NODE_UP: remember(sim, &command->message); break;
    case REEVE_SCHED_JOURNAL_NODE_DOWN:
        free(reeve_map64_remove(&sim->journal_nodes, command->node));
        break;
    case REEVE_SCHED_JOURNAL_NAME_PUT: sim_name_journal(sim, &command->message, true); break;
    case REEVE_SCHED_JOURNAL_NAME_REMOVE: sim_name_journal(sim, &command->message, false); break;
    }
}

static void carry_out(
    struct sim *sim, struct sim_daemon *head, const struct reeve_sched_command *command)
{
    struct sim_session *session = sim_session_get(sim, command->session);
    sim_hash(sim, (uint64_t)command->kind << 56 ^ command->session ^ command->message.lease ^
                      (uint64_t)command->message.kind << 48);
    switch (command->kind) {
    case REEVE_SCHED_COMMAND_SEND:
        if (command->message.kind == REEVE_MESSAGE_RECALL)
            sim->recalls++;
        if (command->message.kind != REEVE_MESSAGE_HEARTBEAT)
            sim_trace(sim, "head -> %u %s lease %llx process %llx", command->node,
                reeve_message_kind_name(command->message.kind),
                (unsigned long long)command->message.lease,
                (unsigned long long)command->message.process);
        if (session != NULL && !session->told_down[sim_session_side(session, head->life)])
            sim_send_message(
                sim, session, sim_session_side(session, head->life), &command->message);
        break;
    case REEVE_SCHED_COMMAND_DIAL:
        sim_dial(sim, head->life, strtoull(command->message.address + 4, NULL, 16), command->node);
        break;
    case REEVE_SCHED_COMMAND_DROP_PEER:
        sim_trace(sim, "head drops session %llu: %s", (unsigned long long)command->session,
            command->message.text);
        if (command->message.code == REEVE_EPROTOCOL &&
            strstr(command->message.text, "another session") == NULL &&
            strstr(command->message.text, "in time") == NULL)
            sim_violation(sim, "the head found a node at fault: %s", command->message.text);
        if (session != NULL)
            sim_session_cut(sim, session);
        break;
    case REEVE_SCHED_COMMAND_JOURNAL: journal(sim, command); break;
    case REEVE_SCHED_COMMAND_NOTICE:
        sim_trace(sim, "head: %s node %u process %llx: %s",
            reeve_sched_notice_name(command->notice), command->node,
            (unsigned long long)command->message.process, command->message.text);
        break;
    }
}

static void run_commands(struct sim *sim, struct sim_daemon *head)
{
    struct reeve_sched_command command;
    head->running = true;
    while (!head->dead && reeve_fifo_pop(&head->out, &command)) {
        carry_out(sim, head, &command);
        sim_maybe_kill(sim, head);
    }
    head->running = false;
}

static void audit(struct sim *sim, const struct sim_daemon *head)
{
    const char *wrong = sim->options.audit ? reeve_sched_check(head->sched) : NULL;
    if (wrong != NULL)
        sim_violation(sim, "the scheduler's tables: %s", wrong);
}

void sim_head_step(struct sim *sim, struct sim_daemon *head, const struct reeve_sched_event *event)
{
    reeve_sched_step(head->sched, sim->now_ns, event, &head->out);
    audit(sim, head);
    run_commands(sim, head);
    if (head->dead) {
        sim_daemon_free(sim, head);
        return;
    }
    uint64_t at_ns =
        reeve_sched_has_work(head->sched) ? sim->now_ns : reeve_sched_deadline(head->sched);
    sim_daemon_arm(sim, head, at_ns);
}

void sim_head_start(struct sim *sim)
{
    if (sim->head_life != 0 || !sim->machines[0].up)
        return;
    struct sim_daemon *head = sim_alloc(sizeof *head);
    head->life = ++sim->next_id;
    head->is_head = true;
    head->tick_ns = NEVER;
    reeve_fifo_init(&head->out, sizeof(struct reeve_sched_command));
    struct reeve_sched_settings settings = {
        .head_incarnation = ++sim->journal_incarnation,
        .node_next = sim->journal_node_next,
        .seed = sim_below(sim, UINT64_MAX),
    };
    head->sched = reeve_sched_create(&settings);
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->journal_nodes, &at, NULL, &value))
        reeve_sched_expect(head->sched, sim->now_ns, value);
    sim_names_expect(sim, head->sched);
    reeve_map64_put(&sim->daemons, head->life, head, NULL);
    sim->head_life = head->life;
    sim->heads++;
    sim_trace(sim, "head %u starts", sim->journal_incarnation);
    sim_daemon_arm(sim, head, reeve_sched_deadline(head->sched));
}
