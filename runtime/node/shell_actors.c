/* What this node tells of its actors, for `reeve actors`: their owners know them, so all processes
 * here are asked, when somebody wants to know; and where they live, the node itself sees.
 *
 *   head ─node.actors─▶ ACTORS to each process ─▶ their ACTORS, until all are there, or it is late
 *     ◀── actors (of owners here), hosts (that run here; the head puts the two together) ──┘
 *
 * A process that does not answer in time, because it is stopped, say, is counted: its actors are
 * not in the list. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/utf8.h"
#include "runtime/node/shell_channels.h"
#include "runtime/wire/tool_message.h"

#define ASKINGS_MAX 16
#define ANSWER_MS   1000 /* less than the head gives us */
#define PIECE_SIZE  (256u * 1024)
#define SIZE_MAX_OF (8u << 20) /* of what one process says */

struct asking {
    struct reeve_list link;
    struct daemon *daemon;
    uv_timer_t timer;
    uint32_t id; /* which the processes repeat */
    reeve_peer to;
    uint64_t request;
    struct reeve_map64 asked; /* serials: who has still to answer */
    json_t *actors;
    uint64_t left_out;
};

static json_t *id_text(uint64_t id)
{
    return json_sprintf("%016" PRIx64, id);
}

/* --- hosts --- */

/* Calls of others than its owner that are in the host's rings. */
static uint64_t calls_of_others(struct daemon *daemon, const struct reeve_node_host *host)
{
    uint64_t calls = 0;
    size_t at = 0;
    void *value;
    while (host->worker != 0 && reeve_map64_next(&daemon->channels, &at, NULL, &value)) {
        const struct daemon_channel *channel = value;
        reeve_process_id caller = channel->holder != 0
                                      ? reeve_process_id_make(daemon->node, channel->holder)
                                      : channel->caller;
        struct reeve_ring_sight sight;
        if (channel->kind == CHANNEL_HOLDER || channel->worker != host->worker ||
            caller == host->owner)
            continue;
        calls += channel->call_count;
        for (uint32_t i = 0; i <= channel->revoker.calls.slot_mask; i++) {
            int state = reeve_ring_glance(&channel->revoker.calls, i, &sight);
            if (state < 0)
                break;
            calls += state == REEVE_SLOT_READY || state == REEVE_SLOT_CLAIMED;
        }
    }
    return calls;
}

static json_t *hosts_json(struct daemon *daemon)
{
    json_t *list = json_array();
    struct reeve_node_host host;
    size_t cursor = 0;
    while (reeve_node_next_host(daemon->core, &cursor, &host)) {
        const struct daemon_worker *worker = reeve_map64_get(&daemon->workers, host.worker);
        json_array_append_new(
            list, json_pack("{s:o, s:I, s:I, s:I, s:I}", "owner", id_text(host.owner), "host",
                      (json_int_t)host.host, "pid", (json_int_t)(worker != NULL ? worker->pid : 0),
                      "node", (json_int_t)daemon->node, "calls",
                      (json_int_t)calls_of_others(daemon, &host)));
    }
    return list;
}

/* --- actors --- */

static const char *const states[] = {[REEVE_LOCAL_ACTOR_STARTING] = "starting",
    [REEVE_LOCAL_ACTOR_RESTARTING] = "restarting",
    [REEVE_LOCAL_ACTOR_ALIVE] = "alive",
    [REEVE_LOCAL_ACTOR_DEAD] = "dead"};

static json_t *actor_json(struct daemon_client *client, reeve_process_id job,
    const struct reeve_local_actor *actor, const char *text)
{
    struct daemon *daemon = client->daemon;
    const struct daemon_job *of = daemon_job_get(daemon, job);
    const struct reeve_message *name =
        reeve_node_name_of(daemon->core, client->serial, actor->number);
    uint64_t now_ns = reeve_clock_monotonic_ns();
    char type[128];
    reeve_function_name(of != NULL ? of->table : NULL, of != NULL ? of->table_size : 0,
        actor->constructor, type, sizeof type);
    char *end = strstr(type, "_reeve_new");
    if (end != NULL)
        *end = 0;
    char why[REEVE_LOCAL_TEXT_SIZE];
    snprintf(why, sizeof why, "%.*s", (int)REEVE_MIN(actor->text_size, sizeof why), text);
    reeve_utf8_mend(why);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:b}",
        "type", type, "name", name != NULL ? name->address : "", "name_space",
        name != NULL ? name->host : "", "job", id_text(job), "owner",
        id_text(reeve_process_id_make(daemon->node, client->serial)), "number",
        (json_int_t)actor->number, "host", (json_int_t)actor->host, "state", states[actor->state],
        "why", why, "cpu_milli", (json_int_t)actor->cpu_milli, "restarts",
        (json_int_t)actor->restarts, "restarts_left",
        actor->restarts_left == UINT32_MAX ? (json_int_t)-1 : (json_int_t)actor->restarts_left,
        "calls", (json_int_t)actor->calls, "since_s",
        actor->since_ns < now_ns ? (double)(now_ns - actor->since_ns) / REEVE_NS_PER_S : 0.0,
        "detached", (int)daemon_keeper_is(client));
}

static void add_all(struct asking *asking, struct daemon_client *client, int fd)
{
    reeve_process_id job = client->worker != NULL
                               ? client->worker->job
                               : reeve_process_id_make(client->daemon->node, client->serial);
    struct stat status;
    struct reeve_local_actor actor;
    const char *text;
    if (fstat(fd, &status) != 0 || status.st_size <= 0 || status.st_size > SIZE_MAX_OF)
        return;
    size_t size = (size_t)status.st_size;
    uint8_t *bytes = malloc(size); /* a copy: who gave it could still change or cut it */
    const void *at = bytes;
    if (bytes != NULL && pread(fd, bytes, size, 0) == status.st_size) {
        while (reeve_local_actor_next(&at, &size, &actor, &text))
            json_array_append_new(asking->actors, actor_json(client, job, &actor, text));
    }
    free(bytes);
}

/* --- asking --- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void asking_end(struct asking *asking)
{
    reeve_list_remove(&asking->link);
    reeve_map64_fini(&asking->asked);
    uv_timer_stop(&asking->timer);
    uv_close((uv_handle_t *)&asking->timer, on_closed);
}

static void reply(struct asking *asking)
{
    struct daemon *daemon = asking->daemon;
    json_t *result = json_pack("{s:I, s:s, s:o, s:o, s:I, s:I}", "node", (json_int_t)daemon->node,
        "host", daemon->host, "actors", asking->actors, "hosts", hosts_json(daemon), "left_out",
        (json_int_t)asking->left_out, "silent", (json_int_t)reeve_map64_count(&asking->asked));
    char *text = result != NULL ? json_dumps(result, JSON_COMPACT) : NULL;
    json_decref(result);
    (void)reeve_tool_send_reply(daemon->link, asking->to, asking->request,
        text != NULL ? REEVE_OK : REEVE_ENOMEM, text, (struct reeve_tool_data){NULL, 0, false});
    free(text);
    asking_end(asking);
}

static void on_timer(uv_timer_t *timer)
{
    reply(timer->data);
}

void daemon_actors_asked(struct daemon *daemon, reeve_peer from, uint64_t request)
{
    struct asking *asking = NULL;
    if (reeve_list_count(&daemon->askings) < ASKINGS_MAX)
        asking = daemon_alloc(sizeof *asking);
    if (asking == NULL) {
        (void)reeve_tool_send_reply(daemon->link, from, request, REEVE_EBUSY,
            "this node is answering too many such requests; try again",
            (struct reeve_tool_data){NULL, 0, false});
        return;
    }
    asking->daemon = daemon;
    asking->id = ++daemon->next_asking;
    asking->to = from;
    asking->request = request;
    asking->actors = json_array();
    reeve_list_push_back(&daemon->askings, &asking->link);
    uv_timer_init(&daemon->loop, &asking->timer);
    asking->timer.data = asking;
    size_t at = 0;
    void *value;
    while (reeve_map64_next(&daemon->serials, &at, NULL, &value)) {
        struct daemon_client *client = value;
        daemon_put(&asking->asked, client->serial, client);
    }
    /* then, because one whose socket is broken is closed, and so forgotten, meanwhile */
    uint64_t serial;
    at = 0;
    while (reeve_map64_next(&asking->asked, &at, &serial, NULL)) {
        struct daemon_client *client = daemon_client_get(daemon, (uint32_t)serial);
        if (client != NULL)
            daemon_client_send(client,
                &(struct reeve_local_message){.kind = REEVE_LOCAL_ACTORS, .request = asking->id});
    }
    uv_timer_start(
        &asking->timer, on_timer, reeve_map64_count(&asking->asked) != 0 ? ANSWER_MS : 0, 0);
}

static void has_answered(struct asking *asking, uint32_t serial)
{
    reeve_map64_remove(&asking->asked, serial);
    if (reeve_map64_count(&asking->asked) == 0)
        uv_timer_start(&asking->timer, on_timer, 0, 0); /* in a turn of its own */
}

void daemon_actors_told(struct daemon_client *client, const struct reeve_local_message *message)
{
    REEVE_LIST_EACH_SAFE(link, &client->daemon->askings)
    {
        struct asking *asking = REEVE_LIST_ENTRY(link, struct asking, link);
        if (asking->id != message->request ||
            reeve_map64_get(&asking->asked, client->serial) == NULL)
            continue;
        if (message->fd_count == 1)
            add_all(asking, client, message->fds[0]);
        asking->left_out += message->count;
        has_answered(asking, client->serial);
    }
}

void daemon_actors_client_gone(const struct daemon_client *client)
{
    REEVE_LIST_EACH_SAFE(link, &client->daemon->askings)
    {
        struct asking *asking = REEVE_LIST_ENTRY(link, struct asking, link);
        if (reeve_map64_get(&asking->asked, client->serial) != NULL)
            has_answered(asking, client->serial);
    }
}

void daemon_actors_end(struct daemon *daemon)
{
    while (!reeve_list_is_empty(&daemon->askings)) {
        struct asking *asking = REEVE_LIST_ENTRY(daemon->askings.next, struct asking, link);
        json_decref(asking->actors);
        asking_end(asking);
    }
}
