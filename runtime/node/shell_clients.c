/* Unix sockets of drivers and workers: accepted, greeted, read, written.
 *
 *   accepted ──HELLO──▶ greeted ──core accepts──▶ welcome ──end of file, broken rule──▶ closed
 *
 * What a client makes the daemon hold is bounded: one message in each direction is read or
 * written at once; what it does not take is queued up to a limit, beyond which it is dropped. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/node/shell_daemon.h"
#include "runtime/wire/handshake.h"

#define READS_A_TURN   64 /* of one client, so that none keeps the loop to itself */
#define ACCEPTS_A_TURN 64

/* --- writing --- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_for(struct daemon_client *client, bool write)
{
    client->polling_write = write;
    uv_poll_start(&client->poll, UV_READABLE | (write ? UV_WRITABLE : 0), on_poll);
}

static void close_descriptors(struct reeve_local_message *message)
{
    for (uint32_t i = 0; i < message->fd_count; i++)
        close(message->fds[i]);
    message->fd_count = 0;
}

/* The socket is dead or its reader is: the end is told by the next event on it, not in the midst
 * of whatever is sent. */
void daemon_client_hang_up(struct daemon_client *client)
{
    struct reeve_local_message message;
    while (reeve_fifo_pop(&client->queue, &message))
        close_descriptors(&message);
    shutdown(client->fd, SHUT_RDWR);
}

static void write_queue(struct daemon_client *client)
{
    struct reeve_local_message *message;
    while ((message = reeve_fifo_peek(&client->queue)) != NULL) {
        int error = reeve_local_send(client->fd, message, MSG_DONTWAIT);
        if (error == REEVE_EAGAIN)
            return;
        if (error != REEVE_OK) {
            daemon_client_hang_up(client);
            break;
        }
        close_descriptors(message);
        reeve_fifo_pop(&client->queue, NULL);
    }
    if (client->polling_write)
        poll_for(client, false);
}

void daemon_client_send(struct daemon_client *client, const struct reeve_local_message *message)
{
    if (client->closed)
        return;
    if (reeve_fifo_peek(&client->queue) == NULL) {
        int error = reeve_local_send(client->fd, message, MSG_DONTWAIT);
        if (error == REEVE_OK)
            return;
        if (error != REEVE_EAGAIN) {
            daemon_client_hang_up(client);
            return;
        }
    }
    if (client->queue.count >= REEVE_DAEMON_CLIENT_QUEUE) {
        reeve_log(REEVE_LOG_WARN, "REEVE-CLIENT-STUCK", "serial=%u why=%s", client->serial,
            "it does not read its socket");
        daemon_client_hang_up(client);
        return;
    }
    struct reeve_local_message *later = reeve_fifo_push(&client->queue);
    if (later == NULL) {
        daemon_client_hang_up(client);
        return;
    }
    *later = *message;
    for (uint32_t i = 0; i < message->fd_count; i++) {
        later->fds[i] = fcntl(message->fds[i], F_DUPFD_CLOEXEC, 3);
        if (later->fds[i] < 0) {
            later->fd_count = i;
            daemon_client_hang_up(client);
            return;
        }
    }
    if (!client->polling_write)
        poll_for(client, true);
}

/* --- reading --- */

static void protocol_error(struct daemon_client *client, const char *text)
{
    reeve_log(REEVE_LOG_WARN, "REEVE-CLIENT-BAD", "serial=%u why=%s", client->serial, text);
    if (client->welcome)
        daemon_event(
            client->daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_CLIENT_GONE,
                                .serial = client->serial,
                                .code = REEVE_EPROTOCOL});
    if (!client->closed)
        daemon_client_refuse(client, REEVE_EPROTOCOL, text);
}

static void worker_hello(struct daemon_client *client, struct reeve_local_message *message)
{
    struct daemon_worker *worker = daemon_worker_by_token(client->daemon, message->token);
    struct daemon_job *job = worker == NULL ? NULL : daemon_job_get(client->daemon, worker->job);
    if (worker == NULL || worker->client != NULL || worker->exited || job == NULL) {
        close_descriptors(message);
        daemon_client_refuse(client, REEVE_EPROTOCOL, "no worker is expected under this token");
        return;
    }
    worker->client = client;
    worker->greeted = true;
    client->worker = worker;
    client->serial = worker->serial;
    struct reeve_node_event event = {
        .kind = REEVE_NODE_EVENT_WORKER_HELLO, .serial = worker->serial};
    if (message->table_hash != job->table_hash) {
        event.code = REEVE_EMISMATCH;
        size_t size;
        char *table = message->fd_count >= 1 ? daemon_table_read(message->fds[0], &size) : NULL;
        daemon_table_difference(
            job->table, table != NULL ? table : "", event.text, sizeof event.text);
        free(table);
    }
    close_descriptors(message);
    daemon_event(client->daemon, &event);
}

static void hello(struct daemon_client *client, struct reeve_local_message *message)
{
    if (client->greeted) {
        close_descriptors(message);
        protocol_error(client, "said hello twice");
        return;
    }
    client->greeted = true;
    if (message->version != REEVE_LOCAL_VERSION) {
        close_descriptors(message);
        daemon_client_refuse(client, REEVE_EVERSION,
            "the program was linked with another version of the library than this daemon's");
        return;
    }
    reeve_copy_peer_text(client->name, sizeof client->name, message->text);
    client->weight = message->count;
    if (message->mode == REEVE_LOCAL_WORKER) {
        worker_hello(client, message);
    } else if (message->mode == REEVE_LOCAL_DRIVER && message->fd_count == 3) {
        if (message->token != 0)
            client->keeper = daemon_keeper_hello(client, message->token);
        daemon_program_hello(client, message);
    } else {
        close_descriptors(message);
        protocol_error(client, "a hello that is neither a driver's nor a worker's");
    }
}

/* Of the program that the process runs: its remote functions are known by their numbers in it. */
static uint32_t table_of(const struct daemon_client *client)
{
    const struct daemon_job *job = daemon_job_get(client->daemon,
        client->worker != NULL ? client->worker->job
                               : reeve_process_id_make(client->daemon->node, client->serial));
    return job != NULL ? reeve_table_fold(job->table_hash) : 0;
}

static void name_asked(struct daemon_client *client, const struct reeve_local_message *message)
{
    struct reeve_node_event event = {.kind = REEVE_NODE_EVENT_CLIENT_NAME,
        .serial = client->serial,
        .count = message->request,
        .table = table_of(client)};
    struct reeve_message *m = &event.message;
    const char *text = message->text;
    m->kind = message->flags & REEVE_LOCAL_NAME_DROP   ? REEVE_MESSAGE_NAME_DROP
              : message->flags & REEVE_LOCAL_NAME_FIND ? REEVE_MESSAGE_NAME_FIND
                                                       : REEVE_MESSAGE_NAME_CLAIM;
    m->actor_number = message->task;
    m->actor_host = message->size;
    bool has_name =
        m->kind == REEVE_MESSAGE_NAME_DROP ||
        (reeve_local_line_take(&text, m->host, sizeof m->host) && m->host[0] != 0 &&
            reeve_local_line_take(&text, m->address, sizeof m->address) && m->address[0] != 0 &&
            reeve_local_line_take(&text, m->text, sizeof m->text));
    if (has_name)
        daemon_event(client->daemon, &event);
    else
        protocol_error(client, "a malformed name of an actor");
}

static void handle(struct daemon_client *client, struct reeve_local_message *message)
{
    struct reeve_node_event event = {.serial = client->serial, .lease = message->lease};
    if (message->kind == REEVE_LOCAL_HELLO) {
        hello(client, message);
        return;
    }
    if (message->kind == REEVE_LOCAL_FEED && client->welcome)
        daemon_feed(client->daemon, client->serial, message);
    if (message->kind == REEVE_LOCAL_KEEP && client->welcome)
        daemon_keeper_wanted(client, message);
    if (message->kind == REEVE_LOCAL_ACTORS && client->welcome)
        daemon_actors_told(client, message);
    close_descriptors(message); /* no other message brings any */
    if (message->kind == REEVE_LOCAL_BYE) {
        client->bye = true; /* the end of file says the rest */
        return;
    }
    if (!client->welcome) {
        protocol_error(client, "spoke before it was welcome");
        return;
    }
    switch (message->kind) {
    case REEVE_LOCAL_DEMAND:
        event.kind = REEVE_NODE_EVENT_CLIENT_DEMAND;
        event.class_index = message->class_index;
        event.cpu_milli = message->cpu_milli;
        event.priority = message->priority;
        event.count = message->count;
        event.node = message->node;
        event.process = message->process;
        event.host = message->flags;
        event.table = message->flags != 0 ? table_of(client) : 0;
        daemon_event(client->daemon, &event);
        break;
    case REEVE_LOCAL_LEASE_RETURN:
        event.kind = REEVE_NODE_EVENT_CLIENT_RETURN;
        event.code = message->code;
        daemon_event(client->daemon, &event);
        break;
    case REEVE_LOCAL_TAKE_BACK:
        daemon_bridge_take_back(client->daemon, client->serial, message->lease, message->task);
        break;
    case REEVE_LOCAL_CANCEL: daemon_bridge_cancel(client->daemon, client->serial, message); break;
    case REEVE_LOCAL_CREDIT: daemon_bridge_credit(client->daemon, client->serial, message); break;
    case REEVE_LOCAL_FEED: break; /* it has been passed on, with its descriptor */
    case REEVE_LOCAL_ASK: daemon_ask(client->daemon, client->serial, message); break;
    case REEVE_LOCAL_PROGRESS:
        daemon_bridge_progress(client->daemon, client->serial, message);
        break;
    case REEVE_LOCAL_LEND:
        event.kind = REEVE_NODE_EVENT_CLIENT_LEND;
        event.count = message->count;
        daemon_event(client->daemon, &event);
        break;
    case REEVE_LOCAL_OWNS:
        event.kind = REEVE_NODE_EVENT_CLIENT_OWNS;
        event.count = message->count;
        daemon_event(client->daemon, &event);
        break;
    case REEVE_LOCAL_BLOCKED:
        event.kind = REEVE_NODE_EVENT_CLIENT_BLOCKED;
        event.count = message->count;
        event.process = message->process;
        event.class_index = message->class_index;
        snprintf(event.text, sizeof event.text, "%.*s", (int)message->text_size, message->text);
        daemon_event(client->daemon, &event);
        break;
    case REEVE_LOCAL_NAME: name_asked(client, message); break;
    case REEVE_LOCAL_KEEP:
    case REEVE_LOCAL_ACTORS: break;
    case REEVE_LOCAL_KILL: daemon_keeper_kill(client, message); break;
    case REEVE_LOCAL_KEPT:
        if (!daemon_keeper_made(client, message))
            protocol_error(client, "the word of a keeper, which it is not");
        break;
    case REEVE_LOCAL_FAILED: daemon_tasks_failed(client, message); break;
    default:
        if (!reeve_store_shell_client_message(client->daemon->store, client->serial, message))
            protocol_error(client, "a kind of message that no client sends");
        daemon_objects_arm(client->daemon);
        break;
    }
}

static void at_end_of_file(struct daemon_client *client)
{
    struct reeve_node_event event = {.serial = client->serial, .connection = client->connection};
    event.kind = client->welcome || client->worker != NULL ? REEVE_NODE_EVENT_CLIENT_GONE
                                                           : REEVE_NODE_EVENT_CONNECTION_GONE;
    struct daemon *daemon = client->daemon;
    daemon_client_close(client);
    daemon_event(daemon, &event);
    daemon_job_driver_gone(daemon, event.serial); /* behind the end of its job */
}

void daemon_client_gone(struct daemon_client *client)
{
    daemon_client_drain(client);
    if (!client->closed)
        at_end_of_file(client);
}

/* Gives false at the end of file. */
static bool read_some(struct daemon_client *client, unsigned limit)
{
    for (unsigned i = 0; i < limit && !client->closed; i++) {
        struct reeve_local_message message;
        int error = reeve_local_receive(client->fd, &message, MSG_DONTWAIT);
        if (error == REEVE_EAGAIN)
            return true;
        if (error == REEVE_EPROTOCOL)
            protocol_error(client, "a malformed message");
        else if (error == REEVE_ESYSTEM && errno == EMFILE)
            protocol_error(client,
                "this daemon has no descriptor left for its message; raise the limit (ulimit -Hn)");
        else if (error != REEVE_OK)
            return false;
        else
            handle(client, &message);
    }
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct daemon_client *client = poll->data;
    if (status == 0 && (events & UV_WRITABLE))
        write_queue(client);
    if (client->closed)
        return;
    if (status != 0) /* libuv has stopped: the peer has closed with words of ours unread */
        daemon_client_drain(client);
    if (client->closed)
        return;
    if (status != 0 ||
        ((events & (UV_READABLE | UV_DISCONNECT)) && !read_some(client, READS_A_TURN)))
        at_end_of_file(client);
}

void daemon_client_drain(struct daemon_client *client)
{
    while (!client->closed) {
        struct reeve_local_message message;
        int error = reeve_local_receive(client->fd, &message, MSG_DONTWAIT);
        if (error != REEVE_OK)
            return;
        handle(client, &message);
    }
}

/* --- coming and going --- */

struct daemon_client *daemon_client_get(struct daemon *daemon, uint32_t serial)
{
    return reeve_map64_get(&daemon->serials, serial);
}

static void on_closed(uv_handle_t *handle)
{
    struct daemon_client *client = handle->data;
    if (client->pidfd >= 0)
        close(client->pidfd);
    daemon_bell_free(&client->bell);
    reeve_fifo_fini(&client->queue);
    free(client);
}

void daemon_client_close(struct daemon_client *client)
{
    if (client->closed)
        return;
    if (client->welcome && client->worker == NULL) /* while it can still be told of its output */
        daemon_terminal_leave(client, reeve_process_id_make(client->daemon->node, client->serial));
    client->closed = true;
    struct reeve_local_message message;
    while (reeve_fifo_pop(&client->queue, &message))
        close_descriptors(&message);
    reeve_map64_remove(&client->daemon->clients, client->connection);
    if (client->welcome) {
        reeve_map64_remove(&client->daemon->serials, client->serial);
        daemon_actors_client_gone(client);
        reeve_store_shell_client_closed(client->daemon->store, client->serial);
        if (client->worker == NULL)
            daemon_objects_driver_gone(client);
        daemon_objects_arm(client->daemon);
    }
    if (client->worker != NULL) {
        if (client->bell.page != NULL)
            client->worker->inline_depth =
                atomic_load_explicit(&client->bell.page->inline_depth, memory_order_relaxed);
        daemon_tasks_client_leaves(client);
        client->worker->client = NULL;
    }
    if (client->job != NULL)
        daemon_job_free(client->job);
    client->job = NULL;
    uv_poll_stop(&client->poll);
    close(client->fd);
    uv_close((uv_handle_t *)&client->poll, on_closed);
}

void daemon_client_refuse(struct daemon_client *client, int32_t code, const char *text)
{
    if (client->closed)
        return;
    struct reeve_local_message message = {.kind = REEVE_LOCAL_REFUSED, .code = code};
    reeve_local_set_text(&message, "%s", text);
    (void)reeve_local_send(client->fd, &message, MSG_DONTWAIT);
    daemon_client_close(client);
}

void daemon_client_welcome(struct daemon_client *client, uint32_t serial)
{
    struct daemon *daemon = client->daemon;
    int error = daemon_bell_make(&client->bell, "reeve-bell", client->worker != NULL);
    client->serial = serial;
    client->welcome = true;
    daemon_put(&daemon->serials, serial, client);
    reeve_store_shell_client_added(
        daemon->store, serial, reeve_process_id_make(daemon->node, serial));
    struct reeve_local_message message = {.kind = REEVE_LOCAL_WELCOME,
        .version = REEVE_LOCAL_VERSION,
        .process = reeve_process_id_make(daemon->node, serial),
        .task = client->worker != NULL ? client->worker->job
                                       : reeve_process_id_make(daemon->node, serial),
        .node = daemon->node,
        .token = daemon->incarnation,
        .inline_size = daemon->options->inline_bytes != 0 ? daemon->options->inline_bytes
                                                          : REEVE_DAEMON_INLINE_SIZE,
        .size = reeve_store_shell_capacity(daemon->store),
        .fd_count = 4,
        .fds = {client->bell.page_fd, client->bell.event_fd, daemon->bell.page_fd,
            daemon->bell.event_fd}};
    reeve_local_set_text(&message, "%s", daemon->head_address);
    if (error == REEVE_OK)
        daemon_client_send(client, &message);
    else
        daemon_client_hang_up(
            client); /* out of descriptors; CLIENT_GONE follows from the end of file */
    if (client->keeper != NULL)
        daemon_keeper_welcome(client);
    client->keeper = NULL;
}

static void accept_one(struct daemon *daemon, int fd)
{
    struct daemon_client *client = daemon_alloc(sizeof *client);
    client->daemon = daemon;
    client->connection = ++daemon->next_connection;
    client->fd = fd;
    client->pidfd = -1;
    client->bell.page_fd = client->bell.event_fd = -1;
    client->poll.data = client;
    reeve_fifo_init(&client->queue, sizeof(struct reeve_local_message));
    if (uv_poll_init(&daemon->loop, &client->poll, fd) != 0) {
        close(fd);
        free(client);
        return;
    }
    daemon_put(&daemon->clients, client->connection, client);
    poll_for(client, false);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;
    int listener = poll == &daemon->listener ? daemon->listener_fd : daemon->known_listener_fd;
    (void)events;
    for (int i = 0; status == 0 && i < ACCEPTS_A_TURN; i++) {
        int fd, error = reeve_local_accept(listener, &fd);
        if (error == REEVE_EAGAIN)
            return;
        if (error == REEVE_OK)
            accept_one(daemon, fd);
        else
            reeve_log(REEVE_LOG_WARN, "REEVE-CLIENT-REJECTED", "error=%d errno=%d", error,
                error == REEVE_ESYSTEM ? errno : 0);
        if (error == REEVE_ESYSTEM)
            return; /* out of descriptors: tried again when the loop comes round */
    }
}

int daemon_listen(struct daemon *daemon)
{
    daemon->known_listener_fd = -1;
    int error = reeve_local_listen(daemon->socket_name, &daemon->listener_fd);
    if (error != REEVE_OK)
        return error;
    daemon->listener.data = daemon->known_listener.data = daemon;
    uv_poll_init(&daemon->loop, &daemon->listener, daemon->listener_fd);
    uv_poll_start(&daemon->listener, UV_READABLE, on_connection);
    if (daemon->options->private_cluster)
        return REEVE_OK;
    char known[REEVE_LOCAL_NAME_SIZE];
    reeve_local_known_name(daemon->head_address, known);
    if (reeve_local_listen(known, &daemon->known_listener_fd) == REEVE_OK) {
        uv_poll_init(&daemon->loop, &daemon->known_listener, daemon->known_listener_fd);
        uv_poll_start(&daemon->known_listener, UV_READABLE, on_connection);
    }
    return REEVE_OK;
}

void daemon_stop_listening(struct daemon *daemon)
{
    if (daemon->listener_fd >= 0) {
        uv_close((uv_handle_t *)&daemon->listener, NULL);
        close(daemon->listener_fd);
        daemon->listener_fd = -1;
    }
    if (daemon->known_listener_fd >= 0) {
        uv_close((uv_handle_t *)&daemon->known_listener, NULL);
        close(daemon->known_listener_fd);
        daemon->known_listener_fd = -1;
    }
}

/* --- the core's words to clients --- */

void daemon_clients_command(struct daemon *daemon, const struct reeve_node_command *command)
{
    struct daemon_client *client = daemon_client_get(daemon, command->serial);
    struct reeve_local_message message = {.lease = command->lease,
        .class_index = command->class_index,
        .code = command->code,
        .count = command->count};
    reeve_local_set_text(&message, "%s", command->text);
    switch (command->kind) {
    case REEVE_NODE_COMMAND_CLIENT_WELCOME:
        client = reeve_map64_get(&daemon->clients, command->connection);
        if (client == NULL) { /* it has left meanwhile */
            daemon_event(daemon, &(struct reeve_node_event){.kind = REEVE_NODE_EVENT_CLIENT_GONE,
                                     .serial = command->serial});
            return;
        }
        daemon_job_adopt(daemon, client->job, reeve_process_id_make(daemon->node, command->serial));
        client->job = NULL;
        daemon_client_welcome(client, command->serial);
        reeve_store_shell_client_hungry(daemon->store, command->serial);
        return;
    case REEVE_NODE_COMMAND_CLIENT_REFUSE:
        client = reeve_map64_get(&daemon->clients, command->connection);
        if (client != NULL)
            daemon_client_refuse(client, command->code, command->text);
        return;
    case REEVE_NODE_COMMAND_WORKER_WELCOME: {
        struct daemon_worker *worker = reeve_map64_get(&daemon->workers, command->serial);
        if (worker != NULL && worker->client != NULL)
            daemon_client_welcome(worker->client, command->serial);
        return;
    }
    case REEVE_NODE_COMMAND_CLIENT_DROP:
        if (client != NULL)
            daemon_client_refuse(client, command->code, command->text);
        return;
    case REEVE_NODE_COMMAND_CLIENT_LOST: message.kind = REEVE_LOCAL_LEASE_LOST; break;
    case REEVE_NODE_COMMAND_CLIENT_RECALL: message.kind = REEVE_LOCAL_LEASE_RECALL; break;
    case REEVE_NODE_COMMAND_CLIENT_INFEASIBLE: message.kind = REEVE_LOCAL_INFEASIBLE; break;
    case REEVE_NODE_COMMAND_CLIENT_DEADLOCK: message.kind = REEVE_LOCAL_DEADLOCK; break;
    case REEVE_NODE_COMMAND_CLIENT_HEAD: message.kind = REEVE_LOCAL_HEAD; break;
    case REEVE_NODE_COMMAND_CLIENT_NAMED:
        message.kind = REEVE_LOCAL_NAMED;
        message.request = command->count;
        message.process = command->process;
        message.task = command->message.actor_number;
        message.size = command->message.actor_host;
        break;
    default: return;
    }
    if (client != NULL)
        daemon_client_send(client, &message);
}
