/* The node core's drivers and jobs, and what processes want.
 *
 * A driver that comes before the head has taken this node in waits for it: its id is made of our
 * number. Its job lives here until it goes; the job of a driver elsewhere lives here from the
 * first grant until the head says that it has ended. A job that has ended stays in the tables
 * until the last of its workers is reaped. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/macros.h"
#include "runtime/node/node_internal.h"

struct node_process *node_process_get(const struct reeve_node *node, uint32_t serial)
{
    return reeve_map64_get(&node->processes, serial);
}

struct node_process *node_process_here(const struct reeve_node *node, reeve_process_id id)
{
    if (node->number == 0 || reeve_process_node(id) != node->number)
        return NULL;
    return node_process_get(node, (uint32_t)id);
}

reeve_process_id node_process_id(const struct reeve_node *node, const struct node_process *process)
{
    return reeve_process_id_make(node->number, process->serial);
}

/* --- jobs --- */

struct node_job *node_job_make(
    struct reeve_node *node, reeve_process_id id, const uint8_t *program, const char *name)
{
    struct node_job *job = node_alloc(sizeof *job);
    job->id = id;
    job->timer.kind = TIMER_JOB;
    memcpy(job->program, program, sizeof job->program);
    node_set_text(job->name, "%s", name);
    reeve_list_init(&job->workers);
    reeve_list_init(&job->idle);
    reeve_list_init(&job->waiting);
    node_map_put(&node->jobs, id, job);
    return job;
}

void node_job_reap(struct reeve_node *node, struct node_job *job)
{
    if (!job->ended || !reeve_list_is_empty(&job->workers))
        return;
    node_emit(node, REEVE_NODE_COMMAND_JOB_GONE)->job = job->id;
    node_timer_stop(node, &job->timer);
    reeve_map64_remove(&node->jobs, job->id);
    free(job);
}

static void driver_forget(struct reeve_node *node, struct node_process *driver)
{
    node_client_forget(node, driver);
    driver->job->driver = NULL;
    reeve_map64_remove(&node->processes, driver->serial);
    node->drivers_count--;
    free(driver);
}

void node_job_end(struct reeve_node *node, struct node_job *job, int32_t code, const char *text)
{
    if (job->ended)
        return;
    job->ended = true;
    if (job->driver != NULL) {
        if (code != 0) {
            struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLIENT_DROP);
            command->serial = job->driver->serial;
            command->code = code;
            node_set_text(command->text, "%s", text);
        }
        driver_forget(node, job->driver);
        if (node->joined)
            node_send_head(node, REEVE_MESSAGE_JOB_END)->process = job->id;
        else if (node->number != 0 && node->ended_jobs_count < REEVE_NODE_ENDED_JOBS_MAX)
            node->ended_jobs[node->ended_jobs_count++] = job->id;
    }
    REEVE_LIST_EACH_SAFE(link, &job->waiting)
    {
        node_lease_end(node, REEVE_LIST_ENTRY(link, struct node_lease, waiting_link));
    }
    REEVE_LIST_EACH_SAFE(link, &job->workers)
    {
        node_worker_kill(node, REEVE_LIST_ENTRY(link, struct node_process, job_link));
    }
    node_job_reap(node, job);
}

/* --- drivers --- */

static void job_begin(struct reeve_node *node, const struct node_job *job)
{
    struct reeve_message *begin = node_send_head(node, REEVE_MESSAGE_JOB_BEGIN);
    begin->process = job->id;
    begin->count = job->weight;
    node_set_text(begin->text, "%s", job->name);
}

static void accept_driver(struct reeve_node *node, uint64_t connection, const uint8_t *program,
    const char *name, uint32_t weight)
{
    struct node_process *driver = node_alloc(sizeof *driver);
    driver->serial = node->next_serial++;
    driver->state = PROCESS_DRIVER;
    driver->timer.kind = TIMER_PROCESS;
    reeve_list_init(&driver->job_link);
    reeve_list_init(&driver->idle_link);
    reeve_list_init(&driver->held);
    reeve_list_init(&driver->names);
    node_map_put(&node->processes, driver->serial, driver);
    node->drivers_count++;
    driver->job = node_job_make(node, node_process_id(node, driver), program, name);
    driver->job->driver = driver;
    driver->job->weight = weight;
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLIENT_WELCOME);
    command->connection = connection;
    command->serial = driver->serial;
    job_begin(node, driver->job);
    node_workers_warm(node, driver->job);
}

void node_driver_hello(struct reeve_node *node, const struct reeve_node_event *event)
{
    int32_t code = REEVE_OK;
    const char *text = "";
    if (node->draining)
        code = REEVE_ESHUTDOWN, text = "this node is shutting down";
    else if (node->drivers_count + reeve_map64_count(&node->pending) >= REEVE_NODE_DRIVERS_MAX)
        code = REEVE_EBUSY, text = "too many programs are connected to this node";
    if (code != REEVE_OK) {
        struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLIENT_REFUSE);
        command->connection = event->connection;
        command->code = code;
        node_set_text(command->text, "%s", text);
        return;
    }
    if (node->number != 0) {
        accept_driver(node, event->connection, event->program, event->text, event->count);
        return;
    }
    struct node_pending *pending = node_alloc(sizeof *pending);
    pending->connection = event->connection;
    pending->timer.kind = TIMER_PENDING;
    pending->weight = event->count;
    memcpy(pending->program, event->program, sizeof pending->program);
    memcpy(pending->name, event->text, sizeof pending->name);
    node_map_put(&node->pending, pending->connection, pending);
    node_timer_set(node, &pending->timer, node->now_ns + node->config.join_patience_ns);
}

static void pending_remove(struct reeve_node *node, struct node_pending *pending)
{
    node_timer_stop(node, &pending->timer);
    reeve_map64_remove(&node->pending, pending->connection);
    free(pending);
}

void node_pending_accept(struct reeve_node *node)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->pending, &at, NULL, &value)) {
        struct node_pending *pending = value;
        accept_driver(node, pending->connection, pending->program, pending->name, pending->weight);
        pending_remove(node, pending);
    }
}

void node_pending_refuse(
    struct reeve_node *node, uint64_t connection, int32_t code, const char *text)
{
    struct node_pending *pending = reeve_map64_get(&node->pending, connection);
    if (pending == NULL)
        return;
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLIENT_REFUSE);
    command->connection = connection;
    command->code = code;
    node_set_text(command->text, "%s", text);
    pending_remove(node, pending);
}

void node_pending_gone(struct reeve_node *node, uint64_t connection)
{
    struct node_pending *pending = reeve_map64_get(&node->pending, connection);
    if (pending != NULL)
        pending_remove(node, pending);
}

void node_client_gone(struct reeve_node *node, const struct reeve_node_event *event)
{
    struct node_process *process = node_process_get(node, event->serial);
    if (process == NULL)
        node->stale++;
    else if (process->state == PROCESS_DRIVER)
        node_job_end(node, process->job, 0, "");
    else
        node_worker_socket_gone(node, process, event->code);
}

/* --- what a process wants --- */

int64_t node_class_index(const struct node_process *process, const struct reeve_class *class)
{
    for (uint32_t i = 0; i < process->want_count; i++) {
        if (process->wants[i].defined &&
            memcmp(&process->wants[i].class, class, sizeof *class) == 0)
            return i;
    }
    return -1;
}

static void send_demand(struct reeve_node *node, const struct node_process *process, uint32_t index)
{
    struct reeve_message *message = node_send_head(node, REEVE_MESSAGE_DEMAND);
    message->process = node_process_id(node, process);
    message->class = process->wants[index].class;
    message->count = process->wants[index].count;
    message->node = process->wants[index].near;
}

/* Breaking the rules costs a driver its job and a worker its life. */
static void bad_client(struct reeve_node *node, struct node_process *process, const char *text)
{
    if (process->state == PROCESS_DRIVER)
        node_job_end(node, process->job, REEVE_EPROTOCOL, text);
    else
        node_worker_kill(node, process);
}

void node_client_demand(struct reeve_node *node, const struct reeve_node_event *event)
{
    struct node_process *process = node_process_get(node, event->serial);
    if (process == NULL || process->job->ended) {
        node->stale++;
        return;
    }
    if (event->class_index >= REEVE_NODE_CLASSES_MAX) {
        bad_client(
            node, process, "the process makes too many kinds of calls, by cpus and priority");
        return;
    }
    if (event->class_index >= process->want_count) {
        uint32_t count = event->class_index + 1;
        struct node_want *wants = realloc(process->wants, count * sizeof *wants);
        REEVE_ASSERT(wants != NULL);
        memset(wants + process->want_count, 0, (count - process->want_count) * sizeof *wants);
        process->wants = wants;
        process->want_count = count;
    }
    struct node_want *want = &process->wants[event->class_index];
    reeve_process_id self = node_process_id(node, process);
    struct reeve_class class;
    memset(&class, 0, sizeof class);
    class.job = process->job->id;
    memcpy(class.program, process->job->program, sizeof class.program);
    class.cpu_milli = event->cpu_milli;
    class.priority = event->priority;
    if (event->host != 0) {
        class.host = event->host;
        class.owner = event->process != 0 ? event->process : self;
        class.table = event->table;
    }
    if (event->host != 0 && reeve_class_is_residence(&class) != (class.owner == self)) {
        bad_client(node, process, "the process asked for a host of actors that is not its own");
        return;
    }
    if (want->defined && memcmp(&want->class, &class, sizeof class) != 0) {
        bad_client(node, process, "the process gave a class of tasks a second meaning");
        return;
    }
    bool changed = !want->defined || want->count != event->count || want->near != event->node;
    want->defined = true;
    want->class = class;
    want->count = event->count;
    want->near = event->node;
    if (changed)
        send_demand(node, process, event->class_index);
}

void node_client_forget(struct reeve_node *node, struct node_process *process)
{
    for (uint32_t i = 0; i < process->want_count; i++) {
        if (process->wants[i].count > 0) {
            process->wants[i].count = 0;
            send_demand(node, process, i);
        }
    }
    REEVE_LIST_EACH_SAFE(link, &process->held)
    {
        node_lease_close(
            node, REEVE_LIST_ENTRY(link, struct node_lease, held_link), REEVE_EOWNERDIED);
    }
    REEVE_ASSERT(reeve_list_is_empty(&process->held));
    node_blocked_end(node, process);
    node_names_forget(node, process);
    free(process->wants);
    process->wants = NULL;
    process->want_count = 0;
}

void node_infeasible(struct reeve_node *node, const struct reeve_message *message)
{
    struct node_process *process = node_process_here(node, message->process);
    int64_t index = process == NULL ? -1 : node_class_index(process, &message->class);
    if (index < 0) {
        node->stale++;
        return;
    }
    struct reeve_node_command *command = node_emit(node, REEVE_NODE_COMMAND_CLIENT_INFEASIBLE);
    command->serial = process->serial;
    command->class_index = (uint32_t)index;
    command->code = message->code;
    node_set_text(command->text, "%s", message->text);
}

void node_announce_wants(struct reeve_node *node)
{
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&node->processes, &at, NULL, &value)) {
        struct node_process *process = value;
        if (process->state == PROCESS_DRIVER)
            job_begin(node, process->job);
        for (uint32_t i = 0; i < process->want_count; i++) {
            if (process->wants[i].count > 0)
                send_demand(node, process, i);
        }
    }
}
