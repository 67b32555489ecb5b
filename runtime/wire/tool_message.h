/* Requests of tools and the replies to them, as a daemon's shell sends them.
 *
 *      tool ──▶ head ──▶ node     what is the node's to answer, under an id of the head's
 *      tool ◀── head ◀── node
 *      node ──▶ head              "run.report": answered, so that the node knows that it is kept
 *
 * Arguments and results are JSON text; a reply whose code is not 0 has the error text as its
 * result. The methods are listed in api/cli/README.md. */
#ifndef REEVE_WIRE_TOOL_MESSAGE_H
#define REEVE_WIRE_TOOL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/wire/link.h"

struct reeve_tool_data {
    const void *bytes; /* NULL: none */
    size_t size;
    bool more; /* replies only */
};

static inline int reeve_tool_send_reply(struct reeve_link *link, reeve_peer peer, uint64_t id,
    int code, const char *result, struct reeve_tool_data data)
{
    Reeve__ToolReply reply = REEVE__TOOL_REPLY__INIT;
    reply.id = id;
    reply.code = code;
    reply.result = (char *)result;
    reply.has_data = data.bytes != NULL;
    reply.data = (ProtobufCBinaryData){.len = data.size, .data = (uint8_t *)data.bytes};
    reply.has_more = reply.more = data.more;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    message.body_case = REEVE__MESSAGE__BODY_TOOL_REPLY;
    message.tool_reply = &reply;
    return reeve_link_send(link, peer, &message);
}

static inline int reeve_tool_send_request(struct reeve_link *link, reeve_peer peer, uint64_t id,
    const char *method, const char *arguments, struct reeve_tool_data data)
{
    Reeve__ToolRequest request = REEVE__TOOL_REQUEST__INIT;
    request.id = id;
    request.method = (char *)method;
    request.arguments = (char *)arguments;
    request.has_data = data.bytes != NULL;
    request.data = (ProtobufCBinaryData){.len = data.size, .data = (uint8_t *)data.bytes};
    Reeve__Message message = REEVE__MESSAGE__INIT;
    message.body_case = REEVE__MESSAGE__BODY_TOOL_REQUEST;
    message.tool_request = &request;
    return reeve_link_send(link, peer, &message);
}

#endif
