/* A node daemon's shell: the sockets of its processes, and what the node core commands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "tests/sim/values.h"

struct sim_daemon *sim_daemon_get(struct sim *sim, uint64_t life)
{
    return reeve_map64_get(&sim->daemons, life);
}

void sim_daemon_arm(struct sim *sim, struct sim_daemon *daemon, uint64_t at_ns)
{
    if (at_ns == NEVER || (daemon->tick_ns <= at_ns && daemon->tick_ns > sim->now_ns))
        return;
    if (at_ns < sim->now_ns)
        at_ns = sim->now_ns;
    if (daemon->tick_ns == at_ns)
        return;
    daemon->tick_ns = at_ns;
    sim_after(sim, at_ns - sim->now_ns, SIM_DAEMON_TICK)->a = daemon->life;
}

void sim_daemon_tick(struct sim *sim, struct sim_daemon *daemon)
{
    if (daemon->tick_ns > sim->now_ns)
        return; /* an earlier one has taken its place */
    daemon->tick_ns = NEVER;
    if (daemon->is_head)
        sim_head_step(sim, daemon, &(struct reeve_sched_event){.kind = REEVE_SCHED_EVENT_TICK});
    else
        sim_node_step(sim, daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_TICK});
}

/* ---- processes ---- */

static struct sim_process *client(struct sim_daemon *daemon, uint32_t serial)
{
    return reeve_map64_get(&daemon->clients, serial);
}

static void tell(
    struct sim *sim, struct sim_daemon *daemon, uint32_t serial, struct sim_local message)
{
    struct sim_process *process = client(daemon, serial);
    if (process != NULL)
        sim_to_process(sim, process, &message);
}

static void client_added(struct sim *sim, struct sim_daemon *daemon, struct sim_process *process)
{
    process->id = reeve_process_id_make(daemon->number, process->serial);
    reeve_map64_put(&daemon->clients, process->serial, process, NULL);
    sim_store_step(sim, daemon,
        &(struct reeve_store_event){
            .kind = REEVE_STORE_CLIENT_ADDED, .client = process->serial, .process = process->id});
}

static void spawn(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_node_command *command)
{
    struct sim_process *process = sim_process_make(sim, daemon, false);
    process->serial = command->serial;
    process->accepted = true;
    client_added(sim, daemon, process);
    reeve_owner_set_process(process->owner, process->id);
    struct reeve_node_event started = {
        .kind = REEVE_NODE_EVENT_WORKER_STARTED, .serial = command->serial};
    struct sim_event *event = sim_after(sim, sim_between(sim, 50 * US, 1 * MS), SIM_NODE_EVENT);
    event->a = daemon->life;
    event->data = memcpy(sim_alloc(sizeof started), &started, sizeof started);
    sim_after(sim, sim_between(sim, 1 * MS, 20 * MS), SIM_WORKER_HELLO)->a = process->uid;
}

static void note_loan(struct sim_daemon *daemon, uint64_t worker)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->channels, &at, NULL, &value)) {
        struct sim_channel *channel = value;
        if (channel->worker == worker)
            channel->has_lent = true;
    }
}

/* What a process has said on its socket; the last word is LOCAL_END. */
void sim_daemon_local(struct sim *sim, struct sim_process *process, const struct sim_local *m)
{
    struct sim_daemon *daemon = sim_daemon_get(sim, process->life);
    if (daemon == NULL)
        return;
    struct reeve_node_event event = {.serial = process->serial,
        .class_index = m->class_index,
        .cpu_milli = m->cpu_milli,
        .priority = m->priority,
        .count = m->count,
        .lease = m->lease,
        .process = m->process,
        .host = m->host,
        .connection = process->connection,
        .code = m->code};
    uint64_t uid = process->uid;
    bool accepted = process->serial != 0;
    switch (m->kind) {
    case LOCAL_HELLO:
        reeve_map64_put(&daemon->pending, process->connection, process, NULL);
        event.kind = REEVE_NODE_EVENT_DRIVER_HELLO;
        event.program[0] = 1;
        snprintf(event.text, sizeof event.text, "driver %llu", (unsigned long long)uid);
        break;
    case LOCAL_DEMAND: event.kind = REEVE_NODE_EVENT_CLIENT_DEMAND; break;
    case LOCAL_NAME_CLAIM:
    case LOCAL_NAME_FIND:
    case LOCAL_NAME_DROP: sim_name_event(m, &event); break;
    case LOCAL_OWNS: event.kind = REEVE_NODE_EVENT_CLIENT_OWNS; break;
    case LOCAL_RETURN: event.kind = REEVE_NODE_EVENT_CLIENT_RETURN; break;
    case LOCAL_LEND:
        event.kind = REEVE_NODE_EVENT_CLIENT_LEND;
        note_loan(daemon, uid);
        break;
    case LOCAL_TAKE_BACK: sim_take_back(sim, daemon, m->lease, m->task); return;
    case LOCAL_CANCEL: sim_cancel(sim, daemon, m->lease, m->task, m->count); return;
    case LOCAL_CREDIT: sim_credit(sim, daemon, m); return;
    case LOCAL_FEED:
    case LOCAL_ASK: sim_feed_pass(sim, daemon, m); return;
    case LOCAL_STORE: sim_store_local(sim, process, &m->said); return;
    case LOCAL_END:
        event.kind = accepted ? REEVE_NODE_EVENT_CLIENT_GONE : REEVE_NODE_EVENT_CONNECTION_GONE;
        reeve_map64_remove(&daemon->pending, process->connection);
        break;
    default: return;
    }
    uint64_t life = daemon->life;
    sim_node_step(sim, daemon, &event);
    if (m->kind == LOCAL_END && accepted && (daemon = sim_daemon_get(sim, life)) != NULL)
        sim_store_step(sim, daemon,
            &(struct reeve_store_event){.kind = REEVE_STORE_CLIENT_CLOSED, .client = event.serial});
    if (m->kind != LOCAL_END || (process = sim_process_get(sim, uid)) == NULL)
        return;
    /* A worker is reaped by its daemon; of a driver its pidfd tells. */
    sim_after(sim, sim_between(sim, 10 * US, 5 * MS), SIM_PROCESS_REAP)->a = uid;
}

static void open_channel(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_node_command *c)
{
    enum sim_channel_kind kind = c->kind == REEVE_NODE_COMMAND_OPEN_LOCAL      ? CHANNEL_LOCAL
                                 : c->kind == REEVE_NODE_COMMAND_OPEN_EXECUTOR ? CHANNEL_EXECUTOR
                                                                               : CHANNEL_HOLDER;
    struct sim_channel *channel = sim_channel_make(sim, daemon, kind, c->lease);
    channel->node = c->node;
    channel->owner = c->owner;
    channel->host = c->host;
    struct sim_process *holder = kind != CHANNEL_EXECUTOR ? client(daemon, c->serial) : NULL;
    struct sim_process *worker = kind != CHANNEL_HOLDER ? client(daemon, c->worker) : NULL;
    channel->holder = holder != NULL ? holder->uid : 0;
    channel->worker = worker != NULL ? worker->uid : 0;
    if (worker != NULL)
        tell(sim, daemon, c->worker,
            (struct sim_local){.kind = LOCAL_CHANNEL,
                .lease = c->lease,
                .channel = channel->uid,
                .as_worker = true});
    if (holder != NULL)
        tell(sim, daemon, c->serial,
            (struct sim_local){.kind = LOCAL_CHANNEL,
                .lease = c->lease,
                .channel = channel->uid,
                .class_index = c->class_index,
                .node = kind == CHANNEL_HOLDER ? c->node : daemon->number});
}

/* ---- commands ---- */

static void carry_out(
    struct sim *sim, struct sim_daemon *daemon, const struct reeve_node_command *c)
{
    struct sim_session *session;
    struct sim_frame *frame;
    struct sim_process *process;
    sim_hash(sim, (uint64_t)c->kind << 56 ^ daemon->life ^ c->lease ^ (uint64_t)c->serial << 40 ^
                      (uint64_t)c->message.kind << 48);
    switch (c->kind) {
    case REEVE_NODE_COMMAND_DIAL_HEAD: sim_dial(sim, daemon->life, 0, 0); break;
    case REEVE_NODE_COMMAND_DROP_HEAD:
        session = sim_session_get(sim, daemon->head_session);
        if (session != NULL)
            sim_session_cut(sim, session);
        break;
    case REEVE_NODE_COMMAND_SEND_HEAD:
        session = sim_session_get(sim, daemon->head_session);
        if (session != NULL)
            sim_send_message(sim, session, sim_session_side(session, daemon->life), &c->message);
        break;
    case REEVE_NODE_COMMAND_SEND_PEER:
        sim_trace(sim, "node %u -> node %u %s lease %llx", daemon->number, c->node,
            reeve_message_kind_name(c->message.kind), (unsigned long long)c->message.lease);
        frame = sim_alloc(sizeof *frame);
        frame->kind = FRAME_CONTROL;
        frame->message = c->message;
        sim_peer_send(sim, daemon, c->node, frame);
        break;
    case REEVE_NODE_COMMAND_PEER_KNOWN: sim_peer_known(sim, daemon, &c->message); break;
    case REEVE_NODE_COMMAND_PEER_FORGET: sim_peer_forget(sim, daemon, c->node); break;
    case REEVE_NODE_COMMAND_REGISTERED:
        daemon->number = c->node;
        sim_peers_registered(sim, daemon);
        sim_store_step(
            sim, daemon, &(struct reeve_store_event){.kind = REEVE_STORE_NODE, .node = c->node});
        break;
    case REEVE_NODE_COMMAND_JOB_GONE:
        sim_store_step(sim, daemon,
            &(struct reeve_store_event){.kind = REEVE_STORE_OWNER_GONE, .process = c->job});
        break;
    case REEVE_NODE_COMMAND_FENCED: sim->fences++; break;
    case REEVE_NODE_COMMAND_CLIENT_WELCOME:
        process = reeve_map64_remove(&daemon->pending, c->connection);
        if (process == NULL)
            break;
        process->serial = c->serial;
        client_added(sim, daemon, process);
        sim_to_process(
            sim, process, &(struct sim_local){.kind = LOCAL_WELCOME, .serial = c->serial});
        break;
    case REEVE_NODE_COMMAND_CLIENT_REFUSE:
        process = reeve_map64_remove(&daemon->pending, c->connection);
        if (process != NULL)
            sim_to_process(
                sim, process, &(struct sim_local){.kind = LOCAL_REFUSED, .code = c->code});
        break;
    case REEVE_NODE_COMMAND_CLIENT_DROP:
        tell(sim, daemon, c->serial, (struct sim_local){.kind = LOCAL_REFUSED, .code = c->code});
        break;
    case REEVE_NODE_COMMAND_CLIENT_LOST:
        tell(sim, daemon, c->serial,
            (struct sim_local){.kind = LOCAL_LOST,
                .lease = c->lease,
                .class_index = c->class_index,
                .count = c->count,
                .code = c->code});
        break;
    case REEVE_NODE_COMMAND_CLIENT_RECALL:
        tell(sim, daemon, c->serial,
            (struct sim_local){.kind = LOCAL_RECALL, .lease = c->lease, .count = c->count});
        break;
    case REEVE_NODE_COMMAND_CLIENT_NAMED:
        tell(sim, daemon, c->serial,
            (struct sim_local){.kind = LOCAL_NAMED,
                .count = c->count,
                .code = c->code,
                .process = c->process,
                .task = c->message.actor_number,
                .host = (uint32_t)c->message.actor_host});
        break;
    case REEVE_NODE_COMMAND_CLIENT_INFEASIBLE:
        tell(sim, daemon, c->serial,
            (struct sim_local){
                .kind = LOCAL_INFEASIBLE, .class_index = c->class_index, .code = c->code});
        break;
    case REEVE_NODE_COMMAND_SPAWN: spawn(sim, daemon, c); break;
    case REEVE_NODE_COMMAND_RETIRE:
        tell(sim, daemon, c->serial, (struct sim_local){.kind = LOCAL_RETIRE});
        break;
    case REEVE_NODE_COMMAND_KILL:
        process = client(daemon, c->serial);
        if (process != NULL)
            sim_process_kill(sim, process);
        break;
    case REEVE_NODE_COMMAND_OPEN_LOCAL:
    case REEVE_NODE_COMMAND_OPEN_EXECUTOR:
    case REEVE_NODE_COMMAND_OPEN_HOLDER: open_channel(sim, daemon, c); break;
    case REEVE_NODE_COMMAND_CLOSE:
    case REEVE_NODE_COMMAND_CLOSE_DEAD: sim_channel_close(sim, daemon, c); break;
    case REEVE_NODE_COMMAND_END: sim_violation(sim, "node %u ends: %s", daemon->number, c->text);
    default: break;
    }
}

void sim_node_step(struct sim *sim, struct sim_daemon *daemon, const struct reeve_node_event *event)
{
    if (daemon->running || daemon->dead) {
        /* Asked for by one of its own commands: it happens in the next turn of its loop. */
        struct sim_event *later = sim_after(sim, 0, SIM_NODE_EVENT);
        later->a = daemon->life;
        later->data = memcpy(sim_alloc(sizeof *event), event, sizeof *event);
        return;
    }
    reeve_node_step(daemon->node, sim->now_ns, event, &daemon->out);
    if (sim->options.audit)
        reeve_node_check(daemon->node);
    struct reeve_node_command command;
    daemon->running = true;
    while (!daemon->dead && reeve_fifo_pop(&daemon->out, &command)) {
        carry_out(sim, daemon, &command);
        sim_maybe_kill(sim, daemon);
    }
    daemon->running = false;
    if (daemon->dead)
        sim_daemon_free(sim, daemon);
    else
        sim_daemon_arm(sim, daemon, reeve_node_deadline(daemon->node));
}

/* ---- life ---- */

void sim_daemon_start(struct sim *sim, uint32_t machine)
{
    struct sim_machine *m = &sim->machines[machine];
    if (!m->up || m->life != 0)
        return;
    struct sim_daemon *daemon = sim_alloc(sizeof *daemon);
    daemon->life = (uint64_t)(machine + 1) << 32 | ++sim->next_id;
    daemon->machine = machine;
    daemon->tick_ns = NEVER;
    reeve_fifo_init(&daemon->out, sizeof(struct reeve_node_command));
    reeve_fifo_init(&daemon->unnamed, sizeof(uint64_t));
    struct reeve_map64 *maps[] = {
        &daemon->peers, &daemon->clients, &daemon->pending, &daemon->channels, &daemon->granted};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        reeve_map64_init(maps[i]);
    struct reeve_node_config config = {
        .uid = daemon->life, .incarnation = 1, .cpu_milli = m->cpu_milli, .memory_bytes = 1u << 30};
    snprintf(config.host, sizeof config.host, "m%u", machine);
    snprintf(config.address, sizeof config.address, "sim:%llx", (unsigned long long)daemon->life);
    daemon->node = reeve_node_create(&config);
    sim_store_start(sim, daemon);
    reeve_map64_put(&sim->daemons, daemon->life, daemon, NULL);
    m->life = daemon->life;
    sim_trace(sim, "machine %u starts a daemon %llx with %u cpu", machine,
        (unsigned long long)daemon->life, m->cpu_milli);
    sim_daemon_arm(sim, daemon, sim->now_ns);
}

void sim_daemon_free(struct sim *sim, struct sim_daemon *daemon)
{
    (void)sim;
    if (daemon->is_head) {
        reeve_sched_free(daemon->sched);
    } else {
        size_t at = 0;
        void *value;
        while (reeve_map64_next(&daemon->peers, &at, NULL, &value))
            sim_peer_free(value);
        reeve_map64_fini(&daemon->peers);
        reeve_fifo_fini(&daemon->unnamed);
        reeve_map64_fini(&daemon->clients);
        reeve_map64_fini(&daemon->pending);
        reeve_map64_fini(&daemon->channels);
        reeve_map64_fini(&daemon->granted);
        reeve_node_free(daemon->node);
        sim_store_free(daemon);
    }
    reeve_fifo_fini(&daemon->out);
    free(daemon);
}

void sim_daemon_kill(struct sim *sim, struct sim_daemon *daemon, bool silent)
{
    sim_trace(sim, "%s %u (%llx) dies%s", daemon->is_head ? "head" : "node", daemon->number,
        (unsigned long long)daemon->life, silent ? " silently" : "");
    sim->kills++;
    sim->nodes_died_ns = sim->now_ns;
    reeve_map64_remove(&sim->daemons, daemon->life);
    sim_sessions_lost(sim, daemon->life, silent);
    if (daemon->is_head)
        sim->head_life = 0;
    else
        sim->machines[daemon->machine].life = 0;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&sim->processes, &at, NULL, &value)) {
        struct sim_process *process = value;
        if (process->life ==
            daemon->life) /* they see the end of their socket, or that their parent is gone */
            sim_after(sim, sim_between(sim, 0, 3 * MS), SIM_DIE)->a = process->uid;
    }
    daemon->dead = true;
    if (!daemon->running)
        sim_daemon_free(sim, daemon);
}
