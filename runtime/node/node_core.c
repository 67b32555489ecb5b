/* The node core's step: events to handlers, timers. See node_core.h; the parts are listed in
 * node_internal.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/macros.h"
#include "runtime/node/node_internal.h"

void *node_alloc(size_t size)
{
    void *memory = calloc(1, size);
    REEVE_ASSERT(memory != NULL);
    return memory;
}

void node_map_put(struct reeve_map64 *map, uint64_t key, void *value)
{
    void *old;
    int error = reeve_map64_put(map, key, value, &old);
    REEVE_ASSERT(error == REEVE_OK && old == NULL);
}

struct reeve_node_command *node_emit(struct reeve_node *node, enum reeve_node_command_kind kind)
{
    struct reeve_node_command *command = reeve_fifo_push(node->out);
    REEVE_ASSERT(command != NULL);
    command->kind = kind;
    return command;
}

void node_set_text(char *out, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(out, REEVE_TEXT_SIZE, format, values);
    va_end(values);
}

void node_timer_set(struct reeve_node *node, struct node_timer *timer, uint64_t at_ns)
{
    if (reeve_heap_contains(&timer->heap)) {
        reeve_heap_update(&node->timers, &timer->heap, at_ns);
    } else {
        int error = reeve_heap_insert(&node->timers, &timer->heap, at_ns);
        REEVE_ASSERT(error == REEVE_OK);
    }
}

void node_timer_stop(struct reeve_node *node, struct node_timer *timer)
{
    reeve_heap_remove(&node->timers, &timer->heap);
}

/* What became of a lease, or of a name, is said as soon as the head has been told of it, which is
 * right after JOIN. */
static bool before_welcome(const struct reeve_node *node, enum reeve_message_kind kind)
{
    if (kind == REEVE_MESSAGE_JOIN)
        return true;
    return node->number != 0 && (kind == REEVE_MESSAGE_ENDED || kind == REEVE_MESSAGE_REFUSED ||
                                    kind == REEVE_MESSAGE_LENT || kind == REEVE_MESSAGE_HEARTBEAT ||
                                    kind == REEVE_MESSAGE_NAME_DROP);
}

/* The message of a command that has just been emitted: fill it before anything else is emitted.
 * Without a session nothing is sent: the next JOIN says it all. */
struct reeve_message *node_send_head(struct reeve_node *node, enum reeve_message_kind kind)
{
    if (!node->head_up || (!node->joined && !before_welcome(node, kind)))
        return &node->nowhere;
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_SEND_HEAD);
    command->message.kind = kind;
    return &command->message;
}

void node_heartbeat(struct reeve_node *node)
{
    node_send_head(node, REEVE_MESSAGE_HEARTBEAT)->code =
        node->draining ? REEVE_ESHUTDOWN : REEVE_OK;
}

struct reeve_message *node_send_peer(
    struct reeve_node *node, uint32_t peer, enum reeve_message_kind kind)
{
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_SEND_PEER);
    command->node = peer;
    command->message.kind = kind;
    return &command->message;
}

struct reeve_node *reeve_node_create(const struct reeve_node_config *config)
{
    struct reeve_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->config = *config;
    struct reeve_node_config *c = &node->config;
    uint32_t cpus = (c->cpu_milli + 999) / 1000;
#define DEFAULT(field, value) c->field = c->field != 0 ? c->field : (value)
    DEFAULT(process_limit, cpus * 16 + 16);
    DEFAULT(warm_limit, REEVE_MIN(cpus, 2));
    DEFAULT(idle_ns, 10000000000ull);
    DEFAULT(start_timeout_ns, 30000000000ull);
    DEFAULT(retire_grace_ns, 2000000000ull);
    DEFAULT(drain_ns, 30000000000ull);
    DEFAULT(head_silence_ns, 10000000000ull);
    DEFAULT(join_patience_ns, 10000000000ull);
    DEFAULT(program_backoff_ns, 5000000000ull);
#undef DEFAULT
    node->next_serial = 1;
    node->heartbeat_ns = 1000000000ull;
    node->backoff_ns = REEVE_NODE_BACKOFF_MIN_NS;
    reeve_heap_init(&node->timers);
    reeve_map64_init(&node->processes);
    reeve_map64_init(&node->jobs);
    reeve_map64_init(&node->leases);
    reeve_map64_init(&node->peers);
    reeve_map64_init(&node->pending);
    node->head_timer.kind = TIMER_HEAD;
    node->drain_timer.kind = TIMER_DRAIN;
    node_timer_set(node, &node->head_timer, 0);
    return node;
}

void reeve_node_free(struct reeve_node *node)
{
    if (node == NULL)
        return;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->processes, &at, NULL, &value)) {
        struct node_process *process = value;
        node_names_free(process);
        free(process->wants);
        free(process->blocked);
    }
    reeve_map64_fini_values(&node->processes);
    reeve_map64_fini_values(&node->jobs);
    reeve_map64_fini_values(&node->leases);
    reeve_map64_fini_values(&node->peers);
    reeve_map64_fini_values(&node->pending);
    reeve_heap_fini(&node->timers);
    free(node);
}

uint64_t reeve_node_deadline(const struct reeve_node *node)
{
    const struct reeve_heap_node *first = reeve_heap_peek(&node->timers);
    return first == NULL || node->ended ? REEVE_NODE_NEVER : first->key;
}

void node_end(struct reeve_node *node, int32_t code, const char *text)
{
    if (node->ended)
        return;
    node->ended = true;
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_END);
    command->code = code;
    node_set_text(command->text, "%s", text);
}

/* --- graceful end: leases are called back; when the last has ended, or the time is over, so do
 * we --- */

static void end_all_jobs(struct reeve_node *node)
{
    node->ending = true;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->pending, &at, NULL, &value))
        node_pending_refuse(node, ((struct node_pending *)value)->connection, REEVE_ESHUTDOWN,
            "this node is shutting down");
    at = 0;
    while (reeve_map64_next(&node->jobs, &at, NULL, &value))
        node_job_end(node, value, REEVE_ESHUTDOWN, "this node is shutting down");
}

static void drain(struct reeve_node *node)
{
    if (node->draining) {
        end_all_jobs(node);
        node_end(node, REEVE_OK, "told to end at once");
        return;
    }
    node->draining = true;
    node_heartbeat(node); /* the head is to give it nothing more, and to say so to people */
    node_timer_set(node, &node->drain_timer, node->now_ns + node->config.drain_ns);
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->leases, &at, NULL, &value)) {
        struct node_lease *lease = value;
        if (lease->state == LEASE_WAITING)
            node_lease_fail(node, lease, REEVE_EBUSY, "the node is shutting down");
        else if (lease->state == LEASE_OPEN)
            node_recall(node, lease->id, 0);
    }
}

static void drain_more(struct reeve_node *node)
{
    if (!node->draining || node->ended)
        return;
    if (!node->ending && reeve_map64_count(&node->leases) == 0)
        end_all_jobs(node);
    if (node->ending && node->workers_count == 0)
        node_end(node, REEVE_OK, "drained");
}

static void run_timers(struct reeve_node *node)
{
    struct reeve_heap_node *first;
    while ((first = reeve_heap_peek(&node->timers)) != NULL && first->key <= node->now_ns) {
        reeve_heap_pop(&node->timers);
        struct node_timer *timer = REEVE_CONTAINER_OF(first, struct node_timer, heap);
        switch (timer->kind) {
        case TIMER_HEAD: node_head_timer(node); break;
        case TIMER_DRAIN:
            end_all_jobs(node);
            node_end(node, REEVE_OK, "the time to drain is over");
            return;
        case TIMER_PROCESS:
            node_worker_timer(node, REEVE_CONTAINER_OF(timer, struct node_process, timer));
            break;
        case TIMER_JOB:
            node_job_timer(node, REEVE_CONTAINER_OF(timer, struct node_job, timer));
            break;
        case TIMER_PENDING:
            node_pending_refuse(node,
                REEVE_CONTAINER_OF(timer, struct node_pending, timer)->connection, REEVE_ENOCLUSTER,
                node->head_text[0] != 0 ? node->head_text : "the head does not answer");
            break;
        }
    }
}

void reeve_node_step(struct reeve_node *node, uint64_t now_ns, const struct reeve_node_event *event,
    struct reeve_fifo *out)
{
    REEVE_ASSERT(now_ns >= node->now_ns && event->kind < REEVE_NODE_EVENT_KIND_COUNT);
    node->now_ns = now_ns;
    node->out = out;
    if (node->ended)
        return;
    run_timers(node);
    struct node_process *process = node_process_get(node, event->serial);
    switch (node->ended ? REEVE_NODE_EVENT_TICK : event->kind) {
    case REEVE_NODE_EVENT_TICK: break;
    case REEVE_NODE_EVENT_HEAD_UP: node_head_up(node); break;
    case REEVE_NODE_EVENT_HEAD_DOWN: node_head_down(node, event); break;
    case REEVE_NODE_EVENT_HEAD_DIAL_FAILED: node_head_dial_failed(node, event); break;
    case REEVE_NODE_EVENT_HEAD_MESSAGE: node_head_message(node, &event->message); break;
    case REEVE_NODE_EVENT_PEER_LINK_UP: node_peer_up(node, &event->message); break;
    case REEVE_NODE_EVENT_PEER_LINK_DOWN:
        node_peer_lost(node, event->node,
            event->code == REEVE_ESHUTDOWN ? REEVE_ESHUTDOWN : REEVE_EUNREACHABLE, event->text);
        break;
    case REEVE_NODE_EVENT_PEER_MESSAGE: node_peer_message(node, event); break;
    case REEVE_NODE_EVENT_DRIVER_HELLO: node_driver_hello(node, event); break;
    case REEVE_NODE_EVENT_CONNECTION_GONE: node_pending_gone(node, event->connection); break;
    case REEVE_NODE_EVENT_CLIENT_DEMAND: node_client_demand(node, event); break;
    case REEVE_NODE_EVENT_CLIENT_NAME: node_client_name(node, event); break;
    case REEVE_NODE_EVENT_CLIENT_RETURN: node_client_return(node, event); break;
    case REEVE_NODE_EVENT_CLIENT_LEND: node_client_lend(node, event); break;
    case REEVE_NODE_EVENT_CLIENT_BLOCKED: node_client_blocked(node, event); break;
    case REEVE_NODE_EVENT_CLIENT_OWNS:
        if (process != NULL)
            process->owns = event->count != 0;
        break;
    case REEVE_NODE_EVENT_CLIENT_GONE: node_client_gone(node, event); break;
    case REEVE_NODE_EVENT_WORKER_STARTED: node_worker_started(node, process); break;
    case REEVE_NODE_EVENT_WORKER_HELLO: node_worker_hello(node, event); break;
    case REEVE_NODE_EVENT_WORKER_EXITED: node_worker_exited(node, event); break;
    case REEVE_NODE_EVENT_CLOSED: node_lease_closed(node, event); break;
    case REEVE_NODE_EVENT_DRAIN: drain(node); break;
    case REEVE_NODE_EVENT_KIND_COUNT: break;
    }
    node_stuck_look(node);
    drain_more(node);
    node->out = NULL;
}

reeve_process_id reeve_node_job_of(const struct reeve_node *node, uint32_t serial)
{
    const struct node_process *process = node_process_get(node, serial);
    return process != NULL ? process->job->id : REEVE_PROCESS_NONE;
}
