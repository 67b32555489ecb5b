/* Replies are queued as they come; each call runs the loop until the one it waits for is there. */
#include "api/cli/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/cli/local_address.h"
#include "runtime/base/buffer.h"
#include "runtime/base/clock.h"
#include "runtime/base/errors.h"
#include "runtime/base/list.h"

#define CONNECT_TIMEOUT_MS 10000

struct pending {
    struct reeve_list link;
    uint64_t id;
    struct reeve_tool_reply reply;
};

struct reeve_tool {
    uv_loop_t loop;
    uv_timer_t timer;
    struct reeve_link *link;
    reeve_peer peer; /* 0: not up, or over */
    struct reeve_list replies;
    uint64_t next_id;
    bool timed_out, failed, closed;
    int code; /* why the dial failed or the session ended */
    char text[REEVE_TEXT_SIZE];
};

static void on_timer(uv_timer_t *timer)
{
    struct reeve_tool *tool = timer->data;
    tool->timed_out = true;
}

static void on_peer_up(void *arg, reeve_peer peer, const struct reeve_peer_info *info)
{
    struct reeve_tool *tool = arg;
    (void)info;
    tool->peer = peer;
}

static void note_end(struct reeve_tool *tool, int code, const char *text)
{
    tool->failed = true;
    tool->code = code;
    snprintf(tool->text, sizeof(tool->text), "%s", text ? text : "");
}

static void on_peer_down(void *arg, reeve_peer peer, int code, const char *text)
{
    struct reeve_tool *tool = arg;
    if (peer != tool->peer)
        return;
    tool->peer = 0;
    note_end(tool, code, text);
}

static void on_dial_failed(void *arg, const char *address, int code, const char *text)
{
    (void)address;
    note_end(arg, code, text);
}

static void on_rejected(void *arg, int code, const char *text)
{
    (void)arg;
    (void)code;
    (void)text;
}

static void on_message(void *arg, reeve_peer peer, const Reeve__Message *message)
{
    struct reeve_tool *tool = arg;
    if (peer != tool->peer || message->body_case != REEVE__MESSAGE__BODY_TOOL_REPLY)
        return;
    const Reeve__ToolReply *reply = message->tool_reply;
    struct pending *pending = calloc(1, sizeof(*pending));
    if (!pending)
        return note_end(tool, REEVE_ENOMEM, "out of memory");
    pending->id = reply->id;
    pending->reply.code = reply->code;
    pending->reply.more = reply->has_more && reply->more;
    if (reply->code != 0)
        snprintf(pending->reply.text, sizeof(pending->reply.text), "%s",
            reply->result ? reply->result : reeve_strerror(reply->code));
    else if (reply->result)
        pending->reply.result = json_loads(reply->result, 0, NULL);
    if (reply->has_data && reply->data.len > 0) {
        pending->reply.data = malloc(reply->data.len);
        if (!pending->reply.data) {
            free(pending);
            return note_end(tool, REEVE_ENOMEM, "out of memory");
        }
        memcpy(pending->reply.data, reply->data.data, reply->data.len);
        pending->reply.size = reply->data.len;
    }
    reeve_list_push_back(&tool->replies, &pending->link);
}

static void arm(struct reeve_tool *tool, uint32_t timeout_ms)
{
    tool->timed_out = false;
    uv_update_time(&tool->loop);
    if (timeout_ms > 0)
        uv_timer_start(&tool->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&tool->timer);
}

int reeve_tool_open(const char *address, const uint8_t key[REEVE_KEY_SIZE], uint32_t timeout_ms,
    struct reeve_tool **ret, char *text)
{
    char listen[REEVE_ADDRESS_SIZE];
    uint64_t ids[2];
    if (timeout_ms == 0)
        timeout_ms = CONNECT_TIMEOUT_MS;
    int error = reeve_cli_local_address(address, "tool", listen, text);
    if (error)
        return error;
    if (getrandom(ids, sizeof(ids), 0) != sizeof(ids))
        return REEVE_ESYSTEM;
    struct reeve_tool *tool = calloc(1, sizeof(*tool));
    if (!tool)
        return REEVE_ENOMEM;
    tool->next_id = 1;
    reeve_list_init(&tool->replies);
    uv_loop_init(&tool->loop);
    uv_timer_init(&tool->loop, &tool->timer);
    tool->timer.data = tool;
    struct reeve_link_options options = {
        .loop = &tool->loop,
        .role = REEVE_ROLE_TOOL,
        .uid = ids[0],
        .incarnation = ids[1],
        .key = key,
        .listen = listen,
        .handshake_timeout_ms = timeout_ms,
        .callbacks = {.peer_up = on_peer_up,
            .peer_down = on_peer_down,
            .dial_failed = on_dial_failed,
            .message = on_message,
            .rejected = on_rejected},
        .arg = tool,
    };
    error = reeve_link_open(&options, &tool->link, text);
    if (error == 0) {
        arm(tool, timeout_ms);
        error = reeve_link_dial(tool->link, address);
        while (error == 0 && !tool->peer && !tool->failed && !tool->timed_out)
            uv_run(&tool->loop, UV_RUN_ONCE);
        if (error == 0 && tool->failed)
            error = tool->code ? tool->code : REEVE_ENOCLUSTER;
        else if (error == 0 && !tool->peer)
            error = REEVE_ENOCLUSTER, snprintf(tool->text, sizeof(tool->text),
                                          "no answer from %s within %u ms", address, timeout_ms);
        if (error)
            snprintf(text, REEVE_TEXT_SIZE, "%s", tool->text);
    }
    if (error) {
        reeve_tool_close(tool);
        return error;
    }
    *ret = tool;
    return REEVE_OK;
}

static void on_closed(void *arg)
{
    struct reeve_tool *tool = arg;
    tool->closed = true;
}

void reeve_tool_close(struct reeve_tool *tool)
{
    if (!tool)
        return;
    if (tool->link) {
        if (tool->peer)
            reeve_link_close_peer(tool->link, tool->peer, 0, "done");
        reeve_link_close(tool->link, on_closed, tool);
    } else {
        tool->closed = true;
    }
    uv_close((uv_handle_t *)&tool->timer, NULL);
    while (uv_run(&tool->loop, UV_RUN_DEFAULT) || !tool->closed)
        ;
    uv_loop_close(&tool->loop);
    struct reeve_list *node;
    while ((node = reeve_list_pop_front(&tool->replies)) != NULL) {
        struct pending *pending = REEVE_LIST_ENTRY(node, struct pending, link);
        reeve_tool_reply_fini(&pending->reply);
        free(pending);
    }
    free(tool);
}

int reeve_tool_send(struct reeve_tool *tool, const char *method, json_t *arguments,
    const void *data, size_t size, uint64_t *ret_id)
{
    char *text = arguments ? json_dumps(arguments, JSON_COMPACT) : NULL;
    json_decref(arguments);
    Reeve__ToolRequest request = REEVE__TOOL_REQUEST__INIT;
    request.id = tool->next_id++;
    request.method = (char *)method;
    request.arguments = text;
    if (data) {
        request.has_data = true;
        request.data = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)data};
    }
    Reeve__Message message = REEVE__MESSAGE__INIT;
    message.body_case = REEVE__MESSAGE__BODY_TOOL_REQUEST;
    message.tool_request = &request;
    int error = tool->peer ? reeve_link_send(tool->link, tool->peer, &message) : REEVE_ENOCLUSTER;
    free(text);
    if (error == 0)
        *ret_id = request.id;
    return error == REEVE_EHANDLE ? REEVE_ENOCLUSTER : error;
}

static struct pending *find_reply(struct reeve_tool *tool, uint64_t id)
{
    REEVE_LIST_EACH(node, &tool->replies)
    {
        struct pending *pending = REEVE_LIST_ENTRY(node, struct pending, link);
        if (pending->id == id)
            return pending;
    }
    return NULL;
}

int reeve_tool_receive(
    struct reeve_tool *tool, uint64_t id, uint32_t timeout_ms, struct reeve_tool_reply *ret)
{
    struct pending *pending;
    *ret = (struct reeve_tool_reply){0};
    arm(tool, timeout_ms);
    while ((pending = find_reply(tool, id)) == NULL) {
        if (!tool->peer) {
            snprintf(ret->text, sizeof(ret->text), "the head went away%s%s",
                *tool->text ? ": " : "", tool->text);
            return ret->code = REEVE_ENOCLUSTER;
        }
        if (tool->timed_out) {
            snprintf(
                ret->text, sizeof(ret->text), "the head did not answer within %u ms", timeout_ms);
            return ret->code = REEVE_ETIMEDOUT;
        }
        uv_run(&tool->loop, UV_RUN_ONCE);
    }
    reeve_list_remove(&pending->link);
    *ret = pending->reply;
    free(pending);
    return REEVE_OK;
}

void reeve_tool_reply_fini(struct reeve_tool_reply *reply)
{
    json_decref(reply->result);
    free(reply->data);
    reply->result = NULL;
    reply->data = NULL;
    reply->size = 0;
}

int reeve_tool_collect(
    struct reeve_tool *tool, uint64_t id, uint32_t timeout_ms, struct reeve_tool_reply *ret)
{
    struct reeve_buffer pieces;
    int error;
    bool more;
    *ret = (struct reeve_tool_reply){0};
    reeve_buffer_init(&pieces);
    do {
        reeve_tool_reply_fini(ret);
        error = reeve_tool_receive(tool, id, timeout_ms, ret);
        more = error == 0 && ret->more;
        if (error == 0)
            error = ret->code;
        if (error == 0 && ret->size > 0 && !ret->result)
            error = reeve_buffer_append(&pieces, ret->data, ret->size);
    } while (error == 0 && more);
    if (error == 0 && pieces.size > 0 && !ret->result) {
        ret->result = json_loadb((const char *)pieces.data, pieces.size, 0, NULL);
        if (!ret->result)
            error = REEVE_EPROTOCOL;
    }
    reeve_buffer_fini(&pieces);
    if (error && !*ret->text)
        snprintf(ret->text, sizeof(ret->text), "%s", reeve_strerror(error));
    return ret->code = error;
}

int reeve_tool_call(struct reeve_tool *tool, const char *method, json_t *arguments,
    uint32_t timeout_ms, struct reeve_tool_reply *ret)
{
    uint64_t id;
    *ret = (struct reeve_tool_reply){0};
    int error = reeve_tool_send(tool, method, arguments, NULL, 0, &id);
    if (error == 0)
        return reeve_tool_collect(tool, id, timeout_ms, ret);
    snprintf(ret->text, sizeof(ret->text), "%s", reeve_strerror(error));
    return ret->code = error;
}

int reeve_tool_wait_gone(struct reeve_tool *tool, uint32_t timeout_ms)
{
    arm(tool, timeout_ms);
    while (tool->peer && !tool->timed_out)
        uv_run(&tool->loop, UV_RUN_ONCE);
    return tool->peer ? REEVE_ETIMEDOUT : REEVE_OK;
}
