/* The node core's leases: as executor, and as the node of the holder. See the drawing in
 * node_core.h.
 *
 * The cpu of an executor's lease is taken from the grant on and free again when the lease ends.
 * A lease that is closed while its worker still has an entry in hand does not end before that
 * worker is dead: nobody wants the result any more, and the cpu is not free while it runs. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/macros.h"
#include "runtime/node/node_internal.h"

static struct node_lease *lease_get(const struct reeve_node *node, uint64_t id)
{
    return reeve_map64_get(&node->leases, id);
}

static struct node_lease *lease_make(struct reeve_node *node, enum node_lease_state state,
    const struct reeve_message *message, struct node_process *holder, uint32_t peer)
{
    struct node_lease *lease = node_alloc(sizeof *lease);
    lease->id = message->lease;
    lease->state = state;
    lease->class = message->class;
    lease->holder = message->process;
    lease->peer = peer;
    reeve_list_init(&lease->waiting_link);
    reeve_list_init(&lease->held_link);
    reeve_list_init(&lease->attached);
    reeve_list_init(&lease->attached_link);
    lease->holder_process = holder;
    if (holder != NULL)
        reeve_list_push_back(&holder->held, &lease->held_link);
    node_map_put(&node->leases, lease->id, lease);
    return lease;
}

static void leave_holder(struct node_lease *lease)
{
    reeve_list_remove(&lease->held_link);
    lease->holder_process = NULL;
}

static void lease_free(struct reeve_node *node, struct node_lease *lease)
{
    leave_holder(lease);
    REEVE_ASSERT(reeve_list_is_empty(&lease->attached));
    reeve_list_remove(&lease->attached_link);
    reeve_map64_remove(&node->leases, lease->id);
    free(lease);
}

static struct reeve_node_command *tell_lost(struct reeve_node *node,
    const struct node_process *holder, uint64_t lease, int64_t class_index, int32_t code,
    const char *text)
{
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLIENT_LOST);
    command->serial = holder->serial;
    command->lease = lease;
    command->class_index = class_index < 0 ? 0 : (uint32_t)class_index;
    command->code = code;
    node_set_text(command->text, "%s", text);
    return command;
}

/* --- as executor --- */

static void refuse(
    struct reeve_node *node, const struct reeve_message *grant, int32_t code, const char *text)
{
    struct reeve_message *message = node_send_head(node, REEVE_MESSAGE_REFUSED);
    message->lease = grant->lease;
    message->code = code;
    node_set_text(message->text, "%s", text);
}

/* The lease came to nothing, for a reason that the holder must know. */
static void tell_failed(struct reeve_node *node, uint64_t lease, const struct reeve_class *class,
    reeve_process_id holder, int32_t code, const char *text)
{
    struct node_process *process = node_process_here(node, holder);
    if (process != NULL) {
        tell_lost(node, process, 0, node_class_index(process, class), code, text);
    } else if (reeve_process_node(holder) != node->number) {
        struct reeve_message *message =
            node_send_peer(node, reeve_process_node(holder), REEVE_MESSAGE_FAILED);
        message->lease = lease;
        message->class = *class;
        message->process = holder;
        message->code = code;
        node_set_text(message->text, "%s", text);
    }
}

void node_grant(struct reeve_node *node, const struct reeve_message *grant)
{
    if (lease_get(node, grant->lease) != NULL) {
        node->stale++;
        return;
    }
    uint32_t home = reeve_process_node(grant->process);
    struct node_process *holder = node_process_here(node, grant->process);
    if (node->draining) {
        refuse(node, grant, REEVE_EBUSY, "the node is shutting down");
        return;
    }
    if (home == node->number ? holder == NULL || holder->job->ended
                             : reeve_map64_get(&node->peers, home) == NULL) {
        refuse(node, grant, REEVE_EHANDLE, "the holder is not there");
        return;
    }
    if (node->cpu_used_milli + (uint64_t)grant->class.cpu_milli > node->config.cpu_milli) {
        refuse(node, grant, REEVE_EBUSY, "no cpu is free");
        return;
    }
    if (reeve_class_attaches(
            &grant->class)) { /* perhaps of another job: to a worker that is there */
        struct node_lease *residence = node_residence_find(node, &grant->class);
        if (residence == NULL)
            refuse(node, grant, REEVE_EBUSY, "the actor's process is not there");
        else
            node_attach(node, residence,
                lease_make(node, LEASE_WAITING, grant, holder, holder != NULL ? 0 : home));
        return;
    }
    struct node_job *job = reeve_map64_get(&node->jobs, grant->class.job);
    if (job == NULL && reeve_process_node(grant->class.job) != node->number)
        job = node_job_make(node, grant->class.job, grant->class.program, "");
    if (job == NULL || job->ended) {
        refuse(node, grant, REEVE_EHANDLE, "the job has ended");
        return;
    }
    if (memcmp(job->program, grant->class.program, sizeof job->program) != 0) {
        refuse(node, grant, REEVE_EPROTOCOL, "the job has another program");
        return;
    }
    if (node->now_ns < job->failed_until_ns) {
        refuse(node, grant, job->failed_code, job->failed_text);
        tell_failed(
            node, grant->lease, &grant->class, grant->process, job->failed_code, job->failed_text);
        return;
    }
    if (!node_worker_room(node, job)) {
        refuse(node, grant, REEVE_EBUSY, "the node runs as many processes as it may");
        return;
    }
    struct node_lease *lease =
        lease_make(node, LEASE_WAITING, grant, holder, holder == NULL ? home : 0);
    lease->job = job;
    node->cpu_used_milli += lease->class.cpu_milli;
    reeve_list_push_back(&job->waiting, &lease->waiting_link);
    job->waiting_count++;
    node_workers_feed(node, job);
}

static void leave_waiting(struct node_lease *lease)
{
    if (reeve_list_is_linked(&lease->waiting_link)) {
        reeve_list_remove(&lease->waiting_link);
        lease->job->waiting_count--;
    }
}

/* Count 0: it is to come back; 1: when it lies idle. */
static void recall(struct reeve_node *node, const struct node_lease *lease, uint64_t count)
{
    if (lease->holder_process != NULL) {
        struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLIENT_RECALL);
        command->serial = lease->holder_process->serial;
        command->lease = lease->id;
        command->count = (uint32_t)count;
    } else if (lease->state == LEASE_OPEN) {
        struct reeve_message *message = node_send_peer(node, lease->peer, REEVE_MESSAGE_RECALL);
        message->lease = lease->id;
        message->count = count;
    }
}

static void open_local(struct reeve_node *node, struct node_lease *lease)
{
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_OPEN_LOCAL);
    int64_t index = node_class_index(lease->holder_process, &lease->class);
    command->lease = lease->id;
    command->serial = lease->holder_process->serial;
    command->worker = lease->worker->serial;
    command->cpu_milli = lease->class.cpu_milli;
    command->priority = lease->class.priority;
    command->class_index = index < 0 ? 0 : (uint32_t)index;
    command->process = node_process_id(node, lease->worker);
    command->job = lease->job->id;
    command->owner = lease->class.owner;
    command->host = lease->class.host;
}

static void open_executor(struct reeve_node *node, struct node_lease *lease)
{
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_OPEN_EXECUTOR);
    command->lease = lease->id;
    command->worker = lease->worker->serial;
    command->cpu_milli = lease->class.cpu_milli;
    command->priority = lease->class.priority;
    command->node = lease->peer;
    command->process = lease->holder;
    command->job = lease->job->id;
    command->owner = lease->class.owner;
    command->host = lease->class.host;
    struct reeve_message *open = node_send_peer(node, lease->peer, REEVE_MESSAGE_OPEN);
    open->lease = lease->id;
    open->class = lease->class;
    open->process = lease->holder;
    open->worker = node_process_id(node, lease->worker);
}

void node_lease_open(struct reeve_node *node, struct node_lease *lease, struct node_process *worker)
{
    leave_waiting(lease);
    lease->state = LEASE_OPEN;
    lease->worker = worker;
    lease->channel_open = true;
    if (!reeve_class_attaches(&lease->class))
        worker->lease = lease;
    if (lease->holder_process != NULL)
        open_local(node, lease);
    else
        open_executor(node, lease);
    if (lease->wanted)
        recall(node, lease, 1);
    node_attached_open(node, lease);
}

void node_lease_end(struct reeve_node *node, struct node_lease *lease)
{
    leave_waiting(lease);
    node_attached_end(node, lease, REEVE_EACTORDIED, "it has ended");
    if (!lease->lent)
        node->cpu_used_milli -= lease->class.cpu_milli;
    if (lease->worker != NULL && !reeve_class_attaches(&lease->class))
        lease->worker->lease = NULL;
    node_send_head(node, REEVE_MESSAGE_ENDED)->lease = lease->id;
    lease_free(node, lease);
}

void node_lease_fail(
    struct reeve_node *node, struct node_lease *lease, int32_t code, const char *text)
{
    REEVE_ASSERT(lease->state == LEASE_WAITING);
    struct reeve_message *refused = node_send_head(node, REEVE_MESSAGE_REFUSED);
    refused->lease = lease->id;
    refused->code = code;
    node_set_text(refused->text, "%s", text);
    if (code != REEVE_EBUSY)
        tell_failed(node, lease->id, &lease->class, lease->holder, code, text);
    node_attached_end(node, lease, REEVE_EACTORDIED, text);
    leave_waiting(lease);
    node->cpu_used_milli -= lease->class.cpu_milli;
    lease_free(node, lease);
}

void node_lease_close(struct reeve_node *node, struct node_lease *lease, int32_t code)
{
    struct reeve_node_command *command;
    switch (lease->state) {
    case LEASE_WAITING: node_lease_end(node, lease); break;
    case LEASE_OPEN:
        leave_holder(lease);
        node_attached_end(node, lease, REEVE_EACTORDIED, "it has ended");
        lease->state = LEASE_CLOSING;
        lease->channel_open = false;
        lease->kill = code != REEVE_OK && reeve_class_is_residence(&lease->class);
        command = node_emit(node, REEVE_NODE_COMMAND_CLOSE);
        command->lease = lease->id;
        command->code = code;
        break;
    case LEASE_CLOSING: leave_holder(lease); break;
    case LEASE_HELD:
        command = node_emit(node, REEVE_NODE_COMMAND_CLOSE);
        command->lease = lease->id;
        command->code = code;
        if (reeve_map64_get(&node->peers, lease->peer) != NULL) {
            struct reeve_message *message = node_send_peer(node, lease->peer, REEVE_MESSAGE_RETURN);
            message->lease = lease->id;
            message->code = code;
        }
        lease_free(node, lease);
        break;
    }
}

void node_lease_closed(struct reeve_node *node, const struct reeve_node_event *event)
{
    struct node_lease *lease = lease_get(node, event->lease);
    if (lease == NULL || lease->state != LEASE_CLOSING || lease->channel_open) {
        node->stale++;
        return;
    }
    struct node_process *worker = lease->worker;
    if (reeve_class_attaches(&lease->class)) { /* what it runs for who has gone is the actor's */
        node_lease_end(node, lease);
        return;
    }
    if (worker->state != PROCESS_LEASED)
        return; /* it is ending: the lease ends with it */
    if (event->count > 0 || lease->kill) {
        node_worker_kill(node, worker);
        return;
    }
    node_lease_end(node, lease);
    node_worker_release(node, worker);
}

void node_lease_worker_died(
    struct reeve_node *node, struct node_lease *lease, const struct reeve_node_event *exited)
{
    int32_t code = exited->code;
    const char *text = exited->text;
    node_attached_end(node, lease, code, text);
    lease->worker = NULL;
    node_lease_give_up(node, lease, code, text, exited->count);
}

void node_lease_give_up(struct reeve_node *node, struct node_lease *lease, int32_t code,
    const char *text, uint32_t count)
{
    if (lease->channel_open) {
        struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLOSE_DEAD);
        command->lease = lease->id;
        command->code = code;
        command->count = count;
        command->host = lease->class.host;
        node_set_text(command->text, "%s", text);
    }
    /* who works for a job that has ended is ending, too; who attaches may be of another */
    if (lease->state == LEASE_OPEN && (!lease->job->ended || lease->class.job != lease->job->id)) {
        if (lease->holder_process != NULL) {
            int64_t index = node_class_index(lease->holder_process, &lease->class);
            tell_lost(node, lease->holder_process, lease->id, index, code, text)->count = count;
        } else if (lease->peer != 0) {
            struct reeve_message *lost = node_send_peer(node, lease->peer, REEVE_MESSAGE_LOST);
            lost->lease = lease->id;
            lost->process = lease->holder;
            lost->code = code;
            node_set_text(lost->text, "%s", text);
        }
    }
    node_lease_end(node, lease);
}

void node_recall(struct reeve_node *node, uint64_t id, uint64_t count)
{
    struct node_lease *lease = lease_get(node, id);
    if (lease == NULL)
        node->stale++;
    else if (lease->state != LEASE_WAITING)
        recall(node, lease, count);
    else if (count == 0)
        node_lease_end(node, lease);
    else
        lease->wanted = true;
}

static void announce(struct reeve_node *node, enum reeve_message_kind kind)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->leases, &at, NULL, &value)) {
        const struct node_lease *lease = value;
        if (lease->state == LEASE_HELD || (kind == REEVE_MESSAGE_LENT && !lease->lent))
            continue;
        struct reeve_message *message = &node_emit(node, REEVE_NODE_COMMAND_SEND_HEAD)->message;
        message->kind = kind;
        message->lease = lease->id;
        if (kind == REEVE_MESSAGE_HOLDING) {
            message->class = lease->class;
            message->process = lease->holder;
        } else {
            message->count = 1;
        }
    }
}

/* Workers of a driver elsewhere may be idle here, and nobody but us knows it: if the job ended
 * while the head or the link to it was down, this is how we hear of it. */
static void announce_jobs(struct reeve_node *node)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->jobs, &at, NULL, &value)) {
        const struct node_job *job = value;
        if (job->ended || reeve_process_node(job->id) == node->number)
            continue;
        struct reeve_message *message = &node_emit(node, REEVE_NODE_COMMAND_SEND_HEAD)->message;
        message->kind = REEVE_MESSAGE_HOLDING;
        message->process = message->class.job = job->id;
    }
}

/* The first word after JOIN that is neither HOLDING nor a name tells the head that it has heard of
 * all. */
void node_announce_leases(struct reeve_node *node)
{
    if (node->number == 0)
        return;
    announce(node, REEVE_MESSAGE_HOLDING);
    announce_jobs(node);
    node_announce_names(node, true);
    node_heartbeat(node);
    announce(node, REEVE_MESSAGE_LENT);
}

/* --- what clients say --- */

void node_client_return(struct reeve_node *node, const struct reeve_node_event *event)
{
    struct node_lease *lease = lease_get(node, event->lease);
    if (lease == NULL || lease->holder_process == NULL ||
        lease->holder_process->serial != event->serial || lease->state == LEASE_WAITING) {
        node->stale++;
        return;
    }
    node_lease_close(node, lease, event->code);
}

void node_client_lend(struct reeve_node *node, const struct reeve_node_event *event)
{
    struct node_process *worker = node_process_get(node, event->serial);
    struct node_lease *lease = worker == NULL ? NULL : worker->lease;
    bool lends = event->count != 0;
    if (lease == NULL || lease->lent == lends) {
        node->stale++;
        return;
    }
    lease->lent = lends;
    if (lends)
        node->cpu_used_milli -= lease->class.cpu_milli;
    else
        node->cpu_used_milli += lease->class.cpu_milli;
    struct reeve_message *lent = node_send_head(node, REEVE_MESSAGE_LENT);
    lent->lease = lease->id;
    lent->count = lends;
}

/* --- as the holder's node: what executors say --- */

static void opened(struct reeve_node *node, uint32_t peer, const struct reeve_message *open)
{
    if (lease_get(node, open->lease) != NULL) {
        node->stale++;
        return;
    }
    struct node_process *holder = node_process_here(node, open->process);
    int64_t index = holder == NULL ? -1 : node_class_index(holder, &open->class);
    if (index < 0 || reeve_map64_get(&node->peers, peer) == NULL) {
        node_send_peer(node, peer, REEVE_MESSAGE_RETURN)->lease = open->lease;
        return;
    }
    lease_make(node, LEASE_HELD, open, holder, peer);
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_OPEN_HOLDER);
    command->lease = open->lease;
    command->serial = holder->serial;
    command->class_index = (uint32_t)index;
    command->node = peer;
    command->process = open->worker;
    command->job = holder->job->id;
}

void node_lease_lost(
    struct reeve_node *node, struct node_lease *lease, int32_t code, const char *text)
{
    REEVE_ASSERT(lease->state == LEASE_HELD);
    /* Tasks are run again either way; whoever calls an actor is told what is known. */
    if (code == REEVE_EUNREACHABLE && lease->class.host == 0)
        code = REEVE_ENODEDIED;
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLOSE_DEAD);
    command->lease = lease->id;
    command->code = code == REEVE_EUNREACHABLE || code == REEVE_ESHUTDOWN ? REEVE_ENODEDIED : code;
    node_set_text(command->text, "%s", text);
    tell_lost(node, lease->holder_process, lease->id,
        node_class_index(lease->holder_process, &lease->class), code, text);
    lease_free(node, lease);
}

static void failed(struct reeve_node *node, const struct reeve_message *message)
{
    struct node_process *holder = node_process_here(node, message->process);
    int64_t index = holder == NULL ? -1 : node_class_index(holder, &message->class);
    if (index < 0)
        node->stale++;
    else
        tell_lost(node, holder, 0, index, message->code, message->text);
}

void node_peer_message(struct reeve_node *node, const struct reeve_node_event *event)
{
    const struct reeve_message *message = &event->message;
    struct node_lease *lease = lease_get(node, message->lease);
    bool shared = lease != NULL && lease->peer == event->node;
    switch (message->kind) {
    case REEVE_MESSAGE_OPEN: opened(node, event->node, message); break;
    case REEVE_MESSAGE_FAILED: failed(node, message); break;
    case REEVE_MESSAGE_LOST:
        if (shared && lease->state == LEASE_HELD)
            node_lease_lost(node, lease, message->code, message->text);
        else
            node->stale++;
        break;
    case REEVE_MESSAGE_RETURN:
        if (shared && lease->state == LEASE_OPEN)
            node_lease_close(node, lease, message->code);
        else
            node->stale++;
        break;
    case REEVE_MESSAGE_RECALL:
        if (shared && lease->state == LEASE_HELD)
            node_recall(node, lease->id, message->count);
        else
            node->stale++;
        break;
    case REEVE_MESSAGE_HEARTBEAT: break;
    default: node->stale++; break;
    }
}
