/* `reeve stop --job`: ends a driver of this node, and with it its job. It is asked to (SIGTERM),
 * and killed when it has not ended in time. Who asked is told when it is gone. */
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>

#include "runtime/base/process.h"
#include "runtime/node/shell_daemon.h"
#include "runtime/wire/tool_message.h"

struct job_stop {
    struct reeve_list link;
    struct daemon *daemon;
    uint32_t serial; /* of the driver */
    reeve_peer head;
    uint64_t id; /* of its request */
    uv_timer_t timer;
};

static void reply(struct daemon *daemon, reeve_peer head, uint64_t id, int code, const char *text)
{
    (void)reeve_tool_send_reply(
        daemon->link, head, id, code, text, (struct reeve_tool_data){NULL, 0, false});
}

static void signal_driver(struct daemon_client *client, int number)
{
    if (client->pidfd < 0) /* its process could not be opened: its job ends all the same */
        daemon_client_hang_up(client);
    else
        reeve_process_signal(client->pidfd, number);
}

static void on_timer(uv_timer_t *timer)
{
    const struct job_stop *stop = timer->data;
    struct daemon_client *client = daemon_client_get(stop->daemon, stop->serial);
    if (client != NULL)
        signal_driver(client, SIGKILL);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void forget(struct job_stop *stop)
{
    reeve_list_remove(&stop->link);
    uv_close((uv_handle_t *)&stop->timer, on_closed);
}

void daemon_job_stop(struct daemon *daemon, reeve_peer head, const Reeve__ToolRequest *request)
{
    json_t *arguments = json_loads(request->arguments != NULL ? request->arguments : "", 0, NULL);
    const char *text = json_string_value(json_object_get(arguments, "job"));
    json_int_t timeout_ms = json_integer_value(json_object_get(arguments, "timeout_ms"));
    reeve_process_id job = text != NULL ? strtoull(text, NULL, 16) : 0;
    struct daemon_client *client =
        reeve_process_node(job) == daemon->node ? daemon_client_get(daemon, (uint32_t)job) : NULL;
    json_decref(arguments);
    if (client == NULL || client->worker != NULL) {
        reply(daemon, head, request->id, REEVE_EINVAL, "its program has ended");
        return;
    }
    struct job_stop *stop = daemon_alloc(sizeof *stop);
    *stop = (struct job_stop){
        .daemon = daemon, .serial = client->serial, .head = head, .id = request->id};
    reeve_list_push_back(&daemon->job_stops, &stop->link);
    uv_timer_init(&daemon->loop, &stop->timer);
    stop->timer.data = stop;
    uv_timer_start(&stop->timer, on_timer, timeout_ms > 0 ? (uint64_t)timeout_ms : 0, 0);
    reeve_log(REEVE_LOG_INFO, "REEVE-JOB-STOPPED", "job=%016" PRIx64 " name=%s", job, client->name);
    signal_driver(client, SIGTERM);
}

void daemon_job_driver_gone(struct daemon *daemon, uint32_t serial)
{
    REEVE_LIST_EACH_SAFE(link, &daemon->job_stops)
    {
        struct job_stop *stop = REEVE_LIST_ENTRY(link, struct job_stop, link);
        if (stop->serial != serial)
            continue;
        reply(daemon, stop->head, stop->id, REEVE_OK, "{\"left\": []}");
        forget(stop);
    }
}

void daemon_job_stops_end(struct daemon *daemon)
{
    REEVE_LIST_EACH_SAFE(link, &daemon->job_stops)
    forget(REEVE_LIST_ENTRY(link, struct job_stop, link));
}
