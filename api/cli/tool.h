/* What a command uses to talk to the head: a session of its own over the links of the daemons,
 * driven by a small loop that runs only while a call below waits. One thread; one request after
 * another, or several under way (send, send, receive, receive). */
#ifndef REEVE_CLI_TOOL_H
#define REEVE_CLI_TOOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/link.h"

struct reeve_tool;

struct reeve_tool_reply {
    int code;       /* 0, or an error code; then `text` says why */
    json_t *result; /* NULL: none */
    uint8_t *data;
    size_t size;
    bool more; /* further replies to the same request follow */
    char text[512];
};

/* Dials the head and proves the key. REEVE_ENOCLUSTER, REEVE_EKEY, REEVE_EVERSION,
 * REEVE_EADDRESS …; `text` (REEVE_TEXT_SIZE bytes) is the link's own word then. timeout_ms 0: 10
 * s. */
int reeve_tool_open(const char *address, const uint8_t key[REEVE_KEY_SIZE], uint32_t timeout_ms,
    struct reeve_tool **ret, char *text);
void reeve_tool_close(struct reeve_tool *tool);

/* Queues a request; `arguments` is taken over (may be NULL). */
int reeve_tool_send(struct reeve_tool *tool, const char *method, json_t *arguments,
    const void *data, size_t size, uint64_t *ret_id);

/* Waits for the next reply to the request. REEVE_ETIMEDOUT (timeout_ms; 0: for ever),
 * REEVE_ENOCLUSTER when the session ended. The caller ends with reeve_tool_reply_fini, also on
 * failure. */
int reeve_tool_receive(
    struct reeve_tool *tool, uint64_t id, uint32_t timeout_ms, struct reeve_tool_reply *ret);
void reeve_tool_reply_fini(struct reeve_tool_reply *reply);

/* Waits for all pieces of the reply to a request that has been sent, as reeve_tool_call does. */
int reeve_tool_collect(
    struct reeve_tool *tool, uint64_t id, uint32_t timeout_ms, struct reeve_tool_reply *ret);

/* Sends and collects: the last reply's JSON, where a large one comes in pieces as data. Returns
 * the reply's code. */
int reeve_tool_call(struct reeve_tool *tool, const char *method, json_t *arguments,
    uint32_t timeout_ms, struct reeve_tool_reply *ret);

/* Waits until the head has gone away. */
int reeve_tool_wait_gone(struct reeve_tool *tool, uint32_t timeout_ms);

#endif
