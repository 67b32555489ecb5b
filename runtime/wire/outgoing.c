/* Gathering messages into frames; see outgoing.h. */
#include "runtime/wire/outgoing.h"

#include <string.h>

#include <reeve_errors.h>

#include "runtime/base/macros.h"
#include "runtime/wire/message.h"

#define FRAME_TARGET (256u * 1024u)
#define FRAME_FIRST  1024u /* capacity of a new frame; it doubles */

void reeve_outgoing_init(struct reeve_outgoing *outgoing, size_t message_max)
{
    memset(outgoing, 0, sizeof *outgoing);
    reeve_fifo_init(&outgoing->frames, sizeof(struct reeve_outgoing_frame));
    outgoing->message_max = message_max;
}

void reeve_outgoing_fini(struct reeve_outgoing *outgoing)
{
    struct reeve_outgoing_frame frame;
    while (reeve_fifo_pop(&outgoing->frames, &frame))
        nng_msg_free(frame.message);
    reeve_fifo_fini(&outgoing->frames);
}

/* A new last frame of `size` bytes, with room for `capacity`. */
static nng_msg *frame_add(
    struct reeve_outgoing *outgoing, enum reeve_frame_type type, size_t size, size_t capacity)
{
    nng_msg *message;
    if (nng_msg_alloc(&message, 0) != 0)
        return NULL;
    struct reeve_outgoing_frame *frame = NULL;
    if (nng_msg_reserve(message, capacity) == 0 && nng_msg_realloc(message, size) == 0)
        frame = reeve_fifo_push(&outgoing->frames);
    if (frame == NULL) {
        nng_msg_free(message);
        return NULL;
    }
    frame->message = message;
    frame->type = type;
    outgoing->open = NULL;
    outgoing->bytes += size;
    return message;
}

/* `size` more bytes at the end of the open frame, or in a new one; they are not written yet. */
static uint8_t *open_more(struct reeve_outgoing *outgoing, size_t size)
{
    nng_msg *open = outgoing->open;
    if (open != NULL && nng_msg_len(open) + size > FRAME_TARGET)
        open = NULL;
    if (open == NULL) {
        open = frame_add(outgoing, REEVE_FRAME_MESSAGES, REEVE_FRAME_HEADER_SIZE,
            REEVE_MAX(REEVE_FRAME_HEADER_SIZE + size, FRAME_FIRST));
        if (open == NULL)
            return NULL;
        outgoing->open = open;
    }
    size_t used = nng_msg_len(open), capacity = nng_msg_capacity(open);
    if (used + size > capacity && nng_msg_reserve(open, REEVE_MAX(used + size, 2 * capacity)) != 0)
        return NULL;
    if (nng_msg_realloc(open, used + size) != 0)
        return NULL;
    outgoing->bytes += size;
    return (uint8_t *)nng_msg_body(open) + used;
}

int reeve_outgoing_add(struct reeve_outgoing *outgoing, const Reeve__Message *message)
{
    size_t size = reeve_frame_message_size(message);
    if (size > outgoing->message_max)
        return REEVE_ETOOLARGE;
    uint8_t *out = open_more(outgoing, size);
    if (out == NULL)
        return REEVE_ENOMEM;
    outgoing->run_at = 0;
    reeve_frame_message_pack(message, out);
    return REEVE_OK;
}

uint8_t *reeve_outgoing_add_entry(
    struct reeve_outgoing *outgoing, enum reeve_run_kind kind, uint64_t lease, size_t size)
{
    if (REEVE_RUN_HEAD_SIZE + size > outgoing->message_max)
        return NULL;
    bool grows = outgoing->open != NULL && outgoing->run_at != 0 && outgoing->run_kind == kind &&
                 outgoing->run_lease == lease && nng_msg_len(outgoing->open) + size <= FRAME_TARGET;
    uint8_t *out = open_more(outgoing, grows ? size : REEVE_RUN_HEAD_SIZE + size);
    if (out == NULL)
        return NULL;
    uint8_t *frame = nng_msg_body(outgoing->open);
    if (!grows) {
        outgoing->run_at = (size_t)(out - frame);
        outgoing->run_kind = kind;
        outgoing->run_lease = lease;
        out += REEVE_RUN_HEAD_SIZE;
    }
    reeve_run_head_write(frame + outgoing->run_at, kind, lease,
        nng_msg_len(outgoing->open) - outgoing->run_at - REEVE_RUN_HEAD_SIZE);
    return out;
}

int reeve_outgoing_add_raw(
    struct reeve_outgoing *outgoing, enum reeve_frame_type type, const uint8_t *frame, size_t size)
{
    nng_msg *message = frame_add(outgoing, type, size, size);
    if (message == NULL)
        return REEVE_ENOMEM;
    memcpy(nng_msg_body(message), frame, size);
    return REEVE_OK;
}

int reeve_outgoing_add_goodbye(struct reeve_outgoing *outgoing, int code, const char *text)
{
    uint8_t frame[REEVE_FRAME_HEADER_SIZE + REEVE_TEXT_SIZE + 32];
    char cut[REEVE_TEXT_SIZE];
    size_t length = strnlen(text, sizeof cut - 1);
    memcpy(cut, text, length);
    cut[length] = 0;
    Reeve__Goodbye goodbye = REEVE__GOODBYE__INIT;
    goodbye.code = code;
    goodbye.text = cut;
    size_t size = reeve__goodbye__pack(&goodbye, frame + REEVE_FRAME_HEADER_SIZE);
    reeve_frame_header_write(frame, REEVE_FRAME_GOODBYE);
    return reeve_outgoing_add_raw(
        outgoing, REEVE_FRAME_GOODBYE, frame, REEVE_FRAME_HEADER_SIZE + size);
}

bool reeve_outgoing_take(struct reeve_outgoing *outgoing, struct reeve_outgoing_frame *ret)
{
    if (!reeve_fifo_pop(&outgoing->frames, ret))
        return false;
    if (ret->message == outgoing->open)
        outgoing->open = NULL;
    outgoing->bytes -= nng_msg_len(ret->message);
    return true;
}
