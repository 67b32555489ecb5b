/* Keepers of detached actors: drivers that this daemon has started, because a client wants an actor
 * that outlives it (api/client/keeper.h).
 *
 *   client ─KEEP─▶ started ─HELLO, token─▶ WELCOME, KEEP ─▶ KEPT ─▶ NAMED to the client
 *                     └──────── ended before that ────────────────▶ NAMED, why
 *
 * To the core a keeper is a driver like any other, whose job ends when it does. It runs the program
 * of the client's job, which is here already, and is our child, so that it ends with us.
 *
 * Whoever wants one to end, says so here: another client (KILL), or the head for a client or a tool
 * elsewhere ("actor.kill"); who is a keeper of another node's goes to the head. They are answered
 * when nothing of it runs any more, and what it had named is free.
 *
 * What its actor prints goes to the program that has created it as long as that is here, then to a
 * file (shell_keepers_output.c), as does what the keeper itself prints. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/process.h"
#include "runtime/node/shell_daemon.h"
#include "runtime/wire/tool_message.h"

#define ASKED_BIT (UINT64_C(1) << 62) /* of what we ask of the head: runs count from 1 */

struct daemon_keeper {
    struct reeve_list link;
    struct daemon *daemon;
    uint64_t token;
    uint32_t serial; /* 0: it has not been heard of */
    pid_t pid;
    int pidfd;
    uv_poll_t poll;
    struct daemon_said *said; /* what it prints; NULL: our standard error has it */
    int order_fd;
    uint32_t creator, request; /* who waits for the actor, 0: nobody any more */
    reeve_process_id audience; /* whose terminal its output belongs on */
    char name[128];            /* of the actor; longer ones are cut */
};

/* Somebody waits for the end of a keeper. */
struct killing {
    struct reeve_list link;
    uint32_t keeper;          /* its serial; 0: it is elsewhere, and the head has been asked */
    uint32_t client, request; /* a client here, … */
    reeve_peer head;          /* … or, if client is 0, the head: */
    uint64_t id;              /* its request; or ours to it */
};

/* --- words --- */

static void answer(struct daemon *daemon, uint32_t client, const struct reeve_local_message *named)
{
    struct daemon_client *to = daemon_client_get(daemon, client);
    if (to != NULL)
        daemon_client_send(to, named);
}

static void refuse(struct daemon_client *client, uint32_t request, int32_t code, const char *text)
{
    struct reeve_local_message named = {
        .kind = REEVE_LOCAL_NAMED, .request = request, .code = code};
    reeve_local_set_text(&named, "%s", text);
    daemon_client_send(client, &named);
}

static void killing_end(
    struct daemon *daemon, struct killing *killing, int32_t code, const char *text)
{
    struct reeve_local_message named = {
        .kind = REEVE_LOCAL_NAMED, .request = killing->request, .code = code};
    reeve_local_set_text(&named, "%s", text);
    if (killing->client != 0)
        answer(daemon, killing->client, &named);
    else
        (void)reeve_tool_send_reply(daemon->link, killing->head, killing->id, code,
            code == 0 ? "{}" : text, (struct reeve_tool_data){NULL, 0, false});
    reeve_list_remove(&killing->link);
    free(killing);
}

/* --- a keeper's life --- */

static struct daemon_keeper *find(struct daemon *daemon, uint32_t serial)
{
    REEVE_LIST_EACH(link, &daemon->keepers)
    {
        struct daemon_keeper *keeper = REEVE_LIST_ENTRY(link, struct daemon_keeper, link);
        if (serial != 0 && keeper->serial == serial)
            return keeper;
    }
    return NULL;
}

/* The creator hears of it, once. */
static void made(struct daemon_keeper *keeper, struct reeve_local_message *named)
{
    named->kind = REEVE_LOCAL_NAMED;
    named->request = keeper->request;
    if (keeper->creator != 0)
        answer(keeper->daemon, keeper->creator, named);
    keeper->creator = 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void keeper_free(struct daemon_keeper *keeper)
{
    reeve_list_remove(&keeper->link);
    if (keeper->order_fd >= 0)
        close(keeper->order_fd);
    daemon_said_close(keeper->said);
    close(keeper->pidfd);
    uv_close((uv_handle_t *)&keeper->poll, on_closed);
}

static void on_pidfd(uv_poll_t *poll, int status, int events)
{
    struct daemon_keeper *keeper = poll->data;
    struct daemon *daemon = keeper->daemon;
    struct daemon_client *client = daemon_client_get(daemon, keeper->serial);
    struct reeve_process_end end = {0};
    if (status != 0 || !(events & UV_READABLE))
        return;
    kill(-keeper->pid, SIGKILL); /* its group, while its pid cannot be another's yet */
    if (client != NULL)
        daemon_client_gone(client); /* what it has said is heard, and then its names are free */
    if (reeve_process_reap(keeper->pidfd, false, &end) == REEVE_EAGAIN)
        return;
    struct reeve_local_message named = {.code = REEVE_EACTORDIED};
    if (end.signal_number != 0)
        reeve_local_set_text(&named, "the process that keeps it, %d, was killed by signal %d",
            (int)keeper->pid, end.signal_number);
    else
        reeve_local_set_text(&named,
            "the process that keeps it, %d, exited with status %d before it had made the actor",
            (int)keeper->pid, end.exit_status);
    reeve_log(REEVE_LOG_INFO, "REEVE-KEEPER-ENDED", "name=%s serial=%u pid=%d signal=%d status=%d",
        keeper->name, keeper->serial, (int)keeper->pid, end.signal_number, end.exit_status);
    made(keeper, &named);
    REEVE_LIST_EACH_SAFE(link, &daemon->killings)
    {
        struct killing *killing = REEVE_LIST_ENTRY(link, struct killing, link);
        if (keeper->serial != 0 && killing->keeper == keeper->serial)
            killing_end(daemon, killing, REEVE_OK, "");
    }
    keeper_free(keeper);
}

static int spawn(
    struct daemon_keeper *keeper, const struct daemon_job *job, char *text, size_t size)
{
    struct daemon *daemon = keeper->daemon;
    char variable[128];
    snprintf(variable, sizeof variable, REEVE_KEEPER_VARIABLE "=%s:%016llx", daemon->socket_name,
        (unsigned long long)keeper->token);
    char **environment = daemon_environment(job, variable, NULL);
    int said = daemon_said_open(daemon, &keeper->said);
    struct daemon_spawn spawn = {.executable_fd = job->executable_fd,
        .arguments = job->launch.arguments,
        .environment = environment,
        .directory = job->launch.directory,
        .out_fd = said,
        .err_fd = said};
    const char *stage = "memory";
    int error = REEVE_ESYSTEM;
    errno = ENOMEM;
    if (environment != NULL)
        error = daemon_spawn_process(&spawn, &keeper->pid, &keeper->pidfd, &stage);
    if (error != REEVE_OK)
        error = daemon_describe_exec(errno, stage, job->executable_fd, text, size);
    free(environment);
    daemon_said_spawned(said);
    if (error != REEVE_OK)
        daemon_said_close(keeper->said);
    return error;
}

void daemon_keeper_wanted(struct daemon_client *client, struct reeve_local_message *message)
{
    struct daemon *daemon = client->daemon;
    reeve_process_id id = client->worker != NULL
                              ? client->worker->job
                              : reeve_process_id_make(daemon->node, client->serial);
    const struct daemon_job *job = daemon_job_get(daemon, id);
    char text[REEVE_TEXT_SIZE] = "";
    int error = REEVE_OK;
    if (daemon->options->lifeline_fd >= 0 && daemon->options->cpu_given &&
        daemon->options->cpu_milli == 0) {
        refuse(client, message->request, REEVE_EINFEASIBLE,
            "this machine has no node of the cluster that could keep a detached actor: create it "
            "in a task, or start `reeve worker` here");
        return;
    }
    if (job == NULL || !job->ready || message->fd_count != 1) {
        refuse(client, message->request, REEVE_EPROTOCOL, "no order for an actor");
        return;
    }
    struct daemon_keeper *keeper = daemon_alloc(sizeof *keeper);
    keeper->daemon = daemon;
    keeper->token = ++daemon->next_keeper ^ daemon->secret;
    keeper->creator = client->serial;
    keeper->request = message->request;
    keeper->audience = id;
    snprintf(keeper->name, sizeof keeper->name, "%.*s", (int)message->text_size, message->text);
    error = spawn(keeper, job, text, sizeof text);
    if (error != REEVE_OK) {
        free(keeper);
        refuse(client, message->request, error, text);
        return;
    }
    keeper->order_fd = message->fds[0];
    message->fd_count = 0;
    reeve_list_push_back(&daemon->keepers, &keeper->link);
    keeper->poll.data = keeper;
    uv_poll_init(&daemon->loop, &keeper->poll, keeper->pidfd);
    uv_poll_start(&keeper->poll, UV_READABLE, on_pidfd);
    reeve_log(
        REEVE_LOG_INFO, "REEVE-KEEPER-STARTED", "name=%s pid=%d", keeper->name, (int)keeper->pid);
}

struct daemon_keeper *daemon_keeper_hello(struct daemon_client *client, uint64_t token)
{
    REEVE_LIST_EACH(link, &client->daemon->keepers)
    {
        struct daemon_keeper *keeper = REEVE_LIST_ENTRY(link, struct daemon_keeper, link);
        if (keeper->token != token || keeper->order_fd < 0)
            continue;
        snprintf(client->name, sizeof client->name, "actor %s", keeper->name);
        return keeper;
    }
    return NULL;
}

void daemon_keeper_welcome(struct daemon_client *client)
{
    struct daemon_keeper *keeper = client->keeper;
    keeper->serial = client->serial;
    struct reeve_local_message message = {
        .kind = REEVE_LOCAL_KEEP, .fd_count = 1, .fds = {keeper->order_fd}};
    daemon_client_send(client, &message);
    close(keeper->order_fd);
    keeper->order_fd = -1;
}

bool daemon_keeper_made(struct daemon_client *client, const struct reeve_local_message *kept)
{
    struct daemon_keeper *keeper = find(client->daemon, client->serial);
    struct reeve_local_message named = *kept;
    if (keeper == NULL)
        return false;
    named.process = reeve_process_id_make(client->daemon->node, client->serial);
    made(keeper, &named);
    return true;
}

bool daemon_keeper_is(const struct daemon_client *client)
{
    return find(client->daemon, client->serial) != NULL;
}

reeve_process_id daemon_keeper_audience(struct daemon *daemon, reeve_process_id job)
{
    const struct daemon_keeper *keeper = find(daemon, (uint32_t)job);
    const struct daemon_client *creator =
        keeper != NULL && reeve_process_node(keeper->audience) == daemon->node
            ? daemon_client_get(daemon, (uint32_t)keeper->audience)
            : NULL;
    return creator != NULL ? keeper->audience : job;
}

/* --- ending one --- */

static struct killing *killing_make(struct daemon *daemon, uint32_t keeper)
{
    struct killing *killing = daemon_alloc(sizeof *killing);
    killing->keeper = keeper;
    reeve_list_push_back(&daemon->killings, &killing->link);
    return killing;
}

static void end(const struct daemon_keeper *keeper)
{
    reeve_process_signal(keeper->pidfd, SIGKILL);
    kill(-keeper->pid, SIGKILL);
}

static const char is_none[] =
    "only the process that has created an actor can kill it, or anybody if it is detached";

void daemon_keeper_kill(struct daemon_client *client, const struct reeve_local_message *message)
{
    struct daemon *daemon = client->daemon;
    bool here = reeve_process_node(message->process) == daemon->node;
    const struct daemon_keeper *keeper = here ? find(daemon, (uint32_t)message->process) : NULL;
    char arguments[64];
    if (here && keeper == NULL) {
        refuse(client, message->request, REEVE_EHANDLE, is_none);
        return;
    }
    if (!here && daemon->head_session == 0) {
        refuse(client, message->request, REEVE_EUNREACHABLE,
            "the actor is kept by another node, and there is no head to ask for its end");
        return;
    }
    struct killing *killing = killing_make(daemon, here ? keeper->serial : 0);
    killing->client = client->serial;
    killing->request = message->request;
    if (here) {
        end(keeper);
        return;
    }
    killing->id = ++daemon->next_asked | ASKED_BIT;
    snprintf(arguments, sizeof arguments, "{\"process\":\"%016" PRIx64 "\"}", message->process);
    (void)reeve_tool_send_request(daemon->link, daemon->head_session, killing->id, "actor.kill",
        arguments, (struct reeve_tool_data){NULL, 0, false});
}

void daemon_keeper_kill_asked(
    struct daemon *daemon, reeve_peer head, const Reeve__ToolRequest *request)
{
    json_t *arguments = json_loads(request->arguments != NULL ? request->arguments : "", 0, NULL);
    const char *process = json_string_value(json_object_get(arguments, "process"));
    uint64_t id = process != NULL ? strtoull(process, NULL, 16) : 0;
    const struct daemon_keeper *keeper =
        reeve_process_node(id) == daemon->node ? find(daemon, (uint32_t)id) : NULL;
    struct killing *killing = killing_make(daemon, keeper != NULL ? keeper->serial : 0);
    killing->head = head;
    killing->id = request->id;
    json_decref(arguments);
    if (keeper != NULL)
        end(keeper);
    else
        killing_end(daemon, killing, REEVE_EHANDLE, is_none);
}

bool daemon_keeper_reply(struct daemon *daemon, const Reeve__ToolReply *reply)
{
    REEVE_LIST_EACH_SAFE(link, &daemon->killings)
    {
        struct killing *killing = REEVE_LIST_ENTRY(link, struct killing, link);
        if (killing->client == 0 || killing->keeper != 0 || killing->id != reply->id)
            continue;
        killing_end(daemon, killing, reply->code, reply->code != 0 ? reply->result : "");
        return true;
    }
    return (reply->id & ASKED_BIT) != 0;
}

void daemon_keepers_head_lost(struct daemon *daemon)
{
    REEVE_LIST_EACH_SAFE(link, &daemon->killings)
    {
        struct killing *killing = REEVE_LIST_ENTRY(link, struct killing, link);
        if (killing->client == 0) {
            reeve_list_remove(&killing->link); /* who asked is gone */
            free(killing);
        } else if (killing->keeper == 0) {
            killing_end(daemon, killing, REEVE_EUNREACHABLE,
                "the head went away before it was known whether the actor has ended");
        }
    }
}

void daemon_keepers_end(struct daemon *daemon)
{
    struct reeve_list *link;
    REEVE_LIST_EACH(one, &daemon->keepers)
    end(REEVE_LIST_ENTRY(one, struct daemon_keeper, link));
    REEVE_LIST_EACH_SAFE(one, &daemon->keepers)
    {
        struct daemon_keeper *keeper = REEVE_LIST_ENTRY(one, struct daemon_keeper, link);
        struct reeve_process_end how;
        (void)reeve_process_reap(keeper->pidfd, true, &how);
        keeper_free(keeper);
    }
    while ((link = reeve_list_pop_front(&daemon->killings)) != NULL)
        free(REEVE_LIST_ENTRY(link, struct killing, link));
}
